/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sanitizer behind the ABI: annotations, unmaps that fall short, what is left when a context is
 * closed, files that outlive theirs.
 */
#include "../abi/bed.h"

#include <stdio.h>

#include <ioas/abi/extensions.h>
#include <ioas/sanitize.h>

#include "dma/dma.h"
#include "observe/sanitize.h"

_Static_assert(sizeof(struct ioas_sanitize_request) == sizeof(struct iommu_sanitize) &&
		       offsetof(struct ioas_sanitize_request, ioas_id) ==
			       offsetof(struct iommu_sanitize, ioas_id) &&
		       offsetof(struct ioas_sanitize_request, iova) ==
			       offsetof(struct iommu_sanitize, iova) &&
		       offsetof(struct ioas_sanitize_request, length) ==
			       offsetof(struct iommu_sanitize, length) &&
		       IOAS_SANITIZE_REQUEST == IOMMU_SANITIZE &&
		       IOAS_SANITIZE_NOT_MEANT == IOMMU_SANITIZE_NOT_MEANT,
	       "the header that needs no other says the same");

struct rig {
	struct bed *b;
	struct sanitizer *s;
	struct dma_port port;
	int iommufd, dev;
	uint32_t ioas, devid;
	unsigned int n;
	struct finding last;
	char text[400];
};

static void on_report(void *arg, const struct finding *f)
{
	struct rig *r = arg;

	r->n++;
	r->last = *f;
	snprintf(r->text, sizeof(r->text), "%s", f->text);
}

#define assert_found(r, k)                                                                         \
	do {                                                                                       \
		if ((r)->n != 1 || (r)->last.kind != FINDING_##k)                                  \
			fail_msg("wanted one " #k ", got %u, %s: %s", (r)->n,                      \
				 finding_kind_name((r)->last.kind), (r)->text);                    \
		(r)->n = 0;                                                                        \
	} while (0)
#define assert_silent(r)                                                                           \
	do {                                                                                       \
		if ((r)->n)                                                                        \
			fail_msg("%s: %s", finding_kind_name((r)->last.kind), (r)->text);          \
	} while (0)

static struct rig *open_rig(bool container, bool leaks)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->b = bed_create(&(struct bed_config){.iommufd_container = container});
	assert_int_equal(
		sanitizer_create(r->b->host,
				 &(struct sanitizer_config){.sink = {.report = on_report, .arg = r},
							    .leaks = leaks},
				 &r->s),
		0);
	return r;
}

static void close_rig(struct rig *r)
{
	bed_destroy(r->b);
	sanitizer_destroy(r->s);
	free(r);
}

/* A cdev that is bound and attached to an IOAS, with a port of the test's own. */
static void attach(struct rig *r)
{
	uint32_t pt;

	r->iommufd = bed_open_iommufd(r->b);
	assert_int_equal(ioas_alloc_cmd(r->b, r->iommufd, &r->ioas), 0);
	r->dev = bed_open_cdev(r->b, 0);
	assert_int_equal(bind_cmd(r->b, r->dev, r->iommufd, &r->devid), 0);
	pt = r->ioas;
	assert_int_equal(attach_cmd(r->b, r->dev, &pt), 0);
	dma_port_init(&r->port, r->b->slot[0]->requester, r->b->host->memory);
	dma_set_bus_master(&r->port, true);
}

static int dma(struct rig *r, uint64_t iova, size_t len)
{
	static char buf[1 << 16];
	int rc;

	dma_begin(&r->port);
	rc = dma_write(&r->port, iova, buf, len);
	dma_end(&r->port);
	return rc;
}

static long declare(struct rig *r, int fd, uint32_t ioas, uint64_t iova, uint64_t len,
		    uint32_t flags)
{
	struct iommu_sanitize cmd = {
		.size = sizeof(cmd), .flags = flags, .ioas_id = ioas, .iova = iova, .length = len};

	return bed_ioctl(r->b, fd, IOMMU_SANITIZE, &cmd);
}

#define NOT IOMMU_SANITIZE_NOT_MEANT

