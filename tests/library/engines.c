/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One API, two engines: the same typed calls on a host of the library's and on /dev/iommu, whoever
 * serves that. Every call must answer what is written here, on both; every value that comes back
 * (ids, IOVAs, ranges, what devices say of themselves) must be the same on both.
 *
 *     engines [-v] IOMMU        -v: each answer; IOMMU: the embedded host's make and options
 *
 * The kernel's side wants an NVMe device bound to vfio-pci; an I/OAT with our register for PASIDs
 * is looked at where there is one. What a machine has of its own (sizes of BARs, numbers of
 * vectors) is looked at only for what every NVMe controller has. Exit status: 0, 1 when anything
 * differed, 77 when there is no /dev/iommu or no device.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>
#include <ioas/ioas.h>

#include "../abi/vfio_fixture.h"

#define LEN	  (64 * PAGE)
#define IOVA	  0x10000000ull
#define GUEST_RAM 0x40000000ull
#define FIXED	  (IOAS_MAP_RW | IOAS_MAP_FIXED)

#define MAX_VALUES 256

/* One engine's side, and what came back there. */
struct side {
	const char *name;
	struct ioas_context *c;
	const char *nvme;
	const char *ioat; /* NULL: the kernel's side has none */
	char *memory;
	uint32_t ioas;
	struct {
		const char *what;
		uint64_t value;
	} values[MAX_VALUES];
	unsigned int nr_values;
};

static bool verbose;
static unsigned int answers, wrong;

static void says(struct side *s, const char *what, long got, long want)
{
	answers++;
	if (verbose)
		printf("%-8s %s: %ld\n", s->name, what, got);
	if (got == want)
		return;
	wrong++;
	printf("%s: %s: %ld (%s), not %ld\n", s->name, what, got,
	       got < 0 ? strerror((int)-got) : "", want);
}

static void gives(struct side *s, const char *what, uint64_t value)
{
	if (s->nr_values == MAX_VALUES)
		abi_broken("more than %d values", MAX_VALUES);
	if (verbose)
		printf("%-8s %s = %#" PRIx64 "\n", s->name, what, value);
	s->values[s->nr_values].what = what;
	s->values[s->nr_values++].value = value;
}

#define SAYS(call, want) says(s, #call, (call), (want))
#define HOLDS(cond)	 says(s, #cond, (cond), 1)
#define GIVES(value)	 gives(s, #value, (value))

/* --- IOASes
 * ----------------------------------------------------------------------------------------- */

static void mappings(struct side *s)
{
	uint64_t iova = IOVA, chosen = 0, bytes = 0;
	struct ioas_source from;
	uint32_t other = 0;

	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, FIXED, &iova), 0);
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, FIXED, &iova), -EEXIST);
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, 0, &chosen), -EINVAL);
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, FIXED | 8, &iova), -EOPNOTSUPP);
	SAYS(ioas_map(s->c, s->ioas, s->memory, 0, FIXED, &iova), -EINVAL);
	SAYS(ioas_map(s->c, 9999, s->memory, LEN, FIXED, &iova), -ENOENT);
	iova = UINT64_MAX - PAGE + 1;
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, FIXED, &iova), -EOVERFLOW);
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, IOAS_MAP_RW, &chosen), 0);
	GIVES(chosen);
	SAYS(ioas_create(s->c, &other), 0);
	GIVES(other);
	from = (struct ioas_source){s->ioas, IOVA + PAGE, 2 * PAGE};
	iova = 0x7000;
	SAYS(ioas_copy(s->c, other, &from, IOAS_MAP_READ | IOAS_MAP_FIXED, &iova), 0);
	SAYS(ioas_copy(s->c, other, &from, FIXED, &iova), -EEXIST);
	from.length = 2 * LEN;
	SAYS(ioas_copy(s->c, other, &from, IOAS_MAP_READ, &iova), -ENOENT);
	SAYS(ioas_unmap(s->c, s->ioas, IOVA, PAGE, &bytes), -ENOENT);
	SAYS(ioas_unmap(s->c, s->ioas, IOVA, LEN, &bytes), 0);
	GIVES(bytes);
	SAYS(ioas_unmap(s->c, s->ioas, IOVA, LEN, &bytes), -ENOENT);
	SAYS(ioas_unmap(s->c, s->ioas, 0, UINT64_MAX, &bytes), 0);
	GIVES(bytes);
	SAYS(ioas_destroy(s->c, other), 0);
	SAYS(ioas_destroy(s->c, other), -ENOENT);
}

