/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation and a guest's invalidations.
 *
 * Translations are of one make, plain and nested in turn, all of single pages. With warm walk
 * caches a miss is a page that was just forgotten, as a guest's TLBI has it forgotten; or with what
 * stage 2 says of it as well. And there are misses as they come when the pages used are sixteen
 * times what the IOTLB holds.
 *
 * Invalidations are TLBIs of single pages that are no neighbours, in whole calls and through a
 * queue that the engine consumes. What a queue takes is the quickest of the rounds: whose thread
 * the scheduler keeps waiting on a busy machine is not the engine's.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <ioas/abi/iommufd.h>

#include "bench.h"
#include "guest.h"
#include "iommu/nested_cache.h"

#define QUEUE_LG2 15
#define FEW	  512 /* pages: 2 MiB */

/* ---- translation ---- */

/* One of the two devices: behind a nested domain, or a plain one that shows the same memory. */
struct road {
	struct requester *r;
	const struct domain *parent; /* NULL: plain */
	uint64_t pages, rng;
};

static void translate_one(const struct road *road, uint64_t page)
{
	struct translation t;

	guest_check(iommu_translate(road->r, GUEST_VA + page * GUEST_PAGE, 64, IOMMU_READ, &t),
		    "a translation");
	bench_use((uintptr_t)t.ptr);
}

static void translate_random(void *arg, uint64_t n)
{
	struct road *road = arg;

	epoch_enter(requester_epoch(road->r));
	while (n--)
		translate_one(road, (bench_random(&road->rng) >> 32) % road->pages);
	epoch_exit(requester_epoch(road->r));
}

/* As a TLBI of the page leaves it. */
static void forget(const struct road *road, uint64_t page)
{
	uint64_t va = GUEST_VA + page * GUEST_PAGE;

	iotlb_forget(&road->r->iotlb, road->r->rid.tlb, va, va);
}

static void forget_stage2(const struct road *road, uint64_t page)
{
	uint64_t gpa = guest_gpa(page);

	if (road->parent)
		iotlb_forget(&road->r->iotlb, &nested_stage2(road->r, road->parent)->leaves, gpa,
			     gpa);
}

static void translate_forgotten(void *arg, uint64_t n)
{
	const struct road *road = arg;

	epoch_enter(requester_epoch(road->r));
	for (uint64_t page = 0; n--; page = (page + 37) % FEW) {
		forget(road, page);
		translate_one(road, page);
	}
	epoch_exit(requester_epoch(road->r));
}

static void translate_forgotten_twice(void *arg, uint64_t n)
{
	const struct road *road = arg;

	epoch_enter(requester_epoch(road->r));
	for (uint64_t page = 0; n--; page = (page + 37) % FEW) {
		forget(road, page);
		forget_stage2(road, page);
		translate_one(road, page);
	}
	epoch_exit(requester_epoch(road->r));
}

/* No cache but that of the configuration. */
static void translate_cold(void *arg, uint64_t n)
{
	const struct road *road = arg;
	struct requester *r = road->r;
	struct nested_space *s;

	epoch_enter(requester_epoch(r));
	for (uint64_t page = 0; n--; page = (page + 37) % FEW) {
		s = container_of(r->rid.tlb, struct nested_space, leaves);
		iotlb_forget_context(&r->iotlb, &s->leaves);
		for (unsigned int level = 0; level < NESTED_TABLES; level++)
			iotlb_forget_context(&r->iotlb, &s->tables[level]);
		iotlb_forget_context(&r->iotlb, &nested_stage2(r, road->parent)->leaves);
		translate_one(road, page);
	}
	epoch_exit(requester_epoch(r));
}

static void translate_unconfigured(void *arg, uint64_t n)
{
	const struct road *road = arg;

	for (; n; n--) {
		nested_forget_config(road->r, IOMMU_ALL_PASIDS);
		epoch_enter(requester_epoch(road->r));
		requester_catch_up(road->r);
		translate_one(road, 0);
		epoch_exit(requester_epoch(road->r));
	}
}

/* Short rounds, and many of them: other work on the machine does not meet each. */
static struct bench_cost run(struct bench *b, void (*fn)(void *arg, uint64_t n), void *arg,
			     uint64_t n)
{
	const struct bench_step step = {fn, arg};
	struct bench_cost cost;

	bench_steps(b, &step, 1, n, &cost);
	return cost;
}

static void row_ratio(struct bench *b, const char *name, void (*fn)(void *arg, uint64_t n),
		      struct road *plain, struct road *nested, uint64_t n)
{
	const struct bench_step steps[] = {{fn, plain}, {fn, nested}};
	struct bench_cost cost[2];

	bench_steps(b, steps, 2, n, cost);
	bench_row(b, name, cost[1], "the same, plain", cost[0]);
}

