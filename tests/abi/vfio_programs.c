/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways in which well-known programs call VFIO and iommufd, each from the first open to the last close, with I/O on an NVMe
 * device in between: libvfn (type1 and iommufd), the rust-vmm crates (Cloud Hypervisor, crosvm's kin), DPDK with SPDK's memory.
 * The data on the device is as it was before when all went well.
 */
#include "nvme_user.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

static const struct vfio_id *nvme;

#define SAVED 64 /* the page of the namespace that is written */

/* ---- what all do ---- */

static void pattern(void *va, size_t len, uint32_t seed)
{
	uint32_t *w = va;

	for (size_t i = 0; i < len / 4; i++)
		w[i] = seed = seed * 1664525 + 1013904223;
}

static bool is_pattern(const void *va, size_t len, uint32_t seed)
{
	const uint32_t *w = va;

	for (size_t i = 0; i < len / 4; i++)
		if (w[i] != (seed = seed * 1664525 + 1013904223))
			return false;
	return true;
}

/* A page goes to the device and comes back; what was there before is put back. Each page lies alone. */
static void write_and_read(struct nvme_user *u, const struct nvme_memory *data, const struct nvme_memory *saved)
{
	abi_equal(nvme_read_page(u, SAVED, saved), 0);
	for (uint32_t seed = 1; seed < 40; seed++) {
		pattern(data->va, PAGE, seed);
		abi_equal(nvme_write_page(u, SAVED, data), 0);
		memset(data->va, 0, PAGE);
		abi_equal(nvme_read_page(u, SAVED, data), 0);
		abi_true(is_pattern(data->va, PAGE, seed), "the data is not what was written");
	}
	abi_equal(nvme_write_page(u, SAVED, saved), 0);
}

static char *sysfs_group(const char *bdf, char *path, size_t len)
{
	char link[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		abi_broken("%s: %s", link, strerror(errno));
	target[n] = '\0';
	snprintf(path, len, "/dev/vfio/%.32s", strrchr(target, '/') + 1);
	return path;
}

static void *pages(size_t n)
{
	void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abi_broken("no memory");
	return p;
}

static void master_bus(int device, uint64_t config)
{
	uint16_t command;

	abi_equal(pread(device, &command, 2, (off_t)config + PCI_COMMAND), 2);
	command |= PCI_COMMAND_MASTER;
	abi_equal(pwrite(device, &command, 2, (off_t)config + PCI_COMMAND), 2);
}

/* Vectors 0 to n - 1 of @index, each with an eventfd of @fds. */
static int set_vectors(int device, uint32_t index, const int *fds, unsigned int n)
{
	const size_t len = sizeof(struct vfio_irq_set) + n * sizeof(int);
	struct vfio_irq_set *set = calloc(1, len);
	int err;

	set->argsz = (uint32_t)len;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = n;
	memcpy(set->data, fds, n * sizeof(int));
	err = abi_ioctl(device, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return err;
}

static int clear_vectors(int device, uint32_t index)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
				    .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
				    .index = index };

	return abi_ioctl(device, VFIO_DEVICE_SET_IRQS, &set);
}

static bool signalled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, 5000) == 1 && read(fd, &n, 8) == 8 && n;
}

/* ---- libvfn ---- */

/* Its IOVAs are handed out upwards from the first range, each buffer is a mapping of its own. */
struct vfn {
	int container, iommufd, device;
	uint32_t ioas;
	uint64_t next;
	struct { uint64_t start, last; } *ranges;
	unsigned int nr_ranges;
	struct vfio_region_info config, bars[6];
	struct vfio_irq_info irq;
	struct { uint64_t iova, len; } maps[16];
	unsigned int nr_maps;
};

static uint64_t vfn_reserve(struct vfn *v, size_t len)
{
	for (unsigned int i = 0; i < v->nr_ranges; i++) {
		uint64_t at = v->ranges[i].start > v->next ? v->ranges[i].start : v->next;

		if (v->ranges[i].last < at || v->ranges[i].last - at < len - 1)
			continue;
		v->next = at + len;
		return at;
	}
	abi_broken("no IOVA is left");
}

