/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PASIDs of a device that puts them on the bus: each is an address space of its own, as a device's DMA
 * tells. Section 7.4 from below.
 *
 * The device is an I/OAT with our vendor register CHANPASID (the model's pasid=on); nothing else that
 * is at hand takes a PASID from a program.
 */
#include "abi_iommufd.h"
#include "ioat_user.h"

#include <sys/mman.h>

#define SPACES 3
#define BYTES  0x10000u
#define IOVA   0x100000000ull

/* Address space 0 is the device's own, 1 and 2 are PASIDs'. The same IOVAs in all. */
struct world {
	struct vfio v;
	struct ioat_user ioat;
	uint32_t ioas[SPACES], hwpt[SPACES];
	char *mem[SPACES];
};

static void make_space(struct world *w, int n)
{
	w->ioas[n] = ioas_alloc_ok(w->v.iommufd);
	w->mem[n] = shared_pages(BYTES);
	ioas_map_ok(w->v.iommufd, w->ioas[n], FIXED_RW, w->mem[n], BYTES, IOVA);
	w->hwpt[n] = hwpt_alloc_ok(w->v.iommufd, w->v.devid, w->ioas[n], IOMMU_HWPT_ALLOC_PASID);
}

/* False after abi_skip(). */
static bool world_open(struct world *w)
{
	struct iommu_hw_info info;

	vfio_open(&w->v, ROAD_CDEV, ioat_id());
	if (hw_info(w->v.iommufd, w->v.devid, &info) || !info.out_max_pasid_log2) {
		abi_skip("this device has no PASIDs here");
		vfio_close(&w->v);
		return false;
	}
	if (cdev_detach(w->v.device))
		abi_broken("detach: %s", strerror(errno));
	for (int n = 0; n < SPACES; n++)
		make_space(w, n);
	ioat_open(&w->ioat, &w->v);
	return true;
}

static void world_close(struct world *w)
{
	vfio_close(&w->v);
	for (int n = 0; n < SPACES; n++)
		munmap(w->mem[n], BYTES);
}

static int attach_pasid(struct world *w, uint32_t pasid, uint32_t hwpt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = hwpt,
		.pasid = pasid,
	};

	return abi_ioctl(w->v.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static int detach_pasid(struct world *w, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = pasid};

	return abi_ioctl(w->v.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

/* The device's own address space and two PASIDs; false after abi_skip(), with the world closed. */
static bool attach_all(struct world *w)
{
	uint32_t pt = w->hwpt[0];
	int err;

	abi_errno(cdev_attach(w->v.device, &pt), 0);
	err = attach_pasid(w, 1, w->hwpt[1]);
	if (err == EOPNOTSUPP) {
		abi_skip("no PASID can be attached here");
		world_close(w);
		return false;
	}
	abi_errno(err, 0);
	abi_errno(attach_pasid(w, 2, w->hwpt[2]), 0);
	return true;
}

/* Each space has a descriptor, which copies a page within it, and says something else in that page. */
static void prepare(struct world *w)
{
	for (int n = 0; n < SPACES; n++) {
		memset(w->mem[n], 0, BYTES);
		ioat_copy(w->mem[n], IOVA + 2 * PAGE, IOVA + PAGE, PAGE);
		memset(w->mem[n] + PAGE, 0x10 + n, PAGE);
	}
}

/* Runs the descriptor of the space that the PASID, or none, has. The channel's state at its end. */
static unsigned int run(struct world *w, uint32_t pasid)
{
	ioat_start(&w->ioat, IOVA, pasid);
	return ioat_wait(&w->ioat, 5000);
}

/* Bit n: space n was written, and with what it has itself. */
static unsigned int written(struct world *w)
{
	unsigned int spaces = 0;

	for (int n = 0; n < SPACES; n++)
		if (!memcmp(w->mem[n] + PAGE, w->mem[n] + 2 * PAGE, PAGE))
			spaces |= 1u << n;
		else
			abi_true(!w->mem[n][2 * PAGE] && !w->mem[n][3 * PAGE - 1],
				 "space %d has what is not its own", n);
	return spaces;
}

static void reaches(struct world *w, uint32_t pasid, unsigned int space)
{
	prepare(w);
	abi_equal(run(w, pasid), IOAT_DONE);
	abi_equal(written(w), 1u << space);
}

static void reaches_nothing(struct world *w, uint32_t pasid)
{
	prepare(w);
	abi_equal(run(w, pasid), IOAT_HALTED);
	abi_equal(written(w), 0);
}

static void dma(void)
{
	struct world w;

	if (abi_row("DMA.PASID", "each PASID is an address space of its own") && world_open(&w) &&
	    attach_all(&w)) {
		for (uint32_t n = 0; n < SPACES; n++)
			reaches(&w, n, n);
		reaches_nothing(&w, 3);
		world_close(&w);
	}
	if (abi_row("DMA.PASID", "replaced and detached, a PASID leads elsewhere, or nowhere") &&
	    world_open(&w) && attach_all(&w)) {
		abi_errno(attach_pasid(&w, 1, w.hwpt[2]), 0);
		reaches(&w, 1, 2);
		reaches(&w, 2, 2);
		abi_errno(detach_pasid(&w, 2), 0);
		reaches_nothing(&w, 2);
		reaches(&w, 1, 2);
		abi_errno(cdev_detach(w.v.device), 0);
		reaches_nothing(&w, 0);
		world_close(&w);
	}
	if (abi_row("DMA.PASID", "unmapped, a PASID's memory is out of reach") && world_open(&w) &&
	    attach_all(&w)) {
		abi_equal(ioas_empty(w.v.iommufd, w.ioas[1]), BYTES);
		reaches_nothing(&w, 1);
		reaches(&w, 0, 0);
		world_close(&w);
	}
}

/* vfio-pci knows nothing of the capability, and hides it: GET_HW_INFO tells instead. */
static void hidden(void)
{
	struct world w;
	uint32_t header;

	if (!abi_row("DMA.PASID", "the PASID capability is not in the list") || !world_open(&w))
		return;
	for (unsigned int at = 0x100; at; at = header >> 20) {
		header = config_read(w.v.device, at, 4);
		abi_true((header & 0xffff) != 0x1b, "it is at %#x", at);
	}
	world_close(&w);
}

static void everything(void)
{
	if (!ioat_id())
		abi_cannot_run("there is no I/OAT device");
	hidden();
	dma();
}

int main(int argc, char **argv)
{
	const struct abi_part parts[] = {ABI_PART(everything)};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
