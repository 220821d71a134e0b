/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests, and what several of them need.
 */
#include "observe/inspect.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "observe/inspect_private.h"

struct inspect_command {
	const char *name;
	int (*next)(struct inspect *i, struct json *j);
	bool (*parse)(struct inspect *i, const char *args); /* NULL: takes none */
};

static bool parse_address(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return !errno && *text && !*end && *text != '-';
}

static bool parse_maps(struct inspect *i, const char *args)
{
	char what[8], address[32];

	if (!*args)
		return true;
	if (sscanf(args, "%7s %31s", what, address) != 2)
		return false;
	i->only = !strcmp(what, "iova") ? ONLY_IOVA : !strcmp(what, "va") ? ONLY_VA : ONLY_ALL;
	return i->only != ONLY_ALL && parse_address(address, &i->address);
}

static bool parse_walk(struct inspect *i, const char *args)
{
	char iova[32];

	if (sscanf(args, "%15s %31s %u", i->device, iova, &i->pasid) != 3 || i->pasid >> PASID_BITS)
		return false;
	return parse_address(iova, &i->iova);
}

static const struct inspect_command commands[] = {
	{"tree", inspect_tree, NULL},
	{"maps", inspect_maps, parse_maps},
	{"rates", inspect_rates, NULL},
	{"walk", inspect_walk, parse_walk},
};

static bool parse(struct inspect *i, const char *request)
{
	const size_t len = strcspn(request, " ");
	const char *args = request + len + strspn(request + len, " ");

	for (size_t n = 0; n < ARRAY_SIZE(commands); n++) {
		const struct inspect_command *c = &commands[n];

		if (strlen(c->name) != len || strncmp(c->name, request, len))
			continue;
		i->command = c;
		return c->parse ? c->parse(i, args) : !*args;
	}
	return false;
}

int inspect_begin(const struct inspect_config *cfg, const char *request, struct inspect **out)
{
	struct inspect *i = ioas_calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	i->cfg = cfg;
	if (!parse(i, request))
		i->command = NULL;
	*out = i;
	return 0;
}

int inspect_next(struct inspect *i, struct json *j)
{
	int rc;

	if (i->command) {
		rc = i->command->next(i, j);
	} else {
		inspect_error(j, "no such request");
		rc = 0;
	}
	if (!rc)
		json_line(j);
	return rc;
}

void inspect_end(struct inspect *i)
{
	vmas_free(&i->vmas);
	ioas_free(i);
}

void inspect_error(struct json *j, const char *text)
{
	json_object(j, NULL);
	json_string(j, "error", text);
	json_object_end(j);
}

void inspect_head(const struct inspect *i, struct json *j)
{
	const struct inspect_config *c = i->cfg;

	json_number(j, "pid", (uint64_t)c->pid);
	json_string(j, "program", c->program);
	json_bool(j, "shared", c->shared);
	json_string(j, "iommu", c->host->iommu->make->name);
	json_number(j, "uptime_ns", host_now(c->host) - c->began_ns);
}

struct host_context *inspect_context(struct host *h, uint64_t number)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &h->contexts) {
		struct host_context *c = list_entry(pos, struct host_context, link);

		if (c->number >= number)
			return c;
	}
	return NULL;
}

uint64_t inspect_owner(struct host *h, const struct host_group *g)
{
	struct list *pos, *tmp;
	const void *owner;

	pthread_mutex_lock(&h->lock);
	owner = g->owner;
	pthread_mutex_unlock(&h->lock);
	list_for_each (pos, tmp, &h->contexts) {
		struct host_context *c = list_entry(pos, struct host_context, link);
		const void *whole = c->container ? (void *)container_of_context(c)
						 : (void *)iommufd_of_context(c);

		if (owner == whole)
			return c->number;
	}
	return 0;
}

struct host_device **inspect_devices(struct host *h, size_t *n)
{
	struct host_device **all;
	struct list *pos, *tmp;
	size_t room = 1;

