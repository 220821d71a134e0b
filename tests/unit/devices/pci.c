/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI core, with a model of the test's own that does DMA for as long as it is let.
 */
#include "rig.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/worker.h"

/* ---- the model ---- */

#define VECTORS	   8
#define BAR0_SIZE  0x8000u
#define BAR2_SIZE  0x20u
#define BAR4_SIZE  (8ull << 30)
#define MSIX_TABLE 0x4000u
#define MSIX_PBA   0x5000u
#define PLAIN_PAGE 0x6000u
#define TRAP_PAGE  0x7000u

/* BAR0. */
#define REG_TARGET 0x00 /* while it is not 0: write a counter there, again and again */
#define REG_STEPS  0x08 /* how often the worker was in work() */
#define REG_QUIET  0x10 /* a write waits for the worker; counts the writes */
#define REG_LEVEL  0x18 /* the pin */
#define REG_RAISE  0x1c /* a message of this vector */
#define REG_BELL   0x20 /* what peers ring; counts */

#define MAX_LOG 64

struct engine {
	uint64_t target, counter, steps;
	unsigned int resets, quiets, bells, config_writes;
	bool working; /* inside work(); atomic */
	bool met;     /* quiet, reset or destroy found it there */
	struct {
		uint64_t off, val;
		unsigned int size;
	} log[MAX_LOG];
	unsigned int nr_log;
};

static struct engine *engine_of(struct func *f)
{
	return pci_model_data(f->pci);
}

static int engine_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	static const struct pci_ids ids = {
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x9abc,
		.subsystem = 0xdef0,
		.class_code = 0x0b4000,
		.revision = 7,
		.pcie = true,
	};
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	assert_non_null(e);
	pci_set_model_data(dev, e);
	pci_set_ids(dev, &ids);
	rc = pci_add_bar(dev, 0, BAR0_SIZE, false, false);
	if (!rc)
		rc = pci_add_io_bar(dev, 2, BAR2_SIZE);
	if (!rc)
		rc = pci_add_msi(dev, VECTORS, true);
	if (!rc)
		rc = pci_add_msix(dev, 0, VECTORS, MSIX_TABLE, MSIX_PBA);
	pci_set_page_flags(dev, 0, PLAIN_PAGE, 4096, PCI_PAGE_PLAIN);
	pci_set_page_flags(dev, 0, TRAP_PAGE, 4096, PCI_PAGE_TRAP_READS);
	pci_set_intx_pin(dev, 1);
	return rc;
}

static void meet(struct engine *e)
{
	e->met |= __atomic_load_n(&e->working, __ATOMIC_ACQUIRE);
}

static void engine_destroy(struct pci_dev *dev)
{
	meet(pci_model_data(dev));
	free(pci_model_data(dev));
}

static void engine_reset(struct pci_dev *dev)
{
	struct engine *e = pci_model_data(dev);

	meet(e);
	e->resets++;
	__atomic_store_n(&e->target, 0, __ATOMIC_RELAXED);
	memset(dev->bars[0].mem, 0, MSIX_TABLE);
}

static void engine_quiet(struct pci_dev *dev)
{
	struct engine *e = pci_model_data(dev);

	meet(e);
	pci_bar_store32(dev, 0, REG_QUIET, ++e->quiets);
}

static void engine_config_written(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	((struct engine *)pci_model_data(dev))->config_writes++;
}

static void note(struct engine *e, uint64_t off, unsigned int size, uint64_t val)
{
	if (e->nr_log < MAX_LOG) {
		e->log[e->nr_log].off = off;
		e->log[e->nr_log].size = size;
		e->log[e->nr_log].val = val;
	}
	e->nr_log++;
}

