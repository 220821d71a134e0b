/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the system refuses: memory while a device is made, and what a file system cannot do.
 */
#include "nvme_driver.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- memory ---- */

static int fail_after =
	-1; /* so many allocations more succeed, then one fails; below 0: all succeed */

static bool fails(void)
{
	return fail_after >= 0 && fail_after-- == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static void *shm_alloc(void *arg, uint64_t len)
{
	return __wrap_calloc(1, len);
}

static void shm_free(void *arg, void *p, uint64_t len)
{
	free(p);
}

static const struct pci_host_ops ops = {.shm_alloc = shm_alloc, .shm_free = shm_free};

/* pci_create() with its n-th allocation failing, for every n; what it had got is given back (leaks
 * are a sanitizer's to tell). */
static void every_allocation_of_a_device(void **state)
{
	static const char *const devices[] = {"nvme,size=1M,size2=1M,serial=7", "ioat,channels=4",
					      "virtio-net,hub=x", "scratch"};
	struct requester *req;
	struct rig r;

	rig_create(&r, true);
	assert_int_equal(requester_create(r.bed.iommu, 0x500, &req), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(devices); i++) {
		char *name = options_name(devices[i]);
		const struct pci_model *model = pci_model_find(name);
		int n, rc = -1;

		ioas_free(name);
		for (n = 0; rc; n++) {
			const struct pci_config cfg = {.rid = 0x500,
						       .requester = req,
						       .memory = r.bed.memory,
						       .hubs = r.hubs,
						       .ops = &ops};
			struct pci_dev *dev = NULL;
			char why[256] = "";

			fail_after = n;
			rc = pci_create(model, devices[i], &cfg, &dev, why, sizeof(why));
			fail_after = -1;
			if (rc) {
				assert_int_equal(rc, -ENOMEM);
				assert_true(strlen(why) > 0);
			} else {
				pci_destroy(dev);
			}
			assert_true(n < 200);
		}
		assert_true(n > 5);
	}
	requester_destroy(req);
	rig_destroy(&r);
}

/* ---- files ---- */

static int fallocate_errno, pwritev2_errno, madvise_errno; /* 0: the real call */
static bool only_plain;					   /* pwritev2() fails with flags only */
static unsigned int synchronous,
	flushes;		 /* calls of pwritev2() with RWF_DSYNC, and of fdatasync() */
static unsigned int interrupted; /* so many calls of pwritev2() more are */

int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t off, int flags);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_madvise(void *p, size_t len, int advice);
int __wrap_madvise(void *p, size_t len, int advice);

int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
	errno = fallocate_errno;
	return fallocate_errno ? -1 : __real_fallocate64(fd, mode, off, len);
}

/* A short write now and then, too. */
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct iovec part = {iov->iov_base, (iov->iov_len + 1) / 2};

	if (interrupted) {
		interrupted--;
		errno = EINTR;
		return -1;
	}
	if (pwritev2_errno && (flags || !only_plain)) {
		errno = pwritev2_errno;
		return -1;
	}
	__atomic_fetch_add(&synchronous, !!(flags & RWF_DSYNC), __ATOMIC_RELAXED);
	return __real_pwritev64v2(fd, &part, 1, off, flags);
}

int __wrap_fdatasync(int fd)
{
	__atomic_fetch_add(&flushes, 1, __ATOMIC_RELAXED);
	return __real_fdatasync(fd);
}

int __wrap_madvise(void *p, size_t len, int advice)
{
	errno = madvise_errno;
	return madvise_errno && advice == MADV_DONTNEED ? -1 : __real_madvise(p, len, advice);
}

struct bench {
	struct rig rig;
	struct nvme_host h;
	uint8_t *data, *back;
	size_t mark;
	char path[64];
};

static void setup(struct bench *b, bool file)
{
	char text[128] = "nvme,size=1M";

	memset(b, 0, sizeof(*b));
	rig_create(&b->rig, true);
	if (file) {
		strcpy(b->path, "/tmp/ioas-failures-XXXXXX");
		close(mkstemp(b->path));
		snprintf(text, sizeof(text), "nvme,size=1M,file=%s", b->path);
	}
	nvme_start(&b->h, func_add(&b->rig, text), 16);
	nvme_add_queue(&b->h, 1, 64, -1);
	b->data = arena_alloc(&b->rig, 512 * 1024, 4096);
	b->back = arena_alloc(&b->rig, 512 * 1024, 4096);
	fill_random(&(struct prng){4}, b->data, 512 * 1024);
	b->mark = b->rig.used;
}

static void teardown(struct bench *b)
{
	fallocate_errno = pwritev2_errno = madvise_errno = 0;
	only_plain = false;
	rig_destroy(&b->rig);
	if (b->path[0])
		unlink(b->path);
}

static uint16_t io(struct bench *b, uint8_t opcode, uint64_t slba, uint32_t blocks, void *p,
		   uint32_t cdw12)
{
	struct nvme_sqe e = nvme_rw_cmd(&b->h, opcode, 1, slba, blocks, p, blocks * 512);
	uint16_t status;

	e.cdw12 |= cdw12;
	status = nvme_do(&b->h, 1, e, NULL);
	b->rig.used = b->mark;
	return status;
}

