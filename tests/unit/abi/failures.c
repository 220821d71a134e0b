/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every command that allocates, with every allocation failing in turn; and every command, with every
 * copy from and to its caller failing in turn. A call that fails leaves everything as it was, but
 * for what the rules say stays, and works when it is made again.
 */
#include "bed.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fail.h"

/* A bed with what a case has set up in it; -1 and 0 stand for what it has not. */
struct scene {
	struct bed *b;
	int iommufd, container, group[2], dev[BED_DEVICES], file;
	uint32_t devid[BED_DEVICES], ioas[2], hwpt, fault;
	struct pages_seen {
		uint64_t areas, bytes, ranges, alignment;
		bool huge;
	} seen[2];
};

struct snapshot {
	uint64_t objects, next_id, locked[2];
	struct pages_seen space[2];
	struct {
		const void *owner, *hwpt, *file;
		unsigned int owners, attached, cdevs;
	} group[2];
	const void *opened[BED_DEVICES], *idev[BED_DEVICES];
	unsigned int files, eventfds, type1_avail, hosts;
};

static void look_at_space(struct iommufd *ctx, uint32_t id, struct pages_seen *out)
{
	struct object *obj = object_get(ctx, id, OBJECT_IOAS);
	struct space_stats stats;
	struct space *s;

	assert_non_null(obj);
	s = container_of(obj, struct ioas, obj)->space;
	space_get_stats(s, &stats);
	out->areas = stats.areas;
	out->bytes = stats.bytes;
	out->ranges = space_iova_ranges(s, NULL, 0, &out->alignment);
	out->huge = space_huge_pages(s);
	object_put(ctx, obj);
}

static void look_at_context(const struct scene *s, struct snapshot *out)
{
	struct iommufd *ctx = bed_ctx(s->b, s->iommufd);
	uint32_t id;

	out->objects = object_count(ctx);
	assert_int_equal(ids_reserve(&ctx->ids, &id), 0);
	ids_erase(&ctx->ids, id);
	out->next_id = id;
	for (unsigned int i = 0; i < 2; i++)
		if (s->ioas[i])
			look_at_space(ctx, s->ioas[i], &out->space[i]);
}

/* Mappings that type1 still grants; 0 while it is not there. */
static unsigned int type1_avail(const struct scene *s)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[512];
	} buf = {.info.argsz = sizeof(buf)};
	const struct vfio_info_cap_header *h;

	if (bed_ioctl(s->b, s->container, VFIO_IOMMU_GET_INFO, &buf))
		return 0;
	for (uint32_t at = buf.info.cap_offset; at; at = h->next) {
		h = (const void *)((const char *)&buf + at);
		if (h->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
			return ((const struct vfio_iommu_type1_info_dma_avail *)h)->avail;
	}
	return 0;
}

static void look(const struct scene *s, struct snapshot *out)
{
	struct bed *b = s->b;

	memset(out, 0, sizeof(*out));
	if (s->iommufd >= 0)
		look_at_context(s, out);
	if (s->container >= 0)
		out->type1_avail = type1_avail(s);
	for (unsigned int i = 0; i < 2; i++) {
		const struct host_group *g = b->slot[i]->group;

		out->group[i].owner = g->owner;
		out->group[i].hwpt = g->rid.hwpt;
		out->group[i].file = g->file;
		out->group[i].owners = g->owner_count;
		out->group[i].attached = g->rid.nr_members;
		out->group[i].cdevs = g->cdev_opens;
		out->locked[i] = memory_account_locked(b->accounts[i]);
	}
	for (unsigned int i = 0; i < BED_DEVICES; i++) {
		out->opened[i] = b->slot[i]->opened;
		out->idev[i] = b->slot[i]->idev;
	}
	out->files = bed_nr_files(b);
	out->eventfds = b->eventfds;
	out->hosts = b->host->refs;
}

/* ---- what stands before a call ---- */

static void nothing(struct scene *s)
{
}

