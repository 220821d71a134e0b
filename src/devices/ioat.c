/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel I/OAT (Crystal Beach DMA) 3.2, 8086:2021, as its Linux and DPDK drivers use it: copy, fill,
 * XOR and XOR validation, completion write-back, one MSI-X vector for each channel, error states.
 *
 * A channel walks a chain of 64-byte descriptors. CHAINADDR arms it; DMACOUNT says how many
 * descriptors, counted modulo 2^16 since then, may be executed. CHANSTS tells the state and the
 * last completed descriptor; the same value is written to CHANCMP where a descriptor asks for it.
 * An XOR of more than five sources takes two descriptors, and counts as two.
 *
 * With pasid=on the function has PASIDs, and each channel a register that the real ones do not
 * have, CHANPASID (40h, bits 19:0): the PASID of everything that the channel reads and writes,
 * descriptors and completions too; 0: without. It holds from the next descriptor on. While PASIDs
 * are disabled in configuration space a channel that has one halts with a control error instead.
 *
 * Registers are under the device's lock. The worker executes one descriptor at a time outside it
 * (channel.busy). RESET, ABORT and a CHAINADDR written meanwhile wait for its end before the
 * register write is done: after that nothing of the old chain runs.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "devices/models.h"

#define MAX_CHANNELS 4
#define BAR_SIZE     0x4000
#define CHANNEL_SPAN 0x80
#define MSIX_TABLE   0x2000
#define MSIX_PBA     0x3000
#define MAX_XOR	     8
#define CBVER_3_2    0x32
#define BATCH	     16 /* descriptors of one channel before the next has its turn */

/* Registers of the device. */
#define CHANCNT	      0x00
#define XFERCAP	      0x01
#define GENCTRL	      0x02
#define INTRCTRL      0x03
#define ATTNSTATUS    0x04
#define CBVER	      0x08
#define INTRDELAY     0x0c
#define CS_STATUS     0x0e
#define DMACAPABILITY 0x10

#define INTRCTRL_MASTER_INT_EN BIT(0)
#define INTRCTRL_INT_STATUS    BIT(1)
#define INTRCTRL_INT	       BIT(2)
#define INTRCTRL_MSIX_CONTROL  BIT(3)

#define CAP_PAGE_BREAK BIT(0)
#define CAP_FILL_BLOCK BIT(6)
#define CAP_XOR	       BIT(8)

/* Registers of a channel, from its base. */
#define CHANCTRL    0x00
#define DMA_COMP    0x02
#define CHANCMD	    0x04
#define DMACOUNT    0x06
#define CHANSTS	    0x08
#define CHAINADDR   0x10
#define CHANCMP	    0x18
#define CDAR	    0x20
#define CHANERR	    0x28
#define CHANERRMASK 0x2c
#define CHANPASID   0x40

#define CHANCTRL_INT_REARM	   BIT(0)
#define CHANCTRL_ERR_COMPLETION_EN BIT(2)
#define CHANCTRL_ERR_INT_EN	   BIT(4)

#define CHANCMD_SUSPEND BIT(2)
#define CHANCMD_ABORT	BIT(3)
#define CHANCMD_RESUME	BIT(4)
#define CHANCMD_RESET	BIT(5)

#define ERR_NEXT_ADDR	    BIT(2)
#define ERR_NEXT_DESC_ALIGN BIT(3)
#define ERR_CHAIN_ADDR	    BIT(4)
#define ERR_READ_DATA	    BIT(8)
#define ERR_WRITE_DATA	    BIT(9)
#define ERR_CONTROL	    BIT(10)
#define ERR_LENGTH	    BIT(11)
#define ERR_COMPLETION_ADDR BIT(12)
#define ERR_XOR_P	    BIT(16)
#define ERR_DESC_COUNT	    BIT(18)

/* Configuration space: error logs that drivers read and write back to clear. */
#define CFG_DMAUNCERRSTS 0x148
#define CFG_CHANERR_INT	 0x180

enum channel_state { ACTIVE, DONE, SUSPENDED, HALTED, ARMED };

#define DESC_SIZE 64

struct ioat_desc {
	uint32_t size, ctl;
	uint64_t src, dst, next;
	uint64_t word[4]; /* XOR: sources 2 to 5 */
};
_Static_assert(sizeof(struct ioat_desc) == DESC_SIZE, "a descriptor is 64 bytes");

