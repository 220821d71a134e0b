/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

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
static void (*flush_attr)(int fd, const char *name);

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

/*
 * One byte lies in the socket while the file is readable. Told so again, a second one goes in and
 * the first out: somebody who waits for edges sees one. Called with the file's own lock.
 */
static void set_readable(void *arg, bool readable)
{
	struct door_file *f = arg;
	char byte = 0;

	if (readable)
		sys3(SYS_write, f->wake, (long)&byte, 1);
	if (f->readable)
		sys6(SYS_recvfrom, f->drain, (long)&byte, 1, MSG_DONTWAIT, 0, 0);
	f->readable = readable;
}

static bool is_watched(const struct door_file_init *init)
{
	return init->kind == DOOR_ENGINE && init->abi && init->abi->ops->watch;
}

/* The program's end; the others are hidden. */
static int make_socket(int *wake, int *drain)
{
	int fds[2] = {-1, -1}, rc;

	rc = (int)sys4(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, (long)fds);
	if (rc)
		return rc;
	*drain = sys_fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	if (*drain < 0) {
		rc = *drain;
		sys_close(fds[0]);
		sys_close(fds[1]);
		return rc;
	}
	*drain = files_hide(*drain);
	*wake = files_hide(fds[1]);
	return fds[0];
}

static void forget_abi(struct door_file *f)
{
	if (f->wake)
		f->abi->ops->watch(f->abi, NULL, NULL);
	abi_file_put(f->abi);
	if (f->wake) {
		files_close_hidden(f->wake);
		files_close_hidden(f->drain);
	}
}

