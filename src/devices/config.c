/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space of a PCI function: PCI Local Bus 3.0 section 6, PCI Express 5.0 section 7.5.
 *
 * wmask and w1cmask say what a write changes; side effects follow from what the bytes are
 * afterwards: COMMAND's Bus Master and the power state gate DMA, INTx Disable gates the pin, an FLR
 * bit resets, the rest is the model's (config_written).
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "devices/private.h"
#include "devices/worker.h"

#define FIRST_CAP 0x40
/* BARs are placed here at power-on, one after the other: above the ranges that a PC keeps for
 * itself. */
#define FIRST_MEM_ADDRESS 0xc0000000u
#define FIRST_IO_ADDRESS  0xc000u

static void put16(uint8_t *space, unsigned int off, uint16_t v)
{
	memcpy(space + off, &v, sizeof(v));
}

static void put32(uint8_t *space, unsigned int off, uint32_t v)
{
	memcpy(space + off, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *space, unsigned int off)
{
	uint16_t v;

	memcpy(&v, space + off, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *space, unsigned int off)
{
	uint32_t v;

	memcpy(&v, space + off, sizeof(v));
	return v;
}

void config_init(struct pci_dev *dev)
{
	dev->config_len = PCI_CONFIG_SIZE;
	put16(dev->wmask, PCI_COMMAND,
	      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		      PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	put16(dev->w1cmask, PCI_STATUS,
	      PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |
		      PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR |
		      PCI_STATUS_DETECTED_PARITY);
	dev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
	pthread_mutex_init(&dev->irq_lock, NULL);
}

/* PCI Express capability version 2 of an endpoint: 60 bytes. */
#define PCIE_CAP_LEN 60

static void add_pcie_cap(struct pci_dev *dev)
{
	uint8_t body[PCIE_CAP_LEN] = {0}, wmask[PCIE_CAP_LEN] = {0};

	put16(body, PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(body, PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	put16(body, PCI_EXP_DEVCTL,
	      PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ_512B);
	put16(wmask, PCI_EXP_DEVCTL, 0x7fff);
	put32(body, PCI_EXP_LNKCAP, 0x11); /* 2.5 GT/s, x1 */
	put16(body, PCI_EXP_LNKSTA, 0x11);
	put16(wmask, PCI_EXP_LNKCTL, 0x3);
	dev->pcie_cap = pci_add_cap(dev, PCI_CAP_ID_EXP, body, wmask, sizeof(body));
	put16(dev->w1cmask, dev->pcie_cap + PCI_EXP_DEVSTA, 0xf);
}

static void add_pm_cap(struct pci_dev *dev)
{
	uint8_t body[PCI_PM_SIZEOF] = {0}, wmask[PCI_PM_SIZEOF] = {0};

	put16(body, PCI_PM_PMC, 3);
	put16(body, PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	put16(wmask, PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	dev->pm_cap = pci_add_cap(dev, PCI_CAP_ID_PM, body, wmask, sizeof(body));
}

void pci_set_ids(struct pci_dev *dev, const struct pci_ids *ids)
{
	put16(dev->config, PCI_VENDOR_ID, ids->vendor);
	put16(dev->config, PCI_DEVICE_ID, ids->device);
	put16(dev->config, PCI_SUBSYSTEM_VENDOR_ID, ids->subsystem_vendor);
	put16(dev->config, PCI_SUBSYSTEM_ID, ids->subsystem);
	put32(dev->config, PCI_CLASS_REVISION, ids->class_code << 8 | ids->revision);
	if (ids->pcie) {
		dev->config_len = PCIE_CONFIG_SIZE;
		add_pm_cap(dev);
		add_pcie_cap(dev);
	}
}

static unsigned int next_free(const struct pci_dev *dev)
{
	unsigned int end = FIRST_CAP;

	for (unsigned int at = dev->config[PCI_CAPABILITY_LIST]; at; at = dev->config[at + 1])
		if (dev->cap_end[at / 4] > end)
			end = dev->cap_end[at / 4];
	return end;
}

unsigned int pci_add_cap(struct pci_dev *dev, uint8_t id, const void *body, const void *wmask,
			 unsigned int len)
{
	unsigned int at = (unsigned int)align_up(next_free(dev), 4);
	uint8_t *link = &dev->config[PCI_CAPABILITY_LIST];

	if (at + len > PCI_CONFIG_SIZE)
		return 0;
	while (*link)
		link = &dev->config[*link + 1];
	*link = at;
	memcpy(dev->config + at, body, len);
	if (wmask)
		memcpy(dev->wmask + at, wmask, len);
	dev->config[at] = id;
	dev->config[at + 1] = 0;
	dev->wmask[at] = dev->wmask[at + 1] = 0;
	dev->cap_end[at / 4] = at + len;
	put16(dev->config, PCI_STATUS, get16(dev->config, PCI_STATUS) | PCI_STATUS_CAP_LIST);
	return at;
}

/* PCI Express 5.0, 7.6.3: ID, version and the next one's offset in the first dword; the list begins
 * at 100h. */
unsigned int pci_add_ext_cap(struct pci_dev *dev, uint16_t id, unsigned int version,
			     const void *body, const void *wmask, unsigned int len)
{
	const bool first = !get32(dev->config, PCI_CFG_SPACE_SIZE);
	unsigned int last = PCI_CFG_SPACE_SIZE, at = PCI_CFG_SPACE_SIZE;

	while (!first && PCI_EXT_CAP_NEXT(get32(dev->config, last)))
		last = PCI_EXT_CAP_NEXT(get32(dev->config, last));
	if (!first)
		at = (unsigned int)align_up(last + dev->ext_cap_len, 4);
	if (at + len > dev->config_len)
		return 0;
	if (!first)
		put32(dev->config, last, get32(dev->config, last) | at << 20);
	memcpy(dev->config + at, body, len);
	if (wmask)
		memcpy(dev->wmask + at, wmask, len);
	put32(dev->config, at, id | version << 16);
	dev->ext_cap_len = len;
	return at;
}

int pci_add_msi(struct pci_dev *dev, unsigned int vectors, bool maskable)
{
	uint8_t body[PCI_MSI_MASK_64 + 8] = {0}, wmask[PCI_MSI_MASK_64 + 8] = {0};
	unsigned int len = maskable ? sizeof(body) : PCI_MSI_DATA_64 + 2;

	if (!is_pow2(vectors) || vectors > 32)
		return -EINVAL;
	put16(body, PCI_MSI_FLAGS,
	      PCI_MSI_FLAGS_64BIT | log2_floor(vectors) << 1 |
		      (maskable ? PCI_MSI_FLAGS_MASKBIT : 0));
	put16(wmask, PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	put32(wmask, PCI_MSI_ADDRESS_LO, 0xfffffffc);
	put32(wmask, PCI_MSI_ADDRESS_HI, 0xffffffff);
	put16(wmask, PCI_MSI_DATA_64, 0xffff);
	if (maskable)
		put32(wmask, PCI_MSI_MASK_64, (uint32_t)MASK(vectors));
	dev->msi_cap = pci_add_cap(dev, PCI_CAP_ID_MSI, body, wmask, len);
	return dev->msi_cap ? 0 : -ENOSPC;
}

/* Pending bits come in quadwords. */
static uint64_t pba_len(unsigned int vectors)
{
	return align_up(vectors, 64) / 8;
}

int pci_add_msix(struct pci_dev *dev, unsigned int bar, unsigned int vectors, uint64_t table,
		 uint64_t pba)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF] = {0}, wmask[PCI_CAP_MSIX_SIZEOF] = {0};

	if (!vectors || vectors > PCI_MAX_MSIX || bar >= PCI_NUM_BARS ||
	    !is_aligned(table | pba, 8) || table + vectors * 16ull > dev->bars[bar].size ||
	    pba + pba_len(vectors) > dev->bars[bar].size)
		return -EINVAL;
	put16(body, PCI_MSIX_FLAGS, vectors - 1);
	put32(body, PCI_MSIX_TABLE, (uint32_t)table | bar);
	put32(body, PCI_MSIX_PBA, (uint32_t)pba | bar);
	put16(wmask, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	dev->msix_cap = pci_add_cap(dev, PCI_CAP_ID_MSIX, body, wmask, sizeof(body));
	dev->msix_bar = bar;
	dev->msix_vectors = vectors;
	dev->msix_table = table;
	dev->msix_pba = pba;
	return dev->msix_cap ? 0 : -ENOSPC;
}

void pci_set_intx_pin(struct pci_dev *dev, unsigned int pin)
{
	dev->config[PCI_INTERRUPT_PIN] = pin;
}

void config_add_bar(struct pci_dev *dev, unsigned int index)
{
	const struct pci_bar *bar = &dev->bars[index];
	unsigned int at = PCI_BASE_ADDRESS_0 + index * 4;
	uint64_t mask = ~(bar->size - 1);

	if (bar->is_io) {
		put32(dev->config, at, PCI_BASE_ADDRESS_SPACE_IO);
		put32(dev->wmask, at, (uint32_t)(mask & PCI_BASE_ADDRESS_IO_MASK));
		return;
	}
	put32(dev->config, at,
	      (bar->is_64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
		      (bar->prefetch ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
	put32(dev->wmask, at, (uint32_t)(mask & PCI_BASE_ADDRESS_MEM_MASK));
	if (bar->is_64)
		put32(dev->wmask, at + 4, (uint32_t)(mask >> 32));
}

/* What a host's firmware would have left: every BAR at an address of its own, within a window for
 * each function. */
static void place_bars(struct pci_dev *dev)
{
	uint64_t mem = FIRST_MEM_ADDRESS + ((uint64_t)(dev->cfg.rid & 0xff) << 20),
		 io = FIRST_IO_ADDRESS;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		const struct pci_bar *bar = &dev->bars[i];
		unsigned int at = PCI_BASE_ADDRESS_0 + i * 4;
		uint64_t *next = bar->is_io ? &io : &mem;

		if (!bar->size)
			continue;
		*next = align_up(*next, bar->size);
		put32(dev->config, at, get32(dev->config, at) | (uint32_t)*next);
		if (bar->is_64)
			put32(dev->config, at + 4, (uint32_t)(*next >> 32));
		*next += bar->size;
	}
}

void config_power_on(struct pci_dev *dev)
{
	place_bars(dev);
}

bool config_is_msix_table(const struct pci_dev *dev, unsigned int bar, uint64_t off)
{
	if (!dev->msix_cap || bar != dev->msix_bar)
		return false;
	return (off >= dev->msix_table && off < dev->msix_table + dev->msix_vectors * 16ull) ||
	       (off >= dev->msix_pba && off < dev->msix_pba + pba_len(dev->msix_vectors));
}

static uint16_t read16_atomic(const struct pci_dev *dev, unsigned int off)
{
	return (uint16_t)(__atomic_load_n(&dev->config[off], __ATOMIC_RELAXED) |
			  __atomic_load_n(&dev->config[off + 1], __ATOMIC_RELAXED) << 8);
}

/* Applies the masks to one write. */
static void apply(struct pci_dev *dev, unsigned int off, unsigned int len, const uint8_t *data)
{
	for (unsigned int i = 0; i < len; i++) {
		unsigned int at = off + i;
		uint8_t old = __atomic_load_n(&dev->config[at], __ATOMIC_RELAXED);
		uint8_t val = (old & ~dev->wmask[at]) | (data[i] & dev->wmask[at]);

		val &= ~(data[i] & dev->w1cmask[at]);
		__atomic_store_n(&dev->config[at], val, __ATOMIC_RELAXED);
	}
}

static bool wants_flr(struct pci_dev *dev, unsigned int off, unsigned int len, const uint8_t *data)
{
	unsigned int at = dev->pcie_cap + PCI_EXP_DEVCTL + 1; /* the byte of bit 15 */

	return dev->pcie_cap && off <= at && at < off + len &&
	       (data[at - off] & PCI_EXP_DEVCTL_BCR_FLR >> 8);
}

static bool meets(unsigned int off, unsigned int len, unsigned int reg, unsigned int reg_len)
{
	return off < reg + reg_len && reg < off + len;
}

static bool in_d0(struct pci_dev *dev)
{
	return !dev->pm_cap ||
	       !(read16_atomic(dev, dev->pm_cap + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK);
}

/* PCI Power Management 1.2, 3.2.4: a write of a state that is not supported (D1, D2) changes no
 * state. */
static void keep_power_state(struct pci_dev *dev, uint8_t old)
{
	unsigned int at = dev->pm_cap + PCI_PM_CTRL;
	uint8_t state = dev->config[at] & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		__atomic_store_n(&dev->config[at], old, __ATOMIC_RELAXED);
}

/* A function masters the bus when it may and is in D0. Only that state is told, not every write. */
static void update_bus_master(struct pci_dev *dev)
{
	bool master = (read16_atomic(dev, PCI_COMMAND) & PCI_COMMAND_MASTER) && in_d0(dev);

	if (master == __atomic_load_n(&dev->port.bus_master, __ATOMIC_RELAXED))
		return;
	dma_set_bus_master(&dev->port, master);
	if (master)
		worker_nudge(dev->worker);
}

void config_reset(struct pci_dev *dev)
{
	unsigned int at = dev->pm_cap + PCI_PM_CTRL;

	if (dev->pm_cap)
		__atomic_store_n(&dev->config[at], dev->config[at] & ~PCI_PM_CTRL_STATE_MASK,
				 __ATOMIC_RELAXED);
	update_bus_master(dev);
}

void pci_config_write(struct pci_dev *dev, unsigned int off, unsigned int len, const void *data)
{
	bool flr, intx;
	uint8_t power;

	pci_lock(dev);
	flr = wants_flr(dev, off, len, data);
	intx = config_intx_enabled(dev);
	power = dev->config[dev->pm_cap + PCI_PM_CTRL];
	apply(dev, off, len, data);
	if (dev->pm_cap && meets(off, len, dev->pm_cap + PCI_PM_CTRL, 1))
		keep_power_state(dev, power);
	/* The lock is held while the running piece of DMA ends: no section waits for it. */
	update_bus_master(dev);
	pci_intx_gate_changed(dev, intx);
	if (dev->model->config_written)
		dev->model->config_written(dev, off, len);
	pci_unlock(dev);
	if (flr)
		pci_reset(dev);
}

/* PCI Local Bus 3.0, 6.2.3: the pin's level, whether INTx Disable keeps it from being sent or not.
 */
static uint8_t interrupt_status(const struct pci_dev *dev)
{
	return __atomic_load_n(&dev->intx_level, __ATOMIC_ACQUIRE) ? PCI_STATUS_INTERRUPT : 0;
}

void pci_config_read(struct pci_dev *dev, unsigned int off, unsigned int len, void *data)
{
	uint8_t *out = data;

	pci_lock(dev);
	if (dev->model->config_read)
		dev->model->config_read(dev, off, len);
	for (unsigned int i = 0; i < len; i++)
		out[i] = dev->config[off + i];
	if (meets(off, len, PCI_STATUS, 1))
		out[PCI_STATUS - off] |= interrupt_status(dev);
	pci_unlock(dev);
}

bool pci_memory_enabled(struct pci_dev *dev)
{
	/* A virtual function's BARs answer as the physical one's MSE has it (section 9.3.3.3.4). */
	return (dev->pf || (read16_atomic(dev, PCI_COMMAND) & PCI_COMMAND_MEMORY)) && in_d0(dev);
}

bool config_intx_enabled(struct pci_dev *dev)
{
	return !(read16_atomic(dev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) &&
	       !pci_msi_enabled(dev) && !pci_msix_enabled(dev);
}

bool pci_msix_enabled(struct pci_dev *dev)
{
	return dev->msix_cap &&
	       (read16_atomic(dev, dev->msix_cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE);
}

bool pci_msi_enabled(struct pci_dev *dev)
{
	return dev->msi_cap &&
	       (read16_atomic(dev, dev->msi_cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE);
}

static void set_bits16(struct pci_dev *dev, unsigned int off, uint16_t bits, bool on)
{
	uint16_t v = get16(dev->config, off);

	v = on ? v | bits : v & ~bits;
	__atomic_store_n(&dev->config[off], (uint8_t)v, __ATOMIC_RELAXED);
	__atomic_store_n(&dev->config[off + 1], (uint8_t)(v >> 8), __ATOMIC_RELAXED);
}

void pci_irq_enable(struct pci_dev *dev, enum pci_irq kind, bool on)
{
	pci_lock(dev);
	if (kind == PCI_MSIX && dev->msix_cap)
		set_bits16(dev, dev->msix_cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, on);
	else if (kind == PCI_MSI && dev->msi_cap)
		set_bits16(dev, dev->msi_cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, on);
	else if (kind == PCI_INTX)
		set_bits16(dev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, !on);
	pci_unlock(dev);
	/* What the model had to tell by other means it now tells by this one. */
	worker_nudge(dev->worker);
}

unsigned int pci_irq_count(struct pci_dev *dev, enum pci_irq kind)
{
	switch (kind) {
	case PCI_INTX:
		return dev->config[PCI_INTERRUPT_PIN] ? 1 : 0;
	case PCI_MSI:
		return dev->msi_cap ? 1u << ((read16_atomic(dev, dev->msi_cap + PCI_MSI_FLAGS) &
					      PCI_MSI_FLAGS_QMASK) >>
					     1)
				    : 0;
	case PCI_MSIX:
		return dev->msix_vectors;
	case PCI_ERR:
		return dev->pcie_cap ? 1 : 0;
	case PCI_REQ:
		return 1;
	default:
		return 0;
	}
}
