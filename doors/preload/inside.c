/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's functions as the engine itself calls them.
 *
 * The library is linked with --wrap for every function that it interposes, so that a call from
 * inside it lands here and not in our own interposer: straight in the kernel. Fds made here are
 * hidden ones (files.h).
 */
#include "doors/preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "doors/files.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"

static long result(long rc)
{
	if (!sys_failed(rc))
		return rc;
	errno = (int)-rc;
	return -1;
}

static int hide(int fd)
{
	return door_thread.own_fds ? fd : files_hide(fd);
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_openat64(int dirfd, const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_dup(int fd);
int __wrap_fcntl64(int fd, int cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_pread64(int fd, void *buf, size_t n, off_t pos);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t pos);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t pos);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t pos);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int n, off_t pos, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t pos, int flags);
off_t __wrap_lseek64(int fd, off_t pos, int whence);
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);
int __wrap_lstat64(const char *path, struct stat *st);
int __wrap_chmod(const char *path, mode_t mode);
ssize_t __wrap_readlink(const char *path, char *buf, size_t len);
int __wrap_access(const char *path, int mode);
ssize_t __wrap_getxattr(const char *path, const char *name, void *buf, size_t len);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t pos);
int __wrap_munmap(void *addr, size_t len);
void *__wrap_mremap(void *old, size_t old_len, size_t len, int flags, ...);
int __wrap_mprotect(void *addr, size_t len, int prot);
int __wrap_madvise(void *addr, size_t len, int advice);
long __wrap_syscall(long n, ...);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

static int open_mode(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, int) : 0;
}

int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = open_mode(flags, ap);
	va_end(ap);
	return (int)result(hide(sys_openat(dirfd, path, flags | O_LARGEFILE | O_CLOEXEC, mode)));
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = open_mode(flags, ap);
	va_end(ap);
	return __wrap_openat64(AT_FDCWD, path, flags, mode);
}

int __wrap_close(int fd)
{
	if (door_thread.own_fds)
		sys_close(fd);
	else
		files_close_hidden(fd);
	return 0;
}

int __wrap_dup(int fd)
{
	return (int)result(hide(sys_fcntl(fd, F_DUPFD_CLOEXEC, 0)));
}

int __wrap_fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	long arg, rc;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	rc = sys_fcntl(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		rc = hide((int)rc);
	return (int)result(rc);
}

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)result(sys3(SYS_ioctl, fd, (long)cmd, arg));
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	return result(sys3(SYS_read, fd, (long)buf, (long)n));
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	return result(sys3(SYS_write, fd, (long)buf, (long)n));
}

ssize_t __wrap_pread64(int fd, void *buf, size_t n, off_t pos)
{
	return result(sys4(SYS_pread64, fd, (long)buf, (long)n, pos));
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t pos)
{
	return result(sys4(SYS_pwrite64, fd, (long)buf, (long)n, pos));
}

ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int n, off_t pos)
{
	return result(sys6(SYS_preadv, fd, (long)iov, n, pos, 0, 0));
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t pos)
{
	return result(sys6(SYS_pwritev, fd, (long)iov, n, pos, 0, 0));
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *iov, int n, off_t pos, int flags)
{
	return result(sys6(SYS_preadv2, fd, (long)iov, n, pos, 0, flags));
}

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t pos, int flags)
{
	return result(sys6(SYS_pwritev2, fd, (long)iov, n, pos, 0, flags));
}

off_t __wrap_lseek64(int fd, off_t pos, int whence)
{
	return result(sys3(SYS_lseek, fd, pos, whence));
}

int __wrap_fstat64(int fd, struct stat *st)
{
	return (int)result(sys3(SYS_fstat, fd, (long)st, 0));
}

int __wrap_stat64(const char *path, struct stat *st)
{
	return (int)result(sys4(SYS_newfstatat, AT_FDCWD, (long)path, (long)st, 0));
}

int __wrap_lstat64(const char *path, struct stat *st)
{
	return (int)result(
		sys4(SYS_newfstatat, AT_FDCWD, (long)path, (long)st, AT_SYMLINK_NOFOLLOW));
}

int __wrap_chmod(const char *path, mode_t mode)
{
	return (int)result(sys3(SYS_chmod, (long)path, mode, 0));
}

ssize_t __wrap_readlink(const char *path, char *buf, size_t len)
{
	return result(sys_readlink(path, buf, len));
}

int __wrap_access(const char *path, int mode)
{
	return (int)result(sys3(SYS_access, (long)path, mode, 0));
}

ssize_t __wrap_getxattr(const char *path, const char *name, void *buf, size_t len)
{
	return result(sys4(SYS_getxattr, (long)path, (long)name, (long)buf, (long)len));
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t pos)
{
	return (void *)result((long)sys_mmap(addr, len, prot, flags, fd, (uint64_t)pos));
}

int __wrap_munmap(void *addr, size_t len)
{
	return (int)result(sys_munmap(addr, len));
}

void *__wrap_mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
	va_list ap;
	long to = 0;

	va_start(ap, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(ap, long);
	va_end(ap);
	return (void *)result(sys6(SYS_mremap, (long)old, (long)old_len, (long)len, flags, to, 0));
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
	return (int)result(sys_mprotect(addr, len, prot));
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	return (int)result(sys3(SYS_madvise, (long)addr, (long)len, advice));
}

long __wrap_syscall(long n, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return result(sys6(n, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return REAL(pthread_sigmask)(how, set, old);
}

/* ---- threads ---- */

struct start {
	void *(*fn)(void *);
	void *arg;
	char name[16];
};

static void *run(void *arg)
{
	struct start s = *(struct start *)arg;
	void *result;

	free(arg);
	door_thread.engine = true;
	engine_enter();
	prctl(PR_SET_NAME, s.name);
	result = s.fn(s.arg);
	engine_leave();
	return result;
}

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/*
 * By the program's own pthread_create(): a sanitizer must know of every thread that calls malloc.
 * The new thread inherits a mask that blocks all but what a fault raises.
 */
static int create(pthread_t *t, const pthread_attr_t *attr, struct start *s)
{
	create_fn *create_thread = (create_fn *)dlsym(RTLD_DEFAULT, "pthread_create");
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	REAL(pthread_sigmask)(SIG_SETMASK, &all, &old);
	rc = create_thread(t, attr, run, s);
	REAL(pthread_sigmask)(SIG_SETMASK, &old, NULL);
	return rc;
}

int inside_thread_start(void *arg, pthread_t *t, const char *name, void *(*fn)(void *),
			void *fn_arg)
{
	struct start *s = malloc(sizeof(*s));
	pthread_attr_t attr;
	int rc = s ? pthread_attr_init(&attr) : ENOMEM;

	if (rc) {
		free(s);
		return -rc;
	}
	*s = (struct start){.fn = fn, .arg = fn_arg};
	snprintf(s->name, sizeof(s->name), "%s", name);
	pthread_attr_setaffinity_np(&attr, sizeof(door.affinity), &door.affinity);
	rc = create(t, &attr, s);
	if (rc == EINVAL) {
		/* The processors that the process started on are gone. */
		pthread_attr_destroy(&attr);
		pthread_attr_init(&attr);
		rc = create(t, &attr, s);
	}
	pthread_attr_destroy(&attr);
	if (rc)
		free(s);
	return -rc;
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return -inside_thread_start(NULL, t, "ioas", fn, arg);
}
