// SPDX-License-Identifier: BSD-3-Clause
//
// How long calls and transfers took. The recording comes with counts in buckets, eight for each
// doubling, of all events, also of those that were left out elsewhere: so percentiles are right to a
// bucket, which is 9 % of the value.

import { brief, count, duration } from "./format.js";
import { FONT, colour, scaledFont } from "./theme.js";
import { axisLook, hideTip, makePlot, ratioOf, showTip } from "./plot.js";
import { byId, make } from "./dom.js";

const SUB = 8;

// As cli/report_latency.c numbers them: exact below 8 ns.
export function bucketRange(index) {
	if (index < SUB) return [index, index + 1];
	const octave = Math.floor(index / SUB) - 1;
	const low = (SUB + (index % SUB)) * 2 ** octave;
	return [low, low + 2 ** octave];
}

export function percentile(series, part) {
	let left = series.n * part;
	for (const [index, n] of series.buckets) {
		left -= n;
		if (left > 0) continue;
		const [low, high] = bucketRange(index);
		return Math.min(Math.max(high - (-left / n < 1 ? (-left / n) * (high - low) : 0), series.min), series.max);
	}
	return series.max;
}

const columns = [
	["events", (s) => count(s.n)],
	["p50", (s) => duration(percentile(s, 0.5))],
	["p90", (s) => duration(percentile(s, 0.9))],
	["p99", (s) => duration(percentile(s, 0.99))],
	["p99.9", (s) => duration(percentile(s, 0.999))],
	["max", (s) => duration(s.max)],
];

