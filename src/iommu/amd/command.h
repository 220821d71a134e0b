/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of 128 bits (48882 revision 3.08, section 2.4), taken apart.
 */
#ifndef IOAS_IOMMU_AMD_COMMAND_H
#define IOAS_IOMMU_AMD_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#define AMD_COMMAND_SIZE 16
#define AMD_COMMAND_LG2	 4

/* Bits 63:60. */
enum amd_opcode {
	AMD_COMPLETION_WAIT = 0x1,
	AMD_INVALIDATE_DEVTAB_ENTRY = 0x2,
	AMD_INVALIDATE_IOMMU_PAGES = 0x3,
	AMD_INVALIDATE_IOTLB_PAGES = 0x4,
	AMD_INVALIDATE_INTERRUPT_TABLE = 0x5,
	AMD_PREFETCH_IOMMU_PAGES = 0x6,
	AMD_COMPLETE_PPR_REQUEST = 0x7,
	AMD_INVALIDATE_IOMMU_ALL = 0x8,
};

/* PPRCode: success, invalid request, response failure. */
enum { AMD_PPR_SUCCESS = 0 };

struct amd_command {
	enum amd_opcode op;
	uint16_t device, domain;
	bool gn; /* guest addresses, of a PASID */
	uint32_t pasid;
	uint64_t first, last; /* addresses */
	bool pde;	      /* tables too, not leaves alone */
	bool store, interrupt;
	uint64_t store_at, store_data;
	uint16_t tag;
	uint8_t code; /* PPRCode */
};

/*
 * False: no such command, or a bit that must be 0 is not: ILLEGAL_COMMAND_ERROR. Those of the
 * vIOMMU extension (INSERT_GUEST_EVENT, RESET_VMMIO) are of that kind.
 */
bool amd_command_decode(const uint64_t raw[2], struct amd_command *out);

#endif
