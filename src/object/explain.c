/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refusals of ids, with the ids that there are, and of what an IOMMU has not got, with what it has.
 */
#include <string.h>

#include <ioas/abi/extensions.h>
#include <ioas/abi/iommufd.h>

#include "base/options.h"
#include "base/text.h"
#include "object/private.h"
#include "object/viommu.h"

#define LISTED 12 /* so many ids are named */

static const char *const names[OBJECT_TYPES] = {
	[OBJECT_ACCESS] = "an access",
	[OBJECT_DEVICE] = "a bound device",
	[OBJECT_FAULT] = "a fault queue",
	[OBJECT_HW_QUEUE] = "a HW queue",
	[OBJECT_HWPT_NESTED] = "a nested HWPT",
	[OBJECT_HWPT_PAGING] = "a paging HWPT",
	[OBJECT_IOAS] = "an IOAS",
	[OBJECT_OTHER] = "an object of the make's",
	[OBJECT_VDEVICE] = "a vDEVICE",
	[OBJECT_VEVENTQ] = "an event queue",
	[OBJECT_VIOMMU] = "a vIOMMU",
};

static bool is_of(const struct object *obj, unsigned int types)
{
	return types & BIT(obj->type);
}

static void add_wanted(struct text *t, unsigned int types)
{
	const char *before = "the id of ";

	for (unsigned int type = OBJECT_ANY + 1; type < OBJECT_TYPES; type++)
		if (types & BIT(type)) {
			text_add(t, "%s%s", before, names[type]);
			before = " or ";
		}
}

/* ctx->lock held. */
static void add_ids(struct text *t, struct iommufd *ctx, unsigned int types)
{
	const char *before = "; there are ";
	unsigned int n = 0;
	struct object *obj;
	uint32_t id = 0;

	while ((obj = ids_next(&ctx->ids, &id))) {
		if (!is_of(obj, types) || n++ >= LISTED)
			continue;
		text_add(t, "%s%u", before, id);
		before = ", ";
	}
	if (n > LISTED)
		text_add(t, " and %u more", n - LISTED);
	if (!n)
		text_add(t, "; there is none");
}

static void explain(struct iommufd *ctx, uint32_t id, unsigned int types, struct text *t)
{
	const struct object *obj;

	if (types == OBJECTS_ALL)
		text_add(t, "an id of this context");
	else
		add_wanted(t, types);
	lock_acquire(&ctx->lock);
	obj = ids_find(&ctx->ids, id);
	if (obj && !is_of(obj, types))
		text_add(t, "; %u is %s", id, names[obj->type]);
	add_ids(t, ctx, types);
	lock_release(&ctx->lock);
}

void object_refuse_report(struct iommufd *ctx, int err, const struct object_refusal *r)
{
	const struct sink *sink = &ctx->host->sink;
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);

	if (refuse_heard(sink))
		explain(ctx, r->id, r->types, &t);
	refuse(sink, err, r->rule, r->field, r->id, "%s", buf);
}

/* ---- what an IOMMU has ---- */

struct named {
	uint32_t value;
	const char *name;
};

static const struct named viommus[] = {
	{IOMMU_VIOMMU_TYPE_ARM_SMMUV3, "ARM_SMMUV3 1"},
	{IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV 2"},
	{IOMMU_VIOMMU_TYPE_IOAS_VTD, "IOAS_VTD 0x494f0000"},
	{IOMMU_VIOMMU_TYPE_IOAS_SMMUV3, "IOAS_SMMUV3 0x494f0001"},
	{IOMMU_VIOMMU_TYPE_IOAS_AMD, "IOAS_AMD 0x494f0002"},
};

/* A machine that could nest if it were made so. */
static void add_nesting(const struct iommu_make *make, struct text *t)
{
	for (const struct option_key *k = make->keys; k && k->name; k++)
		if (!strcmp(k->name, "nesting") && k->def && !strcmp(k->def, "off"))
			text_add(t, "; %s,nesting=on has some", make->name);
}

void explain_viommus(struct requester *r, struct text *t)
{
	const struct iommu_make *make = requester_iommu(r)->make;
	const char *before = "";

	for (size_t n = 0; make->viommu_type && n < ARRAY_SIZE(viommus); n++)
		if (make->viommu_type(r, viommus[n].value)) {
			text_add(t, "%s%s", before, viommus[n].name);
			before = ", ";
		}
	if (*before)
		return;
	text_add(t, "none: this %s has no vIOMMUs", make->name);
	add_nesting(make, t);
}

static const struct named domains[] = {
	{DOMAIN_NEST_PARENT, "NEST_PARENT"},
	{DOMAIN_DIRTY, "DIRTY_TRACKING"},
	{DOMAIN_PASID, "PASID"},
};

static bool has_domain(struct requester *r, uint32_t flags)
{
	struct domain_config cfg = {0};

	return !requester_iommu(r)->make->domain_config(requester_iommu(r), r, flags, NULL, &cfg);
}

void explain_domain(struct requester *r, uint32_t flags, bool data, struct text *t)
{
	const struct iommu_make *make = requester_iommu(r)->make;
	const char *before = "";

	if (data) {
		text_add(t, "NONE 0 with the id of an IOAS; a guest's tables stand on a vIOMMU%s",
			 make->domain_alloc_nested ? ", or on an HWPT made with NEST_PARENT" : "");
		return;
	}
	for (size_t n = 0; n < ARRAY_SIZE(domains); n++)
		if (flags & domains[n].value && !has_domain(r, domains[n].value)) {
			text_add(t, "%s%s", *before ? before : "no ", domains[n].name);
			before = ", ";
		}
	if (!*before) {
		text_add(t, "fewer of these flags: this %s has each, but not together", make->name);
		return;
	}
	text_add(t, ": this %s does not have it", make->name);
	if (flags & DOMAIN_NEST_PARENT && !has_domain(r, DOMAIN_NEST_PARENT))
		add_nesting(make, t);
}

/* ---- who holds what is to go ---- */

static uint32_t base_of_hwpt(const struct hwpt *hwpt)
{
	if (hwpt->viommu)
		return hwpt->viommu->obj.id;
	return hwpt->parent ? hwpt->parent->obj.id : hwpt->ioas->obj.id;
}

/* The id of what @obj was made on, and holds; 0: none. */
static uint32_t base_of(const struct object *obj)
{
	switch (obj->type) {
	case OBJECT_HWPT_PAGING:
	case OBJECT_HWPT_NESTED:
		return base_of_hwpt(container_of(obj, const struct hwpt, obj));
	case OBJECT_VIOMMU:
		return container_of(obj, const struct viommu_object, obj)->parent->obj.id;
	case OBJECT_VDEVICE:
		return container_of(obj, const struct vdevice_object, obj)->viommu->obj.id;
	default:
		return 0;
	}
}

void explain_users(struct iommufd *ctx, uint32_t id, struct text *t)
{
	struct object *obj;
	uint32_t of = 0;
	unsigned int n = 0;

	lock_acquire(&ctx->lock);
	while ((obj = ids_next(&ctx->ids, &of)))
		if (base_of(obj) == id && n++ < LISTED)
			text_add(t, "%s%u (%s)", n == 1 ? ", by " : ", ", of, names[obj->type]);
	lock_release(&ctx->lock);
}
