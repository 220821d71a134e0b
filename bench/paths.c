/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hot paths, one after the other, for scripts/instructions to count under callgrind: it looks
 *at what the function measured() does.
 *
 *	bench-paths PATH N
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ioas/abi/extensions.h>
#include <ioas/ioas.h>

#include "guest.h"

#define GB    (1ull << 30)
#define PAGE  4096ull
#define MANY  64
#define SMALL (16 * PAGE) /* fits into an IOTLB */
#define BIG   (256ull << 20)
#define BATCH 256

_Static_assert(BIG == GUEST_DATA && GUEST_VA == 8 * GB, "reads are where the guest maps");

struct bed {
	struct ioas_host *host;
	struct ioas_port *port;
	int fd;
	uint32_t ioas;
	char *mem;
	uint64_t n, random;
	struct guest guest; /* of nested paths; port is its port */
};

static void check(long rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench-paths: %s: %s\n", what, strerror((int)-rc));
	exit(1);
}

static void map(struct bed *t, uint64_t off, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = t->ioas,
				     .user_va = (uintptr_t)t->mem + off,
				     .length = len,
				     .iova = iova};

	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_MAP, (uintptr_t)&cmd), "IOMMU_IOAS_MAP");
}

static void unmap(struct bed *t, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = t->ioas, .iova = iova, .length = len};

	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_UNMAP, (uintptr_t)&cmd), "IOMMU_IOAS_UNMAP");
}

static void pair(struct bed *t)
{
	for (uint64_t i = 0; i < t->n; i++) {
		map(t, 0, 4 * GB, PAGE);
		unmap(t, 4 * GB, PAGE);
	}
}

static void call_array(struct bed *t, unsigned int word, uint32_t flags, struct iommu_ioas_range *r)
{
	struct iommu_ioas_array cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .ioas_id = t->ioas,
				       .count = MANY,
				       .ranges = (uintptr_t)r};

	check(ioas_ioctl(t->host, t->fd, word, (uintptr_t)&cmd), "an array command");
}

