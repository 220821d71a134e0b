/* SPDX-License-Identifier: BSD-3-Clause */
#include "amd_guest.h"
#include "here.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH ((uint64_t)PAGES << PAGE_SHIFT)

/* One for each reach of a GCR3 table, and one beyond that of two levels. */
const uint32_t guest_pasids[NR_PASIDS] = {0, 1, 5, 600, 1025, 0x5abcd};
static const uint32_t device_ids[NR_DEVICES] = {8, 16, 200}; /* the last is beyond the table */

unsigned int pick(struct guest *g, unsigned int n)
{
	g->seed = g->seed * 1103515245u + 12345u;
	return (g->seed >> 8) % n;
}

uint64_t *word(struct guest *g, uint64_t gpa)
{
	uint32_t page = g->host_page[gpa >> PAGE_SHIFT];

	assert_int_not_equal(page, NO_PAGE);
	return (uint64_t *)(void *)(g->memory + ((uint64_t)page << PAGE_SHIFT) +
				    (gpa & MASK(PAGE_SHIFT)));
}

uint64_t *entry_of(struct guest *g, unsigned int device)
{
	return word(g, g->viommu.table + device_ids[device] * 32);
}

uint64_t new_table(struct guest *g)
{
	assert_true(g->nr_tables + 1 < FIRST_DATA);
	return (uint64_t)++g->nr_tables << PAGE_SHIFT;
}

void map_page(struct guest *g, uint32_t page, uint32_t host_page)
{
	uint64_t run, pa = pages_pa(g->pages, (uint64_t)host_page << PAGE_SHIFT, &run);

	assert_int_equal(pt_map(domain_pt(g->parent), (uint64_t)page << PAGE_SHIFT, pa, PAGE_SIZE,
				PT_READ | PT_WRITE),
			 0);
	g->host_page[page] = host_page;
}

void unmap_page(struct guest *g, uint32_t page)
{
	struct pt_gather gather = {0};
	uint64_t gpa = (uint64_t)page << PAGE_SHIFT;

	assert_int_equal(pt_unmap(domain_pt(g->parent), gpa, PAGE_SIZE, &gather, NULL), 0);
	domain_invalidate(g->parent, gpa, gpa + MASK(PAGE_SHIFT), &gather);
	g->host_page[page] = NO_PAGE;
}

uint64_t random_page(struct guest *g)
{
	return (uint64_t)(FIRST_DATA + pick(g, PAGES - FIRST_DATA)) << PAGE_SHIFT;
}

static uint64_t index_of(uint64_t va, unsigned int level)
{
	return (va >> (12 + 9 * level) & 511) * 8;
}

/* From Mode 4 down; the tables of higher Modes begin with the lower's. */
uint64_t *host_leaf(struct guest *g, struct space *s, uint64_t va)
{
	uint64_t table = s->host[4];

	for (unsigned int level = 3; level; level--) {
		uint64_t *e = word(g, table + index_of(va, level));

		if (!(*e & 1))
			*e = new_table(g) | 1 | (uint64_t)level << 9 | BIT(61) | BIT(62);
		table = *e & FIELD(51, 12);
		if (!(*e >> 9 & 7) || (*e >> 9 & 7) > level)
			return e; /* a leaf, or what goes up */
		level = (unsigned int)(*e >> 9 & 7);
	}
	return word(g, table + index_of(va, 0));
}

uint64_t *guest_leaf(struct guest *g, uint64_t root, unsigned int levels, uint64_t va)
{
	uint64_t table = root;

	for (unsigned int level = levels - 1; level; level--) {
		uint64_t *e = word(g, table + index_of(va, level));

		if (!(*e & 1))
			*e = new_table(g) | 7;
		table = *e & FIELD(51, 12);
	}
	return word(g, table + index_of(va, 0));
}

/* ---- making ---- */

static int on_event(struct viommu *v, uint32_t type, const void *data, size_t len)
{
	struct guest *g = v->owner;

	assert_int_equal(type, IOMMU_IOAS_AMD);
	assert_int_equal(len, sizeof(g->event));
	if (g->deaf)
		return -EOPNOTSUPP;
	memcpy(&g->event, data, len);
	__atomic_fetch_add(&g->nr_events, 1, __ATOMIC_RELEASE);
	return 0;
}

