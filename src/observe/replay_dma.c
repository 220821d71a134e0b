/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a recorded transfer again, and compares where it went and what the IOMMU said.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "devices/pci.h"
#include "devices/worker.h"
#include "object/host.h"
#include "observe/replay_private.h"

#define TRANSFER_MAX                                                                               \
	(64u << 20) /* longer ones have the same steps, but are not worth the memory               \
		     */

/* ---- what is seen ---- */

static void saw_step(void *arg, const struct event_dma_step *e)
{
	struct replay *r = arg;
	const struct translation *t = e->tr;
	struct log_event out = {
		.type = LOG_dma_step,
		.dma_step = {.iova = e->iova,
			     .len = t->len,
			     .pa = t->ptr ? (uint64_t)(t->ptr - t->slot->base) : t->pa,
			     .target = t->ptr	? LOG_TARGET_MEMORY
				       : t->msi ? LOG_TARGET_MESSAGE
						: LOG_TARGET_BAR},
	};

	parts_add(r, &r->seen, &out);
}

static void saw_fault(void *arg, const struct event_fault *e)
{
	struct replay *r = arg;
	const struct iommu_fault *f = e->fault;
	struct log_event out = {
		.type = LOG_fault,
		.fault = {.rid = f->rid,
			  .pasid = f->pasid,
			  .iova = f->iova,
			  .access = f->access,
			  .reason = f->reason,
			  .code = f->code,
			  .guest = e->guest},
	};

	parts_add(r, &r->seen, &out);
}

static void saw_annotation(void *arg, const struct event_annotate *e)
{
}

const struct observer_ops replay_observer_ops = {
	.dma_step = saw_step, .fault = saw_fault, .guest_queue = replay_saw_queue};
const struct observer_ops replay_annotated_ops = {.dma_step = saw_step,
						  .fault = saw_fault,
						  .guest_queue = replay_saw_queue,
						  .annotate = saw_annotation};

/* ---- comparing ---- */

/* By the part of the address that does not depend on which slots were free. */
static bool same_place(const struct log_dma_step *then, const struct log_dma_step *now)
{
	const uint64_t mask = then->target == LOG_TARGET_MEMORY ? MEMORY_SLOT_SIZE - 1 : U64MAX;
	const uint64_t off = then->iova - now->iova;

	if (then->target != now->target)
		return false;
	return then->target == LOG_TARGET_BAR || ((then->pa ^ (now->pa + off)) & mask) == 0;
}

static const struct log_dma_step *step_at(const struct replay *r, uint64_t iova)
{
	for (const struct part *p = r->seen.first; p; p = p->next)
		if (p->e.type == LOG_dma_step && iova - p->e.dma_step.iova < p->e.dma_step.len)
			return &p->e.dma_step;
	return NULL;
}

static const struct log_fault *fault_of(const struct parts *parts)
{
	for (const struct part *p = parts->first; p; p = p->next)
		if (p->e.type == LOG_fault)
			return &p->e.fault;
	return NULL;
}

static bool same_fault(const struct log_fault *a, const struct log_fault *b)
{
	if (!a || !b)
		return a == b;
	return a->iova == b->iova && a->reason == b->reason && a->code == b->code &&
	       a->access == b->access && a->pasid == b->pasid && a->rid == b->rid;
}

/*
 * What the program maps can go without a call that the engine hears of: a file that is cut short, a
 * page that cannot be read. Only the recorded copy saw it.
 */
static bool is_vanished(const struct item *it, int rc)
{
	const struct log_fault *f = fault_of(&it->parts);

	return !rc && it->e.dma_end.rc && f && f->reason == FAULT_GONE;
}

/* What differs, in words; NULL: nothing. */
static const char *compare(struct replay *r, const struct item *it, int rc, char *text, size_t room)
{
	const struct log_dma_end *then = &it->e.dma_end;
	const struct log_fault *f = fault_of(&it->parts), *g = fault_of(&r->seen);

	r->result->answers++;
	if (rc != then->rc) {
		snprintf(text, room, "the result is %d and was %lld", rc, (long long)then->rc);
		return text;
	}
	if (!same_fault(f, g)) {
		snprintf(text, room, "the fault is %lld at 0x%llx and was %lld at 0x%llx",
			 g ? (long long)g->reason : -1, g ? (unsigned long long)g->iova : 0,
			 f ? (long long)f->reason : -1, f ? (unsigned long long)f->iova : 0);
		return text;
	}
	for (const struct part *p = it->parts.first; p; p = p->next) {
		const struct log_dma_step *now;

		if (p->e.type != LOG_dma_step)
			continue;
		r->result->answers++;
		now = step_at(r, p->e.dma_step.iova);
		if (!now || !same_place(&p->e.dma_step, now)) {
			snprintf(text, room, "0x%llx goes to 0x%llx and went to 0x%llx",
				 (unsigned long long)p->e.dma_step.iova,
				 now ? (unsigned long long)now->pa : 0,
				 (unsigned long long)p->e.dma_step.pa);
			return text;
		}
	}
	return NULL;
}

/* Behind a guest's tables any address may lead to what changes in stage 2. */
static bool meets(const struct part *effect, const struct item *dma)
{
	const struct log_dma_end *d = &dma->e.dma_end;
	const uint64_t last = d->iova + d->len - 1;

	if (dma->nested && effect->e.type != LOG_attach)
		return true;
	switch (effect->e.type) {
	case LOG_map:
		return effect->e.map.iova <= last && d->iova <= effect->e.map.last;
	case LOG_unmap:
		return effect->e.unmap.iova <= last && d->iova <= effect->e.unmap.last;
	case LOG_invalidate:
		return effect->e.invalidate.iova <= last && d->iova <= effect->e.invalidate.last;
	case LOG_attach:
		return effect->e.attach.device == d->device;
	default:
		return false;
	}
}

