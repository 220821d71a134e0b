/* SPDX-License-Identifier: BSD-3-Clause */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "devices/pci.h"

static int copy(struct caller *c, void *dst, const void *src, size_t len)
{
	struct bed *b = c->arg;

	if (b->copies_to_go && !--b->copies_to_go) {
		b->copy_failed = true;
		return -EFAULT;
	}
	memcpy(dst, src, len);
	return 0;
}

static int copy_from(struct caller *c, void *dst, uint64_t src, size_t len)
{
	return copy(c, dst, (const void *)(uintptr_t)src, len);
}

static int copy_to(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	return copy(c, (void *)(uintptr_t)dst, src, len);
}

void bed_fail_copy(struct bed *b, unsigned long n)
{
	b->copy_failed = false;
	b->copies_to_go = n;
}

bool bed_copy_failed(struct bed *b)
{
	b->copies_to_go = 0;
	return b->copy_failed;
}

static bool capable(struct caller *c, int cap)
{
	return ((struct bed *)c->arg)->caps >> cap & 1;
}

static int get_file(struct caller *c, int fd, struct abi_file **out)
{
	struct bed *b = c->arg;

	if (fd < 0 || fd >= BED_FILES)
		return -EBADF;
	pthread_mutex_lock(&b->lock);
	*out = b->files[fd];
	if (*out)
		abi_file_get(*out);
	pthread_mutex_unlock(&b->lock);
	return *out ? 0 : -EBADF;
}

static int install(struct caller *c, struct abi_file *f)
{
	struct bed *b = c->arg;
	int fd = 0;

	pthread_mutex_lock(&b->lock);
	while (fd < BED_FILES && b->files[fd])
		fd++;
	if (fd < BED_FILES)
		b->files[fd] = f;
	pthread_mutex_unlock(&b->lock);
	return fd < BED_FILES ? fd : -EMFILE;
}

void bed_close(struct bed *b, int fd)
{
	struct abi_file *f;

	pthread_mutex_lock(&b->lock);
	f = b->files[fd];
	b->files[fd] = NULL;
	pthread_mutex_unlock(&b->lock);
	if (f)
		abi_file_put(f);
}

static void uninstall(struct caller *c, int fd)
{
	bed_close(c->arg, fd);
}

struct bed_eventfd {
	struct abi_eventfd base;
	struct bed *bed;
};

static void signal_eventfd(struct abi_eventfd *e)
{
	__atomic_fetch_add(&((struct bed_eventfd *)e)->bed->signals, 1, __ATOMIC_RELAXED);
}

static void put_eventfd(struct abi_eventfd *e)
{
	__atomic_fetch_sub(&((struct bed_eventfd *)e)->bed->eventfds, 1, __ATOMIC_RELAXED);
	free(e);
}

static int watch_eventfd(struct abi_eventfd *e, void (*fn)(void *arg), void *arg)
{
	return 0;
}

static const struct abi_eventfd_ops eventfd_ops = {signal_eventfd, put_eventfd, watch_eventfd};

static int get_eventfd(struct caller *c, int fd, struct abi_eventfd **out)
{
	struct bed_eventfd *e;

	if (fd < BED_EVENTFDS)
		return -EBADF;
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct bed_eventfd){{&eventfd_ops}, c->arg};
	__atomic_fetch_add(&e->bed->eventfds, 1, __ATOMIC_RELAXED);
	*out = &e->base;
	return 0;
}

static int dup_fd(struct caller *c, int fd)
{
	int copied = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copied < 0 ? -errno : copied;
}

static struct memory_account *account_of(struct caller *c, bool process_mode)
{
	return ((struct bed *)c->arg)->accounts[process_mode];
}

static uint64_t process_of(struct caller *c)
{
	return 1;
}

static const struct caller_ops ops = {
	.copy_in = copy_from,
	.copy_out = copy_to,
	.capable = capable,
	.file_get = get_file,
	.fd_install = install,
	.fd_uninstall = uninstall,
	.eventfd_get = get_eventfd,
	.fd_dup = dup_fd,
	.account = account_of,
	.process = process_of,
};

static uint64_t limit_of(void *arg)
{
	return ((struct bed *)arg)->limit;
}

