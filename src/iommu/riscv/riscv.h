/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RISC-V IOMMU, as "RISC-V IOMMU Architecture Specification" version 1.0 numbers it.
 *
 * Domains are first-stage tables of the widest mode that the IOMMU has, as Linux makes them: the
 * lower half of the addresses, dirty flags set from the start. Linux offers neither dirty tracking
 * nor nesting nor PASIDs on this IOMMU and tells nothing about it (GET_HW_INFO).
 */
#ifndef IOAS_IOMMU_RISCV_RISCV_H
#define IOAS_IOMMU_RISCV_RISCV_H

#include "iommu/iommu.h"

/* 6.3, capabilities register. */
#define RISCV_CAP_VERSION  FIELD(7, 0)
#define RISCV_CAP_SV39	   BIT(9)
#define RISCV_CAP_SV48	   BIT(10)
#define RISCV_CAP_SV57	   BIT(11)
#define RISCV_CAP_SVPBMT   BIT(15)
#define RISCV_CAP_AMO_HWAD BIT(24) /* sets accessed and dirty flags */
#define RISCV_CAP_IGS	   FIELD(29, 28)
#define RISCV_CAP_PAS	   FIELD(37, 32) /* width of physical addresses */

enum { RISCV_VERSION_1_0 = 0x10, RISCV_IGS_WSI = 1 };

/* 4.2, CAUSE of a fault record. */
enum riscv_cause {
	RISCV_CAUSE_READ_ACCESS = 5,
	RISCV_CAUSE_WRITE_ACCESS = 7,
	RISCV_CAUSE_READ_PAGE = 13,
	RISCV_CAUSE_WRITE_PAGE = 15,
	RISCV_CAUSE_DDT_INVALID = 258,
};

struct riscv {
	uint64_t capabilities;
	unsigned int width; /* of first-stage addresses, sign included */
};

/* The register that the options ask for. -EINVAL with a sentence in @why. */
int riscv_init_caps(struct riscv *v, const struct options *o, char *why, size_t why_len);
extern const struct option_key riscv_options[];

extern const struct iommu_make riscv_make;

#endif
