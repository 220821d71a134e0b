/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attaching, replacing, detaching (semantics 7.2 to 7.5), of a device's RID and of each PASID.
 *
 * The hardware is switched for a whole group: the group keeps, for the RID and for each PASID that
 * is in use (struct host_attach), the HWPT and which of its devices asked for it. Each of those
 * holds a user of the HWPT and one of itself, and, for the RID, has its reserved regions in the
 * IOAS under its own name. Detaching while other devices of the group stay attached only counts.
 * All of this under the group's lock.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/private.h"

#define PAGE_TABLES (BIT(OBJECT_IOAS) | BIT(OBJECT_HWPT_PAGING) | BIT(OBJECT_HWPT_NESTED))

/* A device that asked for the attachment. */
struct member {
	struct list link; /* host_attach.members */
	struct idevice *idev;
};

/* One device's change of one attachment. */
struct change {
	struct idevice *idev;
	uint32_t pasid;
	struct hwpt *hwpt; /* what is attached */
	struct left *left;
};

static struct host_group *group_of(const struct idevice *idev)
{
	return idev->hdev->group;
}

static struct host_attach *find_attach(struct host_group *g, uint32_t pasid)
{
	struct range r;

	if (pasid == IOMMU_NO_PASID)
		return &g->rid;
	return range_find(&g->pasids, pasid, &r) ? r.value : NULL;
}

/* The attachment, made if it is not there; NULL: -ENOMEM. drop_unused() ends it. */
static struct host_attach *want_attach(struct host_group *g, uint32_t pasid)
{
	struct host_attach *at = find_attach(g, pasid);

	if (at)
		return at;
	at = ioas_malloc(sizeof(*at));
	if (!at)
		return NULL;
	host_attach_init(at, pasid);
	if (range_insert(&g->pasids, pasid, pasid, at)) {
		ioas_free(at);
		return NULL;
	}
	return at;
}

static void drop_unused(struct host_group *g, struct host_attach *at)
{
	if (at->nr_members || at == &g->rid)
		return;
	range_erase(&g->pasids, at->pasid, NULL);
	ioas_free(at);
}

static struct member *find_member(struct host_attach *at, const struct idevice *idev)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &at->members) {
		struct member *m = list_entry(pos, struct member, link);

		if (m->idev == idev)
			return m;
	}
	return NULL;
}

static int reserve_regions(struct idevice *idev, struct ioas *ioas)
{
	struct iommu *iommu = requester_iommu(idev->hdev->requester);
	struct iommu_region regions[IOMMU_MAX_REGIONS];
	struct space_range ranges[IOMMU_MAX_REGIONS];
	const char *what[IOMMU_MAX_REGIONS];
	size_t n = iommu_regions(iommu, regions, IOMMU_MAX_REGIONS);

	for (size_t i = 0; i < n; i++) {
		ranges[i] = (struct space_range){regions[i].start, regions[i].last};
		what[i] = iommu_region_words(&regions[i]);
	}
	return space_reserve_named(ioas->space, ranges, what, n, idev);
}

void hwpt_put(struct iommufd *ctx, struct hwpt *hwpt)
{
	struct ioas *ioas = hwpt->ioas;
	bool last = false;

	if (!hwpt->automatic) {
		object_release(ctx, &hwpt->obj);
		return;
	}
	/* The IOAS cannot go: the HWPT holds it until it is destroyed below. */
	pthread_mutex_lock(&ioas->lock);
	last = object_release_is_last(ctx, &hwpt->obj);
	if (last)
		list_del(&hwpt->link);
	pthread_mutex_unlock(&ioas->lock);
	if (!last)
		return;
	object_wait_idle(ctx, &hwpt->obj);
	hwpt_type_ops.destroy(ctx, &hwpt->obj);
}

/* ATT.7: the HWPTs of the RID and of every PASID of a group carry the flag, or there are no PASIDs.
 */
