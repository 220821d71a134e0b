/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/files_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

#define CHUNK	  1024
#define CHUNKS	  1024
#define HIDDEN	  ((struct door_file *)1) /* an fd of the door's own */
#define HIDE_TOP  16384			  /* no higher: the kernel's table grows with the number */
#define HIDE_ROOM 128

static struct door_file **chunks[CHUNKS];
static struct door_file *live, *unused;
static unsigned int nr_live;	/* read without the lock */
static unsigned int top_hidden; /* no hidden fd lies above */
static uint32_t generation = 1;
static int owner; /* pid of the process whose table this is; a vfork child shares the memory, not
		     the fds */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t server; /* 0: no engine's file has been made */
static void (*flush_attr)(int fd, const char *name);
static void (*serve_file)(struct door_file *f);
static void (*listen_to)(struct door_file *f);
static void (*open_elsewhere)(void);
static void (*closed_remote)(uint64_t server, uint64_t id);

/* ---- the table ---- */

static struct door_file **slot_of(int fd, bool make)
{
	struct door_file ***chunk;

	if (fd < 0 || fd >= CHUNK * CHUNKS)
		return NULL;
	chunk = &chunks[fd / CHUNK];
	if (!__atomic_load_n(chunk, __ATOMIC_ACQUIRE)) {
		void *p;

		if (!make)
			return NULL;
		p = sys_mmap(NULL, CHUNK * sizeof(**chunk), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_failed((long)p))
			return NULL;
		__atomic_store_n(chunk, p, __ATOMIC_RELEASE);
	}
	return &(*chunk)[fd % CHUNK];
}

static struct door_file *entry(int fd)
{
	struct door_file **slot = slot_of(fd, false);

	return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
}

static void lock(void)
{
	pthread_mutex_lock(&table_lock);
	if (!owner)
		owner = sys_getpid();
}

static void unlock(void)
{
	pthread_mutex_unlock(&table_lock);
}

static bool is_file(const struct door_file *f)
{
	return f && f != HIDDEN;
}

static bool same_inode(int fd, const struct door_file *f)
{
	struct stat st;

	return !sys3(SYS_fstat, fd, (long)&st, 0) && st.st_ino == f->ino && st.st_dev == f->dev;
}

/* Lock held. Free ones keep their place in memory: see the header. */
static struct door_file *new_file(void)
{
	struct door_file *f = unused;

	if (f) {
		unused = f->next;
		return f;
	}
	f = sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed((long)f))
		return NULL;
	for (size_t i = 1; i < PAGE_SIZE / sizeof(*f); i++) {
		f[i].next = unused;
		unused = &f[i];
	}
	return f;
}

bool files_alive(const struct door_file *f)
{
	return f->generation == __atomic_load_n(&generation, __ATOMIC_RELAXED);
}

bool files_any(void)
{
	return __atomic_load_n(&nr_live, __ATOMIC_RELAXED);
}

static void unlink_live(struct door_file *f)
{
	struct door_file **p = &live;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	__atomic_store_n(&nr_live, nr_live - 1, __ATOMIC_RELAXED);
}

/* ---- files that are not always ready ---- */

/* Lock held: an fd of @f in this process, or -1. */
static int find_number(struct door_file *f)
{
	if (entry(f->number) == f && same_inode(f->number, f))
		return f->number;
	for (int c = 0; c < CHUNKS; c++)
		for (int i = 0; i < CHUNK && __atomic_load_n(&chunks[c], __ATOMIC_ACQUIRE); i++)
			if (entry(c * CHUNK + i) == f && same_inode(c * CHUNK + i, f))
				return f->number = c * CHUNK + i;
	return -1;
}

static bool has_number(struct door_file *f)
{
	bool has;

	lock();
	has = find_number(f) >= 0;
	unlock();
	return has;
}

void files_drop_bytes(int fd, unsigned int n)
{
	char byte;

	while (n--)
		sys6(SYS_recvfrom, fd, (long)&byte, 1, MSG_DONTWAIT, 0, 0);
}

/* Lock held: bytes that say more than is true. */
static unsigned int take_bytes(struct door_file *f)
{
	const unsigned int want = f->readable, n = f->bytes > want ? f->bytes - want : 0;

	f->bytes -= n;
	return n;
}

