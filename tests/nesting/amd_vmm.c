/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM with an AMD IOMMU for its guest, and the guest, which lets an I/OAT engine copy memory by
 * addresses of its own tables and compares every byte.
 *
 *   ioas run --iommu amd,nesting=on --device ioat -- amd_vmm entry|guest|host [BDF]
 *   ioas run --iommu amd,nesting=on,ats=on,pri=on --device ioat,ats=on,pri=on -- amd_vmm pages
 * [BDF]
 *
 *   entry  the VMM hands over the guest's device table entry (AMD_GUEST), as the code of Linux 7.3
 *          has it, and its commands
 *   guest  the IOMMU reads the guest's device table (IOAS_AMD), which leads to guest tables by a
 *          GCR3 table; commands by ioctl
 *   host   the same with host tables, as a guest's Linux makes them by default; the IOMMU consumes
 *          the guest's command buffer
 *   pages  guest tables that have no page before the device asks; answers by either way
 *   off    without nesting=on: Linux's answers
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <ioas/abi/extensions.h>
#include <ioas/abi/vfio.h>

#include "engine.h"
#include "vfio_road.h"

#define BASE	   0x40000000ull /* of the guest's memory */
#define SIZE	   (16ull << 20)
#define VRID	   0x10ull
#define DOMAIN	   5ull
#define DEVTAB	   (BASE + 0x000000)
#define GCR3	   (BASE + 0x010000)
#define STORE	   (BASE + 0x020000)
#define BUFFER	   (BASE + 0x030000)
#define BUFFER_LEN 4096u
#define TABLES	   (BASE + 0x040000)
#define RING	   (BASE + 0x200000)
#define DONE	   (BASE + 0x201000)
#define DATA	   (BASE + 0x400000)
#define NR_DATA	   64u
#define IOVA_RING  0x7f0000000000ull
#define IOVA_DONE  0x7f0000001000ull
#define IOVA_SRC   0x7f4000000000ull
#define IOVA_DST   0x1f8000200000ull
#define ROUNDS	   200u
#define REQUESTS   16u

enum kind { ENTRY, GUEST, HOST, PAGES, OFF };

struct vmm {
	enum kind kind;
	struct road road;
	char *mem;
	uint32_t parent, viommu, vdevice, veventq, nested, queue;
	int events;
	char *page; /* registers */
	uint64_t next_table, tail, stores;
	struct engine engine;
};

static uint64_t *word(struct vmm *v, uint64_t gpa)
{
	return (uint64_t *)(void *)(v->mem + (gpa - BASE));
}

/* ---- the guest ---- */

static bool has_host_tables(const struct vmm *v)
{
	return v->kind == HOST;
}

static bool has_own_table(const struct vmm *v)
{
	return v->kind == GUEST || v->kind == HOST || v->kind == PAGES;
}

/* An entry that leads to a table of @level, which may all. */
static uint64_t table_entry(const struct vmm *v, uint64_t gpa, unsigned int level)
{
	return has_host_tables(v) ? gpa | 1 | level << 9 | 3ull << 61 : gpa | 7;
}

static uint64_t *leaf_of(struct vmm *v, uint64_t va)
{
	uint64_t table = TABLES;

	for (unsigned int level = 3; level; level--) {
		uint64_t *e = word(v, table + (va >> (12 + 9 * level) & 511) * 8);

		if (!(*e & 1)) {
			v->next_table += 4096;
			*e = table_entry(v, v->next_table, level);
		}
		table = *e & 0xffffffffff000ull;
	}
	return word(v, table + (va >> 12 & 511) * 8);
}

static void map(struct vmm *v, uint64_t va, uint64_t gpa, bool write)
{
	uint64_t e = has_host_tables(v) ? gpa | 1 | 1ull << 61 | (write ? 1ull << 62 : 0)
					: gpa | 1 | 4 | (write ? 2 : 0);

	__atomic_store_n(leaf_of(v, va), e, __ATOMIC_RELEASE);
}

