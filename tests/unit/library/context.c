/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The typed calls on the embedded engine: each once as a VMM would use it, and once refused.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/mock.h>
#include <ioas/abi/vfio.h>
#include <ioas/ioas.h>

#define PAGE 4096ul
#define LEN  (64 * PAGE)
#define IOVA 0x10000000ul

struct bed {
	struct ioas_context *c;
	struct ioas_port *port;
	uint32_t ioas, pt, dev_id;
	char *memory;
};

static void make_bed(struct bed *b, const char *iommu)
{
	const struct ioas_context_config cfg = {.iommu = iommu};

	*b = (struct bed){0};
	assert_int_equal(ioas_context_open(&cfg, &b->c), 0);
	b->memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(b->memory, MAP_FAILED);
	assert_int_equal(ioas_create(b->c, &b->ioas), 0);
}

static void add_port(struct bed *b)
{
	struct ioas_host *h = ioas_context_host(b->c);

	assert_int_equal(ioas_port_create(h, 0x42, &b->port), 0);
	assert_int_equal(ioas_port_bind(b->port, ioas_context_file(b->c), &b->dev_id), 0);
	b->pt = b->ioas;
	assert_int_equal(ioas_port_attach(b->port, &b->pt), 0);
}

static void drop_bed(struct bed *b)
{
	if (b->port)
		ioas_port_unbind(b->port);
	ioas_context_close(b->c);
	munmap(b->memory, LEN);
}

static int dma_write(struct bed *b, uint64_t iova, const void *src, size_t len)
{
	int rc;

	ioas_port_begin(b->port);
	rc = ioas_port_write(b->port, iova, src, len);
	ioas_port_end(b->port);
	return rc;
}

static void contexts(void **state)
{
	struct ioas_host_config none = {0};
	struct ioas_context *one, *two;
	struct ioas_host *h;

	assert_int_equal(ioas_context_open(NULL, &one), 0);
	assert_non_null(ioas_context_host(one));
	ioas_context_close(one);
	assert_int_equal(
		ioas_context_open(&(struct ioas_context_config){.iommu = "nonesuch"}, &one),
		-EINVAL);
	assert_int_equal(ioas_host_create(&none, &h, NULL, 0), 0);
	assert_int_equal(
		ioas_context_open(&(struct ioas_context_config){.host = h, .iommu = "amd"}, &one),
		-EINVAL);
	assert_int_equal(ioas_context_open(&(struct ioas_context_config){.host = h}, &one), 0);
	assert_int_equal(ioas_context_open(&(struct ioas_context_config){.host = h}, &two), 0);
	assert_ptr_equal(ioas_context_host(one), h);
	assert_int_not_equal(ioas_context_file(one), ioas_context_file(two));
	ioas_context_close(one);
	ioas_context_close(two);
	ioas_host_destroy(h);
}

