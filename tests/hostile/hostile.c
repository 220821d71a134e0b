/* SPDX-License-Identifier: BSD-3-Clause */
#include "hostile.h"

int failures;

#define CHANCTRL    0x80
#define CHANCMD	    0x84
#define CHANSTS	    0x88
#define CHAINADDR   0x90
#define CHANCMP	    0x98
#define CHANERR	    0xa8
#define CHANERR_INT 0x180 /* in configuration space */

#define CHANCTRL_ERRORS 0x000c
#define CHANCMD_SUSPEND 0x04
#define CHANCMD_RESET	0x20
#define CTL_UPDATE	0x08
#define ACTIVE		0
#define HALTED		3

#define REG(r, type, at) (*(volatile type *)((r)->bar + (at)))

void sleep_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l}, NULL);
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void ring_reset(struct ring *r, unsigned int first)
{
	REG(r, uint8_t, CHANCMD) = CHANCMD_SUSPEND;
	REG(r, uint32_t, CHANERR) = REG(r, uint32_t, CHANERR);
	road_config_write(&r->road, CHANERR_INT, 4, road_config_read(&r->road, CHANERR_INT, 4));
	REG(r, uint8_t, CHANCMD) = CHANCMD_RESET;
	NEED(EVENTUALLY(!(REG(r, uint8_t, CHANCMD) & CHANCMD_RESET)));
	r->count = 0;
	REG(r, uint64_t, CHANCMP) = r->done_iova;
	REG(r, uint16_t, CHANCTRL) = CHANCTRL_ERRORS;
	REG(r, uint64_t, CHAINADDR) = r->desc_iova + first * sizeof(struct desc);
}

void ring_open(struct ring *r, bool cdev, const char *bdf)
{
	static const struct road_match ioat = {.vendor = 0x8086, .device = 0x2021};

	road_open(&r->road, cdev, bdf, &ioat);
	road_enable(&r->road);
	r->bar = road_bar_map(&r->road, 0, BAR_LEN);
	r->desc = road_alloc(&r->road, 2 * PAGE, &r->desc_iova);
	r->done_iova = r->desc_iova + PAGE;
	for (unsigned int i = 0; i < RING; i++)
		r->desc[i] = (struct desc){.next = r->desc_iova + (i + 1) % RING * sizeof(struct desc)};
	ring_reset(r, 0);
}

void ring_aim(struct ring *r, uint64_t src, uint64_t src_step, uint64_t dst, uint64_t dst_step, uint32_t size)
{
	for (unsigned int i = 0; i < RING; i++) {
		r->desc[i].size = size;
		r->desc[i].ctl = i % 16 ? 0 : CTL_UPDATE;
		r->desc[i].src = src + i * src_step;
		r->desc[i].dst = dst + i * dst_step;
	}
}

void ring_go(struct ring *r, uint16_t more)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	r->count = (uint16_t)(r->count + more);
	REG(r, uint16_t, DMACOUNT) = r->count;
}

unsigned int ring_done(const struct ring *r)
{
	return (unsigned int)(((REG(r, uint64_t, CHANSTS) & ~0x3full) - r->desc_iova) / sizeof(struct desc));
}

bool ring_halted(const struct ring *r)
{
	return (REG(r, uint64_t, CHANSTS) & 7) == HALTED;
}

bool ring_idle(const struct ring *r)
{
	return (REG(r, uint64_t, CHANSTS) & 7) != ACTIVE;
}

uint32_t ring_errors(const struct ring *r)
{
	return REG(r, uint32_t, CHANERR);
}

void ring_close(struct ring *r)
{
	munmap((void *)r->bar, BAR_LEN);
	munmap(r->desc, 2 * PAGE);
	road_close(&r->road);
}

int road_map(struct road *r, const void *va, uint64_t len, uint64_t iova, bool write)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | (write ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = r->ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma),
		.flags = VFIO_DMA_MAP_FLAG_READ | (write ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};
	int rc = r->cdev ? ioctl(r->iommu, IOMMU_IOAS_MAP, &map) : ioctl(r->iommu, VFIO_IOMMU_MAP_DMA, &dma);

	return rc ? errno : 0;
}

int road_unmap(struct road *r, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = r->ioas, .iova = iova, .length = len};
	struct vfio_iommu_type1_dma_unmap dma = {.argsz = sizeof(dma), .iova = iova, .size = len};
	int rc = r->cdev ? ioctl(r->iommu, IOMMU_IOAS_UNMAP, &unmap) : ioctl(r->iommu, VFIO_IOMMU_UNMAP_DMA, &dma);

	return rc ? errno : 0;
}