/* May it have changed where the transfer goes, or whether it goes? */
static bool may_matter(const struct item *it, const struct item *dma)
{
	if (it->kind == ITEM_CHANGE || it->kind == ITEM_RELEASE || it->kind == ITEM_CONTROL)
		return true;
	if (it->kind == ITEM_QUEUE)
		return dma->nested;
	if (it->kind != ITEM_CALL)
		return false;
	if (dma->nested && it->forgets.first)
		return true;
	/* A write to configuration space, and whatever changes a device. */
	if ((it->e.call.op == OP_WRITE && !it->answers) || it->e.call.op == OP_OPEN)
		return true;
	for (const struct part *p = it->effects.first; p; p = p->next)
		if (meets(p, dma))
			return true;
	return false;
}

static bool overlaps(const struct item *it, uint64_t begin, uint64_t end)
{
	return it->begin < end && begin <= (it->done ? it->end : U64MAX);
}

/* While the transfer did not wait. */
static bool is_beside(const struct item *it, const struct item *dma)
{
	uint64_t from = dma->begin;

	for (const struct part *p = dma->parts.first; p; p = p->next) {
		if (p->e.type != LOG_page_request)
			continue;
		if (overlaps(it, from, p->at))
			return true;
		from = p->next ? p->next->at : dma->end;
	}
	return overlaps(it, from, dma->end);
}

/* It ran beside something that changed what it met: nobody can say which came first. */
static bool is_raced(const struct replay *r, const struct item *dma)
{
	const struct process *p = r->process;

	for (size_t i = 0; i < p->nr_items; i++) {
		if (is_beside(p->items[i], dma) && may_matter(p->items[i], dma))
			return true;
	}
	return false;
}

/* ---- waiting ---- */

/* The next page requests of the transfer; NULL: it did not ask. */
static struct part *next_request(const struct item *it)
{
	struct part *p = it->parts.first;

	while (p && (p->e.type != LOG_page_request || p->used))
		p = p->next;
	return p;
}

/* In the place of waiting for an answer: what was done until the transfer went on is done, the
 * answer, if there was one, with it. */
void replay_wait(void *arg)
{
	struct replay *r = arg;
	struct waiting *w = &r->waiting[r->nr_waiting];
	struct part *p = r->item->kind == ITEM_DMA ? next_request(r->item) : NULL;

	if (!p || r->nr_waiting == WAITING_MAX)
		return;
	p->used = true;
	*w = (struct waiting){.item = r->item,
			      .seen = r->seen,
			      .expected = r->guest.expected,
			      .until = p->next ? p->next->at : r->item->end,
			      .late = r->late};
	memcpy(w->text, r->guest.text, sizeof(w->text));
	r->nr_waiting++;
	replay_until(r, w->until);
	r->nr_waiting--;
	r->item = w->item;
	r->seen = w->seen;
	r->late = w->late;
	r->guest.expected = w->expected;
	memcpy(r->guest.text, w->text, sizeof(w->text));
}

/* ---- doing ---- */

static int transfer(struct dma_port *port, const struct log_dma_end *d, uint8_t *bytes)
{
	uint64_t pattern = 0;

	if (d->access == IOMMU_READ)
		return dma_read(port, d->iova, bytes, d->len);
	if (d->fill) {
		memcpy(&pattern, d->data.at, min_u64(d->data.len, sizeof(pattern)));
		return dma_fill(port, d->iova, pattern, d->len);
	}
	if (d->data.len)
		memcpy(bytes, d->data.at, min_u64(d->data.len, d->len));
	return dma_write(port, d->iova, bytes, d->len);
}

/* What went to BARs waits for models that do not run. */
static void forget_posted(const struct replay *r)
{
	for (const struct list *l = r->host->devices.next; l != &r->host->devices; l = l->next) {
		const struct host_device *d = container_of(l, struct host_device, link);

		if (d->hw)
			worker_forget_posted(((struct pci_dev *)d->hw)->worker);
	}
}

/* What it met was cached otherwise, perhaps, if one before was left out or raced: then it is told
 * by what it looked at. */
static void judge(struct replay *r, const struct item *it, const char *what, const char *looks)
{
	const uint64_t device = it->e.dma_end.device;

	if (r->late || is_raced(r, it) || (looks && replay_guest_is_lost(&r->guest, device))) {
		r->result->raced++;
		replay_guest_lose(&r->guest, device);
		return;
	}
	replay_differs(r, "%s", what ? what : looks);
}

void replay_dma(struct replay *r, const struct item *it)
{
	const struct log_dma_end *d = &it->e.dma_end;
	const struct host_device *hdev = replay_device(r, d->device);
	struct dma_port *port = hdev && hdev->hw ? &((struct pci_dev *)hdev->hw)->port : NULL;
	uint8_t *bytes = d->len <= TRANSFER_MAX ? ioas_calloc(1, d->len + 1) : NULL;
	char text[160];
	const char *what, *looks;
	int rc;

	if (!port || !bytes) {
		r->result->strangers++;
		ioas_free(bytes);
		return;
	}
	r->seen = (struct parts){0};
	port->pasid = (uint32_t)d->pasid;
	r->late = false;
	replay_guest_begin(&r->guest, it);
	dma_begin(port);
	rc = transfer(port, d, bytes);
	dma_end(port);
	forget_posted(r);
	r->result->transfers++;
	if (is_vanished(it, rc)) {
		r->result->vanished++;
		ioas_free(bytes);
		return;
	}
	what = compare(r, it, rc, text, sizeof(text));
	looks = replay_guest_end(r, it);
	if (what || looks)
		judge(r, it, what, looks);
	ioas_free(bytes);
}