/*
 * One byte lies in the socket while the file is readable. Told so again, a second one goes in and
 * the first out: somebody who waits for edges sees one. Where this process has no fd of it, bytes
 * are taken out by the next who makes a call on it. Called with the file's own lock.
 */
static void set_readable(void *arg, bool readable)
{
	struct door_file *f = arg;
	char byte = 0;
	int fd;

	lock();
	f->readable = readable;
	if (readable &&
	    sys6(SYS_sendto, f->wake, (long)&byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0) == 1)
		f->bytes++;
	fd = f->bytes > readable ? find_number(f) : -1;
	if (fd >= 0)
		files_drop_bytes(fd, take_bytes(f));
	unlock();
}

unsigned int files_take_bytes(struct door_file *f)
{
	unsigned int n;

	if (!f->watched)
		return 0;
	lock();
	n = take_bytes(f);
	unlock();
	return n;
}

static void forget_abi(struct door_file *f)
{
	if (f->watched)
		f->abi->ops->watch(f->abi, NULL, NULL);
	abi_file_put(f->abi);
	files_close_hidden(f->wake);
}

/* The engine's file goes first: until then it may make this one readable. */
void files_put(struct door_file *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (files_remote(f) && closed_remote)
		closed_remote(f->server, f->id);
	else if (f->abi && files_alive(f))
		forget_abi(f);
	lock();
	unlink_live(f);
	f->next = unused;
	unused = f;
	unlock();
}

