/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test command: one number of /dev/iommu, and an operation in its structure.
 */
#include "mock/commands.h"

#include <errno.h>

#include "mock/private.h"

static int (*const operations[])(struct call *call, struct iommu_test_cmd *cmd) = {
	[IOMMU_TEST_OP_ADD_RESERVED] = mock_op_add_reserved,
	[IOMMU_TEST_OP_MOCK_DOMAIN] = mock_op_domain,
	[IOMMU_TEST_OP_MD_CHECK_MAP] = mock_op_check_map,
	[IOMMU_TEST_OP_MD_CHECK_REFS] = mock_op_check_refs,
	[IOMMU_TEST_OP_CREATE_ACCESS] = mock_op_create_access,
	[IOMMU_TEST_OP_DESTROY_ACCESS_PAGES] = mock_op_destroy_pages,
	[IOMMU_TEST_OP_ACCESS_PAGES] = mock_op_access_pages,
	[IOMMU_TEST_OP_ACCESS_RW] = mock_op_access_rw,
	[IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT] = mock_op_memory_limit,
	[IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE] = mock_op_domain_replace,
	[IOMMU_TEST_OP_ACCESS_REPLACE_IOAS] = mock_op_replace_ioas,
	[IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS] = mock_op_domain,
	[IOMMU_TEST_OP_DIRTY] = mock_op_dirty,
	[IOMMU_TEST_OP_MD_CHECK_IOTLB] = mock_op_check_iotlb,
	[IOMMU_TEST_OP_TRIGGER_IOPF] = mock_op_trigger_iopf,
	[IOMMU_TEST_OP_DEV_CHECK_CACHE] = mock_op_check_cache,
	[IOMMU_TEST_OP_TRIGGER_VEVENT] = mock_op_trigger_vevent,
	[IOMMU_TEST_OP_PASID_ATTACH] = mock_op_pasid_attach,
	[IOMMU_TEST_OP_PASID_REPLACE] = mock_op_pasid_replace,
	[IOMMU_TEST_OP_PASID_DETACH] = mock_op_pasid_detach,
	[IOMMU_TEST_OP_PASID_CHECK_HWPT] = mock_op_pasid_check,
	[IOMMU_TEST_OP_DMABUF_GET] = mock_op_dmabuf_get,
	[IOMMU_TEST_OP_DMABUF_REVOKE] = mock_op_dmabuf_revoke,
};

static int execute(struct call *call)
{
	struct iommu_test_cmd *cmd = call->cmd;

	if (cmd->op >= ARRAY_SIZE(operations) || !operations[cmd->op])
		return mock_no(call, EOPNOTSUPP, "op", cmd->op, "an operation from 1 to %zu",
			       ARRAY_SIZE(operations) - 1);
	return operations[cmd->op](call, cmd);
}

static const struct abi_command rows[] = {
	{"TEST", IOMMU_TEST_CMD, offsetof(struct iommu_test_cmd, last) + sizeof(__u32),
	 sizeof(struct iommu_test_cmd), execute},
};

_Static_assert(sizeof(struct iommu_test_cmd) <= ABI_COMMAND_MAX, "the envelope holds it");

static const struct abi_commands mock_commands = {rows, ARRAY_SIZE(rows)};

static const struct {
	const struct iommu_make *make;
	const struct abi_commands *commands;
} brought[] = {
	{&mock_make, &mock_commands},
};

const struct abi_commands *make_commands(const struct iommu_make *make)
{
	for (size_t n = 0; n < ARRAY_SIZE(brought); n++)
		if (brought[n].make == make)
			return brought[n].commands;
	return NULL;
}
