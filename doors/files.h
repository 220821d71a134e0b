/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The door's files: which of the program's fd numbers stand for what.
 *
 * Every open of one of our nodes is a memfd of its own, empty and sealed, so that it has an inode
 * by which it is known whatever number it bears, polls as always ready, survives exec with a name
 * that tells what it was, and answers harmlessly to whoever gets at it without us. A file that is
 * not always ready is one end of a socket pair instead, whose other end the door keeps to make it
 * readable.
 *
 * A table keyed by fd number finds the file fast. It can go stale, for libc closes fds where nobody
 * sees it: files_get() trusts it and serves only calls that mean nothing to any other file;
 * everything else asks files_get_sure(), which compares inodes. Files are never given back to the
 * allocator, so that a look at one that has just gone is harmless.
 *
 * After fork the child's files are *dead*: their generation is not the current one. Closing them
 * touches nothing but the fd.
 */
#ifndef IOAS_DOORS_FILES_H
#define IOAS_DOORS_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "abi/file.h"

enum node_kind {
	NODE_IOMMU,
	NODE_VFIO,
	NODE_GROUP,
	NODE_DEVICE,
	NODE_ANONYMOUS, /* no node: what an ioctl handed out */
};

/* A device node of ours. */
struct node {
	enum node_kind kind;
	unsigned int number; /* of the group, of vfioN */
};

enum door_kind {
	DOOR_ENGINE, /* an abi_file */
	DOOR_ATTR,   /* a sysfs attribute opened for writing */
	DOOR_PATH,   /* a node opened with O_PATH */
};

#define DOOR_NAME_MAX 160

struct door_file {
	uint32_t refs;
	uint32_t generation;
	uint32_t
		in_flight; /* times sent with SCM_RIGHTS and not received; under the table's lock */
	enum door_kind kind;
	struct abi_file *abi; /* DOOR_ENGINE */
	struct node node;
	dev_t dev; /* of the memfd or socket */
	ino_t ino;
	int wake, drain; /* hidden fds: the socket's other end, and this end again; 0: a memfd */
	bool readable;
	uint64_t pos;		  /* what read() and write() go by; atomic */
	char name[DOOR_NAME_MAX]; /* the path as the program knows it */
	struct door_file *next;	  /* live or free ones; under the table's lock */
};

struct door_file_init {
	enum door_kind kind;
	struct abi_file *abi; /* its reference is taken over on success */
	struct node node;
	const char *name;
};

/* A new fd for a new file. @flags: of open(). The fd, or -errno. */
int files_open(const struct door_file_init *init, int flags);

/* The file that the table has for @fd, with a reference; NULL: not ours. */
struct door_file *files_get(int fd);
/* The same, after a look at the inode. */
struct door_file *files_get_sure(int fd);
/* For an fd that the table does not know: a file of ours under a number that came about behind our
 * back. */
struct door_file *files_adopt(int fd);
void files_put(struct door_file *f);
/* Not inherited through fork or exec. */
bool files_alive(const struct door_file *f);
/* Is there any file of ours at all? Nothing needs to be looked at while there is none. */
bool files_any(void);

/*
 * The fd calls. Each returns true when it concerned one of our files and is done, with the result
 * or -errno in *rc; false: the caller makes the real call, which concerns none of ours.
 */
bool files_close(int fd, int *rc);
bool files_dup(int fd, int *rc);
bool files_dup_to(int fd, int newfd, int flags, int *rc); /* dup3(); @flags -1: dup2() */
bool files_dup_above(int fd, int cmd, int min, int *rc);  /* F_DUPFD, F_DUPFD_CLOEXEC */
/* CLOSE_RANGE_CLOEXEC leaves the files alone but spares internal fds too. */
int files_close_range(unsigned int first, unsigned int last, unsigned int flags);

/* SCM_RIGHTS: @fd was sent; @fd was received. */
void files_sent(int fd);
void files_received(int fd);

/*
 * The door's own fds: kept out of the program's way at high numbers, spared by close(),
 * close_range(), dup2(). files_hide() takes over @fd and returns the number where it lives now.
 */
int files_hide(int fd);
void files_close_hidden(int fd);

/*
 * libc writes a stream's bytes, and a child's standard output, where nobody sees it: what reached
 * an attribute's memfd that way is handed to @flush before an fd of it goes.
 */
void files_set_flush(void (*flush)(int fd, const char *name));
void files_flush_attrs(unsigned int first, unsigned int last);

/* Find what an exec left us. */
void files_scan_inherited(void);
/* In a child of fork. */
void files_fork_child(void);

#endif
