/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions about memory, for those that look: what does a PA show, and how often is a page pinned?
 *
 * Both compare memory, not addresses: the same bytes may be a VA to one and an offset in a file to
 * the other. Slow, and rightly so.
 */
#include <errno.h>
#include <sys/sysmacros.h>

#include "memory/bitmap.h"
#include "memory/private.h"

/* Bytes [va, va + len) of @mm, within one VMA. */
struct place {
	struct memory_mm *mm;
	struct memory_vma vma;
	uint64_t va, len;
};

/* What was asked before a pin need not be asked again. */
static bool remembered(struct memory_mm *mm, uint64_t va, struct memory_vma *out)
{
	struct range r;
	bool found;

	lock_acquire(&mm->memory->lock);
	found = range_find(&mm->vmas, va, &r);
	if (found)
		*out = *(const struct memory_vma *)r.value;
	lock_release(&mm->memory->lock);
	return found;
}

static int find_place(struct memory *m, struct memory_mm *mm, uint64_t va, uint64_t len,
		      struct place *out)
{
	*out = (struct place){.mm = mm ? mm : &m->self, .va = va};
	if (!remembered(out->mm, va, &out->vma) && origin_ask(out->mm, va, &out->vma))
		return -EFAULT;
	if (!out->vma.read)
		return -EFAULT;
	if (out->vma.kind != VMA_PRIVATE && out->vma.kind != VMA_SHARED)
		return -EFAULT;
	out->len = min_u64(len, out->vma.last - va + 1);
	return 0;
}

/* A FILE's device is numbered as stat(2) does it, a VMA's as /proc does. */
static bool same_file(const struct slot_key *key, const struct memory_vma *vma)
{
	uint64_t dev = key->dev;

	if (key->kind == MEMORY_FILE)
		dev = (uint64_t)major(key->dev) << 32 | minor(key->dev);
	return vma->kind == VMA_SHARED && vma->ino == key->ino && vma->dev == dev;
}

/* Where @p's bytes lie among the addresses of @s (those of slot_pin()). False: they are no bytes of
 * it. */
static bool seen_from(const struct slot *s, const struct place *p, uint64_t *addr)
{
	*addr = p->va;
	if (is_private(s->key.kind) || s->key.kind == MEMORY_REGISTERED)
		return s->key.mm == key_mm(p->mm);
	if (s->key.kind != MEMORY_SHARED && s->key.kind != MEMORY_FILE)
		return false;
	*addr = p->vma.offset + (p->va - p->vma.start);
	if (s->key.kind == MEMORY_SHARED)
		*addr -= s->key.delta;
	return same_file(&s->key, &p->vma);
}

static bool is_live(const struct memory *m, const struct slot *s, uint64_t addr)
{
	uint64_t page = (addr & MEMORY_SLOT_MASK) >> PAGE_SHIFT;

	return m->slots[s->index].kind != MEMORY_GONE &&
	       !(s->nr_stale && bitmap_any(s->stale, page, 1));
}

int memory_shows(struct memory *m, uint64_t pa, struct memory_mm *mm, uint64_t va)
{
	struct place p;
	struct slot *s;
	uint64_t addr;
	int rc = find_place(m, mm, va, 1, &p);

	if (rc)
		return rc;
	lock_acquire(&m->lock);
	s = m->info[(pa >> MEMORY_SLOT_SHIFT) & (MEMORY_SLOTS - 1)];
	if (!s || !seen_from(s, &p, &addr) || addr >> MEMORY_SLOT_SHIFT != s->key.gib ||
	    (addr ^ pa) & MEMORY_SLOT_MASK || !is_live(m, s, addr))
		rc = -EINVAL;
	lock_release(&m->lock);
	return rc;
}

/* Pins. */

struct counting {
	struct memory *memory;
	const struct place *place;
	uint32_t *counts;
	uint64_t nr_pages;
};

/* Pages [clip.first, clip.last] of some object are pinned in slot @index. */
static void count_pinned(void *arg, struct span clip, uint16_t index)
{
	const struct counting *c = arg;
	const struct slot *s = c->memory->info[index];
	uint64_t addr, first, last;

	if (!seen_from(s, c->place, &addr))
		return;
	first = max_u64(clip.first, addr >> PAGE_SHIFT);
	last = min_u64(clip.last, (addr >> PAGE_SHIFT) + c->nr_pages - 1);
	for (uint64_t page = first; page <= last; page++)
		if (page >> (MEMORY_SLOT_SHIFT - PAGE_SHIFT) == s->key.gib &&
		    is_live(c->memory, s, page << PAGE_SHIFT))
			c->counts[page - (addr >> PAGE_SHIFT)]++;
}

static void count_object(void *arg, void *object)
{
	const struct pages *p = object;

	if (__atomic_load_n(&p->refs, __ATOMIC_ACQUIRE))
		pin_each(p, count_pinned, arg);
}

int memory_count_pins(struct memory *m, struct memory_mm *mm, uint64_t va, uint64_t nr_pages,
		      uint32_t *counts)
{
	uint64_t done = 0;
	struct place p;
	int rc;

	while (done < nr_pages) {
		rc = find_place(m, mm, va + (done << PAGE_SHIFT), (nr_pages - done) << PAGE_SHIFT,
				&p);
		if (rc)
			return rc;
		for (uint64_t i = 0; i < p.len >> PAGE_SHIFT; i++)
			counts[done + i] = 0;
		lock_acquire(&m->lock);
		pool_each(&m->pages, count_object,
			  &(struct counting){m, &p, counts + done, p.len >> PAGE_SHIFT});
		lock_release(&m->lock);
		done += p.len >> PAGE_SHIFT;
	}
	return 0;
}

void pages_describe(const struct pages *p, struct pages_origin *out)
{
	*out = (struct pages_origin){
		.kind = p->dmabuf ? PAGES_DMABUF : p->fd >= 0 ? PAGES_FILE : PAGES_MEMORY,
		.mm = key_mm(p->mm),
		.start = p->start,
		.length = p->length,
		.fd = p->fd,
		.writable = p->writable,
	};
}

void *memory_mm_arg(const struct memory_mm *mm)
{
	return mm->arg;
}