static void *on_pages_alloc(struct viommu *v, size_t len)
{
	struct guest *g = v->owner;

	return g->registers = calloc(1, len);
}

static void on_pages_free(struct viommu *v, void *mem, size_t len)
{
	free(mem);
}

static int on_region_add(struct viommu *v, struct hw_queue *q, void *mem, size_t len,
			 uint64_t *offset)
{
	*offset = 0x1000;
	return 0;
}

static void on_region_remove(struct viommu *v, uint64_t offset)
{
}

static const struct viommu_up up = {
	.event = on_event,
	.pages_alloc = on_pages_alloc,
	.pages_free = on_pages_free,
	.region_add = on_region_add,
	.region_remove = on_region_remove,
};

static void create_memory(struct guest *g)
{
	g->memory = bed_memory(LENGTH);
	memset(g->memory, 0, LENGTH);
	assert_int_equal(memory_register(g->bed.memory, (uintptr_t)g->memory, LENGTH), 0);
	assert_int_equal(pages_from_va(g->bed.memory, &(struct memory_payer){0},
				       (uintptr_t)g->memory, LENGTH, true, false, &g->pages),
			 0);
	assert_int_equal(pages_pin(g->pages, 0, LENGTH), 0);
	assert_int_equal(domain_alloc(g->bed.iommu, DOMAIN_NEST_PARENT, &g->parent), 0);
	for (uint32_t page = 0; page < PAGES; page++)
		map_page(g, page, (page * 389u + 17u) % PAGES);
}

static void create_viommu(struct guest *g, bool own)
{
	struct iommu_viommu_ioas_amd wish = {.devtab_base = new_table(g),
					     .devtab_length = TABLE_LENGTH};
	struct user_data data = {.ops = &here,
				 .type = own ? IOMMU_IOAS_AMD : 4,
				 .addr = (uintptr_t)&wish,
				 .len = sizeof(wish)};
	struct viommu *v = &g->viommu.viommu;

	assert_int_equal(requester_create(g->bed.iommu, 0x100, &g->device[0].r), 0);
	v->ops = g->bed.iommu->make->viommu_type(g->device[0].r, data.type);
	assert_int_equal(v->ops->size, sizeof(g->viommu));
	v->up = &up;
	v->iommu = g->bed.iommu;
	v->parent = g->parent;
	v->owner = g;
	v->type = data.type;
	viommu_setup(v);
	assert_int_equal(v->ops->init(v, own ? &data : NULL), 0);
	assert_int_equal(wish.out_mmap_length, own ? PAGE_SIZE : 0);
}

static void create_device(struct guest *g, unsigned int n)
{
	struct iommu_hwpt_ioas_amd wish = {0};
	struct user_data data = {.ops = &here,
				 .type = IOMMU_IOAS_AMD,
				 .addr = (uintptr_t)&wish,
				 .len = sizeof(wish)};
	struct device *d = &g->device[n];

	if (n)
		assert_int_equal(requester_create(g->bed.iommu, 0x100 + n, &d->r), 0);
	d->vdevice.vdevice = (struct vdevice){
		.viommu = &g->viommu.viommu, .requester = d->r, .virt_id = device_ids[n]};
	if (!g->viommu.reads_table)
		return;
	assert_int_equal(
		g->viommu.viommu.ops->domain_alloc(&g->viommu.viommu, 0, &data, &d->domain), 0);
	assert_int_equal(requester_attach(d->r, d->domain), -ENOENT);
	assert_int_equal(viommu_add(&g->viommu.viommu, &d->vdevice.vdevice), 0);
	assert_int_equal(requester_attach(d->r, d->domain), 0);
	requester_begin(d->r);
}

/* Guest tables by PASID, one GCR3 table of each length, one host table of each Mode. */
static void create_space(struct guest *g, unsigned int n)
{
	struct space *s = &g->space[n];

	s->levels = 4 + n % 2;
	for (unsigned int glx = 0; glx < 3; glx++) {
		s->gcr3[glx] = new_table(g);
		if (glx)
			*word(g, s->gcr3[glx]) = s->gcr3[glx - 1] | 1;
	}
	for (unsigned int mode = 1; mode <= 6; mode++) {
		s->host[mode] = new_table(g);
		if (mode > 1)
			*word(g, s->host[mode]) =
				s->host[mode - 1] | 1 | (mode - 1) << 9 | BIT(61) | BIT(62);
	}
	for (unsigned int p = 0; p < NR_PASIDS; p++) {
		uint64_t table = s->gcr3[2], *e = NULL;

		g->root[n][p] = new_table(g);
		for (unsigned int level = 3; level-- > 0;) {
			e = word(g, table + (guest_pasids[p] >> (9 * level) & 511) * 8);
			if (!(*e & 1))
				*e = (level ? new_table(g) : g->root[n][p]) | 1;
			table = *e & FIELD(51, 12);
		}
	}
}

