/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The paging HWPT: one IOMMU domain whose page table mirrors an IOAS (HWA.7-14).
 */
#include <errno.h>
#include <stdlib.h>

#include "iommu/user.h"
#include "object/private.h"

#define HWPT_FAULT_ID_VALID BIT(2)
#define HWPT_KNOWN_FLAGS    (DOMAIN_NEST_PARENT | DOMAIN_DIRTY | HWPT_FAULT_ID_VALID | DOMAIN_PASID)

static void mirror_invalidate(struct space_mirror *m, uint64_t iova, uint64_t last,
			      struct pt_gather *g)
{
	struct hwpt *hwpt = container_of(m, struct hwpt, mirror);

	domain_invalidate(hwpt->domain, iova, last, g);
}

static const struct space_mirror_ops hwpt_mirror_ops = {
	.invalidate = mirror_invalidate,
};

static int check_flags(const struct requester *r, uint32_t flags)
{
	const struct refuse_sink *sink = requester_iommu(r)->sink;

	if (flags & ~(uint32_t)HWPT_KNOWN_FLAGS)
		return refuse(sink, EOPNOTSUPP, "HWA.8", "flags", flags,
			      "NEST_PARENT 1, DIRTY_TRACKING 2, FAULT_ID_VALID 4, PASID 8");
	if ((flags & DOMAIN_DIRTY) && !requester_caps(r)->dirty)
		return refuse(sink, EOPNOTSUPP, "HWA.9", "flags", flags,
			      "no DIRTY_TRACKING: this IOMMU has none");
	if ((flags & HWPT_FAULT_ID_VALID) && (flags & DOMAIN_NEST_PARENT))
		return refuse(sink, EOPNOTSUPP, "HWA.10", "flags", flags,
			      "FAULT_ID_VALID without NEST_PARENT");
	return 0;
}

static int make_domain(struct hwpt *hwpt, struct requester *r, const struct user_data *data)
{
	struct iommu *iommu = requester_iommu(r);
	uint64_t page;
	int rc;

	rc = domain_alloc_for(r, hwpt->flags & ~(uint32_t)HWPT_FAULT_ID_VALID, data, &hwpt->domain);
	if (rc == -EOPNOTSUPP)
		refuse(iommu->sink, EOPNOTSUPP, "HWA.11", data ? "data_type" : "flags",
		       data ? data->type : hwpt->flags, "a set of flags and data that %s accepts",
		       iommu->make->name);
	if (rc)
		return rc;
	/* Decided here, never changed later (4.1, cache coherency). */
	if (iommu->caps.enforce_coherency)
		domain_enforce_coherency(hwpt->domain);
	hwpt->mirror.ops = &hwpt_mirror_ops;
	hwpt->mirror.pt = domain_pt(hwpt->domain);
	hwpt->mirror.page_sizes = domain_page_sizes(hwpt->domain);
	domain_aperture(hwpt->domain, &hwpt->mirror.aperture_start, &hwpt->mirror.aperture_last);
	page = BIT(lowest_bit(hwpt->mirror.page_sizes));
	if (page > PAGE_SIZE) {
		domain_free(hwpt->domain);
		return refuse(iommu->sink, EINVAL, "HWA.12", "pt_id", hwpt->ioas->obj.id,
			      "an IOMMU whose smallest page is at most the CPU's; here %llu bytes",
			      (unsigned long long)page);
	}
	return 0;
}

int hwpt_create(struct iommufd *ctx, struct ioas *ioas, struct idevice *idev, uint32_t flags,
		const struct user_data *data, struct hwpt **out)
{
	struct requester *r = idev->hdev->requester;
	struct hwpt *hwpt;
	int rc;

	rc = check_flags(r, flags);
	if (rc)
		return rc;
	hwpt = calloc(1, sizeof(*hwpt));
	if (!hwpt)
		return -ENOMEM;
	hwpt->ioas = ioas;
	hwpt->flags = flags;
	list_init(&hwpt->link);
	rc = object_reserve(ctx, &hwpt->obj, OBJECT_HWPT_PAGING);
	if (rc)
		goto out_free;
	rc = make_domain(hwpt, r, data);
	if (rc)
		goto out_id;
	object_hold(ctx, &ioas->obj);
	*out = hwpt;
	return 0;

out_id:
	object_abort(ctx, &hwpt->obj);
out_free:
	free(hwpt);
	return rc;
}

int hwpt_fill(struct hwpt *hwpt)
{
	int rc = space_add_mirror(hwpt->ioas->space, &hwpt->mirror);

	hwpt->filled = !rc;
	return rc;
}

int hwpt_paging_alloc(struct iommufd *ctx, struct ioas *ioas, struct idevice *idev, uint32_t flags,
		      const struct user_data *data, struct hwpt **out)
{
	struct hwpt *hwpt;
	int rc;

	rc = hwpt_create(ctx, ioas, idev, flags, data, &hwpt);
	if (rc)
		return rc;
	rc = hwpt_fill(hwpt);
	if (rc) {
		object_abort_and_free(ctx, &hwpt->obj);
		return rc;
	}
	*out = hwpt;
	return 0;
}

int hwpt_set_fault_queue(struct iommufd *ctx, struct hwpt *hwpt, uint32_t fault_id)
{
	struct object *obj = object_get(ctx, fault_id, OBJECT_FAULT);

	if (!obj)
		return refuse(&ctx->host->sink, ENOENT, "HWA.6", "fault_id", fault_id, "the id of a fault queue");
	object_hold(ctx, obj);
	hwpt->fault = container_of(obj, struct fault_queue, obj);
	domain_set_recoverable(hwpt->domain);
	object_put(ctx, obj);
	return 0;
}

static void hwpt_destroy(struct iommufd *ctx, struct object *obj)
{
	struct hwpt *hwpt = container_of(obj, struct hwpt, obj);

	if (hwpt->filled)
		space_remove_mirror(hwpt->ioas->space, &hwpt->mirror);
	domain_free(hwpt->domain);
	if (hwpt->fault)
		object_release(ctx, &hwpt->fault->obj);
	object_release(ctx, &hwpt->ioas->obj);
	free(hwpt);
}

const struct object_type_ops hwpt_type_ops = {
	.destroy = hwpt_destroy,
};
