/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our own vIOMMU of an SMMUv3 (docs/abi-extensions.md): the engine reads the guest's stream table,
 * and consumes the guest's command queue. The page that the program maps is laid out as page 0 of
 * the SMMU's registers (IHI 0070, 6.2), as far as they concern the queue.
 */
#include <errno.h>
#include <ioas/abi/extensions.h>

#include "iommu/smmuv3/cmdq.h"

#define REG_CR0	      0x20
#define REG_CR0ACK    0x24
#define REG_GERROR    0x60
#define REG_GERRORN   0x64
#define REG_CMDQ_PROD 0x98
#define REG_CMDQ_CONS 0x9c
#define CR0_CMDQEN    BIT(3)

/* 6.3.25, SMMU_STRTAB_BASE_CFG. */
#define CFG_LOG2SIZE FIELD(5, 0)
#define CFG_SPLIT    FIELD(10, 6)
#define CFG_FMT	     FIELD(17, 16)

struct own_queue {
	struct hw_queue hw;
	struct smmuv3_cmdq cmdq;
};

struct own_viommu {
	struct smmuv3_viommu base;
	char *page;
	uint64_t offset;
	pthread_mutex_t lock;
	struct own_queue *queue; /* there is one */
};

static struct own_viommu *own_of(struct viommu *v)
{
	return container_of(smmuv3_viommu_of(v), struct own_viommu, base);
}

/* 6.3.24, 6.3.25; -EINVAL: a reserved encoding, or more streams than there can be. */
static int get_strtab(struct smmuv3_viommu *sv, const struct iommu_viommu_ioas_smmuv3 *given)
{
	const uint64_t fmt = field_get(CFG_FMT, given->strtab_base_cfg);
	struct smmuv3_strtab *t = &sv->strtab;

	*t = (struct smmuv3_strtab){
		.base = given->strtab_base & SMMUV3_STRTAB_ADDR,
		.two_level = fmt == 1,
		.split = (unsigned int)field_get(CFG_SPLIT, given->strtab_base_cfg),
		.log2size = (unsigned int)field_get(CFG_LOG2SIZE, given->strtab_base_cfg),
	};
	if (given->__reserved)
		return -EOPNOTSUPP;
	if (fmt > 1 || t->log2size > field_get(SMMUV3_IDR1_SIDSIZE, sv->ids.idr[1]))
		return -EINVAL;
	if (t->two_level && t->split != 6 && t->split != 8 && t->split != 10)
		return -EINVAL;
	return 0;
}

static int show_page(struct own_viommu *o, const struct user_data *data,
		     struct iommu_viommu_ioas_smmuv3 *answer)
{
	struct viommu *v = &o->base.viommu;
	int rc;

	o->page = viommu_pages_alloc(v, PAGE_SIZE);
	if (!o->page)
		return -ENOMEM;
	rc = v->up->region_add(v, NULL, o->page, PAGE_SIZE, &o->offset);
	if (rc)
		goto out_free;
	answer->out_mmap_offset = o->offset;
	answer->out_mmap_length = PAGE_SIZE;
	rc = user_put(data, IOMMU_VIOMMU_TYPE_IOAS_SMMUV3, answer, sizeof(*answer),
		      sizeof(*answer));
	if (!rc)
		return 0;
	v->up->region_remove(v, o->offset);
out_free:
	viommu_pages_free(v, o->page, PAGE_SIZE);
	return rc;
}

static int own_init(struct viommu *v, const struct user_data *data)
{
	struct own_viommu *o = own_of(v);
	struct iommu_viommu_ioas_smmuv3 given;
	int rc = smmuv3_check_parent(v);

	if (rc)
		return rc;
	if (!data)
		return -EINVAL;
	rc = user_get(data, IOMMU_VIOMMU_TYPE_IOAS_SMMUV3, &given, sizeof(given), sizeof(given));
	if (rc)
		return rc;
	smmuv3_viommu_begin(v);
	o->base.own = true;
	rc = get_strtab(&o->base, &given);
	if (!rc)
		rc = show_page(o, data, &given);
	if (rc) {
		smmuv3_viommu_end(v);
		return rc;
	}
	pthread_mutex_init(&o->lock, NULL);
	return 0;
}

