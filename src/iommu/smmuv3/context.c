/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/smmuv3/context.h"

#include <string.h>

/* Only little-endian tables are walked: IDR0.TTENDIAN says so, and ENDI is illegal. */

enum granule { GRANULE_4K, GRANULE_16K, GRANULE_64K, GRANULE_NONE };

/* A table of 64 KiB pages, or with DS of any, reaches beyond 48 bits. */
#define PLAIN_BITS 48
/* Widest and narrowest inputs (3.4.1): T0SZ is at least 16, or 12, and at most 39, or 48 with STT.
 */
#define WIDE_BITS	 52
#define MIN_BITS	 25
#define MIN_BITS_STT	 16
#define MIN_BITS_STT_64K 17
/* Of the tables side by side at which a stage 2 walk may start. */
#define CONCATENATED_LG2 4
#define MAX_SID_BITS	 32

unsigned int smmuv3_address_bits(unsigned int code)
{
	static const uint8_t bits[] = {32, 36, 40, 42, 44, 48, 52, 52};

	return bits[code & 7];
}

static uint64_t idr(const struct smmuv3_ids *ids, unsigned int n, uint64_t field)
{
	return field_get(field, ids->idr[n]);
}

static unsigned int oas(const struct smmuv3_ids *ids)
{
	return smmuv3_address_bits((unsigned int)idr(ids, 5, SMMUV3_IDR5_OAS));
}

/* What IPS or S2PS asks for, as far as there is that much. */
static unsigned int effective_bits(const struct smmuv3_ids *ids, uint64_t code)
{
	return (unsigned int)min_u64(smmuv3_address_bits((unsigned int)code), oas(ids));
}

/* ---- granules ---- */

/* TG0 and S2TG; TG1 has an encoding of its own. */
static enum granule granule_of_tg0(uint64_t tg)
{
	static const enum granule granules[] = {GRANULE_4K, GRANULE_64K, GRANULE_16K, GRANULE_NONE};

	return granules[tg & 3];
}

static enum granule granule_of_tg1(uint64_t tg)
{
	static const enum granule granules[] = {GRANULE_NONE, GRANULE_16K, GRANULE_4K, GRANULE_64K};

	return granules[tg & 3];
}

static bool has_granule(const struct smmuv3_ids *ids, enum granule g)
{
	switch (g) {
	case GRANULE_4K:
		return ids->idr[5] & SMMUV3_IDR5_GRAN4K;
	case GRANULE_16K:
		return ids->idr[5] & SMMUV3_IDR5_GRAN16K;
	case GRANULE_64K:
		return ids->idr[5] & SMMUV3_IDR5_GRAN64K;
	default:
		return false;
	}
}

static unsigned int page_lg2(enum granule g)
{
	return 12 + 2 * (unsigned int)g;
}

static const struct pt_ops *format(enum granule g, unsigned int stage, bool ds)
{
	static const struct pt_ops *const formats[2][2][3] = {
		{{&pt_arm64_s1_4k, &pt_arm64_s1_16k, &pt_arm64_s1_64k},
		 {&pt_arm64_s1_4k_ds, &pt_arm64_s1_16k_ds, &pt_arm64_s1_64k}},
		{{&pt_arm64_s2_4k, &pt_arm64_s2_16k, &pt_arm64_s2_64k},
		 {&pt_arm64_s2_4k_ds, &pt_arm64_s2_16k_ds, &pt_arm64_s2_64k}},
	};

	return formats[stage - 1][ds][g];
}

/* What 64 KiB granules reach without more ado, the others only with DS, which no CD or STE here
 * asks for. */
static unsigned int granule_bits(enum granule g, unsigned int bits)
{
	return g == GRANULE_64K ? bits : (unsigned int)min_u64(bits, PLAIN_BITS);
}

/* 3.4.1: may an input have so many bits? */
static bool input_ok(const struct smmuv3_ids *ids, enum granule g, unsigned int bits,
		     unsigned int max)
{
	unsigned int min = MIN_BITS;

	if (ids->idr[3] & SMMUV3_IDR3_STT)
		min = g == GRANULE_64K ? MIN_BITS_STT_64K : MIN_BITS_STT;
	return bits >= min && bits <= max;
}

/* ---- HTTU, stalls, byte order ---- */

