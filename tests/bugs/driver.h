/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver in miniature, for programs that each have one bug: an I/OAT engine that copies memory,
 * its ring and its completion word mapped for it, and DMA mappings at IOVAs that the program
 * chooses. Nothing here knows of ioas: with an I/OAT device bound to vfio-pci the programs run on
 * Linux as well.
 *
 * What a program has wrong is at the line marked BUG, with the kind of finding; MAP marks where the
 * mapping was made that the report must name, with its first and last IOVA and permissions; UNMAP
 * where it was removed. Built with -DFIXED the same program is right.
 */
#ifndef TESTS_BUGS_DRIVER_H
#define TESTS_BUGS_DRIVER_H

#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "../nesting/engine.h"
#include "vfio_road.h"

#define PAGE	  4096ul
#define RING_IOVA 0x100000ul
#define DONE_IOVA 0x200000ul

enum { TYPE1, IOMMUFD };
/* What the device may do. */
enum { MAY_READ = 1, MAY_WRITE = 2, MAY_BOTH = 3 };

struct driver {
	struct road road;
	struct engine engine;
};

/* Whole pages, as most drivers take for DMA. */
static inline void *dma_pages(size_t len)
{
	void *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED)
		err(1, "%zu bytes of memory", len);
	memset(va, 0x5a, len);
	return va;
}

static inline int try_dma_map(struct driver *d, void *va, size_t len, uint64_t iova, int may)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA |
			 (may & MAY_READ ? IOMMU_IOAS_MAP_READABLE : 0) |
			 (may & MAY_WRITE ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = d->road.ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};
	struct vfio_iommu_type1_dma_map map1 = {
		.argsz = sizeof(map1),
		.flags = (may & MAY_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (may & MAY_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	return d->road.cdev ? ioctl(d->road.iommu, IOMMU_IOAS_MAP, &map)
			    : ioctl(d->road.iommu, VFIO_IOMMU_MAP_DMA, &map1);
}

static inline void dma_map(struct driver *d, void *va, size_t len, uint64_t iova, int may)
{
	if (try_dma_map(d, va, len, iova, may))
		err(1, "mapping %zu bytes at 0x%jx", len, (uintmax_t)iova);
}

/* How much went: type1 says so, and many programs do not look. */
static inline uint64_t dma_unmap(struct driver *d, uint64_t iova, size_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = d->road.ioas, .iova = iova, .length = len};
	struct vfio_iommu_type1_dma_unmap unmap1 = {
		.argsz = sizeof(unmap1), .iova = iova, .size = len};

	if (d->road.cdev ? ioctl(d->road.iommu, IOMMU_IOAS_UNMAP, &unmap)
			 : ioctl(d->road.iommu, VFIO_IOMMU_UNMAP_DMA, &unmap1))
		err(1, "unmapping %zu bytes at 0x%jx", len, (uintmax_t)iova);
	return d->road.cdev ? unmap.length : unmap1.size;
}

/* The device reads its ring and writes its completions. */
static inline void driver_start(struct driver *d)
{
	d->engine = (struct engine){.bar = road_bar_map(&d->road, 0, 0),
				    .ring = dma_pages(PAGE),
				    .done = dma_pages(PAGE),
				    .iova_ring = RING_IOVA,
				    .iova_done = DONE_IOVA};
	dma_map(d, d->engine.ring, PAGE, RING_IOVA, MAY_READ);
	dma_map(d, d->engine.done, PAGE, DONE_IOVA, MAY_WRITE);
	engine_start(&d->engine);
}

static inline void driver_open(struct driver *d, int road)
{
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};

	road_open(&d->road, road == IOMMUFD, NULL, &ioat);
	road_enable(&d->road);
	driver_start(d);
}

/* Copies, and says how that went; a channel that has halted is started again. */
static inline void dma_copy(struct driver *d, uint64_t dst, uint64_t src, uint32_t len)
{
	bool ok = engine_copy(&d->engine, dst, src, len);

	printf("copy of %u bytes from 0x%jx to 0x%jx: %s\n", len, (uintmax_t)src, (uintmax_t)dst,
	       ok ? "done" : "halted");
	if (!ok)
		engine_start(&d->engine);
}

static inline void driver_stop(struct driver *d)
{
	dma_unmap(d, RING_IOVA, PAGE);
	dma_unmap(d, DONE_IOVA, PAGE);
}

static inline void driver_close(struct driver *d)
{
	driver_stop(d);
	road_close(&d->road);
}

#endif
