/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vIOMMU and its devices (5.1, 5.2), and what a make has to tell upwards.
 *
 * A vDEVICE belongs to two: the vIOMMU, which it holds, and the device, which waits for it when it
 * is unbound. A device that is unbound takes its vDEVICE along whatever the program thinks of it;
 * the id then stays behind as a tombstone (2.5).
 */
#include "object/viommu.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "object/private.h"

static struct viommu_object *object_of(const struct viommu *v)
{
	return v->owner;
}

static void *up_pages_alloc(struct viommu *v, size_t len)
{
	const struct host_shm *shm = &object_of(v)->ctx->host->shm;

	return shm->alloc(shm->arg, len);
}

static void up_pages_free(struct viommu *v, void *mem, size_t len)
{
	const struct host_shm *shm = &object_of(v)->ctx->host->shm;

	shm->free(shm->arg, mem, len);
}

static int up_region_add(struct viommu *v, struct hw_queue *q, void *mem, size_t len,
			 uint64_t *offset)
{
	struct viommu_object *vo = object_of(v);
	struct hw_queue_object *qo = q ? q->owner : NULL;

	return region_add(vo->ctx, qo ? &qo->obj : &vo->obj, mem, len, offset);
}

static void up_region_remove(struct viommu *v, uint64_t offset)
{
	region_remove(object_of(v)->ctx, offset);
}

static int up_queue_hold(struct hw_queue *q)
{
	struct hw_queue_object *qo = q->owner;

	return object_try_hold(qo->viommu->ctx, &qo->obj) ? 0 : -ENOENT;
}

static void up_queue_release(struct hw_queue *q)
{
	struct hw_queue_object *qo = q->owner;

	object_release(qo->viommu->ctx, &qo->obj);
}

static const struct viommu_up up = {
	.event = veventq_event,
	.pages_alloc = up_pages_alloc,
	.pages_free = up_pages_free,
	.region_add = up_region_add,
	.region_remove = up_region_remove,
	.queue_hold = up_queue_hold,
	.queue_release = up_queue_release,
};

/* What VIOMMU_ALLOC asks of the make. */
struct recipe {
	struct iommu *iommu;
	const struct viommu_ops *ops;
	uint32_t type;
	const struct user_data *data;
};

/* VIO.A6: the make's part. */
static int init_part(struct viommu_object *vo, const struct recipe *r)
{
	struct viommu *v = ioas_calloc(1, r->ops->size);
	int rc;

	if (!v)
		return -ENOMEM;
	v->ops = r->ops;
	v->up = &up;
	v->iommu = r->iommu;
	v->parent = vo->parent->domain;
	v->owner = vo;
	v->type = r->type;
	viommu_setup(v);
	vo->viommu = v;
	rc = r->ops->init(v, r->data);
	if (rc) {
		viommu_teardown(v);
		ioas_free(v);
		return refuse(&vo->ctx->host->sink, -rc, "VIO.A6", "data_uptr", r->type,
			      "what a vIOMMU of this type takes");
	}
	return 0;
}

static int create(struct iommufd *ctx, struct hwpt *parent, const struct recipe *r,
		  struct viommu_object **out)
{
	struct viommu_object *vo = ioas_calloc(1, sizeof(*vo));
	int rc;

	if (!vo)
		return -ENOMEM;
	vo->ctx = ctx;
	vo->parent = parent;
	pthread_mutex_init(&vo->lock, NULL);
	list_init(&vo->veventqs);
	rc = object_reserve(ctx, &vo->obj, OBJECT_VIOMMU);
	if (rc)
		goto out_free;
	rc = init_part(vo, r);
	if (rc)
		goto out_id;
	object_hold(ctx, &parent->obj);
	*out = vo;
	return 0;

out_id:
	object_abort(ctx, &vo->obj);
out_free:
	pthread_mutex_destroy(&vo->lock);
	ioas_free(vo);
	return rc;
}

static int refuse_type(struct requester *r, uint32_t type)
{
	const struct sink *sink = requester_iommu(r)->sink;
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(sink))
		explain_viommus(r, &t);
	return refuse(sink, EOPNOTSUPP, "VIO.A3", "type", type, "%s", buf);
}

int viommu_alloc(struct iommufd *ctx, struct idevice *idev, uint32_t type, uint32_t hwpt_id,
		 const struct user_data *data, struct viommu_object **out)
{
	struct requester *r = idev->hdev->requester;
	struct recipe recipe = {.iommu = requester_iommu(r), .type = type, .data = data};
	const struct iommu_make *make = recipe.iommu->make;
	const struct sink *sink = &ctx->host->sink;
	struct object *obj;
	struct hwpt *parent;
	int rc;

	recipe.ops = make->viommu_type ? make->viommu_type(r, type) : NULL;
	if (!recipe.ops)
		return refuse_type(r, type);
	obj = object_get(ctx, hwpt_id, OBJECT_HWPT_PAGING);
	if (!obj)
		return object_refuse(ctx, ENOENT,
				     &(struct object_refusal){"VIO.A4", "hwpt_id", hwpt_id,
							      BIT(OBJECT_HWPT_PAGING)});
	parent = container_of(obj, struct hwpt, obj);
	if (parent->flags & DOMAIN_NEST_PARENT)
		rc = create(ctx, parent, &recipe, out);
	else
		rc = refuse(sink, EINVAL, "VIO.A5", "hwpt_id", hwpt_id,
			    "an HWPT made with NEST_PARENT");
	object_put(ctx, obj);
	return rc;
}