static void one_ioas(struct scene *s)
{
	s->iommufd = bed_open_iommufd(s->b);
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[0]), 0);
}

static void unbound(struct scene *s)
{
	one_ioas(s);
	s->dev[0] = bed_open_cdev(s->b, 0);
}

static void bound(struct scene *s)
{
	unbound(s);
	assert_int_equal(bind_cmd(s->b, s->dev[0], s->iommufd, &s->devid[0]), 0);
}

static void map_some(struct scene *s)
{
	assert_int_equal(map_cmd(s->b, s->iommufd, s->ioas[0], IOVA, s->b->arena, ARENA_SIZE / 2, FIXED_RW), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(map_cmd(s->b, s->iommufd, s->ioas[0], 3 * IOVA + i * 2 * PAGE_SIZE,
					 s->b->arena + i * PAGE_SIZE, PAGE_SIZE, FIXED_RW),
				 0);
}

static void bound_with_areas(struct scene *s)
{
	bound(s);
	map_some(s);
}

static void attached(struct scene *s)
{
	uint32_t pt;

	bound(s);
	pt = s->ioas[0];
	assert_int_equal(attach_cmd(s->b, s->dev[0], &pt), 0);
}

static void attached_with_areas(struct scene *s)
{
	attached(s);
	map_some(s);
}

static void other_ioas(struct scene *s)
{
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[1]), 0);
	assert_int_equal(map_cmd(s->b, s->iommufd, s->ioas[1], IOVA, s->b->arena, ARENA_SIZE / 2, FIXED_RW), 0);
}

static void attached_and_other(struct scene *s)
{
	attached_with_areas(s);
	other_ioas(s);
}

static void pair_attached_and_other(struct scene *s)
{
	one_ioas(s);
	map_some(s);
	for (unsigned int i = 1; i < 3; i++) {
		uint32_t pt = s->ioas[0];

		s->dev[i] = bed_open_cdev(s->b, i);
		assert_int_equal(bind_cmd(s->b, s->dev[i], s->iommufd, &s->devid[i]), 0);
		assert_int_equal(attach_cmd(s->b, s->dev[i], &pt), 0);
	}
	other_ioas(s);
}

static void dirty_hwpt(struct scene *s)
{
	uint32_t pt;

	bound_with_areas(s);
	assert_int_equal(hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0], IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0,
				  &s->hwpt),
			 0);
	pt = s->hwpt;
	assert_int_equal(attach_cmd(s->b, s->dev[0], &pt), 0);
}

static void with_fault_queue(struct scene *s)
{
	bound_with_areas(s);
	assert_int_equal(fault_cmd(s->b, s->iommufd, &s->fault, &s->file), 0);
}

static void file_areas(struct scene *s)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd), .flags = FIXED_RW, .length = 4 * PAGE_SIZE};

	attached(s);
	cmd.ioas_id = s->ioas[0];
	cmd.fd = memfd_create("areas", MFD_CLOEXEC);
	assert_int_equal(ftruncate(cmd.fd, 4 * PAGE_SIZE), 0);
	for (unsigned int i = 0; i < 3; i++) {
		cmd.iova = IOVA + i * 8 * PAGE_SIZE;
		assert_int_equal(bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_MAP_FILE, &cmd), 0);
	}
	close(cmd.fd);
}

static void container_and_group(struct scene *s)
{
	s->container = bed_open_container(s->b);
	s->group[0] = bed_open_group(s->b, 0);
	s->group[1] = bed_open_group(s->b, 1);
}

static void group_joined(struct scene *s)
{
	container_and_group(s);
	assert_int_equal(group_set_cmd(s->b, s->group[0], s->container), 0);
}

