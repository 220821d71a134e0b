/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What AMD's vIOMMUs accept and refuse (4.3, 5.1): Linux's kind, whose nested domains are device
 * table entries that the VMM hands over, and ours.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amd_guest.h"
#include "here.h"

#define AMD_GUEST 3

static int alloc_typed(struct guest *g, uint32_t type, const void *data, size_t len,
		       struct domain **out)
{
	struct user_data u = {.ops = &here, .type = type, .addr = (uintptr_t)data, .len = len};
	struct viommu *v = &g->viommu.viommu;

	return v->ops->domain_alloc(v, 0, &u, out);
}

static int alloc(struct guest *g, const uint64_t dte[4], struct domain **out)
{
	return alloc_typed(g, AMD_GUEST, dte, 32, out);
}

/* Guest tables of @space, reached by GLX. */
static void make_entry(struct guest *g, unsigned int space, unsigned int glx, bool giov,
		       uint64_t d[4])
{
	uint64_t gcr3 = g->space[space].gcr3[glx];

	d[0] = 3 | BIT(55) | (giov ? BIT(54) : 0) | (uint64_t)glx << 56 | (gcr3 >> 12 & 7) << 58;
	d[1] = (100 + space) | (gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43;
	d[2] = (uint64_t)(g->space[space].levels - 4) << 54;
	d[3] = 0;
}

static void begin(struct guest *g, const char *make)
{
	guest_create(g, make, false);
}

static void test_contents(void **state)
{
	static const struct {
		uint64_t dte[4];
		int rc;
	} rows[] = {
		{{0, 0, 0, 0}, 0},
		{{3, 0, 0, 0}, 0},
		{{1 << 9, 0, 0, 0}, -EINVAL},	      /* Mode */
		{{1 << 12, 0, 0, 0}, -EINVAL},	      /* host root */
		{{1 | 1ull << 55, 0, 0, 0}, -EINVAL}, /* no GCR3 table */
		{{1ull << 55, 0, 0, 0}, 0},	      /* not valid */
		{{1 | 1ull << 55 | 1ull << 58, 0, 0, 0}, 0},
		{{1 | 1ull << 55, 1 << 16, 0, 0}, 0},
		{{1 | 1ull << 55, 1ull << 43, 0, 0}, 0},
		{{0, 0, 2ull << 54, 0}, -EINVAL}, /* GuestPagingMode */
		{{0, 0, 3ull << 54, 0}, -EINVAL},
		{{3ull << 56, 0, 0, 0}, -EINVAL},	   /* GLX */
		{{0, 0, 1ull << 54, 0}, -EOPNOTSUPP},	   /* 5 levels, of 4 */
		{{3ull << 56, 0, 1ull << 54, 0}, -EINVAL}, /* which first */
		{{1ull << 61 | 1ull << 62 | 1ull << 52, 0xffff, 0, UINT64_MAX}, 0},
	};
	struct guest *g = calloc(1, sizeof(*g));
	struct domain *d;

	begin(g, "amd,nesting=on");
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		assert_int_equal(alloc(g, rows[n].dte, &d), rows[n].rc);
		if (!rows[n].rc)
			domain_free(d);
	}
	assert_int_equal(alloc_typed(g, IOMMU_IOAS_AMD, rows[0].dte, 32, &d), -EOPNOTSUPP);
	assert_int_equal(alloc_typed(g, AMD_GUEST, rows[0].dte, 31, &d), -EINVAL);
	assert_int_equal(alloc_typed(g, AMD_GUEST, rows[0].dte, 33, &d), -EINVAL);
	guest_destroy(g);
	free(g);
}

/* Before the width of tables is looked at, with hardware of 5 levels. */
static void test_five_levels(void **state)
{
	const uint64_t dte[4] = {0, 0, 1ull << 54};
	struct guest *g = calloc(1, sizeof(*g));
	struct domain *d;

	begin(g, "amd,nesting=on,guest-levels=5");
	assert_int_equal(alloc(g, dte, &d), 0);
	domain_free(d);
	guest_destroy(g);
	free(g);
}

static uint32_t host_id(struct domain *d)
{
	return container_of(d, struct amd_nested, domain)->mapped->host;
}

