/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of PASIDs: who may use which, for a VMM that gives its guests PASIDs of one host.
 *
 * A space holds the PASIDs that an IOMMU can tell apart. A set is what one VM may use of them: so
 * many, from a range. No PASID is in two sets, so that no VM's DMA can name another's address
 * space. Guests number their own: each set maps its guest's PASIDs to the host's, and two guests may
 * use the same number.
 *
 * A PASID lives from ioas_pasid_alloc() until it was freed and the last reference to it was put.
 * Freed, nobody finds it and nobody gets a new reference; the set's listeners are told once, so
 * that they stop what uses it and put theirs. Only then is the number given out again. Who attaches
 * one holds a reference meanwhile:
 *
 *	ioas_pasid_get_by_guest(set, guest, &pasid, NULL);
 *	ioas_device_attach_pasid(device, pasid, &hwpt);
 *	...
 *	ioas_device_detach_pasid(device, pasid);
 *	ioas_pasid_put(set, pasid);
 *
 * Looking up, getting references and putting them (but for the last one) takes no lock.
 */
#ifndef IOAS_PASID_H
#define IOAS_PASID_H

#include <ioas/types.h>

IOAS_BEGIN

struct ioas_pasid_space;
struct ioas_pasid_set;

/* The space of a host, as wide as its IOMMU's PASIDs; the host's. NULL: it has none. */
IOAS_API struct ioas_pasid_space *ioas_host_pasids(struct ioas_host *h);

/**
 * ioas_pasid_space_create() - a space of one's own, for devices of the kernel
 * @bits: PASIDs are 1 to 2^bits - 1; ioas_hw_info.max_pasid_log2 of the devices, the smallest
 *
 * -EINVAL: @bits is not 1 to 20.
 */
IOAS_API int ioas_pasid_space_create(unsigned int bits, struct ioas_pasid_space **out);
/* Not a host's. Its sets are gone. */
IOAS_API void ioas_pasid_space_destroy(struct ioas_pasid_space *s);

struct ioas_pasid_set_config {
	uint32_t quota;	   /* how many at once: set apart for this set, whatever others ask for */
	uint32_t min, max; /* from which numbers, both included; 0: no bound */
	void *owner;	   /* the caller's: its VM */
};

/**
 * ioas_pasid_set_create() - make a set
 * @cfg: copied
 *
 * -EINVAL: a quota of 0, or larger than the range; -ENOSPC: with the quotas of the others more than
 * the space has.
 */
IOAS_API int ioas_pasid_set_create(struct ioas_pasid_space *s,
				   const struct ioas_pasid_set_config *cfg,
				   struct ioas_pasid_set **out);

/**
 * ioas_pasid_set_destroy() - free all PASIDs of the set
 *
 * As by ioas_pasid_free(). References that are left then are put later; with the last of them the
 * set goes, and its quota.
 */
IOAS_API void ioas_pasid_set_destroy(struct ioas_pasid_set *set);
/* Another quota. -EBUSY: more are in use; -EINVAL, -ENOSPC: as above. */
IOAS_API int ioas_pasid_set_resize(struct ioas_pasid_set *set, uint32_t quota);
IOAS_API void *ioas_pasid_set_owner(const struct ioas_pasid_set *set);
/* How much of the quota is in use; a freed PASID is until its last reference is put. */
IOAS_API uint32_t ioas_pasid_set_used(struct ioas_pasid_set *set);

/**
 * ioas_pasid_alloc() - the lowest free PASID of the set within [min, max]
 * @min, @max: 0: no bound
 * @data: the caller's, for whoever gets a reference
 *
 * -EINVAL: the set's range is elsewhere; -EDQUOT: the quota is in use; -ENOSPC: none is free there.
 */
IOAS_API int ioas_pasid_alloc(struct ioas_pasid_set *set, uint32_t min, uint32_t max, void *data,
			      uint32_t *pasid);
/* -ENOENT: it is not the set's, or it was freed already. */
IOAS_API int ioas_pasid_free(struct ioas_pasid_set *set, uint32_t pasid);

/**
 * ioas_pasid_get(), ioas_pasid_get_by_guest() - find a PASID, and hold a reference to it
 * @data: receives ioas_pasid_alloc()'s; may be NULL
 *
 * -ENOENT: it is not the set's, or freed; no such guest's PASID; -EOVERFLOW: 2^23 - 1 references.
 */
IOAS_API int ioas_pasid_get(struct ioas_pasid_set *set, uint32_t pasid, void **data);
IOAS_API int ioas_pasid_get_by_guest(struct ioas_pasid_set *set, uint32_t guest, uint32_t *pasid,
				     void **data);
/* One reference less. -EINVAL: there is none to put. */
IOAS_API int ioas_pasid_put(struct ioas_pasid_set *set, uint32_t pasid);
/* Whose is it? Holds a reference likewise: what a fault of a device names can be found so. */
IOAS_API int ioas_pasid_find(struct ioas_pasid_space *s, uint32_t pasid,
			     struct ioas_pasid_set **set);

/**
 * ioas_pasid_map_guest() - let @guest be the guest's number for @pasid
 * @guest: 1 to 2^20 - 1, whatever the space's width
 *
 * -EINVAL: another; -ENOENT: @pasid is not the set's; -EEXIST: it has a number, or @guest is taken.
 */
IOAS_API int ioas_pasid_map_guest(struct ioas_pasid_set *set, uint32_t pasid, uint32_t guest);
/* -ENOENT. Freeing a PASID unmaps it too. */
IOAS_API int ioas_pasid_unmap_guest(struct ioas_pasid_set *set, uint32_t guest);
/* What the other side calls it, without a reference. -ENOENT. */
IOAS_API int ioas_pasid_of_guest(const struct ioas_pasid_set *set, uint32_t guest, uint32_t *pasid);
IOAS_API int ioas_pasid_guest(const struct ioas_pasid_set *set, uint32_t pasid, uint32_t *guest);

/* A PASID that was freed. */
struct ioas_pasid_freed {
	struct ioas_pasid_set *set;
	uint32_t pasid;
	uint32_t guest; /* the guest's number for it until now; 0: it had none */
	void *data;	/* ioas_pasid_alloc()'s */
};

struct ioas_pasid_listener {
	void (*freed)(void *arg, const struct ioas_pasid_freed *f);
	void *arg;
	int order; /* the lowest is told first: who stops work before who detaches */
};

/**
 * ioas_pasid_listen(), ioas_pasid_unlisten() - hear of every PASID of the set that is freed
 * @l: copied; to unlisten the same function and argument
 *
 * On the thread that frees it, one at a time in each set, before ioas_pasid_free() returns. There
 * everything may be called but these two and ioas_pasid_set_destroy() of the same set. When
 * unlisten returns it does not run any more; -ENOENT: it did not listen.
 */
IOAS_API int ioas_pasid_listen(struct ioas_pasid_set *set, const struct ioas_pasid_listener *l);
IOAS_API int ioas_pasid_unlisten(struct ioas_pasid_set *set, const struct ioas_pasid_listener *l);

IOAS_END
#endif
