// SPDX-License-Identifier: BSD-3-Clause
//
// The sanitizer's findings: a list whose entries open, with stacks and the nearest mapping.

import { bytes, count, duration, hex, moment, plural } from "./format.js";
import { byId, make } from "./dom.js";

const AT_ONCE = 50;

const stackTitles = [
	["now", "The call that met it"],
	["device", "The device was last told here"],
	["mapped", "Mapped here"],
	["used", "The device that last used it was told here"],
	["unmapped", "Unmapped here"],
	["other_mapped", "The other mapping was made here"],
];

function bigOrNull(text) {
	return text == null ? null : BigInt(text);
}

// Findings as the map and the list need them: numbered, with addresses as BigInts and their space. Behind a guest's tables the
// mappings lie at guest physical addresses, and so does the finding beside them.
export function readFindings(recording) {
	return recording.findings.map((f, i) => ({
		...f,
		number: i + 1,
		asked: f.iova,
		iova: bigOrNull((f.nearest ? f.gpa : null) ?? f.iova ?? f.nearest?.iova),
		space: f.space ?? -1,
		t: f.t ?? 0,
	}));
}

function fact(term, ...what) {
	return what.some((part) => part != null && part !== "")
		? [make("dt", {}, term), make("dd", {}, ...what)] : null;
}

function mappingFacts(m) {
	if (!m) return null;
	const size = BigInt(m.last) - BigInt(m.iova) + 1n;
	return make("span", {},
		make("code", {}, `${hex(m.iova)} – ${hex(m.last)}`),
		` ${bytes(size)}, ${m.permissions || "no access"}, ${m.source ?? ""} `,
		m.va ? make("code", {}, hex(m.va)) : null,
		m.age_ns ? `, made ${duration(m.age_ns)} before` : "",
		m.uses != null ? `, used ${plural(m.uses, "time")}` : "",
		m.used_by ? ", last by requester ID " : "",
		m.used_by ? make("code", {}, m.used_by) : null);
}

// Where an access lies, seen from the nearest mapping.
function distance(f) {
	if (!f.nearest || f.iova == null) return null;
	const [first, last] = [BigInt(f.nearest.iova), BigInt(f.nearest.last)];
	// What is behind its page the guest's tables may lead elsewhere.
	const end = f.iova + (f.gpa ? 0n : BigInt(f.length || 1) - 1n);
	if (f.iova > last) return f.iova === last + 1n ? "begins right behind it" : `begins ${bytes(f.iova - last - 1n)} behind its end`;
	if (end < first) return `ends ${bytes(first - end - 1n)} before it`;
	if (end > last) return `begins in it, ends ${bytes(end - last)} behind its end`;
	return "lies within it";
}

function frame(entry, i) {
	const where = entry.file ? `${entry.file}${entry.line ? `:${entry.line}` : ""}` : null;
	return make("li", {},
		make("span.frame-number", {}, `#${i} `),
		make("code.function", {}, entry.function ?? "??"),
		where ? make("code.where", {}, ` ${where}`) : null,
		make("small", {}, ` ${(entry.module ?? "").split("/").pop()}${entry.offset ? ` + ${entry.offset}` : ""}`));
}

function stack(title, frames) {
	return make("section.stack", {},
		make("h4", {}, title),
		frames?.length ? make("ol", {}, frames.map(frame)) : make("p.none", {}, "No stack was taken."));
}

function details(f, show) {
	const stacks = stackTitles.filter(([name]) => f.stacks?.[name]?.length);
	return make("div.finding-details", {},
		make("dl.facts", {},
			fact("Device", f.device, f.rid ? ` (requester ${f.rid}${f.pasid ? `, PASID ${f.pasid}` : ""})` : ""),
			fact("Access", f.access && f.access !== "none" ? `${f.access} of ${plural(f.length, "byte")} at ` : "",
				f.iova != null ? make("code", {}, f.asked ?? hex(f.iova)) : null,
				f.gpa ? ", guest physical address " : "",
				f.gpa ? make("code", {}, f.gpa) : null),
			fact("The IOMMU", f.iommu),
			fact("Nearest mapping", mappingFacts(f.nearest)),
			fact("The access", f.access && f.access !== "none" ? distance(f) : null),
			fact("Other mapping", mappingFacts(f.other)),
			fact("Memory", Number(f.va) ? make("code", {}, hex(f.va)) : null),
			fact("Advice", f.advice)),
		make("div.stacks", {}, stacks.map(([name, title]) => stack(title, f.stacks[name])),
			stacks.length ? null : make("p.none", {}, "No stack was taken.")),
		f.iova != null && f.space >= 0
			? make("button.action", { type: "button", click: show }, "Show it on the map") : null);
}