/* One ID of the host's for each of the guest's, as long as anything uses it; 65535 in all. */
static void test_domain_ids(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct domain **all = calloc(65536, sizeof(*all)), *again;
	uint64_t dte[4] = {0};
	struct amd_viommu second = {.viommu = {.iommu = NULL}};
	struct amd_guest_domain *other;
	uint32_t did;

	begin(g, "amd,nesting=on");
	for (uint32_t n = 0; n < 65535; n++) {
		dte[1] = n;
		assert_int_equal(alloc(g, dte, &all[n]), 0);
		if (n == 10) {
			assert_int_equal(alloc(g, dte, &again), 0);
			assert_int_equal(host_id(again), host_id(all[10]));
			domain_free(again);
			assert_true(amd_viommu_domain(&g->viommu, 10, &did));
			assert_int_equal(did, host_id(all[10]));
		}
		if (n > 2000) /* the rest without the domains, which are found one by one */
			break;
	}
	/* Another guest's. */
	second.viommu = (struct viommu){.iommu = g->bed.iommu, .parent = g->parent};
	pthread_mutex_init(&second.lock, NULL);
	list_init(&second.guest_domains);
	assert_int_equal(amd_guest_domain_get(&second, 10, &other), 0);
	assert_int_not_equal(other->host, host_id(all[10]));
	amd_guest_domain_put(&second, other);
	for (uint32_t n = 0; n < 65536; n++)
		if (all[n])
			domain_free(all[n]);
	assert_false(amd_viommu_domain(&g->viommu, 10, &did));
	pthread_mutex_destroy(&second.lock);

	{
		struct amd *a = g->bed.iommu->make_data;

		for (uint32_t n = 1; n <= 65535; n++) {
			assert_int_equal(amd_id_alloc(a, &did), 0);
			assert_int_equal(did, n);
		}
		dte[1] = 7;
		assert_int_equal(amd_id_alloc(a, &did), -ENOSPC);
		assert_int_equal(alloc(g, dte, &again), -ENOSPC);
		amd_id_free(a, 12345);
		assert_int_equal(alloc(g, dte, &again), 0);
		assert_int_equal(host_id(again), 12345);
		domain_free(again);
		for (uint32_t n = 1; n <= 65535; n++)
			if (n != 12345)
				amd_id_free(a, n);
	}
	free(all);
	guest_destroy(g);
	free(g);
}

/* Guest tables by what was handed over; GV whatever the guest's V and GV say. */
static void test_translation(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct domain *with, *without;
	struct requester *r;
	uint64_t dte[4], *leaf;
	struct outcome o;

	begin(g, "amd,nesting=on,guest-levels=5,pasid-bits=20");
	r = g->device[0].r;
	leaf = guest_leaf(g, g->root[1][5], 5, g->va[1]);
	*leaf = random_page(g) | 7;
	*guest_leaf(g, g->root[1][0], 5, g->va[1]) = random_page(g) | 7;
	make_entry(g, 1, 2, true, dte);
	assert_int_equal(alloc(g, dte, &with), 0);
	make_entry(g, 1, 2, false, dte);
	dte[0] &= ~(1 | BIT(55));
	assert_int_equal(alloc(g, dte, &without), 0);

	assert_int_equal(requester_attach(r, with), 0);
	requester_begin(r);
	engine_translate(g, 0, guest_pasids[5], g->va[1] + 8, IOMMU_WRITE, &o);
	assert_int_equal(o.where, (char *)word(g, (*leaf & FIELD(51, 12)) + 8) - g->memory);
	engine_translate(g, 0, 0, g->va[1], IOMMU_READ, &o);
	assert_true(o.where >= 0);
	/* No vDEVICE: events have the host's name for it. */
	engine_translate(g, 0, guest_pasids[5], 0x7000, IOMMU_READ, &o);
	assert_int_equal(o.where, -1);
	assert_int_equal(o.event[0] & 0xffff, 0x100);
	/* The GCR3 table has gone: the host's to know. */
	unmap_page(g, (uint32_t)(g->space[1].gcr3[2] >> PAGE_SHIFT));
	engine_translate(g, 0, guest_pasids[4], g->va[1], IOMMU_READ, &o);
	assert_int_equal(o.where, -1);
	assert_int_equal(o.event[0], 0);
	map_page(g, (uint32_t)(g->space[1].gcr3[2] >> PAGE_SHIFT), PAGES - 1);
	requester_end(r);

	assert_int_equal(requester_attach(r, without), 0);
	requester_begin(r);
	engine_translate(g, 0, 0, FIRST_DATA << PAGE_SHIFT, IOMMU_WRITE, &o);
	assert_int_equal(o.where, (char *)word(g, FIRST_DATA << PAGE_SHIFT) - g->memory);
	requester_end(r);
	assert_int_equal(requester_attach(r, NULL), 0);
	domain_free(with);
	domain_free(without);
	guest_destroy(g);
	free(g);
}

