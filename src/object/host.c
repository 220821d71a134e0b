/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/alloc.h"
#include "base/inject.h"
#include "base/observe.h"
#include "base/text.h"
#include "object/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define DMA_ENTRY_LIMIT 65535

static void *anonymous_alloc(void *arg, uint64_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void anonymous_free(void *arg, void *mem, uint64_t len)
{
	munmap(mem, len);
}

static uint64_t monotonic(void *arg)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t host_now(const struct host *h)
{
	return h->clock.now(h->clock.arg);
}

static const struct host_clock default_clock = {monotonic, NULL};
static const struct host_shm default_shm = {anonymous_alloc, anonymous_free, NULL};

static void forget_everything(void *arg)
{
	struct host *h = arg;

	if (h->iommu)
		iommu_invalidate_all(h->iommu);
}

static int create_rooms(struct host *h, const struct host_config *cfg, char *why, size_t why_len)
{
	const struct memory_config mcfg = {
		.ops = cfg->memory_ops, .ops_arg = cfg->memory_arg, .sink = &h->sink,
		.tracked = cfg->tracked};
	struct iommu_config icfg = {.epochs = &h->epochs, .sink = &h->sink, .limits = cfg->limits};
	int rc;

	snprintf(why, why_len, "out of memory");
	rc = memory_create(&mcfg, &h->memory);
	if (rc)
		return rc;
	memory_set_revoked(h->memory, forget_everything, h);
	rc = pt_mem_create(&h->tables);
	if (rc)
		return rc;
	rc = memory_add_tables(h->memory, pt_mem_base(h->tables), pt_mem_size(h->tables),
			       pt_mem_pa_base(h->tables));
	if (rc)
		return rc;
	icfg.memory = h->memory;
	icfg.tables = h->tables;
	rc = iommu_create(cfg->iommu ? cfg->iommu : "vtd", &icfg, &h->iommu, why, why_len);
	if (rc)
		return rc;
	h->iommu->page_request = fault_deliver;
	h->iommu->page_request_arg = h;
	h->iommu->fault = cfg->fault;
	h->iommu->fault_arg = cfg->fault_arg;
	return 0;
}

static void free_group(struct host_group *g)
{
	range_destroy(&g->pasids);
	pthread_mutex_destroy(&g->lock);
	ioas_free(g);
}

static void destroy(struct host *h)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, &h->devices) {
		struct host_device *d = list_entry(pos, struct host_device, link);

		requester_destroy(d->requester);
		ioas_free(d);
	}
	list_for_each(pos, tmp, &h->groups) {
		struct host_group *g = list_entry(pos, struct host_group, link);

		free_group(g);
	}
	if (h->iommu)
		iommu_destroy(h->iommu);
	if (h->tables)
		pt_mem_destroy(h->tables);
	if (h->memory)
		memory_destroy(h->memory);
	inject_end(&h->sink);
	observe_end(&h->sink);
	pthread_cond_destroy(&h->closed);
	pthread_mutex_destroy(&h->look_lock);
	pthread_mutex_destroy(&h->vf_lock);
	pthread_mutex_destroy(&h->open_lock);
	pthread_mutex_destroy(&h->lock);
	ioas_free(h);
}

int host_create(const struct host_config *cfg, struct host **out, char *why, size_t why_len)
{
	struct host *h = ioas_calloc(1, sizeof(*h));
	int rc;

	if (!h) {
		snprintf(why, why_len, "out of memory");
		injector_destroy(cfg->injector);
		return -ENOMEM;
	}
	h->refs = 1;
	h->sink = cfg->sink;
	if (cfg->injector)
		inject_begin(&h->sink, cfg->injector);
	h->iommufd_container = cfg->iommufd_container;
	h->strict = cfg->strict;
	h->commands = cfg->commands;
	h->shm = cfg->shm.alloc ? cfg->shm : default_shm;
	h->clock = cfg->clock.now ? cfg->clock : default_clock;
	h->dma_entry_limit = cfg->dma_entry_limit ? cfg->dma_entry_limit : DMA_ENTRY_LIMIT;
	pthread_mutex_init(&h->open_lock, NULL);
	pthread_cond_init(&h->closed, NULL);
	pthread_mutex_init(&h->vf_lock, NULL);
	pthread_mutex_init(&h->look_lock, NULL);
	pthread_mutex_init(&h->lock, NULL);
	list_init(&h->groups);
	list_init(&h->devices);
	list_init(&h->contexts);
	epoch_domain_init(&h->epochs);
	rc = create_rooms(h, cfg, why, why_len);
	if (rc) {
		destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

void host_get(struct host *h)
{
	__atomic_fetch_add(&h->refs, 1, __ATOMIC_RELAXED);
}

void host_put(struct host *h)
{
	if (!__atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL))
		destroy(h);
}

void host_context_add(struct host *h, struct host_context *c, bool container)
{
	c->container = container;
	pthread_mutex_lock(&h->look_lock);
	c->number = ++h->last_context;
	list_add_tail(&h->contexts, &c->link);
	pthread_mutex_unlock(&h->look_lock);
}

void host_context_remove(struct host *h, struct host_context *c)
{
	pthread_mutex_lock(&h->look_lock);
	list_del(&c->link);
	pthread_mutex_unlock(&h->look_lock);
}

/* host->lock held. */
static struct host_group *find_group(struct host *h, unsigned int id)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, &h->groups) {
		struct host_group *g = list_entry(pos, struct host_group, link);

