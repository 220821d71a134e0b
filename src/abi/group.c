/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The group, /dev/vfio/N: semantics 10.2.
 *
 * With a legacy container each device fd holds the group's file; with an iommufd it does not. One open at a time:
 * host_group.file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/iommufd.h"
#include "abi/vfio_device.h"
#include "base/alloc.h"
#include "base/text.h"

struct group_file {
	struct abi_file file;
	struct host_group *group;
	pthread_mutex_t lock;
	struct container *container; /* at most one of the two */
	struct iommufd *iommufd;
	unsigned int nr_devices; /* open device fds of a legacy container */
};

static const struct sink *sink_of(const struct group_file *gf)
{
	return &gf->group->host->sink;
}

static long get_status(struct group_file *gf, uint64_t arg, struct caller *c)
{
	struct host *h = gf->group->host;
	struct vfio_group_status status;
	int rc;

	rc = vfio_copy_in(c, sink_of(gf), "GRP.STATUS.1", arg, &status, sizeof(status));
	if (rc)
		return rc;
	status.flags = 0;
	if (gf->container || gf->iommufd) {
		status.flags = VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE;
	} else {
		pthread_mutex_lock(&h->lock);
		if (!gf->group->owner)
			status.flags = VFIO_GROUP_FLAGS_VIABLE;
		pthread_mutex_unlock(&h->lock);
	}
	return vfio_copy_out(c, sink_of(gf), "GRP.STATUS.1", arg, &status, sizeof(status));
}

static int join(struct group_file *gf, struct abi_file *f, int fd)
{
	struct container *container = abi_file_container(f);
	struct iommufd *ctx = abi_file_iommufd(f);
	int rc;

	if (container) {
		rc = container_add_group(container, gf->group);
		if (!rc)
			gf->container = container;
		return rc;
	}
	if (!ctx)
		return refuse(sink_of(gf), EBADFD, "GRP.SET.6", "fd", (uint64_t)fd,
			      "the fd of a container or an iommufd");
	rc = iommufd_compat_ensure(ctx);
	if (rc)
		return rc;
	iommufd_get(ctx);
	gf->iommufd = ctx;
	return 0;
}

static long set_container(struct group_file *gf, uint64_t arg, struct caller *c)
{
	struct abi_file *f = NULL;
	int32_t fd;
	int rc;

	if (copy_in(c, &fd, arg, sizeof(fd)))
		return refuse(sink_of(gf), EFAULT, "GRP.SET.1", "fd", arg, "a readable fd number");
	rc = c->ops->file_get(c, fd, &f);
	if (rc == -EBADF)
		return refuse(sink_of(gf), EBADF, "GRP.SET.1", "fd", (uint64_t)fd, "an open fd");
	if (gf->container || gf->iommufd)
		rc = refuse(sink_of(gf), EINVAL, "GRP.SET.2", "fd", (uint64_t)fd,
			    "UNSET_CONTAINER before: one is set");
	else if (rc)
		rc = refuse(sink_of(gf), -rc, "GRP.SET.6", "fd", (uint64_t)fd,
			    "the fd of a container or an iommufd");
	else
		rc = join(gf, f, fd);
	if (f)
		abi_file_put(f);
	return rc;
}

static void leave(struct group_file *gf)
{
	if (gf->container)
		container_remove_group(gf->container, gf->group);
	if (gf->iommufd)
		iommufd_put(gf->iommufd);
	gf->container = NULL;
	gf->iommufd = NULL;
}

static long unset_container(struct group_file *gf)
{
	if (!gf->container && !gf->iommufd)
		return refuse(sink_of(gf), EINVAL, "GRP.UNSET.1", "group", gf->group->id, "SET_CONTAINER before");
	if (gf->container && gf->nr_devices)
		return refuse(sink_of(gf), EBUSY, "GRP.UNSET.2", "group", gf->group->id,
			      "no open device; %u are", gf->nr_devices);
	leave(gf);
	return 0;
}

#define MAX_NAME 4096

/* A text of the program's, allocated. */
static int copy_name(struct group_file *gf, uint64_t arg, struct caller *c, char **out)
{
	char *name = ioas_malloc(MAX_NAME);
	int rc = 0;

	if (!name)
		return -ENOMEM;
	for (size_t n = 0; !n || name[n - 1]; n++) {
		if (n == MAX_NAME)
			rc = refuse(sink_of(gf), EINVAL, "GRP.FD.1", "name", arg, "at most %d characters", MAX_NAME - 1);
		else if (copy_in(c, &name[n], arg + n, 1))
			rc = refuse(sink_of(gf), EFAULT, "GRP.FD.1", "name", arg, "a readable text");
		if (rc) {
			ioas_free(name);
			return rc;
		}
	}
	*out = name;
	return 0;
}

/* vfio-pci's options may follow the name. 1: it is this one. */
static int match_device(struct group_file *gf, struct host_device *d, const char *text)
{
	const size_t len = strlen(d->name);
	uint8_t token[VF_TOKEN_LEN];
	bool given = false;
	int rc;

	if (__atomic_load_n(&d->absent, __ATOMIC_ACQUIRE) || strncmp(text, d->name, len) ||
	    (text[len] && text[len] != ' '))
		return 0;
	rc = vf_token_parse(sink_of(gf), text + len, token, &given);
	if (!rc)
		rc = vf_token_match(d, given ? token : NULL);
	return rc ? rc : 1;
}

