/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device does on the bus: memory reads and writes by IOVA, through its requester.
 *
 * A port belongs to one device and is used by one thread at a time (the device's worker). A copy is
 * cut at DMA_PIECE bytes and translated again between pieces, so that a change waits for one piece
 * at most. DMA to another device's BAR is a posted write queued to that device or a read of its
 * register file; no lock of the initiator is held.
 */
#ifndef IOAS_DMA_DMA_H
#define IOAS_DMA_DMA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iommu/iommu.h"

#define DMA_PIECE 65536u

/* A device whose BARs can be the target of DMA (struct memory_bar.device points to one). */
struct dma_peer {
	const struct dma_peer_ops *ops;
};
struct dma_peer_ops {
	/* Queue a posted write of at most 8 naturally aligned bytes; never runs the model on this
	 * thread. -EFAULT: not enabled. */
	int (*write)(struct dma_peer *p, uint32_t bar, uint64_t offset, const void *data,
		     unsigned int size);
	/* Read the register file as it stands, without side effects. */
	int (*read)(struct dma_peer *p, uint32_t bar, uint64_t offset, void *data,
		    unsigned int size);
};

struct dma_stats {
	uint64_t reads, writes, read_bytes, written_bytes, faults;
};

/* A write that an interrupt may overtake (--inject irq-before-data). */
#define DMA_HELD_MAX 64
struct dma_held {
	uint64_t iova;
	uint32_t pasid;
	uint32_t len;	  /* 0: none; atomic */
	pthread_t thread; /* of the DMA; atomic */
	char data[DMA_HELD_MAX];
};

struct dma_port {
	struct requester *requester;
	struct memory *memory;
	const bool *ats; /* the requester's */
	bool bus_master; /* use dma_set_bus_master() */
	/* Of the requests that follow; IOMMU_NO_PASID: without. Set by the thread that uses the port, between transfers. */
	uint32_t pasid;
	/*
	 * Takes a 4-byte write into the interrupt window, outside any section; -EFAULT refuses it.
	 * NULL: every such write is a fault, as with an empty interrupt remapping table. Set before
	 * DMA.
	 */
	int (*msi)(void *arg, uint64_t address, uint32_t data);
	void *msi_arg;
	void *watcher; /* the sanitizer's (observe/sanitize.h), for itself; the DMA thread's */
	struct dma_held held;
	struct dma_stats stats; /* written by the DMA thread; dma_get_stats() from any */
};

void dma_port_init(struct dma_port *p, struct requester *r, struct memory *m);

/* Bracket a stretch of work on the DMA thread. */
void dma_begin(struct dma_port *p);
void dma_end(struct dma_port *p);

/*
 * Switch bus mastering. Off returns when no DMA of this port is running, from any thread but the
 * worker's own section.
 */
void dma_set_bus_master(struct dma_port *p, bool on);

/*
 * Read @len bytes at @iova into @dst, or write them from @src. Between dma_begin() and dma_end().
 * Returns 0, or -EFAULT when a byte could not be reached (the fault is reported; earlier bytes may
 * have moved, later ones have not). Naturally aligned 1, 2, 4 and 8 byte accesses are single-copy
 * atomic, and writes are seen in the order in which they are made.
 */
int dma_read(struct dma_port *p, uint64_t iova, void *dst, size_t len);
int dma_write(struct dma_port *p, uint64_t iova, const void *src, size_t len);
/* Fill with a repeated 64-bit pattern (byte i of the range is byte i % 8 of @pattern). */
int dma_fill(struct dma_port *p, uint64_t iova, uint64_t pattern, size_t len);

/*
 * Raises an interrupt by @raise, on any thread. On the DMA thread what was written last may have
 * been held back, and comes after it if the injector says so.
 */
void dma_raise(struct dma_port *p, void (*raise)(void *arg), void *arg);

void dma_get_stats(const struct dma_port *p, struct dma_stats *out);

#endif
