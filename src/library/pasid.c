/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All there is to know about a PASID stands in one word: whose it is, the guest's number for it,
 * how many references there are, whether it was freed. Readers load it once; references change it
 * by compare-and-swap; what else changes does so under the space's lock.
 *
 * The entries lie in leaves that are made when needed and stay until the space goes, so that a
 * number from anywhere can be looked up at any time. A set's guest numbers lie in leaves likewise.
 * What such a leaf says is a hint that the word of the PASID confirms.
 */
#include <ioas/ioas.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/ids.h"
#include "base/list.h"
#include "base/lock.h"
#include "iommu/iommu.h"

#define LEAF_BITS 10u
#define LEAF	  (1u << LEAF_BITS)
#define LEAVES	  (1u << (PASID_BITS - LEAF_BITS))
#define LAST_EVER ((1u << PASID_BITS) - 1)

/* The word. 0: nobody's. */
#define WORD_GUEST FIELD(19, 0) /* 0: it has no number there */
#define WORD_SET   FIELD(39, 20)
#define WORD_FREED BIT(40)
#define WORD_REFS  FIELD(63, 41)
#define ONE_REF	   BIT(41)
#define MAX_REFS   MASK(23)

struct entry {
	uint64_t word;
	/* Written before the word, and again when nobody has a reference. */
	struct ioas_pasid_set *set;
	void *data;
};

struct leaf {
	struct entry entries[LEAF];
	uint64_t taken[LEAF / 64]; /* under the lock, as the next */
	unsigned int nr_taken;
};

struct ioas_pasid_space {
	uint32_t last; /* PASID */
	struct lock lock;
	uint32_t promised; /* the sets' quotas */
	struct ids sets;   /* their numbers in words */
	struct leaf *leaves[LEAVES];
};

struct listener {
	struct list link;
	struct ioas_pasid_listener l;
};

struct ioas_pasid_set {
	struct ioas_pasid_space *space;
	uint32_t number;
	uint32_t min, max;
	uint32_t quota, used; /* under the space's lock */
	uint32_t refs;	      /* under the same: the owner's, and one for each PASID */
	void *owner;
	uint32_t *guests[LEAVES];  /* PASIDs by the guest's number, 0: none */
	pthread_mutex_t listening; /* recursive; the list, and while listeners run */
	struct list listeners;
};

static struct leaf *leaf_of(const struct ioas_pasid_space *s, uint32_t pasid)
{
	return __atomic_load_n(&s->leaves[pasid >> LEAF_BITS], __ATOMIC_ACQUIRE);
}

/* NULL: nobody ever had it. */
static struct entry *entry_of(const struct ioas_pasid_space *s, uint32_t pasid)
{
	struct leaf *leaf = pasid <= s->last ? leaf_of(s, pasid) : NULL;

	return leaf ? &leaf->entries[pasid & MASK(LEAF_BITS)] : NULL;
}

static uint64_t word_of(const struct entry *e)
{
	return e ? __atomic_load_n(&e->word, __ATOMIC_ACQUIRE) : 0;
}

static bool is_alive(uint64_t word)
{
	return word && !(word & WORD_FREED);
}

static bool belongs(uint64_t word, const struct ioas_pasid_set *set)
{
	return field_get(WORD_SET, word) == set->number;
}

static bool change(struct entry *e, uint64_t *word, uint64_t to)
{
	return __atomic_compare_exchange_n(&e->word, word, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

int ioas_pasid_space_create(unsigned int bits, struct ioas_pasid_space **out)
{
	struct ioas_pasid_space *s;

	if (!bits || bits > PASID_BITS)
		return -EINVAL;
	s = ioas_calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->last = (uint32_t)MASK(bits);
	lock_init(&s->lock, LOCK_PASIDS);
	ids_init(&s->sets);
	*out = s;
	return 0;
}

void ioas_pasid_space_destroy(struct ioas_pasid_space *s)
{
	for (unsigned int i = 0; i < LEAVES; i++)
		ioas_free(s->leaves[i]);
	ids_destroy(&s->sets);
	ioas_free(s);
}

static void free_set(struct ioas_pasid_set *set)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &set->listeners)
		ioas_free(list_entry(pos, struct listener, link));
	for (unsigned int i = 0; i < LEAVES; i++)
		ioas_free(set->guests[i]);
	pthread_mutex_destroy(&set->listening);
	ioas_free(set);
}

