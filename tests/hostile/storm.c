/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two threads at once on every kind of file, and an engine that works meanwhile: maps and unmaps, opens and closes,
 * interrupts set up and taken down, resets. Afterwards the engine still copies.
 *
 * usage: storm type1|iommufd MILLISECONDS
 */
#include "hostile.h"

#define IOVA	 0x40000000ull
#define CTL_INT	 0x01
#define INTRCTRL 0x03
#define PATTERN	 0xa5

static struct ring ring;
static bool stop;
static uint8_t *src, *dst;
static uint64_t src_iova, dst_iova;

static bool going(void)
{
	return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *feed(void *arg)
{
	for (unsigned int turn = 0; going(); turn++) {
		if (ring_halted(&ring) || turn % 1000 == 999)
			ring_reset(&ring, turn % RING);
		else if (ring_idle(&ring) || !ring.count)
			ring_go(&ring, RING);
		if (turn % 100 == 0)
			ring.bar[INTRCTRL] = 0x09;
	}
	return arg;
}

static void *map_storm(void *arg)
{
	const uint64_t at = IOVA + (uintptr_t)arg * 0x1000000;
	const size_t len = 16 * PAGE;

	while (going()) {
		uint8_t *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		NEED(va != MAP_FAILED);
		for (unsigned int i = 0; i < 8; i++) {
			CHECK(!road_map(&ring.road, va, len, at + i * len, true));
			if (i % 2)
				CHECK(!road_unmap(&ring.road, at + i * len, len));
		}
		if (((uintptr_t)va >> 16) & 1)
			CHECK(!munmap(va, len));
		for (unsigned int i = 0; i < 8; i += 2)
			CHECK(!road_unmap(&ring.road, at + i * len, len));
		if (!(((uintptr_t)va >> 16) & 1))
			CHECK(!munmap(va, len));
	}
	return arg;
}

/* The same IOVA from two threads: either may lose, neither may break anything. */
static void *quarrel(void *arg)
{
	while (going()) {
		int rc = road_map(&ring.road, dst, PAGE, IOVA - PAGE, true);

		CHECK(!rc || rc == EEXIST);
		rc = road_unmap(&ring.road, IOVA - PAGE, PAGE);
		CHECK(!rc || rc == ENOENT);
	}
	return arg;
}

static void *open_storm(void *arg)
{
	static const char *const nodes[] = {"/dev/iommu", "/dev/vfio/vfio", "/dev/vfio/devices/vfio0",
					    "/dev/vfio/devices/vfio1", "/dev/vfio/0", "/dev/vfio/1"};

	while (going()) {
		for (unsigned int i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
			const int fd = open(nodes[i], O_RDWR | O_CLOEXEC);
			struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
			int other;

			if (fd < 0) {
				CHECK(errno == EBUSY || errno == ENOENT);
				continue;
			}
			if (!i)
				CHECK(!ioctl(fd, IOMMU_IOAS_ALLOC, &alloc));
			other = fcntl(fd, F_DUPFD_CLOEXEC, 100);
			CHECK(!close(fd));
			CHECK(other >= 100 && !close(other));
		}
	}
	return arg;
}

static void *irq_storm(void *arg)
{
	const int fd = road_msix_eventfd(&ring.road);

	while (going()) {
		struct vfio_irq_set none = {
			.argsz = sizeof(none),
			.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSIX_IRQ_INDEX,
		};
		struct {
			struct vfio_irq_set set;
			int32_t fd;
		} one = {{sizeof(one), VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			  VFIO_PCI_MSIX_IRQ_INDEX, 0, 1},
			 fd};

		CHECK(!ioctl(ring.road.device, VFIO_DEVICE_SET_IRQS, &none) || errno == EINVAL);
		CHECK(!ioctl(ring.road.device, VFIO_DEVICE_SET_IRQS, &one) || errno == EINVAL);
	}
	close(fd);
	return arg;
}

static void *reset_storm(void *arg)
{
	while (going()) {
		CHECK(!ioctl(ring.road.device, VFIO_DEVICE_RESET));
		sleep_ms(1);
	}
	return arg;
}

/* Each of these may come at any time and must not break the storm's other parts. */
static void *config_storm(void *arg)
{
	while (going()) {
		road_config_write(&ring.road, 4, 2, 2);
		road_enable(&ring.road);
	}
	return arg;
}

static void still_copies(void)
{
	road_enable(&ring.road);
	memset(dst, 0, PAGE);
	ring_reset(&ring, 0);
	ring_go(&ring, RING);
	CHECK(EVENTUALLY(ring_done(&ring) == RING - 1 && ring_idle(&ring)));
	CHECK(!ring_errors(&ring));
	CHECK(!memcmp(src, dst, PAGE));
}

int main(int argc, char **argv)
{
	static void *(*const parts[])(void *) = {feed, map_storm, quarrel, open_storm, irq_storm, reset_storm,
						 config_storm};
	const unsigned int n = sizeof(parts) / sizeof(*parts);
	pthread_t threads[2 * n];

	ring_open(&ring, argc > 1 && road_is_cdev(argv[1]), NULL);
	src = road_alloc(&ring.road, PAGE, &src_iova);
	dst = road_alloc(&ring.road, PAGE, &dst_iova);
	memset(src, PATTERN, PAGE);
	ring_aim(&ring, src_iova, 0, dst_iova, 0, PAGE);
	for (unsigned int i = 0; i < RING; i += 8)
		ring.desc[i].ctl |= CTL_INT;
	/* One feeder only: the ring is a program's own affair. */
	for (unsigned int i = 1; i < 2 * n; i++)
		NEED(!pthread_create(&threads[i], NULL, parts[i % n ? i % n : 1 + i % (n - 1)],
				     (void *)(uintptr_t)i));
	NEED(!pthread_create(&threads[0], NULL, feed, NULL));
	sleep_ms(argc > 2 ? (unsigned int)atoi(argv[2]) : 1000);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 2 * n; i++)
		pthread_join(threads[i], NULL);
	still_copies();
	ring_close(&ring);
	return !!failures;
}
