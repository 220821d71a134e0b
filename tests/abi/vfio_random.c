/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random scripts of MAP_DMA and UNMAP_DMA against a model that is an array of pages: type1, type1v2,
 * and an iommufd in the container's place with either type. Sections 9.5, 11.1 to 11.3.
 *
 * With --compat /dev/vfio/vfio is an iommufd: then that is what stands in, and not /dev/iommu.
 */
#include "vfio_fixture.h"

#include <sys/mman.h>

#define BASE	0x100000ull
#define PAGES	64u
#define SCRIPTS 12
#define STEPS	400

enum kind { TYPE1, TYPE1V2, COMPAT_TYPE1, COMPAT_TYPE1V2 };

static const char *const names[] = { "type1", "type1v2", "compat TYPE1", "compat TYPE1v2" };

/* owner[n]: the mapping that page n belongs to, 0 for none. Numbers are never used twice. */
struct model {
	enum kind kind;
	uint32_t owner[PAGES];
	uint32_t last;
};

static int fd;
static char *memory;

static uint32_t seed;

/* A number below n. Its own generator: a script must be the same everywhere. */
static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint64_t)seed * n >> 32;
}

static int model_map(struct model *m, uint32_t at, uint32_t n)
{
	for (uint32_t i = at; i < at + n; i++)
		if (m->owner[i])
			return EEXIST;
	m->last++;
	for (uint32_t i = at; i < at + n; i++)
		m->owner[i] = m->last;
	return 0;
}

/* Whether page I and the one before it belong to one mapping; so too for what lies outside. */
static bool joined(const struct model *m, uint32_t i)
{
	return i > 0 && i < PAGES && m->owner[i] && m->owner[i] == m->owner[i - 1];
}

/* Takes the whole mapping that page I belongs to; how many pages that was. */
static uint32_t model_take(struct model *m, uint32_t i)
{
	uint32_t id = m->owner[i], n = 0;

	for (i = 0; i < PAGES; i++) {
		if (m->owner[i] == id) {
			m->owner[i] = 0;
			n++;
		}
	}
	return n;
}

static int unmap_v2(struct model *m, uint32_t at, uint32_t end, uint32_t *n)
{
	if (joined(m, at) || joined(m, end))
		return EINVAL;
	for (uint32_t i = at; i < end; i++)
		if (m->owner[i])
			*n += model_take(m, i);
	return 0;
}

/* Mappings go whole, up to the first that began before the range: it ends the call. */
static int unmap_v1(struct model *m, uint32_t at, uint32_t end, uint32_t *n)
{
	if (joined(m, at))
		return 0;
	for (uint32_t i = at; i < end; i++)
		if (m->owner[i])
			*n += model_take(m, i);
	return 0;
}

/* Pages go one by one; what is left of a mapping is two. */
static int unmap_cut(struct model *m, uint32_t at, uint32_t end, uint32_t *n)
{
	bool split = joined(m, end);

	for (uint32_t i = at; i < end; i++) {
		*n += !!m->owner[i];
		m->owner[i] = 0;
	}
	if (split) {
		uint32_t id = m->owner[end];

		m->last++;
		for (uint32_t i = end; i < PAGES && m->owner[i] == id; i++)
			m->owner[i] = m->last;
	}
	return 0;
}

/* Areas go in ascending order, up to the first that lies only partly in the range. */
static int unmap_whole(struct model *m, uint32_t at, uint32_t end, uint32_t *n)
{
	if (joined(m, at))
		return ENOENT;
	for (uint32_t i = at; i < end; i++) {
		if (!m->owner[i])
			continue;
		if (joined(m, end) && m->owner[i] == m->owner[end])
			return ENOENT;
		*n += model_take(m, i);
	}
	return 0;
}

static int model_unmap(struct model *m, uint32_t at, uint32_t len, uint32_t *n)
{
	*n = 0;
	switch (m->kind) {
	case TYPE1:
		return unmap_v1(m, at, at + len, n);
	case TYPE1V2:
		return unmap_v2(m, at, at + len, n);
	case COMPAT_TYPE1:
		return unmap_cut(m, at, at + len, n);
	default:
		return unmap_whole(m, at, at + len, n);
	}
}

static bool is_compat(const struct model *m)
{
	return m->kind >= COMPAT_TYPE1;
}

static uint32_t mapped(const struct model *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PAGES; i++)
		n += !!m->owner[i];
	return n;
}

