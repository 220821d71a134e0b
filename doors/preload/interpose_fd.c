/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closing and duplicating fds, and passing them through sockets.
 */
#include "doors/preload/interpose.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <unistd.h>

#include "doors/preload/sys.h"
#include "doors/preload/trace.h"
#include "doors/shared/serve.h"

EXPORT int close(int fd)
{
	struct door_file *f;
	char name[DOOR_NAME_MAX] = "";
	int rc;

	if (!door_active())
		return REAL(close)(fd);
	door_check_fork();
	f = door.run.show ? files_get_sure(fd) : NULL;
	if (f) {
		snprintf(name, sizeof(name), "%s", f->name);
		files_put(f);
	}
	engine_enter();
	if (!files_close(fd, &rc)) {
		engine_leave();
		return REAL(close)(fd);
	}
	engine_leave();
	serve_settle();
	engine_count();
	if (*name)
		trace_close(fd, name, rc);
	return (int)answer(rc);
}

static int close_fds(unsigned int first, unsigned int last, int flags)
{
	int rc;

	if (!door_active())
		return (int)sys3(SYS_close_range, first, last, flags);
	door_check_fork();
	engine_enter();
	rc = files_close_range(first, last, (unsigned int)flags);
	engine_leave();
	serve_settle();
	engine_count();
	return rc;
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)answer(close_fds(first, last, flags));
}

EXPORT void closefrom(int first)
{
	/* Before Linux 5.9 there is no close_range(). */
	if (close_fds(first < 0 ? 0 : (unsigned int)first, ~0u, 0) != -ENOSYS)
		return;
	for (long fd = first < 0 ? 0 : first; fd < sysconf(_SC_OPEN_MAX); fd++)
		close((int)fd);
}

EXPORT int dup(int fd)
{
	int rc;

	if (!door_active() || !files_dup(fd, &rc))
		return REAL(dup)(fd);
	return (int)answer(rc);
}

static bool dup_to(int fd, int newfd, int flags, int *rc)
{
	bool ours;

	if (!door_active())
		return false;
	door_check_fork();
	engine_enter();
	ours = files_dup_to(fd, newfd, flags, rc);
	engine_leave();
	return ours;
}

EXPORT int dup2(int fd, int newfd)
{
	int rc;

	return dup_to(fd, newfd, -1, &rc) ? (int)answer(rc) : REAL(dup2)(fd, newfd);
}

EXPORT int dup3(int fd, int newfd, int flags)
{
	int rc;

	return dup_to(fd, newfd, flags, &rc) ? (int)answer(rc) : REAL(dup3)(fd, newfd, flags);
}

/* What F_GETFL says of our file: a socket can always be read and written. */
static int as_opened(int fd, int flags)
{
	struct door_file *f = flags < 0 ? NULL : our_file(fd);

	if (f && f->kind == DOOR_ENGINE)
		flags = (flags & ~O_ACCMODE) | f->mode;
	if (f)
		files_put(f);
	return flags;
}

static int control(int fd, int cmd, void *arg)
{
	int rc;

	if (cmd == F_GETFL)
		return as_opened(fd, REAL(fcntl)(fd, cmd, arg));

	if (door_active() && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) &&
	    files_dup_above(fd, cmd, (int)(long)arg, &rc))
		return (int)answer(rc);
	return REAL(fcntl)(fd, cmd, arg);
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return control(fd, cmd, arg);
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return control(fd, cmd, arg);
}

/* A file that is always ready knows no poll(). */
EXPORT int epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev)
{
	struct door_file *f = op == EPOLL_CTL_ADD ? our_file(fd) : NULL;
	const bool refused = f && !f->watched;

	if (f)
		files_put(f);
	return refused ? (int)answer(-EPERM) : REAL(epoll_ctl)(epoll, op, fd, ev);
}

/* ---- SCM_RIGHTS ---- */

/* The fds that a message carries, one after the other: the next of @c, and its number in *i. */
static const int *next_fd(const struct msghdr *m, struct cmsghdr **c, size_t *i)
{
	for (; *c; *c = CMSG_NXTHDR((struct msghdr *)m, *c), *i = 0)
		if ((*c)->cmsg_level == SOL_SOCKET && (*c)->cmsg_type == SCM_RIGHTS &&
		    *i < ((*c)->cmsg_len - CMSG_LEN(0)) / sizeof(int))
			return (const int *)CMSG_DATA(*c) + (*i)++;
	return NULL;
}

static struct cmsghdr *first(const struct msghdr *m)
{
	return m && m->msg_control && m->msg_controllen ? CMSG_FIRSTHDR(m) : NULL;
}

static bool sends_own(const struct msghdr *m)
{
	struct cmsghdr *c = first(m);
	const int *fd;
	size_t i = 0;

	while ((fd = next_fd(m, &c, &i)))
		if (files_is_own(*fd))
			return true;
	return false;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (door_active() && files_any() && sends_own(m))
		serve_others();
	return REAL(sendmsg)(fd, m, flags);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags)
{
	for (unsigned int i = 0; i < n && door_active() && files_any(); i++)
		if (sends_own(&m[i].msg_hdr))
			serve_others();
	return REAL(sendmmsg)(fd, m, n, flags);
}

static void received(const struct msghdr *m)
{
	struct cmsghdr *c = first(m);
	const int *fd;
	size_t i = 0;

	while ((fd = next_fd(m, &c, &i)))
		files_received(*fd);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	const ssize_t rc = REAL(recvmsg)(fd, m, flags);

	if (rc >= 0 && door_active() && !(flags & MSG_PEEK))
		received(m);
	return rc;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags, struct timespec *timeout)
{
	const int rc = REAL(recvmmsg)(fd, m, n, flags, timeout);

	for (int i = 0; i < rc && door_active() && !(flags & MSG_PEEK); i++)
		received(&m[i].msg_hdr);
	return rc;
}
