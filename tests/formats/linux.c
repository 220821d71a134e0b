/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's formats opened, mapped and read: the face of linux.h on its generic_pt and on its
 * io-pgtable-arm. Built with shim.h and against Linux's own headers.
 */
#include <linux/generic_pt/iommu.h>
#include <linux/io-pgtable.h>

#include "linux.h"

void iova_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova, size_t len)
{
	bitmap->cb(bitmap->arg, iova, len);
}

/* prot's first bits are the same; PT_NOEXEC, PT_PRIVILEGED, PT_MMIO and PT_UNCACHED. */
int linux_prot(int prot)
{
	int out = prot & (IOMMU_READ | IOMMU_WRITE);

	if (prot & 4)
		out |= IOMMU_NOEXEC;
	if (prot & 8)
		out |= IOMMU_PRIV;
	if (prot & 16)
		out |= IOMMU_MMIO;
	if (!(prot & (16 | 32)))
		out |= IOMMU_CACHE;
	return out;
}

/* generic_pt: any of its formats begins with a struct pt_iommu. */
struct generic {
	struct linux_table t;
	union {
		struct pt_iommu iommu;
		struct pt_iommu_amdv1 amdv1;
		struct pt_iommu_vtdss vtdss;
		struct pt_iommu_x86_64 x86_64;
		struct pt_iommu_riscv_64 riscv_64;
	};
	phys_addr_t (*iova_to_phys)(struct iommu_domain *domain, dma_addr_t iova);
	int (*read_and_clear)(struct iommu_domain *domain, unsigned long iova, size_t size,
			      unsigned long flags, struct iommu_dirty_bitmap *dirty);
};

static int generic_map(struct linux_table *t, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	struct generic *g = container_of(t, struct generic, t);
	size_t mapped = 0;

	return g->iommu.ops->map_range(&g->iommu, iova, pa, len, (unsigned int)prot, 0, &mapped);
}

static uint64_t generic_unmap(struct linux_table *t, uint64_t iova, uint64_t len)
{
	struct generic *g = container_of(t, struct generic, t);
	struct iommu_iotlb_gather gather = {0};
	uint64_t n = g->iommu.ops->unmap_range(&g->iommu, iova, len, &gather);

	iommu_iotlb_sync(&g->iommu.domain, &gather);
	return n;
}

static uint64_t generic_translate(struct linux_table *t, uint64_t iova)
{
	struct generic *g = container_of(t, struct generic, t);

	return g->iova_to_phys(&g->iommu.domain, iova);
}

