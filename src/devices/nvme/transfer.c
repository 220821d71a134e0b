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
	int rc = t->to_host ? dma_write(port, address, t->data, size)
			    : dma_read(port, address, t->data, size);

	t->data += size;
	t->left -= size;
	return rc ? NVME_DATA_TRANSFER_ERROR : NVME_SUCCESS;
}

#define LIST_CHUNK 64 /* entries of a PRP list or SGL segment read at once */

/*
 * Walks PRP lists: the last entry of a list page points to the next list if there is more to move
 * than one page. That one begins at a page's start (section 4.3), so that every list but the first
 * moves something and no chain is endless.
 */
static uint16_t move_prp_list(struct transfer *t, uint64_t list)
{
	const uint64_t page = BIT(t->n->page_lg2);
	uint64_t entries[LIST_CHUNK];
	uint16_t status = NVME_SUCCESS;

	if (list & 7)
		return NVME_INVALID_PRP_OFFSET | NVME_DNR;
	while (t->left && !status) {
		uint64_t to_page_end = (page - (list & (page - 1))) / 8;
		uint64_t pages = (t->left + page - 1) / page;
		uint32_t n = (uint32_t)min_u64(min_u64(LIST_CHUNK, to_page_end), pages);

		if (dma_read(pci_port(t->n->dev), list, entries, n * 8))
			return NVME_DATA_TRANSFER_ERROR;
		list += n * 8ull;
		for (uint32_t i = 0; i < n && !status; i++) {
			uint64_t prp = le64toh(entries[i]);

			if (prp & (page - 1))
				return NVME_INVALID_PRP_OFFSET | NVME_DNR;
			if (i == to_page_end - 1 && t->left > page)
				list = prp;
			else
				status = move(t, prp, page);
		}
	}
	return status;
}

static uint16_t move_prps(struct transfer *t, const struct nvme_sqe *e)
{
	const uint64_t page = BIT(t->n->page_lg2);
	uint64_t first = page - (e->dptr[0] & (page - 1));
	uint16_t status;

	if (e->dptr[0] & 3)
		return NVME_INVALID_PRP_OFFSET | NVME_DNR;
	status = move(t, e->dptr[0], first);
	if (status || !t->left)
		return status;
	if (t->left > page)
		return move_prp_list(t, e->dptr[1]);
	if (e->dptr[1] & (page - 1))
		return NVME_INVALID_PRP_OFFSET | NVME_DNR;
	return move(t, e->dptr[1], page);
}

/* Descriptors may be empty, so their number has a limit of its own: one for each eight bytes of the
 * largest transfer. */
#define MAX_SGL_DESCRIPTORS (NVME_MAX_TRANSFER / 8)

static uint16_t move_sgl_descriptor(struct transfer *t, const struct nvme_sgl *s)
{
	uint64_t len = min_u64(le32toh(s->length), t->left);

	if (s->id & 0xf)
		return NVME_SGL_TYPE_INVALID | NVME_DNR;
	switch (s->id >> 4) {
	case NVME_SGL_DATA:
		return len ? move(t, le64toh(s->address), len) : NVME_SUCCESS;
	case NVME_SGL_BIT_BUCKET:
		if (!t->to_host) /* of length 0 where the host sends (section 4.4) */
			return NVME_SUCCESS;
		t->data += len;
		t->left -= (uint32_t)len;
		return NVME_SUCCESS;
	default:
		return NVME_SGL_TYPE_INVALID | NVME_DNR;
	}
}

static bool is_segment(const struct nvme_sgl *s)
{
	return s->id >> 4 == NVME_SGL_SEGMENT || s->id >> 4 == NVME_SGL_LAST_SEGMENT;
}

/* An SGL on its way: the segment that is read, and the next one, which has length 0 while there is
 * none. */
struct sgl {
	struct nvme_sgl segment, next;
	uint32_t descriptors; /* seen so far */
};

/* One descriptor of a segment in which @left follow it. Only the last of a segment that is not the
 * last one may lead on. */
static uint16_t take_sgl_descriptor(struct transfer *t, struct sgl *s, const struct nvme_sgl *d,
				    uint32_t left)
{
	if (!is_segment(d))
		return move_sgl_descriptor(t, d);
	if (left || s->segment.id >> 4 == NVME_SGL_LAST_SEGMENT || d->id & 0xf)
		return NVME_INVALID_SGL_SEGMENT | NVME_DNR;
	s->next = *d;
	return NVME_SUCCESS;
}

static uint16_t move_sgl_segment(struct transfer *t, struct sgl *s)
{
	uint64_t at = le64toh(s->segment.address);
	uint32_t left = le32toh(s->segment.length) / sizeof(struct nvme_sgl);
	struct nvme_sgl d[LIST_CHUNK];
	uint16_t status = NVME_SUCCESS;

	if (!left || le32toh(s->segment.length) % sizeof(*d))
		return NVME_INVALID_SGL_SEGMENT | NVME_DNR;
	s->next.length = 0;
	while (left && t->left && !status) {
		uint32_t n = (uint32_t)min_u64(left, LIST_CHUNK);

		s->descriptors += n;
		if (s->descriptors > MAX_SGL_DESCRIPTORS)
			return NVME_INVALID_SGL_COUNT | NVME_DNR;
		if (dma_read(pci_port(t->n->dev), at, d, n * sizeof(*d)))
			return NVME_DATA_TRANSFER_ERROR;
		at += n * sizeof(*d);
		left -= n;
		for (uint32_t i = 0; i < n && t->left && !status; i++)
			status = take_sgl_descriptor(t, s, &d[i], left + n - 1 - i);
	}
	return status;
}

static uint16_t move_sgl(struct transfer *t, const struct nvme_sqe *e)
{
	uint64_t raw[2] = {htole64(e->dptr[0]), htole64(e->dptr[1])};
	uint16_t status = NVME_SUCCESS;
	struct sgl s = {0};

	memcpy(&s.next, raw, sizeof(s.next));
	if (!is_segment(&s.next)) {
		status = move_sgl_descriptor(t, &s.next);
		s.next.length = 0;
	} else if (s.next.id & 0xf) {
		status = NVME_SGL_TYPE_INVALID | NVME_DNR;
	} else if (!s.next.length) {
		status = NVME_INVALID_SGL_SEGMENT | NVME_DNR;
	}
	while (t->left && !status && s.next.length) {
		s.segment = s.next;
		status = move_sgl_segment(t, &s);
	}
	return !status && t->left ? NVME_SGL_LENGTH_INVALID | NVME_DNR : status;
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
