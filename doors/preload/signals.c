/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include <errno.h>
#include <string.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "base/bits.h"
#include "doors/preload/door.h"
#include "doors/preload/guard.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"
#include "doors/preload/trap.h"

#define NR_SIGNALS    64
#define KERNEL_SIGSET 8 /* bytes of the kernel's sigset_t */
#define RED_ZONE      128
#define EFLAGS_CLEAR  0x10500ull /* DF, TF, RF: as the kernel clears them for a handler */
#define FP_MAGIC1     0x46505853u
#define FP_SW_BYTES                                                                                \
	464 /* of the FXSAVE image: what the kernel says about the frame (struct _fpx_sw_bytes) */

/* What the kernel puts on the stack (arch/x86 signal frame of 64-bit programs). */
struct frame {
	void (*restorer)(void);
	struct {
		unsigned long flags;
		void *link;
		stack_t stack;
		uint8_t mcontext[256];
		uint64_t mask;
	} uc;
	siginfo_t info;
};

static const int ours[] = {SIGSEGV, SIGBUS};
#define VIEW_ALL 3u

/* The program's action for each of ours; real while not installed. */
static struct sigaction view[ARRAY_SIZE(ours)];
/* Which of ours the program's action for a signal blocks; [0]: signal 1. */
static uint8_t action_blocks[NR_SIGNALS];
static bool installed;
static bool handled; /* the program has had a handler for another signal */
static int view_lock;
/* Under valgrind: its frames lack what sigreturn and the trap would need. */
bool signals_bare_frame;

/* valgrind's client request RUNNING_ON_VALGRIND (valgrind/valgrind.h): a no-op elsewhere. */
static bool running_on_valgrind(void)
{
	volatile uint64_t args[6] = {0x1001};
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi;"
			 "xchgq %%rbx, %%rbx"
			 : "=d"(answer)
			 : "a"(args), "0"(answer)
			 : "cc", "memory");
	return answer;
}

void signals_init(void)
{
	signals_bare_frame = running_on_valgrind();
}

static int index_of(int sig)
{
	return sig == SIGSEGV ? 0 : sig == SIGBUS ? 1 : -1;
}

/* Held for a few instructions, with every signal blocked. */
static uint64_t lock(void)
{
	const uint64_t all = ~0ull;
	uint64_t old = 0;

	sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&old, KERNEL_SIGSET);
	while (__atomic_exchange_n(&view_lock, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	return old;
}

static void unlock(uint64_t old)
{
	__atomic_store_n(&view_lock, 0, __ATOMIC_RELEASE);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, KERNEL_SIGSET);
}

/* ---- the program's side ---- */

static uint64_t word(const sigset_t *set)
{
	uint64_t w;

	memcpy(&w, set, sizeof(w));
	return w;
}

static uint64_t bit(int sig)
{
	return 1ull << (sig - 1);
}

/* The kernel's default action, which a signal waiting to be delivered then meets. */
static void set_default(int sig)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} act = {SIG_DFL, 0x04000000, signals_restorer, 0};

	sys4(SYS_rt_sigaction, sig, (long)&act, 0, KERNEL_SIGSET);
}

/* Dies of it as the program would without us: the signal waits until our handler has returned to
 * where it happened. */
static void die(int sig, siginfo_t *info)
{
	const uint64_t block = bit(sig);

	set_default(sig);
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&block, 0, KERNEL_SIGSET);
	sys4(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), sig, (long)info);
}

static uint64_t handler_mask(int sig, const struct sigaction *act, uint64_t interrupted)
{
	uint64_t mask = interrupted | word(&act->sa_mask);

	if (!(act->sa_flags & SA_NODEFER))
		mask |= bit(sig);
	return mask & ~(bit(SIGSEGV) | bit(SIGBUS));
}

static void call_here(int sig, siginfo_t *info, ucontext_t *uc, const struct sigaction *act)
{
	uint64_t mask = handler_mask(sig, act, word(&uc->uc_sigmask));

	sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, KERNEL_SIGSET);
	act->sa_sigaction(sig, info, uc);
}

static size_t fp_size(const uint8_t *fp)
{
	uint32_t sw[2];

	memcpy(sw, fp + FP_SW_BYTES, sizeof(sw));
	return sw[0] == FP_MAGIC1 ? sw[1] : 512;
}

/*
 * Puts the frame that the kernel would have put on the program's stack there, and makes our own
 * return enter the handler instead of the interrupted code. False: that stack cannot take it.
 */
