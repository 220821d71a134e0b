/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A requester from the inside: the DMA thread's IOTLB, and the slot through which others tell it
 * what to forget.
 *
 * What a requester can address is one *binding* for requests without a PASID (rid), and one for
 * each PASID that is attached: which domain translates, and where the IOTLB keeps it. The DMA
 * thread finds those of PASIDs in a table (pasid.c) that it reads without locks.
 *
 * When it returns, it is over: why an invalidation may promise that without touching the IOTLB.
 *
 *   writer                                      DMA thread
 *   W1 change the page table or the domain      R1 epoch_enter(): word = inside
 *   W2 post the command (commands.posted)       R2 load commands.posted; apply what is new
 *   W3 epoch_fence()                            R3 look into the IOTLB, walk the table, copy
 *   W4 awake? epoch_barrier()                   R4 epoch_exit(): word = outside
 *   W5 epoch_wait()
 *
 * R1 and R2 are a store and a load with nothing but a compiler barrier between them; membarrier(2)
 * in W4 puts a full fence somewhere into the DMA thread. If that falls before R2, R2 sees W2 (and,
 * posted being released and acquired, W1): the section uses nothing old. If it falls after R2 it
 * falls after R1 too, so that W5 sees the word inside and waits for R4. A parked requester (W4 sees
 * it so) leaves that state with a full fence of its own between its store of awake and its first
 * R2, so again either W4 sees it awake or R2 sees W2; hence neither system call nor wait is spent
 * on an idle device. What R3 puts into the IOTLB during a section that did not see W2 is forgotten
 * by R2 of the next one, since the command stays posted until it is applied.
 *
 * R2 runs at every translation, not only at the first of a section: it is one load that is
 * predicted well.
 *
 * The barrier interrupts every processor that runs this process, and costs them far more than a
 * busy DMA thread takes to reach R2. So W4 first gives it the time to: applied, once it counts the
 * command, proves that R2 has seen W2, and, stored after R1 and released, that W5 sees the word of
 * that section or of a later one.
 */
#ifndef IOAS_IOMMU_REQUESTER_H
#define IOAS_IOMMU_REQUESTER_H

#include <semaphore.h>

#include "base/lock.h"
#include "iommu/iommu.h"
#include "iommu/iotlb.h"
#include "iommu/nested.h"

/* So many unapplied commands are kept apart; one more and all of them become "forget everything".
 * Powers of two; a requester that was attached to a nested domain once keeps many, because a guest
 * sends them in batches. */
#define COMMANDS      8
#define MANY_COMMANDS 512

enum command_kind {
	COMMAND_PAGES,	 /* of the binding: what a paging domain said of [first, last] */
	COMMAND_BINDING, /* all that any domain said to the binding */
	COMMAND_PARENT,	 /* what depends on [first, last] of the stage 2 of a parent, but what stage
			    1 said by itself */
	COMMAND_STAGE1,	 /* [first, last] of the spaces on a parent that match */
	COMMAND_CONFIG,	 /* the configuration of one PASID of the requester, or of all */
	COMMAND_ATC,	 /* [first, last] of the device's own cache, of one PASID or of all */
};

struct command {
	enum command_kind kind;
	struct binding *binding;
	uint64_t first, last;
	const struct domain *parent;
	struct nested_match match; /* CONFIG, ATC: asid is the PASID */
};

/*
 * The command slot. Writers hold lock; the DMA thread never does. Command n lies in few[n %
 * COMMANDS], from number many_from on in many[n % MANY_COMMANDS], until the DMA thread has counted
 * it in requester.applied. Commands below flushed are one "forget everything"; all below many_from
 * are.
 */
struct commands {
	uint64_t posted;
	uint64_t flushed;
	struct lock lock;
	uint64_t many_from; /* UINT64_MAX: many is not there */
	struct command *many;
	struct command few[COMMANDS] __attribute__((aligned(64)));
} __attribute__((aligned(64)));

struct attachment {
	struct list link; /* domain.attachments, under its lock */
	struct list
		under_link; /* of a nested domain: parent's domain.under, under that one's lock */
	struct binding *binding;
};

/* Never freed before its requester: the DMA thread may still have a command for it, or its name in
 * the IOTLB. A PASID that is detached leaves it to the next one. */
struct binding {
	/* The DMA thread's: where the translations are. own, or, when a nested domain's
	 * configuration is known, those of the guest's space (nested_cache.h). */
	struct iotlb_context *tlb;
	struct iotlb_context own;
	struct domain *domain; /* under iommu->lock, read atomically by the DMA thread */
	struct requester *requester;
	uint32_t pasid;
	uint64_t virt_id;   /* the guest's name of the requester, of a nested domain; atomic */
	unsigned int which; /* the attachment in force */
	struct attachment
		attachment[2]; /* to the domain, and to the next one while it is replaced */
	struct binding *next_free;
};

