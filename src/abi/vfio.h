/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside abi/: containers, groups and devices of VFIO.
 *
 * Lock order: group file, device, container, then the rooms below.
 */
#ifndef IOAS_ABI_VFIO_FILES_H
#define IOAS_ABI_VFIO_FILES_H

#include <ioas/abi/vfio.h>

#include "abi/caller.h"
#include "abi/file.h"
#include "devices/pci.h"
#include "object/iommufd.h"

#define VFIO_PCI_OFFSET_SHIFT 40

static inline uint64_t vfio_region_offset(unsigned int index)
{
	return (uint64_t)index << VFIO_PCI_OFFSET_SHIFT;
}

/*
 * The type1 back end of a container (11): one domain over one address space.
 */
struct type1;
int type1_create(struct host *h, const void *container, bool v2, struct type1 **out);
void type1_destroy(struct type1 *t); /* no group left */
/* 11.7. -EINVAL, -EBUSY, -ENOMEM, -EFAULT. */
int type1_attach_group(struct type1 *t, struct host_group *g);
/* The last one unmaps everything. */
void type1_detach_group(struct type1 *t, struct host_group *g);
long type1_ioctl(struct type1 *t, unsigned int cmd, uint64_t arg, struct caller *c);

/* A legacy container (10.1). */
struct container;
struct container *abi_file_container(struct abi_file *f); /* NULL: another kind */
int container_add_group(struct container *c, struct host_group *g);
void container_remove_group(struct container *c, struct host_group *g);
bool container_has_iommu(struct container *c);
/*
 * For those that look: of a container in host->contexts (host_context.container), whose commands
 * wait from begin to end. The type1 back end's address space and table are there with a group.
 */
struct container_view {
	struct space *space; /* NULL: no back end yet */
	bool v2;
	uint64_t nr_dmas, available;
	unsigned int nr_groups;
};
struct container *container_of_context(struct host_context *c);
void container_look_begin(struct container *c, struct container_view *out);
void container_look_end(struct container *c);
/* Of the type1 back end: what there is of it to see. */
void type1_view(const struct type1 *t, struct container_view *out);

/* What type1 and its absence answer alike. */
int type1_check_extension(struct host *h, struct type1 *t, uint64_t ext);

/*
 * An open device: shared by all fds of a host_device (10.2: "all fds of a device share state").
 */
struct vfio_device;
/* First or further open through a group; @ctx: bind to this iommufd and attach to its compat IOAS (NULL: a container). */
int vfio_device_open(struct host_device *hdev, struct iommufd *ctx, struct vfio_device **out);
void vfio_device_close(struct vfio_device *d);
struct host_device *abi_file_device(struct abi_file *f); /* NULL: another kind */

/* A new device file for a group fd; takes over the open @d and a reference to @group_file (may be NULL). */
int vfio_device_file_create(struct vfio_device *d, struct abi_file *group_file, struct abi_file **out);

/* Commands of vfio-pci (13.6), regions and interrupts. */
long vfio_pci_ioctl(struct vfio_device *d, bool cdev, unsigned int cmd, uint64_t arg, struct caller *c);
ssize_t vfio_pci_read(struct vfio_device *d, uint64_t buf, size_t count, uint64_t pos, struct caller *c);
ssize_t vfio_pci_write(struct vfio_device *d, uint64_t buf, size_t count, uint64_t pos, struct caller *c);
int vfio_pci_mmap(struct vfio_device *d, uint64_t len, int prot, int flags, uint64_t pos,
		  struct abi_mapping *out);
long vfio_device_feature(struct vfio_device *d, uint64_t arg, struct caller *c);

/* Which group a group file stands for; NULL: another kind of file. */
struct host_group *abi_file_group(struct abi_file *f);

/* Copies the first sizeof bytes that every VFIO structure begins with and checks argsz: -EFAULT, -EINVAL. */
int vfio_copy_in(struct caller *c, const struct sink *sink, const char *rule, uint64_t arg, void *buf,
		 size_t min);
/* The answer: 0 or -EFAULT. */
int vfio_copy_out(struct caller *c, const struct sink *sink, const char *rule, uint64_t arg,
		  const void *buf, size_t len);

#endif