static void files(struct side *s)
{
	int fd = memfd_create("engines", MFD_CLOEXEC);
	uint64_t iova = IOVA, bytes = 0;

	if (fd < 0 || ftruncate(fd, LEN))
		abi_broken("memfd: %s", strerror(errno));
	SAYS(ioas_map_file(s->c, s->ioas, fd, PAGE, 4 * PAGE, FIXED, &iova), 0);
	iova += LEN;
	SAYS(ioas_map_file(s->c, s->ioas, -1, 0, PAGE, FIXED, &iova), -EBADF);
	close(fd);
	SAYS(ioas_unmap(s->c, s->ioas, IOVA, 4 * PAGE, &bytes), 0);
	GIVES(bytes);
}

/* A guest's RAM, at 1 GiB of its own addresses. */
static int find_ram(void *arg, uint64_t addr, struct ioas_memory_range *out)
{
	struct side *s = arg;

	if (addr < GUEST_RAM || addr >= GUEST_RAM + LEN)
		return -EFAULT;
	*out = (struct ioas_memory_range){GUEST_RAM, GUEST_RAM + LEN - 1, true, s->memory};
	return 0;
}

static void guest_memory(struct side *s)
{
	static const struct ioas_memory_ops ops = {.find = find_ram};
	struct ioas_memory_area area = {NULL, GUEST_RAM + PAGE, 4 * PAGE};
	uint64_t iova = IOVA, bytes = 0;

	SAYS(ioas_memory_create(s->c, &ops, s, &area.memory), 0);
	SAYS(ioas_map_memory(s->c, s->ioas, &area, FIXED, &iova), 0);
	SAYS(ioas_map_memory(s->c, s->ioas, &area, FIXED, &iova), -EEXIST);
	SAYS(ioas_map_memory(s->c, s->ioas, &area, 0, &iova), -EINVAL);
	SAYS(ioas_map_memory(s->c, 9999, &area, FIXED, &iova), -ENOENT);
	area.length = 0;
	SAYS(ioas_map_memory(s->c, s->ioas, &area, FIXED, &iova), -EINVAL);
	SAYS(ioas_unmap(s->c, s->ioas, IOVA, 4 * PAGE, &bytes), 0);
	GIVES(bytes);
	ioas_memory_changed(area.memory, GUEST_RAM, LEN);
	ioas_memory_destroy(area.memory);
}

static void many(struct side *s)
{
	struct ioas_map_range r[40];
	uint32_t done = 0;

	for (unsigned int i = 0; i < 40; i++)
		r[i] = (struct ioas_map_range){s->memory + i * PAGE, PAGE, IOVA + 2 * i * PAGE};
	r[33].iova = IOVA;
	SAYS(ioas_map_ranges(s->c, s->ioas, FIXED, r, 40, &done), -EEXIST);
	GIVES(done);
	SAYS(ioas_unmap_ranges(s->c, s->ioas, r, 40, &done), -ENOENT);
	GIVES(done);
	SAYS(ioas_map_ranges(s->c, s->ioas, IOAS_MAP_RW, r, 40, &done), 0);
	GIVES(r[0].iova);
	GIVES(r[39].iova);
	r[0] = (struct ioas_map_range){NULL, UINT64_MAX, 0};
	SAYS(ioas_unmap_ranges(s->c, s->ioas, r, 1, NULL), 0);
	GIVES(r[0].length);
}

