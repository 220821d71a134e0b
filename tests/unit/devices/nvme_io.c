/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVM commands and their data pointers: PRPs and SGLs of every form, right and wrong.
 */
#include "nvme_driver.h"

#include <stdlib.h>
#include <string.h>

#define LOST 0x900000000000ull /* an IOVA that nothing maps */

#define DISK   (4u << 20)
#define BUFFER (1u << 20)

struct bench {
	struct rig rig;
	struct nvme_host h;
	uint8_t *data, *back; /* BUFFER each */
	uint8_t *disk;	      /* what the test knows to be there */
	size_t mark;
};

static void setup(struct bench *b, const char *text)
{
	struct prng rnd = {7};

	memset(b, 0, sizeof(*b));
	rig_create(&b->rig, true);
	nvme_start(&b->h, func_add(&b->rig, text), 32);
	nvme_add_queue(&b->h, 1, 64, -1);
	b->data = arena_alloc(&b->rig, BUFFER, 4096);
	b->back = arena_alloc(&b->rig, BUFFER, 4096);
	b->disk = calloc(1, DISK);
	assert_non_null(b->disk);
	fill_random(&rnd, b->data, BUFFER);
	b->mark = b->rig.used;
}

static void teardown(struct bench *b)
{
	free(b->disk);
	rig_destroy(&b->rig);
}

/* A write of what lies at @p, remembered. */
static void write_blocks(struct bench *b, uint64_t slba, uint32_t blocks, const uint8_t *p,
			 uint32_t flags)
{
	struct nvme_sqe e = nvme_rw_cmd(&b->h, NVME_IO_WRITE, 1, slba, blocks, p, blocks * 512);

	e.cdw12 |= flags;
	assert_int_equal(nvme_do(&b->h, 1, e, NULL), 0);
	memcpy(b->disk + slba * 512, p, blocks * 512);
	b->rig.used = b->mark;
}

static void check_blocks(struct bench *b, uint64_t slba, uint32_t blocks, uint8_t *p)
{
	memset(p, 0xee, blocks * 512);
	assert_int_equal(nvme_do(&b->h, 1,
				 nvme_rw_cmd(&b->h, NVME_IO_READ, 1, slba, blocks, p, blocks * 512),
				 NULL),
			 0);
	assert_memory_equal(p, b->disk + slba * 512, blocks * 512);
	b->rig.used = b->mark;
}

static void reads_and_writes_of_every_shape(void **state)
{
	struct prng rnd = {11};
	struct bench b;

	setup(&b, "nvme,size=4M");
	for (unsigned int i = 0; i < 2000; i++) {
		uint32_t blocks = 1 + prng_below(&rnd, i % 10 ? 24 : 1024);
		uint64_t slba = prng_below(&rnd, DISK / 512 - blocks + 1);
		uint32_t off = 4 * prng_below(&rnd, (BUFFER - blocks * 512) / 4);

		if (i & 1) {
			write_blocks(&b, slba, blocks, b.data + off, i % 5 ? 0 : BIT(30));
		} else {
			b.back[off + blocks * 512 - (off + blocks * 512 == BUFFER)] = 0x77;
			check_blocks(&b, slba, blocks, b.back + off);
			if (off + blocks * 512 < BUFFER)
				assert_int_equal(b.back[off + blocks * 512], 0x77);
		}
	}
	for (unsigned int i = 0; i < DISK; i += 512 * 1024)
		check_blocks(&b, i / 512, 1024, b.back);
	teardown(&b);
}

