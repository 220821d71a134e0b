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

struct pool_chunk;

struct pool {
	void *free; /* each free object begins with a pointer to the next */
	size_t size;
	struct pool_chunk *chunks;
	char *fresh, *fresh_end; /* the part of the newest chunk that was never used */
};

/* @size: of an object; at least, and a multiple of, a pointer's. */
static inline void pool_init(struct pool *p, size_t size)
{
	*p = (struct pool){.size = size};
}

/* Frees every chunk; no object may be in use. */
void pool_destroy(struct pool *p);

/* The slow side of pool_alloc(). NULL when out of memory. */
void *pool_grow(struct pool *p);

/* An object with arbitrary content, or NULL. */
static inline void *pool_alloc(struct pool *p)
{
	void **object = p->free;

	if (SANITIZED)
		return malloc(p->size);
	if (!object)
		return pool_grow(p);
	p->free = *object;
	return object;
}

static inline void pool_free(struct pool *p, void *object)
{
	if (SANITIZED) {
		free(object);
		return;
	}
	*(void **)object = p->free;
	p->free = object;
}

#endif
