/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's face: what include/ioas/ioas.h promises, on top of abi/. It is a door for its own process: it keeps the file
 * numbers and fills the caller.
 */
#include <ioas/abi/extensions.h>
#include <ioas/ioas.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi/file.h"
#include "abi/iommufd.h"
#include "devices/pci.h"
#include "devices/virtio/hub.h"
#include "mock/commands.h"
#include "object/iommufd.h"

#define MAX_FILES 1024

/*
 * A file number. A call counts itself in @state for as long as it uses the file, one atomic
 * instruction when it begins and one when it ends; closing takes SLOT_OPEN away, and whoever is then
 * the last to leave drops the file.
 */
#define SLOT_OPEN    (1ull << 32)
#define SLOT_CLOSING (1ull << 33)
struct file_slot {
	struct abi_file *file; /* valid while @state is not 0 */
	uint64_t state;	       /* calls under way, and the two bits */
};

struct ioas_host {
	struct ioas_host_config cfg;
	struct host *host;
	struct net_hubs *hubs;
	struct memory_account *account;
	pthread_mutex_t lock; /* opening */
	struct file_slot files[MAX_FILES];
	struct pci_dev **devices;
	size_t nr_devices;
	struct ioas_port *ports;
};

struct ioas_port {
	struct ioas_host *host;
	struct host_device *slot;
	struct idevice *idev;
	struct dma_port dma;
	struct ioas_port *next;
};

static void tell_refused(void *arg, const struct refusal *r)
{
	struct ioas_host *h = arg;
	struct ioas_refusal out = {r->err, r->rule, r->field, r->value, r->legal};

	h->cfg.refused(h->cfg.arg, &out);
}

static void tell_fault(void *arg, struct requester *r, const struct iommu_fault *f)
{
	struct ioas_host *h = arg;
	struct ioas_fault out = {
		.requester_id = f->rid,
		.iova = f->iova,
		.length = f->len,
		.write = f->access != IOMMU_READ,
		.code = f->code,
		.reason = iommu_fault_words(f->reason),
	};

	h->cfg.fault(h->cfg.arg, &out);
}

static uint64_t memlock_limit(void *arg)
{
	struct rlimit r;

	return getrlimit(RLIMIT_MEMLOCK, &r) ? 0 : r.rlim_cur;
}

