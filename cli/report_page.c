/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report_page.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bits.h"
#include "cli/report_data.h"
#include "cli/report_template.h"
#include "observe/json.h"

/* ---- columns ---- */

/* How a member of a row goes to the page. */
enum column_type { COLUMN_U8, COLUMN_U16, COLUMN_U32, COLUMN_I32, COLUMN_U64, COLUMN_F64 };
static const struct {
	const char *name;
	size_t size;
} column_types[] = {
	[COLUMN_U8] = {"u8", 1},   [COLUMN_U16] = {"u16", 2}, [COLUMN_U32] = {"u32", 4},
	[COLUMN_I32] = {"i32", 4}, [COLUMN_U64] = {"u64", 8}, [COLUMN_F64] = {"f64", 8},
};

struct column {
	const char *name;
	size_t offset;
	enum column_type type; /* in the row too, but for F64, which is a u64 there */
};

#define COLUMN(name, member, type)                                                                 \
	{                                                                                          \
		name, offsetof(struct report_row, member), COLUMN_##type                           \
	}
#define TIMES COLUMN("t0", t0, F64), COLUMN("t1", t1, F64), COLUMN("count", count, U32)
#define PLACE                                                                                      \
	COLUMN("iova", iova, U64), COLUMN("last", last, U64), COLUMN("space", class.space, U16)
#define DEVICE	     COLUMN("device", class.device, U16), COLUMN("pasid", class.pasid, U32)
#define MOST_COLUMNS 12

static const struct column columns[REPORT_NR_TABLES][MOST_COLUMNS] = {
	[REPORT_maps] = {TIMES, PLACE, COLUMN("va", va, U64), COLUMN("uses", uses, U32),
			 COLUMN("perm", class.kind, U8), COLUMN("source", class.text, U16)},
	[REPORT_dma] = {TIMES, PLACE, DEVICE, COLUMN("bytes", bytes, F64),
			COLUMN("write", class.kind, U8), COLUMN("rc", class.rc, I32)},
	[REPORT_faults] = {TIMES, PLACE, DEVICE, COLUMN("write", class.kind, U8),
			   COLUMN("text", class.text, U16), COLUMN("guest", class.flag, U8)},
	[REPORT_calls] = {TIMES, COLUMN("name", class.text, U16), COLUMN("rc", class.rc, I32),
			  COLUMN("pid", class.pid, U32)},
	[REPORT_irqs] = {TIMES, COLUMN("device", class.device, U16),
			 COLUMN("index", class.kind, U8), COLUMN("vector", iova, F64)},
	[REPORT_invals] = {TIMES, PLACE, COLUMN("device", class.device, U16),
			   COLUMN("guest", class.flag, U8)},
};

#define TABLE_NAME(name) [REPORT_##name] = #name,
static const char *const table_names[] = {REPORT_TABLES(TABLE_NAME)};
#undef TABLE_NAME

/* Little endian, at @to. */
static void put_value(unsigned char *to, const struct report_row *row, const struct column *c)
{
	const char *from = (const char *)row + c->offset;
	uint64_t word;
	double real;

	switch (c->type) {
	case COLUMN_U8:
		*to = *(const uint8_t *)from;
		break;
	case COLUMN_U16:
		memcpy(to, &(uint16_t){htole16(*(const uint16_t *)from)}, 2);
		break;
	case COLUMN_U32:
	case COLUMN_I32:
		memcpy(to, &(uint32_t){htole32(*(const uint32_t *)from)}, 4);
		break;
	case COLUMN_F64:
		word = *(const uint64_t *)from;
		real = word == REPORT_FOREVER ? (double)INFINITY : (double)word;
		memcpy(&word, &real, 8);
		memcpy(to, &(uint64_t){htole64(word)}, 8);
		break;
	case COLUMN_U64:
		memcpy(to, &(uint64_t){htole64(*(const uint64_t *)from)}, 8);
		break;
	}
}

/* ---- deflated, as base64 ---- */

struct packer {
	FILE *to;
	z_stream z;
	uint64_t taken;	       /* bytes of the container so far */
	unsigned char rest[3]; /* not a whole group of base64 yet */
	size_t nr_rest;
	int rc;
};

