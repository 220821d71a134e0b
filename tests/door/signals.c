/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSEGV and SIGBUS are shared: registers work whatever the program does with its signals, and
 * what it does works too.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "door_test.h"

static volatile uint8_t *bar;
static char *hole; /* an inaccessible page */

static volatile int calls, seen_sig, seen_code;
static void *volatile seen_at;
static volatile uintptr_t handler_sp;
static sigset_t seen_mask;

static bool register_works(uint32_t value)
{
	*reg32(bar, 0x10) = value;
	return last_write(bar).value == value;
}

/* Ends the fault: the page becomes accessible. */
static void mend(int sig, siginfo_t *info, void *ctx)
{
	char here;

	(void)ctx;
	calls++;
	seen_sig = sig;
	seen_code = info->si_code;
	seen_at = info->si_addr;
	handler_sp = (uintptr_t)&here;
	pthread_sigmask(SIG_BLOCK, NULL, &seen_mask);
	mprotect(hole, 4096, PROT_READ | PROT_WRITE);
}

static void fault(void)
{
	mprotect(hole, 4096, PROT_NONE);
	calls = 0;
	*(volatile char *)(hole + 8) = 1;
}

static void test_own_handler(void)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO}, old;

	sigaddset(&act.sa_mask, SIGUSR1);
	CHECK(!sigaction(SIGSEGV, &act, NULL));
	CHECK(!sigaction(SIGSEGV, NULL, &old));
	CHECK(old.sa_sigaction == mend && (old.sa_flags & SA_SIGINFO) &&
	      sigismember(&old.sa_mask, SIGUSR1));
	fault();
	CHECK(calls == 1 && seen_sig == SIGSEGV && seen_code == SEGV_ACCERR && seen_at == hole + 8);
	CHECK(sigismember(&seen_mask, SIGUSR1) == 1 && hole[8] == 1);
	/* On the stack that was interrupted, as no other was asked for. */
	CHECK(handler_sp < (uintptr_t)&act + 65536 && handler_sp > (uintptr_t)&act - 65536);
	CHECK(register_works(1) && calls == 1);
}

/* What the interrupted code held in registers and flags must come back through the handler. */
static void test_context_survives(void)
{
	uint64_t in = 0x1122334455667788, out = 0, sum = 0;

	mprotect(hole, 4096, PROT_NONE);
	calls = 0;
	__asm__ volatile("movq %[in], %%xmm7\n\t"
			 "movq %[in], %%rbx\n\t"
			 "stc\n\t"
			 "movb $1, (%[hole])\n\t"
			 "adcq $0, %[sum]\n\t"
			 "addq %%rbx, %[sum]\n\t"
			 "movq %%xmm7, %[out]\n\t"
			 : [out] "=&r"(out), [sum] "+&r"(sum)
			 : [in] "r"(in), [hole] "r"(hole)
			 : "rbx", "xmm7", "memory", "cc");
	CHECK(calls == 1 && out == in && sum == in + 1);
}

static sigjmp_buf env;

static void jump(int sig)
{
	siglongjmp(env, sig);
}

static void test_jump_out(void)
{
	CHECK(signal(SIGSEGV, jump) != SIG_ERR);
	for (int i = 0; i < 3; i++) {
		const int sig = sigsetjmp(env, 1);

		if (!sig)
			fault();
		CHECK(sig == SIGSEGV);
		CHECK(register_works((uint32_t)i));
	}
	CHECK(signal(SIGSEGV, SIG_DFL) == jump);
}

static void test_reset(void)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND},
			 old;

	CHECK(!sigaction(SIGSEGV, &act, NULL));
	fault();
	CHECK(calls == 1);
	CHECK(!sigaction(SIGSEGV, NULL, &old) && old.sa_handler == SIG_DFL);
	CHECK(register_works(3));
}

static bool blocked(int sig)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	return sigismember(&set, sig) == 1;
}

static void test_blocked(void)
{
	sigset_t all, old, none;

	sigfillset(&all);
	sigemptyset(&none);
	CHECK(!sigprocmask(SIG_SETMASK, &all, &old) && !sigismember(&old, SIGSEGV));
	CHECK(blocked(SIGSEGV) && blocked(SIGBUS) && blocked(SIGUSR1));
	CHECK(register_works(4));
	CHECK(!sigprocmask(SIG_UNBLOCK, &all, &old) && sigismember(&old, SIGSEGV) &&
	      sigismember(&old, SIGUSR1));
	CHECK(!blocked(SIGSEGV) && !blocked(SIGUSR1));
	CHECK(!sigprocmask(SIG_SETMASK, &none, NULL));
}

/* Sent, not raised by a fault: waits while it is blocked. */
static void test_sent(void)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};
	sigset_t set;

	CHECK(!sigaction(SIGSEGV, &act, NULL));
	calls = 0;
	CHECK(!raise(SIGSEGV) && calls == 1 && seen_code <= 0);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	CHECK(!pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK(!raise(SIGSEGV) && calls == 1);
	CHECK(register_works(5));
	CHECK(!pthread_sigmask(SIG_UNBLOCK, &set, NULL) && calls == 2);
	CHECK(signal(SIGSEGV, SIG_IGN) != SIG_ERR);
	CHECK(!raise(SIGSEGV));
	CHECK(signal(SIGSEGV, SIG_DFL) == SIG_IGN);
}

static volatile int in_handler;

static void use_register(int sig)
{
	(void)sig;
	in_handler = register_works(6) && blocked(SIGUSR2);
}

