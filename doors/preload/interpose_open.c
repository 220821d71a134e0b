/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open() and its relatives.
 */
#include "doors/preload/interpose.h"

#include "doors/preload/status.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool is_status(const char *name, int flags, int *pid)
{
	return !(flags & (O_ACCMODE | O_PATH)) && door_active() && status_pid(name, pid);
}

static int open_at(int dirfd, const char *name, int flags, mode_t mode)
{
	struct path p;
	int fd, pid;

	switch (look_up(dirfd, name, &p)) {
	case PATH_PLAIN:
		fd = REAL(openat)(dirfd, name, flags, mode);
		if (fd < 0 || !is_status(name, flags, &pid))
			return fd;
		door_check_fork();
		return status_show(fd, pid, flags);
	case PATH_KVM:
		fd = REAL(openat)(dirfd, name, flags, mode);
		if (fd >= 0 && !(flags & O_PATH))
			engine_kvm_opened();
		return fd;
	case PATH_OVERLAY:
		fd = REAL(openat)(AT_FDCWD, p.text, flags, mode);
		if (fd < 0)
			call_open_missing(&p, flags);
		return fd;
	case PATH_ATTR:
		if (!call_is_attr_write(&p, flags))
			return REAL(openat)(AT_FDCWD, p.text, flags, mode);
		break;
	case PATH_NODE:
		break;
	}
	door_check_fork();
	return (int)answer(call_open(&p, flags));
}

static bool has_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_AFTER(flags)                                                                          \
	({                                                                                         \
		mode_t mode_ = 0;                                                                  \
		va_list ap_;                                                                       \
		if (has_mode(flags)) {                                                             \
			va_start(ap_, flags);                                                      \
			mode_ = va_arg(ap_, mode_t);                                               \
			va_end(ap_);                                                               \
		}                                                                                  \
		mode_;                                                                             \
	})

EXPORT int open(const char *name, int flags, ...)
{
	return open_at(AT_FDCWD, name, flags, MODE_AFTER(flags));
}

EXPORT int open64(const char *name, int flags, ...)
{
	return open_at(AT_FDCWD, name, flags, MODE_AFTER(flags));
}

EXPORT int openat(int dirfd, const char *name, int flags, ...)
{
	return open_at(dirfd, name, flags, MODE_AFTER(flags));
}

EXPORT int openat64(int dirfd, const char *name, int flags, ...)
{
	return open_at(dirfd, name, flags, MODE_AFTER(flags));
}

EXPORT int creat(const char *name, mode_t mode)
{
	return open_at(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int creat64(const char *name, mode_t mode)
{
	return open_at(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What _FORTIFY_SOURCE makes of the calls without a mode. */
int __open_2(const char *name, int flags);
int __open64_2(const char *name, int flags);
int __openat_2(int dirfd, const char *name, int flags);
int __openat64_2(int dirfd, const char *name, int flags);

EXPORT int __open_2(const char *name, int flags)
{
	return open_at(AT_FDCWD, name, flags, 0);
}

EXPORT int __open64_2(const char *name, int flags)
{
	return open_at(AT_FDCWD, name, flags, 0);
}

EXPORT int __openat_2(int dirfd, const char *name, int flags)
{
	return open_at(dirfd, name, flags, 0);
}

EXPORT int __openat64_2(int dirfd, const char *name, int flags)
{
	return open_at(dirfd, name, flags, 0);
}

/* ---- streams ---- */

static int mode_flags(const char *mode)
{
	int flags = *mode == 'r'   ? O_RDONLY
		    : *mode == 'a' ? O_WRONLY | O_CREAT | O_APPEND
				   : O_WRONLY | O_CREAT | O_TRUNC;

	if (strchr(mode, '+'))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (strchr(mode, 'x'))
		flags |= O_EXCL;
	if (strchr(mode, 'e'))
		flags |= O_CLOEXEC;
	return flags;
}

/* libc writes a stream's bytes where we do not see it, so an attribute is a stream of our own. */
static ssize_t write_attr(void *cookie, const char *text, size_t len)
{
	char line[512];

	if (len >= sizeof(line))
		return answer(-EINVAL);
	memcpy(line, text, len);
	line[len] = '\0';
	return answer(attr_write(cookie, line, len));
}

static int close_attr(void *cookie)
{
	free(cookie);
	return 0;
}

static FILE *open_attr(const struct path *p, const char *mode)
{
	static const cookie_io_functions_t functions = {.write = write_attr, .close = close_attr};
	char *name;
	FILE *f;

	if (REAL(access)(p->text, 2 /* W_OK */))
		return NULL;
	name = strdup(p->name);
	f = name ? fopencookie(name, mode, functions) : NULL;
	if (!f)
		free(name);
	return f;
}

static FILE *open_stream(const char *name, const char *mode)
{
	struct path p;
	FILE *f;
	int fd;

	switch (look_up(AT_FDCWD, name, &p)) {
	case PATH_PLAIN:
		if (is_status(name, mode_flags(mode), &fd))
			break;
		return REAL(fopen)(name, mode);
	case PATH_KVM:
		return REAL(fopen)(name, mode);
	case PATH_OVERLAY:
		return REAL(fopen)(p.text, mode);
	case PATH_ATTR:
		return *mode == 'r' && mode[1] != '+' ? REAL(fopen)(p.text, mode)
						      : open_attr(&p, mode);
	case PATH_NODE:
		break;
	}
	fd = open_at(AT_FDCWD, name, mode_flags(mode), 0666);
	f = fd < 0 ? NULL : fdopen(fd, mode);
	return f;
}

EXPORT FILE *fopen(const char *name, const char *mode)
{
	return open_stream(name, mode);
}

EXPORT FILE *fopen64(const char *name, const char *mode)
{
	return open_stream(name, mode);
}

static FILE *reopen(const char *name, const char *mode, FILE *f)
{
	struct path p;

	return REAL(freopen)(name ? place(AT_FDCWD, name, &p) : NULL, mode, f);
}

EXPORT FILE *freopen(const char *name, const char *mode, FILE *f)
{
	return reopen(name, mode, f);
}

EXPORT FILE *freopen64(const char *name, const char *mode, FILE *f)
{
	return reopen(name, mode, f);
}

/* ---- folders ---- */

EXPORT DIR *opendir(const char *name)
{
	struct path p;

	return REAL(opendir)(place(AT_FDCWD, name, &p));
}

EXPORT int scandir(const char *name, struct dirent ***list, int (*filter)(const struct dirent *),
		   int (*compare)(const struct dirent **, const struct dirent **))
{
	struct path p;

	return REAL(scandir)(place(AT_FDCWD, name, &p), list, filter, compare);
}

/* struct dirent64 is struct dirent here. */
EXPORT int scandir64(const char *name, struct dirent64 ***list,
		     int (*filter)(const struct dirent64 *),
		     int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
	struct path p;

	return REAL(scandir)(place(AT_FDCWD, name, &p), (struct dirent ***)list,
			     (int (*)(const struct dirent *))filter,
			     (int (*)(const struct dirent **, const struct dirent **))compare);
}
