/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copying what a VMM hands to a make (semantics 4.1, 4.6).
 */
#include "iommu/user.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

static int check(uint32_t has_type, size_t len, uint32_t type, size_t size, size_t min)
{
	return has_type != type || len < min || len > size ? -EINVAL : 0;
}

/* @len is at most @size. */
static int copy_extended(const struct user_ops *ops, void *arg, void *dst, size_t size,
			 uint64_t src, size_t len)
{
	memset((char *)dst + len, 0, size - len);
	return ops->copy_in(arg, dst, src, len);
}

int user_get(const struct user_data *u, uint32_t type, void *dst, size_t size, size_t min)
{
	int rc = check(u->type, u->len, type, size, min);

	return rc ? rc : copy_extended(u->ops, u->arg, dst, size, u->addr, u->len);
}

int user_put(const struct user_data *u, uint32_t type, const void *src, size_t size, size_t min)
{
	int rc = check(u->type, u->len, type, size, min);

	return rc ? rc : u->ops->copy_out(u->arg, u->addr, src, u->len);
}

static uint64_t entry_at(const struct user_array *a, uint32_t index)
{
	return a->addr + (uint64_t)index * a->entry_len;
}

int user_get_entry(const struct user_array *a, uint32_t type, uint32_t index, void *dst,
		   size_t size, size_t min)
{
	int rc = check(a->type, a->entry_len, type, size, min);

	return rc ? rc : copy_extended(a->ops, a->arg, dst, size, entry_at(a, index), a->entry_len);
}

static int check_tail(const struct user_array *a, uint64_t from, size_t len)
{
	uint8_t chunk[256];

	while (len) {
		size_t n = min_u64(len, sizeof(chunk));
		int rc = a->ops->copy_in(a->arg, chunk, from, n);

		if (rc)
			return rc;
		for (size_t k = 0; k < n; k++)
			if (chunk[k])
				return -E2BIG;
		from += n;
		len -= n;
	}
	return 0;
}

int user_get_all(const struct user_array *a, uint32_t type, void *dst, size_t size)
{
	const size_t n = min_u64(a->entry_len, size);
	int rc = a->type != type || !a->entry_num ? -EINVAL : 0;

	if (!rc && a->entry_len == size)
		return a->ops->copy_in(a->arg, dst, a->addr, size * a->entry_num);
	for (uint32_t k = 0; k < a->entry_num && !rc; k++) {
		rc = check_tail(a, entry_at(a, k) + n, a->entry_len - n);
		if (!rc)
			rc = copy_extended(a->ops, a->arg, (char *)dst + k * size, size,
					   entry_at(a, k), n);
	}
	return rc;
}
