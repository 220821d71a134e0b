/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/inject.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/observe.h"
#include "base/text.h"

#define MAX_RULES     16
#define EVERY_DEVICE  UINT32_MAX
#define DEFAULT_DELAY 1000u /* microseconds */
#define MAX_DELAY     10000000u
#define MAX_ERRNO     133

enum kind { ERROR, UNMAP_LATE, EARLY_IRQ, DMA_FAULT, DMA_DELAY };

/* Which of its occasions, numbered from 1, a rule strikes. */
enum how { EVERY, NTH, AFTER, CHANCE };

struct rule {
	enum kind kind;
	int err;	     /* ERROR */
	uint32_t calls;	     /* ERROR: a bit for each enum inject_call */
	uint32_t rid;	     /* of the others but UNMAP_LATE */
	uint64_t iova, last; /* DMA_FAULT */
	uint32_t us;
	enum how how;
	uint64_t n;	    /* EVERY, NTH, AFTER; CHANCE: of 2^64 */
	uint64_t occasions; /* atomic */
	char text[96];	    /* as it was given */
};

struct injector {
	uint64_t seed;
	size_t nr_rules;
	void (*struck)(void *arg, const char *rule, bool call);
	void *arg;
	struct rule rules[MAX_RULES];
};

static const char *const call_names[INJECT_CALLS] = {
	[INJECT_OPEN] = "open",
	[INJECT_READ] = "read",
	[INJECT_WRITE] = "write",
	[INJECT_MMAP] = "mmap",
	[INJECT_MAP] = "map",
	[INJECT_UNMAP] = "unmap",
	[INJECT_ALLOC] = "alloc",
	[INJECT_DESTROY] = "destroy",
	[INJECT_ATTACH] = "attach",
	[INJECT_DETACH] = "detach",
	[INJECT_BIND] = "bind",
	[INJECT_SET_CONTAINER] = "set-container",
	[INJECT_SET_IOMMU] = "set-iommu",
	[INJECT_GET_DEVICE] = "get-device",
	[INJECT_GET_INFO] = "get-info",
	[INJECT_IRQ] = "irq",
	[INJECT_RESET] = "reset",
	[INJECT_DIRTY] = "dirty",
	[INJECT_INVALIDATE] = "invalidate",
	[INJECT_OTHER] = "other",
};

const char *inject_call_name(enum inject_call call)
{
	return call_names[call];
}

int injector_create(uint64_t seed, struct injector **out)
{
	struct injector *i = ioas_calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	i->seed = seed;
	*out = i;
	return 0;
}

void injector_destroy(struct injector *i)
{
	ioas_free(i);
}

void injector_listen(struct injector *i, void (*struck)(void *arg, const char *rule, bool call),
		     void *arg)
{
	i->struck = struck;
	i->arg = arg;
}

bool injector_is_random(const struct injector *i)
{
	for (size_t n = 0; n < i->nr_rules; n++)
		if (i->rules[n].how == CHANCE)
			return true;
	return false;
}

bool injector_device(const struct injector *i, size_t n, uint32_t *rid, bool *more)
{
	*more = n < i->nr_rules;
	if (!*more || i->rules[n].kind == ERROR || i->rules[n].kind == UNMAP_LATE ||
	    i->rules[n].rid == EVERY_DEVICE)
		return false;
	*rid = i->rules[n].rid;
	return true;
}

/* ---- the words ---- */

struct parser {
	struct rule *rule;
	struct text why;
};

static int wrong(struct parser *p, const char *what, const char *give)
{
	text_add(&p->why, "%s: %s", what, give);
	return -EINVAL;
}

static int find_errno(const char *name)
{
	for (int err = 1; err <= MAX_ERRNO; err++) {
		const char *known = strerrorname_np(err);

		if (known && !strcmp(known, name))
			return err;
	}
	return 0;
}

static bool whole_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return !errno && end != text && !*end && *text != '-';
}

static int parse_chance(struct parser *p, const char *value)
{
	char *end;
	const double chance = strtod(value, &end);

	if (end == value || *end || !(chance > 0) || chance > 1)
		return wrong(p, value, "give a chance above 0 and up to 1, such as p=0.01");
	p->rule->how = CHANCE;
	p->rule->n = chance >= 1 ? U64MAX : (uint64_t)(chance * 18446744073709551616.0);
	return 0;
}

static const struct {
	const char *key;
	enum how how;
} hows[] = {{"every=", EVERY}, {"nth=", NTH}, {"after=", AFTER}, {"p=", CHANCE}};

static int parse_how(struct parser *p, const char *text)
{
	for (size_t n = 0; n < ARRAY_SIZE(hows); n++) {
		const size_t len = strlen(hows[n].key);

		if (strncmp(text, hows[n].key, len))
			continue;
		if (hows[n].how == CHANCE)
			return parse_chance(p, text + len);
		if (!whole_number(text + len, &p->rule->n) || !p->rule->n)
			return wrong(p, text, "give a number from 1 on");
		p->rule->how = hows[n].how;
		return 0;
	}
	return wrong(p, text, "after the colon give every=N, nth=N, after=N or p=CHANCE");
}