/* Pages of 64 KiB: PRPs are counted in those. */
static void large_memory_pages(void **state)
{
	struct nvme_sqe e;
	uint64_t *list;
	struct bench b;

	memset(&b, 0, sizeof(b));
	rig_create(&b.rig, true);
	nvme_program(&b.h, func_add(&b.rig, "nvme"), 1024, NVME_CC_USUAL | 4 << 7);
	WAIT_UNTIL(nvme_csts(&b.h) == RDY);
	b.data = arena_alloc(&b.rig, 512 * 1024 + 65536, 65536);
	b.back = arena_alloc(&b.rig, 512 * 1024 + 65536, 65536);
	list = arena_alloc(&b.rig, 4096, 65536);
	fill_random(&(struct prng){9}, b.data, 512 * 1024 + 65536);
	b.h.q[1] = (struct nvme_ring){.sq = arena_alloc(&b.rig, 65536, 65536),
				      .cq = arena_alloc(&b.rig, 65536, 65536),
				      .sq_size = 64,
				      .cq_size = 64,
				      .phase = true,
				      .cqid = 1};
	assert_int_equal(nvme_do(&b.h, 0,
				 nvme_create_cq_cmd(1, 64, iova_of(&b.rig, b.h.q[1].cq) + 4096, -1),
				 NULL),
			 NVME_INVALID_PRP_OFFSET);
	assert_int_equal(
		nvme_do(&b.h, 0, nvme_create_cq_cmd(1, 64, iova_of(&b.rig, b.h.q[1].cq), -1), NULL),
		0);
	assert_int_equal(
		nvme_do(&b.h, 0, nvme_create_sq_cmd(1, 64, iova_of(&b.rig, b.h.q[1].sq), 1), NULL),
		0);
	/* 512 KiB from the middle of a page on: nine pages. */
	for (unsigned int dir = 0; dir < 2; dir++) {
		uint8_t *p = dir ? b.back : b.data;

		e = (struct nvme_sqe){
			.opcode = dir ? NVME_IO_READ : NVME_IO_WRITE, .nsid = 1, .cdw12 = 1023};
		e.dptr[0] = iova_of(&b.rig, p) + 32768 + 4;
		for (unsigned int i = 0; i < 8; i++)
			list[i] = iova_of(&b.rig, p) + (i + 1) * 65536;
		e.dptr[1] = iova_of(&b.rig, list);
		assert_int_equal(nvme_do(&b.h, 1, e, NULL), 0);
	}
	assert_memory_equal(b.data + 32772, b.back + 32772, 512 * 1024);
	list[3] += 4096; /* not on a page's start */
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_INVALID_PRP_OFFSET);
	rig_destroy(&b.rig);
}

/* A read of 96 KiB (24 pages) with PRP1 as @prp1 and the list at @list. */
static uint16_t read_with_list(struct bench *b, uint64_t prp1, uint64_t list)
{
	struct nvme_sqe e = {.opcode = NVME_IO_READ, .nsid = 1, .cdw12 = 191, .dptr = {prp1, list}};

	return nvme_do(&b->h, 1, e, NULL);
}

