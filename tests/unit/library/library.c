/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library from end to end: a host with an I/OAT and an NVMe model and a port, driven through its file numbers.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>
#include <ioas/ioas.h>

#define ARENA_LEN (1ul << 20)
#define ARENA_IOVA 0x10000000ul

struct rig {
	struct ioas_host *host;
	int iommu, device;
	uint32_t ioas, dev_id;
	char *arena;
	unsigned int faults, refusals;
};

static void on_fault(void *arg, const struct ioas_fault *f)
{
	__atomic_fetch_add(&((struct rig *)arg)->faults, 1, __ATOMIC_RELAXED);
}

static void on_refusal(void *arg, const struct ioas_refusal *r)
{
	((struct rig *)arg)->refusals++;
}

static void make_host(struct rig *r, const char *iommu)
{
	struct ioas_host_config cfg = {.iommu = iommu, .ipc_lock = true, .refused = on_refusal, .fault = on_fault, .arg = r};
	char why[256] = "";

	memset(r, 0, sizeof(*r));
	if (ioas_host_create(&cfg, &r->host, why, sizeof(why)))
		fail_msg("%s", why);
	r->arena = mmap(NULL, ARENA_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->arena, MAP_FAILED);
}

static void map_arena(struct rig *r)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = r->ioas,
		.user_va = (uintptr_t)r->arena,
		.length = ARENA_LEN,
		.iova = ARENA_IOVA,
	};

	assert_int_equal(ioas_ioctl(r->host, r->iommu, IOMMU_IOAS_MAP, (uintptr_t)&map), 0);
}

static void open_iommu(struct rig *r)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	r->iommu = ioas_open(r->host, "/dev/iommu");
	assert_true(r->iommu >= 0);
	assert_int_equal(ioas_ioctl(r->host, r->iommu, IOMMU_IOAS_ALLOC, (uintptr_t)&alloc), 0);
	r->ioas = alloc.out_ioas_id;
}

static void open_device(struct rig *r)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = r->iommu};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = r->ioas};

	r->device = ioas_open(r->host, "/dev/vfio/devices/vfio0");
	assert_true(r->device >= 0);
	assert_int_equal(ioas_ioctl(r->host, r->device, VFIO_DEVICE_BIND_IOMMUFD, (uintptr_t)&bind), 0);
	assert_int_equal(ioas_ioctl(r->host, r->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, (uintptr_t)&attach), 0);
	r->dev_id = bind.out_devid;
}

static void drop(struct rig *r)
{
	ioas_host_destroy(r->host);
	munmap(r->arena, ARENA_LEN);
}

static void reg_write(struct rig *r, uint64_t off, uint64_t val, unsigned int size)
{
	assert_int_equal(ioas_pwrite(r->host, r->device, &val, size, off), size);
}

static uint64_t reg_read(struct rig *r, uint64_t off, unsigned int size)
{
	uint64_t val = 0;

	assert_int_equal(ioas_pread(r->host, r->device, &val, size, off), size);
	return val;
}

#define CONFIG (7ull << 40)

static void set_bus_master(struct rig *r)
{
	reg_write(r, CONFIG + 4, 6, 2);
}

/* Runs one I/OAT copy descriptor and returns the channel's state: 1 done, 3 halted. */
static unsigned int ioat_copy(struct rig *r, uint64_t src, uint64_t dst, uint32_t len)
{
	uint64_t *desc = (uint64_t *)r->arena;
	unsigned int state = 0;

	desc[0] = len;
	desc[1] = src;
	desc[2] = dst;
	desc[3] = ARENA_IOVA;
	reg_write(r, 0x84, 0x20, 1);
	reg_write(r, 0x90, ARENA_IOVA, 8);
	reg_write(r, 0x80, 1, 2);
	reg_write(r, 0x86, 1, 2);
	for (int i = 0; i < 5000 && state != 1 && state != 3; i++) {
		usleep(100);
		state = reg_read(r, 0x88, 8) & 7;
	}
	return state;
}

