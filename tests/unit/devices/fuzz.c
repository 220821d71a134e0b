/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random registers, random configuration space and random guest memory for every model: no crash,
 * no sanitizer's report, and each reset and removal comes back. Seeds are fixed; IOAS_FUZZ_SECONDS
 * makes it longer, from other seeds.
 */
#include "nvme_driver.h"
#include "virtio_driver.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROUNDS 60
#define MAX_RESET      5.0 /* seconds; a sanitizer and a busy machine take their time */

struct fuzz {
	struct rig rig;
	struct func *f;
	struct prng rnd;
};

static uint64_t below(struct fuzz *z, uint64_t n)
{
	return prng_below(&z->rnd, n);
}

static bool one_in(struct fuzz *z, uint64_t n)
{
	return !below(z, n);
}

/* Small, huge, near a power of two, or anything. */
static uint64_t number(struct fuzz *z)
{
	switch (below(z, 5)) {
	case 0:
		return below(z, 20);
	case 1:
		return UINT64_MAX - below(z, 20);
	case 2:
		return BIT(below(z, 64)) + below(z, 3) - 1;
	case 3:
		return below(z, 1 << 16);
	default:
		return prng_next(&z->rnd);
	}
}

/* Mostly in the arena, mostly aligned, seldom at its end, sometimes nowhere. */
static uint64_t address(struct fuzz *z)
{
	uint64_t at = ARENA_IOVA + below(z, ARENA_LEN);

	switch (below(z, 16)) {
	case 0:
		return number(z);
	case 1:
		return ARENA_IOVA + ARENA_LEN - below(z, 100);
	case 2:
		return at;
	case 3:
	case 4:
		return at & ~7ull;
	case 5:
	case 6:
		return at & ~63ull;
	default:
		return at & ~4095ull;
	}
}

static void poke_registers(struct fuzz *z, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int bar = (unsigned int)below(z, PCI_NUM_BARS), size = 1u << below(z, 4);
		uint64_t len = z->f->pci->bars[bar].size, off;

		if (!len)
			continue;
		off = below(z, one_in(z, 4) ? len : min_u64(len, 0x200)) & ~(size - 1ull);
		if (one_in(z, 3))
			reg_read(z->f, bar, off, size);
		else
			reg_write(z->f, bar, off, size, one_in(z, 3) ? address(z) : number(z));
	}
}

static void poke_config(struct fuzz *z, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int size = 1u << below(z, 3);
		unsigned int off =
			(unsigned int)below(z, one_in(z, 8) ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE) &
			~(size - 1);

		if (off < z->f->pci->config_len)
			cfg_write(z->f, off, size, (uint32_t)number(z));
	}
	/* Fit for work again. */
	cfg_write(z->f, z->f->pci->pm_cap + PCI_PM_CTRL, 2, 0);
	cfg_write(z->f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	pci_irq_enable(z->f->pci, PCI_MSIX, one_in(z, 2));
}

/* Words that could be addresses, lengths and flags. */
static void poke_memory(struct fuzz *z, uint64_t at, size_t len)
{
	uint64_t *p = (uint64_t *)(void *)(z->rig.arena + at);

	for (size_t i = 0; i < len / 8; i++)
		p[i] = one_in(z, 2) ? address(z) : number(z);
}

static void reset(struct fuzz *z)
{
	double begin = seconds();

	pci_reset(z->f->pci);
	if (seconds() - begin > MAX_RESET)
		fail_msg("a reset took %.1f s", seconds() - begin);
}

typedef void (*round_fn)(struct fuzz *z);

