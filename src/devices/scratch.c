/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A test device: registers that store what is written and log every write as the model sees it.
 *
 * BAR0: 0x0000-0x7fff plain registers. 0x8000 (u32): how many writes there were; writing 0 clears.
 * 0x8008 + 16 * i: the last 256 writes, {u32 offset, u32 size, u64 value}, entry i of write number
 * n being i = n % 256. BAR2: a page whose loads reach the model too: offset 0 counts its own reads;
 * 8 is storage.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "devices/models.h"

#define BAR_SIZE    0x10000
#define REGS_SIZE   0x8000
#define LOG_COUNT   0x8000
#define LOG_ENTRIES 0x8008
#define LOG_LEN	    256

struct scratch {
	uint32_t writes;
	uint32_t reads;
	uint64_t stored;
};

struct log_entry {
	uint32_t offset, size;
	uint64_t value;
};

static int scratch_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	static const struct pci_ids ids = {
		.vendor = 0x1b36,
		.device = 0x10f0,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0xff0000,
		.pcie = true,
	};
	struct scratch *s = ioas_calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	pci_set_ids(dev, &ids);
	rc = pci_add_bar(dev, 0, BAR_SIZE, true, false);
	if (!rc)
		rc = pci_add_bar(dev, 2, PAGE_SIZE, false, false);
	if (rc) {
		ioas_free(s);
		return rc;
	}
	pci_set_page_flags(dev, 2, 0, PAGE_SIZE, PCI_PAGE_TRAP_READS);
	pci_set_model_data(dev, s);
	return 0;
}

static void scratch_destroy(struct pci_dev *dev)
{
	ioas_free(pci_model_data(dev));
}

static void scratch_reset(struct pci_dev *dev)
{
	memset(pci_model_data(dev), 0, sizeof(struct scratch));
	memset(dev->bars[0].mem, 0, BAR_SIZE);
}

static void log_write(struct pci_dev *dev, struct scratch *s, uint64_t off, unsigned int size,
		      uint64_t val)
{
	struct log_entry e = {(uint32_t)off, size, val};

	memcpy(dev->bars[0].mem + LOG_ENTRIES + s->writes % LOG_LEN * sizeof(e), &e, sizeof(e));
	pci_bar_store32(dev, 0, LOG_COUNT, ++s->writes);
}

static void scratch_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
			  uint64_t val)
{
	struct scratch *s = pci_model_data(dev);

	if (bar == 2) {
		if (off == 8)
			s->stored = val;
		return;
	}
	if (off < REGS_SIZE) {
		memcpy(dev->bars[0].mem + off, &val, size);
		log_write(dev, s, off, size, val);
	} else if (off == LOG_COUNT) {
		s->writes = (uint32_t)val;
		pci_bar_store32(dev, 0, LOG_COUNT, s->writes);
	}
}

static uint64_t scratch_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size)
{
	struct scratch *s = pci_model_data(dev);
	uint64_t val = 0;

	if (bar == 2)
		return (off == 0 ? s->reads++ : off == 8 ? s->stored : 0) & MASK(size * 8);
	memcpy(&val, dev->bars[0].mem + off, size);
	return val;
}

static const struct option_key scratch_keys[] = {{NULL}};

const struct pci_model scratch_model = {
	.name = "scratch",
	.summary = "test device: registers that log every write",
	.keys = scratch_keys,
	.create = scratch_create,
	.destroy = scratch_destroy,
	.reset = scratch_reset,
	.bar_read = scratch_read,
	.bar_write = scratch_write,
};
