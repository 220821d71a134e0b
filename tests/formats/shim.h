/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The little of the kernel that its page-table code wants, for user space: included before each of
 * Linux's files, whose own includes find empty headers (formats-linux.sh). Physical addresses are
 * the process's own. One thread, nothing is cached, memory does not run out.
 */
#ifndef IOAS_TESTS_FORMATS_SHIM_H
#define IOAS_TESTS_FORMATS_SHIM_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux.h"

/* Types. */
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef u64 dma_addr_t;
typedef u64 phys_addr_t;
typedef unsigned int gfp_t;
typedef int spinlock_t;

#define GFP_KERNEL 0u
#define U8_MAX	   UINT8_MAX
#define U32_MAX	   UINT32_MAX
#define U64_MAX	   UINT64_MAX

/* The compiler. */
#define __always_inline inline __attribute__((always_inline))
#define __maybe_unused	__attribute__((unused))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define static_assert _Static_assert
#define BUILD_BUG()			    ((void)0)
#define READ_ONCE(x)			    __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)		    __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define container_of(p, type, member)	    ((type *)((char *)(p)-offsetof(type, member)))
#define container_of_const(p, type, member) container_of(p, type, member)

#define SHIM_JOIN(a, b)	  a##b
#define CONCATENATE(a, b) SHIM_JOIN(a, b)
#define SHIM_STRING(...)  #__VA_ARGS__
#define __stringify(...)  SHIM_STRING(__VA_ARGS__)

/* IS_ENABLED(CONFIG_X): 1 if that is defined as 1. */
#define SHIM_ON_1	       ~, 1
#define SHIM_SECOND(a, b, ...) b
#define SHIM_PICK(...)	       SHIM_SECOND(__VA_ARGS__)
#define SHIM_ENABLED(value)    SHIM_PICK(SHIM_ON_##value, 0, 0)
#define IS_ENABLED(option)     SHIM_ENABLED(option)
#define CONFIG_SMP	       1
#define CONFIG_X86	       1
#define CONFIG_IOMMU_PT	       1
#define CONFIG_IOMMUFD_DRIVER  1
#define CONFIG_IOMMUFD_TEST    1

/* What the kernel would warn of ends the test. */
static inline bool shim_warn(bool condition, const char *text)
{
	if (condition) {
		fprintf(stderr, "Linux warns: %s\n", text);
		abort();
	}
	return condition;
}
#define WARN_ON(condition)	       shim_warn(condition, #condition)
#define WARN_ONCE(condition, text)     shim_warn(condition, text)
#define pr_err_ratelimited(...)	       ((void)0)
#define dev_err(dev, ...)	       ((void)(dev))
#define EXPORT_SYMBOL_NS_GPL(name, ns) _Static_assert(1, "")
#define MODULE_LICENSE(text)	       _Static_assert(1, "")
#define MODULE_DESCRIPTION(text)       _Static_assert(1, "")
#define MODULE_IMPORT_NS(text)	       _Static_assert(1, "")

/* Bits and numbers. */
#define BIT(n)			(1ul << (n))
#define BIT_ULL(n)		(1ull << (n))
#define GENMASK_ULL(hi, lo)	((~0ull >> (63 - (hi))) & (~0ull << (lo)))
#define GENMASK(hi, lo)		GENMASK_ULL(hi, lo)
#define FIELD_GET(mask, value)	((u64)((value) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, value) (((u64)(value) << __builtin_ctzll(mask)) & (mask))
#define __bf_shf(mask)		__builtin_ctzll(mask)
#define DIV_ROUND_UP(n, d)	(((n) + (d)-1) / (d))
#define SZ_4K			0x1000ul
#define SZ_16K			0x4000ul
#define SZ_64K			0x10000ul
#define SZ_2M			0x200000ul
#define SZ_32M			0x2000000ul
#define SZ_512M			0x20000000ul
#define SZ_1G			0x40000000ul
#define SZ_512G			0x8000000000ul
#define PAGE_SHIFT		12
#define PAGE_SIZE		BIT(PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define NUMA_NO_NODE		(-1)
#define ilog2(n)		(63 - __builtin_clzll(n))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(type, a, b)	min((type)(a), (type)(b))

static inline unsigned int fls(unsigned int v)
{
	return v ? 32 - (unsigned int)__builtin_clz(v) : 0;
}

static inline unsigned int fls64(u64 v)
{
	return v ? 64 - (unsigned int)__builtin_clzll(v) : 0;
}

static inline unsigned long __ffs(unsigned long v)
{
	return (unsigned long)__builtin_ctzl(v);
}

static inline unsigned long __ffs64(u64 v)
{
	return (unsigned long)__builtin_ctzll(v);
}

static inline unsigned long __fls(unsigned long v)
{
	return 63 - (unsigned long)__builtin_clzl(v);
}

static inline unsigned long ffz(unsigned long v)
{
	return __ffs(~v);
}

static inline bool check_add_overflow(unsigned long a, unsigned long b, unsigned long *sum)
{
	return __builtin_add_overflow(a, b, sum);
}

