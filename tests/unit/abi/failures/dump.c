/* SPDX-License-Identifier: BSD-3-Clause */
#include "failures.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "abi/vfio_device.h"
#include "iommu/requester.h"
#include "object/viommu.h"
#include "space/private.h"

static void say(struct dump *d, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(d->text + d->len, sizeof(d->text) - d->len, format, ap);
	va_end(ap);
	assert_true(n >= 0 && d->len + (size_t)n < sizeof(d->text));
	d->len += (size_t)n;
}

#define ULL(x) ((unsigned long long)(x))

static void say_ranges(struct dump *d, const char *what, const struct range_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		say(d, "    %s %#llx-%#llx\n", what, ULL(l->r[i].start), ULL(l->r[i].last));
}

static void dump_space(struct dump *d, struct space *s)
{
	struct space_area a;
	struct range r;

	say(d, "    %llu bytes, alignment %llu, large pages %d, mirrors %d, accesses %d\n",
	    ULL(s->bytes), ULL(s->alignment), s->huge, has_mirror(s), !list_empty(&s->accesses));
	for (uint64_t at = 0; !space_next_area(s, at, &a); at = a.last + 1) {
		say(d, "    area %#llx-%#llx of %#llx + %#llx, prot %d, pinned %d\n", ULL(a.iova),
		    ULL(a.last), ULL(pages_start(a.pages)), ULL(a.offset), a.prot,
		    pages_is_pinned(a.pages));
		if (a.last == UINT64_MAX)
			break;
	}
	for (bool more = range_first(&s->pinned, &r); more; more = range_next(&s->pinned, &r))
		say(d, "    pins in %#llx-%#llx: %llu\n", ULL(r.start), ULL(r.last),
		    ULL(((struct pinned_area *)r.value)->pins));
	for (bool more = range_first(&s->pins, &r); more; more = range_next(&s->pins, &r))
		say(d, "    pin %#llx-%#llx\n", ULL(r.start), ULL(r.last));
	say(d, "    %zu reservations\n", s->nr_reserved);
	say_ranges(d, "reserved", &s->blocked);
	say_ranges(d, "allowed", &s->allowed);
}

static void dump_hwpt(struct dump *d, const struct hwpt *h)
{
	say(d, "    flags %u, automatic %d, filled %d, fault queue %u\n", h->flags, h->automatic,
	    h->filled, h->fault ? h->fault->obj.id : 0);
	if (h->mirror.pt)
		say(d, "    %llu bytes in the table, tracking %d\n",
		    ULL(pt_mapped_bytes(h->mirror.pt)), h->mirror.pt->dirty_tracking);
}

static size_t length(const struct list *l)
{
	size_t n = 0;

	for (const struct list *pos = l->next; pos != l; pos = pos->next)
		n++;
	return n;
}

static void dump_object(struct dump *d, struct object *obj)
{
	const struct idevice *idev;
	const struct fault_queue *q;
	const struct veventq *v;

	say(d, "  %u: type %d, users %u, busy %u\n", obj->id, (int)obj->type, obj->users,
	    object_in_flight(obj));
	switch (obj->type) {
	case OBJECT_IOAS:
		say(d, "    %zu automatic HWPTs\n",
		    length(&container_of(obj, struct ioas, obj)->hwpts));
		dump_space(d, container_of(obj, struct ioas, obj)->space);
		break;
	case OBJECT_HWPT_PAGING:
	case OBJECT_HWPT_NESTED:
		dump_hwpt(d, container_of(obj, struct hwpt, obj));
		break;
	case OBJECT_DEVICE:
		idev = container_of(obj, struct idevice, obj);
		say(d, "    of %s, vDEVICE %d\n", idev->hdev->name, !!idev->vdevice);
		break;
	case OBJECT_FAULT:
		q = container_of(obj, struct fault_queue, obj);
		say(d, "    %zu queued, %zu to be answered, next cookie %zu\n", length(&q->queued),
		    length(&q->outstanding), q->cookies.lowest);
		break;
	case OBJECT_VEVENTQ:
		v = container_of(obj, struct veventq, obj);
		say(d, "    events: %u, %zu in the list\n", v->nr_events, length(&v->queued));
		break;
	default:
		break;
	}
}

static void dump_context(struct dump *d, struct iommufd *ctx)
{
	bool free_seen = false;
	struct range r;

	say(d, " context: %u references, mode %d, compat IOAS %u\n", ctx->refs, ctx->process_mode,
	    ctx->vfio_ioas ? ctx->vfio_ioas->obj.id : 0);
	for (size_t i = 0; i < ctx->ids.size; i++) {
		struct object *obj = ids_find(&ctx->ids, (uint32_t)i + 1);

		if (obj)
			dump_object(d, obj);
		else if (ctx->ids.slots[i])
			say(d, "  %zu: taken\n", i + 1);
		else if (!free_seen)
			say(d, "  %zu is the first that is free\n", i + 1);
		free_seen |= !ctx->ids.slots[i];
	}
	for (bool more = range_first(&ctx->regions, &r); more; more = range_next(&ctx->regions, &r))
		say(d, "  region %#llx-%#llx\n", ULL(r.start), ULL(r.last));
}