static void build(struct vmm *v)
{
	uint64_t *dte = word(v, DEVTAB + VRID * 32);

	v->next_table = TABLES;
	dte[0] = 3ull << 61 | 3; /* IW, IR, TV, V */
	dte[1] = DOMAIN;
	if (has_host_tables(v)) {
		dte[0] |= TABLES | 4 << 9; /* Mode 4 */
	} else {
		*word(v, GCR3) = TABLES | 1;
		dte[0] |= 1ull << 55 | 1ull << 54 | (GCR3 >> 12 & 7) << 58; /* GV, GIoV */
		dte[1] |= (GCR3 >> 15 & 0xffff) << 16 | GCR3 >> 31 << 43;
	}
	if (v->kind == PAGES)
		dte[0] |= 1ull << 52; /* PPR */
	map(v, IOVA_RING, RING, true);
	map(v, IOVA_DONE, DONE, true);
}

static volatile uint64_t *reg(struct vmm *v, unsigned int at)
{
	return (volatile uint64_t *)(void *)(v->page + at);
}

static void put(struct vmm *v, uint64_t w0, uint64_t w1)
{
	word(v, BUFFER + v->tail)[0] = w0;
	word(v, BUFFER + v->tail)[1] = w1;
	v->tail = (v->tail + 16) % BUFFER_LEN;
}

/* By the command buffer: COMPLETION_WAIT stores when all before it is done. */
static void wait_for_commands(struct vmm *v)
{
	time_t began = time(NULL);

	put(v, 1ull << 60 | STORE | 1, ++v->stores);
	__atomic_store_n(reg(v, IOMMU_IOAS_AMD_COMMAND_TAIL), v->tail, __ATOMIC_RELEASE);
	while (__atomic_load_n(word(v, STORE), __ATOMIC_ACQUIRE) != v->stores) {
		if (!(*reg(v, IOMMU_IOAS_AMD_STATUS) & IOMMU_IOAS_AMD_STATUS_CMDBUF_RUN))
			errx(1, "the command buffer has stopped at 0x%" PRIx64,
			     *reg(v, IOMMU_IOAS_AMD_COMMAND_HEAD));
		if (time(NULL) > began + 10)
			errx(1, "no completion");
	}
}

static void hand_over(struct vmm *v, uint64_t (*commands)[2], uint32_t n);

/* What a guest's driver does after it took two pages away. */
static void invalidate(struct vmm *v, uint64_t a, uint64_t b)
{
	const uint64_t pages = 3ull << 60 | DOMAIN << 32, gn = has_host_tables(v) ? 0 : 4;
	uint64_t commands[3][2] = {{pages, a | gn}, {pages, b | gn}, {1ull << 60, 0}};

	if (!v->queue) {
		hand_over(v, commands, 3);
		return;
	}
	put(v, commands[0][0], commands[0][1]);
	put(v, commands[1][0], commands[1][1]);
	wait_for_commands(v);
}

static uint64_t data(unsigned int n)
{
	return DATA + 4096ull * n;
}

/* Each time at the same two addresses: one invalidation lost, and the engine would write where it
 * wrote. */
static void copies(struct vmm *v)
{
	unsigned char want[4096];

	for (unsigned int n = 0; n < ROUNDS; n++) {
		unsigned int from = (unsigned int)random() % NR_DATA;
		unsigned int to = (from + 1 + (unsigned int)random() % (NR_DATA - 1)) % NR_DATA;
		unsigned char *src = (unsigned char *)word(v, data(from));

		for (unsigned int k = 0; k < sizeof(want); k++)
			want[k] = src[k] = (unsigned char)random();
		map(v, IOVA_SRC, data(from), false);
		map(v, IOVA_DST, data(to), true);
		if (!engine_copy(&v->engine, IOVA_DST, IOVA_SRC, sizeof(want)))
			errx(1, "round %u: halted, CHANERR 0x%" PRIx32, n,
			     engine_error(&v->engine));
		*leaf_of(v, IOVA_SRC) = *leaf_of(v, IOVA_DST) = 0;
		invalidate(v, IOVA_SRC, IOVA_DST);
		if (memcmp(word(v, data(to)), want, sizeof(want)))
			errx(1, "round %u: page %u is not what was copied", n, to);
	}
}

