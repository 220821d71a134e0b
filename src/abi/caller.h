/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who makes a call: how to reach its memory, its files and its credentials.
 *
 * abi/ takes (file, command, caller) and never follows a pointer of the caller's by itself, so that the same bytes may come
 * from a preload, a socket or a seccomp notifier. The door fills the ops table; a caller lives for one call.
 */
#ifndef IOAS_ABI_CALLER_H
#define IOAS_ABI_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/memory.h"

struct abi_file;
struct caller;

/* A program's eventfd, held: signalling it from any thread is allowed until put. */
struct abi_eventfd;

struct caller_ops {
	/* 0 or -EFAULT; nothing is assumed about alignment. */
	int (*copy_in)(struct caller *c, void *dst, uint64_t src, size_t len);
	int (*copy_out)(struct caller *c, uint64_t dst, const void *src, size_t len);
	/* @cap: a CAP_ number of linux/capability.h. */
	bool (*capable)(struct caller *c, int cap);
	/* The engine's file behind the program's fd, with a reference. -EBADF: not open; -EBADFD: another kind of file. */
	int (*file_get)(struct caller *c, int fd, struct abi_file **out);
	/* A new close-on-exec fd for @f; takes over the reference on success. -EMFILE, -ENOMEM. */
	int (*fd_install)(struct caller *c, struct abi_file *f);
	/* Close what fd_install gave (a later step failed). */
	void (*fd_uninstall)(struct caller *c, int fd);
	/* -EBADF: not open; -EINVAL: no eventfd. */
	int (*eventfd_get)(struct caller *c, int fd, struct abi_eventfd **out);
	/* A file descriptor of the engine's own for the file behind @fd (MAP_FILE). -EBADF. */
	int (*fd_dup)(struct caller *c, int fd);
	/* The accounts of the caller: user mode and process mode; a reference is not taken. */
	struct memory_account *(*account)(struct caller *c, bool process_mode);
	/* The caller's address space; NULL, or no such function: this process's. */
	struct memory_mm *(*memory)(struct caller *c);
	/* Identity of the caller's process, for rules about "another process". */
	uint64_t (*process)(struct caller *c);
};

struct caller {
	const struct caller_ops *ops;
	void *arg;
};

/* Not tied to a call. */
struct abi_eventfd_ops {
	void (*signal)(struct abi_eventfd *e);
	/* Also ends a watch; returns when its function is not running. */
	void (*put)(struct abi_eventfd *e);
	/* From now on call @fn, on a thread of the door's, whenever the program signals; its count is consumed. -ENOMEM, -EAGAIN. */
	int (*watch)(struct abi_eventfd *e, void (*fn)(void *arg), void *arg);
};
struct abi_eventfd {
	const struct abi_eventfd_ops *ops;
};

/* 0: nobody knows. */
static inline uint64_t caller_identity(struct caller *c)
{
	return c && c->ops->process ? c->ops->process(c) : 0;
}

static inline int copy_in(struct caller *c, void *dst, uint64_t src, size_t len)
{
	return c->ops->copy_in(c, dst, src, len);
}

static inline struct memory_mm *caller_memory(struct caller *c)
{
	return c->ops->memory ? c->ops->memory(c) : NULL;
}

static inline int copy_out(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	return c->ops->copy_out(c, dst, src, len);
}

#endif
