/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An SMMUv3's vIOMMU and its nested HWPTs: what HWPT_ALLOC, ATTACH, VDEVICE_ALLOC, VEVENTQ_ALLOC
 * and HWPT_INVALIDATE answer there (HWA.19 to HWA.21, 4.3, VDV, VEQ, INV and 4.6.1).
 */
#include <unistd.h>

#include "abi_iommufd.h"

enum { DEV = 1, IOAS = 2, PARENT = 3, VIOMMU = 4, SID = 0x55 };

#define STE_V	   1ull
#define STE_BYPASS (4ull << 1)
#define STE_S1	   (5ull << 1)

static struct bound bound;

static int viommu_alloc(int fd, uint32_t type, uint32_t dev, uint32_t hwpt, uint32_t *id)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd), .type = type, .dev_id = dev, .hwpt_id = hwpt};
	int err = abi_ioctl(fd, IOMMU_VIOMMU_ALLOC, &cmd);

	*id = cmd.out_viommu_id;
	return err;
}

static int vdevice_alloc(int fd, uint32_t viommu, uint32_t dev, uint64_t virt_id, uint32_t *id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .dev_id = dev, .virt_id = virt_id};
	int err = abi_ioctl(fd, IOMMU_VDEVICE_ALLOC, &cmd);

	*id = cmd.out_vdevice_id;
	return err;
}

static int veventq_alloc(int fd, uint32_t viommu, uint32_t type, uint32_t *id, int *events)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .type = type, .veventq_depth = 8};
	int err = abi_ioctl(fd, IOMMU_VEVENTQ_ALLOC, &cmd);

	*id = cmd.out_veventq_id;
	*events = (int)cmd.out_veventq_fd;
	return err;
}

/* @len 0: without data. */
static int nested_alloc(int fd, uint32_t flags, uint32_t pt, const uint64_t ste[2], uint32_t len,
			uint32_t *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = DEV,
		.pt_id = pt,
		.data_type = len ? IOMMU_HWPT_DATA_ARM_SMMUV3 : IOMMU_HWPT_DATA_NONE,
		.data_len = len,
		.data_uptr = len ? (uintptr_t)ste : 0,
	};
	int err = abi_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return err;
}

static int setup(void)
{
	uint32_t id = 0;

	if (!bound_open(&bound) || ioas_alloc_ok(bound.fd) != IOAS ||
	    hwpt_alloc_ok(bound.fd, DEV, IOAS, IOMMU_HWPT_ALLOC_NEST_PARENT) != PARENT ||
	    viommu_alloc(bound.fd, IOMMU_VIOMMU_TYPE_ARM_SMMUV3, DEV, PARENT, &id) || id != VIOMMU)
		abi_broken("no vIOMMU, or the ids are not those of a fresh context");
	return bound.fd;
}

static void teardown(int fd)
{
	object_destroy_ok(fd, VIOMMU);
	object_destroy_ok(fd, PARENT);
	object_destroy_ok(fd, IOAS);
	bound_close(&bound);
}

static void viommus(void)
{
	uint32_t plain, id;
	int fd;

	if (!abi_row("VIO.A3 VIO.A4 VIO.A5", "vIOMMUs of an SMMUv3"))
		return;
	fd = setup();
	plain = hwpt_alloc_ok(fd, DEV, IOAS, 0);
	abi_errno(viommu_alloc(fd, IOMMU_VIOMMU_TYPE_ARM_SMMUV3, DEV, plain, &id), EINVAL);
	abi_errno(viommu_alloc(fd, IOMMU_VIOMMU_TYPE_ARM_SMMUV3, DEV, IOAS, &id), ENOENT);
	abi_errno(viommu_alloc(fd, IOMMU_VIOMMU_TYPE_ARM_SMMUV3, PARENT, PARENT, &id), ENOENT);
	abi_errno(viommu_alloc(fd, 0x7fffffff, DEV, plain, &id), EOPNOTSUPP);
	/* The parent goes after what stands on it. */
	abi_errno(object_destroy(fd, PARENT), EBUSY);
	object_destroy_ok(fd, plain);
	teardown(fd);
}

