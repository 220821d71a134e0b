/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns events into records. Runs wherever an event comes, on the program's threads: it takes room
 * in the ring, or drops the record when there is none, and never waits.
 */
#include "observe/record.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abi/file.h"
#include "base/alloc.h"
#include "dma/dma.h"
#include "object/host.h"
#include "observe/record_private.h"

/* Most records are short; those are made ready on the stack and so take no more than they need. */
#define SHORT_RECORD 192u
#define FIXED_ROOM   160u /* of all that is no bytes, in the longest record */

static uint64_t now(const struct recorder *rec)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec - rec->cfg.start;
}

static __attribute__((noinline, cold)) uint64_t new_thread(struct recorder *rec)
{
	uint64_t number = idents_number(&rec->threads, (const void *)pthread_self());
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	RECORD(rec, thread_name, .tid = (uint64_t)gettid(),
	       .name = {(const uint8_t *)name, strlen(name)});
	return number;
}

uint64_t record_thread(struct recorder *rec)
{
	uint64_t number = idents_find(&rec->threads, (const void *)pthread_self());

	if (likely(number) || rec->threads.last >= IDENTS_ROOM)
		return number;
	return new_thread(rec);
}

static size_t bytes_of(const struct log_event *e)
{
	switch (e->type) {
	case LOG_copy_in:
		return e->copy_in.data.len;
	case LOG_copy_out:
		return e->copy_out.data.len;
	case LOG_dma_end:
		return e->dma_end.data.len;
	case LOG_guest_queue:
		return e->guest_queue.data.len;
	default:
		return 0;
	}
}

void record_put(struct recorder *rec, struct log_event *e, bool timed)
{
	struct ring *ring = &rec->cfg.ring;
	const size_t bytes = bytes_of(e);
	uint8_t here[SHORT_RECORD + FIXED_ROOM];
	uint64_t position;
	size_t len;
	void *to;

	e->thread = record_thread(rec);
	if (timed)
		e->time = now(rec);
	if (bytes <= SHORT_RECORD) {
		len = log_encode(here, sizeof(here), e);
		to = ring_get(ring, len, &position);
		if (!to)
			return;
		memcpy(to, here, len);
		ring_put(ring, position, len, len);
		return;
	}
	to = ring_get(ring, bytes + FIXED_ROOM, &position);
	if (!to)
		return;
	len = log_encode(to, bytes + FIXED_ROOM, e);
	ring_put(ring, position, bytes + FIXED_ROOM, len);
}

/* ---- names ---- */

static uint64_t file_number(struct recorder *rec, const struct abi_file *f)
{
	return f ? idents_number(&rec->files, f) : 0;
}

static uint64_t space_number(struct recorder *rec, const void *space)
{
	return space ? idents_number(&rec->spaces, space) : 0;
}

static uint64_t domain_number(struct recorder *rec, const struct domain *d)
{
	return d ? space_number(rec, domain_space(d)) : 0;
}

static uint64_t device_number(const struct requester *r)
{
	const struct host_device *d = r ? requester_owner(r) : NULL;

	return d ? d->cdev : LOG_NO_DEVICE;
}

/* ---- calls ---- */

static void on_call(void *arg, const struct event_call *e)
{
	struct recorder *rec = arg;
	const struct host *h = rec->host;

	if (e->op == OP_RELEASE) {
		RECORD(rec, release, .file = idents_remove(&rec->files, e->file));
		return;
	}
	RECORD(rec, call, .op = e->op, .file = file_number(rec, e->file), .cmd = e->cmd,
	       .arg = e->arg, .len = e->len, .pos = e->pos,
	       .process = (*e->caller)->ops->process ? (*e->caller)->ops->process(*e->caller) : 0,
	       .flags = __atomic_load_n(&h->no_mmap, __ATOMIC_RELAXED) ? LOG_CALL_NO_MMAP : 0);
	passing_begin(rec, e->caller);
}

static void on_answer(void *arg, const struct event_answer *e)
{
	struct recorder *rec = arg;

	passing_end(rec);
	RECORD(rec, answer, .op = e->op, .file = file_number(rec, e->file), .cmd = e->cmd,
	       .arg = e->arg, .rc = e->rc);
}

static void on_context_close(void *arg, const struct event_context_close *e)
{
	struct recorder *rec = arg;

	RECORD(rec, context_close, .context = idents_remove(&rec->contexts, e->context));
}

/* ---- address spaces ---- */

static void on_space_new(void *arg, const struct event_space_new *e)
{
	struct recorder *rec = arg;

	RECORD(rec, space_new, .space = space_number(rec, e->space),
	       .context = idents_number(&rec->contexts, e->context), .id = e->id,
	       .container = e->container);
}

