/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report_data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/report_private.h"
#include "iommu/iommu.h"

/* What the page holds at most: some megabytes. */
#define MOST_SPACES  4096
#define MOST_STRINGS UINT16_MAX
static const size_t most_rows[REPORT_NR_TABLES] = {
	[REPORT_maps] = 50000,	[REPORT_dma] = 100000, [REPORT_faults] = 10000,
	[REPORT_calls] = 50000, [REPORT_irqs] = 30000, [REPORT_invals] = 30000,
};

/* ---- arrays ---- */

void *report_more_of(void **array, size_t *n, size_t size)
{
	char *more = *array;

	/* At powers of two it is full. */
	if (!(*n & (*n - 1))) {
		more = realloc(more, size * (*n ? 2 * *n : 1));
		if (!more)
			return NULL;
		*array = more;
	}
	memset(more + *n * size, 0, size);
	return more + (*n)++ * size;
}

static char *text_of(struct log_bytes b)
{
	return strndup(b.at ? (const char *)b.at : "", b.len);
}

int report_string(struct report *r, const char *text, uint16_t *out)
{
	char **entry;

	for (*out = 0; *out < r->nr_strings; (*out)++)
		if (!strcmp(r->strings[*out], text))
			return 0;
	*out = 0;
	if (r->nr_strings == MOST_STRINGS)
		return 0;
	entry = report_more(r->strings, r->nr_strings);
	if (!entry)
		return -ENOMEM;
	*entry = strdup(text);
	if (!*entry)
		return -ENOMEM;
	*out = (uint16_t)(r->nr_strings - 1);
	return 0;
}

int report_add(struct gather *g, enum report_table table, const struct report_row *row)
{
	return report_rows_add(&g->r->tables[table], row);
}

/* ---- spaces ---- */

/* Spaces beyond what the page can tell apart are nobody's. */
static int new_space(struct gather *g, const struct report_space *s, uint32_t *out)
{
	struct report_space *space;
	struct live_space *live;
	size_t n = g->r->nr_spaces;

	*out = REPORT_NONE;
	if (n == MOST_SPACES)
		return 0;
	live = report_more(g->live, n);
	if (!live)
		return -ENOMEM;
	range_init(&live->areas, NULL);
	space = report_more(g->r->spaces, g->r->nr_spaces);
	if (!space)
		return -ENOMEM;
	*space = *s;
	*out = (uint32_t)(n - 1);
	return 0;
}

/* A space whose beginning is not in the recording has no number of its own that a program knows. */
static int space_number(struct gather *g, uint32_t pid, uint64_t number, uint32_t *out)
{
	const struct index_key key = {pid, number, 0};
	const uint32_t *there = index_find(&g->spaces, key);
	int rc;

	if (there) {
		*out = *there;
		return 0;
	}
	rc = new_space(g, &(struct report_space){.pid = pid}, out);
	return rc ? rc : index_set(&g->spaces, key, *out);
}

static int take_space_new(struct gather *g, const struct log_event *e)
{
	const struct report_space s = {
		.pid = e->pid,
		.id = (uint32_t)e->space_new.id,
		.kind = e->space_new.container ? SPACE_OF_CONTAINER : SPACE_OF_IOAS,
	};
	uint32_t number;
	int rc = new_space(g, &s, &number);

	return rc ? rc
		  : index_set(&g->spaces, (struct index_key){e->pid, e->space_new.space, 0},
			      number);
}

/* What a device does where no space of the recording is attached, or by a guest's tables. */
static int odd_space(struct gather *g, uint32_t pid, uint64_t device, bool guest, uint32_t *out)
{
	const struct index_key key = {pid, device, guest};
	const uint32_t *there = index_find(&g->odd_spaces, key);
	int rc;

	if (there) {
		*out = *there;
		return 0;
	}
	rc = new_space(g,
		       &(struct report_space){.pid = pid,
					      .kind = guest ? SPACE_OF_GUEST : SPACE_OF_NOBODY,
					      .device = report_device_of(g->r, device)},
		       out);
	return rc ? rc : index_set(&g->odd_spaces, key, *out);
}

static int take_attach(struct gather *g, const struct log_event *e)
{
	const struct log_attach *a = &e->attach;
	const struct index_key key = {e->pid, a->device, a->pasid};
	uint32_t space;
	int rc;

	if (!a->space || a->nested)
		rc = odd_space(g, e->pid, a->device, a->nested, &space);
	else
		rc = space_number(g, e->pid, a->space, &space);
	return rc ? rc : index_set(&g->attached, key, space);
}

int report_space_of(struct gather *g, uint32_t pid, uint64_t device, uint64_t pasid, uint16_t *out)
{
	const uint32_t *there = index_find(&g->attached, (struct index_key){pid, device, pasid});
	uint32_t space = there ? *there : REPORT_NONE;
	int rc = there ? 0 : odd_space(g, pid, device, false, &space);

	*out = (uint16_t)space;
	return rc;
}

