/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recording's format: what was written is read, by older and newer readers too; whatever was
 * torn, cut off, overwritten or made up costs what it hit and crashes nobody.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bits.h"
#include "observe/json.h"
#include "observe/log.h"
#include "observe/log_chunk.h"

static char why[256];

static size_t put_map(uint8_t *to, size_t room, uint64_t n)
{
	return log_encode(to, room,
			  &(struct log_event){.type = LOG_map,
					      .thread = 1 + n % 3,
					      .time = n * 1000,
					      .map = {.space = 1,
						      .iova = n << 12,
						      .last = (n << 12) + 0xfff,
						      .va = UINT64_MAX - n,
						      .prot = 3}});
}

static size_t put_machine(uint8_t *to, size_t room)
{
	static const char text[] = "iommu vtd\n";

	return log_encode(to, room,
			  &(struct log_event){
				  .type = LOG_machine,
				  .machine = {.version = LOG_VERSION,
					      .text = {(const uint8_t *)text, sizeof(text) - 1}}});
}

/* A file with the machine and @n chunks of @each maps, counted from 0. */
static int make_file(uint64_t limit, unsigned int n, unsigned int each)
{
	uint8_t records[LOG_CHUNK_MAX];
	int fd = memfd_create("log", MFD_CLOEXEC), copy = dup(fd);
	struct log_writer *w;
	uint64_t number = 0;

	assert_int_equal(
		log_writer_create(copy, limit, records, put_machine(records, sizeof(records)), &w),
		0);
	for (unsigned int i = 0; i < n; i++) {
		size_t len = 0;

		for (unsigned int k = 0; k < each; k++)
			len += put_map(records + len, sizeof(records) - len, number++);
		assert_int_equal(log_write(w, 7, records, len), 0);
	}
	assert_int_equal(log_writer_close(w), 0);
	return fd;
}

static uint8_t *contents(int fd, size_t *len)
{
	uint8_t *mem;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	mem = malloc(*len);
	assert_non_null(mem);
	assert_int_equal(pread(fd, mem, *len, 0), *len);
	close(fd);
	return mem;
}

static struct log *open_memory(const void *mem, size_t len)
{
	struct log *l;

	assert_int_equal(log_open_memory(mem, len, &l, why, sizeof(why)), 0);
	return l;
}

/* Every record is what its number says. How many maps, and the number of the first and the last. */
static unsigned int read_maps(struct log *l, uint64_t *first, uint64_t *last)
{
	struct log_event e;
	unsigned int n = 0;

	while (log_next(l, &e) == 1) {
		uint64_t number = e.map.iova >> 12;

		if (e.type == LOG_machine) {
			assert_int_equal(e.pid, 0);
			continue;
		}
		assert_int_equal(e.type, LOG_map);
		assert_int_equal(e.pid, 7);
		assert_int_equal(e.thread, 1 + number % 3);
		assert_int_equal(e.time, number * 1000);
		assert_true(e.map.va == UINT64_MAX - number);
		assert_true(!n || number > *last);
		if (!n++)
			*first = number;
		*last = number;
	}
	return n;
}

static void test_all_that_was_written(void **state)
{
	uint64_t first, last;
	size_t len;
	uint8_t *mem = contents(make_file(0, 5, 100), &len);
	struct log *l = open_memory(mem, len);

	assert_int_equal(read_maps(l, &first, &last), 500);
	assert_int_equal(first, 0);
	assert_int_equal(last, 499);
	log_rewind(l);
	assert_int_equal(read_maps(l, &first, &last), 500);
	assert_int_equal(log_state(l).chunks, 6);
	assert_int_equal(log_state(l).missing, 0);
	assert_false(log_state(l).begins_later);
	log_close(l);
	free(mem);
}

