/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mock make: what its domains are, what its devices can do, and what it checks when one is
 * attached.
 */
#include "iommu/mock/mock.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOCK_LEVELS 3
#define MOCK_IAS    38
#define MOCK_OAS    51

static const struct option_key no_options[] = {{0}};

static int mock_init(struct iommu *i, const struct options *o, char *why, size_t why_len)
{
	struct mock_iommu *m = ioas_calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->memory_limit = MOCK_MEMORY_LIMIT;
	i->make_data = m;
	i->caps = (struct iommu_caps){
		.ats_not_supported = true,
		.dirty = true,
		.coherent_walk = true,
		.ias = MOCK_IAS,
		.oas = MOCK_OAS,
		.page_sizes = ~(uint64_t)(MOCK_PAGE_SIZE - 1),
		.user_pasid_table = true,
	};
	return 0;
}

static void mock_fini(struct iommu *i)
{
	ioas_free(i->make_data);
}

static int mock_hw_info(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len)
{
	const struct iommu_test_hw_info info = {.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL};

	if (in_type && in_type != IOMMU_HW_INFO_TYPE_SELFTEST)
		return -EOPNOTSUPP;
	memcpy(buf, &info, min_u64(*len, sizeof(info)));
	*len = sizeof(info);
	*type = IOMMU_HW_INFO_TYPE_SELFTEST;
	return 0;
}

static int get_table_type(const struct user_data *data, uint32_t *type)
{
	struct iommu_hwpt_selftest wish;
	int rc;

	if (data->type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	rc = user_get(data, IOMMU_HWPT_DATA_SELFTEST, &wish, sizeof(wish),
		      user_min(struct iommu_hwpt_selftest, iotlb));
	*type = wish.pagetable_type;
	return rc;
}

static int mock_domain_config(struct iommu *i, struct requester *r, uint32_t flags,
			      const struct user_data *data, struct domain_config *cfg)
{
	const struct iommu_caps *caps = r ? requester_caps(r) : &i->caps;
	uint32_t type = MOCK_IOMMUPT_DEFAULT;
	int rc;

	if (flags & ~(uint32_t)(DOMAIN_DIRTY | DOMAIN_NEST_PARENT | DOMAIN_PASID))
		return -EOPNOTSUPP;
	if (flags & DOMAIN_DIRTY && !caps->dirty)
		return -EOPNOTSUPP;
	rc = data ? get_table_type(data, &type) : 0;
	if (rc)
		return rc;
	cfg->pt = (struct pt_config){
		.ops = &pt_mock,
		.levels = MOCK_LEVELS,
		.ias = MOCK_IAS,
		.oas = MOCK_OAS,
		.flags = flags & DOMAIN_DIRTY ? PT_DIRTY : 0,
	};
	switch (type) {
	case MOCK_IOMMUPT_DEFAULT:
		cfg->aperture_start = MOCK_APERTURE_START;
		cfg->aperture_last = MOCK_APERTURE_LAST;
		return 0;
	case MOCK_IOMMUPT_HUGE:
		cfg->pt.page_sizes = MOCK_HUGE_PAGE_SIZE | PAGE_SIZE;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static size_t mock_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	return 0;
}

/* No hardware, no numbers: the reasons, from 1 on. */
static uint32_t mock_fault_code(const struct iommu *i, const struct iommu_fault *f)
{
	return f->reason == FAULT_BUS_MASTER || f->reason == FAULT_NO_PEER
		       ? 0
		       : (uint32_t)f->reason + 1;
}

/* A device that is given a vIOMMU's domain is to have a name there. */
static int find_name(struct requester *r, struct viommu *v, uint64_t *virt_id)
{
	const struct vdevice *vd;

	*virt_id = 0;
	if (!v)
		return 0;
	lock_acquire(&v->lock);
	vd = viommu_find_requester(v, r);
	if (vd)
		*virt_id = vd->virt_id;
	lock_release(&v->lock);
	return vd ? 0 : -ENOENT;
}

static int attach_rid(struct requester *r, struct mock_device *dev, struct domain *d)
{
	struct viommu *v = d ? mock_domain_viommu(d) : NULL;
	uint64_t virt_id;
	int rc = find_name(r, v, &virt_id);

	if (rc || !dev)
		return rc;
	pthread_mutex_lock(&dev->lock);
	dev->viommu = v;
	dev->virt_id = virt_id;
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

/* Of this one PASID every attachment after a successful one fails, and detaching starts over. */
static int attach_reserved_pasid(struct mock_device *dev, const struct domain *d)
{
	bool fail = d && dev->fail_next;

	dev->fail_next = d && !fail;
	return fail ? -ENOMEM : 0;
}

static int mock_attach(struct requester *r, uint32_t pasid, struct domain *d, struct domain *old)
{
	struct mock_device *dev = requester_make_data(r);

	if (d && d->flags & DOMAIN_DIRTY && !requester_caps(r)->dirty)
		return -EINVAL;
	if (pasid == IOMMU_NO_PASID)
		return attach_rid(r, dev, d);
	return dev && pasid == IOMMU_TEST_PASID_RESERVED ? attach_reserved_pasid(dev, d) : 0;
}

const struct iommu_make mock_make = {
	.name = "mock",
	.summary = "Linux's iommufd test driver, with its test command: for the kernel's selftests",
	.keys = no_options,
	.init = mock_init,
	.fini = mock_fini,
	.hw_info = mock_hw_info,
	.domain_config = mock_domain_config,
	.regions = mock_regions,
	.fault_code = mock_fault_code,
	.attach = mock_attach,
	.domain_alloc_nested = mock_domain_alloc_nested,
	.viommu_type = mock_viommu_type,
	.pasids = true,
};

void mock_device_init(struct mock_device *d, uint32_t flags)
{
	*d = (struct mock_device){.flags = flags};
	for (size_t n = 0; n < MOCK_DEV_CACHE_NUM; n++)
		d->cache[n] = IOMMU_TEST_DEV_CACHE_DEFAULT;
	pthread_mutex_init(&d->lock, NULL);
}

void mock_device_fini(struct mock_device *d)
{
	pthread_mutex_destroy(&d->lock);
}

struct iommu_caps mock_device_caps(const struct iommu *i, uint32_t flags)
{
	struct iommu_caps caps = i->caps;

	caps.dirty = !(flags & MOCK_FLAGS_DEVICE_NO_DIRTY);
	caps.max_pasid_log2 = flags & MOCK_FLAGS_DEVICE_PASID ? MOCK_PASID_WIDTH : 0;
	caps.pri = true;
	return caps;
}

/* The vIOMMU stays as long as the device is attached to a domain of it, which the lock keeps so. */
int mock_device_event(struct mock_device *d)
{
	struct iommu_viommu_event_selftest event;
	int rc = -ENOENT;

	pthread_mutex_lock(&d->lock);
	if (d->viommu && d->virt_id) {
		event.virt_id = (uint32_t)d->virt_id;
		rc = d->viommu->up->event(d->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST, &event,
					  sizeof(event));
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}
