/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI core: configuration space, registers, interrupts, and making devices.
 */
#include "pci_engine.h"

#define BAR4_SIZE (8ull << 30)

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

/* ---- models ---- */

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
		cmocka_unit_test(the_pin_has_a_level),
		cmocka_unit_test(messages_go_where_they_are_enabled),
		cmocka_unit_test(accesses_are_cut_naturally),
		cmocka_unit_test(creation_fails_cleanly),
		cmocka_unit_test(the_scratch_device_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
