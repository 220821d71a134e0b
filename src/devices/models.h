/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device models there are; a new one is a line here and one in models.c.
 */
#ifndef IOAS_DEVICES_MODELS_H
#define IOAS_DEVICES_MODELS_H

#include "devices/pci.h"

extern const struct pci_model ioat_model, nvme_model, scratch_model, virtio_net_model;

#endif