/* Commands reach Linux's kind too: its own API has none. */
static void test_invalidation(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	uint64_t dte[4], *leaf;
	struct domain *d;
	struct outcome o, was;

	begin(g, "amd,nesting=on,guest-levels=5,pasid-bits=20");
	leaf = guest_leaf(g, g->root[0][2], 4, g->va[1]);
	*leaf = random_page(g) | 7;
	make_entry(g, 0, 0, true, dte);
	assert_int_equal(alloc(g, dte, &d), 0);
	assert_int_equal(requester_attach(g->device[0].r, d), 0);
	requester_begin(g->device[0].r);
	engine_translate(g, 0, 5, g->va[1], IOMMU_READ, &was);
	assert_true(was.where >= 0);
	*leaf = 0;
	/* Of a domain ID that means nothing, and of another PASID. */
	command(g, 3ull << 60 | 99ull << 32 | 5, 0x7ffffffffffff000ull | 7);
	command(g, 3ull << 60 | 100ull << 32 | 6, 0x7ffffffffffff000ull | 7);
	engine_translate(g, 0, 5, g->va[1], IOMMU_READ, &o);
	assert_int_equal(o.where, was.where);
	command(g, 3ull << 60 | 100ull << 32 | 5, g->va[1] | 4);
	engine_translate(g, 0, 5, g->va[1], IOMMU_READ, &o);
	assert_int_equal(o.where, -1);
	requester_end(g->device[0].r);
	assert_int_equal(requester_attach(g->device[0].r, NULL), 0);
	domain_free(d);
	guest_destroy(g);
	free(g);
}

/* As Linux 7.3: any type of vIOMMU, on which nothing nests. */
static void test_default(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	const struct viommu_ops *ops;

	begin(g, "amd");
	ops = g->bed.iommu->make->viommu_type(g->device[0].r, IOMMU_IOAS_AMD);
	assert_ptr_equal(ops, g->viommu.viommu.ops);
	assert_null(ops->domain_alloc);
	assert_null(ops->invalidate);
	assert_null(ops->hw_queue_size);
	guest_destroy(g);
	free(g);
}

/* Ours: what the base register of a device table cannot be. */
static void test_own_data(void **state)
{
	static const struct {
		struct iommu_viommu_ioas_amd wish;
		int rc;
	} rows[] = {
		{{.devtab_base = 0x1000, .devtab_length = 4096, .flags = 1}, -EOPNOTSUPP},
		{{.devtab_base = 0x1800, .devtab_length = 4096}, -EINVAL},
		{{.devtab_base = 1ull << 52, .devtab_length = 4096}, -EINVAL},
		{{.devtab_base = 0x1000, .devtab_length = 0}, -EINVAL},
		{{.devtab_base = 0x1000, .devtab_length = 4095}, -EINVAL},
		{{.devtab_base = 0x1000, .devtab_length = (2 << 20) + 4096}, -EINVAL},
	};
	struct guest *g = calloc(1, sizeof(*g));
	struct iommu_viommu_ioas_amd wish = {.devtab_length = 2 << 20};
	struct user_data u = {.ops = &here, .type = IOMMU_IOAS_AMD, .len = sizeof(wish)};
	struct iommu_hwpt_ioas_amd hwpt = {.flags = 1};
	struct amd_viommu v = {0};
	struct vdevice vd = {.viommu = &v.viommu, .virt_id = 65536};
	struct domain *d;

	guest_create(g, "amd,nesting=on", true);
	v.viommu = (struct viommu){.ops = g->viommu.viommu.ops,
				   .up = g->viommu.viommu.up,
				   .owner = g,
				   .iommu = g->bed.iommu,
				   .parent = g->parent};
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		u.addr = (uintptr_t)&rows[n].wish;
		assert_int_equal(v.viommu.ops->init(&v.viommu, &u), rows[n].rc);
	}
	assert_int_equal(v.viommu.ops->init(&v.viommu, NULL), -EINVAL);
	u.addr = (uintptr_t)&wish;
	u.len = sizeof(wish) - 1;
	assert_int_equal(v.viommu.ops->init(&v.viommu, &u), -EINVAL);
	u.len = sizeof(wish);
	{
		void *registers = g->registers;

		assert_int_equal(v.viommu.ops->init(&v.viommu, &u), 0);
		assert_int_not_equal(v.window, g->viommu.window);
		assert_int_equal(v.viommu.ops->vdevice_init(&vd), -EINVAL);
		v.viommu.ops->fini(&v.viommu);
		g->registers = registers;
	}
	assert_int_equal(alloc_typed(g, IOMMU_IOAS_AMD, &hwpt, sizeof(hwpt), &d), -EOPNOTSUPP);
	assert_int_equal(alloc_typed(g, AMD_GUEST, &hwpt, sizeof(hwpt), &d), -EOPNOTSUPP);
	assert_int_equal(alloc_typed(g, IOMMU_IOAS_AMD, &hwpt, 4, &d), -EINVAL);
	guest_destroy(g);
	free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),     cmocka_unit_test(test_five_levels),
		cmocka_unit_test(test_domain_ids),   cmocka_unit_test(test_translation),
		cmocka_unit_test(test_invalidation), cmocka_unit_test(test_default),
		cmocka_unit_test(test_own_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
