/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a recording as a whole: records of a thread between a call and its answer, or between the
 * beginning and the end of a transfer, become one item. Nothing in the file is believed: what does
 * not fit together is left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ioas/abi/iommufd.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/observe.h"
#include "observe/replay_private.h"

#define BLOCK_SIZE (1u << 20)

struct block {
	struct block *next;
	size_t used, size;
	char bytes[] __attribute__((aligned(16)));
};

void *replay_alloc(struct replay *r, size_t size)
{
	struct block *b = r->blocks;
	void *p;

	size = align_up(size, 16);
	if (!b || size > b->size - b->used) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = ioas_malloc(sizeof(*b) + room);
		if (!b)
			return NULL;
		*b = (struct block){.next = r->blocks, .size = room};
		r->blocks = b;
	}
	p = b->bytes + b->used;
	b->used += size;
	return p;
}

static struct log_bytes *bytes_of(struct log_event *e)
{
	switch (e->type) {
	case LOG_copy_in:
		return &e->copy_in.data;
	case LOG_copy_out:
		return &e->copy_out.data;
	case LOG_dma_end:
		return &e->dma_end.data;
	case LOG_guest_queue:
		return &e->guest_queue.data;
	default:
		return NULL;
	}
}

static int keep_bytes(struct replay *r, struct log_event *e)
{
	struct log_bytes *b = bytes_of(e);
	uint8_t *copy;

	if (!b || !b->len)
		return 0;
	copy = replay_alloc(r, b->len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, b->at, b->len);
	b->at = copy;
	return 0;
}

struct part *parts_add(struct replay *r, struct parts *to, const struct log_event *e)
{
	struct part *p = replay_alloc(r, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct part){.e = *e};
	if (keep_bytes(r, &p->e))
		return NULL;
	if (to->last)
		to->last->next = p;
	else
		to->first = p;
	to->last = p;
	return p;
}

/* The one that @pid is by now. With @anew: a program that has just made its engine. */
static struct process *process_of(struct replay *r, uint32_t pid, bool anew)
{
	struct process *p, **grown;

	for (size_t i = r->nr_processes; i-- && !anew;)
		if (r->processes[i]->pid == pid)
			return r->processes[i];
	grown = ioas_realloc(r->processes, (r->nr_processes + 1) * sizeof(*grown));
	p = grown ? replay_alloc(r, sizeof(*p)) : NULL;
	if (grown)
		r->processes = grown;
	if (!p)
		return NULL;
	*p = (struct process){.pid = pid, .lost_at = U64MAX, .lost_record = U64MAX};
	r->processes[r->nr_processes++] = p;
	return p;
}

static struct item *add_item(struct replay *r, struct process *p, enum item_kind kind,
			     const struct log_event *e)
{
	struct item *it = replay_alloc(r, sizeof(*it));

	if (!it)
		return NULL;
	*it = (struct item){
		.kind = kind,
		.order = p->nr_records,
		.begin = p->nr_records,
		.end = p->nr_records,
		.time = e->time,
		.thread = e->thread,
		.done = kind != ITEM_CALL && kind != ITEM_DMA,
		.e = *e,
	};
	if (p->nr_items == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		struct item **grown = ioas_realloc(p->items, room * sizeof(*grown));

		if (!grown)
			return NULL;
		p->items = grown;
		p->room = room;
	}
	p->items[p->nr_items++] = it;
	return it;
}

/* So many effects other threads have had. */
static uint64_t effects_of_others(const struct process *p, uint64_t thread)
{
	return p->effects - p->own_effects[thread];
}

static void count_effect(struct process *p, uint64_t thread)
{
	p->effects++;
	p->own_effects[thread]++;
}

static int begin_call(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = add_item(r, p, ITEM_CALL, e);

	if (!it)
		return -ENOMEM;
	it->effects_before = effects_of_others(p, e->thread);
	it->outer = p->calls[e->thread];
	p->calls[e->thread] = it;
	return 0;
}

/* A guest's commands that make nothing forgotten: among them may be an answer to page requests, and
 * who waits for it goes on before the call is over. */
static bool may_answer(const struct item *it)
{
	return it->e.call.op == OP_IOCTL && it->e.call.cmd == IOMMU_HWPT_INVALIDATE &&
	       it->read_at && !it->forgets.first && !it->effects.first;
}

static void end_call(struct process *p, const struct log_event *e)
{
	struct item *it = p->calls[e->thread];

	if (!it || it->e.call.op != e->answer.op || it->e.call.cmd != e->answer.cmd)
		return;
	p->calls[e->thread] = it->outer;
	it->answer = e->answer;
	it->done = true;
	it->end = p->nr_records;
	it->beside = effects_of_others(p, e->thread) != it->effects_before;
	if (!it->placed)
		it->order = it->end;
	if (may_answer(it))
		it->order = it->read_at;
}

