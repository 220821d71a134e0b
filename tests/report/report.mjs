// SPDX-License-Identifier: BSD-3-Clause
//
// report.mjs MODULES IOAS MAKE-RECORDING FOLDER [BUG]: the page of `ioas report`, in headless Chromium.
// Pages and screenshots go to FOLDER. A page that is wrong in one way may be wrong in others, so every
// check is made; the last line counts them.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, ioas, makeRecording, folder, bug] = process.argv.slice(2);
const { chromium } = createRequire(join(modules, "require.js"))("playwright-core");
let passed = 0;
let failed = 0;

function check(what, good, saw) {
	if (good) passed++;
	else failed++;
	if (!good) console.log(`FAIL ${what}${saw === undefined ? "" : `: ${JSON.stringify(saw)}`}`);
}

function record(name, events) {
	const recording = join(folder, `${name}.rec`);
	execFileSync(makeRecording, [recording, String(events)]);
	return recording;
}

function report(recording) {
	const page = recording.replace(/\.rec$/, ".html");
	execFileSync(ioas, ["report", recording, "-o", page]);
	return page;
}

// What the recording has, by another way: the dump that `ioas replay` makes.
function countsOf(recording) {
	const lines = execFileSync(ioas, ["replay", "--dump", recording], { maxBuffer: 1 << 30, encoding: "latin1" });
	const n = (type) => (lines.match(new RegExp(`^\\S+ \\S+ ${type} `, "gm")) ?? []).length;
	return { DMA: n("dma_end"), maps: n("map"), unmaps: n("unmapped"), faults: n("fault"), calls: n("answer"),
		 interrupts: n("interrupt"), findings: n("finding"), invalidations: n("invalidate") };
}

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

// A page in which nothing may go wrong unnoticed.
async function open(path, options) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
	const page = await context.newPage();
	const wrong = [];
	page.on("console", (message) => wrong.push(message.text()));
	page.on("pageerror", (error) => wrong.push(error.stack));
	page.on("request", (request) => request.url() !== `file://${path}` && wrong.push(request.url()));
	await page.goto(`file://${path}`);
	await page.waitForFunction(() => document.documentElement.dataset.ready, null, { timeout: 15000 });
	await frames(page);
	return { page, close: async (what) => {
		check(`${what}: no error, no message, no request`, !wrong.length, wrong);
		await context.close();
	} };
}

