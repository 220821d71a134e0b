/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host's file numbers, and the caller behind them: this process, which handed the pointers in
 * itself.
 *
 * A call is noted for as long as it uses the file: the only one by its thread in file_slot.only,
 * one atomic instruction when it begins and a plain store when it ends, others by a count in
 * file_slot.state. (It may be another call of the thread's that ends there.) Closing turns
 * SLOT_OPEN into SLOT_CLOSING, and whoever is then the last to leave drops the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/epoch.h"
#include "library/private.h"

/* Bits of file_slot.state, above the number of calls under way. */
#define SLOT_OPEN    (1ull << 32)
#define SLOT_CLOSING (1ull << 33)
#define SLOT_DROPPED (1ull << 34) /* for a moment */

/* Structures are written field by field just before: a load that is wider than the stores before it
 * would have to wait until they are in the cache. */
static void copy_words(char *dst, const char *src, size_t len)
{
	for (; len >= sizeof(uint64_t); dst += sizeof(uint64_t), src += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, src, sizeof(word));
		memcpy(dst, &word, sizeof(word));
		__asm__("" : : : "memory"); /* keeps the loop as it is */
		len -= sizeof(word);
	}
	if (len == sizeof(uint32_t))
		memcpy(dst, src, sizeof(uint32_t));
	else if (len)
		memcpy(dst, src, len);
}

#define WORDS_MOST 128

static void copy(void *dst, const void *src, size_t len)
{
	if (len <= WORDS_MOST)
		copy_words(dst, src, len);
	else
		memcpy(dst, src, len);
}

static int copy_from(struct caller *c, void *dst, uint64_t src, size_t len)
{
	copy(dst, (const void *)(uintptr_t)src, len);
	return 0;
}

static int copy_to(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	copy((void *)(uintptr_t)dst, src, len);
	return 0;
}

static bool is_capable(struct caller *c, int cap)
{
	struct ioas_host *h = c->arg;

	return cap == CAP_IPC_LOCK && h->cfg.ipc_lock;
}

/* Of a file that nobody will enter any more. */
static void drop_file(struct abi_file *f, int poll_fd)
{
	if (poll_fd) {
		if (f->ops->watch)
			f->ops->watch(f, NULL, NULL);
		close(poll_fd - 1);
	}
	abi_file_put(f);
}

/*
 * Nobody is counted in a closing file. A store by which somebody has left may not be seen yet, nor
 * SLOT_CLOSING by who made it: after the barrier one of the two is.
 */
static void drop_last(struct ioas_host *h, struct file_slot *slot)
{
	uint64_t closing = SLOT_CLOSING;
	struct abi_file *f;
	int poll_fd;

	if (__atomic_load_n(&slot->only, __ATOMIC_ACQUIRE)) {
		epoch_barrier(&h->host->epochs);
		if (__atomic_load_n(&slot->only, __ATOMIC_ACQUIRE))
			return;
	}
	if (!__atomic_compare_exchange_n(&slot->state, &closing, SLOT_DROPPED, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return;
	f = slot->file;
	poll_fd = __atomic_load_n(&slot->poll_fd, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&slot->state, SLOT_DROPPED, __ATOMIC_SEQ_CST);
	drop_file(f, poll_fd);
}

static void leave_file(struct ioas_host *h, struct file_slot *slot)
{
	if (likely(__atomic_load_n(&slot->only, __ATOMIC_RELAXED) == pthread_self())) {
		__atomic_store_n(&slot->only, 0, __ATOMIC_RELEASE);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (unlikely(h->host->epochs.fence))
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} else {
		__atomic_fetch_sub(&slot->state, 1, __ATOMIC_SEQ_CST);
	}
	if (unlikely(__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == SLOT_CLOSING))
		drop_last(h, slot);
}

/* The file behind @fd until leave_file(), or NULL. */
static struct file_slot *enter_file(struct ioas_host *h, int fd)
{
	struct file_slot *slot;
	pthread_t nobody = 0;

	if (fd < 0 || fd >= MAX_FILES)
		return NULL;
	slot = &h->files[fd];
	if (unlikely(!__atomic_compare_exchange_n(&slot->only, &nobody, pthread_self(), false,
						  __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)))
		__atomic_fetch_add(&slot->state, 1, __ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) & SLOT_OPEN))
		return slot;
	leave_file(h, slot);
	return NULL;
}

int library_file_get(struct ioas_host *h, int fd, struct abi_file **out)
{
	struct file_slot *slot = enter_file(h, fd);

	if (!slot)
		return -EBADF;
	*out = slot->file;
	abi_file_get(*out);
	leave_file(h, slot);
	return 0;
}

static int get_file(struct caller *c, int fd, struct abi_file **out)
{
	return library_file_get(c->arg, fd, out);
}

int library_iommufd_get(struct ioas_host *h, int fd, struct abi_file **out, struct iommufd **ctx)
{
	int rc = library_file_get(h, fd, out);

	if (rc)
		return rc;
	*ctx = abi_file_iommufd(*out);
	if (*ctx)
		return 0;
	abi_file_put(*out);
	return -EBADFD;
}

