#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Linux guest under QEMU 11.1 with a VT-d of its own in scalable mode (intel-iommu,fsts=on) and devices
# passed through with nested translation: the guest's driver writes first-stage tables, which the engine
# walks over the VMM's second stage; what the guest invalidates arrives as HWPT_INVALIDATE.
#
# This QEMU asks of the host: GET_HW_INFO of type INTEL_VTD, with CAP.FS1GP unless fs1gp=off, and a nest
# parent; of itself caching-mode=on. It does not hear of faults: VFIO has no way to tell them and Linux no
# vEVENTQ for VT-d. So a passed-through device's fault shows in the engine's summary and in the device; one
# of an emulated device, by QEMU's own walk of the same kind of tables, in the guest's log.
#
# The run is recorded. What the guest's driver wrote into its tables is in the recording, so that all that
# was translated by them is replayed without a difference; on a machine too busy to write it down, up to
# where records were dropped.
. "$(dirname "$0")/common.sh"
# shellcheck source=guest.sh
. "$(dirname "$0")/guest.sh"
need_ioas
qemu=$(reference qemu-11.1)/bin/qemu-system-x86_64
# shellcheck disable=SC2034 # guest.sh's
road=cdev

iommu=intel-iommu,scalable-mode=on,fsts=on,caching-mode=on
disk=0000:01:00.0 dma=0000:02:00.0
machine=(-device "$iommu" -device edu)
kernel=$(reference guest-kernel-dmatest)
seed=$(new_seed)
say "$("$qemu" -version | head -n 1), $iommu"
"$clients/guest/disk" make "$work/disk.img" "$IOAS" "$kernel/vmlinuz"
boot_guest --record "$work/log" --iommu vtd,nesting=on --device "nvme,file=$work/disk.img,bdf=$disk" \
	--device "ioat,bdf=$dma" -- \
	--kernel "$kernel" --do nvme,ioat,fault --seed "$seed" \
	--append "intel_iommu=on,sm_on iommu=nopt iommu.strict=1" -- "$disk" "$dma"
expect_dma 10000000 18000000 1
# The guest's own maps are not the VMM's: no shadowing.
maps=$(sed -nE 's/^ioas: ([0-9]+) maps, .*/\1/p' "$work/err")
((maps <= 200)) || fail "$maps maps: the guest's tables were shadowed, not walked"
"$clients/guest/disk" check "$work/disk.img" "$seed" || fail "what is on the disk"
status=0
bounded 100 "$IOAS" replay "$work/log" </dev/null >"$work/out" 2>"$work/err" || status=$?
((status == 0 || status == 2)) || fail_showing "the replay"
say "$(head -n 1 "$work/out")"
grep -qE '^[1-9][0-9]+ calls, [1-9][0-9]+ DMA transfers replayed; 0 of [0-9]+ answers differ$' "$work/out" ||
	fail_showing "not replayed as it was"
passed
