/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NVMe controller is written to at queue depth 15 when the program is killed, and the image is held against what was
 * acknowledged: a block holds what was last acknowledged, or, where a write was under way, that; and nothing half.
 *
 * Every 512-byte block of the image is full of the number of the write that made it, and of its own address. The journal has for
 * every chunk of 8 blocks the last write that was submitted and the last one that was acknowledged; it is a file,
 * shared, so that it outlives the program as the image does.
 *
 * usage: writer JOURNAL MILLISECONDS      under ioas run, then kills itself
 *        writer JOURNAL check IMAGE       tells what became of it
 */
#include <signal.h>
#include <sys/stat.h>

#include "hostile.h"

#define CHUNKS	2048 /* of 4096 bytes: an image of 8 MiB */
#define BLOCK	512
#define ENTRIES 16
#define SLOTS	(ENTRIES - 1)

struct journal {
	uint64_t submitted, acknowledged;
};

struct sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid, cid, status;
};

static struct road road;
static volatile uint8_t *regs;
static uint8_t *memory; /* admin queues, I/O queues, then a page for each slot */
static uint64_t iova;

struct queue {
	unsigned int id;
	uint16_t tail, head, phase;
};

static volatile uint32_t *reg(unsigned int at)
{
	return (volatile uint32_t *)(regs + at);
}

static void submit(struct queue *q, struct sqe cmd)
{
	struct sqe *sq = (struct sqe *)(memory + q->id * 2 * PAGE);

	sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % ENTRIES;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*reg(0x1000 + 8 * q->id) = q->tail;
}

/* The next completion's command, which must have gone well; -1 while there is none. */
static int reap(struct queue *q)
{
	volatile struct cqe *cqe = (struct cqe *)(memory + q->id * 2 * PAGE + PAGE) + q->head;
	const uint16_t status = cqe->status;
	int cid;

	if ((status & 1) != q->phase)
		return -1;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	NEED(!(status >> 1));
	cid = cqe->cid;
	q->head = (q->head + 1) % ENTRIES;
	q->phase ^= !q->head;
	*reg(0x1000 + 8 * q->id + 4) = q->head;
	return cid;
}

static void admin(struct queue *q, struct sqe cmd)
{
	int cid = -1;

	submit(q, cmd);
	NEED(EVENTUALLY((cid = reap(q)) >= 0));
}

static void start_controller(struct queue *adm)
{
	static const struct road_match any = {.class = 0x010802, .class_mask = 0xffffff};

	road_open(&road, false, NULL, &any);
	road_enable(&road);
	regs = road_bar_map(&road, 0, 0x2000);
	memory = road_alloc(&road, (4 + SLOTS) * PAGE, &iova);
	*reg(0x14) = 0;
	NEED(EVENTUALLY(!(*reg(0x1c) & 1)));
	*reg(0x24) = (ENTRIES - 1) << 16 | (ENTRIES - 1);
	*reg(0x28) = (uint32_t)iova;
	*reg(0x2c) = (uint32_t)(iova >> 32);
	*reg(0x30) = (uint32_t)(iova + PAGE);
	*reg(0x34) = (uint32_t)((iova + PAGE) >> 32);
	*reg(0x14) = 6u << 16 | 4u << 20 | 1;
	NEED(EVENTUALLY(*reg(0x1c) & 1));
	admin(adm, (struct sqe){.opcode = 5, .prp1 = iova + 3 * PAGE, .cdw10 = (ENTRIES - 1) << 16 | 1, .cdw11 = 1});
	admin(adm, (struct sqe){
			   .opcode = 1, .prp1 = iova + 2 * PAGE, .cdw10 = (ENTRIES - 1) << 16 | 1, .cdw11 = 1 << 16 | 1});
}

static void *killer(void *arg)
{
	sleep_ms((unsigned int)(uintptr_t)arg);
	kill(getpid(), SIGKILL);
	return NULL;
}

