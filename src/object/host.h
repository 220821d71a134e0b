/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host: one configured machine, its IOMMUs, groups and devices. A process may hold many.
 *
 * A host_device is what VFIO and iommufd hand out: a requester behind an IOMMU, in a group, with a function of hardware
 * (@hw: a struct pci_dev, which this room knows nothing about). Who owns a group's DMA is decided here, by one rule for both roads
 * (7.1, 10.2): a legacy container, or one iommufd context.
 *
 * A virtual function that its physical one has not enabled is absent: nobody can open it.
 *
 * Groups and devices may come and go at any time: who adds one also removes it, when it is neither bound nor open. Whoever finds one
 * by its name relies on its adder for its life. host->lock guards the lists and ownership.
 */
#ifndef IOAS_OBJECT_HOST_H
#define IOAS_OBJECT_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/epoch.h"
#include "base/list.h"
#include "base/range.h"
#include "base/refuse.h"
#include "iommu/iommu.h"
#include "memory/memory.h"

struct host_device;

/* What the RIDs, or one PASID, of a whole group are attached to, for an iommufd. Under the group's lock. */
struct host_attach {
	uint32_t pasid;
	void *hwpt; /* NULL: nothing */
	unsigned int nr_members;
	struct list members; /* the devices that asked for it */
};
void host_attach_init(struct host_attach *at, uint32_t pasid);

struct host_group {
	unsigned int id;
	struct host *host;
	struct list devices; /* host_device.group_link */
	unsigned int nr_devices;
	const void *owner; /* who has claimed its DMA: a container or an iommufd context; under host->lock */
	const char *owner_what; /* for those that read: which of the two, and the process that
				   opened it */
	uint64_t owner_process;
	unsigned int owner_count;
	pthread_mutex_t lock;	   /* attachment, the next two */
	struct host_attach rid;	   /* of requests without a PASID */
	struct range_tree pasids; /* the host_attach of each PASID in use, at [pasid, pasid] */
	void *file; /* abi/'s open group file; one at a time. Under host->lock */
	unsigned int cdev_opens; /* devices of the group open through their cdev */
	struct list link;
};

struct host_device {
	char name[16]; /* 0000:01:00.0 */
	unsigned int cdev; /* N of /dev/vfio/devices/vfioN */
	struct host_group *group;
	struct requester *requester;
	void *hw;
	void *idev;	   /* the iommufd DEVICE object while bound; under the group's lock */
	void *opened;	   /* abi/'s shared open state; under host->open_lock */
	unsigned int files; /* of abi/ that stand for it; under host->open_lock */
	bool absent;	    /* under host->open_lock; read atomically */
	struct host_device *physfn; /* NULL: not a virtual function */
	bool has_vfs;		    /* can have them */
	uint8_t vf_token[16];	    /* of one that can: who opens them must know it. Under host->open_lock, as the next */
	unsigned int vf_users;	    /* of its virtual functions, those that are open */
	struct list group_link, link;
};

/* Shared, zeroed, page aligned memory that whoever stands between the host and a program can show to it. */
struct host_shm {
	void *(*alloc)(void *arg, uint64_t len); /* NULL: anonymous memory of this process */
	void (*free)(void *arg, void *mem, uint64_t len);
	void *arg;
};

/* Monotonic nanoseconds, for what is waited for. Thread-safe, must not call the engine. */
struct host_clock {
	uint64_t (*now)(void *arg); /* NULL: CLOCK_MONOTONIC */
	void *arg;
};

/*
 * What a program opened and that may hold mappings: a struct iommufd, or a container of abi/. For
 * those that look, who find it in host->contexts. Embedded.
 */
struct host_context {
	bool container;
	uint64_t number; /* the host's, ascending */
	struct list link;
};

