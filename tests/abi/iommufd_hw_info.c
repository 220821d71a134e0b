/* SPDX-License-Identifier: BSD-3-Clause */
/* GET_HW_INFO (HWI). */
#include "abi_iommufd.h"

enum { DEV = 1, IOAS = 2 };

static struct bound bound;

static int setup(void)
{
	if (!bound_open(&bound) || ioas_alloc_ok(bound.fd) != IOAS)
		abi_broken("the ids are not those of a fresh context");
	return bound.fd;
}

static void audit(int fd)
{
	abi_equal(next_id(fd), IOAS + 1);
}

static void teardown(int fd)
{
	object_destroy_ok(fd, IOAS);
	bound_close(&bound);
}

static int ask(uint32_t flags, uint32_t type, void *data, uint32_t len, struct iommu_hw_info *info)
{
	int fd = setup(), err;

	*info = (struct iommu_hw_info){
		.size = sizeof(*info),
		.flags = flags,
		.dev_id = DEV,
		.data_len = len,
		.data_uptr = PTR(data),
		.in_data_type = type,
		.out_max_pasid_log2 = 0xee,
		.out_capabilities = 0xeeeeeeeeeeeeeeee,
	};
	err = abi_ioctl(fd, IOMMU_GET_HW_INFO, info);
	teardown(fd);
	return err;
}

/* A driver that tells nothing about itself does not look at the type that it is asked for. */
static bool tells_nothing(void)
{
	struct iommu_hw_info info;

	return !ask(0, 0, NULL, 0, &info) && info.out_data_type == IOMMU_HW_INFO_TYPE_NONE;
}

static void rules(void)
{
	enum { UNKNOWN_TYPE = 7 };
	static struct iommu_hw_info base = { .size = sizeof(base), .dev_id = DEV, .data_len = 16 };
	static char data[16];
	static uint64_t none, read_only;
	struct abi_rule rules[] = {
		{ "HWI.1", "an unknown flag", EOPNOTSUPP, { SET(iommu_hw_info, flags, 2) } },
		{ "HWI.1", "the highest flag", EOPNOTSUPP,
		  { SET(iommu_hw_info, flags, 0x80000000) } },
		{ "HWI.2", "the first reserved byte", EOPNOTSUPP,
		  { SET(iommu_hw_info, __reserved, 1) } },
		{ "HWI.2", "the second reserved byte", EOPNOTSUPP,
		  { SET(iommu_hw_info, __reserved, 1 << 8) } },
		{ "HWI.2", "the third reserved byte", EOPNOTSUPP,
		  { SET(iommu_hw_info, __reserved, 1 << 16) } },
		{ "HWI.3", "no such device", ENOENT, { SET(iommu_hw_info, dev_id, ID_NONE) } },
		{ "HWI.3", "it is an IOAS", ENOENT, { SET(iommu_hw_info, dev_id, IOAS) } },
		[UNKNOWN_TYPE] = { "HWI.5", "a type that no driver knows", EOPNOTSUPP,
		  { SET(iommu_hw_info, flags, IOMMU_HW_INFO_FLAG_INPUT_TYPE),
		    SET(iommu_hw_info, in_data_type, 0x7fffffff) } },
		{ "HWI.6", "data at NULL", EFAULT, { SET(iommu_hw_info, data_uptr, 0) } },
		{ "HWI.6", "data that cannot be read or written", EFAULT,
		  { SETV(iommu_hw_info, data_uptr, none) } },
		{ "HWI.6", "data that cannot be written", EFAULT,
		  { SETV(iommu_hw_info, data_uptr, read_only) } },
	};
	const struct abi_command command = {
		.name = "GET_HW_INFO",
		.request = IOMMU_GET_HW_INFO,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "HWI.7",
	};
	size_t n = ARRAY_SIZE(rules);

	base.data_uptr = PTR(data);
	none = PTR(abi_memory()->none);
	read_only = PTR(abi_memory()->read_only);
	if (tells_nothing()) {
		n--;
		memmove(&rules[UNKNOWN_TYPE], &rules[UNKNOWN_TYPE + 1],
			(n - UNKNOWN_TYPE) * sizeof(*rules));
	}
	abi_rules(&command, rules, n);
}

/* The length of what each type reports. */
static uint32_t length_of(uint32_t type)
{
	switch (type) {
	case IOMMU_HW_INFO_TYPE_NONE:
		return 0;
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return sizeof(struct iommu_hw_info_vtd);
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return sizeof(struct iommu_hw_info_arm_smmuv3);
	case IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV:
		return sizeof(struct iommu_hw_info_tegra241_cmdqv);
	case IOMMU_HW_INFO_TYPE_AMD:
		return sizeof(struct iommu_hw_info_amd);
	default:
		abi_true(false, "an unknown type: %u", type);
		return 0;
	}
}

