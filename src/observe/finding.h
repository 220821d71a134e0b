/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A finding of the DMA sanitizer, and what the sanitizer needs of who uses it.
 *
 * The kinds' names are an interface: reports, suppressions and tests go by them, and
 * docs/debugging.md says what each means.
 */
#ifndef IOAS_OBSERVE_FINDING_H
#define IOAS_OBSERVE_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct requester;

#define FINDING_KINDS(X)                                                                           \
	X(DMA_UNMAPPED, "dma-unmapped")		  /* nothing was ever mapped there */              \
	X(DMA_OUT_OF_BOUNDS, "dma-out-of-bounds") /* begins in a mapping, or right behind one */   \
	X(DMA_IN_SLACK, "dma-in-slack")		  /* mapped, but not what the program meant */     \
	X(DMA_AFTER_UNMAP, "dma-after-unmap")	  /* was mapped once */                            \
	X(DMA_STALE_IOTLB, "dma-stale-iotlb")	  /* by a cached translation that a guest's        \
						     tables no longer have */                      \
	X(DMA_STALE_ATC, "dma-stale-atc")	  /* the same of the device's own cache */         \
	X(DMA_DIRECTION, "dma-direction")	  /* mapped without that permission */             \
	X(DMA_TO_FREED, "dma-to-freed-memory")	  /* the memory behind the mapping is gone */      \
	X(DMA_NO_DOMAIN, "dma-no-domain")	  /* nothing is attached, or bus mastering off */  \
	X(FREED_WHILE_MAPPED, "freed-while-mapped") /* munmap(), free(), ... of mapped memory */   \
	X(SHORT_UNMAP, "short-unmap")		    /* success, but less went than was asked */    \
	X(WRITE_ALIAS, "write-alias")		    /* two writable mappings of the same bytes */  \
	X(UNMAP_IN_FLIGHT, "unmap-in-flight")	    /* a transfer was running there */             \
	X(LEAK_AT_CLOSE, "leak-at-close")   /* of a closed context, and its process lives on */    \
	X(LEAK_AT_EXIT, "leak-at-exit")	    /* with --leaks */                                     \
	X(STRAY_FD, "stray-fd")		    /* a file whose context is gone */                     \
	X(NEVER_USED, "never-used")	    /* an advice */                                        \
	X(TOO_WIDE, "too-wide")		    /* an advice: wider than was ever used */              \
	X(TOO_PERMISSIVE, "too-permissive") /* an advice: a direction never used */

#define FINDING_ENUM(name, text) FINDING_##name,
enum finding_kind { FINDING_KINDS(FINDING_ENUM) FINDING_NR_KINDS };
#undef FINDING_ENUM

/* A call stack, as the finding sink numbers them; 0: none was taken. */
typedef uint32_t stack_id;

/* A mapping, alive or gone. */
struct finding_mapping {
	bool there;
	uint64_t iova, last;
	int prot;	    /* SPACE_ */
	uint64_t va;	    /* or file offset, of the first byte */
	const char *source; /* "anonymous", "file", ... */
	uint32_t space_id;  /* of the IOAS; 0: a container's */
	uint64_t age_ns;    /* since it was made */
	uint64_t uses;	    /* DMA steps that went through it */
	uint32_t used_rid;  /* whose the last of them was, if there was one; ~0: software's */
	stack_id mapped_at, unmapped_at;
	stack_id used_at; /* the program's last store to that device's registers before it */
};

struct finding {
	enum finding_kind kind;
	const char *device; /* "0000:01:00.0"; NULL: no device has to do with it */
	uint32_t rid, pasid;
	uint64_t iova, len; /* what was accessed, asked for or left */
	bool nested;	    /* behind a guest's tables, whose guest physical address is known: */
	uint64_t gpa;	    /* the mappings are at such, as the nest parent's IOVAs */
	int access;	    /* enum iommu_access; 0: no access */
	uint64_t va;	    /* of freed memory; 0 otherwise */
	const char *iommu;  /* what the IOMMU did, in words: "blocked it: not mapped (DMAR fault
			       0x06)" */
	const char *text;   /* one sentence: what is wrong */
	const char *advice; /* what was missing, or would help; may be NULL */
	struct finding_mapping nearest, other;
	stack_id now;	     /* the call that met it, if one did */
	stack_id device_now; /* the program's last store to the device's registers */
};

/*
 * Given by whoever knows stacks and where reports go. All may be called in a requester's section,
 * on any thread: they must not wait for the engine.
 */
struct finding_sink {
	void (*report)(void *arg, const struct finding *f);
	stack_id (*stack)(void *arg); /* of this thread, now; NULL: none */
	stack_id (*device_stack)(void *arg, const struct requester *r); /* NULL: none */
	void *arg;
};

const char *finding_kind_name(enum finding_kind kind);

#endif
