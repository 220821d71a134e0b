/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmuv3-nested: a small VMM that gives its guest an SMMUv3 with nested translation, and the guest,
 * which lets an I/OAT engine copy memory by addresses of its own tables and checks every byte.
 *
 *   ioas run --iommu smmuv3,cmdqv=on --device ioat -- smmuv3-nested --road=ioctl|cmdqv|own [--kick]
 *
 * The roads differ in how the guest's invalidations reach the SMMU: an ioctl with the commands that
 * the guest wrote; a Tegra241 CMDQV, whose queue the SMMU consumes itself; and this project's own
 * vIOMMU, of which the SMMU reads the guest's stream table too (docs/nesting.md).
 *
 * What the guest does with its memory is below "the guest", and knows nothing of any ioctl.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <ioas/abi/extensions.h>
#include <ioas/abi/vfio.h>

#include "vfio_road.h"

#define GUEST_GPA  0x40000000ull
#define GUEST_SIZE (16ull << 20)
#define VSID	   0x8ull /* the guest's name of the device */
#define TIMEOUT	   10	  /* seconds */

enum road_name { BY_IOCTL, BY_CMDQV, BY_OWN };

/* Registers of a command queue, in the page that the VMM maps for the guest. */
struct cmdq {
	volatile uint32_t *prod, *cons, *enable, *enabled;
	uint32_t enable_bit;
	uint32_t at; /* PROD, with its wrap bit */
};

struct vmm {
	struct road road;
	enum road_name name;
	bool kick; /* the VMM sees the guest's store into PROD, and says so */
	char *mem; /* the guest's, at GUEST_GPA */
	uint32_t parent, viommu, vdevice, veventq, nested, queue;
	int events;
	void *page; /* of the vIOMMU's registers; NULL: none */
	uint64_t page_len;
	struct cmdq cmdq;
	/* The guest's. */
	uint64_t next_table;
	uint16_t asid;
	volatile uint8_t *bar;
	uint16_t count;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void wait_until(bool ok, double began, const char *what)
{
	if (!ok && now() > began + TIMEOUT)
		errx(1, "%s did not happen within %d seconds", what, TIMEOUT);
}

/* ---- the guest: its memory ---- */

/* Where the guest keeps its things. */
#define STRTAB	  (GUEST_GPA + 0x000000) /* 2^8 entries, linear */
#define CD_L1	  (GUEST_GPA + 0x010000)
#define CD_L2	  (GUEST_GPA + 0x020000) /* 1024 CDs */
#define CMDQ	  (GUEST_GPA + 0x030000)
#define CMDQ_LG2  8
#define TABLES	  (GUEST_GPA + 0x040000)
#define RING	  (GUEST_GPA + 0x200000)
#define DONE	  (GUEST_GPA + 0x201000)
#define PAGES	  (GUEST_GPA + 0x400000) /* of data */
#define NR_PAGES  64
#define IOVA_RING 0x7f0000000000ull
#define IOVA_DONE 0x7f0000001000ull
#define IOVA_SRC  0x7f4000000000ull
#define IOVA_DST  0x7f8000200000ull

static uint64_t *word(struct vmm *v, uint64_t gpa)
{
	return (uint64_t *)(void *)(v->mem + (gpa - GUEST_GPA));
}

/* VMSAv8-64, 4 KiB granule, four levels: the entry for @va of the last level. */
static uint64_t *leaf_of(struct vmm *v, uint64_t va)
{
	uint64_t table = TABLES;

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = word(v, table + (va >> shift & 511) * 8);

		if (!(*e & 1)) {
			v->next_table += 4096;
			*e = v->next_table | 3;
		}
		table = *e & 0xfffffffff000ull;
	}
	return word(v, table + (va >> 12 & 511) * 8);
}

/* Page, AF, inner shareable, nG, unprivileged; AttrIndx 1; write: not AP[2]. */
static void guest_map(struct vmm *v, uint64_t va, uint64_t gpa, bool write)
{
	uint64_t e = gpa | 3 | 1 << 2 | 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11;

	__atomic_store_n(leaf_of(v, va), write ? e : e | 1 << 7, __ATOMIC_RELEASE);
}

/*
 * As Linux's driver lays it out: a stream table; for the stream a CD table of two levels with 64
 * KiB at the lower one; in CD 0 the tables of what comes without a PASID.
 */