/* Cut off at every byte: all whole chunks are there, and nothing else. */
static void test_torn_tail(void **state)
{
	uint64_t first, last;
	size_t len, ends[6] = {0}, k = 0;
	uint8_t *mem = contents(make_file(0, 4, 3), &len);

	for (size_t at = 0; at < len;) {
		struct chunk c;

		memcpy(&c, mem + at, sizeof(c));
		ends[k++] = at + sizeof(c) + le32toh(c.len);
		at = align_up(ends[k - 1], CHUNK_ALIGN);
	}
	assert_int_equal(k, 5);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = malloc(cut ? cut : 1); /* whose end a sanitizer knows */
		size_t whole = 0;
		struct log *l;
		int rc;

		while (whole < 5 && ends[whole] <= cut)
			whole++;
		memcpy(part, mem, cut);
		rc = log_open_memory(part, cut, &l, why, sizeof(why));
		assert_int_equal(rc, whole ? 0 : -EINVAL);
		if (!rc) {
			assert_int_equal(read_maps(l, &first, &last), 3 * (whole - 1));
			log_close(l);
		}
		free(part);
	}
	free(mem);
}

/* A chunk in the middle that was damaged is missing, and said to be. */
static void test_damage(void **state)
{
	uint64_t first, last;
	size_t len;
	uint8_t *mem = contents(make_file(0, 4, 3), &len);

	for (size_t at = 0; at < len; at++) {
		struct log *l;
		unsigned int n;

		mem[at] ^= 0x10;
		l = open_memory(mem, len);
		n = read_maps(l, &first, &last);
		/* Padding is nobody's. */
		assert_true(n == 12 || n == 9);
		if (n == 9 && last == 11)
			assert_true(log_state(l).missing + log_state(l).begins_later == 1);
		assert_int_equal(log_state(l).no_machine, n == 12 && log_state(l).chunks == 4);
		log_close(l);
		mem[at] ^= 0x10;
	}
	free(mem);
}

/* Under a limit the newest stay, and the machine. */
static void test_limit(void **state)
{
	for (unsigned int n = 1; n < 200; n += 13) {
		const uint64_t limit = LOG_LIMIT_MIN + 777;
		uint64_t first = 0, last = 0;
		size_t len;
		uint8_t *mem = contents(make_file(limit, n, 997), &len);
		struct log *l = open_memory(mem, len);
		unsigned int maps = read_maps(l, &first, &last);

		assert_true(len <= limit);
		assert_int_equal(last, n * 997 - 1);
		assert_int_equal(last - first + 1, maps);
		assert_false(log_state(l).no_machine);
		assert_int_equal(log_state(l).begins_later, first != 0);
		assert_int_equal(log_state(l).missing, 0);
		/* All but what was overwritten last. */
		assert_true(first == 0 || len > limit - 2 * LOG_CHUNK_MAX);
		assert_true(first == 0 || maps > 997 * 4);
		log_close(l);
		free(mem);
	}
}

