/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Once the process has opened /dev/kvm no region offers MMAP: what a guest stores would never trap.
 */
#include <linux/kvm.h>

#include "door_test.h"

static bool offers_mmap(int device, unsigned int index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	NEED(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	return info.flags & VFIO_REGION_INFO_FLAG_MMAP;
}

/* QEMU tells KVM of its devices. */
static void test_vfio_device(int kvm, int device)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};
	struct kvm_device_attr attr = {.group = KVM_DEV_VFIO_GROUP, .attr = KVM_DEV_VFIO_GROUP_ADD};
	const int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0 || ioctl(vm, KVM_CREATE_DEVICE, &create))
		return;
	attr.addr = (uint64_t)(uintptr_t)&device;
	CHECK(!ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr));
	attr.attr = KVM_DEV_VFIO_GROUP_DEL;
	CHECK(!ioctl((int)create.fd, KVM_SET_DEVICE_ATTR, &attr));
	close((int)create.fd);
	close(vm);
}

int main(void)
{
	struct scratch s, late;
	uint32_t v = 0x77;
	int kvm;

	scratch_open(&s);
	CHECK(offers_mmap(s.device, 0) && offers_mmap(s.device, 2));
	FAILS(open("/dev/kvm/x", O_RDWR), access("/dev/kvm", F_OK) ? ENOENT : ENOTDIR);
	CHECK(offers_mmap(s.device, 0));
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		CHECK(offers_mmap(s.device, 0));
		fprintf(stderr, "skipped: /dev/kvm cannot be opened here\n");
		return failures ? 1 : SKIP;
	}
	CHECK(!offers_mmap(s.device, 0) && !offers_mmap(s.device, 2));
	FAILS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s.device, 0), EINVAL);
	CHECK(pwrite(s.device, &v, 4, 0x10) == 4 && pread(s.device, &v, 4, 0x10) == 4 && v == 0x77);
	test_vfio_device(kvm, s.device);
	close(kvm);
	scratch_close(&s);
	scratch_open(&late);
	CHECK(!offers_mmap(late.device, 0));
	scratch_close(&late);
	return finish();
}
