/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions of the NVMe controller: controllers with registers, queues, interrupts and DMA
 * of their own, on the same namespaces; what the capability tells; what a reset of either reaches.
 */
#include "nvme_driver.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <string.h>

#define VFS	     4
#define PCI_SRIOV_AT 0x108 /* behind ARI */

static unsigned int ext_cap(struct func *f, uint16_t id)
{
	for (unsigned int at = 0x100; at; at = PCI_EXT_CAP_NEXT(cfg_read(f, at, 4)))
		if (PCI_EXT_CAP_ID(cfg_read(f, at, 4)) == id)
			return at;
	return 0;
}

static void what_the_capability_tells(void **state)
{
	unsigned int at;
	struct func *pf;
	struct rig r;

	rig_create(&r, true);
	pf = func_add(&r, "nvme,vfs=4");
	at = ext_cap(pf, PCI_EXT_CAP_ID_SRIOV);
	assert_int_equal(at, PCI_SRIOV_AT);
	assert_int_not_equal(ext_cap(pf, PCI_EXT_CAP_ID_ARI), 0);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_TOTAL_VF, 2), VFS);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_INITIAL_VF, 2), VFS);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_NUM_VF, 2), 0);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_VF_DID, 2), cfg_read(pf, PCI_DEVICE_ID, 2));
	for (unsigned int i = 0; i < VFS; i++)
		assert_int_equal(pf->pci->cfg.rid + cfg_read(pf, at + PCI_SRIOV_VF_OFFSET, 2) +
					 i * cfg_read(pf, at + PCI_SRIOV_VF_STRIDE, 2),
				 pci_vf_rid(pf->pci->cfg.rid, i));
	/* The host's, not the driver's. */
	cfg_write(pf, at + PCI_SRIOV_NUM_VF, 2, 3);
	cfg_write(pf, at + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VFE);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_NUM_VF, 2), 0);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_CTRL, 2), 0);
	pci_set_num_vfs(pf->pci, 2);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_NUM_VF, 2), 2);
	assert_true(cfg_read(pf, at + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE);
	assert_true(cfg_read(pf, at + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_MSE);
	pci_set_num_vfs(pf->pci, 0);
	assert_int_equal(cfg_read(pf, at + PCI_SRIOV_CTRL, 2), 0);
	rig_destroy(&r);
}

static void what_cannot_be(void **state)
{
	struct pci_config cfg;
	struct pci_dev *vf;
	struct func *pf;
	char why[256];
	struct rig r;

	rig_create(&r, true);
	assert_int_equal(func_try(&r, "nvme,vfs=65", why, sizeof(why)), -EINVAL);
	pf = func_add(&r, "nvme,vfs=1");
	cfg = pf->pci->cfg;
	assert_int_equal(pci_create_vf(pf->pci, 1, &cfg, &vf, why, sizeof(why)), -EINVAL);
	/* From function 0x50 on, 64 would leave the bus. */
	for (unsigned int i = 0; i < 9; i++)
		func_add(&r, "nvme,size=4096");
	assert_int_equal(func_try(&r, "nvme,vfs=64", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "no room"));
	assert_int_equal(func_try(&r, "nvme,vfs=48", why, sizeof(why)), 0);
	rig_destroy(&r);
}

static void controllers_of_one_subsystem(void **state)
{
	struct nvme_host h[VFS + 1];
	uint8_t *id[VFS + 1], *ns;
	struct func *pf;
	struct rig r;

	rig_create(&r, true);
	pf = func_add(&r, "nvme,vfs=4,queues=2");
	for (unsigned int i = 0; i <= VFS; i++) {
		nvme_start(&h[i], i ? func_add_vf(pf, i - 1) : pf, 8);
		id[i] = arena_alloc(&r, 4096, 4096);
		ns = arena_alloc(&r, 4096, 4096);
		assert_int_equal(nvme_do(&h[i], 0, nvme_identify_cmd(&h[i], 1, 0, id[i]), NULL), 0);
		assert_int_equal(nvme_do(&h[i], 0, nvme_identify_cmd(&h[i], 0, 1, ns), NULL), 0);
		assert_int_equal(get16(id[i] + 78), i);		    /* CNTLID */
		assert_int_equal(id[i][76], i ? 6 : 2);		    /* CMIC */
		assert_int_equal(ns[30], 1);			    /* NMIC */
		assert_memory_equal(id[i] + 4, id[0] + 4, 20);	    /* serial number */
		assert_memory_equal(id[i] + 768, id[0] + 768, 256); /* SUBNQN */
	}
	/* The pin is not theirs, nor MSI; MSI-X is. */
	assert_int_equal(pci_irq_count(h[1].f->pci, PCI_INTX), 0);
	assert_int_equal(pci_irq_count(h[1].f->pci, PCI_MSI), 0);
	assert_int_equal(pci_irq_count(h[1].f->pci, PCI_MSIX), 3);
	assert_int_equal(ext_cap(h[1].f, PCI_EXT_CAP_ID_SRIOV), 0);
	rig_destroy(&r);
}

static void one_without_virtual_functions(void **state)
{
	struct nvme_host h;
	struct func *f;
	uint8_t *id;
	struct rig r;

	rig_create(&r, true);
	f = func_add(&r, "nvme");
	nvme_start(&h, f, 8);
	id = arena_alloc(&r, 4096, 4096);
	assert_int_equal(nvme_do(&h, 0, nvme_identify_cmd(&h, 1, 0, id), NULL), 0);
	assert_int_equal(id[76], 0);
	assert_int_equal(cfg_read(f, 0x100, 4), 0);
	rig_destroy(&r);
}

static void namespaces_are_shared(void **state)
{
	struct nvme_host pf, vf[2];
	uint8_t *out, *in;
	struct rig r;

	rig_create(&r, true);
	nvme_start(&pf, func_add(&r, "nvme,vfs=2,queues=1"), 8);
	out = arena_alloc(&r, 4096, 4096);
	in = arena_alloc(&r, 4096, 4096);
	for (unsigned int i = 0; i < 2; i++) {
		nvme_start(&vf[i], func_add_vf(pf.f, i), 8);
		pci_irq_enable(vf[i].f->pci, PCI_MSIX, true);
		nvme_add_queue(&vf[i], 1, 8, 1);
		memset(out, 0x40 + (int)i, 4096);
		assert_int_equal(nvme_do(&vf[i], 1,
					 nvme_rw_cmd(&vf[i], NVME_IO_WRITE, 1, 8 * i, 8, out, 4096),
					 NULL),
				 0);
		WAIT_UNTIL(irqs_of(vf[i].f, 1) >= 1);
	}
	assert_int_equal(irqs_of(pf.f, 1), 0);
	nvme_add_queue(&pf, 1, 8, -1);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(nvme_do(&pf, 1,
					 nvme_rw_cmd(&pf, NVME_IO_READ, 1, 8 * i, 8, in, 4096),
					 NULL),
				 0);
		assert_all(in, (uint8_t)(0x40 + i), 4096);
	}
	/* Bus mastering is each one's own. */
	set_bus_master(vf[0].f, false);
	assert_int_equal(
		nvme_do(&vf[1], 1, nvme_rw_cmd(&vf[1], NVME_IO_READ, 1, 0, 8, in, 4096), NULL), 0);
	rig_destroy(&r);
}

