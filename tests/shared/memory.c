/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of several processes on one engine: a child maps what is its own and what it shares, its
 * parent lets the device copy. What the child shared stays when it has gone; what was its own does
 * not, and whoever comes to that address is never touched.
 *
 * usage: memory type1|iommufd
 */
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "hostile.h"

#define IOVA_SHARED  0x40000000ull
#define IOVA_PRIVATE 0x50000000ull
#define IOVA_MEMFD   0x60000000ull
#define LEN	     (4 * PAGE)

static struct ring ring;
static uint8_t *shared;

/* One page from @src to @dst: did it arrive? */
static bool copy(uint64_t src, uint64_t dst)
{
	static unsigned int next;

	if (ring_halted(&ring) || !ring.count)
		ring_reset(&ring, next = 0);
	ring_aim(&ring, src, 0, dst, 0, PAGE);
	for (unsigned int i = 0; i < RING; i++)
		ring.desc[i].ctl = 8;
	ring_go(&ring, 1);
	NEED(EVENTUALLY(ring_idle(&ring)));
	return !ring_halted(&ring);
}

struct child {
	pid_t pid;
	int in, out; /* the parent's ends */
};

static void tell(int fd)
{
	NEED(write(fd, "x", 1) == 1);
}

static void await(int fd)
{
	char c;

	NEED(read(fd, &c, 1) == 1);
}

static struct child start(void (*fn)(int in, int out))
{
	int down[2], up[2];
	struct child c;

	NEED(!pipe(down) && !pipe(up));
	c.pid = fork();
	NEED(c.pid >= 0);
	if (!c.pid) {
		close(down[1]);
		close(up[0]);
		failures = 0;
		fn(down[0], up[1]);
		_exit(failures != 0);
	}
	close(down[0]);
	close(up[1]);
	c.in = up[0];
	c.out = down[1];
	return c;
}

static int finish(struct child *c)
{
	int status;

	NEED(waitpid(c->pid, &status, 0) == c->pid);
	close(c->in);
	close(c->out);
	return status;
}

