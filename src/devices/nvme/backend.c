/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a namespace's bytes are: a file, or memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/nvme/nvme.h"

#define MIN_BYTES  4096u /* one block of the larger format */
#define ZERO_PIECE 65536u

static int open_ram(struct nvme_namespace *ns, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	ns->ram = p;
	ns->bytes = size;
	return 0;
}

/* A file that cannot be written becomes a write-protected namespace. A FIFO is not waited for. */
static int open_fd(struct nvme_namespace *ns, const struct nvme_ns_config *cfg)
{
	const struct pci_host_ops *ops = &cfg->dev->ops;
	void *arg = cfg->dev->cfg.ops_arg;
	int fd = -EACCES;

	if (!ns->readonly)
		fd = ops->file_open(arg, cfg->file,
				    O_RDWR | O_NONBLOCK | (cfg->size ? O_CREAT : 0));
	if (fd == -EACCES || fd == -EROFS || fd == -EPERM) {
		ns->readonly = true;
		fd = ops->file_open(arg, cfg->file, O_RDONLY | O_NONBLOCK);
	}
	return fd;
}

static int file_bytes(int fd, uint64_t *bytes, bool *is_file)
{
	struct stat st;
	off_t end;

	if (fstat(fd, &st))
		return -errno;
	*is_file = S_ISREG(st.st_mode);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	end = S_ISBLK(st.st_mode) ? lseek(fd, 0, SEEK_END) : st.st_size;
	*bytes = (uint64_t)end;
	return end < 0 ? -errno : 0;
}

/* At least @size long; only a file of ours can be made longer. */
static int lengthen(struct nvme_namespace *ns, uint64_t size, bool is_file)
{
	if (ns->bytes >= size)
		return 0;
	if (ns->readonly)
		return -EROFS;
	if (!is_file)
		return -ENOSPC;
	if (ftruncate(ns->fd, (off_t)size))
		return -errno;
	ns->bytes = size;
	return 0;
}