static int add_device(struct bed *b, const char *model, unsigned int n)
{
	static const struct {
		const char *name;
		uint16_t rid;
		int group;
	} places[BED_DEVICES] = {
		{"0000:01:00.0", 0x100, 0}, {"0000:02:00.0", 0x200, 1}, {"0000:02:00.1", 0x201, 1}};
	struct pci_config pc = {.rid = places[n].rid, .memory = b->host->memory, .sink = &b->host->sink};
	char why[256], name[16];
	int rc;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(model, ","), model);
	rc = host_add_device(b->host, places[n].name, places[n].rid, places[n].group, &b->slot[n]);
	if (rc)
		return rc;
	pc.requester = b->slot[n]->requester;
	rc = pci_create(pci_model_find(name), model, &pc, &b->pci[n], why, sizeof(why));
	if (!rc)
		b->slot[n]->hw = b->pci[n];
	return rc;
}

static int fill(struct bed *b, const struct bed_config *cfg)
{
	const struct host_config hc = {.iommu = cfg->iommu, .iommufd_container = cfg->iommufd_container};
	char why[256];
	int rc;

	rc = host_create(&hc, &b->host, why, sizeof(why));
	for (unsigned int n = 0; n < BED_DEVICES && !rc; n++)
		rc = add_device(b, cfg->model ? cfg->model : "scratch", n);
	for (unsigned int n = 0; n < 2 && !rc; n++)
		rc = memory_account_create(limit_of, b, &b->accounts[n]);
	return rc;
}

struct bed *bed_create(const struct bed_config *cfg)
{
	struct bed *b = test_calloc(1, sizeof(*b));
	int rc;

	pthread_mutex_init(&b->lock, NULL);
	b->limit = 1ull << 30;
	b->caller = (struct caller){&ops, b};
	rc = fill(b, cfg);
	if (rc) {
		assert_true(cfg->may_fail);
		assert_int_equal(rc, -ENOMEM);
		bed_destroy(b);
		return NULL;
	}
	b->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->arena == MAP_FAILED)
		b->arena = NULL;
	return b;
}

static void check_given_back(struct bed *b)
{
	for (unsigned int n = 0; n < BED_DEVICES; n++) {
		const struct host_group *g = b->slot[n]->group;

		assert_null(g->owner);
		assert_null(g->file);
		assert_null(g->rid.hwpt);
		assert_int_equal(g->owner_count, 0);
		assert_int_equal(g->rid.nr_members, 0);
		assert_int_equal(g->cdev_opens, 0);
		assert_null(b->slot[n]->opened);
		assert_null(b->slot[n]->idev);
		assert_null(requester_domain(b->slot[n]->requester));
	}
	for (unsigned int n = 0; n < 2; n++)
		assert_int_equal(memory_account_locked(b->accounts[n]), 0);
	assert_int_equal(b->eventfds, 0);
	assert_int_equal(b->host->refs, 1);
}

void bed_destroy(struct bed *b)
{
	for (int fd = 0; fd < BED_FILES; fd++)
		bed_close(b, fd);
	if (b->arena)
		check_given_back(b);
	for (unsigned int n = 0; n < BED_DEVICES; n++)
		if (b->pci[n])
			pci_destroy(b->pci[n]);
	if (b->host)
		host_put(b->host);
	for (unsigned int n = 0; n < 2; n++)
		if (b->accounts[n])
			memory_account_put(b->accounts[n]);
	if (b->arena)
		munmap(b->arena, ARENA_SIZE);
	pthread_mutex_destroy(&b->lock);
	test_free(b);
}

/* ---- files ---- */

/* Takes over @f; @rc is how opening it went. */
static int opened(struct bed *b, int rc, struct abi_file *const *f)
{
	return rc ? rc : install(&b->caller, *f);
}

int bed_open_iommufd(struct bed *b)
{
	struct abi_file *f;

	return opened(b, abi_call_open(b->host, ABI_IOMMUFD, 0, &b->caller, &f), &f);
}

int bed_open_container(struct bed *b)
{
	struct abi_file *f;

	return opened(b, abi_call_open(b->host, ABI_CONTAINER, 0, &b->caller, &f), &f);
}

int bed_open_group(struct bed *b, unsigned int group)
{
	struct abi_file *f;

	return opened(b, abi_open_group(b->host, group, &b->caller, &f), &f);
}

int bed_open_cdev(struct bed *b, unsigned int n)
{
	struct abi_file *f;

	return opened(b, abi_open_device(b->host, n, &b->caller, &f), &f);
}

long bed_ioctl(struct bed *b, int fd, unsigned int cmd, void *arg)
{
	struct abi_file *f;
	long rc = get_file(&b->caller, fd, &f);

	if (rc)
		return rc;
	if (b->heard)
		b->heard(f, cmd, arg);
	rc = abi_call_ioctl(f, cmd, (uintptr_t)arg, &b->caller);
	abi_file_put(f);
	return rc;
}