static void test_declared(void **state)
{
	struct rig *r = open_rig(false, false);

	attach(r);
	assert_int_equal(map_cmd(r->b, r->iommufd, r->ioas, IOVA, r->b->arena, 0x4000, FIXED_RW),
			 0);
	assert_int_equal(dma(r, IOVA, 0x4000), 0);
	assert_int_equal(declare(r, r->iommufd, r->ioas, IOVA, 100, 0), 0);
	assert_int_equal(dma(r, IOVA, 100), 0);
	assert_silent(r);
	assert_int_equal(dma(r, IOVA, 101), 0);
	assert_found(r, DMA_IN_SLACK);
	assert_int_equal(r->last.iova, IOVA + 100);
	assert_int_equal(r->last.len, 1);
	assert_int_equal(r->last.va, (uintptr_t)r->b->arena + 100);
	assert_int_equal(dma(r, IOVA + 0x1000, 8), 0);
	assert_found(r, DMA_IN_SLACK);
	/* What touches is one. */
	assert_int_equal(declare(r, r->iommufd, r->ioas, IOVA + 100, 100, 0), 0);
	assert_int_equal(dma(r, IOVA + 50, 150), 0);
	assert_silent(r);
	assert_int_equal(declare(r, r->iommufd, r->ioas, IOVA + 60, 10, NOT), 0);
	assert_int_equal(dma(r, IOVA, 60), 0);
	assert_int_equal(dma(r, IOVA + 70, 130), 0);
	assert_silent(r);
	assert_int_equal(dma(r, IOVA + 50, 150), 0);
	assert_found(r, DMA_IN_SLACK);
	assert_int_equal(r->last.iova, IOVA + 60);
	assert_int_equal(r->last.len, 10);
	/* It goes with the mapping. */
	assert_int_equal(unmap_cmd(r->b, r->iommufd, r->ioas, IOVA, 0x4000), 0);
	assert_int_equal(map_cmd(r->b, r->iommufd, r->ioas, IOVA, r->b->arena, 0x4000, FIXED_RW),
			 0);
	assert_int_equal(dma(r, IOVA, 0x4000), 0);
	assert_silent(r);
	/* Nothing declared, and some taken away. */
	assert_int_equal(declare(r, r->iommufd, r->ioas, IOVA + 8, 8, NOT), 0);
	assert_int_equal(dma(r, IOVA, 8), 0);
	assert_int_equal(dma(r, IOVA + 16, 0x3ff0), 0);
	assert_silent(r);
	assert_int_equal(dma(r, IOVA, 0x4000), 0);
	assert_found(r, DMA_IN_SLACK);
	assert_int_equal(unmap_cmd(r->b, r->iommufd, r->ioas, IOVA, 0x4000), 0);
	close_rig(r);
}

static void test_declare_refused(void **state)
{
	struct rig *r = open_rig(false, false);
	struct iommu_sanitize cmd = {.size = sizeof(cmd) - 1, .length = 1};

	attach(r);
	assert_int_equal(declare(r, r->iommufd, r->ioas, IOVA, 100, 2), -EOPNOTSUPP);
	assert_int_equal(declare(r, r->iommufd, 77, IOVA, 100, 0), -ENOENT);
	assert_int_equal(declare(r, r->iommufd, 0, IOVA, 100, 0), -ENOENT);
	assert_int_equal(declare(r, r->iommufd, r->ioas, IOVA, 0, 0), -EINVAL);
	assert_int_equal(declare(r, r->iommufd, r->ioas, UINT64_MAX, 2, 0), -EOVERFLOW);
	assert_int_equal(declare(r, r->iommufd, r->ioas, UINT64_MAX, 1, 0), 0);
	assert_int_equal(bed_ioctl(r->b, r->iommufd, IOMMU_SANITIZE, &cmd), -EINVAL);
	close_rig(r);
}

/* Without a sanitizer the command does not exist, whatever it is given. */
static void test_declare_unknown(void **state)
{
	struct bed *b = bed_create(&(struct bed_config){0});
	struct iommu_sanitize cmd = {.size = sizeof(cmd), .length = 1};
	int fd = bed_open_iommufd(b);

	assert_int_equal(bed_ioctl(b, fd, IOMMU_SANITIZE, &cmd), -ENOTTY);
	cmd.size = 1;
	assert_int_equal(bed_ioctl(b, fd, IOMMU_SANITIZE, &cmd), -ENOTTY);
	bed_destroy(b);
}

