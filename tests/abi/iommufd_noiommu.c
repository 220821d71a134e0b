/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOAS_NOIOMMU_GET_PA (GPA) on a host that has IOMMUs. A kernel built without noiommu support
 * answers EOPNOTSUPP whatever is asked (GPA.1): the first call tells which kind this one is.
 */
#include "abi_iommufd.h"

#include <linux/capability.h>

static const struct iommu_ioas_noiommu_get_pa good = {
	.size = sizeof(good), .ioas_id = WORLD_IOAS, .iova = WORLD_AREA_A, .length = 4096,
};

static const struct abi_rule rules[] = {
	{ "GPA.3", "flags", EOPNOTSUPP, { SET(iommu_ioas_noiommu_get_pa, flags, 1) } },
	{ "GPA.3", "reserved", EOPNOTSUPP, { SET(iommu_ioas_noiommu_get_pa, __reserved, 1) } },
	{ "GPA.4", "length 0", EINVAL, { SET(iommu_ioas_noiommu_get_pa, length, 0) } },
	{ "GPA.5", "iova ULMAX", EOVERFLOW, { SET(iommu_ioas_noiommu_get_pa, iova, UINT64_MAX) } },
	{ "GPA.6", "no such IOAS", ENOENT, { SET(iommu_ioas_noiommu_get_pa, ioas_id, ID_NONE) } },
	{ "GPA.7", "iova not mapped", ENOENT,
	  { SET(iommu_ioas_noiommu_get_pa, iova, WORLD_AREA_A - 1) } },
	{ "GPA.9", "a long length is no error by itself", EOPNOTSUPP,
	  { SET(iommu_ioas_noiommu_get_pa, length, UINT64_MAX) } },
};

/* The rules as they stand where the answer is the same for all of them. */
static void always(const char *rule, int want)
{
	struct abi_rule same[ARRAY_SIZE(rules)];
	const struct abi_command command = {
		.name = "NOIOMMU_GET_PA",
		.request = IOMMU_IOAS_NOIOMMU_GET_PA,
		.base = &good,
		.size = sizeof(good),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = rule,
		.base_want = want,
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		same[i] = rules[i];
		same[i].rule = rule;
		same[i].want = want;
	}
	abi_rules(&command, same, ARRAY_SIZE(same));
}

/* EOPNOTSUPP for length 0 means that nothing was looked at: only GPA.1 comes before GPA.4. */
static bool built_in(void)
{
	struct iommu_ioas_noiommu_get_pa cmd = good;
	int fd = world_setup(), err;

	cmd.length = 0;
	err = abi_ioctl(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd);
	close(fd);
	return err != EOPNOTSUPP;
}

static void get_pa(void)
{
	const struct abi_command command = {
		.name = "NOIOMMU_GET_PA",
		.request = IOMMU_IOAS_NOIOMMU_GET_PA,
		.base = &good,
		.size = sizeof(good),
		.setup = world_setup,
		.audit = world_audit,
		.teardown = world_teardown,
		.base_rule = "GPA.9",
		.base_want = EOPNOTSUPP,
	};

	if (!built_in()) {
		always("GPA.1", EOPNOTSUPP);
		return;
	}
	if (abi_capable(CAP_SYS_RAWIO))
		abi_rules(&command, rules, ARRAY_SIZE(rules));
	abi_drop_capability(CAP_SYS_RAWIO);
	always("GPA.2", EPERM);
}

/* An area that an IOMMU serves has no address to tell either. */
static void behind_an_iommu(void)
{
	struct iommu_ioas_noiommu_get_pa cmd = good;
	struct attached attached;

	if (!abi_row("GPA.9", "an area behind an IOMMU") || !attached_open(&attached))
		return;
	ioas_map_ok(attached.bound.fd, attached.ioas, FIXED_RW, world_memory(), 4096, WORLD_AREA_A);
	cmd.ioas_id = attached.ioas;
	abi_errno(abi_ioctl(attached.bound.fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd),
		  built_in() && !abi_capable(CAP_SYS_RAWIO) ? EPERM : EOPNOTSUPP);
	abi_equal(cmd.out_phys, 0);
	attached_close(&attached);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(behind_an_iommu), ABI_PART(get_pa),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
