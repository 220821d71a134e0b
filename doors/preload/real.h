/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions behind ours: the next definition of each in the program's search order, libc's as a rule, a sanitizer's or
 * another preload's where there is one. They are found on first use, for other libraries' constructors may call us before
 * our own has run.
 *
 * Include this before any other header: the large-file redirections must be off where libc's own names are meant.
 */
#ifndef IOAS_DOORS_PRELOAD_REAL_H
#define IOAS_DOORS_PRELOAD_REAL_H

#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#define EXPORT __attribute__((visibility("default")))

/* X(result, name, parameters) */
#define REAL_FUNCTIONS(X)                                                                          \
	X(int, openat, (int, const char *, int, ...))                                              \
	X(FILE *, fopen, (const char *, const char *))                                             \
	X(FILE *, freopen, (const char *, const char *, FILE *))                                   \
	X(DIR *, opendir, (const char *))                                                          \
	X(int, scandir,                                                                            \
	  (const char *, struct dirent ***, int (*)(const struct dirent *),                        \
	   int (*)(const struct dirent **, const struct dirent **)))                               \
	X(int, close, (int))                                                                       \
	X(int, dup, (int))                                                                         \
	X(int, dup2, (int, int))                                                                   \
	X(int, dup3, (int, int, int))                                                              \
	X(int, fcntl, (int, int, ...))                                                             \
	X(int, ioctl, (int, unsigned long, ...))                                                   \
	X(ssize_t, read, (int, void *, size_t))                                                    \
	X(ssize_t, write, (int, const void *, size_t))                                             \
	X(ssize_t, pread, (int, void *, size_t, off_t))                                            \
	X(ssize_t, pwrite, (int, const void *, size_t, off_t))                                     \
	X(ssize_t, readv, (int, const struct iovec *, int))                                        \
	X(ssize_t, writev, (int, const struct iovec *, int))                                       \
	X(ssize_t, preadv, (int, const struct iovec *, int, off_t))                                \
	X(ssize_t, pwritev, (int, const struct iovec *, int, off_t))                               \
	X(ssize_t, preadv2, (int, const struct iovec *, int, off_t, int))                          \
	X(ssize_t, pwritev2, (int, const struct iovec *, int, off_t, int))                         \
	X(off_t, lseek, (int, off_t, int))                                                         \
	X(int, fstatat, (int, const char *, struct stat *, int))                                   \
	X(int, fstat, (int, struct stat *))                                                        \
	X(int, __xstat, (int, const char *, struct stat *))                                        \
	X(int, __lxstat, (int, const char *, struct stat *))                                       \
	X(int, __fxstat, (int, int, struct stat *))                                                \
	X(int, __fxstatat, (int, int, const char *, struct stat *, int))                           \
	X(int, statx, (int, const char *, int, unsigned int, struct statx *))                      \
	X(int, statfs, (const char *, struct statfs *))                                            \
	X(int, access, (const char *, int))                                                        \
	X(int, faccessat, (int, const char *, int, int))                                           \
	X(int, euidaccess, (const char *, int))                                                    \
	X(ssize_t, readlink, (const char *, char *, size_t))                                       \
	X(ssize_t, readlinkat, (int, const char *, char *, size_t))                                \
	X(char *, realpath, (const char *, char *))                                                \
	X(int, chdir, (const char *))                                                              \
	X(int, fchdir, (int))                                                                      \
	X(char *, getcwd, (char *, size_t))                                                        \
	X(int, chmod, (const char *, mode_t))                                                      \
	X(int, chown, (const char *, uid_t, gid_t))                                                \
	X(int, lchown, (const char *, uid_t, gid_t))                                               \
	X(int, fchmodat, (int, const char *, mode_t, int))                                         \
	X(int, fchownat, (int, const char *, uid_t, gid_t, int))                                   \
	X(ssize_t, getxattr, (const char *, const char *, void *, size_t))                         \
	X(ssize_t, lgetxattr, (const char *, const char *, void *, size_t))                        \
	X(ssize_t, listxattr, (const char *, char *, size_t))                                      \
	X(ssize_t, llistxattr, (const char *, char *, size_t))                                     \
	X(void *, mmap, (void *, size_t, int, int, int, off_t))                                    \
	X(int, munmap, (void *, size_t))                                                           \
	X(void *, mremap, (void *, size_t, size_t, int, ...))                                      \
	X(int, mprotect, (void *, size_t, int))                                                    \
	X(int, pkey_mprotect, (void *, size_t, int, int))                                          \
	X(int, madvise, (void *, size_t, int))                                                     \
	X(int, posix_madvise, (void *, size_t, int))                                               \
	X(void *, shmat, (int, const void *, int))                                                 \
	X(int, shmdt, (const void *))                                                              \
	X(int, brk, (void *))                                                                      \
	X(void *, sbrk, (intptr_t))                                                                \
	X(ssize_t, sendmsg, (int, const struct msghdr *, int))                                     \
	X(int, sendmmsg, (int, struct mmsghdr *, unsigned int, int))                               \
	X(ssize_t, recvmsg, (int, struct msghdr *, int))                                           \
	X(int, recvmmsg, (int, struct mmsghdr *, unsigned int, int, struct timespec *))            \
	X(int, sigaction, (int, const struct sigaction *, struct sigaction *))                     \
	X(int, sigprocmask, (int, const sigset_t *, sigset_t *))                                   \
	X(int, pthread_sigmask, (int, const sigset_t *, sigset_t *))                               \
	X(int, sigaltstack, (const stack_t *, stack_t *))                                          \
	X(int, sigsuspend, (const sigset_t *))                                                     \
	X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))        \
	X(int, pselect,                                                                            \
	  (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))          \
	X(int, epoll_ctl, (int, int, int, struct epoll_event *))                                   \
	X(int, epoll_pwait, (int, struct epoll_event *, int, int, const sigset_t *))               \
	X(int, pthread_create, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))   \
	X(int, capset, (void *, const void *))                                                     \
	X(int, setrlimit, (__rlimit_resource_t, const struct rlimit *))                            \
	X(int, prlimit,                                                                            \
	  (pid_t, enum __rlimit_resource, const struct rlimit *, struct rlimit *))                 \
	X(void, _exit, (int))                                                                      \
	X(pid_t, vfork, (void))                                                                    \
	X(pid_t, _Fork, (void))                                                                    \
	X(int, system, (const char *))                                                             \
	X(FILE *, popen, (const char *, const char *))                                             \
	X(int, execve, (const char *, char *const[], char *const[]))                               \
	X(int, execvpe, (const char *, char *const[], char *const[]))                              \
	X(int, fexecve, (int, char *const[], char *const[]))                                       \
	X(int, execveat, (int, const char *, char *const[], char *const[], int))                   \
	X(int, posix_spawn,                                                                        \
	  (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,   \
	   char *const[], char *const[]))                                                          \
	X(int, posix_spawnp,                                                                       \
	  (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,   \
	   char *const[], char *const[]))                                                          \
	X(long, syscall, (long, ...))

#define REAL_MEMBER(result, name, params) result(*name) params;
struct real {
	int ready;
	REAL_FUNCTIONS(REAL_MEMBER)
};
#undef REAL_MEMBER

extern struct real real_functions;
void real_find(void);

static inline const struct real *real_table(void)
{
	if (__builtin_expect(!__atomic_load_n(&real_functions.ready, __ATOMIC_ACQUIRE), 0))
		real_find();
	return &real_functions;
}

/* REAL(open)(...) */
#define REAL(name) (real_table()->name)

#endif