static void on_space_gone(void *arg, const struct event_space_gone *e)
{
	struct recorder *rec = arg;

	RECORD(rec, space_gone, .space = idents_remove(&rec->spaces, e->space));
}

static unsigned int source_of(const struct pages *p)
{
	if (pages_is_dmabuf(p))
		return LOG_SOURCE_DMABUF;
	return pages_is_file(p) ? LOG_SOURCE_FILE : LOG_SOURCE_VA;
}

static void on_map(void *arg, const struct event_map *e)
{
	struct recorder *rec = arg;

	RECORD(rec, map, .space = space_number(rec, e->space), .iova = e->iova, .last = e->last,
	       .va = pages_start(e->pages) + e->offset, .prot = (uint64_t)e->prot, .copy = e->copy,
	       .source = source_of(e->pages));
}

static void on_unmap(void *arg, const struct event_unmap *e)
{
	struct recorder *rec = arg;

	RECORD(rec, unmap, space_number(rec, e->space), e->iova, e->last);
}

static void on_unmapped(void *arg, const struct event_unmapped *e)
{
	struct recorder *rec = arg;

	RECORD(rec, unmapped, space_number(rec, e->space), e->iova, e->last);
}

static void on_cut(void *arg, const struct event_cut *e)
{
	struct recorder *rec = arg;

	RECORD(rec, cut, space_number(rec, e->space), e->iova);
}

static void on_short_unmap(void *arg, const struct event_short_unmap *e)
{
	struct recorder *rec = arg;

	RECORD(rec, short_unmap, space_number(rec, e->space), e->iova, e->length, e->removed);
}

static void on_memory_change(void *arg, const struct event_memory_change *e)
{
	RECORD((struct recorder *)arg, memory_change, e->va, e->last, e->mm != NULL);
}

/* ---- IOMMUs ---- */

static void on_attach(void *arg, const struct event_attach *e)
{
	struct recorder *rec = arg;

	RECORD(rec, attach, .device = device_number(e->requester), .pasid = e->pasid,
	       .space = domain_number(rec, e->domain),
	       .nested = e->domain && domain_is_nested(e->domain),
	       .old_space = domain_number(rec, e->old),
	       .old_nested = e->old && domain_is_nested(e->old));
}

static void on_invalidate(void *arg, const struct event_invalidate *e)
{
	struct recorder *rec = arg;

	RECORD(rec, invalidate, domain_number(rec, e->domain), e->iova, e->last);
}

static void on_guest_invalidate(void *arg, const struct event_guest_invalidate *e)
{
	struct recorder *rec = arg;

	RECORD(rec, guest_invalidate, .space = domain_number(rec, e->parent),
	       .device = device_number(e->requester), .iova = e->iova, .last = e->last,
	       .pasid = e->pasid,
	       .kind = e->atc	  ? LOG_INVALIDATE_ATC
		       : e->match ? LOG_INVALIDATE_TABLES
				  : LOG_INVALIDATE_CONFIG);
}

/* Of a transfer, whose other records have the time. */
static void on_guest_read(void *arg, const struct event_guest_read *e)
{
	struct recorder *rec = arg;

	RECORD_PART(rec, guest_read, .device = device_number(e->requester),
		    .space = domain_number(rec, e->parent), .gpa = e->gpa, .word = e->word,
		    .rc = e->rc);
}

static void on_guest_mark(void *arg, const struct event_guest_mark *e)
{
	struct recorder *rec = arg;

	RECORD_PART(rec, guest_mark, .device = device_number(e->requester),
		    .space = domain_number(rec, e->parent), .gpa = e->gpa, .is = e->is, .to = e->to,
		    .rc = e->rc);
}

static void on_guest_queue(void *arg, const struct event_guest_queue *e)
{
	struct recorder *rec = arg;
	const uint64_t number = e->what == QUEUE_REMOVED ? idents_remove(&rec->queues, e->queue)
							 : idents_number(&rec->queues, e->queue);

	RECORD(rec, guest_queue, .queue = number, .what = e->what, .count = e->n,
	       .data = {e->entries, e->bytes});
}

static void on_fault(void *arg, const struct event_fault *e)
{
	const struct iommu_fault *f = e->fault;

	RECORD((struct recorder *)arg, fault, .device = device_number(e->requester), .rid = f->rid,
	       .pasid = f->pasid, .iova = f->iova, .len = f->len, .access = f->access,
	       .reason = f->reason, .code = f->code, .guest = e->guest);
}

