/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation on VT-d: HWPTs of data VTD_S1, as Linux has them (HWA.15 to HWA.18, INV, 4.3).
 * The program plays a VMM and its guest at once: it owns guest memory, writes first-stage tables
 * there, and an I/OAT channel copies by the guest's addresses.
 *
 * On a kernel it wants an I/OAT device behind a VT-d with ECAP.NEST.
 */
#include "abi_iommufd.h"
#include "vfio_fixture.h"

#include <ioas/abi/extensions.h>
#include <sys/mman.h>

#define CHANCMD	  0x84
#define DMACOUNT  0x86
#define CHANSTS	  0x88
#define CHAINADDR 0x90
#define CHANERR	  0xa8

enum { STATE_DONE = 1, STATE_HALTED = 3 };

#define GPA   0x100000000ull
#define BYTES (4u << 20)
#define VA    0x7f1234567000ull /* the guest's, of four pages: descriptor, source, two targets */

#define S1_ALL 7ull /* present, writable, the user's */

struct world {
	struct vfio v;
	uint64_t bar;
	char *mem;
	uint64_t free; /* offset in mem */
	uint64_t root; /* GPA */
	uint32_t ioas, parent, nested;
};

static void set_reg(struct world *w, uint64_t at, size_t len, uint64_t value)
{
	if (pwrite(w->v.device, &value, len, (off_t)(w->bar + at)) != (ssize_t)len)
		abi_broken("register %#jx: %s", (uintmax_t)at, strerror(errno));
}

static uint64_t reg(struct world *w, uint64_t at, size_t len)
{
	uint64_t value = 0;

	if (pread(w->v.device, &value, len, (off_t)(w->bar + at)) != (ssize_t)len)
		abi_broken("register %#jx: %s", (uintmax_t)at, strerror(errno));
	return value;
}

/* An I/OAT alone in its group: all devices of one move together, and each would want a vDEVICE. */
static const struct vfio_id *lone_ioat(void)
{
	const struct vfio_id *id;

	for (unsigned int n = 0; (id = vfio_nth(n)); n++)
		if (id->vendor == 0x8086 && id->device == 0x2021 && !vfio_neighbour(id))
			return id;
	abi_cannot_run("there is no I/OAT device alone in its group");
}

