/* SPDX-License-Identifier: BSD-3-Clause */
/* The store trap's front: from a SIGSEGV to the handler of one instruction. See trap.h. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "trap_private.h"

#define PAGE_FAULT_FETCH 16 /* x86 page fault error code: an instruction fetch */

const struct trap_ops *trap_ops;
static ZydisDecoder decoder;
static bool lock_taken;

int trap_init(const struct trap_ops *ops)
{
	int rc = relocate_init();

	if (rc)
		return rc;
	frame_init();
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	trap_ops = ops;
	return 0;
}

void trap_fork_child(void)
{
	__atomic_clear(&lock_taken, __ATOMIC_RELEASE);
	relocate_fork_child();
	region_fork_child();
}

/* The page that RIP stands on has just been executed, so it is there; the next one may not be. */
static size_t fetch(struct trap_insn *t)
{
	uintptr_t rip = (uintptr_t)t->gregs[REG_RIP];
	size_t len = TRAP_PAGE - (rip & (TRAP_PAGE - 1));

	if (len > sizeof(t->bytes))
		len = sizeof(t->bytes);
	memcpy(t->bytes, (const void *)rip, len);
	if (len < sizeof(t->bytes) &&
	    trap_ops->load(t->bytes + len, (const void *)(rip + len), sizeof(t->bytes) - len))
		len = sizeof(t->bytes);
	return len;
}

/* LOCK, and XCHG with memory, which needs no prefix. */
static bool is_locked(const struct trap_insn *t)
{
	return t->i.attributes & ZYDIS_ATTRIB_HAS_LOCK || t->i.mnemonic == ZYDIS_MNEMONIC_XCHG;
}

static enum trap_step carry_out(struct trap_insn *t)
{
	trap_handler handler = trap_table_find(t->i.mnemonic);
	enum trap_step step = handler ? handler(t) : STEP_UNKNOWN;

	return step == STEP_UNKNOWN ? relocate(t) : step;
}

static enum trap_step carry_out_locked(struct trap_insn *t)
{
	enum trap_step step;

	while (__atomic_test_and_set(&lock_taken, __ATOMIC_ACQUIRE))
		trap_syscall(SYS_sched_yield, 0, 0, 0);
	step = carry_out(t);
	__atomic_clear(&lock_taken, __ATOMIC_RELEASE);
	return step;
}

static enum trap_verdict handle(siginfo_t *info, ucontext_t *uc)
{
	struct trap_insn t = {.info = info};
	siginfo_t original = *info;
	enum trap_step step;

	frame_open(&t, uc);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, t.bytes, fetch(&t), &t.i, t.op)))
		return TRAP_UNKNOWN;
	step = is_locked(&t) ? carry_out_locked(&t) : carry_out(&t);
	switch (step) {
	case STEP_DONE:
		t.gregs[REG_RIP] += t.i.length;
		return TRAP_DONE;
	case STEP_STAY:
		return TRAP_DONE;
	case STEP_FAULT:
		return TRAP_FAULT;
	default:
		*info = original;
		return TRAP_UNKNOWN;
	}
}

enum trap_verdict trap_handle(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct trap_region r;
	enum trap_verdict verdict;
	int saved = errno;

	/* A code of 0 or less was sent by a process; only a page fault has an address. */
	if (sig != SIGSEGV || (info->si_code != SEGV_ACCERR && info->si_code != SEGV_MAPERR))
		return TRAP_NOT_OURS;
	if (uc->uc_mcontext.gregs[REG_ERR] & PAGE_FAULT_FETCH)
		return TRAP_NOT_OURS;
	if (!trap_region_find((uintptr_t)info->si_addr, &r))
		return TRAP_NOT_OURS;
	verdict = handle(info, uc);
	errno = saved;
	return verdict;
}
