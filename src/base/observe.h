/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hooks: where the engine tells what it does.
 *
 * Each event is a structure and a place in the code, OBSERVE(sink, name, members...). Who listens
 * is an *observer*: a table of functions, one for each event that it wants, added to the sink of a
 * host before the host has any file, and there until the host ends. An observer never changes what
 * the engine answers. What an event points to lives as long as the call.
 *
 * When nobody listens a hook is a comparison of one word of memory and a branch. The word is common
 * to all hosts of the process, because it is at the same time the semaphore of the USDT probes,
 * which a tracer raises from outside (docs/tracing.md): each event is also a probe of the provider
 * `ioas`, of the same name. A host without observers then pays for a call that does nothing.
 *
 * Where an event is called matters. SECTION: within a requester's epoch, so it must not wait for
 * anybody who may wait for that section. LOCKED: with a lock of the caller's held, for instance
 * space->lock. In both an observer takes only locks under which nobody waits (LOCK_OBSERVE). The
 * others hold nothing that anybody waits for. All may run on any thread, several at once.
 *
 * Some members repeat as plain numbers what another one points to: for probes, and for this room,
 * which knows none of those structures.
 */
#ifndef IOAS_BASE_OBSERVE_H
#define IOAS_BASE_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/refuse.h"

struct abi_file;
struct abi_mapping;
struct caller;
struct dma_port;
struct domain;
struct host_device;
struct iommu_fault;
struct memory_mm;
struct nested_match;
struct page_group;
struct pages;
struct queue;
struct requester;
struct space;
struct translation;

/* ---- the calls of programs ---- */

enum observed_op { OP_OPEN, OP_IOCTL, OP_READ, OP_WRITE, OP_MMAP, OP_RELEASE };

/*
 * A call begins. *caller may be replaced by one that passes everything on; it is used until the
 * event `answer` of the same thread. OP_RELEASE has neither caller nor answer: the last reference
 * is gone.
 */
struct event_call {
	enum observed_op op;
	struct abi_file *file; /* NULL: OP_OPEN */
	unsigned int cmd;      /* OP_IOCTL; OP_OPEN: enum abi_file_kind */
	uint64_t arg; /* OP_IOCTL; OP_OPEN: number of the node; else the buffer or, OP_MMAP, prot <<
			 32 | flags */
	uint64_t len, pos; /* OP_READ, OP_WRITE, OP_MMAP */
	struct caller **caller;
	unsigned int kind; /* enum abi_file_kind */
};
struct event_answer {
	enum observed_op op;
	struct abi_file *file; /* OP_OPEN: the new one, or NULL */
	unsigned int cmd;
	uint64_t arg;
	long rc;
	const struct abi_mapping *mapping; /* OP_MMAP that succeeded */
	unsigned int kind;
};

/* A context (a struct iommufd, or a container) is about to drop what it still holds, as its last
 * file was closed. @open: a container's own is not, only its last group left. LOCKED. */
struct event_context_close {
	const void *context;
	bool open;
};

/* ---- address spaces ---- */

/* @context: struct iommufd or a container; @id: of the IOAS, 0 of a container's. */
struct event_space_new {
	struct space *space;
	const void *context;
	uint32_t id;
	bool container;
};
/* Its areas go first, by `unmap`. */
struct event_space_gone {
	struct space *space;
};
/* LOCKED. The area is in every table. */
struct event_map {
	struct space *space;
	uint64_t iova, last;
	struct pages *pages; /* no reference; and the offset in it of the first byte */
	uint64_t offset;
	int prot;      /* SPACE_ */
	bool copy;     /* made by a copy of another area */
	uint64_t addr; /* VA of the first byte, or its offset in a file */
};
/* LOCKED. Whole areas of [iova, last] go: before any table has changed; and when no DMA uses them
 * any more. */
struct event_unmap {
	struct space *space;
	uint64_t iova, last;
};
struct event_unmapped {
	struct space *space;
	uint64_t iova, last;
};
/* LOCKED. The area at @iova was cut in two: one ends before it. */
struct event_cut {
	struct space *space;
	uint64_t iova;
};
/* A call that removes what lies in a range said yes, but less went than was asked for. */
struct event_short_unmap {
	struct space *space;
	uint64_t iova, length, removed;
};

