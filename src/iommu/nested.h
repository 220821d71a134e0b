/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nested translation: stage 1 by tables and configuration structures that a guest writes, in the
 * address space of a nest parent, whose page table is stage 2.
 *
 * What is common to all makes is here (nested.c, nested_cache.c): the caches of each requester, the
 * two-dimensional walk, the flags that hardware sets in the guest's entries, and how invalidations
 * reach them. What differs is struct nested_ops: how the configuration structures are read, what an
 * entry permits, and what a fault looks like.
 *
 * The caches are the requester's own and only its DMA thread touches them. They are
 *   configuration: what resolve() said of (requester, PASID), until nested_forget_config()
 *   spaces: a guest's address space, named by its tag. A space has leaves, global leaves, and the
 *     tables of the two lowest levels (walk caches); and there is one of stage 2 for each parent
 * Entries are lost only when an invalidation names them, when room is needed, or when the binding
 * is attached anew. So whoever forgets an invalidation meets what silicon would show: the old
 * translation.
 *
 * Guest physical addresses (GPA) are the parent's IOVAs. Content of guest memory is never trusted:
 * each entry is read once, a walk ends after so many levels as there are, and an entry that changes
 * again and again while its flags are to be set ends as PT_FAULT_READ.
 */
#ifndef IOAS_IOMMU_NESTED_H
#define IOAS_IOMMU_NESTED_H

#include "iommu/domain.h"
#include "iommu/user.h"

struct binding;
struct look;

/* One request that is to be translated by a guest's configuration. */
struct nested_request {
	struct requester *r;
	struct binding *binding; /* that leads to the domain: of the RID, or of a PASID */
	struct domain *domain;	 /* nested */
	uint32_t pasid;		 /* of the request; IOMMU_NO_PASID: without */
	uint64_t iova, len;
	unsigned int access; /* enum iommu_access */
	bool ats; /* a translation request: only what is wrong with the configuration is told */
	/* Not a request at all (look.h): nobody is told of anything, nothing is remembered. NULL:
	 * one. */
	struct look *look;
};

/* What of a guest's is cached, and out of date. */
enum nested_stale { NESTED_STALE_PAGE, NESTED_STALE_CONFIG, NESTED_STALE_ATC };

/* The name of a guest's address space in the caches. */
struct nested_tag {
	const struct domain *parent; /* stage 2: its VMID, or the host's domain ID */
	uint32_t did;		     /* domain ID that the guest gave; 0 where the make has none */
	uint32_t asid;		     /* ASID, or PASID where the make tags by those */
	uint8_t regime;		     /* the make's: exception level and the like */
};

/* What the configuration structures say of one stream. */
struct nested_context {
	struct nested_tag tag;
	bool bypass;	/* no stage 1: the address is a GPA. tag is not used */
	uint8_t denied; /* enum iommu_access: what is forbidden all the same, with bypass */
	/* The make's, for itself; nested_note(). */
	_Alignas(16) unsigned char note[512];
};

#define nested_note(ctx, type)                                                                     \
	({                                                                                         \
		_Static_assert(sizeof(type) <= sizeof((ctx)->note), "fits");                       \
		(type *)(void *)(ctx)->note;                                                       \
	})

/* Why a request, or a look into guest memory, failed. */
struct nested_fault {
	uint8_t stage; /* 1: the guest's tables; 2: the parent's */
	uint8_t what;  /* enum pt_fault; PT_FAULT_NONE when only permissions are missing */
	uint8_t level; /* of the stage 1 entry, where there is one: 0 that of the smallest leaves */
	bool walk;     /* stage 2: at the address of a stage 1 table's entry, not of the data */
	bool config;   /* stage 2: at that of a configuration structure */
	uint8_t missing; /* enum iommu_access: what was not permitted */
	uint8_t may;	 /* PT_MAY_*: what the whole way of stage 1 permits, where that is why */
	uint64_t gpa;	 /* stage 2: the address that it was asked for */
};

/* What differs between the nested domains of two makes; struct domain.nested points to one. */
struct nested_ops {
	/* The domain is about to be freed; nothing is attached. Frees the make's structure itself.
	 */
	void (*free)(struct domain *d);
	/*
	 * INV.6. Handles the entries in order and stops at the first bad one; *done (0 when called)
	 * counts those that are done and complete. NULL: -EOPNOTSUPP. Any thread; commands run one
	 * at a time or not as the make likes.
	 */
	int (*invalidate)(struct domain *d, const struct user_array *a, uint32_t *done);

