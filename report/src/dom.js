// SPDX-License-Identifier: BSD-3-Clause
//
// make("td.number", {title: "..."}, "text", child, ...): text is always text, never markup.

export function make(what, attributes = {}, ...children) {
	const [tag, ...classes] = what.split(".");
	const element = document.createElement(tag);
	if (classes.length) element.className = classes.join(" ");
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function") element.addEventListener(name, value);
		else if (value === true) element.setAttribute(name, "");
		else if (value !== false && value != null) element.setAttribute(name, value);
	}
	element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
	return element;
}

export function byId(id) {
	return document.getElementById(id);
}

// Calls are gathered until the next frame.
export function perFrame(work) {
	let wanted = false;
	return () => {
		if (wanted) return;
		wanted = true;
		requestAnimationFrame(() => {
			wanted = false;
			work();
		});
	};
}
