/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Findings go to `ioas run` (cli/keeper.c), each as a line of JSON in a packet of its own, with
 * addresses as offsets in their modules. A finding that is met again is not sent again: its count
 * is, now and then and at the end. With --sanitize=abort each finding is answered with a byte:
 * RUN_FINDING_FATAL if the process is to end for it.
 */
#include "doors/preload/real.h"

#include "doors/preload/findings.h"

#include <errno.h>
#include <link.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/preload/callstack.h"
#include "doors/preload/door.h"
#include "doors/preload/engine.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"
#include "iommu/iommu.h"
#include "observe/json.h"
#include "space/space.h"

#define COUNTS_NS  500000000 /* how often counts are sent */
#define TIMEOUT_S  10
#define NOBODY	   -1
#define AFTER_ABRT 1 /* seconds that a handler of the program's has */

static struct {
	pthread_mutex_t lock; /* one sends */
	int sock;	      /* hidden; -1: nobody listens */
	pthread_t thread;
	bool dying; /* SIGABRT was sent */
} sender = {.lock = PTHREAD_MUTEX_INITIALIZER, .sock = -1};

/* ---- addresses ---- */

struct lookup {
	uint64_t pc, base;
	char module[4096];
};

static int find_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct lookup *l = arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		long n = 0;

		if (p->p_type != PT_LOAD || l->pc - info->dlpi_addr - p->p_vaddr >= p->p_memsz)
			continue;
		l->base = info->dlpi_addr;
		if (info->dlpi_name && *info->dlpi_name)
			n = snprintf(l->module, sizeof(l->module), "%s", info->dlpi_name);
		else
			n = sys_readlink("/proc/self/exe", l->module, sizeof(l->module) - 1);
		l->module[n > 0 ? min_u64((uint64_t)n, sizeof(l->module) - 1) : 0] = '\0';
		return 1;
	}
	return 0;
}

static void add_frame(struct json *j, uint64_t pc)
{
	const char *module = peer_stack_module(pc);
	struct lookup l = {.pc = pc};

	if (module)
		l.base = align_down(pc, 1ull << PEER_STACK_SHIFT);
	else
		dl_iterate_phdr(find_module, &l);
	module = module ? module : l.module;
	json_object(j, NULL);
	json_string(j, "module", *module ? module : NULL);
	json_hex(j, "offset", pc - l.base);
	json_object_end(j);
}

static void add_stack(struct json *j, const char *key, stack_id id)
{
	const uint64_t *pc;
	const unsigned int n = callstack_frames(id, &pc);

	json_array(j, key);
	for (unsigned int i = 0; i < n; i++)
		add_frame(j, pc[i]);
	json_array_end(j);
}

/* ---- one finding ---- */

static const char *access_name(int access)
{
	switch (access & IOMMU_ATOMIC) {
	case IOMMU_READ:
		return "read";
	case IOMMU_WRITE:
		return "write";
	case IOMMU_ATOMIC:
		return "atomic";
	default:
		return NULL;
	}
}

static void add_mapping(struct json *j, const char *key, const struct finding_mapping *m)
{
	static const char *const permissions[] = {"", "r", "w", "rw"};

	if (!m->there)
		return;
	json_object(j, key);
	json_hex(j, "iova", m->iova);
	json_hex(j, "last", m->last);
	json_string(j, "permissions", permissions[m->prot & (SPACE_READ | SPACE_WRITE)]);
	json_hex(j, "va", m->va);
	json_string(j, "source", m->source);
	json_number(j, "ioas", m->space_id);
	json_number(j, "age_ns", m->age_ns);
	json_number(j, "uses", m->uses);
	if (m->uses && m->used_rid != UINT32_MAX)
		json_hex(j, "used_by", m->used_rid);
	json_object_end(j);
}

static void add_device(struct json *j, const struct finding *f)
{
	json_string(j, "device", f->device);
	if (!f->device)
		return;
	json_hex(j, "rid", f->rid);
	json_number(j, "pasid", f->pasid);
}

