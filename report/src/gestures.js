// SPDX-License-Identifier: BSD-3-Clause
//
// Mouse, touch and keys on a plot, as movements of a View.
//
// Dragging pans; with Shift it zooms to the rectangle. The wheel zooms once the plot has the focus,
// or with Ctrl: a page that is only scrolled past must scroll. Two fingers pinch.

const STEP = 1.25;

const keys = {
	ArrowLeft: (v) => v.pan(-0.15, 0),
	ArrowRight: (v) => v.pan(0.15, 0),
	ArrowUp: (v, tall) => tall && v.pan(0, 0.15),
	ArrowDown: (v, tall) => tall && v.pan(0, -0.15),
	"+": (v, tall) => v.zoom(STEP, tall ? STEP : 1),
	"=": (v, tall) => v.zoom(STEP, tall ? STEP : 1),
	"-": (v, tall) => v.zoom(1 / STEP, tall ? 1 / STEP : 1),
	"]": (v) => v.zoom(STEP, 1),
	"[": (v) => v.zoom(1 / STEP, 1),
	"}": (v, tall) => tall && v.zoom(1, STEP),
	"{": (v, tall) => tall && v.zoom(1, 1 / STEP),
	0: (v) => v.all(),
	Home: (v) => v.all(),
};

function fractions(over, event) {
	const box = over.getBoundingClientRect();
	return [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
}

// tall: heights move too. select(rectangle or null): what Shift and dragging shows.
export function listenToGestures(over, focus, view, { tall, select }) {
	const pointers = new Map();
	let boxFrom = null;

	focus.addEventListener("keydown", (event) => {
		const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
		if (!act) return;
		act(view, tall);
		event.preventDefault();
	});

	over.addEventListener("wheel", (event) => {
		if (!event.ctrlKey && !event.metaKey && !focus.contains(document.activeElement)) return;
		event.preventDefault();
		const factor = STEP ** (-(event.deltaY || event.deltaX) / 60);
		const [x, y] = fractions(over, event);
		view.zoom(event.altKey ? 1 : factor, tall && !event.shiftKey ? factor : 1, x, y);
	}, { passive: false });

	over.addEventListener("dblclick", () => view.all());

	over.addEventListener("pointerdown", (event) => {
		if (event.button) return;
		if (event.pointerType === "mouse") focus.focus({ preventScroll: true });
		over.setPointerCapture(event.pointerId);
		pointers.set(event.pointerId, fractions(over, event));
		boxFrom = event.shiftKey ? fractions(over, event) : null;
	});

	over.addEventListener("pointermove", (event) => {
		const was = pointers.get(event.pointerId);
		if (!was) return;
		const now = fractions(over, event);
		if (boxFrom) {
			select?.(rectangle(boxFrom, now, tall));
			return;
		}
		if (pointers.size === 2) pinch(was, now, event.pointerId);
		else view.pan(was[0] - now[0], tall ? was[1] - now[1] : 0);
		pointers.set(event.pointerId, now);
	});

	function pinch(was, now, id) {
		const other = [...pointers].find(([key]) => key !== id)[1];
		const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
		const factor = Math.max(distance(now), 0.02) / Math.max(distance(was), 0.02);
		view.zoom(factor, tall ? factor : 1, other[0], other[1]);
	}

	function up(event) {
		const from = boxFrom;
		pointers.delete(event.pointerId);
		boxFrom = null;
		if (!from) return;
		select?.(null);
		const [x0, y0, x1, y1] = rectangle(from, fractions(over, event), tall);
		if (x1 - x0 < 0.005 || y1 - y0 < 0.005) return;
		const [dt, du] = [view.t1 - view.t0, view.u1 - view.u0];
		view.set({
			t0: view.t0 + x0 * dt,
			t1: view.t0 + x1 * dt,
			u0: view.u0 + y0 * du,
			u1: view.u0 + y1 * du,
		});
	}
	over.addEventListener("pointerup", up);
	over.addEventListener("pointercancel", up);
}

function rectangle([x0, y0], [x1, y1], tall) {
	const ys = tall ? [Math.min(y0, y1), Math.max(y0, y1)] : [0, 1];
	return [Math.min(x0, x1), ys[0], Math.max(x0, x1), ys[1]];
}
