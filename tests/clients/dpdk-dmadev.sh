#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# DPDK's own test of DMA devices, on its I/OAT driver: copies, burst capacity, fills, each compared
# byte by byte by the test.
. "$(dirname "$0")/common.sh"
need_ioas
need dpdk-test dpdk-dev
bdf=0000:01:00.0

say "dpdk-test dmadev_autotest on I/OAT $bdf (about 10 s)"
# The command comes from the environment; an input that ends makes the program exit after it.
export DPDK_TEST=dmadev_autotest
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
on_ioas 120 --device "ioat,bdf=$bdf" -- dpdk-test --no-huge --iova-mode=va -m 256 -l "$cpu" \
	--no-shconf --no-telemetry -a "$bdf" </dev/null
expect_dma 100000000 100000000

# The test rewrites its counters in place.
tr '\r' '\n' <"$work/out" >"$work/lines"
awk -v head="^### Test dmadev instance [0-9]+ \\\\[$bdf\\\\]" \
	'/^### Test dmadev/ { ours = $0 ~ head } ours' "$work/lines" >"$work/ours"
[[ -s $work/ours ]] || fail_showing "the device was not tested"
for kind in copy 'burst capacity' fill; do
	grep -q "Running $kind Tests" "$work/ours" || fail "no $kind tests ran"
done
grep -q '^Test OK' "$work/lines" || fail_showing "the test is not OK"
operations=$(sed -n 's/^Ops submitted: \([0-9]*\).*completed: \1\t*Errors: 0.*/\1/p' "$work/ours" |
	sort -n | tail -n 1)
((${operations:-0} > 50000)) || fail "only ${operations:-0} operations without error"
grep -v '^Ops submitted' "$work/ours" | sed '/^$/d; s/^/    /'
say "up to $operations operations in a test, without error"
passed
