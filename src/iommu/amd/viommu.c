/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AMD's vIOMMUs: what they are made of (5.1, 5.2).
 */
#include "iommu/amd/viommu.h"

#include <errno.h>

int amd_viommu_log(struct amd_viommu *v, uint32_t log, const uint64_t entry[2])
{
	const struct iommu_vevent_ioas_amd event = {.log = log, .entry = {entry[0], entry[1]}};

	return v->viommu.up->event(&v->viommu, IOMMU_IOAS_AMD, &event, sizeof(event));
}

static void setup(struct amd_viommu *v)
{
	pthread_mutex_init(&v->order, NULL);
	pthread_mutex_init(&v->lock, NULL);
	list_init(&v->guest_domains);
	list_init(&v->asked);
	consumer_init(&v->consumer, &v->viommu);
}

static void teardown(struct amd_viommu *v)
{
	consumer_fini(&v->consumer);
	pthread_mutex_destroy(&v->lock);
	pthread_mutex_destroy(&v->order);
}

/* Linux's kind takes no data, and looks at none. */
static int linux_init(struct viommu *v, const struct user_data *data)
{
	setup(amd_viommu_of(v));
	return 0;
}

static void linux_fini(struct viommu *v)
{
	teardown(amd_viommu_of(v));
}

/* The device table as its base register (3.4.1) can have it: whole pages, at most 2 MiB. */
static int set_table(struct amd_viommu *v, const struct iommu_viommu_ioas_amd *wish)
{
	if (wish->flags)
		return -EOPNOTSUPP;
	if (wish->devtab_base & PAGE_MASK || wish->devtab_base >> 52 || !wish->devtab_length ||
	    wish->devtab_length & PAGE_MASK || wish->devtab_length > BIT(16) * AMD_DTE_SIZE)
		return -EINVAL;
	v->reads_table = true;
	v->table = wish->devtab_base;
	v->table_entries = wish->devtab_length / AMD_DTE_SIZE;
	return 0;
}

static int show_registers(struct amd_viommu *v)
{
	int rc;

	v->registers = viommu_pages_alloc(&v->viommu, PAGE_SIZE);
	if (!v->registers)
		return -ENOMEM;
	rc = v->viommu.up->region_add(&v->viommu, NULL, v->registers, PAGE_SIZE, &v->registers_at);
	if (rc)
		viommu_pages_free(&v->viommu, v->registers, PAGE_SIZE);
	return rc;
}

static void hide_registers(struct amd_viommu *v)
{
	v->viommu.up->region_remove(&v->viommu, v->registers_at);
	viommu_pages_free(&v->viommu, v->registers, PAGE_SIZE);
}

static int own_init(struct viommu *viommu, const struct user_data *data)
{
	const size_t min = user_min(struct iommu_viommu_ioas_amd, out_mmap_length);
	struct amd_viommu *v = amd_viommu_of(viommu);
	struct iommu_viommu_ioas_amd wish;
	int rc = data ? user_get(data, IOMMU_IOAS_AMD, &wish, sizeof(wish), min) : -EINVAL;

	if (!rc)
		rc = set_table(v, &wish);
	if (!rc)
		rc = amd_id_alloc(amd_of(v), &v->window);
	if (rc)
		return rc;
	rc = show_registers(v);
	if (rc)
		goto out_id;
	wish.out_mmap_offset = v->registers_at;
	wish.out_mmap_length = PAGE_SIZE;
	rc = user_put(data, IOMMU_IOAS_AMD, &wish, sizeof(wish), min);
	if (rc)
		goto out_registers;
	setup(v);
	return 0;

out_registers:
	hide_registers(v);
out_id:
	amd_id_free(amd_of(v), v->window);
	return rc;
}

static void own_fini(struct viommu *viommu)
{
	struct amd_viommu *v = amd_viommu_of(viommu);

	hide_registers(v);
	amd_id_free(amd_of(v), v->window);
	teardown(v);
}

/* VDV.8: a device ID has 16 bits. */
static int own_vdevice_init(struct vdevice *vd)
{
	return vd->virt_id > UINT16_MAX ? -EINVAL : 0;
}

/* It cannot be found any more; whoever has found it is done when this returns. */
static void vdevice_fini(struct vdevice *vd)
{
	struct amd_viommu *v = amd_viommu_of(vd->viommu);

	pthread_mutex_lock(&v->order);
	pthread_mutex_unlock(&v->order);
}

/* As Linux 7.3 has it: nothing nests. */
static const struct viommu_ops linux_ops = {
	.size = sizeof(struct amd_viommu),
	.init = linux_init,
	.fini = linux_fini,
	.vdevice_size = sizeof(struct amd_vdevice),
};

static const struct viommu_ops nesting_ops = {
	.size = sizeof(struct amd_viommu),
	.init = linux_init,
	.fini = linux_fini,
	.domain_alloc = amd_nested_alloc,
	.invalidate = amd_viommu_invalidate,
	.vdevice_size = sizeof(struct amd_vdevice),
	.vdevice_fini = vdevice_fini,
};

static const struct viommu_ops own_ops = {
	.size = sizeof(struct amd_viommu),
	.init = own_init,
	.fini = own_fini,
	.domain_alloc = amd_nested_alloc,
	.invalidate = amd_viommu_invalidate,
	.vdevice_size = sizeof(struct amd_vdevice),
	.vdevice_init = own_vdevice_init,
	.vdevice_fini = vdevice_fini,
	.hw_queue_size = amd_hw_queue_size,
	.hw_queue_init = amd_hw_queue_init,
	.hw_queue_fini = amd_hw_queue_fini,
	.hw_queue_kick = amd_hw_queue_kick,
};

/* Linux looks at no type. */
const struct viommu_ops *amd_viommu_type(struct requester *r, uint32_t type)
{
	const struct amd *a = requester_iommu(r)->make_data;

	if (!a->nesting)
		return &linux_ops;
	return type == IOMMU_IOAS_AMD ? &own_ops : &nesting_ops;
}
