/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/amd/command.h"

#include "base/bits.h"

/* Fields of the second word that several commands have. */
#define W1_S	BIT(0)
#define W1_PDE	BIT(1)
#define W1_GN	BIT(2)
#define W1_ADDR FIELD(63, 12)

#define W0_DEVICE FIELD(15, 0)
#define W0_OP	  FIELD(63, 60)

/* COMPLETION_WAIT. */
#define CW_S	 BIT(0)
#define CW_I	 BIT(1)
#define CW_F	 BIT(2) /* what follows waits: it does in any case */
#define CW_STORE FIELD(51, 3)
/* INVALIDATE_IOMMU_PAGES. */
#define PAGES_PASID  FIELD(19, 0)
#define PAGES_DOMAIN FIELD(47, 32)
/* INVALIDATE_IOTLB_PAGES, PREFETCH_IOMMU_PAGES: the PASID stands in three pieces. */
#define IOTLB_PASID_15_8  FIELD(23, 16)
#define IOTLB_MAXPEND	  FIELD(31, 24)
#define IOTLB_QUEUE	  FIELD(47, 32)
#define IOTLB_PASID_7_0	  FIELD(55, 48)
#define IOTLB_PASID_19_16 FIELD(59, 56)
#define IOTLB_WORD0                                                                                \
	(W0_DEVICE | IOTLB_PASID_15_8 | IOTLB_MAXPEND | IOTLB_QUEUE | IOTLB_PASID_7_0 |            \
	 IOTLB_PASID_19_16)
#define PREFETCH_INVAL BIT(4)
/* COMPLETE_PPR_REQUEST. */
#define PPR_PASID FIELD(51, 32)
#define PPR_TAG	  FIELD(41, 32)
#define PPR_CODE  FIELD(47, 44)

/* Which bits may be set, the opcode aside; a command without a row does not exist. */
static const struct {
	bool exists;
	uint64_t legal[2];
} commands[16] = {
	[AMD_COMPLETION_WAIT] = {true, {CW_S | CW_I | CW_F | CW_STORE, UINT64_MAX}},
	[AMD_INVALIDATE_DEVTAB_ENTRY] = {true, {W0_DEVICE, 0}},
	[AMD_INVALIDATE_IOMMU_PAGES] = {true,
					{PAGES_PASID | PAGES_DOMAIN,
					 W1_S | W1_PDE | W1_GN | W1_ADDR}},
	[AMD_INVALIDATE_IOTLB_PAGES] = {true, {IOTLB_WORD0, W1_S | W1_GN | W1_ADDR}},
	[AMD_INVALIDATE_INTERRUPT_TABLE] = {true, {W0_DEVICE, 0}},
	[AMD_PREFETCH_IOMMU_PAGES] = {true, {IOTLB_WORD0, W1_S | W1_GN | PREFETCH_INVAL | W1_ADDR}},
	[AMD_COMPLETE_PPR_REQUEST] = {true, {W0_DEVICE | PPR_PASID, W1_GN | PPR_TAG | PPR_CODE}},
	[AMD_INVALIDATE_IOMMU_ALL] = {true, {0, 0}},
};

/*
 * 2.4.3: without S a page; with S the lowest clear bit of the address, from bit 12 on, is the
 * highest of those that do not count. 7FFF_FFFF_FFFF_F000h is everything that way; so is an address
 * without a clear bit.
 */
static void decode_range(uint64_t word, struct amd_command *out)
{
	uint64_t ignored = MASK(12);

	if (word & W1_S) {
		uint64_t clear = ~word & W1_ADDR;

		ignored = clear ? clear ^ (clear - 1) : UINT64_MAX;
	}
	out->first = word & W1_ADDR & ~ignored;
	out->last = out->first | ignored;
}

static uint32_t iotlb_pasid(uint64_t word)
{
	return (uint32_t)(field_get(IOTLB_PASID_7_0, word) |
			  field_get(IOTLB_PASID_15_8, word) << 8 |
			  field_get(IOTLB_PASID_19_16, word) << 16);
}

static void decode_fields(const uint64_t raw[2], struct amd_command *out)
{
	out->gn = raw[1] & W1_GN;
	switch (out->op) {
	case AMD_COMPLETION_WAIT:
		out->gn = false;
		out->store = raw[0] & CW_S;
		out->interrupt = raw[0] & CW_I;
		out->store_at = raw[0] & CW_STORE;
		out->store_data = raw[1];
		break;
	case AMD_INVALIDATE_IOMMU_PAGES:
		out->domain = (uint16_t)field_get(PAGES_DOMAIN, raw[0]);
		out->pasid = out->gn ? (uint32_t)field_get(PAGES_PASID, raw[0]) : 0;
		out->pde = raw[1] & W1_PDE;
		decode_range(raw[1], out);
		break;
	case AMD_INVALIDATE_IOTLB_PAGES:
	case AMD_PREFETCH_IOMMU_PAGES:
		out->pasid = out->gn ? iotlb_pasid(raw[0]) : 0;
		decode_range(raw[1], out);
		break;
	case AMD_COMPLETE_PPR_REQUEST:
		out->pasid = out->gn ? (uint32_t)field_get(PPR_PASID, raw[0]) : 0;
		out->tag = (uint16_t)field_get(PPR_TAG, raw[1]);
		out->code = (uint8_t)field_get(PPR_CODE, raw[1]);
		break;
	case AMD_INVALIDATE_DEVTAB_ENTRY:
	case AMD_INVALIDATE_INTERRUPT_TABLE:
	case AMD_INVALIDATE_IOMMU_ALL:
		break;
	}
}

bool amd_command_decode(const uint64_t raw[2], struct amd_command *out)
{
	const unsigned int op = (unsigned int)field_get(W0_OP, raw[0]);

	*out = (struct amd_command){.op = (enum amd_opcode)op,
				    .device = (uint16_t)(raw[0] & W0_DEVICE)};
	if (!commands[op].exists || raw[0] & ~W0_OP & ~commands[op].legal[0] ||
	    raw[1] & ~commands[op].legal[1])
		return false;
	decode_fields(raw, out);
	return true;
}