static void type1(struct scene *s)
{
	group_joined(s);
	assert_int_equal(bed_ioctl(s->b, s->container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
}

static void type1_mapped(struct scene *s)
{
	type1(s);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(type1_map_cmd(s->b, s->container, IOVA + i * 0x20000, s->b->arena + i * 0x10000,
					       0x10000),
				 0);
}

static void type1_tracking(struct scene *s)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {.argsz = sizeof(cmd),
						    .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START};

	type1_mapped(s);
	assert_int_equal(bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd), 0);
}

static void type1_device(struct scene *s)
{
	type1(s);
	s->dev[0] = group_device_cmd(s->b, s->group[0], 0);
	assert_true(s->dev[0] >= 0);
}

static void compat(struct scene *s)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_GET};

	s->iommufd = bed_open_iommufd(s->b);
	s->group[0] = bed_open_group(s->b, 0);
	s->group[1] = bed_open_group(s->b, 1);
	assert_int_equal(group_set_cmd(s->b, s->group[0], s->iommufd), 0);
	assert_int_equal(bed_ioctl(s->b, s->iommufd, IOMMU_VFIO_IOAS, &cmd), 0);
	s->ioas[0] = cmd.ioas_id;
}

static void compat_device(struct scene *s)
{
	compat(s);
	assert_int_equal(bed_ioctl(s->b, s->iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	s->dev[0] = group_device_cmd(s->b, s->group[0], 0);
	assert_true(s->dev[0] >= 0);
	map_some(s);
}

/* ---- the calls ---- */

static long open_iommufd(struct scene *s)
{
	return bed_open_iommufd(s->b);
}

static long open_container(struct scene *s)
{
	return bed_open_container(s->b);
}

static long open_group(struct scene *s)
{
	return bed_open_group(s->b, 1);
}

static long open_cdev(struct scene *s)
{
	return bed_open_cdev(s->b, 0);
}

/* Enough that the id table has to grow on the way, and only the last may fail. */
static void many_objects(struct scene *s)
{
	uint32_t id = 0;

	s->iommufd = bed_open_iommufd(s->b);
	while (id % 64 != 63)
		assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &id), 0);
}

static long alloc_two(struct scene *s)
{
	uint32_t id;
	int rc = ioas_alloc_cmd(s->b, s->iommufd, &id);
	int rc2 = rc ? rc : ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[1]);

	if (!rc && rc2)
		assert_int_equal(destroy_cmd(s->b, s->iommufd, id), 0);
	return rc2;
}

static long alloc_ioas(struct scene *s)
{
	return ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[1]);
}

static long map_fixed(struct scene *s)
{
	return map_cmd(s->b, s->iommufd, s->ioas[0], 1ull << 38, s->b->arena, ARENA_SIZE, FIXED_RW);
}

static long map_automatic(struct scene *s)
{
	return map_cmd(s->b, s->iommufd, s->ioas[0], 0, s->b->arena + PAGE_SIZE, 5 * PAGE_SIZE, RW);
}

static long map_file(struct scene *s)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd),
					  .flags = FIXED_RW,
					  .ioas_id = s->ioas[0],
					  .length = 0x300000,
					  .iova = 1ull << 37};
	long rc;

	cmd.fd = memfd_create("mapped", MFD_CLOEXEC);
	assert_int_equal(ftruncate(cmd.fd, (off_t)cmd.length), 0);
	rc = bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_MAP_FILE, &cmd);
	close(cmd.fd);
	return rc;
}

static long copy_areas(struct scene *s)
{
	struct iommu_ioas_copy cmd = {.size = sizeof(cmd),
				      .flags = FIXED_RW,
				      .dst_ioas_id = s->ioas[1] ? s->ioas[1] : s->ioas[0],
				      .src_ioas_id = s->ioas[0],
				      .length = ARENA_SIZE / 4,
				      .dst_iova = 1ull << 36,
				      .src_iova = IOVA + PAGE_SIZE};

	return bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_COPY, &cmd);
}

static long unmap_all(struct scene *s)
{
	return unmap_cmd(s->b, s->iommufd, s->ioas[0], 0, UINT64_MAX);
}

