/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page table and the leaves that ought to be in it: what the suites that run over every geometry
 * have in common. Everything asserts.
 */
#ifndef IOAS_TESTS_PAGETABLE_WORLD_H
#define IOAS_TESTS_PAGETABLE_WORLD_H

#include "naive.h"

#define MOST_MAPS 40000

struct world {
	struct fixture fx;
	const struct geometry *g;
	struct naive_map *maps;
	size_t n;
};

void world_open(struct world *w, const struct geometry *g);
/* Unmaps all. */
void world_close(struct world *w);
/* Runs @test for each leaf size that the geometry has, in a world of its own. */
void world_each_size(void **state, void (*test)(struct world *w, unsigned int lg2));

/* The smallest leaf. */
unsigned int world_unit(const struct world *w);
/* A PA of this alignment and of no larger one. */
uint64_t world_some_pa(const struct world *w, unsigned int lg2);

/* Maps, here and there. */
void world_map(struct world *w, uint64_t iova, uint64_t pa, uint64_t len, int prot);
/* Whole leaves. */
void world_unmap(struct world *w, uint64_t iova, uint64_t len);
void world_unmap_all(struct world *w);
/* Whatever leaves there are now in [iova, iova + len) still lead to @pa; they become those of @w.
 */
void world_adopt(struct world *w, uint64_t iova, uint64_t pa, uint64_t len, int prot);

/* Memory holds exactly what it ought to. */
void world_check(const struct world *w);
void world_check_leaf(const struct world *w, uint64_t iova, uint64_t pa, unsigned int lg2,
		      int prot);
void world_check_nothing(const struct world *w, uint64_t iova);

/* A program of suites, each of which is run with every geometry as its state. */
struct world_suite {
	const char *name;
	void (*run)(void **state);
};
int world_main(const struct world_suite *suites, size_t nr, int argc, char **argv);

#endif
