#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under Debian 12's QEMU, which knows the legacy road only: /dev/vfio/GROUP and type1.
#
# usage: qemu72.sh [PART...], of nvme, ioat, net, compat, all
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/guest.sh"
need_ioas
need qemu-system-x86_64 qemu-system-x86
qemu=$(command -v qemu-system-x86_64)

device_arguments()
{
	local bdf

	arguments=()
	for bdf in "$@"; do
		arguments+=(-device "vfio-pci,host=$bdf")
	done
}

say "$("$qemu" -version | head -n 1)"
(($#)) || set -- nvme ioat net compat all
for part in "$@"; do
	case $part in
	nvme) guest_nvme --iommu vtd ;;
	ioat) guest_ioat --iommu vtd ;;
	net) guest_net --iommu vtd ;;
	compat) guest_nvme --iommu amd --vfio-container=iommufd ;;
	all) guest_all --iommu amd ;;
	*) fail "no part is called '$part'" ;;
	esac
done
passed
