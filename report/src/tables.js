// SPDX-License-Identifier: BSD-3-Clause
//
// Tables with search and sorting, of which only as many rows are in the page as are looked at.

import { bytes, count, duration, hex, moment, permission, plural, rate, result } from "./format.js";
import { byId, make } from "./dom.js";

const AT_ONCE = 100;

// columns: {name, value(row): what is sorted by, text(row), number: bool}
class Table {
	constructor(id, columns, rows, { match, choose } = {}) {
		this.columns = columns;
		this.rows = rows;
		this.match = match;
		this.choose = choose;
		this.sorted = null;
		this.table = byId(id);
		this.search = byId(`${id}-search`);
		this.status = byId(`${id}-count`);
		this.more = byId(`${id}-more`);
		this.search?.addEventListener("input", () => this.fill(AT_ONCE));
		this.more?.addEventListener("click", () => this.fill(this.shown + 5 * AT_ONCE));
		this.body = make("tbody");
		this.table.replaceChildren(make("thead", {}, make("tr", {}, columns.map((c) => this.#head(c)))), this.body);
		this.fill(AT_ONCE);
	}

	#head(column) {
		column.head = make(`th${column.number ? ".number" : ""}`, { scope: "col", "aria-sort": "none" },
			make("button.sort", { type: "button", click: () => this.#sortBy(column) }, column.name));
		return column.head;
	}

	#sortBy(column) {
		const down = this.sorted?.column === column ? !this.sorted.down : Boolean(column.number);
		for (const c of this.columns) c.head.setAttribute("aria-sort", "none");
		column.head.setAttribute("aria-sort", down ? "descending" : "ascending");
		this.sorted = { column, down };
		this.fill(AT_ONCE);
	}

	#wanted() {
		const text = this.search?.value.trim().toLowerCase() ?? "";
		const rows = text ? this.rows.filter((row) => this.#has(row, text)) : [...this.rows];
		if (!this.sorted) return rows;
		const { column, down } = this.sorted;
		const keys = new Map(rows.map((row) => [row, column.value(row)]));
		const order = (a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : 0);
		return rows.sort(down ? (a, b) => order(b, a) : order);
	}

	#has(row, text) {
		return this.match?.(row, text) || this.columns.some((c) => String(c.text(row)).toLowerCase().includes(text));
	}

	fill(shown) {
		const wanted = this.#wanted();
		this.shown = shown;
		this.body.replaceChildren(...wanted.slice(0, shown).map((row) => this.#row(row)));
		if (this.status)
			this.status.textContent = `${plural(wanted.length, "row")}${wanted.length > shown ? `, the first ${count(shown)} shown` : ""}`;
		if (this.more) this.more.hidden = wanted.length <= shown;
	}

	#row(row) {
		const cells = this.columns.map((c, i) => {
			const text = c.text(row);
			const inside = !i && this.choose
				? make("button.choose", { type: "button", click: () => this.choose(row) }, text) : text;
			return make(`td${c.number ? ".number" : ""}${c.code ? ".code" : ""}`, {}, inside);
		});
		return make("tr", {}, cells);
	}
}

function indices(n) {
	return Array.from({ length: n }, (_, i) => i);
}

// "0x1000" finds also the mapping that has it.
function containing(table, row, text) {
	if (!/^0x[0-9a-f]{1,16}$/.test(text)) return false;
	const iova = BigInt(text);
	return table.iova[row] <= iova && iova <= table.last[row];
}

export function mappingsTable(recording, spaceName, jump) {
	const { maps } = recording.tables;
	const lived = (i) => maps.t1[i] - maps.t0[i];
	const size = (i) => maps.last[i] - maps.iova[i] + 1n;
	return new Table("mappings", [
		{ name: "IOVA", code: true, value: (i) => maps.iova[i], text: (i) => hex(maps.iova[i]) },
		{ name: "last", code: true, value: (i) => maps.last[i], text: (i) => hex(maps.last[i]) },
		{ name: "size", number: true, value: size, text: (i) => bytes(size(i)) },
		{ name: "access", value: (i) => maps.perm[i], text: (i) => permission(maps.perm[i]) },
		{ name: "memory", value: (i) => maps.source[i], text: (i) => recording.strings[maps.source[i]] },
		{ name: "address", code: true, value: (i) => maps.va[i], text: (i) => hex(maps.va[i]) },
		{ name: "made", number: true, value: (i) => maps.t0[i], text: (i) => moment(maps.t0[i]) },
		{ name: "lived", number: true, value: lived, text: (i) => (Number.isFinite(lived(i)) ? duration(lived(i)) : "to the end") },
		{ name: "DMA", number: true, value: (i) => maps.uses[i], text: (i) => count(maps.uses[i]) },
		{ name: "times", number: true, value: (i) => maps.count[i], text: (i) => count(maps.count[i]) },
		{ name: "space", value: (i) => maps.space[i], text: (i) => spaceName(maps.space[i]) },
	], indices(maps.rows).sort((a, b) => maps.t0[a] - maps.t0[b]), { match: (row, text) => containing(maps, row, text), choose: jump });
}

export function devicesTable(recording) {
	const time = recording.end - recording.begin;
	return new Table("devices", [
		{ name: "device", text: (d) => d.name, value: (d) => d.name },
		{ name: "requester", code: true, text: (d) => d.rid == null ? "–" : hex(d.rid), value: (d) => d.rid ?? -1 },
		{ name: "model", text: (d) => d.model ?? "", value: (d) => d.model ?? "" },
		{ name: "reads", number: true, value: (d) => d.reads, text: (d) => count(d.reads) },
		{ name: "bytes read", number: true, value: (d) => d.read_bytes, text: (d) => bytes(d.read_bytes) },
		{ name: "writes", number: true, value: (d) => d.writes, text: (d) => count(d.writes) },
		{ name: "bytes written", number: true, value: (d) => d.written_bytes, text: (d) => bytes(d.written_bytes) },
		{ name: "DMA rate", number: true, value: (d) => d.reads + d.writes, text: (d) => rate(d.reads + d.writes, time) },
		{ name: "failed", number: true, value: (d) => d.failed, text: (d) => count(d.failed) },
		{ name: "faults", number: true, value: (d) => d.faults, text: (d) => count(d.faults) },
		{ name: "interrupts", number: true, value: (d) => d.interrupts, text: (d) => count(d.interrupts) },
	], recording.devices);
}

export function faultsTable(recording, jump) {
	const { faults } = recording.tables;
	if (!faults.rows) {
		byId("faults-section").hidden = true;
		return null;
	}
	return new Table("faults", [
		{ name: "time", number: true, value: (i) => faults.t0[i], text: (i) => moment(faults.t0[i]) },
		{ name: "device", value: (i) => faults.device[i], text: (i) => recording.devices[faults.device[i]]?.name ?? "?" },
		{ name: "PASID", number: true, value: (i) => faults.pasid[i], text: (i) => count(faults.pasid[i]) },
		{ name: "IOVA", code: true, value: (i) => faults.iova[i], text: (i) => hex(faults.iova[i]) },
		{ name: "access", value: (i) => faults.write[i], text: (i) => (faults.write[i] ? "write" : "read") },
		{ name: "reason", value: (i) => recording.strings[faults.text[i]], text: (i) => recording.strings[faults.text[i]] },
		{ name: "told to", value: (i) => faults.guest[i], text: (i) => (faults.guest[i] ? "the guest" : "the host") },
		{ name: "times", number: true, value: (i) => faults.count[i], text: (i) => count(faults.count[i]) },
	], indices(faults.rows).sort((a, b) => faults.t0[a] - faults.t0[b]), { choose: jump });
}

export function callsTable(recording) {
	const { calls } = recording.tables;
	const took = (i) => calls.t1[i] - calls.t0[i];
	const failedFirst = (a, b) => (calls.rc[a] < 0 ? 0 : 1) - (calls.rc[b] < 0 ? 0 : 1) || calls.t0[a] - calls.t0[b];
	return new Table("calls", [
		{ name: "time", number: true, value: (i) => calls.t0[i], text: (i) => moment(calls.t0[i]) },
		{ name: "call", code: true, value: (i) => recording.strings[calls.name[i]], text: (i) => recording.strings[calls.name[i]] },
		{ name: "result", value: (i) => calls.rc[i], text: (i) => result(calls.rc[i]) },
		{ name: "took", number: true, value: took, text: (i) => duration(took(i)) },
		{ name: "process", number: true, value: (i) => calls.pid[i], text: (i) => String(calls.pid[i]) },
		{ name: "times", number: true, value: (i) => calls.count[i], text: (i) => count(calls.count[i]) },
	], indices(calls.rows).sort(failedFirst));
}
