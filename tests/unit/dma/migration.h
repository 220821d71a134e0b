/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A migration, as a VMM makes it: devices go on writing while what the dirty bitmaps say is copied.
 * When the devices have stopped and the last bitmap was read, the copy must equal the memory.
 */
#ifndef TESTS_UNIT_DMA_MIGRATION_H
#define TESTS_UNIT_DMA_MIGRATION_H

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>
#include <ioas/ioas.h>

#define PAGE 4096ul
#define IOVA 0x40000000ul

struct migration {
	struct ioas_host *host;
	int fd;
	uint32_t ioas, hwpt;
	uint64_t *memory, *copy;
	size_t len;
	bool stop;
	uint64_t seed;
};

static inline uint64_t pick(uint64_t *seed, uint64_t n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 24) % n;
}

static inline long call(struct migration *m, unsigned int cmd, const void *arg)
{
	return ioas_ioctl(m->host, m->fd, cmd, (uintptr_t)arg);
}

/* @len bytes at a multiple of @align, of which nothing is there before it is touched. */
static inline void *map_memory(size_t len, size_t align)
{
	char *p = mmap(NULL, len + align, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return (void *)(((uintptr_t)p + align - 1) & ~(align - 1));
}

static inline void open_host(struct migration *m, const char *make, size_t len, size_t align)
{
	struct ioas_host_config cfg = {.iommu = make, .ipc_lock = true};

	*m = (struct migration){.seed = 1,
				.memory = map_memory(len, align),
				.copy = map_memory(len, align),
				.len = len};
	assert_int_equal(ioas_host_create(&cfg, &m->host, NULL, 0), 0);
	assert_int_equal(ioas_memory_register(m->host, m->memory, len), 0);
}

static inline void close_host(struct migration *m)
{
	ioas_host_destroy(m->host);
	munmap(m->memory, m->len);
	munmap(m->copy, m->len);
}

static inline void copy_word(struct migration *m, uint64_t i)
{
	m->copy[i] = __atomic_load_n(&m->memory[i], __ATOMIC_RELAXED);
}

static inline void copy_bytes(struct migration *m, uint64_t from, uint64_t len)
{
	for (uint64_t i = from / 8; i < (from + len) / 8; i++)
		copy_word(m, i);
}

static inline bool bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

#endif
