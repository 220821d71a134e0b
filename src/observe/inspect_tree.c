/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "tree": devices and groups, then every context with its objects.
 */
#include <errno.h>
#include <ioas/abi/iommufd.h>

#include "base/alloc.h"
#include "iommu/domain.h"
#include "object/access.h"
#include "object/viommu.h"
#include "observe/inspect_private.h"

/* ---- devices ---- */

static void write_attachment(struct json *j, uint32_t pasid, const struct hwpt *hwpt)
{
	json_object(j, NULL);
	json_number(j, "pasid", pasid);
	if (hwpt)
		json_number(j, "hwpt", hwpt->obj.id);
	else
		json_string(j, "hwpt", NULL);
	json_object_end(j);
}

/* What requests of the device go by: of a container no more is to be said than that. */
static void write_attachments(struct json *j, struct host_group *g, struct requester *r)
{
	struct range at;

	json_array(j, "attachments");
	pthread_mutex_lock(&g->lock);
	if (requester_domain(r))
		write_attachment(j, IOMMU_NO_PASID, g->rid.hwpt);
	for (bool more = range_first(&g->pasids, &at); more; more = range_next(&g->pasids, &at))
		write_attachment(j, (uint32_t)at.start,
				 ((const struct host_attach *)at.value)->hwpt);
	pthread_mutex_unlock(&g->lock);
	json_array_end(j);
}

static void write_device(struct inspect *i, struct json *j, struct host_device *d)
{
	struct pci_dev *pci = inspect_pci(d);
	const struct iommu_caps *caps = requester_caps(d->requester);

	json_object(j, NULL);
	json_string(j, "name", d->name);
	json_string(j, "model", pci && pci->model ? pci->model->name : NULL);
	json_hex(j, "rid", requester_rid(d->requester));
	json_number(j, "group", d->group->id);
	json_number(j, "cdev", d->cdev);
	json_number(j, "context", inspect_owner(i->cfg->host, d->group));
	json_bool(j, "bus_master", pci && __atomic_load_n(&pci->port.bus_master, __ATOMIC_RELAXED));
	json_number(j, "pasid_bits", caps->max_pasid_log2);
	json_bool(j, "ats", __atomic_load_n(requester_ats(d->requester), __ATOMIC_RELAXED));
	write_attachments(j, d->group, d->requester);
	json_object_end(j);
}

static int write_devices(struct inspect *i, struct json *j)
{
	struct host *h = i->cfg->host;
	struct host_device **all;
	size_t n;

	pthread_mutex_lock(&h->look_lock);
	all = inspect_devices(h, &n);
	json_array(j, "devices");
	for (size_t k = 0; all && k < n; k++)
		write_device(i, j, all[k]);
	json_array_end(j);
	pthread_mutex_unlock(&h->look_lock);
	ioas_free(all);
	return all ? 0 : -ENOMEM;
}

/* ---- objects ---- */

static void write_stats(struct json *j, struct space *s)
{
	struct space_stats stats;

	space_get_stats(s, &stats);
	json_number(j, "areas", stats.areas);
	json_number(j, "bytes", stats.bytes);
	json_number(j, "maps", stats.maps);
	json_number(j, "unmaps", stats.unmaps);
}

static void write_ioas(struct json *j, struct object *obj)
{
	struct ioas *ioas = container_of(obj, struct ioas, obj);
	uint64_t alignment;

	write_stats(j, ioas->space);
	space_iova_ranges(ioas->space, NULL, 0, &alignment);
	json_number(j, "iova_alignment", alignment);
	json_bool(j, "huge_pages", space_huge_pages(ioas->space));
}

static void write_flags(struct json *j, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{IOMMU_HWPT_ALLOC_NEST_PARENT, "nest-parent"},
		{IOMMU_HWPT_ALLOC_DIRTY_TRACKING, "dirty-tracking"},
		{IOMMU_HWPT_FAULT_ID_VALID, "fault-id-valid"},
		{IOMMU_HWPT_ALLOC_PASID, "pasid"},
	};

	json_array(j, "flags");
	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		if (flags & names[n].flag)
			json_string(j, NULL, names[n].name);
	json_array_end(j);
}