static void engine_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size,
			 uint64_t val)
{
	struct engine *e = pci_model_data(dev);

	if (bar) {
		memcpy(dev->bars[bar].mem + off, &val, size);
		return;
	}
	switch (off) {
	case REG_TARGET:
		__atomic_store_n(&e->target, val, __ATOMIC_RELAXED);
		pci_kick(dev);
		return;
	case REG_QUIET:
		pci_when_quiet(dev);
		return;
	case REG_LEVEL:
		pci_set_intx(dev, val);
		return;
	case REG_RAISE:
		pci_raise(dev, (unsigned int)val);
		return;
	case REG_BELL:
		pci_bar_store32(dev, 0, REG_BELL, ++e->bells);
		pci_kick(dev);
		return;
	}
	note(e, off, size, val);
	memcpy(dev->bars[bar].mem + off, &val, size);
}

static uint64_t engine_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int size)
{
	struct engine *e = pci_model_data(dev);
	uint64_t val = 0;

	if (!bar && off >= TRAP_PAGE) {
		note(e, off, size, 0);
		return off;
	}
	memcpy(&val, dev->bars[bar].mem + off, size);
	return val;
}

static bool engine_work(struct pci_dev *dev)
{
	struct engine *e = pci_model_data(dev);
	uint64_t target;

	__atomic_store_n(&e->working, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 100 && !pci_stopping(dev); i++) {
		target = __atomic_load_n(&e->target, __ATOMIC_RELAXED);
		if (!target)
			break;
		e->counter++;
		dma_write(pci_port(dev), target, &e->counter, sizeof(e->counter));
	}
	__atomic_fetch_add(&e->steps, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&e->working, false, __ATOMIC_RELEASE);
	return __atomic_load_n(&e->target, __ATOMIC_RELAXED);
}

static const struct option_key engine_keys[] = {{NULL}};
static const struct pci_model engine_model = {
	.name = "engine",
	.keys = engine_keys,
	.create = engine_create,
	.destroy = engine_destroy,
	.reset = engine_reset,
	.bar_read = engine_read,
	.bar_write = engine_write,
	.config_written = engine_config_written,
	.quiet = engine_quiet,
	.work = engine_work,
};

/* A big 64-bit prefetchable BAR and nothing else; no capabilities, no MSI. */
static int big_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	static const struct pci_ids ids = {
		.vendor = 0x1234, .device = 0x0001, .class_code = 0xff0000};

	pci_set_ids(dev, &ids);
	assert_int_equal(pci_add_bar(dev, 5, 4096, true, false),
			 -EINVAL); /* no room for the upper half */
	assert_int_equal(pci_add_bar(dev, 3, 3000, false, false), -EINVAL);
	assert_int_equal(pci_add_msix(dev, 4, 1, 0, 0), -EINVAL);
	return pci_add_bar(dev, 4, BAR4_SIZE, true, true);
}

static void nothing(struct pci_dev *dev)
{
}

static void *thin_alloc(void *arg, uint64_t len)
{
	return malloc(4096);
}

static void thin_free(void *arg, void *p, uint64_t len)
{
	free(p);
}

static const struct pci_host_ops thin_memory = {.shm_alloc = thin_alloc, .shm_free = thin_free};

static const struct pci_model big_model = {
	.name = "big",
	.keys = engine_keys,
	.create = big_create,
	.destroy = nothing,
	.reset = nothing,
};

/* ---- configuration space ---- */