/* Numbers of files are given once. */
static bool is_answering(const struct process *p, const struct item *it)
{
	if (it->e.call.op != OP_WRITE)
		return false;
	for (const struct part *f = p->fault_files.first; f; f = f->next)
		if (f->e.fd_install.file == it->e.call.file)
			return true;
	return false;
}

static int add_part(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = p->calls[e->thread];

	if (!it)
		return 0;
	/* What has no other effect happens where it told its caller; an answer to page requests
	 * where that was read: who waits for it goes on before the call is over. */
	if (e->type == LOG_copy_in)
		it->read_at = p->nr_records;
	it->answers |= e->type == LOG_copy_in && is_answering(p, it);
	if (!it->placed && (e->type == LOG_copy_out || e->type == LOG_fd_install || it->answers)) {
		it->placed = true;
		it->order = p->nr_records;
	}
	if (e->type == LOG_fd_install && e->fd_install.kind == ABI_FAULT &&
	    !parts_add(r, &p->fault_files, e))
		return -ENOMEM;
	return parts_add(r, &it->parts, e) ? 0 : -ENOMEM;
}

static int add_effect(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = p->calls[e->thread];

	count_effect(p, e->thread);
	if (!it)
		return 0;
	if (!it->effects.first) {
		it->placed = true;
		it->order = p->nr_records;
	}
	return parts_add(r, &it->effects, e) ? 0 : -ENOMEM;
}

/* No effect that other calls would meet; but the call happens before what is translated next. */
static int add_forgets(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = p->calls[e->thread];

	if (!it)
		return 0;
	if (!it->placed) {
		it->placed = true;
		it->order = p->nr_records;
	}
	return parts_add(r, &it->forgets, e) ? 0 : -ENOMEM;
}

/* ---- queues of guests ---- */

static int take_entries(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = add_item(r, p, ITEM_QUEUE, e);

	if (!it)
		return -ENOMEM;
	it->done = false;
	p->queues[e->thread] = it;
	return keep_bytes(r, &it->e);
}

static void end_entries(struct process *p, uint64_t thread)
{
	struct item *it = p->queues[thread];

	p->queues[thread] = NULL;
	if (!it)
		return;
	it->done = true;
	it->end = p->nr_records;
}

static int note_queue(struct replay *r, struct process *p, const struct log_event *e)
{
	switch (e->guest_queue.what) {
	case QUEUE_ADDED:
		return add_part(r, p, e);
	case QUEUE_TAKEN:
		return take_entries(r, p, e);
	case QUEUE_DONE:
		end_entries(p, e->thread);
		return 0;
	default:
		return 0;
	}
}

/* ---- transfers ---- */

static const struct log_attach *attached(const struct process *p, uint64_t device, uint64_t pasid)
{
	for (const struct part *at = p->nested.first; at; at = at->next)
		if (at->e.attach.device == device && at->e.attach.pasid == pasid)
			return at->e.attach.space ? &at->e.attach : NULL;
	return NULL;
}

/* A PASID that nobody attached may be a guest's. */
static bool is_nested(const struct process *p, const struct log_dma_begin *d)
{
	const struct log_attach *a = attached(p, d->device, d->pasid);

	if (!a && d->pasid)
		a = attached(p, d->device, 0);
	return a && a->nested;
}

static int note_attach(struct replay *r, struct process *p, const struct log_event *e)
{
	for (struct part *at = p->nested.first; at; at = at->next)
		if (at->e.attach.device == e->attach.device &&
		    at->e.attach.pasid == e->attach.pasid) {
			at->e.attach = e->attach;
			return 0;
		}
	return parts_add(r, &p->nested, e) ? 0 : -ENOMEM;
}

static int begin_dma(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = add_item(r, p, ITEM_DMA, e);

	if (!it)
		return -ENOMEM;
	it->nested = is_nested(p, &e->dma_begin);
	p->transfers[e->thread] = it;
	return 0;
}

static int end_dma(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = p->transfers[e->thread];

	p->transfers[e->thread] = NULL;
	if (!it || it->e.dma_begin.device != e->dma_end.device ||
	    it->e.dma_begin.iova != e->dma_end.iova || it->e.dma_begin.len != e->dma_end.len)
		return 0;
	it->e = *e;
	it->done = true;
	it->end = p->nr_records;
	/* Whoever learns of its bytes, or of its fault, may change what led there before the end is
	 * written down. */
	if (it->asked)
		it->order = it->asked_at;
	else if (!it->nested || !it->parts.first)
		it->order = it->end;
	return keep_bytes(r, &it->e);
}

