/* SPDX-License-Identifier: BSD-3-Clause */
#include "door_test.h"

int failures;

uint64_t bar_offset(unsigned int index)
{
	return (uint64_t)index << 40;
}

void scratch_memory(const struct scratch *s, bool on)
{
	const off_t at = (off_t)bar_offset(VFIO_PCI_CONFIG_REGION_INDEX) + 4;
	uint16_t command;

	NEED(pread(s->device, &command, 2, at) == 2);
	command = (uint16_t)(on ? command | 2 : command & ~2);
	NEED(pwrite(s->device, &command, 2, at) == 2);
}

void scratch_open(struct scratch *s)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};

	s->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	NEED(s->iommufd >= 0);
	s->device = open(SCRATCH, O_RDWR | O_CLOEXEC);
	NEED(s->device >= 0);
	bind.iommufd = s->iommufd;
	NEED(!ioctl(s->device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	scratch_memory(s, true);
}

void scratch_close(struct scratch *s)
{
	CHECK(!close(s->device));
	CHECK(!close(s->iommufd));
}

volatile uint8_t *bar_map(const struct scratch *s, int prot)
{
	void *p = mmap(NULL, BAR0_SIZE, prot, MAP_SHARED, s->device, (off_t)bar_offset(0));

	NEED(p != MAP_FAILED);
	return p;
}

bool is_live_iommufd(int fd)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = 12345};

	errno = 0;
	return ioctl(fd, IOMMU_DESTROY, &cmd) == -1 && errno == ENOENT;
}

int finish(void)
{
	return failures ? 1 : 0;
}
