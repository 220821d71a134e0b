/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host of the embedder's: what it is told, its models, its registered memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/options.h"
#include "devices/models.h"
#include "library/private.h"
#include "mock/commands.h"

static void __attribute__((format(printf, 3, 4)))
say(struct ioas_host *h, enum ioas_log_level level, const char *format, ...)
{
	struct ioas_log l = {.level = level};
	char text[512];
	va_list args;

	if (!h->cfg.log)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	l.text = text;
	l.time = h->host ? host_now(h->host) : 0; /* not made yet */
	h->cfg.log(h->cfg.arg, &l);
}

static void tell_refused(void *arg, const struct refusal *r)
{
	struct ioas_host *h = arg;
	struct ioas_refusal out = {r->err, r->rule, r->field, r->value, r->legal};

	if (h->cfg.refused)
		h->cfg.refused(h->cfg.arg, &out);
	say(h, IOAS_LOG_REFUSAL, "%s by %s: %s is %#" PRIx64 "; legal: %s", strerrorname_np(r->err),
	    r->rule, r->field, r->value, r->legal);
}

static void tell_fault(void *arg, struct requester *r, const struct iommu_fault *f)
{
	struct ioas_host *h = arg;
	struct ioas_fault out = {
		.requester_id = f->rid,
		.iova = f->iova,
		.length = f->len,
		.write = f->access != IOMMU_READ,
		.code = f->code,
		.reason = iommu_fault_words(f->reason),
		.pasid = f->pasid,
	};

	if (h->cfg.fault)
		h->cfg.fault(h->cfg.arg, &out);
	say(h, IOAS_LOG_FAULT, "device %#x cannot %s %#" PRIx64 " bytes at IOVA %#" PRIx64 ": %s",
	    out.requester_id, out.write ? "write" : "read", out.length, out.iova, out.reason);
}

static uint64_t memlock_limit(void *arg)
{
	struct rlimit r;

	return getrlimit(RLIMIT_MEMLOCK, &r) ? 0 : r.rlim_cur;
}

static int create_pasids(struct ioas_host *h)
{
	const unsigned int bits = h->host->iommu->caps.max_pasid_log2;

	return bits ? ioas_pasid_space_create(bits, &h->pasids) : 0;
}

struct ioas_pasid_space *ioas_host_pasids(struct ioas_host *h)
{
	return h->pasids;
}

