/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM for the benchmarks, made as a VMM makes it, by libioas: its memory under a nest parent, an
 * SMMUv3 for it (vIOMMU, vDEVICE, nested domain) and a device behind that. Its stage 1 maps
 * GUEST_PAGES single pages from GUEST_VA on, no two of them neighbours in memory; stage 2 is of
 * single pages too.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <ioas/ioas.h>

#define GUEST_PAGE  4096ull
#define GUEST_GPA   (1ull << 30)
#define GUEST_VA    (8ull << 30)
#define GUEST_DATA  (256ull << 20) /* from GUEST_GPA on; its tables lie behind */
#define GUEST_PAGES (GUEST_DATA / GUEST_PAGE)
#define GUEST_RID   0x100u
#define GUEST_SID   1u
#define GUEST_ASID  7u
#define GUEST_BATCH 256u /* commands that the engine takes from a queue at once */

/* A command of the SMMU. */
struct guest_command {
	uint64_t word[2];
};

struct guest {
	struct ioas_host *host;
	struct ioas_context *ctx;
	struct ioas_port *port;
	uint32_t dev, ioas, parent, viommu, vdevice, nested;
	char *mem; /* registered; at GUEST_GPA */
	uint64_t free;
	/* A queue that the engine consumes: its place, and its registers as a VMM would map them.
	 */
	struct guest_command *queue;
	unsigned int queue_lg2;
	void *registers; /* a page; NULL: no queue */
	uint32_t *prod, *cons, *error;
	uint32_t produced; /* index, with its wrap bit */
};

/*
 * @queue_lg2 0: a vIOMMU of type ARM_SMMUV3. Otherwise one of the engine's own type, with a queue
 * of 2^@queue_lg2 commands. Exits with a sentence when it cannot be made.
 */
void guest_create(struct guest *g, unsigned int queue_lg2);
/* The same of a host that is there, of the make smmuv3; who listens to it came first. */
void guest_create_on(struct guest *g, struct ioas_host *host, unsigned int queue_lg2);
struct ioas_host *guest_host(void);
void guest_destroy(struct guest *g);

/* Where the guest's page number @page is. */
static inline uint64_t guest_gpa(uint64_t page)
{
	return GUEST_GPA + (page + 1) % GUEST_PAGES * GUEST_PAGE;
}

static inline void *guest_ptr(const struct guest *g, uint64_t gpa)
{
	return g->mem + (gpa - GUEST_GPA);
}

/* TLBI_NH_VA of one page, leaf only, as Linux sends it when it unmaps one. */
static inline struct guest_command guest_tlbi(uint64_t page)
{
	return (struct guest_command){
		{0x12 | (uint64_t)GUEST_ASID << 48, (GUEST_VA + page * GUEST_PAGE) | 1}};
}

/* ATC_INV of one page, without a PASID. */
static inline struct guest_command guest_atc_inv(uint64_t page)
{
	return (struct guest_command){
		{0x40 | (uint64_t)GUEST_SID << 32, GUEST_VA + page * GUEST_PAGE}};
}

/* @n commands by one HWPT_INVALIDATE. */
void guest_invalidate(struct guest *g, const struct guest_command *commands, uint32_t n);

/* Fills the queue with @commands, over and over, once; then guest_produce() only moves its index.
 */
void guest_fill_queue(struct guest *g, const struct guest_command *commands, uint32_t n);
/* @n of them, as room comes; returns when the engine has consumed all. */
void guest_produce(struct guest *g, uint64_t n);

/* A device of the host, as its IOMMU sees it. */
struct requester;
struct requester *guest_requester(const struct guest *g, uint32_t rid);

/* Ends the program, telling @what could not be done, when @rc is an error. */
void guest_check(long rc, const char *what);

#endif
