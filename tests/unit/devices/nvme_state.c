/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVMe controller's life: enabling, disabling, shutting down, also in mid-flight; queues that
 * fill, wrap and break; interrupts.
 */
#include "nvme_driver.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOST 0x900000000000ull /* an IOVA that nothing maps */

#define SHST(csts) ((csts) >> 2 & 3)
#define SHN_NORMAL (1u << 14)
#define SHN_ABRUPT (2u << 14)

static void registers_at_power_on(void **state)
{
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add(&r, "nvme,queues=64");
	assert_int_equal(cfg_read(f, PCI_CLASS_REVISION, 4) >> 8, 0x010802);
	assert_int_equal(reg_read(f, 0, NVME_CAP, 8) & 0xffff, 1023);
	assert_int_equal(reg_read(f, 0, NVME_CAP, 8) >> 16 & 1, 1);
	assert_int_equal(reg_read(f, 0, NVME_CAP, 8) >> 24 & 0xff, 10);
	assert_int_equal(reg_read(f, 0, NVME_CAP, 8) >> 37 & 0xff, 1);
	assert_int_equal(reg_read(f, 0, NVME_CAP + 4, 4) >> 16 & 0xff,
			 0x40); /* pages of 4 to 64 KiB */
	assert_int_equal(reg_read(f, 0, NVME_VS, 4), 0x10400);
	assert_int_equal(reg_read(f, 0, NVME_CSTS, 4), 0);
	assert_int_equal(pci_irq_count(f->pci, PCI_MSIX), 65);
	/* Read-only ones, and those that are written in parts. */
	reg_write(f, 0, NVME_CAP, 8, UINT64_MAX);
	reg_write(f, 0, NVME_VS, 4, UINT32_MAX);
	reg_write(f, 0, NVME_CSTS, 4, UINT32_MAX);
	assert_int_equal(reg_read(f, 0, NVME_VS, 4), 0x10400);
	assert_int_equal(reg_read(f, 0, NVME_CSTS, 4), 0);
	assert_int_equal(reg_read(f, 0, NVME_CAP, 8) & 0xffff, 1023);
	reg_write(f, 0, NVME_ASQ, 8, 0x123456789abcdeff);
	assert_int_equal(reg_read(f, 0, NVME_ASQ, 8), 0x123456789abcd000);
	reg_write(f, 0, NVME_ASQ, 4, 0x11111111);
	assert_int_equal(reg_read(f, 0, NVME_ASQ, 8), 0x1234567811111000);
	reg_write(f, 0, NVME_ASQ + 4, 4, 0x22222222);
	assert_int_equal(reg_read(f, 0, NVME_ASQ, 8), 0x2222222211111000);
	/* AQA and its neighbour, NSSR, in one; a byte is no register. */
	reg_write(f, 0, NVME_NSSR, 8, 0xffffffff4e564d65);
	assert_int_equal(reg_read(f, 0, NVME_AQA, 4), 0x0fff0fff);
	reg_write(f, 0, NVME_AQA, 1, 0);
	reg_write(f, 0, NVME_AQA, 2, 0);
	assert_int_equal(reg_read(f, 0, NVME_AQA, 4), 0x0fff0fff);
	reg_write(f, 0, NVME_INTMS, 4, 0xf0);
	reg_write(f, 0, NVME_INTMC, 4, 0x30);
	assert_int_equal(reg_read(f, 0, NVME_INTMS, 4), 0xc0);
	assert_int_equal(reg_read(f, 0, NVME_INTMC, 4), 0xc0);
	/* Doorbells of a controller that is not ready are nobody's. */
	reg_write(f, 0, NVME_DOORBELLS, 4, 99);
	assert_int_equal(reg_read(f, 0, NVME_CSTS, 4), 0);
	rig_destroy(&r);
}

