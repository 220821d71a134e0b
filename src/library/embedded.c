/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedded engine: a context's files are its host's.
 */
#include <errno.h>
#include <sys/mman.h>

#include "library/engine.h"
#include "library/private.h"

/* Where a host has no such group or device, a kernel has no such file. */
static int embedded_open(struct ioas_context *c, const char *path)
{
	int rc = ioas_open(c->host, path);

	return rc == -ENODEV ? -ENOENT : rc;
}

static int embedded_close(struct ioas_context *c, int file)
{
	return ioas_close(c->host, file);
}

static long embedded_ioctl(struct ioas_context *c, int file, unsigned int cmd, uintptr_t arg)
{
	return ioas_ioctl(c->host, file, cmd, arg);
}

static ssize_t embedded_pread(struct ioas_context *c, int file, void *buf, size_t len, uint64_t pos)
{
	return ioas_pread(c->host, file, buf, len, pos);
}

static ssize_t embedded_pwrite(struct ioas_context *c, int file, const void *buf, size_t len,
			       uint64_t pos)
{
	return ioas_pwrite(c->host, file, buf, len, pos);
}

static ssize_t embedded_read(struct ioas_context *c, int file, void *buf, size_t len)
{
	return ioas_pread(c->host, file, buf, len, 0);
}

static ssize_t embedded_write(struct ioas_context *c, int file, const void *buf, size_t len)
{
	return ioas_pwrite(c->host, file, buf, len, 0);
}

/* A second mapping of the same pages: of no length, what is shared is not moved but mapped again.
 */
static int map_again(const struct abi_mapping *m, size_t len, void **out)
{
	void *again = mremap(m->mem, 0, len, MREMAP_MAYMOVE);

	if (again == MAP_FAILED)
		return -errno;
	*out = again;
	return 0;
}

static int embedded_mmap(struct ioas_context *c, int file, uint64_t pos, size_t len, void **out)
{
	struct caller caller = library_caller(c->host);
	struct abi_mapping m = {0};
	struct abi_file *f;
	int rc;

	rc = library_file_get(c->host, file, &f);
	if (rc)
		return rc;
	rc = abi_call_mmap(f, len, PROT_READ | PROT_WRITE, MAP_SHARED, pos, &caller, &m);
	if (!rc)
		rc = map_again(&m, len, out);
	if (m.holder)
		abi_file_put(m.holder);
	abi_file_put(f);
	return rc;
}

static int embedded_poll_fd(struct ioas_context *c, int file)
{
	return ioas_poll_fd(c->host, file);
}

const struct engine_ops engine_embedded = {
	.open = embedded_open,
	.close = embedded_close,
	.ioctl = embedded_ioctl,
	.pread = embedded_pread,
	.pwrite = embedded_pwrite,
	.read = embedded_read,
	.write = embedded_write,
	.mmap = embedded_mmap,
	.poll_fd = embedded_poll_fd,
};
