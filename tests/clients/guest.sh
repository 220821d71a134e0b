# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the tests with a guest share; sourced after common.sh. The caller sets qemu (the program) and
# road, legacy (/dev/vfio/GROUP, type1) or cdev (/dev/iommu, /dev/vfio/devices/vfioN); and may set machine,
# arguments for QEMU that come before the devices: an IOMMU.
machine=()

# device_arguments BDF...: sets the array arguments to what passes these devices to a guest.
device_arguments()
{
	local bdf

	arguments=("${machine[@]}")
	[[ $road == legacy ]] || arguments+=(-object "iommufd,id=iommufd0")
	for bdf in "$@"; do
		if [[ $road == legacy ]]; then
			arguments+=(-device "vfio-pci,host=$bdf")
		else
			arguments+=(-device "vfio-pci,host=$bdf,iommufd=iommufd0")
		fi
	done
}

# boot_guest RUN-OPTIONS -- BOOT-OPTIONS -- BDF...
boot_guest()
{
	local run=() boot=()

	while [[ $1 != -- ]]; do run+=("$1"); shift; done
	shift
	while [[ $1 != -- ]]; do boot+=("$1"); shift; done
	shift
	device_arguments "$@"
	say "${run[*]} -- ${qemu##*/} ${arguments[*]}"
	bounded 170 "$clients/guest/boot" --timeout 160 "${boot[@]}" -- \
		"${ioas_run[@]}" "${run[@]}" -- "$qemu" "${arguments[@]}" \
		</dev/null > >(sed -u 's/^/    /') 2>"$work/err" || fail_showing "the guest"
	show_summary
}

guest_nvme()
{
	local bdf=0000:01:00.0 seed kernel

	kernel=$(reference guest-kernel)
	seed=$(new_seed)
	"$clients/guest/disk" make "$work/disk.img" "$IOAS" "$kernel/vmlinuz"
	boot_guest "$@" --device "nvme,file=$work/disk.img,bdf=$bdf" -- \
		--kernel "$kernel" --do nvme --seed "$seed" -- "$bdf"
	expect_dma 10000000 18000000
	"$clients/guest/disk" check "$work/disk.img" "$seed" || fail "what is on the disk"
}

# UEFI's firmware boots from the disk's second namespace.
guest_uefi()
{
	local bdf=0000:01:00.0 seed kernel

	need mformat mtools
	[[ -r /usr/share/OVMF/OVMF_CODE_4M.fd ]] || skip "no OVMF; scripts/setup --tests installs it (package ovmf)"
	kernel=$(reference guest-kernel)
	seed=$(new_seed)
	"$clients/guest/disk" make "$work/disk.img" "$IOAS" "$kernel/vmlinuz"
	boot_guest "$@" --device "nvme,file=$work/disk.img,file2=$work/esp.img,bdf=$bdf" -- \
		--kernel "$kernel" --do nvme --seed "$seed" --esp "$work/esp.img" -- "$bdf"
	expect_dma 10000000 25000000
	"$clients/guest/disk" check "$work/disk.img" "$seed" || fail "what is on the disk"
}

guest_ioat()
{
	local bdf=0000:01:00.0 kernel

	kernel=$(reference guest-kernel-dmatest)
	boot_guest "$@" --device "ioat,bdf=$bdf" -- --kernel "$kernel" --do ioat --copies 300 -- "$bdf"
	expect_dma 4000000 4000000
}

guest_net()
{
	local a=0000:01:00.0 b=0000:02:00.0 kernel

	kernel=$(reference guest-kernel)
	boot_guest "$@" --device "virtio-net,hub=test,bdf=$a" --device "virtio-net,hub=test,bdf=$b" -- \
		--kernel "$kernel" --do net --seed "$(new_seed)" -- "$a" "$b"
	expect_dma 1000000 1000000
}

# All devices in one guest at once.
guest_all()
{
	local disk=0000:01:00.0 dma=0000:02:00.0 a=0000:03:00.0 b=0000:04:00.0 seed kernel

	kernel=$(reference guest-kernel-dmatest)
	seed=$(new_seed)
	"$clients/guest/disk" make "$work/disk.img" "$IOAS" "$kernel/vmlinuz"
	boot_guest "$@" --device "nvme,file=$work/disk.img,bdf=$disk" --device "ioat,bdf=$dma" \
		--device "virtio-net,hub=test,bdf=$a" --device "virtio-net,hub=test,bdf=$b" -- \
		--kernel "$kernel" --do nvme,ioat,net --seed "$seed" -- "$disk" "$dma" "$a" "$b"
	expect_dma 15000000 23000000
	"$clients/guest/disk" check "$work/disk.img" "$seed" || fail "what is on the disk"
}

# guest_parts PART...: runs the parts of a test by their names.
guest_parts()
{
	local part

	say "$("$qemu" -version | head -n 1), on the $road road"
	for part in "$@"; do
		case $part in
		nvme) guest_nvme --iommu vtd ;;
		uefi) guest_uefi --iommu vtd ;;
		ioat) guest_ioat --iommu vtd ;;
		net) guest_net --iommu vtd ;;
		compat) guest_nvme --iommu amd --vfio-container=iommufd ;;
		all) guest_all --iommu amd ;;
		*) fail "no part is called '$part'" ;;
		esac
	done
}
