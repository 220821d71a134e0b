/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mock devices: made and attached by one operation, and what they do when they are told to.
 *
 * A test device is an object of the context whose destruction takes the device off its IOMMU. The
 * DEVICE object that it is bound by has an id of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "mock/private.h"

struct test_device {
	struct other_object obj;
	struct mock_device mock;
	struct host_device *hdev;
	struct idevice *idev;
};

static const char test_device_kind[] = "mock device";

/* The lowest name that is free, in groups of their own. */
static int plug(struct call *call, struct test_device *dev)
{
	struct host *h = call->ctx->host;
	const struct iommu_caps caps = mock_device_caps(h->iommu, dev->mock.flags);
	char name[16];
	int rc = -EEXIST;

	for (unsigned int n = 0; rc == -EEXIST && n < 1u << 16; n++) {
		snprintf(name, sizeof(name), "mock%u", n);
		rc = host_add_device_with(h,
					  &(struct host_device_config){
						  .name = name,
						  .rid = n,
						  .group = -1,
						  .caps = &caps,
						  .make_data = &dev->mock,
					  },
					  &dev->hdev);
	}
	return rc;
}

static void unplug(struct test_device *dev)
{
	idevice_unbind(dev->idev);
	host_remove_device(dev->hdev);
}

static void test_device_free(struct test_device *dev)
{
	mock_device_fini(&dev->mock);
	ioas_free(dev);
}

static void test_device_destroy(struct iommufd *ctx, struct other_object *o)
{
	struct test_device *dev = container_of(o, struct test_device, obj);

	unplug(dev);
	test_device_free(dev);
}

static int test_device_alloc(struct call *call, uint32_t flags, struct test_device **out)
{
	struct test_device *dev = ioas_calloc(1, sizeof(*dev));
	int rc;

	if (!dev)
		return -ENOMEM;
	mock_device_init(&dev->mock, flags);
	dev->obj.kind = test_device_kind;
	dev->obj.destroy = test_device_destroy;
	rc = object_reserve(call->ctx, &dev->obj.obj, OBJECT_OTHER);
	if (rc) {
		test_device_free(dev);
		return rc;
	}
	*out = dev;
	return 0;
}

static int attach_and_respond(struct call *call, struct test_device *dev,
			      struct iommu_test_cmd *cmd)
{
	uint32_t pt_id = cmd->id;
	int rc = idevice_attach(dev->idev, &pt_id);

	if (rc)
		return rc;
	cmd->mock_domain.out_hwpt_id = pt_id;
	cmd->mock_domain.out_stdev_id = dev->obj.obj.id;
	cmd->mock_domain.out_idev_id = dev->idev->obj.id;
	return call_respond(call);
}

int mock_op_domain(struct call *call, struct iommu_test_cmd *cmd)
{
	const uint32_t known = MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID;
	uint32_t flags =
		cmd->op == IOMMU_TEST_OP_MOCK_DOMAIN ? 0 : cmd->mock_domain_flags.dev_flags;
	struct test_device *dev;
	int rc;

	if (flags & ~known)
		return mock_no(call, EINVAL, "dev_flags", flags, "NO_DIRTY 1, PASID 4");
	rc = test_device_alloc(call, flags, &dev);
	if (rc)
		return rc;
	rc = plug(call, dev);
	if (rc)
		goto out_abort;
	rc = idevice_bind_within(call->ctx, dev->hdev, &dev->idev);
	if (rc)
		goto out_remove;
	rc = attach_and_respond(call, dev, cmd);
	if (rc)
		goto out_unbind;
	object_publish(call->ctx, &dev->obj.obj);
	return 0;

out_unbind:
	idevice_unbind(dev->idev);
out_remove:
	host_remove_device(dev->hdev);
out_abort:
	object_abort(call->ctx, &dev->obj.obj);
	test_device_free(dev);
	return rc;
}

/* Busy until object_put(). */
static struct test_device *get_test_device(struct call *call, uint32_t id)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_OTHER);
	struct other_object *o = obj ? container_of(obj, struct other_object, obj) : NULL;

	if (o && o->kind == test_device_kind)
		return container_of(o, struct test_device, obj);
	if (obj)
		object_put(call->ctx, obj);
	mock_no(call, ENOENT, "id", id, "the id of a mock device (out_stdev_id)");
	return NULL;
}

static void put_test_device(struct call *call, struct test_device *dev)
{
	object_put(call->ctx, &dev->obj.obj);
}

int mock_op_domain_replace(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_device *dev = get_test_device(call, cmd->id);
	uint32_t pt_id = cmd->mock_domain_replace.pt_id;
	int rc;

	if (!dev)
		return -ENOENT;
	rc = idevice_replace(dev->idev, &pt_id);
	if (!rc) {
		cmd->mock_domain_replace.pt_id = pt_id;
		rc = call_respond(call);
	}
	put_test_device(call, dev);
	return rc;
}

/* PASIDs. */

/* PASID 0 is the device's own attachment. */
static int attach_pasid(struct test_device *dev, uint32_t pasid, uint32_t *pt_id)
{
	return pasid == IOMMU_NO_PASID ? idevice_attach(dev->idev, pt_id)
				       : idevice_attach_pasid(dev->idev, pasid, pt_id);
}

static int replace_pasid(struct test_device *dev, uint32_t pasid, uint32_t *pt_id)
{
	return pasid == IOMMU_NO_PASID ? idevice_replace(dev->idev, pt_id)
				       : idevice_replace_pasid(dev->idev, pasid, pt_id);
}

static void detach_pasid(struct test_device *dev, uint32_t pasid)
{
	if (pasid == IOMMU_NO_PASID)
		idevice_detach(dev->idev);
	else
		idevice_detach_pasid(dev->idev, pasid);
}