static void add_finding(struct json *j, const struct finding *f)
{
	add_device(j, f);
	json_hex(j, "iova", f->iova);
	json_number(j, "length", f->len);
	if (f->nested)
		json_hex(j, "gpa", f->gpa);
	json_string(j, "access", access_name(f->access));
	if (f->va)
		json_hex(j, "va", f->va);
	json_string(j, "iommu", f->iommu);
	json_string(j, "text", f->text);
	json_string(j, "advice", f->advice);
	add_mapping(j, "nearest", &f->nearest);
	add_mapping(j, "other", &f->other);
	json_object(j, "stacks");
	add_stack(j, "now", f->now);
	add_stack(j, "device", f->device_now);
	add_stack(j, "mapped", f->nearest.mapped_at);
	add_stack(j, "used", f->nearest.used_at);
	add_stack(j, "unmapped", f->nearest.unmapped_at);
	add_stack(j, "other_mapped", f->other.mapped_at);
	json_object_end(j);
}

/* ---- sending ---- */

static void hang_up(void)
{
	if (sender.sock >= 0)
		files_close_hidden(sender.sock);
	sender.sock = -1;
}

static bool send_packet(const char *text, size_t len)
{
	long rc;

	if (sender.sock < 0)
		return false;
	do {
		rc = sys6(SYS_sendto, sender.sock, (long)text, (long)len, MSG_NOSIGNAL, 0, 0);
	} while (rc == -EINTR);
	if (rc < 0)
		hang_up();
	return rc >= 0;
}

static bool is_fatal(void)
{
	char answer = 0;
	long rc;

	do {
		rc = sys6(SYS_recvfrom, sender.sock, (long)&answer, 1, 0, 0, 0);
	} while (rc == -EINTR);
	return rc != 1 || answer == RUN_FINDING_FATAL;
}

/* A packet: {"id":, "count":, what @f says if it is new}. */
static bool send_found(struct found *at, bool fresh)
{
	const uint64_t count = __atomic_load_n(&at->count, __ATOMIC_RELAXED);
	struct json j;
	bool sent;

	json_init(&j);
	json_object(&j, NULL);
	json_number(&j, "id", (uint64_t)(at - findings->found));
	json_number(&j, "count", count);
	if (fresh) {
		json_string(&j, "kind", finding_kind_name(at->f.kind));
		json_number(&j, "pid", (uint64_t)at->pid);
		add_finding(&j, &at->f);
	}
	json_object_end(&j);
	sent = !json_error(&j) && send_packet(j.text, j.len);
	json_free(&j);
	if (sent)
		at->told = count;
	return sent;
}

/* The run is over, or its socket cannot be reached. */
static void say(const struct found *at)
{
	door_say("[%d] %s: %s", at->pid, finding_kind_name(at->f.kind),
		 at->f.text ? at->f.text : "");
}

/* Is the process to end for it? *by: who found it, if so. */
static bool send_new(struct found *at, int *by)
{
	const bool sent = send_found(at, true);
	bool fatal = door.run.sanitize == RUN_SANITIZE_ABORT;

	if (!sent)
		say(at);
	else if (fatal)
		fatal = is_fatal();
	if (!fatal)
		return false;
	/* Another process's fault is no reason for this one, which serves it, to end. */
	if (at->pid != sys_getpid()) {
		sys3(SYS_kill, at->pid, SIGABRT, 0);
		return false;
	}
	*by = at->tid;
	return true;
}

static struct found *nth(uint32_t i)
{
	const uint32_t index = __atomic_load_n(&findings->order[i], __ATOMIC_ACQUIRE);

	return index ? &findings->found[index - 1] : NULL;
}

static void send_counts(void)
{
	struct found *at;

	for (uint32_t i = 0; i < findings->sent && sender.sock >= 0; i++) {
		at = nth(i);
		if (at && __atomic_load_n(&at->count, __ATOMIC_RELAXED) != at->told)
			send_found(at, false);
	}
}