static void a_configuration_that_cannot_be(void **state)
{
	static const uint32_t bad[] = {1 << 4, 7 << 4, 5 << 7, 15 << 7, 1 << 11, 7 << 11};
	struct nvme_host h;
	struct func *f;
	struct rig r;

	rig_create(&r, true);
	f = func_add(&r, "nvme");
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		nvme_program(&h, f, 16, NVME_CC_USUAL | bad[i]);
		WAIT_UNTIL(nvme_csts(&h));
		assert_int_equal(nvme_csts(&h), CFS);
		reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL & ~1u);
		WAIT_UNTIL(!nvme_csts(&h));
	}
	/* Queues of one entry. */
	nvme_program(&h, f, 16, 0);
	reg_write(f, 0, NVME_AQA, 4, 0x000f0000);
	reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL);
	WAIT_UNTIL(nvme_csts(&h) == CFS);
	/* A fatal controller stays so until it is reset, whatever else is written. */
	reg_write(f, 0, NVME_AQA, 4, 0x000f000f);
	reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL | 1 << 20);
	usleep(2000);
	assert_int_equal(nvme_csts(&h), CFS);
	nvme_stop(&h);
	nvme_start(&h, f, 16);
	rig_destroy(&r);
}

static void *page_of(struct rig *r)
{
	return arena_alloc(r, 4096, 4096);
}

/* AQA, ASQ and ACQ outlive a reset by CC.EN, but not one of the function. */
static void what_a_reset_leaves(void **state)
{
	struct nvme_host h;
	struct func *f;
	struct rig r;
	uint64_t asq;

	rig_create(&r, true);
	f = func_add(&r, "nvme");
	nvme_start(&h, f, 16);
	asq = reg_read(f, 0, NVME_ASQ, 8);
	reg_write(f, 0, NVME_INTMS, 4, 1);
	nvme_add_queue(&h, 1, 16, -1);
	nvme_stop(&h);
	assert_int_equal(nvme_csts(&h), 0);
	assert_int_equal(reg_read(f, 0, NVME_ASQ, 8), asq);
	assert_int_equal(reg_read(f, 0, NVME_AQA, 4), 0x000f000f);
	assert_int_equal(reg_read(f, 0, NVME_INTMS, 4), 0);
	/* Enabled again as it is: the queues begin anew, and queue 1 is gone. */
	memset(h.q[0].cq, 0, 16 * sizeof(struct nvme_cqe));
	h.q[0].tail = h.q[0].head = 0;
	h.q[0].phase = true;
	reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL);
	WAIT_UNTIL(nvme_csts(&h) == RDY);
	assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 1), NULL),
			 NVME_QID_INVALID);
	pci_reset(f->pci);
	assert_int_equal(nvme_csts(&h), 0);
	assert_int_equal(reg_read(f, 0, NVME_CC, 4), 0);
	assert_int_equal(reg_read(f, 0, NVME_ASQ, 8), 0);
	assert_int_equal(reg_read(f, 0, NVME_AQA, 4), 0);
	rig_destroy(&r);
}

/* A CC.EN that falls and rises before the controller has looked is a reset: the old queues are
 * gone. */
static void enable_toggled_quickly(void **state)
{
	struct nvme_host h;
	struct func *f;
	struct rig r;

	rig_create(&r, true);
	f = func_add(&r, "nvme");
	nvme_start(&h, f, 16);
	for (unsigned int i = 0; i < 300; i++) {
		h.q[0].sq = page_of(&r);
		h.q[0].cq = page_of(&r);
		reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL & ~1u);
		reg_write(f, 0, NVME_ASQ, 8, iova_of(&r, h.q[0].sq));
		reg_write(f, 0, NVME_ACQ, 8, iova_of(&r, h.q[0].cq));
		h.q[0].tail = h.q[0].head = 0;
		h.q[0].phase = true;
		for (unsigned int k = 0; k < i % 4; k++) {
			reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL);
			reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL & ~1u);
		}
		/* What the controller makes of it meanwhile is its business; at the end it is off,
		 * then on. */
		if (i & 1)
			WAIT_UNTIL(!nvme_csts(&h));
		reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL);
		if (i & 1) {
			WAIT_UNTIL(nvme_csts(&h) == RDY);
		} else {
			/* RDY may still be the old one: a doorbell that comes too soon is lost, so
			 * ring until it is heard. */
			struct nvme_sqe e = nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 7);
			struct nvme_cqe c;

			nvme_put(&h, 0, &e);
			WAIT_UNTIL((nvme_ring_sq(&h, 0), nvme_take(&h, 0, &c)));
			assert_int_equal(c.status >> 1 & 0x3fff, NVME_QID_INVALID);
			assert_int_equal(c.sqhd, 1);
			continue;
		}
		assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 7), NULL),
				 NVME_QID_INVALID);
	}
	rig_destroy(&r);
}