#define CTL_INT_EN	BIT(0)
#define CTL_COMPL_WRITE BIT(3)
#define CTL_NULL	BIT(5)
#define CTL_XOR_SOURCES FIELD(7, 5) /* number of sources - 2 */
#define CTL_OP		FIELD(31, 24)

enum { OP_COPY = 0x00, OP_FILL = 0x01, OP_XOR = 0x87, OP_XOR_VAL = 0x88 };

struct channel {
	enum channel_state state;
	bool suspend; /* leave ACTIVE after the descriptor that is being executed */
	bool busy;    /* the worker executes one */
	bool reset_wanted, abort_wanted, arm_wanted; /* done when it does not */
	bool int_armed, int_pending;
	uint16_t control, count, done; /* done: descriptors executed since CHAINADDR */
	uint64_t next, completed, completion;
	uint64_t chain; /* CHAINADDR as written, for arm_wanted */
	uint32_t errors, pasid;
};

struct ioat {
	unsigned int nr_channels;
	uint8_t xfercap;
	uint8_t intrctrl, genctrl;
	uint32_t attention;
	struct channel channels[MAX_CHANNELS];
	uint8_t data[DMA_PIECE], other[DMA_PIECE]; /* the worker's */
};

static uint64_t channel_base(unsigned int i)
{
	return CHANNEL_SPAN * (i + 1);
}

static uint64_t status_of(const struct channel *ch)
{
	return (ch->completed & ~0x3full) | ch->state;
}

/* Lock held: what the program reads follows the state. */
static void show_channel(struct pci_dev *dev, const struct ioat *io, unsigned int i)
{
	const struct channel *ch = &io->channels[i];
	uint64_t base = channel_base(i);

	pci_bar_store32(dev, 0, base + CHANCTRL,
			ch->control | (uint32_t)2 << 16); /* DMA_COMP: version 2 */
	pci_bar_store32(dev, 0, base + CHANCMD, (uint32_t)ch->count << 16);
	pci_bar_store64(dev, 0, base + CHAINADDR, ch->next);
	pci_bar_store64(dev, 0, base + CHANCMP, ch->completion);
	pci_bar_store32(dev, 0, base + CHANERR, ch->errors);
	pci_bar_store32(dev, 0, base + CHANPASID, ch->pasid);
	pci_bar_store64(dev, 0, base + CHANSTS, status_of(ch));
}

static void show_device(struct pci_dev *dev, struct ioat *io)
{
	uint8_t intr = io->intrctrl & ~(INTRCTRL_INT_STATUS | INTRCTRL_INT);

	if (io->attention)
		intr |= INTRCTRL_INT_STATUS | (intr & INTRCTRL_MASTER_INT_EN ? INTRCTRL_INT : 0);
	io->intrctrl = intr;
	pci_bar_store32(dev, 0, CHANCNT,
			io->nr_channels | (uint32_t)io->xfercap << 8 | (uint32_t)io->genctrl << 16 |
				(uint32_t)intr << 24);
	pci_bar_store32(dev, 0, ATTNSTATUS, io->attention);
	pci_bar_store32(dev, 0, CBVER, CBVER_3_2);
	pci_bar_store32(dev, 0, DMACAPABILITY, CAP_PAGE_BREAK | CAP_FILL_BLOCK | CAP_XOR);
}

static void ioat_reset(struct pci_dev *dev)
{
	struct ioat *io = pci_model_data(dev);

	memset(dev->bars[0].mem, 0, MSIX_TABLE);
	io->intrctrl = io->genctrl = 0;
	io->attention = 0;
	for (unsigned int i = 0; i < io->nr_channels; i++) {
		io->channels[i] = (struct channel){.state = HALTED, .int_armed = true};
		show_channel(dev, io, i);
	}
	show_device(dev, io);
}

static const struct option_key ioat_keys[] = {
	{"channels", OPTION_NUMBER, "1", 1, MAX_CHANNELS, "DMA channels, one MSI-X vector each"},
	{"xfercap", OPTION_NUMBER, "14", 12, 20,
	 "log2 of the largest transfer of one descriptor, in bytes"},
	{"pasid", OPTION_BOOL, "off", 0, 0,
	 "PASIDs: a register at 40h of each channel has its own"},
	{"ats", OPTION_BOOL, "off", 0, 0,
	 "keeps translations of its own, where the IOMMU answers such requests"},
	{"pri", OPTION_BOOL, "off", 0, 0, "with ats: asks for pages that are not mapped"},
	{NULL},
};

