/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream table entries and context descriptors as Linux's own driver makes them, read by our model,
 * which then walks the tables of Linux's that they point at and finds what Linux mapped.
 *   smmuv3 [--break]    --break: one bit of each structure is flipped, which must be found
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/smmuv3/context.h"
#include "smmuv3_linux.h"

#define OAS	  48
#define PAGES	  300u
#define L2_CDS	  1024u
#define L2_STES	  256u
#define SUBSTREAM 1500u /* in the second leaf of the CD table */
#define STREAM	  0x342u

static bool broken;
static unsigned int wrong, checks, overlooked;

static void check(bool ok, const char *what, uint64_t value)
{
	checks++;
	if (ok)
		return;
	if (!wrong++ && !broken)
		printf("%s: %#llx\n", what, (unsigned long long)value);
}

/* An SMMU that has all that Linux uses. */
static struct smmuv3_ids ids(bool stalls)
{
	struct smmuv3_ids i = {{0}};

	i.idr[0] = (uint32_t)(SMMUV3_IDR0_S1P | SMMUV3_IDR0_S2P | SMMUV3_IDR0_ASID16 |
			      SMMUV3_IDR0_VMID16 | SMMUV3_IDR0_CD2L | SMMUV3_IDR0_ATS |
			      field_prep(SMMUV3_IDR0_TTF, SMMUV3_TTF_AARCH64) |
			      field_prep(SMMUV3_IDR0_HTTU, SMMUV3_HTTU_DIRTY) |
			      field_prep(SMMUV3_IDR0_STALL_MODEL,
					 stalls ? SMMUV3_STALL_BOTH : SMMUV3_STALL_NEVER) |
			      field_prep(SMMUV3_IDR0_TTENDIAN, SMMUV3_ENDIAN_LITTLE));
	i.idr[1] = (uint32_t)(field_prep(SMMUV3_IDR1_SIDSIZE, 16) |
			      field_prep(SMMUV3_IDR1_SSIDSIZE, 20));
	i.idr[3] = SMMUV3_IDR3_FWB;
	i.idr[5] = (uint32_t)(field_prep(SMMUV3_IDR5_OAS, 5) | SMMUV3_IDR5_GRAN4K |
			      SMMUV3_IDR5_GRAN16K | SMMUV3_IDR5_GRAN64K);
	return i;
}

static int read_here(void *arg, uint64_t addr, void *dst, size_t len)
{
	memcpy(dst, (const void *)(uintptr_t)addr, len);
	return 0;
}

static const struct smmuv3_memory here = {read_here, NULL};

static int read_entry(void *arg, uint64_t pa, uint64_t *entry)
{
	*entry = *(const uint64_t *)(uintptr_t)pa;
	return 0;
}

static uint64_t some(uint64_t below)
{
	return ((uint64_t)random() << 31 ^ (uint64_t)random()) % below;
}

/* What Linux maps, and the neighbours, which it does not. */
static void walk(const struct smmuv3_stage *s, struct smmu_table *t, const uint64_t *iova,
		 uint64_t page, bool write)
{
	struct pt_regime r = s->r;
	struct pt_walk w;

	r.read = read_entry;
	for (unsigned int n = 0; n < PAGES; n++) {
		uint64_t at = iova[n] + some(page);
		int rc = pt_walk_foreign(&r, at, &w, NULL, NULL);

		check(!rc && w.pa == linux_table_translate(t, at), "a page leads elsewhere", at);
		check(!rc && !!(w.may & PT_MAY_WRITE) == write, "its permission", at);
		at = some(1ull << s->r.ias);
		rc = pt_walk_foreign(&r, at, &w, NULL, NULL);
		check(rc ? !linux_table_translate(t, at) : w.pa == linux_table_translate(t, at),
		      "an address that was not mapped", at);
	}
}

static struct smmu_table *fill(unsigned int stage, uint64_t page, unsigned int ias, bool dirty,
			       bool write, uint64_t *iova)
{
	struct smmu_table *t = linux_table_open(stage, page, ias, OAS, dirty, stage == 2);

	if (!t)
		exit(1);
	for (unsigned int n = 0; n < PAGES; n++) {
		int rc;

		do {
			iova[n] = some(1ull << ias) & ~(page - 1);
			rc = linux_table_map(t, iova[n], (some(1ull << OAS) & ~(page - 1)) | page,
					     page, write);
		} while (rc);
	}
	return t;
}

static void flip(uint64_t *words, uint64_t used)
{
	if (broken)
		words[0] ^= used & -used;
}