static int add_call(struct parser *p, const char *name)
{
	if (!strcmp(name, "all")) {
		p->rule->calls = UINT32_MAX;
		return 0;
	}
	for (unsigned int call = 0; call < INJECT_CALLS; call++)
		if (!strcmp(call_names[call], name)) {
			p->rule->calls |= (uint32_t)BIT(call);
			return 0;
		}
	text_add(&p->why, "there is no call '%s'; there are all", name);
	for (unsigned int call = 0; call < INJECT_CALLS; call++)
		text_add(&p->why, " %s", call_names[call]);
	return -EINVAL;
}

/* "map+unmap". */
static int parse_calls(struct parser *p, char *where)
{
	char *save = NULL;
	int rc = 0;

	p->rule->calls = 0;
	for (char *name = strtok_r(where, "+", &save); name && !rc;
	     name = strtok_r(NULL, "+", &save))
		rc = add_call(p, name);
	return !rc && !p->rule->calls ? wrong(p, "@", "give the calls, such as @map or @map+unmap")
				      : rc;
}

static int parse_device(struct parser *p, const char *text)
{
	unsigned int domain = 0, bus, dev, fn;
	int used = 0;

	if (!*text || !strcmp(text, "*"))
		return 0;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &used) != 4 || text[used]) {
		used = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &dev, &fn, &used) != 3 || text[used])
			return wrong(p, text, "give a device such as 0000:01:00.0, or *");
	}
	if (dev > 31 || fn > 7)
		return wrong(p, text, "give a device such as 0000:01:00.0, or *");
	p->rule->rid = bus << 8 | dev << 3 | fn;
	return 0;
}

static int parse_iova(struct parser *p, char *value)
{
	char *dash = strchr(value, '-');

	if (dash)
		*dash = '\0';
	if (!whole_number(value, &p->rule->iova) ||
	    (dash && !whole_number(dash + 1, &p->rule->last)))
		return wrong(p, value, "give iova=FIRST or iova=FIRST-LAST");
	if (!dash)
		p->rule->last = p->rule->iova;
	return p->rule->last < p->rule->iova ? wrong(p, value, "give iova=FIRST-LAST in this order")
					     : 0;
}

/* "DEVICE,key=value". */
static int parse_place(struct parser *p, char *where)
{
	struct rule *r = p->rule;
	char *save = NULL, *device = strtok_r(where, ",", &save);
	uint64_t us;
	int rc = parse_device(p, device ? device : "");

	for (char *key = strtok_r(NULL, ",", &save); key && !rc; key = strtok_r(NULL, ",", &save)) {
		if (r->kind == DMA_FAULT && !strncmp(key, "iova=", 5)) {
			rc = parse_iova(p, key + 5);
		} else if (r->kind != DMA_FAULT && !strncmp(key, "us=", 3)) {
			if (!whole_number(key + 3, &us) || !us || us > MAX_DELAY)
				return wrong(p, key, "give microseconds, 1 to 10000000");
			r->us = (uint32_t)us;
		} else {
			rc = wrong(p, key,
				   r->kind == DMA_FAULT ? "after the device give iova=FIRST-LAST"
							: "after the device give us=MICROSECONDS");
		}
	}
	return rc;
}

static int parse_kind(struct parser *p, const char *what)
{
	static const struct {
		const char *name;
		enum kind kind;
	} kinds[] = {{"unmap-late", UNMAP_LATE},
		     {"irq-before-data", EARLY_IRQ},
		     {"dma-fault", DMA_FAULT},
		     {"dma-delay", DMA_DELAY}};

	for (size_t n = 0; n < ARRAY_SIZE(kinds); n++)
		if (!strcmp(kinds[n].name, what)) {
			p->rule->kind = kinds[n].kind;
			return 0;
		}
	p->rule->kind = ERROR;
	p->rule->err = find_errno(what);
	return p->rule->err
		       ? 0
		       : wrong(p, what,
			       "give an errno such as ENOMEM, unmap-late, irq-before-data, dma-fault or dma-delay");
}

/* The last colon that a HOW follows: addresses of devices have some too. Without a place any does.
 */
static char *find_how(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return NULL;
	for (size_t n = 0; n < ARRAY_SIZE(hows); n++)
		if (!strncmp(colon + 1, hows[n].key, strlen(hows[n].key)))
			return colon;
	return strchr(colon, '.') || strchr(colon, ',') ? NULL : colon;
}

