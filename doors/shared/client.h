/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls on files of another process's engine.
 *
 * A process has as many channels to a server as it has threads that were inside calls at once. They
 * are made when first needed, over the very fd that is used, and stay until the process ends or
 * becomes another program. A call whose server has died answers EIO.
 */
#ifndef IOAS_DOORS_SHARED_CLIENT_H
#define IOAS_DOORS_SHARED_CLIENT_H

#include "doors/files.h"
#include "doors/preload/calls.h"
#include "doors/preload/status.h"

struct bars_request;

long client_ioctl(int fd, struct door_file *f, unsigned int cmd, uint64_t arg);
ssize_t client_io(int fd, struct door_file *f, const struct iovec *v, uint64_t pos, bool write);
long client_mmap(int fd, struct door_file *f, const struct bars_request *r);

/* A node of the run's daemon. The fd, or -errno. */
int client_open(const struct node *n, int flags);

/* Of the daemon's machine. */
int client_reset(unsigned int device);
int client_set_vfs(unsigned int device, unsigned int n, bool wait);

/* Adds what the servers of this process's files have pinned of the process @pid. */
void client_pins(int pid, struct status_pins *sum);

/* Registers of the BAR that the server calls @id; async-signal-safe. */
void client_access(uint64_t server, uint64_t id, bool write, uint64_t off, unsigned int size,
		   uint64_t *val);
bool client_enabled(uint64_t server, uint64_t id);

/*
 * The address space changes: told to those servers that have mapped any of it. @drop: only what is
 * private is another after it (memory_drop_begin()).
 */
struct client_change {
	unsigned int n;
	struct remote *whom[4];
	long id[4];
};
void client_change_begin(struct client_change *ch, uint64_t va, uint64_t len, bool drop);
void client_change_end(struct client_change *ch);
void client_protected(uint64_t va, uint64_t len);
/* A block of the heap is about to be freed. */
void client_freed(uint64_t va, uint64_t len);
/* Cheap: is there any? */
bool client_watched(void);

void client_init(void);
void client_fork_child(void);

#endif
