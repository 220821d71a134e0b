/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_IOEVENTFD: an eventfd whose signal writes a value to a BAR; section 13.6. That the
 * value arrives is seen in the NVMe register AQA, which keeps what is written while the controller
 * is disabled.
 */
#include "vfio_fixture.h"

#include <sys/eventfd.h>
#include <time.h>

#define REGION(index) ((uint64_t)(index) << 40)
#define AQA	      0x24u
#define MAX_IOEVENTFDS 1000

static struct vfio v;
static int event, null, bar;
static uint64_t good, bar_size; /* a place in a BAR that is not the MSI-X table */
static uint64_t table, table_size;

static int call(uint64_t offset, uint32_t flags, uint64_t data, int32_t fd)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg), .flags = flags, .offset = offset, .data = data, .fd = fd,
	};

	return abi_ioctl(v.device, VFIO_DEVICE_IOEVENTFD, &arg);
}

static void find_place(void)
{
	unsigned int cap = pci_capability(v.device, PCI_CAP_ID_MSIX);
	uint32_t where = cap ? config_read(v.device, cap + 4, 4) : 7;
	uint64_t offset;

	table = REGION(where & 7) + (where & ~7u);
	table_size = cap ? 16 * ((config_read(v.device, cap + 2, 2) & 0x7ff) + 1) : 0;
	for (bar = 0; bar < 6; bar++) {
		bar_size = region_info(v.device, bar).size;
		offset = v.id->class == CLASS_NVME ? AQA : 0;
		if (table == REGION(bar))
			offset = table_size;
		if (bar_size > offset + 8)
			break;
	}
	good = REGION(bar) + offset;
}

static int setup(void)
{
	return v.device;
}

static void teardown(int device)
{
	call(good, VFIO_DEVICE_IOEVENTFD_32, 0, -1);
}

/* Nothing is there to be removed. */
static void audit(int device)
{
	abi_errno(call(good, VFIO_DEVICE_IOEVENTFD_32, 0, -1), ENODEV);
}

static void argument(void)
{
	static uint64_t past, end, in_table, last_word;
	const struct vfio_device_ioeventfd base = {
		.argsz = 28, .flags = VFIO_DEVICE_IOEVENTFD_32, .offset = good, .fd = event,
	};
	const struct abi_command command = {
		.name = "IOEVENTFD",
		.request = VFIO_DEVICE_IOEVENTFD,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "13.6.IOEVENTFD",
	};
	const struct abi_rule rows[] = {
		{ "13.6.IOEVENTFD", "argsz", EINVAL, { SET(vfio_device_ioeventfd, argsz, 27) } },
		{ "13.6.IOEVENTFD", "flags", EINVAL, { SET(vfio_device_ioeventfd, flags, 16 | 4) } },
		{ "13.6.IOEVENTFD", "no size", EINVAL, { SET(vfio_device_ioeventfd, flags, 0) } },
		{ "13.6.IOEVENTFD", "two sizes", EINVAL, { SET(vfio_device_ioeventfd, flags, 6) } },
		{ "13.6.IOEVENTFD", "fd below -1", EINVAL, { SET(vfio_device_ioeventfd, fd, -2) } },
		{ "13.6.IOEVENTFD", "the ROM", EINVAL,
		  { SET(vfio_device_ioeventfd, offset, REGION(6)) } },
		{ "13.6.IOEVENTFD", "configuration space", EINVAL,
		  { SET(vfio_device_ioeventfd, offset, REGION(7)) } },
		{ "13.6.IOEVENTFD", "past the BAR", EINVAL,
		  { SETV(vfio_device_ioeventfd, offset, past) } },
		{ "13.6.IOEVENTFD", "across its end", EINVAL,
		  { SETV(vfio_device_ioeventfd, offset, end) } },
		{ "13.6.IOEVENTFD", "nothing there to remove", ENODEV,
		  { SET(vfio_device_ioeventfd, fd, -1) } },
		{ "13.6.IOEVENTFD", "fd not open", EBADF, { SET(vfio_device_ioeventfd, fd, 1000) } },
		{ "13.6.IOEVENTFD", "no eventfd", EINVAL,
		  { SET(vfio_device_ioeventfd, fd, (uint32_t)null) } },
	};

	past = REGION(bar) + bar_size;
	end = past - 2;
	abi_rules(&command, rows, ARRAY_SIZE(rows));
	if (abi_row("13.6.IOEVENTFD", "EFAULT")) {
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_IOEVENTFD, NULL), EFAULT);
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_IOEVENTFD, abi_at_the_edge(&base, 27)),
			  EFAULT);
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_IOEVENTFD, abi_at_the_edge(&base, 28)), 0);
		teardown(v.device);
	}
	if (table_size && abi_row("13.6.IOEVENTFD", "over the MSI-X table")) {
		in_table = table;
		last_word = table + table_size - 4;
		abi_errno(call(in_table, VFIO_DEVICE_IOEVENTFD_32, 0, event), EINVAL);
		abi_errno(call(last_word, VFIO_DEVICE_IOEVENTFD_32, 0, event), EINVAL);
		abi_errno(call(last_word - 4, VFIO_DEVICE_IOEVENTFD_64, 0, event), EINVAL);
		abi_errno(call(last_word, VFIO_DEVICE_IOEVENTFD_32, 0, -1), EINVAL);
	}
}

