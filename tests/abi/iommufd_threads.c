/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several threads on one context: they map, unmap, copy and destroy at once. What each is told must
 * add up to what is there in the end; nobody may be told of an object or an area that is not his;
 * nothing may hang.
 */
#include "abi_iommufd.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define ROUNDS 3000
#define PLACES 8

struct worker {
	pthread_t thread;
	int fd;
	uint32_t ioas, other;
	uint64_t state;
	int64_t bytes[2];            /* what this thread has added to either IOAS, on balance */
	unsigned int unexpected;     /* answers that no order of the calls explains */
	int first_errno;
	const char *first_call;
};

static uint64_t draw(struct worker *worker, uint64_t below)
{
	worker->state ^= worker->state >> 12;
	worker->state ^= worker->state << 25;
	worker->state ^= worker->state >> 27;
	return (worker->state * 0x2545f4914f6cdd1dull >> 16) % below;
}

/* Rows are the main thread's: a worker only counts. */
static void expect(struct worker *worker, const char *call, bool ok, int err)
{
	if (ok)
		return;
	if (!worker->unexpected++) {
		worker->first_errno = err;
		worker->first_call = call;
	}
}

static void start(struct worker *workers, size_t n, void *(*run)(void *), int fd, uint32_t ioas,
		  uint32_t other)
{
	for (size_t i = 0; i < n; i++) {
		workers[i] = (struct worker){ .fd = fd, .ioas = ioas, .other = other };
		workers[i].state = 0x9e3779b97f4a7c15ull * (i + 1);
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]))
			abi_broken("pthread_create");
	}
}

static void join(struct worker *workers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		abi_true(!workers[i].unexpected, "thread %zu: %u unexpected answers, first %s: %s",
			 i, workers[i].unexpected,
			 workers[i].first_call ? workers[i].first_call : "-",
			 abi_errno_name(workers[i].first_errno));
	}
}

static int64_t total(const struct worker *workers, size_t n, int which)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += workers[i].bytes[which];
	return bytes;
}

/* Fixed places of one page, two IOASes; each call names exactly one place. */
static void *map_and_unmap(void *arg)
{
	struct worker *worker = arg;
	uint32_t ids[2] = { worker->ioas, worker->other };
	uint64_t iova, bytes;
	int err;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t place = 0x100000 + draw(worker, PLACES) * 4096;
		uint64_t which = draw(worker, 2);

		switch (draw(worker, 4)) {
		case 0:
			iova = place;
			err = ioas_map(worker->fd, ids[which], FIXED_RW, world_memory(), 4096,
				       &iova);
			expect(worker, "MAP", !err || err == EEXIST, err);
			worker->bytes[which] += err ? 0 : 4096;
			break;
		case 1:
			iova = place;
			err = ioas_copy(worker->fd, ids[which], &iova, ids[!which], place, 4096,
					FIXED_RW);
			expect(worker, "COPY", !err || err == EEXIST || err == ENOENT, err);
			worker->bytes[which] += err ? 0 : 4096;
			break;
		default:
			bytes = 0;
			err = ioas_unmap(worker->fd, ids[which], place, 4096, &bytes);
			expect(worker, "UNMAP", !err || err == ENOENT || err == EBUSY, err);
			expect(worker, "UNMAP's bytes", err || bytes == 4096, 0);
			worker->bytes[which] -= err ? 0 : 4096;
			break;
		}
	}
	return NULL;
}

static void mapping(void)
{
	struct attached attached;
	struct worker workers[4];
	uint32_t other;
	int fd;

	if (abi_row("MAP UNM CPY", "four threads on the same places of two IOASes")) {
		fd = world_setup();
		other = ioas_alloc_ok(fd);
		start(workers, 4, map_and_unmap, fd, WORLD_OTHER, other);
		join(workers, 4);
		abi_equal(ioas_empty(fd, WORLD_OTHER), (uint64_t)total(workers, 4, 0));
		abi_equal(ioas_empty(fd, other), (uint64_t)total(workers, 4, 1));
		close(fd);
	}
	if (abi_row("MAP UNM CPY", "the same with a device attached") && attached_open(&attached)) {
		fd = attached.bound.fd;
		other = ioas_alloc_ok(fd);
		start(workers, 4, map_and_unmap, fd, attached.ioas, other);
		join(workers, 4);
		abi_equal(ioas_empty(fd, attached.ioas), (uint64_t)total(workers, 4, 0));
		abi_equal(ioas_empty(fd, other), (uint64_t)total(workers, 4, 1));
		object_destroy_ok(fd, other);
		attached_close(&attached);
	}
}

