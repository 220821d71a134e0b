/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's RISC-V format with memory types (Svpbmt) compiled in. Linux 7.3 has the code, and its
 * driver asks for it where the hardware has the extension, but what it compiles
 * (generic_pt/fmt/iommu_riscv64.c) leaves the feature out and refuses it.
 */
#define PT_FMT	       riscv
#define PT_FMT_VARIANT 64
#define PT_SUPPORTED_FEATURES                                                                      \
	(BIT(PT_FEAT_SIGN_EXTEND) | BIT(PT_FEAT_FLUSH_RANGE) | BIT(PT_FEAT_DETAILED_GATHER) |      \
	 BIT(PT_FEAT_RISCV_SVNAPOT_64K) | BIT(PT_FEAT_RISCV_SVPBMT))
#define PT_FORCE_ENABLED_FEATURES BIT(PT_FEAT_DETAILED_GATHER)

#include <iommu_template.h>
