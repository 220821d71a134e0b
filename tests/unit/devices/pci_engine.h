/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model for tests of the PCI core: it does DMA for as long as it is let.
 */
#ifndef TESTS_UNIT_DEVICES_PCI_ENGINE_H
#define TESTS_UNIT_DEVICES_PCI_ENGINE_H

#include "rig.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VECTORS	   8
#define BAR0_SIZE  0x8000u
#define BAR2_SIZE  0x20u
#define MSIX_TABLE 0x4000u
#define MSIX_PBA   0x5000u
#define PLAIN_PAGE 0x6000u
#define TRAP_PAGE  0x7000u

/* BAR0. */
#define REG_TARGET 0x00 /* while it is not 0: write a counter there, again and again */
#define REG_STEPS  0x08 /* how often the worker was in work() */
#define REG_QUIET  0x10 /* a write waits for the worker; counts the writes */
#define REG_LEVEL  0x18 /* the pin */
#define REG_RAISE  0x1c /* a message of this vector */
#define REG_BELL   0x20 /* what peers ring; counts */

#define MAX_LOG 64

struct engine {
	uint64_t target, counter, steps;
	unsigned int resets, quiets, bells, config_writes;
	bool working; /* inside work(); atomic */
	bool met;     /* quiet, reset or destroy found it there */
	struct {
		uint64_t off, val;
		unsigned int size;
	} log[MAX_LOG];
	unsigned int nr_log;
};

extern const struct option_key engine_keys[]; /* none */
extern const struct pci_model engine_model;

static inline struct engine *engine_of(struct func *f)
{
	return pci_model_data(f->pci);
}

#endif
