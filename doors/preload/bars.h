/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BARs that the program has mapped.
 *
 * A mapping is real memory that the engine has mapped too. What the program may do with a page
 * depends on what it asked for
 * (*wanted*, which mprotect() changes), on what the page is (PCI_PAGE_ flags), and on whether the
 * device answers: pages with a model behind them are at most readable, so that stores trap; pages
 * of a device with memory space off are not accessible at all, so that every access is a SIGBUS. A
 * mapping holds its file as a kernel mapping does.
 *
 * Lock order: the door's bars lock is taken before the device's lock and before the trap's.
 */
#ifndef IOAS_DOORS_PRELOAD_BARS_H
#define IOAS_DOORS_PRELOAD_BARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/file.h"
#include "memory/memory.h"

/* Before any other, as often as you like. 0 or -ENOMEM. */
int bars_init(void);
/* @server: the parent's, to which the BARs belong that it had mapped. */
void bars_fork_child(uint64_t server);

/* pci_host_ops: memory that can be mapped twice. */
void *bars_alloc(void *arg, uint64_t len);
void bars_free(void *arg, void *p, uint64_t len);

struct bars_request {
	void *addr;
	size_t len; /* whole pages */
	int prot, flags;
	uint64_t pos;
};
/* mmap() of what @m is; every piece holds @f. The address, or -errno. */
long bars_map(struct abi_file *f, const struct bars_request *r, const struct abi_mapping *m);

/*
 * The same across processes. The server: describes what is to be mapped, in at most @room page
 * flags; *fd, to be closed, is of the memory. The client: maps it; takes over @memory, and @held,
 * a hidden fd of what the mapping holds.
 */
struct bar_view;
int bars_describe(const struct abi_mapping *m, uint64_t len, struct bar_view *view, size_t room,
		  int *fd);
long bars_map_remote(int held, uint64_t server, const struct bars_request *r,
		     const struct bar_view *view, int memory);
/* Registers of the BAR that bars_describe() called @id. -ENXIO: it does not answer. */
int bars_access(uint64_t id, bool write, uint64_t off, unsigned int size, uint64_t *val);
int bars_answers(uint64_t id);
/* memory_ops.vma for @server, to which a BAR of its own is *id; and what it makes of that. */
int bars_remote_vma(uint64_t va, uint64_t server, struct memory_vma *out, uint64_t *id);
int bars_peer(uint64_t id, struct memory_bar *bar);

/* Cheap when nothing is mapped: does [va, va + len) meet a mapped BAR? */
bool bars_meet(uint64_t va, uint64_t len);
/* The mapping that holds @va, for memory_ops.vma. */
bool bars_vma(uint64_t va, struct memory_vma *out);

/* The range has been, or is about to be, unmapped or replaced. */
void bars_forget(uint64_t va, uint64_t len);
/* The parts of mprotect() and mremap() that concern ranges which meet a BAR. 0, or the address, or
 * -errno. */
int bars_protect(uint64_t va, uint64_t len, int prot);
long bars_remap(uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t new_va);

/* Memory space may have been switched on or off: by a call on a device's file. */
void bars_refresh(void);

#endif
