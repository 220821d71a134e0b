/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe admin commands: what they answer, and every status with which they refuse.
 */
#include "nvme_driver.h"

#include <stdlib.h>
#include <string.h>

#define LOST 0x900000000000ull /* an IOVA that nothing maps */

struct bench {
	struct rig rig;
	struct nvme_host h;
	uint8_t *buf; /* two pages */
};

static void setup(struct bench *b, const char *text)
{
	memset(b, 0, sizeof(*b));
	rig_create(&b->rig, true);
	nvme_start(&b->h, func_add(&b->rig, text), 32);
	b->buf = arena_alloc(&b->rig, 8192, 4096);
}

static uint16_t identify(struct bench *b, uint8_t cns, uint32_t nsid)
{
	memset(b->buf, 0xee, 8192);
	return nvme_do(&b->h, 0, nvme_identify_cmd(&b->h, cns, nsid, b->buf), NULL);
}

static void assert_text(const uint8_t *p, size_t len, const char *want)
{
	size_t n = strlen(want);

	assert_memory_equal(p, want, n);
	for (size_t i = n; i < len; i++)
		assert_int_equal(p[i], ' ');
}

static void identify_controller(void **state)
{
	struct bench b;

	setup(&b, "nvme,serial=ABC 123");
	assert_int_equal(identify(&b, 1, 0), 0);
	assert_int_equal(get16(b.buf), 0x1b36);
	assert_text(b.buf + 4, 20, "ABC 123");
	assert_text(b.buf + 24, 40, "ioas NVMe controller");
	assert_int_equal(b.buf[77], 7);		      /* MDTS */
	assert_int_equal(get32(b.buf + 80), 0x10400); /* VER */
	assert_int_equal(b.buf[111], 1);	      /* I/O controller */
	assert_int_equal(get16(b.buf + 256), 2);      /* OACS: Format */
	assert_int_equal(b.buf[259], 3);	      /* AERL */
	assert_int_equal(b.buf[512], 0x66);
	assert_int_equal(b.buf[513], 0x44);
	assert_int_equal(get32(b.buf + 516), 4);       /* NN */
	assert_int_equal(get16(b.buf + 520), 0x9d);    /* ONCS */
	assert_int_equal(b.buf[525], 7);	       /* VWC */
	assert_int_equal(get32(b.buf + 536), 0x50001); /* SGLS */
	assert_memory_equal(b.buf + 768, "nqn.2026-01.io.ioas:ABC 123", 28);
	assert_int_equal(b.buf[4096], 0xee);
	rig_destroy(&b.rig);
}

static void identify_namespaces(void **state)
{
	uint8_t uuid[3][16];
	struct bench b;

	setup(&b, "nvme,size=1M,size3=2M,lba=4096");
	assert_int_equal(identify(&b, 0, 1), 0);
	assert_int_equal(get64(b.buf), 256);
	assert_int_equal(get64(b.buf + 8), 256);
	assert_int_equal(b.buf[24],
			 0); /* NSFEAT: neither thin nor with errors for deallocated blocks */
	assert_int_equal(b.buf[25], 1); /* two formats */
	assert_int_equal(b.buf[26], 1); /* the second */
	assert_int_equal(b.buf[33], 9); /* DLFEAT */
	assert_int_equal(get32(b.buf + 128), 9 << 16);
	assert_int_equal(get32(b.buf + 132), 12 << 16);
	assert_int_equal(identify(&b, 0, 3), 0);
	assert_int_equal(get64(b.buf), 512);
	/* Inactive: all zeroes. */
	assert_int_equal(identify(&b, 0, 2), 0);
	assert_all(b.buf, 0, 4096);
	assert_int_equal(identify(&b, 0, UINT32_MAX), 0);
	assert_int_equal(b.buf[25], 1);
	assert_int_equal(get64(b.buf), 0);
	assert_int_equal(identify(&b, 0, 0), NVME_INVALID_NAMESPACE);
	assert_int_equal(identify(&b, 0, 5), NVME_INVALID_NAMESPACE);
	/* Active ones, in order, above the one that is named. */
	assert_int_equal(identify(&b, 2, 0), 0);
	assert_int_equal(get32(b.buf), 1);
	assert_int_equal(get32(b.buf + 4), 3);
	assert_int_equal(get32(b.buf + 8), 0);
	assert_int_equal(identify(&b, 2, 1), 0);
	assert_int_equal(get32(b.buf), 3);
	assert_int_equal(get32(b.buf + 4), 0);
	assert_int_equal(identify(&b, 2, UINT32_MAX - 1), NVME_INVALID_NAMESPACE);
	assert_int_equal(identify(&b, 2, UINT32_MAX), NVME_INVALID_NAMESPACE);
	/* Descriptors: EUI64 and UUID, no two alike. */
	for (unsigned int i = 0; i < 3; i++) {
		static const uint32_t nsid[] = {1, 3, 1};

		assert_int_equal(identify(&b, 3, nsid[i]), 0);
		assert_int_equal(get32(b.buf), 0x801);
		assert_int_equal(get32(b.buf + 12), 0x1003);
		assert_int_equal(get32(b.buf + 32), 0);
		memcpy(uuid[i], b.buf + 16, 16);
		assert_int_equal(identify(&b, 0, nsid[i]), 0);
		assert_memory_equal(b.buf + 120, uuid[i], 8);
	}
	assert_memory_equal(uuid[0], uuid[2], 16);
	assert_memory_not_equal(uuid[0], uuid[1], 16);
	assert_int_equal(identify(&b, 3, 2), NVME_INVALID_FIELD);
	assert_int_equal(identify(&b, 3, 9), NVME_INVALID_NAMESPACE);
	assert_int_equal(identify(&b, 0x77, 1), NVME_INVALID_FIELD);
	rig_destroy(&b.rig);
}

