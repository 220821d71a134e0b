/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a call costs in the process that has the engine, and beside it in another one: the same map and
 * unmap of one page, the same register. Run it as `ioas run --device nvme,size=64M -- bench-shared`.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ioas/abi/iommufd.h>

#include "bench.h"
#include "vfio_road.h"

#define PAGE	  4096
#define REG_VS	  0x08
#define REG_INTMS 0x0c

struct bed {
	struct road road;
	void *mem;
	volatile uint32_t *regs;
	uint64_t regs_at;
};

static void map_unmap(void *arg, uint64_t n)
{
	struct bed *t = arg;

	while (n--) {
		struct iommu_ioas_map map = {
			.size = sizeof(map),
			.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
				 IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = t->road.ioas,
			.user_va = (uintptr_t)t->mem,
			.length = PAGE,
			.iova = 1ull << 32,
		};
		struct iommu_ioas_unmap unmap = {.size = sizeof(unmap),
						 .ioas_id = t->road.ioas,
						 .iova = 1ull << 32,
						 .length = PAGE};

		if (ioctl(t->road.iommu, IOMMU_IOAS_MAP, &map))
			err(1, "IOMMU_IOAS_MAP");
		if (ioctl(t->road.iommu, IOMMU_IOAS_UNMAP, &unmap))
			err(1, "IOMMU_IOAS_UNMAP");
	}
}

static void store(void *arg, uint64_t n)
{
	struct bed *t = arg;

	while (n--)
		t->regs[REG_INTMS / 4] = 0;
}

static void read_register(void *arg, uint64_t n)
{
	struct bed *t = arg;
	uint32_t value;

	while (n--)
		if (pread(t->road.device, &value, sizeof(value), (off_t)(t->regs_at + REG_VS)) != sizeof(value))
			err(1, "pread");
}

static const struct {
	const char *name;
	void (*fn)(void *arg, uint64_t n);
	uint64_t n;
} rows[] = {
	{"map+unmap 4 KiB of private memory", map_unmap, 20000},
	{"map+unmap 4 KiB of shared memory", map_unmap, 20000},
	{"register: pread of 4 bytes", read_register, 20000},
	{"register: a store to the BAR, trapped", store, 5000},
};
#define NR_ROWS (sizeof(rows) / sizeof(*rows))

static void *memory(int flags)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "memory");
	return memset(p, 1, PAGE);
}

static void measure(struct bench *b, struct bed *t, struct bench_cost *costs)
{
	void *mem[] = {memory(MAP_PRIVATE), memory(MAP_SHARED)};

	for (size_t i = 0; i < NR_ROWS; i++) {
		t->mem = mem[i == 1];
		costs[i] = bench_run(b, rows[i].fn, t, rows[i].n);
	}
}

/* A child, which has the files and the mapped BAR from us. */
static void measure_elsewhere(struct bench *b, struct bed *t, struct bench_cost *costs)
{
	const size_t len = NR_ROWS * sizeof(*costs);
	int fds[2], status;
	pid_t pid;

	fflush(NULL);
	if (pipe(fds) || (pid = fork()) < 0)
		err(1, "a child");
	if (!pid) {
		measure(b, t, costs);
		_exit(write(fds[1], costs, len) != (ssize_t)len);
	}
	close(fds[1]);
	if (read(fds[0], costs, len) != (ssize_t)len || waitpid(pid, &status, 0) != pid || status)
		errx(1, "the other process failed");
	close(fds[0]);
}

int main(int argc, char **argv)
{
	static const struct road_match nvme = {.class = 0x010802, .class_mask = 0xffffff};
	struct bench_cost here[NR_ROWS], there[NR_ROWS];
	struct bench b;
	struct bed t;

	bench_begin(&b, argc, argv);
	road_open(&t.road, true, NULL, &nvme);
	road_enable(&t.road);
	t.regs = road_bar_map(&t.road, 0, PAGE);
	t.regs_at = road_bar_offset(&t.road, 0);
	measure(&b, &t, here);
	measure_elsewhere(&b, &t, there);
	for (size_t i = 0; i < NR_ROWS; i++) {
		char name[100];

		snprintf(name, sizeof(name), "from another process: %s", rows[i].name);
		bench_row(&b, name, there[i], "in the engine's own", here[i]);
	}
	return bench_end(&b);
}
