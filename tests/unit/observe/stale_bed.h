/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of stale translations share, whatever the make: a sink that listens, one device's
 * port, and the story that each tells: a page is used, the guest changes what leads to it, the
 * device goes on using it, and the guest forgets the command, or does not.
 */
#ifndef TESTS_UNIT_OBSERVE_STALE_BED_H
#define TESTS_UNIT_OBSERVE_STALE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/observe.h"
#include "dma/dma.h"
#include "iommu/requester.h"
#include "observe/stale.h"

#define GRACE_MS 5

struct listener {
	struct sink sink;
	struct stale *stale;
	struct dma_port port;
	unsigned int n;
	struct finding last;
	char text[400], advice[300];
};

static void on_finding(void *arg, const struct finding *f)
{
	struct listener *l = arg;

	l->last = *f;
	snprintf(l->text, sizeof(l->text), "%s", f->text);
	snprintf(l->advice, sizeof(l->advice), "%s", f->advice);
	__atomic_fetch_add(&l->n, 1, __ATOMIC_RELEASE);
}

static void listen_to(struct listener *l, struct requester *r, struct memory *m,
		      unsigned int grace_ms, unsigned int looks)
{
	const struct stale_config cfg = {.sink = {.report = on_finding, .arg = l},
					 .grace_ns = grace_ms * 1000000ull,
					 .looks = looks};

	*l = (struct listener){.n = 0};
	requester_iommu(r)->sink = &l->sink;
	assert_int_equal(stale_create(&l->sink, &cfg, &l->stale), 0);
	dma_port_init(&l->port, r, m);
	dma_set_bus_master(&l->port, true);
}

/* Before what it listened to ends. */
static void listen_no_more(struct listener *l)
{
	observe_end(&l->sink);
	requester_iommu(l->port.requester)->sink = NULL;
	stale_destroy(l->stale);
}

static void pause_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000l}, NULL);
}

static int use(struct listener *l, uint32_t pasid, uint64_t va)
{
	uint64_t word = 0x1234;

	l->port.pasid = pasid;
	return dma_write(&l->port, va, &word, sizeof(word));
}

/* It was used and has been changed: another use, and one when the grace time is over. */
static void use_on(struct listener *l, uint32_t pasid, uint64_t va)
{
	assert_int_equal(use(l, pasid, va), 0);
	assert_int_equal(l->n, 0);
	pause_ms(GRACE_MS + 2);
	use(l, pasid, va);
}

/* The same, and the guest has forgotten a command, which is named by @missing. Once only. */
static void expect_found(struct listener *l, uint32_t pasid, uint64_t va, enum finding_kind kind,
			 const char *now, const char *missing)
{
	use_on(l, pasid, va);
	assert_int_equal(l->n, 1);
	assert_int_equal(l->last.kind, kind);
	assert_int_equal(l->last.iova, va);
	assert_int_equal(l->last.pasid, pasid);
	assert_int_equal(l->last.len, 8);
	if (!strstr(l->text, now) || !strstr(l->advice, missing))
		fail_msg("not \"%s\" but: %s; not \"%s\" but: %s", now, l->text, missing,
			 l->advice);
	use(l, pasid, va);
	assert_int_equal(l->n, 1);
	l->n = 0;
}

/* After the right command nothing is said, however often and late it is used. */
static void expect_silent(struct listener *l, uint32_t pasid, uint64_t va)
{
	for (int n = 0; n < 3; n++) {
		use(l, pasid, va);
		pause_ms(GRACE_MS + 2);
	}
	if (l->n)
		fail_msg("%s; %s", l->text, l->advice);
}

#endif
