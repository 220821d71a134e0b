/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding a device to its driver through sysfs, as drivers' set-up scripts do.
 */
#include "door_test.h"

#define DEVICE "/sys/bus/pci/devices/0000:01:00.0"
#define DRIVER "/sys/bus/pci/drivers/vfio-pci"

/* 0, or the errno of the write. */
static int put(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		rc = errno;
	close(fd);
	return rc;
}

/* The same by a stream, whose bytes libc writes by itself. */
static int print_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	int rc = 0;

	if (!f)
		return errno;
	fputs(text, f);
	if (fclose(f))
		rc = errno;
	return rc;
}

static bool bound(void)
{
	return !access(DEVICE "/driver", F_OK) && !access(DRIVER "/0000:01:00.0/vendor", F_OK);
}

static bool override_is(const char *want)
{
	char text[64] = "";
	FILE *f = fopen(DEVICE "/driver_override", "r");

	if (!f || !fgets(text, sizeof(text), f))
		return false;
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, want);
}

static void test_bind(int (*write_to)(const char *, const char *))
{
	CHECK(bound());
	CHECK(write_to(DRIVER "/bind", "0000:01:00.0\n") == EBUSY);
	CHECK(write_to(DRIVER "/unbind", "0000:99:00.0\n") == ENODEV);
	CHECK(!write_to(DRIVER "/unbind", "0000:01:00.0\n") && !bound());
	CHECK(write_to(DRIVER "/unbind", "0000:01:00.0\n") == ENODEV);
	CHECK(!write_to(DRIVER "/bind", "0000:01:00.0") && bound());
	CHECK(!write_to(DEVICE "/driver/unbind", "0000:01:00.0") && !bound());
	CHECK(override_is("(null)"));
	CHECK(!write_to("/sys/bus/pci/drivers_probe", "0000:01:00.0\n") && !bound());
	CHECK(!write_to(DEVICE "/driver_override", "vfio-pci\n") && override_is("vfio-pci"));
	CHECK(!write_to("/sys/bus/pci/drivers_probe", "0000:01:00.0\n") && bound());
	CHECK(!write_to(DEVICE "/driver_override", "\n") && override_is("(null)"));
	CHECK(!write_to(DRIVER "/unbind", "0000:01:00.0") && !bound());
	CHECK(!write_to(DRIVER "/new_id", "8086 1234\n") && !bound());
	CHECK(!write_to(DRIVER "/new_id", "1b36 10f0\n") && bound());
	CHECK(write_to(DRIVER "/new_id", "what\n") == EINVAL);
}

static void test_reset(void)
{
	struct scratch s;
	volatile uint8_t *bar;

	scratch_open(&s);
	bar = bar_map(&s, PROT_READ | PROT_WRITE);
	*reg32(bar, 0x10) = 5;
	CHECK(put(DEVICE "/reset", "x") == EINVAL);
	CHECK(!put(DEVICE "/reset", "1\n"));
	scratch_memory(&s, true);
	CHECK(*reg32(bar, 0x10) == 0);
	munmap((void *)bar, BAR0_SIZE);
	scratch_close(&s);
}

int main(void)
{
	test_bind(put);
	test_bind(print_to);
	/* By another program, which was handed the file. */
	CHECK(!system("echo 0000:01:00.0 > " DRIVER "/unbind && test ! -e " DEVICE "/driver"));
	CHECK(!bound());
	CHECK(!system("/bin/echo 0000:01:00.0 > " DRIVER "/bind"));
	CHECK(bound());
	CHECK(!system("bash -c 'echo 0000:01:00.0 > " DRIVER "/unbind; test ! -e " DEVICE
		      "/driver'"));
	CHECK(!system("echo 0000:01:00.0 | tee " DRIVER "/bind >/dev/null") && bound());
	CHECK(put(DEVICE "/vendor", "1") == EACCES || !geteuid());
	CHECK(put(DEVICE "/remove", "1") == EPERM);
	test_reset();
	return finish();
}