static void array(struct bed *t)
{
	const uint32_t flags =
		IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	struct iommu_ioas_range r[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		r[i] = (struct iommu_ioas_range){(uintptr_t)t->mem + 2 * i * PAGE, PAGE,
						 4 * GB + 2 * i * PAGE};
	for (uint64_t i = 0; i < t->n; i += MANY) {
		call_array(t, IOMMU_IOAS_MAP_ARRAY, flags, r);
		call_array(t, IOMMU_IOAS_UNMAP_ARRAY, 0, r);
	}
}

static void ascending(struct bed *t)
{
	for (uint64_t i = 0; i < t->n; i++)
		map(t, 0, 4 * GB + i * PAGE, PAGE);
	unmap(t, 4 * GB, t->n * PAGE);
}

static void large(struct bed *t)
{
	for (uint64_t i = 0; i < t->n; i++) {
		map(t, 0, 4 * GB, GB);
		unmap(t, 4 * GB, GB);
	}
}

/* Words at random places of @span bytes. */
static void read_words(struct bed *t, uint64_t span)
{
	uint64_t word;

	ioas_port_begin(t->port);
	for (uint64_t i = 0; i < t->n; i++) {
		t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
		check(ioas_port_read(t->port, 8 * GB + (t->random >> 20) % span / 8 * 8, &word, 8),
		      "ioas_port_read");
	}
	ioas_port_end(t->port);
}

static void hits(struct bed *t)
{
	read_words(t, SMALL);
}

static void misses(struct bed *t)
{
	read_words(t, BIG);
}

static void faults(struct bed *t)
{
	uint64_t word;

	ioas_port_begin(t->port);
	for (uint64_t i = 0; i < t->n; i++)
		check(ioas_port_read(t->port, 16 * GB, &word, 8) == -EFAULT ? 0 : -EIO, "a fault");
	ioas_port_end(t->port);
}

/* @batch pages that are no neighbours, by one call; the device forgets them at its next access. */
static void invalidate(struct bed *t, uint32_t batch)
{
	struct guest_command commands[BATCH];

	for (uint32_t i = 0; i < batch; i++)
		commands[i] = guest_tlbi(2 * i);
	for (uint64_t i = 0; i < t->n; i += batch) {
		uint64_t word;

		guest_invalidate(&t->guest, commands, batch);
		ioas_port_begin(t->port);
		check(ioas_port_read(t->port, GUEST_VA, &word, 8), "ioas_port_read");
		ioas_port_end(t->port);
	}
}

static void tlbi_batch(struct bed *t)
{
	invalidate(t, BATCH);
}

static void tlbi_single(struct bed *t)
{
	invalidate(t, 1);
}

static const struct {
	const char *name;
	void (*fn)(struct bed *t);
	bool nested;
} paths[] = {{"map-unmap", pair},
	     {"map-unmap-array", array},
	     {"map-ascending", ascending},
	     {"map-unmap-1g", large},
	     {"dma-hit", hits},
	     {"dma-miss", misses},
	     {"dma-fault", faults},
	     {"nested-hit", hits, true},
	     {"nested-miss", misses, true},
	     {"tlbi-batch", tlbi_batch, true},
	     {"tlbi-single", tlbi_single, true}};

__attribute__((noinline)) static void measured(void (*fn)(struct bed *t), struct bed *t)
{
	fn(t);
	__asm__ volatile("" : : : "memory");
}

static void bed_create(struct bed *t)
{
	struct ioas_host_config cfg = {.ipc_lock = true};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	uint32_t pt;
	char *mem = mmap(NULL, 2 * GB, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check(mem == MAP_FAILED ? -12 : 0, "mmap");
	t->mem = (char *)(((uintptr_t)mem + GB - 1) & ~(GB - 1));
	check(ioas_host_create(&cfg, &t->host, NULL, 0), "ioas_host_create");
	check(ioas_port_create(t->host, 0x100, &t->port), "ioas_port_create");
	check(ioas_memory_register(t->host, t->mem, GB), "ioas_memory_register");
	t->fd = ioas_open(t->host, "/dev/iommu");
	check(t->fd, "/dev/iommu");
	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_ALLOC, (uintptr_t)&alloc), "IOMMU_IOAS_ALLOC");
	t->ioas = pt = alloc.out_ioas_id;
	check(ioas_port_bind(t->port, t->fd, NULL), "ioas_port_bind");
	check(ioas_port_attach(t->port, &pt), "ioas_port_attach");
	/* Leaves of one page, whatever the make: no two are congruent. */
	for (uint64_t at = 0; at < BIG; at += PAGE)
		map(t, (at + PAGE) % BIG, 8 * GB + at, PAGE);
}

static void nested_create(struct bed *t)
{
	guest_create(&t->guest, 0);
	t->host = t->guest.host;
	t->port = t->guest.port;
}

static void destroy(struct bed *t, bool nested)
{
	if (nested)
		guest_destroy(&t->guest);
	else
		ioas_host_destroy(t->host);
}

int main(int argc, char **argv)
{
	struct bed t = {.random = 1};

	if (argc == 3)
		t.n = strtoull(argv[2], NULL, 0);
	for (size_t i = 0; t.n && i < sizeof(paths) / sizeof(*paths); i++) {
		if (strcmp(argv[1], paths[i].name))
			continue;
		if (paths[i].nested)
			nested_create(&t);
		else
			bed_create(&t);
		paths[i].fn(&t); /* warm */
		measured(paths[i].fn, &t);
		destroy(&t, paths[i].nested);
		return 0;
	}
	fprintf(stderr, "usage: bench-paths PATH N; paths:");
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		fprintf(stderr, " %s", paths[i].name);
	fprintf(stderr, "\n");
	return 2;
}
