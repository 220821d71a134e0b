/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RUNS 7
#define LINE 64
#define SLICES 64
/* When so much time has gone into one figure, three rounds have to do. */
#define BUDGET 400000000ull

static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void bench_begin(struct bench *b, int argc, char **argv)
{
	*b = (struct bench){0};
	sched_getaffinity(0, sizeof(b->cpus), &b->cpus);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			b->quick = true;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			b->json = fopen(argv[++i], "w");
			if (!b->json) {
				perror(argv[i]);
				exit(2);
			}
		} else {
			fprintf(stderr, "usage: %s [--json FILE] [--quick]\n", argv[0]);
			exit(2);
		}
	}
	b->counter = open_counter();
	if (b->json)
		fputs("[", b->json);
	printf("%-54s %11s %11s %9s %6s  %-24s %9s %8s\n", "", "ns", "best", "/s", "Ir", "beside",
	       "ns", "ratio");
}

int bench_end(struct bench *b)
{
	int rc = 0;

	if (b->json) {
		fputs("\n]\n", b->json);
		rc = fclose(b->json) ? 1 : 0;
	}
	if (b->counter >= 0)
		close(b->counter);
	return rc;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t instructions(const struct bench *b)
{
	uint64_t v = 0;

	if (b->counter < 0 || read(b->counter, &v, sizeof(v)) != sizeof(v))
		return 0;
	return v;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* One round, in parts short enough for some to have the processor to themselves on a machine that
 * others use; what an operation took, and at best. */
static double run_slices(void (*fn)(void *arg, uint64_t n), void *arg, uint64_t n, double *best)
{
	uint64_t slice = (n / SLICES + SLICES) / SLICES * SLICES, all = 0;

	slice = slice < n ? slice : n;
	for (uint64_t done = 0, some; done < n; done += some) {
		uint64_t start = now(), took;

		some = n - done < slice ? n - done : slice;
		fn(arg, some);
		took = now() - start;
		all += took;
		/* A rest that is nothing but a few would be timed badly. */
		if (some == slice && (double)took / (double)some < *best)
			*best = (double)took / (double)some;
	}
	return (double)all / (double)n;
}

struct bench_cost bench_run(struct bench *b, void (*fn)(void *arg, uint64_t n), void *arg,
			    uint64_t n)
{
	unsigned int most = b->quick ? 1 : RUNS, runs = 0;
	uint64_t begin = now();
	double ns[RUNS], ir[RUNS], best = 1e18;

	if (b->quick)
		n = n / 100 + 1;
	fn(arg, n / 10 + 1);
	for (; runs < most && (runs < 3 || now() - begin < BUDGET); runs++) {
		uint64_t before = instructions(b);

		ns[runs] = run_slices(fn, arg, n, &best);
		ir[runs] = (double)(instructions(b) - before) / (double)n;
	}
	qsort(ns, runs, sizeof(*ns), compare);
	qsort(ir, runs, sizeof(*ir), compare);
	return (struct bench_cost){.ns = ns[runs / 2], .best = best, .ir = ir[runs / 2]};
}

struct bench_cost bench_each(struct bench *b, void (*before)(void *arg),
			     void (*fn)(void *arg, uint64_t n), void *arg, uint64_t n)
{
	uint64_t begin = now(), done = 0;
	struct bench_cost cost;
	double *ns;

	if (b->quick)
		n = n / 100 + 1;
	ns = malloc(n * sizeof(*ns));
	if (!ns) {
		perror("memory");
		exit(1);
	}
	for (; done < n && (!done || now() - begin < BUDGET); done++) {
		uint64_t start;

		before(arg);
		start = now();
		fn(arg, 1);
		ns[done] = (double)(now() - start);
	}
	qsort(ns, done, sizeof(*ns), compare);
	cost = (struct bench_cost){.ns = ns[done / 2], .best = ns[0]};
	free(ns);
	return cost;
}

/* As many rounds as the budget allows, 3 to this. */
#define ROUNDS 101

void bench_steps(struct bench *b, const struct bench_step *steps, unsigned int nr, uint64_t n,
		 struct bench_cost *cost)
{
	double ns[BENCH_STEPS][ROUNDS], ir[BENCH_STEPS][ROUNDS];
	unsigned int most = b->quick ? 1 : ROUNDS, runs = 0;
	uint64_t begin = now();

	for (unsigned int i = 0; i < nr; i++)
		steps[i].fn(steps[i].arg, n);
	for (; runs < most && (runs < 3 || now() - begin < BUDGET); runs++) {
		for (unsigned int i = 0; i < nr; i++) {
			uint64_t before = instructions(b), start = now();

			steps[i].fn(steps[i].arg, n);
			ns[i][runs] = (double)(now() - start) / (double)n;
			ir[i][runs] = (double)(instructions(b) - before) / (double)n;
		}
	}
	for (unsigned int i = 0; i < nr; i++) {
		qsort(ns[i], runs, sizeof(**ns), compare);
		qsort(ir[i], runs, sizeof(**ir), compare);
		cost[i] = (struct bench_cost){
			.ns = ns[i][runs / 2], .best = ns[i][0], .ir = ir[i][runs / 2]};
	}
}

void bench_pin(const struct bench *b, int which)
{
	cpu_set_t one;

	if (which < 0) {
		sched_setaffinity(0, sizeof(b->cpus), &b->cpus);
		return;
	}
	if (CPU_COUNT(&b->cpus) < 2)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &b->cpus) || which--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/* A rate in four characters or so. */
static void print_rate(double per_second)
{
	static const char *const units[] = {"", "k", "M", "G"};
	size_t i = 0;

	while (per_second >= 1000 && i < 3) {
		per_second /= 1000;
		i++;
	}
	printf(" %8.*f%1s", per_second < 10 ? 2 : per_second < 100, per_second, units[i]);
}

/* On a machine that others use the quickest round says what the code takes, the median what it got.
 */
static const char *verdict(struct bench_cost cost, double goal)
{
	if (cost.ns <= goal)
		return "PASS";
	return cost.best > 0 && cost.best <= goal ? "BEST" : "MISS";
}

void bench_row(struct bench *b, const char *name, struct bench_cost cost, const char *limit,
	       struct bench_cost limit_cost)
{
	double goal = bench_goal(name, limit_cost.ns);

	printf("%-54s %11.1f", name, cost.ns);
	if (cost.best > 0)
		printf(" %11.1f", cost.best);
	else
		printf(" %11s", "-");
	print_rate(cost.ns > 0 ? 1e9 / cost.ns : 0);
	if (cost.ir > 0)
		printf(" %6.0f", cost.ir);
	else
		printf(" %6s", "-");
	if (limit)
		printf("  %-24s %9.1f %7.2fx", limit, limit_cost.ns, cost.ns / limit_cost.ns);
	if (goal > 0)
		printf("  goal %.0f: %s", goal, verdict(cost, goal));
	printf("\n");
	fflush(stdout);
	if (!b->json)
		return;
	fprintf(b->json, "%s\n{\"name\": \"%s\", \"ns\": %.2f, \"per_second\": %.1f",
		b->rows++ ? "," : "", name, cost.ns, cost.ns > 0 ? 1e9 / cost.ns : 0);
	if (cost.best > 0)
		fprintf(b->json, ", \"best_ns\": %.2f", cost.best);
	if (cost.ir > 0)
		fprintf(b->json, ", \"instructions\": %.1f", cost.ir);
	if (limit)
		fprintf(b->json, ", \"limit\": \"%s\", \"limit_ns\": %.2f, \"ratio\": %.3f", limit,
			limit_cost.ns, cost.ns / limit_cost.ns);
	if (limit && limit_cost.best > 0)
		fprintf(b->json, ", \"limit_best_ns\": %.2f", limit_cost.best);
	if (goal > 0)
		fprintf(b->json, ", \"goal_ns\": %.2f, \"pass\": %s, \"verdict\": \"%s\"", goal,
			cost.ns <= goal ? "true" : "false", verdict(cost, goal));
	fprintf(b->json, "}");
}

/* From where it stopped, so that all of the memory is seen. */
static void chase(void *arg, uint64_t n)
{
	void ***at = arg, **p = *at;

	while (n--)
		p = *p;
	*at = p;
}

struct bench_cost bench_chase(struct bench *b, uint64_t bytes)
{
	uint64_t lines = bytes / LINE, rng = 1;
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *order = malloc(lines * sizeof(*order));
	struct bench_cost cost;
	void **at;

	if (mem == MAP_FAILED || !order) {
		perror("memory");
		exit(1);
	}
	for (uint64_t i = 0; i < lines; i++)
		order[i] = (uint32_t)i;
	for (uint64_t i = lines - 1; i > 0; i--) {
		uint64_t k = (bench_random(&rng) >> 32) % (i + 1);
		uint32_t swap = order[i];

		order[i] = order[k];
		order[k] = swap;
	}
	for (uint64_t i = 0; i < lines; i++)
		*(void **)(void *)(mem + (uint64_t)order[i] * LINE) =
			mem + (uint64_t)order[(i + 1) % lines] * LINE;
	free(order);
	at = (void **)(void *)mem;
	cost = bench_run(b, chase, &at, bytes > 16 << 20 ? 300000 : 2000000);
	munmap(mem, bytes);
	return cost;
}
