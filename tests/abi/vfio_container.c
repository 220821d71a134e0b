/* SPDX-License-Identifier: BSD-3-Clause */
/* The legacy container (/dev/vfio/vfio), by itself and with groups: section 10.1. */
#include "vfio_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>

#define IOVA 0x100000ull

/* A container, and the first group open beside it, not joined. */
static struct {
	const struct vfio_id *id;
	int container, group;
} w;

static void world_open(void)
{
	w.container = open_node("/dev/vfio/vfio");
	w.group = open_node(w.id->group);
}

static void world_close(void)
{
	close(w.group);
	close(w.container);
}

static long extension(int container, unsigned long which)
{
	return ioctl(container, VFIO_CHECK_EXTENSION, which);
}

static int set_iommu(int container, unsigned long type)
{
	return ioctl(container, VFIO_SET_IOMMU, type) < 0 ? errno : 0;
}

static void join_ok(void)
{
	abi_errno(group_join(w.group, w.container), 0);
}

/* Commands of a backend, of other files, and of nobody. */
static const unsigned long others[] = {
	VFIO_IOMMU_GET_INFO, VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA, VFIO_IOMMU_ENABLE,
	VFIO_IOMMU_DIRTY_PAGES, VFIO_GROUP_GET_STATUS, VFIO_DEVICE_GET_INFO, VFIO_DEVICE_RESET,
	IOMMU_IOAS_ALLOC, _IO(';', 99), _IO('!', 101), 0x12345678,
};

static void without_backend(int container, const char *when)
{
	static const struct {
		unsigned long which;
		long want;
	} rows[] = {
		{ VFIO_TYPE1_IOMMU, 1 }, { VFIO_TYPE1v2_IOMMU, 1 }, { VFIO_UNMAP_ALL, 1 },
		{ VFIO_UPDATE_VADDR, 0 }, { VFIO_DMA_CC_IOMMU, 0 }, { VFIO_EEH, 0 },
		{ VFIO_SPAPR_TCE_v2_IOMMU, 0 }, { VFIO_SPAPR_TCE_IOMMU, 0 },
		{ 0, 0 }, { 6, 0 }, { 11, 0 }, { 1ul << 32, 0 }, { ~0ul, 0 },
	};

	if (abi_row("10.1.GET_API_VERSION", "%s", when))
		abi_equal(ioctl(container, VFIO_GET_API_VERSION), VFIO_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (abi_row("10.1.CHECK_EXTENSION.1", "%lu %s", rows[i].which, when))
			abi_equal(extension(container, rows[i].which), rows[i].want);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (abi_row("10.1.other.1", "%#lx %s", others[i], when))
			abi_errno(abi_ioctl(container, others[i], NULL), EINVAL);
}

static void container_alone(void)
{
	int container = open_node("/dev/vfio/vfio"), ro = open("/dev/vfio/vfio", O_RDONLY);
	char byte;

	without_backend(container, "with no group");
	if (abi_row("10.1.SET_IOMMU.1", "with no group")) {
		abi_errno(set_iommu(container, VFIO_TYPE1v2_IOMMU), EINVAL);
		abi_errno(set_iommu(container, VFIO_TYPE1_IOMMU), EINVAL);
		abi_errno(set_iommu(container, 4711), EINVAL);
	}
	if (abi_row("10.1", "the file itself neither reads, writes nor maps")) {
		abi_errno(read(container, &byte, 1) < 0 ? errno : 0, EINVAL);
		abi_errno(write(container, "", 1) < 0 ? errno : 0, EINVAL);
		abi_true(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, container, 0) == MAP_FAILED,
			 "mmap went well");
		abi_errno(errno, ENODEV);
	}
	if (abi_row("10.1", "opened read-only it answers all the same")) {
		abi_equal(ioctl(ro, VFIO_GET_API_VERSION), VFIO_API_VERSION);
		abi_equal(extension(ro, VFIO_TYPE1v2_IOMMU), 1);
	}
	close(ro);
	close(container);
}

static void set_iommu_types(void)
{
	static const struct {
		unsigned long type;
		int want;
	} rows[] = {
		/* UNMAP_ALL is an extension that type1 claims and a type that it refuses. */
		{ 0, ENODEV }, { VFIO_SPAPR_TCE_IOMMU, ENODEV }, { VFIO_DMA_CC_IOMMU, ENODEV },
		{ VFIO_SPAPR_TCE_v2_IOMMU, ENODEV }, { VFIO_UNMAP_ALL, EINVAL },
		{ VFIO_UPDATE_VADDR, ENODEV }, { 4711, ENODEV }, { ~0ul, ENODEV },
		{ VFIO_TYPE1_IOMMU, 0 }, { VFIO_TYPE1v2_IOMMU, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!abi_row("10.1.SET_IOMMU.3", "type %lu", rows[i].type))
			continue;
		world_open();
		join_ok();
		abi_errno(set_iommu(w.container, rows[i].type), rows[i].want);
		/* Refused or not: it can be set exactly once. */
		abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), rows[i].want ? 0 : EINVAL);
		world_close();
	}
	if (abi_row("10.1.SET_IOMMU.1 10.1.SET_IOMMU.3", "already set, or unknown")) {
		world_open();
		join_ok();
		abi_errno(set_iommu(w.container, VFIO_TYPE1_IOMMU), 0);
		abi_errno(set_iommu(w.container, 4711), EINVAL);
		world_close();
	}
}

