/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HWPTs. A paging one is an IOMMU domain whose page table mirrors an IOAS (HWA.7-14); a nested one
 * is a domain whose tables a guest writes, on a paging parent (HWA.15-21).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "iommu/user.h"
#include "object/private.h"
#include "object/viommu.h"

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
	const struct sink *sink = requester_iommu(r)->sink;

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

static void refuse_domain(struct requester *r, uint32_t flags, const struct user_data *data)
{
	const struct sink *sink = requester_iommu(r)->sink;
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(sink))
		explain_domain(r, flags, data, &t);
	refuse(sink, EOPNOTSUPP, "HWA.11", data ? "data_type" : "flags", data ? data->type : flags,
	       "%s", buf);
}

static int make_domain(struct hwpt *hwpt, struct requester *r, const struct user_data *data)
{
	struct iommu *iommu = requester_iommu(r);
	uint64_t page;
	int rc;

	rc = domain_alloc_for(r, hwpt->flags & ~(uint32_t)HWPT_FAULT_ID_VALID, data, &hwpt->domain);
	if (rc == -EOPNOTSUPP)
		refuse_domain(r, hwpt->flags, data);
	if (rc)
		return rc;
	/* Decided here, never changed later (4.1, cache coherency). */
	if (iommu->caps.enforce_coherency)
		domain_enforce_coherency(hwpt->domain);
	domain_set_space(hwpt->domain, hwpt->ioas->space);
	hwpt->mirror.ops = &hwpt_mirror_ops;
	hwpt->mirror.pt = domain_pt(hwpt->domain);
	hwpt->mirror.page_sizes = domain_page_sizes(hwpt->domain);
	hwpt->mirror.only_writeable = domain_only_writeable(hwpt->domain);
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
	hwpt = ioas_calloc(1, sizeof(*hwpt));
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
	ioas_free(hwpt);
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

/* Flags that a nested HWPT may have (HWA.15, HWA.20), and the data that it needs. */
static int check_nested(const struct sink *sink, const char *rule, uint32_t flags,
			const struct user_data *data)
{
	const uint32_t legal = HWPT_FAULT_ID_VALID | DOMAIN_PASID;

	if (flags & ~legal)
		return refuse(sink, EOPNOTSUPP, rule, "flags", flags, "FAULT_ID_VALID 4, PASID 8");
	if (!data)
		return refuse(sink, EOPNOTSUPP, rule, "data_len", 0, "data of the guest's tables");
	return 0;
}

/* Everything but the domain and the hold on what it stands on. */
static int nested_create(struct iommufd *ctx, struct hwpt *parent, uint32_t flags,
			 struct hwpt **out)
{
	struct hwpt *hwpt = ioas_calloc(1, sizeof(*hwpt));
	int rc;

	if (!hwpt)
		return -ENOMEM;
	hwpt->parent = parent;
	hwpt->ioas = parent->ioas;
	hwpt->flags = flags;
	list_init(&hwpt->link);
	rc = object_reserve(ctx, &hwpt->obj, OBJECT_HWPT_NESTED);
	if (rc) {
		ioas_free(hwpt);
		return rc;
	}
	*out = hwpt;
	return 0;
}

static int refuse_nested(const struct sink *sink, int err, const char *rule,
			 const struct user_data *data)
{
	switch (err) {
	case EFAULT:
		return refuse(sink, err, rule, "data_uptr", data->addr, "readable data of data_len bytes");
	case EINVAL:
		return refuse(sink, err, rule, "data_type", data->type,
			      "data as long as this type's structure, with values that this IOMMU has: GET_HW_INFO tells");
	default:
		return refuse(sink, err, rule, "data_type", data->type,
			      "the type of this IOMMU's own tables, and flags in it that the IOMMU has");
	}
}

/* The make has answered; @base is what the HWPT stands on. */
static int nested_finish(struct iommufd *ctx, struct hwpt *hwpt, struct object *base, int rc,
			 const char *rule, const struct user_data *data)
{
	if (rc) {
		object_abort(ctx, &hwpt->obj);
		ioas_free(hwpt);
		return refuse_nested(&ctx->host->sink, -rc, rule, data);
	}
	object_hold(ctx, base);
	return 0;
}

static uint32_t nested_flags(uint32_t flags)
{
	return flags & DOMAIN_PASID;
}

/* HWA.17. */
static bool is_nest_parent(const struct hwpt *hwpt, const struct iommu_make *make)
{
	return !hwpt->automatic && hwpt->flags & DOMAIN_NEST_PARENT &&
	       domain_iommu(hwpt->domain)->make == make;
}

int hwpt_nested_alloc(struct iommufd *ctx, struct hwpt *parent, struct idevice *idev,
		      uint32_t flags, const struct user_data *data, struct hwpt **out)
{
	struct requester *r = idev->hdev->requester;
	const struct iommu_make *make = requester_iommu(r)->make;
	const struct sink *sink = &ctx->host->sink;
	int rc = check_nested(sink, "HWA.15", flags, data);

	if (rc)
		return rc;
	if (!make->domain_alloc_nested)
		return refuse(sink, EOPNOTSUPP, "HWA.16", "pt_id", parent->obj.id,
			      "a make that nests on an HWPT; this is %s", make->name);
	if (!is_nest_parent(parent, make))
		return refuse(sink, EINVAL, "HWA.17", "pt_id", parent->obj.id,
			      "an HWPT made with NEST_PARENT");
	rc = nested_create(ctx, parent, flags, out);
	if (rc)
		return rc;
	rc = make->domain_alloc_nested(r, parent->domain, nested_flags(flags), data,
				       &(*out)->domain);
	return nested_finish(ctx, *out, &parent->obj, rc, "HWA.18", data);
}

int hwpt_viommu_alloc(struct iommufd *ctx, struct viommu_object *v, struct idevice *idev,
		      uint32_t flags, const struct user_data *data, struct hwpt **out)
{
	const struct sink *sink = &ctx->host->sink;
	int rc;

	if (v->viommu->iommu != requester_iommu(idev->hdev->requester))
		return refuse(sink, EINVAL, "HWA.19", "pt_id", v->obj.id,
			      "a vIOMMU of this device's IOMMU");
	rc = check_nested(sink, "HWA.20", flags, data);
	if (rc)
		return rc;
	if (!v->viommu->ops->domain_alloc)
		return refuse(sink, EOPNOTSUPP, "HWA.20", "pt_id", v->obj.id,
			      "a vIOMMU that nests");
	rc = nested_create(ctx, v->parent, flags, out);
	if (rc)
		return rc;
	(*out)->viommu = v;
	rc = v->viommu->ops->domain_alloc(v->viommu, nested_flags(flags), data, &(*out)->domain);
	return nested_finish(ctx, *out, &v->obj, rc, "HWA.21", data);
}

int hwpt_set_fault_queue(struct iommufd *ctx, struct hwpt *hwpt, uint32_t fault_id)
{
	struct object *obj = object_get(ctx, fault_id, OBJECT_FAULT);

	if (!obj)
		return object_refuse(
			ctx, ENOENT,
			&(struct object_refusal){"HWA.6", "fault_id", fault_id, BIT(OBJECT_FAULT)});
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
	ioas_free(hwpt);
}

const struct object_type_ops hwpt_type_ops = {
	.destroy = hwpt_destroy,
};

static void nested_destroy(struct iommufd *ctx, struct object *obj)
{
	struct hwpt *hwpt = container_of(obj, struct hwpt, obj);

	domain_free(hwpt->domain);
	if (hwpt->fault)
		object_release(ctx, &hwpt->fault->obj);
	object_release(ctx, hwpt->viommu ? &hwpt->viommu->obj : &hwpt->parent->obj);
	ioas_free(hwpt);
}

const struct object_type_ops nested_type_ops = {
	.destroy = nested_destroy,
};
