/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files of the PCI core.
 */
#ifndef IOAS_DEVICES_PRIVATE_H
#define IOAS_DEVICES_PRIVATE_H

#include "devices/pci.h"

/* config.c. The header's fixed parts and masks; then, after the model has set itself up, the values
 * of power-on. */
void config_init(struct pci_dev *dev);
void config_power_on(struct pci_dev *dev);
/* A reset leaves the function in D0; the rest stays as it is. Lock held. */
void config_reset(struct pci_dev *dev);
/* Gives BAR @index its register's mask. */
void config_add_bar(struct pci_dev *dev, unsigned int index);
/* Does nothing in configuration space keep the pin down? INTx Disable, or MSI or MSI-X enabled (PCI
 * Local Bus 3.0, 6.8.3.3). */
bool config_intx_enabled(struct pci_dev *dev);
/* pci.c. A configuration write may have changed that: a level that is up is told again, or taken
 * back. Lock held. */
void pci_intx_gate_changed(struct pci_dev *dev, bool was_enabled);
/* Is @off of BAR @bar in the MSI-X table or pending bits, which are plain memory? */
bool config_is_msix_table(const struct pci_dev *dev, unsigned int bar, uint64_t off);

/* sriov.c: a virtual function is there, or goes; all of them are reset. */
void sriov_join(struct pci_dev *vf);
void sriov_leave(struct pci_dev *vf);
void sriov_reset(struct pci_dev *pf);

/* pasid.c: the host's part, when the function is made. */
void pasid_power_on(struct pci_dev *dev);

#endif
