/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One IOMMU of a make, its domains, and the requesters behind it.
 *
 * A *domain* is a translation regime that requesters can be attached to. A *requester* is a device
 * as the IOMMU sees it: a requester ID, the domain it is attached to, its IOTLB and its epoch.
 * Nobody but the requester's DMA thread touches its IOTLB; an invalidation posts a command or a
 * generation, and waits (base/epoch.h) only for the requesters of the domain that changed.
 *
 * The make (struct iommu_make) supplies what differs: ID registers, page-table format, apertures,
 * reserved regions. Its contexts, queues and caches must be usable without any ioctl: a guest that
 * owns the IOMMU's registers feeds the same code.
 */
#ifndef IOAS_IOMMU_IOMMU_H
#define IOAS_IOMMU_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/epoch.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/refuse.h"
#include "memory/memory.h"
#include "pagetable/pt.h"

struct iommu;
struct domain;
struct requester;
struct user_data;  /* iommu/user.h */
struct viommu_ops; /* iommu/viommu.h */

/*
 * A PASID selects one of several domains of a requester. 0 is none: what a request without a PASID uses (Linux's
 * IOMMU_NO_PASID; VT-d's RID_PASID, AMD's and SMMU's entry 0 are set so by Linux).
 */
#define IOMMU_NO_PASID 0u
#define PASID_BITS     20u /* PCI Express 5.0, 6.20: the widest that there are */

enum iommu_access {
	IOMMU_READ = 1,
	IOMMU_WRITE = 2,
	IOMMU_ATOMIC = 3,
	/* Of requests with a PASID, beside the others: only a guest's tables (iommu/nested.h) tell them apart. */
	IOMMU_EXEC = 4,
	IOMMU_PRIV = 8,
};

/* Why a DMA was refused; the make has its own code for each (iommu_make.fault_code). */
enum iommu_fault_reason {
	FAULT_BLOCKED,	  /* no domain attached */
	FAULT_BUS_MASTER, /* bus mastering is off: never reached the IOMMU */
	FAULT_ADDRESS,	  /* beyond the input width */
	FAULT_NOT_PRESENT,
	FAULT_READ,    /* mapped without read permission */
	FAULT_WRITE,   /* mapped without write permission */
	FAULT_MSI,     /* in the interrupt window, and no message that anybody takes */
	FAULT_GONE,    /* mapped, but the program has since taken the memory away */
	FAULT_NO_PEER, /* a BAR that does not answer */
};

/* Behind a guest's tables: what was looked for when the fault was met. */
enum iommu_fault_met {
	FAULT_MET_NOTHING, /* no tables of a guest's were looked into */
	FAULT_MET_STAGE1,  /* they, or the guest's configuration, say no */
	FAULT_MET_DATA,	   /* stage 2 says no to the guest physical address that they lead to, */
	FAULT_MET_TABLE,   /* to that of one of their entries, */
	FAULT_MET_CONFIG,  /* or to that of a configuration structure */
};

struct iommu_fault {
	uint32_t rid;
	uint32_t pasid; /* IOMMU_NO_PASID: none */
	uint64_t iova;
	uint64_t len;
	enum iommu_access access;
	enum iommu_fault_reason reason;
	const struct pt_ops *format; /* of the table that was to translate it; NULL: none was */
	uint32_t code; /* the make's own fault reason code, as its specification numbers it */
	enum iommu_fault_met met;
	uint64_t gpa; /* where met is of stage 2 */
	bool injected; /* on purpose (base/inject.h): the device did nothing wrong */
};

/* Flags of domain_alloc(), the ABI's HWPT flags that concern a paging domain. */
#define DOMAIN_NEST_PARENT BIT(0)
#define DOMAIN_DIRTY	   BIT(1)
#define DOMAIN_PASID	   BIT(3)

/*
 * Recoverable faults (PRI, stalls): a complete group of page requests, which must be answered once, by
 * respond(), on any thread; the group is the requester's and lives until then. What is below the line
 * belongs to whoever holds the group meanwhile.
 */
