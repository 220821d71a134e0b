/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Findings come as lines of JSON (docs/debugging.md). They go to the page as they are, with the
 * moment and the address space that they belong to.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_private.h"

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* By the mapping next to it, else by what the device has attached. */
static int find_space(struct gather *g, const json_t *finding, uint32_t pid, uint16_t *out)
{
	const struct report *r = g->r;
	const json_t *nearest = json_object_get(finding, "nearest");
	const char *device = string_of(finding, "device");
	const uint64_t id = number_of(nearest, "ioas");

	*out = REPORT_NONE;
	for (size_t i = r->nr_spaces; json_is_object(nearest) && i-- > 0;) {
		const struct report_space *s = &r->spaces[i];

		if (s->pid == pid && s->id == id && s->kind <= SPACE_OF_CONTAINER) {
			*out = (uint16_t)i;
			return 0;
		}
	}
	for (size_t i = 0; device && i < r->nr_devices; i++)
		if (r->devices[i].name && !strcmp(r->devices[i].name, device))
			return report_space_of(g, pid, i, number_of(finding, "pasid"), out);
	return 0;
}

static int keep(struct gather *g, json_t *finding, uint64_t time)
{
	struct report *r = g->r;
	uint16_t space;
	char *text, **entry;
	int rc = find_space(g, finding, (uint32_t)number_of(finding, "pid"), &space);

	if (rc)
		return rc;
	if (json_object_set_new(finding, "t", json_integer((json_int_t)time)) ||
	    (space != REPORT_NONE && json_object_set_new(finding, "space", json_integer(space))))
		return -ENOMEM;
	text = json_dumps(finding, JSON_COMPACT);
	entry = text ? report_more(r->findings, r->nr_findings) : NULL;
	if (!entry) {
		free(text);
		return -ENOMEM;
	}
	*entry = text;
	return 0;
}

int report_finding(struct gather *g, const struct log_event *e)
{
	const struct log_bytes *text = &e->finding.text;
	json_t *finding;
	int rc = 0;

	if (g->r->nr_findings == REPORT_MOST_FINDINGS) {
		g->r->findings_left_out++;
		return 0;
	}
	finding = json_loadb((const char *)text->at, text->len, 0, NULL);
	if (json_is_object(finding))
		rc = keep(g, finding, e->time);
	else
		g->r->bad_findings++;
	json_decref(finding);
	return rc;
}
