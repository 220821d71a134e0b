/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA room: bytes against a naive twin, what has moved when a fault comes, words that are never
 * torn, BARs, interrupt messages, bus mastering, sections of one piece.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "bed.h"
#include "dma/dma.h"

#define IOVA 0x40000000ull
#define SIZE (1u << 20)

struct fixture {
	struct bed bed;
	struct domain *domain;
	struct requester *r;
	struct dma_port port;
	char *mem;
	bool registered;
};

static void attach(struct fixture *f)
{
	assert_int_equal(domain_alloc(f->bed.iommu, 0, &f->domain), 0);
	assert_int_equal(requester_create(f->bed.iommu, 3, &f->r), 0);
	assert_int_equal(requester_attach(f->r, f->domain), 0);
	dma_port_init(&f->port, f->r, f->bed.memory);
	dma_set_bus_master(&f->port, true);
	dma_begin(&f->port);
	f->mem = bed_memory(SIZE);
}

static void setup(struct fixture *f, const char *make, bool registered)
{
	*f = (struct fixture){.registered = registered};
	bed_create(&f->bed, make, false);
	attach(f);
	if (registered)
		assert_int_equal(memory_register(f->bed.memory, (uintptr_t)f->mem, SIZE), 0);
}

static void teardown(struct fixture *f)
{
	dma_end(&f->port);
	assert_int_equal(requester_attach(f->r, NULL), 0);
	if (f->registered)
		assert_int_equal(memory_unregister(f->bed.memory, (uintptr_t)f->mem, SIZE), 0);
	requester_destroy(f->r);
	domain_free(f->domain);
	bed_destroy(&f->bed);
	munmap(f->mem, SIZE);
}

static uint64_t random_u64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* IOVA pages in another order than the memory's. */
static void map_scattered(struct fixture *f, struct bed_map *maps)
{
	for (uint64_t n = 0; n < SIZE / 4096; n++)
		bed_map(&f->bed, &maps[n], f->domain, IOVA + n * 4096,
			f->mem + (n * 77 % 256) * 4096, 4096, PT_READ | PT_WRITE);
}

/* Byte @off as the device counts them. */
static char *byte_at(struct fixture *f, uint64_t off)
{
	return f->mem + (off / 4096 * 77 % 256) * 4096 + off % 4096;
}

static void run_random(const char *make, bool registered)
{
	static struct bed_map maps[SIZE / 4096];
	unsigned char *twin = calloc(1, SIZE), *buf = malloc(SIZE);
	uint64_t rng = 7;
	struct fixture f;

	setup(&f, make, registered);
	map_scattered(&f, maps);
	for (int step = 0; step < 1500; step++) {
		uint64_t off = random_u64(&rng) % SIZE, most = random_u64(&rng) % 4 ? 40 : 300000;
		uint64_t len = min_u64(random_u64(&rng) % most, SIZE - off),
			 pattern = random_u64(&rng);

		switch (random_u64(&rng) % 3) {
		case 0:
			for (uint64_t n = 0; n < len; n++)
				buf[n] = twin[off + n] =
					(unsigned char)(pattern >> n % 7 * 8) + (unsigned char)n;
			assert_int_equal(dma_write(&f.port, IOVA + off, buf, len), 0);
			break;
		case 1:
			for (uint64_t n = 0; n < len; n++)
				twin[off + n] = (unsigned char)(pattern >> n % 8 * 8);
			assert_int_equal(dma_fill(&f.port, IOVA + off, pattern, len), 0);
			break;
		default:
			assert_int_equal(dma_read(&f.port, IOVA + off, buf, len), 0);
			assert_memory_equal(buf, twin + off, len);
		}
	}
	for (uint64_t n = 0; n < SIZE; n++)
		assert_int_equal(*(unsigned char *)byte_at(&f, n), twin[n]);
	for (uint64_t n = 0; n < SIZE / 4096; n++)
		bed_unmap(&f.bed, &maps[n]);
	teardown(&f);
	free(twin);
	free(buf);
}

static void test_random(void **state)
{
	run_random("vtd", false);
	run_random("vtd", true);
	run_random("amd", true);
}