static int ioat_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	static const struct pci_ids ids = {
		.vendor = 0x8086,
		.device = 0x2021,
		.subsystem_vendor = 0x8086,
		.subsystem = 0x0000,
		.class_code = 0x088000,
		.revision = 4,
		.pcie = true,
	};
	struct ioat *io = ioas_calloc(1, sizeof(*io));
	int rc;

	if (!io)
		return -ENOMEM;
	if (options_bool(o, "pri") && !options_bool(o, "ats")) {
		snprintf(why, why_len, "ioat: pri=on needs ats=on");
		ioas_free(io);
		return -EINVAL;
	}
	io->nr_channels = (unsigned int)options_number(o, "channels");
	io->xfercap = (uint8_t)options_number(o, "xfercap");
	pci_set_ids(dev, &ids);
	rc = pci_add_bar(dev, 0, BAR_SIZE, true, false);
	if (!rc)
		rc = pci_add_msix(dev, 0, io->nr_channels, MSIX_TABLE, MSIX_PBA);
	if (!rc && options_bool(o, "pasid"))
		rc = pci_add_pasid(dev, PASID_BITS);
	if (!rc && options_bool(o, "ats"))
		rc = pci_add_ats(dev, options_bool(o, "pri"));
	if (rc) {
		snprintf(why, why_len, "ioat: out of memory");
		ioas_free(io);
		return rc;
	}
	pci_set_intx_pin(dev, 1);
	memset(dev->w1cmask + CFG_DMAUNCERRSTS, 0xff, 4);
	memset(dev->w1cmask + CFG_CHANERR_INT, 0xff, 4);
	pci_set_model_data(dev, io);
	return 0;
}

static void ioat_destroy(struct pci_dev *dev)
{
	ioas_free(pci_model_data(dev));
}

static void suspend(struct channel *ch)
{
	if (ch->busy)
		ch->suspend = true;
	else if (ch->state != HALTED)
		ch->state = SUSPENDED;
}

static void resume(struct pci_dev *dev, struct channel *ch)
{
	ch->suspend = false;
	if (ch->state != SUSPENDED)
		return;
	ch->state = ch->done == ch->count ? DONE : ACTIVE;
	pci_kick(dev);
}

static void command(struct pci_dev *dev, struct channel *ch, uint8_t cmd)
{
	if (cmd & (CHANCMD_RESET | CHANCMD_ABORT)) {
		ch->reset_wanted |= !!(cmd & CHANCMD_RESET);
		ch->abort_wanted = true;
		pci_when_quiet(dev);
	} else if (cmd & CHANCMD_SUSPEND) {
		suspend(ch);
	} else if (cmd & CHANCMD_RESUME) {
		resume(dev, ch);
	}
}

static void arm(struct channel *ch)
{
	ch->arm_wanted = false;
	ch->next = ch->chain;
	ch->state = ARMED;
	ch->suspend = false;
	ch->done = 0;
	ch->count = 0;
}

static void set_chain(struct pci_dev *dev, struct channel *ch, uint64_t address)
{
	ch->chain = address;
	ch->arm_wanted = true;
	if (ch->busy)
		pci_when_quiet(dev);
	else
		arm(ch);
}

/* What set up the channel (CHANCTRL, CHANCMP, CHANPASID) outlives its reset: Linux does not write
 * it again. */
static void reset_channel(struct channel *ch)
{
	*ch = (struct channel){
		.state = HALTED,
		.int_armed = true,
		.control = ch->control,
		.completion = ch->completion,
		.pasid = ch->pasid,
	};
}

static void ioat_quiet(struct pci_dev *dev)
{
	struct ioat *io = pci_model_data(dev);

	for (unsigned int i = 0; i < io->nr_channels; i++) {
		struct channel *ch = &io->channels[i];

		if (ch->reset_wanted)
			reset_channel(ch);
		if (ch->abort_wanted)
			ch->state = HALTED;
		if (ch->arm_wanted)
			arm(ch);
		ch->abort_wanted = false;
		show_channel(dev, io, i);
	}
}

static void set_count(struct pci_dev *dev, struct channel *ch, uint16_t count)
{
	ch->count = count;
	if (ch->state == HALTED || ch->state == SUSPENDED || ch->done == count)
		return;
	ch->state = ACTIVE;
	pci_kick(dev);
}

/*
 * MSI-X: one vector each. Otherwise the channel's attention bit, and the pin, until INTRCTRL is
 * written again. One that comes while it is not armed waits for INT_REARM. Lock held.
 */