export class Latency {
	constructor(recording) {
		this.series = recording.latency.filter((s) => s.n).sort((a, b) =>
			a.group.localeCompare(b.group) || a.rank - b.rank || b.n - a.n);
		const holder = byId("histogram");
		if (!this.series.length) {
			byId("latency").hidden = true;
			return;
		}
		this.chosen = this.series.reduce((most, s) => (s.group === this.series[0].group && s.sum > most.sum ? s : most));
		this.#makeTable();
		this.plot = this.#makePlot(holder);
		this.plot.over.addEventListener("pointermove", (event) => this.#hover(event));
		this.plot.over.addEventListener("pointerleave", hideTip);
		this.choose(this.chosen);
	}

	#makeTable() {
		const groups = groupBy(this.series);
		const body = [...groups].map(([group, members]) => make("tbody", {},
			make("tr", {}, make("th", { scope: "rowgroup", colspan: columns.length + 1 }, group)),
			members.map((s) => this.#row(s))));
		byId("latencies").replaceChildren(
			make("thead", {}, make("tr", {},
				make("th", { scope: "col" }, "what"),
				columns.map(([name]) => make("th.number", { scope: "col" }, name)))),
			...body);
	}

	#row(series) {
		const button = make("button.choose", { type: "button", click: () => this.choose(series) }, breakable(series.name));
		series.row = make("tr", { click: () => this.choose(series) },
			make("th", { scope: "row" }, button),
			columns.map(([, value]) => make("td.number", {}, value(series))));
		series.button = button;
		return series.row;
	}

	choose(series) {
		this.chosen = series;
		for (const s of this.series) {
			s.row.classList.toggle("chosen", s === series);
			s.button.setAttribute("aria-pressed", String(s === series));
		}
		byId("histogram-title").textContent = `${series.group}: ${series.name}`;
		const [low] = bucketRange(series.buckets[0][0]);
		const [, high] = bucketRange(series.buckets.at(-1)[0]);
		this.low = 10 ** Math.floor(Math.log10(Math.max(low, 1)) + 1e-9);
		this.high = Math.max(10 ** Math.ceil(Math.log10(high) - 1e-9), this.low * 10);
		this.most = Math.max(...series.buckets.map(([, n]) => n));
		this.plot.batch(() => {
			this.plot.setScale("x", { min: this.low, max: this.high });
			this.plot.setScale("y", { min: 0.7, max: this.most * 1.6 });
		});
	}

	#makePlot(holder) {
		const range = (u, low, high) => [low, high];
		return makePlot(holder, {
			scales: { x: { time: false, distr: 3, range }, y: { distr: 3, range } },
			series: [{}, { paths: () => null, points: { show: false } }],
			axes: [
				{ ...axisLook(), label: "took (logarithmic)", labelFont: FONT, labelSize: 18, labelGap: 0, size: 34,
				  values: (u, splits) => splits.map((t) => (isPowerOfTen(t) ? duration(t) : "")) },
				{ ...axisLook(), label: "events (logarithmic)", labelFont: FONT, labelSize: 18, size: 48,
				  values: (u, splits) => splits.map((n) => (isPowerOfTen(n) && n >= 1 ? brief(n) : "")) },
			],
			cursor: { y: false },
		}, [[1, 10], [1, 1]], () => 300, (u, ctx) => this.#draw(u, ctx));
	}

	#draw(u, ctx) {
		const ratio = ratioOf(u);
		const bottom = u.bbox.top + u.bbox.height;
		ctx.fillStyle = colour("bar");
		for (const [index, n] of this.chosen.buckets) {
			const [low, high] = bucketRange(index);
			const x0 = u.valToPos(Math.max(low, this.low), "x", true);
			const x1 = u.valToPos(high, "x", true);
			const y = u.valToPos(n, "y", true);
			ctx.fillRect(x0, y, Math.max(x1 - x0 - ratio, ratio), bottom - y);
		}
		this.#drawPercentiles(u, ctx, ratio);
	}

	// Labels go down a step where they would touch the one before.
	#drawPercentiles(u, ctx, ratio) {
		const { top, height, left, width } = u.bbox;
		let [lastRight, step] = [-Infinity, 0];
		ctx.font = scaledFont(FONT, ratio);
		ctx.textBaseline = "top";
		const marks = [["p50", 0.5], ["p90", 0.9], ["p99", 0.99]].map(([name, part]) => {
			const value = Math.max(percentile(this.chosen, part), this.low);
			return [name, value, u.valToPos(value, "x", true)];
		});
		ctx.strokeStyle = colour("text");
		ctx.lineWidth = ratio;
		ctx.setLineDash([4 * ratio, 3 * ratio]);
		ctx.beginPath();
		for (const [, , x] of marks) {
			ctx.moveTo(x, top);
			ctx.lineTo(x, top + height);
		}
		ctx.stroke();
		ctx.setLineDash([]);
		for (const [name, value, x] of marks) {
			const text = `${name} ${duration(value)}`;
			const wide = ctx.measureText(text).width + 8 * ratio;
			const onLeft = x + wide > left + width;
			const from = onLeft ? x - wide : x;
			step = from < lastRight ? step + 1 : 0;
			lastRight = Math.max(lastRight, from + wide);
			ctx.fillStyle = colour("surface");
			ctx.fillRect(from + ratio, top + (3 + 16 * step) * ratio, wide - 2 * ratio, 15 * ratio);
			ctx.fillStyle = colour("text");
			ctx.textAlign = "left";
			ctx.fillText(text, from + 4 * ratio, top + (5 + 16 * step) * ratio);
		}
	}

	#hover(event) {
		const box = this.plot.over.getBoundingClientRect();
		const value = this.plot.posToVal(event.clientX - box.left, "x");
		const bucket = this.chosen.buckets.find(([index]) => {
			const [low, high] = bucketRange(index);
			return low <= value && value < high;
		});
		if (!bucket) return hideTip();
		const [low, high] = bucketRange(bucket[0]);
		showTip(event, this.chosen.name, [
			["took", `${duration(low)} to ${duration(high)}`],
			["events", `${count(bucket[1])} of ${count(this.chosen.n)}`],
		]);
	}
}

// VFIO_DEVICE_GET_REGION_INFO is wider than a phone.
function breakable(name) {
	return name.split(/(?<=_)/).map((part, i) => (i ? [make("wbr"), part] : part));
}

function isPowerOfTen(n) {
	return Math.abs(Math.log10(n) - Math.round(Math.log10(n))) < 1e-6;
}

function groupBy(series) {
	const groups = new Map();
	for (const s of series) groups.set(s.group, [...(groups.get(s.group) ?? []), s]);
	return groups;
}
