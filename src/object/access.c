/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ACCESS object (semantics 8).
 *
 * access.lock guards which IOAS it looks at. While one is left its owner is asked to unpin (without
 * the lock, since unpinning takes it): new pins find no IOAS then, and what is unpinned still finds
 * the old one.
 */
#include "object/access.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/private.h"

/* In the space that is used now, and in the next one while ioas changes. */
struct seat {
	struct space_access space;
	struct access *access;
};

struct access {
	struct object obj;
	struct iommufd *ctx;
	const struct access_ops *ops; /* NULL: internal, never asked (HW queues) */
	void *arg;
	pthread_mutex_t lock;
	struct ioas *ioas;	 /* for new pins and copies */
	struct ioas *ioas_unpin; /* differs only while ioas changes */
	struct seat seat[2];
	unsigned int which; /* the seat in force */
};

static struct access *of_space(struct space_access *a)
{
	return container_of(a, struct seat, space)->access;
}

static bool space_get(struct space_access *s)
{
	struct access *a = of_space(s);

	return object_try_get(a->ctx, &a->obj);
}

static void space_put(struct space_access *s)
{
	struct access *a = of_space(s);

	object_put(a->ctx, &a->obj);
}

static void space_ask(struct space_access *s, uint64_t iova, uint64_t length)
{
	struct access *a = of_space(s);

	a->ops->unmap(a->arg, iova, length);
}

static const struct space_access_ops access_space_ops = {
	.unmap = space_ask,
	.get = space_get,
	.put = space_put,
};

static int create(struct iommufd *ctx, const struct access_ops *ops, void *arg, struct access **out)
{
	struct access *a = ioas_calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	a->ctx = ctx;
	a->ops = ops;
	a->arg = arg;
	for (size_t n = 0; n < ARRAY_SIZE(a->seat); n++) {
		a->seat[n].access = a;
		a->seat[n].space.ops = ops ? &access_space_ops : NULL;
		a->seat[n].space.alignment = !ops || ops->needs_pin ? PAGE_SIZE : 1;
	}
	rc = object_reserve(ctx, &a->obj, OBJECT_ACCESS);
	if (rc) {
		ioas_free(a);
		return rc;
	}
	pthread_mutex_init(&a->lock, NULL);
	object_hold(ctx, &a->obj); /* the owner's */
	*out = a;
	return 0;
}

int access_create(struct iommufd *ctx, const struct access_ops *ops, void *arg, struct access **out,
		  uint32_t *id)
{
	int rc = create(ctx, ops, arg, out);

	if (rc)
		return rc;
	iommufd_get(ctx);
	if (id)
		*id = (*out)->obj.id;
	object_publish(ctx, &(*out)->obj);
	return 0;
}

/*
 * The new space is entered before the old one is left, so that a failure changes nothing.
 * access.lock held; let go of while the owner is asked.
 */
static int change_ioas(struct access *a, struct ioas *to, const char *rule)
{
	struct ioas *from = a->ioas;
	int rc = 0;

	if (from != a->ioas_unpin)
		return refuse(&a->ctx->host->sink, EBUSY, "ACC.2", "ioas_id", to ? to->obj.id : 0,
			      "an access that nobody else is moving");
	if (from == to)
		return 0;
	if (to)
		rc = space_add_access(to->space, &a->seat[!a->which].space, rule);
	if (rc)
		return rc;
	if (to)
		object_hold(a->ctx, &to->obj);
	a->ioas = NULL;
	if (from) {
		if (a->ops) {
			pthread_mutex_unlock(&a->lock);
			a->ops->unmap(a->arg, 0, UINT64_MAX);
			pthread_mutex_lock(&a->lock);
		}
		space_remove_access(from->space, &a->seat[a->which].space);
		object_release(a->ctx, &from->obj);
	}
	a->which = !a->which;
	a->ioas = a->ioas_unpin = to;
	return 0;
}

static int change_to_id(struct access *a, uint32_t id)
{
	struct object *obj = object_get(a->ctx, id, OBJECT_IOAS);
	int rc;

	if (!obj)
		return object_refuse(
			a->ctx, ENOENT,
			&(struct object_refusal){"ACC.1", "ioas_id", id, BIT(OBJECT_IOAS)});
	rc = change_ioas(a, container_of(obj, struct ioas, obj), "ACC.1");
	object_put(a->ctx, obj);
	return rc;
}

