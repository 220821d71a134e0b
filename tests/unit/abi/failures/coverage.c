/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which commands there are is asked of the engine itself, number by number, on each kind of file;
 * which were tried is heard when a sweep makes them. One that is there and was not tried fails the
 * test, and so does one that was tried and is not found, for then the question is wrong.
 */
#include "failures.h"

#include <stdio.h>

#include <ioas/abi/extensions.h>

enum door { IOMMUFD, COMPAT, CONTAINER, GROUP, DEVICE, FEATURE, TEST_OP, DOORS };

#define NUMBERS 256

static const char *const door_names[DOORS] = {
	"/dev/iommu", "an iommufd as container", "a container",	    "a group",
	"a device",   "VFIO_DEVICE_FEATURE",	 "the test command"};

static bool tried[DOORS][NUMBERS];

static void note(enum door door, unsigned int nr)
{
	assert_true(nr < NUMBERS);
	tried[door][nr] = true;
}

static void heard(struct abi_file *f, unsigned int cmd, const void *arg)
{
	static const enum door doors[] = {
		[ABI_IOMMUFD] = IOMMUFD,
		[ABI_CONTAINER] = CONTAINER,
		[ABI_GROUP] = GROUP,
		[ABI_DEVICE] = DEVICE,
	};
	unsigned int nr = _IOC_NR(cmd);
	enum door door;

	assert_true((size_t)f->ops->kind < ARRAY_SIZE(doors));
	door = doors[f->ops->kind];
	if (door == IOMMUFD && nr < IOMMUFD_CMD_BASE)
		door = COMPAT;
	note(door, nr);
	if (door == IOMMUFD && cmd == IOMMU_TEST_CMD)
		note(TEST_OP, ((const struct iommu_test_cmd *)arg)->op);
	if (door == DEVICE && cmd == VFIO_DEVICE_FEATURE)
		note(FEATURE,
		     ((const struct vfio_device_feature *)arg)->flags & VFIO_DEVICE_FEATURE_MASK);
}

void coverage_listen(struct bed *b)
{
	static struct bed *listening;

	if (listening)
		listening->heard = NULL;
	listening = b;
	if (b)
		b->heard = heard;
}

/* ---- what there is ---- */

static void a_container(struct scene *s)
{
	type1_device(s);
}

static void a_cdev(struct scene *s)
{
	bound(s);
	s->b->slot[0]->has_vfs = true;
}

static int file_of(const struct scene *s, enum door door)
{
	switch (door) {
	case IOMMUFD:
	case COMPAT:
	case TEST_OP:
		return s->iommufd;
	case CONTAINER:
		return s->container;
	case GROUP:
		return s->group[0];
	default:
		return s->dev[0];
	}
}

/* What @door answers to number @nr with a structure that is all zero but for what selects. */
static long ask(struct scene *s, enum door door, unsigned int nr)
{
	uint32_t arg[64] = {0};
	unsigned int word = _IO(VFIO_TYPE, nr);

	if (door == TEST_OP) {
		word = IOMMU_TEST_CMD;
		arg[0] = sizeof(struct iommu_test_cmd);
		arg[1] = nr;
	} else if (door == FEATURE) {
		word = VFIO_DEVICE_FEATURE;
		arg[0] = sizeof(struct vfio_device_feature);
		arg[1] = nr | VFIO_DEVICE_FEATURE_PROBE;
	}
	return bed_ioctl(s->b, file_of(s, door), word, arg);
}

static bool is_there(enum door door, unsigned int nr)
{
	static const struct {
		void (*prepare)(struct scene *s);
		const char *make;
		unsigned int first, last; /* numbers */
		int absent;
	} questions[DOORS] = {
		[IOMMUFD] = {one_ioas, "mock", IOMMUFD_CMD_BASE, NUMBERS - 1, ENOTTY},
		[COMPAT] = {compat_device, "vtd", 0, IOMMUFD_CMD_BASE - 1, ENOTTY},
		[CONTAINER] = {a_container, "vtd", 0, NUMBERS - 1, ENOTTY},
		[GROUP] = {a_container, "vtd", 0, NUMBERS - 1, ENOTTY},
		[DEVICE] = {a_cdev, "vtd", 0, NUMBERS - 1, ENOTTY},
		[FEATURE] = {a_cdev, "vtd", 0, NUMBERS - 1, ENOTTY},
		[TEST_OP] = {mock_spaces, "mock", 0, NUMBERS - 1, EOPNOTSUPP},
	};
	const struct failing f = {.prepare = questions[door].prepare};
	struct scene *s;
	long rc;

	if (nr < questions[door].first || nr > questions[door].last)
		return false;
	s = scene_open(&f, questions[door].make);
	rc = ask(s, door, nr);
	scene_close(s);
	return rc != -questions[door].absent;
}

void coverage_check(void **state)
{
	unsigned int wrong = 0;

	for (enum door door = 0; door < DOORS; door++)
		for (unsigned int nr = 0; nr < NUMBERS; nr++)
			if (tried[door][nr] != is_there(door, nr)) {
				print_error("%s: number %#x is %s\n", door_names[door], nr,
					    tried[door][nr] ? "not there any more"
							    : "in no row of this test");
				wrong++;
			}
	assert_int_equal(wrong, 0);
}