static void guest_build(struct vmm *v)
{
	uint64_t *ste = word(v, STRTAB + 64 * VSID), *cd = word(v, CD_L2);

	v->asid = 3;
	v->next_table = TABLES;
	*word(v, CD_L1) = CD_L2 | 1;
	cd[1] = TABLES;	      /* TTB0 */
	cd[3] = 0x0004ff44ff; /* MAIR: attribute 1 is normal write-back */
	cd[0] = (64 - 48) | 1ull << 8 /* IR0 */ | 1ull << 10 /* OR0 */ | 3ull << 12 /* SH0 */ |
		1ull << 30 /* EPD1 */ | 1ull << 31 /* V */ | 5ull << 32 /* IPS 48 */ |
		1ull << 41 /* AA64 */ | 1ull << 45 /* R */ | 1ull << 46 /* A */ |
		1ull << 47 /* ASET */ | (uint64_t)v->asid << 48;
	/* S1CDMax 16, S1Fmt 64K, Config S1; S1DSS SSID0, S1CIR and S1COR write-back, S1CSH inner.
	 */
	ste[1] = 2 | 1 << 2 | 1 << 4 | 3 << 6;
	ste[0] = 1 | 5 << 1 | 2 << 4 | CD_L1 | 16ull << 59;

	guest_map(v, IOVA_RING, RING, true);
	guest_map(v, IOVA_DONE, DONE, true);
}

/* ---- the guest: its command queue ---- */

static void guest_enable_queue(struct cmdq *q)
{
	double began = now();

	*q->enable |= q->enable_bit;
	while (!(*q->enabled & q->enable_bit))
		wait_until(false, began, "switching the queue on");
}

static void queue_put(struct vmm *v, uint64_t w0, uint64_t w1)
{
	struct cmdq *q = &v->cmdq;
	const uint32_t mask = (2u << CMDQ_LG2) - 1;
	uint64_t *e = word(v, CMDQ + 16 * (q->at & (mask >> 1)));
	double began = now();

	while (((q->at - *q->cons) & mask) == 1u << CMDQ_LG2)
		wait_until(false, began, "room in the queue");
	e[0] = w0;
	e[1] = w1;
	q->at = (q->at + 1) & mask;
	__atomic_store_n(q->prod, q->at, __ATOMIC_RELEASE);
}

static void vmm_kick(struct vmm *v);

/* CMD_SYNC, and CONS past it: all that was asked for is done. */
static void queue_sync(struct vmm *v)
{
	const uint32_t mask = (2u << CMDQ_LG2) - 1;
	double began = now();

	queue_put(v, 0x46, 0);
	if (v->kick)
		vmm_kick(v);
	while ((__atomic_load_n(v->cmdq.cons, __ATOMIC_ACQUIRE) & mask) != v->cmdq.at) {
		if (*v->cmdq.cons >> 24 & 0x7f)
			errx(1, "the command queue has stopped: CONS 0x%" PRIx32, *v->cmdq.cons);
		wait_until(false, began, "CMD_SYNC");
	}
}

static void vmm_invalidate(struct vmm *v, uint64_t (*cmds)[2], uint32_t n);

/* What a guest's driver does after it took a page away. */
static void guest_invalidate(struct vmm *v, uint64_t va)
{
	uint64_t cmds[1][2] = {{0x12 | (uint64_t)v->asid << 48, va | 1}}; /* TLBI_NH_VA, leaf */

	if (v->name == BY_IOCTL) {
		vmm_invalidate(v, cmds, 1);
		return;
	}
	queue_put(v, cmds[0][0], cmds[0][1]);
	queue_sync(v);
}

/* ---- the guest: its I/OAT driver ---- */

#define CHANCMD	  0x84
#define DMACOUNT  0x86
#define CHANCTRL  0x80
#define CHANSTS	  0x88
#define CHAINADDR 0x90
#define CHANCMP	  0x98
#define CHANERR	  0xa8
#define NR_DESCS  64
#define HALTED	  3

struct desc {
	uint32_t size, ctl;
	uint64_t src, dst, next, more[4];
};

#define REG(v, type, at) (*(volatile type *)((v)->bar + (at)))

