/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/shared/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/preload/bars.h"
#include "doors/preload/engine.h"
#include "doors/preload/guard.h"
#include "doors/preload/sys.h"

static long answer_file(struct ask *a, uint64_t server)
{
	const int fd = (int)a->arg[0];
	struct door_file *f = files_get_sure(fd);
	long rc = -EBADFD;

	if (!f && sys_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	if (!f)
		f = files_adopt(fd);
	if (!f)
		return rc;
	if (files_remote(f) && f->server == server) {
		a->arg[0] = f->id;
		rc = 0;
	}
	files_put(f);
	return rc;
}

static long answer_install(struct channel *ch)
{
	const int fd = channel_take_fd(ch);
	struct door_file *f = fd < 0 ? NULL : files_adopt(fd);

	if (f)
		files_put(f);
	else if (fd >= 0)
		sys_close(fd);
	return fd < 0 ? fd : f ? fd : -ENOMEM;
}

static long answer_uninstall(const struct ask *a)
{
	int rc = 0;

	files_close((int)a->arg[0], &rc);
	return rc;
}

static long answer_fd(struct channel *ch, const struct ask *a)
{
	const int fd = (int)a->arg[0];

	if (sys_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	if (a->kind == ASK_EVENTFD && !door_is_eventfd(fd))
		return -EINVAL;
	return channel_send_fd(ch, fd);
}

static bool is_inode(int fd, const struct memory_vma *vma)
{
	struct stat st;

	return !sys3(SYS_fstat, fd, (long)&st, 0) && st.st_ino == vma->ino &&
	       major(st.st_dev) == vma->dev >> 32 && minor(st.st_dev) == (uint32_t)vma->dev;
}

/* The mapping's own link, for those who may follow it. */
static int open_mapping(const struct memory_vma *vma)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", vma->start, vma->last + 1);
	fd = sys_openat(AT_FDCWD, path, (vma->write ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
	if (fd >= 0 && !is_inode(fd, vma)) {
		sys_close(fd);
		fd = -ENOENT;
	}
	return fd;
}

static long answer_shared(struct channel *ch, const struct ask *a)
{
	int fd = open_mapping(&a->vma);
	long rc = -ENOENT;

	if (fd >= 0) {
		rc = channel_send_fd(ch, fd);
		sys_close(fd);
		return rc;
	}
	for (fd = 0; fd < 1024 && rc; fd++)
		if (is_inode(fd, &a->vma) &&
		    (!a->vma.write || (sys_fcntl(fd, F_GETFL, 0) & O_ACCMODE) == O_RDWR))
			rc = channel_send_fd(ch, fd);
	return rc;
}

static long answer_copy(struct channel *ch, const struct ask *a)
{
	void *there = (void *)a->arg[0];
	const size_t len = min_u64(a->arg[1], CHANNEL_DATA);

	return a->kind == ASK_COPY_IN ? guard_copy(ch->page->data, there, len) :
					guard_copy(there, ch->page->data, len);
}

void answer_ask(struct channel *ch, uint64_t server)
{
	struct ask *a = &ch->page->ask;

	switch ((enum ask_kind)a->kind) {
	case ASK_COPY_IN:
	case ASK_COPY_OUT:
		a->result = answer_copy(ch, a);
		return;
	case ASK_CAPABLE:
		a->result = door_caller_ops.capable(NULL, (int)a->arg[0]);
		return;
	case ASK_FILE:
		a->result = answer_file(a, server);
		return;
	case ASK_INSTALL:
		a->result = answer_install(ch);
		return;
	case ASK_UNINSTALL:
		a->result = answer_uninstall(a);
		return;
	case ASK_EVENTFD:
	case ASK_FD:
		a->result = answer_fd(ch, a);
		return;
	case ASK_PROBE:
		a->result =
			door_memory_ops.probe(NULL, a->arg[0], a->arg[1], (unsigned int)a->arg[2]);
		return;
	case ASK_VMA:
		a->result = bars_remote_vma(a->arg[0], server, &a->vma, &a->arg[0]);
		return;
	case ASK_SHARED:
		a->result = answer_shared(ch, a);
		return;
	}
	a->result = -EINVAL;
}
