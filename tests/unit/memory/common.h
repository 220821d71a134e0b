/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of memory/ share: a memory with a counted revoked callback, and program memory to
 * pin.
 */
#ifndef TEST_MEMORY_COMMON_H
#define TEST_MEMORY_COMMON_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fail.h"
#include "memory/memory.h"

#define KiB 1024ull
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)

static inline void count_revoked(void *arg)
{
	++*(unsigned int *)arg;
}

/* @revoked counts the calls of that callback. */
static inline struct memory *make_memory(bool tracked, unsigned int *revoked)
{
	static const struct memory_ops ops = {.revoked = count_revoked};
	struct memory_config cfg = {.ops = &ops, .ops_arg = revoked, .tracked = tracked};
	struct memory *m;

	*revoked = 0;
	assert_int_equal(memory_create(&cfg, &m), 0);
	return m;
}

static inline char *map_anon(size_t len, int flags)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static inline struct pages *make_pages(struct memory *m, const void *va, uint64_t len,
				       bool writable)
{
	struct pages *p;

	assert_int_equal(pages_from_va(m, NULL, (uintptr_t)va, len, writable, false, &p), 0);
	return p;
}

/* The host's view of a PA, as DMA has it: 0 or -EFAULT. */
static inline int pa_read(struct memory *m, uint64_t pa, void *dst, size_t len)
{
	const struct memory_slot *slot = memory_slot(m, pa);

	if (slot->has_stale && memory_stale(m, pa, len))
		return -EFAULT;
	return memory_copy_from(m, slot, dst, slot->base + (pa & MEMORY_SLOT_MASK), len);
}

static inline int pa_write(struct memory *m, uint64_t pa, const void *src, size_t len)
{
	const struct memory_slot *slot = memory_slot(m, pa);

	if (slot->has_stale && memory_stale(m, pa, len))
		return -EFAULT;
	return memory_copy_to(m, slot, slot->base + (pa & MEMORY_SLOT_MASK), src, len);
}

static inline void assert_pa_byte(struct memory *m, uint64_t pa, char byte)
{
	char got;

	assert_int_equal(pa_read(m, pa, &got, 1), 0);
	assert_int_equal(got, byte);
}

static inline uint64_t pa_of(const struct pages *p, uint64_t off)
{
	uint64_t run;

	return pages_pa(p, off, &run);
}

static inline uint64_t limit_of(void *arg)
{
	return *(uint64_t *)arg;
}

#endif
