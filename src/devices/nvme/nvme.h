/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the NVMe controller.
 *
 * Threads. Queues, features, logs and namespaces belong to the worker, which changes what register accesses look at
 * (queues' existence, sizes and doorbells) under the device's lock. Register accesses change only the register values in
 * struct nvme and doorbells.
 */
#ifndef IOAS_DEVICES_NVME_NVME_H
#define IOAS_DEVICES_NVME_NVME_H

#include "devices/nvme/spec.h"
#include "devices/pci.h"

#define NVME_MAX_QUEUES	    64 /* I/O queue pairs; 0 is the admin queue */
#define NVME_MAX_ENTRIES    1024
#define NVME_MAX_NAMESPACES 4
#define NVME_MDTS	    7 /* 2^7 pages of 4 KiB */
#define NVME_MAX_TRANSFER   (4096u << NVME_MDTS)
#define NVME_MAX_AER	    4
#define NVME_ERROR_ENTRIES  64
#define NVME_TEMPERATURE    323 /* Kelvin: what the drive reports */

struct nvme_sq {
	bool exists;
	uint16_t cqid;
	uint32_t size, head;
	uint32_t tail; /* doorbell; atomic */
	uint64_t base;
};

struct nvme_cq {
	bool exists, phase, ien;
	uint16_t vector;
	uint32_t size, tail;
	uint32_t head; /* doorbell; atomic */
	uint32_t nr_sqs;
	uint64_t base;
};

/* Where a namespace's bytes are: a file, or memory when fd is -1. */
struct nvme_namespace {
	bool exists, readonly;
	int fd;
	char *ram;
	uint64_t bytes;
	unsigned int lba_lg2;
	uint8_t uuid[16];
};

struct nvme_error_entry {
	uint64_t count;
	uint16_t sqid, cid, status, location;
	uint64_t lba;
	uint32_t nsid;
};

struct nvme_features {
	uint32_t arbitration, power, error_recovery, coalescing, atomicity, async_events;
	uint16_t over_temperature, under_temperature;
	bool write_cache;
	uint32_t vectors[NVME_MAX_QUEUES + 1];
};

struct nvme_smart {
	uint64_t reads, writes, read_bytes, written_bytes, power_cycles, unsafe_shutdowns;
};

struct nvme {
	struct pci_dev *dev;
	/* Registers; under the device's lock. */
	uint32_t cc, csts, intm;
	uint32_t aqa;
	uint64_t asq, acq, cap;
	bool shutdown_wanted;
	uint32_t doorbell_errors; /* asynchronous events that bad doorbells asked for: bit = NVME_AE_INVALID_ value */

	struct nvme_sq sq[NVME_MAX_QUEUES + 1];
	struct nvme_cq cq[NVME_MAX_QUEUES + 1];
	unsigned int nr_queues; /* I/O queue pairs that may be made */
	unsigned int page_lg2;	/* CC.MPS */
	struct nvme_namespace ns[NVME_MAX_NAMESPACES];
	struct nvme_features features;
	struct nvme_smart smart;
	struct nvme_error_entry errors[NVME_ERROR_ENTRIES];
	uint64_t nr_errors;
	uint16_t aer_cid[NVME_MAX_AER];
	unsigned int nr_aer;
	uint32_t events[8]; /* completion dword 0 of events that wait for a request */
	unsigned int nr_events;
	uint32_t event_masked; /* types that wait for their log page to be read */
	char serial[21];
	uint8_t *buffer; /* NVME_MAX_TRANSFER */
	uint8_t *compare;
};

/* One command being carried out. */
struct nvme_cmd {
	struct nvme_sqe e; /* in host byte order */
	uint16_t sqid;
	uint32_t dw0;
	bool no_completion; /* an asynchronous event request that stays outstanding */
};

/* transfer.c: between the command's data pointer (PRPs or SGLs) and engine memory. Status code. */
uint16_t nvme_to_host(struct nvme *n, const struct nvme_cmd *cmd, const void *data, uint32_t len);
uint16_t nvme_from_host(struct nvme *n, const struct nvme_cmd *cmd, void *data, uint32_t len);

/* admin.c, identify.c, features.c, log.c, io.c. Status code without the phase. */
uint16_t nvme_admin(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_identify(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_get_features(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_set_features(struct nvme *n, struct nvme_cmd *cmd);
void nvme_features_reset(struct nvme *n);
uint16_t nvme_get_log_page(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_format(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_io(struct nvme *n, struct nvme_cmd *cmd);

/* NULL when there is none of this number. */
struct nvme_namespace *nvme_ns(struct nvme *n, uint32_t nsid);

/* events.c: an asynchronous event, completing a waiting request or kept for the next. On the worker. */
void nvme_event(struct nvme *n, unsigned int type, unsigned int info, unsigned int log);
uint16_t nvme_async_event(struct nvme *n, struct nvme_cmd *cmd);
void nvme_event_log_read(struct nvme *n, unsigned int log);
void nvme_events_reset(struct nvme *n);

/* nvme.c: post a completion on the queue of @sqid. */
void nvme_complete(struct nvme *n, uint16_t sqid, uint16_t cid, uint32_t dw0, uint16_t status);
void nvme_log_error(struct nvme *n, const struct nvme_cmd *cmd, uint16_t status);

/* backend.c. 0 or -errno. */
int nvme_ns_open(struct pci_dev *dev, struct nvme_namespace *ns, const char *file, uint64_t size, bool readonly,
		 char *why, size_t why_len);
void nvme_ns_close(struct nvme_namespace *ns);
int nvme_ns_read(struct nvme_namespace *ns, void *buf, uint64_t off, uint32_t len);
/* @durable: on stable storage when it returns. */
int nvme_ns_write(struct nvme_namespace *ns, const void *buf, uint64_t off, uint32_t len, bool durable);
int nvme_ns_zero(struct nvme_namespace *ns, uint64_t off, uint64_t len);
/* Deallocate: the range reads as zeroes from now on. */
int nvme_ns_discard(struct nvme_namespace *ns, uint64_t off, uint64_t len);
int nvme_ns_flush(struct nvme_namespace *ns);

#endif
