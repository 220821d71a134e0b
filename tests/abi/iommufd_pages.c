/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page requests: an I/OAT with ATS and PRI (the model's ats=on, pri=on) copies from and to memory that is
 * not mapped, and goes on, or not, as the fault queue's reader answers. Section 6.1.
 */
#include "abi_iommufd.h"
#include "ioat_user.h"

#include <poll.h>
#include <sys/mman.h>

#define BYTES 0x8000u
#define IOVA  0x100000000ull
#define DST   (IOVA + BYTES) /* never mapped at first */

struct world {
	struct vfio v;
	struct ioat_user ioat;
	uint32_t ioas, hwpt, fault_id;
	int fault;
	char *src, *dst;
};

static int hwpt_with_faults(struct world *w)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = w->v.devid,
		.pt_id = w->ioas,
		.fault_id = w->fault_id,
	};
	int err = abi_ioctl(w->v.iommufd, IOMMU_HWPT_ALLOC, &cmd);

	w->hwpt = cmd.out_hwpt_id;
	return err;
}

static void world_close(struct world *w)
{
	if (w->fault >= 0)
		close(w->fault);
	vfio_close(&w->v);
	munmap(w->src, BYTES);
	munmap(w->dst, BYTES);
}

/* The page request capability, and whether the host has enabled it. */
static bool asks_for_pages(int device)
{
	uint32_t header;

	for (unsigned int at = 0x100; at; at = header >> 20) {
		header = config_read(device, at, 4);
		if ((header & 0xffff) == 0x13)
			return config_read(device, at + 4, 2) & 1;
	}
	return false;
}

/* False after abi_skip(). The source, with the descriptor, is mapped; attached. */
static bool world_open(struct world *w)
{
	vfio_open(&w->v, ROAD_CDEV, ioat_id());
	if (!asks_for_pages(w->v.device)) {
		abi_skip("this device asks for no pages here");
		vfio_close(&w->v);
		return false;
	}
	if (cdev_detach(w->v.device))
		abi_broken("detach: %s", strerror(errno));
	w->src = shared_pages(BYTES);
	w->dst = shared_pages(BYTES);
	w->ioas = ioas_alloc_ok(w->v.iommufd);
	ioas_map_ok(w->v.iommufd, w->ioas, FIXED_RW, w->src, BYTES, IOVA);
	if (fault_alloc(w->v.iommufd, &w->fault_id, &w->fault))
		abi_broken("FAULT_QUEUE_ALLOC");
	abi_errno(hwpt_with_faults(w), 0);
	abi_errno(cdev_attach(w->v.device, &w->hwpt), 0);
	ioat_open(&w->ioat, &w->v);
	for (unsigned int n = 64; n < BYTES; n++)
		w->src[n] = (char)(n * 5 + n / 4096);
	return true;
}

/* Reads one group; how many records it has. */
static unsigned int read_group(struct world *w, struct iommu_hwpt_pgfault *records, unsigned int max)
{
	struct pollfd p = {.fd = w->fault, .events = POLLIN};
	ssize_t n;

	abi_equal(poll(&p, 1, 5000), 1);
	n = read(w->fault, records, max * sizeof(*records));
	if (n <= 0)
		abi_broken("no group: %zd, %s", n, strerror(errno));
	return (unsigned int)((size_t)n / sizeof(*records));
}

static void answer(struct world *w, uint32_t cookie, uint32_t code, int want)
{
	struct iommu_hwpt_page_response response = {.cookie = cookie, .code = code};
	ssize_t n = write(w->fault, &response, sizeof(response));

	abi_errno(n == sizeof(response) ? 0 : errno, want);
}

static void map_dst(struct world *w)
{
	ioas_map_ok(w->v.iommufd, w->ioas, FIXED_RW, w->dst, BYTES, DST);
}

static void check_group(struct world *w, const struct iommu_hwpt_pgfault *r, unsigned int n)
{
	abi_equal(n, 2); /* the copy meets two pages */
	for (unsigned int i = 0; i < n; i++) {
		abi_equal(r[i].dev_id, w->v.devid);
		abi_equal(r[i].addr, DST + i * PAGE);
		abi_equal(r[i].perm, IOMMU_PGFAULT_PERM_WRITE);
		abi_equal(r[i].cookie, r[0].cookie);
		abi_equal(r[i].grpid, r[0].grpid);
		abi_equal(r[i].flags, i == n - 1 ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0);
	}
}

