/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two roads by which a program takes a PCI device from Linux, behind one face:
 *
 *   type1    /dev/vfio/GROUP joined to a container (/dev/vfio/vfio) with the type1v2 IOMMU
 *   iommufd  /dev/vfio/devices/vfioN bound to an IOAS of /dev/iommu
 *
 * These are helpers of example programs: what fails ends the program with a message, and the
 * kernel takes back everything when it exits.
 */
#ifndef EXAMPLES_VFIO_ROAD_H
#define EXAMPLES_VFIO_ROAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROAD_BDF_LEN 13 /* "dddd:bb:dd.f" and its NUL */

/* What a program looks for; a field that is 0 does not matter. */
struct road_match {
	uint16_t vendor, device;
	uint32_t class, class_mask; /* 24 bits: base class, subclass, interface */
};

struct road {
	char bdf[ROAD_BDF_LEN];
	bool cdev; /* the iommufd road; else the type1 road */
	int iommu; /* /dev/iommu, or the container */
	int group; /* type1 only */
	int device;
	uint32_t ioas, dev_id;	       /* iommufd only */
	uint64_t next_iova, last_iova; /* type1 only: what is left of the range we map into */
};

/* "type1" or "iommufd"; anything else ends the program. */
bool road_is_cdev(const char *name);

/* BDF if it is not NULL, else the first device bound to vfio-pci that matches. */
void road_open(struct road *r, bool cdev, const char *bdf, const struct road_match *match);
void road_close(struct road *r);

/* Page-aligned zeroed memory that the device may read and write at *IOVA. */
void *road_alloc(struct road *r, size_t len, uint64_t *iova);
void road_free(struct road *r, void *va, size_t len, uint64_t iova);

/* Configuration space, and what every driver does there first: memory decoding, bus mastering. */
uint32_t road_config_read(struct road *r, unsigned int at, size_t len);
void road_config_write(struct road *r, unsigned int at, size_t len, uint32_t value);
void road_enable(struct road *r);

/* The first LEN bytes of a BAR; LEN 0 for all of it. */
void *road_bar_map(struct road *r, unsigned int bar, size_t len);
/* Where the BAR is in the device's file, for pread and pwrite. */
uint64_t road_bar_offset(struct road *r, unsigned int bar);

/* A new eventfd that MSI-X vector 0 signals. */
int road_msix_eventfd(struct road *r);

#endif
