/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs that somebody listens: a map and its unmap, a transfer of 4 KiB, and one through a
 * guest's tables, each beside the same while nobody does. Hosts of one kind each, measured in turn.
 *
 * The sanitizer has no stacks here, which a call under `ioas run --sanitize` takes beside; the
 * recorder's ring is emptied as a writer would, and nothing is written.
 */
#include <err.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "guest.h"
#include "library/private.h"
#include "observe/record.h"
#include "observe/sanitize.h"

#define PAGE  4096ull
#define IOVA  (4ull << 30)
#define PAGES 16u /* that transfers are of */
#define CROWD 20000u
#define BURST 64u /* after so many operations the ring is emptied */

enum kind { OFF, TRACK, SANITIZE, RECORD, KINDS };
static const char *const options[KINDS] = {
	[TRACK] = "tracked", [SANITIZE] = "sanitized", [RECORD] = "recorded"};

struct bed {
	enum kind kind;
	struct guest guest; /* of beds that are behind one; else only host, ctx, port, ioas, mem */
	uint64_t base;	    /* of what transfers are of */
	struct ring ring;
	char buf[PAGE];
};

/* ---- who listens ---- */

static void on_finding(void *arg, const struct finding *f)
{
	errx(1, "a finding: %s", f->text);
}

static void add_sanitizer(struct bed *t, struct host *h)
{
	const struct sanitizer_config cfg = {.sink.report = on_finding, .quiet = t->kind == TRACK};
	struct sanitizer *s;

	guest_check(sanitizer_create(h, &cfg, &s), "sanitizer_create");
}

static void add_recorder(struct bed *t, struct host *h)
{
	struct recorder_config cfg = {.memory_ops = &memory_default_ops};
	int fd = memfd_create("bench-observe", MFD_CLOEXEC);
	struct recorder *rec;

	if (fd < 0 || ftruncate(fd, RING_FILE_SIZE) || ring_map(fd, &t->ring) ||
	    ring_map(fd, &cfg.ring))
		err(1, "the ring");
	close(fd);
	guest_check(recorder_create(&cfg, &rec), "recorder_create");
	guest_check(recorder_attach(rec, h), "recorder_attach");
}

/* Before it has files. */
static void add_observer(struct bed *t, struct host *h)
{
	if (t->kind == RECORD)
		add_recorder(t, h);
	else if (t->kind != OFF)
		add_sanitizer(t, h);
}

