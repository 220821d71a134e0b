/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/models.h"

#include <string.h>

const struct pci_model *const pci_models[] = {
	&nvme_model, &ioat_model, &virtio_net_model, &scratch_model, NULL,
};

const struct pci_model *pci_model_find(const char *name)
{
	for (const struct pci_model *const *m = pci_models; *m; m++)
		if (!strcmp((*m)->name, name))
			return *m;
	return NULL;
}