static void choose_addresses(struct guest *g)
{
	for (unsigned int k = 0; k < NR_VAS; k++) {
		g->va[k] = (uint64_t)(k / 4 % 2) << 21 | (uint64_t)(k / 8) << 12;
		switch (k % 4) {
		case 1:
			g->va[k] |= 1ull << 39;
			break;
		case 2:
			g->va[k] |= 0xffff800000000000ull;
			break;
		case 3:
			g->va[k] |= k % 8 == 3 ? 1ull << 47 : 1ull << 30;
			break;
		}
	}
}

void guest_create(struct guest *g, const char *make, bool own)
{
	*g = (struct guest){.seed = 7};
	bed_create(&g->bed, make, false);
	create_memory(g);
	create_viommu(g, own);
	for (unsigned int n = 0; n < NR_DEVICES; n++)
		create_device(g, n);
	for (unsigned int n = 0; n < NR_SPACES; n++)
		create_space(g, n);
	choose_addresses(g);
}

void guest_destroy(struct guest *g)
{
	for (unsigned int n = 0; n < NR_DEVICES; n++) {
		struct device *d = &g->device[n];

		if (d->domain) {
			requester_end(d->r);
			assert_int_equal(requester_attach(d->r, NULL), 0);
			domain_free(d->domain);
			viommu_remove(&g->viommu.viommu, &d->vdevice.vdevice);
		}
		requester_destroy(d->r);
	}
	g->viommu.viommu.ops->fini(&g->viommu.viommu);
	viommu_teardown(&g->viommu.viommu);
	domain_free(g->parent);
	pages_unpin(g->pages, 0, LENGTH);
	pages_put(g->pages);
	assert_int_equal(memory_unregister(g->bed.memory, (uintptr_t)g->memory, LENGTH), 0);
	bed_destroy(&g->bed);
}

int commands(struct guest *g, const uint64_t (*c)[2], uint32_t n, uint32_t *done)
{
	const struct user_array a = {.ops = &here,
				     .type = IOMMU_IOAS_AMD,
				     .addr = (uintptr_t)c,
				     .entry_len = 16,
				     .entry_num = n};

	*done = 0;
	return g->viommu.viommu.ops->invalidate(&g->viommu.viommu, &a, done);
}

void command(struct guest *g, uint64_t w0, uint64_t w1)
{
	const uint64_t c[1][2] = {{w0, w1}};
	uint32_t done;

	assert_int_equal(commands(g, c, 1, &done), 0);
	assert_int_equal(done, 1);
}

/* ---- the naive model ---- */

struct naive {
	struct guest *g;
	unsigned int device;
	uint32_t pasid;
	uint64_t va;
	unsigned int access;
	bool gn;
	uint16_t domain;
	bool se, sa;
	struct outcome *out;
};

enum { NX = 1 << 1, US = 1 << 2, PR = 1 << 4, RW = 1 << 5, PE = 1 << 6, RZ = 1 << 7 };
enum { MASTER_ABORT = 1 << 9 };

static void event(struct naive *n, unsigned int code, unsigned int flags, uint64_t address)
{
	uint32_t id = n->gn ? n->pasid : n->domain;

	if (code == 2) {
		struct device *d = &n->g->device[n->device];

		n->out->silent = n->sa || (n->se && d->told);
		d->told |= n->se && !n->sa;
		if (n->gn && n->access & IOMMU_EXEC)
			flags |= NX;
		if (n->gn && !(n->access & IOMMU_PRIV))
			flags |= US;
	}
	if ((code != 2 || flags & PR) && n->access & IOMMU_WRITE)
		flags |= RW;
	n->out->where = -1;
	n->out->event[0] = (uint64_t)code << 60 | (uint64_t)(flags | n->gn) << 48 |
			   (uint64_t)(id & 0xffff) << 32 | (id & 0xf0000) | device_ids[n->device];
	n->out->event[1] = address;
}

