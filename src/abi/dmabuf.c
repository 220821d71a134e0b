/* SPDX-License-Identifier: BSD-3-Clause */
#include "abi/dmabuf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "object/host.h"

struct dmabuf_file {
	struct abi_file file;
	struct host *host; /* whose memory it is of */
	struct dmabuf *dmabuf;
};

static long dmabuf_ioctl(struct abi_file *file, unsigned int cmd, uint64_t arg, struct caller *c)
{
	return -ENOTTY;
}

static void dmabuf_release(struct abi_file *file)
{
	struct dmabuf_file *f = container_of(file, struct dmabuf_file, file);

	dmabuf_put(f->dmabuf);
	host_put(f->host);
	ioas_free(f);
}

static const struct abi_file_ops dmabuf_ops = {
	.kind = ABI_OTHER,
	.ioctl = dmabuf_ioctl,
	.release = dmabuf_release,
};

int abi_open_dmabuf(struct host *h, struct dmabuf *d, struct abi_file **out)
{
	struct dmabuf_file *f = ioas_calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	host_get(h);
	f->host = h;
	f->dmabuf = d;
	abi_file_init(&f->file, &dmabuf_ops, h);
	*out = &f->file;
	return 0;
}

struct dmabuf *abi_file_dmabuf(struct abi_file *f)
{
	return f->ops == &dmabuf_ops ? container_of(f, struct dmabuf_file, file)->dmabuf : NULL;
}
