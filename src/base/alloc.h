/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the engine's own structures come from: every room allocates and frees by these, so that a
 * program can put its own functions in their place (tests/unit/library/symbols sees to it). What is
 * mapped (tables of slots, page-table memory, BARs, holds) does not.
 */
#ifndef IOAS_BASE_ALLOC_H
#define IOAS_BASE_ALLOC_H

#include <ioas/alloc.h>

/* The first @n bytes of @text, or as many as there are; ioas_free(). NULL: out of memory. */
char *alloc_text(const char *text, size_t n);

#endif
