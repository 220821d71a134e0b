/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program to be looked into: it lets an I/OAT engine copy a page, keeps everything as it is, says
 * what there is to see, and waits until its standard input ends.
 *
 *   inspected plain        mappings of memory and of a file, and the copy
 *   inspected type1        the same by a container, with a BAR in the place of the file
 *   inspected KIND         as a VMM and its guest, by addresses of the guest's: vtd (VTD_S1),
 *                          amd (the IOMMU reads the guest's device table), amd-entry (AMD_GUEST),
 *                          smmuv3 (ARM_SMMUV3), smmuv3-own (the SMMU reads the guest's STE)
 *   inspected many N       N mappings of a page
 *   inspected fds          opens and closes files all the time: the number must be the same
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioas/abi/extensions.h>
#include <ioas/abi/vfio.h>

#include "../nesting/engine.h"
#include "vfio_road.h"

#define PAGE	  4096u
#define BASE	  0x40000000ull /* of the guest's memory */
#define SIZE	  (4ull << 20)
#define VID	  0x10ull
#define DEVTAB	  (BASE + 0x000000) /* AMD's device table, or a stream table */
#define GCR3	  (BASE + 0x010000) /* or CDs */
#define TABLES	  (BASE + 0x040000)
#define RING	  (BASE + 0x200000)
#define DONE	  (BASE + 0x201000)
#define SOURCE	  (BASE + 0x300000)
#define TARGET	  (BASE + 0x301000)
#define IOVA_RING 0x7f0000000000ull
#define IOVA_DONE 0x7f0000001000ull
#define IOVA_SRC  0x7f4000000000ull
#define IOVA_DST  0x7f8000200000ull

struct vmm {
	struct road road;
	bool arm, amd, own; /* own: the IOMMU reads the guest's structures itself */
	char *mem;
	uint32_t parent, viommu, nested;
	uint64_t next_table;
	struct engine engine;
};

static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};

static void wait_for_end(void)
{
	char c;

	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

static void check_copy(struct engine *e, uint64_t dst, uint64_t src, const void *to,
		       const void *from)
{
	engine_start(e);
	if (!engine_copy(e, dst, src, PAGE) || memcmp(to, from, PAGE) != 0)
		errx(1, "the copy failed");
}

/* ---- without a guest ---- */

static void map_file(struct road *r)
{
	struct iommu_ioas_map_file map = {.size = sizeof(map),
					  .flags = IOMMU_IOAS_MAP_FIXED_IOVA |
						   IOMMU_IOAS_MAP_READABLE,
					  .ioas_id = r->ioas,
					  .fd = memfd_create("looked-at", 0),
					  .start = PAGE,
					  .length = 2 * PAGE,
					  .iova = 0x5000000};

	if (map.fd < 0 || ftruncate(map.fd, 4 * PAGE) || ioctl(r->iommu, IOMMU_IOAS_MAP_FILE, &map))
		err(1, "MAP_FILE");
	close(map.fd);
}

/* The device's own registers, which other devices reach so. */
static void map_bar(struct road *r, volatile uint8_t *bar)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ |
							VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)bar,
					       .iova = 0x5000000,
					       .size = PAGE};

	if (ioctl(r->iommu, VFIO_IOMMU_MAP_DMA, &map))
		err(1, "MAP_DMA of a BAR");
}

static void plain(bool cdev)
{
	struct road r;
	uint64_t ring, done, src, dst;
	struct engine e = {0};
	char *from, *to;

	road_open(&r, cdev, NULL, &ioat);
	road_enable(&r);
	e.bar = road_bar_map(&r, 0, 0);
	e.ring = road_alloc(&r, PAGE, &ring);
	e.done = road_alloc(&r, PAGE, &done);
	e.iova_ring = ring;
	e.iova_done = done;
	from = road_alloc(&r, PAGE, &src);
	to = road_alloc(&r, PAGE, &dst);
	memset(from, 0x5a, PAGE);
	check_copy(&e, dst, src, to, from);
	if (cdev)
		map_file(&r);
	else
		map_bar(&r, e.bar);
	printf("ready %d %s %#" PRIx64 " %#" PRIx64 " %#" PRIxPTR "\n", getpid(), r.bdf, src, src,
	       (uintptr_t)from);
	wait_for_end();
}

/* ---- a guest ---- */

static uint64_t *word(struct vmm *v, uint64_t gpa)
{
	return (uint64_t *)(void *)(v->mem + (gpa - BASE));
}

