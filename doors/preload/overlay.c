/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "doors/preload/door.h"
#include "doors/preload/sys.h"

#define DRIVER "vfio-pci"

void overlay_device_file(const struct run_device *d, const char *file, struct overlay_path *out)
{
	char bdf[RUN_BDF_LEN];

	run_bdf_name(d->bdf, bdf);
	snprintf(out->text, sizeof(out->text), "%s/sys/devices/pci%.7s/%s/%s", door.run_dir, bdf,
		 bdf, file);
}

static void driver_entry(const struct run_device *d, struct overlay_path *out)
{
	char bdf[RUN_BDF_LEN];

	run_bdf_name(d->bdf, bdf);
	snprintf(out->text, sizeof(out->text), "%s/sys/bus/pci/drivers/" DRIVER "/%s", door.run_dir,
		 bdf);
}

bool overlay_is_bound(const struct run_device *d)
{
	struct overlay_path link;
	char to[16];

	overlay_device_file(d, "driver", &link);
	return sys_readlink(link.text, to, sizeof(to)) > 0;
}

int overlay_put_text(const char *path, const char *text)
{
	const size_t len = strlen(text);
	int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0);
	long rc = fd;

	if (fd >= 0) {
		rc = sys3(SYS_write, fd, (long)text, (long)len);
		sys_close(fd);
	}
	return rc < 0 ? (int)rc : 0;
}

long overlay_get_text(const char *path, char *buf, size_t room)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	long n = fd;

	if (fd >= 0) {
		n = sys3(SYS_read, fd, (long)buf, (long)room - 1);
		sys_close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

static int set_link(const char *path, const char *to)
{
	const long rc = sys3(SYS_symlink, (long)to, (long)path, 0);

	return rc == -EEXIST ? 0 : (int)rc;
}

int overlay_bind(const struct run_device *d)
{
	struct overlay_path link;
	char bdf[RUN_BDF_LEN], to[96];
	int rc;

	run_bdf_name(d->bdf, bdf);
	overlay_device_file(d, "driver", &link);
	rc = set_link(link.text, "../../../bus/pci/drivers/" DRIVER);
	driver_entry(d, &link);
	snprintf(to, sizeof(to), "../../../../devices/pci%.7s/%s", bdf, bdf);
	return rc ? rc : set_link(link.text, to);
}

int overlay_unbind(const struct run_device *d)
{
	struct overlay_path link;

	driver_entry(d, &link);
	sys3(SYS_unlink, (long)link.text, 0, 0);
	overlay_device_file(d, "driver", &link);
	return (int)sys3(SYS_unlink, (long)link.text, 0, 0);
}

bool overlay_overridden(const struct run_device *d)
{
	struct overlay_path file;
	char text[64];

	overlay_device_file(d, "driver_override", &file);
	return overlay_get_text(file.text, text, sizeof(text)) > 0 && !strcmp(text, DRIVER "\n");
}
