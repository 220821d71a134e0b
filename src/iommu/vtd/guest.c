/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nested domain of our own vIOMMU: translation by a guest's whole configuration, from its root
 * table on, and the fault records that the guest is told with.
 */
#include <errno.h>
#include <ioas/abi/extensions.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommu/look.h"
#include "iommu/requester.h"
#include "iommu/vtd/viommu.h"

struct vtd_guest {
	struct domain domain;
	struct vtd_viommu *viommu; /* outlives it */
	uint64_t rtaddr;
};

static struct vtd_guest *guest_of(const struct domain *d)
{
	return container_of(d, struct vtd_guest, domain);
}

static void guest_free(struct domain *d)
{
	ioas_free(guest_of(d));
}

/* ---- faults ---- */

/* 11.4.7, a fault recording register; T1 and T2 tell the type of the request. */
#define RECORD_FI     FIELD(63, 12)
#define RECORD1_SID   FIELD(15, 0)
#define RECORD1_T2    BIT(28)
#define RECORD1_PRIV  BIT(29)
#define RECORD1_EXE   BIT(30)
#define RECORD1_PP    BIT(31)
#define RECORD1_FR    FIELD(39, 32)
#define RECORD1_PASID FIELD(59, 40)
#define RECORD1_T1    BIT(62)
#define RECORD1_F     BIT(63)

static struct iommu_vevent_ioas_vtd record_of(const struct nested_request *q, enum vtd_fault code)
{
	struct iommu_vevent_ioas_vtd e = {.kind = IOMMU_VEVENT_IOAS_VTD_FAULT};

	e.record[0] = q->iova & RECORD_FI;
	e.record[1] = RECORD1_F | field_prep(RECORD1_SID, nested_virt_id(q) & 0xffff) |
		      field_prep(RECORD1_FR, code);
	if (!(q->access & IOMMU_WRITE))
		e.record[1] |= RECORD1_T1;
	else if (q->access & IOMMU_READ)
		e.record[1] |= RECORD1_T1 | RECORD1_T2;
	if (q->pasid == IOMMU_NO_PASID)
		return e;
	e.record[1] |= RECORD1_PP | field_prep(RECORD1_PASID, q->pasid);
	if (q->access & IOMMU_EXEC)
		e.record[1] |= RECORD1_EXE;
	if (q->access & IOMMU_PRIV)
		e.record[1] |= RECORD1_PRIV;
	return e;
}

/* @f: as of nested_host_fault(). */
static int tell_guest(const struct nested_request *q, const struct nested_fault *f,
		      struct vtd_reason r, bool fpd)
{
	struct viommu *v = &guest_of(q->domain)->viommu->viommu;
	const struct iommu_vevent_ioas_vtd e = record_of(q, r.code);

	if (unlikely(q->look != NULL))
		return look_refuse(q->look, r.reason, r.code);
	if ((fpd && vtd_fault_is_qualified(r.code)) ||
	    v->up->event(v, IOMMU_VEVENTQ_TYPE_IOAS_VTD, &e, sizeof(e)) != -EOPNOTSUPP)
		return nested_guest_fault(q, f, r.reason, r.code);
	return nested_host_fault(q, f, r.reason, r.code);
}

static const struct vtd_stage *stage_of(const struct nested_context *ctx)
{
	return (const struct vtd_stage *)(const void *)ctx->note;
}

/* A guest's own memory does not fault: where the VMM has none, the VMM hears of it. */
static int guest_fault(const struct nested_request *q, const struct nested_context *ctx,
		       const struct nested_fault *f)
{
	const struct vtd_stage *s = stage_of(ctx);
	const bool data = f->stage == 2 && !f->walk;
	const struct vtd_reason r = vtd_stage_reason(s, q, f, data);

	return data ? nested_host_fault(q, f, r.reason, r.code) : tell_guest(q, f, r, s->fpd);
}

/* ---- translation ---- */

struct reader {
	const struct nested_request *q;
	unsigned int n; /* structures that were read */
	bool failed;	/* the last one: */
	struct nested_fault fault;
};

static int read_structure(void *arg, uint64_t addr, void *dst, size_t len)
{
	struct reader *r = arg;
	int rc = nested_read(r->q, addr, dst, len, &r->fault);

	r->failed = rc;
	look_tell_read(r->q, vtd_structure_kind(guest_of(r->q->domain)->rtaddr, r->n++), addr, dst,
		       rc);
	return rc;
}

