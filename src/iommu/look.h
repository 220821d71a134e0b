/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of an address, without going it: for those that look.
 *
 * Nothing is cached, no flag set, nobody told of what is wrong, and what the caches hold is not
 * asked either: each table and each configuration structure is read as it stands. Any thread; the
 * caller keeps what the requester is attached to (its group's lock), and the tables of the paging
 * domain at the bottom (space_look_begin() of its space).
 */
#ifndef IOAS_IOMMU_LOOK_H
#define IOAS_IOMMU_LOOK_H

#include "iommu/nested.h"

/* A field of a configuration structure, by its specification's name. */
struct look_field {
	const char *name; /* NULL ends the list */
	unsigned int word;
	uint64_t mask;
};

/* A kind of configuration structure on the way to a guest's tables: an STE, a PASID table entry,
 * ... */
struct look_kind {
	const char *name;
	unsigned int nr_words;
	const struct look_field *fields;
};

/* One of them. */
struct look_structure {
	const struct look_kind *kind;
	bool given; /* by the VMM, not read from memory at gpa */
	uint64_t gpa;
	const uint64_t *words; /* NULL: it could not be read */
};

struct look_ops {
	/*
	 * An entry on the way, of tables that the guest (stage 1) or the engine (2) wrote. Entries
	 * of stage 2 lead to where the next entry of stage 1, or structure, was read, or, the last
	 * ones, to the data; or say why it could not be.
	 */
	void (*entry)(void *arg, unsigned int stage, const struct pt_ops *format,
		      const struct pt_step *s);
	void (*structure)(void *arg, const struct look_structure *s);
};

enum look_end {
	LOOK_BLOCKED, /* nothing is attached */
	LOOK_MESSAGE, /* interrupt messages are not translated */
	LOOK_REFUSED, /* by what the configuration structures say: reason, code */
	LOOK_STAGE1,  /* the last entry of that stage says no */
	LOOK_STAGE2,
	LOOK_NO_MEMORY, /* an entry leads to what is no longer there, or never was memory */
	LOOK_FOUND,
};

struct look_result {
	enum look_end end;
	bool nested, bypass; /* a guest's; without stage 1 */
	bool fetch; /* STAGE2, NO_MEMORY: while a table or structure was read, not the data */
	enum iommu_fault_reason reason; /* REFUSED */
	uint32_t code;			/* REFUSED: the make's */
	enum pt_fault fault;		/* STAGE1, STAGE2 */
	/* nested, and stage 1 has an answer. */
	uint64_t gpa;
	uint8_t stage1_lg2, stage1_prot; /* PT_MAY_ */
	/* FOUND */
	uint64_t pa;
	uint8_t lg2, prot; /* of the last stage's leaf; PT_READ, PT_WRITE of both stages */
	uint8_t kind;	   /* enum memory_kind */
};

/* The domain that requests with @pasid go by; NULL: none. Of a guest's PASIDs it is the RID's. */
struct domain *look_domain(struct requester *r, uint32_t pasid);
void look_translate(struct requester *r, uint32_t pasid, uint64_t iova, const struct look_ops *ops,
		    void *arg, struct look_result *out);

/* What a cache says of an address just now. Whoever uses the cache does not wait meanwhile. */
struct look_cached {
	bool known; /* false: there is no such cache, or it cannot be told from outside */
	bool held;
	uint8_t lg2, perms; /* held: IOMMU_READ, IOMMU_WRITE */
};
/* @pending: so many commands to forget something have not been obeyed yet: the next request will
 * do that first. */
void look_caches(struct requester *r, uint32_t pasid, uint64_t iova, struct look_cached *iotlb,
		 struct look_cached *atc, uint64_t *pending);

/* ---- for nested_ops.resolve() of a request with nested_request.look ---- */

struct look {
	struct requester *r;
	struct domain *stage2;
	const struct look_ops *ops;
	void *arg;
	struct look_result *out;
	bool refused; /* out->end says why */
};
/* nested_read(). */
int look_read(struct look *l, uint64_t gpa, void *dst, size_t len, struct nested_fault *f);
/* nested_host_fault(), nested_guest_fault(). -EFAULT. */
int look_refuse(struct look *l, enum iommu_fault_reason reason, uint32_t code);
/* Tells of a structure that was read, or given; nothing for what is a request. */
static inline void look_tell(const struct nested_request *q, const struct look_structure *s)
{
	if (unlikely(q->look != NULL))
		q->look->ops->structure(q->look->arg, s);
}
static inline void look_tell_read(const struct nested_request *q, const struct look_kind *kind,
				  uint64_t gpa, const void *words, bool failed)
{
	look_tell(q, &(struct look_structure){
			     .kind = kind, .gpa = gpa, .words = failed ? NULL : words});
}
static inline void look_tell_given(const struct nested_request *q, const struct look_kind *kind,
				   const uint64_t *words)
{
	look_tell(q, &(struct look_structure){.kind = kind, .given = true, .words = words});
}

#endif
