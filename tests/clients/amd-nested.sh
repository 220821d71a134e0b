#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A VMM with an AMD IOMMU for its guest (tests/nesting/amd_vmm): a device table entry handed over, a
# device table that the IOMMU reads, guest tables and host tables, commands by ioctl and from the guest's
# command buffer. No QEMU does that: its amd-iommu shadows (qemu11-amd.sh).
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
need_ioas
nesting=$(dirname "$EXAMPLES")/tests/nesting

for kind in entry guest host; do
	say "$kind"
	on_ioas 60 --iommu amd,nesting=on --device ioat -- "$nesting/amd_vmm" "$kind" </dev/null
	sed 's/^/    /' "$work/out"
	# Each copy is a page; the fault is the guest's, not the host's.
	expect_dma 800000 800000
done
say pages
on_ioas 60 --iommu amd,nesting=on,ats=on,pri=on --device ioat,ats=on,pri=on -- "$nesting/amd_vmm" pages </dev/null
sed 's/^/    /' "$work/out"
on_ioas 60 --iommu amd --device ioat -- "$nesting/amd_vmm" off </dev/null
sed 's/^/    /' "$work/out"
passed
