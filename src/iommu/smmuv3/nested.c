/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMMUv3's nested domains: a guest's stage 1 over the nest parent's stage 2 (IHI 0070, 3.3 and 5).
 *
 * Which stream table entry a domain has was decided when it was made (4.3), or is read from the
 * guest's own table each time that the caches have forgotten it.
 */
#include <errno.h>
#include <ioas/abi/extensions.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iommu/look.h"
#include "iommu/requester.h"
#include "iommu/smmuv3/viommu.h"

/* STRTAB_STE_0_CFG of what a guest may ask for: abort, bypass, stage 1 only. */
enum { CONFIG_ABORT = 0, CONFIG_BYPASS = 4, CONFIG_S1 = 5 };

#define VSTE_ALLOWED_0                                                                             \
	(SMMUV3_STE_V | SMMUV3_STE_CONFIG | SMMUV3_STE_S1FMT | SMMUV3_STE_S1CTXPTR |               \
	 SMMUV3_STE_S1CDMAX)
#define VSTE_ALLOWED_1                                                                             \
	(SMMUV3_STE_S1DSS | FIELD(3, 2) | FIELD(5, 4) | FIELD(7, 6) | SMMUV3_STE_S1STALLD |        \
	 SMMUV3_STE_EATS) /* S1CIR, S1COR, S1CSH */

struct smmuv3_nested {
	struct domain domain;
	struct smmuv3_viommu *viommu; /* it was made from, which outlives it */
	uint64_t ste[2];	      /* not of one that reads the guest's table */
	bool ats;		      /* the device may use ATS */
};

static struct smmuv3_nested *nested_of(const struct domain *d)
{
	return container_of(d, struct smmuv3_nested, domain);
}

struct smmuv3_viommu *smmuv3_domain_viommu(struct domain *d)
{
	return nested_of(d)->viommu;
}

static void nested_free(struct domain *d)
{
	ioas_free(nested_of(d));
}

/* ---- from a stream to its tables ---- */

/* Guest memory, and why it could not be read. */
struct reader {
	const struct nested_request *q;
	const struct look_kind *kind; /* of what is to be read */
	uint64_t at;
	struct nested_fault fault;
	bool failed;
};

static int read_guest(void *arg, uint64_t addr, void *dst, size_t len)
{
	struct reader *r = arg;

	r->at = addr;
	r->failed = nested_read(r->q, addr, dst, len, &r->fault);
	look_tell_read(r->q, r->kind, addr, dst, r->failed);
	return r->failed;
}

/*
 * What @id says of a structure becomes the guest's event, or, where it is not the structure but
 * stage 2 that is in the way, the host's.
 */
static int config_fault(const struct reader *r, enum smmuv3_event_id id)
{
	if (r->failed && r->fault.what != PT_FAULT_READ)
		return smmuv3_stage2_fault(r->q, &r->fault);
	return smmuv3_config_fault(r->q, id, r->failed ? &r->fault : NULL, r->failed ? r->at : 0);
}

static enum smmuv3_event_id read_ste(struct reader *r, const struct smmuv3_nested *n,
				     uint64_t raw[SMMUV3_WORDS])
{
	const struct smmuv3_memory m = {read_guest, r};
	enum smmuv3_event_id id;
	uint64_t at;

	if (!n->viommu->own) {
		memset(raw, 0, SMMUV3_WORDS * sizeof(*raw));
		memcpy(raw, n->ste, sizeof(n->ste));
		look_tell_given(r->q, &smmuv3_ste_kind, raw);
		return SMMUV3_EVENT_NONE;
	}
	r->kind = &smmuv3_l1std_kind;
	id = smmuv3_ste_find(&n->viommu->strtab, &m, (uint32_t)nested_virt_id(r->q), &at);
	r->kind = &smmuv3_ste_kind;
	if (!id && read_guest(r, at, raw, SMMUV3_WORDS * sizeof(*raw)))
		id = SMMUV3_F_STE_FETCH;
	return id;
}

static enum smmuv3_event_id read_cd(struct reader *r, const struct smmuv3_ids *ids,
				    const struct smmuv3_ste *ste, uint32_t index,
				    struct smmuv3_cd *cd)
{
	const struct smmuv3_memory m = {read_guest, r};
	uint64_t raw[SMMUV3_WORDS], at;
	enum smmuv3_event_id id;

	r->kind = &smmuv3_l1cd_kind;
	id = smmuv3_cd_find(ste, &m, index, &at);
	r->kind = &smmuv3_cd_kind;
	if (!id && read_guest(r, at, raw, sizeof(raw)))
		id = SMMUV3_F_CD_FETCH;
	return id ? id : smmuv3_cd_decode(ids, ste, raw, cd);
}

