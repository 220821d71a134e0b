/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Alternate signal stacks. A program's stack may be too small for a signal frame and the trap (a
 * coroutine's), so every thread that the door sees gets one of ours, below a guard page. When the
 * program sets its own, the kernel gets that one, and the trap moves from there to ours.
 */
#include "doors/preload/real.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "doors/preload/door.h"
#include "doors/preload/signals.h"
#include "doors/preload/sys.h"

static int set_stack(const stack_t *ss)
{
	return (int)sys3(SYS_sigaltstack, (long)ss, 0, 0);
}

static void arm(struct door_thread *t)
{
	const stack_t ss = {.ss_sp = t->stack, .ss_size = SIGNALS_STACK_SIZE};

	t->stack_armed = !set_stack(&ss);
}

void stacks_thread_begin(void)
{
	struct door_thread *t = &door_thread;
	stack_t there;
	char *p;

	/* valgrind loses its way between stacks; its own frames are small. */
	if (t->stack || signals_bare_frame)
		return;
	p = sys_mmap(NULL, SIGNALS_STACK_SIZE + PAGE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (sys_failed((long)p))
		return;
	sys_mprotect(p, PAGE_SIZE, PROT_NONE);
	t->stack = p + PAGE_SIZE;
	sys3(SYS_sigaltstack, 0, (long)&there, 0);
	t->program_stack = there;
	if (there.ss_flags & SS_DISABLE)
		arm(t);
}

void stacks_thread_end(void)
{
	const stack_t off = {.ss_flags = SS_DISABLE};
	struct door_thread *t = &door_thread;

	if (!t->stack)
		return;
	if (t->stack_armed)
		set_stack(&off);
	sys_munmap((char *)t->stack - PAGE_SIZE, SIGNALS_STACK_SIZE + PAGE_SIZE);
	t->stack = NULL;
	t->stack_armed = false;
}

static bool on_stack(const void *sp, const stack_t *ss)
{
	return (const char *)sp >= (char *)ss->ss_sp &&
	       (const char *)sp < (char *)ss->ss_sp + ss->ss_size;
}

int stacks_alt(const stack_t *ss, stack_t *old)
{
	struct door_thread *t = &door_thread;
	stack_t was;
	int rc = 0;

	if (!t->stack)
		return (int)sys3(SYS_sigaltstack, (long)ss, (long)old, 0);
	was = t->program_stack;
	if (!(was.ss_flags & SS_DISABLE) && on_stack(__builtin_frame_address(0), &was))
		was.ss_flags |= SS_ONSTACK;
	if (ss && (ss->ss_flags & SS_DISABLE) && (was.ss_flags & SS_ONSTACK)) {
		rc = -EPERM;
	} else if (ss && (ss->ss_flags & SS_DISABLE)) {
		arm(t);
		t->program_stack = (stack_t){.ss_flags = SS_DISABLE};
	} else if (ss) {
		rc = set_stack(ss);
		if (!rc) {
			t->program_stack = *ss;
			t->stack_armed = false;
		}
	}
	if (!rc && old)
		*old = was;
	return rc;
}

struct call {
	void (*fn)(void *);
	void *arg;
};

/* On our own stack. A nested fault must not begin the program's alternate stack anew: we came from
 * there. */
static void call_on_ours(void *arg)
{
	const stack_t off = {.ss_flags = SS_DISABLE};
	const struct call *c = arg;

	set_stack(&off);
	c->fn(c->arg);
}

void stacks_run(void (*fn)(void *), void *arg)
{
	struct door_thread *t = &door_thread;
	struct call c = {fn, arg};

	if (!t->stack || t->stack_armed ||
	    !on_stack(__builtin_frame_address(0), &t->program_stack)) {
		fn(arg);
		return;
	}
	stacks_switch((char *)t->stack + SIGNALS_STACK_SIZE, call_on_ours, &c);
	set_stack(&t->program_stack);
}
