/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads and writes on the bus.
 *
 * A transfer is cut into pieces of at most DMA_PIECE bytes. Each piece is one section of the
 * requester's epoch, in which bus mastering is looked at, every page is translated and its bytes
 * are moved; so whoever changes any of these waits for one piece at most, and what a piece found is
 * true until its end.
 */
#include "dma/dma.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/inject.h"
#include "base/observe.h"

/* A fill is a write whose source is so much of the pattern, again and again. */
#define FILL_BYTES 4096u

/* One call. Byte n of it is at IOVA iova + n. */
struct transfer {
	struct dma_port *port;
	enum iommu_access access;
	uint64_t iova;
	uint64_t len, done;
	char *dst;	 /* of a read */
	const char *src; /* of a write; of a fill FILL_BYTES of the pattern and 8 more */
	bool fill;
	bool late; /* it has been held back */
};

static void release_held(struct dma_port *p);

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

void dma_port_init(struct dma_port *p, struct requester *r, struct memory *m)
{
	*p = (struct dma_port){.requester = r, .memory = m, .ats = requester_ats(r)};
}

void dma_begin(struct dma_port *p)
{
	requester_begin(p->requester);
}

void dma_end(struct dma_port *p)
{
	release_held(p);
	requester_end(p->requester);
}

/* The store, and the fence that requester_quiesce() begins with, pair with epoch_enter() and the
 * load in run_piece(). */
void dma_set_bus_master(struct dma_port *p, bool on)
{
	__atomic_store_n(&p->bus_master, on, __ATOMIC_RELEASE);
	if (!on)
		requester_quiesce(p->requester);
}

void dma_get_stats(const struct dma_port *p, struct dma_stats *out)
{
	out->reads = __atomic_load_n(&p->stats.reads, __ATOMIC_RELAXED);
	out->writes = __atomic_load_n(&p->stats.writes, __ATOMIC_RELAXED);
	out->read_bytes = __atomic_load_n(&p->stats.read_bytes, __ATOMIC_RELAXED);
	out->written_bytes = __atomic_load_n(&p->stats.written_bytes, __ATOMIC_RELAXED);
	out->faults = __atomic_load_n(&p->stats.faults, __ATOMIC_RELAXED);
}

static int fault(struct transfer *t, uint64_t n, enum iommu_fault_reason reason)
{
	return iommu_report_fault(t->port->requester, t->port->pasid, t->iova + t->done, n,
				  t->access, reason);
}

static const char *source(const struct transfer *t)
{
	return t->src + (t->fill ? t->done % 8 : t->done);
}

/*
 * One load and one store, where the memory is promised to be there; false for what is no naturally
 * aligned word. The side in memory is the aligned one; the device's own buffer need not be.
 */
static bool copy_word(const struct transfer *t, char *ptr, uint64_t n)
{
#define COPY_WORD(type)                                                                            \
	do {                                                                                       \
		type word;                                                                         \
		if (t->access == IOMMU_READ) {                                                     \
			word = __atomic_load_n((type *)(void *)ptr, __ATOMIC_ACQUIRE);             \
			memcpy(t->dst + t->done, &word, sizeof(word));                             \
		} else {                                                                           \
			memcpy(&word, source(t), sizeof(word));                                    \
			__atomic_store_n((type *)(void *)ptr, word, __ATOMIC_RELEASE);             \
		}                                                                                  \
	} while (0)

	if (n > 8 || !is_pow2(n) || !is_aligned((uintptr_t)ptr, n))
		return false;
	if (n == 8)
		COPY_WORD(uint64_t);
	else if (n == 4)
		COPY_WORD(uint32_t);
	else if (n == 2)
		COPY_WORD(uint16_t);
	else
		COPY_WORD(uint8_t);
	return true;
#undef COPY_WORD
}

static int copy_memory(struct transfer *t, const struct translation *tr, uint64_t n)
{
	int rc;

	if (memory_kind_stays(tr->slot->kind) && copy_word(t, tr->ptr, n))
		return 0;
	if (t->access == IOMMU_READ)
		rc = memory_copy_from(t->port->memory, tr->slot, t->dst + t->done, tr->ptr, n);
	else
		rc = memory_copy_to(t->port->memory, tr->slot, tr->ptr, source(t), n);
	return rc ? fault(t, n, FAULT_GONE) : 0;
}

/* The widest access that a register file takes at @offset. */
static unsigned int access_size(uint64_t offset, uint64_t left)
{
	unsigned int size = 8;

	while (size > left || !is_aligned(offset, size))
		size /= 2;
	return size;
}

