// SPDX-License-Identifier: BSD-3-Clause
//
// What part of the recording is looked at: a stretch of time [t0, t1] in ns, common to the map and
// the timeline, and of heights [u0, u1] of the map (axis.js). Whoever draws listens.

const SHORTEST = 100; // ns
const MARGIN = 0.02; // so that what lies at an edge can be seen whole

function clampRange(low, high, limitLow, limitHigh, shortest) {
	const length = Math.min(Math.max(high - low, shortest), limitHigh - limitLow);
	const middle = (low + high) / 2;
	const start = Math.min(Math.max(middle - length / 2, limitLow), limitHigh - length);
	return [start, start + length];
}

export class View {
	#listeners = [];

	constructor(begin, end) {
		const margin = MARGIN * Math.max(end - begin, SHORTEST);
		this.begin = begin - margin;
		this.end = Math.max(end, begin + SHORTEST) + margin;
		[this.bottom, this.top] = [0, 1];
		[this.t0, this.t1, this.u0, this.u1] = [this.begin, this.end, 0, 1];
	}

	get duration() {
		return this.end - this.begin;
	}

	listen(listener) {
		this.#listeners.push(listener);
	}

	set({ t0 = this.t0, t1 = this.t1, u0 = this.u0, u1 = this.u1 }) {
		[this.t0, this.t1] = clampRange(t0, t1, this.begin, this.end, SHORTEST);
		[this.u0, this.u1] = clampRange(u0, u1, this.bottom, this.top, (this.top - this.bottom) / 1e7);
		for (const listener of this.#listeners) listener();
	}

	all() {
		this.set({ t0: this.begin, t1: this.end, u0: this.bottom, u1: this.top });
	}

	// A new axis, of which all is seen.
	setHeights(height) {
		this.bottom = -MARGIN * height;
		this.top = height * (1 + MARGIN);
		this.set({ u0: this.bottom, u1: this.top });
	}

	get whole() {
		const almost = 0.9999;
		return this.t1 - this.t0 >= (this.end - this.begin) * almost &&
			this.u1 - this.u0 >= (this.top - this.bottom) * almost;
	}

	// By a factor for each direction, around a point (fractions of what is seen).
	zoom(time, height, x = 0.5, y = 0.5) {
		const t = this.t0 + x * (this.t1 - this.t0);
		const u = this.u0 + y * (this.u1 - this.u0);
		this.set({
			t0: t - (t - this.t0) / time,
			t1: t + (this.t1 - t) / time,
			u0: u - (u - this.u0) / height,
			u1: u + (this.u1 - u) / height,
		});
	}

	// By fractions of what is seen; at an edge it stops instead of growing.
	pan(time, height) {
		const dt = time * (this.t1 - this.t0);
		const du = height * (this.u1 - this.u0);
		this.set({ t0: this.t0 + dt, t1: this.t1 + dt, u0: this.u0 + du, u1: this.u1 + du });
	}
}