/* ---- mappings ---- */

static int end_area(struct gather *g, uint16_t space, const struct range *range, uint64_t t1)
{
	struct live_area *area = range->value;
	const struct report_row row = {
		.t0 = area->t0,
		.t1 = t1,
		.iova = range->start,
		.last = range->last,
		.va = area->va,
		.count = 1,
		.uses = area->uses,
		.class = {.pid = g->r->spaces[space].pid,
			  .device = REPORT_NONE,
			  .space = space,
			  .text = area->source,
			  .kind = area->prot},
	};

	free(area);
	return report_add(g, REPORT_maps, &row);
}

static int end_areas(struct gather *g, uint16_t space, uint64_t iova, uint64_t last, uint64_t t1)
{
	struct range_tree *t;
	struct range range;
	int rc = 0;

	if (space >= g->r->nr_spaces)
		return 0;
	t = &g->live[space].areas;
	for (bool more = range_first_overlap(t, iova, last, &range); more && !rc;
	     more = range_next_overlap(t, last, &range)) {
		range_erase(t, range.start, NULL);
		rc = end_area(g, space, &range, t1);
	}
	return rc;
}

/* What was there before, its end not recorded, has ended by now. */
static int begin_area(struct gather *g, uint16_t space, uint64_t iova, uint64_t last,
		      const struct live_area *as)
{
	int rc = end_areas(g, space, iova, last, as->t0);
	struct live_area *area = rc ? NULL : malloc(sizeof(*area));

	if (!area)
		return rc ? rc : -ENOMEM;
	*area = *as;
	rc = range_insert(&g->live[space].areas, iova, last, area);
	if (rc)
		free(area);
	return rc == -ENOMEM ? rc : 0;
}

static int take_map(struct gather *g, const struct log_event *e)
{
	static const char *const sources[] = {"memory", "file", "dma-buf"};
	const struct log_map *m = &e->map;
	struct live_area area = {.t0 = e->time, .va = m->va, .prot = m->prot & 3};
	uint32_t space;
	int rc = space_number(g, e->pid, m->space, &space);

	g->r->maps++;
	if (!rc)
		rc = report_string(g->r, sources[m->source < ARRAY_SIZE(sources) ? m->source : 0],
				   &area.source);
	if (rc || space == REPORT_NONE)
		return rc;
	return begin_area(g, (uint16_t)space, m->iova, m->last, &area);
}

static int take_unmapped(struct gather *g, const struct log_event *e)
{
	uint32_t space;
	int rc = space_number(g, e->pid, e->unmapped.space, &space);

	g->r->unmaps++;
	return rc ? rc : end_areas(g, (uint16_t)space, e->unmapped.iova, e->unmapped.last, e->time);
}

/* Two mappings from now on, both as old as the one was. */
static int take_cut(struct gather *g, const struct log_event *e)
{
	struct live_area second;
	struct range range;
	struct range_tree *t;
	uint32_t space;
	int rc = space_number(g, e->pid, e->cut.space, &space);

	if (rc || space == REPORT_NONE)
		return rc;
	t = &g->live[space].areas;
	if (!range_find(t, e->cut.iova, &range) || range.start == e->cut.iova)
		return 0;
	range_update(t, range.start, e->cut.iova - 1, range.value);
	second = *(struct live_area *)range.value;
	second.va += e->cut.iova - range.start;
	second.uses = 0;
	return begin_area(g, (uint16_t)space, e->cut.iova, range.last, &second);
}

void report_use(struct gather *g, uint16_t space, uint64_t iova, uint64_t last)
{
	struct range range;
	struct range_tree *t;

	if (space >= g->r->nr_spaces)
		return;
	t = &g->live[space].areas;
	for (bool more = range_first_overlap(t, iova, last, &range); more;
	     more = range_next_overlap(t, last, &range)) {
		struct live_area *area = range.value;

		area->uses += area->uses < UINT32_MAX;
	}
}

/* ---- the machine, and what is told of it ---- */

uint16_t report_device_of(const struct report *r, uint64_t device)
{
	return device < r->nr_devices ? (uint16_t)device : REPORT_NONE;
}

/* Devices are numbered from 0 on; one may be heard of late (a virtual function). */
static int need_device(struct report *r, uint64_t device)
{
	if (device >= REPORT_NONE)
		return 0;
	while (r->nr_devices <= device)
		if (!report_more(r->devices, r->nr_devices))
			return -ENOMEM;
	return 0;
}

static int replace_text(char **to, char *text)
{
	free(*to);
	*to = text;
	return text ? 0 : -ENOMEM;
}

