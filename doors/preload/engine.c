/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "doors/preload/bars.h"
#include "doors/preload/door.h"
#include "doors/preload/record.h"
#include "doors/preload/findings.h"
#include "doors/preload/inspect.h"
#include "doors/preload/signals.h"
#include "doors/preload/trace.h"
#include "doors/shared/serve.h"
#include "observe/log_types.h"
#include "observe/record.h"
#include "doors/preload/vfs.h"

#define MAX_DEFERRED 4096

static struct engine *engine;
static pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;

/* Changes of the address space that threads made while they were inside the engine. */
static struct {
	int lock;
	unsigned int n; /* above MAX_DEFERRED: everything */
	struct {
		uint64_t va, len;
	} range[MAX_DEFERRED];
} deferred;

/* What the devices had counted when we last looked. */
static struct dma_stats *counted;
static int count_lock;

struct engine *engine_here(void)
{
	return __atomic_load_n(&engine, __ATOMIC_ACQUIRE);
}

/* ---- making one ---- */

static void on_fault(void *arg, struct requester *r, const struct iommu_fault *f)
{
	__atomic_fetch_add(&door.stats->faults, 1, __ATOMIC_RELAXED);
	if (door.run.show)
		trace_fault(f);
}

static void on_injection(void *arg, const char *rule, bool call)
{
	__atomic_fetch_add(&door.stats->injected, 1, __ATOMIC_RELAXED);
	/* The line of a call that fails says it itself. */
	if (door.run.show && !call)
		trace_injection(rule);
}

static const struct pci_host_ops pci_ops = {
	.shm_alloc = bars_alloc,
	.shm_free = bars_free,
	.thread_start = inside_thread_start,
};

static int create(struct engine *e)
{
	struct machine_config cfg = {
		.memory_ops = &door_memory_ops,
		.tracked = true,
		.sink.fn = door.run.show ? trace_refusal : NULL,
		.fault = on_fault,
		.struck = on_injection,
		.pci_ops = &pci_ops,
	};
	char why[512] = "";
	int rc;

	door_record_begin(&cfg, &e->recorder);
	rc = machine_create(&door.run, &cfg, &e->machine, why, sizeof(why));
	if (rc) {
		door_say("cannot build the machine: %s", why);
		goto out_recorder;
	}
	e->caller = (struct caller){.ops = &door_caller_ops, .arg = e};
	counted = calloc(e->machine.nr_devices + 1, sizeof(*counted));
	rc = counted ? caller_create_accounts(e) : -ENOMEM;
	if (!rc)
		rc = door_record_attach(e->recorder, &e->machine);
	if (!rc)
		rc = findings_start(e->machine.host);
	if (!rc)
		return 0;
	machine_destroy(&e->machine);
out_recorder:
	if (e->recorder)
		recorder_destroy(e->recorder);
	return rc;
}

/* Lock held. */
static int ensure(void)
{
	struct engine *e;
	int rc;

	if (engine)
		return 0;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	rc = bars_init();
	if (!rc)
		rc = create(e);
	if (rc) {
		free(e);
		return rc;
	}
	__atomic_store_n(&e->machine.host->no_mmap, door.kvm, __ATOMIC_RELAXED);
	__atomic_store_n(&engine, e, __ATOMIC_RELEASE);
	looking_start(e);
	return 0;
}

int engine_open_as(const struct node *n, struct caller *c, struct abi_file **out)
{
	static const enum abi_file_kind kinds[] = {
		[NODE_IOMMU] = ABI_IOMMUFD,
		[NODE_VFIO] = ABI_CONTAINER,
		[NODE_GROUP] = ABI_GROUP,
		[NODE_DEVICE] = ABI_DEVICE,
	};
	struct engine *e = engine_here();
	struct host *h = e->machine.host;

	sessions_reap();
	files_reap();
	vfs_follow(e);
	return n->kind < ARRAY_SIZE(kinds) ? abi_call_open(h, kinds[n->kind], n->number, c, out) : -ENODEV;
}

int engine_start(void)
{
	int rc;

	pthread_mutex_lock(&engine_lock);
	rc = ensure();
	pthread_mutex_unlock(&engine_lock);
	return rc;
}

int engine_open(const struct node *n, struct abi_file **out)
{
	int rc;

	engine_enter();
	rc = engine_start();
	if (!rc)
		rc = engine_open_as(n, &engine->caller, out);
	engine_leave();
	return rc;
}

int engine_reset(uint64_t device)
{
	struct engine *e = engine_here();

	if (!e || device >= e->machine.nr_devices)
		return -ENODEV;
	engine_enter();
	pci_reset(e->machine.devices[device]);
	recorder_control(e->recorder, device, LOG_CONTROL_RESET, 0, 0);
	engine_leave();
	return 0;
}

int engine_set_vfs(uint64_t device, unsigned int n, bool wait)
{
	struct engine *e = engine_here();
	int rc;

	if (!e || device >= e->machine.nr_devices)
		return -ENODEV;
	engine_enter();
	rc = abi_set_num_vfs(e->machine.slots[device], n, wait);
	recorder_control(e->recorder, device, LOG_CONTROL_VFS, n | (wait ? 1ull << 32 : 0), rc);
	engine_leave();
	return rc;
}

void engine_kvm_opened(void)
{
	struct engine *e = engine_here();

	__atomic_store_n(&door.kvm, true, __ATOMIC_RELAXED);
	if (e)
		__atomic_store_n(&e->machine.host->no_mmap, true, __ATOMIC_RELAXED);
}

