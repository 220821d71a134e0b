/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locked memory: what MAP_DMA of type1 charges and when it is refused, T1M.14. The program gives up
 * CAP_IPC_LOCK first, since with it no limit holds.
 */
#include "vfio_fixture.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define IOVA  0x100000ull
#define LIMIT 16u /* pages */

static struct vfio v;
static char *memory;

static int map(uint32_t at, uint32_t n)
{
	return type1_map(v.container, IOVA + at * PAGE, memory + at * PAGE, n * PAGE);
}

static int unmap(uint32_t at, uint32_t n)
{
	return type1_unmap(v.container, IOVA + at * PAGE, n * PAGE, NULL);
}

static bool drop_ipc_lock(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return false;
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	return !syscall(SYS_capset, &head, data);
}

static bool set_limit(uint64_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return false;
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	return !setrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur == bytes;
}

static void of_type(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	if (vfio_is_iommufd(v.container))
		abi_cannot_run("/dev/vfio/vfio is an iommufd here");
	if (abi_row("T1M.14", "one page more than the limit: all of it is undone")) {
		abi_errno(map(0, LIMIT + 1), ENOMEM);
		abi_errno(map(0, LIMIT), 0);
		abi_errno(map(LIMIT, 1), ENOMEM);
		abi_equal(type1_empty(v.container), LIMIT * PAGE);
	}
	if (abi_row("T1M.14", "what is unmapped is no longer charged")) {
		abi_errno(map(0, LIMIT - 4), 0);
		abi_errno(map(LIMIT - 4, 4), 0);
		abi_errno(map(LIMIT, 1), ENOMEM);
		abi_errno(unmap(LIMIT - 4, 4), 0);
		abi_errno(map(LIMIT - 4, 5), ENOMEM);
		abi_errno(map(LIMIT - 4, 4), 0);
		abi_equal(type1_empty(v.container), LIMIT * PAGE);
	}
	if (abi_row("T1M.14", "a page mapped twice is charged twice")) {
		abi_errno(map(0, LIMIT - 1), 0);
		abi_errno(type1_map(v.container, IOVA + LIMIT * PAGE, memory, 2 * PAGE), ENOMEM);
		abi_errno(type1_map(v.container, IOVA + LIMIT * PAGE, memory, PAGE), 0);
		abi_equal(type1_empty(v.container), LIMIT * PAGE);
	}
	if (abi_row("T1M.13 T1M.14", "in this order"))
		abi_errno(type1_map(v.container, 1ull << 63, memory, (LIMIT + 1) * PAGE), EINVAL);
	vfio_close(&v);
	if (abi_row("T1M.14", "closing gives all back")) {
		vfio_open(&v, road, vfio_any());
		abi_errno(map(0, LIMIT), 0);
		vfio_close(&v);
		vfio_open(&v, road, vfio_any());
		abi_errno(map(0, LIMIT), 0);
		vfio_close(&v);
	}
}

static void type1(void)
{
	of_type(ROAD_TYPE1);
}

static void type1v2(void)
{
	of_type(ROAD_TYPE1V2);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(type1v2), ABI_PART(type1) };

	memory = shared_pages((LIMIT + 8) * PAGE);
	if (!drop_ipc_lock() || !set_limit(LIMIT * PAGE))
		abi_cannot_run("the limit on locked memory cannot be set: %s", strerror(errno));
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
