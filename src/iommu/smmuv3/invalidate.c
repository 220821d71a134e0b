/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invalidations in the guest's order.
 *
 * TLBI and CFGI commands are posted to the devices concerned and waited for together. One of
 * neighbouring pages after the other is joined into one range first. A device's own cache (ATC_INV)
 * is only asked when all that came before is done: it could be filled from it again.
 */
#include <errno.h>
#include <ioas/abi/iommufd.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommu/requester.h"
#include "iommu/smmuv3/viommu.h"

/* Word 0 and 1 of what a VMM may hand in (semantics 4.6.1). */
#define CMD_OP	     FIELD(7, 0)
#define CMD_SSV	     BIT(11)
#define CMD_SSID     FIELD(31, 12)
#define CMD_GLOBAL   BIT(9)
#define CMD_SID	     FIELD(63, 32)
#define CMD_NUM	     FIELD(16, 12)
#define CMD_SCALE    FIELD(25, 20)
#define CMD_SCALE_DS BIT(25)
#define CMD_VMID     FIELD(47, 32)
#define CMD_ASID     FIELD(63, 48)
#define CMD_ASID_8   FIELD(55, 48)
#define CMD_LEAF     BIT(0)
#define CMD_TTL	     FIELD(9, 8)
#define CMD_TG	     FIELD(11, 10)
#define CMD_ADDR     FIELD(63, 12)
#define CMD_ATC_SIZE FIELD(5, 0)
#define CMD_RANGE    FIELD(4, 0)

/* ---- a batch ---- */

static void post_ranges(struct smmuv3_batch *b)
{
	if (!b->nr)
		return;
	nested_forget_ranges(b->v->viommu.parent, b->ranges, b->nr);
	b->nr = 0;
	b->posted = true;
}

void smmuv3_batch_end(struct smmuv3_batch *b)
{
	post_ranges(b);
	if (b->posted)
		nested_sync(b->v->viommu.parent);
	b->posted = false;
}

static bool same_match(const struct nested_match *a, const struct nested_match *b)
{
	return a->any_asid == b->any_asid && a->asid == b->asid &&
	       a->keep_global == b->keep_global && a->keep_tables == b->keep_tables;
}

static void add_range(struct smmuv3_batch *b, const struct nested_match *m, uint64_t first,
		      uint64_t last)
{
	struct nested_range *before = b->nr ? &b->ranges[b->nr - 1] : NULL;

	if (before && first >= before->first && first <= before->last + 1 &&
	    before->last != U64MAX && same_match(&before->match, m)) {
		before->last = max_u64(before->last, last);
		return;
	}
	if (b->nr == NESTED_RANGES)
		post_ranges(b);
	b->ranges[b->nr++] = (struct nested_range){*m, first, last};
}

/* Addresses as the caches know them: the upper byte may be a tag. */
static void tlbi_range(struct smmuv3_batch *b, const struct smmuv3_command *c, bool any_asid)
{
	const struct nested_match m = {
		.any_did = true,
		.any_regime = true,
		.any_asid = any_asid,
		.asid = any_asid ? 0 : c->asid,
		.keep_tables = c->leaf,
	};
	uint64_t first = (uint64_t)((int64_t)(c->first << 8) >> 8);
	uint64_t len = max_u64(c->last - c->first, PAGE_MASK);

	add_range(b, &m, first, first > U64MAX - len ? U64MAX : first + len);
}

static void tlbi_all(struct smmuv3_batch *b, bool any_asid, uint16_t asid)
{
	const struct nested_match m = {
		.any_did = true,
		.any_regime = true,
		.any_asid = any_asid,
		.asid = any_asid ? 0 : asid,
		.keep_global = !any_asid,
	};

	add_range(b, &m, 0, U64MAX);
}

/* 4.5.1: without SSV neither SSID nor Global are looked at. */
static uint32_t atc_pasid(const struct smmuv3_command *c)
{
	if (!c->ssv)
		return IOMMU_NO_PASID;
	return c->global ? IOMMU_ALL_PASIDS : c->ssid;
}

