/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SR-IOV under vfio-pci: sriov_numvfs, what a virtual function is to its user, the token that those who use it share with the user
 * of the physical function, and how it goes. Runs on a physical function that is bound to vfio-pci and has no virtual functions
 * yet; a Linux kernel must allow it (vfio_pci.enable_sriov=1).
 */
#include "nvme_user.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define SYSFS_PCI "/sys/bus/pci/devices"

static const struct vfio_id *pf;
static struct vfio_id vf;
static const uint8_t token[16] = { 0x52, 0xac, 0x9b, 0xff, 0x3a, 0x88, 0x4f, 0xbd,
				   0x90, 0x1a, 0x0d, 0x76, 0x7c, 0x3b, 0x6c, 0x97 };
static const uint8_t wrong[16] = { 1 };

/* ---- sysfs ---- */

static int attr_read(const char *bdf, const char *name, char *text, size_t len)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	n = read(fd, text, len - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return n < 0 ? EIO : 0;
}

static long attr_number(const char *bdf, const char *name)
{
	char text[32];

	return attr_read(bdf, name, text, sizeof(text)) ? -1 : strtol(text, NULL, 0);
}

static int set_numvfs(const char *text)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/sriov_numvfs", pf->bdf);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		abi_broken("%s: %s", path, strerror(errno));
	err = write(fd, text, strlen(text)) < 0 ? errno : 0;
	close(fd);
	return err;
}

static bool link_ends(const char *bdf, const char *name, char *base, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	snprintf(base, len, "%.63s", strrchr(target, '/') + 1);
	return true;
}

static bool is_in_sysfs(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS_PCI "/%s", bdf);
	return !access(path, F_OK);
}

static void find_pf(void)
{
	for (unsigned int i = 0; vfio_nth(i); i++) {
		if (attr_number(vfio_nth(i)->bdf, "sriov_totalvfs") > 1 &&
		    !attr_number(vfio_nth(i)->bdf, "sriov_numvfs"))
			pf = vfio_nth(i);
	}
	if (!pf)
		abi_cannot_run("no device bound to vfio-pci can have virtual functions");
	if (set_numvfs("1") == ENOENT)
		abi_cannot_run("vfio_pci.enable_sriov is off");
	set_numvfs("0");
}

/* Where VF 0 is to be found now. */
static void find_vf(void)
{
	char base[64];

	vf = (struct vfio_id){ .vendor = pf->vendor, .class = pf->class };
	if (!link_ends(pf->bdf, "virtfn0", base, sizeof(base)))
		abi_broken("%s has no virtfn0", pf->bdf);
	snprintf(vf.bdf, sizeof(vf.bdf), "%.15s", base);
	if (!link_ends(vf.bdf, "iommu_group", base, sizeof(base)))
		abi_broken("%s is in no group", vf.bdf);
	vf.group_nr = atoi(base);
	snprintf(vf.group, sizeof(vf.group), "/dev/vfio/%d", vf.group_nr);
	for (int n = 0; n < 256; n++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), SYSFS_PCI "/%s/vfio-dev/vfio%d", vf.bdf, n);
		if (!access(path, F_OK))
			snprintf(vf.cdev, sizeof(vf.cdev), "/dev/vfio/devices/vfio%d", n);
	}
	if (!*vf.cdev)
		abi_broken("%s has no character device", vf.bdf);
}

static void enable(void)
{
	if (set_numvfs("1"))
		abi_broken("no virtual function: %s", strerror(errno));
	find_vf();
}

static void disable(void)
{
	if (set_numvfs("0"))
		abi_broken("virtual functions do not go: %s", strerror(errno));
}

