/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Posted writes that a device may have outstanding at another; a full queue is answered as an unsupported request. */
#define MAX_POSTED 1024

struct posted {
	uint32_t bar;
	unsigned int size;
	uint64_t offset, data;
};

/* @lock is a leaf: models and devices' locks are never taken under it. */
struct pci_worker {
	struct pci_dev *dev;
	pthread_mutex_t lock;
	pthread_cond_t wake;  /* work, or the end of a pause */
	pthread_cond_t quiet; /* left work() */
	pthread_t thread;
	bool started, ending, work, busy;
	unsigned int pauses; /* read atomically by the worker */
	struct posted *posted;
	unsigned int head, tail;
};

bool worker_stopping(const struct pci_worker *w)
{
	return __atomic_load_n(&w->pauses, __ATOMIC_ACQUIRE) || __atomic_load_n(&w->ending, __ATOMIC_ACQUIRE);
}

static bool take_posted(struct pci_worker *w, struct posted *out)
{
	bool any;

	pthread_mutex_lock(&w->lock);
	any = w->head != w->tail;
	if (any)
		*out = w->posted[w->head++ % MAX_POSTED];
	pthread_mutex_unlock(&w->lock);
	return any;
}

static void deliver_posted(struct pci_worker *w)
{
	struct posted p;

	while (!worker_stopping(w) && take_posted(w, &p))
		if (pci_memory_enabled(w->dev))
			pci_bar_write(w->dev, p.bar, p.offset, p.size, &p.data);
}

/* One stretch of work, until there is none or somebody wants the worker out. */
static void work(struct pci_worker *w)
{
	const struct pci_model *model = w->dev->model;
	bool more = true;

	dma_begin(&w->dev->port);
	while (more && !worker_stopping(w)) {
		deliver_posted(w);
		more = model->work && model->work(w->dev);
	}
	if (!more && model->idle)
		model->idle(w->dev);
	dma_end(&w->dev->port);
}

/* Waits until there is work and nobody wants the worker out. False: the end. */
static bool wait_for_work(struct pci_worker *w)
{
	bool go;

	pthread_mutex_lock(&w->lock);
	w->busy = false;
	pthread_cond_broadcast(&w->quiet);
	while (!w->ending && (!w->work || w->pauses))
		pthread_cond_wait(&w->wake, &w->lock);
	go = !w->ending;
	w->busy = go;
	w->work = false;
	pthread_mutex_unlock(&w->lock);
	return go;
}

static void *worker_main(void *arg)
{
	struct pci_worker *w = arg;

	while (wait_for_work(w)) {
		work(w);
		if (worker_stopping(w)) {
			/* Interrupted: what is left goes on after the pause. */
			pthread_mutex_lock(&w->lock);
			w->work = true;
			pthread_mutex_unlock(&w->lock);
		}
	}
	return NULL;
}

int worker_create(struct pci_dev *dev, struct pci_worker **out)
{
	struct pci_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->posted = calloc(MAX_POSTED, sizeof(*w->posted));
	if (!w->posted) {
		free(w);
		return -ENOMEM;
	}
	w->dev = dev;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->quiet, NULL);
	*out = w;
	return 0;
}

void worker_destroy(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	__atomic_store_n(&w->ending, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->started)
		pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->quiet);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->posted);
	free(w);
}

/* Called with the lock. A worker that cannot be started leaves the work where it is, for the next kick. */
static void start(struct pci_worker *w)
{
	char name[16];

	if (w->started)
		return;
	snprintf(name, sizeof(name), "%.7s %.6s", w->dev->model->name, w->dev->name + 5);
	w->started = !w->dev->ops.thread_start(w->dev->cfg.ops_arg, &w->thread, name, worker_main, w);
}

void worker_kick(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->work = true;
	start(w);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void worker_pause(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	__atomic_fetch_add(&w->pauses, 1, __ATOMIC_ACQ_REL);
	while (w->busy && !(w->started && pthread_equal(w->thread, pthread_self())))
		pthread_cond_wait(&w->quiet, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_resume(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	__atomic_fetch_sub(&w->pauses, 1, __ATOMIC_ACQ_REL);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

int worker_post(struct pci_worker *w, uint32_t bar, uint64_t offset, uint64_t data, unsigned int size)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (w->tail - w->head == MAX_POSTED) {
		rc = -ENOMEM;
	} else {
		w->posted[w->tail++ % MAX_POSTED] = (struct posted){bar, size, offset, data};
		w->work = true;
		start(w);
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}
