/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a client's process.
 *
 * What is asked while the client waits for a call is asked of the client, which knows of mapped BARs
 * and may do what we may not; at other times, and when somebody else's call needs its memory, /proc
 * and process_vm_readv() tell. What it shares is mapped here: from a mapping of the same file that
 * this process has (a child's inherited memory), from an fd that the client sends, or from what
 * /proc shows of its mappings and fds. It is looked for when the VMA is asked about, and kept, since
 * map() must not wait.
 */
#include "doors/preload/real.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/bits.h"
#include "doors/preload/bars.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

#define FDS_TO_LOOK_AT 1024

/* The session of this thread, if its client is the one whose memory it is. */
static struct session *its_own(const struct peer *p)
{
	struct session *s = session_here();

	return s && s->peer == p ? s : NULL;
}

static int open_hidden(const char *path, int flags)
{
	return files_hide(sys_openat(AT_FDCWD, path, flags | O_CLOEXEC | O_NONBLOCK, 0));
}

/* ---- copying ---- */

static int copy(const struct peer *p, long call, void *here, uint64_t there, size_t len)
{
	while (len) {
		const struct iovec local = {here, len}, remote = {(void *)there, len};
		const long n = sys6(call, p->pid, (long)&local, 1, (long)&remote, 1, 0);

		if (n == -EPERM)
			door_say_once(
				"the memory of process %d may not be read or written from here: DMA to its private memory fails",
				p->pid);
		if (n <= 0)
			return -EFAULT;
		here = (char *)here + n;
		there += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int peer_read(void *arg, void *dst, uint64_t src, size_t len)
{
	return copy(arg, SYS_process_vm_readv, dst, src, len);
}

static int peer_write(void *arg, uint64_t dst, const void *src, size_t len)
{
	return copy(arg, SYS_process_vm_writev, (void *)src, dst, len);
}

/* ---- what lies where ---- */

static int find_vma(const struct peer *p, uint64_t va, struct memory_vma *out)
{
	char path[32];
	int fd, rc;

	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	fd = open_hidden(path, O_RDONLY);
	if (fd < 0)
		return -EFAULT;
	rc = memory_vma_in(fd, va, out);
	files_close_hidden(fd);
	return rc;
}

/* Reading faults a page in; that it may be written, and then is the process's own, is the kernel's
 * to say when it is. */
static int peer_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	struct session *s = its_own(arg);
	struct memory_vma vma = {.last = va - 1};
	char byte;

	if (s)
		return session_ask(s, ASK_PROBE, va, len, how) ? -EFAULT : 0;
	for (uint64_t page = va; page < va + len; page += PAGE_SIZE) {
		if (page > vma.last && find_vma(arg, page, &vma))
			return -EFAULT;
		if ((how & MEMORY_WRITE && !vma.write) || peer_read(arg, &byte, page, 1))
			return -EFAULT;
	}
	return 0;
}

/* ---- shared files ---- */

static bool is_file(const struct shared_file *f, const struct memory_vma *vma)
{
	return (f->alias || f->fd >= 0) && f->dev == vma->dev && f->ino == vma->ino;
}

static uint64_t file_end(const struct memory_vma *vma)
{
	return vma->offset + (vma->last - vma->start) + 1;
}

static bool holds(const struct shared_file *f, const struct memory_vma *vma)
{
	return is_file(f, vma) && (f->fd >= 0 || (f->offset <= vma->offset &&
						  f->offset + f->len >= file_end(vma)));
}

static void forget(struct shared_file *f)
{
	if (f->alias)
		sys_munmap(f->alias, f->len);
	if (f->fd >= 0)
		files_close_hidden(f->fd);
	*f = (struct shared_file){.fd = -1};
}

void peer_forget_files(struct peer *p)
{
	for (unsigned int i = 0; i < min_u64(p->next_file, PEER_FILES); i++)
		forget(&p->files[i]);
}

static void keep(struct peer *p, const struct shared_file *f)
{
	struct shared_file *to;

	pthread_mutex_lock(&p->lock);
	to = &p->files[p->next_file % PEER_FILES];
	if (p->next_file >= PEER_FILES)
		forget(to);
	*to = *f;
	p->next_file++;
	pthread_mutex_unlock(&p->lock);
}

static bool is_kept(struct peer *p, const struct memory_vma *vma)
{
	bool found = false;

	pthread_mutex_lock(&p->lock);
	for (unsigned int i = 0; i < min_u64(p->next_file, PEER_FILES) && !found; i++)
		found = holds(&p->files[i], vma);
	pthread_mutex_unlock(&p->lock);
	return found;
}

struct search {
	const struct memory_vma *vma;
	struct memory_vma own;
};

static bool is_same_file(void *arg, const struct memory_vma *own)
{
	struct search *s = arg;

	s->own = *own;
	return own->kind == VMA_SHARED && own->dev == s->vma->dev && own->ino == s->vma->ino &&
	       own->offset <= s->vma->offset && own->write >= s->vma->write;
}

/* A mapping of ours that was there before the fork: mapped once more, for the program may unmap its
 * own. */
static bool find_own_mapping(const struct memory_vma *vma, struct shared_file *out)
{
	struct search s = {.vma = vma};
	int fd = open_hidden("/proc/self/maps", O_RDONLY);
	bool found = fd >= 0 && memory_vma_find(fd, is_same_file, &s);
	long p;

	if (fd >= 0)
		files_close_hidden(fd);
	if (!found)
		return false;
	out->offset = s.own.offset;
	out->len = file_end(vma) - s.own.offset;
	p = sys6(SYS_mremap, (long)s.own.start, 0, (long)out->len, MREMAP_MAYMOVE, 0, 0);
	out->alias = sys_failed(p) ? NULL : (char *)p;
	return out->alias;
}

static bool is_inode(int fd, const struct memory_vma *vma)
{
	struct stat st;

	return !sys3(SYS_fstat, fd, (long)&st, 0) && st.st_ino == vma->ino &&
	       major(st.st_dev) == vma->dev >> 32 && minor(st.st_dev) == (uint32_t)vma->dev;
}

static int open_if(const char *path, const struct memory_vma *vma)
{
	const int fd = open_hidden(path, vma->write ? O_RDWR : O_RDONLY);

	if (fd < 0 || is_inode(fd, vma))
		return fd;
	files_close_hidden(fd);
	return -1;
}

static int find_in_proc(const struct peer *p, const struct memory_vma *vma)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", p->pid, vma->start,
		 vma->last + 1);
	fd = open_if(path, vma);
	for (int n = 0; n < FDS_TO_LOOK_AT && fd < 0; n++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", p->pid, n);
		if (!sys4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0) &&
		    S_ISREG(st.st_mode) && st.st_ino == vma->ino)
			fd = open_if(path, vma);
	}
	return fd;
}

