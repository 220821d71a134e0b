// SPDX-License-Identifier: BSD-3-Clause
//
// What the page was given. `ioas report` puts it into the page as base64 of a deflated container:
//
//	u32 length of the JSON, the JSON, then the columns of its tables one after the other, each
//	little-endian and at the next offset that is a multiple of 8.
//
// json.tables names the columns in their order: {"maps": {"rows": 3, "columns": [["iova", "u64"], ...]}}.
// cli/report_page.c writes it. Tables become objects of typed arrays with `rows`; u64 are
// BigUint64Arrays, because addresses have more bits than a Number. Times are nanoseconds since the
// recording began; a mapping that was never removed ends at Infinity.

const arrays = {
	u8: Uint8Array,
	u16: Uint16Array,
	u32: Uint32Array,
	i32: Int32Array,
	f64: Float64Array,
	u64: BigUint64Array,
};

async function inflate(bytes) {
	const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
	return new Response(stream).arrayBuffer();
}

function bytesOfBase64(text) {
	const binary = atob(text.trim());
	const bytes = new Uint8Array(binary.length);
	for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
	return bytes;
}

function readTables(buffer, json, start) {
	const tables = {};
	let at = start;
	for (const [name, shape] of Object.entries(json.tables)) {
		const table = { rows: shape.rows };
		for (const [column, type] of shape.columns) {
			at = (at + 7) & ~7;
			table[column] = new arrays[type](buffer, at, shape.rows);
			at += table[column].byteLength;
		}
		tables[name] = table;
	}
	return tables;
}

export async function readRecording(element) {
	const buffer = await inflate(bytesOfBase64(element.textContent));
	const length = new DataView(buffer).getUint32(0, true);
	const json = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
	return { ...json, tables: readTables(buffer, json, 4 + length) };
}