static void with_backend(void)
{
	world_open();
	if (abi_row("10.1.other.1", "a group and no IOMMU"))
		join_ok();
	without_backend(w.container, "with a group");
	if (abi_row("10.1.SET_IOMMU", "type1v2"))
		abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), 0);
	if (abi_row("10.1.CHECK_EXTENSION.2 11.6", "the backend answers")) {
		abi_equal(ioctl(w.container, VFIO_GET_API_VERSION), VFIO_API_VERSION);
		abi_equal(extension(w.container, VFIO_TYPE1_IOMMU), 1);
		abi_equal(extension(w.container, VFIO_TYPE1v2_IOMMU), 1);
		abi_equal(extension(w.container, VFIO_UNMAP_ALL), 1);
		abi_equal(extension(w.container, VFIO_UPDATE_VADDR), 1);
		abi_true(extension(w.container, VFIO_DMA_CC_IOMMU) >= 0, "DMA_CC is refused");
		abi_equal(extension(w.container, VFIO_SPAPR_TCE_v2_IOMMU), 0);
		abi_equal(extension(w.container, VFIO_EEH), 0);
		abi_equal(extension(w.container, 4711), 0);
	}
	if (abi_row("10.1.other.2", "what type1 does not know either")) {
		abi_errno(abi_ioctl(w.container, VFIO_IOMMU_ENABLE, NULL), ENOTTY);
		abi_errno(abi_ioctl(w.container, VFIO_IOMMU_DISABLE, NULL), ENOTTY);
		abi_errno(abi_ioctl(w.container, VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, NULL), ENOTTY);
		abi_errno(abi_ioctl(w.container, VFIO_GROUP_GET_STATUS, NULL), ENOTTY);
		abi_errno(abi_ioctl(w.container, VFIO_DEVICE_GET_INFO, NULL), ENOTTY);
		abi_errno(abi_ioctl(w.container, IOMMU_IOAS_ALLOC, NULL), ENOTTY);
		abi_errno(abi_ioctl(w.container, 0x12345678, NULL), ENOTTY);
	}
	world_close();
}

/* The last group that leaves takes the backend and all mappings with it. */
static void last_group_leaves(void)
{
	void *va = shared_pages(PAGE);

	if (!abi_row("10.1", "the last group takes backend and mappings away"))
		goto out;
	world_open();
	for (int round = 0; round < 2; round++) {
		join_ok();
		abi_errno(set_iommu(w.container, round ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU), 0);
		abi_errno(type1_map(w.container, IOVA, va, PAGE), 0);
		abi_errno(type1_map(w.container, IOVA, va, PAGE), EEXIST);
		abi_errno(abi_ioctl(w.group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
		abi_errno(type1_map(w.container, IOVA, va, PAGE), EINVAL);
		abi_equal(extension(w.container, VFIO_UPDATE_VADDR), 0);
		abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), EINVAL);
	}
	world_close();
out:
	munmap(va, PAGE);
}

static void container_closes_first(void)
{
	int device, other;
	uint32_t flags;

	if (abi_row("10.1", "closed before its group, the container lives on")) {
		world_open();
		join_ok();
		abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), 0);
		close(w.container);
		if (group_status(w.group, &flags))
			abi_equal(flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
		abi_errno(group_device(w.group, w.id->bdf, &device), 0);
		close(device);
		abi_errno(abi_ioctl(w.group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
		close(w.group);
	}
	if (abi_row("10.1", "each open is a container of its own")) {
		world_open();
		other = open_node("/dev/vfio/vfio");
		join_ok();
		abi_errno(set_iommu(other, VFIO_TYPE1v2_IOMMU), EINVAL);
		abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), 0);
		close(other);
		world_close();
	}
	if (abi_row("10.1", "a duplicate is the same container")) {
		world_open();
		other = dup(w.container);
		join_ok();
		abi_errno(set_iommu(other, VFIO_TYPE1v2_IOMMU), 0);
		abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), EINVAL);
		close(w.container);
		abi_equal(extension(other, VFIO_UPDATE_VADDR), 1);
		close(other);
		close(w.group);
	}
}

/* Two groups in one container: the second joins the running backend, either may leave. */
static void two_groups(void)
{
	const struct vfio_id *second = vfio_of_group(1);
	int group, device;
	uint32_t flags;
	void *va;

	if (!abi_row("10.1 11.7", "a second group"))
		return;
	if (!second) {
		abi_skip("there is but one group");
		return;
	}
	va = shared_pages(PAGE);
	world_open();
	group = open_node(second->group);
	join_ok();
	abi_errno(set_iommu(w.container, VFIO_TYPE1v2_IOMMU), 0);
	abi_errno(type1_map(w.container, IOVA, va, PAGE), 0);
	abi_errno(group_join(group, w.container), 0);
	abi_errno(group_join(group, w.container), EINVAL);
	abi_errno(group_device(group, second->bdf, &device), 0);
	if (group_status(group, &flags))
		abi_equal(flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
	abi_errno(abi_ioctl(w.group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	abi_errno(type1_map(w.container, IOVA, va, PAGE), EEXIST);
	abi_errno(abi_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL), EBUSY);
	close(device);
	abi_errno(abi_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	abi_errno(type1_map(w.container, IOVA, va, PAGE), EINVAL);
	close(group);
	world_close();
	munmap(va, PAGE);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(container_alone),	 ABI_PART(set_iommu_types),
		ABI_PART(with_backend),		 ABI_PART(last_group_leaves),
		ABI_PART(container_closes_first), ABI_PART(two_groups),
	};
	int container = open_node("/dev/vfio/vfio");

	if (vfio_is_iommufd(container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	close(container);
	w.id = vfio_any();
	if (!w.id)
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
