/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net: virtio 1.3 section 5.1, one queue pair and a control queue, on a hub or looped back
 * to itself.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "devices/models.h"
#include "devices/virtio/hub.h"
#include "devices/virtio/virtio.h"

enum { RX, TX, CTRL, NR_QUEUES };

#define F_MAC	    BIT(5)
#define F_MRG_RXBUF BIT(15)
#define F_STATUS    BIT(16)
#define F_CTRL_VQ   BIT(17)
#define F_CTRL_RX   BIT(18)

#define STATUS_LINK_UP 1

struct net_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

#define BATCH	   32
#define MAX_CHAINS 64 /* that one frame may be spread over */

struct virtio_net {
	struct virtio_dev v;
	struct hub_port *port;
	bool loopback;
	bool held; /* frame[] holds a frame of held_len bytes that found no buffers */
	uint32_t held_len;
	uint8_t frame[sizeof(struct net_hdr) + HUB_MAX_FRAME];
	uint8_t out[sizeof(struct net_hdr) + HUB_MAX_FRAME];
	struct virtio_chain first, chain;
};

static void net_arrived(void *arg)
{
	struct virtio_net *n = arg;

	pci_kick(n->v.pci);
}

/* What is too long for a frame, or holds none, is dropped, as is one whose memory cannot be read.
 */
static void send_chain(struct virtio_net *n)
{
	const uint32_t hdr = sizeof(struct net_hdr);
	uint64_t len = virtq_readable(&n->chain);

	if (len > hdr && len <= sizeof(n->out) &&
	    virtq_read(&n->v, &n->chain, 0, n->out, (uint32_t)len) == (int64_t)len)
		hub_send(n->port, n->out + hdr, (uint32_t)len - hdr, n->loopback);
}

/* True when a chain was taken. */
static bool send_one(struct virtio_net *n, struct virtio_queue *q)
{
	if (virtq_pop(&n->v, q, &n->chain) <= 0)
		return false;
	send_chain(n);
	return !virtq_put(&n->v, q, &n->chain, 0, 0) && !virtq_publish(&n->v, q, 1);
}

/* Fills the next chain, number @used of this frame, from byte @done on. Bytes written, 0: no chain,
 * -1: broken. */
static int64_t fill_chain(struct virtio_net *n, struct virtio_queue *q, uint16_t used,
			  uint32_t done, uint32_t total)
{
	struct virtio_chain *c = used ? &n->chain : &n->first;
	int rc = virtq_pop(&n->v, q, c);
	int64_t put;

	if (rc <= 0)
		return rc;
	/* A header is never split (5.1.6.3.2), and every buffer takes something. */
	if (virtq_writable(c) < (used ? 1 : sizeof(struct net_hdr)))
		put = -1;
	else
		put = virtq_write(&n->v, c, 0, n->frame + done, total - done);
	if (put > 0 && !virtq_put(&n->v, q, c, (uint32_t)put, used))
		return put;
	virtio_broken(&n->v);
	return -1;
}

/* num_buffers is known when all are filled. */
static void finish_frame(struct virtio_net *n, struct virtio_queue *q, uint16_t used)
{
	uint16_t num = htole16(used);

	if (virtq_write(&n->v, &n->first, offsetof(struct net_hdr, num_buffers), &num,
			sizeof(num)) == sizeof(num))
		virtq_publish(&n->v, q, used);
	else
		virtio_broken(&n->v);
}

/*
 * Writes one frame, its header in front, over as many chains as it takes. True: it is gone
 * (delivered, or dropped because it does not fit); false: there are not enough chains now, and
 * nothing was used up.
 */
static bool receive_frame(struct virtio_net *n, struct virtio_queue *q, uint32_t len)
{
	const uint32_t total = len + (uint32_t)sizeof(struct net_hdr);
	uint16_t max = virtio_has(&n->v, F_MRG_RXBUF) ? MAX_CHAINS : 1, used = 0;
	uint32_t done = 0;
	int64_t put = 1;

	memset(n->frame, 0, sizeof(struct net_hdr));
	while (done < total && used < max) {
		put = fill_chain(n, q, used, done, total);
		if (put <= 0)
			break;
		done += (uint32_t)put;
		used++;
	}
	if (done == total) {
		finish_frame(n, q, used);
		return true;
	}
	for (uint16_t i = 0; i < used; i++)
		virtq_unpop(q);
	return put > 0;
}

static bool receive_one(struct virtio_net *n, struct virtio_queue *q)
{
	if (!n->held) {
		n->held_len = hub_receive(n->port, n->frame + sizeof(struct net_hdr));
		if (!n->held_len)
			return false;
	}
	n->held = !receive_frame(n, q, n->held_len);
	return !n->held;
}

#define CTRL_RX_CLASS 0
#define CTRL_OK	      0
#define CTRL_ERR      1
#define CTRL_RX_LAST  1 /* promiscuous, all-multicast; the rest would be CTRL_RX_EXTRA */

