// SPDX-License-Identifier: BSD-3-Clause
//
// Colours for canvases, from the custom properties of page.css, so that there is one palette. What is
// drawn follows when the system switches between light and dark, and is light on paper.

const listeners = [];
let cache = new Map();

export function colour(name) {
	if (!cache.has(name))
		cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
	return cache.get(name);
}

export function onTheme(listener) {
	listeners.push(listener);
}

function changed() {
	cache = new Map();
	for (const listener of listeners) listener();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);

function paper(on) {
	document.documentElement.classList.toggle("paper", on);
	changed();
}
addEventListener("beforeprint", () => paper(true));
addEventListener("afterprint", () => paper(false));

export const FONT = '11px system-ui, "Segoe UI", sans-serif';
export const MONO = "11px ui-monospace, Menlo, Consolas, monospace";

// A canvas has its own pixels.
export function scaledFont(font, ratio) {
	return font.replace(/^(\d+)px/, (_, px) => `${Math.round(px * ratio)}px`);
}
