/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vfio-pci device says of itself: GET_INFO, GET_REGION_INFO, GET_IRQ_INFO; section 13.6. */
#include "vfio_fixture.h"

#define NR_REGIONS VFIO_PCI_NUM_REGIONS
#define NR_IRQS	   VFIO_PCI_NUM_IRQS
#define CLASS_VGA  0x0300u

static struct vfio v;

static int get_info(void *arg)
{
	return abi_ioctl(v.device, VFIO_DEVICE_GET_INFO, arg);
}

static int get_region(void *arg)
{
	return abi_ioctl(v.device, VFIO_DEVICE_GET_REGION_INFO, arg);
}

static int get_irq(void *arg)
{
	return abi_ioctl(v.device, VFIO_DEVICE_GET_IRQ_INFO, arg);
}

/* A chain within `len` bytes, each capability behind the one before it. */
static void chain_is_sane(void *info, uint32_t at, uint32_t len)
{
	while (at) {
		struct vfio_info_cap_header *cap = (void *)((char *)info + at);

		if (!abi_true(at % 8 == 0 && at + sizeof(*cap) <= len, "capability at %u", at))
			return;
		if (!abi_true(!cap->next || cap->next > at, "the chain turns back at %u", at))
			return;
		at = cap->next;
	}
}

static void info_argument(void)
{
	struct vfio_device_info info = { .argsz = 15, .flags = 0x55 }, *at;
	void *page;

	if (abi_row("13.6.GET_INFO", "EFAULT")) {
		abi_errno(get_info(NULL), EFAULT);
		abi_errno(get_info(abi_at_the_edge(&info, 15)), EFAULT);
		info.argsz = 16;
		page = abi_read_only(&info, sizeof(info));
		abi_errno(get_info(page), EFAULT);
		abi_read_only_put(page);
	}
	if (abi_row("13.6.GET_INFO", "argsz")) {
		info.argsz = 15;
		abi_errno(get_info(&info), EINVAL);
		abi_equal(info.argsz, 15);
		abi_equal(info.flags, 0x55);
	}
	if (abi_row("13.6.GET_INFO", "the smallest argsz: nothing is written behind it")) {
		info.argsz = 16;
		at = abi_at_the_edge(&info, 16);
		abi_errno(get_info(at), 0);
		abi_equal(at->num_regions, NR_REGIONS);
		abi_equal(at->num_irqs, NR_IRQS);
	}
}

static void info_content(void)
{
	struct vfio_device_info head = { .argsz = sizeof(head), .cap_offset = 77 }, *info;
	bool caps;

	if (!abi_row("13.6.GET_INFO", "%s", v.id->bdf))
		return;
	abi_errno(get_info(&head), 0);
	caps = head.flags & VFIO_DEVICE_FLAGS_CAPS;
	abi_equal(head.num_regions, NR_REGIONS);
	abi_equal(head.num_irqs, NR_IRQS);
	abi_equal(head.flags & ~(VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_CAPS),
		  VFIO_DEVICE_FLAGS_PCI);
	abi_equal(head.cap_offset, 0);
	abi_equal(head.argsz > sizeof(head), caps);
	if (!caps)
		return;
	info = calloc(1, head.argsz);
	info->argsz = head.argsz;
	abi_errno(get_info(info), 0);
	abi_equal(info->argsz, head.argsz);
	abi_equal(info->cap_offset, sizeof(*info));
	chain_is_sane(info, info->cap_offset, head.argsz);
	free(info);
}

static void reset(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	bool can;

	if (!abi_row("13.6.RESET", "%s", v.id->bdf))
		return;
	get_info(&info);
	can = info.flags & VFIO_DEVICE_FLAGS_RESET;
	pci_set_command(v.device, command);
	abi_errno(abi_ioctl(v.device, VFIO_DEVICE_RESET, NULL), can ? 0 : EINVAL);
	/* Linux puts configuration space back as it was. */
	abi_equal(pci_command(v.device) & command, command);
	abi_errno(abi_ioctl(v.device, VFIO_DEVICE_RESET, (void *)4711), can ? 0 : EINVAL);
}