void engine_fork_child(void)
{
	pthread_mutex_init(&engine_lock, NULL);
	engine = NULL;
	counted = NULL;
	count_lock = 0;
	deferred.lock = 0;
	deferred.n = 0;
	door_thread.depth = 0;
}

/* ---- the address space ---- */

static void spin(int *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void defer(uint64_t va, uint64_t len)
{
	spin(&deferred.lock);
	if (deferred.n < MAX_DEFERRED) {
		deferred.range[deferred.n].va = va;
		deferred.range[deferred.n].len = len;
	}
	__atomic_store_n(&deferred.n, deferred.n + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&deferred.lock, 0, __ATOMIC_RELEASE);
}

/* One at a time, since telling the engine may defer more. */
static void tell_deferred(struct memory *m)
{
	while (__atomic_load_n(&deferred.n, __ATOMIC_RELAXED)) {
		uint64_t va = 0, len = 1ull << 47;

		spin(&deferred.lock);
		if (deferred.n > MAX_DEFERRED) {
			__atomic_store_n(&deferred.n, 0, __ATOMIC_RELAXED);
		} else if (deferred.n) {
			__atomic_store_n(&deferred.n, deferred.n - 1, __ATOMIC_RELAXED);
			va = deferred.range[deferred.n].va;
			len = deferred.range[deferred.n].len;
		} else {
			len = 0;
		}
		__atomic_store_n(&deferred.lock, 0, __ATOMIC_RELEASE);
		if (len)
			memory_va_changed(m, va, len);
	}
}

/* About to leave: what the sanitizer found meanwhile may end the process. */
static void settle(void)
{
	if (__builtin_expect(door_thread.found, 0) && door_thread.depth == 1)
		findings_settle();
}

/*
 * What the engine allocates is nobody's leak: it lives in memory that a leak checker does not look
 * at, until the process ends. Nor is it anybody's race: the engine's locks are its own, and a thread
 * sanitizer, which sees malloc() and free() only, would miss what orders them.
 */
void engine_enter(void)
{
	if (door_thread.depth++)
		return;
	if (door.lsan_disable)
		door.lsan_disable();
	if (door.tsan_ignore)
		door.tsan_ignore(__FILE__, __LINE__);
}

void engine_leave(void)
{
	if (door_thread.depth == 1 && door.lsan_enable)
		door.lsan_enable();
	if (door_thread.depth == 1 && door.tsan_heed)
		door.tsan_heed(__FILE__, __LINE__);
	if (door_thread.depth == 1 && __builtin_expect(__atomic_load_n(&deferred.n, __ATOMIC_RELAXED) != 0, 0)) {
		struct engine *e = engine_here();

		if (e)
			tell_deferred(e->machine.host->memory);
	}
	settle();
	door_thread.depth--;
}

static void change_begin(struct engine_change *c, uint64_t va, uint64_t len, bool drop)
{
	struct engine *e = engine_here();

	c->memory = NULL;
	c->remote.n = 0;
	if (len && client_watched())
		client_change_begin(&c->remote, va, len, drop);
	if (!e || !len)
		return;
	if (door_thread.depth) {
		defer(va, len);
		return;
	}
	c->memory = e->machine.host->memory;
	door_thread.depth++;
	if (drop)
		memory_drop_begin(c->memory, &c->change, va, len);
	else
		memory_change_begin(c->memory, &c->change, va, len);
	settle();
	door_thread.depth--;
}

void engine_change_begin(struct engine_change *c, uint64_t va, uint64_t len)
{
	change_begin(c, va, len, false);
}

void engine_drop_begin(struct engine_change *c, uint64_t va, uint64_t len)
{
	change_begin(c, va, len, true);
}

void engine_change_end(struct engine_change *c)
{
	if (c->remote.n)
		client_change_end(&c->remote);
	if (!c->memory)
		return;
	door_thread.depth++;
	memory_change_end(c->memory, &c->change);
	door_thread.depth--;
}

void engine_va_changed(uint64_t va, uint64_t len)
{
	struct engine *e = engine_here();
	struct client_change c;

	if (len && client_watched()) {
		client_change_begin(&c, va, len, false);
		client_change_end(&c);
	}
	if (!e || !len)
		return;
	if (door_thread.depth) {
		defer(va, len);
		return;
	}
	door_thread.depth++;
	memory_va_changed(e->machine.host->memory, va, len);
	door_thread.depth--;
}

void engine_va_protected(uint64_t va, uint64_t len)
{
	struct engine *e = engine_here();

	if (len && client_watched())
		client_protected(va, len);
	if (!e || !len)
		return;
	if (door_thread.depth) {
		defer(va, len);
		return;
	}
	door_thread.depth++;
	memory_va_protected(e->machine.host->memory, va, len);
	door_thread.depth--;
}

/* ---- statistics ---- */

static void add(uint64_t *to, uint64_t now, uint64_t *before)
{
	if (now != *before)
		__atomic_fetch_add(to, now - *before, __ATOMIC_RELAXED);
	*before = now;
}

void engine_count(void)
{
	struct engine *e = engine_here();

	if (!e || __atomic_exchange_n(&count_lock, 1, __ATOMIC_ACQUIRE))
		return;
	for (size_t i = 0; i < e->machine.nr_devices; i++) {
		struct dma_stats now;

		dma_get_stats(&e->machine.devices[i]->port, &now);
		add(&door.stats->dma_read_bytes, now.read_bytes, &counted[i].read_bytes);
		add(&door.stats->dma_written_bytes, now.written_bytes, &counted[i].written_bytes);
	}
	__atomic_store_n(&count_lock, 0, __ATOMIC_RELEASE);
}
