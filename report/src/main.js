// SPDX-License-Identifier: BSD-3-Clause
//
// Puts the page together.

import "uplot/dist/uPlot.min.css";
import "./page.css";
import { readRecording } from "./recording.js";
import { readFindings, Findings } from "./findings.js";
import { IovaMap } from "./map.js";
import { Lanes } from "./lanes.js";
import { Latency } from "./latency.js";
import { View } from "./view.js";
import { showSummary } from "./summary.js";
import { callsTable, devicesTable, faultsTable, mappingsTable } from "./tables.js";
import { count, duration, hex, moment, plural } from "./format.js";
import { byId, make } from "./dom.js";

function nameSpaces(recording) {
	const several = new Set(recording.spaces.map((s) => s.pid)).size > 1;
	return recording.spaces.map((s) => {
		const device = recording.devices[s.device]?.name ?? "a device";
		const what = {
			ioas: s.id ? `IOAS ${s.id}` : "an IOAS",
			container: "container",
			guest: `guest's addresses of ${device}`,
			nobody: `${device} with nothing attached`,
		}[s.kind];
		return several ? `${what} of process ${s.pid}` : what;
	});
}

// The space in which there is most to see first.
function busiestSpace(recording) {
	const seen = new Float64Array(recording.spaces.length);
	for (const name of ["maps", "dma", "faults"]) {
		const { rows, space } = recording.tables[name];
		for (let i = 0; i < rows; i++) if (space[i] < seen.length) seen[space[i]]++;
	}
	return seen.indexOf(Math.max(...seen));
}

class Page {
	constructor(recording) {
		this.recording = recording;
		this.findings = readFindings(recording);
		this.names = nameSpaces(recording);
		this.view = new View(recording.begin, recording.end);
		document.title = `${recording.about.file} – ioas report`;
		showSummary(recording, this.findings);
		if (!this.findings.length)
			byId("finding-count").textContent = recording.about.sanitized
				? "The sanitizer found nothing." : "The run was without --sanitize.";
		this.list = new Findings(this.findings, (f, scroll) => this.jumpToFinding(f, scroll));
		this.map = new IovaMap(recording, this.findings, this.view, (f) => this.list.reveal(f));
		this.lanes = new Lanes(recording, this.view);
		this.latency = new Latency(recording);
		mappingsTable(recording, (s) => this.names[s] ?? "–", (row) => this.jumpToMapping(row));
		devicesTable(recording);
		faultsTable(recording, (row) => this.jumpToFault(row));
		callsTable(recording);
		this.#tools();
		this.setSpace(Math.max(busiestSpace(recording), 0));
		this.view.listen(() => this.#say());
		this.view.all();
	}

	#tools() {
		byId("space").replaceChildren(...this.names.map((name, i) => {
			const { maps } = this.recording.tables;
			const n = maps.space.reduce((sum, s, row) => sum + (s === i ? maps.count[row] : 0), 0);
			return make("option", { value: i }, `${name} (${plural(n, "mapping")})`);
		}));
		byId("space").addEventListener("input", (event) => this.setSpace(Number(event.target.value)));
		byId("zoom-in").addEventListener("click", () => this.view.zoom(1.6, 1.6));
		byId("zoom-out").addEventListener("click", () => this.view.zoom(1 / 1.6, 1 / 1.6));
		byId("zoom-all").addEventListener("click", () => this.view.all());
		byId("next-finding").hidden = byId("previous-finding").hidden = !this.findings.length;
		byId("next-finding").addEventListener("click", () => this.#step(1));
		byId("previous-finding").addEventListener("click", () => this.#step(-1));
		byId("map").addEventListener("keydown", (event) => {
			if (event.key === "n") this.#step(1);
			if (event.key === "p") this.#step(-1);
			if (event.key !== "Enter" || !this.map.chosen) return;
			// Else the same key presses the button that gets the focus.
			event.preventDefault();
			this.list.reveal(this.map.chosen);
		});
	}

	#step(by) {
		const there = this.findings.filter((f) => f.iova !== null && f.space >= 0);
		if (!there.length) return;
		const at = there.indexOf(this.map.chosen);
		this.jumpToFinding(there[at < 0 ? (by > 0 ? 0 : there.length - 1) : (at + by + there.length) % there.length], false);
	}

	setSpace(space) {
		byId("space").value = String(space);
		this.map.setSpace(space);
	}

	jumpToFinding(finding, scroll) {
		if (finding.iova === null || finding.space < 0) return;
		this.setSpace(finding.space);
		this.map.chosen = finding;
		const { nearest, iova } = finding;
		const ends = [this.map.axis.height(iova)];
		if (nearest) ends.push(this.map.axis.height(BigInt(nearest.iova)), this.map.axis.height(BigInt(nearest.last)));
		const age = Math.min(nearest?.age_ns ?? 0, finding.t - this.view.begin);
		const time = Math.max(2.5 * age, this.view.duration / 200, 1e4);
		this.#show(finding.t - Math.max(age * 1.15, time / 2), finding.t + time / 3, Math.min(...ends), Math.max(...ends), scroll);
	}

	jumpToMapping(row) {
		const { maps } = this.recording.tables;
		if (!this.names[maps.space[row]]) return;
		this.setSpace(maps.space[row]);
		this.#show(maps.t0[row], Math.min(maps.t1[row], this.view.end),
			this.map.axis.height(maps.iova[row]), this.map.axis.height(maps.last[row]), true);
	}

	jumpToFault(row) {
		const { faults } = this.recording.tables;
		if (!this.names[faults.space[row]]) return;
		this.setSpace(faults.space[row]);
		const height = this.map.axis.height(faults.iova[row]);
		const time = this.view.duration / 100;
		this.#show(faults.t0[row] - time, faults.t0[row] + time, height, height, true);
	}

	#show(t0, t1, u0, u1, scroll) {
		const dt = Math.max((t1 - t0) * 0.08, 50);
		const du = Math.max((u1 - u0) * 0.5, 1.5);
		this.view.set({ t0: t0 - dt, t1: t1 + dt, u0: u0 - du, u1: u1 + du });
		if (!scroll) return;
		byId("map-section").scrollIntoView({ block: "start" });
		byId("map").focus({ preventScroll: true });
	}

	// For those who cannot see the map, and for all who want to know where they are.
	#say() {
		const { view, map } = this;
		const step = (view.t1 - view.t0) / 1000;
		byId("where").textContent = view.whole
			? `All of it: ${duration(this.recording.end - this.recording.begin)}, ${hex(map.axis.cuts[0])} to ${hex(map.axis.cuts.at(-1) - 1n)}`
			: `${moment(Math.max(view.t0, this.recording.begin), step)} to ${moment(Math.min(view.t1, this.recording.end), step)} (${duration(view.t1 - view.t0)}), ${hex(map.axis.iova(view.u0))} to ${hex(map.axis.iova(view.u1))}`;
	}
}

readRecording(byId("recording")).then(
	(recording) => {
		new Page(recording);
		document.documentElement.dataset.ready = count(recording.tables.maps.rows);
	},
	(error) => {
		byId("failed").hidden = false;
		byId("failed-why").textContent = String(error);
		throw error;
	});
