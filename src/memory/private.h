/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share. Everything here is guarded by memory->lock unless it says
 * otherwise.
 *
 * From top to bottom: a pages object (pages.c) pins stretches of bytes (pin.c); origin.c says what
 * lies at an address; slots.c gives it PAs; hold.c keeps shared memory and files mapped.
 */
#ifndef IOAS_MEMORY_PRIVATE_H
#define IOAS_MEMORY_PRIVATE_H

#include "base/lock.h"
#include "base/pool.h"
#include "base/range.h"
#include "memory/memory.h"

#define SLOT_PAGES  (MEMORY_SLOT_SIZE >> PAGE_SHIFT)
#define SLOT_WORDS  (SLOT_PAGES / 64)
#define BLOCK_SHIFT 9 /* pages to a block: 2 MiB */
#define BLOCK_PAGES (1u << BLOCK_SHIFT)
#define SLOT_BLOCKS (SLOT_PAGES / BLOCK_PAGES)

/*
 * What a slot stands for. Two slots in use differ in their keys, but for PRIVATE, where a new slot
 * is made when what is wanted is stale in the older ones.
 */
struct slot_key {
	struct memory_mm *mm; /* whose address; NULL: this process's, or FILE */
	uint64_t gib;	   /* VA >> 30; FILE: offset >> 30 */
	uint64_t dev, ino; /* SHARED, FILE: the file; BAR: device and region */
	/* SHARED: file offset - VA; BAR: BAR offset - VA; DIRECT: VA here - VA; FILE: generation */
	uint64_t delta;
	uint8_t kind;	   /* enum memory_kind */
	bool writable;	   /* SHARED */
};

struct slot {
	struct slot_key key;
	struct slot *next; /* same bucket */
	uint64_t pinned;   /* pages, each pin of a page counted */
	uint32_t index;

	/* PRIVATE, FOREIGN, DIRECT: pages pinned in each block; pages that are stale. A block with nothing pinned
	 * has no stale page. */
	uint32_t *block_pinned;
	uint64_t *stale;
	uint64_t nr_stale;

	/* SHARED, FILE: 1 GiB of our own address space. */
	char *hold;
	uint64_t *held;	   /* SHARED: pages that are mapped there */
	uint64_t held_end; /* FILE: bytes that are mapped there, from the start */
	bool detached;	   /* SHARED: the program's mapping changed: goes with the last pin */
	bool read_only;	   /* FILE: cannot be mapped for writing */
	bool holed;	   /* the reservation is no longer all ours: never unmapped */
};

/* An embedder's promise: value of memory.registered. */
struct registered {
	uint64_t pinned; /* pages, as above */
};

struct span {
	uint64_t first, last;
};

/* An address space: what is known of it. */
struct memory_mm {
	struct memory *memory;
	const struct memory_mm_ops *ops; /* NULL: this process's */
	void *arg;
	uint32_t refs;
	uint64_t pinned; /* pages of pages objects with this mm */
	bool gone;
	bool tracked;	      /* every change is reported */
	struct range_tree vmas; /* remembered answers of ops.vma: struct memory_vma *; tracked only */
	uint64_t changes;	/* counts changes of the address space */
	struct span recent[16]; /* the last ones: change n is in recent[n % 16] */
	struct list changing;	/* struct memory_change: begun, not ended */
};

/*
 * Our own /proc/.../maps, kept open to be asked about single addresses. A child of fork() has an
 * address space of its own: there *fd, which the kernel empties in children, is 0, and it opens
 * another.
 */
struct maps {
	int *fd; /* descriptor + 1, 0: not open; in a page of its own, or NULL */
};

struct memory {
	struct memory_slot *slots; /* MEMORY_SLOTS of them, read without the lock */
	struct slot **info;	   /* what else there is to know of each */
	struct slot **buckets;	   /* by key */
	uint64_t *used;		   /* bit for each slot */
	uint32_t nr_slots;
	uint32_t next_slot; /* no free slot below */
	struct slot *hint;  /* pinned last, or NULL */

	struct lock lock;
	struct range_tree registered; /* struct registered */
	struct range registered_hint; /* one of them, or start > last */
	struct memory_mm self;	      /* this process's */
	struct pool pages;	      /* struct pages */
	struct list dmabufs;

	struct memory_ops ops;
	struct maps maps; /* for ops.vma where it is the default */
	void *ops_arg;
	void *revoked_arg;
	const struct sink *sink;
};

/*
 * The pins of a part of a pages object, in one word so that a mapping takes little: either one
 * number for all of it and their slot, or a table of its parts (pin.c). It is read without the
 * lock, too.
 */
struct pin_table;
struct pin_node {
	uint64_t word; /* pins << 32 | slot << 16, or the table's address | PIN_TABLE */
};
#define PIN_TABLE 1
/* Root only: what a pin acquired is being probed, other pins wait. */
#define PIN_BUSY 2

