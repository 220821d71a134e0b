/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the VFIO device: the open device that all fds share, and what its files offer each other.
 */
#ifndef IOAS_ABI_VFIO_DEVICE_H
#define IOAS_ABI_VFIO_DEVICE_H

#include <pthread.h>

#include "abi/vfio.h"

#define VFIO_PCI_VECTORS PCI_MAX_MSIX

/* Interrupts as SET_IRQS left them. @lock is a leaf: models raise with it, on their workers. */
struct vfio_irqs {
	pthread_mutex_t lock;
	int kind;			/* enum pci_irq of the active one of INTx, MSI, MSI-X; -1: none */
	struct abi_eventfd **vectors;	/* of that kind; NULL entries are silent */
	unsigned int nr_vectors;
	bool intx_masked;
	struct abi_eventfd *unmask;	/* INTx: unmasked by an eventfd */
	struct abi_eventfd *err, *req;
};

struct vfio_device {
	struct host_device *hdev;
	struct pci_dev *pci;
	unsigned int opens;	/* fds; under the host's open_lock */
	struct idevice *idev;	/* NULL behind a legacy container */
	pthread_mutex_t lock;	/* commands: attachment, SET_IRQS, ioeventfds, power */
	bool attached, pasid0;	/* what the device file knows of its attachment (13.3) */
	bool low_power;
	struct abi_eventfd *wake; /* told when something wakes the device; read without the lock */
	struct vfio_irqs irqs;
	struct list ioeventfds;
	unsigned int nr_ioeventfds;
};

static inline const struct sink *device_sink(const struct vfio_device *d)
{
	return &d->hdev->group->host->sink;
}

/* vfio_config.c: what the kernel does to a function at the first open and the last close. */
void vfio_config_open(struct vfio_device *d);
void vfio_config_close(struct vfio_device *d);

/* vfio_feature.c: the device is used. One that sleeps and was to tell of it wakes up for good. */
void vfio_device_wake(struct vfio_device *d);

/* vfio_irq.c */
int vfio_irqs_init(struct vfio_device *d);
void vfio_irqs_close(struct vfio_device *d);
/* The host wants the device back: told by the REQ interrupt. */
void vfio_irqs_request(struct vfio_device *d);
long vfio_set_irqs(struct vfio_device *d, uint64_t arg, struct caller *c);
long vfio_irq_info(struct vfio_device *d, uint64_t arg, struct caller *c);

/* vfio_ioeventfd.c */
long vfio_ioeventfd(struct vfio_device *d, uint64_t arg, struct caller *c);
void vfio_ioeventfds_close(struct vfio_device *d);

/* vfio_reset.c */
long vfio_hot_reset_info(struct vfio_device *d, bool cdev, uint64_t arg, struct caller *c);
long vfio_hot_reset(struct vfio_device *d, bool cdev, uint64_t arg, struct caller *c);

/* A device that was absent can be opened; one that was there cannot any more (@wait: see abi_set_num_vfs()). */
void vfio_device_show(struct host_device *hdev);
int vfio_device_hide(struct host_device *hdev, bool wait);

/*
 * vf_token.c: who opens a virtual function must know the token of its physical one; who opens that while they are in use, too.
 * @token NULL: none was given.
 */
#define VF_TOKEN_LEN 16
int vf_token_match(struct host_device *hdev, const uint8_t *token);
/* What follows a device's name in VFIO_GROUP_GET_DEVICE_FD. 0, with *given, or -EINVAL. */
int vf_token_parse(const struct sink *sink, const char *options, uint8_t token[VF_TOKEN_LEN], bool *given);

/* Bytes that the device's region @index has; 0: not there. */
uint64_t vfio_region_size(struct vfio_device *d, unsigned int index);

/* group.c: a device fd that held the group's file is gone. */
void group_device_closed(struct abi_file *f);

#endif
