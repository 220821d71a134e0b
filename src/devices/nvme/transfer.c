/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command's data pointer: physical region pages (section 4.3) and scatter gather lists (4.4).
 */
#include <endian.h>
#include <string.h>

#include "devices/nvme/nvme.h"

/* One run of host memory after the other is handed to move(). */
struct transfer {
	struct nvme *n;
	uint8_t *data;
	uint32_t left;
	bool to_host;
};

static uint16_t move(struct transfer *t, uint64_t address, uint64_t len)
{
	struct dma_port *port = pci_port(t->n->dev);
	uint32_t size = (uint32_t)min_u64(len, t->left);
	int rc = t->to_host ? dma_write(port, address, t->data, size) : dma_read(port, address, t->data, size);

	t->data += size;
	t->left -= size;
	return rc ? NVME_DATA_TRANSFER_ERROR : NVME_SUCCESS;
}

#define LIST_CHUNK 64 /* entries of a PRP list or SGL segment read at once */

/* Walks PRP lists: the last entry of a full list page points to the next list. */
static uint16_t move_prp_list(struct transfer *t, uint64_t list)
{
	const uint64_t page = BIT(t->n->page_lg2);
	uint64_t entries[LIST_CHUNK];
	uint16_t status = NVME_SUCCESS;

	while (t->left && !status) {
		uint64_t to_page_end = (page - (list & (page - 1))) / 8;
		uint64_t pages = (t->left + page - 1) / page;
		uint32_t n = (uint32_t)min_u64(min_u64(LIST_CHUNK, to_page_end), pages);

		if (list & 7)
			return NVME_INVALID_PRP_OFFSET;
		if (dma_read(pci_port(t->n->dev), list, entries, n * 8))
			return NVME_DATA_TRANSFER_ERROR;
		for (uint32_t i = 0; i < n && t->left && !status; i++) {
			uint64_t prp = le64toh(entries[i]);

			if (i == to_page_end - 1 && t->left > page) {
				list = prp;
				goto next_list;
			}
			if (prp & (page - 1))
				return NVME_INVALID_PRP_OFFSET;
			status = move(t, prp, page);
		}
		list += n * 8ull;
next_list:;
	}
	return status;
}

static uint16_t move_prps(struct transfer *t, const struct nvme_sqe *e)
{
	const uint64_t page = BIT(t->n->page_lg2);
	uint64_t first = page - (e->dptr[0] & (page - 1));
	uint16_t status;

	if (e->dptr[0] & 3)
		return NVME_INVALID_PRP_OFFSET;
	status = move(t, e->dptr[0], first);
	if (status || !t->left)
		return status;
	if (t->left > page)
		return move_prp_list(t, e->dptr[1]);
	if (e->dptr[1] & (page - 1))
		return NVME_INVALID_PRP_OFFSET;
	return move(t, e->dptr[1], page);
}

/* A chain of segments longer than this is an attack. */
#define MAX_SGL_SEGMENTS 256

static uint16_t move_sgl_descriptor(struct transfer *t, const struct nvme_sgl *s)
{
	uint32_t len = le32toh(s->length);

	if (s->id & 0xf)
		return NVME_SGL_TYPE_INVALID;
	if (s->id >> 4 == NVME_SGL_DATA)
		return len ? move(t, le64toh(s->address), len) : NVME_SUCCESS;
	if (s->id >> 4 == NVME_SGL_BIT_BUCKET && t->to_host) {
		uint32_t n = (uint32_t)min_u64(len, t->left);

		t->data += n;
		t->left -= n;
		return NVME_SUCCESS;
	}
	return NVME_SGL_TYPE_INVALID;
}

static bool is_segment(const struct nvme_sgl *s)
{
	return s->id >> 4 == NVME_SGL_SEGMENT || s->id >> 4 == NVME_SGL_LAST_SEGMENT;
}

/* One segment; *next becomes the descriptor of the following one, or has length 0. */
static uint16_t move_sgl_segment(struct transfer *t, const struct nvme_sgl *seg, struct nvme_sgl *next)
{
	uint64_t at = le64toh(seg->address);
	uint32_t left = le32toh(seg->length) / sizeof(*seg);
	struct nvme_sgl d[LIST_CHUNK];
	uint16_t status = NVME_SUCCESS;

	if (!left || le32toh(seg->length) % sizeof(*seg))
		return NVME_INVALID_SGL_SEGMENT;
	next->length = 0;
	while (left && t->left && !status) {
		uint32_t n = (uint32_t)min_u64(left, LIST_CHUNK);

		if (dma_read(pci_port(t->n->dev), at, d, n * sizeof(*d)))
			return NVME_DATA_TRANSFER_ERROR;
		for (uint32_t i = 0; i < n && t->left && !status; i++) {
			if (!is_segment(&d[i])) {
				status = move_sgl_descriptor(t, &d[i]);
				continue;
			}
			/* Only the last descriptor of a segment that is not the last one may lead on. */
			if (i + 1 != left || seg->id >> 4 == NVME_SGL_LAST_SEGMENT)
				return NVME_INVALID_SGL_SEGMENT;
			*next = d[i];
		}
		at += n * sizeof(*d);
		left -= n;
	}
	return status;
}

static uint16_t move_sgl(struct transfer *t, const struct nvme_sqe *e)
{
	uint64_t raw[2] = {htole64(e->dptr[0]), htole64(e->dptr[1])};
	struct nvme_sgl s, next;
	uint16_t status;

	memcpy(&s, raw, sizeof(s));
	if (!is_segment(&s)) {
		status = move_sgl_descriptor(t, &s);
		return !status && t->left ? NVME_SGL_LENGTH_INVALID : status;
	}
	for (unsigned int i = 0; i < MAX_SGL_SEGMENTS; i++) {
		status = move_sgl_segment(t, &s, &next);
		if (status || !t->left)
			return status;
		if (!next.length)
			return NVME_SGL_LENGTH_INVALID;
		s = next;
	}
	return NVME_INVALID_SGL_COUNT;
}

static uint16_t transfer(struct transfer *t, const struct nvme_cmd *cmd)
{
	if (!t->left)
		return NVME_SUCCESS;
	switch (field_get(NVME_FLAGS_PSDT, cmd->e.flags)) {
	case 0:
		return move_prps(t, &cmd->e);
	case 1:
	case 2:
		/* Admin commands use PRPs (section 4.4). */
		return cmd->sqid ? move_sgl(t, &cmd->e) : NVME_INVALID_FIELD | NVME_DNR;
	default:
		return NVME_INVALID_FIELD | NVME_DNR;
	}
}

uint16_t nvme_to_host(struct nvme *n, const struct nvme_cmd *cmd, const void *data, uint32_t len)
{
	struct transfer t = {n, (uint8_t *)data, len, true};

	return transfer(&t, cmd);
}

uint16_t nvme_from_host(struct nvme *n, const struct nvme_cmd *cmd, void *data, uint32_t len)
{
	struct transfer t = {n, data, len, false};

	return transfer(&t, cmd);
}