/* Earlier bytes may have moved, later ones have not. */
static void test_fault_in_the_middle(void **state)
{
	struct bed_map one, three;
	struct dma_stats s;
	struct fixture f;
	char buf[3 * 4096];

	setup(&f, "vtd", false);
	memset(buf, 'x', sizeof(buf));
	bed_map(&f.bed, &one, f.domain, IOVA, f.mem, 4096, PT_READ | PT_WRITE);
	bed_map(&f.bed, &three, f.domain, IOVA + 8192, f.mem + 8192, 4096, PT_READ | PT_WRITE);
	assert_int_equal(dma_write(&f.port, IOVA + 4000, buf, 8192), -EFAULT);
	assert_int_equal(f.bed.last_fault.iova, IOVA + 4096);
	assert_int_equal(f.bed.last_fault.reason, FAULT_NOT_PRESENT);
	assert_int_equal(f.bed.nr_faults, 1);
	assert_int_equal(f.mem[3999], 0);
	assert_int_equal(f.mem[4000], 'x');
	assert_int_equal(f.mem[4095], 'x');
	for (int n = 4096; n < 3 * 4096; n++)
		assert_int_equal(f.mem[n], 0);
	assert_int_equal(dma_read(&f.port, IOVA + 4096, buf, 1), -EFAULT);
	dma_get_stats(&f.port, &s);
	assert_int_equal(s.writes, 1);
	assert_int_equal(s.written_bytes, 96);
	assert_int_equal(s.reads, 1);
	assert_int_equal(s.read_bytes, 0);
	assert_int_equal(s.faults, 2);
	bed_unmap(&f.bed, &one);
	bed_unmap(&f.bed, &three);
	teardown(&f);
}

static void test_nothing(void **state)
{
	struct fixture f;
	char c;

	setup(&f, "vtd", false);
	assert_int_equal(dma_read(&f.port, IOVA, &c, 0), 0);
	assert_int_equal(dma_write(&f.port, UINT64_MAX, &c, 0), 0);
	assert_int_equal(dma_fill(&f.port, 0, 1, 0), 0);
	assert_int_equal(f.bed.nr_faults, 0);
	teardown(&f);
}

/* The address space has an end: what goes beyond it does not come back at 0. */
static void test_wrap(void **state)
{
	struct bed_map top, zero;
	struct fixture f;

	setup(&f, "amd,levels=6", false);
	bed_map(&f.bed, &top, f.domain, UINT64_MAX - 4095, f.mem, 4096, PT_READ | PT_WRITE);
	bed_map(&f.bed, &zero, f.domain, 0, f.mem + 4096, 4096, PT_READ | PT_WRITE);
	assert_int_equal(dma_fill(&f.port, UINT64_MAX - 7, ~0ull, 8), 0);
	assert_int_equal(dma_fill(&f.port, UINT64_MAX - 3, 0, 8), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_ADDRESS);
	assert_int_equal(*(uint64_t *)(void *)(f.mem + 4088), 0xffffffff);
	assert_int_equal(f.mem[4096], 0);
	bed_unmap(&f.bed, &top);
	bed_unmap(&f.bed, &zero);
	teardown(&f);
}

static void test_bus_master(void **state)
{
	struct bed_map map;
	struct fixture f;
	uint32_t word = 1;

	setup(&f, "vtd", false);
	bed_map(&f.bed, &map, f.domain, IOVA, f.mem, 4096, PT_READ | PT_WRITE);
	dma_set_bus_master(&f.port, false);
	assert_int_equal(dma_write(&f.port, IOVA, &word, 4), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_BUS_MASTER);
	assert_int_equal(f.bed.last_fault.len, 4);
	assert_int_equal(f.mem[0], 0);
	dma_set_bus_master(&f.port, true);
	assert_int_equal(dma_write(&f.port, IOVA, &word, 4), 0);
	assert_int_equal(f.mem[0], 1);
	bed_unmap(&f.bed, &map);
	teardown(&f);
}

/* A section is one piece, so that whoever waits for it waits for no more. */
static void test_pieces(void **state)
{
	static const struct {
		uint64_t len, sections;
	} rows[] = {{0, 0}, {1, 1}, {DMA_PIECE, 1}, {DMA_PIECE + 1, 2}, {SIZE, SIZE / DMA_PIECE}};
	struct bed_map map;
	char *buf = malloc(SIZE);
	struct fixture f;

	setup(&f, "vtd", true);
	bed_map(&f.bed, &map, f.domain, IOVA, f.mem, SIZE, PT_READ | PT_WRITE);
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		uint64_t before = requester_epoch(f.r)->word;

		assert_int_equal(dma_read(&f.port, IOVA, buf, rows[n].len), 0);
		assert_int_equal((requester_epoch(f.r)->word - before) / EPOCH_COUNT,
				 rows[n].sections);
	}
	bed_unmap(&f.bed, &map);
	teardown(&f);
	free(buf);
}

