#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under QEMU 10.0 on the new road: /dev/iommu and /dev/vfio/devices/vfioN.
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
guest_nvme --iommu vtd
guest_ioat --iommu vtd
guest_net --iommu vtd
guest_all --iommu amd
passed
