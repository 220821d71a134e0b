// SPDX-License-Identifier: BSD-3-Clause
//
// The timeline: a lane for each kind of event of each device, on the map's time. A lane is a bar
// chart of its own, as high as its highest bar of what is seen.

import { brief, bytes, count, duration, moment } from "./format.js";
import { FONT, colour, scaledFont } from "./theme.js";
import { axisLook, hideTip, leftSize, makePlot, ratioOf, selectionBox, showTip, timeAxis } from "./plot.js";
import { listenToGestures } from "./gestures.js";
import { byId, perFrame } from "./dom.js";

const LANE = 34; // CSS pixels
const BAR = 3;
const MOST = 48;

const perSecond = {
	bytes: (n) => `${bytes(n)}/s`,
	events: (n) => `${brief(n)}/s`,
};

// Rows of a table, by device: those that pass belong to the lane.
function lanesOf(recording) {
	const { dma, calls, faults, irqs, invals } = recording.tables;
	const lanes = [];
	const add = (lane) => {
		const rows = [];
		for (let i = 0; i < lane.table.rows; i++) if (lane.has(i)) rows.push(i);
		if (rows.length) lanes.push({ ...lane, rows: Uint32Array.from(rows) });
	};
	const events = (table) => (i) => table.count[i];
	recording.devices.forEach((device, number) => {
		const of = (table) => (i) => table.device[i] === number;
		const { name } = device;
		add({ title: name, what: "DMA reads", ink: "dma-read", unit: "bytes", table: dma,
		      has: (i) => dma.device[i] === number && !dma.write[i], weight: (i) => dma.bytes[i] });
		add({ title: name, what: "DMA writes", ink: "dma-write", unit: "bytes", table: dma,
		      has: (i) => dma.device[i] === number && dma.write[i], weight: (i) => dma.bytes[i] });
		add({ title: name, what: "interrupts", ink: "irq", unit: "events", table: irqs,
		      has: of(irqs), weight: events(irqs) });
		add({ title: name, what: "faults", ink: "fault", unit: "events", table: faults,
		      has: of(faults), weight: events(faults) });
	});
	add({ title: "program", what: "calls", ink: "call", unit: "events", table: calls,
	      has: (i) => calls.rc[i] >= 0, weight: events(calls) });
	add({ title: "program", what: "calls that failed", ink: "fault", unit: "events", table: calls,
	      has: (i) => calls.rc[i] < 0, weight: events(calls) });
	add({ title: "IOMMU", what: "invalidations", ink: "inval", unit: "events", table: invals,
	      has: () => true, weight: events(invals) });
	return lanes;
}

// What a lane's rows weigh in each of n equal parts of [t0, t1]; a long one is spread.
function binned(lane, t0, t1, n) {
	const bins = new Float64Array(n);
	const scale = n / (t1 - t0);
	const { table, rows, weight } = lane;
	for (const row of rows) {
		const from = table.t0[row];
		const until = table.t1[row];
		if (until < t0 || from > t1) continue;
		const first = (from - t0) * scale;
		const last = (until - t0) * scale;
		const low = Math.max(0, Math.floor(first));
		const high = Math.min(n - 1, Math.floor(last));
		if (low >= high) {
			if (low < n) bins[low] += weight(row) * (last > n || first < 0 ? 0.5 : 1);
			continue;
		}
		const share = weight(row) / (last - first);
		for (let bin = low; bin <= high; bin++)
			bins[bin] += share * (Math.min(bin + 1, last) - Math.max(bin, first));
	}
	return bins;
}