/* Memory that vanished without a word: a fault from the guarded copy. */
static void test_gone(void **state)
{
	struct bed_map map;
	struct fixture f;
	char buf[64] = {0};

	setup(&f, "vtd", false);
	bed_map(&f.bed, &map, f.domain, IOVA, f.mem, 8192, PT_READ | PT_WRITE);
	assert_int_equal(dma_read(&f.port, IOVA, buf, 64), 0);
	assert_int_equal(mprotect(f.mem, 4096, PROT_NONE), 0);
	assert_int_equal(dma_read(&f.port, IOVA, buf, 64), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_GONE);
	assert_int_equal(dma_write(&f.port, IOVA + 8, buf, 8), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_GONE);
	assert_int_equal(dma_write(&f.port, IOVA + 4096, buf, 8), 0);
	assert_int_equal(mprotect(f.mem, 4096, PROT_READ | PROT_WRITE), 0);
	bed_unmap(&f.bed, &map);
	teardown(&f);
}

struct message {
	uint64_t address;
	uint32_t data, n;
	int rc;
};

static int take_message(void *arg, uint64_t address, uint32_t data)
{
	struct message *m = arg;

	m->address = address;
	m->data = data;
	m->n++;
	return m->rc;
}

static void test_messages(void **state)
{
	uint64_t data = 0x1122334455667788;
	struct message m = {0};
	struct fixture f;

	setup(&f, "vtd", false);
	assert_int_equal(dma_write(&f.port, 0xfee01000, &data, 4), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_MSI);
	f.port.msi = take_message;
	f.port.msi_arg = &m;
	assert_int_equal(dma_write(&f.port, 0xfee01000, &data, 4), 0);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.address, 0xfee01000);
	assert_int_equal(m.data, 0x55667788);
	assert_int_equal(dma_fill(&f.port, 0xfeeffffc, data, 4), 0);
	assert_int_equal(m.n, 2);
	f.bed.nr_faults = 0;
	assert_int_equal(dma_write(&f.port, 0xfee01000, &data, 8), -EFAULT);
	assert_int_equal(dma_write(&f.port, 0xfee01002, &data, 4), -EFAULT);
	assert_int_equal(dma_write(&f.port, 0xfee01000, &data, 2), -EFAULT);
	assert_int_equal(dma_write(&f.port, 0xfeeffffc, &data, 6), -EFAULT);
	assert_int_equal(dma_read(&f.port, 0xfee01000, &data, 4), -EFAULT);
	assert_int_equal(f.bed.nr_faults, 5);
	assert_int_equal(f.bed.last_fault.reason, FAULT_MSI);
	assert_int_equal(m.n, 2);
	m.rc = -EFAULT;
	assert_int_equal(dma_write(&f.port, 0xfee01000, &data, 4), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_MSI);
	teardown(&f);
}

/* A device with one BAR of a page, which writes down how it is reached. */
struct peer {
	struct dma_peer peer;
	uint64_t at; /* VA that memory_ops.vma calls the BAR */
	struct {
		uint64_t offset;
		unsigned int size;
		bool write;
	} log[64];
	unsigned int n;
	unsigned char regs[4096];
	bool silent;
};

static int peer_access(struct peer *p, uint32_t bar, uint64_t offset, unsigned int size, bool write)
{
	assert_int_equal(bar, 2);
	assert_true(size <= 8 && is_pow2(size) && is_aligned(offset, size) &&
		    offset + size <= 4096);
	if (p->silent)
		return -EFAULT;
	assert_true(p->n < ARRAY_SIZE(p->log));
	p->log[p->n].offset = offset;
	p->log[p->n].size = size;
	p->log[p->n++].write = write;
	return 0;
}

static int peer_write(struct dma_peer *dp, uint32_t bar, uint64_t offset, const void *data,
		      unsigned int size)
{
	struct peer *p = container_of(dp, struct peer, peer);
	int rc = peer_access(p, bar, offset, size, true);

	if (!rc)
		memcpy(p->regs + offset, data, size);
	return rc;
}

static int peer_read(struct dma_peer *dp, uint32_t bar, uint64_t offset, void *data,
		     unsigned int size)
{
	struct peer *p = container_of(dp, struct peer, peer);
	int rc = peer_access(p, bar, offset, size, false);

	if (!rc)
		memcpy(data, p->regs + offset, size);
	return rc;
}

static const struct dma_peer_ops peer_ops = {.write = peer_write, .read = peer_read};

