/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI core: DMA and what stops it, workers, and devices that write to each other.
 */
#include "pci_engine.h"

#include "devices/worker.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bus_master_gates_dma),
		cmocka_unit_test(power_states_gate_dma_and_registers),
		cmocka_unit_test(flr_ends_what_runs),
		cmocka_unit_test(a_write_may_wait_for_the_worker),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(a_worker_that_cannot_start_is_tried_again),
		cmocka_unit_test(two_devices_ring_each_other),
		cmocka_unit_test(a_device_rings_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
