/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store trap: how a register in a mapped BAR works when the program simply stores to it
 * (x86-64).
 *
 * A BAR is shared memory which the program has mapped read-only, and which the engine also has
 * mapped writable, its *alias*. A store raises SIGSEGV; trap_handle() decodes the instruction,
 * hands what it stores to the device model, updates the program's registers, and steps over it:
 * when the store returns it is done. Pages whose loads have side effects are mapped PROT_NONE and
 * marked TRAP_LOADS.
 *
 * What the caller (the preload door) must do:
 * - handle SIGSEGV on a stack of its own (16 KiB are enough for the trap itself) with SA_SIGINFO
 *   and all signals blocked, SIGSEGV and SIGBUS excepted if its guarded copies want them, and call
 *   trap_handle() first;
 * - add a region before the program can touch it, and remove it before its addresses can be reused;
 * - keep a cookie and an alias valid for as long as the process lives: a trap that has already
 *   found a region does not notice that it is removed.
 *
 * trap_handle() allocates nothing, calls nothing that is not async-signal-safe, and preserves
 * errno. It may run in any number of threads while others add and remove regions: finding one takes
 * no lock and never waits. Locked instructions (LOCK prefix, XCHG) exclude each other, but only
 * each other, until their write has been delivered.
 */
#ifndef IOAS_DOORS_PRELOAD_TRAP_H
#define IOAS_DOORS_PRELOAD_TRAP_H

#if !defined(__x86_64__)
#error "the store trap decodes x86-64"
#endif

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/*
 * Offsets are a region's own offset plus the distance from its start. Accesses arrive in ascending
 * order, each naturally aligned and of 1, 2, 4 or 8 bytes: one that is wider, or unaligned, is cut
 * into such pieces. Every byte that the program stores is delivered exactly once, also when its
 * value is the old one.
 */
struct trap_ops {
	void (*write)(void *cookie, uint64_t offset, unsigned size, uint64_t value);
	/* Only for TRAP_LOADS; other loads, read-modify-writes included, read the alias. */
	uint64_t (*read)(void *cookie, uint64_t offset, unsigned size);
	/* Is the BAR decoding (memory space on, not in reset)? If not the access is a SIGBUS. */
	bool (*enabled)(void *cookie);
	/*
	 * Copies from and to ordinary memory of the program that may not be there or not allow it;
	 * false if so, and then nothing at all, or only a leading part, has been copied.
	 * Async-signal-safe.
	 */
	bool (*load)(void *dst, const void *src, size_t len);
	bool (*store)(void *dst, const void *src, size_t len);
};

enum trap_flag {
	TRAP_LOADS = 1,	 /* the pages are PROT_NONE: loads trap too and go to ops->read */
	TRAP_RDONLY = 2, /* the program asked for no PROT_WRITE: its store is its own SIGSEGV */
};

/* Whole pages. Regions never overlap. */
struct trap_region {
	uintptr_t va;
	size_t len;
	void *cookie;
	uint64_t offset; /* what the ops get for va */
	void *alias;	 /* the engine's mapping of the byte at va */
	uint64_t flags;
};

enum trap_verdict {
	TRAP_NOT_OURS, /* not a region, or not an instruction's access: the program's own signal */
	TRAP_DONE,     /* carried out; return from the signal handler */
	TRAP_FAULT, /* *info is now the signal that the program must see: mind si_signo */
	TRAP_UNKNOWN, /* cannot be carried out: the program's own SIGSEGV */
};

/* Once, before anything else; 0 or -ENOMEM. The ops must stay. */
int trap_init(const struct trap_ops *ops);

/* In a child after fork: locks that other threads held at that moment do not exist any more. */
void trap_fork_child(void);

/* What it overlaps is replaced. 0, or nothing changed: -EINVAL (not whole pages, wraps), -ENOMEM. */
int trap_region_add(const struct trap_region *r);

/* A region that is only partly in the range keeps the rest. As above. */
int trap_region_remove(uintptr_t va, size_t len);

/* The region that holds va, as a copy. */
bool trap_region_find(uintptr_t va, struct trap_region *r);

enum trap_verdict trap_handle(int sig, siginfo_t *info, ucontext_t *uc);

#endif
