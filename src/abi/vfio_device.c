/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device file, from a group or a cdev: the gate, BIND, ATTACH, DETACH (semantics 13.1-13.3), and the open
 * device that all its fds share.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "abi/iommufd.h"
#include "abi/vfio_device.h"
#include "base/alloc.h"

struct device_file {
	struct abi_file file;
	struct host_device *hdev;
	struct host *host;
	struct abi_file *group_file; /* legacy container: kept open by this fd */
	bool cdev;
	pthread_mutex_t lock;	    /* binding */
	struct vfio_device *device; /* NULL: a cdev that is not bound yet. Read atomically */
};

/* NULL: not bound yet. */
static struct vfio_device *device_of(struct device_file *df)
{
	return __atomic_load_n(&df->device, __ATOMIC_ACQUIRE);
}

/* The same for a call that uses the device. */
static struct vfio_device *device_used(struct abi_file *f)
{
	struct vfio_device *d = device_of(container_of(f, struct device_file, file));

	if (d)
		vfio_device_wake(d);
	return d;
}

static int attach_to_compat(struct vfio_device *d, struct iommufd *ctx)
{
	struct ioas *ioas = iommufd_compat_get(ctx);
	uint32_t pt_id;
	int rc;

	if (!ioas)
		return refuse(&ctx->host->sink, ENODEV, "GRP.FD.2", "ioas", 0, "a compat IOAS");
	pt_id = ioas->obj.id;
	object_put(ctx, &ioas->obj);
	rc = idevice_attach(d->idev, &pt_id);
	d->attached = !rc;
	return rc;
}

static int first_open(struct host_device *hdev, struct vfio_device **out)
{
	struct vfio_device *d = ioas_calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->hdev = hdev;
	d->pci = hdev->hw;
	d->opens = 1;
	pthread_mutex_init(&d->lock, NULL);
	rc = vfio_irqs_init(d);
	if (rc) {
		pthread_mutex_destroy(&d->lock);
		ioas_free(d);
		return rc;
	}
	vfio_config_open(d);
	if (hdev->physfn)
		hdev->physfn->vf_users++;
	*out = d;
	return 0;
}

static void last_close(struct vfio_device *d)
{
	vfio_ioeventfds_close(d);
	vfio_irqs_close(d);
	if (d->wake)
		d->wake->ops->put(d->wake);
	vfio_config_close(d);
	if (d->hdev->physfn)
		d->hdev->physfn->vf_users--;
	if (d->idev)
		idevice_unbind(d->idev);
	pthread_mutex_destroy(&d->lock);
	ioas_free(d);
}

/* hdev->opened changes under the host's open_lock, which is held across the first open and the last close. */
int vfio_device_open(struct host_device *hdev, struct iommufd *ctx, struct vfio_device **out)
{
	struct host *h = hdev->group->host;
	struct vfio_device *d;
	int rc = 0;

	pthread_mutex_lock(&h->open_lock);
	d = hdev->opened;
	if (hdev->absent) {
		rc = refuse(&h->sink, ENODEV, "GRP.FD.1", "name", hdev->cdev, "a device that is there");
		goto out_unlock;
	}
	if (d) {
		if (ctx && (!d->idev || d->idev->ctx != ctx))
			rc = refuse(&h->sink, EINVAL, "GRP.FD.4", "iommufd", 0,
				    "the iommufd to which the device is bound");
		else
			d->opens++;
		goto out_unlock;
	}
	rc = first_open(hdev, &d);
	if (rc)
		goto out_unlock;
	if (ctx)
		rc = idevice_bind(ctx, hdev, &d->idev);
	if (!rc && ctx)
		rc = attach_to_compat(d, ctx);
	if (rc)
		last_close(d);
	else
		hdev->opened = d;
out_unlock:
	pthread_mutex_unlock(&h->open_lock);
	*out = d;
	return rc;
}

void vfio_device_close(struct vfio_device *d)
{
	struct host_device *hdev = d->hdev;
	struct host *h = hdev->group->host;

	pthread_mutex_lock(&h->open_lock);
	if (--d->opens == 0) {
		hdev->opened = NULL;
		last_close(d);
	}
	pthread_mutex_unlock(&h->open_lock);
}