static void numbers(void)
{
	const long total = attr_number(pf->bdf, "sriov_totalvfs");
	char text[32], base[64], first[16];

	if (abi_row("SRIOV.1", "sriov_numvfs wants a number")) {
		abi_errno(set_numvfs("x"), EINVAL);
		abi_errno(set_numvfs("-1"), EINVAL);
		abi_errno(set_numvfs("1 2"), EINVAL);
		abi_errno(set_numvfs("65536"), EINVAL);
	}
	if (abi_row("SRIOV.1", "and at most sriov_totalvfs")) {
		snprintf(text, sizeof(text), "%ld", total + 1);
		abi_errno(set_numvfs(text), ERANGE);
		abi_equal(attr_number(pf->bdf, "sriov_numvfs"), 0);
	}
	if (abi_row("SRIOV.1", "from some to others there is no way but through none")) {
		abi_errno(set_numvfs("0"), 0);
		abi_errno(set_numvfs("0x1"), 0);
		abi_equal(attr_number(pf->bdf, "sriov_numvfs"), 1);
		abi_errno(set_numvfs("1\n"), 0);
		abi_errno(set_numvfs("2"), EBUSY);
		abi_equal(attr_number(pf->bdf, "sriov_numvfs"), 1);
		disable();
		abi_errno(set_numvfs("2"), 0);
		abi_true(link_ends(pf->bdf, "virtfn1", base, sizeof(base)), "no second one");
		disable();
	}
	if (abi_row("SRIOV.2", "what sysfs shows of one")) {
		enable();
		snprintf(first, sizeof(first), "%s", vf.bdf);
		abi_true(link_ends(vf.bdf, "physfn", base, sizeof(base)), "no physfn");
		abi_true(!strcmp(base, pf->bdf), "physfn is %s", base);
		abi_true(link_ends(vf.bdf, "driver", base, sizeof(base)), "no driver");
		abi_true(!strcmp(base, "vfio-pci"), "driver is %s", base);
		abi_errno(attr_read(vf.bdf, "driver_override", text, sizeof(text)), 0);
		abi_true(!strcmp(text, "vfio-pci\n"), "driver_override is %s", text);
		abi_equal(attr_number(vf.bdf, "vendor"), pf->vendor);
		abi_equal(attr_number(vf.bdf, "class"), pf->class);
		abi_errno(attr_read(pf->bdf, "sriov_vf_device", text, sizeof(text)), 0);
		abi_equal(attr_number(vf.bdf, "device"), strtol(text, NULL, 16));
		abi_true(attr_number(vf.bdf, "sriov_totalvfs") == -1, "it can have some itself");
		abi_true(!access(vf.group, F_OK) && !access(vf.cdev, F_OK), "it has no nodes");
		disable();
		abi_true(!is_in_sysfs(first), "still in sysfs");
		abi_true(!link_ends(pf->bdf, "virtfn0", base, sizeof(base)), "still linked");
		abi_true(open(vf.cdev, O_RDWR) < 0 && errno == ENOENT, "still there");
		abi_true(open(vf.group, O_RDWR) < 0 && errno == ENOENT, "its group is still there");
	}
}

static int driver_write(const char *name)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		abi_broken("%s: %s", path, strerror(errno));
	err = write(fd, pf->bdf, strlen(pf->bdf)) < 0 ? errno : 0;
	close(fd);
	return err;
}

static void without_driver(void)
{
	if (abi_row("SRIOV.6", "they go with the driver of the physical function")) {
		enable();
		abi_errno(driver_write("unbind"), 0);
		abi_true(!is_in_sysfs(vf.bdf), "still in sysfs");
		abi_equal(attr_number(pf->bdf, "sriov_numvfs"), 0);
		abi_errno(set_numvfs("1"), ENOENT);
		abi_errno(driver_write("bind"), 0);
		abi_errno(set_numvfs("1"), 0);
		disable();
	}
}

/* ---- tokens ---- */

