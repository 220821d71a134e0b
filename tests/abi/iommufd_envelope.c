/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The envelope of every iommufd command (ENV): which part of the structure is read, which sizes are
 * accepted, what a bad pointer and a malformed command word answer, and what the reply writes.
 *
 * A command's base is good, or refused by its body with an errno that no rule of the envelope
 * gives, so that a row tells whether the body was reached.
 */
#include "abi_iommufd.h"

#include <sys/mman.h>

#define EITHER -1 /* what the body answers depends on how the kernel was built */

union any {
	uint32_t size;
	struct iommu_destroy destroy;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_allow_iovas allow;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_iova_ranges ranges;
	struct iommu_ioas_map map;
	struct iommu_ioas_unmap unmap;
	struct iommu_option option;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hw_info hw_info;
	struct iommu_hwpt_set_dirty_tracking set_dirty;
	struct iommu_hwpt_get_dirty_bitmap get_dirty;
	struct iommu_hwpt_invalidate invalidate;
	struct iommu_fault_alloc fault;
	struct iommu_ioas_map_file map_file;
	struct iommu_viommu_alloc viommu;
	struct iommu_vdevice_alloc vdevice;
	struct iommu_ioas_change_process change;
	struct iommu_veventq_alloc veventq;
	struct iommu_hw_queue_alloc hw_queue;
	struct iommu_ioas_noiommu_get_pa get_pa;
	unsigned char bytes[128];
};

struct command {
	const char *name;
	unsigned long request;
	uint32_t min, full;
	int want;
	bool replies;
	union any base;
};

static struct iommu_iova_range some_ranges[4];
static int some_file = -1;

#define COMMAND(cmd, least, most) .name = #cmd, .request = cmd, .min = least, .full = most

static struct command commands[] = {
	{ COMMAND(IOMMU_DESTROY, 8, 8), .base.destroy = { .id = WORLD_OTHER } },
	{ COMMAND(IOMMU_IOAS_ALLOC, 12, 12), .replies = true },
	{ COMMAND(IOMMU_IOAS_ALLOW_IOVAS, 24, 24), .base.allow = { .ioas_id = WORLD_IOAS } },
	{
		COMMAND(IOMMU_IOAS_COPY, 40, 40),
		.replies = true,
		.base.copy = {
			.flags = RW,
			.dst_ioas_id = WORLD_OTHER,
			.src_ioas_id = WORLD_IOAS,
			.length = 4096,
			.src_iova = WORLD_AREA_A,
		},
	},
	{
		COMMAND(IOMMU_IOAS_IOVA_RANGES, 32, 32),
		.replies = true,
		.base.ranges = { .ioas_id = WORLD_IOAS, .num_iovas = ARRAY_SIZE(some_ranges) },
	},
	{
		COMMAND(IOMMU_IOAS_MAP, 40, 40),
		.replies = true,
		.base.map = {
			.flags = FIXED_RW,
			.ioas_id = WORLD_OTHER,
			.length = 4096,
			.iova = WORLD_AREA_A,
		},
	},
	{
		COMMAND(IOMMU_IOAS_UNMAP, 24, 24),
		.replies = true,
		.base.unmap = {
			.ioas_id = WORLD_IOAS,
			.iova = WORLD_AREA_C,
			.length = WORLD_PAGES_C * 4096,
		},
	},
	{
		COMMAND(IOMMU_OPTION, 24, 24),
		.replies = true,
		.base.option = {
			.option_id = IOMMU_OPTION_HUGE_PAGES,
			.op = IOMMU_OPTION_OP_GET,
			.object_id = WORLD_IOAS,
		},
	},
	{
		COMMAND(IOMMU_VFIO_IOAS, 12, 12),
		.base.vfio_ioas = { .op = IOMMU_VFIO_IOAS_SET, .ioas_id = WORLD_IOAS },
	},
	{
		COMMAND(IOMMU_HWPT_ALLOC, 24, 48),
		.want = ENOENT,
		.base.hwpt_alloc = { .dev_id = ID_NONE, .pt_id = WORLD_IOAS },
	},
	{
		COMMAND(IOMMU_GET_HW_INFO, 32, 40),
		.want = ENOENT,
		.base.hw_info = { .dev_id = ID_NONE },
	},
	{
		COMMAND(IOMMU_HWPT_SET_DIRTY_TRACKING, 16, 16),
		.want = ENOENT,
		.base.set_dirty = { .hwpt_id = ID_NONE },
	},
	{
		COMMAND(IOMMU_HWPT_GET_DIRTY_BITMAP, 48, 48),
		.want = ENOENT,
		.base.get_dirty = { .hwpt_id = ID_NONE, .length = 4096, .page_size = 4096 },
	},
	{
		COMMAND(IOMMU_HWPT_INVALIDATE, 32, 32),
		.want = ENOENT,
		.replies = true,
		.base.invalidate = { .hwpt_id = ID_NONE },
	},
	{ COMMAND(IOMMU_FAULT_QUEUE_ALLOC, 16, 16), .replies = true },
	{
		COMMAND(IOMMU_IOAS_MAP_FILE, 40, 40),
		.replies = true,
		.base.map_file = {
			.flags = FIXED_RW,
			.ioas_id = WORLD_OTHER,
			.length = 4096,
			.iova = WORLD_AREA_A,
		},
	},
	{
		COMMAND(IOMMU_VIOMMU_ALLOC, 24, 40),
		.want = ENOENT,
		.base.viommu = {
			.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3, .dev_id = ID_NONE, .hwpt_id = ID_NONE,
		},
	},
	{
		COMMAND(IOMMU_VDEVICE_ALLOC, 24, 24),
		.want = ENOENT,
		.base.vdevice = { .viommu_id = ID_NONE, .dev_id = ID_NONE },
	},
	{ COMMAND(IOMMU_IOAS_CHANGE_PROCESS, 8, 8) },
	{
		COMMAND(IOMMU_VEVENTQ_ALLOC, 28, 32),
		.want = ENOENT,
		.base.veventq = {
			.viommu_id = ID_NONE,
			.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
			.veventq_depth = 1,
		},
	},
	{
		COMMAND(IOMMU_HW_QUEUE_ALLOC, 40, 40),
		.want = ENOENT,
		.base.hw_queue = {
			.viommu_id = ID_NONE,
			.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
			.length = 4096,
		},
	},
	{
		COMMAND(IOMMU_IOAS_NOIOMMU_GET_PA, 40, 40),
		.want = EITHER,
		.base.get_pa = { .ioas_id = WORLD_IOAS, .iova = WORLD_AREA_A, .length = 4096 },
	},
};

