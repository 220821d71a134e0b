/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of /dev/vfio share: the devices that sysfs shows, the steps of either road to one,
 * and thin calls. Functions that return int return the errno, 0 for success; those that return void
 * break the program off if they fail, since they are for what a row needs, not for what it tests.
 */
#ifndef TESTS_ABI_VFIO_FIXTURE_H
#define TESTS_ABI_VFIO_FIXTURE_H

#include "abi_test.h"

#include <sys/ioctl.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#define PTR(p) ((uint64_t)(uintptr_t)(p))
#define PAGE 4096ull

/* A device bound to vfio-pci. */
struct vfio_id {
	char bdf[16];
	char cdev[64];	/* its character device; empty if there is none */
	char group[64]; /* /dev/vfio/N */
	int group_nr;
	uint16_t vendor, device;
	uint32_t class;
};

#define CLASS_NVME 0x010802u

/* The first device, the first of a class, the first of the n-th group; NULL if there is none. */
const struct vfio_id *vfio_any(void);
const struct vfio_id *vfio_of_class(uint32_t class);
const struct vfio_id *vfio_of_group(unsigned int n);
const struct vfio_id *vfio_named(uint16_t vendor, uint16_t device);
/* Another device of the group of ID, or NULL; two devices that share a group, or NULL twice. */
const struct vfio_id *vfio_neighbour(const struct vfio_id *id);
const struct vfio_id *vfio_pair(const struct vfio_id **first);

/* A device on one of the roads; what a road does not have is -1. */
enum vfio_road { ROAD_TYPE1, ROAD_TYPE1V2, ROAD_CDEV };

struct vfio {
	const struct vfio_id *id;
	int container, group, iommufd, device;
	uint32_t ioas, devid;
};

int open_node(const char *path);

/*
 * Joins the group to a container of type1 or type1v2, or binds the cdev and attaches an IOAS; then
 * the device is open and memory can be mapped. VFIO_IS_IOMMUFD says whether /dev/vfio/vfio is an
 * iommufd, in which case the group road goes through its compat IOAS.
 */
void vfio_open(struct vfio *v, enum vfio_road road, const struct vfio_id *id);
void vfio_close(struct vfio *v);
bool vfio_is_iommufd(int container);

int group_join(int group, int container);
bool group_status(int group, uint32_t *flags);
int group_device(int group, const char *name, int *device);

int type1_map(int container, uint64_t iova, const void *va, uint64_t size);
/* `*bytes`, if not NULL, becomes the number of bytes taken. */
int type1_unmap(int container, uint64_t iova, uint64_t size, uint64_t *bytes);
void type1_map_ok(int container, uint64_t iova, const void *va, uint64_t size);
/* Takes all mappings away; how many bytes that was. */
uint64_t type1_empty(int container);

/* IOMMU_GET_INFO with its chain, in malloc'ed memory; and a capability in it, or NULL. */
struct vfio_iommu_type1_info *type1_info(int container);
void *info_cap(void *info, uint32_t cap_offset, uint16_t id);

/* The device's regions, and its command register. */
struct vfio_region_info region_info(int device, uint32_t index);
uint64_t config_offset(int device);
uint16_t pci_command(int device);
void pci_set_command(int device, uint16_t value);

#define PCI_COMMAND	    0x04
#define PCI_COMMAND_MEMORY  0x2
#define PCI_COMMAND_MASTER  0x4
#define PCI_COMMAND_INTX_OFF 0x400

/* Offset of a capability in configuration space, 0 if the device has it not. */
unsigned int pci_capability(int device, uint8_t cap);
#define PCI_CAP_ID_MSI	0x05
#define PCI_CAP_ID_EXP	0x10
#define PCI_CAP_ID_MSIX 0x11

uint32_t config_read(int device, unsigned int at, size_t len);
uint32_t irq_count(int device, uint32_t index);

/* The n-th device; NULL if there are fewer. */
const struct vfio_id *vfio_nth(unsigned int n);

/* LEN zeroed bytes of shared anonymous memory. */
void *shared_pages(size_t len);

#endif
