/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * make-recording FILE N: a recording of about N events, always the same, of a program that two
 * devices serve: a ring that stays mapped, buffers that come and go, calls that fail, faults, and a
 * finding of the sanitizer for some of them. What tests know of it is in report.mjs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/abi/iommufd.h>

#include "abi/file.h"
#include "base/observe.h"
#include "iommu/iommu.h"
#include "observe/log.h"

#define PID   4711u
#define RING  0x10000u
#define HEAP  0x100000000u
#define SLOT  0x10000u
#define SLOTS 32u

static struct log_writer *writer;
static uint8_t chunk[LOG_CHUNK_MAX];
static size_t used;
static uint64_t now; /* ns */

static void flush(void)
{
	if (used && log_write(writer, PID, chunk, used))
		abort();
	used = 0;
}

static void put(enum log_type type, unsigned int thread, uint64_t time, struct log_event e)
{
	e.type = type;
	e.pid = PID;
	e.thread = thread;
	e.time = time;
	for (int tries = 0; tries < 2; tries++) {
		const size_t n = log_encode(chunk + used, sizeof(chunk) - used, &e);

		used += n;
		if (n)
			return;
		flush();
	}
	abort();
}
#define PUT(type, thread, time, ...)                                                               \
	put(LOG_##type, thread, time, (struct log_event){.type = {__VA_ARGS__}})

static struct log_bytes text(const char *t)
{
	return (struct log_bytes){(const uint8_t *)t, strlen(t)};
}

/* The same numbers everywhere. */
static uint32_t any(uint32_t below)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 11) % below);
}

static void call(unsigned int cmd, uint64_t took, int rc)
{
	PUT(call, 1, now, OP_IOCTL, 1, cmd);
	now += took;
	PUT(answer, 1, now, OP_IOCTL, 1, cmd, 0, rc);
}

static void map(uint64_t iova, uint64_t len, unsigned int prot)
{
	PUT(map, 1, now + 500, 1, iova, iova + len - 1, 0x7f0000000000 + iova, prot, 0, 0);
	call(IOMMU_IOAS_MAP, 2000 + any(3000) + (any(200) ? 0 : 90000), 0);
}

static void unmap(uint64_t iova, uint64_t len)
{
	PUT(unmap, 1, now + 300, 1, iova, iova + len - 1);
	PUT(invalidate, 1, now + 600, 1, iova, iova + len - 1);
	PUT(unmapped, 1, now + 900, 1, iova, iova + len - 1);
	call(IOMMU_IOAS_UNMAP, 1500 + any(2500), 0);
}

static void dma(unsigned int device, uint64_t iova, uint64_t len, unsigned int access, bool ok)
{
	const unsigned int thread = 2 + device;

	PUT(dma_begin, thread, now, device, 0, iova, len, access);
	if (!ok)
		PUT(fault, thread, now + 200, device, 0x100 * (device + 1), 0, iova, len, access,
		    access == IOMMU_WRITE ? FAULT_WRITE : FAULT_NOT_PRESENT, 5);
	now += 300 + len / 8 + any(400);
	PUT(dma_end, thread, now, device, 0, iova, len, access, ok ? len : 0, ok ? 0 : -14);
}

#define FRAME(function, file, line)                                                                \
	"{\"module\":\"/usr/bin/driver\",\"offset\":\"0x1234\",\"function\":\"" function           \
	"\",\"file\":\"" file "\",\"line\":" #line "}"
#define DEVICE_STACK                                                                               \
	FRAME("ring_doorbell", "queue.c", 88)                                                      \
	"," FRAME("submit", "queue.c", 141) "," FRAME("main", "main.c", 57)
#define MAPPED_STACK   FRAME("buffer_map", "buffer.c", 31) "," FRAME("main", "main.c", 49)
#define UNMAPPED_STACK FRAME("buffer_unmap", "buffer.c", 52) "," FRAME("main", "main.c", 60)

