/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested domains: a guest's device table entry, from the VMM or read from the guest's table, and
 * the tables that it leads to. Host tables (Mode) and guest ones (GV, through a GCR3 table) are
 * both stage 1 here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "iommu/look.h"
#include "iommu/amd/viommu.h"

/* What the context of a stream is, for select() and the rest. */
struct amd_note {
	struct pt_regime regime;
	bool guest;	   /* guest tables: U/S and NX mean something, the address is a GVA */
	bool user_checked; /* USSup */
	bool se, sa;	   /* DTE */
	uint8_t denied;	   /* IOMMU_READ, IOMMU_WRITE: by the DTE's IR and IW */
	uint16_t domain;   /* the guest's */
	uint32_t pasid;
};

static struct amd_nested *nested_of(struct domain *d)
{
	return container_of(d, struct amd_nested, domain);
}

static struct amd_viommu *viommu_of(const struct nested_request *q)
{
	return nested_of(q->domain)->viommu;
}

/* ---- faults ---- */

/* What a fault is, before it is known who hears of it. */
struct report {
	struct amd_event event;
	enum iommu_fault_reason reason;
	const struct nested_fault *why; /* as of nested_host_fault() */
};

static uint16_t access_flags(const struct nested_request *q)
{
	return (uint16_t)(q->access & IOMMU_WRITE ? AMD_FAULT_RW : 0);
}

/* SE: one fault is told, until the guest invalidates the device's entry. */
static bool told_before(const struct nested_request *q)
{
	struct amd_viommu *v = viommu_of(q);
	struct vdevice *vd;
	bool told = false;

	lock_acquire(&v->viommu.lock);
	vd = viommu_find(&v->viommu, nested_virt_id(q));
	if (vd) {
		told = amd_vdevice_of(vd)->told;
		amd_vdevice_of(vd)->told = true;
	}
	lock_release(&v->viommu.lock);
	return told;
}

static bool is_suppressed(const struct nested_request *q, const struct amd_note *note,
			  const struct report *rep)
{
	if (rep->event.code != AMD_EVENT_IO_PAGE_FAULT || !note)
		return false;
	return note->sa || (note->se && told_before(q));
}

/* Tells the guest; the host where the guest has nobody who listens. */
static int tell(const struct nested_request *q, const struct amd_note *note, struct report *rep)
{
	uint64_t entry[2];
	uint32_t code;

	if (q->ats)
		rep->event.flags |= AMD_FAULT_TR;
	code = amd_event_code(&rep->event);
	if (unlikely(q->look != NULL))
		return look_refuse(q->look, rep->reason, code);
	if (is_suppressed(q, note, rep))
		return nested_guest_fault(q, rep->why, rep->reason, code);
	rep->event.device = (uint16_t)nested_virt_id(q);
	amd_event_encode(&rep->event, entry);
	if (amd_viommu_log(viommu_of(q), IOMMU_VEVENT_IOAS_AMD_EVENT, entry) == -EOPNOTSUPP)
		return nested_host_fault(q, rep->why, rep->reason, code);
	return nested_guest_fault(q, rep->why, rep->reason, code);
}

/* The tables' own part of the flags, the PASID or domain ID, the address. */
static void name_space(const struct nested_request *q, const struct amd_note *note,
		       struct amd_event *e)
{
	if (note && note->guest) {
		e->flags |= AMD_FAULT_GN;
		e->pasid = note->pasid;
	} else if (note) {
		e->domain = note->domain;
	}
	e->address = q->iova;
}

static int page_fault(const struct nested_request *q, const struct amd_note *note, uint16_t flags,
		      enum iommu_fault_reason reason)
{
	struct report rep = {.event = {.code = AMD_EVENT_IO_PAGE_FAULT, .flags = flags},
			     .reason = reason};

	if (flags & AMD_FAULT_PR)
		rep.event.flags |= access_flags(q);
	if (note && note->guest && q->access & IOMMU_EXEC)
		rep.event.flags |= AMD_FAULT_NX;
	if (note && note->guest && !(q->access & IOMMU_PRIV))
		rep.event.flags |= AMD_FAULT_US;
	name_space(q, note, &rep.event);
	return tell(q, note, &rep);
}

