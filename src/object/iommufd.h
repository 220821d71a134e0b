/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The iommufd objects: one context for each open of /dev/iommu, objects with ids, who holds whom
 * (semantics 2).
 *
 * An object has two counts: @users (1 for being in the table, +1 for each long-lived relation;
 * DESTROY refuses while it is above 1), and how many commands are in flight with it (it is busy;
 * DESTROY waits). Creation reserves an id, does all that can fail, publishes.
 */
#ifndef IOAS_OBJECT_IOMMUFD_H
#define IOAS_OBJECT_IOMMUFD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/ids.h"
#include "base/lock.h"
#include "base/list.h"
#include "object/host.h"
#include "space/space.h"

enum object_type {
	OBJECT_ANY,
	OBJECT_ACCESS,
	OBJECT_DEVICE,
	OBJECT_FAULT,
	OBJECT_HW_QUEUE,
	OBJECT_HWPT_NESTED,
	OBJECT_HWPT_PAGING,
	OBJECT_IOAS,
	OBJECT_OTHER, /* struct other_object */
	OBJECT_VDEVICE,
	OBJECT_VEVENTQ,
	OBJECT_VIOMMU,
	OBJECT_TYPES
};

struct iommufd;

struct object {
	uint32_t id;
	enum object_type type;
	uint32_t users;
	/*
	 * Commands in flight: the thread of one that began when there was no such (0: none), and of
	 * the others those that began and those that ended. ctx->lock guards what a beginning
	 * writes. An end happens without it; for the one it is a plain store, by any command of its
	 * thread: only how many are left is asked for.
	 */
	pthread_t only;
	uint32_t begun, ended;
};

/*
 * What a room above keeps in a context, under an id that DESTROY takes: reserved, published and looked up as any other. destroy() undoes
 * and frees one that nobody can see any more; it may unbind a device (idevice_bind_within()).
 */
struct other_object {
	struct object obj;
	const void *kind; /* whose it is; the room's own */
	void (*destroy)(struct iommufd *ctx, struct other_object *o);
};

struct ioas {
	struct object obj;
	struct space *space;
	struct iommufd *ctx;
	pthread_mutex_t lock; /* the list of automatic HWPTs and their attachment */
	struct list hwpts;
};

/* See fault.c. */
struct fault_queue {
	struct object obj;
	struct iommufd *ctx;
	unsigned int holders;		 /* the object, and the file, which may outlive it; atomic */
	pthread_mutex_t lock;		 /* all below */
	struct list queued, outstanding; /* struct page_group */
	struct ids cookies;		 /* of the outstanding ones */
	void (*changed)(void *arg, bool readable);
	void *changed_arg;
};

struct viommu_object; /* object/viommu.h */

/* A paging HWPT, or a nested one (obj.type). */
struct hwpt {
	struct object obj;
	struct ioas *ioas;	      /* that it, or its parent, shows */
	struct hwpt *parent;	      /* of a nested one */
	struct viommu_object *viommu; /* that a nested one was made from, and holds instead of @parent; NULL: from @parent */
	struct fault_queue *fault; /* NULL: page requests are answered with failure */
	struct domain *domain;
	struct space_mirror mirror; /* of a paging one */
	uint32_t flags;	   /* IOMMU_HWPT_ALLOC_ */
	bool automatic;	   /* made by an IOAS attach, goes with its last attachment */
	bool filled;	   /* the mirror stands in the IOAS */
	struct list link; /* ioas->hwpts when automatic */
};

struct vdevice_object; /* object/viommu.h */

struct idevice {
	struct object obj;
	struct iommufd *ctx;
	struct host_device *hdev;
	struct vdevice_object *vdevice; /* its one; under the group's lock, as the next */
	bool destroying;		/* is being unbound: no new vDEVICE */
	bool within;   /* idevice_bind_within() */
};

struct iommufd {
	struct host *host;
	struct host_context context; /* of host->contexts */
	struct lock lock;	  /* ids and counts */
	pthread_mutex_t idle_lock; /* a leaf, as the one above */
	pthread_cond_t idle;  /* an object's busy count fell, and somebody was waiting */
	uint32_t waiting;     /* how many are; atomic */
	struct ids ids;
	struct ioas *vfio_ioas; /* compat IOAS; no reference */
	pthread_mutex_t regions_lock;
	struct range_tree regions; /* what can be mapped, by its offset in the file: struct region */
	bool process_mode;	/* who pays: OPTION RLIMIT_MODE */
	uint64_t process;	/* that opened it, for those that read; 0: nobody knows */
	uint32_t refs;
};

int iommufd_create(struct host *h, bool process_mode, struct iommufd **out);
void iommufd_get(struct iommufd *ctx);
void iommufd_put(struct iommufd *ctx); /* the last one sweeps all objects (2.6) */

/* Reserve an id for a new object; nobody sees it before object_publish(). -ENOMEM. */
int object_reserve(struct iommufd *ctx, struct object *obj, enum object_type type);
void object_publish(struct iommufd *ctx, struct object *obj);
void object_abort(struct iommufd *ctx, struct object *obj); /* frees the id of an unpublished one */
/* The same, and the object with it (a command's later step failed). */
void object_abort_and_free(struct iommufd *ctx, struct object *obj);

