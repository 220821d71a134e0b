/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/files_table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

#define HIDE_TOP  16384 /* no higher: the kernel's table grows with the number */
#define HIDE_ROOM 128

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
	/* Not to be seen outside of the table: who calls on this number now would take the file
	 * for another process's. */
	table_lock();
	fd = kernel_make_socket(&l, flags, &wake);
	if (fd < 0) {
		table_unlock();
		return fd;
	}
	wake = table_hide(wake);
	f = listed ? table_publish(fd, init, files_table.generation, &old)
		   : table_describe(fd, init, files_table.generation);
	if (f) {
		table_set_label(f, &l);
		f->wake = wake;
		f->open = true;
		f->refs += listed;
	}
	table_unlock();
	table_put_old(old);
	if (!f) {
		sys_close(fd);
		files_close_hidden(wake);
		return -ENOMEM;
	}
	if (f->watched)
		f->abi->ops->watch(f->abi, table_set_readable, f);
	if (files_table.serve_file)
		files_table.serve_file(f);
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
	table_lock();
	fd = kernel_make_memfd(memfd_name(init, buf, sizeof(buf)), flags, init->kind != DOOR_ATTR);
	if (fd >= 0 && !table_publish(fd, init, files_table.generation, &old)) {
		sys_close(fd);
		fd = -ENOMEM;
	}
	table_unlock();
	table_put_old(old);
	return fd;
}

/* ---- the fd calls ---- */

void files_set_flush(void (*flush)(int fd, const char *name))
{
	files_table.flush_attr = flush;
}

static void flush_if_attr(int fd)
{
	struct door_file *f = files_table.flush_attr && table_is_file(table_entry(fd))
				      ? files_get_sure(fd)
				      : NULL;

	if (!f)
		return;
	if (f->kind == DOOR_ATTR)
		files_table.flush_attr(fd, f->name);
	files_put(f);
}

void files_flush_attrs(unsigned int first, unsigned int last)
{
	for (unsigned int c = first / CHUNK; c < CHUNKS && c <= last / CHUNK; c++)
		for (unsigned int i = 0;
		     i < CHUNK && __atomic_load_n(&files_table.chunks[c], __ATOMIC_ACQUIRE); i++)
			if (c * CHUNK + i >= first && c * CHUNK + i <= last)
				flush_if_attr((int)(c * CHUNK + i));
}

bool files_close(int fd, int *rc)
{
	struct door_file *f = table_entry(fd);

	if (!f)
		return false;
	if (!table_is_ours()) {
		*rc = sys_close(fd);
		return true;
	}
	if (f == HIDDEN) {
		*rc = -EBADF;
		return true;
	}
	flush_if_attr(fd);
	table_lock();
	*rc = sys_close(fd);
	f = table_set(fd, NULL);
	table_unlock();
	table_put_old(f);
	return true;
}

/* Lock held: @newfd has become what @fd is. */
static struct door_file *copy_entry(int fd, int newfd)
{
	struct door_file *f = table_entry(fd);

	if (!table_is_file(f) || !table_same_inode(newfd, f) || !files_get_again(f))
		f = NULL;
	return table_set(newfd, f);
}

static bool finish_dup(int fd, int newfd, int *rc)
{
	struct door_file *old = NULL;

	if (newfd >= 0 && newfd != fd && table_is_ours())
		old = copy_entry(fd, newfd);
	table_unlock();
	table_put_old(old);
	*rc = newfd;
	return true;
}

bool files_dup(int fd, int *rc)
{
	if (!table_entry(fd))
		return false;
	if (table_entry(fd) == HIDDEN) {
		*rc = -EBADF;
		return true;
	}
	table_lock();
	return finish_dup(fd, (int)sys3(SYS_dup, fd, 0, 0), rc);
}

bool files_dup_to(int fd, int newfd, int flags, int *rc)
{
	if (!table_entry(fd) && !table_entry(newfd))
		return false;
	if (table_entry(fd) == HIDDEN || (table_entry(newfd) == HIDDEN && table_is_ours())) {
		*rc = table_entry(fd) == HIDDEN ? -EBADF : -EBUSY;
		return true;
	}
	flush_if_attr(newfd);
	table_lock();
	return finish_dup(
		fd,
		(int)(flags < 0 ? sys3(SYS_dup2, fd, newfd, 0) : sys3(SYS_dup3, fd, newfd, flags)),
		rc);
}

bool files_dup_above(int fd, int cmd, int min, int *rc)
{
	if (!table_entry(fd))
		return false;
	if (table_entry(fd) == HIDDEN) {
		*rc = -EBADF;
		return true;
	}
	table_lock();
	return finish_dup(fd, sys_fcntl(fd, cmd, min), rc);
}

/* Lock held: close or mark [first, last], in pieces between the hidden fds. */
static int range_between_hidden(unsigned int first, unsigned int last, unsigned int flags)
{
	const unsigned int end = last < files_table.top_hidden ? last : files_table.top_hidden;
	int rc = 0;

	for (unsigned int fd = first; fd <= end && files_table.top_hidden && !rc; fd++) {
		if (table_entry((int)fd) != HIDDEN)
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
		if (!__atomic_load_n(&files_table.chunks[c], __ATOMIC_ACQUIRE))
			continue;
		for (unsigned int i = 0; i < CHUNK; i++) {
			const unsigned int fd = c * CHUNK + i;
			struct door_file *f = NULL;

			if (fd < first || fd > last || !table_is_file(table_entry((int)fd)))
				continue;
			table_lock();
			if (table_is_file(table_entry((int)fd)) &&
			    !table_same_inode((int)fd, table_entry((int)fd)))
				f = table_set((int)fd, NULL);
			table_unlock();
			table_put_old(f);
		}
	}
}

int files_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	int rc;

	if (first > last || !table_is_ours() || (flags & CLOSE_RANGE_UNSHARE))
		return (int)sys3(SYS_close_range, first, last, flags);
	files_flush_attrs(first, last);
	table_lock();
	rc = range_between_hidden(first, last, flags);
	table_unlock();
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

int table_hide(int fd)
{
	struct rlimit rl = {.rlim_cur = 1024};
	int moved, min;

	sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&rl);
	min = (int)min_u64(rl.rlim_cur, HIDE_TOP) - HIDE_ROOM;
	moved = sys_fcntl(fd, F_DUPFD_CLOEXEC, min > 0 ? min : 0);
	if (moved < 0)
		moved = fd;
	else
		sys_close(fd);
	if (table_slot(moved, true)) {
		table_set(moved, HIDDEN);
		if ((unsigned int)moved > files_table.top_hidden)
			files_table.top_hidden = (unsigned int)moved;
	}
	return moved;
}

int files_hide(int fd)
{
	if (fd < 0)
		return fd;
	table_lock();
	fd = table_hide(fd);
	table_unlock();
	return fd;
}

void files_close_hidden(int fd)
{
	struct door_file **slot = table_slot(fd, false);

	table_lock();
	if (slot && *slot == HIDDEN)
		__atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
	sys_close(fd);
	table_unlock();
}
