/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI function: configuration space, BARs, interrupts, reset, and the worker on which its model
 * does DMA.
 *
 * Registers. A BAR is shared memory that the program may have mapped read-only; the model keeps
 * that memory as the program is to read it (pci_bar_store*()), and is told of every write
 * (pci_model.bar_write) before the writing instruction is done. Pages whose reads have side effects
 * are marked (PCI_PAGE_TRAP_READS) and reach pci_model.bar_read.
 *
 * Threads. dev->lock guards registers, configuration space and model state; bar_read, bar_write,
 * config_written, quiet and reset are called with it held, on whatever thread the access came from,
 * and do no DMA. pci_model.work runs on the device's worker thread, without the lock, and is the
 * only place that does DMA; it takes pci_lock() for short looks at shared state. The worker starts
 * at the first pci_kick(). Order of locks: dev->lock, then irq_lock, then what pci_irq_ops takes;
 * the worker's own lock is a leaf.
 *
 * When it returns, it is over. Reset, destruction and a register write that asked for
 * pci_when_quiet() make the worker leave work() (which polls pci_stopping() between pieces).
 * Clearing COMMAND's Bus Master, or leaving D0, gates the port: DMA faults from then on, and none
 * runs when the write returns; the model goes on and meets the faults.
 */
#ifndef IOAS_DEVICES_PCI_H
#define IOAS_DEVICES_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "base/refuse.h"
#include "dma/dma.h"

#define PCI_CONFIG_SIZE	    256
#define PCIE_CONFIG_SIZE    4096
#define PCI_NUM_BARS	    6
#define PCI_MAX_MSIX	    2048
#define PCI_PAGE_TRAP_READS 1 /* loads of this page reach bar_read */
#define PCI_PAGE_PLAIN	    2 /* loads and stores reach the memory only: no model behind it */

struct pci_dev;

struct pci_model {
	const char *name;	       /* as in --device NAME */
	const char *summary;	       /* one line for `ioas devices` */
	const struct option_key *keys; /* model's own; bdf= and group= are everybody's */
	/* Sets up identity, BARs and capabilities with the pci_add_*() calls; stores its state with
	 * pci_set_model_data(). */
	int (*create)(struct pci_dev *dev, const struct options *o, char *why, size_t why_len);
	/* The same for virtual function dev->vf_index of dev->pf. NULL: the model has none. */
	int (*create_vf)(struct pci_dev *dev, char *why, size_t why_len);
	void (*destroy)(struct pci_dev *dev); /* worker gone */
	void (*reset)(struct pci_dev *dev); /* FLR and first power-on: to power-on values; worker is
					       quiet, lock held */
	/* @size 1, 2, 4 or 8, naturally aligned. NULL: what lies in the BAR's memory. */
	uint64_t (*bar_read)(struct pci_dev *dev, unsigned int bar, uint64_t off,
			     unsigned int size);
	/* As bar_read. NULL: stored in the BAR's memory. The memory is *not* changed before: the
	 * model stores what it wants seen. */
	void (*bar_write)(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
			  uint64_t val);
	/* Bytes of configuration space are about to be read, or were written. May be NULL. */
	void (*config_read)(struct pci_dev *dev, unsigned int off, unsigned int len);
	void (*config_written)(struct pci_dev *dev, unsigned int off, unsigned int len);
	/* What a bar_write that called pci_when_quiet() has to do with the worker outside work().
	 * NULL: never called. */
	void (*quiet)(struct pci_dev *dev);
	/* Do a bounded piece of work; true: there is more. On the worker, between dma_begin() and
	 * dma_end(). May be NULL. */
	bool (*work)(struct pci_dev *dev);
};

/* The table of models, ended by NULL (models.c). */
extern const struct pci_model *const pci_models[];
const struct pci_model *pci_model_find(const char *name);

enum pci_irq { PCI_INTX, PCI_MSI, PCI_MSIX, PCI_ERR, PCI_REQ, PCI_NUM_IRQS };

struct pci_bar {
	uint64_t size; /* 0: not there */
	bool is_io, is_64, prefetch;
	char *mem;	/* size rounded up to pages; shared memory, the engine's writable alias */
	uint8_t *pages; /* PCI_PAGE_ flags, one for each page */
};

/* Who runs the interrupts (the VFIO device file); called on any thread, must not call back into the
 * device. */
struct pci_irq_ops {
	void (*raise)(void *arg, enum pci_irq kind,
		      unsigned int vector); /* MSI, MSI-X: one message; INTx: level went up */
	void (*lower)(void *arg);	    /* INTx: level went down */
};

/* What the device needs of its surroundings; every member has a default (anonymous shared memory,
 * pthreads). */
