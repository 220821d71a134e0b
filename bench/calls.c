/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole calls through libioas: IOMMU_IOAS_MAP and then IOMMU_IOAS_UNMAP, ABI checks and all, in an
 * IOAS without a device, with a device that is idle, and with one that does DMA all the time.
 *
 * Memory that was registered is not looked at. Of memory that was not, each page is checked; it is
 * beside what the kernel takes to answer the same questions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <ioas/abi/extensions.h>
#include <ioas/ioas.h>

#include "bench.h"

#define KB (1ull << 10)
#define MB (1ull << 20)
#define GB (1ull << 30)

/* What the device reads: as much, over and over, in an area of its own. */
#define DMA_IOVA (16 * GB)
#define DMA_LEN	 (256 * KB)

struct bed {
	struct ioas_host *host;
	struct ioas_port *port, *second;
	int fd;
	uint32_t ioas;
	char *mem; /* 1 GiB, from a multiple of 1 GiB on */
	char *dma; /* DMA_LEN bytes */
	bool registered;
	int maps; /* /proc/self/maps, for a while */
	/* Of one row. */
	uint64_t len;
	uint64_t dmas; /* that have been done */
};

static const struct {
	const char *name;
	uint64_t len, registered_ops, other_ops;
} sizes[] = {{"4 KiB", 4 * KB, 200000, 50000},
	     {"2 MiB", 2 * MB, 200000, 5000},
	     {"1 GiB", GB, 100000, 20}};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static void check(long rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror((int)-rc));
	exit(1);
}

static void map(struct bed *t, void *va, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = t->ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};

	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_MAP, (uintptr_t)&cmd), "IOMMU_IOAS_MAP");
}

static void unmap(struct bed *t, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = t->ioas, .iova = iova, .length = len};

	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_UNMAP, (uintptr_t)&cmd), "IOMMU_IOAS_UNMAP");
}

static void *memory(uint64_t len, uint64_t align)
{
	char *mem = mmap(NULL, len + align, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check(mem == MAP_FAILED ? -errno : 0, "memory");
	return (void *)(((uintptr_t)mem + align - 1) & ~(uintptr_t)(align - 1));
}

static void bed_create(struct bed *t, bool registered)
{
	struct ioas_host_config cfg = {.ipc_lock = true};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	char why[200];

	*t = (struct bed){.registered = registered};
	check(ioas_host_create(&cfg, &t->host, why, sizeof(why)), "ioas_host_create");
	check(ioas_port_create(t->host, 0x100, &t->port), "ioas_port_create");
	check(ioas_port_create(t->host, 0x101, &t->second), "ioas_port_create");
	t->mem = memory(GB, GB);
	t->dma = memory(DMA_LEN, 2 * MB);
	memset(t->dma, 1, DMA_LEN);
	check(ioas_memory_register(t->host, t->dma, DMA_LEN), "ioas_memory_register");
	if (registered)
		check(ioas_memory_register(t->host, t->mem, GB), "ioas_memory_register");
	t->fd = ioas_open(t->host, "/dev/iommu");
	check(t->fd, "/dev/iommu");
	check(ioas_ioctl(t->host, t->fd, IOMMU_IOAS_ALLOC, (uintptr_t)&alloc), "IOMMU_IOAS_ALLOC");
	t->ioas = alloc.out_ioas_id;
}

static void attach(struct bed *t, struct ioas_port *port)
{
	uint32_t pt = t->ioas;

	check(ioas_port_bind(port, t->fd, NULL), "ioas_port_bind");
	check(ioas_port_attach(port, &pt), "ioas_port_attach");
}

static void detach(struct ioas_port *port)
{
	ioas_port_detach(port);
	ioas_port_unbind(port);
}

static void bed_attach(struct bed *t)
{
	attach(t, t->port);
	map(t, t->dma, DMA_IOVA, DMA_LEN);
}

static void bed_destroy(struct bed *t)
{
	detach(t->port);
	ioas_host_destroy(t->host);
	munmap(t->mem, GB);
	munmap(t->dma, DMA_LEN);
}

static void map_unmap(void *arg, uint64_t n)
{
	struct bed *t = arg;

	while (n--) {
		map(t, t->mem, 4 * GB, t->len);
		unmap(t, 4 * GB, t->len);
	}
}

/* An array of that many pages, two apart, in one call each. */
#define MANY 64
static void call_array(struct bed *t, unsigned int word, uint32_t flags, struct iommu_ioas_range *r)
{
	struct iommu_ioas_array cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .ioas_id = t->ioas,
				       .count = MANY,
				       .ranges = (uintptr_t)r};

	check(ioas_ioctl(t->host, t->fd, word, (uintptr_t)&cmd), "an array command");
}

