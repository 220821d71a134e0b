/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/bits.h"

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len + 1 >= t->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = (size_t)min_u64(t->len + (uint64_t)n, t->size - 1);
}

void text_add_bytes(struct text *t, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned int unit = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		rest = whole & 1023;
		whole >>= 10;
		unit++;
	}
	if (rest && rest * 10 / 1024)
		text_add(t, "%" PRIu64 ".%" PRIu64 " %s", whole, rest * 10 / 1024, units[unit]);
	else
		text_add(t, "%" PRIu64 " %s", whole, units[unit]);
}