export class Findings {
	// jump(finding, scroll): the map goes there.
	constructor(findings, jump) {
		this.findings = findings;
		this.jump = jump;
		this.shown = AT_ONCE;
		this.list = byId("finding-list");
		if (!findings.length) {
			byId("finding-tools").hidden = true;
			return;
		}
		const kinds = [...new Set(findings.map((f) => f.kind))].sort();
		const n = (kind) => findings.filter((f) => f.kind === kind).length;
		byId("finding-kind").replaceChildren(
			make("option", { value: "" }, `all kinds (${count(findings.length)})`),
			...kinds.map((kind) => make("option", { value: kind }, `${kind} (${count(n(kind))})`)));
		for (const id of ["finding-kind", "finding-search"])
			byId(id).addEventListener("input", () => this.#fill(AT_ONCE));
		byId("finding-more").addEventListener("click", () => this.#fill(this.shown + AT_ONCE));
		addEventListener("beforeprint", () => this.#openForPaper());
		this.#fill(AT_ONCE);
	}

	#wanted() {
		const kind = byId("finding-kind").value;
		const text = byId("finding-search").value.trim().toLowerCase();
		return this.findings.filter((f) => (!kind || f.kind === kind) &&
			(!text || (f.haystack ??= JSON.stringify({ ...f, iova: f.iova == null ? "" : hex(f.iova) }).toLowerCase()).includes(text)));
	}

	#fill(shown) {
		const wanted = this.#wanted();
		this.shown = shown;
		this.list.replaceChildren(...wanted.slice(0, shown).map((f) => this.#entry(f)));
		byId("finding-count").textContent = `${plural(wanted.length, "finding")}${wanted.length > shown ? `, the first ${shown} shown` : ""}`;
		byId("finding-more").hidden = wanted.length <= shown;
	}

	#entry(f) {
		const id = `finding-${f.number}`;
		const place = f.iova != null ? hex(f.iova) : "";
		f.button = make("button.finding-head", {
			type: "button", "aria-expanded": "false", "aria-controls": `${id}-details`,
			click: () => this.toggle(f),
		},
			make("span.badge", { "aria-hidden": "true" }, make("span", {}, String(f.number))),
			make("span.kind", {}, f.kind),
			make("span.what", {}, f.text),
			make("span.meta", {}, [f.device, place, moment(f.t, 1e3), f.count > 1 ? `${count(f.count)} times` : null].filter(Boolean).join(" · ")));
		f.body = make("div", { id: `${id}-details`, hidden: true });
		f.entry = make("li.finding", { id }, f.button, f.body);
		return f.entry;
	}

	toggle(f, open = f.body.hidden) {
		if (open && !f.body.firstChild) f.body.append(details(f, () => this.jump(f, true)));
		f.body.hidden = !open;
		f.button.setAttribute("aria-expanded", String(open));
		if (open) this.jump(f, false);
	}

	// From the map.
	reveal(f) {
		if (!f.entry?.isConnected) {
			byId("finding-kind").value = "";
			byId("finding-search").value = "";
			this.#fill(Math.max(this.shown, f.number));
		}
		this.toggle(f, true);
		f.entry.scrollIntoView({ block: "start" });
		f.button.focus({ preventScroll: true });
	}

	#openForPaper() {
		for (const f of this.#wanted().slice(0, this.shown)) {
			if (!f.body.firstChild) f.body.append(details(f, () => {}));
			f.body.hidden = false;
			f.button.setAttribute("aria-expanded", "true");
		}
	}
}
