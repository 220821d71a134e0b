/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host with its PCI functions, built from a run's settings.
 *
 * The command line builds one to check the settings and to describe it in sysfs, and drops it; a
 * door builds its own in the process that first opens a node. Both see the same machine: numbers
 * are given in the order of the devices.
 */
#ifndef IOAS_DOORS_MACHINE_H
#define IOAS_DOORS_MACHINE_H

#include "devices/pci.h"
#include "object/host.h"
#include "doors/run.h"

struct machine_config {
	const struct memory_ops *memory_ops;
	void *memory_arg;
	bool tracked; /* see struct memory_config */
	struct sink sink;
	void (*fault)(void *arg, struct requester *r, const struct iommu_fault *f);
	void *fault_arg;
	void (*struck)(void *arg, const char *rule,
		       bool call); /* of an injector, arg NULL; may be NULL */
	const struct pci_host_ops *pci_ops;
	void *pci_arg;
};

struct net_hubs;

struct machine {
	struct host *host;
	struct net_hubs *hubs;
	struct pci_dev **devices;   /* as in run_config.devices */
	struct host_device **slots; /* the same, as the host knows them */
	size_t nr_devices;
};

/* 0 or -errno, with a sentence in @why which names the option at fault. machine_destroy() is not
 * needed after a failure. */
int machine_create(const struct run_config *run, const struct machine_config *cfg,
		   struct machine *out, char *why, size_t why_len);
void machine_destroy(struct machine *m);

/* The device's virtual functions, that is run_config.devices made from RUN_VF_TEXT; 0: it has none. */
unsigned int machine_total_vfs(const struct machine *m, size_t pf);

#endif
