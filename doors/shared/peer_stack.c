/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stacks of other processes, for the sanitizer: with each call a client says where it calls from,
 * as addresses of its own. What lies at these is looked up at once, while it waits and its modules
 * are where they are; from then on an address is a module's number and an offset in it, and such a
 * stack is kept beside this process's own.
 */
#include "doors/preload/real.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "doors/preload/callstack.h"
#include "doors/preload/sys.h"
#include "doors/shared/serve.h"

#define MAX_MODULES 1024

/* They stay. Number 0 is this process's own memory. */
static struct {
	pthread_mutex_t lock;
	unsigned int n;
	const char *path[MAX_MODULES];
} modules = {.lock = PTHREAD_MUTEX_INITIALIZER, .n = 1};

const char *peer_stack_module(uint64_t pc)
{
	const uint64_t number = pc >> PEER_STACK_SHIFT;

	return number && number < MAX_MODULES
		       ? __atomic_load_n(&modules.path[number], __ATOMIC_ACQUIRE)
		       : NULL;
}

/* 0: no room. */
static uint64_t number_of(const char *path)
{
	uint64_t i = 1;

	pthread_mutex_lock(&modules.lock);
	while (i < modules.n && strcmp(modules.path[i], path))
		i++;
	if (i == modules.n) {
		char *copy = i < MAX_MODULES ? strdup(path) : NULL;

		if (copy) {
			__atomic_store_n(&modules.path[i], copy, __ATOMIC_RELEASE);
			modules.n++;
		} else {
			i = 0;
		}
	}
	pthread_mutex_unlock(&modules.lock);
	return i;
}

/* Does the file's code lie where the file says, whatever its first byte is mapped at? */
static bool is_fixed(const char *path)
{
	const int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	Elf64_Ehdr h = {0};

	if (fd < 0)
		return false;
	sys4(SYS_pread64, fd, (long)&h, sizeof(h), 0);
	sys_close(fd);
	return h.e_type == ET_EXEC;
}

/* A line of /proc/PID/maps. */
struct line {
	uint64_t start, end, offset;
	const char *path;
};

static bool parse(char *text, struct line *l)
{
	int at = 0;

	if (sscanf(text, "%lx-%lx %*s %lx %*s %*s %n", &l->start, &l->end, &l->offset, &at) < 3 ||
	    !at)
		return false;
	l->path = text + at;
	return true;
}

static uint64_t name(const struct line *l, uint64_t base, uint64_t pc)
{
	const bool vdso = !strcmp(l->path, "[vdso]"), file = *l->path == '/';
	const uint64_t number = number_of(vdso ? "linux-vdso.so.1" : file ? l->path : "");

	if (vdso)
		pc -= l->start;
	else if (file && !is_fixed(l->path))
		pc -= base;
	return number << PEER_STACK_SHIFT | (pc & MASK(PEER_STACK_SHIFT));
}

/* False: something is not in any mapping. */
static bool name_all(char *maps, uint64_t *pc, unsigned int n)
{
	char first[PATH_MAX] = "", *save = NULL;
	unsigned int left = n;
	uint64_t base = 0;
	struct line l;

	for (char *t = strtok_r(maps, "\n", &save); t && left; t = strtok_r(NULL, "\n", &save)) {
		if (!parse(t, &l))
			continue;
		if (!l.offset && strcmp(first, l.path)) {
			snprintf(first, sizeof(first), "%s", l.path);
			base = l.start;
		}
		for (unsigned int i = 0; i < n; i++) {
			if (pc[i] < l.start || pc[i] >= l.end)
				continue;
			pc[i] = name(&l, base, pc[i]);
			left--;
		}
	}
	return !left;
}

static stack_id learn(const struct peer *p, const struct channel_stack *s)
{
	uint64_t pc[CALLSTACK_MAX];
	const unsigned int n = (unsigned int)min_u64(s->n, CALLSTACK_MAX);
	char path[64], *maps;
	size_t len;
	stack_id id = 0;

	memcpy(pc, s->pc, n * sizeof(*pc));
	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	maps = run_read_file(path, &len);
	if (maps && name_all(maps, pc, n))
		id = callstack_keep(pc, n);
	free(maps);
	return id;
}

void session_learn_stack(struct session *s)
{
	const struct channel_stack *there = &s->ch.page->stack;
	const uint32_t id = __atomic_load_n(&there->id, __ATOMIC_RELAXED);
	const size_t i = id % ARRAY_SIZE(s->stacks);

	if (s->stacks[i].theirs != id) {
		s->stacks[i].ours = learn(s->peer, there);
		s->stacks[i].theirs = id;
	}
	s->stack = s->stacks[i].ours;
}