/* Bytes of a table or of the device table are not to be had. */
static int hardware_error(const struct nested_request *q, const struct amd_note *note, uint8_t code,
			  const struct nested_fault *f)
{
	struct report rep = {
		.event = {.code = code, .flags = AMD_FAULT_MASTER_ABORT | access_flags(q)},
		.reason = f->what == PT_FAULT_READ ? FAULT_GONE : FAULT_NOT_PRESENT,
		.why = f};

	name_space(q, note, &rep.event);
	rep.event.address = f->gpa;
	return tell(q, note, &rep);
}

static int illegal_entry(const struct nested_request *q, uint16_t flags)
{
	struct report rep = {.event = {.code = AMD_EVENT_ILLEGAL_DEV_TABLE_ENTRY,
				       .flags = flags | access_flags(q),
				       .pasid = q->pasid,
				       .address = q->iova},
			     .reason = FAULT_BLOCKED};

	if (q->pasid != IOMMU_NO_PASID)
		rep.event.flags |= AMD_FAULT_GN;
	return tell(q, NULL, &rep);
}

/* The host's tables refused a guest physical address: the host's to know. */
static int stage2_fault(const struct nested_request *q, const struct nested_fault *f)
{
	struct amd_event e = {.code = AMD_EVENT_IO_PAGE_FAULT};
	enum iommu_fault_reason reason = f->what == PT_FAULT_READ ? FAULT_GONE : FAULT_NOT_PRESENT;

	if (f->missing) {
		e.flags = AMD_FAULT_PR | AMD_FAULT_PE | access_flags(q);
		reason = f->missing & IOMMU_WRITE ? FAULT_WRITE : FAULT_READ;
	}
	return nested_host_fault(q, f, reason, amd_event_code(&e));
}

/* A look into the guest's structures failed. For ours they are memory that the guest promised. */
static int unreadable(const struct nested_request *q, const struct amd_note *note, uint8_t code,
		      const struct nested_fault *f)
{
	if (!viommu_of(q)->reads_table)
		return stage2_fault(q, f);
	return hardware_error(q, note, code, f);
}

static int stage1_fault(const struct nested_request *q, const struct amd_note *note,
			const struct nested_fault *f)
{
	switch ((enum pt_fault)f->what) {
	case PT_FAULT_NONE:
		return page_fault(q, note, AMD_FAULT_PR | AMD_FAULT_PE,
				  f->missing & IOMMU_WRITE ? FAULT_WRITE : FAULT_READ);
	case PT_FAULT_RESERVED:
	case PT_FAULT_ALIGN:
	case PT_FAULT_OUTPUT:
		return page_fault(q, note, AMD_FAULT_PR | AMD_FAULT_RZ, FAULT_NOT_PRESENT);
	case PT_FAULT_READ:
		return hardware_error(q, note, AMD_EVENT_PAGE_TAB_HARDWARE_ERROR, f);
	case PT_FAULT_INPUT:
		return page_fault(q, note, 0, FAULT_ADDRESS);
	case PT_FAULT_ABSENT:
	case PT_FAULT_ACCESSED:
		break;
	}
	return page_fault(q, note, 0, FAULT_NOT_PRESENT);
}

static int amd_nested_fault(const struct nested_request *q, const struct nested_context *ctx,
			    const struct nested_fault *f)
{
	const struct amd_note *note = nested_note(ctx, const struct amd_note);

	if (f->stage == 1)
		return stage1_fault(q, note, f);
	if (f->walk)
		return unreadable(q, note, AMD_EVENT_PAGE_TAB_HARDWARE_ERROR, f);
	return stage2_fault(q, f);
}

/* ---- configuration ---- */

static void limits(const struct amd_viommu *v, struct amd_limits *can)
{
	const struct amd *a = amd_of(v);

	*can = (struct amd_limits){
		.host_levels = a->levels,
		.guest_levels = a->guest_levels,
		.gcr3_levels = amd_gcr3_levels(a),
		.pasid_bits = a->pasid_bits,
		.giov = a->efr & AMD_EFR_GIOSUP,
		.accessed = a->efr & AMD_EFR_HASUP,
		.dirty = a->efr & AMD_EFR_HDSUP,
	};
}

