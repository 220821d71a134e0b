/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The I/OAT model, driven as its Linux and DPDK drivers drive it, and as no driver would.
 */
#include "rig.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHANCTRL  0x00
#define CHANCMD	  0x04
#define DMACOUNT  0x06
#define CHANSTS	  0x08
#define CHAINADDR 0x10
#define CHANCMP	  0x18
#define CHANERR	  0x28
#define CHANPASID 0x40

#define SUSPEND 0x04
#define ABORT	0x08
#define RESUME	0x10
#define RESET	0x20

#define INT_REARM    0x01
#define ERR_COMPL_EN 0x04
#define ERR_INT_EN   0x10

enum { ACTIVE, DONE, SUSPENDED, HALTED, ARMED };

#define INT_EN	    1u
#define COMPL_WRITE 8u
#define NULL_DESC   32u
#define COPY	    (0u << 24)
#define FILL	    (1u << 24)
#define XOR	    (0x87u << 24)
#define XOR_VAL	    (0x88u << 24)

struct desc {
	uint32_t size, ctl;
	uint64_t src, dst, next, word[4];
};

#define RING 64

struct bench {
	struct rig rig;
	struct func *f;
	struct desc *ring; /* RING descriptors, each leading to the next */
	uint64_t *completion;
	uint8_t *src, *dst;
	unsigned int channel;
};

#define BUFFER (2u << 20)

static void setup(struct bench *b, const char *text)
{
	struct prng rnd = {42};

	memset(b, 0, sizeof(*b));
	rig_create(&b->rig, true);
	b->f = func_add(&b->rig, text);
	b->ring = arena_alloc(&b->rig, RING * sizeof(*b->ring), 4096);
	b->completion = arena_alloc(&b->rig, 64, 64);
	b->src = arena_alloc(&b->rig, BUFFER, 4096);
	b->dst = arena_alloc(&b->rig, BUFFER, 4096);
	fill_random(&rnd, b->src, 65536);
	for (unsigned int i = 0; i < RING; i++)
		b->ring[i].next = iova_of(&b->rig, &b->ring[(i + 1) % RING]);
}

static uint64_t at(const struct bench *b, uint64_t reg)
{
	return 0x80 * (b->channel + 1) + reg;
}

static uint64_t get(struct bench *b, uint64_t reg, unsigned int size)
{
	return reg_read(b->f, 0, at(b, reg), size);
}

static void put(struct bench *b, uint64_t reg, unsigned int size, uint64_t val)
{
	reg_write(b->f, 0, at(b, reg), size, val);
}

static unsigned int state_of(struct bench *b)
{
	return get(b, CHANSTS, 8) & 7;
}

static void describe(struct bench *b, unsigned int i, uint32_t ctl, uint32_t size, const void *src,
		     const void *dst)
{
	struct desc *d = &b->ring[i % RING];

	d->ctl = ctl;
	d->size = size;
	d->src = iova_of(&b->rig, src);
	d->dst = iova_of(&b->rig, dst);
}

/* Arms the channel at descriptor @i of the ring. */
static void start(struct bench *b, unsigned int i)
{
	put(b, CHANCMP, 8, iova_of(&b->rig, b->completion));
	put(b, CHAINADDR, 8, iova_of(&b->rig, &b->ring[i]));
}

static unsigned int run(struct bench *b, uint16_t count)
{
	put(b, DMACOUNT, 2, count);
	WAIT_UNTIL(state_of(b) == DONE || state_of(b) == HALTED);
	return state_of(b);
}

static void the_registers_say_what_it_is(void **state)
{
	struct bench b;

	setup(&b, "ioat,channels=3,xfercap=16");
	assert_int_equal(cfg_read(b.f, 0, 4), 0x20218086);
	assert_int_equal(reg_read(b.f, 0, 0, 1), 3);
	assert_int_equal(reg_read(b.f, 0, 1, 1), 16);
	assert_int_equal(reg_read(b.f, 0, 8, 1), 0x32);
	assert_int_equal(reg_read(b.f, 0, 0x10, 4), 0x141); /* page break, fill, XOR */
	assert_int_equal(pci_irq_count(b.f->pci, PCI_MSIX), 3);
	for (b.channel = 0; b.channel < 3; b.channel++) {
		assert_int_equal(state_of(&b), HALTED);
		assert_int_equal(get(&b, 2, 2), 2);
		put(&b, CHAINADDR, 8, iova_of(&b.rig, b.ring));
		assert_int_equal(state_of(&b), ARMED); /* at once */
		put(&b, CHANCTRL, 2, 0x1fe);
		assert_int_equal(get(&b, CHANCTRL, 2), 0x1fe);
	}
	/* Neighbours in one word keep what they had. */
	reg_write(b.f, 0, 2, 1, 0x5a);
	reg_write(b.f, 0, 3, 1, 9);
	assert_int_equal(reg_read(b.f, 0, 0, 4), 0x095a1003);
	reg_write(b.f, 0, 2, 2, 0x0133);
	assert_int_equal(reg_read(b.f, 0, 0, 4), 0x01331003);
	reg_write(b.f, 0, 0, 8, 0xffffffff08770000);
	assert_int_equal(reg_read(b.f, 0, 0, 4), 0x08771003);
	reg_write(b.f, 0, 0xc, 2, 0x1234);
	assert_int_equal(reg_read(b.f, 0, 0xc, 4), 0x1234);
	b.channel = 1;
	put(&b, 0x2c, 4, 0x3e07);
	assert_int_equal(get(&b, 0x2c, 4), 0x3e07);
	rig_destroy(&b.rig);
}