static void what_is_not_there_is_refused(void **state)
{
	struct nvme_sqe e = {0};
	struct bench b;

	setup(&b, "nvme");
	for (unsigned int op = 0; op < 256; op++) {
		static const uint8_t known[] = {0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0x80};

		if (memchr(known, (int)op, sizeof(known)))
			continue;
		e.opcode = (uint8_t)op;
		assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_OPCODE);
	}
	e = nvme_identify_cmd(&b.h, 1, 0, b.buf);
	e.flags = 1; /* fused */
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_FIELD);
	e.flags = 0x40; /* admin commands use PRPs */
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_FIELD);
	e.flags = 0xc0;
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_FIELD);
	e.flags = 0;
	e.dptr[0] = LOST;
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_DATA_TRANSFER_ERROR);
	e.dptr[0] = iova_of(&b.rig, b.buf) + 2;
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_PRP_OFFSET);
	rig_destroy(&b.rig);
}

static void queues_are_made_and_unmade(void **state)
{
	static const struct {
		uint16_t qid;
		uint32_t entries;
		uint64_t off;
		int vector;
		uint32_t clear; /* of cdw11 */
		uint16_t status;
	} cq[] = {
		{0, 16, 0, 0, 0, NVME_QID_INVALID},
		{5, 16, 0, 0, 0, NVME_QID_INVALID},
		{1, 1, 0, 0, 0, NVME_QUEUE_SIZE_INVALID},
		{1, 1025, 0, 0, 0, NVME_QUEUE_SIZE_INVALID},
		{1, 65536, 0, 0, 0, NVME_QUEUE_SIZE_INVALID},
		{1, 16, 0, 0, 1, NVME_INVALID_FIELD},
		{1, 16, 16, 0, 0, NVME_INVALID_PRP_OFFSET},
		{1, 16, 0, 5, 0, NVME_VECTOR_INVALID},
		{1, 1024, 0, 4, 0, 0},
		{1, 16, 0, 0, 0, NVME_QID_INVALID},
		{4, 2, 0, -1, 0, 0},
	};
	static const struct {
		uint16_t qid, cqid;
		uint32_t entries;
		uint64_t off;
		uint32_t clear;
		uint16_t status;
	} sq[] = {
		{1, 0, 16, 0, 0, NVME_QID_INVALID},
		{1, 5, 16, 0, 0, NVME_QID_INVALID},
		{1, 2, 16, 0, 0, NVME_CQ_INVALID},
		{0, 1, 16, 0, 0, NVME_QID_INVALID},
		{5, 1, 16, 0, 0, NVME_QID_INVALID},
		{1, 1, 1, 0, 0, NVME_QUEUE_SIZE_INVALID},
		{1, 1, 1025, 0, 0, NVME_QUEUE_SIZE_INVALID},
		{1, 1, 16, 0, 1, NVME_INVALID_FIELD},
		{1, 1, 16, 64, 0, NVME_INVALID_PRP_OFFSET},
		{1, 1, 16, 0, 0, 0},
		{1, 1, 16, 0, 0, NVME_QID_INVALID},
		{3, 1, 1024, 0, 0, 0},
	};
	struct nvme_sqe e;
	struct bench b;
	void *mem;

	setup(&b, "nvme,queues=4");
	mem = arena_alloc(&b.rig, 65536, 4096);
	for (unsigned int i = 0; i < ARRAY_SIZE(cq); i++) {
		e = nvme_create_cq_cmd(cq[i].qid, cq[i].entries, iova_of(&b.rig, mem) + cq[i].off,
				       cq[i].vector);
		e.cdw11 &= ~cq[i].clear;
		if (nvme_do(&b.h, 0, e, NULL) != cq[i].status)
			fail_msg("CQ row %u", i);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sq); i++) {
		e = nvme_create_sq_cmd(sq[i].qid, sq[i].entries, iova_of(&b.rig, mem) + sq[i].off,
				       sq[i].cqid);
		e.cdw11 &= ~sq[i].clear;
		if (nvme_do(&b.h, 0, e, NULL) != sq[i].status)
			fail_msg("SQ row %u", i);
	}
	/* A completion queue goes after the last of its submission queues. */
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, 1), NULL),
			 NVME_QUEUE_DELETION_INVALID);
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 1), NULL), 0);
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, 1), NULL),
			 NVME_QUEUE_DELETION_INVALID);
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 3), NULL), 0);
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, 1), NULL), 0);
	for (unsigned int qid = 0; qid < 7; qid++) {
		assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, qid), NULL),
				 NVME_QID_INVALID);
		if (qid != 4)
			assert_int_equal(
				nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, qid), NULL),
				NVME_QID_INVALID);
	}
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, 4), NULL), 0);
	nvme_add_queue(&b.h, 1, 16, -1); /* and there they are again */
	rig_destroy(&b.rig);
}