	/*
	 * NULL, and all that follow: nothing can be translated through such a domain, every DMA
	 * faults as FAULT_NOT_PRESENT.
	 *
	 * Fills @ctx, zeroed, from the guest's configuration structures, which are read with
	 * nested_read(). 0; or what fault() is to return, after the guest was told. DMA thread,
	 * inside a section.
	 */
	int (*resolve)(const struct nested_request *q, struct nested_context *ctx);
	/*
	 * The tables that translate @iova. *va is the address as the caches know it (tag bits that
	 * are ignored taken off), *within what the tables are indexed with. NULL: none does.
	 * pt_regime.read and .arg are not looked at. PT_WALK_ACCESSED and PT_WALK_DIRTY in its
	 * flags have the core set the flags of leaves, PT_WALK_TABLES those of tables as well.
	 */
	const struct pt_regime *(*select)(const struct nested_context *ctx, uint64_t iova,
					  uint64_t *va, uint64_t *within);
	/*
	 * What of IOMMU_READ, IOMMU_WRITE and IOMMU_EXEC the leaf at the end of @w permits to a
	 * request, IOMMU_PRIV in @access telling that it is privileged.
	 */
	unsigned int (*permits)(const struct nested_context *ctx, const struct pt_walk *w,
				unsigned int access);
	/* The entry with its flags set; NULL: as the format's marked(). */
	uint64_t (*marked)(const struct nested_context *ctx, uint64_t raw, bool table, bool dirty);
	/*
	 * The request failed. Tells the guest, or the host (nested_host_fault()). -EFAULT: it is
	 * refused; -EAGAIN: it waits for an answer (requester_stall()). @ctx NULL: resolve() has
	 * not finished.
	 */
	int (*fault)(const struct nested_request *q, const struct nested_context *ctx,
		     const struct nested_fault *f);
	/*
	 * A requester is to be attached, after iommu_make.attach() agreed: gives *virt_id, the
	 * guest's name of it, which fault() finds in binding.virt_id. 0, -ENOENT, ... NULL: 0.
	 * Under iommu->lock.
	 */
	int (*attach)(struct domain *d, struct requester *r, uint32_t pasid, uint64_t *virt_id);
	/*
	 * A device asks for pages by this domain: true when the guest hears of it, and answers @g,
	 * or whoever ends the attachment does. False: somebody else does. NULL: false. Under
	 * iommu->lock, outside of sections.
	 */
	bool (*page_request)(struct domain *d, struct requester *r, struct page_group *g);
	/*
	 * Words: the command by which the guest would have made @what of @q forgotten, with its
	 * operands, as the specification calls it. @ctx: what was used. NULL: nobody knows.
	 */
	void (*missing)(const struct nested_request *q, const struct nested_context *ctx,
			enum nested_stale what, char *buf, size_t len);
	/* Requests with a PASID that nobody attached are this domain's, when the RID is. */
	bool pasids;
};

/*
 * A nested domain on @parent (a paging domain made with DOMAIN_NEST_PARENT): fills a struct domain
 * that the make has allocated, zeroed. Its nested domain then looks like any other to
 * requester_attach().
 */
void domain_init_nested(struct domain *d, struct iommu *i, struct domain *parent,
			const struct nested_ops *ops);

/*
 * For resolve(): [gpa, gpa + len) of guest memory, naturally aligned words of 8 bytes each read at
 * once. 0, or -EFAULT with *f telling why (stage 2; PT_FAULT_READ: there is no memory).
 */
int nested_read(const struct nested_request *q, uint64_t gpa, void *dst, size_t len,
		struct nested_fault *f);

/*
 * Stands for what guests write, where their memory is not there: a host whose sink has it
 * (observe/replay.h) asks for each word that a translation reads or sets flags in, and consumes no
 * queue by itself. Both have found @gpa in stage 2 already. 0, or what the memory would have
 * answered: -EFAULT; of exchange(), -EAGAIN. DMA thread, inside a section.
 *
 * Nor is anybody there who answers page requests meanwhile: wait() comes in the place of waiting,
 * on the DMA thread, outside of sections. What has not been answered when it returns will not be.
 */
struct guest_stand_in {
	int (*read)(void *arg, const struct nested_request *q, uint64_t gpa, uint64_t *word);
	int (*exchange)(void *arg, const struct nested_request *q, uint64_t gpa, uint64_t is,
			uint64_t to);
	void (*wait)(void *arg);
	void *arg;
};

/* Record the fault, and tell the host of it, not the guest. @f: what was in the way; NULL: what the
 * guest's structures say. -EFAULT. */
int nested_host_fault(const struct nested_request *q, const struct nested_fault *f,
		      enum iommu_fault_reason reason, uint32_t code);
/* Record it only: the guest was told. -EFAULT. */
int nested_guest_fault(const struct nested_request *q, const struct nested_fault *f,
		       enum iommu_fault_reason reason, uint32_t code);
/* The guest's name of the requester (nested_ops.attach). */
uint64_t nested_virt_id(const struct nested_request *q);

/* Which spaces on a parent an invalidation means. */
struct nested_match {
	uint32_t did, asid;
	uint8_t regime;
	bool any_did, any_asid, any_regime;
	bool keep_global; /* global entries stay */
	bool keep_tables; /* walk caches stay: "leaf only" */
};

/*
 * Any thread: make every requester that is attached through a nested domain on @parent forget
 * [first, last] of the spaces that @m names, before its next translation. It is over when
 * nested_sync() has returned. Entries of larger pages that meet the range go as a whole; global
 * entries are met whatever the ASID of the space that they were found through.
 */
void nested_forget(struct domain *parent, const struct nested_match *m, uint64_t first,
		   uint64_t last);
/* The same of @n ranges, in their order, which are posted NESTED_RANGES at a time: what many cost
 * less than one by one. */
#define NESTED_RANGES 32
struct nested_range {
	struct nested_match match;
	uint64_t first, last;
};
void nested_forget_ranges(struct domain *parent, const struct nested_range *ranges, unsigned int n);
/*
 * Forget what the configuration structures said of @r, of one PASID or all (IOMMU_ALL_PASIDS); the
 * translations stay, and are found again if the tag is still the same.
 */
void nested_forget_config(struct requester *r, uint32_t pasid);
/* The same of every requester that is attached through a nested domain on @parent. */
void nested_forget_pasid_config(struct domain *parent, uint32_t pasid);
void nested_forget_all_config(struct domain *parent);
/*
 * Returns when everything that was posted before is done: no cache holds what was to be forgotten,
 * and no access that used it runs. Not inside a section, not with viommu.lock held.
 */
void nested_sync(struct domain *parent);

#endif
