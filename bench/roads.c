/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one guest's map or unmap of a page costs the engine by the roads that a VMM has:
 *
 *   shadowing, a call for each    the VMM catches what the guest does, and maps and unmaps
 *   shadowing, arrays             the same, 64 in one call
 *   requests in a ring            virtio-iommu's MAP and UNMAP. No make of the engine serves them:
 *                                 what is here takes them from a ring in shared memory, judges
 * them, and calls what IOMMU_IOAS_MAP and UNMAP call nested                        the guest maps
 * in its own tables, which costs nobody anything, and invalidates when it unmaps: by a call for
 * each, by calls of 256, or through a queue of its own that the engine consumes
 *
 * What brings the guest's doing to the VMM comes on top of all but the last, and of the ring's
 * doorbell: a fault and a signal stand for it, and an empty ioctl for an exit to the kernel.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>

#include "bench.h"
#include "guest.h"
#include "library/private.h"
#include "object/iommufd.h"

#define PAGES	  512u
#define ARRAY	  64u
#define IOVA	  (4ull << 30)
#define DMA_IOVA  (16ull << 30)
#define DMA_PAGES 64u
#define QUEUE_LG2 15

/* VIRTIO 1.2, 5.13.6. */
enum { REQUEST_MAP = 3, REQUEST_UNMAP = 4 };
enum { STATUS_OK = 0, STATUS_INVAL = 4, STATUS_RANGE = 5 };
enum { MAP_READ = 1, MAP_WRITE = 2 };
struct request {
	uint8_t type, reserved[3];
	uint32_t domain;
	uint64_t virt_start, virt_end;
	uint64_t phys_start;
	uint32_t flags;
	uint8_t status, reserved2[3];
};

struct ring {
	struct request slots[PAGES];
	uint32_t avail, used; /* atomic */
};

struct roads {
	struct guest g;
	const struct bench *b;
	/* The device behind the shadow, and what serves requests there. */
	struct ioas_port *port;
	uint32_t shadow;
	struct space *space;
	struct ring maps, unmaps;
	struct guest_command commands[GUEST_BATCH];
	uint32_t batch;
	/* A device that reads all the time. */
	struct ioas_port *busy;
	uint64_t busy_at;
	pthread_t thread;
	bool running, stop;
};

static uint64_t iova_of(uint64_t page)
{
	return IOVA + 2 * page * GUEST_PAGE;
}

static uint64_t gpa_of(uint64_t page)
{
	return GUEST_GPA + 2 * page * GUEST_PAGE;
}

/* ---- shadowing ---- */

static void map_each(void *arg, uint64_t n)
{
	struct roads *t = arg;

	for (uint64_t page = 0; page < n; page++) {
		uint64_t iova = iova_of(page);

		guest_check(ioas_map(t->g.ctx, t->shadow, guest_ptr(&t->g, gpa_of(page)),
				     GUEST_PAGE, IOAS_MAP_FIXED | IOAS_MAP_RW, &iova),
			    "ioas_map");
	}
}

static void unmap_each(void *arg, uint64_t n)
{
	struct roads *t = arg;

	for (uint64_t page = 0; page < n; page++)
		guest_check(ioas_unmap(t->g.ctx, t->shadow, iova_of(page), GUEST_PAGE, NULL),
			    "ioas_unmap");
}

static void fill_array(const struct roads *t, struct ioas_map_range *r, uint64_t from)
{
	for (uint64_t k = 0; k < ARRAY; k++)
		r[k] = (struct ioas_map_range){guest_ptr(&t->g, gpa_of(from + k)), GUEST_PAGE,
					       iova_of(from + k)};
}

static void map_arrays(void *arg, uint64_t n)
{
	struct roads *t = arg;
	struct ioas_map_range r[ARRAY];

	for (uint64_t page = 0; page < n; page += ARRAY) {
		fill_array(t, r, page);
		guest_check(ioas_map_ranges(t->g.ctx, t->shadow, IOAS_MAP_FIXED | IOAS_MAP_RW, r,
					    ARRAY, NULL),
			    "ioas_map_ranges");
	}
}

static void unmap_arrays(void *arg, uint64_t n)
{
	struct roads *t = arg;
	struct ioas_map_range r[ARRAY];

	for (uint64_t page = 0; page < n; page += ARRAY) {
		fill_array(t, r, page);
		guest_check(ioas_unmap_ranges(t->g.ctx, t->shadow, r, ARRAY, NULL),
			    "ioas_unmap_ranges");
	}
}

/* ---- requests ---- */