static int vma_with_bar(void *arg, uint64_t va, struct memory_vma *out)
{
	struct peer *p = arg;

	if (va < p->at || va >= p->at + 4096)
		return memory_default_ops.vma(NULL, va, out);
	*out = (struct memory_vma){
		.start = p->at,
		.last = p->at + 4095,
		.kind = VMA_BAR,
		.read = true,
		.write = true,
		.bar = {.device = &p->peer, .region = 2},
	};
	return 0;
}

static void expect_log(struct peer *p, const char *text)
{
	char got[512] = "";

	for (unsigned int n = 0; n < p->n; n++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%c%x:%u ",
			 p->log[n].write ? 'w' : 'r', (unsigned int)p->log[n].offset,
			 p->log[n].size);
	assert_string_equal(got, text);
	p->n = 0;
}

static void test_bar(void **state)
{
	struct peer p = {.peer = {.ops = &peer_ops}};
	struct memory_ops ops = {.vma = vma_with_bar};
	struct fixture f = {0};
	unsigned char buf[64];
	struct bed_map map;

	bed_create_over(&f.bed, "vtd", &ops, &p);
	attach(&f);
	p.at = (uintptr_t)f.mem + 8192;
	bed_map(&f.bed, &map, f.domain, IOVA, f.mem + 8192, 4096, PT_READ | PT_WRITE);
	for (size_t n = 0; n < sizeof(buf); n++)
		buf[n] = (unsigned char)(n + 1);
	assert_int_equal(dma_write(&f.port, IOVA + 0x100, buf, 4), 0);
	expect_log(&p, "w100:4 ");
	assert_int_equal(dma_write(&f.port, IOVA + 0x201, buf, 23), 0);
	expect_log(&p, "w201:1 w202:2 w204:4 w208:8 w210:8 ");
	assert_memory_equal(p.regs + 0x201, buf, 23);
	assert_int_equal(dma_write(&f.port, IOVA + 0x300, buf, 7), 0);
	expect_log(&p, "w300:4 w304:2 w306:1 ");
	assert_int_equal(dma_fill(&f.port, IOVA + 0x402, 0x8877665544332211, 8), 0);
	expect_log(&p, "w402:2 w404:4 w408:2 ");
	assert_memory_equal(p.regs + 0x402, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(dma_read(&f.port, IOVA + 0x200, buf, 16), 0);
	expect_log(&p, "r200:8 r208:8 ");
	assert_memory_equal(buf, p.regs + 0x200, 16);
	assert_int_equal(*(uint64_t *)(void *)(f.mem + 8192 + 0x100),
			 0); /* no memory was touched */

	p.silent = true;
	assert_int_equal(dma_write(&f.port, IOVA, buf, 4), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_NO_PEER);
	assert_int_equal(dma_read(&f.port, IOVA, buf, 4), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_NO_PEER);
	p.silent = false;
	memory_forget_device(f.bed.memory, &p.peer);
	assert_int_equal(dma_write(&f.port, IOVA, buf, 4), -EFAULT);
	assert_int_equal(f.bed.last_fault.reason, FAULT_NO_PEER);
	expect_log(&p, "");
	bed_unmap(&f.bed, &map);
	teardown(&f);
}

struct worker {
	struct fixture *f;
	unsigned int size;
	bool stop;
	uint64_t rounds;
};

static void *write_words(void *arg)
{
	struct worker *w = arg;

	dma_begin(&w->f->port);
	for (uint64_t n = 0; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); n++) {
		uint64_t word = n & 1 ? ~0ull : 0;

		dma_write(&w->f->port, IOVA + 64, &word, w->size);
		__atomic_store_n(&w->rounds, n, __ATOMIC_RELAXED);
	}
	dma_end(&w->f->port);
	return NULL;
}

