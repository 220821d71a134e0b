/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Findings come as lines of JSON (docs/sanitizer-report.md). They go to the page as they are, with
 * the moment and the address space that they belong to.
 *
 * They are recorded by somebody else than who recorded what they are about, and some milliseconds
 * later: so they wait until everything was read, and take the time of the transfer that they blame.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/report_private.h"

int report_finding(struct gather *g, const struct log_event *e)
{
	const struct log_bytes *text = &e->finding.text;
	struct report_waiting *w;

	if (g->nr_waiting == REPORT_MOST_FINDINGS) {
		g->r->findings_left_out++;
		return 0;
	}
	w = report_more(g->waiting, g->nr_waiting);
	if (!w)
		return -ENOMEM;
	w->time = e->time;
	w->text = strndup((const char *)text->at, text->len);
	return w->text ? 0 : -ENOMEM;
}

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* "0x1f" */
static uint64_t address_of(const json_t *object, const char *key)
{
	const char *text = string_of(object, key);

	return text ? strtoull(text, NULL, 16) : 0;
}

static uint16_t device_of(const struct report *r, const char *name)
{
	for (size_t i = 0; name && i < r->nr_devices; i++)
		if (r->devices[i].name && !strcmp(r->devices[i].name, name))
			return (uint16_t)i;
	return REPORT_NONE;
}

/* The newest row of that device that meets the bytes, begun no later than the finding. */
static const struct report_row *find_row(const struct report_rows *rows, const json_t *finding,
					 uint16_t device, uint64_t time)
{
	const uint64_t iova = address_of(finding, "iova");
	const uint64_t last = iova + max_u64(number_of(finding, "length"), 1) - 1;
	const struct report_row *newest = NULL;

	for (size_t i = 0; i < rows->n; i++) {
		const struct report_row *row = &rows->rows[i];

		if (row->class.device == device && row->t0 <= time && row->iova <= last &&
		    row->last >= iova && row->class.pid == number_of(finding, "pid") &&
		    (!newest || newest->t0 < row->t0))
			newest = row;
	}
	return newest;
}

/* The newest space that the program knows by that number. */
static uint16_t space_of(const struct report *r, const json_t *finding)
{
	const json_t *nearest = json_object_get(finding, "nearest");

	for (size_t i = r->nr_spaces; json_is_object(nearest) && i-- > 0;) {
		const struct report_space *s = &r->spaces[i];

		if (s->pid == number_of(finding, "pid") && s->id == number_of(nearest, "ioas") &&
		    s->kind <= SPACE_OF_CONTAINER)
			return (uint16_t)i;
	}
	return REPORT_NONE;
}

/* Where and when it belongs. */
static int place(const struct report *r, json_t *finding, uint64_t time)
{
	const char *access = string_of(finding, "access");
	const uint16_t device = device_of(r, string_of(finding, "device"));
	uint16_t space = space_of(r, finding);
	const struct report_row *row = NULL;

	if (access && strcmp(access, "none") && device != REPORT_NONE) {
		row = find_row(&r->tables[REPORT_faults], finding, device, time);
		if (!row)
			row = find_row(&r->tables[REPORT_dma], finding, device, time);
	}
	if (row) {
		time = max_u64(row->t0, r->begin);
		space = space == REPORT_NONE ? row->class.space : space;
	}
	time = min_u64(max_u64(time, r->begin), r->end);
	if (json_object_set_new(finding, "t", json_integer((json_int_t)time)))
		return -ENOMEM;
	if (space == REPORT_NONE)
		return 0;
	return json_object_set_new(finding, "space", json_integer(space)) ? -ENOMEM : 0;
}

static int keep(struct report *r, json_t *finding, uint64_t time)
{
	char **entry;
	int rc = place(r, finding, time);

	if (rc)
		return rc;
	entry = report_more(r->findings, r->nr_findings);
	if (!entry)
		return -ENOMEM;
	*entry = json_dumps(finding, JSON_COMPACT);
	return *entry ? 0 : -ENOMEM;
}

int report_place_findings(struct gather *g)
{
	int rc = 0;

	for (size_t i = 0; i < g->nr_waiting && !rc; i++) {
		json_t *finding = json_loads(g->waiting[i].text, 0, NULL);

		if (json_is_object(finding))
			rc = keep(g->r, finding, g->waiting[i].time);
		else
			g->r->bad_findings++;
		json_decref(finding);
	}
	return rc;
}