/* An entry that is to abort does so without an event (5.2, Config). */
static int silent(const struct nested_request *q)
{
	return nested_guest_fault(q, NULL, FAULT_BLOCKED, SMMUV3_EVENT_NONE);
}

static int nested_resolve(const struct nested_request *q, struct nested_context *ctx)
{
	const struct smmuv3_nested *n = nested_of(q->domain);
	struct smmuv3_note *note = nested_note(ctx, struct smmuv3_note);
	struct reader r = {.q = q};
	uint64_t raw[SMMUV3_WORDS];
	enum smmuv3_select how;
	enum smmuv3_event_id id;
	struct smmuv3_ste ste;
	uint32_t index;

	id = read_ste(&r, n, raw);
	if (id)
		return config_fault(&r, id);
	/* A VMM that hands in an entry without V asks for an abort, and sees to the event itself.
	 */
	if (!n->viommu->own && !(raw[0] & SMMUV3_STE_V))
		return silent(q);
	id = smmuv3_ste_decode(&n->viommu->ids, raw, &ste);
	if (id)
		return config_fault(&r, id);
	if (ste.abort)
		return silent(q);
	ctx->bypass = !ste.s1;
	if (ctx->bypass)
		return 0;
	id = smmuv3_substream(&ste, q->pasid != IOMMU_NO_PASID, q->pasid, &how, &index);
	if (id)
		return config_fault(&r, id);
	ctx->bypass = how == SMMUV3_BYPASS_STAGE1;
	if (ctx->bypass)
		return 0;
	id = read_cd(&r, &n->viommu->ids, &ste, index, &note->cd);
	if (id)
		return config_fault(&r, id);
	ctx->tag = (struct nested_tag){.parent = q->domain->parent, .asid = note->cd.asid};
	return 0;
}

/* The upper byte where it is ignored: as the bit below it, like every other address. */
static uint64_t without_tag(uint64_t iova)
{
	return (uint64_t)((int64_t)(iova << 8) >> 8);
}

static const struct pt_regime *nested_select(const struct nested_context *ctx, uint64_t iova,
					     uint64_t *va, uint64_t *within)
{
	const struct smmuv3_note *note = nested_note(ctx, const struct smmuv3_note);
	const struct smmuv3_stage *s = smmuv3_cd_half(&note->cd, iova, within);

	*va = note->cd.tbi[iova >> 55 & 1] ? without_tag(iova) : iova;
	return s ? &s->r : NULL;
}

static unsigned int permits_unprivileged(const struct smmuv3_cd *cd, unsigned int may)
{
	unsigned int all = 0;

	if (may & PT_MAY_UNPRIVILEGED)
		all = may & PT_MAY_WRITE ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ;
	if (may & PT_MAY_EXEC && !(cd->wxn && all & IOMMU_WRITE))
		all |= IOMMU_EXEC;
	return all;
}

/* What the unprivileged may write the privileged never execute (DDI 0487, D8.4.3). */
static unsigned int permits_privileged(const struct smmuv3_cd *cd, unsigned int may)
{
	unsigned int all = may & PT_MAY_WRITE ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ;

	if (may & PT_MAY_PRIVILEGED_EXEC && !(cd->wxn && all & IOMMU_WRITE) &&
	    !(may & PT_MAY_UNPRIVILEGED && all & IOMMU_WRITE))
		all |= IOMMU_EXEC;
	if (cd->pan && may & PT_MAY_UNPRIVILEGED)
		all &= ~(unsigned int)(IOMMU_READ | IOMMU_WRITE);
	return all;
}

static unsigned int nested_permits(const struct nested_context *ctx, const struct pt_walk *w,
				   unsigned int access)
{
	const struct smmuv3_cd *cd = &nested_note(ctx, const struct smmuv3_note)->cd;

	return access & IOMMU_PRIV ? permits_privileged(cd, w->may)
				   : permits_unprivileged(cd, w->may);
}

/* AFFD makes a clear flag no fault, and leaves it (5.4). */
static uint64_t nested_marked(const struct nested_context *ctx, uint64_t raw, bool table,
			      bool dirty)
{
	const struct smmuv3_stage *s = nested_note(ctx, const struct smmuv3_note)->cd.half;

	if (!s->set_accessed || table)
		return raw;
	return pt_arm64_s1_4k.marked(raw, dirty && s->set_dirty);
}

/* ---- attaching ---- */

/* 4.3: what is not translated needs no name. */
static bool needs_name(const struct smmuv3_nested *n)
{
	return n->viommu->own || field_get(SMMUV3_STE_CONFIG, n->ste[0]) == CONFIG_S1;
}

