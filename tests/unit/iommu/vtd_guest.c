/* SPDX-License-Identifier: BSD-3-Clause */
#include "vtd_guest.h"
#include "here.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "iommu/domain.h"

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

int vtd_s1(struct guest *g, uint32_t hwpt_flags, uint64_t flags, uint64_t root, uint32_t width,
	   struct domain **out)
{
	struct {
		uint64_t flags, root;
		uint32_t width, reserved;
	} wish = {flags, root, width, 0};
	struct user_data ud = {&here, NULL, 1, (uintptr_t)&wish, sizeof(wish)};

	return g->bed.iommu->make->domain_alloc_nested(g->r, g->parent, hwpt_flags, &ud, out);
}

int vtd_attach_s1(struct guest *g, uint64_t flags, uint64_t root, uint32_t width)
{
	struct domain *d;

	assert_int_equal(vtd_s1(g, 0, flags, root, width, &d), 0);
	return attach_new(g, d);
}

int vtd_s1_invalidate(struct guest *g, uint64_t addr, uint64_t npages, uint32_t flags)
{
	struct {
		uint64_t addr, npages;
		uint32_t flags, reserved;
	} e = {addr, npages, flags, 0};
	const struct user_array a = {&here, NULL, 0, (uintptr_t)&e, sizeof(e), 1};
	uint32_t done = 0;
	int rc = g->nested->nested->invalidate(g->nested, &a, &done);

	assert_int_equal(done, !rc);
	return rc;
}

uint64_t vtd_entry(struct guest *g, uint64_t root, unsigned int levels, uint64_t va,
		   unsigned int level)
{
	uint64_t table = root;

	for (unsigned int l = levels - 1;; l--) {
		uint64_t at = table + (va >> (12 + 9 * l) & 0x1ff) * 8;

		if (l == level)
			return at;
		if (!(*guest_word(g, at) & 1))
			*guest_word(g, at) = guest_alloc(g, 4096) | FS_P | FS_RW | FS_US;
		table = *guest_word(g, at) & FIELD(51, 12);
	}
}

void vtd_viommu(struct guest *g, uint64_t cap, uint64_t ecap)
{
	uint64_t data[4] = {cap, ecap};

	assert_int_equal(guest_viommu(g, VTD_TYPE, data, sizeof(data)), 0);
	assert_int_equal(data[3], 4096);
	assert_int_equal(guest_vdevice(g, VTD_RID), 0);
}

int vtd_attach_root(struct guest *g, uint64_t rtaddr)
{
	struct user_data ud = {&here, NULL, VTD_TYPE, (uintptr_t)&rtaddr, sizeof(rtaddr)};
	struct domain *d;
	int rc = g->v->ops->domain_alloc(g->v, 0, &ud, &d);

	return rc ? rc : attach_new(g, d);
}

int vtd_descriptors(struct guest *g, const uint64_t (*d)[2], uint32_t n, uint32_t *done)
{
	const struct user_array a = {&here, NULL, VTD_TYPE, (uintptr_t)d, 16, n};

	*done = 0;
	return g->v->ops->invalidate(g->v, &a, done);
}

void vtd_forget(struct guest *g, uint64_t w0, uint64_t w1)
{
	const uint64_t d[1][2] = {{w0, w1}};
	uint32_t done;

	assert_int_equal(vtd_descriptors(g, d, 1, &done), 0);
	assert_int_equal(done, 1);
}

/* 9.2, 9.4, 9.5. */
struct vtd_config vtd_scalable_config(struct guest *g)
{
	struct vtd_config c = {.root = guest_alloc(g, 4096),
			       .context = guest_alloc(g, 4096),
			       .directory = guest_alloc(g, 4096),
			       .table = guest_alloc(g, 4096)};

	*guest_word(g, c.root + (VTD_RID >> 8) * 16 + 8) = c.context | 1;
	*guest_word(g, c.context + (VTD_RID & 0x7f) * 32) = c.directory | 1 << 3 | 1;
	*guest_word(g, c.directory) = c.table | 1;
	return c;
}

void vtd_pasid(struct guest *g, const struct vtd_config *c, uint32_t pasid, uint16_t did,
	       uint64_t root, uint64_t word2)
{
	uint64_t at = c->table + (uint64_t)pasid * 64;

	*guest_word(g, at + 8) = did;
	*guest_word(g, at + 16) = root | word2;
	*guest_word(g, at) = 1 << 6 | 1;
}

/* 3.6, 9.7: pages, and leaves of 2 MiB; user requests to read or write. */
int64_t vtd_naive_walk(struct guest *g, uint64_t root, uint64_t va, unsigned int access,
		       unsigned int *code)
{
	uint64_t table = root, may = FS_RW | FS_US, e;

	*code = 0x80;
	if (va + (1ull << 47) >= 1ull << 48)
		return -1;
	for (int l = 3;; l--) {
		uint64_t at = table + (va >> (12 + 9 * l) & 0x1ff) * 8;

		*code = l == 3 ? 0x75 : 0x76;
		if (at < GUEST_GPA || at >= GUEST_GPA + GUEST_SIZE)
			return -1;
		e = *guest_word(g, at);
		*code = 0x71;
		if (!(e & FS_P))
			return -1;
		*code = 0x72;
		if ((l == 3 && e & FS_PS) || (l == 1 && e & FS_PS && e & FIELD(20, 13)))
			return -1;
		may &= e;
		if (!l || e & FS_PS) {
			const uint64_t low = MASK(12 + 9 * l);

			*code = !(may & FS_US) ? 0x81 : 0x85;
			if (!(may & FS_US) || (access & IOMMU_WRITE && !(may & FS_RW)))
				return -1;
			table = (e & FIELD(51, 12) & ~low) | (va & low);
			break;
		}
		table = e & FIELD(51, 12);
	}
	*code = access & IOMMU_WRITE ? 0x85 : 0x86;
	return table < GUEST_GPA || table >= GUEST_GPA + GUEST_SIZE ? -1 : (int64_t)table;
}

int64_t vtd_naive(struct guest *g, const struct vtd_config *c, uint32_t pasid, uint64_t va,
		  unsigned int access, unsigned int *code)
{
	const uint64_t *e = guest_word(g, c->table + (uint64_t)pasid * 64);

	*code = 0x51;
	if (!(*guest_word(g, c->directory) & 1))
		return -1;
	*code = 0x59;
	if (!(e[0] & 1))
		return -1;
	*code = 0x5b;
	if ((e[0] >> 6 & 7) != 1)
		return -1;
	return vtd_naive_walk(g, e[2] & FIELD(51, 12), va, access, code);
}
