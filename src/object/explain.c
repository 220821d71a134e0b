/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refusals of ids, with the ids that there are.
 */
#include "base/text.h"
#include "object/private.h"

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