static void viommu_destroy(struct iommufd *ctx, struct object *obj)
{
	struct viommu_object *vo = container_of(obj, struct viommu_object, obj);

	if (vo->viommu->ops->fini)
		vo->viommu->ops->fini(vo->viommu);
	viommu_teardown(vo->viommu);
	ioas_free(vo->viommu);
	object_release(ctx, &vo->parent->obj);
	pthread_mutex_destroy(&vo->lock);
	ioas_free(vo);
}

const struct object_type_ops viommu_type_ops = {
	.destroy = viommu_destroy,
};

/* vDEVICE. */

/* VDV.5, VDV.6. Group's lock held. */
static int check_device(const struct idevice *idev)
{
	const struct sink *sink = &idev->ctx->host->sink;

	if (idev->destroying)
		return refuse(sink, ENOENT, "VDV.5", "dev_id", idev->obj.id,
			      "a device that is not being unbound");
	if (idev->vdevice)
		return refuse(sink, EEXIST, "VDV.6", "dev_id", idev->obj.id,
			      "a device without a vDEVICE; %u is its", idev->vdevice->obj.id);
	return 0;
}

/* VDV.7, VDV.8: the make's part. */
static int vdevice_init_part(struct vdevice_object *vd, uint64_t virt_id)
{
	struct viommu *v = vd->viommu->viommu;
	size_t size = v->ops->vdevice_size ? v->ops->vdevice_size : sizeof(struct vdevice);
	int rc;

	vd->vdevice = ioas_calloc(1, size);
	if (!vd->vdevice)
		return -ENOMEM;
	*vd->vdevice = (struct vdevice){
		.viommu = v, .requester = vd->idev->hdev->requester, .virt_id = virt_id};
	rc = viommu_add(v, vd->vdevice);
	if (!rc)
		return 0;
	ioas_free(vd->vdevice);
	return refuse(&vd->viommu->ctx->host->sink, -rc, rc == -EEXIST ? "VDV.7" : "VDV.8",
		      "virt_id", virt_id,
		      "a name that is free in this vIOMMU and that its IOMMU can use");
}

/* Group's lock held. */
static int vdevice_create(struct viommu_object *v, struct idevice *idev, uint64_t virt_id,
			  struct vdevice_object **out)
{
	struct vdevice_object *vd = ioas_calloc(1, sizeof(*vd));
	int rc;

	if (!vd)
		return -ENOMEM;
	vd->viommu = v;
	vd->idev = idev;
	rc = object_reserve(v->ctx, &vd->obj, OBJECT_VDEVICE);
	if (rc)
		goto out_free;
	rc = vdevice_init_part(vd, virt_id);
	if (rc)
		goto out_id;
	object_hold(v->ctx, &v->obj);
	idev->vdevice = vd;
	*out = vd;
	return 0;

out_id:
	object_abort(v->ctx, &vd->obj);
out_free:
	ioas_free(vd);
	return rc;
}

int vdevice_alloc(struct viommu_object *v, struct idevice *idev, uint64_t virt_id,
		  struct vdevice_object **out)
{
	struct host_group *g = idev->hdev->group;
	int rc;

	if (requester_iommu(idev->hdev->requester) != v->viommu->iommu)
		return refuse(&v->ctx->host->sink, EINVAL, "VDV.4", "dev_id", idev->obj.id,
			      "a device behind the vIOMMU's own IOMMU");
	pthread_mutex_lock(&g->lock);
	rc = check_device(idev);
	if (!rc)
		rc = vdevice_create(v, idev, virt_id, out);
	if (rc)
		pthread_mutex_unlock(&g->lock);
	return rc;
}

/* Group's lock held. */
static void undo(struct vdevice_object *vd)
{
	viommu_remove(vd->viommu->viommu, vd->vdevice);
	object_release(vd->viommu->ctx, &vd->viommu->obj);
	vd->idev->vdevice = NULL;
	ioas_free(vd->vdevice);
}

int vdevice_finish(struct vdevice_object *vd, int rc)
{
	struct host_group *g = vd->idev->hdev->group;

	if (rc) {
		object_abort(vd->viommu->ctx, &vd->obj);
		undo(vd);
		ioas_free(vd);
	} else {
		object_publish(vd->viommu->ctx, &vd->obj);
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static void vdevice_destroy(struct iommufd *ctx, struct object *obj)
{
	struct vdevice_object *vd = container_of(obj, struct vdevice_object, obj);
	struct idevice *idev = vd->idev;
	struct host_group *g = idev->hdev->group;

	pthread_mutex_lock(&g->lock);
	undo(vd);
	pthread_mutex_unlock(&g->lock);
	ioas_free(vd);
	/* From here on the device may be gone. */
	object_put(ctx, &idev->obj);
}

const struct object_type_ops vdevice_type_ops = {
	.destroy = vdevice_destroy,
};

/* If a DESTROY is at it already, the caller's waiting for the device to be idle is waiting for
 * that. */
void vdevice_revoke(struct idevice *idev)
{
	struct host_group *g = idev->hdev->group;
	struct vdevice_object *vd;
	bool ours;

	pthread_mutex_lock(&g->lock);
	idev->destroying = true;
	vd = idev->vdevice;
	ours = vd && object_try_hold(idev->ctx, &vd->obj);
	pthread_mutex_unlock(&g->lock);
	if (!ours)
		return;
	object_bury(idev->ctx, &vd->obj);
	vdevice_destroy(idev->ctx, &vd->obj);
}