static void lists_of_pages(void **state)
{
	uint64_t *list, back, iova;
	struct nvme_sqe e;
	struct bench b;

	setup(&b, "nvme,size=4M");
	write_blocks(&b, 0, 192, b.data, 0);
	list = arena_alloc(&b.rig, 4 * 4096, 4096);
	iova = iova_of(&b.rig, list);
	back = iova_of(&b.rig, b.back);
	/* A list that begins near the end of its page goes on in the next one, which is elsewhere.
	 */
	for (unsigned int room = 1; room <= 24; room++) {
		uint64_t *first = list + 512 - room, *next = list + 2 * 512;
		unsigned int page = 1;

		memset(b.back, 0xee, 100 * 1024);
		for (unsigned int i = 0; i < room; i++)
			first[i] = page <= 23 ? back + 4096 * page++ : LOST;
		if (room < 23) {
			first[room - 1] = iova + 2 * 4096;
			for (page--; page <= 23; page++)
				*next++ = back + 4096 * page;
		}
		assert_int_equal(read_with_list(&b, back, iova + 8 * (512 - room)), 0);
		assert_memory_equal(b.back, b.data, 96 * 1024);
		assert_int_equal(b.back[96 * 1024], 0xee);
	}
	/* From the middle of a page: one more. */
	for (unsigned int i = 0; i < 24; i++)
		list[i] = back + 4096 * (i + 1);
	assert_int_equal(read_with_list(&b, back + 4092, iova), 0);
	assert_memory_equal(b.back + 4092, b.data, 96 * 1024);
	/* Chains that lead nowhere: to themselves, to a place within a page, out of memory. */
	list[511] = iova + 511 * 8;
	assert_int_equal(read_with_list(&b, back, iova + 511 * 8), NVME_INVALID_PRP_OFFSET);
	list[511] = iova + 2 * 4096 + 64;
	assert_int_equal(read_with_list(&b, back, iova + 511 * 8), NVME_INVALID_PRP_OFFSET);
	list[511] = LOST;
	assert_int_equal(read_with_list(&b, back, iova + 511 * 8), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(read_with_list(&b, back, LOST), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(read_with_list(&b, back, iova + 4), NVME_INVALID_PRP_OFFSET);
	assert_int_equal(read_with_list(&b, back + 1, iova), NVME_INVALID_PRP_OFFSET);
	assert_int_equal(read_with_list(&b, LOST, iova), NVME_DATA_TRANSFER_ERROR);
	list[5] = back + 512;
	assert_int_equal(read_with_list(&b, back, iova), NVME_INVALID_PRP_OFFSET);
	list[5] = LOST;
	assert_int_equal(read_with_list(&b, back, iova), NVME_DATA_TRANSFER_ERROR);
	/* Two pages: PRP2 is the second one. */
	e = (struct nvme_sqe){
		.opcode = NVME_IO_READ, .nsid = 1, .cdw12 = 15, .dptr = {back, back + 8192}};
	memset(b.back, 0xee, 16384);
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), 0);
	assert_memory_equal(b.back, b.data, 4096);
	assert_memory_equal(b.back + 8192, b.data + 4096, 4096);
	assert_int_equal(b.back[4096], 0xee);
	e.dptr[1] += 8;
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_INVALID_PRP_OFFSET);
	e.dptr[1] = LOST;
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_DATA_TRANSFER_ERROR);
	e.cdw12 = 7; /* one page: PRP2 is nobody's business */
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), 0);
	teardown(&b);
}

struct sgl {
	uint64_t address;
	uint32_t length;
	uint8_t reserved[3], id;
};

enum { DATA = 0x00, BUCKET = 0x10, SEGMENT = 0x20, LAST = 0x30, KEYED = 0x40 };

static struct sgl sgl(uint8_t id, uint64_t address, uint32_t length)
{
	return (struct sgl){.address = address, .length = length, .id = id};
}

static uint16_t transfer_sgl(struct bench *b, uint8_t opcode, uint32_t blocks, struct sgl s)
{
	struct nvme_sqe e = {.opcode = opcode, .flags = 0x40, .nsid = 1, .cdw12 = blocks - 1};

	memcpy(e.dptr, &s, sizeof(s));
	return nvme_do(&b->h, 1, e, NULL);
}

static uint16_t read_sgl(struct bench *b, uint32_t blocks, struct sgl s)
{
	memset(b->back, 0xee, 65536);
	return transfer_sgl(b, NVME_IO_READ, blocks, s);
}

