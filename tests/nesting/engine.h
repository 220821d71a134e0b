/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first channel of an I/OAT engine, driven by a guest: descriptors at @ring, the completion at
 * @done, both in the guest's memory and at addresses of the guest's choice.
 */
#ifndef TESTS_NESTING_ENGINE_H
#define TESTS_NESTING_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

struct engine {
	volatile uint8_t *bar;
	void *ring;	/* a page */
	uint64_t *done; /* 64 bytes, aligned so */
	uint64_t iova_ring, iova_done;
	uint16_t count;
};

/* A reset, and an empty chain. What does not happen in time ends the program. */
void engine_start(struct engine *e);
/* False: the channel has halted; engine_start() has it work again. */
bool engine_copy(struct engine *e, uint64_t dst, uint64_t src, uint32_t size);
/* What CHANERR says. */
uint32_t engine_error(const struct engine *e);

#endif
