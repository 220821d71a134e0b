/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations of the test command, by what they are about. Each is called with its command
 * checked by the envelope only; it answers with call_respond() when it has something to report.
 * Errors are those of Linux's test driver.
 */
#ifndef IOAS_MOCK_PRIVATE_H
#define IOAS_MOCK_PRIVATE_H

#include <ioas/abi/mock.h>

#include "abi/iommufd.h"
#include "iommu/mock/mock.h"

/* device.c */
int mock_op_domain(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_domain_replace(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_check_cache(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_trigger_iopf(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_trigger_vevent(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_pasid_attach(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_pasid_replace(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_pasid_detach(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_pasid_check(struct call *call, struct iommu_test_cmd *cmd);

/* look.c */
int mock_op_add_reserved(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_check_map(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_check_refs(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_check_iotlb(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_dirty(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_memory_limit(struct call *call, struct iommu_test_cmd *cmd);

/* access.c */
int mock_op_create_access(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_replace_ioas(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_access_pages(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_destroy_pages(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_access_rw(struct call *call, struct iommu_test_cmd *cmd);

/* dmabuf.c */
int mock_op_dmabuf_get(struct call *call, struct iommu_test_cmd *cmd);
int mock_op_dmabuf_revoke(struct call *call, struct iommu_test_cmd *cmd);

static inline struct mock_iommu *mock_of(const struct call *call)
{
	return call->ctx->host->iommu->make_data;
}

/* What is asked for does not fit together, or is not there: refuse() under the label MOCK. */
#define mock_no(call, err, field, value, ...) no(call, err, "MOCK", field, value, __VA_ARGS__)

#endif