static void limits(struct side *s)
{
	struct ioas_range r[8] = {{0}}, allowed = {0x700000, 0x7fffff};
	uint64_t alignment = 0, iova = 0, value = 0;
	uint32_t n = 8, id = 0;

	SAYS(ioas_get_ranges(s->c, s->ioas, r, &n, &alignment), 0);
	GIVES(n);
	GIVES(alignment);
	GIVES(r[0].start);
	GIVES(r[0].last);
	n = 0;
	SAYS(ioas_get_ranges(s->c, s->ioas, r, &n, NULL), -EMSGSIZE);
	GIVES(n);
	SAYS(ioas_allow(s->c, s->ioas, &allowed, 1), 0);
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, IOAS_MAP_RW, &iova), 0);
	GIVES(iova);
	SAYS(ioas_map(s->c, s->ioas, s->memory, 0x100000, IOAS_MAP_RW, &iova), -ENOSPC);
	SAYS(ioas_unmap(s->c, s->ioas, 0, UINT64_MAX, NULL), 0);
	SAYS(ioas_allow(s->c, s->ioas, NULL, 0), 0);
	SAYS(ioas_get_option(s->c, IOAS_OPTION_HUGE_PAGES, s->ioas, &value), 0);
	GIVES(value);
	SAYS(ioas_set_option(s->c, IOAS_OPTION_HUGE_PAGES, s->ioas, 0), 0);
	SAYS(ioas_set_option(s->c, IOAS_OPTION_HUGE_PAGES, s->ioas, 2), -EINVAL);
	SAYS(ioas_set_option(s->c, IOAS_OPTION_HUGE_PAGES, s->ioas, 1), 0);
	SAYS(ioas_set_option(s->c, (enum ioas_option)77, 0, 1), -EOPNOTSUPP);
	SAYS(ioas_change_process(s->c), 0);
	SAYS(ioas_get_vfio_ioas(s->c, &id), -ENODEV);
	SAYS(ioas_set_vfio_ioas(s->c, s->ioas), 0);
	SAYS(ioas_get_vfio_ioas(s->c, &id), 0);
	GIVES(id);
	SAYS(ioas_clear_vfio_ioas(s->c), 0);
}

static void queues(struct side *s)
{
	struct iommu_hwpt_pgfault record = {0};
	uint32_t id = 0;
	int file = -1, fd;

	SAYS(ioas_fault_queue_alloc(s->c, &id, &file), 0);
	GIVES(id);
	fd = ioas_file_poll_fd(s->c, file);
	HOLDS(fd >= 0);
	SAYS(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0), 0);
	SAYS(ioas_file_read(s->c, file, &record, sizeof(record)), 0);
	SAYS(ioas_file_read(s->c, file, &record, sizeof(record) - 1), -ESPIPE);
	SAYS(ioas_file_write(s->c, file, &record, 7), -ESPIPE);
	SAYS(ioas_destroy(s->c, id), -EBUSY);
	SAYS(ioas_file_close(s->c, file), 0);
	SAYS(ioas_destroy(s->c, id), 0);
	SAYS(ioas_file_close(s->c, 1 << 20), -EBADF);
	SAYS(ioas_context_ioctl(s->c, ioas_context_file(s->c), 0x1234, 0), -ENOTTY);
}

/* --- A device
 * --------------------------------------------------------------------------------------- */

static uint64_t look(struct ioas_device *d, uint32_t region, uint64_t at, size_t len)
{
	uint64_t value = 0;
	ssize_t n = ioas_device_read(d, region, at, &value, len);

	if (n != (ssize_t)len)
		abi_broken("region %u at %#" PRIx64 ": %zd", region, at, n);
	return value;
}

static void put(struct ioas_device *d, uint32_t region, uint64_t at, size_t len, uint64_t value)
{
	ssize_t n = ioas_device_write(d, region, at, &value, len);

	if (n != (ssize_t)len)
		abi_broken("region %u at %#" PRIx64 ": %zd", region, at, n);
}

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

