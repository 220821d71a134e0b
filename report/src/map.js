// SPDX-License-Identifier: BSD-3-Clause
//
// The map: an address space over time. A rectangle is a mapping, from when it was made to when it
// was removed; a mark on it a DMA; a cross a fault; a numbered diamond a finding.

import { IovaAxis, crowdEnds } from "./axis.js";
import { bytes, count, duration, hex, moment, permission, result } from "./format.js";
import { MONO, colour, scaledFont } from "./theme.js";
import { axisLook, hideTip, leftSize, makePlot, ratioOf, selectionBox, showTip, timeAxis } from "./plot.js";
import { listenToGestures } from "./gestures.js";
import { byId, perFrame } from "./dom.js";

const permissionColours = ["perm-none", "perm-read", "perm-write", "perm-both"];

// A label no longer than its place.
function shortened(text) {
	const most = Math.floor((leftSize() - 16) / 6.7);
	return text.length > most ? `0x…${text.slice(3 - most)}` : text;
}

function rowsOfSpace(table, space) {
	const rows = [];
	for (let i = 0; i < table.rows; i++) if (table.space[i] === space) rows.push(i);
	return Uint32Array.from(rows);
}

// The rows of one space, with the heights of their first and last bytes.
class Layer {
	constructor(table, space, lastOf) {
		this.table = table;
		this.rows = rowsOfSpace(table, space);
		this.lastOf = lastOf;
	}

	place(axis) {
		this.low = new Float64Array(this.rows.length);
		this.high = new Float64Array(this.rows.length);
		this.rows.forEach((row, i) => {
			const last = this.lastOf(row);
			this.low[i] = axis.height(this.table.iova[row]);
			this.high[i] = axis.height(last === (1n << 64n) - 1n ? last : last + 1n);
		});
	}
}

export class IovaMap {
	constructor(recording, findings, view, openFinding) {
		const { tables } = recording;
		this.recording = recording;
		this.findings = findings;
		this.view = view;
		this.openFinding = openFinding;
		this.chosen = null;
		this.space = -1;
		this.tables = tables;
		this.setSpace(0);
		this.plot = this.#makePlot(byId("map"));
		this.canvas = byId("map");
		this.#listen();
		view.listen(perFrame(() => this.draw()));
	}

	setSpace(space) {
		const { maps, dma, faults } = this.tables;
		if (space === this.space) return;
		this.space = space;
		this.maps = new Layer(maps, space, (row) => maps.last[row]);
		this.dma = new Layer(dma, space, (row) => dma.last[row]);
		this.faults = new Layer(faults, space, (row) => faults.iova[row]);
		this.marks = this.findings.filter((f) => f.space === space && f.iova !== null);
		this.axis = this.#makeAxis();
		for (const layer of [this.maps, this.dma, this.faults]) layer.place(this.axis);
		for (const mark of this.marks) mark.height = this.axis.height(mark.iova);
		this.view.setHeights(this.axis.top);
	}

	// What lies outside of all mappings still needs a place: a page around it.
	#makeAxis() {
		const page = 0xfffn;
		const n = this.maps.rows.length + this.dma.rows.length + this.faults.rows.length + this.marks.length;
		const first = new BigUint64Array(n);
		const last = new BigUint64Array(n);
		let at = 0;
		for (const row of this.maps.rows) {
			first[at] = this.tables.maps.iova[row];
			last[at++] = this.tables.maps.last[row];
		}
		const add = (low, high) => {
			first[at] = low & ~page;
			last[at++] = high | page;
		};
		const covered = new Cover(first.slice(0, at), last.slice(0, at));
		for (const row of this.dma.rows) {
			const { iova, last: end } = this.tables.dma;
			if (!covered.has(iova[row], end[row])) add(iova[row], end[row]);
		}
		for (const row of this.faults.rows) add(this.tables.faults.iova[row], this.tables.faults.iova[row]);
		for (const mark of this.marks) if (!covered.has(mark.iova, mark.iova)) add(mark.iova, mark.iova);
		return new IovaAxis(first.slice(0, at), last.slice(0, at), this.#crowds(covered));
	}

