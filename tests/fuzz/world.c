/* SPDX-License-Identifier: BSD-3-Clause */
/* Does a call and says what came of it. The files and the memory that calls name are made here. */
#include "fuzz.h"

#include "../abi/vfio_fixture.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

static int files[T_END];
static int mappable[NR_EACH]; /* a memfd, a directory, an eventfd, and a number that is not open */

static void map_at(uint64_t at, uint64_t len, int prot, int flags, int fd)
{
	void *want = (void *)(uintptr_t)at;

	if (mmap(want, len, prot, flags | MAP_FIXED_NOREPLACE, fd, 0) != want)
		abi_broken("mmap at %#jx: %s", (uintmax_t)at, strerror(errno));
}

/* All of it present, so that no call's answer depends on when a page came. */
static void private_at(uint64_t at, uint64_t len, int prot)
{
	map_at(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memset((void *)(uintptr_t)at, 1, len);
	if (mprotect((void *)(uintptr_t)at, len, prot))
		abi_broken("mprotect: %s", strerror(errno));
}

static char *argument_twin;

/* What calls have written must not reach the next sequence: it is to run alone, too. */
static void fill_memory(void)
{
	memset((void *)(uintptr_t)MEM_RW, 1, 64 * PAGE);
	memset((void *)(uintptr_t)MEM_SHARED, 2, 64 * PAGE);
	memset((void *)(uintptr_t)MEM_BUF, 1, 4 * PAGE);
	memset((void *)(uintptr_t)MEM_BIG, 1, BIG_SIZE);
}

void world_make(void)
{
	int fd = memfd_create("argument", MFD_CLOEXEC);

	/* Root has it in one place and not in another, and OPTION asks for it. */
	abi_drop_capability(CAP_SYS_RESOURCE);
	for (unsigned int i = 0; i < T_END; i++)
		files[i] = -1;
	mappable[0] = memfd_create("file", MFD_CLOEXEC);
	mappable[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mappable[2] = eventfd(0, EFD_CLOEXEC);
	mappable[3] = 999;
	if (mappable[0] < 0 || fd < 0 || ftruncate(mappable[0], 64 * PAGE) || ftruncate(fd, PAGE))
		abi_broken("memfd: %s", strerror(errno));
	private_at(MEM_RW, 64 * PAGE, PROT_READ | PROT_WRITE);
	private_at(MEM_RO, 8 * PAGE, PROT_READ);
	map_at(MEM_NONE, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_at(MEM_SHARED, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mappable[0]);
	private_at(MEM_ARG, PAGE, PROT_READ | PROT_WRITE);
	map_at(MEM_ARG + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_at(MEM_ARG_RO, PAGE, PROT_READ, MAP_SHARED, fd);
	map_at(MEM_ARG_RO + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	argument_twin = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private_at(MEM_BUF, 4 * PAGE, PROT_READ | PROT_WRITE);
	map_at(MEM_BUF + 4 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	private_at(MEM_BIG, BIG_SIZE, PROT_READ | PROT_WRITE);
	if (argument_twin == MAP_FAILED)
		abi_broken("mmap: %s", strerror(errno));
	fill_memory();
}

bool world_has(unsigned int target)
{
	return target < T_END && files[target] >= 0;
}

static int file_of(uint64_t target)
{
	return target < T_END ? files[target] : -1;
}

static void say(struct answer *answer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct answer *answer, const char *fmt, ...)
{
	size_t at = strlen(answer->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(answer->text + at, sizeof(answer->text) - at, fmt, args);
	va_end(args);
}

static uint64_t get(const unsigned char *arg, const struct field *field)
{
	uint64_t value = 0;

	memcpy(&value, arg + field->at, field->size);
	return value;
}

/* --- Commands with a structure ---------------------------------------------------------------- */

static uint64_t field_value(const struct field *field, uint64_t value)
{
	if (field->kind == K_FILE)
		return value < NR_EACH ? (uint64_t)mappable[value] : value;
	if (field->kind == K_ACCESS)
		return value < T_END ? (uint64_t)files[value] : value;
	if (field->kind == K_CTX)
		return value < NR_EACH ? (uint64_t)files[T_CTX + value] : value;
	return value;
}

static uint32_t shaped_size(const struct command *command, enum shape shape)
{
	switch (shape) {
	case SHAPE_SHORT:
		return command->min - 1;
	case SHAPE_LEAST:
		return command->min;
	case SHAPE_LONG:
	case SHAPE_LONG_DIRTY:
		return command->full + 8;
	case SHAPE_EMPTY:
		return 0;
	case SHAPE_ENDLESS:
		return UINT32_MAX;
	default:
		return command->full;
	}
}

/* Where the structure lies; what writes to it does so through `*writable`. */
static unsigned char *shaped_place(const struct command *command, enum shape shape,
				   unsigned char **writable)
{
	uint64_t at = MEM_ARG;

	memset((void *)(uintptr_t)MEM_ARG, 0, PAGE);
	if (shape == SHAPE_EDGE)
		at += PAGE - command->full;
	else if (shape == SHAPE_CUT)
		at += PAGE - command->full + 1;
	*writable = (unsigned char *)(uintptr_t)at;
	if (shape == SHAPE_READ_ONLY) {
		memset(argument_twin, 0, PAGE);
		*writable = (unsigned char *)argument_twin;
		at = MEM_ARG_RO;
	}
	return (unsigned char *)(uintptr_t)at;
}

static void keep_event(int fd)
{
	for (unsigned int i = T_EVENT; i < T_EVENT + NR_EACH; i++) {
		if (files[i] < 0) {
			files[i] = fd;
			return;
		}
	}
	close(fd);
}

/* Every field that the call changed. */
static void say_changes(const struct command *command, const unsigned char *before,
			const unsigned char *after, struct answer *answer)
{
	bool hidden = false;
	uint32_t size;

	for (unsigned int i = 0; i < command_nr_fields(command); i++)
		hidden |= command->field[i].kind == K_HIDDEN;
	memcpy(&size, after, sizeof(size));
	if (memcmp(before, after, sizeof(size)) && !hidden)
		say(answer, " size=%x", size);
	for (unsigned int i = 0; i < command_nr_fields(command); i++) {
		const struct field *field = &command->field[i];
		uint64_t value = get(after, field);

		if (command->makes && command->made == i)
			answer->made = value;
		if (field->kind == K_OUT && field->arg && answer->nr_also < MAX_MADE) {
			answer->also[answer->nr_also].kind = (uint8_t)field->arg;
			answer->also[answer->nr_also++].id = value;
		}
		if (value == get(before, field) || field->kind == K_HIDDEN)
			continue;
		if (field->kind == K_OUTFD) {
			keep_event((int)value);
			say(answer, " %s", field->name);
		} else {
			say(answer, " %s=%jx", field->name, (uintmax_t)value);
		}
	}
}

/* What the call put where the structure points. */
static void say_buffer(const struct command *command, const unsigned char *after,
		       struct answer *answer)
{
	const uint64_t *words = (const uint64_t *)(uintptr_t)MEM_BUF;
	uint32_t size;

	memcpy(&size, after, sizeof(size));
	if (command->full > 24 && command->request == VFIO_IOMMU_GET_INFO) {
		size = answer->err ? 0 : size < command->full ? size : command->full;
		for (uint32_t i = 24; i + 8 <= size; i += 8)
			say(answer, " %x:%jx", i,
			    (uintmax_t)get(after, &(struct field){.at = i, .size = 8}));
		return;
	}
	if (command->request == IOMMU_GET_HW_INFO)
		return;
	for (unsigned int i = 0; i < 16; i++)
		if (words[i])
			say(answer, " [%u]=%jx", i, (uintmax_t)words[i]);
}

/* Arrays that ALLOW_IOVAS and INVALIDATE read are there before; what a call fills is empty. */
static bool reads_buffer(const struct command *command)
{
	return command->request == IOMMU_IOAS_ALLOW_IOVAS ||
	       command->request == IOMMU_HWPT_INVALIDATE;
}

static bool is_meant_for(const struct command *command, uint64_t target)
{
	uint64_t kind = target / 10 * 10;

	return kind == command->target || (kind == T_GDEV && command->target == T_CDEV);
}

static void do_command(const struct op *op, struct answer *answer)
{
	const struct command *command = op->command;
	unsigned char image[PAGE] = {0}, before[PAGE] = {0}, after[PAGE] = {0};
	enum shape shape = (enum shape)op->args[1];
	unsigned char *writable, *place = shaped_place(command, shape, &writable);
	uint32_t size = shaped_size(command, shape);
	size_t room = shape == SHAPE_CUT ? command->full - 1u : command->full;
	int result;

	memcpy(image, &size, sizeof(size));
	for (unsigned int i = 0; i < command_nr_fields(command); i++) {
		uint64_t value = field_value(&command->field[i], op->args[2 + i]);

		memcpy(image + command->field[i].at, &value, command->field[i].size);
	}
	memcpy(writable, image, room);
	if (shape == SHAPE_LONG_DIRTY)
		memset(writable + command->full, 0xff, 8);
	if (!reads_buffer(command))
		memset((void *)(uintptr_t)MEM_BUF, 0, 4 * PAGE);
	memcpy(before, writable, room);
	result = ioctl(file_of(op->args[0]), command->request, shape == SHAPE_NULL ? NULL : place);
	answer->err = result < 0 ? errno : 0;
	answer->result = result > 0 ? result : 0;
	memcpy(after, writable, room);
	/* Elsewhere the number means something else, and what it gives depends on the machine. */
	if (!is_meant_for(command, op->args[0]))
		return;
	if (shape != SHAPE_NULL)
		say_changes(command, before, after, answer);
	if (!reads_buffer(command))
		say_buffer(command, after, answer);
}

/* --- The others ---------------------------------------------------------------------------------
 */

static void put_file(uint64_t target, int fd)
{
	if (target >= T_END) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (files[target] >= 0)
		close(files[target]);
	files[target] = fd;
}

static int open_path(uint64_t target, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		put_file(target, fd);
	return fd < 0 ? -1 : 0;
}

static int open_device(uint64_t target, bool group)
{
	const struct vfio_id *id = vfio_nth(target % 10);

	if (!id || target >= T_END) {
		errno = ENODEV;
		return -1;
	}
	return open_path(target, group ? id->group : id->cdev);
}

static void set_ranges(const struct op *op)
{
	uint64_t *words = (uint64_t *)(uintptr_t)MEM_BUF;

	memset(words, 0, 4 * PAGE);
	for (unsigned int i = 1; i < op->nr_args; i++)
		words[i - 1] = op->args[i];
}

static int get_device_fd(const struct op *op)
{
	const struct vfio_id *id = vfio_nth((unsigned int)op->args[1]);
	int fd = ioctl(file_of(op->args[0]), VFIO_GROUP_GET_DEVICE_FD, id ? id->bdf : "nothing");

	if (fd >= 0)
		put_file(T_GDEV + op->args[1], fd);
	return fd < 0 ? -1 : 0;
}

static int64_t do_special(const struct op *op)
{
	void *buf = (void *)(uintptr_t)MEM_BUF;
	int fd = file_of(op->args[0]), container;

	switch (op->special) {
	case S_OPEN:
		return open_path(op->args[0], op->args[1] ? "/dev/vfio/vfio" : "/dev/iommu");
	case S_OPEN_CDEV:
		return open_device(op->args[0], false);
	case S_OPEN_GROUP:
		return open_device(op->args[0], true);
	case S_CLOSE:
		put_file(op->args[0], -1);
		return 0;
	case S_RANGES:
		set_ranges(op);
		return 0;
	case S_READ:
		return read(fd, buf, op->args[1]);
	case S_WRITE:
		return write(fd, buf, op->args[1]);
	case S_SET_CONTAINER:
		container = file_of(op->args[1]);
		return ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container);
	case S_UNSET_CONTAINER:
		return ioctl(fd, VFIO_GROUP_UNSET_CONTAINER);
	case S_GET_DEVICE_FD:
		return get_device_fd(op);
	case S_API_VERSION:
		return ioctl(fd, VFIO_GET_API_VERSION);
	case S_EXTENSION:
		return ioctl(fd, VFIO_CHECK_EXTENSION, op->args[1]);
	case S_SET_IOMMU:
		return ioctl(fd, VFIO_SET_IOMMU, op->args[1]);
	case S_RAW:
		return ioctl(fd, op->args[1], MEM_ARG);
	case S_RESET:
		return ioctl(fd, VFIO_DEVICE_RESET);
	default:
		errno = ENOSYS;
		return -1;
	}
}

void world_do(const struct op *op, struct answer *answer)
{
	int64_t result;

	*answer = (struct answer){0};
	errno = 0;
	if (op->command) {
		do_command(op, answer);
		return;
	}
	if (op->special == S_RAW || op->special == S_WRITE)
		memset((void *)(uintptr_t)MEM_ARG, 0, PAGE);
	result = do_special(op);
	for (int64_t i = 0; op->args[0] >= T_EVENT && i < result && i < 128; i += 8)
		say(answer, " %jx", (uintmax_t)((uint64_t *)(uintptr_t)MEM_BUF)[i / 8]);
	answer->err = result < 0 ? errno : 0;
	answer->result = result > 0 ? result : 0;
}

void world_end(char *text, size_t size)
{
	struct answer answer = {0};

	for (unsigned int ctx = T_CTX; ctx < T_CTX + NR_EACH; ctx++) {
		for (uint32_t id = 1; files[ctx] >= 0 && id < 16; id++) {
			struct iommu_ioas_unmap all = {
				.size = sizeof(all), .ioas_id = id, .length = UINT64_MAX};

			if (!ioctl(files[ctx], IOMMU_IOAS_UNMAP, &all))
				say(&answer, " %u/%u:%jx", ctx, id, (uintmax_t)all.length);
		}
	}
	for (unsigned int ctx = T_CTX; ctx < T_CTX + NR_EACH; ctx++) {
		struct vfio_iommu_type1_dma_unmap all = {.argsz = sizeof(all),
							 .flags = VFIO_DMA_UNMAP_FLAG_ALL};

		if (files[ctx] >= 0 && !ioctl(files[ctx], VFIO_IOMMU_UNMAP_DMA, &all))
			say(&answer, " %u:%jx", ctx, (uintmax_t)all.size);
	}
	/* Devices before what they are bound to, as a program that ends does it in no order at all.
	 */
	for (int i = T_END - 1; i >= 0; i--)
		put_file((uint64_t)i, -1);
	fill_memory();
	snprintf(text, size, "%s", answer.text);
}
