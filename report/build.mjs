// SPDX-License-Identifier: BSD-3-Clause
//
// build.mjs MODULES VERSION OUTPUT: the page without a recording, as a C file with its two parts: what
// stands before the recording, and behind it. Packages are those of MODULES, a folder node_modules.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [modules, version, output] = process.argv.slice(2);
const require = createRequire(join(modules, "require.js"));
const { build } = require("esbuild");

async function bundle() {
	const { outputFiles } = await build({
		entryPoints: [join(here, "src/main.js")],
		nodePaths: [modules],
		bundle: true,
		minify: true,
		format: "iife",
		target: ["chrome111", "firefox113", "safari16.4"],
		legalComments: "none", // they are in the page as text
		write: false,
		outdir: "/",
		logLevel: "warning",
	});
	const text = (end) => outputFiles.find((file) => file.path.endsWith(end)).text.trim();
	return { script: text(".js"), style: text(".css") };
}

function licences() {
	const folder = join(modules, "uplot");
	const { name, version: of } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
	return `${name} ${of}\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}`;
}

function hash(text) {
	return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

function escaped(text) {
	return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

// Octal escapes of three digits are never taken for longer ones; lines keep diffs and compilers happy.
function cString(text) {
	const chunks = [];
	const bytes = Buffer.from(text);
	for (let at = 0; at < bytes.length; at += 4000) {
		const chunk = [...bytes.subarray(at, at + 4000)].map((byte) =>
			byte < 32 || byte > 126 || byte === 34 || byte === 63 || byte === 92
				? `\\${byte.toString(8).padStart(3, "0")}` : String.fromCharCode(byte));
		chunks.push(`\t"${chunk.join("")}"`);
	}
	return chunks.join("\n");
}

const { script, style } = await bundle();
const parts = {
	POLICY: `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'`,
	STYLE: style,
	SCRIPT: script,
	VERSION: version,
	LICENCES: escaped(licences()),
};
const page = readFileSync(join(here, "src/page.html"), "utf8")
	.replace(/@([A-Z]+)@/g, (all, name) => parts[name] ?? all);
const [before, behind] = page.split("@RECORDING@");
writeFileSync(output, `/* Made by report/build.mjs. */
#include "cli/report_template.h"

const char report_before[] =
${cString(before)};
const char report_behind[] =
${cString(behind)};
const char report_absent[] = "";
`);
