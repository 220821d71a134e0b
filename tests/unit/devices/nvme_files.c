/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces on files: what opens and what does not, what lands in the file, and what is in it when
 * the process is killed.
 */
#include "nvme_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[96];

static int make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/ioas-nvme-XXXXXX", tmp ? tmp : "/tmp");
	return !mkdtemp(dir);
}

static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

/* A file of @size bytes, or none. Its option text goes to @text. */
static void make_file(off_t size, const char *rest, char *text, size_t len)
{
	int fd;

	snprintf(path, sizeof(path), "%s/disk", dir);
	snprintf(text, len, "nvme,file=%s%s", path, rest);
	unlink(path);
	if (size < 0)
		return;
	fd = open(path, O_RDWR | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static off_t size_of_file(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void files_that_open_and_files_that_do_not(void **state)
{
	static const struct {
		off_t size;
		const char *rest;
		int rc;
		const char *word;
		off_t after;
	} rows[] = {
		{-1, "", -ENOENT, "size=", -1},
		{-1, ",readonly", -ENOENT, "", -1},
		{-1, ",size=1M", 0, "", 1 << 20},
		{0, "", -EINVAL, "shorter", 0},
		{4095, "", -EINVAL, "4096", 4095},
		{4096, "", 0, "", 4096},
		{4096, ",lba=4096", 0, "", 4096},
		{0, ",size=64K", 0, "", 65536},
		{1 << 20, ",size=64K", 0, "", 1 << 20},
		{4096, ",size=64K,readonly", -EROFS, "65536", 4096},
		{65536, ",size=64K,readonly", 0, "", 65536},
	};
	char text[160], why[256];
	struct rig r;

	rig_create(&r, true);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		why[0] = 0;
		make_file(rows[i].size, rows[i].rest, text, sizeof(text));
		if (func_try(&r, text, why, sizeof(why)) != rows[i].rc)
			fail_msg("%s: %s", text, why);
		if (rows[i].rc && (!strstr(why, rows[i].word) || !strstr(why, path)))
			fail_msg("%s: %s", text, why);
		if (rows[i].after >= 0)
			assert_int_equal(size_of_file(), rows[i].after);
	}
	/* What is made can be read by its owner, whatever lay on the stack. */
	make_file(-1, ",size=1M", text, sizeof(text));
	umask(022);
	assert_int_equal(func_try(&r, text, why, sizeof(why)), 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* Things that are no disks. */
	assert_int_equal(func_try(&r, "nvme,file=/dev/null", why, sizeof(why)), -EINVAL);
	assert_int_equal(func_try(&r, "nvme,file=/dev/null,readonly", why, sizeof(why)), -EINVAL);
	assert_true(func_try(&r, "nvme,file=/", why, sizeof(why)) < 0);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(text, sizeof(text), "nvme,file=%s,readonly", path);
	assert_int_equal(func_try(&r, text, why, sizeof(why)),
			 -EINVAL); /* and does not wait for a writer */
	rig_destroy(&r);
}

static void a_file_has_one_writer(void **state)
{
	char text[160], readonly[200], why[256];
	struct func *f;
	struct rig r;

	rig_create(&r, true);
	make_file(65536, "", text, sizeof(text));
	snprintf(readonly, sizeof(readonly), "%s,readonly", text);
	f = func_add(&r, text);
	assert_int_equal(func_try(&r, text, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "in use"));
	assert_int_equal(func_try(&r, readonly, why, sizeof(why)), -EBUSY);
	func_remove(f);
	f = func_add(&r, readonly);
	assert_int_equal(func_try(&r, readonly, why, sizeof(why)), 0); /* readers share it */
	assert_int_equal(func_try(&r, text, why, sizeof(why)), -EBUSY);
	func_remove(f);
	assert_int_equal(func_try(&r, text, why, sizeof(why)), 0);
	rig_destroy(&r);
}

struct bench {
	struct rig rig;
	struct nvme_host h;
	uint8_t *data, *back;
	size_t mark;
};

static void setup(struct bench *b, const char *text)
{
	memset(b, 0, sizeof(*b));
	rig_create(&b->rig, true);
	nvme_start(&b->h, func_add(&b->rig, text), 16);
	nvme_add_queue(&b->h, 1, 64, -1);
	b->data = arena_alloc(&b->rig, 65536, 4096);
	b->back = arena_alloc(&b->rig, 65536, 4096);
	fill_random(&(struct prng){4}, b->data, 65536);
	b->mark = b->rig.used;
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

static void check_file(uint64_t off, const void *want, size_t len)
{
	char *got = malloc(len);
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, got, len, (off_t)off), len);
	assert_memory_equal(got, want, len);
	close(fd);
	free(got);
}

static void what_is_written_is_in_the_file(void **state)
{
	static const uint8_t zeroes[65536];
	char text[160];
	struct bench b;

	make_file(1 << 20, "", text, sizeof(text));
	setup(&b, text);
	assert_int_equal(io(&b, NVME_IO_WRITE, 3, 100, b.data, 0), 0);
	check_file(3 * 512, b.data, 51200);
	assert_int_equal(io(&b, NVME_IO_WRITE, 300, 8, b.data + 512, BIT(30)), 0); /* FUA */
	check_file(300 * 512, b.data + 512, 4096);
	assert_int_equal(io(&b, NVME_IO_FLUSH, 0, 1, b.data, 0), 0);
	assert_int_equal(io(&b, NVME_IO_READ, 3, 100, b.back, 0), 0);
	assert_memory_equal(b.back, b.data, 51200);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 4, 50, b.data, 0), 0);
	check_file(4 * 512, zeroes, 25600);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 60, 40, b.data, BIT(25) | BIT(30)), 0);
	check_file(60 * 512, zeroes, 20480);
	check_file(3 * 512, b.data, 512);
	check_file(54 * 512, b.data + 51 * 512, 512);
	assert_int_equal(size_of_file(), 1 << 20);
	/* Without the write cache each write is durable when it is done. */
	assert_int_equal(
		nvme_do(&b.h, 0,
			nvme_feature_cmd(NVME_ADMIN_SET_FEATURES, NVME_FEAT_WRITE_CACHE, 0), NULL),
		0);
	assert_int_equal(io(&b, NVME_IO_WRITE, 400, 16, b.data, 0), 0);
	check_file(400 * 512, b.data, 8192);
	/* A format leaves a file of zeroes, of the same length. */
	assert_int_equal(
		nvme_do(&b.h, 0, (struct nvme_sqe){.opcode = NVME_ADMIN_FORMAT, .nsid = 1}, NULL),
		0);
	for (unsigned int i = 0; i < 16; i++)
		check_file(i * 65536, zeroes, 65536);
	assert_int_equal(size_of_file(), 1 << 20);
	rig_destroy(&b.rig);
}

