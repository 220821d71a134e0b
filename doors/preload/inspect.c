/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/look_dir.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"
#include "observe/inspect.h"

#define MAX_CLIENTS 16
#define PATIENCE_NS 5000000000ull /* with a client that neither sends nor takes anything */
#define PIECE	    32768	  /* bytes that are written before some are sent */
#define LOWEST_FD   64		  /* of the thread's own */

struct client {
	int fd; /* -1: none */
	char request[256];
	size_t len;
	struct inspect *inspect; /* being answered; NULL: reading */
	bool more;
	struct json answer;
	size_t sent;
	uint64_t deadline;
};

static struct {
	int listener; /* hidden; -1: none */
	uid_t uid;
	char path[LOOK_PATH_MAX]; /* "": none */
	struct inspect_config cfg;
	sem_t ready; /* the thread has left the program's fds */
	struct client clients[MAX_CLIENTS];
} look = {.listener = -1};

/* ---- the socket ---- */

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = (int)sys3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	fd = fd < 0 ? fd : files_hide(fd);
	if (fd < 0)
		return fd;
	memcpy(a.sun_path, path, strlen(path) + 1);
	sys3(SYS_unlink, (long)path, 0, 0);
	/* Whatever the program's umask is. */
	sys3(SYS_fchmod, fd, 0600, 0);
	rc = (int)sys3(SYS_bind, fd, (long)&a, sizeof(a));
	if (!rc)
		rc = (int)sys3(SYS_chmod, (long)path, 0600, 0);
	if (!rc)
		rc = (int)sys3(SYS_listen, fd, 64, 0);
	if (!rc)
		return fd;
	files_close_hidden(fd);
	return rc;
}

/* Under another name first: who finds the name finds somebody who listens. */
static int open_socket(void)
{
	char folder[LOOK_DIR_MAX], early[LOOK_PATH_MAX];
	const int pid = sys_getpid();
	int fd;

	if (look_dir_make(folder))
		return -ENOENT;
	snprintf(early, sizeof(early), "%s/.%d", folder, pid);
	snprintf(look.path, sizeof(look.path), "%s/%d", folder, pid);
	fd = listen_at(early);
	if (fd >= 0 && sys3(SYS_rename, (long)early, (long)look.path, 0)) {
		sys3(SYS_unlink, (long)early, 0, 0);
		files_close_hidden(fd);
		fd = -EIO;
	}
	if (fd < 0)
		look.path[0] = '\0';
	return fd;
}

/* ---- one client ---- */

static uint64_t now(void)
{
	return host_now(look.cfg.host);
}

static void drop(struct client *c)
{
	if (c->inspect)
		inspect_end(c->inspect);
	json_free(&c->answer);
	close(c->fd);
	*c = (struct client){.fd = -1};
}

static bool is_welcome(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !sys6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&who, (long)&len, 0) &&
	       (who.uid == look.uid || !who.uid);
}

static struct client *unused(void)
{
	for (struct client *c = look.clients; c < look.clients + MAX_CLIENTS; c++)
		if (c->fd < 0)
			return c;
	return NULL;
}

/* Beyond the numbers of the standard streams, which others may still write to. */
static int accept_one(void)
{
	int fd = (int)sys4(SYS_accept4, look.listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK), high;

	if (fd < 0)
		return fd;
	if (!door_thread.own_fds)
		return files_hide(fd);
	high = sys_fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);
	sys_close(fd);
	return high;
}

static void greet(void)
{
	struct client *c = unused();
	const int fd = accept_one();

	if (fd < 0)
		return;
	*c = (struct client){.fd = fd, .deadline = now() + PATIENCE_NS};
	if (!is_welcome(fd))
		drop(c);
}

/* A whole line is there. False: the client is not worth more. */
static bool begin(struct client *c)
{
	char *end = memchr(c->request, '\n', c->len);

	if (!end)
		return c->len < sizeof(c->request);
	*end = '\0';
	if (inspect_begin(&look.cfg, c->request, &c->inspect))
		return false;
	c->len -= (size_t)(end + 1 - c->request);
	memmove(c->request, end + 1, c->len);
	c->more = true;
	return true;
}

static bool read_some(struct client *c)
{
	const long n = sys6(SYS_recvfrom, c->fd, (long)(c->request + c->len),
			    (long)(sizeof(c->request) - c->len), MSG_DONTWAIT, 0, 0);

	if (n == -EAGAIN || n == -EINTR)
		return true;
	if (n <= 0)
		return false;
	c->len += (size_t)n;
	return begin(c);
}

/* More of the answer. */
static bool prepare(struct client *c)
{
	int rc = 1;

	c->answer.len = 0;
	c->sent = 0;
	while (rc > 0 && c->answer.len < PIECE)
		rc = inspect_next(c->inspect, &c->answer);
	c->more = rc > 0;
	return rc >= 0 && !json_error(&c->answer);
}