static void sizes_and_pairs(void)
{
	static const uint32_t sizes[] = { VFIO_DEVICE_IOEVENTFD_8, VFIO_DEVICE_IOEVENTFD_16,
					  VFIO_DEVICE_IOEVENTFD_32, VFIO_DEVICE_IOEVENTFD_64 };

	if (abi_row("13.6.IOEVENTFD", "every size, beside each other")) {
		for (size_t i = 0; i < 4; i++)
			abi_errno(call(good, sizes[i], 7, event), 0);
		for (size_t i = 0; i < 4; i++)
			abi_errno(call(good, sizes[i], 7, event), EEXIST);
		abi_errno(call(good, sizes[2], 8, event), 0);
		for (size_t i = 0; i < 4; i++)
			abi_errno(call(good, sizes[i], 7, -1), 0);
		abi_errno(call(good, sizes[2], 7, -1), ENODEV);
		abi_errno(call(good, sizes[2], 8, -1), 0);
	}
	if (abi_row("13.6.IOEVENTFD", "the same again with a bad fd: EEXIST first")) {
		abi_errno(call(good, sizes[2], 7, event), 0);
		abi_errno(call(good, sizes[2], 7, 1000), EEXIST);
		abi_errno(call(good, sizes[2], 7, -1), 0);
	}
}

static void too_many(void)
{
	if (!abi_row("13.6.IOEVENTFD", "too many"))
		return;
	for (uint64_t i = 0; i < MAX_IOEVENTFDS; i++)
		if (!abi_errno(call(good, VFIO_DEVICE_IOEVENTFD_32, i, event), 0))
			break;
	abi_errno(call(good, VFIO_DEVICE_IOEVENTFD_32, 5000, event), ENOSPC);
	abi_errno(call(good, VFIO_DEVICE_IOEVENTFD_32, 5, event), EEXIST);
	abi_errno(call(good, VFIO_DEVICE_IOEVENTFD_32, 5000, -1), ENODEV);
	for (uint64_t i = 0; i < MAX_IOEVENTFDS; i++)
		abi_errno(call(good, VFIO_DEVICE_IOEVENTFD_32, i, -1), 0);
}

static uint32_t aqa(void)
{
	uint32_t value = 0;

	if (pread(v.device, &value, 4, REGION(0) + AQA) != 4)
		abi_broken("AQA: %s", strerror(errno));
	return value;
}

/* The write may come a little after the signal; the wait is in milliseconds. */
static bool aqa_becomes(uint32_t want, int within)
{
	for (int ms = 0; ms < within && aqa() != want; ms++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return aqa() == want;
}

static void arrives(void)
{
	const uint32_t value = 0x00070009, zero = 0;

	if (!abi_row("13.6.IOEVENTFD", "the signal writes the value"))
		return;
	if (v.id->class != CLASS_NVME) {
		abi_skip("there is no NVMe controller");
		return;
	}
	pci_set_command(v.device, PCI_COMMAND_MEMORY);
	pwrite(v.device, &zero, 4, REGION(0) + AQA);
	abi_errno(call(REGION(0) + AQA, VFIO_DEVICE_IOEVENTFD_32, value, event), 0);
	abi_equal(aqa(), 0);
	eventfd_write(event, 1);
	abi_true(aqa_becomes(value, 5000), "AQA is %#x", aqa());
	pwrite(v.device, &zero, 4, REGION(0) + AQA);
	abi_errno(call(REGION(0) + AQA, VFIO_DEVICE_IOEVENTFD_32, value, -1), 0);
	eventfd_write(event, 1);
	abi_true(!aqa_becomes(value, 100), "removed, it writes all the same");
	pci_set_command(v.device, 0);
}

static void on_road(enum vfio_road road)
{
	const struct vfio_id *nvme = vfio_of_class(CLASS_NVME);

	vfio_open(&v, road, nvme ? nvme : vfio_any());
	find_place();
	argument();
	sizes_and_pairs();
	too_many();
	arrives();
	vfio_close(&v);
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

	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	null = open_node("/dev/null");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
