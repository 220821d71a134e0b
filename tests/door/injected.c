/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program meets under `ioas run --inject`, told in lines that tests/door/injected-test
 * reads. usage: injected WHAT
 *
 *   maps     maps a page 40 times: one character each, an x where it failed; then the last errno
 *   calls    opens, asks and attaches: which of them fail
 *   late     copies to a page that was just unmapped, and again after the next mapping
 *   irq      waits for the interrupt of a copy, and looks for its completion at once, 20 times
 *   copies   10 copies, one character each; then how many milliseconds they took
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>

#include "../bugs/driver.h"

#define SRC  0x3000000ul
#define DST  0x2000000ul
#define LATE 0x4000000ul

static struct driver driver;

static char *open_driver(void)
{
	char *dst = dma_pages(PAGE);

	driver_open(&driver, IOMMUFD);
	dma_map(&driver, dma_pages(PAGE), PAGE, SRC, MAY_READ);
	dma_map(&driver, dst, PAGE, DST, MAY_BOTH);
	memset(dst, 0, PAGE);
	return dst;
}

static int maps(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_READABLE,
				     .user_va = (uintptr_t)dma_pages(PAGE),
				     .length = PAGE};
	int fd = open("/dev/iommu", O_RDWR), last = 0;

	if (fd < 0 || ioctl(fd, IOMMU_IOAS_ALLOC, &alloc))
		err(1, "an IOAS");
	map.ioas_id = alloc.out_ioas_id;
	for (int i = 0; i < 40; i++) {
		const int failed = ioctl(fd, IOMMU_IOAS_MAP, &map);

		last = failed ? errno : last;
		putchar(failed ? 'x' : '.');
	}
	printf(" %s\n", last ? strerrorname_np(last) : "-");
	return 0;
}

static void say(const char *what, long rc)
{
	printf("%s %s\n", what, rc < 0 ? strerrorname_np(errno) : "ok");
}

static int calls(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	uint64_t config;
	int iommu = open("/dev/iommu", O_RDWR), device;

	say("open", iommu);
	iommu = iommu < 0 ? open("/dev/iommu", O_RDWR) : iommu;
	device = open("/dev/vfio/devices/vfio0", O_RDWR);
	say("open", device);
	bind.iommufd = iommu;
	say("bind", ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	say("alloc", ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc));
	attach.pt_id = alloc.out_ioas_id;
	say("attach", ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	say("get-info", ioctl(device, VFIO_DEVICE_GET_INFO, &info));
	say("read", pread(device, &config, 4, 7ull << 40));
	say("reset", ioctl(device, VFIO_DEVICE_RESET));
	return 0;
}

static int late(void)
{
	char *dst = open_driver();

	dma_unmap(&driver, DST, PAGE);
	dma_copy(&driver, DST, SRC, PAGE);
	puts(dst[PAGE - 1] ? "reached" : "untouched");
	memset(dst, 0, PAGE);
	dma_map(&driver, dma_pages(PAGE), PAGE, LATE, MAY_BOTH);
	dma_copy(&driver, DST, SRC, PAGE);
	puts(dst[PAGE - 1] ? "reached" : "untouched");
	driver_close(&driver);
	return 0;
}

/* One copy with an interrupt: was its completion there when it came? */
static bool irq_copy(int irq)
{
	struct engine *e = &driver.engine;
	const unsigned int n = e->count++ % 64;
	struct {
		uint32_t size, ctl;
		uint64_t src, dst, next;
	} *d = (void *)((char *)e->ring + 64 * n);
	struct pollfd p = {.fd = irq, .events = POLLIN};
	uint64_t ticks;
	bool there;

	d->size = 64;
	d->ctl = 0x09; /* tell of the completion, and interrupt */
	d->src = SRC;
	d->dst = DST;
	*(volatile uint16_t *)(e->bar + 0x80) = 0x000d; /* CHANCTRL: arm */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint16_t *)(e->bar + 0x86) = e->count; /* DMACOUNT */
	if (poll(&p, 1, 5000) != 1 || read(irq, &ticks, sizeof(ticks)) != sizeof(ticks))
		errx(1, "no interrupt");
	there = (__atomic_load_n(e->done, __ATOMIC_ACQUIRE) & ~0x3full) == RING_IOVA + 64 * n;
	while ((__atomic_load_n(e->done, __ATOMIC_ACQUIRE) & ~0x3full) != RING_IOVA + 64 * n)
		usleep(100);
	return there;
}

static int irqs(void)
{
	int irq;

	open_driver();
	irq = road_msix_eventfd(&driver.road);
	*(volatile uint8_t *)(driver.engine.bar + 0x03) = 0x09; /* INTRCTRL: MSI-X */
	for (int i = 0; i < 20; i++)
		putchar(irq_copy(irq) ? 'd' : 'i');
	putchar('\n');
	return 0;
}

static int copies(void)
{
	struct timespec a, b;

	open_driver();
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 10; i++) {
		const bool ok = engine_copy(&driver.engine, DST, SRC, 64);

		putchar(ok ? '.' : 'x');
		if (!ok)
			engine_start(&driver.engine);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("\nms %ld\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} all[] = {{"maps", maps},
		   {"calls", calls},
		   {"late", late},
		   {"irq", irqs},
		   {"copies", copies}};

	for (size_t i = 0; argc > 1 && i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name))
			return all[i].run();
	return 2;
}
