/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "base/bits.h"
#include "base/text.h"
#include "doors/preload/bars.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/guard.h"
#include "doors/preload/sys.h"
#include "doors/preload/trace.h"

#define ATTR_MAX 4096

/* ---- open ---- */

bool call_is_attr_write(const struct path *p, int flags)
{
	return p->kind == PATH_ATTR && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}

static int open_attr(const struct path *p, int flags)
{
	const struct door_file_init init = {.kind = DOOR_ATTR, .name = p->name};

	/* The attribute must be there, and may be written. */
	if (sys4(SYS_faccessat, AT_FDCWD, (long)p->text, 2 /* W_OK */, 0))
		return sys4(SYS_faccessat, AT_FDCWD, (long)p->text, 0, 0)
			       ? (int)trace_no(ENOENT, "OPEN", "path", 0,
					       "an attribute that this device has")
			       : (int)trace_no(EACCES, "OPEN", "flags", (uint64_t)flags,
					       "O_RDONLY: it cannot be written");
	return files_open(&init, (flags & ~O_ACCMODE) | O_RDWR);
}

static int open_engine_node(const struct path *p, int flags)
{
	struct door_file_init init = {.kind = DOOR_ENGINE, .node = p->node, .name = p->name};
	int fd, rc;

	if (door.run.shared && files_server() != door.run.shared)
		return client_open(&p->node, flags);
	rc = engine_open(&p->node, &init.abi);
	if (rc)
		return rc;
	fd = files_open(&init, flags);
	if (fd < 0) {
		engine_enter();
		abi_file_put(init.abi);
		engine_leave();
	}
	return fd;
}

static int open_path_only(const struct path *p, int flags)
{
	const struct door_file_init init = {.kind = DOOR_PATH, .node = p->node, .name = p->name};

	return files_open(&init, (flags & O_CLOEXEC) | O_RDWR);
}

int call_open(const struct path *p, int flags)
{
	int rc;

	trace_begin();
	if (p->kind == PATH_ATTR)
		rc = open_attr(p, flags);
	else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		rc = (int)trace_no(EEXIST, "OPEN", "flags", (uint64_t)flags,
				   "no O_CREAT with O_EXCL: it is there");
	else if (flags & O_DIRECTORY)
		rc = (int)trace_no(ENOTDIR, "OPEN", "flags", (uint64_t)flags,
				   "no O_DIRECTORY: it is a node");
	else if (flags & O_PATH)
		rc = open_path_only(p, flags);
	else
		rc = open_engine_node(p, flags);
	if (door.run.show)
		trace_open(p->name, flags, rc);
	return rc;
}

void call_open_missing(const struct path *p, int flags)
{
	const char *slash = strrchr(p->name, '/');
	const int err = errno;
	char folder[PATH_ROOM], legal[256];
	struct text t = TEXT_IN(legal);
	const struct dirent *e;
	DIR *d;

	if (!door.run.show || strncmp(p->name, "/dev/", 5))
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - p->text), p->text);
	d = REAL(opendir)(folder);
	text_add(&t, "what %.*s has:", (int)(slash - p->name), p->name);
	while (d && (e = readdir(d)))
		if (*e->d_name != '.')
			text_add(&t, " %s", e->d_name);
	if (d)
		closedir(d);
	else
		text_add(&t, " nothing");
	trace_begin();
	trace_open(p->name, flags, trace_no(err, "OPEN", "name", 0, legal));
	errno = err;
}

/* May an engine be asked about @f? */
static int usable(const struct door_file *f)
{
	return f->kind == DOOR_PATH ? -EBADF : 0;
}

/* ---- ioctl ---- */

/* Commands whose numbers mean one thing on an iommufd or container and another on a device are
 * counted on the former. */
static bool is_mapper(const struct door_file *f)
{
	return f->abi_kind == ABI_IOMMUFD || f->abi_kind == ABI_CONTAINER;
}

