/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSEGV and SIGBUS, shared with the program.
 *
 * Once a node is open the kernel has our handler for both. A fault in a guarded touch goes on at
 * its landing place; one in a BAR is the store trap's; all others are the program's, which sees
 * them as if we were not there: its own action, mask and stack, kept here as its *view*. Neither
 * signal is ever really blocked; that the program blocked them is only noted.
 *
 * Every thread has an alternate stack of ours (stacks.c) until the program sets one of its own.
 */
#ifndef IOAS_DOORS_PRELOAD_SIGNALS_H
#define IOAS_DOORS_PRELOAD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When the process starts. */
void signals_init(void);
/* Idempotent, any thread. */
void signals_install(void);
void signals_fork_child(void);

/* sigaction(), for every signal: 0 or -errno. */
int signals_action(int sig, const struct sigaction *act, struct sigaction *old);
/*
 * Between these no handler of the program's runs on this thread: as in a system call, it waits until
 * the call is over. Costs nothing while the program has none. SIGSEGV and SIGBUS stay ours.
 */
struct signals_hold {
	bool held;
	uint64_t mask;
};
void signals_hold(struct signals_hold *h);
void signals_release(const struct signals_hold *h);
/* Takes SIGSEGV and SIGBUS out of a mask that blocks; what was taken comes back as bits for the
 * view. */
unsigned int signals_strip(sigset_t *set);
/* pthread_sigmask(): 0 or a positive errno. */
int signals_mask(int how, const sigset_t *set, sigset_t *old);

/* stacks.c: the calling thread gets an alternate stack; is about to end; sigaltstack(): 0 or
 * -errno. */
void stacks_thread_begin(void);
void stacks_thread_end(void);
int stacks_alt(const stack_t *ss, stack_t *old);
/* Runs @fn(@arg) on this thread's stack of ours when the kernel's alternate stack is the program's,
 * else where we are. */
void stacks_run(void (*fn)(void *), void *arg);

/* signals_asm.S */
void stacks_switch(void *top, void (*fn)(void *), void *arg);
void signals_restorer(void);
void signals_entry(int sig, siginfo_t *info, void *ctx);
/* What it calls; the second when the frame lacks the vector registers, of which @xmm are the
 * first 16. */
void signals_handler(int sig, siginfo_t *info, void *ctx);
void signals_handler_bare(int sig, siginfo_t *info, void *ctx, const void *xmm);
extern bool signals_bare_frame;

#define SIGNALS_STACK_SIZE (128 * 1024)

#endif
