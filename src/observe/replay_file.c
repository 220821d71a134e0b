/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands for the files of the recorded program: sparse memory of the same size where it was
 * memory, and otherwise something that is refused in the same way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "observe/replay_private.h"

static struct stand_in *find(struct replay *r, uint64_t dev, uint64_t ino)
{
	struct stand_in *s = r->stand_ins;

	while (s && (s->dev != dev || s->ino != ino))
		s = s->next;
	return s;
}

static struct stand_in *make(struct replay *r, uint64_t dev, uint64_t ino)
{
	struct stand_in *s = ioas_calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct stand_in){.next = r->stand_ins, .dev = dev, .ino = ino};
	s->fd = memfd_create("ioas-replay", MFD_CLOEXEC);
	if (s->fd < 0) {
		ioas_free(s);
		return NULL;
	}
	r->stand_ins = s;
	return s;
}

int replay_stand_in(struct replay *r, uint64_t dev, uint64_t ino, uint64_t size)
{
	struct stand_in *s = find(r, dev, ino);

	if (!s)
		s = make(r, dev, ino);
	if (!s)
		return -ENOMEM;
	if (size > s->size && ftruncate(s->fd, (off_t)size))
		return -errno;
	if (size > s->size)
		s->size = size;
	return s->fd;
}

int replay_duplicate(struct replay *r, const struct log_fd_dup *d)
{
	char path[64] = "/dev/null";
	int fd;

	if (S_ISREG(d->mode) && d->filesystem != TMPFS_MAGIC && d->filesystem != HUGETLBFS_MAGIC) {
		snprintf(path, sizeof(path), "/proc/self/exe");
	} else if (S_ISREG(d->mode)) {
		fd = replay_stand_in(r, d->dev, d->ino, d->size);
		if (fd < 0)
			return fd;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	fd = open(path, (int)(d->flags & O_ACCMODE) | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void replay_drop_stand_ins(struct replay *r)
{
	struct stand_in *next;

	for (struct stand_in *s = r->stand_ins; s; s = next) {
		next = s->next;
		close(s->fd);
		ioas_free(s);
	}
	r->stand_ins = NULL;
}
