/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How this process's own memory is reached when nobody supplied anything better: by system calls
 * that answer EFAULT instead of raising a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "memory/private.h"

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* By thread ID: the thread group's leader may have gone. One call guards both sides. */
static int process_copy(void *arg, void *dst, const void *src, size_t len)
{
	struct iovec local = {dst, len}, remote = {(void *)(uintptr_t)src, len};

	while (local.iov_len) {
		ssize_t n = process_vm_readv(gettid(), &local, 1, &remote, 1, 0);

		if (n <= 0)
			return -EFAULT;
		local.iov_base = (char *)local.iov_base + n;
		remote.iov_base = (char *)remote.iov_base + n;
		local.iov_len -= (size_t)n;
		remote.iov_len -= (size_t)n;
	}
	return 0;
}

/* An atomic addition of 0, made by the kernel on behalf of futex(2), writes the page without
 * changing it. -errno. */
static int touch_write(uint64_t va)
{
	uint32_t here = 0;
	long op = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, -2048);

	return syscall(SYS_futex, &here, FUTEX_WAKE_OP_PRIVATE, 0, NULL, (void *)(uintptr_t)va,
		       op) < 0
		       ? -errno
		       : 0;
}

/* Reading comes first: it refuses I/O memory, which writing would reach. */
int process_touch(uint64_t va, uint64_t len, bool write)
{
	char byte;

	for (uint64_t page = va; page < va + len; page += PAGE_SIZE) {
		if (process_copy(NULL, &byte, (const void *)(uintptr_t)page, 1))
			return -EFAULT;
		if (write && touch_write(page))
			return -EFAULT;
	}
	return 0;
}

/* Up to so many pages to write each is quicker than to ask about all of them. */
#define PAGES_TO_TOUCH 2
#define PAGES_AT_ONCE  4096

static bool is_touched(uint64_t va, uint64_t len)
{
	for (uint64_t page = va; page < va + len; page += PAGE_SIZE)
		if (touch_write(page))
			return false;
	return true;
}

/* Every page is there, so far as mincore(2) tells, which it does of memory that is no file's. */
static bool is_present(uint64_t va, uint64_t len)
{
	unsigned char there[PAGES_AT_ONCE], all = 1;

	if (mincore((void *)(uintptr_t)va, len, there))
		return false;
	for (uint64_t i = 0; i < len >> PAGE_SHIFT; i++)
		all &= there[i];
	return all & 1;
}

static int populate(uint64_t va, uint64_t len, bool write)
{
	if (!madvise((void *)(uintptr_t)va, len, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ))
		return 0;
	return errno == EINVAL ? process_touch(va, len, write) : -EFAULT;
}

/* What the quick ways do not say yes to, populate() decides. */
static int probe_plain(uint64_t va, uint64_t len, bool write)
{
	uint64_t end = va + len;
	int rc = 0;

	if (write && len <= PAGES_TO_TOUCH * PAGE_SIZE && is_touched(va, len))
		return 0;
	for (; va < end && !rc; va += len) {
		len = min_u64(end - va, PAGES_AT_ONCE * PAGE_SIZE);
		if (!is_present(va, len))
			rc = populate(va, len, write);
	}
	return rc;
}

static int process_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	return how & MEMORY_PLAIN ? probe_plain(va, len, how & MEMORY_WRITE)
				  : populate(va, len, how & MEMORY_WRITE);
}