/* What a newer writer may do: types and fields that nobody knows yet. */
static void test_newer_writer(void **state)
{
	uint8_t records[256];
	struct log_event e;
	size_t size, n = 0;

	/* Type 300, 5 bytes. */
	memcpy(records, (const uint8_t[]){0xac, 0x02, 5, 1, 2, 3, 4, 5}, 8);
	assert_int_equal(log_decode(records, 8, &e, &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(log_decode(records, 7, &e, &size), -EINVAL);
	/* A cut with a third field, and more. */
	records[n++] = LOG_cut;
	records[n++] = 8;
	memcpy(records + n, (const uint8_t[]){1, 9, 4, 0x80, 0x20, 77, 78, 79}, 8);
	assert_int_equal(log_decode(records, 10, &e, &size), 1);
	assert_int_equal(size, 10);
	assert_int_equal(e.thread, 1);
	assert_int_equal(e.time, 9);
	assert_int_equal(e.cut.space, 4);
	assert_int_equal(e.cut.iova, 0x1000);
}

/* What an older writer did: a field too few is 0. */
static void test_older_writer(void **state)
{
	struct log_event e;
	size_t size;

	assert_int_equal(log_decode((const uint8_t[]){LOG_dma_end, 3, 1, 2, 3}, 5, &e, &size), 1);
	assert_int_equal(e.dma_end.device, 3);
	assert_int_equal(e.dma_end.iova, 0);
	assert_int_equal(e.dma_end.rc, 0);
	assert_int_equal(e.dma_end.data.len, 0);
	assert_int_equal(log_decode((const uint8_t[]){LOG_map, 0}, 2, &e, &size), 1);
	assert_int_equal(e.map.iova, 0);
}

/* Numbers of all widths, signed too; bytes up to the most, and one more. */
static void test_values(void **state)
{
	static uint8_t bytes[LOG_BYTES_MAX], to[LOG_RECORD_MAX];

	for (unsigned int bit = 0; bit < 64; bit++) {
		struct log_event in = {.type = LOG_fd_dup}, out;
		size_t size, n;

		in.fd_dup.fd = (int64_t)(1ull << bit);
		in.fd_dup.rc = -(int64_t)(1ull << bit >> 1);
		in.fd_dup.ino = (1ull << bit) - 1;
		n = log_encode(to, sizeof(to), &in);
		assert_true(n > 0);
		assert_int_equal(log_decode(to, n, &out, &size), 1);
		assert_int_equal(size, n);
		assert_memory_equal(&in.fd_dup, &out.fd_dup, sizeof(in.fd_dup));
	}
	for (size_t len = 0; len <= sizeof(bytes); len = 2 * len + 1) {
		struct log_event in = {.type = LOG_copy_in, .copy_in.data = {bytes, len}}, out;
		size_t size, n;

		memset(bytes, (int)len, sizeof(bytes));
		n = log_encode(to, sizeof(to), &in);
		assert_true(n > len);
		assert_int_equal(log_encode(to, len, &in), 0);
		assert_int_equal(log_decode(to, n, &out, &size), 1);
		assert_int_equal(out.copy_in.data.len, len);
		assert_memory_equal(out.copy_in.data.at, bytes, len);
	}
}

/* Gives a chunk of the file at @at the sum that it should have. */
static void make_sound(uint8_t *mem, size_t len, size_t at)
{
	struct chunk c;

	if (len < sizeof(c) || at > len - sizeof(c))
		return;
	memcpy(&c, mem + at, sizeof(c));
	if (le32toh(c.len) > len - at - sizeof(c))
		return;
	c.magic = htole32(CHUNK_MAGIC);
	c.sum = htole32(chunk_sum(&c, mem + at + sizeof(c), le32toh(c.len)));
	memcpy(mem + at, &c, sizeof(c));
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

/* Hostile files: sound chunks full of nonsense. Whatever comes out can be shown. */
static void test_hostile(void **state)
{
	uint64_t seed = 1;
	size_t len;
	uint8_t *whole = contents(make_file(0, 3, 50), &len), *mem = malloc(len);

	for (unsigned int round = 0; round < 3000; round++) {
		size_t part = round % 2 ? len : random_next(&seed) % len + 1;
		struct log_event e;
		struct json j;
		struct log *l;

		memcpy(mem, whole, part);
		for (unsigned int i = 0; i < 1 + round % 8; i++)
			mem[random_next(&seed) % part] = (uint8_t)random_next(&seed);
		for (size_t at = 0; at < part; at += CHUNK_ALIGN)
			if (at == 0 || !memcmp(mem + at, whole, 4))
				make_sound(mem, part, at);
		if (log_open_memory(mem, part, &l, why, sizeof(why)))
			continue;
		json_init(&j);
		while (log_next(l, &e) == 1)
			log_json(&j, &e);
		assert_int_equal(json_error(&j), 0);
		json_free(&j);
		log_close(l);
	}
	free(mem);
	free(whole);
}

static void test_no_recording(void **state)
{
	struct log *l;

	assert_int_equal(log_open("/nonexistent", &l, why, sizeof(why)), -ENOENT);
	assert_int_equal(log_open("/proc/self", &l, why, sizeof(why)), -EINVAL);
	assert_int_equal(log_open("/proc/self/exe", &l, why, sizeof(why)), -EINVAL);
	assert_int_equal(log_open_memory("", 0, &l, why, sizeof(why)), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_was_written),
		cmocka_unit_test(test_torn_tail),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_newer_writer),
		cmocka_unit_test(test_older_writer),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_no_recording),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
