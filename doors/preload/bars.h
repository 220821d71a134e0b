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

/* Once in a process, before any other. 0 or -ENOMEM. */
int bars_init(void);
void bars_fork_child(void);

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