static struct nvme_memory vfn_map(struct vfn *v, size_t n)
{
	struct nvme_memory m = { .va = pages(n), .iova = vfn_reserve(v, n * PAGE) };
	struct iommu_ioas_map map = { .size = sizeof(map),
				      .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
					       IOMMU_IOAS_MAP_FIXED_IOVA,
				      .ioas_id = v->ioas,
				      .user_va = PTR(m.va),
				      .length = n * PAGE,
				      .iova = m.iova };

	abi_errno(v->iommufd < 0 ? type1_map(v->container, m.iova, m.va, n * PAGE)
				 : abi_ioctl(v->iommufd, IOMMU_IOAS_MAP, &map),
		  0);
	v->maps[v->nr_maps].iova = m.iova;
	v->maps[v->nr_maps++].len = n * PAGE;
	return m;
}

/* The header alone first; then what the kernel said it takes. */
static void vfn_type1_ranges(struct vfn *v)
{
	struct vfio_iommu_type1_info *info = type1_info(v->container);
	struct vfio_iommu_type1_info_cap_iova_range *cap =
		info_cap(info, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);

	abi_true(info->flags & VFIO_IOMMU_INFO_CAPS, "no capabilities");
	if (!cap)
		abi_broken("no IOVA ranges");
	v->nr_ranges = cap->nr_iovas;
	v->ranges = malloc(v->nr_ranges * sizeof(*v->ranges));
	memcpy(v->ranges, cap->iova_ranges, v->nr_ranges * sizeof(*v->ranges));
	free(info);
}

static void vfn_open_type1(struct vfn *v)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int group;

	*v = (struct vfn){ .iommufd = -1 };
	v->container = open_node("/dev/vfio/vfio");
	group = open_node(sysfs_group(nvme->bdf, path, sizeof(path)));
	abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS, &status), 0);
	abi_true(status.flags & VFIO_GROUP_FLAGS_VIABLE, "not viable");
	abi_errno(abi_ioctl(group, VFIO_GROUP_SET_CONTAINER, &v->container), 0);
	abi_equal(ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	vfn_type1_ranges(v);
	vfn_reserve(v, 0x10000); /* for short-lived mappings */
	abi_errno(group_device(group, nvme->bdf, &v->device), 0);
	/* It lives on through the device. */
	close(group);
}

static void vfn_open_iommufd(struct vfn *v)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_iova_ranges query = { .size = sizeof(query) };

	*v = (struct vfn){ .container = -1 };
	v->iommufd = bind.iommufd = open_node("/dev/iommu");
	v->device = open_node(nvme->cdev);
	abi_errno(abi_ioctl(v->device, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
	abi_errno(abi_ioctl(v->iommufd, IOMMU_IOAS_ALLOC, &alloc), 0);
	v->ioas = attach.pt_id = query.ioas_id = alloc.out_ioas_id;
	abi_errno(abi_ioctl(v->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), 0);
	abi_errno(abi_ioctl(v->iommufd, IOMMU_IOAS_IOVA_RANGES, &query), EMSGSIZE);
	v->nr_ranges = query.num_iovas;
	v->ranges = malloc(v->nr_ranges * sizeof(*v->ranges));
	query.allowed_iovas = PTR(v->ranges);
	abi_errno(abi_ioctl(v->iommufd, IOMMU_IOAS_IOVA_RANGES, &query), 0);
}

/* All regions are asked for before any is used; MSI-X, or else MSI, or else the pin. */
static void vfn_init_device(struct vfn *v)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int index = VFIO_PCI_MSIX_IRQ_INDEX;

	abi_errno(abi_ioctl(v->device, VFIO_DEVICE_GET_INFO, &info), 0);
	abi_true(info.flags & VFIO_DEVICE_FLAGS_PCI, "not PCI");
	v->config = region_info(v->device, VFIO_PCI_CONFIG_REGION_INDEX);
	for (uint32_t i = 0; i < 6; i++)
		v->bars[i] = region_info(v->device, i);
	master_bus(v->device, v->config.offset);
	do {
		v->irq = (struct vfio_irq_info){ .argsz = sizeof(v->irq), .index = (uint32_t)index-- };
		abi_errno(abi_ioctl(v->device, VFIO_DEVICE_GET_IRQ_INFO, &v->irq), 0);
	} while (!v->irq.count && index >= 0);
	abi_true(v->irq.count && (v->irq.flags & VFIO_IRQ_INFO_EVENTFD), "no interrupt");
	if (info.flags & VFIO_DEVICE_FLAGS_RESET)
		abi_errno(abi_ioctl(v->device, VFIO_DEVICE_RESET, NULL), 0);
}

