/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A context: one open iommufd, and the address spaces (IOAS) in it.
 *
 * It stands on one of two engines, chosen when it is opened: a host of this library, or the
 * kernel's own /dev/iommu. All calls of this header and of hwpt.h, viommu.h and device.h are the
 * same on both, and so are their answers, errno for errno. What only one has says so.
 *
 * Objects have ids, one number space for each context: IOASes, HWPTs, bound devices, vIOMMUs,
 * queues. ioas_destroy() takes any that can be destroyed.
 *
 * Files of a context (queues, devices) are numbers: file numbers of the host, or the process's own
 * fds on the kernel.
 */
#ifndef IOAS_CONTEXT_H
#define IOAS_CONTEXT_H

#include <ioas/types.h>

IOAS_BEGIN

struct ioas_context_config {
	/* The kernel's: path of the iommufd, such as "/dev/iommu". NULL: a host of this library. */
	const char *kernel;
	/* The host, which outlives the context. NULL: one of the context's own... */
	struct ioas_host *host;
	/* ...of this make, as in struct ioas_host_config, with its other members 0. */
	const char *iommu;
	void *reserved[4];
};

/**
 * ioas_context_open() - open an iommufd
 * @cfg: NULL: as if all were 0
 *
 * -EINVAL: @cfg names both engines, or no make; -EMFILE; on the kernel open(2)'s: -ENOENT where
 * there is no iommufd, -EACCES.
 */
IOAS_API int ioas_context_open(const struct ioas_context_config *cfg, struct ioas_context **out);

/**
 * ioas_context_close() - close it, with its objects
 *
 * Devices and accesses of it were closed before, ports unbound. No other call on it may be running.
 */
IOAS_API void ioas_context_close(struct ioas_context *c);

/* The host that it stands on, given or its own; NULL: the kernel. */
IOAS_API struct ioas_host *ioas_context_host(struct ioas_context *c);
/* The file of the iommufd itself: for ioas_port_bind(), and for commands that have no call here. */
IOAS_API int ioas_context_file(struct ioas_context *c);

/**
 * ioas_context_ioctl() - any command on any file of the context
 * @arg: a pointer, or a number where the command wants one
 *
 * The result, or a negative errno.
 */
IOAS_API long ioas_context_ioctl(struct ioas_context *c, int file, unsigned int cmd, uintptr_t arg);

/**
 * ioas_file_read(), ioas_file_write() - the records of a queue, whole ones
 * @len: bytes
 *
 * The bytes that were moved; reading never waits: 0 when nothing is there. -ESPIPE, -EINVAL: not
 * room for a whole record; -EINVAL: no queue; -EBADF.
 */
IOAS_API ssize_t ioas_file_read(struct ioas_context *c, int file, void *buf, size_t len);
IOAS_API ssize_t ioas_file_write(struct ioas_context *c, int file, const void *buf, size_t len);
/* An fd of the process that poll(2) calls readable while the file is; see ioas_poll_fd(). */
IOAS_API int ioas_file_poll_fd(struct ioas_context *c, int file);
/**
 * ioas_file_map() - map what a file shows, such as the region of a vIOMMU
 * @pos, @len: in whole pages; what a command has told
 *
 * Shared, readable and writable, until munmap(2). -EINVAL: nothing of this length is there;
 * -ENODEV: the file shows nothing; -EBADF.
 */
IOAS_API int ioas_file_map(struct ioas_context *c, int file, uint64_t pos, size_t len, void **out);
/* -EBADF. */
IOAS_API int ioas_file_close(struct ioas_context *c, int file);

/**
 * ioas_create() - make an IOAS
 * @id: receives its id
 */
IOAS_API int ioas_create(struct ioas_context *c, uint32_t *id);

/**
 * ioas_destroy() - destroy any object by its id
 *
 * An IOAS goes with its mappings. -ENOENT; -EBUSY: something uses it, or only its owner destroys
 * it.
 */
IOAS_API int ioas_destroy(struct ioas_context *c, uint32_t id);

/* For ioas_map() and its kin. At least one of READ and WRITE; a device may read and write so. */
enum ioas_map_flags {
	IOAS_MAP_FIXED = 1, /* at *iova; else the IOAS chooses, and *iova receives where */
	IOAS_MAP_WRITE = 2,
	IOAS_MAP_READ = 4,
	IOAS_MAP_RW = IOAS_MAP_READ | IOAS_MAP_WRITE,
};

/**
 * ioas_map() - map memory of the process
 * @ioas: id
 * @addr, @length: any bytes; @addr and *iova are equal modulo the alignment of ioas_get_ranges()
 * @flags: of enum ioas_map_flags
 * @iova: in with FIXED, out without
 *
 * While anything shows the IOAS the memory is pinned. -EINVAL: no length, no permission, not
 * aligned; -ENOENT; -EOPNOTSUPP: a flag; -EOVERFLOW: wraps; -EEXIST: an area lies there;
 * -EADDRINUSE: reserved; -ENOSPC: no room to choose; -EFAULT: no such memory; -ENOMEM: also over
 * RLIMIT_MEMLOCK.
 */
IOAS_API int ioas_map(struct ioas_context *c, uint32_t ioas, const void *addr, uint64_t length,
		      uint32_t flags, uint64_t *iova);