static int open_file(struct nvme_namespace *ns, const struct nvme_ns_config *cfg, char *why,
		     size_t why_len)
{
	bool is_file = false;
	int rc;

	ns->fd = open_fd(ns, cfg);
	if (ns->fd < 0) {
		rc = ns->fd;
		snprintf(why, why_len, "nvme: cannot open file=%s: %s%s", cfg->file, strerror(-rc),
			 rc == -ENOENT ? " (add size= to create it)" : "");
		return rc;
	}
	rc = file_bytes(ns->fd, &ns->bytes, &is_file);
	if (rc) {
		snprintf(why, why_len, "nvme: file=%s is neither a file nor a block device",
			 cfg->file);
		return rc;
	}
	/* Another controller's, in this process or another; a file system without locks is no
	 * reason to refuse. */
	if (flock(ns->fd, (ns->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) && errno == EWOULDBLOCK) {
		snprintf(why, why_len, "nvme: file=%s is in use by another controller", cfg->file);
		return -EBUSY;
	}
	rc = lengthen(ns, cfg->size, is_file);
	if (rc)
		snprintf(why, why_len, "nvme: cannot make file=%s %llu bytes long: %s", cfg->file,
			 (unsigned long long)cfg->size, strerror(-rc));
	return rc;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x * 0xc4ceb9fe1a85ec53ull;
}

/* The same namespace of the same device has the same UUID on every run, and no other has it.
 * Version 4 layout, RFC 4122. */
static void make_uuid(struct nvme_namespace *ns, const struct nvme_ns_config *cfg)
{
	uint64_t h = (uint64_t)cfg->dev->cfg.domain << 32 | (uint64_t)cfg->dev->cfg.rid << 16 |
		     cfg->nsid;

	for (const char *p = cfg->file ? cfg->file : ""; *p; p++)
		h = mix(h ^ (uint8_t)*p);
	for (unsigned int i = 0; i < 16; i += 8) {
		h = mix(h + i + 1);
		memcpy(ns->uuid + i, &h, 8);
	}
	ns->uuid[6] = (ns->uuid[6] & 0x0f) | 0x40;
	ns->uuid[8] = (ns->uuid[8] & 0x3f) | 0x80;
}

int nvme_ns_open(struct nvme_namespace *ns, const struct nvme_ns_config *cfg, char *why,
		 size_t why_len)
{
	int rc;

	*ns = (struct nvme_namespace){.fd = -1, .readonly = cfg->readonly, .lba_lg2 = cfg->lba_lg2};
	rc = cfg->file ? open_file(ns, cfg, why, why_len) : open_ram(ns, cfg->size);
	if (!rc && ns->bytes < MIN_BYTES) {
		snprintf(why, why_len,
			 "nvme: file=%s is shorter than %u bytes: give size=", cfg->file,
			 MIN_BYTES);
		rc = -EINVAL;
	}
	if (rc) {
		nvme_ns_close(ns);
		return rc;
	}
	make_uuid(ns, cfg);
	ns->exists = true;
	return 0;
}

void nvme_ns_close(struct nvme_namespace *ns)
{
	if (ns->fd >= 0)
		close(ns->fd);
	if (ns->ram)
		munmap(ns->ram, ns->bytes);
	ns->fd = -1;
	ns->ram = NULL;
	ns->exists = false;
}

const void *nvme_ns_read(struct nvme_namespace *ns, void *buf, uint64_t off, uint32_t len)
{
	char *p = buf;

	if (ns->ram)
		return ns->ram + off;
	while (len) {
		ssize_t n = pread(ns->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL; /* 0: the file was cut short behind our back */
		p += n;
		off += (uint64_t)n;
		len -= (uint32_t)n;
	}
	return buf;
}

int nvme_ns_write(struct nvme_namespace *ns, const void *buf, uint64_t off, uint32_t len,
		  bool durable)
{
	int flags = durable ? RWF_DSYNC : 0;
	const char *p = buf;

	if (ns->ram) {
		memcpy(ns->ram + off, buf, len);
		return 0;
	}
	while (len) {
		struct iovec iov = {(void *)p, len};
		ssize_t n = pwritev2(ns->fd, &iov, 1, (off_t)off, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EOPNOTSUPP && flags) {
			flags = 0;
			continue;
		}
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (uint32_t)n;
	}
	return durable && !flags ? nvme_ns_flush(ns) : 0;
}

static int write_zeroes(struct nvme_namespace *ns, uint64_t off, uint64_t len)
{
	static const char zeroes[ZERO_PIECE];
	int rc = 0;

	while (len && !rc) {
		uint32_t n = (uint32_t)min_u64(len, sizeof(zeroes));

		rc = nvme_ns_write(ns, zeroes, off, n, false);
		off += n;
		len -= n;
	}
	return rc;
}

/* Whole pages are given back, which zeroes them; what is left at either end is written. */
static void zero_ram(char *p, uint64_t len)
{
	uint64_t head = min_u64(-(uintptr_t)p & PAGE_MASK, len),
		 pages = align_down(len - head, PAGE_SIZE);

	if (pages && madvise(p + head, pages, MADV_DONTNEED))
		memset(p + head, 0, pages);
	memset(p, 0, head);
	memset(p + head + pages, 0, len - head - pages);
}

static bool punch(struct nvme_namespace *ns, uint64_t off, uint64_t len)
{
	return !fallocate(ns->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
			  (off_t)len);
}

int nvme_ns_zero(struct nvme_namespace *ns, uint64_t off, uint64_t len, bool deallocate)
{
	if (ns->ram) {
		zero_ram(ns->ram + off, len);
		return 0;
	}
	if ((deallocate && punch(ns, off, len)) ||
	    !fallocate(ns->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
		return 0;
	return write_zeroes(ns, off, len);
}

int nvme_ns_discard(struct nvme_namespace *ns, uint64_t off, uint64_t len)
{
	if (ns->ram)
		zero_ram(ns->ram + off, len);
	else if (!punch(ns, off, len) && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

int nvme_ns_flush(struct nvme_namespace *ns)
{
	if (ns->fd < 0 || ns->readonly)
		return 0;
	return fdatasync(ns->fd) ? -errno : 0;
}
