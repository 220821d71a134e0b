/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/smmuv3/cmdq.h"

#include <errno.h>

#define ENTRY_LG2  4
#define MIN_LENGTH 32
/* CONS.ERR (6.3.26). */
#define CONS_ERR FIELD(30, 24)

static struct smmuv3_cmdq *cmdq_of(struct queue *q)
{
	return container_of(q, struct smmuv3_cmdq, queue);
}

static uint32_t load(const uint32_t *reg)
{
	return __atomic_load_n(reg, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *reg, uint32_t val)
{
	__atomic_store_n(reg, val, __ATOMIC_RELEASE);
}

static uint32_t wrap_mask(const struct smmuv3_cmdq *q)
{
	return (uint32_t)MASK(q->log2size + 1);
}

static void show_cons(struct smmuv3_cmdq *q, enum smmuv3_cerror err)
{
	store(q->regs.cons, q->cons | (uint32_t)field_prep(CONS_ERR, err));
}

static void raise_error(struct smmuv3_cmdq *q, uint32_t bit)
{
	q->gerror ^= bit;
	store(q->regs.gerror, q->gerror);
	q->ops->error(q, true);
}

static void fail(struct smmuv3_cmdq *q, enum smmuv3_cerror err)
{
	q->failed = true;
	show_cons(q, err);
	raise_error(q, SMMUV3_GERROR_CMDQ);
}

/* While a queue is off its registers are the guest's to set. */
static bool is_on(struct smmuv3_cmdq *q)
{
	bool wish = load(q->regs.enable) & q->regs.enable_bit;

	if (wish == q->enabled)
		return wish;
	if (wish)
		q->cons = load(q->regs.cons) & wrap_mask(q);
	q->enabled = wish;
	store(q->regs.enabled, wish ? q->regs.enable_bit : 0);
	return wish;
}

/* 7.1: once acknowledged the command at CONS, which may be another one now, is fetched again. */
static bool is_failed(struct smmuv3_cmdq *q)
{
	if (q->failed && !((load(q->regs.gerrorn) ^ q->gerror) & SMMUV3_GERROR_CMDQ)) {
		q->failed = false;
		q->ops->error(q, false);
	}
	return q->failed;
}

/* Further apart than the queue is long: no sensible queue, nothing is taken from it. */
static uint32_t cmdq_pending(struct queue *queue, uint32_t *first)
{
	struct smmuv3_cmdq *q = cmdq_of(queue);
	uint32_t n;

	if (!is_on(q) || is_failed(q))
		return 0;
	n = (load(q->regs.prod) - q->cons) & wrap_mask(q);
	*first = q->cons & (uint32_t)MASK(q->log2size);
	return n > queue->nr_entries ? 0 : n;
}

/* 4.7.3. The message comes after CONS, so that who is woken by it sees both. */
static void sync(struct smmuv3_cmdq *q, struct smmuv3_batch *b, const struct smmuv3_command *c)
{
	smmuv3_batch_end(b);
	if (c->sync != SMMUV3_SYNC_IRQ)
		return;
	show_cons(q, SMMUV3_CERROR_NONE);
	if (!c->msi_addr) {
		if (q->ops->sync)
			q->ops->sync(q);
	} else if (consumer_write(&q->v->consumer, c->msi_addr, &c->msi_data,
				  sizeof(c->msi_data))) {
		raise_error(q, SMMUV3_GERROR_CMDQ_MSI);
	}
}

static enum smmuv3_cerror carry_out(struct smmuv3_cmdq *q, struct smmuv3_batch *b,
				    const uint64_t raw[SMMUV3_CMD_WORDS])
{
	struct smmuv3_command c;
	enum smmuv3_cerror err = smmuv3_command_decode(&q->v->ids, raw, &c);

	if (err)
		return err;
	if (!q->ops->accepts(q, c.op))
		return SMMUV3_CERROR_ILL;
	if (c.op == SMMUV3_CMD_SYNC) {
		q->cons = (q->cons + 1) & wrap_mask(q);
		sync(q, b, &c);
		return SMMUV3_CERROR_NONE;
	}
	if (smmuv3_batch_add(b, &c) && q->ops->strict_streams)
		return SMMUV3_CERROR_ILL;
	q->cons = (q->cons + 1) & wrap_mask(q);
	return SMMUV3_CERROR_NONE;
}

static void cmdq_execute(struct queue *queue, const void *entries, uint32_t n, uint32_t *done)
{
	struct smmuv3_cmdq *q = cmdq_of(queue);
	enum smmuv3_cerror err = SMMUV3_CERROR_NONE;
	const uint64_t(*raw)[SMMUV3_CMD_WORDS] = entries;
	struct smmuv3_batch b;

	smmuv3_batch_begin(&b, q->v);
	while (*done < n && !err) {
		err = carry_out(q, &b, raw[*done]);
		*done += !err;
	}
	smmuv3_batch_end(&b);
	if (err)
		fail(q, err);
	else
		show_cons(q, err);
}

static void cmdq_unreadable(struct queue *queue)
{
	fail(cmdq_of(queue), SMMUV3_CERROR_ABT);
}

static const struct queue_ops cmdq_queue_ops = {
	.pending = cmdq_pending,
	.execute = cmdq_execute,
	.unreadable = cmdq_unreadable,
};

int smmuv3_cmdq_check(const struct smmuv3_viommu *v, const struct hw_queue *hw)
{
	const unsigned int most = (unsigned int)field_get(SMMUV3_IDR1_CMDQS, v->ids.idr[1]);

	if (!is_pow2(hw->len) || hw->len < MIN_LENGTH || hw->len > BIT(most + ENTRY_LG2))
		return -EINVAL;
	return is_aligned(hw->pa, hw->len) ? 0 : -EINVAL;
}

static void reset(struct smmuv3_cmdq *q)
{
	const struct smmuv3_cmdq_regs *r = &q->regs;

	store(r->enable, load(r->enable) & ~r->enable_bit);
	store(r->enabled, load(r->enabled) & ~r->enable_bit);
	store(r->prod, 0);
	store(r->cons, 0);
	store(r->gerrorn, 0);
	store(r->gerror, 0);
}

int smmuv3_cmdq_start(struct smmuv3_cmdq *q, struct hw_queue *hw)
{
	q->log2size = log2_floor(hw->len) - ENTRY_LG2;
	q->queue = (struct queue){
		.ops = &cmdq_queue_ops,
		.hw = hw,
		.entry_lg2 = ENTRY_LG2,
		.nr_entries = 1u << q->log2size,
	};
	reset(q);
	return consumer_add(&q->v->consumer, &q->queue);
}

void smmuv3_cmdq_stop(struct smmuv3_cmdq *q)
{
	consumer_remove(&q->queue);
	if (q->failed)
		q->ops->error(q, false);
	reset(q);
}

void smmuv3_queue_kick(struct hw_queue *hw)
{
	consumer_kick(&smmuv3_viommu_of(hw->viommu)->consumer);
}
