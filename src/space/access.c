/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software users of a space: pins, and copies (semantics 8).
 *
 * A pin of several areas is one pin of each. The tree space->pins holds them by their first byte,
 * with a chain where several begin at the same one; space->pinned counts them by area, so that an
 * unmap that meets none pays one look into an empty tree.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "space/private.h"

/* So much is copied before the lock is given to others. */
#define COPY_PIECE 65536u

/* [start, last] within one area, pinned @users times. */
struct pin {
	uint64_t last, users;
	struct pin *next; /* begins at the same byte */
};

void access_init(struct space *s)
{
	list_init(&s->accesses);
	range_init(&s->pinned, NULL);
	range_init(&s->pins, NULL);
}

void access_fini(struct space *s)
{
	assert(list_empty(&s->accesses) && !range_count(&s->pins));
	range_destroy(&s->pinned);
	range_destroy(&s->pins);
}

int space_add_access(struct space *s, struct space_access *a, const char *rule)
{
	struct range r;
	int rc = 0;

	lock_acquire(&s->lock);
	if (a->alignment > s->alignment && areas_misaligned(s, a->alignment, &r)) {
		rc = refuse(s->sink, EADDRINUSE, rule, "iova", r.start, "areas aligned to %llu",
			    (unsigned long long)a->alignment);
	} else {
		a->number = ++s->last_number;
		list_add_tail(&s->accesses, &a->link);
		s->alignment = space_alignment(s);
	}
	lock_release(&s->lock);
	return rc;
}

void space_remove_access(struct space *s, struct space_access *a)
{
	lock_acquire(&s->lock);
	list_del(&a->link);
	s->alignment = space_alignment(s);
	lock_release(&s->lock);
}

/* Unmapping. */

struct pinned_area *pinned_find(struct space *s, const struct range *r)
{
	struct range found;

	if (likely(!range_count(&s->pinned)) || !range_find(&s->pinned, r->start, &found))
		return NULL;
	return found.value;
}

void pinned_forget(struct space *s, const struct range *r)
{
	struct pinned_area *p = pinned_find(s, r);

	if (!p)
		return;
	assert(!p->pins);
	range_erase(&s->pinned, r->start, NULL);
	ioas_free(p);
}

/* The access with the lowest number above @number that can be asked. */
static struct space_access *next_access(struct space *s, uint64_t number)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &s->accesses) {
		struct space_access *a = list_entry(pos, struct space_access, link);

		if (a->number > number && a->ops && a->ops->get(a))
			return a;
	}
	return NULL;
}

void access_notify(struct space *s, uint64_t iova, uint64_t length)
{
	struct space_access *a;
	uint64_t number = 0;

	while ((a = next_access(s, number))) {
		number = a->number;
		lock_release(&s->lock);
		a->ops->unmap(a, iova, length);
		a->ops->put(a);
		lock_acquire(&s->lock);
	}
}

/* Records of pins. */

/* The place in the chain at @start where the pin that ends at @last is, or would be. */
static struct pin **chain_find(struct pin **at, uint64_t last)
{
	while (*at && (*at)->last != last)
		at = &(*at)->next;
	return at;
}

static int remember_pin(struct space *s, uint64_t start, uint64_t last)
{
	struct pin *first = NULL, **at, *p;
	struct range found;
	int rc;

	if (range_find(&s->pins, start, &found))
		first = found.value;
	at = chain_find(&first, last);
	if (*at) {
		(*at)->users++;
		return 0;
	}
	p = ioas_malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct pin){last, 1, NULL};
	if (first) {
		*at = p;
		return 0;
	}
	rc = range_insert(&s->pins, start, start, p);
	if (rc)
		ioas_free(p);
	return rc;
}

static bool knows_pin(struct space *s, uint64_t start, uint64_t last)
{
	struct range found;
	struct pin *first;

	if (!range_find(&s->pins, start, &found))
		return false;
	first = found.value;
	return *chain_find(&first, last);
}

static void forget_pin(struct space *s, uint64_t start, uint64_t last)
{
	struct pin *first, **at, *p;
	struct range found;

	range_find(&s->pins, start, &found);
	first = found.value;
	at = chain_find(&first, last);
	p = *at;
	if (!p || --p->users)
		return;
	*at = p->next;
	ioas_free(p);
	if (!first)
		range_erase(&s->pins, start, NULL);
	else
		range_update(&s->pins, start, start, first);
}

static int count_pin(struct space *s, const struct range *r, bool lock)
{
	struct pinned_area *p = pinned_find(s, r);
	int rc;

	if (!p) {
		p = ioas_calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		rc = range_insert(&s->pinned, r->start, r->last, p);
		if (rc) {
			ioas_free(p);
			return rc;
		}
	}
	p->pins++;
	p->locks += lock;
	return 0;
}