/* ---- the VMM ---- */

static int alloc_hwpt(struct vmm *v, uint32_t flags, uint32_t pt_id, uint32_t type, void *from,
		      uint32_t len, uint32_t *id)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = v->road.dev_id,
				       .pt_id = pt_id,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)from};

	if (ioctl(v->road.iommu, IOMMU_HWPT_ALLOC, &cmd))
		return errno;
	*id = cmd.out_hwpt_id;
	return 0;
}

static void attach(struct vmm *v, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = pt_id};

	if (ioctl(v->road.device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd))
		err(1, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

static void destroy(struct vmm *v, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	if (id && ioctl(v->road.iommu, IOMMU_DESTROY, &cmd))
		err(1, "IOMMU_DESTROY");
}

static void make_memory(struct vmm *v)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = v->road.ioas,
				     .length = SIZE,
				     .iova = BASE};
	int rc;

	v->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->mem == MAP_FAILED)
		err(1, "the guest's memory");
	cmd.user_va = (uintptr_t)v->mem;
	if (ioctl(v->road.iommu, IOMMU_IOAS_MAP, &cmd))
		err(1, "IOMMU_IOAS_MAP");
	rc = alloc_hwpt(v, IOMMU_HWPT_ALLOC_NEST_PARENT, v->road.ioas, 0, NULL, 0, &v->parent);
	if (rc)
		errx(1, "a nest parent: %s", strerror(rc));
}

static void make_viommu(struct vmm *v)
{
	struct iommu_viommu_ioas_amd own = {.devtab_base = DEVTAB, .devtab_length = 4096};
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = IOMMU_HW_INFO_TYPE_AMD,
					 .dev_id = v->road.dev_id,
					 .hwpt_id = v->parent};
	bool is_own = has_own_table(v);

	if (is_own) {
		cmd.type = IOMMU_VIOMMU_TYPE_IOAS_AMD;
		cmd.data_len = sizeof(own);
		cmd.data_uptr = (uintptr_t)&own;
	}
	if (ioctl(v->road.iommu, IOMMU_VIOMMU_ALLOC, &cmd))
		err(1, "IOMMU_VIOMMU_ALLOC");
	v->viommu = cmd.out_viommu_id;
	if (!is_own)
		return;
	v->page = mmap(NULL, own.out_mmap_length, PROT_READ | PROT_WRITE, MAP_SHARED, v->road.iommu,
		       (off_t)own.out_mmap_offset);
	if (v->page == MAP_FAILED)
		err(1, "the vIOMMU's registers");
}

static void make_objects(struct vmm *v)
{
	struct iommu_veventq_alloc events = {.size = sizeof(events),
					     .viommu_id = v->viommu,
					     .type = IOMMU_VEVENTQ_TYPE_IOAS_AMD,
					     .veventq_depth = 64};
	struct iommu_vdevice_alloc device = {.size = sizeof(device),
					     .viommu_id = v->viommu,
					     .dev_id = v->road.dev_id,
					     .virt_id = VRID};

	if (ioctl(v->road.iommu, IOMMU_VEVENTQ_ALLOC, &events))
		err(1, "IOMMU_VEVENTQ_ALLOC");
	v->veventq = events.out_veventq_id;
	v->events = (int)events.out_veventq_fd;
	if (ioctl(v->road.iommu, IOMMU_VDEVICE_ALLOC, &device))
		err(1, "IOMMU_VDEVICE_ALLOC");
	v->vdevice = device.out_vdevice_id;
}

