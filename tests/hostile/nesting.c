/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation as a careless VMM with a hostile guest would use it. Children, each with a
 * fresh context and three threads: one makes and destroys objects of nesting with arguments of no
 * sense, one attaches, detaches and lets an I/OAT engine work through guest tables that are noise,
 * one invalidates, writes into the vIOMMU's registers and the guest's memory, and takes that memory
 * away. A child ends by closing all, by closing one file under the threads, or by a signal.
 * Afterwards a sane program gets a fresh context, and its copies are compared.
 *
 * No errno is expected of single calls, but for one: parents do not go before their children. What
 * must hold is that everything ends, and that what comes after works.
 *
 * usage: nesting CHILDREN MILLISECONDS [SEED]
 */
#include <signal.h>
#include <sys/wait.h>

#include <ioas/abi/extensions.h>

#include "hostile.h"

#define GPA	 0x40000000ull
#define MEM	 (2ull << 20)
#define BAR_GPA	 0x60000000ull
#define IDS	 48u /* the context gives out the lowest ones first; more are destroyed than made */
#define FILES	 16
#define VSID	 0x10u
#define COMMANDS (48ull * PAGE) /* where queues lie, mostly */
#define PATIENCE 10000		/* ms for a child to end by itself */

enum kind { PARENT, VIOMMU, VDEVICE, QUEUE, NESTED, KINDS };
#define KNOWN 6 /* of each kind */

enum ending { CLEAN, CLOSE_IOMMU, CLOSE_DEVICE, EXIT, KILLED, ENDINGS };

struct child {
	struct road road;
	uint32_t make; /* IOMMU_HW_INFO_TYPE_ */
	char *mem;     /* the guest's */
	volatile uint8_t *bar;
	volatile uint32_t *page;      /* the registers of a vIOMMU; atomic */
	uint32_t known[KINDS][KNOWN]; /* ids that were made last, and may be gone; atomic */
	int events[FILES];
	bool stop;
};

static struct child child;

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(next(state) % n);
}

static bool going(void)
{
	return !__atomic_load_n(&child.stop, __ATOMIC_RELAXED);
}

/* ---- what the arguments are ---- */

static uint32_t any_id(uint64_t *s)
{
	static const uint32_t wrong[] = {0, UINT32_MAX, 0x7fffffff, IDS + 1000};

	return below(s, 16) ? 1 + below(s, IDS) : wrong[below(s, 4)];
}

/* What was once of that kind, mostly. */
static uint32_t an_id(uint64_t *s, enum kind kind)
{
	return below(s, 8) ? __atomic_load_n(&child.known[kind][below(s, KNOWN)], __ATOMIC_RELAXED)
			   : any_id(s);
}

static void know(uint64_t *s, enum kind kind, uint32_t id)
{
	__atomic_store_n(&child.known[kind][below(s, KNOWN)], id, __ATOMIC_RELAXED);
}

/* Pages of the guest's, mostly; also what is misaligned, beyond, at the end, a BAR. */
static uint64_t any_gpa(uint64_t *s)
{
	switch (below(s, 16)) {
	case 0:
		return GPA + below(s, MEM);
	case 1:
		return GPA + MEM - PAGE * below(s, 2);
	case 2:
		return BAR_GPA + PAGE * below(s, 8);
	case 3:
		return next(s);
	case 4:
		return next(s) & 0xfffffffff000;
	case 5:
		return 0xfee00000 + below(s, 0x100000);
	default:
		return GPA + (uint64_t)PAGE * below(s, MEM / PAGE);
	}
}

static uint64_t any_length(uint64_t *s)
{
	static const uint64_t sizes[] = {
		0,	 1,	     PAGE - 1, PAGE,	   PAGE + 1,   2 * PAGE,   32,	       256,
		0x10000, 1ull << 31, MEM,      1ull << 32, 1ull << 63, UINT64_MAX, 0x7ffff000, 512};

	return sizes[below(s, sizeof(sizes) / sizeof(*sizes))];
}

