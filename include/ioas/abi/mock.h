/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ABI of the make mock: the test command that Linux's iommufd offers when it is built with its
 * test driver (Linux 7.3), and the data that go with that driver's types. For test programs; not
 * installed.
 *
 * Names, numbers and layouts are the kernel's, so that its own selftest, which brings a header of
 * its own, finds what it expects.
 */
#ifndef IOAS_ABI_MOCK_H
#define IOAS_ABI_MOCK_H

#include <ioas/abi/iommufd.h>

#define IOMMU_TEST_CMD _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32)

/* The operations; in brackets what the member `id` of the command names. */
enum {
	IOMMU_TEST_OP_ADD_RESERVED = 1,		 /* reserve IOVAs of an IOAS [IOAS] */
	IOMMU_TEST_OP_MOCK_DOMAIN = 2,		 /* make a device and attach it [IOAS or HWPT] */
	IOMMU_TEST_OP_MD_CHECK_MAP = 3,		 /* does it show this memory? [HWPT] */
	IOMMU_TEST_OP_MD_CHECK_REFS = 4,	 /* is this memory pinned so often? */
	IOMMU_TEST_OP_CREATE_ACCESS = 5,	 /* [IOAS] */
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6,	 /* [access fd] */
	IOMMU_TEST_OP_ACCESS_PAGES = 7,		 /* pin [access fd] */
	IOMMU_TEST_OP_ACCESS_RW = 8,		 /* copy [access fd] */
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9, /* how much to work on at a time */
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10,	 /* [test device] */
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11,	 /* [access fd] */
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12,	 /* MOCK_DOMAIN with flags [IOAS or HWPT] */
	IOMMU_TEST_OP_DIRTY = 13,		 /* write to these pages, as a device [HWPT] */
	IOMMU_TEST_OP_MD_CHECK_IOTLB = 14,	 /* [nested HWPT] */
	IOMMU_TEST_OP_TRIGGER_IOPF = 15,	 /* a device asks for a page */
	IOMMU_TEST_OP_DEV_CHECK_CACHE = 16,	 /* [device] */
	IOMMU_TEST_OP_TRIGGER_VEVENT = 17,	 /* an event for a device's vIOMMU */
	IOMMU_TEST_OP_PASID_ATTACH = 18,	 /* [test device] */
	IOMMU_TEST_OP_PASID_REPLACE = 19,	 /* [test device] */
	IOMMU_TEST_OP_PASID_DETACH = 20,	 /* [test device] */
	IOMMU_TEST_OP_PASID_CHECK_HWPT = 21,	 /* [test device] */
	IOMMU_TEST_OP_DMABUF_GET = 22,		 /* the fd is the command's result */
	IOMMU_TEST_OP_DMABUF_REVOKE = 23,
};

/* pagetable_type of struct iommu_hwpt_selftest. */
enum { MOCK_IOMMUPT_DEFAULT = 0, MOCK_IOMMUPT_HUGE = 1 };

#define MOCK_APERTURE_START (1ull << 24)
#define MOCK_APERTURE_LAST  ((1ull << 31) - 1)
#define MOCK_PAGE_SIZE	    2048
#define MOCK_HUGE_PAGE_SIZE (512 * MOCK_PAGE_SIZE)

/* Flags of ACCESS_PAGES. SYZ: the IOVA is (area number, offset) instead, for fuzzers. */
enum { MOCK_FLAGS_ACCESS_WRITE = 1 << 0, MOCK_FLAGS_ACCESS_SYZ = 1 << 16 };
/* Flags of ACCESS_RW, beside MOCK_FLAGS_ACCESS_SYZ. */
enum { MOCK_ACCESS_RW_WRITE = 1 << 0, MOCK_ACCESS_RW_SLOW_PATH = 1 << 2 };
enum { MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1 << 0 };
enum { MOCK_FLAGS_DEVICE_NO_DIRTY = 1 << 0, MOCK_FLAGS_DEVICE_PASID = 1 << 2 };

#define MOCK_NESTED_DOMAIN_IOTLB_NUM	4
#define MOCK_NESTED_DOMAIN_IOTLB_ID_MAX (MOCK_NESTED_DOMAIN_IOTLB_NUM - 1)
#define MOCK_DEV_CACHE_NUM		4
#define MOCK_DEV_CACHE_ID_MAX		(MOCK_DEV_CACHE_NUM - 1)
#define MOCK_PASID_WIDTH		20
/* Every second attachment of this PASID fails, so that the way back is tried. */
#define IOMMU_TEST_PASID_RESERVED 1024

