/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DEVICE object: binding and unbinding (semantics 7.1). What it is attached to: attach.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/private.h"

static int bind_device(struct iommufd *ctx, struct host_device *hdev, bool within,
		       struct idevice **out)
{
	struct idevice *idev;
	int rc;

	rc = host_group_claim_or_refuse(
		hdev->group, &(struct host_owner){ctx, "an iommufd context", ctx->process},
		"BIND.8", "iommufd");
	if (rc)
		return rc;
	idev = ioas_calloc(1, sizeof(*idev));
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
	ioas_free(idev);
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

	idevice_detach_all(idev);
	vdevice_revoke(idev);
	object_release_is_last(ctx, &idev->obj);
	object_wait_idle(ctx, &idev->obj);
	pthread_mutex_lock(&g->lock);
	idev->hdev->idev = NULL;
	pthread_mutex_unlock(&g->lock);
	host_group_release(g, ctx);
	ioas_free(idev);
	if (!within)
		iommufd_put(ctx);
}

/* Only unbinding ends a device, so nobody comes here with one that was published. */
static void idevice_destroy(struct iommufd *ctx, struct object *obj)
{
	ioas_free(container_of(obj, struct idevice, obj));
}

const struct object_type_ops idevice_type_ops = {
	.destroy = idevice_destroy,
};
