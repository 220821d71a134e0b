#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# DPDK's primary and secondary processes: dpdk-testpmd drives two virtio-net devices that a hub joins,
# and dpdk-proc-info, a program of its own, gets the container, the groups and the devices from it by
# SCM_RIGHTS, maps their BARs and reads the counters that the first one moves. Needs huge pages, which
# is what DPDK's processes share.
. "$(dirname "$0")/common.sh"
need_ioas
need dpdk-testpmd dpdk-dev
need dpdk-proc-info dpdk-dev
a=0000:01:00.0
b=0000:02:00.0
pages=72
pool=/proc/sys/vm/nr_hugepages
prefix=ioas-$$
huge=$work/huge
added=0

give_back()
{
	umount "$huge" 2>/dev/null || true
	((added == 0)) || echo $(($(cat $pool) - added)) >$pool || true
	rm -rf "/var/run/dpdk/$prefix"
	clean_up
}
trap give_back EXIT

free=$(awk '$1 == "HugePages_Free:" { print $2 }' /proc/meminfo)
if ((free < pages)) && [[ -w $pool ]]; then
	before=$(cat $pool)
	{ echo $((before + pages - free)) >$pool; } 2>/dev/null || true
	added=$(($(cat $pool) - before))
fi
((free + added >= pages)) || skip "$pages huge pages are needed, the machine has $free free"
mkdir "$huge"
mount -t hugetlbfs none "$huge" 2>/dev/null || skip "no hugetlbfs can be mounted here"

common=(--huge-dir "$huge" --iova-mode=va --file-prefix "$prefix" -a "$a" -a "$b")
# Runs in the run: the primary until the secondary has ended, then its status.
cat >"$work/both" <<'SCRIPT'
work=$1
shift
mkfifo "$work/go"
dpdk-testpmd "$@" -m 128 --lcores '0@(0-1),1@(0-1)' --no-telemetry --proc-type=primary -- \
	--auto-start --tx-first --forward-mode=macswap --nb-cores=1 --total-num-mbufs=2048 \
	<"$work/go" >"$work/primary" 2>&1 &
exec 3>"$work/go"
for i in $(seq 200); do
	grep -q "Press enter to exit" "$work/primary" && break
	sleep 0.1
done
dpdk-proc-info "$@" --proc-type=secondary -- --stats -p 3 >"$work/secondary" 2>&1
status=$?
echo >&3
exec 3>&-
wait
exit $status
SCRIPT

say "two processes on two devices"
bounded 90 "${ioas_run[@]}" -v --log="$work/calls" --device "virtio-net,hub=test,bdf=$a" --device "virtio-net,hub=test,bdf=$b" -- \
	bash "$work/both" "$work" "${common[@]}" </dev/null || {
	tail -n 15 "$work/primary" "$work/secondary" >&2
	fail "the secondary process failed"
}
# Its own process asked the groups, which the other had opened, for the devices.
askers=$(sed -n 's/^\[\([0-9]*\)\].*VFIO_GROUP_GET_DEVICE_FD.*= [0-9]*$/\1/p' "$work/calls" | sort -u | wc -l)
((askers >= 2)) || fail "the secondary process had no device"
! grep -q 'EIO' "$work/calls" || fail "a call answered EIO: $(grep -m 1 EIO "$work/calls")"
moved=$(sed -n 's/.*TX-packets: *\([0-9]*\).*/\1/p' "$work/secondary" | sort -n | tail -n 1)
((${moved:-0} > 1000)) || fail "the secondary process saw ${moved:-no} packets"
say "the secondary process saw $moved packets"
passed
