/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a test of a device model stands on: an IOMMU, a domain that maps one arena of memory, and
 * functions of the built-in models (or of the test's own) behind it, driven as a VFIO device file
 * would.
 */
#ifndef TESTS_UNIT_DEVICES_RIG_H
#define TESTS_UNIT_DEVICES_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "bed.h"
#include "devices/pci.h"
#include "devices/virtio/hub.h"

#define ARENA_IOVA 0x10000000ull
#define ARENA_LEN  (16u << 20)

#define FUNC_IRQS 128

struct rig;

/* A function under test, and the interrupts that it has raised. */
struct func {
	struct rig *rig;
	struct pci_dev *pci;
	struct requester *requester;
	unsigned int irqs[FUNC_IRQS]; /* MSI and MSI-X, by vector; atomic */
	unsigned int intx_raised, intx_lowered;
	struct func *next;
};

/* A BAR as the program has it mapped, and mapped for DMA in turn. */
struct bar_map {
	uint64_t va, len;
	struct func *f;
	unsigned int bar;
	struct bed_map map;
};
#define MAX_BAR_MAPS 4

struct rig {
	struct bed bed;
	struct bar_map bar_maps[MAX_BAR_MAPS];
	unsigned int nr_bar_maps;
	struct domain *domain;
	struct net_hubs *hubs;
	char *arena;
	struct bed_map map;
	bool registered;
	size_t used;	     /* of the arena, by arena_alloc() */
	unsigned int faults; /* atomic */
	struct func *funcs;
	const struct pci_host_ops *ops; /* of functions added from now on; NULL: the defaults */
};

/* @registered: copies of the arena are plain and its words atomic; otherwise each is guarded, as
 * for a program's own memory. */
void rig_create(struct rig *r, bool registered);
/* Functions that are left, too. */
void rig_destroy(struct rig *r);

/* @text as after --device. Bus master and memory are on. */
struct func *func_add(struct rig *r, const char *text);
struct func *func_add_model(struct rig *r, const struct pci_model *model, const char *text);
/* Virtual function @index of @pf. */
struct func *func_add_vf(struct func *pf, unsigned int index);
/* What pci_create() says to @text; a function that was made is destroyed again. @why may be NULL.
 */
int func_try(struct rig *r, const char *text, char *why, size_t why_len);
void func_remove(struct func *f);

/* Zeroed memory of the arena, aligned to @align. */
void *arena_alloc(struct rig *r, size_t len, size_t align);
uint64_t iova_of(const struct rig *r, const void *p);
/* Memory of the arena: from here on nothing maps it. Whole pages; the map is back after
 * rig_map_arena(). */
void rig_unmap_arena(struct rig *r);
void rig_map_arena(struct rig *r);
unsigned int rig_faults(struct rig *r);
/* Lets devices reach BAR @bar of @f at @iova, until the rig is destroyed. */
void rig_map_bar(struct rig *r, struct func *f, unsigned int bar, uint64_t iova);

/* Registers of a BAR, and configuration space, as a program reaches them. */
uint64_t reg_read(struct func *f, unsigned int bar, uint64_t off, unsigned int size);
void reg_write(struct func *f, unsigned int bar, uint64_t off, unsigned int size, uint64_t val);
uint32_t cfg_read(struct func *f, unsigned int off, unsigned int size);
void cfg_write(struct func *f, unsigned int off, unsigned int size, uint32_t val);
void set_bus_master(struct func *f, bool on);
unsigned int irqs_of(const struct func *f, unsigned int vector);

/* Every one of @len bytes is @value. */
void assert_all(const void *p, uint8_t value, size_t len);

double seconds(void);
/* Gives the other threads a chance. */
void relax(void);

#define WAIT_SECONDS 20.0
#define WAIT_UNTIL(cond)                                                                           \
	do {                                                                                       \
		double end_ = seconds() + WAIT_SECONDS;                                            \
		while (!(cond)) {                                                                  \
			if (seconds() > end_)                                                      \
				fail_msg("waited in vain for: %s", #cond);                         \
			relax();                                                                   \
		}                                                                                  \
	} while (0)

/* A small generator of our own, so that every machine draws the same. */
struct prng {
	uint64_t state;
};
uint64_t prng_next(struct prng *p);
static inline uint64_t prng_below(struct prng *p, uint64_t n)
{
	return prng_next(p) % n;
}
void fill_random(struct prng *p, void *buf, size_t len);

#endif
