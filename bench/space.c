/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps and unmaps as an IOAS does them: ranges, pins, page table, IOTLB of an idle device;
 * everything below the ABI.
 *
 * Memory that the embedder registered is not looked at. Memory that is not is checked page by page:
 * by system calls, which is the default, and by touching it, as the preload door does under its
 * signal handler.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "iommu/iommu.h"
#include "space/space.h"

#define KB (1ull << 10)
#define MB (1ull << 20)
#define GB (1ull << 30)

struct host {
	struct memory *memory;
	struct pt_mem *tables;
	struct epoch_domain epochs;
	struct iommu *iommu;
	struct domain *domain;
	struct requester *r;
	struct space *space;
	struct space_mirror mirror;
	char *base; /* 2 GiB from a multiple of 1 GiB on */
	/* Parameters of one benchmark. */
	uint64_t va, len, iova, step;
	struct pages *pages;
	uint64_t rng;
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void invalidate(struct space_mirror *m, uint64_t iova, uint64_t last, struct pt_gather *g)
{
	domain_invalidate(container_of(m, struct host, mirror)->domain, iova, last, g);
}

static const struct space_mirror_ops mirror_ops = {.invalidate = invalidate};

/* As the preload door's, without its guard: what is measured is there. */
static int touch(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	for (uint64_t page = va; page < va + len; page += PAGE_SIZE) {
		uint8_t *byte = (uint8_t *)(uintptr_t)page;

		if (how & MEMORY_WRITE)
			__atomic_fetch_or(byte, 0, __ATOMIC_RELAXED);
		else
			bench_use(__atomic_load_n(byte, __ATOMIC_RELAXED));
	}
	return 0;
}

static void host_create(struct host *h, const struct memory_ops *ops)
{
	struct memory_config mem_cfg = {.ops = ops, .tracked = true};
	struct iommu_config cfg = {0};
	char why[200];

	*h = (struct host){.rng = 1};
	check(memory_create(&mem_cfg, &h->memory), "memory_create");
	check(pt_mem_create(&h->tables), "pt_mem_create");
	check(memory_add_tables(h->memory, pt_mem_base(h->tables), pt_mem_size(h->tables),
				pt_mem_pa_base(h->tables)),
	      "memory_add_tables");
	epoch_domain_init(&h->epochs);
	cfg.memory = h->memory;
	cfg.tables = h->tables;
	cfg.epochs = &h->epochs;
	check(iommu_create("vtd", &cfg, &h->iommu, why, sizeof(why)), "iommu_create");
	check(domain_alloc(h->iommu, 0, &h->domain), "domain_alloc");
	check(requester_create(h->iommu, 1, &h->r), "requester_create");
	check(requester_attach(h->r, h->domain), "requester_attach");
	check(space_create(h->memory, NULL, &h->space), "space_create");
	h->mirror.ops = &mirror_ops;
	h->mirror.pt = domain_pt(h->domain);
	h->mirror.page_sizes = domain_page_sizes(h->domain);
	domain_aperture(h->domain, &h->mirror.aperture_start, &h->mirror.aperture_last);
	check(space_add_mirror(h->space, &h->mirror), "space_add_mirror");
	h->base = mmap(NULL, 3 * GB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(h->base == MAP_FAILED ? -12 : 0, "mmap");
	h->base = (char *)align_up((uintptr_t)h->base, GB);
}

static void host_destroy(struct host *h)
{
	uint64_t unmapped;

	check(space_unmap_all(h->space, &unmapped), "space_unmap_all");
	space_remove_mirror(h->space, &h->mirror);
	space_destroy(h->space);
	check(requester_attach(h->r, NULL), "requester_attach");
	requester_destroy(h->r);
	domain_free(h->domain);
	iommu_destroy(h->iommu);
	pt_mem_destroy(h->tables);
	memory_destroy(h->memory);
}

static void map(struct host *h, uint64_t va, uint64_t iova, uint64_t len, bool fixed)
{
	struct space_map m = {
		.length = len, .iova = iova, .prot = SPACE_READ | SPACE_WRITE, .fixed = fixed};

	check(pages_from_va(h->memory, NULL, va, len, true, false, &m.pages), "pages_from_va");
	check(space_map(h->space, &m), "space_map");
	pages_put(m.pages);
}

static void unmap(struct host *h, uint64_t iova, uint64_t len)
{
	uint64_t unmapped;

	check(space_unmap(h->space, iova, len, &unmapped), "space_unmap");
}

/* The rows. */

static void pin_unpin(void *arg, uint64_t n)
{
	struct host *h = arg;

	while (n--) {
		check(pages_pin(h->pages, 0, h->len), "pages_pin");
		pages_unpin(h->pages, 0, h->len);
	}
}

static void map_unmap(void *arg, uint64_t n)
{
	struct host *h = arg;

	while (n--) {
		map(h, h->va, h->iova, h->len, true);
		unmap(h, h->iova, h->len);
	}
}

/* Ascending IOVAs; what is mapped stays. */
static void map_ascending(void *arg, uint64_t n)
{
	struct host *h = arg;

	for (; n--; h->iova += h->step)
		map(h, h->va, h->iova, h->len, true);
}

static void map_automatic(void *arg, uint64_t n)
{
	struct host *h = arg;

	while (n--)
		map(h, h->va, 0, h->len, false);
}

/* As many more as a table of the smallest leaves has, behind @iova, and none of them afterwards. */
#define MORE 512
static void map_unmap_behind(void *arg, uint64_t n)
{
	struct host *h = arg;

	for (uint64_t some; n; n -= some) {
		some = min_u64(n, MORE);
		for (uint64_t i = 0; i < some; i++)
			map(h, h->va, h->iova + i * h->step, h->len, true);
		for (uint64_t i = 0; i < some; i++)
			unmap(h, h->iova + i * h->step, h->len);
	}
}

/* One more and one less at random between @iova / step areas that are two steps apart. */
static void map_unmap_random(void *arg, uint64_t n)
{
	struct host *h = arg;

	while (n--) {
		uint64_t iova =
			((unsigned __int128)bench_random(&h->rng) * (h->iova / h->step) >> 64) *
			h->step;

		iova = align_down(iova, 2 * h->step) + h->step;
		map(h, h->va, iova, h->len, true);
		unmap(h, iova, h->len);
	}
}

static void empty_ioctl(void *arg, uint64_t n)
{
	while (n--)
		ioctl(*(int *)arg, TIOCGWINSZ, NULL);
}

static void atomics(void *arg, uint64_t n)
{
	while (n--)
		__atomic_fetch_add((uint64_t *)arg, 1, __ATOMIC_SEQ_CST);
}

static const struct bench_cost none;

static void bench_pins(struct bench *b, struct host *h, const char *what, bool registered)
{
	uint64_t counter = 0;
	char name[80];

	h->len = 4 * KB;
	check(pages_from_va(h->memory, NULL, (uintptr_t)h->base, h->len, true, false, &h->pages),
	      "pages_from_va");
	snprintf(name, sizeof(name), "pin+unpin 4 KiB, %s", what);
	bench_row(b, name, bench_run(b, pin_unpin, h, registered ? 2000000 : 200000),
		  "an atomic addition", bench_run(b, atomics, &counter, 5000000));
	pages_put(h->pages);
}

static void bench_sizes(struct bench *b, struct host *h, const char *what, bool registered)
{
	static const struct {
		const char *name;
		uint64_t len, n;
	} rows[] = {{"4 KiB", 4 * KB, 1000000}, {"2 MiB", 2 * MB, 300000}, {"1 GiB", GB, 100000}};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct bench_cost limit = bench_run(b, empty_ioctl, &null, 500000);
	char name[80];

	close(null);
	h->va = (uintptr_t)h->base;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t n = registered ? rows[i].n : min_u64(rows[i].n / 10, 2 * GB / rows[i].len);

		if (!registered && rows[i].len == GB && b->quick)
			continue; /* the first touch alone takes seconds */
		h->iova = rows[i].len == GB ? 4 * GB : GB;
		h->len = rows[i].len;
		snprintf(name, sizeof(name), "map+unmap %s, %s", rows[i].name, what);
		bench_row(b, name, bench_run(b, map_unmap, h, n), "an empty ioctl", limit);
	}
}

/* Resident memory but for that of page tables. */
static double resident(const struct host *h)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return ((double)pages - (double)pt_mem_tables(h->tables)) * (double)PAGE_SIZE;
}

