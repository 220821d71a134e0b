/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tegra241 CMDQV: an SMMUv3 with virtual command queues, which guests fill without anybody's help.
 *
 * A vIOMMU is a virtual interface (VINTF): a page that the guest maps, 128 bytes of registers for
 * each of its queues (LVCMDQ), and slots that translate stream IDs. The queues take what does not
 * need a hypervisor's eye, and fail at the rest.
 */
#include <errno.h>
#include <ioas/abi/iommufd.h>

#include "iommu/smmuv3/cmdq.h"

#define PAGE0_SIZE  0x10000ull
#define QUEUE_REGS  0x80 /* bytes of each queue's */
#define REG_CONS    0x00
#define REG_PROD    0x04
#define REG_CONFIG  0x08
#define REG_STATUS  0x0c
#define REG_GERROR  0x10
#define REG_GERRORN 0x14
#define ENABLE	    BIT(0)

#define VIRT_SID_BITS 20

struct tegra_queue {
	struct hw_queue hw;
	struct smmuv3_cmdq cmdq;
	struct tegra_queue *before; /* held: the queue of the index below */
};

struct tegra_viommu {
	struct smmuv3_viommu base;
	char *page;
	uint64_t offset;
	pthread_mutex_t lock; /* queues */
	struct tegra_queue *queues[SMMUV3_CMDQV_QUEUES];
	uint64_t slots;	    /* taken; atomic */
	uint64_t error_map; /* atomic */
};

struct tegra_vdevice {
	struct vdevice vdevice;
	unsigned int slot;
};

static struct tegra_viommu *tegra_of(struct viommu *v)
{
	return container_of(smmuv3_viommu_of(v), struct tegra_viommu, base);
}

/* ---- the interface ---- */