/* False after abi_skip(). */
static bool world_open(struct world *w)
{
	struct iommu_hw_info_vtd regs;
	struct iommu_hw_info info = {
		.size = sizeof(info), .data_len = sizeof(regs), .data_uptr = PTR(&regs)};

	memset(w, 0, sizeof(*w));
	vfio_open(&w->v, ROAD_CDEV, lone_ioat());
	info.dev_id = w->v.devid;
	if (abi_ioctl(w->v.iommufd, IOMMU_GET_HW_INFO, &info) ||
	    info.out_data_type != IOMMU_HW_INFO_TYPE_INTEL_VTD || !(regs.ecap_reg & 1ull << 26)) {
		abi_skip("no VT-d that nests");
		vfio_close(&w->v);
		return false;
	}
	if (cdev_detach(w->v.device))
		abi_broken("detach: %s", strerror(errno));
	w->bar = region_info(w->v.device, VFIO_PCI_BAR0_REGION_INDEX).offset;
	w->mem = shared_pages(BYTES);
	w->ioas = ioas_alloc_ok(w->v.iommufd);
	ioas_map_ok(w->v.iommufd, w->ioas, FIXED_RW, w->mem, BYTES, GPA);
	w->parent = hwpt_alloc_ok(w->v.iommufd, w->v.devid, w->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	pci_set_command(w->v.device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return true;
}

static void world_close(struct world *w)
{
	vfio_close(&w->v);
	munmap(w->mem, BYTES);
}

/* ---- the guest ---- */

static uint64_t *word(struct world *w, uint64_t gpa)
{
	return (uint64_t *)(void *)(w->mem + (gpa - GPA));
}

static uint64_t alloc_page(struct world *w)
{
	w->free += PAGE;
	return GPA + w->free - PAGE;
}

/* The lowest entry of four levels for @va. */
static uint64_t *entry(struct world *w, uint64_t va)
{
	uint64_t table = w->root;

	for (unsigned int level = 3; level; level--) {
		uint64_t *e = word(w, table) + (va >> (12 + 9 * level) & 0x1ff);

		if (!*e)
			*e = alloc_page(w) | S1_ALL;
		table = *e & ~0xfffull;
	}
	return word(w, table) + (va >> 12 & 0x1ff);
}

static void map(struct world *w, uint64_t va, uint64_t gpa, uint64_t bits)
{
	__atomic_store_n(entry(w, va), gpa | bits, __ATOMIC_RELEASE);
}

/* A descriptor at VA that copies the page behind it to the one after; and a page that is not
 * mapped. */
static void make_guest(struct world *w)
{
	uint64_t *d;

	w->root = alloc_page(w);
	for (unsigned int n = 0; n < 3; n++)
		map(w, VA + n * PAGE, alloc_page(w), S1_ALL);
	d = word(w, *entry(w, VA) & ~0xfffull);
	d[0] = PAGE;
	d[1] = VA + PAGE;
	d[2] = VA + 2 * PAGE;
}

static char *page_of(struct world *w, unsigned int n)
{
	return (char *)word(w, *entry(w, VA + n * PAGE) & ~0xfffull);
}

static unsigned int run(struct world *w)
{
	unsigned int state = 0;

	set_reg(w, CHANCMD, 1, 0x20);
	set_reg(w, CHANERR, 4, ~0u);
	set_reg(w, CHAINADDR, 8, VA);
	set_reg(w, DMACOUNT, 2, 1);
	for (int i = 0; i < 50000 && state != STATE_DONE && state != STATE_HALTED; i++) {
		usleep(100);
		state = reg(w, CHANSTS, 8) & 7;
	}
	return state;
}

/* The copy reaches the page that the guest's tables now say; false: no row's fault. */
static void copies(struct world *w, unsigned int seed)
{
	memset(page_of(w, 1), (int)seed, PAGE);
	memset(page_of(w, 2), 0, PAGE);
	abi_equal(run(w), STATE_DONE);
	abi_true(!memcmp(page_of(w, 1), page_of(w, 2), PAGE), "the copy is not where it belongs");
}

/* ---- the VMM ---- */

static int nest(struct world *w, uint32_t flags, uint64_t root, uint32_t width, uint32_t *id)
{
	struct iommu_hwpt_vtd_s1 s1 = {.flags = flags, .pgtbl_addr = root, .addr_width = width};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .dev_id = w->v.devid,
				       .pt_id = w->parent,
				       .data_type = IOMMU_HWPT_DATA_VTD_S1,
				       .data_len = sizeof(s1),
				       .data_uptr = PTR(&s1)};
	int err = abi_ioctl(w->v.iommufd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return err;
}

static int invalidate(struct world *w, uint64_t addr, uint64_t npages, uint32_t flags, uint32_t *n)
{
	struct iommu_hwpt_vtd_s1_invalidate e[2] = {
		{.addr = addr, .npages = npages, .flags = flags},
		{.addr = addr, .npages = npages, .flags = flags},
	};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = w->nested,
					    .data_uptr = PTR(e),
					    .data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
					    .entry_len = sizeof(e[0]),
					    .entry_num = 2};
	int err = abi_ioctl(w->v.iommufd, IOMMU_HWPT_INVALIDATE, &cmd);

	*n = cmd.entry_num;
	return err;
}

static void forget(struct world *w, uint64_t addr, uint64_t npages)
{
	uint32_t n;

	abi_errno(invalidate(w, addr, npages, 0, &n), 0);
	abi_equal(n, 2);
}

static bool attach_guest(struct world *w)
{
	uint32_t pt;

	make_guest(w);
	abi_errno(nest(w, 0, w->root, 48, &w->nested), 0);
	pt = w->nested;
	abi_errno(cdev_attach(w->v.device, &pt), 0);
	return abi_equal(pt, w->nested);
}

static void alloc_rules(void)
{
	static struct iommu_hwpt_vtd_s1 s1 = {.pgtbl_addr = GPA, .addr_width = 48};
	static const struct {
		const char *rule, *what;
		uint32_t flags, type, len;
		bool plain; /* upon an HWPT that is no nest parent */
		int err;
	} rows[] = {
		{"HWA.18", "as it should be", 0, 1, 24, false, 0},
		{"HWA.18", "with PASID", IOMMU_HWPT_ALLOC_PASID, 1, 24, false, 0},
		{"HWA.2", "a type, no data", 0, 1, 0, false, EINVAL},
		{"HWA.15", "NEST_PARENT", IOMMU_HWPT_ALLOC_NEST_PARENT, 1, 24, false, EOPNOTSUPP},
		{"HWA.15", "DIRTY", IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 1, 24, false, EOPNOTSUPP},
		{"HWA.15 HWA.17", "DIRTY, no nest parent", IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 1, 24,
		 true, EOPNOTSUPP},
		{"HWA.16", "no data", 0, 0, 0, false, EOPNOTSUPP},
		{"HWA.16 HWA.17", "no data, no nest parent", 0, 0, 0, true, EOPNOTSUPP},
		{"HWA.17", "no nest parent", 0, 1, 24, true, EINVAL},
		{"HWA.17 HWA.18", "no nest parent, another type", 0, 2, 24, true, EINVAL},
		{"HWA.18", "another make's type", 0, 2, 16, false, EOPNOTSUPP},
		{"HWA.18", "too short", 0, 1, 16, false, EINVAL},
		{"HWA.18", "too long", 0, 1, 32, false, EINVAL},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct world w;

		if (!abi_row(rows[k].rule, "%s", rows[k].what) || !world_open(&w))
			continue;
		struct iommu_hwpt_alloc cmd = {
			.size = sizeof(cmd),
			.flags = rows[k].flags,
			.dev_id = w.v.devid,
			.pt_id = rows[k].plain ? hwpt_alloc_ok(w.v.iommufd, w.v.devid, w.ioas, 0)
					       : w.parent,
			.data_type = rows[k].type,
			.data_len = rows[k].len,
			.data_uptr = rows[k].len ? PTR(&s1) : 0,
		};

		abi_errno(abi_ioctl(w.v.iommufd, IOMMU_HWPT_ALLOC, &cmd), rows[k].err);
		world_close(&w);
	}
}

static void attach_rules(void)
{
	static const struct {
		const char *what;
		uint32_t flags, width;
		int err;
	} rows[] = {
		{"48 bits", 0, 48, 0},
		{"39 bits", 0, 39, EINVAL},
		{"47 bits", 0, 47, EINVAL},
		{"flags that Linux does not know", 0xf0, 48, 0},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct world w;
		uint32_t pt;

		if (!abi_row("ATT.8", "%s", rows[k].what) || !world_open(&w))
			continue;
		abi_errno(nest(&w, rows[k].flags, GPA, rows[k].width, &pt), 0);
		abi_errno(cdev_attach(w.v.device, &pt), rows[k].err);
		world_close(&w);
	}
}

static void dma(void)
{
	struct world w;

	if (abi_row("NEST.DMA", "by the guest's tables") && world_open(&w)) {
		attach_guest(&w);
		copies(&w, 0x11);
		world_close(&w);
	}
	if (abi_row("NEST.DMA", "a change is seen once it was invalidated") && world_open(&w)) {
		attach_guest(&w);
		copies(&w, 0x22);
		for (unsigned int k = 0; k < 20; k++) {
			map(&w, VA + 2 * PAGE, alloc_page(&w), S1_ALL);
			forget(&w, VA + 2 * PAGE, 1);
			copies(&w, 0x30 + k);
		}
		map(&w, VA + PAGE, alloc_page(&w), S1_ALL);
		forget(&w, 0, UINT64_MAX);
		copies(&w, 0x55);
		world_close(&w);
	}
	if (abi_row("NEST.DMA", "not mapped, and not writable: no data moves") && world_open(&w)) {
		attach_guest(&w);
		copies(&w, 0x66);
		for (uint64_t bits = 0; bits <= 5; bits += 5) {
			char *target = page_of(&w, 2);

			memset(target, 0x77, PAGE);
			*entry(&w, VA + 2 * PAGE) = (*entry(&w, VA + 2 * PAGE) & ~0xfffull) | bits;
			forget(&w, VA + 2 * PAGE, 1);
			abi_equal(run(&w), STATE_HALTED);
			abi_true(target[0] == 0x77 && target[PAGE - 1] == 0x77, "it was written");
		}
		world_close(&w);
	}
	if (abi_row("NEST.DMA", "what hardware sets: A where it went, D where it wrote") &&
	    world_open(&w)) {
		attach_guest(&w);
		copies(&w, 0x12);
		abi_equal(*entry(&w, VA + PAGE) & 0x60, 0x20);
		abi_equal(*entry(&w, VA + 2 * PAGE) & 0x60, 0x60);
		world_close(&w);
	}
	if (abi_row("NEST.DMA", "replaced by other tables, and by the parent") && world_open(&w)) {
		uint32_t pt;

		attach_guest(&w);
		copies(&w, 0x13);
		attach_guest(&w);
		copies(&w, 0x14);
		pt = w.parent;
		abi_errno(cdev_attach(w.v.device, &pt), 0);
		abi_equal(run(&w), STATE_HALTED);
		world_close(&w);
	}
}

static void invalidate_rules(void)
{
	static const struct {
		const char *what;
		uint64_t addr, npages;
		uint32_t flags;
		int err;
	} rows[] = {
		{"one page", VA, 1, 0, 0},
		{"LEAF", VA, 1, 1, 0},
		{"everything", 0, UINT64_MAX, 0, 0},
		{"an unknown flag", VA, 1, 2, EOPNOTSUPP},
		{"an unknown flag, not aligned", VA + 1, 1, 2, EOPNOTSUPP},
		{"not aligned", VA + 1, 1, 0, EINVAL},
		{"everything from somewhere", VA, UINT64_MAX, 0, EINVAL},
	};

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		struct world w;
		uint32_t n;

		if (!abi_row("INV.6", "%s", rows[k].what) || !world_open(&w))
			continue;
		attach_guest(&w);
		abi_errno(invalidate(&w, rows[k].addr, rows[k].npages, rows[k].flags, &n),
			  rows[k].err);
		abi_equal(n, rows[k].err ? 0 : 2);
		world_close(&w);
	}
}

