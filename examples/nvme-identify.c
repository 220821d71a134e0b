/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme-identify: bring up an NVMe controller (NVM Express base specification 1.4, section 3 for
 * the registers, 4 for the queues), ask what it is, and read or write a block if told to.
 *
 * Completions are polled for; each queue has one command under way at a time.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vfio_road.h"

#define REG_CAP	 0x00 /* u64 */
#define REG_VS	 0x08
#define REG_CC	 0x14
#define REG_CSTS 0x1c
#define REG_AQA	 0x24
#define REG_ASQ	 0x28 /* u64 */
#define REG_ACQ	 0x30 /* u64 */
#define REG_SQ0	 0x1000
#define REGS_LEN 0x2000 /* what this program needs of BAR 0 */

#define CAP_TO(cap)	(((cap) >> 24) & 0xff) /* in 500 ms */
#define CAP_DSTRD(cap)	(((cap) >> 32) & 0xf)
#define CAP_MPSMIN(cap) (((cap) >> 48) & 0xf)
#define CC_EN		1u
#define CC_SHN_NORMAL	(1u << 14)
#define CC_SHN		(3u << 14)
#define CC_ENTRIES	(6u << 16 | 4u << 20) /* log2 of the queue entry sizes */
#define CSTS_RDY	1u
#define CSTS_CFS	2u
#define CSTS_SHST	(3u << 2)
#define CSTS_SHST_DONE	(2u << 2)

#define ADMIN_CREATE_SQ	 0x01
#define ADMIN_CREATE_CQ	 0x05
#define ADMIN_DELETE_SQ	 0x00
#define ADMIN_DELETE_CQ	 0x04
#define ADMIN_IDENTIFY	 0x06
#define CNS_NAMESPACE	 0
#define CNS_CONTROLLER	 1
#define QUEUE_CONTIGUOUS 1u
#define IO_WRITE	 0x01
#define IO_READ		 0x02

#define PAGE	4096u
#define ENTRIES 16u
#define TIMEOUT 10 /* seconds for a command */

struct sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid, cid, status; /* status: its lowest bit is the phase */
};

struct queue {
	unsigned int id;
	struct sqe *sq;
	volatile struct cqe *cq;
	uint64_t sq_iova, cq_iova;
	uint16_t tail, head, phase, cid;
};

struct nvme {
	struct road road;
	volatile uint32_t *regs; /* NULL: by pread and pwrite */
	uint64_t regs_offset;
	uint64_t cap;
	struct queue admin, io;
	uint8_t *data; /* two pages, the second for one PRP more */
	uint64_t data_iova;
	uint32_t nsid;
	uint64_t blocks;
	uint32_t block_size;
};

static uint32_t reg_read(struct nvme *n, unsigned int at)
{
	uint32_t value;

	if (n->regs)
		return n->regs[at / 4];
	if (pread(n->road.device, &value, 4, n->regs_offset + at) != 4)
		err(1, "reading register 0x%x", at);
	return value;
}

static void reg_write(struct nvme *n, unsigned int at, uint32_t value)
{
	if (n->regs)
		n->regs[at / 4] = value;
	else if (pwrite(n->road.device, &value, 4, n->regs_offset + at) != 4)
		err(1, "writing register 0x%x", at);
}

