/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/vtd/context.h"

#define ROOT_SIZE	16
#define SM_CONTEXT_SIZE 32
#define PASID_SIZE	64
#define PDTS_MIN	7 /* log2 of the entries of the smallest PASID directory */
#define TABLE_PASIDS	6 /* log2 of the entries of a PASID table */

#define SZ_4K 0x1000ull
#define SZ_2M 0x200000ull
#define SZ_1G 0x40000000ull

bool vtd_fault_is_qualified(enum vtd_fault f)
{
	switch (f) {
	case VTD_FAULT_ROOT_NOT_PRESENT:
	case VTD_FAULT_ROOT_ACCESS:
	case VTD_FAULT_ROOT_RESERVED:
	case VTD_FAULT_CONTEXT_ACCESS:
	case VTD_FAULT_SM_ROOT_ADDRESS:
	case VTD_FAULT_TTM:
	case VTD_FAULT_SM_ROOT_ACCESS:
	case VTD_FAULT_SM_ROOT_NOT_PRESENT:
	case VTD_FAULT_SM_ROOT_RESERVED:
	case VTD_FAULT_SM_CONTEXT_ACCESS:
	case VTD_FAULT_DIRECTORY_ACCESS:
	case VTD_FAULT_PASID_ACCESS:
		return false;
	default:
		return true;
	}
}

static bool read_at(const struct vtd_query *q, uint64_t addr, void *dst, size_t len)
{
	return !q->memory->read(q->memory->arg, addr, dst, len);
}

/* Second-stage tables as @aw says; false: no such width here. */
static bool second_stage(const struct vtd_ids *ids, uint64_t aw, uint64_t root,
			 struct vtd_stream *out)
{
	const uint64_t sslps = field_get(VTD_CAP_SSLPS, ids->cap);
	const unsigned int levels = (unsigned int)aw + 2;

	if (aw < 1 || aw > 3 || !(field_get(VTD_CAP_SAGAW, ids->cap) & BIT(aw)))
		return false;
	out->stage.regime = (struct pt_regime){
		.ops = &pt_vtd_ss,
		.root_pa = root,
		.levels = levels,
		.ias = 12 + 9 * levels,
		.oas = 52,
		.page_sizes = SZ_4K | (sslps & BIT(0) ? SZ_2M : 0) | (sslps & BIT(1) ? SZ_1G : 0),
	};
	return true;
}

enum vtd_fault vtd_context_decode(const struct vtd_ids *ids, const uint64_t raw[2],
				  struct vtd_stream *out)
{
	const uint64_t known0 =
		VTD_CONTEXT_P | VTD_CONTEXT_FPD | VTD_CONTEXT_TT | VTD_CONTEXT_SSPTPTR;
	const uint64_t known1 = VTD_CONTEXT1_AW | VTD_CONTEXT1_IGN | VTD_CONTEXT1_DID;
	const uint64_t tt = field_get(VTD_CONTEXT_TT, raw[0]);

	out->stage.fpd = raw[0] & VTD_CONTEXT_FPD;
	if (!(raw[0] & VTD_CONTEXT_P))
		return VTD_FAULT_CONTEXT_NOT_PRESENT;
	if (raw[0] & ~known0 || raw[1] & ~known1)
		return VTD_FAULT_CONTEXT_RESERVED;
	out->bypass = tt == VTD_TT_BYPASS;
	out->device_tlb = tt == VTD_TT_DEVICE_TLB;
	if (tt > VTD_TT_BYPASS || (out->bypass && !(ids->ecap & VTD_ECAP_PT)) ||
	    (out->device_tlb && !(ids->ecap & VTD_ECAP_DT)))
		return VTD_FAULT_CONTEXT_INVALID;
	out->did = (uint16_t)field_get(VTD_CONTEXT1_DID, raw[1]);
	if (!second_stage(ids, field_get(VTD_CONTEXT1_AW, raw[1]), raw[0] & VTD_CONTEXT_SSPTPTR,
			  out))
		return VTD_FAULT_CONTEXT_INVALID;
	return 0;
}

/* 9.6: fields are reserved where the capability that they belong to is missing. */
static bool pasid_reserved(const struct vtd_ids *ids, const uint64_t raw[8])
{
	uint64_t known[8] = {
		VTD_PASID_P | VTD_PASID_FPD | VTD_PASID_AW | VTD_PASID_PGTT | VTD_PASID_SSPTPTR,
		VTD_PASID1_DID | VTD_PASID1_PWSNP | VTD_PASID1_MEMORY,
		VTD_PASID2_FSPM | VTD_PASID2_NXE | VTD_PASID2_FSPTPTR,
	};

	if (ids->ecap & VTD_ECAP_SSADS)
		known[0] |= VTD_PASID_SSADE;
	if (ids->ecap & VTD_ECAP_SC)
		known[1] |= VTD_PASID1_PGSNP;
	if (ids->ecap & VTD_ECAP_SRS)
		known[2] |= VTD_PASID2_SRE | VTD_PASID2_WPE | VTD_PASID2_SMEP;
	if (ids->ecap & VTD_ECAP_ERS)
		known[2] |= VTD_PASID2_ERE;
	if (ids->ecap & VTD_ECAP_EAFS)
		known[2] |= VTD_PASID2_EAFE;
	for (unsigned int k = 0; k < ARRAY_SIZE(known); k++)
		if (raw[k] & ~known[k])
			return true;
	return false;
}

