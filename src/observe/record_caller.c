/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The caller that passes everything on and writes down what was asked and answered.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "abi/file.h"
#include "observe/record_private.h"

static struct passing *passing_of(struct caller *c)
{
	return c->arg;
}

static int pass_copy_in(struct caller *c, void *dst, uint64_t src, size_t len)
{
	struct passing *p = passing_of(c);
	int rc = p->real->ops->copy_in(p->real, dst, src, len);

	for (size_t n = 0, part; n < len || !n; n += part) {
		part = min_u64(len - n, LOG_BYTES_MAX);
		RECORD_PART(p->rec, copy_in, .va = src + n, .len = part, .rc = rc,
			    .data = {(uint8_t *)dst + n, rc ? 0 : part});
		if (!part)
			break;
	}
	return rc;
}

static int pass_copy_out(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	struct passing *p = passing_of(c);
	int rc = p->real->ops->copy_out(p->real, dst, src, len);

	for (size_t n = 0, part; n < len || !n; n += part) {
		part = min_u64(len - n, LOG_BYTES_MAX);
		RECORD_PART(p->rec, copy_out, .va = dst + n, .len = part, .rc = rc,
			    .data = {(const uint8_t *)src + n, part});
		if (!part)
			break;
	}
	return rc;
}

static bool pass_capable(struct caller *c, int cap)
{
	struct passing *p = passing_of(c);
	bool yes = p->real->ops->capable(p->real, cap);

	RECORD_PART(p->rec, capable, .cap = (uint64_t)cap, .yes = yes);
	return yes;
}

static int pass_file_get(struct caller *c, int fd, struct abi_file **out)
{
	struct passing *p = passing_of(c);
	int rc = p->real->ops->file_get(p->real, fd, out);

	RECORD_PART(p->rec, file_get, .fd = fd, .rc = rc,
		    .file = rc ? 0 : idents_number(&p->rec->files, *out));
	return rc;
}

static int pass_fd_install(struct caller *c, struct abi_file *f)
{
	struct passing *p = passing_of(c);
	/* From the moment on at which the program has the fd, another thread may close it. */
	const uint64_t number = idents_number(&p->rec->files, f);
	const unsigned int kind = f->ops->kind;
	int fd = p->real->ops->fd_install(p->real, f);

	RECORD_PART(p->rec, fd_install, .file = number, .kind = kind, .fd = fd);
	return fd;
}

static void pass_fd_uninstall(struct caller *c, int fd)
{
	struct passing *p = passing_of(c);

	RECORD_PART(p->rec, fd_uninstall, .fd = fd);
	p->real->ops->fd_uninstall(p->real, fd);
}

static int pass_eventfd_get(struct caller *c, int fd, struct abi_eventfd **out)
{
	struct passing *p = passing_of(c);
	int rc = p->real->ops->eventfd_get(p->real, fd, out);

	RECORD_PART(p->rec, eventfd_get, .fd = fd, .rc = rc);
	return rc;
}

static int pass_fd_dup(struct caller *c, int fd)
{
	struct passing *p = passing_of(c);
	int rc = p->real->ops->fd_dup(p->real, fd), flags = 0;
	struct stat st = {0};
	struct statfs fs = {0};

	if (rc >= 0 && !fstat(rc, &st) && !fstatfs(rc, &fs))
		flags = fcntl(rc, F_GETFL);
	/* The number of the new fd is the engine's own. */
	RECORD_PART(p->rec, fd_dup, .fd = fd, .rc = rc < 0 ? rc : 0, .dev = st.st_dev,
		    .ino = st.st_ino, .size = (uint64_t)st.st_size, .mode = st.st_mode,
		    .flags = (uint64_t)flags & O_ACCMODE, .filesystem = (uint64_t)fs.f_type);
	return rc;
}

static struct memory_account *pass_account(struct caller *c, bool process_mode)
{
	struct passing *p = passing_of(c);

	RECORD_PART(p->rec, account, .process_mode = process_mode,
		    .limit = p->rec->cfg.memlock ? p->rec->cfg.memlock() : U64MAX);
	return p->real->ops->account(p->real, process_mode);
}

static struct memory_mm *pass_memory(struct caller *c)
{
	return caller_memory(passing_of(c)->real);
}

static uint64_t pass_process(struct caller *c)
{
	struct passing *p = passing_of(c);

	return p->real->ops->process(p->real);
}

static const struct caller_ops passing_ops = {
	.copy_in = pass_copy_in,
	.copy_out = pass_copy_out,
	.capable = pass_capable,
	.file_get = pass_file_get,
	.fd_install = pass_fd_install,
	.fd_uninstall = pass_fd_uninstall,
	.eventfd_get = pass_eventfd_get,
	.fd_dup = pass_fd_dup,
	.account = pass_account,
	.memory = pass_memory,
	.process = pass_process,
};

/* This thread's. NULL: there are too many threads. */
static struct passing *mine(struct recorder *rec)
{
	const uint64_t number = record_thread(rec);

	return number && number <= RECORD_THREADS ? &rec->passing[number - 1] : NULL;
}

void passing_begin(struct recorder *rec, struct caller **c)
{
	struct passing *p = mine(rec);

	if (!p || p->depth++)
		return;
	p->caller = (struct caller){.ops = &passing_ops, .arg = p};
	p->rec = rec;
	p->real = *c;
	*c = &p->caller;
}

void passing_end(struct recorder *rec)
{
	struct passing *p = mine(rec);

	if (p && p->depth)
		p->depth--;
}