/* What only the running program knows. */
static void complete_commands(void)
{
	some_file = memfd_ok(abi_page);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct command *command = &commands[i];

		command->base.size = command->full;
		if (command->request == IOMMU_IOAS_MAP)
			command->base.map.user_va = PTR(world_memory());
		if (command->request == IOMMU_IOAS_MAP_FILE)
			command->base.map_file.fd = some_file;
		if (command->request == IOMMU_IOAS_IOVA_RANGES)
			command->base.ranges.allowed_iovas = PTR(some_ranges);
	}
}

/* A world in which every base does what `want` says. */
static int setup(const struct command *command)
{
	int fd = world_setup();

	/* CHANGE_PROCESS refuses while memory that is no file's is mapped. */
	if (command->request == IOMMU_IOAS_CHANGE_PROCESS)
		ioas_empty(fd, WORLD_IOAS);
	return fd;
}

static void teardown(const struct command *command, int fd, const union any *arg)
{
	struct iommu_fault_alloc fault;

	if (command->request == IOMMU_FAULT_QUEUE_ALLOC && arg) {
		memcpy(&fault, arg, sizeof(fault));
		fd_close((int)fault.out_fault_fd);
	}
	close(fd);
}

/* After a call that the envelope refused nothing may have changed. */
static void audit(const struct command *command, int fd)
{
	if (command->request != IOMMU_IOAS_CHANGE_PROCESS)
		world_audit(fd);
}

static int body_answer(const struct command *command)
{
	static int learnt = EITHER;
	union any arg = command->base;
	int fd;

	if (command->want != EITHER)
		return command->want;
	if (learnt == EITHER) {
		fd = setup(command);
		learnt = abi_ioctl(fd, command->request, &arg);
		teardown(command, fd, NULL);
		abi_true(learnt == EOPNOTSUPP || learnt == EPERM, "%s answers %s", command->name,
			 abi_errno_name(learnt));
	}
	return learnt;
}