/* The table as it is just now. */
static void write_table(struct json *j, struct space *s, struct domain *d)
{
	const struct pt *pt = domain_pt(d);
	uint64_t start, last;

	space_look_begin(s);
	json_string(j, "format", pt->ops->name);
	json_number(j, "levels", pt_levels(pt));
	json_hex(j, "root", pt_root_pa(pt));
	json_number(j, "mapped_bytes", pt_mapped_bytes(pt));
	json_bool(j, "dirty_tracking", pt_dirty_tracking(pt));
	space_look_end(s);
	domain_aperture(d, &start, &last);
	json_hex(j, "aperture_start", start);
	json_hex(j, "aperture_last", last);
	json_hex(j, "page_sizes", domain_page_sizes(d));
	json_bool(j, "enforces_coherency", domain_enforces_coherency(d));
}

static void write_hwpt(struct json *j, struct object *obj)
{
	struct hwpt *hwpt = container_of(obj, struct hwpt, obj);

	json_number(j, "ioas", hwpt->ioas->obj.id);
	write_flags(j, hwpt->flags);
	json_bool(j, "automatic", hwpt->automatic);
	if (hwpt->fault)
		json_number(j, "fault_queue", hwpt->fault->obj.id);
	if (hwpt->viommu)
		json_number(j, "viommu", hwpt->viommu->obj.id);
	if (hwpt->parent)
		json_number(j, "parent", hwpt->parent->obj.id);
	else
		write_table(j, hwpt->ioas->space, hwpt->domain);
}

static void write_idevice(struct json *j, struct object *obj)
{
	struct idevice *idev = container_of(obj, struct idevice, obj);

	json_string(j, "device", idev->hdev->name);
}

static void write_viommu(struct json *j, struct object *obj)
{
	struct viommu_object *v = container_of(obj, struct viommu_object, obj);

	json_number(j, "kind", v->viommu->type);
	json_number(j, "parent", v->parent->obj.id);
}

static void write_vdevice(struct json *j, struct object *obj)
{
	struct vdevice_object *vd = container_of(obj, struct vdevice_object, obj);

	json_number(j, "viommu", vd->viommu->obj.id);
	json_string(j, "device", vd->idev->hdev->name);
	json_hex(j, "virt_id", vd->vdevice->virt_id);
}

static void write_veventq(struct json *j, struct object *obj)
{
	struct veventq *q = container_of(obj, struct veventq, obj);
	uint32_t queued;

	pthread_mutex_lock(&q->lock);
	queued = q->nr_events;
	pthread_mutex_unlock(&q->lock);
	json_number(j, "viommu", q->viommu->obj.id);
	json_number(j, "kind", q->type);
	json_number(j, "depth", q->depth);
	json_number(j, "queued", queued);
}

static void write_hw_queue(struct json *j, struct object *obj)
{
	struct hw_queue_object *q = container_of(obj, struct hw_queue_object, obj);

	json_number(j, "viommu", q->viommu->obj.id);
	json_number(j, "kind", q->queue->type);
	json_number(j, "index", q->queue->index);
	json_hex(j, "iova", q->queue->iova);
	json_number(j, "length", q->queue->len);
}

static uint64_t count(const struct list *l)
{
	uint64_t n = 0;

	for (const struct list *pos = l->next; pos != l; pos = pos->next)
		n++;
	return n;
}

static void write_fault(struct json *j, struct object *obj)
{
	struct fault_queue *q = container_of(obj, struct fault_queue, obj);
	uint64_t queued, outstanding;

	pthread_mutex_lock(&q->lock);
	queued = count(&q->queued);
	outstanding = count(&q->outstanding);
	pthread_mutex_unlock(&q->lock);
	json_number(j, "queued", queued);
	json_number(j, "outstanding", outstanding);
}

static void write_access(struct json *j, struct object *obj)
{
	json_number(j, "ioas", access_ioas_id(obj));
}

