/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DEVICE object: binding, attaching, replacing, detaching (semantics 7).
 *
 * The hardware is switched for a whole group: the group keeps the HWPT (host_group.hwpt) and how many of its
 * devices asked for it. Each attached device holds a user of the HWPT and one of itself, and has its reserved regions
 * in the IOAS under its own name. Detaching while other devices of the group stay attached only counts.
 */
#include <errno.h>
#include <stdlib.h>

#include "object/private.h"

#define MAX_REGIONS 16

static int reserve_regions(struct idevice *idev, struct ioas *ioas)
{
	struct iommu *iommu = idev->ctx->host->iommu;
	struct iommu_region regions[MAX_REGIONS];
	struct space_range ranges[MAX_REGIONS];
	size_t n = iommu->make->regions(iommu, regions, MAX_REGIONS);

	for (size_t i = 0; i < n; i++)
		ranges[i] = (struct space_range){regions[i].start, regions[i].last};
	return space_reserve(ioas->space, ranges, n, idev);
}

static void hwpt_put(struct iommufd *ctx, struct hwpt *hwpt)
{
	struct ioas *ioas = hwpt->ioas;
	bool last = false;

	if (!hwpt->automatic) {
		object_release(ctx, &hwpt->obj);
		return;
	}
	/* The IOAS cannot go: the HWPT holds it until it is destroyed below. */
	pthread_mutex_lock(&ioas->lock);
	last = object_release_is_last(ctx, &hwpt->obj);
	if (last)
		list_del(&hwpt->link);
	pthread_mutex_unlock(&ioas->lock);
	if (!last)
		return;
	object_wait_idle(ctx, &hwpt->obj);
	hwpt_type_ops.destroy(ctx, &hwpt->obj);
}

/* Counts an attachment. Group's lock held. */
static void attached(struct idevice *idev, struct hwpt *hwpt)
{
	idev->hdev->group->hwpt = hwpt;
	idev->hdev->group->nr_attached++;
	idev->attached = true;
	object_hold(idev->ctx, &hwpt->obj);
	object_hold(idev->ctx, &idev->obj);
}

static int refuse_incompatible(struct idevice *idev, struct hwpt *hwpt, int rc)
{
	if (!rc)
		return 0;
	return refuse(&idev->ctx->host->sink, -rc, "ATT.8", "pt_id", hwpt->obj.id, "%s",
		      rc == -ENODEV ? "an HWPT without a fault queue: this device has no PRI"
				    : "a page table that this device's IOMMU can use");
}

/* ATT.8. Group's lock held. */
static int switch_group(struct idevice *idev, struct hwpt *hwpt)
{
	return refuse_incompatible(idev, hwpt, host_group_attach(idev->hdev->group, hwpt->domain));
}

/*
 * What a device leaves behind when it changes its HWPT. It is dealt with when no lock is held any more: the last user of an
 * automatic HWPT takes its IOAS's lock, and may do so while another thread moves a device the other way.
 */
struct left {
	struct hwpt *hwpt; /* NULL: none */
	unsigned int users; /* of hwpt, one for each device that left */
	struct list faults;
};

static void left_init(struct left *l)
{
	l->hwpt = NULL;
	l->users = 0;
	list_init(&l->faults);
}

static void left_put(struct iommufd *ctx, struct left *l)
{
	fault_answer_all(&l->faults);
	while (l->users) {
		l->users--;
		hwpt_put(ctx, l->hwpt);
	}
}