static void reg_write64(struct nvme *n, unsigned int at, uint64_t value)
{
	reg_write(n, at, value);
	reg_write(n, at + 4, value >> 32);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Waits until the bits MASK of CSTS are VALUE. */
static void wait_status(struct nvme *n, uint32_t mask, uint32_t value, const char *what)
{
	double until = now() + 0.5 * CAP_TO(n->cap) + 1;
	uint32_t csts;

	while (((csts = reg_read(n, REG_CSTS)) & mask) != value) {
		if (csts == UINT32_MAX || (csts & CSTS_CFS && value))
			errx(1, "%s: the controller has failed, CSTS 0x%" PRIx32, what, csts);
		if (now() > until)
			errx(1, "%s: not in time, CSTS 0x%" PRIx32, what, csts);
		usleep(1000);
	}
}

static void queue_alloc(struct nvme *n, struct queue *q, unsigned int id)
{
	*q = (struct queue){.id = id, .phase = 1};
	q->sq = road_alloc(&n->road, PAGE, &q->sq_iova);
	q->cq = road_alloc(&n->road, PAGE, &q->cq_iova);
}

static void doorbell(struct nvme *n, unsigned int index, uint32_t value)
{
	reg_write(n, REG_SQ0 + index * (4u << CAP_DSTRD(n->cap)), value);
}

/* Runs one command; returns its status field without the phase, 0 for success. */
static uint16_t submit(struct nvme *n, struct queue *q, struct sqe cmd)
{
	volatile struct cqe *done = &q->cq[q->head];
	double until = now() + TIMEOUT;
	uint16_t status;

	cmd.cid = q->cid++;
	q->sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % ENTRIES;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	doorbell(n, 2 * q->id, q->tail);
	while (((status = done->status) & 1) != q->phase)
		if (now() > until)
			errx(1, "opcode 0x%02x on queue %u: no completion within %d seconds",
			     cmd.opcode, q->id, TIMEOUT);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (done->cid != cmd.cid)
		errx(1, "queue %u: command %u was completed, not %u", q->id, done->cid, cmd.cid);
	q->head = (q->head + 1) % ENTRIES;
	q->phase ^= !q->head;
	doorbell(n, 2 * q->id + 1, q->head);
	return status >> 1;
}

static void must(struct nvme *n, struct queue *q, struct sqe cmd, const char *what)
{
	uint16_t status = submit(n, q, cmd);

	if (status)
		errx(1, "%s: status code type %u, code 0x%02x", what, (status >> 8) & 7,
		     status & 0xff);
}

static void controller_open(struct nvme *n, bool cdev, const char *bdf, bool use_mmap)
{
	static const struct road_match any = {.class = 0x010802, .class_mask = 0xffffff};

	road_open(&n->road, cdev, bdf, &any);
	road_enable(&n->road);
	n->regs_offset = road_bar_offset(&n->road, 0);
	n->regs = use_mmap ? road_bar_map(&n->road, 0, REGS_LEN) : NULL;
	n->cap = reg_read(n, REG_CAP) | (uint64_t)reg_read(n, REG_CAP + 4) << 32;
	if (CAP_MPSMIN(n->cap))
		errx(1, "the controller's smallest page is larger than %u bytes", PAGE);
	if (REG_SQ0 + 4 * (4u << CAP_DSTRD(n->cap)) > REGS_LEN)
		errx(1, "the controller's doorbells lie too far apart");

	reg_write(n, REG_CC, 0);
	wait_status(n, CSTS_RDY, 0, "reset");
	queue_alloc(n, &n->admin, 0);
	n->data = road_alloc(&n->road, 2 * PAGE, &n->data_iova);
	reg_write(n, REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	reg_write64(n, REG_ASQ, n->admin.sq_iova);
	reg_write64(n, REG_ACQ, n->admin.cq_iova);
	reg_write(n, REG_CC, CC_ENTRIES | CC_EN);
	wait_status(n, CSTS_RDY, CSTS_RDY, "enable");
}

static void controller_close(struct nvme *n)
{
	reg_write(n, REG_CC, (reg_read(n, REG_CC) & ~CC_SHN) | CC_SHN_NORMAL);
	wait_status(n, CSTS_SHST, CSTS_SHST_DONE, "shutdown");
	reg_write(n, REG_CC, 0);
	wait_status(n, CSTS_RDY, 0, "disable");
	road_close(&n->road);
}

static void identify(struct nvme *n, uint32_t cns, uint32_t nsid, const char *what)
{
	memset(n->data, 0, PAGE);
	must(n, &n->admin,
	     (struct sqe){
		     .opcode = ADMIN_IDENTIFY, .nsid = nsid, .prp1 = n->data_iova, .cdw10 = cns},
	     what);
}

/* Identify's strings are padded with spaces and have no end. */
static void print_string(const char *name, const uint8_t *s, int len)
{
	while (len && (s[len - 1] == ' ' || !s[len - 1]))
		len--;
	printf("%-10s %.*s\n", name, len, (const char *)s);
}

static void print_identity(struct nvme *n)
{
	uint32_t vs = reg_read(n, REG_VS), nn;
	uint8_t lbaf;

	identify(n, CNS_CONTROLLER, 0, "identify controller");
	memcpy(&nn, n->data + 516, 4);
	print_string("serial", n->data + 4, 20);
	print_string("model", n->data + 24, 40);
	print_string("firmware", n->data + 64, 8);
	printf("%-10s %u.%u.%u\n", "version", vs >> 16, (vs >> 8) & 0xff, vs & 0xff);
	printf("%-10s up to %" PRIu32 "\n", "namespaces", nn);

	identify(n, CNS_NAMESPACE, n->nsid, "identify namespace");
	memcpy(&n->blocks, n->data, 8);
	lbaf = n->data[26] & 0xf;
	n->block_size = 1u << n->data[128 + 4 * lbaf + 2];
	if (!n->blocks)
		errx(1, "namespace %" PRIu32 " does not exist", n->nsid);
	printf("%-10s %" PRIu64 " bytes (namespace %" PRIu32 ": %" PRIu64 " blocks of %" PRIu32
	       ")\n",
	       "capacity", n->blocks * n->block_size, n->nsid, n->blocks, n->block_size);
}

static void io_open(struct nvme *n)
{
	uint32_t size = (ENTRIES - 1) << 16 | 1;

	if (n->block_size > PAGE)
		errx(1, "blocks of more than %u bytes", PAGE);
	queue_alloc(n, &n->io, 1);
	must(n, &n->admin,
	     (struct sqe){.opcode = ADMIN_CREATE_CQ,
			  .prp1 = n->io.cq_iova,
			  .cdw10 = size,
			  .cdw11 = QUEUE_CONTIGUOUS},
	     "create completion queue");
	must(n, &n->admin,
	     (struct sqe){.opcode = ADMIN_CREATE_SQ,
			  .prp1 = n->io.sq_iova,
			  .cdw10 = size,
			  .cdw11 = 1 << 16 | QUEUE_CONTIGUOUS},
	     "create submission queue");
}

static void io_close(struct nvme *n)
{
	must(n, &n->admin, (struct sqe){.opcode = ADMIN_DELETE_SQ, .cdw10 = 1}, "delete queue");
	must(n, &n->admin, (struct sqe){.opcode = ADMIN_DELETE_CQ, .cdw10 = 1}, "delete queue");
}

/* One block between LBA and the bytes at AT in the data pages, in two PRPs if it must. */
static void io(struct nvme *n, uint8_t opcode, uint64_t lba, uint32_t at)
{
	must(n, &n->io,
	     (struct sqe){.opcode = opcode,
			  .nsid = n->nsid,
			  .prp1 = n->data_iova + at,
			  .prp2 = at + n->block_size > PAGE ? n->data_iova + PAGE : 0,
			  .cdw10 = lba,
			  .cdw11 = lba >> 32},
	     opcode == IO_READ ? "read" : "write");
}

static void print_block(struct nvme *n, uint64_t lba)
{
	io(n, IO_READ, lba, 0);
	printf("block %" PRIu64 "\n", lba);
	for (uint32_t i = 0; i < n->block_size; i += 16) {
		printf("%04" PRIx32, i);
		for (uint32_t j = i; j < i + 16; j++)
			printf(" %02x", n->data[j]);
		printf("\n");
	}
}

/*
 * Writes a random block, reads it back to where it crosses a page, and puts the old one back:
 * a block is on loan from whoever's disk this is.
 */
static void write_read(struct nvme *n, uint64_t lba)
{
	const uint32_t across = PAGE - 4;
	uint8_t *old = malloc(n->block_size), *new = malloc(n->block_size);
	bool same;

	if (!old || !new)
		err(1, NULL);
	io(n, IO_READ, lba, 0);
	memcpy(old, n->data, n->block_size);
	srandom(time(NULL));
	for (uint32_t i = 0; i < n->block_size; i++)
		new[i] = random();
	memcpy(n->data, new, n->block_size);
	io(n, IO_WRITE, lba, 0);
	memset(n->data, 0, 2 * PAGE);
	io(n, IO_READ, lba, across);
	same = !memcmp(n->data + across, new, n->block_size);
	memcpy(n->data, old, n->block_size);
	io(n, IO_WRITE, lba, 0);
	free(old);
	free(new);
	if (!same)
		errx(1, "block %" PRIu64 " does not hold what was written to it", lba);
	printf("block %" PRIu64 " was written, read back and restored\n", lba);
}

static void usage(void)
{
	printf("usage: nvme-identify [--road=type1|iommufd] [--no-mmap] [--nsid=N] [--read=LBA] "
	       "[--write-read[=LBA]] [BDF]\n"
	       "  --no-mmap     registers by pread and pwrite\n"
	       "  --read        print a block\n"
	       "  --write-read  write a block (the last), read it back, restore it\n");
	exit(0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"road", required_argument, NULL, 'r'},
		{"no-mmap", no_argument, NULL, 'm'},
		{"nsid", required_argument, NULL, 'n'},
		{"read", required_argument, NULL, 'R'},
		{"write-read", optional_argument, NULL, 'W'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *read_lba = NULL, *write_lba = NULL;
	bool cdev = false, use_mmap = true, writes = false;
	struct nvme n = {.nsid = 1};

	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		switch (c) {
		case 'r':
			cdev = road_is_cdev(optarg);
			break;
		case 'm':
			use_mmap = false;
			break;
		case 'n':
			n.nsid = strtoul(optarg, NULL, 0);
			break;
		case 'R':
			read_lba = optarg;
			break;
		case 'W':
			writes = true;
			write_lba = optarg;
			break;
		case 'h':
			usage();
			break;
		default:
			return 1;
		}
	}
	controller_open(&n, cdev, argv[optind], use_mmap);
	print_identity(&n);
	if (read_lba || writes) {
		io_open(&n);
		if (read_lba)
			print_block(&n, strtoull(read_lba, NULL, 0));
		if (writes)
			write_read(&n, write_lba ? strtoull(write_lba, NULL, 0) : n.blocks - 1);
		io_close(&n);
	}
	controller_close(&n);
	return 0;
}
