/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address translation services: the cache of translations (ATC) that a device keeps.
 *
 * The cache is the device's, and stands with its requester so that the commands of requester.h
 * reach it. It has an IOTLB of its own, with a name for each of the PASIDs used last. What the host
 * changes it makes the device forget as Linux's drivers do: the pages of a paging domain, and all
 * where stage 2 under a guest changed (the device's addresses are not known then). What a guest
 * changes stays until the guest, or who acts for it, says so (requester_forget_atc()).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "iommu/domain.h"
#include "iommu/nested_gpa.h"
#include "iommu/translate.h"

#define ATC_PASIDS 16

struct atc {
	struct iotlb tlb;
	uint64_t clock;
	struct atc_space {
		bool used;
		uint32_t pasid;
		uint64_t last;
		struct iotlb_context context;
	} space[ATC_PASIDS];
};

static int atc_create(struct atc **out)
{
	struct atc *t = ioas_calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	if (iotlb_init(&t->tlb)) {
		ioas_free(t);
		return -ENOMEM;
	}
	for (uint32_t n = 0; n < ATC_PASIDS; n++)
		iotlb_context_init(&t->space[n].context, n);
	*out = t;
	return 0;
}

void atc_free(struct atc *t)
{
	if (t)
		iotlb_fini(&t->tlb);
	ioas_free(t);
}

void atc_forget_everything(struct atc *t)
{
	iotlb_forget_all(&t->tlb);
}

static void forget(struct atc *t, uint32_t pasid, uint64_t first, uint64_t last)
{
	for (struct atc_space *s = t->space; s < t->space + ATC_PASIDS; s++)
		if (s->used && (pasid == IOMMU_ALL_PASIDS || s->pasid == pasid))
			iotlb_forget(&t->tlb, &s->context, first, last);
}

void atc_apply(struct atc *t, const struct command *cmd)
{
	switch (cmd->kind) {
	case COMMAND_PAGES:
		forget(t, cmd->binding->pasid, cmd->first, cmd->last);
		break;
	case COMMAND_BINDING:
	case COMMAND_PARENT:
		atc_forget_everything(t);
		break;
	case COMMAND_ATC:
		forget(t, cmd->match.asid, cmd->first, cmd->last);
		break;
	case COMMAND_STAGE1:
	case COMMAND_CONFIG:
		break;
	}
}

/* That of @pasid, in the place of the one not used for longest. */
static struct iotlb_context *context_of(struct atc *t, uint32_t pasid)
{
	struct atc_space *oldest = t->space;

	for (struct atc_space *s = t->space; s < t->space + ATC_PASIDS; s++) {
		if (s->used && s->pasid == pasid) {
			s->last = ++t->clock;
			return &s->context;
		}
		if (s->last < oldest->last)
			oldest = s;
	}
	iotlb_forget_context(&t->tlb, &oldest->context);
	__atomic_store_n(&oldest->pasid, pasid, __ATOMIC_RELAXED);
	__atomic_store_n(&oldest->used, true, __ATOMIC_RELAXED);
	oldest->last = ++t->clock;
	return &oldest->context;
}

uint64_t atc_peek(const struct atc *t, uint32_t pasid, uint64_t iova, unsigned int *shift)
{
	for (const struct atc_space *s = t->space; s < t->space + ATC_PASIDS; s++)
		if (__atomic_load_n(&s->used, __ATOMIC_RELAXED) &&
		    __atomic_load_n(&s->pasid, __ATOMIC_RELAXED) == pasid)
			return iotlb_peek(&t->tlb, &s->context, iova, shift);
	return 0;
}

void atc_keep_notes(struct atc *t)
{
	if (t)
		(void)iotlb_keep_notes(&t->tlb);
}

uint64_t atc_find_note(const struct atc *t, uint32_t pasid, uint64_t iova, const char *ptr)
{
	if (!iotlb_has_notes(&t->tlb))
		return IOTLB_NO_NOTE;
	for (const struct atc_space *s = t->space; s < t->space + ATC_PASIDS; s++)
		if (s->used && s->pasid == pasid)
			return iotlb_find_note(&t->tlb, &s->context, iova, ptr);
	return IOTLB_NO_NOTE;
}

int requester_add_ats(struct requester *r, bool pri)
{
	int rc = r->iommu->caps.ats ? atc_create(&r->atc) : 0;

	if (rc)
		return rc;
	r->caps.ats_not_supported = false;
	r->caps.ats = r->ats = r->atc;
	r->caps.pri = r->atc && pri && r->iommu->caps.pri;
	return 0;
}

void requester_set_ats(struct requester *r, bool on)
{
	bool was = __atomic_load_n(&r->ats, __ATOMIC_RELAXED);

	if (!r->atc || was == on)
		return;
	__atomic_store_n(&r->ats, on, __ATOMIC_RELEASE);
	if (!on)
		requester_forget_atc(r, IOMMU_ALL_PASIDS, 0, UINT64_MAX);
}

const bool *requester_ats(const struct requester *r)
{
	return &r->ats;
}

void requester_forget_atc(struct requester *r, uint32_t pasid, uint64_t first, uint64_t last)
{
	if (!r->atc)
		return;
	OBSERVE(r->iommu->sink, guest_invalidate, .requester = r, .iova = first, .last = last,
		.pasid = pasid, .atc = true, .rid = r->id, .did = UINT32_MAX, .asid = UINT32_MAX);
	requester_post_command(
		r, &(struct command){
			   .kind = COMMAND_ATC, .first = first, .last = last, .match.asid = pasid});
	quiesce_one(r, true);
}

bool iommu_is_message(const struct requester *r, uint32_t pasid, uint64_t iova)
{
	const struct iommu_region *window = messages_of(r, pasid);

	return window && iova >= window->start && iova <= window->last;
}

/* What the IOTLB has noted of it. */
static COLD void keep_note(struct requester *r, const struct iotlb_context *c, uint32_t pasid,
			   uint64_t iova, uint64_t val, unsigned int shift)
{
	const char *ptr = (const char *)(uintptr_t)(val & IOTLB_PTR_MASK) + (iova & MASK(shift));
	uint64_t gpa, note = IOTLB_NO_NOTE;

	if (nested_gpa_by_iotlb(r, pasid, iova, ptr, &gpa))
		note = align_down(gpa, BIT(shift));
	iotlb_note(&r->atc->tlb, c, iova, iotlb_size_of(shift), note);
}

/* What the translation left in the IOTLB is what the device is told: the page, and what it may do.
 */
static void keep(struct requester *r, struct iotlb_context *c, uint32_t pasid, uint64_t iova)
{
	unsigned int shift;
	uint64_t val = translate_peek(r, pasid, iova, &shift), bytes = BIT(shift);

	if (!val)
		return;
	iotlb_fill(&r->atc->tlb, c, iova, iotlb_size_of(shift),
		   (const void *)(uintptr_t)(val & IOTLB_PTR_MASK & ~(bytes - 1)),
		   (uint16_t)(val >> 48), val & IOTLB_PERMS);
	if (unlikely(iotlb_has_notes(&r->atc->tlb)))
		keep_note(r, c, pasid, iova, val, shift);
}

int iommu_translate_ats(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			enum iommu_access access, struct translation *out)
{
	struct iotlb_context *c;
	unsigned int shift;
	uint64_t val;
	int rc;

	requester_catch_up(r);
	c = context_of(r->atc, pasid);
	val = iotlb_find(&r->atc->tlb, c, iova, &shift);
	if ((val & access) == access) {
		stat_add(&r->stats.atc_hits, 1);
		*out = (struct translation){
			.slot = &r->slots[val >> 48],
			.ptr = (char *)(uintptr_t)(val & IOTLB_PTR_MASK) + (iova & MASK(shift)),
			.len = min_u64(len, BIT(shift) - (iova & MASK(shift))),
		};
		return 0;
	}
	rc = translate_request(r, pasid, iova, len, access, out);
	if (!rc)
		keep(r, c, pasid, iova);
	return rc;
}
