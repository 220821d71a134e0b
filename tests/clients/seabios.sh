#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A PC's firmware boots from a passed-through NVMe: SeaBIOS finds the controller, loads the boot sector (guest/mbr.S), and that
# reads and writes by the firmware's driver. The image tells what was written.
. "$(dirname "$0")/common.sh"
need_ioas
need qemu-system-x86_64 qemu-system-x86
bdf=0000:01:00.0

make_disk()
{
	gcc -m32 -c -o "$work/mbr.o" "$clients/guest/mbr.S"
	ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e start -o "$work/mbr" "$work/mbr.o"
	(($(stat -c %s "$work/mbr") == 512)) || fail "the boot sector is not 512 bytes long"
	head -c 1M /dev/urandom >"$work/disk.img"
	dd if="$work/mbr" of="$work/disk.img" conv=notrunc status=none
	cp "$work/disk.img" "$work/before.img"
}

# What the boot sector makes of the blocks, with the image before.
expected()
{
	python3 - "$work/before.img" "$work/expected.img" <<-'PYTHON'
	import array, sys
	disk = bytearray(open(sys.argv[1], "rb").read())
	words = array.array("I", disk[8 * 512:72 * 512])
	print("%08x" % (sum(words) & 0xffffffff))
	disk[128 * 512:192 * 512] = array.array("I", ((w + 1) & 0xffffffff for w in words)).tobytes()
	open(sys.argv[2], "wb").write(disk)
	PYTHON
}

# boot MAKE...: under ioas with these options.
boot()
{
	local sum status=0

	make_disk
	sum=$(expected)
	say "SeaBIOS on NVMe $bdf ($*)"
	bounded 120 "${ioas_run[@]}" "$@" --device "nvme,file=$work/disk.img,bdf=$bdf" -- \
		qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -machine q35 -accel tcg -m 64 \
		-device "vfio-pci,host=$bdf" -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-chardev "file,id=bios,path=$work/out" -device isa-debugcon,iobase=0x402,chardev=bios \
		-serial "file:$work/serial" </dev/null 2>"$work/err" || status=$?
	# What the boot sector ends QEMU with: 2 * 0x10 + 1.
	((status == 33)) || fail_showing "status $status of QEMU"
	show_summary
	sed 's/^/    /' "$work/serial"
	grep -qx "mbr: sum $sum" "$work/serial" || fail "the sum is not $sum"
	cmp "$work/disk.img" "$work/expected.img"
	expect_dma 30000 30000
}

boot --iommu vtd
boot --iommu amd --vfio-container=iommufd
passed