static void scattered_data(void **state)
{
	uint64_t back, iova, data;
	struct sgl *s;
	struct bench b;

	setup(&b, "nvme,size=4M");
	write_blocks(&b, 0, 192, b.data, 0);
	s = arena_alloc(&b.rig, 65536, 4096);
	iova = iova_of(&b.rig, s);
	back = iova_of(&b.rig, b.back);
	data = iova_of(&b.rig, b.data);
	/* One block, of any alignment; longer than the data is well. */
	assert_int_equal(read_sgl(&b, 8, sgl(DATA, back + 3, 4096)), 0);
	assert_memory_equal(b.back + 3, b.data, 4096);
	assert_int_equal(b.back[2], 0xee);
	assert_int_equal(b.back[3 + 4096], 0xee);
	assert_int_equal(read_sgl(&b, 1, sgl(DATA, back, 65536)), 0);
	assert_memory_equal(b.back, b.data, 512);
	assert_int_equal(b.back[512], 0xee);
	assert_int_equal(read_sgl(&b, 2, sgl(DATA, back, 1023)), NVME_SGL_LENGTH_INVALID);
	/* A segment: odd pieces, an empty one, bytes that are thrown away. */
	s[0] = sgl(DATA, back + 1000, 1);
	s[1] = sgl(DATA, LOST, 0);
	s[2] = sgl(DATA, back + 5000, 1022);
	s[3] = sgl(BUCKET, LOST, 513);
	s[4] = sgl(DATA, back, 512);
	assert_int_equal(read_sgl(&b, 4, sgl(LAST, iova, 5 * 16)), 0);
	assert_int_equal(b.back[1000], b.data[0]);
	assert_memory_equal(b.back + 5000, b.data + 1, 1022);
	assert_memory_equal(b.back, b.data + 1023 + 513, 512);
	assert_int_equal(b.back[512], 0xee);
	/* A write has nothing to throw away. */
	s[0] = sgl(DATA, data + 7, 500);
	s[1] = sgl(BUCKET, LOST, 400);
	s[2] = sgl(DATA, data + 9000, 524);
	assert_int_equal(transfer_sgl(&b, NVME_IO_WRITE, 2, sgl(LAST, iova, 3 * 16)), 0);
	memcpy(b.disk, b.data + 7, 500);
	memcpy(b.disk + 500, b.data + 9000, 524);
	check_blocks(&b, 0, 192, b.back);
	/* Segments in a chain, the first longer than what is read at once. */
	s = arena_alloc(&b.rig, 65536, 4096);
	for (unsigned int i = 0; i < 199; i++)
		s[i] = sgl(DATA, back + 64 * i, 64);
	s[199] = sgl(SEGMENT, iova + 32768, 32);
	s[2048] = sgl(DATA, back + 64 * 199, 64);
	s[2049] = sgl(LAST, iova + 49152, 16);
	s[3072] = sgl(DATA, back + 64 * 200, 384);
	assert_int_equal(read_sgl(&b, 26, sgl(SEGMENT, iova, 200 * 16)), NVME_SGL_LENGTH_INVALID);
	s[3072].length = 512;
	assert_int_equal(read_sgl(&b, 26, sgl(SEGMENT, iova, 200 * 16)), 0);
	assert_memory_equal(b.back, b.disk, 26 * 512);
	teardown(&b);
}

static void malformed_sgls(void **state)
{
	uint64_t back, iova;
	struct sgl *s;
	struct bench b;

	setup(&b, "nvme,size=4M");
	s = arena_alloc(&b.rig, 65536, 4096);
	iova = iova_of(&b.rig, s);
	back = iova_of(&b.rig, b.back);
	assert_int_equal(read_sgl(&b, 1, sgl(KEYED, back, 512)), NVME_SGL_TYPE_INVALID);
	assert_int_equal(read_sgl(&b, 1, sgl(0xf0, back, 512)), NVME_SGL_TYPE_INVALID);
	assert_int_equal(read_sgl(&b, 1, sgl(DATA | 1, back, 512)), NVME_SGL_TYPE_INVALID);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST | 1, iova, 16)), NVME_SGL_TYPE_INVALID);
	assert_int_equal(read_sgl(&b, 1, sgl(DATA, LOST, 512)), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST, LOST, 16)), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST, iova, 0)), NVME_INVALID_SGL_SEGMENT);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST, iova, 8)), NVME_INVALID_SGL_SEGMENT);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST, iova, 24)), NVME_INVALID_SGL_SEGMENT);
	s[0] = sgl(KEYED, back, 512);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST, iova, 16)), NVME_SGL_TYPE_INVALID);
	/* A segment in the last one; one that is not the last descriptor; one of length 0; a
	 * subtype. */
	s[0] = sgl(LAST, iova, 16);
	assert_int_equal(read_sgl(&b, 1, sgl(LAST, iova, 16)), NVME_INVALID_SGL_SEGMENT);
	assert_int_equal(read_sgl(&b, 1, sgl(SEGMENT, iova, 32)), NVME_INVALID_SGL_SEGMENT);
	s[0] = sgl(SEGMENT, iova, 0);
	assert_int_equal(read_sgl(&b, 1, sgl(SEGMENT, iova, 16)), NVME_SGL_LENGTH_INVALID);
	s[0] = sgl(SEGMENT | 2, iova, 16);
	assert_int_equal(read_sgl(&b, 1, sgl(SEGMENT, iova, 16)), NVME_INVALID_SGL_SEGMENT);
	/* It leads to itself, or is of nothing but empty blocks: both have an end. */
	s[0] = sgl(SEGMENT, iova, 16);
	assert_int_equal(read_sgl(&b, 1, sgl(SEGMENT, iova, 16)), NVME_INVALID_SGL_COUNT);
	for (unsigned int i = 0; i < 4095; i++)
		s[i] = sgl(DATA, back, 0);
	s[4095] = sgl(SEGMENT, iova, 65536);
	assert_int_equal(read_sgl(&b, 1, sgl(SEGMENT, iova, 65536)), NVME_INVALID_SGL_COUNT);
	assert_int_equal(read_sgl(&b, 1, sgl(SEGMENT, iova, 0xfffffff0)), NVME_INVALID_SGL_SEGMENT);
	teardown(&b);
}

