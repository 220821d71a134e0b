/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/findings.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/vfio.h"
#include "base/bits.h"
#include "doors/preload/callstack.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"
#include "doors/shared/client.h"
#include "doors/shared/serve.h"
#include "iommu/iommu.h"
#include "object/host.h"
#include "observe/sanitize.h"

struct findings *findings;
static struct sanitizer *sanitizer;

/* ---- stacks ---- */

#define STORES 256

/* The program's last store to each device's registers. */
static struct {
	const struct requester *requester;
	uint32_t rid;
	stack_id at;
	int pid;
} stores[STORES];

static size_t store_slot(const struct requester *r)
{
	size_t i = ((uintptr_t)r >> 6) % STORES;

	for (size_t tries = 0; tries < STORES; tries++, i = (i + 1) % STORES) {
		const struct requester *is = NULL;

		if (__atomic_load_n(&stores[i].requester, __ATOMIC_RELAXED) == r ||
		    __atomic_compare_exchange_n(&stores[i].requester, &is, r, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
		    is == r)
			return i;
	}
	return STORES;
}

stack_id findings_stack(void)
{
	const struct door_thread *t = &door_thread;
	const struct session *s = session_here();

	if (s)
		return s->stack;
	if (t->engine)
		return 0;
	return t->trapped ? callstack_trapped(t->trapped) : callstack_here();
}

static stack_id here(void *arg)
{
	return findings_stack();
}

/* Who calls; or, in a daemon, whose end has it do what it does. */
static int caller_pid(void)
{
	const struct session *s = session_here();
	int pid;

	if (s)
		return s->peer->pid;
	pid = door.run.shared ? peers_ending() : 0;
	return pid ? pid : sys_getpid();
}

static stack_id device_stack(void *arg, const struct requester *r)
{
	const size_t i = store_slot(r);

	return i < STORES ? __atomic_load_n(&stores[i].at, __ATOMIC_RELAXED) : 0;
}

void findings_note_store(const struct requester *r)
{
	const size_t i = findings ? store_slot(r) : STORES;

	if (i >= STORES)
		return;
	__atomic_store_n(&stores[i].at, findings_stack(), __ATOMIC_RELAXED);
	__atomic_store_n(&stores[i].rid, requester_rid(r), __ATOMIC_RELAXED);
	__atomic_store_n(&stores[i].pid, caller_pid(), __ATOMIC_RELEASE);
}

void findings_note_write(struct abi_file *f)
{
	struct host_device *d = findings ? abi_file_device(f) : NULL;

	if (d)
		findings_note_store(d->requester);
}

/* ---- collecting ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	while (text && *text)
		h = mix(h, (uint8_t)*text++);
	return h;
}

/* What makes two findings one: all but the address, unless that is all there is. Never 0. */
static uint64_t key_of(const struct finding *f)
{
	const uint64_t parts[] = {
		f->kind,
		(uint64_t)f->rid << 32 | f->pasid,
		(uint64_t)f->access,
		(uint64_t)f->now << 32 | f->device_now,
		(uint64_t)f->nearest.mapped_at << 32 | f->nearest.unmapped_at,
		(uint64_t)f->other.mapped_at << 32 | f->other.unmapped_at,
	};
	uint64_t h = mix_text(0, f->device);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		h = mix(h, parts[i]);
	if (!(parts[3] | parts[4] | parts[5]))
		h = mix(h, f->iova >> PAGE_SHIFT);
	return h | 1;
}

/* NULL: there are too many. */
static struct found *find(uint64_t key, bool *fresh)
{
	size_t i = (key >> 1) % FINDINGS_MAX;

	for (size_t tries = 0; tries < FINDINGS_MAX; tries++, i = (i + 1) % FINDINGS_MAX) {
		struct found *at = &findings->found[i];
		uint64_t is = 0;

		if (__atomic_load_n(&at->key, __ATOMIC_RELAXED) == key)
			return at;
		*fresh = __atomic_compare_exchange_n(&at->key, &is, key, false, __ATOMIC_RELAXED,
						     __ATOMIC_RELAXED);
		if (*fresh || is == key)
			return at;
	}
	return NULL;
}

struct room {
	char *at, *end;
};

static void keep_text(struct room *r, const char **text)
{
	const size_t room = (size_t)(r->end - r->at);
	size_t len = *text ? strlen(*text) : 0;

	if (!*text)
		return;
	if (!room) {
		*text = "";
		return;
	}
	len = len < room ? len : room - 1;
	memcpy(r->at, *text, len);
	r->at[len] = '\0';
	*text = r->at;
	r->at += len + 1;
}

/* Who calls, or made the device work. */
static int pid_of(const struct finding *f)
{
	if (f->now || !f->device)
		return caller_pid();
	for (size_t i = 0; i < STORES; i++) {
		const int pid = __atomic_load_n(&stores[i].pid, __ATOMIC_ACQUIRE);

		if (pid && __atomic_load_n(&stores[i].rid, __ATOMIC_RELAXED) == f->rid)
			return pid;
	}
	return caller_pid();
}

static void fill(struct found *to, const struct finding *f)
{
	struct room r = {to->text, to->text + sizeof(to->text)};

	to->f = *f;
	to->pid = pid_of(f);
	to->tid = door_thread.engine ? 0 : sys_gettid();
	keep_text(&r, &to->f.device);
	keep_text(&r, &to->f.nearest.source);
	keep_text(&r, &to->f.other.source);
	keep_text(&r, &to->f.text);
	keep_text(&r, &to->f.iommu);
	keep_text(&r, &to->f.advice);
}

void findings_ring(void)
{
	__atomic_fetch_add(&findings->bell, 1, __ATOMIC_RELEASE);
	sys4(SYS_futex, (long)&findings->bell, FUTEX_WAKE_PRIVATE, INT_MAX, 0);
}

/* A daemon stays when processes end, and their contexts with them. */
static bool dying(void *arg)
{
	return door.run.shared && !session_here() && peers_ending();
}

static void report(void *arg, const struct finding *f)
{
	bool fresh = false;
	struct found *to;
	uint32_t nr;

	/* A process's memory goes before its files, by which devices work on: nobody freed it. */
	if (f->kind == FINDING_DMA_TO_FREED && dying(arg))
		return;
	to = find(key_of(f), &fresh);

	if (!to) {
		__atomic_fetch_add(&findings->lost, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&to->count, 1, __ATOMIC_RELAXED);
	if (!fresh)
		return;
	fill(to, f);
	nr = __atomic_fetch_add(&findings->nr, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&findings->order[nr], (uint32_t)(to - findings->found) + 1,
			 __ATOMIC_RELEASE);
	door_thread.found = door.run.sanitize == RUN_SANITIZE_ABORT;
	if (!door_thread.found || door_thread.engine)
		findings_ring();
}

/* ---- free() ---- */

void findings_freed(const struct memory_mm *mm, uint64_t va, uint64_t len)
{
	if (sanitizer)
		sanitizer_freed(sanitizer, mm, va, len);
}

/* What libioas-sanitize calls before a block of some size is freed. */
static void freed(void *p, size_t len)
{
	const uint64_t va = (uint64_t)(uintptr_t)p;

	if (door_thread.depth)
		return;
	engine_enter();
	if (client_watched())
		client_freed(va, len);
	if (engine_here())
		findings_freed(NULL, va, len);
	engine_leave();
}

/* Not where another tool looks after the heap. */
static void watch_free(void)
{
	void (**hook)(void *, size_t) =
		(void (**)(void *, size_t))dlsym(RTLD_DEFAULT, "ioas_sanitize_freed");

	if (!hook || signals_bare_frame)
		return;
	callstack_hide(hook);
	__atomic_store_n(hook, freed, __ATOMIC_RELEASE);
}

/* ---- the beginning and the end ---- */

static void note(void *arg, const char *text)
{
	door_say("%s", text);
}

/* A transfer is over: nothing waits for this thread here, and the program learns of no completion
 * before the verdict. */
static void on_dma_end(void *arg, const struct event_dma *e)
{
	if (door_thread.engine && door_thread.found)
		findings_settle();
}

static const struct observer_ops settler = {.dma_end = on_dma_end};

static int start(struct host *h)
{
	const bool quiet = door.run.sanitize == RUN_SANITIZE_TRACK;
	const struct sanitizer_config cfg = {
		.sink = {.report = report,
			 .stack = quiet ? NULL : here,
			 .device_stack = quiet ? NULL : device_stack},
		.leaks = door.run.leaks,
		.advice = door.run.advice,
		.quiet = quiet,
		.note = note,
		.dying = dying,
	};
	struct findings *f;
	int rc;

	if (!quiet) {
		f = sys_mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (sys_failed((long)f) || callstack_init())
			return -ENOMEM;
		findings = f;
		findings_send_start();
	}
	rc = sanitizer_create(h, &cfg, &sanitizer);
	if (!rc && door.run.sanitize == RUN_SANITIZE_ABORT)
		rc = observe_add(&h->sink, &settler, NULL);
	return rc;
}

struct sanitizer *findings_sanitizer(void)
{
	return sanitizer;
}

/* Handlers that were registered before the first node was opened, and destructors, are yet to come.
 */
static void exit_begins(void)
{
	if (sanitizer && !door_forked())
		sanitizer_ending(sanitizer);
}

void findings_init(void)
{
	if (!run_sanitizes(&door.run) || callstack_init())
		return;
	watch_free();
}

int findings_start(struct host *h)
{
	int rc = 0;

	if (door.run.sanitize != RUN_SANITIZE_OFF)
		rc = start(h);
	if (rc)
		door_say("cannot start the sanitizer: %s", strerror(-rc));
	else if (findings)
		atexit(exit_begins);
	return rc;
}

void findings_end(bool exit)
{
	/* A child of vfork() leaves its parent's memory alone. */
	if (!findings || door_forked() || sys_getpid() != door.main_thread)
		return;
	engine_enter();
	if (exit)
		sanitizer_exit(sanitizer);
	else
		sanitizer_ending(sanitizer);
	findings_send();
	engine_leave();
}

void findings_fork_child(void)
{
	if (findings)
		sys_munmap(findings, sizeof(*findings));
	findings = NULL;
	sanitizer = NULL;
	memset(stores, 0, sizeof(stores));
	findings_send_fork_child();
}