	// Pages that transfers within mappings crowd in.
	#crowds(covered) {
		const { iova, last } = this.tables.dma;
		const rows = this.dma.rows.filter((row) => covered.has(iova[row], last[row]));
		rows.sort((a, b) => (iova[a] < iova[b] ? -1 : 1));
		const page = 0xfffn;
		return crowdEnds(Array.from(rows, (row) => iova[row] & ~page), Array.from(rows, (row) => last[row] | page), 24)
			.filter((end) => end < 1n << 64n);
	}

	#makePlot(holder) {
		const range = (u, low, high) => [low, high];
		return makePlot(holder, {
			scales: { x: { time: false, range }, y: { range } },
			series: [{}, { paths: () => null, points: { show: false } }],
			axes: [timeAxis("time since the recording began"), this.#iovaAxis()],
			cursor: { sync: { key: "time", scales: ["x", null] } },
		}, [[this.view.t0, this.view.t1], [0, 0]], () => (innerWidth < 700 ? 340 : 460), (u, ctx) => this.#marks(u, ctx));
	}

	#iovaAxis() {
		return {
			...axisLook(),
			font: MONO,
			size: leftSize,
			gap: 4,
			splits: (u, axis, low, high) => {
				const apart = (17 / Math.max(u.height - 60, 100)) * (high - low);
				this.ticks = this.axis.ticks(low, high, apart);
				return this.ticks.map(([height]) => height);
			},
			values: () => this.ticks.map(([, iova]) => shortened(hex(iova))),
		};
	}

	#listen() {
		const over = this.plot.over;
		listenToGestures(over, this.canvas, this.view, { tall: true, select: selectionBox(over) });
		over.addEventListener("pointermove", (event) => this.#hover(event));
		over.addEventListener("pointerleave", hideTip);
		over.addEventListener("click", (event) => {
			const finding = this.#findingAt(event);
			if (finding) this.openFinding(finding);
		});
	}

	draw() {
		const { view, plot } = this;
		plot.batch(() => {
			plot.setScale("x", { min: view.t0, max: view.t1 });
			plot.setScale("y", { min: view.u0, max: view.u1 });
		});
	}

	// Functions from time and height to the canvas.
	#scales(u) {
		const { left, top, width, height } = u.bbox;
		const { t0, t1, u0, u1 } = this.view;
		const kx = width / (t1 - t0);
		const ky = height / (u1 - u0);
		return { x: (t) => left + (t - t0) * kx, y: (h) => top + height - (h - u0) * ky };
	}

	#marks(u, ctx) {
		const to = this.#scales(u);
		const ratio = ratioOf(u);
		this.#drawGaps(u, ctx, to, ratio);
		this.canvas.dataset.mappings = this.#drawMappings(ctx, to, ratio);
		this.canvas.dataset.dma = this.#drawDma(ctx, to, ratio);
		this.#drawFaults(ctx, to, ratio);
		this.#drawFindings(ctx, to, ratio);
	}

	#drawGaps(u, ctx, to, ratio) {
		const { left, width } = u.bbox;
		ctx.font = scaledFont(MONO, ratio);
		ctx.textAlign = "right";
		ctx.textBaseline = "middle";
		let drawn = 0;
		for (const [low, high, size] of this.axis.gaps(this.view.u0, this.view.u1)) {
			const y = to.y(high);
			const tall = to.y(low) - y;
			if (tall < 2 * ratio || drawn++ > 500) continue;
			ctx.fillStyle = colour("gap");
			ctx.fillRect(left, y, width, tall);
			if (tall < 14 * ratio) continue;
			ctx.fillStyle = colour("faint");
			ctx.fillText(`gap of ${bytes(size)}`, left + width - 8 * ratio, y + tall / 2);
		}
	}

	// Seen rows of a layer, as [row, x, y, width, height] in the canvas, no smaller than least.
	*#seen(layer, to, leastWide, leastTall) {
		const { t0, t1, u0, u1 } = this.view;
		const { table, rows, low, high } = layer;
		for (let i = 0; i < rows.length; i++) {
			const row = rows[i];
			if (table.t1[row] < t0 || table.t0[row] > t1 || high[i] < u0 || low[i] > u1) continue;
			const x0 = to.x(Math.max(table.t0[row], t0 - (t1 - t0)));
			const x1 = to.x(Math.min(table.t1[row], t1 + (t1 - t0), this.recording.end));
			const y0 = to.y(Math.min(high[i], u1 + (u1 - u0)));
			const y1 = to.y(Math.max(low[i], u0 - (u1 - u0)));
			const tall = Math.max(y1 - y0, leastTall);
			yield [row, x0, (y0 + y1 - tall) / 2, Math.max(x1 - x0, leastWide), tall];
		}
	}

	#drawMappings(ctx, to, ratio) {
		const byPermission = [[], [], [], []];
		for (const box of this.#seen(this.maps, to, ratio, ratio))
			byPermission[this.tables.maps.perm[box[0]] & 3].push(box);
		let drawn = 0;
		byPermission.forEach((boxes, bits) => {
			const stroke = colour(permissionColours[bits]);
			ctx.fillStyle = ctx.strokeStyle = stroke;
			ctx.lineWidth = ratio;
			ctx.globalAlpha = Number(colour("fill-alpha")) || 0.25;
			for (const [, x, y, w, h] of boxes) ctx.fillRect(x, y, w, h);
			ctx.globalAlpha = 0.9;
			for (const [, x, y, w, h] of boxes)
				if (w > 3 * ratio && h > 3 * ratio)
					ctx.strokeRect(x + ratio / 2, y + ratio / 2, w - ratio, h - ratio);
			drawn += boxes.length;
		});
		ctx.globalAlpha = 1;
		return drawn;
	}

	#drawDma(ctx, to, ratio) {
		const { write, rc, count } = this.tables.dma;
		const kinds = [["dma-read", []], ["dma-write", []], ["fault", []]];
		let drawn = 0;
		for (const box of this.#seen(this.dma, to, 1.5 * ratio, 2.5 * ratio)) {
			kinds[rc[box[0]] ? 2 : write[box[0]] ? 1 : 0][1].push(box);
			drawn++;
		}
		for (const [name, boxes] of kinds) {
			ctx.fillStyle = colour(name);
			for (const [row, x, y, w, h] of boxes) {
				// Many as one: they are somewhere in there.
				ctx.globalAlpha = count[row] > 1 ? 0.4 : rc[row] ? 0.7 : 1;
				ctx.fillRect(x, y, w, h);
			}
		}
		ctx.globalAlpha = 1;
		return drawn;
	}

	#drawFaults(ctx, to, ratio) {
		const size = 5 * ratio;
		const { t0 } = this.tables.faults;
		for (const [style, wide] of [["surface", 5], ["fault", 2.5]]) {
			ctx.strokeStyle = colour(style);
			ctx.lineWidth = wide * ratio;
			ctx.beginPath();
			this.faults.rows.forEach((row, i) => {
				if (t0[row] < this.view.t0 || t0[row] > this.view.t1) return;
				const x = to.x(t0[row]);
				const y = to.y((this.faults.low[i] + this.faults.high[i]) / 2);
				ctx.moveTo(x - size, y - size);
				ctx.lineTo(x + size, y + size);
				ctx.moveTo(x + size, y - size);
				ctx.lineTo(x - size, y + size);
			});
			ctx.stroke();
		}
	}

	// The first one lies on top.
	#drawFindings(ctx, to, ratio) {
		const size = 10 * ratio;
		ctx.font = `bold ${scaledFont("10px system-ui, sans-serif", ratio)}`;
		ctx.textAlign = "center";
		ctx.textBaseline = "middle";
		for (const mark of [...this.marks].reverse()) {
			if (mark.t < this.view.t0 || mark.t > this.view.t1) continue;
			const [x, y] = [to.x(mark.t), to.y(mark.height)];
			const grown = mark === this.chosen ? 1.45 * size : size;
			ctx.beginPath();
			ctx.moveTo(x, y - grown);
			ctx.lineTo(x + grown, y);
			ctx.lineTo(x, y + grown);
			ctx.lineTo(x - grown, y);
			ctx.closePath();
			ctx.fillStyle = colour("finding");
			ctx.fill();
			ctx.lineWidth = (mark === this.chosen ? 3 : 1.5) * ratio;
			ctx.strokeStyle = colour("surface");
			ctx.stroke();
			ctx.fillStyle = colour("on-finding");
			ctx.fillText(String(mark.number), x, y + ratio / 2);
		}
	}

	#at(event) {
		const box = this.plot.over.getBoundingClientRect();
		const { view } = this;
		return {
			t: view.t0 + ((event.clientX - box.left) / box.width) * (view.t1 - view.t0),
			u: view.u1 - ((event.clientY - box.top) / box.height) * (view.u1 - view.u0),
			dt: (view.t1 - view.t0) / box.width,
			du: (view.u1 - view.u0) / box.height,
		};
	}

	#findingAt(event) {
		const { t, u, dt, du } = this.#at(event);
		return this.marks.find((m) => Math.abs(m.t - t) / dt + Math.abs(m.height - u) / du < 12);
	}

	// The row of a layer under the pointer, the last drawn first.
	#rowAt(layer, { t, u, dt, du }, slack) {
		const { table, rows, low, high } = layer;
		for (let i = rows.length - 1; i >= 0; i--) {
			const row = rows[i];
			if (low[i] - slack * du <= u && u <= high[i] + slack * du &&
			    table.t0[row] - slack * dt <= t && t <= table.t1[row] + slack * dt)
				return row;
		}
		return -1;
	}

	#hover(event) {
		const at = this.#at(event);
		const step = at.dt;
		const finding = this.#findingAt(event);
		if (finding) {
			showTip(event, `Finding ${finding.number}: ${finding.kind}`, [["", finding.text]]);
			return;
		}
		let row = this.#rowAt(this.faults, at, 6);
		if (row >= 0) return this.#tipOfFault(event, row, step);
		row = this.#rowAt(this.dma, at, 2);
		if (row >= 0) return this.#tipOfDma(event, row, step);
		row = this.#rowAt(this.maps, at, 1);
		if (row >= 0) return this.#tipOfMapping(event, row, step);
		showTip(event, "Nothing is mapped here", [
			["IOVA", hex(this.axis.iova(at.u))],
			["time", moment(at.t, step)],
		]);
	}

	#tipOfFault(event, row, step) {
		const { faults } = this.tables;
		showTip(event, "Fault", [
			["IOVA", hex(faults.iova[row])],
			["device", this.recording.devices[faults.device[row]]?.name ?? "?"],
			["access", faults.write[row] ? "write" : "read"],
			["reason", this.recording.strings[faults.text[row]]],
			["time", moment(faults.t0[row], step)],
			...(faults.count[row] > 1 ? [["times", count(faults.count[row])]] : []),
		]);
	}

	#tipOfDma(event, row, step) {
		const { dma } = this.tables;
		const n = dma.count[row];
		showTip(event, n > 1 ? `${count(n)} DMA transfers` : "DMA transfer", [
			["device", this.recording.devices[dma.device[row]]?.name ?? "?"],
			["direction", dma.write[row] ? "device writes memory" : "device reads memory"],
			["IOVA", `${hex(dma.iova[row])} – ${hex(dma.last[row])}`],
			["bytes", bytes(dma.bytes[row])],
			["time", `${moment(dma.t0[row], step)}, took ${duration(dma.t1[row] - dma.t0[row])}`],
			...(dma.rc[row] ? [["failed", result(dma.rc[row])]] : []),
		]);
	}

	#tipOfMapping(event, row, step) {
		const { maps } = this.tables;
		const n = maps.count[row];
		const lived = maps.t1[row] - maps.t0[row];
		showTip(event, n > 1 ? `${count(n)} mappings` : `Mapping, ${permission(maps.perm[row])}`, [
			["IOVA", `${hex(maps.iova[row])} – ${hex(maps.last[row])}`],
			["size", bytes(maps.last[row] - maps.iova[row] + 1n)],
			[this.recording.strings[maps.source[row]], hex(maps.va[row])],
			["made", moment(maps.t0[row], step)],
			["removed", Number.isFinite(lived) ? `${moment(maps.t1[row], step)}, after ${duration(lived)}` : "never"],
		]);
	}
}

// Whether ranges cover another: those that touch are joined first.
class Cover {
	constructor(first, last) {
		const order = Array.from(first.keys()).sort((a, b) => (first[a] < first[b] ? -1 : 1));
		this.joined = [];
		for (const i of order) {
			const end = this.joined.at(-1);
			if (end && first[i] <= end[1] + 1n) end[1] = last[i] > end[1] ? last[i] : end[1];
			else this.joined.push([first[i], last[i]]);
		}
	}

	has(first, last) {
		let low = 0;
		let high = this.joined.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if (this.joined[middle][0] <= first) low = middle;
			else high = middle - 1;
		}
		return high >= 0 && this.joined[low][0] <= first && last <= this.joined[low][1];
	}
}
