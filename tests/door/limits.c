/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may lock how much memory. usage: limits free|limited|real|user
 *
 *   free     no limit, until the program lowers its own
 *   limited  --limit memlock=1M
 *   real     --limit memlock=real
 *   user     --as-user: RLIMIT_MEMLOCK counts, and no capability is had
 */
#include <sys/resource.h>

#include "door_test.h"

#define BIG   (4ul << 20)
#define SMALL (256ul << 10)

static struct scratch s;
static uint32_t ioas;
static char *memory;

static bool maps(size_t len)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_READABLE,
				     .ioas_id = ioas,
				     .user_va = (uint64_t)(uintptr_t)memory,
				     .length = len};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = ioas, .length = len};

	errno = 0;
	if (ioctl(s.iommufd, IOMMU_IOAS_MAP, &map)) {
		CHECK(errno == ENOMEM);
		return false;
	}
	unmap.iova = map.iova;
	CHECK(!ioctl(s.iommufd, IOMMU_IOAS_UNMAP, &unmap));
	return true;
}

static void set_own(rlim_t soft)
{
	struct rlimit rl;

	NEED(!getrlimit(RLIMIT_MEMLOCK, &rl));
	rl.rlim_cur = soft;
	NEED(!setrlimit(RLIMIT_MEMLOCK, &rl));
}

static bool may_switch_accounting(void)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd), .option_id = IOMMU_OPTION_RLIMIT_MODE, .val64 = 1};
	const int fd = open("/dev/iommu", O_RDWR);
	bool ok;

	ok = !ioctl(fd, IOMMU_OPTION, &cmd);
	CHECK(ok || errno == EPERM);
	close(fd);
	return ok;
}

int main(int argc, char **argv)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	const char *mode = argc > 1 ? argv[1] : "free";

	memory = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(memory != MAP_FAILED);
	scratch_open(&s);
	NEED(!ioctl(s.iommufd, IOMMU_IOAS_ALLOC, &alloc));
	ioas = attach.pt_id = alloc.out_ioas_id;
	NEED(!ioctl(s.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	CHECK(maps(SMALL));
	if (!strcmp(mode, "limited")) {
		CHECK(!maps(BIG));
	} else if (!strcmp(mode, "free")) {
		CHECK(maps(BIG));
		set_own(1 << 20);
		CHECK(!maps(BIG) && maps(SMALL));
	} else {
		set_own(1 << 20);
		CHECK(!maps(BIG) && maps(SMALL));
	}
	if (!strcmp(mode, "user"))
		CHECK(!may_switch_accounting());
	scratch_close(&s);
	return finish();
}