/* Asks with `size` of the base, which stands right before an unreadable page. */
static void ask_with_size(const struct command *command, uint32_t size, uint32_t last_byte,
			  int want)
{
	unsigned char bytes[4096] = { 0 };
	union any *arg;
	int fd = setup(command);

	memcpy(bytes, &command->base, command->full);
	memcpy(bytes, &size, sizeof(size));
	if (last_byte)
		bytes[size - 1] = (unsigned char)last_byte;
	arg = abi_at_the_edge(bytes, size < 4 ? 4 : size);
	abi_errno(abi_ioctl(fd, command->request, arg), want);
	if (want)
		audit(command, fd);
	teardown(command, fd, want ? NULL : arg);
}

static void sizes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (abi_row("ENV.4", "%s with size 0", c->name))
			ask_with_size(c, 0, 0, EINVAL);
		if (abi_row("ENV.4", "%s with size 4", c->name))
			ask_with_size(c, 4, 0, EINVAL);
		if (abi_row("ENV.4", "%s one byte short", c->name))
			ask_with_size(c, c->min - 1, 0, EINVAL);
		if (abi_row("ENV.7", "%s with the least size", c->name))
			ask_with_size(c, c->min, 0, body_answer(c));
		if (c->full - 1 > c->min &&
		    abi_row("ENV.7", "%s between least and full size", c->name))
			ask_with_size(c, c->full - 1, 0, body_answer(c));
		if (abi_row("ENV.9", "%s with the full size", c->name))
			ask_with_size(c, c->full, 0, body_answer(c));
		if (abi_row("ENV.8", "%s one zero byte longer", c->name))
			ask_with_size(c, c->full + 1, 0, body_answer(c));
		if (abi_row("ENV.8", "%s eight zero bytes longer", c->name))
			ask_with_size(c, c->full + 8, 0, body_answer(c));
		if (abi_row("ENV.8", "%s a page of zeroes", c->name))
			ask_with_size(c, 4096, 0, body_answer(c));
		if (abi_row("ENV.5", "%s one byte longer", c->name))
			ask_with_size(c, c->full + 1, 0x80, E2BIG);
		if (abi_row("ENV.5", "%s eight bytes longer", c->name))
			ask_with_size(c, c->full + 8, 1, E2BIG);
		if (abi_row("ENV.5", "%s a page, its last byte set", c->name))
			ask_with_size(c, 4096, 1, E2BIG);
	}
}

/* Asks with a structure that says `size` and of which only `present` bytes can be read. */
static void ask_cut(const struct command *command, uint32_t size, size_t present, int want)
{
	union any arg = command->base;
	int fd = setup(command);

	arg.size = size;
	abi_errno(abi_ioctl(fd, command->request, abi_at_the_edge(&arg, present)), want);
	audit(command, fd);
	teardown(command, fd, NULL);
}

static void unreadable(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (abi_row("ENV.2", "%s of which two bytes can be read", c->name))
			ask_cut(c, c->full, 2, EFAULT);
		if (abi_row("ENV.6", "%s of which only size can be read", c->name))
			ask_cut(c, c->full, 4, EFAULT);
		if (abi_row("ENV.6", "%s whose last byte cannot be read", c->name))
			ask_cut(c, c->full, c->full - 1, EFAULT);
		if (abi_row("ENV.6", "%s whose extra bytes cannot be read", c->name))
			ask_cut(c, c->full + 8, c->full, EFAULT);
		if (abi_row("ENV.6", "%s of the largest size", c->name))
			ask_cut(c, UINT32_MAX, c->full, EFAULT);
		if (abi_row("ENV.4 ENV.6", "%s too short, only size can be read", c->name))
			ask_cut(c, c->min - 1, 4, EINVAL);
	}
}

static void bad_pointers(void)
{
	static const uint64_t places[] = {
		0, 1, 4096, 1ull << 47, 1ull << 63, 0xffff800000000000, UINT64_MAX - 4095,
		UINT64_MAX - 2, UINT64_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];
		int fd;

		if (!abi_row("ENV.2", "%s at places that are no memory", c->name))
			continue;
		fd = setup(c);
		for (size_t k = 0; k < ARRAY_SIZE(places); k++)
			abi_errno(abi_ioctl(fd, c->request, (void *)places[k]), EFAULT);
		abi_errno(abi_ioctl(fd, c->request, abi_memory()->none), EFAULT);
		audit(c, fd);
		teardown(c, fd, NULL);
	}
}