/* How many entries of tables each of @fn's translations reads. */
static void row_loads(struct bench *b, const char *name, void (*fn)(void *arg, uint64_t n),
		      struct road *nested)
{
	const uint64_t n = 1000, before = nested->r->stats.loads;

	fn(nested, n);
	bench_row(b, name,
		  (struct bench_cost){.ns = (double)(nested->r->stats.loads - before) / (double)n},
		  NULL, (struct bench_cost){0});
}

/* An IOAS in which a second device reads the same pages at the same addresses. */
static void make_plain(struct guest *g, struct ioas_port *port)
{
	uint32_t ioas;

	guest_check(ioas_create(g->ctx, &ioas), "ioas_create");
	guest_check(ioas_set_option(g->ctx, IOAS_OPTION_HUGE_PAGES, ioas, 0), "single pages");
	for (uint64_t page = 0; page < GUEST_PAGES; page++) {
		uint64_t iova = GUEST_VA + page * GUEST_PAGE;

		guest_check(ioas_map(g->ctx, ioas, guest_ptr(g, guest_gpa(page)), GUEST_PAGE,
				     IOAS_MAP_FIXED | IOAS_MAP_RW, &iova),
			    "ioas_map");
	}
	guest_check(ioas_port_bind(port, ioas_context_file(g->ctx), NULL), "ioas_port_bind");
	guest_check(ioas_port_attach(port, &ioas), "ioas_port_attach");
}

static void bench_translate(struct bench *b)
{
	struct road plain = {.pages = FEW}, nested = {.pages = FEW};
	struct ioas_port *port;
	struct guest g;

	guest_create(&g, 0);
	guest_check(ioas_port_create(g.host, GUEST_RID + 1, &port), "ioas_port_create");
	make_plain(&g, port);
	nested.r = guest_requester(&g, GUEST_RID);
	nested.parent = requester_domain(nested.r)->parent;
	plain.r = guest_requester(&g, GUEST_RID + 1);
	requester_begin(nested.r);
	requester_begin(plain.r);

	row_ratio(b, "nested translation, 2 MiB: hits", translate_random, &plain, &nested, 50000);
	row_ratio(b, "nested translation, a miss after a TLBI", translate_forgotten, &plain,
		  &nested, 2000);
	row_loads(b, "  entries that it reads after a TLBI", translate_forgotten, &nested);
	row_ratio(b, "nested translation, a miss of stage 2 too", translate_forgotten_twice, &plain,
		  &nested, 2000);
	row_loads(b, "  entries that it reads in both stages", translate_forgotten_twice, &nested);
	plain.pages = nested.pages = GUEST_PAGES;
	row_ratio(b, "nested translation, 256 MiB at random", translate_random, &plain, &nested,
		  2000);
	row_loads(b, "  entries that it reads, on average", translate_random, &nested);
	bench_row(b, "nested translation, nothing cached", run(b, translate_cold, &nested, 1000),
		  "chase in 4 KiB", bench_chase(b, 4096));
	row_loads(b, "  entries that a cold nested translation reads", translate_cold, &nested);
	bench_row(b, "nested translation, configuration not cached",
		  run(b, translate_unconfigured, &nested, 1000), "chase in 4 KiB",
		  bench_chase(b, 4096));

	requester_end(plain.r);
	requester_end(nested.r);
	ioas_port_unbind(port);
	guest_destroy(&g);
}

/* ---- invalidation ---- */

struct invalidation {
	struct guest g;
	const struct bench *b;
	struct guest_command commands[GUEST_BATCH];
	uint32_t batch;
	bool read; /* the device does, after each call */
	/* A device that reads all the time. */
	pthread_t thread;
	bool running, stop;
};

static void read_once(struct invalidation *v, uint64_t page)
{
	uint64_t word;

	guest_check(ioas_port_read(v->g.port, GUEST_VA + page * GUEST_PAGE, &word, sizeof(word)),
		    "ioas_port_read");
}

static void by_calls(void *arg, uint64_t n)
{
	struct invalidation *v = arg;

	for (uint64_t done = 0; done < n; done += v->batch) {
		guest_invalidate(&v->g, v->commands, v->batch);
		if (!v->read)
			continue;
		ioas_port_begin(v->g.port);
		read_once(v, 1);
		ioas_port_end(v->g.port);
	}
}

static void by_queue(void *arg, uint64_t n)
{
	struct invalidation *v = arg;

	guest_produce(&v->g, n);
}

