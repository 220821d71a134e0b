/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mmap family: mappings of our files, and everything that takes memory away from under a pin or
 * a mapped BAR.
 */
#include "doors/preload/interpose.h"

#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/bits.h"
#include "doors/preload/bars.h"
#include "doors/preload/sys.h"

static uint64_t number(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static bool whole_pages(const void *addr, size_t len)
{
	return len && is_aligned(number(addr), PAGE_SIZE) && number(addr) + len > number(addr);
}

/* Memory comes to [addr, addr + len), and what was there, if anything, goes. */
static void *map_over(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
	struct engine_change c;
	void *p;

	bars_forget(number(addr), align_up(len, PAGE_SIZE));
	engine_change_begin(&c, number(addr), align_up(len, PAGE_SIZE));
	p = REAL(mmap)(addr, len, prot, flags, fd, at);
	engine_change_end(&c);
	return p;
}

static void *map(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
	struct door_file *f;
	void *p;

	if (!door_active())
		return REAL(mmap)(addr, len, prot, flags, fd, at);
	f = flags & MAP_ANONYMOUS ? NULL : our_file(fd);
	if (f) {
		p = answer_pointer(call_mmap(fd, f, addr, len, prot, flags, (uint64_t)at));
		files_put(f);
	} else if ((flags & MAP_FIXED) && whole_pages(addr, len)) {
		return map_over(addr, len, prot, flags, fd, at);
	} else {
		p = REAL(mmap)(addr, len, prot, flags, fd, at);
	}
	/* Something that libc unmapped without our seeing it may have been here before. */
	if (p != MAP_FAILED)
		engine_va_changed(number(p), align_up(len, PAGE_SIZE));
	return p;
}

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
	return map(addr, len, prot, flags, fd, at);
}

EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t at)
{
	return map(addr, len, prot, flags, fd, at);
}

EXPORT int munmap(void *addr, size_t len)
{
	struct engine_change c;
	int rc;

	if (!door_active() || !whole_pages(addr, len))
		return REAL(munmap)(addr, len);
	bars_forget(number(addr), align_up(len, PAGE_SIZE));
	engine_change_begin(&c, number(addr), align_up(len, PAGE_SIZE));
	rc = REAL(munmap)(addr, len);
	engine_change_end(&c);
	return rc;
}

/* A BAR that lies where something else is moved to is replaced; it must not be a part of what
 * moves. */
static void *remap(void *old, size_t old_len, size_t len, int flags, void *to)
{
	struct engine_change from, onto = {.memory = NULL};
	void *p;

	if (flags & MREMAP_FIXED) {
		bars_forget(number(to), align_up(len, PAGE_SIZE));
		engine_change_begin(&onto, number(to), align_up(len, PAGE_SIZE));
	}
	engine_change_begin(&from, number(old), align_up(old_len, PAGE_SIZE));
	p = REAL(mremap)(old, old_len, len, flags, to);
	engine_change_end(&from);
	engine_change_end(&onto);
	if (p != MAP_FAILED)
		engine_va_changed(number(p), align_up(len, PAGE_SIZE));
	return p;
}

EXPORT void *mremap(void *old, size_t old_len, size_t len, int flags, ...)
{
	void *to = NULL;
	va_list ap;

	va_start(ap, flags);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		to = va_arg(ap, void *);
	va_end(ap);
	if (!door_active())
		return REAL(mremap)(old, old_len, len, flags, to);
	if (old_len && bars_meet(number(old), old_len))
		return answer_pointer(bars_remap(number(old), old_len, len, flags, number(to)));
	return remap(old, old_len, len, flags, to);
}

static int protect(void *addr, size_t len, int prot, int key)
{
	const uint64_t whole = align_up(len, PAGE_SIZE);
	int rc;

	if (door_active() && whole_pages(addr, len) && bars_meet(number(addr), whole))
		rc = (int)answer(bars_protect(number(addr), whole, prot));
	else if (key == -1)
		rc = REAL(mprotect)(addr, len, prot);
	else
		rc = REAL(pkey_mprotect)(addr, len, prot, key);
	if (!rc && door_active())
		engine_va_protected(number(addr), whole);
	return rc;
}

EXPORT int mprotect(void *addr, size_t len, int prot)
{
	return protect(addr, len, prot, -1);
}

EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int key)
{
	return protect(addr, len, prot, key);
}

/* Advice after which what the device sees is no longer what the program sees. */
static bool takes_away(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case 24 /* MADV_DONTNEED_LOCKED */:
		return true;
	default:
		return false;
	}
}

EXPORT int madvise(void *addr, size_t len, int advice)
{
	struct engine_change c;
	int rc;

	if (!door_active() || !takes_away(advice) || !whole_pages(addr, len))
		return REAL(madvise)(addr, len, advice);
	/* The kernel refuses these for a device's memory, which ours would pass for. */
	if (bars_meet(number(addr), len))
		return (int)answer(-EINVAL);
	if (advice == MADV_REMOVE)
		engine_change_begin(&c, number(addr), align_up(len, PAGE_SIZE));
	else
		engine_drop_begin(&c, number(addr), align_up(len, PAGE_SIZE));
	rc = REAL(madvise)(addr, len, advice);
	engine_change_end(&c);
	return rc;
}

/* ---- the rest of what moves memory ---- */

EXPORT void *shmat(int id, const void *addr, int flags)
{
	void *p = REAL(shmat)(id, addr, flags);

	/* Its length is the segment's, which is not asked for: everything above is looked at again.
	 */
	if (p != MAP_FAILED && door_active())
		engine_va_changed(number(p), (1ull << 47) - number(p));
	return p;
}

EXPORT int shmdt(const void *addr)
{
	const int rc = REAL(shmdt)(addr);

	if (!rc && door_active())
		engine_va_changed(number(addr), (1ull << 47) - number(addr));
	return rc;
}

EXPORT int brk(void *end)
{
	const uint64_t old = (uint64_t)sys3(SYS_brk, 0, 0, 0), want = number(end);
	struct engine_change c = {.memory = NULL};
	int rc;

	if (door_active() && want < old)
		engine_change_begin(&c, align_up(want, PAGE_SIZE),
				    align_up(old, PAGE_SIZE) - align_up(want, PAGE_SIZE));
	rc = REAL(brk)(end);
	engine_change_end(&c);
	return rc;
}

EXPORT void *sbrk(intptr_t by)
{
	const uint64_t old = (uint64_t)sys3(SYS_brk, 0, 0, 0), want = old + (uint64_t)by;
	struct engine_change c = {.memory = NULL};
	void *p;

	if (door_active() && by < 0)
		engine_change_begin(&c, align_up(want, PAGE_SIZE),
				    align_up(old, PAGE_SIZE) - align_up(want, PAGE_SIZE));
	p = REAL(sbrk)(by);
	engine_change_end(&c);
	return p;
}