/* Automatic choices must never overlap: each thread writes down what it was given. */
#define SLOTS 4096

static atomic_char taken[SLOTS];

static void *choose_and_unmap(void *arg)
{
	struct worker *worker = arg;
	uint64_t iova, slot;
	int err;

	for (int i = 0; i < ROUNDS; i++) {
		iova = 0;
		err = ioas_map(worker->fd, worker->ioas, RW, world_memory(), 4096, &iova);
		expect(worker, "MAP", !err, err);
		slot = iova / 4096;
		if (err || slot >= SLOTS) {
			expect(worker, "iova", err, 0);
			continue;
		}
		expect(worker, "an iova given twice", !atomic_exchange(&taken[slot], 1), 0);
		if (draw(worker, 2))
			continue;
		atomic_store(&taken[slot], 0);
		err = ioas_unmap(worker->fd, worker->ioas, iova, 4096, NULL);
		expect(worker, "UNMAP", !err, err);
	}
	return NULL;
}

static void choosing(void)
{
	struct worker workers[2];
	uint64_t pages = 0;
	int fd;

	if (!abi_row("MAP", "two threads, automatic: no iova is given twice"))
		return;
	fd = world_setup();
	memset(taken, 0, sizeof(taken));
	/* First fit: about half of all rounds are kept, so that none falls outside. */
	_Static_assert(2 * ROUNDS / 2 < SLOTS * 3 / 4, "too many rounds");
	start(workers, 1, choose_and_unmap, fd, WORLD_OTHER, 0);
	join(workers, 1);
	for (size_t i = 0; i < SLOTS; i++)
		pages += taken[i];
	abi_equal(ioas_empty(fd, WORLD_OTHER), pages * 4096);
	memset(taken, 0, sizeof(taken));
	start(workers, 2, choose_and_unmap, fd, WORLD_OTHER, 0);
	join(workers, 2);
	close(fd);
}

/* Each id has one owner at a time, and is as low as can be. */
#define HOLD 16
#define MAX_ID 256

static atomic_char owned[MAX_ID];

static void *alloc_and_destroy(void *arg)
{
	struct worker *worker = arg;
	uint32_t held[HOLD];
	size_t n = 0, which;
	int err;

	for (int i = 0; i < ROUNDS; i++) {
		if (n < HOLD && draw(worker, 2)) {
			held[n] = ioas_alloc_ok(worker->fd);
			if (held[n] >= MAX_ID) {
				expect(worker, "a low id", false, 0);
				break;
			}
			expect(worker, "an id given twice", !atomic_exchange(&owned[held[n]], 1),
			       0);
			n++;
		} else if (n) {
			which = draw(worker, n);
			atomic_store(&owned[held[which]], 0);
			err = object_destroy(worker->fd, held[which]);
			expect(worker, "DESTROY", !err, err);
			held[which] = held[--n];
		}
	}
	while (n) {
		atomic_store(&owned[held[--n]], 0);
		err = object_destroy(worker->fd, held[n]);
		expect(worker, "DESTROY", !err, err);
	}
	return NULL;
}

static void objects(void)
{
	struct worker workers[4];
	int fd;

	if (!abi_row("2.1 DEST", "four threads allocate and destroy"))
		return;
	fd = world_setup();
	memset(owned, 0, sizeof(owned));
	start(workers, 4, alloc_and_destroy, fd, 0, 0);
	join(workers, 4);
	world_audit(fd);
	close(fd);
}

/*
 * One thread uses an IOAS that another destroys and makes anew. In the meantime it may be missing,
 * and DESTROY may find it in use, which is over as soon as the other's call is.
 */