static void shutting_down(void **state)
{
	struct nvme_host h;
	struct nvme_cqe c;
	struct nvme_sqe e;
	struct func *f;
	struct rig r;

	rig_create(&r, true);
	f = func_add(&r, "nvme");
	for (unsigned int i = 0; i < 20; i++) {
		nvme_start(&h, f, 16);
		reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL | (i & 1 ? SHN_ABRUPT : SHN_NORMAL));
		assert_true(SHST(nvme_csts(&h))); /* occurring, or complete, at once */
		WAIT_UNTIL(SHST(nvme_csts(&h)) == 2);
		assert_int_equal(nvme_csts(&h), 2 << 2 | RDY);
		/* Commands wait for a reset that never gives them back. */
		e = nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 1);
		nvme_submit(&h, 0, &e);
		usleep(500);
		assert_false(nvme_take(&h, 0, &c));
		reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL & ~1u);
		WAIT_UNTIL(!nvme_csts(&h));
		r.used = 0;
	}
	/* Shut down while it is disabled, and both in one write. */
	reg_write(f, 0, NVME_CC, 4, SHN_NORMAL);
	WAIT_UNTIL(SHST(nvme_csts(&h)) == 2);
	reg_write(f, 0, NVME_CC, 4, 0);
	nvme_start(&h, f, 16);
	reg_write(f, 0, NVME_CC, 4, (NVME_CC_USUAL & ~1u) | SHN_NORMAL);
	WAIT_UNTIL(!(nvme_csts(&h) & RDY));
	rig_destroy(&r);
}

struct load {
	struct rig rig;
	struct nvme_host h;
	uint8_t *data;
};

static void begin_load(struct load *l, const char *text)
{
	memset(l, 0, sizeof(*l));
	rig_create(&l->rig, true);
	l->h.f = func_add(&l->rig, text);
	l->data = arena_alloc(&l->rig, 512 * 1024, 4096);
}

/* A queue pair full of reads. */
static void fill_queue(struct load *l)
{
	struct nvme_sqe e = nvme_rw_cmd(&l->h, NVME_IO_READ, 1, 0, 1024, l->data, 512 * 1024);

	for (unsigned int i = 0; i < 62; i++)
		nvme_put(&l->h, 1, &e);
	nvme_ring_sq(&l->h, 1);
}

static void assert_quiet(struct load *l)
{
	memset(l->data, 0xaa, 512 * 1024);
	memset(l->h.q[1].cq, 0xaa, 64 * sizeof(struct nvme_cqe));
	usleep(1000);
	assert_all(l->data, 0xaa, 512 * 1024);
	assert_all(l->h.q[1].cq, 0xaa, 64 * sizeof(struct nvme_cqe));
}

/* Disabled, shut down, reset, removed, each while it works. */
static void stopped_in_mid_flight(void **state)
{
	struct load l;
	size_t mark;

	begin_load(&l, "nvme,size=1M");
	mark = l.rig.used;
	for (unsigned int i = 0; i < 60; i++) {
		l.rig.used = mark;
		nvme_start(&l.h, l.h.f, 16);
		nvme_add_queue(&l.h, 1, 64, -1);
		fill_queue(&l);
		usleep(i * 20);
		switch (i % 4) {
		case 0:
			reg_write(l.h.f, 0, NVME_CC, 4, NVME_CC_USUAL & ~1u);
			WAIT_UNTIL(!(nvme_csts(&l.h) & RDY));
			break;
		case 1:
			reg_write(l.h.f, 0, NVME_CC, 4, NVME_CC_USUAL | SHN_NORMAL);
			WAIT_UNTIL(SHST(nvme_csts(&l.h)) == 2);
			assert_quiet(&l);
			nvme_stop(&l.h);
			break;
		case 2:
			pci_reset(l.h.f->pci);
			assert_int_equal(nvme_csts(&l.h), 0);
			break;
		case 3:
			set_bus_master(l.h.f, false);
			break;
		}
		assert_quiet(&l);
		if (i % 4 == 3) {
			/* It noticed, or had nothing left to do. */
			set_bus_master(l.h.f, true);
			nvme_stop(&l.h);
		}
	}
	nvme_start(&l.h, l.h.f, 16);
	nvme_add_queue(&l.h, 1, 64, -1);
	fill_queue(&l);
	func_remove(l.h.f);
	assert_quiet(&l);
	rig_destroy(&l.rig);
}

