/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread on which a device's model works and does DMA. Started at the first kick; sleeps when
 * there is nothing to do.
 */
#ifndef IOAS_DEVICES_WORKER_H
#define IOAS_DEVICES_WORKER_H

#include "devices/pci.h"

int worker_create(struct pci_dev *dev, struct pci_worker **out);
/* Ends the thread. Kicks and posted writes may still come, and do nothing. */
void worker_stop(struct pci_worker *w);
void worker_destroy(struct pci_worker *w); /* stopped */

/* Something to do. Any thread. */
void worker_kick(struct pci_worker *w);
/* The same for what matters only to a worker that is there already. */
void worker_nudge(struct pci_worker *w);

/*
 * Keep the worker out of work() until worker_resume(): returns when it has left. Pauses nest.
 * Called from the worker itself (a register write that another device posted) it only counts.
 */
void worker_pause(struct pci_worker *w);
void worker_resume(struct pci_worker *w);
/* A pause or the end is wanted: leave work() soon. */
bool worker_stopping(const struct pci_worker *w);

/* Queue a posted write of another device to this one's BAR; delivered on this worker. -ENOMEM when
 * the queue is full. */
int worker_post(struct pci_worker *w, uint32_t bar, uint64_t offset, uint64_t data,
		unsigned int size);
void worker_forget_posted(struct pci_worker *w);

#endif