struct iommu_test_cmd {
	__u32 size;
	__u32 op;
	__u32 id;
	__u32 __reserved;
	union {
		struct {
			__aligned_u64 start;
			__aligned_u64 length;
		} add_reserved;
		struct {
			__u32 out_stdev_id; /* what detaches and removes the device when destroyed
					     */
			__u32 out_hwpt_id;
			__u32 out_idev_id; /* the DEVICE object */
		} mock_domain;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
			__u32 dev_flags; /* MOCK_FLAGS_DEVICE_ */
		} mock_domain_flags;
		struct {
			__u32 pt_id;
		} mock_domain_replace;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} check_map;
		struct {
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 refs;
		} check_refs;
		struct {
			__u32 out_access_fd;
			__u32 flags;
		} create_access;
		struct {
			__u32 access_pages_id;
		} destroy_access_pages;
		struct {
			__u32 flags;
			__u32 out_access_pages_id;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} access_pages;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 flags;
		} access_rw;
		struct {
			__u32 limit;
		} memory_limit;
		struct {
			__u32 ioas_id;
		} access_replace_ioas;
		struct {
			__u32 flags;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size;
			__aligned_u64 uptr;
			__aligned_u64 out_nr_dirty;
		} dirty;
		struct {
			__u32 id;
			__u32 iotlb;
		} check_iotlb;
		struct {
			__u32 dev_id;
			__u32 pasid; /* 0: none */
			__u32 grpid;
			__u32 perm;
			__u64 addr;
		} trigger_iopf;
		struct {
			__u32 id;
			__u32 cache;
		} check_dev_cache;
		struct {
			__u32 dev_id;
		} trigger_vevent;
		struct {
			__u32 pasid;
			__u32 pt_id;
		} pasid_attach;
		struct {
			__u32 pasid;
			__u32 pt_id;
		} pasid_replace;
		struct {
			__u32 pasid;
		} pasid_detach;
		struct {
			__u32 pasid;
			__u32 hwpt_id; /* 0: nothing is attached */
		} pasid_check;
		struct {
			__u32 length;
			__u32 open_flags;
		} dmabuf_get;
		struct {
			__s32 dmabuf_fd;
			__u32 revoked;
		} dmabuf_revoke;
	};
	__u32 last;
};

/* GET_HW_INFO. */
#define IOMMU_HW_INFO_TYPE_SELFTEST   0xfeedbeef
#define IOMMU_HW_INFO_SELFTEST_REGVAL 0xdeadbeef

struct iommu_test_hw_info {
	__u32 flags;
	__u32 test_reg;
};

/* HWPT_ALLOC: of a nested HWPT, and as an option of a paging one. */
#define IOMMU_HWPT_DATA_SELFTEST     0xdead
#define IOMMU_TEST_IOTLB_DEFAULT     0xbadbeef
#define IOMMU_TEST_DEV_CACHE_DEFAULT 0xbaddad

struct iommu_hwpt_selftest {
	__u32 iotlb; /* what each entry of the IOTLB array begins with; data may end here */
	__u32 pagetable_type;
};

#define IOMMU_TEST_INVALIDATE_FLAG_ALL (1 << 0)

/* HWPT_INVALIDATE of a nested HWPT: an entry becomes 0, or all of them. */
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST 0xdeadbeef

struct iommu_hwpt_invalidate_selftest {
	__u32 flags;
	__u32 iotlb_id;
};

/* VIOMMU_ALLOC, data optional: a word that comes back, and stands at the beginning of the region.
 */
#define IOMMU_VIOMMU_TYPE_SELFTEST 0xdeadbeef

struct iommu_viommu_selftest {
	__u32 in_data;
	__u32 out_data;
	__aligned_u64 out_mmap_offset;
	__aligned_u64 out_mmap_length;
};

/* HWPT_INVALIDATE of a vIOMMU: the same on the cache of one of its devices. */
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST 0xdeadbeef

struct iommu_viommu_invalidate_selftest {
	__u32 flags;
	__u32 vdev_id;
	__u32 cache_id;
};

/* VEVENTQ_ALLOC, and one event. */
#define IOMMU_VEVENTQ_TYPE_SELFTEST 0xbeefbeef

struct iommu_viommu_event_selftest {
	__u32 virt_id;
};

/* HW_QUEUE_ALLOC: two queues, made in order and destroyed in the reverse order. */
#define IOMMU_HW_QUEUE_TYPE_SELFTEST 0xdeadbeef
#define IOMMU_TEST_HW_QUEUE_MAX	     2

#define IOAS_ABI_ASSERT(expression) _Static_assert(expression, #expression)
IOAS_ABI_ASSERT(sizeof(struct iommu_test_cmd) == 72);
IOAS_ABI_ASSERT(offsetof(struct iommu_test_cmd, add_reserved) == 16);
IOAS_ABI_ASSERT(offsetof(struct iommu_test_cmd, dirty.out_nr_dirty) == 56);
IOAS_ABI_ASSERT(offsetof(struct iommu_test_cmd, trigger_iopf.addr) == 32);
IOAS_ABI_ASSERT(offsetof(struct iommu_test_cmd, last) == 64);
IOAS_ABI_ASSERT(sizeof(struct iommu_viommu_selftest) == 24);
IOAS_ABI_ASSERT(sizeof(struct iommu_viommu_invalidate_selftest) == 12);
#undef IOAS_ABI_ASSERT

#endif