static int add_to_dma(struct replay *r, struct process *p, const struct log_event *e)
{
	struct item *it = p->transfers[e->thread];
	struct part *part = it ? parts_add(r, &it->parts, e) : NULL;

	if (!part)
		return it ? -ENOMEM : 0;
	part->at = p->nr_records;
	if (e->type == LOG_page_request && !it->asked) {
		it->asked = true;
		it->asked_at = part->at;
	}
	if (e->type == LOG_guest_read)
		it->nested = true;
	if (e->type != LOG_fault)
		it->order = part->at;
	return 0;
}

static int load_event(struct replay *r, struct process *p, const struct log_event *e)
{
	int rc = 0;

	switch (e->type) {
	case LOG_lost:
		if (p->lost_at == U64MAX) {
			p->lost_at = e->time;
			p->lost_record = p->nr_records;
		}
		return 0;
	case LOG_device:
		p->guest |= e->device.features & LOG_FEATURE_GUEST;
		return 0;
	case LOG_call:
		return begin_call(r, p, e);
	case LOG_answer:
		end_call(p, e);
		return 0;
	case LOG_release:
		count_effect(p, e->thread);
		return add_item(r, p, ITEM_RELEASE, e) ? 0 : -ENOMEM;
	case LOG_control:
		return add_item(r, p, ITEM_CONTROL, e) ? 0 : -ENOMEM;
	case LOG_memory_change:
		return add_item(r, p, ITEM_CHANGE, e) ? 0 : -ENOMEM;
	case LOG_copy_in:
	case LOG_copy_out:
	case LOG_capable:
	case LOG_file_get:
	case LOG_fd_install:
	case LOG_fd_uninstall:
	case LOG_eventfd_get:
	case LOG_fd_dup:
	case LOG_account:
	case LOG_probe:
	case LOG_vma:
		return add_part(r, p, e);
	case LOG_attach:
		rc = note_attach(r, p, e);
		return rc ? rc : add_effect(r, p, e);
	case LOG_map:
	case LOG_unmap:
	case LOG_cut:
	case LOG_space_new:
	case LOG_invalidate:
		return add_effect(r, p, e);
	case LOG_dma_begin:
		return begin_dma(r, p, e);
	case LOG_dma_end:
		return end_dma(r, p, e);
	case LOG_guest_invalidate:
		return add_forgets(r, p, e);
	case LOG_guest_queue:
		return note_queue(r, p, e);
	case LOG_dma_step:
	case LOG_guest_read:
	case LOG_guest_mark:
	case LOG_fault:
	case LOG_page_request:
		return add_to_dma(r, p, e);
	default:
		return 0;
	}
}

static int by_order(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

int replay_load(struct replay *r, struct log *l)
{
	struct log_event e;
	int rc = 0;

	while (!rc && log_next(l, &e) == 1) {
		struct process *p;

		r->ended |= !e.pid && e.type == LOG_end;
		if (!e.pid)
			continue;
		p = process_of(r, e.pid, e.type == LOG_process);
		if (!p)
			return -ENOMEM;
		p->nr_records++;
		/* Thread 0 is one of too many. */
		if (e.thread < OPEN_THREADS && (e.thread || e.type == LOG_lost))
			rc = load_event(r, p, &e);
	}
	for (size_t i = 0; i < r->nr_processes && !rc; i++)
		if (r->processes[i]->nr_items)
			qsort(r->processes[i]->items, r->processes[i]->nr_items,
			      sizeof(struct item *), by_order);
	return rc;
}

static void free_blocks(struct replay *r)
{
	struct block *next;

	for (struct block *b = r->blocks; b; b = next) {
		next = b->next;
		ioas_free(b);
	}
}

int replay_create(struct log *l, const struct replay_config *cfg, struct replay **out)
{
	struct replay *r = ioas_calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->cfg = *cfg;
	rc = replay_load(r, l);
	if (rc)
		replay_destroy(r);
	else
		*out = r;
	return rc;
}

void replay_destroy(struct replay *r)
{
	for (size_t i = 0; i < r->nr_processes; i++)
		ioas_free(r->processes[i]->items);
	ioas_free(r->processes);
	free_blocks(r);
	ioas_free(r);
}

bool replay_has_end(const struct replay *r)
{
	return r->ended;
}

uint32_t replay_pid(const struct replay *r, size_t n)
{
	return n < r->nr_processes ? r->processes[n]->pid : 0;
}
