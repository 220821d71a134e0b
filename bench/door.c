/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program pays that knows the kernel's interface only: map and unmap calls, and the ways to
 * the registers of an NVMe controller. Run it as `ioas run --device nvme,size=64M -- bench-door`,
 * or as it is where Linux has such a device for it.
 *
 * The registers used are INTMS, of which a write of 0 masks nothing, and in configuration space the
 * interrupt line, a byte that belongs to software.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "bench.h"
#include "vfio_road.h"

#define KB (1ull << 10)
#define MB (1ull << 20)
#define GB (1ull << 30)

#define REG_VS	  0x08
#define REG_INTMS 0x0c
#define REGS_LEN  0x1000
#define PCI_LINE  0x3c

struct bed {
	struct road road;
	char *mem; /* 1 GiB, from a multiple of 1 GiB on */
	volatile uint32_t *regs;
	uint64_t regs_at, config_at; /* in the device's file */
	uint64_t len;
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
			.length = t->len,
			.iova = 4 * GB,
		};
		struct iommu_ioas_unmap unmap = {.size = sizeof(unmap),
						 .ioas_id = t->road.ioas,
						 .iova = 4 * GB,
						 .length = t->len};

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

static void load(void *arg, uint64_t n)
{
	struct bed *t = arg;

	while (n--)
		bench_use(t->regs[REG_VS / 4]);
}

static void read_at(struct bed *t, void *value, size_t len, uint64_t at)
{
	if (pread(t->road.device, value, len, (off_t)at) != (ssize_t)len)
		err(1, "pread at 0x%llx", (unsigned long long)at);
}

static void write_at(struct bed *t, const void *value, size_t len, uint64_t at)
{
	if (pwrite(t->road.device, value, len, (off_t)at) != (ssize_t)len)
		err(1, "pwrite at 0x%llx", (unsigned long long)at);
}

static void bar_read(void *arg, uint64_t n)
{
	struct bed *t = arg;
	uint32_t value;

	while (n--)
		read_at(t, &value, sizeof(value), t->regs_at + REG_VS);
}

static void bar_write(void *arg, uint64_t n)
{
	struct bed *t = arg;
	uint32_t value = 0;

	while (n--)
		write_at(t, &value, sizeof(value), t->regs_at + REG_INTMS);
}

static void config_read(void *arg, uint64_t n)
{
	struct bed *t = arg;
	uint32_t value;

	while (n--)
		read_at(t, &value, sizeof(value), t->config_at);
}

static void config_write(void *arg, uint64_t n)
{
	struct bed *t = arg;
	uint8_t line = 0;

	while (n--)
		write_at(t, &line, sizeof(line), t->config_at + PCI_LINE);
}

static void null_device_ioctl(void *arg, uint64_t n)
{
	struct bed *t = arg;

	while (n--)
		if (!ioctl(t->road.iommu, 0) || errno != ENOTTY)
			errx(1, "/dev/iommu accepts command 0");
}

static void bed_open(struct bed *t)
{
	static const struct road_match nvme = {.class = 0x010802, .class_mask = 0xffffff};
	struct vfio_region_info config = {.argsz = sizeof(config),
					  .index = VFIO_PCI_CONFIG_REGION_INDEX};
	char *mem = mmap(NULL, 2 * GB, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		err(1, "2 GiB of address space");
	t->mem = (char *)(((uintptr_t)mem + GB - 1) & ~(GB - 1));
	memset(t->mem, 1, GB);
	road_open(&t->road, true, NULL, &nvme);
	road_enable(&t->road);
	t->regs = road_bar_map(&t->road, 0, REGS_LEN);
	t->regs_at = road_bar_offset(&t->road, 0);
	if (ioctl(t->road.device, VFIO_DEVICE_GET_REGION_INFO, &config))
		err(1, "VFIO_DEVICE_GET_REGION_INFO");
	t->config_at = config.offset;
}

static void bench_maps(struct bench *b, struct bed *t, struct bench_cost ioctl_cost)
{
	static const struct {
		const char *name;
		uint64_t len, n;
	} sizes[] = {{"4 KiB", 4 * KB, 100000}, {"2 MiB", 2 * MB, 300}, {"1 GiB", GB, 1}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		bool by_pages = sizes[i].len > 4 * KB;
		struct bench_cost cost, limit = bench_sum(ioctl_cost, ioctl_cost);
		char name[80];

		t->len = sizes[i].len;
		cost = bench_run(b, map_unmap, t, sizes[i].n);
		if (by_pages)
			limit = bench_touch(b, t->mem, t->len);
		snprintf(name, sizeof(name), "map+unmap %s through the door, idle device",
			 sizes[i].name);
		bench_row(b, name, cost, by_pages ? "touching its pages" : "two empty ioctls",
			  limit);
	}
}

static void bench_registers(struct bench *b, struct bed *t, struct bench_cost ioctl_cost)
{
	const char *call = "an empty ioctl";

	bench_row(b, "register: a store to the BAR, trapped", bench_run(b, store, t, 20000),
		  "fault+signal+return", bench_signal(b));
	bench_row(b, "register: a load from the BAR", bench_run(b, load, t, 2000000),
		  "chase in 4 KiB", bench_chase(b, 4096));
	bench_row(b, "register: pread of 4 bytes", bench_run(b, bar_read, t, 100000), call,
		  ioctl_cost);
	bench_row(b, "register: pwrite of 4 bytes", bench_run(b, bar_write, t, 100000), call,
		  ioctl_cost);
	bench_row(b, "configuration space: pread of 4 bytes", bench_run(b, config_read, t, 100000),
		  call, ioctl_cost);
	bench_row(b, "configuration space: pwrite of 1 byte", bench_run(b, config_write, t, 100000),
		  call, ioctl_cost);
}

int main(int argc, char **argv)
{
	struct bench_cost ioctl_cost;
	struct bed t = {0};
	struct bench b;

	bench_begin(&b, argc, argv);
	bed_open(&t);
	ioctl_cost = bench_ioctl(&b);
	bench_row(&b, "an ioctl that /dev/iommu refuses",
		  bench_run(&b, null_device_ioctl, &t, 200000), "an empty ioctl", ioctl_cost);
	bench_maps(&b, &t, ioctl_cost);
	bench_registers(&b, &t, ioctl_cost);
	road_close(&t.road);
	return bench_end(&b);
}
