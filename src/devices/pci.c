/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI function's life: creation, registers, reset, peers. Configuration space is config.c's.
 */
#include "devices/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "devices/private.h"
#include "devices/worker.h"

static void *default_shm_alloc(void *arg, uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void default_shm_free(void *arg, void *p, uint64_t len)
{
	munmap(p, len);
}

static int default_thread_start(void *arg, pthread_t *t, const char *name, void *(*fn)(void *),
				void *fn_arg)
{
	return thread_start(t, name, fn, fn_arg);
}

static int default_file_open(void *arg, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : fd;
}

static const struct pci_host_ops default_ops = {
	.file_open = default_file_open,
	.shm_alloc = default_shm_alloc,
	.shm_free = default_shm_free,
	.thread_start = default_thread_start,
};

static void store_plain(char *at, uint64_t val, unsigned int size)
{
	switch (size) {
	case 8:
		__atomic_store_n((uint64_t *)at, val, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)val, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)val, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint8_t *)at, (uint8_t)val, __ATOMIC_RELEASE);
	}
}

static uint64_t load_plain(const char *at, unsigned int size)
{
	switch (size) {
	case 8:
		return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint8_t *)at, __ATOMIC_ACQUIRE);
	}
}

static bool in_bar(struct pci_dev *dev, uint32_t bar, uint64_t offset, unsigned int size)
{
	return bar < PCI_NUM_BARS && offset < dev->bars[bar].size &&
	       size <= dev->bars[bar].size - offset && pci_memory_enabled(dev);
}

/* Peers' DMA: a posted write is delivered by this device's own worker, so no initiator ever runs
 * this model. */
static int peer_write(struct dma_peer *p, uint32_t bar, uint64_t offset, const void *data,
		      unsigned int size)
{
	struct pci_dev *dev = container_of(p, struct pci_dev, peer);
	uint64_t value = 0;

	if (!in_bar(dev, bar, offset, size))
		return -EFAULT;
	memcpy(&value, data, size);
	return worker_post(dev->worker, bar, offset, value, size) ? -EFAULT : 0;
}

static int peer_read(struct dma_peer *p, uint32_t bar, uint64_t offset, void *data,
		     unsigned int size)
{
	struct pci_dev *dev = container_of(p, struct pci_dev, peer);
	uint64_t value;

	if (!in_bar(dev, bar, offset, size))
		return -EFAULT;
	value = load_plain(dev->bars[bar].mem + offset, size);
	memcpy(data, &value, size);
	return 0;
}

static const struct dma_peer_ops peer_ops = {
	.write = peer_write,
	.read = peer_read,
};

static void free_bars(struct pci_dev *dev)
{
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		struct pci_bar *bar = &dev->bars[i];

		if (bar->mem)
			dev->ops.shm_free(dev->cfg.ops_arg, bar->mem,
					  align_up(bar->size, PAGE_SIZE));
		ioas_free(bar->pages);
	}
}

static void free_dev(struct pci_dev *dev)
{
	free_bars(dev);
	ioas_free(dev->sriov.vfs);
	pthread_mutex_destroy(&dev->sriov.lock);
	pthread_mutex_destroy(&dev->irq_lock);
	pthread_mutex_destroy(&dev->lock);
	ioas_free(dev);
}

static void default_missing_ops(struct pci_dev *dev)
{
	dev->ops = dev->cfg.ops ? *dev->cfg.ops : default_ops;
	if (!dev->ops.shm_alloc) {
		dev->ops.shm_alloc = default_shm_alloc;
		dev->ops.shm_free = default_shm_free;
	}
	if (!dev->ops.file_open)
		dev->ops.file_open = default_file_open;
	if (!dev->ops.thread_start)
		dev->ops.thread_start = default_thread_start;
}

static int create_model(struct pci_dev *dev, const char *text, char *why, size_t why_len)
{
	struct options o;
	int rc;

	if (dev->pf)
		return dev->model->create_vf(dev, why, why_len);
	rc = options_parse(text, dev->model->keys, &o, why, why_len);
	if (rc)
		return rc;
	rc = dev->model->create(dev, &o, why, why_len);
	options_free(&o);
	return rc;
}

/* What a function is made of: an option text, or a place among the virtual functions of another. */
struct origin {
	const struct pci_model *model;
	const char *text;
	struct pci_dev *pf;
	unsigned int vf_index;
};

static int create(const struct origin *from, const struct pci_config *cfg, struct pci_dev **out,
		  char *why, size_t why_len)
{
	struct pci_dev *dev = ioas_calloc(1, sizeof(*dev));
	int rc = -ENOMEM;

	snprintf(why, why_len, "out of memory");
	if (!dev)
		return -ENOMEM;
	dev->model = from->model;
	dev->pf = from->pf;
	dev->vf_index = from->vf_index;
	dev->cfg = *cfg;
	default_missing_ops(dev);
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->sriov.lock, NULL);
	snprintf(dev->name, sizeof(dev->name), "%04x:%02x:%02x.%x", cfg->domain, cfg->rid >> 8,
		 cfg->rid >> 3 & 0x1f, cfg->rid & 7);
	dev->peer.ops = &peer_ops;
	dma_port_init(&dev->port, cfg->requester, cfg->memory);
	config_init(dev);
	rc = worker_create(dev, &dev->worker);
	if (rc)
		goto out_free;
	rc = create_model(dev, from->text, why, why_len);
	if (rc)
		goto out_worker;
	config_power_on(dev);
	pasid_power_on(dev);
	pci_lock(dev);
	dev->model->reset(dev);
	pci_unlock(dev);
	if (dev->pf)
		sriov_join(dev);
	*out = dev;
	return 0;

