/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies at an address of the program: registered ranges, remembered VMAs, and the changes that
 * make us forget.
 *
 * A VMA is remembered only where every change is reported (memory.tracked), and only if none was
 * reported between the question and the answer. What is remembered is its kind: that a page exists
 * and may be touched is probed at each pin.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "memory/private.h"

/* No range begins behind its end. */
static const struct range no_hint = {.start = 1, .last = 0};

static void drop_vmas(struct memory_mm *mm, uint64_t va, uint64_t last)
{
	struct range r;

	for (bool more = range_first_overlap(&mm->vmas, va, last, &r); more;
	     more = range_next_overlap(&mm->vmas, last, &r)) {
		ioas_free(r.value);
		range_erase(&mm->vmas, r.start, NULL);
	}
}

/* What was remembered of [va, last] holds no longer, nor will an answer that is on its way. */
static void forget(struct memory_mm *mm, uint64_t va, uint64_t last)
{
	mm->recent[++mm->changes % ARRAY_SIZE(mm->recent)] = (struct span){va, last};
	drop_vmas(mm, va, last);
}

static void mm_init(struct memory_mm *mm, struct memory *m, bool tracked)
{
	mm->memory = m;
	mm->tracked = tracked;
	range_init(&mm->vmas, NULL);
	list_init(&mm->changing);
}

static void mm_clear(struct memory_mm *mm)
{
	drop_vmas(mm, 0, U64MAX);
	range_destroy(&mm->vmas);
}

void origin_init(struct memory *m, bool tracked)
{
	range_init(&m->registered, NULL);
	m->registered_hint = no_hint;
	mm_init(&m->self, m, tracked);
}

void origin_destroy(struct memory *m)
{
	struct range r;

	while (range_first(&m->registered, &r)) {
		ioas_free(r.value);
		range_erase(&m->registered, r.start, NULL);
	}
	range_destroy(&m->registered);
	mm_clear(&m->self);
}

void origin_from_vma(struct memory_mm *mm, const struct memory_vma *vma, uint64_t va,
		     struct stretch *out)
{
	struct range r;

	*out = (struct stretch){
		.first = va, .last = vma->last, .read = vma->read, .write = vma->write};
	switch (vma->kind) {
	case VMA_PRIVATE:
		out->key = private_key(mm);
		out->plain = vma->read && vma->write && !vma->ino;
		break;
	case VMA_SHARED:
		out->key = (struct slot_key){.mm = key_mm(mm),
					     .kind = MEMORY_SHARED,
					     .dev = vma->dev,
					     .ino = vma->ino,
					     .delta = vma->offset - vma->start,
					     .writable = vma->write};
		break;
	case VMA_BAR:
		out->key = (struct slot_key){.mm = key_mm(mm),
					     .kind = MEMORY_BAR,
					     .dev = (uintptr_t)vma->bar.device,
					     .ino = vma->bar.region,
					     .delta = vma->bar.offset - vma->start};
		break;
	case VMA_DIRECT:
		out->key = (struct slot_key){.mm = key_mm(mm),
					     .kind = MEMORY_DIRECT,
					     .delta = vma->direct - vma->start};
		break;
	default:
		out->key.kind = MEMORY_FREE;
	}
	if (!mm->ops && range_first_overlap(&mm->memory->registered, va, out->last, &r))
		out->last = r.start - 1;
}

bool origin_find(struct memory_mm *mm, uint64_t va, struct stretch *out)
{
	struct memory *m = mm->memory;
	struct range r;

	if (!mm->ops &&
	    (registered_covers(m, va, va) || range_find(&m->registered, va, &m->registered_hint))) {
		*out = (struct stretch){
			va, m->registered_hint.last, {.kind = MEMORY_REGISTERED}, true, true};
		return true;
	}
	if (!range_find(&mm->vmas, va, &r))
		return false;
	origin_from_vma(mm, r.value, va, out);
	return true;
}

