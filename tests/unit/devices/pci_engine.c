/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_engine.h"

static int engine_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	static const struct pci_ids ids = {
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x9abc,
		.subsystem = 0xdef0,
		.class_code = 0x0b4000,
		.revision = 7,
		.pcie = true,
	};
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	assert_non_null(e);
	pci_set_model_data(dev, e);
	pci_set_ids(dev, &ids);
	rc = pci_add_bar(dev, 0, BAR0_SIZE, false, false);
	if (!rc)
		rc = pci_add_io_bar(dev, 2, BAR2_SIZE);
	if (!rc)
		rc = pci_add_msi(dev, VECTORS, true);
	if (!rc)
		rc = pci_add_msix(dev, 0, VECTORS, MSIX_TABLE, MSIX_PBA);
	pci_set_page_flags(dev, 0, PLAIN_PAGE, 4096, PCI_PAGE_PLAIN);
	pci_set_page_flags(dev, 0, TRAP_PAGE, 4096, PCI_PAGE_TRAP_READS);
	pci_set_intx_pin(dev, 1);
	return rc;
}

static void meet(struct engine *e)
{
	e->met |= __atomic_load_n(&e->working, __ATOMIC_ACQUIRE);
}

static void engine_destroy(struct pci_dev *dev)
{
	meet(pci_model_data(dev));
	free(pci_model_data(dev));
}

static void engine_reset(struct pci_dev *dev)
{
	struct engine *e = pci_model_data(dev);

	meet(e);
	e->resets++;
	__atomic_store_n(&e->target, 0, __ATOMIC_RELAXED);
	memset(dev->bars[0].mem, 0, MSIX_TABLE);
}

static void engine_quiet(struct pci_dev *dev)
{
	struct engine *e = pci_model_data(dev);

	meet(e);
	pci_bar_store32(dev, 0, REG_QUIET, ++e->quiets);
}

static void engine_config_written(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	((struct engine *)pci_model_data(dev))->config_writes++;
}

static void note(struct engine *e, uint64_t off, unsigned int size, uint64_t val)
{
	if (e->nr_log < MAX_LOG) {
		e->log[e->nr_log].off = off;
		e->log[e->nr_log].size = size;
		e->log[e->nr_log].val = val;
	}
	e->nr_log++;
}

static void engine_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
			 uint64_t val)
{
	struct engine *e = pci_model_data(dev);

	if (bar) {
		memcpy(dev->bars[bar].mem + off, &val, size);
		return;
	}
	switch (off) {
	case REG_TARGET:
		__atomic_store_n(&e->target, val, __ATOMIC_RELAXED);
		pci_kick(dev);
		return;
	case REG_QUIET:
		pci_when_quiet(dev);
		return;
	case REG_LEVEL:
		pci_set_intx(dev, val);
		return;
	case REG_RAISE:
		pci_raise(dev, (unsigned int)val);
		return;
	case REG_BELL:
		pci_bar_store32(dev, 0, REG_BELL, ++e->bells);
		pci_kick(dev);
		return;
	}
	note(e, off, size, val);
	memcpy(dev->bars[bar].mem + off, &val, size);
}

static uint64_t engine_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size)
{
	struct engine *e = pci_model_data(dev);
	uint64_t val = 0;

	if (!bar && off >= TRAP_PAGE) {
		note(e, off, size, 0);
		return off;
	}
	memcpy(&val, dev->bars[bar].mem + off, size);
	return val;
}

static bool engine_work(struct pci_dev *dev)
{
	struct engine *e = pci_model_data(dev);
	uint64_t target;

	__atomic_store_n(&e->working, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 100 && !pci_stopping(dev); i++) {
		target = __atomic_load_n(&e->target, __ATOMIC_RELAXED);
		if (!target)
			break;
		e->counter++;
		dma_write(pci_port(dev), target, &e->counter, sizeof(e->counter));
	}
	__atomic_fetch_add(&e->steps, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&e->working, false, __ATOMIC_RELEASE);
	return __atomic_load_n(&e->target, __ATOMIC_RELAXED);
}

const struct option_key engine_keys[] = {{NULL}};
const struct pci_model engine_model = {
	.name = "engine",
	.keys = engine_keys,
	.create = engine_create,
	.destroy = engine_destroy,
	.reset = engine_reset,
	.bar_read = engine_read,
	.bar_write = engine_write,
	.config_written = engine_config_written,
	.quiet = engine_quiet,
	.work = engine_work,
};
