/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a test of the object room stands on: a host whose IOMMU is the mock, devices in groups, an
 * iommufd context, an IOAS that maps program memory, and short names for what every test makes.
 */
#ifndef TESTS_UNIT_OBJECT_BED_H
#define TESTS_UNIT_OBJECT_BED_H

#include "iommu/mock/mock.h"
#include "object/access.h"
#include "object/viommu.h"

#define BED_IOVA  0x1000000ull /* the mock's aperture begins here */
#define BED_PAGES 16
#define BED_LEN	  (BED_PAGES * 4096ull)
#define BED_DEVS  3 /* 0 in a group of its own; 1 and 2 share one */

struct bed {
	struct host *host;
	struct iommufd *ctx;
	struct mock_device mock[BED_DEVS];
	struct host_device *slot[BED_DEVS];
	struct idevice *idev[BED_DEVS];
	struct ioas *ioas;
	char *mem; /* mapped at BED_IOVA, page by page in two areas of half the length each */
};

void bed_create(struct bed *b);
void bed_destroy(struct bed *b); /* unbinds what is bound */

struct ioas *bed_ioas(struct bed *b); /* an empty one, published */
void bed_map(struct bed *b, struct ioas *ioas, uint64_t iova, void *va, uint64_t len, int prot);
struct hwpt *bed_paging(struct bed *b, unsigned int dev, uint32_t flags);
/* On an HWPT, or with @v from a vIOMMU. */
struct hwpt *bed_nested(struct bed *b, unsigned int dev, struct hwpt *parent,
			struct viommu_object *v, uint32_t flags);
struct viommu_object *bed_viommu(struct bed *b, struct hwpt *parent);
int bed_vdevice(struct bed *b, struct viommu_object *v, unsigned int dev, uint64_t virt_id,
		uint32_t *id);
int bed_queue(struct bed *b, struct viommu_object *v, uint32_t index, uint64_t iova, uint64_t len,
	      uint32_t *id);
struct veventq *bed_veventq(struct bed *b, struct viommu_object *v, uint32_t depth);
int bed_attach(struct bed *b, unsigned int dev, uint32_t pasid, uint32_t pt_id);
/* DESTROY. */
int bed_kill(struct bed *b, uint32_t id);
uint64_t bed_objects(struct bed *b);

/* A group of one page request, which notes how it was answered: -1 not yet, else success. */
struct bed_fault {
	struct page_group group;
	struct page_request request;
	int answer; /* atomic */
};
void bed_fault(struct bed *b, struct bed_fault *f, unsigned int dev, uint32_t pasid, uint64_t addr);

/* Word @n of the device's memory as DMA sees it: -1 a fault. */
int64_t bed_look(struct bed *b, unsigned int dev, uint32_t pasid, uint64_t iova);


#endif
