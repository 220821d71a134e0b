/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of /dev/iommu share: thin calls, the devices that are there, and worlds.
 *
 * A call returns the errno, 0 for success. A function whose name ends in _ok() breaks off the
 * program if the call fails: it is for what a row needs, not for what it tests.
 */
#ifndef TESTS_ABI_ABI_IOMMUFD_H
#define TESTS_ABI_ABI_IOMMUFD_H

#include "abi_test.h"

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

/* An id that no context gives out in these tests. */
#define ID_NONE 0x7ffffff0u

#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED_RW (IOMMU_IOAS_MAP_FIXED_IOVA | RW)
#define PTR(p) ((uint64_t)(uintptr_t)(p))

/* Opens /dev/iommu, or ends the program with 77. */
int iommufd_open(void);
void fd_close(int fd);

uint32_t ioas_alloc_ok(int fd);
int object_destroy(int fd, uint32_t id);
void object_destroy_ok(int fd, uint32_t id);

/* The id that the next object gets. */
uint32_t next_id(int fd);

int ioas_map(int fd, uint32_t ioas, uint32_t flags, const void *va, uint64_t len, uint64_t *iova);
void ioas_map_ok(int fd, uint32_t ioas, uint32_t flags, const void *va, uint64_t len,
		 uint64_t iova);
int ioas_copy(int fd, uint32_t dst, uint64_t *dst_iova, uint32_t src, uint64_t src_iova,
	      uint64_t len, uint32_t flags);

/* Unmaps; `*bytes`, if not NULL, becomes the number of bytes removed. */
int ioas_unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t len, uint64_t *bytes);

/* Unmaps all and returns how many bytes that was. */
uint64_t ioas_empty(int fd, uint32_t ioas);

struct ranges {
	uint32_t nr;
	uint64_t alignment;
	struct iommu_iova_range range[64];
};

void ioas_ranges(int fd, uint32_t ioas, struct ranges *ranges);
bool ranges_equal(const struct ranges *a, const struct ranges *b);
int ioas_allow(int fd, uint32_t ioas, const struct iommu_iova_range *ranges, uint32_t nr);
int ioas_huge_pages(int fd, uint32_t ioas, uint64_t value);

int hwpt_alloc(int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t *hwpt);
uint32_t hwpt_alloc_ok(int fd, uint32_t dev, uint32_t pt, uint32_t flags);
int fault_alloc(int fd, uint32_t *id, int *fault_fd);

/* Anonymous memory, page by page present, zeroed. */
void *memory_alloc(size_t len);
void memory_free(void *va, size_t len);
int memfd_ok(size_t len);

/* The vfio-pci devices that this machine has, in the order of their addresses. */
struct device {
	char bdf[16];
	char cdev[64];  /* /dev/vfio/devices/vfioN */
	char group[64]; /* /dev/vfio/N */
	int group_nr;
};

/* The n-th device, or NULL. Devices that share a group with an earlier one count too. */
const struct device *device_nth(size_t n);

/* The first device whose group is not that of `other`, or NULL. */
const struct device *device_of_other_group(const struct device *other);

/* The first device, or a skipped row: returns NULL then. */
const struct device *device_or_skip(void);

int cdev_open_ok(const struct device *device);
int cdev_bind(int dev_fd, int iommufd, uint32_t *dev_id);
int cdev_attach(int dev_fd, uint32_t *pt);
int cdev_detach(int dev_fd);

/* A context with a device bound to it, whose id is 1. A row that closes an fd sets it to -1. */
struct bound {
	int fd;
	int dev_fd;
	uint32_t dev;
};

/*
 * Opens both and binds the first device; false after abi_skip() when there is none. Since closing a
 * device resets it, which takes real hardware 100 ms, bound_close() keeps a context in which
 * nothing but the device is left for the next row. bound_forget() closes that too.
 */
bool bound_open(struct bound *bound);
void bound_close(struct bound *bound);
void bound_forget(void);

int hw_info(int fd, uint32_t dev, struct iommu_hw_info *info);
bool has_dirty_tracking(const struct bound *bound);

/* A context with a device attached to an IOAS by an automatic HWPT. */
struct attached {
	struct bound bound;
	uint32_t ioas, hwpt;
};

bool attached_open(struct attached *attached);
void attached_close(struct attached *attached);

/* A range that the IOMMU reserves between two that it allows; else false after abi_skip(). */
bool reserved_range(int fd, uint32_t ioas, struct iommu_iova_range *reserved);

/*
 * A world: a context with two IOASes, whose ids are 1 and 2, holding known areas. What a refused
 * call must leave alone is what world_audit() looks at: the ranges of both, the bytes mapped in
 * both (it takes them away to count them) and the next id that is free.
 */
#define WORLD_IOAS 1u
#define WORLD_OTHER 2u
#define WORLD_NEXT 3u

/* The areas of WORLD_IOAS, all made from world_memory(). WORLD_OTHER has none. */
#define WORLD_AREA_A 0x100000ull /* 4 pages, read and write */
#define WORLD_AREA_B 0x104000ull /* 2 pages, read only, right behind A */
#define WORLD_AREA_C 0x200000ull /* 1 page, read and write */
#define WORLD_PAGES_A 4
#define WORLD_PAGES_B 2
#define WORLD_PAGES_C 1
#define WORLD_BYTES ((WORLD_PAGES_A + WORLD_PAGES_B + WORLD_PAGES_C) * 4096ull)

int world_setup(void);

/* The same, but WORLD_IOAS takes whole pages only, as if a domain were there. */
int world_setup_aligned(void);
void world_audit(int fd);
void world_teardown(int fd);

/* 16 pages that are always there. */
char *world_memory(void);

#endif
