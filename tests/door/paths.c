/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's folders, by every way that leads to them.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "door_test.h"

#define DEVICE "/sys/bus/pci/devices/0000:01:00.0"

static int entries(const char *path, const char *want, bool *found)
{
	DIR *d = opendir(path);
	int n = 0;

	NEED(d);
	*found = false;
	for (struct dirent *e; (e = readdir(d));) {
		n += *e->d_name != '.';
		*found |= !strcmp(e->d_name, want);
	}
	closedir(d);
	return n;
}

static bool file_says(const char *path, const char *want)
{
	char text[256] = "";
	FILE *f = fopen(path, "r");

	if (!f || !fgets(text, sizeof(text), f))
		return false;
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, want);
}

static bool link_says(const char *path, const char *want)
{
	char text[PATH_MAX];
	const ssize_t n = readlink(path, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return !strcmp(text, want);
}

static bool resolves(const char *path, const char *want)
{
	char text[PATH_MAX], *other = realpath(path, NULL), *third = canonicalize_file_name(path);
	const bool same = other && third && !strcmp(other, third);

	free(other);
	free(third);
	return realpath(path, text) && !strcmp(text, want) && same;
}

static void test_sysfs(void)
{
	bool found;

	CHECK(file_says(DEVICE "/vendor", "0x1b36"));
	CHECK(file_says(DEVICE "/device", "0x10f0"));
	CHECK(file_says(DEVICE "/class", "0xff0000"));
	CHECK(file_says(DEVICE "/vfio-dev/vfio0/dev", "511:0"));
	CHECK(entries("/sys/bus/pci/devices", "0000:01:00.0", &found) == 1 && found);
	CHECK(entries("/sys/kernel/iommu_groups", "0", &found) == 1 && found);
	CHECK(entries(DEVICE "/vfio-dev", "vfio0", &found) == 1 && found);
	CHECK(entries("/sys/kernel/iommu_groups/0/devices/", "0000:01:00.0", &found) == 1 && found);
	CHECK(link_says(DEVICE "/iommu_group", "../../../kernel/iommu_groups/0"));
	CHECK(link_says(DEVICE "/driver", "../../../bus/pci/drivers/vfio-pci"));
	CHECK(resolves(DEVICE, "/sys/devices/pci0000:01/0000:01:00.0"));
	CHECK(resolves(DEVICE "/iommu_group", "/sys/kernel/iommu_groups/0"));
	CHECK(resolves(DEVICE "/driver/../..", "/sys/bus/pci"));
	CHECK(resolves("//sys/./bus//pci/", "/sys/bus/pci"));
	CHECK(!access("/sys/module/vfio_pci", F_OK));
	FAILS(access("/sys/bus/pci/devices/0000:99:00.0", F_OK), ENOENT);
	FAILS(open(DEVICE "/nothing", O_RDONLY), ENOENT);
}

/* The rest of /sys stays the machine's. */
static void test_real_sysfs(void)
{
	bool found;

	if (access("/sys/kernel/mm", F_OK) && access("/sys/fs", F_OK))
		return;
	CHECK(entries("/sys", "kernel", &found) > 3);
	CHECK(entries("/sys/class", "net", &found) > 3);
	CHECK(!access("/sys/class/vfio-dev", F_OK));
}

static bool is_node(const struct stat *st, unsigned int maj, unsigned int min)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == maj && minor(st->st_rdev) == min &&
	       !st->st_size;
}

