/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "walk": every entry and structure on the way of one address, and where the way ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "iommu/look.h"
#include "observe/inspect_private.h"

/* What has been told of the way so far. */
struct way {
	struct json *j;
	bool nested;
	/* Entries of stage 2 whose reason is not known yet: what they lead to comes next. */
	unsigned int nr_below;
	const struct pt_ops *format;
	struct pt_step below[PT_MAX_LEVELS];
};

/* ---- entries ---- */

static const char *const fault_words[] = {
	[PT_FAULT_NONE] = NULL,
	[PT_FAULT_INPUT] = "beyond the input width",
	[PT_FAULT_ABSENT] = "not present",
	[PT_FAULT_RESERVED] = "a reserved bit or encoding",
	[PT_FAULT_ALIGN] = "a misaligned leaf",
	[PT_FAULT_OUTPUT] = "beyond the output width",
	[PT_FAULT_ACCESSED] = "the accessed flag is clear",
	[PT_FAULT_READ] = "the table cannot be read",
};

static const char *words_of(unsigned int fault)
{
	return fault < ARRAY_SIZE(fault_words) ? fault_words[fault] : "unknown";
}

static void write_value(struct json *j, const char *name, uint64_t mask, uint64_t value)
{
	value = (value & mask) >> __builtin_ctzll(mask);
	if (mask & (mask - 1))
		json_hex(j, name, value);
	else
		json_number(j, name, value);
}

/* Every field that an entry of this kind has, set or not. */
static void write_fields(struct json *j, const struct pt_ops *format, const struct pt_step *s)
{
	uint8_t in = s->level ? PT_IN_BLOCK : PT_IN_PAGE;

	if (s->kind == PT_STEP_TABLE)
		in = PT_IN_TABLE;
	json_object(j, "fields");
	for (const struct pt_field *f = format->fields; f && f->name; f++)
		if (f->in & in)
			write_value(j, f->name, f->mask, s->raw);
	json_object_end(j);
}

static void write_entry(struct json *j, unsigned int stage, const struct pt_ops *format,
			const struct pt_step *s)
{
	static const char *const kinds[] = {
		[PT_STEP_EMPTY] = "empty", [PT_STEP_TABLE] = "table", [PT_STEP_LEAF] = "leaf"};
	const unsigned int fault =
		s->kind == PT_STEP_EMPTY && !s->fault ? PT_FAULT_ABSENT : s->fault;
	char words[512];

	if (stage)
		json_number(j, "stage", stage);
	else
		json_string(j, "stage", NULL);
	json_string(j, "format", format->name);
	json_number(j, "level", s->level);
	json_hex(j, "table", s->table_pa);
	json_number(j, "index", s->index);
	json_hex(j, "entry", s->raw);
	json_string(j, "kind", kinds[s->kind]);
	pt_words(format, s, words, sizeof(words));
	json_string(j, "words", words);
	write_fields(j, format, s);
	json_string(j, "fault", words_of(fault));
	json_hex(j, "covers", s->iova);
	json_hex(j, "size", s->lg2 < 64 ? BIT(s->lg2) : 0);
	if (s->kind == PT_STEP_EMPTY)
		return;
	json_hex(j, "address", s->pa);
	if (s->kind == PT_STEP_LEAF)
		inspect_permissions(j, "permissions", s->prot & PT_READ, s->prot & PT_WRITE);
}

static void write_below(struct way *w, unsigned int stage)
{
	for (unsigned int k = 0; k < w->nr_below; k++) {
		json_object(w->j, NULL);
		write_entry(w->j, stage, w->format, &w->below[k]);
		json_object_end(w->j);
	}
	w->nr_below = 0;
}

static void write_below_of(struct way *w)
{
	json_array(w->j, "stage2");
	write_below(w, 2);
	json_array_end(w->j);
}

static void on_entry(void *arg, unsigned int stage, const struct pt_ops *format,
		     const struct pt_step *s)
{
	struct way *w = arg;

	if (stage == 2) {
		if (w->nr_below < PT_MAX_LEVELS)
			w->below[w->nr_below++] = *s;
		w->format = format;
		return;
	}
	json_object(w->j, NULL);
	write_entry(w->j, 1, format, s);
	write_below_of(w);
	json_object_end(w->j);
}

