/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/bars.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "devices/pci.h"
#include "doors/files.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/guard.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"
#include "doors/preload/trap.h"
#include "doors/shared/channel.h"
#include "doors/shared/client.h"

/* Memory that models keep their registers in, here or in the process that serves us. */
struct block {
	char *mem;
	uint64_t len;
	int fd; /* hidden; -1: the parent's, before a fork */
	uint64_t ino;
	struct block *next;
};

/* What the trap calls a BAR. They stay for as long as the process lives: a trap on its way may
 * still hold one. */
struct cookie {
	uint64_t server; /* 0: of this process's engine */
	uint64_t id;	 /* the server's name for it */
	struct pci_dev *dev;
	unsigned int bar;
	struct cookie *next;
	struct page_flags *flags;
};

/* Of remote BARs, as they were sent: they stay, too. */
struct page_flags {
	uint64_t offset;
	uint32_t nr;
	struct page_flags *next;
	uint8_t pages[];
};

/* A piece of a mapping; in order of addresses, without overlap. */
struct piece {
	uint64_t va, len;
	int wanted;
	bool enabled; /* as the pages stand now */
	struct cookie *cookie;
	struct abi_file *file; /* a reference; NULL: another process's */
	int hold;	       /* or a hidden fd of it; -1 */
	uint64_t offset;       /* in the BAR */
	char *mem;	       /* the engine's alias of va */
	const uint8_t *pages;  /* flags of va's page and on */
	struct piece *next;
};

static struct block *blocks;
static struct cookie *cookies;
static uint64_t last_cookie;
static struct piece *pieces;
static unsigned int nr_pieces; /* read without the lock */
static pthread_mutex_t bars_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the trap's side ---- */

static void trap_write(void *arg, uint64_t off, unsigned size, uint64_t val)
{
	const struct cookie *c = arg;

	if (c->server) {
		client_access(c->server, c->id, true, off, size, &val);
		return;
	}
	engine_enter();
	pci_bar_write(c->dev, c->bar, off, size, &val);
	engine_leave();
}

static uint64_t trap_read(void *arg, uint64_t off, unsigned size)
{
	const struct cookie *c = arg;
	uint64_t val = 0;

	if (c->server) {
		client_access(c->server, c->id, false, off, size, &val);
		return val;
	}
	engine_enter();
	pci_bar_read(c->dev, c->bar, off, size, &val);
	engine_leave();
	return val;
}

static bool is_enabled(const struct cookie *c)
{
	return c->server ? client_enabled(c->server, c->id) : pci_memory_enabled(c->dev);
}

static bool trap_enabled(void *arg)
{
	door_check_fork();
	return is_enabled(arg);
}

static bool trap_copy(void *dst, const void *src, size_t len)
{
	return !guard_copy(dst, src, len);
}

static const struct trap_ops ops = {
	.write = trap_write,
	.read = trap_read,
	.enabled = trap_enabled,
	.load = trap_copy,
	.store = trap_copy,
};

int bars_init(void)
{
	static bool done;
	int rc;

	if (__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&bars_lock);
	rc = done ? 0 : trap_init(&ops);
	if (!rc) {
		signals_install();
		__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&bars_lock);
	return rc;
}

void bars_fork_child(uint64_t server)
{
	pthread_mutex_init(&bars_lock, NULL);
	trap_fork_child();
	for (struct block *b = blocks; b; b = b->next) {
		b->fd = -1;
		b->ino = 0;
	}
	for (struct cookie *c = cookies; c; c = c->next)
		if (!c->server)
			c->server = server;
	for (struct piece *p = pieces; p; p = p->next) {
		p->file = NULL;
		p->hold = -1;
	}
}

/* ---- memory that can be mapped twice ---- */