/* Tables' addresses are pointers: the output has 48 bits. */
static void stage1(uint64_t page, unsigned int ias, bool dirty, bool stalls)
{
	static uint64_t cds[2][L2_CDS][8] __attribute__((aligned(65536)));
	static uint64_t l1[64] __attribute__((aligned(4096)));
	static uint64_t iova[PAGES];
	const struct smmuv3_ids i = ids(stalls);
	const struct linux_cdtable cdtable = {.base = (uintptr_t)l1,
					      .s1fmt = SMMUV3_S1FMT_64K,
					      .s1cdmax = 16,
					      .s1dss = SMMUV3_S1DSS_SSID0,
					      .ats = stalls,
					      .has_stalls = stalls,
					      .stalls = stalls};
	struct smmu_table *t = fill(1, page, ias, dirty, !dirty, iova);
	uint64_t ste[8], raw[8], at = 0;
	enum smmuv3_select how;
	struct smmuv3_ste s;
	struct smmuv3_cd cd;
	uint32_t index = 0;

	linux_cd_l1(&l1[0], (uintptr_t)cds[0]);
	linux_cd_l1(&l1[1], (uintptr_t)cds[1]);
	linux_s1_cd(cds[SUBSTREAM / L2_CDS][SUBSTREAM % L2_CDS], t, 0x1234, stalls);
	flip(cds[SUBSTREAM / L2_CDS][SUBSTREAM % L2_CDS], random() % 2 ? 1ull << 6 : 1ull << 48);
	linux_cdtable_ste(ste, &cdtable);
	check(!smmuv3_ste_decode(&i, ste, &s), "the STE", ste[0]);
	check(s.s1 && !s.s2 && !s.abort && s.s1cdmax == 16 && s.s1dss == SMMUV3_S1DSS_SSID0 &&
		      s.s1ctxptr == (uintptr_t)l1 && s.s1stalld == false &&
		      s.eats == (stalls ? SMMUV3_EATS_FULL : SMMUV3_EATS_ABORT),
	      "the STE's fields", ste[1]);
	check(!smmuv3_substream(&s, true, SUBSTREAM, &how, &index) && how == SMMUV3_USE_CD &&
		      index == SUBSTREAM,
	      "the substream", index);
	check(!smmuv3_cd_find(&s, &here, SUBSTREAM, &at) &&
		      at == (uintptr_t)cds[SUBSTREAM / L2_CDS][SUBSTREAM % L2_CDS],
	      "the CD's place", at);
	memcpy(raw, (const void *)(uintptr_t)at, sizeof(raw));
	if (smmuv3_cd_decode(&i, &s, raw, &cd)) {
		check(false, "the CD", raw[0]);
	} else {
		check(cd.asid == 0x1234 && cd.aset && cd.abort, "the CD's fields", raw[0]);
		check(cd.half[0].there && !cd.half[1].there && cd.half[0].stall == stalls &&
			      cd.half[0].record && cd.half[0].set_dirty == dirty &&
			      cd.half[0].r.ias == ias,
		      "the CD's first half", raw[0]);
		walk(&cd.half[0], t, iova, page, !dirty);
	}
	memset(cds[SUBSTREAM / L2_CDS][SUBSTREAM % L2_CDS], 0, sizeof(raw));
	linux_table_close(t);
}

static void stage2(uint64_t page, unsigned int ias, bool stalls)
{
	static uint64_t iova[PAGES];
	const struct smmuv3_ids i = ids(stalls);
	struct smmu_table *t = fill(2, page, ias, false, true, iova);
	struct smmuv3_ste s;
	uint64_t ste[8];

	linux_s2_ste(ste, t, 0x4321, stalls);
	flip(&ste[2], 1ull << 32);
	if (smmuv3_ste_decode(&i, ste, &s)) {
		check(false, "the STE of stage 2", ste[2]);
	} else {
		check(s.s2 && !s.s1 && s.vmid == 0x4321 && s.stage2.stall == stalls &&
			      s.stage2.r.ias == ias && s.stage2.r.flags & PT_S2FWB,
		      "its fields", ste[2]);
		walk(&s.stage2, t, iova, page, true);
	}
	linux_table_close(t);
}

static void plain(void)
{
	static uint64_t stes[L2_STES][8] __attribute__((aligned(16384)));
	static uint64_t l1[256] __attribute__((aligned(2048)));
	const struct smmuv3_ids i = ids(false);
	const struct smmuv3_strtab strtab = {
		.base = (uintptr_t)l1, .two_level = true, .split = 8, .log2size = 16};
	uint64_t at = 0;
	struct smmuv3_ste s;

	linux_abort_ste(stes[0]);
	check(!smmuv3_ste_decode(&i, stes[0], &s) && s.abort, "abort", stes[0][0]);
	for (int attributes = 0; attributes < 2; attributes++) {
		linux_bypass_ste(stes[0], attributes);
		check(!smmuv3_ste_decode(&i, stes[0], &s) && !s.abort && !s.s1 && !s.s2, "bypass",
		      stes[0][0]);
	}
	linux_strtab_l1(&l1[STREAM / L2_STES], (uintptr_t)stes);
	flip(&l1[STREAM / L2_STES], 1ull << 15);
	check(!smmuv3_ste_find(&strtab, &here, STREAM, &at) &&
		      at == (uintptr_t)stes[STREAM % L2_STES],
	      "the STE's place", at);
}

/* After each structure: was its flipped bit found? */
static void end(void)
{
	static unsigned int before;

	overlooked += wrong == before;
	before = wrong;
}

int main(int argc, char **argv)
{
	static const struct {
		uint64_t page;
		unsigned int ias[3];
	} rows[] = {{4096, {48, 47, 39}}, {16384, {48, 47, 36}}, {65536, {48, 47, 42}}};

	broken = argc > 1 && !strcmp(argv[1], "--break");
	srandom(5);
	plain();
	end();
	for (unsigned int n = 0; n < 3; n++) {
		for (unsigned int k = 0; k < 3; k++) {
			stage1(rows[n].page, rows[n].ias[k], k == 1, k == 2);
			end();
			stage2(rows[n].page, k ? 40 + 2 * k : 48, k == 2);
			end();
		}
	}
	if (broken) {
		printf("flipped bits: %u checks found them, %u were overlooked\n", wrong,
		       overlooked);
		return overlooked != 0;
	}
	printf("%u checks of what Linux's driver makes, %u wrong\n", checks, wrong);
	return wrong != 0;
}
