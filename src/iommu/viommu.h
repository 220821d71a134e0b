/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a make may offer beyond paging domains: nested domains, vIOMMUs, and what hangs off them
 * (semantics 4.3 to 4.6 and 5).
 *
 * Everything here is optional: a make whose struct iommu_make leaves the members NULL has none of
 * it, and the object room answers for it. What a program, a guest or an embedder asks for goes down
 * through these ops; what a make has to tell goes up through struct viommu_up, which the object
 * room (or whoever else owns a vIOMMU) supplies.
 *
 * A make's structures embed these as their *first* member. The owner allocates them, zeroed, with
 * the size that the ops tell, fills the members of this header, calls init(); after a successful
 * init() comes exactly one fini(), after which the owner frees. After a failed init() fini() is not
 * called, and nothing may be left.
 *
 * One model, two masters: init(), invalidate() and the rest may be called with bytes of an ioctl,
 * but also by the model of an IOMMU whose registers and queues a guest owns. Nothing here assumes
 * an ioctl, a file or an id.
 */
#ifndef IOAS_IOMMU_VIOMMU_H
#define IOAS_IOMMU_VIOMMU_H

#include "iommu/domain.h"
#include "iommu/nested.h"
#include "iommu/user.h"

struct viommu;
struct vdevice;
struct hw_queue;

/* A kind of vIOMMU. */
struct viommu_ops {
	size_t size; /* of the make's structure, struct viommu first */
	/* VIO.A6. @data NULL: the caller gave none. Its type is the vIOMMU's. */
	int (*init)(struct viommu *v, const struct user_data *data);
	void (*fini)(struct viommu *v);

	/* HWA.20, HWA.21: a nested domain from this vIOMMU, with DOMAIN_PASID at most in @flags.
	 * NULL: -EOPNOTSUPP. */
	int (*domain_alloc)(struct viommu *v, uint32_t flags, const struct user_data *data,
			    struct domain **out);
	/* As nested_ops.invalidate; finds devices with viommu_find(). NULL: -EOPNOTSUPP. */
	int (*invalidate)(struct viommu *v, const struct user_array *a, uint32_t *done);

	/* VDV.8. Both may be NULL. @vdevice_size 0: struct vdevice alone. */
	size_t vdevice_size;
	int (*vdevice_init)(struct vdevice *vd);
	void (*vdevice_fini)(struct vdevice *vd);

	/* HWQ.5: the size of the make's structure for queues of @type, struct hw_queue first; 0: no
	 * such type. NULL: no queues. */
	size_t (*hw_queue_size)(const struct viommu *v, uint32_t type);
	/* HWQ.11. */
	int (*hw_queue_init)(struct hw_queue *q);
	void (*hw_queue_fini)(struct hw_queue *q);
	/* Somebody has put something in. NULL: it needs no telling. */
	void (*hw_queue_kick)(struct hw_queue *q);
};

/* The way up; given with the vIOMMU, never NULL. */
struct viommu_up {
	/*
	 * An event of @type for whoever reads them: @len bytes laid out as the ABI says. 0, also
	 * when it overflows the queue (the reader learns of the loss); -EOPNOTSUPP: nobody asked
	 * for this type; -ENOMEM: lost. Any thread, inside sections too: takes leaf locks only.
	 */
	int (*event)(struct viommu *v, uint32_t type, const void *data, size_t len);
	/* Use viommu_pages_alloc() and viommu_pages_free(). */
	void *(*pages_alloc)(struct viommu *v, size_t len);
	void (*pages_free)(struct viommu *v, void *mem, size_t len);
	/*
	 * From now on the program may mmap() [mem, mem + len), whole pages of viommu_pages_alloc(),
	 * at *offset of its iommufd. -ENOMEM, -EINVAL. @owner: the queue that cannot go while it is
	 * mapped; NULL: the vIOMMU. From init() on.
	 */
	int (*region_add)(struct viommu *v, struct hw_queue *owner, void *mem, size_t len,
			  uint64_t *offset);
	/* No new mapping; old ones cannot be there, since they hold the owner. */
	void (*region_remove)(struct viommu *v, uint64_t offset);
	/*
	 * @q must not go before queue_release(): DESTROY of it answers EBUSY (DEST.9). -ENOENT: it
	 * is going already. Called under a lock of the make's that @q's fini() takes.
	 */
	int (*queue_hold)(struct hw_queue *q);
	void (*queue_release)(struct hw_queue *q);
};

struct viommu {
	const struct viommu_ops *ops;
	const struct viommu_up *up;
	struct iommu *iommu;
	struct domain *parent; /* nest parent; outlives the vIOMMU */
	void *owner;	       /* the owner's */
	uint32_t type;
	/* LOCK_VIOMMU. Taken around viommu_find() and the use of what it gives: a vDEVICE cannot go
	 * meanwhile. */
	struct lock lock;
	struct vdevice **vdevices; /* by virt_id, ascending */
	size_t nr_vdevices, room;
};

/* A device's place in a vIOMMU. */
struct vdevice {
	struct viommu *viommu;
	struct requester *requester;
	uint64_t virt_id; /* vSID, vRID, vDeviceID */
	bool shown;	  /* viommu_find() gives it */
};

/* A queue in guest memory that the IOMMU itself consumes. */
struct hw_queue {
	struct viommu *viommu;
	void *owner; /* the owner's */
	uint32_t type, index;
	uint64_t iova; /* in the nest parent's address space: where the caller says that it lies */
	uint64_t len;
	/* The PA of iova. The whole range is physically contiguous, and pinned until fini() has
	 * returned. */
	uint64_t pa;
};

/* For the owner of a vIOMMU: before init() and after fini(). */
void viommu_setup(struct viommu *v);
void viommu_teardown(struct viommu *v);
/*
 * For the owner: @vd with its virt_id, viommu and requester set. Reserves the place, calls
 * vdevice_init(), then shows it to viommu_find(). -EEXIST (VDV.7), -ENOMEM, or what vdevice_init()
 * says.
 */
int viommu_add(struct viommu *v, struct vdevice *vd);
void viommu_remove(struct viommu *v, struct vdevice *vd); /* hidden first, then vdevice_fini() */

/* For the make, with v->lock held: the vDEVICE of that name, or that of a requester; NULL. */
struct vdevice *viommu_find(struct viommu *v, uint64_t virt_id);
struct vdevice *viommu_find_requester(struct viommu *v, const struct requester *r);

/* Takes v->lock: the name of @r in *virt_id; false: it has none. */
bool viommu_name(struct viommu *v, const struct requester *r, uint64_t *virt_id);

/* Shared memory, zeroed, whole pages, for viommu_up.region_add(). NULL: none left. */
static inline void *viommu_pages_alloc(struct viommu *v, size_t len)
{
	return v->up->pages_alloc(v, len);
}

static inline void viommu_pages_free(struct viommu *v, void *mem, size_t len)
{
	v->up->pages_free(v, mem, len);
}

#endif