ssize_t bed_pread(struct bed *b, int fd, void *buf, size_t count, uint64_t pos)
{
	return abi_call_pread(b->files[fd], (uintptr_t)buf, count, pos, &b->caller);
}

ssize_t bed_pwrite(struct bed *b, int fd, const void *buf, size_t count, uint64_t pos)
{
	return abi_call_pwrite(b->files[fd], (uintptr_t)buf, count, pos, &b->caller);
}

ssize_t bed_read(struct bed *b, int fd, void *buf, size_t count)
{
	return bed_pread(b, fd, buf, count, 0);
}

ssize_t bed_write(struct bed *b, int fd, const void *buf, size_t count)
{
	return bed_pwrite(b, fd, buf, count, 0);
}

int bed_mmap(struct bed *b, int fd, uint64_t len, int prot, uint64_t pos)
{
	struct abi_mapping m = {0};
	int rc = b->files[fd]->ops->mmap(b->files[fd], len, prot, MAP_SHARED, pos, &b->caller, &m);

	if (!rc && m.holder)
		abi_file_put(m.holder);
	return rc;
}

struct iommufd *bed_ctx(struct bed *b, int fd)
{
	return abi_file_iommufd(b->files[fd]);
}

unsigned int bed_nr_files(struct bed *b)
{
	unsigned int n = 0;

	for (int fd = 0; fd < BED_FILES; fd++)
		n += b->files[fd] != NULL;
	return n;
}

/* ---- commands ---- */

int ioas_alloc_cmd(struct bed *b, int fd, uint32_t *id)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	int rc = (int)bed_ioctl(b, fd, IOMMU_IOAS_ALLOC, &cmd);

	*id = cmd.out_ioas_id;
	return rc;
}

int map_cmd(struct bed *b, int fd, uint32_t ioas, uint64_t iova, const void *va, uint64_t len, uint32_t flags)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = flags,
				     .ioas_id = ioas,
				     .user_va = (uintptr_t)va,
				     .length = len,
				     .iova = iova};

	return (int)bed_ioctl(b, fd, IOMMU_IOAS_MAP, &cmd);
}

int unmap_cmd(struct bed *b, int fd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap cmd = {.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = len};

	return (int)bed_ioctl(b, fd, IOMMU_IOAS_UNMAP, &cmd);
}

int destroy_cmd(struct bed *b, int fd, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return (int)bed_ioctl(b, fd, IOMMU_DESTROY, &cmd);
}

int hwpt_cmd(struct bed *b, int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t fault, uint32_t *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev, .pt_id = pt, .fault_id = fault};
	int rc = (int)bed_ioctl(b, fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

int fault_cmd(struct bed *b, int fd, uint32_t *id, int *file)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};
	int rc = (int)bed_ioctl(b, fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	*id = cmd.out_fault_id;
	*file = (int)cmd.out_fault_fd;
	return rc;
}

int bind_cmd(struct bed *b, int cdev, int iommufd, uint32_t *dev)
{
	struct vfio_device_bind_iommufd cmd = {.argsz = sizeof(cmd), .iommufd = iommufd};
	int rc = (int)bed_ioctl(b, cdev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	*dev = cmd.out_devid;
	return rc;
}

int attach_cmd(struct bed *b, int cdev, uint32_t *pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = *pt};
	int rc = (int)bed_ioctl(b, cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	*pt = cmd.pt_id;
	return rc;
}

int detach_cmd(struct bed *b, int cdev)
{
	struct vfio_device_detach_iommufd_pt cmd = {.argsz = sizeof(cmd)};

	return (int)bed_ioctl(b, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

int group_set_cmd(struct bed *b, int group, int container)
{
	return (int)bed_ioctl(b, group, VFIO_GROUP_SET_CONTAINER, &(int32_t){container});
}

int group_device_cmd(struct bed *b, int group, unsigned int device)
{
	char name[32];

	snprintf(name, sizeof(name), "%s", b->slot[device]->name);
	return (int)bed_ioctl(b, group, VFIO_GROUP_GET_DEVICE_FD, name);
}

int type1_map_cmd(struct bed *b, int container, uint64_t iova, const void *va, uint64_t size)
{
	struct vfio_iommu_type1_dma_map cmd = {.argsz = sizeof(cmd),
					       .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)va,
					       .iova = iova,
					       .size = size};

	return (int)bed_ioctl(b, container, VFIO_IOMMU_MAP_DMA, &cmd);
}

int type1_unmap_cmd(struct bed *b, int container, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = offsetof(struct vfio_iommu_type1_dma_unmap, data), .iova = iova, .size = size};

	return (int)bed_ioctl(b, container, VFIO_IOMMU_UNMAP_DMA, &cmd);
}