static bool look(struct naive *n, uint64_t gpa, uint64_t *value, unsigned int code)
{
	if (gpa >> PAGE_SHIFT >= PAGES || n->g->host_page[gpa >> PAGE_SHIFT] == NO_PAGE) {
		event(n, code, MASTER_ABORT, gpa);
		return false;
	}
	*value = *word(n->g, gpa);
	return true;
}

static void finish(struct naive *n, uint64_t gpa)
{
	n->out->where = -1;
	if (gpa >> PAGE_SHIFT < PAGES && n->g->host_page[gpa >> PAGE_SHIFT] != NO_PAGE)
		n->out->where =
			(int64_t)((uint64_t)n->g->host_page[gpa >> PAGE_SHIFT] << PAGE_SHIFT |
				  (gpa & MASK(PAGE_SHIFT)));
}

static void naive_guest(struct naive *n, uint64_t root, unsigned int levels, bool ir, bool iw)
{
	bool user = !(n->access & IOMMU_PRIV), write = true, us = true, exec = true;
	uint64_t table = root, e, size;
	unsigned int width = 12 + 9 * levels;

	if (n->pasid ? (uint64_t)((int64_t)(n->va << (64 - width)) >> (64 - width)) != n->va
		     : n->va >> width) {
		event(n, 2, 0, n->va);
		return;
	}
	for (unsigned int level = levels - 1;; level--) {
		if (!look(n, table + index_of(n->va, level), &e, 4))
			return;
		if (!(e & 1)) {
			event(n, 2, 0, n->va);
			return;
		}
		write &= e >> 1 & 1;
		us &= e >> 2 & 1;
		exec &= !(e >> 63);
		size = BIT(12 + 9 * level);
		if (!level || e & BIT(7))
			break;
		table = e & FIELD(51, 12);
	}
	if (size > BIT(30) || (size > BIT(12) && e & (size - 1) & FIELD(51, 13))) {
		event(n, 2, PR | RZ, n->va);
		return;
	}
	if ((user && !us) || (n->access & IOMMU_READ && !ir) ||
	    (n->access & IOMMU_WRITE && !(iw && write)) ||
	    (n->access & IOMMU_EXEC && !(exec && ir)))
		event(n, 2, PR | PE, n->va);
	else
		finish(n, (e & FIELD(51, 12) & ~(size - 1)) | (n->va & (size - 1)));
}

static void naive_host(struct naive *n, uint64_t root, unsigned int mode, bool ir, bool iw)
{
	uint64_t table = root, e, size = 0;
	unsigned int level = mode, nl;

	if (mode < 6 && n->va >> (12 + 9 * mode)) {
		event(n, 2, 0, n->va);
		return;
	}
	for (;; level = nl) {
		if (!look(n, table + index_of(n->va, level - 1), &e, 4))
			return;
		nl = (unsigned int)(e >> 9 & 7);
		if (!(e & 1)) {
			event(n, 2, 0, n->va);
			return;
		}
		if (nl == 0 || nl == 7)
			break;
		if (nl >= level || e & FIELD(60, 52)) {
			event(n, 2, PR | RZ, n->va);
			return;
		}
		if (n->va & MASK(12 + 9 * (level - 1)) & ~MASK(12 + 9 * nl)) {
			event(n, 2, 0, n->va);
			return;
		}
		ir &= e >> 61 & 1;
		iw &= e >> 62 & 1;
		table = e & FIELD(51, 12);
	}
	size = 12 + 9 * (level - 1);
	if (nl == 7) {
		for (size = 12; e >> size & 1; size++)
			;
		size++;
	}
	if (e & FIELD(58, 52) || (size - 12) / 9 + 1 != level || size > 52) {
		event(n, 2, PR | RZ, n->va);
		return;
	}
	ir &= e >> 61 & 1;
	iw &= e >> 62 & 1;
	if ((n->access & IOMMU_READ && !ir) || (n->access & IOMMU_WRITE && !iw))
		event(n, 2, PR | PE, n->va);
	else
		finish(n, (e & FIELD(51, 12) & ~MASK(size)) | (n->va & MASK(size)));
}