static void run(const char *text, round_fn round)
{
	const char *wish = getenv("IOAS_FUZZ_SECONDS");
	double end = seconds() + (wish ? atof(wish) : 2.5);
	struct fuzz z;

	for (uint64_t seed = wish ? (uint64_t)end : 1;
	     wish ? seconds() < end : seed <= DEFAULT_ROUNDS; seed++) {
		z = (struct fuzz){.rnd = {seed * 1000003}};
		rig_create(&z.rig, false);
		z.f = func_add(&z.rig, text);
		poke_memory(&z, 0, 65536);
		for (unsigned int i = 0; i < 12; i++) {
			round(&z);
			if (one_in(&z, 3))
				reset(&z);
			if (one_in(&z, 4))
				poke_config(&z, 10);
		}
		func_remove(z.f);
		rig_destroy(&z.rig);
		if (!wish && seconds() > end)
			break; /* a slow machine does what it can */
	}
}

/* ---- NVMe ---- */

static struct nvme_sqe random_sqe(struct fuzz *z, bool admin)
{
	static const uint8_t admin_ops[] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 0x80},
			     io_ops[] = {0, 1, 2, 5, 8, 9, 12};
	struct nvme_sqe e;

	fill_random(&z->rnd, &e, sizeof(e));
	e.opcode =
		admin ? admin_ops[below(z, sizeof(admin_ops))] : io_ops[below(z, sizeof(io_ops))];
	if (one_in(z, 20))
		e.opcode = (uint8_t)number(z);
	e.flags = one_in(z, 3) ? 0x40 : one_in(z, 20) ? (uint8_t)number(z) : 0;
	e.nsid = one_in(z, 5) ? (uint32_t)number(z) : 1;
	e.dptr[0] = address(z);
	e.dptr[1] = e.flags == 0x40 ? below(z, 4) << 60 | below(z, one_in(z, 2) ? 64 : 1 << 20)
								  << (one_in(z, 2) ? 0 : 4)
				    : address(z);
	e.cdw10 = (uint32_t)number(z);
	e.cdw11 = one_in(z, 3) ? (uint32_t)number(z) : 0;
	e.cdw12 = one_in(z, 8) ? (uint32_t)number(z) : (uint32_t)below(z, 1100);
	if (!admin)
		e.cdw10 = (uint32_t)below(z, 2100);
	else if (!one_in(z, 3))
		e.cdw10 = (uint32_t)(below(z, 70) << 16 | below(z, 20));
	return e;
}

static void nvme_round(struct fuzz *z)
{
	struct nvme_host h;

	z->rig.used = 1u << 20;
	if (one_in(z, 8)) {
		poke_registers(z, 200);
		return;
	}
	nvme_program(&h, z->f, 64, NVME_CC_USUAL & ~1u);
	for (double end = seconds() + 1; nvme_csts(&h) && seconds() < end;)
		relax();
	reg_write(z->f, 0, NVME_CC, 4, NVME_CC_USUAL | (one_in(z, 3) ? below(z, 5) << 7 : 0));
	for (double end = seconds() + 1; !nvme_csts(&h) && seconds() < end;)
		relax();
	/* Queues of ours, whatever became of the ones that the random commands made. */
	for (uint16_t q = 1; q < 3; q++) {
		struct nvme_sqe e;

		h.q[q] = (struct nvme_ring){
			.sq = arena_alloc(&z->rig, 65536, 65536), .sq_size = 256, .cqid = q};
		e = nvme_create_cq_cmd(q, 256, iova_of(&z->rig, arena_alloc(&z->rig, 65536, 65536)),
				       q);
		nvme_submit(&h, 0, &e);
		e = nvme_create_sq_cmd(q, 256, iova_of(&z->rig, h.q[q].sq), q);
		nvme_submit(&h, 0, &e);
	}
	poke_memory(z, below(z, 200) * 4096, 16384);
	for (unsigned int i = 0; i < 60; i++) {
		uint16_t q = (uint16_t)below(z, 3);
		struct nvme_sqe e = random_sqe(z, !q);

		nvme_put(&h, q, &e);
		if (one_in(z, 3))
			nvme_ring_sq(&h, q);
		if (one_in(z, 6))
			reg_write(z->f, 0, NVME_DOORBELLS + 4 * below(z, 8), 4, below(z, 300));
		if (one_in(z, 60))
			poke_registers(z, 5);
	}
	for (double end = seconds() + 0.002; seconds() < end;)
		relax();
}