/* CC.IOSQES and CC.IOCQES may be written late, but before the first queue. */
static void entry_sizes_come_first(void **state)
{
	struct bench b;
	void *mem;

	memset(&b, 0, sizeof(b));
	rig_create(&b.rig, true);
	nvme_program(&b.h, func_add(&b.rig, "nvme"), 8, 1);
	WAIT_UNTIL(nvme_csts(&b.h) == RDY);
	mem = arena_alloc(&b.rig, 4096, 4096);
	assert_int_equal(nvme_do(&b.h, 0, nvme_create_cq_cmd(1, 8, iova_of(&b.rig, mem), -1), NULL),
			 NVME_QUEUE_SIZE_INVALID);
	reg_write(b.h.f, 0, NVME_CC, 4, 1 | 4 << 20);
	assert_int_equal(nvme_do(&b.h, 0, nvme_create_cq_cmd(1, 8, iova_of(&b.rig, mem), -1), NULL),
			 0);
	assert_int_equal(nvme_do(&b.h, 0, nvme_create_sq_cmd(1, 8, iova_of(&b.rig, mem), 1), NULL),
			 NVME_QUEUE_SIZE_INVALID);
	reg_write(b.h.f, 0, NVME_CC, 4, NVME_CC_USUAL);
	assert_int_equal(nvme_do(&b.h, 0, nvme_create_sq_cmd(1, 8, iova_of(&b.rig, mem), 1), NULL),
			 0);
	rig_destroy(&b.rig);
}

static uint16_t get_feature(struct bench *b, uint32_t cdw10, uint32_t cdw11, uint32_t *out)
{
	return nvme_do(&b->h, 0, nvme_feature_cmd(NVME_ADMIN_GET_FEATURES, cdw10, cdw11), out);
}

static uint16_t set_feature(struct bench *b, uint32_t cdw10, uint32_t cdw11)
{
	return nvme_do(&b->h, 0, nvme_feature_cmd(NVME_ADMIN_SET_FEATURES, cdw10, cdw11), NULL);
}