/* Zeroes where no hole can be made: written. Deallocation, which is a hint, does nothing then. */
static void a_file_system_without_holes(void **state)
{
	struct nvme_dsm_range *r;
	struct nvme_sqe e;
	struct bench b;

	setup(&b, true);
	fallocate_errno = EOPNOTSUPP;
	interrupted = 3;
	assert_int_equal(io(&b, NVME_IO_WRITE, 0, 1024, b.data, 0), 0);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 3, 700, b.data, 0), 0);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 800, 5, b.data, BIT(25)), 0);
	r = arena_alloc(&b.rig, 4096, 4096);
	b.mark = b.rig.used;
	*r = (struct nvme_dsm_range){.slba = 900, .blocks = 50};
	e = (struct nvme_sqe){
		.opcode = NVME_IO_DSM, .nsid = 1, .cdw11 = 4, .dptr = {iova_of(&b.rig, r)}};
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), 0);
	memset(b.data + 3 * 512, 0, 700 * 512);
	memset(b.data + 800 * 512, 0, 5 * 512);
	assert_int_equal(io(&b, NVME_IO_READ, 0, 1024, b.back, 0), 0);
	assert_memory_equal(b.back, b.data, 512 * 1024);
	assert_int_equal(
		nvme_do(&b.h, 0, (struct nvme_sqe){.opcode = NVME_ADMIN_FORMAT, .nsid = 1}, NULL),
		0);
	assert_int_equal(io(&b, NVME_IO_READ, 0, 1024, b.back, 0), 0);
	assert_all(b.back, 0, 512 * 1024);
	/* One that fails in earnest. */
	fallocate_errno = EIO;
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_WRITE_FAULT);
	pwritev2_errno = EIO;
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 0, 1, b.data, 0), NVME_WRITE_FAULT);
	assert_int_equal(
		nvme_do(&b.h, 0, (struct nvme_sqe){.opcode = NVME_ADMIN_FORMAT, .nsid = 1}, NULL),
		NVME_INTERNAL_ERROR);
	teardown(&b);
}

/* A write that is to be durable at once, on a file system that knows no such write. */
static void a_file_system_without_synchronous_writes(void **state)
{
	struct bench b;

	setup(&b, true);
	pwritev2_errno = EOPNOTSUPP;
	only_plain = true;
	assert_int_equal(io(&b, NVME_IO_WRITE, 5, 100, b.data, BIT(30)), 0);
	assert_int_equal(io(&b, NVME_IO_READ, 5, 100, b.back, 0), 0);
	assert_memory_equal(b.back, b.data, 51200);
	pwritev2_errno = ENOSPC;
	only_plain = false;
	assert_int_equal(io(&b, NVME_IO_WRITE, 5, 100, b.data, 0), NVME_WRITE_FAULT);
	teardown(&b);
}

static unsigned int counted(unsigned int *counter)
{
	return __atomic_exchange_n(counter, 0, __ATOMIC_RELAXED);
}

/* What the driver is told to be durable has been asked of the file system when it is told. */
static void what_is_to_be_durable(void **state)
{
	struct bench b;

	setup(&b, true);
	counted(&synchronous);
	counted(&flushes);
	assert_int_equal(io(&b, NVME_IO_WRITE, 0, 8, b.data, 0), 0);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 0, 8, b.data, 0), 0);
	assert_int_equal(counted(&synchronous) + counted(&flushes), 0); /* the write cache's */
	assert_int_equal(io(&b, NVME_IO_FLUSH, 0, 1, b.data, 0), 0);
	assert_int_equal(counted(&flushes), 1);
	assert_int_equal(io(&b, NVME_IO_WRITE, 0, 8, b.data, BIT(30)), 0);
	assert_true(counted(&synchronous) > 0);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 0, 8, b.data, BIT(30)), 0);
	assert_int_equal(counted(&flushes), 1);
	assert_int_equal(
		nvme_do(&b.h, 0,
			nvme_feature_cmd(NVME_ADMIN_SET_FEATURES, NVME_FEAT_WRITE_CACHE, 0), NULL),
		0);
	assert_int_equal(counted(&flushes), 1); /* what the cache held */
	assert_int_equal(io(&b, NVME_IO_WRITE, 0, 8, b.data, 0), 0);
	assert_true(counted(&synchronous) > 0);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 0, 8, b.data, 0), 0);
	assert_int_equal(counted(&flushes), 1);
	reg_write(b.h.f, 0, NVME_CC, 4, NVME_CC_USUAL | 1 << 14);
	WAIT_UNTIL((nvme_csts(&b.h) >> 2 & 3) == 2);
	assert_int_equal(counted(&flushes), 1);
	teardown(&b);
	assert_int_equal(counted(&flushes),
			 1); /* a controller that goes away is no loss of power */
}

/* Zeroing memory that cannot be given back, at every alignment within a page. */
static void memory_that_is_not_given_back(void **state)
{
	struct bench b;

	setup(&b, false);
	for (unsigned int round = 0; round < 2; round++) {
		madvise_errno = round ? EINVAL : 0;
		for (unsigned int first = 0; first < 9; first++)
			for (unsigned int n = 1; n < 40; n += first + 1) {
				assert_int_equal(io(&b, NVME_IO_WRITE, 0, 64, b.data, 0), 0);
				assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, first, n, b.data, 0),
						 0);
				assert_int_equal(io(&b, NVME_IO_READ, 0, 64, b.back, 0), 0);
				assert_memory_equal(b.back, b.data, first * 512);
				assert_all(b.back + first * 512, 0, n * 512);
				assert_memory_equal(b.back + (first + n) * 512,
						    b.data + (first + n) * 512,
						    (64 - first - n) * 512);
			}
	}
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_of_a_device),
		cmocka_unit_test(a_file_system_without_holes),
		cmocka_unit_test(a_file_system_without_synchronous_writes),
		cmocka_unit_test(what_is_to_be_durable),
		cmocka_unit_test(memory_that_is_not_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
