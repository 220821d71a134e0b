/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where bytes live: the host's physical address space.
 *
 * A PA is slot << 30 | offset. A slot is 1 GiB, numbered in order of first use, and names an
 * origin: program memory, a file, a BAR, page-table memory. The low 30 bits of a PA equal those of
 * the VA or file offset behind it, so that large leaves stay possible. No room but this one turns a
 * PA into a pointer, and only through memory_slot().
 *
 * Pinning. Shared and file memory is held through a mapping of the engine's own and outlives the
 * program's mapping: its slots are named by the file and the offset, so a VA that is mapped anew
 * names another slot. Private memory cannot be held: when the program changes its address space
 * (the door brackets the call with memory_change_begin() and memory_change_end()) what is pinned
 * there becomes *stale*: a leaf that points there faults, and a later pin of the same VA gets
 * another slot. Invariant: a live leaf never reaches the VA's next owner.
 *
 * The memory of another process (struct memory_mm) is pinned by the same rules: what it shares is
 * held by a mapping of the engine's own and outlives the process, what is private to it is copied
 * by whoever made the mm and is stale once the process has changed it or is gone.
 *
 * Slot 0 is never given out, so that PA 0 is never memory.
 *
 * Locks: LOCK_MEMORY (base/lock.h) guards everything here but the slots that translation reads,
 * which take none.
 */
#ifndef IOAS_MEMORY_MEMORY_H
#define IOAS_MEMORY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/list.h"
#include "base/refuse.h"
#include "base/text.h"

#define MEMORY_SLOT_SHIFT 30
#define MEMORY_SLOT_SIZE  BIT(MEMORY_SLOT_SHIFT)
#define MEMORY_SLOT_MASK  (MEMORY_SLOT_SIZE - 1)
#define MEMORY_SLOTS	  BIT(16) /* 46 bits of PA: what every make can encode */

struct memory;

enum memory_kind {
	MEMORY_FREE,
	MEMORY_PRIVATE,	   /* the process's own memory at base; may become stale */
	MEMORY_SHARED,	   /* a duplicate of the program's shared mapping, held by us */
	MEMORY_FILE,	   /* our mapping of a file */
	MEMORY_BAR,	   /* a device's registers: never a pointer; see struct memory_bar */
	MEMORY_TABLE,	   /* page-table memory: not reachable by DMA */
	MEMORY_FOREIGN,	   /* another process's own memory; base is an address there */
	MEMORY_GONE,	   /* taken back by its exporter (struct dmabuf): nothing answers */
	MEMORY_REGISTERED, /* as PRIVATE, but an embedder promised that it stays: copied without a
			      guard */
	MEMORY_DIRECT,	   /* of a memory_mm whose maker promised the same */
};

/* A BAR behind a VA or a slot; opaque here, dma/ knows what device is. */
struct memory_bar {
	void *device;	 /* struct dma_peer * */
	uint32_t region; /* BAR index */
	uint64_t offset; /* of the first byte of what this describes */
};

/* Registered, or as good: copied without a guard. The last kinds. */
static inline bool memory_kind_stays(uint8_t kind)
{
	return kind >= MEMORY_REGISTERED;
}

/* What a translation needs to know of a slot. Read without locks; fields change only before a slot
 * is first published or after every reader has left, but for kind, which may become GONE. */
struct memory_slot {
	char *base;	/* address of offset 0, or NULL where the bytes are no plain memory */
	uint8_t kind;	/* enum memory_kind */
	bool has_stale; /* memory_has_stale() */
};

/* Look into memory_stale() before use. Who marks a part of a slot stale makes every IOTLB forget it
 * afterwards, so that an answer that is too old does no harm. */
static inline bool memory_has_stale(const struct memory_slot *slot)
{
	return __atomic_load_n(&slot->has_stale, __ATOMIC_RELAXED);
}