/* Commands wait while the completion queue is full, and none is lost or overwritten. */
static void a_full_completion_queue_holds_commands_back(void **state)
{
	const unsigned int total = 5000;
	unsigned int put = 0, taken = 0;
	struct prng rnd = {3};
	struct nvme_host h;
	struct nvme_cqe c;
	struct nvme_sqe e;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, "nvme"), 16);
	/* Two submission queues of 64 share a completion queue of 5. */
	nvme_add_queue(&h, 1, 64, -1);
	nvme_add_queue(&h, 2, 64, -1);
	for (uint16_t q = 1; q < 3; q++) {
		assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, q), NULL), 0);
		assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, q), NULL), 0);
	}
	assert_int_equal(nvme_do(&h, 0, nvme_create_cq_cmd(1, 5, iova_of(&r, h.q[1].cq), -1), NULL),
			 0);
	h.q[1].cq_size = 5;
	for (uint16_t q = 1; q < 3; q++)
		assert_int_equal(
			nvme_do(&h, 0, nvme_create_sq_cmd(q, 64, iova_of(&r, h.q[q].sq), 1), NULL),
			0);
	e = nvme_rw_cmd(&h, NVME_IO_FLUSH, 1, 0, 1, h.q[1].sq, 0);
	uint16_t expected[3] = {0};

	while (taken < total) {
		unsigned int in_flight = put - taken;

		/* At most 30 of them outstanding in each queue. */
		while (put < total && in_flight < 30 && prng_below(&rnd, 8)) {
			nvme_submit(&h, 1 + put % 2, &e);
			put++;
			in_flight++;
		}
		for (unsigned int n = 0; n < prng_below(&rnd, 6) && nvme_peek(&h, 1, &c);
		     n++, taken++) {
			assert_true(c.sqid == 1 || c.sqid == 2);
			assert_int_equal(c.cid, expected[c.sqid]++); /* in order, each once */
			assert_int_equal(c.status >> 1, 0);
		}
		nvme_ring_cq(&h, 1);
	}
	assert_int_equal(expected[1] + expected[2], total);
	assert_int_equal(nvme_csts(&h), RDY);
	/* With nobody who takes them exactly four are posted. */
	for (unsigned int i = 0; i < 10; i++)
		nvme_submit(&h, 1, &e);
	usleep(20000);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(nvme_peek(&h, 1, &c));
	assert_false(nvme_peek(&h, 1, &c));
	rig_destroy(&r);
}

/* An event's completion waits for room in the admin queue too. */
static void events_wait_for_room(void **state)
{
	struct nvme_sqe aer = {.opcode = NVME_ADMIN_ASYNC_EVENT},
			bad = nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 9);
	struct nvme_sqe abort = {.opcode = NVME_ADMIN_ABORT};
	uint16_t aer_cid;
	struct nvme_host h;
	struct nvme_cqe c;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, "nvme"), 4);
	aer_cid = nvme_submit(&h, 0, &aer);
	for (unsigned int i = 0; i < 3; i++) {
		nvme_submit(&h, 0, &bad); /* fills the completion queue of 4 with 3 */
		WAIT_UNTIL(
			__atomic_load_n((uint64_t *)(void *)&h.q[0].cq[i] + 1, __ATOMIC_ACQUIRE) >>
				48 &
			1);
	}
	reg_write(h.f, 0, NVME_DOORBELLS + 8 * 50, 4, 1);
	usleep(5000);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(nvme_peek(&h, 0, &c));
		assert_int_equal(c.status >> 1 & 0x3fff, NVME_QID_INVALID);
	}
	assert_false(nvme_peek(&h, 0, &c));
	nvme_ring_cq(&h, 0);
	c = nvme_wait(&h, 0);
	assert_int_equal(c.cid, aer_cid);
	assert_int_equal(c.dw0 & 7, NVME_AE_ERROR);
	/* An abort that has room only for its own completion has aborted nothing. */
	aer_cid = nvme_submit(&h, 0, &aer);
	nvme_submit(&h, 0, &bad);
	nvme_submit(&h, 0, &bad);
	abort.cdw10 = (uint32_t)aer_cid << 16;
	WAIT_UNTIL(nvme_peek(&h, 0, &c));
	WAIT_UNTIL(nvme_peek(&h, 0, &c));
	nvme_submit(&h, 0, &abort);
	WAIT_UNTIL(nvme_peek(&h, 0, &c));
	assert_int_equal(c.dw0, 1);
	nvme_ring_cq(&h, 0);
	nvme_submit(&h, 0, &abort);
	c = nvme_wait(&h, 0);
	assert_int_equal(c.cid, aer_cid);
	assert_int_equal(c.status >> 1 & 0x3fff, NVME_ABORT_REQUESTED);
	c = nvme_wait(&h, 0);
	assert_int_equal(c.dw0, 0);
	rig_destroy(&r);
}