static int take_device(struct gather *g, const struct log_event *e)
{
	struct report *r = g->r;
	int rc = need_device(r, e->device.device);

	if (rc || e->device.device >= r->nr_devices)
		return rc;
	r->devices[e->device.device].rid = e->device.rid;
	return replace_text(&r->devices[e->device.device].name, text_of(e->device.name));
}

/* "device 0000:01:00.0 -1 nvme,size=64M" */
static int take_machine_device(struct report *r, size_t number, const char *line)
{
	struct report_device *d;
	char name[24], model[64] = "";

	if (need_device(r, number))
		return -ENOMEM;
	d = &r->devices[number];
	if (sscanf(line, "device %23s %*d %63[^,\n]", name, model) < 1)
		return 0;
	if (!d->name && replace_text(&d->name, strdup(name)))
		return -ENOMEM;
	return replace_text(&d->model, strdup(model));
}

static int take_machine(struct gather *g, const struct log_event *e)
{
	struct report *r = g->r;
	size_t devices = 0;
	int rc = replace_text(&r->machine, text_of(e->machine.text));

	r->realtime = e->machine.realtime;
	for (const char *line = r->machine; line && *line && !rc;) {
		const char *next = strchr(line, '\n');

		if (!strncmp(line, "device ", 7))
			rc = take_machine_device(r, devices++, line);
		line = next ? next + 1 : NULL;
	}
	return rc;
}

static int take_process(struct gather *g, const struct log_event *e)
{
	struct report *r = g->r;
	struct report_process *p = NULL;

	for (size_t i = 0; i < r->nr_processes && !p; i++)
		if (r->processes[i].pid == e->pid)
			p = &r->processes[i];
	if (!p)
		p = report_more(r->processes, r->nr_processes);
	if (!p)
		return -ENOMEM;
	p->pid = e->pid;
	return replace_text(&p->name, text_of(e->process.name));
}

/* ---- IOMMUs and devices ---- */

static int take_fault(struct gather *g, const struct log_event *e)
{
	const struct log_fault *f = &e->fault;
	const char *words = iommu_fault_words((enum iommu_fault_reason)f->reason);
	struct report_row row = {.t0 = e->time, .t1 = e->time, .iova = f->iova, .count = 1};
	uint16_t device = report_device_of(g->r, f->device);
	int rc = report_string(g->r, words, &row.class.text);

	row.last = f->len && f->iova + f->len - 1 > f->iova ? f->iova + f->len - 1 : f->iova;
	row.class.pid = e->pid;
	row.class.pasid = (uint32_t)f->pasid;
	row.class.device = device;
	row.class.kind = f->access & IOMMU_WRITE ? 1 : 0;
	row.class.flag = f->guest ? 1 : 0;
	g->r->faults++;
	g->r->guest_faults += f->guest ? 1 : 0;
	if (device != REPORT_NONE)
		g->r->devices[device].faults++;
	if (!rc)
		rc = report_space_of(g, e->pid, f->device, f->pasid, &row.class.space);
	return rc ? rc : report_add(g, REPORT_faults, &row);
}

static int add_invalidation(struct gather *g, const struct log_event *e, uint64_t space,
			    uint16_t device, uint64_t iova, uint64_t last, bool guest)
{
	struct report_row row = {
		.t0 = e->time, .t1 = e->time, .iova = iova, .last = last, .count = 1};
	uint32_t number = REPORT_NONE;
	int rc = space ? space_number(g, e->pid, space, &number) : 0;

	row.class = (struct report_class){
		.pid = e->pid, .device = device, .space = (uint16_t)number, .flag = guest};
	g->r->invalidations++;
	return rc ? rc : report_add(g, REPORT_invals, &row);
}

static int take_invalidate(struct gather *g, const struct log_event *e)
{
	return add_invalidation(g, e, e->invalidate.space, REPORT_NONE, e->invalidate.iova,
				e->invalidate.last, false);
}

static int take_guest_invalidate(struct gather *g, const struct log_event *e)
{
	const struct log_guest_invalidate *i = &e->guest_invalidate;

	return add_invalidation(g, e, i->space, report_device_of(g->r, i->device), i->iova, i->last,
				true);
}

static int take_interrupt(struct gather *g, const struct log_event *e)
{
	struct report_row row = {.t0 = e->time, .t1 = e->time, .count = 1};
	const uint16_t device = report_device_of(g->r, e->interrupt.device);

	row.iova = row.last = e->interrupt.vector;
	row.class = (struct report_class){.pid = e->pid,
					  .device = device,
					  .space = REPORT_NONE,
					  .kind = (uint8_t)e->interrupt.index};
	g->r->interrupts++;
	if (device != REPORT_NONE)
		g->r->devices[device].interrupts++;
	return report_add(g, REPORT_irqs, &row);
}

