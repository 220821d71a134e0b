/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/bars_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/guard.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"
#include "doors/preload/trap.h"
#include "doors/shared/client.h"

struct bars bars = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the trap's side ---- */

static void trap_write(void *arg, uint64_t off, unsigned size, uint64_t val)
{
	const struct cookie *c = arg;

	if (c->server) {
		client_access(c->server, c->id, true, off, size, &val);
		return;
	}
	engine_enter();
	findings_note_store(c->dev->port.requester);
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
	pthread_mutex_lock(&bars.lock);
	rc = done ? 0 : trap_init(&ops);
	if (!rc) {
		signals_install();
		__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&bars.lock);
	return rc;
}

void bars_fork_child(uint64_t server)
{
	pthread_mutex_init(&bars.lock, NULL);
	trap_fork_child();
	for (struct block *b = bars.blocks; b; b = b->next) {
		b->fd = -1;
		b->ino = 0;
	}
	for (struct cookie *c = bars.cookies; c; c = c->next)
		if (!c->server)
			c->server = server;
	for (struct piece *p = bars.pieces; p; p = p->next) {
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
	pthread_mutex_lock(&bars.lock);
	b->next = bars.blocks;
	bars.blocks = b;
	pthread_mutex_unlock(&bars.lock);
	return p;
}

void bars_free(void *arg, void *p, uint64_t len)
{
	struct block **at = &bars.blocks, *b;

	pthread_mutex_lock(&bars.lock);
	while (*at && (*at)->mem != p)
		at = &(*at)->next;
	b = *at;
	if (b)
		*at = b->next;
	pthread_mutex_unlock(&bars.lock);
	if (!b)
		return;
	sys_munmap(b->mem, b->len);
	files_close_hidden(b->fd);
	free(b);
}

/* Maps the memory behind the alias once more, for reading. The address or -errno. */
static long map_alias(const char *mem, uint64_t addr, uint64_t len, int flags)
{
	for (const struct block *b = bars.blocks; b; b = b->next)
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

static void insert(struct piece *p)
{
	struct piece **at = &bars.pieces;

	while (*at && (*at)->va < p->va)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	__atomic_store_n(&bars.nr_pieces, bars.nr_pieces + 1, __ATOMIC_RELEASE);
}

/* Cuts the piece that has @va in its inside. -ENOMEM. */
static int cut(uint64_t va)
{
	for (struct piece *p = bars.pieces; p; p = p->next) {
		const uint64_t head = va - p->va;
		struct piece *tail;

		if (va <= p->va || va >= bars_piece_end(p))
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

static bool memory_enabled(const struct piece *p)
{
	return !bars_is_bar(p) || is_enabled(p->cookie);
}

static uint8_t page_flags(const struct piece *p, uint64_t off)
{
	if (!bars_is_bar(p))
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

struct cookie *bars_cookie_for(struct pci_dev *dev, unsigned int bar)
{
	struct cookie *c;

	for (c = bars.cookies; c; c = c->next)
		if (!c->server && c->dev == dev && c->bar == bar)
			return c;
	c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct cookie){
		.id = ++bars.last_cookie, .dev = dev, .bar = bar, .next = bars.cookies};
	bars.cookies = c;
	return c;
}

struct cookie *bars_find_cookie(uint64_t server, uint64_t id)
{
	struct cookie *c = bars.cookies;

	while (c && (c->server != server || c->id != id))
		c = c->next;
	return c;
}

/* Takes the pieces of the range off the list, cutting those at its ends. */
static struct piece *take(uint64_t va, uint64_t len)
{
	struct piece *taken = NULL, **at = &bars.pieces;

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
		__atomic_store_n(&bars.nr_pieces, bars.nr_pieces - 1, __ATOMIC_RELEASE);
	}
	trap_region_remove(va, len);
	return taken;
}

void bars_drop(struct piece *p)
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

	if (!__atomic_load_n(&bars.nr_pieces, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&bars.lock);
	for (const struct piece *p = bars.pieces; p && !met; p = p->next)
		met = p->va < va + len && bars_piece_end(p) > va;
	pthread_mutex_unlock(&bars.lock);
	return met;
}

bool bars_vma(uint64_t va, struct memory_vma *out)
{
	bool found = false;

	if (!__atomic_load_n(&bars.nr_pieces, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&bars.lock);
	for (const struct piece *p = bars.pieces; p && !found; p = p->next) {
		const struct cookie *c = p->cookie;
		const bool here = c && !c->server;

		if (va < p->va || va >= bars_piece_end(p))
			continue;
		*out = (struct memory_vma){
			.start = p->va,
			.last = bars_piece_end(p) - 1,
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
	pthread_mutex_unlock(&bars.lock);
	return found;
}

static int add_piece(struct piece *p)
{
	p->enabled = memory_enabled(p);
	insert(p);
	return apply(p);
}

long bars_place(struct piece *p, const struct bars_request *r, struct piece **old)
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

	pthread_mutex_lock(&bars.lock);
	if (!p)
		goto out;
	*p = (struct piece){
		.len = r->len,
		.wanted = r->prot & (PROT_READ | PROT_WRITE),
		.cookie = m->dev ? bars_cookie_for(m->dev, m->bar) : NULL,
		.file = f,
		.hold = -1,
		.offset = m->offset,
		.mem = m->mem,
		.pages = m->pages,
	};
	if (m->dev && !p->cookie)
		goto out;
	va = bars_place(p, r, &old);
	if (p->va) {
		abi_file_get(f);
		p = NULL;
	}
out:
	pthread_mutex_unlock(&bars.lock);
	free(p);
	bars_drop(old);
	return va;
}

void bars_forget(uint64_t va, uint64_t len)
{
	struct piece *gone;

	if (!bars_meet(va, len))
		return;
	pthread_mutex_lock(&bars.lock);
	gone = take(va, len);
	pthread_mutex_unlock(&bars.lock);
	bars_drop(gone);
}

int bars_protect(uint64_t va, uint64_t len, int prot)
{
	const uint64_t end = va + len;
	int rc;

	pthread_mutex_lock(&bars.lock);
	rc = cut(va) ? -ENOMEM : cut(end);
	for (struct piece *p = bars.pieces; p && !rc; p = p->next) {
		if (bars_piece_end(p) <= va || p->va >= end)
			continue;
		if (p->va > va)
			rc = sys_mprotect((void *)va, p->va - va, prot);
		if (rc)
			break;
		p->wanted = prot & (PROT_READ | PROT_WRITE);
		rc = apply(p);
		va = bars_piece_end(p);
	}
	if (!rc && va < end)
		rc = sys_mprotect((void *)va, end - va, prot);
	pthread_mutex_unlock(&bars.lock);
	return rc;
}

/* The piece that holds all of the range, cut to it; NULL. */
static struct piece *exact(uint64_t va, uint64_t len)
{
	struct piece *p = bars.pieces;

	while (p && !(p->va <= va && bars_piece_end(p) >= va + len))
		p = p->next;
	if (!p || cut(va) || cut(va + len))
		return NULL;
	for (p = bars.pieces; p && p->va != va; p = p->next)
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
	pthread_mutex_lock(&bars.lock);
	if (!exact(old, old_len)) {
		rc = -EFAULT;
	} else if (new_len < old_len) {
		gone = take(old + new_len, old_len - new_len);
		sys_munmap((void *)(old + new_len), old_len - new_len);
	}
	if (!sys_failed(rc) && (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		rc = move(old, new_len, flags, new_va, &gone);
	pthread_mutex_unlock(&bars.lock);
	bars_drop(gone);
	return rc;
}

void bars_refresh(void)
{
	if (!__atomic_load_n(&bars.nr_pieces, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&bars.lock);
	for (struct piece *p = bars.pieces; p; p = p->next) {
		const bool enabled = memory_enabled(p);

		if (enabled != p->enabled) {
			p->enabled = enabled;
			apply(p);
		}
	}
	pthread_mutex_unlock(&bars.lock);
}