static void empty(struct bed *t)
{
	if (t->kind == RECORD)
		__atomic_store_n(&t->ring.shared->tail,
				 __atomic_load_n(&t->ring.shared->head, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
}

/* The word is the process's: while a host that nobody listens to is measured it says so. */
static unsigned short listen_to(const struct bed *t)
{
	const unsigned short was = ioas_observed;

	if (t->kind == OFF)
		__atomic_store_n(&ioas_observed, 0, __ATOMIC_RELAXED);
	return was;
}

/* ---- what is measured ---- */

static void map(struct bed *t, uint64_t iova, uint64_t len)
{
	guest_check(ioas_map(t->guest.ctx, t->guest.ioas, t->guest.mem, len,
			     IOAS_MAP_FIXED | IOAS_MAP_RW, &iova),
		    "ioas_map");
}

static void map_unmap(void *arg, uint64_t n)
{
	struct bed *t = arg;
	const unsigned short was = listen_to(t);

	for (uint64_t i = 0; i < n; i++) {
		map(t, IOVA, PAGE);
		guest_check(ioas_unmap(t->guest.ctx, t->guest.ioas, IOVA, PAGE, NULL),
			    "ioas_unmap");
		if (i % BURST == 0)
			empty(t);
	}
	ioas_observed = was;
}

static void transfer(void *arg, uint64_t n)
{
	struct bed *t = arg;
	const unsigned short was = listen_to(t);

	ioas_port_begin(t->guest.port);
	for (uint64_t i = 0; i < n; i++) {
		guest_check(ioas_port_read(t->guest.port, t->base + i % PAGES * PAGE, t->buf, PAGE),
			    "ioas_port_read");
		if (i % BURST == 0)
			empty(t);
	}
	ioas_port_end(t->guest.port);
	ioas_observed = was;
}

static void plain_create(struct bed *t)
{
	const struct ioas_host_config cfg = {.ipc_lock = true};
	struct ioas_context_config ctx = {0};
	struct guest *g = &t->guest;
	uint32_t pt;

	guest_check(ioas_host_create(&cfg, &g->host, NULL, 0), "ioas_host_create");
	add_observer(t, g->host->host);
	guest_check(ioas_port_create(g->host, GUEST_RID, &g->port), "ioas_port_create");
	ctx.host = g->host;
	guest_check(ioas_context_open(&ctx, &g->ctx), "ioas_context_open");
	g->mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	guest_check(g->mem == MAP_FAILED ? -12 : 0, "mmap");
	guest_check(ioas_memory_register(g->host, g->mem, PAGES * PAGE), "ioas_memory_register");
	guest_check(ioas_create(g->ctx, &g->ioas), "ioas_create");
	guest_check(ioas_port_bind(g->port, ioas_context_file(g->ctx), &g->dev), "ioas_port_bind");
	pt = g->ioas;
	guest_check(ioas_port_attach(g->port, &pt), "ioas_port_attach");
	t->base = 2 * IOVA;
	map(t, t->base, PAGES * PAGE);
}

/* Where a map is cheapest: in an IOAS that nothing is attached to; among many. */
static void crowd_create(struct bed *t)
{
	const struct ioas_host_config cfg = {.ipc_lock = true};
	struct ioas_context_config ctx = {0};
	struct guest *g = &t->guest;

	guest_check(ioas_host_create(&cfg, &g->host, NULL, 0), "ioas_host_create");
	add_observer(t, g->host->host);
	ctx.host = g->host;
	guest_check(ioas_context_open(&ctx, &g->ctx), "ioas_context_open");
	g->mem = mmap(NULL, (CROWD + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	guest_check(g->mem == MAP_FAILED ? -12 : 0, "mmap");
	guest_check(ioas_memory_register(g->host, g->mem, (CROWD + 1) * PAGE),
		    "ioas_memory_register");
	guest_check(ioas_create(g->ctx, &g->ioas), "ioas_create");
	for (uint64_t i = 1; i <= CROWD; i++) {
		uint64_t iova = IOVA + (i + CROWD) * PAGE;

		guest_check(ioas_map(g->ctx, g->ioas, (char *)g->mem + i * PAGE, PAGE,
				     IOAS_MAP_FIXED | IOAS_MAP_RW, &iova),
			    "ioas_map");
		empty(t);
	}
}

static void nested_create(struct bed *t)
{
	struct ioas_host *h = guest_host();

	add_observer(t, h->host);
	guest_create_on(&t->guest, h, 0);
	t->base = GUEST_VA;
}

static void measure(struct bench *b, struct bed *beds, const char *name,
		    void (*fn)(void *arg, uint64_t n), uint64_t n)
{
	struct bench_step steps[KINDS];
	struct bench_cost cost[KINDS];
	char row[80];

	for (unsigned int k = 0; k < KINDS; k++)
		steps[k] = (struct bench_step){fn, &beds[k]};
	bench_steps(b, steps, KINDS, n, cost);
	for (unsigned int k = OFF + 1; k < KINDS; k++) {
		snprintf(row, sizeof(row), "%s, %s", name, options[k]);
		bench_row(b, row, cost[k], "the same, nobody listens", cost[OFF]);
	}
}

int main(int argc, char **argv)
{
	static struct bed plain[KINDS], crowd[KINDS], nested[KINDS];
	struct bench b;

	bench_begin(&b, argc, argv);
	for (unsigned int k = 0; k < KINDS; k++) {
		plain[k].kind = crowd[k].kind = nested[k].kind = (enum kind)k;
		plain_create(&plain[k]);
		crowd_create(&crowd[k]);
		nested_create(&nested[k]);
	}
	measure(&b, plain, "map+unmap 4 KiB", map_unmap, 20000);
	measure(&b, crowd, "map+unmap 4 KiB of 20,000, no device", map_unmap, 20000);
	measure(&b, plain, "DMA read of 4 KiB", transfer, 100000);
	measure(&b, nested, "nested DMA read of 4 KiB", transfer, 100000);
	return bench_end(&b);
}