function frames(page) {
	return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

function shot(page, name, options) {
	return page.screenshot({ path: join(folder, `${name}.png`), ...options });
}

// How much of the map's canvas, which is transparent, has about the colour of a custom property, in per mille.
function inked(page, name) {
	return page.evaluate((property) => {
		const text = getComputedStyle(document.documentElement).getPropertyValue(`--${property}`).trim();
		const want = [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
		const canvas = document.querySelector("#map canvas");
		const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
		copy.drawImage(canvas, 0, 0);
		const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
		let n = 0;
		for (let i = 0; i < data.length; i += 4)
			if (data[i + 3] > 40 && want.every((value, k) => Math.abs(data[i + k] - value) < 24)) n++;
		return (1000 * n) / (data.length / 4);
	}, name);
}

const where = (page) => page.textContent("#where");
const mappings = (page) => page.evaluate(() => Number(document.querySelector("#map").dataset.mappings));

async function checkSummary(page, recording) {
	const tiles = Object.fromEntries(await page.$$eval(".tile", (all) => all.map((tile) =>
		[tile.querySelector("dt").textContent, Number(tile.querySelector("dd").textContent.replace(/,/g, ""))])));
	const want = countsOf(recording);
	for (const [name, n] of Object.entries(want)) check(`summary counts ${name}`, n > 0 && tiles[name] === n, [tiles[name], n]);
	return want;
}

async function checkMap(page) {
	check("the map shows its mappings", (await mappings(page)) > 100, await mappings(page));
	for (const ink of ["perm-both", "perm-read", "perm-write", "dma-read", "dma-write", "finding"])
		check(`the map has the colour ${ink}`, (await inked(page, ink)) > 0.02, await inked(page, ink));
	const whole = await where(page);
	check("all is seen first", whole.startsWith("All of it"), whole);

	const box = await page.locator("#map .u-over").boundingBox();
	const [x, y] = [box.x + box.width * 0.3, box.y + box.height * 0.4];
	await page.mouse.move(x, y);
	await page.mouse.wheel(0, -240);
	await frames(page);
	check("the wheel alone scrolls the page", (await where(page)) === whole, await where(page));
	await page.evaluate(() => scrollTo(0, document.querySelector("#map-section").offsetTop - 60));
	const again = await page.locator("#map .u-over").boundingBox();
	await page.mouse.click(again.x + again.width * 0.3, again.y + again.height * 0.4);
	await page.mouse.wheel(0, -300);
	await frames(page);
	const zoomed = await where(page);
	check("the wheel zooms a map that was clicked", zoomed !== whole, zoomed);
	const fewer = await mappings(page);
	await page.keyboard.press("ArrowRight");
	await frames(page);
	check("an arrow pans", (await where(page)) !== zoomed);
	await page.keyboard.press("0");
	await frames(page);
	check("0 shows all", (await where(page)) === whole && fewer < (await mappings(page)), [fewer, await mappings(page)]);

	await page.keyboard.down("Shift");
	await page.mouse.move(again.x + again.width * 0.2, again.y + again.height * 0.2);
	await page.mouse.down();
	await page.mouse.move(again.x + again.width * 0.4, again.y + again.height * 0.6, { steps: 4 });
	await page.mouse.up();
	await page.keyboard.up("Shift");
	await frames(page);
	check("Shift and dragging zooms to a rectangle", /ms \([\d.]+ ms\)/.test(await where(page)), await where(page));
	await page.click("#zoom-all");
	await page.mouse.move(again.x + again.width * 0.5, again.y + again.height * 0.9);
	await frames(page);
	check("the pointer is told what is there", /IOVA|DMA/.test(await page.textContent("#tip")), await page.textContent("#tip"));
	await page.mouse.move(2, 2);
}

async function checkFindings(page) {
	const whole = await where(page);
	const heads = page.locator(".finding-head");
	check("both findings are listed", (await heads.count()) === 2);
	await heads.nth(1).click();
	const text = await page.locator("#finding-2-details").innerText();
	for (const part of ["ring_doorbell", "queue.c:88", "buffer_map", "buffer.c:31", "Mapped here", "buffer_unmap", "Unmapped here",
			    "16 KiB", "wait until the device is done"])
		check(`an opened finding says ${part}`, text.includes(part), text);
	await frames(page);
	check("the map went to the finding", (await where(page)) !== whole);
	await page.locator("#finding-2-details .action").click();
	check("and has the focus", await page.evaluate(() => document.activeElement.id === "map"));
	await frames(page);
	check("the finding is in its middle", (await inked(page, "finding")) > 0.3, await inked(page, "finding"));
	await shot(page, "finding");
	await heads.nth(1).click();
	await page.focus("#map");
	await page.keyboard.press("n");
	await page.keyboard.press("Enter");
	const first = page.locator("#finding-1-details");
	check("n and Enter open the next one", await first.isVisible());
	check("text is never markup", (await first.innerText()).includes('<b>map</b> more & "ask" less </script>'), await first.innerText());
	await page.fill("#finding-search", "MAPPING that was removed");
	check("search finds words", (await heads.count()) === 1 && (await heads.first().innerText()).includes("dma-after-unmap"));
	await page.fill("#finding-search", "");
	await page.keyboard.press("Escape");
	await page.focus("#map");
	await page.keyboard.press("0");
}

async function checkTables(page) {
	const rows = page.locator("#mappings tbody tr");
	await page.fill("#mappings-search", "0x100031000");
	const cells = await rows.evaluateAll((all) => all.map((row) => [row.cells[0].textContent, row.cells[1].textContent]));
	check("an address finds the mappings that have it", cells.length > 0 &&
	      cells.every(([first, last]) => BigInt(first) <= 0x100031000n && 0x100031000n <= BigInt(last)), cells[0]);
	await page.fill("#mappings-search", "");
	await page.click("#mappings th:nth-child(3) button");
	check("a click on a head sorts", (await rows.first().locator("td").nth(2).textContent()) === "2 MiB");
	await page.fill("#calls-search", "einval");
	check("failed calls have the name of their error", (await page.locator("#calls tbody tr").count()) > 3);
	const percentiles = await page.locator("#latencies tr.chosen").innerText();
	check("latencies are of the call that took longest in all", percentiles.includes("IOMMU_IOAS_MAP"), percentiles);
	await page.click("#latencies tbody:last-of-type button >> nth=0");
	check("a row chooses its histogram", /DMA, device writes: up to/.test(await page.textContent("#histogram-title")));
	check("devices have names and models", /0000:02:00\.0\s+0x200\s+nvme/.test(await page.locator("#devices").innerText()));
	check("a fault has its reason", (await page.locator("#faults").innerText()).includes("mapped without write permission"));
}

async function checkLooks(path) {
	const seen = {};
	for (const colorScheme of ["light", "dark"]) {
		const { page, close } = await open(path, { colorScheme });
		seen[colorScheme] = [await page.evaluate(() => getComputedStyle(document.body).backgroundColor), await inked(page, "perm-both")];
		check(`${colorScheme}: the map has the scheme's colours`, seen[colorScheme][1] > 0.02, seen[colorScheme]);
		await shot(page, colorScheme, { fullPage: true });
		if (colorScheme === "dark") {
			await page.emulateMedia({ colorScheme: "light" });
			await frames(page);
			check("it follows the system's switch", (await inked(page, "perm-both")) > 0.02);
		}
		await close(colorScheme);
	}
	check("dark is not light", seen.light[0] !== seen.dark[0], seen);

	const { page, close } = await open(path, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
	const wide = await page.evaluate(() => document.documentElement.scrollWidth);
	check("a phone needs no scrolling sideways", wide <= 390, wide);
	check("a phone's map has mappings", (await mappings(page)) > 100);
	await page.locator(".finding-head").first().tap();
	check("a tap opens a finding", await page.locator("#finding-1-details").isVisible());
	await shot(page, "phone", { fullPage: true });
	await page.setViewportSize({ width: 1280, height: 900 });
	await page.emulateMedia({ media: "print" });
	check("paper has no tools", !(await page.locator(".tools").first().isVisible()));
	await close("phone and paper");
}

// A million events: the page stays small and quick, and says what it joined.
async function checkMany() {
	const recording = record("many", 1000000);
	const path = report(recording);
	const size = statSync(path).size;
	check("a page of a million events is small", size < 4e6, size);
	const begin = Date.now();
	const { page, close } = await open(path);
	check("and there within seconds", Date.now() - begin < 12000, Date.now() - begin);
	const { DMA } = await checkSummary(page, recording);
	check("it says what was joined", (await page.textContent("#left-out")).includes(`${DMA.toLocaleString("en")} DMA transfers are drawn as`), await page.textContent("#left-out"));
	await page.focus("#map");
	const took = await page.evaluate(async () => {
		const start = performance.now();
		for (let i = 0; i < 5; i++) {
			document.querySelector("#zoom-in").click();
			await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
		}
		return (performance.now() - start) / 5;
	});
	check("zooming stays smooth", took < 1500, took);
	await shot(page, "many");
	await close("many");
	return `page of 1e6 events: ${(size / 1e6).toFixed(1)} MB; ${took.toFixed(0)} ms for a step of zooming`;
}

// A recording that ends in the middle still gives a page; what is none does not.
async function checkBroken() {
	const torn = record("torn", 20000);
	truncateSync(torn, Math.floor(statSync(torn).size * 0.6));
	const { page, close } = await open(report(torn));
	check("a torn recording is said to be one", (await page.textContent("#missing")).includes("no end"));
	check("and shows what there is", (await mappings(page)) > 100);
	await close("torn");
	const empty = join(folder, "empty.rec");
	execFileSync(ioas, ["run", "--record", empty, "--", "true"]);
	const none = await open(report(empty));
	check("an empty recording gives an empty page", (await mappings(none.page)) === 0);
	await none.close("empty");
	const nothing = join(folder, "nothing.rec");
	writeFileSync(nothing, "this is no recording");
	const { status, stderr } = spawnSync(ioas, ["report", nothing, "-o", join(folder, "nothing.html")], { encoding: "utf8" });
	check("what is no recording is refused", status === 1 && stderr.startsWith("ioas report: "), [status, stderr]);
}

// A program with a bug, from the run to the page.
async function checkBug() {
	const recording = join(folder, "bug.rec");
	const run = spawnSync(ioas, ["run", "--sanitize", "--record", recording, "--device", "ioat", "--", bug], { encoding: "utf8" });
	check("the run ends as the sanitizer says", run.status === 86, [run.status, run.stderr]);
	const { page, close } = await open(report(recording));
	const line = readFileSync(process.env.BUG_SOURCE, "utf8").split("\n").findIndex((text) => text.includes("BUG:")) + 1;
	await page.locator(".finding-head").first().click();
	const text = await page.locator(".finding").first().innerText();
	check("its finding names the kind and the line", text.includes("dma-after-unmap") && text.includes(`dma-after-unmap.c:${line}`), [line, text]);
	await frames(page);
	check("and is on the map", (await inked(page, "finding")) > 0.3, await inked(page, "finding"));
	check("over the mapping that it missed", (await mappings(page)) > 0);
	await shot(page, "bug", { fullPage: true });
	await close("bug");
}

try {
	const recording = record("some", 20000);
	const path = report(recording);
	const { page, close } = await open(path);
	await checkSummary(page, recording);
	await checkMap(page);
	await checkFindings(page);
	await checkTables(page);
	await close("the page");
	await checkLooks(path);
	console.log(await checkMany());
	await checkBroken();
	if (bug) await checkBug();
} finally {
	await browser.close();
}
console.log(`report: ${passed} checks passed, ${failed} failed; pages and screenshots in ${folder}`);
process.exit(failed ? 1 : 0);