static long unmap_one(struct scene *s)
{
	return unmap_cmd(s->b, s->iommufd, s->ioas[0], IOVA, ARENA_SIZE / 2);
}

static long allow(struct scene *s)
{
	struct iommu_iova_range ranges[100];
	struct iommu_ioas_allow_iovas cmd = {.size = sizeof(cmd),
					     .ioas_id = s->ioas[0],
					     .num_iovas = 100,
					     .allowed_iovas = (uintptr_t)ranges};

	for (unsigned int i = 0; i < 100; i++)
		ranges[i] = (struct iommu_iova_range){(i + 1) << 20, ((i + 1) << 20) + 0xffff};
	return bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static long iova_ranges(struct scene *s)
{
	struct iommu_iova_range ranges[8];
	struct iommu_ioas_iova_ranges cmd = {.size = sizeof(cmd),
					     .ioas_id = s->ioas[0],
					     .num_iovas = 8,
					     .allowed_iovas = (uintptr_t)ranges};

	return bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd);
}

static long small_pages(struct scene *s)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_HUGE_PAGES,
				   .op = IOMMU_OPTION_OP_SET,
				   .object_id = s->ioas[0]};

	return bed_ioctl(s->b, s->iommufd, IOMMU_OPTION, &cmd);
}

static long get_mode(struct scene *s)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd), .option_id = IOMMU_OPTION_RLIMIT_MODE, .op = IOMMU_OPTION_OP_GET};

	return bed_ioctl(s->b, s->iommufd, IOMMU_OPTION, &cmd);
}

static long change_process(struct scene *s)
{
	struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};

	return bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static long vfio_ioas(struct scene *s)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_GET};

	return bed_ioctl(s->b, s->iommufd, IOMMU_VFIO_IOAS, &cmd);
}

static long alloc_hwpt(struct scene *s)
{
	return hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0], 0, 0, &s->hwpt);
}

static long alloc_hwpt_with_fault(struct scene *s)
{
	return hwpt_cmd(s->b, s->iommufd, s->devid[0], s->ioas[0], IOMMU_HWPT_FAULT_ID_VALID, s->fault, &s->hwpt);
}

static long alloc_fault(struct scene *s)
{
	return fault_cmd(s->b, s->iommufd, &s->fault, &s->file);
}

static long hw_info(struct scene *s)
{
	uint8_t data[600];
	struct iommu_hw_info cmd = {.size = sizeof(cmd),
				    .dev_id = s->devid[0],
				    .data_len = sizeof(data),
				    .data_uptr = (uintptr_t)data};

	return bed_ioctl(s->b, s->iommufd, IOMMU_GET_HW_INFO, &cmd);
}