static void interrupt(struct pci_dev *dev, struct ioat *io, unsigned int i)
{
	struct channel *ch = &io->channels[i];

	ch->int_pending = !ch->int_armed;
	if (!ch->int_armed)
		return;
	ch->int_armed = false;
	if (pci_msix_enabled(dev)) {
		pci_raise(dev, i);
		return;
	}
	io->attention |= BIT(i);
	show_device(dev, io);
	if (io->intrctrl & INTRCTRL_MASTER_INT_EN)
		pci_set_intx(dev, true);
}

static void set_control(struct pci_dev *dev, struct ioat *io, unsigned int i, uint16_t val)
{
	struct channel *ch = &io->channels[i];

	ch->control = val & ~CHANCTRL_INT_REARM;
	if (!(val & CHANCTRL_INT_REARM))
		return;
	ch->int_armed = true;
	if (ch->int_pending)
		interrupt(dev, io, i);
}

/* The driver's interrupt handler ends by writing INTRCTRL. */
static void set_intrctrl(struct pci_dev *dev, struct ioat *io, uint8_t val)
{
	io->intrctrl = val & (INTRCTRL_MASTER_INT_EN | INTRCTRL_MSIX_CONTROL);
	io->attention = 0;
	pci_set_intx(dev, false);
}

/* Merges a write of part of a register. */
static uint64_t merged(uint64_t old, uint64_t at, unsigned int size, uint64_t val)
{
	uint64_t mask = MASK(size * 8) << (at * 8);

	return (old & ~mask) | (val << (at * 8) & mask);
}

static void channel_write(struct pci_dev *dev, unsigned int i, uint64_t off, unsigned int size,
			  uint64_t val)
{
	struct ioat *io = pci_model_data(dev);
	struct channel *ch = &io->channels[i];

	switch (off) {
	case CHANCTRL:
		set_control(dev, io, i, (uint16_t)val);
		break;
	case CHANCMD:
		command(dev, ch, (uint8_t)val);
		if (size == 4)
			set_count(dev, ch, (uint16_t)(val >> 16));
		break;
	case DMACOUNT:
		set_count(dev, ch, (uint16_t)val);
		break;
	case CHAINADDR:
	case CHAINADDR + 4:
		set_chain(dev, ch, merged(ch->chain, off - CHAINADDR, size, val));
		break;
	case CHANCMP:
	case CHANCMP + 4:
		ch->completion = merged(ch->completion, off - CHANCMP, size, val);
		break;
	case CHANERR:
		ch->errors &= ~(uint32_t)val;
		break;
	case CHANPASID:
		ch->pasid = dev->pasid_cap ? (uint32_t)(val & MASK(PASID_BITS)) : 0;
		break;
	case CHANERRMASK:
		pci_bar_store32(dev, 0, channel_base(i) + CHANERRMASK, (uint32_t)val);
		break;
	}
	show_channel(dev, io, i);
}

static bool covers(uint64_t off, unsigned int size, uint64_t reg)
{
	return off <= reg && reg < off + size;
}

static void device_write(struct pci_dev *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct ioat *io = pci_model_data(dev);

	if (covers(off, size, GENCTRL))
		io->genctrl = (uint8_t)(val >> 8 * (GENCTRL - off));
	if (covers(off, size, INTRCTRL))
		set_intrctrl(dev, io, (uint8_t)(val >> 8 * (INTRCTRL - off)));
	if (off == INTRDELAY)
		pci_bar_store32(dev, 0, INTRDELAY, (uint16_t)val);
	show_device(dev, io);
}

static void ioat_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
		       uint64_t val)
{
	struct ioat *io = pci_model_data(dev);
	uint64_t channel = off / CHANNEL_SPAN, reg = off % CHANNEL_SPAN;

	/* Only two registers are 64 bits wide. */
	if (size == 8 && reg != CHAINADDR && reg != CHANCMP) {
		ioat_write(dev, bar, off, 4, (uint32_t)val);
		ioat_write(dev, bar, off + 4, 4, val >> 32);
	} else if (channel && channel <= io->nr_channels) {
		channel_write(dev, (unsigned int)channel - 1, reg, size, val);
	} else if (!channel) {
		device_write(dev, off, size, val);
	}
}

/* One descriptor's work. Returns CHANERR bits, 0 when it is done. */
static uint32_t do_copy(struct pci_dev *dev, struct ioat *io, const struct ioat_desc *d)
{
	for (uint32_t at = 0; at < d->size;) {
		uint32_t n = (uint32_t)min_u64(d->size - at, sizeof(io->data));

		if (dma_read(pci_port(dev), d->src + at, io->data, n))
			return ERR_READ_DATA;
		if (dma_write(pci_port(dev), d->dst + at, io->data, n))
			return ERR_WRITE_DATA;
		at += n;
	}
	return 0;
}