static inline struct pin_table *pin_table(const struct pin_node *n)
{
	uint64_t w = __atomic_load_n(&n->word, __ATOMIC_ACQUIRE);

	return w & PIN_TABLE
		       ? (struct pin_table *)(uintptr_t)(w & ~(uint64_t)(PIN_TABLE | PIN_BUSY))
		       : NULL;
}

/* Of a node without a table. */
static inline uint32_t pin_pins(const struct pin_node *n)
{
	return (uint32_t)(n->word >> 32);
}

/* Valid while there are pins. */
static inline uint16_t pin_slot_of(const struct pin_node *n)
{
	return (uint16_t)(n->word >> 16);
}

/* Nothing of the node is pinned, and nothing about to be. */
static inline bool pin_is_free(const struct pin_node *n)
{
	return !(n->word >> 32) && !(n->word & (PIN_TABLE | PIN_BUSY));
}

static inline void pin_set_word(struct pin_node *n, uint64_t word)
{
	__atomic_store_n(&n->word, word | (n->word & PIN_BUSY), __ATOMIC_RELEASE);
}

static inline void pin_set_busy(struct pin_node *n, bool busy)
{
	__atomic_store_n(&n->word, (n->word & ~(uint64_t)PIN_BUSY) | (busy ? PIN_BUSY : 0),
			 __ATOMIC_RELAXED);
}

static inline void pin_set(struct pin_node *n, uint32_t pins, uint16_t slot)
{
	pin_set_word(n, (uint64_t)pins << 32 | (uint64_t)slot << 16);
}

static inline void pin_set_table(struct pin_node *n, const struct pin_table *t)
{
	pin_set_word(n, (uintptr_t)t | PIN_TABLE);
}

struct pages {
	struct memory *memory;
	struct memory_mm *mm; /* whose addresses; a file's: who mapped it */
	struct memory_account *account;
	uint64_t start, length; /* VA or file offset */
	struct pin_node root;
	uint32_t refs;	    /* atomic */
	signed int fd : 28; /* -1: process memory */
	unsigned int writable : 1, allow_bar : 1, dmabuf : 1;
	unsigned int ahead : 1; /* pinned by pages_create(): of its creator's only */
};

/* origin.c. What lies at an address, as far as slots are concerned: [first, last] with one key but
 * for key.gib. */
struct stretch {
	uint64_t first, last;
	struct slot_key key; /* kind FREE: nothing that can be pinned */
	bool read, write;
	bool plain; /* MEMORY_PLAIN */
};
void origin_init(struct memory *m, bool tracked);
void origin_destroy(struct memory *m);
/* A registered range or a remembered VMA at @va. */
bool origin_find(struct memory_mm *mm, uint64_t va, struct stretch *out);
/* From @va to the end of @vma, or to the next registered range. */
void origin_from_vma(struct memory_mm *mm, const struct memory_vma *vma, uint64_t va,
		     struct stretch *out);
/* Remembers @vma, which was asked for when mm->changes was @changes. Harmless when it cannot. */
void origin_remember(struct memory_mm *mm, const struct memory_vma *vma, uint64_t changes);
/* memory_ops.vma or the mm's own. Without the lock. */
int origin_ask(struct memory_mm *mm, uint64_t va, struct memory_vma *out);
/* References to another process's mm; of this one's, or NULL, nothing is counted. mm_drop(): it was
 * the last, and mm_free() is due, which is no work for under a lock of the caller's of memory_mm. */
void mm_get(struct memory_mm *mm);
bool mm_drop(struct memory_mm *mm);
void mm_free(struct memory_mm *mm);
/* Counts @n pins (may be negative) of each page of registered memory. */
void origin_count(struct memory *m, uint64_t va, uint64_t last, int n);
/* Does the range that was looked at last hold all of [va, last]? */
static inline bool registered_covers(const struct memory *m, uint64_t va, uint64_t last)
{
	return va >= m->registered_hint.start && last <= m->registered_hint.last;
}
/* Is a change of [va, last] under way? Has one been (perhaps) since mm->changes was @changes? */
bool origin_changing(const struct memory_mm *mm, uint64_t va, uint64_t last);
bool origin_changed(const struct memory_mm *mm, uint64_t va, uint64_t last, uint64_t changes);
/* The key's mm of an origin in @mm. */
static inline struct memory_mm *key_mm(struct memory_mm *mm)
{
	return mm->ops ? mm : NULL;
}
/* What is private to a process is used where it lies, in this one or another; what an mm's maker has, too. */
static inline bool is_private(uint8_t kind)
{
	return kind == MEMORY_PRIVATE || kind == MEMORY_FOREIGN || kind == MEMORY_DIRECT;
}
static inline struct slot_key private_key(struct memory_mm *mm)
{
	return (struct slot_key){.mm = key_mm(mm),
				 .kind = mm->ops ? MEMORY_FOREIGN : MEMORY_PRIVATE};
}

