/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Call stacks of the program, taken cheaply and named by a number.
 *
 * A stack is kept once, in a depot that only grows. To unwind costs microseconds, and a program
 * calls from few places: for each place and stack pointer it is remembered where the return
 * addresses lay and what they were. When all of them are still there the stack is the same, and
 * nothing is unwound.
 *
 * Async-signal-safe after callstack_init(); no locks, so any thread, in any section.
 */
#ifndef IOAS_DOORS_PRELOAD_CALLSTACK_H
#define IOAS_DOORS_PRELOAD_CALLSTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "observe/finding.h"

#define CALLSTACK_MAX 32 /* frames: the innermost are kept */

/* 0 or -ENOMEM. Once; a child of fork keeps what there is. */
int callstack_init(void);
/* Functions of the library that @in belongs to are not the program's. */
void callstack_hide(const void *in);
/* The callers of this library, on this thread; 0: none, or no room. */
stack_id callstack_here(void);
/* The same from the instruction that trapped, in a handler for it. */
stack_id callstack_trapped(const ucontext_t *uc);

/* One that was taken elsewhere. */
stack_id callstack_keep(const uint64_t *pc, unsigned int n);

/* Addresses inside of the calls, not behind them. How many; *pc stays for good. */
unsigned int callstack_frames(stack_id id, const uint64_t **pc);

#endif
