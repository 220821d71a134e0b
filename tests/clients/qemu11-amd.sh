#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under QEMU 11.1 with an AMD IOMMU of its own (amd-iommu,dma-remap=on) and devices passed
# through. QEMU shadows the guest's tables: each map and unmap of the guest's driver, at once
# (iommu.strict=1), is one of the passed-through devices' address space. So the host's IOMMU may be of
# any make, and need not nest.
#
# A fault of an emulated device is in the guest's log (this QEMU loses its address). One of a passed-through device is not: VFIO tells
# a VMM of none, and this QEMU offers no vIOMMU object for amd-iommu that could. It shows in the engine's
# summary, and in the device.
#
# usage: qemu11-amd.sh [PART...], of cdev, legacy
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=guest.sh
. "$(dirname "$0")/guest.sh"
need_ioas
qemu=$(reference qemu-11.1)/bin/qemu-system-x86_64

guest_with_amd_iommu()
{
	local disk=0000:01:00.0 dma=0000:02:00.0 kernel seed maps

	kernel=$(reference guest-kernel-dmatest)
	seed=$(new_seed)
	"$clients/guest/disk" make "$work/disk.img" "$IOAS" "$kernel/vmlinuz"
	boot_guest --iommu "$1" --device "nvme,file=$work/disk.img,bdf=$disk" --device "ioat,bdf=$dma" -- \
		--kernel "$kernel" --do nvme,ioat,fault --seed "$seed" \
		--append "amd_iommu=on iommu=nopt iommu.strict=1 preempt=full" -- "$disk" "$dma"
	expect_dma 10000000 18000000 1
	maps=$(sed -nE 's/^ioas: ([0-9]+) maps, .*/\1/p' "$work/err")
	((maps >= 5000)) || fail "$maps maps: the guest's IOMMU was not in the way"
	"$clients/guest/disk" check "$work/disk.img" "$seed" || fail "what is on the disk"
}

machine=(-device "amd-iommu,dma-remap=on" -device edu)
say "$("$qemu" -version | head -n 1)"
(($#)) || set -- cdev legacy
for road in "$@"; do
	case $road in
	cdev) guest_with_amd_iommu amd ;;
	legacy) guest_with_amd_iommu vtd ;;
	*) fail "no part is called '$road'" ;;
	esac
done
passed
