/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions as the host has them: they exist with their physical one, and are absent until
 * it is told to enable them.
 */
#include <errno.h>
#include <sys/random.h>

#include "abi/vfio_device.h"

static struct host_device *device_of(struct host *h, const struct pci_dev *pci)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &h->devices) {
		struct host_device *hdev = list_entry(pos, struct host_device, link);

		if (hdev->hw == pci)
			return hdev;
	}
	return NULL;
}

/* Until somebody sets a token it is nobody's guess. */
int abi_device_set(struct host_device *hdev, struct pci_dev *pci)
{
	hdev->hw = pci;
	hdev->has_vfs = pci->sriov.cap;
	if (pci->pf) {
		hdev->physfn = device_of(hdev->group->host, pci->pf);
		hdev->absent = true;
		return hdev->physfn ? 0 : -ENODEV;
	}
	if (hdev->has_vfs && getrandom(hdev->vf_token, sizeof(hdev->vf_token), 0) < 0)
		return -errno;
	return 0;
}

static struct host_device *vf_of(struct host_device *pf, unsigned int index)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &pf->group->host->devices) {
		struct host_device *hdev = list_entry(pos, struct host_device, link);

		if (hdev->physfn == pf && ((struct pci_dev *)hdev->hw)->vf_index == index)
			return hdev;
	}
	return NULL;
}

/* What comes again comes as from power-on. */
static int hide(struct host_device *vf, bool wait)
{
	int rc;

	if (!vf || vf->absent)
		return 0;
	rc = vfio_device_hide(vf, wait);
	if (!rc)
		pci_reset(vf->hw);
	return rc;
}

static int show(struct host_device *vf)
{
	if (!vf)
		return -ERANGE;
	vfio_device_show(vf);
	return 0;
}

int abi_set_num_vfs(struct host_device *pf, unsigned int n, bool wait)
{
	struct host *h = pf->group->host;
	struct pci_dev *pci = pf->hw;
	int rc = 0;

	if (n > pci->sriov.cfg.total)
		return -ERANGE;
	if (!pf->has_vfs)
		return 0;
	/* Who waits keeps the lock, perhaps for somebody who must not wait for it. */
	if (wait)
		pthread_mutex_lock(&h->vf_lock);
	else if (pthread_mutex_trylock(&h->vf_lock))
		return -EBUSY;
	for (unsigned int i = n; i < pci->sriov.cfg.total && !rc; i++)
		rc = hide(vf_of(pf, i), wait);
	for (unsigned int i = 0; i < n && !rc; i++)
		rc = show(vf_of(pf, i));
	if (!rc)
		pci_set_num_vfs(pci, n);
	pthread_mutex_unlock(&h->vf_lock);
	return rc;
}