out_worker:
	worker_destroy(dev->worker);
out_free:
	free_dev(dev);
	return rc;
}

int pci_create(const struct pci_model *model, const char *text, const struct pci_config *cfg,
	       struct pci_dev **out, char *why, size_t why_len)
{
	const struct origin from = {.model = model, .text = text};

	return create(&from, cfg, out, why, why_len);
}

int pci_create_vf(struct pci_dev *pf, unsigned int index, const struct pci_config *cfg,
		  struct pci_dev **out, char *why, size_t why_len)
{
	const struct origin from = {.model = pf->model, .pf = pf, .vf_index = index};

	if (index >= pf->sriov.cfg.total) {
		snprintf(why, why_len, "%s has %u virtual functions", pf->name,
			 pf->sriov.cfg.total);
		return -EINVAL;
	}
	return create(&from, cfg, out, why, why_len);
}

void pci_destroy(struct pci_dev *dev)
{
	if (dev->pf)
		sriov_leave(dev);
	/* Peers may still post, and ports of the same hub still kick, until they are told that it
	 * is gone. */
	worker_stop(dev->worker);
	dma_set_bus_master(&dev->port, false);
	memory_forget_device(dev->cfg.memory, &dev->peer);
	dev->model->destroy(dev);
	worker_destroy(dev->worker);
	free_dev(dev);
}

void pci_kick(struct pci_dev *dev)
{
	worker_kick(dev->worker);
}

bool pci_stopping(struct pci_dev *dev)
{
	return worker_stopping(dev->worker);
}

void pci_reset(struct pci_dev *dev)
{
	worker_pause(dev->worker);
	worker_forget_posted(dev->worker);
	requester_forget_atc(dev->cfg.requester, IOMMU_ALL_PASIDS, 0, UINT64_MAX);
	pci_lock(dev);
	dev->model->reset(dev);
	config_reset(dev);
	pci_set_intx(dev, false);
	pci_unlock(dev);
	worker_resume(dev->worker);
	sriov_reset(dev);
}

/* Lock held, and given up in between: the worker may be waiting for it. */
static void run_quiet(struct pci_dev *dev)
{
	pci_unlock(dev);
	worker_pause(dev->worker);
	pci_lock(dev);
	dev->quiet_wanted = false;
	dev->model->quiet(dev);
	worker_resume(dev->worker);
}

static int add_bar(struct pci_dev *dev, unsigned int index, const struct pci_bar *want)
{
	struct pci_bar *bar = &dev->bars[index];
	uint64_t len = align_up(want->size, PAGE_SIZE);

	if (index >= PCI_NUM_BARS || !is_pow2(want->size) || bar->size ||
	    (want->is_64 && index == PCI_NUM_BARS - 1))
		return -EINVAL;
	*bar = *want;
	bar->mem = dev->ops.shm_alloc(dev->cfg.ops_arg, len);
	bar->pages = ioas_calloc(len / PAGE_SIZE, 1);
	if (!bar->mem || !bar->pages)
		return -ENOMEM;
	config_add_bar(dev, index);
	return 0;
}

int pci_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size, bool is_64, bool prefetch)
{
	return add_bar(dev, bar,
		       &(struct pci_bar){.size = size, .is_64 = is_64, .prefetch = prefetch});
}

int pci_add_io_bar(struct pci_dev *dev, unsigned int bar, uint32_t size)
{
	return add_bar(dev, bar, &(struct pci_bar){.size = size, .is_io = true});
}

void pci_set_page_flags(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
			uint8_t flags)
{
	for (uint64_t p = off / PAGE_SIZE; p <= (off + len - 1) / PAGE_SIZE; p++)
		dev->bars[bar].pages[p] = flags;
}

void pci_bar_store32(struct pci_dev *dev, unsigned int bar, uint64_t off, uint32_t val)
{
	__atomic_store_n((uint32_t *)(dev->bars[bar].mem + off), val, __ATOMIC_RELEASE);
}

void pci_bar_store64(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t val)
{
	__atomic_store_n((uint64_t *)(dev->bars[bar].mem + off), val, __ATOMIC_RELEASE);
}

uint32_t pci_bar_load32(struct pci_dev *dev, unsigned int bar, uint64_t off)
{
	return __atomic_load_n((uint32_t *)(dev->bars[bar].mem + off), __ATOMIC_ACQUIRE);
}

/* The largest naturally aligned piece of at most 8 bytes. */
static unsigned int piece_at(uint64_t off, unsigned int len)
{
	unsigned int size = off ? 1u << min_u64(lowest_bit(off), 3) : 8;

	while (size > len)
		size >>= 1;
	return size;
}