static bool first_stage(const struct vtd_ids *ids, const uint64_t raw[8], struct vtd_stream *out)
{
	const uint64_t fspm = field_get(VTD_PASID2_FSPM, raw[2]);
	struct vtd_stage *s = &out->stage;

	if (!(ids->ecap & VTD_ECAP_FSTS) || fspm > 1 || (fspm && !(ids->cap & VTD_CAP_FS5LP)))
		return false;
	s->regime = vtd_first_stage_regime(raw[2] & VTD_PASID2_FSPTPTR, fspm ? 5 : 4,
					   ids->cap & VTD_CAP_FS1GP);
	if (raw[2] & VTD_PASID2_NXE)
		s->regime.flags |= PT_WALK_NX;
	s->sre = raw[2] & VTD_PASID2_SRE;
	s->ere = raw[2] & VTD_PASID2_ERE;
	s->wpe = raw[2] & VTD_PASID2_WPE;
	s->smep = raw[2] & VTD_PASID2_SMEP;
	s->eafe = raw[2] & VTD_PASID2_EAFE;
	return true;
}

enum vtd_fault vtd_pasid_decode(const struct vtd_ids *ids, const uint64_t raw[8],
				struct vtd_stream *out)
{
	bool valid = false;

	out->stage.fpd |= raw[0] & VTD_PASID_FPD;
	if (!(raw[0] & VTD_PASID_P))
		return VTD_FAULT_PASID_NOT_PRESENT;
	if (pasid_reserved(ids, raw))
		return VTD_FAULT_PASID_RESERVED;
	out->did = (uint16_t)field_get(VTD_PASID1_DID, raw[1]);
	switch (field_get(VTD_PASID_PGTT, raw[0])) {
	case VTD_PGTT_FIRST:
		valid = first_stage(ids, raw, out);
		break;
	case VTD_PGTT_SECOND:
		valid = ids->ecap & VTD_ECAP_SSTS &&
			second_stage(ids, field_get(VTD_PASID_AW, raw[0]),
				     raw[0] & VTD_PASID_SSPTPTR, out);
		if (raw[0] & VTD_PASID_SSADE)
			out->stage.regime.flags |=
				PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_TABLES;
		break;
	case VTD_PGTT_BYPASS:
		valid = ids->ecap & VTD_ECAP_PT;
		out->bypass = true;
		break;
	default: /* and VTD_PGTT_NESTED: there is no third stage */
		break;
	}
	return valid ? 0 : VTD_FAULT_PASID_INVALID;
}

static enum vtd_fault find_legacy(const struct vtd_query *q, struct vtd_stream *out)
{
	const uint64_t bus = q->rid >> 8, devfn = q->rid & 0xff;
	uint64_t root[2], entry[2];

	out->stage.legacy = true;
	if (q->has_pasid)
		return VTD_FAULT_TTM;
	if (!read_at(q, (q->rtaddr & VTD_RTADDR_RTA) + bus * ROOT_SIZE, root, sizeof(root)))
		return VTD_FAULT_ROOT_ACCESS;
	if (!(root[0] & VTD_ROOT_P))
		return VTD_FAULT_ROOT_NOT_PRESENT;
	if (root[0] & ~(VTD_ROOT_P | VTD_ROOT_CTP) || root[1])
		return VTD_FAULT_ROOT_RESERVED;
	if (!read_at(q, (root[0] & VTD_ROOT_CTP) + devfn * sizeof(entry), entry, sizeof(entry)))
		return VTD_FAULT_CONTEXT_ACCESS;
	return vtd_context_decode(q->ids, entry, out);
}

static bool sm_context_reserved(const struct vtd_ids *ids, const uint64_t raw[4])
{
	uint64_t known0 =
		VTD_CONTEXT_P | VTD_CONTEXT_FPD | VTD_SM_CONTEXT_PDTS | VTD_SM_CONTEXT_DIR;
	uint64_t known1 = 0;

	if (ids->ecap & VTD_ECAP_DT)
		known0 |= VTD_SM_CONTEXT_DTE;
	if (ids->ecap & VTD_ECAP_PASID)
		known0 |= VTD_SM_CONTEXT_PASIDE;
	if (ids->ecap & VTD_ECAP_PRS)
		known0 |= VTD_SM_CONTEXT_PRE;
	if (ids->ecap & VTD_ECAP_RPS)
		known1 |= VTD_SM_CONTEXT1_RID_PASID;
	if (ids->ecap & VTD_ECAP_RPRIVS)
		known1 |= VTD_SM_CONTEXT1_RID_PRIV;
	return raw[0] & ~known0 || raw[1] & ~known1 || raw[2] || raw[3];
}

