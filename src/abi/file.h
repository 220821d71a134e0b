/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open file of the ABI: /dev/iommu, a container, a group, a device. What the VFS's struct file is to the kernel.
 *
 * Reference counted: dup'ed fds share one; the last put releases. The functions may be called from several threads
 * at once; each file kind has locks of its own. Doors own the mapping from fd numbers to these.
 */
#ifndef IOAS_ABI_FILE_H
#define IOAS_ABI_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/caller.h"
#include "base/inject.h"
#include "base/observe.h"

/* ABI_OTHER: of a room above, told from others by its ops. */
enum abi_file_kind { ABI_IOMMUFD, ABI_CONTAINER, ABI_GROUP, ABI_DEVICE, ABI_FAULT, ABI_VEVENTQ, ABI_OTHER };

struct host;

/* What an mmap() of a file shows. */
struct abi_mapping {
	void *mem;		/* engine's writable alias of the first byte; len bytes of shared memory */
	/* What each piece of the mapping holds: a reference, the door's from now on. NULL: the file that was asked. */
	struct abi_file *holder;
	const uint8_t *pages;	/* PCI_PAGE_ flags of each page */
	struct pci_dev *dev;	/* whose BAR it is; NULL: no BAR but plain memory */
	unsigned int bar;
	uint64_t offset;	/* in the BAR */
};

struct abi_file_ops {
	enum abi_file_kind kind;
	bool stream; /* has no position: read() and write() pass 0, and there is neither pread() nor pwrite() (ESPIPE) */
	/* Result (>= 0, an fd for some commands) or -errno. @arg: pointer or number, as the command wants. */
	long (*ioctl)(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *c);
	ssize_t (*pread)(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c); /* NULL: EINVAL */
	ssize_t (*pwrite)(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c);
	/* May [pos, pos + len) be mapped with these PROT_ and MAP_ flags? NULL: ENODEV. */
	int (*mmap)(struct abi_file *f, uint64_t len, int prot, int flags, uint64_t pos, struct caller *c,
		    struct abi_mapping *out);
	bool never_writable; /* to poll(); with watch() */
	/*
	 * What poll() says: always writable, and readable as @changed was told last. It is called at once and on every change, on
	 * any thread; after watch(f, NULL, NULL) no more. NULL: always readable and writable.
	 */
	void (*watch)(struct abi_file *f, void (*changed)(void *arg, bool readable), void *arg);
	void (*release)(struct abi_file *f);
	/* For those that look: the struct iommufd that it was made in or is bound to; NULL: none. */
	const void *(*context)(struct abi_file *f);
};

struct abi_file {
	const struct abi_file_ops *ops;
	struct host *host; /* which the file keeps alive in its own way */
	uint32_t refs;
	void *door; /* the door's own */
};

void abi_file_init(struct abi_file *f, const struct abi_file_ops *ops, struct host *h); /* refs = 1 */
void abi_file_get(struct abi_file *f);
void abi_file_put(struct abi_file *f);

/*
 * The calls of programs: what doors make instead of using the table of a file. Results as there; observers hear of each
 * (base/observe.h). -EINVAL or -ENODEV for what the file has no function for, as the kernel says.
 */
long abi_observed_ioctl(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *c);
static inline long abi_call_ioctl(struct abi_file *f, unsigned int cmd, uint64_t arg, struct caller *c)
{
	return observed() ? abi_observed_ioctl(f, cmd, arg, c) : f->ops->ioctl(f, cmd, arg, c);
}
ssize_t abi_call_pread(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c);
ssize_t abi_call_pwrite(struct abi_file *f, uint64_t buf, size_t count, uint64_t pos, struct caller *c);
int abi_call_mmap(struct abi_file *f, uint64_t len, int prot, int flags, uint64_t pos, struct caller *c,
		  struct abi_mapping *out);
/* @kind: ABI_IOMMUFD, ABI_CONTAINER, ABI_GROUP or ABI_DEVICE; @number: of the group, of the cdev. */
int abi_call_open(struct host *h, enum abi_file_kind kind, unsigned int number, struct caller *c, struct abi_file **out);

/* inject.c: what --inject calls this one. */
enum inject_call abi_inject_call(enum abi_file_kind kind, unsigned int cmd);

struct host_device;
struct pci_dev;

/* Openers; a reference to the host is held by each file. @c: for credentials (CAP_SYS_RAWIO of noiommu, ...). */
int abi_open_iommufd(struct host *h, struct caller *c, struct abi_file **out);
/* /dev/vfio/vfio: the type1 container, or iommufd in its place (host->iommufd_container). */
int abi_open_container(struct host *h, struct caller *c, struct abi_file **out);
int abi_open_group(struct host *h, unsigned int group, struct caller *c, struct abi_file **out); /* -ENODEV, -EBUSY */
int abi_open_device(struct host *h, unsigned int cdev, struct caller *c, struct abi_file **out); /* -ENODEV */

/* vfs.c: what the device is; a virtual function is absent until it is enabled. 0 or -errno. */
int abi_device_set(struct host_device *hdev, struct pci_dev *pci);
/*
 * Enable the first @n virtual functions of @pf and no other. What is open keeps one that is to go: with @wait, who has it open is asked
 * by the REQ interrupt, as often as it takes, and the call returns when the last file is gone; without, it stays and the call says -EBUSY.
 * -ERANGE: it has not so many.
 */
int abi_set_num_vfs(struct host_device *pf, unsigned int n, bool wait);

#endif
