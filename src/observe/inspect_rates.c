/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "rates": what was counted, of each device and the space that its requests without a PASID go by.
 * Who asks twice knows the rates.
 */
#include <errno.h>

#include "base/alloc.h"
#include "iommu/domain.h"
#include "observe/inspect_private.h"

static void write_space(struct json *j, struct host_group *g, struct requester *r)
{
	struct space_stats s = {0};
	struct space *space;
	struct domain *d;

	/* The domain stays attached meanwhile, hence its space is there. */
	pthread_mutex_lock(&g->lock);
	d = requester_domain(r);
	space = d ? (struct space *)domain_space(d) : NULL;
	if (space)
		space_get_stats(space, &s);
	pthread_mutex_unlock(&g->lock);
	json_bool(j, "attached", d != NULL);
	json_number(j, "maps", s.maps);
	json_number(j, "unmaps", s.unmaps);
	json_number(j, "areas", s.areas);
	json_number(j, "mapped_bytes", s.bytes);
}

static void write_requester(struct json *j, const struct requester *r)
{
	struct requester_stats s;

	requester_get_stats(r, &s);
	json_number(j, "translations", s.hits + s.misses + s.atc_hits);
	json_number(j, "hits", s.hits);
	json_number(j, "misses", s.misses);
	json_number(j, "atc_hits", s.atc_hits);
	json_number(j, "table_loads", s.loads);
	json_number(j, "page_requests", s.page_requests);
	json_number(j, "invalidations", s.invalidations);
	json_number(j, "faults", s.faults);
}

static void write_dma(struct json *j, const struct pci_dev *pci)
{
	struct dma_stats s = {0};

	if (pci)
		dma_get_stats(&pci->port, &s);
	json_number(j, "reads", s.reads);
	json_number(j, "writes", s.writes);
	json_number(j, "read_bytes", s.read_bytes);
	json_number(j, "written_bytes", s.written_bytes);
}

static void write_device(struct inspect *i, struct json *j, struct host_device *d)
{
	const struct pci_dev *pci = inspect_pci(d);

	json_object(j, NULL);
	json_string(j, "name", d->name);
	json_string(j, "model", pci && pci->model ? pci->model->name : NULL);
	json_hex(j, "rid", requester_rid(d->requester));
	json_number(j, "context", inspect_owner(i->cfg->host, d->group));
	write_space(j, d->group, d->requester);
	write_requester(j, d->requester);
	write_dma(j, pci);
	json_object_end(j);
}

int inspect_rates(struct inspect *i, struct json *j)
{
	struct host *h = i->cfg->host;
	struct host_device **all;
	size_t n;

	json_object(j, NULL);
	inspect_head(i, j);
	json_number(j, "time_ns", host_now(h));
	json_array(j, "devices");
	pthread_mutex_lock(&h->look_lock);
	all = inspect_devices(h, &n);
	for (size_t k = 0; all && k < n; k++)
		write_device(i, j, all[k]);
	pthread_mutex_unlock(&h->look_lock);
	json_array_end(j);
	json_object_end(j);
	ioas_free(all);
	return all ? 0 : -ENOMEM;
}