static int copy_bar(struct transfer *t, const struct translation *tr, uint64_t n)
{
	struct memory_bar bar;
	struct dma_peer *peer;
	int rc = memory_bar_at(t->port->memory, tr->pa, &bar);

	if (rc || !bar.device)
		return fault(t, n, FAULT_NO_PEER);
	peer = bar.device;
	for (uint64_t off = 0; off < n && !rc;) {
		unsigned int size = access_size(bar.offset + off, n - off);

		if (t->access == IOMMU_READ)
			rc = peer->ops->read(peer, bar.region, bar.offset + off,
					     t->dst + t->done + off, size);
		else
			rc = peer->ops->write(peer, bar.region, bar.offset + off, source(t) + off,
					      size);
		off += size;
	}
	return rc ? fault(t, n, FAULT_NO_PEER) : 0;
}

/* A message is one aligned doubleword. Who takes it may do as it likes, so the section is left for
 * it. */
static int send_message(struct transfer *t, uint64_t n)
{
	struct epoch *epoch = requester_epoch(t->port->requester);
	uint64_t address = t->iova + t->done;
	uint32_t data;
	int rc;

	if (t->len != sizeof(data) || address % sizeof(data) || !t->port->msi)
		return fault(t, n, FAULT_MSI);
	memcpy(&data, source(t), sizeof(data));
	epoch_exit(epoch);
	rc = t->port->msi(t->port->msi_arg, address, data);
	epoch_enter(epoch);
	return rc ? fault(t, n, FAULT_MSI) : 0;
}

/*
 * -ENOENT: a device with a cache of its own found nothing, and may ask for it. Interrupt messages
 * go by no translation request.
 */
static int translate(const struct transfer *t, uint64_t iova, uint64_t max, struct translation *tr)
{
	struct requester *r = t->port->requester;

	if (unlikely(__atomic_load_n(t->port->ats, __ATOMIC_ACQUIRE)) &&
	    !iommu_is_message(r, t->port->pasid, iova))
		return iommu_translate_ats(r, t->port->pasid, iova, max, t->access, tr);
	return iommu_translate_pasid(r, t->port->pasid, iova, max, t->access, tr);
}

static const struct sink *sink_of(const struct transfer *t)
{
	return requester_iommu(t->port->requester)->sink;
}

/* -EFAULT: it is to meet a fault. */
static __attribute__((cold, noinline)) int tell_step(struct transfer *t,
						     const struct translation *tr)
{
	if (inject_dma_fault(sink_of(t), requester_rid(t->port->requester), t->iova + t->done,
			     tr->len))
		return iommu_report_injected(t->port->requester, t->port->pasid,
					     t->iova + t->done, tr->len, t->access);
	observe_dma_step(sink_of(t), &(struct event_dma_step){
					     .port = t->port,
					     .iova = t->iova + t->done,
					     .pasid = t->port->pasid,
					     .access = (int)t->access,
					     .tr = tr,
					     .rid = requester_rid(t->port->requester),
					     .pa = tr->pa,
					     .len = tr->len,
				     });
	return 0;
}

/* What one translation covers, at most @max bytes. */
static int step(struct transfer *t, uint64_t max)
{
	struct translation tr;
	int rc;

	if (unlikely(t->iova + t->done < t->iova)) /* beyond the last address, not at 0 */
		return fault(t, max, FAULT_ADDRESS);
	rc = translate(t, t->iova + t->done, max, &tr);
	if (unlikely(rc))
		return rc;
	if (observed()) {
		rc = tell_step(t, &tr);
		if (rc)
			return rc;
	}
	if (likely(tr.ptr != NULL))
		rc = copy_memory(t, &tr, tr.len);
	else if (tr.msi)
		rc = send_message(t, tr.len);
	else
		rc = copy_bar(t, &tr, tr.len);
	if (!rc)
		t->done += tr.len;
	return rc;
}

static int run_piece(struct transfer *t)
{
	struct epoch *epoch = requester_epoch(t->port->requester);
	uint64_t end = t->done + min_u64(t->len - t->done, DMA_PIECE);
	int rc = 0;

	epoch_enter(epoch);
	if (unlikely(!__atomic_load_n(&t->port->bus_master, __ATOMIC_ACQUIRE)))
		rc = fault(t, t->len - t->done, FAULT_BUS_MASTER);
	while (!rc && t->done < end)
		rc = step(t, t->fill ? min_u64(end - t->done, FILL_BYTES) : end - t->done);
	epoch_exit(epoch);
	return rc;
}

/* Outside of sections. 0: go on where it stopped. */
static int wait_for_answer(const struct transfer *t, int rc)
{
	struct requester *r = t->port->requester;

	if (rc == -EAGAIN)
		return requester_finish_stall(r);
	if (rc == -ENOENT)
		return requester_ask_pages(r, t->port->pasid, t->iova + t->done,
					   min_u64(t->len - t->done, DMA_PIECE), t->access);
	return rc;
}

