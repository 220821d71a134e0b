/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ids.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

/* Two addresses that no object has. */
static const char marks[2];
#define RESERVED ((void *)&marks[0])
#define BURIED	 ((void *)&marks[1])

void ids_init(struct ids *t)
{
	memset(t, 0, sizeof(*t));
}

void ids_destroy(struct ids *t)
{
	ioas_free(t->slots);
	ids_init(t);
}

static int grow(struct ids *t)
{
	size_t size = t->size ? t->size * 2 : FIRST_SIZE;
	void **slots;

	slots = ioas_realloc(t->slots, size * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + t->size, 0, (size - t->size) * sizeof(*slots));
	t->slots = slots;
	t->size = size;
	return 0;
}

int ids_reserve(struct ids *t, uint32_t *id)
{
	int rc;

	while (t->lowest < t->size && t->slots[t->lowest])
		t->lowest++;
	if (t->lowest == IDS_MAX)
		return -ENOSPC;
	if (t->lowest == t->size) {
		rc = grow(t);
		if (rc)
			return rc;
	}
	t->slots[t->lowest] = RESERVED;
	*id = (uint32_t)++t->lowest;
	return 0;
}

void ids_publish(struct ids *t, uint32_t id, void *object)
{
	t->slots[id - 1] = object;
}

void ids_hide(struct ids *t, uint32_t id)
{
	t->slots[id - 1] = RESERVED;
}

void ids_bury(struct ids *t, uint32_t id)
{
	t->slots[id - 1] = BURIED;
}

void ids_erase(struct ids *t, uint32_t id)
{
	t->slots[id - 1] = NULL;
	if (id - 1 < t->lowest)
		t->lowest = id - 1;
}

static bool is_object(const void *slot)
{
	return slot && slot != RESERVED && slot != BURIED;
}

void *ids_find(const struct ids *t, uint32_t id)
{
	void *slot = id && id <= t->size ? t->slots[id - 1] : NULL;

	return is_object(slot) ? slot : NULL;
}

void *ids_next(const struct ids *t, uint32_t *id)
{
	for (size_t i = *id; i < t->size; i++) {
		if (is_object(t->slots[i])) {
			*id = (uint32_t)i + 1;
			return t->slots[i];
		}
	}
	return NULL;
}