static bool is_plain(const struct pci_bar *bar, uint64_t off)
{
	return bar->pages[off / PAGE_SIZE] & PCI_PAGE_PLAIN;
}

void pci_bar_write_locked(struct pci_dev *dev, unsigned int index, uint64_t off, unsigned int len,
			  const void *data)
{
	struct pci_bar *bar = &dev->bars[index];
	const uint8_t *p = data;

	while (len) {
		unsigned int size = piece_at(off, len);
		uint64_t val = 0;

		memcpy(&val, p, size);
		if (!dev->model->bar_write || is_plain(bar, off) ||
		    config_is_msix_table(dev, index, off))
			store_plain(bar->mem + off, val, size);
		else
			dev->model->bar_write(dev, index, off, size, val);
		if (unlikely(dev->quiet_wanted))
			run_quiet(dev);
		off += size;
		p += size;
		len -= size;
	}
}

void pci_bar_read_locked(struct pci_dev *dev, unsigned int index, uint64_t off, unsigned int len,
			 void *data)
{
	struct pci_bar *bar = &dev->bars[index];
	uint8_t *p = data;

	while (len) {
		unsigned int size = piece_at(off, len);
		uint64_t val;

		if (!dev->model->bar_read || is_plain(bar, off) ||
		    config_is_msix_table(dev, index, off))
			val = load_plain(bar->mem + off, size);
		else
			val = dev->model->bar_read(dev, index, off, size);
		memcpy(p, &val, size);
		off += size;
		p += size;
		len -= size;
	}
}

void pci_bar_write(struct pci_dev *dev, unsigned int index, uint64_t off, unsigned int len,
		   const void *data)
{
	pci_lock(dev);
	pci_bar_write_locked(dev, index, off, len, data);
	pci_unlock(dev);
}

void pci_bar_read(struct pci_dev *dev, unsigned int index, uint64_t off, unsigned int len,
		  void *data)
{
	pci_lock(dev);
	pci_bar_read_locked(dev, index, off, len, data);
	pci_unlock(dev);
}

void pci_set_irq_ops(struct pci_dev *dev, const struct pci_irq_ops *ops, void *arg)
{
	pthread_mutex_lock(&dev->irq_lock);
	dev->irq_ops = ops;
	dev->irq_arg = arg;
	pthread_mutex_unlock(&dev->irq_lock);
}

/* irq_lock keeps the receiver from going away. */
static void deliver(struct pci_dev *dev, enum pci_irq kind, unsigned int vector)
{
	pthread_mutex_lock(&dev->irq_lock);
	if (dev->irq_ops)
		dev->irq_ops->raise(dev->irq_arg, kind, vector);
	pthread_mutex_unlock(&dev->irq_lock);
}

struct raising {
	struct pci_dev *dev;
	enum pci_irq kind;
	unsigned int vector;
};

static void send(void *arg)
{
	const struct raising *r = arg;

	deliver(r->dev, r->kind, r->vector);
}

void pci_raise(struct pci_dev *dev, unsigned int vector)
{
	struct raising r = {dev, PCI_MSIX, vector};

	if (!pci_msix_enabled(dev))
		r.kind = PCI_MSI;
	if (r.kind == PCI_MSIX || pci_msi_enabled(dev))
		dma_raise(&dev->port, send, &r);
	else
		pci_set_intx(dev, true);
}

static void set_intx(struct pci_dev *dev, bool level)
{
	pthread_mutex_lock(&dev->irq_lock);
	if (dev->intx_level != level) {
		__atomic_store_n(&dev->intx_level, level, __ATOMIC_RELEASE);
		if (dev->irq_ops && !level)
			dev->irq_ops->lower(dev->irq_arg);
		else if (dev->irq_ops && config_intx_enabled(dev))
			dev->irq_ops->raise(dev->irq_arg, PCI_INTX, 0);
	}
	pthread_mutex_unlock(&dev->irq_lock);
}

static void raise_intx(void *arg)
{
	set_intx(arg, true);
}

void pci_set_intx(struct pci_dev *dev, bool level)
{
	if (__atomic_load_n(&dev->intx_level, __ATOMIC_ACQUIRE) == level)
		return;
	if (level)
		dma_raise(&dev->port, raise_intx, dev);
	else
		set_intx(dev, false);
}

void pci_intx_gate_changed(struct pci_dev *dev, bool was_enabled)
{
	bool enabled = config_intx_enabled(dev);

	if (enabled == was_enabled)
		return;
	pthread_mutex_lock(&dev->irq_lock);
	if (dev->irq_ops && dev->intx_level && enabled)
		dev->irq_ops->raise(dev->irq_arg, PCI_INTX, 0);
	else if (dev->irq_ops && dev->intx_level)
		dev->irq_ops->lower(dev->irq_arg);
	pthread_mutex_unlock(&dev->irq_lock);
}

bool pci_intx_asserted(struct pci_dev *dev)
{
	return __atomic_load_n(&dev->intx_level, __ATOMIC_ACQUIRE) && config_intx_enabled(dev);
}
