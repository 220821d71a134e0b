/* SPDX-License-Identifier: BSD-3-Clause */
#include "abi/file.h"

void abi_file_init(struct abi_file *f, const struct abi_file_ops *ops)
{
	f->ops = ops;
	f->refs = 1;
	f->door = NULL;
}

void abi_file_get(struct abi_file *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
}

void abi_file_put(struct abi_file *f)
{
	if (!__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		f->ops->release(f);
}