/**
 * ioas_map_file() - map bytes [start, start + length) of a file
 * @fd: the process's own, of a memfd, a tmpfs or hugetlbfs file, or a dma-buf; not needed
 * afterwards
 *
 * As ioas_map(); it outlives every mapping of the file. -EBADF; -EINVAL: also another kind of file.
 */
IOAS_API int ioas_map_file(struct ioas_context *c, uint32_t ioas, int fd, uint64_t start,
			   uint64_t length, uint32_t flags, uint64_t *iova);

/* For ioas_copy(): from where. */
struct ioas_source {
	uint32_t ioas; /* may be the same one */
	uint64_t iova, length;
};

/**
 * ioas_copy() - map in @ioas the memory that another IOAS, or the same, shows
 *
 * Pinned and charged once for both. As ioas_map(). -ENOENT: also when the source is not wholly in
 * one area; -EPERM: WRITE of what the source may not write.
 */
IOAS_API int ioas_copy(struct ioas_context *c, uint32_t ioas, const struct ioas_source *from,
		       uint32_t flags, uint64_t *iova);

/**
 * ioas_unmap() - unmap whole areas within [iova, iova + length)
 * @length: bytes; 0 to UINT64_MAX with iova 0 means everything
 * @unmapped: receives how many bytes it were; may be NULL
 *
 * When it returns no DMA to them is under way. -ENOENT: nothing there, or a part of an area;
 * -EBUSY: pinned by what is not asked; -EDEADLK: an access does not unpin. Of several areas the
 * first ones may be gone then.
 */
IOAS_API int ioas_unmap(struct ioas_context *c, uint32_t ioas, uint64_t iova, uint64_t length,
			uint64_t *unmapped);

/* One of many mappings. */
struct ioas_map_range {
	void *addr;	 /* unmap: not looked at */
	uint64_t length; /* bytes; unmap: receives how many bytes it were */
	uint64_t iova;	 /* map: in with FIXED, out without */
};

/**
 * ioas_map_ranges(), ioas_unmap_ranges() - @n calls in one
 * @flags: as for ioas_map(), for all
 * @done: receives how many were done, on failure too; may be NULL
 *
 * One after the other up to the first that fails, whose error is the result; what was done stays.
 * Other threads' calls may come in between. A kernel, which has no such command, is asked @n times.
 */
IOAS_API int ioas_map_ranges(struct ioas_context *c, uint32_t ioas, uint32_t flags,
			     struct ioas_map_range *ranges, uint32_t n, uint32_t *done);
IOAS_API int ioas_unmap_ranges(struct ioas_context *c, uint32_t ioas, struct ioas_map_range *ranges,
			       uint32_t n, uint32_t *done);

/**
 * ioas_get_ranges() - which IOVAs can be mapped
 * @ranges: receives them, ascending
 * @n: in: room; out: how many there are
 * @alignment: of IOVAs, lengths and addresses; a power of two; may be NULL
 *
 * They shrink when devices are attached. -EMSGSIZE: there was not room, *n and *alignment are
 * right; -ENOENT.
 */
IOAS_API int ioas_get_ranges(struct ioas_context *c, uint32_t ioas, struct ioas_range *ranges,
			     uint32_t *n, uint64_t *alignment);

/**
 * ioas_allow() - where alone the IOAS chooses IOVAs from now on, and what no device may take away
 * @n: 0: everywhere
 *
 * -EINVAL: ranges that overlap, or end before they begin; -EADDRINUSE: reserved; -ENOENT.
 */
IOAS_API int ioas_allow(struct ioas_context *c, uint32_t ioas, const struct ioas_range *ranges,
			uint32_t n);

enum ioas_option {
	IOAS_OPTION_RLIMIT_MODE = 0, /* 0: the user pays for pinned memory, 1: the process; @id 0 */
	IOAS_OPTION_HUGE_PAGES = 1,  /* of IOAS @id: 1: join pages for larger leaves (default) */
};

/**
 * ioas_set_option(), ioas_get_option() - IOMMU_OPTION
 *
 * -EOPNOTSUPP: no such option; -EINVAL: no such value; -EBUSY: too late; -EPERM: RLIMIT_MODE
 * without CAP_SYS_RESOURCE; -ENOENT.
 */
IOAS_API int ioas_set_option(struct ioas_context *c, enum ioas_option option, uint32_t id,
			     uint64_t value);
IOAS_API int ioas_get_option(struct ioas_context *c, enum ioas_option option, uint32_t id,
			     uint64_t *value);

/**
 * ioas_change_process() - the calling process pays from now on for what is mapped of files
 *
 * -EINVAL: something else than files is mapped; -ENOMEM: over its limit.
 */
IOAS_API int ioas_change_process(struct ioas_context *c);

/**
 * ioas_get_vfio_ioas(), ioas_set_vfio_ioas(), ioas_clear_vfio_ioas() - the IOAS that type1 commands
 * on this iommufd work on
 *
 * -ENODEV: there is none; -ENOENT.
 */
IOAS_API int ioas_get_vfio_ioas(struct ioas_context *c, uint32_t *ioas);
IOAS_API int ioas_set_vfio_ioas(struct ioas_context *c, uint32_t ioas);
IOAS_API int ioas_clear_vfio_ioas(struct ioas_context *c);

IOAS_END
#endif
