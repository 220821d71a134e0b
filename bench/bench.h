/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring: medians of several runs, instructions where the kernel lets us count them, and each
 *figure beside the machine's own limit for it from the same run. The machine is noisy: compare
 *within one run only.
 *
 *	program [--json FILE] [--quick]
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bench {
	FILE *json; /* one array of objects; NULL: none */
	bool quick; /* a short run that only shows that all of it works */
	int counter;
	unsigned int rows;
};

/* What one operation cost. */
struct bench_cost {
	double ns;
	double ir; /* user-space instructions; 0 where they cannot be counted */
};

/* Reads the options; exits with a sentence when they are wrong. */
void bench_begin(struct bench *b, int argc, char **argv);
/* Ends the file; the exit status. */
int bench_end(struct bench *b);

/* @fn does an operation @n times. */
struct bench_cost bench_run(struct bench *b, void (*fn)(void *arg, uint64_t n), void *arg,
			    uint64_t n);

/* Prints and writes one figure; @limit (may be NULL) names what @limit_cost is the cost of. */
void bench_row(struct bench *b, const char *name, struct bench_cost cost, const char *limit,
	       struct bench_cost limit_cost);

/* One dependent load after the other, at random over @bytes: what the caches and the memory take
 * for it. */
struct bench_cost bench_chase(struct bench *b, uint64_t bytes);

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