static void copies_through_the_iommu(void **state)
{
	static const char *const makes[] = {"vtd", "amd"};
	struct rig r;

	for (unsigned int i = 0; i < 2; i++) {
		make_host(&r, makes[i]);
		assert_int_equal(ioas_add_model(r.host, "ioat", 0x100, -1, NULL, 0), 0);
		open_iommu(&r);
		open_device(&r);
		map_arena(&r);
		memset(r.arena + 8192, 0x5a, 5000);
		/* Bus mastering is off: nothing moves. */
		assert_int_equal(ioat_copy(&r, ARENA_IOVA + 8192, ARENA_IOVA + 65536 + 7, 5000), 3);
		set_bus_master(&r);
		assert_int_equal(ioat_copy(&r, ARENA_IOVA + 8192, ARENA_IOVA + 65536 + 7, 5000), 1);
		assert_memory_equal(r.arena + 8192, r.arena + 65536 + 7, 5000);
		assert_int_equal(r.arena[65536 + 6], 0);
		assert_int_equal(r.arena[65536 + 7 + 5000], 0);
		r.faults = 0;
		assert_int_equal(ioat_copy(&r, 0x99000000, ARENA_IOVA + 8192, 64), 3);
		assert_true(r.faults > 0);
		drop(&r);
	}
}

/* Enabled, bound with the token that the physical function's user has set, and gone again. */
static void virtual_functions_come_and_go(void **state)
{
	static const uint8_t token[16] = {7};
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind),
						.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
						.token_uuid_ptr = (uintptr_t)token};
	char why[256];
	struct rig r;
	int pf, vf;

	make_host(&r, "vtd");
	assert_int_equal(ioas_add_model(r.host, "nvme,vfs=2", 0x100, -1, why, sizeof(why)), 0);
	assert_int_equal(ioas_add_model(r.host, "nvme", 0x180, -1, why, sizeof(why)), -EEXIST);
	assert_int_equal(ioas_set_vfs(r.host, 0x108, 1), -ENODEV);
	assert_int_equal(ioas_set_vfs(r.host, 0x100, 3), -ERANGE);
	open_iommu(&r);
	bind.iommufd = r.iommu;
	assert_int_equal(ioas_open(r.host, "/dev/vfio/devices/vfio1"), -ENODEV);
	assert_int_equal(ioas_set_vfs(r.host, 0x100, 1), 0);
	assert_int_equal(ioas_open(r.host, "/dev/vfio/devices/vfio2"), -ENODEV);
	pf = ioas_open(r.host, "/dev/vfio/devices/vfio0");
	assert_int_equal(ioas_ioctl(r.host, pf, VFIO_DEVICE_BIND_IOMMUFD, (uintptr_t)&bind), 0);
	vf = ioas_open(r.host, "/dev/vfio/devices/vfio1");
	assert_int_equal(ioas_ioctl(r.host, vf, VFIO_DEVICE_BIND_IOMMUFD, (uintptr_t)&bind), 0);
	assert_int_equal(ioas_set_vfs(r.host, 0x100, 0), -EBUSY);
	ioas_close(r.host, vf);
	assert_int_equal(ioas_set_vfs(r.host, 0x100, 0), 0);
	assert_int_equal(ioas_open(r.host, "/dev/vfio/devices/vfio1"), -ENODEV);
	drop(&r);
}

static void a_port_reads_and_writes(void **state)
{
	struct ioas_port *port;
	struct rig r;
	char buf[256];

	make_host(&r, "vtd");
	assert_int_equal(ioas_port_create(r.host, 0x10, &port), 0);
	open_iommu(&r);
	map_arena(&r);
	assert_int_equal(ioas_port_bind(port, r.iommu, &r.dev_id), 0);
	assert_int_equal(ioas_port_attach(port, &(uint32_t){r.ioas}), 0);
	ioas_port_begin(port);
	assert_int_equal(ioas_port_write(port, ARENA_IOVA + 100, "over the bus", 12), 0);
	assert_memory_equal(r.arena + 100, "over the bus", 12);
	assert_int_equal(ioas_port_read(port, ARENA_IOVA + 100, buf, 12), 0);
	assert_memory_equal(buf, "over the bus", 12);
	assert_int_equal(ioas_port_read(port, ARENA_IOVA + ARENA_LEN - 4, buf, 8), -14);
	assert_int_equal(r.faults, 1);
	ioas_port_end(port);
	drop(&r);
}

