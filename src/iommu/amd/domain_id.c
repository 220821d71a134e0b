/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domain IDs of the host, of which an IOMMU has 16 bits, and which of them stand for a guest's.
 */
#include <errno.h>

#include "base/alloc.h"
#include "iommu/amd/viommu.h"

#define ID_MAX 0xffff

int amd_id_alloc(struct amd *a, uint32_t *id)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = ids_reserve(&a->ids, id);
	if (!rc && *id > ID_MAX) {
		ids_erase(&a->ids, *id);
		rc = -ENOSPC;
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void amd_id_free(struct amd *a, uint32_t id)
{
	pthread_mutex_lock(&a->lock);
	ids_erase(&a->ids, id);
	pthread_mutex_unlock(&a->lock);
}

/* Lock held. */
static struct amd_guest_domain *find(struct amd_viommu *v, uint16_t guest)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &v->guest_domains) {
		struct amd_guest_domain *g = list_entry(pos, struct amd_guest_domain, link);

		if (g->guest == guest)
			return g;
	}
	return NULL;
}

/* Lock held. */
static int create(struct amd_viommu *v, uint16_t guest, struct amd_guest_domain **out)
{
	struct amd_guest_domain *g = ioas_calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return -ENOMEM;
	rc = amd_id_alloc(amd_of(v), &g->host);
	if (rc) {
		ioas_free(g);
		return rc;
	}
	g->guest = guest;
	list_add_tail(&v->guest_domains, &g->link);
	*out = g;
	return 0;
}

int amd_guest_domain_get(struct amd_viommu *v, uint16_t guest, struct amd_guest_domain **out)
{
	int rc = 0;

	pthread_mutex_lock(&v->lock);
	*out = find(v, guest);
	if (!*out)
		rc = create(v, guest, out);
	if (!rc)
		(*out)->users++;
	pthread_mutex_unlock(&v->lock);
	return rc;
}

void amd_guest_domain_put(struct amd_viommu *v, struct amd_guest_domain *g)
{
	bool last;

	pthread_mutex_lock(&v->lock);
	last = !--g->users;
	if (last)
		list_del(&g->link);
	pthread_mutex_unlock(&v->lock);
	if (!last)
		return;
	amd_id_free(amd_of(v), g->host);
	ioas_free(g);
}

bool amd_viommu_domain(struct amd_viommu *v, uint16_t guest, uint32_t *did)
{
	struct amd_guest_domain *g;

	if (v->reads_table) {
		*did = v->window << 16 | guest;
		return true;
	}
	pthread_mutex_lock(&v->lock);
	g = find(v, guest);
	if (g)
		*did = g->host;
	pthread_mutex_unlock(&v->lock);
	return g;
}
