/* SPDX-License-Identifier: BSD-3-Clause */
#include "smmuv3_guest.h"
#include "here.h"

#include <errno.h>
#include <ioas/abi/extensions.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/bits.h"

static int on_event(struct viommu *v, uint32_t type, const void *data, size_t len)
{
	struct guest *g = v->owner;

	if (g->deaf)
		return -EOPNOTSUPP;
	memset(g->event, 0, sizeof(g->event));
	memcpy(g->event, data, min_u64(len, sizeof(g->event)));
	g->event_type = type;
	__atomic_fetch_add(&g->nr_events, 1, __ATOMIC_RELEASE);
	return 0;
}

static void *pages_alloc(struct viommu *v, size_t len)
{
	void *mem = aligned_alloc(4096, len);

	return mem ? memset(mem, 0, len) : NULL;
}

static void pages_free(struct viommu *v, void *mem, size_t len)
{
	free(mem);
}

static int region_add(struct viommu *v, struct hw_queue *owner, void *mem, size_t len,
		      uint64_t *offset)
{
	((struct guest *)v->owner)->region = mem;
	*offset = 0x1000;
	return 0;
}

static void region_remove(struct viommu *v, uint64_t offset)
{
	((struct guest *)v->owner)->region = NULL;
}

static int queue_hold(struct hw_queue *q)
{
	return 0;
}

static void queue_release(struct hw_queue *q)
{
}

static const struct viommu_up up = {
	.event = on_event,
	.pages_alloc = pages_alloc,
	.pages_free = pages_free,
	.region_add = region_add,
	.region_remove = region_remove,
	.queue_hold = queue_hold,
	.queue_release = queue_release,
};

/* What the vIOMMU copies in and out is this process's memory. */
void guest_begin(struct guest *g, const char *options)
{
	*g = (struct guest){.free = GUEST_GPA};
	bed_create(&g->bed, options, false);
	g->mem = bed_memory(GUEST_SIZE);
	/* Stays, so it is reached by plain loads and stores: the sanitizers see what is atomic. */
	assert_int_equal(memory_register(g->bed.memory, (uintptr_t)g->mem, GUEST_SIZE), 0);
	assert_int_equal(domain_alloc(g->bed.iommu, DOMAIN_NEST_PARENT, &g->parent), 0);
	bed_map(&g->bed, &g->map, g->parent, GUEST_GPA, g->mem, GUEST_SIZE, PT_READ | PT_WRITE);
	assert_int_equal(requester_create_with(
				 g->bed.iommu,
				 &(struct requester_config){.rid = 0x100, .pasid_bits = 20}, &g->r),
			 0);
	requester_begin(g->r);
}

void guest_detach(struct guest *g)
{
	assert_int_equal(requester_attach(g->r, NULL), 0);
	if (g->nested)
		domain_free(g->nested);
	g->nested = NULL;
}

void guest_drop_vdevice(struct guest *g)
{
	if (!g->vd)
		return;
	viommu_remove(g->v, g->vd);
	free(g->vd);
	g->vd = NULL;
}

static void drop_viommu(struct guest *g)
{
	if (!g->v)
		return;
	g->v->ops->fini(g->v);
	viommu_teardown(g->v);
	free(g->v);
	g->v = NULL;
}

void guest_end(struct guest *g)
{
	guest_detach(g);
	guest_drop_vdevice(g);
	drop_viommu(g);
	requester_end(g->r);
	requester_destroy(g->r);
	bed_unmap(&g->bed, &g->map);
	domain_free(g->parent);
	assert_int_equal(memory_unregister(g->bed.memory, (uintptr_t)g->mem, GUEST_SIZE), 0);
	munmap(g->mem, GUEST_SIZE);
	bed_destroy(&g->bed);
}

int guest_viommu(struct guest *g, uint32_t type, void *data, size_t len)
{
	const struct viommu_ops *ops = g->bed.iommu->make->viommu_type(g->r, type);
	struct user_data ud = {&here, NULL, type, (uintptr_t)data, len};
	int rc;

	if (!ops)
		return -EOPNOTSUPP;
	g->v = calloc(1, ops->size);
	assert_non_null(g->v);
	*g->v = (struct viommu){.ops = ops,
				.up = &up,
				.iommu = g->bed.iommu,
				.parent = g->parent,
				.owner = g,
				.type = type};
	viommu_setup(g->v);
	rc = ops->init(g->v, data ? &ud : NULL);
	if (rc) {
		viommu_teardown(g->v);
		free(g->v);
		g->v = NULL;
	}
	return rc;
}

int guest_vdevice(struct guest *g, uint64_t virt_id)
{
	size_t size = g->v->ops->vdevice_size;
	int rc;

	g->vd = calloc(1, size ? size : sizeof(*g->vd));
	assert_non_null(g->vd);
	*g->vd = (struct vdevice){.viommu = g->v, .requester = g->r, .virt_id = virt_id};
	rc = viommu_add(g->v, g->vd);
	if (rc) {
		free(g->vd);
		g->vd = NULL;
	}
	return rc;
}

