/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/shared/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/bits.h"
#include "doors/files_kernel.h"
#include "doors/preload/bars.h"
#include "doors/preload/callstack.h"
#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/guard.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"
#include "doors/shared/answer.h"
#include "doors/shared/channel.h"

#define SERVER_TIMEOUT 10000 /* ms */

/* Never given back: a thread may look at one that has just died. */
struct remote {
	struct channel ch;
	struct signals_hold signals; /* of the thread whose call it carries */
	uint64_t server;
	uint32_t busy;
	bool dead, interested;
	struct remote *next;
};

static struct remote *remotes; /* only ever added to */
static uint64_t incarnation;
static unsigned int nr_interested;

/* ---- channels ---- */

static struct remote *take_free(uint64_t server)
{
	for (struct remote *r = __atomic_load_n(&remotes, __ATOMIC_ACQUIRE); r; r = r->next) {
		uint32_t expected = 0;

		if (r->server == server && !__atomic_load_n(&r->dead, __ATOMIC_RELAXED) &&
		    __atomic_compare_exchange_n(&r->busy, &expected, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return r;
	}
	return NULL;
}

/* Handlers of the program's wait: one that made a call of its own could need what this one holds.
 */
static struct remote *find_free(uint64_t server)
{
	struct signals_hold h;
	struct remote *r;

	signals_hold(&h);
	r = take_free(server);
	if (r)
		r->signals = h;
	else
		signals_release(&h);
	return r;
}

static void release(struct remote *r)
{
	const struct signals_hold h = r->signals;

	__atomic_store_n(&r->busy, 0, __ATOMIC_RELEASE);
	signals_release(&h);
}

static int connect_daemon(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd, rc;

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/" RUN_SOCKET, door.run_dir) >=
	    sizeof(a.sun_path))
		return -ENAMETOOLONG;
	fd = (int)sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	do {
		rc = (int)sys3(SYS_connect, fd, (long)&a, sizeof(a));
	} while (rc == -EINTR);
	if (!rc)
		return fd;
	sys_close(fd);
	return rc;
}

/* What @fd is may be closed by another thread, and its number be another file's. -ESTALE: it is. */
static int hold(int fd, uint64_t server)
{
	const int copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct label l;
	struct stat st;

	if (copy >= 0 && !sys3(SYS_fstat, copy, (long)&st, 0) && kernel_read_label(copy, &st, &l) &&
	    l.server == server && !l.mute)
		return copy;
	if (copy < 0)
		return copy == -EBADF ? -ESTALE : copy;
	sys_close(copy);
	return -ESTALE;
}

/* Says who we are over @fd, or to the daemon, and hands over the server's end of the channel. */
static int introduce(int fd, uint64_t server, int sock, int pages)
{
	const struct hello hello = {HELLO_MAGIC, kernel_random_once(&incarnation)};
	const int fds[] = {sock, pages};
	const int to = fd < 0 ? connect_daemon() : hold(fd, server);
	struct ucred cred = {0};
	uint32_t len = sizeof(cred);
	int rc = to < 0 ? to : channel_send(to, &hello, sizeof(hello), fds, 2);

	/* Where only a tracer may read a process's memory. */
	if (!rc && !sys6(SYS_getsockopt, to, SOL_SOCKET, SO_PEERCRED, (long)&cred, (long)&len, 0))
		sys6(SYS_prctl, PR_SET_PTRACER, cred.pid, 0, 0, 0, 0);
	if (to >= 0)
		sys_close(to);
	return rc;
}

static void *map_pages(int *fd)
{
	void *p = (void *)-ENOMEM;

	/* Sealed, so that whoever has it mapped can rely on it. */
	*fd = (int)sys3(SYS_memfd_create, (long)"ioas-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0);
	if (*fd >= 0 && !sys3(SYS_ftruncate, *fd, sizeof(struct channel_page), 0) &&
	    !sys_fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		p = sys_mmap(NULL, sizeof(struct channel_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			     *fd, 0);
	if (sys_failed((long)p))
		return NULL;
	sys3(SYS_madvise, (long)p, sizeof(struct channel_page), MADV_DONTFORK);
	return p;
}

/* It says something when it has taken the channel. One that does not, though it lives, serves
 * nobody. */
static int await_server(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	char byte;
	long rc;

	do {
		rc = sys3(SYS_poll, (long)&p, 1, SERVER_TIMEOUT);
	} while (rc == -EINTR);
	return rc == 1 && sys6(SYS_recvfrom, sock, (long)&byte, 1, 0, 0, 0) == 1 ? 0 : -EPIPE;
}

static int make_channel(struct remote *r, int fd)
{
	int socks[2] = {-1, -1}, pages = -1, rc;

	rc = (int)sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)socks);
	if (!rc) {
		r->ch.page = map_pages(&pages);
		rc = r->ch.page ? introduce(fd, r->server, socks[1], pages) : -ENOMEM;
		sys_close(socks[1]);
	}
	if (pages >= 0)
		sys_close(pages);
	if (!rc)
		rc = await_server(socks[0]);
	if (!rc) {
		r->ch.sock = files_hide(socks[0]);
		return 0;
	}
	if (socks[0] >= 0)
		sys_close(socks[0]);
	if (r->ch.page)
		sys_munmap(r->ch.page, sizeof(struct channel_page));
	return rc;
}

static void add(struct remote *r)
{
	r->next = __atomic_load_n(&remotes, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&remotes, &r->next, r, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

/* In a page of its own, for malloc() is not for a signal handler. */
static int make_held(int fd, uint64_t server, struct remote **out)
{
	struct remote *r = sys_mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (sys_failed((long)r))
		return -ENOMEM;
	/* Guarded touches need our handler. */
	rc = bars_init();
	r->server = server;
	if (!rc)
		rc = make_channel(r, fd);
	if (rc) {
		sys_munmap(r, sizeof(*r));
		return rc;
	}
	r->busy = 1;
	add(r);
	*out = r;
	return 0;
}

static int make(int fd, uint64_t server, struct remote **out)
{
	struct signals_hold h;
	int rc;

	signals_hold(&h);
	rc = make_held(fd, server, out);
	if (rc)
		signals_release(&h);
	else
		(*out)->signals = h;
	return rc;
}

/* The fd over which the server of @f is reached for a call over @fd. */
static int road(int fd, const struct door_file *f)
{
	return f->mute ? files_number_of(f->server) : fd;
}

static int lost(void)
{
	if (door.run.shared)
		door_say_once("the run has ended, and its machine with it: calls on its files answer EIO");
	else
		door_say_once(
			"the process that served a file opened elsewhere has ended: calls on it answer EIO; with "
			"`ioas run --shared` the machine is in a process of its own");
	return -EIO;
}

/* A channel to @server for this call; @fd: one of its files, or -1: the daemon. */
static int acquire(int fd, uint64_t server, struct remote **out)
{
	int rc;

	*out = find_free(server);
	if (*out)
		return 0;
	rc = make(fd, server, out);
	switch (rc) {
	case 0:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return rc;
	case -ESTALE:
		return -EBADF;
	default:
		return lost();
	}
}

/* ---- a call ---- */

static void note_interest(struct remote *r)
{
	if (!r->ch.page->call.interested || r->interested)
		return;
	__atomic_store_n(&r->interested, true, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_interested, 1, __ATOMIC_RELAXED);
}

static void die(struct remote *r)
{
	__atomic_store_n(&r->dead, true, __ATOMIC_RELAXED);
	if (r->interested)
		__atomic_fetch_sub(&nr_interested, 1, __ATOMIC_RELAXED);
	files_close_hidden(r->ch.sock);
}

/* What was last in the page is often the same. */
static void add_stack(struct channel_stack *s)
{
	const stack_id id = findings_stack();
	const uint64_t *pc;

	if (s->id == id)
		return;
	s->id = id;
	s->n = callstack_frames(id, &pc);
	if (s->n)
		memcpy(s->pc, pc, s->n * sizeof(*pc));
}

/* The call is in the page: until it is done. Its result, or -EIO. */
static long run(struct remote *r)
{
	struct call *c = &r->ch.page->call;
	int turn;

	if (run_sanitizes(&door.run))
		add_stack(&r->ch.page->stack);
	channel_post(&r->ch, TURN_CALL);
	for (turn = channel_wait(&r->ch); turn == TURN_ASK; turn = channel_wait(&r->ch)) {
		note_interest(r);
		answer_ask(&r->ch, r->server);
		channel_post(&r->ch, TURN_ANSWER);
	}
	if (turn < 0) {
		die(r);
		return lost();
	}
	note_interest(r);
	if (door.run.show && c->result < 0)
		door_thread.refusal = r->ch.page->refusal;
	return c->result;
}

static struct call *prepare(struct remote *r, enum call_kind kind, uint64_t file)
{
	struct call *c = &r->ch.page->call;

	*c = (struct call){.kind = kind, .file = file};
	return c;
}

/* The caller's limits go along, and the beginning of what the argument points to. */
static void add_caller(struct call *c)
{
	c->flags = (door_may_lock() ? CALL_MAY_LOCK : 0) |
		   (__atomic_load_n(&door.kvm, __ATOMIC_RELAXED) ? CALL_HAS_KVM : 0);
	if (!(c->flags & CALL_MAY_LOCK))
		c->memlock = door_memlock();
}

static void add_args(struct remote *r, struct call *c, uint64_t va)
{
	const size_t len = min_u64(CHANNEL_ARGS, PAGE_SIZE - (va & PAGE_MASK));

	if (va < PAGE_SIZE || guard_copy(r->ch.page->args, (const void *)va, len))
		return;
	c->args_va = va;
	c->args_len = (uint32_t)len;
	c->args_writable = !guard_touch_write((void *)align_down(va, PAGE_SIZE), 1);
}

static long finish(struct remote *r, int fd)
{
	const struct call *c = &r->ch.page->call;
	long rc = run(r);

	if (r->dead)
		return rc;
	for (unsigned int i = 0; i < min_u64(c->nr_dirty, CALL_DIRTY); i++)
		if (guard_copy((void *)(c->args_va + c->dirty[i].at),
			       r->ch.page->args + c->dirty[i].at, c->dirty[i].len))
			rc = -EFAULT;
	if (c->drop_bytes)
		files_drop_bytes(fd, c->drop_bytes);
	return rc;
}

long client_ioctl(int fd, struct door_file *f, unsigned int cmd, uint64_t arg)
{
	struct remote *r;
	struct call *c;
	long rc = acquire(road(fd, f), f->server, &r);

	if (rc)
		return rc;
	c = prepare(r, CALL_IOCTL, f->id);
	c->cmd = cmd;
	c->arg[0] = arg;
	add_caller(c);
	add_args(r, c, arg);
	rc = finish(r, fd);
	release(r);
	return rc;
}

ssize_t client_io(int fd, struct door_file *f, const struct iovec *v, uint64_t pos, bool write)
{
	struct remote *r;
	struct call *c;
	long rc = acquire(road(fd, f), f->server, &r);

	if (rc)
		return rc;
	c = prepare(r, write ? CALL_WRITE : CALL_READ, f->id);
	c->arg[0] = (uint64_t)v->iov_base;
	c->arg[1] = v->iov_len;
	c->arg[2] = pos;
	add_caller(c);
	add_args(r, c, c->arg[0]);
	rc = finish(r, fd);
	release(r);
	return rc;
}

#define MAX_SERVERS 16

void client_pins(int pid, struct status_pins *sum)
{
	uint64_t servers[MAX_SERVERS];
	const unsigned int n = files_servers(servers, MAX_SERVERS);

	for (unsigned int i = 0; i < n; i++) {
		struct remote *r;
		struct call *c;

		if (acquire(files_number_of(servers[i]), servers[i], &r))
			continue;
		c = prepare(r, CALL_PINS, 0);
		c->arg[0] = (uint64_t)pid;
		add_caller(c);
		if (!run(r)) {
			sum->pinned += c->arg[0];
			sum->locked += c->arg[1];
		}
		release(r);
	}
}

int client_open(const struct node *n, int flags)
{
	struct remote *r;
	struct call *c;
	long rc = acquire(-1, door.run.shared, &r);

	if (rc)
		return (int)rc;
	c = prepare(r, CALL_OPEN, 0);
	c->arg[0] = n->kind;
	c->arg[1] = n->number;
	c->arg[2] = (uint32_t)flags;
	add_caller(c);
	rc = run(r);
	if (!rc)
		rc = channel_take_fd(&r->ch);
	if (rc >= 0) {
		struct door_file *f = files_adopt((int)rc);

		if (f)
			files_put(f);
		if (!(flags & O_CLOEXEC))
			sys_fcntl((int)rc, F_SETFD, 0);
	}
	release(r);
	return (int)rc;
}

long client_mmap(int fd, struct door_file *f, const struct bars_request *req)
{
	int memory = -1, held = -1;
	struct bar_view *view;
	struct remote *r;
	struct call *c;
	long rc = acquire(road(fd, f), f->server, &r);

	if (rc)
		return rc;
	c = prepare(r, CALL_MMAP, f->id);
	c->arg[0] = req->len;
	c->arg[1] = (uint32_t)req->prot;
	c->arg[2] = (uint32_t)req->flags;
	c->arg[3] = req->pos;
	rc = run(r);
	view = (struct bar_view *)r->ch.page->data;
	if (!rc)
		memory = channel_take_fd(&r->ch);
	if (!rc && memory >= 0)
		held = view->held ? channel_take_fd(&r->ch)
				  : (int)sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	/* It asks whether the BAR answers: over another channel, for this one has its description.
	 */
	if (held >= 0)
		rc = bars_map_remote(files_hide(held), f->server, req, view, memory);
	else if (memory >= 0)
		sys_close(memory);
	if (!rc)
		rc = memory < 0 ? memory : held;
	release(r);
	return rc;
}

/* A channel to @server, whose files this process has or had. NULL: nothing leads there. */
static struct remote *reach(uint64_t server)
{
	struct remote *r = find_free(server);
	int fd, rc = r ? 0 : -EBADF;

	while (rc == -EBADF) {
		fd = files_number_of(server);
		if (fd < 0 && server != door.run.shared)
			break;
		rc = acquire(fd, server, &r);
	}
	return rc ? NULL : r;
}

void client_access(uint64_t server, uint64_t id, bool write, uint64_t off, unsigned int size,
		   uint64_t *val)
{
	struct remote *r = reach(server);
	struct call *c;

	if (!r)
		return;
	c = prepare(r, write ? CALL_STORE : CALL_LOAD, 0);
	c->arg[0] = id;
	c->arg[1] = off;
	c->arg[2] = size;
	c->arg[3] = *val;
	if (!run(r) && !write)
		*val = c->arg[3];
	release(r);
}

bool client_enabled(uint64_t server, uint64_t id)
{
	struct remote *r = reach(server);
	long rc;

	if (!r)
		return false;
	prepare(r, CALL_ENABLED, 0)->arg[0] = id;
	rc = run(r);
	release(r);
	return rc == 1;
}

static int ask_daemon(enum call_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
	struct remote *r;
	struct call *call;
	long rc = acquire(-1, door.run.shared, &r);

	if (rc)
		return (int)rc;
	call = prepare(r, kind, 0);
	call->arg[0] = a;
	call->arg[1] = b;
	call->arg[2] = c;
	rc = run(r);
	release(r);
	return (int)rc;
}

int client_reset(unsigned int device)
{
	return ask_daemon(CALL_RESET, device, 0, 0);
}

int client_set_vfs(unsigned int device, unsigned int n, bool wait)
{
	return ask_daemon(CALL_VFS, device, n, wait);
}

/* The last fd here is closed; if it was the last anywhere, the file is gone when this returns. */
static void closed(uint64_t server, uint64_t id)
{
	struct remote *r = find_free(server);

	if (!r)
		return;
	prepare(r, CALL_CLOSED, id);
	run(r);
	release(r);
}

/* ---- changes of the address space ---- */

bool client_watched(void)
{
	return __atomic_load_n(&nr_interested, __ATOMIC_RELAXED);
}

/* A channel to the same server as @like: any, or one made over an fd of its files. */
static struct remote *another(const struct remote *like)
{
	struct remote *r = reach(like->server);

	while (!r && !__atomic_load_n(&like->dead, __ATOMIC_RELAXED)) {
		sched_yield();
		r = reach(like->server);
	}
	return r;
}

static struct remote *first_remote(void)
{
	return __atomic_load_n(&remotes, __ATOMIC_ACQUIRE);
}

static bool listens(const struct remote *r)
{
	return __atomic_load_n(&r->interested, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&r->dead, __ATOMIC_RELAXED);
}

/* Is @r the first of those from @list on that lead to its server? */
static bool to_be_told(const struct remote *list, const struct remote *r)
{
	if (!listens(r))
		return false;
	while (list != r && !(list->server == r->server && listens(list)))
		list = list->next;
	return list == r;
}

static long tell(const struct remote *whom, enum call_kind kind, uint64_t va, uint64_t len)
{
	struct remote *r = another(whom);
	struct call *c;
	long rc;

	if (!r)
		return -EIO;
	c = prepare(r, kind, 0);
	c->arg[0] = va;
	c->arg[1] = len;
	rc = run(r);
	release(r);
	return rc;
}

void client_change_begin(struct client_change *ch, uint64_t va, uint64_t len, bool drop)
{
	struct remote *list = first_remote();

	ch->n = 0;
	for (struct remote *r = list; r && ch->n < ARRAY_SIZE(ch->whom); r = r->next) {
		if (!to_be_told(list, r))
			continue;
		ch->whom[ch->n] = r;
		ch->id[ch->n] = tell(r, drop ? CALL_DROP : CALL_CHANGE, va, len);
		ch->n += ch->id[ch->n] >= 0;
	}
}

void client_change_end(struct client_change *ch)
{
	while (ch->n--)
		tell(ch->whom[ch->n], CALL_CHANGED, (uint64_t)ch->id[ch->n], 0);
}

static void tell_all(enum call_kind kind, uint64_t va, uint64_t len)
{
	struct remote *list = first_remote();

	for (struct remote *r = list; r; r = r->next)
		if (to_be_told(list, r))
			tell(r, kind, va, len);
}

void client_protected(uint64_t va, uint64_t len)
{
	tell_all(CALL_PROTECTED, va, len);
}

void client_freed(uint64_t va, uint64_t len)
{
	tell_all(CALL_FREED, va, len);
}

/* ---- the process ---- */

void client_init(void)
{
	files_set_closed(closed);
}

/* The channels are the parent's: their sockets are closed, their pages were not inherited. */
void client_fork_child(void)
{
	remotes = NULL;
	incarnation = 0;
	nr_interested = 0;
}