int ioas_host_create(const struct ioas_host_config *cfg, struct ioas_host **out, char *why,
		     size_t why_len)
{
	struct ioas_host *h = ioas_calloc(1, sizeof(*h));
	char unwanted[256];
	struct host_config hc;
	int rc;

	if (!h)
		return -ENOMEM;
	h->cfg = *cfg;
	pthread_mutex_init(&h->lock, NULL);
	hc = (struct host_config){
		.iommu = cfg->iommu,
		.sink = {cfg->refused || cfg->log ? tell_refused : NULL, h},
		.fault = cfg->fault || cfg->log ? tell_fault : NULL,
		.fault_arg = h,
		.iommufd_container = cfg->iommufd_container,
		.strict = cfg->strict,
		.clock = {cfg->clock, cfg->arg},
	};
	rc = host_create(&hc, &h->host, why ? why : unwanted, why ? why_len : sizeof(unwanted));
	if (!rc) {
		h->host->commands = make_commands(h->host->iommu->make);
		/* A store to a mapped BAR would reach no model. */
		h->host->no_mmap = true;
	}
	if (!rc)
		rc = create_pasids(h);
	if (!rc)
		rc = net_hubs_create(&h->hubs);
	if (!rc)
		rc = memory_account_create(memlock_limit, NULL, &h->account);
	if (rc) {
		ioas_host_destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

void ioas_host_destroy(struct ioas_host *h)
{
	library_close_all(h);
	library_destroy_ports(h);
	/* Virtual functions come after those that they belong to. */
	while (h->nr_devices)
		pci_destroy(h->devices[--h->nr_devices]);
	ioas_free(h->devices);
	if (h->host)
		host_put(h->host);
	if (h->pasids)
		ioas_pasid_space_destroy(h->pasids);
	if (h->hubs)
		net_hubs_destroy(h->hubs);
	if (h->account)
		memory_account_put(h->account);
	pthread_mutex_destroy(&h->lock);
	ioas_free(h);
}

/* A function is created behind its slot: of @text, or virtual function @index of @pf. */
struct wanted {
	const char *text;
	struct pci_dev *pf;
	unsigned int index;
};

static int create_pci(const struct wanted *w, const struct pci_config *pc, struct pci_dev **out,
		      char *why, size_t why_len)
{
	const struct pci_model *model;
	char *name;

	if (w->pf)
		return pci_create_vf(w->pf, w->index, pc, out, why, why_len);
	name = options_name(w->text);
	if (!name)
		return -ENOMEM;
	model = pci_model_find(name);
	if (!model)
		snprintf(why, why_len, "there is no device model '%s'", name);
	ioas_free(name);
	return model ? pci_create(model, w->text, pc, out, why, why_len) : -EINVAL;
}

static int add_pci(struct ioas_host *h, const struct wanted *w, uint32_t bdf,
		   struct host_device *slot, char *why, size_t why_len)
{
	const struct pci_config pc = {
		.rid = (uint16_t)bdf,
		.domain = (uint16_t)(bdf >> 16),
		.requester = slot->requester,
		.memory = h->host->memory,
		.sink = &h->host->sink,
		.hubs = h->hubs,
	};
	struct pci_dev **devices;
	int rc;

	devices = ioas_realloc(h->devices, (h->nr_devices + 1) * sizeof(struct pci_dev *));
	if (!devices)
		return -ENOMEM;
	h->devices = devices;
	rc = create_pci(w, &pc, &devices[h->nr_devices], why, why_len);
	return rc ? rc : abi_device_set(slot, devices[h->nr_devices++]);
}

static void bdf_name(uint32_t bdf, char name[16])
{
	snprintf(name, 16, "%04x:%02x:%02x.%x", bdf >> 16, bdf >> 8 & 0xff, bdf >> 3 & 0x1f,
		 bdf & 7);
}

static int add_function(struct ioas_host *h, const struct wanted *w, uint32_t bdf, int group,
			struct host_device **slot, char *why, size_t why_len)
{
	char name[16];
	int rc;

	bdf_name(bdf, name);
	rc = host_add_device(h->host, name, bdf & 0xffff, group, slot);
	return rc ? rc : add_pci(h, w, bdf, *slot, why, why_len);
}

int ioas_add_model(struct ioas_host *h, const char *text, uint32_t bdf, int group, char *why,
		   size_t why_len)
{
	struct wanted w = {.text = text};
	struct host_device *slot, *vf;
	char unwanted[256];
	unsigned int vfs;
	int rc;

	if (!why) {
		why = unwanted;
		why_len = sizeof(unwanted);
	}
	rc = add_function(h, &w, bdf, group, &slot, why, why_len);
	if (rc)
		return rc;
	w.pf = slot->hw;
	vfs = w.pf->sriov.cfg.total;
	for (w.index = 0; w.index < vfs && !rc; w.index++)
		rc = add_function(h, &w, (bdf & ~0xffffu) | pci_vf_rid((uint16_t)bdf, w.index), -1,
				  &vf, why, why_len);
	return rc ? rc : (int)slot->cdev;
}

int ioas_set_vfs(struct ioas_host *h, uint32_t bdf, unsigned int n)
{
	struct host_device *slot;
	char name[16];

	bdf_name(bdf, name);
	slot = host_find_device(h->host, name);
	return slot && slot->hw ? abi_set_num_vfs(slot, n, false) : -ENODEV;
}