/* The engine's file goes first: until then it may make this one readable. */
void files_put(struct door_file *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (f->kind == DOOR_ENGINE && f->abi && files_alive(f))
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

static void put_old(struct door_file *f)
{
	if (is_file(f))
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

	if (!owns_table())
		return;
	lock();
	if (slot && !__atomic_compare_exchange_n(slot, &expected, NULL, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
		f = NULL;
	unlock();
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
	static const char *const names[] = {"ioas-iommu", "ioas-vfio", "ioas-group", "ioas-device",
					    "ioas-file"};

	if (init->kind != DOOR_ATTR)
		return names[init->node.kind];
	snprintf(buf, len, "ioas-attr:%s", init->name);
	return buf;
}

/* The access mode and status flags that open() was given. */
static void set_mode(int fd, int flags)
{
	char path[32];
	int again;

	if ((flags & O_ACCMODE) != O_RDWR) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = sys_openat(AT_FDCWD, path, (flags & O_ACCMODE) | O_CLOEXEC | O_LARGEFILE,
				   0);
		if (again >= 0) {
			/* The number stays the lowest that was free. */
			sys3(SYS_dup3, again, fd, flags & O_CLOEXEC);
			sys_close(again);
		}
	}
	if (flags & (O_NONBLOCK | O_APPEND))
		sys_fcntl(fd, F_SETFL, (flags & (O_NONBLOCK | O_APPEND)) | O_LARGEFILE);
}

static int make_memfd(const char *name, int flags, bool seal)
{
	const unsigned int mfd = MFD_ALLOW_SEALING | (flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	int fd = (int)sys3(SYS_memfd_create, (long)name, mfd | MFD_NOEXEC_SEAL, 0);

	if (fd == -EINVAL)
		fd = (int)sys3(SYS_memfd_create, (long)name, mfd, 0);
	if (fd < 0)
		return fd;
	if (seal)
		sys_fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	set_mode(fd, flags);
	return fd;
}

/* Lock held: a file for @fd, known to the table. */
static struct door_file *publish(int fd, const struct door_file_init *init, uint32_t gen,
				 struct door_file **replaced)
{
	struct door_file *f = new_file();
	struct stat st;

	if (!f || !slot_of(fd, true) || sys3(SYS_fstat, fd, (long)&st, 0)) {
		if (f) {
			f->next = unused;
			unused = f;
		}
		return NULL;
	}
	*f = (struct door_file){.generation = gen,
				.kind = init->kind,
				.abi = init->abi,
				.node = init->node,
				.dev = st.st_dev,
				.ino = st.st_ino,
				.next = live};
	snprintf(f->name, sizeof(f->name), "%s", init->name);
	live = f;
	__atomic_store_n(&nr_live, nr_live + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&f->refs, 1, __ATOMIC_RELEASE);
	*replaced = set_entry(fd, f);
	return f;
}

/* poll() of the program's end says that it cannot be written to any more: nobody reads what is in it. */
static void fill_up(int fd)
{
	static const char nothing[4096];
	const int least = 1;

	sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, (long)&least, sizeof(least), 0);
	while (sys6(SYS_sendto, fd, (long)nothing, sizeof(nothing), MSG_DONTWAIT, 0, 0) > 0)
		;
}

/* Read and write, close-on-exec: what the kernel makes such files. */
static int open_watched(const struct door_file_init *init)
{
	struct door_file *old = NULL, *f = NULL;
	int wake = -1, drain = -1, fd;

	fd = make_socket(&wake, &drain);
	if (fd < 0)
		return fd;
	if (init->abi->ops->never_writable)
		fill_up(fd);
	lock();
	f = publish(fd, init, generation, &old);
	if (f) {
		f->wake = wake;
		f->drain = drain;
	}
	unlock();
	put_old(old);
	if (!f) {
		sys_close(fd);
		files_close_hidden(wake);
		files_close_hidden(drain);
		return -ENOMEM;
	}
	init->abi->ops->watch(init->abi, set_readable, f);
	return fd;
}

int files_open(const struct door_file_init *init, int flags)
{
	char buf[240];
	struct door_file *old = NULL;
	int fd;

	if (is_watched(init))
		return open_watched(init);
	lock();
	fd = make_memfd(memfd_name(init, buf, sizeof(buf)), flags, init->kind != DOOR_ATTR);
	if (fd >= 0 && !publish(fd, init, generation, &old)) {
		sys_close(fd);
		fd = -ENOMEM;
	}
	unlock();
	put_old(old);
	return fd;
}

/* ---- fds that came about behind our back ---- */

/* What an fd's memfd name says it is; false: none of ours. */
static bool init_from_name(const char *link, struct door_file_init *init)
{
	static const struct {
		const char *name;
		enum node_kind kind;
	} nodes[] = {{"ioas-iommu", NODE_IOMMU},
		     {"ioas-vfio", NODE_VFIO},
		     {"ioas-group", NODE_GROUP},
		     {"ioas-device", NODE_DEVICE},
		     {"ioas-file", NODE_ANONYMOUS}};

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		if (!strcmp(link, nodes[i].name)) {
			*init = (struct door_file_init){.kind = DOOR_ENGINE,
							.node.kind = nodes[i].kind,
							.name = nodes[i].name};
			return true;
		}
	}
	if (strncmp(link, "ioas-attr:", 10))
		return false;
	*init = (struct door_file_init){.kind = DOOR_ATTR, .name = link + 10};
	return true;
}

static bool init_from_fd(int fd, char *link, size_t len, struct door_file_init *init)
{
	static const char head[] = "/memfd:", tail[] = " (deleted)";
	char path[32];
	long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = sys_readlink(path, link, len - 1);
	if (n < (long)(sizeof(head) + sizeof(tail)) || memcmp(link, head, sizeof(head) - 1))
		return false;
	link[n - (long)sizeof(tail) + 1] = '\0';
	return init_from_name(link + sizeof(head) - 1, init);
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
	char link[256];

	if (!init_from_fd(fd, link, sizeof(link), &init))
		return NULL;
	return publish(fd, &init, init.kind == DOOR_ATTR ? generation : 0, old);
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
			    S_ISREG(st.st_mode) && !st.st_nlink) {
				struct door_file *f = files_adopt(fd);

				if (f)
					files_put(f);
			}
		}
	}
	if (dir >= 0)
		sys_close(dir);
}

void files_fork_child(void)
{
	pthread_mutex_init(&table_lock, NULL);
	owner = 0;
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

void files_sent(int fd)
{
	struct door_file *f = files_get_sure(fd);

	if (!f)
		return;
	lock();
	f->in_flight++;
	unlock();
}

void files_received(int fd)
{
	struct door_file *f = files_adopt(fd);
	bool landed = false;

	if (!f)
		return;
	lock();
	if (f->in_flight) {
		f->in_flight--;
		landed = true;
	}
	unlock();
	files_put(f);
	if (landed)
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