static uint8_t serve_map(struct roads *t, const struct request *q, uint64_t len)
{
	struct space_map map = {.length = len,
				.iova = q->virt_start,
				.prot = (q->flags & MAP_READ ? SPACE_READ : 0) |
					(q->flags & MAP_WRITE ? SPACE_WRITE : 0),
				.fixed = true,
				.give = true};
	uint64_t off = q->phys_start - GUEST_GPA;

	if (q->flags & ~(uint32_t)(MAP_READ | MAP_WRITE) || off > GUEST_DATA - len)
		return STATUS_INVAL;
	if (pages_from_va(t->g.host->host->memory, &(struct memory_payer){0},
			  (uintptr_t)t->g.mem + off, len, true, false, &map.pages))
		return STATUS_INVAL;
	if (!space_map(t->space, &map))
		return STATUS_OK;
	pages_put(map.pages);
	return STATUS_INVAL;
}

static uint8_t serve_one(struct roads *t, const struct request *q)
{
	uint64_t len = q->virt_end - q->virt_start + 1, unmapped;
	int rc;

	if (q->domain != t->shadow || q->virt_end < q->virt_start || len > GUEST_DATA ||
	    (q->virt_start | len) % GUEST_PAGE)
		return STATUS_RANGE;
	switch (q->type) {
	case REQUEST_MAP:
		return q->phys_start % GUEST_PAGE ? STATUS_RANGE : serve_map(t, q, len);
	case REQUEST_UNMAP:
		rc = space_unmap(t->space, q->virt_start, len, &unmapped);
		return rc && rc != -ENOENT ? STATUS_RANGE : STATUS_OK;
	default:
		return STATUS_INVAL;
	}
}

/* What waits; each is copied once, since the guest may change it meanwhile. */
static void serve(struct roads *t, struct ring *ring)
{
	while (ring->used != __atomic_load_n(&ring->avail, __ATOMIC_ACQUIRE)) {
		struct request *slot = &ring->slots[ring->used % PAGES], q = *slot;

		slot->status = serve_one(t, &q);
		guest_check(slot->status == STATUS_OK ? 0 : -EIO, "a request");
		__atomic_store_n(&ring->used, ring->used + 1, __ATOMIC_RELEASE);
	}
}

static void by_requests(struct roads *t, struct ring *ring, uint64_t n)
{
	for (uint64_t k = 0; k < n; k += ARRAY) {
		__atomic_store_n(&ring->avail, ring->avail + ARRAY, __ATOMIC_RELEASE);
		serve(t, ring);
	}
}

static void map_requests(void *arg, uint64_t n)
{
	struct roads *t = arg;

	by_requests(t, &t->maps, n);
}

static void unmap_requests(void *arg, uint64_t n)
{
	struct roads *t = arg;

	by_requests(t, &t->unmaps, n);
}

static void fill_rings(struct roads *t)
{
	for (uint32_t k = 0; k < PAGES; k++) {
		const struct request q = {.type = REQUEST_MAP,
					  .domain = t->shadow,
					  .virt_start = iova_of(k),
					  .virt_end = iova_of(k) + GUEST_PAGE - 1,
					  .phys_start = gpa_of(k),
					  .flags = MAP_READ | MAP_WRITE};

		t->maps.slots[k] = t->unmaps.slots[k] = q;
		t->unmaps.slots[k].type = REQUEST_UNMAP;
	}
}

/* ---- nested ---- */

static void invalidate(void *arg, uint64_t n)
{
	struct roads *t = arg;

	for (uint64_t done = 0; done < n; done += t->batch)
		guest_invalidate(&t->g, t->commands, t->batch);
}

static void produce(void *arg, uint64_t n)
{
	struct roads *t = arg;

	guest_produce(&t->g, n);
}

/* Each when the one before is done. */
static void produce_singly(void *arg, uint64_t n)
{
	struct roads *t = arg;

	while (n--)
		guest_produce(&t->g, 1);
}

/* ---- the device ---- */

static void *keep_reading(void *arg)
{
	struct roads *t = arg;
	uint64_t word;

	bench_pin(t->b, 1);
	ioas_port_begin(t->busy);
	__atomic_store_n(&t->running, true, __ATOMIC_RELEASE);
	for (uint64_t page = 0; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED);
	     page = (page + 37) % DMA_PAGES)
		guest_check(ioas_port_read(t->busy, t->busy_at + page * GUEST_PAGE, &word,
					   sizeof(word)),
			    "ioas_port_read");
	ioas_port_end(t->busy);
	return NULL;
}