/* The smallest queues: one command at a time, round and round. */
static void queues_of_two_entries(void **state)
{
	struct nvme_host h;
	uint8_t *data;
	struct rig r;
	size_t mark;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, "nvme"), 2);
	nvme_add_queue(&h, 1, 2, -1);
	data = arena_alloc(&r, 8192, 4096);
	mark = r.used;
	for (unsigned int i = 0; i < 1000; i++) {
		memset(data, (int)i, 4096);
		assert_int_equal(
			nvme_do(&h, 1, nvme_rw_cmd(&h, NVME_IO_WRITE, 1, i, 8, data, 4096), NULL),
			0);
		assert_int_equal(nvme_do(&h, 1,
					 nvme_rw_cmd(&h, NVME_IO_READ, 1, i, 8, data + 4096, 4096),
					 NULL),
				 0);
		assert_memory_equal(data, data + 4096, 4096);
		assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 9), NULL),
				 NVME_QID_INVALID);
		r.used = mark;
	}
	rig_destroy(&r);
}

/* All 64 pairs at once, each its own blocks, each its own vector. */
static void sixty_four_queues(void **state)
{
	struct nvme_host h;
	uint8_t *data, *back;
	struct nvme_cqe c;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, "nvme,queues=64"), 32);
	pci_irq_enable(h.f->pci, PCI_MSIX, true);
	for (uint16_t q = 1; q <= 64; q++)
		nvme_add_queue(&h, q, 16, q);
	data = arena_alloc(&r, 64 * 4096, 4096);
	back = arena_alloc(&r, 64 * 4096, 4096);
	fill_random(&(struct prng){8}, data, 64 * 4096);
	for (unsigned int dir = 0; dir < 2; dir++) {
		for (uint16_t q = 1; q <= 64; q++) {
			for (unsigned int i = 0; i < 8; i++) {
				uint8_t *p = (dir ? back : data) + (q - 1) * 4096 + i * 512;
				struct nvme_sqe e =
					nvme_rw_cmd(&h, dir ? NVME_IO_READ : NVME_IO_WRITE, 1,
						    q * 100 + i, 1, p, 512);

				nvme_put(&h, q, &e);
			}
			nvme_ring_sq(&h, q);
		}
		for (uint16_t q = 1; q <= 64; q++)
			for (unsigned int i = 0; i < 8; i++) {
				c = nvme_wait(&h, q);
				assert_int_equal(c.status >> 1, 0);
				assert_int_equal(c.sqid, q);
			}
	}
	assert_memory_equal(data, back, 64 * 4096);
	for (uint16_t q = 1; q <= 64; q++)
		WAIT_UNTIL(irqs_of(h.f, q) >= 2);
	rig_destroy(&r);
}

/* A submission queue that cannot be read, or a completion queue that cannot be written, is fatal; a
 * reset mends it. */
static void queues_that_cannot_be_reached(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_IO_FLUSH, .nsid = 1};
	struct nvme_host h;
	struct func *f;
	struct rig r;
	void *mem;

	rig_create(&r, true);
	f = func_add(&r, "nvme");
	for (unsigned int i = 0; i < 4; i++) {
		nvme_start(&h, f, 16);
		mem = arena_alloc(&r, 4096, 4096);
		assert_int_equal(
			nvme_do(&h, 0,
				nvme_create_cq_cmd(1, 16, i & 1 ? LOST : iova_of(&r, mem), -1),
				NULL),
			0);
		mem = arena_alloc(&r, 4096, 4096);
		memcpy(mem, &e, sizeof(e));
		assert_int_equal(
			nvme_do(&h, 0,
				nvme_create_sq_cmd(1, 16, i & 1 ? iova_of(&r, mem) : LOST, 1),
				NULL),
			0);
		reg_write(f, 0, NVME_DOORBELLS + 8, 4, 1);
		WAIT_UNTIL(nvme_csts(&h) == (RDY | CFS));
		nvme_stop(&h);
		assert_int_equal(nvme_csts(&h), 0);
	}
	/* The admin queues at an address that nobody maps, and at address 0. */
	nvme_program(&h, f, 16, 0);
	for (unsigned int i = 0; i < 2; i++) {
		reg_write(f, 0, NVME_ASQ, 8, i ? LOST : 0);
		reg_write(f, 0, NVME_CC, 4, NVME_CC_USUAL);
		WAIT_UNTIL(nvme_csts(&h) == RDY);
		reg_write(f, 0, NVME_DOORBELLS, 4, 1);
		WAIT_UNTIL(nvme_csts(&h) == (RDY | CFS));
		nvme_stop(&h);
	}
	assert_true(rig_faults(&r) >= 6);
	nvme_start(&h, f, 16);
	/* All memory goes away under it. */
	rig_unmap_arena(&r);
	reg_write(f, 0, NVME_DOORBELLS, 4, 1);
	WAIT_UNTIL(nvme_csts(&h) == (RDY | CFS));
	rig_map_arena(&r);
	nvme_stop(&h);
	nvme_start(&h, f, 16);
	assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 9), NULL),
			 NVME_QID_INVALID);
	rig_destroy(&r);
}

