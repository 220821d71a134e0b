/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a test of the iommu and dma rooms stands on: memory, tables, one IOMMU, and program memory
 * mapped into a domain.
 */
#ifndef TESTS_UNIT_IOMMU_BED_H
#define TESTS_UNIT_IOMMU_BED_H

#include "iommu/iommu.h"

struct bed {
	struct memory *memory;
	struct pt_mem *tables;
	struct epoch_domain epochs;
	struct iommu *iommu;
	struct iommu_fault last_fault; /* as told to iommu->fault */
	unsigned int nr_faults;
};

/* Asserts that it works. @fence: without membarrier. */
void bed_create(struct bed *b, const char *make, bool fence);
/* The same over @ops. */
void bed_create_over(struct bed *b, const char *make, const struct memory_ops *ops, void *arg);
void bed_destroy(struct bed *b);

/* [va, va + len) of this process, pinned. */
struct bed_map {
	struct pages *pages;
	struct domain *domain;
	uint64_t iova, len;
};
/* BARs are accepted. */
void bed_map(struct bed *b, struct bed_map *map, struct domain *d, uint64_t iova, void *va,
	     uint64_t len, int prot);
/* Unmaps, invalidates and unpins: nothing touches the memory any more. */
void bed_unmap(struct bed *b, struct bed_map *map);

/* Anonymous memory, 2 MiB aligned. */
char *bed_memory(size_t len);

/* One section around one translation. */
int bed_translate(struct requester *r, uint64_t iova, uint64_t len, enum iommu_access access,
		  struct translation *out);

#endif
