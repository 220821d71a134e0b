/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's invalidation descriptors, carried out (6.5.2). What the caches know of configuration
 * structures is by requester and PASID, not by domain ID: where a descriptor names the latter, more
 * is forgotten than it asks for, which 6.1 allows.
 */
#include <errno.h>
#include <ioas/abi/extensions.h>

#include "iommu/vtd/viommu.h"

void vtd_batch_end(struct vtd_batch *b)
{
	if (b->posted)
		nested_sync(b->v->viommu.parent);
	b->posted = false;
}

static bool is_named(const struct vtd_descriptor *d, const struct vdevice *vd)
{
	return !((vd->virt_id ^ d->rid) & ~(uint64_t)d->rid_mask);
}

/* Requests without a PASID have the guest's RID_PASID, and none in the caches. */
static void forget_streams(struct vtd_batch *b, const struct vtd_descriptor *d, bool by_pasid)
{
	struct viommu *v = &b->v->viommu;

	lock_acquire(&v->lock);
	for (size_t k = 0; k < v->nr_vdevices; k++) {
		struct vdevice *vd = v->vdevices[k];

		if (!vd->shown || (!by_pasid && !is_named(d, vd)))
			continue;
		nested_forget_config(vd->requester, by_pasid ? d->pasid : IOMMU_ALL_PASIDS);
		if (by_pasid)
			nested_forget_config(vd->requester, IOMMU_NO_PASID);
	}
	lock_release(&v->lock);
}

/* 6.5.2.1, 6.5.2.2. */
static void forget_configuration(struct vtd_batch *b, const struct vtd_descriptor *d)
{
	if (d->scope == VTD_OF_DEVICE || d->scope == VTD_OF_PASID)
		forget_streams(b, d, d->scope == VTD_OF_PASID);
	else
		nested_forget_all_config(b->v->viommu.parent);
}

/*
 * 6.5.2.3: pages are those of second-stage tables; the rest has whatever is tagged with the domain.
 * 6.5.2.4: one PASID's, of first-stage tables.
 */
static void forget_translations(struct vtd_batch *b, const struct vtd_descriptor *d)
{
	struct nested_match m = {.did = d->did, .keep_tables = d->leaf};

	if (d->type == VTD_QI_PASID_IOTLB) {
		m.asid = d->pasid;
		m.regime = VTD_REGIME_GUEST_FIRST;
	} else if (d->scope == VTD_OF_PAGES) {
		m.regime = VTD_REGIME_GUEST_SECOND;
	} else {
		m.any_asid = true;
		m.any_regime = true;
		m.any_did = d->scope == VTD_ALL;
	}
	nested_forget(b->v->viommu.parent, &m, d->first, d->last);
}

/* After what the device might ask for again. A name that nobody has any more is nobody's cache. */
static void forget_atc(struct vtd_batch *b, const struct vtd_descriptor *d)
{
	struct viommu *v = &b->v->viommu;
	const uint32_t one = d->type == VTD_QI_DEVICE_TLB ? IOMMU_NO_PASID : d->pasid;
	struct vdevice *vd;

	vtd_batch_end(b);
	lock_acquire(&v->lock);
	vd = viommu_find(v, d->rid);
	if (vd)
		requester_forget_atc(vd->requester, d->all_pasids ? IOMMU_ALL_PASIDS : one,
				     d->first, d->last);
	lock_release(&v->lock);
}

void vtd_batch_add(struct vtd_batch *b, const struct vtd_descriptor *d)
{
	switch (d->type) {
	case VTD_QI_CONTEXT:
	case VTD_QI_PASID_CACHE:
		forget_configuration(b, d);
		b->posted = true;
		break;
	case VTD_QI_IOTLB:
	case VTD_QI_PASID_IOTLB:
		forget_translations(b, d);
		b->posted = true;
		break;
	case VTD_QI_DEVICE_TLB:
	case VTD_QI_PASID_DEVICE_TLB:
		forget_atc(b, d);
		break;
	case VTD_QI_INTERRUPT: /* the VMM remaps interrupts: nothing of it is cached here */
	case VTD_QI_WAIT:
		break;
	}
}

/*
 * The descriptor as the guest wrote it, of either width. The call's return tells of completion, so
 * that a status to be written or an interrupt are the VMM's business (as CMD_SYNC is with SMMUv3).
 */
static int handle(struct vtd_batch *b, const struct user_array *a, uint32_t index)
{
	uint64_t raw[VTD_DESCRIPTOR_WORDS];
	struct vtd_descriptor d;
	int rc = user_get_entry(a, IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_VTD, index, raw, a->entry_len,
				a->entry_len);

	if (rc)
		return rc;
	if (!vtd_descriptor_decode(&b->v->ids, raw, a->entry_len / sizeof(raw[0]), &d))
		return -EIO;
	if (d.writes || d.interrupt)
		return -EIO;
	if (d.type == VTD_QI_WAIT)
		vtd_batch_end(b);
	vtd_batch_add(b, &d);
	return 0;
}

int vtd_viommu_invalidate(struct viommu *v, const struct user_array *a, uint32_t *done)
{
	struct vtd_batch b = {.v = vtd_viommu_of(v)};
	int rc = 0;

	if (a->type != IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_VTD)
		return -EINVAL;
	if (a->entry_num && a->entry_len != 16 && a->entry_len != 32)
		return -EINVAL;
	while (*done < a->entry_num && !rc) {
		rc = handle(&b, a, *done);
		*done += !rc;
	}
	vtd_batch_end(&b);
	return rc;
}