static void about(struct side *s, struct ioas_device *d)
{
	struct ioas_device_info info = {0};
	struct ioas_region bar = {0}, config = {0};
	struct ioas_irq irq = {0};
	void *page;
	char byte;

	SAYS(ioas_device_get_info(d, &info), 0);
	GIVES(info.flags & ~VFIO_DEVICE_FLAGS_CAPS);
	GIVES(info.num_regions);
	GIVES(info.num_irqs);
	SAYS(ioas_device_get_region(d, 0, &bar), 0);
	HOLDS(bar.size >= 0x2000 && (bar.flags & 3) == 3);
	SAYS(ioas_device_get_region(d, CONFIG, &config), 0);
	HOLDS(config.size >= 256);
	SAYS(ioas_device_get_region(d, 99, &config), -EINVAL);
	SAYS(ioas_device_read(d, 99, 0, &byte, 1), -EINVAL);
	SAYS(ioas_device_read(d, 0, bar.size, &byte, 1), -EINVAL);
	SAYS(ioas_device_map(d, CONFIG, 0, PAGE, &page), -EINVAL);
	SAYS(ioas_device_get_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, &irq), 0);
	HOLDS(irq.count > 0);
	GIVES(irq.flags);
	SAYS(ioas_device_get_irq(d, 99, &irq), -EINVAL);
	GIVES(look(d, CONFIG, 8, 4) >> 8); /* the class */
	SAYS(ioas_device_feature(d, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | 0x7777,
				 NULL, 0),
	     -ENOTTY);
}

static void interrupts(struct side *s, struct ioas_device *d)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count = 0;

	SAYS(ioas_device_set_irqs(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &fd), 0);
	SAYS(ioas_device_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, IOAS_IRQ_TRIGGER, 0, 1), 0);
	SAYS(read(fd, &count, sizeof(count)), 8);
	GIVES(count);
	SAYS(ioas_device_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, IOAS_IRQ_MASK, 0, 1), -ENOTTY);
	SAYS(ioas_device_irq(d, VFIO_PCI_MSIX_IRQ_INDEX, IOAS_IRQ_TRIGGER, 0, 4000), -EINVAL);
	SAYS(ioas_device_set_irqs(d, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL), 0);
	close(fd);
}

static void attachments(struct side *s, struct ioas_device *d)
{
	struct ioas_hwpt_config cfg = {.dev_id = ioas_device_id(d), .pt_id = s->ioas};
	struct ioas_hw_info hw = {0};
	struct ioas_range r[8] = {{0}};
	uint32_t pt = s->ioas, hwpt = 0, n = 8;
	uint64_t alignment = 0, iova;

	SAYS(ioas_device_detach(d), 0);
	SAYS(ioas_device_attach(d, &pt), 0);
	GIVES(pt);
	SAYS(ioas_destroy(s->c, s->ioas), -EBUSY);
	SAYS(ioas_get_ranges(s->c, s->ioas, r, &n, &alignment), 0);
	GIVES(n);
	GIVES(alignment);
	GIVES(r[0].last);
	GIVES(r[1].start);
	iova = r[0].last + 1;
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, FIXED, &iova), -EINVAL);
	SAYS(ioas_hwpt_alloc(s->c, &cfg, &hwpt), 0);
	GIVES(hwpt);
	SAYS(ioas_hwpt_set_dirty_tracking(s->c, hwpt, true), -EOPNOTSUPP);
	pt = hwpt;
	SAYS(ioas_device_attach(d, &pt), 0);
	GIVES(pt);
	SAYS(ioas_destroy(s->c, hwpt), -EBUSY);
	SAYS(ioas_device_detach(d), 0);
	SAYS(ioas_destroy(s->c, hwpt), 0);
	cfg.flags = 1u << 30;
	SAYS(ioas_hwpt_alloc(s->c, &cfg, &hwpt), -EOPNOTSUPP);
	cfg = (struct ioas_hwpt_config){.dev_id = 9999, .pt_id = s->ioas};
	SAYS(ioas_hwpt_alloc(s->c, &cfg, &hwpt), -ENOENT);
	pt = ioas_device_id(d);
	SAYS(ioas_device_attach(d, &pt), -EINVAL);
	pt = 9999;
	SAYS(ioas_device_attach(d, &pt), -ENOENT);
	SAYS(ioas_device_detach_pasid(d, 5), 0);
	SAYS(ioas_get_hw_info(s->c, ioas_device_id(d), &hw), 0);
	GIVES(hw.type);
	GIVES(hw.data_len);
	GIVES(hw.max_pasid_log2);
	SAYS(ioas_get_hw_info(s->c, 9999, &hw), -ENOENT);
}

/* NVM Express 1.4: registers, the admin queue, one Identify. */
enum { CAP = 0, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30, DOORBELL = 0x1000 };

static bool becomes_ready(struct ioas_device *d, uint32_t ready)
{
	for (int i = 0; i < 10000; i++) {
		if ((look(d, 0, CSTS, 4) & 1) == ready)
			return true;
		usleep(1000);
	}
	return false;
}