static void set_flags(const struct smmuv3_ids *ids, struct smmuv3_stage *s, bool affd, bool ha,
		      bool hd)
{
	uint64_t httu = idr(ids, 0, SMMUV3_IDR0_HTTU);

	s->set_accessed = ha && httu >= SMMUV3_HTTU_ACCESS;
	s->set_dirty = s->set_accessed && hd && httu >= SMMUV3_HTTU_DIRTY;
	if (affd || s->set_accessed)
		s->r.flags |= PT_WALK_ACCESSED;
	if (s->set_dirty)
		s->r.flags |= PT_WALK_DIRTY;
}

/* HA and HD ask for what the implementation must have; HD wants HA. */
static bool httu_ok(const struct smmuv3_ids *ids, bool ha, bool hd)
{
	uint64_t httu = idr(ids, 0, SMMUV3_IDR0_HTTU);

	return (!ha || httu >= SMMUV3_HTTU_ACCESS) && (!hd || httu >= SMMUV3_HTTU_DIRTY);
}

/* 5.2 and 5.4, S2S and S: stalling is there, forbidden, or all there is. */
static bool stall_ok(const struct smmuv3_ids *ids, bool stall)
{
	uint64_t model = idr(ids, 0, SMMUV3_IDR0_STALL_MODEL);

	return stall ? model != SMMUV3_STALL_NEVER : model != SMMUV3_STALL_FORCED;
}

static bool has_aarch64(const struct smmuv3_ids *ids)
{
	return idr(ids, 0, SMMUV3_IDR0_TTF) & SMMUV3_TTF_AARCH64;
}

/* ---- the stream table ---- */

enum smmuv3_event_id smmuv3_ste_find(const struct smmuv3_strtab *t, const struct smmuv3_memory *m,
				     uint32_t sid, uint64_t *addr)
{
	const uint64_t size = SMMUV3_WORDS * sizeof(uint64_t);
	const unsigned int log2size = (unsigned int)min_u64(t->log2size, MAX_SID_BITS);
	uint64_t base = t->base & SMMUV3_STRTAB_ADDR, l1, span;

	if ((uint64_t)sid >> log2size)
		return SMMUV3_C_BAD_STREAMID;
	if (!t->two_level) {
		/* A table is aligned to its size; lower bits of its address are taken as 0. */
		*addr = align_down(base, size << log2size) + sid * size;
		return SMMUV3_EVENT_NONE;
	}
	if (log2size > t->split)
		base = align_down(base, max_u64(64, sizeof(l1) << (log2size - t->split)));
	if (m->read(m->arg, base + (uint64_t)(sid >> t->split) * sizeof(l1), &l1, sizeof(l1)))
		return SMMUV3_F_STE_FETCH;
	span = field_get(SMMUV3_L1STD_SPAN, l1);
	/* 0: no table; 12 and more, or more than the split, are reserved. */
	if (!span || span > t->split + 1)
		return SMMUV3_C_BAD_STREAMID;
	sid &= (uint32_t)MASK(t->split);
	if (sid >> (span - 1))
		return SMMUV3_C_BAD_STREAMID;
	*addr = align_down(l1 & SMMUV3_L1STD_L2PTR, size << (span - 1)) + sid * size;
	return SMMUV3_EVENT_NONE;
}

/* 5.2, S1Fmt, S1CDMax, S1DSS and STRW. */
static bool stage1_ok(const struct smmuv3_ids *ids, const struct smmuv3_ste *ste)
{
	if (!(ids->idr[0] & SMMUV3_IDR0_S1P))
		return false;
	if (ste->s1cdmax > idr(ids, 1, SMMUV3_IDR1_SSIDSIZE))
		return false;
	if (ste->s1cdmax) {
		if ((unsigned int)ste->s1fmt > SMMUV3_S1FMT_64K ||
		    (unsigned int)ste->s1dss > SMMUV3_S1DSS_SSID0)
			return false;
		if (ste->s1fmt != SMMUV3_S1FMT_LINEAR && !(ids->idr[0] & SMMUV3_IDR0_CD2L))
			return false;
	}
	/* With stage 2 there is no other world than EL1's, whatever STRW says. */
	if (ste->s2)
		return true;
	switch (ste->strw) {
	case SMMUV3_STRW_EL1:
		return true;
	case SMMUV3_STRW_EL2:
		return ids->idr[0] & SMMUV3_IDR0_HYP;
	default:
		return false;
	}
}