static void the_header_says_who_it_is(void **state)
{
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	assert_int_equal(cfg_read(f, PCI_VENDOR_ID, 4), 0x56781234);
	assert_int_equal(cfg_read(f, PCI_SUBSYSTEM_VENDOR_ID, 4), 0xdef09abc);
	assert_int_equal(cfg_read(f, PCI_CLASS_REVISION, 4), 0x0b400007);
	assert_int_equal(cfg_read(f, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(cfg_read(f, PCI_INTERRUPT_PIN, 1), 1);
	/* Nothing of it can be written. */
	for (unsigned int off = 0; off < 0x40; off += 4)
		if (off != PCI_COMMAND && (off < PCI_BASE_ADDRESS_0 || off > PCI_BASE_ADDRESS_5) &&
		    off != 0xc && off != 0x3c) {
			uint32_t was = cfg_read(f, off, 4);

			cfg_write(f, off, 4, ~was);
			assert_int_equal(cfg_read(f, off, 4), was);
		}
	cfg_write(f, PCI_CACHE_LINE_SIZE, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, PCI_CACHE_LINE_SIZE, 4), 0xff);
	cfg_write(f, PCI_INTERRUPT_LINE, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, PCI_INTERRUPT_LINE, 4), 0x01ff);
	cfg_write(f, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(cfg_read(f, PCI_COMMAND, 2), 0x0547);
	cfg_write(f, PCI_COMMAND, 2, 0);
	assert_int_equal(cfg_read(f, PCI_COMMAND, 2), 0);
	assert_int_equal(cfg_read(f, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	assert_true(engine_of(f)->config_writes > 0);
	rig_destroy(&r);
}

static void bars_can_be_sized_and_placed(void **state)
{
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	cfg_write(f, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_0, 4), ~(BAR0_SIZE - 1));
	cfg_write(f, PCI_BASE_ADDRESS_0, 4, 0xfebd1234);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_0, 4), 0xfebd0000);
	cfg_write(f, PCI_BASE_ADDRESS_1, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_1, 4), 0); /* not there */
	cfg_write(f, PCI_BASE_ADDRESS_2, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_2, 4),
			 (~(BAR2_SIZE - 1)) | PCI_BASE_ADDRESS_SPACE_IO);
	/* Byte by byte as well. */
	for (unsigned int i = 0; i < 4; i++)
		cfg_write(f, PCI_BASE_ADDRESS_0 + i, 1, 0xff);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_0, 4), ~(BAR0_SIZE - 1));
	func_remove(f);
	r.ops = &thin_memory;
	f = func_add_model(&r, &big_model, "big");
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_4, 4) & 0xf,
			 PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	cfg_write(f, PCI_BASE_ADDRESS_4, 4, 0xffffffff);
	cfg_write(f, PCI_BASE_ADDRESS_5, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_4, 4),
			 PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	assert_int_equal(cfg_read(f, PCI_BASE_ADDRESS_5, 4), 0xfffffffe); /* 8 GiB */
	assert_int_equal(cfg_read(f, PCI_CAPABILITY_LIST, 1), 0);
	assert_int_equal(f->pci->config_len, PCI_CONFIG_SIZE);
	rig_destroy(&r);
}

