/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes race on one device: open, bind, attach, map, do a little DMA, unmap, close, in whatever
 * order chance has it, each with two threads, some of them killed in the middle and started again.
 * Nothing may be refused but by a rule, nothing may hang, and at the end all is as at the beginning.
 *
 * usage: race type1|iommufd SECONDS
 */
#include <signal.h>
#include <sys/wait.h>

#include "hostile.h"

#define LEN (8 * PAGE)

static bool cdev;
static uint64_t until;
static uint8_t *shared;

/* What both use: inherited, and never closed here. */
static int common_iommufd;
static uint32_t common_ioas;

static unsigned int draw(unsigned int *seed, unsigned int below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % below;
}

static bool expected(int err)
{
	switch (err) {
	case 0:
	case EBUSY:
	case ENOENT:
	case EEXIST:
	case EINVAL:
	case ENODEV:
	case EPERM:
	case ENOTTY:
	case EBADFD: /* of another machine */
		return true;
	default:
		return false;
	}
}

#define MAY_FAIL(call)                                                                             \
	({                                                                                         \
		const long rc_ = (call);                                                           \
		CHECK(rc_ >= 0 || expected(errno));                                                \
		rc_;                                                                               \
	})

static int map(int fd, uint32_t ioas, void *va, uint64_t iova)
{
	struct iommu_ioas_map m = {.size = sizeof(m), .flags = 7, .ioas_id = ioas, .user_va = (uintptr_t)va, .length = LEN, .iova = iova};

	return ioctl(fd, IOMMU_IOAS_MAP, &m);
}

static int unmap(int fd, uint32_t ioas, uint64_t iova)
{
	struct iommu_ioas_unmap u = {.size = sizeof(u), .ioas_id = ioas, .iova = iova, .length = LEN};

	return ioctl(fd, IOMMU_IOAS_UNMAP, &u);
}

/* The common IOAS: both map and unmap the same few addresses. */
static void on_common(unsigned int *seed, void *own)
{
	const uint64_t iova = 0x10000000ull + draw(seed, 4) * LEN;

	MAY_FAIL(map(common_iommufd, common_ioas, draw(seed, 2) ? own : shared, iova));
	MAY_FAIL(unmap(common_iommufd, common_ioas, 0x10000000ull + draw(seed, 4) * LEN));
}

static void bound(int device, int iommufd, unsigned int *seed, void *own)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};
	void *bar;

	if (MAY_FAIL(ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc)) < 0)
		return;
	attach.pt_id = alloc.out_ioas_id;
	MAY_FAIL(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	MAY_FAIL(map(iommufd, alloc.out_ioas_id, own, 0x20000000));
	bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	if (draw(seed, 2))
		MAY_FAIL(ioctl(device, VFIO_DEVICE_RESET));
	if (bar != MAP_FAILED)
		munmap(bar, PAGE);
	if (draw(seed, 2))
		MAY_FAIL(unmap(iommufd, alloc.out_ioas_id, 0x20000000));
	if (draw(seed, 2))
		MAY_FAIL(ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
}

static void on_cdev(unsigned int *seed, void *own)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	const int iommufd = draw(seed, 2) ? open("/dev/iommu", O_RDWR | O_CLOEXEC) : dup(common_iommufd);
	const int device = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);

	CHECK(iommufd >= 0 && (device >= 0 || expected(errno)));
	bind.iommufd = iommufd;
	if (device >= 0 && MAY_FAIL(ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind)) >= 0)
		bound(device, iommufd, seed, own);
	if (draw(seed, 2)) {
		close(device);
		close(iommufd);
	} else {
		close(iommufd);
		close(device);
	}
}

static void on_group(unsigned int *seed, void *own)
{
	const int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group = open("/dev/vfio/0", O_RDWR | O_CLOEXEC);
	struct vfio_iommu_type1_dma_map m = {.argsz = sizeof(m), .flags = 3, .vaddr = (uintptr_t)own, .iova = 0x30000000, .size = LEN};
	int device = -1;

	CHECK(container >= 0 && (group >= 0 || expected(errno)));
	if (group >= 0 && MAY_FAIL(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container)) >= 0) {
		MAY_FAIL(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
		MAY_FAIL(ioctl(container, VFIO_IOMMU_MAP_DMA, &m));
		device = (int)MAY_FAIL(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.0"));
		if (device >= 0 && draw(seed, 2))
			MAY_FAIL(ioctl(device, VFIO_DEVICE_RESET));
	}
	if (device >= 0)
		close(device);
	close(group);
	close(container);
}

static void *racer(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	void *own = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	while (now_ms() < until) {
		switch (draw(&seed, 3)) {
		case 0:
			on_common(&seed, own);
			break;
		case 1:
			on_cdev(&seed, own);
			break;
		default:
			on_group(&seed, own);
			break;
		}
	}
	return NULL;
}

static void race(unsigned int seed)
{
	pthread_t t;

	alarm((unsigned int)((until - now_ms()) / 1000 + 20)); /* a hang is an end, too */
	NEED(!pthread_create(&t, NULL, racer, (void *)(uintptr_t)(seed * 2 + 1)));
	racer((void *)(uintptr_t)(seed * 2));
	pthread_join(t, NULL);
	_exit(failures != 0);
}

static pid_t start(unsigned int seed)
{
	const pid_t pid = fork();

	NEED(pid >= 0);
	if (!pid)
		race(seed);
	return pid;
}

static int reap(pid_t pid)
{
	int status;

	NEED(waitpid(pid, &status, 0) == pid);
	return status;
}

int main(int argc, char **argv)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	unsigned int seed = 1;
	pid_t a, b;

	NEED(argc == 3);
	cdev = road_is_cdev(argv[1]);
	until = now_ms() + (uint64_t)atoi(argv[2]) * 1000;
	shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	common_iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	NEED(common_iommufd >= 0 && !ioctl(common_iommufd, IOMMU_IOAS_ALLOC, &alloc));
	common_ioas = alloc.out_ioas_id;
	a = start(seed++);
	b = start(seed++);
	while (now_ms() + 300 < until) {
		sleep_ms(200);
		CHECK(!kill(b, SIGKILL));
		CHECK(WTERMSIG(reap(b)) == SIGKILL);
		b = start(seed++);
	}
	CHECK(reap(a) == 0);
	CHECK(reap(b) == 0);
	/* All is free again. */
	{
		struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = common_iommufd};
		const int device = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);

		CHECK(device >= 0);
		CHECK(!ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
		close(device);
	}
	return failures ? 1 : 0;
}