/* 13.2 rows 1 and 2. */
static int copy_bind(struct device_file *df, uint64_t arg, struct vfio_device_bind_iommufd *b, struct caller *c)
{
	const uint32_t min = offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr);
	uint32_t argsz;

	if (copy_in(c, &argsz, arg, sizeof(argsz)))
		return refuse(&df->host->sink, EFAULT, "BIND.1", "argsz", arg, "a readable structure");
	if (argsz < min)
		return refuse(&df->host->sink, EINVAL, "BIND.1", "argsz", argsz, "at least %u", min);
	for (uint64_t i = sizeof(*b); i < argsz; i++) {
		uint8_t byte;

		if (copy_in(c, &byte, arg + i, 1))
			return refuse(&df->host->sink, EFAULT, "BIND.1", "argsz", argsz, "a readable structure");
		if (byte)
			return refuse(&df->host->sink, E2BIG, "BIND.1", "argsz", argsz,
				      "zero in every byte from %zu on", sizeof(*b));
	}
	*b = (struct vfio_device_bind_iommufd){0};
	if (copy_in(c, b, arg, min_u64(argsz, sizeof(*b))))
		return refuse(&df->host->sink, EFAULT, "BIND.1", "argsz", arg, "a readable structure");
	if ((b->flags & ~(uint32_t)VFIO_DEVICE_BIND_FLAG_TOKEN) || b->iommufd < 0)
		return refuse(&df->host->sink, EINVAL, "BIND.2", b->iommufd < 0 ? "iommufd" : "flags",
			      b->iommufd < 0 ? (uint64_t)b->iommufd : b->flags,
			      b->iommufd < 0 ? "the fd of an open /dev/iommu" : "0 or TOKEN 1");
	return 0;
}

/* Row 6. */
static int check_token(struct device_file *df, const struct vfio_device_bind_iommufd *b, struct caller *c)
{
	uint8_t token[VF_TOKEN_LEN];

	if (!(b->flags & VFIO_DEVICE_BIND_FLAG_TOKEN))
		return vf_token_match(df->hdev, NULL);
	if (copy_in(c, token, b->token_uuid_ptr, sizeof(token)))
		return refuse(&df->host->sink, EFAULT, "BIND.6", "token_uuid_ptr", b->token_uuid_ptr,
			      "16 readable bytes");
	return vf_token_match(df->hdev, token);
}

/* Row 4: from now on the group cannot be opened. */
static int block_group(struct device_file *df)
{
	struct host_group *g = df->hdev->group;
	int rc = 0;

	pthread_mutex_lock(&df->host->lock);
	if (g->file)
		rc = refuse(&df->host->sink, EBUSY, "BIND.4", "group", g->id, "a group that is not open");
	else
		g->cdev_opens++;
	pthread_mutex_unlock(&df->host->lock);
	return rc;
}

static void unblock_group(struct device_file *df)
{
	pthread_mutex_lock(&df->host->lock);
	df->hdev->group->cdev_opens--;
	pthread_mutex_unlock(&df->host->lock);
}

static int bind_device(struct device_file *df, struct iommufd *ctx, uint64_t arg, struct caller *c)
{
	struct vfio_device *d;
	uint32_t id;
	int rc;

	pthread_mutex_lock(&df->host->open_lock);
	if (df->hdev->opened) {
		rc = refuse(&df->host->sink, EINVAL, "BIND.8", "fd", 0, "a device that is not open elsewhere");
		goto out_unlock;
	}
	rc = first_open(df->hdev, &d);
	if (rc)
		goto out_unlock;
	rc = idevice_bind(ctx, df->hdev, &d->idev);
	if (rc)
		goto out_close;
	id = d->idev->obj.id;
	if (copy_out(c, arg + offsetof(struct vfio_device_bind_iommufd, out_devid), &id, sizeof(id))) {
		rc = refuse(&df->host->sink, EFAULT, "BIND.9", "out_devid", arg, "writable memory");
		goto out_close;
	}
	df->hdev->opened = d;
	__atomic_store_n(&df->device, d, __ATOMIC_RELEASE);
	goto out_unlock;

out_close:
	last_close(d);
out_unlock:
	pthread_mutex_unlock(&df->host->open_lock);
	return rc;
}

static int bind_to_fd(struct device_file *df, const struct vfio_device_bind_iommufd *b, uint64_t arg,
		      struct caller *c)
{
	struct iommufd *ctx = NULL;
	struct abi_file *f;
	int rc;

