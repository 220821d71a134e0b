// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers as people read them.

const timeUnits = [
	[1e9, "s"],
	[1e6, "ms"],
	[1e3, "µs"],
	[1, "ns"],
];

function significant(value, digits = 3) {
	if (value === 0) return "0";
	const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
	return String(Number(value.toFixed(Math.min(decimals, 9))));
}

export function duration(ns) {
	if (!Number.isFinite(ns)) return "–";
	const unit = timeUnits.find(([size]) => Math.abs(ns) >= size) ?? timeUnits[3];
	return `${significant(ns / unit[0])} ${unit[1]}`;
}

// How many a step of so much needs: 0.25 two, though it is more than 0.1.
function decimalsOf(step) {
	let digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step) - 1e-6)));
	if (digits < 9 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-3) digits++;
	return digits;
}

// A moment, so exactly that `step` ns make a difference.
export function moment(ns, step = 1e3) {
	if (ns === 0) return "0 s";
	const [size, unit] = timeUnits.find(([least]) => Math.abs(ns) >= least) ?? timeUnits[3];
	return `${(ns / size).toFixed(decimalsOf(step / size))} ${unit}`;
}

const sizes = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function bytes(n) {
	let value = Number(n);
	let unit = 0;
	while (value >= 1024 && unit < sizes.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${significant(value, value >= 100 ? 4 : 3)} ${sizes[unit]}`;
}

const grouping = new Intl.NumberFormat("en");

export function count(n) {
	return grouping.format(n);
}

export function brief(n) {
	for (const [size, letter] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]])
		if (n >= size) return `${significant(n / (letter === " k" ? 1e3 : size))}${letter}`;
	return significant(n);
}

export function rate(n, ns) {
	return ns > 0 ? `${brief(n / (ns / 1e9))}/s` : "–";
}

export function hex(n) {
	return `0x${BigInt(n).toString(16)}`;
}

export function plural(n, one, many = `${one}s`) {
	return `${count(n)} ${n === 1 ? one : many}`;
}

const permissions = ["none", "read", "write", "read-write"];

export function permission(bits) {
	return permissions[bits & 3];
}

const errors = {
	1: "EPERM", 2: "ENOENT", 4: "EINTR", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 9: "EBADF", 11: "EAGAIN",
	12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST", 19: "ENODEV", 22: "EINVAL",
	24: "EMFILE", 25: "ENOTTY", 27: "EFBIG", 28: "ENOSPC", 34: "ERANGE", 75: "EOVERFLOW",
	95: "EOPNOTSUPP", 104: "ECONNRESET", 110: "ETIMEDOUT",
};

export function result(rc) {
	return rc >= 0 ? String(rc) : (errors[-rc] ?? `error ${-rc}`);
}