static void command_words(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];
		unsigned long words[] = {
			c->request ^ 0x100,                     /* another type letter */
			c->request & 0xff,                      /* no type letter */
			c->request | 1ul << 16,                 /* size bits */
			c->request | (unsigned long)c->full << 16,
			c->request | 1ul << 30,                 /* direction: write */
			c->request | 3ul << 30,                 /* direction: both */
		};
		union any arg;
		int fd;

		if (abi_row("ENV.3", "%s malformed", c->name)) {
			fd = setup(c);
			for (size_t k = 0; k < ARRAY_SIZE(words); k++) {
				arg = c->base;
				abi_errno(abi_ioctl(fd, words[k], &arg), ENOTTY);
			}
			audit(c, fd);
			teardown(c, fd, NULL);
		}
		if (abi_row("ENV.2 ENV.3", "%s malformed, at a bad address", c->name)) {
			fd = setup(c);
			for (size_t k = 0; k < ARRAY_SIZE(words); k++)
				abi_errno(abi_ioctl(fd, words[k], NULL), EFAULT);
			teardown(c, fd, NULL);
		}
		if (abi_row("ENV.3 ENV.4", "%s malformed and too short", c->name)) {
			fd = setup(c);
			arg = c->base;
			arg.size = 0;
			for (size_t k = 0; k < ARRAY_SIZE(words); k++)
				abi_errno(abi_ioctl(fd, words[k], &arg), ENOTTY);
			teardown(c, fd, NULL);
		}
		if (abi_row("ENV.3", "%s: bits above the 32nd are not looked at", c->name)) {
			fd = setup(c);
			arg = c->base;
			abi_errno(abi_ioctl(fd, c->request | 5ul << 32, &arg), body_answer(c));
			teardown(c, fd, c->want ? NULL : &arg);
		}
	}
}

static void unknown_numbers(void)
{
	struct iommu_ioas_alloc arg = { .size = sizeof(arg) };
	int fd = iommufd_open();

	for (unsigned int nr = 0; nr < 256; nr++) {
		/* 0x64 and up are VFIO's container, which an iommufd may stand in for; 0xa0 is the
		 * test driver's, and from 0xe0 on stand our own (docs/abi-extensions.md). */
		if ((nr >= 0x64 && nr <= 0x95) || nr == 0xa0 || (nr >= 0xe0 && nr <= 0xe2))
			continue;
		if (!abi_row("ENV.1", "number %#x", nr))
			continue;
		abi_errno(abi_ioctl(fd, _IO(';', nr), &arg), ENOTTY);
		abi_errno(abi_ioctl(fd, _IO('X', nr), &arg), ENOTTY);
		/* Between 0x96 and 0x9f a kernel with the selftest row reads `size` first. */
		if (nr < 0x96 || nr > 0x9f)
			abi_errno(abi_ioctl(fd, _IO(';', nr), NULL), ENOTTY);
	}
	close(fd);
}

/* Asks from memory that cannot be written. */
static void read_only(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];
		void *page;
		int fd;

		if (!abi_row("ENV.10", "%s from read-only memory", c->name))
			continue;
		page = abi_read_only(&c->base, c->full);
		fd = setup(c);
		abi_errno(abi_ioctl(fd, c->request, page), c->replies ? EFAULT : body_answer(c));
		teardown(c, fd, NULL);
		abi_read_only_put(page);
	}
}

/* What a failed reply leaves: nothing of an object, but all of a mapping (MAP.19). */
static void failed_reply(unsigned long request, const void *arg, size_t size, int fd)
{
	void *page = abi_read_only(arg, size);

	abi_errno(abi_ioctl(fd, request, page), EFAULT);
	abi_read_only_put(page);
}