/* As --report writes one. */
static void finding(const char *kind, unsigned int device, uint64_t iova, const char *access,
		    const char *what, const char *advice)
{
	static const char format[] =
		"{\"kind\":\"%s\",\"pid\":%u,\"device\":\"0000:%02x:00.0\",\"rid\":\"0x%x\",\"pasid\":0,"
		"\"iova\":\"0x%" PRIx64 "\",\"length\":4096,\"access\":\"%s\",\"va\":\"0x0\","
		"\"iommu\":\"blocked it: not mapped\",\"text\":\"%s\",\"advice\":\"%s\","
		"\"nearest\":{\"iova\":\"0x%" PRIx64 "\",\"last\":\"0x%" PRIx64
		"\",\"permissions\":\"%c\",\"va\":\"0x7f0100000000\",\"source\":\"anonymous\","
		"\"ioas\":2,\"age_ns\":14000,\"uses\":6},\"count\":2,\"stacks\":{\"device\":[" DEVICE_STACK
		"],\"mapped\":[" MAPPED_STACK "],\"unmapped\":[" UNMAPPED_STACK "]}}";
	char line[2048];
	const uint64_t first = iova & ~(uint64_t)(SLOT - 1);

	snprintf(line, sizeof(line), format, kind, PID, device + 1, 0x100 * (device + 1), iova,
		 access, what, advice, first, first + 0x3fff, *access);
	PUT(finding, 0, now, text(line));
}

/* A buffer's life: mapped, used, unmapped; now and then something is wrong. */
static void buffer(unsigned int number)
{
	const unsigned int device = any(2), prot = 1 + any(3);
	const uint64_t iova = HEAP + (uint64_t)(number % SLOTS) * SLOT, len = 4096u << any(3);

	map(iova, len, prot);
	for (unsigned int i = any(6) + 1; i; i--) {
		const unsigned int access = prot == 3 ? 1 + any(2) : prot;

		dma(device, iova + 512 * any(4), 512u << any(4), access, true);
		dma(device, RING + 64 * any(64), 64, 1 + any(2), true);
		if (!any(3))
			PUT(interrupt, 2 + device, now, device, 2, 0);
	}
	if (number % 100 == 40)
		call(IOMMU_IOAS_MAP, 800, -22);
	if (number == 60) {
		dma(0, iova + SLOT / 2, 4096, IOMMU_READ, false);
		finding("dma-out-of-bounds", 0, iova + SLOT / 2, "read",
			"a device read behind a mapping",
			"<b>map</b> more & \\\"ask\\\" less </script>");
	}
	unmap(iova, len);
	if (number == 90) {
		dma(1, iova, 4096, IOMMU_WRITE, false);
		finding("dma-after-unmap", 1, iova, "write",
			"a device wrote to a mapping that was removed 3.2 us before",
			"wait until the device is done with the memory before it is unmapped");
	}
	now += any(30000);
}

static void begin(const char *path)
{
	static const char machine[] =
		"iommu vtd,aw=48\nsanitize 3\nshared 0\ndevice 0000:01:00.0 -1 ioat\n"
		"device 0000:02:00.0 -1 nvme,size=64M\n";
	struct log_event e = {.type = LOG_machine,
			      .machine = {.version = LOG_VERSION,
					  .realtime = 1795269600000000000,
					  .text = text(machine)}};
	uint8_t first[1024];
	const size_t n = log_encode(first, sizeof(first), &e);
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);

	if (fd < 0 || log_writer_create(fd, 0, first, n, &writer))
		abort();
	PUT(process, 0, 0, 1, text("driver"));
	PUT(device, 0, 0, 0, 0x100, text("0000:01:00.0"));
	PUT(device, 0, 0, 1, 0x200, text("0000:02:00.0"));
	now = 50000;
	PUT(call, 1, now, OP_OPEN, 0, ABI_IOMMUFD);
	PUT(answer, 1, now + 4000, OP_OPEN, 1, ABI_IOMMUFD);
	PUT(space_new, 1, now + 5000, 1, 1, 2);
	call(IOMMU_IOAS_ALLOC, 7000, 0);
	PUT(attach, 1, now, 0, 0, 1);
	PUT(attach, 1, now, 1, 0, 1);
	map(RING, 0x4000, 3);
	map(0x80000, 0x200000, 3);
}

int main(int argc, char **argv)
{
	const unsigned long events = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (!events)
		return 2;
	begin(argv[1]);
	/* A buffer is some 24 events. */
	for (unsigned int i = 0; i < events / 24; i++)
		buffer(i);
	PUT(end, 0, now, 0);
	flush();
	return log_writer_close(writer) ? 1 : 0;
}
