/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vIOMMUs, vDevices, event queues and hardware queues (VIO.A, VDV, VEQ, HWQ) where the IOMMU offers
 * no vIOMMU: what is refused, and in which order.
 */
#include "abi_iommufd.h"

enum { DEV = 1, IOAS = 2, HWPT = 3, NEXT = 4 };

static struct bound bound;

static int setup(void)
{
	if (!bound_open(&bound) || ioas_alloc_ok(bound.fd) != IOAS ||
	    hwpt_alloc_ok(bound.fd, DEV, IOAS, 0) != HWPT)
		abi_broken("the ids are not those of a fresh context");
	return bound.fd;
}

static void audit(int fd)
{
	abi_equal(next_id(fd), NEXT);
	abi_errno(object_destroy(fd, IOAS), EBUSY);
}

static void teardown(int fd)
{
	object_destroy_ok(fd, HWPT);
	object_destroy_ok(fd, IOAS);
	bound_close(&bound);
}

/* Whether the IOMMU's driver offers a type of vIOMMU; then it is asked what it does not offer. */
static uint32_t foreign_type(void)
{
	struct iommu_hw_info info;
	int fd = setup(), err = hw_info(fd, DEV, &info);

	teardown(fd);
	if (err || info.out_data_type == IOMMU_HW_INFO_TYPE_AMD)
		return 0; /* AMD takes any type but 0 */
	return info.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD ?
		       IOMMU_VIOMMU_TYPE_ARM_SMMUV3 :
		       0x7fffffff;
}

static void viommu_rules(void)
{
	static struct iommu_viommu_alloc base = {
		.size = sizeof(base), .dev_id = DEV, .hwpt_id = HWPT,
	};
	const struct abi_rule rules[] = {
		{ "VIO.A1", "flags", EOPNOTSUPP, { SET(iommu_viommu_alloc, flags, 1) } },
		{ "VIO.A1", "the default type", EOPNOTSUPP, { SET(iommu_viommu_alloc, type, 0) } },
		{ "VIO.A2",
		  "no such device",
		  ENOENT,
		  { SET(iommu_viommu_alloc, dev_id, ID_NONE) } },
		{ "VIO.A2",
		  "the device is an HWPT",
		  ENOENT,
		  { SET(iommu_viommu_alloc, dev_id, HWPT) } },
		{ "VIO.A3",
		  "a type that is not offered; reserved is not looked at",
		  EOPNOTSUPP,
		  { SET(iommu_viommu_alloc, __reserved, 1) } },
		{ "VIO.A3 VIO.A4",
		  "a type that is not offered, and no such HWPT",
		  EOPNOTSUPP,
		  { SET(iommu_viommu_alloc, hwpt_id, ID_NONE) } },
		{ "VIO.A3 VIO.A4",
		  "a type that is not offered, and the HWPT is an IOAS",
		  EOPNOTSUPP,
		  { SET(iommu_viommu_alloc, hwpt_id, IOAS) } },
	};
	const struct abi_command command = {
		.name = "VIOMMU_ALLOC",
		.request = IOMMU_VIOMMU_ALLOC,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "VIO.A3",
		.base_want = EOPNOTSUPP,
	};

	base.type = foreign_type();
	if (!base.type) {
		if (abi_row("VIO.A3", "a type that is not offered"))
			abi_skip("this IOMMU takes any type");
		return;
	}
	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void vdevice_rules(void)
{
	static const struct iommu_vdevice_alloc base = {
		.size = sizeof(base), .viommu_id = ID_NONE, .dev_id = DEV, .virt_id = 8,
	};
	const struct abi_rule rules[] = {
		{ "VDV.2", "it is an HWPT", ENOENT, { SET(iommu_vdevice_alloc, viommu_id, HWPT) } },
		{ "VDV.2", "it is the device", ENOENT,
		  { SET(iommu_vdevice_alloc, viommu_id, DEV) } },
		{ "VDV.2 VDV.3", "neither is there", ENOENT,
		  { SET(iommu_vdevice_alloc, dev_id, ID_NONE) } },
	};
	const struct abi_command command = {
		.name = "VDEVICE_ALLOC",
		.request = IOMMU_VDEVICE_ALLOC,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "VDV.2",
		.base_want = ENOENT,
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void veventq_rules(void)
{
	static const struct iommu_veventq_alloc base = {
		.size = sizeof(base),
		.viommu_id = ID_NONE,
		.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
		.veventq_depth = 1 << 19,
	};
	const struct abi_rule rules[] = {
		{ "VEQ.1", "flags", EOPNOTSUPP, { SET(iommu_veventq_alloc, flags, 1) } },
		{ "VEQ.1", "reserved", EOPNOTSUPP, { SET(iommu_veventq_alloc, __reserved, 1) } },
		{ "VEQ.1", "the default type", EOPNOTSUPP, { SET(iommu_veventq_alloc, type, 0) } },
		{ "VEQ.2", "depth 0", EINVAL, { SET(iommu_veventq_alloc, veventq_depth, 0) } },
		{ "VEQ.2", "too deep", EINVAL,
		  { SET(iommu_veventq_alloc, veventq_depth, (1 << 19) + 1) } },
		{ "VEQ.3", "it is an HWPT", ENOENT, { SET(iommu_veventq_alloc, viommu_id, HWPT) } },
		{ "VEQ.3", "any type is taken before", ENOENT,
		  { SET(iommu_veventq_alloc, type, 0x7fffffff) } },
	};
	const struct abi_command command = {
		.name = "VEVENTQ_ALLOC",
		.request = IOMMU_VEVENTQ_ALLOC,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "VEQ.3",
		.base_want = ENOENT,
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void hw_queue_rules(void)
{
	static const struct iommu_hw_queue_alloc base = {
		.size = sizeof(base),
		.viommu_id = ID_NONE,
		.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
		.nesting_parent_iova = 0x100000,
		.length = 4096,
	};
	const struct abi_rule rules[] = {
		{ "HWQ.1", "flags", EOPNOTSUPP, { SET(iommu_hw_queue_alloc, flags, 1) } },
		{ "HWQ.1", "the default type", EOPNOTSUPP, { SET(iommu_hw_queue_alloc, type, 0) } },
		{ "HWQ.2", "length 0", EINVAL, { SET(iommu_hw_queue_alloc, length, 0) } },
		{ "HWQ.3", "iova + length - 1 wraps", EOVERFLOW,
		  { SET(iommu_hw_queue_alloc, nesting_parent_iova, -4096ull),
		    SET(iommu_hw_queue_alloc, length, 8192) } },
		{ "HWQ.4", "it is an HWPT", ENOENT,
		  { SET(iommu_hw_queue_alloc, viommu_id, HWPT) } },
		{ "HWQ.4", "any type and index are taken before", ENOENT,
		  { SET(iommu_hw_queue_alloc, type, 0x7fffffff),
		    SET(iommu_hw_queue_alloc, index, 0x7fffffff) } },
	};
	const struct abi_command command = {
		.name = "HW_QUEUE_ALLOC",
		.request = IOMMU_HW_QUEUE_ALLOC,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "HWQ.4",
		.base_want = ENOENT,
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(viommu_rules), ABI_PART(vdevice_rules), ABI_PART(veventq_rules),
		ABI_PART(hw_queue_rules),
	};

	if (!device_nth(0))
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