struct page_request {
	uint64_t addr;
	uint32_t perm; /* READ 1, WRITE 2, EXEC 4, PRIV 8 */
};
struct page_group {
	uint32_t pasid; /* IOMMU_NO_PASID: none */
	uint32_t grpid;
	const struct page_request *requests;
	size_t nr_requests;
	/* @success: the pages are there now, try again. */
	void (*respond)(struct page_group *g, bool success);

	struct list link;
	const void *attach, *device;
	uint32_t device_id, cookie;
};

struct iommu_region {
	uint64_t start, last;
	bool msi; /* interrupt window: hardware or software MSI */
	const char *what; /* for those that read; NULL: what can be told without
			     (iommu_region_words()) */
};
const char *iommu_region_words(const struct iommu_region *r);

/* Of an IOMMU, and, where a requester differs, of what the IOMMU can do for that one (requester_caps()). */
struct iommu_caps {
	bool dirty;		/* GET_HW_INFO DIRTY_TRACKING */
	bool enforce_coherency; /* can force snooping */
	bool ats_not_supported; /* GET_HW_INFO: the device has no ATS */
	bool ats;		/* translation requests */
	uint8_t max_pasid_log2; /* width of PASIDs; 0: none */
	uint8_t ias, oas;	/* bits */
	bool coherent_walk;	/* walks snoop the processor's caches */
	uint64_t page_sizes;	/* of leaves, a bitmap */
	bool pri;		/* page requests */
	/* A nested domain of the RID brings the guest's PASID table: a fault with a PASID that nobody attached is its (6.1). */
	bool user_pasid_table;
};

/* What a domain is to be made of. */
struct domain_config {
	struct pt_config pt;
	uint64_t aperture_last; /* 0: all that the table can hold, from 0 on */
	uint64_t aperture_start;
	uint64_t page_sizes; /* that mirrors use; 0: those of the table */
	bool only_writeable; /* Linux maps nothing there that may only be read */
};

struct iommu_make {
	const char *name, *summary;
	const struct option_key *keys;
	/* Fills caps and make_data from @o. 0, -EINVAL with a sentence in @why, -ENOMEM. */
	int (*init)(struct iommu *i, const struct options *o, char *why, size_t why_len);
	void (*fini)(struct iommu *i);
	/*
	 * GET_HW_INFO: the make's type, and its struct into @buf (of *len bytes; *len receives the
	 * true size). @in_type 0: the default one. -EOPNOTSUPP for a type it does not know.
	 */
	int (*hw_info)(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len);
	/*
	 * 4.2: which page table a domain with these DOMAIN_ flags gets, @cfg zeroed. -EOPNOTSUPP. @r is the requester that it is
	 * made for, NULL when there is none; @data is NULL when the caller gave none, and a make that takes none says -EOPNOTSUPP.
	 */
	int (*domain_config)(struct iommu *i, struct requester *r, uint32_t flags, const struct user_data *data,
			     struct domain_config *cfg);
	/* Reserved regions of every requester behind this IOMMU; returns how many, writes at most
	 * @max. */
	size_t (*regions)(struct iommu *i, struct iommu_region *out, size_t max);
	/* The reason as this make's specification numbers it; 0 for what the IOMMU never saw. */
	uint32_t (*fault_code)(const struct iommu *i, const struct iommu_fault *f);

	/* From here on a member may be NULL. */

	/*
	 * The make's part of attaching @r, or one PASID of it, to @d (NULL: blocked, which cannot fail) in the place of
	 * @old (NULL: blocked). Called before the switch, which happens exactly when it returns 0. -EINVAL: incompatible, another
	 * domain might do; any other error goes to the caller as it is. Under iommu->lock. After a failure elsewhere in a
	 * group it is called once more, the other way round.
	 */
	int (*attach)(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old);
	/*
	 * HWA.18: a nested domain for @r directly on @parent (DOMAIN_NEST_PARENT, of this make), with DOMAIN_PASID at most in
	 * @flags. See iommu/viommu.h. NULL: the make does not nest on an HWPT at all, be this IOMMU able or not (HWA.16).
	 */
	int (*domain_alloc_nested)(struct requester *r, struct domain *parent, uint32_t flags,
				   const struct user_data *data, struct domain **out);
	/* The kind of vIOMMU that @type names, for a VM that owns @r; NULL: no such thing (VIO.A3). */
	const struct viommu_ops *(*viommu_type)(struct requester *r, uint32_t type);
	/* Domains can be attached to PASIDs (7.4). */
	bool pasids;
	/* Behind a guest's stage 1 the interrupt window is one of its output addresses, not of its inputs. */
	bool messages_after_stage1;
};