static bool finish(struct client *c)
{
	inspect_end(c->inspect);
	c->inspect = NULL;
	json_free(&c->answer);
	c->sent = 0;
	return begin(c);
}

static bool write_some(struct client *c)
{
	long n;

	if (c->sent == c->answer.len && c->more && !prepare(c))
		return false;
	n = sys6(SYS_sendto, c->fd, (long)(c->answer.text + c->sent),
		 (long)(c->answer.len - c->sent), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
	if (n == -EAGAIN || n == -EINTR)
		return true;
	if (n <= 0)
		return false;
	c->sent += (size_t)n;
	c->deadline = now() + PATIENCE_NS;
	return c->sent < c->answer.len || c->more || finish(c);
}

/* ---- the thread ---- */

/* From now on what this thread opens is no number of the program's; where the kernel refuses, it is
 * hidden as all fds of the door's are. */
static void leave_fds(void)
{
	const unsigned int fd = (unsigned int)look.listener;

	if (sys3(SYS_close_range, fd + 1, ~0u, CLOSE_RANGE_UNSHARE))
		return;
	sys3(SYS_close_range, 0, fd - 1, 0);
	door_thread.own_fds = true;
}

static size_t list_fds(struct pollfd *p, struct client **who, int *timeout)
{
	const uint64_t at = now();
	uint64_t first = UINT64_MAX;
	size_t n = 0;

	if (unused())
		p[n++] = (struct pollfd){.fd = look.listener, .events = POLLIN};
	for (struct client *c = look.clients; c < look.clients + MAX_CLIENTS; c++) {
		if (c->fd >= 0 && c->deadline <= at)
			drop(c);
		if (c->fd < 0)
			continue;
		who[n] = c;
		p[n++] = (struct pollfd){.fd = c->fd, .events = c->inspect ? POLLOUT : POLLIN};
		first = min_u64(first, c->deadline - at);
	}
	*timeout = first == UINT64_MAX ? -1 : (int)(first / 1000000 + 1);
	return n;
}

static void serve_once(void)
{
	struct pollfd p[MAX_CLIENTS + 1];
	struct client *who[MAX_CLIENTS + 1] = {NULL};
	int timeout;
	const size_t n = list_fds(p, who, &timeout);

	if (sys3(SYS_poll, (long)p, (long)n, timeout) <= 0)
		return;
	for (size_t k = 0; k < n; k++) {
		struct client *c = who[k];

		if (!p[k].revents)
			continue;
		if (!c)
			greet();
		else if (!(c->inspect ? write_some(c) : read_some(c)))
			drop(c);
	}
}

static void *serve(void *unused_arg)
{
	leave_fds();
	sem_post(&look.ready);
	for (;;) {
		serve_once();
		/* What this thread's allocations did to the address space becomes known. */
		engine_leave();
		engine_enter();
	}
	return NULL;
}

/*
 * Until the thread has left, its copies of the program's fds keep files open that the program
 * closes. So this returns when that is over, and before the first node is open.
 */
static int start_thread(void)
{
	pthread_t thread;
	int rc;

	if (sem_init(&look.ready, 0, 0))
		return -errno;
	rc = inside_thread_start(NULL, &thread, "ioas-look", serve, NULL);
	while (!rc && sem_wait(&look.ready))
		;
	return rc;
}

/* Of `ioas run --shared`: whose memory it is. */
static int mm_pid(void *arg, const struct memory_mm *mm)
{
	return ((const struct peer *)memory_mm_arg(mm))->pid;
}

void looking_start(struct engine *e)
{
	if (door.run.no_inspect)
		return;
	look.uid = (uid_t)sys3(SYS_geteuid, 0, 0, 0);
	look.cfg = (struct inspect_config){
		.host = e->machine.host,
		.pid = sys_getpid(),
		.program = program_invocation_short_name,
		.shared = getenv(RUN_DAEMON_ENV) != NULL,
		.began_ns = host_now(e->machine.host),
		.mm_pid = mm_pid,
		.sanitizer = findings_sanitizer(),
	};
	for (size_t n = 0; n < MAX_CLIENTS; n++)
		look.clients[n].fd = -1;
	look.listener = open_socket();
	if (look.listener >= 0 && start_thread())
		looking_end();
}

/* A child of vfork has the parent's memory, and ends without taking the parent's socket away. */
void looking_end(void)
{
	if (!look.path[0] || look.cfg.pid != sys_getpid())
		return;
	sys3(SYS_unlink, (long)look.path, 0, 0);
	look.path[0] = '\0';
}

/* The parent's socket stays the parent's; our copies of its fds have gone with the other hidden
 * ones. */
void looking_fork_child(void)
{
	look.listener = -1;
	look.path[0] = '\0';
}
