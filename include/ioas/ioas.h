/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libioas: the Linux IOMMU user API, served by a library.
 *
 * A *host* is one configured machine: an IOMMU of some make, devices behind it, memory. Its nodes (/dev/iommu, /dev/vfio/vfio,
 * groups, device cdevs) are opened with ioas_open() and spoken to with ioas_ioctl(), with the kernel's own commands and structures
 * (<ioas/abi/iommufd.h>, <ioas/abi/vfio.h>) and its errnos. File numbers are the host's own: they are not file
 * descriptors of the process, and stand wherever a structure wants the fd of such a node. Where it wants an eventfd or a memfd, the
 * process's own fd goes in.
 *
 * A device of the embedder's own does DMA through a *port* (ioas_port_*), safe against a hostile guest: every access is
 * translated and checked.
 *
 * Functions return 0 or a positive result, or a negative errno. They are thread-safe unless they say otherwise; a process
 * may hold many hosts. The library installs no signal handler, prints nothing and never exits.
 */
#ifndef IOAS_IOAS_H
#define IOAS_IOAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOAS_API __attribute__((visibility("default")))

struct ioas_host;
struct ioas_port;

/* Why a call was refused. Strings are valid during the callback. */
struct ioas_refusal {
	int err;	   /* positive errno */
	const char *rule;  /* the rule's label, such as "MAP.14" */
	const char *field; /* the argument at fault */
	uint64_t value;
	const char *legal; /* what would have been legal */
};

/* A DMA that the IOMMU refused. */
struct ioas_fault {
	uint32_t requester_id; /* bus << 8 | device << 3 | function */
	uint64_t iova;
	uint64_t length;      /* bytes asked for */
	bool write;
	uint32_t code;	      /* as the make's specification numbers it */
	const char *reason;   /* in words */
};

struct ioas_host_config {
	const char *iommu;	  /* "vtd", "amd,...": as for `ioas run --iommu`; NULL: vtd */
	bool iommufd_container;	  /* /dev/vfio/vfio is an iommufd */
	bool strict;		  /* the sane side where Linux has a quirk behind a switch */
	bool ipc_lock;		  /* the caller counts as having CAP_IPC_LOCK: no memory is charged */
	void (*refused)(void *arg, const struct ioas_refusal *r); /* may be NULL; on the calling thread */
	void (*fault)(void *arg, const struct ioas_fault *f);	  /* may be NULL; on the thread that does the DMA */
	void *arg;
};

/**
 * ioas_host_create() - make a host
 * @why: receives a sentence on failure; may be NULL
 *
 * -EINVAL: the iommu text names no make or has a wrong option; -ENOMEM.
 */
IOAS_API int ioas_host_create(const struct ioas_host_config *cfg, struct ioas_host **out, char *why, size_t why_len);
/* Closes what is still open, stops devices, frees all. No other call on the host may be running. */
IOAS_API void ioas_host_destroy(struct ioas_host *h);

/**
 * ioas_add_model() - add a PCI device of a built-in model ("nvme,file=disk.img", "ioat", ...)
 * @bdf: domain << 16 | bus << 8 | device << 3 | function
 * @group: IOMMU group, or -1 for one of its own
 *
 * Returns the N of its /dev/vfio/devices/vfioN. -EINVAL, -EEXIST, -ENOMEM, or the model's errno. Before the host's nodes are opened.
 * Virtual functions that it can have ("nvme,vfs=2") get the numbers that follow, and groups of their own; each lies 0x80 and its
 * number behind @bdf, and cannot be opened until ioas_set_vfs() enables it.
 */
IOAS_API int ioas_add_model(struct ioas_host *h, const char *text, uint32_t bdf, int group, char *why, size_t why_len);
/* Enables the first @n virtual functions of the device at @bdf, and no other. -ENODEV; -ERANGE; -EBUSY: one that is to go is open. */
IOAS_API int ioas_set_vfs(struct ioas_host *h, uint32_t bdf, unsigned int n);