static bool get_unless_gone(struct door_file *f)
{
	uint32_t refs = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

	while (refs)
		if (__atomic_compare_exchange_n(&f->refs, &refs, refs + 1, true, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

bool files_get_again(struct door_file *f)
{
	return get_unless_gone(f);
}

struct door_file *files_get(int fd)
{
	for (;;) {
		struct door_file *f = entry(fd);

		if (!is_file(f))
			return NULL;
		if (!get_unless_gone(f))
			continue;
		if (entry(fd) == f)
			return f;
		files_put(f);
	}
}

/* Lock held; takes over a reference to @f, returns the one that was there. */
static struct door_file *set_entry(int fd, struct door_file *f)
{
	struct door_file **slot = slot_of(fd, is_file(f));

	return slot ? __atomic_exchange_n(slot, f, __ATOMIC_ACQ_REL) : NULL;
}

/* Lock held: takes all fds of @f out of the table; how many there were. */
static unsigned int purge(struct door_file *f)
{
	unsigned int n = 0;

	for (int c = 0; c < CHUNKS; c++)
		for (int i = 0; i < CHUNK && __atomic_load_n(&chunks[c], __ATOMIC_ACQUIRE); i++)
			if (entry(c * CHUNK + i) == f && set_entry(c * CHUNK + i, NULL))
				n++;
	return n;
}

void files_hung_up(struct door_file *f)
{
	unsigned int n;

	if (!__atomic_exchange_n(&f->open, false, __ATOMIC_ACQ_REL))
		return;
	if (listen_to)
		listen_to(f);
	lock();
	n = purge(f);
	unlock();
	for (n++; n; n--)
		files_put(f);
}

/* An fd of @f was closed. If it was the last one anywhere, that is the end of it, here and now. */
static void put_old(struct door_file *f)
{
	if (!is_file(f))
		return;
	if (f->wake && files_alive(f)) {
		if (kernel_hung_up(f->wake))
			files_hung_up(f);
		else if (open_elsewhere && !has_number(f))
			open_elsewhere();
	}
	files_put(f);
}

/* Does this process own the table? A vfork child changes its own fds, not its parent's table. */
static bool owns_table(void)
{
	return !owner || owner == sys_getpid();
}

/* The entry of @fd is f, but the fd is something else by now. */
static void drop_stale(int fd, struct door_file *f)
{
	struct door_file **slot = slot_of(fd, false), *expected = f;
	bool taken;

	if (!owns_table())
		return;
	lock();
	taken = !slot || __atomic_compare_exchange_n(slot, &expected, NULL, false, __ATOMIC_ACQ_REL,
						     __ATOMIC_RELAXED);
	unlock();
	if (taken)
		put_old(f);
}

struct door_file *files_get_sure(int fd)
{
	struct door_file *f = files_get(fd);

	if (!f || same_inode(fd, f))
		return f;
	drop_stale(fd, f);
	files_put(f);
	return NULL;
}

/* ---- making files ---- */

static const char *memfd_name(const struct door_file_init *init, char *buf, size_t len)
{
	snprintf(buf, len, "%s:%s", init->kind == DOOR_ATTR ? "ioas-attr" : "ioas-path",
		 init->name);
	return buf;
}

static bool is_watched(const struct door_file_init *init)
{
	return init->kind == DOOR_ENGINE && init->abi->ops->watch;
}

uint64_t files_server(void)
{
	return kernel_random_once(&server);
}

/* Lock held: what @fd is, with one reference and not yet in the table. */
static struct door_file *describe(int fd, const struct door_file_init *init, uint32_t gen)
{
	struct door_file *f = new_file();
	struct stat st;

	if (f && sys3(SYS_fstat, fd, (long)&st, 0)) {
		f->next = unused;
		unused = f;
		f = NULL;
	}
	if (!f)
		return NULL;
	*f = (struct door_file){.generation = gen,
				.kind = init->kind,
				.abi = init->abi,
				.node = init->node,
				.dev = st.st_dev,
				.ino = st.st_ino,
				.number = fd,
				.next = live};
	snprintf(f->name, sizeof(f->name), "%s", init->name);
	live = f;
	__atomic_store_n(&nr_live, nr_live + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&f->refs, 1, __ATOMIC_RELEASE);
	return f;
}

/* Lock held: a file for @fd, known to the table. */
static struct door_file *publish(int fd, const struct door_file_init *init, uint32_t gen,
				 struct door_file **replaced)
{
	struct door_file *f = slot_of(fd, true) ? describe(fd, init, gen) : NULL;

	if (f)
		*replaced = set_entry(fd, f);
	return f;
}

/* Lock held: @f is what @l says, and open. */
static void set_label(struct door_file *f, const struct label *l)
{
	f->server = l->server;
	f->id = l->id;
	f->abi_kind = l->abi_kind;
	f->stream = l->stream;
	f->watched = l->watched;
	f->mute = l->mute;
	f->mode = l->mode;
}

/* A file of the engine's: the fd, which is in the table if @listed. */
static int open_engine(const struct door_file_init *init, int flags, bool listed)
{
	struct door_file *old = NULL, *f;
	struct label l = {
		.server = files_server(),
		.id = kernel_random(),
		.node = init->node,
		.abi_kind = (uint8_t)init->abi->ops->kind,
		.stream = init->abi->ops->stream,
		.watched = is_watched(init),
		.mute = init->abi->ops->never_writable,
		.mode = flags & O_ACCMODE,
	};
	int fd, wake = -1;

	strncpy(l.name, init->name, sizeof(l.name) - 1);
	fd = kernel_make_socket(&l, flags, &wake);
	if (fd < 0)
		return fd;
	lock();
	f = listed ? publish(fd, init, generation, &old) : describe(fd, init, generation);
	if (f) {
		set_label(f, &l);
		f->wake = wake;
		f->open = true;
		f->refs += listed;
	}
	unlock();
	put_old(old);
	if (!f) {
		sys_close(fd);
		files_close_hidden(wake);
		return -ENOMEM;
	}
	if (f->watched)
		f->abi->ops->watch(f->abi, set_readable, f);
	if (serve_file)
		serve_file(f);
	return fd;
}

int files_make(const struct door_file_init *init, int flags, int *fd)
{
	*fd = open_engine(init, flags, false);
	return *fd < 0 ? *fd : 0;
}

int files_open(const struct door_file_init *init, int flags)
{
	char buf[240];
	struct door_file *old = NULL;
	int fd;

	if (init->kind == DOOR_ENGINE)
		return open_engine(init, flags, true);
	lock();
	fd = kernel_make_memfd(memfd_name(init, buf, sizeof(buf)), flags, init->kind != DOOR_ATTR);
	if (fd >= 0 && !publish(fd, init, generation, &old)) {
		sys_close(fd);
		fd = -ENOMEM;
	}
	unlock();
	put_old(old);
	return fd;
}

void files_set_serve(void (*serve)(struct door_file *f), void (*elsewhere)(void),
		     void (*listen)(struct door_file *f))
{
	serve_file = serve;
	listen_to = listen;
	open_elsewhere = elsewhere;
}

int files_each_open(int (*fn)(struct door_file *f))
{
	int rc = 0;

	lock();
	for (struct door_file *f = live; f && !rc; f = f->next)
		if (f->wake && f->open)
			rc = fn(f);
	unlock();
	return rc;
}

bool files_is_own(int fd)
{
	struct door_file *f = files_get_sure(fd);
	const bool own = f && f->wake;

	if (f)
		files_put(f);
	return own;
}

void files_set_closed(void (*closed)(uint64_t server, uint64_t id))
{
	closed_remote = closed;
}

struct door_file *files_find(uint64_t id)
{
	struct door_file *f;

	lock();
	for (f = live; f; f = f->next)
		if (f->id == id && files_alive(f) && get_unless_gone(f))
			break;
	unlock();
	return f;
}

void files_set_server(uint64_t name)
{
	server = name;
}

unsigned int files_servers(uint64_t *out, unsigned int max)
{
	unsigned int n = 0, i;

	lock();
	for (struct door_file *f = live; f && n < max; f = f->next) {
		if (!files_remote(f))
			continue;
		for (i = 0; i < n && out[i] != f->server; i++)
			;
		if (i == n)
			out[n++] = f->server;
	}
	unlock();
	return n;
}

int files_number_of(uint64_t whose)
{
	int fd = -1;

	lock();
	for (struct door_file *f = live; f && fd < 0; f = f->next)
		if (f->server == whose && f->kind == DOOR_ENGINE && !f->mute)
			fd = find_number(f);
	unlock();
	return fd;
}

/* Lock held: one that has hung up without our having been told, with a reference. */
static struct door_file *find_hung_up(void)
{
	for (struct door_file *f = live; f; f = f->next)
		if (f->wake && files_alive(f) && __atomic_load_n(&f->open, __ATOMIC_ACQUIRE) &&
		    kernel_hung_up(f->wake) && get_unless_gone(f))
			return f;
	return NULL;
}

void files_reap(void)
{
	struct door_file *f;

	do {
		lock();
		f = find_hung_up();
		unlock();
		if (f && kernel_hung_up(f->wake))
			files_hung_up(f);
		if (f)
			files_put(f);
	} while (f);
}

/* ---- fds that came about behind our back ---- */

/* What the name of a memfd says it is; false: none of ours. */
static bool init_from_name(const char *name, struct door_file_init *init)
{
	if (name && !strncmp(name, "ioas-attr:", 10))
		*init = (struct door_file_init){.kind = DOOR_ATTR, .name = name + 10};
	else if (name && !strncmp(name, "ioas-path:", 10))
		*init = (struct door_file_init){.kind = DOOR_PATH, .name = name + 10};
	else
		return false;
	return true;
}

static struct door_file *find_inode(int fd)
{
	struct stat st;

	if (sys3(SYS_fstat, fd, (long)&st, 0))
		return NULL;
	for (struct door_file *f = live; f; f = f->next)
		if (f->ino == st.st_ino && f->dev == st.st_dev && get_unless_gone(f))
			return f;
	return NULL;
}

/* A stranger that bears one of our names: left by an exec, or sent by another process. */
static struct door_file *adopt_stranger(int fd, struct door_file **old)
{
	struct door_file_init init;
	struct door_file *f;
	struct label l;
	char link[256];
	struct stat st;

	if (sys3(SYS_fstat, fd, (long)&st, 0))
		return NULL;
	if (S_ISREG(st.st_mode) && !st.st_nlink &&
	    init_from_name(kernel_memfd_name(fd, link, sizeof(link)), &init))
		return publish(fd, &init, generation, old);
	if (!kernel_read_label(fd, &st, &l))
		return NULL;
	init = (struct door_file_init){.kind = DOOR_ENGINE, .node = l.node, .name = l.name};
	f = publish(fd, &init, 0, old);
	if (f)
		set_label(f, &l);
	return f;
}

struct door_file *files_adopt(int fd)
{
	struct door_file *old = NULL, *f;

	if (fd < 0 || entry(fd) == HIDDEN)
		return NULL;
	lock();
	f = find_inode(fd);
	if (f && slot_of(fd, true))
		old = set_entry(fd, f);
	else if (!f)
		f = adopt_stranger(fd, &old);
	if (f)
		get_unless_gone(f);
	unlock();
	put_old(old);
	return f;
}

void files_scan_inherited(void)
{
	struct {
		uint64_t ino, off;
		uint16_t len;
		uint8_t type;
		char name[];
	} * d;
	char buf[2048] __attribute__((aligned(8)));
	int dir = sys_openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	long n;

	while (dir >= 0 && (n = sys3(SYS_getdents64, dir, (long)buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n; at += d->len) {
			struct stat st;
			int fd;

			d = (void *)(buf + at);
			fd = atoi(d->name);
			if (d->name[0] != '.' && fd != dir && !sys3(SYS_fstat, fd, (long)&st, 0) &&
			    (S_ISSOCK(st.st_mode) || !st.st_nlink)) {
				struct door_file *f = files_adopt(fd);

				if (f)
					files_put(f);
			}
		}
	}
	if (dir >= 0)
		sys_close(dir);
}

/* The parent's hidden fds: its sockets must not seem open when it has gone. */
static void close_hidden_but(int keep)
{
	for (int fd = 0; fd <= (int)top_hidden && top_hidden; fd++) {
		if (!slot_of(fd, false))
			fd |= CHUNK - 1;
		else if (entry(fd) == HIDDEN && fd != keep && set_entry(fd, NULL))
			sys_close(fd);
	}
}

void files_fork_child(int keep)
{
	pthread_mutex_init(&table_lock, NULL);
	owner = 0;
	server = 0;
	close_hidden_but(keep);
	/* Those that are the parent's are remote from now on, and the kernel's reference with it. */
	for (struct door_file *f = live; f; f = f->next) {
		f->wake = 0;
		if (f->open)
			f->refs--;
		f->open = false;
		if (f->kind != DOOR_ENGINE)
			f->generation = generation + 1;
	}
	__atomic_store_n(&generation, generation + 1, __ATOMIC_RELAXED);
}

/* ---- the fd calls ---- */

void files_set_flush(void (*flush)(int fd, const char *name))
{
	flush_attr = flush;
}

static void flush_if_attr(int fd)
{
	struct door_file *f = flush_attr && is_file(entry(fd)) ? files_get_sure(fd) : NULL;

	if (!f)
		return;
	if (f->kind == DOOR_ATTR)
		flush_attr(fd, f->name);
	files_put(f);
}

void files_flush_attrs(unsigned int first, unsigned int last)
{
	for (unsigned int c = first / CHUNK; c < CHUNKS && c <= last / CHUNK; c++)
		for (unsigned int i = 0; i < CHUNK && __atomic_load_n(&chunks[c], __ATOMIC_ACQUIRE);
		     i++)
			if (c * CHUNK + i >= first && c * CHUNK + i <= last)
				flush_if_attr((int)(c * CHUNK + i));
}

bool files_close(int fd, int *rc)
{
	struct door_file *f = entry(fd);

	if (!f)
		return false;
	if (!owns_table()) {
		*rc = sys_close(fd);
		return true;
	}
	if (f == HIDDEN) {
		*rc = -EBADF;
		return true;
	}
	flush_if_attr(fd);
	lock();
	*rc = sys_close(fd);
	f = set_entry(fd, NULL);
	unlock();
	put_old(f);
	return true;
}

/* Lock held: @newfd has become what @fd is. */
static struct door_file *copy_entry(int fd, int newfd)
{
	struct door_file *f = entry(fd);

	if (!is_file(f) || !same_inode(newfd, f) || !get_unless_gone(f))
		f = NULL;
	return set_entry(newfd, f);
}

static bool finish_dup(int fd, int newfd, int *rc)
{
	struct door_file *old = NULL;

	if (newfd >= 0 && newfd != fd && owns_table())
		old = copy_entry(fd, newfd);
	unlock();
	put_old(old);
	*rc = newfd;
	return true;
}

bool files_dup(int fd, int *rc)
{
	if (!entry(fd))
		return false;
	if (entry(fd) == HIDDEN) {
		*rc = -EBADF;
		return true;
	}
	lock();
	return finish_dup(fd, (int)sys3(SYS_dup, fd, 0, 0), rc);
}

bool files_dup_to(int fd, int newfd, int flags, int *rc)
{
	if (!entry(fd) && !entry(newfd))
		return false;
	if (entry(fd) == HIDDEN || (entry(newfd) == HIDDEN && owns_table())) {
		*rc = entry(fd) == HIDDEN ? -EBADF : -EBUSY;
		return true;
	}
	flush_if_attr(newfd);
	lock();
	return finish_dup(
		fd,
		(int)(flags < 0 ? sys3(SYS_dup2, fd, newfd, 0) : sys3(SYS_dup3, fd, newfd, flags)),
		rc);
}

bool files_dup_above(int fd, int cmd, int min, int *rc)
{
	if (!entry(fd))
		return false;
	if (entry(fd) == HIDDEN) {
		*rc = -EBADF;
		return true;
	}
	lock();
	return finish_dup(fd, sys_fcntl(fd, cmd, min), rc);
}

/* Lock held: close or mark [first, last], in pieces between the hidden fds. */
static int range_between_hidden(unsigned int first, unsigned int last, unsigned int flags)
{
	const unsigned int end = last < top_hidden ? last : top_hidden;
	int rc = 0;

	for (unsigned int fd = first; fd <= end && top_hidden && !rc; fd++) {
		if (entry((int)fd) != HIDDEN)
			continue;
		if (fd > first)
			rc = (int)sys3(SYS_close_range, first, fd - 1, flags);
		first = fd + 1;
	}
	if (!rc && first <= last)
		rc = (int)sys3(SYS_close_range, first, last, flags);
	return rc;
}

/* Takes the files of [first, last] out of the table, onto a list; those fds are closed by now. */
static void forget_range(unsigned int first, unsigned int last)
{
	for (unsigned int c = first / CHUNK; c < CHUNKS && c <= last / CHUNK; c++) {
		if (!__atomic_load_n(&chunks[c], __ATOMIC_ACQUIRE))
			continue;
		for (unsigned int i = 0; i < CHUNK; i++) {
			const unsigned int fd = c * CHUNK + i;
			struct door_file *f = NULL;

			if (fd < first || fd > last || !is_file(entry((int)fd)))
				continue;
			lock();
			if (is_file(entry((int)fd)) && !same_inode((int)fd, entry((int)fd)))
				f = set_entry((int)fd, NULL);
			unlock();
			put_old(f);
		}
	}
}

int files_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	int rc;

	if (first > last || !owns_table() || (flags & CLOSE_RANGE_UNSHARE))
		return (int)sys3(SYS_close_range, first, last, flags);
	files_flush_attrs(first, last);
	lock();
	rc = range_between_hidden(first, last, flags);
	unlock();
	if (!rc && !(flags & CLOSE_RANGE_CLOEXEC))
		forget_range(first, last);
	return rc;
}

/* ---- SCM_RIGHTS ---- */

void files_received(int fd)
{
	struct door_file *f = files_adopt(fd);

	if (f)
		files_put(f);
}

/* ---- hidden fds ---- */

int files_hide(int fd)
{
	struct rlimit rl = {.rlim_cur = 1024};
	int moved, min;

	if (fd < 0)
		return fd;
	sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&rl);
	min = (int)min_u64(rl.rlim_cur, HIDE_TOP) - HIDE_ROOM;
	lock();
	moved = sys_fcntl(fd, F_DUPFD_CLOEXEC, min > 0 ? min : 0);
	if (moved < 0)
		moved = fd;
	else
		sys_close(fd);
	if (slot_of(moved, true)) {
		set_entry(moved, HIDDEN);
		if ((unsigned int)moved > top_hidden)
			top_hidden = (unsigned int)moved;
	}
	unlock();
	return moved;
}

void files_close_hidden(int fd)
{
	struct door_file **slot = slot_of(fd, false);

	lock();
	if (slot && *slot == HIDDEN)
		__atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
	sys_close(fd);
	unlock();
}