static uint16_t io(struct bench *b, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t blocks)
{
	uint16_t status = nvme_do(
		&b->h, 1, nvme_rw_cmd(&b->h, opcode, nsid, slba, blocks, b->back, 4096), NULL);

	b->rig.used = b->mark;
	return status;
}

/* Ranges and namespaces, the same for every command that has them. */
static void what_is_out_of_range(void **state)
{
	static const uint8_t ops[] = {NVME_IO_READ, NVME_IO_WRITE, NVME_IO_COMPARE,
				      NVME_IO_WRITE_ZEROES, NVME_IO_VERIFY};
	struct bench b;

	setup(&b, "nvme,size=4M");
	memset(b.back, 0, BUFFER);
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_int_equal(io(&b, ops[i], 1, 8191, 1), 0);
		assert_int_equal(io(&b, ops[i], 1, 8192, 1), NVME_LBA_RANGE);
		assert_int_equal(io(&b, ops[i], 1, 8191, 2), NVME_LBA_RANGE);
		assert_int_equal(io(&b, ops[i], 1, UINT64_MAX, 1), NVME_LBA_RANGE);
		assert_int_equal(io(&b, ops[i], 1, UINT64_MAX, 65536), NVME_LBA_RANGE);
		assert_int_equal(io(&b, ops[i], 1, 1ull << 55, 1), NVME_LBA_RANGE);
		assert_int_equal(io(&b, ops[i], 0, 0, 1), NVME_INVALID_NAMESPACE);
		assert_int_equal(io(&b, ops[i], 2, 0, 1), NVME_INVALID_FIELD); /* inactive */
		assert_int_equal(io(&b, ops[i], 5, 0, 1), NVME_INVALID_NAMESPACE);
		assert_int_equal(io(&b, ops[i], UINT32_MAX, 0, 1), NVME_INVALID_NAMESPACE);
		/* More than MDTS: only where data moves. */
		assert_int_equal(io(&b, ops[i], 1, 0, 1025), i < 3 ? NVME_INVALID_FIELD : 0);
	}
	assert_int_equal(io(&b, NVME_IO_FLUSH, 0, 0, 1), NVME_INVALID_NAMESPACE);
	assert_int_equal(io(&b, NVME_IO_FLUSH, 3, 0, 1), NVME_INVALID_FIELD);
	assert_int_equal(io(&b, NVME_IO_FLUSH, UINT32_MAX, 0, 1), 0);
	assert_int_equal(io(&b, NVME_IO_FLUSH, 1, 0, 1), 0);
	for (unsigned int op = 0; op < 256; op++)
		if (op > 0xc || op == 3 || op == 4 || op == 6 || op == 7 || op == 0xa || op == 0xb)
			assert_int_equal(io(&b, (uint8_t)op, 1, 0, 1), NVME_INVALID_OPCODE);
	teardown(&b);
}

static struct nvme_sqe dsm_cmd(struct bench *b, const void *ranges, unsigned int n,
			       uint32_t attributes)
{
	struct nvme_sqe e = {.opcode = NVME_IO_DSM, .nsid = 1, .cdw10 = n - 1, .cdw11 = attributes};

	nvme_set_prps(&b->h, &e, ranges, n * sizeof(struct nvme_dsm_range));
	return e;
}