static void copies_of_every_size(void **state)
{
	static const uint32_t sizes[] = {1, 2, 7, 8, 63, 64, 4095, 4096, 4097, 16383, 16384};
	struct bench b;

	setup(&b, "ioat");
	start(&b, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t n = sizes[i], from = i * 3, to = i * 5 + 1;

		memset(b.dst, 0xee, n + 256);
		describe(&b, i, COPY | COMPL_WRITE, n, b.src + from, b.dst + to);
		assert_int_equal(run(&b, i + 1), DONE);
		assert_memory_equal(b.dst + to, b.src + from, n);
		assert_int_equal(b.dst[to - 1], 0xee);
		assert_int_equal(b.dst[to + n], 0xee);
		assert_int_equal(get(&b, CHANSTS, 8), iova_of(&b.rig, &b.ring[i]) | DONE);
		assert_int_equal(*b.completion, iova_of(&b.rig, &b.ring[i]) | DONE);
	}
	rig_destroy(&b.rig);
}

static void the_largest_transfer(void **state)
{
	struct prng rnd = {3};
	struct bench b;

	setup(&b, "ioat,xfercap=20");
	fill_random(&rnd, b.src, 1 << 20);
	describe(&b, 0, COPY, 1 << 20, b.src, b.dst + 5);
	start(&b, 0);
	assert_int_equal(run(&b, 1), DONE);
	assert_memory_equal(b.dst + 5, b.src, 1 << 20);
	assert_int_equal(*b.completion, 0); /* not asked for */
	rig_destroy(&b.rig);
}

static void a_fill_repeats_its_pattern(void **state)
{
	const uint64_t pattern = 0x8877665544332211;
	struct bench b;

	setup(&b, "ioat");
	describe(&b, 0, FILL, 10001, b.src, b.dst + 3);
	b.ring[0].src = pattern;
	start(&b, 0);
	assert_int_equal(run(&b, 1), DONE);
	for (unsigned int i = 0; i < 10001; i++)
		assert_int_equal(b.dst[3 + i], (uint8_t)(pattern >> i % 8 * 8));
	assert_int_equal(b.dst[2], 0);
	assert_int_equal(b.dst[3 + 10001], 0);
	rig_destroy(&b.rig);
}

/* Describes an XOR of @n sources, each of @len bytes of b.src, at ring entry @i; returns how many
 * entries it took. */
static unsigned int describe_xor(struct bench *b, unsigned int i, uint32_t op, unsigned int n,
				 uint32_t len)
{
	struct desc *d = &b->ring[i % RING];
	uint64_t *ext = (uint64_t *)(void *)&b->ring[(i + 1) % RING];

	describe(b, i, op | (n - 2) << 5, len, b->src, b->dst);
	for (unsigned int s = 1; s < n && s < 5; s++)
		d->word[s - 1] = iova_of(&b->rig, b->src + s * len);
	if (n <= 5)
		return 1;
	memset(ext, 0, sizeof(*d));
	for (unsigned int s = 5; s < n && s < 8; s++)
		ext[s - 5] = iova_of(&b->rig, b->src + s * len);
	ext[3] = iova_of(&b->rig, &b->ring[(i + 2) % RING]);
	return 2;
}

static void xor_of_two_to_eight_sources(void **state)
{
	const uint32_t len = 4096 + 40;
	unsigned int i = 0;
	struct bench b;

	setup(&b, "ioat");
	start(&b, 0);
	for (unsigned int n = 2; n <= 8; n++) {
		i += describe_xor(&b, i, XOR, n, len);
		assert_int_equal(run(&b, i), DONE);
		for (uint32_t k = 0; k < len; k++) {
			uint8_t want = 0;

			for (unsigned int s = 0; s < n; s++)
				want ^= b.src[s * len + k];
			assert_int_equal(b.dst[k], want);
		}
		/* What was just written is valid; and then it is not. */
		i += describe_xor(&b, i, XOR_VAL, n, len);
		assert_int_equal(run(&b, i), DONE);
	}
	b.dst[len - 1] ^= 1;
	i += describe_xor(&b, i, XOR_VAL, 8, len);
	assert_int_equal(run(&b, i), HALTED);
	assert_int_equal(get(&b, CHANERR, 4), 0x10000);
	rig_destroy(&b.rig);
}

