/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO devices of a context.
 */
#include <ioas/abi/vfio.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "library/engine.h"

#define CDEVS "/dev/vfio/devices/"

struct ioas_device {
	struct ioas_context *context;
	int file;
	uint32_t id;
	/* As they were told when it was opened: they never change. */
	struct ioas_region *regions;
	uint32_t nr_regions;
};

static int device_call(struct ioas_device *d, unsigned int cmd, void *arg)
{
	return (int)d->context->ops->ioctl(d->context, d->file, cmd, (uintptr_t)arg);
}

static int bind_device(struct ioas_device *d, const uint8_t *token)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.flags = token ? VFIO_DEVICE_BIND_FLAG_TOKEN : 0,
		.iommufd = d->context->file,
		.token_uuid_ptr = (uintptr_t)token,
	};
	int rc = device_call(d, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	if (!rc)
		d->id = cmd.out_devid;
	return rc;
}

static int ask_regions(struct ioas_device *d)
{
	struct ioas_device_info info;
	int rc = ioas_device_get_info(d, &info);

	if (rc)
		return rc;
	d->regions = ioas_calloc(info.num_regions + 1, sizeof(*d->regions));
	if (!d->regions)
		return -ENOMEM;
	d->nr_regions = info.num_regions;
	for (uint32_t i = 0; i < info.num_regions && !rc; i++) {
		rc = ioas_device_get_region(d, i, &d->regions[i]);
		if (rc == -EINVAL) /* VGA, where there is none */
			rc = 0;
	}
	return rc;
}

int ioas_device_open(struct ioas_context *c, const char *name, const uint8_t *token,
		     struct ioas_device **out)
{
	const char *base = strrchr(name, '/');
	char path[sizeof(CDEVS) + 32];
	struct ioas_device *d;
	int rc;

	if (!base && snprintf(path, sizeof(path), CDEVS "%s", name) >= (int)sizeof(path))
		return -ENOENT;
	d = ioas_calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->context = c;
	rc = d->file = c->ops->open(c, base ? name : path);
	if (rc < 0)
		goto out_free;
	rc = bind_device(d, token);
	if (!rc)
		rc = ask_regions(d);
	if (rc)
		goto out_close;
	*out = d;
	return 0;

out_close:
	c->ops->close(c, d->file);
	ioas_free(d->regions);
out_free:
	ioas_free(d);
	return rc;
}

void ioas_device_close(struct ioas_device *d)
{
	d->context->ops->close(d->context, d->file);
	ioas_free(d->regions);
	ioas_free(d);
}

uint32_t ioas_device_id(const struct ioas_device *d)
{
	return d->id;
}

int ioas_device_file(const struct ioas_device *d)
{
	return d->file;
}

static int attach(struct ioas_device *d, uint32_t flags, uint32_t pasid, uint32_t *pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .flags = flags, .pt_id = *pt_id, .pasid = pasid};
	int rc = device_call(d, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	if (!rc)
		*pt_id = cmd.pt_id;
	return rc;
}

