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

EXPORT int close(int fd)
{
	struct door_file *f;
	char name[DOOR_NAME_MAX] = "";
	int rc;

	if (!door_active())
		return REAL(close)(fd);
	door_check_fork();
	f = door.run.verbose ? files_get_sure(fd) : NULL;
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

static int control(int fd, int cmd, void *arg)
{
	int rc;

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

/* ---- SCM_RIGHTS ---- */

static void for_each_fd(const struct msghdr *m, void (*fn)(int fd))
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c)) {
		const int *fds = (const int *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			fn(fds[i]);
	}
}

/* Only messages that carry fds, and only while there is anything of ours to carry, or that may
 * come. */
static void passed(const struct msghdr *m, void (*fn)(int fd))
{
	if (m && m->msg_control && m->msg_controllen)
		for_each_fd(m, fn);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	const ssize_t rc = REAL(sendmsg)(fd, m, flags);

	if (rc >= 0 && door_active() && files_any())
		passed(m, files_sent);
	return rc;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags)
{
	const int rc = REAL(sendmmsg)(fd, m, n, flags);

	for (int i = 0; i < rc && door_active() && files_any(); i++)
		passed(&m[i].msg_hdr, files_sent);
	return rc;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	const ssize_t rc = REAL(recvmsg)(fd, m, flags);

	if (rc >= 0 && door_active() && !(flags & MSG_PEEK))
		passed(m, files_received);
	return rc;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags, struct timespec *timeout)
{
	const int rc = REAL(recvmmsg)(fd, m, n, flags, timeout);

	for (int i = 0; i < rc && door_active() && !(flags & MSG_PEEK); i++)
		passed(&m[i].msg_hdr, files_received);
	return rc;
}
