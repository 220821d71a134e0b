/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bed.h"

static void on_fault(void *arg, struct requester *r, const struct iommu_fault *f)
{
	struct bed *b = arg;

	b->last_fault = *f;
	__atomic_fetch_add(&b->nr_faults, 1, __ATOMIC_RELAXED);
}

static void on_revoked(void *arg)
{
	struct bed *b = arg;

	iommu_invalidate_all(b->iommu);
}

void bed_create(struct bed *b, const char *make, bool fence)
{
	bed_create_over(b, make, NULL, NULL);
	if (fence)
		b->epochs.fence = true;
}

void bed_create_over(struct bed *b, const char *make, const struct memory_ops *ops, void *arg)
{
	struct iommu_config cfg = {0};
	char why[256] = "";

	*b = (struct bed){0};
	assert_int_equal(
		memory_create(&(struct memory_config){.ops = ops, .ops_arg = arg}, &b->memory), 0);
	assert_int_equal(pt_mem_create(&b->tables), 0);
	assert_int_equal(memory_add_tables(b->memory, pt_mem_base(b->tables),
					   pt_mem_size(b->tables), pt_mem_pa_base(b->tables)),
			 0);
	epoch_domain_init(&b->epochs);
	cfg.memory = b->memory;
	cfg.tables = b->tables;
	cfg.epochs = &b->epochs;
	if (iommu_create(make, &cfg, &b->iommu, why, sizeof(why)))
		fail_msg("%s", why);
	b->iommu->fault = on_fault;
	b->iommu->fault_arg = b;
	memory_set_revoked(b->memory, on_revoked, b);
}

void bed_destroy(struct bed *b)
{
	iommu_destroy(b->iommu);
	pt_mem_destroy(b->tables);
	memory_destroy(b->memory);
}

void bed_map(struct bed *b, struct bed_map *map, struct domain *d, uint64_t iova, void *va,
	     uint64_t len, int prot)
{
	*map = (struct bed_map){.domain = d, .iova = iova, .len = len};
	assert_int_equal(pages_from_va(b->memory, &(struct memory_payer){0}, (uintptr_t)va, len,
				       prot & PT_WRITE, true, &map->pages),
			 0);
	assert_int_equal(pages_pin(map->pages, 0, len), 0);
	for (uint64_t off = 0, run; off < len; off += run) {
		uint64_t pa = pages_pa(map->pages, off, &run);

		run = min_u64(run, len - off);
		assert_int_equal(pt_map(domain_pt(d), iova + off, pa, run, prot), 0);
	}
}

void bed_unmap(struct bed *b, struct bed_map *map)
{
	struct pt_gather g = {0};

	assert_int_equal(pt_unmap(domain_pt(map->domain), map->iova, map->len, &g, NULL), 0);
	domain_invalidate(map->domain, map->iova, map->iova + map->len - 1, &g);
	pages_unpin(map->pages, 0, map->len);
	pages_put(map->pages);
}

char *bed_memory(size_t len)
{
	const size_t align = 2u << 20;
	char *p = mmap(NULL, len + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0),
	     *q;

	assert_ptr_not_equal(p, MAP_FAILED);
	q = (char *)align_up((uintptr_t)p, align);
	if (q > p)
		munmap(p, (size_t)(q - p));
	munmap(q + len, (size_t)(p + align - q));
	return q;
}

int bed_translate(struct requester *r, uint64_t iova, uint64_t len, enum iommu_access access,
		  struct translation *out)
{
	int rc;

	epoch_enter(requester_epoch(r));
	rc = iommu_translate(r, iova, len, access, out);
	epoch_exit(requester_epoch(r));
	return rc;
}
