/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RISC-V IOMMU's capabilities register, as the options make it.
 */
#include <errno.h>
#include <stdio.h>

#include "iommu/riscv/riscv.h"

#define PHYSICAL_WIDTH 56

const struct option_key riscv_options[] = {
	{.name = "va",
	 .type = OPTION_NUMBER,
	 .def = "48",
	 .min = 39,
	 .max = 57,
	 .help = "width of virtual addresses: 39, 48 or 57 (Sv39, Sv48, Sv57); IOVAs have a bit less"},
	{.name = "svpbmt",
	 .type = OPTION_BOOL,
	 .def = "on",
	 .help = "memory types in page tables (Svpbmt)"},
	{0},
};

int riscv_init_caps(struct riscv *v, const struct options *o, char *why, size_t why_len)
{
	v->capabilities = field_prep(RISCV_CAP_VERSION, RISCV_VERSION_1_0) | RISCV_CAP_AMO_HWAD |
			  field_prep(RISCV_CAP_IGS, RISCV_IGS_WSI) |
			  field_prep(RISCV_CAP_PAS, PHYSICAL_WIDTH);
	if (options_bool(o, "svpbmt"))
		v->capabilities |= RISCV_CAP_SVPBMT;
	v->width = (unsigned int)options_number(o, "va");
	switch (v->width) {
	case 57:
		v->capabilities |= RISCV_CAP_SV57;
		/* fall through */
	case 48:
		v->capabilities |= RISCV_CAP_SV48;
		/* fall through */
	case 39:
		v->capabilities |= RISCV_CAP_SV39;
		return 0;
	}
	snprintf(why, why_len, "riscv: va=%s: give 39, 48 or 57", options_string(o, "va"));
	return -EINVAL;
}
