/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads and writes of a device's regions (13.6 read/write): configuration space as vfio-pci lets a user see it, BARs, ROM.
 *
 * What the host's kernel owns in configuration space is not the user's to write: the MSI-X capability, and MSI's
 * enable bit before SET_IRQS has switched MSI on. A write to such bits succeeds and changes nothing.
 *
 * Extended capabilities that vfio-pci does not know, PASID among them, are not in the list that the user sees. Their
 * registers are where they were.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "abi/vfio_device.h"

#define PIECE 256u /* bytes moved at once between the caller and the device */

uint64_t vfio_region_size(struct vfio_device *d, unsigned int index)
{
	if (index < PCI_NUM_BARS)
		return d->pci->bars[index].size;
	return index == VFIO_PCI_CONFIG_REGION_INDEX ? d->pci->config_len : 0;
}

static void config_set_command(struct vfio_device *d, uint16_t set, uint16_t clear)
{
	uint16_t command;

	pci_config_read(d->pci, PCI_COMMAND, sizeof(command), &command);
	command = (command | set) & ~clear;
	pci_config_write(d->pci, PCI_COMMAND, sizeof(command), &command);
}

/* As vfio_pci_core_enable() does: the function is reset, answers on its BARs, and does no DMA yet. */
void vfio_config_open(struct vfio_device *d)
{
	list_init(&d->ioeventfds);
	pci_reset(d->pci);
	config_set_command(d, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
}

/* The reset comes first: a device that works to the last is not to fault for want of bus mastering. */
void vfio_config_close(struct vfio_device *d)
{
	pci_reset(d->pci);
	config_set_command(d, 0, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

static bool in_cap(unsigned int off, unsigned int cap, unsigned int len)
{
	return cap && off >= cap && off < cap + len;
}

static bool msi_is_on(struct vfio_device *d)
{
	bool on;

	pthread_mutex_lock(&d->irqs.lock);
	on = d->irqs.kind == PCI_MSI;
	pthread_mutex_unlock(&d->irqs.lock);
	return on;
}

/* One byte, so that any length and alignment comes out right. */
static void config_write_byte(struct vfio_device *d, unsigned int off, uint8_t val)
{
	struct pci_dev *pci = d->pci;
	uint8_t old;

	if (in_cap(off, pci->msix_cap, PCI_CAP_MSIX_SIZEOF))
		return;
	if (pci->msi_cap && off == pci->msi_cap + PCI_MSI_FLAGS && !msi_is_on(d)) {
		pci_config_read(pci, off, 1, &old);
		val = (val & ~PCI_MSI_FLAGS_ENABLE) | (old & PCI_MSI_FLAGS_ENABLE);
	}
	pci_config_write(pci, off, 1, &val);
}

/*
 * A write of one to four naturally aligned bytes goes to the device at once: registers such as COMMAND must not be seen half
 * written. The rest goes byte by byte.
 */
static void config_write(struct vfio_device *d, unsigned int off, unsigned int len, const uint8_t *data)
{
	struct pci_dev *pci = d->pci;
	unsigned int owned = pci->msix_cap ? pci->msix_cap : pci->msi_cap;

	while (len) {
		unsigned int n = len >= 4 && !(off & 3) ? 4 : len >= 2 && !(off & 1) ? 2 : 1;
		bool whole = off + n <= PCI_STD_HEADER_SIZEOF || !owned;

		if (whole)
			pci_config_write(pci, off, n, data);
		for (unsigned int i = 0; !whole && i < n; i++)
			config_write_byte(d, off + i, data[i]);
		off += n;
		data += n;
		len -= n;
	}
}

/* Those that Linux 7.3's vfio-pci knows. */
static bool is_known(uint16_t ext_cap)
{
	switch (ext_cap) {
	case PCI_EXT_CAP_ID_ERR:
	case PCI_EXT_CAP_ID_VC:
	case PCI_EXT_CAP_ID_DSN:
	case PCI_EXT_CAP_ID_PWR:
	case PCI_EXT_CAP_ID_MFVC:
	case PCI_EXT_CAP_ID_VC9:
	case PCI_EXT_CAP_ID_VNDR:
	case PCI_EXT_CAP_ID_ACS:
	case PCI_EXT_CAP_ID_ARI:
	case PCI_EXT_CAP_ID_ATS:
	case PCI_EXT_CAP_ID_SRIOV:
	case PCI_EXT_CAP_ID_MCAST:
	case PCI_EXT_CAP_ID_PRI:
	case PCI_EXT_CAP_ID_REBAR:
	case PCI_EXT_CAP_ID_DPA:
	case PCI_EXT_CAP_ID_TPH:
	case PCI_EXT_CAP_ID_LTR:
	case PCI_EXT_CAP_ID_DVSEC:
		return true;
	default:
		return false;
	}
}

/* What was read of configuration space. */
struct config_piece {
	uint8_t *data;
	unsigned int off, len;
};

static void show(const struct config_piece *p, unsigned int at, uint32_t header)
{
	for (unsigned int i = 0; i < sizeof(header); i++)
		if (at + i >= p->off && at + i < p->off + p->len)
			p->data[at + i - p->off] = (uint8_t)(header >> 8 * i);
}

/* As vfio_ecap_init() does it: the one before a hidden one leads past it; the first one stays, without a name. */
static void hide_ext_caps(struct vfio_device *d, const struct config_piece *p)
{
	unsigned int at = PCI_CFG_SPACE_SIZE, anchor = 0;
	uint32_t header, shown = 0;
	bool any = false;

	for (; at; at = PCI_EXT_CAP_NEXT(header)) {
		bool known;

		pci_config_read(d->pci, at, sizeof(header), &header);
		known = is_known(PCI_EXT_CAP_ID(header));
		if (!known && anchor) {
			shown = (shown & MASK(20)) | PCI_EXT_CAP_NEXT(header) << 20;
			show(p, anchor, shown);
			continue;
		}
		anchor = at;
		shown = known ? header : header & ~(uint32_t)MASK(20);
		show(p, anchor, shown);
		any |= known;
	}
	if (!any)
		show(p, PCI_CFG_SPACE_SIZE, 0);
}

static ssize_t config_rw(struct vfio_device *d, uint64_t buf, size_t count, uint64_t off, bool write,
			 struct caller *c)
{
	uint8_t data[PCIE_CONFIG_SIZE];

	if (off >= d->pci->config_len || count > d->pci->config_len - off)
		return refuse(device_sink(d), EFAULT, "RW.CONFIG", "offset", off, "up to %u bytes",
			      d->pci->config_len);
	if (write) {
		if (copy_in(c, data, buf, count))
			return refuse(device_sink(d), EFAULT, "RW.CONFIG", "buf", buf, "readable memory");
		config_write(d, off, count, data);
		return count;
	}
	pci_config_read(d->pci, off, count, data);
	if (off + count > PCI_CFG_SPACE_SIZE)
		hide_ext_caps(d, &(struct config_piece){data, (unsigned int)off, (unsigned int)count});
	if (copy_out(c, buf, data, count))
		return refuse(device_sink(d), EFAULT, "RW.CONFIG", "buf", buf, "writable memory");
	return count;
}

/* The MSI-X table is the host's: reads of it give all ones, writes are dropped. */
static void bar_access(struct vfio_device *d, unsigned int bar, uint64_t off, unsigned int len, bool write,
		       uint8_t *data)
{
	struct pci_dev *pci = d->pci;
	uint64_t start = pci->msix_table, end = start + (uint64_t)pci->msix_vectors * 16, piece;

	if (!pci->msix_cap || bar != pci->msix_bar)
		start = end = 0;
	while (len) {
		bool table = off >= start && off < end;

		if (table)
			piece = min_u64(len, end - off);
		else
			piece = off < start ? min_u64(len, start - off) : len;
		if (table && !write)
			memset(data, 0xff, piece);
		else if (!table && write)
			pci_bar_write(pci, bar, off, piece, data);
		else if (!table)
			pci_bar_read(pci, bar, off, piece, data);
		off += piece;
		data += piece;
		len -= piece;
	}
}

static int refuse_buf(struct vfio_device *d, uint64_t buf, const char *legal)
{
	return refuse(device_sink(d), EFAULT, "RW.BAR", "buf", buf, "%s", legal);
}

static ssize_t bar_rw(struct vfio_device *d, unsigned int bar, uint64_t buf, size_t count, uint64_t off, bool write,
		      struct caller *c)
{
	uint64_t size = d->pci->bars[bar].size;
	uint8_t data[PIECE];
	size_t done = 0;

	if (off >= size)
		return refuse(device_sink(d), EINVAL, "RW.BAR", "offset", off, "below the BAR's size %#llx",
			      (unsigned long long)size);
	count = min_u64(count, size - off);
	if (!d->pci->bars[bar].is_io && !pci_memory_enabled(d->pci))
		return refuse(device_sink(d), EIO, "RW.BAR", "offset", off,
			      "a device whose COMMAND.Memory is set");
	while (done < count) {
		unsigned int n = (unsigned int)min_u64(count - done, PIECE - ((off + done) & 7));

		if (write && copy_in(c, data, buf + done, n))
			return done ? (ssize_t)done : refuse_buf(d, buf, "readable memory");
		bar_access(d, bar, off + done, n, write, data);
		if (!write && copy_out(c, buf + done, data, n))
			return done ? (ssize_t)done : refuse_buf(d, buf, "writable memory");
		done += n;
	}
	return done;
}

static ssize_t region_rw(struct vfio_device *d, uint64_t buf, size_t count, uint64_t pos, bool write,
			 struct caller *c)
{
	uint64_t index = pos >> VFIO_PCI_OFFSET_SHIFT, off = pos & MASK(VFIO_PCI_OFFSET_SHIFT);

	if (!count)
		return 0;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_rw(d, buf, count, off, write, c);
	if (index < PCI_NUM_BARS)
		return bar_rw(d, index, buf, count, off, write, c);
	return refuse(device_sink(d), EINVAL, "RW.REGION", "offset", pos,
		      "regions 0 to 5 (BARs) and 7 (configuration space), from bit 40 on; this is %llu",
		      (unsigned long long)index);
}

ssize_t vfio_pci_read(struct vfio_device *d, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	return region_rw(d, buf, count, pos, false, c);
}

ssize_t vfio_pci_write(struct vfio_device *d, uint64_t buf, size_t count, uint64_t pos, struct caller *c)
{
	return region_rw(d, buf, count, pos, true, c);
}
