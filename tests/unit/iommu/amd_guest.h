/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest of the AMD make: its memory in a nest parent's order, its device table, GCR3 tables, host
 * and guest page tables, a vIOMMU without any object room above, and devices. naive_translate()
 * reads the same memory by the specification, and caches nothing.
 */
#ifndef TESTS_UNIT_IOMMU_AMD_GUEST_H
#define TESTS_UNIT_IOMMU_AMD_GUEST_H

#include "bed.h"
#include "iommu/amd/viommu.h"

#define PAGES	     4096u
#define FIRST_DATA   1200u /* pages from here on hold no tables */
#define NO_PAGE	     UINT32_MAX
#define NR_DEVICES   3u
#define NR_SPACES    4u
#define NR_PASIDS    6u
#define NR_VAS	     40u
#define TABLE_LENGTH 4096u

struct device {
	struct requester *r;
	struct amd_vdevice vdevice;
	struct domain *domain;
	bool told; /* as the naive model has it */
};

/* What a domain ID names: page tables of both kinds, consistent whatever an entry's Mode or GLX. */
struct space {
	uint64_t host[7];    /* roots by Mode */
	uint64_t gcr3[3];    /* roots by GLX */
	unsigned int levels; /* of its guest tables */
};

struct guest {
	struct bed bed;
	char *memory;
	uint32_t host_page[PAGES];
	struct domain *parent;
	struct pages *pages;
	struct amd_viommu viommu;
	struct device device[NR_DEVICES];
	struct space space[NR_SPACES];
	uint64_t root[NR_SPACES][NR_PASIDS]; /* of guest tables */
	uint64_t va[NR_VAS];
	uint32_t nr_tables;
	unsigned int seed;
	/* What the vIOMMU said. */
	struct iommu_vevent_ioas_amd event; /* the last */
	unsigned int nr_events;		    /* atomic */
	bool deaf;			    /* nobody reads events */
	void *registers;
};

extern const uint32_t guest_pasids[NR_PASIDS];

/* With a vIOMMU of ours: @own; else of Linux's kind. */
void guest_create(struct guest *g, const char *make, bool own);
void guest_destroy(struct guest *g);
unsigned int pick(struct guest *g, unsigned int n);
uint64_t *word(struct guest *g, uint64_t gpa);
/* The device's entry in the guest's device table. */
uint64_t *entry_of(struct guest *g, unsigned int device);
uint64_t new_table(struct guest *g);
void map_page(struct guest *g, uint32_t page, uint32_t host_page);
void unmap_page(struct guest *g, uint32_t page);
/* The entry of the smallest page, its tables made. */
uint64_t *host_leaf(struct guest *g, struct space *s, uint64_t va);
uint64_t *guest_leaf(struct guest *g, uint64_t root, unsigned int levels, uint64_t va);
uint64_t random_page(struct guest *g);

/* Commands through HWPT_INVALIDATE's road; asserts that all are done. */
void command(struct guest *g, uint64_t w0, uint64_t w1);
int commands(struct guest *g, const uint64_t (*c)[2], uint32_t n, uint32_t *done);

/* What happens to a request: an offset in memory, or -1 with code, flags and address of an event;
 * code 0: the host's fault. */
struct outcome {
	int64_t where;
	uint64_t event[2];
	bool silent; /* suppressed */
};
void naive_translate(struct guest *g, unsigned int device, uint32_t pasid, uint64_t va,
		     unsigned int access, struct outcome *out);
void engine_translate(struct guest *g, unsigned int device, uint32_t pasid, uint64_t va,
		      unsigned int access, struct outcome *out);

#endif
