/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu: the file, and the envelope that every command comes in (ENV.1-10).
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ioas/abi/extensions.h>

#include "abi/iommufd.h"
#include "base/alloc.h"
#include "object/viommu.h"

union any_command {
	struct iommu_destroy destroy;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_map map;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hwpt_get_dirty_bitmap get_dirty_bitmap;
	struct iommu_viommu_alloc viommu_alloc;
	uint8_t bytes[ABI_COMMAND_MAX];
};

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define COMMAND(nr, fn, type, last)                                                                \
	[IOMMUFD_CMD_##nr - IOMMUFD_CMD_BASE] = {#nr, IOMMU_##nr, END_OF(struct type, last),       \
						 sizeof(struct type), fn}

static const struct abi_command commands[] = {
	COMMAND(DESTROY, abi_destroy, iommu_destroy, id),
	COMMAND(IOAS_ALLOC, abi_ioas_alloc, iommu_ioas_alloc, out_ioas_id),
	COMMAND(IOAS_ALLOW_IOVAS, abi_ioas_allow_iovas, iommu_ioas_allow_iovas, allowed_iovas),
	COMMAND(IOAS_COPY, abi_ioas_copy, iommu_ioas_copy, src_iova),
	COMMAND(IOAS_IOVA_RANGES, abi_ioas_iova_ranges, iommu_ioas_iova_ranges, out_iova_alignment),
	COMMAND(IOAS_MAP, abi_ioas_map, iommu_ioas_map, iova),
	COMMAND(IOAS_UNMAP, abi_ioas_unmap, iommu_ioas_unmap, length),
	COMMAND(OPTION, abi_option, iommu_option, val64),
	COMMAND(VFIO_IOAS, abi_vfio_ioas, iommu_vfio_ioas, __reserved),
	COMMAND(HWPT_ALLOC, abi_hwpt_alloc, iommu_hwpt_alloc, __reserved),
	COMMAND(GET_HW_INFO, abi_get_hw_info, iommu_hw_info, __reserved),
	COMMAND(HWPT_SET_DIRTY_TRACKING, abi_hwpt_set_dirty_tracking, iommu_hwpt_set_dirty_tracking,
		__reserved),
	COMMAND(HWPT_GET_DIRTY_BITMAP, abi_hwpt_get_dirty_bitmap, iommu_hwpt_get_dirty_bitmap, data),
	COMMAND(HWPT_INVALIDATE, abi_hwpt_invalidate, iommu_hwpt_invalidate, __reserved),
	COMMAND(FAULT_QUEUE_ALLOC, abi_fault_queue_alloc, iommu_fault_alloc, out_fault_fd),
	COMMAND(IOAS_MAP_FILE, abi_ioas_map_file, iommu_ioas_map_file, iova),
	COMMAND(VIOMMU_ALLOC, abi_viommu_alloc, iommu_viommu_alloc, out_viommu_id),
	COMMAND(VDEVICE_ALLOC, abi_vdevice_alloc, iommu_vdevice_alloc, virt_id),
	COMMAND(IOAS_CHANGE_PROCESS, abi_ioas_change_process, iommu_ioas_change_process, __reserved),
	COMMAND(VEVENTQ_ALLOC, abi_veventq_alloc, iommu_veventq_alloc, out_veventq_fd),
	COMMAND(HW_QUEUE_ALLOC, abi_hw_queue_alloc, iommu_hw_queue_alloc, length),
	COMMAND(IOAS_NOIOMMU_GET_PA, abi_ioas_noiommu_get_pa, iommu_ioas_noiommu_get_pa, out_phys),
};

/* ENV.5: bytes beyond the structure that we know must be zero. */
static int check_tail(struct call *call, uint32_t from, uint32_t to)
{
	uint8_t chunk[256];

	while (from < to) {
		uint32_t n = (uint32_t)min_u64(to - from, sizeof(chunk));

		if (copy_in(call->caller, chunk, call->user + from, n))
			return no(call, EFAULT, "ENV.6", "size", call->user_size, "a readable structure");
		for (uint32_t i = 0; i < n; i++)
			if (chunk[i])
				return no(call, E2BIG, "ENV.5", "size", call->user_size,
					  "zero in every byte from %u on", call->full_size);
		from += n;
	}
	return 0;
}

static int copy_command(struct call *call)
{
	uint32_t n = (uint32_t)min_u64(call->user_size, call->full_size);
	int rc;

	/* The kernel looks at the tail before it copies the head. */
	rc = check_tail(call, call->full_size, call->user_size);
	if (rc)
		return rc;
	if (copy_in(call->caller, call->cmd, call->user, n))
		return no(call, EFAULT, "ENV.6", "size", call->user_size, "a readable structure");
	if (unlikely(n < call->full_size))
		memset((char *)call->cmd + n, 0, call->full_size - n);
	return 0;
}

