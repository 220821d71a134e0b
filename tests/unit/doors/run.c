/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The run directory: settings survive being written and read; a path means what it should.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "doors/paths.h"
#include "doors/run.h"

static char dir[] = "/tmp/ioas-test-XXXXXX";
static struct run_config config;

static void write_text(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	char why[256];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	run_config_init(&config);
	config.iommu = strdup("vtd,aw=39");
	config.as_user = true;
	config.log = strdup("/var/log/a name with spaces");
	return run_config_limit(&config, "memlock=1T,entries=7", why, sizeof(why)) |
	       run_config_limit(&config, "aperture=39", why, sizeof(why)) |
	       run_config_add_device(&config, 0x0001051a, 7, "nvme,file=/a b,,c,size=1M") |
	       run_config_add_device(&config, 0x100, -1, "ioat") |
	       run_config_own(&config, "/sys/bus/pci") | run_config_own(&config, "/dev/vfio");
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	run_config_free(&config);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void test_round_trip(void **state)
{
	struct run_config back;
	const int fd = open(dir, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(run_config_write(&config, fd), 0);
	assert_int_equal(run_config_read(&back, dir), 0);
	assert_string_equal(back.iommu, config.iommu);
	assert_string_equal(back.log, config.log);
	assert_true(back.as_user && !back.strict && !back.iommufd_container);
	assert_int_equal(back.show, RUN_SHOW_NOTHING);
	assert_int_equal(back.limits.memlock, RUN_MEMLOCK_BYTES);
	assert_true(back.limits.memlock_bytes == 1ull << 40);
	assert_int_equal(back.limits.entries, 7);
	assert_int_equal(back.limits.iommu.aperture, 39);
	assert_int_equal(back.nr_devices, 2);
	assert_int_equal(back.devices[0].bdf, 0x0001051a);
	assert_int_equal(back.devices[0].group, 7);
	assert_string_equal(back.devices[0].text, "nvme,file=/a b,,c,size=1M");
	assert_int_equal(back.devices[1].group, -1);
	assert_int_equal(back.nr_owned, 2);
	assert_string_equal(back.owned[1], "/dev/vfio");
	run_config_free(&back);
	close(fd);
}

static void test_bad_files(void **state)
{
	static const char *const bad[] = {"",
					  "strict 1\n",
					  "iommu\n",
					  "iommu vtd\nwhat 1\n",
					  "iommu vtd\ndevice x\n",
					  "iommu vtd\nlimit what=1\n"};
	struct run_config back;

	(void)state;
	assert_true(run_config_read(&back, "/no/such/folder") < 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_text("host", bad[i]);
		assert_true(run_config_read(&back, dir) < 0);
		assert_null(back.iommu);
	}
}

static void test_bdf(void **state)
{
	char name[RUN_BDF_LEN];

	(void)state;
	run_bdf_name(0x0001051a, name);
	assert_string_equal(name, "0001:05:03.2");
	run_bdf_name(UINT32_MAX, name);
	assert_string_equal(name, "ffff:ff:1f.7");
}

static void test_stats(void **state)
{
	struct run_stats *a = run_stats_map(dir), *b = run_stats_map(dir);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	a->maps += 3;
	assert_int_equal(b->maps, 3);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		enum path_kind kind;
		const char *name; /* NULL: the path itself */
	} rows[] = {
		{"/dev/iommu", PATH_NODE, NULL},
		{"//dev///iommu", PATH_NODE, "/dev/iommu"},
		{"/sys/../dev/./iommu", PATH_NODE, "/dev/iommu"},
		{"/dev/vfio/vfio", PATH_NODE, NULL},
		{"/dev/vfio/7", PATH_NODE, NULL},
		{"/dev/vfio/8", PATH_OVERLAY, NULL},
		{"/dev/vfio/07x", PATH_OVERLAY, NULL},
		{"/dev/vfio/devices/vfio1", PATH_NODE, NULL},
		{"/dev/vfio/devices/vfio2", PATH_OVERLAY, NULL},
		{"/dev/vfio", PATH_OVERLAY, NULL},
		{"/dev/vfiox", PATH_PLAIN, NULL},
		{"/dev/null", PATH_PLAIN, NULL},
		{"/dev/kvm", PATH_KVM, NULL},
		{"/sys/bus/pci/devices", PATH_OVERLAY, NULL},
		{"/sys/bus/pci/drivers/vfio-pci/bind", PATH_ATTR, NULL},
		{"/sys/bus/pcix", PATH_PLAIN, NULL},
		{"/tmp/dev/iommu", PATH_PLAIN, NULL},
		{"/system/bus/pci", PATH_PLAIN, NULL},
		{"", PATH_PLAIN, NULL},
		{NULL, PATH_PLAIN, NULL},
	};
	struct path p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(path_find(AT_FDCWD, rows[i].path, &p), rows[i].kind);
		if (rows[i].kind != PATH_PLAIN)
			assert_string_equal(p.name, rows[i].name ? rows[i].name : rows[i].path);
	}
}

/* No path, however long or odd, leads out of the buffer. */
static void test_odd_paths(void **state)
{
	static char text[20000];
	struct path p;

	(void)state;
	strcpy(text, "/sys/");
	for (size_t n = 5; n < sizeof(text) - 8; n += 7) {
		memcpy(text + n, n % 3 ? "/../sys" : "/aaaaaa", 8);
		path_find(AT_FDCWD, text, &p);
	}
	memset(text, '/', sizeof(text) - 1);
	assert_int_equal(path_find(AT_FDCWD, text, &p), PATH_PLAIN);
	assert_int_equal(path_find(AT_FDCWD, "../../../../../../../../dev/iommu", &p), PATH_NODE);
}

static void test_strip(void **state)
{
	char text[64], other[] = "/elsewhere/sys";
	size_t n;

	(void)state;
	snprintf(text, sizeof(text), "%s/sys/bus", dir);
	n = path_strip(text, strlen(text));
	assert_int_equal(n, 8);
	assert_memory_equal(text, "/sys/bus", 8);
	assert_int_equal(path_strip(other, strlen(other)), strlen(other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_bdf),	   cmocka_unit_test(test_stats),
		cmocka_unit_test(test_paths),	   cmocka_unit_test(test_odd_paths),
		cmocka_unit_test(test_strip),
	};
	int rc = set_up(NULL);

	paths_init(dir, &config);
	rc |= cmocka_run_group_tests(tests, NULL, NULL);
	return rc | tear_down(NULL);
}
