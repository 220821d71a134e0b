/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The door's files: which of the program's fd numbers stand for what.
 *
 * Every open of one of our nodes is a file of its own (files_kernel.h), so that it has an inode by
 * which it is known whatever number it bears, survives exec with a name that tells what it was, and
 * answers harmlessly to whoever gets at it without us. How long it is open is the kernel's to say:
 * a file of this process's engine has a reference that is dropped when its socket hangs up.
 *
 * A table keyed by fd number finds the file fast. It can go stale, for libc closes fds where nobody
 * sees it: files_get() trusts it and serves only calls that mean nothing to any other file;
 * everything else asks files_get_sure(), which compares inodes. Files are never given back to the
 * allocator, so that a look at one that has just gone is harmless.
 *
 * A file of another process's engine, sent here or left by fork and exec, is *remote*: its
 * generation is not the current one, and calls on it go to whoever serves it (shared/).
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
	enum door_kind kind;
	struct abi_file *abi; /* DOOR_ENGINE of this process's engine */
	uint64_t server, id;  /* DOOR_ENGINE: whose, and which */
	uint8_t abi_kind;
	bool stream, watched, mute;
	int mode; /* O_ACCMODE of open() */
	struct node node;
	dev_t dev; /* of the memfd or socket */
	ino_t ino;
	int wake;	/* hidden: the socket's other end; 0: none */
	bool open;	/* somebody has it open, says the kernel: a reference; atomic */
	bool readable;	/* watched: what the engine says; under the table's lock, as what follows */
	uint32_t bytes; /* in the socket */
	int number;	/* an fd that it had here */
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
/* Of this process's engine, or not of any engine. */
bool files_alive(const struct door_file *f);
static inline bool files_remote(const struct door_file *f)
{
	return f->kind == DOOR_ENGINE && !files_alive(f);
}
/* Is there any file of ours at all? Nothing needs to be looked at while there is none. */
bool files_any(void);
/* Is @fd one of the engine's of this process? */
bool files_is_own(int fd);

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

/* SCM_RIGHTS: @fd was received. */
void files_received(int fd);

/*
 * What other processes have to do with the files of this process's engine.
 *
 * files_make(): a file without an fd in the table; *fd is to be sent to whoever asked for it, and
 * then closed with close(2)'s system call. 0 or -errno.
 */
int files_make(const struct door_file_init *init, int flags, int *fd);
/* @serve is called for each file of the engine's when it is made, to wait for messages and for its
 * end; @elsewhere when one turns out to be open nowhere but in another process; @listen before one
 * ends, for messages that were sent just before. */
void files_set_serve(void (*serve)(struct door_file *f), void (*elsewhere)(void),
		     void (*listen)(struct door_file *f));
/* All of them, under the table's lock; ends with the first error, which is returned. */
int files_each_open(int (*fn)(struct door_file *f));
/* Called when the last fd of a remote file that this process had is closed. */
void files_set_closed(void (*closed)(uint64_t server, uint64_t id));
struct door_file *files_find(uint64_t id);
/* This process's name as a server; a daemon's was given to it. */
uint64_t files_server(void);
void files_set_server(uint64_t name);
/* The servers of the remote files that this process has, at most @max. */
unsigned int files_servers(uint64_t *out, unsigned int max);
/* An fd of some file of @server's over which a message can be sent, or -1. */
int files_number_of(uint64_t server);
/* The socket hung up. */
void files_hung_up(struct door_file *f);
/* Between the two a thread may have the last reference of such a file: files_reap() waits for it. */
void files_ending_begin(void);
void files_ending_end(void);
/* Lets go of files that others closed or took with them when they died. */
void files_reap(void);
bool files_get_again(struct door_file *f); /* false: it is gone */
/* A watched file was used over an fd of another process's: how many bytes to take out there. */
unsigned int files_take_bytes(struct door_file *f);
/* And there: do so. */
void files_drop_bytes(int fd, unsigned int n);

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
/* In a child of fork; @keep is a hidden fd that it still needs. */
void files_fork_child(int keep);

#endif
