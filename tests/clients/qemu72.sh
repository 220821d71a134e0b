#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under Debian 12's QEMU, which knows the legacy road only: /dev/vfio/GROUP and type1.
#
# usage: qemu72.sh [PART...], of nvme, uefi, ioat, net, compat, all
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=guest.sh
. "$(dirname "$0")/guest.sh"
need_ioas
need qemu-system-x86_64 qemu-system-x86
qemu=$(command -v qemu-system-x86_64)
road=legacy
(($#)) || set -- nvme ioat net compat all
guest_parts "$@"
passed
