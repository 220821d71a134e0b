/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD's vIOMMUs and nested domains from the inside.
 *
 * Two kinds of vIOMMU. Linux's own (its type is any that is not ours, as there): the VMM reads the
 * guest's device table, and makes a nested domain from each entry; the guest's domain IDs become
 * the host's, so that two guests' tags never meet. Ours (IOMMU_IOAS_AMD): the IOMMU reads the
 * guest's device table itself, by the vRID, and may consume its command buffer.
 *
 * In the caches a guest's address space is named by the domain ID, the PASID, and whether it is of
 * host or of guest tables. The domain ID there is the host's for Linux's kind, and (the vIOMMU's
 * own ID << 16 | the guest's) for ours: both come from the IOMMU's one set of domain IDs.
 */
#ifndef IOAS_IOMMU_AMD_VIOMMU_H
#define IOAS_IOMMU_AMD_VIOMMU_H

#include <pthread.h>

#include <ioas/abi/extensions.h>

#include "iommu/amd/amd.h"
#include "iommu/amd/command.h"
#include "iommu/amd/dte.h"
#include "iommu/amd/event.h"
#include "iommu/nested.h"
#include "iommu/queue.h"
#include "iommu/viommu.h"

/* A guest's domain ID in use; one host domain ID. */
struct amd_guest_domain {
	struct list link;
	uint16_t guest;
	uint32_t host;
	unsigned int users;
};

struct amd_queue;

struct amd_viommu {
	struct viommu viommu;
	bool reads_table; /* ours */
	uint64_t table;	  /* GPA of the device table */
	uint32_t table_entries;
	uint32_t window; /* ours: an ID of the host's, in front of the guest's domain IDs */

	/* One batch of commands at a time; a vDEVICE goes when none runs that found it. */
	pthread_mutex_t order;
	pthread_mutex_t lock;	   /* a leaf: what follows, queue */
	struct list guest_domains; /* Linux's kind */
	struct list asked;	   /* page groups that wait for the guest's answer */

	struct consumer consumer;
	struct amd_queue *queue; /* NULL: none */
	uint64_t *registers;	 /* a page that the program may map */
	uint64_t registers_at;	 /* where */
};

struct amd_vdevice {
	struct vdevice vdevice;
	/* The device's entry as it was read last, under viommu.lock. */
	uint64_t dte[AMD_DTE_WORDS];
	uint32_t wanted; /* counts its invalidations */
	uint32_t have;	 /* wanted + 1 as it was when dte was read; 0: never */
	bool told;	 /* SE: of a fault */
};

struct amd_nested {
	struct domain domain;
	struct amd_viommu *viommu;	 /* outlives it */
	struct amd_guest_domain *mapped; /* Linux's kind */
	struct amd_dte dte;		 /* the same: what the IOMMU got */
	uint64_t entry[AMD_DTE_WORDS];	 /* dte as it stands in memory */
};

static inline struct amd_viommu *amd_viommu_of(struct viommu *v)
{
	return container_of(v, struct amd_viommu, viommu);
}

static inline struct amd_vdevice *amd_vdevice_of(struct vdevice *vd)
{
	return container_of(vd, struct amd_vdevice, vdevice);
}

static inline struct amd *amd_of(const struct amd_viommu *v)
{
	return v->viommu.iommu->make_data;
}

/* viommu.c */
const struct viommu_ops *amd_viommu_type(struct requester *r, uint32_t type);
/* Into a log of the guest's. As viommu_up.event. */
int amd_viommu_log(struct amd_viommu *v, uint32_t log, const uint64_t entry[2]);
/* How the caches name @guest; false: they know nothing of it. */
bool amd_viommu_domain(struct amd_viommu *v, uint16_t guest, uint32_t *did);

/* domain_id.c. A host domain ID, 1 to 65535. -ENOSPC, -ENOMEM. */
int amd_id_alloc(struct amd *a, uint32_t *id);
void amd_id_free(struct amd *a, uint32_t id);
/* The one of @guest, made on first use. -ENOSPC, -ENOMEM. */
int amd_guest_domain_get(struct amd_viommu *v, uint16_t guest, struct amd_guest_domain **out);
void amd_guest_domain_put(struct amd_viommu *v, struct amd_guest_domain *g);

/* nested.c */
enum amd_regime { AMD_REGIME_HOST, AMD_REGIME_GUEST };
/* iommu_make.attach: the end of an attachment to @old. */
int amd_attach(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old);
/* HWA.21. */
int amd_nested_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
		     struct domain **out);

/* invalidate.c */
/* One command but COMPLETION_WAIT's store and interrupt; order held. It is over after
 * nested_sync(). */
void amd_execute(struct amd_viommu *v, const struct amd_command *c);
int amd_viommu_invalidate(struct viommu *v, const struct user_array *a, uint32_t *done);

/* ppr.c. As nested_ops.page_request; the guest's answer; what @r asked for by @d is answered with
 * no. */
bool amd_ppr_request(struct domain *d, struct requester *r, struct page_group *g);
void amd_ppr_complete(struct amd_viommu *v, const struct amd_command *c);
void amd_ppr_cancel(struct domain *d, const struct requester *r);

/* command_buffer.c */
size_t amd_hw_queue_size(const struct viommu *v, uint32_t type);
int amd_hw_queue_init(struct hw_queue *q);
void amd_hw_queue_fini(struct hw_queue *q);
void amd_hw_queue_kick(struct hw_queue *q);

#endif