/* The status of the completion, or -1 when none comes. */
static int identify(struct side *s, struct ioas_device *d)
{
	uint32_t *command = (uint32_t *)(void *)s->memory;
	volatile uint32_t *completion = (volatile uint32_t *)(void *)(s->memory + PAGE);

	memset(s->memory, 0, 3 * PAGE);
	command[0] = 0x06;
	command[1] = 0;
	command[6] = (uint32_t)IOVA + 2 * PAGE; /* PRP 1 */
	command[10] = 1;			/* the controller */
	put(d, 0, DOORBELL, 4, 1);
	for (int i = 0; i < 10000 && !(completion[3] >> 16 & 1); i++)
		usleep(1000);
	return completion[3] >> 16 & 1 ? (int)(completion[3] >> 17) : -1;
}

static void dma(struct side *s, struct ioas_device *d)
{
	uint32_t pt = s->ioas;
	uint64_t iova = IOVA;
	uint16_t vendor;

	SAYS(ioas_device_attach(d, &pt), 0);
	SAYS(ioas_map(s->c, s->ioas, s->memory, LEN, FIXED, &iova), 0);
	put(d, CONFIG, 4, 2, 6); /* memory space, bus master */
	GIVES(look(d, CONFIG, 4, 2) & 7);
	put(d, 0, CC, 4, 0);
	HOLDS(becomes_ready(d, 0));
	put(d, 0, AQA, 4, 0x000f000f);
	put(d, 0, ASQ, 8, IOVA);
	put(d, 0, ACQ, 8, IOVA + PAGE);
	put(d, 0, CC, 4, 0x460001);
	HOLDS(becomes_ready(d, 1));
	SAYS(identify(s, d), 0);
	memcpy(&vendor, s->memory + 2 * PAGE, sizeof(vendor));
	HOLDS(vendor && vendor == look(d, CONFIG, 0, 2));
	SAYS(ioas_device_reset(d), 0);
	HOLDS(becomes_ready(d, 0));
	SAYS(ioas_unmap(s->c, s->ioas, 0, UINT64_MAX, &iova), 0);
	GIVES(iova);
	SAYS(ioas_device_detach(d), 0);
}

static void device(struct side *s)
{
	struct ioas_device *d = NULL, *again;

	SAYS(ioas_device_open(s->c, "vfio4242", NULL, &d), -ENOENT);
	SAYS(ioas_device_open(s->c, s->nvme, NULL, &d), 0);
	if (!d)
		return;
	GIVES(ioas_device_id(d));
	HOLDS(ioas_device_open(s->c, s->nvme, NULL, &again) < 0);
	SAYS(ioas_destroy(s->c, ioas_device_id(d)), -EBUSY);
	about(s, d);
	interrupts(s, d);
	attachments(s, d);
	dma(s, d);
	ioas_device_close(d);
	SAYS(ioas_destroy(s->c, s->ioas), 0);
}

/* --- A device that two VMs share, by PASIDs
 * --------------------------------------------------------- */

#define GUEST 101u /* both guests' number */

struct vm {
	struct ioas_pasid_set *set;
	uint32_t ioas, hwpt, pasid;
	char *memory;
};

static struct ioas_pasid_space *pasid_space(struct side *s, unsigned int bits)
{
	struct ioas_pasid_space *space = NULL;

	if (ioas_context_host(s->c))
		return ioas_host_pasids(ioas_context_host(s->c));
	SAYS(ioas_pasid_space_create(bits, &space), 0);
	return space;
}

/* The VM's half of the memory at IOVA, and a PASID for its guest's. The result of attaching that.
 */
static int start_vm(struct side *s, struct ioas_device *d, struct ioas_pasid_space *space,
		    struct vm *vm)
{
	const struct ioas_pasid_set_config set = {.quota = 10, .owner = vm};
	struct ioas_hwpt_config cfg = {.dev_id = ioas_device_id(d), .flags = IOAS_HWPT_PASID};
	uint64_t iova = IOVA;
	uint32_t pasid = 0;

