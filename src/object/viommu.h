/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The objects around a vIOMMU: the vIOMMU itself, vDEVICE, vEVENTQ and HW queue (semantics 5 and
 * 6).
 *
 * What the make keeps of each is a structure of its own (iommu/viommu.h), which the object points
 * to and frees.
 */
#ifndef IOAS_OBJECT_VIOMMU_H
#define IOAS_OBJECT_VIOMMU_H

#include "iommu/viommu.h"
#include "object/iommufd.h"

struct access;

struct viommu_object {
	struct object obj;
	struct iommufd *ctx;
	struct hwpt *parent; /* held */
	struct viommu *viommu;
	pthread_mutex_t lock; /* veventqs */
	struct list veventqs;
};

struct vdevice_object {
	struct object obj;
	struct viommu_object *viommu; /* held */
	struct idevice *idev;	      /* busy as long as this lives: unbinding waits */
	struct vdevice *vdevice;
};

struct hw_queue_object {
	struct object obj;
	struct viommu_object *viommu; /* held */
	struct access *access;	      /* pins [pinned, pinned + pinned_len) */
	uint64_t pinned, pinned_len;
	struct hw_queue *queue;
};

/* All allocate reserved, not published objects, and refuse by the rules named. */

/* VIO.A3 to VIO.A6; @data NULL: none. */
int viommu_alloc(struct iommufd *ctx, struct idevice *idev, uint32_t type, uint32_t hwpt_id,
		 const struct user_data *data, struct viommu_object **out);
/* HWA.19 to HWA.21. */
int hwpt_viommu_alloc(struct iommufd *ctx, struct viommu_object *v, struct idevice *idev,
		      uint32_t flags, const struct user_data *data, struct hwpt **out);
/*
 * VDV.4 to VDV.8. Between begin and end unbinding waits: @idev must be held as a command holds it,
 * and stays so while the vDEVICE lives. vdevice_finish() publishes it, or with @rc undoes
 * everything; it returns @rc.
 */
int vdevice_alloc(struct viommu_object *v, struct idevice *idev, uint64_t virt_id,
		  struct vdevice_object **out);
int vdevice_finish(struct vdevice_object *vd, int rc);
/* HWQ.5 to HWQ.11. */
struct hw_queue_params {
	uint32_t type, index;
	uint64_t iova, length;
};
int hw_queue_alloc(struct viommu_object *v, const struct hw_queue_params *p,
		   struct hw_queue_object **out);

/* One event: its sequence number, and what the make told. */
struct vevent {
	struct list link;
	uint32_t sequence;
	size_t len; /* 0: events were lost */
	uint8_t data[];
};

struct veventq {
	struct object obj;
	struct viommu_object *viommu; /* held */
	uint32_t type, depth;
	unsigned int holders; /* the object, and the file, which may outlive it; atomic */
	struct list link;     /* viommu's */
	pthread_mutex_t lock; /* all below */
	struct list queued;   /* struct vevent; lost, if there, is among them */
	uint32_t nr_events;   /* that are queued, lost not counted */
	uint32_t sequence;    /* of the next event */
	void (*changed)(void *arg, bool readable);
	void *changed_arg;
	struct vevent lost; /* the header that says so */
};

/* VEQ.4. Holds the vIOMMU's list of queues until veventq_finish(), which publishes or with @rc
 * undoes; it returns @rc. */
int veventq_alloc(struct viommu_object *v, uint32_t type, uint32_t depth, struct veventq **out);
int veventq_finish(struct veventq *q, int rc);
void veventq_get(struct veventq *q);
void veventq_put(struct veventq *q);
void veventq_watch(struct veventq *q, void (*changed)(void *arg, bool readable), void *arg);
struct veventq_item {
	uint32_t flags, sequence;
	const uint8_t *data;
	size_t len;
};
/*
 * EVQ.3 to EVQ.6: hands items to @emit, each VEVENTQ_HEADER and its data long, until @room bytes
 * are used; @emit gives 0 or -EFAULT. Bytes handed over, or -errno when not even the first item
 * could be.
 */
ssize_t veventq_read(struct veventq *q, size_t room,
		     int (*emit)(void *arg, const struct veventq_item *item), void *arg);
#define VEVENTQ_HEADER 8 /* bytes before the data of an item */

/* 6.3: a region of a vIOMMU that a program may map. */
struct region {
	uint64_t offset, len;
	void *mem;
	struct object *owner; /* held by each mapping */
};
/* FMMAP.4: the region that is exactly [offset, offset + len), and its owner held; -ENXIO. */
int iommufd_region_get(struct iommufd *ctx, uint64_t offset, uint64_t len, struct region *out);

#endif
