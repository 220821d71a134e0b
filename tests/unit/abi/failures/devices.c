/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices: binding, attaching, interrupts, features, reset. */
#include "failures.h"

#include <sys/mman.h>

#include "abi/vfio.h"

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
	assert_int_equal(ioas_alloc_cmd(s->b, s->iommufd, &s->ioas[1]), 0);
	assert_int_equal(
		map_cmd(s->b, s->iommufd, s->ioas[1], IOVA, s->b->arena, ARENA_SIZE / 2, FIXED_RW),
		0);
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

static long low_power(struct scene *s)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} cmd = {{.argsz = sizeof(cmd),
		  .flags = VFIO_DEVICE_FEATURE_SET |
			   VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP},
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

static long feature(struct scene *s, uint32_t flags, const void *data, size_t len)
{
	struct {
		struct vfio_device_feature head;
		uint8_t data[16];
	} cmd = {.head = {.argsz = sizeof(cmd), .flags = flags}};

	memcpy(cmd.data, data, len);
	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_FEATURE, &cmd);
}

static long sleep_on(struct scene *s)
{
	return feature(s, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, "", 0);
}

static void asleep(struct scene *s)
{
	type1_device(s);
	assert_int_equal(low_power(s), 0);
}

static long wake(struct scene *s)
{
	return feature(s, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, "", 0);
}

static void physical_function(struct scene *s)
{
	type1_device(s);
	s->b->slot[0]->has_vfs = true;
}

static long vf_token(struct scene *s)
{
	return feature(s, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
		       "0123456789abcdef", 16);
}

static long precopy_info(struct scene *s)
{
	return expect(
		feature(s, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, "", 0),
		EINVAL);
}

static long irq_info(struct scene *s)
{
	struct vfio_irq_info cmd = {.argsz = sizeof(cmd), .index = VFIO_PCI_MSIX_IRQ_INDEX};

	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_GET_IRQ_INFO, &cmd);
}

static long reset(struct scene *s)
{
	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_RESET, NULL);
}

static long set_irqs(struct scene *s, uint32_t index, uint32_t action, uint32_t start,
		     uint32_t count)
{
	struct {
		struct vfio_irq_set head;
		int32_t fd[4];
	} cmd = {{.argsz = sizeof(cmd),
		  .flags = VFIO_IRQ_SET_DATA_EVENTFD | action,
		  .index = index,
		  .start = start,
		  .count = count}};

	for (unsigned int i = 0; i < count; i++)
		cmd.fd[i] = BED_EVENTFDS + (int)i;
	return bed_ioctl(s->b, s->dev[0], VFIO_DEVICE_SET_IRQS, &cmd);
}

static long vectors(struct scene *s)
{
	return set_irqs(s, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 2);
}

static void with_vectors(struct scene *s)
{
	type1_device(s);
	assert_int_equal(vectors(s), 0);
}

static long other_vectors(struct scene *s)
{
	return set_irqs(s, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 1, 1);
}

static long intx(struct scene *s)
{
	return set_irqs(s, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1);
}

static void with_intx(struct scene *s)
{
	type1_device(s);
	assert_int_equal(intx(s), 0);
}

static long intx_unmask(struct scene *s)
{
	return set_irqs(s, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
}

#define CONFIG_AT (7ull << VFIO_PCI_OFFSET_SHIFT)

static long read_config(struct scene *s)
{
	uint8_t config[256];

	return bed_pread(s->b, s->dev[0], config, sizeof(config), CONFIG_AT);
}

static long write_config(struct scene *s)
{
	uint16_t command = 6;

	return bed_pwrite(s->b, s->dev[0], &command, sizeof(command), CONFIG_AT + 4);
}

static void decoding(struct scene *s)
{
	type1_device(s);
	assert_int_equal(write_config(s), 2);
}

static long read_bar(struct scene *s)
{
	uint8_t bytes[32];

	return bed_pread(s->b, s->dev[0], bytes, sizeof(bytes), 0);
}

static long write_bar(struct scene *s)
{
	uint32_t word = 1;

	return bed_pwrite(s->b, s->dev[0], &word, sizeof(word), 16);
}

static long map_bar(struct scene *s)
{
	return bed_mmap(s->b, s->dev[0], PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
}

static const struct failing cases[] = {
	{"BIND_IOMMUFD", unbound, bind_device},
	{"ATTACH an IOAS", bound_with_areas, attach_ioas},
	{"ATTACH, a replacement", attached_and_other, replace_ioas, .stays = true},
	{"ATTACH, a replacement of a pair", pair_attached_and_other, replace_pair, .stays = true},
	{"DETACH", attached_with_areas, detach, .none = true},
	{"FEATURE LOW_POWER_ENTRY_WITH_WAKEUP", type1_device, low_power},
	{"FEATURE LOW_POWER_ENTRY", type1_device, sleep_on, .none = true},
	{"FEATURE LOW_POWER_EXIT", asleep, wake, .none = true},
	{"FEATURE PCI_VF_TOKEN", physical_function, vf_token, .none = true},
	{"FEATURE MIG_PRECOPY_INFOv2", type1_device, precopy_info, .none = true},
	{"GET_IRQ_INFO", type1_device, irq_info, .model = "ioat", .none = true},
	{"SET_IRQS of REQ", type1_device, err_irq},
	{"SET_IRQS of MSI-X", type1_device, vectors, .model = "ioat,channels=4"},
	/* As in Linux, a vector that cannot be given another eventfd has none. */
	{"SET_IRQS of MSI-X, again", with_vectors, other_vectors, .model = "ioat,channels=4",
	 .but = {"eventfds: ", "  interrupts of"}},
	{"SET_IRQS of INTx", type1_device, intx, .model = "ioat"},
	{"SET_IRQS of INTx, again", with_intx, intx, .model = "ioat"},
	{"SET_IRQS of INTx, unmasked by an eventfd", with_intx, intx_unmask, .model = "ioat"},
	{"RESET", type1_device, reset, .none = true},
	{"pread() of configuration space", type1_device, read_config, .none = true},
	{"pwrite() of configuration space", type1_device, write_config, .none = true},
	{"pread() of a BAR", decoding, read_bar, .none = true},
	{"pwrite() of a BAR", decoding, write_bar, .none = true},
	{"mmap() of a BAR", decoding, map_bar, .none = true},
	{"IOEVENTFD", type1_device, ioeventfd},
	{"GET_REGION_INFO", type1_device, region_info, .none = true},
	{"GET_INFO", type1_device, device_info, .none = true},
	{"GET_PCI_HOT_RESET_INFO", type1_device, hot_reset_info, .none = true},
	{"PCI_HOT_RESET", type1_device, hot_reset},
};

NOUN(failing_devices, "devices");
