/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of slots: the host's physical address space, 1 GiB at a time.
 *
 * A slot that nothing pins may stay as it is, to be found again by the next pin of the same place;
 * only then may it be taken apart, because only then no page table and no cache holds a PA of it.
 * Translation reads memory->slots without a lock and sees an entry change in has_stale only. TABLE
 * slots stand in no bucket: nothing pins them.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "memory/bitmap.h"
#include "memory/private.h"

#define NR_BUCKETS MEMORY_SLOTS

static void *map_array(size_t n, size_t size)
{
	void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap_array(void *p, size_t n, size_t size)
{
	if (p)
		munmap(p, n * size);
}

/* Mapped and not allocated: a host uses a handful of the 65,536. */
int slots_create(struct memory *m)
{
	m->slots = map_array(MEMORY_SLOTS, sizeof(*m->slots));
	m->info = map_array(MEMORY_SLOTS, sizeof(*m->info));
	m->buckets = map_array(NR_BUCKETS, sizeof(*m->buckets));
	m->used = map_array(MEMORY_SLOTS / 64, sizeof(*m->used));
	if (!m->slots || !m->info || !m->buckets || !m->used) {
		slots_destroy(m);
		return -ENOMEM;
	}
	m->used[0] = 1;
	m->next_slot = 1;
	return 0;
}

static void slot_free(struct slot *s)
{
	hold_destroy(s);
	memory_mm_put(s->key.mm);
	ioas_free(s->block_pinned);
	ioas_free(s->stale);
	ioas_free(s);
}

void slots_destroy(struct memory *m)
{
	for (uint64_t i = 0, left = m->info ? m->nr_slots : 0; left; i++) {
		if (!m->info[i])
			continue;
		slot_free(m->info[i]);
		left--;
	}
	unmap_array(m->slots, MEMORY_SLOTS, sizeof(*m->slots));
	unmap_array(m->info, MEMORY_SLOTS, sizeof(*m->info));
	unmap_array(m->buckets, NR_BUCKETS, sizeof(*m->buckets));
	unmap_array(m->used, MEMORY_SLOTS / 64, sizeof(*m->used));
}

/* By place only, so that all slots of a GiB of the program's address space are met in one bucket.
 */
static struct slot **bucket(struct memory *m, const struct slot_key *key)
{
	uint64_t place = key->gib * 2 + (key->kind == MEMORY_FILE ? 1 + key->ino * 0x10001 : 0) +
			 (uintptr_t)key->mm * 16;

	return &m->buckets[(place * 0x9e3779b97f4a7c15ull) >> 48];
}

static bool key_equal(const struct slot_key *a, const struct slot_key *b)
{
	return a->gib == b->gib && a->kind == b->kind && a->mm == b->mm && a->dev == b->dev && a->ino == b->ino &&
	       a->delta == b->delta && a->writable == b->writable;
}

/* The lowest free index; MEMORY_SLOTS when all are taken. */
static uint64_t index_find(struct memory *m)
{
	return bitmap_next(m->used, m->next_slot, MEMORY_SLOTS, false);
}

static void index_take(struct memory *m, uint64_t index)
{
	bitmap_set(m->used, index, 1);
	if (index == m->next_slot)
		m->next_slot++;
	m->nr_slots++;
}

static void slot_remove(struct memory *m, struct slot *s)
{
	struct slot **link = bucket(m, &s->key);

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	m->slots[s->index] = (struct memory_slot){.kind = MEMORY_FREE};
	m->info[s->index] = NULL;
	if (m->hint == s)
		m->hint = NULL;
	bitmap_clear(m->used, s->index, 1);
	if (s->index < m->next_slot)
		m->next_slot = s->index;
	m->nr_slots--;
	slot_free(s);
}

/* All slots are taken: takes those apart that are only kept for the next pin. */
static void slots_reclaim(struct memory *m)
{
	for (uint64_t i = 1; i < MEMORY_SLOTS; i++)
		if (m->info[i] && !m->info[i]->pinned && m->info[i]->key.kind != MEMORY_TABLE)
			slot_remove(m, m->info[i]);
}

static int slot_prepare(struct slot *s)
{
	switch (s->key.kind) {
	case MEMORY_PRIVATE:
	case MEMORY_FOREIGN:
	case MEMORY_DIRECT:
		s->block_pinned = ioas_calloc(SLOT_BLOCKS, sizeof(*s->block_pinned));
		s->stale = ioas_calloc(SLOT_WORDS, sizeof(*s->stale));
		return s->block_pinned && s->stale ? 0 : -ENOMEM;
	case MEMORY_SHARED:
	case MEMORY_FILE:
		return hold_create(s);
	default:
		return 0;
	}
}

static char *slot_base(const struct slot *s)
{
	switch (s->key.kind) {
	case MEMORY_PRIVATE:
	case MEMORY_FOREIGN:
	case MEMORY_REGISTERED:
		return (char *)(uintptr_t)(s->key.gib << MEMORY_SLOT_SHIFT);
	case MEMORY_DIRECT:
		return (char *)(uintptr_t)((s->key.gib << MEMORY_SLOT_SHIFT) + s->key.delta);
	case MEMORY_SHARED:
	case MEMORY_FILE:
		return s->hold;
	default:
		return NULL;
	}
}

static int slot_create(struct memory *m, const struct slot_key *key, struct slot **out)
{
	struct slot *s = ioas_calloc(1, sizeof(*s));
	struct slot **link = bucket(m, key);
	uint64_t index;

	if (!s)
		return -ENOMEM;
	s->key = *key;
	mm_get(key->mm);
	if (slot_prepare(s))
		goto out_free;
	index = index_find(m);
	if (index == MEMORY_SLOTS) {
		slots_reclaim(m);
		index = index_find(m);
	}
	if (index == MEMORY_SLOTS)
		goto out_free;
	index_take(m, index);
	s->index = (uint32_t)index;
	s->next = *link;
	*link = s;
	m->info[index] = s;
	m->slots[index] = (struct memory_slot){.base = slot_base(s), .kind = key->kind};
	*out = s;
	return 0;
out_free:
	slot_free(s);
	return -ENOMEM;
}

static bool slot_fits(const struct slot *s, const struct slot_key *key, uint64_t first, uint64_t n)
{
	return key_equal(&s->key, key) && !(s->nr_stale && bitmap_any(s->stale, first, n));
}

/* The slot of @key in which pages [first, first + n) are not stale, or NULL. */
static struct slot *slot_find(struct memory *m, const struct slot_key *key, uint64_t first,
			      uint64_t n)
{
	if (m->hint && slot_fits(m->hint, key, first, n))
		return m->hint;
	for (struct slot *s = *bucket(m, key); s; s = s->next)
		if (slot_fits(s, key, first, n))
			return m->hint = s;
	return NULL;
}

static void blocks_add(struct slot *s, uint64_t first, uint64_t n)
{
	for (uint64_t page = first; page < first + n;) {
		uint64_t end = min_u64((page | (BLOCK_PAGES - 1)) + 1, first + n);

		s->block_pinned[page >> BLOCK_SHIFT] += (uint32_t)(end - page);
		page = end;
	}
}

/* What is stale in a block where nothing is pinned any more can be used again: no leaf points
 * there. */
static void blocks_sub(struct memory *m, struct slot *s, uint64_t first, uint64_t n)
{
	for (uint64_t page = first; page < first + n;) {
		uint64_t end = min_u64((page | (BLOCK_PAGES - 1)) + 1, first + n);
		uint64_t block = page >> BLOCK_SHIFT;

		s->block_pinned[block] -= (uint32_t)(end - page);
		if (!s->block_pinned[block] && s->nr_stale)
			s->nr_stale -= bitmap_clear(s->stale, block << BLOCK_SHIFT, BLOCK_PAGES);
		page = end;
	}
	if (!s->nr_stale && m->slots[s->index].has_stale)
		__atomic_store_n(&m->slots[s->index].has_stale, false, __ATOMIC_RELAXED);
}

/* Nothing pins @s. Without reports of changes, or after one, a duplicate may be of what the program
 * gave back long ago. */
static bool slot_keep(const struct memory *m, const struct slot *s)
{
	switch (s->key.kind) {
	case MEMORY_PRIVATE:
	case MEMORY_REGISTERED:
		return true;
	case MEMORY_FOREIGN:
	case MEMORY_DIRECT:
		return s->key.mm && !s->key.mm->gone;
	case MEMORY_SHARED:
		return (s->key.mm ? !s->key.mm->gone : m->self.tracked) && !s->detached;
	default:
		return false;
	}
}

static int slot_hold(struct slot *s, uint64_t first, uint64_t n, int fd)
{
	switch (s->key.kind) {
	case MEMORY_SHARED:
		return hold_shared(s, first, n);
	case MEMORY_FILE:
		return hold_file(s, fd, (first + n) << PAGE_SHIFT);
	default:
		return 0;
	}
}

int slot_pin(struct memory *m, struct slot_key *key, uint64_t addr, uint64_t pages, int fd,
	     uint16_t *index)
{
	uint64_t first = (addr & MEMORY_SLOT_MASK) >> PAGE_SHIFT;
	struct slot *s;
	int rc;

	key->gib = addr >> MEMORY_SLOT_SHIFT;
	s = slot_find(m, key, first, pages);
	if (unlikely(!s)) {
		rc = slot_create(m, key, &s);
		if (rc)
			return rc;
	}
	rc = slot_hold(s, first, pages, fd);
	if (unlikely(rc)) {
		if (!s->pinned)
			slot_remove(m, s);
		return rc;
	}
	s->pinned += pages;
	if (is_private(key->kind))
		blocks_add(s, first, pages);
	else if (key->kind == MEMORY_REGISTERED)
		origin_count(m, addr, addr + (pages << PAGE_SHIFT) - 1, 1);
	*index = (uint16_t)s->index;
	return 0;
}

void slot_unpin(struct memory *m, uint16_t index, uint64_t addr, uint64_t pages)
{
	uint64_t first = (addr & MEMORY_SLOT_MASK) >> PAGE_SHIFT;
	struct slot *s = m->info[index];

	assert(s->pinned >= pages);
	s->pinned -= pages;
	if (is_private(s->key.kind))
		blocks_sub(m, s, first, pages);
	else if (s->key.kind == MEMORY_REGISTERED)
		origin_count(m, addr, addr + (pages << PAGE_SHIFT) - 1, -1);
	if (!s->pinned && !slot_keep(m, s))
		slot_remove(m, s);
}

/* Changes. */

/* Pages [first, first + n) of the program's memory go: those in blocks with a pin are stale from
 * now on. */
static bool slot_mark_stale(struct memory *m, struct slot *s, uint64_t first, uint64_t n)
{
	bool any = false;

	for (uint64_t page = first; page < first + n;) {
		uint64_t end = min_u64((page | (BLOCK_PAGES - 1)) + 1, first + n);

		if (s->block_pinned[page >> BLOCK_SHIFT]) {
			s->nr_stale += bitmap_set(s->stale, page, end - page);
			any = true;
		}
		page = end;
	}
	if (any)
		__atomic_store_n(&m->slots[s->index].has_stale, true, __ATOMIC_RELEASE);
	return any;
}

/* One of @mm's. */
static bool slot_change(struct memory *m, struct slot *s, uint64_t va, uint64_t last)
{
	uint64_t start = s->key.gib << MEMORY_SLOT_SHIFT, end = start + MEMORY_SLOT_MASK;
	uint64_t first, n;

	if (!is_private(s->key.kind) && s->key.kind != MEMORY_SHARED)
		return false;
	if (last < start || va > end)
		return false;
	first = (max_u64(va, start) - start) >> PAGE_SHIFT;
	n = ((min_u64(last, end) - start) >> PAGE_SHIFT) - first + 1;
	if (is_private(s->key.kind) && s->pinned)
		return slot_mark_stale(m, s, first, n);
	if (is_private(s->key.kind)) {
		if (!slot_keep(m, s))
			slot_remove(m, s);
		return false;
	}
	if (bitmap_any(s->held, first, n)) {
		s->detached = true;
		if (!s->pinned)
			slot_remove(m, s);
	}
	return false;
}

bool slots_change(struct memory_mm *mm, uint64_t va, uint64_t last)
{
	struct memory *m = mm->memory;
	uint64_t gib = va >> MEMORY_SLOT_SHIFT, last_gib = last >> MEMORY_SLOT_SHIFT;
	bool stale = false;
	struct slot *next;

	if (last_gib - gib >= m->nr_slots) {
		for (uint64_t i = 1, left = m->nr_slots; left; i++) {
			if (!m->info[i])
				continue;
			left--;
			if (m->info[i]->key.mm == key_mm(mm))
				stale |= slot_change(m, m->info[i], va, last);
		}
		return stale;
	}
	for (; gib <= last_gib; gib++)
		for (struct slot *s = *bucket(m, &(struct slot_key){.mm = key_mm(mm), .gib = gib});
		     s; s = next) {
			next = s->next;
			if (s->key.gib == gib && s->key.mm == key_mm(mm))
				stale |= slot_change(m, s, va, last);
		}
	return stale;
}

bool slots_revoke(struct memory *m, uint64_t dev, uint64_t ino)
{
	bool any = false;

	for (uint64_t i = 1, left = m->nr_slots; left; i++) {
		const struct slot *s = m->info[i];

		left -= !!s;
		if (!s || s->key.kind != MEMORY_FILE || s->key.dev != dev || s->key.ino != ino)
			continue;
		__atomic_store_n(&m->slots[i].kind, MEMORY_GONE, __ATOMIC_RELAXED);
		any = true;
	}
	return any;
}

/* The public side. */

const struct memory_slot *memory_slot(const struct memory *m, uint64_t pa)
{
	return &m->slots[(pa >> MEMORY_SLOT_SHIFT) & (MEMORY_SLOTS - 1)];
}

bool memory_stale(struct memory *m, uint64_t pa, uint64_t len)
{
	uint64_t first = (pa & MEMORY_SLOT_MASK) >> PAGE_SHIFT;
	uint64_t n = (((pa & MEMORY_SLOT_MASK) + len - 1) >> PAGE_SHIFT) - first + 1;
	bool stale = true;
	struct slot *s;

	lock_acquire(&m->lock);
	s = m->info[(pa >> MEMORY_SLOT_SHIFT) & (MEMORY_SLOTS - 1)];
	if (s && first + n <= SLOT_PAGES)
		stale = s->nr_stale && bitmap_any(s->stale, first, n);
	lock_release(&m->lock);
	return stale;
}

int memory_bar_at(struct memory *m, uint64_t pa, struct memory_bar *out)
{
	int rc = -EFAULT;
	struct slot *s;

	lock_acquire(&m->lock);
	s = m->info[(pa >> MEMORY_SLOT_SHIFT) & (MEMORY_SLOTS - 1)];
	if (s && s->key.kind == MEMORY_BAR && s->key.dev) {
		uint64_t va = (s->key.gib << MEMORY_SLOT_SHIFT) | (pa & MEMORY_SLOT_MASK);

		*out = (struct memory_bar){
			.device = (void *)(uintptr_t)s->key.dev,
			.region = (uint32_t)s->key.ino,
			.offset = va + s->key.delta,
		};
		rc = 0;
	}
	lock_release(&m->lock);
	return rc;
}

void memory_forget_device(struct memory *m, const void *device)
{
	bool any = false;

	lock_acquire(&m->lock);
	for (uint64_t i = 1, left = m->nr_slots; left; i++) {
		struct slot *s = m->info[i];

		left -= !!s;
		if (!s || s->key.kind != MEMORY_BAR || s->key.dev != (uintptr_t)device)
			continue;
		s->key.dev = 0;
		any = true;
	}
	lock_release(&m->lock);
	if (any && m->ops.revoked)
		m->ops.revoked(m->revoked_arg);
}

int memory_add_tables(struct memory *m, char *base, uint64_t len, uint64_t *pa)
{
	uint64_t n = (len + MEMORY_SLOT_MASK) >> MEMORY_SLOT_SHIFT, first;
	struct slot **s = ioas_calloc(n, sizeof(struct slot *));
	int rc = -ENOMEM;

	if (!s)
		return -ENOMEM;
	for (uint64_t i = 0; i < n; i++) {
		s[i] = ioas_calloc(1, sizeof(struct slot));
		if (!s[i])
			goto out_free;
		s[i]->key = (struct slot_key){.kind = MEMORY_TABLE};
	}
	lock_acquire(&m->lock);
	for (first = index_find(m); first + n <= MEMORY_SLOTS && bitmap_any(m->used, first, n);)
		first = bitmap_next(m->used, first + 1, MEMORY_SLOTS, false);
	if (first + n <= MEMORY_SLOTS) {
		for (uint64_t i = 0; i < n; i++) {
			index_take(m, first + i);
			s[i]->index = (uint32_t)(first + i);
			m->info[first + i] = s[i];
			m->slots[first + i] = (struct memory_slot){
				.base = base + i * MEMORY_SLOT_SIZE, .kind = MEMORY_TABLE};
			s[i] = NULL;
		}
		*pa = first << MEMORY_SLOT_SHIFT;
		rc = 0;
	}
	lock_release(&m->lock);
out_free:
	for (uint64_t i = 0; i < n; i++)
		ioas_free(s[i]);
	ioas_free(s);
	return rc;
}

uint32_t memory_nr_slots(struct memory *m)
{
	uint32_t n;

	lock_acquire(&m->lock);
	n = m->nr_slots;
	lock_release(&m->lock);
	return n;
}
