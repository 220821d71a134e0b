/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events (IHI 0070, 7.3): 32 bytes that tell the guest what became of a transaction.
 *
 * Linux hands on to a guest what is listed below, as far as stage 1 is to blame; the rest, and what
 * nobody reads, is the host's to log. A guest whose stream table the engine reads itself has an
 * SMMU of its own in this respect: it hears of everything.
 */
#include <errno.h>
#include <ioas/abi/iommufd.h>

#include "iommu/look.h"
#include "iommu/requester.h"
#include "iommu/smmuv3/viommu.h"

#define EVENT_WORDS 4
/* Word 0. */
#define EVENT_ID   FIELD(7, 0)
#define EVENT_SSV  BIT(11)
#define EVENT_SSID FIELD(31, 12)
#define EVENT_SID  FIELD(63, 32)
/* Word 1. */
#define EVENT_STAG  FIELD(15, 0)
#define EVENT_STALL BIT(31)
#define EVENT_PNU   BIT(33)
#define EVENT_IND   BIT(34)
#define EVENT_RNW   BIT(35)
#define EVENT_CLASS FIELD(41, 40)
/* Word 3. */
#define EVENT_FETCH FIELD(51, 3)

/* What the transaction was doing when it failed. */
enum event_class { CLASS_CD = 0, CLASS_TABLE = 1, CLASS_INPUT = 2 };

struct event {
	uint64_t word[EVENT_WORDS];
};

static struct event event_begin(const struct nested_request *q, enum smmuv3_event_id id)
{
	struct event e = {{field_prep(EVENT_ID, id) | field_prep(EVENT_SID, nested_virt_id(q))}};

	if (q->pasid != IOMMU_NO_PASID)
		e.word[0] |= EVENT_SSV | field_prep(EVENT_SSID, q->pasid);
	return e;
}

/* 7.3.13 and those after it: events of a translation say what was asked for. */
static struct event event_of_translation(const struct nested_request *q, enum smmuv3_event_id id,
					 enum event_class class)
{
	struct event e = event_begin(q, id);

	e.word[1] = field_prep(EVENT_CLASS, class);
	if (q->access & IOMMU_PRIV)
		e.word[1] |= EVENT_PNU;
	if (q->access & IOMMU_EXEC)
		e.word[1] |= EVENT_IND;
	if (!(q->access & IOMMU_WRITE))
		e.word[1] |= EVENT_RNW;
	e.word[2] = q->iova;
	return e;
}

static bool linux_hands_on(enum smmuv3_event_id id)
{
	switch (id) {
	case SMMUV3_C_BAD_STE:
	case SMMUV3_F_STREAM_DISABLED:
	case SMMUV3_C_BAD_SUBSTREAMID:
	case SMMUV3_C_BAD_CD:
	case SMMUV3_F_TRANSLATION:
	case SMMUV3_F_ADDR_SIZE:
	case SMMUV3_F_ACCESS:
	case SMMUV3_F_PERMISSION:
		return true;
	default:
		return false;
	}
}

/* 0 when the guest has been told, or has lost it. */
static int tell_guest(const struct nested_request *q, const struct event *e)
{
	struct smmuv3_viommu *sv = smmuv3_domain_viommu(q->domain);
	struct viommu *v = &sv->viommu;

	if (!sv->own && !linux_hands_on((enum smmuv3_event_id)field_get(EVENT_ID, e->word[0])))
		return -EOPNOTSUPP;
	return v->up->event(v, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, e->word, sizeof(e->word));
}

/* @f: as of nested_host_fault(). */
static int deliver(const struct nested_request *q, const struct event *e,
		   const struct nested_fault *f, enum iommu_fault_reason reason)
{
	uint32_t code = (uint32_t)field_get(EVENT_ID, e->word[0]);

	if (unlikely(q->look != NULL))
		return look_refuse(q->look, reason, code);
	return tell_guest(q, e) == -EOPNOTSUPP ? nested_host_fault(q, f, reason, code)
					       : nested_guest_fault(q, f, reason, code);
}

int smmuv3_config_fault(const struct nested_request *q, enum smmuv3_event_id id,
			const struct nested_fault *f, uint64_t gpa)
{
	struct event e = event_begin(q, id);

	e.word[3] = gpa & EVENT_FETCH;
	return deliver(q, &e, f, FAULT_BLOCKED);
}