static long set_dirty(struct scene *s)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE, .hwpt_id = s->hwpt};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static long get_dirty(struct scene *s)
{
	uint64_t bitmap[ARENA_SIZE / PAGE_SIZE / 64] = {0};
	struct iommu_hwpt_get_dirty_bitmap cmd = {.size = sizeof(cmd),
						  .hwpt_id = s->hwpt,
						  .iova = IOVA,
						  .length = ARENA_SIZE / 2,
						  .page_size = PAGE_SIZE,
						  .data = (uintptr_t)bitmap};

	return bed_ioctl(s->b, s->iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static long bind_device(struct scene *s)
{
	return bind_cmd(s->b, s->dev[0], s->iommufd, &s->devid[0]);
}

static long attach_ioas(struct scene *s)
{
	uint32_t pt = s->ioas[0];

	return attach_cmd(s->b, s->dev[0], &pt);
}

static long replace_ioas(struct scene *s)
{
	uint32_t pt = s->ioas[1];

	return attach_cmd(s->b, s->dev[0], &pt);
}

static long replace_pair(struct scene *s)
{
	uint32_t pt = s->ioas[1];

	return attach_cmd(s->b, s->dev[2], &pt);
}

static long detach(struct scene *s)
{
	return detach_cmd(s->b, s->dev[0]);
}

static long set_container(struct scene *s)
{
	return group_set_cmd(s->b, s->group[0], s->container >= 0 ? s->container : s->iommufd);
}

static long set_second(struct scene *s)
{
	return group_set_cmd(s->b, s->group[1], s->container >= 0 ? s->container : s->iommufd);
}

static long set_iommu(struct scene *s)
{
	return bed_ioctl(s->b, s->container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
}

static long device_fd(struct scene *s)
{
	return group_device_cmd(s->b, s->group[0], 0);
}

static long group_status(struct scene *s)
{
	struct vfio_group_status cmd = {.argsz = sizeof(cmd)};

	return bed_ioctl(s->b, s->group[0], VFIO_GROUP_GET_STATUS, &cmd);
}

static long type1_map(struct scene *s)
{
	return type1_map_cmd(s->b, s->container, 1ull << 38, s->b->arena, ARENA_SIZE);
}

static long type1_unmap(struct scene *s)
{
	return type1_unmap_cmd(s->b, s->container, IOVA, 0x80000);
}

static long type1_info(struct scene *s)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[512];
	} buf = {.info.argsz = sizeof(buf)};

	return bed_ioctl(s->b, s->container >= 0 ? s->container : s->iommufd, VFIO_IOMMU_GET_INFO, &buf);
}

static long type1_start(struct scene *s)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {.argsz = sizeof(cmd),
						    .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static long type1_dirty(struct scene *s)
{
	uint64_t bitmap[16];
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} cmd = {{.argsz = sizeof(cmd), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP},
		 {.iova = IOVA,
		  .size = 0x80000,
		  .bitmap = {.pgsize = PAGE_SIZE, .size = sizeof(bitmap), .data = (void *)bitmap}}};

	return bed_ioctl(s->b, s->container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static long compat_map(struct scene *s)
{
	return type1_map_cmd(s->b, s->iommufd, 1ull << 38, s->b->arena, ARENA_SIZE / 2);
}

static long compat_cut(struct scene *s)
{
	return type1_unmap_cmd(s->b, s->iommufd, IOVA + 8 * PAGE_SIZE, 8 * PAGE_SIZE);
}

static long low_power(struct scene *s)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} cmd = {{.argsz = sizeof(cmd),
		  .flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP},
		 {.wakeup_eventfd = BED_EVENTFDS}};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_FEATURE, &cmd);
}

static long err_irq(struct scene *s)
{
	struct {
		struct vfio_irq_set head;
		int32_t fd;
	} cmd = {{.argsz = sizeof(cmd),
		  .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		  .index = VFIO_PCI_REQ_IRQ_INDEX,
		  .count = 1},
		 BED_EVENTFDS};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_SET_IRQS, &cmd);
}

static long ioeventfd(struct scene *s)
{
	struct vfio_device_ioeventfd cmd = {.argsz = sizeof(cmd),
					    .flags = VFIO_DEVICE_IOEVENTFD_32,
					    .offset = 16,
					    .data = 1,
					    .fd = BED_EVENTFDS};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_IOEVENTFD, &cmd);
}

static long region_info(struct scene *s)
{
	struct vfio_region_info cmd = {.argsz = sizeof(cmd)};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_GET_REGION_INFO, &cmd);
}

static long device_info(struct scene *s)
{
	struct vfio_device_info cmd = {.argsz = sizeof(cmd)};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_GET_INFO, &cmd);
}

static long hot_reset_info(struct scene *s)
{
	struct {
		struct vfio_pci_hot_reset_info head;
		struct vfio_pci_dependent_device devices[4];
	} cmd = {.head.argsz = sizeof(cmd)};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &cmd);
}

static long hot_reset(struct scene *s)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t fd;
	} cmd = {{.argsz = sizeof(cmd), .count = 1}, s->group[0]};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