/* The SMMU's interfaces: the first is the host's own. */
static int take_interface(struct smmuv3 *s)
{
	uint32_t taken = __atomic_load_n(&s->vintfs, __ATOMIC_RELAXED);

	do {
		if (taken >= SMMUV3_CMDQV_VINTFS - 1)
			return -ENOSPC;
	} while (!__atomic_compare_exchange_n(&s->vintfs, &taken, taken + 1, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return 0;
}

static void return_interface(struct smmuv3 *s)
{
	__atomic_fetch_sub(&s->vintfs, 1, __ATOMIC_RELAXED);
}

static int show_page(struct tegra_viommu *t, const struct user_data *data,
		     struct iommu_viommu_tegra241_cmdqv *answer)
{
	struct viommu *v = &t->base.viommu;
	int rc;

	t->page = viommu_pages_alloc(v, PAGE0_SIZE);
	if (!t->page)
		return -ENOMEM;
	rc = v->up->region_add(v, NULL, t->page, PAGE0_SIZE, &t->offset);
	if (rc)
		goto out_free;
	answer->out_vintf_mmap_offset = t->offset;
	answer->out_vintf_mmap_length = PAGE0_SIZE;
	rc = user_put(data, IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, answer, sizeof(*answer),
		      sizeof(*answer));
	if (!rc)
		return 0;
	v->up->region_remove(v, t->offset);
out_free:
	viommu_pages_free(v, t->page, PAGE0_SIZE);
	return rc;
}

static int tegra_init(struct viommu *v, const struct user_data *data)
{
	struct iommu_viommu_tegra241_cmdqv answer;
	struct tegra_viommu *t = tegra_of(v);
	int rc = smmuv3_check_parent(v);

	if (rc)
		return rc;
	if (!data)
		return -EINVAL;
	rc = user_get(data, IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, &answer, sizeof(answer),
		      sizeof(answer));
	if (rc)
		return rc;
	rc = take_interface(v->iommu->make_data);
	if (rc)
		return rc;
	rc = show_page(t, data, &answer);
	if (rc) {
		return_interface(v->iommu->make_data);
		return rc;
	}
	smmuv3_viommu_begin(v);
	pthread_mutex_init(&t->lock, NULL);
	return 0;
}

static void tegra_fini(struct viommu *v)
{
	struct tegra_viommu *t = tegra_of(v);

	v->up->region_remove(v, t->offset);
	viommu_pages_free(v, t->page, PAGE0_SIZE);
	pthread_mutex_destroy(&t->lock);
	smmuv3_viommu_end(v);
	return_interface(v->iommu->make_data);
}

/* ---- slots for stream IDs ---- */

static int tegra_vdevice_init(struct vdevice *vd)
{
	struct tegra_vdevice *tv = container_of(vd, struct tegra_vdevice, vdevice);
	struct tegra_viommu *t = tegra_of(vd->viommu);
	uint64_t slots = __atomic_load_n(&t->slots, __ATOMIC_RELAXED);

	if (vd->virt_id >> VIRT_SID_BITS)
		return -EINVAL;
	do {
		tv->slot = lowest_bit(~slots);
		if (tv->slot >= SMMUV3_CMDQV_SLOTS)
			return -ENOSPC;
	} while (!__atomic_compare_exchange_n(&t->slots, &slots, slots | BIT(tv->slot), true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return 0;
}

static void tegra_vdevice_fini(struct vdevice *vd)
{
	struct tegra_vdevice *tv = container_of(vd, struct tegra_vdevice, vdevice);

	__atomic_fetch_and(&tegra_of(vd->viommu)->slots, ~BIT(tv->slot), __ATOMIC_RELAXED);
}

/* ---- queues ---- */

static bool tegra_accepts(const struct smmuv3_cmdq *q, enum smmuv3_opcode op)
{
	switch (op) {
	case SMMUV3_CMD_TLBI_NH_ASID:
	case SMMUV3_CMD_TLBI_NH_VA:
	case SMMUV3_CMD_ATC_INV:
	case SMMUV3_CMD_SYNC:
		return true;
	default:
		return false;
	}
}

/* The interface's map of queues with an error; each new one is told. */
static void tegra_error(struct smmuv3_cmdq *q, bool pending)
{
	struct tegra_viommu *t = container_of(q->v, struct tegra_viommu, base);
	struct viommu *v = &q->v->viommu;
	uint64_t bit = BIT(q->queue.hw->index);
	struct iommu_vevent_tegra241_cmdqv e = {{0}};

	if (!pending) {
		__atomic_fetch_and(&t->error_map, ~bit, __ATOMIC_RELAXED);
		return;
	}
	e.lvcmdq_err_map[0] = __atomic_or_fetch(&t->error_map, bit, __ATOMIC_RELAXED);
	v->up->event(v, IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, &e, sizeof(e));
}

static const struct smmuv3_cmdq_ops tegra_cmdq_ops = {
	.accepts = tegra_accepts,
	.strict_streams = true,
	.error = tegra_error,
};

static size_t tegra_queue_size(const struct viommu *v, uint32_t type)
{
	return type == IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV ? sizeof(struct tegra_queue) : 0;
}

static uint32_t *reg_at(const struct tegra_viommu *t, uint32_t index, size_t offset)
{
	return (uint32_t *)(void *)(t->page + (size_t)index * QUEUE_REGS + offset);
}

static int start(struct tegra_viommu *t, struct tegra_queue *q)
{
	const uint32_t index = q->hw.index;

	q->cmdq = (struct smmuv3_cmdq){
		.ops = &tegra_cmdq_ops,
		.v = &t->base,
		.regs = {.prod = reg_at(t, index, REG_PROD),
			 .cons = reg_at(t, index, REG_CONS),
			 .enable = reg_at(t, index, REG_CONFIG),
			 .enabled = reg_at(t, index, REG_STATUS),
			 .enable_bit = ENABLE,
			 .gerror = reg_at(t, index, REG_GERROR),
			 .gerrorn = reg_at(t, index, REG_GERRORN)},
	};
	return smmuv3_cmdq_start(&q->cmdq, &q->hw);
}

/* HWQ.11. */
static int place_queue(struct tegra_viommu *t, struct tegra_queue *q)
{
	const struct viommu_up *up = t->base.viommu.up;
	const uint32_t index = q->hw.index;
	int rc;

	if (t->queues[index])
		return -EEXIST;
	q->before = index ? t->queues[index - 1] : NULL;
	if (index && !q->before)
		return -EIO;
	rc = smmuv3_cmdq_check(&t->base, &q->hw);
	if (!rc && q->before)
		rc = up->queue_hold(&q->before->hw);
	if (rc)
		return rc;
	rc = start(t, q);
	if (rc && q->before)
		up->queue_release(&q->before->hw);
	if (!rc)
		t->queues[index] = q;
	return rc;
}

static int tegra_queue_init(struct hw_queue *hw)
{
	struct tegra_queue *q = container_of(hw, struct tegra_queue, hw);
	struct tegra_viommu *t = tegra_of(hw->viommu);
	int rc;

	if (hw->index >= SMMUV3_CMDQV_QUEUES)
		return -EINVAL;
	pthread_mutex_lock(&t->lock);
	rc = place_queue(t, q);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static void tegra_queue_fini(struct hw_queue *hw)
{
	struct tegra_queue *q = container_of(hw, struct tegra_queue, hw);
	struct tegra_viommu *t = tegra_of(hw->viommu);

	pthread_mutex_lock(&t->lock);
	smmuv3_cmdq_stop(&q->cmdq);
	t->queues[hw->index] = NULL;
	if (q->before)
		t->base.viommu.up->queue_release(&q->before->hw);
	pthread_mutex_unlock(&t->lock);
}

const struct viommu_ops smmuv3_tegra_ops = {
	.size = sizeof(struct tegra_viommu),
	.init = tegra_init,
	.fini = tegra_fini,
	.domain_alloc = smmuv3_domain_alloc,
	.invalidate = smmuv3_invalidate,
	.vdevice_size = sizeof(struct tegra_vdevice),
	.vdevice_init = tegra_vdevice_init,
	.vdevice_fini = tegra_vdevice_fini,
	.hw_queue_size = tegra_queue_size,
	.hw_queue_init = tegra_queue_init,
	.hw_queue_fini = tegra_queue_fini,
	.hw_queue_kick = smmuv3_queue_kick,
};
