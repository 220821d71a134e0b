/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions that look at a path without opening it.
 */
#include "doors/preload/interpose.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* ---- stat ---- */

static int stat_at(int dirfd, const char *name, struct stat *st, int flags)
{
	struct path p;
	int rc;

	rc = REAL(fstatat)(dirfd, place(dirfd, name, &p), st, flags);
	if (!rc && door_active() && p.kind == PATH_NODE)
		call_stat_node(&p.node, st);
	return rc;
}

static int stat_fd(int fd, struct stat *st)
{
	struct door_file *f;
	int rc = REAL(fstat)(fd, st);

	f = rc ? NULL : our_file(fd);
	if (f) {
		call_stat_file(f, st);
		files_put(f);
	}
	return rc;
}

static int stat_any(int dirfd, const char *name, struct stat *st, int flags)
{
	if ((flags & AT_EMPTY_PATH) && path_is_empty(name) && dirfd != AT_FDCWD)
		return stat_fd(dirfd, st);
	return stat_at(dirfd, name, st, flags);
}

EXPORT int stat(const char *name, struct stat *st)
{
	return stat_at(AT_FDCWD, name, st, 0);
}

EXPORT int lstat(const char *name, struct stat *st)
{
	return stat_at(AT_FDCWD, name, st, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fstat(int fd, struct stat *st)
{
	return stat_fd(fd, st);
}

EXPORT int fstatat(int dirfd, const char *name, struct stat *st, int flags)
{
	return stat_any(dirfd, name, st, flags);
}

/* struct stat64 is struct stat here. */
EXPORT int stat64(const char *name, struct stat64 *st)
{
	return stat_at(AT_FDCWD, name, (struct stat *)st, 0);
}

EXPORT int lstat64(const char *name, struct stat64 *st)
{
	return stat_at(AT_FDCWD, name, (struct stat *)st, AT_SYMLINK_NOFOLLOW);
}

EXPORT int fstat64(int fd, struct stat64 *st)
{
	return stat_fd(fd, (struct stat *)st);
}

EXPORT int fstatat64(int dirfd, const char *name, struct stat64 *st, int flags)
{
	return stat_any(dirfd, name, (struct stat *)st, flags);
}

/* What programs built before glibc 2.33 call; the version is 1 on x86-64. */
int __xstat(int ver, const char *name, struct stat *st);
int __lxstat(int ver, const char *name, struct stat *st);
int __fxstat(int ver, int fd, struct stat *st);
int __fxstatat(int ver, int dirfd, const char *name, struct stat *st, int flags);
int __xstat64(int ver, const char *name, struct stat64 *st);
int __lxstat64(int ver, const char *name, struct stat64 *st);
int __fxstat64(int ver, int fd, struct stat64 *st);
int __fxstatat64(int ver, int dirfd, const char *name, struct stat64 *st, int flags);

EXPORT int __xstat(int ver, const char *name, struct stat *st)
{
	return stat_at(AT_FDCWD, name, st, 0);
}

EXPORT int __lxstat(int ver, const char *name, struct stat *st)
{
	return stat_at(AT_FDCWD, name, st, AT_SYMLINK_NOFOLLOW);
}

EXPORT int __fxstat(int ver, int fd, struct stat *st)
{
	return stat_fd(fd, st);
}

EXPORT int __fxstatat(int ver, int dirfd, const char *name, struct stat *st, int flags)
{
	return stat_any(dirfd, name, st, flags);
}

EXPORT int __xstat64(int ver, const char *name, struct stat64 *st)
{
	return stat_at(AT_FDCWD, name, (struct stat *)st, 0);
}

EXPORT int __lxstat64(int ver, const char *name, struct stat64 *st)
{
	return stat_at(AT_FDCWD, name, (struct stat *)st, AT_SYMLINK_NOFOLLOW);
}

EXPORT int __fxstat64(int ver, int fd, struct stat64 *st)
{
	return stat_fd(fd, (struct stat *)st);
}

EXPORT int __fxstatat64(int ver, int dirfd, const char *name, struct stat64 *st, int flags)
{
	return stat_any(dirfd, name, (struct stat *)st, flags);
}

/* The fields that a node has otherwise than the file that stands for it. */
static void statx_node(const struct stat *st, struct statx *sx)
{
	sx->stx_mode = (uint16_t)st->st_mode;
	sx->stx_rdev_major = major(st->st_rdev);
	sx->stx_rdev_minor = minor(st->st_rdev);
	sx->stx_size = 0;
	sx->stx_blocks = 0;
}

EXPORT int statx(int dirfd, const char *name, int flags, unsigned int mask, struct statx *sx)
{
	struct door_file *f = NULL;
	struct stat st = {0};
	struct path p;
	int rc;

	if ((flags & AT_EMPTY_PATH) && path_is_empty(name))
		f = our_file(dirfd);
	p.kind = PATH_PLAIN;
	rc = REAL(statx)(dirfd, f ? name : place(dirfd, name, &p), flags, mask, sx);
	if (f && !rc) {
		st.st_mode = sx->stx_mode;
		call_stat_file(f, &st);
		statx_node(&st, sx);
	} else if (!rc && p.kind == PATH_NODE) {
		call_stat_node(&p.node, &st);
		statx_node(&st, sx);
	}
	if (f)
		files_put(f);
	return rc;
}

/* libudev and others ask whether /sys is one: the overlay's folders answer as the real one does. */
static int stat_fs(const char *name, struct statfs *st)
{
	struct path p;
	int rc;

	if (look_up(AT_FDCWD, name, &p) == PATH_PLAIN || p.kind == PATH_KVM)
		return REAL(statfs)(name, st);
	rc = REAL(statfs)(p.text, st);
	if (!rc && !strncmp(p.name, "/sys", 4))
		st->f_type = 0x62656572; /* SYSFS_MAGIC */
	return rc;
}

EXPORT int statfs(const char *name, struct statfs *st)
{
	return stat_fs(name, st);
}

EXPORT int statfs64(const char *name, struct statfs64 *st)
{
	return stat_fs(name, (struct statfs *)st);
}

/* ---- access ---- */

EXPORT int access(const char *name, int mode)
{
	struct path p;

	return REAL(access)(place(AT_FDCWD, name, &p), mode);
}

EXPORT int faccessat(int dirfd, const char *name, int mode, int flags)
{
	struct path p;

	return REAL(faccessat)(dirfd, place(dirfd, name, &p), mode, flags);
}

EXPORT int euidaccess(const char *name, int mode)
{
	struct path p;

	return REAL(euidaccess)(place(AT_FDCWD, name, &p), mode);
}

EXPORT int eaccess(const char *name, int mode)
{
	return euidaccess(name, mode);
}

/* ---- links ---- */

/* The overlay's own place must not show. */
static ssize_t strip(char *buf, ssize_t n)
{
	return n > 0 && door_active() ? (ssize_t)path_strip(buf, (size_t)n) : n;
}

static ssize_t read_link(int dirfd, const char *name, char *buf, size_t len)
{
	struct path p;

	return strip(buf, REAL(readlinkat)(dirfd, place(dirfd, name, &p), buf, len));
}

EXPORT ssize_t readlink(const char *name, char *buf, size_t len)
{
	return read_link(AT_FDCWD, name, buf, len);
}

EXPORT ssize_t readlinkat(int dirfd, const char *name, char *buf, size_t len)
{
	return read_link(dirfd, name, buf, len);
}

ssize_t __readlink_chk(const char *name, char *buf, size_t len, size_t room);
ssize_t __readlinkat_chk(int dirfd, const char *name, char *buf, size_t len, size_t room);
void __chk_fail(void) __attribute__((noreturn));

EXPORT ssize_t __readlink_chk(const char *name, char *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read_link(AT_FDCWD, name, buf, len);
}

EXPORT ssize_t __readlinkat_chk(int dirfd, const char *name, char *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read_link(dirfd, name, buf, len);
}

static char *real_path(const char *name, char *resolved)
{
	struct path p;
	char *out = REAL(realpath)(place(AT_FDCWD, name, &p), resolved);

	if (out && door_active())
		out[path_strip(out, strlen(out))] = '\0';
	return out;
}

EXPORT char *realpath(const char *name, char *resolved)
{
	return real_path(name, resolved);
}

char *__realpath_chk(const char *name, char *resolved, size_t room);

EXPORT char *__realpath_chk(const char *name, char *resolved, size_t room)
{
	if (room < PATH_MAX)
		__chk_fail();
	return real_path(name, resolved);
}

EXPORT char *canonicalize_file_name(const char *name)
{
	return real_path(name, NULL);
}

/* ---- the working directory ---- */

EXPORT int chdir(const char *name)
{
	struct path p;
	int rc;

	rc = REAL(chdir)(place(AT_FDCWD, name, &p));
	paths_chdir();
	return rc;
}

EXPORT int fchdir(int fd)
{
	int rc = REAL(fchdir)(fd);

	paths_chdir();
	return rc;
}

EXPORT char *getcwd(char *buf, size_t len)
{
	char *out = REAL(getcwd)(buf, len);

	if (out && door_active())
		out[path_strip(out, strlen(out))] = '\0';
	return out;
}

/* ---- owners, modes, attributes ---- */

EXPORT int chmod(const char *name, mode_t mode)
{
	struct path p;

	return REAL(chmod)(place(AT_FDCWD, name, &p), mode);
}

EXPORT int chown(const char *name, uid_t uid, gid_t gid)
{
	struct path p;

	return REAL(chown)(place(AT_FDCWD, name, &p), uid, gid);
}

EXPORT int lchown(const char *name, uid_t uid, gid_t gid)
{
	struct path p;

	return REAL(lchown)(place(AT_FDCWD, name, &p), uid, gid);
}

EXPORT int fchmodat(int dirfd, const char *name, mode_t mode, int flags)
{
	struct path p;

	return REAL(fchmodat)(dirfd, place(dirfd, name, &p), mode, flags);
}

EXPORT int fchownat(int dirfd, const char *name, uid_t uid, gid_t gid, int flags)
{
	struct path p;

	return REAL(fchownat)(dirfd, place(dirfd, name, &p), uid, gid, flags);
}

EXPORT ssize_t getxattr(const char *name, const char *attr, void *buf, size_t len)
{
	struct path p;

	return REAL(getxattr)(place(AT_FDCWD, name, &p), attr, buf, len);
}

EXPORT ssize_t lgetxattr(const char *name, const char *attr, void *buf, size_t len)
{
	struct path p;

	return REAL(lgetxattr)(place(AT_FDCWD, name, &p), attr, buf, len);
}

EXPORT ssize_t listxattr(const char *name, char *buf, size_t len)
{
	struct path p;

	return REAL(listxattr)(place(AT_FDCWD, name, &p), buf, len);
}

EXPORT ssize_t llistxattr(const char *name, char *buf, size_t len)
{
	struct path p;

	return REAL(llistxattr)(place(AT_FDCWD, name, &p), buf, len);
}
