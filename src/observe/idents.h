/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers for things that are known by an address: from 1 on, in the order in which they were first
 * seen, and never given twice. Looking one up takes no lock.
 */
#ifndef IOAS_OBSERVE_IDENTS_H
#define IOAS_OBSERVE_IDENTS_H

#include <stdint.h>

#include "base/lock.h"

#define IDENTS_ROOM 4096u

struct idents {
	struct lock lock; /* LOCK_OBSERVE: to add and to remove */
	uint64_t last;	  /* number */
	struct ident {
		uintptr_t key; /* 0: empty; 1: removed */
		uint64_t number;
	} entries[IDENTS_ROOM];
};

void idents_init(struct idents *s);
/* The number of @key, which stays where it is meanwhile; 0: it has none. */
uint64_t idents_find(const struct idents *s, const void *key);
/* Gives it one if it has none yet; 0: there are too many. */
uint64_t idents_number(struct idents *s, const void *key);
/* @key is gone: what comes to lie there is something else. */
uint64_t idents_remove(struct idents *s, const void *key);

#endif