/* An entry of a table or a structure: the low bits of which some make accepts, an address, or
 * nothing of that. */
static uint64_t any_entry(uint64_t *s)
{
	static const uint64_t low[] = {0x3,
				       0x7,
				       0xf,
				       0x727,
				       0x403,
				       0x443,
				       0x10f,
				       0x67,
				       0x427,
				       0xb,
				       0x1,
				       0xe7,
				       0x0,
				       1ull << 61 | 0x201,
				       3ull << 61 | 0x401,
				       3ull << 61 | 0x601,
				       3ull << 61 | 1,
				       3ull << 61 | 0xe01};

	if (!below(s, 24))
		return next(s);
	return (any_gpa(s) & ~0xfffull) | low[below(s, sizeof(low) / sizeof(*low))];
}

static uint64_t *word_at(uint64_t at)
{
	return (uint64_t *)(void *)(child.mem + at % MEM / 8 * 8);
}

static void store(uint64_t at, uint64_t value)
{
	__atomic_store_n(word_at(at), value, __ATOMIC_RELAXED);
}

static void noise(uint64_t *s)
{
	for (uint64_t at = 0; at < MEM; at += 8)
		store(at, any_entry(s));
	/* Tables that lead to themselves: every entry of the first pages. */
	for (uint64_t at = 0; at < 4 * PAGE; at += 8)
		store(at, (GPA + at / PAGE * PAGE) | 0x727);
}

/* Structures that are right but for what they lead to, so that the walk gets to the noise. */
static void plausible(uint64_t *s)
{
	const uint64_t page = (4 + below(s, 32)) * PAGE;
	uint64_t table = any_gpa(s) & ~0xfffull;

	switch (child.make) {
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		for (uint64_t at = page; at < page + PAGE; at += 64) {
			store(at, (16 + below(s, 24)) | 1ull << 8 | 1ull << 10 | 3ull << 12 |
					  1ull << 30 | 1ull << 31 | 5ull << 32 | 1ull << 41 |
					  (uint64_t)below(s, 8) << 44 | 7ull << 45 | next(s) << 48);
			store(at + 8, table);
			store(at + 24, 0x0004ff44ff);
		}
		break;
	case IOMMU_HW_INFO_TYPE_AMD:
		for (uint64_t at = page; at < page + PAGE; at += 32) {
			store(at, 3ull << 61 | 3 |
					  (below(s, 2) ? table | (uint64_t)below(s, 8) << 9
						       : 1ull << 55 | (table >> 12 & 7) << 58 |
								 (uint64_t)below(s, 4) << 56));
			store(at + 8,
			      below(s, 16) | (table >> 15 & 0xffff) << 16 | table >> 31 << 43);
		}
		break;
	default:
		for (uint64_t at = page; at < page + PAGE; at += 64) {
			store(at, table | 1 | (uint64_t)below(s, 8) << 6);
			store(at + 8, below(s, 2) ? below(s, 64) : table | below(s, 16));
			store(at + 16, table | below(s, 16));
		}
		break;
	}
	if (!below(s, 8))
		store(page + below(s, PAGE), next(s));
}

/* ---- calls ---- */

static int call(unsigned long request, void *arg)
{
	return ioctl(child.road.iommu, request, arg) ? errno : 0;
}

static int destroy(uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return call(IOMMU_DESTROY, &cmd);
}

static uint32_t own_type(void)
{
	switch (child.make) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return IOMMU_IOAS_VTD;
	case IOMMU_HW_INFO_TYPE_AMD:
		return IOMMU_IOAS_AMD;
	default:
		return IOMMU_IOAS_SMMUV3;
	}
}

static uint32_t any_type(uint64_t *s)
{
	return below(s, 3) ? (below(s, 2) ? own_type() : 1 + below(s, 2))
			   : (uint32_t)next(s) >> below(s, 32);
}

static int hwpt_alloc(uint32_t flags, uint32_t pt, uint32_t type, const void *data, uint32_t len,
		      uint32_t *id)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = child.road.dev_id,
				       .pt_id = pt,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};
	const int err = call(IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return err;
}