/*
 * Memory that the caller promises to keep mapped, readable and writable until it unregisters it: mapping it for DMA needs no look at
 * it, and copies need no guard. @addr and @len are multiples of 4096. -EINVAL, -EEXIST, -ENOMEM; unregister: -ENOENT, -EBUSY
 * while it is mapped for DMA.
 */
IOAS_API int ioas_memory_register(struct ioas_host *h, void *addr, size_t len);
IOAS_API int ioas_memory_unregister(struct ioas_host *h, void *addr, size_t len);

/* Opens "/dev/iommu", "/dev/vfio/vfio", "/dev/vfio/N" or "/dev/vfio/devices/vfioN". A file number of this host, or -ENOENT,
 * -EBUSY, -EMFILE, -ENOMEM. */
IOAS_API int ioas_open(struct ioas_host *h, const char *path);
/* -EBADF. */
IOAS_API int ioas_close(struct ioas_host *h, int fd);
/* As ioctl(2), but the errno is the negative result. @arg: a pointer, or a number where the command wants one. */
IOAS_API long ioas_ioctl(struct ioas_host *h, int fd, unsigned int cmd, uintptr_t arg);
/*
 * IOMMU_IOAS_MAP and UNMAP of many ranges in one call (struct iommu_ioas_range of ioas/abi/extensions.h). @flags: as for
 * IOMMU_IOAS_MAP, for all. They are done one after the other up to the first that fails, whose error is the result; *done (may
 * be NULL) receives how many were, and what they did stays. Without FIXED_IOVA iova receives where each went; unmap gives
 * back in length how many bytes it was. Thread-safe, as single calls are: others may come in between.
 */
struct iommu_ioas_range;
IOAS_API int ioas_map_ranges(struct ioas_host *h, int fd, uint32_t ioas_id, uint32_t flags, struct iommu_ioas_range *ranges,
			     uint32_t n, uint32_t *done);
IOAS_API int ioas_unmap_ranges(struct ioas_host *h, int fd, uint32_t ioas_id, struct iommu_ioas_range *ranges, uint32_t n,
			       uint32_t *done);
/* Regions of a device file, at VFIO's offsets. */
IOAS_API ssize_t ioas_pread(struct ioas_host *h, int fd, void *buf, size_t count, uint64_t pos);
IOAS_API ssize_t ioas_pwrite(struct ioas_host *h, int fd, const void *buf, size_t count, uint64_t pos);

/**
 * ioas_port_create() - a device of the caller's own, as the IOMMU sees it
 * @requester_id: unique within the host; the device gets a group of its own
 * Before the host's nodes are opened. -EEXIST, -ENOMEM.
 */
IOAS_API int ioas_port_create(struct ioas_host *h, uint32_t requester_id, struct ioas_port **out);
/*
 * Bind the port to the iommufd behind @fd, and attach it to an IOAS or HWPT; *dev_id (may be NULL) receives the DEVICE
 * object's id. As VFIO_DEVICE_BIND_IOMMUFD and VFIO_DEVICE_ATTACH_IOMMUFD_PT.
 */
IOAS_API int ioas_port_bind(struct ioas_port *p, int fd, uint32_t *dev_id);
IOAS_API void ioas_port_unbind(struct ioas_port *p);
IOAS_API int ioas_port_attach(struct ioas_port *p, uint32_t *pt_id);
IOAS_API void ioas_port_detach(struct ioas_port *p);

/*
 * DMA. One thread at a time uses a port, and brackets each stretch of work with begin and end: outside of one the port costs nobody who
 * changes mappings anything. Addresses and lengths are bytes, of any alignment; naturally aligned 1, 2, 4 and 8 byte accesses are
 * single-copy atomic. -EFAULT: refused, and reported to the host's fault callback.
 */
IOAS_API void ioas_port_begin(struct ioas_port *p);
IOAS_API void ioas_port_end(struct ioas_port *p);
IOAS_API int ioas_port_read(struct ioas_port *p, uint64_t iova, void *dst, size_t len);
IOAS_API int ioas_port_write(struct ioas_port *p, uint64_t iova, const void *src, size_t len);

#ifdef __cplusplus
}
#endif
#endif
