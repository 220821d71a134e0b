/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel engine: a context's files are the process's own fds. Whatever serves /dev/iommu there:
 * Linux, or a door of ours that plays it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "library/engine.h"

static ssize_t result(ssize_t rc)
{
	return rc < 0 ? -errno : rc;
}

static int kernel_open(struct ioas_context *c, const char *path)
{
	return (int)result(open(path, O_RDWR | O_CLOEXEC));
}

static int kernel_close(struct ioas_context *c, int file)
{
	return (int)result(close(file));
}

static long kernel_ioctl(struct ioas_context *c, int file, unsigned int cmd, uintptr_t arg)
{
	return result(ioctl(file, cmd, arg));
}

static ssize_t kernel_pread(struct ioas_context *c, int file, void *buf, size_t len, uint64_t pos)
{
	return result(pread(file, buf, len, (off_t)pos));
}

static ssize_t kernel_pwrite(struct ioas_context *c, int file, const void *buf, size_t len,
			     uint64_t pos)
{
	return result(pwrite(file, buf, len, (off_t)pos));
}

static ssize_t kernel_read(struct ioas_context *c, int file, void *buf, size_t len)
{
	return result(read(file, buf, len));
}

static ssize_t kernel_write(struct ioas_context *c, int file, const void *buf, size_t len)
{
	return result(write(file, buf, len));
}

static int kernel_mmap(struct ioas_context *c, int file, uint64_t pos, size_t len, void **out)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)pos);

	if (mem == MAP_FAILED)
		return -errno;
	*out = mem;
	return 0;
}

static int kernel_poll_fd(struct ioas_context *c, int file)
{
	return fcntl(file, F_GETFD) < 0 ? -errno : file;
}

const struct engine_ops engine_kernel = {
	.open = kernel_open,
	.close = kernel_close,
	.ioctl = kernel_ioctl,
	.pread = kernel_pread,
	.pwrite = kernel_pwrite,
	.read = kernel_read,
	.write = kernel_write,
	.mmap = kernel_mmap,
	.poll_fd = kernel_poll_fd,
};
