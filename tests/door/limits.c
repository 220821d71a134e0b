/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may lock how much memory. usage: limits free|limited|real|user
 *
 *   free     no limit, until the program lowers its own or gives up CAP_IPC_LOCK
 *   limited  --limit memlock=1M
 *   real     --limit memlock=real
 *   user     --as-user: RLIMIT_MEMLOCK counts, and no capability is had
 */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

/* KiB of a line of /proc/PID/status; pid 0: self. */
static long status_line(pid_t pid, const char *key)
{
	char path[64] = "/proc/self/status", line[256];
	long kib = -1;
	FILE *f;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	NEED(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kib = strtol(line + strlen(key), NULL, 10);
	fclose(f);
	return kib;
}

static uint64_t map_small(void)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_READABLE,
				     .ioas_id = ioas,
				     .user_va = (uint64_t)(uintptr_t)memory,
				     .length = SMALL};

	NEED(!ioctl(s.iommufd, IOMMU_IOAS_MAP, &map));
	return map.iova;
}

static void unmap_small(uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = SMALL};

	NEED(!ioctl(s.iommufd, IOMMU_IOAS_UNMAP, &unmap));
}

/* What is pinned stands in the status, for a child that shares the iommufd too; who pays, with it.
 */
static void check_status(void)
{
	const long before = status_line(0, "VmPin:");
	const uint64_t iova = map_small();
	int status = 1;
	pid_t child;

	CHECK(status_line(0, "VmPin:") == before + (long)(SMALL >> 10));
	CHECK(status_line(getpid(), "VmPin:") == before + (long)(SMALL >> 10));
	child = fork();
	if (!child)
		_exit(status_line(getppid(), "VmPin:") != before + (long)(SMALL >> 10) ||
		      status_line(0, "VmPin:") != 0);
	waitpid(child, &status, 0);
	CHECK(!status);
	unmap_small(iova);
	CHECK(status_line(0, "VmPin:") == before);
}

int capset(void *header, const void *data);

/* False: this process has not got it. */
static bool drop_ipc_lock(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	NEED(!syscall(SYS_capget, &head, data));
	if (!(data[0].effective & 1u << CAP_IPC_LOCK))
		return false;
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	NEED(!capset(&head, data));
	return true;
}

/* A little more than the limit: it can be mapped until the capability is given up. 0, or what went
 * wrong. */
static int beyond_the_limit(void)
{
	struct rlimit rl;

	NEED(!getrlimit(RLIMIT_MEMLOCK, &rl));
	if (rl.rlim_cur > 1ul << 30)
		return 0;
	memory = mmap(NULL, rl.rlim_cur + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	NEED(memory != MAP_FAILED);
	if (!maps(rl.rlim_cur + 4096))
		return 1;
	return drop_ipc_lock() && maps(rl.rlim_cur + 4096) ? 2 : 0;
}

/* In a child, so that the rest is as it was. */
static void check_capability(void)
{
	const pid_t child = fork();
	int status = 1;

	if (!child)
		_exit(beyond_the_limit());
	waitpid(child, &status, 0);
	CHECK(!status);
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
		check_status();
		CHECK(maps(BIG));
		check_capability();
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
