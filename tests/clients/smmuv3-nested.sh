#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A VMM with an SMMUv3 for its guest: examples/smmuv3-nested by each of its roads, the calls that QEMU
# makes for arm-smmuv3,accel=on, which itself needs KVM, and a guest whose tables have pages only when
# they are asked for. The first one's I/OAT engine compares every byte that it copied.
. "$(dirname "$0")/common.sh"
need_ioas
nesting=$(dirname "$EXAMPLES")/tests/nesting

for road in ioctl cmdqv own 'own --kick'; do
	say "$road"
	# shellcheck disable=SC2086 # words
	on_ioas 60 --iommu smmuv3,cmdqv=on --device ioat -- "$EXAMPLES/smmuv3-nested" --road=$road </dev/null
	sed 's/^/    /' "$work/out"
	# Each copy is a page; the fault is the guest's, not the host's.
	expect_dma 800000 800000
done
for options in '' --cmdqv; do
	# shellcheck disable=SC2086 # none is no argument
	on_ioas 60 --iommu smmuv3,ssid-bits=16,cmdqv=on --device ioat -- "$nesting/smmuv3_qemu" $options </dev/null
	sed 's/^/    /' "$work/out"
done
on_ioas 60 --iommu smmuv3,stall=on --device ioat -- "$nesting/smmuv3_stall" </dev/null
sed 's/^/    /' "$work/out"
passed