static void start_reading(struct roads *t, struct ioas_port *port, uint64_t at)
{
	t->running = t->stop = false;
	t->busy = port;
	t->busy_at = at;
	bench_pin(t->b, 0);
	guest_check(-pthread_create(&t->thread, NULL, keep_reading, t), "pthread_create");
	while (!__atomic_load_n(&t->running, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void stop_reading(struct roads *t)
{
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	pthread_join(t->thread, NULL);
	bench_pin(t->b, -1);
}

/* ---- the table ---- */

static struct bench_cost empty_ioctl;

static void row(struct bench *b, const char *what, const char *device, struct bench_cost cost)
{
	char name[80];

	snprintf(name, sizeof(name), "%s, device %s", what, device);
	bench_row(b, name, (struct bench_cost){cost.best, cost.best, 0}, "an empty ioctl",
		  (struct bench_cost){empty_ioctl.best, empty_ioctl.best, 0});
}

static void row_pair(struct bench *b, struct roads *t, const char *how, const char *device,
		     void (*map)(void *arg, uint64_t n), void (*unmap)(void *arg, uint64_t n))
{
	const struct bench_step steps[] = {{map, t}, {unmap, t}};
	struct bench_cost cost[2];
	char what[64];

	bench_steps(b, steps, 2, PAGES, cost);
	snprintf(what, sizeof(what), "a map, %s", how);
	row(b, what, device, cost[0]);
	snprintf(what, sizeof(what), "an unmap, %s", how);
	row(b, what, device, cost[1]);
}

static void shadow_rows(struct bench *b, struct roads *t, const char *device)
{
	row_pair(b, t, "shadowed, a call for each", device, map_each, unmap_each);
	row_pair(b, t, "shadowed, arrays of 64", device, map_arrays, unmap_arrays);
	row_pair(b, t, "requests in a ring", device, map_requests, unmap_requests);
}

static void call_rows(struct bench *b, struct roads *t, const char *device)
{
	const struct bench_step step = {invalidate, t};
	struct bench_cost cost;

	t->batch = 1;
	bench_steps(b, &step, 1, PAGES, &cost);
	row(b, "an unmap, nested, a call for each", device, cost);
	t->batch = GUEST_BATCH;
	bench_steps(b, &step, 1, GUEST_BATCH * 32, &cost);
	row(b, "an unmap, nested, calls of 256", device, cost);
}

static void queue_row(struct bench *b, struct roads *t, const char *device)
{
	const struct bench_step step = {produce, t};
	const struct bench_step single = {produce_singly, t};
	struct bench_cost cost;

	bench_steps(b, &step, 1, 1 << QUEUE_LG2, &cost);
	row(b, "an unmap, nested, the guest's own queue", device, cost);
	bench_steps(b, &single, 1, 100, &cost);
	row(b, "  the same, waiting for each", device, cost);
}

static struct space *find_space(struct roads *t)
{
	struct iommufd *ctx;
	struct abi_file *file;
	struct object *obj;
	struct space *s;

	guest_check(library_iommufd_get(t->g.host, ioas_context_file(t->g.ctx), &file, &ctx),
		    "the context");
	obj = object_get(ctx, t->shadow, OBJECT_IOAS);
	guest_check(obj ? 0 : -ENOENT, "the shadow");
	s = container_of(obj, struct ioas, obj)->space;
	object_put(ctx, obj);
	abi_file_put(file);
	return s;
}

static void begin(struct roads *t, const struct bench *b, unsigned int queue_lg2)
{
	uint64_t iova = DMA_IOVA;
	uint32_t pt;

	t->b = b;
	guest_create(&t->g, queue_lg2);
	for (uint32_t k = 0; k < GUEST_BATCH; k++)
		t->commands[k] = guest_tlbi(2 * k);
	guest_check(ioas_port_create(t->g.host, GUEST_RID + 1, &t->port), "ioas_port_create");
	guest_check(ioas_create(t->g.ctx, &t->shadow), "ioas_create");
	guest_check(ioas_map(t->g.ctx, t->shadow, t->g.mem, DMA_PAGES * GUEST_PAGE,
			     IOAS_MAP_FIXED | IOAS_MAP_RW, &iova),
		    "ioas_map");
	guest_check(ioas_port_bind(t->port, ioas_context_file(t->g.ctx), NULL), "ioas_port_bind");
	pt = t->shadow;
	guest_check(ioas_port_attach(t->port, &pt), "ioas_port_attach");
	t->space = find_space(t);
	fill_rings(t);
}

static void end(struct roads *t)
{
	ioas_port_unbind(t->port);
	guest_destroy(&t->g);
}

static void bench_calls(struct bench *b)
{
	static struct roads t;

	begin(&t, b, 0);
	shadow_rows(b, &t, "idle");
	call_rows(b, &t, "idle");
	start_reading(&t, t.port, DMA_IOVA);
	shadow_rows(b, &t, "busy");
	stop_reading(&t);
	start_reading(&t, t.g.port, GUEST_VA);
	call_rows(b, &t, "busy");
	stop_reading(&t);
	end(&t);
}

static void bench_queue(struct bench *b)
{
	static struct roads t;

	begin(&t, b, QUEUE_LG2);
	guest_fill_queue(&t.g, t.commands, GUEST_BATCH);
	queue_row(b, &t, "idle");
	start_reading(&t, t.g.port, GUEST_VA);
	queue_row(b, &t, "busy");
	stop_reading(&t);
	end(&t);
}

int main(int argc, char **argv)
{
	struct bench b;

	bench_begin(&b, argc, argv);
	empty_ioctl = bench_ioctl(&b);
	bench_row(&b, "a trap: fault, empty handler, return", bench_signal(&b), "an empty ioctl",
		  empty_ioctl);
	bench_calls(&b);
	bench_queue(&b);
	return bench_end(&b);
}
