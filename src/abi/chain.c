/* SPDX-License-Identifier: BSD-3-Clause */
#include "abi/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ioas/abi/vfio.h>

#include "base/alloc.h"
#include "base/bits.h"

void chain_init(struct chain *c, size_t base)
{
	*c = (struct chain){.base = align_up(base, 8)};
}

void chain_free(struct chain *c)
{
	ioas_free(c->buf);
	c->buf = NULL;
}

int chain_add(struct chain *c, uint16_t id, uint16_t version, const void *body, size_t len)
{
	struct vfio_info_cap_header header = {.id = id, .version = version};
	size_t at = c->len, size = align_up(sizeof(header) + len, 8);
	uint32_t next = (uint32_t)(c->base + at);
	uint8_t *buf = ioas_realloc(c->buf, at + size);

	if (!buf)
		return -ENOMEM;
	c->buf = buf;
	memset(buf + at, 0, size);
	memcpy(buf + at, &header, sizeof(header));
	memcpy(buf + at + sizeof(header), body, len);
	if (at)
		memcpy(buf + c->prev + offsetof(struct vfio_info_cap_header, next), &next,
		       sizeof(next));
	c->prev = at;
	c->len = at + size;
	return 0;
}

size_t chain_total(const struct chain *c)
{
	return c->base + c->len;
}
