/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation and invalidation.
 *
 * The working sets are of 4 KiB pages, so that 2 MiB are cached and 1 GiB and 64 GiB are not. A
 * translation that misses must load its leaf entry at least: it is shown beside dependent loads
 * over as much memory as those entries take.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "iommu/domain.h"
#include "iommu/requester.h"

#define GB (1ull << 30)
#define MB (1ull << 20)

struct host {
	struct memory *memory;
	struct pt_mem *tables;
	struct epoch_domain epochs;
	struct iommu *iommu;
	struct domain *domain;
	struct requester *r;
	char *base; /* registered, mapped at IOVA 0 */
	uint64_t len;
	struct pages *pages;
	uint64_t translated; /* by another thread */
	uint64_t rng;
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void map_all(struct host *h)
{
	check(memory_register(h->memory, (uintptr_t)h->base, h->len), "memory_register");
	check(pages_from_va(h->memory, &(struct memory_payer){0}, (uintptr_t)h->base, h->len, true,
			    false, &h->pages),
	      "pages_from_va");
	check(pages_pin(h->pages, 0, h->len), "pages_pin");
	for (uint64_t off = 0, run; off < h->len; off += run) {
		uint64_t pa = pages_pa(h->pages, off, &run);

		run = min_u64(run, h->len - off);
		check(pt_map(domain_pt(h->domain), off, pa, run, PT_READ | PT_WRITE), "pt_map");
	}
}

static void host_create(struct host *h, const char *make, uint64_t len)
{
	struct iommu_config cfg = {0};
	char why[200];

	*h = (struct host){.len = len};
	check(memory_create(&(struct memory_config){0}, &h->memory), "memory_create");
	check(pt_mem_create(&h->tables), "pt_mem_create");
	check(memory_add_tables(h->memory, pt_mem_base(h->tables), pt_mem_size(h->tables),
				pt_mem_pa_base(h->tables)),
	      "memory_add_tables");
	epoch_domain_init(&h->epochs);
	cfg.memory = h->memory;
	cfg.tables = h->tables;
	cfg.epochs = &h->epochs;
	check(iommu_create(make, &cfg, &h->iommu, why, sizeof(why)), "iommu_create");
	check(domain_alloc(h->iommu, 0, &h->domain), "domain_alloc");
	check(requester_create(h->iommu, 1, &h->r), "requester_create");
	check(requester_attach(h->r, h->domain), "requester_attach");
	/* Only translated, never touched. */
	h->base = mmap(NULL, len + GB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(h->base == MAP_FAILED ? -12 : 0, "mmap");
	h->base = (char *)align_up((uintptr_t)h->base, GB);
	map_all(h);
	requester_begin(h->r);
}

static void host_destroy(struct host *h)
{
	struct pt_gather g = {0};

	requester_end(h->r);
	check(pt_unmap(domain_pt(h->domain), 0, h->len, &g, NULL), "pt_unmap");
	domain_invalidate(h->domain, 0, h->len - 1, &g);
	pages_unpin(h->pages, 0, h->len);
	pages_put(h->pages);
	check(requester_attach(h->r, NULL), "requester_attach");
	requester_destroy(h->r);
	domain_free(h->domain);
	iommu_destroy(h->iommu);
	pt_mem_destroy(h->tables);
	memory_destroy(h->memory);
	munmap(h->base, h->len);
}

static void translate(void *arg, uint64_t n)
{
	struct host *h = arg;
	uint64_t pages = h->len >> PAGE_SHIFT;
	struct translation t;

	epoch_enter(&h->r->epoch);
	while (n--) {
		uint64_t page = (unsigned __int128)bench_random(&h->rng) * pages >> 64;

		iommu_translate(h->r, page << PAGE_SHIFT, 64, IOMMU_READ, &t);
		bench_use((uintptr_t)t.ptr);
	}
	epoch_exit(&h->r->epoch);
}

static void translate_in_sections(void *arg, uint64_t n)
{
	struct host *h = arg;
	struct translation t;

	for (uint64_t page = 0; n--; page = (page + 37) % 512) {
		epoch_enter(&h->r->epoch);
		iommu_translate(h->r, page << PAGE_SHIFT, 64, IOMMU_READ, &t);
		bench_use((uintptr_t)t.ptr);
		epoch_exit(&h->r->epoch);
	}
}

static void translate_cold(void *arg, uint64_t n)
{
	struct host *h = arg;
	struct translation t;

	for (uint64_t page = 0; n--; page = (page + 37) % 512) {
		epoch_enter(&h->r->epoch);
		iotlb_forget(&h->r->iotlb, &h->r->rid.own, page << PAGE_SHIFT, page << PAGE_SHIFT);
		iommu_translate(h->r, page << PAGE_SHIFT, 64, IOMMU_READ, &t);
		bench_use((uintptr_t)t.ptr);
		epoch_exit(&h->r->epoch);
	}
}

static void bench_translate(struct bench *b)
{
	static const struct {
		const char *name, *make, *chase;
		uint64_t len, chase_bytes;
	} rows[] = {
		{"translate, 2 MiB of 4 KiB pages: hits", "vtd,huge=4K", "chase in 4 KiB", 2 * MB,
		 4096},
		{"translate, 32 MiB of 4 KiB pages", "vtd,huge=4K", "chase in 64 KiB", 32 * MB,
		 64 << 10},
		{"translate, 1 GiB of 4 KiB pages: misses", "vtd,huge=4K", "chase in 2 MiB", GB,
		 2 * MB},
		{"translate, 8 GiB of 4 KiB pages: misses", "vtd,huge=4K", "chase in 16 MiB",
		 8 * GB, 16 << 20},
		{"translate, 64 GiB of 4 KiB pages: misses", "vtd,huge=4K", "chase in 128 MiB",
		 64 * GB, 128 * MB},
		{"translate, 1 GiB of 2 MiB pages: hits", "vtd,huge=2M", "chase in 4 KiB", GB,
		 4096},
		{"translate, 64 GiB of 1 GiB pages: hits", "vtd", "chase in 4 KiB", 64 * GB, 4096},
	};

	for (size_t n = 0; n < sizeof(rows) / sizeof(*rows); n++) {
		struct host h;

		host_create(&h, rows[n].make, rows[n].len);
		bench_row(b, rows[n].name, bench_run(b, translate, &h, 2000000), rows[n].chase,
			  bench_chase(b, rows[n].chase_bytes));
		if (!n) {
			bench_row(b, "the same, a section for each",
				  bench_run(b, translate_in_sections, &h, 2000000),
				  "chase in 4 KiB", bench_chase(b, 4096));
			bench_row(b, "the same, each forgotten before: miss with a cached table",
				  bench_run(b, translate_cold, &h, 2000000), "chase in 4 KiB",
				  bench_chase(b, 4096));
		}
		host_destroy(&h);
	}
}

static void invalidate(void *arg, uint64_t n)
{
	struct host *h = arg;

	for (uint64_t page = 0; n--; page = (page + 37) % 512)
		domain_invalidate(h->domain, page << PAGE_SHIFT, (page << PAGE_SHIFT) + PAGE_MASK,
				  NULL);
}

/* A DMA thread's share of one invalidation: the command is posted, found and applied at its next
 * translation. */
static void post_and_apply(void *arg, uint64_t n)
{
	struct host *h = arg;

	for (uint64_t page = 1ull << 20; n--; page++) {
		requester_post(&h->r->rid, page << PAGE_SHIFT, (page << PAGE_SHIFT) + PAGE_MASK);
		requester_catch_up(h->r);
	}
}

static void fill(struct host *h, uint64_t entries)
{
	iotlb_forget_all(&h->r->iotlb);
	for (uint64_t page = 0; page < entries; page++)
		iotlb_fill(&h->r->iotlb, &h->r->rid.own, page << PAGE_SHIFT, IOTLB_4K, (void *)0x1000, 1,
			   IOMMU_READ);
}

struct busy {
	struct host *h;
	const struct bench *b;
	bool running, stop;
};

static void until_translated(void *arg)
{
	const struct host *h = arg;
	uint64_t seen = __atomic_load_n(&h->translated, __ATOMIC_RELAXED);

	while (__atomic_load_n(&h->translated, __ATOMIC_RELAXED) == seen)
		__builtin_ia32_pause();
}

static void *run_busy(void *arg)
{
	struct busy *busy = arg;

	bench_pin(busy->b, 1);
	requester_begin(busy->h->r);
	__atomic_store_n(&busy->running, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&busy->stop, __ATOMIC_RELAXED)) {
		translate_in_sections(busy->h, 100);
		__atomic_fetch_add(&busy->h->translated, 1, __ATOMIC_RELAXED);
	}
	requester_end(busy->h->r);
	return NULL;
}

static void bench_invalidate(struct bench *b)
{
	struct busy busy = {.b = b};
	pthread_t thread;
	struct host h;

	host_create(&h, "vtd,huge=4K", 2 * MB);
	for (uint64_t entries = 1; entries <= 1024; entries *= 1024) {
		char name[80];

		fill(&h, entries);
		snprintf(name, sizeof(name), "page invalidation, %llu entries cached: post, apply",
			 (unsigned long long)entries);
		bench_row(b, name, bench_run(b, post_and_apply, &h, 1000000), "an atomic addition",
			  bench_atomic(b));
	}
	requester_end(h.r);
	bench_row(b, "page invalidation, the device idle: whole call",
		  bench_run(b, invalidate, &h, 1000000), "an atomic addition", bench_atomic(b));
	busy.h = &h;
	bench_pin(b, 0);
	check(-pthread_create(&thread, NULL, run_busy, &busy), "pthread_create");
	while (!__atomic_load_n(&busy.running, __ATOMIC_RELAXED))
		sched_yield();
	bench_row(b, "page invalidation, the device busy: whole call",
		  bench_each(b, until_translated, invalidate, &h, 5000), "membarrier",
		  bench_membarrier(b));
	__atomic_store_n(&busy.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	bench_pin(b, -1);
	requester_begin(h.r);
	host_destroy(&h);
}

int main(int argc, char **argv)
{
	struct bench b;

	bench_begin(&b, argc, argv);
	bench_translate(&b);
	bench_invalidate(&b);
	return bench_end(&b);
}
