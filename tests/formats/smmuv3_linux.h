/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's SMMUv3 driver's stream table entries and context descriptors behind one face: what
 * smmuv3.c asks of it. A table's addresses are the process's own.
 */
#ifndef IOAS_TESTS_FORMATS_SMMUV3_LINUX_H
#define IOAS_TESTS_FORMATS_SMMUV3_LINUX_H

#include <stdbool.h>
#include <stdint.h>

struct smmu_table;
/* A page table of io-pgtable-arm: @stage 1 or 2; NULL: Linux refuses. */
struct smmu_table *linux_table_open(unsigned int stage, uint64_t page, unsigned int ias,
				    unsigned int oas, bool dirty, bool fwb);
void linux_table_close(struct smmu_table *t);
/* One page of @size. 0 or -errno. */
int linux_table_map(struct smmu_table *t, uint64_t iova, uint64_t pa, uint64_t size, bool write);
uint64_t linux_table_translate(struct smmu_table *t, uint64_t iova); /* 0: nothing */

void linux_abort_ste(uint64_t ste[8]);
void linux_bypass_ste(uint64_t ste[8], bool attributes);
struct linux_cdtable {
	uint64_t base;
	unsigned int s1fmt, s1cdmax, s1dss;
	bool ats, has_stalls, stalls;
};
void linux_cdtable_ste(uint64_t ste[8], const struct linux_cdtable *t);
void linux_s2_ste(uint64_t ste[8], struct smmu_table *t, uint16_t vmid, bool stalls);
void linux_s1_cd(uint64_t cd[8], struct smmu_table *t, uint16_t asid, bool stalls);
void linux_cd_l1(uint64_t *desc, uint64_t l2);
void linux_strtab_l1(uint64_t *desc, uint64_t l2);

#endif
