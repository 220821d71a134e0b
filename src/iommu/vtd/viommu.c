/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/vtd/viommu.h"

#include <errno.h>
#include <ioas/abi/extensions.h>

/* What a guest may be told of only where this IOMMU has it. */
#define CAP_OFFERED (VTD_CAP_PSI | VTD_CAP_FS1GP | VTD_CAP_FS5LP)
#define ECAP_OFFERED                                                                               \
	(VTD_ECAP_C | VTD_ECAP_QI | VTD_ECAP_DT | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_PT |       \
	 VTD_ECAP_SC | VTD_ECAP_PRS | VTD_ECAP_SRS | VTD_ECAP_EAFS | VTD_ECAP_PASID |              \
	 VTD_ECAP_SMTS | VTD_ECAP_SSADS | VTD_ECAP_SSTS | VTD_ECAP_FSTS | VTD_ECAP_SMPWCS)

static bool is_subset(uint64_t field, uint64_t of, uint64_t in)
{
	return !(field_get(field, of) & ~field_get(field, in));
}

/*
 * RPS, RPRIVS, ADMS and ERS are the engine's, whatever the host has. A guest that nests in turn
 * would need a third stage.
 */
static int check_ids(const struct vtd_ids *ids, const struct vtd *host)
{
	const bool wide = field_get(VTD_ECAP_PSS, ids->ecap) > field_get(VTD_ECAP_PSS, host->ecap);

	if (ids->cap & CAP_OFFERED & ~host->cap || ids->ecap & ECAP_OFFERED & ~host->ecap)
		return -EINVAL;
	if (!is_subset(VTD_CAP_SAGAW, ids->cap, host->cap) ||
	    !is_subset(VTD_CAP_SSLPS, ids->cap, host->cap))
		return -EINVAL;
	if (ids->ecap & VTD_ECAP_NEST || (ids->ecap & VTD_ECAP_PASID && wide))
		return -EINVAL;
	return 0;
}

static int show_page(struct vtd_viommu *vv, const struct user_data *data,
		     struct iommu_viommu_ioas_vtd *answer)
{
	struct viommu *v = &vv->viommu;
	int rc;

	vv->page = viommu_pages_alloc(v, PAGE_SIZE);
	if (!vv->page)
		return -ENOMEM;
	rc = v->up->region_add(v, NULL, vv->page, PAGE_SIZE, &vv->offset);
	if (rc)
		goto out_free;
	answer->out_mmap_offset = vv->offset;
	answer->out_mmap_length = PAGE_SIZE;
	rc = user_put(data, IOMMU_VIOMMU_TYPE_IOAS_VTD, answer, sizeof(*answer), sizeof(*answer));
	if (!rc)
		return 0;
	v->up->region_remove(v, vv->offset);
out_free:
	viommu_pages_free(v, vv->page, PAGE_SIZE);
	return rc;
}

static int vtd_viommu_init(struct viommu *v, const struct user_data *data)
{
	struct vtd_viommu *vv = vtd_viommu_of(v);
	struct iommu_viommu_ioas_vtd given;
	int rc;

	if (!data || v->parent->iommu != v->iommu)
		return -EINVAL;
	rc = user_get(data, IOMMU_VIOMMU_TYPE_IOAS_VTD, &given, sizeof(given), sizeof(given));
	if (rc)
		return rc;
	vv->ids = (struct vtd_ids){.cap = given.cap_reg, .ecap = given.ecap_reg};
	rc = check_ids(&vv->ids, v->iommu->make_data);
	if (!rc)
		rc = show_page(vv, data, &given);
	if (rc)
		return rc;
	consumer_init(&vv->consumer, v);
	pthread_mutex_init(&vv->lock, NULL);
	return 0;
}

static void vtd_viommu_fini(struct viommu *v)
{
	struct vtd_viommu *vv = vtd_viommu_of(v);

	pthread_mutex_destroy(&vv->lock);
	consumer_fini(&vv->consumer);
	v->up->region_remove(v, vv->offset);
	viommu_pages_free(v, vv->page, PAGE_SIZE);
}

static const struct viommu_ops vtd_viommu_ops = {
	.size = sizeof(struct vtd_viommu),
	.init = vtd_viommu_init,
	.fini = vtd_viommu_fini,
	.domain_alloc = vtd_domain_alloc,
	.invalidate = vtd_viommu_invalidate,
	.hw_queue_size = vtd_queue_size,
	.hw_queue_init = vtd_queue_init,
	.hw_queue_fini = vtd_queue_fini,
};

const struct viommu_ops *vtd_viommu_type(struct requester *r, uint32_t type)
{
	const struct vtd *v = requester_iommu(r)->make_data;

	return vtd_nests(v) && type == IOMMU_VIOMMU_TYPE_IOAS_VTD ? &vtd_viommu_ops : NULL;
}
