/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls that QEMU 11.1 makes for arm-smmuv3,accel=on, in its order, with what it checks of the
 * answers. (QEMU itself insists on KVM and cannot do this under emulation.) With --cmdqv also those
 * for its Tegra241 CMDQV. Plain Linux ABI: it knows nothing of ioas.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "vfio_road.h"

#define RAM_GPA	 0x40000000ull
#define RAM_SIZE (64ull << 20)
#define SID	 0x10u /* pcie.0, 02.0 */

/* The guest's SMMU as QEMU models it. */
#define VIDR5_OAS   5 /* 48 bits */
#define VIDR1_SIDS  16
#define EVENTQ_LOG2 19

struct vmm {
	struct road road;
	char *ram;
	uint32_t parent, viommu, abort, bypass, vdevice, nested;
};

static void fails_with(int rc, int want, const char *what)
{
	if (!rc || errno != want)
		errx(1, "%s: %s, not %s", what, rc ? strerror(errno) : "went well", strerror(want));
	printf("refused, as Linux does: %s (%s)\n", what, strerror(want));
}

static uint32_t bits(uint32_t reg, unsigned int hi, unsigned int lo)
{
	return reg >> lo & ((2u << (hi - lo)) - 1);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		errx(1, "QEMU would refuse: %s", what);
}

/* smmuv3_accel_check_hw_compatible(), by what it compares. */
static void check_registers(const struct iommu_hw_info_arm_smmuv3 *i)
{
	must(bits(i->idr[0], 28, 27) == 1, "IDR0.ST_LEVEL: a two-level stream table");
	must(bits(i->idr[0], 3, 2) & 2, "IDR0.TTF: AArch64 tables");
	must(bits(i->idr[0], 22, 21) == 2 || bits(i->idr[0], 22, 21) == 0,
	     "IDR0.TTENDIAN: little endian");
	must(bits(i->idr[0], 10, 10), "IDR0.ATS");
	must(bits(i->idr[1], 5, 0) >= VIDR1_SIDS, "IDR1.SIDSIZE");
	must(bits(i->idr[1], 10, 6) >= 16, "IDR1.SSIDSIZE");
	must(bits(i->idr[3], 10, 10), "IDR3.RIL");
	must(bits(i->idr[5], 2, 0) >= VIDR5_OAS, "IDR5.OAS: 48 bits");
	must(bits(i->idr[5], 6, 4) == 7, "IDR5: all granules");
}

static void *hw_info(struct vmm *v, uint32_t type, void *data, uint32_t len)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.flags = type ? IOMMU_HW_INFO_FLAG_INPUT_TYPE : 0,
		.dev_id = v->road.dev_id,
		.data_len = len,
		.data_uptr = (uintptr_t)data,
		.in_data_type = type,
	};

	if (ioctl(v->road.iommu, IOMMU_GET_HW_INFO, &cmd))
		err(1, "IOMMU_GET_HW_INFO");
	if (cmd.out_data_type != (type ? type : IOMMU_HW_INFO_TYPE_ARM_SMMUV3) ||
	    cmd.data_len != len)
		errx(1, "GET_HW_INFO: type %u, %u bytes", cmd.out_data_type, cmd.data_len);
	return data;
}

static int alloc_hwpt(struct vmm *v, uint32_t flags, uint32_t pt_id, uint64_t ste0, uint64_t ste1,
		      uint32_t *out)
{
	struct iommu_hwpt_arm_smmuv3 ste = {{ste0, ste1}};
	bool nested = pt_id != v->road.ioas;
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = v->road.dev_id,
		.pt_id = pt_id,
		.data_type = nested ? IOMMU_HWPT_DATA_ARM_SMMUV3 : IOMMU_HWPT_DATA_NONE,
		.data_len = nested ? sizeof(ste) : 0,
		.data_uptr = nested ? (uintptr_t)&ste : 0,
	};
	int rc = ioctl(v->road.iommu, IOMMU_HWPT_ALLOC, &cmd);

	*out = cmd.out_hwpt_id;
	return rc;
}

static void must_alloc(struct vmm *v, uint32_t flags, uint32_t pt_id, uint64_t ste0, uint64_t ste1,
		       uint32_t *out)
{
	if (alloc_hwpt(v, flags, pt_id, ste0, ste1, out))
		err(1, "IOMMU_HWPT_ALLOC of STE 0x%" PRIx64, ste0);
}

static int attach(struct vmm *v, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = pt_id};

	return ioctl(v->road.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static void must_attach(struct vmm *v, uint32_t pt_id, const char *what)
{
	if (attach(v, pt_id))
		err(1, "attaching %s", what);
}

static void destroy(struct vmm *v, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	if (ioctl(v->road.iommu, IOMMU_DESTROY, &cmd))
		err(1, "IOMMU_DESTROY");
}

static uint32_t alloc_viommu(struct vmm *v, uint32_t type, void *data, uint32_t len)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = type,
		.dev_id = v->road.dev_id,
		.hwpt_id = v->parent,
		.data_len = len,
		.data_uptr = (uintptr_t)data,
	};

	if (ioctl(v->road.iommu, IOMMU_VIOMMU_ALLOC, &cmd))
		err(1, "IOMMU_VIOMMU_ALLOC of type %u", type);
	return cmd.out_viommu_id;
}

