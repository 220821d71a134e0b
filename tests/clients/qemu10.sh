#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under QEMU 10.0 on the new road: /dev/iommu and /dev/vfio/devices/vfioN.
#
# usage: qemu10.sh [PART...], of nvme, uefi, ioat, net, all
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=guest.sh
. "$(dirname "$0")/guest.sh"
need_ioas
qemu=$(reference qemu-10.0)/bin/qemu-system-x86_64
road=cdev
(($#)) || set -- nvme ioat net all
guest_parts "$@"
passed
