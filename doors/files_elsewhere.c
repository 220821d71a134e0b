/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files and other processes: those of this process's engine that others have open, those of
 * others' engines that came here, and what a fork leaves.
 */
#include "doors/files_table.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "doors/preload/sys.h"

/* ---- who serves ---- */

uint64_t files_server(void)
{
	return kernel_random_once(&files_table.server);
}

void files_set_serve(void (*serve)(struct door_file *f), void (*elsewhere)(void),
		     void (*listen)(struct door_file *f))
{
	files_table.serve_file = serve;
	files_table.listen_to = listen;
	files_table.open_elsewhere = elsewhere;
}

int files_each_open(int (*fn)(struct door_file *f))
{
	int rc = 0;

	table_lock();
	for (struct door_file *f = files_table.live; f && !rc; f = f->next)
		if (f->wake && f->open)
			rc = fn(f);
	table_unlock();
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
	files_table.closed_remote = closed;
}

struct door_file *files_find(uint64_t id)
{
	struct door_file *f;

	table_lock();
	for (f = files_table.live; f; f = f->next)
		if (f->id == id && files_alive(f) && files_get_again(f))
			break;
	table_unlock();
	return f;
}

void files_set_server(uint64_t name)
{
	files_table.server = name;
}

unsigned int files_servers(uint64_t *out, unsigned int max)
{
	unsigned int n = 0, i;

	table_lock();
	for (struct door_file *f = files_table.live; f && n < max; f = f->next) {
		if (!files_remote(f))
			continue;
		for (i = 0; i < n && out[i] != f->server; i++)
			;
		if (i == n)
			out[n++] = f->server;
	}
	table_unlock();
	return n;
}

int files_number_of(uint64_t whose)
{
	int fd = -1;

	table_lock();
	for (struct door_file *f = files_table.live; f && fd < 0; f = f->next)
		if (f->server == whose && f->kind == DOOR_ENGINE && !f->mute)
			fd = table_find_number(f);
	table_unlock();
	return fd;
}

/* Lock held: one that has hung up without our having been told, with a reference. */
static struct door_file *find_hung_up(void)
{
	for (struct door_file *f = files_table.live; f; f = f->next)
		if (f->wake && files_alive(f) && __atomic_load_n(&f->open, __ATOMIC_ACQUIRE) &&
		    kernel_hung_up(f->wake) && files_get_again(f))
			return f;
	return NULL;
}

void files_reap(void)
{
	struct door_file *f;

	do {
		files_ending_begin();
		table_lock();
		f = find_hung_up();
		table_unlock();
		if (f && kernel_hung_up(f->wake))
			files_hung_up(f);
		if (f)
			files_put(f);
		files_ending_end();
	} while (f);
	/* Another thread may have been told, and be at it. */
	while (__atomic_load_n(&files_table.nr_ending, __ATOMIC_ACQUIRE) > table_ending_here)
		sched_yield();
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
	for (struct door_file *f = files_table.live; f; f = f->next)
		if (f->ino == st.st_ino && f->dev == st.st_dev && files_get_again(f))
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
		return table_publish(fd, &init, files_table.generation, old);
	if (!kernel_read_label(fd, &st, &l))
		return NULL;
	init = (struct door_file_init){.kind = DOOR_ENGINE, .node = l.node, .name = l.name};
	f = table_publish(fd, &init, 0, old);
	if (f)
		table_set_label(f, &l);
	return f;
}

struct door_file *files_adopt(int fd)
{
	struct door_file *old = NULL, *f;

	if (fd < 0 || table_entry(fd) == HIDDEN)
		return NULL;
	table_lock();
	f = find_inode(fd);
	if (f && table_slot(fd, true))
		old = table_set(fd, f);
	else if (!f)
		f = adopt_stranger(fd, &old);
	if (f)
		files_get_again(f);
	table_unlock();
	table_put_old(old);
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
	for (int fd = 0; fd <= (int)files_table.top_hidden && files_table.top_hidden; fd++) {
		if (!table_slot(fd, false))
			fd |= CHUNK - 1;
		else if (table_entry(fd) == HIDDEN && fd != keep && table_set(fd, NULL))
			sys_close(fd);
	}
}

void files_fork_child(int keep)
{
	pthread_mutex_init(&files_table.mutex, NULL);
	files_table.owner = 0;
	files_table.nr_ending = table_ending_here;
	files_table.server = 0;
	close_hidden_but(keep);
	/* Those that are the parent's are remote from now on, and the kernel's reference with it.
	 */
	for (struct door_file *f = files_table.live; f; f = f->next) {
		f->wake = 0;
		if (f->open)
			f->refs--;
		f->open = false;
		if (f->kind != DOOR_ENGINE)
			f->generation = files_table.generation + 1;
	}
	__atomic_store_n(&files_table.generation, files_table.generation + 1, __ATOMIC_RELAXED);
}
