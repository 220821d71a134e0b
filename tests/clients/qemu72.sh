#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under Debian 12's QEMU, which knows the legacy road only: /dev/vfio/GROUP and type1.
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
guest_nvme --iommu vtd
guest_ioat --iommu vtd
guest_net --iommu vtd
guest_nvme --iommu amd --vfio-container=iommufd
guest_all --iommu amd
passed