static void engine_start(struct vmm *v)
{
	struct desc *ring = (struct desc *)(void *)word(v, RING);
	double began = now();

	REG(v, uint8_t, CHANCMD) = 0x04; /* suspend, then reset */
	REG(v, uint32_t, CHANERR) = REG(v, uint32_t, CHANERR);
	REG(v, uint8_t, CHANCMD) = 0x20;
	while (REG(v, uint8_t, CHANCMD) & 0x20)
		wait_until(false, began, "the channel's reset");
	memset(ring, 0, NR_DESCS * sizeof(*ring));
	for (unsigned int n = 0; n < NR_DESCS; n++)
		ring[n].next = IOVA_RING + (n + 1) % NR_DESCS * sizeof(*ring);
	*word(v, DONE) = 0;
	v->count = 0;
	REG(v, uint64_t, CHANCMP) = IOVA_DONE;
	REG(v, uint16_t, CHANCTRL) = 0x000d;
	REG(v, uint64_t, CHAINADDR) = IOVA_RING;
}

/* False: the channel has halted. */
static bool engine_copy(struct vmm *v, uint64_t dst, uint64_t src, uint32_t size)
{
	struct desc *ring = (struct desc *)(void *)word(v, RING);
	unsigned int n = v->count++ % NR_DESCS;
	uint64_t want = IOVA_RING + n * sizeof(*ring), done;
	double began = now();

	ring[n].size = size;
	ring[n].ctl = 0x08; /* write the completion */
	ring[n].src = src;
	ring[n].dst = dst;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	REG(v, uint16_t, DMACOUNT) = v->count;
	for (;;) {
		done = __atomic_load_n(word(v, DONE), __ATOMIC_ACQUIRE);
		if ((done & ~0x3full) == want && (done & 7) != HALTED)
			return true;
		if ((REG(v, uint64_t, CHANSTS) & 7) == HALTED)
			return false;
		wait_until(false, began, "a copy");
	}
}

static uint64_t page_of(unsigned int n)
{
	return PAGES + 4096ull * n;
}

/*
 * Copies between pages that it maps and takes away again, each time at the same two addresses: one
 * forgotten invalidation, and the engine would write where it wrote before.
 */
static void guest_copies(struct vmm *v, unsigned int rounds)
{
	unsigned char want[4096];

	for (unsigned int n = 0; n < rounds; n++) {
		unsigned int from = (unsigned int)random() % NR_PAGES;
		unsigned int to = (from + 1 + (unsigned int)random() % (NR_PAGES - 1)) % NR_PAGES;
		unsigned char *src = (unsigned char *)word(v, page_of(from));

		for (unsigned int k = 0; k < 4096; k++)
			want[k] = src[k] = (unsigned char)random();
		guest_map(v, IOVA_SRC, page_of(from), false);
		guest_map(v, IOVA_DST, page_of(to), true);
		if (!engine_copy(v, IOVA_DST, IOVA_SRC, 4096))
			errx(1, "round %u: the channel has halted, CHANERR 0x%" PRIx32, n,
			     REG(v, uint32_t, CHANERR));
		*leaf_of(v, IOVA_SRC) = *leaf_of(v, IOVA_DST) = 0;
		guest_invalidate(v, IOVA_SRC);
		guest_invalidate(v, IOVA_DST);
		if (memcmp(word(v, page_of(to)), want, 4096))
			errx(1, "round %u: page %u is not what was copied", n, to);
	}
}

/* ---- the VMM ---- */

static uint32_t alloc_hwpt(struct vmm *v, uint32_t flags, uint32_t pt_id, uint32_t type, void *data,
			   uint32_t len)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = v->road.dev_id,
		.pt_id = pt_id,
		.data_type = type,
		.data_len = len,
		.data_uptr = (uintptr_t)data,
	};

	if (ioctl(v->road.iommu, IOMMU_HWPT_ALLOC, &cmd))
		err(1, "IOMMU_HWPT_ALLOC");
	return cmd.out_hwpt_id;
}

static void attach(struct vmm *v, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = pt_id};

	if (ioctl(v->road.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd))
		err(1, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

static void destroy(struct vmm *v, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	if (ioctl(v->road.iommu, IOMMU_DESTROY, &cmd))
		err(1, "IOMMU_DESTROY");
}

/* The guest's memory is what the nest parent maps: stage 2. */
static void vmm_memory(struct vmm *v)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = v->road.ioas,
		.length = GUEST_SIZE,
		.iova = GUEST_GPA,
	};

	v->mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->mem == MAP_FAILED)
		err(1, "the guest's memory");
	map.user_va = (uintptr_t)v->mem;
	if (ioctl(v->road.iommu, IOMMU_IOAS_MAP, &map))
		err(1, "IOMMU_IOAS_MAP");
	v->parent = alloc_hwpt(v, IOMMU_HWPT_ALLOC_NEST_PARENT, v->road.ioas, 0, NULL, 0);
	attach(v, v->parent);
}

