/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who pays for what is pinned: the user or the process as OPTION RLIMIT_MODE says, nobody with
 * CAP_IPC_LOCK, another after CHANGE_PROCESS; and RLIMIT_MEMLOCK of whoever it is.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bed.h"

enum { USER, PROCESS };

struct table {
	struct bed *b;
	int fd, cdev;
	uint32_t ioas;
};

static uint64_t locked(const struct table *t, unsigned int who)
{
	return memory_account_locked(t->b->accounts[who]);
}

static int set_mode(struct table *t, uint64_t mode)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_RLIMIT_MODE,
				   .op = IOMMU_OPTION_OP_SET,
				   .val64 = mode};

	return (int)bed_ioctl(t->b, t->fd, IOMMU_OPTION, &cmd);
}

/* A device attached to an IOAS in a context of @mode. */
static void open_table(struct table *t, unsigned int mode)
{
	uint32_t dev, pt;

	t->b = bed_create(&(struct bed_config){0});
	t->fd = bed_open_iommufd(t->b);
	if (mode == PROCESS) {
		t->b->caps = 1ull << CAP_SYS_RESOURCE;
		assert_int_equal(set_mode(t, PROCESS), 0);
		t->b->caps = 0;
	}
	assert_int_equal(ioas_alloc_cmd(t->b, t->fd, &t->ioas), 0);
	t->cdev = bed_open_cdev(t->b, 0);
	assert_int_equal(bind_cmd(t->b, t->cdev, t->fd, &dev), 0);
	pt = t->ioas;
	assert_int_equal(attach_cmd(t->b, t->cdev, &pt), 0);
}

static int map(struct table *t, uint64_t page, uint64_t n)
{
	return map_cmd(t->b, t->fd, t->ioas, IOVA + page * PAGE_SIZE,
		       t->b->arena + page * PAGE_SIZE, n * PAGE_SIZE, FIXED_RW);
}

static int unmap(struct table *t, uint64_t page, uint64_t n)
{
	return unmap_cmd(t->b, t->fd, t->ioas, IOVA + page * PAGE_SIZE, n * PAGE_SIZE);
}

static void the_mode_says_who(void **state)
{
	for (unsigned int mode = USER; mode <= PROCESS; mode++) {
		struct table t;

		open_table(&t, mode);
		assert_int_equal(map(&t, 0, 16), 0);
		assert_int_equal(locked(&t, mode), 16);
		assert_int_equal(locked(&t, !mode), 0);
		/* There are objects now: the mode stays. */
		t.b->caps = 1ull << CAP_SYS_RESOURCE;
		assert_int_equal(set_mode(&t, !mode), -EBUSY);
		t.b->caps = 0;
		assert_int_equal(map(&t, 100, 1), 0);
		assert_int_equal(locked(&t, mode), 17);
		assert_int_equal(unmap(&t, 0, 16), 0);
		assert_int_equal(locked(&t, mode), 1);
		bed_destroy(t.b);
	}
}

static void the_limit_is_of_whoever_pays(void **state)
{
	for (unsigned int mode = USER; mode <= PROCESS; mode++) {
		struct table t;

		open_table(&t, mode);
		t.b->limit = 16 * PAGE_SIZE;
		assert_int_equal(map(&t, 0, 17), -ENOMEM);
		assert_int_equal(locked(&t, mode), 0);
		assert_int_equal(map(&t, 0, 10), 0);
		assert_int_equal(map(&t, 10, 7), -ENOMEM);
		assert_int_equal(locked(&t, mode), 10);
		assert_int_equal(map(&t, 10, 6), 0);
		assert_int_equal(locked(&t, mode), 16);
		/* Asked at each charge; what is charged stays when it falls. */
		t.b->limit = 8 * PAGE_SIZE;
		assert_int_equal(map(&t, 20, 1), -ENOMEM);
		assert_int_equal(unmap(&t, 0, 10), 0);
		assert_int_equal(map(&t, 20, 2), 0);
		assert_int_equal(locked(&t, mode), 8);
		bed_destroy(t.b);
	}
}

static void a_capability_pays_nothing(void **state)
{
	struct table t;

	open_table(&t, USER);
	t.b->limit = 0;
	t.b->caps = 1ull << CAP_IPC_LOCK;
	assert_int_equal(map(&t, 0, 16), 0);
	assert_int_equal(locked(&t, USER) + locked(&t, PROCESS), 0);
	/* Of the time at which it was mapped. */
	t.b->caps = 0;
	assert_int_equal(map(&t, 16, 1), -ENOMEM);
	assert_int_equal(unmap(&t, 0, 16), 0);
	assert_int_equal(locked(&t, USER), 0);
	bed_destroy(t.b);
}

static void map_file(struct table *t, uint64_t n)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd),
					  .flags = FIXED_RW,
					  .ioas_id = t->ioas,
					  .fd = memfd_create("pages", 0),
					  .length = n * PAGE_SIZE,
					  .iova = IOVA};

	assert_int_equal(ftruncate(cmd.fd, (off_t)(n * PAGE_SIZE)), 0);
	assert_int_equal(bed_ioctl(t->b, t->fd, IOMMU_IOAS_MAP_FILE, &cmd), 0);
	close(cmd.fd);
}

/* The calls that follow are another's. */
static void become_another(struct table *t)
{
	struct memory_account *a = t->b->accounts[USER];

	t->b->accounts[USER] = t->b->accounts[PROCESS];
	t->b->accounts[PROCESS] = a;
}

static void change_process_moves_the_charge(void **state)
{
	for (unsigned int mode = USER; mode <= PROCESS; mode++) {
		struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};
		struct table t;

		open_table(&t, mode);
		map_file(&t, 16);
		assert_int_equal(locked(&t, mode), 16);
		become_another(&t);
		assert_int_equal(locked(&t, mode), 0);
		/* CHP.4: no room there. */
		t.b->limit = 15 * PAGE_SIZE;
		assert_int_equal(bed_ioctl(t.b, t.fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd), -ENOMEM);
		assert_int_equal(locked(&t, mode), 0);
		assert_int_equal(locked(&t, !mode), 16);
		t.b->limit = 16 * PAGE_SIZE;
		assert_int_equal(bed_ioctl(t.b, t.fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd), 0);
		assert_int_equal(locked(&t, mode), 16);
		assert_int_equal(locked(&t, !mode), 0);
		/* The new one pays for what it maps, and is given back what goes. */
		assert_int_equal(map(&t, 100, 1), -ENOMEM);
		t.b->limit = 17 * PAGE_SIZE;
		assert_int_equal(map(&t, 100, 1), 0);
		assert_int_equal(unmap(&t, 0, 16), 0);
		assert_int_equal(locked(&t, mode), 1);
		assert_int_equal(locked(&t, !mode), 0);
		bed_destroy(t.b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mode_says_who),
		cmocka_unit_test(the_limit_is_of_whoever_pays),
		cmocka_unit_test(a_capability_pays_nothing),
		cmocka_unit_test(change_process_moves_the_charge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