static void write_structure(struct json *j, const struct look_structure *s)
{
	json_array(j, "entry");
	for (unsigned int n = 0; s->words && n < s->kind->nr_words; n++)
		json_hex(j, NULL, s->words[n]);
	json_array_end(j);
	json_object(j, "fields");
	for (const struct look_field *f = s->kind->fields; s->words && f->name; f++)
		write_value(j, f->name, f->mask, s->words[f->word]);
	json_object_end(j);
	json_string(j, "fault", s->words ? NULL : words_of(PT_FAULT_READ));
}

static void on_structure(void *arg, const struct look_structure *s)
{
	struct way *w = arg;

	json_object(w->j, NULL);
	json_string(w->j, "kind", "structure");
	json_string(w->j, "name", s->kind->name);
	json_bool(w->j, "given", s->given);
	if (s->given)
		json_string(w->j, "address", NULL);
	else
		json_hex(w->j, "address", s->gpa);
	write_structure(w->j, s);
	write_below_of(w);
	json_object_end(w->j);
}

static const struct look_ops way_ops = {.entry = on_entry, .structure = on_structure};

/* ---- the end of the way ---- */

static const char *const end_names[] = {
	[LOOK_BLOCKED] = "blocked", [LOOK_MESSAGE] = "message", [LOOK_REFUSED] = "refused",
	[LOOK_STAGE1] = "stage1",   [LOOK_STAGE2] = "stage2",	[LOOK_NO_MEMORY] = "no-memory",
	[LOOK_FOUND] = "found",
};

static void describe_end(const struct look_result *r, char *text, size_t len)
{
	const char *where =
		r->fetch ? "a table or structure of stage 1 lies there" : "the data would be there";

	switch (r->end) {
	case LOOK_BLOCKED:
		snprintf(text, len, "nothing is attached: every access is refused");
		return;
	case LOOK_MESSAGE:
		snprintf(text, len, "an interrupt message, which is not translated");
		return;
	case LOOK_REFUSED:
		snprintf(text, len, "the configuration refuses it: %s (code %#x)",
			 iommu_fault_words(r->reason), r->code);
		return;
	case LOOK_STAGE1:
		snprintf(text, len, "stage 1: %s", words_of(r->fault));
		return;
	case LOOK_STAGE2:
		if (r->nested)
			snprintf(text, len, "stage 2: %s; %s", words_of(r->fault), where);
		else
			snprintf(text, len, "%s", words_of(r->fault));
		return;
	case LOOK_NO_MEMORY:
		snprintf(text, len, "mapped, but there is no memory%s",
			 r->fetch ? " where a table or structure should be" : " any more");
		return;
	case LOOK_FOUND:
		snprintf(text, len, "%s", r->bypass ? "found, without stage 1" : "found");
		return;
	}
}