static void on_page_request(void *arg, const struct event_page_request *e)
{
	const struct page_group *g = e->group;

	RECORD((struct recorder *)arg, page_request, .device = device_number(e->requester),
	       .pasid = g->pasid, .grpid = g->grpid, .count = g->nr_requests,
	       .addr = g->nr_requests ? g->requests[0].addr : 0,
	       .perm = g->nr_requests ? g->requests[0].perm : 0);
}

/* ---- devices ---- */

static void on_dma_begin(void *arg, const struct event_dma *e)
{
	RECORD((struct recorder *)arg, dma_begin, .device = device_number(e->port->requester),
	       .pasid = e->pasid, .iova = e->iova, .len = e->len, .access = (uint64_t)e->access);
}

static void on_dma_step(void *arg, const struct event_dma_step *e)
{
	const struct translation *t = e->tr;
	const struct memory *m = e->port->memory;
	uint64_t pa = t->pa;

	if (t->ptr)
		pa = (uint64_t)(t->slot - memory_slot(m, 0)) * MEMORY_SLOT_SIZE +
		     (uint64_t)(t->ptr - t->slot->base);
	RECORD((struct recorder *)arg, dma_step, .device = device_number(e->port->requester),
	       .pasid = e->pasid, .iova = e->iova, .len = t->len, .access = (uint64_t)e->access,
	       .pa = pa,
	       .target = t->ptr	  ? LOG_TARGET_MEMORY
			 : t->msi ? LOG_TARGET_MESSAGE
				  : LOG_TARGET_BAR);
}

static void on_dma_end(void *arg, const struct event_dma *e)
{
	struct log_bytes data = {e->data, min_u64(e->len, LOG_DMA_BYTES)};

	if (!e->data || e->access == IOMMU_READ)
		data.len = 0;
	RECORD((struct recorder *)arg, dma_end, .device = device_number(e->port->requester),
	       .pasid = e->pasid, .iova = e->iova, .len = e->len, .access = (uint64_t)e->access,
	       .done = e->done, .rc = e->rc, .fill = !e->data, .data = data);
}

static void on_interrupt(void *arg, const struct event_interrupt *e)
{
	RECORD((struct recorder *)arg, interrupt, e->device->cdev, e->index, e->vector);
}

/* Not of annotations: there is a command for them exactly while somebody listens. */
static const struct observer_ops recorder_ops = {
	.call = on_call,
	.answer = on_answer,
	.context_close = on_context_close,
	.space_new = on_space_new,
	.space_gone = on_space_gone,
	.map = on_map,
	.unmap = on_unmap,
	.unmapped = on_unmapped,
	.cut = on_cut,
	.short_unmap = on_short_unmap,
	.memory_change = on_memory_change,
	.attach = on_attach,
	.invalidate = on_invalidate,
	.guest_invalidate = on_guest_invalidate,
	.guest_read = on_guest_read,
	.guest_mark = on_guest_mark,
	.guest_queue = on_guest_queue,
	.fault = on_fault,
	.page_request = on_page_request,
	.dma_begin = on_dma_begin,
	.dma_step = on_dma_step,
	.dma_end = on_dma_end,
	.interrupt = on_interrupt,
};

/* ---- its life ---- */

int recorder_create(const struct recorder_config *cfg, struct recorder **out)
{
	struct recorder *rec = ioas_calloc(1, sizeof(*rec));

	if (!rec)
		return -ENOMEM;
	rec->cfg = *cfg;
	idents_init(&rec->threads);
	idents_init(&rec->files);
	idents_init(&rec->spaces);
	idents_init(&rec->contexts);
	idents_init(&rec->queues);
	*out = rec;
	return 0;
}

int recorder_attach(struct recorder *rec, struct host *h)
{
	rec->host = h;
	for (struct list *l = h->devices.next; l != &h->devices; l = l->next) {
		const struct host_device *d = container_of(l, struct host_device, link);

		RECORD(rec, device, .device = d->cdev, .rid = requester_rid(d->requester),
		       .name = {(const uint8_t *)d->name, strlen(d->name)},
		       .features = LOG_FEATURE_GUEST);
	}
	return observe_add(&h->sink, &recorder_ops, rec);
}

void recorder_control(struct recorder *rec, uint64_t device, unsigned int op, uint64_t value,
		      int rc)
{
	if (rec)
		RECORD(rec, control, .device = device, .op = op, .value = value, .rc = rc);
}

void recorder_destroy(struct recorder *rec)
{
	ring_unmap(&rec->cfg.ring);
	ioas_free(rec);
}