struct failing {
	const char *name;
	void (*prepare)(struct scene *s);
	long (*call)(struct scene *s);
	bool stays; /* what a failed reply leaves behind: MAP.19, 1.4 */
	bool none;  /* allocates nothing */
	bool cuts;  /* the first cut stays when the second fails: the same bytes in more areas, as in Linux */
};

static const struct failing cases[] = {
	{"open /dev/iommu", nothing, open_iommufd},
	{"open /dev/vfio/vfio", nothing, open_container},
	{"open a group", nothing, open_group},
	{"open a cdev", nothing, open_cdev},
	{"IOAS_ALLOC", one_ioas, alloc_ioas},
	{"IOAS_ALLOC, the id table grows", many_objects, alloc_two},
	{"IOAS_MAP, no domain", one_ioas, map_fixed, .stays = true},
	{"IOAS_MAP, a domain", attached, map_fixed, .stays = true},
	{"IOAS_MAP, automatic", attached, map_automatic, .stays = true},
	{"IOAS_MAP_FILE", attached, map_file, .stays = true},
	{"IOAS_COPY", attached_with_areas, copy_areas, .stays = true},
	{"IOAS_COPY, to another", attached_and_other, copy_areas, .stays = true},
	{"IOAS_UNMAP, everything", attached_with_areas, unmap_all, .stays = true, .none = true},
	{"IOAS_UNMAP, an area", attached_with_areas, unmap_one, .stays = true, .none = true},
	{"IOAS_ALLOW_IOVAS", one_ioas, allow},
	{"IOAS_IOVA_RANGES", attached, iova_ranges},
	{"OPTION HUGE_PAGES", one_ioas, small_pages, .stays = true, .none = true},
	{"OPTION RLIMIT_MODE", one_ioas, get_mode, .none = true},
	{"IOAS_CHANGE_PROCESS", file_areas, change_process},
	{"VFIO_IOAS", compat, vfio_ioas, .none = true},
	{"HWPT_ALLOC", bound_with_areas, alloc_hwpt},
	{"HWPT_ALLOC with a fault queue", with_fault_queue, alloc_hwpt_with_fault},
	{"FAULT_QUEUE_ALLOC", one_ioas, alloc_fault},
	{"GET_HW_INFO", bound, hw_info, .none = true},
	{"HWPT_SET_DIRTY_TRACKING", dirty_hwpt, set_dirty, .none = true},
	{"HWPT_GET_DIRTY_BITMAP", dirty_hwpt, get_dirty, .none = true},
	{"BIND_IOMMUFD", unbound, bind_device},
	{"ATTACH an IOAS", bound_with_areas, attach_ioas},
	{"ATTACH, a replacement", attached_and_other, replace_ioas, .stays = true},
	{"ATTACH, a replacement of a pair", pair_attached_and_other, replace_pair, .stays = true},
	{"DETACH", attached_with_areas, detach, .none = true},
	{"SET_CONTAINER", container_and_group, set_container},
	{"SET_CONTAINER, of a second group", type1_mapped, set_second},
	{"SET_CONTAINER, an iommufd", compat, set_second, .none = true},
	{"SET_IOMMU", group_joined, set_iommu},
	{"GET_DEVICE_FD", type1, device_fd},
	{"GET_DEVICE_FD, an iommufd", compat, device_fd},
	{"GET_STATUS", type1, group_status, .none = true},
	{"MAP_DMA", type1_mapped, type1_map},
	{"UNMAP_DMA", type1_mapped, type1_unmap, .stays = true, .none = true},
	{"IOMMU_GET_INFO", type1, type1_info},
	{"DIRTY_PAGES START", type1_mapped, type1_start, .none = true},
	{"DIRTY_PAGES GET", type1_tracking, type1_dirty, .none = true},
	{"MAP_DMA, compat", compat_device, compat_map},
	{"UNMAP_DMA, compat, two cuts", compat_device, compat_cut, .stays = true, .cuts = true},
	{"IOMMU_GET_INFO, compat", compat_device, type1_info},
	{"FEATURE LOW_POWER", type1_device, low_power},
	{"SET_IRQS", type1_device, err_irq},
	{"IOEVENTFD", type1_device, ioeventfd},
	{"GET_REGION_INFO", type1_device, region_info, .none = true},
	{"GET_INFO", type1_device, device_info, .none = true},
	{"GET_PCI_HOT_RESET_INFO", type1_device, hot_reset_info, .none = true},
	{"PCI_HOT_RESET", type1_device, hot_reset},
};

