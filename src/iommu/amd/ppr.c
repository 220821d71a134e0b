/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peripheral page requests (48882 revision 3.08, section 2.6): a device's group becomes entries of
 * the guest's PPR log, and its answer is a COMPLETE_PPR_REQUEST with the group's tag.
 *
 * A group is on the vIOMMU's list from before the guest hears of it until somebody takes it off,
 * who answers it: the guest's command, or whoever ends the attachment that it came by.
 */
#include "iommu/amd/viommu.h"

#define CODE FIELD(63, 60)

static void add(struct amd_viommu *v, struct requester *r, struct page_group *g, uint16_t device)
{
	pthread_mutex_lock(&v->lock);
	g->device = r;
	g->device_id = device;
	list_add_tail(&v->asked, &g->link);
	pthread_mutex_unlock(&v->lock);
}

/* The group that @matches, off the list; NULL. */
static struct page_group *take(struct amd_viommu *v,
			       bool (*matches)(const struct page_group *g, const void *arg),
			       const void *arg)
{
	struct page_group *found = NULL;
	struct list *pos, *tmp;

	pthread_mutex_lock(&v->lock);
	list_for_each (pos, tmp, &v->asked) {
		struct page_group *g = list_entry(pos, struct page_group, link);

		if (!found && matches(g, arg))
			found = g;
	}
	if (found)
		list_del(&found->link);
	pthread_mutex_unlock(&v->lock);
	return found;
}

static bool is_same(const struct page_group *g, const void *arg)
{
	return g == arg;
}

/* The guest's name of the device, and what its entry said of PPR when it was read last. */
static bool find_device(struct amd_viommu *v, const struct requester *r, uint16_t *device,
			bool *permitted)
{
	struct vdevice *vd;

	lock_acquire(&v->viommu.lock);
	vd = viommu_find_requester(&v->viommu, r);
	if (vd) {
		const struct amd_vdevice *a = amd_vdevice_of(vd);

		*device = (uint16_t)vd->virt_id;
		*permitted = a->have != a->wanted + 1 || a->dte[0] & AMD_DTE0_PPR;
	}
	lock_release(&v->viommu.lock);
	return vd;
}

/* 2.5.10: a device that may not ask. */
static bool refuse_group(struct amd_viommu *v, struct page_group *g, uint16_t device)
{
	uint64_t entry[2];

	amd_ppr_encode(device, g, 0, g->grpid, entry);
	entry[0] = (entry[0] & ~CODE) | field_prep(CODE, AMD_EVENT_INVALID_PPR_REQUEST);
	amd_viommu_log(v, IOMMU_VEVENT_IOAS_AMD_EVENT, entry);
	g->respond(g, false);
	return true;
}

bool amd_ppr_request(struct domain *d, struct requester *r, struct page_group *g)
{
	struct amd_viommu *v = container_of(d, struct amd_nested, domain)->viommu;
	const size_t n = g->nr_requests;
	uint64_t entries[IOMMU_MAX_PAGE_REQUESTS][2];
	bool permitted = false;
	uint16_t device = 0;

	if (!find_device(v, r, &device, &permitted) || n > IOMMU_MAX_PAGE_REQUESTS)
		return false;
	if (!permitted)
		return refuse_group(v, g, device);
	for (size_t k = 0; k < n; k++)
		amd_ppr_encode(device, g, k, g->grpid, entries[k]);
	/* From the last entry on it may be answered, and gone. */
	add(v, r, g, device);
	for (size_t k = 0; k < n; k++)
		if (amd_viommu_log(v, IOMMU_VEVENT_IOAS_AMD_PPR, entries[k]))
			return !take(v, is_same, g);
	return true;
}

static bool is_answered(const struct page_group *g, const void *arg)
{
	const struct amd_command *c = arg;

	return g->device_id == c->device &&
	       (g->grpid & AMD_PPR_TAG_MASK) == (c->tag & AMD_PPR_TAG_MASK) && g->pasid == c->pasid;
}

void amd_ppr_complete(struct amd_viommu *v, const struct amd_command *c)
{
	struct page_group *g = take(v, is_answered, c);

	if (g)
		g->respond(g, c->code == AMD_PPR_SUCCESS);
}

static bool is_of(const struct page_group *g, const void *arg)
{
	return g->device == arg;
}

void amd_ppr_cancel(struct domain *d, const struct requester *r)
{
	struct amd_viommu *v = container_of(d, struct amd_nested, domain)->viommu;
	struct page_group *g;

	while ((g = take(v, is_of, r)))
		g->respond(g, false);
}
