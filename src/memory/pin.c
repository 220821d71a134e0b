/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages of a pages object are pinned, how often, and in which slot.
 *
 * A tree over page numbers (address >> PAGE_SHIFT), on the grid of slots and blocks: the root
 * covers the object, below it are pieces of 1 GiB, blocks of 2 MiB, single pages. A node either
 * stands for all its pages, which then are pinned equally often in one slot, or has a table of its
 * children. An object within one piece, pinned as a whole, is a single node and needs no table.
 *
 * A table stays while a pin covers its node only in part (table->partial counts them), so that
 * unpin_range() finds the nodes that pin_range() made and never allocates. What a pin acquires it
 * acquires in as large parts as come from one origin.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "memory/private.h"

/* A node of level n covers 2^level_shift[n] pages; the root of an object in several pieces is on
 * the last. */
static const uint8_t level_shift[] = {0, BLOCK_SHIFT, MEMORY_SLOT_SHIFT - PAGE_SHIFT, 63};
#define LEVEL_PIECE 2
#define LEVEL_ROOT  3

/* 256 TiB: more than there is to pin, but an object may be described that is larger. */
#define MAX_CHILDREN BIT(48 - MEMORY_SLOT_SHIFT)

struct pin_table {
	uint32_t n;
	uint32_t partial;
	uint64_t first; /* number of child[0] on its level */
	struct pin_node child[];
};

/* A node with the pages it covers, clipped to the object. */
struct cursor {
	struct pin_node *node;
	unsigned int level;
	struct span clip;
};

static struct cursor root_of(const struct pages *p)
{
	struct span clip = {pages_first(p), pages_last(p)};
	bool one = clip.first >> level_shift[LEVEL_PIECE] == clip.last >> level_shift[LEVEL_PIECE];

	return (struct cursor){(struct pin_node *)&p->root, one ? LEVEL_PIECE : LEVEL_ROOT, clip};
}

/* The child of @c, which has a table, that holds @page. */
static struct cursor child_of(const struct cursor *c, uint64_t page)
{
	struct pin_table *t = pin_table(c->node);
	unsigned int shift;
	uint64_t number;

	assert(c->level > 0); /* a single page has no table */
	shift = level_shift[c->level - 1];
	number = page >> shift;
	return (struct cursor){
		.node = &t->child[number - t->first],
		.level = c->level - 1,
		.clip = {max_u64(c->clip.first, number << shift),
			 min_u64(c->clip.last, (number << shift) | MASK(shift))},
	};
}

static bool covers(const struct span *s, const struct cursor *c)
{
	return s->first <= c->clip.first && s->last >= c->clip.last;
}

/* Where a page comes from. */

static int source(struct pin_op *op, uint64_t va, struct stretch *out)
{
	struct memory_mm *mm = op->pages->mm;
	size_t low = 0, high = op->nr_vmas;

	if (op->pages->fd >= 0) {
		*out = op->file;
		return 0;
	}
	if (origin_find(mm, va, out))
		return 0;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (op->vmas[mid].last < va)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == op->nr_vmas || op->vmas[low].start > va) {
		op->need = va;
		return -EAGAIN;
	}
	origin_from_vma(mm, &op->vmas[low], va, out);
	return 0;
}

static bool permitted(const struct pages *p, const struct stretch *s)
{
	switch (s->key.kind) {
	case MEMORY_FREE:
		return false;
	case MEMORY_BAR:
		return p->allow_bar;
	case MEMORY_SHARED:
	case MEMORY_DIRECT:
		return p->writable ? s->write : s->read;
	default:
		return true;
	}
}

static bool same_origin(const struct stretch *a, const struct stretch *b)
{
	return a->key.kind == b->key.kind && a->key.mm == b->key.mm && a->key.dev == b->key.dev &&
	       a->key.ino == b->key.ino && a->key.delta == b->key.delta &&
	       a->key.writable == b->key.writable;
}

/* Is [va, last] of one origin? 0 and what it is, or -EXDEV. */
static int one_origin(struct pin_op *op, uint64_t va, uint64_t last, struct stretch *s)
{
	struct stretch next;
	int rc = source(op, va, s);

	if (rc)
		return rc;
	if (!permitted(op->pages, s))
		return -EFAULT;
	while (s->last < last) {
		rc = source(op, s->last + 1, &next);
		if (rc)
			return rc;
		if (!same_origin(s, &next))
			return -EXDEV;
		s->last = next.last;
		s->plain &= next.plain;
	}
	return 0;
}