static int nested_attach(struct domain *d, struct requester *r, uint32_t pasid, uint64_t *virt_id)
{
	struct smmuv3_nested *n = nested_of(d);
	struct viommu *v = &n->viommu->viommu;

	if (pasid != IOMMU_NO_PASID)
		return -EOPNOTSUPP;
	if (v->iommu != requester_iommu(r))
		return -EINVAL;
	if (requester_has_pasids(r))
		return -EBUSY;
	if (!viommu_name(v, r, virt_id) && needs_name(n))
		return -ENOENT;
	requester_set_ats(r, n->ats);
	return 0;
}

/* ---- words ---- */

static void nested_missing(const struct nested_request *q, const struct nested_context *ctx,
			   enum nested_stale what, char *buf, size_t len)
{
	const struct smmuv3_nested *n = nested_of(q->domain);
	const unsigned int sid = (unsigned int)nested_virt_id(q);

	switch (what) {
	case NESTED_STALE_CONFIG:
		snprintf(buf, len, "%sCMD_CFGI_CD of StreamID %#x, SubstreamID %u",
			 n->viommu->own ? "CMD_CFGI_STE or " : "", sid, q->pasid);
		break;
	case NESTED_STALE_ATC:
		snprintf(buf, len, "CMD_ATC_INV of StreamID %#x, SubstreamID %u, address %#llx",
			 sid, q->pasid, (unsigned long long)(q->iova & ~PAGE_MASK));
		break;
	case NESTED_STALE_PAGE:
		snprintf(buf, len,
			 "CMD_TLBI_NH_VA of ASID %u, address %#llx (or CMD_TLBI_NH_ASID, _ALL)",
			 ctx->tag.asid, (unsigned long long)(q->iova & ~PAGE_MASK));
		break;
	}
}

static const struct nested_ops smmuv3_nested_ops = {
	.free = nested_free,
	.resolve = nested_resolve,
	.select = nested_select,
	.permits = nested_permits,
	.marked = nested_marked,
	.fault = smmuv3_nested_fault,
	.attach = nested_attach,
	.missing = nested_missing,
	.pasids = true,
};

/* ---- making one ---- */

/* 4.3. */
static int check_vste(uint64_t ste[2], bool *ats)
{
	uint64_t config = field_get(SMMUV3_STE_CONFIG, ste[0]);
	uint64_t eats = field_get(SMMUV3_STE_EATS, ste[1]);

	if (!(ste[0] & SMMUV3_STE_V)) {
		ste[0] = ste[1] = 0;
		return 0;
	}
	if (ste[0] & ~VSTE_ALLOWED_0 || ste[1] & ~VSTE_ALLOWED_1)
		return -EIO;
	if (config != CONFIG_ABORT && config != CONFIG_BYPASS && config != CONFIG_S1)
		return -EIO;
	if (eats != SMMUV3_EATS_ABORT && eats != SMMUV3_EATS_FULL)
		return -EIO;
	ste[1] &= ~SMMUV3_STE_EATS;
	*ats = config != CONFIG_S1 || eats == SMMUV3_EATS_FULL;
	return 0;
}

static int get_vste(const struct user_data *data, uint64_t ste[2], bool *ats)
{
	struct iommu_hwpt_arm_smmuv3 given;
	int rc = user_get(data, IOMMU_HWPT_DATA_ARM_SMMUV3, &given, sizeof(given), sizeof(given));

	if (rc)
		return rc;
	ste[0] = given.ste[0];
	ste[1] = given.ste[1];
	return check_vste(ste, ats);
}

static int get_own(const struct user_data *data)
{
	struct iommu_hwpt_ioas_smmuv3 given;
	int rc = user_get(data, IOMMU_HWPT_DATA_IOAS_SMMUV3, &given, sizeof(given), sizeof(given));

	return !rc && given.flags ? -EOPNOTSUPP : rc;
}

int smmuv3_domain_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
			struct domain **out)
{
	struct smmuv3_viommu *sv = smmuv3_viommu_of(v);
	uint64_t ste[2] = {0};
	struct smmuv3_nested *n;
	bool ats = true;
	int rc;

	if (flags)
		return -EOPNOTSUPP;
	rc = sv->own ? get_own(data) : get_vste(data, ste, &ats);
	if (rc)
		return rc;
	n = ioas_calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	domain_init_nested(&n->domain, v->iommu, v->parent, &smmuv3_nested_ops);
	n->viommu = sv;
	n->ats = ats;
	memcpy(n->ste, ste, sizeof(ste));
	*out = &n->domain;
	return 0;
}