struct host {
	struct memory *memory;
	struct pt_mem *tables;
	struct epoch_domain epochs;
	struct sink sink;
	struct iommu *iommu;
	pthread_mutex_t vf_lock;   /* enabling virtual functions; before open_lock */
	pthread_mutex_t open_lock; /* first opens and last closes of devices; outermost */
	pthread_cond_t closed;	   /* with it: a device's last file is gone */
	pthread_mutex_t lock;
	struct list groups, devices;
	/*
	 * Held by who looks at more than one call's worth of the host, so that contexts and devices
	 * stay: they go with it. Outside of all locks of this room, of groups' and containers'.
	 */
	pthread_mutex_t look_lock;
	struct list contexts; /* struct host_context; under look_lock, as the next */
	uint64_t last_context;
	bool iommufd_container;	  /* /dev/vfio/vfio is an iommufd context (9) */
	bool strict;		  /* the sane side of semantics 14's switches */
	bool no_mmap;		  /* no region offers MMAP: the program has opened /dev/kvm. Atomic */
	unsigned int dma_entry_limit; /* type1, default 65535 */
	const struct abi_commands *commands; /* what a room above adds to /dev/iommu; NULL: nothing */
	struct host_shm shm;
	struct host_clock clock;
	uint32_t refs;
};

struct host_config {
	const char *iommu; /* "vtd,..."; NULL: vtd */
	const struct memory_ops *memory_ops;
	void *memory_arg;
	bool tracked; /* see struct memory_config */
	struct sink sink;
	struct injector *injector; /* the host's from now on, in success and failure; NULL: none */
	void (*fault)(void *arg, struct requester *r, const struct iommu_fault *f); /* may be NULL */
	void *fault_arg;
	bool iommufd_container, strict;
	unsigned int dma_entry_limit; /* 0: 65535 */
	const struct iommu_limits *limits;   /* of the IOMMU; NULL: none */
	const struct abi_commands *commands; /* abi/command.h: more commands of /dev/iommu; may be NULL */
	struct host_shm shm;
	struct host_clock clock;
};

int host_create(const struct host_config *cfg, struct host **out, char *why, size_t why_len);
void host_get(struct host *h);
uint64_t host_now(const struct host *h);
void host_put(struct host *h);
/* A context begins, and ends: what it holds goes afterwards. */
void host_context_add(struct host *h, struct host_context *c, bool container);
void host_context_remove(struct host *h, struct host_context *c);

/*
 * Add a device: the requester is created behind the host's IOMMU. @group -1: a group of its own (lowest free number); otherwise it joins
 * or founds that group. host_device.hw is set by the caller afterwards.
 */
int host_add_device(struct host *h, const char *name, uint32_t rid, int group, struct host_device **out);
struct host_device_config {
	const char *name;
	uint32_t rid;
	int group;
	const struct iommu_caps *caps; /* as in struct requester_config, as the next two */
	uint8_t pasid_bits;
	void *make_data;
};
int host_add_device_with(struct host *h, const struct host_device_config *cfg, struct host_device **out);
/* Neither bound nor open. Its group goes with its last device. */
void host_remove_device(struct host_device *d);
/*
 * Attach every requester of the group to @d (NULL: blocked), all or nothing; or one PASID of each that has PASIDs, which may be
 * none (Linux attaches then all the same). Under the group's lock.
 */
int host_group_attach(struct host_group *g, uint32_t pasid, struct domain *d);
struct host_device *host_find_device(struct host *h, const char *name);
struct host_device *host_find_cdev(struct host *h, unsigned int cdev);
struct host_group *host_find_group(struct host *h, unsigned int id);

/* Claim the DMA of a group for @owner, counted; -EPERM (another iommufd or container owns it). */
struct host_owner {
	const void *owner;
	const char *what;
	uint64_t process; /* 0: nobody knows */
};
int host_group_claim(struct host_group *g, const struct host_owner *o);
/* The same, refusing as @rule and @field do, with who owns it. */
int host_group_claim_or_refuse(struct host_group *g, const struct host_owner *o, const char *rule,
			       const char *field);
void host_group_release(struct host_group *g, const void *owner);

#endif