static int parse_rule(struct parser *p, char *text)
{
	char *how = find_how(text), *where = strchr(text, '@');
	int rc;

	if (how)
		*how++ = '\0';
	if (where)
		*where++ = '\0';
	rc = parse_kind(p, text);
	if (!rc && where && p->rule->kind == UNMAP_LATE)
		rc = wrong(p, text, "it is of every address space: leave out what is behind the @");
	else if (!rc && where)
		rc = p->rule->kind == ERROR ? parse_calls(p, where) : parse_place(p, where);
	return !rc && how ? parse_how(p, how) : rc;
}

int injector_add(struct injector *i, const char *text, char *why, size_t why_len)
{
	char copy[sizeof(i->rules[0].text)];
	struct rule *r = &i->rules[i->nr_rules];
	struct parser p = {r, {why, why_len, 0}};
	int rc;

	*why = '\0';
	if (i->nr_rules == MAX_RULES)
		return wrong(&p, text, "there are 16 others already");
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return wrong(&p, text, "this is too long");
	*r = (struct rule){.calls = UINT32_MAX,
			   .rid = EVERY_DEVICE,
			   .last = U64MAX,
			   .us = DEFAULT_DELAY,
			   .how = EVERY,
			   .n = 1};
	memcpy(r->text, copy, sizeof(copy));
	rc = parse_rule(&p, copy);
	if (!rc)
		i->nr_rules++;
	return rc;
}

/* ---- when ---- */

/* splitmix64's finaliser. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static bool is_due(const struct injector *i, const struct rule *r, uint64_t number)
{
	switch (r->how) {
	case EVERY:
		return number % r->n == 0;
	case NTH:
		return number == r->n;
	case AFTER:
		return number > r->n;
	case CHANCE:
		return mix(mix(i->seed + (uint64_t)(r - i->rules)) + number * 0x9e3779b97f4a7c15) <
		       r->n;
	}
	return false;
}

/* An occasion for @r. */
static bool strikes(struct injector *i, struct rule *r)
{
	if (!is_due(i, r, __atomic_add_fetch(&r->occasions, 1, __ATOMIC_RELAXED)))
		return false;
	if (i->struck)
		i->struck(i->arg, r->text, r->kind == ERROR);
	return true;
}

void inject_begin(struct sink *s, struct injector *i)
{
	s->inject = i;
	__atomic_fetch_add(&ioas_observed, 1, __ATOMIC_RELEASE);
}

void inject_end(struct sink *s)
{
	if (!s->inject)
		return;
	__atomic_fetch_sub(&ioas_observed, 1, __ATOMIC_RELEASE);
	injector_destroy(s->inject);
	s->inject = NULL;
}

int inject_error(const struct sink *s, enum inject_call call)
{
	struct injector *i = s->inject;

	for (size_t n = 0; i && n < i->nr_rules; n++) {
		struct rule *r = &i->rules[n];

		if (r->kind == ERROR && (r->calls & BIT(call)) && strikes(i, r))
			return refuse(s, r->err, "INJECT", call_names[call], r->occasions,
				      "this call: the error is injected by --inject %s", r->text);
	}
	return 0;
}

/* The first rule of @kind for @rid that strikes. */
static const struct rule *find(const struct sink *s, enum kind kind, uint32_t rid)
{
	struct injector *i = s->inject;

	for (size_t n = 0; i && n < i->nr_rules; n++) {
		struct rule *r = &i->rules[n];

		if (r->kind == kind && (r->rid == EVERY_DEVICE || r->rid == rid) && strikes(i, r))
			return r;
	}
	return NULL;
}

bool inject_unmap_late(const struct sink *s)
{
	return find(s, UNMAP_LATE, EVERY_DEVICE) != NULL;
}

bool inject_dma_fault(const struct sink *s, uint32_t rid, uint64_t iova, uint64_t len)
{
	struct injector *i = s->inject;
	const uint64_t last = iova + (len - 1);

	for (size_t n = 0; i && n < i->nr_rules; n++) {
		struct rule *r = &i->rules[n];

		if (r->kind == DMA_FAULT && (r->rid == EVERY_DEVICE || r->rid == rid) &&
		    r->iova <= last && iova <= r->last && strikes(i, r))
			return true;
	}
	return false;
}

unsigned int inject_dma_delay(const struct sink *s, uint32_t rid)
{
	const struct rule *r = find(s, DMA_DELAY, rid);

	return r ? r->us : 0;
}

bool inject_holds_writes(const struct sink *s, uint32_t rid)
{
	const struct injector *i = s->inject;

	for (size_t n = 0; i && n < i->nr_rules; n++)
		if (i->rules[n].kind == EARLY_IRQ &&
		    (i->rules[n].rid == EVERY_DEVICE || i->rules[n].rid == rid))
			return true;
	return false;
}

unsigned int inject_early_irq(const struct sink *s, uint32_t rid)
{
	const struct rule *r = find(s, EARLY_IRQ, rid);

	return r ? r->us : 0;
}