		if (g->id == id)
			return g;
	}
	return NULL;
}

struct host_group *host_find_group(struct host *h, unsigned int id)
{
	struct host_group *g;

	pthread_mutex_lock(&h->lock);
	g = find_group(h, id);
	pthread_mutex_unlock(&h->lock);
	return g;
}

/* host->lock held. */
static struct host_device *find_device(struct host *h, const char *name)
{
	struct list *pos, *tmp;

	list_for_each(pos, tmp, &h->devices) {
		struct host_device *d = list_entry(pos, struct host_device, link);

		if (!strcmp(d->name, name))
			return d;
	}
	return NULL;
}

struct host_device *host_find_device(struct host *h, const char *name)
{
	struct host_device *d;

	pthread_mutex_lock(&h->lock);
	d = find_device(h, name);
	pthread_mutex_unlock(&h->lock);
	return d;
}

struct host_device *host_find_cdev(struct host *h, unsigned int cdev)
{
	struct host_device *found = NULL;
	struct list *pos, *tmp;

	pthread_mutex_lock(&h->lock);
	list_for_each(pos, tmp, &h->devices) {
		struct host_device *d = list_entry(pos, struct host_device, link);

		if (d->cdev == cdev)
			found = d;
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

static unsigned int lowest_free_group(struct host *h)
{
	unsigned int id = 0;

	while (find_group(h, id))
		id++;
	return id;
}

/* As Linux numbers them. */
static unsigned int lowest_free_cdev(struct host *h)
{
	struct list *pos, *tmp;
	unsigned int id = 0;
	bool taken;

	do {
		taken = false;
		list_for_each(pos, tmp, &h->devices) taken |= list_entry(pos, struct host_device, link)->cdev == id;
		id += taken;
	} while (taken);
	return id;
}

/* host->lock held. */
static struct host_group *add_group(struct host *h, int wanted)
{
	unsigned int id = wanted < 0 ? lowest_free_group(h) : (unsigned int)wanted;
	struct host_group *g = find_group(h, id);

	if (g)
		return g;
	g = ioas_calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->id = id;
	g->host = h;
	pthread_mutex_init(&g->lock, NULL);
	host_attach_init(&g->rid, IOMMU_NO_PASID);
	range_init(&g->pasids, NULL);
	list_init(&g->devices);
	list_add_tail(&h->groups, &g->link);
	return g;
}

/* The device joins its group and the host; nobody can fail any more. */
static int publish(struct host *h, struct host_device *d, int group)
{
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	if (find_device(h, d->name)) {
		rc = -EEXIST;
		goto out_unlock;
	}
	d->group = add_group(h, group);
	if (!d->group) {
		rc = -ENOMEM;
		goto out_unlock;
	}
	d->cdev = lowest_free_cdev(h);
	pthread_mutex_lock(&d->group->lock);
	list_add_tail(&d->group->devices, &d->group_link);
	d->group->nr_devices++;
	pthread_mutex_unlock(&d->group->lock);
	list_add_tail(&h->devices, &d->link);
out_unlock:
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int host_add_device_with(struct host *h, const struct host_device_config *cfg, struct host_device **out)
{
	struct host_device *d = ioas_calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	snprintf(d->name, sizeof(d->name), "%s", cfg->name);
	rc = requester_create_with(h->iommu,
				   &(struct requester_config){
					   .rid = cfg->rid,
					   .caps = cfg->caps,
					   .pasid_bits = cfg->pasid_bits,
					   .make_data = cfg->make_data,
					   .owner = d,
				   },
				   &d->requester);
	if (rc)
		goto out_free;
	rc = publish(h, d, cfg->group);
	if (rc)
		goto out_requester;
	*out = d;
	return 0;

out_requester:
	requester_destroy(d->requester);
out_free:
	ioas_free(d);
	return rc;
}

int host_add_device(struct host *h, const char *name, uint32_t rid, int group, struct host_device **out)
{
	return host_add_device_with(
		h, &(struct host_device_config){.name = name, .rid = rid, .group = group}, out);
}

/* 7.4. A requester without PASIDs has none that could be misused. */
static bool has_pasids(const struct requester *r)
{
	return requester_caps(r)->max_pasid_log2;
}

static int attach_requester(struct requester *r, uint32_t pasid, struct domain *d)
{
	if (pasid == IOMMU_NO_PASID)
		return requester_attach(r, d);
	return has_pasids(r) ? requester_attach_pasid(r, pasid, d) : 0;
}

/* The rest of its group may be attached still. Group's lock held. */
static void block(struct host_group *g, struct requester *r)
{
	struct range at;

	requester_attach(r, NULL);
	for (bool more = range_first(&g->pasids, &at); more; more = range_next(&g->pasids, &at))
		attach_requester(r, (uint32_t)at.start, NULL);
}

void host_remove_device(struct host_device *d)
{
	struct host_group *g = d->group;
	struct host *h = g->host;
	bool empty;

	pthread_mutex_lock(&h->look_lock);
	pthread_mutex_lock(&h->lock);
	pthread_mutex_lock(&g->lock);
	list_del(&d->group_link);
	empty = --g->nr_devices == 0;
	block(g, d->requester);
	pthread_mutex_unlock(&g->lock);
	list_del(&d->link);
	if (empty)
		list_del(&g->link);
	pthread_mutex_unlock(&h->lock);
	pthread_mutex_unlock(&h->look_lock);
	if (empty)
		free_group(g);
	requester_destroy(d->requester);
	ioas_free(d);
}

void host_attach_init(struct host_attach *at, uint32_t pasid)
{
	*at = (struct host_attach){.pasid = pasid};
	list_init(&at->members);
}

/* PASIDs: refused for all before any is attached. */
static int check_pasid(struct host_group *g, uint32_t pasid)
{
	struct list *pos, *tmp;

	if (pasid == IOMMU_NO_PASID)
		return 0;
	list_for_each(pos, tmp, &g->devices) {
		const struct requester *r = list_entry(pos, struct host_device, group_link)->requester;

		if (!requester_iommu(r)->make->pasids)
			return -EOPNOTSUPP;
		if (has_pasids(r) && pasid >> requester_caps(r)->max_pasid_log2)
			return -EINVAL;
	}
	return 0;
}

int host_group_attach(struct host_group *g, uint32_t pasid, struct domain *d)
{
	struct list *pos, *tmp;
	struct domain *old = NULL;
	struct host_device *failed = NULL;
	int rc = check_pasid(g, pasid);

	if (rc)
		return rc;
	list_for_each(pos, tmp, &g->devices) {
		struct host_device *hdev = list_entry(pos, struct host_device, group_link);

		old = requester_pasid_domain(hdev->requester, pasid);
		rc = attach_requester(hdev->requester, pasid, d);
		if (rc) {
			failed = hdev;
			break;
		}
	}
	if (!rc)
		return 0;
	list_for_each(pos, tmp, &g->devices) {
		struct host_device *hdev = list_entry(pos, struct host_device, group_link);

		if (hdev == failed)
			break;
		attach_requester(hdev->requester, pasid, old);
	}
	return rc;
}

int host_group_claim(struct host_group *g, const struct host_owner *o)
{
	int rc = 0;

	pthread_mutex_lock(&g->host->lock);
	if (g->owner && g->owner != o->owner) {
		rc = -EPERM;
	} else {
		g->owner = o->owner;
		g->owner_what = o->what;
		g->owner_process = o->process;
		g->owner_count++;
	}
	pthread_mutex_unlock(&g->host->lock);
	return rc;
}

int host_group_claim_or_refuse(struct host_group *g, const struct host_owner *o, const char *rule,
			       const char *field)
{
	char buf[REFUSE_TEXT] = "";
	struct text t = TEXT_IN(buf);
	int rc = host_group_claim(g, o);

	if (!rc)
		return 0;
	pthread_mutex_lock(&g->host->lock);
	if (g->owner)
		text_add(&t, "; group %u is %s's", g->id, g->owner_what);
	if (g->owner && g->owner_process)
		text_add(&t, " of process %llu", (unsigned long long)g->owner_process);
	pthread_mutex_unlock(&g->host->lock);
	return refuse(&g->host->sink, -rc, rule, field, g->id,
		      "a group that no other context or container owns%s", buf);
}

void host_group_release(struct host_group *g, const void *owner)
{
	pthread_mutex_lock(&g->host->lock);
	if (g->owner == owner && --g->owner_count == 0)
		g->owner = NULL;
	pthread_mutex_unlock(&g->host->lock);
}
