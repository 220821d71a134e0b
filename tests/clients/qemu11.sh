#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under QEMU 11.1 on the new road. This QEMU comes with a C library newer than the
# system's, into which the preload library must fit.
#
# usage: qemu11.sh [PART...], of nvme, net
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=guest.sh
. "$(dirname "$0")/guest.sh"
need_ioas
qemu=$(reference qemu-11.1)/bin/qemu-system-x86_64
road=cdev
(($#)) || set -- nvme net
guest_parts "$@"
passed