static void *map_bar(const struct vfn *v, uint64_t off, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, v->device,
		       (off_t)(v->bars[0].offset + off));

	if (p == MAP_FAILED)
		abi_broken("BAR 0 at %#jx: %s", (uintmax_t)off, strerror(errno));
	return p;
}

/* A short-lived mapping beside those that stay: mapped, used once, taken away. */
static void vfn_ephemeral(struct vfn *v, struct nvme_user *u)
{
	struct nvme_memory m = vfn_map(v, 1);
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = v->ioas, .iova = m.iova, .length = PAGE };
	uint64_t bytes = 0;

	abi_equal(nvme_read_page(u, SAVED, &m), 0);
	if (v->iommufd < 0)
		abi_errno(type1_unmap(v->container, m.iova, PAGE, &bytes), 0);
	else
		abi_errno(abi_ioctl(v->iommufd, IOMMU_IOAS_UNMAP, &unmap), 0);
	abi_equal(v->iommufd < 0 ? bytes : unmap.length, PAGE);
	v->nr_maps--;
	munmap(m.va, PAGE);
}

static void vfn_close(struct vfn *v)
{
	for (unsigned int i = 0; i < v->nr_maps; i++) {
		struct iommu_ioas_unmap unmap = { .size = sizeof(unmap),
						  .ioas_id = v->ioas,
						  .iova = v->maps[i].iova,
						  .length = v->maps[i].len };

		if (v->iommufd >= 0)
			abi_errno(abi_ioctl(v->iommufd, IOMMU_IOAS_UNMAP, &unmap), 0);
	}
	if (v->iommufd < 0)
		type1_empty(v->container);
	close(v->device);
	close(v->iommufd < 0 ? v->container : v->iommufd);
	free(v->ranges);
}

static void vfn_run(struct vfn *v)
{
	struct nvme_user u = { 0 };
	struct nvme_memory data, saved;
	int fds[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };

	vfn_init_device(v);
	/* Registers and doorbells are two mappings of one BAR. */
	u.regs = map_bar(v, 0, 0x1000);
	u.bells = map_bar(v, NVME_DOORBELLS, 0x1000);
	for (unsigned int i = 0; i < 2; i++) {
		u.q[i].cq = vfn_map(v, 1);
		u.q[i].sq = vfn_map(v, 1);
	}
	data = vfn_map(v, 1);
	saved = vfn_map(v, 1);
	abi_errno(set_vectors(v->device, v->irq.index, fds, 2), 0);
	if (nvme_enable(&u) && nvme_make_queue(&u, 1, &data)) {
		write_and_read(&u, &data, &saved);
		abi_true(signalled(fds[1]), "no interrupt");
		vfn_ephemeral(v, &u);
		abi_errno(clear_vectors(v->device, v->irq.index), 0);
		abi_equal(nvme_read_page(&u, SAVED, &data), 0);
		nvme_disable(&u);
	}
	munmap((void *)u.regs, 0x1000);
	munmap((void *)u.bells, 0x1000);
	vfn_close(v);
	close(fds[0]);
	close(fds[1]);
}

static void libvfn(void)
{
	struct vfn v;

	if (abi_row("libvfn.type1", "libvfn by the group")) {
		vfn_open_type1(&v);
		vfn_run(&v);
	}
	if (abi_row("libvfn.iommufd", "libvfn by the character device")) {
		vfn_open_iommufd(&v);
		vfn_run(&v);
	}
	/* Its container is opened before main() and again by the next run in the same process. */
	if (abi_row("libvfn.again", "libvfn twice in one process, by turns")) {
		vfn_open_iommufd(&v);
		vfn_run(&v);
		vfn_open_type1(&v);
		vfn_run(&v);
	}
}

/* ---- rust-vmm's crates ---- */

