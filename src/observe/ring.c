/* SPDX-License-Identifier: BSD-3-Clause */
#include "observe/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

#define ENTRY_ALIGN 8u

/* The word before the bytes: position / 8, the room that the entry has in words, the bytes used. */
static uint64_t word_of(uint64_t position, size_t words, size_t used)
{
	return position / ENTRY_ALIGN << 32 | (uint64_t)words << 16 | used;
}

static uint64_t *word_at(const struct ring *r, uint64_t position)
{
	return (uint64_t *)(void *)(r->data + position % RING_SIZE);
}

int ring_map(int fd, struct ring *out)
{
	const size_t size = RING_FILE_SIZE + RING_SIZE;
	char *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int rc;

	if (at == MAP_FAILED)
		return -errno;
	if (mmap(at, RING_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED ||
	    mmap(at + RING_FILE_SIZE, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 PAGE_SIZE) == MAP_FAILED) {
		rc = -errno;
		munmap(at, size);
		return rc;
	}
	*out = (struct ring){(struct ring_head *)(void *)at, (uint8_t *)at + PAGE_SIZE};
	return 0;
}

void ring_unmap(struct ring *r)
{
	munmap(r->shared, RING_FILE_SIZE + RING_SIZE);
}

static uint64_t whole(size_t len)
{
	return align_up(len, ENTRY_ALIGN) + ENTRY_ALIGN;
}

static __attribute__((cold, noinline)) void drop(struct ring_head *h, uint64_t head)
{
	uint64_t none = 0;

	__atomic_fetch_add(&h->lost, 1, __ATOMIC_RELAXED);
	__atomic_compare_exchange_n(&h->gap, &none, head + 1, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

void *ring_get(struct ring *r, size_t len, uint64_t *position)
{
	struct ring_head *h = r->shared;
	uint64_t head = __atomic_load_n(&h->head, __ATOMIC_RELAXED);

	do {
		/* What lies behind the tail was copied before the tail moved. */
		uint64_t tail = __atomic_load_n(&h->tail, __ATOMIC_ACQUIRE);

		if (head + whole(len) - tail > RING_SIZE) {
			drop(h, head);
			return NULL;
		}
	} while (!__atomic_compare_exchange_n(&h->head, &head, head + whole(len), true,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	*position = head;
	return word_at(r, head) + 1;
}

void ring_put(struct ring *r, uint64_t position, size_t len, size_t used)
{
	__atomic_store_n(word_at(r, position), word_of(position, whole(len) / ENTRY_ALIGN, used),
			 __ATOMIC_RELEASE);
}

/* The size of the finished entry at @position, and its bytes in *used; 0: it is not finished. */
static uint64_t entry_at(const struct ring *r, uint64_t position, uint64_t head, size_t *used)
{
	const uint64_t word = __atomic_load_n(word_at(r, position), __ATOMIC_ACQUIRE);
	const uint64_t size = (word >> 16 & 0xffff) * ENTRY_ALIGN;

	*used = word & 0xffff;
	if (word >> 32 != (uint32_t)(position / ENTRY_ALIGN) || size < *used + ENTRY_ALIGN ||
	    size > head - position)
		return 0;
	return size;
}

size_t ring_take(struct ring *r, void *to, size_t room, bool dead)
{
	struct ring_head *h = r->shared;
	const uint64_t head = __atomic_load_n(&h->head, __ATOMIC_ACQUIRE);
	const uint64_t gap = __atomic_load_n(&h->gap, __ATOMIC_ACQUIRE);
	uint64_t at = __atomic_load_n(&h->tail, __ATOMIC_RELAXED);
	size_t n = 0;

	if (head - at > RING_SIZE || at % ENTRY_ALIGN)
		return 0;
	while (at < head && at + 1 != gap) {
		size_t used;
		uint64_t size = entry_at(r, at, head, &used);

		if (!size && !dead)
			break;
		if (!size) {
			at += ENTRY_ALIGN;
			continue;
		}
		if (used > room - n)
			break;
		memcpy((uint8_t *)to + n, word_at(r, at) + 1, used);
		n += used;
		at += size;
	}
	__atomic_store_n(&h->tail, at, __ATOMIC_RELEASE);
	return n;
}

uint64_t ring_take_lost(struct ring *r)
{
	struct ring_head *h = r->shared;
	const uint64_t gap = __atomic_load_n(&h->gap, __ATOMIC_ACQUIRE);

	if (!gap || gap != __atomic_load_n(&h->tail, __ATOMIC_RELAXED) + 1)
		return 0;
	/* What is dropped from now on has a gap of its own, unless it comes in between: it is
	 * counted then. */
	__atomic_store_n(&h->gap, 0, __ATOMIC_RELEASE);
	return __atomic_exchange_n(&h->lost, 0, __ATOMIC_RELAXED);
}