/* A program says whether it means the bytes [iova, last] of what is mapped for DMA
 * (include/ioas/sanitize.h). Who listens makes the command exist: see observe_annotations(). */
struct event_annotate {
	struct space *space;
	uint64_t iova, last;
	bool meant;
};

/* LOCKED. Software, by an access object (object/access.h), reads or writes the bytes [iova, last]
 * of one area, or pins them, to touch them later; or (@rc) was refused them. The call began at
 * @start. */
struct event_access {
	struct space *space;
	uint64_t iova, last;
	bool write, pin;
	int rc;
	uint64_t start;
};

/* The memory behind [va, last] of a process (NULL: this one) is about to be unmapped, replaced or
 * moved. */
struct event_memory_change {
	struct memory_mm *mm;
	uint64_t va, last;
	bool private_only; /* what is shared shows what it showed: MADV_DONTNEED */
};

/* The VA behind a mapping, which is [iova, last], is given up by the program that has it, or
 * (@valid) another one was named: a mapping that outlives its process (type1's VADDR). */
struct event_vaddr {
	struct space *space;
	uint64_t iova, last, va;
	bool valid;
};

/* ---- IOMMUs ---- */

/* LOCKED. A requester, or a PASID of it, now translates by @domain (NULL: blocked). */
struct event_attach {
	struct requester *requester;
	uint32_t pasid;
	struct domain *domain, *old;
	uint32_t rid;
};
/* LOCKED. Caches forget [iova, last] of a domain, and nobody uses it any more. */
struct event_invalidate {
	struct domain *domain;
	uint64_t iova, last;
};
/* A guest's command: caches forget what matches, of stage 1 over @parent; of the configurations
 * (@config) of a PASID. */
struct event_guest_invalidate {
	struct domain *parent; /* NULL: of one requester */
	struct requester *requester;
	const struct nested_match *match; /* NULL: of configurations */
	uint64_t iova, last;
	uint32_t pasid;
	bool atc;	    /* of the device's own cache */
	uint32_t rid;	    /* ~0: of all */
	uint32_t did, asid; /* of @match; ~0: any, or none is meant */
};
/*
 * SECTION. What a guest wrote was read to translate: the aligned word at @gpa, in the address space
 * of the nest parent, of its configuration structures or tables.
 */
struct event_guest_read {
	struct requester *requester;
	struct domain *parent;
	uint64_t gpa, word;
	int rc; /* -EFAULT: the memory went away, and there is no word */
	uint32_t rid;
};
/* SECTION. Accessed and dirty flags were to be set there, by @to in the place of @is. */
struct event_guest_mark {
	struct requester *requester;
	struct domain *parent;
	uint64_t gpa, is, to;
	int rc; /* -EAGAIN: it was not @is any more */
	uint32_t rid;
};
/* A queue in guest memory is consumed from now on, or no more; entries are taken from it and
 * carried out next; they are done. */
enum observed_queue { QUEUE_ADDED, QUEUE_REMOVED, QUEUE_TAKEN, QUEUE_DONE };
struct event_guest_queue {
	struct queue *queue;
	enum observed_queue what;
	const void *entries; /* QUEUE_TAKEN */
	size_t bytes;
	uint32_t n;
};
/* SECTION. @guest: it is told to the guest whose tables they are, not to the host. */
struct event_fault {
	struct requester *requester;
	const struct iommu_fault *fault;
	bool guest;
	/* As in @fault. */
	uint32_t rid, pasid, code;
	uint64_t iova, len;
	int access, reason;
};
struct event_page_request {
	struct requester *requester;
	const struct page_group *group;
	/* As in @group; the first of @n addresses. */
	uint32_t rid, pasid, grpid, n;
	uint64_t addr;
};

/* ---- devices ---- */

/* One transfer of a device. The same structure begins and ends it; @data is of a write, and at its
 * end also of a read. */