static bool push_frame(int sig, siginfo_t *info, ucontext_t *uc, const struct sigaction *act)
{
	const struct frame *from =
		(const struct frame *)((const char *)uc - offsetof(struct frame, uc));
	greg_t *r = uc->uc_mcontext.gregs;
	uintptr_t sp = (uintptr_t)r[REG_RSP] - RED_ZONE, fp = 0;
	struct frame f = *from;

	if (uc->uc_mcontext.fpregs) {
		const size_t len = fp_size((const uint8_t *)uc->uc_mcontext.fpregs);

		fp = sp = align_down(sp - len, 64);
		if (guard_copy((void *)fp, uc->uc_mcontext.fpregs, len))
			return false;
	}
	sp = align_down(sp - sizeof(f), 16) - 8;
	f.restorer = signals_restorer;
	f.info = *info;
	/* fpregs lies behind the 23 general registers. */
	memcpy(f.uc.mcontext + sizeof(gregset_t), &fp, sizeof(fp));
	if (guard_copy((void *)sp, &f, sizeof(f)))
		return false;
	r[REG_RIP] = (greg_t)(uintptr_t)act->sa_sigaction;
	r[REG_RSP] = (greg_t)sp;
	r[REG_RDI] = sig;
	r[REG_RSI] = (greg_t)(sp + offsetof(struct frame, info));
	r[REG_RDX] = (greg_t)(sp + offsetof(struct frame, uc));
	r[REG_RAX] = 0;
	r[REG_EFL] &= (greg_t)~EFLAGS_CLEAR;
	f.uc.mask = handler_mask(sig, act, f.uc.mask);
	memcpy(&uc->uc_sigmask, &f.uc.mask, sizeof(f.uc.mask));
	return true;
}

/* Its action, with SA_RESETHAND done. */
static struct sigaction take_action(int i)
{
	const uint64_t old = lock();
	const struct sigaction act = view[i];

	if (act.sa_flags & (int)SA_RESETHAND)
		view[i].sa_handler = SIG_DFL;
	unlock(old);
	return act;
}

/* A signal that the program has blocked is kept until it no longer does. */
static bool keep(int i, const siginfo_t *info)
{
	struct door_thread *t = &door_thread;

	if (!(t->blocked & 1u << i))
		return false;
	if (!(t->pending & 1u << i))
		t->pending_info[i] = *info;
	t->pending |= (uint8_t)(1u << i);
	return true;
}

/* The program's own signal: @info may differ from what the kernel said. */
static void deliver(int sig, siginfo_t *info, ucontext_t *uc)
{
	const bool sent = info->si_code <= 0;
	struct sigaction act;
	int i = index_of(sig);

	if (sent && door_thread.engine) {
		sys4(SYS_rt_tgsigqueueinfo, sys_getpid(), door.main_thread, sig, (long)info);
		return;
	}
	if (sent && keep(i, info))
		return;
	act = take_action(i);
	if (act.sa_handler == SIG_IGN && sent)
		return;
	if (act.sa_handler == SIG_DFL || act.sa_handler == SIG_IGN ||
	    (door_thread.blocked & 1u << i)) {
		die(sig, info);
		return;
	}
	if (signals_bare_frame ||
	    ((act.sa_flags & SA_ONSTACK) && !(door_thread.program_stack.ss_flags & SS_DISABLE)))
		call_here(sig, info, uc, &act);
	else if (!push_frame(sig, info, uc, &act))
		die(sig, info);
}

/* ---- the handler ---- */

struct fault {
	int sig;
	siginfo_t *info;
	ucontext_t *uc;
	enum trap_verdict verdict;
};

static void trap(void *arg)
{
	struct fault *f = arg;

	door_thread.trapped = f->uc;
	f->verdict = trap_handle(f->sig, f->info, f->uc);
	door_thread.trapped = NULL;
}

void signals_handler(int sig, siginfo_t *info, void *ctx)
{
	struct fault f = {sig, info, ctx, TRAP_NOT_OURS};
	greg_t *rip = &f.uc->uc_mcontext.gregs[REG_RIP];
	const int saved = errno;

	if (info->si_code > 0) {
		const uintptr_t landing = guard_landing((uintptr_t)*rip);

		if (landing) {
			*rip = (greg_t)landing;
			return;
		}
		stacks_run(trap, &f);
	}
	if (f.verdict != TRAP_DONE)
		deliver(info->si_signo, info, f.uc);
	errno = saved;
}

void signals_handler_bare(int sig, siginfo_t *info, void *ctx, const void *xmm)
{
	ucontext_t *uc = ctx;

	if (uc->uc_mcontext.fpregs)
		memcpy(uc->uc_mcontext.fpregs->_xmm, xmm, sizeof(uc->uc_mcontext.fpregs->_xmm));
	signals_handler(sig, info, ctx);
}

