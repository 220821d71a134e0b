/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ioas/abi/extensions.h>

#include "iommu/requester.h"
#include "library/private.h"

#define TABLES	   (4ull << 20) /* bytes for tables and queue */
#define SIZE	   (GUEST_DATA + TABLES)
#define ENTRIES	   512
#define STRTAB_LG2 2

/* IHI 0070, 5.2 and 5.4; DDI 0487, D8.3. */
#define STE_V	1ull
#define STE_S1	(5ull << 1)
#define CD_T0SZ 16ull /* 48 bits of pages of 4 KiB */
#define CD_FLAGS                                                                                   \
	(1ull << 30 /* EPD1 */ | 1ull << 31 /* V */ | 5ull << 32 /* IPS */ | 1ull << 41 /* AA64 */ \
	 | 1ull << 45 /* R */ | 1ull << 46 /* A */ | 1ull << 47 /* ASET */)
#define CD_MAIR	   0xff440c0400ull
#define CR0_CMDQEN 8u
#define TABLE	   3ull
#define LEAF	   (3ull | 1ull << 6 /* user */ | 1ull << 10 /* AF */ | 1ull << 11 /* nG */)

void guest_check(long rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror((int)-rc));
	exit(1);
}

/* Zeroed guest memory, aligned to its size. */
static uint64_t take(struct guest *g, uint64_t size)
{
	uint64_t at = (g->free + size - 1) / size * size;

	g->free = at + size;
	guest_check(g->free > GUEST_GPA + SIZE ? -28 : 0, "guest memory");
	return at;
}

static uint64_t *table_at(const struct guest *g, uint64_t gpa)
{
	return guest_ptr(g, gpa);
}

/* GUEST_VA is 8 GiB: entry 0 of the root, 8 of the next table, then one table after the other. */
static uint64_t make_tables(struct guest *g)
{
	uint64_t root = take(g, GUEST_PAGE), second = take(g, GUEST_PAGE);
	uint64_t third = take(g, GUEST_PAGE), last = 0;

	table_at(g, root)[0] = second | TABLE;
	table_at(g, second)[GUEST_VA >> 30] = third | TABLE;
	for (uint64_t page = 0; page < GUEST_PAGES; page++) {
		if (page % ENTRIES == 0) {
			last = take(g, GUEST_PAGE);
			table_at(g, third)[page / ENTRIES] = last | TABLE;
		}
		table_at(g, last)[page % ENTRIES] = guest_gpa(page) | LEAF;
	}
	return root;
}

static uint64_t make_context(struct guest *g)
{
	uint64_t root = make_tables(g), at = take(g, 64);
	uint64_t *cd = guest_ptr(g, at);

	cd[0] = CD_T0SZ | CD_FLAGS | (uint64_t)GUEST_ASID << 48;
	cd[1] = root;
	cd[3] = CD_MAIR;
	return at;
}

static void make_memory(struct guest *g)
{
	uint64_t iova = GUEST_GPA;
	const uint32_t fixed = IOAS_MAP_FIXED | IOAS_MAP_RW;

	g->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	guest_check(g->mem == MAP_FAILED ? -12 : 0, "mmap");
	g->free = GUEST_GPA + GUEST_DATA;
	guest_check(ioas_memory_register(g->host, g->mem, SIZE), "ioas_memory_register");
	guest_check(ioas_create(g->ctx, &g->ioas), "ioas_create");
	guest_check(ioas_set_option(g->ctx, IOAS_OPTION_HUGE_PAGES, g->ioas, 0), "single pages");
	guest_check(ioas_map(g->ctx, g->ioas, g->mem, SIZE, fixed, &iova), "ioas_map");
}

static void make_nested(struct guest *g, uint32_t type, const void *data, uint32_t len)
{
	const struct ioas_hwpt_config cfg = {.dev_id = g->dev,
					     .pt_id = g->viommu,
					     .data_type = type,
					     .data = data,
					     .data_len = len};
	uint32_t pt;

	guest_check(ioas_vdevice_alloc(g->ctx, g->viommu, g->dev, GUEST_SID, &g->vdevice),
		    "a vDEVICE");
	guest_check(ioas_hwpt_alloc(g->ctx, &cfg, &g->nested), "a nested HWPT");
	pt = g->nested;
	guest_check(ioas_port_attach(g->port, &pt), "ioas_port_attach");
}

static void make_linux_viommu(struct guest *g, uint64_t ste)
{
	const struct ioas_viommu_config cfg = {
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3, .dev_id = g->dev, .hwpt_id = g->parent};
	const struct iommu_hwpt_arm_smmuv3 vste = {{ste, 0}};

	guest_check(ioas_viommu_alloc(g->ctx, &cfg, &g->viommu), "a vIOMMU");
	make_nested(g, IOMMU_HWPT_DATA_ARM_SMMUV3, &vste, sizeof(vste));
}

/* SMMU_CR0, SMMU_GERROR and the queue's registers. */
static void map_registers(struct guest *g, uint64_t offset, uint64_t len)
{
	void *map;
	char *page;

	guest_check(ioas_file_map(g->ctx, ioas_context_file(g->ctx), offset, len, &map),
		    "the queue's registers");
	g->registers = page = map;
	g->prod = (uint32_t *)(void *)(page + 0x98);
	g->cons = (uint32_t *)(void *)(page + 0x9c);
	g->error = (uint32_t *)(void *)(page + 0x60);
	__atomic_store_n((uint32_t *)(void *)(page + 0x20), CR0_CMDQEN, __ATOMIC_RELEASE);
}