static int process_exchange(void *arg, uint64_t *at, uint64_t *is, uint64_t to)
{
	if (populate(align_down((uintptr_t)at, PAGE_SIZE), PAGE_SIZE, true))
		return -EFAULT;
	__atomic_compare_exchange_n(at, is, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	return 0;
}

/* The question that Linux 6.11 answers about one address (Documentation/filesystems/proc.rst,
 * PROCMAP_QUERY). */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_IOCTL	 _IOWR('f', 17, struct procmap_query)
#define PROCMAP_READABLE 1
#define PROCMAP_WRITABLE 2
#define PROCMAP_SHARED	 8

static int vma_query(int fd, uint64_t va, struct memory_vma *out)
{
	struct procmap_query q = {.size = sizeof(q), .query_addr = va};

	if (ioctl(fd, PROCMAP_IOCTL, &q))
		return errno == ENOENT ? -EFAULT : -ENOTTY;
	*out = (struct memory_vma){
		.start = q.vma_start,
		.last = q.vma_end - 1,
		.kind = q.vma_flags & PROCMAP_SHARED ? VMA_SHARED : VMA_PRIVATE,
		.read = q.vma_flags & PROCMAP_READABLE,
		.write = q.vma_flags & PROCMAP_WRITABLE,
		.dev = (uint64_t)q.dev_major << 32 | q.dev_minor,
		.ino = q.inode,
		.offset = q.vma_offset,
	};
	return 0;
}

/* Reads /proc/.../maps character by character: a line may be as long as a path. */
struct reader {
	int fd;
	ssize_t n, pos;
	char buf[4096];
};

static int reader_next(struct reader *r)
{
	if (r->pos == r->n) {
		r->n = read(r->fd, r->buf, sizeof(r->buf));
		r->pos = 0;
		if (r->n <= 0)
			return r->n = 0, -1;
	}
	return (unsigned char)r->buf[r->pos++];
}

/* A number in @base, and the character behind it. */
static uint64_t reader_number(struct reader *r, unsigned int base)
{
	uint64_t v = 0;
	int c;

	while ((c = reader_next(r)) >= 0) {
		unsigned int digit =
			c >= '0' && c <= '9' ? (unsigned int)c - '0' : (unsigned int)c - 'a' + 10;

		if (digit >= base)
			break;
		v = v * base + digit;
	}
	return v;
}

/* "start-end rwxs offset major:minor inode path"; false at the end of the file. */
static bool vma_line(struct reader *r, struct memory_vma *out)
{
	uint64_t end, major;
	char mode[5];
	int c;

	out->start = reader_number(r, 16);
	end = reader_number(r, 16);
	for (size_t i = 0; i < sizeof(mode); i++)
		mode[i] = (char)reader_next(r);
	out->offset = reader_number(r, 16);
	major = reader_number(r, 16);
	out->dev = major << 32 | reader_number(r, 16);
	out->ino = reader_number(r, 10);
	if (!end)
		return false;
	out->last = end - 1;
	out->read = mode[0] == 'r';
	out->write = mode[1] == 'w';
	out->kind = mode[3] == 's' ? VMA_SHARED : VMA_PRIVATE;
	/* The inode's number is followed by spaces and a path, or by the line's end at once. */
	for (c = r->pos ? r->buf[r->pos - 1] : 0; c >= 0 && c != '\n';)
		c = reader_next(r);
	return true;
}

static int vma_search(int fd, uint64_t va, struct memory_vma *out)
{
	struct reader r = {.fd = fd};

	*out = (struct memory_vma){0};
	while (vma_line(&r, out))
		if (out->last >= va)
			return out->start <= va ? 0 : -EFAULT;
	return -EFAULT;
}

int memory_vma_in(int maps, uint64_t va, struct memory_vma *out)
{
	int rc = vma_query(maps, va, out);

	return rc == -ENOTTY ? vma_search(maps, va, out) : rc;
}

bool memory_vma_find(int maps, bool (*fn)(void *arg, const struct memory_vma *v), void *arg)
{
	struct reader r = {.fd = maps};
	struct memory_vma v = {0};

	while (vma_line(&r, &v))
		if (fn(arg, &v))
			return true;
	return false;
}

static int open_maps(void)
{
	return open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
}

int process_maps_check(void)
{
	const int fd = open_maps(), err = errno;

	if (fd < 0)
		return -err;
	close(fd);
	return 0;
}

int process_vma_parse(uint64_t va, struct memory_vma *out)
{
	int fd = open_maps(), rc;

	if (fd < 0)
		return -EFAULT;
	rc = vma_search(fd, va, out);
	close(fd);
	return rc;
}

static int process_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	int fd = open_maps(), rc;

	if (fd < 0)
		return -EFAULT;
	rc = memory_vma_in(fd, va, out);
	close(fd);
	return rc;
}

void maps_create(struct maps *maps)
{
	void *page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	maps->fd = page == MAP_FAILED ? NULL : page;
	if (maps->fd && madvise(page, PAGE_SIZE, MADV_WIPEONFORK)) {
		munmap(page, PAGE_SIZE);
		maps->fd = NULL;
	}
}

void maps_destroy(struct maps *maps)
{
	if (!maps->fd)
		return;
	if (*maps->fd)
		close(*maps->fd - 1);
	munmap(maps->fd, PAGE_SIZE);
}

/* Threads may ask at once: the first that opened it wins. */
static int maps_open(struct maps *maps)
{
	int kept = __atomic_load_n(maps->fd, __ATOMIC_ACQUIRE), fd;

	if (likely(kept))
		return kept - 1;
	fd = open_maps();
	if (fd < 0)
		return fd;
	if (__atomic_compare_exchange_n(maps->fd, &kept, fd + 1, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return fd;
	close(fd);
	return kept - 1;
}

/* A program that closes what it did not open, or a kernel that cannot be asked, gets its answer all
 * the same. */
int maps_vma(struct maps *maps, uint64_t va, struct memory_vma *out)
{
	int fd = maps->fd ? maps_open(maps) : -1, rc = -ENOTTY;

	if (fd >= 0)
		rc = vma_query(fd, va, out);
	return rc == -ENOTTY ? process_vma(NULL, va, out) : rc;
}

const struct memory_ops memory_default_ops = {
	.probe = process_probe,
	.vma = process_vma,
	.copy = process_copy,
	.exchange = process_exchange,
};