	SAYS(ioas_create(s->c, &vm->ioas), 0);
	SAYS(ioas_map(s->c, vm->ioas, vm->memory, LEN / 2, FIXED, &iova), 0);
	cfg.pt_id = vm->ioas;
	SAYS(ioas_hwpt_alloc(s->c, &cfg, &vm->hwpt), 0);
	SAYS(ioas_pasid_set_create(space, &set, &vm->set), 0);
	SAYS(ioas_pasid_alloc(vm->set, 0, 0, d, &vm->pasid), 0);
	GIVES(vm->pasid);
	SAYS(ioas_pasid_map_guest(vm->set, vm->pasid, GUEST), 0);
	SAYS(ioas_pasid_get_by_guest(vm->set, GUEST, &pasid, NULL), 0);
	return ioas_device_attach_pasid(d, pasid, &vm->hwpt);
}

static void stop_vm(struct side *s, struct ioas_device *d, struct vm *vm)
{
	SAYS(ioas_device_detach_pasid(d, vm->pasid), 0);
	SAYS(ioas_pasid_put(vm->set, vm->pasid), 0);
	ioas_pasid_set_destroy(vm->set);
}

/* I/OAT's channel 0, with the model's register for its PASID. */
enum { CHANCMD = 0x84, DMACOUNT = 0x86, CHANSTS = 0x88, CHAINADDR = 0x90, CHANPASID = 0xc0 };

/* Copies a page in the VM's address space. The channel's state: 1 done, 3 halted. */
static unsigned int copy_page(struct ioas_device *d, struct vm *vm, int byte)
{
	uint64_t *descriptor = (uint64_t *)(void *)vm->memory;
	unsigned int state = 0;

	memset(vm->memory, 0, LEN / 2);
	memset(vm->memory + PAGE, byte, PAGE);
	descriptor[0] = PAGE;
	descriptor[1] = IOVA + PAGE;
	descriptor[2] = IOVA + 2 * PAGE;
	put(d, 0, CHANCMD, 1, 0x20); /* reset */
	put(d, 0, CHANPASID, 4, vm->pasid);
	put(d, 0, CHAINADDR, 8, IOVA);
	put(d, 0, DMACOUNT, 2, 1);
	for (int i = 0; i < 10000 && state != 1 && state != 3; i++) {
		usleep(1000);
		state = look(d, 0, CHANSTS, 8) & 7;
	}
	return state;
}

static void shared_by_two(struct side *s, struct ioas_device *d)
{
	struct vm a = {.memory = s->memory}, b = {.memory = s->memory + LEN / 2};
	struct ioas_hw_info hw = {0};
	struct ioas_pasid_space *space;
	int rc;

	SAYS(ioas_get_hw_info(s->c, ioas_device_id(d), &hw), 0);
	HOLDS(hw.max_pasid_log2 > 0);
	space = pasid_space(s, hw.max_pasid_log2);
	if (!space)
		return;
	put(d, CONFIG, 4, 2, 6);
	rc = start_vm(s, d, space, &a);
	/* Linux' driver for AMD, alone of those that tell of PASIDs, does not attach them. */
	says(s, "attaching a PASID", rc, hw.type == IOMMU_HW_INFO_TYPE_AMD ? -EOPNOTSUPP : 0);
	if (!rc) {
		SAYS(start_vm(s, d, space, &b), 0);
		SAYS(copy_page(d, &a, 0x11), 1);
		SAYS(copy_page(d, &b, 0x22), 1);
		HOLDS(a.memory[2 * PAGE] == 0x11 && a.memory[3 * PAGE - 1] == 0x11);
		HOLDS(b.memory[2 * PAGE] == 0x22 && b.memory[3 * PAGE - 1] == 0x22);
		stop_vm(s, d, &b);
		SAYS(copy_page(d, &a, 0x33), 1);
		HOLDS(a.memory[2 * PAGE] == 0x33 && !b.memory[3 * PAGE]);
	}
	stop_vm(s, d, &a);
	if (!ioas_context_host(s->c))
		ioas_pasid_space_destroy(space);
}

static void pasids(struct side *s)
{
	struct ioas_device *d = NULL;

	if (!s->ioat)
		return;
	SAYS(ioas_device_open(s->c, s->ioat, NULL, &d), 0);
	if (!d)
		return;
	shared_by_two(s, d);
	ioas_device_close(d);
}