struct pci_host_ops {
	/* Shared, zeroed, page aligned memory that the door can map a second time. */
	void *(*shm_alloc)(void *arg, uint64_t len);
	void (*shm_free)(void *arg, void *p, uint64_t len);
	/* open(2) with O_CLOEXEC, where the program's own fds are not in the way. fd or -errno;
	 * closed with close(2). */
	int (*file_open)(void *arg, const char *path, int flags);
	/* Start a thread with all signals blocked and the name @name (15 characters). 0 or -errno.
	 */
	int (*thread_start)(void *arg, pthread_t *t, const char *name, void *(*fn)(void *),
			    void *fn_arg);
};

struct net_hubs;

struct pci_config {
	struct net_hubs *hubs; /* devices/virtio/hub.h; NULL: no network devices */
	uint16_t rid;	       /* bus << 8 | device << 3 | function */
	uint16_t domain;       /* PCI segment */
	struct requester *requester;
	struct memory *memory;
	const struct sink *sink;
	const struct pci_host_ops *ops;
	void *ops_arg;
};

/* What pci_add_sriov() is told; bars: of each virtual function, mem and pages NULL. */
struct pci_sriov_config {
	unsigned int total;
	uint16_t device; /* ID of the virtual functions */
	struct pci_bar bars[PCI_NUM_BARS];
};

struct pci_sriov {
	unsigned int cap; /* offset; 0: absent */
	struct pci_sriov_config cfg;
	pthread_mutex_t lock; /* vfs; taken before the lock of any of them */
	struct pci_dev **vfs; /* those that were made */
};

struct pci_dev {
	const struct pci_model *model;
	void *model_data;
	struct pci_config cfg;
	struct pci_host_ops ops; /* cfg.ops with the defaults filled in */
	char name[16];		 /* 0000:01:00.0 */
	struct dma_peer peer;	 /* target side of other devices' DMA */
	struct dma_port port;
	pthread_mutex_t lock;
	uint8_t config[PCIE_CONFIG_SIZE];
	uint8_t wmask[PCIE_CONFIG_SIZE];   /* bits that a write changes */
	uint8_t w1cmask[PCIE_CONFIG_SIZE]; /* bits that a written 1 clears */
	unsigned int config_len;
	struct pci_bar bars[PCI_NUM_BARS];
	unsigned int msi_cap, msix_cap, pcie_cap, pm_cap; /* offsets; 0: absent */
	unsigned int msix_vectors, msix_bar;
	uint64_t msix_table, msix_pba;	      /* offsets in msix_bar */
	uint8_t cap_end[PCI_CONFIG_SIZE / 4]; /* by offset / 4: where the capability there ends, for
						 placing the next */
	unsigned int ext_cap_len; /* of the last extended capability */
	unsigned int pasid_cap;	  /* offset; 0: absent */
	pthread_mutex_t irq_lock;
	const struct pci_irq_ops *irq_ops; /* under irq_lock; NULL: interrupts go nowhere */
	void *irq_arg;
	bool intx_level;   /* under irq_lock; read atomically */
	bool quiet_wanted; /* the register write that is being carried out calls model->quiet before
			      it returns */
	struct pci_worker *worker;
	struct pci_sriov sriov;
	struct pci_dev *pf; /* NULL: not a virtual function */
	unsigned int vf_index;
};

/* @text: "nvme,file=disk.img,...", without bdf= and group=. 0, -EINVAL with a sentence in @why,
 * -ENOMEM, or the model's errno. */
int pci_create(const struct pci_model *model, const char *text, const struct pci_config *cfg,
	       struct pci_dev **out, char *why, size_t why_len);
/* A virtual function of @pf, which must outlive it; @cfg->rid is pci_vf_rid(). */
int pci_create_vf(struct pci_dev *pf, unsigned int index, const struct pci_config *cfg,
		  struct pci_dev **out, char *why, size_t why_len);
void pci_destroy(struct pci_dev *dev);
uint16_t pci_vf_rid(uint16_t pf_rid, unsigned int index);
/* How many virtual functions the host has enabled, as PF's capability tells. */
void pci_set_num_vfs(struct pci_dev *pf, unsigned int n);

/* For models, in create(). */
struct pci_ids {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits: base, sub, interface */
	uint8_t revision;
	bool pcie; /* 4096 bytes of configuration space and an endpoint capability with FLR */
};
void pci_set_ids(struct pci_dev *dev, const struct pci_ids *ids);
int pci_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size, bool is_64, bool prefetch);
int pci_add_io_bar(struct pci_dev *dev, unsigned int bar, uint32_t size); /* never mappable */
/* Give the pages of [off, off + len) these flags. */
void pci_set_page_flags(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
			uint8_t flags);
/* Returns the offset of a capability of @len bytes (ID and next included), 0 when there is no room.
 * Bits of @wmask (may be NULL) are writable. */
