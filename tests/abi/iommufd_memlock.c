/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who pays for what an IOAS pins, and by whose RLIMIT_MEMLOCK (3.1, MAP.17): the user, or the
 * process where OPTION RLIMIT_MODE says so, another process after CHANGE_PROCESS. The program gives
 * up CAP_IPC_LOCK first, since with it nothing is charged.
 */
#include "abi_iommufd.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define IOVA 0x100000ull
#define LIMIT 16u /* pages */

static char *memory;

/* A device attached to an IOAS, in a context of either mode. */
struct table {
	struct attached attached;
	int fd;
	uint32_t ioas;
};

static void set_limit(uint64_t pages)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	limit.rlim_cur = pages * abi_page;
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		abi_broken("setrlimit: %s", strerror(errno));
}

static int mode_option(int fd, uint16_t op, uint64_t *mode)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = op,
		.val64 = *mode,
	};
	int err = abi_ioctl(fd, IOMMU_OPTION, &cmd);

	*mode = cmd.val64;
	return err;
}

/* A context in which processes pay: by the option, or one that stands in for a container (1.1). -1. */
static int context_by_process(void)
{
	uint64_t mode = 1;
	int fd = iommufd_open();

	if (!mode_option(fd, IOMMU_OPTION_OP_SET, &mode))
		return fd;
	close(fd);
	fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && (mode_option(fd, IOMMU_OPTION_OP_GET, &mode) || mode != 1)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool open_by_process(struct attached *a)
{
	const struct device *device = device_or_skip();

	if (!device)
		return false;
	bound_forget();
	a->bound.fd = context_by_process();
	if (a->bound.fd < 0) {
		abi_skip("this program has no CAP_SYS_RESOURCE");
		return false;
	}
	a->bound.dev_fd = cdev_open_ok(device);
	abi_errno(cdev_bind(a->bound.dev_fd, a->bound.fd, &a->bound.dev), 0);
	a->ioas = a->hwpt = ioas_alloc_ok(a->bound.fd);
	abi_errno(cdev_attach(a->bound.dev_fd, &a->hwpt), 0);
	return true;
}

static bool table_open(struct table *t, bool by_process)
{
	if (!(by_process ? open_by_process(&t->attached) : attached_open(&t->attached)))
		return false;
	t->fd = t->attached.bound.fd;
	t->ioas = t->attached.ioas;
	set_limit(LIMIT);
	return true;
}

static void table_close(struct table *t, bool by_process)
{
	if (by_process) {
		close(t->attached.bound.dev_fd);
		close(t->attached.bound.fd);
	} else {
		attached_close(&t->attached);
	}
}

/* @n pages of the memory from page @from on, at page @at. */
static int map(const struct table *t, uint32_t at, uint32_t from, uint32_t n)
{
	uint64_t iova = IOVA + at * abi_page;

	return ioas_map(t->fd, t->ioas, FIXED_RW, memory + from * abi_page, n * abi_page, &iova);
}

static void unmap(const struct table *t, uint32_t at, uint32_t n)
{
	abi_errno(ioas_unmap(t->fd, t->ioas, IOVA + at * abi_page, n * abi_page, NULL), 0);
}

/* KiB in that line of /proc/self/status. */
static long status_line(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kib = strtol(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

static void rows(bool by_process)
{
	const long page_kib = (long)abi_page >> 10;
	struct table t;

	if (!abi_row(by_process ? "OPT.4 MAP.17" : "MAP.17", "one page more than the limit: all of it is undone") ||
	    !table_open(&t, by_process))
		return;
	abi_errno(map(&t, 0, 0, LIMIT + 1), ENOMEM);
	abi_errno(map(&t, 0, 0, LIMIT), 0);
	abi_errno(map(&t, LIMIT, LIMIT, 1), ENOMEM);
	abi_equal(ioas_empty(t.fd, t.ioas), LIMIT * abi_page);

	abi_row("3.1 MAP.17", "what is unmapped is no longer charged");
	abi_errno(map(&t, 0, 0, 12), 0);
	abi_errno(map(&t, 12, 12, 5), ENOMEM);
	unmap(&t, 0, 12);
	abi_errno(map(&t, 12, 12, 5), 0);
	abi_equal(ioas_empty(t.fd, t.ioas), 5 * abi_page);

	abi_row("3.1 MAP.17", "memory that two calls map is charged twice");
	abi_errno(map(&t, 0, 0, 8), 0);
	abi_errno(map(&t, 8, 0, 8), 0);
	abi_errno(map(&t, 16, 0, 1), ENOMEM);
	unmap(&t, 0, 8);
	abi_errno(map(&t, 16, 0, 1), 0);
	abi_equal(ioas_empty(t.fd, t.ioas), 9 * abi_page);

	abi_row("3.1 CPY.9", "a copy is not charged; what it shows is until both are gone");
	abi_errno(map(&t, 0, 0, LIMIT), 0);
	abi_errno(ioas_copy(t.fd, t.ioas, &(uint64_t){ IOVA + 32 * abi_page }, t.ioas, IOVA,
			    LIMIT * abi_page, FIXED_RW), 0);
	unmap(&t, 0, LIMIT);
	abi_errno(map(&t, 0, 0, 1), ENOMEM);
	unmap(&t, 32, LIMIT);
	abi_errno(map(&t, 0, 0, 1), 0);
	abi_equal(ioas_empty(t.fd, t.ioas), abi_page);

	abi_row("3.1 MAP.17", "the limit is asked at each charge; what is charged stays when it falls");
	abi_errno(map(&t, 0, 0, 12), 0);
	set_limit(8);
	abi_errno(map(&t, 12, 12, 1), ENOMEM);
	unmap(&t, 0, 12);
	abi_errno(map(&t, 12, 12, 8), 0);
	abi_equal(ioas_empty(t.fd, t.ioas), 8 * abi_page);
	set_limit(LIMIT);

	if (abi_row("3.1", "pinned pages are told of in VmPin, those that the process pays for in VmLck")) {
		const long pinned = status_line("VmPin:"), locked = status_line("VmLck:");

		abi_errno(map(&t, 0, 0, 4), 0);
		abi_equal((uint64_t)(status_line("VmPin:") - pinned), (uint64_t)(4 * page_kib));
		abi_equal((uint64_t)(status_line("VmLck:") - locked),
			  by_process ? (uint64_t)(4 * page_kib) : 0);
		abi_equal(ioas_empty(t.fd, t.ioas), 4 * abi_page);
		abi_equal((uint64_t)status_line("VmPin:"), (uint64_t)pinned);
		abi_equal((uint64_t)status_line("VmLck:"), (uint64_t)locked);
	}
	table_close(&t, by_process);
}

static void by_user(void)
{
	rows(false);
}

static void by_process(void)
{
	rows(true);
}

static int change_process(int fd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return abi_ioctl(fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

/* A child takes over; what went wrong there, as a bit each. */
static int take_over(int fd)
{
	const long kib = (long)(LIMIT * abi_page >> 10);
	int wrong = 0;

	set_limit(LIMIT - 1);
	wrong |= change_process(fd) != ENOMEM;
	wrong |= (status_line("VmLck:") != 0) << 1;
	set_limit(LIMIT);
	wrong |= (change_process(fd) != 0) << 2;
	wrong |= (status_line("VmLck:") != kib) << 3;
	wrong |= (status_line("VmPin:") != kib) << 4;
	/* It is in charge already. */
	wrong |= (change_process(fd) != 0) << 5;
	wrong |= (status_line("VmLck:") != kib) << 6;
	return wrong;
}

static void moved(void)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = FIXED_RW,
		.length = LIMIT * abi_page,
		.iova = IOVA,
	};
	struct table t;
	int status;
	pid_t pid;

	if (!abi_row("CHP.4 CHP.5", "another process pays, by its own limit") ||
	    !table_open(&t, true))
		return;
	cmd.ioas_id = t.ioas;
	cmd.fd = memfd_ok(cmd.length);
	abi_errno(abi_ioctl(t.fd, IOMMU_IOAS_MAP_FILE, &cmd), 0);
	close(cmd.fd);
	abi_errno(map(&t, 32, 0, 1), ENOMEM);
	pid = fork();
	if (!pid)
		_exit(take_over(t.fd));
	if (waitpid(pid, &status, 0) != pid)
		abi_broken("waitpid: %s", strerror(errno));
	abi_equal((uint64_t)status, 0);
	/* So this one has room. */
	abi_errno(map(&t, 32, 0, LIMIT), 0);
	abi_equal(ioas_empty(t.fd, t.ioas), 2 * LIMIT * abi_page);
	table_close(&t, true);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(by_user), ABI_PART(by_process), ABI_PART(moved),
	};

	abi_drop_capability(CAP_IPC_LOCK);
	memory = memory_alloc(4 * LIMIT * abi_page);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
