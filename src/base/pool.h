/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool of equal objects: no header for each, none of it given back before pool_destroy(). The
 * caller serialises. A sanitised build hands out every object by malloc(), so that a use after free
 * is seen.
 */
#ifndef IOAS_BASE_POOL_H
#define IOAS_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/list.h"

struct pool_chunk;

struct pool {
	void *free; /* each free object begins with a pointer to the next */
	size_t size;
	struct pool_chunk *chunks;
	char *fresh, *fresh_end; /* the part of the newest chunk that was never used */
	struct list sanitized;	 /* what malloc() gave: each object stands behind its link */
};

/* @size: of an object; at least, and a multiple of, a pointer's. */
static inline void pool_init(struct pool *p, size_t size)
{
	*p = (struct pool){.size = size};
	list_init(&p->sanitized);
}

/* Frees every chunk; no object may be in use. */
void pool_destroy(struct pool *p);

/* The slow side of pool_alloc(). NULL when out of memory. */
void *pool_grow(struct pool *p);

void *pool_sanitized_alloc(struct pool *p);
void pool_sanitized_free(void *object);

/* Calls @cb for every object that was ever allocated; those that are free now are free memory but for
 * their first pointer, of those of a sanitised build there are none. */
void pool_each(const struct pool *p, void (*cb)(void *arg, void *object), void *arg);

/* An object with arbitrary content, or NULL. */
static inline void *pool_alloc(struct pool *p)
{
	void **object;

	if (SANITIZED)
		return pool_sanitized_alloc(p);
	object = p->free;
	if (!object)
		return pool_grow(p);
	p->free = *object;
	return object;
}

static inline void pool_free(struct pool *p, void *object)
{
	if (SANITIZED) {
		pool_sanitized_free(object);
		return;
	}
	*(void **)object = p->free;
	p->free = object;
}

#endif