static int ask_for_fd(struct session *s, const struct memory_vma *vma)
{
	int fd;

	s->ch.page->ask.vma = *vma;
	if (session_ask(s, ASK_SHARED, 0, 0, 0))
		return -1;
	fd = channel_take_fd(&s->ch);
	if (fd < 0 || is_inode(fd, vma))
		return fd < 0 ? fd : files_hide(fd);
	sys_close(fd);
	return -1;
}

/* So that map() finds it. Harmless when it does not: then the memory passes for private. */
static void look_for(struct peer *p, const struct memory_vma *vma)
{
	struct session *s = its_own(p);
	struct shared_file f = {.dev = vma->dev, .ino = vma->ino, .fd = -1};

	if (is_kept(p, vma))
		return;
	if (!find_own_mapping(vma, &f)) {
		f.fd = s ? ask_for_fd(s, vma) : -1;
		if (f.fd < 0)
			f.fd = find_in_proc(p, vma);
	}
	if (f.alias || f.fd >= 0)
		keep(p, &f);
}

static int peer_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	struct peer *p = arg;
	struct session *s = its_own(p);
	int rc;

	if (s) {
		rc = session_ask(s, ASK_VMA, va, 0, 0) ? -EFAULT : 0;
		*out = s->ch.page->ask.vma;
		if (!rc && out->kind == VMA_BAR)
			rc = bars_peer(s->ch.page->ask.arg[0], &out->bar);
	} else {
		rc = find_vma(p, va, out);
	}
	if (!rc && out->kind == VMA_SHARED)
		look_for(p, out);
	return rc;
}

static int map_fd(const struct shared_file *f, const struct memory_vma *vma, uint64_t len,
		  void *where)
{
	const int prot = PROT_READ | (vma->write ? PROT_WRITE : 0);
	void *p = sys_mmap(where, len, prot, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, f->fd,
			   vma->offset);

	return sys_failed((long)p) ? -ENODEV : 0;
}

static int map_alias(const struct shared_file *f, const struct memory_vma *vma, uint64_t len,
		     void *where)
{
	const long rc = sys6(SYS_mremap, (long)(f->alias + (vma->offset - f->offset)), 0, (long)len,
			     MREMAP_MAYMOVE | MREMAP_FIXED, (long)where, 0);

	return sys_failed(rc) ? -ENODEV : 0;
}

static int peer_map(void *arg, const struct memory_vma *vma, uint64_t len, void *where)
{
	struct peer *p = arg;
	int rc = -ENODEV;

	pthread_mutex_lock(&p->lock);
	for (unsigned int i = 0; i < min_u64(p->next_file, PEER_FILES) && rc; i++)
		if (holds(&p->files[i], vma))
			rc = p->files[i].alias ? map_alias(&p->files[i], vma, len, where) :
						 map_fd(&p->files[i], vma, len, where);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

const struct memory_mm_ops peer_memory_ops = {
	.probe = peer_probe,
	.vma = peer_vma,
	.map = peer_map,
	.read = peer_read,
	.write = peer_write,
	.release = peer_release,
};