static void put_group(struct packer *p, const unsigned char *b, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint32_t word =
		(uint32_t)b[0] << 16 | (n > 1 ? (uint32_t)b[1] << 8 : 0) | (n > 2 ? b[2] : 0);
	const char text[4] = {digits[word >> 18], digits[word >> 12 & 63],
			      n > 1 ? digits[word >> 6 & 63] : '=',
			      n > 2 ? digits[word & 63] : '='};

	if (fwrite(text, 1, 4, p->to) != 4)
		p->rc = -errno;
}

static void put_base64(struct packer *p, const unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p->rest[p->nr_rest++] = b[i];
		if (p->nr_rest < 3)
			continue;
		put_group(p, p->rest, 3);
		p->nr_rest = 0;
	}
}

static void pack_step(struct packer *p, int flush)
{
	unsigned char out[16384];

	do {
		p->z.next_out = out;
		p->z.avail_out = sizeof(out);
		if (deflate(&p->z, flush) == Z_STREAM_ERROR)
			p->rc = -EIO;
		put_base64(p, out, sizeof(out) - p->z.avail_out);
	} while (!p->rc && !p->z.avail_out);
}

static void pack(struct packer *p, const void *data, size_t n)
{
	const unsigned char *from = data;

	p->taken += n;
	while (n && !p->rc) {
		const size_t part = min_u64(n, 1u << 30);

		p->z.next_in = (z_const Bytef *)from;
		p->z.avail_in = (uInt)part;
		pack_step(p, Z_NO_FLUSH);
		from += part;
		n -= part;
	}
}

static int pack_begin(struct packer *p, FILE *to)
{
	*p = (struct packer){.to = to};
	return deflateInit(&p->z, 7) == Z_OK ? 0 : -ENOMEM;
}

static int pack_end(struct packer *p)
{
	if (!p->rc)
		pack_step(p, Z_FINISH);
	if (p->nr_rest)
		put_group(p, p->rest, p->nr_rest);
	deflateEnd(&p->z);
	return p->rc;
}

static void pack_column(struct packer *p, const struct report_rows *rows, const struct column *c)
{
	static const char zeros[8];
	const size_t size = column_types[c->type].size;
	unsigned char part[4096];
	size_t n = 0;

	pack(p, zeros, -p->taken & 7);
	for (size_t i = 0; i < rows->n; i++) {
		put_value(part + n, &rows->rows[i], c);
		n += size;
		if (n + 8 > sizeof(part)) {
			pack(p, part, n);
			n = 0;
		}
	}
	pack(p, part, n);
}

/* ---- the JSON ---- */

static void add_fact(struct json *j, const char *term, const char *value)
{
	json_array(j, NULL);
	json_string(j, NULL, term);
	json_string(j, NULL, value);
	json_array_end(j);
}