/* Binds the cdev; *device stays open. */
static int bind_with(const struct vfio_id *id, const uint8_t *uuid, int iommufd, int *device)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.flags = uuid ? VFIO_DEVICE_BIND_FLAG_TOKEN : 0,
		.iommufd = iommufd,
		.token_uuid_ptr = PTR(uuid),
	};

	*device = open_node(id->cdev);
	return abi_ioctl(*device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static int try_bind(const struct vfio_id *id, const uint8_t *uuid, int iommufd)
{
	int device, err = bind_with(id, uuid, iommufd, &device);

	close(device);
	return err;
}

static int try_name(int group, const char *bdf, const char *options)
{
	char name[256];
	int device, err;

	snprintf(name, sizeof(name), "%s%s", bdf, options);
	err = group_device(group, name, &device);
	if (!err)
		close(device);
	return err;
}

static int feature(int device, uint32_t flags, uint32_t argsz, const uint8_t *uuid)
{
	struct {
		struct vfio_device_feature head;
		uint8_t uuid[16];
	} arg = { .head = { .argsz = argsz, .flags = flags | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN } };

	memcpy(arg.uuid, uuid, sizeof(arg.uuid));
	return abi_ioctl(device, VFIO_DEVICE_FEATURE, &arg);
}

static void tokens_of_cdevs(void)
{
	int iommufd = open_node("/dev/iommu"), p, v;
	const struct vfio_id *other = vfio_any();

	if (abi_row("13.2.6", "nobody has set one: it is not to be guessed")) {
		abi_errno(try_bind(&vf, NULL, iommufd), EACCES);
		abi_errno(try_bind(&vf, wrong, iommufd), EACCES);
		abi_errno(try_bind(&vf, (const uint8_t *)abi_memory()->none, iommufd), EFAULT);
	}
	if (other != pf && abi_row("13.2.6", "a device that is neither uses none"))
		abi_errno(try_bind(other, token, iommufd), EINVAL);
	if (abi_row("13.2.6", "who opens the physical function may set one")) {
		abi_errno(bind_with(pf, token, iommufd, &p), 0);
		abi_errno(try_bind(&vf, wrong, iommufd), EACCES);
		abi_errno(try_bind(&vf, NULL, iommufd), EACCES);
		abi_errno(try_bind(&vf, token, iommufd), 0);
		close(p);
		abi_errno(try_bind(&vf, wrong, iommufd), EACCES);
		abi_errno(try_bind(&vf, token, iommufd), 0);
		abi_errno(try_bind(pf, NULL, iommufd), 0);
		abi_errno(try_bind(&vf, token, iommufd), 0);
	}
	if (abi_row("13.2.6", "while one is used, its physical function wants the token too")) {
		abi_errno(try_bind(pf, token, iommufd), 0);
		abi_errno(bind_with(&vf, token, iommufd, &v), 0);
		abi_errno(try_bind(pf, NULL, iommufd), EACCES);
		abi_errno(try_bind(pf, wrong, iommufd), EACCES);
		abi_errno(try_bind(pf, token, iommufd), 0);
		close(v);
		abi_errno(try_bind(pf, wrong, iommufd), 0);
		abi_errno(try_bind(&vf, token, iommufd), EACCES);
		abi_errno(try_bind(&vf, wrong, iommufd), 0);
	}
	if (abi_row("13.4", "FEATURE_PCI_VF_TOKEN")) {
		abi_errno(bind_with(pf, token, iommufd, &p), 0);
		abi_errno(feature(p, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET, 24, wrong), 0);
		abi_errno(feature(p, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET, 24, wrong), EINVAL);
		abi_errno(feature(p, VFIO_DEVICE_FEATURE_GET, 24, wrong), EINVAL);
		abi_errno(feature(p, VFIO_DEVICE_FEATURE_SET, 23, wrong), EINVAL);
		abi_errno(try_bind(&vf, token, iommufd), 0);
		abi_errno(feature(p, VFIO_DEVICE_FEATURE_SET, 24, wrong), 0);
		abi_errno(try_bind(&vf, token, iommufd), EACCES);
		abi_errno(bind_with(&vf, wrong, iommufd, &v), 0);
		abi_errno(feature(v, VFIO_DEVICE_FEATURE_SET, 24, token), ENOTTY);
		abi_errno(feature(p, VFIO_DEVICE_FEATURE_SET, 24, token), 0);
		close(v);
		close(p);
	}
	close(iommufd);
}

static void tokens_of_groups(void)
{
	int container = open_node("/dev/vfio/vfio"), group = open_node(vf.group), err;

	err = group_join(group, container);
	if (!err && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		err = errno;
	if (err)
		abi_broken("%s: %s", vf.group, strerror(err));
	if (abi_row("10.2", "the token stands behind the name")) {
		abi_errno(try_name(group, vf.bdf, ""), EACCES);
		abi_errno(try_name(group, vf.bdf, " vf_token=52ac9bff-3a88-4fbd-901a-0d767c3b6c97"), 0);
		abi_errno(try_name(group, vf.bdf, "   vf_token=52AC9BFF-3a88-4fbd-901a-0d767c3b6c97  "), 0);
		abi_errno(try_name(group, vf.bdf, " vf_token=52ac9bff-3a88-4fbd-901a-0d767c3b6c98"), EACCES);
	}
	if (abi_row("10.2", "what is no option of vfio-pci's")) {
		abi_errno(try_name(group, vf.bdf, " "), EACCES);
		abi_errno(try_name(group, vf.bdf, "x vf_token=52ac9bff-3a88-4fbd-901a-0d767c3b6c97"), ENODEV);
		abi_errno(try_name(group, vf.bdf, " vf_token="), EINVAL);
		abi_errno(try_name(group, vf.bdf, " vf_token=52ac9bff-3a88-4fbd-901a-0d767c3b6c9"), EINVAL);
		abi_errno(try_name(group, vf.bdf, " vf_token=52ac9bff03a88-4fbd-901a-0d767c3b6c97"), EINVAL);
		abi_errno(try_name(group, vf.bdf, " token=52ac9bff-3a88-4fbd-901a-0d767c3b6c97"), EINVAL);
		abi_errno(try_name(group, vf.bdf,
				   " vf_token=52ac9bff-3a88-4fbd-901a-0d767c3b6c97"
				   " vf_token=52ac9bff-3a88-4fbd-901a-0d767c3b6c97"),
			  EINVAL);
	}
	close(group);
	close(container);
}

/* ---- the function ---- */

static void function(void)
{
	struct vfio_irq_info intx = { .argsz = sizeof(intx), .index = VFIO_PCI_INTX_IRQ_INDEX };
	struct vfio_region_info bar;
	int iommufd = open_node("/dev/iommu"), v;
	uint32_t word;
	char text[32];

	if (abi_row("SRIOV.3", "its configuration space has IDs and memory, and no pin")) {
		abi_errno(bind_with(&vf, token, iommufd, &v), 0);
		abi_errno(attr_read(pf->bdf, "sriov_vf_device", text, sizeof(text)), 0);
		abi_equal(config_read(v, 0, 2), pf->vendor);
		abi_equal(config_read(v, 2, 2), strtoul(text, NULL, 16));
		abi_equal(config_read(v, 0x3d, 1), 0);
		abi_true(config_read(v, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY, "no memory");
		abi_errno(abi_ioctl(v, VFIO_DEVICE_GET_IRQ_INFO, &intx), 0);
		abi_equal(intx.count, 0);
		close(v);
	}
	if (abi_row("SRIOV.3", "its BARs answer whatever COMMAND says")) {
		abi_errno(bind_with(&vf, token, iommufd, &v), 0);
		bar = region_info(v, 0);
		abi_true(bar.size, "no BAR 0");
		abi_true(pread(v, &word, 4, (off_t)bar.offset) == 4, "pread: %s", strerror(errno));
		pci_set_command(v, 0);
		abi_true(pread(v, &word, 4, (off_t)bar.offset) == 4, "pread: %s", strerror(errno));
		close(v);
	}
	close(iommufd);
}

#define DMA_IOVA  0x100000ull
#define DMA_PAGES 8

static struct nvme_memory dma_page(char *mem, unsigned int i)
{
	return (struct nvme_memory){ mem + i * PAGE, DMA_IOVA + i * PAGE };
}

static int map_for(int device, int iommufd, const void *mem)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_map map = { .size = sizeof(map),
				      .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
					       IOMMU_IOAS_MAP_FIXED_IOVA,
				      .user_va = PTR(mem),
				      .length = DMA_PAGES * PAGE,
				      .iova = DMA_IOVA };
	int err = abi_ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc);

	map.ioas_id = attach.pt_id = alloc.out_ioas_id;
	if (!err)
		err = abi_ioctl(iommufd, IOMMU_IOAS_MAP, &map);
	return err ? err : abi_ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

static void use_nvme(struct nvme_user *u, int device, char *mem)
{
	const struct vfio_region_info bar = region_info(device, 0);

	u->regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)bar.offset);
	if (u->regs == MAP_FAILED)
		abi_broken("BAR 0: %s", strerror(errno));
	u->bells = u->regs + NVME_DOORBELLS;
	for (unsigned int i = 0; i < 2; i++) {
		u->q[i].sq = dma_page(mem, 2 * i);
		u->q[i].cq = dma_page(mem, 2 * i + 1);
	}
	pci_set_command(device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* Both at once, each with memory of its own at the same IOVAs: what one writes the other reads. */
static void io(void)
{
	int iommufd = open_node("/dev/iommu"), p, v;
	char *pf_mem = shared_pages(DMA_PAGES * PAGE), *vf_mem = shared_pages(DMA_PAGES * PAGE);
	struct nvme_memory page = dma_page(vf_mem, 4), saved = dma_page(vf_mem, 5), read = dma_page(pf_mem, 4);
	struct nvme_user pu = { 0 }, vu = { 0 };

	if (pf->class == CLASS_NVME && abi_row("SRIOV.5", "I/O, each by its own requester")) {
		abi_errno(bind_with(pf, token, iommufd, &p), 0);
		abi_errno(bind_with(&vf, token, iommufd, &v), 0);
		abi_errno(map_for(p, iommufd, pf_mem), 0);
		abi_errno(map_for(v, iommufd, vf_mem), 0);
		use_nvme(&pu, p, pf_mem);
		use_nvme(&vu, v, vf_mem);
		if (nvme_enable(&pu) && nvme_enable(&vu) && nvme_make_queue(&pu, -1, &read) &&
		    nvme_make_queue(&vu, -1, &page)) {
			abi_equal(nvme_read_page(&vu, 0, &saved), 0);
			memset(page.va, 0x5a, PAGE);
			abi_equal(nvme_write_page(&vu, 0, &page), 0);
			abi_equal(nvme_read_page(&pu, 0, &read), 0);
			abi_true(!memcmp(page.va, read.va, PAGE), "the physical function reads something else");
			abi_equal(nvme_write_page(&vu, 0, &saved), 0);
			nvme_disable(&vu);
			nvme_disable(&pu);
		}
		munmap((void *)pu.regs, region_info(p, 0).size);
		munmap((void *)vu.regs, region_info(v, 0).size);
		close(v);
		close(p);
	}
	munmap(pf_mem, DMA_PAGES * PAGE);
	munmap(vf_mem, DMA_PAGES * PAGE);
	close(iommufd);
}

/* ---- its end ---- */

static bool gone;

static void *take_away(void *arg)
{
	disable();
	__atomic_store_n(&gone, true, __ATOMIC_RELEASE);
	return NULL;
}

static int watch_requests(int device)
{
	struct {
		struct vfio_irq_set head;
		int32_t fd;
	} set = { .head = { .argsz = sizeof(set),
			    .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			    .index = VFIO_PCI_REQ_IRQ_INDEX,
			    .count = 1 },
		  .fd = eventfd(0, EFD_CLOEXEC) };

	abi_errno(abi_ioctl(device, VFIO_DEVICE_SET_IRQS, &set), 0);
	return set.fd;
}

static void end(void)
{
	int iommufd = open_node("/dev/iommu"), v;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct pollfd request;
	pthread_t thread;

	if (abi_row("SRIOV.4", "one that is open is asked for, and goes when it is closed")) {
		abi_errno(bind_with(&vf, token, iommufd, &v), 0);
		request = (struct pollfd){ .fd = watch_requests(v), .events = POLLIN };
		pthread_create(&thread, NULL, take_away, NULL);
		abi_equal(poll(&request, 1, 8000), 1);
		usleep(20000);
		abi_true(!__atomic_load_n(&gone, __ATOMIC_ACQUIRE), "gone while it was open");
		abi_errno(abi_ioctl(v, VFIO_DEVICE_GET_INFO, &info), 0);
		close(v);
		pthread_join(thread, NULL);
		abi_true(!is_in_sysfs(vf.bdf), "still in sysfs");
		close(request.fd);
		enable();
	}
	if (abi_row("SRIOV.4", "a character device that was only opened holds it too")) {
		__atomic_store_n(&gone, false, __ATOMIC_RELAXED);
		v = open_node(vf.cdev);
		pthread_create(&thread, NULL, take_away, NULL);
		usleep(50000);
		abi_true(!__atomic_load_n(&gone, __ATOMIC_ACQUIRE), "gone while it was open");
		close(v);
		pthread_join(thread, NULL);
		enable();
	}
	close(iommufd);
}

static void tokens(void)
{
	int iommufd = open_node("/dev/iommu");

	enable();
	tokens_of_cdevs();
	abi_errno(try_bind(pf, token, iommufd), 0);
	close(iommufd);
	tokens_of_groups();
	function();
	io();
	end();
	disable();
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(find_pf),
		ABI_PART(numbers),
		ABI_PART(without_driver),
		ABI_PART(tokens),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