static void zeroes_deallocation_comparison(void **state)
{
	struct nvme_dsm_range *r;
	struct nvme_sqe e;
	struct bench b;

	setup(&b, "nvme,size=4M");
	for (unsigned int i = 0; i < 8; i++)
		write_blocks(&b, i * 1024, 1024, b.data + i * 512, 0);
	for (unsigned int deac = 0; deac < 2; deac++) {
		e = nvme_rw_cmd(&b.h, NVME_IO_WRITE_ZEROES, 1, 100 + 3000 * deac, 77, b.data, 0);
		e.cdw12 |= deac ? BIT(25) : BIT(30);
		assert_int_equal(nvme_do(&b.h, 1, e, NULL), 0);
		memset(b.disk + (100 + 3000 * deac) * 512, 0, 77 * 512);
	}
	for (unsigned int i = 0; i < 8; i++)
		check_blocks(&b, i * 1024, 1024, b.back);
	/* Deallocated ranges read as zeroes; without the attribute nothing happens. */
	b.rig.used = b.mark;
	r = arena_alloc(&b.rig, 4096, 4096);
	b.mark = b.rig.used;
	for (unsigned int i = 0; i < 256; i++)
		r[i] = (struct nvme_dsm_range){.blocks = i % 11, .slba = i * 31};
	assert_int_equal(nvme_do(&b.h, 1, dsm_cmd(&b, r, 256, 0), NULL), 0);
	for (unsigned int i = 0; i < 8; i++)
		check_blocks(&b, i * 1024, 1024, b.back);
	assert_int_equal(nvme_do(&b.h, 1, dsm_cmd(&b, r, 256, 4), NULL), 0);
	for (unsigned int i = 0; i < 256; i++)
		memset(b.disk + i * 31 * 512, 0, (i % 11) * 512);
	for (unsigned int i = 0; i < 8; i++)
		check_blocks(&b, i * 1024, 1024, b.back);
	/* One bad range, and none of them is touched. */
	r[0] = (struct nvme_dsm_range){.blocks = 8, .slba = 500};
	r[1] = (struct nvme_dsm_range){.blocks = 2, .slba = 8191};
	assert_int_equal(nvme_do(&b.h, 1, dsm_cmd(&b, r, 2, 4), NULL), NVME_LBA_RANGE);
	r[1] = (struct nvme_dsm_range){.blocks = 0xffffffff, .slba = UINT64_MAX};
	assert_int_equal(nvme_do(&b.h, 1, dsm_cmd(&b, r, 2, 4), NULL), NVME_LBA_RANGE);
	check_blocks(&b, 0, 1024, b.back);
	e = dsm_cmd(&b, r, 1, 4);
	e.dptr[0] = LOST;
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_DATA_TRANSFER_ERROR);
	e = dsm_cmd(&b, r, 1, 4);
	e.nsid = 4;
	assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_INVALID_FIELD);
	/* Compare: the same, then one bit. */
	memcpy(b.back, b.disk + 4096 * 512, 16384);
	assert_int_equal(nvme_do(&b.h, 1,
				 nvme_rw_cmd(&b.h, NVME_IO_COMPARE, 1, 4096, 32, b.back, 16384),
				 NULL),
			 0);
	b.back[16383] ^= 1;
	assert_int_equal(nvme_do(&b.h, 1,
				 nvme_rw_cmd(&b.h, NVME_IO_COMPARE, 1, 4096, 32, b.back, 16384),
				 NULL),
			 NVME_COMPARE_FAILURE);
	assert_int_equal(
		nvme_do(&b.h, 1, nvme_rw_cmd(&b.h, NVME_IO_VERIFY, 1, 0, 8192, b.back, 0), NULL),
		0);
	teardown(&b);
}