void *bars_alloc(void *arg, uint64_t len)
{
	struct block *b = calloc(1, sizeof(*b));
	const int fd = (int)sys3(SYS_memfd_create, (long)"ioas-registers", MFD_CLOEXEC, 0);
	void *p = (void *)-ENOMEM;

	if (b && fd >= 0 && !sys3(SYS_ftruncate, fd, (long)len, 0))
		p = sys_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sys_failed((long)p)) {
		if (fd >= 0)
			sys_close(fd);
		free(b);
		return NULL;
	}
	*b = (struct block){.mem = p, .len = len, .fd = files_hide(fd)};
	pthread_mutex_lock(&bars_lock);
	b->next = blocks;
	blocks = b;
	pthread_mutex_unlock(&bars_lock);
	return p;
}

void bars_free(void *arg, void *p, uint64_t len)
{
	struct block **at = &blocks, *b;

	pthread_mutex_lock(&bars_lock);
	while (*at && (*at)->mem != p)
		at = &(*at)->next;
	b = *at;
	if (b)
		*at = b->next;
	pthread_mutex_unlock(&bars_lock);
	if (!b)
		return;
	sys_munmap(b->mem, b->len);
	files_close_hidden(b->fd);
	free(b);
}

/* Maps the memory behind the alias once more, for reading. The address or -errno. */
static long map_alias(const char *mem, uint64_t addr, uint64_t len, int flags)
{
	for (const struct block *b = blocks; b; b = b->next)
		if (mem >= b->mem && mem + len <= b->mem + b->len && b->fd >= 0)
			return (long)sys_mmap(
				(void *)addr, len, PROT_READ,
				MAP_SHARED |
					(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)),
				b->fd, (uint64_t)(mem - b->mem));
	return -ENODEV;
}

/* ---- pieces ---- */

/* A copy of @from holds the file as well. */
static void keep_open(struct piece *p, const struct piece *from)
{
	if (from->file)
		abi_file_get(from->file);
	if (from->hold >= 0)
		p->hold = files_hide(sys_fcntl(from->hold, F_DUPFD_CLOEXEC, 0));
}

static uint64_t piece_end(const struct piece *p)
{
	return p->va + p->len;
}

static void insert(struct piece *p)
{
	struct piece **at = &pieces;

	while (*at && (*at)->va < p->va)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	__atomic_store_n(&nr_pieces, nr_pieces + 1, __ATOMIC_RELEASE);
}

/* Cuts the piece that has @va in its inside. -ENOMEM. */
static int cut(uint64_t va)
{
	for (struct piece *p = pieces; p; p = p->next) {
		const uint64_t head = va - p->va;
		struct piece *tail;

		if (va <= p->va || va >= piece_end(p))
			continue;
		tail = malloc(sizeof(*tail));
		if (!tail)
			return -ENOMEM;
		*tail = *p;
		tail->va += head;
		tail->len -= head;
		tail->offset += head;
		tail->mem += head;
		if (tail->pages)
			tail->pages += head >> PAGE_SHIFT;
		keep_open(tail, p);
		p->len = head;
		insert(tail);
		break;
	}
	return 0;
}

/* What is no BAR is plain memory, and always there. */
static bool is_bar(const struct piece *p)
{
	return p->cookie;
}

static bool memory_enabled(const struct piece *p)
{
	return !is_bar(p) || is_enabled(p->cookie);
}

static uint8_t page_flags(const struct piece *p, uint64_t off)
{
	if (!is_bar(p))
		return PCI_PAGE_PLAIN;
	return p->pages ? p->pages[off >> PAGE_SHIFT] : 0;
}

static int run_protection(const struct piece *p, uint8_t flags)
{
	if (!p->enabled || p->wanted == PROT_NONE || (flags & PCI_PAGE_TRAP_READS))
		return PROT_NONE;
	if (flags & PCI_PAGE_PLAIN)
		return p->wanted & (PROT_READ | PROT_WRITE);
	return PROT_READ;
}

