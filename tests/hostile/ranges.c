/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps of memory and addresses that make no sense, while a device does DMA beside them: each gets Linux's errno, leaves
 * nothing behind, and disturbs nobody.
 *
 * usage: ranges type1|iommufd
 */
#include "hostile.h"

#define BUSY 0x20000000ull
#define IOVA (1ull << 40)

static struct ring ring;
static uint8_t *good; /* two pages that can be mapped */

struct row {
	const char *what;
	uint64_t va, len, iova;
	bool write;
	int type1, iommufd;
};

static void check_row(const struct row *row)
{
	const int want = ring.road.cdev ? row->iommufd : row->type1;
	const int rc = road_map(&ring.road, (void *)(uintptr_t)row->va, row->len, row->iova, row->write);

	if (rc != want) {
		fprintf(stderr, "%s: %s, should be %s\n", row->what, strerrorname_np(rc), strerrorname_np(want));
		failures++;
	}
	if (!rc)
		CHECK(!road_unmap(&ring.road, row->iova, row->len));
	else /* Nothing is left of it. */
		CHECK(!road_map(&ring.road, good, PAGE, IOVA, true) && !road_unmap(&ring.road, IOVA, PAGE));
}

static uint8_t *memory(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static uint8_t *short_file(void)
{
	const int fd = memfd_create("short", MFD_CLOEXEC);
	void *p;

	NEED(fd >= 0 && !ftruncate(fd, PAGE));
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	close(fd);
	return p;
}

int main(int argc, char **argv)
{
	uint8_t *holed, *read_only, *none, *past_eof, *busy;

	ring_open(&ring, argc > 1 && road_is_cdev(argv[1]), NULL);
	good = memory(2 * PAGE, PROT_READ | PROT_WRITE);
	holed = memory(3 * PAGE, PROT_READ | PROT_WRITE);
	munmap(holed + PAGE, PAGE);
	read_only = memory(PAGE, PROT_READ);
	none = memory(PAGE, PROT_NONE);
	past_eof = short_file();
	busy = memory(RING * PAGE, PROT_READ | PROT_WRITE);
	NEED(!road_map(&ring.road, busy, RING * PAGE, BUSY, true));
	ring_aim(&ring, BUSY, 0, BUSY + PAGE, 0, PAGE);
	ring_go(&ring, 60000);

	const uint64_t va = (uintptr_t)good, bar = (uintptr_t)ring.bar;
	const struct row rows[] = {
		{"misaligned memory", va + 1, PAGE, IOVA, true, EINVAL, EINVAL},
		{"misaligned IOVA", va, PAGE, IOVA + 1, true, EINVAL, EINVAL},
		{"misaligned length", va, PAGE + 1, IOVA, true, EINVAL, EINVAL},
		{"half a page", va + 2048, 2048, IOVA, true, EINVAL, EINVAL},
		{"no length", va, 0, IOVA, true, EINVAL, EINVAL},
		{"2^46 bytes", va, 1ull << 46, IOVA, true, EFAULT, EFAULT},
		{"2^63 bytes", va, 1ull << 63, IOVA, true, EINVAL, EINVAL},
		{"2^64 - 4096 bytes", va, -4096ull, IOVA, true, EOVERFLOW, EOVERFLOW},
		{"an IOVA of 2^63", va, PAGE, 1ull << 63, true, EINVAL, EINVAL},
		{"the last IOVA page", va, PAGE, -4096ull, true, EINVAL, EINVAL},
		{"memory of the kernel's half", 0xffff800000000000ull, PAGE, IOVA, true, EFAULT, EFAULT},
		{"memory that is not canonical", 1ull << 62, PAGE, IOVA, true, EFAULT, EFAULT},
		{"the last page of memory", -4096ull, PAGE, IOVA, true, EFAULT, EOVERFLOW},
		{"the null page", 0, PAGE, IOVA, true, EFAULT, EFAULT},
		{"a hole", (uintptr_t)holed + PAGE, PAGE, IOVA, true, EFAULT, EFAULT},
		{"across a hole", (uintptr_t)holed, 3 * PAGE, IOVA, true, EFAULT, EFAULT},
		{"read-only memory for writing", (uintptr_t)read_only, PAGE, IOVA, true, EFAULT, EFAULT},
		{"read-only memory for reading", (uintptr_t)read_only, PAGE, IOVA, false, 0, 0},
		{"PROT_NONE", (uintptr_t)none, PAGE, IOVA, false, EFAULT, EFAULT},
		{"past the end of a file", (uintptr_t)past_eof, 2 * PAGE, IOVA, true, EFAULT, EFAULT},
		{"the interrupt window", va, PAGE, 0xfee00000, true, EINVAL, EINVAL},
		{"into the interrupt window", va, 2 * PAGE, 0xfedff000, true, EINVAL, EINVAL},
		{"what is mapped already", va, PAGE, BUSY, true, EEXIST, EEXIST},
		{"the end of what is mapped", va, 2 * PAGE, BUSY + (RING - 1) * PAGE, true, EEXIST, EEXIST},
		{"registers", bar, PAGE, IOVA, true, 0, EFAULT},
		{"all registers", bar, BAR_LEN, IOVA, true, 0, EFAULT},
	};
	for (unsigned int turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			check_row(&rows[i]);
	CHECK(!ring_halted(&ring));
	CHECK(road_unmap(&ring.road, BUSY + PAGE, PAGE) || !ring.road.cdev);
	CHECK(!road_unmap(&ring.road, BUSY, RING * PAGE));
	CHECK(EVENTUALLY(ring_halted(&ring) || ring_idle(&ring)));
	ring_close(&ring);
	return !!failures;
}