/* Four levels of 512 entries, whatever the make. */
static void map(struct vmm *v, uint64_t va, uint64_t gpa, bool write)
{
	uint64_t table = TABLES, *e;

	for (unsigned int shift = 39; shift > 12; shift -= 9) {
		e = word(v, table + (va >> shift & 511) * 8);
		if (!*e)
			*e = (v->next_table += PAGE) | (v->arm ? 3 : 7);
		table = *e & 0xfffffffff000ull;
	}
	e = word(v, table + (va >> 12 & 511) * 8);
	/* Arm: AF, inner shareable, nG, unprivileged, AttrIndx 1; else present, the user's. */
	*e = gpa | (v->arm ? 3 | 1 << 2 | 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11 | (write ? 0 : 1 << 7)
			   : 5 | (write ? 2 : 0));
}

static void build_arm(struct vmm *v)
{
	uint64_t *ste = word(v, DEVTAB + 64 * VID), *cd = word(v, GCR3);

	cd[1] = TABLES;
	cd[3] = 0x0004ff44ff;
	/* T0SZ 16, EPD1, V, IPS 48, AA64, R, A, ASET, ASID 3 */
	cd[0] = 16 | 1ull << 30 | 1ull << 31 | 5ull << 32 | 1ull << 41 | 1ull << 45 | 1ull << 46 |
		1ull << 47 | 3ull << 48;
	ste[0] = 1 | 5 << 1 | GCR3; /* V, Config S1, one CD */
}

static void build_amd(struct vmm *v)
{
	uint64_t *dte = word(v, DEVTAB + VID * 32);

	*word(v, GCR3) = TABLES | 1;
	/* IW, IR, GV, GIoV, TV, V */
	dte[0] = 3ull << 61 | 3 | 1ull << 55 | 1ull << 54 | (GCR3 >> 12 & 7) << 58;
	dte[1] = 5 | (GCR3 >> 15 & 0xffff) << 16 | GCR3 >> 31 << 43;
}

static void build(struct vmm *v)
{
	v->next_table = TABLES;
	if (v->arm)
		build_arm(v);
	else if (v->amd)
		build_amd(v);
	map(v, IOVA_RING, RING, true);
	map(v, IOVA_DONE, DONE, true);
	map(v, IOVA_SRC, SOURCE, false);
	map(v, IOVA_DST, TARGET, true);
}

/* ---- the VMM ---- */

static uint32_t alloc_hwpt(struct vmm *v, uint32_t flags, uint32_t pt_id, uint32_t type, void *data,
			   uint32_t len)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = v->road.dev_id,
				       .pt_id = pt_id,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};

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

static void make_memory(struct vmm *v)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = v->road.ioas,
				     .length = SIZE,
				     .iova = BASE};

	v->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->mem == MAP_FAILED)
		err(1, "the guest's memory");
	cmd.user_va = (uintptr_t)v->mem;
	if (ioctl(v->road.iommu, IOMMU_IOAS_MAP, &cmd))
		err(1, "IOMMU_IOAS_MAP");
	v->parent = alloc_hwpt(v, IOMMU_HWPT_ALLOC_NEST_PARENT, v->road.ioas, 0, NULL, 0);
	attach(v, v->parent);
}

static void make_viommu(struct vmm *v)
{
	struct iommu_viommu_ioas_amd amd = {.devtab_base = DEVTAB, .devtab_length = PAGE};
	struct iommu_viommu_ioas_smmuv3 smmu = {.strtab_base = DEVTAB, .strtab_base_cfg = 8};
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd), .dev_id = v->road.dev_id, .hwpt_id = v->parent};
	struct iommu_vdevice_alloc device = {
		.size = sizeof(device), .dev_id = v->road.dev_id, .virt_id = VID};

	if (v->amd)
		cmd.type = v->own ? (uint32_t)IOMMU_VIOMMU_TYPE_IOAS_AMD
				  : (uint32_t)IOMMU_HW_INFO_TYPE_AMD;
	else
		cmd.type = v->own ? (uint32_t)IOMMU_VIOMMU_TYPE_IOAS_SMMUV3
				  : (uint32_t)IOMMU_VIOMMU_TYPE_ARM_SMMUV3;
	if (v->own) {
		cmd.data_len = v->amd ? sizeof(amd) : sizeof(smmu);
		cmd.data_uptr = v->amd ? (uintptr_t)&amd : (uintptr_t)&smmu;
	}
	if (ioctl(v->road.iommu, IOMMU_VIOMMU_ALLOC, &cmd))
		err(1, "IOMMU_VIOMMU_ALLOC");
	v->viommu = device.viommu_id = cmd.out_viommu_id;
	if (ioctl(v->road.iommu, IOMMU_VDEVICE_ALLOC, &device))
		err(1, "IOMMU_VDEVICE_ALLOC");
}

