/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What threads do: calls and DMA, from their beginning to their end, and how long that took.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/observe.h"
#include "cli/report_private.h"
#include "doors/preload/trace_table.h"
#include "iommu/iommu.h"

enum { BEGUN_CALL, BEGUN_DMA };
enum { OF_CALLS, OF_READS, OF_WRITES };

static int begin(struct gather *g, const struct log_event *e, unsigned int what)
{
	const struct index_key key = {e->pid, e->thread, what};
	const uint32_t *there = index_find(&g->begun, key);

	if (!there) {
		const uint32_t number = (uint32_t)g->nr_starts;

		if (!report_more(g->starts, g->nr_starts))
			return -ENOMEM;
		g->starts[number] = e->time;
		return index_set(&g->begun, key, number);
	}
	g->starts[*there] = e->time;
	return 0;
}

/* When what ends now began; false: that is not in the recording. */
static bool begun(struct gather *g, const struct log_event *e, unsigned int what, uint64_t *start)
{
	const uint32_t *there = index_find(&g->begun, (struct index_key){e->pid, e->thread, what});

	*start = e->time;
	if (!there || g->starts[*there] == UINT64_MAX)
		return false;
	*start = min_u64(g->starts[*there], e->time);
	g->starts[*there] = UINT64_MAX;
	return true;
}

static int took(struct gather *g, unsigned int group, uint32_t key, const char *name, uint64_t ns)
{
	static const char *const groups[] = {"Calls", "DMA, device reads", "DMA, device writes"};
	struct report *r = g->r;
	const uint32_t *there = index_find(&g->latencies, (struct index_key){group, key, 0});
	struct latency *l;

	if (there) {
		latency_add(&r->latencies[*there], ns);
		return 0;
	}
	l = report_more(r->latencies, r->nr_latencies);
	if (!l)
		return -ENOMEM;
	l->group = groups[group];
	l->rank = group == OF_CALLS ? 0 : key;
	l->name = strdup(name);
	if (!l->name)
		return -ENOMEM;
	latency_add(l, ns);
	return index_set(&g->latencies, (struct index_key){group, key, 0},
			 (uint32_t)(r->nr_latencies - 1));
}

static enum abi_file_kind kind_of(const struct gather *g, uint32_t pid, uint64_t file)
{
	const uint32_t *there = index_find(&g->files, (struct index_key){pid, file, 0});

	return there ? (enum abi_file_kind) * there : ABI_OTHER;
}

static int name_ioctl(struct gather *g, enum abi_file_kind kind, uint64_t cmd, uint16_t *out)
{
	const struct index_key key = {kind, cmd, 0};
	const uint32_t *there = index_find(&g->commands, key);
	const struct trace_command *c;
	char text[40];
	int rc;

	if (there) {
		*out = (uint16_t)*there;
		return 0;
	}
	/* Which file it was may be lost; commands are seldom of two kinds. */
	c = trace_find(kind, (unsigned int)cmd);
	for (unsigned int k = 0; !c && kind == ABI_OTHER && k < ABI_OTHER; k++)
		c = trace_find((enum abi_file_kind)k, (unsigned int)cmd);
	snprintf(text, sizeof(text), "ioctl 0x%" PRIx64, cmd);
	rc = report_string(g->r, c ? c->name : text, out);
	return rc ? rc : index_set(&g->commands, key, *out);
}

static int name_call(struct gather *g, const struct log_event *e, uint16_t *out)
{
	static const char *const files[] = {
		[ABI_IOMMUFD] = "/dev/iommu", [ABI_CONTAINER] = "/dev/vfio/vfio",
		[ABI_GROUP] = "group",	      [ABI_DEVICE] = "device",
		[ABI_FAULT] = "fault queue",  [ABI_VEVENTQ] = "event queue",
		[ABI_OTHER] = "file",
	};
	static const char *const ops[] = {
		[OP_OPEN] = "open", [OP_READ] = "read", [OP_WRITE] = "write", [OP_MMAP] = "mmap"};
	const struct log_answer *a = &e->answer;
	enum abi_file_kind kind;
	char text[40];

	if (a->op == OP_OPEN)
		kind = a->cmd <= ABI_OTHER ? (enum abi_file_kind)a->cmd : ABI_OTHER;
	else
		kind = kind_of(g, e->pid, a->file);
	if (a->op == OP_IOCTL)
		return name_ioctl(g, kind, a->cmd, out);
	snprintf(text, sizeof(text), "%s %s",
		 a->op < ARRAY_SIZE(ops) && ops[a->op] ? ops[a->op] : "call", files[kind]);
	return report_string(g->r, text, out);
}

