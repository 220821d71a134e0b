#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# QEMU's NVMe driver and DPDK's I/OAT driver are recorded, and what they did is replayed without a difference.
. "$(dirname "$0")/common.sh"
need_ioas
need qemu-io qemu-utils

# recorded NAME RUN-OPTION... -- PROGRAM ARGUMENT...: once more where a busy machine made records drop.
recorded()
{
	local name=$1 status try

	shift
	for try in 1 2 3; do
		on_ioas 100 --record "$work/$name" "$@" </dev/null
		status=0
		bounded 100 "$IOAS" replay "$work/$name" >"$work/out" 2>"$work/err" || status=$?
		if ((status != 2)) || ! grep -q "s records are missing" "$work/out"; then
			break
		fi
		say "$name: records were dropped, try $try"
	done
	((status == 0)) || fail_showing "the replay of $name"
	say "$name: $(head -n 1 "$work/out")"
	grep -qE '^[1-9][0-9]+ calls, [1-9][0-9]+ DMA transfers replayed; 0 of [0-9]+ answers differ$' "$work/out" ||
		fail_showing "$name: not replayed as it was"
}

head -c 8M /dev/urandom >"$work/disk.img"
recorded qemu-io --device "nvme,file=$work/disk.img,bdf=0000:01:00.0" -- \
	qemu-io -f raw -c 'write -P 0x5a 0 1m' -c 'read -P 0x5a 0 1m' -c 'writev -P 0x33 2m 4k 64k 512 28160' \
	nvme://0000:01:00.0/1
if command -v dpdk-test >/dev/null; then
	cpu=$(taskset -cp $$ | sed 's/.*: *//; s/[^0-9].*//')
	DPDK_TEST=dmadev_autotest recorded dpdk --device ioat,bdf=0000:01:00.0 -- \
		dpdk-test --no-huge --iova-mode=va -m 256 -l "$cpu" -a 0000:01:00.0
fi
passed
