/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mock's nested domain: an array of words that invalidations zero.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommu/mock/mock.h"

struct mock_nested {
	struct domain domain;
	struct viommu *viommu; /* it was made from, which outlives it; NULL: from an HWPT */
	uint32_t iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM]; /* atomic */
};

static struct mock_nested *nested_of(struct domain *d)
{
	return container_of(d, struct mock_nested, domain);
}

static void nested_free(struct domain *d)
{
	ioas_free(nested_of(d));
}

static int invalidate_one(struct mock_nested *n, const struct user_array *a, uint32_t index)
{
	struct iommu_hwpt_invalidate_selftest entry;
	int rc = user_get_entry(a, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST, index, &entry,
				sizeof(entry), sizeof(entry));

	if (rc)
		return rc;
	if (entry.flags & ~(uint32_t)IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (entry.iotlb_id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;
	for (uint32_t k = 0; k < MOCK_NESTED_DOMAIN_IOTLB_NUM; k++)
		if (entry.flags & IOMMU_TEST_INVALIDATE_FLAG_ALL || k == entry.iotlb_id)
			__atomic_store_n(&n->iotlb[k], 0, __ATOMIC_RELAXED);
	return 0;
}

static int nested_invalidate(struct domain *d, const struct user_array *a, uint32_t *done)
{
	int rc = a->type == IOMMU_HWPT_INVALIDATE_DATA_SELFTEST ? 0 : -EINVAL;

	for (uint32_t k = 0; k < a->entry_num && !rc; k++) {
		rc = invalidate_one(nested_of(d), a, k);
		*done += !rc;
	}
	return rc;
}

static const struct nested_ops mock_nested_ops = {
	.free = nested_free,
	.invalidate = nested_invalidate,
};

static int alloc(struct iommu *i, struct domain *parent, struct viommu *v, uint32_t flags,
		 const struct user_data *data, struct domain **out)
{
	struct iommu_hwpt_selftest wish;
	struct mock_nested *n;
	int rc;

	if (flags & ~(uint32_t)DOMAIN_PASID || data->type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	rc = user_get(data, IOMMU_HWPT_DATA_SELFTEST, &wish, sizeof(wish),
		      user_min(struct iommu_hwpt_selftest, iotlb));
	if (rc)
		return rc;
	n = ioas_calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	domain_init_nested(&n->domain, i, parent, &mock_nested_ops);
	n->viommu = v;
	for (size_t k = 0; k < MOCK_NESTED_DOMAIN_IOTLB_NUM; k++)
		n->iotlb[k] = wish.iotlb;
	*out = &n->domain;
	return 0;
}

int mock_domain_alloc_nested(struct requester *r, struct domain *parent, uint32_t flags,
			     const struct user_data *data, struct domain **out)
{
	return alloc(requester_iommu(r), parent, NULL, flags, data, out);
}

int mock_viommu_domain_alloc(struct viommu *v, uint32_t flags, const struct user_data *data,
			     struct domain **out)
{
	return alloc(v->iommu, v->parent, v, flags, data, out);
}

struct viommu *mock_domain_viommu(struct domain *d)
{
	return d->nested == &mock_nested_ops ? nested_of(d)->viommu : NULL;
}

int mock_nested_iotlb(struct domain *d, uint32_t n, uint32_t *value)
{
	if (d->nested != &mock_nested_ops || n > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;
	*value = __atomic_load_n(&nested_of(d)->iotlb[n], __ATOMIC_RELAXED);
	return 0;
}
