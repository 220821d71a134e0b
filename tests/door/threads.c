/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several threads at once: opening, duplicating, using and closing; one closes what another uses;
 * BARs come and go.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "door_test.h"

#define THREADS 6
#define ROUNDS	400

static struct scratch shared;
static atomic_int stop;

/* A context is its opener's alone: ids count from 1 in each. */
static void *open_and_close(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		const int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), copy = dup(fd);

		CHECK(fd >= 0 && copy >= 0);
		CHECK(!close(fd));
		CHECK(!ioctl(copy, IOMMU_IOAS_ALLOC, &alloc) && alloc.out_ioas_id == 1);
		CHECK(!close(copy));
	}
	return NULL;
}

/* The number is used by turns for an iommufd and for /dev/null: calls on it meet one or the other.
 */
static void *switch_number(void *arg)
{
	const int number = *(int *)arg, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	while (!atomic_load(&stop))
		CHECK(dup2(iommu, number) == number && dup2(null, number) == number);
	close(null);
	close(iommu);
	return NULL;
}

static void *use_number(void *arg)
{
	const int number = *(int *)arg;

	for (int i = 0; i < 20 * ROUNDS; i++) {
		struct iommu_destroy cmd = {.size = sizeof(cmd), .id = 77};
		const int rc = ioctl(number, IOMMU_DESTROY, &cmd);

		CHECK(rc == -1 && (errno == ENOENT || errno == ENOTTY));
	}
	atomic_store(&stop, 1);
	return NULL;
}

static void *map_and_store(void *arg)
{
	const unsigned int off = (unsigned int)(uintptr_t)arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		volatile uint8_t *bar = bar_map(&shared, PROT_READ | PROT_WRITE);

		*reg32(bar, off) = i;
		CHECK(*reg32(bar, off) == i);
		CHECK(!munmap((void *)bar, BAR0_SIZE));
	}
	return NULL;
}

static void *toggle_memory(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t v;

		/* Switching it off would be the other threads' bus error: only the path is taken.
		 */
		scratch_memory(&shared, true);
		CHECK(pread(shared.device, &v, 4, (off_t)bar_offset(7)) == 4);
	}
	return NULL;
}

static void run_all(void *(*const fns[])(void *), void *const args[], int n)
{
	pthread_t t[THREADS];

	for (int i = 0; i < n; i++)
		NEED(!pthread_create(&t[i], NULL, fns[i], args[i]));
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	int number;

	run_all((void *(*const[])(void *)){open_and_close, open_and_close, open_and_close,
					   open_and_close},
		(void *const[]){NULL, NULL, NULL, NULL}, 4);
	number = open("/dev/null", O_RDWR);
	run_all((void *(*const[])(void *)){use_number, switch_number},
		(void *const[]){&number, &number}, 2);
	close(number);
	scratch_open(&shared);
	run_all((void *(*const[])(void *)){map_and_store, map_and_store, map_and_store,
					   toggle_memory},
		(void *const[]){(void *)0x10, (void *)0x20, (void *)0x30, NULL}, 4);
	scratch_close(&shared);
	return finish();
}