static const struct {
	const char *name;
	void (*write)(struct json *j, struct object *obj); /* NULL: there is no more to say */
} types[OBJECT_TYPES] = {
	[OBJECT_ACCESS] = {"access", write_access},
	[OBJECT_DEVICE] = {"device", write_idevice},
	[OBJECT_FAULT] = {"fault-queue", write_fault},
	[OBJECT_HW_QUEUE] = {"hw-queue", write_hw_queue},
	[OBJECT_HWPT_NESTED] = {"hwpt-nested", write_hwpt},
	[OBJECT_HWPT_PAGING] = {"hwpt-paging", write_hwpt},
	[OBJECT_IOAS] = {"ioas", write_ioas},
	[OBJECT_OTHER] = {"other", NULL},
	[OBJECT_VDEVICE] = {"vdevice", write_vdevice},
	[OBJECT_VEVENTQ] = {"veventq", write_veventq},
	[OBJECT_VIOMMU] = {"viommu", write_viommu},
};

static void write_object(struct json *j, struct object *obj, const struct object_brief *b)
{
	json_object(j, NULL);
	json_number(j, "id", b->id);
	json_string(j, "type", types[b->type].name);
	json_number(j, "users", b->users);
	if (types[b->type].write)
		types[b->type].write(j, obj);
	json_object_end(j);
}

/* ---- contexts ---- */

static void begin_context(struct inspect *i, struct json *j, const struct host_context *c)
{
	json_object(j, NULL);
	json_number(j, "context", c->number);
	json_string(j, "kind", c->container ? "container" : "iommufd");
	i->at = (struct inspect_cursor){.context = c->number, .in_context = true};
}

static void write_container(struct json *j, struct container *container)
{
	struct container_view view;

	container_look_begin(container, &view);
	json_number(j, "type1", view.space ? view.v2 ? 2 : 1 : 0);
	json_number(j, "groups", view.nr_groups);
	json_number(j, "entries_left", view.available);
	if (view.space)
		write_stats(j, view.space);
	container_look_end(container);
}

/* True: there are more. */
static bool write_objects(struct inspect *i, struct json *j, struct iommufd *ctx)
{
	struct object_brief all[INSPECT_CHUNK];
	size_t n = object_list(ctx, i->at.object, all, INSPECT_CHUNK);

	for (size_t k = 0; k < n; k++) {
		struct object *obj = object_get(ctx, all[k].id, all[k].type);

		if (obj) {
			write_object(j, obj, &all[k]);
			object_put(ctx, obj);
		}
		i->at.object = all[k].id;
	}
	return n == INSPECT_CHUNK;
}

static void end_context(struct inspect *i, struct json *j, bool container)
{
	if (!container)
		json_array_end(j);
	json_object_end(j);
	i->at = (struct inspect_cursor){.context = i->at.context + 1};
}

static void begin_iommufd(struct inspect *i, struct json *j, struct iommufd *ctx)
{
	begin_context(i, j, &ctx->context);
	json_string(j, "rlimit_mode", ctx->process_mode ? "process" : "user");
	json_array(j, "objects");
}

/* With look_lock. False: there is no further one. */
static bool write_some(struct inspect *i, struct json *j)
{
	struct host_context *c = inspect_context(i->cfg->host, i->at.context);

	/* The one in the middle of which we were has been closed. */
	if (i->at.in_context && (!c || c->number != i->at.context)) {
		end_context(i, j, false);
		return true;
	}
	if (!c)
		return false;
	if (c->container) {
		begin_context(i, j, c);
		write_container(j, container_of_context(c));
		end_context(i, j, true);
		return true;
	}
	if (!i->at.in_context)
		begin_iommufd(i, j, iommufd_of_context(c));
	if (!write_objects(i, j, iommufd_of_context(c)))
		end_context(i, j, false);
	return true;
}

int inspect_tree(struct inspect *i, struct json *j)
{
	struct host *h = i->cfg->host;
	bool more;
	int rc;

	if (!i->begun) {
		i->begun = true;
		json_object(j, NULL);
		inspect_head(i, j);
		rc = write_devices(i, j);
		json_array(j, "contexts");
		return rc ? rc : 1;
	}
	pthread_mutex_lock(&h->look_lock);
	more = write_some(i, j);
	pthread_mutex_unlock(&h->look_lock);
	if (more)
		return 1;
	json_array_end(j);
	json_object_end(j);
	return 0;
}