static int check_pasid_flag(struct host_group *g, const struct change *c)
{
	const struct sink *sink = &g->host->sink;
	const struct hwpt *rid = g->rid.hwpt;
	bool has = c->hwpt->flags & DOMAIN_PASID;

	if (c->pasid == IOMMU_NO_PASID && !has && range_count(&g->pasids))
		return refuse(sink, EINVAL, "ATT.7", "pt_id", c->hwpt->obj.id,
			      "an HWPT made with PASID, as long as PASIDs are attached");
	if (c->pasid != IOMMU_NO_PASID && !has)
		return refuse(sink, EINVAL, "ATT.7", "pt_id",
			      c->hwpt->automatic ? c->hwpt->ioas->obj.id : c->hwpt->obj.id,
			      "the id of an HWPT made with PASID%s",
			      c->hwpt->automatic ? "; what an IOAS makes by itself has it not" : "");
	if (c->pasid != IOMMU_NO_PASID && rid && !(rid->flags & DOMAIN_PASID))
		return refuse(sink, EINVAL, "ATT.7", "pasid", c->pasid,
			      "a device whose own HWPT, %u, was made with PASID", rid->obj.id);
	return 0;
}

/* ATT.7, ATT.8. */
static int switch_group(struct host_group *g, const struct change *c)
{
	int rc = check_pasid_flag(g, c);

	if (rc)
		return rc;
	rc = host_group_attach(g, c->pasid, c->hwpt->domain);
	if (!rc)
		return 0;
	return refuse(&g->host->sink, -rc, "ATT.8", "pt_id", c->hwpt->obj.id, "%s",
		      rc == -ENODEV ? "an HWPT without a fault queue: this device has no PRI"
				    : "a page table that this device's IOMMU can use");
}

void left_init(struct left *l)
{
	l->hwpt = NULL;
	l->users = 0;
	list_init(&l->faults);
}

void left_put(struct iommufd *ctx, struct left *l)
{
	fault_answer_all(&l->faults);
	while (l->users) {
		l->users--;
		hwpt_put(ctx, l->hwpt);
	}
}

static bool reserves(const struct change *c)
{
	return c->pasid == IOMMU_NO_PASID;
}

/* ATT.3, ATT.4. */
static int check_first(const struct host_attach *at, const struct change *c, bool is_member)
{
	const struct sink *sink = &c->idev->ctx->host->sink;

	if (is_member)
		return refuse(sink, EBUSY, "ATT.3", "pt_id", c->hwpt->obj.id,
			      "a device that is not attached yet");
	if (at->nr_members && at->hwpt != c->hwpt)
		return refuse(sink, EINVAL, "ATT.4", "pt_id", c->hwpt->obj.id,
			      "%u, to which the rest of the group is attached",
			      ((struct hwpt *)at->hwpt)->obj.id);
	return 0;
}

static void join(struct host_attach *at, struct member *m, const struct change *c)
{
	m->idev = c->idev;
	list_add_tail(&at->members, &m->link);
	at->nr_members++;
	at->hwpt = c->hwpt;
	object_hold(c->idev->ctx, &c->hwpt->obj);
	object_hold(c->idev->ctx, &c->idev->obj);
}

static int attach_locked(struct host_group *g, struct host_attach *at, const struct change *c)
{
	int rc = check_first(at, c, find_member(at, c->idev));
	struct member *m;

	if (rc)
		return rc;
	m = ioas_malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	rc = reserves(c) ? reserve_regions(c->idev, c->hwpt->ioas) : 0;
	if (rc)
		goto out_free;
	rc = at->nr_members ? 0 : switch_group(g, c);
	if (rc)
		goto out_release;
	join(at, m, c);
	return 0;

out_release:
	if (reserves(c))
		space_release(c->hwpt->ioas->space, c->idev);
out_free:
	ioas_free(m);
	return rc;
}

static int attach_first(const struct change *c)
{
	struct host_group *g = group_of(c->idev);
	struct host_attach *at;
	int rc = -ENOMEM;

	pthread_mutex_lock(&g->lock);
	at = want_attach(g, c->pasid);
	if (at) {
		rc = attach_locked(g, at, c);
		drop_unused(g, at);
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static int reserve_members(struct host_attach *at, struct ioas *ioas)
{
	struct list *pos, *tmp;
	int rc = 0;

	list_for_each (pos, tmp, &at->members) {
		rc = reserve_regions(list_entry(pos, struct member, link)->idev, ioas);
		if (rc)
			break;
	}
	return rc;
}

static void release_members(struct host_attach *at, struct ioas *ioas)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &at->members)
		space_release(ioas->space, list_entry(pos, struct member, link)->idev);
}