export class Lanes {
	constructor(recording, view) {
		const all = lanesOf(recording);
		this.lanes = all.slice(0, MOST);
		this.view = view;
		const holder = byId("lanes");
		byId("lanes-left").textContent =
			all.length > MOST ? `${all.length - MOST} more lanes of other devices are not shown.` : "";
		if (!all.length) {
			holder.textContent = "The recording has no call, DMA, interrupt or fault.";
			return;
		}
		this.plot = this.#makePlot(holder);
		const { over } = this.plot;
		listenToGestures(over, holder, view, { tall: false, select: selectionBox(over) });
		over.addEventListener("pointermove", (event) => this.#hover(event));
		over.addEventListener("pointerleave", hideTip);
		view.listen(perFrame(() => this.plot.setScale("x", { min: view.t0, max: view.t1 })));
	}

	#makePlot(holder) {
		const n = this.lanes.length;
		return makePlot(holder, {
			scales: { x: { time: false, range: (u, low, high) => [low, high] }, y: { range: [0, n] } },
			series: [{}, { paths: () => null, points: { show: false } }],
			axes: [timeAxis("time since the recording began"), this.#names(n)],
			cursor: { y: false, sync: { key: "time", scales: ["x", null] } },
		}, [[this.view.t0, this.view.t1], [0, 0]], () => n * LANE + 60, (u, ctx) => this.#draw(u, ctx));
	}

	#names(n) {
		return {
			...axisLook(),
			size: leftSize,
			splits: () => Array.from({ length: n }, (_, i) => n - 1 - i),
			values: () => [],
			ticks: { show: false },
		};
	}

	#draw(u, ctx) {
		const ratio = ratioOf(u);
		const { left, top, width, height } = u.bbox;
		const lane = height / this.lanes.length;
		const n = Math.max(1, Math.floor(width / (BAR * ratio)));
		this.binTime = (this.view.t1 - this.view.t0) / n;
		this.bins = this.lanes.map((l) => binned(l, this.view.t0, this.view.t1, n));
		this.lanes.forEach((l, i) => {
			const bottom = top + (i + 1) * lane - ratio;
			const peak = this.bins[i].reduce((a, b) => Math.max(a, b), 0);
			ctx.fillStyle = colour(l.ink);
			this.bins[i].forEach((value, bin) => {
				if (!value) return;
				const tall = Math.max(1.5 * ratio, (value / peak) * (lane - 6 * ratio));
				ctx.fillRect(left + (bin * width) / n, bottom - tall, width / n - ratio / 2, tall);
			});
			if (peak) this.#peak(ctx, ratio, left + width, bottom - lane + 4 * ratio, l, peak);
		});
		ctx.restore(); // beyond the plot's own area
		ctx.save();
		this.lanes.forEach((l, i) => this.#name(ctx, ratio, left, top + (i + 0.5) * lane, l));
	}

	#peak(ctx, ratio, x, y, lane, peak) {
		const text = `peak ${perSecond[lane.unit](peak / (this.binTime / 1e9))}`;
		ctx.font = scaledFont(FONT, ratio);
		ctx.textAlign = "right";
		ctx.textBaseline = "top";
		const wide = ctx.measureText(text).width;
		ctx.fillStyle = colour("surface");
		ctx.globalAlpha = 0.82;
		ctx.fillRect(x - wide - 8 * ratio, y - 2 * ratio, wide + 8 * ratio, 15 * ratio);
		ctx.globalAlpha = 1;
		ctx.fillStyle = colour("muted");
		ctx.fillText(text, x - 4 * ratio, y);
	}

	#name(ctx, ratio, left, y, lane) {
		ctx.textAlign = "right";
		ctx.textBaseline = "alphabetic";
		ctx.font = scaledFont(FONT, ratio);
		ctx.fillStyle = colour("muted");
		ctx.fillText(lane.title, left - 8 * ratio, y - 2 * ratio);
		ctx.fillStyle = colour("text");
		ctx.fillText(lane.what, left - 8 * ratio, y + 11 * ratio);
	}

	#hover(event) {
		const box = this.plot.over.getBoundingClientRect();
		const lane = Math.floor(((event.clientY - box.top) / box.height) * this.lanes.length);
		const bins = this.bins?.[lane];
		if (!bins) return;
		const bin = Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * bins.length), 0), bins.length - 1);
		const { title, what, unit } = this.lanes[lane];
		const value = bins[bin];
		showTip(event, `${title}, ${what}`, [
			["time", `${moment(this.view.t0 + bin * this.binTime, this.binTime)}, for ${duration(this.binTime)}`],
			[unit, unit === "bytes" ? bytes(value) : count(Math.round(value * 10) / 10)],
			["rate", perSecond[unit](value / (this.binTime / 1e9))],
		]);
	}
}
