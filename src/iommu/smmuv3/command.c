/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/smmuv3/command.h"

/* Word 0. */
#define CMD_OP	    FIELD(7, 0)
#define CMD_GLOBAL  BIT(9) /* ATC_INV */
#define CMD_SSEC    BIT(10)
#define CMD_SSV	    BIT(11)
#define CMD_SSID    FIELD(31, 12)
#define CMD_SID	    FIELD(63, 32)
#define CMD_NUM	    FIELD(16, 12) /* TLBI */
#define CMD_SCALE   FIELD(25, 20)
#define CMD_VMID    FIELD(47, 32)
#define CMD_ASID    FIELD(63, 48)
#define CMD_RESP    FIELD(13, 12) /* RESUME: Ac and Ab */
#define CMD_CS	    FIELD(13, 12) /* SYNC */
#define CMD_MSIDATA FIELD(63, 32)
/* Word 1. */
#define CMD_LEAF     BIT(0)
#define CMD_RANGE    FIELD(4, 0) /* CFGI_STE_RANGE */
#define CMD_TTL	     FIELD(9, 8)
#define CMD_TG	     FIELD(11, 10)
#define CMD_ADDR     FIELD(63, 12)
#define CMD_IPA	     FIELD(51, 12)
#define CMD_ATC_SIZE FIELD(5, 0)
#define CMD_PRGINDEX FIELD(8, 0)
#define CMD_PRI_RESP FIELD(13, 12)
#define CMD_STAG     FIELD(15, 0)
#define CMD_MSIADDR  FIELD(51, 2)

#define ATC_SIZE_MAX   52 /* 2^52 pages of 4 KiB: everything */
#define PRI_RESP_MAX   2
#define SCALE_MAX      39
#define IDR0_STALLS(v) (field_get(SMMUV3_IDR0_STALL_MODEL, v) != SMMUV3_STALL_NEVER)

/* Is this command one that the implementation has? */
static bool has_command(const struct smmuv3_ids *ids, uint64_t op)
{
	const uint32_t idr0 = ids->idr[0];

	switch (op) {
	case SMMUV3_CMD_PREFETCH_CONFIG:
	case SMMUV3_CMD_PREFETCH_ADDR:
	case SMMUV3_CMD_CFGI_STE:
	case SMMUV3_CMD_CFGI_STE_RANGE:
	case SMMUV3_CMD_TLBI_NSNH_ALL:
	case SMMUV3_CMD_SYNC:
		return true;
	case SMMUV3_CMD_CFGI_CD:
	case SMMUV3_CMD_CFGI_CD_ALL:
	case SMMUV3_CMD_TLBI_NH_ALL:
	case SMMUV3_CMD_TLBI_NH_ASID:
	case SMMUV3_CMD_TLBI_NH_VA:
	case SMMUV3_CMD_TLBI_NH_VAA:
		return idr0 & SMMUV3_IDR0_S1P;
	case SMMUV3_CMD_TLBI_EL2_ALL:
	case SMMUV3_CMD_TLBI_EL2_ASID:
	case SMMUV3_CMD_TLBI_EL2_VA:
	case SMMUV3_CMD_TLBI_EL2_VAA:
		return idr0 & SMMUV3_IDR0_HYP;
	case SMMUV3_CMD_TLBI_S12_VMALL:
	case SMMUV3_CMD_TLBI_S2_IPA:
		return idr0 & SMMUV3_IDR0_S2P;
	case SMMUV3_CMD_ATC_INV:
		return idr0 & SMMUV3_IDR0_ATS;
	case SMMUV3_CMD_PRI_RESP:
		return idr0 & SMMUV3_IDR0_PRI;
	case SMMUV3_CMD_RESUME:
	case SMMUV3_CMD_STALL_TERM:
		return IDR0_STALLS(idr0);
	default:
		return false;
	}
}

/* Commands that name a stream say whose: Secure ones are not for this queue. */
static bool has_ssec(uint64_t op)
{
	return op < SMMUV3_CMD_TLBI_NH_ALL || (op >= SMMUV3_CMD_ATC_INV && op < SMMUV3_CMD_SYNC);
}

/* 4.4.1, range invalidation: NUM, SCALE and TG say how much, TTL at which level. */
static bool decode_range(const struct smmuv3_ids *ids, const uint64_t *raw,
			 struct smmuv3_command *c)
{
	const uint64_t tg = field_get(CMD_TG, raw[1]), scale = field_get(CMD_SCALE, raw[0]);
	uint64_t pages, bytes;