static void entries(void)
{
	static const struct {
		const char *name;
		uint64_t ste[2];
		uint32_t flags, len;
		int want;
	} rows[] = {
		{"stage 1", {STE_V | STE_S1, 0}, 0, 16, 0},
		{"bypass", {STE_V | STE_BYPASS, 0}, 0, 16, 0},
		{"abort", {STE_V, 0}, 0, 16, 0},
		{"without V nothing is looked at", {~STE_V, ~0ull}, 0, 16, 0},
		{"its own stage 2", {STE_V | 6ull << 1, 0}, 0, 16, EIO},
		{"nested", {STE_V | 7ull << 1, 0}, 0, 16, EIO},
		{"a reserved bit", {STE_V | STE_S1 | 1ull << 55, 0}, 0, 16, EIO},
		{"STRW", {STE_V | STE_S1, 1ull << 31}, 0, 16, EIO},
		{"EATS of split stages", {STE_V | STE_S1, 2ull << 28}, 0, 16, EIO},
		{"PASID", {STE_V | STE_S1, 0}, IOMMU_HWPT_ALLOC_PASID, 16, EOPNOTSUPP},
		{"DIRTY", {STE_V, 0}, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 16, EOPNOTSUPP},
		{"too short", {STE_V, 0}, 0, 8, EINVAL},
		{"too long", {STE_V, 0}, 0, 24, EINVAL},
		{"no data", {STE_V, 0}, 0, 0, EOPNOTSUPP},
	};
	int fd = setup();

	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		const uint64_t data[3] = {rows[n].ste[0], rows[n].ste[1]};
		uint32_t id = 0;

		if (!abi_row("HWA.20 HWA.21", "a nested HWPT: %s", rows[n].name))
			continue;
		abi_errno(nested_alloc(fd, rows[n].flags, VIOMMU, data, rows[n].len, &id),
			  rows[n].want);
		if (!rows[n].want && id)
			object_destroy_ok(fd, id);
	}
	if (abi_row("HWA.16", "an SMMUv3 does not nest on an HWPT")) {
		uint32_t id;

		abi_errno(nested_alloc(fd, 0, PARENT, rows[0].ste, 16, &id), EOPNOTSUPP);
	}
	teardown(fd);
}

static void devices(void)
{
	const uint64_t s1[2] = {STE_V | STE_S1, 0}, bypass[2] = {STE_V | STE_BYPASS, 0};
	uint32_t id, vdev, other, translated, passed, pt;
	int fd;

	if (!abi_row("VDV.6 VDV.7 ATT.8", "vDEVICEs, and what is attached with them"))
		return;
	fd = setup();
	abi_errno(nested_alloc(fd, 0, VIOMMU, s1, 16, &translated), 0);
	abi_errno(nested_alloc(fd, 0, VIOMMU, bypass, 16, &passed), 0);
	pt = translated;
	abi_errno(cdev_attach(bound.dev_fd, &pt), ENOENT);
	pt = passed;
	abi_errno(cdev_attach(bound.dev_fd, &pt), 0);
	abi_errno(vdevice_alloc(fd, VIOMMU, DEV, SID, &vdev), 0);
	abi_errno(vdevice_alloc(fd, VIOMMU, DEV, SID + 1, &id), EEXIST);
	abi_errno(viommu_alloc(fd, IOMMU_VIOMMU_TYPE_ARM_SMMUV3, DEV, PARENT, &other), 0);
	abi_errno(vdevice_alloc(fd, other, DEV, SID, &id), EEXIST);
	pt = translated;
	abi_errno(cdev_attach(bound.dev_fd, &pt), 0);
	abi_equal(pt, translated);
	abi_errno(object_destroy(fd, translated), EBUSY);
	abi_errno(object_destroy(fd, VIOMMU), EBUSY);
	abi_errno(cdev_detach(bound.dev_fd), 0);
	object_destroy_ok(fd, vdev);
	object_destroy_ok(fd, other);
	object_destroy_ok(fd, translated);
	object_destroy_ok(fd, passed);
	teardown(fd);
}

