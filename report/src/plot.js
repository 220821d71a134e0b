// SPDX-License-Identifier: BSD-3-Clause
//
// What the plots have in common: a uPlot whose axes, scales and cursor are the library's and whose
// marks are drawn by ours, a tooltip, and a size that follows the page's.

import uPlot from "uplot";
import { moment } from "./format.js";
import { FONT, colour, onTheme } from "./theme.js";
import { byId, make } from "./dom.js";

export function timeAxis(label) {
	return {
		...axisLook(),
		label,
		labelFont: FONT,
		labelSize: 18,
		labelGap: 0,
		size: 34,
		space: () => (innerWidth < 700 ? 72 : 110),
		values: (u, splits, axis, space, step) => splits.map((t) => (t < 0 ? "" : moment(t, step || 1e3))),
	};
}

// The map and the timeline begin at the same place.
export function leftSize() {
	return innerWidth < 700 ? 108 : 144;
}

export function axisLook() {
	return {
		font: FONT,
		stroke: () => colour("muted"),
		grid: { stroke: () => colour("grid"), width: 1 },
		ticks: { stroke: () => colour("grid"), width: 1, size: 5 },
	};
}

// draw(u, pen): after the axes. pen has the canvas and what a mark needs to know.
export function makePlot(holder, options, data, height, draw) {
	const size = () => ({ width: Math.max(holder.clientWidth, 200), height: height() });
	const plot = new uPlot({
		...size(),
		legend: { show: false },
		padding: [8, 30, 0, 0],
		...options,
		cursor: { points: { show: false }, drag: { setScale: false, x: false, y: false }, ...options.cursor },
		hooks: { ...options.hooks, draw: [(u) => clipped(u, draw)] },
	}, data, holder);
	new ResizeObserver(() => {
		const want = size();
		if (want.width !== plot.width || want.height !== plot.height) plot.setSize(want);
	}).observe(holder);
	onTheme(() => plot.redraw(false));
	return plot;
}

function clipped(u, draw) {
	const { ctx, bbox } = u;
	ctx.save();
	ctx.beginPath();
	ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
	ctx.clip();
	draw(u, ctx, bbox);
	ctx.restore();
}

// The ratio of a canvas's pixels to the page's.
export function ratioOf(u) {
	return u.ctx.canvas.width / u.width;
}

// One tooltip for the page; rows of [term, description].
export function showTip(event, title, rows) {
	const tip = byId("tip");
	tip.replaceChildren(
		make("strong", {}, title),
		make("dl", {}, rows.map(([term, what]) => [make("dt", {}, term), make("dd", {}, what)])),
	);
	tip.hidden = false;
	const { width, height } = tip.getBoundingClientRect();
	const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
	const top = Math.min(event.clientY + 14, innerHeight - height - 6);
	tip.style.left = `${Math.max(left, 4)}px`;
	tip.style.top = `${Math.max(top, 4)}px`;
}

export function hideTip() {
	byId("tip").hidden = true;
}

export function selectionBox(over) {
	const box = make("div.selection", { hidden: true });
	over.append(box);
	return (rectangle) => {
		box.hidden = !rectangle;
		if (!rectangle) return;
		const [x0, y0, x1, y1] = rectangle;
		box.style.left = `${x0 * 100}%`;
		box.style.width = `${(x1 - x0) * 100}%`;
		box.style.bottom = `${y0 * 100}%`;
		box.style.height = `${(y1 - y0) * 100}%`;
	};
}
