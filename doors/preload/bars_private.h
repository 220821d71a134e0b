/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside bars.h: what bars.c and bars_remote.c know of mappings.
 */
#ifndef IOAS_DOORS_PRELOAD_BARS_PRIVATE_H
#define IOAS_DOORS_PRELOAD_BARS_PRIVATE_H

#include <pthread.h>

#include "devices/pci.h"
#include "doors/preload/bars.h"

/* Memory that models keep their registers in, here or in the process that serves us. */
struct block {
	char *mem;
	uint64_t len;
	int fd; /* hidden; -1: the parent's, before a fork */
	uint64_t ino;
	struct block *next;
};

/* What the trap calls a BAR. They stay for as long as the process lives: a trap on its way may
 * still hold one. */
struct cookie {
	uint64_t server; /* 0: of this process's engine */
	uint64_t id;	 /* the server's name for it */
	struct pci_dev *dev;
	unsigned int bar;
	struct cookie *next;
	struct page_flags *flags;
};

/* Of remote BARs, as they were sent: they stay, too. */
struct page_flags {
	uint64_t offset;
	uint32_t nr;
	struct page_flags *next;
	uint8_t pages[];
};

/* A piece of a mapping; in order of addresses, without overlap. */
struct piece {
	uint64_t va, len;
	int wanted;
	bool enabled; /* as the pages stand now */
	struct cookie *cookie;
	struct abi_file *file; /* a reference; NULL: another process's */
	int hold;	       /* or a hidden fd of it; -1 */
	uint64_t offset;       /* in the BAR */
	char *mem;	       /* the engine's alias of va */
	const uint8_t *pages;  /* flags of va's page and on */
	struct piece *next;
};

struct bars {
	struct block *blocks;
	struct cookie *cookies;
	uint64_t last_cookie;
	struct piece *pieces;
	unsigned int nr_pieces; /* read without the lock */
	pthread_mutex_t lock;
};
extern struct bars bars;

static inline uint64_t bars_piece_end(const struct piece *p)
{
	return p->va + p->len;
}

/* What is no BAR is plain memory, and always there. */
static inline bool bars_is_bar(const struct piece *p)
{
	return p->cookie;
}

/* Lock held, these three: the cookie of a BAR of this process's engine, made if there is none, and
 * that of any. */
struct cookie *bars_cookie_for(struct pci_dev *dev, unsigned int bar);
struct cookie *bars_find_cookie(uint64_t server, uint64_t id);
/* Maps @p, whose place is not known yet, and what the program asked for; *old is to be dropped. */
long bars_place(struct piece *p, const struct bars_request *r, struct piece **old);
/* Lets go of what was taken off the list; without the lock, for it may close a device. */
void bars_drop(struct piece *p);

#endif