static int attach_first(struct idevice *idev, struct hwpt *hwpt, struct left *left)
{
	const struct refuse_sink *sink = &idev->ctx->host->sink;
	struct host_group *g = idev->hdev->group;
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	if (idev->attached) {
		rc = refuse(sink, EBUSY, "ATT.3", "pt_id", hwpt->obj.id,
			    "a device that is not attached yet");
		goto out_unlock;
	}
	if (g->nr_attached && g->hwpt != hwpt) {
		rc = refuse(sink, EINVAL, "ATT.4", "pt_id", hwpt->obj.id,
			    "%u, to which the rest of group %u is attached",
			    ((struct hwpt *)g->hwpt)->obj.id, g->id);
		goto out_unlock;
	}
	rc = reserve_regions(idev, hwpt->ioas);
	if (rc)
		goto out_unlock;
	if (!g->nr_attached) {
		rc = switch_group(idev, hwpt);
		if (rc) {
			space_release(hwpt->ioas->space, idev);
			goto out_unlock;
		}
	}
	attached(idev, hwpt);
out_unlock:
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* The devices of @g that are attached, through their idevice. */
static struct idevice *next_attached(struct host_group *g, struct list **pos)
{
	for (*pos = (*pos)->next; *pos != &g->devices; *pos = (*pos)->next) {
		struct host_device *hdev = list_entry(*pos, struct host_device, group_link);
		struct idevice *idev = hdev->idev;

		if (idev && idev->attached)
			return idev;
	}
	return NULL;
}

static int reserve_group(struct host_group *g, struct ioas *ioas)
{
	struct list *pos = &g->devices;
	struct idevice *idev;
	int rc = 0;

	while (!rc && (idev = next_attached(g, &pos)))
		rc = reserve_regions(idev, ioas);
	return rc;
}

static void release_group(struct host_group *g, struct ioas *ioas)
{
	struct list *pos = &g->devices;
	struct idevice *idev;

	while ((idev = next_attached(g, &pos)))
		space_release(ioas->space, idev);
}

/* What the group's devices still have in the fault queue of the HWPT that they leave. */
static void take_faults(struct host_group *g, struct hwpt *old, struct list *faults)
{
	struct list *pos = &g->devices;
	struct idevice *idev;

	while (old->fault && (idev = next_attached(g, &pos)))
		fault_queue_take(old->fault, old, idev, faults);
}

/* 7.3. The new ranges are reserved before the switch, the old released after it. Group's lock held. */
static int replace_locked(struct idevice *idev, struct hwpt *hwpt, struct left *left)
{
	struct host_group *g = idev->hdev->group;
	struct hwpt *old = g->hwpt;
	bool moved;
	int rc;

	if (!idev->attached)
		return refuse(&idev->ctx->host->sink, EINVAL, "ATT.3", "pt_id", hwpt->obj.id,
			      "a device that is attached");
	if (old == hwpt)
		return 0;
	moved = old->ioas != hwpt->ioas;
	rc = moved ? reserve_group(g, hwpt->ioas) : 0;
	if (!rc)
		rc = switch_group(idev, hwpt);
	if (rc) {
		if (moved)
			release_group(g, hwpt->ioas);
		return rc;
	}
	if (moved)
		release_group(g, old->ioas);
	take_faults(g, old, &left->faults);
	left->hwpt = old;
	left->users = g->nr_attached;
	g->hwpt = hwpt;
	for (unsigned int i = 0; i < g->nr_attached; i++)
		object_hold(idev->ctx, &hwpt->obj);
	return 0;
}

static int attach_replace(struct idevice *idev, struct hwpt *hwpt, struct left *left)
{
	struct host_group *g = idev->hdev->group;
	int rc;

	pthread_mutex_lock(&g->lock);
	rc = replace_locked(idev, hwpt, left);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

typedef int (*attach_fn)(struct idevice *idev, struct hwpt *hwpt, struct left *left);

static void take_off(struct idevice *idev, struct left *left)
{
	struct host_group *g = idev->hdev->group;
	struct hwpt *hwpt;

	pthread_mutex_lock(&g->lock);
	if (!idev->attached)
		goto out_unlock;
	hwpt = g->hwpt;
	idev->attached = false;
	if (--g->nr_attached == 0) {
		host_group_attach(g, NULL);
		g->hwpt = NULL;
	}
	if (hwpt->fault)
		fault_queue_take(hwpt->fault, hwpt, idev, &left->faults);
	left->hwpt = hwpt;
	left->users = 1;
	space_release(hwpt->ioas->space, idev);
	object_release(idev->ctx, &idev->obj);
out_unlock:
	pthread_mutex_unlock(&g->lock);
}

/*
 * Attaching comes before filling, so that ATT.3 to ATT.8 win over ATT.9; replacing the other way round, so that a
 * failed fill leaves the old HWPT in force. The HWPT is new, and nobody else knows it.
 */
static int attach_and_fill(struct idevice *idev, struct hwpt *hwpt, attach_fn attach, struct left *left)
{
	struct left undone;
	int rc;

	if (attach == attach_replace) {
		rc = hwpt_fill(hwpt);
		return rc ? rc : attach(idev, hwpt, left);
	}
	rc = attach(idev, hwpt, left);
	if (rc)
		return rc;
	rc = hwpt_fill(hwpt);
	if (rc) {
		left_init(&undone);
		take_off(idev, &undone);
		object_release(idev->ctx, &hwpt->obj);
	}
	return rc;
}

/* No automatic HWPT of the IOAS fits: make one; it joins the list when it is attached. ioas->lock held. */
static int attach_new(struct idevice *idev, struct ioas *ioas, attach_fn attach, struct left *left,
		      struct hwpt **out)
{
	struct iommufd *ctx = idev->ctx;
	struct hwpt *hwpt;
	int rc;

	rc = hwpt_create(ctx, ioas, idev, 0, NULL, &hwpt);
	if (rc)
		return rc;
	hwpt->automatic = true;
	rc = attach_and_fill(idev, hwpt, attach, left);
	if (rc) {
		object_abort_and_free(ctx, &hwpt->obj);
		return rc;
	}
	list_add_tail(&ioas->hwpts, &hwpt->link);
	object_publish(ctx, &hwpt->obj);
	*out = hwpt;
	return 0;
}

static int attach_ioas(struct idevice *idev, struct ioas *ioas, attach_fn attach, struct left *left,
		       uint32_t *pt_id)
{
	struct list *pos, *tmp;
	struct hwpt *hwpt;
	int rc = -EINVAL;

	pthread_mutex_lock(&ioas->lock);
	list_for_each(pos, tmp, &ioas->hwpts) {
		hwpt = list_entry(pos, struct hwpt, link);
		rc = attach(idev, hwpt, left);
		if (rc != -EINVAL)
			break;
	}
	if (rc == -EINVAL)
		rc = attach_new(idev, ioas, attach, left, &hwpt);
	if (!rc)
		*pt_id = hwpt->obj.id;
	pthread_mutex_unlock(&ioas->lock);
	return rc;
}

static int change_attachment(struct idevice *idev, uint32_t *pt_id, attach_fn attach)
{
	struct iommufd *ctx = idev->ctx;
	struct object *obj;
	struct left left;
	int rc;

	left_init(&left);
	rc = object_get_page_table(ctx, *pt_id, &obj);
	if (rc == -ENOENT)
		return refuse(&ctx->host->sink, ENOENT, "ATT.1", "pt_id", *pt_id,
			      "the id of an IOAS or HWPT");
	if (rc)
		return refuse(&ctx->host->sink, EINVAL, "ATT.2", "pt_id", *pt_id,
			      "the id of an IOAS or HWPT; this object is of another type");
	if (obj->type == OBJECT_IOAS) {
		rc = attach_ioas(idev, container_of(obj, struct ioas, obj), attach, &left, pt_id);
		object_release(ctx, obj);
	} else {
		rc = attach(idev, container_of(obj, struct hwpt, obj), &left);
		hwpt_put(ctx, container_of(obj, struct hwpt, obj));
	}
	left_put(ctx, &left);
	return rc;
}

int idevice_attach(struct idevice *idev, uint32_t *pt_id)
{
	return change_attachment(idev, pt_id, attach_first);
}

int idevice_replace(struct idevice *idev, uint32_t *pt_id)
{
	return change_attachment(idev, pt_id, attach_replace);
}

void idevice_detach(struct idevice *idev)
{
	struct left left;

	left_init(&left);
	take_off(idev, &left);
	left_put(idev->ctx, &left);
}

bool idevice_is_attached(struct idevice *idev)
{
	bool is;

	pthread_mutex_lock(&idev->hdev->group->lock);
	is = idev->attached;
	pthread_mutex_unlock(&idev->hdev->group->lock);
	return is;
}

static int bind_device(struct iommufd *ctx, struct host_device *hdev, bool within, struct idevice **out)
{
	struct idevice *idev;
	int rc;

	rc = host_group_claim(hdev->group, ctx);
	if (rc)
		return refuse(&ctx->host->sink, -rc, "BIND.8", "iommufd", hdev->group->id,
			      "a group that no other context or container owns");
	idev = calloc(1, sizeof(*idev));
	if (!idev) {
		rc = -ENOMEM;
		goto out_claim;
	}
	idev->ctx = ctx;
	idev->hdev = hdev;
	rc = object_reserve(ctx, &idev->obj, OBJECT_DEVICE);
	if (rc)
		goto out_free;
	idev->within = within;
	if (!within)
		iommufd_get(ctx);
	object_hold(ctx, &idev->obj); /* the driver's */
	pthread_mutex_lock(&hdev->group->lock);
	hdev->idev = idev;
	pthread_mutex_unlock(&hdev->group->lock);
	object_publish(ctx, &idev->obj);
	*out = idev;
	return 0;

out_free:
	free(idev);
out_claim:
	host_group_release(hdev->group, ctx);
	return rc;
}

int idevice_bind(struct iommufd *ctx, struct host_device *hdev, struct idevice **out)
{
	return bind_device(ctx, hdev, false, out);
}

int idevice_bind_within(struct iommufd *ctx, struct host_device *hdev, struct idevice **out)
{
	return bind_device(ctx, hdev, true, out);
}

void idevice_unbind(struct idevice *idev)
{
	struct iommufd *ctx = idev->ctx;
	const bool within = idev->within;
	struct host_group *g = idev->hdev->group;

	idevice_detach(idev);
	object_release_is_last(ctx, &idev->obj);
	object_wait_idle(ctx, &idev->obj);
	pthread_mutex_lock(&g->lock);
	idev->hdev->idev = NULL;
	pthread_mutex_unlock(&g->lock);
	host_group_release(g, ctx);
	free(idev);
	if (!within)
		iommufd_put(ctx);
}

/* Only unbinding ends a device, so nobody comes here with one that was published. */
static void idevice_destroy(struct iommufd *ctx, struct object *obj)
{
	free(container_of(obj, struct idevice, obj));
}

const struct object_type_ops idevice_type_ops = {
	.destroy = idevice_destroy,
};