/* slots.c. */
int slots_create(struct memory *m);
void slots_destroy(struct memory *m);
/*
 * Pins @pages pages from @addr (VA or file offset), which lie in one slot of @key (key.gib is
 * filled in). The slot's index in *index. -ENOMEM; what hold_file() says.
 */
int slot_pin(struct memory *m, struct slot_key *key, uint64_t addr, uint64_t pages, int fd,
	     uint16_t *index);
void slot_unpin(struct memory *m, uint16_t index, uint64_t addr, uint64_t pages);
/* The process changes [va, last]. True when something pinned there became stale. */
bool slots_change(struct memory_mm *mm, uint64_t va, uint64_t last);

/* The slots of a file become GONE; true when there were any. */
bool slots_revoke(struct memory *m, uint64_t dev, uint64_t ino);

/* dmabuf.c. Of a pages object with p->dmabuf: what its pages are to be; it goes (without the lock). */
void dmabuf_key(const struct pages *p, struct slot_key *key);
void dmabuf_forget(struct pages *p);

/* hold.c. Fills slot->hold and slot->held. */
int hold_create(struct slot *s);
void hold_destroy(struct slot *s);
/* Makes pages [first, first + n) of the slot mapped. Any error: it cannot be held. */
int hold_shared(struct slot *s, uint64_t first, uint64_t n);
int hold_file(struct slot *s, int fd, uint64_t end);
/* What file is it, and may bytes [start, last] of it be pinned? -EINVAL. */
int hold_check_file(int fd, uint64_t start, uint64_t last, struct slot_key *key);

/*
 * pin.c. The most frequent case by far, in a few instructions: an object within one GiB, pinned and
 * unpinned as a whole, in registered memory that was used just before. False: it is not this case,
 * and nothing was done.
 */
bool pin_fast(struct pages *p, uint64_t first, uint64_t last);
bool unpin_fast(struct pages *p, uint64_t first, uint64_t last);

/* A part of what one pin made resident, still to be probed: in program memory or in a mapping of
 * ours. */
struct pin_run {
	char *base;
	uint64_t len;
	unsigned int how; /* MEMORY_WRITE, ... */
	bool foreign;	  /* base is an address of the pages' mm */
};
struct pin_op {
	struct pages *pages;
	struct stretch file;	 /* pages->fd >= 0 */
	struct memory_vma *vmas; /* answers of ops.vma, ascending */
	size_t nr_vmas;
	uint64_t changes; /* mm->changes when the first of them was asked for */
	uint64_t need;	  /* the VA that -EAGAIN asks for */
	struct pin_run *runs;
	size_t nr_runs;
	uint64_t acquired; /* pages that were not pinned before and have to be paid for */
};
/* Pins pages [first, last] (address >> PAGE_SHIFT), all or nothing. -EAGAIN: ask ops.vma about
 * op->need and on. */
int pin_range(struct pin_op *op, uint64_t first, uint64_t last);
/* Undoes one pin_range() and returns how many pages need no longer be paid for. */
uint64_t unpin_range(struct pages *p, uint64_t first, uint64_t last);
/* Pages that are pinned and have to be paid for. */
uint64_t pin_count(const struct pages *p);
/* Calls @cb for stretches of pages that are pinned, with their slot. */
void pin_each(const struct pages *p, void (*cb)(void *arg, struct span clip, uint16_t slot), void *arg);
/* The slot of @page, which is pinned, and the last page from there up to @last that is in the same
 * slot. */
uint16_t pin_slot(const struct pages *p, uint64_t page, uint64_t *last);

/* account.c. Adds @n pages; false when that is beyond the limit (they are added all the same). */
bool account_charge(struct memory_account *a, uint64_t n);
void account_uncharge(struct memory_account *a, uint64_t n);

/* process.c. Checks [va, va + len) page by page, where the kernel has no MADV_POPULATE_*. */
int process_touch(uint64_t va, uint64_t len, bool write);
/* memory_default_ops.vma, with a file that is kept open. */
void maps_create(struct maps *maps);
void maps_destroy(struct maps *maps);
int maps_vma(struct maps *maps, uint64_t va, struct memory_vma *out);
/* 0, or why /proc does not tell what lies where. */
int process_maps_check(void);
/* The same answer as memory_default_ops.vma gives, where the kernel can only list all VMAs. */
int process_vma_parse(uint64_t va, struct memory_vma *out);

static inline uint64_t pages_first(const struct pages *p)
{
	return p->start >> PAGE_SHIFT;
}

static inline uint64_t pages_last(const struct pages *p)
{
	return (p->start + p->length - 1) >> PAGE_SHIFT;
}

#endif