static void nested(uint64_t *s, uint32_t on)
{
	static const uint32_t lens[] = {0, 4, 8, 16, 24, 32, 64, PAGE, 1u << 31, UINT32_MAX};
	uint64_t data[8] = {0};
	uint32_t id, type = any_type(s), len = lens[below(s, 10)];

	if (below(s, 3)) {
		switch (child.make) {
		case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
			data[0] = 1 | 5 << 1 | (uint64_t)below(s, 4) << 4 |
				  (any_gpa(s) & 0xfffffffff000) | (uint64_t)below(s, 17) << 59;
			data[1] = below(s, 256);
			type = IOMMU_HWPT_DATA_ARM_SMMUV3, len = 16;
			break;
		case IOMMU_HW_INFO_TYPE_AMD:
			memcpy(data, word_at(4 * PAGE + below(s, 32) * 32), 32);
			data[0] &= ~(0xfffffffff000ull | 7 << 9);
			type = IOMMU_HWPT_DATA_AMD_GUEST, len = 32;
			break;
		default:
			data[0] = below(s, 8);
			data[1] = any_gpa(s);
			data[2] = below(s, 2) ? 48 : 57;
			type = IOMMU_HWPT_DATA_VTD_S1, len = 24;
			break;
		}
	} else if (below(s, 2)) {
		data[0] = child.make == IOMMU_HW_INFO_TYPE_INTEL_VTD ? any_gpa(s) & ~0xfffull : 0;
		type = own_type(), len = 8;
	} else {
		for (unsigned int n = 0; n < 8; n++)
			data[n] = next(s);
	}
	if (!hwpt_alloc(below(s, 8) ? 0 : 1u << below(s, 6), on, type, data, len, &id))
		know(s, NESTED, id);
}

/* The page of a vIOMMU's registers, of the last one that had any. */
static void take_page(uint64_t offset, uint64_t len)
{
	void *page;

	if (len < PAGE)
		return;
	page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, child.road.iommu, (off_t)offset);
	/* The one before stays mapped: the other thread may be storing there. */
	if (page != MAP_FAILED)
		__atomic_store_n(&child.page, page, __ATOMIC_RELEASE);
}

static void viommu(uint64_t *s, uint32_t parent)
{
	union {
		struct iommu_viommu_tegra241_cmdqv tegra;
		struct iommu_viommu_ioas_smmuv3 smmu;
		struct iommu_viommu_ioas_amd amd;
		struct iommu_viommu_ioas_vtd vtd;
		uint64_t words[8];
	} u = {.words = {0}};
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = any_type(s),
					 .dev_id = below(s, 8) ? child.road.dev_id : any_id(s),
					 .hwpt_id = parent,
					 .data_uptr = (uintptr_t)&u};

	if (cmd.type == IOMMU_IOAS_SMMUV3) {
		u.smmu.strtab_base = any_gpa(s);
		u.smmu.strtab_base_cfg =
			below(s, 2) ? below(s, 20) : 1u << 16 | below(s, 4) * 2 << 6 | below(s, 32);
		cmd.data_len = sizeof(u.smmu);
	} else if (cmd.type == IOMMU_IOAS_AMD) {
		u.amd.devtab_base = any_gpa(s);
		u.amd.devtab_length = (uint32_t)any_length(s);
		cmd.data_len = sizeof(u.amd);
	} else if (cmd.type == IOMMU_IOAS_VTD) {
		u.vtd.cap_reg = below(s, 2) ? 0 : next(s);
		u.vtd.ecap_reg = below(s, 2) ? 0 : next(s);
		cmd.data_len = sizeof(u.vtd);
	} else if (cmd.type == IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV) {
		cmd.data_len = sizeof(u.tegra);
	} else {
		cmd.data_len = below(s, 2) ? 0 : (uint32_t)any_length(s);
	}
	if (call(IOMMU_VIOMMU_ALLOC, &cmd))
		return;
	know(s, VIOMMU, cmd.out_viommu_id);
	CHECK(destroy(parent) != 0);
	if (cmd.type == IOMMU_IOAS_SMMUV3)
		take_page(u.smmu.out_mmap_offset, u.smmu.out_mmap_length);
	else if (cmd.type == IOMMU_IOAS_AMD && child.make == IOMMU_HW_INFO_TYPE_AMD)
		take_page(u.amd.out_mmap_offset, u.amd.out_mmap_length);
	else if (cmd.type == IOMMU_IOAS_VTD)
		take_page(u.vtd.out_mmap_offset, u.vtd.out_mmap_length);
	else if (cmd.type == IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV)
		take_page(u.tegra.out_vintf_mmap_offset, u.tegra.out_vintf_mmap_length);
}

