/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pages object: where the bytes of one MAP come from, who holds it, who pays for it.
 *
 * Pinning takes the lock twice where memory has to be faulted in, once to give it PAs and once when
 * the fault-in, which may take long and run into the program's own fault handlers, is over. In
 * between the object is busy: other pins of it wait.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "memory/private.h"

/* Makes @p of @template, which says all but whose memory it is. With the lock held. */
static void pages_init(struct pages *p, struct memory *m, const struct memory_payer *payer,
		       const struct pages *template)
{
	*p = *template;
	p->memory = m;
	if (!p->mm)
		p->mm = &m->self;
	mm_get(p->mm);
	p->account = payer ? payer->account : NULL;
	if (p->account)
		memory_account_get(p->account);
	p->refs = 1;
}

/* Pins it ahead if that is simple. With the lock held. */
static void pages_pin_ahead(struct pages *p)
{
	p->ahead = pin_fast(p, pages_first(p), pages_last(p));
}

static int pages_alloc(struct memory *m, const struct memory_payer *payer,
		       const struct pages *template, bool pin, struct pages **out)
{
	struct pages *p;

	lock_acquire(&m->lock);
	p = pool_alloc(&m->pages);
	if (likely(p)) {
		pages_init(p, m, payer, template);
		if (pin)
			pages_pin_ahead(p);
	}
	lock_release(&m->lock);
	*out = p;
	return p ? 0 : -ENOMEM;
}

int pages_create(struct memory *m, const struct pages_source *source, bool pin, struct pages **out)
{
	return pages_alloc(m, source->payer,
			   &(struct pages){.mm = source->mm,
					   .start = source->va,
					   .length = source->len,
					   .fd = -1,
					   .writable = source->writable,
					   .allow_bar = source->allow_bar},
			   pin, out);
}

int pages_from_mm(struct memory *m, struct memory_mm *mm, const struct memory_payer *payer,
		  uint64_t va, uint64_t len, bool writable, bool allow_bar, struct pages **out)
{
	return pages_create(m,
			    &(struct pages_source){.mm = mm,
						   .payer = payer,
						   .va = va,
						   .len = len,
						   .writable = writable,
						   .allow_bar = allow_bar},
			    false, out);
}

int pages_from_va(struct memory *m, const struct memory_payer *payer, uint64_t va, uint64_t len,
		  bool writable, bool allow_bar, struct pages **out)
{
	return pages_from_mm(m, NULL, payer, va, len, writable, allow_bar, out);
}

int pages_from_file(struct memory *m, const struct memory_payer *payer, int fd, uint64_t start,
		    uint64_t len, bool writable, struct pages **out)
{
	int rc = pages_alloc(m, payer,
			     &(struct pages){.mm = payer ? payer->mm : NULL,
					     .start = start,
					     .length = len,
					     .fd = fd,
					     .writable = writable},
			     false, out);

	if (rc)
		close(fd);
	return rc;
}

void pages_get(struct pages *p)
{
	__atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
}

/* The only holder need not tell the others. */
static bool is_last(const struct pages *p)
{
	return __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) == 1;
}

static void pages_free(struct memory *m, struct pages *p)
{
	p->refs = 0; /* what tells a free one from one in use (look.c) */
	pool_free(&m->pages, p);
}

