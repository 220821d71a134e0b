/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/engines.h"
#include "cli/plain.h"

static const char *const members[NR_RATES] = {
	[RATE_MAPS] = "maps",
	[RATE_UNMAPS] = "unmaps",
	[RATE_TRANSLATIONS] = "translations",
	[RATE_HITS] = "hits",
	[RATE_MISSES] = "misses",
	[RATE_READ] = "read_bytes",
	[RATE_WRITTEN] = "written_bytes",
	[RATE_FAULTS] = "faults",
	[RATE_INVALIDATIONS] = "invalidations",
};

static const struct rates_device *find(const struct rates *r, const struct rates_device *like)
{
	for (size_t n = 0; n < r->n; n++)
		if (r->devices[n].pid == like->pid && !strcmp(r->devices[n].name, like->name))
			return &r->devices[n];
	return NULL;
}

/* A counter that fell is one that began anew. */
static void set_rates(struct rates_device *d, const struct rates_device *before)
{
	const double s = before ? (double)(d->time_ns - before->time_ns) / 1e9 : 0;

	d->fresh = !before || s <= 0;
	for (size_t n = 0; n < NR_RATES && !d->fresh; n++)
		if (d->count[n] >= before->count[n])
			d->rate[n] = (double)(d->count[n] - before->count[n]) / s;
}

static void fill(struct rates_device *d, const json_t *process, const json_t *device)
{
	char *program = plain_text(answer_string(process, "program", "?"));

	*d = (struct rates_device){
		.pid = (pid_t)answer_number(process, "pid"),
		.context = answer_number(device, "context"),
		.mapped_bytes = answer_number(device, "mapped_bytes"),
		.time_ns = answer_number(process, "time_ns"),
	};
	snprintf(d->name, sizeof(d->name), "%s", answer_string(device, "name", "?"));
	snprintf(d->model, sizeof(d->model), "%s", answer_string(device, "model", "-"));
	snprintf(d->program, sizeof(d->program), "%s", program ? program : "?");
	free(program);
	for (size_t n = 0; n < NR_RATES; n++)
		d->count[n] = answer_number(device, members[n]);
}

static void add_process(struct rates *r, const struct rates *before, const json_t *process)
{
	const json_t *all = json_object_get(process, "devices"), *device;
	struct rates_device *grown =
		realloc(r->devices, (r->n + json_array_size(all) + 1) * sizeof(*grown));
	size_t n;

	if (!grown)
		return;
	r->devices = grown;
	json_array_foreach(all, n, device)
	{
		struct rates_device *d = &r->devices[r->n++];

		fill(d, process, device);
		set_rates(d, find(before, d));
	}
}

static void ask(struct rates *r, const struct rates *before, const struct engine_place *place)
{
	const int fd = engines_connect(place);
	json_t *answer = fd < 0 ? NULL : engines_exchange(fd, "rates");

	if (fd >= 0)
		close(fd);
	if (!answer)
		return;
	add_process(r, before, answer);
	json_array_append_new(r->answers, answer);
}

void rates_look(struct rates *r, pid_t pid)
{
	struct rates before = *r;
	struct engine_place *all;
	const size_t n = engines_list(&all);

	*r = (struct rates){.answers = json_array()};
	for (size_t k = 0; k < n; k++)
		if (!pid || all[k].pid == pid)
			ask(r, &before, &all[k]);
	free(all);
	rates_free(&before);
}

void rates_free(struct rates *r)
{
	free(r->devices);
	json_decref(r->answers);
	*r = (struct rates){0};
}

static int by_name(const struct rates_device *x, const struct rates_device *y)
{
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct rates_device *x = a, *y = b;
	const enum rate by = *(const enum rate *)arg;

	if (by < NR_RATES && x->rate[by] != y->rate[by])
		return x->rate[by] > y->rate[by] ? -1 : 1;
	return by_name(x, y);
}

void rates_sort(struct rates *r, enum rate by)
{
	if (r->n)
		qsort_r(r->devices, r->n, sizeof(*r->devices), compare, &by);
}