/* What lies at a VA, as memory_ops.vma reports it. */
/* DIRECT: an mm's only, where its maker has it at an address of this process and keeps it there. */
enum memory_vma_kind { VMA_NONE, VMA_PRIVATE, VMA_SHARED, VMA_BAR, VMA_IO, VMA_DIRECT };
struct memory_vma {
	uint64_t start, last;
	enum memory_vma_kind kind;
	bool read, write;
	uint64_t dev, ino, offset; /* the file (ino 0: none), and the offset of start in it */
	struct memory_bar bar;	   /* VMA_BAR: of start */
	uint64_t direct;	   /* VMA_DIRECT: where start lies in this process */
};

/* What a probe is to find out, and what is known already. */
enum {
	MEMORY_WRITE = BIT(0),
	/* It is private, no file's, readable and writable: what is there may be used. */
	MEMORY_PLAIN = BIT(1),
};

/* How this process's memory is reached. Every member has a default (memory_default_ops).
 * Thread-safe, must not call back. */
struct memory_ops {
	/*
	 * Fault in and check [va, va + len), whole pages: every page exists, may be read, and
	 * written with MEMORY_WRITE. 0 or -EFAULT. The default uses
	 * madvise(MADV_POPULATE_READ/WRITE), and for what is plain quicker ways. Also asked of
	 * mappings that are the engine's own.
	 */
	int (*probe)(void *arg, uint64_t va, uint64_t len, unsigned int how);
	/* What lies at @va. 0 or -EFAULT where nothing does. The default asks /proc/self/maps. */
	int (*vma)(void *arg, uint64_t va, struct memory_vma *out);
	/*
	 * Copy between engine memory and memory that may vanish. 0, or -EFAULT when either side
	 * could not be touched; some bytes may have been copied then. The default uses
	 * process_vm_readv/writev on this process.
	 */
	int (*copy)(void *arg, void *dst, const void *src, size_t len);
	/*
	 * Atomically replace the aligned word at @at by @to if it is *@is, which receives what it was.
	 * 0 or -EFAULT. The default makes sure of the page first, and trusts that nobody takes it
	 * away in that moment.
	 */
	int (*exchange)(void *arg, uint64_t *at, uint64_t *is, uint64_t to);
	/* Called, without locks, after a part of a slot became stale: make every IOTLB forget it
	 * and wait for DMA in flight. */
	void (*revoked)(void *arg);
};

extern const struct memory_ops memory_default_ops; /* revoked is NULL */

/* Of an open /proc/.../maps: what lies at @va, 0 or -EFAULT; the first VMA that @fn says yes to. */
int memory_vma_in(int maps, uint64_t va, struct memory_vma *out);
bool memory_vma_find(int maps, bool (*fn)(void *arg, const struct memory_vma *v), void *arg);

struct memory_config {
	const struct memory_ops *ops; /* members may be NULL: defaults */
	void *ops_arg;
	const struct sink *sink;
	/*
	 * Every change of the address space is reported (memory_change_begin(),
	 * memory_va_changed()), as the preload door does. Without that promise nothing is
	 * remembered of a VA that is not registered: each pin looks anew.
	 */
	bool tracked;
};

int memory_create(const struct memory_config *cfg, struct memory **out);
void memory_destroy(struct memory *m);

/* Replaces the revoked callback (the iommu room's business; set once, before DMA). */
void memory_set_revoked(struct memory *m, void (*revoked)(void *arg), void *arg);

/**
 * memory_slot() - the slot behind a PA; lock-free, for readers inside their epoch
 * Never NULL for a PA that a page table holds. The slots are one array: that of PA 0 is followed by
 * that of PA 1 GiB.
 */
const struct memory_slot *memory_slot(const struct memory *m, uint64_t pa);

/* Is any byte of [pa, pa + len), within one slot, stale? For slots with has_stale. Takes a lock;
 * slow path only. */
bool memory_stale(struct memory *m, uint64_t pa, uint64_t len);

/* The BAR bytes at @pa of a MEMORY_BAR slot. 0 or -EFAULT. */
int memory_bar_at(struct memory *m, uint64_t pa, struct memory_bar *out);