static int make_stream(struct vmm *v)
{
	struct iommu_hwpt_ioas_amd own = {0};
	struct iommu_hwpt_amd_guest entry;
	uint64_t *dte = word(v, DEVTAB + VRID * 32);

	if (has_own_table(v))
		return alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_IOAS_AMD, &own, sizeof(own),
				  &v->nested);
	memcpy(entry.dte, dte, sizeof(entry.dte));
	return alloc_hwpt(v, 0, v->viommu, IOMMU_HWPT_DATA_AMD_GUEST, &entry, sizeof(entry),
			  &v->nested);
}

static void make_queue(struct vmm *v)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = v->viommu,
					   .type = IOMMU_HW_QUEUE_TYPE_IOAS_AMD,
					   .nesting_parent_iova = BUFFER,
					   .length = BUFFER_LEN};

	if (ioctl(v->road.iommu, IOMMU_HW_QUEUE_ALLOC, &cmd))
		err(1, "IOMMU_HW_QUEUE_ALLOC");
	v->queue = cmd.out_hw_queue_id;
}

static void hand_over(struct vmm *v, uint64_t (*commands)[2], uint32_t n)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = v->viommu,
					    .data_uptr = (uintptr_t)commands,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_AMD,
					    .entry_len = 16,
					    .entry_num = n};

	if (ioctl(v->road.iommu, IOMMU_HWPT_INVALIDATE, &cmd) || cmd.entry_num != n)
		err(1, "IOMMU_HWPT_INVALIDATE: command %u", cmd.entry_num);
}

/* A command that is none: those before it are done, and counted. */
static void check_bad_command(struct vmm *v)
{
	uint64_t commands[2][2] = {{1ull << 60, 0}, {11ull << 60, 0}};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = v->viommu,
					    .data_uptr = (uintptr_t)commands,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_IOAS_AMD,
					    .entry_len = 16,
					    .entry_num = 2};

	if (!ioctl(v->road.iommu, IOMMU_HWPT_INVALIDATE, &cmd) || errno != EIO ||
	    cmd.entry_num != 1)
		errx(1, "a bad command: errno %d after %u", errno, cmd.entry_num);
}

/* A DMA to what the guest does not map: the channel halts, and the guest hears why. */
static void check_fault(struct vmm *v)
{
	const uint64_t bad = 0x7fc000123000;
	struct {
		struct iommufd_vevent_header head;
		struct iommu_vevent_ioas_amd event;
	} got = {{0}, {0}};

	map(v, IOVA_SRC, data(0), false);
	if (engine_copy(&v->engine, bad, IOVA_SRC, 64))
		errx(1, "a copy to nowhere went well");
	if (read(v->events, &got, sizeof(got)) != sizeof(got))
		errx(1, "no event of the fault");
	if (got.event.log != IOMMU_VEVENT_IOAS_AMD_EVENT || got.event.entry[0] >> 60 != 2 ||
	    (got.event.entry[0] & 0xffff) != VRID || got.event.entry[1] != bad)
		errx(1, "the event is 0x%" PRIx64 " 0x%" PRIx64, (uint64_t)got.event.entry[0],
		     (uint64_t)got.event.entry[1]);
	printf("fault: IO_PAGE_FAULT of device 0x%" PRIx64 " at 0x%" PRIx64 " reached the guest\n",
	       (uint64_t)got.event.entry[0] & 0xffff, (uint64_t)got.event.entry[1]);
	engine_start(&v->engine);
	if (!engine_copy(&v->engine, IOVA_DONE + 64, IOVA_SRC, 64))
		errx(1, "the channel does not go on after the fault");
}

/* ---- page requests ---- */

/* Every other page is there when it is asked for. */
static bool is_missing(uint64_t iova)
{
	return iova >> 12 & 1;
}

