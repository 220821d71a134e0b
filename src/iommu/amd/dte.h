/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device table entries and GCR3 tables (48882 revision 3.08, sections 2.2.2 and 2.2.6.3): pure
 * functions of their bits and of what the IOMMU can do.
 *
 * Only what concerns DMA is judged; interrupt remapping is the VMM's.
 */
#ifndef IOAS_IOMMU_AMD_DTE_H
#define IOAS_IOMMU_AMD_DTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

#define AMD_DTE_WORDS 4
#define AMD_DTE_SIZE  32

/* Bits 63:0. */
#define AMD_DTE0_V	    BIT(0)
#define AMD_DTE0_TV	    BIT(1)
#define AMD_DTE0_RESERVED   (FIELD(6, 2) | BIT(63))
#define AMD_DTE0_HAD	    FIELD(8, 7)
#define AMD_DTE0_MODE	    FIELD(11, 9)
#define AMD_DTE0_ROOT	    FIELD(51, 12)
#define AMD_DTE0_PPR	    BIT(52)
#define AMD_DTE0_GIOV	    BIT(54)
#define AMD_DTE0_GV	    BIT(55)
#define AMD_DTE0_GLX	    FIELD(57, 56)
#define AMD_DTE0_GCR3_14_12 FIELD(60, 58)
#define AMD_DTE0_IR	    BIT(61)
#define AMD_DTE0_IW	    BIT(62)
/* Bits 127:64. */
#define AMD_DTE1_DOMAIN	    FIELD(15, 0)
#define AMD_DTE1_GCR3_30_15 FIELD(31, 16)
#define AMD_DTE1_SE	    BIT(33) /* one page fault is told, then none */
#define AMD_DTE1_SA	    BIT(34) /* none is */
#define AMD_DTE1_GCR3_51_31 FIELD(63, 43)
/* Bits 191:128. */
#define AMD_DTE2_RESERVED FIELD(53, 52)
#define AMD_DTE2_GPMODE	  FIELD(55, 54)

/* GLX: the levels of the GCR3 table, less one. */
enum { AMD_GLX_RESERVED = 3, AMD_GLX_MAX = 2 };
/* GuestPagingMode: the levels of guest tables, less four; more is reserved. */
enum { AMD_GPMODE_MAX = 1 };

#define AMD_GCR3_INDEX_LG2 9
#define AMD_GCR3_V	   BIT(0)
#define AMD_GCR3_ADDR	   FIELD(51, 12)
#define AMD_GCR3_RESERVED  (FIELD(11, 1) | FIELD(63, 52))

/* What an IOMMU can do that makes encodings legal. */
struct amd_limits {
	unsigned int host_levels;
	unsigned int guest_levels; /* 0: no guest tables */
	unsigned int gcr3_levels;
	unsigned int pasid_bits;
	bool giov, accessed, dirty;
};

struct amd_dte {
	bool v, tv, giov, gv, ir, iw, se, sa;
	uint8_t had;  /* bit 0: accessed flags of host tables are set, bit 1: and dirty ones */
	uint8_t mode; /* levels of host tables; 0: none, the address is the output's */
	uint8_t gcr3_levels, guest_levels;
	uint16_t domain;
	uint64_t root; /* of host tables */
	uint64_t gcr3;
};

enum amd_dte_fault {
	AMD_DTE_GOOD,
	AMD_DTE_RESERVED, /* a bit that must be 0 is not */
	AMD_DTE_ILLEGAL,  /* an encoding that is reserved, or that this IOMMU has not */
};

/*
 * Takes apart what @raw says of DMA. Without V and TV nothing else is looked at. Host and guest
 * tables at once (GV and a Mode) are illegal here: the stage under a guest's tables is the nest
 * parent.
 */
enum amd_dte_fault amd_dte_decode(const uint64_t raw[AMD_DTE_WORDS], const struct amd_limits *can,
				  struct amd_dte *out);

/* For those that look. */
struct look_kind;
extern const struct look_kind amd_dte_kind, amd_gcr3_kind;

/* Where in a GCR3 table of @levels the entry for @pasid is, and whether it reaches so far. */
bool amd_gcr3_reaches(unsigned int levels, uint32_t pasid);
/* Offset of the entry for @pasid in a table of @level, 0 that whose entries are guest CR3s. */
static inline uint64_t amd_gcr3_offset(unsigned int level, uint32_t pasid)
{
	return ((uint64_t)pasid >> (level * AMD_GCR3_INDEX_LG2) & MASK(AMD_GCR3_INDEX_LG2)) *
	       sizeof(uint64_t);
}

#endif