static void nvme(void **state)
{
	run("nvme,size=1M,size2=64K", nvme_round);
}

/* ---- I/OAT ---- */

static void ioat_round(struct fuzz *z)
{
	unsigned int channel = (unsigned int)below(z, 4);
	uint64_t base = 0x80 * (channel + 1);

	for (unsigned int i = 0; i < 64; i++) {
		uint64_t *d = (uint64_t *)(void *)(z->rig.arena + 64 * below(z, 4096));
		static const uint8_t ops[] = {0, 0, 1, 0x87, 0x88};

		d[0] = (one_in(z, 10) ? number(z) & UINT32_MAX : 1 + below(z, 20000)) |
		       (uint64_t)(one_in(z, 10) ? number(z)
						: (uint64_t)ops[below(z, sizeof(ops))] << 24 |
							  below(z, 256))
			       << 32;
		for (unsigned int k = 1; k < 8; k++)
			d[k] = address(z);
		d[3] = one_in(z, 20) ? address(z) : ARENA_IOVA + 64 * below(z, 4096);
	}
	reg_write(z->f, 0, base, 2, below(z, 32));
	reg_write(z->f, 0, base + 0x18, 8, address(z) & ~7ull);
	reg_write(z->f, 0, base + 0x10, 8, ARENA_IOVA + 64 * below(z, 4096));
	for (unsigned int i = 0; i < 30; i++) {
		reg_write(z->f, 0, base + 6, 2, below(z, 200));
		if (one_in(z, 5))
			reg_write(z->f, 0, base + 4, 1, 1u << below(z, 8));
		if (one_in(z, 5))
			poke_registers(z, 5);
	}
}

static void ioat(void **state)
{
	run("ioat,channels=4", ioat_round);
}

/* ---- virtio-net ---- */

static void virtio_round(struct fuzz *z)
{
	struct vnet v = {.f = z->f, .rig = &z->rig};
	uint64_t features =
		F_VERSION_1 | (number(z) & (F_INDIRECT | F_EVENT_IDX | F_MRG_RXBUF | F_CTRL_VQ));

	z->rig.used = 1u << 20;
	if (one_in(z, 8)) {
		poke_registers(z, 300);
		return;
	}
	vio_set(&v, VIO_STATUS, 1, 0);
	vnet_start(&v, z->f, features & ~F_VERSION_1);
	for (unsigned int i = 0; i < 100; i++) {
		struct vq *q = &v.q[below(z, VQUEUES)];

		for (unsigned int k = 0; k < 8; k++)
			q->desc[below(z, q->size)] = (struct vdesc){
				.addr = address(z),
				.len = (uint32_t)(one_in(z, 6) ? number(z) : below(z, 300) * 16),
				.flags = (uint16_t)(one_in(z, 20) ? number(z)
								  : below(z, one_in(z, 4) ? 8 : 4)),
				.next = (uint16_t)(one_in(z, 30) ? number(z) : below(z, q->size)),
			};
		vq_offer(&v, q->index, (uint16_t)(one_in(z, 50) ? number(z) : below(z, q->size)));
		if (one_in(z, 40))
			q->avail_idx += below(z, 200);
		if (one_in(z, 3))
			vq_kick(&v, q->index);
		if (one_in(z, 30))
			poke_registers(z, 3);
		if (vio_status(&v) & NEEDS_RESET)
			break;
	}
}

static void virtio(void **state)
{
	run("virtio-net,loopback", virtio_round);
}

/* ---- whatever is left ---- */

static void scratch_round(struct fuzz *z)
{
	poke_registers(z, 500);
}

static void scratch(void **state)
{
	run("scratch", scratch_round);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nvme),
		cmocka_unit_test(ioat),
		cmocka_unit_test(virtio),
		cmocka_unit_test(scratch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