static void features_keep_what_they_are_given(void **state)
{
	static const struct {
		uint32_t id, def, set, get;
	} rows[] = {
		{NVME_FEAT_ARBITRATION, 7, 0x01020304, 0x01020304},
		{NVME_FEAT_POWER, 0, 0x40, 0x40},
		{NVME_FEAT_TEMPERATURE, 343, 400, 400},
		{NVME_FEAT_ERROR_RECOVERY, 0, 0x1234, 0x1234},
		{NVME_FEAT_WRITE_CACHE, 1, 0, 0},
		{NVME_FEAT_COALESCING, 0, 0x0305, 0x0305},
		{NVME_FEAT_VECTOR, 0, 0x10000, 0x10000},
		{NVME_FEAT_ATOMICITY, 0, 1, 1},
		{NVME_FEAT_ASYNC_EVENTS, 0, 0x1f, 0x1f},
	};
	struct bench b;
	uint32_t v;

	setup(&b, "nvme,queues=3");
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t id = rows[i].id;

		assert_int_equal(get_feature(&b, id, 0, &v), 0);
		assert_int_equal(v, rows[i].def);
		assert_int_equal(set_feature(&b, id, rows[i].set), 0);
		assert_int_equal(get_feature(&b, id, 0, &v), 0);
		assert_int_equal(v, rows[i].get);
		assert_int_equal(get_feature(&b, id | 1 << 8, 0, &v), 0); /* default */
		assert_int_equal(v, rows[i].def);
		assert_int_equal(get_feature(&b, id | 2 << 8, 0, &v), 0); /* saved: nothing is */
		assert_int_equal(v, rows[i].def);
		assert_int_equal(get_feature(&b, id | 3 << 8, 0, &v),
				 0); /* capabilities: changeable */
		assert_int_equal(v, 4);
		assert_int_equal(get_feature(&b, id | 4 << 8, 0, &v), NVME_INVALID_FIELD);
		assert_int_equal(set_feature(&b, id | BIT(31), rows[i].set),
				 NVME_FEATURE_NOT_SAVEABLE);
	}
	/* A reset puts the defaults back. */
	nvme_stop(&b.h);
	nvme_start(&b.h, b.h.f, 32);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(get_feature(&b, rows[i].id, 0, &v), 0);
		assert_int_equal(v, rows[i].def);
	}
	assert_int_equal(get_feature(&b, 0, 0, &v), NVME_INVALID_FIELD);
	assert_int_equal(get_feature(&b, 0x7f, 0, &v), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, 0x7f, 0), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, NVME_FEAT_POWER, 1), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, NVME_FEAT_VECTOR, 4), NVME_INVALID_FIELD);
	assert_int_equal(get_feature(&b, NVME_FEAT_VECTOR, 4, &v), NVME_INVALID_FIELD);
	assert_int_equal(get_feature(&b, NVME_FEAT_VECTOR, 3, &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(set_feature(&b, NVME_FEAT_ERROR_RECOVERY, 0x10000), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, NVME_FEAT_TEMPERATURE, 2 << 20 | 300), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, NVME_FEAT_TEMPERATURE, 3 << 16 | 300), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, NVME_FEAT_TEMPERATURE, 1 << 20 | 280), 0);
	assert_int_equal(get_feature(&b, NVME_FEAT_TEMPERATURE, 1 << 20, &v), 0);
	assert_int_equal(v, 280);
	rig_destroy(&b.rig);
}

static void the_number_of_queues_is_asked_first(void **state)
{
	struct bench b;
	uint32_t v;

	setup(&b, "nvme,queues=12");
	assert_int_equal(
		nvme_do(&b.h, 0,
			nvme_feature_cmd(NVME_ADMIN_SET_FEATURES, NVME_FEAT_QUEUES, 63 << 16 | 63),
			&v),
		0);
	assert_int_equal(v, 11 << 16 | 11);
	assert_int_equal(get_feature(&b, NVME_FEAT_QUEUES, 0, &v), 0);
	assert_int_equal(v, 11 << 16 | 11);
	assert_int_equal(set_feature(&b, NVME_FEAT_QUEUES, 0xffff), NVME_INVALID_FIELD);
	assert_int_equal(set_feature(&b, NVME_FEAT_QUEUES, 0xffff0000), NVME_INVALID_FIELD);
	nvme_add_queue(&b.h, 1, 4, -1);
	assert_int_equal(set_feature(&b, NVME_FEAT_QUEUES, 3), NVME_SEQUENCE_ERROR);
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_SQ, 1), NULL), 0);
	assert_int_equal(set_feature(&b, NVME_FEAT_QUEUES, 3), NVME_SEQUENCE_ERROR);
	assert_int_equal(nvme_do(&b.h, 0, nvme_delete_cmd(NVME_ADMIN_DELETE_CQ, 1), NULL), 0);
	assert_int_equal(set_feature(&b, NVME_FEAT_QUEUES, 3), 0);
	rig_destroy(&b.rig);
}

