/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/vtd/stage.h"

#include "pagetable/fmt_vtd_fs.h"

#define SZ_4K 0x1000ull
#define SZ_2M 0x200000ull
#define SZ_1G 0x40000000ull

/* Hardware always sets these flags (3.6.2). */
struct pt_regime vtd_first_stage_regime(uint64_t root, unsigned int levels, bool large)
{
	return (struct pt_regime){
		.ops = &pt_vtd_fs,
		.root_pa = root,
		.levels = levels,
		.ias = levels == 5 ? 57 : 48,
		.oas = 52,
		.page_sizes = SZ_4K | SZ_2M | (large ? SZ_1G : 0),
		.flags = PT_WALK_ACCESSED | PT_WALK_DIRTY | PT_WALK_TABLES,
	};
}

static bool is_first(const struct vtd_stage *s)
{
	return s->regime.ops == &pt_vtd_fs;
}

static bool is_privileged(const struct vtd_stage *s, unsigned int access)
{
	return s->privileged || access & IOMMU_PRIV;
}

/* 3.6.1: access rights; a request that is not privileged is the user's. */
static unsigned int first_permits(const struct vtd_stage *s, uint8_t may, unsigned int access)
{
	const bool privileged = is_privileged(s, access), user_page = may & PT_MAY_UNPRIVILEGED;
	unsigned int rights = IOMMU_READ;

	if (privileged ? !s->sre : !user_page)
		return 0;
	if (may & PT_MAY_WRITE || (privileged && !s->wpe))
		rights |= IOMMU_WRITE;
	if (s->ere && may & PT_MAY_EXEC && !(privileged && s->smep && user_page))
		rights |= IOMMU_EXEC;
	return rights;
}

unsigned int vtd_stage_permits(const struct vtd_stage *s, const struct pt_walk *w,
			       unsigned int access)
{
	if (is_first(s))
		return first_permits(s, w->may, access);
	return (w->may & PT_MAY_READ ? IOMMU_READ : 0) | (w->may & PT_MAY_WRITE ? IOMMU_WRITE : 0);
}

uint64_t vtd_stage_marked(const struct vtd_stage *s, uint64_t raw, bool table, bool dirty)
{
	raw = s->regime.ops->marked(raw, dirty && !table);
	return is_first(s) && s->eafe ? raw | VTD_FS_EA : raw;
}

static bool at_root(const struct vtd_stage *s, const struct nested_fault *f)
{
	return f->level + 1u == s->regime.levels;
}

/* A table that is not memory. */
static struct vtd_reason unreadable(const struct vtd_stage *s, const struct nested_fault *f)
{
	enum vtd_fault code = s->legacy ? VTD_FAULT_SS_ACCESS : VTD_FAULT_SM_SS_ACCESS;

	if (is_first(s))
		code = at_root(s, f) ? VTD_FAULT_FS_ROOT_ACCESS : VTD_FAULT_FS_ACCESS;
	else if (!s->legacy && at_root(s, f))
		code = VTD_FAULT_SM_SS_ROOT_ACCESS;
	return (struct vtd_reason){FAULT_GONE, code};
}

static struct vtd_reason not_writable(const struct vtd_stage *s, enum iommu_fault_reason reason)
{
	return (struct vtd_reason){reason, s->legacy ? VTD_FAULT_WRITE : VTD_FAULT_SM_WRITE};
}

static struct vtd_reason not_readable(const struct vtd_stage *s, enum iommu_fault_reason reason)
{
	return (struct vtd_reason){reason, s->legacy ? VTD_FAULT_READ : VTD_FAULT_SM_READ};
}

/* Entries were there; what they say, or the PASID entry, does not permit it. */
static struct vtd_reason forbidden(const struct vtd_stage *s, const struct nested_request *q,
				   const struct nested_fault *f)
{
	const bool write = f->missing & IOMMU_WRITE;
	const enum iommu_fault_reason reason = write ? FAULT_WRITE : FAULT_READ;

	if (is_first(s)) {
		if (is_privileged(s, q->access) && !s->sre)
			return (struct vtd_reason){reason, VTD_FAULT_NO_SRE};
		if (q->access & IOMMU_EXEC && !s->ere)
			return (struct vtd_reason){reason, VTD_FAULT_NO_ERE};
		if (!is_privileged(s, q->access) && !(f->may & PT_MAY_UNPRIVILEGED))
			return (struct vtd_reason){reason, VTD_FAULT_USER};
		if (f->missing & IOMMU_EXEC)
			return (struct vtd_reason){reason, VTD_FAULT_EXECUTE};
	}
	return write ? not_writable(s, reason) : not_readable(s, reason);
}

