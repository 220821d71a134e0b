/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a path of the program's means: one of our nodes, something in the overlay, or none of our
 * business.
 *
 * The overlay's folder mirrors /sys and /dev, so a path under /sys is served by putting the run
 * directory before it, and the kernel resolves links and dots there. Folders that the run owns
 * (run_config.owned) show the overlay only; elsewhere the real /sys comes first where it has
 * something. What a call gives back (realpath, getcwd) is translated the other way.
 */
#ifndef IOAS_DOORS_PATHS_H
#define IOAS_DOORS_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "doors/files.h"
#include "doors/run.h"

enum path_kind {
	PATH_PLAIN,   /* use the program's path as it is */
	PATH_OVERLAY, /* use .text */
	PATH_NODE, /* a device node; .text is its place in the overlay, .name what the program calls
		      it */
	PATH_ATTR, /* a sysfs attribute that does something when written; as PATH_NODE */
	PATH_KVM,  /* /dev/kvm */
};

#define PATH_ROOM 1024

struct path {
	enum path_kind kind;
	struct node node;
	char text[PATH_ROOM];
	const char *name; /* within text: the absolute path that the program means */
};

/* @dir: the run directory, absolute; must stay. */
void paths_init(const char *dir, const struct run_config *run);

/* @dirfd: AT_FDCWD or as in openat(). Preserves errno. Returns path->kind. */
enum path_kind path_find(int dirfd, const char *name, struct path *path);

/* NULL or "". A function of its own: libc's headers promise the compiler that no caller gives NULL.
 */
bool path_is_empty(const char *name);

/* Takes the run directory off the front of @text, of @len bytes, in place. Returns the new length.
 */
size_t path_strip(char *text, size_t len);

/* The program changed its working directory, perhaps. */
void paths_chdir(void);

/* What the program calls it. */
const char *node_name(const struct node *n, char *buf, size_t len);
dev_t node_rdev(const struct node *n);
mode_t node_mode(const struct node *n);

#endif
