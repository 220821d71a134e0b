/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices of a vIOMMU by the names that its guest gives them.
 *
 * They are few and change seldom, and every command of a guest that names a device looks one up: a
 * sorted array.
 */
#include "iommu/viommu.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void viommu_setup(struct viommu *v)
{
	lock_init(&v->lock, LOCK_VIOMMU);
}

void viommu_teardown(struct viommu *v)
{
	ioas_free(v->vdevices);
}

/* The place of @virt_id, or where it would be. */
static size_t place_of(const struct viommu *v, uint64_t virt_id)
{
	size_t low = 0, high = v->nr_vdevices;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (v->vdevices[mid]->virt_id < virt_id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct viommu *v, size_t place, uint64_t virt_id)
{
	return place < v->nr_vdevices && v->vdevices[place]->virt_id == virt_id;
}

struct vdevice *viommu_find(struct viommu *v, uint64_t virt_id)
{
	size_t place = place_of(v, virt_id);

	return is_at(v, place, virt_id) && v->vdevices[place]->shown ? v->vdevices[place] : NULL;
}

struct vdevice *viommu_find_requester(struct viommu *v, const struct requester *r)
{
	for (size_t n = 0; n < v->nr_vdevices; n++)
		if (v->vdevices[n]->requester == r && v->vdevices[n]->shown)
			return v->vdevices[n];
	return NULL;
}

bool viommu_name(struct viommu *v, const struct requester *r, uint64_t *virt_id)
{
	const struct vdevice *vd;

	lock_acquire(&v->lock);
	vd = viommu_find_requester(v, r);
	if (vd)
		*virt_id = vd->virt_id;
	lock_release(&v->lock);
	return vd;
}

static int make_room(struct viommu *v)
{
	size_t room = v->room ? 2 * v->room : 8;
	struct vdevice **all;

	if (v->nr_vdevices < v->room)
		return 0;
	all = ioas_realloc(v->vdevices, room * sizeof(struct vdevice *));
	if (!all)
		return -ENOMEM;
	v->vdevices = all;
	v->room = room;
	return 0;
}

static int reserve(struct viommu *v, struct vdevice *vd)
{
	size_t place;
	int rc;

	lock_acquire(&v->lock);
	place = place_of(v, vd->virt_id);
	rc = is_at(v, place, vd->virt_id) ? -EEXIST : make_room(v);
	if (!rc) {
		memmove(&v->vdevices[place + 1], &v->vdevices[place],
			(v->nr_vdevices - place) * sizeof(struct vdevice *));
		v->vdevices[place] = vd;
		v->nr_vdevices++;
	}
	lock_release(&v->lock);
	return rc;
}

static void take_out(struct viommu *v, struct vdevice *vd)
{
	size_t place;

	lock_acquire(&v->lock);
	place = place_of(v, vd->virt_id);
	v->nr_vdevices--;
	memmove(&v->vdevices[place], &v->vdevices[place + 1],
		(v->nr_vdevices - place) * sizeof(struct vdevice *));
	lock_release(&v->lock);
}

int viommu_add(struct viommu *v, struct vdevice *vd)
{
	int rc = reserve(v, vd);

	if (rc)
		return rc;
	rc = v->ops->vdevice_init ? v->ops->vdevice_init(vd) : 0;
	if (rc) {
		take_out(v, vd);
		return rc;
	}
	lock_acquire(&v->lock);
	vd->shown = true;
	lock_release(&v->lock);
	return 0;
}

void viommu_remove(struct viommu *v, struct vdevice *vd)
{
	/* The kernel's order: the driver forgets the device while its name is still taken. */
	lock_acquire(&v->lock);
	vd->shown = false;
	lock_release(&v->lock);
	if (v->ops->vdevice_fini)
		v->ops->vdevice_fini(vd);
	take_out(v, vd);
}
