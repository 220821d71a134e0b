/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside library/: a host of the embedder's, with its file numbers.
 *
 * The library is a door for its own process: it keeps the file numbers (files.c) and fills the
 * caller.
 */
#ifndef IOAS_LIBRARY_PRIVATE_H
#define IOAS_LIBRARY_PRIVATE_H

#include <ioas/ioas.h>

#include <pthread.h>

#include "abi/file.h"
#include "abi/iommufd.h"
#include "devices/pci.h"
#include "devices/virtio/hub.h"

#define MAX_FILES 1024

struct file_slot {
	struct abi_file *file; /* valid while @state is not 0 */
	uint64_t state;	       /* see files.c */
	pthread_t only;	       /* the same */
	int poll_fd;	       /* and 1; 0: none. Under ioas_host.lock */
};

struct ioas_host {
	struct ioas_host_config cfg;
	struct host *host;
	struct net_hubs *hubs;
	struct memory_account *account;
	pthread_mutex_t lock; /* opening */
	struct file_slot files[MAX_FILES];
	struct pci_dev **devices;
	size_t nr_devices;
	struct ioas_port *ports;
	struct ioas_pasid_space *pasids; /* NULL: the IOMMU has none */
};

/* files.c */
struct caller library_caller(struct ioas_host *h);
/* The file behind @fd, with a reference. -EBADF. */
int library_file_get(struct ioas_host *h, int fd, struct abi_file **out);
/* The same of /dev/iommu; -EBADFD: another kind. abi_file_put() ends it. */
int library_iommufd_get(struct ioas_host *h, int fd, struct abi_file **out, struct iommufd **ctx);
/* As ioas_ioctl(), by a caller whose addresses of memory to be mapped are @mm's. */
long library_ioctl_of(struct ioas_host *h, int fd, unsigned int cmd, void *arg,
		      struct memory_mm *mm);
void library_close_all(struct ioas_host *h);

/* port.c */
void library_destroy_ports(struct ioas_host *h);

#endif