static void vdevice(uint64_t *s, uint32_t on)
{
	struct iommu_vdevice_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = on,
					  .dev_id = below(s, 8) ? child.road.dev_id : any_id(s),
					  .virt_id = below(s, 4) ? VSID : next(s) >> below(s, 64)};

	if (!call(IOMMU_VDEVICE_ALLOC, &cmd))
		know(s, VDEVICE, cmd.out_vdevice_id);
}

static void veventq(uint64_t *s, uint32_t on)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = on,
					  .type = any_type(s),
					  .veventq_depth = (uint32_t)next(s) >> below(s, 32)};
	int *file = &child.events[below(s, FILES)];

	if (call(IOMMU_VEVENTQ_ALLOC, &cmd))
		return;
	if (*file >= 0)
		close(*file);
	*file = (int)cmd.out_veventq_fd;
}

static void hw_queue(uint64_t *s, uint32_t on)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = on,
					   .type = any_type(s),
					   .index = below(s, 4) ? below(s, 3) : (uint32_t)next(s),
					   .nesting_parent_iova = any_gpa(s),
					   .length = any_length(s)};

	if (below(s, 2)) {
		cmd.index = 0;
		cmd.nesting_parent_iova = GPA + COMMANDS;
		cmd.length = below(s, 2) ? PAGE : 2 * PAGE;
	}
	if (!call(IOMMU_HW_QUEUE_ALLOC, &cmd))
		know(s, QUEUE, cmd.out_hw_queue_id);
}

static void read_events(uint64_t *s)
{
	const int file = child.events[below(s, FILES)];
	char buf[512];

	if (file >= 0 && read(file, buf, below(s, sizeof(buf))) < 0)
		return; /* any errno */
}

/* ---- the threads ---- */

static void *objects(void *arg)
{
	uint64_t state = (uintptr_t)arg, *s = &state;
	uint32_t id;

	while (going()) {
		switch (below(s, 12)) {
		case 0:
			if (!hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT |
						(below(s, 4) ? 0 : 1u << below(s, 6)),
					below(s, 8) ? child.road.ioas : any_id(s), 0, NULL, 0, &id))
				know(s, PARENT, id);
			break;
		case 1:
			viommu(s, an_id(s, PARENT));
			break;
		case 2:
			vdevice(s, an_id(s, VIOMMU));
			break;
		case 3:
			veventq(s, an_id(s, VIOMMU));
			break;
		case 4:
			hw_queue(s, an_id(s, VIOMMU));
			break;
		case 5:
		case 6:
			nested(s, an_id(s, below(s, 2) ? VIOMMU : PARENT));
			break;
		case 7:
			read_events(s);
			break;
		default:
			destroy(an_id(s, (enum kind)below(s, KINDS)));
			break;
		}
	}
	return NULL;
}

#define REG(type, at) (*(volatile type *)(child.bar + (at)))