int ioas_host_create(const struct ioas_host_config *cfg, struct ioas_host **out, char *why, size_t why_len)
{
	struct ioas_host *h = calloc(1, sizeof(*h));
	char unwanted[256];
	struct host_config hc;
	int rc;

	if (!h)
		return -ENOMEM;
	h->cfg = *cfg;
	pthread_mutex_init(&h->lock, NULL);
	hc = (struct host_config){
		.iommu = cfg->iommu,
		.sink = {cfg->refused ? tell_refused : NULL, h},
		.fault = cfg->fault ? tell_fault : NULL,
		.fault_arg = h,
		.iommufd_container = cfg->iommufd_container,
		.strict = cfg->strict,
	};
	rc = host_create(&hc, &h->host, why ? why : unwanted, why ? why_len : sizeof(unwanted));
	if (!rc)
		h->host->commands = make_commands(h->host->iommu->make);
	if (!rc)
		rc = net_hubs_create(&h->hubs);
	if (!rc)
		rc = memory_account_create(memlock_limit, NULL, &h->account);
	if (rc) {
		ioas_host_destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

static void destroy_port(struct ioas_port *p)
{
	ioas_port_unbind(p);
	free(p);
}

void ioas_host_destroy(struct ioas_host *h)
{
	for (unsigned int i = 0; i < MAX_FILES; i++)
		if (h->files[i].state)
			abi_file_put(h->files[i].file);
	while (h->ports) {
		struct ioas_port *p = h->ports;

		h->ports = p->next;
		destroy_port(p);
	}
	/* Virtual functions come after those that they belong to. */
	while (h->nr_devices)
		pci_destroy(h->devices[--h->nr_devices]);
	free(h->devices);
	if (h->host)
		host_put(h->host);
	if (h->hubs)
		net_hubs_destroy(h->hubs);
	if (h->account)
		memory_account_put(h->account);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* A function is created behind its slot: of @text, or virtual function @index of @pf. */
struct wanted {
	const char *text;
	struct pci_dev *pf;
	unsigned int index;
};

static int create_pci(const struct wanted *w, const struct pci_config *pc, struct pci_dev **out, char *why,
		      size_t why_len)
{
	const struct pci_model *model;
	char *name;

	if (w->pf)
		return pci_create_vf(w->pf, w->index, pc, out, why, why_len);
	name = options_name(w->text);
	if (!name)
		return -ENOMEM;
	model = pci_model_find(name);
	if (!model)
		snprintf(why, why_len, "there is no device model '%s'", name);
	free(name);
	return model ? pci_create(model, w->text, pc, out, why, why_len) : -EINVAL;
}

static int add_pci(struct ioas_host *h, const struct wanted *w, uint32_t bdf, struct host_device *slot, char *why,
		   size_t why_len)
{
	const struct pci_config pc = {
		.rid = (uint16_t)bdf,
		.domain = (uint16_t)(bdf >> 16),
		.requester = slot->requester,
		.memory = h->host->memory,
		.sink = &h->host->sink,
		.hubs = h->hubs,
	};
	struct pci_dev **devices;
	int rc;

	devices = realloc(h->devices, (h->nr_devices + 1) * sizeof(struct pci_dev *));
	if (!devices)
		return -ENOMEM;
	h->devices = devices;
	rc = create_pci(w, &pc, &devices[h->nr_devices], why, why_len);
	return rc ? rc : abi_device_set(slot, devices[h->nr_devices++]);
}

static void bdf_name(uint32_t bdf, char name[16])
{
	snprintf(name, 16, "%04x:%02x:%02x.%x", bdf >> 16, bdf >> 8 & 0xff, bdf >> 3 & 0x1f, bdf & 7);
}

static int add_function(struct ioas_host *h, const struct wanted *w, uint32_t bdf, int group,
			struct host_device **slot, char *why, size_t why_len)
{
	char name[16];
	int rc;

	bdf_name(bdf, name);
	rc = host_add_device(h->host, name, bdf & 0xffff, group, slot);
	return rc ? rc : add_pci(h, w, bdf, *slot, why, why_len);
}

int ioas_add_model(struct ioas_host *h, const char *text, uint32_t bdf, int group, char *why, size_t why_len)
{
	struct wanted w = {.text = text};
	struct host_device *slot, *vf;
	char unwanted[256];
	unsigned int vfs;
	int rc;

	if (!why) {
		why = unwanted;
		why_len = sizeof(unwanted);
	}
	rc = add_function(h, &w, bdf, group, &slot, why, why_len);
	if (rc)
		return rc;
	w.pf = slot->hw;
	vfs = w.pf->sriov.cfg.total;
	for (w.index = 0; w.index < vfs && !rc; w.index++)
		rc = add_function(h, &w, (bdf & ~0xffffu) | pci_vf_rid((uint16_t)bdf, w.index), -1, &vf, why, why_len);
	return rc ? rc : (int)slot->cdev;
}

int ioas_set_vfs(struct ioas_host *h, uint32_t bdf, unsigned int n)
{
	struct host_device *slot;
	char name[16];

	bdf_name(bdf, name);
	slot = host_find_device(h->host, name);
	return slot && slot->hw ? abi_set_num_vfs(slot, n, false) : -ENODEV;
}

int ioas_memory_register(struct ioas_host *h, void *addr, size_t len)
{
	return memory_register(h->host->memory, (uintptr_t)addr, len);
}

int ioas_memory_unregister(struct ioas_host *h, void *addr, size_t len)
{
	return memory_unregister(h->host->memory, (uintptr_t)addr, len);
}

/* The caller is this process, which handed the pointers in itself. */
static int copy_from(struct caller *c, void *dst, uint64_t src, size_t len)
{
	memcpy(dst, (const void *)(uintptr_t)src, len);
	return 0;
}

static int copy_to(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	memcpy((void *)(uintptr_t)dst, src, len);
	return 0;
}

static bool is_capable(struct caller *c, int cap)
{
	struct ioas_host *h = c->arg;

	return cap == CAP_IPC_LOCK && h->cfg.ipc_lock;
}

static void leave_file(struct file_slot *slot)
{
	uint64_t left = __atomic_sub_fetch(&slot->state, 1, __ATOMIC_ACQ_REL);
	struct abi_file *f = slot->file;

	if (unlikely(left == SLOT_CLOSING) &&
	    __atomic_compare_exchange_n(&slot->state, &left, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		abi_file_put(f);
}

/* The file behind @fd until leave_file(), or NULL. */
static struct file_slot *enter_file(struct ioas_host *h, int fd)
{
	struct file_slot *slot;

	if (fd < 0 || fd >= MAX_FILES)
		return NULL;
	slot = &h->files[fd];
	if (likely(__atomic_fetch_add(&slot->state, 1, __ATOMIC_ACQUIRE) & SLOT_OPEN))
		return slot;
	leave_file(slot);
	return NULL;
}

static int get_file(struct caller *c, int fd, struct abi_file **out)
{
	struct file_slot *slot = enter_file(c->arg, fd);

	if (!slot)
		return -EBADF;
	*out = slot->file;
	abi_file_get(*out);
	leave_file(slot);
	return 0;
}

static int install(struct ioas_host *h, struct abi_file *f)
{
	int fd = 0;

	pthread_mutex_lock(&h->lock);
	while (fd < MAX_FILES && __atomic_load_n(&h->files[fd].state, __ATOMIC_ACQUIRE))
		fd++;
	if (fd < MAX_FILES) {
		h->files[fd].file = f;
		__atomic_fetch_add(&h->files[fd].state, SLOT_OPEN, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&h->lock);
	return fd < MAX_FILES ? fd : -EMFILE;
}

static int install_fd(struct caller *c, struct abi_file *f)
{
	return install(c->arg, f);
}

static void uninstall_fd(struct caller *c, int fd)
{
	ioas_close(c->arg, fd);
}

struct library_eventfd {
	struct abi_eventfd base;
	int fd;
};

static void eventfd_signal(struct abi_eventfd *e)
{
	eventfd_write(container_of(e, struct library_eventfd, base)->fd, 1);
}

static void eventfd_drop(struct abi_eventfd *e)
{
	struct library_eventfd *le = container_of(e, struct library_eventfd, base);

	close(le->fd);
	free(le);
}

/* The library starts no thread of its own to wait on. */
static int eventfd_watch(struct abi_eventfd *e, void (*fn)(void *arg), void *arg)
{
	return -ENOTTY;
}

static const struct abi_eventfd_ops eventfd_ops = {
	.signal = eventfd_signal,
	.put = eventfd_drop,
	.watch = eventfd_watch,
};

static int get_eventfd(struct caller *c, int fd, struct abi_eventfd **out)
{
	struct library_eventfd *le = malloc(sizeof(*le));

	if (!le)
		return -ENOMEM;
	le->base.ops = &eventfd_ops;
	le->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (le->fd < 0) {
		free(le);
		return -EBADF;
	}
	*out = &le->base;
	return 0;
}

static int dup_fd(struct caller *c, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

static struct memory_account *account_of(struct caller *c, bool process_mode)
{
	return ((struct ioas_host *)c->arg)->account;
}

static uint64_t process_of(struct caller *c)
{
	return (uint64_t)getpid();
}

static const struct caller_ops library_caller_ops = {
	.copy_in = copy_from,
	.copy_out = copy_to,
	.capable = is_capable,
	.file_get = get_file,
	.fd_install = install_fd,
	.fd_uninstall = uninstall_fd,
	.eventfd_get = get_eventfd,
	.fd_dup = dup_fd,
	.account = account_of,
	.process = process_of,
};

static struct caller caller_of(struct ioas_host *h)
{
	return (struct caller){&library_caller_ops, h};
}

int ioas_open(struct ioas_host *h, const char *path)
{
	struct caller c = caller_of(h);
	struct abi_file *f;
	unsigned int n;
	int used = 0, rc = -ENOENT;

	if (!strcmp(path, "/dev/iommu"))
		rc = abi_open_iommufd(h->host, &c, &f);
	else if (!strcmp(path, "/dev/vfio/vfio"))
		rc = abi_open_container(h->host, &c, &f);
	else if (sscanf(path, "/dev/vfio/devices/vfio%u%n", &n, &used) == 1 && !path[used])
		rc = abi_open_device(h->host, n, &c, &f);
	else if (sscanf(path, "/dev/vfio/%u%n", &n, &used) == 1 && !path[used])
		rc = abi_open_group(h->host, n, &c, &f);
	if (rc)
		return rc;
	rc = install(h, f);
	if (rc < 0)
		abi_file_put(f);
	return rc;
}

int ioas_close(struct ioas_host *h, int fd)
{
	struct file_slot *slot = enter_file(h, fd);
	bool closed;

	if (!slot)
		return -EBADF;
	closed = __atomic_fetch_and(&slot->state, ~SLOT_OPEN, __ATOMIC_ACQ_REL) & SLOT_OPEN;
	if (closed)
		__atomic_fetch_or(&slot->state, SLOT_CLOSING, __ATOMIC_ACQ_REL);
	leave_file(slot);
	return closed ? 0 : -EBADF;
}

long ioas_ioctl(struct ioas_host *h, int fd, unsigned int cmd, uintptr_t arg)
{
	struct caller c = caller_of(h);
	struct file_slot *slot = enter_file(h, fd);
	long rc;

	if (!slot)
		return -EBADF;
	rc = slot->file->ops->ioctl(slot->file, cmd, arg, &c);
	leave_file(slot);
	return rc;
}

static int call_array(struct ioas_host *h, int fd, unsigned int word, struct iommu_ioas_array *cmd, uint32_t *done)
{
	long rc = ioas_ioctl(h, fd, word, (uintptr_t)cmd);

	if (done)
		*done = cmd->done;
	return (int)rc;
}

int ioas_map_ranges(struct ioas_host *h, int fd, uint32_t ioas_id, uint32_t flags, struct iommu_ioas_range *ranges, uint32_t n,
		    uint32_t *done)
{
	struct iommu_ioas_array cmd = {
		.size = sizeof(cmd), .flags = flags, .ioas_id = ioas_id, .count = n, .ranges = (uintptr_t)ranges};

	return call_array(h, fd, IOMMU_IOAS_MAP_ARRAY, &cmd, done);
}

int ioas_unmap_ranges(struct ioas_host *h, int fd, uint32_t ioas_id, struct iommu_ioas_range *ranges, uint32_t n, uint32_t *done)
{
	struct iommu_ioas_array cmd = {
		.size = sizeof(cmd), .ioas_id = ioas_id, .count = n, .ranges = (uintptr_t)ranges};

	return call_array(h, fd, IOMMU_IOAS_UNMAP_ARRAY, &cmd, done);
}

ssize_t ioas_pread(struct ioas_host *h, int fd, void *buf, size_t count, uint64_t pos)
{
	struct caller c = caller_of(h);
	struct abi_file *f;
	ssize_t rc = get_file(&c, fd, &f);

	if (rc)
		return rc;
	rc = f->ops->pread ? f->ops->pread(f, (uintptr_t)buf, count, pos, &c) : -EINVAL;
	abi_file_put(f);
	return rc;
}

ssize_t ioas_pwrite(struct ioas_host *h, int fd, const void *buf, size_t count, uint64_t pos)
{
	struct caller c = caller_of(h);
	struct abi_file *f;
	ssize_t rc = get_file(&c, fd, &f);

	if (rc)
		return rc;
	rc = f->ops->pwrite ? f->ops->pwrite(f, (uintptr_t)buf, count, pos, &c) : -EINVAL;
	abi_file_put(f);
	return rc;
}

int ioas_port_create(struct ioas_host *h, uint32_t requester_id, struct ioas_port **out)
{
	struct ioas_port *p = aligned_alloc(64, align_up(sizeof(*p), 64));
	char name[16];
	int rc;

	if (!p)
		return -ENOMEM;
	*p = (struct ioas_port){.host = h};
	snprintf(name, sizeof(name), "port%x", requester_id);
	rc = host_add_device(h->host, name, requester_id, -1, &p->slot);
	if (rc) {
		free(p);
		return rc;
	}
	dma_port_init(&p->dma, p->slot->requester, h->host->memory);
	dma_set_bus_master(&p->dma, true);
	p->next = h->ports;
	h->ports = p;
	*out = p;
	return 0;
}

int ioas_port_bind(struct ioas_port *p, int fd, uint32_t *dev_id)
{
	struct caller c = caller_of(p->host);
	struct iommufd *ctx;
	struct abi_file *f;
	int rc;

	if (p->idev)
		return -EINVAL;
	rc = get_file(&c, fd, &f);
	if (rc)
		return rc;
	ctx = abi_file_iommufd(f);
	rc = ctx ? idevice_bind(ctx, p->slot, &p->idev) : -EBADFD;
	abi_file_put(f);
	if (!rc && dev_id)
		*dev_id = p->idev->obj.id;
	return rc;
}

void ioas_port_unbind(struct ioas_port *p)
{
	if (p->idev)
		idevice_unbind(p->idev);
	p->idev = NULL;
}

int ioas_port_attach(struct ioas_port *p, uint32_t *pt_id)
{
	if (!p->idev)
		return -EINVAL;
	return idevice_is_attached(p->idev) ? idevice_replace(p->idev, pt_id) : idevice_attach(p->idev, pt_id);
}

void ioas_port_detach(struct ioas_port *p)
{
	if (p->idev)
		idevice_detach(p->idev);
}

void ioas_port_begin(struct ioas_port *p)
{
	dma_begin(&p->dma);
}

void ioas_port_end(struct ioas_port *p)
{
	dma_end(&p->dma);
}

int ioas_port_read(struct ioas_port *p, uint64_t iova, void *dst, size_t len)
{
	return dma_read(&p->dma, iova, dst, len);
}

int ioas_port_write(struct ioas_port *p, uint64_t iova, const void *src, size_t len)
{
	return dma_write(&p->dma, iova, src, len);
}