static int alloc_events(struct vmm *v, uint32_t type, uint32_t *id)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = v->viommu,
		.type = type,
		.veventq_depth = 1u << EVENTQ_LOG2,
	};

	if (ioctl(v->road.iommu, IOMMU_VEVENTQ_ALLOC, &cmd))
		err(1, "IOMMU_VEVENTQ_ALLOC");
	*id = cmd.out_veventq_id;
	if (fcntl((int)cmd.out_veventq_fd, F_SETFL, O_NONBLOCK))
		err(1, "the event queue's O_NONBLOCK");
	return (int)cmd.out_veventq_fd;
}

static int invalidate(struct vmm *v, const uint64_t (*cmds)[2], uint32_t n, uint32_t *done)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = v->viommu,
		.data_uptr = (uintptr_t)cmds,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = sizeof(cmds[0]),
		.entry_num = n,
	};
	int rc = ioctl(v->road.iommu, IOMMU_HWPT_INVALIDATE, &cmd);

	*done = cmd.entry_num;
	return rc;
}

static void open_vm(struct vmm *v)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.length = RAM_SIZE,
		.iova = RAM_GPA,
	};
	struct iommu_hw_info_arm_smmuv3 info;

	hw_info(v, 0, &info, sizeof(info));
	hw_info(v, IOMMU_HW_INFO_TYPE_ARM_SMMUV3, &info, sizeof(info));
	check_registers(&info);
	/* QEMU asks for dirty tracking where it is; SMMUv3 tracks in stage 1 only. */
	fails_with(alloc_hwpt(v, IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			      v->road.ioas, 0, 0, &v->parent),
		   EOPNOTSUPP, "a nest parent with dirty tracking");
	must_alloc(v, IOMMU_HWPT_ALLOC_NEST_PARENT, v->road.ioas, 0, 0, &v->parent);
	must_attach(v, v->parent, "the nest parent");
	v->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	map.ioas_id = v->road.ioas;
	map.user_va = (uintptr_t)v->ram;
	if (v->ram == MAP_FAILED || ioctl(v->road.iommu, IOMMU_IOAS_MAP, &map))
		err(1, "the guest's RAM");
}

/* The first accelerated device: the vIOMMU, and what a stream has before the guest says more. */
static void first_device(struct vmm *v, uint32_t type, void *data, uint32_t len)
{
	v->viommu = alloc_viommu(v, type, data, len);
	must_alloc(v, 0, v->viommu, 1, 0, &v->abort);
	must_alloc(v, 0, v->viommu, 1 | 4 << 1, 0, &v->bypass);
	must_attach(v, v->bypass, "the bypass stream");
}

/* The guest writes its STE and CMD_CFGI_STE, which QEMU takes out of the queue. */
static void configure_stream(struct vmm *v)
{
	const uint64_t cd_table = RAM_GPA + 0x10000;
	struct iommu_vdevice_alloc vdev = {
		.size = sizeof(vdev),
		.viommu_id = v->viommu,
		.dev_id = v->road.dev_id,
		.virt_id = SID,
	};
	uint32_t none;

	must_alloc(v, 0, v->viommu, 1 | 5 << 1 | cd_table, 0, &none);
	fails_with(attach(v, none), ENOENT, "stage 1 for a device that has no vDEVICE");
	destroy(v, none);
	if (ioctl(v->road.iommu, IOMMU_VDEVICE_ALLOC, &vdev))
		err(1, "IOMMU_VDEVICE_ALLOC");
	v->vdevice = vdev.out_vdevice_id;
	fails_with(ioctl(v->road.iommu, IOMMU_VDEVICE_ALLOC, &vdev), EEXIST, "a second vDEVICE");
	fails_with(alloc_hwpt(v, 0, v->viommu, 1 | 6 << 1, 0, &none), EIO,
		   "an STE with the guest's own stage 2");
	/* S1Fmt 64K, S1CDMax 16; S1DSS SSID0, S1CIR, S1COR, S1CSH; EATS. */
	must_alloc(v, 0, v->viommu, 1 | 5 << 1 | 2 << 4 | cd_table | 16ull << 59,
		   2 | 1 << 2 | 1 << 4 | 3 << 6 | 1 << 28, &v->nested);
	must_attach(v, v->nested, "the stream's own entry");
}