static void region_argument(void)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 7 };
	void *page;

	if (abi_row("13.6.GET_REGION_INFO", "EFAULT")) {
		abi_errno(get_region(NULL), EFAULT);
		abi_errno(get_region(abi_at_the_edge(&info, 31)), EFAULT);
		abi_errno(get_region(abi_at_the_edge(&info, 32)), 0);
		page = abi_read_only(&info, sizeof(info));
		abi_errno(get_region(page), EFAULT);
		abi_read_only_put(page);
	}
	if (abi_row("13.6.GET_REGION_INFO", "argsz")) {
		info.argsz = 31;
		abi_errno(get_region(&info), EINVAL);
	}
	if (abi_row("13.6.GET_REGION_INFO", "index out of range")) {
		static const uint32_t bad[] = { NR_REGIONS, NR_REGIONS + 1, 0x7fffffff, ~0u };

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			info = (struct vfio_region_info){ .argsz = sizeof(info), .index = bad[i] };
			abi_errno(get_region(&info), EINVAL);
		}
	}
	if (abi_row("13.6.GET_REGION_INFO", "argsz before index")) {
		info = (struct vfio_region_info){ .argsz = 31, .index = 99 };
		abi_errno(get_region(&info), EINVAL);
	}
	if (abi_row("13.6.GET_REGION_INFO", "VGA on what is none")) {
		info = (struct vfio_region_info){ .argsz = sizeof(info),
						  .index = VFIO_PCI_VGA_REGION_INDEX };
		abi_errno(get_region(&info), v.id->class >> 8 == CLASS_VGA ? 0 : EINVAL);
	}
}

static int msix_bar(void)
{
	unsigned int cap = pci_capability(v.device, PCI_CAP_ID_MSIX);

	return cap ? (int)(config_read(v.device, cap + 4, 4) & 7) : -1;
}

/* Every byte of the area list lies in the BAR, ascending, page by page. */
static void sparse_is_sane(const struct vfio_region_info_cap_sparse_mmap *sparse, uint64_t size)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < sparse->nr_areas; i++) {
		const struct vfio_region_sparse_mmap_area *area = &sparse->areas[i];

		abi_true(area->offset >= end && area->offset + area->size <= size &&
			 !((area->offset | area->size) & (PAGE - 1)), "area %u", i);
		end = area->offset + area->size;
	}
}

static void bar_caps(const struct vfio_region_info *head)
{
	struct vfio_region_info *info;
	void *sparse;

	abi_true(head->argsz > sizeof(*head), "argsz is %u", head->argsz);
	abi_equal(head->cap_offset, 0);
	info = calloc(1, head->argsz);
	info->argsz = head->argsz;
	info->index = head->index;
	abi_errno(get_region(info), 0);
	abi_equal(info->argsz, head->argsz);
	abi_equal(info->cap_offset, sizeof(*info));
	chain_is_sane(info, info->cap_offset, head->argsz);
	sparse = info_cap(info, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	if (sparse)
		sparse_is_sane(sparse, info->size);
	if ((int)head->index == msix_bar())
		abi_true(sparse || info_cap(info, info->cap_offset,
					    VFIO_REGION_INFO_CAP_MSIX_MAPPABLE),
			 "the MSI-X table's BAR has neither capability");
	free(info);
}

static void bar_content(uint32_t index)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	abi_errno(get_region(&info), 0);
	abi_equal(info.offset, (uint64_t)index << 40);
	if (!info.size) {
		abi_equal(info.flags, 0);
		abi_equal(info.argsz, sizeof(info));
		return;
	}
	abi_equal(info.size & (info.size - 1), 0);
	abi_equal(info.flags & rw, rw);
	if ((int)index == msix_bar() && info.flags & VFIO_REGION_INFO_FLAG_MMAP)
		abi_true(info.flags & VFIO_REGION_INFO_FLAG_CAPS,
			 "the MSI-X table's BAR has no capabilities");
	if (info.flags & VFIO_REGION_INFO_FLAG_CAPS)
		bar_caps(&info);
	else
		abi_equal(info.argsz, sizeof(info));
}