/* Whether that was the last one. Lock held. */
static bool leave_set(struct ioas_pasid_set *set)
{
	if (--set->refs)
		return false;
	set->space->promised -= set->quota;
	ids_erase(&set->space->sets, set->number);
	return true;
}

/* Sets @quota apart in the place of what the set had. Lock held. */
static int promise(struct ioas_pasid_set *set, uint32_t quota)
{
	struct ioas_pasid_space *s = set->space;

	if (!quota || quota > set->max - set->min + 1)
		return -EINVAL;
	if (quota < set->used)
		return -EBUSY;
	if (quota > s->last - (s->promised - set->quota))
		return -ENOSPC;
	s->promised += quota - set->quota;
	set->quota = quota;
	return 0;
}

static int join_space(struct ioas_pasid_set *set, uint32_t quota)
{
	struct ioas_pasid_space *s = set->space;
	int rc;

	lock_acquire(&s->lock);
	rc = promise(set, quota);
	if (!rc)
		rc = ids_reserve(&s->sets, &set->number);
	if (rc)
		s->promised -= set->quota;
	lock_release(&s->lock);
	return rc;
}

static void init_recursive(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
}

int ioas_pasid_set_create(struct ioas_pasid_space *s, const struct ioas_pasid_set_config *cfg,
			  struct ioas_pasid_set **out)
{
	struct ioas_pasid_set *set;
	uint32_t max = cfg->max && cfg->max < s->last ? cfg->max : s->last;
	int rc;

	if (cfg->min > max)
		return -EINVAL;
	set = ioas_calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->space = s;
	set->min = cfg->min ? cfg->min : 1;
	set->max = max;
	set->refs = 1;
	set->owner = cfg->owner;
	list_init(&set->listeners);
	init_recursive(&set->listening);
	rc = join_space(set, cfg->quota);
	if (rc) {
		free_set(set);
		return rc;
	}
	*out = set;
	return 0;
}

int ioas_pasid_set_resize(struct ioas_pasid_set *set, uint32_t quota)
{
	int rc;

	lock_acquire(&set->space->lock);
	rc = promise(set, quota);
	lock_release(&set->space->lock);
	return rc;
}

void *ioas_pasid_set_owner(const struct ioas_pasid_set *set)
{
	return set->owner;
}

uint32_t ioas_pasid_set_used(struct ioas_pasid_set *set)
{
	uint32_t used;

	lock_acquire(&set->space->lock);
	used = set->used;
	lock_release(&set->space->lock);
	return used;
}

/* --- The numbers, under the lock
 * ------------------------------------------------------------------ */

/* The lowest free one of [from, last] that lies in @leaf, which begins at @base; 0: there is none.
 */
static uint32_t free_in_leaf(const struct leaf *leaf, uint32_t base, uint32_t from, uint32_t last)
{
	if (leaf && leaf->nr_taken == LEAF)
		return 0;
	for (uint32_t at = from; at <= last && at - base < LEAF; at = (at | 63) + 1) {
		uint64_t taken = leaf ? leaf->taken[(at - base) / 64] : 0;
		uint64_t here = ~taken & ~MASK(at & 63);

		if (here) {
			at = (at & ~63u) + lowest_bit(here);
			return at <= last ? at : 0;
		}
	}
	return 0;
}

static uint32_t free_number(const struct ioas_pasid_space *s, uint32_t from, uint32_t last)
{
	uint32_t found = 0;

	for (uint32_t at = from; at <= last && !found; at = (at | MASK(LEAF_BITS)) + 1)
		found = free_in_leaf(leaf_of(s, at), at & ~(uint32_t)MASK(LEAF_BITS), at, last);
	return found;
}

static struct leaf *want_leaf(struct ioas_pasid_space *s, uint32_t pasid)
{
	struct leaf *leaf = leaf_of(s, pasid);