static void own_fini(struct viommu *v)
{
	struct own_viommu *o = own_of(v);

	v->up->region_remove(v, o->offset);
	viommu_pages_free(v, o->page, PAGE_SIZE);
	pthread_mutex_destroy(&o->lock);
	smmuv3_viommu_end(v);
}

/* ---- the command queue ---- */

static bool own_accepts(const struct smmuv3_cmdq *q, enum smmuv3_opcode op)
{
	/* Answers to page requests go through the fault queue. */
	return op != SMMUV3_CMD_PRI_RESP && op != SMMUV3_CMD_RESUME && op != SMMUV3_CMD_STALL_TERM;
}

static void tell(struct smmuv3_cmdq *q, uint32_t flags)
{
	const struct iommu_vevent_ioas_smmuv3 e = {.flags = flags, .gerror = q->gerror};
	struct viommu *v = &q->v->viommu;

	v->up->event(v, IOMMU_VEVENTQ_TYPE_IOAS_SMMUV3, &e, sizeof(e));
}

static void own_error(struct smmuv3_cmdq *q, bool pending)
{
	if (pending)
		tell(q, IOMMU_VEVENT_IOAS_SMMUV3_GERROR);
}

static void own_sync(struct smmuv3_cmdq *q)
{
	tell(q, IOMMU_VEVENT_IOAS_SMMUV3_SYNC);
}

static const struct smmuv3_cmdq_ops own_cmdq_ops = {
	.accepts = own_accepts,
	.error = own_error,
	.sync = own_sync,
};

static size_t own_queue_size(const struct viommu *v, uint32_t type)
{
	return type == IOMMU_HW_QUEUE_TYPE_IOAS_SMMUV3 ? sizeof(struct own_queue) : 0;
}

static uint32_t *reg_at(const struct own_viommu *o, size_t offset)
{
	return (uint32_t *)(void *)(o->page + offset);
}

static int place_queue(struct own_viommu *o, struct own_queue *q)
{
	int rc;

	if (o->queue)
		return -EEXIST;
	rc = smmuv3_cmdq_check(&o->base, &q->hw);
	if (rc)
		return rc;
	q->cmdq = (struct smmuv3_cmdq){
		.ops = &own_cmdq_ops,
		.v = &o->base,
		.regs = {.prod = reg_at(o, REG_CMDQ_PROD),
			 .cons = reg_at(o, REG_CMDQ_CONS),
			 .enable = reg_at(o, REG_CR0),
			 .enabled = reg_at(o, REG_CR0ACK),
			 .enable_bit = CR0_CMDQEN,
			 .gerror = reg_at(o, REG_GERROR),
			 .gerrorn = reg_at(o, REG_GERRORN)},
	};
	rc = smmuv3_cmdq_start(&q->cmdq, &q->hw);
	if (!rc)
		o->queue = q;
	return rc;
}

static int own_queue_init(struct hw_queue *hw)
{
	struct own_queue *q = container_of(hw, struct own_queue, hw);
	struct own_viommu *o = own_of(hw->viommu);
	int rc;

	if (hw->index)
		return -EINVAL;
	pthread_mutex_lock(&o->lock);
	rc = place_queue(o, q);
	pthread_mutex_unlock(&o->lock);
	return rc;
}

static void own_queue_fini(struct hw_queue *hw)
{
	struct own_queue *q = container_of(hw, struct own_queue, hw);
	struct own_viommu *o = own_of(hw->viommu);

	pthread_mutex_lock(&o->lock);
	smmuv3_cmdq_stop(&q->cmdq);
	o->queue = NULL;
	pthread_mutex_unlock(&o->lock);
}

const struct viommu_ops smmuv3_own_ops = {
	.size = sizeof(struct own_viommu),
	.init = own_init,
	.fini = own_fini,
	.domain_alloc = smmuv3_domain_alloc,
	.invalidate = smmuv3_invalidate,
	.hw_queue_size = own_queue_size,
	.hw_queue_init = own_queue_init,
	.hw_queue_fini = own_queue_fini,
	.hw_queue_kick = smmuv3_queue_kick,
};