/* True: @raw is the entry as it was read last; else @stamp is for remember_entry(). */
static bool entry_is_known(struct amd_viommu *v, uint64_t id, uint64_t raw[AMD_DTE_WORDS],
			   uint32_t *stamp)
{
	struct vdevice *vd;
	bool known = false;

	*stamp = 0;
	lock_acquire(&v->viommu.lock);
	vd = viommu_find(&v->viommu, id);
	if (vd) {
		struct amd_vdevice *a = amd_vdevice_of(vd);

		*stamp = a->wanted + 1;
		known = a->have == *stamp;
		memcpy(raw, a->dte, sizeof(a->dte));
	}
	lock_release(&v->viommu.lock);
	return known;
}

/* Invalidated meanwhile, or never known: it will be read again. */
static void remember_entry(struct amd_viommu *v, uint64_t id, const uint64_t raw[AMD_DTE_WORDS],
			   uint32_t stamp)
{
	struct vdevice *vd;

	lock_acquire(&v->viommu.lock);
	vd = viommu_find(&v->viommu, id);
	if (vd && amd_vdevice_of(vd)->wanted + 1 == stamp) {
		memcpy(amd_vdevice_of(vd)->dte, raw, sizeof(amd_vdevice_of(vd)->dte));
		amd_vdevice_of(vd)->have = stamp;
	}
	lock_release(&v->viommu.lock);
}

/* From the guest's device table. */
static int read_entry(const struct nested_request *q, struct amd_dte *out)
{
	struct amd_viommu *v = viommu_of(q);
	const uint64_t id = nested_virt_id(q);
	uint64_t raw[AMD_DTE_WORDS];
	struct amd_limits can;
	struct nested_fault f;
	uint32_t stamp;

	if (id >= v->table_entries)
		return illegal_entry(q, 0);
	/* Who looks sees what is there, not what was. */
	if (unlikely(q->look != NULL)) {
		const uint64_t at = v->table + id * AMD_DTE_SIZE;
		int rc = nested_read(q, at, raw, sizeof(raw), &f);

		look_tell_read(q, &amd_dte_kind, at, raw, rc);
		if (rc)
			return hardware_error(q, NULL, AMD_EVENT_DEV_TAB_HARDWARE_ERROR, &f);
	} else if (!entry_is_known(v, id, raw, &stamp)) {
		if (nested_read(q, v->table + id * AMD_DTE_SIZE, raw, sizeof(raw), &f))
			return hardware_error(q, NULL, AMD_EVENT_DEV_TAB_HARDWARE_ERROR, &f);
		remember_entry(v, id, raw, stamp);
	}
	limits(v, &can);
	switch (amd_dte_decode(raw, &can, out)) {
	case AMD_DTE_RESERVED:
		return illegal_entry(q, AMD_FAULT_RZ);
	case AMD_DTE_ILLEGAL:
		return illegal_entry(q, 0);
	case AMD_DTE_GOOD:
		break;
	}
	return 0;
}

/* The guest's CR3 of note->pasid. */
static int walk_gcr3(const struct nested_request *q, const struct amd_note *note,
		     const struct amd_dte *d, uint64_t *root)
{
	uint64_t table = d->gcr3, entry;
	struct nested_fault f;

	if (!amd_gcr3_reaches(d->gcr3_levels, note->pasid))
		return page_fault(q, note, 0, FAULT_BLOCKED);
	for (unsigned int level = d->gcr3_levels; level-- > 0; table = entry & AMD_GCR3_ADDR) {
		const uint64_t at = table + amd_gcr3_offset(level, note->pasid);
		int rc = nested_read(q, at, &entry, sizeof(entry), &f);

		look_tell_read(q, &amd_gcr3_kind, at, &entry, rc);
		if (rc)
			return unreadable(q, note, AMD_EVENT_PAGE_TAB_HARDWARE_ERROR, &f);
		if (!(entry & AMD_GCR3_V))
			return page_fault(q, note, 0, FAULT_BLOCKED);
		if (entry & AMD_GCR3_RESERVED)
			return page_fault(q, note, AMD_FAULT_PR | AMD_FAULT_RZ, FAULT_BLOCKED);
	}
	*root = table;
	return 0;
}