/* It is there for the next controller, with the same name. */
static void an_image_outlives_its_controller(void **state)
{
	uint8_t uuid[16];
	char text[160];
	struct bench b;

	make_file(1 << 20, "", text, sizeof(text));
	for (unsigned int run = 0; run < 2; run++) {
		setup(&b, text);
		assert_int_equal(nvme_do(&b.h, 0, nvme_identify_cmd(&b.h, 3, 1, b.back), NULL), 0);
		if (run) {
			assert_memory_equal(b.back + 16, uuid, 16);
			assert_int_equal(io(&b, NVME_IO_READ, 7, 64, b.back, 0), 0);
			assert_memory_equal(b.back, b.data, 32768);
		} else {
			memcpy(uuid, b.back + 16, 16);
			assert_int_equal(io(&b, NVME_IO_WRITE, 7, 64, b.data, 0), 0);
			reg_write(b.h.f, 0, NVME_CC, 4, NVME_CC_USUAL | 1 << 14);
			WAIT_UNTIL((nvme_csts(&b.h) >> 2 & 3) == 2);
		}
		rig_destroy(&b.rig);
	}
}

static void a_file_without_permission_is_write_protected(void **state)
{
	char text[160];
	struct bench b;

	make_file(65536, "", text, sizeof(text));
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	if (!geteuid()) /* who may write it all the same */
		assert_int_equal(seteuid(65534), 0);
	setup(&b, text);
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(io(&b, NVME_IO_READ, 0, 8, b.back, 0), 0);
	assert_int_equal(io(&b, NVME_IO_WRITE, 0, 8, b.data, 0), NVME_WRITE_PROTECTED);
	rig_destroy(&b.rig);
}

/* The file is cut behind the controller's back, or the file system takes no more: statuses, and the
 * controller lives. */
