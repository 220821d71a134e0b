/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does one process's items in their order.
 */
#include "observe/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/observe.h"
#include "devices/pci.h"
#include "object/host.h"
#include "observe/replay_private.h"

#define FILES_MAX (1u << 20)

/* ---- words ---- */

static void describe_call(const struct item *it, char *text, size_t room)
{
	static const char *const ops[] = {"open", "ioctl", "read", "write", "mmap", "release"};
	const struct log_call *c = &it->e.call;
	const char *op = c->op < ARRAY_SIZE(ops) ? ops[c->op] : "?";

	if (c->op == OP_IOCTL)
		snprintf(text, room, "ioctl 0x%" PRIx64 " on file %" PRIu64, c->cmd, c->file);
	else if (c->op == OP_OPEN)
		snprintf(text, room, "open of node %" PRIu64 " of kind %" PRIu64, c->arg, c->cmd);
	else
		snprintf(text, room, "%s of %" PRIu64 " bytes at 0x%" PRIx64 " of file %" PRIu64,
			 op, c->len, c->pos, c->file);
}

static void describe_item(const struct item *it, char *text, size_t room)
{
	const struct log_dma_end *d = &it->e.dma_end;

	if (it->kind == ITEM_CALL)
		describe_call(it, text, room);
	else if (it->kind == ITEM_DMA)
		snprintf(text, room,
			 "DMA %s of device %" PRIu64 ", %" PRIu64 " bytes at 0x%" PRIx64,
			 d->access == IOMMU_READ ? "read" : "write", d->device, d->len, d->iova);
	else if (it->kind == ITEM_QUEUE)
		snprintf(text, room, "entries of the guest's queue %" PRIu64,
			 it->e.guest_queue.queue);
	else if (it->kind == ITEM_CONTROL)
		snprintf(text, room, "an attribute of device %" PRIu64, it->e.control.device);
	else
		snprintf(text, room, "the end of file %" PRIu64, it->e.release.file);
}

void replay_differs(struct replay *r, const char *fmt, ...)
{
	const struct item *it = r->item;
	char what[128], how[256], text[512];
	va_list ap;

	if (it->kind == ITEM_CALL && it->beside) {
		r->result->raced++;
		return;
	}
	r->result->differ++;
	va_start(ap, fmt);
	vsnprintf(how, sizeof(how), fmt, ap);
	va_end(ap);
	describe_item(it, what, sizeof(what));
	snprintf(text, sizeof(text),
		 "at %" PRIu64 ".%09" PRIu64 " s, process %" PRIu32 ", thread %" PRIu64 ": %s: %s",
		 it->time / 1000000000, it->time % 1000000000, r->process->pid, it->thread, what,
		 how);
	if (r->cfg.differs)
		r->cfg.differs(r->cfg.arg, text);
}

/* ---- devices and files ---- */

struct host_device *replay_device(const struct replay *r, uint64_t number)
{
	for (const struct list *l = r->host->devices.next; l != &r->host->devices; l = l->next) {
		struct host_device *d = container_of(l, struct host_device, link);

		if (d->cdev == number)
			return d;
	}
	return NULL;
}

struct abi_file *replay_file(const struct replay *r, uint64_t number)
{
	return number && number < r->nr_files ? r->files[number] : NULL;
}

