/* SPDX-License-Identifier: BSD-3-Clause */
/* FAULT_QUEUE_ALLOC and the queue's file while no device faults (FLT). */
#include "abi_iommufd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

enum { FAULT = WORLD_NEXT };

static int open_queue(int *fd)
{
	uint32_t id = 0;
	int file = -1, err;

	*fd = world_setup();
	err = fault_alloc(*fd, &id, &file);
	if (err || id != FAULT)
		abi_broken("FAULT_QUEUE_ALLOC: %s, id %u", abi_errno_name(err), id);
	return file;
}

static void alloc_rules(void)
{
	struct iommu_fault_alloc cmd;
	int fd, file;

	for (uint32_t flags = 1; flags; flags <<= 8) {
		if (!abi_row("6.1", "flags %#x", flags))
			continue;
		fd = world_setup();
		cmd = (struct iommu_fault_alloc){ .size = sizeof(cmd), .flags = flags };
		abi_errno(abi_ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd), EOPNOTSUPP);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("6.1", "an id and a file, close-on-exec, read and write")) {
		file = open_queue(&fd);
		abi_true(fcntl(file, F_GETFD) == FD_CLOEXEC, "F_GETFD says %#x",
			 (unsigned int)fcntl(file, F_GETFD));
		abi_true((fcntl(file, F_GETFL) & O_ACCMODE) == O_RDWR, "F_GETFL says %#x",
			 (unsigned int)fcntl(file, F_GETFL));
		close(file);
		close(fd);
	}
	if (abi_row("6.1", "several queues in one context")) {
		uint32_t ids[3];
		int files[3];

		fd = world_setup();
		for (uint32_t i = 0; i < 3; i++) {
			abi_errno(fault_alloc(fd, &ids[i], &files[i]), 0);
			abi_equal(ids[i], FAULT + i);
		}
		for (uint32_t i = 0; i < 3; i++) {
			close(files[i]);
			abi_errno(object_destroy(fd, ids[i]), 0);
		}
		close(fd);
	}
}

static int failed(ssize_t got)
{
	return got < 0 ? errno : 0;
}

static void reading(void)
{
	struct iommu_hwpt_pgfault records[4];
	int fd, file = open_queue(&fd);
	static const size_t odd[] = { 1, 39, 41, 79, 4096 };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		if (abi_row("FLT.1", "%zu bytes", odd[i]))
			abi_errno(failed(read(file, abi_memory()->writable, odd[i])), ESPIPE);
	if (abi_row("FLT.1", "pread is not offered")) {
		abi_errno(failed(pread(file, records, sizeof(records), 0)), ESPIPE);
		abi_errno(failed(pread(file, records, sizeof(records), 40)), ESPIPE);
	}
	if (abi_row("FLT.2", "nothing queued: 0, without waiting"))
		for (size_t n = 0; n <= ARRAY_SIZE(records); n++)
			abi_equal((uint64_t)read(file, records, n * sizeof(records[0])), 0);
	if (abi_row("FLT.2 FLT.6", "nothing queued, and a buffer that cannot be written"))
		abi_equal((uint64_t)read(file, abi_memory()->none, 40), 0);
	close(file);
	close(fd);
}

static void writing(void)
{
	struct iommu_hwpt_page_response answer = { .cookie = 1 };
	int fd, file = open_queue(&fd);
	static const size_t odd[] = { 1, 7, 9, 15 };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		if (abi_row("FLT.8", "%zu bytes", odd[i]))
			abi_errno(failed(write(file, abi_memory()->writable, odd[i])), ESPIPE);
	if (abi_row("FLT.8", "pwrite is not offered"))
		abi_errno(failed(pwrite(file, &answer, sizeof(answer), 0)), ESPIPE);
	if (abi_row("FLT.8 FLT.9", "an odd count, unreadable"))
		abi_errno(failed(write(file, abi_memory()->none, 9)), ESPIPE);
	if (abi_row("FLT.9", "unreadable"))
		abi_errno(failed(write(file, abi_memory()->none, 8)), EFAULT);
	if (abi_row("FLT.10", "a code that is none")) {
		answer.code = 2;
		abi_errno(failed(write(file, &answer, sizeof(answer))), EINVAL);
		answer.code = 0;
	}
	if (abi_row("FLT.11", "a cookie that is not outstanding")) {
		abi_errno(failed(write(file, &answer, sizeof(answer))), EINVAL);
		answer.cookie = 0;
		abi_errno(failed(write(file, &answer, sizeof(answer))), EINVAL);
		answer.cookie = UINT32_MAX;
		abi_errno(failed(write(file, &answer, sizeof(answer))), EINVAL);
	}
	if (abi_row("FLT.11 FLT.9", "a bad cookie before an answer that cannot be read"))
		abi_errno(failed(write(file, abi_at_the_edge(&answer, 8), 16)), EINVAL);
	if (abi_row("FLT.12", "no answer at all"))
		abi_equal((uint64_t)write(file, &answer, 0), 0);
	close(file);
	close(fd);
}

static void polling(void)
{
	struct pollfd pollfd = { .events = POLLIN | POLLOUT };
	int fd, file = open_queue(&fd);

	if (abi_row("6.1", "poll: writable, and not readable")) {
		pollfd.fd = file;
		abi_equal((uint64_t)poll(&pollfd, 1, 0), 1);
		abi_equal((uint64_t)pollfd.revents, POLLOUT);
	}
	if (abi_row("6.1", "poll for reading waits in vain")) {
		pollfd.events = POLLIN;
		abi_equal((uint64_t)poll(&pollfd, 1, 20), 0);
	}
	close(file);
	close(fd);
}

/* dup holds the queue as the descriptor itself does. */
static void holding(void)
{
	int fd, file, other;

	if (!abi_row("DEST.7", "a duplicate of the file holds the queue"))
		return;
	file = open_queue(&fd);
	other = dup(file);
	close(file);
	abi_errno(object_destroy(fd, FAULT), EBUSY);
	abi_equal((uint64_t)read(other, abi_memory()->writable, 40), 0);
	close(other);
	abi_errno(object_destroy(fd, FAULT), 0);
	world_audit(fd);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(alloc_rules), ABI_PART(reading), ABI_PART(writing), ABI_PART(polling),
		ABI_PART(holding),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