/* The line "KEY value" of the machine's text; false: none. */
static bool machine_line(const struct report *r, const char *key, char *out, size_t room)
{
	const size_t n = strlen(key);

	for (const char *line = r->machine; line && *line; line += *line == '\n') {
		if (!strncmp(line, key, n) && line[n] == ' ') {
			snprintf(out, room, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
			return true;
		}
		line += strcspn(line, "\n");
	}
	return false;
}

static void put_about(struct json *j, const struct report *r, const char *name, uint64_t size)
{
	char text[256];

	json_object(j, "about");
	json_string(j, "file", name);
	json_bool(j, "sanitized",
		  machine_line(r, "sanitize", text, sizeof(text)) && strcmp(text, "0"));
	if (r->realtime)
		json_number(j, "started", r->realtime / 1000000);
	json_number(j, "events", r->recorded);
	json_number(j, "bytes", size);
	json_array(j, "facts");
	if (machine_line(r, "iommu", text, sizeof(text)))
		add_fact(j, "IOMMU", text);
	if (machine_line(r, "shared", text, sizeof(text)) && strcmp(text, "0"))
		add_fact(j, "Engine", "one for all processes (--shared)");
	if (r->exited) {
		snprintf(text, sizeof(text), "%" PRIu64, r->status);
		add_fact(j, "Exit status", text);
	}
	json_array_end(j);
	json_object_end(j);
}

static void add_sentence(struct json *j, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add_sentence(struct json *j, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_string(j, NULL, text);
}

/* What is not in the recording. */
static void put_missing(struct json *j, const struct report *r)
{
	const struct log_state *s = &r->state;

	json_array(j, "missing");
	if (r->lost)
		add_sentence(j,
			     "%" PRIu64
			     " events were lost, as they came faster than they could be written.",
			     r->lost);
	if (s->begins_later)
		add_sentence(
			j,
			"Its beginning is gone (--record-limit): what was mapped before is not known.");
	if (s->missing)
		add_sentence(j, "%" PRIu64 " of its parts are missing.", s->missing);
	if (s->malformed)
		add_sentence(j, "%" PRIu64 " of its parts could not be read whole.", s->malformed);
	if (s->unknown)
		add_sentence(j, "%" PRIu64 " events are of kinds that only a newer ioas knows.",
			     s->unknown);
	if (r->bad_findings)
		add_sentence(j, "%" PRIu64 " findings could not be read.", r->bad_findings);
	if (!r->exited && r->recorded)
		add_sentence(j, "It has no end: the run was killed, or goes on.");
	json_array_end(j);
}

/* What is in the recording, but not in the page. */
static void put_left_out(struct json *j, const struct report *r)
{
	json_array(j, "joined");
	for (size_t i = 0; i < REPORT_NR_TABLES; i++) {
		const struct report_rows *t = &r->tables[i];

		if (!t->time_shift)
			continue;
		json_object(j, NULL);
		json_string(j, "table", table_names[i]);
		json_number(j, "events", t->events);
		json_number(j, "rows", t->n);
		json_number(j, "time", UINT64_C(1) << t->time_shift);
		json_number(j, "bytes", UINT64_C(1) << t->iova_shift);
		json_object_end(j);
	}
	json_array_end(j);
	json_number(j, "findings_left_out", r->findings_left_out);
}

static void put_counts(struct json *j, const struct report *r)
{
	json_object(j, "counts");
	json_number(j, "calls", r->calls);
	json_number(j, "failed", r->failed);
	json_number(j, "maps", r->maps);
	json_number(j, "unmaps", r->unmaps);
	json_number(j, "dma", r->dma);
	json_number(j, "dma_bytes", r->dma_bytes);
	json_number(j, "faults", r->faults);
	json_number(j, "guest_faults", r->guest_faults);
	json_number(j, "invalidations", r->invalidations);
	json_number(j, "interrupts", r->interrupts);
	json_number(j, "findings", r->nr_findings + r->findings_left_out);
	json_object_end(j);
}

static void put_devices(struct json *j, const struct report *r)
{
	json_array(j, "devices");
	for (size_t i = 0; i < r->nr_devices; i++) {
		const struct report_device *d = &r->devices[i];

		json_object(j, NULL);
		json_string(j, "name", d->name);
		json_string(j, "model", d->model);
		json_number(j, "rid", d->rid);
		json_number(j, "reads", d->transfers[0]);
		json_number(j, "read_bytes", d->bytes[0]);
		json_number(j, "writes", d->transfers[1]);
		json_number(j, "written_bytes", d->bytes[1]);
		json_number(j, "failed", d->failed);
		json_number(j, "faults", d->faults);
		json_number(j, "interrupts", d->interrupts);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_spaces(struct json *j, const struct report *r)
{
	static const char *const kinds[] = {[SPACE_OF_IOAS] = "ioas",
					    [SPACE_OF_CONTAINER] = "container",
					    [SPACE_OF_GUEST] = "guest",
					    [SPACE_OF_NOBODY] = "nobody"};

	json_array(j, "spaces");
	for (size_t i = 0; i < r->nr_spaces; i++) {
		json_object(j, NULL);
		json_number(j, "pid", r->spaces[i].pid);
		json_number(j, "id", r->spaces[i].id);
		json_string(j, "kind", kinds[r->spaces[i].kind]);
		json_number(j, "device", r->spaces[i].device);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_latency(struct json *j, const struct latency *l)
{
	json_object(j, NULL);
	json_string(j, "group", l->group);
	json_string(j, "name", l->name);
	json_number(j, "rank", l->rank);
	json_number(j, "n", l->n);
	json_number(j, "min", l->min);
	json_number(j, "max", l->max);
	json_number(j, "sum", (uint64_t)l->sum);
	json_array(j, "buckets");
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		if (!l->buckets[i])
			continue;
		json_array(j, NULL);
		json_number(j, NULL, i);
		json_number(j, NULL, l->buckets[i]);
		json_array_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static void put_tables(struct json *j, const struct report *r)
{
	json_object(j, "tables");
	for (size_t i = 0; i < REPORT_NR_TABLES; i++) {
		json_object(j, table_names[i]);
		json_number(j, "rows", r->tables[i].n);
		json_array(j, "columns");
		for (size_t c = 0; c < MOST_COLUMNS && columns[i][c].name; c++)
			add_fact(j, columns[i][c].name, column_types[columns[i][c].type].name);
		json_array_end(j);
		json_object_end(j);
	}
	json_object_end(j);
}

static void put_lists(struct json *j, const struct report *r)
{
	json_array(j, "processes");
	for (size_t i = 0; i < r->nr_processes; i++) {
		json_object(j, NULL);
		json_number(j, "pid", r->processes[i].pid);
		json_string(j, "name", r->processes[i].name);
		json_object_end(j);
	}
	json_array_end(j);
	json_array(j, "strings");
	for (size_t i = 0; i < r->nr_strings; i++)
		json_string(j, NULL, r->strings[i]);
	json_array_end(j);
	json_array(j, "latency");
	for (size_t i = 0; i < r->nr_latencies; i++)
		put_latency(j, &r->latencies[i]);
	json_array_end(j);
}

/* All but the findings, which are JSON already and end the object. */
static int put_json(struct json *j, const struct report *r, const char *name, uint64_t size)
{
	json_object(j, NULL);
	json_number(j, "version", 1);
	json_number(j, "begin", r->begin);
	json_number(j, "end", r->end);
	put_about(j, r, name, size);
	put_counts(j, r);
	put_missing(j, r);
	put_left_out(j, r);
	put_lists(j, r);
	put_devices(j, r);
	put_spaces(j, r);
	put_tables(j, r);
	return json_error(j);
}

static void pack_json(struct packer *p, const struct json *j, const struct report *r)
{
	static const char before[] = ",\"findings\":[", behind[] = "]}";
	size_t len = j->len + strlen(before) + strlen(behind);
	uint32_t word;

	for (size_t i = 0; i < r->nr_findings; i++)
		len += strlen(r->findings[i]) + (i > 0);
	word = htole32((uint32_t)len);
	pack(p, &word, sizeof(word));
	pack(p, j->text, j->len);
	pack(p, before, strlen(before));
	for (size_t i = 0; i < r->nr_findings; i++) {
		pack(p, ",", i > 0);
		pack(p, r->findings[i], strlen(r->findings[i]));
	}
	pack(p, behind, strlen(behind));
}

static int put_container(FILE *to, const struct report *r, const struct json *j)
{
	struct packer p;
	int rc = pack_begin(&p, to);

	if (rc)
		return rc;
	pack_json(&p, j, r);
	for (size_t i = 0; i < REPORT_NR_TABLES; i++)
		for (size_t c = 0; c < MOST_COLUMNS && columns[i][c].name; c++)
			pack_column(&p, &r->tables[i], &columns[i][c]);
	return pack_end(&p);
}

int report_page_write(FILE *to, const struct report *r, const char *name, uint64_t size)
{
	struct json j;
	int rc;

	json_init(&j);
	rc = put_json(&j, r, name, size);
	if (!rc && fputs(report_before, to) == EOF)
		rc = -errno;
	if (!rc)
		rc = put_container(to, r, &j);
	if (!rc && fputs(report_behind, to) == EOF)
		rc = -errno;
	json_free(&j);
	return rc;
}