static void count_call(unsigned int cmd)
{
	switch (cmd) {
	case IOMMU_IOAS_MAP:
	case IOMMU_IOAS_MAP_FILE:
	case IOMMU_IOAS_COPY:
	case VFIO_IOMMU_MAP_DMA:
		__atomic_fetch_add(&door.stats->maps, 1, __ATOMIC_RELAXED);
		break;
	case IOMMU_IOAS_UNMAP:
	case VFIO_IOMMU_UNMAP_DMA:
		__atomic_fetch_add(&door.stats->unmaps, 1, __ATOMIC_RELAXED);
		engine_count();
		break;
	default:
		break;
	}
}

static bool may_switch_memory(const struct door_file *f, unsigned int cmd)
{
	return f->abi_kind == ABI_DEVICE && cmd != VFIO_DEVICE_SET_IRQS &&
	       cmd != VFIO_DEVICE_GET_REGION_INFO;
}

static long engine_ioctl(struct door_file *f, unsigned int cmd, uint64_t arg)
{
	struct engine *e = engine_here();
	long rc;

	engine_enter();
	rc = abi_call_ioctl(f->abi, cmd, arg, &e->caller);
	engine_leave();
	return rc;
}

long call_ioctl(int fd, struct door_file *f, unsigned int cmd, uint64_t arg)
{
	long rc = usable(f);

	if (rc)
		return rc;
	if (f->kind == DOOR_ATTR)
		return -ENOTTY;
	trace_begin();
	rc = files_remote(f) ? client_ioctl(fd, f, cmd, arg) : engine_ioctl(f, cmd, arg);
	if (is_mapper(f) && rc >= 0)
		count_call(cmd);
	else if (may_switch_memory(f, cmd))
		bars_refresh();
	if (door.run.show)
		trace_ioctl(fd, f, cmd, arg, rc);
	return rc;
}

/*
 * QEMU hands its devices' or groups' fds to KVM's "vfio" pseudo device, which would refuse ones
 * that it does not know. What KVM does with them (coherency, and posted interrupts) has no
 * counterpart here.
 */
bool call_foreign_ioctl(unsigned long cmd, uint64_t arg, long *rc)
{
	struct kvm_device_attr attr;
	struct door_file *f;
	int fd;

	if (cmd != KVM_SET_DEVICE_ATTR || !files_any() ||
	    guard_copy(&attr, (const void *)arg, sizeof(attr)) ||
	    attr.group != KVM_DEV_VFIO_GROUP ||
	    guard_copy(&fd, (const void *)attr.addr, sizeof(fd)))
		return false;
	f = files_get_sure(fd);
	if (!f)
		return false;
	files_put(f);
	*rc = 0;
	return true;
}

/* ---- read and write ---- */

static ssize_t engine_io(struct door_file *f, const struct call_io *io, const struct iovec *v,
			 uint64_t pos)
{
	struct engine *e = engine_here();
	struct abi_file *abi = f->abi;
	ssize_t rc;

	if (files_remote(f))
		return client_io(io->fd, f, v, pos, io->write);
	engine_enter();
	if (io->write)
		findings_note_write(abi);
	if (io->write)
		rc = abi_call_pwrite(abi, (uint64_t)v->iov_base, v->iov_len, pos, &e->caller);
	else
		rc = abi_call_pread(abi, (uint64_t)v->iov_base, v->iov_len, pos, &e->caller);
	engine_leave();
	return rc;
}

/* One piece after the other, as the kernel does for files that know no vectors. */
static ssize_t engine_vectors(struct door_file *f, const struct call_io *io)
{
	const bool stream = f->stream;
	uint64_t pos = io->at < 0 ? __atomic_load_n(&f->pos, __ATOMIC_RELAXED) : (uint64_t)io->at;
	ssize_t done = 0, rc = 0;

	if (stream && io->at >= 0)
		return trace_no(ESPIPE, "FILE.POS", "offset", (uint64_t)io->at,
				"read() and write(): this file has no position");
	for (int i = 0; i < io->n; i++) {
		rc = engine_io(f, io, &io->iov[i], pos);
		if (rc < 0)
			break;
		done += rc;
		if (!stream)
			pos += (uint64_t)rc;
		if ((size_t)rc != io->iov[i].iov_len)
			break;
	}
	if (io->at < 0)
		__atomic_store_n(&f->pos, pos, __ATOMIC_RELAXED);
	return done ? done : rc;
}