/* A write whose data cannot be had, in part, changes nothing. */
static void a_failed_write_changes_nothing(void **state)
{
	struct nvme_sqe e;
	struct bench b;

	setup(&b, "nvme,size=4M");
	write_blocks(&b, 0, 64, b.data, 0);
	for (unsigned int page = 0; page < 8; page++) {
		uint64_t *list = arena_alloc(&b.rig, 4096, 4096);

		e = (struct nvme_sqe){.opcode = NVME_IO_WRITE, .nsid = 1, .cdw12 = 63};
		e.dptr[0] = page ? iova_of(&b.rig, b.data) + 65536 : LOST;
		e.dptr[1] = iova_of(&b.rig, list);
		for (unsigned int i = 1; i < 8; i++)
			list[i - 1] = i == page ? LOST : iova_of(&b.rig, b.data) + 65536 + 4096 * i;
		assert_int_equal(nvme_do(&b.h, 1, e, NULL), NVME_DATA_TRANSFER_ERROR);
		check_blocks(&b, 0, 64, b.back);
	}
	teardown(&b);
}

/* Blocks of 4 KiB, several namespaces that do not meet. */
static void several_namespaces(void **state)
{
	struct bench b;

	setup(&b, "nvme,size=1M,size2=1M,size4=2M,lba=4096");
	for (uint32_t nsid = 1; nsid <= 4; nsid++) {
		struct nvme_sqe e =
			nvme_rw_cmd(&b.h, NVME_IO_WRITE, nsid, 5, 2, b.data + nsid * 8192, 8192);

		assert_int_equal(nvme_do(&b.h, 1, e, NULL), nsid == 3 ? NVME_INVALID_FIELD : 0);
	}
	for (uint32_t nsid = 1; nsid <= 4; nsid++) {
		if (nsid == 3)
			continue;
		assert_int_equal(nvme_do(&b.h, 1,
					 nvme_rw_cmd(&b.h, NVME_IO_READ, nsid, 5, 2, b.back, 8192),
					 NULL),
				 0);
		assert_memory_equal(b.back, b.data + nsid * 8192, 8192);
		assert_int_equal(
			nvme_do(&b.h, 1,
				nvme_rw_cmd(&b.h, NVME_IO_READ, nsid, 255, 2, b.back, 8192), NULL),
			nsid == 4 ? 0 : NVME_LBA_RANGE);
	}
	teardown(&b);
}

static void read_only_namespaces(void **state)
{
	struct nvme_dsm_range *r;
	struct bench b;

	setup(&b, "nvme,size=4M,readonly");
	r = arena_alloc(&b.rig, 4096, 4096);
	assert_int_equal(nvme_do(&b.h, 0, nvme_identify_cmd(&b.h, 0, 1, b.back), NULL), 0);
	assert_int_equal(b.back[99], 1);
	assert_int_equal(io(&b, NVME_IO_READ, 1, 0, 8), 0);
	assert_int_equal(io(&b, NVME_IO_COMPARE, 1, 0, 8), 0);
	assert_int_equal(io(&b, NVME_IO_FLUSH, 1, 0, 1), 0);
	assert_int_equal(io(&b, NVME_IO_WRITE, 1, 0, 8), NVME_WRITE_PROTECTED);
	assert_int_equal(io(&b, NVME_IO_WRITE_ZEROES, 1, 0, 8), NVME_WRITE_PROTECTED);
	r[0].blocks = 1;
	assert_int_equal(nvme_do(&b.h, 1, dsm_cmd(&b, r, 1, 0), NULL), 0);
	assert_int_equal(nvme_do(&b.h, 1, dsm_cmd(&b, r, 1, 4), NULL), NVME_WRITE_PROTECTED);
	assert_int_equal(
		nvme_do(&b.h, 0, (struct nvme_sqe){.opcode = NVME_ADMIN_FORMAT, .nsid = 1}, NULL),
		NVME_WRITE_PROTECTED);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_of_every_shape),
		cmocka_unit_test(large_memory_pages),
		cmocka_unit_test(lists_of_pages),
		cmocka_unit_test(scattered_data),
		cmocka_unit_test(malformed_sgls),
		cmocka_unit_test(what_is_out_of_range),
		cmocka_unit_test(zeroes_deallocation_comparison),
		cmocka_unit_test(a_failed_write_changes_nothing),
		cmocka_unit_test(several_namespaces),
		cmocka_unit_test(read_only_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
