#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# dpdk-testpmd with its virtio driver on two virtio-net devices that a hub joins.
# 1. Content: packets from a file go out of each device and must come out of the other unchanged and
#    in order.
# 2. Load: bursts circle between the two for some seconds; what one sends the other receives.
. "$(dirname "$0")/common.sh"
need_ioas
need dpdk-testpmd dpdk-dev
need python3 python3
a=0000:01:00.0
b=0000:02:00.0
packets=200
load_seconds=8

# packets_file SEED FILE: a capture of packets of all sizes, each with its number and random content.
packets_file()
{
	python3 - "$1" "$2" "$packets" <<-'PYTHON'
	import random, struct, sys
	seed, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
	rand = random.Random(seed)
	with open(path, "wb") as out:
	    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
	    for i in range(count):
	        size = 1514 if i % 10 == 0 else 60 + i * 37 % 1455
	        head = bytes.fromhex("02000000000202000000000188b5") + struct.pack(">II", seed, i)
	        body = head + rand.randbytes(size - len(head))
	        out.write(struct.pack("<IIII", i, 0, size, size) + body)
	PYTHON
}

# contents FILE: the packets of a capture, in hexadecimal, without their times.
contents()
{
	python3 - "$1" <<-'PYTHON'
	import struct, sys
	data, at = open(sys.argv[1], "rb").read(), 24
	while at < len(data):
	    size = struct.unpack_from("<IIII", data, at)[2]
	    print(data[at + 16:at + 16 + size].hex())
	    at += 16 + size
	PYTHON
}

# testpmd SECONDS EAL-OPTION... -- OPTION...: runs it for so long, its output in $work/out. It ends by
# itself when a line comes on its input.
testpmd()
{
	local seconds=$1 cpus

	shift
	cpus=$(taskset -cp $$ | sed 's/.*: //')
	on_ioas $((seconds + 40)) --device "virtio-net,hub=test,bdf=$a" \
		--device "virtio-net,hub=test,bdf=$b" -- \
		dpdk-testpmd --no-huge --iova-mode=va -m 256 --lcores "0@($cpus),1@($cpus)" \
		--no-shconf --no-telemetry -a "$a" -a "$b" "$@" < <(sleep "$seconds"; echo)
}

# count PORT FIELD: of the final statistics, for example RX-packets.
count()
{
	sed -n "/Forward statistics for port $1 /,/------- *$/s/.*$2: *\([0-9]*\).*/\1/p" "$work/out"
}

seed=$(new_seed)
packets_file "$seed" "$work/a.pcap"
packets_file "$((seed + 1))" "$work/b.pcap"
say "$packets packets each way from files through both devices to files"
# Ports 0 and 1 are the devices, 2 and 3 the files; forwarding joins 2 with 0 and 1 with 3.
testpmd 5 --vdev "net_pcap0,rx_pcap=$work/a.pcap,tx_pcap=$work/a.out" \
	--vdev "net_pcap1,rx_pcap=$work/b.pcap,tx_pcap=$work/b.out" -- \
	--forward-mode=io --portlist=2,0,1,3 --no-flush-rx --nb-cores=1 --total-num-mbufs=4096
expect_dma 300000 300000
for way in "a b" "b a"; do
	read -r from to <<<"$way"
	contents "$work/$from.pcap" >"$work/sent"
	contents "$work/$to.out" >"$work/received"
	cmp "$work/sent" "$work/received" ||
		fail "sent $(wc -l <"$work/sent"), received $(wc -l <"$work/received") packets," \
			"not the same"
done
say "all $((2 * packets)) packets came out unchanged, in order"

say "bursts circling for $load_seconds s"
testpmd "$load_seconds" -- --forward-mode=macswap --tx-first --nb-cores=1 --total-num-mbufs=4096
expect_dma 1000000 1000000
for way in "0 1" "1 0"; do
	read -r from to <<<"$way"
	sent=$(count "$from" TX-packets)
	received=$(count "$to" RX-packets)
	say "port $from sent ${sent:-0}, port $to received ${received:-0}"
	((${received:-0} > 10000)) || fail_showing "hardly any packets"
	# At the end a ring full may be under way; of a burst the first goes out before counting.
	((received <= sent + 1024 && sent - received <= 1024)) || fail "packets were lost or doubled"
done
passed
