/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The make mock: the IOMMU of Linux's iommufd test driver (Linux 7.3). Tests see what reached it:
 * its nested domains and its devices have small arrays of words in the place of caches, which an
 * invalidation zeroes.
 *
 * It translates like any other make, through tables of 2 KiB pages. What is mock about it is
 * reached through the functions below, which the test command (src/mock/) calls.
 */
#ifndef IOAS_IOMMU_MOCK_MOCK_H
#define IOAS_IOMMU_MOCK_MOCK_H

#include <ioas/abi/mock.h>
#include <pthread.h>

#include "iommu/viommu.h"

extern const struct iommu_make mock_make;

/* The make_data of a mock IOMMU. */
#define MOCK_MEMORY_LIMIT 65536
struct mock_iommu {
	uint32_t memory_limit; /* bytes the test command works on at a time; atomic */
};

/*
 * A mock device: the make_data of its requester. Devices of other kinds may stand behind a mock
 * IOMMU too; theirs is NULL.
 */
struct mock_device {
	uint32_t flags;			    /* MOCK_FLAGS_DEVICE_ */
	uint32_t cache[MOCK_DEV_CACHE_NUM]; /* atomic */
	bool fail_next; /* the next attachment of IOMMU_TEST_PASID_RESERVED; under iommu->lock */
	pthread_mutex_t lock;
	struct viommu
		*viommu; /* that of the nested domain which the RID is attached to, if it has one */
	uint64_t virt_id; /* the device's name there */
};

void mock_device_init(struct mock_device *d, uint32_t flags);
void mock_device_fini(struct mock_device *d);
/* What the IOMMU can do for it. */
struct iommu_caps mock_device_caps(const struct iommu *i, uint32_t flags);
/* An event for the vIOMMU: its name there. -ENOENT: it is in none, or its name is 0; what
 * viommu_up.event() says. */
int mock_device_event(struct mock_device *d);

/* Word @n of the array of a nested domain of this make. -EINVAL: there is no such word. */
int mock_nested_iotlb(struct domain *d, uint32_t n, uint32_t *value);

/* nested.c, viommu.c. */
int mock_domain_alloc_nested(struct requester *r, struct domain *parent, uint32_t flags,
			     const struct user_data *data, struct domain **out);
/* The vIOMMU that the nested domain was made from; NULL: none, or not nested. */
struct viommu *mock_domain_viommu(struct domain *d);
int mock_viommu_domain_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
			     struct domain **out);
const struct viommu_ops *mock_viommu_type(struct requester *r, uint32_t type);

#endif
