#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under QEMU 10.0 on the new road: /dev/iommu and /dev/vfio/devices/vfioN.
#
# usage: qemu10.sh [PART...], of nvme, ioat, net, all
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/guest.sh"
need_ioas
qemu=$(reference qemu-10.0)/bin/qemu-system-x86_64

device_arguments()
{
	local bdf

	arguments=(-object "iommufd,id=iommufd0")
	for bdf in "$@"; do
		arguments+=(-device "vfio-pci,host=$bdf,iommufd=iommufd0")
	done
}

say "$("$qemu" -version | head -n 1)"
(($#)) || set -- nvme ioat net all
for part in "$@"; do
	case $part in
	nvme) guest_nvme --iommu vtd ;;
	ioat) guest_ioat --iommu vtd ;;
	net) guest_net --iommu vtd ;;
	all) guest_all --iommu amd ;;
	*) fail "no part is called '$part'" ;;
	esac
done
passed