static uint8_t *private_memory(void)
{
	uint8_t *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

/* Memory of its own, of the parent's before the fork, and of a file that nobody else has. */
static void map_three(int in, int out)
{
	const int fd = memfd_create("child", MFD_CLOEXEC);
	uint8_t *own = private_memory(), *file;

	NEED(!ftruncate(fd, LEN));
	file = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(file != MAP_FAILED);
	memset(own, 0x11, LEN);
	memset(file, 0x33, LEN);
	NEED(!road_map(&ring.road, shared, LEN, IOVA_SHARED, true));
	NEED(!road_map(&ring.road, own, LEN, IOVA_PRIVATE, true));
	NEED(!road_map(&ring.road, file, LEN, IOVA_MEMFD, true));
	tell(out);
	await(in);
	CHECK(own[PAGE] == 0x33 && own[2 * PAGE] == 0x11);
	CHECK(file[PAGE] == 0x11);
}

static void test_three(void)
{
	struct child c = start(map_three);

	await(c.in);
	CHECK(copy(IOVA_PRIVATE, IOVA_SHARED) && shared[0] == 0x11 && shared[PAGE - 1] == 0x11);
	CHECK(copy(IOVA_MEMFD, IOVA_SHARED + PAGE) && shared[PAGE] == 0x33);
	CHECK(copy(IOVA_MEMFD, IOVA_PRIVATE + PAGE));
	CHECK(copy(IOVA_PRIVATE, IOVA_MEMFD + PAGE));
	tell(c.out);
	CHECK(finish(&c) == 0);
	/* Dead: what it shared is there, what was its own is not. */
	shared[2 * PAGE] = 0;
	CHECK(copy(IOVA_MEMFD + PAGE, IOVA_SHARED + 2 * PAGE) && shared[2 * PAGE] == 0x11);
	CHECK(copy(IOVA_SHARED, IOVA_MEMFD));
	CHECK(EVENTUALLY(!copy(IOVA_PRIVATE, IOVA_SHARED)));
	CHECK(!copy(IOVA_SHARED, IOVA_PRIVATE));
	CHECK(!road_unmap(&ring.road, IOVA_PRIVATE, LEN));
	CHECK(!road_unmap(&ring.road, IOVA_SHARED, LEN));
	CHECK(!road_unmap(&ring.road, IOVA_MEMFD, LEN));
}

/* The child takes its memory away and uses the address for something else. */
static void change(int in, int out)
{
	uint8_t *own = private_memory();

	memset(own, 0x11, LEN);
	NEED(!road_map(&ring.road, own, LEN, IOVA_PRIVATE, true));
	tell(out);
	await(in);
	NEED(mmap(own, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == own);
	memset(own, 0x5c, PAGE);
	tell(out);
	await(in);
	CHECK(own[0] == 0x5c && own[PAGE - 1] == 0x5c && own[PAGE] == 0x22);
	CHECK(!road_unmap(&ring.road, IOVA_PRIVATE, LEN));
	CHECK(!road_map(&ring.road, own, LEN, IOVA_PRIVATE, true));
	tell(out);
	await(in);
	CHECK(own[0] == 0x22);
}

static void test_change(void)
{
	struct child c = start(change);

	memset(shared, 0x22, LEN);
	NEED(!road_map(&ring.road, shared, LEN, IOVA_SHARED, true));
	await(c.in);
	CHECK(copy(IOVA_SHARED, IOVA_PRIVATE));
	tell(c.out);
	await(c.in);
	CHECK(!copy(IOVA_SHARED, IOVA_PRIVATE));
	CHECK(copy(IOVA_SHARED, IOVA_PRIVATE + PAGE));
	tell(c.out);
	await(c.in);
	CHECK(copy(IOVA_SHARED, IOVA_PRIVATE));
	tell(c.out);
	CHECK(finish(&c) == 0);
	CHECK(!road_unmap(&ring.road, IOVA_PRIVATE, LEN) && !road_unmap(&ring.road, IOVA_SHARED, LEN));
}

/* Killed in the middle of a call, again and again. */
static void map_without_end(int in, int out)
{
	uint8_t *own = private_memory();

	tell(out);
	for (;;) {
		CHECK(!road_map(&ring.road, own, PAGE, IOVA_PRIVATE, true));
		CHECK(!road_unmap(&ring.road, IOVA_PRIVATE, PAGE));
	}
}

static void test_killed_in_call(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct child c = start(map_without_end);

		await(c.in);
		usleep(i * 500);
		CHECK(!kill(c.pid, SIGKILL));
		CHECK(WTERMSIG(finish(&c)) == SIGKILL);
		road_unmap(&ring.road, IOVA_PRIVATE, PAGE);
		CHECK(!road_map(&ring.road, shared, LEN, IOVA_SHARED, true));
		CHECK(copy(IOVA_SHARED, IOVA_SHARED + PAGE));
		CHECK(!road_unmap(&ring.road, IOVA_SHARED, LEN));
	}
}

static void map_and_wait(int in, int out)
{
	uint8_t *own = private_memory();

	NEED(!road_map(&ring.road, memset(own, 1, LEN), LEN, IOVA_PRIVATE, true));
	tell(out);
	await(in);
}

static void test_killed_in_dma(void)
{
	for (unsigned int i = 0; i < 10; i++) {
		struct child c = start(map_and_wait);

		NEED(!road_map(&ring.road, shared, LEN, IOVA_SHARED, true));
		await(c.in);
		ring_reset(&ring, 0);
		ring_aim(&ring, IOVA_PRIVATE, 0, IOVA_SHARED, 0, PAGE);
		ring_go(&ring, 60000);
		usleep(i * 300);
		CHECK(!kill(c.pid, SIGKILL));
		CHECK(WTERMSIG(finish(&c)) == SIGKILL);
		CHECK(EVENTUALLY(ring_idle(&ring)));
		CHECK(!road_unmap(&ring.road, IOVA_SHARED, LEN));
		CHECK(!road_unmap(&ring.road, IOVA_PRIVATE, LEN));
	}
}

/* The child drives the device by its parent's BAR, with descriptors of its own, and hears of its
 * interrupt. */
static void drive(int in, int out)
{
	uint8_t *own = private_memory();
	const int irq = road_msix_eventfd(&ring.road);
	uint64_t n = 0;

	memset(own, 0x77, PAGE);
	NEED(!road_map(&ring.road, own, LEN, IOVA_PRIVATE, true));
	ring.desc = (struct desc *)(own + 2 * PAGE);
	ring.desc_iova = IOVA_PRIVATE + 2 * PAGE;
	ring.done_iova = IOVA_PRIVATE + 3 * PAGE;
	for (unsigned int i = 0; i < RING; i++)
		ring.desc[i] = (struct desc){.next = ring.desc_iova + (i + 1) % RING * sizeof(struct desc)};
	ring_reset(&ring, 0);
	*(volatile uint8_t *)(ring.bar + 3) = 9; /* INTRCTRL: MSI-X, and interrupts at all */
	ring_aim(&ring, IOVA_PRIVATE, 0, IOVA_PRIVATE + PAGE, 0, PAGE);
	for (unsigned int i = 0; i < RING; i++)
		ring.desc[i].ctl = 9; /* interrupt, and say that it is done */
	ring_go(&ring, 1);
	CHECK(EVENTUALLY(((volatile uint8_t *)own)[2 * PAGE - 1] == 0x77));
	CHECK(read(irq, &n, sizeof(n)) == sizeof(n) && n == 1);
	CHECK(!road_unmap(&ring.road, IOVA_PRIVATE, LEN));
}

static void test_drive(void)
{
	struct child c = start(drive);

	CHECK(finish(&c) == 0);
}

int main(int argc, char **argv)
{
	NEED(argc == 2);
	shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(shared != MAP_FAILED);
	ring_open(&ring, road_is_cdev(argv[1]), NULL);
	test_three();
	test_change();
	test_killed_in_call();
	test_killed_in_dma();
	test_drive();
	ring_close(&ring);
	return failures ? 1 : 0;
}