static void attach(uint32_t pt, uint64_t *s)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = pt};
	struct vfio_device_detach_iommufd_pt off = {.argsz = sizeof(off)};

	if (!below(s, 8))
		ioctl(child.road.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &off);
	ioctl(child.road.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static uint64_t any_iova(uint64_t *s)
{
	return below(s, 2) ? next(s) >> (below(s, 44) + 16) : any_gpa(s);
}

/* The chain lies in noise as well, or is one that copies from anywhere to anywhere. */
static void engine(uint64_t *s)
{
	const uint64_t ring = 40 * PAGE;

	for (unsigned int n = 0; n < 16; n++) {
		store(ring + n * 64,
		      (uint64_t)(below(s, 2) ? 8 : 0) << 32 | (1 + below(s, 2 * PAGE)));
		store(ring + n * 64 + 8, any_iova(s));
		store(ring + n * 64 + 16, any_iova(s));
		store(ring + n * 64 + 24, GPA + ring + (n + 1) % 16 * 64);
	}
	REG(uint8_t, 0x84) = 0x04;
	REG(uint32_t, 0xa8) = REG(uint32_t, 0xa8);
	REG(uint8_t, 0x84) = 0x20;
	for (unsigned int n = 0; n < 1000 && REG(uint8_t, 0x84) & 0x20; n++)
		;
	REG(uint64_t, 0x98) = below(s, 2) ? GPA + 39 * PAGE : any_iova(s);
	REG(uint16_t, 0x80) = 0x000c;
	REG(uint64_t, 0x90) = below(s, 2) ? GPA + ring : any_iova(s) & ~0x3full;
	REG(uint16_t, 0x86) = (uint16_t)(1 + below(s, 32));
}

static void *device(void *arg)
{
	uint64_t state = (uintptr_t)arg, *s = &state;

	while (going()) {
		for (unsigned int n = below(s, 8); n; n--)
			attach(an_id(s, below(s, 4) ? NESTED : PARENT), s);
		for (unsigned int n = below(s, 8); n; n--)
			engine(s);
		if (!below(s, 1000))
			ioctl(child.road.device, VFIO_DEVICE_RESET);
	}
	return NULL;
}

static uint64_t any_command(uint64_t *s)
{
	static const uint8_t ops[] = {0x03, 0x04, 0x05, 0x06, 0x10, 0x11,
				      0x12, 0x13, 0x20, 0x30, 0x40, 0x46};

	switch (child.make) {
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return ops[below(s, sizeof(ops))] | (uint64_t)VSID << 32 |
		       (below(s, 2) ? next(s) & 0xff00 : 0);
	case IOMMU_HW_INFO_TYPE_AMD:
		return (uint64_t)below(s, 10) << 60 | VSID | (uint64_t)below(s, 16) << 32;
	default:
		return (1 + below(s, 9)) | (uint64_t)below(s, 4) << 4 |
		       (uint64_t)below(s, 16) << 16;
	}
}

static void invalidate(uint64_t *s)
{
	static const uint32_t lens[] = {16, 24, 32, 8, 0, 17, PAGE, UINT32_MAX};
	uint64_t data[64 * 4];
	const bool of_hwpt = child.make == IOMMU_HW_INFO_TYPE_INTEL_VTD && below(s, 2);
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = an_id(s, of_hwpt ? NESTED : VIOMMU),
		.data_uptr = below(s, 16) ? (uintptr_t)data : next(s),
		.data_type = own_type(),
		.entry_len = of_hwpt ? 24 : 16,
		.entry_num = below(s, below(s, 2) ? 4 : 64),
	};

	if (child.make == IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
		cmd.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3;
	else if (of_hwpt)
		cmd.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1;
	if (!below(s, 8))
		cmd.data_type = (uint32_t)next(s) >> below(s, 32);
	if (!below(s, 8))
		cmd.entry_len = lens[below(s, 8)];
	for (unsigned int n = 0; n < 64 * 4; n++)
		data[n] = n % 2 && below(s, 4) ? any_gpa(s)
			  : below(s, 16)       ? any_command(s)
					       : next(s);
	for (unsigned int n = 0; of_hwpt && n + 2 < 64 * 4; n += 3) {
		data[n] = any_gpa(s);
		data[n + 1] = below(s, 8) ? 1ull << below(s, 64) : next(s);
		data[n + 2] = below(s, 16) ? below(s, 2) : next(s);
	}
	if (!below(s, 64))
		cmd.data_uptr = (uintptr_t)child.mem, cmd.entry_num = UINT32_MAX;
	call(IOMMU_HWPT_INVALIDATE, &cmd);
}

/* Words in any register, or what switches the makes' queues on and says that there are commands. */
static void registers(uint64_t *s)
{
	static const struct {
		uint16_t at;
		uint32_t value;
	} on[] = {{0x18, 1u << 26}, {0x20, 8}, {0x20, 0x10}, {8, 1}, {0x88, 1u << 26}};
	static const uint16_t tails[] = {0x04, 0x08, 0x88, 0x98};
	volatile uint32_t *page = __atomic_load_n(&child.page, __ATOMIC_ACQUIRE);

	for (unsigned int n = 0; page && n < 16; n++) {
		const unsigned int k = below(s, 5);

		if (below(s, 2))
			page[on[k].at / 4] = on[k].value;
		else if (below(s, 4))
			page[tails[k % 4] / 4] = below(s, 512) << (below(s, 2) ? 4 : 0);
		else
			page[below(s, PAGE / 4)] =
				below(s, 2) ? (uint32_t)next(s) : (uint32_t)any_gpa(s) | 1;
	}
}

static void kick(uint64_t *s)
{
	struct iommu_hw_queue_kick cmd = {.size = sizeof(cmd), .hw_queue_id = an_id(s, QUEUE)};

	call(IOMMU_HW_QUEUE_KICK, &cmd);
}

/* Takes the guest's memory, or some of it, from under the walk; and puts it back. */
static void remap(uint64_t *s)
{
	const uint64_t half = below(s, 2) ? MEM / 2 : 0;

	road_unmap(&child.road, GPA + half, below(s, 2) ? MEM - half : PAGE);
	if (!below(s, 4))
		madvise(child.mem + PAGE * below(s, MEM / PAGE), PAGE, MADV_DONTNEED);
	for (uint64_t at = 0; at < MEM; at += MEM / 2)
		if (road_map(&child.road, child.mem + at, MEM / 2, GPA + at, below(s, 16)) ==
		    EEXIST)
			road_map(&child.road, child.mem + at, PAGE, GPA + at, true);
}

static void *guest(void *arg)
{
	uint64_t state = (uintptr_t)arg, *s = &state;

	while (going()) {
		switch (below(s, 16)) {
		case 0:
			remap(s);
			break;
		case 1:
			kick(s);
			break;
		case 2:
		case 3:
		case 4:
			plausible(s);
			break;
		case 5:
			for (unsigned int n = 0; n < 256; n++)
				store(next(s), any_entry(s));
			break;
		case 6:
			for (unsigned int n = 0; n < 512;
			     n += 2) { /* what may be a queue of commands */
				store(COMMANDS + n * 8, any_command(s));
				store(COMMANDS + n * 8 + 8, any_gpa(s));
			}
			break;
		case 7:
		case 8:
		case 9:
			registers(s);
			break;
		default:
			invalidate(s);
			break;
		}
	}
	return NULL;
}

/* ---- a child ---- */

static void begin(uint64_t *s)
{
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};
	struct iommu_hw_info info = {.size = sizeof(info)};

	road_open(&child.road, true, NULL, &ioat);
	road_enable(&child.road);
	info.dev_id = child.road.dev_id;
	NEED(!call(IOMMU_GET_HW_INFO, &info));
	child.make = info.out_data_type;
	child.bar = road_bar_map(&child.road, 0, BAR_LEN);
	child.mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(child.mem != MAP_FAILED);
	for (unsigned int n = 0; n < FILES; n++)
		child.events[n] = -1;
	noise(s);
	NEED(!road_map(&child.road, child.mem, MEM, GPA, true));
	/* Refused or not: peer memory under a walk. */
	road_map(&child.road, (const void *)child.bar, BAR_LEN, BAR_GPA, true);
}

