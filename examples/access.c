/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access: an emulated device that shares a guest's IOAS without being behind an IOMMU.
 *
 * A console: the guest puts text into a ring in its memory, the device prints it. The device pins
 * the ring where the guest says it is and looks at the memory itself; longer lines lie elsewhere
 * and are copied. When the guest unmaps the ring the device is asked to let go, and does.
 */
#include <ioas/ioas.h>

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING_LEN = 4096, LINES = 63, LINE_MAX = 256 };

struct line {
	uint64_t iova;
	uint32_t len;
	uint32_t ready;
};

struct ring {
	struct line line[LINES];
};

struct console {
	struct ioas_access *access;
	pthread_mutex_t lock; /* the ring is looked at, or given back */
	uint64_t iova;	      /* where it is pinned; */
	struct ring *ring;    /* NULL: not at all */
	unsigned int next;
	char last[LINE_MAX + 1]; /* printed last */
};

/* On the thread that unmaps. Nothing in [iova, iova + length) may be pinned when it returns. */
static void let_go(void *arg, uint64_t iova, uint64_t length)
{
	struct console *con = arg;

	pthread_mutex_lock(&con->lock);
	if (con->ring && con->iova + RING_LEN > iova && con->iova <= iova + (length - 1)) {
		ioas_access_unpin(con->access, con->iova, RING_LEN);
		con->ring = NULL;
		printf("console: the ring was taken away\n");
	}
	pthread_mutex_unlock(&con->lock);
}

static int set_ring(struct console *con, uint64_t iova)
{
	struct iovec vec;
	unsigned int n = 1; /* one piece only: the ring must lie in a row */
	int rc;

	pthread_mutex_lock(&con->lock);
	rc = ioas_access_pin(con->access, iova, RING_LEN, IOAS_ACCESS_WRITE, &vec, &n);
	if (!rc) {
		con->iova = iova;
		con->ring = vec.iov_base;
		con->next = 0;
	}
	pthread_mutex_unlock(&con->lock);
	return rc;
}

/* Prints what is ready; how many lines. What the guest may change meanwhile is read once. */
static int poll_ring(struct console *con)
{
	int printed = 0;

	pthread_mutex_lock(&con->lock);
	while (con->ring) {
		struct line *l = &con->ring->line[con->next % LINES];
		uint64_t iova = l->iova;
		uint32_t len = l->len;

		if (!__atomic_load_n(&l->ready, __ATOMIC_ACQUIRE))
			break;
		len = len < LINE_MAX ? len : LINE_MAX;
		memset(con->last, 0, sizeof(con->last));
		if (ioas_access_read(con->access, iova, con->last, len))
			strcpy(con->last, "(a line that is not there)");
		printf("console: %s\n", con->last);
		__atomic_store_n(&l->ready, 0, __ATOMIC_RELEASE);
		con->next++;
		printed++;
	}
	pthread_mutex_unlock(&con->lock);
	return printed;
}

static void check(int rc, const char *what)
{
	if (rc)
		errx(1, "%s: %s", what, strerror(-rc));
}

int main(void)
{
	struct console con = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct ioas_access_config cfg = {.pins = true, .unmap = let_go, .arg = &con};
	char *ram = aligned_alloc(4096, 3 * 4096);
	struct ring *ring = (struct ring *)ram;
	uint64_t iova = 0x1000000;
	struct ioas_context *c;
	uint32_t ioas;

	memset(ram, 0, 3 * 4096);
	check(ioas_context_open(NULL, &c), "an iommufd");
	check(ioas_create(c, &ioas), "an address space");
	check(ioas_map(c, ioas, ram, 3 * 4096, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova), "mapping");
	check(ioas_access_create(c, &cfg, &con.access), "the console");
	check(ioas_access_attach(con.access, ioas), "attaching");
	check(set_ring(&con, iova), "pinning");

	/* The second line goes across a page, the third is not mapped. */
	strcpy(ram + 4096, "hello");
	strcpy(ram + 2 * 4096 - 4, "across the pages");
	ring->line[0] = (struct line){iova + 4096, 5, 1};
	ring->line[1] = (struct line){iova + 2 * 4096 - 4, 16, 1};
	ring->line[2] = (struct line){0x5000, 5, 1};
	if (poll_ring(&con) != 3 || ring->line[1].ready)
		errx(1, "lines were lost");

	check(ioas_unmap(c, ioas, iova, 3 * 4096, NULL), "unmapping");
	if (con.ring || poll_ring(&con))
		errx(1, "the ring is still pinned");
	ioas_access_destroy(con.access);
	ioas_context_close(c);
	free(ram);
	return 0;
}
