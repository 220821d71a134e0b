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
	m->tracked = cfg->tracked;
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
	origin_init(m);
	pool_init(&m->pages, sizeof(struct pages));
	*out = m;
	return 0;
}

void memory_destroy(struct memory *m)
{
	assert(list_empty(&m->changing));
	origin_destroy(m);
	slots_destroy(m);
	pool_destroy(&m->pages);
	free(m);
}

void memory_set_revoked(struct memory *m, void (*revoked)(void *arg), void *arg)
{
	m->ops.revoked = revoked;
	m->revoked_arg = arg;
}

int memory_copy(struct memory *m, const struct memory_slot *slot, void *dst, const void *src,
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
