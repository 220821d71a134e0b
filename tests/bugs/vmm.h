/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM in miniature and its guest, for programs that each have one bug: guest memory, a nested
 * domain over it, and in it a guest that lets an I/OAT engine copy by addresses of its own tables.
 * The marks are those of driver.h. That a translation is stale is no bug in the moment in which the
 * guest changes its tables, so each program goes on using it for a while.
 */
#ifndef TESTS_BUGS_VMM_H
#define TESTS_BUGS_VMM_H

#include "driver.h"

#include <ioas/abi/extensions.h>

#define GPA	   0x40000000ull
#define GUEST_SIZE (4ull << 20)
#define VSID	   0x8ull /* the guest's name of the device */
#define CONFIG	   (GPA + 0x000000)
#define TABLES	   (GPA + 0x040000)
#define RING	   (GPA + 0x200000)
#define DONE	   (GPA + 0x201000)
#define DATA(n)	   (GPA + 0x210000 + (n)*PAGE)
#define IOVA_RING  0x7f0000000000ull
#define IOVA_DONE  0x7f0000001000ull
#define IOVA_SRC   0x7f4000000000ull
#define IOVA_DST   0x1f8000200000ull

struct vmm {
	struct road road;
	struct engine engine;
	char *mem; /* the guest's, at GPA */
	uint32_t parent, viommu, nested;
	uint32_t queue; /* of page requests, that nested domains have; 0: none */
	/* The guest's tables: four levels of 512, whose entries differ by make in these bits. */
	uint64_t next_table, table_bits, read_bits, write_bits;
};

/* ---- the guest ---- */

static inline uint64_t *guest_word(struct vmm *v, uint64_t gpa)
{
	return (uint64_t *)(void *)(v->mem + (gpa - GPA));
}

/* The entry of the last level. */
static inline uint64_t *guest_entry(struct vmm *v, uint64_t iova)
{
	uint64_t table = TABLES;

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = guest_word(v, table + (iova >> shift & 511) * 8);

		if (!(*e & 1)) {
			v->next_table += PAGE;
			*e = v->next_table | v->table_bits;
		}
		table = *e & 0xfffffffff000ull;
	}
	return guest_word(v, table + (iova >> 12 & 511) * 8);
}

static inline void guest_map(struct vmm *v, uint64_t iova, uint64_t gpa, int may)
{
	__atomic_store_n(guest_entry(v, iova),
			 gpa | (may & MAY_WRITE ? v->write_bits : v->read_bits), __ATOMIC_RELEASE);
}

static inline void guest_start(struct vmm *v)
{
	road_enable(&v->road);
	v->engine = (struct engine){.bar = road_bar_map(&v->road, 0, 0),
				    .ring = guest_word(v, RING),
				    .done = guest_word(v, DONE),
				    .iova_ring = IOVA_RING,
				    .iova_done = IOVA_DONE};
	engine_start(&v->engine);
}

static inline void guest_copy(struct vmm *v, uint64_t dst, uint64_t src, uint32_t len)
{
	bool ok = engine_copy(&v->engine, dst, src, len);

	printf("the guest's copy of %u bytes: %s\n", len, ok ? "done" : "halted");
}

/* ---- the VMM ---- */

static inline void vmm_call(struct vmm *v, unsigned long request, void *cmd, const char *what)
{
	if (ioctl(v->road.iommu, request, cmd))
		err(1, "%s", what);
}

static inline uint32_t vmm_hwpt(struct vmm *v, uint32_t flags, uint32_t pt_id, uint32_t type,
				const void *data, uint32_t len)
{
	const bool asks = type && v->queue;
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags | (asks ? IOMMU_HWPT_FAULT_ID_VALID : 0),
				       .fault_id = asks ? v->queue : 0,
				       .dev_id = v->road.dev_id,
				       .pt_id = pt_id,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};

	vmm_call(v, IOMMU_HWPT_ALLOC, &cmd, "IOMMU_HWPT_ALLOC");
	return cmd.out_hwpt_id;
}