static void regions(void)
{
	struct vfio_region_info info;

	for (uint32_t index = 0; index <= VFIO_PCI_BAR5_REGION_INDEX; index++)
		if (abi_row("13.6.GET_REGION_INFO", "%s BAR %u", v.id->bdf, index))
			bar_content(index);
	if (abi_row("13.6.GET_REGION_INFO", "%s ROM", v.id->bdf)) {
		info = region_info(v.device, VFIO_PCI_ROM_REGION_INDEX);
		abi_equal(info.offset, (uint64_t)VFIO_PCI_ROM_REGION_INDEX << 40);
		abi_equal(info.flags, info.size ? VFIO_REGION_INFO_FLAG_READ : 0);
	}
	if (abi_row("13.6.GET_REGION_INFO", "%s configuration space", v.id->bdf)) {
		info = region_info(v.device, VFIO_PCI_CONFIG_REGION_INDEX);
		abi_equal(info.offset, (uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40);
		abi_equal(info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
		/* A host that cannot reach the rest of it shows 256 bytes of a PCIe device too. */
		if (info.size != 256)
			abi_equal(info.size, pci_capability(v.device, PCI_CAP_ID_EXP) ? 4096 : 256);
	}
}

static void irq_argument(void)
{
	struct vfio_irq_info info = { .argsz = sizeof(info) };
	void *page;

	if (abi_row("13.6.GET_IRQ_INFO", "EFAULT")) {
		abi_errno(get_irq(NULL), EFAULT);
		abi_errno(get_irq(abi_at_the_edge(&info, 15)), EFAULT);
		abi_errno(get_irq(abi_at_the_edge(&info, 16)), 0);
		page = abi_read_only(&info, sizeof(info));
		abi_errno(get_irq(page), EFAULT);
		abi_read_only_put(page);
	}
	if (abi_row("13.6.GET_IRQ_INFO", "argsz")) {
		info.argsz = 15;
		abi_errno(get_irq(&info), EINVAL);
	}
	if (abi_row("13.6.GET_IRQ_INFO", "index out of range")) {
		for (uint32_t i = 0; i < 2; i++) {
			info = (struct vfio_irq_info){ .argsz = sizeof(info),
						       .index = i ? ~0u : NR_IRQS };
			abi_errno(get_irq(&info), EINVAL);
		}
	}
}

/* How many there are must be what configuration space says. */
static uint32_t expected_count(uint32_t index)
{
	unsigned int cap;

	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return !!config_read(v.device, 0x3d, 1);
	case VFIO_PCI_MSI_IRQ_INDEX:
		cap = pci_capability(v.device, PCI_CAP_ID_MSI);
		return cap ? 1u << ((config_read(v.device, cap + 2, 2) >> 1) & 7) : 0;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		cap = pci_capability(v.device, PCI_CAP_ID_MSIX);
		return cap ? (config_read(v.device, cap + 2, 2) & 0x7ff) + 1 : 0;
	case VFIO_PCI_ERR_IRQ_INDEX:
		return !!pci_capability(v.device, PCI_CAP_ID_EXP);
	default:
		return 1;
	}
}

static void irqs(void)
{
	const uint32_t intx = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED;

	for (uint32_t index = 0; index < NR_IRQS; index++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

		if (!abi_row("13.6.GET_IRQ_INFO", "%s index %u", v.id->bdf, index))
			continue;
		abi_errno(get_irq(&info), 0);
		abi_equal(info.count, expected_count(index));
		if (index == VFIO_PCI_INTX_IRQ_INDEX)
			abi_equal(info.flags, intx);
		else if (index == VFIO_PCI_MSIX_IRQ_INDEX) /* NORESIZE unless dynamic */
			abi_equal(info.flags & ~VFIO_IRQ_INFO_NORESIZE, VFIO_IRQ_INFO_EVENTFD);
		else
			abi_equal(info.flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
	}
}

static void unknown_commands(void)
{
	static const unsigned long commands[] = {
		VFIO_DEVICE_QUERY_GFX_PLANE, VFIO_DEVICE_GET_GFX_DMABUF, VFIO_GET_API_VERSION,
		VFIO_GROUP_GET_STATUS, VFIO_MIG_GET_PRECOPY_INFO, IOMMU_IOAS_ALLOC, _IO(';', 99),
		_IO('!', 107), 0x12345678,
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (abi_row("13.6.other", "%#lx", commands[i]))
			abi_errno(abi_ioctl(v.device, commands[i], NULL), ENOTTY);
}

static void on_road(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	info_argument();
	region_argument();
	irq_argument();
	unknown_commands();
	vfio_close(&v);
	for (unsigned int n = 0; vfio_nth(n); n++) {
		vfio_open(&v, road, vfio_nth(n));
		info_content();
		regions();
		irqs();
		reset();
		vfio_close(&v);
	}
}

static void by_group(void)
{
	on_road(ROAD_TYPE1V2);
}

static void by_cdev(void)
{
	on_road(ROAD_CDEV);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(by_group), ABI_PART(by_cdev) };

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
