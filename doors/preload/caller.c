/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program as abi/ sees it: its memory, fds, credentials and limits.
 */
#include "doors/preload/real.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/preload/bars.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/guard.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* From this many pages on it pays to ask whether they are there: where they are a touch takes a tenth of what the kernel takes
 * to populate them, where they are not each would be a fault. */
#define PAGES_TO_ASK 32
#define PAGES_AT_ONCE 512

static int caller_copy_in(struct caller *c, void *dst, uint64_t src, size_t len)
{
	return guard_copy(dst, (const void *)src, len);
}

static int caller_copy_out(struct caller *c, uint64_t dst, const void *src, size_t len)
{
	return guard_copy((void *)dst, src, len);
}

/* ---- credentials and limits ---- */

bool door_has_capability(int cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (sys3(SYS_capget, (long)&head, (long)data, 0))
		return false;
	return data[cap / 32].effective & 1u << (cap % 32);
}

static bool memlock_counts(void)
{
	return door.run.limits.memlock != RUN_MEMLOCK_FREE || door.run.as_user ||
	       __atomic_load_n(&door.memlock_lowered, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&door.lock_dropped, __ATOMIC_RELAXED);
}

bool door_may_lock(void)
{
	return !memlock_counts();
}

static bool caller_capable(struct caller *c, int cap)
{
	if (cap == CAP_IPC_LOCK)
		return door_may_lock();
	return !door.run.as_user && door_has_capability(cap);
}

/* In bytes. */
uint64_t door_memlock(void)
{
	struct rlimit rl = {0};

	if (door.run.limits.memlock == RUN_MEMLOCK_BYTES)
		return door.run.limits.memlock_bytes;
	sys4(SYS_prlimit64, 0, RLIMIT_MEMLOCK, 0, (long)&rl);
	return rl.rlim_cur;
}

/* Of whoever makes the call, as in Linux, even where the account is the user's. */
static uint64_t memlock_limit(void *arg)
{
	const struct session *s = session_here();

	return s ? s->ch.page->call.memlock : door_memlock();
}

int caller_create_accounts(struct engine *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(e->accounts); i++) {
		int rc = memory_account_create(memlock_limit, NULL, &e->accounts[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static struct memory_account *caller_account(struct caller *c, bool process_mode)
{
	const struct engine *e = c->arg;

	return e->accounts[process_mode];
}

static uint64_t caller_process(struct caller *c)
{
	return (uint64_t)sys_getpid();
}

/* ---- fds ---- */

static int caller_file_get(struct caller *c, int fd, struct abi_file **out)
{
	struct door_file *f = files_get_sure(fd);
	int rc = -EBADFD;

	if (!f && sys_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	if (!f)
		f = files_adopt(fd);
	if (!f)
		return rc;
	if (f->kind == DOOR_ENGINE && files_alive(f)) {
		*out = f->abi;
		abi_file_get(*out);
		rc = 0;
	}
	files_put(f);
	return rc;
}

void door_anonymous(struct abi_file *f, struct door_file_init *out)
{
	static const char *const names[] = {
		[ABI_IOMMUFD] = "/dev/iommu",	  [ABI_CONTAINER] = "/dev/vfio/vfio",
		[ABI_GROUP] = "/dev/vfio/group",  [ABI_DEVICE] = "anon_inode:[vfio-device]",
		[ABI_FAULT] = "anon_inode:fault", [ABI_VEVENTQ] = "anon_inode:veventq",
		[ABI_OTHER] = "anon_inode:other",
	};

	*out = (struct door_file_init){
		.kind = DOOR_ENGINE, .abi = f, .node.kind = NODE_ANONYMOUS, .name = names[f->ops->kind]};
}

static int caller_fd_install(struct caller *c, struct abi_file *f)
{
	struct door_file_init init;

	door_anonymous(f, &init);
	return files_open(&init, O_RDWR | O_CLOEXEC);
}

static void caller_fd_uninstall(struct caller *c, int fd)
{
	int rc;

	files_close(fd, &rc);
}

static int caller_eventfd_get(struct caller *c, int fd, struct abi_eventfd **out)
{
	return door_eventfd_get(fd, out);
}

/* Of a file of ours it duplicates the empty memfd behind it: MAP_FILE takes any file, and finds no pages in it. */
static int caller_fd_dup(struct caller *c, int fd)
{
	return files_hide(sys_fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

const struct caller_ops door_caller_ops = {
	.copy_in = caller_copy_in,
	.copy_out = caller_copy_out,
	.capable = caller_capable,
	.file_get = caller_file_get,
	.fd_install = caller_fd_install,
	.fd_uninstall = caller_fd_uninstall,
	.eventfd_get = caller_eventfd_get,
	.fd_dup = caller_fd_dup,
	.account = caller_account,
	.process = caller_process,
};

/* ---- memory ---- */

static int touch(uint64_t va, uint64_t len, bool write)
{
	return write ? guard_touch_write((void *)va, len >> PAGE_SHIFT) :
		       guard_touch_read((void *)va, len >> PAGE_SHIFT);
}

static bool are_present(uint64_t va, uint64_t len)
{
	uint8_t there[PAGES_AT_ONCE], all = 1;

	if (sys3(SYS_mincore, (long)va, (long)len, (long)there))
		return false;
	for (uint64_t i = 0; i < len >> PAGE_SHIFT; i++)
		all &= there[i];
	return all;
}

static int probe_some(uint64_t va, uint64_t len, unsigned int how)
{
	bool write = how & MEMORY_WRITE;
	long rc;

	if (len < PAGES_TO_ASK * PAGE_SIZE)
		return touch(va, len, write);
	if (are_present(va, len))
		return how & MEMORY_PLAIN ? 0 : touch(va, len, write);
	rc = sys3(SYS_madvise, (long)va, (long)len, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	if (!rc)
		return 0;
	return rc == -EINVAL ? touch(va, len, write) : -EFAULT;
}

static int memory_probe(void *arg, uint64_t va, uint64_t len, unsigned int how)
{
	int rc = bars_meet(va, len) ? -EFAULT : 0;

	for (uint64_t n; len && !rc; va += n, len -= n) {
		n = min_u64(len, PAGES_AT_ONCE * PAGE_SIZE);
		rc = probe_some(va, n, how);
	}
	return rc;
}

static int memory_vma(void *arg, uint64_t va, struct memory_vma *out)
{
	return bars_vma(va, out) ? 0 : memory_default_ops.vma(arg, va, out);
}

static int memory_guarded_copy(void *arg, void *dst, const void *src, size_t len)
{
	return guard_copy(dst, src, len);
}

static int memory_guarded_exchange(void *arg, uint64_t *at, uint64_t *is, uint64_t to)
{
	return guard_exchange(at, is, to);
}

const struct memory_ops door_memory_ops = {
	.probe = memory_probe,
	.vma = memory_vma,
	.copy = memory_guarded_copy,
	.exchange = memory_guarded_exchange,
};
