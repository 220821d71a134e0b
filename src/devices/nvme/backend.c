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

#define DEFAULT_LBA_LG2 9
#define ZERO_PIECE	65536u

static int open_ram(struct nvme_namespace *ns, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	ns->ram = p;
	ns->bytes = size;
	return 0;
}

/* A file that cannot be written becomes a write-protected namespace; one that another controller has is refused. */
static int open_file(struct pci_dev *dev, struct nvme_namespace *ns, const char *file, uint64_t size, char *why,
		     size_t why_len)
{
	const struct pci_host_ops *ops = &dev->ops;
	struct stat st;
	int fd = -EACCES;

	if (!ns->readonly)
		fd = ops->file_open(dev->cfg.ops_arg, file, size ? O_RDWR | O_CREAT : O_RDWR);
	if (fd == -EACCES || fd == -EROFS || fd == -EPERM) {
		ns->readonly = true;
		fd = ops->file_open(dev->cfg.ops_arg, file, O_RDONLY);
	}
	if (fd < 0) {
		snprintf(why, why_len, "nvme: cannot open file=%s: %s%s", file, strerror(-fd),
			 fd == -ENOENT ? " (add size= to create it)" : "");
		return fd;
	}
	ns->fd = fd;
	if (flock(fd, (ns->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		snprintf(why, why_len, "nvme: file=%s is in use by another controller", file);
		return -EBUSY;
	}
	if (fstat(fd, &st) || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
		snprintf(why, why_len, "nvme: file=%s is neither a file nor a block device", file);
		return -EINVAL;
	}
	if (!ns->readonly && (uint64_t)st.st_size < size) {
		if (ftruncate(fd, (off_t)size)) {
			snprintf(why, why_len, "nvme: cannot make file=%s %llu bytes long: %s", file,
				 (unsigned long long)size, strerror(errno));
			return -errno;
		}
		st.st_size = (off_t)size;
	}
	ns->bytes = S_ISBLK(st.st_mode) ? (uint64_t)lseek(fd, 0, SEEK_END) : (uint64_t)st.st_size;
	return 0;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x * 0xc4ceb9fe1a85ec53ull;
}

/* The same device at the same place has the same UUID on every run. Version 4 layout, RFC 4122. */
static void make_uuid(struct pci_dev *dev, struct nvme_namespace *ns, const char *file)
{
	uint64_t h = dev->cfg.rid + 1;

	for (const char *p = file ? file : "ram"; *p; p++)
		h = mix(h ^ (uint8_t)*p);
	for (unsigned int i = 0; i < 16; i += 8) {
		h = mix(h + i + 1);
		memcpy(ns->uuid + i, &h, 8);
	}
	ns->uuid[6] = (ns->uuid[6] & 0x0f) | 0x40;
	ns->uuid[8] = (ns->uuid[8] & 0x3f) | 0x80;
}

int nvme_ns_open(struct pci_dev *dev, struct nvme_namespace *ns, const char *file, uint64_t size, bool readonly,
		 char *why, size_t why_len)
{
	int rc;

	*ns = (struct nvme_namespace){.fd = -1, .readonly = readonly, .lba_lg2 = DEFAULT_LBA_LG2};
	rc = file ? open_file(dev, ns, file, size, why, why_len) : open_ram(ns, size);
	if (!rc && ns->bytes < BIT(ns->lba_lg2)) {
		snprintf(why, why_len, "nvme: file=%s is empty: give size=", file ? file : "");
		rc = -EINVAL;
	}
	if (rc) {
		nvme_ns_close(ns);
		return rc;
	}
	make_uuid(dev, ns, file);
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

int nvme_ns_read(struct nvme_namespace *ns, void *buf, uint64_t off, uint32_t len)
{
	char *p = buf;

	if (ns->ram) {
		memcpy(buf, ns->ram + off, len);
		return 0;
	}
	while (len) {
		ssize_t n = pread(ns->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO; /* the file was cut short behind our back */
		p += n;
		off += (uint64_t)n;
		len -= (uint32_t)n;
	}
	return 0;
}

int nvme_ns_write(struct nvme_namespace *ns, const void *buf, uint64_t off, uint32_t len, bool durable)
{
	const char *p = buf;

	if (ns->ram) {
		memcpy(ns->ram + off, buf, len);
		return 0;
	}
	while (len) {
		struct iovec iov = {(void *)p, len};
		ssize_t n = pwritev2(ns->fd, &iov, 1, (off_t)off, durable ? RWF_DSYNC : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (uint32_t)n;
	}
	return 0;
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

int nvme_ns_zero(struct nvme_namespace *ns, uint64_t off, uint64_t len)
{
	if (ns->ram) {
		memset(ns->ram + off, 0, len);
		return 0;
	}
	if (!fallocate(ns->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
		return 0;
	return write_zeroes(ns, off, len);
}

int nvme_ns_discard(struct nvme_namespace *ns, uint64_t off, uint64_t len)
{
	if (ns->ram) {
		memset(ns->ram + off, 0, len);
		return 0;
	}
	if (!fallocate(ns->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
		return 0;
	return write_zeroes(ns, off, len);
}

int nvme_ns_flush(struct nvme_namespace *ns)
{
	if (ns->fd < 0 || ns->readonly)
		return 0;
	return fdatasync(ns->fd) ? -errno : 0;
}