/* Linux takes every VT-d to have erratum 772415. */
static void read_only(void)
{
	struct world w;

	if (abi_row("MAP.18", "a nest parent maps nothing that may only be read") &&
	    world_open(&w)) {
		uint64_t iova = GPA + BYTES;
		char *page = shared_pages(PAGE);

		abi_errno(ioas_map(w.v.iommufd, w.ioas,
				   IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE, page, PAGE,
				   &iova),
			  EINVAL);
		abi_errno(ioas_map(w.v.iommufd, w.ioas, FIXED_RW, page, PAGE, &iova), 0);
		world_close(&w);
		munmap(page, PAGE);
	}
}

/* ---- the engine reads the guest's configuration: docs/abi-extensions.md ---- */

static uint32_t make_viommu(struct world *w, uint64_t *offset)
{
	/* SAGAW 48, FS1GP; QI, PSS 19, PASID, SMTS, FSTS. */
	struct iommu_viommu_ioas_vtd data = {
		.cap_reg = 4ull << 8 | 1ull << 39 | 18ull << 48 | 1ull << 56,
		.ecap_reg = 2ull | 19ull << 35 | 1ull << 40 | 1ull << 43 | 1ull << 47,
	};
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = IOMMU_VIOMMU_TYPE_IOAS_VTD,
					 .dev_id = w->v.devid,
					 .hwpt_id = w->parent,
					 .data_len = sizeof(data),
					 .data_uptr = PTR(&data)};

	if (abi_ioctl(w->v.iommufd, IOMMU_VIOMMU_ALLOC, &cmd))
		return 0;
	*offset = data.out_mmap_offset;
	abi_equal(data.out_mmap_length, PAGE);
	return cmd.out_viommu_id;
}

