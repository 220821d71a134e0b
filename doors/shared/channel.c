/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/shared/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

#define LOOKS	  16 /* from one look at the clock to the next */
#define LOOK_MIN  20000 /* ns */
#define LOOK_ALONE 3000 /* then the other side may be waiting for this very processor */
#define LOOK_MAX  100000
#define FDS_MAX	  8
#define SEND_PATIENCE 100 /* tenths of a second */

/* What a message is. */
#define WAKE  'w'
#define AN_FD 'f'

/* ---- messages ---- */

union control {
	struct cmsghdr align;
	char fds[CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

int channel_send(int sock, const void *msg, size_t len, const int *fds, int n)
{
	union control u = {0};
	struct iovec v = {(void *)msg, len};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct pollfd p = {.fd = sock, .events = POLLOUT};
	int patience = SEND_PATIENCE;
	long rc;

	if (n) {
		m.msg_control = &u;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		u.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN((size_t)n * sizeof(int))};
		memcpy(CMSG_DATA(&u.align), fds, (size_t)n * sizeof(int));
	}
	do {
		rc = sys3(SYS_sendmsg, sock, (long)&m, MSG_NOSIGNAL);
		/* The program's own O_NONBLOCK on its fd is not meant for us. */
		if (rc == -EAGAIN)
			sys3(SYS_poll, (long)&p, 1, 100);
	} while (rc == -EINTR || (rc == -EAGAIN && --patience));
	return rc < 0 ? (int)rc : 0;
}

static void take_control(const struct msghdr *m, int *fds, int room, int *n, int *pid, int *uid)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR((struct msghdr *)m, h)) {
		const size_t len = h->cmsg_len - CMSG_LEN(0);
		struct ucred cred;
		int got[FDS_MAX];

		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_CREDENTIALS && len == sizeof(cred)) {
			memcpy(&cred, CMSG_DATA(h), sizeof(cred));
			if (pid)
				*pid = cred.pid;
			if (uid)
				*uid = (int)cred.uid;
		} else if (h->cmsg_type == SCM_RIGHTS) {
			memcpy(got, CMSG_DATA(h), min_u64(len, sizeof(got)));
			for (size_t i = 0; i < len / sizeof(int); i++) {
				if (*n < room)
					fds[(*n)++] = got[i];
				else
					sys_close(got[i]);
			}
		}
	}
}

long channel_receive(int sock, void *msg, size_t len, int flags, int *fds, int room, int *n,
		     int *pid, int *uid)
{
	union control u;
	struct iovec v = {msg, len};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &u,
			   .msg_controllen = sizeof(u)};
	long rc;

	do {
		rc = sys3(SYS_recvmsg, sock, (long)&m, flags | MSG_CMSG_CLOEXEC);
	} while (rc == -EINTR);
	if (rc >= 0)
		take_control(&m, fds, room, n, pid, uid);
	return rc;
}

/* ---- whose move it is ---- */

void channel_post(struct channel *c, enum channel_turn turn)
{
	uint32_t *asleep = &c->page->asleep[!c->side];

	__atomic_store_n(&c->page->turn, turn, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(asleep, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(asleep, 0, __ATOMIC_SEQ_CST))
		channel_send(c->sock, &(char){WAKE}, 1, NULL, 0);
}

static int mine(const struct channel *c)
{
	const uint32_t turn = __atomic_load_n(&c->page->turn, __ATOMIC_SEQ_CST);
	const bool servers = turn == TURN_CALL || turn == TURN_ANSWER;

	return servers == (c->side == CHANNEL_SERVER) && turn != TURN_IDLE ? (int)turn : -1;
}

/* Takes in one message: WAKE or AN_FD, which is put with the others; -EPIPE at the end. */
static int take_in(struct channel *c)
{
	char what = 0;
	const int had = c->nr_fds;
	const long rc = channel_receive(c->sock, &what, 1, 0, c->fds, CHANNEL_FDS, &c->nr_fds, NULL,
					NULL);

	/* The kernel drops what there is no room for. */
	if (rc > 0 && what == AN_FD && c->nr_fds == had && had < CHANNEL_FDS)
		c->fds[c->nr_fds++] = -EMFILE;
	return rc > 0 ? what : -EPIPE;
}

/*
 * Who finds *asleep* set clears it and owes one wake, which must be taken in: the socket would fill
 * up with wakes that came too late. One that comes later still, when it is the other side's move
 * again, is a wake for nothing.
 */
static int sleep_for(struct channel *c)
{
	uint32_t *asleep = &c->page->asleep[c->side];
	int turn, what;

	do {
		what = AN_FD;
		__atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
		for (turn = mine(c); turn < 0 && what == AN_FD; turn = mine(c))
			what = take_in(c);
		if (what == AN_FD && !__atomic_exchange_n(asleep, 0, __ATOMIC_SEQ_CST))
			while (what == AN_FD)
				what = take_in(c);
	} while (turn < 0 && what >= 0);
	return turn >= 0 ? turn : -EPIPE;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The turn, or -1 after @ns. */
static int look_for(const struct channel *c, uint64_t ns)
{
	const uint64_t began = now_ns();
	uint64_t now;
	int turn;

	do {
		for (unsigned int i = 0; i < LOOKS; i++) {
			turn = mine(c);
			if (turn >= 0)
				return turn;
			__builtin_ia32_pause();
		}
		now = now_ns();
		if (now - began > LOOK_ALONE)
			sched_yield();
	} while (now - began < ns);
	return -1;
}

/*
 * To sleep and be woken takes about as long as LOOK_MIN: to look for less time would make each side
 * sleep because the other does.
 */
int channel_wait(struct channel *c)
{
	int turn = mine(c);

	if (turn >= 0)
		return turn;
	turn = door_one_cpu() ? -1 : look_for(c, c->look_ns);
	if (turn >= 0) {
		c->look_ns = min_u64(c->look_ns * 2, LOOK_MAX);
		return turn;
	}
	c->look_ns = max_u64(c->look_ns / 2, LOOK_MIN);
	return sleep_for(c);
}

int channel_send_fd(struct channel *c, int fd)
{
	return channel_send(c->sock, &(char){AN_FD}, 1, &fd, 1) ? -EPIPE : 0;
}

int channel_take_fd(struct channel *c)
{
	int fd;

	while (!c->nr_fds)
		if (take_in(c) < 0)
			return -EPIPE;
	fd = c->fds[0];
	c->nr_fds--;
	memmove(c->fds, c->fds + 1, (size_t)c->nr_fds * sizeof(int));
	return fd;
}

void channel_drop_fds(struct channel *c)
{
	while (c->nr_fds)
		if (c->fds[--c->nr_fds] >= 0)
			sys_close(c->fds[c->nr_fds]);
}