	rc = check_token(df, b, c);
	if (rc)
		return rc;
	rc = c->ops->file_get(c, b->iommufd, &f);
	if (!rc) {
		ctx = abi_file_iommufd(f);
		rc = ctx ? 0 : -EBADFD;
		if (!ctx)
			abi_file_put(f);
	}
	if (rc)
		return refuse(&df->host->sink, -rc, "BIND.7", "iommufd", (uint64_t)b->iommufd,
			      "the fd of an open /dev/iommu");
	rc = bind_device(df, ctx, arg, c);
	abi_file_put(f);
	return rc;
}

static long bind_iommufd(struct device_file *df, uint64_t arg, struct caller *c)
{
	struct vfio_device_bind_iommufd b;
	int rc;

	rc = copy_bind(df, arg, &b, c);
	if (rc)
		return rc;
	if (!df->cdev)
		return refuse(&df->host->sink, EINVAL, "BIND.3", "fd", 0, "an fd of /dev/vfio/devices/");
	rc = block_group(df);
	if (rc)
		return rc;
	pthread_mutex_lock(&df->lock);
	if (df->device)
		rc = refuse(&df->host->sink, EINVAL, "BIND.5", "fd", 0, "an fd that is not bound yet");
	else
		rc = bind_to_fd(df, &b, arg, c);
	pthread_mutex_unlock(&df->lock);
	if (rc)
		unblock_group(df);
	return rc;
}

/* PASID 0 is the RID, which the device file then does not know as attached (Q24). */
static bool has_pasid(struct vfio_device *d, uint32_t pasid)
{
	return pasid ? idevice_is_attached_pasid(d->idev, pasid) : d->pasid0;
}

static int attach_pasid(struct vfio_device *d, uint32_t pasid, uint32_t *pt_id)
{
	struct iommufd *ctx = d->idev->ctx;
	int rc;

	if (!pasid && ctx->host->strict)
		return refuse(&ctx->host->sink, EINVAL, "PASID.0", "pasid", 0, "another PASID: 0 is the device itself");
	if (pasid > INT32_MAX)
		return refuse(&ctx->host->sink, ENOSPC, "PASID.1", "pasid", pasid, "below 2^31");
	if (has_pasid(d, pasid))
		return idevice_replace_pasid(d->idev, pasid, pt_id);
	rc = idevice_attach_pasid(d->idev, pasid, pt_id);
	d->pasid0 |= !rc && !pasid;
	return rc;
}

static void detach_pasid(struct vfio_device *d, uint32_t pasid)
{
	if (!has_pasid(d, pasid))
		return;
	idevice_detach_pasid(d->idev, pasid);
	d->pasid0 &= pasid != 0;
}

static void detach_rid(struct vfio_device *d)
{
	if (!d->attached)
		return;
	idevice_detach(d->idev);
	d->attached = false;
}

static int attach_rid(struct vfio_device *d, uint32_t *pt_id)
{
	int rc = d->attached ? idevice_replace(d->idev, pt_id) : idevice_attach(d->idev, pt_id);

	d->attached |= !rc;
	return rc;
}