/* --- Both
 * ------------------------------------------------------------------------------------------- */

static void run(struct side *s, const struct ioas_context_config *cfg)
{
	int rc = ioas_context_open(cfg, &s->c);

	if (rc == -ENOENT || rc == -ENODEV)
		abi_cannot_run("%s: %s", cfg->kernel, strerror(-rc));
	says(s, "ioas_context_open()", rc, 0);
	if (rc)
		return;
	HOLDS(!ioas_context_host(s->c) == !!cfg->kernel);
	SAYS(ioas_create(s->c, &s->ioas), 0);
	GIVES(s->ioas);
	mappings(s);
	files(s);
	guest_memory(s);
	many(s);
	limits(s);
	queues(s);
	device(s);
	pasids(s);
	ioas_context_close(s->c);
}

static void compare(const struct side *a, const struct side *b)
{
	for (unsigned int i = 0; i < a->nr_values || i < b->nr_values; i++) {
		if (i < a->nr_values && i < b->nr_values &&
		    a->values[i].value == b->values[i].value)
			continue;
		wrong++;
		printf("value %u, %s: %#" PRIx64 " there, %#" PRIx64 " here\n", i,
		       i < a->nr_values ? a->values[i].what : b->values[i].what, a->values[i].value,
		       b->values[i].value);
	}
}

static void tell_fault(void *arg, const struct ioas_fault *f)
{
	printf("embedded: a DMA fault at %#" PRIx64 ": %s\n", f->iova, f->reason);
}

static void run_embedded(struct side *s, const char *iommu)
{
	const struct ioas_host_config host = {.iommu = iommu, .fault = tell_fault};
	struct ioas_context_config cfg = {0};
	char why[256] = "", name[16], other[16];
	int n = ioas_host_create(&host, &cfg.host, why, sizeof(why));

	/* The tests' kernel has no process_vm_readv(), which DMA to other memory would need. */
	if (!n)
		n = ioas_memory_register(cfg.host, s->memory, LEN);
	if (!n)
		n = ioas_add_model(cfg.host, "nvme", 0x100, -1, why, sizeof(why));
	if (n < 0)
		abi_broken("%s", why);
	snprintf(name, sizeof(name), "vfio%d", n);
	s->nvme = name;
	if (s->ioat)
		n = ioas_add_model(cfg.host, "ioat,pasid=on", 0x200, -1, why, sizeof(why));
	if (n < 0)
		abi_broken("%s", why);
	snprintf(other, sizeof(other), "vfio%d", n);
	s->ioat = s->ioat ? other : NULL;
	run(s, &cfg);
	ioas_host_destroy(cfg.host);
}

int main(int argc, char **argv)
{
	const struct ioas_context_config both = {.kernel = "/dev/iommu", .iommu = "vtd"};
	const struct ioas_context_config nowhere = {.kernel = "/dev/no-such-iommu"};
	static struct side there = {.name = "kernel"}, here = {.name = "embedded"};
	const struct vfio_id *nvme = vfio_of_class(CLASS_NVME), *ioat = vfio_named(0x8086, 0x2021);
	struct ioas_context *none;

	/* The same for both: where an IOVA is chosen depends on it. */
	there.memory = here.memory = shared_pages(LEN);
	verbose = argc > 1 && !strcmp(argv[1], "-v");
	if (argc != 2 + verbose)
		abi_broken("usage: engines [-v] IOMMU");
	if (!nvme || !*nvme->cdev)
		abi_cannot_run("no NVMe device is bound to vfio-pci, with a cdev");
	says(&there, "both engines", ioas_context_open(&both, &none), -EINVAL);
	says(&there, "no such file", ioas_context_open(&nowhere, &none), -ENOENT);
	there.nvme = nvme->cdev;
	here.ioat = there.ioat = ioat && *ioat->cdev ? ioat->cdev : NULL;
	run(&there, &(struct ioas_context_config){.kernel = "/dev/iommu"});
	run_embedded(&here, argv[argc - 1]);
	compare(&there, &here);
	printf("%u answers and %u values, %u wrong\n", answers, here.nr_values, wrong);
	return wrong ? 1 : 0;
}