static void mappings(void **state)
{
	uint64_t iova = IOVA, there = IOVA + 1, unmapped;
	struct ioas_source from;
	struct ioas_range r[8];
	uint32_t n = 8, other;
	struct bed b;

	make_bed(&b, "vtd");
	add_port(&b);
	assert_int_equal(ioas_map(b.c, b.ioas, b.memory, LEN, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova),
			 0);
	assert_int_equal(ioas_map(b.c, b.ioas, b.memory, LEN, IOAS_MAP_RW | IOAS_MAP_FIXED, &there),
			 -EINVAL);
	assert_int_equal(ioas_map(b.c, b.ioas, b.memory, LEN, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova),
			 -EEXIST);
	assert_int_equal(ioas_map(b.c, 99, b.memory, LEN, IOAS_MAP_RW, &there), -ENOENT);
	assert_int_equal(dma_write(&b, IOVA + PAGE - 2, "abcd", 4), 0);
	assert_memory_equal(b.memory + PAGE - 2, "abcd", 4);

	assert_int_equal(ioas_create(b.c, &other), 0);
	from = (struct ioas_source){b.ioas, IOVA + PAGE, PAGE};
	there = 0;
	assert_int_equal(ioas_copy(b.c, other, &from, IOAS_MAP_READ, &there), 0);
	assert_int_not_equal(there, 0);
	from.iova = 0;
	assert_int_equal(ioas_copy(b.c, other, &from, IOAS_MAP_READ, &there), -ENOENT);
	assert_int_equal(ioas_destroy(b.c, other), 0);
	assert_int_equal(ioas_destroy(b.c, other), -ENOENT);
	assert_int_equal(ioas_destroy(b.c, b.ioas), -EBUSY);

	assert_int_equal(ioas_unmap(b.c, b.ioas, IOVA, PAGE, &unmapped), -ENOENT);
	assert_int_equal(unmapped, 0);
	assert_int_equal(ioas_unmap(b.c, b.ioas, 0, UINT64_MAX, &unmapped), 0);
	assert_int_equal(unmapped, LEN);
	assert_int_equal(dma_write(&b, IOVA, "abcd", 4), -EFAULT);

	assert_int_equal(ioas_get_ranges(b.c, b.ioas, r, &n, &there), 0);
	assert_in_range(n, 2, 8);
	assert_int_equal(there, PAGE);
	/* The window of interrupts is left out. */
	assert_int_equal(r[0].last, 0xfee00000 - 1);
	n = 1;
	assert_int_equal(ioas_get_ranges(b.c, b.ioas, r, &n, NULL), -EMSGSIZE);
	assert_in_range(n, 2, 8);
	r[0] = (struct ioas_range){0x7000000, 0x7ffffff};
	assert_int_equal(ioas_allow(b.c, b.ioas, r, 1), 0);
	assert_int_equal(ioas_map(b.c, b.ioas, b.memory, LEN, IOAS_MAP_RW, &iova), 0);
	assert_in_range(iova, r[0].start, r[0].last + 1 - LEN);
	r[0] = (struct ioas_range){0xfee00000, 0xfee00fff};
	assert_int_equal(ioas_allow(b.c, b.ioas, r, 1), -EADDRINUSE);
	drop_bed(&b);
}

static void files_outlive_their_mappings(void **state)
{
	int fd = memfd_create("guest", 0);
	uint64_t iova = IOVA;
	struct bed b;
	char back[4];

	make_bed(&b, "amd");
	add_port(&b);
	assert_int_equal(ftruncate(fd, LEN), 0);
	assert_int_equal(
		ioas_map_file(b.c, b.ioas, fd, PAGE, PAGE, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova), 0);
	assert_int_equal(ioas_map_file(b.c, b.ioas, -1, PAGE, PAGE, IOAS_MAP_RW, &iova), -EBADF);
	assert_int_equal(dma_write(&b, IOVA + 8, "wxyz", 4), 0);
	assert_int_equal(pread(fd, back, 4, PAGE + 8), 4);
	assert_memory_equal(back, "wxyz", 4);
	assert_int_equal(ioas_change_process(b.c), 0);
	close(fd);
	assert_int_equal(dma_write(&b, IOVA, "wxyz", 4), 0);
	drop_bed(&b);
}

static void options(void **state)
{
	struct bed b;
	uint64_t on;
	uint32_t id;

	make_bed(&b, NULL);
	assert_int_equal(ioas_get_option(b.c, IOAS_OPTION_HUGE_PAGES, b.ioas, &on), 0);
	assert_int_equal(on, 1);
	assert_int_equal(ioas_set_option(b.c, IOAS_OPTION_HUGE_PAGES, b.ioas, 0), 0);
	assert_int_equal(ioas_get_option(b.c, IOAS_OPTION_HUGE_PAGES, b.ioas, &on), 0);
	assert_int_equal(on, 0);
	assert_int_equal(ioas_set_option(b.c, IOAS_OPTION_HUGE_PAGES, b.ioas, 7), -EINVAL);
	assert_int_equal(ioas_get_option(b.c, IOAS_OPTION_RLIMIT_MODE, 0, &on), 0);
	assert_int_equal(on, 0);
	assert_int_equal(ioas_get_vfio_ioas(b.c, &id), -ENODEV);
	assert_int_equal(ioas_set_vfio_ioas(b.c, b.ioas), 0);
	assert_int_equal(ioas_get_vfio_ioas(b.c, &id), 0);
	assert_int_equal(id, b.ioas);
	assert_int_equal(ioas_clear_vfio_ioas(b.c), 0);
	assert_int_equal(ioas_get_vfio_ioas(b.c, &id), -ENODEV);
	drop_bed(&b);
}

