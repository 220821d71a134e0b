/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NVMe driver identifies the controller into a buffer that does not begin at a page: the 4096
 * bytes cross one, and PRP2, which says where the next page is, was left 0.
 *
 *   ioas run --sanitize --device nvme -- dma-unmapped-nvme
 */
#include "driver.h"

#define ASQ  0x1000000ul
#define ACQ  0x2000000ul
#define DATA 0x3000000ul

#define REG_CC	 0x14
#define REG_CSTS 0x1c
#define REG_AQA	 0x24
#define REG_ASQ	 0x28
#define REG_ACQ	 0x30
#define REG_TAIL 0x1000

struct command {
	uint32_t opcode, nsid;
	uint64_t reserved, mptr, prp1, prp2;
	uint32_t cdw10, more[5];
};

static volatile uint32_t *regs;

static void wait_ready(uint32_t ready)
{
	for (unsigned int ms = 0; (regs[REG_CSTS / 4] & 1) != ready; ms++) {
		if (ms == 5000)
			errx(1, "the controller does not come to be ready or not");
		usleep(1000);
	}
}

static void start(uint64_t asq, uint64_t acq)
{
	regs[REG_CC / 4] = 0;
	wait_ready(0);
	regs[REG_AQA / 4] = 15 << 16 | 15;
	regs[REG_ASQ / 4] = (uint32_t)asq;
	regs[REG_ASQ / 4 + 1] = asq >> 32;
	regs[REG_ACQ / 4] = (uint32_t)acq;
	regs[REG_ACQ / 4 + 1] = acq >> 32;
	regs[REG_CC / 4] = 6 << 16 | 4 << 20 | 1;
	wait_ready(1);
}

/* The only command, in the first slot. */
static void identify(struct command *sq, volatile uint32_t *cq, uint64_t prp1, uint64_t prp2)
{
	*sq = (struct command){.opcode = 0x06, .prp1 = prp1, .prp2 = prp2, .cdw10 = 1};
	__atomic_thread_fence(__ATOMIC_RELEASE);
	regs[REG_TAIL / 4] = 1;
	for (unsigned int ms = 0; !(cq[3] >> 16 & 1); ms++) {
		if (ms == 5000)
			errx(1, "no completion");
		usleep(1000);
	}
	printf("identify: status 0x%x\n", cq[3] >> 17);
}

int main(void)
{
	static const struct road_match nvme = {.class = 0x010802, .class_mask = 0xffffff};
	char *sq = dma_pages(PAGE), *cq = dma_pages(PAGE), *data = dma_pages(2 * PAGE);
	struct driver d;

	memset(cq, 0, PAGE);
	road_open(&d.road, true, NULL, &nvme);
	road_enable(&d.road);
	regs = road_bar_map(&d.road, 0, 0);
	dma_map(&d, sq, PAGE, ASQ, MAY_READ);
	dma_map(&d, cq, PAGE, ACQ, MAY_WRITE);
	dma_map(&d, data, 2 * PAGE, DATA, MAY_WRITE);
	start(ASQ, ACQ);
#ifdef FIXED
	identify((void *)sq, (void *)cq, DATA + 0x800, DATA + PAGE);
#else
	identify((void *)sq, (void *)cq, DATA + 0x800, 0); /* BUG: dma-unmapped */
#endif
	regs[REG_CC / 4] = 0;
	wait_ready(0);
	dma_unmap(&d, ASQ, PAGE);
	dma_unmap(&d, ACQ, PAGE);
	dma_unmap(&d, DATA, 2 * PAGE);
	road_close(&d.road);
	return 0;
}
