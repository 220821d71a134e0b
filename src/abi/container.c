/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The legacy container, /dev/vfio/vfio: semantics 10.1.
 *
 * A group in the container holds a reference to its file, so that the container outlives its fd.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/iommufd.h"
#include "abi/vfio.h"
#include "base/alloc.h"
#include "base/observe.h"

struct container_group {
	struct host_group *group;
	struct list link;
};

struct container {
	struct abi_file file;
	struct host *host;
	struct host_context context;
	pthread_mutex_t lock;
	struct list groups;
	struct type1 *type1; /* NULL: SET_IOMMU is still to come */
	uint64_t process;    /* that opened it, for those that read */
};

static long check_extension(struct container *c, uint64_t ext)
{
	return type1_check_extension(c->host, c->type1, ext);
}

static void detach_all_before(struct container *c, struct type1 *t, struct list *stop)
{
	for (struct list *pos = c->groups.next; pos != stop; pos = pos->next)
		type1_detach_group(t, list_entry(pos, struct container_group, link)->group);
}

static int attach_all(struct container *c, struct type1 *t)
{
	for (struct list *pos = c->groups.next; pos != &c->groups; pos = pos->next) {
		int rc = type1_attach_group(t, list_entry(pos, struct container_group, link)->group);

		if (rc) {
			detach_all_before(c, t, pos);
			return rc;
		}
	}
	return 0;
}

static int set_iommu(struct container *c, uint64_t type)
{
	struct type1 *t;
	int rc;

	if (list_empty(&c->groups))
		return refuse(&c->host->sink, EINVAL, "CNT.SET_IOMMU.1", "type", type,
			      "a container with a group: VFIO_GROUP_SET_CONTAINER before");
	if (c->type1)
		return refuse(&c->host->sink, EINVAL, "CNT.SET_IOMMU.1", "type", type,
			      "SET_IOMMU once: this container has its IOMMU");
	if (type == VFIO_UNMAP_ALL)
		return refuse(&c->host->sink, EINVAL, "CNT.SET_IOMMU.3", "type", type, "TYPE1 1, TYPE1v2 3");
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return refuse(&c->host->sink, ENODEV, "CNT.SET_IOMMU.3", "type", type, "TYPE1 1, TYPE1v2 3");
	rc = type1_create(c->host, c, type == VFIO_TYPE1v2_IOMMU, &t);
	if (rc)
		return rc;
	rc = attach_all(c, t);
	if (rc) {
		type1_destroy(t);
		return rc;
	}
	c->type1 = t;
	return 0;
}

/* CNT.4. */
static int refuse_early(struct container *c, unsigned int cmd)
{
	return refuse(
		&c->host->sink, EINVAL, "CNT.4", "command", cmd,
		list_empty(&c->groups)
			? "VFIO_GROUP_SET_CONTAINER, then VFIO_SET_IOMMU before: this container has no group and no IOMMU yet"
			: "VFIO_SET_IOMMU before: this container has no IOMMU yet");
}

static long container_ioctl(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *caller)
{
	struct container *c = container_of(f, struct container, file);
	long rc;

	if (cmd == VFIO_GET_API_VERSION)
		return VFIO_API_VERSION;
	pthread_mutex_lock(&c->lock);
	if (cmd == VFIO_CHECK_EXTENSION)
		rc = check_extension(c, arg);
	else if (cmd == VFIO_SET_IOMMU)
		rc = set_iommu(c, arg);
	else if (!c->type1)
		rc = refuse_early(c, cmd);
	else
		rc = type1_ioctl(c->type1, cmd, arg, caller);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* No group is left: each held a reference. */
static void container_release(struct abi_file *f)
{
	struct container *c = container_of(f, struct container, file);

	host_context_remove(c->host, &c->context);
	pthread_mutex_destroy(&c->lock);
	host_put(c->host);
	ioas_free(c);
}

static const struct abi_file_ops container_ops = {
	.kind = ABI_CONTAINER,
	.ioctl = container_ioctl,
	.release = container_release,
};

struct container *abi_file_container(struct abi_file *f)
{
	return f->ops == &container_ops ? container_of(f, struct container, file) : NULL;
}

int abi_open_container(struct host *h, struct caller *caller, struct abi_file **out)
{
	struct container *c;

	if (h->iommufd_container)
		return abi_open_iommufd_mode(h, true, caller, out);
	c = ioas_calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	host_get(h);
	c->host = h;
	c->process = caller_identity(caller);
	list_init(&c->groups);
	pthread_mutex_init(&c->lock, NULL);
	abi_file_init(&c->file, &container_ops, h);
	host_context_add(h, &c->context, true);
	*out = &c->file;
	return 0;
}

int container_add_group(struct container *c, struct host_group *g)
{
	struct container_group *cg = ioas_malloc(sizeof(*cg));
	int rc;

	if (!cg)
		return -ENOMEM;
	cg->group = g;
	rc = host_group_claim_or_refuse(g, &(struct host_owner){c, "a container", c->process},
					"GRP.SET.4", "group");
	if (rc)
		goto out_free;
	pthread_mutex_lock(&c->lock);
	rc = c->type1 ? type1_attach_group(c->type1, g) : 0;
	if (!rc)
		list_add_tail(&c->groups, &cg->link);
	pthread_mutex_unlock(&c->lock);
	if (rc)
		goto out_release;
	abi_file_get(&c->file);
	return 0;

out_release:
	host_group_release(g, c);
out_free:
	ioas_free(cg);
	return rc;
}

/* Without groups the container is as new: the back end and every mapping go with the last one. */
void container_remove_group(struct container *c, struct host_group *g)
{
	struct list *pos, *tmp;

	pthread_mutex_lock(&c->lock);
	list_for_each(pos, tmp, &c->groups) {
		struct container_group *cg = list_entry(pos, struct container_group, link);

		if (cg->group != g)
			continue;
		list_del(pos);
		ioas_free(cg);
		if (c->type1 && list_empty(&c->groups))
			OBSERVE(&c->host->sink, context_close, c,
				__atomic_load_n(&c->file.refs, __ATOMIC_RELAXED) > 1);
		if (c->type1)
			type1_detach_group(c->type1, g);
	}
	if (list_empty(&c->groups) && c->type1) {
		type1_destroy(c->type1);
		c->type1 = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	host_group_release(g, c);
	abi_file_put(&c->file);
}

bool container_has_iommu(struct container *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->type1;
	pthread_mutex_unlock(&c->lock);
	return has;
}

struct container *container_of_context(struct host_context *ctx)
{
	return container_of(ctx, struct container, context);
}

void container_look_begin(struct container *c, struct container_view *out)
{
	*out = (struct container_view){0};
	pthread_mutex_lock(&c->lock);
	if (c->type1)
		type1_view(c->type1, out);
}

void container_look_end(struct container *c)
{
	pthread_mutex_unlock(&c->lock);
}