static void ports_come_and_go(void **state)
{
	struct ioas_port *port, *other;
	struct rig r;

	make_host(&r, "amd");
	open_iommu(&r);
	map_arena(&r);
	assert_int_equal(ioas_port_create(r.host, 0x11, &other), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(ioas_port_create(r.host, 0x10, &port), 0);
		assert_int_equal(ioas_port_create(r.host, 0x10, &port), -EEXIST);
		assert_int_equal(ioas_port_bind(port, r.iommu, NULL), 0);
		assert_int_equal(ioas_port_attach(port, &(uint32_t){r.ioas}), 0);
		ioas_port_begin(port);
		assert_int_equal(ioas_port_write(port, ARENA_IOVA, "x", 1), 0);
		ioas_port_end(port);
		ioas_port_destroy(port);
	}
	drop(&r);
}

static void refuses_with_the_rule(void **state)
{
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = 77};
	struct rig r;

	make_host(&r, NULL);
	open_iommu(&r);
	assert_int_equal(ioas_ioctl(r.host, r.iommu, IOMMU_DESTROY, (uintptr_t)&destroy), -2);
	assert_int_equal(r.refusals, 1);
	assert_int_equal(ioas_open(r.host, "/dev/vfio/9"), -19);
	assert_int_equal(ioas_open(r.host, "/dev/null"), -2);
	assert_int_equal(ioas_close(r.host, 500), -9);
	drop(&r);
}

#define CLOSINGS 30000

struct closing {
	struct ioas_host *host;
	int fd;
	bool stop;
};

/* Calls a file that is closed and opened all the time. */
static void *call_meanwhile(void *arg)
{
	struct closing *c = arg;
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		long rc = ioas_ioctl(c->host, c->fd, IOMMU_IOAS_ALLOC, (uintptr_t)&alloc);

		if (rc && rc != -EBADF)
			return (void *)rc;
	}
	return NULL;
}

/* Whoever leaves last takes the file along: no number stays taken, and no file is used when it is
 * gone. */
static void files_are_closed_under_calls(void **state)
{
	struct closing c;
	pthread_t thread[2];
	struct rig r;
	void *rc;

	make_host(&r, NULL);
	c = (struct closing){.host = r.host, .fd = ioas_open(r.host, "/dev/iommu")};
	assert_true(c.fd >= 0);
	assert_int_equal(ioas_close(r.host, c.fd), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, call_meanwhile, &c), 0);
	for (unsigned int i = 0; i < CLOSINGS; i++) {
		int fd = ioas_open(r.host, "/dev/iommu");

		assert_true(fd >= 0);
		assert_int_equal(ioas_close(r.host, fd), 0);
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &rc), 0);
		assert_null(rc);
	}
	for (int fd = 0; fd <= c.fd + 3; fd++)
		assert_int_equal(ioas_close(r.host, fd), -EBADF);
	assert_int_equal(ioas_open(r.host, "/dev/iommu"), c.fd);
	drop(&r);
}

static void bad_hosts_are_explained(void **state)
{
	struct ioas_host_config cfg = {.iommu = "vtd,colour=red"};
	struct ioas_host *h;
	char why[256] = "";

	assert_int_equal(ioas_host_create(&cfg, &h, why, sizeof(why)), -22);
	assert_non_null(strstr(why, "colour"));
	cfg.iommu = "nonesuch";
	assert_int_equal(ioas_host_create(&cfg, &h, why, sizeof(why)), -22);
	assert_non_null(strstr(why, "nonesuch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_through_the_iommu),
		cmocka_unit_test(virtual_functions_come_and_go),
		cmocka_unit_test(a_port_reads_and_writes),
		cmocka_unit_test(ports_come_and_go),
		cmocka_unit_test(refuses_with_the_rule),
		cmocka_unit_test(files_are_closed_under_calls),
		cmocka_unit_test(bad_hosts_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
