/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table behind files.h, for the files that keep it: this one's .c what is in it, files.c the
 * program's calls on fds, files_elsewhere.c what other processes have to do with it.
 *
 * An entry holds a reference to its file, is read without a lock, and changes with the lock held.
 */
#ifndef IOAS_DOORS_FILES_TABLE_H
#define IOAS_DOORS_FILES_TABLE_H

#include <pthread.h>

#include "doors/files_kernel.h"

#define CHUNK  1024
#define CHUNKS 1024
#define HIDDEN ((struct door_file *)1) /* an fd of the door's own */

struct files_table {
	struct door_file **chunks[CHUNKS];
	struct door_file *live, *unused;
	unsigned int nr_live;	 /* read without the lock */
	unsigned int nr_ending;	 /* threads that may hold the last reference of what hung up; atomic */
	unsigned int top_hidden; /* no hidden fd lies above */
	uint32_t generation;
	int owner; /* pid of the process whose table this is; a vfork child shares the memory, not
		      the fds */
	pthread_mutex_t mutex;
	uint64_t server; /* 0: no engine's file has been made */
	void (*flush_attr)(int fd, const char *name);
	void (*serve_file)(struct door_file *f);
	void (*listen_to)(struct door_file *f);
	void (*open_elsewhere)(void);
	void (*closed_remote)(uint64_t server, uint64_t id);
};
extern struct files_table files_table;
/* Of nr_ending, this thread: a handler of the program's may have come in between. */
extern __thread unsigned int table_ending_here __attribute__((tls_model("initial-exec")));

void table_lock(void);
void table_unlock(void);
/* Does this process own the table? A vfork child changes its own fds, not its parent's table. */
bool table_is_ours(void);

/* The place of @fd; NULL: there is none, which @make changes if it can. */
struct door_file **table_slot(int fd, bool make);

static inline struct door_file *table_entry(int fd)
{
	struct door_file **slot = table_slot(fd, false);

	return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
}

static inline bool table_is_file(const struct door_file *f)
{
	return f && f != HIDDEN;
}

bool table_same_inode(int fd, const struct door_file *f);
/* Lock held: as files_hide(). */
int table_hide(int fd);
/* Lock held; takes over a reference to @f, returns the one that was there. */
struct door_file *table_set(int fd, struct door_file *f);
/* Lock held: an fd of @f in this process, or -1. */
int table_find_number(struct door_file *f);
/* Lock held: what @fd is, with one reference and not yet in the table. */
struct door_file *table_describe(int fd, const struct door_file_init *init, uint32_t gen);
/* Lock held: a file for @fd, known to the table. */
struct door_file *table_publish(int fd, const struct door_file_init *init, uint32_t gen,
				struct door_file **replaced);
/* Lock held: @f is what @l says, and open. */
void table_set_label(struct door_file *f, const struct label *l);
/* An fd of @f was closed. If it was the last one anywhere, that is the end of it, here and now. */
void table_put_old(struct door_file *f);
/* One byte lies in a watched file's socket while it is readable; abi_file_ops.watch() calls it. */
void table_set_readable(void *arg, bool readable);

#endif