/* Notes that @pages pages from @addr, just pinned in @slot, are still to be probed. */
static int add_run(struct pin_op *op, const struct slot *slot, uint64_t addr, uint64_t pages,
		   bool plain)
{
	struct pin_run *last = op->nr_runs ? &op->runs[op->nr_runs - 1] : NULL;
	struct pin_run run = {
		.base = op->pages->memory->slots[slot->index].base + (addr & MEMORY_SLOT_MASK),
		.len = pages << PAGE_SHIFT,
		.how = (op->pages->writable && !slot->read_only ? MEMORY_WRITE : 0) |
		       (plain ? MEMORY_PLAIN : 0),
		.foreign = slot->key.kind == MEMORY_FOREIGN,
	};

	if (memory_kind_stays(slot->key.kind) || slot->key.kind == MEMORY_BAR ||
	    slot->key.kind == MEMORY_GONE)
		return 0;
	if (last && last->base + last->len == run.base && last->how == run.how &&
	    last->foreign == run.foreign) {
		last->len += run.len;
		return 0;
	}
	if (!op->runs || is_pow2(op->nr_runs)) {
		struct pin_run *runs =
			ioas_realloc(op->runs, (op->nr_runs ? op->nr_runs * 2 : 1) * sizeof(*runs));

		if (!runs)
			return -ENOMEM;
		op->runs = runs;
	}
	op->runs[op->nr_runs++] = run;
	return 0;
}

/* Gives the pages of @n, none of which is pinned, a slot. -EXDEV: they are of several origins. */
static int acquire(struct pin_op *op, const struct cursor *c, uint16_t *slot)
{
	uint64_t addr = c->clip.first << PAGE_SHIFT, n = c->clip.last - c->clip.first + 1;
	struct memory *m = op->pages->memory;
	struct stretch s;
	int rc;

	rc = one_origin(op, addr, (c->clip.last << PAGE_SHIFT) | PAGE_MASK, &s);
	if (rc)
		return rc;
	rc = slot_pin(m, &s.key, addr, n, op->pages->fd, slot);
	if (rc && s.key.kind == MEMORY_SHARED) {
		/* It cannot be held (huge pages, a device's memory): then it is treated as if it
		 * were private. */
		s.key = private_key(op->pages->mm);
		rc = slot_pin(m, &s.key, addr, n, -1, slot);
	}
	if (rc)
		return rc;
	rc = add_run(op, m->info[*slot], addr, n, s.plain);
	if (rc) {
		slot_unpin(m, *slot, addr, n);
		return rc;
	}
	if (s.key.kind != MEMORY_BAR)
		op->acquired += n;
	return 0;
}

/* Unpins the pages of a node without a table; returns how many have to be paid for no longer. */
static uint64_t release(struct pages *p, const struct cursor *c)
{
	uint64_t n = c->clip.last - c->clip.first + 1;
	uint16_t slot = pin_slot_of(c->node);
	bool paid = p->memory->slots[slot].kind != MEMORY_BAR;

	pin_set(c->node, pin_pins(c->node) - 1, slot);
	if (pin_pins(c->node))
		return 0;
	slot_unpin(p->memory, slot, c->clip.first << PAGE_SHIFT, n);
	return paid ? n : 0;
}

/* The tree. */

/* Gives a node children that are pinned as it was. */
static int explode(const struct cursor *c)
{
	unsigned int shift = level_shift[c->level - 1];
	uint64_t first = c->clip.first >> shift, n = (c->clip.last >> shift) - first + 1;
	struct pin_table *t;

	if (n > MAX_CHILDREN)
		return -ENOMEM;
	t = ioas_calloc(1, sizeof(*t) + n * sizeof(t->child[0]));
	if (!t)
		return -ENOMEM;
	*t = (struct pin_table){.n = (uint32_t)n, .first = first};
	for (uint64_t i = 0; i < n; i++)
		pin_set(&t->child[i], pin_pins(c->node), pin_slot_of(c->node));
	pin_set_table(c->node, t);
	return 0;
}