static struct scene *scene_open(const struct failing *f, const char *iommu)
{
	struct scene *s = test_calloc(1, sizeof(*s));

	s->b = bed_create(&(struct bed_config){.iommu = iommu});
	s->iommufd = s->container = s->file = -1;
	memset(s->group, 0xff, sizeof(s->group));
	memset(s->dev, 0xff, sizeof(s->dev));
	f->prepare(s);
	return s;
}

static void scene_close(struct scene *s)
{
	bed_destroy(s->b);
	test_free(s);
}

/* The call failed as it must; @before is what it must have left. */
static void check_refused(struct scene *s, const struct failing *f, const struct snapshot *before, const char *what,
			  unsigned long n)
{
	struct snapshot after;
	long rc;

	look(s, &after);
	if (f->cuts)
		after.space[0].areas = before->space[0].areas;
	if (memcmp(before, &after, sizeof(after)))
		fail_msg("%s: %s %lu fails and something is left", f->name, what, n);
	rc = f->call(s);
	if (rc < 0)
		fail_msg("%s: after %s %lu failed it fails for good: %ld", f->name, what, n, rc);
}

static void sweep_allocations(const struct failing *f, const char *iommu)
{
	unsigned int failures = 0;

	for (FAIL_SWEEP) {
		struct scene *s = scene_open(f, iommu);
		struct snapshot before;
		long rc;

		look(s, &before);
		fail_nth(fail_i);
		rc = f->call(s);
		fail_more = fail_happened();
		if (rc < 0 && (rc != -ENOMEM || !fail_more))
			fail_msg("%s: allocation %lu: %ld", f->name, fail_i, rc);
		if (rc < 0)
			check_refused(s, f, &before, "allocation", fail_i);
		failures += rc < 0;
		scene_close(s);
	}
	if (!failures != f->none)
		fail_msg("%s: %u allocations failed", f->name, failures);
}

static void sweep_copies(const struct failing *f, const char *iommu)
{
	bool more = true;

	for (unsigned long n = 1; more; n++) {
		struct scene *s = scene_open(f, iommu);
		struct snapshot before;
		long rc;

		look(s, &before);
		bed_fail_copy(s->b, n);
		rc = f->call(s);
		more = bed_copy_failed(s->b);
		if (rc < 0 && (rc != -EFAULT || !more))
			fail_msg("%s: copy %lu: %ld", f->name, n, rc);
		/* Q4, Q27: a bitmap that cannot be written is not reported. */
		if (rc >= 0 && more && f->call != get_dirty)
			fail_msg("%s: copy %lu fails and nobody says so", f->name, n);
		if (rc < 0 && !f->stays)
			check_refused(s, f, &before, "copy", n);
		scene_close(s);
	}
}

static void allocations(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sweep_allocations(&cases[i], "vtd");
		sweep_allocations(&cases[i], "amd");
	}
}

static void copies(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		sweep_copies(&cases[i], "vtd");
}

static void whole_host(void **state)
{
	unsigned int failures = 0;

	for (FAIL_SWEEP) {
		struct bed *b;

		fail_nth(fail_i);
		b = bed_create(&(struct bed_config){.may_fail = true});
		fail_more = fail_happened();
		failures += !b;
		if (b)
			bed_destroy(b);
	}
	assert_true(failures > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations),
		cmocka_unit_test(copies),
		cmocka_unit_test(whole_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
