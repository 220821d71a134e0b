/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/report_index.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 64

void index_free(struct index *t)
{
	free(t->slots);
	*t = (struct index){0};
}

static bool same(const struct index_key *a, const struct index_key *b)
{
	return a->a == b->a && a->b == b->b && a->c == b->c;
}

/* The slot of @key, or the free one where it belongs. */
static struct index_slot *slot_of(const struct index *t, const struct index_key *key)
{
	uint64_t sum = key->a * 0x9e3779b97f4a7c15;
	size_t at;

	sum = (sum ^ (sum >> 29) ^ key->b) * 0xbf58476d1ce4e5b9;
	sum = (sum ^ (sum >> 32) ^ key->c) * 0x94d049bb133111eb;
	at = (sum ^ sum >> 31) & (t->room - 1);
	while (t->slots[at].taken && !same(&t->slots[at].key, key))
		at = (at + 1) & (t->room - 1);
	return &t->slots[at];
}

uint32_t *index_find(const struct index *t, struct index_key key)
{
	struct index_slot *s;

	if (!t->n)
		return NULL;
	s = slot_of(t, &key);
	return s->taken ? &s->value : NULL;
}

static int grow(struct index *t)
{
	struct index more = {.n = t->n, .room = t->room ? 2 * t->room : FIRST_ROOM};

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].taken)
			*slot_of(&more, &t->slots[i].key) = t->slots[i];
	free(t->slots);
	*t = more;
	return 0;
}

int index_set(struct index *t, struct index_key key, uint32_t value)
{
	struct index_slot *s;

	if (2 * (t->n + 1) > t->room && grow(t))
		return -ENOMEM;
	s = slot_of(t, &key);
	t->n += !s->taken;
	*s = (struct index_slot){.key = key, .value = value, .taken = true};
	return 0;
}