/* Pages [off, off + len) of a piece, all alike. A plain page that may be accessed needs no trap. */
static int apply_run(const struct piece *p, uint64_t off, uint64_t len, uint8_t flags)
{
	const struct trap_region r = {
		.va = p->va + off,
		.len = len,
		.cookie = p->cookie,
		.offset = p->offset + off,
		.alias = p->mem + off,
		.flags = (flags & PCI_PAGE_TRAP_READS ? TRAP_LOADS : 0) |
			 (p->wanted & PROT_WRITE ? 0 : TRAP_RDONLY),
	};
	int rc = 0;

	if (p->wanted != PROT_NONE && !((flags & PCI_PAGE_PLAIN) && p->enabled))
		rc = trap_region_add(&r);
	else
		rc = trap_region_remove(r.va, r.len);
	return rc ? rc : sys_mprotect((void *)r.va, r.len, run_protection(p, flags));
}

/* Makes protections and traps what the piece's fields say. */
static int apply(const struct piece *p)
{
	int rc = 0;

	for (uint64_t off = 0, next; off < p->len && !rc; off = next) {
		const uint8_t flags = page_flags(p, off);

		for (next = off + PAGE_SIZE; next < p->len && page_flags(p, next) == flags;)
			next += PAGE_SIZE;
		rc = apply_run(p, off, next - off, flags);
	}
	return rc;
}

static struct cookie *cookie_for(struct pci_dev *dev, unsigned int bar)
{
	struct cookie *c;

	for (c = cookies; c; c = c->next)
		if (!c->server && c->dev == dev && c->bar == bar)
			return c;
	c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct cookie){.id = ++last_cookie, .dev = dev, .bar = bar, .next = cookies};
	cookies = c;
	return c;
}

static struct cookie *find_cookie(uint64_t server, uint64_t id)
{
	struct cookie *c = cookies;

	while (c && (c->server != server || c->id != id))
		c = c->next;
	return c;
}

/* Takes the pieces of the range off the list, cutting those at its ends. */
static struct piece *take(uint64_t va, uint64_t len)
{
	struct piece *taken = NULL, **at = &pieces;

	if (cut(va) || cut(va + len))
		return NULL;
	while (*at) {
		struct piece *p = *at;

		if (p->va < va || p->va >= va + len) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		p->next = taken;
		taken = p;
		__atomic_store_n(&nr_pieces, nr_pieces - 1, __ATOMIC_RELEASE);
	}
	trap_region_remove(va, len);
	return taken;
}

/* Lets go of what take() took; without the lock, for it may close a device. */
static void drop(struct piece *p)
{
	while (p) {
		struct piece *next = p->next;

		if (p->file && !door_forked()) {
			engine_enter();
			abi_file_put(p->file);
			engine_leave();
		}
		if (p->hold >= 0)
			files_close_hidden(p->hold);
		free(p);
		p = next;
	}
}