/* The entry is one that is taken as it is (V, TV, nothing reserved); of Linux's kind or ours. */
static void naive_entry(struct naive *n, const uint64_t *d)
{
	unsigned int mode = (unsigned int)(d[0] >> 9 & 7), glx = (unsigned int)(d[0] >> 56 & 3);
	bool gv = d[0] >> 55 & 1, giov = d[0] >> 54 & 1, ir = d[0] >> 61 & 1, iw = d[0] >> 62 & 1;
	uint64_t table = (d[0] >> 58 & 7) << 12 | (d[1] >> 16 & 0xffff) << 15 | d[1] >> 43 << 31, e;

	if (!gv || (!n->pasid && !giov)) {
		n->gn = n->pasid;
		if (n->pasid)
			event(n, 2, 0, n->va);
		else if (mode)
			naive_host(n, d[0] & FIELD(51, 12), mode, ir, iw);
		else if ((n->access & IOMMU_READ && !ir) || (n->access & IOMMU_WRITE && !iw))
			event(n, 2, PR | PE, n->va);
		else
			finish(n, n->va);
		return;
	}
	n->gn = true;
	if (n->pasid >> (9 * (glx + 1))) {
		event(n, 2, 0, n->va);
		return;
	}
	for (unsigned int level = glx + 1; level-- > 0; table = e & FIELD(51, 12)) {
		if (!look(n, table + (n->pasid >> (9 * level) & 511) * 8, &e, 4))
			return;
		if (!(e & 1)) {
			event(n, 2, 0, n->va);
			return;
		}
		if (e & (FIELD(11, 1) | FIELD(63, 52))) {
			event(n, 2, PR | RZ, n->va);
			return;
		}
	}
	naive_guest(n, table, 4 + (unsigned int)(d[2] >> 54 & 3), ir, iw);
}

void naive_translate(struct guest *g, unsigned int device, uint32_t pasid, uint64_t va,
		     unsigned int access, struct outcome *out)
{
	struct naive n = {.g = g,
			  .device = device,
			  .pasid = pasid,
			  .va = va,
			  .access = access,
			  .gn = pasid,
			  .out = out};
	uint64_t at = g->viommu.table + device_ids[device] * 32, d[4];

	*out = (struct outcome){0};
	if (device_ids[device] * 32 >= TABLE_LENGTH) {
		event(&n, 1, 0, va);
		return;
	}
	n.gn = false;
	for (unsigned int k = 0; k < 4; k++)
		if (!look(&n, at + k * 8, &d[k], 3))
			return;
	if (!(d[0] & 1)) {
		finish(&n, va);
		return;
	}
	if (d[0] & 2) {
		unsigned int mode = (unsigned int)(d[0] >> 9 & 7);
		bool gv = d[0] >> 55 & 1;

		n.gn = pasid;
		if (d[0] & (FIELD(6, 2) | BIT(63)) || d[2] & FIELD(53, 52)) {
			event(&n, 1, RZ, va);
			return;
		}
		if (mode == 7 || (d[0] >> 7 & 3) == 2 ||
		    (gv && (mode || (d[0] >> 56 & 3) == 3 || d[2] >> 55 & 1))) {
			event(&n, 1, 0, va);
			return;
		}
		n.gn = false;
	}
	if (!(d[0] & 2)) {
		event(&n, 2, PR | PE, va);
		return;
	}
	n.domain = (uint16_t)d[1];
	n.se = d[1] >> 33 & 1;
	n.sa = d[1] >> 34 & 1;
	naive_entry(&n, d);
}

/* Host faults are told to the host alone; what is told to the guest is an event. */
void engine_translate(struct guest *g, unsigned int device, uint32_t pasid, uint64_t va,
		      unsigned int access, struct outcome *out)
{
	struct requester *r = g->device[device].r;
	unsigned int events = g->nr_events;
	struct translation t;
	int rc;

	*out = (struct outcome){0};
	epoch_enter(requester_epoch(r));
	rc = iommu_translate_pasid(r, pasid, va, 8, (enum iommu_access)access, &t);
	epoch_exit(requester_epoch(r));
	if (!rc) {
		assert_non_null(t.ptr);
		out->where = t.ptr - g->memory;
		return;
	}
	out->where = -1;
	if (g->nr_events == events)
		return;
	assert_int_equal(g->nr_events, events + 1);
	assert_int_equal(g->event.log, IOMMU_VEVENT_IOAS_AMD_EVENT);
	out->event[0] = g->event.entry[0];
	out->event[1] = g->event.entry[1];
}