int call_respond(struct call *call)
{
	uint32_t n = (uint32_t)min_u64(call->user_size, call->full_size);

	if (copy_out(call->caller, call->user, call->cmd, n))
		return no(call, EFAULT, "ENV.10", "structure", call->user, "writable memory for the reply");
	return 0;
}

int call_respond_with_fd(struct call *call, struct abi_file *file, uint32_t *out)
{
	struct caller *c = call->caller;
	int fd = c->ops->fd_install(c, file), rc;

	if (fd < 0) {
		abi_file_put(file);
		return fd;
	}
	*out = (uint32_t)fd;
	rc = call_respond(call);
	if (rc)
		c->ops->fd_uninstall(c, fd);
	return rc;
}

int call_publish(struct call *call, struct object *obj)
{
	int rc = call_respond(call);

	if (rc)
		object_abort_and_free(call->ctx, obj);
	else
		object_publish(call->ctx, obj);
	return rc;
}

struct ioas *call_get_ioas(struct call *call, uint32_t id, const char *rule, const char *field)
{
	struct object *obj = object_get(call->ctx, id, OBJECT_IOAS);

	if (obj)
		return container_of(obj, struct ioas, obj);
	object_refuse(call->ctx, ENOENT,
		      &(struct object_refusal){rule, field, id, BIT(OBJECT_IOAS)});
	return NULL;
}

void call_put_ioas(struct call *call, struct ioas *ioas)
{
	object_put(call->ctx, &ioas->obj);
}

struct memory_payer call_payer(struct iommufd *ctx, struct caller *c)
{
	struct memory_payer payer = {.mm = caller_memory(c)};

	if (!c->ops->capable(c, CAP_IPC_LOCK))
		payer.account = c->ops->account(c, ctx->process_mode);
	return payer;
}

static int user_copy_in(void *arg, void *dst, uint64_t src, size_t len)
{
	return copy_in(arg, dst, src, len);
}

static int user_copy_out(void *arg, uint64_t dst, const void *src, size_t len)
{
	return copy_out(arg, dst, src, len);
}

static const struct user_ops caller_user_ops = {
	.copy_in = user_copy_in,
	.copy_out = user_copy_out,
};

struct user_data call_user_data(struct call *call, uint32_t type, uint64_t addr, uint64_t len)
{
	return (struct user_data){&caller_user_ops, call->caller, type, addr, len};
}

struct user_array call_user_array(struct call *call, uint32_t type, uint64_t addr, uint32_t entry_len,
				  uint32_t entry_num)
{
	return (struct user_array){&caller_user_ops, call->caller, type, addr, entry_len, entry_num};
}

static const struct abi_command no_such_command = {.name = "no command of this number"};

/* NULL: a number behind all commands. */
/* Not Linux's: docs/abi-extensions.md. */
static const struct abi_command extensions[] = {
	{"IOAS_MAP_ARRAY", IOMMU_IOAS_MAP_ARRAY, sizeof(struct iommu_ioas_array), sizeof(struct iommu_ioas_array),
	 abi_ioas_map_array},
	{"IOAS_UNMAP_ARRAY", IOMMU_IOAS_UNMAP_ARRAY, sizeof(struct iommu_ioas_array), sizeof(struct iommu_ioas_array),
	 abi_ioas_unmap_array},
	{"HW_QUEUE_KICK", IOMMU_HW_QUEUE_KICK, sizeof(struct iommu_hw_queue_kick), sizeof(struct iommu_hw_queue_kick),
	 abi_hw_queue_kick},
	/* The last: there only while somebody listens. */
	{"SANITIZE", IOMMU_SANITIZE, sizeof(struct iommu_sanitize), sizeof(struct iommu_sanitize), abi_sanitize},
};

static const struct abi_command *find_command(const struct host *h, unsigned int nr)
{
	const struct abi_commands *more = h->commands;
	unsigned int last = 0;

	if (nr < IOMMUFD_CMD_BASE || (nr == IOMMUFD_CMD_SANITIZE && !observe_annotations(&h->sink)))
		return NULL;
	if (nr - IOMMUFD_CMD_BASE < ARRAY_SIZE(commands))
		return &commands[nr - IOMMUFD_CMD_BASE];
	if (nr >= IOMMUFD_CMD_IOAS_MAP_ARRAY && nr - IOMMUFD_CMD_IOAS_MAP_ARRAY < ARRAY_SIZE(extensions))
		return &extensions[nr - IOMMUFD_CMD_IOAS_MAP_ARRAY];
	for (size_t n = 0; more && n < more->n; n++) {
		if (_IOC_NR(more->rows[n].word) == nr)
			return &more->rows[n];
		last = (unsigned int)max_u64(last, _IOC_NR(more->rows[n].word));
	}
	return nr < last ? &no_such_command : NULL;
}