/* Every way in which a descriptor can be wrong, and the bit of CHANERR that tells it. */
static void errors_have_their_bits(void **state)
{
	static const struct {
		const char *what;
		uint32_t bit;
	} rows[] = {
		{"next", 0x4},		{"next align", 0x8},
		{"chain", 0x10},	{"read", 0x100},
		{"write", 0x200},	{"control", 0x400},
		{"zero length", 0x800}, {"length", 0x800},
		{"completion", 0x1000}, {"completion align", 0x1000},
		{"sources", 0x400},	{"count", 0x40000},
		{"fill", 0x200},	{"xor read", 0x100},
		{"ext", 0x4},		{"ext align", 0x8},
		{"chain fault", 0x4},	{"xor write", 0x200},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *what = rows[i].what;
		unsigned int count = 2;
		bool first = false;
		struct bench b;

		setup(&b, "ioat");
		describe(&b, 0, COPY | COMPL_WRITE, 64, b.src, b.dst);
		describe(&b, 1, COPY, 64, b.src + 64, b.dst + 64);
		if (!strcmp(what, "next"))
			b.ring[0].next = 0x900000000000;
		else if (!strcmp(what, "next align"))
			b.ring[0].next += 8;
		else if (!strcmp(what, "read"))
			b.ring[1].src = 0x900000000000;
		else if (!strcmp(what, "write"))
			b.ring[1].dst = ARENA_IOVA + ARENA_LEN - 63;
		else if (!strcmp(what, "control"))
			b.ring[1].ctl = 0x55u << 24;
		else if (!strcmp(what, "zero length"))
			b.ring[1].size = 0;
		else if (!strcmp(what, "length"))
			b.ring[1].size = (1 << 14) + 1;
		else if (!strcmp(what, "sources"))
			count = 1 + describe_xor(&b, 1, XOR, 9, 64);
		else if (!strcmp(what, "count"))
			describe_xor(&b, 1, XOR, 6, 64);
		else if (!strcmp(what, "fill"))
			b.ring[1].ctl = FILL, b.ring[1].dst = 0x900000000000;
		else if (!strcmp(what, "xor read"))
			describe_xor(&b, 1, XOR, 5, 64), b.ring[1].word[3] = 0x900000000000;
		else if (!strcmp(what, "xor write"))
			describe_xor(&b, 1, XOR, 5, 64), b.ring[1].dst = 0x900000000000;
		else if (!strcmp(what, "ext"))
			count = 1 + describe_xor(&b, 1, XOR, 8, 64),
			b.ring[1].next = 0x900000000000;
		else if (!strcmp(what, "ext align"))
			count = 1 + describe_xor(&b, 1, XOR, 8, 64), b.ring[1].next += 32;
		put(&b, CHANCTRL, 2, ERR_COMPL_EN);
		start(&b, 0);
		if (!strncmp(what, "chain", 5)) {
			first = true;
			put(&b, CHAINADDR, 8,
			    what[5] ? 0x900000000000 : iova_of(&b.rig, b.ring) + 4);
		}
		if (!strncmp(what, "completion", 10)) {
			first = true;
			put(&b, CHANCMP, 8,
			    what[10] ? iova_of(&b.rig, b.completion) + 4 : 0x900000000000);
		}
		assert_int_equal(run(&b, count), HALTED);
		if (get(&b, CHANERR, 4) != rows[i].bit)
			fail_msg("%s: CHANERR is %#x", what, (unsigned int)get(&b, CHANERR, 4));
		/* The last good one is told, in memory too; the bit stays until it is written. */
		assert_int_equal(get(&b, CHANSTS, 8),
				 first ? HALTED : iova_of(&b.rig, b.ring) | HALTED);
		if (strncmp(what, "completion", 10))
			assert_int_equal(*b.completion, get(&b, CHANSTS, 8));
		put(&b, CHANERR, 4, 0xfeffffff & ~rows[i].bit);
		assert_int_equal(get(&b, CHANERR, 4), rows[i].bit);
		put(&b, CHANERR, 4, rows[i].bit);
		assert_int_equal(get(&b, CHANERR, 4), 0);
		/* And the channel can be used again. */
		describe(&b, 5, COPY | COMPL_WRITE, 64, b.src + 99, b.dst + 99);
		start(&b, 5);
		assert_int_equal(run(&b, 1), DONE);
		assert_memory_equal(b.dst + 99, b.src + 99, 64);
		rig_destroy(&b.rig);
	}
}

