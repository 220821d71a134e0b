/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VMM hands to a make as the make's specification lays it out: a structure, or an array of
 * entries, in memory that only its owner can reach.
 *
 * The make copies in what it wants, once, into a local that it checks; it never sees a pointer.
 * Whether the bytes come from a program's ioctl, a guest's memory or a test is the business of
 * whoever fills the ops.
 */
#ifndef IOAS_IOMMU_USER_H
#define IOAS_IOMMU_USER_H

#include <stddef.h>
#include <stdint.h>

struct user_ops {
	/* 0 or -EFAULT; nothing is assumed about alignment. */
	int (*copy_in)(void *arg, void *dst, uint64_t src, size_t len);
	int (*copy_out)(void *arg, uint64_t dst, const void *src, size_t len);
};

/* One structure. @len is what the caller says, never 0. */
struct user_data {
	const struct user_ops *ops;
	void *arg;
	uint32_t type;
	uint64_t addr;
	size_t len;
};

/* @entry_num entries of @entry_len bytes one behind the other. INV.2 was checked: when there are
 * any, @entry_len is 1 to 4096. */
struct user_array {
	const struct user_ops *ops;
	void *arg;
	uint32_t type;
	uint64_t addr;
	uint32_t entry_len, entry_num;
};

/*
 * The copy rule of semantics 4.1 for a structure of which we know @size bytes and an older caller
 * @min: -EINVAL for another
 * @type, for fewer than @min bytes and for more than @size; -EFAULT; else 0, the missing tail zero.
 */
int user_get(const struct user_data *u, uint32_t type, void *dst, size_t size, size_t min);
/* The same of entry @index, which must be one of the array's. */
int user_get_entry(const struct user_array *a, uint32_t type, uint32_t index, void *dst,
		   size_t size, size_t min);
/*
 * All entries, of @size bytes each, into @dst, which has room for them. Longer ones are accepted
 * when their tail is zero
 * (-E2BIG otherwise), shorter ones read as zero-extended; -EINVAL for another @type and when there
 * are none; -EFAULT.
 */
int user_get_all(const struct user_array *a, uint32_t type, void *dst, size_t size);
/* Back to the caller: at most @u->len bytes of @src. Errors as user_get(). */
int user_put(const struct user_data *u, uint32_t type, const void *src, size_t size, size_t min);

#define user_min(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))

#endif
