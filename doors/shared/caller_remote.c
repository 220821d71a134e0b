/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client as abi/ sees it. What is in the call already is not asked for: the beginning of the
 * argument's struct, and who pays for locked memory.
 */
#include "doors/preload/real.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>

#include "base/bits.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

static struct session *of(struct caller *c)
{
	return c->arg;
}

/* The part of [va, va + len) that came along with the call, if it begins there; 0. */
static size_t along(const struct call *c, uint64_t va, size_t len)
{
	if (va < c->args_va || va - c->args_va >= c->args_len)
		return 0;
	return min_u64(len, c->args_len - (va - c->args_va));
}

/* From @va to where the part that came along begins, or to the end. */
static size_t before(const struct call *c, uint64_t va, size_t len)
{
	len = min_u64(len, CHANNEL_DATA);
	return va < c->args_va ? min_u64(len, c->args_va - va) : len;
}

static int remote_copy_in(struct caller *caller, void *dst, uint64_t src, size_t len)
{
	struct session *s = of(caller);
	const struct call *c = &s->ch.page->call;
	char *to = dst;

	while (len) {
		size_t n = along(c, src, len);

		if (n) {
			memcpy(to, s->ch.page->args + (src - c->args_va), n);
		} else {
			n = before(c, src, len);
			if (session_ask(s, ASK_COPY_IN, src, n, 0))
				return -EFAULT;
			memcpy(to, s->ch.page->data, n);
		}
		to += n;
		src += n;
		len -= n;
	}
	return 0;
}

static int remote_copy_out(struct caller *caller, uint64_t dst, const void *src, size_t len)
{
	struct session *s = of(caller);
	struct call *c = &s->ch.page->call;
	const char *from = src;

	while (len) {
		size_t n = along(c, dst, len);

		if (n)
			memcpy(s->ch.page->args + (dst - c->args_va), from, n);
		if (n && c->args_writable && c->nr_dirty < CALL_DIRTY) {
			c->dirty[c->nr_dirty].at = (uint16_t)(dst - c->args_va);
			c->dirty[c->nr_dirty++].len = (uint16_t)n;
		} else {
			n = n ? n : before(c, dst, len);
			memcpy(s->ch.page->data, from, n);
			if (session_ask(s, ASK_COPY_OUT, dst, n, 0))
				return -EFAULT;
		}
		from += n;
		dst += n;
		len -= n;
	}
	return 0;
}

static bool remote_capable(struct caller *c, int cap)
{
	if (cap == CAP_IPC_LOCK)
		return of(c)->ch.page->call.flags & CALL_MAY_LOCK;
	return session_ask(of(c), ASK_CAPABLE, (uint64_t)cap, 0, 0) == 1;
}

static int remote_file_get(struct caller *c, int fd, struct abi_file **out)
{
	struct session *s = of(c);
	const long rc = session_ask(s, ASK_FILE, (uint64_t)fd, 0, 0);
	struct door_file *f;

	if (rc)
		return rc == -EPIPE ? -EBADF : (int)rc;
	f = files_find(s->ch.page->ask.arg[0]);
	if (!f)
		return -EBADFD;
	*out = f->abi;
	abi_file_get(*out);
	files_put(f);
	return 0;
}

/* Until the client has it, the file is held by its own fd here and in the message: should the client
 * not take it, it is closed as if it had. That may happen at any time, even before the call is over;
 * but a file must not be released within a call, which holds locks. */
static int remote_fd_install(struct caller *c, struct abi_file *abi)
{
	struct session *s = of(c);
	struct door_file_init init;
	int fd, rc;

	door_anonymous(abi, &init);
	abi_file_get(abi);
	rc = files_make(&init, O_RDWR | O_CLOEXEC, &fd);
	if (rc) {
		abi_file_put(abi);
		return rc;
	}
	rc = channel_send_fd(&s->ch, fd);
	sys_close(fd);
	if (!rc)
		rc = (int)session_ask(s, ASK_INSTALL, 0, 0, 0);
	if (rc >= 0)
		session_put_later(s, abi);
	return rc == -EPIPE ? -ENOMEM : rc;
}

static void remote_fd_uninstall(struct caller *c, int fd)
{
	session_ask(of(c), ASK_UNINSTALL, (uint64_t)fd, 0, 0);
}

static int get_fd(struct session *s, enum ask_kind kind, int fd)
{
	const long rc = session_ask(s, kind, (uint64_t)fd, 0, 0);

	if (rc)
		return rc == -EPIPE ? -EBADF : (int)rc;
	return files_hide(channel_take_fd(&s->ch));
}

static int remote_eventfd_get(struct caller *c, int fd, struct abi_eventfd **out)
{
	const int copy = get_fd(of(c), ASK_EVENTFD, fd);

	return copy < 0 ? copy : door_eventfd_make(copy, out);
}

static int remote_fd_dup(struct caller *c, int fd)
{
	return get_fd(of(c), ASK_FD, fd);
}

static struct memory_account *remote_account(struct caller *c, bool process_mode)
{
	return of(c)->peer->accounts[process_mode];
}

static struct memory_mm *remote_memory(struct caller *c)
{
	struct peer *p = of(c)->peer;

	__atomic_store_n(&p->interested, true, __ATOMIC_RELAXED);
	return p->mm;
}

static uint64_t remote_process(struct caller *c)
{
	return of(c)->peer->incarnation;
}

const struct caller_ops remote_caller_ops = {
	.copy_in = remote_copy_in,
	.copy_out = remote_copy_out,
	.capable = remote_capable,
	.file_get = remote_file_get,
	.fd_install = remote_fd_install,
	.fd_uninstall = remote_fd_uninstall,
	.eventfd_get = remote_eventfd_get,
	.fd_dup = remote_fd_dup,
	.account = remote_account,
	.memory = remote_memory,
	.process = remote_process,
};