static void an_error_is_kept_quiet_unless_wanted(void **state)
{
	struct bench b;

	setup(&b, "ioat");
	pci_irq_enable(b.f->pci, PCI_MSIX, true);
	describe(&b, 0, COPY | COMPL_WRITE | INT_EN, 0, b.src, b.dst);
	start(&b, 0);
	assert_int_equal(run(&b, 1), HALTED);
	assert_int_equal(*b.completion, 0);
	assert_int_equal(irqs_of(b.f, 0), 0);
	put(&b, CHANCTRL, 2, ERR_INT_EN);
	start(&b, 0);
	assert_int_equal(run(&b, 1), HALTED);
	WAIT_UNTIL(irqs_of(b.f, 0) == 1);
	assert_int_equal(*b.completion, 0);
	rig_destroy(&b.rig);
}

/* More descriptors than a 16-bit count can tell apart, in portions; each adds one to what it finds.
 */
static void the_count_wraps(void **state)
{
	const unsigned int total = 70000;
	unsigned int given = 0;
	struct bench b;

	setup(&b, "ioat");
	for (unsigned int i = 0; i < RING; i++)
		describe(&b, i, COPY | COMPL_WRITE, 8, b.src + 8 * i, b.dst + 8 * i);
	start(&b, 0);
	while (given < total) {
		given += given % 7 ? 50 : 64;
		memset(b.dst, 0, RING * 8);
		assert_int_equal(run(&b, (uint16_t)given), DONE);
		assert_int_equal(*b.completion & ~0x3full,
				 iova_of(&b.rig, &b.ring[(given - 1) % RING]));
		assert_memory_equal(b.dst + 8 * ((given - 1) % RING),
				    b.src + 8 * ((given - 1) % RING), 8);
		assert_int_equal(get(&b, DMACOUNT, 2), (uint16_t)given);
	}
	/* An extended descriptor at the turn counts twice there as well. */
	put(&b, CHANCMD, 1, RESET);
	describe(&b, 0, NULL_DESC, 1, b.src, b.dst);
	b.ring[0].next = iova_of(&b.rig, &b.ring[0]);
	start(&b, 0);
	assert_int_equal(run(&b, 65535), DONE);
	assert_int_equal(get(&b, CHANERR, 4), 0);
	put(&b, DMACOUNT, 2, 65535); /* nothing new */
	assert_int_equal(state_of(&b), DONE);
	rig_destroy(&b.rig);
}

static void a_null_descriptor_moves_nothing(void **state)
{
	struct bench b;

	setup(&b, "ioat");
	b.ring[0].ctl = COPY | NULL_DESC | COMPL_WRITE;
	b.ring[0].size = 1;
	b.ring[0].src = b.ring[0].dst = 0x900000000000;
	start(&b, 0);
	assert_int_equal(run(&b, 1), DONE);
	assert_int_equal(*b.completion, iova_of(&b.rig, b.ring) | DONE);
	assert_int_equal(rig_faults(&b.rig), 0);
	rig_destroy(&b.rig);
}

/* An endless ring: the worker is never at rest. */
static void run_for_ever(struct bench *b)
{
	for (unsigned int i = 0; i < RING; i++) {
		describe(b, i, COPY | COMPL_WRITE, 16384, b->src, b->dst);
		b->ring[i].next = iova_of(&b->rig, &b->ring[(i + 1) % RING]);
	}
	start(b, 0);
	put(b, DMACOUNT, 2, 60000);
	assert_int_equal(state_of(b), ACTIVE);
}

static void assert_over(struct bench *b)
{
	uint64_t was;

	memset(b->dst, 0, 16384);
	was = __atomic_load_n(b->completion, __ATOMIC_RELAXED);
	usleep(1000);
	assert_all(b->dst, 0, 16384);
	assert_int_equal(__atomic_load_n(b->completion, __ATOMIC_RELAXED), was);
}