static atomic_bool stop;

static void *use(void *arg)
{
	struct worker *worker = arg;
	uint64_t iova;
	int err;

	while (!atomic_load(&stop)) {
		iova = 0x100000 + draw(worker, PLACES) * 4096;
		err = ioas_map(worker->fd, worker->ioas, FIXED_RW, world_memory(), 4096, &iova);
		expect(worker, "MAP", !err || err == EEXIST || err == ENOENT, err);
		err = ioas_unmap(worker->fd, worker->ioas, iova, 4096, NULL);
		expect(worker, "UNMAP", !err || err == ENOENT || err == EBUSY, err);
	}
	return NULL;
}

static void destroying(void)
{
	struct worker workers[2];
	uint32_t again;
	int err, fd;

	if (!abi_row("DEST 2.3", "an IOAS is destroyed while others use it"))
		return;
	fd = world_setup();
	atomic_store(&stop, false);
	start(workers, 2, use, fd, WORLD_OTHER, 0);
	for (int i = 0; i < ROUNDS / 4; i++) {
		do
			err = object_destroy(fd, WORLD_OTHER);
		while (err == EBUSY);
		if (!abi_errno(err, 0))
			break;
		again = ioas_alloc_ok(fd);
		if (!abi_equal(again, WORLD_OTHER))
			break;
	}
	atomic_store(&stop, true);
	join(workers, 2);
	ioas_empty(fd, WORLD_OTHER);
	world_audit(fd);
	close(fd);
}

/* A device comes and goes while its IOAS is being mapped. */
static void attaching(void)
{
	struct worker workers[2];
	struct bound bound;
	uint32_t ioas, other, pt;

	if (!abi_row("7.2 MAP", "a device is attached and detached while others map") ||
	    !bound_open(&bound))
		return;
	ioas = ioas_alloc_ok(bound.fd);
	other = ioas_alloc_ok(bound.fd);
	start(workers, 2, map_and_unmap, bound.fd, ioas, other);
	for (int i = 0; i < 200; i++) {
		pt = i % 3 ? ioas : other;
		abi_errno(cdev_attach(bound.dev_fd, &pt), 0);
		if (i % 2)
			abi_errno(cdev_detach(bound.dev_fd), 0);
	}
	join(workers, 2);
	abi_errno(cdev_detach(bound.dev_fd), 0);
	abi_equal(ioas_empty(bound.fd, ioas), (uint64_t)total(workers, 2, 0));
	abi_equal(ioas_empty(bound.fd, other), (uint64_t)total(workers, 2, 1));
	object_destroy_ok(bound.fd, ioas);
	object_destroy_ok(bound.fd, other);
	bound_close(&bound);
}

/* The context's last descriptor is closed under the others' feet. */
static void *until_closed(void *arg)
{
	struct worker *worker = arg;
	uint64_t iova;
	int err;

	do {
		iova = 0x100000 + draw(worker, PLACES) * 4096;
		err = ioas_map(worker->fd, worker->ioas, FIXED_RW, world_memory(), 4096, &iova);
		expect(worker, "MAP", !err || err == EEXIST || err == EBADF, err);
		ioas_unmap(worker->fd, worker->ioas, iova, 4096, NULL);
	} while (err != EBADF);
	return NULL;
}

static void closing(void)
{
	struct worker workers[2];
	int fd;

	if (!abi_row("2.6", "the context is closed while threads use it"))
		return;
	for (int i = 0; i < 20; i++) {
		fd = world_setup();
		start(workers, 2, until_closed, fd, WORLD_OTHER, 0);
		usleep(1000);
		close(fd);
		join(workers, 2);
	}
}

static void hung(int signal)
{
	static const char text[] = "BROKEN: a call hangs\n0 passed, 1 failed\n";

	(void)!write(1, text, sizeof(text) - 1);
	_exit(1);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(mapping), ABI_PART(choosing), ABI_PART(objects), ABI_PART(destroying),
		ABI_PART(attaching), ABI_PART(closing),
	};

	signal(SIGALRM, hung);
	alarm(120);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