int access_attach(struct access *a, uint32_t ioas_id)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	if (a->ioas)
		rc = refuse(&a->ctx->host->sink, EINVAL, "ACC.1", "ioas_id", ioas_id,
			    "an access that is not attached yet");
	else
		rc = change_to_id(a, ioas_id);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

int access_replace(struct access *a, uint32_t ioas_id)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	if (!a->ioas)
		rc = refuse(&a->ctx->host->sink, ENOENT, "ACC.2", "ioas_id", ioas_id,
			    "an access that is attached");
	else
		rc = change_to_id(a, ioas_id);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void access_detach(struct access *a)
{
	pthread_mutex_lock(&a->lock);
	change_ioas(a, NULL, "ACC.1");
	pthread_mutex_unlock(&a->lock);
}

int access_create_internal(struct iommufd *ctx, struct ioas *ioas, const char *rule,
			   struct access **out)
{
	struct access *a;
	int rc = create(ctx, NULL, NULL, &a);

	if (rc)
		return rc;
	object_publish(ctx, &a->obj);
	pthread_mutex_lock(&a->lock);
	rc = change_ioas(a, ioas, rule);
	pthread_mutex_unlock(&a->lock);
	if (rc)
		access_destroy(a);
	else
		*out = a;
	return rc;
}

/* No unmap() begins any more when the id is gone, and none runs when nobody holds the object. */
void access_destroy(struct access *a)
{
	struct iommufd *ctx = a->ctx;
	const bool internal = !a->ops;

	object_release_is_last(ctx, &a->obj);
	object_wait_idle(ctx, &a->obj);
	access_detach(a);
	pthread_mutex_destroy(&a->lock);
	ioas_free(a);
	if (!internal)
		iommufd_put(ctx);
}

const struct access_ops *access_get_ops(const struct access *a)
{
	return a->ops;
}

static int refuse_detached(struct access *a, const char *rule, uint64_t iova)
{
	return refuse(&a->ctx->host->sink, ENOENT, rule, "iova", iova,
		      "an access that is attached to an IOAS");
}

int access_pin(struct access *a, uint64_t iova, uint64_t length, uint64_t *pas, bool write)
{
	const struct space_pin pin = {iova, length, write, pas};
	int rc = space_check_range(&a->ctx->host->sink, "ACC.3", iova, length);

	if (rc)
		return rc;
	pthread_mutex_lock(&a->lock);
	rc = a->ioas ? space_pin(a->ioas->space, &a->seat[a->which].space, &pin)
		     : refuse_detached(a, "ACC.3", iova);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

int access_unpin(struct access *a, uint64_t iova, uint64_t length)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = a->ioas_unpin
		     ? space_unpin(a->ioas_unpin->space, &a->seat[a->which].space, iova, length)
		     : refuse_detached(a, "ACC.8", iova);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

int access_rw(struct access *a, uint64_t iova, void *buf, uint64_t length, unsigned int flags)
{
	const struct space_rw rw = {
		.iova = iova,
		.length = length,
		.buf = buf,
		.write = flags & ACCESS_WRITE,
		.slow = flags & ACCESS_SLOW,
	};
	int rc = space_check_range(&a->ctx->host->sink, "ACC.9", iova, length);

	if (rc)
		return rc;
	pthread_mutex_lock(&a->lock);
	rc = a->ioas ? space_rw(a->ioas->space, &rw) : refuse_detached(a, "ACC.9", iova);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

/* Only its owner ends an access, so nobody comes here with one that was published. */
static void access_destroy_object(struct iommufd *ctx, struct object *obj)
{
	ioas_free(container_of(obj, struct access, obj));
}

const struct object_type_ops access_type_ops = {
	.destroy = access_destroy_object,
};

uint32_t access_ioas_id(struct object *obj)
{
	struct access *a = container_of(obj, struct access, obj);
	uint32_t id;

	pthread_mutex_lock(&a->lock);
	id = a->ioas ? a->ioas->obj.id : 0;
	pthread_mutex_unlock(&a->lock);
	return id;
}
