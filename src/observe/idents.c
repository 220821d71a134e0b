/* SPDX-License-Identifier: BSD-3-Clause */
#include "observe/idents.h"

#define REMOVED 1u

void idents_init(struct idents *s)
{
	lock_init(&s->lock, LOCK_OBSERVE);
}

static unsigned int place_of(uintptr_t key)
{
	return (unsigned int)((uint64_t)key * 0x9e3779b97f4a7c15 >> 40) % IDENTS_ROOM;
}

/* Where @key is; IDENTS_ROOM: nowhere. */
static unsigned int place_find(const struct idents *s, uintptr_t key)
{
	unsigned int at = place_of(key);

	for (unsigned int n = 0; n < IDENTS_ROOM; n++, at = (at + 1) % IDENTS_ROOM) {
		uintptr_t there = __atomic_load_n(&s->entries[at].key, __ATOMIC_ACQUIRE);

		if (there == key)
			return at;
		if (!there)
			break;
	}
	return IDENTS_ROOM;
}

uint64_t idents_find(const struct idents *s, const void *key)
{
	unsigned int at = place_find(s, (uintptr_t)key);

	return at < IDENTS_ROOM ? __atomic_load_n(&s->entries[at].number, __ATOMIC_RELAXED) : 0;
}

/* With the lock. Where one may be added. */
static unsigned int place_free(const struct idents *s, uintptr_t key)
{
	unsigned int at = place_of(key);

	for (unsigned int n = 0; n < IDENTS_ROOM; n++, at = (at + 1) % IDENTS_ROOM)
		if (s->entries[at].key <= REMOVED)
			return at;
	return IDENTS_ROOM;
}

uint64_t idents_number(struct idents *s, const void *key)
{
	uint64_t number = idents_find(s, key);
	unsigned int at;

	if (number || !key)
		return number;
	lock_acquire(&s->lock);
	number = idents_find(s, key);
	at = number ? IDENTS_ROOM : place_free(s, (uintptr_t)key);
	if (at < IDENTS_ROOM) {
		number = ++s->last;
		__atomic_store_n(&s->entries[at].number, number, __ATOMIC_RELAXED);
		__atomic_store_n(&s->entries[at].key, (uintptr_t)key, __ATOMIC_RELEASE);
	}
	lock_release(&s->lock);
	return number;
}

uint64_t idents_remove(struct idents *s, const void *key)
{
	unsigned int at;
	uint64_t number = 0;

	lock_acquire(&s->lock);
	at = place_find(s, (uintptr_t)key);
	if (at < IDENTS_ROOM) {
		number = s->entries[at].number;
		__atomic_store_n(&s->entries[at].key, REMOVED, __ATOMIC_RELEASE);
	}
	lock_release(&s->lock);
	return number;
}
