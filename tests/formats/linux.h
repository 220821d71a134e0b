/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's page-table code behind one face: what compare.c and bench/peers.c ask of it. Levels and
 * sizes are those of pagetable/pt.h.
 */
#ifndef IOAS_TESTS_FORMATS_LINUX_H
#define IOAS_TESTS_FORMATS_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct linux_config {
	unsigned int levels, ias, oas;
	uint64_t page_sizes; /* 0: all */
	bool dirty;	     /* hardware tracks dirty pages */
	bool coherent, unsign, napot, svpbmt, fwb;
};

struct linux_table {
	uint64_t *root;	     /* tables' PAs are pointers */
	uint64_t page_sizes; /* that it uses */
	/* As iommu_map(); prot by linux_prot(). */
	int (*map)(struct linux_table *t, uint64_t iova, uint64_t pa, uint64_t len, int prot);
	/* Whole mappings. As iommu_unmap(), but for the invalidation. */
	uint64_t (*unmap)(struct linux_table *t, uint64_t iova, uint64_t len);
	uint64_t (*translate)(struct linux_table *t, uint64_t iova);
	/* NULL where Linux has none. */
	int (*read_dirty)(struct linux_table *t, uint64_t iova, uint64_t len, bool clear,
			  void (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg);
	void (*close)(struct linux_table *t);
};

/* PT_* as Linux's IOMMU_*. */
int linux_prot(int prot);

/* NULL: Linux refuses. */
typedef struct linux_table *linux_open(const struct linux_config *c);
linux_open linux_amdv1, linux_vtdss, linux_x86_64, linux_riscv_64, linux_arm64_s1, linux_arm64_s2;

/* Pages for tables, of 4 KiB and up, zeroed (pages.c). */
struct shim_page {
	struct shim_page *next;
	unsigned int order;
};
void *shim_alloc(size_t size);
void shim_free(void *table);
struct shim_page *shim_page(const void *table);
void *shim_table(const struct shim_page *page);
/* How many are not free. */
uint64_t shim_used(void);

/* A dirty bitmap that calls back. */
struct iova_bitmap {
	void (*cb)(void *arg, uint64_t iova, uint64_t len);
	void *arg;
};

#endif
