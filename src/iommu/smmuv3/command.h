/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's commands (IHI 0070, chapter 4): 16 bytes of a command queue, or of an invalidation
 * batch, decoded and judged. What a command then does is the business of who owns the caches.
 *
 * A pure function: no state, no locks, any thread.
 */
#ifndef IOAS_IOMMU_SMMUV3_COMMAND_H
#define IOAS_IOMMU_SMMUV3_COMMAND_H

#include "iommu/smmuv3/context.h"

#define SMMUV3_CMD_WORDS 2

enum smmuv3_opcode {
	SMMUV3_CMD_PREFETCH_CONFIG = 0x01,
	SMMUV3_CMD_PREFETCH_ADDR = 0x02,
	SMMUV3_CMD_CFGI_STE = 0x03,
	SMMUV3_CMD_CFGI_STE_RANGE = 0x04, /* CFGI_ALL when every stream is meant */
	SMMUV3_CMD_CFGI_CD = 0x05,
	SMMUV3_CMD_CFGI_CD_ALL = 0x06,
	SMMUV3_CMD_TLBI_NH_ALL = 0x10,
	SMMUV3_CMD_TLBI_NH_ASID = 0x11,
	SMMUV3_CMD_TLBI_NH_VA = 0x12,
	SMMUV3_CMD_TLBI_NH_VAA = 0x13,
	SMMUV3_CMD_TLBI_EL2_ALL = 0x20,
	SMMUV3_CMD_TLBI_EL2_ASID = 0x21,
	SMMUV3_CMD_TLBI_EL2_VA = 0x22,
	SMMUV3_CMD_TLBI_EL2_VAA = 0x23,
	SMMUV3_CMD_TLBI_S12_VMALL = 0x28,
	SMMUV3_CMD_TLBI_S2_IPA = 0x2a,
	SMMUV3_CMD_TLBI_NSNH_ALL = 0x30,
	SMMUV3_CMD_ATC_INV = 0x40,
	SMMUV3_CMD_PRI_RESP = 0x41,
	SMMUV3_CMD_RESUME = 0x44,
	SMMUV3_CMD_STALL_TERM = 0x45,
	SMMUV3_CMD_SYNC = 0x46,
};

/* 7.1, command queue errors, as SMMU_CMDQ_CONS.ERR tells them. */
enum smmuv3_cerror {
	SMMUV3_CERROR_NONE,
	SMMUV3_CERROR_ILL,
	SMMUV3_CERROR_ABT,
	SMMUV3_CERROR_ATC_INV_SYNC,
};

/* 4.7.3, how the completion of a CMD_SYNC is told. */
enum smmuv3_sync { SMMUV3_SYNC_NONE, SMMUV3_SYNC_IRQ, SMMUV3_SYNC_SEV };

struct smmuv3_command {
	enum smmuv3_opcode op;
	uint32_t sid, sid_last; /* CFGI_STE_RANGE: a range, 0 to all ones for CFGI_ALL */
	bool ssv;		/* ssid is there */
	uint32_t ssid;
	uint16_t vmid, asid;
	bool leaf;   /* what is cached of upper levels may stay */
	bool global; /* ATC_INV: whatever the PASID */
	/*
	 * TLBI by address and ATC_INV: [first, last]. Without range invalidation it is the
	 * granule's page that holds the address, whatever the granule is: first == last.
	 */
	uint64_t first, last;
	uint8_t granule_lg2; /* of a range: other granules' entries may stay. 0: any */
	uint8_t ttl;	     /* of the leaf, as Arm counts levels. 0: any */
	/* PRI_RESP, RESUME */
	uint16_t group; /* PRGIndex, STAG */
	uint8_t response;
	/* SYNC */
	enum smmuv3_sync sync;
	uint64_t msi_addr; /* 0: no MSI */
	uint32_t msi_data;
};

enum smmuv3_cerror smmuv3_command_decode(const struct smmuv3_ids *ids,
					 const uint64_t raw[SMMUV3_CMD_WORDS],
					 struct smmuv3_command *out);

#endif
