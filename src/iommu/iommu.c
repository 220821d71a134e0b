/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One IOMMU: made from its options, and what concerns all its requesters.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iommu/requester.h"

static int explain_make(const char *name, char *why, size_t why_len)
{
	size_t used = (size_t)snprintf(why, why_len, "there is no IOMMU '%s'; there are:", name);

	for (size_t n = 0; iommu_makes[n] && used < why_len; n++)
		used += (size_t)snprintf(why + used, why_len - used, " %s", iommu_makes[n]->name);
	return -EINVAL;
}

static int parse(const char *text, const struct iommu_make **make, struct options *o, char *why,
		 size_t why_len)
{
	char *name = options_name(text);
	int rc;

	if (!name) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	*make = iommu_make_find(name);
	rc = *make ? options_parse(text, (*make)->keys, o, why, why_len)
		   : explain_make(name, why, why_len);
	ioas_free(name);
	return rc;
}

const char *iommu_region_words(const struct iommu_region *r)
{
	if (r->what)
		return r->what;
	return r->msi ? "the window of interrupt messages (MSI)"
		      : "which this make of IOMMU reserves";
}

size_t iommu_regions(struct iommu *i, struct iommu_region *out, size_t max)
{
	size_t n = min_u64(i->make->regions(i, out, max), max);

	for (size_t k = 0; k < i->limits.nr_reserved && n < max; k++)
		out[n++] = i->limits.reserved[k];
	return n;
}

static int check_limits(const struct iommu *i, char *why, size_t why_len)
{
	const struct iommu_limits *l = &i->limits;

	if (l->aperture && l->aperture >= i->caps.ias) {
		snprintf(why, why_len,
			 "limit: aperture=%u: give less than %u, the width of this %s", l->aperture,
			 i->caps.ias, i->make->name);
		return -EINVAL;
	}
	if (l->page_sizes && !(l->page_sizes & i->caps.page_sizes & PAGE_SIZE)) {
		snprintf(why, why_len,
			 "limit: pgsizes: this %s has no page of 4K, so nothing can be taken away",
			 i->make->name);
		return -EINVAL;
	}
	return 0;
}

static void find_msi_window(struct iommu *i)
{
	struct iommu_region regions[IOMMU_MAX_REGIONS];
	size_t n = iommu_regions(i, regions, ARRAY_SIZE(regions));

	i->msi = (struct iommu_region){.start = 1, .last = 0};
	for (size_t k = 0; k < n; k++)
		if (regions[k].msi)
			i->msi = regions[k];
}

int iommu_create(const char *text, const struct iommu_config *cfg, struct iommu **out, char *why,
		 size_t why_len)
{
	const struct iommu_make *make;
	struct options options;
	struct iommu *i;
	int rc;

	rc = parse(text, &make, &options, why, why_len);
	if (rc)
		return rc;
	i = ioas_calloc(1, sizeof(*i));
	if (!i) {
		snprintf(why, why_len, "out of memory");
		rc = -ENOMEM;
		goto out_options;
	}
	i->make = make;
	i->index = cfg->index;
	i->memory = cfg->memory;
	i->tables = cfg->tables;
	i->epochs = cfg->epochs;
	i->sink = cfg->sink;
	lock_init(&i->lock, LOCK_IOMMU);
	lock_init(&i->fault_lock, LOCK_FAULT);
	list_init(&i->requesters);
	if (cfg->limits)
		i->limits = *cfg->limits;
	rc = make->init(i, &options, why, why_len);
	if (rc) {
		ioas_free(i);
		goto out_options;
	}
	rc = check_limits(i, why, why_len);
	if (rc) {
		iommu_destroy(i);
		goto out_options;
	}
	find_msi_window(i);
	*out = i;
out_options:
	options_free(&options);
	return rc;
}

void iommu_destroy(struct iommu *i)
{
	i->make->fini(i);
	ioas_free(i);
}

void iommu_invalidate_all(struct iommu *i)
{
	struct list *pos, *tmp;
	struct quiesce q;

	lock_acquire(&i->lock);
	list_for_each (pos, tmp, &i->requesters)
		requester_post_all(list_entry(pos, struct requester, link));
	quiesce_begin(&q, i->epochs, true);
	list_for_each (pos, tmp, &i->requesters)
		quiesce_wait(&q, list_entry(pos, struct requester, link));
	lock_release(&i->lock);
}

int iommu_no_hw_info(struct iommu *i, uint32_t in_type, uint32_t *type, void *buf, size_t *len)
{
	*type = 0;
	*len = 0;
	return 0;
}
