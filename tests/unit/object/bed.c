/* SPDX-License-Identifier: BSD-3-Clause */
#include "bed.h"
#include "../iommu/here.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

void bed_create(struct bed *b)
{
	static const int groups[BED_DEVS] = {0, 1, 1};
	char why[256];

	*b = (struct bed){0};
	assert_int_equal(
		host_create(&(struct host_config){.iommu = "mock"}, &b->host, why, sizeof(why)), 0);
	assert_int_equal(iommufd_create(b->host, false, &b->ctx), 0);
	for (unsigned int n = 0; n < BED_DEVS; n++) {
		const struct iommu_caps caps =
			mock_device_caps(b->host->iommu, MOCK_FLAGS_DEVICE_PASID);
		char name[16];

		snprintf(name, sizeof(name), "mock%u", n);
		mock_device_init(&b->mock[n], MOCK_FLAGS_DEVICE_PASID);
		assert_int_equal(host_add_device_with(b->host,
						      &(struct host_device_config){
							      .name = name,
							      .rid = n,
							      .group = groups[n],
							      .caps = &caps,
							      .make_data = &b->mock[n],
						      },
						      &b->slot[n]),
				 0);
		assert_int_equal(idevice_bind(b->ctx, b->slot[n], &b->idev[n]), 0);
	}
	b->mem = mmap(NULL, BED_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(b->mem, MAP_FAILED);
	for (uint64_t n = 0; n < BED_LEN / 8; n++)
		((uint64_t *)(void *)b->mem)[n] = n;
	b->ioas = bed_ioas(b);
	bed_map(b, b->ioas, BED_IOVA, b->mem, BED_LEN / 2, SPACE_READ | SPACE_WRITE);
	bed_map(b, b->ioas, BED_IOVA + BED_LEN / 2, b->mem + BED_LEN / 2, BED_LEN / 2,
		SPACE_READ | SPACE_WRITE);
}

void bed_destroy(struct bed *b)
{
	for (unsigned int n = 0; n < BED_DEVS; n++) {
		if (b->idev[n])
			idevice_unbind(b->idev[n]);
		host_remove_device(b->slot[n]);
		mock_device_fini(&b->mock[n]);
	}
	iommufd_put(b->ctx);
	host_put(b->host);
	munmap(b->mem, BED_LEN);
}

struct ioas *bed_ioas(struct bed *b)
{
	struct ioas *ioas;

	assert_int_equal(ioas_alloc(b->ctx, &ioas), 0);
	object_publish(b->ctx, &ioas->obj);
	return ioas;
}

void bed_map(struct bed *b, struct ioas *ioas, uint64_t iova, void *va, uint64_t len, int prot)
{
	const struct memory_payer nobody = {0};
	struct space_map map = {.length = len, .iova = iova, .prot = prot, .fixed = true};

	assert_int_equal(pages_from_va(b->host->memory, &nobody, (uintptr_t)va, len,
				       prot & SPACE_WRITE, false, &map.pages),
			 0);
	assert_int_equal(space_map(ioas->space, &map), 0);
	pages_put(map.pages);
}

struct hwpt *bed_paging(struct bed *b, unsigned int dev, uint32_t flags)
{
	struct hwpt *hwpt;

	assert_int_equal(hwpt_paging_alloc(b->ctx, b->ioas, b->idev[dev], flags, NULL, &hwpt), 0);
	object_publish(b->ctx, &hwpt->obj);
	return hwpt;
}

struct hwpt *bed_nested(struct bed *b, unsigned int dev, struct hwpt *parent,
			struct viommu_object *v, uint32_t flags)
{
	const struct iommu_hwpt_selftest wish = {.iotlb = IOMMU_TEST_IOTLB_DEFAULT};
	const struct user_data data = {&here, NULL, IOMMU_HWPT_DATA_SELFTEST, (uintptr_t)&wish,
				       sizeof(wish)};
	struct hwpt *hwpt;

	assert_int_equal(v ? hwpt_viommu_alloc(b->ctx, v, b->idev[dev], flags, &data, &hwpt)
			   : hwpt_nested_alloc(b->ctx, parent, b->idev[dev], flags, &data, &hwpt),
			 0);
	object_publish(b->ctx, &hwpt->obj);
	return hwpt;
}

struct viommu_object *bed_viommu(struct bed *b, struct hwpt *parent)
{
	struct viommu_object *v;

	assert_int_equal(viommu_alloc(b->ctx, b->idev[0], IOMMU_VIOMMU_TYPE_SELFTEST,
				      parent->obj.id, NULL, &v),
			 0);
	object_publish(b->ctx, &v->obj);
	return v;
}

/* As the command does it: the device stays busy as long as the vDEVICE lives. */
int bed_vdevice(struct bed *b, struct viommu_object *v, unsigned int dev, uint64_t virt_id,
		uint32_t *id)
{
	struct object *obj = object_get(b->ctx, b->idev[dev]->obj.id, OBJECT_DEVICE);
	struct vdevice_object *vd;
	int rc;

	if (!obj)
		return -ENOENT;
	rc = vdevice_alloc(v, b->idev[dev], virt_id, &vd);
	if (rc) {
		object_put(b->ctx, obj);
		return rc;
	}
	*id = vd->obj.id;
	return vdevice_finish(vd, 0);
}

int bed_queue(struct bed *b, struct viommu_object *v, uint32_t index, uint64_t iova, uint64_t len,
	      uint32_t *id)
{
	const struct hw_queue_params p = {IOMMU_HW_QUEUE_TYPE_SELFTEST, index, iova, len};
	struct hw_queue_object *q;
	int rc = hw_queue_alloc(v, &p, &q);

	if (rc)
		return rc;
	*id = q->obj.id;
	object_publish(b->ctx, &q->obj);
	return 0;
}

struct veventq *bed_veventq(struct bed *b, struct viommu_object *v, uint32_t depth)
{
	struct veventq *q;

	assert_int_equal(veventq_alloc(v, IOMMU_VEVENTQ_TYPE_SELFTEST, depth, &q), 0);
	assert_int_equal(veventq_finish(q, 0), 0);
	return q;
}

int bed_attach(struct bed *b, unsigned int dev, uint32_t pasid, uint32_t pt_id)
{
	return idevice_attach_pasid(b->idev[dev], pasid, &pt_id);
}

int bed_kill(struct bed *b, uint32_t id)
{
	return object_destroy_id(b->ctx, id);
}

uint64_t bed_objects(struct bed *b)
{
	return object_count(b->ctx);
}

static void respond(struct page_group *g, bool success)
{
	__atomic_store_n(&container_of(g, struct bed_fault, group)->answer, success,
			 __ATOMIC_RELEASE);
}

void bed_fault(struct bed *b, struct bed_fault *f, unsigned int dev, uint32_t pasid, uint64_t addr)
{
	*f = (struct bed_fault){
		.group = {.pasid = pasid, .nr_requests = 1, .respond = respond},
		.request = {.addr = addr, .perm = 1},
		.answer = -1,
	};
	f->group.requests = &f->request;
	iommu_request_pages(b->slot[dev]->requester, &f->group);
}

int64_t bed_look(struct bed *b, unsigned int dev, uint32_t pasid, uint64_t iova)
{
	struct requester *r = b->slot[dev]->requester;
	struct translation t;
	int64_t found = -1;

	epoch_enter(requester_epoch(r));
	if (!iommu_translate_pasid(r, pasid, iova, 8, IOMMU_READ, &t))
		found = (int64_t)__atomic_load_n((uint64_t *)(void *)t.ptr, __ATOMIC_RELAXED);
	epoch_exit(requester_epoch(r));
	return found;
}