static void map_unmap_array(void *arg, uint64_t n)
{
	struct bed *t = arg;
	struct iommu_ioas_range r[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		r[i] = (struct iommu_ioas_range){(uintptr_t)t->mem + 2 * i * 4 * KB, 4 * KB,
						 4 * GB + 2 * i * 4 * KB};
	while (n--) {
		call_array(t, IOMMU_IOAS_MAP_ARRAY,
			   IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
				   IOMMU_IOAS_MAP_WRITEABLE,
			   r);
		call_array(t, IOMMU_IOAS_UNMAP_ARRAY, 0, r);
	}
}

/* The same by single calls. */
static void map_unmap_singly(void *arg, uint64_t n)
{
	struct bed *t = arg;

	while (n--) {
		for (unsigned int i = 0; i < MANY; i++)
			map(t, t->mem + 2 * i * 4 * KB, 4 * GB + 2 * i * 4 * KB, 4 * KB);
		for (unsigned int i = 0; i < MANY; i++)
			unmap(t, 4 * GB + 2 * i * 4 * KB, 4 * KB);
	}
}

/* Each map or unmap of them. */
static struct bench_cost each(struct bench_cost c)
{
	return (struct bench_cost){c.ns / (2 * MANY), c.best / (2 * MANY), c.ir / (2 * MANY)};
}

static void bench_arrays(struct bench *b, struct bed *t)
{
	struct bench_cost single = each(bench_run(b, map_unmap_singly, t, 3000));

	bench_row(b, "a map or an unmap, 64 single calls each", single, "an empty ioctl",
		  bench_ioctl(b));
	bench_row(b, "a map or an unmap, in arrays of 64",
		  each(bench_run(b, map_unmap_array, t, 3000)), "a single call", single);
}

static const char *row_name(const struct bed *t, const char *size, const char *device)
{
	static char name[80];

	snprintf(name, sizeof(name), "map+unmap %s, %s memory, %s", size,
		 t->registered ? "registered" : "other", device);
	return name;
}

/* What libioas asks the kernel about a page that is not registered, and nothing less tells it: what
 * kind of VMA it is in, and that it is there and may be written. */
static void ask_vma(void *arg, uint64_t n)
{
	const struct bed *t = arg;
	/* Linux 6.11, Documentation/filesystems/proc.rst. */
	struct {
		uint64_t size, flags, addr, answer[6];
		uint32_t dev[2], sizes[2];
		uint64_t pointers[2];
	} query = {.size = sizeof(query), .addr = (uintptr_t)t->mem};

	while (n--)
		ioctl(t->maps, _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, sizeof(query)), &query);
}

static void write_by_kernel(void *arg, uint64_t n)
{
	const struct bed *t = arg;
	uint32_t here = 0;

	while (n--)
		syscall(SYS_futex, &here, FUTEX_WAKE_OP_PRIVATE, 0, NULL, t->mem,
			FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, -2048));
}

#define SOME (16 * MB)
static void look(void *arg, uint64_t n)
{
	const struct bed *t = arg;
	unsigned char there[SOME / (4 * KB)];

	while (n--)
		for (uint64_t at = 0; at < t->len; at += SOME)
			mincore(t->mem + at, t->len - at < SOME ? t->len - at : SOME, there);
}

/* The limit of a map and unmap of memory that is not registered. */
static struct bench_cost bench_questions(struct bench *b, struct bed *t, const char **what)
{
	struct bench_cost ask, touch;