static int refuse_device(const struct group_file *gf)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);
	struct list *pos, *tmp;

	text_add(&t, "a device of group %u:", gf->group->id);
	list_for_each (pos, tmp, &gf->group->devices) {
		const struct host_device *d = list_entry(pos, struct host_device, group_link);

		if (!__atomic_load_n(&d->absent, __ATOMIC_ACQUIRE))
			text_add(&t, " %s", d->name);
	}
	return refuse(sink_of(gf), ENODEV, "GRP.FD.1", "name", gf->group->id, "%s", buf);
}

static int find_device(struct group_file *gf, uint64_t arg, struct caller *c, struct host_device **out)
{
	struct list *pos, *tmp;
	char *name;
	int rc;

	rc = copy_name(gf, arg, c, &name);
	if (rc)
		return rc;
	list_for_each(pos, tmp, &gf->group->devices) {
		*out = list_entry(pos, struct host_device, group_link);
		if (!rc)
			rc = match_device(gf, *out, name);
		if (rc)
			break;
	}
	ioas_free(name);
	return !rc ? refuse_device(gf) : rc < 0 ? rc : 0;
}

static long get_device_fd(struct group_file *gf, uint64_t arg, struct caller *c)
{
	struct host_device *hdev = NULL;
	struct vfio_device *d;
	struct abi_file *f;
	int rc;

	rc = find_device(gf, arg, c, &hdev);
	if (rc)
		return rc;
	if (!gf->iommufd && !(gf->container && container_has_iommu(gf->container)))
		return refuse(sink_of(gf), EINVAL, "GRP.FD.2", "group", gf->group->id,
			      "SET_CONTAINER, then SET_IOMMU on the container");
	rc = vfio_device_open(hdev, gf->iommufd, &d);
	if (rc)
		return rc;
	rc = vfio_device_file_create(d, gf->container ? &gf->file : NULL, &f);
	if (rc) {
		vfio_device_close(d);
		return rc;
	}
	if (gf->container)
		gf->nr_devices++;
	rc = c->ops->fd_install(c, f);
	if (rc < 0) {
		/* The file's release takes the group's lock, which this thread has. */
		pthread_mutex_unlock(&gf->lock);
		abi_file_put(f);
		pthread_mutex_lock(&gf->lock);
	}
	return rc;
}

static long group_ioctl(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *c)
{
	struct group_file *gf = container_of(f, struct group_file, file);
	long rc;

	pthread_mutex_lock(&gf->lock);
	switch (cmd) {
	case VFIO_GROUP_GET_STATUS:
		rc = get_status(gf, arg, c);
		break;
	case VFIO_GROUP_SET_CONTAINER:
		rc = set_container(gf, arg, c);
		break;
	case VFIO_GROUP_UNSET_CONTAINER:
		rc = unset_container(gf);
		break;
	case VFIO_GROUP_GET_DEVICE_FD:
		rc = get_device_fd(gf, arg, c);
		break;
	default:
		rc = refuse(sink_of(gf), ENOTTY, "GRP.0", "command", cmd, "a command of a group");
	}
	pthread_mutex_unlock(&gf->lock);
	return rc;
}

static void group_release(struct abi_file *f)
{
	struct group_file *gf = container_of(f, struct group_file, file);
	struct host *h = gf->group->host;

	leave(gf);
	pthread_mutex_lock(&h->lock);
	gf->group->file = NULL;
	pthread_mutex_unlock(&h->lock);
	pthread_mutex_destroy(&gf->lock);
	ioas_free(gf);
	host_put(h);
}

static const struct abi_file_ops group_ops = {
	.kind = ABI_GROUP,
	.ioctl = group_ioctl,
	.release = group_release,
};

struct host_group *abi_file_group(struct abi_file *f)
{
	return f->ops == &group_ops ? container_of(f, struct group_file, file)->group : NULL;
}

void group_device_closed(struct abi_file *f)
{
	struct group_file *gf = container_of(f, struct group_file, file);

	pthread_mutex_lock(&gf->lock);
	gf->nr_devices--;
	pthread_mutex_unlock(&gf->lock);
}

/* Lock held. A group is there as long as any of its devices is. */
static bool is_empty(const struct host_group *g)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, &g->devices)
		if (!__atomic_load_n(&list_entry(pos, struct host_device, group_link)->absent, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

int abi_open_group(struct host *h, unsigned int group, struct caller *c, struct abi_file **out)
{
	struct host_group *g = host_find_group(h, group);
	struct group_file *gf;
	bool busy, empty, by_group;

	if (!g)
		return refuse(&h->sink, ENODEV, "GRP.OPEN", "group", group,
			      "a group with a device");
	gf = ioas_calloc(1, sizeof(*gf));
	if (!gf)
		return -ENOMEM;
	pthread_mutex_lock(&h->lock);
	empty = is_empty(g);
	by_group = g->file;
	busy = by_group || g->cdev_opens;
	if (!busy && !empty)
		g->file = gf;
	pthread_mutex_unlock(&h->lock);
	if (busy || empty) {
		ioas_free(gf);
		if (empty)
			return refuse(
				&h->sink, ENODEV, "GRP.OPEN", "group", group,
				"a group with a device: its virtual functions are not enabled");
		return refuse(
			&h->sink, EBUSY, "GRP.OPEN", "group", group,
			"a group that is not open, nor one of its devices through its cdev; %s",
			by_group ? "this group is open"
				 : "a device of it is open through its cdev");
	}
	host_get(h);
	gf->group = g;
	pthread_mutex_init(&gf->lock, NULL);
	abi_file_init(&gf->file, &group_ops, h);
	*out = &gf->file;
	return 0;
}
