/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"
#include "base/alloc.h"

#include <linux/pci_regs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Several devices may fault at once. */
static void on_fault(void *arg, struct requester *req, const struct iommu_fault *f)
{
	__atomic_fetch_add(&((struct rig *)arg)->faults, 1, __ATOMIC_RELAXED);
}

static int vma_of(void *arg, uint64_t va, struct memory_vma *out)
{
	struct rig *r = arg;

	for (unsigned int i = 0; i < r->nr_bar_maps; i++) {
		const struct bar_map *b = &r->bar_maps[i];

		if (va < b->va || va >= b->va + b->len)
			continue;
		*out = (struct memory_vma){
			.start = b->va,
			.last = b->va + b->len - 1,
			.kind = VMA_BAR,
			.read = true,
			.write = true,
			.bar = {.device = &b->f->pci->peer, .region = b->bar},
		};
		return 0;
	}
	return memory_default_ops.vma(NULL, va, out);
}

/*
 * Guest memory that is not registered is raced for on purpose, which ThreadSanitizer must not see
 * from either side.
 */
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1
#endif
#endif
#ifdef THREAD_SANITIZED
__attribute__((no_sanitize("thread"))) static int unseen_copy(void *arg, void *dst, const void *src,
							      size_t len)
{
	const volatile char *from = src;
	volatile char *to = dst;

	for (size_t i = 0; i < len; i++)
		to[i] = from[i];
	return 0;
}
#else
#define unseen_copy NULL
#endif

static const struct memory_ops memory_ops = {.vma = vma_of, .copy = unseen_copy};

void rig_map_bar(struct rig *r, struct func *f, unsigned int bar, uint64_t iova)
{
	struct bar_map *b = &r->bar_maps[r->nr_bar_maps++];
	uint64_t len = align_up(f->pci->bars[bar].size, PAGE_SIZE);
	void *p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(r->nr_bar_maps <= MAX_BAR_MAPS);
	assert_ptr_not_equal(p, MAP_FAILED);
	b->va = (uintptr_t)p;
	b->len = len;
	b->f = f;
	b->bar = bar;
	bed_map(&r->bed, &b->map, r->domain, iova, p, len, PT_READ | PT_WRITE);
}

void rig_create(struct rig *r, bool registered)
{
	*r = (struct rig){.registered = registered};
	bed_create_over(&r->bed, "vtd", &memory_ops, r);
	r->bed.iommu->fault = on_fault;
	r->bed.iommu->fault_arg = r;
	assert_int_equal(domain_alloc(r->bed.iommu, 0, &r->domain), 0);
	assert_int_equal(net_hubs_create(&r->hubs), 0);
	r->arena = bed_memory(ARENA_LEN);
	if (registered)
		assert_int_equal(memory_register(r->bed.memory, (uintptr_t)r->arena, ARENA_LEN), 0);
	rig_map_arena(r);
}

void rig_map_arena(struct rig *r)
{
	bed_map(&r->bed, &r->map, r->domain, ARENA_IOVA, r->arena, ARENA_LEN, PT_READ | PT_WRITE);
}

void rig_unmap_arena(struct rig *r)
{
	bed_unmap(&r->bed, &r->map);
}

void rig_destroy(struct rig *r)
{
	while (r->funcs)
		func_remove(r->funcs);
	for (unsigned int i = 0; i < r->nr_bar_maps; i++) {
		bed_unmap(&r->bed, &r->bar_maps[i].map);
		munmap((void *)(uintptr_t)r->bar_maps[i].va, r->bar_maps[i].len);
	}
	rig_unmap_arena(r);
	if (r->registered)
		assert_int_equal(memory_unregister(r->bed.memory, (uintptr_t)r->arena, ARENA_LEN),
				 0);
	domain_free(r->domain);
	net_hubs_destroy(r->hubs);
	bed_destroy(&r->bed);
	munmap(r->arena, ARENA_LEN);
}

static void on_raise(void *arg, enum pci_irq kind, unsigned int vector)
{
	struct func *f = arg;

	if (kind == PCI_INTX)
		__atomic_fetch_add(&f->intx_raised, 1, __ATOMIC_ACQ_REL);
	else if (vector < FUNC_IRQS)
		__atomic_fetch_add(&f->irqs[vector], 1, __ATOMIC_ACQ_REL);
}

static void on_lower(void *arg)
{
	struct func *f = arg;

	__atomic_fetch_add(&f->intx_lowered, 1, __ATOMIC_ACQ_REL);
}

static const struct pci_irq_ops irq_ops = {.raise = on_raise, .lower = on_lower};

static uint16_t free_rid(const struct rig *r)
{
	uint16_t rid = 0x100;

	for (const struct func *f = r->funcs; f; f = f->next)
		if (f->pci->cfg.rid >= rid)
			rid = f->pci->cfg.rid + 8;
	return rid;
}

/* A function of @text, or of @pf, when that is not NULL, number @index. */
struct wanted {
	const struct pci_model *model;
	const char *text;
	struct func *pf;
	unsigned int index;
};

