/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the object room's own files.
 *
 * Lock order: access.lock, ioas->lock, host->lock, host_group.lock, fault_queue.lock, space's lock, ctx->lock.
 */
#ifndef IOAS_OBJECT_PRIVATE_H
#define IOAS_OBJECT_PRIVATE_H

#include "object/iommufd.h"

struct object_type_ops {
	/* Undoes and frees an object that nobody can see any more. */
	void (*destroy)(struct iommufd *ctx, struct object *obj);
};

extern const struct object_type_ops access_type_ops, fault_type_ops, hwpt_type_ops, idevice_type_ops, ioas_type_ops;

/* One more user of an object that may be about to go, for a short time; false: it is. */
bool object_try_get(struct iommufd *ctx, struct object *obj);

/* Drop a user; true when only the table's own is left, and then the id is gone and the caller destroys. */
bool object_release_is_last(struct iommufd *ctx, struct object *obj);
/* Wait for the commands that use an object whose id is gone. */
void object_wait_idle(struct iommufd *ctx, struct object *obj);

/* The two halves of hwpt_paging_alloc(): the domain, empty and not shown to the IOAS; then its contents (HWA.13, HWA.14). */
int hwpt_create(struct iommufd *ctx, struct ioas *ioas, struct idevice *idev, uint32_t flags,
		const struct user_data *data, struct hwpt **out);
int hwpt_fill(struct hwpt *hwpt);

/* An access that is never asked to unpin: what it pins locks its areas. @rule: of a misaligned IOAS. */
struct access;
int access_create_internal(struct iommufd *ctx, struct ioas *ioas, const char *rule, struct access **out);

/* struct iommu's page_request; @arg is the host. */
void fault_deliver(void *arg, struct requester *r, struct page_group *g);
/* @idev leaves @hwpt: takes what it brought off @q, to be answered by fault_answer_all() once no lock is held. */
void fault_queue_take(struct fault_queue *q, const struct hwpt *hwpt, const struct idevice *idev, struct list *to);
void fault_answer_all(struct list *groups);

#endif
