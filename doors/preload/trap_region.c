/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages are a BAR: read on every trap, changed by mmap and munmap.
 *
 * Two tables, sorted by address; the version's low bit tells which one is in force. A writer
 * rebuilds the other and then raises the version, so a reader finds a whole table without waiting,
 * even one that has interrupted the writer in its own thread. A reader that took so long that its
 * table may have been rebuilt sees that the version has moved and looks again. Tables only grow and
 * are never unmapped, so that a late reader reads stale rows but never a fault.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "trap_private.h"

struct table {
	struct trap_region *rows;
	size_t n;
	size_t room; /* the writer's only */
};

static struct table tables[2];
static uint64_t version;
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;

static void row_copy(struct trap_region *dst, const struct trap_region *src)
{
	__atomic_store_n(&dst->va, __atomic_load_n(&src->va, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	__atomic_store_n(&dst->len, __atomic_load_n(&src->len, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	__atomic_store_n(&dst->cookie, __atomic_load_n(&src->cookie, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&dst->offset, __atomic_load_n(&src->offset, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&dst->alias, __atomic_load_n(&src->alias, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&dst->flags, __atomic_load_n(&src->flags, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
}

/* The last row that begins at or below va, if it reaches beyond it. */
static bool table_find(const struct table *t, uintptr_t va, struct trap_region *r)
{
	size_t n = __atomic_load_n(&t->n, __ATOMIC_ACQUIRE), low = 0;
	const struct trap_region *rows = __atomic_load_n(&t->rows, __ATOMIC_RELAXED);

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (__atomic_load_n(&rows[middle].va, __ATOMIC_RELAXED) <= va)
			low = middle + 1;
		else
			n = middle;
	}
	if (!low)
		return false;
	row_copy(r, &rows[low - 1]);
	return va - r->va < r->len;
}

bool trap_region_find(uintptr_t va, struct trap_region *r)
{
	uint64_t before;
	bool found;

	do {
		before = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
		found = table_find(&tables[before & 1], va, r);
		atomic_thread_fence(memory_order_acquire);
	} while (__atomic_load_n(&version, __ATOMIC_RELAXED) != before);
	return found;
}

static int table_grow(struct table *t, size_t n)
{
	size_t room = t->room ? t->room : TRAP_PAGE / sizeof(*t->rows);
	struct trap_region *rows;

	if (n <= t->room)
		return 0;
	while (room < n)
		room *= 2;
	rows = mmap(NULL, room * sizeof(*rows), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (rows == MAP_FAILED)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		row_copy(&rows[i], &t->rows[i]);
	/* Rows before n: a reader that sees a larger n sees rows that have it. */
	__atomic_store_n(&t->rows, rows, __ATOMIC_RELEASE);
	t->room = room;
	return 0;
}

struct rebuild {
	struct table *to;
	size_t n;
	const struct trap_region *add; /* NULL once it is in */
};

static void rebuild_row(struct rebuild *b, const struct trap_region *r)
{
	if (b->add && b->add->va < r->va) {
		row_copy(&b->to->rows[b->n++], b->add);
		b->add = NULL;
	}
	row_copy(&b->to->rows[b->n++], r);
}

/* What is left of r to the left and to the right of [va, end). */
static void rebuild_cut(struct rebuild *b, const struct trap_region *r, uintptr_t va, uintptr_t end)
{
	struct trap_region part = *r;
	uintptr_t r_end = r->va + r->len;

	if (r_end <= va || r->va >= end) {
		rebuild_row(b, r);
		return;
	}
	if (r->va < va) {
		part.len = va - r->va;
		rebuild_row(b, &part);
	}
	if (r_end > end) {
		part.va = end;
		part.len = r_end - end;
		part.offset = r->offset + (end - r->va);
		part.alias = (void *)((uintptr_t)r->alias + (end - r->va));
		rebuild_row(b, &part);
	}
}

static int region_change(uintptr_t va, size_t len, const struct trap_region *add)
{
	struct rebuild b = {.add = add};
	const struct table *from;
	uintptr_t end;
	int rc;

	if (!len || (va | len) % TRAP_PAGE || __builtin_add_overflow(va, len, &end))
		return -EINVAL;
	pthread_mutex_lock(&writer);
	from = &tables[version & 1];
	b.to = &tables[(version + 1) & 1];
	/* Pairs with the reader's: one that sees a row written from here on sees this version. */
	atomic_thread_fence(memory_order_release);
	rc = table_grow(b.to, from->n + 2);
	if (rc)
		goto out_unlock;
	for (size_t i = 0; i < from->n; i++)
		rebuild_cut(&b, &from->rows[i], va, end);
	if (b.add)
		row_copy(&b.to->rows[b.n++], b.add);
	__atomic_store_n(&b.to->n, b.n, __ATOMIC_RELEASE);
	__atomic_store_n(&version, version + 1, __ATOMIC_RELEASE);
out_unlock:
	pthread_mutex_unlock(&writer);
	return rc;
}

int trap_region_add(const struct trap_region *r)
{
	return region_change(r->va, r->len, r);
}

int trap_region_remove(uintptr_t va, size_t len)
{
	return region_change(va, len, NULL);
}

void region_fork_child(void)
{
	writer = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