/* One message for what one doorbell brought, at least; none for a queue that wants none. */
static void messages_of_completion_queues(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_IO_FLUSH, .nsid = 1};
	struct nvme_host h;
	unsigned int was;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, "nvme,queues=4"), 16);
	pci_irq_enable(h.f->pci, PCI_MSIX, true);
	nvme_add_queue(&h, 1, 16, 3);
	nvme_add_queue(&h, 2, 16, -1);
	WAIT_UNTIL(irqs_of(h.f, 0) >= 1);
	for (unsigned int i = 0; i < 500; i++) {
		was = irqs_of(h.f, 3);
		for (unsigned int n = 0; n <= i % 8; n++)
			nvme_put(&h, 1, &e);
		nvme_ring_sq(&h, 1);
		WAIT_UNTIL(irqs_of(h.f, 3) > was);
		for (unsigned int n = 0; n <= i % 8; n++)
			assert_int_equal(nvme_wait(&h, 1).status >> 1, 0);
	}
	was = irqs_of(h.f, 3);
	nvme_do(&h, 2, e, NULL);
	nvme_do(&h, 2, e, NULL);
	assert_int_equal(irqs_of(h.f, 3), was);
	assert_int_equal(irqs_of(h.f, 1) + irqs_of(h.f, 2) + irqs_of(h.f, 4), 0);
	assert_int_equal(h.f->intx_raised, 0);
	rig_destroy(&r);
}

static unsigned int raised(struct func *f)
{
	return __atomic_load_n(&f->intx_raised, __ATOMIC_ACQUIRE);
}

/* The pin is up while something is unread, unless INTMS masks it; doorbells and masks act at once.
 */
static void the_pin_follows_the_queues(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_IO_FLUSH, .nsid = 1};
	struct nvme_host h;
	struct nvme_cqe c;
	struct func *f;
	struct rig r;

	rig_create(&r, true);
	f = func_add(&r, "nvme,queues=4");
	nvme_start(&h, f, 16);
	assert_int_equal(raised(f), 0);
	nvme_add_queue(&h, 1, 16, 0);
	nvme_add_queue(&h, 2, 16, -1);
	WAIT_UNTIL(!pci_intx_asserted(f->pci));
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int was = raised(f);

		nvme_submit(&h, 1, &e);
		WAIT_UNTIL(raised(f) > was);
		assert_true(pci_intx_asserted(f->pci));
		assert_true(nvme_peek(&h, 1, &c));
		nvme_ring_cq(&h, 1);
		assert_false(pci_intx_asserted(f->pci));
	}
	/* Masked: nothing; unmasked: at once. */
	reg_write(f, 0, NVME_INTMS, 4, 1);
	nvme_submit(&h, 1, &e);
	WAIT_UNTIL(nvme_peek(&h, 1, &c));
	usleep(2000);
	assert_false(pci_intx_asserted(f->pci));
	reg_write(f, 0, NVME_INTMC, 4, 1);
	assert_true(pci_intx_asserted(f->pci));
	reg_write(f, 0, NVME_INTMS, 4, 1);
	assert_false(pci_intx_asserted(f->pci));
	reg_write(f, 0, NVME_INTMC, 4, 1);
	/* MSI-X takes over, and gives back what is unread. */
	pci_irq_enable(f->pci, PCI_MSIX, true);
	assert_false(pci_intx_asserted(f->pci));
	pci_irq_enable(f->pci, PCI_MSIX, false);
	WAIT_UNTIL(pci_intx_asserted(f->pci));
	nvme_ring_cq(&h, 1);
	assert_false(pci_intx_asserted(f->pci));
	/* A queue without interrupts does not move it. */
	nvme_do(&h, 2, e, NULL);
	assert_false(pci_intx_asserted(f->pci));
	/* It falls with the queues. */
	nvme_submit(&h, 1, &e);
	WAIT_UNTIL(pci_intx_asserted(f->pci));
	nvme_stop(&h);
	WAIT_UNTIL(!pci_intx_asserted(f->pci));
	rig_destroy(&r);
}

