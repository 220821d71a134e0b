/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PASIDs of a requester: a hash table that the DMA thread searches without locks.
 *
 * Writers hold iommu->lock. A slot changes by one store; a table that is full enough is replaced by
 * another one as a whole, and freed when no section runs that may still search it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommu/requester.h"

struct pasid_table {
	unsigned int lg2;
	size_t used; /* slots that are not NULL */
	struct binding *slot[];
};

#define FIRST_LG2 4

/* In a slot that was taken: a search goes on behind it. Its PASID is nobody's. */
static const struct binding gone;

static size_t slot_of(const struct pasid_table *t, uint32_t pasid)
{
	return (uint32_t)(pasid * 0x9e3779b9u) >> (32 - t->lg2);
}

static size_t next_slot(const struct pasid_table *t, size_t n)
{
	return (n + 1) & MASK(t->lg2);
}

/* There is always an empty slot. */
struct binding *pasid_find(const struct requester *r, uint32_t pasid)
{
	const struct pasid_table *t = __atomic_load_n(&r->pasids, __ATOMIC_ACQUIRE);
	struct binding *b;
	size_t n;

	if (!t)
		return NULL;
	for (n = slot_of(t, pasid);; n = next_slot(t, n)) {
		b = __atomic_load_n(&t->slot[n], __ATOMIC_ACQUIRE);
		if (!b || b->pasid == pasid)
			return b;
	}
}

static void put_into(struct pasid_table *t, struct binding *b)
{
	size_t n = slot_of(t, b->pasid);

	while (t->slot[n] && t->slot[n] != &gone)
		n = next_slot(t, n);
	t->used += !t->slot[n];
	__atomic_store_n(&t->slot[n], b, __ATOMIC_RELEASE);
}

static struct pasid_table *new_table(unsigned int lg2)
{
	struct pasid_table *t = ioas_calloc(1, sizeof(*t) + sizeof(struct binding *) * BIT(lg2));

	if (t)
		t->lg2 = lg2;
	return t;
}

static size_t count_live(const struct pasid_table *t)
{
	size_t live = 0;

	for (size_t n = 0; n < BIT(t->lg2); n++)
		live += t->slot[n] && t->slot[n] != &gone;
	return live;
}

/* At most half full afterwards. */
static int rebuild(struct requester *r)
{
	struct pasid_table *old = r->pasids, *t;
	size_t live = old ? count_live(old) : 0;
	unsigned int lg2 = FIRST_LG2;

	while (BIT(lg2) < 2 * (live + 1))
		lg2++;
	t = new_table(lg2);
	if (!t)
		return -ENOMEM;
	for (size_t n = 0; old && n < BIT(old->lg2); n++)
		if (old->slot[n] && old->slot[n] != &gone)
			put_into(t, old->slot[n]);
	__atomic_store_n(&r->pasids, t, __ATOMIC_RELEASE);
	if (old)
		quiesce_one(r, false);
	ioas_free(old);
	return 0;
}

static struct binding *new_binding(struct requester *r)
{
	struct binding *b = r->free_bindings;

	if (b) {
		r->free_bindings = b->next_free;
		return b;
	}
	b = ioas_malloc(sizeof(*b));
	if (b)
		binding_init(b, r, IOMMU_NO_PASID, ++r->seed);
	return b;
}

int pasid_reserve(struct requester *r, uint32_t pasid, struct binding **out)
{
	const struct pasid_table *t = r->pasids;
	struct binding *b;
	int rc = !t || t->used + 1 > BIT(t->lg2) / 4 * 3 ? rebuild(r) : 0;

	if (rc)
		return rc;
	b = new_binding(r);
	if (!b)
		return -ENOMEM;
	b->pasid = pasid;
	*out = b;
	return 0;
}

void pasid_publish(struct requester *r, struct binding *b)
{
	put_into(r->pasids, b);
}

void pasid_hide(struct requester *r, struct binding *b)
{
	struct pasid_table *t = r->pasids;
	size_t n = slot_of(t, b->pasid);

	while (t->slot[n] != b)
		n = next_slot(t, n);
	__atomic_store_n(&t->slot[n], (struct binding *)&gone, __ATOMIC_RELEASE);
}

void pasid_recycle(struct requester *r, struct binding *b)
{
	b->next_free = r->free_bindings;
	r->free_bindings = b;
}

void pasid_free_all(struct requester *r)
{
	while (r->free_bindings) {
		struct binding *b = r->free_bindings;

		r->free_bindings = b->next_free;
		ioas_free(b);
	}
	ioas_free(r->pasids);
}

bool requester_has_pasids(const struct requester *r)
{
	return r->pasids && count_live(r->pasids);
}
