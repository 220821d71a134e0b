/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The raw door: a host's nodes as files, spoken to with the kernel's own commands and structures
 * (<ioas/abi/iommufd.h>, <ioas/abi/vfio.h>) and answered with its errnos.
 *
 * File numbers are the host's own: they are no file descriptors of the process, and stand wherever
 * a structure wants the fd of such a node. Where it wants an eventfd or a memfd, the process's own
 * fd goes in.
 */
#ifndef IOAS_FILE_H
#define IOAS_FILE_H

#include <ioas/types.h>

IOAS_BEGIN

/**
 * ioas_open() - open a node of the host
 * @path: "/dev/iommu", "/dev/vfio/vfio", "/dev/vfio/N" or "/dev/vfio/devices/vfioN"
 *
 * A file number, at least 0. -ENOENT: another path; -ENODEV: no such group or device; -EBUSY: it is
 * open already; -EMFILE: 1024 are open.
 */
IOAS_API int ioas_open(struct ioas_host *h, const char *path);

/**
 * ioas_close() - close a file
 *
 * Calls on it that are under way end first or go on with it. -EBADF.
 */
IOAS_API int ioas_close(struct ioas_host *h, int fd);

/**
 * ioas_ioctl() - as ioctl(2), but the errno is the negative result
 * @arg: a pointer, or a number where the command wants one
 *
 * The command's result, or its errno: -EBADF, -ENOTTY, ...
 */
IOAS_API long ioas_ioctl(struct ioas_host *h, int fd, unsigned int cmd, uintptr_t arg);

/**
 * ioas_pread(), ioas_pwrite() - regions of a device at VFIO's offsets; queues of faults and events
 * @count: bytes
 * @pos: 0 for a queue
 *
 * The bytes that were moved; 0: a queue that is empty. -EBADF; -EINVAL: a file without.
 */
IOAS_API ssize_t ioas_pread(struct ioas_host *h, int fd, void *buf, size_t count, uint64_t pos);
IOAS_API ssize_t ioas_pwrite(struct ioas_host *h, int fd, const void *buf, size_t count,
			     uint64_t pos);

/**
 * ioas_poll_fd() - an fd of the process that can be polled for a file
 *
 * poll(2) says POLLIN on it while the file can be read: page faults or events have been queued, or
 * the device can always be read. It is not for reading, belongs to the file and ends with it. Asked
 * again it is the same. -EBADF; -EMFILE, -ENFILE: eventfd(2)'s.
 */
IOAS_API int ioas_poll_fd(struct ioas_host *h, int fd);

IOAS_END
#endif
