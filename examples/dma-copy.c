/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma-copy: let an Intel I/OAT engine (CBDMA 3.x, 8086:2021) copy memory, and check every byte.
 *
 * A channel walks a chain of 64-byte descriptors in memory. DMACOUNT says how many of them may
 * be executed, counted from the last write of CHAINADDR; a descriptor that asks for it has its
 * own address and the channel's state written to the completion address when it is done.
 *
 * Here the chain is a ring that never moves; one batch of descriptors is under way at a time.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vfio_road.h"

/* Registers of the device, and of its channel 0. */
#define XFERCAP	    0x01  /* u8: log2 of the longest transfer; 0 means 32 GiB */
#define INTRCTRL    0x03  /* u8 */
#define CBVER	    0x08  /* u8 */
#define DMACAP	    0x10  /* u32 */
#define CHANCTRL    0x80  /* u16 */
#define CHANCMD	    0x84  /* u8 */
#define DMACOUNT    0x86  /* u16 */
#define CHANSTS	    0x88  /* u64 */
#define CHAINADDR   0x90  /* u64 */
#define CHANCMP	    0x98  /* u64 */
#define CHANERR	    0xa8  /* u32, write 1 to clear */
#define CHANERR_INT 0x180 /* u32, in configuration space, write 1 to clear */

#define INTRCTRL_MASTER 0x01
#define INTRCTRL_MSIX	0x08
#define CHANERR_CHECK	0x10000 /* it is not */
#define DMACAP_FILL	(1u << 6)
#define DMACAP_XOR	(1u << 8)
#define CHANCTRL_REARM	0x0001
#define CHANCTRL_ERRORS 0x000c /* stop at any error, and write the completion then too */
#define CHANCMD_SUSPEND 0x04
#define CHANCMD_RESET	0x20
#define STATE(sts)	((sts)&0x7)
#define HALTED		3
#define DONE_DESC(sts)	((sts) & ~0x3full)

#define OP_COPY	   0x00
#define OP_FILL	   0x01
#define OP_XOR	   0x87
#define OP_CHECK   0x88 /* is the sources' XOR what lies at the destination? */
#define CTL_INT	   0x01
#define CTL_UPDATE 0x08
#define CTL_SRCS   5 /* bit number: XOR's number of sources less 2 */

struct desc {
	uint32_t size, ctl; /* ctl: the operation is its top byte */
	uint64_t src, dst, next, src2, src3, src4, src5;
};

#define RING	256
#define ARENA	(256u << 10)
#define BATCH	32
#define TIMEOUT 10 /* seconds */

struct engine {
	struct road road;
	volatile uint8_t *bar;
	struct desc *ring;
	uint64_t ring_iova;
	volatile uint64_t *done;
	uint64_t done_iova;
	uint8_t *src, *dst, *expect; /* expect: what dst must hold */
	uint64_t src_iova, dst_iova;
	uint32_t longest; /* bytes one descriptor may move */
	uint16_t count;	  /* descriptors written since CHAINADDR was */
	int irq;	  /* eventfd, or -1: poll the completion word */
};

#define REG(e, type, at) (*(volatile type *)((e)->bar + (at)))

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Some number in [low, high]. */
static uint32_t some(uint32_t low, uint32_t high)
{
	return low + (uint32_t)((uint64_t)random() * (high - low + 1ull) >> 31);
}

static void channel_reset(struct engine *e)
{
	double until = now() + TIMEOUT;

	REG(e, uint8_t, CHANCMD) = CHANCMD_SUSPEND;
	REG(e, uint32_t, CHANERR) = REG(e, uint32_t, CHANERR);
	road_config_write(&e->road, CHANERR_INT, 4, road_config_read(&e->road, CHANERR_INT, 4));
	REG(e, uint8_t, CHANCMD) = CHANCMD_RESET;
	while (REG(e, uint8_t, CHANCMD) & CHANCMD_RESET)
		if (now() > until)
			errx(1, "the channel does not come out of its reset");
}

static void channel_start(struct engine *e)
{
	for (unsigned int i = 0; i < RING; i++)
		e->ring[i].next = e->ring_iova + (i + 1) % RING * sizeof(struct desc);
	*e->done = 0;
	e->count = 0;
	REG(e, uint64_t, CHANCMP) = e->done_iova;
	REG(e, uint16_t, CHANCTRL) = CHANCTRL_ERRORS | CHANCTRL_REARM;
	REG(e, uint64_t, CHAINADDR) = e->ring_iova;
}

