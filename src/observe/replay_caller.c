/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The caller of replayed calls, and its memory: both answer from the recording.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "devices/pci.h"
#include "object/host.h"
#include "observe/replay_private.h"

static struct replay *replay_of(struct caller *c)
{
	return c->arg;
}

/* The next record of that type that has not answered yet and that @fits; NULL: it was not asked. */
static struct part *answer_of(struct replay *r, enum log_type type,
			      bool (*fits)(const struct log_event *e, uint64_t key), uint64_t key)
{
	for (struct part *p = r->item->parts.first; p; p = p->next)
		if (p->e.type == type && !p->used && fits(&p->e, key)) {
			p->used = true;
			return p;
		}
	return NULL;
}

/* An error as it was recorded, if it is one that there can be. */
static int error_of(int64_t rc)
{
	return rc < 0 && rc >= -4095 ? (int)rc : -EINVAL;
}

/* ---- its bytes ---- */

static bool fits_copy_in(const struct log_event *e, uint64_t va)
{
	return e->copy_in.va == va;
}

static bool fits_copy_out(const struct log_event *e, uint64_t va)
{
	return e->copy_out.va == va;
}

static int replay_copy_in(struct caller *c, void *dst, uint64_t src, size_t len)
{
	struct replay *r = replay_of(c);

	for (size_t n = 0, part = 0; n < len || !part; n += part) {
		const struct part *p = answer_of(r, LOG_copy_in, fits_copy_in, src + n);

		if (!p || p->e.copy_in.len > len - n) {
			r->strange = "reads memory of the program that it did not read";
			return -EFAULT;
		}
		part = p->e.copy_in.len;
		if (p->e.copy_in.rc)
			return -EFAULT;
		if (p->e.copy_in.data.len != part || !part)
			return part ? -EFAULT : 0;
		memcpy((uint8_t *)dst + n, p->e.copy_in.data.at, part);
	}
	return 0;
}

/* Registers of a device are what its model, which does not run, has made of them. */
static bool is_register_read(const struct item *it)
{
	return it->e.call.op == OP_READ && it->e.call.pos >> 40 < PCI_NUM_BARS;
}

static void compare_bytes(struct replay *r, uint64_t va, const uint8_t *now,
			  const struct log_bytes *then)
{
	size_t i = 0;

	if (is_register_read(r->item))
		return;
	r->result->answers++;
	while (i < then->len && now[i] == then->at[i])
		i++;
	if (i < then->len)
		replay_differs(r, "byte %zu of %zu written at 0x%llx is 0x%02x and was 0x%02x", i,
			       then->len, (unsigned long long)va, now[i], then->at[i]);
}

static int replay_copy_out(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	struct replay *r = replay_of(c);

	for (size_t n = 0, part = 0; n < len || !part; n += part) {
		const struct part *p = answer_of(r, LOG_copy_out, fits_copy_out, dst + n);

		if (!p || p->e.copy_out.len > len - n) {
			r->strange = "writes memory of the program that it did not write";
			return 0;
		}
		part = p->e.copy_out.len;
		if (p->e.copy_out.data.len == part)
			compare_bytes(r, dst + n, (const uint8_t *)src + n, &p->e.copy_out.data);
		if (p->e.copy_out.rc || !part)
			return p->e.copy_out.rc ? -EFAULT : 0;
	}
	return 0;
}

/* ---- its rights and files ---- */

static bool fits_capable(const struct log_event *e, uint64_t cap)
{
	return e->capable.cap == cap;
}

static bool replay_capable(struct caller *c, int cap)
{
	struct replay *r = replay_of(c);
	const struct part *p = answer_of(r, LOG_capable, fits_capable, (uint64_t)cap);

	if (!p)
		r->strange = "asks for a capability that it did not ask for";
	return p && p->e.capable.yes;
}

static bool fits_file_get(const struct log_event *e, uint64_t fd)
{
	return (uint64_t)e->file_get.fd == fd;
}

static int replay_file_get(struct caller *c, int fd, struct abi_file **out)
{
	struct replay *r = replay_of(c);
	const struct part *p = answer_of(r, LOG_file_get, fits_file_get, (uint64_t)(int64_t)fd);

	if (!p)
		r->strange = "looks at a file descriptor that it did not look at";
	if (!p || p->e.file_get.rc)
		return p ? error_of(p->e.file_get.rc) : -EBADF;
	*out = replay_file(r, p->e.file_get.file);
	if (!*out) {
		r->strange = "uses a file that is not there";
		return -EBADF;
	}
	abi_file_get(*out);
	return 0;
}

static bool fits_any(const struct log_event *e, uint64_t key)
{
	return true;
}

static int replay_fd_install(struct caller *c, struct abi_file *f)
{
	struct replay *r = replay_of(c);
	const struct part *p = answer_of(r, LOG_fd_install, fits_any, 0);

	if (!p) {
		r->strange = "gives out a file that it did not give";
		return -EMFILE;
	}
	if (p->e.fd_install.fd < 0)
		return error_of(p->e.fd_install.fd);
	if (p->e.fd_install.kind != f->ops->kind)
		r->strange = "gives out a file of another kind";
	return replay_file_set(r, p->e.fd_install.file, f) ? -ENOMEM : (int)p->e.fd_install.fd;
}

