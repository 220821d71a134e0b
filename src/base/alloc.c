/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C library's allocator, unless the program has defined these functions itself.
 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

__attribute__((weak)) void *ioas_malloc(size_t size)
{
	return malloc(size);
}

__attribute__((weak)) void *ioas_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

__attribute__((weak)) void *ioas_realloc(void *p, size_t size)
{
	return realloc(p, size);
}

__attribute__((weak)) void *ioas_aligned_alloc(size_t alignment, size_t size)
{
	return aligned_alloc(alignment, size);
}

__attribute__((weak)) void ioas_free(void *p)
{
	free(p);
}

char *alloc_text(const char *text, size_t n)
{
	size_t len = strnlen(text, n);
	char *copy = ioas_malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}