/* The levels that a walk from S2SL0 has; 0: reserved. */
static unsigned int s2_levels(enum granule g, uint64_t sl0, bool stt)
{
	if (g == GRANULE_4K)
		return sl0 == 3 ? stt : (unsigned int)sl0 + 2;
	return sl0 == 3 ? 0 : (unsigned int)sl0 + 1;
}

/* 5.2, what S2T0SZ, S2SL0, S2TG, S2PS and S2TTB have to do with each other. */
static bool decode_stage2(const struct smmuv3_ids *ids, const uint64_t *raw, struct smmuv3_stage *s)
{
	enum granule g = granule_of_tg0(field_get(SMMUV3_STE_S2TG, raw[2]));
	unsigned int ias = 64 - (unsigned int)field_get(SMMUV3_STE_S2T0SZ, raw[2]);
	unsigned int ps = effective_bits(ids, field_get(SMMUV3_STE_S2PS, raw[2])), index, levels;
	uint64_t ttb = raw[3] & SMMUV3_STE_S2TTB;

	if (!(raw[2] & SMMUV3_STE_S2AA64) || !has_aarch64(ids) || !has_granule(ids, g))
		return false;
	if (raw[2] & SMMUV3_STE_S2ENDI || !stall_ok(ids, raw[2] & SMMUV3_STE_S2S) ||
	    !httu_ok(ids, raw[2] & SMMUV3_STE_S2HA, raw[2] & SMMUV3_STE_S2HD))
		return false;
	/* The intermediate addresses have no more bits than the physical ones. */
	if (!input_ok(ids, g, ias, granule_bits(g, oas(ids))))
		return false;
	index = page_lg2(g) - 3;
	levels = s2_levels(g, field_get(SMMUV3_STE_S2SL0, raw[2]), ids->idr[3] & SMMUV3_IDR3_STT);
	if (!levels || ias > page_lg2(g) + levels * index + CONCATENATED_LG2 ||
	    ias <= page_lg2(g) + (levels - 1) * index)
		return false;
	if (ttb >> ps)
		return false;
	s->there = true;
	s->stall = raw[2] & SMMUV3_STE_S2S;
	s->record = raw[2] & SMMUV3_STE_S2R;
	s->r = (struct pt_regime){
		.ops = format(g, 2, false),
		/* Aligned to the size of the first table, or tables. */
		.root_pa = align_down(
			ttb, max_u64(64, 8ull << (ias - page_lg2(g) - (levels - 1) * index))),
		.levels = levels,
		.ias = ias,
		.oas = granule_bits(g, ps),
		.flags = raw[1] & SMMUV3_STE_S2FWB && ids->idr[3] & SMMUV3_IDR3_FWB ? PT_S2FWB : 0,
	};
	s->r.page_sizes = s->r.ops->page_sizes;
	set_flags(ids, s, raw[2] & SMMUV3_STE_S2AFFD, raw[2] & SMMUV3_STE_S2HA,
		  raw[2] & SMMUV3_STE_S2HD);
	return true;
}

enum smmuv3_event_id smmuv3_ste_decode(const struct smmuv3_ids *ids,
				       const uint64_t raw[SMMUV3_WORDS], struct smmuv3_ste *out)
{
	uint64_t config = field_get(SMMUV3_STE_CONFIG, raw[0]);

	*out = (struct smmuv3_ste){
		.abort = !(config & 4),
		.s1 = (config & 5) == 5,
		.s2 = (config & 6) == 6,
		.s1fmt = (enum smmuv3_s1fmt)field_get(SMMUV3_STE_S1FMT, raw[0]),
		.s1dss = (enum smmuv3_s1dss)field_get(SMMUV3_STE_S1DSS, raw[1]),
		.strw = (enum smmuv3_strw)field_get(SMMUV3_STE_STRW, raw[1]),
		.eats = (enum smmuv3_eats)field_get(SMMUV3_STE_EATS, raw[1]),
		.s1cdmax = (unsigned int)field_get(SMMUV3_STE_S1CDMAX, raw[0]),
		.s1ctxptr = raw[0] & SMMUV3_STE_S1CTXPTR,
		.s1stalld = raw[1] & SMMUV3_STE_S1STALLD,
		.mev = raw[1] & SMMUV3_STE_MEV,
		.vmid = (uint16_t)field_get(SMMUV3_STE_S2VMID, raw[2]),
	};
	if (!(raw[0] & SMMUV3_STE_V))
		return SMMUV3_C_BAD_STE;
	if (out->abort)
		return SMMUV3_EVENT_NONE;
	if (out->s1 && (!stage1_ok(ids, out) || out->s1ctxptr >> oas(ids)))
		return SMMUV3_C_BAD_STE;
	if (out->s2 && (!(ids->idr[0] & SMMUV3_IDR0_S2P) || !decode_stage2(ids, raw, &out->stage2)))
		return SMMUV3_C_BAD_STE;
	if (out->s2)
		out->strw = SMMUV3_STRW_EL1;
	if (!(ids->idr[0] & SMMUV3_IDR0_VMID16))
		out->vmid &= 0xff;
	return SMMUV3_EVENT_NONE;
}