static void vmm_viommu(struct vmm *v)
{
	struct iommu_viommu_tegra241_cmdqv tegra = {0};
	struct iommu_viommu_ioas_smmuv3 own = {
		.strtab_base = STRTAB, .strtab_base_cfg = 8, /* linear, 2^8 streams */
	};
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = v->road.dev_id,
		.hwpt_id = v->parent,
	};
	uint64_t offset = 0;

	if (v->name == BY_CMDQV) {
		cmd.type = IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV;
		cmd.data_len = sizeof(tegra);
		cmd.data_uptr = (uintptr_t)&tegra;
	} else if (v->name == BY_OWN) {
		cmd.type = IOMMU_VIOMMU_TYPE_IOAS_SMMUV3;
		cmd.data_len = sizeof(own);
		cmd.data_uptr = (uintptr_t)&own;
	}
	if (ioctl(v->road.iommu, IOMMU_VIOMMU_ALLOC, &cmd))
		err(1, "IOMMU_VIOMMU_ALLOC");
	v->viommu = cmd.out_viommu_id;
	if (v->name == BY_IOCTL)
		return;
	offset = v->name == BY_CMDQV ? tegra.out_vintf_mmap_offset : own.out_mmap_offset;
	v->page_len = v->name == BY_CMDQV ? tegra.out_vintf_mmap_length : own.out_mmap_length;
	v->page = mmap(NULL, v->page_len, PROT_READ | PROT_WRITE, MAP_SHARED, v->road.iommu,
		       (off_t)offset);
	if (v->page == MAP_FAILED)
		err(1, "mapping the vIOMMU's registers");
}

static void vmm_objects(struct vmm *v)
{
	struct iommu_veventq_alloc events = {
		.size = sizeof(events),
		.viommu_id = v->viommu,
		.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
		.veventq_depth = 64,
	};
	struct iommu_vdevice_alloc device = {
		.size = sizeof(device),
		.viommu_id = v->viommu,
		.dev_id = v->road.dev_id,
		.virt_id = VSID,
	};

	if (ioctl(v->road.iommu, IOMMU_VEVENTQ_ALLOC, &events))
		err(1, "IOMMU_VEVENTQ_ALLOC");
	v->veventq = events.out_veventq_id;
	v->events = (int)events.out_veventq_fd;
	if (ioctl(v->road.iommu, IOMMU_VDEVICE_ALLOC, &device))
		err(1, "IOMMU_VDEVICE_ALLOC");
	v->vdevice = device.out_vdevice_id;
}

/* The guest has set up its stream: with our own vIOMMU the SMMU reads the entry itself. */
static void vmm_stream(struct vmm *v)
{
	struct iommu_hwpt_ioas_smmuv3 own = {0};
	struct iommu_hwpt_arm_smmuv3 vste;

	memcpy(vste.ste, word(v, STRTAB + 64 * VSID), sizeof(vste.ste));
	v->nested = v->name == BY_OWN ? alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_IOAS_SMMUV3,
						   &own, sizeof(own))
				      : alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_ARM_SMMUV3,
						   &vste, sizeof(vste));
	attach(v, v->nested);
}

static volatile uint32_t *reg(struct vmm *v, size_t at)
{
	return (volatile uint32_t *)(void *)((char *)v->page + at);
}

/* The guest has told where its queue lies. */
static void vmm_queue(struct vmm *v)
{
	bool own = v->name == BY_OWN;
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = v->viommu,
		.type = own ? (uint32_t)IOMMU_HW_QUEUE_TYPE_IOAS_SMMUV3
			    : (uint32_t)IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
		.nesting_parent_iova = CMDQ,
		.length = 16u << CMDQ_LG2,
	};

	if (v->name == BY_IOCTL)
		return;
	if (ioctl(v->road.iommu, IOMMU_HW_QUEUE_ALLOC, &cmd))
		err(1, "IOMMU_HW_QUEUE_ALLOC");
	v->queue = cmd.out_hw_queue_id;
	v->cmdq = own ? (struct cmdq){.prod = reg(v, 0x98),
				      .cons = reg(v, 0x9c),
				      .enable = reg(v, 0x20),
				      .enabled = reg(v, 0x24),
				      .enable_bit = 8}
		      : (struct cmdq){.prod = reg(v, 4),
				      .cons = reg(v, 0),
				      .enable = reg(v, 8),
				      .enabled = reg(v, 0xc),
				      .enable_bit = 1};
	guest_enable_queue(&v->cmdq);
}