static void dirty_pages(void **state)
{
	struct ioas_hwpt_config cfg = {.flags = IOAS_HWPT_DIRTY_TRACKING};
	uint64_t iova = IOVA, bitmap[1] = {0};
	struct ioas_dirty d = {IOVA, LEN, PAGE, IOAS_DIRTY_NO_CLEAR, bitmap};
	struct ioas_hw_info info = {0};
	uint32_t hwpt;
	struct bed b;

	make_bed(&b, "amd");
	add_port(&b);
	assert_int_equal(ioas_get_hw_info(b.c, b.dev_id, &info), 0);
	assert_int_equal(info.type, IOMMU_HW_INFO_TYPE_AMD);
	assert_int_equal(info.data_len, sizeof(struct iommu_hw_info_amd));
	assert_true(info.capabilities & IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_int_equal(ioas_get_hw_info(b.c, 99, &info), -ENOENT);

	cfg.dev_id = b.dev_id;
	cfg.pt_id = b.ioas;
	/* A leaf of each page's own. */
	assert_int_equal(ioas_set_option(b.c, IOAS_OPTION_HUGE_PAGES, b.ioas, 0), 0);
	assert_int_equal(ioas_hwpt_alloc(b.c, &cfg, &hwpt), 0);
	assert_int_equal(ioas_port_attach(b.port, &hwpt), 0);
	assert_int_equal(ioas_map(b.c, b.ioas, b.memory, LEN, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova),
			 0);
	assert_int_equal(ioas_hwpt_set_dirty_tracking(b.c, hwpt, true), 0);
	assert_int_equal(dma_write(&b, IOVA + 3 * PAGE, "x", 1), 0);
	assert_int_equal(dma_write(&b, IOVA + 9 * PAGE - 1, "xy", 2), 0);
	for (unsigned int i = 0; i < 2; i++) {
		bitmap[0] = 0;
		assert_int_equal(ioas_hwpt_get_dirty(b.c, hwpt, &d), 0);
		assert_int_equal(bitmap[0], 1 << 3 | 1 << 8 | 1 << 9);
		d.flags = 0;
	}
	bitmap[0] = 0;
	assert_int_equal(ioas_hwpt_get_dirty(b.c, hwpt, &d), 0);
	assert_int_equal(bitmap[0], 0);
	assert_int_equal(ioas_hwpt_set_dirty_tracking(b.c, hwpt, false), 0);
	assert_int_equal(ioas_hwpt_set_dirty_tracking(b.c, b.ioas, true), -ENOENT);
	drop_bed(&b);
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* The queue, the guest's table and its invalidations, on the make that tests bring. */
static void nested_tables_and_queues(void **state)
{
	struct iommu_hwpt_invalidate_selftest inv = {.flags = IOMMU_TEST_INVALIDATE_FLAG_ALL};
	struct iommu_hwpt_selftest data = {.iotlb = 0xbadbeef};
	struct iommu_viommu_selftest vdata = {.in_data = 5};
	struct iommu_test_cmd cmd = {.size = sizeof(cmd)};
	struct ioas_viommu_config vcfg = {
		.type = IOMMU_VIOMMU_TYPE_SELFTEST, .data_len = sizeof(vdata), .data = &vdata};
	struct ioas_hwpt_config cfg = {.flags = IOAS_HWPT_NEST_PARENT};
	uint32_t parent, nested, fault, viommu, vdev, veventq, n = 1, stdev, dev;
	int fault_file, event_file, pollable;
	struct iommu_hwpt_pgfault pf;
	struct bed b;
	void *region;

	make_bed(&b, "mock");
	cmd.op = IOMMU_TEST_OP_MOCK_DOMAIN;
	cmd.id = b.ioas;
	assert_int_equal(
		ioas_context_ioctl(b.c, ioas_context_file(b.c), IOMMU_TEST_CMD, (uintptr_t)&cmd),
		0);
	stdev = cmd.mock_domain.out_stdev_id;
	dev = cmd.mock_domain.out_idev_id;
	assert_int_equal(ioas_fault_queue_alloc(b.c, &fault, &fault_file), 0);
	cfg.dev_id = dev;
	cfg.pt_id = b.ioas;
	assert_int_equal(ioas_hwpt_alloc(b.c, &cfg, &parent), 0);
	cfg = (struct ioas_hwpt_config){.dev_id = dev,
					.pt_id = parent,
					.flags = IOAS_HWPT_FAULT_ID,
					.fault_id = fault,
					.data_type = IOMMU_HWPT_DATA_SELFTEST,
					.data_len = sizeof(data),
					.data = &data};
	assert_int_equal(ioas_hwpt_alloc(b.c, &cfg, &nested), 0);
	assert_int_equal(ioas_hwpt_invalidate(b.c, nested, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
					      &inv, sizeof(inv), &n),
			 0);
	assert_int_equal(n, 1);
	inv.flags = 0xffff;
	assert_int_equal(ioas_hwpt_invalidate(b.c, nested, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
					      &inv, sizeof(inv), &n),
			 -EOPNOTSUPP);
	assert_int_equal(n, 0);

	vcfg.dev_id = dev;
	vcfg.hwpt_id = parent;
	assert_int_equal(ioas_viommu_alloc(b.c, &vcfg, &viommu), 0);
	assert_int_equal(vdata.out_data, 5);
	assert_int_equal(ioas_file_map(b.c, ioas_context_file(b.c), vdata.out_mmap_offset,
				       vdata.out_mmap_length, &region),
			 0);
	assert_int_equal(*(uint32_t *)region, 5);
	munmap(region, vdata.out_mmap_length);
	assert_int_equal(ioas_file_map(b.c, ioas_context_file(b.c), 1ull << 40, PAGE, &region),
			 -ENXIO);
	assert_int_equal(ioas_file_map(b.c, fault_file, 0, PAGE, &region), -ENODEV);
	assert_int_equal(ioas_vdevice_alloc(b.c, viommu, dev, 0x99, &vdev), 0);
	assert_int_equal(ioas_vdevice_alloc(b.c, viommu, dev, 0x9a, &vdev), -EEXIST);
	assert_int_equal(ioas_veventq_alloc(b.c, viommu, IOMMU_VEVENTQ_TYPE_SELFTEST, 4, &veventq,
					    &event_file),
			 0);
	assert_int_equal(
		ioas_hw_queue_alloc(b.c, viommu,
				    &(struct ioas_hw_queue_config){.type = 77, .length = PAGE}, &n),
		-EOPNOTSUPP);

	pollable = ioas_file_poll_fd(b.c, event_file);
	assert_true(pollable >= 0);
	assert_int_equal(ioas_file_poll_fd(b.c, event_file), pollable);
	assert_false(is_readable(pollable));
	/* Events come from a device that is attached through the vIOMMU. */
	cfg.pt_id = viommu;
	assert_int_equal(ioas_hwpt_alloc(b.c, &cfg, &nested), 0);
	cmd = (struct iommu_test_cmd){
		.size = sizeof(cmd), .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, .id = stdev};
	cmd.mock_domain_replace.pt_id = nested;
	assert_int_equal(
		ioas_context_ioctl(b.c, ioas_context_file(b.c), IOMMU_TEST_CMD, (uintptr_t)&cmd),
		0);
	cmd = (struct iommu_test_cmd){.size = sizeof(cmd), .op = IOMMU_TEST_OP_TRIGGER_VEVENT};
	cmd.trigger_vevent.dev_id = dev;
	assert_int_equal(
		ioas_context_ioctl(b.c, ioas_context_file(b.c), IOMMU_TEST_CMD, (uintptr_t)&cmd),
		0);
	assert_true(is_readable(pollable));
	{
		struct {
			struct iommufd_vevent_header head;
			struct iommu_viommu_event_selftest event;
		} got;

		assert_int_equal(ioas_file_read(b.c, event_file, &got, sizeof(got)), sizeof(got));
		assert_int_equal(got.event.virt_id, 0x99);
		assert_int_equal(ioas_file_read(b.c, event_file, &got, sizeof(got)), 0);
	}
	assert_false(is_readable(pollable));
	assert_int_equal(ioas_file_read(b.c, fault_file, &pf, sizeof(pf)), 0);
	assert_int_equal(ioas_file_close(b.c, event_file), 0);
	assert_int_equal(ioas_file_close(b.c, fault_file), 0);
	assert_int_equal(ioas_file_close(b.c, fault_file), -EBADF);
	drop_bed(&b);
}

static void devices(void **state)
{
	struct ioas_device_info info;
	struct ioas_context *c;
	struct ioas_region r;
	struct ioas_irq irq;
	struct ioas_device *d;
	uint32_t pt, ioas, id;
	uint16_t vendor = 0;
	uint64_t out = 0;
	eventfd_t n = 0;
	void *mem;
	int fd;

	assert_int_equal(ioas_context_open(NULL, &c), 0);
	assert_int_equal(ioas_add_model(ioas_context_host(c), "ioat", 0x100, -1, NULL, 0), 0);
	assert_int_equal(ioas_device_open(c, "vfio7", NULL, &d), -ENOENT);
	assert_int_equal(ioas_device_open(c, "null", NULL, &d), -ENOENT);
	assert_int_equal(ioas_device_open(c, "/dev/vfio/devices/vfio0", NULL, &d), 0);
	ioas_device_close(d);
	assert_int_equal(ioas_device_open(c, "vfio0", NULL, &d), 0);
	assert_int_equal(ioas_create(c, &ioas), 0);
	pt = ioas;
	assert_int_equal(ioas_device_attach(d, &pt), 0);
	assert_int_not_equal(pt, ioas);
	assert_int_equal(ioas_destroy(c, ioas_device_id(d)), -EBUSY);
	pt = 99;
	assert_int_equal(ioas_device_attach(d, &pt), -ENOENT);

	assert_int_equal(ioas_device_get_info(d, &info), 0);
	assert_true(info.flags & VFIO_DEVICE_FLAGS_PCI);
	assert_int_equal(ioas_device_get_region(d, VFIO_PCI_BAR0_REGION_INDEX, &r), 0);
	assert_true(r.size > 0 && !(r.flags & VFIO_REGION_INFO_FLAG_MMAP));
	assert_int_equal(ioas_device_map(d, VFIO_PCI_BAR0_REGION_INDEX, 0, PAGE, &mem), -EINVAL);
	assert_int_equal(ioas_device_get_region(d, 99, &r), -EINVAL);
	assert_int_equal(ioas_device_read(d, VFIO_PCI_CONFIG_REGION_INDEX, 0, &vendor, 2), 2);
	assert_int_equal(vendor, 0x8086);
	assert_int_equal(ioas_device_read(d, VFIO_PCI_CONFIG_REGION_INDEX, 1 << 20, &vendor, 2),
			 -EINVAL);
	vendor = 6;
	assert_int_equal(ioas_device_write(d, VFIO_PCI_CONFIG_REGION_INDEX, 4, &vendor, 2), 2);
	assert_int_equal(ioas_device_reset(d), 0);

	assert_int_equal(ioas_device_get_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, &irq), 0);
	assert_true(irq.count >= 1);
	fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(ioas_device_set_irqs(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &fd), 0);
	assert_int_equal(ioas_device_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, IOAS_IRQ_TRIGGER, 0, 1), 0);
	assert_int_equal(eventfd_read(fd, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ioas_device_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, (enum ioas_irq_action)9, 0, 1),
			 -EINVAL);
	assert_int_equal(ioas_device_set_irqs(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL), 0);
	close(fd);
	assert_int_equal(ioas_device_feature(d, 99 | VFIO_DEVICE_FEATURE_PROBE, &out, sizeof(out)),
			 -ENOTTY);
	assert_int_equal(ioas_device_attach_pasid(d, 1, &(uint32_t){ioas}), -EINVAL);
	assert_int_equal(ioas_device_detach(d), 0);
	id = ioas_device_id(d);
	ioas_device_close(d);
	assert_int_equal(ioas_destroy(c, id), -ENOENT);
	assert_int_equal(ioas_destroy(c, ioas), 0);
	ioas_context_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts),
		cmocka_unit_test(mappings),
		cmocka_unit_test(files_outlive_their_mappings),
		cmocka_unit_test(options),
		cmocka_unit_test(dirty_pages),
		cmocka_unit_test(nested_tables_and_queues),
		cmocka_unit_test(devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