/* When the write of the command is done nothing moves any more. */
static void reset_and_abort_in_mid_flight(void **state)
{
	struct bench b;

	setup(&b, "ioat,channels=2");
	for (unsigned int i = 0; i < 100; i++) {
		run_for_ever(&b);
		if (i & 1)
			usleep(i * 7);
		put(&b, CHANCMD, 1, i & 2 ? RESET : ABORT);
		assert_over(&b);
		assert_int_equal(state_of(&b), HALTED);
		assert_int_equal(get(&b, CHANCMD, 1), 0);
		assert_int_equal(get(&b, CHANERR, 4), 0);
	}
	/* What set the channel up is still there after its reset. */
	put(&b, CHANCTRL, 2, ERR_COMPL_EN);
	put(&b, CHANCMD, 1, RESET);
	assert_int_equal(get(&b, CHANCTRL, 2), ERR_COMPL_EN);
	assert_int_equal(get(&b, CHANCMP, 8), iova_of(&b.rig, b.completion));
	/* Another channel goes on. */
	run_for_ever(&b);
	b.channel = 1;
	describe(&b, 63, COPY, 64, b.src, b.dst + 20000);
	start(&b, 63);
	assert_int_equal(run(&b, 1), DONE);
	put(&b, CHANCMD, 1, RESET);
	b.channel = 0;
	assert_int_equal(state_of(&b), ACTIVE);
	pci_reset(b.f->pci);
	assert_over(&b);
	assert_int_equal(state_of(&b), HALTED);
	rig_destroy(&b.rig);
}

static void suspend_and_resume_in_mid_flight(void **state)
{
	struct bench b;

	setup(&b, "ioat");
	for (unsigned int i = 0; i < 50; i++) {
		run_for_ever(&b);
		usleep(i * 5);
		put(&b, CHANCMD, 1, SUSPEND);
		WAIT_UNTIL(state_of(&b) == SUSPENDED);
		assert_over(&b);
		__atomic_store_n(b.completion, 0, __ATOMIC_RELAXED);
		put(&b, CHANCMD, 1, RESUME);
		assert_int_equal(state_of(&b), ACTIVE);
		WAIT_UNTIL(__atomic_load_n(b.completion, __ATOMIC_ACQUIRE));
		put(&b, CHANCMD, 1, SUSPEND);
		WAIT_UNTIL(state_of(&b) == SUSPENDED);
		put(&b, CHANCMD, 1, RESET);
	}
	/* Idle, armed and halted channels: as Linux quiesces them. */
	describe(&b, 0, COPY, 64, b.src, b.dst);
	start(&b, 0);
	put(&b, CHANCMD, 1, SUSPEND);
	assert_int_equal(state_of(&b), SUSPENDED);
	put(&b, DMACOUNT, 2, 1); /* waits */
	assert_int_equal(state_of(&b), SUSPENDED);
	put(&b, CHANCMD, 1, RESUME);
	WAIT_UNTIL(state_of(&b) == DONE);
	put(&b, CHANCMD, 1, SUSPEND);
	assert_int_equal(state_of(&b), SUSPENDED);
	put(&b, CHANCMD, 1, RESUME);
	assert_int_equal(state_of(&b), DONE);
	put(&b, CHANCMD, 1, ABORT);
	put(&b, CHANCMD, 1, SUSPEND);
	assert_int_equal(state_of(&b), HALTED);
	put(&b, CHANCMD, 1, RESUME);
	assert_int_equal(state_of(&b), HALTED);
	rig_destroy(&b.rig);
}

/* A chain address written while the channel works: the old chain is over, the new one begins. */
static void a_new_chain_in_mid_flight(void **state)
{
	struct bench b;

	setup(&b, "ioat");
	for (unsigned int i = 0; i < 50; i++) {
		run_for_ever(&b);
		if (i & 1)
			usleep(i * 3);
		put(&b, CHAINADDR, 4, iova_of(&b.rig, &b.ring[7]));
		put(&b, CHAINADDR + 4, 4, iova_of(&b.rig, &b.ring[7]) >> 32);
		assert_int_equal(state_of(&b), ARMED);
		assert_over(&b);
		describe(&b, 7, COPY | COMPL_WRITE, 100, b.src + i, b.dst + 30000);
		assert_int_equal(run(&b, 1), DONE);
		assert_memory_equal(b.dst + 30000, b.src + i, 100);
		assert_int_equal(*b.completion, iova_of(&b.rig, &b.ring[7]) | DONE);
	}
	rig_destroy(&b.rig);
}

/* The completion is in memory when CHANSTS shows it, and both are when the interrupt comes. */
static void completion_comes_before_status_and_interrupt(void **state)
{
	unsigned int was;
	struct bench b;

	setup(&b, "ioat");
	pci_irq_enable(b.f->pci, PCI_MSIX, true);
	for (unsigned int i = 0; i < RING; i++)
		describe(&b, i, COPY | COMPL_WRITE | INT_EN, 64, b.src, b.dst);
	start(&b, 0);
	for (unsigned int i = 0; i < 2000; i++) {
		uint64_t want = iova_of(&b.rig, &b.ring[i % RING]);

		was = irqs_of(b.f, 0);
		put(&b, CHANCTRL, 2, INT_REARM);
		put(&b, DMACOUNT, 2, i + 1);
		if (i & 1) {
			WAIT_UNTIL((get(&b, CHANSTS, 8) & ~0x3full) == want);
			assert_int_equal(__atomic_load_n(b.completion, __ATOMIC_RELAXED) & ~0x3full,
					 want);
		}
		WAIT_UNTIL(irqs_of(b.f, 0) > was);
		assert_int_equal(__atomic_load_n(b.completion, __ATOMIC_RELAXED) & ~0x3full, want);
		assert_int_equal(get(&b, CHANSTS, 8), want | DONE);
	}
	rig_destroy(&b.rig);
}

