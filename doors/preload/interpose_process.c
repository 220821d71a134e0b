/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits, the end of the process, and system calls made by number.
 */
#include "doors/preload/interpose.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/inspect.h"
#include "doors/shared/serve.h"

/* A program that lowers its own limit wants to see it kept. */
static void note_limit(int resource, const struct rlimit *rl, int rc)
{
	if (!rc && rl && resource == RLIMIT_MEMLOCK && rl->rlim_cur < door.memlock)
		__atomic_store_n(&door.memlock_lowered, true, __ATOMIC_RELAXED);
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *rl)
{
	const int rc = REAL(setrlimit)(resource, rl);

	note_limit((int)resource, rl, rc);
	return rc;
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *rl)
{
	return setrlimit(resource, (const struct rlimit *)rl);
}

/* No header of libc's declares it. */
int capset(void *header, const void *data);

/* A program that gives CAP_IPC_LOCK away wants to pay. */
EXPORT int capset(void *header, const void *data)
{
	const bool had = door_active() && door_has_capability(CAP_IPC_LOCK);
	const int rc = REAL(capset)(header, data);

	if (door_active() && !rc && had != door_has_capability(CAP_IPC_LOCK))
		__atomic_store_n(&door.lock_dropped, had, __ATOMIC_RELAXED);
	return rc;
}

static int process_limit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *rl,
			 struct rlimit *old)
{
	const int rc = REAL(prlimit)(pid, resource, rl, old);

	if (!pid || pid == getpid())
		note_limit((int)resource, rl, rc);
	return rc;
}

EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *rl,
		   struct rlimit *old)
{
	return process_limit(pid, resource, rl, old);
}

EXPORT int prlimit64(pid_t pid, enum __rlimit_resource resource, const struct rlimit64 *rl,
		     struct rlimit64 *old)
{
	return process_limit(pid, resource, (const struct rlimit *)rl, (struct rlimit *)old);
}