/* Copy from memory of @slot (at @src), or to it (at @dst), by the rules of its kind: plain for
 * registered memory, guarded otherwise. 0 or -EFAULT. */
int memory_copy_from(struct memory *m, const struct memory_slot *slot, void *dst, const void *src,
		size_t len);
int memory_copy_to(struct memory *m, const struct memory_slot *slot, void *dst, const void *src,
		 size_t len);

/*
 * One aligned word of memory of @slot: read at once (as far as the slot's kind can: the kernel copies the
 * memory of others), or replaced if it is still @is, atomically. 0; -EFAULT; exchange: -EAGAIN: it is
 * another one by now. Memory that is private to another process cannot be exchanged: -EFAULT.
 */
int memory_read_word(struct memory *m, const struct memory_slot *slot, const uint64_t *at, uint64_t *word);
int memory_exchange_word(struct memory *m, const struct memory_slot *slot, uint64_t *at, uint64_t is, uint64_t to);

/*
 * Reserve consecutive slots of kind MEMORY_TABLE for @len bytes at @base (1 GiB aligned); returns
 * the PA of @base in *pa. -ENOMEM: no slots left.
 */
int memory_add_tables(struct memory *m, char *base, uint64_t len, uint64_t *pa);

/*
 * An embedder's promise that [va, va + len), whole pages, stays mapped, readable and writable until
 * unregistered. -EEXIST: meets a registered range; -EINVAL: not whole pages, empty, wraps; -ENOMEM.
 */
int memory_register(struct memory *m, uint64_t va, uint64_t len);
/* Exactly a range registered before, else -ENOENT; -EBUSY while any of it is pinned. */
int memory_unregister(struct memory *m, uint64_t va, uint64_t len);

/*
 * The door: brackets a system call that unmaps, replaces or moves what lies in [va, va + len). From
 * begin to end, pins of that range wait; when begin returns, what was pinned there is stale, every
 * IOTLB has forgotten it, and no DMA to it runs. Called without the engine's locks. Cheap when
 * nothing there is pinned.
 */
struct memory_change {
	uint64_t va, last;
	struct list link;
};
void memory_change_begin(struct memory *m, struct memory_change *c, uint64_t va, uint64_t len);
/* The same of a call after which only private memory is another: MADV_DONTNEED and the like. */
void memory_drop_begin(struct memory *m, struct memory_change *c, uint64_t va, uint64_t len);
void memory_change_end(struct memory *m, struct memory_change *c);
/* Both at once, where the place is known only afterwards: mmap(NULL, ...), shmat(). */
void memory_va_changed(struct memory *m, uint64_t va, uint64_t len);
/* mprotect(): the memory stays, only what is remembered of its protection is forgotten. */
void memory_va_protected(struct memory *m, uint64_t va, uint64_t len);

/*
 * The address space of another process. Every member of the ops is needed; those of memory_ops, and
 * what else an address there takes. Called without locks, but for @map.
 */
struct memory_mm;
struct memory_mm_ops {
	int (*probe)(void *arg, uint64_t va, uint64_t len, unsigned int how);
	int (*vma)(void *arg, uint64_t va, struct memory_vma *out);
	/*
	 * Maps [offset, offset + len) of the file of a VMA_SHARED that @vma told of, over what is
	 * at @where. 0 or -errno: such memory cannot be held. Under the memory's lock: must not
	 * wait.
	 */
	int (*map)(void *arg, const struct memory_vma *file, uint64_t len, void *where);
	int (*read)(void *arg, void *dst, uint64_t src, size_t len);
	int (*write)(void *arg, uint64_t dst, const void *src, size_t len);
	void (*release)(void *arg);
};
int memory_mm_create(struct memory *m, const struct memory_mm_ops *ops, void *arg,
		     struct memory_mm **out);
/* Its creator's reference. Pages objects and slots have some of their own: @release is called when
 * the last has gone. */
void memory_mm_put(struct memory_mm *mm);
/* The process has ended, or is another program now. When this returns no DMA to its own memory
 * runs; what it shared and is pinned stays. */