/* COMPLETE_PPR_REQUEST with the group's tag: half of them from the command buffer. */
static void complete(struct vmm *v, const struct iommu_vevent_ioas_amd *e)
{
	const uint64_t tag = e->entry[0] & 0x1ffull << 32, page = e->entry[1];
	uint64_t command[1][2] = {{7ull << 60 | VRID, tag | (is_missing(page) ? 1ull << 44 : 0)}};

	if (!is_missing(page))
		map(v, page, data(1), true);
	if (page >> 13 & 1) {
		put(v, command[0][0], command[0][1]);
		wait_for_commands(v);
	} else {
		hand_over(v, command, 1);
	}
}

static void *complete_all(void *arg)
{
	struct vmm *v = arg;
	struct pollfd p = {.fd = v->events, .events = POLLIN};
	struct {
		struct iommufd_vevent_header head;
		struct iommu_vevent_ioas_amd event;
	} got;

	for (unsigned int n = 0; n < REQUESTS; n++) {
		if (poll(&p, 1, 10000) != 1 || read(v->events, &got, sizeof(got)) != sizeof(got))
			errx(1, "nobody asks");
		if (got.event.log != IOMMU_VEVENT_IOAS_AMD_PPR)
			errx(1, "no page request but 0x%" PRIx64, (uint64_t)got.event.entry[0]);
		complete(v, &got.event);
	}
	return NULL;
}

static void ask(struct vmm *v)
{
	pthread_t thread;

	map(v, IOVA_SRC, data(0), false);
	if (pthread_create(&thread, NULL, complete_all, v))
		errx(1, "no thread");
	for (uint64_t n = 0; n < REQUESTS; n++) {
		const uint64_t dst = IOVA_DST + n * 4096;
		bool ok = engine_copy(&v->engine, dst, IOVA_SRC, 64);

		if (ok == is_missing(dst))
			errx(1, "the copy to page %" PRIu64 ": %d", n, ok);
		if (!ok)
			engine_start(&v->engine);
	}
	pthread_join(thread, NULL);
	printf("%u page requests, answered by either way\n", REQUESTS);
}

static void run(struct vmm *v)
{
	attach(v, v->nested);
	if (v->kind == HOST || v->kind == PAGES)
		make_queue(v);
	road_enable(&v->road);
	v->engine = (struct engine){.bar = road_bar_map(&v->road, 0, 0),
				    .ring = word(v, RING),
				    .done = word(v, DONE),
				    .iova_ring = IOVA_RING,
				    .iova_done = IOVA_DONE};
	engine_start(&v->engine);
	if (v->kind == PAGES) {
		ask(v);
		attach(v, v->road.ioas);
		return;
	}
	copies(v);
	printf("%u copies through the guest's tables, all as they should be\n", ROUNDS);
	check_bad_command(v);
	check_fault(v);
	attach(v, v->road.ioas);
}

static void finish(struct vmm *v)
{
	destroy(v, v->nested);
	destroy(v, v->queue);
	destroy(v, v->vdevice);
	close(v->events);
	destroy(v, v->veventq);
	if (v->page)
		munmap(v->page, 4096);
	destroy(v, v->viommu);
	destroy(v, v->parent);
	road_close(&v->road);
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"entry", "guest", "host", "pages", "off"};
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};
	struct vmm v = {.kind = ENTRY};
	int rc;

	while (argc > 1 && v.kind <= OFF && strcmp(argv[1], kinds[v.kind]))
		v.kind++;
	if (argc < 2 || v.kind > OFF)
		errx(2, "usage: amd_vmm entry|guest|host|pages|off [BDF]");
	road_open(&v.road, true, argc > 2 ? argv[2] : NULL, &ioat);
	make_memory(&v);
	make_viommu(&v);
	make_objects(&v);
	build(&v);
	rc = make_stream(&v);
	if (rc != (v.kind == OFF ? EOPNOTSUPP : 0))
		errx(1, "a nested HWPT: errno %d", rc);
	if (v.kind == OFF)
		printf("a nested HWPT is refused as Linux 7.3 does\n");
	else
		run(&v);
	finish(&v);
	return 0;
}