int origin_ask(struct memory_mm *mm, uint64_t va, struct memory_vma *out)
{
	struct memory *m = mm->memory;

	if (!mm->ops)
		return m->ops.vma == memory_default_ops.vma ? maps_vma(&m->maps, va, out)
							    : m->ops.vma(m->ops_arg, va, out);
	return __atomic_load_n(&mm->gone, __ATOMIC_RELAXED) ? -EFAULT
							    : mm->ops->vma(mm->arg, va, out);
}

void origin_remember(struct memory_mm *mm, const struct memory_vma *vma, uint64_t changes)
{
	struct memory_vma *copy;

	if (!mm->tracked || mm->gone || origin_changed(mm, vma->start, vma->last, changes))
		return;
	copy = ioas_malloc(sizeof(*copy));
	if (!copy)
		return;
	*copy = *vma;
	/* Neighbours may have been merged with what was mapped beside them. */
	drop_vmas(mm, vma->start, vma->last);
	if (range_insert(&mm->vmas, vma->start, vma->last, copy))
		ioas_free(copy);
}

void origin_count(struct memory *m, uint64_t va, uint64_t last, int n)
{
	struct range r;

	if (registered_covers(m, va, last)) {
		((struct registered *)m->registered_hint.value)->pinned +=
			((last - va + 1) >> PAGE_SHIFT) * (uint64_t)(int64_t)n;
		return;
	}
	for (bool more = range_first_overlap(&m->registered, va, last, &r); more;
	     more = range_next_overlap(&m->registered, last, &r)) {
		struct registered *reg = r.value;
		uint64_t bytes = min_u64(r.last, last) - max_u64(r.start, va) + 1;

		reg->pinned += (bytes >> PAGE_SHIFT) * (uint64_t)(int64_t)n;
	}
}

bool origin_changing(const struct memory_mm *mm, uint64_t va, uint64_t last)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &mm->changing) {
		const struct memory_change *c = list_entry(pos, struct memory_change, link);

		if (c->va <= last && va <= c->last)
			return true;
	}
	return false;
}

bool origin_changed(const struct memory_mm *mm, uint64_t va, uint64_t last, uint64_t changes)
{
	if (mm->changes - changes > ARRAY_SIZE(mm->recent))
		return true;
	for (uint64_t n = changes + 1; n <= mm->changes; n++) {
		const struct span *s = &mm->recent[n % ARRAY_SIZE(mm->recent)];

		if (s->first <= last && va <= s->last)
			return true;
	}
	return false;
}

int memory_register(struct memory *m, uint64_t va, uint64_t len)
{
	struct registered *reg;
	uint64_t last;
	int rc;

	if (!len || !is_aligned(va | len, PAGE_SIZE) || __builtin_add_overflow(va, len - 1, &last))
		return refuse(m->sink, EINVAL, "MEM.1", "len", len,
			      "whole pages, at least one, that do not wrap");
	reg = ioas_calloc(1, sizeof(*reg));
	if (!reg)
		return -ENOMEM;
	lock_acquire(&m->lock);
	rc = range_insert(&m->registered, va, last, reg);
	lock_release(&m->lock);
	if (!rc)
		return 0;
	ioas_free(reg);
	if (rc == -EEXIST)
		refuse(m->sink, EEXIST, "MEM.2", "va", va, "a range that meets no registered one");
	return rc;
}

int memory_unregister(struct memory *m, uint64_t va, uint64_t len)
{
	struct registered *reg = NULL;
	struct range r;
	int rc = 0;

	lock_acquire(&m->lock);
	if (!range_find(&m->registered, va, &r) || r.start != va || r.last - r.start != len - 1)
		rc = -ENOENT;
	else if (((struct registered *)r.value)->pinned)
		rc = -EBUSY;
	if (!rc) {
		reg = r.value;
		range_erase(&m->registered, va, NULL);
		m->registered_hint = no_hint;
	}
	lock_release(&m->lock);
	ioas_free(reg);
	if (rc == -ENOENT)
		refuse(m->sink, ENOENT, "MEM.3", "va", va, "exactly a range that was registered");
	else if (rc)
		refuse(m->sink, EBUSY, "MEM.4", "va", va, "a range of which no page is mapped");
	return rc;
}

/* Changes. */

