/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel VT-d, as "Intel Virtualization Technology for Directed I/O" (D51397), revision 4.1, numbers
 * it.
 *
 * The host uses legacy mode, or scalable mode where second-stage accessed and dirty flags exist
 * (they need its PASID table). Domains are second-stage tables, or, where scalable mode has
 * first-stage ones, these unless dirty tracking is asked for or they are to be nested upon. PASIDs
 * are there in scalable mode.
 *
 * With nesting=on a guest's tables are walked: first-stage ones that the VMM handed in, as Linux
 * has it (nested.c), or all that the guest's own root table leads to (viommu.h).
 */
#ifndef IOAS_IOMMU_VTD_VTD_H
#define IOAS_IOMMU_VTD_VTD_H

#include "iommu/iommu.h"

/* 11.4.2, Capability Register. */
#define VTD_CAP_ND    FIELD(2, 0) /* domain IDs: 2^(4 + 2 * ND) */
#define VTD_CAP_SAGAW FIELD(12, 8)
#define VTD_CAP_MGAW  FIELD(21, 16) /* width of the input, less one */
#define VTD_CAP_ZLR   BIT(22)	    /* zero-length reads of write-only pages */
#define VTD_CAP_FRO   FIELD(33, 24) /* of the fault recording registers, in 16 bytes */
#define VTD_CAP_SSLPS FIELD(37, 34) /* bit 0: 2 MiB, bit 1: 1 GiB */
#define VTD_CAP_PSI   BIT(39)	    /* page-selective invalidation, of up to 2^MAMV pages */
#define VTD_CAP_NFR   FIELD(47, 40) /* fault recording registers, less one */
#define VTD_CAP_MAMV  FIELD(53, 48)
#define VTD_CAP_DWD   BIT(54) /* an invalidation drains writes, and reads */
#define VTD_CAP_DRD   BIT(55)
#define VTD_CAP_FS1GP BIT(56) /* first stage: 1 GiB, */
#define VTD_CAP_FS5LP BIT(60) /* five levels */

/* SAGAW: the levels of second-stage tables. */
#define VTD_SAGAW_39 BIT(1)
#define VTD_SAGAW_48 BIT(2)
#define VTD_SAGAW_57 BIT(3)

/* 11.4.3, Extended Capability Register. */
#define VTD_ECAP_C	BIT(0) /* walks snoop the processor's caches */
#define VTD_ECAP_QI	BIT(1)
#define VTD_ECAP_DT	BIT(2) /* device TLBs */
#define VTD_ECAP_IR	BIT(3)
#define VTD_ECAP_EIM	BIT(4)
#define VTD_ECAP_PT	BIT(6)
#define VTD_ECAP_SC	BIT(7)
#define VTD_ECAP_IRO	FIELD(17, 8) /* of the IOTLB registers, in 16 bytes */
#define VTD_ECAP_MHMV	FIELD(23, 20)
#define VTD_ECAP_NEST	BIT(26)
#define VTD_ECAP_PRS	BIT(29)	      /* page requests */
#define VTD_ECAP_ERS	BIT(30)	      /* execute requests */
#define VTD_ECAP_SRS	BIT(31)	      /* supervisor requests */
#define VTD_ECAP_EAFS	BIT(34)	      /* extended accessed flag */
#define VTD_ECAP_PSS	FIELD(39, 35) /* width of PASIDs, less one */
#define VTD_ECAP_PASID	BIT(40)
#define VTD_ECAP_SMTS	BIT(43) /* scalable mode */
#define VTD_ECAP_SSADS	BIT(45) /* second-stage accessed and dirty flags (SLADS) */
#define VTD_ECAP_SSTS	BIT(46)
#define VTD_ECAP_FSTS	BIT(47)
#define VTD_ECAP_SMPWCS BIT(48) /* scalable-mode walks snoop */
#define VTD_ECAP_RPS	BIT(49) /* RID_PASID */
#define VTD_ECAP_ADMS	BIT(52) /* a root table of no table: all DMA aborts */
#define VTD_ECAP_RPRIVS BIT(53) /* RID_PRIV */

/*
 * 7.1.3, fault reasons of legacy mode, of interrupts and of scalable mode, and the specification's
 * names for them.
 */