int report_call(struct gather *g, const struct log_event *e)
{
	return begin(g, e, BEGUN_CALL);
}

static int set_kind(struct gather *g, uint32_t pid, uint64_t file, uint64_t kind)
{
	if (!file || kind > ABI_OTHER)
		return 0;
	return index_set(&g->files, (struct index_key){pid, file, 0}, (uint32_t)kind);
}

int report_fd_install(struct gather *g, const struct log_event *e)
{
	return set_kind(g, e->pid, e->fd_install.file, e->fd_install.kind);
}

int report_answer(struct gather *g, const struct log_event *e)
{
	const struct log_answer *a = &e->answer;
	struct report_row row = {.t1 = e->time, .count = 1};
	bool whole;
	int rc = a->op == OP_OPEN ? set_kind(g, e->pid, a->file, a->cmd) : 0;

	if (rc)
		return rc;
	whole = begun(g, e, BEGUN_CALL, &row.t0);
	row.class = (struct report_class){
		.pid = e->pid,
		.rc = a->rc < 0 ? (int32_t)a->rc : 0,
		.device = REPORT_NONE,
		.space = REPORT_NONE,
	};
	g->r->calls++;
	g->r->failed += a->rc < 0;
	rc = name_call(g, e, &row.class.text);
	if (!rc && whole)
		rc = took(g, OF_CALLS, row.class.text, g->r->strings[row.class.text],
			  row.t1 - row.t0);
	return rc ? rc : report_add(g, REPORT_calls, &row);
}

int report_dma_begin(struct gather *g, const struct log_event *e)
{
	return begin(g, e, BEGUN_DMA);
}

/* Powers of four from 64 bytes to 4 MiB. */
static int dma_took(struct gather *g, bool write, uint64_t len, uint64_t ns)
{
	static const char *const names[] = {
		"up to 64 B",	"up to 256 B",	 "up to 1 KiB", "up to 4 KiB", "up to 16 KiB",
		"up to 64 KiB", "up to 256 KiB", "up to 1 MiB", "up to 4 MiB", "more"};
	uint32_t i = 0;

	while (i + 1 < ARRAY_SIZE(names) && len > (uint64_t)64 << 2 * i)
		i++;
	return took(g, write ? OF_WRITES : OF_READS, i, names[i], ns);
}

int report_dma_end(struct gather *g, const struct log_event *e)
{
	const struct log_dma_end *d = &e->dma_end;
	const bool write = d->access & IOMMU_WRITE;
	struct report_row row = {.t1 = e->time, .iova = d->iova, .bytes = d->done, .count = 1};
	struct report *r = g->r;
	bool whole;
	int rc;

	row.last = d->iova + (d->len ? d->len - 1 : 0);
	if (row.last < row.iova)
		row.last = UINT64_MAX;
	whole = begun(g, e, BEGUN_DMA, &row.t0);
	row.class = (struct report_class){
		.pasid = (uint32_t)d->pasid,
		.rc = (int32_t)d->rc,
		.device = report_device_of(r, d->device),
		.kind = write,
	};
	rc = report_space_of(g, e->pid, d->device, d->pasid, &row.class.space);
	if (rc)
		return rc;
	r->dma++;
	r->dma_bytes += d->done;
	if (row.class.device != REPORT_NONE) {
		struct report_device *device = &r->devices[row.class.device];

		device->transfers[write]++;
		device->bytes[write] += d->done;
		device->failed += d->rc < 0;
	}
	report_use(g, row.class.space, row.iova, row.last);
	if (whole && !d->rc)
		rc = dma_took(g, write, d->len, row.t1 - row.t0);
	return rc ? rc : report_add(g, REPORT_dma, &row);
}
