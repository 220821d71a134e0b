/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of a dma-buf: nothing but something to hand to MAP_FILE.
 */
#ifndef IOAS_ABI_DMABUF_H
#define IOAS_ABI_DMABUF_H

#include "abi/file.h"

struct dmabuf;

/* Takes over the reference to @d on success. */
int abi_open_dmabuf(struct host *h, struct dmabuf *d, struct abi_file **out);
/* NULL: a file of another kind. The reference is the file's. */
struct dmabuf *abi_file_dmabuf(struct abi_file *f);

#endif
