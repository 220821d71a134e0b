#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# QEMU's user-space NVMe driver, in qemu-io and qemu-img. The same commands go to an image through the
# NVMe device and to a copy of it as a plain file; in the end the two files must be the same.
. "$(dirname "$0")/common.sh"
need_ioas
need qemu-io qemu-utils
need qemu-img qemu-utils
bdf=0000:01:00.0
url=nvme://$bdf/1

head -c 32M /dev/urandom >"$work/disk.img"
cp "$work/disk.img" "$work/twin.img"
head -c 3M /dev/urandom >"$work/content"

# nvme COMMAND...: a program on the device.
nvme()
{
	on_ioas 100 --device "nvme,file=$work/disk.img,bdf=$bdf" -- "$@" </dev/null
	# qemu-io says so and exits 0 for some commands.
	! grep -iE 'failed|error|invalid' "$work/out" >&2 || fail "$1 $2: see above"
}

# Patterns of several sizes and alignments, written one after another, many at once, and over each
# other; each read back and compared by qemu-io itself.
commands=(
	-c 'write -P 0x5a 0 4k' -c 'read -P 0x5a 0 4k'
	-c 'write -P 0xa5 4k 512' -c 'read -P 0xa5 4k 512'
	-c 'write -P 0x11 1m 1m' -c 'read -P 0x11 1m 1m'
	-c 'write -P 0x22 1536k 2m' -c 'read -P 0x11 1m 512k' -c 'read -P 0x22 1536k 2m'
	-c 'writev -P 0x33 5m 4k 64k 512 28160 1m' -c 'read -P 0x33 5m 1146368'
	-c 'write -z 7m 256k' -c 'read -P 0 7m 256k'
	-c "write -s $work/content 8m 3m"
	-c 'write -P 0x77 33553920 512' -c 'read -P 0x77 33553920 512'
)
for ((i = 0; i < 64; i++)); do
	commands+=(-c "aio_write -q -P $((i + 1)) $((16384 + i * 60))k 60k")
done
commands+=(-c aio_flush)
for ((i = 0; i < 64; i++)); do
	commands+=(-c "aio_read -q -P $((i + 1)) $((16384 + i * 60))k 60k")
done
commands+=(-c aio_flush -c flush)

say "qemu-io: patterns through $url, written and read back"
nvme qemu-io "${commands[@]}" "$url"
expect_dma 10000000 8000000
say "the image must now equal a plain file that had the same commands"
qemu-io -f raw "${commands[@]}" "$work/twin.img" >"$work/out" 2>&1 ||
	fail_showing "qemu-io on the plain file"
cmp "$work/disk.img" "$work/twin.img"

say "qemu-img: the whole device out, and a whole file in"
nvme qemu-img convert -f raw -O raw "$url" "$work/out.img"
expect_dma 0 $((32 << 20))
cmp "$work/out.img" "$work/twin.img"
head -c 32M /dev/urandom >"$work/new.img"
nvme qemu-img convert -n -f raw -O raw "$work/new.img" "$url"
expect_dma $((32 << 20)) 0
cmp "$work/disk.img" "$work/new.img"

say "a wrong pattern must be found"
if "${ioas_run[@]}" --device "nvme,file=$work/disk.img,bdf=$bdf" -- \
	qemu-io -c 'write -q -P 1 0 4k' -c 'read -P 2 0 4k' "$url" >"$work/out" 2>&1 </dev/null; then
	fail "qemu-io did not notice a wrong pattern"
fi
grep -q 'Pattern verification failed' "$work/out" || fail_showing "no verification"
passed
