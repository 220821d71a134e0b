/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the object room's own files.
 *
 * Lock order: viommu_object.lock, access.lock, ioas->lock, host->lock, host_group.lock, fault_queue.lock,
 * veventq.lock, space's lock, ctx->lock.
 */
#ifndef IOAS_OBJECT_PRIVATE_H
#define IOAS_OBJECT_PRIVATE_H

#include "object/iommufd.h"

struct text;

struct object_type_ops {
	/* Undoes and frees an object that nobody can see any more. */
	void (*destroy)(struct iommufd *ctx, struct object *obj);
};

extern const struct object_type_ops access_type_ops, fault_type_ops, hw_queue_type_ops, hwpt_type_ops,
	idevice_type_ops, ioas_type_ops, nested_type_ops, vdevice_type_ops, veventq_type_ops, viommu_type_ops;

/* One more user of an object that may be about to go, for a short time or a long one; false: it is going. */
bool object_try_get(struct iommufd *ctx, struct object *obj);
bool object_try_hold(struct iommufd *ctx, struct object *obj);
/*
 * Takes an object that the caller holds from under whoever knows its id, which is never given out again (2.5), and waits for the
 * commands that use it. The caller destroys it.
 */
void object_bury(struct iommufd *ctx, struct object *obj);

/*
 * explain.c: what would have been legal, for refusals that somebody listens to. Types of vIOMMUs for @r; a domain for it with
 * @flags, or with a guest's data; what was made on the object @id, and holds it.
 */
void explain_viommus(struct requester *r, struct text *t);
void explain_domain(struct requester *r, uint32_t flags, bool data, struct text *t);
void explain_users(struct iommufd *ctx, uint32_t id, struct text *t);

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
/*
 * @idev (NULL: every device) leaves @at, or @at goes elsewhere: takes what came by it off @q, to be answered by fault_answer_all()
 * once no lock is held.
 */
void fault_queue_take(struct fault_queue *q, const struct host_attach *at, const struct idevice *idev,
		      struct list *to);
void fault_answer_all(struct list *groups);


/*
 * What a device leaves behind when it changes its HWPT. It is dealt with when no lock is held any more: the last user of an
 * automatic HWPT takes its IOAS's lock, and may do so while another thread moves a device the other way.
 */
struct left {
	struct hwpt *hwpt; /* NULL: none */
	unsigned int users; /* of hwpt, one for each device that left */
	struct list faults;
};
void left_init(struct left *l);
void left_put(struct iommufd *ctx, struct left *l);

/* The vDEVICE of a device that is being unbound goes by force. */
void vdevice_revoke(struct idevice *idev);

/* region.c: viommu_up's. */
int region_add(struct iommufd *ctx, struct object *owner, void *mem, size_t len, uint64_t *offset);
void region_remove(struct iommufd *ctx, uint64_t offset);

/* veventq.c: viommu_up's; @v is a struct viommu_object. */
struct viommu;
int veventq_event(struct viommu *v, uint32_t type, const void *data, size_t len);

/* attach.c. One user less; an automatic HWPT goes with its last. */
void hwpt_put(struct iommufd *ctx, struct hwpt *hwpt);
void idevice_detach_all(struct idevice *idev);
/* Group's lock held. The attachment that a fault of @hdev with @pasid belongs to (6.1), NULL: nobody's; is @idev part of it? */
struct host_attach *attach_of_fault(struct host_device *hdev, uint32_t pasid);
bool attach_has(struct host_attach *at, const struct idevice *idev);

#endif