/* Aligned words of registered memory are seen whole. */
static void test_words(void **state)
{
	struct bed_map map;
	struct fixture f;

	setup(&f, "vtd", true);
	dma_end(&f.port);
	bed_map(&f.bed, &map, f.domain, IOVA, f.mem, 4096, PT_READ | PT_WRITE);
	for (unsigned int size = 2; size <= 8; size *= 2) {
		struct worker w = {.f = &f, .size = size};
		uint64_t all = size == 8 ? ~0ull : (1ull << size * 8) - 1, zeros = 0, ones = 0;
		pthread_t thread;

		memset(f.mem, 0, 4096);
		assert_int_equal(pthread_create(&thread, NULL, write_words, &w), 0);
		while (__atomic_load_n(&w.rounds, __ATOMIC_RELAXED) < 50000 || !zeros || !ones) {
			uint64_t v = size == 8	 ? __atomic_load_n((uint64_t *)(void *)(f.mem + 64),
								   __ATOMIC_RELAXED)
				     : size == 4 ? __atomic_load_n((uint32_t *)(void *)(f.mem + 64),
								   __ATOMIC_RELAXED)
						 : __atomic_load_n((uint16_t *)(void *)(f.mem + 64),
								   __ATOMIC_RELAXED);

			assert_true(v == 0 || v == all);
			zeros += v == 0;
			ones += v == all;
		}
		__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	bed_unmap(&f.bed, &map);
	dma_begin(&f.port);
	teardown(&f);
}

/* When bus mastering is off, it is over. */
static void test_bus_master_quiesces(void **state)
{
	struct worker w = {.size = 8};
	struct bed_map map;
	pthread_t thread;
	struct fixture f;

	setup(&f, "vtd", true);
	dma_end(&f.port);
	f.bed.iommu->fault = NULL;
	w.f = &f;
	bed_map(&f.bed, &map, f.domain, IOVA, f.mem, 4096, PT_READ | PT_WRITE);
	assert_int_equal(pthread_create(&thread, NULL, write_words, &w), 0);
	for (uint64_t n = 1; n < 300; n++) {
		uint64_t *word = (uint64_t *)(void *)(f.mem + 64),
			 seen = __atomic_load_n(&w.rounds, __ATOMIC_RELAXED);

		while (__atomic_load_n(&w.rounds, __ATOMIC_RELAXED) < seen + 3)
			sched_yield();
		dma_set_bus_master(&f.port, false);
		*word = 0x1234567890abcdef;
		for (int k = 0; k < 2000; k++)
			assert_int_equal(*(volatile uint64_t *)word, 0x1234567890abcdef);
		dma_set_bus_master(&f.port, true);
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	bed_unmap(&f.bed, &map);
	dma_begin(&f.port);
	teardown(&f);
}

/* Each request carries the port's PASID: into its own address space, and into the fault. */
static void test_pasid(void **state)
{
	const struct requester_config cfg = {.rid = 9, .pasid_bits = 8};
	struct bed_map rid, own;
	struct domain *other;
	struct dma_port port;
	struct requester *r;
	struct fixture f;
	uint64_t word = 0;

	setup(&f, "vtd", true);
	assert_int_equal(domain_alloc(f.bed.iommu, DOMAIN_PASID, &other), 0);
	assert_int_equal(requester_create_with(f.bed.iommu, &cfg, &r), 0);
	bed_map(&f.bed, &rid, f.domain, IOVA, f.mem, 4096, PT_READ | PT_WRITE);
	bed_map(&f.bed, &own, other, IOVA, f.mem + 4096, 4096, PT_READ | PT_WRITE);
	assert_int_equal(requester_attach(r, f.domain), 0);
	assert_int_equal(requester_attach_pasid(r, 5, other), 0);
	dma_port_init(&port, r, f.bed.memory);
	dma_set_bus_master(&port, true);
	dma_begin(&port);
	port.pasid = 5;
	assert_int_equal(dma_fill(&port, IOVA, 0x5555, 4096), 0);
	port.pasid = IOMMU_NO_PASID;
	assert_int_equal(dma_fill(&port, IOVA, 0x1111, 4096), 0);
	assert_int_equal(((uint64_t *)(void *)f.mem)[1], 0x1111);
	assert_int_equal(((uint64_t *)(void *)f.mem)[513], 0x5555);
	port.pasid = 5;
	assert_int_equal(dma_read(&port, IOVA + 8, &word, sizeof(word)), 0);
	assert_int_equal(word, 0x5555);
	port.pasid = 6;
	assert_int_equal(dma_read(&port, IOVA, &word, sizeof(word)), -EFAULT);
	assert_int_equal(f.bed.last_fault.pasid, 6);
	assert_int_equal(f.bed.last_fault.rid, 9);
	dma_end(&port);
	assert_int_equal(requester_attach_pasid(r, 5, NULL), 0);
	assert_int_equal(requester_attach(r, NULL), 0);
	requester_destroy(r);
	bed_unmap(&f.bed, &own);
	bed_unmap(&f.bed, &rid);
	domain_free(other);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_fault_in_the_middle),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_bus_master),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_bus_master_quiesces),
		cmocka_unit_test(test_pasid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
