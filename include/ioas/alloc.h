/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's allocator. A program that defines these five functions itself has the library
 * allocate by them: it is linked with its own instead, whether it takes the shared library or the
 * static one. All five, since what one gives another takes back.
 *
 * They do as their namesakes in C do, for sizes in bytes, and are thread-safe. NULL makes the call
 * that needs the memory fail with -ENOMEM and change nothing. They must not call the library. The
 * library asks from any thread, never for a DMA.
 *
 * The structures of the library come from here; page tables, BARs of models and mappings that keep
 * shared memory pinned come from mmap(2).
 */
#ifndef IOAS_ALLOC_H
#define IOAS_ALLOC_H

#include <ioas/types.h>

IOAS_BEGIN

IOAS_API void *ioas_malloc(size_t size) __attribute__((malloc, alloc_size(1)));
IOAS_API void *ioas_calloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2)));
IOAS_API void *ioas_realloc(void *p, size_t size) __attribute__((alloc_size(2)));
/* @alignment: a power of two; @size is a multiple of it. */
IOAS_API void *ioas_aligned_alloc(size_t alignment, size_t size)
	__attribute__((malloc, alloc_align(1), alloc_size(2)));
IOAS_API void ioas_free(void *p);

IOAS_END
#endif