static uint16_t get_log(struct bench *b, uint8_t id, uint64_t offset, uint32_t bytes)
{
	memset(b->buf, 0xee, 8192);
	return nvme_do(&b->h, 0, nvme_log_cmd(&b->h, id, offset, bytes, b->buf), NULL);
}

static void log_pages(void **state)
{
	uint8_t whole[512], *data;
	struct nvme_sqe e;
	struct bench b;

	setup(&b, "nvme,size=16M");
	nvme_add_queue(&b.h, 1, 8, -1);
	data = arena_alloc(&b.rig, 128 * 4096, 4096);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(nvme_do(&b.h, 1,
					 nvme_rw_cmd(&b.h, NVME_IO_WRITE, 1, 0, 1000, data, 512000),
					 NULL),
				 0);
	assert_int_equal(
		nvme_do(&b.h, 1, nvme_rw_cmd(&b.h, NVME_IO_READ, 1, 0, 1000, data, 512000), NULL),
		0);
	assert_int_equal(
		nvme_do(&b.h, 1, nvme_rw_cmd(&b.h, NVME_IO_READ, 1, 0, 1, data, 512), NULL), 0);
	assert_int_equal(
		nvme_do(&b.h, 1, nvme_rw_cmd(&b.h, NVME_IO_COMPARE, 1, 0, 1, data, 512), NULL), 0);
	/* SMART. */
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 0, 512), 0);
	assert_int_equal(b.buf[0], 0);
	assert_int_equal(get16(b.buf + 1), 323);
	assert_int_equal(get64(b.buf + 32), 2); /* thousands of blocks read, rounded up */
	assert_int_equal(get64(b.buf + 48), 5);
	assert_int_equal(get64(b.buf + 64), 3);
	assert_int_equal(get64(b.buf + 80), 5);
	assert_int_equal(get64(b.buf + 112), 1);
	assert_int_equal(get64(b.buf + 176), 0);
	assert_int_equal(b.buf[512], 0xee);
	memcpy(whole, b.buf, sizeof(whole));
	/* From the middle, and beyond the end. */
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 32, 64), 0);
	assert_memory_equal(b.buf, whole + 32, 64);
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 500, 64), 0);
	assert_memory_equal(b.buf, whole + 500, 12);
	for (unsigned int i = 12; i < 64; i++)
		assert_int_equal(b.buf[i], 0);
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 512, 4), 0);
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 516, 4), NVME_INVALID_FIELD);
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 2, 4), NVME_INVALID_FIELD);
	e = nvme_log_cmd(&b.h, NVME_LOG_SMART, 0, 512, b.buf);
	e.nsid = 1;
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_FIELD);
	e.nsid = 0;
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), 0);
	e.cdw10 |= 0xffff0000; /* beyond MDTS */
	e.cdw11 = 0xffff;
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), NVME_INVALID_FIELD);
	/* The rest. */
	assert_int_equal(get_log(&b, NVME_LOG_FIRMWARE, 0, 512), 0);
	assert_int_equal(b.buf[0], 1);
	assert_text(b.buf + 8, 8, "1.0");
	assert_int_equal(get_log(&b, NVME_LOG_EFFECTS, 0, 4096), 0);
	assert_int_equal(get32(b.buf + 4 * NVME_ADMIN_IDENTIFY), 1);
	assert_int_equal(get32(b.buf + 4 * NVME_ADMIN_FORMAT), 0x20007);
	assert_int_equal(get32(b.buf + 4 * 0x11), 0);
	assert_int_equal(get32(b.buf + 1024 + 4 * NVME_IO_WRITE), 3);
	assert_int_equal(get32(b.buf + 1024 + 4 * NVME_IO_READ), 1);
	assert_int_equal(get_log(&b, 0, 0, 512), NVME_LOG_PAGE_INVALID);
	assert_int_equal(get_log(&b, 0x42, 0, 512), NVME_LOG_PAGE_INVALID);
	/* All those refusals are in the error log, the newest first. */
	assert_int_equal(get_log(&b, NVME_LOG_ERROR, 0, 4096), 0);
	assert_int_equal(get64(b.buf), 6);
	assert_int_equal(get16(b.buf + 8), 0);
	assert_int_equal(get16(b.buf + 12) >> 1 & 0x3fff, NVME_LOG_PAGE_INVALID);
	assert_int_equal(get64(b.buf + 64), 5);
	assert_int_equal(get64(b.buf + 5 * 64), 1);
	assert_int_equal(get64(b.buf + 6 * 64), 0);
	rig_destroy(&b.rig);
}