/* What is taken away from a make, so that it stands for another machine. Zeroed: nothing. */
#define IOMMU_LIMIT_REGIONS 4
struct iommu_limits {
	unsigned int aperture; /* width of IOVAs in bits; 0: the make's */
	uint64_t page_sizes;   /* of leaves that address spaces use; 0: all; PAGE_SIZE among them */
	struct iommu_region
		reserved[IOMMU_LIMIT_REGIONS]; /* beside the make's; words outlive the IOMMU */
	size_t nr_reserved;
};

#define IOMMU_FAULT_RING 64

struct iommu {
	const struct iommu_make *make;
	void *make_data;
	unsigned int index; /* within the host */
	struct iommu_caps caps;
	struct memory *memory;
	struct pt_mem *tables;
	const struct epoch_domain *epochs;
	const struct sink *sink;
	/*
	 * Told of every fault; may be NULL. Runs on the DMA thread inside its section: it must not
	 * wait for anybody who may be waiting for that section (attach, unmap, revoke), so it takes
	 * no lock that is held across such calls.
	 */
	void (*fault)(void *arg, struct requester *r, const struct iommu_fault *f);
	void *fault_arg;
	/*
	 * Takes every group of page requests, and sees to it that it is answered. NULL: nobody does. Runs
	 * outside of sections: it may wait for whoever attaches.
	 */
	void (*page_request)(void *arg, struct requester *r, struct page_group *g);
	void *page_request_arg;
	struct lock lock; /* LOCK_IOMMU: requesters, and what each is attached to */
	struct list requesters;
	struct iommu_region msi; /* the interrupt window; start > last: none */
	struct iommu_limits limits; /* set before make->init */
	struct lock fault_lock;
	struct iommu_fault
		fault_ring[IOMMU_FAULT_RING]; /* the newest; number n at n % IOMMU_FAULT_RING */
	uint64_t nr_faults;		      /* ever; read atomically */
};

/* For makes that Linux gives no type: NONE and nothing, whatever the type that was asked for. */
int iommu_no_hw_info(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len);

/* The table of makes, ended by NULL (makes.c). */
extern const struct iommu_make *const iommu_makes[];
const struct iommu_make *iommu_make_find(const char *name);

struct iommu_config {
	struct memory *memory;
	struct pt_mem *tables;
	struct epoch_domain *epochs;
	const struct sink *sink;
	unsigned int index;
	const struct iommu_limits *limits; /* copied; NULL: none */
};
/* @text: "vtd" or "vtd,aw=39,..."; a sentence in @why on error. */
int iommu_create(const char *text, const struct iommu_config *cfg, struct iommu **out, char *why,
		 size_t why_len);
/* Reserved regions of every requester behind it; returns how many, writes at most @max. */
size_t iommu_regions(struct iommu *i, struct iommu_region *out, size_t max);
#define IOMMU_MAX_REGIONS 16
/* No requester or domain may be left. */
void iommu_destroy(struct iommu *i);

/* 4.2. -EOPNOTSUPP for flags that the make refuses, -ENOMEM. Empty: maps nothing. */
int domain_alloc(struct iommu *i, uint32_t flags, struct domain **out);
/* The same for @r, with what the make wants to know more about it (may be NULL). */
int domain_alloc_for(struct requester *r, uint32_t flags, const struct user_data *data, struct domain **out);
/* A nested domain: whatever make->domain_alloc_nested() or viommu_ops.domain_alloc() gave goes the same way. */
void domain_free(struct domain *d); /* nothing may be attached */
struct pt *domain_pt(struct domain *d); /* NULL: nested */
bool domain_is_nested(const struct domain *d);
/* Faults of this domain are answered by a queue's reader; set before anything is attached. */
void domain_set_recoverable(struct domain *d);
struct iommu *domain_iommu(struct domain *d);
/* For those that look: the address space that a paging domain shows, or the one under a nested domain; NULL: unknown. Set before
 * anything is attached. */
