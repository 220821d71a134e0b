/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host's memory as a whole: creation, and copying by the rules of a slot's kind.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "memory/private.h"

int memory_create(const struct memory_config *cfg, struct memory **out)
{
	struct memory *m = ioas_calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	lock_init(&m->lock, LOCK_MEMORY);
	m->ops = memory_default_ops;
	if (cfg->ops && cfg->ops->probe)
		m->ops.probe = cfg->ops->probe;
	if (cfg->ops && cfg->ops->vma)
		m->ops.vma = cfg->ops->vma;
	if (cfg->ops && cfg->ops->copy)
		m->ops.copy = cfg->ops->copy;
	if (cfg->ops && cfg->ops->exchange)
		m->ops.exchange = cfg->ops->exchange;
	if (cfg->ops)
		m->ops.revoked = cfg->ops->revoked;
	m->ops_arg = m->revoked_arg = cfg->ops_arg;
	m->sink = cfg->sink;
	rc = slots_create(m);
	if (rc) {
		ioas_free(m);
		return rc;
	}
	maps_create(&m->maps);
	origin_init(m, cfg->tracked);
	pool_init(&m->pages, sizeof(struct pages));
	list_init(&m->dmabufs);
	*out = m;
	return 0;
}

void memory_destroy(struct memory *m)
{
	assert(list_empty(&m->self.changing));
	slots_destroy(m);
	maps_destroy(&m->maps);
	origin_destroy(m);
	pool_destroy(&m->pages);
	ioas_free(m);
}

void memory_set_revoked(struct memory *m, void (*revoked)(void *arg), void *arg)
{
	m->ops.revoked = revoked;
	m->revoked_arg = arg;
}

/* Whose memory a FOREIGN slot is. It is pinned, so it stays. */
static struct memory_mm *slot_mm(const struct memory *m, const struct memory_slot *slot)
{
	return m->info[slot - m->slots]->key.mm;
}

static int copy_here(struct memory *m, const struct memory_slot *slot, void *dst, const void *src,
		     size_t len)
{
	switch (slot->kind) {
	case MEMORY_REGISTERED:
	case MEMORY_DIRECT:
		memcpy(dst, src, len);
		return 0;
	case MEMORY_PRIVATE:
	case MEMORY_SHARED:
	case MEMORY_FILE:
		return m->ops.copy(m->ops_arg, dst, src, len);
	default:
		return -EFAULT;
	}
}

int memory_copy_from(struct memory *m, const struct memory_slot *slot, void *dst, const void *src,
		size_t len)
{
	struct memory_mm *mm;

	if (likely(slot->kind != MEMORY_FOREIGN))
		return copy_here(m, slot, dst, src, len);
	mm = slot_mm(m, slot);
	return mm->ops->read(mm->arg, dst, (uintptr_t)src, len);
}

int memory_copy_to(struct memory *m, const struct memory_slot *slot, void *dst, const void *src,
		 size_t len)
{
	struct memory_mm *mm;

	if (likely(slot->kind != MEMORY_FOREIGN))
		return copy_here(m, slot, dst, src, len);
	mm = slot_mm(m, slot);
	return mm->ops->write(mm->arg, (uintptr_t)dst, src, len);
}

int memory_read_word(struct memory *m, const struct memory_slot *slot, const uint64_t *at, uint64_t *word)
{
	if (slot->kind != MEMORY_REGISTERED)
		return memory_copy_from(m, slot, word, at, sizeof(*word));
	*word = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	return 0;
}

int memory_exchange_word(struct memory *m, const struct memory_slot *slot, uint64_t *at, uint64_t is, uint64_t to)
{
	uint64_t was = is;
	int rc = 0;

	switch (slot->kind) {
	case MEMORY_REGISTERED:
		__atomic_compare_exchange_n(at, &was, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
		break;
	case MEMORY_PRIVATE:
	case MEMORY_SHARED:
	case MEMORY_FILE:
		rc = m->ops.exchange(m->ops_arg, at, &was, to);
		break;
	default:
		rc = -EFAULT;
	}
	if (rc)
		return rc;
	return was == is ? 0 : -EAGAIN;
}

static bool is_own(const struct pages *p)
{
	return p->mm == &p->memory->self;
}

/* One run of pinned memory. */
static int copy_pinned(struct pages *p, uint64_t off, char *buf, size_t len, bool write)
{
	struct memory *m = p->memory;

	for (size_t n; len; off += n, buf += n, len -= n) {
		uint64_t run, pa = pages_pa(p, off, &run);
		const struct memory_slot *slot = memory_slot(m, pa);
		char *there = slot->base + (pa & MEMORY_SLOT_MASK);
		int rc;

		n = min_u64(len, run);
		if (memory_has_stale(slot) && memory_stale(m, pa, n))
			return -EFAULT;
		rc = write ? memory_copy_to(m, slot, there, buf, n)
			   : memory_copy_from(m, slot, buf, there, n);
		if (rc)
			return rc;
	}
	return 0;
}

/* Another process's memory: what is pinned is there, even if the process is not. */
static int copy_foreign(struct pages *p, uint64_t off, void *buf, size_t len, bool write)
{
	int rc = pages_pin(p, off, len);

	if (rc)
		return rc;
	rc = copy_pinned(p, off, buf, len, write);
	pages_unpin(p, off, len);
	return rc;
}

int pages_copy_from(struct pages *p, void *dst, uint64_t off, size_t len)
{
	const struct memory *m = p->memory;

	if (pages_is_file(p))
		return -EOPNOTSUPP;
	if (is_own(p))
		return m->ops.copy(m->ops_arg, dst, (const void *)(uintptr_t)(p->start + off), len);
	return copy_foreign(p, off, dst, len, false);
}

int pages_copy_to(struct pages *p, uint64_t off, const void *src, size_t len)
{
	const struct memory *m = p->memory;

	if (pages_is_file(p))
		return -EOPNOTSUPP;
	if (is_own(p))
		return m->ops.copy(m->ops_arg, (void *)(uintptr_t)(p->start + off), src, len);
	return copy_foreign(p, off, (void *)(uintptr_t)src, len, true);
}