static int install(struct ioas_host *h, struct abi_file *f)
{
	int fd = 0;

	pthread_mutex_lock(&h->lock);
	while (fd < MAX_FILES && __atomic_load_n(&h->files[fd].state, __ATOMIC_ACQUIRE))
		fd++;
	if (fd < MAX_FILES) {
		h->files[fd].file = f;
		__atomic_store_n(&h->files[fd].poll_fd, 0, __ATOMIC_RELAXED);
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
	ioas_free(le);
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
	struct library_eventfd *le = ioas_malloc(sizeof(*le));

	if (!le)
		return -ENOMEM;
	le->base.ops = &eventfd_ops;
	le->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (le->fd < 0) {
		ioas_free(le);
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

#define CALLER_OPS                                                                                 \
	.copy_in = copy_from, .copy_out = copy_to, .capable = is_capable, .file_get = get_file,    \
	.fd_install = install_fd, .fd_uninstall = uninstall_fd, .eventfd_get = get_eventfd,        \
	.fd_dup = dup_fd, .account = account_of, .process = process_of

static const struct caller_ops library_caller_ops = {CALLER_OPS};

/* Who maps memory of an mm's: only that is elsewhere, the structures are the process's own. */
struct mapping_caller {
	struct caller base;
	struct memory_mm *mm;
};

static struct memory_mm *memory_of(struct caller *c)
{
	return container_of(c, struct mapping_caller, base)->mm;
}

static const struct caller_ops mapping_caller_ops = {CALLER_OPS, .memory = memory_of};

struct caller library_caller(struct ioas_host *h)
{
	return (struct caller){&library_caller_ops, h};
}

void library_close_all(struct ioas_host *h)
{
	for (unsigned int i = 0; i < MAX_FILES; i++)
		if (h->files[i].state)
			drop_file(h->files[i].file, h->files[i].poll_fd);
}

int ioas_open(struct ioas_host *h, const char *path)
{
	struct caller c = library_caller(h);
	struct abi_file *f;
	unsigned int n;
	int used = 0, rc = -ENOENT;

	if (!strcmp(path, "/dev/iommu"))
		rc = abi_call_open(h->host, ABI_IOMMUFD, 0, &c, &f);
	else if (!strcmp(path, "/dev/vfio/vfio"))
		rc = abi_call_open(h->host, ABI_CONTAINER, 0, &c, &f);
	else if (sscanf(path, "/dev/vfio/devices/vfio%u%n", &n, &used) == 1 && !path[used])
		rc = abi_call_open(h->host, ABI_DEVICE, n, &c, &f);
	else if (sscanf(path, "/dev/vfio/%u%n", &n, &used) == 1 && !path[used])
		rc = abi_call_open(h->host, ABI_GROUP, n, &c, &f);
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
	uint64_t state;
	bool closed;

	if (!slot)
		return -EBADF;
	state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
	do {
		closed = state & SLOT_OPEN;
	} while (closed && !__atomic_compare_exchange_n(&slot->state, &state,
							state - SLOT_OPEN + SLOT_CLOSING, false,
							__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
	leave_file(h, slot);
	return closed ? 0 : -EBADF;
}

long ioas_ioctl(struct ioas_host *h, int fd, unsigned int cmd, uintptr_t arg)
{
	struct caller c = library_caller(h);
	struct file_slot *slot = enter_file(h, fd);
	long rc;

	if (!slot)
		return -EBADF;
	rc = abi_call_ioctl(slot->file, cmd, arg, &c);
	leave_file(h, slot);
	return rc;
}

long library_ioctl_of(struct ioas_host *h, int fd, unsigned int cmd, void *arg,
		      struct memory_mm *mm)
{
	struct mapping_caller c = {{&mapping_caller_ops, h}, mm};
	struct file_slot *slot = enter_file(h, fd);
	long rc;

	if (!slot)
		return -EBADF;
	rc = abi_call_ioctl(slot->file, cmd, (uintptr_t)arg, &c.base);
	leave_file(h, slot);
	return rc;
}

ssize_t ioas_pread(struct ioas_host *h, int fd, void *buf, size_t count, uint64_t pos)
{
	struct caller c = library_caller(h);
	struct abi_file *f;
	ssize_t rc = library_file_get(h, fd, &f);

	if (rc)
		return rc;
	rc = abi_call_pread(f, (uintptr_t)buf, count, pos, &c);
	abi_file_put(f);
	return rc;
}

ssize_t ioas_pwrite(struct ioas_host *h, int fd, const void *buf, size_t count, uint64_t pos)
{
	struct caller c = library_caller(h);
	struct abi_file *f;
	ssize_t rc = library_file_get(h, fd, &f);

	if (rc)
		return rc;
	rc = abi_call_pwrite(f, (uintptr_t)buf, count, pos, &c);
	abi_file_put(f);
	return rc;
}

/* As level-triggered as the file: an eventfd that holds something while it is readable. */
static void poll_changed(void *arg, bool readable)
{
	const int fd = (int)(intptr_t)arg;
	eventfd_t n;

	if (readable)
		eventfd_write(fd, 1);
	else
		eventfd_read(fd, &n);
}

static int poll_fd_create(struct file_slot *slot)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	__atomic_store_n(&slot->poll_fd, fd + 1, __ATOMIC_RELAXED);
	if (slot->file->ops->watch)
		slot->file->ops->watch(slot->file, poll_changed, (void *)(intptr_t)fd);
	else
		poll_changed((void *)(intptr_t)fd, true);
	return fd;
}

int ioas_poll_fd(struct ioas_host *h, int fd)
{
	struct file_slot *slot = enter_file(h, fd);
	int rc;

	if (!slot)
		return -EBADF;
	pthread_mutex_lock(&h->lock);
	rc = slot->poll_fd ? slot->poll_fd - 1 : poll_fd_create(slot);
	pthread_mutex_unlock(&h->lock);
	leave_file(h, slot);
	return rc;
}