static long attach_pt(struct device_file *df, uint64_t arg, struct caller *c)
{
	const uint32_t min = offsetof(struct vfio_device_attach_iommufd_pt, pasid);
	const struct sink *sink = &df->host->sink;
	struct vfio_device_attach_iommufd_pt a = {0};
	struct vfio_device *d = df->device;
	bool pasid;
	int rc;

	rc = vfio_copy_in(c, sink, "VATT.1", arg, &a, min);
	if (rc)
		return rc;
	pasid = a.flags & VFIO_DEVICE_ATTACH_PASID;
	if (a.flags & ~(uint32_t)VFIO_DEVICE_ATTACH_PASID)
		return refuse(sink, EINVAL, "VATT.2", "flags", a.flags, "0 or PASID 1");
	if (pasid && a.argsz < sizeof(a))
		return refuse(sink, EINVAL, "VATT.4", "argsz", a.argsz, "%zu with PASID", sizeof(a));
	if (pasid && copy_in(c, &a, arg, sizeof(a)))
		return refuse(sink, EFAULT, "VATT.1", "pasid", arg, "a readable structure");
	pthread_mutex_lock(&d->lock);
	rc = pasid ? attach_pasid(d, a.pasid, &a.pt_id) : attach_rid(d, &a.pt_id);
	if (!rc && copy_out(c, arg + offsetof(struct vfio_device_attach_iommufd_pt, pt_id), &a.pt_id,
			    sizeof(a.pt_id))) {
		rc = refuse(sink, EFAULT, "VATT.5", "pt_id", arg, "writable memory");
		if (pasid)
			detach_pasid(d, a.pasid);
		else
			detach_rid(d);
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static long detach_pt(struct device_file *df, uint64_t arg, struct caller *c)
{
	const uint32_t min = offsetof(struct vfio_device_detach_iommufd_pt, pasid);
	const struct sink *sink = &df->host->sink;
	struct vfio_device_detach_iommufd_pt a = {0};
	struct vfio_device *d = df->device;
	bool pasid;
	int rc;

	rc = vfio_copy_in(c, sink, "VDET.1", arg, &a, min);
	if (rc)
		return rc;
	pasid = a.flags & VFIO_DEVICE_DETACH_PASID;
	if (a.flags & ~(uint32_t)VFIO_DEVICE_DETACH_PASID)
		return refuse(sink, EINVAL, "VDET.2", "flags", a.flags, "0 or PASID 1");
	if (pasid && a.argsz < sizeof(a))
		return refuse(sink, EINVAL, "VDET.3", "argsz", a.argsz, "%zu with PASID", sizeof(a));
	if (pasid && copy_in(c, &a, arg, sizeof(a)))
		return refuse(sink, EFAULT, "VDET.1", "pasid", arg, "a readable structure");
	pthread_mutex_lock(&d->lock);
	if (pasid)
		detach_pasid(d, a.pasid);
	else
		detach_rid(d);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static long dead(struct device_file *df)
{
	return refuse(&df->host->sink, EINVAL, "DEV.GATE", "fd", 0, "VFIO_DEVICE_BIND_IOMMUFD before");
}

static long device_ioctl(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *c)
{
	struct device_file *df = container_of(f, struct device_file, file);

	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return bind_iommufd(df, arg, c);
	if (!device_of(df))
		return dead(df);
	if (df->cdev && cmd == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		return attach_pt(df, arg, c);
	if (df->cdev && cmd == VFIO_DEVICE_DETACH_IOMMUFD_PT)
		return detach_pt(df, arg, c);
	if (cmd == VFIO_DEVICE_FEATURE)
		return vfio_device_feature(df->device, arg, c);
	vfio_device_wake(df->device);
	return vfio_pci_ioctl(df->device, df->cdev, cmd, arg, c);
}

static ssize_t device_pread(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	struct vfio_device *d = device_used(f);

	return d ? vfio_pci_read(d, buf, count, pos, c) : dead(container_of(f, struct device_file, file));
}

static ssize_t device_pwrite(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	struct vfio_device *d = device_used(f);

	return d ? vfio_pci_write(d, buf, count, pos, c) : dead(container_of(f, struct device_file, file));
}

static int device_mmap(struct abi_file *f, uint64_t len, int prot, int flags, uint64_t pos,
		       struct caller *c, struct abi_mapping *out)
{
	struct vfio_device *d = device_of(container_of(f, struct device_file, file));

	return d ? vfio_pci_mmap(d, len, prot, flags, pos, out)
		 : dead(container_of(f, struct device_file, file));
}

static void device_release(struct abi_file *f)
{
	struct device_file *df = container_of(f, struct device_file, file);
	struct host *h = df->host;

	if (df->device) {
		vfio_device_close(df->device);
		if (df->cdev)
			unblock_group(df);
	}
	if (df->group_file) {
		group_device_closed(df->group_file);
		abi_file_put(df->group_file);
	}
	pthread_mutex_lock(&h->open_lock);
	if (--df->hdev->files == 0)
		pthread_cond_broadcast(&h->closed);
	pthread_mutex_unlock(&h->open_lock);
	pthread_mutex_destroy(&df->lock);
	ioas_free(df);
	host_put(h);
}

static const void *device_context(struct abi_file *f)
{
	const struct vfio_device *d = device_of(container_of(f, struct device_file, file));

	return d && d->idev ? d->idev->ctx : NULL;
}

static const struct abi_file_ops device_ops = {
	.kind = ABI_DEVICE,
	.ioctl = device_ioctl,
	.pread = device_pread,
	.pwrite = device_pwrite,
	.mmap = device_mmap,
	.release = device_release,
	.context = device_context,
};

/* -ENODEV: it is absent. */
static int count_file(struct host_device *hdev)
{
	struct host *h = hdev->group->host;
	bool absent;

	pthread_mutex_lock(&h->open_lock);
	absent = hdev->absent;
	hdev->files += !absent;
	pthread_mutex_unlock(&h->open_lock);
	return absent ? refuse(&h->sink, ENODEV, "DEV.OPEN", "cdev", hdev->cdev,
			       "a device that is there: this virtual function is not enabled")
		      : 0;
}

static int new_file(struct host_device *hdev, struct device_file **out)
{
	struct device_file *df = ioas_calloc(1, sizeof(*df));
	int rc;

	if (!df)
		return -ENOMEM;
	rc = count_file(hdev);
	if (rc) {
		ioas_free(df);
		return rc;
	}
	df->hdev = hdev;
	df->host = hdev->group->host;
	host_get(df->host);
	pthread_mutex_init(&df->lock, NULL);
	abi_file_init(&df->file, &device_ops, df->host);
	*out = df;
	return 0;
}

struct host_device *abi_file_device(struct abi_file *f)
{
	return f->ops == &device_ops ? container_of(f, struct device_file, file)->hdev : NULL;
}

int vfio_device_file_create(struct vfio_device *d, struct abi_file *group_file, struct abi_file **out)
{
	struct device_file *df;
	int rc;

	rc = new_file(d->hdev, &df);
	if (rc)
		return rc;
	df->device = d;
	df->group_file = group_file;
	if (group_file)
		abi_file_get(group_file);
	*out = &df->file;
	return 0;
}

int abi_open_device(struct host *h, unsigned int cdev, struct caller *c, struct abi_file **out)
{
	struct host_device *hdev = host_find_cdev(h, cdev);
	struct device_file *df;
	int rc;

	if (!hdev)
		return refuse(&h->sink, ENODEV, "DEV.OPEN", "cdev", cdev, "the number of a device");
	rc = new_file(hdev, &df);
	if (rc)
		return rc;
	df->cdev = true;
	*out = &df->file;
	return 0;
}

void vfio_device_show(struct host_device *hdev)
{
	struct host *h = hdev->group->host;

	pthread_mutex_lock(&h->open_lock);
	__atomic_store_n(&hdev->absent, false, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&h->open_lock);
}

#define REQUEST_PERIOD 10 /* seconds */

/* As vfio_unregister_group_dev() does: who has it open is asked to let go, again and again. */
int vfio_device_hide(struct host_device *hdev, bool wait)
{
	struct host *h = hdev->group->host;
	struct timespec until;
	int rc = 0;

	pthread_mutex_lock(&h->open_lock);
	if (hdev->files && !wait)
		rc = -EBUSY;
	else
		__atomic_store_n(&hdev->absent, true, __ATOMIC_RELEASE);
	while (hdev->files && !rc) {
		if (hdev->opened)
			vfio_irqs_request(hdev->opened);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += REQUEST_PERIOD;
		pthread_cond_timedwait(&h->closed, &h->open_lock, &until);
	}
	pthread_mutex_unlock(&h->open_lock);
	return rc;
}

int vfio_copy_in(struct caller *c, const struct sink *sink, const char *rule, uint64_t arg,
		 void *buf, size_t min)
{
	uint32_t argsz;

	if (copy_in(c, buf, arg, min))
		return refuse(sink, EFAULT, rule, "argsz", arg, "a readable structure of %zu bytes", min);
	argsz = *(uint32_t *)buf;
	if (argsz < min)
		return refuse(sink, EINVAL, rule, "argsz", argsz, "at least %zu", min);
	return 0;
}

int vfio_copy_out(struct caller *c, const struct sink *sink, const char *rule, uint64_t arg,
		  const void *buf, size_t len)
{
	return copy_out(c, arg, buf, len) ? refuse(sink, EFAULT, rule, "arg", arg,
						   "%zu writable bytes for the answer", len)
					  : 0;
}
