/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What writing to a sysfs attribute does: devices are bound to vfio-pci and unbound, values are
 * kept.
 *
 * The state is in the overlay's links and files, so that every process of the run sees it.
 */
#include "doors/preload/real.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/bits.h"
#include "doors/preload/calls.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/overlay.h"
#include "doors/preload/sys.h"
#include "doors/preload/trace.h"
#include "doors/preload/vfs.h"

#define ATTR_ROOM 4096

/* The one line that is written, without its newline. */
struct attr {
	const char *name;		 /* the attribute's path */
	const struct run_device *device; /* whose folder it is in; NULL: of a driver or the bus */
	char text[128];
};

static const struct run_device *device_named(const char *bdf)
{
	char name[RUN_BDF_LEN];

	for (size_t i = 0; i < door.run.nr_devices; i++) {
		run_bdf_name(door.run.devices[i].bdf, name);
		if (!strcmp(name, bdf))
			return &door.run.devices[i];
	}
	return NULL;
}

/* The device in whose folder @path lies. */
static const struct run_device *device_of_path(const char *path)
{
	char name[RUN_BDF_LEN];

	for (size_t i = 0; i < door.run.nr_devices; i++) {
		run_bdf_name(door.run.devices[i].bdf, name);
		if (strstr(path, name))
			return &door.run.devices[i];
	}
	return NULL;
}

/* ---- the attributes ---- */

static int no(int err, const char *field, uint64_t value, const char *legal)
{
	return (int)trace_no(err, "ATTR", field, value, legal);
}

static int write_bind(const struct attr *a)
{
	const struct run_device *d = device_named(a->text);

	if (!d)
		return no(ENODEV, "bind", 0,
			  "the name of a device of the run, such as 0000:01:00.0");
	return overlay_is_bound(d)
		       ? no(EBUSY, "bind", 0, "a device without a driver: unbind it before")
		       : overlay_bind(d);
}

static int write_unbind(const struct attr *a)
{
	const struct run_device *d = device_named(a->text);

	int rc;

	if (!d || !overlay_is_bound(d))
		return no(ENODEV, "unbind", 0, "the name of a device that this driver has");
	/* Without its driver nobody looks after its virtual functions. */
	rc = vfs_set(d, 0);
	return rc ? rc : overlay_unbind(d);
}

static int write_probe(const struct attr *a)
{
	const struct run_device *d = device_named(a->text);

	if (!d)
		return no(ENODEV, "drivers_probe", 0, "the name of a device of the run");
	return !overlay_is_bound(d) && overlay_overridden(d) ? overlay_bind(d) : 0;
}

static bool has_ids(const struct run_device *d, unsigned int vendor, unsigned int device)
{
	struct overlay_path file;
	char text[16];

	overlay_device_file(d, "vendor", &file);
	if (overlay_get_text(file.text, text, sizeof(text)) <= 0 || strtoul(text, NULL, 16) != vendor)
		return false;
	overlay_device_file(d, "device", &file);
	return overlay_get_text(file.text, text, sizeof(text)) > 0 && strtoul(text, NULL, 16) == device;
}

/* "vendor device [...]": the driver takes what has those IDs and no driver. */
static int write_new_id(const struct attr *a)
{
	unsigned int vendor, device;
	int rc = 0;

	if (sscanf(a->text, "%x %x", &vendor, &device) != 2)
		return no(EINVAL, "new_id", 0, "vendor and device, in hexadecimal");
	for (size_t i = 0; i < door.run.nr_devices && !rc; i++) {
		const struct run_device *d = &door.run.devices[i];

		if (!overlay_is_bound(d) && has_ids(d, vendor, device))
			rc = overlay_bind(d);
	}
	return rc;
}

static int write_remove_id(const struct attr *a)
{
	unsigned int vendor, device;

	return sscanf(a->text, "%x %x", &vendor, &device) == 2
		       ? 0
		       : no(EINVAL, "remove_id", 0, "vendor and device, in hexadecimal");
}

static int keep(const struct attr *a, const char *text)
{
	struct overlay_path file;

	snprintf(file.text, sizeof(file.text), "%s%s", door.run_dir, a->name);
	return overlay_put_text(file.text, text);
}

