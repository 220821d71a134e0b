/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host: one configured machine, an IOMMU of some make with devices behind it.
 */
#ifndef IOAS_HOST_H
#define IOAS_HOST_H

#include <ioas/types.h>

IOAS_BEGIN

struct ioas_host_config {
	const char *iommu;	/* "vtd", "amd,...": as for `ioas run --iommu`; NULL: vtd */
	bool iommufd_container; /* /dev/vfio/vfio is an iommufd */
	bool strict;		/* the sane side where Linux has a quirk behind a switch */
	bool ipc_lock;		/* the caller counts as having CAP_IPC_LOCK: no memory is charged */
	/*
	 * Each may be NULL, is called on the thread that calls or does DMA, perhaps on several at
	 * once, and must not call the library.
	 */
	void (*refused)(void *arg, const struct ioas_refusal *r);
	void (*fault)(void *arg, const struct ioas_fault *f);
	/* Both of them in words. */
	void (*log)(void *arg, const struct ioas_log *l);
	/*
	 * The clock by which the library waits (DESTROY, for commands that use the object: 60 s)
	 * and tells the time in log(): monotonic nanoseconds. NULL: CLOCK_MONOTONIC.
	 */
	uint64_t (*clock)(void *arg);
	void *arg; /* of all */
	void *reserved[6];
};

/**
 * ioas_host_create() - make a host
 * @cfg: copied, but for what @arg points to
 * @why: receives a sentence on failure; may be NULL
 * @why_len: bytes there
 *
 * -EINVAL: the iommu text names no make or has a wrong option.
 */
IOAS_API int ioas_host_create(const struct ioas_host_config *cfg, struct ioas_host **out, char *why,
			      size_t why_len);

/**
 * ioas_host_destroy() - close what is still open, stop devices, free all
 *
 * Contexts on it were closed before. No other call on the host may be running.
 */
IOAS_API void ioas_host_destroy(struct ioas_host *h);

/**
 * ioas_add_model() - add a PCI device of a built-in model ("nvme,file=disk.img", "ioat", ...)
 * @text: as for `ioas run --device`
 * @bdf: domain << 16 | bus << 8 | device << 3 | function
 * @group: IOMMU group, or -1 for one of its own
 * @why: receives a sentence on failure; may be NULL
 * @why_len: bytes there
 *
 * The N of its /dev/vfio/devices/vfioN. -EINVAL: no such model or option; -EEXIST: @bdf is taken;
 * or the model's errno. Virtual functions that it can have ("nvme,vfs=2") get the numbers that
 * follow, and groups of their own; each lies 0x80 and its number behind @bdf, and cannot be opened
 * until ioas_set_vfs() enables it. One thread at a time adds to a host.
 */
IOAS_API int ioas_add_model(struct ioas_host *h, const char *text, uint32_t bdf, int group,
			    char *why, size_t why_len);

/**
 * ioas_set_vfs() - enable the first @n virtual functions of the device at @bdf, and no other
 *
 * -ENODEV: no such device; -ERANGE: it has not so many; -EBUSY: one that is to go is open.
 */
IOAS_API int ioas_set_vfs(struct ioas_host *h, uint32_t bdf, unsigned int n);

IOAS_END
#endif