static void make_own_viommu(struct guest *g, uint64_t ste, unsigned int queue_lg2)
{
	uint64_t strtab = take(g, 64 << STRTAB_LG2);
	struct iommu_viommu_ioas_smmuv3 data = {.strtab_base = strtab,
						.strtab_base_cfg = STRTAB_LG2};
	const struct ioas_viommu_config cfg = {.type = IOMMU_VIOMMU_TYPE_IOAS_SMMUV3,
					       .dev_id = g->dev,
					       .hwpt_id = g->parent,
					       .data = &data,
					       .data_len = sizeof(data)};
	const struct iommu_hwpt_ioas_smmuv3 none = {0};
	struct ioas_hw_queue_config queue = {.type = IOMMU_HW_QUEUE_TYPE_IOAS_SMMUV3,
					     .length = sizeof(struct guest_command) << queue_lg2};
	uint32_t id;

	table_at(g, strtab)[GUEST_SID * 8] = ste;
	guest_check(ioas_viommu_alloc(g->ctx, &cfg, &g->viommu), "a vIOMMU");
	make_nested(g, IOMMU_HWPT_DATA_IOAS_SMMUV3, &none, sizeof(none));
	queue.iova = take(g, queue.length);
	g->queue = guest_ptr(g, queue.iova);
	g->queue_lg2 = queue_lg2;
	guest_check(ioas_hw_queue_alloc(g->ctx, g->viommu, &queue, &id), "a HW queue");
	map_registers(g, data.out_mmap_offset, data.out_mmap_length);
}

struct ioas_host *guest_host(void)
{
	const struct ioas_host_config cfg = {.iommu = "smmuv3", .ipc_lock = true};
	struct ioas_host *host;
	char why[200];

	guest_check(ioas_host_create(&cfg, &host, why, sizeof(why)), "ioas_host_create");
	return host;
}

void guest_create(struct guest *g, unsigned int queue_lg2)
{
	guest_create_on(g, guest_host(), queue_lg2);
}

void guest_create_on(struct guest *g, struct ioas_host *host, unsigned int queue_lg2)
{
	struct ioas_context_config ctx = {0};
	struct ioas_hwpt_config parent = {.flags = IOAS_HWPT_NEST_PARENT};
	uint64_t ste;

	*g = (struct guest){.host = host};
	guest_check(ioas_port_create(g->host, GUEST_RID, &g->port), "ioas_port_create");
	ctx.host = g->host;
	guest_check(ioas_context_open(&ctx, &g->ctx), "ioas_context_open");
	make_memory(g);
	guest_check(ioas_port_bind(g->port, ioas_context_file(g->ctx), &g->dev), "ioas_port_bind");
	parent.dev_id = g->dev;
	parent.pt_id = g->ioas;
	guest_check(ioas_hwpt_alloc(g->ctx, &parent, &g->parent), "a nest parent");
	ste = make_context(g) | STE_V | STE_S1;
	if (queue_lg2)
		make_own_viommu(g, ste, queue_lg2);
	else
		make_linux_viommu(g, ste);
}

void guest_destroy(struct guest *g)
{
	if (g->registers)
		munmap(g->registers, GUEST_PAGE);
	ioas_port_unbind(g->port);
	ioas_context_close(g->ctx);
	ioas_host_destroy(g->host);
	munmap(g->mem, SIZE);
}

void guest_invalidate(struct guest *g, const struct guest_command *commands, uint32_t n)
{
	guest_check(ioas_hwpt_invalidate(g->ctx, g->viommu, IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
					 commands, sizeof(*commands), &n),
		    "HWPT_INVALIDATE");
}

void guest_fill_queue(struct guest *g, const struct guest_command *commands, uint32_t n)
{
	for (uint32_t k = 0; k < 1u << g->queue_lg2; k++)
		g->queue[k] = commands[k % n];
}

void guest_produce(struct guest *g, uint64_t n)
{
	const uint32_t wrap = (2u << g->queue_lg2) - 1, room = 1u << g->queue_lg2;

	while (n || __atomic_load_n(g->cons, __ATOMIC_ACQUIRE) != g->produced) {
		uint32_t waiting =
			(g->produced - __atomic_load_n(g->cons, __ATOMIC_ACQUIRE)) & wrap;
		uint32_t more = (uint32_t)min_u64(n, room - waiting);

		guest_check(__atomic_load_n(g->error, __ATOMIC_RELAXED) ? -EIO : 0, "the queue");
		if (!n || more < min_u64(n, GUEST_BATCH)) {
			sched_yield();
			continue;
		}
		g->produced = (g->produced + more) & wrap;
		n -= more;
		__atomic_store_n(g->prod, g->produced, __ATOMIC_RELEASE);
	}
}

struct requester *guest_requester(const struct guest *g, uint32_t rid)
{
	struct list *pos, *tmp;

	list_for_each (pos, tmp, &g->host->host->iommu->requesters)
		if (list_entry(pos, struct requester, link)->id == rid)
			return list_entry(pos, struct requester, link);
	guest_check(-ENODEV, "a requester");
	return NULL;
}