struct pasid_table;  /* pasid.c */
struct nested_cache; /* nested_cache.h */

struct atc; /* ats.c */

struct asking; /* stall.c */

/* A stalled transaction, between requester_stall() and requester_finish_stall(). The DMA thread's.
 */
struct stall {
	bool stalled;
	uint32_t pasid, grpid;
	struct page_request request;
};

struct requester {
	struct epoch epoch;
	struct commands commands;

	/* The DMA thread's; others read applied and stats. */
	struct iotlb iotlb __attribute__((aligned(64)));
	uint64_t applied;
	struct binding rid;
	struct requester_stats stats;
	struct memory *memory;
	const struct memory_slot *slots; /* all of memory's */
	struct nested_cache
		*nested; /* NULL: never attached to a nested domain; set once, atomically */
	struct stall stall;
	uint32_t next_group;   /* of page requests; the DMA thread's */
	unsigned int nr_stops; /* under commands.lock, as the next */
	struct asking *asking; /* what the DMA thread waits for */
	struct atc *atc;       /* NULL: the device has none */
	bool ats;	       /* it may use it; atomic */

	/* Seldom written; read by misses. */
	struct iommu *iommu __attribute__((aligned(64)));
	struct pasid_table *pasids;    /* as binding.domain; NULL: there was none yet */
	struct binding *free_bindings; /* under iommu->lock */
	uint32_t seed;		       /* of the last binding made */
	uint32_t id;
	struct iommu_caps caps;
	void *make_data, *owner;
	struct list link; /* iommu->requesters */
};

void binding_init(struct binding *b, struct requester *r, uint32_t pasid, uint32_t seed);

/* pasid.c. The binding of @pasid, not 0; NULL: not attached. DMA thread inside a section, or
 * iommu->lock held. */
struct binding *pasid_find(const struct requester *r, uint32_t pasid);
/* iommu->lock held, all of them. Room for one more, and a binding for it that nobody finds yet.
 * -ENOMEM. */
int pasid_reserve(struct requester *r, uint32_t pasid, struct binding **out);
void pasid_publish(struct requester *r, struct binding *b);
/* No section that begins now finds it; the caller waits for those that run, then recycles. */
void pasid_hide(struct requester *r, struct binding *b);
void pasid_recycle(struct requester *r, struct binding *b);
void pasid_free_all(struct requester *r);
/* Is any PASID attached? */
bool requester_has_pasids(const struct requester *r);

static inline void stat_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* Writer: make the requester forget [iova, last] of @b before its next translation. */
void requester_post(struct binding *b, uint64_t iova, uint64_t last);
void requester_post_all(struct requester *r);
/* The same of any command, or of several. */
void requester_post_command(struct requester *r, const struct command *cmd);
void requester_post_commands(struct requester *r, const struct command *cmds, unsigned int n);
/* iommu->lock held: room for what nested translation caches. -ENOMEM. */
int requester_prepare_nested(struct requester *r);

/* ats.c: the device's cache, freed, and told by commands of any kind. */
void atc_free(struct atc *t);
void atc_apply(struct atc *t, const struct command *cmd);
/* As iotlb_peek(). */
uint64_t atc_peek(const struct atc *t, uint32_t pasid, uint64_t iova, unsigned int *shift);
/* As iotlb_keep_notes(), nothing if @t is NULL; and iotlb_find_note(). DMA thread. */
void atc_keep_notes(struct atc *t);
uint64_t atc_find_note(const struct atc *t, uint32_t pasid, uint64_t iova, const char *ptr);
void atc_forget_everything(struct atc *t);

/* DMA thread: R2 above. */
void requester_apply(struct requester *r);

static inline bool requester_has_news(const struct requester *r)
{
	return __atomic_load_n(&r->commands.posted, __ATOMIC_ACQUIRE) != r->applied;
}

static inline void requester_catch_up(struct requester *r)
{
	if (unlikely(requester_has_news(r)))
		requester_apply(r);
}

/* One writer's waiting for any number of requesters: W3 in quiesce_begin(), then W4 and W5 for
 * each. */
struct quiesce {
	const struct epoch_domain *epochs;
	bool posted; /* the change came with a command to each requester */
	bool fenced; /* the readers, by epoch_barrier() */
};

static inline void quiesce_begin(struct quiesce *q, const struct epoch_domain *epochs, bool posted)
{
	*q = (struct quiesce){.epochs = epochs, .posted = posted};
	epoch_fence();
}

void quiesce_wait_awake(struct quiesce *q, const struct requester *r);
void quiesce_one(struct requester *r, bool posted);

static inline void quiesce_wait(struct quiesce *q, const struct requester *r)
{
	if (epoch_is_awake(&r->epoch))
		quiesce_wait_awake(q, r);
}

#endif
