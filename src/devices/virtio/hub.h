/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hubs: what one port sends every other port of the same hub receives. No network of the machine's
 * is touched.
 *
 * The set of hubs belongs to a host (struct pci_config.hubs). Thread-safe; a port's frames wait in
 * a bounded queue, and a frame that finds it full is dropped, as on a wire.
 */
#ifndef IOAS_DEVICES_VIRTIO_HUB_H
#define IOAS_DEVICES_VIRTIO_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_hubs;
struct hub_port;

#define HUB_MAX_FRAME 65550u /* 64 KiB and an Ethernet header */

int net_hubs_create(struct net_hubs **out);
void net_hubs_destroy(struct net_hubs *h); /* no port is left */

/* Join the hub @name, making it if there is none; deaf at first. @arrived is called, on the
 * sender's thread, when a frame waits. -ENOMEM. */
int hub_join(struct net_hubs *h, const char *name, void (*arrived)(void *arg), void *arg,
	     struct hub_port **out);
void hub_leave(struct hub_port *p);

/* To all others; to itself when it is the only one and @loopback. */
void hub_send(struct hub_port *p, const void *frame, uint32_t len, bool loopback);
/* The next frame into @buf (HUB_MAX_FRAME bytes); 0: none. */
uint32_t hub_receive(struct hub_port *p, void *buf);
/* Off: forget what waits, and what comes. */
void hub_listen(struct hub_port *p, bool on);

#endif