/* The log keeps the newest 64, each with its command, and where it was. */
static void the_error_log_turns_over(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_IO_READ, .nsid = 1, .cdw11 = 7};
	struct bench b;

	setup(&b, "nvme");
	nvme_add_queue(&b.h, 1, 8, -1);
	for (unsigned int i = 0; i < 100; i++) {
		e.cdw10 = i;
		assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_LBA_RANGE);
	}
	assert_int_equal(get_log(&b, NVME_LOG_ERROR, 0, 4096), 0);
	for (unsigned int i = 0; i < 64; i++) {
		const uint8_t *p = b.buf + i * 64;

		assert_int_equal(get64(p), 100 - i);
		assert_int_equal(get16(p + 8), 1);
		assert_int_equal(get16(p + 10), 99 - i);
		assert_int_equal(get16(p + 12), (NVME_LBA_RANGE | NVME_DNR) << 1);
		assert_int_equal(get64(p + 16), 7ull << 32 | (99 - i));
		assert_int_equal(get32(p + 24), 1);
	}
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 0, 512), 0);
	assert_int_equal(get64(b.buf + 176), 100);
	rig_destroy(&b.rig);
}

static uint16_t request_event(struct bench *b)
{
	return nvme_submit(&b->h, 0, &(struct nvme_sqe){.opcode = NVME_ADMIN_ASYNC_EVENT});
}

static void bad_doorbell(struct bench *b, uint64_t index, uint32_t val)
{
	reg_write(b->h.f, 0, NVME_DOORBELLS + 4 * index, 4, val);
}

static void events_are_told_once_until_their_log_is_read(void **state)
{
	struct nvme_cqe c;
	struct nvme_sqe e;
	struct bench b;
	uint16_t cid;

	setup(&b, "nvme,queues=2");
	cid = request_event(&b);
	bad_doorbell(&b, 2 * 2, 1); /* a submission queue that is not there */
	c = nvme_wait(&b.h, 0);
	assert_int_equal(c.cid, cid);
	assert_int_equal(c.status >> 1, 0);
	assert_int_equal(c.dw0,
			 NVME_LOG_ERROR << 16 | NVME_AE_INVALID_DOORBELL << 8 | NVME_AE_ERROR);
	/* The type is masked: a second event waits, and so does its request. */
	request_event(&b);
	bad_doorbell(&b, 0, 32); /* beyond the admin queue */
	assert_int_equal(identify(&b, 1, 0), 0);
	assert_false(nvme_take(&b.h, 0, &c));
	/* Reading the log, but asking to retain the event, changes nothing. */
	e = nvme_log_cmd(&b.h, NVME_LOG_ERROR, 0, 64, b.buf);
	e.cdw10 |= BIT(15);
	assert_int_equal(nvme_do(&b.h, 0, e, NULL), 0);
	assert_int_equal(get16(b.buf + 8), 0xffff); /* of no queue */
	assert_int_equal(identify(&b, 1, 0), 0);
	assert_false(nvme_take(&b.h, 0, &c));
	assert_int_equal(get_log(&b, NVME_LOG_ERROR, 0, 64), 0);
	c = nvme_wait(&b.h, 0);
	assert_int_equal(c.dw0, NVME_LOG_ERROR << 16 | NVME_AE_INVALID_DOORBELL_VALUE << 8 |
					NVME_AE_ERROR);
	/* An event waits for a request as well. */
	bad_doorbell(&b, 2 * 65 + 1, 0);
	assert_int_equal(identify(&b, 1, 0), 0);
	assert_int_equal(get_log(&b, NVME_LOG_ERROR, 0, 64), 0);
	cid = request_event(&b);
	c = nvme_wait(&b.h, 0);
	assert_int_equal(c.cid, cid);
	assert_int_equal(c.dw0,
			 NVME_LOG_ERROR << 16 | NVME_AE_INVALID_DOORBELL << 8 | NVME_AE_ERROR);
	rig_destroy(&b.rig);
}