static int make(struct rig *r, const struct wanted *w, struct func *f, char *why, size_t why_len)
{
	struct pci_config cfg = {
		.rid = w->pf ? pci_vf_rid(w->pf->pci->cfg.rid, w->index) : free_rid(r),
		.memory = r->bed.memory,
		.hubs = r->hubs,
		.ops = r->ops,
	};
	int rc;

	f->rig = r;
	assert_int_equal(requester_create(r->bed.iommu, cfg.rid, &f->requester), 0);
	assert_int_equal(requester_attach(f->requester, r->domain), 0);
	cfg.requester = f->requester;
	rc = w->pf ? pci_create_vf(w->pf->pci, w->index, &cfg, &f->pci, why, why_len)
		   : pci_create(w->model, w->text, &cfg, &f->pci, why, why_len);
	if (rc) {
		assert_int_equal(requester_attach(f->requester, NULL), 0);
		requester_destroy(f->requester);
	}
	return rc;
}

static struct func *add(struct rig *r, const struct wanted *w)
{
	struct func *f = calloc(1, sizeof(*f));
	char why[256] = "";

	assert_non_null(f);
	if (make(r, w, f, why, sizeof(why)))
		fail_msg("%s: %s", w->text ? w->text : "virtual function", why);
	f->next = r->funcs;
	r->funcs = f;
	pci_set_irq_ops(f->pci, &irq_ops, f);
	cfg_write(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	return f;
}

struct func *func_add_model(struct rig *r, const struct pci_model *model, const char *text)
{
	return add(r, &(struct wanted){.model = model, .text = text});
}

struct func *func_add_vf(struct func *pf, unsigned int index)
{
	return add(pf->rig, &(struct wanted){.pf = pf, .index = index});
}

static const struct pci_model *model_of(const char *text)
{
	char *name = options_name(text);
	const struct pci_model *model = pci_model_find(name);

	assert_non_null(model);
	ioas_free(name);
	return model;
}

struct func *func_add(struct rig *r, const char *text)
{
	return func_add_model(r, model_of(text), text);
}

static void unmake(struct func *f)
{
	pci_set_irq_ops(f->pci, NULL, NULL);
	pci_destroy(f->pci);
	assert_int_equal(requester_attach(f->requester, NULL), 0);
	requester_destroy(f->requester);
}

int func_try(struct rig *r, const char *text, char *why, size_t why_len)
{
	const struct wanted w = {.model = model_of(text), .text = text};
	struct func f = {0};
	char unwanted[256];
	int rc = make(r, &w, &f, why ? why : unwanted, why ? why_len : sizeof(unwanted));

	if (!rc)
		unmake(&f);
	return rc;
}

void func_remove(struct func *f)
{
	struct func **at = &f->rig->funcs;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	unmake(f);
	free(f);
}

void *arena_alloc(struct rig *r, size_t len, size_t align)
{
	size_t at = align_up(r->used, align);

	if (at + len > ARENA_LEN)
		fail_msg("the arena is too small");
	r->used = at + len;
	memset(r->arena + at, 0, len);
	return r->arena + at;
}

uint64_t iova_of(const struct rig *r, const void *p)
{
	return ARENA_IOVA + (uint64_t)((const char *)p - r->arena);
}

unsigned int rig_faults(struct rig *r)
{
	return __atomic_load_n(&r->faults, __ATOMIC_RELAXED);
}

uint64_t reg_read(struct func *f, unsigned int bar, uint64_t off, unsigned int size)
{
	uint64_t val = 0;

	pci_bar_read(f->pci, bar, off, size, &val);
	return val;
}

void reg_write(struct func *f, unsigned int bar, uint64_t off, unsigned int size, uint64_t val)
{
	pci_bar_write(f->pci, bar, off, size, &val);
}

uint32_t cfg_read(struct func *f, unsigned int off, unsigned int size)
{
	uint32_t val = 0;

	pci_config_read(f->pci, off, size, &val);
	return val;
}

void cfg_write(struct func *f, unsigned int off, unsigned int size, uint32_t val)
{
	pci_config_write(f->pci, off, size, &val);
}

void set_bus_master(struct func *f, bool on)
{
	uint32_t command = cfg_read(f, PCI_COMMAND, 2);

	cfg_write(f, PCI_COMMAND, 2,
		  on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER);
}

unsigned int irqs_of(const struct func *f, unsigned int vector)
{
	return __atomic_load_n(&f->irqs[vector], __ATOMIC_ACQUIRE);
}

void assert_all(const void *p, uint8_t value, size_t len)
{
	const uint8_t *at = p;

	if (len && (at[0] != value || memcmp(at, at + 1, len - 1)))
		fail_msg("not every byte is %#x", value);
}

double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void relax(void)
{
	sched_yield();
}

uint64_t prng_next(struct prng *p)
{
	uint64_t x = p->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void fill_random(struct prng *p, void *buf, size_t len)
{
	uint8_t *at = buf;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)prng_next(p);
}