/* MSI: a message for each completion queue's vector; INTMS holds it back until INTMC. */
static void messages_without_msix(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_IO_FLUSH, .nsid = 1};
	struct nvme_host h;
	unsigned int was;
	struct rig r;

	rig_create(&r, true);
	assert_int_equal(func_try(&r, "nvme,msi=3", NULL, 0), -EINVAL);
	nvme_start(&h, func_add(&r, "nvme,queues=4,msi=8"), 16);
	assert_int_equal(pci_irq_count(h.f->pci, PCI_MSI), 8);
	pci_irq_enable(h.f->pci, PCI_MSI, true);
	nvme_add_queue(&h, 1, 16, 3);
	for (unsigned int i = 0; i < 200; i++) {
		was = irqs_of(h.f, 3);
		nvme_submit(&h, 1, &e);
		WAIT_UNTIL(irqs_of(h.f, 3) > was);
		assert_int_equal(nvme_wait(&h, 1).status >> 1, 0);
	}
	reg_write(h.f, 0, NVME_INTMS, 4, 8);
	was = irqs_of(h.f, 3);
	nvme_submit(&h, 1, &e);
	usleep(2000);
	assert_int_equal(irqs_of(h.f, 3), was);
	reg_write(h.f, 0, NVME_INTMC, 4, 4);
	assert_int_equal(irqs_of(h.f, 3), was);
	reg_write(h.f, 0, NVME_INTMC, 4, 8);
	WAIT_UNTIL(irqs_of(h.f, 3) > was);
	assert_int_equal(nvme_wait(&h, 1).status >> 1, 0);
	assert_int_equal(h.f->intx_raised, 0);
	rig_destroy(&r);
}

/* A head that says more was taken than was posted, or a queue that is deleted with work in it: no
 * harm done. */
static void doorbells_that_lie(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_IO_FLUSH, .nsid = 1};
	struct nvme_host h;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, "nvme,queues=4"), 16);
	nvme_add_queue(&h, 1, 16, -1);
	for (uint32_t head = 0; head < 16; head++) {
		reg_write(h.f, 0, NVME_DOORBELLS + 12, 4, head);
		reg_write(h.f, 0, NVME_DOORBELLS + 8, 4, head);
	}
	reg_write(h.f, 0, NVME_DOORBELLS + 8, 8, 5ull << 32 | 15); /* both in one */
	assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 1), NULL), 0);
	reg_write(h.f, 0, NVME_DOORBELLS + 8, 4, 3);
	assert_int_equal(nvme_do(&h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, 1), NULL), 0);
	reg_write(h.f, 0, NVME_DOORBELLS + 12, 4, 3);
	nvme_add_queue(&h, 1, 16, -1);
	assert_int_equal(nvme_do(&h, 1, e, NULL), 0);
	assert_int_equal(nvme_csts(&h), RDY);
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_at_power_on),
		cmocka_unit_test(a_configuration_that_cannot_be),
		cmocka_unit_test(what_a_reset_leaves),
		cmocka_unit_test(enable_toggled_quickly),
		cmocka_unit_test(shutting_down),
		cmocka_unit_test(stopped_in_mid_flight),
		cmocka_unit_test(a_full_completion_queue_holds_commands_back),
		cmocka_unit_test(events_wait_for_room),
		cmocka_unit_test(queues_of_two_entries),
		cmocka_unit_test(sixty_four_queues),
		cmocka_unit_test(queues_that_cannot_be_reached),
		cmocka_unit_test(messages_of_completion_queues),
		cmocka_unit_test(the_pin_follows_the_queues),
		cmocka_unit_test(messages_without_msix),
		cmocka_unit_test(doorbells_that_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
