/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest's commands make the caches forget.
 */
#include <errno.h>

#include "iommu/amd/viommu.h"

/*
 * INVALIDATE_IOMMU_PAGES. With GN a range of guest addresses of one PASID. Without, a range of what
 * host tables translate, and, since what guest tables lead to depends on those, everything that
 * came through guest tables of the domain. A GCR3 table is above a guest's tables: PDE reaches it
 * too.
 */
static void forget_pages(struct amd_viommu *v, const struct amd_command *c)
{
	struct domain *parent = v->viommu.parent;
	struct nested_match m = {
		.asid = c->pasid, .regime = AMD_REGIME_GUEST, .keep_tables = !c->pde};

	if (!amd_viommu_domain(v, c->domain, &m.did))
		return;
	if (c->gn) {
		nested_forget(parent, &m, c->first, c->last);
		if (c->pde)
			nested_forget_pasid_config(parent, c->pasid);
		return;
	}
	m.any_asid = true;
	nested_forget(parent, &m, 0, UINT64_MAX);
	m.regime = AMD_REGIME_HOST;
	nested_forget(parent, &m, c->first, c->last);
}

/* viommu.lock held. */
static void forget_entry(struct vdevice *vd)
{
	struct amd_vdevice *a = amd_vdevice_of(vd);

	a->wanted++;
	a->told = false;
	nested_forget_config(vd->requester, IOMMU_ALL_PASIDS);
}

/* A device that is none of ours is the VMM's own. */
static void forget_device(struct amd_viommu *v, uint16_t device)
{
	struct vdevice *vd;

	lock_acquire(&v->viommu.lock);
	vd = viommu_find(&v->viommu, device);
	if (vd)
		forget_entry(vd);
	lock_release(&v->viommu.lock);
}

/* What a device itself keeps, after what it would be filled from again. order keeps the requester
 * there. */
static void forget_iotlb(struct amd_viommu *v, const struct amd_command *c)
{
	struct requester *r = NULL;
	struct vdevice *vd;

	lock_acquire(&v->viommu.lock);
	vd = viommu_find(&v->viommu, c->device);
	if (vd)
		r = vd->requester;
	lock_release(&v->viommu.lock);
	if (!r)
		return;
	nested_sync(v->viommu.parent);
	requester_forget_atc(r, c->gn ? c->pasid : IOMMU_NO_PASID, c->first, c->last);
}

static void forget_all(struct amd_viommu *v)
{
	const struct nested_match any = {.any_did = true, .any_asid = true, .any_regime = true};

	nested_forget(v->viommu.parent, &any, 0, UINT64_MAX);
	lock_acquire(&v->viommu.lock);
	for (size_t n = 0; n < v->viommu.nr_vdevices; n++)
		if (v->viommu.vdevices[n]->shown)
			forget_entry(v->viommu.vdevices[n]);
	lock_release(&v->viommu.lock);
	nested_forget_all_config(v->viommu.parent);
}

void amd_execute(struct amd_viommu *v, const struct amd_command *c)
{
	switch (c->op) {
	case AMD_COMPLETION_WAIT:
		nested_sync(v->viommu.parent);
		break;
	case AMD_INVALIDATE_DEVTAB_ENTRY:
		forget_device(v, c->device);
		break;
	case AMD_INVALIDATE_IOMMU_PAGES:
		forget_pages(v, c);
		break;
	case AMD_INVALIDATE_IOTLB_PAGES:
		forget_iotlb(v, c);
		break;
	case AMD_INVALIDATE_IOMMU_ALL:
		forget_all(v);
		break;
	case AMD_COMPLETE_PPR_REQUEST:
		amd_ppr_complete(v, c);
		break;
	case AMD_INVALIDATE_INTERRUPT_TABLE: /* the VMM remaps interrupts */
	case AMD_PREFETCH_IOMMU_PAGES:	     /* a hint */
		break;
	}
}

static int execute_entry(struct amd_viommu *v, const struct user_array *a, uint32_t index)
{
	struct iommu_viommu_invalidate_ioas_amd e;
	struct amd_command c;
	uint64_t raw[2];
	int rc = user_get_entry(a, IOMMU_IOAS_AMD, index, &e, sizeof(e), sizeof(e));

	if (rc)
		return rc;
	raw[0] = e.cmd[0];
	raw[1] = e.cmd[1];
	if (!amd_command_decode(raw, &c))
		return -EIO;
	amd_execute(v, &c);
	return 0;
}

int amd_viommu_invalidate(struct viommu *viommu, const struct user_array *a, uint32_t *done)
{
	struct amd_viommu *v = amd_viommu_of(viommu);
	int rc = a->type == IOMMU_IOAS_AMD ? 0 : -EINVAL;

	pthread_mutex_lock(&v->order);
	for (uint32_t k = 0; k < a->entry_num && !rc; k++) {
		rc = execute_entry(v, a, k);
		*done += !rc;
	}
	if (*done)
		nested_sync(viommu->parent);
	pthread_mutex_unlock(&v->order);
	return rc;
}
