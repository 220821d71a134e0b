/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sanitizer's tests stand on: a host with two devices of which each has a port, a context
 * with an IOAS that both are attached to, program memory, and a sink that keeps what is reported.
 */
#ifndef TESTS_UNIT_OBSERVE_WORLD_H
#define TESTS_UNIT_OBSERVE_WORLD_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dma/dma.h"
#include "object/iommufd.h"
#include "observe/sanitize.h"

#define IOVA	0x40000000ull
#define PAGES	64
#define RW	(SPACE_READ | SPACE_WRITE)
#define DEVICES 2

/* A finding with its words copied. */
struct told {
	struct finding f;
	char text[400], iommu[128], device[16];
};

struct world {
	struct host *host;
	struct sanitizer *s;
	struct iommufd *ctx;
	struct ioas *ioas;
	struct host_device *slot[DEVICES];
	struct idevice *idev[DEVICES];
	struct dma_port port[DEVICES];
	char *mem; /* PAGES of them */
	pthread_mutex_t lock;
	unsigned int n; /* reported */
	struct told told[16];
	unsigned int notes;
	stack_id stack; /* the next one that is taken */
	/* Called before more than a word moves, in the device's section; may be NULL. */
	void (*copying)(struct world *w, void *arg);
	void *copying_arg;
	int copy_rc; /* what the copies give: -EFAULT for memory that is gone */
};

struct world *world_create(const struct sanitizer_config *cfg, const char *make);
void world_destroy(struct world *w);
/* Detaches and unbinds the devices. */
void world_unbind(struct world *w);

/* At page @page of the memory; 0 or -errno. */
int world_map_at(struct world *w, struct ioas *ioas, uint64_t iova, const void *va, uint64_t len,
		 int prot);
void world_map(struct world *w, uint64_t iova, uint64_t page, uint64_t n, int prot);
void world_unmap(struct world *w, uint64_t iova, uint64_t len);
/* By device 0. */
int world_write(struct world *w, uint64_t iova, size_t len);
int world_read(struct world *w, uint64_t iova, size_t len);

/* Exactly one finding since the last call, of @kind; it is kept in told[0]. */
#define assert_found(w, kind) found_at(w, FINDING_##kind, __FILE__, __LINE__)
#define assert_silent(w)      silent_at(w, __FILE__, __LINE__)
const struct told *found_at(struct world *w, enum finding_kind kind, const char *file, int line);
void silent_at(struct world *w, const char *file, int line);

#endif
