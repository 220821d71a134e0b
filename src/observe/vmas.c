/* SPDX-License-Identifier: BSD-3-Clause */
#include "observe/vmas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define ROOM (64u << 10)

static char *read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t room = ROOM, len = 0;
	char *text = fd < 0 ? NULL : ioas_malloc(room), *grown;
	ssize_t n = 0;

	while (text && (n = read(fd, text + len, room - len - 1)) > 0) {
		len += (size_t)n;
		if (room - len > ROOM / 2)
			continue;
		room *= 2;
		grown = ioas_realloc(text, room);
		if (!grown)
			ioas_free(text);
		text = grown;
	}
	if (text)
		text[len] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* "start-end rwxp offset major:minor inode   path"; the line ends with a NUL. */
static bool parse(char *line, struct vma *out)
{
	char *p = line, *end;

	out->start = strtoull(p, &p, 16);
	if (*p != '-')
		return false;
	out->end = strtoull(p + 1, &p, 16);
	if (strlen(p) < 6)
		return false;
	out->shared = p[4] == 's';
	out->offset = strtoull(p + 6, &end, 16);
	p = strchr(end + 1, ' ');
	p = p ? strchr(p + 1, ' ') : NULL;
	out->name = p ? p + strspn(p, " ") : "";
	return true;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

int vmas_read(struct vmas *v, int pid)
{
	char path[32], *line, *end;

	if (v->pid == pid)
		return 0;
	vmas_free(v);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	v->text = read_all(path);
	v->vma = v->text ? ioas_calloc(count_lines(v->text) + 1, sizeof(*v->vma)) : NULL;
	if (!v->vma) {
		vmas_free(v);
		return -ENOENT;
	}
	for (line = v->text; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		v->n += parse(line, &v->vma[v->n]);
	}
	v->pid = pid;
	return 0;
}

void vmas_free(struct vmas *v)
{
	ioas_free(v->text);
	ioas_free(v->vma);
	*v = (struct vmas){0};
}

const struct vma *vmas_find(const struct vmas *v, uint64_t va)
{
	size_t low = 0, high = v->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (va >= v->vma[mid].end)
			low = mid + 1;
		else
			high = mid;
	}
	return low < v->n && va >= v->vma[low].start ? &v->vma[low] : NULL;
}
