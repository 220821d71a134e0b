#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Compares the page-table formats with Linux's own code for them (drivers/iommu/generic_pt and
# io-pgtable-arm.c), built here for user space out of Debian's linux-source package with a small
# shim in place of the kernel's headers.
#   formats-linux.sh BUILD    the folder that meson has built in
# Exit status 77: the package cannot be had.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/formats"
source=$(../../scripts/cache linux-source) || exit
source=$source/tree
iommu=$source/drivers/iommu
out=$build/formats-linux
cc=${CC:-cc}
rm -rf "$out"
mkdir -p "$out/linux" "$out/asm"

# shim.h stands in for these; the rest comes from the C library and, last, from the kernel.
for header in args atomic bitfield bitops bits bug build_bug cacheflush cleanup container_of \
	dma-mapping export iommu kconfig log2 mem_encrypt minmax mm_types sizes slab string stringify; do
	: >"$out/linux/$header.h"
done
for header in barrier page; do
	: >"$out/asm/$header.h"
done

flags=(-std=gnu11 -O1 -g -w -Werror=implicit-function-declaration -include "$PWD/shim.h" -I"$out" -idirafter "$source/include")
objects=()
for file in "$iommu"/generic_pt/fmt/iommu_{amdv1,vtdss,x86_64,riscv64}.c "$iommu/io-pgtable-arm.c" \
	linux.c; do
	object=$out/$(basename "$file" .c).o
	"$cc" "${flags[@]}" -c -o "$object" "$file"
	objects+=("$object")
done
"$cc" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-missing-field-initializers -D_GNU_SOURCE \
	-I../../src -I../../include compare.c "${objects[@]}" \
	"$build/src/pagetable/libroom_pagetable.a" "$build/src/base/libroom_base.a" -pthread \
	-o "$out/compare"
"$out/compare"
if "$out/compare" --break >"$out/break.log"; then
	echo "a flipped bit was not found"
	exit 1
fi
echo "and a flipped bit is found: $(cat "$out/break.log")"