/* A guest's memory: below and above its hole, at guest physical addresses. */
#define LOW_BYTES  (1u << 20)
#define HIGH_IOVA  0x100000000ull
#define HIGH_BYTES (1u << 20)

static struct nvme_memory guest_page(char *low, char *high, unsigned int i)
{
	/* Every other one above the hole. */
	return (struct nvme_memory){ i % 2 ? high + i * PAGE : low + i * PAGE,
				     i % 2 ? HIGH_IOVA + i * PAGE : i * PAGE };
}

/* Asked with the structure alone, then with as much as that answered; the chain tells of MSI-X. */
static void rust_region(int device, uint32_t index, struct vfio_region_info *out)
{
	struct vfio_region_info head = { .argsz = sizeof(head), .index = index }, *whole;
	bool msix_mappable = false;

	abi_errno(abi_ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &head), 0);
	*out = head;
	if (head.argsz <= sizeof(head) || !(head.flags & VFIO_REGION_INFO_FLAG_CAPS))
		return;
	whole = calloc(1, head.argsz);
	whole->argsz = head.argsz;
	whole->index = index;
	abi_errno(abi_ioctl(device, VFIO_DEVICE_GET_REGION_INFO, whole), 0);
	for (uint32_t at = whole->cap_offset; at;) {
		struct vfio_info_cap_header *cap = (struct vfio_info_cap_header *)((char *)whole + at);

		abi_true(at >= sizeof(head) && at + sizeof(*cap) <= whole->argsz, "a capability at %u", at);
		msix_mappable |= cap->id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
		at = cap->next;
	}
	abi_true(msix_mappable, "BAR %u: nothing says that its MSI-X table can be mapped", index);
	free(whole);
}

static void rust_io(int device, char *low, char *high)
{
	struct vfio_region_info bar;
	struct vfio_irq_info msix = { .argsz = sizeof(msix), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	struct nvme_memory data = guest_page(low, high, 20), saved = guest_page(low, high, 21);
	struct nvme_user u = { 0 };
	int *fds;

	rust_region(device, 0, &bar);
	abi_errno(abi_ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &msix), 0);
	/* Every vector at once. */
	fds = calloc(msix.count, sizeof(*fds));
	for (uint32_t i = 0; i < msix.count; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	abi_errno(set_vectors(device, VFIO_PCI_MSIX_IRQ_INDEX, fds, msix.count), 0);
	u.regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)bar.offset);
	if (u.regs == MAP_FAILED)
		abi_broken("BAR 0: %s", strerror(errno));
	u.bells = u.regs + NVME_DOORBELLS;
	for (unsigned int i = 0; i < 2; i++) {
		u.q[i].sq = guest_page(low, high, 4 + 2 * i);
		u.q[i].cq = guest_page(low, high, 5 + 2 * i);
	}
	master_bus(device, config_offset(device));
	if (nvme_enable(&u) && nvme_make_queue(&u, (int)msix.count - 1, &data)) {
		write_and_read(&u, &data, &saved);
		abi_true(signalled(fds[msix.count - 1]), "no interrupt");
		nvme_disable(&u);
	}
	abi_errno(clear_vectors(device, VFIO_PCI_MSIX_IRQ_INDEX), 0);
	munmap((void *)u.regs, bar.size);
	for (uint32_t i = 0; i < msix.count; i++)
		close(fds[i]);
	free(fds);
}

