/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VT-d's configuration structures (chapter 9): from RTADDR_REG and a requester ID by the root table
 * and a context table, in scalable mode on by a PASID directory and a PASID table, to how addresses
 * are walked.
 *
 * Whose memory the structures lie in is the caller's business. Each is read once, whole, into a
 * copy that is judged, so that a guest may change it meanwhile. Pure functions: no state, no locks,
 * any thread. What goes wrong is told as the fault reason of 7.1.3.
 */
#ifndef IOAS_IOMMU_VTD_CONTEXT_H
#define IOAS_IOMMU_VTD_CONTEXT_H

#include "iommu/vtd/stage.h"

/* 11.4.5, RTADDR_REG: the root table, and which kind. */
#define VTD_RTADDR_TTM FIELD(11, 10)
#define VTD_RTADDR_RTA (~MASK(12))
enum { VTD_TTM_LEGACY = 0, VTD_TTM_SCALABLE = 1, VTD_TTM_ABORT = 3 };

/* 9.1, 9.2, root entries: scalable mode has one such word for devices 0 to 15, and one for the
 * rest. */
#define VTD_ROOT_P   BIT(0)
#define VTD_ROOT_CTP FIELD(51, 12)

/* 9.3, context entries, of two words. */
#define VTD_CONTEXT_P	    BIT(0)
#define VTD_CONTEXT_FPD	    BIT(1)
#define VTD_CONTEXT_TT	    FIELD(3, 2)
#define VTD_CONTEXT_SSPTPTR FIELD(51, 12)
#define VTD_CONTEXT1_AW	    FIELD(2, 0)
#define VTD_CONTEXT1_IGN    FIELD(6, 3)
#define VTD_CONTEXT1_DID    FIELD(23, 8)
enum { VTD_TT_UNTRANSLATED = 0, VTD_TT_DEVICE_TLB = 1, VTD_TT_BYPASS = 2 };

/* 9.4, scalable-mode context entries, of four words. */
#define VTD_SM_CONTEXT_DTE	  BIT(2)
#define VTD_SM_CONTEXT_PASIDE	  BIT(3)
#define VTD_SM_CONTEXT_PRE	  BIT(4)
#define VTD_SM_CONTEXT_PDTS	  FIELD(11, 9)
#define VTD_SM_CONTEXT_DIR	  FIELD(51, 12)
#define VTD_SM_CONTEXT1_RID_PASID FIELD(19, 0)
#define VTD_SM_CONTEXT1_RID_PRIV  BIT(20)

/* 9.5, PASID directory entries. */
#define VTD_DIRECTORY_P	    BIT(0)
#define VTD_DIRECTORY_FPD   BIT(1)
#define VTD_DIRECTORY_TABLE FIELD(51, 12)

/* 9.6, PASID table entries, of eight words. */
#define VTD_PASID_P	  BIT(0)
#define VTD_PASID_FPD	  BIT(1)
#define VTD_PASID_AW	  FIELD(4, 2)
#define VTD_PASID_PGTT	  FIELD(8, 6)
#define VTD_PASID_SSADE	  BIT(9)
#define VTD_PASID_SSPTPTR FIELD(51, 12)
#define VTD_PASID1_DID	  FIELD(15, 0)
#define VTD_PASID1_PWSNP  BIT(23)
#define VTD_PASID1_PGSNP  BIT(24)
#define VTD_PASID1_MEMORY                                                                          \
	FIELD(63, 25) /* CD, EMTE, EMT, PWT, PCD, PAT: all memory is cached here */
#define VTD_PASID2_SRE	   BIT(0)
#define VTD_PASID2_ERE	   BIT(1)
#define VTD_PASID2_FSPM	   FIELD(3, 2)
#define VTD_PASID2_WPE	   BIT(4)
#define VTD_PASID2_NXE	   BIT(5)
#define VTD_PASID2_SMEP	   BIT(6)
#define VTD_PASID2_EAFE	   BIT(7)
#define VTD_PASID2_FSPTPTR FIELD(51, 12)
enum { VTD_PGTT_FIRST = 1, VTD_PGTT_SECOND = 2, VTD_PGTT_NESTED = 3, VTD_PGTT_BYPASS = 4 };

/* Capabilities of the remapping hardware that the structures are for, in the bits of CAP and ECAP.
 */
struct vtd_ids {
	uint64_t cap, ecap;
};

/* Where the structures are: 0, or not 0 when the bytes cannot be read. */
struct vtd_memory {
	int (*read)(void *arg, uint64_t addr, void *dst, size_t len);
	void *arg;
};

/* Of one requester's requests with one PASID, or without. */
struct vtd_stream {
	bool bypass;	 /* addresses are not translated */
	bool aborts;	 /* by RTADDR_REG: silently */
	bool device_tlb; /* translation requests are answered (ATS) */
	uint16_t did;
	uint32_t pasid; /* that the caches know it by: of the request, or RID_PASID */
	struct vtd_stage stage;
};

struct vtd_query {
	const struct vtd_ids *ids;
	const struct vtd_memory *memory;
	uint64_t rtaddr;
	uint16_t rid;
	bool has_pasid;
	uint32_t pasid;
};

/*
 * 0, or why there is no translation; out->stage.fpd tells then too whether qualified faults are to
 * be recorded, out->stage.legacy which mode it is.
 */
enum vtd_fault vtd_context_find(const struct vtd_query *q, struct vtd_stream *out);
/* 7.1.3: does Fault Processing Disable keep faults of this reason from being recorded? */
bool vtd_fault_is_qualified(enum vtd_fault f);

/* For those that look: the kind of the @n-th structure that vtd_context_find() reads; and of a PASID
 * table entry. */
struct look_kind;
const struct look_kind *vtd_structure_kind(uint64_t rtaddr, unsigned int n);
extern const struct look_kind vtd_pasid_kind;

/* Of one entry, wherever it was. */
enum vtd_fault vtd_context_decode(const struct vtd_ids *ids, const uint64_t raw[2],
				  struct vtd_stream *out);
enum vtd_fault vtd_pasid_decode(const struct vtd_ids *ids, const uint64_t raw[8],
				struct vtd_stream *out);

#endif