/* One message, then none until INT_REARM, which brings the one that is due. */
static void interrupts_are_armed_one_by_one(void **state)
{
	struct bench b;

	setup(&b, "ioat,channels=4");
	pci_irq_enable(b.f->pci, PCI_MSIX, true);
	b.channel = 2;
	for (unsigned int i = 0; i < 8; i++)
		describe(&b, i, COPY | INT_EN, 64, b.src, b.dst);
	start(&b, 0);
	assert_int_equal(run(&b, 5), DONE);
	WAIT_UNTIL(irqs_of(b.f, 2) == 1);
	put(&b, CHANCTRL, 2, INT_REARM);
	assert_int_equal(irqs_of(b.f, 2), 2); /* at once */
	put(&b, CHANCTRL, 2, INT_REARM);
	assert_int_equal(irqs_of(b.f, 2), 2);
	assert_int_equal(run(&b, 6), DONE);
	WAIT_UNTIL(irqs_of(b.f, 2) == 3);
	assert_int_equal(irqs_of(b.f, 0) + irqs_of(b.f, 1) + irqs_of(b.f, 3), 0);
	/* A reset forgets what was due. */
	assert_int_equal(run(&b, 8), DONE);
	put(&b, CHANCMD, 1, RESET);
	put(&b, CHANCTRL, 2, INT_REARM);
	assert_int_equal(irqs_of(b.f, 2), 3);
	rig_destroy(&b.rig);
}

/* Without MSI-X: the attention bit and the pin, as ioat_dma_do_interrupt() of Linux handles them.
 */
static void the_pin_follows_attention(void **state)
{
	struct bench b;

	setup(&b, "ioat,channels=2");
	b.channel = 1;
	for (unsigned int i = 0; i < 3; i++)
		describe(&b, i, COPY | INT_EN, 64, b.src, b.dst);
	start(&b, 0);
	assert_int_equal(run(&b, 1), DONE);
	assert_int_equal(b.f->intx_raised, 0); /* not enabled */
	assert_int_equal(reg_read(b.f, 0, 4, 4), 2);
	assert_int_equal(reg_read(b.f, 0, 3, 1), 2);
	reg_write(b.f, 0, 3, 1, 1);
	assert_int_equal(reg_read(b.f, 0, 4, 4), 0);
	put(&b, CHANCTRL, 2, INT_REARM);
	assert_int_equal(run(&b, 2), DONE);
	WAIT_UNTIL(__atomic_load_n(&b.f->intx_raised, __ATOMIC_ACQUIRE) == 1);
	assert_true(pci_intx_asserted(b.f->pci));
	assert_int_equal(reg_read(b.f, 0, 3, 1), 7);
	assert_int_equal(reg_read(b.f, 0, 4, 4), 2);
	reg_write(b.f, 0, 3, 1, reg_read(b.f, 0, 3, 1));
	assert_false(pci_intx_asserted(b.f->pci)); /* at once */
	assert_int_equal(b.f->intx_lowered, 1);
	assert_int_equal(reg_read(b.f, 0, 3, 1), 1);
	rig_destroy(&b.rig);
}

/* All channels at once, each with its own memory. */
static void four_channels_work_side_by_side(void **state)
{
	struct desc *rings[4];
	struct bench b;

	setup(&b, "ioat,channels=4");
	for (b.channel = 0; b.channel < 4; b.channel++) {
		struct desc *ring = arena_alloc(&b.rig, RING * sizeof(*ring), 64);

		rings[b.channel] = ring;
		for (unsigned int i = 0; i < RING; i++)
			ring[i] = (struct desc){
				.size = 1000,
				.src = iova_of(&b.rig, b.src + 1000 * i),
				.dst = iova_of(&b.rig, b.dst + b.channel * 100000 + 1000 * i),
				.next = iova_of(&b.rig, &ring[(i + 1) % RING]),
			};
		put(&b, CHAINADDR, 8, iova_of(&b.rig, ring));
	}
	for (b.channel = 0; b.channel < 4; b.channel++)
		put(&b, CHANCMD, 4, (uint32_t)RING << 16); /* with DMACOUNT in one store */
	for (b.channel = 0; b.channel < 4; b.channel++) {
		WAIT_UNTIL(state_of(&b) == DONE);
		assert_int_equal(get(&b, CHANSTS, 8) & ~0x3full,
				 iova_of(&b.rig, &rings[b.channel][RING - 1]));
		assert_memory_equal(b.dst + b.channel * 100000, b.src, 1000 * RING);
	}
	rig_destroy(&b.rig);
}