/* Which PASID table entry: *pasid. */
static enum vtd_fault judge_sm_context(const struct vtd_query *q, const uint64_t raw[4],
				       struct vtd_stream *out)
{
	const unsigned int lg2 =
		(unsigned int)field_get(VTD_SM_CONTEXT_PDTS, raw[0]) + PDTS_MIN + TABLE_PASIDS;

	out->stage.fpd = raw[0] & VTD_CONTEXT_FPD;
	if (!(raw[0] & VTD_CONTEXT_P))
		return VTD_FAULT_SM_CONTEXT_NOT_PRESENT;
	if (sm_context_reserved(q->ids, raw))
		return VTD_FAULT_SM_CONTEXT_RESERVED;
	out->device_tlb = raw[0] & VTD_SM_CONTEXT_DTE;
	if (q->has_pasid) {
		if (!(raw[0] & VTD_SM_CONTEXT_PASIDE))
			return VTD_FAULT_NO_PASIDE;
		out->pasid = q->pasid;
		return q->pasid >> lg2 ? VTD_FAULT_PASID_BEYOND : 0;
	}
	out->pasid = (uint32_t)field_get(VTD_SM_CONTEXT1_RID_PASID, raw[1]);
	out->stage.privileged = raw[1] & VTD_SM_CONTEXT1_RID_PRIV;
	return out->pasid >> lg2 ? VTD_FAULT_RID_PASID : 0;
}

static enum vtd_fault find_pasid(const struct vtd_query *q, uint64_t directory,
				 struct vtd_stream *out)
{
	const uint64_t index = out->pasid >> TABLE_PASIDS,
		       in_table = out->pasid & MASK(TABLE_PASIDS);
	uint64_t dir, entry[8];

	if (!read_at(q, directory + index * sizeof(dir), &dir, sizeof(dir)))
		return VTD_FAULT_DIRECTORY_ACCESS;
	out->stage.fpd |= dir & VTD_DIRECTORY_FPD;
	if (!(dir & VTD_DIRECTORY_P))
		return VTD_FAULT_DIRECTORY_NOT_PRESENT;
	if (dir & ~(VTD_DIRECTORY_P | VTD_DIRECTORY_FPD | VTD_DIRECTORY_TABLE))
		return VTD_FAULT_DIRECTORY_RESERVED;
	if (!read_at(q, (dir & VTD_DIRECTORY_TABLE) + in_table * PASID_SIZE, entry, sizeof(entry)))
		return VTD_FAULT_PASID_ACCESS;
	return vtd_pasid_decode(q->ids, entry, out);
}

/* Devices 0 to 15 of a bus have the first word of the root entry, the others the second. */
static enum vtd_fault find_scalable(const struct vtd_query *q, struct vtd_stream *out)
{
	const uint64_t bus = q->rid >> 8, devfn = q->rid & 0xff, half = devfn >> 7;
	uint64_t root, entry[4];
	enum vtd_fault fault;

	if (!read_at(q, (q->rtaddr & VTD_RTADDR_RTA) + bus * ROOT_SIZE + half * sizeof(root), &root,
		     sizeof(root)))
		return VTD_FAULT_SM_ROOT_ACCESS;
	if (!(root & VTD_ROOT_P))
		return VTD_FAULT_SM_ROOT_NOT_PRESENT;
	if (root & ~(VTD_ROOT_P | VTD_ROOT_CTP))
		return VTD_FAULT_SM_ROOT_RESERVED;
	if (!read_at(q, (root & VTD_ROOT_CTP) + (devfn & 0x7f) * SM_CONTEXT_SIZE, entry,
		     sizeof(entry)))
		return VTD_FAULT_SM_CONTEXT_ACCESS;
	fault = judge_sm_context(q, entry, out);
	return fault ? fault : find_pasid(q, entry[0] & VTD_SM_CONTEXT_DIR, out);
}

enum vtd_fault vtd_context_find(const struct vtd_query *q, struct vtd_stream *out)
{
	*out = (struct vtd_stream){0};
	switch (field_get(VTD_RTADDR_TTM, q->rtaddr)) {
	case VTD_TTM_LEGACY:
		return find_legacy(q, out);
	case VTD_TTM_SCALABLE:
		if (q->ids->ecap & VTD_ECAP_SMTS)
			return find_scalable(q, out);
		break;
	case VTD_TTM_ABORT:
		out->aborts = q->ids->ecap & VTD_ECAP_ADMS;
		if (out->aborts)
			return 0;
		break;
	default:
		break;
	}
	return VTD_FAULT_SM_ROOT_ADDRESS;
}
