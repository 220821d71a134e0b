/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest with an SMMUv3 for the unit tests: its memory at GPA, tables in it, a vIOMMU and one
 * device. What it writes into memory it computes here, by the specifications' numbers and not by
 * the engine's names.
 */
#ifndef TESTS_UNIT_IOMMU_SMMUV3_GUEST_H
#define TESTS_UNIT_IOMMU_SMMUV3_GUEST_H

#include "bed.h"
#include "iommu/viommu.h"

#define GUEST_GPA  0x40000000ull
#define GUEST_SIZE (32ull << 20)
#define GUEST_SID  0x42u

struct guest {
	struct bed bed;
	struct domain *parent;
	struct bed_map map;
	char *mem;
	uint64_t free; /* GPA of what is not handed out yet */
	struct requester *r;
	struct viommu *v;
	struct vdevice *vd;
	struct domain *nested;
	/* What the vIOMMU told. */
	bool deaf; /* nobody reads events */
	uint64_t event[4];
	uint32_t event_type;
	unsigned int nr_events; /* atomic */
	void *region;
};

/* @options: of --iommu. */
void guest_begin(struct guest *g, const char *options);
void guest_end(struct guest *g);
/* -errno of init(); @data NULL: none. */
int guest_viommu(struct guest *g, uint32_t type, void *data, size_t len);
int guest_vdevice(struct guest *g, uint64_t virt_id);
void guest_drop_vdevice(struct guest *g);
/* A nested domain of a vSTE; attach it. -errno of either. */
int guest_domain(struct guest *g, uint64_t ste0, uint64_t ste1, struct domain **out);
/* Attaches a new one in the place of the last. */
int guest_attach(struct guest *g, uint64_t ste0, uint64_t ste1);
void guest_detach(struct guest *g);

/* Zeroed guest memory, aligned to its size (a power of two). */
uint64_t guest_alloc(struct guest *g, uint64_t size);
void guest_reset(struct guest *g); /* all of it zeroed and free */
uint64_t *guest_word(struct guest *g, uint64_t gpa);

/* VMSAv8-64 stage 1: the granule's tables, level 0 that of pages. */
struct guest_table {
	unsigned int page_lg2, bits;
	uint64_t root;
};
struct guest_table guest_table(struct guest *g, unsigned int page_lg2, unsigned int bits);
/* Entry of @level for @va, its tables made on the way; GPA. */
uint64_t guest_entry(struct guest *g, const struct guest_table *t, uint64_t va, unsigned int level);
/* A page; @bits: all that is not the address. */
void guest_map(struct guest *g, const struct guest_table *t, uint64_t va, uint64_t gpa,
	       uint64_t bits);
#define S1_PAGE	   3ull
#define S1_AF	   (1ull << 10)
#define S1_USER	   (1ull << 6)
#define S1_RO	   (1ull << 7)
#define S1_NG	   (1ull << 11)
#define S1_DBM	   (1ull << 51)
#define S1_PXN	   (1ull << 53)
#define S1_UXN	   (1ull << 54)
#define S1_DEFAULT (S1_PAGE | S1_AF | S1_USER | S1_NG)

/* A CD for @t in TTBR0, TTBR1 off, as Linux makes it; @more is ored to word 0. */
void guest_cd(struct guest *g, uint64_t at, const struct guest_table *t, uint16_t asid,
	      uint64_t more);
#define CD_HA  (1ull << 43)
#define CD_HD  (1ull << 42)
#define CD_S   (1ull << 44)
#define CD_PAN (1ull << 40)
#define CD_WXN (1ull << 36)
#define CD_TBI (1ull << 38)
#define CD_R   (1ull << 45)
#define CD_A   (1ull << 46)

#define STE_V	   1ull
#define STE_ABORT  0ull
#define STE_BYPASS (4ull << 1)
#define STE_S1	   (5ull << 1)

/* Where a DMA of one byte goes: the GPA; -1: a fault. */
int64_t guest_dma(struct guest *g, uint32_t pasid, uint64_t iova, unsigned int access);

/* The type of our own, whose stream table of 2^@log2size entries is linear and lies at @strtab. */
#define GUEST_OWN 0x494f0003u
int guest_own_viommu(struct guest *g, uint64_t strtab, uint32_t cfg);
/* A nested domain of it, attached. */
int guest_own_attach(struct guest *g);

/* HWPT_INVALIDATE with native commands; *done. */
int guest_invalidate(struct guest *g, const uint64_t (*cmds)[2], uint32_t n, uint32_t *done);

#define CMD_TLBI_NH_ALL	  0x10ull
#define CMD_TLBI_NH_ASID  0x11ull
#define CMD_TLBI_NH_VA	  0x12ull
#define CMD_TLBI_NH_VAA	  0x13ull
#define CMD_TLBI_NSNH_ALL 0x30ull
#define CMD_CFGI_STE	  0x03ull
#define CMD_CFGI_ALL	  0x04ull
#define CMD_CFGI_CD	  0x05ull
#define CMD_CFGI_CD_ALL	  0x06ull
#define CMD_ATC_INV	  0x40ull
#define CMD_SYNC	  0x46ull
#define CMD_ASID(n)	  ((uint64_t)(n) << 48)
#define CMD_SID(n)	  ((uint64_t)(n) << 32)
#define CMD_SSID(n)	  ((uint64_t)(n) << 12)

#endif
