/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes a recording: one thing, so that its replay must find a difference, or many at random, so
 * that it may find anything but must not crash.
 *   usage: record_mutate IN OUT answer|bytes|place|fault|guest|queue|response|NUMBER
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioas/abi/iommufd.h>

#include "abi/file.h"
#include "base/observe.h"
#include "observe/log.h"

static uint64_t seed;

static uint64_t random_next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Numbers that matter somewhere. */
static uint64_t random_value(uint64_t was)
{
	static const uint64_t some[] = {0,	    1,		2,	    4095,      4096,
					UINT32_MAX, 1ull << 30, 1ull << 47, INT64_MAX, UINT64_MAX};

	switch (random_next() % 4) {
	case 0:
		return some[random_next() % (sizeof(some) / sizeof(some[0]))];
	case 1:
		return was + random_next() % 9 - 4;
	case 2:
		return was ^ 1ull << random_next() % 64;
	default:
		return random_next();
	}
}

#define CHANGE_U(name)                                                                             \
	if (at-- == 0)                                                                             \
		r->name = random_value(r->name);
#define CHANGE_S(name)                                                                             \
	if (at-- == 0)                                                                             \
		r->name = (int64_t)random_value((uint64_t)r->name);
#define CHANGE_B(name)                                                                             \
	if (at-- == 0)                                                                             \
		r->name.len = r->name.len ? random_next() % r->name.len : 0;
#define CHANGER(name, number)                                                                      \
	static void change_##name(struct log_##name *r, unsigned int at)                           \
	{                                                                                          \
		LOG_FIELDS_##name(CHANGE_U, CHANGE_S, CHANGE_B)                                    \
	}
LOG_RECORDS(CHANGER)

#define CHANGE_CASE(name, number)                                                                  \
	case LOG_##name:                                                                           \
		change_##name(&e->name, (unsigned int)(random_next() % 13));                       \
		break;

static void change(struct log_event *e)
{
	switch (e->type) {
		LOG_RECORDS(CHANGE_CASE)
	}
}

#define PAGE	4096ull
#define ADDRESS 0xfffffffff000ull

/* Valid, in any of the formats, and where the word that was read before leads to. */
static bool is_entry(const struct log_event *e)
{
	static uint64_t before;
	bool led_to;

	if (e->type != LOG_guest_read)
		return false;
	led_to = !((e->guest_read.gpa ^ before) & ADDRESS);
	before = e->guest_read.word;
	return led_to && before & 1;
}

/* A success that answers page requests becomes a failure. */
static bool fail_response(const struct log_event *e, uint8_t *bytes)
{
	static uint64_t queue, thread;

	if (e->type == LOG_fd_install && e->fd_install.kind == ABI_FAULT)
		queue = e->fd_install.file;
	if (e->type == LOG_call && queue && e->call.file == queue && e->call.op == OP_WRITE)
		thread = e->thread;
	if (e->type != LOG_copy_in || !thread || e->thread != thread ||
	    e->copy_in.data.len != sizeof(struct iommu_hwpt_page_response) || e->copy_in.data.at[4])
		return false;
	memcpy(bytes, e->copy_in.data.at, e->copy_in.data.len);
	bytes[4] = 1;
	return true;
}

/* One change that must be found. */
static bool spoil(struct log_event *e, const char *how)
{
	static uint8_t bytes[LOG_BYTES_MAX];

	if (!strcmp(how, "answer") && e->type == LOG_answer && e->answer.rc > 0)
		return e->answer.rc++ > 0;
	if (!strcmp(how, "place") && e->type == LOG_dma_step && e->dma_step.target == 0)
		return (e->dma_step.pa += 4096) > 0;
	if (!strcmp(how, "fault") && e->type == LOG_dma_end && !e->dma_end.rc)
		return (e->dma_end.rc = -14) < 0;
	if (!strcmp(how, "guest") && is_entry(e))
		return (e->guest_read.word ^= PAGE) != 0;
	if (!strcmp(how, "response") && fail_response(e, bytes)) {
		e->copy_in.data.at = bytes;
		return true;
	}
	if (!strcmp(how, "queue") && e->type == LOG_guest_queue && e->guest_queue.data.len) {
		e->guest_queue.data.len = 0;
		return true;
	}
	if (strcmp(how, "bytes") != 0 || e->type != LOG_copy_out || e->copy_out.data.len < 8)
		return false;
	memcpy(bytes, e->copy_out.data.at, e->copy_out.data.len);
	bytes[4] ^= 1;
	e->copy_out.data.at = bytes;
	return true;
}

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "record_mutate: %s\n", what);
	exit(2);
}

int main(int argc, char **argv)
{
	static uint8_t records[LOG_RECORD_MAX];
	struct log_writer *w = NULL;
	bool spoiled = false;
	unsigned int seen = 0;
	struct log_event e;
	char why[256];
	struct log *l;

	if (argc != 4 || log_open(argv[1], &l, why, sizeof(why)))
		fail("usage: record_mutate IN OUT HOW");
	seed = strtoull(argv[3], NULL, 10) * 0x9e3779b97f4a7c15;
	while (log_next(l, &e) == 1) {
		size_t len;

		/* Not the first ones: whatever comes has something to happen to. */
		if (seed ? seen && random_next() % 50 == 0 : false)
			change(&e);
		else if (!seed && !spoiled && (seen > 100 || !strcmp(argv[3], "response")))
			spoiled = spoil(&e, argv[3]);
		seen++;
		len = log_encode(records, sizeof(records), &e);
		if (!len)
			fail("a record does not fit");
		if (!w && log_writer_create(open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644), 0,
					    records, len, &w))
			fail("cannot write");
		else if (seen > 1 && log_write(w, e.pid, records, len))
			fail("cannot write");
	}
	if (!w || log_writer_close(w) || (!seed && !spoiled))
		fail("there was nothing to change");
	log_close(l);
	return 0;
}
