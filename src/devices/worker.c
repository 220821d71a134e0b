/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker thread. Its life is a loop of stretches: work() until there is no more, then sleep
 * until a kick.
 *
 * A kick is lost by nobody: whoever kicks stores what there is to do and then exchanges @work, the
 * worker exchanges @work and then looks. So if the kick finds @work set already, the worker has
 * still to clear it, and will look after that.
 *
 * What a stretch may do ends when somebody pauses the worker: it is @busy from its beginning to its
 * end, and a pause waits for that.
 */
#include "devices/worker.h"
#include "base/alloc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Posted writes that other devices may have outstanding at this one. One that finds the queue full
 * is answered as an unsupported request: waiting would let two devices that write to each other
 * wait for ever.
 */
#define MAX_POSTED 1024

/* Waking a sleeper takes ten microseconds, so a worker that ran out of work looks this often before
 * it sleeps. */
#define LOOKS_BEFORE_SLEEP 500

struct posted {
	uint32_t bar;
	unsigned int size;
	uint64_t offset, data;
};

struct pci_worker {
	struct pci_dev *dev;
	pthread_mutex_t lock; /* a leaf: models' and devices' locks are never taken under it */
	pthread_cond_t wake;  /* work, or the end of a pause */
	pthread_cond_t quiet; /* a stretch is over */
	pthread_t thread;
	bool started, ending, busy; /* ending and started are read atomically too */
	bool work;		    /* atomic */
	unsigned int pauses;	    /* read atomically by the worker */
	struct posted *posted;
	unsigned int head, tail; /* read atomically too */
};

bool worker_stopping(const struct pci_worker *w)
{
	return __atomic_load_n(&w->pauses, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&w->ending, __ATOMIC_ACQUIRE);
}

static bool any_posted(const struct pci_worker *w)
{
	return __atomic_load_n(&w->tail, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(&w->head, __ATOMIC_RELAXED);
}

static bool take_posted(struct pci_worker *w, struct posted *out)
{
	bool any;

	if (!any_posted(w))
		return false;
	pthread_mutex_lock(&w->lock);
	any = w->head != w->tail;
	if (any) {
		*out = w->posted[w->head % MAX_POSTED];
		__atomic_store_n(&w->head, w->head + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&w->lock);
	return any;
}

/* At most a queue full, so that whoever keeps posting does not keep the model from working. */
static void deliver_posted(struct pci_worker *w)
{
	struct posted p;

	for (unsigned int n = 0; n < MAX_POSTED && !worker_stopping(w) && take_posted(w, &p); n++)
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
		more |= any_posted(w);
	}
	dma_end(&w->dev->port);
}

static bool may_start(const struct pci_worker *w)
{
	return __atomic_load_n(&w->ending, __ATOMIC_RELAXED) ||
	       (__atomic_load_n(&w->work, __ATOMIC_RELAXED) &&
		!__atomic_load_n(&w->pauses, __ATOMIC_RELAXED));
}

static void look_a_while(const struct pci_worker *w)
{
	for (unsigned int i = 0; i < LOOKS_BEFORE_SLEEP && !may_start(w); i++)
		__builtin_ia32_pause();
}

static void end_stretch(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->busy = false;
	/* Interrupted: what is left goes on after the pause. */
	if (worker_stopping(w))
		__atomic_store_n(&w->work, true, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&w->quiet);
	pthread_mutex_unlock(&w->lock);
}

/* Waits until there is work and nobody wants the worker out. False: the end. */
static bool begin_stretch(struct pci_worker *w)
{
	bool go;

	look_a_while(w);
	pthread_mutex_lock(&w->lock);
	while (!may_start(w))
		pthread_cond_wait(&w->wake, &w->lock);
	go = !w->ending;
	w->busy = go;
	(void)__atomic_exchange_n(&w->work, false, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&w->lock);
	return go;
}

static void *worker_main(void *arg)
{
	struct pci_worker *w = arg;

	while (begin_stretch(w)) {
		work(w);
		end_stretch(w);
	}
	return NULL;
}

int worker_create(struct pci_dev *dev, struct pci_worker **out)
{
	struct pci_worker *w = ioas_calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->posted = ioas_calloc(MAX_POSTED, sizeof(*w->posted));
	if (!w->posted) {
		ioas_free(w);
		return -ENOMEM;
	}
	w->dev = dev;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->quiet, NULL);
	*out = w;
	return 0;
}

void worker_stop(struct pci_worker *w)
{
	bool started;

	requester_stop_asking(w->dev->cfg.requester, true);
	pthread_mutex_lock(&w->lock);
	__atomic_store_n(&w->ending, true, __ATOMIC_RELEASE);
	started = w->started;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (started)
		pthread_join(w->thread, NULL);
}

void worker_destroy(struct pci_worker *w)
{
	pthread_cond_destroy(&w->quiet);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	ioas_free(w->posted);
	ioas_free(w);
}

/* Called with the lock. A worker that cannot be started leaves the work where it is, for the next
 * kick. */
static void start(struct pci_worker *w)
{
	struct pci_dev *dev = w->dev;
	char name[16];
	int rc;

	if (w->started || w->ending)
		return;
	snprintf(name, sizeof(name), "%.7s %.6s", dev->model->name, dev->name + 5);
	rc = dev->ops.thread_start(dev->cfg.ops_arg, &w->thread, name, worker_main, w);
	if (rc)
		refuse_report(dev->cfg.sink, -rc, "DEV.WORKER", "thread", dev->cfg.rid,
			      "a thread for device %s, which does nothing without one", dev->name);
	else
		__atomic_store_n(&w->started, true, __ATOMIC_RELEASE);
}

/* Called with the lock. */
static void wake(struct pci_worker *w)
{
	__atomic_store_n(&w->work, true, __ATOMIC_SEQ_CST);
	start(w);
	pthread_cond_signal(&w->wake);
}

void worker_kick(struct pci_worker *w)
{
	if (__atomic_exchange_n(&w->work, true, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&w->started, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&w->lock);
	wake(w);
	pthread_mutex_unlock(&w->lock);
}

void worker_nudge(struct pci_worker *w)
{
	if (__atomic_load_n(&w->started, __ATOMIC_ACQUIRE))
		worker_kick(w);
}

/* Called with the lock. */
static bool is_self(const struct pci_worker *w)
{
	return w->started && pthread_equal(w->thread, pthread_self());
}

void worker_pause(struct pci_worker *w)
{
	requester_stop_asking(w->dev->cfg.requester, true);
	pthread_mutex_lock(&w->lock);
	__atomic_fetch_add(&w->pauses, 1, __ATOMIC_ACQ_REL);
	while (w->busy && !is_self(w))
		pthread_cond_wait(&w->quiet, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_resume(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	__atomic_fetch_sub(&w->pauses, 1, __ATOMIC_ACQ_REL);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	requester_stop_asking(w->dev->cfg.requester, false);
}

int worker_post(struct pci_worker *w, uint32_t bar, uint64_t offset, uint64_t data,
		unsigned int size)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (w->tail - w->head == MAX_POSTED) {
		rc = -ENOMEM;
	} else {
		w->posted[w->tail % MAX_POSTED] = (struct posted){bar, size, offset, data};
		__atomic_store_n(&w->tail, w->tail + 1, __ATOMIC_RELEASE);
		wake(w);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void worker_forget_posted(struct pci_worker *w)
{
	pthread_mutex_lock(&w->lock);
	__atomic_store_n(&w->head, w->tail, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&w->lock);
}
