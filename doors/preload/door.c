/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/door.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "doors/files.h"
#include "doors/paths.h"
#include "doors/preload/bars.h"
#include "doors/preload/calls.h"
#include "doors/preload/engine.h"
#include "doors/preload/findings.h"
#include "doors/preload/inspect.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct door door = {.log = 2};
__thread struct door_thread door_thread __attribute__((tls_model("initial-exec")));

/* A word that the kernel clears in every child that has memory of its own, however it was made. */
static uint64_t *mark;

void door_say(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	memcpy(text, "ioas: ", 6);
	va_start(ap, fmt);
	n = vsnprintf(text + 6, sizeof(text) - 7, fmt, ap);
	va_end(ap);
	n = (int)min_u64((uint64_t)n, sizeof(text) - 8) + 6;
	text[n++] = '\n';
	sys3(SYS_write, door.log, (long)text, n);
}

bool door_forked(void)
{
	return mark && !__atomic_load_n(mark, __ATOMIC_RELAXED);
}

static void fork_child(void)
{
	if (!mark)
		return;
	*mark = 1;
	door.main_thread = sys_gettid();
	bars_fork_child(files_server());
	files_fork_child(door.log);
	engine_fork_child();
	looking_fork_child();
	eventfd_fork_child();
	signals_fork_child();
	serve_fork_child();
	sessions_fork_child();
	peers_fork_child();
	client_fork_child();
	findings_fork_child();
}

void door_check_fork(void)
{
	if (__builtin_expect(door_forked(), 0))
		fork_child();
}

static bool make_mark(void)
{
	void *p = sys_mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);

	if (sys_failed((long)p) || sys3(SYS_madvise, (long)p, PAGE_SIZE, MADV_WIPEONFORK))
		return false;
	mark = p;
	*mark = 1;
	return true;
}

static void note_limits(void)
{
	struct rlimit rl = {0};

	sys4(SYS_prlimit64, 0, RLIMIT_MEMLOCK, 0, (long)&rl);
	door.memlock = rl.rlim_cur;
	door.main_thread = sys_gettid();
	sys3(SYS_sched_getaffinity, 0, sizeof(door.affinity), (long)&door.affinity);
}

static void open_log(void)
{
	int fd;

	if (!door.run.log)
		return;
	fd = sys_openat(AT_FDCWD, door.run.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		door.log = files_hide(fd);
}

static void __attribute__((constructor(101))) start(void)
{
	const char *dir = getenv(RUN_DIR_ENV);
	int rc;

	real_find();
	if (!dir || !*dir)
		return;
	dir = strdup(dir);
	rc = dir ? run_config_read(&door.run, dir) : -ENOMEM;
	if (rc) {
		door_say("cannot read %s/host: %s", dir ? dir : "", strerror(-rc));
		return;
	}
	door.stats = run_stats_map(dir);
	if (!door.stats || !make_mark()) {
		door_say("cannot use the run directory %s: %s", dir, strerror(errno));
		return;
	}
	*(void **)&door.lsan_disable = dlsym(RTLD_DEFAULT, "__lsan_disable");
	*(void **)&door.lsan_enable = dlsym(RTLD_DEFAULT, "__lsan_enable");
	*(void **)&door.tsan_ignore = dlsym(RTLD_DEFAULT, "AnnotateIgnoreWritesBegin");
	*(void **)&door.tsan_heed = dlsym(RTLD_DEFAULT, "AnnotateIgnoreWritesEnd");
	signals_init();
	open_log();
	note_limits();
	paths_init(dir, &door.run);
	door.run_dir = dir;
	files_set_flush(attr_flush);
	serve_init();
	client_init();
	findings_init();
	files_scan_inherited();
	pthread_atfork(NULL, serve_others, fork_child);
}

static void __attribute__((destructor)) end(void)
{
	if (!door_active() || door_forked())
		return;
	files_flush_attrs(0, ~0u);
	engine_count();
	findings_end(true);
	looking_end();
}
