/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The capabilities of translation services: ATS (PCI Express 5.0, 10.5.1) and page requests
 * (10.5.2).
 *
 * As Linux' IOMMU drivers do it, both are enabled when the function comes to its IOMMU, if that has
 * them; vfio-pci shows them to a program, which cannot change them.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "devices/private.h"

#define PRI_CAPACITY 64 /* page requests that may be outstanding */

static void put(uint8_t *at, uint32_t value, unsigned int len)
{
	memcpy(at, &value, len);
}

static int add_pri(struct pci_dev *dev, bool on)
{
	uint8_t body[PCI_EXT_CAP_PRI_SIZEOF] = {0};

	put(body + PCI_PRI_MAX_REQ, PRI_CAPACITY, 4);
	put(body + PCI_PRI_STATUS, on ? 0 : PCI_PRI_STATUS_STOPPED, 2);
	put(body + PCI_PRI_CTRL, on ? PCI_PRI_CTRL_ENABLE : 0, 2);
	put(body + PCI_PRI_ALLOC_REQ, on ? PRI_CAPACITY : 0, 4);
	return pci_add_ext_cap(dev, PCI_EXT_CAP_ID_PRI, 1, body, NULL, sizeof(body)) ? 0 : -ENOSPC;
}

int pci_add_ats(struct pci_dev *dev, bool pri)
{
	const struct iommu_caps *caps = requester_caps(dev->cfg.requester);
	uint8_t body[PCI_EXT_CAP_ATS_SIZEOF] = {0};
	int rc;

	if (!dev->pcie_cap)
		return -EINVAL;
	rc = requester_add_ats(dev->cfg.requester, pri);
	if (rc)
		return rc;
	put(body + PCI_ATS_CAP, PCI_ATS_CAP_PAGE_ALIGNED, 2);
	put(body + PCI_ATS_CTRL, caps->ats ? PCI_ATS_CTRL_ENABLE : 0, 2);
	if (!pci_add_ext_cap(dev, PCI_EXT_CAP_ID_ATS, 1, body, NULL, sizeof(body)))
		return -ENOSPC;
	return pri ? add_pri(dev, caps->pri) : 0;
}
