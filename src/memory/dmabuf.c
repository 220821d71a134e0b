/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that its exporter may take back (a dma-buf).
 *
 * The bytes lie in a memfd of ours. Taking them back ends every pages object made before: those
 * that are pinned keep their slots, whose kind becomes GONE, and those that are not get such slots
 * when they are pinned. What is made afterwards is of the next generation, and has slots of its
 * own.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "memory/private.h"

struct dmabuf {
	struct memory *memory;
	struct list link; /* memory->dmabufs */
	struct list users;
	uint64_t size, generation;
	uint64_t dev, ino;
	int fd;
	uint32_t refs; /* atomic */
	bool revoked;
};

/* One pages object of it. */
struct dmabuf_user {
	struct list link;
	struct dmabuf *dmabuf;
	const struct pages *pages;
	uint64_t generation;
};

static int make_file(uint64_t size, struct dmabuf *d)
{
	struct stat st;

	d->fd = memfd_create("dma-buf", MFD_CLOEXEC);
	if (d->fd < 0)
		return -ENOMEM;
	if (ftruncate(d->fd, (off_t)size) || fstat(d->fd, &st)) {
		close(d->fd);
		return -ENOMEM;
	}
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	d->size = size;
	return 0;
}

int dmabuf_create(struct memory *m, uint64_t size, struct dmabuf **out)
{
	struct dmabuf *d = ioas_calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	rc = make_file(size, d);
	if (rc) {
		ioas_free(d);
		return rc;
	}
	d->memory = m;
	d->refs = 1;
	list_init(&d->users);
	lock_acquire(&m->lock);
	list_add_tail(&m->dmabufs, &d->link);
	lock_release(&m->lock);
	*out = d;
	return 0;
}

static void dmabuf_get(struct dmabuf *d)
{
	__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);
}

void dmabuf_put(struct dmabuf *d)
{
	struct memory *m = d->memory;

	if (__atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	lock_acquire(&m->lock);
	list_del(&d->link);
	lock_release(&m->lock);
	close(d->fd);
	ioas_free(d);
}

void dmabuf_revoke(struct dmabuf *d, bool revoked)
{
	struct memory *m = d->memory;
	bool any;

	lock_acquire(&m->lock);
	d->revoked = revoked;
	d->generation++;
	any = slots_revoke(m, d->dev, d->ino);
	lock_release(&m->lock);
	if (any && m->ops.revoked)
		m->ops.revoked(m->revoked_arg);
}

/* What the memory room keeps of @p for as long as that lives; -ENODEV: it is taken back. */
static int add_user(struct dmabuf *d, struct pages *p, struct dmabuf_user *u)
{
	int rc = 0;

	*u = (struct dmabuf_user){.dmabuf = d, .pages = p};
	lock_acquire(&d->memory->lock);
	if (d->revoked) {
		rc = -ENODEV;
	} else {
		u->generation = d->generation;
		list_add_tail(&d->users, &u->link);
		p->dmabuf = true;
		dmabuf_get(d);
	}
	lock_release(&d->memory->lock);
	return rc;
}

int pages_from_dmabuf(struct dmabuf *d, uint64_t start, uint64_t len, bool writable,
		      struct pages **out)
{
	struct dmabuf_user *u;
	struct pages *p;
	int fd, rc;

	if (start + (len - 1) >= d->size)
		return refuse(d->memory->sink, EINVAL, "MPF.5", "start", start,
			      "a range within the dma-buf's %llu bytes",
			      (unsigned long long)d->size);
	u = ioas_malloc(sizeof(*u));
	fd = u ? dup(d->fd) : -1;
	rc = fd < 0 ? -ENOMEM : pages_from_file(d->memory, NULL, fd, start, len, writable, &p);
	if (rc) {
		ioas_free(u);
		return rc;
	}
	rc = add_user(d, p, u);
	if (rc) {
		pages_put(p);
		ioas_free(u);
		return refuse(d->memory->sink, ENODEV, "MPF.5", "fd", start,
			      "a dma-buf that its exporter has not taken back");
	}
	*out = p;
	return 0;
}

static struct dmabuf_user *find_user(const struct pages *p)
{
	struct list *d, *u, *tmp, *tmp2;

	list_for_each (d, tmp, &p->memory->dmabufs)
		list_for_each (u, tmp2, &list_entry(d, struct dmabuf, link)->users) {
			struct dmabuf_user *user = list_entry(u, struct dmabuf_user, link);

			if (user->pages == p)
				return user;
		}
	return NULL;
}

void dmabuf_key(const struct pages *p, struct slot_key *key)
{
	const struct dmabuf_user *u = find_user(p);

	if (u->generation == u->dmabuf->generation)
		key->delta = u->generation;
	else
		*key = (struct slot_key){.kind = MEMORY_GONE};
}

void dmabuf_forget(struct pages *p)
{
	struct dmabuf_user *u;

	lock_acquire(&p->memory->lock);
	u = find_user(p);
	list_del(&u->link);
	lock_release(&p->memory->lock);
	dmabuf_put(u->dmabuf);
	ioas_free(u);
}
