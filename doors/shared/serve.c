/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/shared/serve.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "doors/files_kernel.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"

static pthread_mutex_t serve_lock = PTHREAD_MUTEX_INITIALIZER;
static int epoll_fd = -1;
static int listener = -1;
static pthread_t thread;
static pthread_mutex_t working = PTHREAD_MUTEX_INITIALIZER; /* held by the thread while it is not waiting */

/* One message of somebody who has a file, or has connected to the daemon. */
static bool greet(int sock)
{
	struct hello hello;
	int fds[2] = {-1, -1}, n = 0, pid = 0, uid = -1;
	const long rc = channel_receive(sock, &hello, sizeof(hello), MSG_DONTWAIT, fds, 2, &n, &pid,
					&uid);

	if (rc == sizeof(hello) && hello.magic == HELLO_MAGIC && n == 2) {
		session_start(&hello, pid, uid, fds[0], fds[1]);
		return true;
	}
	while (n > 0)
		sys_close(fds[--n]);
	return rc > 0;
}

static void greet_all(struct door_file *f)
{
	while (f->wake && !f->mute && greet(f->wake))
		;
}

/* Who closes a file by a call has it closed in its session, too, where the sanitizer finds the stack
 * of that call. */
static void let_closer_be_first(void)
{
	const struct timespec moment = {.tv_nsec = 2000000};

	if (run_sanitizes(&door.run))
		nanosleep(&moment, NULL);
}

static void on_file(struct door_file *f)
{
	if (!files_get_again(f))
		return;
	greet_all(f);
	if (f->wake && kernel_hung_up(f->wake)) {
		sys4(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_DEL, f->wake, 0);
		files_hung_up(f);
		engine_count();
	}
	files_put(f);
}

static void look_at_file(struct door_file *f)
{
	files_ending_begin();
	on_file(f);
	files_ending_end();
}

/* Who connects has sent its message already, or does so at once. */
static void on_listener(void)
{
	struct pollfd p = {.events = POLLIN};

	p.fd = (int)sys4(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC);
	if (p.fd < 0)
		return;
	if (sys3(SYS_poll, (long)&p, 1, 1000) == 1)
		greet(p.fd);
	sys_close(p.fd);
}

static void *serve(void *unused)
{
	struct epoll_event ev;

	for (;;) {
		if (sys4(SYS_epoll_wait, epoll_fd, (long)&ev, 1, -1) != 1)
			continue;
		if (ev.events & EPOLLHUP)
			let_closer_be_first();
		pthread_mutex_lock(&working);
		if (ev.data.ptr)
			look_at_file(ev.data.ptr);
		else
			on_listener();
		pthread_mutex_unlock(&working);
	}
	return NULL;
}

static int watch_file(struct door_file *f)
{
	struct epoll_event ev = {.events = f->mute ? 0 : EPOLLIN, .data.ptr = f};

	return (int)sys4(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, f->wake, (long)&ev);
}

/* Lock held. */
static int start(void)
{
	const int fd = files_hide((int)sys3(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0));
	int rc;

	if (fd < 0)
		return fd;
	__atomic_store_n(&epoll_fd, fd, __ATOMIC_RELEASE);
	rc = inside_thread_start(NULL, &thread, "ioas-serve", serve, NULL);
	if (!rc)
		return files_each_open(watch_file);
	epoll_fd = -1;
	files_close_hidden(fd);
	return rc;
}

static int ensure(void)
{
	int rc = 0;

	if (__atomic_load_n(&epoll_fd, __ATOMIC_ACQUIRE) >= 0)
		return 0;
	pthread_mutex_lock(&serve_lock);
	if (epoll_fd < 0)
		rc = start();
	pthread_mutex_unlock(&serve_lock);
	return rc;
}

void serve_others(void)
{
	if (engine_here() && files_any() && ensure())
		door_say_once("no other process can be served: out of memory or fds");
}

/* While nobody is served the thread that starts will find it. */
static void add_file(struct door_file *f)
{
	if (__atomic_load_n(&epoll_fd, __ATOMIC_ACQUIRE) >= 0)
		watch_file(f);
}

int serve_listen(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int rc = ensure();

	listener = fd;
	return rc ? rc : (int)sys4(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, fd, (long)&ev);
}

void serve_settle(void)
{
	if (__atomic_load_n(&epoll_fd, __ATOMIC_ACQUIRE) < 0 || pthread_equal(pthread_self(), thread))
		return;
	pthread_mutex_lock(&working);
	pthread_mutex_unlock(&working);
}

void serve_init(void)
{
	files_set_serve(add_file, serve_others, greet_all);
}

void serve_fork_child(void)
{
	pthread_mutex_init(&serve_lock, NULL);
	pthread_mutex_init(&working, NULL);
	epoll_fd = -1;
	listener = -1;
}