	if (!(ids->idr[3] & SMMUV3_IDR3_RIL) || !tg)
		return true;
	if (scale > SCALE_MAX)
		return false;
	c->granule_lg2 = (uint8_t)(10 + 2 * tg); /* 4, 16, 64 KiB */
	c->ttl = (uint8_t)field_get(CMD_TTL, raw[1]);
	c->first = align_down(c->first, BIT(c->granule_lg2));
	pages = (field_get(CMD_NUM, raw[0]) + 1) << scale;
	bytes = pages > U64MAX >> c->granule_lg2 ? U64MAX : (pages << c->granule_lg2) - 1;
	c->last = c->first > U64MAX - bytes ? U64MAX : c->first + bytes;
	return true;
}

static bool decode_address(const struct smmuv3_ids *ids, const uint64_t *raw, uint64_t field,
			   struct smmuv3_command *c)
{
	c->first = c->last = raw[1] & field;
	return decode_range(ids, raw, c);
}

/* 4.5.1: the size is a power of two of pages, the address is aligned to it. */
static bool decode_atc(const uint64_t *raw, struct smmuv3_command *c)
{
	const uint64_t size = field_get(CMD_ATC_SIZE, raw[1]);
	uint64_t low;

	if (size > ATC_SIZE_MAX)
		return false;
	low = MASK(size + 12);
	c->first = raw[1] & CMD_ADDR & ~low;
	c->last = c->first | low;
	c->global = raw[0] & CMD_GLOBAL;
	return true;
}

/* 4.3.2: 2^(Range + 1) streams, aligned. */
static void decode_streams(const uint64_t *raw, struct smmuv3_command *c)
{
	const uint64_t range = field_get(CMD_RANGE, raw[1]);
	const uint32_t low = (uint32_t)MASK(range + 1);

	c->sid &= ~low;
	c->sid_last = c->sid | low;
}

static bool decode_sync(const uint64_t *raw, struct smmuv3_command *c)
{
	if (field_get(CMD_CS, raw[0]) > SMMUV3_SYNC_SEV)
		return false;
	c->sync = (enum smmuv3_sync)field_get(CMD_CS, raw[0]);
	if (c->sync == SMMUV3_SYNC_IRQ) {
		c->msi_addr = raw[1] & CMD_MSIADDR;
		c->msi_data = (uint32_t)field_get(CMD_MSIDATA, raw[0]);
	}
	return true;
}

static bool decode_operands(const struct smmuv3_ids *ids, const uint64_t *raw,
			    struct smmuv3_command *c)
{
	switch (c->op) {
	case SMMUV3_CMD_CFGI_STE:
	case SMMUV3_CMD_CFGI_CD:
		c->leaf = raw[1] & CMD_LEAF;
		return true;
	case SMMUV3_CMD_CFGI_STE_RANGE:
		decode_streams(raw, c);
		return true;
	case SMMUV3_CMD_TLBI_NH_VA:
	case SMMUV3_CMD_TLBI_NH_VAA:
	case SMMUV3_CMD_TLBI_EL2_VA:
	case SMMUV3_CMD_TLBI_EL2_VAA:
		c->leaf = raw[1] & CMD_LEAF;
		return decode_address(ids, raw, CMD_ADDR, c);
	case SMMUV3_CMD_TLBI_S2_IPA:
		c->leaf = raw[1] & CMD_LEAF;
		return decode_address(ids, raw, CMD_IPA, c);
	case SMMUV3_CMD_ATC_INV:
		return decode_atc(raw, c);
	case SMMUV3_CMD_PRI_RESP:
		c->group = (uint16_t)field_get(CMD_PRGINDEX, raw[1]);
		c->response = (uint8_t)field_get(CMD_PRI_RESP, raw[1]);
		return c->response <= PRI_RESP_MAX;
	case SMMUV3_CMD_RESUME:
		c->group = (uint16_t)field_get(CMD_STAG, raw[1]);
		c->response = (uint8_t)field_get(CMD_RESP, raw[0]);
		return true;
	case SMMUV3_CMD_SYNC:
		return decode_sync(raw, c);
	default:
		return true;
	}
}

enum smmuv3_cerror smmuv3_command_decode(const struct smmuv3_ids *ids,
					 const uint64_t raw[SMMUV3_CMD_WORDS],
					 struct smmuv3_command *out)
{
	const uint64_t op = field_get(CMD_OP, raw[0]);

	*out = (struct smmuv3_command){0};
	if (!has_command(ids, op) || (has_ssec(op) && raw[0] & CMD_SSEC))
		return SMMUV3_CERROR_ILL;
	out->op = (enum smmuv3_opcode)op;
	out->vmid = (uint16_t)field_get(CMD_VMID, raw[0]);
	out->asid = (uint16_t)field_get(CMD_ASID, raw[0]);
	out->sid = out->sid_last = (uint32_t)field_get(CMD_SID, raw[0]);
	out->ssv = raw[0] & CMD_SSV;
	out->ssid = (uint32_t)field_get(CMD_SSID, raw[0]);
	return decode_operands(ids, raw, out) ? SMMUV3_CERROR_NONE : SMMUV3_CERROR_ILL;
}