bool bars_meet(uint64_t va, uint64_t len)
{
	bool met = false;

	if (!__atomic_load_n(&nr_pieces, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&bars_lock);
	for (const struct piece *p = pieces; p && !met; p = p->next)
		met = p->va < va + len && piece_end(p) > va;
	pthread_mutex_unlock(&bars_lock);
	return met;
}

bool bars_vma(uint64_t va, struct memory_vma *out)
{
	bool found = false;

	if (!__atomic_load_n(&nr_pieces, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&bars_lock);
	for (const struct piece *p = pieces; p && !found; p = p->next) {
		const struct cookie *c = p->cookie;
		const bool here = c && !c->server;

		if (va < p->va || va >= piece_end(p))
			continue;
		*out = (struct memory_vma){
			.start = p->va,
			.last = piece_end(p) - 1,
			.kind = here ? VMA_BAR : VMA_IO,
			.read = p->wanted & PROT_READ,
			.write = p->wanted & PROT_WRITE,
		};
		if (here)
			out->bar = (struct memory_bar){&c->dev->peer, c->bar, p->offset};
		else if (c)
			out->bar.offset = p->offset;
		found = true;
	}
	pthread_mutex_unlock(&bars_lock);
	return found;
}

static int add_piece(struct piece *p)
{
	p->enabled = memory_enabled(p);
	insert(p);
	return apply(p);
}

/* Lock held: maps @p, whose place is not known yet, and what the program asked for. */
static long place(struct piece *p, const struct bars_request *r, struct piece **old)
{
	long va;

	if (r->flags & MAP_FIXED)
		*old = take((uintptr_t)r->addr, r->len);
	va = map_alias(p->mem, (uintptr_t)r->addr, r->len, r->flags);
	if (sys_failed(va))
		return va;
	p->va = (uint64_t)va;
	if (!add_piece(p))
		return va;
	sys_munmap((void *)va, r->len);
	*old = take(p->va, p->len);
	return -ENOMEM;
}

long bars_map(struct abi_file *f, const struct bars_request *r, const struct abi_mapping *m)
{
	struct piece *p = malloc(sizeof(*p)), *old = NULL;
	long va = -ENOMEM;

	pthread_mutex_lock(&bars_lock);
	if (!p)
		goto out;
	*p = (struct piece){
		.len = r->len,
		.wanted = r->prot & (PROT_READ | PROT_WRITE),
		.cookie = m->dev ? cookie_for(m->dev, m->bar) : NULL,
		.file = f,
		.hold = -1,
		.offset = m->offset,
		.mem = m->mem,
		.pages = m->pages,
	};
	if (m->dev && !p->cookie)
		goto out;
	va = place(p, r, &old);
	if (p->va) {
		abi_file_get(f);
		p = NULL;
	}
out:
	pthread_mutex_unlock(&bars_lock);
	free(p);
	drop(old);
	return va;
}

void bars_forget(uint64_t va, uint64_t len)
{
	struct piece *gone;

	if (!bars_meet(va, len))
		return;
	pthread_mutex_lock(&bars_lock);
	gone = take(va, len);
	pthread_mutex_unlock(&bars_lock);
	drop(gone);
}

int bars_protect(uint64_t va, uint64_t len, int prot)
{
	const uint64_t end = va + len;
	int rc;

	pthread_mutex_lock(&bars_lock);
	rc = cut(va) ? -ENOMEM : cut(end);
	for (struct piece *p = pieces; p && !rc; p = p->next) {
		if (piece_end(p) <= va || p->va >= end)
			continue;
		if (p->va > va)
			rc = sys_mprotect((void *)va, p->va - va, prot);
		if (rc)
			break;
		p->wanted = prot & (PROT_READ | PROT_WRITE);
		rc = apply(p);
		va = piece_end(p);
	}
	if (!rc && va < end)
		rc = sys_mprotect((void *)va, end - va, prot);
	pthread_mutex_unlock(&bars_lock);
	return rc;
}

/* The piece that holds all of the range, cut to it; NULL. */
static struct piece *exact(uint64_t va, uint64_t len)
{
	struct piece *p = pieces;

	while (p && !(p->va <= va && piece_end(p) >= va + len))
		p = p->next;
	if (!p || cut(va) || cut(va + len))
		return NULL;
	for (p = pieces; p && p->va != va; p = p->next)
		;
	return p;
}

/* Lock held: the range becomes a mapping elsewhere. */
static long move(uint64_t old, uint64_t len, int flags, uint64_t to, struct piece **gone)
{
	struct piece *p = exact(old, len), *moved = malloc(sizeof(*moved));
	long va = p && moved ? 0 : -ENOMEM;

	if (!va && (flags & MREMAP_FIXED))
		*gone = take(to, len);
	if (!va)
		va = map_alias(p->mem, flags & MREMAP_FIXED ? to : 0, len,
			       flags & MREMAP_FIXED ? MAP_FIXED : 0);
	if (sys_failed(va) || !va) {
		free(moved);
		return va;
	}
	*moved = *p;
	moved->va = (uint64_t)va;
	keep_open(moved, p);
	if (add_piece(moved))
		return -ENOMEM;
	if (!(flags & MREMAP_DONTUNMAP)) {
		struct piece *last = take(old, len);

		sys_munmap((void *)old, len);
		last->next = *gone;
		*gone = last;
	}
	return va;
}

/* A device's mapping cannot grow (the kernel marks it VM_DONTEXPAND); it can shrink and move. */
long bars_remap(uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t new_va)
{
	struct piece *gone = NULL;
	long rc = (long)old;

	if (!is_aligned(old, PAGE_SIZE) || !new_len ||
	    (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE)))
		return -EINVAL;
	old_len = align_up(old_len, PAGE_SIZE);
	new_len = align_up(new_len, PAGE_SIZE);
	if (new_len > old_len)
		return -EFAULT;
	pthread_mutex_lock(&bars_lock);
	if (!exact(old, old_len)) {
		rc = -EFAULT;
	} else if (new_len < old_len) {
		gone = take(old + new_len, old_len - new_len);
		sys_munmap((void *)(old + new_len), old_len - new_len);
	}
	if (!sys_failed(rc) && (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		rc = move(old, new_len, flags, new_va, &gone);
	pthread_mutex_unlock(&bars_lock);
	drop(gone);
	return rc;
}

void bars_refresh(void)
{
	if (!__atomic_load_n(&nr_pieces, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&bars_lock);
	for (struct piece *p = pieces; p; p = p->next) {
		const bool enabled = memory_enabled(p);

		if (enabled != p->enabled) {
			p->enabled = enabled;
			apply(p);
		}
	}
	pthread_mutex_unlock(&bars_lock);
}

/* ---- across processes ---- */

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
	pthread_mutex_lock(&bars_lock);
	c = m->dev ? cookie_for(m->dev, m->bar) : NULL;
	for (const struct block *b = blocks; b && rc < 0 && !c == !m->dev; b = b->next) {
		if (mem < b->mem || mem + len > b->mem + b->len)
			continue;
		view->id = c ? c->id : 0;
		view->bar = c ? c->bar : 0;
		view->mem = (uint64_t)(mem - b->mem);
		view->mem_len = b->len;
		rc = *fd = sys_fcntl(b->fd, F_DUPFD_CLOEXEC, 0);
	}
	pthread_mutex_unlock(&bars_lock);
	return rc < 0 ? rc : 0;
}

static struct cookie *local_cookie(uint64_t id)
{
	struct cookie *c;

	pthread_mutex_lock(&bars_lock);
	c = find_cookie(0, id);
	pthread_mutex_unlock(&bars_lock);
	return c;
}

int bars_access(uint64_t id, bool write, uint64_t off, unsigned int size, uint64_t *val)
{
	const struct cookie *c = local_cookie(id);

	if (!c || size > sizeof(*val) || !pci_memory_enabled(c->dev))
		return -ENXIO;
	if (write) {
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
	pthread_mutex_lock(&bars_lock);
	for (const struct piece *p = pieces; p; p = p->next) {
		if (va < p->va || va >= piece_end(p) || !is_bar(p) || p->cookie->server != server)
			continue;
		out->kind = VMA_BAR;
		*id = p->cookie->id;
	}
	pthread_mutex_unlock(&bars_lock);
	return 0;
}

/* Lock held. */
static struct cookie *remote_cookie(uint64_t server, const struct bar_view *view)
{
	struct cookie *c = find_cookie(server, view->id);

	if (c)
		return c;
	c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct cookie){
		.server = server, .id = view->id, .bar = view->bar, .next = cookies};
	cookies = c;
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
	for (b = blocks; b && (!b->ino || b->ino != st.st_ino); b = b->next)
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
		.mem = p, .len = len, .fd = files_hide(fd), .ino = st.st_ino, .next = blocks};
	blocks = b;
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
	pthread_mutex_lock(&bars_lock);
	va = fill_remote(p, server, view, memory);
	if (!va)
		va = place(p, r, &old);
	pthread_mutex_unlock(&bars_lock);
	if (!p->va) {
		p->next = old;
		old = p;
	}
	drop(old);
	return va;
}
