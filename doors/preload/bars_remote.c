/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BARs across processes: the server's side, which describes and answers, and the client's, which
 * maps what it was sent.
 */
#include "doors/preload/real.h"

#include "doors/preload/bars_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/preload/findings.h"
#include "doors/preload/sys.h"
#include "doors/shared/channel.h"

int bars_describe(const struct abi_mapping *m, uint64_t len, struct bar_view *view, size_t room,
		  int *fd)
{
	const char *mem = m->mem;
	struct cookie *c;
	int rc = -ENODEV;

	*view = (struct bar_view){.offset = m->offset};
	if (m->pages)
		view->nr_pages = (uint32_t)(len >> PAGE_SHIFT);
	if (view->nr_pages > room)
		return -ENOMEM;
	if (m->pages)
		memcpy(view->pages, m->pages, view->nr_pages);
	pthread_mutex_lock(&bars.lock);
	c = m->dev ? bars_cookie_for(m->dev, m->bar) : NULL;
	for (const struct block *b = bars.blocks; b && rc < 0 && !c == !m->dev; b = b->next) {
		if (mem < b->mem || mem + len > b->mem + b->len)
			continue;
		view->id = c ? c->id : 0;
		view->bar = c ? c->bar : 0;
		view->mem = (uint64_t)(mem - b->mem);
		view->mem_len = b->len;
		rc = *fd = sys_fcntl(b->fd, F_DUPFD_CLOEXEC, 0);
	}
	pthread_mutex_unlock(&bars.lock);
	return rc < 0 ? rc : 0;
}

static struct cookie *local_cookie(uint64_t id)
{
	struct cookie *c;

	pthread_mutex_lock(&bars.lock);
	c = bars_find_cookie(0, id);
	pthread_mutex_unlock(&bars.lock);
	return c;
}

int bars_access(uint64_t id, bool write, uint64_t off, unsigned int size, uint64_t *val)
{
	const struct cookie *c = local_cookie(id);

	if (!c || size > sizeof(*val) || !pci_memory_enabled(c->dev))
		return -ENXIO;
	if (write) {
		findings_note_store(c->dev->port.requester);
		pci_bar_write(c->dev, c->bar, off, size, val);
	} else {
		*val = 0;
		pci_bar_read(c->dev, c->bar, off, size, val);
	}
	return 0;
}

int bars_answers(uint64_t id)
{
	const struct cookie *c = local_cookie(id);

	return c && pci_memory_enabled(c->dev);
}

int bars_peer(uint64_t id, struct memory_bar *bar)
{
	const struct cookie *c = local_cookie(id);

	if (!c)
		return -EFAULT;
	bar->device = &c->dev->peer;
	bar->region = c->bar;
	return 0;
}

int bars_remote_vma(uint64_t va, uint64_t server, struct memory_vma *out, uint64_t *id)
{
	int rc = bars_vma(va, out) ? 0 : memory_default_ops.vma(NULL, va, out);

	if (rc || out->kind < VMA_BAR)
		return rc;
	/* One of its own, or else a device's memory that it knows nothing of. */
	out->kind = VMA_IO;
	pthread_mutex_lock(&bars.lock);
	for (const struct piece *p = bars.pieces; p; p = p->next) {
		if (va < p->va || va >= bars_piece_end(p) || !bars_is_bar(p) ||
		    p->cookie->server != server)
			continue;
		out->kind = VMA_BAR;
		*id = p->cookie->id;
	}
	pthread_mutex_unlock(&bars.lock);
	return 0;
}

/* Lock held. */
static struct cookie *remote_cookie(uint64_t server, const struct bar_view *view)
{
	struct cookie *c = bars_find_cookie(server, view->id);

	if (c)
		return c;
	c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct cookie){
		.server = server, .id = view->id, .bar = view->bar, .next = bars.cookies};
	bars.cookies = c;
	return c;
}

static const uint8_t *remote_flags(struct cookie *c, const struct bar_view *view)
{
	struct page_flags *f = c->flags;

	while (f && (f->offset != view->offset || f->nr != view->nr_pages))
		f = f->next;
	if (f)
		return f->pages;
	f = malloc(sizeof(*f) + view->nr_pages);
	if (!f)
		return NULL;
	*f = (struct page_flags){.offset = view->offset, .nr = view->nr_pages, .next = c->flags};
	memcpy(f->pages, view->pages, view->nr_pages);
	c->flags = f;
	return f->pages;
}

/* Lock held: the registers' memory, mapped once; takes over @fd. */
static char *remote_memory(int fd, uint64_t len)
{
	struct block *b;
	struct stat st;
	void *p;

	if (sys3(SYS_fstat, fd, (long)&st, 0))
		st.st_ino = 0;
	for (b = bars.blocks; b && (!b->ino || b->ino != st.st_ino); b = b->next)
		;
	if (b) {
		sys_close(fd);
		return b->mem;
	}
	b = malloc(sizeof(*b));
	p = b ? sys_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : (void *)-ENOMEM;
	if (sys_failed((long)p)) {
		sys_close(fd);
		free(b);
		return NULL;
	}
	*b = (struct block){
		.mem = p, .len = len, .fd = files_hide(fd), .ino = st.st_ino, .next = bars.blocks};
	bars.blocks = b;
	return p;
}

/* Lock held. */
static int fill_remote(struct piece *p, uint64_t server, const struct bar_view *view, int memory)
{
	char *mem = remote_memory(memory, view->mem_len);

	p->cookie = mem && view->id ? remote_cookie(server, view) : NULL;
	if (!mem || !p->cookie != !view->id)
		return -ENOMEM;
	p->mem = mem + view->mem;
	p->offset = view->offset;
	if (view->nr_pages && p->cookie)
		p->pages = remote_flags(p->cookie, view);
	return view->nr_pages && !p->pages ? -ENOMEM : 0;
}

long bars_map_remote(int held, uint64_t server, const struct bars_request *r,
		     const struct bar_view *view, int memory)
{
	struct piece *p = malloc(sizeof(*p)), *old = NULL;
	long va = p ? bars_init() : -ENOMEM;

	if (va) {
		sys_close(memory);
		files_close_hidden(held);
		free(p);
		return va;
	}
	*p = (struct piece){
		.len = r->len, .wanted = r->prot & (PROT_READ | PROT_WRITE), .hold = held};
	pthread_mutex_lock(&bars.lock);
	va = fill_remote(p, server, view, memory);
	if (!va)
		va = bars_place(p, r, &old);
	pthread_mutex_unlock(&bars.lock);
	if (!p->va) {
		p->next = old;
		old = p;
	}
	bars_drop(old);
	return va;
}
