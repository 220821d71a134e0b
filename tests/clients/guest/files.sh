# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=dash
#
# What the guest writes. The guest and the host both run this: the guest on the disk, the host in a
# folder of its own, to compare. So it has only what busybox and coreutils do alike, and says nothing.

# Content that differs in every sector and between seeds.
pattern()
{
	seq "$1" "$(($1 + $2 - 1))"
}

# write_files FOLDER SEED [direct]: makes FOLDER and the files in it. Some content goes through the
# page cache in one piece, some in pieces out of order, some around it.
write_files()
{
	local to=$1 seed=$2 direct=${3:+oflag=direct} i

	mkdir -p "$to/deep/er" || return
	i=0
	while [ $i -lt 24 ]; do
		pattern "$((seed + i * 1000000))" $((1 + i * i * 100)) >"$to/deep/file-$i" || return
		i=$((i + 1))
	done
	pattern "$seed" 500000 >"$to/large" || return
	for i in 3 1 0 2; do
		dd if="$to/large" of="$to/pieces" bs=64k count=4 skip=$((i * 4)) seek=$((i * 4)) \
			conv=notrunc,fsync 2>/dev/null || return
	done
	# shellcheck disable=SC2086 # nothing or one word
	dd if="$to/large" of="$to/direct" bs=128k count=20 $direct 2>/dev/null || return
	mv "$to/deep/file-23" "$to/deep/er/moved" || return
	rm "$to/deep/file-22" || return
	truncate -s 12345 "$to/deep/file-21"
}
