/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the machine itself takes: the figures that ours stand beside.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "bench.h"

#define PAGE	     4096ul
#define FAULTING_LEN 2 /* bytes of divl %ecx */

static long raw_syscall(long nr, long a, long b, long c)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return rc;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void null_ioctl(void *arg, uint64_t n)
{
	while (n--)
		bench_use((uint64_t)raw_syscall(SYS_ioctl, *(int *)arg, TIOCGWINSZ, 0));
}

struct bench_cost bench_ioctl(struct bench *b)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct bench_cost cost;

	if (fd < 0)
		die("/dev/null");
	cost = bench_run(b, null_ioctl, &fd, 200000);
	close(fd);
	return cost;
}

struct copying {
	char *from, *to;
	uint64_t len, span, rng;
};

static void copy(void *arg, uint64_t n)
{
	struct copying *c = arg;
	uint64_t places = c->span / c->len;

	while (n--) {
		uint64_t at = (unsigned __int128)bench_random(&c->rng) * places >> 64;

		memcpy(c->to, c->from + at * c->len, c->len);
		bench_use((uintptr_t)c->to);
	}
}

struct bench_cost bench_memcpy(struct bench *b, uint64_t len, uint64_t span)
{
	struct copying c = {.len = len, .span = span, .rng = 1};
	struct bench_cost cost;

	c.from = aligned_alloc(PAGE, span);
	c.to = aligned_alloc(PAGE, (len + PAGE - 1) & ~(PAGE - 1));
	if (!c.from || !c.to)
		die("memory");
	memset(c.from, 1, span);
	memset(c.to, 2, len);
	cost = bench_run(b, copy, &c, 100000000 / (len + 1000));
	free(c.from);
	free(c.to);
	return cost;
}

struct touching {
	char *mem;
	uint64_t len;
};

static void touch(void *arg, uint64_t n)
{
	struct touching *t = arg;

	while (n--)
		for (uint64_t at = 0; at < t->len; at += PAGE)
			__atomic_fetch_or(t->mem + at, 0, __ATOMIC_RELAXED);
}

struct bench_cost bench_touch(struct bench *b, void *mem, uint64_t len)
{
	struct touching t = {mem, len};

	return bench_run(b, touch, &t, 100000 / (len / PAGE) + 1);
}

static void add(void *arg, uint64_t n)
{
	while (n--)
		__atomic_fetch_add((uint64_t *)arg, 1, __ATOMIC_SEQ_CST);
}

struct bench_cost bench_atomic(struct bench *b)
{
	uint64_t counter = 0;

	return bench_run(b, add, &counter, 2000000);
}

static void step_over(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_RIP] += FAULTING_LEN;
}

static void fault(void *arg, uint64_t n)
{
	while (n--) {
		uint32_t low = 1, high = 0;

		/* A division by zero: what hypervisors do not want to see. */
		__asm__ volatile("divl %%ecx" : "+a"(low), "+d"(high) : "c"(0) : "memory", "cc");
	}
}

struct bench_cost bench_signal(struct bench *b)
{
	struct sigaction sa = {.sa_sigaction = step_over, .sa_flags = SA_SIGINFO}, old;
	struct bench_cost cost;

	if (sigaction(SIGFPE, &sa, &old))
		die("sigaction");
	cost = bench_run(b, fault, NULL, 50000);
	sigaction(SIGFPE, &old, NULL);
	return cost;
}

/* A thread that answers each new number in @ping with the same one in @pong. */
struct partner {
	uint64_t ping __attribute__((aligned(64)));
	uint64_t pong __attribute__((aligned(64)));
	bool stop;
	const struct bench *b;
};

/* After so many looks the other thread may be waiting for this core. */
#define PATIENCE 10000

static void await(const uint64_t *word, uint64_t not, const bool *stop)
{
	for (unsigned int i = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) == not ; i++) {
		if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
			return;
		if (i > PATIENCE)
			sched_yield();
		else
			__builtin_ia32_pause();
	}
}

static void *answer(void *arg)
{
	struct partner *p = arg;

	bench_pin(p->b, 1);
	for (uint64_t seen = 0; !__atomic_load_n(&p->stop, __ATOMIC_RELAXED);) {
		await(&p->ping, seen, &p->stop);
		seen = __atomic_load_n(&p->ping, __ATOMIC_ACQUIRE);
		__atomic_store_n(&p->pong, seen, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *spin(void *arg)
{
	struct partner *p = arg;

	bench_pin(p->b, 1);
	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED))
		__atomic_fetch_add(&p->pong, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void ping(void *arg, uint64_t n)
{
	struct partner *p = arg;

	while (n--) {
		uint64_t was = p->ping;

		__atomic_store_n(&p->ping, was + 1, __ATOMIC_RELEASE);
		await(&p->pong, was, NULL);
	}
}

static void until_spun(void *arg)
{
	const struct partner *p = arg;

	await(&p->pong, __atomic_load_n(&p->pong, __ATOMIC_RELAXED), NULL);
}

static void barrier(void *arg, uint64_t n)
{
	while (n--)
		raw_syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static pthread_t partner_start(struct partner *p, void *(*fn)(void *arg))
{
	pthread_t thread;

	bench_pin(p->b, 0);
	if (pthread_create(&thread, NULL, fn, p))
		die("a thread");
	return thread;
}

static void partner_stop(struct partner *p, pthread_t thread)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	bench_pin(p->b, -1);
}

struct bench_cost bench_membarrier(struct bench *b)
{
	struct partner p = {.b = b};
	struct bench_cost cost;
	pthread_t thread;

	raw_syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	thread = partner_start(&p, spin);
	cost = bench_each(b, until_spun, barrier, &p, 5000);
	partner_stop(&p, thread);
	return cost;
}

struct bench_cost bench_round_trip(struct bench *b)
{
	struct partner p = {.b = b};
	struct bench_cost cost;
	pthread_t thread;

	thread = partner_start(&p, answer);
	ping(&p, 1);
	cost = bench_run(b, ping, &p, 20000);
	partner_stop(&p, thread);
	return cost;
}