static int atc_inv(struct smmuv3_batch *b, const struct smmuv3_command *c)
{
	struct viommu *v = &b->v->viommu;
	struct vdevice *vd;

	smmuv3_batch_end(b);
	lock_acquire(&v->lock);
	vd = viommu_find(v, c->sid);
	if (vd)
		requester_forget_atc(vd->requester, atc_pasid(c), c->first, c->last);
	lock_release(&v->lock);
	return vd ? 0 : -ENOENT;
}

static int forget_cds(struct smmuv3_batch *b, uint32_t sid, uint32_t ssid)
{
	struct viommu *v = &b->v->viommu;
	struct vdevice *vd;

	post_ranges(b);
	lock_acquire(&v->lock);
	vd = viommu_find(v, sid);
	if (vd)
		nested_forget_config(vd->requester, ssid);
	lock_release(&v->lock);
	b->posted |= vd != NULL;
	return vd ? 0 : -ENOENT;
}

/* CFGI_STE, CFGI_STE_RANGE and CFGI_ALL: streams without a device do not matter. */
static void forget_stes(struct smmuv3_batch *b, uint32_t first, uint32_t last)
{
	struct viommu *v = &b->v->viommu;

	post_ranges(b);
	lock_acquire(&v->lock);
	for (size_t n = 0; n < v->nr_vdevices; n++) {
		const struct vdevice *vd = v->vdevices[n];

		if (vd->shown && vd->virt_id >= first && vd->virt_id <= last)
			nested_forget_config(vd->requester, IOMMU_ALL_PASIDS);
	}
	lock_release(&v->lock);
	b->posted = true;
}

int smmuv3_batch_add(struct smmuv3_batch *b, const struct smmuv3_command *c)
{
	switch (c->op) {
	case SMMUV3_CMD_TLBI_NSNH_ALL:
	case SMMUV3_CMD_TLBI_NH_ALL:
		tlbi_all(b, true, 0);
		return 0;
	case SMMUV3_CMD_TLBI_NH_ASID:
		tlbi_all(b, false, c->asid);
		return 0;
	case SMMUV3_CMD_TLBI_NH_VA:
		tlbi_range(b, c, false);
		return 0;
	case SMMUV3_CMD_TLBI_NH_VAA:
		tlbi_range(b, c, true);
		return 0;
	case SMMUV3_CMD_ATC_INV:
		return atc_inv(b, c);
	case SMMUV3_CMD_CFGI_CD:
		return forget_cds(b, c->sid, c->ssid);
	case SMMUV3_CMD_CFGI_CD_ALL:
		return forget_cds(b, c->sid, IOMMU_ALL_PASIDS);
	case SMMUV3_CMD_CFGI_STE:
	case SMMUV3_CMD_CFGI_STE_RANGE:
		forget_stes(b, c->sid, c->sid_last);
		return 0;
	default:
		return 0; /* hints */
	}
}

/* ---- what a VMM hands in ---- */

/* NUM, SCALE and TTL are nothing without TG, and TG is nothing without them; DS is not there. */
static bool range_ok(const uint64_t raw[2])
{
	const bool range = raw[0] & (CMD_NUM | CMD_SCALE);
	const uint64_t tg = field_get(CMD_TG, raw[1]), ttl = field_get(CMD_TTL, raw[1]);

	if (!tg)
		return !range && !ttl;
	if (tg == 2 && ttl == 1)
		return false;
	return range || ttl;
}

/* Of a TLBI by address: the bits that may be set, or false. */
static bool allow_address(const struct smmuv3_ids *ids, const uint64_t raw[2], uint64_t allowed[2])
{
	allowed[0] |= CMD_VMID;
	allowed[1] |= CMD_LEAF | CMD_ADDR;
	if (!(ids->idr[3] & SMMUV3_IDR3_RIL))
		return true;
	allowed[0] |= CMD_NUM | (CMD_SCALE & ~CMD_SCALE_DS);
	allowed[1] |= CMD_TG | CMD_TTL;
	return range_ok(raw);
}