static ssize_t attr_io(struct door_file *f, const struct call_io *io)
{
	char text[ATTR_MAX];
	size_t len = 0;

	if (!io->write)
		return trace_no(EINVAL, "ATTR", "fd", (uint64_t)io->fd,
				"an open for reading: this one is for writing");
	for (int i = 0; i < io->n; i++) {
		const struct iovec *v = &io->iov[i];

		if (v->iov_len >= sizeof(text) - len)
			return trace_no(EINVAL, "ATTR", "count", len + v->iov_len,
					"at most 4095 bytes");
		if (guard_copy(text + len, v->iov_base, v->iov_len))
			return trace_no(EFAULT, "ATTR", "buf", (uint64_t)v->iov_base,
					"readable memory");
		len += v->iov_len;
	}
	text[len] = '\0';
	return attr_write(f->name, text, len);
}

ssize_t call_io(struct door_file *f, const struct call_io *io)
{
	ssize_t rc = usable(f);

	if (rc)
		return rc;
	trace_begin();
	if (f->kind == DOOR_ATTR) {
		rc = attr_io(f, io);
	} else {
		rc = engine_vectors(f, io);
		if (io->write)
			bars_refresh();
	}
	if (door.run.show)
		trace_io(io->name, io->fd, f, io->n ? io->iov[0].iov_len : 0,
			 io->at < 0 ? 0 : (uint64_t)io->at, rc);
	return rc;
}

/* ---- mmap ---- */

static long map_engine(struct door_file *f, const struct bars_request *r)
{
	struct engine *e = engine_here();
	struct abi_mapping m = {0};
	long rc;

	engine_enter();
	rc = abi_call_mmap(f->abi, r->len, r->prot, r->flags, r->pos, &e->caller, &m);
	if (!rc)
		rc = bars_map(m.holder ? m.holder : f->abi, r, &m);
	if (m.holder)
		abi_file_put(m.holder);
	engine_leave();
	return rc;
}

static long map_file(int fd, struct door_file *f, const struct bars_request *r)
{
	struct engine_change change = {0};
	long rc;

	if (r->flags & MAP_FIXED)
		engine_change_begin(&change, (uint64_t)r->addr, r->len);
	rc = files_remote(f) ? client_mmap(fd, f, r) : map_engine(f, r);
	engine_change_end(&change);
	return rc;
}

long call_mmap(int fd, struct door_file *f, void *addr, size_t len, int prot, int flags,
	       uint64_t pos)
{
	const struct bars_request r = {addr, align_up(len, PAGE_SIZE), prot, flags, pos};
	long rc = usable(f);

	trace_begin();
	if (rc)
		return rc;
	if (!len || r.len < len || !is_aligned(pos, PAGE_SIZE) ||
	    ((flags & MAP_FIXED) && !is_aligned((uint64_t)addr, PAGE_SIZE)))
		rc = trace_no(
			EINVAL, "MMAP.0", "offset", pos,
			"a length that is not 0, and an offset and a fixed address in multiples of 4096");
	else if (f->kind != DOOR_ENGINE)
		rc = trace_no(ENODEV, "MMAP.0", "fd", (uint64_t)fd,
			      "a node: attributes cannot be mapped");
	else
		rc = map_file(fd, f, &r);
	if (door.run.show)
		trace_mmap(fd, f, (uint64_t)addr, len, prot, flags, pos, rc);
	return rc;
}

/* ---- stat ---- */

void call_stat_node(const struct node *n, struct stat *st)
{
	st->st_mode = node_mode(n);
	st->st_rdev = node_rdev(n);
	st->st_size = 0;
	st->st_blocks = 0;
}

void call_stat_file(const struct door_file *f, struct stat *st)
{
	if (f->kind != DOOR_ATTR && f->node.kind != NODE_ANONYMOUS) {
		call_stat_node(&f->node, st);
		st->st_nlink = 1;
	} else if (f->kind != DOOR_ATTR) {
		st->st_mode = 0600;
	}
}
