/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioctl, reading and writing.
 */
#include "doors/preload/interpose.h"

#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* iommufd's and VFIO's commands. */
#define IS_OURS(cmd) (_IOC_TYPE(cmd) == ';')

/* What the file system layer answers for any file, before the file is asked. */
static bool is_generic(unsigned long cmd)
{
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
	case FIONBIO:
	case FIOASYNC:
		return true;
	default:
		return false;
	}
}

/* The table is trusted for our own commands: whatever else the fd may be by now would answer
 * ENOTTY. */
static struct door_file *file_for(int fd, unsigned long cmd)
{
	struct door_file *f;

	if (!IS_OURS(cmd))
		return is_generic(cmd) ? NULL : our_file(fd);
	door_check_fork();
	f = files_get(fd);
	return f ? f : files_adopt(fd);
}

EXPORT int ioctl(int fd, unsigned long cmd, ...)
{
	struct door_file *f;
	va_list ap;
	void *arg;
	long rc;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	f = door_active() ? file_for(fd, cmd) : NULL;
	if (f) {
		rc = call_ioctl(fd, f, (unsigned int)cmd, (uint64_t)arg);
		files_put(f);
		return (int)answer(rc);
	}
	if (door_active() && call_foreign_ioctl(cmd, (uint64_t)arg, &rc))
		return (int)answer(rc);
	return REAL(ioctl)(fd, cmd, arg);
}

/* ---- reading and writing ---- */

static bool on_ours(struct call_io io, ssize_t *rc)
{
	struct door_file *f = our_file(io.fd);

	if (!f)
		return false;
	*rc = answer(call_io(f, &io));
	files_put(f);
	return true;
}

static bool one(const char *name, int fd, void *buf, size_t n, int64_t at, bool write, ssize_t *rc)
{
	const struct iovec v = {buf, n};

	if (!door_active() || !files_any())
		return false;
	return on_ours((struct call_io){name, fd, &v, 1, at, write}, rc);
}

/* @at < 0 is for calls without a position: a given one must not be negative. */
static bool several(const char *name, int fd, const struct iovec *v, int n, int64_t at, bool write,
		    ssize_t *rc)
{
	if (!door_active() || !files_any() || n < 0 || n > 1024)
		return false;
	return on_ours((struct call_io){name, fd, v, n, at, write}, rc);
}

static bool bad_position(int fd, off_t at, ssize_t *rc)
{
	struct door_file *f = at < 0 ? our_file(fd) : NULL;

	if (!f)
		return false;
	files_put(f);
	*rc = answer(-EINVAL);
	return true;
}

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	ssize_t rc;

	return one("read", fd, buf, n, -1, false, &rc) ? rc : REAL(read)(fd, buf, n);
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	ssize_t rc;

	return one("write", fd, (void *)buf, n, -1, true, &rc) ? rc : REAL(write)(fd, buf, n);
}

static ssize_t read_at(int fd, void *buf, size_t n, off_t at)
{
	ssize_t rc;

	if (bad_position(fd, at, &rc) || one("pread", fd, buf, n, at, false, &rc))
		return rc;
	return REAL(pread)(fd, buf, n, at);
}

static ssize_t write_at(int fd, const void *buf, size_t n, off_t at)
{
	ssize_t rc;

	if (bad_position(fd, at, &rc) || one("pwrite", fd, (void *)buf, n, at, true, &rc))
		return rc;
	return REAL(pwrite)(fd, buf, n, at);
}

EXPORT ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
	return read_at(fd, buf, n, at);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t n, off64_t at)
{
	return read_at(fd, buf, n, at);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
	return write_at(fd, buf, n, at);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	return write_at(fd, buf, n, at);
}

/* What _FORTIFY_SOURCE makes of them. */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t room);
void __chk_fail(void) __attribute__((noreturn));

EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	if (n > room)
		__chk_fail();
	return read(fd, buf, n);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t room)
{
	if (n > room)
		__chk_fail();
	return read_at(fd, buf, n, at);
}

EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t room)
{
	if (n > room)
		__chk_fail();
	return read_at(fd, buf, n, at);
}

EXPORT ssize_t readv(int fd, const struct iovec *v, int n)
{
	ssize_t rc;

	return several("readv", fd, v, n, -1, false, &rc) ? rc : REAL(readv)(fd, v, n);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
	ssize_t rc;

	return several("writev", fd, v, n, -1, true, &rc) ? rc : REAL(writev)(fd, v, n);
}

static ssize_t readv_at(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t rc;

	if (bad_position(fd, at, &rc) || several("preadv", fd, v, n, at, false, &rc))
		return rc;
	return REAL(preadv)(fd, v, n, at);
}

static ssize_t writev_at(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t rc;

	if (bad_position(fd, at, &rc) || several("pwritev", fd, v, n, at, true, &rc))
		return rc;
	return REAL(pwritev)(fd, v, n, at);
}

EXPORT ssize_t preadv(int fd, const struct iovec *v, int n, off_t at)
{
	return readv_at(fd, v, n, at);
}

EXPORT ssize_t preadv64(int fd, const struct iovec *v, int n, off64_t at)
{
	return readv_at(fd, v, n, at);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return writev_at(fd, v, n, at);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	return writev_at(fd, v, n, at);
}

/* -1 is the file's own position here. A file that knows no vectors knows but one flag. */
static bool flagged(const char *name, int fd, const struct iovec *v, int n, off_t at, int flags,
		    bool write, ssize_t *rc)
{
	struct door_file *f;

	if (at < -1 && bad_position(fd, at, rc))
		return true;
	f = flags & ~RWF_HIPRI ? our_file(fd) : NULL;
	if (f) {
		files_put(f);
		*rc = answer(-EOPNOTSUPP);
		return true;
	}
	return several(name, fd, v, n, at, write, rc);
}

static ssize_t readv_flags(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	ssize_t rc;

	return flagged("preadv2", fd, v, n, at, flags, false, &rc)
		       ? rc
		       : REAL(preadv2)(fd, v, n, at, flags);
}

static ssize_t writev_flags(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	ssize_t rc;

	return flagged("pwritev2", fd, v, n, at, flags, true, &rc)
		       ? rc
		       : REAL(pwritev2)(fd, v, n, at, flags);
}

EXPORT ssize_t preadv2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	return readv_flags(fd, v, n, at, flags);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *v, int n, off64_t at, int flags)
{
	return readv_flags(fd, v, n, at, flags);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	return writev_flags(fd, v, n, at, flags);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *v, int n, off64_t at, int flags)
{
	return writev_flags(fd, v, n, at, flags);
}

static off_t seek(int fd, off_t at, int whence)
{
	struct door_file *f = our_file(fd);

	if (!f)
		return REAL(lseek)(fd, at, whence);
	files_put(f);
	return answer(-ESPIPE);
}

EXPORT off_t lseek(int fd, off_t at, int whence)
{
	return seek(fd, at, whence);
}

EXPORT off64_t lseek64(int fd, off64_t at, int whence)
{
	return seek(fd, at, whence);
}
