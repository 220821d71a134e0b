/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's eventfds as the engine holds them: a hidden duplicate, so that the program may close
 * its own.
 *
 * Watched ones (those by which the program signals the engine) share one thread, started with the
 * first watch. A watch's function runs under watch_lock, so that whoever ends the watch knows that
 * it does not run.
 */
#include "doors/preload/real.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "doors/files.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"

struct door_eventfd {
	struct abi_eventfd base;
	int fd;
	void (*fn)(void *arg); /* of a watch; NULL: none */
	void *arg;
	struct door_eventfd *next;
};

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static struct door_eventfd *watches;
static int watch_epoll = -1;
static pthread_t watch_thread;

static struct door_eventfd *of(struct abi_eventfd *e)
{
	return (struct door_eventfd *)e;
}

/* Never blocks: a counter that the program filled up stays as it is. */
static void eventfd_raise(struct abi_eventfd *e)
{
	const uint64_t one = 1;
	struct pollfd p = {.fd = of(e)->fd, .events = POLLOUT};

	if (sys3(SYS_poll, (long)&p, 1, 0) == 1 && (p.revents & POLLOUT))
		sys3(SYS_write, p.fd, (long)&one, sizeof(one));
}

static void unwatch(struct door_eventfd *e)
{
	struct door_eventfd **at = &watches;

	pthread_mutex_lock(&watch_lock);
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at) {
		*at = e->next;
		sys4(SYS_epoll_ctl, watch_epoll, EPOLL_CTL_DEL, e->fd, 0);
	}
	pthread_mutex_unlock(&watch_lock);
}

static void eventfd_put(struct abi_eventfd *e)
{
	if (of(e)->fn)
		unwatch(of(e));
	files_close_hidden(of(e)->fd);
	free(e);
}

/* Consumes the count without ever waiting: somebody else may have read it. */
static bool consume(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n;
	struct iovec iov = {&n, sizeof(n)};
	long rc = sys6(SYS_preadv2, fd, (long)&iov, 1, -1, -1, RWF_NOWAIT);

	if (rc == -EOPNOTSUPP && sys3(SYS_poll, (long)&p, 1, 0) == 1)
		rc = sys3(SYS_read, fd, (long)&n, sizeof(n));
	return rc == sizeof(n);
}

static void *watch(void *unused)
{
	struct epoll_event ev;

	for (;;) {
		if (sys4(SYS_epoll_wait, watch_epoll, (long)&ev, 1, -1) != 1)
			continue;
		pthread_mutex_lock(&watch_lock);
		for (struct door_eventfd *e = watches; e; e = e->next) {
			if (e == ev.data.ptr && consume(e->fd)) {
				engine_enter();
				e->fn(e->arg);
				engine_leave();
				break;
			}
		}
		pthread_mutex_unlock(&watch_lock);
	}
	return NULL;
}

static int start_watching(void)
{
	int rc;

	if (watch_epoll >= 0)
		return 0;
	watch_epoll = files_hide((int)sys3(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0));
	if (watch_epoll < 0)
		return watch_epoll;
	rc = inside_thread_start(NULL, &watch_thread, "ioas-eventfd", watch, NULL);
	if (rc) {
		files_close_hidden(watch_epoll);
		watch_epoll = -1;
	}
	return rc;
}

static int eventfd_watch(struct abi_eventfd *base, void (*fn)(void *), void *arg)
{
	struct door_eventfd *e = of(base);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};
	int rc;

	pthread_mutex_lock(&watch_lock);
	rc = start_watching();
	if (!rc) {
		e->fn = fn;
		e->arg = arg;
		e->next = watches;
		watches = e;
		rc = (int)sys4(SYS_epoll_ctl, watch_epoll, EPOLL_CTL_ADD, e->fd, (long)&ev);
	}
	pthread_mutex_unlock(&watch_lock);
	if (rc && e->fn) {
		unwatch(e);
		e->fn = NULL;
	}
	return rc;
}

static const struct abi_eventfd_ops ops = {
	.signal = eventfd_raise,
	.put = eventfd_put,
	.watch = eventfd_watch,
};

bool door_is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[32], link[64];
	long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = sys_readlink(path, link, sizeof(link));
	return n == sizeof(name) - 1 && !memcmp(link, name, sizeof(name) - 1);
}

int door_eventfd_make(int fd, struct abi_eventfd **out)
{
	struct door_eventfd *e = calloc(1, sizeof(*e));

	if (!e) {
		files_close_hidden(fd);
		return -ENOMEM;
	}
	e->base.ops = &ops;
	e->fd = fd;
	*out = &e->base;
	return 0;
}

int door_eventfd_get(int fd, struct abi_eventfd **out)
{
	int copy;

	if (sys_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	if (!door_is_eventfd(fd))
		return -EINVAL;
	copy = files_hide(sys_fcntl(fd, F_DUPFD_CLOEXEC, 0));
	return copy < 0 ? copy : door_eventfd_make(copy, out);
}

void eventfd_fork_child(void)
{
	pthread_mutex_init(&watch_lock, NULL);
	watches = NULL;
	watch_epoll = -1;
}