static uint32_t do_fill(struct pci_dev *dev, const struct ioat_desc *d)
{
	return dma_fill(pci_port(dev), d->dst, d->src, d->size) ? ERR_WRITE_DATA : 0;
}

static void xor_into(uint8_t *to, const uint8_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] ^= from[i];
}

static bool is_zero(const uint8_t *p, uint32_t n)
{
	uint8_t any = 0;

	for (uint32_t i = 0; i < n; i++)
		any |= p[i];
	return !any;
}

static unsigned int nr_sources(const struct ioat_desc *d)
{
	return (unsigned int)field_get(CTL_XOR_SOURCES, d->ctl) + 2;
}

/* Sources: src, word[0..3], then three more in an extension descriptor at next. */
static uint32_t xor_sources(struct pci_dev *dev, const struct ioat_desc *d, uint64_t src[MAX_XOR],
			    unsigned int *n, uint64_t *next)
{
	uint64_t ext[DESC_SIZE / 8];

	*n = nr_sources(d);
	if (*n > MAX_XOR)
		return ERR_CONTROL;
	src[0] = d->src;
	for (unsigned int i = 0; i < 4; i++)
		src[i + 1] = d->word[i];
	if (*n <= 5)
		return 0;
	if (d->next & (DESC_SIZE - 1))
		return ERR_NEXT_DESC_ALIGN;
	if (dma_read(pci_port(dev), d->next, ext, sizeof(ext)))
		return ERR_NEXT_ADDR;
	for (unsigned int i = 0; i < 3; i++)
		src[i + 5] = le64toh(ext[i]);
	*next = le64toh(ext[3]);
	return 0;
}

static bool is_xor(const struct ioat_desc *d)
{
	return field_get(CTL_OP, d->ctl) == OP_XOR || field_get(CTL_OP, d->ctl) == OP_XOR_VAL;
}

static uint32_t add_source(struct pci_dev *dev, struct ioat *io, uint64_t src, uint32_t len)
{
	if (dma_read(pci_port(dev), src, io->other, len))
		return ERR_READ_DATA;
	xor_into(io->data, io->other, len);
	return 0;
}

/* Validation compares what the sources give with what lies at the destination. */
static uint32_t do_xor(struct pci_dev *dev, struct ioat *io, const struct ioat_desc *d,
		       bool validate, uint64_t *next)
{
	uint64_t src[MAX_XOR];
	unsigned int n;
	uint32_t err = xor_sources(dev, d, src, &n, next);

	for (uint32_t at = 0; at < d->size && !err;) {
		uint32_t len = (uint32_t)min_u64(d->size - at, sizeof(io->data));

		memset(io->data, 0, len);
		for (unsigned int i = 0; i < n && !err; i++)
			err = add_source(dev, io, src[i] + at, len);
		if (validate && !err)
			err = add_source(dev, io, d->dst + at, len);
		if (validate && !err && !is_zero(io->data, len))
			err = ERR_XOR_P;
		if (!validate && !err && dma_write(pci_port(dev), d->dst + at, io->data, len))
			err = ERR_WRITE_DATA;
		at += len;
	}
	return err;
}

/* What the worker needs to know of the channel while it executes without the lock, and what came of
 * it. */
struct job {
	unsigned int channel;
	uint16_t control, left; /* left: descriptors that DMACOUNT lets it execute */
	bool first;		/* of its chain */
	uint32_t pasid;
	uint64_t at, completion, completed;
	struct ioat_desc d;
	uint16_t used; /* descriptors that it took */
	uint64_t next;
	uint32_t err;
};

static uint32_t fetch(struct pci_dev *dev, const struct job *job, struct ioat_desc *d)
{
	if (job->at & (DESC_SIZE - 1))
		return job->first ? ERR_CHAIN_ADDR : ERR_NEXT_DESC_ALIGN;
	if (dma_read(pci_port(dev), job->at, d, sizeof(*d)))
		return ERR_NEXT_ADDR;
	d->size = le32toh(d->size);
	d->ctl = le32toh(d->ctl);
	d->src = le64toh(d->src);
	d->dst = le64toh(d->dst);
	d->next = le64toh(d->next);
	for (unsigned int i = 0; i < 4; i++)
		d->word[i] = le64toh(d->word[i]);
	return 0;
}