/* 7.3. The new ranges are reserved before the switch, the old released after it. */
static int replace_locked(struct host_group *g, struct host_attach *at, const struct change *c)
{
	struct hwpt *old = at->hwpt, *hwpt = c->hwpt;
	bool moved;
	int rc;

	if (old == hwpt)
		return 0;
	moved = reserves(c) && old->ioas != hwpt->ioas;
	rc = moved ? reserve_members(at, hwpt->ioas) : 0;
	if (!rc)
		rc = switch_group(g, c);
	if (rc) {
		if (moved)
			release_members(at, hwpt->ioas);
		return rc;
	}
	if (moved)
		release_members(at, old->ioas);
	if (old->fault)
		fault_queue_take(old->fault, at, NULL, &c->left->faults);
	c->left->hwpt = old;
	c->left->users = at->nr_members;
	at->hwpt = hwpt;
	for (unsigned int i = 0; i < at->nr_members; i++)
		object_hold(c->idev->ctx, &hwpt->obj);
	return 0;
}

static int attach_replace(const struct change *c)
{
	struct host_group *g = group_of(c->idev);
	struct host_attach *at;
	int rc;

	pthread_mutex_lock(&g->lock);
	at = find_attach(g, c->pasid);
	if (at && find_member(at, c->idev))
		rc = replace_locked(g, at, c);
	else
		rc = refuse(&g->host->sink, EINVAL, "ATT.3", "pt_id", c->hwpt->obj.id,
			    "a device that is attached");
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static void leave(struct host_group *g, struct host_attach *at, struct member *m, struct left *left)
{
	struct idevice *idev = m->idev;
	struct hwpt *hwpt = at->hwpt;

	list_del(&m->link);
	ioas_free(m);
	if (--at->nr_members == 0) {
		host_group_attach(g, at->pasid, NULL);
		at->hwpt = NULL;
	}
	if (hwpt->fault)
		fault_queue_take(hwpt->fault, at, idev, &left->faults);
	left->hwpt = hwpt;
	left->users = 1;
	if (at->pasid == IOMMU_NO_PASID)
		space_release(hwpt->ioas->space, idev);
	object_release(idev->ctx, &idev->obj);
	drop_unused(g, at);
}

static void take_off(struct idevice *idev, uint32_t pasid, struct left *left)
{
	struct host_group *g = group_of(idev);
	struct host_attach *at;
	struct member *m;

	pthread_mutex_lock(&g->lock);
	at = find_attach(g, pasid);
	m = at ? find_member(at, idev) : NULL;
	if (m)
		leave(g, at, m, left);
	pthread_mutex_unlock(&g->lock);
}

typedef int (*attach_fn)(const struct change *c);

/*
 * Attaching comes before filling, so that ATT.3 to ATT.8 win over ATT.9; replacing the other way
 * round, so that a failed fill leaves the old HWPT in force. The HWPT is new, and nobody else knows
 * it.
 */
static int attach_and_fill(const struct change *c, attach_fn attach)
{
	struct left undone;
	int rc;

	if (attach == attach_replace) {
		rc = hwpt_fill(c->hwpt);
		return rc ? rc : attach(c);
	}
	rc = attach(c);
	if (rc)
		return rc;
	rc = hwpt_fill(c->hwpt);
	if (rc) {
		left_init(&undone);
		take_off(c->idev, c->pasid, &undone);
		object_release(c->idev->ctx, &c->hwpt->obj);
	}
	return rc;
}

/* No automatic HWPT of the IOAS fits: make one; it joins the list when it is attached. ioas->lock
 * held. */
static int attach_new(struct change *c, struct ioas *ioas, attach_fn attach)
{
	struct iommufd *ctx = c->idev->ctx;
	int rc;

	rc = hwpt_create(ctx, ioas, c->idev, 0, NULL, &c->hwpt);
	if (rc)
		return rc;
	c->hwpt->automatic = true;
	rc = attach_and_fill(c, attach);
	if (rc) {
		object_abort_and_free(ctx, &c->hwpt->obj);
		return rc;
	}
	list_add_tail(&ioas->hwpts, &c->hwpt->link);
	object_publish(ctx, &c->hwpt->obj);
	return 0;
}

static int attach_ioas(struct change *c, struct ioas *ioas, attach_fn attach)
{
	struct list *pos, *tmp;
	int rc = -EINVAL;

	pthread_mutex_lock(&ioas->lock);
	list_for_each (pos, tmp, &ioas->hwpts) {
		c->hwpt = list_entry(pos, struct hwpt, link);
		rc = attach(c);
		if (rc != -EINVAL)
			break;
	}
	if (rc == -EINVAL)
		rc = attach_new(c, ioas, attach);
	pthread_mutex_unlock(&ioas->lock);
	return rc;
}

static int change_attachment(struct idevice *idev, uint32_t pasid, uint32_t *pt_id,
			     attach_fn attach)
{
	struct iommufd *ctx = idev->ctx;
	struct left left;
	struct change c = {.idev = idev, .pasid = pasid, .left = &left};
	struct object *obj;
	uint32_t used = *pt_id;
	int rc;

	left_init(&left);
	rc = object_get_page_table(ctx, *pt_id, &obj);
	if (rc)
		return object_refuse(ctx, -rc,
				     &(struct object_refusal){rc == -ENOENT ? "ATT.1" : "ATT.2",
							      "pt_id", *pt_id, PAGE_TABLES});
	if (obj->type == OBJECT_IOAS) {
		rc = attach_ioas(&c, container_of(obj, struct ioas, obj), attach);
		used = rc ? used : c.hwpt->obj.id;
		object_release(ctx, obj);
	} else {
		c.hwpt = container_of(obj, struct hwpt, obj);
		rc = attach(&c);
		hwpt_put(ctx, c.hwpt);
	}
	left_put(ctx, &left);
	*pt_id = used;
	return rc;
}

int idevice_attach_pasid(struct idevice *idev, uint32_t pasid, uint32_t *pt_id)
{
	return change_attachment(idev, pasid, pt_id, attach_first);
}

int idevice_replace_pasid(struct idevice *idev, uint32_t pasid, uint32_t *pt_id)
{
	return change_attachment(idev, pasid, pt_id, attach_replace);
}

void idevice_detach_pasid(struct idevice *idev, uint32_t pasid)
{
	struct left left;

	left_init(&left);
	take_off(idev, pasid, &left);
	left_put(idev->ctx, &left);
}

/* The lowest PASID of @idev above @pasid; 0: there is none. */
static uint32_t next_pasid(struct idevice *idev, uint32_t pasid)
{
	struct host_group *g = group_of(idev);
	struct range r;
	bool more;

	pthread_mutex_lock(&g->lock);
	more = range_first_overlap(&g->pasids, (uint64_t)pasid + 1, UINT64_MAX, &r);
	while (more && !find_member(r.value, idev))
		more = range_next(&g->pasids, &r);
	pthread_mutex_unlock(&g->lock);
	return more ? (uint32_t)r.start : 0;
}

void idevice_detach_all(struct idevice *idev)
{
	uint32_t pasid = 0;

	while ((pasid = next_pasid(idev, pasid)))
		idevice_detach_pasid(idev, pasid);
	idevice_detach_pasid(idev, IOMMU_NO_PASID);
}

bool idevice_is_attached_pasid(struct idevice *idev, uint32_t pasid)
{
	struct host_group *g = group_of(idev);
	struct host_attach *at;
	bool is;

	pthread_mutex_lock(&g->lock);
	at = find_attach(g, pasid);
	is = at && find_member(at, idev);
	pthread_mutex_unlock(&g->lock);
	return is;
}

int idevice_attach(struct idevice *idev, uint32_t *pt_id)
{
	return idevice_attach_pasid(idev, IOMMU_NO_PASID, pt_id);
}

int idevice_replace(struct idevice *idev, uint32_t *pt_id)
{
	return idevice_replace_pasid(idev, IOMMU_NO_PASID, pt_id);
}

void idevice_detach(struct idevice *idev)
{
	idevice_detach_pasid(idev, IOMMU_NO_PASID);
}

bool idevice_is_attached(struct idevice *idev)
{
	return idevice_is_attached_pasid(idev, IOMMU_NO_PASID);
}

struct host_attach *attach_of_fault(struct host_device *hdev, uint32_t pasid)
{
	struct host_attach *at = find_attach(hdev->group, pasid), *rid = &hdev->group->rid;

	if (at && at->hwpt)
		return at;
	if (pasid == IOMMU_NO_PASID || !requester_caps(hdev->requester)->user_pasid_table)
		return NULL;
	return rid->hwpt && ((struct hwpt *)rid->hwpt)->obj.type == OBJECT_HWPT_NESTED ? rid : NULL;
}

bool attach_has(struct host_attach *at, const struct idevice *idev)
{
	return find_member(at, idev);
}
