/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the NVMe controller.
 *
 * Threads. Queues, features, logs and namespaces belong to the worker, which changes what register
 * accesses look at (CSTS, queues' existence, sizes and tails) under the device's lock, or
 * atomically. Register accesses change only the register values in struct nvme and doorbells.
 *
 * Virtual functions are controllers of the same subsystem, with resources of their own: nothing has
 * to be assigned to them. The namespaces are the physical function's, and all controllers' workers
 * use them at once.
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
#define NVME_MSIX_TABLE	    0x2000 /* in BAR 0, behind the doorbells */
#define NVME_MSIX_PBA	    0x3000
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
	bool notify; /* a completion was posted whose interrupt is still to be sent */
	uint16_t vector;
	uint32_t size;
	uint32_t tail; /* atomic */
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
	unsigned int lba_lg2; /* Format changes it beside other controllers' commands: atomic */
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
	uint64_t reads, writes, read_bytes, written_bytes;
};

struct nvme {
	struct pci_dev *dev;
	/* Registers; under the device's lock. */
	uint32_t cc, csts, intm;
	uint32_t aqa;
	uint64_t asq, acq, cap;
	bool reset_wanted;	  /* CC.EN fell */
	bool shutdown_wanted;	  /* CC.SHN was written; until the shutdown is over */
	bool changed;		  /* the worker is to look at all this; atomic */
	uint32_t doorbell_errors; /* asynchronous events that bad doorbells asked for: bit =
				     NVME_AE_INVALID_ value; atomic */

	struct nvme_sq sq[NVME_MAX_QUEUES + 1];
	struct nvme_cq cq[NVME_MAX_QUEUES + 1];
	unsigned int nr_queues; /* I/O queue pairs that may be made */
	unsigned int page_lg2;	/* CC.MPS */
	struct nvme_namespace *ns; /* NVME_MAX_NAMESPACES: own_ns, or those of the physical function */
	struct nvme_namespace own_ns[NVME_MAX_NAMESPACES];
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

/* A command that takes long gives up when this says so: nobody waits for its completion any more.
 */
static inline bool nvme_interrupted(const struct nvme *n)
{
	return pci_stopping(n->dev) || __atomic_load_n(&n->changed, __ATOMIC_ACQUIRE);
}

static inline bool nvme_cq_full(const struct nvme_cq *cq)
{
	return (cq->tail + 1) % cq->size == __atomic_load_n(&cq->head, __ATOMIC_ACQUIRE);
}

/* setup.c: see struct pci_model. */
extern const struct option_key nvme_keys[];
int nvme_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len);
int nvme_create_vf(struct pci_dev *dev, char *why, size_t why_len);
void nvme_destroy(struct pci_dev *dev);

/* transfer.c: between the command's data pointer (PRPs or SGLs) and engine memory. Status code. */
uint16_t nvme_to_host(struct nvme *n, const struct nvme_cmd *cmd, const void *data, uint32_t len);
uint16_t nvme_from_host(struct nvme *n, const struct nvme_cmd *cmd, void *data, uint32_t len);

/* admin.c, identify.c, features.c, log.c, io.c. Status code without the phase. */
uint16_t nvme_admin(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_identify(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_get_features(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_set_features(struct nvme *n, struct nvme_cmd *cmd);
void nvme_features_reset(struct nvme *n);
/* Does the temperature cross the threshold on either side (1: over, 2: under)? */
unsigned int nvme_temperature_warning(const struct nvme *n);
uint16_t nvme_get_log_page(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_format(struct nvme *n, struct nvme_cmd *cmd);
uint16_t nvme_io(struct nvme *n, struct nvme_cmd *cmd);

static inline unsigned int nvme_ns_lba_lg2(const struct nvme_namespace *ns)
{
	return __atomic_load_n(&ns->lba_lg2, __ATOMIC_RELAXED);
}

/* NULL when there is none of this number, or none that is active. */
struct nvme_namespace *nvme_ns(struct nvme *n, uint32_t nsid);
/* Why nvme_ns() is NULL (section 6.1.5). */
uint16_t nvme_no_ns(uint32_t nsid);

/* events.c, on the worker. Events wait for a request, and both for room in the completion queue
 * (nvme_events_deliver()). */
void nvme_event(struct nvme *n, unsigned int type, unsigned int info, unsigned int log);
uint16_t nvme_async_event(struct nvme *n, struct nvme_cmd *cmd);
/* An outstanding request is completed as aborted. False: no such one, or no room for two
 * completions now. */
bool nvme_async_event_abort(struct nvme *n, uint16_t cid);
void nvme_event_log_read(struct nvme *n, unsigned int log);
void nvme_events_deliver(struct nvme *n);
void nvme_events_reset(struct nvme *n);

/* nvme.c: post a completion on the queue of @sqid, which has room. */
void nvme_complete(struct nvme *n, uint16_t sqid, uint16_t cid, uint32_t dw0, uint16_t status);
void nvme_log_error(struct nvme *n, const struct nvme_cmd *cmd, uint16_t status);

/* backend.c. 0 or -errno. */
struct nvme_ns_config {
	struct pci_dev *dev;
	unsigned int nsid, lba_lg2;
	const char *file; /* NULL: memory */
	uint64_t size;
	bool readonly;
};
int nvme_ns_open(struct nvme_namespace *ns, const struct nvme_ns_config *cfg, char *why,
		 size_t why_len);
void nvme_ns_close(struct nvme_namespace *ns);
/* The bytes where they lie, or read into @buf; NULL: could not be read. */
const void *nvme_ns_read(struct nvme_namespace *ns, void *buf, uint64_t off, uint32_t len);
/* @durable: on stable storage when it returns. */
int nvme_ns_write(struct nvme_namespace *ns, const void *buf, uint64_t off, uint32_t len,
		  bool durable);
/* @deallocate: give the space back if that can be done. Asked in pieces: one may have to be
 * written. */
#define NVME_ZERO_PIECE (256u << 20)
int nvme_ns_zero(struct nvme_namespace *ns, uint64_t off, uint64_t len, bool deallocate);
/* Give the space back if that can be done; then the range reads as zeroes. */
int nvme_ns_discard(struct nvme_namespace *ns, uint64_t off, uint64_t len);
int nvme_ns_flush(struct nvme_namespace *ns);

#endif
