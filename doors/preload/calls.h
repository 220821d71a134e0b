/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls on our files, once an interposer has found out that they are ours.
 *
 * Each returns the result or -errno. The *_file functions take a file that the caller holds a
 * reference to.
 */
#ifndef IOAS_DOORS_PRELOAD_CALLS_H
#define IOAS_DOORS_PRELOAD_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "doors/files.h"
#include "doors/paths.h"

/* open() of a PATH_NODE or, for writing, of a PATH_ATTR. */
int call_open(const struct path *p, int flags);
/* A place in /dev/vfio where there is nothing: tells whoever wants failures explained. Preserves errno. */
void call_open_missing(const struct path *p, int flags);
bool call_is_attr_write(const struct path *p, int flags);

long call_ioctl(int fd, struct door_file *f, unsigned int cmd, uint64_t arg);
/* The calls on other people's files that mean something to us; true: answered with *rc. */
bool call_foreign_ioctl(unsigned long cmd, uint64_t arg, long *rc);

/* @at: < 0: the file's own position. */
struct call_io {
	const char *name; /* for -v */
	int fd;
	const struct iovec *iov;
	int n;
	int64_t at;
	bool write;
};
ssize_t call_io(struct door_file *f, const struct call_io *io);

long call_mmap(int fd, struct door_file *f, void *addr, size_t len, int prot, int flags,
	       uint64_t pos);

/* Makes the stat of a node of what the file system says about its place in the overlay. */
void call_stat_node(const struct node *n, struct stat *st);
/* fstat() of one of our files; @st holds the memfd's. */
void call_stat_file(const struct door_file *f, struct stat *st);

/* attrs.c: a write to a sysfs attribute. The length or -errno. */
ssize_t attr_write(const char *name, const char *text, size_t len);
void attr_flush(int fd, const char *name);

#endif