static int open_type1(struct rig *r, int *group)
{
	int fd = bed_open_container(r->b);

	*group = bed_open_group(r->b, 0);
	assert_int_equal(group_set_cmd(r->b, *group, fd), 0);
	assert_int_equal(bed_ioctl(r->b, fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	dma_port_init(&r->port, r->b->slot[0]->requester, r->b->host->memory);
	dma_set_bus_master(&r->port, true);
	return fd;
}

static void test_container(void **state)
{
	struct rig *r = open_rig(false, false);
	int group, fd = open_type1(r, &group);

	assert_int_equal(type1_map_cmd(r->b, fd, IOVA, r->b->arena, 0x4000), 0);
	assert_int_equal(declare(r, fd, 1, IOVA, 100, 0), -ENOENT);
	assert_int_equal(declare(r, fd, 0, IOVA, 100, 0), 0);
	assert_int_equal(dma(r, IOVA, 100), 0);
	assert_silent(r);
	assert_int_equal(dma(r, IOVA, 101), 0);
	assert_found(r, DMA_IN_SLACK);
	assert_int_equal(type1_unmap_cmd(r->b, fd, IOVA, 0x4000), 0);
	/* The silent case: nothing there, and success. */
	assert_int_equal(type1_unmap_cmd(r->b, fd, IOVA, 0x4000), 0);
	assert_found(r, SHORT_UNMAP);
	assert_int_equal(r->last.iova, IOVA);
	assert_int_equal(r->last.len, 0x4000);
	/* The container is still open when its last group leaves. */
	assert_int_equal(type1_map_cmd(r->b, fd, IOVA, r->b->arena, 0x4000), 0);
	bed_close(r->b, group);
	assert_silent(r);
	bed_close(r->b, fd);
	assert_silent(r);
	close_rig(r);
}

/* A mapping whose VA is given up to outlive its process is not freed under the device. */
static void test_vaddr(void **state)
{
	struct rig *r = open_rig(false, false);
	struct vfio_iommu_type1_dma_unmap give_up = {
		.argsz = sizeof(give_up),
		.flags = VFIO_DMA_UNMAP_FLAG_VADDR,
		.iova = IOVA,
		.size = 0x4000,
	};
	struct vfio_iommu_type1_dma_map take = {
		.argsz = sizeof(take),
		.flags = VFIO_DMA_MAP_FLAG_VADDR,
		.vaddr = (uintptr_t)r->b->arena + 0x10000,
		.iova = IOVA,
		.size = 0x4000,
	};
	int group, fd = open_type1(r, &group);

	assert_int_equal(type1_map_cmd(r->b, fd, IOVA, r->b->arena, 0x4000), 0);
	assert_int_equal(bed_ioctl(r->b, fd, VFIO_IOMMU_UNMAP_DMA, &give_up), 0);
	memory_va_changed(r->b->host->memory, (uintptr_t)r->b->arena, 0x4000);
	assert_silent(r);
	assert_int_equal(bed_ioctl(r->b, fd, VFIO_IOMMU_MAP_DMA, &take), 0);
	memory_va_changed(r->b->host->memory, (uintptr_t)r->b->arena, 0x4000);
	assert_silent(r);
	memory_va_changed(r->b->host->memory, (uintptr_t)r->b->arena + 0x13000, 0x1000);
	assert_found(r, FREED_WHILE_MAPPED);
	assert_int_equal(r->last.iova, IOVA + 0x3000);
	assert_int_equal(type1_unmap_cmd(r->b, fd, IOVA, 0x4000), 0);
	close_rig(r);
}

/* A program that closes all and ends gives back what it has; one that goes on has lost it. */
static void live_on(struct rig *r)
{
	bed_close(r->b, bed_open_iommufd(r->b));
}

static void test_container_left(void **state)
{
	struct rig *r = open_rig(false, false);
	int group, fd = open_type1(r, &group);

	assert_int_equal(type1_map_cmd(r->b, fd, IOVA, r->b->arena, 0x4000), 0);
	bed_close(r->b, fd);
	live_on(r);
	assert_silent(r);
	bed_close(r->b, group);
	live_on(r);
	assert_found(r, LEAK_AT_CLOSE);
	assert_int_equal(r->last.len, 0x4000);
	assert_true(r->last.nearest.there);
	assert_false(r->last.other.there);
	close_rig(r);
}

/* Two mappings of two IOAS: one finding. */
static void test_leak_at_close(void **state)
{
	struct rig *r = open_rig(false, false);
	uint32_t other;

	attach(r);
	assert_int_equal(ioas_alloc_cmd(r->b, r->iommufd, &other), 0);
	assert_int_equal(map_cmd(r->b, r->iommufd, r->ioas, IOVA, r->b->arena, 0x4000, FIXED_RW),
			 0);
	assert_int_equal(map_cmd(r->b, r->iommufd, other, IOVA, r->b->arena, 0x1000, FIXED_RW), 0);
	bed_close(r->b, r->dev);
	bed_close(r->b, r->iommufd);
	assert_silent(r);
	live_on(r);
	assert_found(r, LEAK_AT_CLOSE);
	assert_int_equal(r->last.len, 0x5000);
	assert_int_equal(r->last.nearest.space_id, r->ioas);
	assert_int_equal(r->last.other.space_id, other);
	close_rig(r);
}

static void test_leak_at_exit(void **state)
{
	struct rig *r = open_rig(false, true);

	attach(r);
	assert_int_equal(map_cmd(r->b, r->iommufd, r->ioas, IOVA, r->b->arena, 0x4000, FIXED_RW),
			 0);
	sanitizer_exit(r->s);
	assert_found(r, LEAK_AT_EXIT);
	/* What the process's end closes is no leak. */
	bed_close(r->b, r->dev);
	bed_close(r->b, r->iommufd);
	assert_silent(r);
	close_rig(r);
}

static void get_info(struct rig *r)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};

	assert_int_equal(bed_ioctl(r->b, r->dev, VFIO_DEVICE_GET_INFO, &info), 0);
}

