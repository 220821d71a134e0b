/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vIOMMU and what hangs off it: semantics 5. Where no make offers one, what hangs off it ends
 * at the lookup of its id.
 */
#include <errno.h>
#include <ioas/abi/extensions.h>
#include <stdlib.h>

#include "abi/iommufd.h"
#include "base/alloc.h"
#include "object/viommu.h"

#define VEVENTQ_MAX_DEPTH BIT(19)

/* Busy until object_put(); NULL after refusing. */
static struct viommu_object *get_viommu(struct call *call, uint32_t id, const char *rule)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_VIOMMU);

	if (obj)
		return container_of(obj, struct viommu_object, obj);
	object_refuse(call->ctx, ENOENT,
		      &(struct object_refusal){rule, "viommu_id", id, BIT(OBJECT_VIOMMU)});
	return NULL;
}

int abi_viommu_alloc(struct call *call)
{
	struct iommu_viommu_alloc *cmd = call->cmd;
	const struct user_data data =
		call_user_data(call, cmd->type, cmd->data_uptr, cmd->data_len);
	struct viommu_object *v;
	struct idevice *idev;
	int rc;

	if (cmd->flags || cmd->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return no(call, EOPNOTSUPP, "VIO.A1", cmd->flags ? "flags" : "type",
			  cmd->flags ? cmd->flags : cmd->type,
			  "flags 0 and a type other than DEFAULT");
	idev = call_get_device(call, cmd->dev_id, "VIO.A2");
	if (!idev)
		return -ENOENT;
	rc = viommu_alloc(call->ctx, idev, cmd->type, cmd->hwpt_id, data.len ? &data : NULL, &v);
	object_put(call->ctx, &idev->obj);
	if (rc)
		return rc;
	cmd->out_viommu_id = v->obj.id;
	return call_publish(call, &v->obj);
}

/* VDV.3 to VDV.8. A vDEVICE keeps the device busy. */
static int alloc_vdevice(struct call *call, struct viommu_object *v)
{
	struct iommu_vdevice_alloc *cmd = call->cmd;
	struct idevice *idev = call_get_device(call, cmd->dev_id, "VDV.3");
	struct vdevice_object *vd;
	int rc;

	if (!idev)
		return -ENOENT;
	rc = vdevice_alloc(v, idev, cmd->virt_id, &vd);
	if (!rc) {
		cmd->out_vdevice_id = vd->obj.id;
		rc = vdevice_finish(vd, call_respond(call));
	}
	if (rc)
		object_put(call->ctx, &idev->obj);
	return rc;
}

int abi_vdevice_alloc(struct call *call)
{
	struct iommu_vdevice_alloc *cmd = call->cmd;
	struct viommu_object *v = get_viommu(call, cmd->viommu_id, "VDV.2");
	int rc;

	if (!v)
		return -ENOENT;
	rc = alloc_vdevice(call, v);
	object_put(call->ctx, &v->obj);
	return rc;
}

int abi_hw_queue_alloc(struct call *call)
{
	struct iommu_hw_queue_alloc *cmd = call->cmd;
	const struct hw_queue_params params = {cmd->type, cmd->index, cmd->nesting_parent_iova,
					       cmd->length};
	struct hw_queue_object *q;
	struct viommu_object *v;
	uint64_t last;
	int rc;

	if (cmd->flags || cmd->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return no(call, EOPNOTSUPP, "HWQ.1", "type", cmd->type,
			  "flags 0 and a type other than DEFAULT");
	if (!cmd->length)
		return no(call, EINVAL, "HWQ.2", "length", 0, "at least 1 byte");
	if (__builtin_add_overflow(cmd->nesting_parent_iova, cmd->length - 1, &last))
		return no(call, EOVERFLOW, "HWQ.3", "nesting_parent_iova", cmd->nesting_parent_iova,
			  "an end within 64 bits");
	v = get_viommu(call, cmd->viommu_id, "HWQ.4");
	if (!v)
		return -ENOENT;
	rc = hw_queue_alloc(v, &params, &q);
	object_put(call->ctx, &v->obj);
	if (rc)
		return rc;
	cmd->out_hw_queue_id = q->obj.id;
	return call_publish(call, &q->obj);
}

int abi_hw_queue_kick(struct call *call)
{
	const struct iommu_hw_queue_kick *cmd = call->cmd;
	struct hw_queue_object *q;
	struct object *obj;

	if (cmd->flags || cmd->__reserved)
		return no(call, EOPNOTSUPP, "HQK.1", "flags", cmd->flags, "flags and __reserved 0");
	obj = object_get(call->ctx, cmd->hw_queue_id, OBJECT_HW_QUEUE);
	if (!obj)
		return object_refuse(call->ctx, ENOENT,
				     &(struct object_refusal){"HQK.2", "hw_queue_id",
							      cmd->hw_queue_id,
							      BIT(OBJECT_HW_QUEUE)});
	q = container_of(obj, struct hw_queue_object, obj);
	if (q->queue->viommu->ops->hw_queue_kick)
		q->queue->viommu->ops->hw_queue_kick(q->queue);
	object_put(call->ctx, obj);
	return 0;
}

/* The vEVENTQ's file (6.2). It holds the queue as a user, and the context. */
struct veventq_file {
	struct abi_file file;
	struct iommufd *ctx;
	struct veventq *queue;
};

static const struct sink *sink_of(const struct veventq_file *f)
{
	return &f->ctx->host->sink;
}

struct reader {
	struct caller *caller;
	uint64_t at;
};

static int put_item(void *arg, const struct veventq_item *item)
{
	const struct iommufd_vevent_header header = {.flags = item->flags,
						     .sequence = item->sequence};
	struct reader *r = arg;

	_Static_assert(sizeof(header) == VEVENTQ_HEADER, "ABI");
	if (copy_out(r->caller, r->at, &header, sizeof(header)))
		return -EFAULT;
	if (item->len && copy_out(r->caller, r->at + sizeof(header), item->data, item->len))
		return -EFAULT;
	r->at += sizeof(header) + item->len;
	return 0;
}

static ssize_t veventq_pread(struct abi_file *file, uint64_t buf, size_t count, uint64_t pos,
			     struct caller *c)
{
	struct veventq_file *f = container_of(file, struct veventq_file, file);
	struct reader reader = {c, buf};
	ssize_t n;

	if (pos)
		return refuse(sink_of(f), ESPIPE, "EVQ.1", "offset", pos,
			      "0: the file has no position");
	if (count < VEVENTQ_HEADER)
		return refuse(sink_of(f), EINVAL, "EVQ.2", "count", count, "at least %d",
			      VEVENTQ_HEADER);
	n = veventq_read(f->queue, count, put_item, &reader);
	if (n == -EINVAL)
		return refuse(sink_of(f), EINVAL, "EVQ.4", "count", count,
			      "room for the first event");
	if (n == -EFAULT)
		return refuse(sink_of(f), EFAULT, "EVQ.6", "buf", buf, "writable memory");
	return n;
}

static void file_watch(struct abi_file *file, void (*changed)(void *arg, bool readable), void *arg)
{
	veventq_watch(container_of(file, struct veventq_file, file)->queue, changed, arg);
}

static long file_ioctl(struct abi_file *file, unsigned int cmd, uint64_t arg, struct caller *c)
{
	struct veventq_file *f = container_of(file, struct veventq_file, file);

	return refuse(sink_of(f), ENOTTY, "EVQ.0", "command", cmd,
		      "read and poll: an event queue has no commands");
}

static void file_release(struct abi_file *file)
{
	struct veventq_file *f = container_of(file, struct veventq_file, file);
	struct iommufd *ctx = f->ctx;

	object_release(ctx, &f->queue->obj);
	veventq_put(f->queue);
	ioas_free(f);
	iommufd_put(ctx);
}

static const void *file_context(struct abi_file *file)
{
	return container_of(file, struct veventq_file, file)->ctx;
}

static const struct abi_file_ops veventq_ops = {
	.kind = ABI_VEVENTQ,
	.stream = true,
	.never_writable = true,
	.ioctl = file_ioctl,
	.pread = veventq_pread,
	.watch = file_watch,
	.release = file_release,
	.context = file_context,
};

static int open_queue(struct iommufd *ctx, struct veventq *queue, struct abi_file **out)
{
	struct veventq_file *f = ioas_calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	iommufd_get(ctx);
	object_hold(ctx, &queue->obj);
	veventq_get(queue);
	f->ctx = ctx;
	f->queue = queue;
	abi_file_init(&f->file, &veventq_ops, ctx->host);
	*out = &f->file;
	return 0;
}

/* The fd, with the caller told of it; on failure nothing is left. */
static int install_and_respond(struct call *call, struct veventq *queue)
{
	struct iommu_veventq_alloc *cmd = call->cmd;
	struct abi_file *file;
	int rc;

	rc = open_queue(call->ctx, queue, &file);
	if (rc)
		return rc;
	cmd->out_veventq_id = queue->obj.id;
	return call_respond_with_fd(call, file, &cmd->out_veventq_fd);
}

int abi_veventq_alloc(struct call *call)
{
	struct iommu_veventq_alloc *cmd = call->cmd;
	struct viommu_object *v;
	struct veventq *q;
	int rc;

	if (cmd->flags || cmd->__reserved || cmd->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return no(call, EOPNOTSUPP, "VEQ.1", "type", cmd->type,
			  "flags and __reserved 0, and a type other than DEFAULT");
	if (!cmd->veventq_depth || cmd->veventq_depth > VEVENTQ_MAX_DEPTH)
		return no(call, EINVAL, "VEQ.2", "veventq_depth", cmd->veventq_depth, "1 to 2^19");
	v = get_viommu(call, cmd->viommu_id, "VEQ.3");
	if (!v)
		return -ENOENT;
	rc = veventq_alloc(v, cmd->type, cmd->veventq_depth, &q);
	if (!rc)
		rc = veventq_finish(q, install_and_respond(call, q));
	object_put(call->ctx, &v->obj);
	return rc;
}