/* The chain that the storm seldom finds by itself, so that every child has gone through it. */
static void objects_that_work(uint64_t *s)
{
	uint32_t parent, id = 0, type = own_type();

	NEED(!hwpt_alloc(IOMMU_HWPT_ALLOC_NEST_PARENT, child.road.ioas, 0, NULL, 0, &parent));
	for (unsigned int n = 0; n < KNOWN; n++)
		child.known[PARENT][n] = parent;
	for (unsigned int n = 0; n < 200; n++) {
		viommu(s, parent);
		id = parent + 1 + below(s, 8);
		vdevice(s, id);
		veventq(s, id);
		hw_queue(s, id);
		nested(s, type == IOMMU_IOAS_VTD && below(s, 2) ? parent : id);
	}
	CHECK(destroy(parent) == EBUSY);
}

static int run_child(uint64_t seed, unsigned int ms, enum ending ending)
{
	static void *(*const parts[])(void *) = {objects, device, guest};
	pthread_t threads[3];
	uint64_t s = seed;

	begin(&s);
	objects_that_work(&s);
	for (unsigned int n = 0; n < 3; n++)
		NEED(!pthread_create(&threads[n], NULL, parts[n], (void *)(uintptr_t)next(&s)));
	sleep_ms(ms);
	if (ending == KILLED)
		raise(SIGKILL);
	if (ending == EXIT)
		exit(!!failures);
	if (ending == CLOSE_IOMMU)
		CHECK(!close(child.road.iommu));
	if (ending == CLOSE_DEVICE)
		CHECK(!close(child.road.device));
	if (ending != CLEAN)
		sleep_ms(ms / 4);
	__atomic_store_n(&child.stop, true, __ATOMIC_RELAXED);
	for (unsigned int n = 0; n < 3; n++)
		pthread_join(threads[n], NULL);
	for (unsigned int n = 0; n < FILES; n++)
		if (child.events[n] >= 0)
			close(child.events[n]);
	if (ending != CLOSE_DEVICE)
		CHECK(!close(child.road.device));
	if (ending != CLOSE_IOMMU)
		CHECK(!close(child.road.iommu));
	return !!failures;
}