static struct event_dma event_of(const struct transfer *t, int rc)
{
	return (struct event_dma){
		.port = t->port,
		.iova = t->iova,
		.len = t->len,
		.done = t->done,
		.pasid = t->port->pasid,
		.access = (int)t->access,
		.rc = rc,
		.data = t->access == IOMMU_READ ? t->dst
			: t->fill		? NULL
						: t->src,
		.rid = requester_rid(t->port->requester),
	};
}

static void nap(unsigned int us)
{
	const struct timespec time = {us / 1000000, us % 1000000 * 1000};

	if (us)
		nanosleep(&time, NULL);
}

/* A write that is held back counts as done. */
static bool hold_back(const struct transfer *t)
{
	struct dma_port *p = t->port;

	if (t->access == IOMMU_READ || t->fill || t->late || !t->len || t->len > DMA_HELD_MAX ||
	    !inject_holds_writes(sink_of(t), requester_rid(p->requester)) ||
	    iommu_is_message(p->requester, p->pasid, t->iova))
		return false;
	p->held.iova = t->iova;
	p->held.pasid = p->pasid;
	__atomic_store_n(&p->held.thread, pthread_self(), __ATOMIC_RELAXED);
	memcpy(p->held.data, t->src, t->len);
	__atomic_store_n(&p->held.len, (uint32_t)t->len, __ATOMIC_RELEASE);
	return true;
}

/* False: it is put off. */
static __attribute__((cold, noinline)) bool tell_begin(const struct transfer *t)
{
	const struct event_dma e = event_of(t, 0);

	release_held(t->port);
	if (hold_back(t))
		return false;
	nap(inject_dma_delay(sink_of(t), requester_rid(t->port->requester)));
	observe_dma_begin(sink_of(t), &e);
	return true;
}

static __attribute__((cold, noinline)) void tell_end(const struct transfer *t, int rc)
{
	const struct event_dma e = event_of(t, rc);

	observe_dma_end(sink_of(t), &e);
}

static int run(struct transfer *t)
{
	struct dma_stats *s = &t->port->stats;
	bool read = t->access == IOMMU_READ;
	int rc = 0;

	if (observed() && !tell_begin(t))
		return 0;
	while (!rc && t->done < t->len) {
		rc = run_piece(t);
		if (unlikely(rc))
			rc = wait_for_answer(t, rc);
	}
	count(read ? &s->reads : &s->writes, 1);
	count(read ? &s->read_bytes : &s->written_bytes, t->done);
	if (unlikely(rc))
		count(&s->faults, 1);
	if (observed())
		tell_end(t, rc);
	return rc;
}

/* What was held back is done, in its turn: before anything else that the port does. */
static COLD void write_held(struct dma_port *p)
{
	const struct dma_held held = p->held;
	const uint32_t pasid = p->pasid;

	__atomic_store_n(&p->held.len, 0, __ATOMIC_RELEASE);
	p->pasid = held.pasid;
	run(&(struct transfer){.port = p,
			       .access = IOMMU_WRITE,
			       .iova = held.iova,
			       .len = held.len,
			       .src = held.data,
			       .late = true});
	p->pasid = pasid;
}

static void release_held(struct dma_port *p)
{
	if (unlikely(p->held.len))
		write_held(p);
}

static __attribute__((cold, noinline)) void raise_early(struct dma_port *p,
							void (*raise)(void *arg), void *arg)
{
	const unsigned int us =
		inject_early_irq(requester_iommu(p->requester)->sink, requester_rid(p->requester));

	if (!us)
		release_held(p);
	raise(arg);
	nap(us);
	release_held(p);
}

void dma_raise(struct dma_port *p, void (*raise)(void *arg), void *arg)
{
	if (unlikely(__atomic_load_n(&p->held.len, __ATOMIC_ACQUIRE)) &&
	    pthread_equal(__atomic_load_n(&p->held.thread, __ATOMIC_RELAXED), pthread_self()))
		raise_early(p, raise, arg);
	else
		raise(arg);
}

int dma_read(struct dma_port *p, uint64_t iova, void *dst, size_t len)
{
	return run(&(struct transfer){
		.port = p, .access = IOMMU_READ, .iova = iova, .len = len, .dst = dst});
}

int dma_write(struct dma_port *p, uint64_t iova, const void *src, size_t len)
{
	return run(&(struct transfer){
		.port = p, .access = IOMMU_WRITE, .iova = iova, .len = len, .src = src});
}

int dma_fill(struct dma_port *p, uint64_t iova, uint64_t pattern, size_t len)
{
	uint64_t words[FILL_BYTES / 8 + 1];
	size_t n = min_u64(len / 8 + 2, ARRAY_SIZE(words));

	for (size_t w = 0; w < n; w++)
		words[w] = pattern;
	return run(&(struct transfer){
		.port = p,
		.access = IOMMU_WRITE,
		.iova = iova,
		.len = len,
		.src = (const char *)words,
		.fill = true,
	});
}
