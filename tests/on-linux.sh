#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: tests/on-linux.sh BUILD [abi|library|selftests|fuzz]...
# Runs our ABI tests on a real kernel and under `ioas run` and compares row by row; the same for random
# sequences of calls (tests/fuzz/); runs the library's two engines there side by side (tests/library/);
# and counts what the kernel's own tests say. The kernels are built from Debian's newest linux-source
# (scripts/cache linux-kernel), which takes minutes once, and run in QEMU with an emulated VT-d and
# devices. Every answer is left in BUILD/on-linux/.
# shellcheck disable=SC2317 # the parts are called by name
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
[[ $# -ge 1 && -d $1 ]] || { sed -n '/^# usage:/,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$(cd "$1" && pwd)
shift
parts=("${@:-abi}")
[[ $# -gt 0 ]] || parts=(abi library selftests fuzz)
out=$build/on-linux
boot=$top/tests/on-linux/boot
failed=0

say()
{
	echo "on-linux: $*"
}

# The kernel, built anew when its configuration has changed since.
kernel()
{
	local folder

	folder=$("$top/scripts/cache" linux-kernel) || exit 77
	for file in "$top"/tests/on-linux/kernel*.config; do
		if ! cmp -s "$file" "$folder/${file##*/}"; then
			say "the kernel's configuration has changed"
			"$top/scripts/cache" --refresh linux-kernel >/dev/null || exit 77
			break
		fi
	done
	linux=$folder
}

fresh()
{
	rm -rf "$1"
	mkdir -p "$1"
}

# on_kernel SECONDS KIND ROOT RESULTS: shows what the guest says as it goes.
on_kernel()
{
	"$boot" --timeout "$1" --memory 2048 --iommu "${iommus[$2]}" "$linux/bzImage-${kernels[$2]}" "$3" "$4" 2>&1 |
		sed -u 's/^/    /'
}

# --- Our ABI tests ---------------------------------------------------------------------------------

# The hosts that are like QEMU's machines: their IOMMUs have no dirty flags, and two devices share a group.
host=(--device 'nvme,bdf=01:00.0' --device 'ioat,bdf=02:00.0,group=1'
	--device 'nvme,bdf=02:00.1,group=1' --device 'virtio-net,bdf=03:00.0' --device 'scratch,bdf=04:00.0')
declare -A options=(
	[type1]='--iommu vtd,dirty=off' [mock]='--iommu vtd,dirty=off --vfio-container=iommufd'
	[amd]='--iommu amd,dirty=off')
declare -A kernels=([type1]=type1 [mock]=mock [amd]=type1) iommus=([type1]=vtd [mock]=vtd [amd]=amd)

# All but the one that stores to a device that only we have.
abi_programs()
{
	find "$build/tests/abi" -maxdepth 1 -type f -executable ! -name stores -printf '%f\n' | sort
}

abi_on_linux()
{
	local kind=$1 work=$2 program

	fresh "$work/root/tests"
	{
		for program in $(abi_programs); do
			echo "timeout 200 /tests/$program -v >/results/$program 2>&1; echo $program: \$?"
		done
		if [[ $kind == mock ]]; then
			echo "/tests/vfio_compat --compat -v >/results/vfio_compat--compat 2>&1"
			echo "/tests/vfio_random --compat -v >/results/vfio_random--compat 2>&1"
		fi
	} >"$work/root/run"
	for program in $(abi_programs); do
		cp "$build/tests/abi/$program" "$work/root/tests/"
	done
	on_kernel 1500 "$kind" "$work/root" "$work/linux"
	mv "$work/linux/dmesg" "$work/dmesg"
}

run_here()
{
	local kind=$1 program=$2

	shift 2
	# shellcheck disable=SC2086 # options are words
	timeout -k 5 100 "$build/ioas" run "${host[@]}" ${options[$kind]} -- "$build/tests/abi/$program" "$@" \
		2>&1 </dev/null
}

abi_here()
{
	local kind=$1 work=$2 program

	fresh "$work/ioas"
	for program in $(abi_programs); do
		run_here "$kind" "$program" -v >"$work/ioas/$program" || true
	done
	[[ $kind == mock ]] || return 0
	for program in vfio_compat vfio_random; do
		run_here "$kind" "$program" --compat -v >"$work/ioas/$program--compat" || true
	done
}

part_abi()
{
	local kind

	for kind in ${IOAS_KINDS:-type1 mock}; do
		say "the ABI tests, kernel and host '$kind'"
		fresh "$out/abi-$kind"
		abi_on_linux "$kind" "$out/abi-$kind"
		abi_here "$kind" "$out/abi-$kind"
		"$top/tests/on-linux/compare" "$out/abi-$kind"/{linux,ioas} "$top/tests/on-linux/accepted" || failed=1
	done
}

# --- The library's engines ---------------------------------------------------------------------------

# The kernel's answers to the library's typed calls, and those of a host of the library's, there as well. QEMU's VT-d has no PASIDs.
part_library()
{
	local work=$out/library

	say "the library on the kernel, and beside it"
	fresh "$work/root"
	cp "$build/tests/library/engines" "$work/root/"
	echo 'timeout 300 /engines vtd,dirty=off,pasid-bits=0 >/results/engines 2>&1; echo $? >/results/status' >"$work/root/run"
	on_kernel 600 type1 "$work/root" "$work/linux"
	sed 's/^/    /' "$work/linux/engines"
	[[ $(<"$work/linux/status") == 0 ]] || failed=1
}

# --- The kernel's own tests ------------------------------------------------------------------------

# The sums that a program of the kernel's gives: # Totals: pass:1 fail:2 xfail:0 xpass:0 skip:3 error:0
totals()
{
	grep -h '^# Totals:' "$1" | awk '{ for (i = 3; i <= NF; i++) { split($i, n, ":"); sum[n[1]] += n[2] } }
		END { printf "%d pass, %d fail, %d skip\n", sum["pass"], sum["fail"], sum["skip"] }'
}

# They are counted, not judged: the kernel is what it is. docs/conformance.md tells them.
part_selftests()
{
	local work=$out/selftests log

	say "the kernel's selftests"
	fresh "$work"
	mkdir "$work"/{iommu,vfio}
	cp "$linux"/selftests/iommu/* "$work/iommu/"
	cat >"$work/iommu/run" <<-'RUN'
	echo 80 >/proc/sys/vm/nr_hugepages
	for program in iommufd iommufd_fail_nth; do
		timeout 900 /$program >/results/$program 2>&1; echo $program: $?
	done
	RUN
	on_kernel 2000 mock "$work/iommu" "$work/iommu-results"
	find "$linux/selftests/vfio" -maxdepth 1 -type f -exec cp {} "$work/vfio/" \;
	cat >"$work/vfio/run" <<-'RUN'
	echo 64 >/proc/sys/vm/nr_hugepages
	for program in /vfio_*; do
		timeout 900 $program 0000:04:00.0 >/results${program} 2>&1; echo ${program#/}: $?
	done
	RUN
	on_kernel 2000 type1 "$work/vfio" "$work/vfio-results"
	for log in "$work"/*-results/*; do
		[[ $log == */dmesg ]] || say "${log##*/}: $(totals "$log")"
	done
}

# --- Random sequences --------------------------------------------------------------------------------

part_fuzz()
{
	say "random sequences of calls"
	"$top/tests/fuzz/run" "$build" long "${IOAS_FUZZ_SEED:-$RANDOM}" "${IOAS_FUZZ_COUNT:-5000}" || failed=1
}

kernel
for part in "${parts[@]}"; do
	"part_$part"
done
exit "$failed"
