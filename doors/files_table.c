/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/files_table.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

struct files_table files_table = {.generation = 1, .mutex = PTHREAD_MUTEX_INITIALIZER};
__thread unsigned int table_ending_here __attribute__((tls_model("initial-exec")));

struct door_file **table_slot(int fd, bool make)
{
	struct door_file ***chunk;

	if (fd < 0 || fd >= CHUNK * CHUNKS)
		return NULL;
	chunk = &files_table.chunks[fd / CHUNK];
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

void table_lock(void)
{
	pthread_mutex_lock(&files_table.mutex);
	if (!files_table.owner)
		files_table.owner = sys_getpid();
}

void table_unlock(void)
{
	pthread_mutex_unlock(&files_table.mutex);
}

bool table_same_inode(int fd, const struct door_file *f)
{
	struct stat st;

	return !sys3(SYS_fstat, fd, (long)&st, 0) && st.st_ino == f->ino && st.st_dev == f->dev;
}

/* Lock held. Free ones keep their place in memory: see the header. */
static struct door_file *new_file(void)
{
	struct door_file *f = files_table.unused;

	if (f) {
		files_table.unused = f->next;
		return f;
	}
	f = sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed((long)f))
		return NULL;
	for (size_t i = 1; i < PAGE_SIZE / sizeof(*f); i++) {
		f[i].next = files_table.unused;
		files_table.unused = &f[i];
	}
	return f;
}

bool files_alive(const struct door_file *f)
{
	return f->generation == __atomic_load_n(&files_table.generation, __ATOMIC_RELAXED);
}

bool files_any(void)
{
	return __atomic_load_n(&files_table.nr_live, __ATOMIC_RELAXED);
}

static void unlink_live(struct door_file *f)
{
	struct door_file **p = &files_table.live;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	__atomic_store_n(&files_table.nr_live, files_table.nr_live - 1, __ATOMIC_RELAXED);
}

struct door_file *table_describe(int fd, const struct door_file_init *init, uint32_t gen)
{
	struct door_file *f = new_file();
	struct stat st;

	if (f && sys3(SYS_fstat, fd, (long)&st, 0)) {
		f->next = files_table.unused;
		files_table.unused = f;
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
				.next = files_table.live};
	snprintf(f->name, sizeof(f->name), "%s", init->name);
	files_table.live = f;
	__atomic_store_n(&files_table.nr_live, files_table.nr_live + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&f->refs, 1, __ATOMIC_RELEASE);
	return f;
}

struct door_file *table_publish(int fd, const struct door_file_init *init, uint32_t gen,
				struct door_file **replaced)
{
	struct door_file *f = table_slot(fd, true) ? table_describe(fd, init, gen) : NULL;

	if (f)
		*replaced = table_set(fd, f);
	return f;
}

void table_set_label(struct door_file *f, const struct label *l)
{
	f->server = l->server;
	f->id = l->id;
	f->abi_kind = l->abi_kind;
	f->stream = l->stream;
	f->watched = l->watched;
	f->mute = l->mute;
	f->mode = l->mode;
}

/* ---- files that are not always ready ---- */

int table_find_number(struct door_file *f)
{
	if (table_entry(f->number) == f && table_same_inode(f->number, f))
		return f->number;
	for (int c = 0; c < CHUNKS; c++)
		for (int i = 0;
		     i < CHUNK && __atomic_load_n(&files_table.chunks[c], __ATOMIC_ACQUIRE); i++)
			if (table_entry(c * CHUNK + i) == f && table_same_inode(c * CHUNK + i, f))
				return f->number = c * CHUNK + i;
	return -1;
}

static bool has_number(struct door_file *f)
{
	bool has;

	table_lock();
	has = table_find_number(f) >= 0;
	table_unlock();
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
void table_set_readable(void *arg, bool readable)
{
	struct door_file *f = arg;
	char byte = 0;
	int fd;

	table_lock();
	f->readable = readable;
	if (readable &&
	    sys6(SYS_sendto, f->wake, (long)&byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0) == 1)
		f->bytes++;
	fd = f->bytes > readable ? table_find_number(f) : -1;
	if (fd >= 0)
		files_drop_bytes(fd, take_bytes(f));
	table_unlock();
}

unsigned int files_take_bytes(struct door_file *f)
{
	unsigned int n;

	if (!f->watched)
		return 0;
	table_lock();
	n = take_bytes(f);
	table_unlock();
	return n;
}

/* ---- references ---- */

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
	if (files_remote(f) && files_table.closed_remote)
		files_table.closed_remote(f->server, f->id);
	else if (f->abi && files_alive(f))
		forget_abi(f);
	table_lock();
	unlink_live(f);
	f->next = files_table.unused;
	files_table.unused = f;
	table_unlock();
}

bool files_get_again(struct door_file *f)
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
		struct door_file *f = table_entry(fd);

		if (!table_is_file(f))
			return NULL;
		if (!files_get_again(f))
			continue;
		if (table_entry(fd) == f)
			return f;
		files_put(f);
	}
}

struct door_file *table_set(int fd, struct door_file *f)
{
	struct door_file **slot = table_slot(fd, table_is_file(f));

	return slot ? __atomic_exchange_n(slot, f, __ATOMIC_ACQ_REL) : NULL;
}

/* Lock held: takes all fds of @f out of the table; how many there were. */
static unsigned int table_purge(struct door_file *f)
{
	unsigned int n = 0;

	for (int c = 0; c < CHUNKS; c++)
		for (int i = 0;
		     i < CHUNK && __atomic_load_n(&files_table.chunks[c], __ATOMIC_ACQUIRE); i++)
			if (table_entry(c * CHUNK + i) == f && table_set(c * CHUNK + i, NULL))
				n++;
	return n;
}

void files_ending_begin(void)
{
	table_ending_here++;
	__atomic_fetch_add(&files_table.nr_ending, 1, __ATOMIC_ACQ_REL);
}

void files_ending_end(void)
{
	__atomic_fetch_sub(&files_table.nr_ending, 1, __ATOMIC_ACQ_REL);
	table_ending_here--;
}

void files_hung_up(struct door_file *f)
{
	unsigned int n;

	files_ending_begin();
	if (__atomic_exchange_n(&f->open, false, __ATOMIC_ACQ_REL)) {
		if (files_table.listen_to)
			files_table.listen_to(f);
		table_lock();
		n = table_purge(f);
		table_unlock();
		for (n++; n; n--)
			files_put(f);
	}
	files_ending_end();
}

void table_put_old(struct door_file *f)
{
	if (!table_is_file(f))
		return;
	if (f->wake && files_alive(f)) {
		if (kernel_hung_up(f->wake))
			files_hung_up(f);
		else if (files_table.open_elsewhere && !has_number(f))
			files_table.open_elsewhere();
	}
	files_put(f);
}

bool table_is_ours(void)
{
	return !files_table.owner || files_table.owner == sys_getpid();
}

/* The entry of @fd is f, but the fd is something else by now. */
static void drop_stale(int fd, struct door_file *f)
{
	struct door_file **slot = table_slot(fd, false), *expected = f;
	bool taken;

	if (!table_is_ours())
		return;
	table_lock();
	taken = !slot || __atomic_compare_exchange_n(slot, &expected, NULL, false, __ATOMIC_ACQ_REL,
						     __ATOMIC_RELAXED);
	table_unlock();
	if (taken)
		table_put_old(f);
}

struct door_file *files_get_sure(int fd)
{
	struct door_file *f = files_get(fd);

	if (!f || table_same_inode(fd, f))
		return f;
	drop_stale(fd, f);
	files_put(f);
	return NULL;
}