/* Another device's registers, as source and as destination. */
static void copies_from_and_to_a_peer(void **state)
{
	struct func *peer;
	struct bench b;

	setup(&b, "ioat");
	peer = func_add(&b.rig, "scratch");
	rig_map_bar(&b.rig, peer, 0, 0x40000000);
	for (unsigned int i = 0; i < 32; i++)
		reg_write(peer, 0, 0x100 + 8 * i, 8, 0x0101010101010101 * i);
	describe(&b, 0, COPY, 255, b.src, b.dst + 1);
	b.ring[0].src = 0x40000101;
	describe(&b, 1, COPY, 4097, b.src + 3, b.dst);
	b.ring[1].dst = 0x40001003;
	start(&b, 0);
	assert_int_equal(run(&b, 2), DONE);
	for (unsigned int i = 1; i < 256; i++)
		assert_int_equal(b.dst[i], i / 8);
	/* Posted: it arrives, in pieces that a register file takes. */
	WAIT_UNTIL(reg_read(peer, 0, 0x2003, 1) == b.src[4099]);
	pci_bar_read(peer->pci, 0, 0x1003, 4097, b.dst);
	assert_memory_equal(b.dst, b.src + 3, 4097);
	/* One that does not answer. */
	cfg_write(peer, PCI_COMMAND, 2, 0);
	start(&b, 0);
	assert_int_equal(run(&b, 1), HALTED);
	assert_int_equal(get(&b, CHANERR, 4), 0x100);
	rig_destroy(&b.rig);
}

static void without_bus_master_it_halts(void **state)
{
	struct bench b;

	setup(&b, "ioat");
	set_bus_master(b.f, false);
	describe(&b, 0, COPY, 64, b.src, b.dst);
	start(&b, 0);
	assert_int_equal(run(&b, 1), HALTED);
	assert_int_equal(get(&b, CHANERR, 4), 4);
	set_bus_master(b.f, true);
	put(&b, CHANERR, 4, 4);
	start(&b, 0);
	assert_int_equal(run(&b, 1), DONE);
	assert_memory_equal(b.dst, b.src, 64);
	rig_destroy(&b.rig);
}

#define PASID	    5u
#define PASID_CAP   0x100
#define OTHER_BYTES 0x10000

/* Memory that only PASID sees, where the arena is for requests without one: a descriptor and data. */
struct other {
	struct domain *domain;
	struct bed_map map;
	char *mem;
};

static void other_create(struct bench *b, struct other *o)
{
	o->mem = bed_memory(OTHER_BYTES);
	assert_int_equal(domain_alloc(b->rig.bed.iommu, 0, &o->domain), 0);
	bed_map(&b->rig.bed, &o->map, o->domain, ARENA_IOVA, o->mem, OTHER_BYTES,
		PT_READ | PT_WRITE);
	assert_int_equal(requester_attach_pasid(b->f->requester, PASID, o->domain), 0);
	*(struct desc *)(void *)o->mem = (struct desc){
		.size = 100,
		.ctl = COPY | COMPL_WRITE,
		.src = ARENA_IOVA + 0x1000,
		.dst = ARENA_IOVA + 0x2000,
	};
	memset(o->mem + 0x1000, 0x77, 100);
}

static void other_destroy(struct bench *b, struct other *o)
{
	assert_int_equal(requester_attach_pasid(b->f->requester, PASID, NULL), 0);
	bed_unmap(&b->rig.bed, &o->map);
	domain_free(o->domain);
	munmap(o->mem, OTHER_BYTES);
}

static void start_other(struct bench *b)
{
	put(b, CHANCMP, 8, ARENA_IOVA + 0x3000);
	put(b, CHAINADDR, 8, ARENA_IOVA);
}