/* Up to a million areas in ascending order, and what each takes in memory beside its page-table
 * entry. */
static void bench_ascending(struct bench *b, struct host *h)
{
	double before = resident(h);
	uint64_t n;

	h->va = (uintptr_t)h->base;
	h->len = 4 * KB;
	h->step = 4 * KB;
	h->iova = 0;
	bench_row(b, "map 4 KiB, ascending, to 1e6 areas and more",
		  bench_run(b, map_ascending, h, 200000), NULL, none);
	n = space_nr_areas(h->space);
	bench_row(b, "bytes of bookkeeping for each of them",
		  (struct bench_cost){.ns = (resident(h) - before) / (double)n}, NULL, none);
	unmap(h, 0, h->iova);
	bench_row(b, "map 4 KiB, automatic IOVA, to 1e6 areas and more",
		  bench_run(b, map_automatic, h, 200000), NULL, none);
	check(space_unmap_all(h->space, &n), "space_unmap_all");
}

/* How the cost of one more, anywhere and behind the last, and the memory for each, grow with what
 * is there: a quarter of all memory is enough for 1e7 or the last row is left out. */
static void bench_random_order(struct bench *b, struct host *h)
{
	uint64_t most = b->quick ? 10000 : 10000000;
	struct bench_cost behind, behind_few = {0};
	double before = resident(h);
	char name[80];

	h->iova = 0;
	for (uint64_t have = 1000; have <= most; have *= 10) {
		struct bench_cost each;

		if (have * 200 > (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE_SIZE / 4)
			break;
		while (h->iova < 2 * h->step * have) {
			map(h, h->va, h->iova, h->len, true);
			h->iova += 2 * h->step;
		}
		behind = bench_run(b, map_unmap_behind, h, 200 * MORE);
		behind_few = behind_few.ns > 0 ? behind_few : behind;
		snprintf(name, sizeof(name), "map+unmap 4 KiB behind the last of %llu areas",
			 (unsigned long long)have);
		bench_row(b, name, behind, "behind 1000", behind_few);
		snprintf(name, sizeof(name), "map+unmap 4 KiB at random among %llu areas",
			 (unsigned long long)have);
		bench_row(b, name, bench_run(b, map_unmap_random, h, 100000),
			  "chase in 64 bytes for each", bench_chase(b, have * 64));
		each = (struct bench_cost){.ns = (resident(h) - before) / (double)have};
		snprintf(name, sizeof(name), "bytes for each of %llu areas",
			 (unsigned long long)have);
		bench_row(b, name, each, NULL, none);
	}
	unmap(h, 0, h->iova);
}

static void bench_lazy(struct bench *b, struct host *h)
{
	space_remove_mirror(h->space, &h->mirror);
	h->iova = GB;
	h->len = GB;
	bench_row(b, "map+unmap 1 GiB, no page table", bench_run(b, map_unmap, h, 1000000), NULL,
		  none);
	check(space_add_mirror(h->space, &h->mirror), "space_add_mirror");
}

int main(int argc, char **argv)
{
	static const struct memory_ops touching = {.probe = touch};
	struct host h;
	struct bench b;

	bench_begin(&b, argc, argv);
	host_create(&h, NULL);
	check(memory_register(h.memory, (uintptr_t)h.base, 2 * GB), "memory_register");
	bench_pins(&b, &h, "registered", true);
	bench_sizes(&b, &h, "registered", true);
	bench_lazy(&b, &h);
	bench_ascending(&b, &h);
	host_destroy(&h);
	/* Anew, so that what it takes in memory is seen. */
	host_create(&h, NULL);
	check(memory_register(h.memory, (uintptr_t)h.base, 2 * GB), "memory_register");
	h.va = (uintptr_t)h.base;
	h.len = h.step = 4 * KB;
	bench_random_order(&b, &h);
	host_destroy(&h);
	host_create(&h, &touching);
	bench_pins(&b, &h, "touched", false);
	bench_sizes(&b, &h, "touched", false);
	host_destroy(&h);
	host_create(&h, NULL);
	bench_pins(&b, &h, "by system calls", false);
	bench_sizes(&b, &h, "by system calls", false);
	host_destroy(&h);
	return bench_end(&b);
}