static void send_lost(void)
{
	const uint64_t lost = __atomic_load_n(&findings->lost, __ATOMIC_RELAXED);
	char text[64];

	if (lost == findings->told_lost)
		return;
	send_packet(text, (size_t)snprintf(text, sizeof(text), "{\"lost\":%lu}",
					   lost - findings->told_lost));
	findings->told_lost = lost;
}

/* Is the process to end? *by stays if another thread has seen to it. */
static bool send_all(int *by)
{
	bool fatal = false;
	struct found *at;

	pthread_mutex_lock(&sender.lock);
	fatal = sender.dying;
	while (findings->sent < FINDINGS_MAX && (at = nth(findings->sent))) {
		fatal |= send_new(at, by);
		__atomic_store_n(&findings->sent, findings->sent + 1, __ATOMIC_RELAXED);
	}
	send_counts();
	send_lost();
	sender.dying = fatal;
	pthread_mutex_unlock(&sender.lock);
	return fatal;
}

/* As abort() does: a handler of the program's has its turn. */
static void abort_by_default(void)
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	uint64_t mask = 1ull << (SIGABRT - 1);

	REAL(sigaction)(SIGABRT, &act, NULL);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, sizeof(mask));
	sys3(SYS_tgkill, sys_getpid(), sys_gettid(), SIGABRT);
}

static void abort_of(int tid)
{
	sys3(SYS_tgkill, sys_getpid(), tid ? tid : door.main_thread, SIGABRT);
}

static void abort_here(bool told)
{
	const struct timespec after = {.tv_sec = AFTER_ABRT};

	if (!told)
		abort_of(door_thread.engine ? 0 : sys_gettid());
	/* Its handler comes when the trapped store is done; the sending thread ends what then goes
	 * on. */
	if (door_thread.trapped)
		return;
	if (door_thread.engine)
		nanosleep(&after, NULL);
	abort_by_default();
}

void findings_send(void)
{
	int by = NOBODY;

	send_all(&by);
}

void findings_settle(void)
{
	int by = NOBODY;

	door_thread.found = false;
	if (!send_all(&by))
		return;
	findings_ring();
	abort_here(by == NOBODY);
}

/* ---- the thread ---- */

/* Waits for the bell, or until counts may have changed. */
static void wait_for(uint32_t bell)
{
	const struct timespec soon = {.tv_nsec = COUNTS_NS};
	const bool any = __atomic_load_n(&findings->sent, __ATOMIC_RELAXED) ||
			 __atomic_load_n(&findings->lost, __ATOMIC_RELAXED);

	sys6(SYS_futex, (long)&findings->bell, FUTEX_WAIT_PRIVATE, bell,
	     any ? (long)&soon : 0, 0, 0);
}

static void *send_loop(void *arg)
{
	const struct timespec after = {.tv_sec = AFTER_ABRT};

	for (;;) {
		const uint32_t bell = __atomic_load_n(&findings->bell, __ATOMIC_ACQUIRE);
		int by = NOBODY;

		if (send_all(&by)) {
			if (by != NOBODY)
				abort_of(by);
			nanosleep(&after, NULL);
			abort_by_default();
		}
		wait_for(bell);
	}
	return NULL;
}

static int connect_to(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	long fd, rc = -ENAMETOOLONG;

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/" RUN_FINDINGS, dir) >=
	    sizeof(a.sun_path))
		return (int)rc;
	fd = sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	/* A run that was stopped must not stop us for good. */
	sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)&limit, sizeof(limit), 0);
	sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)&limit, sizeof(limit), 0);
	rc = sys3(SYS_connect, fd, (long)&a, sizeof(a));
	if (!rc)
		return files_hide((int)fd);
	sys_close((int)fd);
	return (int)rc;
}

int findings_send_start(void)
{
	int rc;

	sender.sock = connect_to(door.run_dir);
	rc = inside_thread_start(NULL, &sender.thread, "ioas findings", send_loop, NULL);
	if (rc)
		door_say("no thread for findings: they are shown when the program ends");
	return rc;
}

void findings_send_fork_child(void)
{
	pthread_mutex_init(&sender.lock, NULL);
	/* The parent's connection is closed already, as all hidden fds. */
	sender.sock = -1;
	sender.dying = false;
}
