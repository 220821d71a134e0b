/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The address space of a process as /proc/PID/maps told it at one moment.
 */
#ifndef IOAS_OBSERVE_VMAS_H
#define IOAS_OBSERVE_VMAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vma {
	uint64_t start, end; /* exclusive */
	uint64_t offset;
	bool shared;
	const char *name; /* path, "[heap]", or "" */
};

struct vmas {
	int pid; /* 0: nothing was read */
	char *text;
	struct vma *vma; /* ascending */
	size_t n;
};

/* Of @pid, unless *v is already. 0 or -errno; then *v is empty. */
int vmas_read(struct vmas *v, int pid);
void vmas_free(struct vmas *v);
/* The one that holds @va; NULL. */
const struct vma *vmas_find(const struct vmas *v, uint64_t va);

#endif