static uint32_t execute(struct pci_dev *dev, struct ioat *io, struct job *job)
{
	const struct ioat_desc *d = &job->d;

	job->next = d->next;
	job->used = is_xor(d) && nr_sources(d) > 5 ? 2 : 1;
	if (!d->size || d->size > BIT(io->xfercap))
		return ERR_LENGTH;
	if (job->used > job->left)
		return ERR_DESC_COUNT;
	switch (field_get(CTL_OP, d->ctl)) {
	case OP_COPY:
		return d->ctl & CTL_NULL ? 0 : do_copy(dev, io, d);
	case OP_FILL:
		return do_fill(dev, d);
	case OP_XOR:
		return do_xor(dev, io, d, false, &job->next);
	case OP_XOR_VAL:
		return do_xor(dev, io, d, true, &job->next);
	default:
		return ERR_CONTROL;
	}
}

/* The completion is in memory before CHANSTS shows it and before the interrupt. */
static uint32_t write_back(struct pci_dev *dev, const struct job *job)
{
	uint64_t status;

	if (job->err ? !(job->control & CHANCTRL_ERR_COMPLETION_EN)
		     : !(job->d.ctl & CTL_COMPL_WRITE))
		return 0;
	if (job->completion & 7)
		return ERR_COMPLETION_ADDR;
	status = job->err ? (job->completed & ~0x3full) | HALTED
			  : job->at | (job->used == job->left ? DONE : ACTIVE);
	status = htole64(status);
	return dma_write(pci_port(dev), job->completion, &status, sizeof(status))
		       ? ERR_COMPLETION_ADDR
		       : 0;
}

/* The requests of this job; none, if they are not allowed to have its PASID. */
static void do_job(struct pci_dev *dev, struct ioat *io, struct job *job)
{
	if (job->pasid && !pci_pasid_enabled(dev)) {
		job->err = ERR_CONTROL;
		return;
	}
	pci_port(dev)->pasid = job->pasid;
	job->err = fetch(dev, job, &job->d);
	if (!job->err)
		job->err = execute(dev, io, job);
	job->err |= write_back(dev, job);
}

static bool take_job(struct ioat *io, unsigned int i, struct job *job)
{
	struct channel *ch = &io->channels[i];

	if (ch->state != ACTIVE || ch->done == ch->count)
		return false;
	*job = (struct job){
		.channel = i,
		.control = ch->control,
		.left = ch->count - ch->done,
		.first = !ch->done,
		.pasid = ch->pasid,
		.at = ch->next,
		.completion = ch->completion,
		.completed = ch->completed,
	};
	ch->busy = true;
	return true;
}

static void book(struct pci_dev *dev, struct ioat *io, const struct job *job)
{
	struct channel *ch = &io->channels[job->channel];

	ch->busy = false;
	if (job->err) {
		ch->errors |= job->err;
		ch->state = HALTED;
	} else {
		ch->completed = job->at;
		ch->next = job->next;
		ch->done += job->used;
		ch->state = ch->suspend ? SUSPENDED : ch->done == ch->count ? DONE : ACTIVE;
	}
	ch->suspend = false;
	show_channel(dev, io, job->channel);
	if (job->err ? ch->control & CHANCTRL_ERR_INT_EN : job->d.ctl & CTL_INT_EN)
		interrupt(dev, io, job->channel);
}

/* One channel's turn. True when anything was done. */
static bool run_channel(struct pci_dev *dev, struct ioat *io, unsigned int i)
{
	struct job job;
	unsigned int n;

	pci_lock(dev);
	for (n = 0; n < BATCH && !pci_stopping(dev) && take_job(io, i, &job); n++) {
		pci_unlock(dev);
		do_job(dev, io, &job);
		pci_lock(dev);
		book(dev, io, &job);
	}
	pci_unlock(dev);
	return n;
}

static bool ioat_work(struct pci_dev *dev)
{
	struct ioat *io = pci_model_data(dev);
	bool more = false;

	for (unsigned int i = 0; i < io->nr_channels; i++)
		more |= run_channel(dev, io, i);
	return more;
}

const struct pci_model ioat_model = {
	.name = "ioat",
	.summary = "Intel I/OAT DMA engine 8086:2021 (CBDMA 3.2): copy, fill, XOR",
	.keys = ioat_keys,
	.create = ioat_create,
	.destroy = ioat_destroy,
	.reset = ioat_reset,
	.bar_write = ioat_write,
	.quiet = ioat_quiet,
	.work = ioat_work,
};
