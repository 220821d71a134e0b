/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two engines of a context: a host of this library (embedded.c), and the kernel (kernel.c).
 *
 * Typed calls (context.c, hwpt.c, viommu.c, device.c) are written once, as the kernel's commands on
 * files; an engine only carries them out.
 */
#ifndef IOAS_LIBRARY_ENGINE_H
#define IOAS_LIBRARY_ENGINE_H

#include <ioas/ioas.h>

#include <assert.h>

/* A number of the library's headers is the command's own. */
#define SAME(ours, commands) static_assert((int)(ours) == (int)(commands), #ours)

/* Every function: 0 or a positive result, or a negative errno. @file: what open() gave, or a
 * command did. */
struct engine_ops {
	int (*open)(struct ioas_context *c, const char *path);
	int (*close)(struct ioas_context *c, int file);
	long (*ioctl)(struct ioas_context *c, int file, unsigned int cmd, uintptr_t arg);
	/* Of a file with positions. */
	ssize_t (*pread)(struct ioas_context *c, int file, void *buf, size_t len, uint64_t pos);
	ssize_t (*pwrite)(struct ioas_context *c, int file, const void *buf, size_t len,
			  uint64_t pos);
	/* Of one without: a queue. */
	ssize_t (*read)(struct ioas_context *c, int file, void *buf, size_t len);
	ssize_t (*write)(struct ioas_context *c, int file, const void *buf, size_t len);
	/* Shared, readable and writable; munmap(2) ends it. */
	int (*mmap)(struct ioas_context *c, int file, uint64_t pos, size_t len, void **out);
	/* The process's own fd, which poll(2) calls readable while @file is; the file's. */
	int (*poll_fd)(struct ioas_context *c, int file);
};

extern const struct engine_ops engine_embedded, engine_kernel;

struct ioas_context {
	const struct engine_ops *ops;
	int file; /* the iommufd */
	/* The embedded engine's. */
	struct ioas_host *host;
	bool own_host;
};

/* The same command on the iommufd, with a structure. */
static inline int context_call(struct ioas_context *c, unsigned int cmd, void *arg)
{
	return (int)c->ops->ioctl(c, c->file, cmd, (uintptr_t)arg);
}

#endif
