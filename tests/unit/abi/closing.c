/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files closed in every order, and in any state: what holds whom (2.6, 10.1, 10.2), and that nothing
 * is left when the last is closed. bed_destroy() looks.
 */
#include "bed.h"

#include <errno.h>

#define MAX_FILES 5

/* Calls @fn with every order of @n things. */
static void permute(unsigned int *order, unsigned int k, unsigned int n, void (*fn)(const unsigned int *order))
{
	if (k == n) {
		fn(order);
		return;
	}
	for (unsigned int i = k; i < n; i++) {
		unsigned int t = order[k];

		order[k] = order[i];
		order[i] = t;
		permute(order, k + 1, n, fn);
		order[i] = order[k];
		order[k] = t;
	}
}

static void every_order(unsigned int n, void (*fn)(const unsigned int *order))
{
	unsigned int order[MAX_FILES] = {0, 1, 2, 3, 4};

	permute(order, 0, n, fn);
}

/* ---- a legacy container, two groups, two devices of the second ---- */

enum { CONTAINER, GROUP_A, GROUP_B, DEVICE_1, DEVICE_2, NR_LEGACY };

static bool still_open(const unsigned int *order, unsigned int done, unsigned int what)
{
	for (unsigned int i = 0; i < done; i++)
		if (order[i] == what)
			return false;
	return true;
}

/* Group B is held by its own fd and by its devices'; a second open of it is refused as long. */
static void check_group_b(struct bed *b, const unsigned int *order, unsigned int done)
{
	bool held = still_open(order, done, GROUP_B) || still_open(order, done, DEVICE_1) ||
		    still_open(order, done, DEVICE_2);
	int fd = bed_open_group(b, 1);

	if (held) {
		assert_int_equal(fd, -EBUSY);
		return;
	}
	assert_true(fd >= 0);
	bed_close(b, fd);
}