static int detach(struct ioas_device *d, uint32_t flags, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .flags = flags, .pasid = pasid};

	return device_call(d, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

int ioas_device_attach(struct ioas_device *d, uint32_t *pt_id)
{
	return attach(d, 0, 0, pt_id);
}

int ioas_device_detach(struct ioas_device *d)
{
	return detach(d, 0, 0);
}

int ioas_device_attach_pasid(struct ioas_device *d, uint32_t pasid, uint32_t *pt_id)
{
	return attach(d, VFIO_DEVICE_ATTACH_PASID, pasid, pt_id);
}

int ioas_device_detach_pasid(struct ioas_device *d, uint32_t pasid)
{
	return detach(d, VFIO_DEVICE_DETACH_PASID, pasid);
}

int ioas_device_reset(struct ioas_device *d)
{
	return device_call(d, VFIO_DEVICE_RESET, NULL);
}

int ioas_device_get_info(struct ioas_device *d, struct ioas_device_info *info)
{
	struct vfio_device_info cmd = {.argsz = sizeof(cmd)};
	int rc = device_call(d, VFIO_DEVICE_GET_INFO, &cmd);

	if (!rc)
		*info = (struct ioas_device_info){cmd.flags, cmd.num_regions, cmd.num_irqs};
	return rc;
}

int ioas_device_get_region(struct ioas_device *d, uint32_t index, struct ioas_region *r)
{
	struct vfio_region_info cmd = {.argsz = sizeof(cmd), .index = index};
	int rc = device_call(d, VFIO_DEVICE_GET_REGION_INFO, &cmd);

	if (!rc)
		*r = (struct ioas_region){cmd.flags, cmd.size, cmd.offset};
	return rc;
}

/* Where byte @at of the region is in the file. */
static int find_byte(const struct ioas_device *d, uint32_t region, uint64_t at, uint64_t *pos)
{
	if (region >= d->nr_regions || at >= d->regions[region].size)
		return -EINVAL;
	*pos = d->regions[region].offset + at;
	return 0;
}

ssize_t ioas_device_read(struct ioas_device *d, uint32_t region, uint64_t at, void *buf, size_t len)
{
	uint64_t pos;
	int rc = find_byte(d, region, at, &pos);

	return rc ? rc : d->context->ops->pread(d->context, d->file, buf, len, pos);
}

ssize_t ioas_device_write(struct ioas_device *d, uint32_t region, uint64_t at, const void *buf,
			  size_t len)
{
	uint64_t pos;
	int rc = find_byte(d, region, at, &pos);

	return rc ? rc : d->context->ops->pwrite(d->context, d->file, buf, len, pos);
}

int ioas_device_map(struct ioas_device *d, uint32_t region, uint64_t at, size_t len, void **out)
{
	uint64_t pos;
	int rc = find_byte(d, region, at, &pos);

	return rc ? rc : d->context->ops->mmap(d->context, d->file, pos, len, out);
}

int ioas_device_get_irq(struct ioas_device *d, uint32_t index, struct ioas_irq *irq)
{
	struct vfio_irq_info cmd = {.argsz = sizeof(cmd), .index = index};
	int rc = device_call(d, VFIO_DEVICE_GET_IRQ_INFO, &cmd);

	if (!rc)
		*irq = (struct ioas_irq){cmd.flags, cmd.count};
	return rc;
}

int ioas_device_set_irqs(struct ioas_device *d, uint32_t index, uint32_t start, uint32_t n,
			 const int *fds)
{
	const size_t bytes = n * sizeof(*fds);
	struct vfio_irq_set *set = ioas_calloc(1, sizeof(*set) + bytes);
	int rc;

	if (!set)
		return -ENOMEM;
	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + bytes),
		.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
			 (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.index = index,
		.start = start,
		.count = n,
	};
	if (n)
		memcpy(set->data, fds, bytes);
	rc = device_call(d, VFIO_DEVICE_SET_IRQS, set);
	ioas_free(set);
	return rc;
}

int ioas_device_irq(struct ioas_device *d, uint32_t index, enum ioas_irq_action action,
		    uint32_t start, uint32_t n)
{
	static const uint32_t flags[] = {
		[IOAS_IRQ_MASK] = VFIO_IRQ_SET_ACTION_MASK,
		[IOAS_IRQ_UNMASK] = VFIO_IRQ_SET_ACTION_UNMASK,
		[IOAS_IRQ_TRIGGER] = VFIO_IRQ_SET_ACTION_TRIGGER,
	};
	struct vfio_irq_set cmd = {
		.argsz = sizeof(cmd), .index = index, .start = start, .count = n};

	if ((size_t)action >= sizeof(flags) / sizeof(*flags) || !n)
		return -EINVAL;
	cmd.flags = VFIO_IRQ_SET_DATA_NONE | flags[action];
	return device_call(d, VFIO_DEVICE_SET_IRQS, &cmd);
}

int ioas_device_feature(struct ioas_device *d, uint32_t flags, void *data, size_t len)
{
	struct vfio_device_feature *cmd = ioas_calloc(1, sizeof(*cmd) + len);
	int rc;

	if (!cmd)
		return -ENOMEM;
	cmd->argsz = (uint32_t)(sizeof(*cmd) + len);
	cmd->flags = flags;
	if (len)
		memcpy(cmd->data, data, len);
	rc = device_call(d, VFIO_DEVICE_FEATURE, cmd);
	if (rc >= 0 && len)
		memcpy(data, cmd->data, len);
	ioas_free(cmd);
	return rc;
}