/* Never needed: the SMMU looks by itself, but not so often when it has found nothing for long. */
static void vmm_kick(struct vmm *v)
{
	struct iommu_hw_queue_kick cmd = {.size = sizeof(cmd), .hw_queue_id = v->queue};

	if (ioctl(v->road.iommu, IOMMU_HW_QUEUE_KICK, &cmd))
		err(1, "IOMMU_HW_QUEUE_KICK");
}

static void vmm_invalidate(struct vmm *v, uint64_t (*cmds)[2], uint32_t n)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = v->viommu,
		.data_uptr = (uintptr_t)cmds,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = 16,
		.entry_num = n,
	};

	/* entry_num has become the guest's CONS: the command there is the bad one. */
	if (ioctl(v->road.iommu, IOMMU_HWPT_INVALIDATE, &cmd))
		err(1, "IOMMU_HWPT_INVALIDATE: command %u", cmd.entry_num);
}

/* A DMA to what the guest does not map: the channel halts, and the guest hears why. */
static void check_fault(struct vmm *v)
{
	const uint64_t bad = 0x7fc000123000;
	struct {
		struct iommufd_vevent_header head;
		struct iommu_vevent_arm_smmuv3 event;
	} got = {{0}, {{0}}};

	guest_map(v, IOVA_SRC, page_of(0), false);
	if (engine_copy(v, bad, IOVA_SRC, 64))
		errx(1, "a copy to nowhere went well");
	if (read(v->events, &got, sizeof(got)) != sizeof(got))
		errx(1, "no event of the fault");
	if (got.event.evt[0] != (VSID << 32 | 0x10) || got.event.evt[2] != bad)
		errx(1, "the event is 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64,
		     (uint64_t)got.event.evt[0], (uint64_t)got.event.evt[1],
		     (uint64_t)got.event.evt[2]);
	printf("fault: F_TRANSLATION of stream 0x%" PRIx64 " at 0x%" PRIx64 " reached the guest\n",
	       (uint64_t)got.event.evt[0] >> 32, (uint64_t)got.event.evt[2]);
	engine_start(v);
	if (!engine_copy(v, IOVA_DONE + 64, IOVA_SRC, 64))
		errx(1, "the channel does not go on after the fault");
}

static void vmm_close(struct vmm *v)
{
	attach(v, v->road.ioas);
	destroy(v, v->nested);
	if (v->queue)
		destroy(v, v->queue);
	destroy(v, v->vdevice);
	close(v->events);
	destroy(v, v->veventq);
	if (v->page)
		munmap(v->page, v->page_len);
	destroy(v, v->viommu);
	destroy(v, v->parent);
	road_close(&v->road);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"road", required_argument, NULL, 'r'},
						{"rounds", required_argument, NULL, 'n'},
						{"kick", no_argument, NULL, 'k'},
						{0}};
	static const char *const names[] = {"ioctl", "cmdqv", "own"};
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};
	unsigned int rounds = 200;
	struct vmm v = {.name = BY_IOCTL};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'n') {
			rounds = (unsigned int)strtoul(optarg, NULL, 0);
			continue;
		}
		if (opt == 'k') {
			v.kick = true;
			continue;
		}
		for (v.name = BY_IOCTL; v.name <= BY_OWN; v.name++)
			if (opt == 'r' && !strcmp(optarg, names[v.name]))
				break;
		if (v.name > BY_OWN)
			errx(2,
			     "usage: smmuv3-nested [--road=ioctl|cmdqv|own] [--kick] [--rounds=N] "
			     "[BDF]");
	}
	road_open(&v.road, true, optind < argc ? argv[optind] : NULL, &ioat);
	vmm_memory(&v);
	vmm_viommu(&v);
	vmm_objects(&v);
	guest_build(&v);
	vmm_stream(&v);
	vmm_queue(&v);
	road_enable(&v.road);
	v.bar = road_bar_map(&v.road, 0, 0);
	engine_start(&v);
	guest_copies(&v, rounds);
	printf("%s: %u copies through the guest's tables, all as they should be\n", names[v.name],
	       rounds);
	check_fault(&v);
	vmm_close(&v);
	return 0;
}
