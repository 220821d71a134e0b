/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PASID capability: PCI Express 5.0, 7.8.8. Virtual functions have none of their own and share
 * that of their physical one (6.20.2).
 *
 * As Linux' IOMMU drivers do it, PASIDs are enabled when the function comes to its IOMMU, if that
 * has any; nobody has to switch them on later.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "devices/private.h"

#define CONTROL_LEN 2
/* Linux' headers of this machine may be older than the name. */
#define ONE_PREFIX                                                                                 \
	field_prep(FIELD(23, 22), 1) /* of Device Capabilities 2: Max End-End TLP Prefixes */

static void put(uint8_t *at, uint32_t value, unsigned int len)
{
	memcpy(at, &value, len);
}

int pci_add_pasid(struct pci_dev *dev, unsigned int bits)
{
	uint8_t body[PCI_EXT_CAP_PASID_SIZEOF] = {0}, wmask[PCI_EXT_CAP_PASID_SIZEOF] = {0};

	if (!dev->pcie_cap || !bits || bits > PASID_BITS)
		return -EINVAL;
	put(body + PCI_PASID_CAP, bits << 8, 2);
	put(wmask + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE, CONTROL_LEN);
	dev->pasid_cap = pci_add_ext_cap(dev, PCI_EXT_CAP_ID_PASID, 1, body, wmask, sizeof(body));
	if (!dev->pasid_cap)
		return -ENOSPC;
	/* A PASID is an end-to-end TLP prefix. */
	put(dev->config + dev->pcie_cap + PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_EE_PREFIX | ONE_PREFIX,
	    4);
	return 0;
}

static const struct pci_dev *owner_of(const struct pci_dev *dev)
{
	return dev->pf ? dev->pf : dev;
}

void pasid_power_on(struct pci_dev *dev)
{
	const struct pci_dev *owner = owner_of(dev);
	uint16_t cap;

	if (!owner->pasid_cap)
		return;
	memcpy(&cap, owner->config + owner->pasid_cap + PCI_PASID_CAP, sizeof(cap));
	requester_set_pasid_bits(dev->cfg.requester, cap >> 8 & 0x1f);
	if (!dev->pf && requester_caps(dev->cfg.requester)->max_pasid_log2)
		put(dev->config + dev->pasid_cap + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE,
		    CONTROL_LEN);
}

bool pci_pasid_enabled(const struct pci_dev *dev)
{
	const struct pci_dev *owner = owner_of(dev);
	const uint8_t *control = owner->config + owner->pasid_cap + PCI_PASID_CTRL;

	return owner->pasid_cap &&
	       (__atomic_load_n(control, __ATOMIC_RELAXED) & PCI_PASID_CTRL_ENABLE);
}