/* Closing in either order is nobody's bug; using a device whose iommufd is closed is. */
static void test_stray_device(void **state)
{
	struct rig *r = open_rig(false, false);

	attach(r);
	get_info(r);
	bed_close(r->b, r->iommufd);
	assert_int_equal(detach_cmd(r->b, r->dev), 0);
	assert_silent(r);
	get_info(r);
	assert_found(r, STRAY_FD);
	get_info(r);
	bed_close(r->b, r->dev);
	assert_silent(r);
	/* Another context, maybe at the same address. */
	attach(r);
	get_info(r);
	assert_silent(r);
	close_rig(r);
}

static void test_stray_queue(void **state)
{
	struct rig *r = open_rig(false, true);
	char buf[sizeof(struct iommu_hwpt_pgfault)];
	uint32_t id;
	int queue;

	r->iommufd = bed_open_iommufd(r->b);
	assert_int_equal(fault_cmd(r->b, r->iommufd, &id, &queue), 0);
	bed_read(r->b, queue, buf, sizeof(buf));
	bed_close(r->b, r->iommufd);
	assert_silent(r);
	bed_read(r->b, queue, buf, sizeof(buf));
	assert_found(r, STRAY_FD);
	bed_close(r->b, queue);
	r->iommufd = bed_open_iommufd(r->b);
	assert_int_equal(fault_cmd(r->b, r->iommufd, &id, &queue), 0);
	bed_close(r->b, r->iommufd);
	sanitizer_exit(r->s);
	assert_found(r, STRAY_FD);
	close_rig(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_declared),	cmocka_unit_test(test_declare_refused),
		cmocka_unit_test(test_declare_unknown), cmocka_unit_test(test_container),
		cmocka_unit_test(test_vaddr),		cmocka_unit_test(test_container_left),
		cmocka_unit_test(test_leak_at_close),	cmocka_unit_test(test_leak_at_exit),
		cmocka_unit_test(test_stray_device),	cmocka_unit_test(test_stray_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
