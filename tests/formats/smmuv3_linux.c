/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux's functions for entries and descriptors want around them; they themselves, and the
 * constants that they use, are taken out of the driver's source when this is built
 * (smmuv3-linux.sh).
 */
#include <linux/io-pgtable.h>

#include "smmuv3_linux.h"

#define WORDS	       8
#define cpu_to_le64(v) (v)

struct arm_smmu_ste {
	uint64_t data[WORDS];
};
struct arm_smmu_cd {
	uint64_t data[WORDS];
};
struct arm_smmu_cdtab_l1 {
	uint64_t l2ptr;
};
struct arm_smmu_strtab_l1 {
	uint64_t l2ptr;
};
struct arm_smmu_device {
	u32 features;
};
struct arm_smmu_ctx_desc {
	u16 asid;
};
struct arm_smmu_s2_cfg {
	u16 vmid;
};
struct arm_smmu_ctx_desc_cfg {
	dma_addr_t cdtab_dma;
	u8 s1fmt, s1cdmax;
};
struct arm_smmu_master {
	struct arm_smmu_device *smmu;
	struct arm_smmu_ctx_desc_cfg cd_table;
	bool stall_enabled;
};
struct arm_smmu_domain {
	struct io_pgtable_ops *pgtbl_ops;
	struct arm_smmu_ctx_desc cd;
	struct arm_smmu_s2_cfg s2_cfg;
};

#undef __BIG_ENDIAN /* the C library's has another meaning than the kernel's */
#include "smmuv3_generated.h"

struct smmu_table {
	struct io_pgtable *iop;
	const struct io_pgtable_init_fns *fns;
};

struct smmu_table *linux_table_open(unsigned int stage, uint64_t page, unsigned int ias,
				    unsigned int oas, bool dirty, bool fwb)
{
	struct io_pgtable_cfg cfg = {
		.pgsize_bitmap = page, .ias = ias, .oas = oas, .coherent_walk = true};
	struct smmu_table *t = calloc(1, sizeof(*t));

	if (dirty)
		cfg.quirks |= IO_PGTABLE_QUIRK_ARM_HD;
	if (fwb)
		cfg.quirks |= IO_PGTABLE_QUIRK_ARM_S2FWB;
	t->fns = stage == 1 ? &io_pgtable_arm_64_lpae_s1_init_fns
			    : &io_pgtable_arm_64_lpae_s2_init_fns;
	t->iop = t->fns->alloc(&cfg, NULL);
	if (!t->iop) {
		free(t);
		return NULL;
	}
	t->iop->fmt = stage == 1 ? ARM_64_LPAE_S1 : ARM_64_LPAE_S2;
	t->iop->cfg = cfg;
	return t;
}

void linux_table_close(struct smmu_table *t)
{
	t->fns->free(t->iop);
	free(t);
}

int linux_table_map(struct smmu_table *t, uint64_t iova, uint64_t pa, uint64_t size, bool write)
{
	size_t mapped = 0;

	return t->iop->ops.map_pages(&t->iop->ops, iova, pa, size, 1,
				     IOMMU_READ | IOMMU_CACHE | (write ? IOMMU_WRITE : 0), 0,
				     &mapped);
}

uint64_t linux_table_translate(struct smmu_table *t, uint64_t iova)
{
	return t->iop->ops.iova_to_phys(&t->iop->ops, iova);
}

void linux_abort_ste(uint64_t ste[8])
{
	arm_smmu_make_abort_ste((struct arm_smmu_ste *)ste);
}

void linux_bypass_ste(uint64_t ste[8], bool attributes)
{
	struct arm_smmu_device smmu = {attributes ? ARM_SMMU_FEAT_ATTR_TYPES_OVR : 0};

	arm_smmu_make_bypass_ste(&smmu, (struct arm_smmu_ste *)ste);
}

void linux_cdtable_ste(uint64_t ste[8], const struct linux_cdtable *t)
{
	struct arm_smmu_device smmu = {t->has_stalls ? ARM_SMMU_FEAT_STALLS : 0};
	struct arm_smmu_master master = {
		.smmu = &smmu,
		.cd_table = {t->base, (u8)t->s1fmt, (u8)t->s1cdmax},
		.stall_enabled = t->stalls,
	};

	arm_smmu_make_cdtable_ste((struct arm_smmu_ste *)ste, &master, t->ats, t->s1dss);
}

void linux_s2_ste(uint64_t ste[8], struct smmu_table *t, uint16_t vmid, bool stalls)
{
	struct arm_smmu_device smmu = {0};
	struct arm_smmu_master master = {.smmu = &smmu, .stall_enabled = stalls};
	struct arm_smmu_domain domain = {.pgtbl_ops = &t->iop->ops, .s2_cfg = {vmid}};

	arm_smmu_make_s2_domain_ste((struct arm_smmu_ste *)ste, &master, &domain, false);
}

void linux_s1_cd(uint64_t cd[8], struct smmu_table *t, uint16_t asid, bool stalls)
{
	struct arm_smmu_device smmu = {0};
	struct arm_smmu_master master = {.smmu = &smmu, .stall_enabled = stalls};
	struct arm_smmu_domain domain = {.pgtbl_ops = &t->iop->ops, .cd = {asid}};

	arm_smmu_make_s1_cd((struct arm_smmu_cd *)cd, &master, &domain);
}

void linux_cd_l1(uint64_t *desc, uint64_t l2)
{
	arm_smmu_write_cd_l1_desc((struct arm_smmu_cdtab_l1 *)desc, l2);
}

void linux_strtab_l1(uint64_t *desc, uint64_t l2)
{
	arm_smmu_write_strtab_l1_desc((struct arm_smmu_strtab_l1 *)desc, l2);
}
