/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the interposers.
 */
#ifndef IOAS_DOORS_PRELOAD_INTERPOSE_H
#define IOAS_DOORS_PRELOAD_INTERPOSE_H

#include "doors/preload/real.h"

#include <errno.h>

#include "doors/paths.h"
#include "doors/preload/calls.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"

/* A result or -errno, as libc returns it. */
static inline long answer(long rc)
{
	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

/* The same for what may be an address. */
static inline void *answer_pointer(long rc)
{
	return (unsigned long)rc >= (unsigned long)-4095 ? (void *)answer(rc) : (void *)rc;
}

/* One of our files behind @fd, which any call may name; with a reference. Preserves errno. */
static inline struct door_file *our_file(int fd)
{
	if (!door_active() || !files_any())
		return NULL;
	door_check_fork();
	return files_get_sure(fd);
}

/* What @name means; PATH_PLAIN at once outside a run. */
static inline enum path_kind look_up(int dirfd, const char *name, struct path *p)
{
	if (!door_active())
		return p->kind = PATH_PLAIN;
	return path_find(dirfd, name, p);
}

/* Where libc is to look: the program's own path, or the absolute place in the overlay. */
static inline const char *place(int dirfd, const char *name, struct path *p)
{
	if (look_up(dirfd, name, p) == PATH_PLAIN || p->kind == PATH_KVM)
		return name;
	return p->text;
}

#endif
