#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The examples on both roads. They compare every byte themselves; the NVMe one's write must also be
# found in, and its restoring must leave no trace in, the image.
. "$(dirname "$0")/common.sh"
need_ioas
bdf=0000:01:00.0

# example NAME RUN-OPTION... -- ARGUMENT...
example()
{
	local name=$1 options=()

	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	say "$name $* (${options[*]})"
	on_ioas 60 "${options[@]}" -- "$EXAMPLES/$name" "$@" "$bdf" </dev/null
	head -n 12 "$work/out" | sed 's/^/    /'
}

head -c 16M /dev/urandom >"$work/disk.img"
cp "$work/disk.img" "$work/before.img"
seed=$(new_seed)

for make in vtd amd; do
	for road in type1 iommufd; do
		example dma-copy --iommu "$make" --device "ioat,bdf=$bdf" -- \
			--road=$road --seed="$seed" --count=2000
		expect_dma 10000000 10000000
		example dma-copy --iommu "$make" --device "ioat,bdf=$bdf" -- \
			--road=$road --seed="$seed" --irq --fault
		expect_dma 5000000 5000000 2
		example nvme-identify --iommu "$make" --device "nvme,file=$work/disk.img,bdf=$bdf" -- \
			--road=$road --write-read
		expect_dma 1024 5000
		example nvme-identify --iommu "$make" --device "nvme,file=$work/disk.img,bdf=$bdf" -- \
			--road=$road --no-mmap --read=7
		expect_dma 128 5000
		cmp "$work/disk.img" "$work/before.img"
	done
done
for make in vtd,first-stage amd,pgtbl=v2 smmuv3 riscv s390 power; do
	example dma-copy --iommu "$make" --device "ioat,bdf=$bdf" -- \
		--road=type1 --seed="$seed" --irq --fault
	expect_dma 5000000 5000000 2
	example nvme-identify --iommu "$make" --device "nvme,file=$work/disk.img,bdf=$bdf" -- \
		--road=iommufd --write-read
	expect_dma 1024 5000
	cmp "$work/disk.img" "$work/before.img"
done
say "iommufd as the container"
example dma-copy --vfio-container=iommufd --device "ioat,bdf=$bdf" -- --road=type1 --seed="$seed"
expect_dma 5000000 5000000
passed