/*
 * 2.2.6: x86-64's tables. Accessed and dirty flags are always the IOMMU's to set. An address
 * without a PASID (GIoV) is not sign-extended.
 */
static int resolve_guest(const struct nested_request *q, const struct amd_dte *d,
			 struct nested_context *ctx)
{
	struct amd_note *note = nested_note(ctx, struct amd_note);
	const struct amd *a = amd_of(viommu_of(q));
	uint64_t root = 0;
	int rc;

	note->guest = true;
	note->pasid = q->pasid;
	note->user_checked = a->efr & AMD_EFR_USSUP;
	rc = walk_gcr3(q, note, d, &root);
	if (rc)
		return rc;
	note->regime = (struct pt_regime){
		.ops = &pt_amdv2,
		.root_pa = root,
		.levels = d->guest_levels,
		.ias = 12 + 9u * d->guest_levels,
		.oas = 52,
		.page_sizes = pt_amdv2.page_sizes,
		.flags = PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_TABLES |
			 (a->efr & AMD_EFR_NXSUP ? PT_WALK_NX : 0) |
			 (q->pasid == IOMMU_NO_PASID ? PT_UNSIGNED : 0),
	};
	ctx->tag.asid = q->pasid;
	ctx->tag.regime = AMD_REGIME_GUEST;
	return 0;
}

/* 2.2.3. HAD: the flags that the IOMMU sets. */
static void resolve_host(const struct amd_dte *d, struct nested_context *ctx)
{
	struct amd_note *note = nested_note(ctx, struct amd_note);

	ctx->tag.regime = AMD_REGIME_HOST;
	ctx->bypass = !d->mode;
	ctx->denied = note->denied;
	note->regime = (struct pt_regime){
		.ops = &pt_amdv1,
		.root_pa = d->root,
		.levels = d->mode,
		.ias = (unsigned int)min_u64(12 + 9u * d->mode, 64),
		.oas = 52,
		.page_sizes = ~PAGE_MASK, /* those above 2^52 are beyond the output */
		.flags = (d->had & 1 ? PT_WALK_ACCESSED | PT_WALK_TABLES : 0) |
			 (d->had & 2 ? PT_WALK_DIRTY : 0),
	};
}

/* The name of the guest's address space. Ours: d->domain is the guest's ID. */
static void set_tag(const struct nested_request *q, const struct amd_dte *d,
		    struct nested_context *ctx)
{
	struct amd_nested *n = nested_of(q->domain);

	ctx->tag.parent = q->domain->parent;
	ctx->tag.did = n->mapped ? n->mapped->host : n->viommu->window << 16 | d->domain;
}

static int amd_resolve(const struct nested_request *q, struct nested_context *ctx)
{
	struct amd_nested *n = nested_of(q->domain);
	struct amd_note *note = nested_note(ctx, struct amd_note);
	struct amd_dte d = n->dte;
	int rc = n->viommu->reads_table ? read_entry(q, &d) : 0;

	if (rc)
		return rc;
	if (!n->viommu->reads_table)
		look_tell_given(q, &amd_dte_kind, n->entry);
	ctx->bypass = !d.v;
	if (!d.v)
		return 0;
	note->domain = d.domain;
	note->se = d.se;
	note->sa = d.sa;
	note->denied = (uint8_t)((d.ir ? 0 : IOMMU_READ) | (d.iw ? 0 : IOMMU_WRITE));
	set_tag(q, &d, ctx);
	if (!d.tv)
		return page_fault(q, note, AMD_FAULT_PR | AMD_FAULT_PE, FAULT_BLOCKED);
	if (d.gv && (q->pasid != IOMMU_NO_PASID || d.giov))
		return resolve_guest(q, &d, ctx);
	note->guest = q->pasid != IOMMU_NO_PASID;
	note->pasid = q->pasid;
	if (note->guest) /* a PASID, and no guest tables */
		return page_fault(q, note, 0, FAULT_BLOCKED);
	resolve_host(&d, ctx);
	return 0;
}