unsigned int pci_add_cap(struct pci_dev *dev, uint8_t id, const void *body, const void *wmask,
			 unsigned int len);
/* The same in the extended space. */
unsigned int pci_add_ext_cap(struct pci_dev *dev, uint16_t id, unsigned int version,
			     const void *body, const void *wmask, unsigned int len);
/* The function can send requests with PASIDs of @bits (dma_port.pasid), while pci_pasid_enabled(). */
int pci_add_pasid(struct pci_dev *dev, unsigned int bits);
/* The function asks for translations and keeps them, and asks for pages if @pri, where its IOMMU can answer. */
int pci_add_ats(struct pci_dev *dev, bool pri);
int pci_add_sriov(struct pci_dev *dev, const struct pci_sriov_config *cfg, char *why,
		  size_t why_len);
int pci_add_msi(struct pci_dev *dev, unsigned int vectors, bool maskable);
int pci_add_msix(struct pci_dev *dev, unsigned int bar, unsigned int vectors, uint64_t table,
		 uint64_t pba);
void pci_set_intx_pin(struct pci_dev *dev, unsigned int pin); /* 1: INTA */
static inline void *pci_model_data(struct pci_dev *dev)
{
	return dev->model_data;
}
static inline void pci_set_model_data(struct pci_dev *dev, void *data)
{
	dev->model_data = data;
}

/* For models, at run time. */
static inline void pci_lock(struct pci_dev *dev)
{
	pthread_mutex_lock(&dev->lock);
}
static inline void pci_unlock(struct pci_dev *dev)
{
	pthread_mutex_unlock(&dev->lock);
}
/* Store what the program is to read; single-copy atomic. Lock held, or from the worker for fields
 * that only it writes. */
void pci_bar_store32(struct pci_dev *dev, unsigned int bar, uint64_t off, uint32_t val);
void pci_bar_store64(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t val);
uint32_t pci_bar_load32(struct pci_dev *dev, unsigned int bar, uint64_t off);
/* There is work. Starts the worker when it is not there yet; any thread, lock held or not. */
void pci_kick(struct pci_dev *dev);
/* The worker is asked to leave work() soon. */
bool pci_stopping(struct pci_dev *dev);
/*
 * In bar_write, with the lock: before the writing instruction is done the worker is made to leave
 * work(), and model->quiet called. The model's other entry points may come in between.
 */
static inline void pci_when_quiet(struct pci_dev *dev)
{
	dev->quiet_wanted = true;
}
/* Raise MSI-X or MSI vector @vector (whichever the driver enabled), or INTx when neither is. Lock
 * held or not. */
void pci_raise(struct pci_dev *dev, unsigned int vector);
/* Drive the INTx pin. Lock held or not: two threads that may drive it at once decide the level
 * under the lock. */
void pci_set_intx(struct pci_dev *dev, bool level);
bool pci_pasid_enabled(const struct pci_dev *dev);
bool pci_msix_enabled(struct pci_dev *dev);
bool pci_msi_enabled(struct pci_dev *dev);
static inline struct dma_port *pci_port(struct pci_dev *dev)
{
	return &dev->port;
}

/* For the VFIO device file (abi/). Each takes the lock. */
/* A configuration write with the device's own masks; virtualisation is abi/'s. */
void pci_config_write(struct pci_dev *dev, unsigned int off, unsigned int len, const void *data);
void pci_config_read(struct pci_dev *dev, unsigned int off, unsigned int len, void *data);
/* COMMAND.MSE, and D0; the worker of a disabled BAR goes on. */
bool pci_memory_enabled(struct pci_dev *dev);
/*
 * A register access of any length and alignment: cut into naturally aligned pieces of at most 8
 * bytes, ascending. Bytes beyond the BAR's size are not touched (the caller checked).
 */
void pci_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int len,
		   const void *data);
void pci_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int len,
		  void *data);
/* The same for models that are reached by another way (config_read, config_written): lock held. */
void pci_bar_write_locked(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int len,
			  const void *data);
void pci_bar_read_locked(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int len,
			 void *data);
/* Function reset: worker quiet, then the model's reset; then the virtual functions'. Configuration
 * space stays as it is: vfio-pci saves and restores it. */
void pci_reset(struct pci_dev *dev);
void pci_set_irq_ops(struct pci_dev *dev, const struct pci_irq_ops *ops, void *arg);
/* Set or clear the enable bit of MSI or MSI-X, or INTx's "not disabled", which the host's kernel
 * owns (SET_IRQS). */
void pci_irq_enable(struct pci_dev *dev, enum pci_irq kind, bool on);
/* The pin's level now: the model drives it and nothing in configuration space keeps it down (for
 * unmasking). */
bool pci_intx_asserted(struct pci_dev *dev);
unsigned int pci_irq_count(struct pci_dev *dev, enum pci_irq kind);

#endif