	if (leaf)
		return leaf;
	leaf = ioas_calloc(1, sizeof(*leaf));
	__atomic_store_n(&s->leaves[pasid >> LEAF_BITS], leaf, __ATOMIC_RELEASE);
	return leaf;
}

static void take_number(struct leaf *leaf, uint32_t pasid)
{
	leaf->taken[pasid % LEAF / 64] |= BIT(pasid % 64);
	leaf->nr_taken++;
}

static void give_number(struct leaf *leaf, uint32_t pasid)
{
	leaf->taken[pasid % LEAF / 64] &= ~BIT(pasid % 64);
	leaf->nr_taken--;
}

/* --- Birth and death
 * ------------------------------------------------------------------------------ */

static int alloc_locked(struct ioas_pasid_set *set, uint32_t min, uint32_t max, void *data,
			uint32_t *pasid)
{
	uint32_t n = set->used < set->quota ? free_number(set->space, min, max) : 0;
	struct leaf *leaf;
	struct entry *e;

	if (!n)
		return set->used < set->quota ? -ENOSPC : -EDQUOT;
	leaf = want_leaf(set->space, n);
	if (!leaf)
		return -ENOMEM;
	take_number(leaf, n);
	set->used++;
	set->refs++;
	e = &leaf->entries[n % LEAF];
	e->set = set;
	e->data = data;
	__atomic_store_n(&e->word, field_prep(WORD_SET, set->number) | ONE_REF, __ATOMIC_RELEASE);
	*pasid = n;
	return 0;
}

int ioas_pasid_alloc(struct ioas_pasid_set *set, uint32_t min, uint32_t max, void *data,
		     uint32_t *pasid)
{
	int rc;

	if (min < set->min)
		min = set->min;
	if (!max || max > set->max)
		max = set->max;
	if (min > max)
		return -EINVAL;
	lock_acquire(&set->space->lock);
	rc = alloc_locked(set, min, max, data, pasid);
	lock_release(&set->space->lock);
	return rc;
}

/* Nobody holds it any more. */
static void reclaim(struct ioas_pasid_set *set, struct entry *e, uint32_t pasid)
{
	struct ioas_pasid_space *s = set->space;
	bool last;

	lock_acquire(&s->lock);
	e->set = NULL;
	e->data = NULL;
	__atomic_store_n(&e->word, 0, __ATOMIC_RELEASE);
	give_number(leaf_of(s, pasid), pasid);
	set->used--;
	last = leave_set(set);
	lock_release(&s->lock);
	if (last)
		free_set(set);
}

/* The one that ioas_ioas_pasid_free() puts is in the way of the last one before that. */
int ioas_pasid_put(struct ioas_pasid_set *set, uint32_t pasid)
{
	struct entry *e = entry_of(set->space, pasid);
	uint64_t word = word_of(e);

	do {
		if (!belongs(word, set) || word < ONE_REF)
			return -EINVAL;
		if (is_alive(word) && field_get(WORD_REFS, word) == 1)
			return -EINVAL;
	} while (!change(e, &word, word - ONE_REF));
	if (word - ONE_REF < ONE_REF)
		reclaim(set, e, pasid);
	return 0;
}

/* Takes @guest from the table of guest numbers. Lock held. */
static void forget_guest(struct ioas_pasid_set *set, uint32_t guest)
{
	if (guest)
		__atomic_store_n(&set->guests[guest >> LEAF_BITS][guest % LEAF], 0,
				 __ATOMIC_RELAXED);
}

/* From now on nobody finds it. -ENOENT: nobody did before. */
static int retire(struct ioas_pasid_set *set, struct entry *e, uint32_t *guest)
{
	uint64_t word = word_of(e);
	int rc = 0;

	lock_acquire(&set->space->lock);
	do {
		if (!is_alive(word) || !belongs(word, set)) {
			rc = -ENOENT;
			goto out;
		}
	} while (!change(e, &word, (word & ~WORD_GUEST) | WORD_FREED));
	*guest = (uint32_t)field_get(WORD_GUEST, word);
	forget_guest(set, *guest);
out:
	lock_release(&set->space->lock);
	return rc;
}

