/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One channel's thread: calls of a client, one after the other.
 */
#include "doors/preload/real.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ioas/abi/iommufd.h>

#include "base/bits.h"
#include "doors/files_kernel.h"
#include "doors/preload/bars.h"
#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

static __thread struct session *here __attribute__((tls_model("initial-exec")));

static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *sessions;

static void enlist(struct session *s)
{
	pthread_mutex_lock(&sessions_lock);
	s->next = sessions;
	sessions = s;
	pthread_mutex_unlock(&sessions_lock);
}

static void delist(struct session *s)
{
	struct session **at = &sessions;

	pthread_mutex_lock(&sessions_lock);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pthread_mutex_unlock(&sessions_lock);
}

static bool any_dying(void)
{
	bool any = false;

	pthread_mutex_lock(&sessions_lock);
	for (const struct session *s = sessions; s && !any; s = s->next)
		any = s != here && kernel_hung_up(s->ch.sock);
	pthread_mutex_unlock(&sessions_lock);
	return any;
}

void sessions_reap(void)
{
	/* Two that are dying must not wait for each other. */
	while (!(here && kernel_hung_up(here->ch.sock)) && any_dying())
		sched_yield();
}

void sessions_fork_child(void)
{
	pthread_mutex_init(&sessions_lock, NULL);
	sessions = NULL;
	here = NULL;
}

struct session *session_here(void)
{
	return here;
}

/* With every turn, so that a client tells of changes from before the first of its pages is pinned.
 */
static void say_interest(struct session *s)
{
	s->ch.page->call.interested = __atomic_load_n(&s->peer->interested, __ATOMIC_RELAXED);
}

long session_ask(struct session *s, enum ask_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
	struct ask *ask = &s->ch.page->ask;

	ask->kind = kind;
	ask->arg[0] = a;
	ask->arg[1] = b;
	ask->arg[2] = c;
	say_interest(s);
	channel_post(&s->ch, TURN_ASK);
	return channel_wait(&s->ch) == TURN_ANSWER ? ask->result : -EPIPE;
}

/* ---- calls ---- */

static long do_open(struct session *s, const struct call *c)
{
	const struct node n = {(enum node_kind)c->arg[0], (unsigned int)c->arg[1]};
	struct door_file_init init = {.kind = DOOR_ENGINE, .node = n};
	char name[DOOR_NAME_MAX];
	int fd, rc;

	rc = engine_open_as(&n, &s->caller, &init.abi);
	if (rc)
		return rc;
	init.name = node_name(&n, name, sizeof(name));
	rc = files_make(&init, (int)c->arg[2], &fd);
	if (rc) {
		abi_file_put(init.abi);
		return rc;
	}
	rc = channel_send_fd(&s->ch, fd);
	sys_close(fd);
	return rc;
}

static long do_io(struct session *s, struct abi_file *f, const struct call *c)
{
	if (c->kind == CALL_WRITE)
		findings_note_write(f);
	if (c->kind == CALL_WRITE)
		return abi_call_pwrite(f, c->arg[0], c->arg[1], c->arg[2], &s->caller);
	return abi_call_pread(f, c->arg[0], c->arg[1], c->arg[2], &s->caller);
}

/* Takes over the reference on success. */
static int send_file(struct session *s, struct abi_file *f)
{
	struct door_file_init init;
	int fd, rc;

	door_anonymous(f, &init);
	rc = files_make(&init, O_RDWR | O_CLOEXEC, &fd);
	if (rc)
		return rc;
	/* From here on it ends with its last fd. */
	channel_send_fd(&s->ch, fd);
	sys_close(fd);
	return 0;
}

static long do_mmap(struct session *s, struct abi_file *f, const struct call *c)
{
	struct bar_view *view = (struct bar_view *)s->ch.page->data;
	struct abi_mapping m = {0};
	int fd;
	long rc;

	rc = abi_call_mmap(f, c->arg[0], (int)c->arg[1], (int)c->arg[2], c->arg[3], &s->caller, &m);
	if (rc)
		return rc;
	rc = bars_describe(&m, c->arg[0], view, CHANNEL_DATA - sizeof(*view), &fd);
	if (!rc) {
		rc = channel_send_fd(&s->ch, fd);
		sys_close(fd);
	}
	view->held = m.holder;
	if (m.holder)
		rc = rc ? rc : send_file(s, m.holder);
	if (m.holder && rc)
		abi_file_put(m.holder);
	return rc;
}

static long do_on_file(struct session *s, struct door_file *f, struct call *c)
{
	struct abi_file *abi = f->abi;

	switch ((enum call_kind)c->kind) {
	case CALL_IOCTL:
		/* What the caller has closed holds nothing any more, for the kernel as for us. */
		if (c->cmd == IOMMU_DESTROY)
			files_reap();
		return abi_call_ioctl(abi, c->cmd, c->arg[0], &s->caller);
	case CALL_READ:
	case CALL_WRITE:
		return do_io(s, abi, c);
	case CALL_MMAP:
		return do_mmap(s, abi, c);
	default:
		return -EINVAL;
	}
}

