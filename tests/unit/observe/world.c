/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include "base/observe.h"

#include <sys/mman.h>

static void on_report(void *arg, const struct finding *f)
{
	struct world *w = arg;
	struct told *t;

	pthread_mutex_lock(&w->lock);
	if (w->n < ARRAY_SIZE(w->told)) {
		t = &w->told[w->n];
		t->f = *f;
		snprintf(t->text, sizeof(t->text), "%s", f->text);
		snprintf(t->iommu, sizeof(t->iommu), "%s", f->iommu ? f->iommu : "");
		snprintf(t->device, sizeof(t->device), "%s", f->device ? f->device : "");
	}
	w->n++;
	pthread_mutex_unlock(&w->lock);
}

static stack_id on_stack(void *arg)
{
	struct world *w = arg;

	return __atomic_add_fetch(&w->stack, 1, __ATOMIC_RELAXED);
}

static stack_id on_device_stack(void *arg, const struct requester *r)
{
	return 1000 + requester_rid(r);
}

static void on_note(void *arg, const char *text)
{
	struct world *w = arg;

	__atomic_fetch_add(&w->notes, 1, __ATOMIC_RELAXED);
}

/* Devices may write the same bytes at once: that is no race of the engine's. */
static void __attribute__((no_sanitize("thread")))
move(volatile char *dst, const volatile char *src, size_t len)
{
	for (size_t n = 0; n < len; n++)
		dst[n] = src[n];
}

static int on_copy(void *arg, void *dst, const void *src, size_t len)
{
	struct world *w = arg;

	if (w->copying && len > sizeof(uint64_t))
		w->copying(w, w->copying_arg);
	if (!w->copy_rc)
		move(dst, src, len);
	return w->copy_rc;
}

static void add_device(struct world *w, unsigned int n)
{
	char name[16];

	snprintf(name, sizeof(name), "0000:0%u:00.0", n + 1);
	assert_int_equal(host_add_device(w->host, name, (n + 1) << 8, -1, &w->slot[n]), 0);
	assert_int_equal(idevice_bind(w->ctx, w->slot[n], &w->idev[n]), 0);
	assert_int_equal(idevice_attach(w->idev[n], &(uint32_t){w->ioas->obj.id}), 0);
	dma_port_init(&w->port[n], w->slot[n]->requester, w->host->memory);
	dma_set_bus_master(&w->port[n], true);
	dma_begin(&w->port[n]);
}

static const struct memory_ops memory = {.copy = on_copy};

struct world *world_create(const struct sanitizer_config *cfg, const char *make)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sanitizer_config c = *cfg;
	const struct host_config host = {.iommu = make, .memory_ops = &memory, .memory_arg = w};
	char why[256] = "";

	pthread_mutex_init(&w->lock, NULL);
	c.sink = (struct finding_sink){on_report, on_stack, on_device_stack, w};
	c.note = on_note;
	if (host_create(&host, &w->host, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(sanitizer_create(w->host, &c, &w->s), 0);
	assert_int_equal(iommufd_create(w->host, false, &w->ctx), 0);
	assert_int_equal(ioas_alloc(w->ctx, &w->ioas), 0);
	object_publish(w->ctx, &w->ioas->obj);
	for (unsigned int n = 0; n < DEVICES; n++)
		add_device(w, n);
	w->mem = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	assert_ptr_not_equal(w->mem, MAP_FAILED);
	memset(w->mem, 1, PAGES * PAGE_SIZE);
	return w;
}

void world_unbind(struct world *w)
{
	for (unsigned int n = 0; n < DEVICES; n++) {
		if (!w->idev[n])
			continue;
		dma_end(&w->port[n]);
		idevice_unbind(w->idev[n]);
		w->idev[n] = NULL;
	}
}

void world_destroy(struct world *w)
{
	world_unbind(w);
	for (unsigned int n = 0; n < DEVICES; n++)
		host_remove_device(w->slot[n]);
	if (w->ctx)
		iommufd_put(w->ctx);
	host_put(w->host);
	assert_false(observed());
	sanitizer_destroy(w->s);
	pthread_mutex_destroy(&w->lock);
	munmap(w->mem, PAGES * PAGE_SIZE);
	free(w);
}

int world_map_at(struct world *w, struct ioas *ioas, uint64_t iova, const void *va, uint64_t len,
		 int prot)
{
	struct space_map map = {.length = len, .iova = iova, .prot = prot, .fixed = true};
	int rc = pages_from_va(w->host->memory, NULL, (uintptr_t)va, len, prot & SPACE_WRITE, false,
			       &map.pages);

	if (rc)
		return rc;
	rc = space_map(ioas->space, &map);
	pages_put(map.pages);
	return rc;
}

void world_map(struct world *w, uint64_t iova, uint64_t page, uint64_t n, int prot)
{
	assert_int_equal(
		world_map_at(w, w->ioas, iova, w->mem + page * PAGE_SIZE, n * PAGE_SIZE, prot), 0);
}

void world_unmap(struct world *w, uint64_t iova, uint64_t len)
{
	uint64_t unmapped;

	assert_int_equal(space_unmap(w->ioas->space, iova, len, &unmapped), 0);
	assert_int_equal(unmapped, len);
}

static char buffer[1 << 20];

int world_write(struct world *w, uint64_t iova, size_t len)
{
	return dma_write(&w->port[0], iova, buffer, len);
}

int world_read(struct world *w, uint64_t iova, size_t len)
{
	static __thread char into[1 << 20];

	return dma_read(&w->port[0], iova, into, len);
}

const struct told *found_at(struct world *w, enum finding_kind kind, const char *file, int line)
{
	if (w->n != 1 || w->told[0].f.kind != kind) {
		print_error("wanted one %s, got %u:\n", finding_kind_name(kind), w->n);
		for (unsigned int i = 0; i < w->n && i < ARRAY_SIZE(w->told); i++)
			print_error("  %s: %s\n", finding_kind_name(w->told[i].f.kind),
				    w->told[i].text);
		_fail(file, line);
	}
	if (getenv("WORLD_VERBOSE"))
		print_message("  %s: %s [%s] -> %s\n", finding_kind_name(kind), w->told[0].text,
			      w->told[0].iommu, w->told[0].f.advice ? w->told[0].f.advice : "");
	w->n = 0;
	return &w->told[0];
}

void silent_at(struct world *w, const char *file, int line)
{
	if (!w->n)
		return;
	print_error("wanted silence, got %s: %s\n", finding_kind_name(w->told[0].f.kind),
		    w->told[0].text);
	_fail(file, line);
}
