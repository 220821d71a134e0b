/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Advice: mappings that let devices do more than they ever did. No bug by itself, and off unless it
 * is asked for.
 */
#include <inttypes.h>

#include "observe/sanitize_private.h"
#include "space/space.h"

/* So many mappings are looked at under one hold of the lock. */
#define BATCH 16

static void advise_never(const struct shadow_map *m, struct report *r)
{
	char len[32];

	r->f.kind = FINDING_NEVER_USED;
	r->f.advice = "map memory when a device is to use it, or leave it out";
	report_text(r, "%s at IOVA %#" PRIx64 " were mapped, and no device ever used them",
		    length_words(m->last - m->iova + 1, len, sizeof(len)), m->iova);
}

static void advise_permissive(const struct shadow_map *m, struct report *r, bool wrote)
{
	r->f.kind = FINDING_TOO_PERMISSIVE;
	r->f.advice = wrote ? "map it without IOMMU_IOAS_MAP_READABLE (VFIO_DMA_MAP_FLAG_READ)"
			    : "map it without IOMMU_IOAS_MAP_WRITEABLE (VFIO_DMA_MAP_FLAG_WRITE)";
	report_text(r,
		    "the mapping at IOVA %#" PRIx64
		    " permits reading and writing, but devices only %s it",
		    m->iova, wrote ? "wrote" : "read");
}

static void advise_wide(const struct shadow_map *m, struct report *r, uint64_t first, uint64_t last)
{
	char used[32], len[32];

	r->f.kind = FINDING_TOO_WIDE;
	r->f.iova = m->iova + first;
	r->f.len = last - first + 1;
	r->f.advice = "map only what devices are to use";
	report_text(r, "of %s mapped at IOVA %#" PRIx64 " devices used only %s",
		    length_words(m->last - m->iova + 1, len, sizeof(len)), m->iova,
		    length_words(last - first + 1, used, sizeof(used)));
}

/* The pages that were used, from the first to the last. */
static void used_pages(const struct shadow_map *m, uint64_t *first, uint64_t *last)
{
	uint64_t a, b, c, d;
	const bool read = shadow_extent(m, m->read, &a, &b),
		   wrote = shadow_extent(m, m->wrote, &c, &d);

	*first = align_down(!wrote ? a : !read ? c : min_u64(a, c), PAGE_SIZE);
	*last = min_u64((!wrote ? b : !read ? d : max_u64(b, d)) | PAGE_MASK, m->last - m->iova);
}

/* Whether there is anything to say of @m. */
static bool advise_one(const struct shadow_map *m, struct report *r)
{
	const bool read = m->read != EXTENT_EMPTY, wrote = m->wrote != EXTENT_EMPTY;
	uint64_t first, last;

	r->f.iova = m->iova;
	r->f.len = m->last - m->iova + 1;
	if (!read && !wrote) {
		advise_never(m, r);
		return true;
	}
	if (m->prot == (SPACE_READ | SPACE_WRITE) && read != wrote) {
		advise_permissive(m, r, wrote);
		return true;
	}
	used_pages(m, &first, &last);
	if (!first && last == m->last - m->iova)
		return false;
	advise_wide(m, r, first, last);
	return true;
}

void sanitizer_advise(struct sanitizer *s, struct shadow_space *sp, uint64_t iova, uint64_t last,
		      stack_id stack)
{
	struct report r;
	struct range at;
	bool more = true, found;

	/* A guest's tables say what devices use. */
	if (__atomic_load_n(&sp->nested, __ATOMIC_RELAXED))
		return;
	while (more) {
		found = false;
		lock_acquire(&s->shadow.lock);
		more = range_first_overlap(&sp->maps, iova, last, &at);
		for (int i = 0; more && !found && i < BATCH; i++) {
			const struct shadow_map *m = at.value;

			report_init(&r, FINDING_NEVER_USED);
			found = advise_one(m, &r);
			if (found)
				fill_mapping(m, sp->id, sanitizer_now(s), &r.f.nearest);
			iova = at.last + 1;
			more = at.last < last && range_next_overlap(&sp->maps, last, &at);
		}
		lock_release(&s->shadow.lock);
		if (!found)
			continue;
		r.f.now = r.f.nearest.unmapped_at = stack;
		report_send(s, &r);
	}
}

void sanitizer_advise_all(struct sanitizer *s)
{
	uint32_t number = 0;

	for (;;) {
		struct shadow_space *sp;

		lock_acquire(&s->shadow.lock);
		sp = shadow_space_above(&s->shadow, number);
		lock_release(&s->shadow.lock);
		if (!sp)
			return;
		number = sp->number;
		sanitizer_advise(s, sp, 0, U64MAX, 0);
	}
}