/* Each reset reaches what it should: a virtual function's only itself, the physical one's all. */
static void what_a_reset_reaches(void **state)
{
	struct nvme_host pf, vf[2];
	struct rig r;

	rig_create(&r, true);
	nvme_start(&pf, func_add(&r, "nvme,vfs=2,queues=1"), 8);
	for (unsigned int i = 0; i < 2; i++)
		nvme_start(&vf[i], func_add_vf(pf.f, i), 8);
	pci_reset(vf[0].f->pci);
	assert_int_equal(nvme_csts(&vf[0]), 0);
	assert_int_equal(nvme_csts(&vf[1]), RDY);
	assert_int_equal(nvme_csts(&pf), RDY);
	nvme_start(&vf[0], vf[0].f, 8);
	pci_reset(pf.f->pci);
	assert_int_equal(nvme_csts(&pf), 0);
	assert_int_equal(nvme_csts(&vf[0]), 0);
	assert_int_equal(nvme_csts(&vf[1]), 0);
	func_remove(vf[1].f);
	pci_reset(pf.f->pci);
	nvme_start(&vf[0], vf[0].f, 8);
	rig_destroy(&r);
}

/* One user of each controller. */
struct user {
	struct nvme_host h;
	pthread_t thread;
	uint8_t *data;
	unsigned int index, wrong;
};

static void *use(void *arg)
{
	struct user *u = arg;

	for (unsigned int i = 0; i < 300; i++) {
		struct nvme_sqe e = nvme_rw_cmd(&u->h, i % 2 ? NVME_IO_READ : NVME_IO_WRITE, 1,
						64 * u->index, 1, u->data, 512);
		uint16_t status;

		memset(u->data, i % 2 ? 0 : (int)(u->index + 1), 512);
		status = nvme_do(&u->h, 1, e, NULL);
		u->wrong += status || u->data[511] != u->index + 1;
	}
	return NULL;
}

static void all_at_once(void **state)
{
	struct user u[VFS + 1];
	struct rig r;

	rig_create(&r, true);
	for (unsigned int i = 0; i <= VFS; i++) {
		u[i] = (struct user){.index = i};
		nvme_start(&u[i].h,
			   i ? func_add_vf(u[0].h.f, i - 1) : func_add(&r, "nvme,vfs=4,queues=1"),
			   8);
		nvme_add_queue(&u[i].h, 1, 8, -1);
		u[i].data = arena_alloc(&r, 4096, 4096);
	}
	for (unsigned int i = 0; i <= VFS; i++)
		assert_int_equal(pthread_create(&u[i].thread, NULL, use, &u[i]), 0);
	for (unsigned int i = 0; i <= VFS; i++) {
		pthread_join(u[i].thread, NULL);
		assert_int_equal(u[i].wrong, 0);
	}
	assert_int_equal(rig_faults(&r), 0);
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_capability_tells),
		cmocka_unit_test(what_cannot_be),
		cmocka_unit_test(controllers_of_one_subsystem),
		cmocka_unit_test(one_without_virtual_functions),
		cmocka_unit_test(namespaces_are_shared),
		cmocka_unit_test(what_a_reset_reaches),
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