static void tell(struct ioas_pasid_set *set, const struct ioas_pasid_freed *f)
{
	struct list *pos, *tmp;

	pthread_mutex_lock(&set->listening);
	list_for_each (pos, tmp, &set->listeners) {
		struct listener *l = list_entry(pos, struct listener, link);

		l->l.freed(l->l.arg, f);
	}
	pthread_mutex_unlock(&set->listening);
}

int ioas_pasid_free(struct ioas_pasid_set *set, uint32_t pasid)
{
	struct entry *e = entry_of(set->space, pasid);
	struct ioas_pasid_freed f = {.set = set, .pasid = pasid};
	int rc = retire(set, e, &f.guest);

	if (rc)
		return rc;
	f.data = e->data;
	tell(set, &f);
	return ioas_pasid_put(set, pasid);
}

void ioas_pasid_set_destroy(struct ioas_pasid_set *set)
{
	struct ioas_pasid_space *s = set->space;
	bool last;

	for (uint32_t at = set->min; at <= set->max; at++) {
		if (!leaf_of(s, at))
			at |= MASK(LEAF_BITS);
		else if (belongs(word_of(entry_of(s, at)), set))
			ioas_pasid_free(set, at);
	}
	lock_acquire(&s->lock);
	last = leave_set(set);
	lock_release(&s->lock);
	if (last)
		free_set(set);
}

/* --- Looking up
 * ----------------------------------------------------------------------------------- */

/* A reference, if the word is alive and has @value in @mask. */
static int add_ref(struct entry *e, uint64_t mask, uint64_t value)
{
	uint64_t word = word_of(e);

	do {
		if (!is_alive(word) || (word & mask) != value)
			return -ENOENT;
		if (field_get(WORD_REFS, word) == MAX_REFS)
			return -EOVERFLOW;
	} while (!change(e, &word, word + ONE_REF));
	return 0;
}

static void give_data(const struct entry *e, void **data)
{
	if (data)
		*data = e->data;
}

int ioas_pasid_get(struct ioas_pasid_set *set, uint32_t pasid, void **data)
{
	struct entry *e = entry_of(set->space, pasid);
	int rc = add_ref(e, WORD_SET, field_prep(WORD_SET, set->number));

	if (!rc)
		give_data(e, data);
	return rc;
}

int ioas_pasid_find(struct ioas_pasid_space *s, uint32_t pasid, struct ioas_pasid_set **set)
{
	struct entry *e = entry_of(s, pasid);
	int rc = add_ref(e, 0, 0);

	if (!rc)
		*set = e->set;
	return rc;
}

int ioas_pasid_guest(const struct ioas_pasid_set *set, uint32_t pasid, uint32_t *guest)
{
	uint64_t word = word_of(entry_of(set->space, pasid));

	if (!is_alive(word) || !belongs(word, set) || !(word & WORD_GUEST))
		return -ENOENT;
	*guest = (uint32_t)field_get(WORD_GUEST, word);
	return 0;
}

/* What the table has, be it true or not. */
static struct entry *look_guest(const struct ioas_pasid_set *set, uint32_t guest, uint32_t *pasid)
{
	const uint32_t *leaf;

	if (!guest || guest > LAST_EVER)
		return NULL;
	leaf = __atomic_load_n(&set->guests[guest >> LEAF_BITS], __ATOMIC_ACQUIRE);
	*pasid = leaf ? __atomic_load_n(&leaf[guest % LEAF], __ATOMIC_RELAXED) : 0;
	return *pasid ? entry_of(set->space, *pasid) : NULL;
}

static uint64_t guest_of_set(const struct ioas_pasid_set *set, uint32_t guest)
{
	return field_prep(WORD_SET, set->number) | field_prep(WORD_GUEST, guest);
}