static void __attribute__((noreturn)) leave(int status)
{
	if (door_active() && !door_forked()) {
		files_flush_attrs(0, ~0u);
		engine_count();
		findings_end(true);
		looking_end();
	}
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT void _exit(int status)
{
	leave(status);
}

EXPORT void _Exit(int status)
{
	leave(status);
}

/* ---- children ---- */

/* fork() itself tells by pthread_atfork(). */
EXPORT pid_t _Fork(void)
{
	if (door_active())
		serve_others();
	return REAL(_Fork)();
}

/* What follows it in vfork_asm.S. */
void *vfork_next(void);
void *vfork_next(void)
{
	if (door_active())
		serve_others();
	return (void *)REAL(vfork);
}

EXPORT int system(const char *command)
{
	if (door_active())
		serve_others();
	return REAL(system)(command);
}

EXPORT FILE *popen(const char *command, const char *type)
{
	if (door_active())
		serve_others();
	return REAL(popen)(command, type);
}

/* ---- syscall() ---- */

/* Our own interposer of another file: from in here the plain name is what inside.c makes of it. */
#define OURS(name) __real_##name

__typeof__(open) __real_open;
__typeof__(openat) __real_openat;
__typeof__(close) __real_close;
__typeof__(close_range) __real_close_range;
__typeof__(dup) __real_dup;
__typeof__(dup2) __real_dup2;
__typeof__(dup3) __real_dup3;
__typeof__(fcntl) __real_fcntl;
__typeof__(ioctl) __real_ioctl;
__typeof__(fstatat) __real_fstatat;
__typeof__(stat) __real_stat;
__typeof__(fstat) __real_fstat;
__typeof__(statx) __real_statx;
__typeof__(readlink) __real_readlink;
__typeof__(access) __real_access;
__typeof__(read) __real_read;
__typeof__(write) __real_write;
__typeof__(pread) __real_pread;
__typeof__(pwrite) __real_pwrite;
__typeof__(lseek) __real_lseek;
__typeof__(mmap) __real_mmap;
__typeof__(munmap) __real_munmap;
__typeof__(mremap) __real_mremap;
__typeof__(mprotect) __real_mprotect;
__typeof__(madvise) __real_madvise;
__typeof__(sendmsg) __real_sendmsg;
__typeof__(recvmsg) __real_recvmsg;

struct args {
	long a[6];
};

static long call_files(long n, const struct args *x, bool *done)
{
	const long *a = x->a;

	switch (n) {
	case SYS_open:
		return OURS(open)((const char *)a[0], (int)a[1], (mode_t)a[2]);
	case SYS_openat:
		return OURS(openat)((int)a[0], (const char *)a[1], (int)a[2], (mode_t)a[3]);
	case SYS_close:
		return OURS(close)((int)a[0]);
	case SYS_close_range:
		return OURS(close_range)((unsigned int)a[0], (unsigned int)a[1], (int)a[2]);
	case SYS_dup:
		return OURS(dup)((int)a[0]);
	case SYS_dup2:
		return OURS(dup2)((int)a[0], (int)a[1]);
	case SYS_dup3:
		return OURS(dup3)((int)a[0], (int)a[1], (int)a[2]);
	case SYS_fcntl:
		return OURS(fcntl)((int)a[0], (int)a[1], a[2]);
	case SYS_ioctl:
		return OURS(ioctl)((int)a[0], (unsigned long)a[1], a[2]);
	case SYS_newfstatat:
		return OURS(fstatat)((int)a[0], (const char *)a[1], (struct stat *)a[2], (int)a[3]);
	case SYS_stat:
		return OURS(stat)((const char *)a[0], (struct stat *)a[1]);
	case SYS_fstat:
		return OURS(fstat)((int)a[0], (struct stat *)a[1]);
	case SYS_statx:
		return OURS(statx)((int)a[0], (const char *)a[1], (int)a[2], (unsigned int)a[3],
				   (struct statx *)a[4]);
	case SYS_readlink:
		return OURS(readlink)((const char *)a[0], (char *)a[1], (size_t)a[2]);
	case SYS_access:
		return OURS(access)((const char *)a[0], (int)a[1]);
	default:
		*done = false;
		return 0;
	}
}

static long call_io_and_memory(long n, const struct args *x, bool *done)
{
	const long *a = x->a;

	switch (n) {
	case SYS_read:
		return OURS(read)((int)a[0], (void *)a[1], (size_t)a[2]);
	case SYS_write:
		return OURS(write)((int)a[0], (const void *)a[1], (size_t)a[2]);
	case SYS_pread64:
		return OURS(pread)((int)a[0], (void *)a[1], (size_t)a[2], a[3]);
	case SYS_pwrite64:
		return OURS(pwrite)((int)a[0], (const void *)a[1], (size_t)a[2], a[3]);
	case SYS_lseek:
		return OURS(lseek)((int)a[0], a[1], (int)a[2]);
	case SYS_mmap:
		return (long)OURS(mmap)((void *)a[0], (size_t)a[1], (int)a[2], (int)a[3], (int)a[4],
					a[5]);
	case SYS_munmap:
		return OURS(munmap)((void *)a[0], (size_t)a[1]);
	case SYS_mremap:
		return (long)OURS(mremap)((void *)a[0], (size_t)a[1], (size_t)a[2], (int)a[3],
					  (void *)a[4]);
	case SYS_mprotect:
		return OURS(mprotect)((void *)a[0], (size_t)a[1], (int)a[2]);
	case SYS_madvise:
		return OURS(madvise)((void *)a[0], (size_t)a[1], (int)a[2]);
	case SYS_sendmsg:
		return OURS(sendmsg)((int)a[0], (const struct msghdr *)a[1], (int)a[2]);
	case SYS_recvmsg:
		return OURS(recvmsg)((int)a[0], (struct msghdr *)a[1], (int)a[2]);
	case SYS_prlimit64:
		return prlimit((pid_t)a[0], (enum __rlimit_resource)a[1],
			       (const struct rlimit *)a[2], (struct rlimit *)a[3]);
	case SYS_fork:
	case SYS_clone:
	case SYS_clone3:
		serve_others();
		*done = false;
		return 0;
	case SYS_exit_group:
		leave((int)a[0]);
	default:
		*done = false;
		return 0;
	}
}

EXPORT long syscall(long n, ...)
{
	bool done = door_active();
	struct args x;
	va_list ap;
	long rc;

	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		x.a[i] = va_arg(ap, long);
	va_end(ap);
	if (done) {
		rc = call_files(n, &x, &done);
		if (done)
			return rc;
		done = true;
		rc = call_io_and_memory(n, &x, &done);
		if (done)
			return rc;
	}
	return REAL(syscall)(n, x.a[0], x.a[1], x.a[2], x.a[3], x.a[4], x.a[5]);
}
