/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the preload door share: one process under `ioas run`.
 *
 *   real.c        the functions behind ours
 *   door.c        the constructor, messages, fork
 *   engine.c      the host of this process, made when a node is first opened
 *   caller.c      how abi/ reaches the program; eventfd.c: its eventfds
 *   inside.c      libc's functions as the engine itself calls them
 *   inspect.c     the engine for those that look
 *   bars.c        mapped BARs; bars_remote.c those of another process's engine
 *   signals.c     SIGSEGV and SIGBUS, shared with the program; stacks.c: where they run
 *   guard.c       touching memory that may not be there
 *   calls.c       ioctl, read, write, mmap on our files; attrs.c: writes to sysfs attributes
 *   trace.c       -v
 *   trap*.c       the store trap
 *   findings*.c   what the DMA sanitizer found, to `ioas run`; callstack.c: the program's stacks
 *   interpose_*.c the functions that a program meets, by family: they only find out whose business
 * a call is
 *
 * A thread that is inside the engine has depth > 0: what it then does to the address space (malloc
 * of a program's own allocator, say) is not reported to the engine at once, for the engine's locks
 * may be held.
 */
#ifndef IOAS_DOORS_PRELOAD_DOOR_H
#define IOAS_DOORS_PRELOAD_DOOR_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/refuse.h"
#include "doors/run.h"

struct door {
	const char *run_dir; /* NULL: not under `ioas run`; every call goes straight on */
	struct run_config run;
	struct run_stats *stats;
	int log; /* hidden fd of --log, else 2 */
	int main_thread;
	cpu_set_t affinity; /* when the process started */
	uint64_t memlock;   /* RLIMIT_MEMLOCK when the process started */
	bool memlock_lowered, lock_dropped, kvm;
	/* Of the program's sanitizers; NULL. */
	void (*lsan_disable)(void), (*lsan_enable)(void);
	void (*tsan_ignore)(const char *file, int line), (*tsan_heed)(const char *file, int line);
};
extern struct door door;

/* Has this process but one processor, so that nothing happens while it looks? */
static inline bool door_one_cpu(void)
{
	return CPU_COUNT(&door.affinity) == 1;
}

static inline bool door_active(void)
{
	return __builtin_expect(door.run_dir != NULL, 0);
}

/* The refusal of the call that a thread is making, for -v. */
struct door_refusal {
	bool there;
	struct refusal r;
	char rule[24], field[48], legal[REFUSE_TEXT];
};

struct door_thread {
	int depth;
	bool engine; /* one of the engine's own threads */
	bool found;  /* the sanitizer found something on it, see findings_settle() */
	const ucontext_t *trapped; /* in the store trap: the store */
	bool own_fds; /* whose fds are not the process's, and need no hiding */
	/* The program's view of its mask and its alternate stack, see signals.h. */
	uint8_t blocked, pending;
	siginfo_t pending_info[2];
	void *stack;
	bool stack_armed; /* the kernel has our stack, not the program's */
	stack_t program_stack;
	struct door_refusal refusal;
};
extern __thread struct door_thread door_thread __attribute__((tls_model("initial-exec")));

/* One line on the log, with "ioas: " before it and a newline after it. Async-signal-safe but for
 * the formatting. */
void door_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, once for each @said. */
#define door_say_once(...)                                                                         \
	do {                                                                                       \
		static bool said;                                                                  \
		if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))                           \
			door_say(__VA_ARGS__);                                                     \
	} while (0)

/* Was this process forked from the one whose engine is in its memory? */
bool door_forked(void);
/* Before anything that uses the door's tables: sets them right in a child that was made behind
 * libc's back. */
void door_check_fork(void);

#endif