static int generic_read_dirty(struct linux_table *t, uint64_t iova, uint64_t len, bool clear,
			      void (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg)
{
	struct generic *g = container_of(t, struct generic, t);
	struct iova_bitmap bitmap = {cb, arg};
	struct iommu_iotlb_gather gather = {0};
	struct iommu_dirty_bitmap dirty = {&bitmap, &gather};

	return g->read_and_clear(&g->iommu.domain, iova, len, clear ? 0 : IOMMU_DIRTY_NO_CLEAR,
				 &dirty);
}

static void generic_close(struct linux_table *t)
{
	struct generic *g = container_of(t, struct generic, t);

	pt_iommu_deinit(&g->iommu);
	free(g);
}

static void no_change_top(struct pt_iommu *iommu, phys_addr_t top, unsigned int level)
{
	abort();
}

static spinlock_t *no_top_lock(struct pt_iommu *iommu)
{
	abort();
}

static const struct pt_iommu_driver_ops driver_ops = {no_change_top, no_top_lock};

static struct linux_table *generic_opened(struct generic *g, const struct linux_config *c, int rc,
					  const struct pt_common *common)
{
	if (rc) {
		free(g);
		return NULL;
	}
	if (c->page_sizes)
		g->iommu.domain.pgsize_bitmap &= c->page_sizes;
	g->t.root = (uint64_t *)(common->top_of_table & ~(uintptr_t)PT_TOP_LEVEL_MASK);
	g->t.page_sizes = g->iommu.domain.pgsize_bitmap;
	g->t.map = generic_map;
	g->t.unmap = generic_unmap;
	g->t.translate = generic_translate;
	g->t.read_dirty = c->dirty ? generic_read_dirty : NULL;
	g->t.close = generic_close;
	return &g->t;
}

static struct pt_iommu_cfg generic_config(const struct linux_config *c, unsigned int features)
{
	return (struct pt_iommu_cfg){
		.features = features, .hw_max_vasz_lg2 = (u8)c->ias, .hw_max_oasz_lg2 = (u8)c->oas};
}

#define GENERIC_OPEN(format, config, member)                                                       \
	struct generic *g = calloc(1, sizeof(*g));                                                 \
	int rc;                                                                                    \
                                                                                                   \
	g->iommu.driver_ops = &driver_ops;                                                         \
	g->iova_to_phys = pt_iommu_##format##_iova_to_phys;                                        \
	g->read_and_clear = pt_iommu_##format##_read_and_clear_dirty;                              \
	rc = pt_iommu_##format##_init(&g->format, &config, 0);                                     \
	return generic_opened(g, c, rc, &g->format.member.common)

/* The features that Linux compiles in for good; a width of 64 lets the top level be what it is. */
struct linux_table *linux_amdv1(const struct linux_config *c)
{
	struct pt_iommu_amdv1_cfg cfg = {
		.common = generic_config(c, BIT(PT_FEAT_DYNAMIC_TOP) |
						    BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
						    BIT(PT_FEAT_AMDV1_FORCE_COHERENCE)),
		.starting_level = c->levels - 1,
	};
	GENERIC_OPEN(amdv1, cfg, amdpt);
}

struct linux_table *linux_vtdss(const struct linux_config *c)
{
	struct pt_iommu_vtdss_cfg cfg = {
		.common = generic_config(c, c->coherent ? BIT(PT_FEAT_VTDSS_FORCE_COHERENCE) : 0),
		.top_level = c->levels - 1,
	};
	GENERIC_OPEN(vtdss, cfg, vtdss_pt);
}

struct linux_table *linux_x86_64(const struct linux_config *c)
{
	struct pt_iommu_x86_64_cfg cfg = {
		.common = generic_config(c, c->unsign ? 0 : BIT(PT_FEAT_SIGN_EXTEND)),
		.top_level = c->levels - 1,
	};
	GENERIC_OPEN(x86_64, cfg, x86_64_pt);
}

struct linux_table *linux_riscv_64(const struct linux_config *c)
{
	struct pt_iommu_riscv_64_cfg cfg = {
		.common =
			generic_config(c, BIT(PT_FEAT_SIGN_EXTEND) | BIT(PT_FEAT_DETAILED_GATHER) |
						  (c->napot ? BIT(PT_FEAT_RISCV_SVNAPOT_64K) : 0) |
						  (c->svpbmt ? BIT(PT_FEAT_RISCV_SVPBMT) : 0)),
	};
	GENERIC_OPEN(riscv_64, cfg, riscv_64pt);
}

/* io-pgtable-arm: as many leaves of one size at a time as the IOMMU core asks for. */
struct arm {
	struct linux_table t;
	struct io_pgtable *iop;
	const struct io_pgtable_init_fns *fns;
};

/* The largest size that the addresses' alignment and @len allow, and how many of them: up to where
 * a larger one is possible. */
static uint64_t arm_size(const struct arm *a, uint64_t iova, uint64_t pa, uint64_t len,
			 size_t *count)
{
	uint64_t all = a->iop->cfg.pgsize_bitmap, sizes = all & ((2ull << ilog2(len)) - 1), size,
		 to;

	if (iova | pa)
		sizes &= (2ull << __ffs64(iova | pa)) - 1;
	size = 1ull << ilog2(sizes);
	all &= ~(2 * size - 1);
	all &= -all;
	to = -(iova | pa) & (all - 1);
	if (all && !((iova ^ pa) & (all - 1)) && to + all <= len)
		len = to;
	*count = len >> ilog2(size);
	return size;
}

static int arm_map(struct linux_table *t, uint64_t iova, uint64_t pa, uint64_t len, int prot)
{
	struct arm *a = container_of(t, struct arm, t);
	int rc = 0;

	while (!rc && len) {
		size_t count, size = arm_size(a, iova, pa, len, &count), mapped = 0;

		rc = a->iop->ops.map_pages(&a->iop->ops, iova, pa, size, count, prot, 0, &mapped);
		iova += mapped;
		pa += mapped;
		len -= mapped;
	}
	return rc;
}

static uint64_t arm_unmap(struct linux_table *t, uint64_t iova, uint64_t len)
{
	struct arm *a = container_of(t, struct arm, t);
	uint64_t done = 0;

	while (done < len) {
		size_t count, size = arm_size(a, iova + done, iova + done, len - done, &count);
		uint64_t n = a->iop->ops.unmap_pages(&a->iop->ops, iova + done, size, count, NULL);

		if (!n)
			break;
		done += n;
	}
	return done;
}

static uint64_t arm_translate(struct linux_table *t, uint64_t iova)
{
	struct arm *a = container_of(t, struct arm, t);

	return a->iop->ops.iova_to_phys(&a->iop->ops, iova);
}

static int arm_read_dirty(struct linux_table *t, uint64_t iova, uint64_t len, bool clear,
			  void (*cb)(void *arg, uint64_t iova, uint64_t len), void *arg)
{
	struct arm *a = container_of(t, struct arm, t);
	struct iova_bitmap bitmap = {cb, arg};
	struct iommu_dirty_bitmap dirty = {&bitmap, NULL};

	return a->iop->ops.read_and_clear_dirty(&a->iop->ops, iova, len,
						clear ? 0 : IOMMU_DIRTY_NO_CLEAR, &dirty);
}

static void arm_close(struct linux_table *t)
{
	struct arm *a = container_of(t, struct arm, t);

	a->fns->free(a->iop);
	free(a);
}

static struct linux_table *arm_open(const struct linux_config *c, enum io_pgtable_fmt fmt,
				    const struct io_pgtable_init_fns *fns)
{
	struct io_pgtable_cfg cfg = {.pgsize_bitmap = c->page_sizes,
				     .ias = c->ias,
				     .oas = c->oas,
				     .coherent_walk = true};
	struct arm *a = calloc(1, sizeof(*a));

	if (c->dirty && fmt == ARM_64_LPAE_S1)
		cfg.quirks |= IO_PGTABLE_QUIRK_ARM_HD;
	if (c->fwb)
		cfg.quirks |= IO_PGTABLE_QUIRK_ARM_S2FWB;
	a->fns = fns;
	a->iop = fns->alloc(&cfg, NULL);
	if (!a->iop) {
		free(a);
		return NULL;
	}
	/* As alloc_io_pgtable_ops() does. */
	a->iop->fmt = fmt;
	a->iop->cfg = cfg;
	a->t = (struct linux_table){
		.root = phys_to_virt(fmt == ARM_64_LPAE_S1 ? cfg.arm_lpae_s1_cfg.ttbr
							   : cfg.arm_lpae_s2_cfg.vttbr),
		.page_sizes = cfg.pgsize_bitmap,
		.map = arm_map,
		.unmap = arm_unmap,
		.translate = arm_translate,
		.read_dirty = fmt == ARM_64_LPAE_S1 ? arm_read_dirty : NULL,
		.close = arm_close,
	};
	return &a->t;
}

struct linux_table *linux_arm64_s1(const struct linux_config *c)
{
	return arm_open(c, ARM_64_LPAE_S1, &io_pgtable_arm_64_lpae_s1_init_fns);
}

struct linux_table *linux_arm64_s2(const struct linux_config *c)
{
	return arm_open(c, ARM_64_LPAE_S2, &io_pgtable_arm_64_lpae_s2_init_fns);
}
