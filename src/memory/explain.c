/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why memory could not be pinned, in words: which page, and what lies there; who has locked how
 * much.
 *
 * Asked after the failure, when somebody listens; the program may have changed its memory since.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "memory/private.h"

static const char *kind_of(const struct memory_vma *v)
{
	if (v->kind == VMA_SHARED)
		return v->ino ? "shared file mapping" : "shared mapping";
	return v->ino ? "private file mapping" : "private mapping";
}

/* What @v has that cannot be pinned for @p; NULL: nothing. */
static bool add_obstacle(const struct pages *p, const struct memory_vma *v, struct text *t)
{
	if (v->kind == VMA_IO)
		text_add(t, "I/O memory");
	else if (v->kind == VMA_BAR && !p->allow_bar)
		text_add(t, "a device's registers, which only VFIO_IOMMU_MAP_DMA takes");
	else if (!v->read && !v->write)
		text_add(t, "PROT_NONE");
	else if (p->writable && !v->write)
		text_add(t, "read-only %s", kind_of(v));
	else if (!v->read)
		text_add(t, "write-only %s", kind_of(v));
	else
		return false;
	return true;
}

static bool can_probe(const struct pages *p, uint64_t va, uint64_t len)
{
	const unsigned int how = p->writable ? MEMORY_WRITE : 0;
	struct memory *m = p->memory;

	return !(p->mm->ops ? p->mm->ops->probe(p->mm->arg, va, len, how)
			    : m->ops.probe(m->ops_arg, va, len, how));
}

/* The first page of [va, last] that cannot be touched; @last + 1: all can. */
static uint64_t first_bad(const struct pages *p, uint64_t va, uint64_t last)
{
	uint64_t low = va >> PAGE_SHIFT, high = (last >> PAGE_SHIFT) + 1;
	const uint64_t begin = va;

	if (can_probe(p, begin, (high - low) << PAGE_SHIFT))
		return high << PAGE_SHIFT;
	while (low + 1 < high) {
		const uint64_t mid = low + (high - low) / 2;

		if (can_probe(p, begin, (mid << PAGE_SHIFT) - begin))
			low = mid;
		else
			high = mid;
	}
	return low << PAGE_SHIFT;
}

/* A program may have closed the door behind itself: by a seccomp filter, or where no /proc is. */
static void add_unknown(const struct pages *p, struct text *t)
{
	const int rc = p->mm->ops ? 0 : process_maps_check();

	if (rc)
		text_add(t, ", or cannot be looked at: /proc/thread-self/maps: %s", strerror(-rc));
}

static void explain_memory(const struct pages *p, uint64_t va, uint64_t last, struct text *t)
{
	struct memory_vma v;
	uint64_t bad;

	for (uint64_t at = va; at <= last; at = v.last + 1) {
		const size_t before = t->len;

		text_add(t, "%#" PRIx64 " is ", at);
		if (origin_ask(p->mm, at, &v)) {
			text_add(t, "not mapped");
			add_unknown(p, t);
			return;
		}
		if (add_obstacle(p, &v, t))
			return;
		t->len = before;
		t->buf[before] = '\0';
		if (v.last == U64MAX)
			break;
	}
	bad = first_bad(p, va, last);
	if (bad <= last)
		text_add(t, "%#" PRIx64 " cannot be faulted in, as behind the end of a file", bad);
	else
		text_add(t, "all is there by now");
}

static void explain_file(const struct pages *p, uint64_t last, struct text *t)
{
	struct stat st;

	if (fstat(p->fd, &st) || !S_ISREG(st.st_mode))
		text_add(t, "fd is no file of a file system");
	else if ((uint64_t)st.st_size <= last)
		text_add(t, "this file has %#" PRIx64 " bytes, %#" PRIx64 " were wanted",
			 (uint64_t)st.st_size, last + 1);
	else
		text_add(t, "this file is of another file system");
}

static void explain_limit(const struct pages *p, uint64_t bytes, struct text *t)
{
	const struct memory_account *a = p->account;

	if (!a || memory_account_room(a, bytes >> PAGE_SHIFT)) {
		text_add(t, "the machine ran out of memory, or of places for it");
		return;
	}
	text_add(t, "locked ");
	text_add_bytes(t, memory_account_locked(a) << PAGE_SHIFT);
	text_add(t, " of ");
	text_add_bytes(t, memory_account_limit(a));
	text_add(t, ", asked ");
	text_add_bytes(t, bytes);
	text_add(t, " (RLIMIT_MEMLOCK)");
}

void pages_explain(struct pages *p, uint64_t off, uint64_t len, int err, struct text *t)
{
	const uint64_t first = align_down(p->start + off, PAGE_SIZE);
	const uint64_t last = (p->start + off + len - 1) | PAGE_MASK;

	if (err == -ENOMEM)
		explain_limit(p, last - first + 1, t);
	else if (p->dmabuf)
		text_add(t, "its exporter has taken the dma-buf back");
	else if (p->fd >= 0)
		explain_file(p, p->start + off + len - 1, t);
	else
		explain_memory(p, first, last, t);
}