/* What is being unmapped stays so until it is gone. */
static void uncount_pin(struct space *s, const struct range *r, bool lock)
{
	struct pinned_area *p = pinned_find(s, r);

	p->pins--;
	p->locks -= lock;
	if (!p->pins && !p->prevented)
		pinned_forget(s, r);
}

/* The part of [iova, last] that lies in one area. */
struct part {
	struct range r;
	struct area a;
	uint64_t start, last;
	uint64_t offset; /* of start in the pages object */
};

static bool find_part(struct space *s, uint64_t iova, uint64_t last, struct part *p)
{
	if (!range_find(&s->areas, iova, &p->r))
		return false;
	p->a = area_of(&p->r);
	p->start = iova;
	p->last = min_u64(last, p->r.last);
	p->offset = p->a.offset + (iova - p->r.start);
	return true;
}

static uint64_t part_bytes(const struct part *p)
{
	return p->last - p->start + 1;
}

static int check_prot(struct space *s, const struct part *p, bool write, const char *rule)
{
	if (!(p->a.prot & (write ? SPACE_WRITE : SPACE_READ)) ||
	    (write && !pages_writable(p->a.pages)))
		return refuse(s->sink, EPERM, rule, "iova", p->start, "an area mapped %s",
			      write ? "WRITEABLE" : "READABLE");
	if (pages_is_dmabuf(p->a.pages))
		return refuse(s->sink, EINVAL, rule, "iova", p->start,
			      "memory that is no dma-buf's");
	return 0;
}

static bool is_prevented(struct space *s, const struct part *p)
{
	const struct pinned_area *pinned = pinned_find(s, &p->r);

	return pinned && pinned->prevented;
}

/* Pins. */

/* ACC.4, ACC.5. */
static int check_pin(struct space *s, const struct part *p, uint64_t last, bool write)
{
	const uint64_t at = pages_start(p->a.pages) + p->offset;
	bool joint = p->last != last && !is_aligned(at + part_bytes(p), PAGE_SIZE);

	if (is_prevented(s, p))
		return refuse(s->sink, EINVAL, "ACC.4", "iova", p->start,
			      "no area that is being unmapped");
	if (!is_aligned(at, PAGE_SIZE) || joint)
		return refuse(s->sink, EINVAL, "ACC.4", "iova", p->start,
			      "the start of a page in memory");
	return check_prot(s, p, write, "ACC.5");
}

static void put_pas(const struct part *p, uint64_t *pas)
{
	uint64_t run;

	for (uint64_t done = 0; done < part_bytes(p); done += PAGE_SIZE)
		*pas++ = pages_pa(p->a.pages, p->offset + done, &run);
}

static int pin_part(struct space *s, const struct part *p, bool lock)
{
	int rc = pages_pin(p->a.pages, p->offset, part_bytes(p));

	if (rc)
		return refuse(s->sink, -rc, "ACC.6", "iova", p->start,
			      "memory that exists, within the limit");
	rc = count_pin(s, &p->r, lock);
	if (rc)
		goto out_unpin;
	rc = remember_pin(s, p->start, p->last);
	if (rc)
		goto out_uncount;
	return 0;

out_uncount:
	uncount_pin(s, &p->r, lock);
out_unpin:
	pages_unpin(p->a.pages, p->offset, part_bytes(p));
	return rc;
}

static void unpin_parts(struct space *s, uint64_t iova, uint64_t last, bool lock)
{
	struct part p;

	for (bool more = true; more; iova = p.last + 1) {
		find_part(s, iova, last, &p);
		forget_pin(s, p.start, p.last);
		uncount_pin(s, &p.r, lock);
		pages_unpin(p.a.pages, p.offset, part_bytes(&p));
		more = p.last != last;
	}
}

/* What the engine pins for itself nobody hears of. */
static void tell_pin(struct space *s, const struct space_pin *pin, uint64_t iova, uint64_t last,
		     int rc)
{
	OBSERVE(s->sink, access, .space = s, .iova = iova, .last = last, .write = pin->write,
		.pin = true, .rc = rc, .start = pin->iova);
}

static int pin_parts(struct space *s, const struct space_pin *pin, uint64_t last, bool lock)
{
	uint64_t iova = pin->iova, *pas = pin->pas;
	struct part p;
	int rc;

	for (bool more = true; more; iova = p.last + 1) {
		if (!find_part(s, iova, last, &p))
			rc = refuse(s->sink, ENOENT, "ACC.6", "iova", iova,
				    "a range without a hole");
		else
			rc = check_pin(s, &p, last, pin->write);
		if (!rc)
			rc = pin_part(s, &p, lock);
		if (!lock)
			tell_pin(s, pin, iova, rc ? last : p.last, rc);
		if (rc) {
			if (iova != pin->iova)
				unpin_parts(s, pin->iova, iova - 1, lock);
			return rc;
		}
		put_pas(&p, pas);
		pas += align_up(part_bytes(&p), PAGE_SIZE) / PAGE_SIZE;
		more = p.last != last;
	}
	return 0;
}