static void replay_fd_uninstall(struct caller *c, int fd)
{
	struct replay *r = replay_of(c);
	const struct part *p = NULL;

	for (const struct part *at = r->item->parts.first; at; at = at->next)
		if (at->e.type == LOG_fd_install && at->e.fd_install.fd == fd)
			p = at;
	if (p && replay_file(r, p->e.fd_install.file)) {
		struct abi_file *f = replay_file(r, p->e.fd_install.file);

		replay_file_set(r, p->e.fd_install.file, NULL);
		abi_file_put(f);
	}
}

static void eventfd_signal(struct abi_eventfd *e)
{
}

static void eventfd_put(struct abi_eventfd *e)
{
	ioas_free(e);
}

static int eventfd_watch(struct abi_eventfd *e, void (*fn)(void *arg), void *arg)
{
	return 0;
}

/* Signals reach nobody, and come from nobody. */
static const struct abi_eventfd_ops deaf_eventfd = {eventfd_signal, eventfd_put, eventfd_watch};

static bool fits_eventfd(const struct log_event *e, uint64_t fd)
{
	return (uint64_t)e->eventfd_get.fd == fd;
}

static int replay_eventfd_get(struct caller *c, int fd, struct abi_eventfd **out)
{
	struct replay *r = replay_of(c);
	const struct part *p = answer_of(r, LOG_eventfd_get, fits_eventfd, (uint64_t)(int64_t)fd);

	if (!p)
		r->strange = "looks at an eventfd that it did not look at";
	if (!p || p->e.eventfd_get.rc)
		return p ? error_of(p->e.eventfd_get.rc) : -EBADF;
	*out = ioas_malloc(sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->ops = &deaf_eventfd;
	return 0;
}

static bool fits_fd_dup(const struct log_event *e, uint64_t fd)
{
	return (uint64_t)e->fd_dup.fd == fd;
}

static int replay_fd_dup(struct caller *c, int fd)
{
	struct replay *r = replay_of(c);
	const struct part *p = answer_of(r, LOG_fd_dup, fits_fd_dup, (uint64_t)(int64_t)fd);

	if (!p)
		r->strange = "looks at a file that it did not look at";
	if (!p || p->e.fd_dup.rc)
		return p ? error_of(p->e.fd_dup.rc) : -EBADF;
	return replay_duplicate(r, &p->e.fd_dup);
}

static bool fits_account(const struct log_event *e, uint64_t process_mode)
{
	return e->account.process_mode == process_mode;
}

static struct memory_account *replay_account(struct caller *c, bool process_mode)
{
	struct replay *r = replay_of(c);
	const struct part *p = answer_of(r, LOG_account, fits_account, process_mode);

	if (p)
		r->limit = p->e.account.limit;
	return r->accounts[process_mode];
}

static struct memory_mm *replay_memory(struct caller *c)
{
	struct replay *r = replay_of(c);

	return replay_mm(r, r->item->e.call.process);
}

static uint64_t replay_process(struct caller *c)
{
	return replay_of(c)->item->e.call.process;
}

const struct caller_ops replay_caller_ops = {
	.copy_in = replay_copy_in,
	.copy_out = replay_copy_out,
	.capable = replay_capable,
	.file_get = replay_file_get,
	.fd_install = replay_fd_install,
	.fd_uninstall = replay_fd_uninstall,
	.eventfd_get = replay_eventfd_get,
	.fd_dup = replay_fd_dup,
	.account = replay_account,
	.memory = replay_memory,
	.process = replay_process,
};

/* ---- its memory ---- */

static int probe_in(const struct replay *r, bool all, uint64_t va, uint64_t len)
{
	if (!r->item || r->item->kind != ITEM_CALL)
		return 0;
	for (const struct part *p = r->item->parts.first; p; p = p->next)
		if (p->e.type == LOG_probe && p->e.probe.rc &&
		    (all || (p->e.probe.va < va + len && va < p->e.probe.va + p->e.probe.len)))
			return -EFAULT;
	return 0;
}

static int place_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	const struct place *at = arg;

	return probe_in(at->replay, false, va, len);
}

static void describe(const struct replay *r, const struct log_vma *v, struct memory_vma *out)
{
	const struct host_device *d = replay_device(r, v->device);

	*out = (struct memory_vma){
		.start = v->start,
		.last = v->last,
		.kind = (enum memory_vma_kind)v->kind,
		.read = v->access & 1,
		.write = v->access & 2,
		.dev = v->dev,
		.ino = v->ino,
		.offset = v->offset,
	};
	if (v->kind == VMA_BAR && d && d->hw)
		out->bar = (struct memory_bar){
			.device = &((struct pci_dev *)d->hw)->peer,
			.region = (uint32_t)v->bar,
			.offset = v->bar_offset,
		};
}