static const struct pt_regime *amd_select(const struct nested_context *ctx, uint64_t iova,
					  uint64_t *va, uint64_t *within)
{
	const struct amd_note *note = nested_note(ctx, const struct amd_note);

	*va = *within = iova;
	return &note->regime;
}

/* Guest tables: the processor's rules with CR0.WP and EFER.NXE set. Host tables know no execution.
 */
static unsigned int table_permits(const struct amd_note *note, uint8_t may, unsigned int access)
{
	unsigned int permitted = may & PT_MAY_READ ? IOMMU_READ : 0;
	bool user = !(access & IOMMU_PRIV);

	if (may & PT_MAY_WRITE)
		permitted |= IOMMU_WRITE;
	if (!note->guest)
		return permitted | (permitted & IOMMU_READ ? IOMMU_EXEC : 0);
	if (user && note->user_checked && !(may & PT_MAY_UNPRIVILEGED))
		return 0;
	return permitted | (may & (user ? PT_MAY_EXEC : PT_MAY_PRIVILEGED_EXEC) ? IOMMU_EXEC : 0);
}

static unsigned int amd_permits(const struct nested_context *ctx, const struct pt_walk *w,
				unsigned int access)
{
	const struct amd_note *note = nested_note(ctx, const struct amd_note);

	return table_permits(note, w->may, access) & ~(unsigned int)note->denied;
}

/* ---- words ---- */

/* 2.4. The domain ID is the guest's own. */
static void amd_missing(const struct nested_request *q, const struct nested_context *ctx,
			enum nested_stale what, char *buf, size_t len)
{
	const struct amd_note *note = nested_note(ctx, const struct amd_note);
	const unsigned int id = (unsigned int)nested_virt_id(q);
	const unsigned long long page = q->iova & ~PAGE_MASK;

	switch (what) {
	case NESTED_STALE_CONFIG:
		snprintf(buf, len, "INVALIDATE_DEVTAB_ENTRY of DeviceID %#x%s", id,
			 note->guest ? " (INVALIDATE_IOMMU_PAGES with GN and PDE if the GCR3 table "
				       "changed)"
				     : "");
		break;
	case NESTED_STALE_ATC:
		snprintf(buf, len, "INVALIDATE_IOTLB_PAGES of DeviceID %#x, address %#llx", id,
			 page);
		break;
	case NESTED_STALE_PAGE:
		if (note->guest)
			snprintf(buf, len,
				 "INVALIDATE_IOMMU_PAGES with GN of DomainID %u, PASID %u, "
				 "address %#llx",
				 note->domain, note->pasid, page);
		else
			snprintf(buf, len, "INVALIDATE_IOMMU_PAGES of DomainID %u, address %#llx",
				 note->domain, page);
		break;
	}
}

/* ---- life ---- */

/*
 * Ours finds its entry by the vRID; Linux's kind knows devices without one, whose events then have
 * the host's name.
 */
static int attach_nested(struct domain *d, struct requester *r, uint32_t pasid, uint64_t *virt_id)
{
	struct amd_viommu *v = nested_of(d)->viommu;

	*virt_id = requester_rid(r);
	return viommu_name(&v->viommu, r, virt_id) || !v->reads_table ? 0 : -ENOENT;
}

static void amd_nested_free(struct domain *d)
{
	struct amd_nested *n = nested_of(d);

	if (n->mapped)
		amd_guest_domain_put(n->viommu, n->mapped);
	ioas_free(n);
}

static const struct nested_ops amd_nested_ops = {
	.free = amd_nested_free,
	.resolve = amd_resolve,
	.select = amd_select,
	.permits = amd_permits,
	.fault = amd_nested_fault,
	.attach = attach_nested,
	.missing = amd_missing,
	.page_request = amd_ppr_request,
	.pasids = true,
};