static void engine_open(struct engine *e, bool cdev, const char *bdf, bool irq)
{
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};
	uint8_t version, cap;

	road_open(&e->road, cdev, bdf, &ioat);
	road_enable(&e->road);
	e->bar = road_bar_map(&e->road, 0, 0);
	version = REG(e, uint8_t, CBVER);
	if (version >> 4 != 3)
		errx(1, "%s is version %u.%u of I/OAT; this program knows 3.x", e->road.bdf,
		     version >> 4, version & 0xf);
	cap = REG(e, uint8_t, XFERCAP);
	e->longest = cap && cap < 16 ? 1u << cap : 1u << 16;
	printf("%s: I/OAT %u.%u, up to %" PRIu32 " bytes a descriptor, %s\n", e->road.bdf,
	       version >> 4, version & 0xf, e->longest, cdev ? "iommufd" : "type1");

	e->ring = road_alloc(&e->road, RING * sizeof(struct desc), &e->ring_iova);
	e->done = road_alloc(&e->road, sysconf(_SC_PAGESIZE), &e->done_iova);
	e->src = road_alloc(&e->road, ARENA, &e->src_iova);
	e->dst = road_alloc(&e->road, ARENA, &e->dst_iova);
	e->expect = calloc(1, ARENA);
	if (!e->expect)
		err(1, NULL);
	for (unsigned int i = 0; i < ARENA; i++)
		e->src[i] = random();
	e->irq = irq ? road_msix_eventfd(&e->road) : -1;
	channel_reset(e);
	if (irq)
		REG(e, uint8_t, INTRCTRL) = INTRCTRL_MSIX | INTRCTRL_MASTER;
	channel_start(e);
}

/* The next free descriptor, filled but for what only some operations have. */
static struct desc *push(struct engine *e, uint8_t op, uint32_t size, uint64_t src, uint64_t dst)
{
	struct desc *d = &e->ring[e->count++ % RING];
	uint64_t next = d->next;

	*d = (struct desc){
		.size = size, .ctl = (uint32_t)op << 24, .src = src, .dst = dst, .next = next};
	return d;
}

/* True if the interrupt has come; then lets the channel raise the next one. */
static bool wait_irq(struct engine *e)
{
	struct pollfd p = {.fd = e->irq, .events = POLLIN};
	uint64_t n;

	if (poll(&p, 1, 10) != 1)
		return false;
	if (read(e->irq, &n, sizeof(n)) != sizeof(n))
		err(1, "reading the interrupt's eventfd");
	REG(e, uint16_t, CHANCTRL) = CHANCTRL_ERRORS | CHANCTRL_REARM;
	return true;
}

/* Starts what was pushed and waits for the last of it. 0, or -EIO if the channel has halted. */
static int run(struct engine *e, struct desc *last)
{
	uint64_t want = e->ring_iova + (last - e->ring) * sizeof(*last);
	bool told = e->irq < 0;
	double until = now() + TIMEOUT;

	last->ctl |= CTL_UPDATE | (e->irq >= 0 ? CTL_INT : 0);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	REG(e, uint16_t, DMACOUNT) = e->count;
	for (;;) {
		bool done;

		told = told || wait_irq(e);
		done = DONE_DESC(*e->done) == want && STATE(*e->done) != HALTED;
		if (done && told)
			break;
		if (STATE(REG(e, uint64_t, CHANSTS)) == HALTED)
			return -EIO;
		if (now() > until)
			errx(1, "%s within %d seconds: CHANSTS 0x%" PRIx64,
			     done ? "completed, but no interrupt" : "no completion", TIMEOUT,
			     REG(e, uint64_t, CHANSTS));
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return 0;
}

static void must_run(struct engine *e, struct desc *last, const char *what)
{
	if (run(e, last))
		errx(1, "%s: the channel has halted, CHANERR 0x%" PRIx32, what,
		     REG(e, uint32_t, CHANERR));
}

/* The whole destination is looked at: what lies beside a buffer must be as it was. */
static void verify(struct engine *e, const char *what)
{
	for (unsigned int i = 0; i < ARENA; i++)
		if (e->dst[i] != e->expect[i])
			errx(1, "%s: byte 0x%x is 0x%02x and should be 0x%02x", what, i, e->dst[i],
			     e->expect[i]);
}

static uint32_t copy_size(struct engine *e, unsigned int i)
{
	static const uint32_t odd[] = {1, 2, 3, 7, 8, 63, 64, 65, 511, 4095, 4096, 4097};

	return i < sizeof(odd) / sizeof(*odd) ? odd[i] : some(1, e->longest);
}

/* Copies of any size and alignment, in batches whose destinations do not overlap. */
static void test_copy(struct engine *e, unsigned int total)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < total;) {
		struct desc *last = NULL;
		uint32_t at = 0;

		for (unsigned int n = some(1, BATCH); n && i < total; n--) {
			uint32_t size = copy_size(e, i);
			uint32_t src = some(0, ARENA - size);

			at += some(0, 64);
			if (at + size > ARENA)
				break;
			last = push(e, OP_COPY, size, e->src_iova + src, e->dst_iova + at);
			memcpy(e->expect + at, e->src + src, size);
			at += size;
			bytes += size;
			i++;
		}
		must_run(e, last, "copy");
		verify(e, "copy");
	}
	printf("copy: %u descriptors, %" PRIu64 " bytes, all as they should be\n", total, bytes);
}