int replay_file_set(struct replay *r, uint64_t number, struct abi_file *f)
{
	if (!number || number >= FILES_MAX)
		return -ENOMEM;
	if (number >= r->nr_files) {
		const size_t n = 2 * number + 16;
		struct abi_file **grown = ioas_realloc(r->files, n * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		memset(grown + r->nr_files, 0, (n - r->nr_files) * sizeof(*grown));
		r->files = grown;
		r->nr_files = n;
	}
	r->files[number] = f;
	return 0;
}

static void release_file(struct replay *r, uint64_t number)
{
	struct abi_file *f = replay_file(r, number);

	if (!f)
		return;
	r->files[number] = NULL;
	abi_file_put(f);
}

/* ---- calls ---- */

static long do_open(struct replay *r, const struct item *it)
{
	const struct log_call *c = &it->e.call;
	struct abi_file *f = NULL;
	int rc = abi_call_open(r->host, (enum abi_file_kind)c->cmd, (unsigned int)c->arg,
			       &r->caller, &f);

	if (!rc && (it->answer.rc || replay_file_set(r, it->answer.file, f)))
		abi_file_put(f);
	return rc;
}

static long do_mmap(struct replay *r, struct abi_file *f, const struct log_call *c)
{
	struct abi_mapping mapping = {0};
	int rc = abi_call_mmap(f, c->len, (int)(c->arg >> 32), (int)c->arg, c->pos, &r->caller,
			       &mapping);

	/* Nobody looks at it. What it would keep open is kept until the recorded file was released.
	 */
	if (!rc && mapping.holder)
		abi_file_put(mapping.holder);
	return rc;
}

/* Of page requests, or of events for a guest: what is read comes from transfers. */
static bool is_queue(const struct abi_file *f)
{
	return f->ops->kind == ABI_FAULT || f->ops->kind == ABI_VEVENTQ;
}

/* Who reads a queue until it is empty may be quicker than what comes to it is written down: as much
 * is read as was read. */
static long do_on_file(struct replay *r, const struct log_call *c)
{
	struct abi_file *f = replay_file(r, c->file);
	long rc;

	if (!f) {
		r->strange = "is made on a file that is not there";
		return -EBADF;
	}
	abi_file_get(f);
	switch ((enum observed_op)c->op) {
	case OP_IOCTL:
		rc = abi_call_ioctl(f, (unsigned int)c->cmd, c->arg, &r->caller);
		break;
	case OP_READ:
		rc = abi_call_pread(f, c->arg, is_queue(f) ? (uint64_t)r->item->answer.rc : c->len,
				    c->pos, &r->caller);
		break;
	case OP_WRITE:
		rc = abi_call_pwrite(f, c->arg, c->len, c->pos, &r->caller);
		break;
	case OP_MMAP:
		rc = do_mmap(r, f, c);
		break;
	default:
		rc = -EINVAL;
	}
	abi_file_put(f);
	return rc;
}

static void check_left_out(struct replay *r, const struct item *it)
{
	for (const struct part *p = it->parts.first; p; p = p->next)
		if (p->e.type == LOG_copy_out && !p->used && p->e.copy_out.len) {
			replay_differs(r, "%" PRIu64 " bytes at 0x%" PRIx64 " are not written",
				       p->e.copy_out.len, p->e.copy_out.va);
			return;
		}
}

static void do_call(struct replay *r, const struct item *it)
{
	const struct log_call *c = &it->e.call;
	const uint64_t before = r->result->differ;
	long rc;

	r->host->no_mmap = c->flags & LOG_CALL_NO_MMAP;
	r->strange = NULL;
	replay_refresh(r, it);
	rc = c->op == OP_OPEN ? do_open(r, it) : do_on_file(r, c);
	r->result->calls++;
	r->result->answers++;
	if (c->process != r->process->pid)
		r->result->remote++;
	if (rc != it->answer.rc)
		replay_differs(r, "the result is %ld and was %lld%s%s", rc,
			       (long long)it->answer.rc, r->strange ? ": it " : "",
			       r->strange ? r->strange : "");
	else if (r->strange)
		replay_differs(r, "it %s", r->strange);
	else if (before == r->result->differ)
		check_left_out(r, it);
}

/* ---- all of it ---- */

static void change_memory(struct replay *r, const struct log_memory_change *c)
{
	for (struct place *at = r->places; at; at = at->next)
		if ((at->process == r->process->pid) == !c->process)
			replay_forget(r, at, c->va, c->last);
}

/* Whose virtual functions cannot go, as one is in the middle of a transfer. No program sees that.
 */
static bool function_waits(const struct replay *r, const struct host_device *d)
{
	for (unsigned int n = 0; n < r->nr_waiting; n++) {
		const struct host_device *waits =
			replay_device(r, r->waiting[n].item->e.dma_end.device);

		if (waits && waits->physfn == d)
			return true;
	}
	return false;
}

/* Nobody is there who could be waited for. */
static void do_control(struct replay *r, const struct log_control *c)
{
	struct host_device *d = replay_device(r, c->device);
	int rc;

	if (!d || !d->hw)
		return;
	if (c->op == LOG_CONTROL_RESET) {
		pci_reset(d->hw);
		return;
	}
	if (c->op != LOG_CONTROL_VFS || function_waits(r, d))
		return;
	rc = abi_set_num_vfs(d, (unsigned int)c->value, false);
	r->result->answers++;
	if (rc != c->rc)
		replay_differs(r, "the result is %d and was %lld", rc, (long long)c->rc);
}

/* Is it to be made? Where transfers behind a guest's tables are not, what comes of them does not
 * either. */
static bool is_left_out(const struct replay *r, const struct item *it)
{
	const struct abi_file *f = replay_file(r, it->e.call.file);

	if (!f || it->e.call.op == OP_OPEN || !is_queue(f))
		return false;
	if (!r->process->guest)
		r->result->queues++;
	return !r->process->guest || (it->e.call.op == OP_READ && it->answer.rc <= 0);
}

/* A device waits for one thing at a time. */
static bool is_busy(const struct replay *r, const struct item *it)
{
	for (unsigned int n = 0; n < r->nr_waiting; n++)
		if (r->waiting[n].item->e.dma_end.device == it->e.dma_end.device)
			return true;
	return r->nr_waiting == WAITING_MAX;
}

static void do_dma(struct replay *r, const struct item *it)
{
	if (it->done && (r->process->guest || !(it->asked || it->nested)) && !is_busy(r, it)) {
		replay_dma(r, it);
		return;
	}
	if (!it->done)
		r->result->unfinished++;
	else if (it->asked || r->process->guest)
		r->result->asked++;
	else
		r->result->nested++;
	replay_guest_lose(&r->guest, it->done ? it->e.dma_end.device : it->e.dma_begin.device);
}

static void do_item(struct replay *r, const struct item *it)
{
	switch (it->kind) {
	case ITEM_CALL:
		if (!it->done)
			r->result->unfinished++;
		else if (it->beside && it->answer.rc < 0 && !it->effects.first)
			r->result->ambiguous++;
		else if (!is_left_out(r, it))
			do_call(r, it);
		break;
	case ITEM_DMA:
		do_dma(r, it);
		break;
	case ITEM_QUEUE:
		replay_carry_out(r, &it->e.guest_queue);
		break;
	case ITEM_CHANGE:
		change_memory(r, &it->e.memory_change);
		break;
	case ITEM_CONTROL:
		do_control(r, &it->e.control);
		break;
	case ITEM_RELEASE:
		release_file(r, it->e.release.file);
		break;
	}
}

/* Nobody answers what a device asks. */
static void stop_asking(struct host *h)
{
	for (const struct list *l = h->devices.next; l != &h->devices; l = l->next)
		requester_stop_asking(container_of(l, struct host_device, link)->requester, true);
}

static uint64_t limit_of(void *arg)
{
	return ((struct replay *)arg)->limit;
}

static int prepare(struct replay *r, struct host *h)
{
	int rc = 0;

	r->host = h;
	r->limit = U64MAX;
	r->caller = (struct caller){.ops = &replay_caller_ops, .arg = r};
	for (size_t i = 0; i < 2 && !rc; i++)
		rc = memory_account_create(limit_of, r, &r->accounts[i]);
	if (!rc)
		rc = observe_add(&h->sink,
				 r->cfg.annotations ? &replay_annotated_ops : &replay_observer_ops,
				 r);
	replay_guest_init(r);
	if (r->process->guest)
		h->sink.guest = &r->guest.stand_in;
	else
		stop_asking(h);
	return rc;
}

static void clean_up(struct replay *r)
{
	for (size_t i = 0; i < r->nr_files; i++)
		release_file(r, i);
	ioas_free(r->files);
	r->files = NULL;
	r->nr_files = 0;
	replay_drop_places(r);
	replay_drop_stand_ins(r);
	replay_guest_fini(&r->guest);
	for (size_t i = 0; i < 2; i++) {
		if (r->accounts[i])
			memory_account_put(r->accounts[i]);
		r->accounts[i] = NULL;
	}
}

void replay_until(struct replay *r, uint64_t position)
{
	const struct process *p = r->process;
	char what[128];

	while (r->next < p->nr_items && p->items[r->next]->order < position) {
		r->item = p->items[r->next++];
		for (unsigned int n = 0; n < r->nr_waiting; n++)
			r->waiting[n].late |= r->item->order >= r->waiting[n].until;
		if (r->item->end >= p->lost_record) {
			r->result->unfinished++;
			continue;
		}
		describe_item(r->item, what, sizeof(what));
		if (r->cfg.step)
			r->cfg.step(r->cfg.arg, what);
		do_item(r, r->item);
	}
}

int replay_run(struct replay *r, size_t n, struct host *h, struct replay_result *out)
{
	struct process *p = r->processes[n];
	int rc;

	*out = (struct replay_result){.lost_at = p->lost_at};
	r->process = p;
	r->result = out;
	r->next = 0;
	r->nr_waiting = 0;
	rc = prepare(r, h);
	if (!rc)
		replay_until(r, p->lost_record);
	clean_up(r);
	r->item = NULL;
	return rc;
}