	*n = 0;
	pthread_mutex_lock(&h->lock);
	list_for_each (pos, tmp, &h->devices)
		room++;
	all = ioas_calloc(room, sizeof(struct host_device *));
	if (all)
		list_for_each (pos, tmp, &h->devices) {
			struct host_device *d = list_entry(pos, struct host_device, link);

			if (!__atomic_load_n(&d->absent, __ATOMIC_RELAXED))
				all[(*n)++] = d;
		}
	pthread_mutex_unlock(&h->lock);
	return all;
}

struct pci_dev *inspect_pci(const struct host_device *d)
{
	return d->hw;
}

void inspect_permissions(struct json *j, const char *key, bool read, bool write)
{
	const char text[] = {read ? 'r' : '-', write ? 'w' : '-', '\0'};

	json_string(j, key, text);
}

/* ---- where the bytes of a mapping are ---- */

static char *path_of(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;
	char *copy;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n <= 0)
		return NULL;
	copy = ioas_calloc(1, (size_t)n + 1);
	if (copy)
		memcpy(copy, path, (size_t)n);
	return copy;
}

/* Of what is pinned. */
static void find_bar(struct host *h, const struct space_area *a, struct inspect_origin *out)
{
	struct memory_bar bar;
	uint64_t pa, run;

	pa = pages_pa(a->pages, a->offset, &run);
	if (memory_slot(h->memory, pa)->kind != MEMORY_BAR || memory_bar_at(h->memory, pa, &bar))
		return;
	out->bar_device = container_of((struct dma_peer *)bar.device, struct pci_dev, peer)->name;
	out->bar = bar.region;
	out->bar_offset = bar.offset;
}

void inspect_origin_of(struct host *h, const struct space *s, const struct space_area *a,
		       struct inspect_origin *out)
{
	*out = (struct inspect_origin){0};
	pages_describe(a->pages, &out->pages);
	out->at = out->pages.start + a->offset;
	if (out->pages.kind == PAGES_FILE)
		out->path = path_of(out->pages.fd);
	else if (out->pages.kind == PAGES_MEMORY && space_look_pinned(s))
		find_bar(h, a, out);
}

void inspect_origin_free(struct inspect_origin *o)
{
	ioas_free(o->path);
}

static void write_file(struct json *j, const char *source, const char *path, uint64_t offset)
{
	json_string(j, "source", source);
	json_string(j, "path", path);
	json_hex(j, "offset", offset);
}

/* Program memory: what the kernel says lies at that address now. */
static void write_memory(struct inspect *i, struct json *j, uint64_t va, int pid)
{
	const struct vma *v = NULL;

	if (pid && !vmas_read(&i->vmas, pid))
		v = vmas_find(&i->vmas, va);
	if (!pid || !i->vmas.pid)
		write_file(j, "unknown", NULL, 0);
	else if (!v)
		write_file(j, "gone", NULL, 0);
	else if (*v->name == '/' && strcmp(v->name, "/dev/zero (deleted)") != 0)
		write_file(j, v->shared ? "file" : "private file", v->name,
			   v->offset + (va - v->start));
	else
		write_file(j, v->shared ? "shared" : "anonymous", *v->name == '[' ? v->name : NULL,
			   0);
}

void inspect_origin_write(struct inspect *i, struct json *j, const struct inspect_origin *o)
{
	const bool memory = o->pages.kind == PAGES_MEMORY;
	int pid = i->cfg->pid;

	if (memory && o->pages.mm)
		pid = i->cfg->mm_pid ? i->cfg->mm_pid(i->cfg->arg, o->pages.mm) : 0;
	if (memory)
		json_hex(j, "va", o->at + o->in_area);
	else
		json_string(j, "va", NULL);
	json_number(j, "process", (uint64_t)pid);
	if (o->bar_device) {
		write_file(j, "bar", o->bar_device, o->bar_offset + o->in_area);
		json_number(j, "bar", o->bar);
	} else if (memory) {
		write_memory(i, j, o->at + o->in_area, pid);
	} else {
		write_file(j, o->pages.kind == PAGES_DMABUF ? "dma-buf" : "file", o->path,
			   o->at + o->in_area);
	}
}