/*
 * Takes the children away if one node can stand for them and no pin needs them. Those of the root
 * of several pieces are in several slots while they are pinned.
 */
static void collapse(const struct cursor *c)
{
	struct pin_table *t = pin_table(c->node);

	if (t->partial)
		return;
	for (uint32_t i = 0; i < t->n; i++)
		if (pin_table(&t->child[i]) || pin_pins(&t->child[i]) != pin_pins(&t->child[0]) ||
		    (pin_pins(&t->child[0]) &&
		     pin_slot_of(&t->child[i]) != pin_slot_of(&t->child[0])))
			return;
	pin_set(c->node, pin_pins(&t->child[0]), pin_slot_of(&t->child[0]));
	ioas_free(t);
}

static uint64_t unpin_node(struct pages *p, const struct cursor *c, struct span s);

static uint64_t unpin_children(struct pages *p, const struct cursor *c, struct span s)
{
	uint64_t released = 0;

	for (uint64_t page = s.first; page <= s.last;) {
		struct cursor child = child_of(c, page);
		uint64_t last = min_u64(s.last, child.clip.last);

		released += unpin_node(p, &child, (struct span){page, last});
		page = last + 1;
	}
	return released;
}

static uint64_t unpin_node(struct pages *p, const struct cursor *c, struct span s)
{
	uint64_t released;

	if (!pin_table(c->node))
		return release(p, c);
	released = unpin_children(p, c, s);
	pin_table(c->node)->partial -= !covers(&s, c);
	collapse(c);
	return released;
}

/* Pins a node that has no table as a whole. -EXDEV: it needs one. */
static int pin_whole(struct pin_op *op, const struct cursor *c)
{
	uint16_t slot;
	int rc;

	if (c->level == LEVEL_ROOT)
		return -EXDEV;
	if (pin_pins(c->node)) {
		if (pin_pins(c->node) == UINT32_MAX)
			return -ENOMEM;
		pin_set(c->node, pin_pins(c->node) + 1, pin_slot_of(c->node));
		return 0;
	}
	rc = acquire(op, c, &slot);
	if (rc)
		return rc;
	pin_set(c->node, 1, slot);
	return 0;
}

static int pin_node(struct pin_op *op, const struct cursor *c, struct span s)
{
	bool whole = covers(&s, c);
	int rc;

	if (!pin_table(c->node)) {
		rc = whole ? pin_whole(op, c) : -EXDEV;
		if (rc != -EXDEV)
			return rc;
		rc = explode(c);
		if (rc)
			return rc;
	}
	pin_table(c->node)->partial += !whole;
	for (uint64_t page = s.first; page <= s.last;) {
		struct cursor child = child_of(c, page);
		uint64_t last = min_u64(s.last, child.clip.last);

		rc = pin_node(op, &child, (struct span){page, last});
		if (rc) {
			if (page > s.first)
				unpin_children(op->pages, c, (struct span){s.first, page - 1});
			pin_table(c->node)->partial -= !whole;
			collapse(c);
			return rc;
		}
		page = last + 1;
	}
	return 0;
}

/* Before anything is allocated: is it known, for every page that is not pinned yet, where it comes
 * from? */
static int check_sources(struct pin_op *op, const struct cursor *c, struct span s)
{
	struct stretch st;
	int rc;

	if (pin_table(c->node)) {
		for (uint64_t page = s.first; page <= s.last;) {
			struct cursor child = child_of(c, page);
			uint64_t last = min_u64(s.last, child.clip.last);

			rc = check_sources(op, &child, (struct span){page, last});
			if (rc)
				return rc;
			page = last + 1;
		}
		return 0;
	}
	if (pin_pins(c->node))
		return 0;
	for (uint64_t page = s.first; page <= s.last; page = (st.last >> PAGE_SHIFT) + 1) {
		rc = source(op, page << PAGE_SHIFT, &st);
		if (rc)
			return rc;
		if (!permitted(op->pages, &st))
			return -EFAULT;
	}
	return 0;
}

static bool is_whole(const struct pages *p, uint64_t first, uint64_t last)
{
	return !(p->root.word & PIN_TABLE) && first == pages_first(p) && last == pages_last(p);
}

/* Slot @s holds pages [first, last], which were registered and are, all in the range that was
 * looked at last. */
