/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single Root I/O Virtualization: PCI Express 5.0, section 9.3.
 *
 * A virtual function is a function like any other, with its own requester, BARs and worker, which
 * its model makes of the physical one (pci_model.create_vf). It is there as long as its host wants
 * it to be: whether the program sees it is the host's matter (NumVFs, pci_set_num_vfs()). What the
 * two share belongs to the physical function, which is made first and destroyed last. A reset of
 * that one resets all.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "devices/private.h"

#define VF_OFFSET 0x80 /* functions of the devices 0 to 15 are the configuration's own */
#define VF_STRIDE 1
/* Above where BARs of functions are placed. */
#define FIRST_VF_ADDRESS 0xd0000000u

uint16_t pci_vf_rid(uint16_t pf_rid, unsigned int index)
{
	return (uint16_t)(pf_rid + VF_OFFSET + index * VF_STRIDE);
}

static void put(uint8_t *body, unsigned int off, unsigned int len, uint32_t v)
{
	for (unsigned int i = 0; i < len; i++)
		body[off + i] = (uint8_t)(v >> (8 * i));
}

static void put_vf_bars(struct pci_dev *dev, const struct pci_sriov_config *cfg, uint8_t *body)
{
	uint32_t at = FIRST_VF_ADDRESS + ((uint32_t)(dev->cfg.rid & 0xff) << 20);

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		if (!cfg->bars[i].size)
			continue;
		put(body, PCI_SRIOV_BAR + 4 * i, 4,
		    at | (cfg->bars[i].is_64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
			    (cfg->bars[i].prefetch ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
		at += (uint32_t)align_up(cfg->bars[i].size * cfg->total, PAGE_SIZE);
	}
}

int pci_add_sriov(struct pci_dev *dev, const struct pci_sriov_config *cfg, char *why,
		  size_t why_len)
{
	static const uint8_t ari[8] = {0};
	uint8_t body[PCI_EXT_CAP_SRIOV_SIZEOF] = {0};

	if ((dev->cfg.rid & 0xff) + VF_OFFSET + (cfg->total - 1) * VF_STRIDE > 0xff) {
		snprintf(
			why, why_len,
			"%s: there is no room for %u virtual functions on its bus: give a bdf= with a lower device number",
			dev->name, cfg->total);
		return -EINVAL;
	}
	dev->sriov.vfs = ioas_calloc(cfg->total, sizeof(struct pci_dev *));
	if (!dev->sriov.vfs)
		return -ENOMEM;
	dev->sriov.cfg = *cfg;
	pci_add_ext_cap(dev, PCI_EXT_CAP_ID_ARI, 1, ari, NULL, sizeof(ari));
	put(body, PCI_SRIOV_CAP, 4, BIT(1)); /* the ARI bit outlives a reset */
	put(body, PCI_SRIOV_INITIAL_VF, 2, cfg->total);
	put(body, PCI_SRIOV_TOTAL_VF, 2, cfg->total);
	put(body, PCI_SRIOV_FUNC_LINK, 1, dev->cfg.rid & 0xff);
	put(body, PCI_SRIOV_VF_OFFSET, 2, VF_OFFSET);
	put(body, PCI_SRIOV_VF_STRIDE, 2, VF_STRIDE);
	put(body, PCI_SRIOV_VF_DID, 2, cfg->device);
	put(body, PCI_SRIOV_SUP_PGSIZE, 4, 0x553);
	put(body, PCI_SRIOV_SYS_PGSIZE, 4, 1);
	put_vf_bars(dev, cfg, body);
	dev->sriov.cap = pci_add_ext_cap(dev, PCI_EXT_CAP_ID_SRIOV, 1, body, NULL, sizeof(body));
	return dev->sriov.cap ? 0 : -ENOSPC;
}

void pci_set_num_vfs(struct pci_dev *pf, unsigned int n)
{
	uint16_t control = n ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI : 0;

	pci_lock(pf);
	put(pf->config, pf->sriov.cap + PCI_SRIOV_CTRL, 2, control);
	put(pf->config, pf->sriov.cap + PCI_SRIOV_NUM_VF, 2, n);
	pci_unlock(pf);
}

void sriov_join(struct pci_dev *vf)
{
	pthread_mutex_lock(&vf->pf->sriov.lock);
	vf->pf->sriov.vfs[vf->vf_index] = vf;
	pthread_mutex_unlock(&vf->pf->sriov.lock);
}

void sriov_leave(struct pci_dev *vf)
{
	pthread_mutex_lock(&vf->pf->sriov.lock);
	vf->pf->sriov.vfs[vf->vf_index] = NULL;
	pthread_mutex_unlock(&vf->pf->sriov.lock);
}

void sriov_reset(struct pci_dev *pf)
{
	pthread_mutex_lock(&pf->sriov.lock);
	for (unsigned int i = 0; i < pf->sriov.cfg.total; i++)
		if (pf->sriov.vfs[i])
			pci_reset(pf->sriov.vfs[i]);
	pthread_mutex_unlock(&pf->sriov.lock);
}