static bool all_bytes(const unsigned char *bytes, size_t from, size_t to, unsigned char value)
{
	for (size_t i = from; i < to; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void answers(void)
{
	const uint64_t known = IOMMU_HW_CAP_DIRTY_TRACKING | IOMMU_HW_CAP_PCI_PASID_EXEC |
			       IOMMU_HW_CAP_PCI_PASID_PRIV | IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	unsigned char data[128], again[128];
	struct iommu_hw_info info, other;
	uint32_t len;

	if (!abi_row("HWI.7", "a long buffer: what is known, then zeroes, and the length we know"))
		return;
	memset(data, 0xee, sizeof(data));
	abi_errno(ask(0, 0, data, 100, &info), 0);
	len = length_of(info.out_data_type);
	abi_equal(info.size, sizeof(info));
	abi_equal(info.flags, 0);
	abi_equal(info.dev_id, DEV);
	abi_equal(info.data_len, len);
	abi_true(all_bytes(data, len, 100, 0), "the rest of the buffer is not zero");
	abi_true(all_bytes(data, 100, sizeof(data), 0xee), "written past the buffer");
	abi_true(!len || !all_bytes(data, 0, len, 0), "nothing is reported");

	abi_row("HWI.7", "capabilities");
	abi_true(!(info.out_capabilities & ~known), "unknown ones: %#jx",
		 (uintmax_t)info.out_capabilities);
	abi_true(!(info.out_capabilities &
		   (IOMMU_HW_CAP_PCI_PASID_EXEC | IOMMU_HW_CAP_PCI_PASID_PRIV)) ||
			 info.out_max_pasid_log2,
		 "PASID capabilities, but no PASID");
	abi_true(info.out_max_pasid_log2 <= 20, "PASIDs of %u bits", info.out_max_pasid_log2);

	abi_row("HWI.7", "no buffer: the length we know");
	abi_errno(ask(0, 0, NULL, 0, &other), 0);
	abi_equal(other.data_len, len);
	abi_equal(other.out_data_type, info.out_data_type);
	abi_equal(other.out_capabilities, info.out_capabilities);

	abi_row("HWI.7", "a short buffer is filled and no more");
	memset(again, 0xee, sizeof(again));
	abi_errno(ask(0, 0, again, 6, &other), 0);
	abi_equal(other.data_len, len);
	abi_true(!memcmp(data, again, 6), "it differs");
	abi_true(all_bytes(again, 6, sizeof(again), 0xee), "written past the buffer");

	abi_row("HWI.5", "without INPUT_TYPE the type is not looked at");
	abi_errno(ask(0, 0x7fffffff, again, 100, &other), 0);
	abi_equal(other.out_data_type, info.out_data_type);

	abi_row("HWI.5", "INPUT_TYPE and a type that no driver knows");
	abi_errno(ask(IOMMU_HW_INFO_FLAG_INPUT_TYPE, 0x7fffffff, again, 100, &other),
		  tells_nothing() ? 0 : EOPNOTSUPP);

	abi_row("HWI.5", "INPUT_TYPE with the default, and with the type that is there");
	abi_errno(
		ask(IOMMU_HW_INFO_FLAG_INPUT_TYPE, IOMMU_HW_INFO_TYPE_DEFAULT, again, 100, &other),
		0);
	abi_equal(other.out_data_type, info.out_data_type);
	abi_errno(ask(IOMMU_HW_INFO_FLAG_INPUT_TYPE, info.out_data_type, again, 100, &other), 0);
	abi_equal(other.out_data_type, info.out_data_type);
	abi_true(!memcmp(data, again, 100), "it differs");

	abi_row("HWI.6", "only the first half of the buffer can be written");
	abi_errno(ask(0, 0, abi_memory()->none_after - 50, 100, &other), EFAULT);
	abi_equal(other.data_len, 100);
	abi_equal(other.out_capabilities, 0xeeeeeeeeeeeeeeee);
}

/* A caller that knows less of the structure gets less of it. */
static void partial_reply(void)
{
	struct iommu_hw_info info = {
		.size = 32, .dev_id = DEV, .out_capabilities = 0xeeeeeeeeeeeeeeee,
	};
	int fd;

	if (!abi_row("ENV.10 HWI.7", "the least size: nothing is written behind it"))
		return;
	fd = setup();
	abi_errno(abi_ioctl(fd, IOMMU_GET_HW_INFO, &info), 0);
	abi_equal(info.size, 32);
	abi_equal(info.data_len, length_of(info.out_data_type));
	abi_equal(info.out_capabilities, 0xeeeeeeeeeeeeeeee);
	teardown(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(rules), ABI_PART(answers), ABI_PART(partial_reply),
	};

	if (!device_nth(0))
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