static void legacy_order(const unsigned int *order)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	int fd[NR_LEGACY];

	fd[CONTAINER] = bed_open_container(b);
	fd[GROUP_A] = bed_open_group(b, 0);
	fd[GROUP_B] = bed_open_group(b, 1);
	assert_int_equal(group_set_cmd(b, fd[GROUP_A], fd[CONTAINER]), 0);
	assert_int_equal(group_set_cmd(b, fd[GROUP_B], fd[CONTAINER]), 0);
	assert_int_equal(bed_ioctl(b, fd[CONTAINER], VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	fd[DEVICE_1] = group_device_cmd(b, fd[GROUP_B], 1);
	fd[DEVICE_2] = group_device_cmd(b, fd[GROUP_B], 2);
	assert_true(fd[DEVICE_1] >= 0 && fd[DEVICE_2] >= 0);
	assert_int_equal(type1_map_cmd(b, fd[CONTAINER], IOVA, b->arena, 16 * PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(b->accounts[1]), 16);
	for (unsigned int i = 0; i < NR_LEGACY; i++) {
		bed_close(b, fd[order[i]]);
		check_group_b(b, order, i + 1);
		if (still_open(order, i + 1, DEVICE_2)) {
			assert_non_null(requester_domain(b->slot[2]->requester));
			assert_int_equal(memory_account_locked(b->accounts[1]), 16);
		}
	}
	bed_destroy(b);
}

static void legacy(void **state)
{
	every_order(NR_LEGACY, legacy_order);
}

/* ---- an iommufd behind a group ---- */

enum { IOMMUFD, GROUP, DEVICE, OTHER_DEVICE, NR_COMPAT };

static void compat_order(const unsigned int *order)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	int fd[NR_COMPAT];

	fd[IOMMUFD] = bed_open_iommufd(b);
	fd[GROUP] = bed_open_group(b, 1);
	assert_int_equal(group_set_cmd(b, fd[GROUP], fd[IOMMUFD]), 0);
	fd[DEVICE] = group_device_cmd(b, fd[GROUP], 1);
	fd[OTHER_DEVICE] = group_device_cmd(b, fd[GROUP], 2);
	assert_int_equal(type1_map_cmd(b, fd[IOMMUFD], IOVA, b->arena, 16 * PAGE_SIZE), 0);
	assert_int_equal(memory_account_locked(b->accounts[0]), 16);
	for (unsigned int i = 0; i < NR_COMPAT; i++) {
		bed_close(b, fd[order[i]]);
		/* Devices hold the context and stay attached, whatever else is closed. */
		if (still_open(order, i + 1, DEVICE) || still_open(order, i + 1, OTHER_DEVICE)) {
			assert_non_null(requester_domain(b->slot[1]->requester));
			assert_int_equal(memory_account_locked(b->accounts[0]), 16);
		}
		if (order[i] == GROUP)
			bed_close(b, bed_open_group(b, 1));
	}
	bed_destroy(b);
}

static void compat(void **state)
{
	every_order(NR_COMPAT, compat_order);
}

/* ---- cdevs, and a fault queue ---- */

enum { CTX, CDEV_A, CDEV_1, CDEV_2, FAULTS, NR_CDEV };

static void cdev_order(const unsigned int *order)
{
	struct bed *b = bed_create(&(struct bed_config){.iommu = "amd"});
	uint32_t ioas, dev[3], fault, hwpt, pt;
	int fd[NR_CDEV];

	fd[CTX] = bed_open_iommufd(b);
	assert_int_equal(ioas_alloc_cmd(b, fd[CTX], &ioas), 0);
	assert_int_equal(fault_cmd(b, fd[CTX], &fault, &fd[FAULTS]), 0);
	for (unsigned int i = 0; i < 3; i++) {
		fd[CDEV_A + i] = bed_open_cdev(b, i);
		assert_int_equal(bind_cmd(b, fd[CDEV_A + i], fd[CTX], &dev[i]), 0);
	}
	assert_int_equal(hwpt_cmd(b, fd[CTX], dev[0], ioas, IOMMU_HWPT_FAULT_ID_VALID, fault, &hwpt), 0);
	for (unsigned int i = 0; i < 3; i++) {
		pt = i ? ioas : hwpt;
		assert_int_equal(attach_cmd(b, fd[CDEV_A + i], &pt), 0);
	}
	assert_int_equal(map_cmd(b, fd[CTX], ioas, IOVA, b->arena, 16 * PAGE_SIZE, FIXED_RW), 0);
	for (unsigned int i = 0; i < NR_CDEV; i++) {
		bed_close(b, fd[order[i]]);
		if (still_open(order, i + 1, FAULTS))
			assert_int_equal(bed_read(b, fd[FAULTS], b->arena, 40), 0);
		if (i + 1 < NR_CDEV)
			assert_int_equal(memory_account_locked(b->accounts[0]), 16);
	}
	bed_destroy(b);
}

static void cdevs(void **state)
{
	every_order(NR_CDEV, cdev_order);
}

/* ---- the same files in every state that leads there, closed at once ---- */

static void half_way_container(unsigned int steps)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	int container = bed_open_container(b), group = bed_open_group(b, 1);

	if (steps > 0)
		assert_int_equal(group_set_cmd(b, group, container), 0);
	if (steps > 1)
		assert_int_equal(bed_ioctl(b, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	if (steps > 2)
		assert_true(group_device_cmd(b, group, 1) >= 0);
	if (steps > 3)
		assert_int_equal(bed_ioctl(b, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	bed_destroy(b);
}

static void half_way_cdev(unsigned int steps)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	int fd = bed_open_iommufd(b), cdev = bed_open_cdev(b, 1);
	uint32_t dev, ioas, pt;

	assert_int_equal(ioas_alloc_cmd(b, fd, &ioas), 0);
	pt = ioas;
	if (steps > 0)
		assert_int_equal(bind_cmd(b, cdev, fd, &dev), 0);
	if (steps > 1)
		assert_int_equal(attach_cmd(b, cdev, &pt), 0);
	if (steps > 2)
		assert_int_equal(detach_cmd(b, cdev), 0);
	if (steps > 3)
		assert_int_equal(destroy_cmd(b, fd, ioas), 0);
	bed_destroy(b);
}

static void half_way(void **state)
{
	for (unsigned int steps = 0; steps < 5; steps++) {
		half_way_container(steps);
		half_way_cdev(steps);
	}
}

/* A container is as new when its last group has left, and a group may come back. */
static void again(void **state)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	int container = bed_open_container(b);

	for (unsigned int i = 0; i < 3; i++) {
		int group = bed_open_group(b, 1), device;

		assert_int_equal(group_set_cmd(b, group, container), 0);
		assert_int_equal(bed_ioctl(b, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
		assert_int_equal(type1_map_cmd(b, container, IOVA, b->arena, PAGE_SIZE), 0);
		device = group_device_cmd(b, group, 2);
		bed_close(b, group);
		bed_close(b, device);
		assert_int_equal(memory_account_locked(b->accounts[1]), 0);
		assert_int_equal(type1_map_cmd(b, container, IOVA, b->arena, PAGE_SIZE), -EINVAL);
	}
	bed_destroy(b);
}

/* One context or container owns a group; it is free again when the owner has gone. */
static void owners(void **state)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	int fd = bed_open_iommufd(b), second = bed_open_iommufd(b), container = bed_open_container(b);
	int cdev = bed_open_cdev(b, 1), neighbour = bed_open_cdev(b, 2), group;
	uint32_t dev;

	assert_int_equal(bind_cmd(b, cdev, fd, &dev), 0);
	assert_int_equal(bind_cmd(b, neighbour, second, &dev), -EPERM);
	assert_int_equal(bed_open_group(b, 1), -EBUSY);
	bed_close(b, cdev);
	group = bed_open_group(b, 1);
	assert_int_equal(bind_cmd(b, neighbour, second, &dev), -EBUSY);
	assert_int_equal(group_set_cmd(b, group, container), 0);
	bed_close(b, group);
	assert_int_equal(bind_cmd(b, neighbour, second, &dev), 0);
	bed_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legacy),   cmocka_unit_test(compat), cmocka_unit_test(cdevs),
		cmocka_unit_test(half_way), cmocka_unit_test(again),  cmocka_unit_test(owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