static long do_file_call(struct session *s, struct call *c)
{
	struct door_file *f = files_find(c->file);
	long rc;

	/* Closed meanwhile by another thread of the client's. */
	if (!f)
		return -EBADF;
	rc = do_on_file(s, f, c);
	c->drop_bytes = (uint8_t)min_u64(files_take_bytes(f), UINT8_MAX);
	if (c->kind == CALL_WRITE || c->kind == CALL_IOCTL)
		bars_refresh();
	files_put(f);
	return rc;
}

/* The last fd that a process had: the kernel knows whether it was the last of all. */
static long do_closed(void)
{
	files_reap();
	engine_count();
	return 0;
}

static long do_pins(struct call *c)
{
	struct status_pins pins = {0};

	peer_pins((int)c->arg[0], &pins);
	c->arg[0] = pins.pinned;
	c->arg[1] = pins.locked;
	return 0;
}

static long do_call(struct session *s, struct call *c)
{
	switch ((enum call_kind)c->kind) {
	case CALL_OPEN:
		return do_open(s, c);
	case CALL_CLOSED:
		return do_closed();
	case CALL_CHANGE:
	case CALL_DROP:
		return peer_change_begin(s->peer, c->arg[0], c->arg[1], c->kind == CALL_DROP);
	case CALL_CHANGED:
		peer_change_end(s->peer, c->arg[0]);
		return 0;
	case CALL_VFS:
		return engine_set_vfs(c->arg[0], (unsigned int)c->arg[1], c->arg[2]);
	case CALL_RESET:
		return engine_reset(c->arg[0]);
	case CALL_STORE:
	case CALL_LOAD:
		return bars_access(c->arg[0], c->kind == CALL_STORE, c->arg[1],
				   (unsigned int)c->arg[2], &c->arg[3]);
	case CALL_ENABLED:
		return bars_answers(c->arg[0]);
	case CALL_PROTECTED:
		memory_mm_protected(s->peer->mm, c->arg[0], c->arg[1]);
		return 0;
	case CALL_FREED:
		findings_freed(s->peer->mm, c->arg[0], c->arg[1]);
		return 0;
	case CALL_PINS:
		return do_pins(c);
	default:
		return do_file_call(s, c);
	}
}

void session_put_later(struct session *s, struct abi_file *f)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(s->later) - 1 && s->later[i])
		i++;
	assert(!s->later[i]);
	s->later[i] = f;
}

static void put_now(struct session *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->later) && s->later[i]; i++) {
		abi_file_put(s->later[i]);
		s->later[i] = NULL;
	}
}

static void carry_out(struct session *s)
{
	struct call *c = &s->ch.page->call;

	door_thread.refusal.there = false;
	if (run_sanitizes(&door.run))
		session_learn_stack(s);
	if (c->flags & CALL_HAS_KVM)
		engine_kvm_opened();
	if (!(c->flags & CALL_MAY_LOCK))
		peer_set_limit(s->peer, c->memlock);
	c->result = do_call(s, c);
	put_now(s);
	say_interest(s);
	if (c->result < 0 && door.run.show)
		s->ch.page->refusal = door_thread.refusal;
	channel_drop_fds(&s->ch);
}

static void *session_main(void *arg)
{
	struct session *s = arg;

	here = s;
	/* To who waits for the channel to begin. */
	channel_send(s->ch.sock, "", 1, NULL, 0);
	while (channel_wait(&s->ch) == TURN_CALL) {
		carry_out(s);
		channel_post(&s->ch, TURN_DONE);
	}
	here = NULL;
	channel_drop_fds(&s->ch);
	peer_leave(s->peer);
	delist(s);
	files_close_hidden(s->ch.sock);
	sys_munmap(s->ch.page, sizeof(struct channel_page));
	free(s);
	engine_count();
	return NULL;
}

/* ---- beginning ---- */

/* The client must not be able to take the pages away under us. */
static struct channel_page *map_pages(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	struct stat st;
	void *p;

	if (sys3(SYS_fstat, fd, (long)&st, 0) || st.st_size < (off_t)sizeof(struct channel_page) ||
	    (sys_fcntl(fd, F_GET_SEALS, 0) & seals) != seals)
		return NULL;
	p = sys_mmap(NULL, sizeof(struct channel_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sys_failed((long)p))
		return NULL;
	sys3(SYS_madvise, (long)p, sizeof(struct channel_page), MADV_DONTFORK);
	return p;
}

/* On failure the client finds its channel closed. */
void session_start(const struct hello *hello, int pid, int uid, int sock, int pages)
{
	struct session *s = calloc(1, sizeof(*s));
	pthread_t t;

	if (s) {
		s->caller = (struct caller){.ops = &remote_caller_ops, .arg = s};
		s->ch = (struct channel){.page = map_pages(pages), .side = CHANNEL_SERVER};
		s->peer = s->ch.page ? peer_get(hello, pid, uid) : NULL;
	}
	sys_close(pages);
	if (!s || !s->peer) {
		sys_close(sock);
		if (s && s->ch.page)
			sys_munmap(s->ch.page, sizeof(struct channel_page));
		free(s);
		return;
	}
	s->ch.sock = files_hide(sock);
	enlist(s);
	if (!inside_thread_start(NULL, &t, "ioas-session", session_main, s)) {
		pthread_detach(t);
		return;
	}
	delist(s);
	files_close_hidden(s->ch.sock);
	peer_leave(s->peer);
	sys_munmap(s->ch.page, sizeof(struct channel_page));
	free(s);
}