static void failed_replies(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_fault_alloc fault = { .size = sizeof(fault) };
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = WORLD_IOAS, .iova = WORLD_AREA_C, .length = 4096,
	};
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = WORLD_OTHER,
	};
	struct ranges ranges;
	int fd, before, after;

	if (abi_row("ENV.10", "a failed reply leaves no IOAS behind")) {
		fd = world_setup();
		failed_reply(IOMMU_IOAS_ALLOC, &alloc, sizeof(alloc), fd);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("ENV.10", "a failed reply leaves no fault queue and no file behind")) {
		fd = world_setup();
		before = dup(fd);
		close(before);
		failed_reply(IOMMU_FAULT_QUEUE_ALLOC, &fault, sizeof(fault), fd);
		after = dup(fd);
		close(after);
		abi_equal((uint64_t)after, (uint64_t)before);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("ENV.10", "UNMAP has unmapped when only the reply fails")) {
		fd = world_setup();
		failed_reply(IOMMU_IOAS_UNMAP, &unmap, sizeof(unmap), fd);
		abi_errno(ioas_unmap(fd, WORLD_IOAS, WORLD_AREA_C, 4096, NULL), ENOENT);
		abi_equal(ioas_empty(fd, WORLD_IOAS), WORLD_BYTES - 4096);
		close(fd);
	}
	if (abi_row("ENV.10 OPT.17", "OPTION SET has taken effect when only the reply fails")) {
		fd = world_setup();
		failed_reply(IOMMU_OPTION, &option, sizeof(option), fd);
		ioas_ranges(fd, WORLD_OTHER, &ranges);
		abi_equal(ranges.alignment, 4096);
		close(fd);
	}
}

/* The page before the writable one of abi_memory(). */
static void protect_page(int prot)
{
	if (mprotect(abi_memory()->read_only, abi_page, prot))
		abi_broken("mprotect: %s", strerror(errno));
}

/* The reply: what is written and what is not. */
static void replies(void)
{
	struct {
		struct iommu_ioas_unmap cmd;
		uint64_t extra;
	} unmap = {
		.cmd = { .size = sizeof(unmap), .ioas_id = WORLD_IOAS, .length = UINT64_MAX },
	};
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_GET,
		.object_id = WORLD_IOAS,
		.val64 = 77,
	};
	struct iommu_destroy refused = { .size = sizeof(refused), .id = ID_NONE };
	char *edge;
	int fd;

	if (abi_row("ENV.10", "a larger structure keeps its size and its extra bytes")) {
		fd = world_setup();
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_UNMAP, &unmap), 0);
		abi_equal(unmap.cmd.size, sizeof(unmap));
		abi_equal(unmap.cmd.ioas_id, WORLD_IOAS);
		abi_equal(unmap.cmd.iova, 0);
		abi_equal(unmap.cmd.length, WORLD_BYTES);
		abi_equal(unmap.extra, 0);
		close(fd);
	}
	if (abi_row("ENV.10", "OPTION writes val64 only")) {
		fd = world_setup();
		/* All but val64 stands in a page that cannot be written. */
		edge = abi_memory()->writable - offsetof(struct iommu_option, val64);
		protect_page(PROT_READ | PROT_WRITE);
		memcpy(edge, &option, sizeof(option));
		protect_page(PROT_READ);
		abi_errno(abi_ioctl(fd, IOMMU_OPTION, edge), 0);
		memcpy(&option, edge, sizeof(option));
		abi_equal(option.val64, 1);
		close(fd);
	}
	if (abi_row("ENV.10", "a refused call writes nothing")) {
		fd = world_setup();
		abi_errno(abi_ioctl(fd, IOMMU_DESTROY, &refused), ENOENT);
		abi_equal(refused.size, sizeof(refused));
		abi_equal(refused.id, ID_NONE);
		close(fd);
	}
}

/* A structure at any address: it need not be aligned. */
static void misaligned(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	char *at = abi_memory()->writable;
	uint32_t id;
	int fd;

	if (!abi_row("ENV.9", "a structure at an odd address"))
		return;
	fd = world_setup();
	for (int shift = 1; shift < 8; shift++) {
		memcpy(at + shift, &alloc, sizeof(alloc));
		abi_errno(abi_ioctl(fd, IOMMU_IOAS_ALLOC, at + shift), 0);
		memcpy(&id, at + shift + offsetof(struct iommu_ioas_alloc, out_ioas_id), 4);
		abi_equal(id, WORLD_NEXT + (uint32_t)shift - 1);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(sizes), ABI_PART(unreadable), ABI_PART(bad_pointers),
		ABI_PART(command_words), ABI_PART(unknown_numbers), ABI_PART(read_only),
		ABI_PART(failed_replies), ABI_PART(replies), ABI_PART(misaligned),
	};

	complete_commands();
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