static void the_temperature_warns(void **state)
{
	struct nvme_cqe c;
	struct bench b;

	setup(&b, "nvme");
	request_event(&b);
	assert_int_equal(set_feature(&b, NVME_FEAT_TEMPERATURE, 320), 0); /* not wanted yet */
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 0, 512), 0);
	assert_int_equal(b.buf[0], 2);
	assert_false(nvme_take(&b.h, 0, &c));
	assert_int_equal(set_feature(&b, NVME_FEAT_ASYNC_EVENTS, 2), 0);
	c = nvme_wait(&b.h, 0);
	assert_int_equal(c.dw0,
			 NVME_LOG_SMART << 16 | NVME_AE_SMART_TEMPERATURE << 8 | NVME_AE_SMART);
	assert_int_equal(set_feature(&b, NVME_FEAT_TEMPERATURE, 343), 0);
	assert_int_equal(get_log(&b, NVME_LOG_SMART, 0, 512), 0);
	assert_int_equal(b.buf[0], 0);
	request_event(&b);
	assert_int_equal(set_feature(&b, NVME_FEAT_TEMPERATURE, 1 << 20 | 330),
			 0); /* colder than */
	c = nvme_wait(&b.h, 0);
	assert_int_equal(c.dw0,
			 NVME_LOG_SMART << 16 | NVME_AE_SMART_TEMPERATURE << 8 | NVME_AE_SMART);
	rig_destroy(&b.rig);
}

static void requests_can_be_aborted(void **state)
{
	struct nvme_sqe e = {.opcode = NVME_ADMIN_ABORT};
	uint16_t cid[5], abort_cid;
	struct nvme_cqe c;
	struct bench b;
	uint32_t v;

	setup(&b, "nvme");
	for (unsigned int i = 0; i < 4; i++)
		cid[i] = request_event(&b);
	cid[4] = request_event(&b);
	c = nvme_wait(&b.h, 0);
	assert_int_equal(c.cid, cid[4]);
	assert_int_equal(c.status >> 1 & 0x3fff, NVME_AER_LIMIT);
	for (unsigned int i = 0; i < 4; i++) {
		e.cdw10 = (uint32_t)cid[i] << 16;
		abort_cid = nvme_submit(&b.h, 0, &e);
		c = nvme_wait(&b.h, 0); /* the request first */
		assert_int_equal(c.cid, cid[i]);
		assert_int_equal(c.status >> 1 & 0x3fff, NVME_ABORT_REQUESTED);
		c = nvme_wait(&b.h, 0);
		assert_int_equal(c.cid, abort_cid);
		assert_int_equal(c.status >> 1, 0);
		assert_int_equal(c.dw0, 0);
	}
	/* One that is over, and one of a queue that is not there: not aborted. */
	assert_int_equal(nvme_do(&b.h, 0, e, &v), 0);
	assert_int_equal(v, 1);
	e.cdw10 |= 7;
	assert_int_equal(nvme_do(&b.h, 0, e, &v), 0);
	assert_int_equal(v, 1);
	request_event(&b); /* there is room again */
	assert_int_equal(identify(&b, 1, 0), 0);
	rig_destroy(&b.rig);
}

static struct nvme_sqe format_cmd(uint32_t nsid, uint32_t cdw10)
{
	return (struct nvme_sqe){.opcode = NVME_ADMIN_FORMAT, .nsid = nsid, .cdw10 = cdw10};
}

