/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest with a VT-d for the unit tests: first-stage tables, its configuration in scalable mode,
 * and a walker without caches that says what is right. Numbers are the specification's (D51397),
 * not the engine's names.
 */
#ifndef TESTS_UNIT_IOMMU_VTD_GUEST_H
#define TESTS_UNIT_IOMMU_VTD_GUEST_H

#include "smmuv3_guest.h"

#define FS_P  1ull
#define FS_RW 2ull
#define FS_US 4ull
#define FS_A  0x20ull
#define FS_D  0x40ull
#define FS_PS 0x80ull
#define FS_EA 0x400ull
#define FS_XD (1ull << 63)

#define S1_SRE	1u
#define S1_EAFE 2u
#define S1_WPE	4u

#define VTD_RID	 0x1a3u
#define VTD_TYPE 0x494f0001u

/* A nested domain of VTD_S1 data; -errno. */
int vtd_s1(struct guest *g, uint32_t hwpt_flags, uint64_t flags, uint64_t root, uint32_t width,
	   struct domain **out);
/* Attaches a new one in the place of the last. */
int vtd_attach_s1(struct guest *g, uint64_t flags, uint64_t root, uint32_t width);
/* HWPT_INVALIDATE of one range. */
int vtd_s1_invalidate(struct guest *g, uint64_t addr, uint64_t npages, uint32_t flags);

/* The entry of @level (0: pages) for @va in tables of @levels at @root, made on the way; GPA. */
uint64_t vtd_entry(struct guest *g, uint64_t root, unsigned int levels, uint64_t va,
		   unsigned int level);

/* The vIOMMU of our own, with a device of VTD_RID. */
void vtd_viommu(struct guest *g, uint64_t cap, uint64_t ecap);
int vtd_attach_root(struct guest *g, uint64_t rtaddr);
/* Native descriptors of two words. */
int vtd_descriptors(struct guest *g, const uint64_t (*d)[2], uint32_t n, uint32_t *done);
void vtd_forget(struct guest *g, uint64_t w0, uint64_t w1);

/* Where everything of the guest's configuration is. */
struct vtd_config {
	uint64_t root, context, directory, table; /* GPAs */
};
/* Scalable mode: VTD_RID's device with PASIDs 0 to 63, of which none is present. */
struct vtd_config vtd_scalable_config(struct guest *g);
/* PASID table entry of a first stage; @word2: all of the third word but the root. */
void vtd_pasid(struct guest *g, const struct vtd_config *c, uint32_t pasid, uint16_t did,
	       uint64_t root, uint64_t word2);

/* Without caches: the GPA of the page; -1 and *code: a fault. */
int64_t vtd_naive_walk(struct guest *g, uint64_t root, uint64_t va, unsigned int access,
		       unsigned int *code);
int64_t vtd_naive(struct guest *g, const struct vtd_config *c, uint32_t pasid, uint64_t va,
		  unsigned int access, unsigned int *code);

#endif