static void media_errors(void **state)
{
	struct rlimit limit, was;
	char text[160];
	struct bench b;

	make_file(1 << 20, "", text, sizeof(text));
	setup(&b, text);
	assert_int_equal(truncate(path, 512 * 1024 + 100), 0);
	assert_int_equal(io(&b, NVME_IO_READ, 1023, 1, b.back, 0), 0);
	assert_int_equal(io(&b, NVME_IO_READ, 1024, 1, b.back, 0), NVME_UNRECOVERED_READ);
	assert_int_equal(io(&b, NVME_IO_COMPARE, 1024, 1, b.back, 0), NVME_UNRECOVERED_READ);
	assert_int_equal(io(&b, NVME_IO_VERIFY, 1000, 100, b.back, 0), NVME_UNRECOVERED_READ);
	assert_int_equal(io(&b, NVME_IO_WRITE, 1024, 64, b.data, 0), 0); /* it grows again */
	assert_int_equal(io(&b, NVME_IO_READ, 1024, 64, b.back, 0), 0);
	assert_memory_equal(b.back, b.data, 32768);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = was;
	limit.rlim_cur = 256 * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(io(&b, NVME_IO_WRITE, 600, 8, b.data, 0), NVME_WRITE_FAULT);
	assert_int_equal(io(&b, NVME_IO_WRITE, 600, 8, b.data, BIT(30)), NVME_WRITE_FAULT);
	assert_int_equal(io(&b, NVME_IO_WRITE, 10, 8, b.data, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(nvme_csts(&b.h), RDY);
	rig_destroy(&b.rig);
}

/* ---- a process that is killed ---- */

#define PAGES 256u /* of 4 KiB, each of which holds one number over and over */

/* For each page the number that was last acknowledged, and the one that was last sent. */
struct ledger {
	uint32_t acked[PAGES], sent[PAGES];
	uint32_t commands;
};

/* Writes for ever; 8 commands in flight, none of them on a page of another. */
static void write_for_ever(struct ledger *l, const char *text, uint64_t seed)
{
	struct prng rnd = {seed};
	uint32_t number = l->commands;
	struct nvme_host h;
	uint32_t *data[8];
	struct nvme_cqe c;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&h, func_add(&r, text), 16);
	nvme_add_queue(&h, 1, 16, -1);
	for (unsigned int i = 0; i < 8; i++)
		data[i] = arena_alloc(&r, 4 * 4096, 4096);
	for (size_t mark = r.used;; r.used = mark) {
		uint32_t first[8], n[8];

		for (unsigned int i = 0; i < 8; i++) {
			struct nvme_sqe e;

			number++;
			n[i] = 1 + prng_below(&rnd, 4);
			first[i] = i * (PAGES / 8) + prng_below(&rnd, PAGES / 8 - n[i] + 1);
			for (unsigned int k = 0; k < n[i] * 1024; k++)
				data[i][k] = number;
			for (unsigned int k = 0; k < n[i]; k++)
				__atomic_store_n(&l->sent[first[i] + k], number, __ATOMIC_RELEASE);
			e = nvme_rw_cmd(&h, NVME_IO_WRITE, 1, first[i] * 8, n[i] * 8, data[i],
					n[i] * 4096);
			nvme_put(&h, 1, &e);
		}
		nvme_ring_sq(&h, 1);
		for (unsigned int i = 0; i < 8; i++) {
			c = nvme_wait(&h, 1);
			if (c.status >> 1)
				_exit(1);
			for (unsigned int k = 0; k < n[i]; k++)
				__atomic_store_n(&l->acked[first[i] + k], number - 7 + i,
						 __ATOMIC_RELEASE);
			__atomic_store_n(&l->commands, number, __ATOMIC_RELEASE);
		}
	}
}

/* Each page holds one number, no older than what was acknowledged, no newer than what was sent. */
static void check_ledger(const struct ledger *l)
{
	uint32_t page[1024];
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	for (unsigned int i = 0; i < PAGES; i++) {
		assert_int_equal(pread(fd, page, sizeof(page), i * 4096), sizeof(page));
		for (unsigned int k = 1; k < 1024; k++)
			assert_int_equal(page[k], page[0]);
		assert_true(page[0] == l->acked[i] || page[0] == l->sent[i]);
	}
	close(fd);
}

static void a_killed_process_leaves_what_was_acknowledged(void **state)
{
	struct ledger *l =
		mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char text[160];

	assert_ptr_not_equal(l, MAP_FAILED);
	make_file(PAGES * 4096, "", text, sizeof(text));
	for (unsigned int run = 0; run < 20; run++) {
		uint32_t was = l->commands;
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (!child)
			write_for_ever(l, text, run + 1);
		WAIT_UNTIL(__atomic_load_n(&l->commands, __ATOMIC_ACQUIRE) >= was + 16);
		usleep(run * 1500);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check_ledger(l);
		/* What was cut off in the middle is now what it is. */
		for (unsigned int i = 0; i < PAGES; i++)
			l->acked[i] = l->sent[i] = 0;
		int fd = open(path, O_RDONLY);
		for (unsigned int i = 0; i < PAGES; i++) {
			assert_int_equal(pread(fd, &l->acked[i], 4, i * 4096), 4);
			l->sent[i] = l->acked[i];
		}
		close(fd);
	}
	munmap(l, sizeof(*l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_open_and_files_that_do_not),
		cmocka_unit_test(a_file_has_one_writer),
		cmocka_unit_test(what_is_written_is_in_the_file),
		cmocka_unit_test(an_image_outlives_its_controller),
		cmocka_unit_test(a_file_without_permission_is_write_protected),
		cmocka_unit_test(media_errors),
		cmocka_unit_test(a_killed_process_leaves_what_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
