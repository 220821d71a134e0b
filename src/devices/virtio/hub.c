/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/virtio/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/list.h"

#define QUEUE_BYTES (1u << 20) /* a power of two */

/* Frames wait in a ring of bytes, each after its 4-byte length. */
struct hub_port {
	struct hub *hub;
	struct list link;
	pthread_mutex_t lock; /* of the ring; a leaf */
	void (*arrived)(void *arg);
	void *arg;
	bool listens;
	uint32_t head, tail; /* free running */
	uint8_t *ring;
};

struct hub {
	char *name;
	struct net_hubs *hubs;
	struct list ports, link;
};

struct net_hubs {
	pthread_rwlock_t lock; /* who is in which hub; read by senders */
	struct list hubs;
};

int net_hubs_create(struct net_hubs **out)
{
	struct net_hubs *h = ioas_calloc(1, sizeof(*h));
	pthread_rwlockattr_t attr;

	if (!h)
		return -ENOMEM;
	/* Those who leave are not to wait for ever for those who send. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&h->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	list_init(&h->hubs);
	*out = h;
	return 0;
}

void net_hubs_destroy(struct net_hubs *h)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &h->hubs) {
		struct hub *hub = list_entry(pos, struct hub, link);

		ioas_free(hub->name);
		ioas_free(hub);
	}
	pthread_rwlock_destroy(&h->lock);
	ioas_free(h);
}

static struct hub *find_hub(struct net_hubs *h, const char *name)
{
	struct list *pos, *tmp;
	struct hub *hub;

	list_for_each (pos, tmp, &h->hubs) {
		hub = list_entry(pos, struct hub, link);
		if (!strcmp(hub->name, name))
			return hub;
	}
	hub = ioas_calloc(1, sizeof(*hub));
	if (!hub)
		return NULL;
	hub->name = alloc_text(name, SIZE_MAX);
	if (!hub->name) {
		ioas_free(hub);
		return NULL;
	}
	hub->hubs = h;
	list_init(&hub->ports);
	list_add_tail(&h->hubs, &hub->link);
	return hub;
}

int hub_join(struct net_hubs *h, const char *name, void (*arrived)(void *arg), void *arg,
	     struct hub_port **out)
{
	struct hub_port *p = ioas_calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->ring = ioas_malloc(QUEUE_BYTES);
	if (!p->ring)
		goto out_free;
	p->arrived = arrived;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	pthread_rwlock_wrlock(&h->lock);
	p->hub = find_hub(h, name);
	if (p->hub)
		list_add_tail(&p->hub->ports, &p->link);
	pthread_rwlock_unlock(&h->lock);
	if (!p->hub)
		goto out_ring;
	*out = p;
	return 0;

out_ring:
	pthread_mutex_destroy(&p->lock);
	ioas_free(p->ring);
out_free:
	ioas_free(p);
	return -ENOMEM;
}

void hub_leave(struct hub_port *p)
{
	struct net_hubs *h = p->hub->hubs;

	pthread_rwlock_wrlock(&h->lock);
	list_del(&p->link);
	pthread_rwlock_unlock(&h->lock);
	pthread_mutex_destroy(&p->lock);
	ioas_free(p->ring);
	ioas_free(p);
}

static void ring_put(struct hub_port *p, const void *data, uint32_t len)
{
	uint32_t at = p->tail % QUEUE_BYTES, first = (uint32_t)min_u64(len, QUEUE_BYTES - at);

	memcpy(p->ring + at, data, first);
	memcpy(p->ring, (const uint8_t *)data + first, len - first);
	p->tail += len;
}

static void ring_get(struct hub_port *p, void *data, uint32_t len)
{
	uint32_t at = p->head % QUEUE_BYTES, first = (uint32_t)min_u64(len, QUEUE_BYTES - at);

	memcpy(data, p->ring + at, first);
	memcpy((uint8_t *)data + first, p->ring, len - first);
	p->head += len;
}

static void deliver(struct hub_port *p, const void *frame, uint32_t len)
{
	bool kept;

	pthread_mutex_lock(&p->lock);
	kept = p->listens && QUEUE_BYTES - (p->tail - p->head) >= len + sizeof(len);
	if (kept) {
		ring_put(p, &len, sizeof(len));
		ring_put(p, frame, len);
	}
	pthread_mutex_unlock(&p->lock);
	if (kept)
		p->arrived(p->arg);
}

void hub_send(struct hub_port *p, const void *frame, uint32_t len, bool loopback)
{
	struct net_hubs *h = p->hub->hubs;
	struct list *pos, *tmp;
	bool alone = true;

	if (!len || len > HUB_MAX_FRAME)
		return;
	pthread_rwlock_rdlock(&h->lock);
	list_for_each (pos, tmp, &p->hub->ports) {
		struct hub_port *other = list_entry(pos, struct hub_port, link);

		if (other == p)
			continue;
		alone = false;
		deliver(other, frame, len);
	}
	if (alone && loopback)
		deliver(p, frame, len);
	pthread_rwlock_unlock(&h->lock);
}

uint32_t hub_receive(struct hub_port *p, void *buf)
{
	uint32_t len = 0;

	pthread_mutex_lock(&p->lock);
	if (p->head != p->tail) {
		ring_get(p, &len, sizeof(len));
		ring_get(p, buf, len);
	}
	pthread_mutex_unlock(&p->lock);
	return len;
}

void hub_listen(struct hub_port *p, bool on)
{
	pthread_mutex_lock(&p->lock);
	p->listens = on;
	if (!on)
		p->head = p->tail;
	pthread_mutex_unlock(&p->lock);
}