/* Promiscuous, all-multicast and the like: on a hub every frame arrives anyway. */
static bool control_one(struct virtio_net *n, struct virtio_queue *q)
{
	uint8_t cmd[2] = {0xff, 0xff}, ack = CTRL_ERR;
	int64_t len;

	if (virtq_pop(&n->v, q, &n->chain) <= 0)
		return false;
	len = virtq_read(&n->v, &n->chain, 0, cmd, sizeof(cmd));
	if (len == sizeof(cmd) && cmd[0] == CTRL_RX_CLASS && cmd[1] <= CTRL_RX_LAST &&
	    virtq_readable(&n->chain) > sizeof(cmd))
		ack = CTRL_OK;
	if (virtq_write(&n->v, &n->chain, 0, &ack, 1) != 1) {
		virtio_broken(&n->v);
		return false;
	}
	return !virtq_put(&n->v, q, &n->chain, 1, 0) && !virtq_publish(&n->v, q, 1);
}

typedef bool (*serve_fn)(struct virtio_net *n, struct virtio_queue *q);

static bool serve(struct virtio_net *n, unsigned int index, serve_fn fn)
{
	struct virtio_queue *q = &n->v.queues[index];
	unsigned int i;

	if (!q->s.enabled)
		return false;
	for (i = 0; i < BATCH && !pci_stopping(n->v.pci); i++)
		if (!fn(n, q))
			break;
	if (i == BATCH)
		return true;
	/* Drained: ask to be told of more. A receive queue's buffers matter only while a frame
	 * waits for them. */
	return (index != RX || n->held) && virtq_rearm(&n->v, q);
}

static bool net_work(struct virtio_dev *v)
{
	struct virtio_net *n = container_of(v, struct virtio_net, v);
	bool more = serve(n, CTRL, control_one);

	more |= serve(n, TX, send_one);
	more |= serve(n, RX, receive_one);
	return more;
}

static void net_reset(struct virtio_dev *v)
{
	struct virtio_net *n = container_of(v, struct virtio_net, v);

	n->held = false;
	hub_listen(n->port, false);
}

/* Before, what others send is none of our business. */
static void net_started(struct virtio_dev *v)
{
	hub_listen(container_of(v, struct virtio_net, v)->port, true);
}

static const struct virtio_type net_type = {
	.id = 1,
	.class_code = 0x020000,
	.features = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_EVENT_IDX |
		    VIRTIO_F_INDIRECT_DESC | F_MAC | F_MRG_RXBUF | F_STATUS | F_CTRL_VQ | F_CTRL_RX,
	.nr_queues = NR_QUEUES,
	.config_len = 12,
	.work = net_work,
	.started = net_started,
	.reset = net_reset,
};

static const struct option_key net_keys[] = {
	{"hub", OPTION_STRING, "hub0", 0, 0,
	 "name of the hub to join: its devices hear each other"},
	{"loopback", OPTION_BOOL, "off", 0, 0, "alone on its hub, hear what one sends"},
	{"mac", OPTION_STRING, NULL, 0, 0,
	 "MAC address (default: 52:54:00:ioas and the PCI address)"},
	{NULL},
};

static int parse_mac(struct virtio_net *n, const char *text, uint16_t rid)
{
	unsigned int b[6] = {0x52, 0x54, 0x00, 0x10, rid >> 8, rid & 0xff};
	int used = 0;

	if (text && (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4],
			    &b[5], &used) != 6 ||
		     text[used]))
		return -EINVAL;
	for (unsigned int i = 0; i < 6; i++)
		n->v.config[i] = (uint8_t)b[i];
	n->v.config[6] = STATUS_LINK_UP;
	n->v.config[8] = 1; /* max_virtqueue_pairs */
	return 0;
}

static int net_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	struct virtio_net *n = ioas_calloc(1, sizeof(*n));
	int rc;

	if (!n)
		return -ENOMEM;
	n->loopback = options_bool(o, "loopback");
	rc = parse_mac(n, options_string(o, "mac"), dev->cfg.rid);
	if (rc) {
		snprintf(why, why_len,
			 "virtio-net: mac=%s: give six bytes such as 52:54:00:12:34:56",
			 options_string(o, "mac"));
		goto out_free;
	}
	if (!dev->cfg.hubs) {
		snprintf(why, why_len, "virtio-net: this host has no hubs");
		rc = -EINVAL;
		goto out_free;
	}
	rc = hub_join(dev->cfg.hubs, options_string(o, "hub"), net_arrived, n, &n->port);
	if (rc)
		goto out_free;
	rc = virtio_setup(dev, &n->v, &net_type);
	if (!rc)
		return 0;
	hub_leave(n->port);
out_free:
	ioas_free(n);
	return rc;
}

static void net_destroy(struct pci_dev *dev)
{
	struct virtio_net *n =
		container_of((struct virtio_dev *)pci_model_data(dev), struct virtio_net, v);

	hub_leave(n->port);
	ioas_free(n);
}

const struct pci_model virtio_net_model = {
	.name = "virtio-net",
	.summary = "virtio 1.x network device 1af4:1041 on a hub",
	.keys = net_keys,
	.create = net_create,
	.destroy = net_destroy,
	.reset = virtio_reset,
	.config_read = virtio_config_read,
	.config_written = virtio_config_written,
	.quiet = virtio_quiet,
	.bar_read = virtio_bar_read,
	.bar_write = virtio_bar_write,
	.work = virtio_work,
};