/* Of our own vIOMMU, whose stream table is the guest's. */
static bool allow_stes(const uint64_t raw[2], uint64_t allowed[2])
{
	allowed[0] |= CMD_SID;
	allowed[1] |= (raw[0] & CMD_OP) == SMMUV3_CMD_CFGI_STE ? CMD_LEAF : CMD_RANGE;
	return true;
}

/* 4.6.1. */
static bool allow(const struct smmuv3_viommu *sv, const uint64_t raw[2], uint64_t allowed[2])
{
	const struct smmuv3_ids *ids = &sv->ids;
	const uint64_t asid = ids->idr[0] & SMMUV3_IDR0_ASID16 ? CMD_ASID : CMD_ASID_8;
	const bool substreams = field_get(SMMUV3_IDR1_SSIDSIZE, ids->idr[1]);

	switch (raw[0] & CMD_OP) {
	case SMMUV3_CMD_TLBI_NSNH_ALL:
		return true;
	case SMMUV3_CMD_TLBI_NH_ALL:
		allowed[0] |= CMD_VMID;
		return true;
	case SMMUV3_CMD_TLBI_NH_ASID:
		allowed[0] |= CMD_VMID | asid;
		return true;
	case SMMUV3_CMD_TLBI_NH_VA:
		allowed[0] |= asid;
		return allow_address(ids, raw, allowed);
	case SMMUV3_CMD_TLBI_NH_VAA:
		return allow_address(ids, raw, allowed);
	case SMMUV3_CMD_ATC_INV:
		allowed[0] |= CMD_SID | (substreams ? CMD_SSV | CMD_SSID | CMD_GLOBAL : 0);
		allowed[1] |= CMD_ATC_SIZE | CMD_ADDR;
		return true;
	case SMMUV3_CMD_CFGI_CD:
		allowed[0] |= CMD_SID | (substreams ? CMD_SSID : 0);
		allowed[1] |= CMD_LEAF;
		return true;
	case SMMUV3_CMD_CFGI_CD_ALL:
		allowed[0] |= CMD_SID;
		return true;
	case SMMUV3_CMD_CFGI_STE:
	case SMMUV3_CMD_CFGI_STE_RANGE:
		return sv->own && allow_stes(raw, allowed);
	default:
		return false;
	}
}

/* One command of the array. -EIO. */
static int handle(struct smmuv3_batch *b, const uint64_t raw[SMMUV3_CMD_WORDS])
{
	uint64_t allowed[2] = {CMD_OP, 0};
	struct smmuv3_command c;

	if (!allow(b->v, raw, allowed) || raw[0] & ~allowed[0] || raw[1] & ~allowed[1])
		return -EIO;
	if (smmuv3_command_decode(&b->v->ids, raw, &c))
		return -EIO;
	return smmuv3_batch_add(b, &c) ? -EIO : 0;
}

int smmuv3_invalidate(struct viommu *v, const struct user_array *a, uint32_t *done)
{
	struct iommu_viommu_arm_smmuv3_invalidate *all;
	struct smmuv3_batch b;
	int rc;

	all = ioas_calloc(a->entry_num + 1ull, sizeof(*all));
	if (!all)
		return -ENOMEM;
	smmuv3_batch_begin(&b, smmuv3_viommu_of(v));
	rc = user_get_all(a, IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, all, sizeof(*all));
	for (uint32_t k = 0; k < a->entry_num && !rc; k++) {
		const uint64_t raw[] = {all[k].cmd[0], all[k].cmd[1]};

		rc = handle(&b, raw);
		*done += !rc;
	}
	smmuv3_batch_end(&b);
	ioas_free(all);
	return rc;
}
