/* SPDX-License-Identifier: BSD-3-Clause */
/* The store forms of this CPU's architecture, for stores.c; each is one instruction. */
#ifndef TESTS_ABI_STORES_H
#define TESTS_ABI_STORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_ONE   1 /* one write if it is aligned to its size */
#define STORE_WORDS 2 /* writes whole words if it is aligned to words */

struct store_form {
	const char *name;
	/* Stores something made of `value` at `p`; returns what it left in registers and flags. */
	uint64_t (*store)(void *p, uint64_t value);
	uint32_t size;	/* it touches nothing outside [p, p + size) */
	uint32_t align; /* of p: what the instruction asks for */
	uint32_t flags;
	bool (*supported)(void); /* NULL: always */
};

/* NULL on an architecture whose forms nobody wrote down. */
const struct store_form *store_forms(size_t *n);

/* Stores at P with a known value in every register, and looks whether they are still there. */
bool store_keeps_registers(void *p, char why[64]);

#endif
