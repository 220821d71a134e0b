/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries of the event log and the PPR log (48882 revision 3.08, sections 2.5 and 2.6): 128 bits
 * each.
 */
#ifndef IOAS_IOMMU_AMD_EVENT_H
#define IOAS_IOMMU_AMD_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iommu/iommu.h"

/* 2.5, event codes: bits 63:60. */
enum {
	AMD_EVENT_ILLEGAL_DEV_TABLE_ENTRY = 0x1,
	AMD_EVENT_IO_PAGE_FAULT = 0x2,
	AMD_EVENT_DEV_TAB_HARDWARE_ERROR = 0x3,
	AMD_EVENT_PAGE_TAB_HARDWARE_ERROR = 0x4,
	AMD_EVENT_ILLEGAL_COMMAND_ERROR = 0x5,
	AMD_EVENT_COMMAND_HARDWARE_ERROR = 0x6,
	AMD_EVENT_INVALID_DEVICE_REQUEST = 0x8,
	AMD_EVENT_INVALID_PPR_REQUEST = 0x9,
};

/* Flags: bits 59:48. Which of them an event has is its section's to say. */
#define AMD_FAULT_GN BIT(0) /* the address is a guest's virtual one, and there is a PASID */
#define AMD_FAULT_NX BIT(1) /* to be executed */
#define AMD_FAULT_US BIT(2) /* without privilege */
#define AMD_FAULT_I  BIT(3) /* an interrupt request */
#define AMD_FAULT_PR                                                                               \
	BIT(4) /* the page, or the device's entry, is present; RW and PE mean something */
#define AMD_FAULT_RW BIT(5)
#define AMD_FAULT_PE BIT(6) /* the page does not permit it */
#define AMD_FAULT_RZ BIT(7) /* a reserved bit is not 0; else an encoding is illegal */
#define AMD_FAULT_TR BIT(8) /* a translation request */
/* Of hardware errors: bits 58:57, how the access to memory ended. */
#define AMD_FAULT_MASTER_ABORT BIT(9) /* nobody is there */
#define AMD_FAULT_TARGET_ABORT BIT(10)

struct amd_event {
	uint8_t code;
	uint16_t flags;
	uint16_t device;
	uint32_t pasid;	 /* with GN, */
	uint16_t domain; /* without: the same field */
	uint64_t address;
};
void amd_event_encode(const struct amd_event *e, uint64_t out[2]);
/* Bits 63:48, which iommu_fault.code shows. */
static inline uint32_t amd_event_code(const struct amd_event *e)
{
	return (uint32_t)e->code << 12 | e->flags;
}

/* 2.6.3, PAGE_SERVICE_REQUEST. */
enum { AMD_PPR_PAGE_SERVICE_REQUEST = 1 };
#define AMD_PPR_EXEC	 BIT(49)
#define AMD_PPR_READ	 BIT(50)
#define AMD_PPR_WRITE	 BIT(53)
#define AMD_PPR_USER	 BIT(54)
#define AMD_PPR_GN	 BIT(56)
#define AMD_PPR_TAG	 FIELD(40, 32)
#define AMD_PPR_LAST	 BIT(41) /* of the group that the tag names */
#define AMD_PPR_TAG_MASK MASK(9)

/* One request of a group that @tag names. */
void amd_ppr_encode(uint16_t device, const struct page_group *g, size_t index, uint32_t tag,
		    uint64_t out[2]);

#endif