static int guest_resolve(const struct nested_request *q, struct nested_context *ctx)
{
	const struct vtd_guest *g = guest_of(q->domain);
	struct reader reader = {.q = q};
	const struct vtd_memory memory = {.read = read_structure, .arg = &reader};
	const struct vtd_query query = {
		.ids = &g->viommu->ids,
		.memory = &memory,
		.rtaddr = g->rtaddr,
		.rid = (uint16_t)nested_virt_id(q),
		.has_pasid = q->pasid != IOMMU_NO_PASID,
		.pasid = q->pasid,
	};
	struct vtd_stream s;
	enum vtd_fault fault = vtd_context_find(&query, &s);
	bool first;

	if (fault)
		return tell_guest(q, reader.failed ? &reader.fault : NULL,
				  (struct vtd_reason){FAULT_BLOCKED, fault}, s.stage.fpd);
	if (q->ats && !s.aborts && !s.device_tlb)
		return tell_guest(q, NULL,
				  (struct vtd_reason){FAULT_BLOCKED,
						      s.stage.legacy ? VTD_FAULT_TRANSLATION_BLOCKED
								     : VTD_FAULT_NO_DTE},
				  s.stage.fpd);
	if (s.aborts)
		return nested_guest_fault(q, NULL, FAULT_BLOCKED, 0);
	*nested_note(ctx, struct vtd_stage) = s.stage;
	ctx->bypass = s.bypass;
	if (s.bypass)
		return 0;
	first = s.stage.regime.ops == &pt_vtd_fs;
	ctx->tag = (struct nested_tag){
		.parent = g->domain.parent,
		.did = s.did,
		.asid = first ? s.pasid : 0,
		.regime = first ? VTD_REGIME_GUEST_FIRST : VTD_REGIME_GUEST_SECOND,
	};
	return 0;
}

static const struct pt_regime *guest_select(const struct nested_context *ctx, uint64_t iova,
					    uint64_t *va, uint64_t *within)
{
	*va = *within = iova;
	return &stage_of(ctx)->regime;
}

static unsigned int guest_permits(const struct nested_context *ctx, const struct pt_walk *w,
				  unsigned int access)
{
	return vtd_stage_permits(stage_of(ctx), w, access);
}

static uint64_t guest_marked(const struct nested_context *ctx, uint64_t raw, bool table, bool dirty)
{
	return vtd_stage_marked(stage_of(ctx), raw, table, dirty);
}

/* The RID brings all PASIDs; a device without a name has no context entry. */
static int guest_attach(struct domain *d, struct requester *r, uint32_t pasid, uint64_t *virt_id)
{
	struct viommu *v = &guest_of(d)->viommu->viommu;

	if (pasid != IOMMU_NO_PASID)
		return -EOPNOTSUPP;
	if (v->iommu != requester_iommu(r))
		return -EINVAL;
	if (requester_has_pasids(r))
		return -EBUSY;
	if (!viommu_name(v, r, virt_id))
		return -ENOENT;
	/* A guest that was told of no device TLBs would flush none. */
	requester_set_ats(r, guest_of(d)->viommu->ids.ecap & VTD_ECAP_DT);
	return 0;
}

/* 6.5.2. */
static void guest_missing(const struct nested_request *q, const struct nested_context *ctx,
			  enum nested_stale what, char *buf, size_t len)
{
	const struct vtd_stage *s = stage_of(ctx);
	const unsigned int sid = (unsigned int)nested_virt_id(q);
	const unsigned long long page = q->iova & ~PAGE_MASK;

	switch (what) {
	case NESTED_STALE_CONFIG:
		if (s->legacy)
			snprintf(buf, len, "Context-cache Invalidate Descriptor of source ID %#x",
				 sid);
		else
			snprintf(buf, len,
				 "PASID-cache Invalidate Descriptor of domain ID %u, PASID %u "
				 "(Context-cache Invalidate if the context entry changed)",
				 ctx->tag.did, q->pasid);
		break;
	case NESTED_STALE_ATC:
		snprintf(buf, len,
			 "%sDevice-TLB Invalidate Descriptor of source ID %#x%s%.0u, "
			 "address %#llx",
			 q->pasid ? "PASID-based " : "", sid, q->pasid ? ", PASID " : "", q->pasid,
			 page);
		break;
	case NESTED_STALE_PAGE:
		if (ctx->tag.regime == VTD_REGIME_GUEST_FIRST)
			snprintf(buf, len,
				 "PASID-based-IOTLB Invalidate Descriptor of domain ID %u, "
				 "PASID %u, address %#llx",
				 ctx->tag.did, ctx->tag.asid, page);
		else
			snprintf(buf, len,
				 "IOTLB Invalidate Descriptor of domain ID %u, address %#llx",
				 ctx->tag.did, page);
		break;
	}
}

static const struct nested_ops guest_ops = {
	.free = guest_free,
	.resolve = guest_resolve,
	.select = guest_select,
	.permits = guest_permits,
	.marked = guest_marked,
	.fault = guest_fault,
	.attach = guest_attach,
	.missing = guest_missing,
	.pasids = true,
};

int vtd_domain_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
		     struct domain **out)
{
	struct iommu_hwpt_ioas_vtd wish;
	struct vtd_guest *g;
	int rc;

	if (flags & ~(uint32_t)DOMAIN_PASID || data->type != IOMMU_HWPT_DATA_IOAS_VTD)
		return -EOPNOTSUPP;
	rc = user_get(data, IOMMU_HWPT_DATA_IOAS_VTD, &wish, sizeof(wish), sizeof(wish));
	if (rc)
		return rc;
	if (wish.rtaddr & ~(VTD_RTADDR_TTM | VTD_RTADDR_RTA))
		return -EINVAL;
	g = ioas_calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	domain_init_nested(&g->domain, v->iommu, v->parent, &guest_ops);
	g->domain.flags = flags;
	g->viommu = vtd_viommu_of(v);
	g->rtaddr = wish.rtaddr;
	*out = &g->domain;
	return 0;
}