static int write_value(const struct attr *a)
{
	char line[sizeof(a->text) + 1];

	snprintf(line, sizeof(line), "%s\n", a->text);
	return keep(a, line);
}

static int write_override(const struct attr *a)
{
	return *a->text ? write_value(a) : keep(a, "(null)\n");
}

/* As sriov_numvfs_store() does. */
static int write_num_vfs(const struct attr *a)
{
	char *end;
	unsigned long n;
	unsigned int now;

	errno = 0;
	n = strtoul(a->text, &end, 0);
	if (errno || end == a->text || *end || n > UINT16_MAX || !strpbrk(a->text, "0123456789") ||
	    strpbrk(a->text, "- \t"))
		return no(EINVAL, "sriov_numvfs", 0, "a number");
	if (!a->device || n > vfs_total(a->device))
		return no(ERANGE, "sriov_numvfs", n, "at most what sriov_totalvfs says");
	now = vfs_enabled(a->device);
	if (n == now)
		return 0;
	if (!overlay_is_bound(a->device))
		return no(ENOENT, "sriov_numvfs", n, "a device that vfio-pci has");
	return n && now ? no(EBUSY, "sriov_numvfs", n, "0 before another number")
			: vfs_set(a->device, (unsigned int)n);
}

static int write_reset(const struct attr *a)
{
	const unsigned int n = a->device ? (unsigned int)(a->device - door.run.devices) : 0;

	if (strcmp(a->text, "1"))
		return no(EINVAL, "reset", 0, "1");
	if (!a->device)
		return 0;
	if (door.run.shared)
		return client_reset(n);
	return engine_here() ? engine_reset(n) : 0;
}

static int write_hotplug(const struct attr *a)
{
	door_say_once("%s: the devices of a run cannot be removed or added while it runs", a->name);
	return no(EPERM, "remove", 0, "nothing: the devices of a run stay");
}

static const struct {
	const char *name;
	int (*write)(const struct attr *a);
} attrs[] = {
	{"bind", write_bind},
	{"unbind", write_unbind},
	{"new_id", write_new_id},
	{"remove_id", write_remove_id},
	{"drivers_probe", write_probe},
	{"driver_override", write_override},
	{"reset", write_reset},
	{"remove", write_hotplug},
	{"rescan", write_value},
	{"control", write_value},
	{"type", write_value},
	{"numa_node", write_value},
	{"drivers_autoprobe", write_value},
	{"sriov_numvfs", write_num_vfs},
	{"sriov_drivers_autoprobe", write_value},
};

static int locked_write(const struct attr *a, int (*write)(const struct attr *a))
{
	struct overlay_path file;
	int fd, rc;

	snprintf(file.text, sizeof(file.text), "%s/host", door.run_dir);
	fd = sys_openat(AT_FDCWD, file.text, O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0)
		sys3(SYS_flock, fd, LOCK_EX, 0);
	rc = write(a);
	if (fd >= 0)
		sys_close(fd);
	return rc;
}

ssize_t attr_write(const char *name, const char *text, size_t len)
{
	struct attr a = {.name = name, .device = device_of_path(name)};
	const char *last = strrchr(name, '/') + 1;
	const size_t n = strcspn(text, "\n");

	if (n >= sizeof(a.text))
		return no(EINVAL, "line", n, "a line of at most 127 characters");
	memcpy(a.text, text, n);
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		if (!strcmp(last, attrs[i].name)) {
			const int rc = locked_write(&a, attrs[i].write);

			return rc ? rc : (ssize_t)len;
		}
	}
	return no(EINVAL, "attribute", 0, "an attribute that can be written");
}

/* What arrived without our seeing it; there is nobody left to tell what became of it but the user.
 */
void attr_flush(int fd, const char *name)
{
	char text[ATTR_ROOM];
	const long n = sys4(SYS_pread64, fd, (long)text, sizeof(text) - 1, 0);
	ssize_t rc;

	if (n <= 0)
		return;
	text[n] = '\0';
	sys3(SYS_ftruncate, fd, 0, 0);
	rc = attr_write(name, text, (size_t)n);
	if (rc < 0)
		door_say("%s: %s", name, strerror((int)-rc));
}