/* Root table of bus 0's device 2.0, scalable mode, PASID 0: all at the end of guest memory. */
static uint64_t make_config(struct world *w)
{
	uint64_t root = alloc_page(w), context = alloc_page(w), dir = alloc_page(w),
		 table = alloc_page(w);

	word(w, root)[0] = context | 1;
	word(w, context)[0x10 * 4] = dir | 1;
	word(w, dir)[0] = table | 1;
	word(w, table)[1] = 5;
	word(w, table)[2] = w->root;
	word(w, table)[0] = 1 << 6 | 1;
	return root | 1 << 10;
}

static bool attach_own(struct world *w, uint32_t viommu)
{
	struct iommu_vdevice_alloc vdev = {
		.size = sizeof(vdev), .viommu_id = viommu, .dev_id = w->v.devid, .virt_id = 0x10};
	struct iommu_hwpt_ioas_vtd data;
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .dev_id = w->v.devid,
				       .pt_id = viommu,
				       .data_type = IOMMU_HWPT_DATA_IOAS_VTD,
				       .data_len = sizeof(data),
				       .data_uptr = PTR(&data)};
	uint32_t pt;

	make_guest(w);
	data.rtaddr = make_config(w);
	abi_errno(abi_ioctl(w->v.iommufd, IOMMU_HWPT_ALLOC, &cmd), 0);
	pt = cmd.out_hwpt_id;
	abi_errno(cdev_attach(w->v.device, &pt), ENOENT);
	abi_errno(abi_ioctl(w->v.iommufd, IOMMU_VDEVICE_ALLOC, &vdev), 0);
	return abi_errno(cdev_attach(w->v.device, &pt), 0);
}