/* One channel uses the PASID, the other none; all that a channel does is its own. */
static void a_channel_has_a_pasid(void **state)
{
	struct other o;
	struct bench b;

	setup(&b, "ioat,channels=2,pasid=on");
	other_create(&b, &o);
	b.channel = 1;
	put(&b, CHANPASID, 4, 0xfff00000 | PASID);
	assert_int_equal(get(&b, CHANPASID, 4), PASID);
	start_other(&b);
	assert_int_equal(run(&b, 1), DONE);
	assert_all(o.mem + 0x2000, 0x77, 100);
	assert_int_equal(*(uint64_t *)(void *)(o.mem + 0x3000), ARENA_IOVA | DONE);
	b.channel = 0;
	describe(&b, 0, COPY | COMPL_WRITE, 4096, b.src, b.dst);
	start(&b, 0);
	assert_int_equal(run(&b, 1), DONE);
	assert_memory_equal(b.dst, b.src, 4096);
	assert_int_equal(*b.completion, iova_of(&b.rig, b.ring) | DONE);

	/* One that is not attached reaches nothing. A reset of the channel leaves it as it is. */
	b.channel = 1;
	put(&b, CHANPASID, 4, PASID + 1);
	put(&b, CHANCMD, 1, RESET);
	assert_int_equal(get(&b, CHANPASID, 4), PASID + 1);
	start_other(&b);
	assert_int_equal(run(&b, 1), HALTED);
	assert_int_equal(get(&b, CHANERR, 4), 4);
	assert_int_equal(rig_faults(&b.rig), 1);
	pci_reset(b.f->pci);
	assert_int_equal(get(&b, CHANPASID, 4), 0);
	other_destroy(&b, &o);
	rig_destroy(&b.rig);
}

static void pasids_can_be_disabled(void **state)
{
	const unsigned int pcie = 0x48;
	struct other o;
	struct bench b;

	setup(&b, "ioat,pasid=on");
	other_create(&b, &o);
	assert_int_equal(cfg_read(b.f, PASID_CAP, 4), PCI_EXT_CAP_ID_PASID | 1 << 16);
	assert_int_equal(cfg_read(b.f, PASID_CAP + PCI_PASID_CAP, 2), 20 << 8);
	assert_int_equal(cfg_read(b.f, pcie, 1), PCI_CAP_ID_EXP);
	assert_true(cfg_read(b.f, pcie + PCI_EXP_DEVCAP2, 4) & PCI_EXP_DEVCAP2_EE_PREFIX);
	/* The IOMMU has PASIDs: they are on. */
	assert_int_equal(cfg_read(b.f, PASID_CAP + PCI_PASID_CTRL, 2), PCI_PASID_CTRL_ENABLE);
	cfg_write(b.f, PASID_CAP + PCI_PASID_CTRL, 2, 0xfffe);
	assert_int_equal(cfg_read(b.f, PASID_CAP + PCI_PASID_CTRL, 2), 0);
	put(&b, CHANPASID, 4, PASID);
	start_other(&b);
	assert_int_equal(run(&b, 1), HALTED);
	assert_int_equal(get(&b, CHANERR, 4), 0x400);
	assert_int_equal(rig_faults(&b.rig), 0);
	assert_all(o.mem + 0x2000, 0, 100);
	cfg_write(b.f, PASID_CAP + PCI_PASID_CTRL, 2, 1);
	start_other(&b);
	assert_int_equal(run(&b, 1), DONE);
	assert_all(o.mem + 0x2000, 0x77, 100);
	other_destroy(&b, &o);
	rig_destroy(&b.rig);
}

static void without_the_option_there_are_no_pasids(void **state)
{
	struct bench b;

	setup(&b, "ioat");
	assert_int_equal(cfg_read(b.f, PASID_CAP, 4), 0);
	put(&b, CHANPASID, 4, PASID);
	assert_int_equal(get(&b, CHANPASID, 4), 0);
	assert_int_equal(requester_caps(b.f->requester)->max_pasid_log2, 0);
	rig_destroy(&b.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_registers_say_what_it_is),
		cmocka_unit_test(copies_of_every_size),
		cmocka_unit_test(the_largest_transfer),
		cmocka_unit_test(a_fill_repeats_its_pattern),
		cmocka_unit_test(xor_of_two_to_eight_sources),
		cmocka_unit_test(errors_have_their_bits),
		cmocka_unit_test(an_error_is_kept_quiet_unless_wanted),
		cmocka_unit_test(the_count_wraps),
		cmocka_unit_test(a_null_descriptor_moves_nothing),
		cmocka_unit_test(reset_and_abort_in_mid_flight),
		cmocka_unit_test(suspend_and_resume_in_mid_flight),
		cmocka_unit_test(a_new_chain_in_mid_flight),
		cmocka_unit_test(completion_comes_before_status_and_interrupt),
		cmocka_unit_test(interrupts_are_armed_one_by_one),
		cmocka_unit_test(the_pin_follows_attention),
		cmocka_unit_test(four_channels_work_side_by_side),
		cmocka_unit_test(copies_from_and_to_a_peer),
		cmocka_unit_test(without_bus_master_it_halts),
		cmocka_unit_test(a_channel_has_a_pasid),
		cmocka_unit_test(pasids_can_be_disabled),
		cmocka_unit_test(without_the_option_there_are_no_pasids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