/* Every page of the space is what the model says. */
static bool compare(const struct model *m)
{
	for (uint32_t i = 0; i < PAGES; i++) {
		uint64_t iova = BASE + i * PAGE;
		int err = type1_map(fd, iova, memory, PAGE);

		if (!abi_true(err == (m->owner[i] ? EEXIST : 0), "page %u: %s", i,
			      abi_errno_name(err)))
			return false;
		if (!err && !abi_errno(type1_unmap(fd, iova, PAGE, NULL), 0))
			return false;
	}
	return true;
}

static bool map_step(struct model *m)
{
	uint32_t at = below(PAGES), n = 1 + below(8);
	int err, want;

	n = n < PAGES - at ? n : PAGES - at;
	want = model_map(m, at, n);
	err = type1_map(fd, BASE + at * PAGE, memory + at * PAGE, n * PAGE);
	return abi_true(err == want, "map %u pages at %u: %s, want %s", n, at, abi_errno_name(err),
			abi_errno_name(want));
}

static bool unmap_step(struct model *m)
{
	uint32_t at = below(PAGES), len = 1 + below(below(4) ? 8 : PAGES), n;
	uint64_t bytes;
	int err, want;

	len = len < PAGES - at ? len : PAGES - at;
	want = model_unmap(m, at, len, &n);
	err = type1_unmap(fd, BASE + at * PAGE, len * PAGE, &bytes);
	/* type1 leaves the size alone on error; an iommufd tells what has gone. */
	if (want && !is_compat(m))
		n = len;
	return abi_true(err == want && bytes == n * PAGE,
			"unmap %u pages at %u: %s and %ju pages, want %s and %u", len, at,
			abi_errno_name(err), (uintmax_t)(bytes / PAGE), abi_errno_name(want), n);
}

static bool run_script(struct model *m)
{
	for (int step = 0; step < STEPS; step++) {
		uint32_t what = below(100);

		if (what < 60 ? !map_step(m) : what < 99 && !unmap_step(m))
			return abi_true(false, "in step %d", step);
		if (what == 99) {
			if (!abi_equal(type1_empty(fd), mapped(m) * PAGE))
				return false;
			memset(m->owner, 0, sizeof(m->owner));
		}
		if (step % 50 == 49 && !compare(m))
			return abi_true(false, "after step %d", step);
	}
	return true;
}

static void scripts(enum kind kind)
{
	for (uint32_t i = 1; i <= SCRIPTS; i++) {
		struct model m = { .kind = kind };

		if (!abi_row(kind >= COMPAT_TYPE1 ? "9.5" : "11.3 T1U T1M", "%s: script %u",
			     names[kind], i))
			continue;
		seed = i;
		run_script(&m);
		abi_equal(type1_empty(fd), mapped(&m) * PAGE);
	}
}

static void legacy(enum kind kind)
{
	struct vfio v;

	vfio_open(&v, kind == TYPE1 ? ROAD_TYPE1 : ROAD_TYPE1V2, vfio_any());
	fd = v.container;
	if (!vfio_is_iommufd(fd))
		scripts(kind);
	vfio_close(&v);
}

static const char *node = "/dev/iommu";

static void compat(enum kind kind)
{
	const struct vfio_id *id = vfio_any();
	int group, device, err;

	if (!id)
		abi_cannot_run("no device is bound to vfio-pci");
	fd = open_node(node);
	if (!vfio_is_iommufd(fd))
		abi_cannot_run("%s is not an iommufd here", node);
	group = open_node(id->group);
	err = group_join(group, fd);
	if (!err)
		err = group_device(group, id->bdf, &device);
	if (err)
		abi_broken("%s behind %s: %s", id->bdf, node, strerror(err));
	if (ioctl(fd, VFIO_SET_IOMMU, kind == COMPAT_TYPE1 ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU))
		abi_broken("SET_IOMMU: %s", strerror(errno));
	scripts(kind);
	close(device);
	close(group);
	close(fd);
}

static void type1(void)
{
	legacy(TYPE1);
}

static void type1v2(void)
{
	legacy(TYPE1V2);
}

static void compat_type1(void)
{
	compat(COMPAT_TYPE1);
}

static void compat_type1v2(void)
{
	compat(COMPAT_TYPE1V2);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(type1v2), ABI_PART(type1), ABI_PART(compat_type1v2),
		ABI_PART(compat_type1),
	};

	if (argc > 1 && !strcmp(argv[1], "--compat")) {
		node = "/dev/vfio/vfio";
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	memory = shared_pages(PAGES * PAGE);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
