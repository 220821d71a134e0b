/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of bits in an array of 64-bit words.
 */
#ifndef IOAS_MEMORY_BITMAP_H
#define IOAS_MEMORY_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

/* The bits of word @w that belong to [first, first + n). */
static inline uint64_t bitmap_word(uint64_t w, uint64_t first, uint64_t n)
{
	uint64_t low = w * 64 < first ? first - w * 64 : 0;
	uint64_t high = min_u64(first + n - w * 64, 64);

	return MASK(high) & ~MASK(low);
}

/* Is any bit of [first, first + n) set? */
static inline bool bitmap_any(const uint64_t *map, uint64_t first, uint64_t n)
{
	for (uint64_t w = first / 64; w * 64 < first + n; w++)
		if (map[w] & bitmap_word(w, first, n))
			return true;
	return false;
}

/* Set the bits; returns how many were clear. */
static inline uint64_t bitmap_set(uint64_t *map, uint64_t first, uint64_t n)
{
	uint64_t changed = 0;

	for (uint64_t w = first / 64; w * 64 < first + n; w++) {
		uint64_t bits = bitmap_word(w, first, n) & ~map[w];

		map[w] |= bits;
		changed += (uint64_t)__builtin_popcountll(bits);
	}
	return changed;
}

/* Clear the bits; returns how many were set. */
static inline uint64_t bitmap_clear(uint64_t *map, uint64_t first, uint64_t n)
{
	uint64_t changed = 0;

	for (uint64_t w = first / 64; w * 64 < first + n; w++) {
		uint64_t bits = bitmap_word(w, first, n) & map[w];

		map[w] &= ~bits;
		changed += (uint64_t)__builtin_popcountll(bits);
	}
	return changed;
}

/* The first bit from @first on, below @end, that is @value; @end when there is none. */
static inline uint64_t bitmap_next(const uint64_t *map, uint64_t first, uint64_t end, bool value)
{
	while (first < end) {
		uint64_t bits = (value ? map[first / 64] : ~map[first / 64]) & ~MASK(first % 64);

		if (bits)
			return min_u64((first & ~63ull) + (uint64_t)__builtin_ctzll(bits), end);
		first = (first & ~63ull) + 64;
	}
	return end;
}

#endif