static int take_lost(struct gather *g, const struct log_event *e)
{
	g->r->lost += e->lost.count;
	return 0;
}

static int take_end(struct gather *g, const struct log_event *e)
{
	g->r->exited = true;
	g->r->status = e->end.status;
	return 0;
}

static int take(struct gather *g, const struct log_event *e)
{
	static int (*const takers[])(struct gather *, const struct log_event *) = {
		[LOG_machine] = take_machine,
		[LOG_process] = take_process,
		[LOG_device] = take_device,
		[LOG_lost] = take_lost,
		[LOG_finding] = report_finding,
		[LOG_end] = take_end,
		[LOG_call] = report_call,
		[LOG_answer] = report_answer,
		[LOG_fd_install] = report_fd_install,
		[LOG_space_new] = take_space_new,
		[LOG_map] = take_map,
		[LOG_unmapped] = take_unmapped,
		[LOG_cut] = take_cut,
		[LOG_attach] = take_attach,
		[LOG_invalidate] = take_invalidate,
		[LOG_guest_invalidate] = take_guest_invalidate,
		[LOG_fault] = take_fault,
		[LOG_dma_begin] = report_dma_begin,
		[LOG_dma_end] = report_dma_end,
		[LOG_interrupt] = take_interrupt,
	};
	struct report *r = g->r;

	r->recorded++;
	if ((size_t)e->type >= ARRAY_SIZE(takers) || !takers[e->type])
		return 0;
	/* What says only what the recording is about may lie long before what happened. */
	if (e->type >= LOG_call) {
		r->begin = r->happened++ ? min_u64(r->begin, e->time) : e->time;
		r->end = max_u64(r->end, e->time);
	}
	return takers[e->type](g, e);
}

/* Mappings that are still there. */
static int end_all(struct gather *g)
{
	int rc = 0;

	for (size_t i = 0; i < g->r->nr_spaces && !rc; i++)
		rc = end_areas(g, (uint16_t)i, 0, UINT64_MAX, REPORT_FOREVER);
	return rc;
}

static void gather_free(struct gather *g)
{
	for (size_t i = 0; i < g->r->nr_spaces; i++) {
		struct range_tree *t = &g->live[i].areas;
		struct range range;

		for (bool more = range_first(t, &range); more; more = range_next(t, &range))
			free(range.value);
		range_destroy(t);
	}
	free(g->live);
	free(g->starts);
	for (size_t i = 0; i < g->nr_waiting; i++)
		free(g->waiting[i].text);
	free(g->waiting);
	index_free(&g->spaces);
	index_free(&g->odd_spaces);
	index_free(&g->attached);
	index_free(&g->files);
	index_free(&g->begun);
	index_free(&g->latencies);
	index_free(&g->commands);
}

/* A device that nothing is known of still has a name. */
static int name_devices(struct report *r)
{
	char name[32];

	for (size_t i = 0; i < r->nr_devices; i++) {
		snprintf(name, sizeof(name), "device %zu", i);
		if (!r->devices[i].name && replace_text(&r->devices[i].name, strdup(name)))
			return -ENOMEM;
	}
	return 0;
}

int report_gather(struct report *r, struct log *log)
{
	struct gather g = {.r = r};
	struct log_event e;
	uint16_t empty;
	int rc;

	*r = (struct report){0};
	for (size_t i = 0; i < REPORT_NR_TABLES; i++)
		report_rows_init(&r->tables[i], most_rows[i]);
	rc = report_string(r, "", &empty);
	while (!rc && log_next(log, &e) == 1)
		rc = take(&g, &e);
	if (!rc)
		rc = end_all(&g);
	for (size_t i = 0; i < REPORT_NR_TABLES && !rc; i++)
		rc = report_rows_finish(&r->tables[i]);
	if (!rc)
		rc = name_devices(r);
	if (!rc)
		rc = report_place_findings(&g);
	r->state = log_state(log);
	gather_free(&g);
	return rc;
}

void report_free(struct report *r)
{
	for (size_t i = 0; i < REPORT_NR_TABLES; i++)
		report_rows_free(&r->tables[i]);
	for (size_t i = 0; i < r->nr_strings; i++)
		free(r->strings[i]);
	for (size_t i = 0; i < r->nr_devices; i++) {
		free(r->devices[i].name);
		free(r->devices[i].model);
	}
	for (size_t i = 0; i < r->nr_processes; i++)
		free(r->processes[i].name);
	for (size_t i = 0; i < r->nr_findings; i++)
		free(r->findings[i]);
	for (size_t i = 0; i < r->nr_latencies; i++)
		free(r->latencies[i].name);
	free(r->strings);
	free(r->spaces);
	free(r->devices);
	free(r->processes);
	free(r->findings);
	free(r->latencies);
	free(r->machine);
}