/* The VMM hands on what the guest wrote into a queue of its own. */
static void vmm_flushes(struct world *w, uint32_t viommu, uint64_t va)
{
	uint64_t d[2][2] = {{0x36 | 5 << 16, va}, {0}};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = viommu,
					    .data_uptr = PTR(d),
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_VTD,
					    .entry_len = sizeof(d[0]),
					    .entry_num = 2};

	abi_errno(abi_ioctl(w->v.iommufd, IOMMU_HWPT_INVALIDATE, &cmd), EIO);
	abi_equal(cmd.entry_num, 1);
}

static void fault_record(struct world *w, uint32_t viommu, int fd)
{
	struct {
		struct iommufd_vevent_header header;
		struct iommu_vevent_ioas_vtd event;
	} got;

	*entry(w, VA) &= ~1ull;
	vmm_flushes(w, viommu, VA);
	abi_equal(run(w), STATE_HALTED);
	if (!abi_equal((uint64_t)read(fd, &got, sizeof(got)), sizeof(got)))
		return;
	abi_equal(got.event.kind, IOMMU_VEVENT_IOAS_VTD_FAULT);
	abi_equal(got.event.record[0], VA);
	/* F, a read, reason 0x71, the guest's requester ID. */
	abi_equal(got.event.record[1], 1ull << 63 | 1ull << 62 | 0x71ull << 32 | 0x10);
}

/* The guest writes its queue and waits for the status that the last descriptor writes. */
static void guest_flushes(struct world *w, char *regs, uint64_t queue, unsigned int *tail)
{
	const uint64_t status = queue + PAGE;
	uint64_t *d = word(w, queue) + (uint64_t)*tail * 2;

	d[0] = 0x36 | 5 << 16;
	d[1] = VA + 2 * PAGE;
	d[2] = 0x25 | (uint64_t)(*tail + 2) << 32;
	d[3] = status;
	*tail += 2;
	__atomic_store_n((uint64_t *)(void *)(regs + 0x88), (uint64_t)*tail << 4, __ATOMIC_RELEASE);
	for (int i = 0; i < 100000 && *(volatile uint32_t *)word(w, status) != *tail; i++)
		usleep(20);
	abi_equal(*(volatile uint32_t *)word(w, status), *tail);
}

static void own_queue(struct world *w, uint32_t viommu, uint64_t offset)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = viommu,
					   .type = IOMMU_HW_QUEUE_TYPE_IOAS_VTD,
					   .length = PAGE};
	char *regs =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->v.iommufd, (off_t)offset);
	unsigned int tail = 0;

	if (!abi_true(regs != MAP_FAILED, "the register page: %s", strerror(errno)))
		return;
	cmd.nesting_parent_iova = alloc_page(w);
	alloc_page(w); /* the status */
	abi_errno(abi_ioctl(w->v.iommufd, IOMMU_HW_QUEUE_ALLOC, &cmd), 0);
	__atomic_store_n((uint32_t *)(void *)(regs + 0x18), 1u << 26, __ATOMIC_RELEASE);
	for (unsigned int k = 0; k < 20; k++) {
		map(w, VA + 2 * PAGE, alloc_page(w), S1_ALL);
		guest_flushes(w, regs, cmd.nesting_parent_iova, &tail);
		copies(w, 0x40 + k);
	}
	object_destroy_ok(w->v.iommufd, cmd.out_hw_queue_id);
	munmap(regs, PAGE);
}

static void own(void)
{
	struct iommu_veventq_alloc eventq = {
		.size = sizeof(eventq), .type = IOMMU_VEVENTQ_TYPE_IOAS_VTD, .veventq_depth = 16};
	uint64_t offset = 0;
	uint32_t viommu;
	struct world w;

	if (!abi_row("NEST.OWN", "the guest's root table, queue and faults") || !world_open(&w))
		return;
	viommu = make_viommu(&w, &offset);
	if (!viommu) {
		abi_skip("this kernel has no vIOMMU of ours");
		world_close(&w);
		return;
	}
	eventq.viommu_id = viommu;
	abi_errno(abi_ioctl(w.v.iommufd, IOMMU_VEVENTQ_ALLOC, &eventq), 0);
	attach_own(&w, viommu);
	copies(&w, 0x21);
	own_queue(&w, viommu, offset);
	copies(&w, 0x22);
	fault_record(&w, viommu, (int)eventq.out_veventq_fd);
	fd_close((int)eventq.out_veventq_fd);
	world_close(&w);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(alloc_rules), ABI_PART(attach_rules),	   ABI_PART(dma),
		ABI_PART(read_only),   ABI_PART(invalidate_rules), ABI_PART(own),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