static void change_begin(struct memory_mm *mm, struct memory_change *c, uint64_t va, uint64_t len,
			 bool private_only)
{
	struct memory *m = mm->memory;
	bool stale = false;

	/* Of no length it meets nothing. */
	c->va = len ? align_down(va, PAGE_SIZE) : 1;
	c->last = 0;
	if (len && __builtin_add_overflow(va, len - 1, &c->last))
		c->last = U64MAX;
	c->last |= len ? PAGE_MASK : 0;
	if (len)
		OBSERVE(m->sink, memory_change, mm == &m->self ? NULL : mm, c->va, c->last,
			private_only);
	lock_acquire(&m->lock);
	list_add_tail(&mm->changing, &c->link);
	if (len) {
		forget(mm, c->va, c->last);
		stale = slots_change(mm, c->va, c->last);
	}
	lock_release(&m->lock);
	if (stale && m->ops.revoked)
		m->ops.revoked(m->revoked_arg);
}

void memory_mm_change_begin(struct memory_mm *mm, struct memory_change *c, uint64_t va,
			    uint64_t len)
{
	change_begin(mm, c, va, len, false);
}

void memory_mm_drop_begin(struct memory_mm *mm, struct memory_change *c, uint64_t va, uint64_t len)
{
	change_begin(mm, c, va, len, true);
}

void memory_mm_change_end(struct memory_mm *mm, struct memory_change *c)
{
	struct memory *m = mm->memory;

	lock_acquire(&m->lock);
	if (c->va <= c->last)
		forget(mm, c->va, c->last);
	list_del(&c->link);
	lock_release(&m->lock);
}

void memory_mm_protected(struct memory_mm *mm, uint64_t va, uint64_t len)
{
	uint64_t last;

	if (!len)
		return;
	if (__builtin_add_overflow(va, len - 1, &last))
		last = U64MAX;
	lock_acquire(&mm->memory->lock);
	forget(mm, va, last);
	lock_release(&mm->memory->lock);
}

void memory_change_begin(struct memory *m, struct memory_change *c, uint64_t va, uint64_t len)
{
	memory_mm_change_begin(&m->self, c, va, len);
}

void memory_drop_begin(struct memory *m, struct memory_change *c, uint64_t va, uint64_t len)
{
	memory_mm_drop_begin(&m->self, c, va, len);
}

void memory_change_end(struct memory *m, struct memory_change *c)
{
	memory_mm_change_end(&m->self, c);
}

void memory_va_changed(struct memory *m, uint64_t va, uint64_t len)
{
	struct memory_change c;

	memory_change_begin(m, &c, va, len);
	memory_change_end(m, &c);
}

void memory_va_protected(struct memory *m, uint64_t va, uint64_t len)
{
	memory_mm_protected(&m->self, va, len);
}

/* Other processes. */

int memory_mm_create(struct memory *m, const struct memory_mm_ops *ops, void *arg,
		     struct memory_mm **out)
{
	struct memory_mm *mm = ioas_calloc(1, sizeof(*mm));

	if (!mm)
		return -ENOMEM;
	mm_init(mm, m, true);
	mm->ops = ops;
	mm->arg = arg;
	mm->refs = 1;
	*out = mm;
	return 0;
}

void mm_get(struct memory_mm *mm)
{
	if (mm && mm->ops)
		__atomic_fetch_add(&mm->refs, 1, __ATOMIC_RELAXED);
}

bool mm_drop(struct memory_mm *mm)
{
	return mm && mm->ops && __atomic_fetch_sub(&mm->refs, 1, __ATOMIC_ACQ_REL) == 1;
}

void mm_free(struct memory_mm *mm)
{
	mm_clear(mm);
	mm->ops->release(mm->arg);
	ioas_free(mm);
}

void memory_mm_put(struct memory_mm *mm)
{
	if (mm_drop(mm))
		mm_free(mm);
}

void memory_mm_gone(struct memory_mm *mm)
{
	struct memory_change c;

	lock_acquire(&mm->memory->lock);
	__atomic_store_n(&mm->gone, true, __ATOMIC_RELAXED);
	lock_release(&mm->memory->lock);
	memory_mm_change_begin(mm, &c, 0, U64MAX);
	memory_mm_change_end(mm, &c);
}