static void *keep_reading(void *arg)
{
	struct invalidation *v = arg;

	bench_pin(v->b, 1);
	ioas_port_begin(v->g.port);
	__atomic_store_n(&v->running, true, __ATOMIC_RELEASE);
	for (uint64_t page = 0; !__atomic_load_n(&v->stop, __ATOMIC_RELAXED);
	     page = (page + 37) % FEW)
		read_once(v, page);
	ioas_port_end(v->g.port);
	return NULL;
}

static void start_reading(struct invalidation *v)
{
	v->running = v->stop = false;
	bench_pin(v->b, 0);
	guest_check(-pthread_create(&v->thread, NULL, keep_reading, v), "pthread_create");
	while (!__atomic_load_n(&v->running, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void stop_reading(struct invalidation *v)
{
	__atomic_store_n(&v->stop, true, __ATOMIC_RELAXED);
	pthread_join(v->thread, NULL);
	bench_pin(v->b, -1);
}

static void begin_invalidation(struct invalidation *v, const struct bench *b, unsigned int queue)
{
	*v = (struct invalidation){.b = b, .batch = GUEST_BATCH};
	guest_create(&v->g, queue);
	for (uint32_t n = 0; n < GUEST_BATCH; n++)
		v->commands[n] = guest_tlbi(2 * n);
	ioas_port_begin(v->g.port);
	read_once(v, 0);
	ioas_port_end(v->g.port);
}

static struct bench_cost quickest(struct bench_cost cost)
{
	return (struct bench_cost){.ns = cost.best, .best = cost.best};
}

static struct bench_cost bench_calls(struct bench *b)
{
	const struct bench_cost ioctl = bench_ioctl(b);
	struct bench_cost cost;
	struct invalidation v;

	begin_invalidation(&v, b, 0);
	v.batch = 1;
	bench_row(b, "TLBI, a call for each, device idle", run(b, by_calls, &v, 1000),
		  "an empty ioctl", ioctl);
	v.batch = GUEST_BATCH;
	cost = run(b, by_calls, &v, 1 << 14);
	bench_row(b, "TLBI, calls of 256, device idle", cost, "an empty ioctl", ioctl);
	v.read = true;
	bench_row(b, "TLBI, calls of 256, the device reads after each",
		  run(b, by_calls, &v, 1 << 14), "an empty ioctl", ioctl);
	v.read = false;
	start_reading(&v);
	bench_row(b, "TLBI, calls of 256, device busy", run(b, by_calls, &v, 1 << 13),
		  "an empty ioctl", ioctl);
	v.batch = 1;
	bench_row(b, "TLBI, a call for each, device busy", run(b, by_calls, &v, 300),
		  "an empty ioctl", ioctl);
	stop_reading(&v);
	for (uint32_t n = 0; n < GUEST_BATCH; n++)
		v.commands[n] = guest_tlbi(n);
	v.batch = GUEST_BATCH;
	bench_row(b, "TLBI, calls of 256 neighbours, device idle", run(b, by_calls, &v, 1 << 14),
		  "an empty ioctl", ioctl);
	guest_destroy(&v.g);
	return quickest(cost);
}

/* A device with a cache of its own, which is asked each time that all before is done. */
static void bench_mixed(struct bench *b)
{
	const struct bench_cost ioctl = bench_ioctl(b);
	struct invalidation v;

	begin_invalidation(&v, b, 0);
	guest_check(requester_add_ats(guest_requester(&v.g, GUEST_RID), false), "ATS");
	for (uint32_t n = 1; n < GUEST_BATCH; n += 2)
		v.commands[n] = guest_atc_inv(2 * n);
	bench_row(b, "TLBI and ATC_INV in turn, calls of 256, device idle",
		  run(b, by_calls, &v, 1 << 14), "an empty ioctl", ioctl);
	start_reading(&v);
	bench_row(b, "TLBI and ATC_INV in turn, calls of 256, device busy",
		  run(b, by_calls, &v, 1 << 12), "an empty ioctl", ioctl);
	stop_reading(&v);
	guest_destroy(&v.g);
}

static void bench_queue(struct bench *b, struct bench_cost by_call)
{
	struct invalidation v;

	begin_invalidation(&v, b, QUEUE_LG2);
	guest_fill_queue(&v.g, v.commands, GUEST_BATCH);
	bench_row(b, "TLBI by a queue, device idle", quickest(run(b, by_queue, &v, 1 << 15)),
		  "by calls of 256", by_call);
	start_reading(&v);
	bench_row(b, "TLBI by a queue, device busy", quickest(run(b, by_queue, &v, 1 << 14)),
		  "by calls of 256", by_call);
	stop_reading(&v);
	guest_destroy(&v.g);
}

int main(int argc, char **argv)
{
	struct bench b;

	bench_begin(&b, argc, argv);
	bench_translate(&b);
	bench_queue(&b, bench_calls(&b));
	bench_mixed(&b);
	return bench_end(&b);
}
