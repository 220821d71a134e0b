/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * embed: a device emulator that does its DMA through an IOAS of libioas.
 *
 * The device computes the CRC-32 of its guest's memory. It has a ring of requests in that memory
 * and a doorbell; a thread of its own works while there is something to do. Whatever the guest
 * writes into the ring, the device reaches only what is mapped for it. The guest is main(): it maps
 * memory, rings the bell, and looks at the answers.
 */
#include <ioas/ioas.h>

#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* One request; all of it little-endian, as the machines are that this runs on. */
struct request {
	uint64_t iova;
	uint32_t len;
	uint32_t crc;	 /* the answer */
	uint32_t status; /* WAITING, until DONE or FAULTED is written last */
};
enum { WAITING, DONE, FAULTED, RING = 16, REG_RING = 0x00, REG_BELL = 0x08 };

struct crc_device {
	struct ioas_port *port;
	uint64_t ring; /* REG_RING: IOVA of RING requests */
	uint64_t done; /* requests so far */
	uint64_t bell; /* REG_BELL: requests that there are in all; atomic */
	int wake;
	pthread_t thread;
};

static uint32_t crc32(uint32_t crc, const uint8_t *p, size_t len)
{
	for (crc = ~crc; len--;) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Read the guest's request once, believe nothing of it, answer. */
static void serve(struct crc_device *d, uint64_t at)
{
	struct request r;
	uint8_t buf[1024];
	uint32_t n, crc = 0;
	int rc = ioas_port_read(d->port, at, &r, sizeof(r));

	for (uint32_t off = 0; !rc && off < r.len; off += n) {
		n = r.len - off < sizeof(buf) ? r.len - off : sizeof(buf);
		rc = ioas_port_read(d->port, r.iova + off, buf, n);
		crc = rc ? 0 : crc32(crc, buf, n);
	}
	ioas_port_write(d->port, at + offsetof(struct request, crc), &crc, sizeof(crc));
	r.status = rc ? FAULTED : DONE;
	ioas_port_write(d->port, at + offsetof(struct request, status), &r.status,
			sizeof(r.status));
}

static void *device_thread(void *arg)
{
	struct crc_device *d = arg;
	uint64_t bell;

	while ((bell = __atomic_load_n(&d->bell, __ATOMIC_ACQUIRE)) != UINT64_MAX) {
		eventfd_t n;

		/* Between begin and end nobody who unmaps waits for more than one access. */
		ioas_port_begin(d->port);
		for (; d->done < bell; d->done++)
			serve(d, d->ring + d->done % RING * sizeof(struct request));
		ioas_port_end(d->port);
		eventfd_read(d->wake, &n);
	}
	return NULL;
}

/* What a VMM calls when its guest writes to the device's registers. */
static void device_write(struct crc_device *d, unsigned int reg, uint64_t value)
{
	uint64_t *to = reg == REG_RING ? &d->ring : &d->bell;

	__atomic_store_n(to, value, __ATOMIC_RELEASE);
	eventfd_write(d->wake, 1);
}

static void check(int rc, const char *what)
{
	if (rc)
		errx(1, "%s: %s", what, strerror(-rc));
}

static void on_fault(void *arg, const struct ioas_fault *f)
{
	printf("fault: device %#x cannot %s IOVA %#" PRIx64 ": %s\n", f->requester_id,
	       f->write ? "write" : "read", f->iova, f->reason);
}

int main(void)
{
	const struct ioas_host_config host = {.iommu = "vtd", .fault = on_fault};
	struct ioas_context_config cfg = {0};
	struct crc_device d = {.wake = eventfd(0, EFD_CLOEXEC)};
	const size_t len = 1 << 20;
	char *ram = aligned_alloc(4096, len);
	struct request *ring = (struct request *)ram;
	uint64_t iova = 0x40000000;
	struct ioas_context *c;
	uint32_t ioas;

	check(ioas_host_create(&host, &cfg.host, NULL, 0), "a host");
	check(ioas_memory_register(cfg.host, ram, len), "guest RAM"); /* it stays until the end */
	check(ioas_port_create(cfg.host, 0x0008, &d.port), "the device");
	check(ioas_context_open(&cfg, &c), "an iommufd");
	check(ioas_port_bind(d.port, ioas_context_file(c), NULL), "binding");
	check(ioas_create(c, &ioas), "an address space");
	check(ioas_port_attach(d.port, &(uint32_t){ioas}), "attaching");
	check(ioas_map(c, ioas, ram, len, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova), "mapping");
	check(-pthread_create(&d.thread, NULL, device_thread, &d), "a thread");

	memset(ram, 0, len);
	strcpy(ram + 4096, "123456789");
	ring[0] = (struct request){.iova = iova + 4096, .len = 9};
	ring[1] = (struct request){.iova = iova + len - 4, .len = 8}; /* beyond the end */
	device_write(&d, REG_RING, iova);
	device_write(&d, REG_BELL, 2);
	while (__atomic_load_n(&ring[1].status, __ATOMIC_ACQUIRE) == WAITING)
		sched_yield();
	if (ring[0].status != DONE || ring[0].crc != 0xcbf43926 || ring[1].status != FAULTED)
		errx(1, "CRC-32 %#x, statuses %u and %u", ring[0].crc, ring[0].status,
		     ring[1].status);
	printf("crc: %#x, and nothing beyond the map\n", ring[0].crc);

	device_write(&d, REG_BELL, UINT64_MAX);
	pthread_join(d.thread, NULL);
	ioas_port_unbind(d.port);
	ioas_context_close(c);
	ioas_host_destroy(cfg.host);
	free(ram);
	return 0;
}
