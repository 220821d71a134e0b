/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues: virtio 1.3 section 2.7. Everything read from the rings is checked; a ring that makes no sense stops the device
 * until it is reset.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devices/virtio/virtio.h"

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

#define AVAIL_NO_INTERRUPT 1

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static int read16(struct virtio_dev *v, uint64_t addr, uint16_t *out)
{
	uint16_t raw;

	if (dma_read(pci_port(v->pci), addr, &raw, sizeof(raw)))
		return -EFAULT;
	*out = le16toh(raw);
	return 0;
}

static int write16(struct virtio_dev *v, uint64_t addr, uint16_t val)
{
	val = htole16(val);
	return dma_write(pci_port(v->pci), addr, &val, sizeof(val));
}

static int broken(struct virtio_dev *v, int rc)
{
	virtio_broken(v);
	return rc;
}

static int add_seg(struct virtio_chain *c, const struct desc *d)
{
	bool write = le16toh(d->flags) & DESC_WRITE;
	unsigned int n = c->nr_out + c->nr_in;

	/* Readable ones come first (2.7.4.2). */
	if (n == VIRTIO_MAX_CHAIN || (!write && c->nr_in))
		return -EINVAL;
	c->seg[n] = (struct virtio_seg){le64toh(d->addr), le32toh(d->len)};
	if (write)
		c->nr_in++;
	else
		c->nr_out++;
	return 0;
}

/* Follows one table of @size descriptors. */
static int walk_table(struct virtio_dev *v, struct virtio_chain *c, uint64_t table, uint32_t size, uint16_t first)
{
	uint16_t i = first;
	struct desc d;
	int rc;

	for (uint32_t n = 0; n < size; n++) {
		if (i >= size)
			return -EINVAL;
		if (dma_read(pci_port(v->pci), table + i * sizeof(d), &d, sizeof(d)))
			return -EFAULT;
		if (le16toh(d.flags) & DESC_INDIRECT)
			return -EINVAL;
		rc = add_seg(c, &d);
		if (rc || !(le16toh(d.flags) & DESC_NEXT))
			return rc;
		i = le16toh(d.next);
	}
	return -EINVAL; /* a loop */
}

static int walk(struct virtio_dev *v, struct virtio_queue *q, struct virtio_chain *c)
{
	struct desc d;
	uint32_t len;

	if (dma_read(pci_port(v->pci), q->desc + c->head * sizeof(d), &d, sizeof(d)))
		return -EFAULT;
	if (!(le16toh(d.flags) & DESC_INDIRECT))
		return walk_table(v, c, q->desc, q->size, c->head);
	len = le32toh(d.len);
	if (!virtio_has(v, VIRTIO_F_INDIRECT_DESC) || !len || len % sizeof(d) || len / sizeof(d) > VIRTIO_MAX_CHAIN)
		return -EINVAL;
	return walk_table(v, c, le64toh(d.addr), len / sizeof(d), 0);
}

int virtq_pop(struct virtio_dev *v, struct virtio_queue *q, struct virtio_chain *c)
{
	uint16_t idx;
	int rc;

	if (read16(v, q->avail + 2, &idx))
		return broken(v, -EFAULT);
	if (idx == q->last_avail)
		return 0;
	if ((uint16_t)(idx - q->last_avail) > q->size)
		return broken(v, -EINVAL);
	c->nr_out = c->nr_in = 0;
	if (read16(v, q->avail + 4 + 2 * (q->last_avail % q->size), &c->head))
		return broken(v, -EFAULT);
	if (c->head >= q->size)
		return broken(v, -EINVAL);
	rc = walk(v, q, c);
	if (rc)
		return broken(v, rc);
	q->last_avail++;
	return 1;
}

void virtq_unpop(struct virtio_queue *q)
{
	q->last_avail--;
}

int virtq_put(struct virtio_dev *v, struct virtio_queue *q, const struct virtio_chain *c, uint32_t len, uint16_t ahead)
{
	uint32_t elem[2] = {htole32(c->head), htole32(len)};
	uint16_t at = (uint16_t)(q->used_idx + ahead) % q->size;

	return dma_write(pci_port(v->pci), q->used + 4 + at * sizeof(elem), elem, sizeof(elem)) ? broken(v, -EFAULT) : 0;
}

/* 2.7.7.1: has the event index been passed by this publication? */
static bool wants_interrupt(struct virtio_dev *v, struct virtio_queue *q, uint16_t old)
{
	uint16_t flags, event;

	if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
		if (read16(v, q->avail + 4 + 2 * q->size, &event))
			return false;
		return (uint16_t)(q->used_idx - event - 1) < (uint16_t)(q->used_idx - old);
	}
	return !read16(v, q->avail, &flags) && !(flags & AVAIL_NO_INTERRUPT);
}

static void interrupt(struct virtio_dev *v, struct virtio_queue *q)
{
	struct pci_dev *pci = v->pci;

	if (pci_msix_enabled(pci)) {
		if (q->vector != 0xffff)
			pci_raise(pci, q->vector);
		return;
	}
	pci_lock(pci);
	v->isr |= 1;
	pci_unlock(pci);
	pci_set_intx(pci, true);
}

int virtq_publish(struct virtio_dev *v, struct virtio_queue *q, uint16_t n)
{
	uint16_t old = q->used_idx;

	q->used_idx += n;
	if (write16(v, q->used + 2, q->used_idx))
		return broken(v, -EFAULT);
	/* The index is seen before the driver's wish is read: both go through memory that the driver shares. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (wants_interrupt(v, q, old))
		interrupt(v, q);
	return 0;
}

bool virtq_rearm(struct virtio_dev *v, struct virtio_queue *q)
{
	uint16_t idx;

	if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
		if (write16(v, q->used + 4 + 8 * q->size, q->last_avail))
			return false;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return !read16(v, q->avail + 2, &idx) && idx != q->last_avail;
}

/* Moves bytes of the segments [first, first + n). */
static int64_t move(struct virtio_dev *v, const struct virtio_seg *s, unsigned int n, uint32_t off, void *buf,
		    uint32_t len, bool to_host)
{
	struct dma_port *port = pci_port(v->pci);
	uint8_t *p = buf;
	uint32_t done = 0;

	for (unsigned int i = 0; i < n && done < len; i++) {
		uint32_t piece;
		int rc;

		if (off >= s[i].len) {
			off -= s[i].len;
			continue;
		}
		piece = (uint32_t)min_u64(s[i].len - off, len - done);
		rc = to_host ? dma_write(port, s[i].addr + off, p + done, piece)
			     : dma_read(port, s[i].addr + off, p + done, piece);
		if (rc)
			return -EFAULT;
		done += piece;
		off = 0;
	}
	return done;
}

int64_t virtq_read(struct virtio_dev *v, const struct virtio_chain *c, uint32_t off, void *buf, uint32_t len)
{
	return move(v, c->seg, c->nr_out, off, buf, len, false);
}

int64_t virtq_write(struct virtio_dev *v, const struct virtio_chain *c, uint32_t off, const void *buf, uint32_t len)
{
	return move(v, c->seg + c->nr_out, c->nr_in, off, (void *)buf, len, true);
}

uint32_t virtq_writable(const struct virtio_chain *c)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < c->nr_in; i++)
		sum += c->seg[c->nr_out + i].len;
	return (uint32_t)min_u64(sum, UINT32_MAX);
}