static void rust_container(char *low, char *high)
{
	int container = open_node("/dev/vfio/vfio"), group, device;
	struct vfio_group_status status = { .argsz = sizeof(status) };
	uint64_t bytes;

	abi_equal(ioctl(container, VFIO_GET_API_VERSION), VFIO_API_VERSION);
	abi_equal(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
	group = open_node(nvme->group);
	abi_errno(abi_ioctl(group, VFIO_GROUP_GET_STATUS, &status), 0);
	abi_equal(status.flags, VFIO_GROUP_FLAGS_VIABLE);
	abi_errno(group_join(group, container), 0);
	abi_equal(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	abi_errno(group_device(group, nvme->bdf, &device), 0);
	abi_errno(type1_map(container, 0, low, LOW_BYTES), 0);
	abi_errno(type1_map(container, HIGH_IOVA, high, HIGH_BYTES), 0);
	rust_io(device, low, high);
	/* The sizes are compared: a part would be an error. */
	abi_errno(type1_unmap(container, 0, LOW_BYTES, &bytes), 0);
	abi_equal(bytes, LOW_BYTES);
	abi_errno(type1_unmap(container, HIGH_IOVA, HIGH_BYTES, &bytes), 0);
	abi_equal(bytes, HIGH_BYTES);
	/* The device first, then the group leaves. */
	close(device);
	abi_errno(abi_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, &container), 0);
	close(group);
	close(container);
}

static void rust_cdev(char *low, char *high)
{
	struct vfio v;
	struct iommu_ioas_map map = { .size = sizeof(map),
				      .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
					       IOMMU_IOAS_MAP_FIXED_IOVA,
				      .user_va = PTR(low),
				      .length = LOW_BYTES };
	struct iommu_ioas_unmap unmap = { .size = sizeof(unmap), .length = LOW_BYTES };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
	struct iommu_destroy destroy = { .size = sizeof(destroy) };

	vfio_open(&v, ROAD_CDEV, nvme);
	map.ioas_id = unmap.ioas_id = destroy.id = v.ioas;
	abi_errno(abi_ioctl(v.iommufd, IOMMU_IOAS_MAP, &map), 0);
	map.user_va = PTR(high);
	map.iova = HIGH_IOVA;
	map.length = HIGH_BYTES;
	abi_errno(abi_ioctl(v.iommufd, IOMMU_IOAS_MAP, &map), 0);
	rust_io(v.device, low, high);
	abi_errno(abi_ioctl(v.iommufd, IOMMU_IOAS_UNMAP, &unmap), 0);
	abi_equal(unmap.length, LOW_BYTES);
	abi_errno(abi_ioctl(v.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	abi_errno(abi_ioctl(v.iommufd, IOMMU_DESTROY, &destroy), 0);
	vfio_close(&v);
}

static void rust_vmm(void)
{
	char *low = shared_pages(LOW_BYTES), *high = shared_pages(HIGH_BYTES);

	if (abi_row("rust-vmm.container", "vfio-ioctls with a container"))
		rust_container(low, high);
	if (abi_row("rust-vmm.cdev", "vfio-ioctls with a character device"))
		rust_cdev(low, high);
	munmap(low, LOW_BYTES);
	munmap(high, HIGH_BYTES);
}

/* ---- DPDK's PCI bus, SPDK's memory ---- */

#define CHUNK	  (2u << 20) /* SPDK registers huge page by huge page */
#define CHUNKS	  3
#define BASE_ADDR ((char *)0x100000000ull) /* where DPDK likes its memory; IOVA is VA */

static struct nvme_memory at_va(void *p)
{
	return (struct nvme_memory){ p, PTR(p) };
}

/* The BAR's place is taken first, then what lies before and behind the MSI-X table is put into it. */
static char *dpdk_map_bar(int device, const struct vfio_region_info *bar, uint64_t table, uint64_t table_len)
{
	const uint64_t start = table & ~(PAGE - 1), end = (table + table_len + PAGE - 1) & ~(PAGE - 1);
	char *p = mmap(NULL, bar->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abi_broken("no place for BAR 0");
	if (start)
		abi_true(mmap(p, start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, device,
			      (off_t)bar->offset) == p,
			 "before the table: %s", strerror(errno));
	if (end < bar->size)
		abi_true(mmap(p + end, bar->size - end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			      device, (off_t)(bar->offset + end)) == p + end,
			 "behind the table: %s", strerror(errno));
	return p;
}

static char *dpdk_find_bar(int device, const struct vfio_region_info *bar)
{
	const unsigned int cap = pci_capability(device, PCI_CAP_ID_MSIX);
	const uint32_t table = config_read(device, cap + 4, 4);
	const uint64_t len = ((config_read(device, cap + 2, 2) & 0x7ff) + 1) * 16;

	if (!cap || (table & 7))
		return dpdk_map_bar(device, bar, 0, 0);
	return dpdk_map_bar(device, bar, table & ~7u, len);
}

/* Data in pages that lie in different mappings, by a list. */
static void across_chunks(struct nvme_user *u, char *mem)
{
	const struct nvme_memory list = at_va(mem + 8 * PAGE);
	struct nvme_memory p[6], saved[6];

	for (unsigned int i = 0; i < 6; i++) {
		p[i] = at_va(mem + (i / 2 + 1) * CHUNK - PAGE + (i % 2 && i < 5 ? PAGE : 0) - (i == 5 ? PAGE : 0));
		saved[i] = at_va(mem + (10 + i) * PAGE);
	}
	abi_equal(nvme_read_pages(u, SAVED, saved, 6, &list), 0);
	for (unsigned int i = 0; i < 6; i++)
		pattern(p[i].va, PAGE, 77 + i);
	abi_equal(nvme_write_pages(u, SAVED, p, 6, &list), 0);
	for (unsigned int i = 0; i < 6; i++)
		memset(p[i].va, 0, PAGE);
	abi_equal(nvme_read_pages(u, SAVED, p, 6, &list), 0);
	for (unsigned int i = 0; i < 6; i++)
		abi_true(is_pattern(p[i].va, PAGE, 77 + i), "page %u is wrong", i);
	abi_equal(nvme_write_pages(u, SAVED, saved, 6, &list), 0);
}

static void dpdk_io(int device, char *mem)
{
	struct vfio_region_info bar;
	struct nvme_memory data = at_va(mem), saved = at_va(mem + PAGE);
	struct nvme_user u = { 0 };
	int request = eventfd(0, EFD_CLOEXEC);

	bar = region_info(device, 0);
	u.regs = dpdk_find_bar(device, &bar);
	u.bells = u.regs + NVME_DOORBELLS;
	master_bus(device, config_offset(device));
	abi_errno(abi_ioctl(device, VFIO_DEVICE_RESET, NULL), 0);
	/* It is told when the device is wanted back; completions are polled. */
	abi_errno(set_vectors(device, VFIO_PCI_REQ_IRQ_INDEX, &request, 1), 0);
	for (unsigned int i = 0; i < 2; i++) {
		u.q[i].sq = at_va(mem + (2 + 2 * i) * PAGE);
		u.q[i].cq = at_va(mem + (3 + 2 * i) * PAGE);
	}
	if (nvme_enable(&u) && nvme_make_queue(&u, -1, &data)) {
		write_and_read(&u, &data, &saved);
		across_chunks(&u, mem);
		nvme_disable(&u);
	}
	abi_errno(clear_vectors(device, VFIO_PCI_REQ_IRQ_INDEX), 0);
	munmap((void *)u.regs, bar.size);
	close(request);
}

static void dpdk(void)
{
	struct vfio v;
	uint64_t bytes;
	char *mem;

	if (!abi_row("dpdk.spdk", "DPDK's PCI bus, and memory in chunks at IOVA = VA"))
		return;
	mem = mmap(BASE_ADDR, CHUNKS * CHUNK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (mem != BASE_ADDR) {
		abi_skip("no memory at %p", (void *)BASE_ADDR);
		return;
	}
	vfio_open(&v, ROAD_TYPE1, nvme);
	for (unsigned int i = 0; i < CHUNKS; i++)
		abi_errno(type1_map(v.container, PTR(mem) + i * CHUNK, mem + i * CHUNK, CHUNK), 0);
	/* What is there is not mapped again: EEXIST is how it learns. */
	abi_errno(type1_map(v.container, PTR(mem), mem, CHUNK), EEXIST);
	dpdk_io(v.device, mem);
	for (unsigned int i = 0; i < CHUNKS; i++) {
		abi_errno(type1_unmap(v.container, PTR(mem) + i * CHUNK, CHUNK, &bytes), 0);
		abi_equal(bytes, CHUNK);
	}
	/* Hot-unplugged memory that was not mapped is no error, but nothing was taken. */
	abi_errno(type1_unmap(v.container, PTR(mem), CHUNK, &bytes), 0);
	abi_equal(bytes, 0);
	vfio_close(&v);
	munmap(mem, CHUNKS * CHUNK);
}

static void find_device(void)
{
	nvme = vfio_of_class(CLASS_NVME);
	if (!nvme)
		abi_cannot_run("no NVMe device is bound to vfio-pci");
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(find_device),
		ABI_PART(libvfn),
		ABI_PART(rust_vmm),
		ABI_PART(dpdk),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
