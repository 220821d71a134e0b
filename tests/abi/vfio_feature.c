/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE on a vfio-pci device that cannot migrate: the order of its checks, section
 * 13.4, shown on the power features, which every such device has.
 */
#include "vfio_fixture.h"

#include <sys/eventfd.h>

#define PROBE VFIO_DEVICE_FEATURE_PROBE
#define GET   VFIO_DEVICE_FEATURE_GET
#define SETS  VFIO_DEVICE_FEATURE_SET
#define ENTRY VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define WAKE  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
#define PRECOPY_INFO VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define LEAVE VFIO_DEVICE_FEATURE_LOW_POWER_EXIT

/* The structure with room for what a feature may carry. */
struct feature {
	uint32_t argsz, flags;
	uint64_t data[6];
};

static struct vfio v;

static int call(void *arg)
{
	return abi_ioctl(v.device, VFIO_DEVICE_FEATURE, arg);
}

static int feature(uint32_t flags, uint32_t argsz)
{
	struct feature arg = { .argsz = argsz, .flags = flags };

	return call(&arg);
}

static int setup(void)
{
	return v.device;
}

static void teardown(int device)
{
}

static void rules(void)
{
	static const struct feature base = { .argsz = 8, .flags = SETS | LEAVE };
	const struct abi_command command = {
		.name = "FEATURE",
		.request = VFIO_DEVICE_FEATURE,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.teardown = teardown,
		.base_rule = "13.4",
	};
	static const struct abi_rule rows[] = {
		{ "13.4.1", "argsz", EINVAL, { SET(feature, argsz, 7) } },
		{ "13.4.1", "unknown flag", EINVAL, { SET(feature, flags, 1u << 19 | SETS | LEAVE) } },
		{ "13.4.1", "unknown flag, with PROBE, of no feature", EINVAL,
		  { SET(feature, flags, 1u << 31 | PROBE | 0xffff) } },
		{ "13.4.1", "GET and SET", EINVAL, { SET(feature, flags, GET | SETS | LEAVE) } },
		{ "13.4.1", "GET and SET of no feature", EINVAL,
		  { SET(feature, flags, GET | SETS | 0xffff) } },
		{ "13.4.2", "no such feature", ENOTTY, { SET(feature, flags, SETS | 0xffff) } },
		{ "13.4.2", "no such feature, neither GET nor SET", ENOTTY,
		  { SET(feature, flags, 0xffff) } },
		{ "13.4.3", "GET of what can be set only", EINVAL,
		  { SET(feature, flags, GET | LEAVE) } },
		{ "13.4.3", "PROBE for it", EINVAL, { SET(feature, flags, PROBE | GET | LEAVE) } },
		{ "13.4.3", "PROBE for both", EINVAL,
		  { SET(feature, flags, PROBE | GET | SETS | LEAVE) } },
		{ "13.4.5", "neither GET nor SET", EINVAL, { SET(feature, flags, LEAVE) } },
		{ "13.4.6", "no room for what it carries", EINVAL,
		  { SET(feature, flags, SETS | WAKE) } },
	};

	abi_rules(&command, rows, ARRAY_SIZE(rows));
	if (abi_row("13.4.1", "EFAULT")) {
		abi_errno(call(NULL), EFAULT);
		abi_errno(call(abi_at_the_edge(&base, 7)), EFAULT);
		abi_errno(call(abi_at_the_edge(&base, 8)), 0);
	}
	if (abi_row("13.4.4", "PROBE looks at nothing more")) {
		abi_errno(feature(PROBE | SETS | LEAVE, 8), 0);
		abi_errno(feature(PROBE | LEAVE, 8), 0);
		abi_errno(feature(PROBE | SETS | WAKE, 8), 0);
		abi_errno(feature(PROBE | SETS | ENTRY, 4096), 0);
	}
}

/* What the device does not do it does not know, whatever is asked of it. */
static void missing(void)
{
	static const uint32_t features[] = {
		VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
		VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
		VFIO_DEVICE_FEATURE_BUS_MASTER,
		13, /* ZPCI_ERROR, s390 only */
		99, 0xffff,
	};

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (!abi_row("13.4.2", "feature %u", features[i]))
			continue;
		abi_errno(feature(GET | features[i], sizeof(struct feature)), ENOTTY);
		abi_errno(feature(SETS | features[i], sizeof(struct feature)), ENOTTY);
		abi_errno(feature(PROBE | GET | features[i], 8), ENOTTY);
		abi_errno(feature(PROBE | features[i], 8), ENOTTY);
	}
}

/* The one that a device without migration knows, and refuses. */
static void precopy_info(void)
{
	if (!abi_row("13.4 13.4.MIG_PRECOPY_INFOv2", "no PRE_COPY"))
		return;
	abi_errno(feature(SETS | PRECOPY_INFO, 8), EINVAL);
	abi_errno(feature(GET | PRECOPY_INFO, 8), EINVAL);
	abi_errno(feature(PROBE | SETS | PRECOPY_INFO, 8), EINVAL);
}

static void token(void)
{
	char path[80];
	int err;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_totalvfs", v.id->bdf);
	if (!abi_row("13.4.2", "PCI_VF_TOKEN"))
		return;
	err = feature(PROBE | SETS | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, 8);
	abi_errno(err, access(path, F_OK) ? ENOTTY : 0);
	abi_errno(feature(SETS | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, 8), err ? ENOTTY : EINVAL);
}

static int wake(int32_t fd)
{
	struct feature arg = { .argsz = 16, .flags = SETS | WAKE };

	memcpy(arg.data, &fd, sizeof(fd));
	return call(&arg);
}

static void power(void)
{
	struct feature head = { .argsz = 16, .flags = SETS | WAKE };
	int event = eventfd(0, EFD_CLOEXEC), null = open_node("/dev/null");

	if (abi_row("13.4.LOW_POWER", "exit when not in"))
		abi_errno(feature(SETS | LEAVE, 8), 0);
	if (abi_row("13.4.LOW_POWER", "in, in again, out, out again")) {
		abi_errno(feature(SETS | ENTRY, 8), 0);
		abi_errno(feature(SETS | ENTRY, 8), EINVAL);
		abi_errno(wake(event), EINVAL);
		abi_errno(feature(SETS | LEAVE, 8), 0);
		abi_errno(feature(SETS | LEAVE, 8), 0);
	}
	if (abi_row("13.4.LOW_POWER", "an ioctl on a sleeping device wakes it")) {
		abi_errno(feature(SETS | ENTRY, 8), 0);
		abi_errno(abi_ioctl(v.device, VFIO_DEVICE_RESET, NULL), 0);
		pci_command(v.device);
		abi_errno(feature(SETS | LEAVE, 8), 0);
	}
	if (abi_row("13.4.LOW_POWER", "with a wake-up eventfd")) {
		abi_errno(call(abi_at_the_edge(&head, 8)), EFAULT);
		abi_errno(wake(-1), EINVAL);
		abi_errno(wake(1000), EBADF);
		abi_errno(wake(null), EINVAL);
		abi_errno(wake(event), 0);
		abi_errno(feature(SETS | LEAVE, 8), 0);
		abi_errno(feature(SETS | ENTRY, 8), 0);
		abi_errno(feature(SETS | LEAVE, 8), 0);
	}
	close(null);
	close(event);
}

static void on_road(enum vfio_road road)
{
	vfio_open(&v, road, vfio_any());
	rules();
	missing();
	precopy_info();
	token();
	power();
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

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