static const char *memory_name(uint8_t kind)
{
	static const char *const names[] = {
		[MEMORY_FREE] = "none",
		[MEMORY_PRIVATE] = "private",
		[MEMORY_SHARED] = "shared",
		[MEMORY_FILE] = "file",
		[MEMORY_BAR] = "bar",
		[MEMORY_TABLE] = "table",
		[MEMORY_FOREIGN] = "private",
		[MEMORY_GONE] = "gone",
		[MEMORY_REGISTERED] = "registered",
		[MEMORY_DIRECT] = "registered",
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

static void write_result(struct json *j, const struct look_result *r)
{
	char text[256] = "";

	describe_end(r, text, sizeof(text));
	json_object(j, "result");
	json_string(j, "end", end_names[r->end]);
	json_string(j, "text", text);
	if (r->nested && (r->stage1_lg2 || r->bypass))
		json_hex(j, "gpa", r->gpa);
	if (r->stage1_lg2) {
		json_hex(j, "stage1_size", BIT(r->stage1_lg2));
		inspect_permissions(j, "stage1_permissions", r->stage1_prot & PT_MAY_READ,
				    r->stage1_prot & PT_MAY_WRITE);
	}
	if (r->end == LOOK_FOUND) {
		json_hex(j, "pa", r->pa);
		json_hex(j, "size", BIT(r->lg2));
		inspect_permissions(j, "permissions", r->prot & PT_READ, r->prot & PT_WRITE);
		json_string(j, "memory", memory_name(r->kind));
	}
	json_object_end(j);
}

static void write_cache(struct json *j, const char *key, const struct look_cached *c)
{
	if (!c->known) {
		json_string(j, key, NULL);
		return;
	}
	json_object(j, key);
	json_bool(j, "held", c->held);
	if (c->held) {
		json_hex(j, "size", BIT(c->lg2));
		inspect_permissions(j, "permissions", c->perms & IOMMU_READ,
				    c->perms & IOMMU_WRITE);
	}
	json_object_end(j);
}

static void write_caches(struct inspect *i, struct json *j, struct requester *r)
{
	struct look_cached iotlb, atc;
	uint64_t pending;

	look_caches(r, i->pasid, i->iova, &iotlb, &atc, &pending);
	write_cache(j, "iotlb", &iotlb);
	write_cache(j, "atc", &atc);
	json_number(j, "pending_invalidations", pending);
}

/* ---- the whole ---- */

/* The mapping that the last address of the way belongs to. */
struct mapping {
	bool there;
	struct space_area area;
	struct inspect_origin origin;
};

static void find_mapping(struct inspect *i, struct space *s, const struct look_result *r,
			 struct mapping *m)
{
	const uint64_t addr = r->nested ? r->gpa : i->iova;

	if (r->nested && !r->stage1_lg2 && !r->bypass)
		return;
	m->there = !space_look_area(s, addr, &m->area) && m->area.iova <= addr;
	if (!m->there)
		return;
	inspect_origin_of(i->cfg->host, s, &m->area, &m->origin);
	m->origin.in_area = addr - m->area.iova;
}

static void write_mapping(struct inspect *i, struct json *j, struct mapping *m)
{
	if (!m->there) {
		json_string(j, "mapping", NULL);
		return;
	}
	json_object(j, "mapping");
	json_hex(j, "iova", m->area.iova);
	json_hex(j, "last", m->area.last);
	inspect_permissions(j, "permissions", m->area.prot & SPACE_READ,
			    m->area.prot & SPACE_WRITE);
	inspect_origin_write(i, j, &m->origin);
	json_object_end(j);
	inspect_origin_free(&m->origin);
}

/* With the group's lock: what the device is attached to stays. */
static void walk(struct inspect *i, struct json *j, struct host_device *d, struct mapping *m)
{
	struct domain *domain = look_domain(d->requester, i->pasid);
	struct space *s = domain ? (struct space *)domain_space(domain) : NULL;
	struct way w = {.j = j};
	struct look_result r;

	w.nested = domain && domain_is_nested(domain);
	json_bool(j, "nested", w.nested);
	json_array(j, "way");
	if (s)
		space_look_begin(s);
	look_translate(d->requester, i->pasid, i->iova, &way_ops, &w, &r);
	if (s) {
		find_mapping(i, s, &r, m);
		space_look_end(s);
	}
	write_below(&w, w.nested ? 2 : 0);
	json_array_end(j);
	write_result(j, &r);
	write_caches(i, j, d->requester);
}

static struct host_device *find(struct inspect *i)
{
	struct host *h = i->cfg->host;
	struct host_device *d = host_find_device(h, i->device);
	char longer[32];

	if (!d) {
		snprintf(longer, sizeof(longer), "0000:%s", i->device);
		d = host_find_device(h, longer);
	}
	return d && !__atomic_load_n(&d->absent, __ATOMIC_RELAXED) ? d : NULL;
}

int inspect_walk(struct inspect *i, struct json *j)
{
	struct host *h = i->cfg->host;
	struct mapping m = {.there = false};
	struct host_device *d;

	pthread_mutex_lock(&h->look_lock);
	d = find(i);
	if (!d) {
		pthread_mutex_unlock(&h->look_lock);
		inspect_error(j, "there is no such device");
		return 0;
	}
	json_object(j, NULL);
	inspect_head(i, j);
	json_string(j, "device", d->name);
	json_hex(j, "rid", requester_rid(d->requester));
	json_number(j, "pasid", i->pasid);
	json_hex(j, "iova", i->iova);
	pthread_mutex_lock(&d->group->lock);
	walk(i, j, d, &m);
	pthread_mutex_unlock(&d->group->lock);
	pthread_mutex_unlock(&h->look_lock);
	write_mapping(i, j, &m);
	json_object_end(j);
	return 0;
}
