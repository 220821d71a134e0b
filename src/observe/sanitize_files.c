/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that outlive their purpose: a device, or a queue of faults or events, whose context's own
 * file was closed. What is mapped there can be changed by nobody any more.
 *
 * That such a file is closed later than the context is no finding: in which order a program lets go
 * of its files is up to it. Using one is; and, with leaks, holding one to the end.
 */
#include <stdio.h>

#include <ioas/abi/vfio.h>

#include "abi/file.h"
#include "abi/iommufd.h"
#include "base/alloc.h"
#include "observe/sanitize_private.h"

static struct orphan **find(struct sanitizer *s, const void *context)
{
	struct orphan **at = &s->orphans;

	while (*at && (*at)->context != context)
		at = &(*at)->next;
	return at;
}

void sanitizer_forget_orphan(struct sanitizer *s, const void *context)
{
	struct orphan **at = find(s, context), *o = *at;

	if (!o)
		return;
	__atomic_store_n(at, o->next, __ATOMIC_RELAXED);
	ioas_free(o);
}

void sanitizer_free_orphans(struct sanitizer *s)
{
	while (s->orphans)
		sanitizer_forget_orphan(s, s->orphans->context);
}

static void add_orphan(struct sanitizer *s, const void *context)
{
	struct orphan *o = ioas_malloc(sizeof(*o));

	lock_acquire(&s->shadow.lock);
	if (o) {
		*o = (struct orphan){.context = context, .next = s->orphans};
		__atomic_store_n(&s->orphans, o, __ATOMIC_RELAXED);
	} else {
		s->shadow.lost = true;
	}
	lock_release(&s->shadow.lock);
}

static const char *file_words(enum abi_file_kind kind)
{
	return kind == ABI_DEVICE  ? "a device"
	       : kind == ABI_FAULT ? "a fault queue"
				   : "an event queue";
}

/* Once for each context. */
static void report_use(struct sanitizer *s, const struct abi_file *f, const void *context)
{
	struct orphan *o;
	struct report r;
	bool tell;

	lock_acquire(&s->shadow.lock);
	o = *find(s, context);
	tell = o && !o->told;
	if (tell)
		o->told = true;
	lock_release(&s->shadow.lock);
	if (!tell)
		return;
	report_init(&r, FINDING_STRAY_FD);
	r.f.now = sanitizer_stack(s);
	r.f.advice = "keep the iommufd open as long as the file is used: without it nothing can be "
		     "mapped, unmapped or attached";
	report_text(&r, "%s is used through a file whose iommufd was closed before",
		    file_words(f->ops->kind));
	report_send(s, &r);
}

/* What a program does to let go of a device. */
static bool is_farewell(const struct event_call *e)
{
	if (e->op == OP_RELEASE)
		return true;
	return e->op == OP_IOCTL &&
	       (e->cmd == VFIO_DEVICE_RESET || e->cmd == VFIO_DEVICE_SET_IRQS ||
		e->cmd == VFIO_DEVICE_DETACH_IOMMUFD_PT);
}

void sanitizer_call(void *arg, const struct event_call *e)
{
	struct sanitizer *s = arg;
	const void *context;

	if (!sanitizer_reports(s) || sanitizer_is_ending(s))
		return;
	if (e->op == OP_OPEN)
		sanitizer_lives_on(s);
	if (!e->file)
		return;
	if (e->op == OP_RELEASE && e->file->ops->kind == ABI_IOMMUFD) {
		add_orphan(s, abi_file_iommufd(e->file));
		return;
	}
	if (likely(!__atomic_load_n(&s->orphans, __ATOMIC_RELAXED)) || is_farewell(e))
		return;
	context = e->file->ops->context ? e->file->ops->context(e->file) : NULL;
	if (context)
		report_use(s, e->file, context);
}

void sanitizer_stray_at_exit(struct sanitizer *s)
{
	struct report r;
	size_t n = 0;

	lock_acquire(&s->shadow.lock);
	for (struct orphan *o = s->orphans; o; o = o->next)
		n += !o->told;
	lock_release(&s->shadow.lock);
	if (!n)
		return;
	report_init(&r, FINDING_STRAY_FD);
	r.f.advice = "close devices, fault queues and event queues with their iommufd, and unmap "
		     "what was mapped of them";
	report_text(&r,
		    "the process ended with files open, or regions mapped, whose iommufd was closed "
		    "before (%zu context%s)",
		    n, n == 1 ? "" : "s");
	report_send(s, &r);
}
