// SPDX-License-Identifier: BSD-3-Clause
//
// What was recorded, in a dozen numbers, and what is missing.

import { bytes, count, duration, plural, rate } from "./format.js";
import { byId, make } from "./dom.js";

function tile(name, value, note, kind) {
	return make(`div.tile${kind ? `.${kind}` : ""}`, {},
		make("dt", {}, name), make("dd", {}, value), note ? make("dd.note", {}, note) : null);
}

function findingsTile(n, findings, sanitized) {
	if (!n && !sanitized) return tile("findings", "–", "run without --sanitize");
	const kinds = new Set(findings.map((f) => f.kind)).size;
	return tile("findings", count(n), n ? plural(kinds, "kind") : "by the sanitizer", n ? "bad" : "good");
}

export function showSummary(recording, findings) {
	const { counts, about } = recording;
	const time = recording.end - recording.begin;
	const started = about.started ? new Date(about.started) : null;
	byId("subtitle").replaceChildren(
		make("code", {}, about.file),
		started ? ` · recorded ${started.toISOString().slice(0, 19).replace("T", " ")} UTC` : "",
		` · ${duration(time)}`);
	byId("tiles").replaceChildren(
		findingsTile(counts.findings, findings, about.sanitized),
		tile("faults", count(counts.faults), counts.guest_faults ? `${count(counts.guest_faults)} told to a guest` : null, counts.faults ? "bad" : null),
		tile("DMA", count(counts.dma), `${bytes(counts.dma_bytes)}, ${rate(counts.dma, time)}`),
		tile("calls", count(counts.calls), `${count(counts.failed)} failed`),
		tile("maps", count(counts.maps), rate(counts.maps, time)),
		tile("unmaps", count(counts.unmaps), rate(counts.unmaps, time)),
		tile("invalidations", count(counts.invalidations), rate(counts.invalidations, time)),
		tile("interrupts", count(counts.interrupts), rate(counts.interrupts, time)));
	const facts = [["Recording", `${plural(about.events, "event")} in ${bytes(about.bytes)}`], ...about.facts, ["Processes", recording.processes.map((p) => `${p.name} (${p.pid})`).join(", ")]];
	byId("machine").replaceChildren(...facts.filter(([, what]) => what).map(([term, what]) => [make("dt", {}, term), make("dd", {}, what)]).flat());
	showMissing(recording);
}

const nouns = {
	maps: "mappings", dma: "DMA transfers", faults: "faults", calls: "calls", irqs: "interrupts", invals: "invalidations",
};

function joined({ table, events, rows, time, bytes: apart }) {
	const places = table === "calls" || table === "irqs" ? "" : ` and ${bytes(apart)}`;
	return `${count(events)} ${nouns[table]} are drawn as ${count(rows)}: those within ${duration(time)}${places} of each other as one.`;
}

function banner(id, title, sentences) {
	byId(id).hidden = !sentences.length;
	byId(id).replaceChildren(make("strong", {}, `${title} `), sentences.join(" "));
}

function showMissing(recording) {
	const left = recording.joined.map(joined);
	if (recording.findings_left_out)
		left.push(`${plural(recording.findings_left_out, "further finding")} are left out.`);
	if (left.length) left.push("Counts and latencies are of all events.");
	banner("missing", "The recording is not whole.", recording.missing);
	banner("left-out", "Drawn coarser than recorded.", left);
}