/* A copy across two pages that are not mapped has begun, and waits. */
static uint32_t begin(struct world *w)
{
	struct iommu_hwpt_pgfault records[16];
	unsigned int n;

	ioat_copy(w->src, DST + 100, IOVA + 64, PAGE);
	ioat_start(&w->ioat, IOVA, 0);
	n = read_group(w, records, ARRAY_SIZE(records));
	check_group(w, records, n);
	return records[0].cookie;
}

static void answered(void)
{
	struct world w;

	if (abi_row("FLT.PRI", "mapped and answered SUCCESS, the copy goes on") && world_open(&w)) {
		uint32_t cookie = begin(&w);

		abi_true(ioat_wait(&w.ioat, 20) != IOAT_DONE, "it did not wait");
		map_dst(&w);
		answer(&w, cookie, IOMMUFD_PAGE_RESP_SUCCESS, 0);
		abi_equal(ioat_wait(&w.ioat, 5000), IOAT_DONE);
		abi_true(!memcmp(w.dst + 100, w.src + 64, PAGE), "the copy is wrong");
		abi_equal(w.dst[99], 0);
		abi_equal(w.dst[100 + PAGE], 0);
		world_close(&w);
	}
	if (abi_row("FLT.PRI", "answered SUCCESS without the pages, the device asks again") &&
	    world_open(&w)) {
		struct iommu_hwpt_pgfault records[16];

		answer(&w, begin(&w), IOMMUFD_PAGE_RESP_SUCCESS, 0);
		check_group(&w, records, read_group(&w, records, ARRAY_SIZE(records)));
		answer(&w, records[0].cookie, IOMMUFD_PAGE_RESP_INVALID, 0);
		abi_equal(ioat_wait(&w.ioat, 5000), IOAT_HALTED);
		world_close(&w);
	}
	if (abi_row("FLT.PRI", "answered INVALID, the copy fails") && world_open(&w)) {
		answer(&w, begin(&w), IOMMUFD_PAGE_RESP_INVALID, 0);
		abi_equal(ioat_wait(&w.ioat, 5000), IOAT_HALTED);
		abi_equal(w.dst[100], 0);
		world_close(&w);
	}
}

static void abandoned(void)
{
	struct world w;

	if (abi_row("FLT.PRI", "detached while it waits, the copy fails and the cookie is gone") &&
	    world_open(&w)) {
		uint32_t cookie = begin(&w);

		abi_errno(cdev_detach(w.v.device), 0);
		abi_equal(ioat_wait(&w.ioat, 5000), IOAT_HALTED);
		answer(&w, cookie, IOMMUFD_PAGE_RESP_SUCCESS, EINVAL);
		world_close(&w);
	}
	if (abi_row("FLT.PRI", "reset while it waits, the device starts anew, and the answer is late") &&
	    world_open(&w)) {
		uint32_t cookie = begin(&w);

		abi_errno(abi_ioctl(w.v.device, VFIO_DEVICE_RESET, NULL), 0);
		map_dst(&w);
		answer(&w, cookie, IOMMUFD_PAGE_RESP_SUCCESS, 0);
		abi_equal(w.dst[100], 0);
		ioat_open(&w.ioat, &w.v);
		ioat_start(&w.ioat, IOVA, 0);
		abi_equal(ioat_wait(&w.ioat, 5000), IOAT_DONE);
		abi_true(!memcmp(w.dst + 100, w.src + 64, PAGE), "the copy is wrong");
		world_close(&w);
	}
	if (abi_row("FLT.PRI", "closed while it waits") && world_open(&w)) {
		begin(&w);
		world_close(&w);
	}
}

/* What the device keeps of translations it has lost when UNMAP returns. */
static void unmapped(void)
{
	struct world w;

	if (!abi_row("FLT.PRI", "what is unmapped the device has forgotten") || !world_open(&w))
		return;
	map_dst(&w);
	ioat_copy(w.src, DST + 100, IOVA + 64, PAGE);
	for (int n = 0; n < 3; n++) {
		ioat_start(&w.ioat, IOVA, 0);
		abi_equal(ioat_wait(&w.ioat, 5000), IOAT_DONE);
	}
	abi_errno(ioas_unmap(w.v.iommufd, w.ioas, DST, BYTES, NULL), 0);
	answer(&w, begin(&w), IOMMUFD_PAGE_RESP_INVALID, 0);
	abi_equal(ioat_wait(&w.ioat, 5000), IOAT_HALTED);
	world_close(&w);
}

static void everything(void)
{
	if (!ioat_id())
		abi_cannot_run("there is no I/OAT device");
	answered();
	abandoned();
	unmapped();
}

int main(int argc, char **argv)
{
	const struct abi_part parts[] = {ABI_PART(everything)};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
