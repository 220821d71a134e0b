/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow side of base/pool.h: chunks that double from one page to a huge one, of which the kernel
 * is asked to make a huge one indeed: to touch memory for the first time is what growing costs.
 */
#include "base/pool.h"
#include "base/alloc.h"

#include <sys/mman.h>

#define CHUNK_FIRST 4096u
#define CHUNK_LAST  (2u << 20)

struct pool_chunk {
	struct pool_chunk *next;
	size_t size;
};

void pool_destroy(struct pool *p)
{
	for (struct pool_chunk *c = p->chunks, *next; c; c = next) {
		next = c->next;
		ioas_free(c);
	}
	pool_init(p, p->size);
}

static struct pool_chunk *chunk_alloc(size_t size)
{
	struct pool_chunk *c;

	if (size < CHUNK_LAST)
		return ioas_malloc(size);
	c = ioas_aligned_alloc(CHUNK_LAST, size);
	if (c)
		madvise(c, size, MADV_HUGEPAGE);
	return c;
}

void *pool_grow(struct pool *p)
{
	void *object;

	if ((size_t)(p->fresh_end - p->fresh) < p->size) {
		size_t size = p->chunks ? min_u64(p->chunks->size * 2, CHUNK_LAST) : CHUNK_FIRST;
		struct pool_chunk *c = chunk_alloc(size);

		if (!c)
			return NULL;
		*c = (struct pool_chunk){p->chunks, size};
		p->chunks = c;
		p->fresh = (char *)(c + 1);
		p->fresh_end = (char *)c + size;
	}
	object = p->fresh;
	p->fresh += p->size;
	return object;
}

/* A link before the object, which keeps malloc()'s alignment. */
_Static_assert(sizeof(struct list) == 16, "objects stay aligned");

void *pool_sanitized_alloc(struct pool *p)
{
	struct list *link = ioas_malloc(sizeof(*link) + p->size);

	if (!link)
		return NULL;
	list_add_tail(&p->sanitized, link);
	return link + 1;
}

void pool_sanitized_free(void *object)
{
	struct list *link = (struct list *)object - 1;

	list_del(link);
	ioas_free(link);
}

void pool_each(const struct pool *p, void (*cb)(void *arg, void *object), void *arg)
{
	const struct list *link = p->sanitized.next;

	for (; link != &p->sanitized; link = link->next)
		cb(arg, (void *)(link + 1));
	for (const struct pool_chunk *c = p->chunks; c; c = c->next) {
		char *object = (char *)(c + 1), *end = (char *)c + c->size;

		if (c == p->chunks)
			end = p->fresh;
		for (; (size_t)(end - object) >= p->size; object += p->size)
			cb(arg, object);
	}
}