	if (t->len > 4 * KB) {
		*what = "mincore of its pages";
		return bench_run(b, look, t, t->len > 2 * MB ? 10 : 1000);
	}
	t->maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	check(t->maps < 0 ? -errno : 0, "/proc/self/maps");
	ask = bench_run(b, ask_vma, t, 50000);
	close(t->maps);
	touch = bench_run(b, write_by_kernel, t, 50000);
	bench_row(b, "  the kernel: PROCMAP_QUERY of its VMA", ask, NULL, (struct bench_cost){0});
	bench_row(b, "  the kernel: a futex operation in it", touch, NULL, (struct bench_cost){0});
	*what = "these two questions";
	return bench_sum(ask, touch);
}

static struct bench_cost twice(struct bench_cost c)
{
	return bench_sum(c, c);
}

/* One row for each size. */
static void bench_sizes(struct bench *b, struct bed *t, const char *device)
{
	for (size_t i = 0; i < SIZES; i++) {
		uint64_t n = t->registered ? sizes[i].registered_ops : sizes[i].other_ops;
		const char *what = "two empty ioctls";
		struct bench_cost cost, limit;

		t->len = sizes[i].len;
		cost = bench_run(b, map_unmap, t, n);
		limit = t->registered ? twice(bench_ioctl(b)) : bench_questions(b, t, &what);
		bench_row(b, row_name(t, sizes[i].name, device), cost, what, limit);
	}
}

struct busy {
	struct bed *bed;
	const struct bench *b;
	uint64_t piece; /* bytes of each DMA */
	bool running, stop;
	int rc;
};

static void until_dma(void *arg)
{
	const struct bed *t = arg;
	uint64_t seen = __atomic_load_n(&t->dmas, __ATOMIC_RELAXED);

	while (__atomic_load_n(&t->dmas, __ATOMIC_RELAXED) == seen)
		__builtin_ia32_pause();
}

static void *run_busy(void *arg)
{
	struct busy *busy = arg;
	char *own = malloc(busy->piece);

	bench_pin(busy->b, 1);
	busy->rc = own ? 0 : -ENOMEM;
	ioas_port_begin(busy->bed->port);
	__atomic_store_n(&busy->running, true, __ATOMIC_RELEASE);
	for (uint64_t at = 0; !busy->rc && !__atomic_load_n(&busy->stop, __ATOMIC_RELAXED);
	     at = (at + busy->piece) % DMA_LEN) {
		busy->rc = ioas_port_read(busy->bed->port, DMA_IOVA + at, own, busy->piece);
		__atomic_fetch_add(&busy->bed->dmas, 1, __ATOMIC_RELAXED);
	}
	ioas_port_end(busy->bed->port);
	free(own);
	return NULL;
}

static void at_once(void *arg)
{
}

