/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host's memory as a whole: creation, and copying by the rules of a slot's kind.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/private.h"

int memory_create(const struct memory_config *cfg, struct memory **out)
{
	struct memory *m = calloc(1, sizeof(*m));
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
	if (cfg->ops)
		m->ops.revoked = cfg->ops->revoked;
	m->ops_arg = m->revoked_arg = cfg->ops_arg;
	m->sink = cfg->sink;
	rc = slots_create(m);
	if (rc) {
		free(m);
		return rc;
	}
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
	origin_destroy(m);
	pool_destroy(&m->pages);
	free(m);
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

static bool is_own(const struct pages *p)
{
	return p->mm == &p->memory->self;
}

int pages_copy_from(struct pages *p, void *dst, uint64_t off, size_t len)
{
	const struct memory *m = p->memory;

	if (pages_is_file(p))
		return -EOPNOTSUPP;
	if (is_own(p))
		return m->ops.copy(m->ops_arg, dst, (const void *)(uintptr_t)(p->start + off), len);
	return p->mm->ops->read(p->mm->arg, dst, p->start + off, len);
}

int pages_copy_to(struct pages *p, uint64_t off, const void *src, size_t len)
{
	const struct memory *m = p->memory;

	if (pages_is_file(p))
		return -EOPNOTSUPP;
	if (is_own(p))
		return m->ops.copy(m->ops_arg, (void *)(uintptr_t)(p->start + off), src, len);
	return p->mm->ops->write(p->mm->arg, p->start + off, src, len);
}
