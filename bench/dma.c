/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA of a device whose translations are cached, beside memcpy() between the same buffers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "dma/dma.h"

#define LEN (1u << 20)

struct host {
	struct memory *memory;
	struct pt_mem *tables;
	struct epoch_domain epochs;
	struct iommu *iommu;
	struct domain *domain;
	struct requester *r;
	struct dma_port port;
	char *mem, *own; /* the program's memory, mapped at IOVA 0, and the device's buffer */
	uint64_t size;	 /* of one transfer */
	struct pages *pages;
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void host_create(struct host *h, bool registered)
{
	struct iommu_config cfg = {0};
	uint64_t run;
	char why[200];

	*h = (struct host){0};
	check(memory_create(&(struct memory_config){0}, &h->memory), "memory_create");
	check(pt_mem_create(&h->tables), "pt_mem_create");
	check(memory_add_tables(h->memory, pt_mem_base(h->tables), pt_mem_size(h->tables),
				pt_mem_pa_base(h->tables)),
	      "memory_add_tables");
	epoch_domain_init(&h->epochs);
	cfg.memory = h->memory;
	cfg.tables = h->tables;
	cfg.epochs = &h->epochs;
	check(iommu_create("vtd,huge=4K", &cfg, &h->iommu, why, sizeof(why)), "iommu_create");
	check(domain_alloc(h->iommu, 0, &h->domain), "domain_alloc");
	check(requester_create(h->iommu, 1, &h->r), "requester_create");
	check(requester_attach(h->r, h->domain), "requester_attach");
	h->mem = aligned_alloc(LEN, LEN);
	h->own = aligned_alloc(4096, LEN);
	check(h->mem && h->own ? 0 : -12, "memory");
	memset(h->mem, 1, LEN);
	memset(h->own, 2, LEN);
	if (registered)
		check(memory_register(h->memory, (uintptr_t)h->mem, LEN), "memory_register");
	check(pages_from_va(h->memory, &(struct memory_payer){0}, (uintptr_t)h->mem, LEN, true,
			    false, &h->pages),
	      "pages_from_va");
	check(pages_pin(h->pages, 0, LEN), "pages_pin");
	check(pt_map(domain_pt(h->domain), 0, pages_pa(h->pages, 0, &run), LEN, PT_READ | PT_WRITE),
	      "pt_map");
	dma_port_init(&h->port, h->r, h->memory);
	dma_set_bus_master(&h->port, true);
	dma_begin(&h->port);
}

static void host_destroy(struct host *h)
{
	struct pt_gather g = {0};

	dma_end(&h->port);
	check(pt_unmap(domain_pt(h->domain), 0, LEN, &g, NULL), "pt_unmap");
	domain_invalidate(h->domain, 0, LEN - 1, &g);
	pages_unpin(h->pages, 0, LEN);
	pages_put(h->pages);
	check(requester_attach(h->r, NULL), "requester_attach");
	requester_destroy(h->r);
	domain_free(h->domain);
	iommu_destroy(h->iommu);
	pt_mem_destroy(h->tables);
	memory_destroy(h->memory);
	free(h->mem);
	free(h->own);
}

/* The transfers walk over a quarter of an L2, as those of a device with a few queues do. */
#define NEXT(off, h) (((off) + (h)->size) & (LEN / 8 - 1))

static void copy(void *arg, uint64_t n)
{
	struct host *h = arg;

	for (uint64_t off = 0; n--; off = NEXT(off, h)) {
		memcpy(h->own, h->mem + off, h->size);
		bench_use((uintptr_t)h->own);
	}
}

static void read_dma(void *arg, uint64_t n)
{
	struct host *h = arg;
	int rc = 0;

	for (uint64_t off = 0; n--; off = NEXT(off, h))
		rc |= dma_read(&h->port, off, h->own, h->size);
	check(rc, "dma_read");
}

static void write_dma(void *arg, uint64_t n)
{
	struct host *h = arg;
	int rc = 0;

	for (uint64_t off = 0; n--; off = NEXT(off, h))
		rc |= dma_write(&h->port, off, h->own, h->size);
	check(rc, "dma_write");
}

int main(int argc, char **argv)
{
	static const uint64_t sizes[] = {8, 64, 512, 4096, 65536};
	struct bench b;
	struct host h;

	bench_begin(&b, argc, argv);
	for (int registered = 1; registered >= 0; registered--) {
		const char *what = registered ? "registered" : "unregistered";

		host_create(&h, registered);
		for (size_t n = 0; n < sizeof(sizes) / sizeof(*sizes); n++) {
			uint64_t ops = 100000000 / (sizes[n] + 2000);
			struct bench_cost limit;
			char name[80];

			h.size = sizes[n];
			limit = bench_run(&b, copy, &h, ops);
			snprintf(name, sizeof(name), "DMA read of %llu bytes, %s memory",
				 (unsigned long long)h.size, what);
			bench_row(&b, name, bench_run(&b, read_dma, &h, ops), "memcpy", limit);
			snprintf(name, sizeof(name), "DMA write of %llu bytes, %s memory",
				 (unsigned long long)h.size, what);
			bench_row(&b, name, bench_run(&b, write_dma, &h, ops), "memcpy", limit);
		}
		host_destroy(&h);
	}
	return bench_end(&b);
}