/* What can be an answer: nothing in a recording is believed. */
static bool is_vma(const struct log_vma *v)
{
	return v->rc < 0 || (v->start <= v->last && !(v->start & PAGE_MASK) &&
			     (v->last & PAGE_MASK) == PAGE_MASK && v->kind != VMA_DIRECT &&
			     !(v->offset & PAGE_MASK));
}

static bool covers(const struct log_vma *v, uint64_t va)
{
	return v->rc ? v->va == va : v->start <= va && va <= v->last;
}

/*
 * What this call was told, else what any was told last. Where nothing was ever asked (another
 * process's memory; what was known already) there is what makes the call come out as it did.
 */
static int place_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	const struct place *at = arg;
	const struct replay *r = at->replay;
	const struct log_vma *found = NULL;

	for (const struct part *p = r->item->parts.first; p && !found; p = p->next)
		if (p->e.type == LOG_vma && is_vma(&p->e.vma) && covers(&p->e.vma, va))
			found = &p->e.vma;
	for (unsigned int i = 1; i <= ARRAY_SIZE(at->known) && !found; i++) {
		const struct log_vma *v = &at->known[(at->next_known - i) % ARRAY_SIZE(at->known)];

		if (v->last && covers(v, va))
			found = v;
	}
	if (found && found->rc)
		return -EFAULT;
	if (found) {
		describe(r, found, out);
		return 0;
	}
	if (r->item->kind == ITEM_CALL && r->item->answer.rc < 0)
		return -EFAULT;
	*out = (struct memory_vma){
		.start = align_down(va, PAGE_SIZE),
		.last = va | PAGE_MASK,
		.kind = VMA_PRIVATE,
		.read = true,
		.write = true,
	};
	return 0;
}

static int place_map(void *arg, const struct memory_vma *file, uint64_t len, void *where)
{
	const struct place *at = arg;
	uint64_t end;
	const int fd = __builtin_add_overflow(file->offset, len, &end)
			       ? -EFAULT
			       : replay_stand_in(at->replay, file->dev, file->ino, end);
	const int prot = PROT_READ | (file->write ? PROT_WRITE : 0);

	if (fd < 0)
		return fd;
	return mmap(where, len, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)file->offset) == MAP_FAILED
		       ? -errno
		       : 0;
}

static int place_read(void *arg, void *dst, uint64_t src, size_t len)
{
	memset(dst, 0, len);
	return 0;
}

static int place_write(void *arg, uint64_t dst, const void *src, size_t len)
{
	return 0;
}

static void place_release(void *arg)
{
	ioas_free(arg);
}

static const struct memory_mm_ops place_ops = {
	.probe = place_probe,
	.vma = place_vma,
	.map = place_map,
	.read = place_read,
	.write = place_write,
	.release = place_release,
};

struct memory_mm *replay_mm(struct replay *r, uint64_t process)
{
	struct place *at = r->places;

	while (at && at->process != process)
		at = at->next;
	if (at)
		return at->mm;
	at = ioas_calloc(1, sizeof(*at));
	if (!at)
		return NULL;
	*at = (struct place){.next = r->places, .process = process, .replay = r};
	if (memory_mm_create(r->host->memory, &place_ops, at, &at->mm)) {
		ioas_free(at);
		return NULL;
	}
	r->places = at;
	return at->mm;
}

/* It may be asked again about what this call was told: mprotect() makes it so, which is not
 * recorded. */
void replay_refresh(struct replay *r, const struct item *it)
{
	struct place *at;

	for (const struct part *p = it->parts.first; p; p = p->next) {
		const struct log_vma *v = &p->e.vma;

		if (p->e.type != LOG_vma || v->rc || !is_vma(v) ||
		    !replay_mm(r, it->e.call.process))
			continue;
		for (at = r->places; at && at->process != it->e.call.process;)
			at = at->next;
		if (!at)
			continue;
		memory_mm_protected(at->mm, v->start, v->last - v->start + 1);
		at->known[at->next_known++ % ARRAY_SIZE(at->known)] = *v;
	}
}

void replay_forget(struct replay *r, struct place *at, uint64_t va, uint64_t last)
{
	struct memory_change c;

	if (va > last)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(at->known); i++)
		if (at->known[i].start <= last && va <= at->known[i].last)
			at->known[i] = (struct log_vma){0};
	/* All of it has no length. */
	memory_mm_change_begin(at->mm, &c, va, last - va + (last - va != U64MAX));
	memory_mm_change_end(at->mm, &c);
}

void replay_drop_places(struct replay *r)
{
	struct place *next;

	for (struct place *at = r->places; at; at = next) {
		next = at->next;
		memory_mm_put(at->mm);
	}
	r->places = NULL;
}

/* The replayer's own memory: what holds the stand-ins, which is there. */
static int own_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	return probe_in(arg, true, va, len);
}

const struct memory_ops replay_memory_ops = {.probe = own_probe};
