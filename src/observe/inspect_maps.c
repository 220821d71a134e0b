/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "maps": every area of every space, or those that hold an address.
 */
#include <errno.h>

#include "base/alloc.h"
#include "observe/inspect_private.h"
#include "observe/sanitize.h"

struct found {
	struct space_area area; /* its pages are not looked at any more */
	struct inspect_origin origin;
};

struct chunk {
	uint64_t context;
	uint32_t ioas; /* 0: a container's */
	const struct space *space;
	size_t n;
	struct found found[INSPECT_CHUNK];
};

static bool is_asked_for(const struct inspect *i, const struct space_area *a)
{
	struct pages_origin origin;

	switch (i->only) {
	case ONLY_IOVA:
		return i->address >= a->iova && i->address <= a->last;
	case ONLY_VA:
		pages_describe(a->pages, &origin);
		return origin.kind == PAGES_MEMORY &&
		       i->address - (origin.start + a->offset) <= a->last - a->iova;
	default:
		return true;
	}
}

/* True: the space has more behind this. */
static bool collect_space(struct inspect *i, struct space *s, struct chunk *c)
{
	uint64_t iova = i->at.in_space ? i->at.iova : 0;
	bool more = true;

	c->space = s;
	space_look_begin(s);
	for (unsigned int looked = 0; more && looked < INSPECT_CHUNK; looked++) {
		struct found *f = &c->found[c->n];

		more = !space_look_area(s, iova, &f->area);
		if (!more)
			break;
		if (is_asked_for(i, &f->area)) {
			inspect_origin_of(i->cfg->host, s, &f->area, &f->origin);
			c->n++;
		}
		iova = f->area.last + 1;
		more = iova != 0;
	}
	space_look_end(s);
	i->at.in_space = more;
	i->at.iova = iova;
	return more;
}

/* The first IOAS behind what was told. False: there is none. */
static bool collect_ioas(struct inspect *i, struct iommufd *ctx, struct chunk *c)
{
	struct object_brief b;
	struct object *obj;

	while (object_list(ctx, i->at.object, &b, 1)) {
		obj = b.type == OBJECT_IOAS ? object_get(ctx, b.id, OBJECT_IOAS) : NULL;
		if (!obj) {
			i->at.object = b.id;
			continue;
		}
		c->ioas = b.id;
		if (!collect_space(i, container_of(obj, struct ioas, obj)->space, c))
			i->at.object = b.id;
		object_put(ctx, obj);
		return true;
	}
	return false;
}

static bool collect_container(struct inspect *i, struct container *container, struct chunk *c)
{
	struct container_view view;
	bool more = false;

	container_look_begin(container, &view);
	if (view.space)
		more = collect_space(i, view.space, c);
	container_look_end(container);
	return more;
}

/* False: nothing is left. */
static bool collect(struct inspect *i, struct chunk *c)
{
	struct host *h = i->cfg->host;
	struct host_context *context;
	bool more;

	pthread_mutex_lock(&h->look_lock);
	context = inspect_context(h, i->at.context);
	if (context && context->number != i->at.context)
		i->at = (struct inspect_cursor){.context = context->number};
	if (context) {
		c->context = context->number;
		more = context->container ? collect_container(i, container_of_context(context), c)
					  : collect_ioas(i, iommufd_of_context(context), c);
		if (!more)
			i->at = (struct inspect_cursor){.context = context->number + 1};
	}
	pthread_mutex_unlock(&h->look_lock);
	return context != NULL;
}

/* The space may have gone by now: its address is no more than a name here. */
static void write_use(struct inspect *i, struct json *j, const struct chunk *c, uint64_t iova)
{
	struct finding_mapping m;

	if (!i->cfg->sanitizer || !sanitizer_mapping(i->cfg->sanitizer, c->space, iova, &m)) {
		json_string(j, "age_ns", NULL);
		json_string(j, "uses", NULL);
		return;
	}
	json_number(j, "age_ns", m.age_ns);
	json_number(j, "uses", m.uses);
}

static void write_found(struct inspect *i, struct json *j, const struct chunk *c, struct found *f)
{
	json_object(j, NULL);
	json_number(j, "context", c->context);
	if (c->ioas)
		json_number(j, "ioas", c->ioas);
	else
		json_string(j, "ioas", NULL);
	json_hex(j, "iova", f->area.iova);
	json_hex(j, "last", f->area.last);
	json_number(j, "length", f->area.last - f->area.iova + 1);
	inspect_permissions(j, "permissions", f->area.prot & SPACE_READ,
			    f->area.prot & SPACE_WRITE);
	inspect_origin_write(i, j, &f->origin);
	write_use(i, j, c, f->area.iova);
	json_object_end(j);
	inspect_origin_free(&f->origin);
}

int inspect_maps(struct inspect *i, struct json *j)
{
	struct chunk *c = ioas_calloc(1, sizeof(*c));
	bool more;

	if (!c)
		return -ENOMEM;
	if (!i->begun) {
		i->begun = true;
		json_object(j, NULL);
		inspect_head(i, j);
		json_array(j, "mappings");
	}
	more = collect(i, c);
	for (size_t n = 0; n < c->n; n++)
		write_found(i, j, c, &c->found[n]);
	ioas_free(c);
	if (more)
		return 1;
	json_array_end(j);
	json_object_end(j);
	return 0;
}