int amd_attach(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old)
{
	if (old && old->nested == &amd_nested_ops)
		amd_ppr_cancel(old, r);
	return 0;
}

/* 4.3, in Linux's order. */
static int check_guest_entry(const struct amd *a, const uint64_t raw[AMD_DTE_WORDS])
{
	const uint64_t gcr3 = (raw[0] & AMD_DTE0_GCR3_14_12) |
			      (raw[1] & (AMD_DTE1_GCR3_30_15 | AMD_DTE1_GCR3_51_31));
	const uint64_t guest = AMD_DTE0_V | AMD_DTE0_GV;
	const uint64_t gpmode = field_get(AMD_DTE2_GPMODE, raw[2]);

	if (raw[0] & (AMD_DTE0_MODE | AMD_DTE0_ROOT))
		return -EINVAL;
	if ((raw[0] & guest) == guest && !gcr3)
		return -EINVAL;
	if (gpmode > AMD_GPMODE_MAX || field_get(AMD_DTE0_GLX, raw[0]) == AMD_GLX_RESERVED)
		return -EINVAL;
	return gpmode + 4 > a->guest_levels ? -EOPNOTSUPP : 0;
}

/*
 * The entry that the IOMMU gets: the guest's PPR, GIoV, GLX, GCR3 table and paging mode in one that
 * is valid, translates through the parent and has GV set, whatever the guest's V and GV say (as
 * Linux makes it).
 */
static void compose(struct amd_nested *n, const uint64_t raw[AMD_DTE_WORDS])
{
	const uint64_t from0 = AMD_DTE0_PPR | AMD_DTE0_GLX | AMD_DTE0_GIOV | AMD_DTE0_GCR3_14_12;
	const uint64_t own0 = AMD_DTE0_V | AMD_DTE0_TV | AMD_DTE0_GV | AMD_DTE0_IR | AMD_DTE0_IW;
	const uint64_t entry[AMD_DTE_WORDS] = {
		(raw[0] & from0) | own0,
		(raw[1] & (AMD_DTE1_GCR3_30_15 | AMD_DTE1_GCR3_51_31)) | n->mapped->guest,
		raw[2] & AMD_DTE2_GPMODE,
	};
	const struct amd_limits any = {.guest_levels = 5, .gcr3_levels = 3, .giov = true};

	memcpy(n->entry, entry, sizeof(n->entry));
	amd_dte_decode(entry, &any, &n->dte);
}

static int make_from_entry(struct amd_nested *n, const struct user_data *data)
{
	uint64_t raw[AMD_DTE_WORDS];
	int rc = user_get(data, data->type, raw, sizeof(raw), sizeof(raw));

	if (!rc)
		rc = check_guest_entry(amd_of(n->viommu), raw);
	if (!rc)
		rc = amd_guest_domain_get(n->viommu, (uint16_t)(raw[1] & AMD_DTE1_DOMAIN),
					  &n->mapped);
	if (!rc)
		compose(n, raw);
	return rc;
}

static int make_from_table(const struct user_data *data)
{
	struct iommu_hwpt_ioas_amd wish;
	int rc = user_get(data, IOMMU_IOAS_AMD, &wish, sizeof(wish), sizeof(wish));

	if (rc)
		return rc;
	return wish.flags || wish.__reserved ? -EOPNOTSUPP : 0;
}

#define HWPT_DATA_AMD_GUEST 3 /* 16.4 */

int amd_nested_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
		     struct domain **out)
{
	struct amd_viommu *a = amd_viommu_of(v);
	struct amd_nested *n;
	int rc;

	if (data->type != (a->reads_table ? IOMMU_IOAS_AMD : HWPT_DATA_AMD_GUEST))
		return -EOPNOTSUPP;
	n = ioas_calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->viommu = a;
	rc = a->reads_table ? make_from_table(data) : make_from_entry(n, data);
	if (rc) {
		ioas_free(n);
		return rc;
	}
	domain_init_nested(&n->domain, v->iommu, v->parent, &amd_nested_ops);
	*out = &n->domain;
	return 0;
}