static void dump_attach(struct dump *d, const struct host_attach *at)
{
	say(d, "  PASID %u: HWPT %p, %u members\n", at->pasid, at->hwpt, at->nr_members);
}

static void dump_group(struct dump *d, struct host_group *g)
{
	struct range r;

	say(d, " group %u: %u devices, owner %p x %u, file %p, %u cdevs\n", g->id, g->nr_devices,
	    g->owner, g->owner_count, g->file, g->cdev_opens);
	dump_attach(d, &g->rid);
	for (bool more = range_first(&g->pasids, &r); more; more = range_next(&g->pasids, &r))
		dump_attach(d, r.value);
}

static void dump_opened(struct dump *d, struct vfio_device *v)
{
	unsigned int vectors = 0;

	for (unsigned int i = 0; i < v->irqs.nr_vectors; i++)
		vectors += !!v->irqs.vectors[i];
	say(d, "  open x %u, attached %d, asleep %d, ioeventfds %u\n", v->opens, v->attached,
	    v->low_power, v->nr_ioeventfds);
	say(d, "  interrupts of kind %d: %u of %u, masked %d, unmask %d, err %d, req %d\n",
	    v->irqs.kind, vectors, v->irqs.nr_vectors, v->irqs.intx_masked, !!v->irqs.unmask,
	    !!v->irqs.err, !!v->irqs.req);
}

static void dump_device(struct dump *d, struct host_device *h)
{
	say(d, " device %s: files %u, absent %d, domain %p, DEVICE object %p\n", h->name, h->files,
	    h->absent, (void *)requester_domain(h->requester), h->idev);
	if (h->opened)
		dump_opened(d, h->opened);
}

/* The engine opens its process's maps when it first pins memory, and keeps them. */
static bool is_kept(const char *name)
{
	char path[300], target[300];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%s", name);
	n = readlink(path, target, sizeof(target));
	return n > 5 && !memcmp(target + n - 5, "/maps", 5);
}

static unsigned int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += !is_kept(entry->d_name);
	closedir(dir);
	return n;
}

/* Mappings that type1 still grants; 0 while it is not there. */
static unsigned int type1_avail(const struct scene *s)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[512];
	} buf = {.info.argsz = sizeof(buf)};
	const struct vfio_info_cap_header *h;

	if (bed_ioctl(s->b, s->container, VFIO_IOMMU_GET_INFO, &buf))
		return 0;
	for (uint32_t at = buf.info.cap_offset; at; at = h->next) {
		h = (const void *)((const char *)&buf + at);
		if (h->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
			return ((const struct vfio_iommu_type1_info_dma_avail *)h)->avail;
	}
	return 0;
}

static void dump_container(struct dump *d, const struct scene *s)
{
	say(d, " container: %u mappings to be had\n", type1_avail(s));
}

static void dump_host(struct dump *d, const struct scene *s)
{
	struct host *h = s->b->host;
	struct list *pos, *tmp;

	say(d, "host: %u references, %u slots, %llu pages pinned\n", h->refs,
	    memory_nr_slots(h->memory), ULL(memory_pinned(h->memory, NULL)));
	say(d, "tables: %zu\n", pt_mem_tables(h->tables));
	for (unsigned int i = 0; i < 2; i++)
		say(d, " account %u: %llu\n", i, ULL(memory_account_locked(s->b->accounts[i])));
	list_for_each (pos, tmp, &h->groups)
		dump_group(d, list_entry(pos, struct host_group, link));
	list_for_each (pos, tmp, &h->devices)
		dump_device(d, list_entry(pos, struct host_device, link));
}

void dump(const struct scene *s, struct dump *out)
{
	out->len = 0;
	say(out, "%u files, %u fds\n", bed_nr_files(s->b), nr_fds());
	say(out, "eventfds: %u\n", s->b->eventfds);
	dump_host(out, s);
	if (s->iommufd >= 0)
		dump_context(out, bed_ctx(s->b, s->iommufd));
	if (s->container >= 0)
		dump_container(out, s);
}

static int line_length(const char *line)
{
	return (int)strcspn(line, "\n");
}

/* The line at or behind @line that counts. */
static const char *next_line(const char *line, const struct failing *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(f->but); i++)
		if (f->but[i] && !strncmp(line, f->but[i], strlen(f->but[i])))
			return next_line(line + line_length(line) + 1, f);
	return line;
}

bool dump_differs(const struct failing *f, const struct dump *a, const struct dump *b, char *why,
		  size_t why_len)
{
	const char *x = next_line(a->text, f), *y = next_line(b->text, f);

	while (*x && line_length(x) == line_length(y) && !memcmp(x, y, (size_t)line_length(x))) {
		x = next_line(x + line_length(x) + 1, f);
		y = next_line(y + line_length(y) + 1, f);
	}
	snprintf(why, why_len, "before:%.*s\nafter: %.*s", line_length(x), x, line_length(y), y);
	return *x || *y;
}