static void test_fill(struct engine *e)
{
	static const uint32_t sizes[] = {8, 64, 50, 89, 100, 1024, 4096};
	uint32_t at = 0;

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t pattern = (uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^ random();

		must_run(e, push(e, OP_FILL, sizes[i], pattern, e->dst_iova + at), "fill");
		for (uint32_t j = 0; j < sizes[i]; j++)
			e->expect[at + j] = pattern >> 8 * (j % 8);
		verify(e, "fill");
		at += 8192;
	}
	printf("fill: %zu descriptors\n", sizeof(sizes) / sizeof(*sizes));
}

#define XOR_LEN	   4096u
#define XOR_DST	   (ARENA / 2)
#define XOR_SRC(i) ((i)*3 * XOR_LEN)

static struct desc *push_xor(struct engine *e, uint8_t op, unsigned int n)
{
	struct desc *d = push(e, op, XOR_LEN, e->src_iova + XOR_SRC(0), e->dst_iova + XOR_DST);

	d->ctl |= (n - 2) << CTL_SRCS;
	d->src2 = e->src_iova + XOR_SRC(1);
	d->src3 = n > 2 ? e->src_iova + XOR_SRC(2) : 0;
	d->src4 = n > 3 ? e->src_iova + XOR_SRC(3) : 0;
	d->src5 = n > 4 ? e->src_iova + XOR_SRC(4) : 0;
	return d;
}

/* A check goes well, and one of a result with one wrong byte does not. */
static void test_check(struct engine *e, unsigned int n)
{
	must_run(e, push_xor(e, OP_CHECK, n), "check");
	e->dst[XOR_DST + 1234] ^= 0x10;
	run(e, push_xor(e, OP_CHECK, n));
	if (!(REG(e, uint32_t, CHANERR) & CHANERR_CHECK))
		errx(1, "check: a wrong byte was not seen, CHANERR 0x%" PRIx32,
		     REG(e, uint32_t, CHANERR));
	e->dst[XOR_DST + 1234] ^= 0x10;
	verify(e, "check");
	channel_reset(e);
	channel_start(e);
}

static void test_xor(struct engine *e)
{
	for (unsigned int n = 2; n <= 5; n++) {
		must_run(e, push_xor(e, OP_XOR, n), "xor");
		for (uint32_t j = 0; j < XOR_LEN; j++) {
			e->expect[XOR_DST + j] = 0;
			for (unsigned int i = 0; i < n; i++)
				e->expect[XOR_DST + j] ^= e->src[XOR_SRC(i) + j];
		}
		verify(e, "xor");
		test_check(e, n);
	}
	printf("xor: of 2 to 5 sources, and checks that find a wrong byte\n");
}

/* What no IOMMU maps, the engine must neither read nor write, and must say so. */
static void test_fault(struct engine *e)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	for (int writing = 0; writing < 2; writing++) {
		const char *what = writing ? "write" : "read";
		uint64_t gone;
		void *va = road_alloc(&e->road, page, &gone);

		road_free(&e->road, va, page, gone);
		if (!run(e, push(e, OP_COPY, 64, writing ? e->src_iova : gone,
				 writing ? gone : e->dst_iova)))
			errx(1, "fault: a %s of IOVA 0x%" PRIx64 ", which is not mapped, went well",
			     what, gone);
		if (!REG(e, uint32_t, CHANERR))
			errx(1, "fault: the channel has halted without an error");
		printf("fault: %s of IOVA 0x%" PRIx64 " halts the channel, CHANERR 0x%" PRIx32 "\n",
		       what, gone, REG(e, uint32_t, CHANERR));
		verify(e, "fault");
		channel_reset(e);
		channel_start(e);
	}
	test_copy(e, 2 * BATCH);
}

static void usage(void)
{
	printf("usage: dma-copy [--road=type1|iommufd] [--count=N] [--seed=N] [--irq] [--fault] "
	       "[BDF]\n"
	       "  --count  how many buffers to copy (default 1000)\n"
	       "  --irq    wait for MSI-X interrupts, not for the completion word\n"
	       "  --fault  also DMA to addresses that are not mapped\n");
	exit(0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"road", required_argument, NULL, 'r'},
		{"count", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"irq", no_argument, NULL, 'i'},
		{"fault", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	unsigned int count = 1000, seed = 1;
	bool cdev = false, irq = false, fault = false;
	struct engine e = {0};
	uint32_t cap;

	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		switch (c) {
		case 'r':
			cdev = road_is_cdev(optarg);
			break;
		case 'n':
			count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'i':
			irq = true;
			break;
		case 'f':
			fault = true;
			break;
		case 'h':
			usage();
			break;
		default:
			return 1;
		}
	}
	srandom(seed);
	engine_open(&e, cdev, argv[optind], irq);
	test_copy(&e, count);
	cap = REG(&e, uint32_t, DMACAP);
	if (cap & DMACAP_FILL)
		test_fill(&e);
	if (cap & DMACAP_XOR)
		test_xor(&e);
	if (fault)
		test_fault(&e);
	channel_reset(&e);
	free(e.expect);
	road_close(&e.road);
	return 0;
}