void domain_set_space(struct domain *d, const void *space);
const void *domain_space(const struct domain *d);
void domain_aperture(const struct domain *d, uint64_t *start, uint64_t *last);
uint64_t domain_page_sizes(const struct domain *d);
bool domain_only_writeable(const struct domain *d);
bool domain_enforces_coherency(const struct domain *d);
/* Make this domain enforce coherency from now on. -EINVAL: an IOMMU behind it cannot; -EBUSY:
 * something is mapped. */
int domain_enforce_coherency(struct domain *d);

/*
 * The table was changed at [iova, last], or its dirty tracking was switched (all of it): returns
 * when no IOTLB of the domain's requesters holds anything of it and no access under the old
 * translation runs, then frees what @g gathered (@g may be NULL).
 */
void domain_invalidate(struct domain *d, uint64_t iova, uint64_t last, struct pt_gather *g);
/* Forget everything cached of every requester of this IOMMU and wait (memory was revoked, a slot
 * died). */
void iommu_invalidate_all(struct iommu *i);

struct requester_config {
	uint32_t rid;
	const struct iommu_caps *caps; /* copied; NULL: those of the IOMMU, with at most pasid_bits */
	uint8_t pasid_bits;	       /* of PASIDs that the device can put on the bus; 0: none */
	void *make_data;	       /* the make's; it outlives the requester */
	void *owner;		       /* who made it: object/'s host_device */
};
int requester_create(struct iommu *i, uint32_t rid, struct requester **out);
int requester_create_with(struct iommu *i, const struct requester_config *cfg, struct requester **out);
void requester_destroy(struct requester *r); /* detached, every PASID too */
/* The device can put PASIDs of so many bits on the bus, of which the IOMMU knows what it knows. Nothing is attached. */
void requester_set_pasid_bits(struct requester *r, unsigned int bits);
uint32_t requester_rid(const struct requester *r);
struct iommu *requester_iommu(const struct requester *r);
const struct iommu_caps *requester_caps(const struct requester *r);
void *requester_make_data(const struct requester *r);
void *requester_owner(const struct requester *r);
/* NULL blocks. Switches without a window in which neither is in force; the old one is quiet on
 * return. -EINVAL: incompatible. */
int requester_attach(struct requester *r, struct domain *d);
/*
 * The same for one PASID, not 0; NULL detaches it. -EOPNOTSUPP: the make has no such thing; -EINVAL: beyond the requester's
 * PASIDs, or incompatible; -ENOMEM.
 */
int requester_attach_pasid(struct requester *r, uint32_t pasid, struct domain *d);
struct domain *requester_domain(struct requester *r);
/* What @pasid (0: the RID) is attached to; NULL: nothing. Under the lock of whoever attaches. */
struct domain *requester_pasid_domain(struct requester *r, uint32_t pasid);

/*
 * The DMA thread's side. requester_begin() and requester_end() bracket a stretch of work (they
 * unpark and park the epoch); iommu_translate() must run between epoch_enter() and epoch_exit() of
 * requester_epoch().
 */
void requester_begin(struct requester *r);
void requester_end(struct requester *r);
struct epoch *requester_epoch(struct requester *r);
/* Any other thread: returns when no section that is running now runs any more. A full fence comes
 * first. */
void requester_quiesce(struct requester *r);

struct translation {
	const struct memory_slot *slot;
	char *ptr;    /* first byte; NULL: no memory but a BAR or a message */
	uint64_t pa;  /* of the first byte, where ptr is NULL */
	uint64_t len; /* bytes from iova on that this translation covers, at most what was asked */
	bool msi;     /* a write into the interrupt window: not memory */
};

/**
 * iommu_translate() - where does this DMA go?
 *
 * Hits cost no lock, fence or allocation. Sets accessed and dirty flags as the make's tables want.
 * Returns 0, or -EFAULT after the fault was recorded and reported. The result is valid until
 * epoch_exit().
 */
int iommu_translate(struct requester *r, uint64_t iova, uint64_t len, enum iommu_access access,
		    struct translation *out);
