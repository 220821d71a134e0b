/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sentence put together piece by piece in a buffer of the caller's. What does not fit is cut off;
 * the buffer always ends in a NUL.
 */
#ifndef IOAS_BASE_TEXT_H
#define IOAS_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf;
	size_t size, len; /* room; characters so far */
};

/* @array: a char array. */
#define TEXT_IN(array)                                                                             \
	{                                                                                          \
		(array), sizeof(array), 0                                                          \
	}

void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "64 MiB", "4 KiB", "100 bytes": exactly where that is short, rounded down to a tenth otherwise.
 */
void text_add_bytes(struct text *t, uint64_t bytes);

#endif