static enum iommu_fault_reason permission_reason(unsigned int missing)
{
	return missing & IOMMU_WRITE ? FAULT_WRITE : FAULT_READ;
}

int smmuv3_stage2_fault(const struct nested_request *q, const struct nested_fault *f)
{
	switch ((enum pt_fault)f->what) {
	case PT_FAULT_NONE:
		return nested_host_fault(q, f, permission_reason(f->missing), SMMUV3_F_PERMISSION);
	case PT_FAULT_INPUT:
		return nested_host_fault(q, f, FAULT_ADDRESS, SMMUV3_F_TRANSLATION);
	case PT_FAULT_OUTPUT:
		return nested_host_fault(q, f, FAULT_ADDRESS, SMMUV3_F_ADDR_SIZE);
	case PT_FAULT_READ:
		return nested_host_fault(q, f, FAULT_GONE, SMMUV3_F_WALK_EABT);
	default:
		return nested_host_fault(q, f, FAULT_NOT_PRESENT, SMMUV3_F_TRANSLATION);
	}
}

/* Stage 1. */
static enum smmuv3_event_id event_of(enum pt_fault what)
{
	switch (what) {
	case PT_FAULT_NONE:
		return SMMUV3_F_PERMISSION;
	case PT_FAULT_OUTPUT:
		return SMMUV3_F_ADDR_SIZE;
	case PT_FAULT_ACCESSED:
		return SMMUV3_F_ACCESS;
	case PT_FAULT_READ:
		return SMMUV3_F_WALK_EABT;
	default:
		return SMMUV3_F_TRANSLATION;
	}
}

static enum iommu_fault_reason reason_of(const struct nested_fault *f)
{
	switch ((enum pt_fault)f->what) {
	case PT_FAULT_NONE:
		return permission_reason(f->missing);
	case PT_FAULT_INPUT:
	case PT_FAULT_OUTPUT:
		return FAULT_ADDRESS;
	case PT_FAULT_READ:
		return FAULT_GONE;
	default:
		return FAULT_NOT_PRESENT;
	}
}

/*
 * A stalled transaction waits for whoever serves the domain's fault queue, as in Linux; that is its
 * record. Where nobody does, it fails, and the host hears of it.
 */
static int stall(const struct nested_request *q, const struct nested_fault *f,
		 enum smmuv3_event_id id)
{
	struct smmuv3_viommu *sv = smmuv3_domain_viommu(q->domain);
	uint16_t stag = (uint16_t)__atomic_fetch_add(&sv->stag, 1, __ATOMIC_RELAXED);
	int rc = requester_stall(q->r, q->pasid, q->iova, (enum iommu_access)q->access, stag);
	struct event e;

	if (rc != -EAGAIN)
		return nested_host_fault(q, f, reason_of(f), id);
	if (sv->own) {
		e = event_of_translation(q, id, CLASS_INPUT);
		e.word[1] |= EVENT_STALL | field_prep(EVENT_STAG, stag);
		tell_guest(q, &e);
	}
	return rc;
}

int smmuv3_nested_fault(const struct nested_request *q, const struct nested_context *ctx,
			const struct nested_fault *f)
{
	const enum smmuv3_event_id id = event_of((enum pt_fault)f->what);
	const struct smmuv3_stage *s;
	struct event e;

	if (f->stage == 2 || !ctx || ctx->bypass)
		return smmuv3_stage2_fault(q, f);
	s = nested_note(ctx, const struct smmuv3_note)->cd.half;
	if (id == SMMUV3_F_WALK_EABT) {
		e = event_of_translation(q, id, CLASS_TABLE);
		e.word[3] = f->gpa & EVENT_FETCH;
		return deliver(q, &e, f, FAULT_GONE);
	}
	if (s->stall)
		return stall(q, f, id);
	/* 5.4, R: the event of a terminated transaction may be left out. */
	if (!s->record)
		return nested_guest_fault(q, f, reason_of(f), id);
	e = event_of_translation(q, id, CLASS_INPUT);
	return deliver(q, &e, f, reason_of(f));
}
