/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of this process: its host, made when a node is first opened, kept until the process
 * ends.
 *
 * A child of fork finds its parent's engine in its memory and never touches it; when it opens a
 * node it makes one of its own.
 */
#ifndef IOAS_DOORS_PRELOAD_ENGINE_H
#define IOAS_DOORS_PRELOAD_ENGINE_H

#include "abi/file.h"
#include "doors/files.h"
#include "doors/machine.h"
#include "doors/shared/client.h"

struct recorder;
struct engine {
	struct machine machine;
	struct memory_account *accounts[2]; /* user, process */
	struct caller caller;
	struct recorder *recorder; /* NULL: nothing is recorded */
};

/* This process's engine if there is one and it is its own; cheap. */
struct engine *engine_here(void);
/* The file behind a node. 0 or -errno, with a message when the machine cannot be built. */
int engine_open(const struct node *n, struct abi_file **out);
/* The same for another process's caller, where there is an engine. */
int engine_open_as(const struct node *n, struct caller *c, struct abi_file **out);
/* Makes it now. */
int engine_start(void);

/*
 * Around every call into the engine. What the program's memory functions did meanwhile on this
 * thread is told to the engine when the outermost call is over.
 */
void engine_enter(void);
void engine_leave(void);

/* The program's mmap family, before and after the real call on what it takes away; and after one
 * that only adds. */
struct engine_change {
	struct memory_change change;
	struct memory *memory; /* NULL: this process's engine need not know */
	struct client_change remote;
};
void engine_change_begin(struct engine_change *c, uint64_t va, uint64_t len);
/* Of MADV_DONTNEED and its like, which leave shared memory as it is. */
void engine_drop_begin(struct engine_change *c, uint64_t va, uint64_t len);
void engine_change_end(struct engine_change *c);
void engine_va_changed(uint64_t va, uint64_t len);
void engine_va_protected(uint64_t va, uint64_t len);

/* Resets a device of the run as its sysfs attribute does: 0, or -ENODEV. */
int engine_reset(uint64_t device);
/* How many virtual functions it has; waits for those that are open, if told to. */
int engine_set_vfs(uint64_t device, unsigned int n, bool wait);
/* /dev/kvm was opened. */
void engine_kvm_opened(void);
/* Adds what the devices have counted since the last time to the run's statistics. */
void engine_count(void);
void engine_fork_child(void);

/* caller.c */
extern const struct caller_ops door_caller_ops;
extern const struct memory_ops door_memory_ops;
int caller_create_accounts(struct engine *e);
/* Need this process not pay for locked memory? Its limit, in bytes. */
bool door_may_lock(void);
/* Has this process the capability, says the kernel? */
bool door_has_capability(int cap);
uint64_t door_memlock(void);
/* What a file is that an ioctl hands out. */
void door_anonymous(struct abi_file *f, struct door_file_init *out);
/* eventfd.c */
bool door_is_eventfd(int fd);
int door_eventfd_get(int fd, struct abi_eventfd **out);
/* Takes over @fd, a hidden one. */
int door_eventfd_make(int fd, struct abi_eventfd **out);
void eventfd_fork_child(void);

/* inside.c: a thread of the engine's, see struct pci_host_ops. */
int inside_thread_start(void *arg, pthread_t *t, const char *name, void *(*fn)(void *),
			void *fn_arg);

#endif