enum vtd_fault {
	VTD_FAULT_ROOT_NOT_PRESENT = 0x01,    /* LRT.2 */
	VTD_FAULT_CONTEXT_NOT_PRESENT = 0x02, /* LCT.2 */
	VTD_FAULT_CONTEXT_INVALID = 0x03,     /* LCT.4 */
	VTD_FAULT_BEYOND_MGAW = 0x04,	      /* LGN.1 */
	VTD_FAULT_WRITE = 0x05,		      /* LGN.2 */
	VTD_FAULT_READ = 0x06,		      /* LGN.3 */
	VTD_FAULT_SS_ACCESS = 0x07,	      /* LSL.1 */
	VTD_FAULT_ROOT_ACCESS = 0x08,	      /* LRT.1 */
	VTD_FAULT_CONTEXT_ACCESS = 0x09,      /* LCT.1 */
	VTD_FAULT_ROOT_RESERVED = 0x0a,	      /* LRT.3 */
	VTD_FAULT_CONTEXT_RESERVED = 0x0b,    /* LCT.3 */
	VTD_FAULT_SS_RESERVED = 0x0c,	      /* LSL.2 */
	VTD_FAULT_TRANSLATION_BLOCKED = 0x0d, /* LCT.5 */
	VTD_FAULT_INTERRUPT_RANGE = 0x0e,     /* LGN.4 */
	VTD_FAULT_IRTE_NOT_PRESENT = 0x22,
	VTD_FAULT_COMPATIBILITY_INTERRUPT = 0x25,
	VTD_FAULT_SM_ROOT_ADDRESS = 0x30,     /* SRTA.1 */
	VTD_FAULT_TTM = 0x31,		      /* SRTA.2 */
	VTD_FAULT_SM_ROOT_ACCESS = 0x38,      /* SRT.1 */
	VTD_FAULT_SM_ROOT_NOT_PRESENT = 0x39, /* SRT.2 */
	VTD_FAULT_SM_ROOT_RESERVED = 0x3a,    /* SRT.3 */
	VTD_FAULT_SM_CONTEXT_ACCESS = 0x40,   /* SCT.1 */
	VTD_FAULT_SM_CONTEXT_NOT_PRESENT = 0x41,
	VTD_FAULT_SM_CONTEXT_RESERVED = 0x42, /* SCT.3 */
	VTD_FAULT_SM_CONTEXT_INVALID = 0x43,  /* SCT.4 */
	VTD_FAULT_NO_DTE = 0x44,	      /* SCT.5 */
	VTD_FAULT_NO_PASIDE = 0x45,	      /* SCT.6 */
	VTD_FAULT_PASID_BEYOND = 0x46,	      /* SCT.7 */
	VTD_FAULT_RID_PASID = 0x48,	      /* SCT.9 */
	VTD_FAULT_DIRECTORY_ACCESS = 0x50,    /* SPD.1 */
	VTD_FAULT_DIRECTORY_NOT_PRESENT = 0x51,
	VTD_FAULT_DIRECTORY_RESERVED = 0x52, /* SPD.3 */
	VTD_FAULT_PASID_ACCESS = 0x58,	     /* SPT.1 */
	VTD_FAULT_PASID_NOT_PRESENT = 0x59,  /* SPT.2 */
	VTD_FAULT_PASID_RESERVED = 0x5a,     /* SPT.3 */
	VTD_FAULT_PASID_INVALID = 0x5b,	     /* SPT.4 */
	VTD_FAULT_NO_ERE = 0x5c,	     /* SPT.5 */
	VTD_FAULT_NO_SRE = 0x5d,	     /* SPT.6 */
	VTD_FAULT_FS_ACCESS = 0x70,	     /* SFS.1 */
	VTD_FAULT_FS_NOT_PRESENT = 0x71,     /* SFS.2 */
	VTD_FAULT_FS_RESERVED = 0x72,	     /* SFS.3 */
	VTD_FAULT_FS_ROOT_ACCESS = 0x73,     /* SFS.4 */
	VTD_FAULT_NESTED_FS_BEYOND = 0x74,   /* SFS.5: a table, beyond the second stage's input */
	VTD_FAULT_NESTED_FS_ROOT_READ =
		0x75,			     /* SFS.6: what the second stage permits, of the root */
	VTD_FAULT_NESTED_FS_READ = 0x76,     /* SFS.7: and of other tables */
	VTD_FAULT_NESTED_FS_WRITE = 0x77,    /* SFS.8: to set a flag there */
	VTD_FAULT_SM_SS_ACCESS = 0x78,	     /* SSS.1 */
	VTD_FAULT_SM_SS_RESERVED = 0x7a,     /* SSS.3 */
	VTD_FAULT_SM_SS_ROOT_ACCESS = 0x7b,  /* SSS.4 */
	VTD_FAULT_NOT_CANONICAL = 0x80,	     /* SGN.1 */
	VTD_FAULT_USER = 0x81,		     /* SGN.2: of the supervisor's pages only */
	VTD_FAULT_EXECUTE = 0x82,	     /* SGN.3 */
	VTD_FAULT_SM_BEYOND_INPUT = 0x84,    /* SGN.5 */
	VTD_FAULT_SM_WRITE = 0x85,	     /* SGN.6 */
	VTD_FAULT_SM_READ = 0x86,	     /* SGN.7 */
	VTD_FAULT_SM_INTERRUPT_RANGE = 0x87, /* SGN.8 */
};

struct vtd {
	uint64_t cap, ecap;
	unsigned int aw;
	unsigned int pasid_bits;
	uint64_t page_sizes;
	uint32_t nr_nested; /* nested domains ever made; atomic */
};

/* The ID registers that the options ask for. -EINVAL with a sentence in @why. */
int vtd_init_caps(struct vtd *v, const struct options *o, char *why, size_t why_len);
void vtd_limit_caps(struct vtd *v, const struct iommu_limits *l);
extern const struct option_key vtd_options[];

static inline bool vtd_scalable(const struct vtd *v)
{
	return v->ecap & VTD_ECAP_SMTS;
}

/* What Linux wants of hardware before it nests. */
static inline bool vtd_nests(const struct vtd *v)
{
	return vtd_scalable(v) && v->ecap & VTD_ECAP_NEST;
}

/* nested.c: struct iommu_make's. */
int vtd_alloc_nested(struct requester *r, struct domain *parent, uint32_t flags,
		     const struct user_data *data, struct domain **out);
/* May @d, one of vtd_alloc_nested()'s, serve requesters of @v? -EINVAL. */
int vtd_nested_check(const struct domain *d, const struct vtd *v);

extern const struct iommu_make vtd_make;

#endif
