/* SPDX-License-Identifier: BSD-3-Clause */
/* IOMMU_VFIO_IOAS (VIO.1-6): which IOAS serves VFIO's container calls. */
#include "abi_iommufd.h"

static int vfio_ioas(int fd, uint16_t op, uint32_t *ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = op, .ioas_id = *ioas };
	int err = abi_ioctl(fd, IOMMU_VFIO_IOAS, &cmd);

	*ioas = cmd.ioas_id;
	return err;
}

static int setup_set(void)
{
	uint32_t ioas = WORLD_OTHER;
	int fd = world_setup();

	abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &ioas), 0);
	return fd;
}

/* The one that was set still is. */
static void audit_set(int fd)
{
	uint32_t ioas = 0;

	abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), 0);
	abi_equal(ioas, WORLD_OTHER);
	world_audit(fd);
}

static void set_rules(void)
{
	static const struct iommu_vfio_ioas base = {
		.size = sizeof(base), .ioas_id = WORLD_IOAS, .op = IOMMU_VFIO_IOAS_SET,
	};
	const struct abi_rule rules[] = {
		{ "VIO.1", "reserved", EOPNOTSUPP, { SET(iommu_vfio_ioas, __reserved, 1) } },
		{ "VIO.1", "all of reserved", EOPNOTSUPP,
		  { SET(iommu_vfio_ioas, __reserved, 0xffff) } },
		{ "VIO.6", "an unknown op", EOPNOTSUPP, { SET(iommu_vfio_ioas, op, 3) } },
		{ "VIO.6", "a very unknown op", EOPNOTSUPP, { SET(iommu_vfio_ioas, op, 0xffff) } },
		{ "VIO.3", "no such IOAS", ENOENT, { SET(iommu_vfio_ioas, ioas_id, ID_NONE) } },
		{ "VIO.3", "IOAS 0", ENOENT, { SET(iommu_vfio_ioas, ioas_id, 0) } },
	};
	const struct abi_command command = {
		.name = "VFIO_IOAS SET",
		.request = IOMMU_VFIO_IOAS,
		.base = &base,
		.size = sizeof(base),
		.setup = setup_set,
		.audit = audit_set,
		.teardown = world_teardown,
		.base_rule = "VIO.4",
	};

	abi_rules(&command, rules, ARRAY_SIZE(rules));
}

static void life(void)
{
	uint32_t ioas;
	int fd;

	if (abi_row("VIO.2", "GET with none set")) {
		fd = world_setup();
		ioas = 77;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), ENODEV);
		abi_equal(ioas, 77);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("VIO.5", "CLEAR with none set; the id is not looked at")) {
		fd = world_setup();
		ioas = ID_NONE;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_CLEAR, &ioas), 0);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("VIO.4", "SET, GET, SET of another, GET, CLEAR, GET")) {
		fd = world_setup();
		ioas = WORLD_IOAS;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &ioas), 0);
		ioas = 0;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), 0);
		abi_equal(ioas, WORLD_IOAS);
		ioas = WORLD_OTHER;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &ioas), 0);
		ioas = 0;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), 0);
		abi_equal(ioas, WORLD_OTHER);
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_CLEAR, &ioas), 0);
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), ENODEV);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("VIO.4 DEST", "no reference is taken that would block DESTROY")) {
		fd = world_setup();
		ioas = WORLD_IOAS;
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &ioas), 0);
		abi_errno(object_destroy(fd, WORLD_OTHER), 0);
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), 0);
		abi_errno(object_destroy(fd, WORLD_IOAS), 0);
		abi_errno(vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas), ENODEV);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(set_rules), ABI_PART(life) };

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
