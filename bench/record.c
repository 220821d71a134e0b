/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `ioas run --record` costs the program: one event of each kind that comes often, as the
 * engine tells it, into a ring that somebody empties. No file is written here.
 */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/observe.h"
#include "bench.h"
#include "dma/dma.h"
#include "object/host.h"
#include "observe/record.h"
#include "space/space.h"

struct bed {
	struct host *host;
	struct host_device *device;
	struct dma_port port;
	struct pages *pages;
	struct ring ring; /* the taker's view */
	struct translation tr;
	char bytes[4096];
};

/* As if all had been taken: so the figure is the program's part alone. */
static void empty(struct bed *t)
{
	__atomic_store_n(&t->ring.shared->tail,
			 __atomic_load_n(&t->ring.shared->head, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

#define EVENT(name, kind, type, ...)                                                               \
	static void name(void *arg, uint64_t n)                                                    \
	{                                                                                          \
		struct bed *t = arg;                                                               \
                                                                                                   \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			observe_##kind(&t->host->sink, &(struct event_##type){__VA_ARGS__});       \
			if (i % 1024 == 0)                                                         \
				empty(t);                                                          \
		}                                                                                  \
		empty(t);                                                                          \
	}

EVENT(a_map, map, map, .space = (struct space *)t, .iova = i << 12, .last = (i << 12) + 4095,
      .pages = t->pages, .prot = 3)
EVENT(a_unmap, unmap, unmap, (struct space *)t, i << 12, (i << 12) + 4095)
EVENT(a_dma_begin, dma_begin, dma, .port = &t->port, .iova = i << 12, .len = 4096, .access = 1)
EVENT(a_dma_step, dma_step, dma_step, .port = &t->port, .iova = i << 12, .access = 1, .tr = &t->tr)
EVENT(a_guest_read, guest_read, guest_read, .requester = t->device->requester, .gpa = i << 3,
      .word = i << 12 | 7)
EVENT(a_dma_end_read, dma_end, dma, .port = &t->port, .iova = i << 12, .len = 4096, .done = 4096,
      .access = 1, .data = t->bytes)
EVENT(a_dma_end_write, dma_end, dma, .port = &t->port, .iova = i << 12, .len = 4096, .done = 4096,
      .access = 2, .data = t->bytes)

static void clock_read(void *arg, uint64_t n)
{
	struct timespec t;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static void set_up(struct bed *t)
{
	struct recorder_config cfg = {.memory_ops = &memory_default_ops};
	const struct memory_payer nobody = {0};
	int fd = memfd_create("bench-record", MFD_CLOEXEC);
	struct recorder *rec;
	char why[256];

	if (fd < 0 || ftruncate(fd, RING_FILE_SIZE) || ring_map(fd, &t->ring) ||
	    ring_map(fd, &cfg.ring))
		err(1, "the ring");
	close(fd);
	if (recorder_create(&cfg, &rec) ||
	    host_create(&(struct host_config){.iommu = "vtd"}, &t->host, why, sizeof(why)) ||
	    host_add_device(t->host, "0000:01:00.0", 0x100, -1, &t->device) ||
	    recorder_attach(rec, t->host) ||
	    pages_from_va(t->host->memory, &nobody, (uintptr_t)t->bytes & ~4095ull, 4096, true,
			  false, &t->pages))
		errx(1, "the host");
	dma_port_init(&t->port, t->device->requester, t->host->memory);
	t->tr = (struct translation){
		.slot = memory_slot(t->host->memory, 0), .ptr = t->bytes, .len = 4096};
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void *arg, uint64_t n);
	} rows[] = {
		{"record a map", a_map},
		{"record an unmap", a_unmap},
		{"record a transfer's beginning", a_dma_begin},
		{"record a step of a transfer", a_dma_step},
		{"record a word of a guest's tables", a_guest_read},
		{"record the end of a read of 4 KiB", a_dma_end_read},
		{"record the end of a write of 4 KiB", a_dma_end_write},
	};
	static struct bed bed;
	struct bench_cost clock;
	struct bench b;

	bench_begin(&b, argc, argv);
	set_up(&bed);
	clock = bench_run(&b, clock_read, NULL, 1000000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bench_row(&b, rows[i].name, bench_run(&b, rows[i].fn, &bed, 1000000),
			  "reading the clock", clock);
	return bench_end(&b);
}
