/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOAS object: an address space with an id, and the automatic HWPTs that show it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "object/private.h"

int ioas_alloc(struct iommufd *ctx, struct ioas **out)
{
	struct ioas *ioas = ioas_calloc(1, sizeof(*ioas));
	int rc;

	if (!ioas)
		return -ENOMEM;
	rc = space_create(ctx->host->memory, &ctx->host->sink, &ioas->space);
	if (rc)
		goto out_free;
	ioas->ctx = ctx;
	pthread_mutex_init(&ioas->lock, NULL);
	list_init(&ioas->hwpts);
	rc = object_reserve(ctx, &ioas->obj, OBJECT_IOAS);
	if (rc)
		goto out_space;
	OBSERVE(&ctx->host->sink, space_new, ioas->space, ctx, ioas->obj.id, false);
	*out = ioas;
	return 0;

out_space:
	pthread_mutex_destroy(&ioas->lock);
	space_destroy(ioas->space);
out_free:
	ioas_free(ioas);
	return rc;
}

/* DEST.5, DEST.6. */
static void ioas_destroy(struct iommufd *ctx, struct object *obj)
{
	struct ioas *ioas = container_of(obj, struct ioas, obj);

	lock_acquire(&ctx->lock);
	if (ctx->vfio_ioas == ioas)
		ctx->vfio_ioas = NULL;
	lock_release(&ctx->lock);
	space_destroy(ioas->space);
	pthread_mutex_destroy(&ioas->lock);
	ioas_free(ioas);
}

const struct object_type_ops ioas_type_ops = {
	.destroy = ioas_destroy,
};

struct ioas *iommufd_compat_get(struct iommufd *ctx)
{
	struct ioas *ioas;

	lock_acquire(&ctx->lock);
	ioas = ctx->vfio_ioas;
	/* Between being hidden and ioas_destroy() the pointer is stale: such an IOAS counts as gone. */
	if (ioas && ids_find(&ctx->ids, ioas->obj.id) != &ioas->obj)
		ioas = NULL;
	if (ioas)
		object_busy(&ioas->obj);
	lock_release(&ctx->lock);
	return ioas;
}

/* Lost races are harmless: the second IOAS is thrown away. */
int iommufd_compat_ensure(struct iommufd *ctx)
{
	struct ioas *ioas = iommufd_compat_get(ctx);
	bool lost;
	int rc;

	if (ioas) {
		object_put(ctx, &ioas->obj);
		return 0;
	}
	rc = ioas_alloc(ctx, &ioas);
	if (rc)
		return rc;
	lock_acquire(&ctx->lock);
	lost = ctx->vfio_ioas != NULL;
	if (!lost) {
		ctx->vfio_ioas = ioas;
		ids_publish(&ctx->ids, ioas->obj.id, &ioas->obj);
	}
	lock_release(&ctx->lock);
	if (lost)
		object_abort_and_free(ctx, &ioas->obj);
	return 0;
}
