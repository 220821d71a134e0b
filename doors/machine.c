/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/hub.h"

static int create_pci(const struct run_device *d, const struct machine_config *cfg,
		      struct machine *m, struct host_device *slot, struct pci_dev **out, char *why,
		      size_t why_len)
{
	const struct pci_config pcfg = {
		.rid = (uint16_t)d->bdf,
		.domain = (uint16_t)(d->bdf >> 16),
		.requester = slot->requester,
		.memory = m->host->memory,
		.hubs = m->hubs,
		.sink = &m->host->sink,
		.ops = cfg->pci_ops,
		.ops_arg = cfg->pci_arg,
	};
	char *name = options_name(d->text);
	const struct pci_model *model = name ? pci_model_find(name) : NULL;
	int rc = -EINVAL;

	if (!name)
		rc = -ENOMEM;
	else if (!model)
		snprintf(why, why_len,
			 "there is no device model '%s'; `ioas devices` lists what there is", name);
	else
		rc = pci_create(model, d->text, &pcfg, out, why, why_len);
	free(name);
	return rc;
}

static int add_device(struct machine *m, const struct run_device *d,
		      const struct machine_config *cfg, char *why, size_t why_len)
{
	const size_t i = m->nr_devices;
	char bdf[RUN_BDF_LEN];
	int rc;

	run_bdf_name(d->bdf, bdf);
	rc = host_add_device(m->host, bdf, d->bdf & 0xffff, d->group, &m->slots[i]);
	if (rc == -EEXIST)
		snprintf(why, why_len, "two devices at %s: give one of them another bdf=", bdf);
	if (rc)
		return rc;
	rc = create_pci(d, cfg, m, m->slots[i], &m->devices[i], why, why_len);
	if (rc)
		return rc;
	m->slots[i]->hw = m->devices[i];
	m->nr_devices++;
	return 0;
}

int machine_create(const struct run_config *run, const struct machine_config *cfg,
		   struct machine *out, char *why, size_t why_len)
{
	const struct host_config hcfg = {
		.iommu = run->iommu,
		.memory_ops = cfg->memory_ops,
		.memory_arg = cfg->memory_arg,
		.tracked = cfg->tracked,
		.sink = cfg->sink,
		.fault = cfg->fault,
		.fault_arg = cfg->fault_arg,
		.iommufd_container = run->iommufd_container,
		.strict = run->strict,
	};
	int rc = -ENOMEM;

	snprintf(why, why_len, "out of memory");
	*out = (struct machine){
		.devices = calloc(run->nr_devices + 1, sizeof(*out->devices)),
		.slots = calloc(run->nr_devices + 1, sizeof(*out->slots)),
	};
	if (!out->devices || !out->slots)
		goto out_destroy;
	rc = net_hubs_create(&out->hubs);
	if (!rc)
		rc = host_create(&hcfg, &out->host, why, why_len);
	for (size_t i = 0; i < run->nr_devices && !rc; i++)
		rc = add_device(out, &run->devices[i], cfg, why, why_len);
	if (!rc)
		return 0;
out_destroy:
	machine_destroy(out);
	return rc;
}

void machine_destroy(struct machine *m)
{
	for (size_t i = 0; m->devices && i < m->nr_devices; i++)
		pci_destroy(m->devices[i]);
	if (m->host)
		host_put(m->host);
	if (m->hubs)
		net_hubs_destroy(m->hubs);
	free(m->devices);
	free(m->slots);
	*m = (struct machine){0};
}