/* True: it has ended, as it should. */
static bool wait_for(pid_t pid, enum ending ending)
{
	const uint64_t until = now_ms() + PATIENCE;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > until) {
			fprintf(stderr, "the child does not end\n");
			kill(pid, SIGABRT);
			waitpid(pid, &status, 0);
			return false;
		}
		sleep_ms(1);
	}
	if (ending == KILLED ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
			     : WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	fprintf(stderr, "the child ended with status 0x%x\n", (unsigned int)status);
	return false;
}

static void sane(void)
{
	static struct ring ring;
	uint64_t src_iova, dst_iova;
	uint8_t *src, *dst;

	ring_open(&ring, true, NULL);
	src = road_alloc(&ring.road, PAGE, &src_iova);
	dst = road_alloc(&ring.road, PAGE, &dst_iova);
	for (unsigned int n = 0; n < PAGE; n++)
		src[n] = (uint8_t)(n * 7 + n / 256);
	ring_aim(&ring, src_iova, 0, dst_iova, 0, PAGE);
	ring_go(&ring, RING);
	CHECK(EVENTUALLY(ring_done(&ring) == RING - 1 && ring_idle(&ring)));
	CHECK(!ring_errors(&ring));
	CHECK(!memcmp(src, dst, PAGE));
	ring_close(&ring);
}

int main(int argc, char **argv)
{
	const unsigned int children = argc > 1 ? (unsigned int)atoi(argv[1]) : ENDINGS;
	const unsigned int ms = argc > 2 ? (unsigned int)atoi(argv[2]) : 300;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	for (unsigned int n = 0; n < children; n++) {
		const uint64_t mine = next(&seed);
		const pid_t pid = fork();

		NEED(pid >= 0);
		if (!pid) {
			failures = 0;
			return run_child(mine, ms, n % ENDINGS);
		}
		if (!wait_for(pid, n % ENDINGS)) {
			fprintf(stderr, "child %u, ending %u\n", n, n % ENDINGS);
			failures++;
		}
	}
	sane();
	return !!failures;
}