static inline void vmm_attach(struct vmm *v, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = pt_id};

	if (ioctl(v->road.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd))
		err(1, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

/* The guest's memory is what the nest parent maps; the device is attached to that at first. */
static inline void vmm_open(struct vmm *v)
{
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .length = GUEST_SIZE,
				     .iova = GPA};

	*v = (struct vmm){.next_table = TABLES};
	road_open(&v->road, true, NULL, &ioat);
	v->mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->mem == MAP_FAILED)
		err(1, "the guest's memory");
	map.user_va = (uintptr_t)v->mem;
	map.ioas_id = v->road.ioas;
	vmm_call(v, IOMMU_IOAS_MAP, &map, "IOMMU_IOAS_MAP");
	v->parent = vmm_hwpt(v, IOMMU_HWPT_ALLOC_NEST_PARENT, v->road.ioas, 0, NULL, 0);
	vmm_attach(v, v->parent);
}

/* A vIOMMU, and on it the device by the guest's name. */
static inline void vmm_viommu(struct vmm *v, uint32_t type)
{
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
					    .type = type,
					    .dev_id = v->road.dev_id,
					    .hwpt_id = v->parent};
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice), .dev_id = v->road.dev_id, .virt_id = VSID};

	vmm_call(v, IOMMU_VIOMMU_ALLOC, &viommu, "IOMMU_VIOMMU_ALLOC");
	v->viommu = vdevice.viommu_id = viommu.out_viommu_id;
	vmm_call(v, IOMMU_VDEVICE_ALLOC, &vdevice, "IOMMU_VDEVICE_ALLOC");
}

/* Hands a command of the guest's on, of @len bytes; @id: of the vIOMMU, or of the nested domain. */
static inline void vmm_invalidate(struct vmm *v, uint32_t id, uint32_t type, const void *command,
				  uint32_t len)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = id,
					    .data_uptr = (uintptr_t)command,
					    .data_type = type,
					    .entry_len = len,
					    .entry_num = 1};

	vmm_call(v, IOMMU_HWPT_INVALIDATE, &cmd, "IOMMU_HWPT_INVALIDATE");
}

static inline void vmm_close(struct vmm *v)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = v->road.ioas, .length = UINT64_MAX};

	vmm_attach(v, v->road.ioas);
	vmm_call(v, IOMMU_IOAS_UNMAP, &unmap, "IOMMU_IOAS_UNMAP");
	road_close(&v->road);
}

/* ---- an SMMUv3, of which two programs make use ---- */

#define SMMU_ASID 3ull

/*
 * As Linux's driver lays it out: a CD table of two levels, in whose first CD are the tables of what
 * comes without a PASID; the stream table entry says where it is, and whether the device may keep
 * translations (EATS). With a queue of page requests what finds no page stalls (CD.S).
 */
static inline void smmu_nest(struct vmm *v, bool ats)
{
	const uint64_t l1 = CONFIG + 0x10000, l2 = CONFIG + 0x20000;
	uint64_t *cd = guest_word(v, l2);
	/* V, Config S1, S1Fmt 64K, S1CDMax 16; S1DSS SSID0, caches and shareability as memory. */
	struct iommu_hwpt_arm_smmuv3 ste = {
		.ste = {1 | 5 << 1 | 2 << 4 | l1 | 16ull << 59,
			2 | 1 << 2 | 1 << 4 | 3 << 6 | (ats ? 1ull << 28 : 0)}};

	v->table_bits = 3;
	v->write_bits = 3 | 1 << 2 | 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11;
	v->read_bits = v->write_bits | 1 << 7;
	*guest_word(v, l1) = l2 | 1;
	cd[1] = TABLES;
	cd[3] = 0x0004ff44ff;
	cd[0] = (64 - 48) | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 30 | 1ull << 31 |
		5ull << 32 | 1ull << 41 | (v->queue ? 1ull << 44 : 0) | 1ull << 45 | 1ull << 46 |
		1ull << 47 | SMMU_ASID << 48;
	vmm_viommu(v, IOMMU_VIOMMU_TYPE_ARM_SMMUV3);
	v->nested = vmm_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_ARM_SMMUV3, &ste, sizeof(ste));
	vmm_attach(v, v->nested);
}

static inline void smmu_command(struct vmm *v, uint64_t w0, uint64_t w1)
{
	const uint64_t command[2] = {w0, w1};

	vmm_invalidate(v, v->viommu, IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, command,
		       sizeof(command));
}

#endif
