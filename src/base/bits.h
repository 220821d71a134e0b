/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bits, alignment and other small arithmetic that every room uses.
 */
#ifndef IOAS_BASE_BITS_H
#define IOAS_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT(n)		   (1ull << (n))
#define MASK(n)		   ((n) >= 64 ? ~0ull : BIT(n) - 1)
#define FIELD(hi, lo)	   (MASK((hi) - (lo) + 1) << (lo))
#define ARRAY_SIZE(a)	   (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define likely(x)	   __builtin_expect(!!(x), 1)
#define unlikely(x)	   __builtin_expect(!!(x), 0)
/* What explains a failure: kept out of those that seldom fail. */
#define COLD __attribute__((cold, noinline))

/* Is this a build with AddressSanitizer or ThreadSanitizer? It may spend time on checks. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The CPU page, the unit of pinning and accounting. */
#define PAGE_SHIFT 12
#define PAGE_SIZE  BIT(PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define U64MAX UINT64_MAX
#define ULMAX  ((uint64_t)__LONG_MAX__ * 2 + 1)

static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/* Rounds up to a power of two; the caller has excluded overflow. */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline bool is_aligned(uint64_t v, uint64_t align)
{
	return !(v & (align - 1));
}

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* Position of the highest set bit; v must not be 0. */
static inline unsigned int log2_floor(uint64_t v)
{
	return 63 - __builtin_clzll(v);
}

/* Position of the lowest set bit; 64 when v is 0. */
static inline unsigned int lowest_bit(uint64_t v)
{
	return v ? (unsigned int)__builtin_ctzll(v) : 64;
}

static inline uint64_t field_get(uint64_t mask, uint64_t reg)
{
	return (reg & mask) >> __builtin_ctzll(mask);
}

static inline uint64_t field_prep(uint64_t mask, uint64_t val)
{
	return (val << __builtin_ctzll(mask)) & mask;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
