/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside abi/: one iommufd call on its way through the envelope.
 */
#ifndef IOAS_ABI_IOMMUFD_CALL_H
#define IOAS_ABI_IOMMUFD_CALL_H

#include <ioas/abi/iommufd.h>

#include "abi/caller.h"
#include "abi/command.h"
#include "abi/file.h"
#include "iommu/user.h"
#include "object/iommufd.h"

struct iommufd_file {
	struct abi_file file;
	struct iommufd *ctx;
};

/* @cmd is the envelope's copy of the caller's structure, zero-extended to our size. */
struct call {
	struct iommufd *ctx;
	struct caller *caller;
	const struct sink *sink;
	uint64_t user; /* where the structure lies */
	uint32_t user_size;
	uint32_t full_size;
	void *cmd;
};

/* ENV.10: copy the first min(user size, our size) bytes back. 0 or -EFAULT. */
int call_respond(struct call *call);
/*
 * The same with a new fd for @file, told in *@out, a member of call->cmd. Takes over the reference, on failure
 * too, and then leaves no fd. -EMFILE, -ENOMEM, -EFAULT.
 */
int call_respond_with_fd(struct call *call, struct abi_file *file, uint32_t *out);

/* The last step of a command that makes @obj: answers, then publishes it, or else it is undone and freed. */
int call_publish(struct call *call, struct object *obj);

/* What the caller's structure points to, for a make. Valid during the call. */
struct user_data call_user_data(struct call *call, uint32_t type, uint64_t addr, uint64_t len);
struct user_array call_user_array(struct call *call, uint32_t type, uint64_t addr, uint32_t entry_len,
				  uint32_t entry_num);

/* The IOAS @id, busy until call_put_ioas(); NULL after refusing with @rule (ENOENT). */
struct ioas *call_get_ioas(struct call *call, uint32_t id, const char *rule, const char *field);
void call_put_ioas(struct call *call, struct ioas *ioas);

/* The same for a bound device; object_put() ends it. */
struct idevice *call_get_device(struct call *call, uint32_t id, const char *rule);

/* Who pays for what this call pins: the account of the context's mode, or nobody with CAP_IPC_LOCK. */
struct memory_payer call_payer(struct iommufd *ctx, struct caller *c);

/* @process_mode: the accounting of /dev/vfio/vfio when an iommufd stands in for it (1.1). */
int abi_open_iommufd_mode(struct host *h, bool process_mode, struct caller *c,
			  struct abi_file **out);
/* A file of @kind behind the caller's fd. */
struct iommufd *abi_file_iommufd(struct abi_file *f); /* NULL: another kind */

/* map.c, for one range of those that a call names. MAP.1; MAP.2, MAP.3 and MAP.5 on; UNM.3 on. */
int call_check_map_flags(struct call *call, uint32_t flags, uint32_t reserved);
int call_map_va(struct call *call, struct ioas *ioas, const struct memory_payer *payer, uint32_t flags, uint64_t va,
		uint64_t length, __u64 *iova);
int call_unmap(struct call *call, struct ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped);

/* One function for each command (fault.c, ioas.c, map.c, hwpt.c, viommu.c). */
int abi_destroy(struct call *call);
int abi_ioas_alloc(struct call *call);
int abi_ioas_iova_ranges(struct call *call);
int abi_ioas_allow_iovas(struct call *call);
int abi_ioas_map(struct call *call);
int abi_ioas_map_array(struct call *call);
int abi_ioas_unmap_array(struct call *call);
int abi_hw_queue_kick(struct call *call);
int abi_sanitize(struct call *call);
int abi_ioas_map_file(struct call *call);
int abi_ioas_copy(struct call *call);
int abi_ioas_unmap(struct call *call);
int abi_ioas_change_process(struct call *call);
int abi_ioas_noiommu_get_pa(struct call *call);
int abi_option(struct call *call);
int abi_vfio_ioas(struct call *call);
int abi_hwpt_alloc(struct call *call);
int abi_hwpt_set_dirty_tracking(struct call *call);
int abi_hwpt_get_dirty_bitmap(struct call *call);
int abi_hwpt_invalidate(struct call *call);
int abi_get_hw_info(struct call *call);
int abi_fault_queue_alloc(struct call *call);
int abi_viommu_alloc(struct call *call);
int abi_vdevice_alloc(struct call *call);
int abi_veventq_alloc(struct call *call);
int abi_hw_queue_alloc(struct call *call);

/* Section 9: the container's commands on an iommufd (compat.c). */
long abi_compat_ioctl(struct iommufd *ctx, unsigned int cmd, uint64_t arg, struct caller *c);

/* refuse() with the call's sink. */
#define no(call, err, rule, field, value, ...)                                                     \
	refuse((call)->sink, err, rule, field, value, __VA_ARGS__)

#endif