void memory_mm_gone(struct memory_mm *mm);
/* As memory_change_begin() and the others, of its address space. */
void memory_mm_change_begin(struct memory_mm *mm, struct memory_change *c, uint64_t va,
			    uint64_t len);
void memory_mm_drop_begin(struct memory_mm *mm, struct memory_change *c, uint64_t va, uint64_t len);
void memory_mm_change_end(struct memory_mm *mm, struct memory_change *c);
void memory_mm_protected(struct memory_mm *mm, uint64_t va, uint64_t len);

/* @device (memory_bar.device) goes away: its BAR slots answer no more. Returns when no DMA uses it.
 */
void memory_forget_device(struct memory *m, const void *device);

/*
 * For those that look. Does @pa, as a page table holds it, show the byte that @mm (NULL: this
 * process) has at @va? 0; -EINVAL: no; -EFAULT: there is none.
 */
int memory_shows(struct memory *m, uint64_t pa, struct memory_mm *mm, uint64_t va);
/* What a pages object shows; as long as it is held. */
struct pages;
struct pages_origin {
	enum pages_kind { PAGES_MEMORY, PAGES_FILE, PAGES_DMABUF } kind;
	struct memory_mm *mm; /* MEMORY: whose addresses; NULL: this process's */
	uint64_t start, length; /* VA, or offset in the file */
	int fd;			/* FILE, DMABUF: the engine's own; else -1 */
	bool writable;
};
void pages_describe(const struct pages *p, struct pages_origin *out);
/* What it was created with. */
void *memory_mm_arg(const struct memory_mm *mm);
/* How many pages objects pin each of @nr_pages pages from @va on. 0 or -EFAULT. */
int memory_count_pins(struct memory *m, struct memory_mm *mm, uint64_t va, uint64_t nr_pages,
		      uint32_t *counts);
/* Pages that are pinned and @mm's (NULL: this process's): what /proc/PID/status calls VmPin. */
uint64_t memory_pinned(struct memory *m, struct memory_mm *mm);
/* Slots in use, for those that look. */
uint32_t memory_nr_slots(struct memory *m);

/*
 * Who pays. One account for each user and one for each process; a pages object is charged to one of
 * them.
 */
struct memory_account;
/* @limit: bytes (RLIMIT_MEMLOCK), asked at each charge. */
int memory_account_create(uint64_t (*limit)(void *arg), void *arg, struct memory_account **out);
/* The limit of an account that was made without a function. */
void memory_account_set_limit(struct memory_account *a, uint64_t bytes);
void memory_account_get(struct memory_account *a);
void memory_account_put(struct memory_account *a);
uint64_t memory_account_limit(const struct memory_account *a);	/* bytes */
uint64_t memory_account_locked(const struct memory_account *a); /* pages charged now */

/* The payer of new pages objects: the account of the mode, or nobody (CAP_IPC_LOCK). */
struct memory_payer {
	struct memory_account *account; /* NULL: nothing is charged */
	struct memory_mm *mm; /* of the process whose pins a file's are; NULL: this one's */
};

/*
 * A pages object: the origin of one MAP, shared by COPY, charged once. Reference counted;
 * thread-safe.
 */
struct pages;

/* [va, va + len) of a process; len != 0 and no overflow (the caller checked). */
struct pages_source {
	struct memory_mm *mm; /* NULL: this process's */
	const struct memory_payer *payer;
	uint64_t va, len;
	bool writable, allow_bar;
};
/*
 * Nothing is looked at yet; -ENOMEM. With @pin it is pinned as a whole if that is known to succeed
 * at once, for which pages_pin() of the whole, or pages_put(), must be the next that is done with
 * it.
 */
int pages_create(struct memory *m, const struct pages_source *source, bool pin, struct pages **out);
/* [va, va + len) of this process; len != 0 and no overflow (the caller checked). -ENOMEM. Nothing
 * is looked at yet. */
int pages_from_va(struct memory *m, const struct memory_payer *payer, uint64_t va, uint64_t len,
		  bool writable, bool allow_bar, struct pages **out);
