// SPDX-License-Identifier: BSD-3-Clause
//
// The axis of an I/O address space: from 64-bit IOVAs to heights.
//
// A space is nearly empty, and its mappings are of very different sizes. The ends of all that is
// drawn cut it into pieces; a piece that something lies in is as high as the logarithm of its pages,
// a gap never higher than MAX_GAP. Within a piece heights are linear. Heights grow with IOVAs, so
// that order and adjacency stay what they are. Where transfers crowd in a small part of a large
// mapping, that part is a piece of its own.

const MIN_PIECE = 0.3;
const MAX_GAP = 0.6;
const PAGE = 4096;

function pieceHeight(size, used) {
	const height = Math.max(MIN_PIECE, Math.log2(1 + size / PAGE));
	return used ? height : Math.min(height, MAX_GAP);
}

function uniqueSorted(values) {
	values.sort();
	let n = 0;
	for (let i = 0; i < values.length; i++)
		if (!i || values[i] !== values[i - 1]) values[n++] = values[i];
	return values.slice(0, n);
}

function indexOf(sorted, value) {
	let low = 0;
	let high = sorted.length - 1;
	while (low < high) {
		const middle = (low + high + 1) >> 1;
		if (sorted[middle] <= value) low = middle;
		else high = middle - 1;
	}
	return low;
}

export class IovaAxis {
	// The first and last bytes of what is there, as BigUint64Arrays of one length; further places to cut.
	constructor(first, last, cuts = []) {
		const n = first.length;
		const ends = new BigUint64Array(2 * n + cuts.length);
		const full = (1n << 64n) - 1n;
		ends.set(cuts, 2 * n);
		for (let i = 0; i < n; i++) {
			ends[2 * i] = first[i];
			ends[2 * i + 1] = last[i] === full ? full : last[i] + 1n;
		}
		this.cuts = n ? uniqueSorted(ends) : new BigUint64Array([0n, 4096n]);
		this.used = this.#countUses(first, last);
		this.heights = new Float64Array(this.cuts.length);
		for (let i = 0; i + 1 < this.cuts.length; i++) {
			const size = Number(this.cuts[i + 1] - this.cuts[i]);
			this.heights[i + 1] = this.heights[i] + pieceHeight(size, this.used[i] > 0);
		}
	}

	#countUses(first, last) {
		const used = new Int32Array(this.cuts.length + 1);
		for (let i = 0; i < first.length; i++) {
			used[indexOf(this.cuts, first[i])]++;
			used[indexOf(this.cuts, last[i]) + 1]--;
		}
		for (let i = 1; i < used.length; i++) used[i] += used[i - 1];
		return used;
	}

	get top() {
		return this.heights[this.heights.length - 1];
	}

	height(iova) {
		const i = Math.min(indexOf(this.cuts, iova), this.cuts.length - 2);
		if (iova <= this.cuts[0]) return 0;
		const part = Number(iova - this.cuts[i]) / Number(this.cuts[i + 1] - this.cuts[i]);
		return this.heights[i] + Math.min(part, 1) * (this.heights[i + 1] - this.heights[i]);
	}

	piece(height) {
		return Math.min(indexOf(this.heights, height), this.cuts.length - 2);
	}

	iova(height) {
		const i = this.piece(height);
		const part = (height - this.heights[i]) / (this.heights[i + 1] - this.heights[i]);
		const size = this.cuts[i + 1] - this.cuts[i];
		const offset = BigInt(Math.floor(Math.min(Math.max(part, 0), 1) * Number(size)));
		return this.cuts[i] + (offset > size ? size : offset);
	}

	// Gaps that are drawn smaller than they are: [height, height, bytes].
	*gaps(low, high) {
		for (let i = this.piece(low); i + 1 < this.cuts.length && this.heights[i] < high; i++) {
			const size = this.cuts[i + 1] - this.cuts[i];
			if (!this.used[i] && size > 2n * BigInt(PAGE)) yield [this.heights[i], this.heights[i + 1], size];
		}
	}

	// Places for labels between low and high, as [height, IOVA], at least `apart` from each other: the ends of pieces,
	// high pieces first, then round addresses where there is still room.
	ticks(low, high, apart) {
		const candidates = [];
		const first = this.piece(low);
		const step = Math.max(1, Math.floor((this.piece(high) - first) / 2000));
		for (let i = first; i < this.cuts.length && this.heights[i] <= high; i += step) {
			if (this.heights[i] < low) continue;
			const below = i ? this.heights[i] - this.heights[i - 1] : Infinity;
			const above = i + 1 < this.cuts.length ? this.heights[i + 1] - this.heights[i] : Infinity;
			candidates.push([this.heights[i], this.cuts[i], Math.max(below, above)]);
		}
		candidates.sort((a, b) => b[2] - a[2] || a[0] - b[0]);
		const placed = new PlacedTicks(apart);
		for (const [height, iova] of candidates) placed.add(height, iova);
		for (const [height, iova] of this.#roundTicks(low, high, apart)) placed.add(height, iova);
		return placed.sorted();
	}

	*#roundTicks(low, high, apart) {
		const last = this.piece(high);
		if (last - this.piece(low) > 64) return;
		for (let i = this.piece(low); i <= last; i++) {
			const tall = this.heights[i + 1] - this.heights[i];
			if (!this.used[i] || tall < 2 * apart) continue;
			const size = this.cuts[i + 1] - this.cuts[i];
			let step = 1n;
			while (Number(step) < (Number(size) * apart) / tall) step *= 2n;
			const from = Math.max(low, this.heights[i]);
			const until = Math.min(high, this.heights[i + 1]);
			let iova = ((this.iova(from) + step - 1n) / step) * step;
			for (let n = 0; n < 64 && iova < this.cuts[i + 1]; n++, iova += step) {
				const height = this.height(iova);
				if (height > until) break;
				yield [height, iova];
			}
		}
	}
}

// Where crowds of ranges, sorted by their beginning, begin and end: at most so many, further apart from
// each other than within.
export function crowdEnds(first, last, most) {
	for (let distance = 1n << 16n; first.length; distance *= 4n) {
		const ends = [first[0], last[0] + 1n];
		for (let i = 1; i < first.length && ends.length <= 2 * most; i++) {
			if (first[i] > ends.at(-1) + distance) ends.push(first[i], last[i] + 1n);
			else if (last[i] >= ends.at(-1)) ends[ends.length - 1] = last[i] + 1n;
		}
		if (ends.length <= 2 * most) return ends;
	}
	return [];
}

// Few enough that looking at all of them is quicker than a tree.
class PlacedTicks {
	constructor(apart) {
		this.apart = apart;
		this.places = [];
	}

	add(height, iova) {
		if (this.places.length > 100) return;
		if (this.places.every(([h]) => Math.abs(h - height) >= this.apart)) this.places.push([height, iova]);
	}

	sorted() {
		return this.places.sort((a, b) => a[0] - b[0]);
	}
}