static long iommufd_ioctl(struct abi_file *f, unsigned int word, uint64_t arg, struct caller *c)
{
	struct iommufd *ctx = container_of(f, struct iommufd_file, file)->ctx;
	const struct abi_command *cmd = find_command(ctx->host, _IOC_NR(word));
	union any_command buf;
	struct call call = {.ctx = ctx, .caller = c, .sink = &ctx->host->sink, .user = arg, .cmd = &buf};
	int rc;

	if (!cmd)
		return abi_compat_ioctl(ctx, word, arg, c);
	if (copy_in(c, &call.user_size, arg, sizeof(call.user_size)))
		return no(&call, EFAULT, "ENV.2", "size", arg, "a readable structure");
	if (word != cmd->word)
		return no(&call, ENOTTY, "ENV.3", "command", word, "%#x for %s", cmd->word, cmd->name);
	if (call.user_size < cmd->min_size)
		return no(&call, EINVAL, "ENV.4", "size", call.user_size, "at least %u for %s",
			  cmd->min_size, cmd->name);
	call.full_size = cmd->full_size;
	rc = copy_command(&call);
	return rc ? rc : cmd->execute(&call);
}

/* What keeps a region's owner as long as it is mapped (DEST.10). */
struct region_hold {
	struct abi_file file;
	struct iommufd *ctx;
	struct object *owner;
};

static void region_hold_release(struct abi_file *f)
{
	struct region_hold *hold = container_of(f, struct region_hold, file);
	struct iommufd *ctx = hold->ctx;

	object_release(ctx, hold->owner);
	ioas_free(hold);
	iommufd_put(ctx);
}

static const struct abi_file_ops region_hold_ops = {
	.kind = ABI_OTHER,
	.release = region_hold_release,
};

static int hold_region(struct iommufd *ctx, const struct region *region, struct abi_mapping *out)
{
	struct region_hold *hold = ioas_malloc(sizeof(*hold));

	if (!hold) {
		object_release(ctx, region->owner);
		return -ENOMEM;
	}
	iommufd_get(ctx);
	hold->ctx = ctx;
	hold->owner = region->owner;
	abi_file_init(&hold->file, &region_hold_ops, ctx->host);
	*out = (struct abi_mapping){.mem = region->mem, .holder = &hold->file};
	return 0;
}

/* 6.3. */
static int iommufd_mmap(struct abi_file *f, uint64_t len, int prot, int flags, uint64_t pos, struct caller *c,
			struct abi_mapping *out)
{
	struct iommufd *ctx = container_of(f, struct iommufd_file, file)->ctx;
	const struct sink *sink = &ctx->host->sink;
	struct region region;
	int rc;

	if (!(flags & MAP_SHARED))
		return refuse(sink, EINVAL, "FMMAP.2", "flags", flags, "MAP_SHARED");
	if (prot & PROT_EXEC)
		return refuse(sink, EPERM, "FMMAP.3", "prot", prot, "no PROT_EXEC");
	rc = iommufd_region_get(ctx, pos, len, &region);
	return rc ? rc : hold_region(ctx, &region, out);
}

static void iommufd_release(struct abi_file *f)
{
	struct iommufd_file *file = container_of(f, struct iommufd_file, file);

	iommufd_put(file->ctx);
	ioas_free(file);
}

static const struct abi_file_ops iommufd_ops = {
	.kind = ABI_IOMMUFD,
	.ioctl = iommufd_ioctl,
	.mmap = iommufd_mmap,
	.release = iommufd_release,
};

int abi_open_iommufd_mode(struct host *h, bool process_mode, struct caller *c,
			  struct abi_file **out)
{
	struct iommufd_file *file = ioas_calloc(1, sizeof(*file));
	int rc;

	if (!file)
		return -ENOMEM;
	rc = iommufd_create(h, process_mode, &file->ctx);
	if (rc) {
		ioas_free(file);
		return rc;
	}
	file->ctx->process = caller_identity(c);
	abi_file_init(&file->file, &iommufd_ops, h);
	*out = &file->file;
	return 0;
}

int abi_open_iommufd(struct host *h, struct caller *c, struct abi_file **out)
{
	return abi_open_iommufd_mode(h, false, c, out);
}

struct iommufd *abi_file_iommufd(struct abi_file *f)
{
	return f->ops == &iommufd_ops ? container_of(f, struct iommufd_file, file)->ctx : NULL;
}