struct event_dma {
	struct dma_port *port;
	uint64_t iova, len;
	uint64_t done; /* at its end */
	uint32_t pasid;
	int access;	  /* enum iommu_access */
	int rc;		  /* at its end: 0, -EFAULT, ... */
	const void *data; /* NULL: a fill */
	uint32_t rid;
};
/* SECTION. [iova, iova + tr->len) has been translated; the bytes move next. */
struct event_dma_step {
	struct dma_port *port;
	uint64_t iova;
	uint32_t pasid;
	int access;
	const struct translation *tr;
	uint32_t rid;
	uint64_t pa, len; /* as in @tr */
};
/* LOCKED. A program's eventfd is signalled. */
struct event_interrupt {
	struct host_device *device;
	unsigned int index, vector; /* index: VFIO_PCI_*_IRQ_INDEX */
	const char *name;	    /* of the device */
};

/* Every event: its name, which is also its probe's, and its structure. */
#define OBSERVE_EVENTS(X)                                                                          \
	X(call, call)                                                                              \
	X(answer, answer)                                                                          \
	X(context_close, context_close)                                                            \
	X(space_new, space_new)                                                                    \
	X(space_gone, space_gone)                                                                  \
	X(map, map)                                                                                \
	X(unmap, unmap)                                                                            \
	X(unmapped, unmapped)                                                                      \
	X(cut, cut)                                                                                \
	X(short_unmap, short_unmap)                                                                \
	X(annotate, annotate)                                                                      \
	X(access, access)                                                                          \
	X(memory_change, memory_change)                                                            \
	X(vaddr, vaddr)                                                                            \
	X(attach, attach)                                                                          \
	X(invalidate, invalidate)                                                                  \
	X(guest_invalidate, guest_invalidate)                                                      \
	X(guest_read, guest_read)                                                                  \
	X(guest_mark, guest_mark)                                                                  \
	X(guest_queue, guest_queue)                                                                \
	X(fault, fault)                                                                            \
	X(page_request, page_request)                                                              \
	X(dma_begin, dma)                                                                          \
	X(dma_step, dma_step)                                                                      \
	X(dma_end, dma)                                                                            \
	X(interrupt, interrupt)

#define OBSERVER_MEMBER(name, type) void (*name)(void *arg, const struct event_##type *e);
/* NULL: does not care. */
struct observer_ops {
	OBSERVE_EVENTS(OBSERVER_MEMBER)
};
#undef OBSERVER_MEMBER

/* Not while any event may come. -ENOSPC. */
int observe_add(struct sink *s, const struct observer_ops *ops, void *arg);
/* Does anybody listen to what programs say by annotations? */
bool observe_annotations(const struct sink *s);
/* Of a sink that ends. */
void observe_end(struct sink *s);

/* How many listen in this process, observers and tracers: never read but by observed(). */
extern unsigned short ioas_observed __attribute__((visibility("hidden")));

static inline bool observed(void)
{
#ifdef IOAS_NO_HOOKS /* to measure what hooks cost */
	return false;
#elif defined(__x86_64__) && !SANITIZED
	/* A compiler would load the word first, which is a third instruction. */
	__asm__ goto("cmpw $0, %0\n\tjne %l1" : : "m"(ioas_observed) : "cc" : somebody);
	return false;
somebody:
#ifndef __clang__ /* which knows no cold labels */
	__attribute__((cold, unused));
#endif
	return true;
#else
	return unlikely(__atomic_load_n(&ioas_observed, __ATOMIC_RELAXED) != 0);
#endif
}

#define OBSERVE_FUNCTION(name, type)                                                               \
	void observe_##name(const struct sink *s, const struct event_##type *e)                    \
		__attribute__((cold));
OBSERVE_EVENTS(OBSERVE_FUNCTION)
#undef OBSERVE_FUNCTION

/* OBSERVE(sink, map, .space = s, ...): nothing but the word is looked at when nobody listens. */
#define OBSERVE_AS(sink, name, type, ...)                                                          \
	do {                                                                                       \
		if (observed())                                                                    \
			observe_##name(sink, &(struct event_##type){__VA_ARGS__});                 \
	} while (0)
#define OBSERVE(sink, name, ...) OBSERVE_AS(sink, name, name, __VA_ARGS__)

#endif
