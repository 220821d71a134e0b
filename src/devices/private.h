/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files of the PCI core.
 */
#ifndef IOAS_DEVICES_PRIVATE_H
#define IOAS_DEVICES_PRIVATE_H

#include "devices/pci.h"

/* config.c. The header's fixed parts and masks; then, after the model has set itself up, the values of power-on. */
void config_init(struct pci_dev *dev);
void config_power_on(struct pci_dev *dev);
/* Gives BAR @index its register's mask. */
void config_add_bar(struct pci_dev *dev, unsigned int index);
bool config_intx_enabled(struct pci_dev *dev);
/* Is @off of BAR @bar in the MSI-X table or pending bits, which are plain memory? */
bool config_is_msix_table(const struct pci_dev *dev, unsigned int bar, uint64_t off);

#endif
