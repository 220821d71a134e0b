/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues: virtio 1.3 section 2.7. Everything read from the rings is checked; a ring that
 * makes no sense stops the device until it is reset.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devices/virtio/virtio.h"

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

#define AVAIL_NO_INTERRUPT 1

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

static int add_seg(struct virtio_chain *c, const struct virtio_desc *d)
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

/* The queue's own table, from descriptor @d on. */
static int walk_queue(struct virtio_dev *v, const struct virtio_queue *q, struct virtio_chain *c,
		      struct virtio_desc d)
{
	for (uint32_t n = 0; n < q->s.size; n++) {
		uint16_t next = le16toh(d.next);
		int rc = le16toh(d.flags) & DESC_INDIRECT ? -EINVAL : add_seg(c, &d);

		if (rc || !(le16toh(d.flags) & DESC_NEXT))
			return rc;
		if (next >= q->s.size)
			return -EINVAL;
		if (dma_read(pci_port(v->pci), q->s.desc + next * sizeof(d), &d, sizeof(d)))
			return -EFAULT;
	}
	return -EINVAL; /* a loop */
}

/* An indirect table is read once, as a whole (2.7.5.3). */
static int walk_indirect(struct virtio_dev *v, struct virtio_chain *c, const struct virtio_desc *d)
{
	uint32_t len = le32toh(d->len), size = len / sizeof(*d), i = 0;

	if (!virtio_has(v, VIRTIO_F_INDIRECT_DESC) || (le16toh(d->flags) & DESC_NEXT) || !size ||
	    len % sizeof(*d) || size > VIRTIO_MAX_CHAIN)
		return -EINVAL;
	if (dma_read(pci_port(v->pci), le64toh(d->addr), v->table, len))
		return -EFAULT;
	for (uint32_t n = 0; n < size && i < size; n++) {
		const struct virtio_desc *t = &v->table[i];
		int rc = le16toh(t->flags) & DESC_INDIRECT ? -EINVAL : add_seg(c, t);

		if (rc || !(le16toh(t->flags) & DESC_NEXT))
			return rc;
		i = le16toh(t->next);
	}
	return -EINVAL;
}

static int walk(struct virtio_dev *v, const struct virtio_queue *q, struct virtio_chain *c)
{
	struct virtio_desc d;

	c->nr_out = c->nr_in = 0;
	if (c->head >= q->s.size)
		return -EINVAL;
	if (dma_read(pci_port(v->pci), q->s.desc + c->head * sizeof(d), &d, sizeof(d)))
		return -EFAULT;
	return le16toh(d.flags) & DESC_INDIRECT ? walk_indirect(v, c, &d) : walk_queue(v, q, c, d);
}

/* The driver's index, which never runs more than the queue's size ahead. */
static int look(struct virtio_dev *v, struct virtio_queue *q)
{
	uint16_t idx;

	if (read16(v, q->s.avail + 2, &idx))
		return -EFAULT;
	if ((uint16_t)(idx - q->last_avail) > q->s.size)
		return -EINVAL;
	q->avail_idx = idx;
	return 0;
}

int virtq_pop(struct virtio_dev *v, struct virtio_queue *q, struct virtio_chain *c)
{
	int rc = 0;

	if (q->avail_idx == q->last_avail)
		rc = look(v, q);
	if (!rc && q->avail_idx == q->last_avail)
		return 0;
	if (!rc)
		rc = read16(v, q->s.avail + 4 + 2 * (q->last_avail % q->s.size), &c->head);
	if (!rc)
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

int virtq_put(struct virtio_dev *v, struct virtio_queue *q, const struct virtio_chain *c,
	      uint32_t len, uint16_t ahead)
{
	uint32_t elem[2] = {htole32(c->head), htole32(len)};
	uint16_t at = (uint16_t)(q->used_idx + ahead) % q->s.size;

	return dma_write(pci_port(v->pci), q->s.used + 4 + at * sizeof(elem), elem, sizeof(elem))
		       ? broken(v, -EFAULT)
		       : 0;
}

/* 2.7.7.1: has the event index been passed by this publication? */
static bool wants_interrupt(struct virtio_dev *v, struct virtio_queue *q, uint16_t old)
{
	uint16_t flags, event;

	if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
		if (read16(v, q->s.avail + 4 + 2 * q->s.size, &event))
			return false;
		return (uint16_t)(q->used_idx - event - 1) < (uint16_t)(q->used_idx - old);
	}
	return !read16(v, q->s.avail, &flags) && !(flags & AVAIL_NO_INTERRUPT);
}

int virtq_publish(struct virtio_dev *v, struct virtio_queue *q, uint16_t n)
{
	uint16_t old = q->used_idx;

	q->used_idx += n;
	if (write16(v, q->s.used + 2, q->used_idx))
		return broken(v, -EFAULT);
	/* The index is seen before the driver's wish is read: both go through memory that the
	 * driver shares. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (wants_interrupt(v, q, old))
		virtio_interrupt(v, (unsigned int)(q - v->queues));
	return 0;
}

bool virtq_rearm(struct virtio_dev *v, struct virtio_queue *q)
{
	uint16_t idx;

	if (virtio_has(v, VIRTIO_F_EVENT_IDX) && !(q->event_valid && q->event == q->avail_idx)) {
		if (write16(v, q->s.used + 4 + 8 * q->s.size, q->avail_idx)) {
			virtio_broken(v);
			return false;
		}
		q->event = q->avail_idx;
		q->event_valid = true;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return !read16(v, q->s.avail + 2, &idx) && idx != q->avail_idx;
}

/* Moves bytes of the segments [first, first + n). */
static int64_t move(struct virtio_dev *v, const struct virtio_seg *s, unsigned int n, uint32_t off,
		    void *buf, uint32_t len, bool to_host)
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

int64_t virtq_read(struct virtio_dev *v, const struct virtio_chain *c, uint32_t off, void *buf,
		   uint32_t len)
{
	return move(v, c->seg, c->nr_out, off, buf, len, false);
}

int64_t virtq_write(struct virtio_dev *v, const struct virtio_chain *c, uint32_t off,
		    const void *buf, uint32_t len)
{
	return move(v, c->seg + c->nr_out, c->nr_in, off, (void *)buf, len, true);
}

static uint64_t sum(const struct virtio_seg *s, unsigned int n)
{
	uint64_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += s[i].len;
	return len;
}

uint64_t virtq_readable(const struct virtio_chain *c)
{
	return sum(c->seg, c->nr_out);
}

uint64_t virtq_writable(const struct virtio_chain *c)
{
	return sum(c->seg + c->nr_out, c->nr_in);
}