/* Lookup for one command: counts as busy until object_put(). NULL: missing, unpublished, or another type. */
struct object *object_get(struct iommufd *ctx, uint32_t id, enum object_type type);
void object_put(struct iommufd *ctx, struct object *obj);
/* One more command in flight. With ctx->lock. */
static inline void object_busy(struct object *obj)
{
	if (likely(!__atomic_load_n(&obj->only, __ATOMIC_ACQUIRE)))
		__atomic_store_n(&obj->only, pthread_self(), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&obj->begun, obj->begun + 1, __ATOMIC_RELAXED);
}
/* How many there are, or more: exact once no more begin. */
static inline uint32_t object_in_flight(const struct object *obj)
{
	uint32_t ended = __atomic_load_n(&obj->ended, __ATOMIC_ACQUIRE);
	uint32_t only = __atomic_load_n(&obj->only, __ATOMIC_ACQUIRE) != 0;

	return __atomic_load_n(&obj->begun, __ATOMIC_RELAXED) + only - ended;
}
/*
 * Lookup of an IOAS or HWPT that counts as a user: for attaching, where an automatic HWPT must not go meanwhile. -ENOENT, or
 * -EINVAL for another type.
 */
int object_get_page_table(struct iommufd *ctx, uint32_t id, struct object **out);
/* One more user of an object that is held, and one less. */
void object_hold(struct iommufd *ctx, struct object *obj);
void object_release(struct iommufd *ctx, struct object *obj);
/*
 * Refuses an id with what there is instead, and is -@err. @types: a bit for each enum object_type
 * that would have been taken, or OBJECTS_ALL.
 */
#define OBJECTS_ALL UINT32_MAX
struct object_refusal {
	const char *rule, *field;
	uint32_t id;
	unsigned int types;
};
#define object_refuse(ctx, err, ...) (object_refuse_report(ctx, err, __VA_ARGS__), refused(err))
void object_refuse_report(struct iommufd *ctx, int err, const struct object_refusal *r);
/* DEST.1-3. */
int object_destroy_id(struct iommufd *ctx, uint32_t id);
uint64_t object_count(struct iommufd *ctx);
/* For those that look: the objects that programs see, at most @max, ascending, above id @after; how
 * many were written. */
struct object_brief {
	uint32_t id, users;
	enum object_type type;
};
size_t object_list(struct iommufd *ctx, uint32_t after, struct object_brief *out, size_t max);

int ioas_alloc(struct iommufd *ctx, struct ioas **out); /* reserved, not published */
/* HWA.7-14, pt_id an IOAS. Reserved and filled, not published; the IOAS gets a user. */
int hwpt_paging_alloc(struct iommufd *ctx, struct ioas *ioas, struct idevice *idev, uint32_t flags,
		      const struct user_data *data, struct hwpt **out);

/* HWA.15 to HWA.18, pt_id an HWPT. Reserved, not published; the parent gets a user. */
int hwpt_nested_alloc(struct iommufd *ctx, struct hwpt *parent, struct idevice *idev, uint32_t flags,
		      const struct user_data *data, struct hwpt **out);

/* HWA.6, the last step before publishing: faults go to the queue @fault_id from now on. -ENOENT. */
int hwpt_set_fault_queue(struct iommufd *ctx, struct hwpt *hwpt, uint32_t fault_id);

int fault_queue_alloc(struct iommufd *ctx, struct fault_queue **out); /* reserved, not published */
void fault_queue_get(struct fault_queue *q);
void fault_queue_put(struct fault_queue *q);
/* @changed is called whenever what it tells may have changed, with the queue locked, and once now; NULL ends that. */
void fault_queue_watch(struct fault_queue *q, void (*changed)(void *arg, bool readable), void *arg);
/*
 * FLT.2 to FLT.7: hands whole groups of together at most @max records to @emit, which gives 0 or -EFAULT. The number of
 * records, or -errno when not even the first group could be handed over.
 */
ssize_t fault_queue_read(struct fault_queue *q, size_t max, int (*emit)(void *arg, const struct page_group *g),
			 void *arg);
int fault_queue_answer(struct fault_queue *q, uint32_t cookie, bool success); /* FLT.11 */

/* 7.1: binds; published on return with one extra user. -EPERM, -EBUSY, -ENOMEM. */
int idevice_bind(struct iommufd *ctx, struct host_device *hdev, struct idevice **out);
/* The same without a hold on the context, for an owner that is itself an object of it and unbinds when that is destroyed. */
int idevice_bind_within(struct iommufd *ctx, struct host_device *hdev, struct idevice **out);
void idevice_unbind(struct idevice *idev); /* detaches everything first */
/* 7.2 to 7.5, of one PASID, or of the RID (IOMMU_NO_PASID): *pt_id in and out. */
int idevice_attach_pasid(struct idevice *idev, uint32_t pasid, uint32_t *pt_id);
int idevice_replace_pasid(struct idevice *idev, uint32_t pasid, uint32_t *pt_id);
void idevice_detach_pasid(struct idevice *idev, uint32_t pasid);
bool idevice_is_attached_pasid(struct idevice *idev, uint32_t pasid);
/* The same of the RID. */
int idevice_attach(struct idevice *idev, uint32_t *pt_id);
int idevice_replace(struct idevice *idev, uint32_t *pt_id);
void idevice_detach(struct idevice *idev);
bool idevice_is_attached(struct idevice *idev);

/* The compat IOAS (9.1): with a busy hold on it, or NULL (ENODEV). */
struct ioas *iommufd_compat_get(struct iommufd *ctx);
int iommufd_compat_ensure(struct iommufd *ctx); /* make one if there is none */

#endif