/* The same for a request with a PASID (0: without). Such a one is no interrupt message, whatever its address. */
int iommu_translate_pasid(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			  enum iommu_access access, struct translation *out);

/* Is a write to @iova an interrupt message, not an access to memory? */
bool iommu_is_message(const struct requester *r, uint32_t pasid, uint64_t iova);

/* Record and report a fault found by the DMA room (FAULT_GONE, FAULT_NO_PEER, FAULT_MSI,
 * FAULT_BUS_MASTER). -EFAULT. */
int iommu_report_fault(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
		       enum iommu_access access, enum iommu_fault_reason reason);

/* The same of a fault on purpose, as if nothing were mapped. */
int iommu_report_injected(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len,
			  enum iommu_access access);

/* Those who listen are told of a group of page requests of @r; before it is handed on, and may go. */
void iommu_tell_request(struct requester *r, const struct page_group *g);
/* A group of page requests of @r, outside of any section: handed on, or answered at once with failure. */
void iommu_request_pages(struct requester *r, struct page_group *g);

/*
 * For nested_ops.fault(): a stalled transaction (SMMUv3 3.12.2), which waits for an answer of whoever
 * takes the page requests of its domain. -EAGAIN: it waits; -EFAULT: nobody would answer. DMA thread,
 * inside its section; the DMA room leaves that, hands the request on (requester_finish_stall()) and
 * translates again, or gives up.
 */
int requester_stall(struct requester *r, uint32_t pasid, uint64_t iova, enum iommu_access access, uint32_t grpid);
/* DMA thread, outside of sections: waits for the answer. 0: translate again; -EFAULT. */
int requester_finish_stall(struct requester *r);

/*
 * Address translation services (PCIe 10): a device keeps translations in a cache of its own (ATC), loses
 * them only when it is told to, and may ask for pages that are not there (PRI).
 *
 * The device has the capability, and PRI's if @pri: once, before DMA. It may be used where the IOMMU can too, and is
 * on then. -ENOMEM.
 */
int requester_add_ats(struct requester *r, bool pri);
/* On or off, by whoever sets up the stream of a requester that has it. Off forgets what the cache holds. */
void requester_set_ats(struct requester *r, bool on);
/* Whether it is on: read atomically. */
const bool *requester_ats(const struct requester *r);
/*
 * Any thread, outside of sections: the device forgets [first, last] for requests with @pasid (IOMMU_NO_PASID:
 * without; IOMMU_ALL_PASIDS: all). When it returns no DMA uses any of it any more.
 */
#define IOMMU_ALL_PASIDS UINT32_MAX
void requester_forget_atc(struct requester *r, uint32_t pasid, uint64_t first, uint64_t last);
/*
 * As iommu_translate_pasid(), by the device's cache, else by a translation request. -ENOENT: the answer was that
 * nothing may be done there, which is no fault; the device may ask for the pages (requester_ask_pages()).
 */
int iommu_translate_ats(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len, enum iommu_access access,
			struct translation *out);
/*
 * DMA thread, outside of sections: asks for the pages of [iova, iova + len), at most IOMMU_MAX_PAGE_REQUESTS from the
 * first on, and waits for the answer. 0: they may be there now; -EFAULT: the answer was no, or the device cannot ask.
 */
#define IOMMU_MAX_PAGE_REQUESTS 32
int requester_ask_pages(struct requester *r, uint32_t pasid, uint64_t iova, uint64_t len, enum iommu_access access);

/*
 * From stop to go on, which nest, nothing is asked and no answer waited for: what waits, or would, is refused. For who
 * resets a device and waits for its DMA thread. Any thread.
 */
void requester_stop_asking(struct requester *r, bool stop);

/* Statistics of one requester, written by its DMA thread only; read at any time. */
struct requester_stats {
	uint64_t hits, misses, faults, invalidations;
	uint64_t loads; /* entries of tables, read for nested translation */
	uint64_t atc_hits, page_requests;
};
void requester_get_stats(const struct requester *r, struct requester_stats *out);

const char *iommu_fault_words(enum iommu_fault_reason reason);
/* The newest faults, oldest first; returns how many were written to @out. */
size_t iommu_recent_faults(struct iommu *i, struct iommu_fault *out, size_t max);

#endif