int mock_op_pasid_attach(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_device *dev = get_test_device(call, cmd->id);
	int rc;

	if (!dev)
		return -ENOENT;
	rc = attach_pasid(dev, cmd->pasid_attach.pasid, &cmd->pasid_attach.pt_id);
	if (!rc) {
		rc = call_respond(call);
		if (rc)
			detach_pasid(dev, cmd->pasid_attach.pasid);
	}
	put_test_device(call, dev);
	return rc;
}

int mock_op_pasid_replace(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_device *dev = get_test_device(call, cmd->id);
	int rc;

	if (!dev)
		return -ENOENT;
	rc = replace_pasid(dev, cmd->pasid_replace.pasid, &cmd->pasid_replace.pt_id);
	if (!rc)
		rc = call_respond(call);
	put_test_device(call, dev);
	return rc;
}

int mock_op_pasid_detach(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_device *dev = get_test_device(call, cmd->id);

	if (!dev)
		return -ENOENT;
	detach_pasid(dev, cmd->pasid_detach.pasid);
	put_test_device(call, dev);
	return 0;
}

static struct hwpt *get_hwpt(struct call *call, uint32_t id, int *rc)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_ANY);

	if (obj && (obj->type == OBJECT_HWPT_PAGING || obj->type == OBJECT_HWPT_NESTED))
		return container_of(obj, struct hwpt, obj);
	*rc = mock_no(call, obj ? EINVAL : ENOENT, "hwpt_id", id, "the id of an HWPT");
	if (obj)
		object_put(call->ctx, obj);
	return NULL;
}

/* What the IOMMU uses, asked of the IOMMU. */
static struct domain *attached_domain(struct test_device *dev, uint32_t pasid)
{
	struct host_group *g = dev->hdev->group;
	struct domain *d;

	pthread_mutex_lock(&g->lock);
	d = requester_pasid_domain(dev->hdev->requester, pasid);
	pthread_mutex_unlock(&g->lock);
	return d;
}

static int check_pasid(struct call *call, struct test_device *dev, const struct iommu_test_cmd *cmd)
{
	struct domain *d = attached_domain(dev, cmd->pasid_check.pasid);
	struct hwpt *hwpt;
	int rc = 0;

	if (!cmd->pasid_check.hwpt_id)
		return d ? -EINVAL : 0;
	hwpt = get_hwpt(call, cmd->pasid_check.hwpt_id, &rc);
	if (!hwpt)
		return rc;
	rc = hwpt->domain == d ? 0 : -EINVAL;
	object_put(call->ctx, &hwpt->obj);
	return rc;
}

int mock_op_pasid_check(struct call *call, struct iommu_test_cmd *cmd)
{
	struct test_device *dev = get_test_device(call, cmd->id);
	int rc;

	if (!dev)
		return -ENOENT;
	rc = check_pasid(call, dev, cmd);
	put_test_device(call, dev);
	return rc;
}

/* What a device does, by the id of its DEVICE object. */

static struct mock_device *mock_device_of(struct call *call, struct idevice *idev)
{
	struct mock_device *mock = requester_make_data(idev->hdev->requester);

	if (!mock)
		mock_no(call, EINVAL, "dev_id", idev->obj.id, "a mock device");
	return mock;
}

int mock_op_check_cache(struct call *call, struct iommu_test_cmd *cmd)
{
	struct idevice *idev = call_get_device(call, cmd->id, "MOCK");
	struct mock_device *mock;
	int rc = -EINVAL;

	if (!idev)
		return -ENOENT;
	mock = mock_device_of(call, idev);
	if (mock && cmd->check_dev_cache.id <= MOCK_DEV_CACHE_ID_MAX &&
	    __atomic_load_n(&mock->cache[cmd->check_dev_cache.id], __ATOMIC_RELAXED) ==
		    cmd->check_dev_cache.cache)
		rc = 0;
	object_put(call->ctx, &idev->obj);
	return rc;
}

/* One request, its own group. */
struct asked {
	struct page_group group;
	struct page_request request;
};

static void answered(struct page_group *g, bool success)
{
	ioas_free(container_of(g, struct asked, group));
}

static int ask_for_page(struct idevice *idev, const struct iommu_test_cmd *cmd)
{
	struct asked *a = ioas_calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->request = (struct page_request){cmd->trigger_iopf.addr, cmd->trigger_iopf.perm};
	a->group = (struct page_group){
		.pasid = cmd->trigger_iopf.pasid,
		.grpid = cmd->trigger_iopf.grpid,
		.requests = &a->request,
		.nr_requests = 1,
		.respond = answered,
	};
	iommu_tell_request(idev->hdev->requester, &a->group);
	iommu_request_pages(idev->hdev->requester, &a->group);
	return 0;
}

int mock_op_trigger_iopf(struct call *call, struct iommu_test_cmd *cmd)
{
	struct idevice *idev = call_get_device(call, cmd->trigger_iopf.dev_id, "MOCK");
	int rc;

	if (!idev)
		return -ENOENT;
	rc = mock_device_of(call, idev) ? ask_for_page(idev, cmd) : -EINVAL;
	object_put(call->ctx, &idev->obj);
	return rc;
}

int mock_op_trigger_vevent(struct call *call, struct iommu_test_cmd *cmd)
{
	struct idevice *idev = call_get_device(call, cmd->trigger_vevent.dev_id, "MOCK");
	struct mock_device *mock;
	int rc;

	if (!idev)
		return -ENOENT;
	mock = mock_device_of(call, idev);
	rc = mock ? mock_device_event(mock) : -EINVAL;
	object_put(call->ctx, &idev->obj);
	return rc;
}