/* A batch as a guest's CMD_SYNC makes QEMU send it, and one with a command that is not for it. */
static void commands(struct vmm *v)
{
	const uint64_t sid = (uint64_t)SID << 32;
	const uint64_t batch[][2] = {
		{0x30, 0},			     /* TLBI_NSNH_ALL, at boot */
		{0x10, 0},			     /* TLBI_NH_ALL */
		{0x05 | sid, 1},		     /* CFGI_CD */
		{0x06 | sid, 0},		     /* CFGI_CD_ALL */
		{0x11 | 7ull << 48, 0},		     /* TLBI_NH_ASID */
		{0x12 | 7ull << 48, 0xfffff000 | 1}, /* TLBI_NH_VA */
		{0x12 | 7ull << 48 | 31 << 12, 1ull << 32 | 1 << 10 | 1}, /* a range */
		{0x13, 0x1000},						  /* TLBI_NH_VAA */
		{0x40 | sid, 52},					  /* ATC_INV */
		{0x03 | sid, 1}, /* CFGI_STE: QEMU's to handle */
		{0x11, 0},
	};
	uint32_t done;

	if (invalidate(v, batch, 9, &done) || done != 9)
		err(1, "IOMMU_HWPT_INVALIDATE: %u of 9", done);
	fails_with(invalidate(v, batch, 11, &done), EIO, "CFGI_STE through the vIOMMU");
	if (done != 9)
		errx(1, "the batch came to %u, not to 9", done);
}

static void no_events(int fd)
{
	char buf[64];

	if (read(fd, buf, sizeof(buf)) > 0)
		errx(1, "an event, though nothing has happened");
}

static void cmdqv(struct vmm *v)
{
	struct iommu_viommu_tegra241_cmdqv data = {0};
	struct iommu_hw_info_tegra241_cmdqv info;
	struct iommu_hw_queue_alloc queue = {
		.size = sizeof(queue), .type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV, .length = 4096};
	struct iommu_destroy first = {.size = sizeof(first)};
	uint32_t queues[2], events;
	void *page;
	int fd;

	hw_info(v, IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, &info, sizeof(info));
	must(info.version == 1 && info.log2vcmdqs == 1 && info.log2vsids == 4,
	     "the CMDQV's parameters");
	first_device(v, IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, &data, sizeof(data));
	page = mmap(NULL, data.out_vintf_mmap_length, PROT_READ | PROT_WRITE, MAP_SHARED,
		    v->road.iommu, (off_t)data.out_vintf_mmap_offset);
	if (page == MAP_FAILED)
		err(1, "mapping the VINTF's page");
	fd = alloc_events(v, IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, &events);
	queue.viommu_id = v->viommu;
	for (unsigned int n = 0; n < 2; n++) {
		queue.index = n;
		queue.nesting_parent_iova = RAM_GPA + 0x200000 + n * 4096ull;
		if (ioctl(v->road.iommu, IOMMU_HW_QUEUE_ALLOC, &queue))
			err(1, "IOMMU_HW_QUEUE_ALLOC %u", n);
		queues[n] = queue.out_hw_queue_id;
	}
	configure_stream(v);
	commands(v);
	no_events(fd);
	first.id = queues[0];
	fails_with(ioctl(v->road.iommu, IOMMU_DESTROY, &first), EBUSY,
		   "destroying queue 0 before queue 1");
	must_attach(v, v->abort, "the abort stream");
	destroy(v, queues[1]);
	destroy(v, queues[0]);
	munmap(page, data.out_vintf_mmap_length);
	close(fd);
	destroy(v, events);
}

static void plain(struct vmm *v)
{
	uint32_t events;
	int fd;

	first_device(v, IOMMU_VIOMMU_TYPE_ARM_SMMUV3, NULL, 0);
	fd = alloc_events(v, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, &events);
	configure_stream(v);
	commands(v);
	no_events(fd);
	/* The guest clears STE.V, or sets GBPA.ABORT. */
	must_attach(v, v->abort, "the abort stream");
	close(fd);
	destroy(v, events);
}

int main(int argc, char **argv)
{
	static const struct road_match any = {.vendor = 0x8086, .device = 0x2021};
	bool tegra = argc > 1 && !strcmp(argv[1], "--cmdqv");
	struct vmm v = {{{0}}};

	road_open(&v.road, true, NULL, &any);
	open_vm(&v);
	if (tegra)
		cmdqv(&v);
	else
		plain(&v);
	destroy(&v, v.nested);
	destroy(&v, v.vdevice);
	must_attach(&v, v.parent, "the nest parent again");
	destroy(&v, v.abort);
	destroy(&v, v.bypass);
	destroy(&v, v.viommu);
	must_attach(&v, v.road.ioas, "the IOAS");
	destroy(&v, v.parent);
	road_close(&v.road);
	printf("QEMU's calls for arm-smmuv3,accel=on%s: all answered as it needs\n",
	       tegra ? ",cmdqv=on" : "");
	return 0;
}
