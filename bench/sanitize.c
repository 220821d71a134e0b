/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the DMA sanitizer costs: the same calls and the same DMA on two hosts of which one has it,
 * in turn. Where nobody's turn is, nobody listens: the word that hooks look at is the process's.
 *
 * The stacks that `ioas run --sanitize` takes are the door's (bench door, under --sanitize).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ioas/abi/iommufd.h>
#include <ioas/ioas.h>

#include "base/observe.h"
#include "bench.h"
#include "library/private.h"
#include "observe/sanitize.h"

#define GB   (1ull << 30)
#define PAGE 4096ull
#define LEN  (1ull << 20)
#define MANY 100000

struct bed {
	struct ioas_host *host;
	struct sanitizer *sanitizer; /* NULL: without */
	struct ioas_port *port;
	int fd;
	uint32_t ioas;
	char *mem, *own;
	uint64_t size; /* of a transfer */
	uint64_t random;
};

static void check(long rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench-sanitize: %s: %s\n", what, strerror((int)-rc));
	exit(1);
}

static void on_report(void *arg, const struct finding *f)
{
	fprintf(stderr, "bench-sanitize: %s: %s\n", finding_kind_name(f->kind), f->text);
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

static void bed_create(struct bed *t, bool sanitize)
{
	const struct ioas_host_config cfg = {.ipc_lock = true, .iommu = "vtd,huge=4K"};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	uint32_t pt;

	*t = (struct bed){.random = 1};
	check(ioas_host_create(&cfg, &t->host, NULL, 0), "ioas_host_create");
	if (sanitize)
		check(sanitizer_create(t->host->host,
				       &(struct sanitizer_config){.sink = {.report = on_report}},
				       &t->sanitizer),
		      "sanitizer_create");
	check(ioas_port_create(t->host, 0x100, &t->port), "ioas_port_create");
	t->mem = aligned_alloc(LEN, 2 * LEN);
	t->own = aligned_alloc(PAGE, LEN);
	check(t->mem && t->own ? 0 : -12, "memory");
	memset(t->mem, 1, 2 * LEN);
	memset(t->own, 2, LEN);
	check(ioas_memory_register(t->host, t->mem, 2 * LEN), "ioas_memory_register");
	t->fd = ioas_open(t->host, "/dev/iommu");
	check(t->fd, "/dev/iommu");
	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_ALLOC, (uintptr_t)&alloc), "IOMMU_IOAS_ALLOC");
	t->ioas = pt = alloc.out_ioas_id;
	check(ioas_port_bind(t->port, t->fd, NULL), "ioas_port_bind");
	check(ioas_port_attach(t->port, &pt), "ioas_port_attach");
	map(t, 0, 8 * GB, LEN);
}

static void bed_destroy(struct bed *t)
{
	unmap(t, 8 * GB, LEN);
	ioas_port_detach(t->port);
	ioas_port_unbind(t->port);
	ioas_port_destroy(t->port);
	ioas_close(t->host, t->fd);
	check(ioas_memory_unregister(t->host, t->mem, 2 * LEN), "ioas_memory_unregister");
	ioas_host_destroy(t->host);
	if (t->sanitizer)
		sanitizer_destroy(t->sanitizer);
	free(t->mem);
	free(t->own);
}

static void listen(const struct bed *t)
{
	ioas_observed = t->sanitizer != NULL;
}

static void pairs(void *arg, uint64_t n)
{
	struct bed *t = arg;

	listen(t);
	while (n--) {
		map(t, LEN, 4 * GB, PAGE);
		unmap(t, 4 * GB, PAGE);
	}
	ioas_observed = 0;
}

/* Among many others, none of which is near. */
static void random_pairs(void *arg, uint64_t n)
{
	struct bed *t = arg;

	listen(t);
	while (n--) {
		const uint64_t at = bench_random(&t->random) >> 32;
		const uint64_t iova = 16 * GB + at % MANY * 2 * PAGE;

		unmap(t, iova, PAGE);
		map(t, at % MANY % 256 * PAGE, iova, PAGE);
	}
	ioas_observed = 0;
}

static void reads(void *arg, uint64_t n)
{
	struct bed *t = arg;
	long rc = 0;

	listen(t);
	ioas_port_begin(t->port);
	for (uint64_t off = 0; n--; off = (off + t->size) & (LEN / 8 - 1))
		rc |= ioas_port_read(t->port, 8 * GB + off, t->own, t->size);
	ioas_port_end(t->port);
	check(rc, "ioas_port_read");
	ioas_observed = 0;
}

static void writes(void *arg, uint64_t n)
{
	struct bed *t = arg;
	long rc = 0;

	listen(t);
	ioas_port_begin(t->port);
	for (uint64_t off = 0; n--; off = (off + t->size) & (LEN / 8 - 1))
		rc |= ioas_port_write(t->port, 8 * GB + off, t->own, t->size);
	ioas_port_end(t->port);
	check(rc, "ioas_port_write");
	ioas_observed = 0;
}

/* One page of the many, then another: a new translation and another mapping each. */
static void scattered(void *arg, uint64_t n)
{
	struct bed *t = arg;
	long rc = 0;

	listen(t);
	ioas_port_begin(t->port);
	while (n--)
		rc |= ioas_port_read(t->port,
				     16 * GB + (bench_random(&t->random) >> 32) % MANY * 2 * PAGE,
				     t->own, t->size);
	ioas_port_end(t->port);
	check(rc, "ioas_port_read");
	ioas_observed = 0;
}

/* Off and on in turn; the row is the second, and its limit the first. */
static void compare(struct bench *b, struct bed t[2], const char *name,
		    void (*fn)(void *arg, uint64_t n), uint64_t n)
{
	const struct bench_step steps[] = {{fn, &t[0]}, {fn, &t[1]}};
	struct bench_cost cost[2];

	bench_steps(b, steps, 2, n, cost);
	bench_row(b, name, cost[1], "without the sanitizer", cost[0]);
}

int main(int argc, char **argv)
{
	struct bench b;
	struct bed t[2];

	bench_begin(&b, argc, argv);
	for (int i = 0; i < 2; i++)
		bed_create(&t[i], i);
	compare(&b, t, "map+unmap 4 KiB under the sanitizer", pairs, 1000000);
	t[0].size = t[1].size = PAGE;
	compare(&b, t, "DMA read of 4096 bytes under the sanitizer", reads, 2000000);
	compare(&b, t, "DMA write of 4096 bytes under the sanitizer", writes, 2000000);
	t[0].size = t[1].size = 64;
	compare(&b, t, "DMA read of 64 bytes under the sanitizer", reads, 2000000);
	for (int i = 0; i < 2; i++) {
		listen(&t[i]);
		for (uint64_t n = 0; n < MANY; n++)
			map(&t[i], n % 256 * PAGE, 16 * GB + n * 2 * PAGE, PAGE);
		ioas_observed = 0;
	}
	compare(&b, t, "unmap+map 4 KiB among 100000 under the sanitizer", random_pairs, 500000);
	t[0].size = t[1].size = PAGE;
	compare(&b, t, "DMA read of 4096 bytes of 100000 pages under the sanitizer", scattered,
		500000);
	for (int i = 0; i < 2; i++) {
		listen(&t[i]);
		for (uint64_t n = 0; n < MANY; n++)
			unmap(&t[i], 16 * GB + n * 2 * PAGE, PAGE);
		bed_destroy(&t[i]);
		ioas_observed = 0;
	}
	return bench_end(&b);
}