int ioas_pasid_of_guest(const struct ioas_pasid_set *set, uint32_t guest, uint32_t *pasid)
{
	uint32_t found;
	uint64_t word = word_of(look_guest(set, guest, &found));

	if (!is_alive(word) || (word & (WORD_SET | WORD_GUEST)) != guest_of_set(set, guest))
		return -ENOENT;
	*pasid = found;
	return 0;
}

int ioas_pasid_get_by_guest(struct ioas_pasid_set *set, uint32_t guest, uint32_t *pasid,
			    void **data)
{
	uint32_t found;
	struct entry *e = look_guest(set, guest, &found);
	int rc = add_ref(e, WORD_SET | WORD_GUEST, guest_of_set(set, guest));

	if (rc)
		return rc;
	*pasid = found;
	give_data(e, data);
	return 0;
}

/* --- Guest numbers
 * -------------------------------------------------------------------------------- */

static uint32_t *want_guests(struct ioas_pasid_set *set, uint32_t guest)
{
	uint32_t *leaf = set->guests[guest >> LEAF_BITS];

	if (leaf)
		return leaf;
	leaf = ioas_calloc(LEAF, sizeof(*leaf));
	__atomic_store_n(&set->guests[guest >> LEAF_BITS], leaf, __ATOMIC_RELEASE);
	return leaf;
}

static int map_locked(struct ioas_pasid_set *set, uint32_t pasid, uint32_t guest)
{
	struct entry *e = entry_of(set->space, pasid);
	uint64_t word = word_of(e);
	uint32_t *leaf;

	if (!is_alive(word) || !belongs(word, set))
		return -ENOENT;
	leaf = want_guests(set, guest);
	if (!leaf)
		return -ENOMEM;
	if ((word & WORD_GUEST) || leaf[guest % LEAF])
		return -EEXIST;
	/* The lock keeps all but the references. */
	while (!change(e, &word, word | field_prep(WORD_GUEST, guest)))
		;
	__atomic_store_n(&leaf[guest % LEAF], pasid, __ATOMIC_RELAXED);
	return 0;
}

int ioas_pasid_map_guest(struct ioas_pasid_set *set, uint32_t pasid, uint32_t guest)
{
	int rc;

	if (!guest || guest > LAST_EVER)
		return -EINVAL;
	lock_acquire(&set->space->lock);
	rc = map_locked(set, pasid, guest);
	lock_release(&set->space->lock);
	return rc;
}

int ioas_pasid_unmap_guest(struct ioas_pasid_set *set, uint32_t guest)
{
	uint32_t pasid;
	struct entry *e;
	uint64_t word;
	int rc = 0;

	lock_acquire(&set->space->lock);
	e = look_guest(set, guest, &pasid);
	if (!e) {
		rc = -ENOENT;
		goto out;
	}
	word = word_of(e);
	while (!change(e, &word, word & ~WORD_GUEST))
		;
	forget_guest(set, guest);
out:
	lock_release(&set->space->lock);
	return rc;
}

/* --- Listeners
 * ------------------------------------------------------------------------------------ */

/* Those of one order run as they came. */
int ioas_pasid_listen(struct ioas_pasid_set *set, const struct ioas_pasid_listener *l)
{
	struct listener *mine = ioas_malloc(sizeof(*mine));
	struct list *pos, *tmp;

	if (!mine)
		return -ENOMEM;
	mine->l = *l;
	pthread_mutex_lock(&set->listening);
	list_for_each (pos, tmp, &set->listeners)
		if (list_entry(pos, struct listener, link)->l.order > l->order)
			break;
	list_add_tail(pos, &mine->link);
	pthread_mutex_unlock(&set->listening);
	return 0;
}

int ioas_pasid_unlisten(struct ioas_pasid_set *set, const struct ioas_pasid_listener *l)
{
	struct list *pos, *tmp;
	int rc = -ENOENT;

	pthread_mutex_lock(&set->listening);
	list_for_each (pos, tmp, &set->listeners) {
		struct listener *other = list_entry(pos, struct listener, link);

		if (other->l.freed == l->freed && other->l.arg == l->arg) {
			list_del(pos);
			ioas_free(other);
			rc = 0;
			break;
		}
	}
	pthread_mutex_unlock(&set->listening);
	return rc;
}