/* Atomics and locks. */
static inline bool shim_cmpxchg(u64 *p, u64 *old, u64 new)
{
	return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
#define try_cmpxchg64(p, old, new)	   shim_cmpxchg(p, old, new)
#define try_cmpxchg64_release(p, old, new) shim_cmpxchg(p, old, new)
#define try_cmpxchg_release(p, old, new)                                                           \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

static inline u64 cmpxchg64_relaxed(u64 *p, u64 old, u64 new)
{
	shim_cmpxchg(p, &old, new);
	return old;
}

static inline void set_bit(unsigned int n, unsigned long *p)
{
	__atomic_fetch_or(p, BIT(n), __ATOMIC_SEQ_CST);
}
#define smp_mb()			    ((void)0)
#define wmb()				    ((void)0)
#define dma_wmb()			    ((void)0)
#define spin_lock_irqsave(lock, flags)	    ((void)(lock), (flags) = 0)
#define spin_unlock_irqrestore(lock, flags) ((void)(lock), (void)(flags))

/* Memory. */
#define virt_to_phys(p)	    ((phys_addr_t)(uintptr_t)(p))
#define phys_to_virt(pa)    ((void *)(uintptr_t)(pa))
#define __va(pa)	    phys_to_virt(pa)
#define kmalloc_obj(object) malloc(sizeof(object))
#define kfree(p)	    free(p)
#define ERR_PTR(error)	    ((void *)(intptr_t)(error))
#define PTR_ERR(p)	    ((int)(intptr_t)(p))
#define IS_ERR(p)	    ((uintptr_t)(p) >= (uintptr_t)-4095)
#define __sme_set(x)	    (x)
#define __sme_clr(x)	    (x)
#define memset_after(object, value, member)                                                        \
	memset((char *)(object) + offsetof(__typeof__(*(object)), member) +                        \
		       sizeof((object)->member),                                                   \
	       value,                                                                              \
	       sizeof(*(object)) - offsetof(__typeof__(*(object)), member) -                       \
		       sizeof((object)->member))

static inline void memset64(u64 *p, u64 v, size_t n)
{
	while (n--)
		*p++ = v;
}

struct device;
#define dev_to_node(dev) 0
enum { DMA_TO_DEVICE };
#define dma_map_single(dev, p, size, direction)		      virt_to_phys(p)
#define dma_unmap_single(dev, dma, size, direction)	      ((void)0)
#define dma_mapping_error(dev, dma)			      0
#define dma_sync_single_for_device(dev, dma, size, direction) ((void)0)

/* Tables, and lists of those on their way back. */
struct list_head {
	struct shim_page *first;
};
#define INIT_LIST_HEAD(list) ((list)->first = NULL)
struct iommu_pages_list {
	struct list_head pages;
};
#define IOMMU_PAGES_LIST_INIT(name)                                                                \
	{                                                                                          \
		{                                                                                  \
			NULL                                                                       \
		}                                                                                  \
	}
#define __IOMMU_PAGES_H

static inline void *iommu_alloc_pages_node_sz(int node, gfp_t gfp, size_t size)
{
	return shim_alloc(size);
}

static inline void iommu_free_pages(void *table)
{
	if (table)
		shim_free(table);
}

static inline void iommu_pages_list_add(struct iommu_pages_list *list, void *table)
{
	struct shim_page *page = shim_page(table);

	page->next = list->pages.first;
	list->pages.first = page;
}

static inline bool iommu_pages_list_empty(struct iommu_pages_list *list)
{
	return !list->pages.first;
}

static inline void iommu_pages_list_splice(struct iommu_pages_list *from,
					   struct iommu_pages_list *to)
{
	struct shim_page **end = &to->pages.first;

	while (*end)
		end = &(*end)->next;
	*end = from->pages.first;
}

static inline void iommu_put_pages_list(struct iommu_pages_list *list)
{
	struct shim_page *next;

	for (struct shim_page *page = list->pages.first; page; page = next) {
		next = page->next;
		shim_free(shim_table(page));
	}
	list->pages.first = NULL;
}
#define iommu_pages_start_incoherent(p, dev)		  0
#define iommu_pages_start_incoherent_list(list, dev)	  0
#define iommu_pages_stop_incoherent_list(list, dev)	  ((void)0)
#define iommu_pages_flush_incoherent(dev, p, offset, len) ((void)0)
#define iommu_pages_free_incoherent(p, dev)		  iommu_free_pages(p)

/* IOMMU domains. */
enum {
	IOMMU_READ = 1,
	IOMMU_WRITE = 2,
	IOMMU_CACHE = 4,
	IOMMU_NOEXEC = 8,
	IOMMU_MMIO = 16,
	IOMMU_PRIV = 32,
};
enum { __IOMMU_DOMAIN_PAGING = 1, IOMMU_DIRTY_NO_CLEAR = 1 };

struct iommu_domain {
	unsigned int type;
	unsigned long pgsize_bitmap;
	bool is_iommupt;
	struct {
		dma_addr_t aperture_start, aperture_end;
		bool force_aperture;
	} geometry;
};

struct iommu_iotlb_gather {
	struct iommu_pages_list freelist;
	struct {
		u8 leaf_levels_bitmap, table_levels_bitmap;
	} pt;
};

struct iova_bitmap; /* linux.c */
struct iommu_dirty_bitmap {
	struct iova_bitmap *bitmap;
	struct iommu_iotlb_gather *gather;
};
void iova_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova, size_t len);

static inline void iommu_iotlb_gather_init(struct iommu_iotlb_gather *gather)
{
	*gather = (struct iommu_iotlb_gather){0};
}

static inline void iommu_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static inline void iommu_dirty_bitmap_record(struct iommu_dirty_bitmap *dirty, unsigned long iova,
					     unsigned long len)
{
	iova_bitmap_set(dirty->bitmap, iova, len);
}
#define iommu_iotlb_gather_queued(gather)		       false
#define iommu_iotlb_gather_is_disjoint(gather, iova, len)      false
#define iommu_iotlb_gather_add_range(gather, iova, len)	       ((void)(gather))
#define iommu_iotlb_gather_add_page(domain, gather, iova, len) ((void)(gather))

#endif