/* What the same calls take while the device reads, and what of that is the wait for it. */
static void bench_busy(struct bench *b, struct bed *t, uint64_t piece)
{
	struct bench_cost limit = bench_membarrier(b), idle[SIZES], cost;
	size_t nr_sizes = t->registered ? SIZES : 1;
	struct busy busy = {.bed = t, .b = b, .piece = piece};
	char device[40];
	pthread_t thread;

	snprintf(device, sizeof(device), "%llu KiB DMA", (unsigned long long)(piece / KB));
	bench_pin(b, 0);
	for (size_t i = 0; i < nr_sizes; i++) {
		t->len = sizes[i].len;
		idle[i] = bench_each(b, at_once, map_unmap, t, 5000);
	}
	check(-pthread_create(&thread, NULL, run_busy, &busy), "pthread_create");
	while (!__atomic_load_n(&busy.running, __ATOMIC_ACQUIRE))
		sched_yield();
	for (size_t i = 0; i < nr_sizes; i++) {
		t->len = sizes[i].len;
		cost = bench_each(b, until_dma, map_unmap, t, 5000);
		bench_row(b, row_name(t, sizes[i].name, device), cost, "membarrier", limit);
		cost = (struct bench_cost){.ns = cost.ns > idle[i].ns ? cost.ns - idle[i].ns : 0};
		bench_row(b, "  of which it waits for the device", cost, "membarrier", limit);
	}
	__atomic_store_n(&busy.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	bench_pin(b, -1);
	check(busy.rc, "ioas_port_read");
}

/* Devices that read 64 bytes from random pages, each on a core of its own, and perhaps maps and
 * unmaps beside them. */
struct race {
	struct bed *bed;
	const struct bench *b;
	struct ioas_port *port;
	int core, rc;
	bool *go;
	uint64_t n;
	double ns; /* each */
};

static void *run_race(void *arg)
{
	struct race *r = arg;
	struct timespec begin, end;
	uint64_t random = (uint64_t)r->core + 1;
	char own[64];

	bench_pin(r->b, r->core);
	while (!__atomic_load_n(r->go, __ATOMIC_ACQUIRE))
		sched_yield();
	/* A reader waits for nobody: what it got of its core is all that it took. */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	ioas_port_begin(r->port);
	for (uint64_t i = 0; i < r->n && !r->rc; i++)
		r->rc = ioas_port_read(
			r->port, DMA_IOVA + bench_random(&random) % (DMA_LEN / 64) * 64, own, 64);
	ioas_port_end(r->port);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	r->ns = ((double)(end.tv_sec - begin.tv_sec) * 1e9 +
		 (double)(end.tv_nsec - begin.tv_nsec)) /
		(double)r->n;
	return NULL;
}

/* The mean of what @devices took for one read; the best of several rounds. */
static struct bench_cost race(struct bench *b, struct bed *t, unsigned int devices, bool maps)
{
	uint64_t n = b->quick ? 200000 : 5000000;
	struct bench_cost best = {.ns = 1e12};

	for (int round = 0; round < 5; round++) {
		struct race r[2];
		pthread_t thread[2];
		bool go = false;
		double ns = 0;

		for (unsigned int i = 0; i < devices; i++) {
			r[i] = (struct race){.bed = t,
					     .b = b,
					     .port = i ? t->second : t->port,
					     .core = (int)i,
					     .go = &go,
					     .n = n};
			check(-pthread_create(&thread[i], NULL, run_race, &r[i]), "pthread_create");
		}
		__atomic_store_n(&go, true, __ATOMIC_RELEASE);
		if (maps) {
			bench_pin(b, (int)devices);
			for (uint64_t i = 0; i < n / 60; i++)
				map_unmap(t, 1);
			bench_pin(b, -1);
		}
		for (unsigned int i = 0; i < devices; i++) {
			pthread_join(thread[i], NULL);
			check(r[i].rc, "ioas_port_read");
			ns += r[i].ns / devices;
		}
		best.ns = ns < best.ns ? ns : best.ns;
	}
	return best;
}

static void bench_threads(struct bench *b, struct bed *t)
{
	struct bench_cost alone;

	t->len = 4 * KB;
	attach(t, t->second);
	alone = race(b, t, 1, false);
	bench_row(b, "a read of 64 bytes, one device", alone, NULL, (struct bench_cost){0});
	bench_row(b, "a read of 64 bytes, two devices: each", race(b, t, 2, false), "one device",
		  alone);
	bench_row(b, "a read of 64 bytes beside maps and unmaps", race(b, t, 1, true),
		  "without them", alone);
	if (CPU_COUNT(&b->cpus) > 2)
		bench_row(b, "a read of 64 bytes, two devices, beside maps and unmaps: each",
			  race(b, t, 2, true), "one device", alone);
	detach(t->second);
}

int main(int argc, char **argv)
{
	struct bench b;
	struct bed t;

	bench_begin(&b, argc, argv);
	for (int registered = 1; registered >= 0; registered--) {
		bed_create(&t, registered);
		if (!registered)
			memset(t.mem, 1, GB);
		t.len = 4 * KB;
		bench_row(&b, row_name(&t, "4 KiB", "no device"),
			  bench_run(&b, map_unmap, &t, registered ? 200000 : 50000),
			  "two empty ioctls", twice(bench_ioctl(&b)));
		bed_attach(&t);
		bench_sizes(&b, &t, "idle device");
		if (registered)
			bench_arrays(&b, &t);
		if (registered)
			bench_threads(&b, &t);
		bench_busy(&b, &t, 4 * KB);
		if (registered)
			bench_busy(&b, &t, 64 * KB);
		bed_destroy(&t);
	}
	return bench_end(&b);
}