static void format_erases_every_namespace(void **state)
{
	uint8_t *data, *back;
	struct prng rnd = {5};
	struct bench b;

	setup(&b, "nvme,size=1M,size2=2M");
	nvme_add_queue(&b.h, 1, 8, -1);
	data = arena_alloc(&b.rig, 65536, 4096);
	back = arena_alloc(&b.rig, 65536, 4096);
	for (unsigned int format = 1; format < 3; format++) {
		uint32_t lba = format == 1 ? 4096 : 512;

		fill_random(&rnd, data, 65536);
		for (uint32_t nsid = 1; nsid < 3; nsid++)
			assert_int_equal(nvme_do(&b.h, 1,
						 nvme_rw_cmd(&b.h, NVME_IO_WRITE, nsid, 1,
							     format == 1 ? 16 : 2, data, 8192),
						 NULL),
					 0);
		assert_int_equal(nvme_do(&b.h, 0,
					 format_cmd(format == 1 ? 1 : UINT32_MAX, format & 1),
					 NULL),
				 0);
		for (uint32_t nsid = 1; nsid < 3; nsid++) {
			assert_int_equal(identify(&b, 0, nsid), 0);
			assert_int_equal(b.buf[26], format & 1);
			assert_int_equal(get64(b.buf), (nsid << 20) / lba);
			memset(back, 0xee, 65536);
			assert_int_equal(nvme_do(&b.h, 1,
						 nvme_rw_cmd(&b.h, NVME_IO_READ, nsid, 0,
							     65536 / lba, back, 65536),
						 NULL),
					 0);
			assert_all(back, 0, 65536);
			/* The last block is there, the next one is not. */
			assert_int_equal(nvme_do(&b.h, 1,
						 nvme_rw_cmd(&b.h, NVME_IO_READ, nsid,
							     (nsid << 20) / lba - 1, 1, back, lba),
						 NULL),
					 0);
			assert_int_equal(nvme_do(&b.h, 1,
						 nvme_rw_cmd(&b.h, NVME_IO_READ, nsid,
							     (nsid << 20) / lba, 1, back, lba),
						 NULL),
					 NVME_LBA_RANGE);
		}
	}
	/* The format outlives a reset. */
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 1), NULL), 0);
	nvme_stop(&b.h);
	nvme_start(&b.h, b.h.f, 8);
	assert_int_equal(identify(&b, 0, 2), 0);
	assert_int_equal(b.buf[26], 1);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 2), NULL), NVME_FORMAT_INVALID);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 1 << 4), NULL), NVME_FORMAT_INVALID);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 1 << 5), NULL), NVME_FORMAT_INVALID);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 1 << 9), NULL), 0);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 2 << 9), NULL), NVME_INVALID_FIELD);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(3, 0), NULL), NVME_INVALID_FIELD);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(0, 0), NULL), NVME_INVALID_NAMESPACE);
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(9, 0), NULL), NVME_INVALID_NAMESPACE);
	rig_destroy(&b.rig);
}

/* A namespace of 16 TiB of memory that is not there is formatted in no time. A sanitizer leaves
 * less address space. */
static void format_of_a_large_namespace(void **state)
{
	double begin;
	struct bench b;

	setup(&b, SANITIZED ? "nvme,size=64G" : "nvme,size=16T");
	begin = seconds();
	assert_int_equal(nvme_do(&b.h, 0, format_cmd(1, 0), NULL), 0);
	assert_true(seconds() - begin < 5);
	rig_destroy(&b.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identify_controller),
		cmocka_unit_test(identify_namespaces),
		cmocka_unit_test(what_is_not_there_is_refused),
		cmocka_unit_test(queues_are_made_and_unmade),
		cmocka_unit_test(entry_sizes_come_first),
		cmocka_unit_test(features_keep_what_they_are_given),
		cmocka_unit_test(the_number_of_queues_is_asked_first),
		cmocka_unit_test(log_pages),
		cmocka_unit_test(the_error_log_turns_over),
		cmocka_unit_test(events_are_told_once_until_their_log_is_read),
		cmocka_unit_test(the_temperature_warns),
		cmocka_unit_test(requests_can_be_aborted),
		cmocka_unit_test(format_erases_every_namespace),
		cmocka_unit_test(format_of_a_large_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
