/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/alloc.h"
#include "doors/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/file.h"
#include "devices/virtio/hub.h"
#include "mock/commands.h"

static int create_model(const char *text, const struct pci_config *pcfg, struct pci_dev **out,
			char *why, size_t why_len)
{
	char *name = options_name(text);
	const struct pci_model *model = name ? pci_model_find(name) : NULL;
	int rc = -EINVAL;

	if (!name)
		rc = -ENOMEM;
	else if (!model)
		snprintf(why, why_len,
			 "there is no device model '%s'; `ioas devices` lists what there is", name);
	else
		rc = pci_create(model, text, pcfg, out, why, why_len);
	ioas_free(name);
	return rc;
}

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
	unsigned int index;
	size_t pf;

	if (!run_device_is_vf(d, &pf, &index))
		return create_model(d->text, &pcfg, out, why, why_len);
	if (pf >= m->nr_devices)
		return -EINVAL;
	return pci_create_vf(m->devices[pf], index, &pcfg, out, why, why_len);
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
	m->nr_devices++;
	return abi_device_set(m->slots[i], m->devices[i]);
}

/* The devices that it names are there. */
static int check_injector(const struct run_config *run, const struct injector *injector, char *why,
			  size_t why_len)
{
	bool more = injector != NULL;
	uint32_t rid;

	for (size_t n = 0; more; n++) {
		bool found = !injector_device(injector, n, &rid, &more);

		for (size_t i = 0; i < run->nr_devices && !found; i++)
			found = (run->devices[i].bdf & 0xffff) == rid;
		if (!found) {
			snprintf(why, why_len, "--inject: there is no device at %02x:%02x.%x",
				 rid >> 8, rid >> 3 & 31, rid & 7);
			return -EINVAL;
		}
	}
	return 0;
}

int machine_create(const struct run_config *run, const struct machine_config *cfg,
		   struct machine *out, char *why, size_t why_len)
{
	struct host_config hcfg = {
		.memory_ops = cfg->memory_ops,
		.memory_arg = cfg->memory_arg,
		.tracked = cfg->tracked,
		.sink = cfg->sink,
		.fault = cfg->fault,
		.fault_arg = cfg->fault_arg,
		.iommufd_container = run->iommufd_container,
		.strict = run->strict,
		.dma_entry_limit = run->limits.entries,
		.limits = &run->limits.iommu,
	};
	char *iommu = limits_make_options(&run->limits, run->iommu);
	struct injector *injector;
	int rc = -ENOMEM;

	hcfg.iommu = iommu;

	if (cfg->pci_ops && cfg->pci_ops->shm_alloc)
		hcfg.shm = (struct host_shm){cfg->pci_ops->shm_alloc, cfg->pci_ops->shm_free,
					     cfg->pci_arg};
	snprintf(why, why_len, "out of memory");
	if (run_config_injector(run, &injector, why, why_len)) {
		free(iommu);
		return -EINVAL;
	}
	*out = (struct machine){
		.devices = calloc(run->nr_devices + 1, sizeof(*out->devices)),
		.slots = calloc(run->nr_devices + 1, sizeof(*out->slots)),
	};
	if (!out->devices || !out->slots || !iommu)
		goto out_destroy;
	rc = check_injector(run, injector, why, why_len);
	if (!rc)
		rc = net_hubs_create(&out->hubs);
	if (!rc) {
		if (injector)
			injector_listen(injector, cfg->struck, NULL);
		hcfg.injector = injector;
		injector = NULL;
		rc = host_create(&hcfg, &out->host, why, why_len);
	}
	if (!rc)
		out->host->commands = make_commands(out->host->iommu->make);
	for (size_t i = 0; i < run->nr_devices && !rc; i++)
		rc = add_device(out, &run->devices[i], cfg, why, why_len);
out_destroy:
	injector_destroy(injector);
	free(iommu);
	if (rc)
		machine_destroy(out);
	return rc;
}

void machine_destroy(struct machine *m)
{
	/* Virtual functions come after those that they belong to. */
	while (m->devices && m->nr_devices)
		pci_destroy(m->devices[--m->nr_devices]);
	if (m->host)
		host_put(m->host);
	if (m->hubs)
		net_hubs_destroy(m->hubs);
	free(m->devices);
	free(m->slots);
	*m = (struct machine){0};
}

unsigned int machine_total_vfs(const struct machine *m, size_t pf)
{
	return m->devices[pf]->sriov.cfg.total;
}