/* ---- context descriptors ---- */

enum smmuv3_event_id smmuv3_substream(const struct smmuv3_ste *ste, bool ssv, uint32_t ssid,
				      enum smmuv3_select *how, uint32_t *index)
{
	*how = SMMUV3_USE_CD;
	*index = ssv ? ssid : 0;
	if (!ste->s1cdmax)
		return ssv ? SMMUV3_C_BAD_SUBSTREAMID : SMMUV3_EVENT_NONE;
	if (ssv) {
		/* CD 0 belongs to what comes without a substream. */
		if (!ssid && ste->s1dss == SMMUV3_S1DSS_SSID0)
			return SMMUV3_C_BAD_SUBSTREAMID;
		return ssid >> ste->s1cdmax ? SMMUV3_C_BAD_SUBSTREAMID : SMMUV3_EVENT_NONE;
	}
	switch (ste->s1dss) {
	case SMMUV3_S1DSS_BYPASS:
		*how = SMMUV3_BYPASS_STAGE1;
		return SMMUV3_EVENT_NONE;
	case SMMUV3_S1DSS_SSID0:
		return SMMUV3_EVENT_NONE;
	default:
		return SMMUV3_F_STREAM_DISABLED;
	}
}

enum smmuv3_event_id smmuv3_cd_find(const struct smmuv3_ste *ste, const struct smmuv3_memory *m,
				    uint32_t index, uint64_t *addr)
{
	const uint64_t size = SMMUV3_WORDS * sizeof(uint64_t);
	unsigned int leaf_lg2 = ste->s1fmt == SMMUV3_S1FMT_4K ? 6 : 10;
	uint64_t l1, base;

	if (!ste->s1cdmax || ste->s1fmt == SMMUV3_S1FMT_LINEAR) {
		*addr = align_down(ste->s1ctxptr, size << ste->s1cdmax) + index * size;
		return SMMUV3_EVENT_NONE;
	}
	base = ste->s1cdmax > leaf_lg2
		       ? align_down(ste->s1ctxptr,
				    max_u64(64, sizeof(l1) << (ste->s1cdmax - leaf_lg2)))
		       : ste->s1ctxptr;
	if (m->read(m->arg, base + (uint64_t)(index >> leaf_lg2) * sizeof(l1), &l1, sizeof(l1)))
		return SMMUV3_F_CD_FETCH;
	if (!(l1 & SMMUV3_L1CD_V))
		return SMMUV3_C_BAD_SUBSTREAMID;
	*addr = align_down(l1 & SMMUV3_L1CD_L2PTR, size << leaf_lg2) +
		(index & MASK(leaf_lg2)) * size;
	return SMMUV3_EVENT_NONE;
}

/* Half @n of the address space. False: the descriptor is illegal. */
static bool decode_half(const struct smmuv3_ids *ids, const uint64_t *raw, unsigned int n,
			struct smmuv3_cd *cd)
{
	const bool disabled = raw[0] & (n ? SMMUV3_CD_EPD1 : SMMUV3_CD_EPD0);
	enum granule g = n ? granule_of_tg1(field_get(SMMUV3_CD_TG1, raw[0]))
			   : granule_of_tg0(field_get(SMMUV3_CD_TG0, raw[0]));
	unsigned int ips = effective_bits(ids, field_get(SMMUV3_CD_IPS, raw[0]));
	unsigned int bits =
		64 - (unsigned int)field_get(n ? SMMUV3_CD_T1SZ : SMMUV3_CD_T0SZ, raw[0]);
	bool wide = field_get(SMMUV3_IDR5_VAX, ids->idr[5]) && g == GRANULE_64K;
	uint64_t ttb = raw[1 + n] & SMMUV3_CD_TTB;
	struct smmuv3_stage *s = &cd->half[n];
	unsigned int index, levels;

