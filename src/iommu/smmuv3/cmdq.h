/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command queue of SMMUv3's form (IHI 0070, 3.5 and 4) in guest memory: indices with a wrap bit,
 * errors that stop it until the guest has acknowledged them. Its registers lie in a page that the
 * program maps; what of them is the SMMU's to write is kept beside it, and the page only shows it.
 */
#ifndef IOAS_IOMMU_SMMUV3_CMDQ_H
#define IOAS_IOMMU_SMMUV3_CMDQ_H

#include "iommu/smmuv3/viommu.h"

/* Where the registers are, in shared memory: read and written atomically. */
struct smmuv3_cmdq_regs {
	uint32_t *prod, *cons;
	uint32_t *enable, *enabled; /* the guest's wish, and the answer */
	uint32_t enable_bit;
	uint32_t *gerror, *gerrorn;
};

struct smmuv3_cmdq;
struct smmuv3_cmdq_ops {
	/* Commands that this queue takes, beyond what the SMMU knows. */
	bool (*accepts)(const struct smmuv3_cmdq *q, enum smmuv3_opcode op);
	/* Is a stream that nobody has an error (CERROR_ILL)? */
	bool strict_streams;
	/* An error became visible in GERROR, or the guest has acknowledged it. */
	void (*error)(struct smmuv3_cmdq *q, bool pending);
	/* A CMD_SYNC that asks for an interrupt without a message; may be NULL. */
	void (*sync)(struct smmuv3_cmdq *q);
};

struct smmuv3_cmdq {
	struct queue queue;
	const struct smmuv3_cmdq_ops *ops;
	struct smmuv3_viommu *v;
	struct smmuv3_cmdq_regs regs;
	unsigned int log2size;
	uint32_t cons; /* with its wrap bit */
	uint32_t gerror;
	bool enabled, failed;
};

/* GERROR and GERRORN of a command queue: its own error, and that of its messages (6.3.22). */
#define SMMUV3_GERROR_CMDQ     BIT(0)
#define SMMUV3_GERROR_CMDQ_MSI BIT(4)

/* Length of a queue that IDR1.CMDQS allows, and the base's alignment (HWQ.11). -EINVAL. */
int smmuv3_cmdq_check(const struct smmuv3_viommu *v, const struct hw_queue *hw);
/* With ops, v and regs set, and hw checked: the registers begin as after a reset. */
int smmuv3_cmdq_start(struct smmuv3_cmdq *q, struct hw_queue *hw);
void smmuv3_queue_kick(struct hw_queue *hw);
void smmuv3_cmdq_stop(struct smmuv3_cmdq *q);

#endif