static void event_queues(void)
{
	uint32_t id, again;
	int fd, events, none;
	char buf[64];

	if (!abi_row("VEQ.4 EVQ.2 EVQ.3", "event queues"))
		return;
	fd = setup();
	abi_errno(veventq_alloc(fd, VIOMMU, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, &id, &events), 0);
	abi_errno(veventq_alloc(fd, VIOMMU, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, &again, &none), EEXIST);
	abi_equal(read(events, buf, sizeof(buf)), 0);
	abi_errno(read(events, buf, 7) < 0 ? errno : 0, EINVAL);
	abi_errno(object_destroy(fd, id), EBUSY);
	fd_close(events);
	object_destroy_ok(fd, id);
	teardown(fd);
}

struct batch {
	uint64_t cmd[4][2];
	uint32_t type, entry_len, entry_num;
	int want;
	uint32_t done;
};

static void invalidate(int fd, const char *name, const struct batch *b)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = VIOMMU,
		.data_uptr = (uintptr_t)b->cmd,
		.data_type = b->type,
		.entry_len = b->entry_len,
		.entry_num = b->entry_num,
	};

	if (!abi_row("INV.6", "invalidations: %s", name))
		return;
	abi_errno(abi_ioctl(fd, IOMMU_HWPT_INVALIDATE, &cmd), b->want);
	abi_equal(cmd.entry_num, b->done);
}

static void invalidations(void)
{
	static const struct {
		const char *name;
		struct batch b;
	} rows[] = {
		{"everything", {{{0x30}, {0x10}}, 1, 16, 2, 0, 2}},
		{"of a stream", {{{0x05 | (uint64_t)SID << 32, 1}}, 1, 16, 1, 0, 1}},
		{"of no such stream", {{{0x05 | 9ull << 32, 1}}, 1, 16, 1, EIO, 0}},
		{"CFGI_STE", {{{0x03 | (uint64_t)SID << 32, 1}}, 1, 16, 1, EIO, 0}},
		{"SYNC", {{{0x46}}, 1, 16, 1, EIO, 0}},
		{"a reserved bit", {{{0x10 | 1 << 8}}, 1, 16, 1, EIO, 0}},
		{"none at all", {{{0x10}}, 1, 16, 0, EINVAL, 0}},
		{"another type", {{{0x10}}, 0, 16, 1, EINVAL, 0}},
		{"longer ones, zero behind", {{{0x10}, {0}}, 1, 32, 1, 0, 1}},
		{"longer ones", {{{0x10}, {1}}, 1, 32, 1, E2BIG, 0}},
		{"short ones", {{{0x10}}, 1, 8, 1, 0, 1}},
	};
	uint32_t vdev;
	int fd = setup();

	if (vdevice_alloc(fd, VIOMMU, DEV, SID, &vdev))
		abi_broken("no vDEVICE");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
		invalidate(fd, rows[n].name, &rows[n].b);
	object_destroy_ok(fd, vdev);
	teardown(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(viommus),	ABI_PART(entries),	 ABI_PART(devices),
		ABI_PART(event_queues), ABI_PART(invalidations),
	};
	struct iommu_hw_info info;

	if (!device_nth(0))
		abi_cannot_run("no device is bound to vfio-pci");
	if (bound_open(&bound)) {
		if (hw_info(bound.fd, DEV, &info) ||
		    info.out_data_type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
			abi_cannot_run("the IOMMU is no SMMUv3");
		bound_close(&bound);
	}
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
