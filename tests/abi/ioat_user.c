/* SPDX-License-Identifier: BSD-3-Clause */
#include "ioat_user.h"

#define CHANCMD	  0x84
#define DMACOUNT  0x86
#define CHANSTS	  0x88
#define CHAINADDR 0x90
#define CHANERR	  0xa8
#define CHANPASID 0xc0

#define CMD_RESET 0x20

const struct vfio_id *ioat_id(void)
{
	const struct vfio_id *id;

	for (unsigned int n = 0; (id = vfio_of_group(n)); n++)
		if (id->vendor == 0x8086 && id->device == 0x2021 && !vfio_neighbour(id))
			return id;
	return vfio_named(0x8086, 0x2021);
}

static uint64_t reg(struct ioat_user *u, uint64_t at, size_t len)
{
	uint64_t value = 0;

	if (pread(u->device, &value, len, (off_t)(u->bar + at)) != (ssize_t)len)
		abi_broken("register %#jx: %s", (uintmax_t)at, strerror(errno));
	return value;
}

static void set_reg(struct ioat_user *u, uint64_t at, size_t len, uint64_t value)
{
	if (pwrite(u->device, &value, len, (off_t)(u->bar + at)) != (ssize_t)len)
		abi_broken("register %#jx: %s", (uintmax_t)at, strerror(errno));
}

void ioat_open(struct ioat_user *u, const struct vfio *v)
{
	u->device = v->device;
	u->bar = region_info(v->device, VFIO_PCI_BAR0_REGION_INDEX).offset;
	pci_set_command(v->device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void ioat_copy(void *d, uint64_t dst, uint64_t src, uint32_t len)
{
	uint64_t *words = d;

	memset(d, 0, 64);
	words[0] = len;
	words[1] = src;
	words[2] = dst;
}

void ioat_start(struct ioat_user *u, uint64_t iova, uint32_t pasid)
{
	set_reg(u, CHANCMD, 1, CMD_RESET);
	set_reg(u, CHANERR, 4, ~0u);
	set_reg(u, CHANPASID, 4, pasid);
	set_reg(u, CHAINADDR, 8, iova);
	set_reg(u, DMACOUNT, 2, 1);
}

unsigned int ioat_wait(struct ioat_user *u, unsigned int ms)
{
	unsigned int state = 0;

	for (unsigned int i = 0; i < ms * 10 && state != IOAT_DONE && state != IOAT_HALTED; i++) {
		usleep(100);
		state = reg(u, CHANSTS, 8) & 7;
	}
	return state;
}
