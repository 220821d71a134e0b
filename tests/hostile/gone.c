/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program takes the memory away that a device is using, and uses the addresses for something else at once.
 *
 * An engine copies a pattern into the buffer, and the buffer into a sink, without end; where it faults it is restarted. What
 * takes the buffer's place must never be written to and never be read from. Private memory that has gone is a fault; shared
 * memory is held, so that the file goes on receiving.
 *
 * usage: gone type1|iommufd
 */
#include "hostile.h"

#define LEN	(RING * PAGE)
#define IOVA	0x40000000ull
#define PATTERN 0xa5
#define OWNER	0x5c

enum kind { PRIVATE, SHARED };

static struct ring ring;
static unsigned int faults;
static bool stop;
static uint8_t *sink;

static void *feed(void *arg)
{
	for (unsigned int turn = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED);) {
		if (ring_halted(&ring)) {
			__atomic_add_fetch(&faults, 1, __ATOMIC_RELAXED);
			ring_reset(&ring, ++turn % RING);
		} else if (ring_idle(&ring) || !ring.count) {
			ring_go(&ring, RING);
		}
	}
	return arg;
}

static bool all(const uint8_t *p, uint8_t value)
{
	for (unsigned int i = 0; i < LEN; i++)
		if (p[i] != value)
			return false;
	return true;
}

static uint8_t *owner_moves_in(uint8_t *va)
{
	uint8_t *p = mmap(va, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	NEED(p == va);
	return memset(p, OWNER, LEN);
}

static void *give_back(uint8_t *va)
{
	CHECK(!munmap(va, LEN));
	return owner_moves_in(va);
}

static void *replace(uint8_t *va)
{
	return owner_moves_in(va);
}

static void *move_away(uint8_t *va)
{
	uint8_t *to = mmap(NULL, LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *owner;

	CHECK(mremap(va, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	owner = owner_moves_in(va);
	sleep_ms(1);
	CHECK(!munmap(to, LEN));
	return owner;
}

static void *move_and_keep_hole(uint8_t *va)
{
	void *to = mremap(va, LEN, 2 * LEN, MREMAP_MAYMOVE);

	CHECK(to != MAP_FAILED);
	if (to != va)
		owner_moves_in(va);
	CHECK(!munmap((uint8_t *)to + LEN, LEN));
	return memset(to, OWNER, LEN);
}

static void *discard(uint8_t *va)
{
	CHECK(!madvise(va, LEN, MADV_DONTNEED));
	return memset(va, OWNER, LEN);
}

static void *file_moves_in(uint8_t *va)
{
	int fd = memfd_create("owner", MFD_CLOEXEC);

	NEED(!ftruncate(fd, LEN));
	NEED(mmap(va, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == va);
	close(fd);
	return memset(va, OWNER, LEN);
}

static const struct {
	const char *name;
	void *(*act)(uint8_t *va); /* what lies where the buffer lay, full of OWNER */
	bool private_only;
} acts[] = {
	{"munmap", give_back},
	{"MAP_FIXED over it", replace},
	{"a file over it", file_moves_in},
	{"mremap elsewhere", move_away},
	{"mremap to grow", move_and_keep_hole, true},
	{"MADV_DONTNEED", discard, true},
};

static unsigned int faults_now(void)
{
	return __atomic_load_n(&faults, __ATOMIC_RELAXED);
}

static bool sink_is_clean(void)
{
	for (unsigned int i = 0; i < PAGE; i++)
		if (((volatile uint8_t *)sink)[i] == OWNER)
			return false;
	return true;
}

static void round_of(unsigned int n, enum kind kind)
{
	const int fd = memfd_create("buffer", MFD_CLOEXEC);
	const int flags = kind == PRIVATE ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	uint8_t *va, *alias, *owner;
	unsigned int before;

	NEED(fd >= 0 && !ftruncate(fd, LEN));
	va = mmap(NULL, LEN, PROT_READ | PROT_WRITE, flags, kind == PRIVATE ? -1 : fd, 0);
	alias = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(va != MAP_FAILED && alias != MAP_FAILED);
	NEED(!road_map(&ring.road, va, LEN, IOVA, true));
	CHECK(EVENTUALLY(*(volatile uint8_t *)va == PATTERN));

	owner = acts[n].act(va);
	before = faults_now();
	if (kind == PRIVATE) {
		CHECK(EVENTUALLY(faults_now() > before + 4));
	} else {
		memset(alias, 0, LEN);
		CHECK(EVENTUALLY(*(volatile uint8_t *)alias == PATTERN));
	}
	if (!all(owner, OWNER)) {
		fprintf(stderr, "%s, %s memory: the device wrote to the next owner\n", acts[n].name,
			kind == PRIVATE ? "private" : "shared");
		failures++;
	}
	if (!sink_is_clean()) {
		fprintf(stderr, "%s: the device read the next owner's bytes\n", acts[n].name);
		failures++;
	}
	CHECK(!road_unmap(&ring.road, IOVA, LEN));
	munmap(owner, LEN);
	munmap(alias, LEN);
	close(fd);
}

/* What the file no longer has is a fault of the device's, and no signal to anybody. */
static void truncate_file(void)
{
	const int fd = memfd_create("short", MFD_CLOEXEC);
	unsigned int before;
	uint8_t *va;

	NEED(fd >= 0 && !ftruncate(fd, LEN));
	va = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(va != MAP_FAILED && !road_map(&ring.road, va, LEN, IOVA, true));
	CHECK(EVENTUALLY(*(volatile uint8_t *)va == PATTERN));
	CHECK(!ftruncate(fd, 0));
	before = faults_now();
	CHECK(EVENTUALLY(faults_now() > before + 4));
	CHECK(!ftruncate(fd, LEN));
	CHECK(EVENTUALLY(*(volatile uint8_t *)va == PATTERN));
	CHECK(!road_unmap(&ring.road, IOVA, LEN));
	munmap(va, LEN);
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t src_iova, sink_iova;
	pthread_t feeder;
	uint8_t *src;

	ring_open(&ring, argc > 1 && road_is_cdev(argv[1]), NULL);
	src = road_alloc(&ring.road, PAGE, &src_iova);
	sink = road_alloc(&ring.road, PAGE, &sink_iova);
	memset(src, PATTERN, PAGE);
	for (unsigned int i = 0; i < RING; i++) {
		ring.desc[i].size = PAGE;
		ring.desc[i].src = i % 2 ? IOVA + i * PAGE : src_iova;
		ring.desc[i].dst = i % 2 ? sink_iova : IOVA + i * PAGE;
	}
	pthread_create(&feeder, NULL, feed, NULL);
	for (unsigned int turn = 0; turn < 8; turn++)
		for (unsigned int n = 0; n < sizeof(acts) / sizeof(*acts); n++)
			for (int kind = PRIVATE; kind <= SHARED; kind++)
				if (kind == PRIVATE || !acts[n].private_only)
					round_of(n, kind);
	truncate_file();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(feeder, NULL);
	printf("%u faults, each reported\n", faults);
	CHECK(faults);
	ring_close(&ring);
	return !!failures;
}