void pages_put(struct pages *p)
{
	struct memory *m = p->memory;

	if (!is_last(p) && __atomic_fetch_sub(&p->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	if (unlikely(p->ahead))
		pages_unpin(p, 0, p->length);
	assert(pin_is_free(&p->root));
	if (p->account)
		memory_account_put(p->account);
	if (p->dmabuf)
		dmabuf_forget(p);
	if (p->fd >= 0)
		close(p->fd);
	memory_mm_put(p->mm);
	lock_acquire(&m->lock);
	pages_free(m, p);
	lock_release(&m->lock);
}

bool pages_writable(const struct pages *p)
{
	return p->writable;
}

bool pages_is_file(const struct pages *p)
{
	return p->fd >= 0 && !p->dmabuf;
}

bool pages_is_dmabuf(const struct pages *p)
{
	return p->dmabuf;
}

uint64_t pages_length(const struct pages *p)
{
	return p->length;
}

uint64_t pages_start(const struct pages *p)
{
	return p->start;
}

/* Pinning. */

/* Asks about op->need and what follows, up to @last or a hole. Without the lock. */
static int resolve(struct pin_op *op, uint64_t last)
{
	for (uint64_t va = op->need; va <= last; va = op->vmas[op->nr_vmas++].last + 1) {
		struct memory_vma *vmas = ioas_realloc(op->vmas, (op->nr_vmas + 1) * sizeof(*vmas));

		if (!vmas)
			return -ENOMEM;
		op->vmas = vmas;
		if (origin_ask(op->pages->mm, va, &vmas[op->nr_vmas]))
			return va == op->need ? -EFAULT : 0;
	}
	return 0;
}

/* What a pin of [first, last] does about -EAGAIN. Takes and leaves with the lock held. */
static int resolve_unlocked(struct pin_op *op, uint64_t first, uint64_t last)
{
	struct memory_mm *mm = op->pages->mm;
	struct memory *m = mm->memory;
	int rc;

	if (op->nr_vmas && op->vmas[op->nr_vmas - 1].last >= op->need)
		op->nr_vmas = 0;
	if (!op->nr_vmas)
		op->changes = mm->changes;
	lock_release(&m->lock);
	rc = resolve(op, last);
	lock_acquire(&m->lock);
	if (origin_changed(mm, first, last, op->changes))
		op->nr_vmas = 0;
	for (size_t i = 0; i < op->nr_vmas; i++)
		origin_remember(mm, &op->vmas[i], op->changes);
	return rc;
}

static void wait_for_turn(struct pages *p, uint64_t first, uint64_t last)
{
	struct memory *m = p->memory;

	while ((p->root.word & PIN_BUSY) || (p->fd < 0 && !list_empty(&p->mm->changing) &&
					     origin_changing(p->mm, first, last))) {
		lock_release(&m->lock);
		sched_yield();
		lock_acquire(&m->lock);
	}
}

static int probe_run(struct pages *p, const struct pin_run *r)
{
	struct memory *m = p->memory;

	return r->foreign ? p->mm->ops->probe(p->mm->arg, (uintptr_t)r->base, r->len, r->how)
			  : m->ops.probe(m->ops_arg, (uintptr_t)r->base, r->len, r->how);
}

/* Faults in what has just been given a PA. Takes and leaves with the lock held. */
static int probe_runs(struct pin_op *op)
{
	struct pages *p = op->pages;
	struct memory *m = p->memory;
	int rc = 0;

	pin_set_busy(&p->root, true);
	lock_release(&m->lock);
	for (size_t i = 0; i < op->nr_runs && !rc; i++)
		rc = probe_run(p, &op->runs[i]);
	lock_acquire(&m->lock);
	pin_set_busy(&p->root, false);
	return rc ? -EFAULT : 0;
}

/* [first, last] are addresses of whole pages. With the lock held. */
static int pin(struct pin_op *op, uint64_t first, uint64_t last)
{
	struct pages *p = op->pages;
	bool paid = true;
	int rc;

	do {
		wait_for_turn(p, first, last);
		rc = pin_range(op, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
		if (rc != -EAGAIN)
			break;
		rc = resolve_unlocked(op, first, last);
	} while (!rc);
	if (rc)
		return rc;
	if (p->account && op->acquired)
		paid = account_charge(p->account, op->acquired);
	p->mm->pinned += op->acquired;
	if (op->nr_runs)
		rc = probe_runs(op);
	/* As in Linux: memory that is not there is the graver error. */
	if (!rc && !paid)
		rc = -ENOMEM;
	if (unlikely(rc)) {
		uint64_t released = unpin_range(p, first >> PAGE_SHIFT, last >> PAGE_SHIFT);

		if (p->account)
			account_uncharge(p->account, released);
		p->mm->pinned -= released;
	}
	return rc;
}

/* Whatever pin_fast() does not do. Without the lock. */
static int pin_slowly(struct pages *p, uint64_t first, uint64_t last)
{
	struct pin_op op = {.pages = p};
	int rc;

	if (p->fd >= 0) {
		rc = hold_check_file(p->fd, first, last, &op.file.key);
		if (rc)
			return rc;
		op.file.last = U64MAX;
	}
	lock_acquire(&p->memory->lock);
	if (p->dmabuf)
		dmabuf_key(p, &op.file.key);
	rc = pin(&op, first, last);
	lock_release(&p->memory->lock);
	ioas_free(op.runs);
	ioas_free(op.vmas);
	return rc;
}

int pages_pin(struct pages *p, uint64_t off, uint64_t len)
{
	uint64_t first = p->start + off, last = first + len - 1;
	bool done;

	if (likely(p->ahead)) {
		p->ahead = false;
		return 0;
	}
	lock_acquire(&p->memory->lock);
	done = pin_fast(p, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
	lock_release(&p->memory->lock);
	return likely(done) ? 0 : pin_slowly(p, align_down(first, PAGE_SIZE), last | PAGE_MASK);
}

/* With the lock held. */
static void unpin_slowly(struct pages *p, uint64_t first, uint64_t last)
{
	uint64_t released = unpin_range(p, first, last);

	if (p->account && released)
		account_uncharge(p->account, released);
	p->mm->pinned -= released;
}

void pages_unpin(struct pages *p, uint64_t off, uint64_t len)
{
	uint64_t first = (p->start + off) >> PAGE_SHIFT,
		 last = (p->start + off + len - 1) >> PAGE_SHIFT;

	lock_acquire(&p->memory->lock);
	if (unlikely(!unpin_fast(p, first, last)))
		unpin_slowly(p, first, last);
	lock_release(&p->memory->lock);
}

/* What pin_fast() pinned and nobody else holds goes under one lock: it has no account, no file and
 * nobody's mm but this process's, hence nothing else to be let go. */
void pages_unpin_put(struct pages *p, uint64_t off, uint64_t len)
{
	uint64_t first = (p->start + off) >> PAGE_SHIFT,
		 last = (p->start + off + len - 1) >> PAGE_SHIFT;
	struct memory *m = p->memory;
	bool freed = false;

	lock_acquire(&m->lock);
	if (unlikely(!unpin_fast(p, first, last)))
		unpin_slowly(p, first, last);
	else if (is_last(p)) {
		pages_free(m, p);
		freed = true;
	}
	lock_release(&m->lock);
	if (unlikely(!freed))
		pages_put(p);
}

bool pages_is_pinned(const struct pages *p)
{
	bool pinned;

	lock_acquire(&p->memory->lock);
	pinned = pin_table(&p->root) || pin_pins(&p->root);
	lock_release(&p->memory->lock);
	return pinned;
}

/* The caller's pin keeps a root without a table as it is; whatever another pin may do to it, its
 * slot stays the same. */
uint64_t pages_pa(const struct pages *p, uint64_t off, uint64_t *run)
{
	uint64_t addr = p->start + off, last = pages_last(p);
	const struct pin_node root = {__atomic_load_n(&p->root.word, __ATOMIC_ACQUIRE)};
	uint16_t slot;

	if (likely(!(root.word & PIN_TABLE))) {
		slot = pin_slot_of(&root);
	} else {
		lock_acquire(&p->memory->lock);
		slot = pin_slot(p, addr >> PAGE_SHIFT, &last);
		lock_release(&p->memory->lock);
	}
	*run = min_u64((last << PAGE_SHIFT | PAGE_MASK) - addr, p->length - off - 1) + 1;
	return (uint64_t)slot << MEMORY_SLOT_SHIFT | (addr & MEMORY_SLOT_MASK);
}

struct memory_mm *pages_mm(const struct pages *p)
{
	return key_mm(p->mm);
}

enum memory_kind pages_kind(const struct pages *p, uint64_t off)
{
	const struct pin_node root = {__atomic_load_n(&p->root.word, __ATOMIC_ACQUIRE)};
	uint64_t run;

	if (!(root.word & PIN_TABLE) && !pin_pins(&root))
		return MEMORY_FREE;
	return memory_slot(p->memory, pages_pa(p, off, &run))->kind;
}

/* Paying. */

void pages_set_payer(struct pages *p, const struct memory_payer *payer)
{
	struct memory_account *old;
	struct memory_mm *old_mm;
	uint64_t n;

	lock_acquire(&p->memory->lock);
	n = pin_count(p);
	old = p->account;
	if (old) {
		p->account = payer->account;
		account_uncharge(old, n);
	}
	if (p->account && old) {
		memory_account_get(p->account);
		account_charge(p->account, n);
	}
	old_mm = p->mm;
	p->mm = payer->mm ? payer->mm : &p->memory->self;
	mm_get(p->mm);
	old_mm->pinned -= n;
	p->mm->pinned += n;
	lock_release(&p->memory->lock);
	memory_account_put(old);
	memory_mm_put(old_mm);
}

uint64_t memory_pinned(struct memory *m, struct memory_mm *mm)
{
	uint64_t n;

	lock_acquire(&m->lock);
	n = mm ? mm->pinned : m->self.pinned;
	lock_release(&m->lock);
	return n;
}

const struct memory_account *pages_account(const struct pages *p)
{
	return p->account;
}

uint64_t pages_charged(const struct pages *p)
{
	uint64_t n;

	lock_acquire(&p->memory->lock);
	n = p->account ? pin_count(p) : 0;
	lock_release(&p->memory->lock);
	return n;
}
