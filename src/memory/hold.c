/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings of our own that keep shared memory and files as they were when they were pinned.
 *
 * Each slot has a reservation of 1 GiB. Shared memory is duplicated into it with mremap() from a
 * length of 0, which maps the same file again (mremap(2)); files are mapped from their fd. Both at
 * the place in the reservation that the low 30 bits of the PA name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "memory/bitmap.h"
#include "memory/private.h"

/* 1 GiB of address space on a 1 GiB boundary, so that huge pages of the file stay huge in our page
 * tables. */
static char *reserve(void)
{
	char *p = mmap(NULL, 2 * MEMORY_SLOT_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *base;

	if (p == MAP_FAILED)
		return NULL;
	base = (char *)align_up((uintptr_t)p, MEMORY_SLOT_SIZE);
	if (base != p)
		munmap(p, (size_t)(base - p));
	munmap(base + MEMORY_SLOT_SIZE, (size_t)(p + MEMORY_SLOT_SIZE - base));
	madvise(base, MEMORY_SLOT_SIZE, MADV_DONTDUMP);
	return base;
}

int hold_create(struct slot *s)
{
	if (s->key.kind == MEMORY_SHARED) {
		s->held = ioas_calloc(SLOT_WORDS, sizeof(*s->held));
		if (!s->held)
			return -ENOMEM;
	}
	s->hold = reserve();
	if (!s->hold) {
		ioas_free(s->held);
		return -ENOMEM;
	}
	return 0;
}

void hold_destroy(struct slot *s)
{
	if (s->hold && !s->holed)
		munmap(s->hold, MEMORY_SLOT_SIZE);
	ioas_free(s->held);
}

/* A failed MAP_FIXED may leave a hole: fill it, or else whoever maps something there first would
 * lose it to hold_destroy(). */
static void plug(struct slot *s, char *where, uint64_t len)
{
	void *p = mmap(where, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		s->holed = true;
}

/* What another process maps at pages [first, first + n) of the slot's GiB. */
static int map_foreign(struct slot *s, uint64_t first, uint64_t n)
{
	const struct memory_mm *mm = s->key.mm;
	uint64_t va = (s->key.gib << MEMORY_SLOT_SHIFT) + (first << PAGE_SHIFT);
	char *to = s->hold + (first << PAGE_SHIFT);
	const struct memory_vma file = {
		.start = va,
		.last = va + (n << PAGE_SHIFT) - 1,
		.kind = VMA_SHARED,
		.read = true,
		.write = s->key.writable,
		.dev = s->key.dev,
		.ino = s->key.ino,
		.offset = va + s->key.delta,
	};

	if (mm->ops->map(mm->arg, &file, n << PAGE_SHIFT, to)) {
		plug(s, to, n << PAGE_SHIFT);
		return -ENODEV;
	}
	madvise(to, n << PAGE_SHIFT, MADV_DONTDUMP);
	bitmap_set(s->held, first, n);
	return 0;
}

/* Can it be duplicated at all? Not if it is of huge pages or of a device. Tried beside the
 * reservation, for plug()'s sake. */
static bool can_duplicate(const struct slot *s, uint64_t page)
{
	char *from = (char *)(uintptr_t)((s->key.gib << MEMORY_SLOT_SHIFT) + (page << PAGE_SHIFT));
	void *p = mremap(from, 0, PAGE_SIZE, MREMAP_MAYMOVE);

	if (p == MAP_FAILED)
		return false;
	munmap(p, PAGE_SIZE);
	return true;
}

/* Maps the program's pages [first, first + n) of the slot's GiB again, in our reservation. */
static int duplicate(struct slot *s, uint64_t first, uint64_t n)
{
	char *from = (char *)(uintptr_t)((s->key.gib << MEMORY_SLOT_SHIFT) + (first << PAGE_SHIFT));
	char *to = s->hold + (first << PAGE_SHIFT);

	if (s->key.mm)
		return map_foreign(s, first, n);
	if (!can_duplicate(s, first))
		return -ENODEV;
	if (mremap(from, 0, n << PAGE_SHIFT, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		plug(s, to, n << PAGE_SHIFT);
		return -ENOMEM;
	}
	madvise(to, n << PAGE_SHIFT, MADV_DONTDUMP);
	bitmap_set(s->held, first, n);
	return 0;
}

int hold_shared(struct slot *s, uint64_t first, uint64_t n)
{
	uint64_t end = first + n;

	if (s->holed)
		return -ENOMEM;
	for (uint64_t page = bitmap_next(s->held, first, end, false); page < end;
	     page = bitmap_next(s->held, page, end, false)) {
		int rc = duplicate(s, page, bitmap_next(s->held, page, end, true) - page);

		if (rc)
			return rc;
	}
	return 0;
}

static bool can_map(int fd, uint64_t offset, uint64_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return false;
	munmap(p, len);
	return true;
}

static int map_as(struct slot *s, char *where, uint64_t len, int prot, int fd, uint64_t offset)
{
	if (mmap(where, len, prot, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset) ==
	    MAP_FAILED) {
		plug(s, where, len);
		return -ENOMEM;
	}
	madvise(where, len, MADV_DONTDUMP);
	return 0;
}

/*
 * The open mode of the fd is not looked at (3.6): one that was opened for reading is opened again.
 * What cannot be written even so, a sealed memfd, is mapped for reading: DMA that writes there is a
 * fault.
 */
static int map_file(struct slot *s, char *where, uint64_t len, int fd, uint64_t offset)
{
	int prot = PROT_READ | PROT_WRITE, again = -1, rc;
	char path[40];

	if (!can_map(fd, offset, len, prot)) {
		snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
		again = open(path, O_RDWR | O_CLOEXEC);
		if (again < 0 || !can_map(again, offset, len, prot))
			prot = PROT_READ;
	}
	s->read_only |= prot == PROT_READ;
	rc = map_as(s, where, len, prot, again >= 0 && prot != PROT_READ ? again : fd, offset);
	if (again >= 0)
		close(again);
	return rc;
}

/* Maps all that the file has within the slot, so that the next pin finds it there. */
int hold_file(struct slot *s, int fd, uint64_t end)
{
	uint64_t offset = s->key.gib << MEMORY_SLOT_SHIFT, size;
	struct stat st;
	int rc;

	if (end <= s->held_end)
		return 0;
	if (s->holed)
		return -ENOMEM;
	if (fstat(fd, &st))
		return -EINVAL;
	size = (uint64_t)st.st_size;
	if (size < offset + end)
		return -EINVAL;
	end = min_u64(align_up(size - offset, PAGE_SIZE), MEMORY_SLOT_SIZE);
	rc = map_file(s, s->hold + s->held_end, end - s->held_end, fd, offset + s->held_end);
	if (!rc)
		s->held_end = end;
	return rc;
}

int hold_check_file(int fd, uint64_t start, uint64_t last, struct slot_key *key)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || fstatfs(fd, &fs))
		return -EINVAL;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC)
		return -EINVAL;
	if (last >= (uint64_t)st.st_size)
		return -EINVAL;
	*key = (struct slot_key){.kind = MEMORY_FILE, .dev = st.st_dev, .ino = st.st_ino};
	return 0;
}