/* A handler that blocks everything, a register used in it. */
static void test_in_handler(void)
{
	struct sigaction act = {.sa_handler = use_register}, old;
	sigset_t all;

	sigfillset(&act.sa_mask);
	CHECK(!sigaction(SIGUSR1, &act, NULL));
	CHECK(!sigaction(SIGUSR1, NULL, &old) && sigismember(&old.sa_mask, SIGSEGV) == 1);
	CHECK(!raise(SIGUSR1) && in_handler);
	/* The same while a wait has everything else blocked. */
	in_handler = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	raise(SIGUSR1);
	sigdelset(&all, SIGUSR1);
	sigsuspend(&all);
	CHECK(in_handler);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
	sigemptyset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void test_alternate_stack(void)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	const size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + 4096;
	stack_t ss = {.ss_sp = malloc(size), .ss_size = size}, old, first;
	const stack_t off = {.ss_flags = SS_DISABLE};

	/* None of its own yet, unless a sanitizer made it one. */
	CHECK(!sigaltstack(NULL, &first) &&
	      ((first.ss_flags & SS_DISABLE) || dlsym(RTLD_DEFAULT, "__asan_init")));
	CHECK(!sigaltstack(&ss, &old) && old.ss_flags == first.ss_flags &&
	      old.ss_sp == first.ss_sp);
	CHECK(!sigaltstack(NULL, &old) && old.ss_sp == ss.ss_sp && old.ss_size == size &&
	      !old.ss_flags);
	CHECK(!sigaction(SIGSEGV, &act, NULL));
	/* Too small for the trap, which runs elsewhere; the program's own handler runs there. */
	CHECK(register_works(7));
	memcpy((void *)(bar + 0x200), (void *)(bar + 0x100), 256);
	fault();
	CHECK(calls == 1 && handler_sp > (uintptr_t)ss.ss_sp &&
	      handler_sp < (uintptr_t)ss.ss_sp + size);
	CHECK(!sigaltstack(&off, &old) && old.ss_sp == ss.ss_sp);
	CHECK(register_works(8));
	CHECK(!sigaltstack(NULL, &old) && (old.ss_flags & SS_DISABLE));
	FAILS(sigaltstack(&(stack_t){.ss_sp = ss.ss_sp, .ss_size = 100}, NULL), ENOMEM);
	signal(SIGSEGV, SIG_DFL);
	free(ss.ss_sp);
}

/* A coroutine's stack has no room for a signal frame. */
static char tiny[2048] __attribute__((aligned(16)));
static ucontext_t back, there;

static void on_tiny_stack(void)
{
	*reg32(bar, 0x20) = 0x99;
}

static void test_tiny_stack(void)
{
	const struct log_entry *e;
	struct log_entry last;

	/* swapcontext() itself wants some: so the store is made with the stack pointer near the end
	 * of the array. */
	memset(tiny, 0x5a, sizeof(tiny));
	getcontext(&there);
	there.uc_stack.ss_sp = tiny;
	there.uc_stack.ss_size = sizeof(tiny);
	there.uc_link = &back;
	makecontext(&there, on_tiny_stack, 0);
	CHECK(!swapcontext(&back, &there));
	last = last_write(bar);
	e = &last;
	CHECK(e->offset == 0x20 && e->value == 0x99);
	CHECK(tiny[0] == 0x5a && tiny[600] == 0x5a);
}

static void *thread_uses(void *arg)
{
	const uintptr_t off = (uintptr_t)arg;
	bool ok = true;

	CHECK(blocked(SIGSEGV));
	for (uint32_t i = 0; i < 2000; i++) {
		*reg32(bar, (unsigned int)off) = i;
		ok &= *reg32(bar, (unsigned int)off) == i;
	}
	CHECK(ok);
	return NULL;
}

static void test_threads(void)
{
	pthread_t t[4];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (uintptr_t i = 0; i < 4; i++)
		NEED(!pthread_create(&t[i], NULL, thread_uses, (void *)(0x400 + 8 * i)));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* What kills a program without us kills it with us. */
static int death(void (*fn)(void))
{
	const pid_t pid = fork();
	int status;

	if (!pid) {
		fn();
		_exit(0);
	}
	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void die_of_fault(void)
{
	fault();
}

static void die_ignoring(void)
{
	signal(SIGSEGV, SIG_IGN);
	fault();
}

static void die_blocking(void)
{
	struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};
	sigset_t set;

	sigaction(SIGSEGV, &act, NULL);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fault();
}

static void die_of_kill(void)
{
	signal(SIGBUS, SIG_DFL);
	raise(SIGBUS);
}

static void die_of_read_only(void)
{
	mprotect((void *)bar, 4096, PROT_READ);
	*reg32(bar, 0) = 1;
}

static void test_death(void)
{
	CHECK(death(die_of_fault) == SIGSEGV);
	CHECK(death(die_ignoring) == SIGSEGV);
	CHECK(death(die_blocking) == SIGSEGV);
	CHECK(death(die_of_kill) == SIGBUS);
	CHECK(death(die_of_read_only) == SIGSEGV);
}

/* The engine's threads take no signal of the program's, and have names. */
static void test_engine_threads(void)
{
	calls = 0;
	for (int i = 0; i < 50; i++) {
		kill(getpid(), SIGUSR1);
		CHECK(in_handler);
	}
}

int main(void)
{
	struct scratch s;

	hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(hole != MAP_FAILED);
	/* A handler that was there before the first node is opened. */
	signal(SIGSEGV, jump);
	scratch_open(&s);
	bar = bar_map(&s, PROT_READ | PROT_WRITE);
	CHECK(signal(SIGSEGV, SIG_DFL) == jump);
	test_own_handler();
	test_context_survives();
	test_jump_out();
	test_reset();
	test_blocked();
	test_sent();
	test_in_handler();
	test_engine_threads();
	test_alternate_stack();
	test_tiny_stack();
	test_threads();
	test_death();
	scratch_close(&s);
	return finish();
}