static void fill(uint8_t *page, unsigned int chunk, uint64_t write)
{
	for (unsigned int at = 0; at < PAGE; at += 16) {
		const uint64_t block = chunk * 8 + at / BLOCK;

		memcpy(page + at, &write, 8);
		memcpy(page + at + 8, &block, 8);
	}
}

static void write_for_ever(struct journal *journal, struct queue *io)
{
	unsigned int chunk_of[SLOTS];
	bool busy[SLOTS] = {false}, under_way[CHUNKS] = {false};

	for (uint64_t write = 1;;) {
		for (unsigned int slot = 0; slot < SLOTS; slot++) {
			/* Few chunks, so that most are written again and again. */
			const unsigned int chunk = (unsigned int)random() % (write % 2 ? CHUNKS : 64);

			if (busy[slot] || under_way[chunk])
				continue;
			chunk_of[slot] = chunk;
			busy[slot] = under_way[chunk] = true;
			fill(memory + (4 + slot) * PAGE, chunk, write);
			__atomic_store_n(&journal[chunk].submitted, write++, __ATOMIC_RELEASE);
			submit(io, (struct sqe){.opcode = 1, .cid = (uint16_t)slot, .nsid = 1,
						.prp1 = iova + (4 + slot) * PAGE, .cdw10 = chunk * 8, .cdw12 = 7});
		}
		for (int slot; (slot = reap(io)) >= 0;) {
			struct journal *j = &journal[chunk_of[slot]];

			__atomic_store_n(&j->acknowledged, j->submitted, __ATOMIC_RELEASE);
			busy[slot] = under_way[chunk_of[slot]] = false;
		}
	}
}

static int check(const struct journal *journal, const char *image)
{
	unsigned int written = 0, in_flight = 0, new = 0;
	const int fd = open(image, O_RDONLY | O_CLOEXEC);
	uint8_t want[2][PAGE], got[PAGE];

	NEED(fd >= 0);
	for (unsigned int c = 0; c < CHUNKS; c++) {
		const struct journal *j = &journal[c];

		NEED(pread(fd, got, PAGE, (off_t)c * PAGE) == PAGE);
		memset(want, 0, sizeof(want));
		if (j->acknowledged)
			fill(want[0], c, j->acknowledged);
		if (j->submitted)
			fill(want[1], c, j->submitted);
		written += j->acknowledged != 0;
		in_flight += j->acknowledged != j->submitted;
		for (unsigned int at = 0; at < PAGE; at += BLOCK) {
			const bool is_old = !memcmp(got + at, want[0] + at, BLOCK);
			const bool is_new = !memcmp(got + at, want[1] + at, BLOCK);

			new += is_new && !is_old;
			if (!is_old && !is_new) {
				fprintf(stderr, "block %u: neither write %llu nor %llu\n", c * 8 + at / BLOCK,
					(unsigned long long)j->acknowledged, (unsigned long long)j->submitted);
				failures++;
			}
		}
	}
	printf("%u chunks acknowledged, %u in flight, %u blocks of those new\n", written, in_flight, new);
	CHECK(written > 64);
	return !!failures;
}

int main(int argc, char **argv)
{
	struct queue adm = {.id = 0, .phase = 1}, io = {.id = 1, .phase = 1};
	struct journal *journal;
	pthread_t thread;
	int fd;

	NEED(argc >= 3);
	fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	NEED(fd >= 0 && !ftruncate(fd, CHUNKS * sizeof(*journal)));
	journal = mmap(NULL, CHUNKS * sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(journal != MAP_FAILED);
	if (argc > 3)
		return check(journal, argv[3]);
	srandom((unsigned int)atoi(argv[2]));
	start_controller(&adm);
	NEED(!pthread_create(&thread, NULL, killer, (void *)(uintptr_t)atoi(argv[2])));
	write_for_ever(journal, &io);
}
