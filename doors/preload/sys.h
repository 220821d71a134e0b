/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls made directly, without libc: what the door does for itself must not come back to the
 * door, and must not touch errno. Each returns what the kernel does: a result or a negative errno.
 */
#ifndef IOAS_DOORS_PRELOAD_SYS_H
#define IOAS_DOORS_PRELOAD_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
}

static inline long sys3(long n, long a, long b, long c)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(n), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return rc;
}

static inline long sys4(long n, long a, long b, long c, long d)
{
	return sys6(n, a, b, c, d, 0, 0);
}

static inline bool sys_failed(long rc)
{
	return (unsigned long)rc >= (unsigned long)-4095;
}

static inline int sys_close(int fd)
{
	return (int)sys3(SYS_close, fd, 0, 0);
}

static inline int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)sys3(SYS_fcntl, fd, cmd, arg);
}

static inline int sys_openat(int dirfd, const char *path, int flags, int mode)
{
	return (int)sys4(SYS_openat, dirfd, (long)path, flags, mode);
}

/* Bytes of the link, not terminated. */
static inline long sys_readlink(const char *path, char *buf, size_t len)
{
	return sys3(SYS_readlink, (long)path, (long)buf, (long)len);
}

/* NULL-free: the address, or a negative errno in disguise; test with sys_failed((long)p). */
static inline void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	return (void *)sys6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, (long)off);
}

static inline int sys_munmap(void *addr, size_t len)
{
	return (int)sys3(SYS_munmap, (long)addr, (long)len, 0);
}

static inline int sys_mprotect(void *addr, size_t len, int prot)
{
	return (int)sys3(SYS_mprotect, (long)addr, (long)len, prot);
}

static inline int sys_getpid(void)
{
	return (int)sys3(SYS_getpid, 0, 0, 0);
}

static inline int sys_gettid(void)
{
	return (int)sys3(SYS_gettid, 0, 0, 0);
}

#endif
