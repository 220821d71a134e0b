/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal actions and masks: see signals.h for what is done to SIGSEGV and SIGBUS. Threads are here
 * for their stacks and masks.
 */
#include "doors/preload/interpose.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "doors/preload/signals.h"

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (!door_active())
		return REAL(sigaction)(sig, act, old);
	return (int)answer(signals_action(sig, act, old));
}

typedef void handler(int);

static handler *set_handler(int sig, handler *h, int flags)
{
	struct sigaction act = {.sa_handler = h, .sa_flags = flags}, old;

	if (h == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

EXPORT handler *signal(int sig, handler *h)
{
	return set_handler(sig, h, SA_RESTART);
}

handler *bsd_signal(int sig, handler *h);
handler *__sysv_signal(int sig, handler *h);

EXPORT handler *bsd_signal(int sig, handler *h)
{
	return set_handler(sig, h, SA_RESTART);
}

EXPORT handler *ssignal(int sig, handler *h)
{
	return set_handler(sig, h, SA_RESTART);
}

EXPORT handler *sysv_signal(int sig, handler *h)
{
	return set_handler(sig, h, (int)(SA_RESETHAND | SA_NODEFER));
}

EXPORT handler *__sysv_signal(int sig, handler *h)
{
	return set_handler(sig, h, (int)(SA_RESETHAND | SA_NODEFER));
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return door_active() ? signals_mask(how, set, old) : REAL(pthread_sigmask)(how, set, old);
}

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return door_active() ? (int)answer(-signals_mask(how, set, old))
			     : REAL(sigprocmask)(how, set, old);
}

EXPORT int sigaltstack(const stack_t *ss, stack_t *old)
{
	return door_active() ? (int)answer(stacks_alt(ss, old)) : REAL(sigaltstack)(ss, old);
}

/* ---- masks in force during a wait: a handler that runs then may store to a BAR ---- */

static const sigset_t *without_ours(const sigset_t *set, sigset_t *buf)
{
	if (!set || !door_active())
		return set;
	*buf = *set;
	signals_strip(buf);
	return buf;
}

EXPORT int sigsuspend(const sigset_t *set)
{
	sigset_t buf;

	return REAL(sigsuspend)(without_ours(set, &buf));
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set)
{
	sigset_t buf;

	return REAL(ppoll)(fds, n, timeout, without_ours(set, &buf));
}

EXPORT int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		   const sigset_t *set)
{
	sigset_t buf;

	return REAL(pselect)(n, r, w, e, timeout, without_ours(set, &buf));
}

EXPORT int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *set)
{
	sigset_t buf;

	return REAL(epoll_pwait)(fd, events, n, timeout, without_ours(set, &buf));
}

/* ---- threads ---- */

struct start {
	void *(*fn)(void *);
	void *arg;
	uint8_t blocked;
};

static void end_thread(void *unused)
{
	stacks_thread_end();
}

static void *run_thread(void *arg)
{
	const struct start s = *(struct start *)arg;
	void *rc;

	free(arg);
	door_thread.blocked = s.blocked;
	stacks_thread_begin();
	pthread_cleanup_push(end_thread, NULL);
	rc = s.fn(s.arg);
	pthread_cleanup_pop(1);
	return rc;
}

EXPORT int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct start *s;
	int rc;

	if (!door_active())
		return REAL(pthread_create)(t, attr, fn, arg);
	s = malloc(sizeof(*s));
	if (!s)
		return EAGAIN;
	*s = (struct start){fn, arg, door_thread.blocked};
	rc = REAL(pthread_create)(t, attr, run_thread, s);
	if (rc)
		free(s);
	return rc;
}