/* The same of another process; @mm NULL: of this one. */
int pages_from_mm(struct memory *m, struct memory_mm *mm, const struct memory_payer *payer,
		  uint64_t va, uint64_t len, bool writable, bool allow_bar, struct pages **out);
/* Bytes [start, start + len) of a file; takes over @fd in success and failure. */
int pages_from_file(struct memory *m, const struct memory_payer *payer, int fd, uint64_t start,
		    uint64_t len, bool writable, struct pages **out);
/*
 * Memory that is handed out as a file descriptor of its own kind, and that whoever exported it may
 * take back: a dma-buf. Reference counted. @size: whole pages.
 */
struct dmabuf;
int dmabuf_create(struct memory *m, uint64_t size, struct dmabuf **out);
void dmabuf_put(struct dmabuf *d);
/*
 * Ends all that was made of it: when this returns no DMA to it runs, and none ever will through what
 * is mapped now. @revoked: pages_from_dmabuf() answers -ENODEV until it is called with false.
 */
void dmabuf_revoke(struct dmabuf *d, bool revoked);
/* Bytes [start, start + len); nobody pays. -EINVAL: beyond its size; -ENODEV. */
int pages_from_dmabuf(struct dmabuf *d, uint64_t start, uint64_t len, bool writable,
		      struct pages **out);
bool pages_is_dmabuf(const struct pages *p);
void pages_get(struct pages *p);
void pages_put(struct pages *p);
bool pages_writable(const struct pages *p);
bool pages_is_file(const struct pages *p);
uint64_t pages_length(const struct pages *p);
/* For those that look: whose addresses; NULL: this process's, or a file. */
struct memory_mm *pages_mm(const struct pages *p);
/* And where byte @off lies, as its pin says. MEMORY_FREE: nothing is pinned, it is not known. */
enum memory_kind pages_kind(const struct pages *p, uint64_t off);
/* VA or file offset of the first byte. */
uint64_t pages_start(const struct pages *p);

/**
 * pages_pin() - make bytes [off, off + len) resident and give them PAs
 *
 * Whole pages are pinned and charged; overlapping pins of one object are charged once.
 * Returns 0; -EFAULT: no such memory, no permission, an I/O mapping; -EINVAL: a file of the wrong
 * kind or too short; -ENOMEM: over the payer's limit, or no memory. Nothing is left changed by a
 * failure. pages_unpin() with the same arguments undoes it.
 */
int pages_pin(struct pages *p, uint64_t off, uint64_t len);
void pages_unpin(struct pages *p, uint64_t off, uint64_t len);
/* pages_unpin() and pages_put(). */
void pages_unpin_put(struct pages *p, uint64_t off, uint64_t len);
bool pages_is_pinned(const struct pages *p);

/*
 * Copies bytes [off, off + len) of process memory by its addresses, whatever is pinned: 0; -EFAULT; -EOPNOTSUPP for a
 * file, which has none.
 */
int pages_copy_from(struct pages *p, void *dst, uint64_t off, size_t len);
int pages_copy_to(struct pages *p, uint64_t off, const void *src, size_t len);

/* PA of byte @off of a pinned range; *run receives the bytes from there that are physically
 * contiguous (to a slot's end). */
uint64_t pages_pa(const struct pages *p, uint64_t off, uint64_t *run);

/*
 * For those that read: why pages_pin() with these arguments has just said @err, in words: the first
 * page that is not there, or what is locked already. Slow.
 */
void pages_explain(struct pages *p, uint64_t off, uint64_t len, int err, struct text *t);

/* Move the charge of @p, if it has one, to @payer, and the pins to its process. The caller has checked the limit with memory_account_room(). */
void pages_set_payer(struct pages *p, const struct memory_payer *payer);
const struct memory_account *pages_account(const struct pages *p); /* NULL: not accounted */
uint64_t pages_charged(const struct pages *p);			   /* pages */
/* Could @n more pages be charged? */
bool memory_account_room(const struct memory_account *a, uint64_t n);

#endif
