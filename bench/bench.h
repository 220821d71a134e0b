/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring: medians of several rounds, instructions where the kernel lets us count them, and each
 * figure beside the machine's own limit for it from the same run, with the ratio of the two. The
 * machine is noisy: compare within one run only.
 *
 *	program [--json FILE] [--quick]
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bench {
	FILE *json; /* one array of objects; NULL: none */
	bool quick; /* a short run that only shows that all of it works */
	int counter;
	unsigned int rows;
	cpu_set_t cpus; /* that it may use */
};

/* What one operation cost. */
struct bench_cost {
	double ns;   /* the median of the rounds */
	double best; /* the quickest of their parts; 0: not known */
	double ir;   /* user-space instructions; 0 where they cannot be counted */
};

/* Reads the options; exits with a sentence when they are wrong. */
void bench_begin(struct bench *b, int argc, char **argv);
/* Ends the file; the exit status. */
int bench_end(struct bench *b);

/* @fn does an operation @n times. */
struct bench_cost bench_run(struct bench *b, void (*fn)(void *arg, uint64_t n), void *arg,
			    uint64_t n);

/* As bench_run(), but each operation is timed by itself, after @before, and the median is theirs:
 * for what may have to wait for another thread, which @before shows to be running. */
struct bench_cost bench_each(struct bench *b, void (*before)(void *arg),
			     void (*fn)(void *arg, uint64_t n), void *arg, uint64_t n);

/* Several things that are measured in turn, round by round: each does its part of @n operations,
 * and cost[] receives the median of each. What undoes another, or is to be compared with another
 * while the machine is the same. */
struct bench_step {
	void (*fn)(void *arg, uint64_t n);
	void *arg;
};
#define BENCH_STEPS 6
void bench_steps(struct bench *b, const struct bench_step *steps, unsigned int nr, uint64_t n,
		 struct bench_cost *cost);

/* Keeps the calling thread on core @which of those it may use, if there are several; -1: on any. */
void bench_pin(const struct bench *b, int which);

/* What the figure of row @name is to be at most, @limit being its limit's; 0: no goal. */
double bench_goal(const char *name, double limit);

/* Prints and writes one figure, and where it has a goal PASS, MISS, or BEST: only the quickest
 * round met it; @limit (may be NULL) names what @limit_cost is the cost of. */
void bench_row(struct bench *b, const char *name, struct bench_cost cost, const char *limit,
	       struct bench_cost limit_cost);

/* One dependent load after the other, at random over @bytes: what the caches and the memory take
 * for it. */
struct bench_cost bench_chase(struct bench *b, uint64_t bytes);

/* More of what the machine itself takes. System calls are made without libc, so that no preload
 * library sees them. */

/* An ioctl that /dev/null refuses. */
struct bench_cost bench_ioctl(struct bench *b);
/* memcpy() of @len bytes, each from somewhere else in @span bytes (a multiple of @len). */
struct bench_cost bench_memcpy(struct bench *b, uint64_t len, uint64_t span);
/* A read-modify-write in one byte of each page of the @len bytes at @mem; the cost of all of them.
 */
struct bench_cost bench_touch(struct bench *b, void *mem, uint64_t len);
struct bench_cost bench_atomic(struct bench *b);
/* An instruction that faults, a signal handler that does nothing, and the return from it. */
struct bench_cost bench_signal(struct bench *b);
/* A memory barrier on all cores by membarrier(2), while another thread of the process runs. */
struct bench_cost bench_membarrier(struct bench *b);
/* A word to another thread and back, both spinning. */
struct bench_cost bench_round_trip(struct bench *b);

static inline struct bench_cost bench_sum(struct bench_cost x, struct bench_cost y)
{
	return (struct bench_cost){.ns = x.ns + y.ns,
				   .best = x.best && y.best ? x.best + y.best : 0,
				   .ir = x.ir + y.ir};
}

/* Keeps the compiler from dropping what computes @v. */
static inline void bench_use(uint64_t v)
{
	__asm__ volatile("" : : "r"(v) : "memory");
}

/* The next of a full-period sequence of 64-bit numbers; use the high bits. */
static inline uint64_t bench_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state;
}

#endif