static bool count_registered(struct memory *m, struct slot *s, uint64_t first, uint64_t last, int n)
{
	uint64_t pins = (last - first + 1) * (uint64_t)(int64_t)n;

	if (s->key.kind != MEMORY_REGISTERED || s->key.gib != first >> level_shift[LEVEL_PIECE] ||
	    s->key.gib != last >> level_shift[LEVEL_PIECE] ||
	    !registered_covers(m, first << PAGE_SHIFT, (last << PAGE_SHIFT) | PAGE_MASK))
		return false;
	((struct registered *)m->registered_hint.value)->pinned += pins;
	s->pinned += pins;
	return true;
}

bool pin_fast(struct pages *p, uint64_t first, uint64_t last)
{
	struct memory *m = p->memory;

	if (!pin_is_free(&p->root) || p->account || p->fd >= 0 || p->mm != &m->self || !m->hint ||
	    !is_whole(p, first, last) || !count_registered(m, m->hint, first, last, 1))
		return false;
	pin_set(&p->root, 1, (uint16_t)m->hint->index);
	p->mm->pinned += last - first + 1;
	return true;
}

bool unpin_fast(struct pages *p, uint64_t first, uint64_t last)
{
	struct memory *m = p->memory;

	if (!is_whole(p, first, last) || pin_pins(&p->root) != 1 || p->account || p->fd >= 0 ||
	    !count_registered(m, m->info[pin_slot_of(&p->root)], first, last, -1))
		return false;
	pin_set(&p->root, 0, 0);
	p->mm->pinned -= last - first + 1;
	return true;
}

int pin_range(struct pin_op *op, uint64_t first, uint64_t last)
{
	struct cursor root = root_of(op->pages);
	struct span s = {first, last};
	int rc;

	op->nr_runs = 0;
	op->acquired = 0;
	if (is_whole(op->pages, first, last) && root.level == LEVEL_PIECE) {
		rc = pin_whole(op, &root);
		if (rc != -EXDEV)
			return rc;
	}
	rc = check_sources(op, &root, s);
	return rc ? rc : pin_node(op, &root, s);
}

uint64_t unpin_range(struct pages *p, uint64_t first, uint64_t last)
{
	struct cursor root = root_of(p);

	return unpin_node(p, &root, (struct span){first, last});
}

/* Questions. */

static void each_node(const struct cursor *c,
		      void (*cb)(void *arg, struct span clip, uint16_t slot), void *arg)
{
	if (!pin_table(c->node)) {
		if (pin_pins(c->node))
			cb(arg, c->clip, pin_slot_of(c->node));
		return;
	}
	for (uint64_t page = c->clip.first; page <= c->clip.last;) {
		struct cursor child = child_of(c, page);

		each_node(&child, cb, arg);
		page = child.clip.last + 1;
	}
}

void pin_each(const struct pages *p, void (*cb)(void *arg, struct span clip, uint16_t slot),
	      void *arg)
{
	struct cursor root = root_of(p);

	each_node(&root, cb, arg);
}

struct paid {
	const struct memory *memory;
	uint64_t pages;
};

static void count_paid(void *arg, struct span clip, uint16_t slot)
{
	struct paid *paid = arg;

	if (paid->memory->slots[slot].kind != MEMORY_BAR)
		paid->pages += clip.last - clip.first + 1;
}

uint64_t pin_count(const struct pages *p)
{
	struct paid paid = {.memory = p->memory};

	pin_each(p, count_paid, &paid);
	return paid.pages;
}

/* The lowest node that holds @page. */
static struct cursor find(const struct pages *p, uint64_t page)
{
	struct cursor c = root_of(p);

	while (pin_table(c.node))
		c = child_of(&c, page);
	return c;
}

uint16_t pin_slot(const struct pages *p, uint64_t page, uint64_t *last)
{
	uint64_t end = min_u64(*last, page | MASK(level_shift[LEVEL_PIECE]));
	struct cursor c = find(p, page);
	uint16_t slot = pin_slot_of(c.node);

	while (c.clip.last < end) {
		struct cursor next = find(p, c.clip.last + 1);

		if (!pin_pins(next.node) || pin_slot_of(next.node) != slot)
			break;
		c = next;
	}
	*last = min_u64(end, c.clip.last);
	return slot;
}
