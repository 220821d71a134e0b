#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Reads with our model what Linux's SMMUv3 driver makes: its functions for stream table entries and
# context descriptors are taken out of Debian's linux-source here and now, and built for user space.
#   smmuv3-linux.sh BUILD    the folder that meson has built in
# Exit status 77: Linux's source cannot be had.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/formats"
out=$build/smmuv3-linux
objects=$(./build-linux "$out" -O1 -g) || exit
driver=$(../../scripts/cache linux-source)/tree/drivers/iommu/arm/arm-smmu-v3

# A function: from its name at the beginning of a line to the next closing brace there.
take()
{
	awk -v name="$1" '$0 ~ "^(static )?(inline )?void " name "\\(" { on = 1 } on { print } on && /^}/ { exit }' \
		"$driver/arm-smmu-v3.c"
}

{
	awk 'on || /^#define[ \t]+(STRTAB_|CTXDESC_|ARM_SMMU_FEAT_|ARM_SMMU_SH_|CTXDESC)/ { print; on = /\\$/ }' "$driver/arm-smmu-v3.h"
	for name in abort_ste bypass_ste cdtable_ste s2_domain_ste s1_cd; do
		take arm_smmu_make_$name
	done
	take arm_smmu_write_cd_l1_desc
	take arm_smmu_write_strtab_l1_desc
} >"$out/smmuv3_generated.h"
source=$(../../scripts/cache linux-source)/tree
"${CC:-cc}" -std=gnu11 -O1 -g -w -Werror=implicit-function-declaration -fno-strict-aliasing -include "$PWD/shim.h" \
	-I"$out" -I"$PWD" -idirafter "$source/include" -c -o "$out/smmuv3_linux.o" smmuv3_linux.c
# shellcheck disable=SC2086 # one word for each object
"${CC:-cc}" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-missing-field-initializers -Wno-unused-parameter -D_GNU_SOURCE \
	-I../../src -I../../include smmuv3.c "$out/smmuv3_linux.o" $objects \
	"$build/src/iommu/libroom_iommu.a" "$build/src/pagetable/libroom_pagetable.a" \
	"$build/src/memory/libroom_memory.a" "$build/src/base/libroom_base.a" -pthread -o "$out/smmuv3"
"$out/smmuv3"
"$out/smmuv3" --break