static void install_one(int i)
{
	struct sigaction act = {.sa_sigaction = signals_entry,
				.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};

	sigfillset(&act.sa_mask);
	sigdelset(&act.sa_mask, SIGSEGV);
	sigdelset(&act.sa_mask, SIGBUS);
	if (signals_bare_frame)
		act.sa_flags &= ~SA_ONSTACK;
	REAL(sigaction)(ours[i], &act, &view[i]);
}

void signals_install(void)
{
	sigset_t set, old;
	uint64_t mask;

	if (__atomic_load_n(&installed, __ATOMIC_ACQUIRE))
		return;
	stacks_thread_begin();
	mask = lock();
	for (size_t i = 0; i < ARRAY_SIZE(ours) && !installed; i++)
		install_one((int)i);
	__atomic_store_n(&installed, true, __ATOMIC_RELEASE);
	unlock(mask);
	/* What this thread blocked before we looked. */
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigaddset(&set, ours[i]);
	REAL(pthread_sigmask)(SIG_UNBLOCK, &set, &old);
	door_thread.blocked |= (uint8_t)signals_strip(&old);
}

void signals_hold(struct signals_hold *h)
{
	const uint64_t others = ~(bit(SIGSEGV) | bit(SIGBUS));

	h->held = __atomic_load_n(&handled, __ATOMIC_RELAXED);
	if (h->held)
		sys4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&others, (long)&h->mask, KERNEL_SIGSET);
}

void signals_release(const struct signals_hold *h)
{
	if (h->held)
		sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&h->mask, 0, KERNEL_SIGSET);
}

void signals_fork_child(void)
{
	view_lock = 0;
}

/* ---- sigaction() and the masks ---- */

unsigned int signals_strip(sigset_t *set)
{
	unsigned int taken = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		if (sigismember(set, ours[i]) == 1) {
			taken |= 1u << i;
			sigdelset(set, ours[i]);
		}
	}
	return taken;
}

static void put_back(sigset_t *set, unsigned int taken)
{
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (taken & 1u << i)
			sigaddset(set, ours[i]);
}

/* Any other signal: its handler must not block ours. */
static int action_of_other(int sig, const struct sigaction *act, struct sigaction *old)
{
	uint8_t *blocks = sig > 0 && sig <= NR_SIGNALS ? &action_blocks[sig - 1] : NULL;
	const unsigned int were = blocks ? *blocks : 0;
	struct sigaction stripped;

	if (act) {
		unsigned int taken;

		if (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN)
			__atomic_store_n(&handled, true, __ATOMIC_RELAXED);
		stripped = *act;
		taken = signals_strip(&stripped.sa_mask);
		if (REAL(sigaction)(sig, &stripped, old))
			return -errno;
		if (blocks)
			*blocks = (uint8_t)taken;
	} else if (REAL(sigaction)(sig, NULL, old)) {
		return -errno;
	}
	if (old)
		put_back(&old->sa_mask, were);
	return 0;
}

int signals_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	const int i = index_of(sig);
	struct sigaction was, now;
	uint64_t mask;

	if (i < 0)
		return action_of_other(sig, act, old);
	if (act)
		now = *act;
	mask = lock();
	if (!installed) {
		unlock(mask);
		return REAL(sigaction)(sig, act, old) ? -errno : 0;
	}
	was = view[i];
	if (act)
		view[i] = now;
	unlock(mask);
	if (old)
		*old = was;
	return 0;
}

/* What was kept while it was blocked comes now. */
static void release_pending(struct door_thread *t)
{
	const unsigned int due = t->pending & ~t->blocked & VIEW_ALL;

	t->pending &= (uint8_t)~due;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (due & 1u << i)
			sys4(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), ours[i],
			     (long)&t->pending_info[i]);
}

int signals_mask(int how, const sigset_t *set, sigset_t *old)
{
	struct door_thread *t = &door_thread;
	const unsigned int were = t->blocked;
	unsigned int named;
	sigset_t stripped;
	int rc;

	if (!set) {
		rc = REAL(pthread_sigmask)(how, NULL, old);
	} else {
		stripped = *set;
		named = signals_strip(&stripped);
		rc = REAL(pthread_sigmask)(how, &stripped, old);
		if (!rc && how == SIG_BLOCK)
			t->blocked |= (uint8_t)named;
		else if (!rc && how == SIG_UNBLOCK)
			t->blocked &= (uint8_t)~named;
		else if (!rc)
			t->blocked = (uint8_t)named;
	}
	if (rc)
		return rc;
	if (old)
		put_back(old, were);
	release_pending(t);
	return 0;
}
