/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "doors/preload/engine.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

/* A change of the address space between its two calls. */
struct peer_change {
	struct memory_change change;
	uint64_t id;
	struct peer_change *next;
};

/* Who pays for a user's processes. They stay. */
struct user {
	int uid;
	struct memory_account *account;
	struct user *next;
};

static pthread_mutex_t peers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct peer *peers;
static struct user *users;
static uint64_t last_change;
static uint64_t last_end; /* when a process was seen to end; nanoseconds */
static int last_pid;	  /* which */
#define JUST_NOW 200000000

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Lock held. */
static struct memory_account *user_account(int uid)
{
	struct user *u;

	if ((uid_t)uid == geteuid())
		return engine_here()->accounts[0];
	for (u = users; u; u = u->next)
		if (u->uid == uid)
			return u->account;
	u = calloc(1, sizeof(*u));
	if (!u || memory_account_create(NULL, NULL, &u->account)) {
		free(u);
		return NULL;
	}
	u->uid = uid;
	u->next = users;
	users = u;
	return u->account;
}

static void put(struct peer *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	peer_forget_files(p);
	memory_account_put(p->accounts[1]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void peer_release(void *arg)
{
	put(arg);
}

/* Lock held. */
static struct peer *make(const struct hello *hello, int pid, int uid)
{
	struct engine *e = engine_here();
	struct peer *p = e ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->refs = 1;
	p->incarnation = hello->incarnation;
	p->pid = pid;
	p->uid = uid;
	p->accounts[0] = user_account(uid);
	if (!p->accounts[0] || memory_account_create(NULL, NULL, &p->accounts[1])) {
		put(p);
		return NULL;
	}
	if (memory_mm_create(e->machine.host->memory, &peer_memory_ops, p, &p->mm)) {
		put(p);
		return NULL;
	}
	p->refs++;
	p->next = peers;
	peers = p;
	return p;
}

struct peer *peer_get(const struct hello *hello, int pid, int uid)
{
	struct peer *p;

	pthread_mutex_lock(&peers_lock);
	for (p = peers; p && p->incarnation != hello->incarnation; p = p->next)
		;
	if (!p)
		p = make(hello, pid, uid);
	if (p)
		p->sessions++;
	pthread_mutex_unlock(&peers_lock);
	return p;
}

/* Its process has ended, or is another program by now. */
static void end(struct peer *p)
{
	memory_mm_gone(p->mm);
	while (p->changes)
		peer_change_end(p, p->changes->id);
	memory_mm_put(p->mm);
	put(p);
}

void peer_leave(struct peer *p)
{
	struct peer **at = &peers;
	bool last;

	pthread_mutex_lock(&peers_lock);
	last = !--p->sessions;
	while (last && *at != p)
		at = &(*at)->next;
	if (last)
		*at = p->next;
	if (last) {
		__atomic_store_n(&last_pid, p->pid, __ATOMIC_RELAXED);
		__atomic_store_n(&last_end, monotonic_ns(), __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&peers_lock);
	if (last)
		end(p);
}

/* Its memory goes before its files, and these before the process is seen to end. */
static bool has_memory(int pid)
{
	char path[64], text[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	sys3(SYS_read, fd, (long)text, sizeof(text) - 1);
	sys_close(fd);
	return *text > '0' && *text <= '9';
}

int peers_ending(void)
{
	const bool just_now =
		monotonic_ns() - __atomic_load_n(&last_end, __ATOMIC_RELAXED) < JUST_NOW;
	int pid = just_now ? __atomic_load_n(&last_pid, __ATOMIC_RELAXED) : 0;

	/* Who holds it may wait for our caller. */
	if (pid || pthread_mutex_trylock(&peers_lock))
		return pid;
	for (const struct peer *p = peers; p && !pid; p = p->next)
		pid = has_memory(p->pid) ? 0 : p->pid;
	pthread_mutex_unlock(&peers_lock);
	return pid;
}

void peer_set_limit(struct peer *p, uint64_t bytes)
{
	memory_account_set_limit(p->accounts[1], bytes);
	if (p->accounts[0] != engine_here()->accounts[0])
		memory_account_set_limit(p->accounts[0], bytes);
}

static void add_pins(struct memory_mm *mm, const struct memory_account *account, struct status_pins *sum)
{
	sum->pinned += memory_pinned(engine_here()->machine.host->memory, mm);
	sum->locked += memory_account_locked(account);
}

void peer_pins(int pid, struct status_pins *sum)
{
	if (!engine_here())
		return;
	if (pid == sys_getpid()) {
		add_pins(NULL, engine_here()->accounts[1], sum);
		return;
	}
	pthread_mutex_lock(&peers_lock);
	for (const struct peer *p = peers; p; p = p->next)
		if (p->pid == pid)
			add_pins(p->mm, p->accounts[1], sum);
	pthread_mutex_unlock(&peers_lock);
}

long peer_change_begin(struct peer *p, uint64_t va, uint64_t len, bool drop)
{
	struct peer_change *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->id = __atomic_add_fetch(&last_change, 1, __ATOMIC_RELAXED);
	if (drop)
		memory_mm_drop_begin(p->mm, &c->change, va, len);
	else
		memory_mm_change_begin(p->mm, &c->change, va, len);
	pthread_mutex_lock(&p->lock);
	c->next = p->changes;
	p->changes = c;
	pthread_mutex_unlock(&p->lock);
	return (long)c->id;
}

void peer_change_end(struct peer *p, uint64_t id)
{
	struct peer_change **at = &p->changes, *c;

	pthread_mutex_lock(&p->lock);
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	c = *at;
	if (c)
		*at = c->next;
	pthread_mutex_unlock(&p->lock);
	if (c)
		memory_mm_change_end(p->mm, &c->change);
	free(c);
}

void peers_fork_child(void)
{
	pthread_mutex_init(&peers_lock, NULL);
	peers = NULL;
	users = NULL;
}