int guest_domain(struct guest *g, uint64_t ste0, uint64_t ste1, struct domain **out)
{
	uint64_t ste[2] = {ste0, ste1};
	struct user_data ud = {&here, NULL, 2, (uintptr_t)ste, sizeof(ste)};

	return g->v->ops->domain_alloc(g->v, 0, &ud, out);
}

static int attach_new(struct guest *g, struct domain *d)
{
	int rc = requester_attach(g->r, d);

	if (rc) {
		domain_free(d);
		return rc;
	}
	if (g->nested)
		domain_free(g->nested);
	g->nested = d;
	return 0;
}

int guest_attach(struct guest *g, uint64_t ste0, uint64_t ste1)
{
	struct domain *d;
	int rc = guest_domain(g, ste0, ste1, &d);

	return rc ? rc : attach_new(g, d);
}

int guest_own_viommu(struct guest *g, uint64_t strtab, uint32_t cfg)
{
	struct iommu_viommu_ioas_smmuv3 data = {.strtab_base = strtab, .strtab_base_cfg = cfg};

	return guest_viommu(g, GUEST_OWN, &data, sizeof(data));
}

int guest_own_attach(struct guest *g)
{
	struct iommu_hwpt_ioas_smmuv3 data = {0};
	struct user_data ud = {&here, NULL, GUEST_OWN, (uintptr_t)&data, sizeof(data)};
	struct domain *d;
	int rc = g->v->ops->domain_alloc(g->v, 0, &ud, &d);

	return rc ? rc : attach_new(g, d);
}

uint64_t *guest_word(struct guest *g, uint64_t gpa)
{
	assert_true(gpa >= GUEST_GPA && gpa < GUEST_GPA + GUEST_SIZE);
	return (uint64_t *)(void *)(g->mem + (gpa - GUEST_GPA));
}

uint64_t guest_alloc(struct guest *g, uint64_t size)
{
	uint64_t at = align_up(g->free, size);

	assert_true(at + size <= GUEST_GPA + GUEST_SIZE);
	g->free = at + size;
	return at;
}

void guest_reset(struct guest *g)
{
	memset(g->mem, 0, g->free - GUEST_GPA);
	g->free = GUEST_GPA;
}

struct guest_table guest_table(struct guest *g, unsigned int page_lg2, unsigned int bits)
{
	return (struct guest_table){page_lg2, bits, guest_alloc(g, 1ull << page_lg2)};
}

uint64_t guest_entry(struct guest *g, const struct guest_table *t, uint64_t va, unsigned int level)
{
	const unsigned int index = t->page_lg2 - 3;
	const unsigned int levels = (t->bits - t->page_lg2 + index - 1) / index;
	uint64_t table = t->root;

	va &= MASK(t->bits);
	for (unsigned int l = levels - 1;; l--) {
		uint64_t at = table + (va >> (t->page_lg2 + l * index) & MASK(index)) * 8;

		if (l == level)
			return at;
		if (!(*guest_word(g, at) & 1))
			*guest_word(g, at) = guest_alloc(g, 1ull << t->page_lg2) | 3;
		table = *guest_word(g, at) & FIELD(47, 12) & ~MASK(t->page_lg2);
	}
}

void guest_map(struct guest *g, const struct guest_table *t, uint64_t va, uint64_t gpa,
	       uint64_t bits)
{
	__atomic_store_n(guest_word(g, guest_entry(g, t, va, 0)), gpa | bits, __ATOMIC_RELEASE);
}

/* IHI 0070, 5.4. */
void guest_cd(struct guest *g, uint64_t at, const struct guest_table *t, uint16_t asid,
	      uint64_t more)
{
	static const uint64_t tg0[] = {[12] = 0, [14] = 2, [16] = 1};
	uint64_t *cd = guest_word(g, at);

	cd[1] = t->root;
	cd[3] = 0x00ff440c0400ull; /* MAIR */
	cd[0] = (64 - t->bits) | tg0[t->page_lg2] << 6 | 1ull << 30 /* EPD1 */ | 1ull << 31 |
		5ull << 32 /* IPS 48 */ | 1ull << 41 /* AA64 */ | CD_R | CD_A | 1ull << 47 |
		(uint64_t)asid << 48 | more;
}

int64_t guest_dma(struct guest *g, uint32_t pasid, uint64_t iova, unsigned int access)
{
	struct translation t;
	int64_t at = -1;

	epoch_enter(requester_epoch(g->r));
	if (!iommu_translate_pasid(g->r, pasid, iova, 1, (enum iommu_access)access, &t) && t.ptr)
		at = (int64_t)(GUEST_GPA + (uint64_t)(t.ptr - g->mem));
	epoch_exit(requester_epoch(g->r));
	return at;
}

int guest_invalidate(struct guest *g, const uint64_t (*cmds)[2], uint32_t n, uint32_t *done)
{
	const struct user_array a = {&here, NULL, 1, (uintptr_t)cmds, 16, n};

	*done = 0;
	return g->v->ops->invalidate(g->v, &a, done);
}
