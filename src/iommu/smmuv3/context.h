/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's configuration structures: from a stream ID to a stream table entry (STE), from a
 * substream ID to a context descriptor (CD), and from either to how addresses are walked.
 *
 * Whose memory the structures lie in, and whether the STE came from a stream table or was handed in
 * by a VMM, is the caller's business. Each structure is read once, whole, into a copy that is
 * judged, so that a guest may change it meanwhile. Pure functions: no state, no locks, any thread.
 *
 * What goes wrong is told as the event of IHI 0070, chapter 7.3, which the SMMU would record.
 */
#ifndef IOAS_IOMMU_SMMUV3_CONTEXT_H
#define IOAS_IOMMU_SMMUV3_CONTEXT_H

#include "iommu/smmuv3/regs.h"
#include "pagetable/pt.h"

/* What the implementation has: SMMU_IDR0 to SMMU_IDR5. */
struct smmuv3_ids {
	uint32_t idr[SMMUV3_NR_IDR];
};

/* 5.1. As SMMU_STRTAB_BASE and _CFG say. */
struct smmuv3_strtab {
	uint64_t base;
	bool two_level;
	unsigned int split;    /* 6, 8 or 10: stream ID bits within a level 2 table */
	unsigned int log2size; /* of the stream IDs */
};

/* Where the structures are: 0, or not 0 when the bytes cannot be read. */
struct smmuv3_memory {
	int (*read)(void *arg, uint64_t addr, void *dst, size_t len);
	void *arg;
};

/* One stage of translation, ready to be walked. */
struct smmuv3_stage {
	bool there;		      /* stage 1: not disabled by EPD */
	struct pt_regime r;	      /* read and arg are for the walker to set */
	bool set_accessed, set_dirty; /* HTTU: hardware's business */
	bool stall, record;
};

struct smmuv3_ste {
	bool abort;  /* silently */
	bool s1, s2; /* neither: bypass */
	enum smmuv3_s1fmt s1fmt;
	enum smmuv3_s1dss s1dss;
	enum smmuv3_strw strw;
	enum smmuv3_eats eats;
	unsigned int s1cdmax; /* log2 of the number of CDs */
	uint64_t s1ctxptr;
	bool s1stalld, mev;
	uint16_t vmid;
	struct smmuv3_stage stage2; /* of s2 */
};

struct smmuv3_cd {
	uint16_t asid;
	bool aset; /* not shared with CPUs: broadcast invalidation does not reach it */
	bool wxn, uwxn, pan;
	bool abort; /* A: a fault is an abort, else the access reads as zero or is ignored */
	bool tbi[2];
	unsigned int tsz_bits[2]; /* width of each half */
	struct smmuv3_stage half[2];
};

/* How a transaction is translated in stage 1, given its substream (5.2, S1DSS). */
enum smmuv3_select { SMMUV3_USE_CD, SMMUV3_BYPASS_STAGE1 };

/* The address of the STE of @sid. C_BAD_STREAMID, F_STE_FETCH. */
enum smmuv3_event_id smmuv3_ste_find(const struct smmuv3_strtab *t, const struct smmuv3_memory *m,
				     uint32_t sid, uint64_t *addr);
/* C_BAD_STE. */
enum smmuv3_event_id smmuv3_ste_decode(const struct smmuv3_ids *ids,
				       const uint64_t raw[SMMUV3_WORDS], struct smmuv3_ste *out);
/*
 * The CD that serves a transaction with substream @ssid (@ssv: it has one) of a stream that has
 * stage 1: *index in the table. C_BAD_SUBSTREAMID, F_STREAM_DISABLED.
 */
enum smmuv3_event_id smmuv3_substream(const struct smmuv3_ste *ste, bool ssv, uint32_t ssid,
				      enum smmuv3_select *how, uint32_t *index);
/* The address of CD @index. C_BAD_SUBSTREAMID, F_CD_FETCH. */
enum smmuv3_event_id smmuv3_cd_find(const struct smmuv3_ste *ste, const struct smmuv3_memory *m,
				    uint32_t index, uint64_t *addr);
/* C_BAD_CD. */
enum smmuv3_event_id smmuv3_cd_decode(const struct smmuv3_ids *ids, const struct smmuv3_ste *ste,
				      const uint64_t raw[SMMUV3_WORDS], struct smmuv3_cd *out);
/*
 * Which half of the address space @va belongs to, and its address there; NULL: F_TRANSLATION.
 */
const struct smmuv3_stage *smmuv3_cd_half(const struct smmuv3_cd *cd, uint64_t va,
					  uint64_t *within);

/* For those that look. */
struct look_kind;
extern const struct look_kind smmuv3_l1std_kind, smmuv3_ste_kind, smmuv3_l1cd_kind, smmuv3_cd_kind;

/* Output width in bits as IDR5.OAS, STE.S2PS and CD.IPS encode it. */
unsigned int smmuv3_address_bits(unsigned int code);

#endif
