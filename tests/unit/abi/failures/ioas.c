/* SPDX-License-Identifier: BSD-3-Clause */
/* IOAS: what it holds, who pays, and its options. */
#include "failures.h"

#include <ioas/abi/extensions.h>
#include <linux/capability.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

static void file_areas(struct scene *s)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd), .flags = FIXED_RW, .length = 4 * PAGE_SIZE};

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
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_RLIMIT_MODE,
				   .op = IOMMU_OPTION_OP_GET};

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

static long set_mode(struct scene *s)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_RLIMIT_MODE,
				   .op = IOMMU_OPTION_OP_SET,
				   .val64 = 1};

	s->b->caps |= 1ull << CAP_SYS_RESOURCE;
	return bed_ioctl(s->b, s->iommufd, IOMMU_OPTION, &cmd);
}

static void only_a_context(struct scene *s)
{
	s->iommufd = bed_open_iommufd(s->b);
}

static long vfio_ioas_set(struct scene *s)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd), .ioas_id = s->ioas[0], .op = IOMMU_VFIO_IOAS_SET};

	return bed_ioctl(s->b, s->iommufd, IOMMU_VFIO_IOAS, &cmd);
}

static long vfio_ioas_clear(struct scene *s)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_CLEAR};

	return bed_ioctl(s->b, s->iommufd, IOMMU_VFIO_IOAS, &cmd);
}

static long get_pa(struct scene *s)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.size = sizeof(cmd), .ioas_id = s->ioas[0], .iova = IOVA};

	return expect(bed_ioctl(s->b, s->iommufd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd), EOPNOTSUPP);
}

static void ioas_with_areas(struct scene *s)
{
	one_ioas(s);
	map_some(s);
}

static long destroy_ioas(struct scene *s)
{
	return destroy_cmd(s->b, s->iommufd, s->ioas[0]);
}

#define ELEMENTS 40 /* more than are copied at a time */

static long array_cmd(struct scene *s, unsigned int word, struct iommu_ioas_range *r, uint32_t n,
		      uint32_t *done)
{
	struct iommu_ioas_array cmd = {.size = sizeof(cmd),
				       .flags = word == IOMMU_IOAS_MAP_ARRAY ? FIXED_RW : 0,
				       .ioas_id = s->ioas[0],
				       .count = n,
				       .ranges = (uintptr_t)r};
	long rc = bed_ioctl(s->b, s->iommufd, word, &cmd);

	*done = cmd.done;
	return rc;
}

static void describe(struct scene *s, struct iommu_ioas_range *r)
{
	for (unsigned int i = 0; i < ELEMENTS; i++)
		r[i] = (struct iommu_ioas_range){(uintptr_t)s->b->arena + i * PAGE_SIZE, PAGE_SIZE,
						 2 * IOVA + i * 2 * PAGE_SIZE};
}

/* What came before the element that failed stays, and can be undone by what the call says. */
static long map_array(struct scene *s)
{
	struct iommu_ioas_range r[ELEMENTS];
	uint32_t done, undone;
	long rc;

	describe(s, r);
	rc = array_cmd(s, IOMMU_IOAS_MAP_ARRAY, r, ELEMENTS, &done);
	if (rc < 0) {
		assert_int_equal(array_cmd(s, IOMMU_IOAS_UNMAP_ARRAY, r, done, &undone), 0);
		assert_int_equal(undone, done);
	}
	return rc;
}

static void array_mapped(struct scene *s)
{
	struct iommu_ioas_range r[ELEMENTS];
	uint32_t done;

	attached(s);
	describe(s, r);
	assert_int_equal(array_cmd(s, IOMMU_IOAS_MAP_ARRAY, r, ELEMENTS, &done), 0);
}

static long unmap_array(struct scene *s)
{
	struct iommu_ioas_range r[ELEMENTS];
	uint32_t done;

	describe(s, r);
	return array_cmd(s, IOMMU_IOAS_UNMAP_ARRAY, r, ELEMENTS, &done);
}

static const struct failing cases[] = {
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
	{"OPTION RLIMIT_MODE, to another", only_a_context, set_mode, .stays = true, .none = true},
	{"VFIO_IOAS", compat, vfio_ioas, .none = true},
	{"VFIO_IOAS SET", one_ioas, vfio_ioas_set, .none = true},
	{"VFIO_IOAS CLEAR", compat, vfio_ioas_clear, .none = true},
	{"IOAS_NOIOMMU_GET_PA", one_ioas, get_pa, .none = true},
	{"DESTROY of an IOAS", ioas_with_areas, destroy_ioas, .none = true},
	/* Undone, it leaves empty tables that are kept for the next. */
	{"IOAS_MAP_ARRAY", attached, map_array, .stays = true, .but = {"tables: "}},
	{"IOAS_UNMAP_ARRAY", array_mapped, unmap_array, .stays = true, .none = true},
};

NOUN(failing_ioas, "IOAS");