static void capabilities_form_a_chain(void **state)
{
	static const uint8_t ids[] = {PCI_CAP_ID_PM, PCI_CAP_ID_EXP, PCI_CAP_ID_MSI,
				      PCI_CAP_ID_MSIX};
	static const unsigned int lens[] = {8, 60, 24, 12};
	unsigned int at, end = 0x40, n = 0;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	for (at = cfg_read(f, PCI_CAPABILITY_LIST, 1); at; at = cfg_read(f, at + 1, 1)) {
		assert_true(n < ARRAY_SIZE(ids));
		assert_int_equal(at & 3, 0);
		assert_true(at >= end);
		assert_int_equal(cfg_read(f, at, 1), ids[n]);
		end = at + lens[n++];
		assert_true(end <= 0x100);
		cfg_write(f, at, 2, 0xffff); /* neither ID nor link can be written */
		assert_int_equal(cfg_read(f, at, 1), ids[n - 1]);
	}
	assert_int_equal(n, ARRAY_SIZE(ids));
	at = f->pci->msi_cap;
	cfg_write(f, at + PCI_MSI_FLAGS, 2, 0xffff);
	assert_int_equal(cfg_read(f, at + PCI_MSI_FLAGS, 2),
			 PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | PCI_MSI_FLAGS_QSIZE |
				 3 << 1 | PCI_MSI_FLAGS_ENABLE);
	cfg_write(f, at + PCI_MSI_MASK_64, 4, 0xffffffff);
	assert_int_equal(cfg_read(f, at + PCI_MSI_MASK_64, 4), 0xff);
	at = f->pci->msix_cap;
	cfg_write(f, at + PCI_MSIX_FLAGS, 2, 0xffff);
	assert_int_equal(cfg_read(f, at + PCI_MSIX_FLAGS, 2),
			 PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL | (VECTORS - 1));
	assert_int_equal(cfg_read(f, at + PCI_MSIX_TABLE, 4), MSIX_TABLE);
	assert_int_equal(cfg_read(f, at + PCI_MSIX_PBA, 4), MSIX_PBA);
	at = f->pci->pcie_cap;
	assert_int_equal(cfg_read(f, at + PCI_EXP_FLAGS, 2), 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	assert_true(cfg_read(f, at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	assert_int_equal(f->pci->config_len, PCIE_CONFIG_SIZE);
	assert_int_equal(cfg_read(f, 0x100, 4), 0); /* no extended capability */
	assert_int_equal(pci_irq_count(f->pci, PCI_INTX), 1);
	assert_int_equal(pci_irq_count(f->pci, PCI_MSI), VECTORS);
	assert_int_equal(pci_irq_count(f->pci, PCI_MSIX), VECTORS);
	assert_int_equal(pci_irq_count(f->pci, PCI_ERR), 1);
	rig_destroy(&r);
}

/* ---- DMA and what stops it ---- */

static uint64_t counter_in(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void run_engine(struct func *f, uint64_t *word)
{
	uint64_t was = counter_in(word);

	reg_write(f, 0, REG_TARGET, 8, iova_of(f->rig, word));
	WAIT_UNTIL(counter_in(word) > was);
}

/* What stands still now stands still for ever. */
static void assert_still(const uint64_t *word)
{
	uint64_t was = counter_in(word);

	usleep(300);
	assert_int_equal(counter_in(word), was);
}

static void bus_master_gates_dma(void **state)
{
	uint64_t *word, was;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	word = arena_alloc(&r, 64, 64);
	run_engine(f, word);
	for (unsigned int i = 0; i < 200; i++) {
		set_bus_master(f, false);
		was = counter_in(word);
		assert_still(word);
		assert_int_equal(counter_in(word), was);
		set_bus_master(f, true);
		WAIT_UNTIL(counter_in(word) > was);
	}
	assert_true(rig_faults(&r) > 0); /* what it tried meanwhile */
	rig_destroy(&r);
}

static void power_states_gate_dma_and_registers(void **state)
{
	unsigned int pmcsr;
	uint64_t *word;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	pmcsr = f->pci->pm_cap + PCI_PM_CTRL;
	word = arena_alloc(&r, 64, 64);
	run_engine(f, word);
	cfg_write(f, pmcsr, 2, 1); /* D1 is not there */
	assert_int_equal(cfg_read(f, pmcsr, 2), PCI_PM_CTRL_NO_SOFT_RESET);
	assert_true(pci_memory_enabled(f->pci));
	cfg_write(f, pmcsr, 2, 3);
	assert_int_equal(cfg_read(f, pmcsr, 2) & 3, 3);
	assert_false(pci_memory_enabled(f->pci));
	assert_still(word);
	set_bus_master(f, true); /* still in D3 */
	assert_still(word);
	cfg_write(f, pmcsr, 2, 2);
	assert_int_equal(cfg_read(f, pmcsr, 2) & 3, 3);
	cfg_write(f, pmcsr, 2, 0);
	assert_true(pci_memory_enabled(f->pci));
	run_engine(f, word);
	cfg_write(f, pmcsr, 2, 3);
	pci_reset(f->pci);
	assert_int_equal(cfg_read(f, pmcsr, 2) & 3, 0);
	assert_true(pci_memory_enabled(f->pci));
	cfg_write(f, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_false(pci_memory_enabled(f->pci));
	rig_destroy(&r);
}

static void flr_ends_what_runs(void **state)
{
	unsigned int devctl;
	uint64_t *word;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	devctl = f->pci->pcie_cap + PCI_EXP_DEVCTL;
	word = arena_alloc(&r, 64, 64);
	for (unsigned int i = 0; i < 200; i++) {
		run_engine(f, word);
		if (i % 2)
			cfg_write(f, devctl, 2, cfg_read(f, devctl, 2) | PCI_EXP_DEVCTL_BCR_FLR);
		else
			cfg_write(f, devctl + 1, 1,
				  cfg_read(f, devctl + 1, 1) | PCI_EXP_DEVCTL_BCR_FLR >> 8);
		assert_still(word);
		assert_int_equal(engine_of(f)->resets, i + 2); /* and one at power-on */
		assert_int_equal(cfg_read(f, devctl, 2), 0x2810);
	}
	assert_false(engine_of(f)->met);
	rig_destroy(&r);
}

static void a_write_may_wait_for_the_worker(void **state)
{
	uint64_t *word;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	reg_write(f, 0, REG_QUIET, 4, 1); /* with no worker yet */
	assert_int_equal(reg_read(f, 0, REG_QUIET, 4), 1);
	word = arena_alloc(&r, 64, 64);
	run_engine(f, word);
	for (unsigned int i = 0; i < 1000; i++)
		reg_write(f, 0, REG_QUIET, 4, 1);
	assert_int_equal(reg_read(f, 0, REG_QUIET, 4), 1001);
	assert_false(engine_of(f)->met);
	run_engine(f, word); /* goes on */
	rig_destroy(&r);
}

struct resetter {
	struct func *f;
	bool end;
};

static void *reset_again_and_again(void *arg)
{
	struct resetter *s = arg;

	while (!__atomic_load_n(&s->end, __ATOMIC_RELAXED)) {
		pci_reset(s->f->pci);
		reg_write(s->f, 0, REG_QUIET, 4, 1);
		set_bus_master(s->f, false);
		set_bus_master(s->f, true);
	}
	return NULL;
}

/* Resets, quiet writes and bus master from three threads, kicks from a fourth; then destruction
 * while it works. */
static void everything_at_once(void **state)
{
	struct resetter s = {0};
	pthread_t t[3];
	uint64_t *word;
	struct rig r;

	rig_create(&r, true);
	s.f = func_add_model(&r, &engine_model, "engine");
	word = arena_alloc(&r, 64, 64);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reset_again_and_again, &s), 0);
	for (double end = seconds() + 0.5; seconds() < end;)
		reg_write(s.f, 0, REG_TARGET, 8, iova_of(&r, word));
	__atomic_store_n(&s.end, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_false(engine_of(s.f)->met);
	run_engine(s.f, word);
	func_remove(s.f);
	assert_still(word);
	rig_destroy(&r);
}

static unsigned int refuse_threads;

static int thread_start(void *arg, pthread_t *t, const char *name, void *(*fn)(void *),
			void *fn_arg)
{
	if (refuse_threads) {
		refuse_threads--;
		return -EAGAIN;
	}
	assert_true(strlen(name) < 16);
	return -pthread_create(t, NULL, fn, fn_arg);
}

static void a_worker_that_cannot_start_is_tried_again(void **state)
{
	static const struct pci_host_ops ops = {.thread_start = thread_start};
	uint64_t *word;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	r.ops = &ops;
	f = func_add_model(&r, &engine_model, "engine");
	word = arena_alloc(&r, 64, 64);
	refuse_threads = 3;
	for (unsigned int i = 0; i < 3; i++) {
		reg_write(f, 0, REG_TARGET, 8, iova_of(&r, word));
		assert_still(word);
		pci_reset(f->pci);
		reg_write(f, 0, REG_QUIET, 4, 1);
	}
	assert_int_equal(refuse_threads, 0);
	run_engine(f, word);
	refuse_threads = 1;
	func_remove(f);
	f = func_add_model(&r, &engine_model, "engine");
	reg_write(f, 0, REG_TARGET, 8, iova_of(&r, word));
	func_remove(f); /* its worker never was */
	rig_destroy(&r);
}

/* ---- interrupts ---- */

static void the_pin_has_a_level(void **state)
{
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	reg_write(f, 0, REG_LEVEL, 4, 1);
	reg_write(f, 0, REG_LEVEL, 4, 1);
	assert_int_equal(f->intx_raised, 1);
	assert_true(pci_intx_asserted(f->pci));
	assert_true(cfg_read(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	reg_write(f, 0, REG_LEVEL, 4, 0);
	assert_int_equal(f->intx_lowered, 1);
	assert_false(pci_intx_asserted(f->pci));
	assert_false(cfg_read(f, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT);
	/* INTx Disable keeps the pin down, but not the status; without it the level is told again.
	 */
	cfg_write(f, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	reg_write(f, 0, REG_LEVEL, 4, 1);
	assert_int_equal(f->intx_raised, 1);
	assert_false(pci_intx_asserted(f->pci));
	assert_true(cfg_read(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	cfg_write(f, PCI_COMMAND, 2, 0);
	assert_int_equal(f->intx_raised, 2);
	assert_true(pci_intx_asserted(f->pci));
	cfg_write(f, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(f->intx_lowered, 2);
	cfg_write(f, PCI_COMMAND, 2, 0);
	assert_int_equal(f->intx_raised, 3);
	/* As SET_IRQS does it: who enables asks for the level. */
	pci_irq_enable(f->pci, PCI_INTX, false);
	assert_false(pci_intx_asserted(f->pci));
	pci_irq_enable(f->pci, PCI_INTX, true);
	assert_true(pci_intx_asserted(f->pci));
	assert_int_equal(f->intx_raised, 3);
	/* No function uses its pin while MSI or MSI-X is enabled. */
	pci_irq_enable(f->pci, PCI_MSIX, true);
	assert_false(pci_intx_asserted(f->pci));
	pci_irq_enable(f->pci, PCI_MSIX, false);
	pci_irq_enable(f->pci, PCI_MSI, true);
	assert_false(pci_intx_asserted(f->pci));
	pci_irq_enable(f->pci, PCI_MSI, false);
	assert_true(pci_intx_asserted(f->pci));
	pci_reset(f->pci);
	assert_false(pci_intx_asserted(f->pci));
	assert_int_equal(f->intx_lowered, 3);
	rig_destroy(&r);
}

static void messages_go_where_they_are_enabled(void **state)
{
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	reg_write(f, 0, REG_RAISE, 4, 3); /* neither: the pin */
	assert_int_equal(f->intx_raised, 1);
	assert_int_equal(irqs_of(f, 3), 0);
	pci_irq_enable(f->pci, PCI_MSI, true);
	assert_true(pci_msi_enabled(f->pci));
	reg_write(f, 0, REG_RAISE, 4, 3);
	assert_int_equal(irqs_of(f, 3), 1);
	pci_irq_enable(f->pci, PCI_MSI, false);
	pci_irq_enable(f->pci, PCI_MSIX, true);
	assert_true(pci_msix_enabled(f->pci));
	reg_write(f, 0, REG_RAISE, 4, 7);
	assert_int_equal(irqs_of(f, 7), 1);
	assert_int_equal(f->intx_raised, 1);
	pci_set_irq_ops(f->pci, NULL, NULL);
	reg_write(f, 0, REG_RAISE, 4, 7); /* to nobody */
	assert_int_equal(irqs_of(f, 7), 1);
	rig_destroy(&r);
}

/* ---- registers ---- */

static void accesses_are_cut_naturally(void **state)
{
	static const struct {
		uint64_t off;
		unsigned int size;
	} want[] = {{0x101, 1}, {0x102, 2}, {0x104, 4}, {0x108, 8},
		    {0x110, 8}, {0x118, 4}, {0x11c, 2}, {0x11e, 1}};
	uint8_t data[32], back[32] = {0};
	struct prng rnd = {1};
	struct engine *e;
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	e = engine_of(f);
	fill_random(&rnd, data, sizeof(data));
	pci_bar_write(f->pci, 0, 0x101, 0x11f - 0x101, data);
	assert_int_equal(e->nr_log, ARRAY_SIZE(want));
	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(e->log[i].off, want[i].off);
		assert_int_equal(e->log[i].size, want[i].size);
		assert_memory_equal(&e->log[i].val, data + want[i].off - 0x101, want[i].size);
	}
	pci_bar_read(f->pci, 0, 0x101, 0x11f - 0x101, back);
	assert_memory_equal(back, data, 0x11f - 0x101);
	/* Pages without a model behind them, and the MSI-X table, are memory. */
	e->nr_log = 0;
	pci_bar_write(f->pci, 0, PLAIN_PAGE + 5, 30, data);
	pci_bar_read(f->pci, 0, PLAIN_PAGE + 5, 30, back);
	assert_memory_equal(back, data, 30);
	reg_write(f, 0, MSIX_TABLE + 16 * (VECTORS - 1) + 8, 8, 0x123456789abcdef0);
	assert_int_equal(reg_read(f, 0, MSIX_TABLE + 16 * (VECTORS - 1) + 8, 8),
			 0x123456789abcdef0);
	reg_write(f, 0, MSIX_PBA, 8, 5);
	assert_int_equal(e->nr_log, 0);
	reg_write(f, 0, MSIX_TABLE + 16 * VECTORS, 4, 1);
	reg_write(f, 0, MSIX_PBA + 8, 4, 1);
	assert_int_equal(e->nr_log, 2);
	/* Reads of a page with side effects reach the model. */
	assert_int_equal(reg_read(f, 0, TRAP_PAGE + 0x10, 4), TRAP_PAGE + 0x10);
	assert_int_equal(e->nr_log, 3);
	reg_write(f, 2, 0, 4, 0xabcd);
	assert_int_equal(reg_read(f, 2, 0, 4), 0xabcd);
	rig_destroy(&r);
}

/* ---- peers ---- */

#define BAR_A 0x40000000ull
#define BAR_B 0x41000000ull

/* Each writes its counter into the other's bell, which is heard on the other's worker, for ever. */
static void two_devices_ring_each_other(void **state)
{
	struct func *a, *b;
	struct rig r;

	rig_create(&r, true);
	a = func_add_model(&r, &engine_model, "engine");
	b = func_add_model(&r, &engine_model, "engine");
	rig_map_bar(&r, a, 0, BAR_A);
	rig_map_bar(&r, b, 0, BAR_B);
	reg_write(a, 0, REG_TARGET, 8, BAR_B + REG_BELL);
	reg_write(b, 0, REG_TARGET, 8, BAR_A + REG_BELL);
	WAIT_UNTIL(reg_read(a, 0, REG_BELL, 4) > 5000 && reg_read(b, 0, REG_BELL, 4) > 5000);
	/* Neither is kept from its own work. */
	assert_true(__atomic_load_n(&engine_of(a)->steps, __ATOMIC_RELAXED) > 10);
	for (unsigned int i = 0; i < 50; i++) {
		pci_reset(a->pci);
		assert_int_equal(reg_read(a, 0, REG_TARGET, 8), 0);
		reg_write(a, 0, REG_TARGET, 8, BAR_B + REG_BELL);
	}
	/* One that does not answer, and one that goes away in the middle of it. */
	cfg_write(b, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	reg_write(a, 0, REG_QUIET, 4, 0);
	cfg_write(b, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	func_remove(b);
	reg_write(a, 0, REG_QUIET, 4, 0);
	assert_true(rig_faults(&r) > 0);
	rig_destroy(&r);
}

/* A device that writes to its own BAR. */
static void a_device_rings_itself(void **state)
{
	uint64_t target[2];
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add_model(&r, &engine_model, "engine");
	rig_map_bar(&r, f, 0, BAR_A);
	reg_write(f, 0, REG_TARGET, 8, BAR_A + REG_BELL);
	WAIT_UNTIL(reg_read(f, 0, REG_BELL, 4) > 3000);
	/* Posted writes of registers that wait for the worker come on the worker itself. */
	reg_write(f, 0, REG_TARGET, 8, BAR_A + REG_QUIET);
	WAIT_UNTIL(reg_read(f, 0, REG_QUIET, 4) > 1000);
	/* It moves its own target away by such a write, and is still. */
	target[0] = target[1] = 0;
	reg_write(f, 0, REG_TARGET, 8, BAR_A + PLAIN_PAGE);
	WAIT_UNTIL((target[0] = reg_read(f, 0, PLAIN_PAGE, 8)) > 0);
	pci_reset(f->pci);
	target[0] = reg_read(f, 0, PLAIN_PAGE, 8);
	usleep(1000);
	target[1] = reg_read(f, 0, PLAIN_PAGE, 8);
	assert_int_equal(target[0], target[1]);
	assert_false(engine_of(f)->met);
	rig_destroy(&r);
}

/* What a model does not know is refused by name; what cannot be made leaves nothing behind. */
static void creation_fails_cleanly(void **state)
{
	static const char *const bad[] = {
		"ioat,channels=9", "ioat,colour=red",	   "nvme,lba=600",
		"nvme,queues=0",   "virtio-net,mac=12:34", "nvme,serial=123456789012345678901",
		"nvme,size=100"};
	char why[256];
	struct rig r;

	rig_create(&r, true);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		why[0] = 0;
		assert_int_equal(func_try(&r, bad[i], why, sizeof(why)), -EINVAL);
		assert_true(strlen(why) > 10);
	}
	net_hubs_destroy(r.hubs);
	r.hubs = NULL;
	assert_int_equal(func_try(&r, "virtio-net", why, sizeof(why)), -EINVAL);
	assert_int_equal(net_hubs_create(&r.hubs), 0);
	assert_null(pci_model_find("nonesuch"));
	rig_destroy(&r);
}

static void the_scratch_device_logs(void **state)
{
	struct rig r;
	struct func *f;

	rig_create(&r, true);
	f = func_add(&r, "scratch");
	for (unsigned int i = 0; i < 300; i++)
		reg_write(f, 0, 8 * i, 4, i);
	assert_int_equal(reg_read(f, 0, 0x8000, 4), 300);
	/* Entry i of write n is i = n % 256: the 300th write, number 299, overwrote entry 43. */
	assert_int_equal(reg_read(f, 0, 0x8008 + 16 * 43, 4), 8 * 299);
	assert_int_equal(reg_read(f, 0, 0x8008 + 16 * 43 + 4, 4), 4);
	assert_int_equal(reg_read(f, 0, 0x8008 + 16 * 43 + 8, 8), 299);
	reg_write(f, 0, 0x8000, 4, 0);
	assert_int_equal(reg_read(f, 0, 0x8000, 4), 0);
	assert_int_equal(reg_read(f, 2, 0, 4), 0);
	assert_int_equal(reg_read(f, 2, 0, 4), 1);
	reg_write(f, 2, 8, 8, 77);
	assert_int_equal(reg_read(f, 2, 8, 8), 77);
	pci_reset(f->pci);
	assert_int_equal(reg_read(f, 2, 8, 8), 0);
	assert_int_equal(reg_read(f, 0, 8 * 299, 4), 0);
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_says_who_it_is),
		cmocka_unit_test(bars_can_be_sized_and_placed),
		cmocka_unit_test(capabilities_form_a_chain),
		cmocka_unit_test(bus_master_gates_dma),
		cmocka_unit_test(power_states_gate_dma_and_registers),
		cmocka_unit_test(flr_ends_what_runs),
		cmocka_unit_test(a_write_may_wait_for_the_worker),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(a_worker_that_cannot_start_is_tried_again),
		cmocka_unit_test(the_pin_has_a_level),
		cmocka_unit_test(messages_go_where_they_are_enabled),
		cmocka_unit_test(accesses_are_cut_naturally),
		cmocka_unit_test(two_devices_ring_each_other),
		cmocka_unit_test(a_device_rings_itself),
		cmocka_unit_test(creation_fails_cleanly),
		cmocka_unit_test(the_scratch_device_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