static void test_nodes(void)
{
	struct statx sx;
	struct stat st;
	char text[64];
	bool found;
	int fd;

	CHECK(!stat("/dev/iommu", &st) && is_node(&st, 10, 124) && (st.st_mode & 0777) == 0660);
	CHECK(!lstat("/dev/vfio/vfio", &st) && is_node(&st, 10, 196) &&
	      (st.st_mode & 0777) == 0666);
	CHECK(!stat("/dev/vfio/0", &st) && is_node(&st, 243, 0));
	CHECK(!stat("/dev/vfio/devices/vfio0", &st) && is_node(&st, 511, 0));
	CHECK(!statx(AT_FDCWD, "/dev/vfio/0", 0, STATX_ALL, &sx) && S_ISCHR(sx.stx_mode) &&
	      sx.stx_rdev_major == 243);
	CHECK(!stat("/dev/vfio", &st) && S_ISDIR(st.st_mode));
	CHECK(entries("/dev/vfio", "vfio", &found) == 3 && found);
	CHECK(entries("/dev/vfio/devices", "vfio0", &found) == 1 && found);
	CHECK(!access("/dev/iommu", R_OK | W_OK) && !euidaccess("/dev/vfio/0", R_OK | W_OK));
	FAILS(stat("/dev/vfio/1", &st), ENOENT);
	CHECK(resolves("/dev/vfio/../vfio/vfio", "/dev/vfio/vfio"));
	/* What fstat() says is what `dev` in sysfs and stat() say: how a program knows a device. */
	fd = open("/dev/vfio/devices/vfio0", O_RDWR);
	CHECK(fd >= 0 && !fstat(fd, &st) && is_node(&st, 511, 0));
	CHECK(!statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &sx) && S_ISCHR(sx.stx_mode) &&
	      sx.stx_rdev_major == 511);
	CHECK(!fstatat(fd, "", &st, AT_EMPTY_PATH) && is_node(&st, 511, 0));
	snprintf(text, sizeof(text), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	CHECK(file_says(DEVICE "/vfio-dev/vfio0/dev", text));
	close(fd);
}

static bool opens(int dirfd, const char *name)
{
	const int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0)
		return false;
	ok = !fstat(fd, &st) && S_ISCHR(st.st_mode);
	close(fd);
	return ok;
}

static void test_relative(void)
{
	int dev = open("/dev", O_RDONLY | O_DIRECTORY),
	    vfio = open("/dev/vfio", O_RDONLY | O_DIRECTORY);
	int root = open("/", O_RDONLY | O_DIRECTORY),
	    sys = open("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY);
	char cwd[PATH_MAX];
	struct stat st;

	CHECK(opens(dev, "iommu") && opens(dev, "vfio/vfio") && opens(dev, "vfio/0"));
	CHECK(opens(vfio, "vfio") && opens(vfio, "0") && opens(vfio, "devices/vfio0") &&
	      opens(vfio, "../iommu"));
	CHECK(opens(root, "dev/iommu") && opens(dev, "../dev/iommu"));
	CHECK(!fstatat(vfio, "0", &st, 0) && is_node(&st, 243, 0));
	CHECK(!faccessat(sys, "0000:01:00.0/vendor", R_OK, 0));
	CHECK(!chdir("/dev/vfio") && opens(AT_FDCWD, "vfio") && opens(AT_FDCWD, "./0"));
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/dev/vfio"));
	CHECK(!chdir("/") && opens(AT_FDCWD, "dev/iommu") &&
	      !access("sys/bus/pci/devices/0000:01:00.0", F_OK));
	CHECK(!chdir(DEVICE) && file_says("vendor", "0x1b36"));
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/sys/devices/pci0000:01/0000:01:00.0"));
	CHECK(!chdir("/tmp") && opens(AT_FDCWD, "../dev/iommu"));
	close(dev);
	close(vfio);
	close(root);
	close(sys);
}

static void test_other_ways(void)
{
	struct statfs fs;
	FILE *f = fopen("/dev/vfio/vfio", "r+");
	int fd;

	CHECK(f && ioctl(fileno(f), VFIO_GET_API_VERSION) == 0 && !fclose(f));
	fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/iommu", O_RDWR);
	CHECK(fd >= 0 && is_live_iommufd(fd) && !syscall(SYS_close, fd));
	CHECK(!statfs("/sys/bus/pci", &fs) && fs.f_type == 0x62656572);
	fd = open("/dev/iommu", O_PATH);
	CHECK(fd >= 0);
	FAILS(ioctl(fd, IOMMU_DESTROY, &fs), EBADF);
	close(fd);
}

int main(void)
{
	test_sysfs();
	test_real_sysfs();
	test_nodes();
	test_relative();
	test_other_ways();
	return finish();
}