	cd->tbi[n] = raw[0] & (n ? SMMUV3_CD_TBI1 : SMMUV3_CD_TBI0);
	cd->tsz_bits[n] = bits;
	if (disabled)
		return true;
	if (!has_granule(ids, g) || !input_ok(ids, g, bits, wide ? WIDE_BITS : PLAIN_BITS) ||
	    ttb >> ips)
		return false;
	index = page_lg2(g) - 3;
	levels = (bits - page_lg2(g) + index - 1) / index;
	s->there = true;
	s->r = (struct pt_regime){
		.ops = format(g, 1, false),
		.root_pa = align_down(
			ttb, max_u64(64, 8ull << (bits - page_lg2(g) - (levels - 1) * index))),
		.levels = levels,
		.ias = bits,
		.oas = granule_bits(g, ips),
		.flags = PT_UNSIGNED |
			 (raw[1 + n] & SMMUV3_CD_HAD && ids->idr[3] & SMMUV3_IDR3_HAD ? PT_WALK_FLAT
										      : 0),
	};
	s->r.page_sizes = s->r.ops->page_sizes;
	return true;
}

enum smmuv3_event_id smmuv3_cd_decode(const struct smmuv3_ids *ids, const struct smmuv3_ste *ste,
				      const uint64_t raw[SMMUV3_WORDS], struct smmuv3_cd *out)
{
	/* EL2's world has one half only. */
	const unsigned int halves = ste->strw == SMMUV3_STRW_EL2 ? 1 : 2;
	const bool stall = raw[0] & SMMUV3_CD_S;

	memset(out, 0, sizeof(*out));
	out->asid = (uint16_t)field_get(SMMUV3_CD_ASID, raw[0]);
	if (!(ids->idr[0] & SMMUV3_IDR0_ASID16))
		out->asid &= 0xff;
	out->aset = raw[0] & SMMUV3_CD_ASET;
	out->wxn = raw[0] & SMMUV3_CD_WXN;
	out->uwxn = raw[0] & SMMUV3_CD_UWXN;
	out->pan = raw[0] & SMMUV3_CD_PAN;
	out->abort = raw[0] & SMMUV3_CD_A;
	if (!(raw[0] & SMMUV3_CD_V) || !(raw[0] & SMMUV3_CD_AA64) || !has_aarch64(ids) ||
	    raw[0] & SMMUV3_CD_ENDI)
		return SMMUV3_C_BAD_CD;
	/* S with S1STALLD is illegal; without stalling at all, too. */
	if (stall && (ste->s1stalld || idr(ids, 0, SMMUV3_IDR0_STALL_MODEL) == SMMUV3_STALL_NEVER))
		return SMMUV3_C_BAD_CD;
	if (!stall && !stall_ok(ids, false))
		return SMMUV3_C_BAD_CD;
	/* TERM_MODEL: terminating otherwise than by an abort is not there. */
	if (ids->idr[0] & SMMUV3_IDR0_TERM_MODEL && !out->abort)
		return SMMUV3_C_BAD_CD;
	if (!httu_ok(ids, raw[0] & SMMUV3_CD_HA, raw[0] & SMMUV3_CD_HD))
		return SMMUV3_C_BAD_CD;
	for (unsigned int n = 0; n < halves; n++) {
		struct smmuv3_stage *s = &out->half[n];

		if (!decode_half(ids, raw, n, out))
			return SMMUV3_C_BAD_CD;
		s->stall = stall;
		s->record = raw[0] & SMMUV3_CD_R;
		set_flags(ids, s, raw[0] & SMMUV3_CD_AFFD, raw[0] & SMMUV3_CD_HA,
			  raw[0] & SMMUV3_CD_HD);
	}
	return SMMUV3_EVENT_NONE;
}

const struct smmuv3_stage *smmuv3_cd_half(const struct smmuv3_cd *cd, uint64_t va, uint64_t *within)
{
	const unsigned int n = va >> 55 & 1;
	const unsigned int bits = cd->tsz_bits[n], top = cd->tbi[n] ? 56 : 64;
	const uint64_t above = bits < top ? FIELD(top - 1, bits) : 0;

	if (!cd->half[n].there || (va & above) != (n ? above : 0))
		return NULL;
	*within = va & MASK(bits);
	return &cd->half[n];
}