static void make_nested(struct vmm *v)
{
	struct iommu_hwpt_vtd_s1 s1 = {.pgtbl_addr = TABLES, .addr_width = 48};
	struct iommu_hwpt_ioas_amd own_amd = {0};
	struct iommu_hwpt_ioas_smmuv3 own_smmu = {0};
	struct iommu_hwpt_amd_guest dte;
	struct iommu_hwpt_arm_smmuv3 ste;

	memcpy(dte.dte, word(v, DEVTAB + VID * 32), sizeof(dte.dte));
	memcpy(ste.ste, word(v, DEVTAB + VID * 64), sizeof(ste.ste));
	if (!v->arm && !v->amd)
		v->nested = alloc_hwpt(v, 0, v->parent, IOMMU_HWPT_DATA_VTD_S1, &s1, sizeof(s1));
	else if (v->amd && v->own)
		v->nested = alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_IOAS_AMD, &own_amd,
				       sizeof(own_amd));
	else if (v->amd)
		v->nested =
			alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_AMD_GUEST, &dte, sizeof(dte));
	else if (v->own)
		v->nested = alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_IOAS_SMMUV3, &own_smmu,
				       sizeof(own_smmu));
	else
		v->nested =
			alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_ARM_SMMUV3, &ste, sizeof(ste));
}

static void guest(const char *kind)
{
	struct vmm v = {.arm = !strncmp(kind, "smmuv3", 6), .amd = !strncmp(kind, "amd", 3)};

	v.own = !strcmp(kind, "amd") || !strcmp(kind, "smmuv3-own");
	road_open(&v.road, true, NULL, &ioat);
	make_memory(&v);
	build(&v);
	if (v.arm || v.amd)
		make_viommu(&v);
	make_nested(&v);
	attach(&v, v.nested);
	road_enable(&v.road);
	v.engine = (struct engine){.bar = road_bar_map(&v.road, 0, 0),
				   .ring = word(&v, RING),
				   .done = word(&v, DONE),
				   .iova_ring = IOVA_RING,
				   .iova_done = IOVA_DONE};
	memset(word(&v, SOURCE), 0xa5, PAGE);
	check_copy(&v.engine, IOVA_DST, IOVA_SRC, word(&v, TARGET), word(&v, SOURCE));
	printf("ready %d %s %#llx %#llx %#" PRIxPTR "\n", getpid(), v.road.bdf, IOVA_SRC, SOURCE,
	       (uintptr_t)word(&v, SOURCE));
	wait_for_end();
}

/* ---- others ---- */

static void many(unsigned long n)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	const int iommu = open("/dev/iommu", O_RDWR);
	struct iommu_ioas_map map_cmd = {.size = sizeof(map_cmd),
					 .flags = IOMMU_IOAS_MAP_FIXED_IOVA |
						  IOMMU_IOAS_MAP_READABLE,
					 .length = PAGE,
					 .iova = 0x100000000};
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc))
		err(1, "IOMMU_IOAS_ALLOC");
	map_cmd.ioas_id = alloc.out_ioas_id;
	map_cmd.user_va = (uintptr_t)page;
	for (unsigned long k = 0; k < n; k++, map_cmd.iova += 2 * PAGE)
		if (ioctl(iommu, IOMMU_IOAS_MAP, &map_cmd))
			err(1, "IOMMU_IOAS_MAP");
	printf("ready %d - 0 0 0\n", getpid());
	wait_for_end();
}

static void fds(void)
{
	const int iommu = open("/dev/iommu", O_RDWR), first = dup(0);
	struct pollfd p = {.fd = 0, .events = POLLIN};
	unsigned long n = 0;

	close(first);
	printf("ready %d - 0 0 0\n", getpid());
	fflush(stdout);
	for (; poll(&p, 1, 0) == 0; n++) {
		const int fd = dup(0);

		if (fd != first)
			errx(1, "round %lu: fd %d is not %d", n, fd, first);
		close(fd);
	}
	printf("%lu rounds\n", n);
	close(iommu);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "plain";

	if (!strcmp(kind, "plain") || !strcmp(kind, "type1"))
		plain(*kind == 'p');
	else if (!strcmp(kind, "many") && argc > 2)
		many(strtoul(argv[2], NULL, 10));
	else if (!strcmp(kind, "fds"))
		fds();
	else
		guest(kind);
	return 0;
}