int space_check_range(const struct sink *sink, const char *rule, uint64_t iova, uint64_t length)
{
	uint64_t last;

	if (!length)
		return refuse(sink, EINVAL, rule, "length", 0, "at least 1");
	if (__builtin_add_overflow(iova, length - 1, &last))
		return refuse(sink, EOVERFLOW, rule, "iova", iova, "an end within 64 bits");
	return 0;
}

int space_pin(struct space *s, const struct space_access *a, const struct space_pin *pin)
{
	int rc;

	lock_acquire(&s->lock);
	rc = pin_parts(s, pin, pin->iova + (pin->length - 1), !a->ops);
	lock_release(&s->lock);
	return rc;
}

/* ACC.8. */
static bool is_pinned(struct space *s, uint64_t iova, uint64_t last)
{
	struct part p;

	for (;; iova = p.last + 1) {
		if (!find_part(s, iova, last, &p) || !knows_pin(s, p.start, p.last))
			return false;
		if (p.last == last)
			return true;
	}
}

int space_unpin(struct space *s, const struct space_access *a, uint64_t iova, uint64_t length)
{
	uint64_t last;
	int rc = 0;

	lock_acquire(&s->lock);
	if (!length || __builtin_add_overflow(iova, length - 1, &last) || !is_pinned(s, iova, last))
		rc = refuse(s->sink, EINVAL, "ACC.8", "iova", iova,
			    "exactly a range that was pinned");
	else
		unpin_parts(s, iova, last, !a->ops);
	lock_release(&s->lock);
	return rc;
}

/* Copies. */

/* By a short pin: what a device would reach. */
static int copy_pinned(struct space *s, const struct part *p, char *buf, bool write)
{
	uint64_t run, n, pa, len = part_bytes(p);
	int rc = pages_pin(p->a.pages, p->offset, len);

	for (uint64_t done = 0; !rc && done < len; done += n) {
		const struct memory_slot *slot;
		char *ptr;

		pa = pages_pa(p->a.pages, p->offset + done, &run);
		n = min_u64(run, len - done);
		slot = memory_slot(s->memory, pa);
		ptr = slot->base + (pa & MEMORY_SLOT_MASK);
		rc = write ? memory_copy_to(s->memory, slot, ptr, buf + done, n)
			   : memory_copy_from(s->memory, slot, buf + done, ptr, n);
		if (rc || done + n == len)
			pages_unpin(p->a.pages, p->offset, len);
	}
	return rc;
}

static int copy_part(struct space *s, const struct part *p, const struct space_rw *rw, char *buf)
{
	int rc = -EOPNOTSUPP;

	if (!rw->slow)
		rc = rw->write ? pages_copy_to(p->a.pages, p->offset, buf, part_bytes(p))
			       : pages_copy_from(p->a.pages, buf, p->offset, part_bytes(p));
	if (rc == -EOPNOTSUPP)
		rc = copy_pinned(s, p, buf, rw->write);
	if (rc)
		refuse(s->sink, -rc, "ACC.11", "iova", p->start, "memory that is there");
	return rc;
}

/* @p: what lies at @iova, up to @last. */
static int find_copied(struct space *s, const struct space_rw *rw, uint64_t iova, uint64_t last,
		       struct part *p)
{
	if (!find_part(s, iova, last, p))
		return refuse(s->sink, ENOENT, "ACC.10", "iova", iova, "a range without a hole");
	if (is_prevented(s, p))
		return refuse(s->sink, EINVAL, "ACC.4", "iova", iova,
			      "no area that is being unmapped");
	return check_prot(s, p, rw->write, "ACC.9");
}

static int copy_next(struct space *s, const struct space_rw *rw, uint64_t done, uint64_t *n)
{
	const uint64_t iova = rw->iova + done, left = rw->length - done;
	struct part p;
	int rc = find_copied(s, rw, iova, iova + min_u64(left, COPY_PIECE) - 1, &p);

	OBSERVE(s->sink, access, .space = s, .iova = iova, .last = rc ? iova + left - 1 : p.last,
		.write = rw->write, .rc = rc, .start = rw->iova);
	if (rc)
		return rc;
	*n = part_bytes(&p);
	return copy_part(s, &p, rw, rw->buf + done);
}

int space_rw(struct space *s, const struct space_rw *rw)
{
	uint64_t n;
	int rc = 0;

	for (uint64_t done = 0; !rc && done < rw->length; done += n) {
		lock_acquire(&s->lock);
		rc = copy_next(s, rw, done, &n);
		lock_release(&s->lock);
	}
	return rc;
}