static struct vtd_reason beyond_input(const struct vtd_stage *s)
{
	if (is_first(s))
		return (struct vtd_reason){FAULT_ADDRESS, VTD_FAULT_NOT_CANONICAL};
	return (struct vtd_reason){FAULT_ADDRESS,
				   s->legacy ? VTD_FAULT_BEYOND_MGAW : VTD_FAULT_SM_BEYOND_INPUT};
}

static struct vtd_reason reserved(const struct vtd_stage *s)
{
	enum vtd_fault code = s->legacy ? VTD_FAULT_SS_RESERVED : VTD_FAULT_SM_SS_RESERVED;

	return (struct vtd_reason){FAULT_NOT_PRESENT, is_first(s) ? VTD_FAULT_FS_RESERVED : code};
}

/* The guest's own entries. */
static struct vtd_reason first_reason(const struct vtd_stage *s, const struct nested_request *q,
				      const struct nested_fault *f)
{
	switch ((enum pt_fault)f->what) {
	case PT_FAULT_INPUT:
		return beyond_input(s);
	case PT_FAULT_RESERVED:
	case PT_FAULT_ALIGN:
	case PT_FAULT_OUTPUT:
		return reserved(s);
	case PT_FAULT_READ:
		return unreadable(s, f);
	case PT_FAULT_ABSENT:
		if (is_first(s))
			return (struct vtd_reason){FAULT_NOT_PRESENT, VTD_FAULT_FS_NOT_PRESENT};
		return q->access & IOMMU_WRITE ? not_writable(s, FAULT_NOT_PRESENT)
					       : not_readable(s, FAULT_NOT_PRESENT);
	case PT_FAULT_ACCESSED: /* hardware sets it, or nobody looks at it */
	case PT_FAULT_NONE:
		break;
	}
	return forbidden(s, q, f);
}

/* The second stage, at the address of a first-stage table. */
static struct vtd_reason table_reason(const struct vtd_stage *s, const struct nested_fault *f)
{
	switch ((enum pt_fault)f->what) {
	case PT_FAULT_INPUT:
		return (struct vtd_reason){FAULT_ADDRESS, VTD_FAULT_NESTED_FS_BEYOND};
	case PT_FAULT_READ:
		return unreadable(s, f);
	default:
		break;
	}
	if (f->missing & IOMMU_WRITE)
		return (struct vtd_reason){FAULT_WRITE, VTD_FAULT_NESTED_FS_WRITE};
	return (struct vtd_reason){FAULT_READ, at_root(s, f) ? VTD_FAULT_NESTED_FS_ROOT_READ
							     : VTD_FAULT_NESTED_FS_READ};
}

/* The second stage, at the address that the first stage gave. */
static struct vtd_reason data_reason(const struct nested_request *q, const struct nested_fault *f)
{
	const bool write = (f->missing ? f->missing : q->access) & IOMMU_WRITE;
	enum iommu_fault_reason reason = FAULT_NOT_PRESENT;

	if (f->what == PT_FAULT_INPUT)
		return (struct vtd_reason){FAULT_ADDRESS, VTD_FAULT_SM_BEYOND_INPUT};
	if (f->what == PT_FAULT_READ)
		reason = FAULT_GONE;
	else if (f->what == PT_FAULT_NONE)
		reason = write ? FAULT_WRITE : FAULT_READ;
	return (struct vtd_reason){reason, write ? VTD_FAULT_SM_WRITE : VTD_FAULT_SM_READ};
}

struct vtd_reason vtd_stage_reason(const struct vtd_stage *s, const struct nested_request *q,
				   const struct nested_fault *f, bool nested)
{
	if (f->stage == 1)
		return first_reason(s, q, f);
	if (!f->walk)
		return data_reason(q, f);
	return nested ? table_reason(s, f) : unreadable(s, f);
}
