/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids, lookup by id and type, and DESTROY (sections 2.1-2.5, DEST): who holds whom, and every
 * order in which a small graph of objects can be taken down.
 */
#include "abi_iommufd.h"

/* An object of each type that needs no vIOMMU. */
struct zoo {
	struct bound bound;
	uint32_t ioas, hwpt, fault;
	int fault_fd;
};

static bool zoo_open(struct zoo *zoo)
{
	int err;

	if (!bound_open(&zoo->bound))
		return false;
	zoo->ioas = ioas_alloc_ok(zoo->bound.fd);
	zoo->hwpt = hwpt_alloc_ok(zoo->bound.fd, zoo->bound.dev, zoo->ioas, 0);
	err = fault_alloc(zoo->bound.fd, &zoo->fault, &zoo->fault_fd);
	if (err)
		abi_broken("FAULT_QUEUE_ALLOC: %s", abi_errno_name(err));
	return true;
}

/* Rows have destroyed some of it by then. */
static void zoo_close(struct zoo *zoo)
{
	fd_close(zoo->fault_fd);
	if (zoo->bound.fd >= 0 && zoo->bound.dev_fd >= 0) {
		cdev_detach(zoo->bound.dev_fd);
		object_destroy(zoo->bound.fd, zoo->hwpt);
		object_destroy(zoo->bound.fd, zoo->fault);
		object_destroy(zoo->bound.fd, zoo->ioas);
	}
	bound_close(&zoo->bound);
}

static void ids(void)
{
	struct zoo zoo;
	int fd;

	if (abi_row("2.1", "ids begin at 1 and the lowest free one is given")) {
		fd = iommufd_open();
		for (uint32_t id = 1; id <= 8; id++)
			abi_equal(ioas_alloc_ok(fd), id);
		object_destroy_ok(fd, 5);
		object_destroy_ok(fd, 3);
		abi_equal(ioas_alloc_ok(fd), 3);
		abi_equal(ioas_alloc_ok(fd), 5);
		abi_equal(ioas_alloc_ok(fd), 9);
		close(fd);
	}
	if (abi_row("2.1", "one number space for objects of all types") && zoo_open(&zoo)) {
		abi_equal(zoo.bound.dev, 1);
		abi_equal(zoo.ioas, 2);
		abi_equal(zoo.hwpt, 3);
		abi_equal(zoo.fault, 4);
		zoo_close(&zoo);
	}
	if (abi_row("2.1", "many objects")) {
		fd = iommufd_open();
		for (uint32_t id = 1; id <= 3000; id++)
			if (!abi_equal(ioas_alloc_ok(fd), id))
				break;
		for (uint32_t id = 2; id <= 3000; id += 2)
			object_destroy_ok(fd, id);
		for (uint32_t id = 2; id <= 3000; id += 2)
			if (!abi_equal(ioas_alloc_ok(fd), id))
				break;
		close(fd);
	}
}

static void missing(void)
{
	static const uint32_t bad[] = { 0, 3, ID_NONE, 0x7fffffff, 0x80000000, 0x80000001,
					0xffffffff };
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!abi_row("DEST.1", "id %#x", bad[i]))
			continue;
		fd = world_setup();
		abi_errno(object_destroy(fd, bad[i]), ENOENT);
		world_audit(fd);
		close(fd);
	}
	if (abi_row("DEST.1", "twice")) {
		fd = world_setup();
		abi_errno(object_destroy(fd, WORLD_OTHER), 0);
		abi_errno(object_destroy(fd, WORLD_OTHER), ENOENT);
		close(fd);
	}
}

/* Every command that names an object, given an id of every other type. */
static int as_ioas(int fd, uint32_t id)
{
	return ioas_unmap(fd, id, 0, UINT64_MAX, NULL);
}

static int as_ioas_ranges(int fd, uint32_t id)
{
	struct iommu_ioas_iova_ranges cmd = { .size = sizeof(cmd), .ioas_id = id };

	return abi_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
}

static int as_ioas_allow(int fd, uint32_t id)
{
	return ioas_allow(fd, id, NULL, 0);
}

static int as_ioas_map(int fd, uint32_t id)
{
	uint64_t iova = 0;

	return ioas_map(fd, id, RW, world_memory(), 4096, &iova);
}

static int as_ioas_option(int fd, uint32_t id)
{
	return ioas_huge_pages(fd, id, 1);
}

static int as_ioas_copy(int fd, uint32_t id)
{
	uint64_t iova = 0;

	return ioas_copy(fd, id, &iova, id, 0, 4096, RW);
}

static int as_vfio_ioas(int fd, uint32_t id)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd), .ioas_id = id, .op = IOMMU_VFIO_IOAS_SET,
	};

	return abi_ioctl(fd, IOMMU_VFIO_IOAS, &cmd);
}

static int as_hwpt_set_dirty(int fd, uint32_t id)
{
	struct iommu_hwpt_set_dirty_tracking cmd = { .size = sizeof(cmd), .hwpt_id = id };

	return abi_ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int as_hwpt_get_dirty(int fd, uint32_t id)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd), .hwpt_id = id, .length = 4096, .page_size = 4096,
	};

	return abi_ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static int as_device_info(int fd, uint32_t id)
{
	struct iommu_hw_info info;

	return hw_info(fd, id, &info);
}

static int as_device_hwpt(int fd, uint32_t id)
{
	uint32_t hwpt;

	return hwpt_alloc(fd, id, id, 0, &hwpt);
}

static int as_device_viommu(int fd, uint32_t id)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd), .type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3, .dev_id = id,
	};

	return abi_ioctl(fd, IOMMU_VIOMMU_ALLOC, &cmd);
}

static int as_viommu_vdevice(int fd, uint32_t id)
{
	struct iommu_vdevice_alloc cmd = { .size = sizeof(cmd), .viommu_id = id, .dev_id = id };

	return abi_ioctl(fd, IOMMU_VDEVICE_ALLOC, &cmd);
}

static int as_viommu_veventq(int fd, uint32_t id)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = id,
		.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
		.veventq_depth = 1,
	};

	return abi_ioctl(fd, IOMMU_VEVENTQ_ALLOC, &cmd);
}

static int as_viommu_hw_queue(int fd, uint32_t id)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = id,
		.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
		.length = 4096,
	};

	return abi_ioctl(fd, IOMMU_HW_QUEUE_ALLOC, &cmd);
}

static void other_types(void)
{
	enum { IOAS = 1, HWPT = 2, FAULT = 4, DEVICE = 8 };
	static const struct {
		const char *name;
		int (*ask)(int fd, uint32_t id);
		int takes;
	} commands[] = {
		{ "UNMAP", as_ioas, IOAS },
		{ "IOVA_RANGES", as_ioas_ranges, IOAS },
		{ "ALLOW_IOVAS", as_ioas_allow, IOAS },
		{ "MAP", as_ioas_map, IOAS },
		{ "OPTION", as_ioas_option, IOAS },
		{ "COPY", as_ioas_copy, IOAS },
		{ "VFIO_IOAS SET", as_vfio_ioas, IOAS },
		{ "SET_DIRTY_TRACKING", as_hwpt_set_dirty, HWPT },
		{ "GET_DIRTY_BITMAP", as_hwpt_get_dirty, HWPT },
		{ "GET_HW_INFO", as_device_info, DEVICE },
		{ "HWPT_ALLOC", as_device_hwpt, DEVICE },
		{ "VIOMMU_ALLOC", as_device_viommu, DEVICE },
		{ "VDEVICE_ALLOC", as_viommu_vdevice, 0 },
		{ "VEVENTQ_ALLOC", as_viommu_veventq, 0 },
		{ "HW_QUEUE_ALLOC", as_viommu_hw_queue, 0 },
	};
	struct zoo zoo;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!abi_row("2.2", "%s of an id of another type", commands[i].name) ||
		    !zoo_open(&zoo))
			continue;
		fd = zoo.bound.fd;
		if (!(commands[i].takes & IOAS))
			abi_errno(commands[i].ask(fd, zoo.ioas), ENOENT);
		if (!(commands[i].takes & HWPT))
			abi_errno(commands[i].ask(fd, zoo.hwpt), ENOENT);
		if (!(commands[i].takes & DEVICE))
			abi_errno(commands[i].ask(fd, zoo.bound.dev), ENOENT);
		abi_errno(commands[i].ask(fd, zoo.fault), ENOENT);
		abi_errno(commands[i].ask(fd, 0), ENOENT);
		abi_equal(next_id(fd), 5);
		zoo_close(&zoo);
	}
}

static void held(void)
{
	struct zoo zoo;
	uint32_t pt;

	if (abi_row("DEST.2", "an IOAS with an HWPT") && zoo_open(&zoo)) {
		abi_errno(object_destroy(zoo.bound.fd, zoo.ioas), EBUSY);
		abi_errno(object_destroy(zoo.bound.fd, zoo.hwpt), 0);
		abi_errno(object_destroy(zoo.bound.fd, zoo.ioas), 0);
		zoo_close(&zoo);
	}
	if (abi_row("DEST.2", "an HWPT with a device attached") && zoo_open(&zoo)) {
		pt = zoo.hwpt;
		abi_errno(cdev_attach(zoo.bound.dev_fd, &pt), 0);
		abi_errno(object_destroy(zoo.bound.fd, zoo.hwpt), EBUSY);
		abi_errno(cdev_detach(zoo.bound.dev_fd), 0);
		abi_errno(object_destroy(zoo.bound.fd, zoo.hwpt), 0);
		zoo_close(&zoo);
	}
	if (abi_row("DEST.2", "a refused DESTROY leaves the object as it was") && zoo_open(&zoo)) {
		ioas_map_ok(zoo.bound.fd, zoo.ioas, FIXED_RW, world_memory(), 4096, 0x100000);
		abi_errno(object_destroy(zoo.bound.fd, zoo.ioas), EBUSY);
		abi_equal(ioas_empty(zoo.bound.fd, zoo.ioas), 4096);
		abi_equal(next_id(zoo.bound.fd), 5);
		zoo_close(&zoo);
	}
	if (abi_row("DEST.3", "a DEVICE is always busy, and gone with its file") &&
	    zoo_open(&zoo)) {
		abi_errno(object_destroy(zoo.bound.fd, zoo.bound.dev), EBUSY);
		pt = zoo.ioas;
		abi_errno(cdev_attach(zoo.bound.dev_fd, &pt), 0);
		abi_errno(object_destroy(zoo.bound.fd, zoo.bound.dev), EBUSY);
		close(zoo.bound.dev_fd);
		zoo.bound.dev_fd = -1;
		abi_errno(object_destroy(zoo.bound.fd, zoo.bound.dev), ENOENT);
		abi_equal(next_id(zoo.bound.fd), zoo.bound.dev);
		zoo_close(&zoo);
	}
	if (abi_row("DEST.4", "an automatic HWPT goes with its last attachment") &&
	    zoo_open(&zoo)) {
		pt = zoo.ioas;
		abi_errno(cdev_attach(zoo.bound.dev_fd, &pt), 0);
		abi_equal(pt, 5);
		abi_errno(object_destroy(zoo.bound.fd, pt), EBUSY);
		abi_errno(cdev_detach(zoo.bound.dev_fd), 0);
		abi_errno(object_destroy(zoo.bound.fd, pt), ENOENT);
		abi_equal(next_id(zoo.bound.fd), 5);
		zoo_close(&zoo);
	}
}

static void unheld(void)
{
	struct iommu_vfio_ioas compat = { .size = sizeof(compat) };
	int fd;

	if (abi_row("DEST.5", "an IOAS with mappings goes, and they with it")) {
		fd = world_setup();
		abi_errno(object_destroy(fd, WORLD_IOAS), 0);
		abi_equal(ioas_alloc_ok(fd), WORLD_IOAS);
		abi_equal(ioas_empty(fd, WORLD_IOAS), 0);
		close(fd);
	}
	if (abi_row("DEST.5 CPY", "copies of its mappings outlive it")) {
		uint64_t iova = WORLD_AREA_A;

		fd = world_setup();
		abi_errno(ioas_copy(fd, WORLD_OTHER, &iova, WORLD_IOAS, WORLD_AREA_A, 4096,
				    FIXED_RW), 0);
		abi_errno(object_destroy(fd, WORLD_IOAS), 0);
		abi_equal(ioas_empty(fd, WORLD_OTHER), 4096);
		close(fd);
	}
	if (abi_row("DEST.6", "the IOAS that serves as compat IOAS")) {
		fd = world_setup();
		abi_errno(as_vfio_ioas(fd, WORLD_IOAS), 0);
		abi_errno(object_destroy(fd, WORLD_IOAS), 0);
		compat.op = IOMMU_VFIO_IOAS_GET;
		abi_errno(abi_ioctl(fd, IOMMU_VFIO_IOAS, &compat), ENODEV);

		/* A new IOAS of the same number does not take its place. */
		abi_equal(ioas_alloc_ok(fd), WORLD_IOAS);
		abi_errno(abi_ioctl(fd, IOMMU_VFIO_IOAS, &compat), ENODEV);
		close(fd);
	}
}

static void fault_queues(void)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc), .flags = IOMMU_HWPT_FAULT_ID_VALID,
	};
	struct zoo zoo;

	if (abi_row("DEST.7", "a fault queue whose file is open") && zoo_open(&zoo)) {
		abi_errno(object_destroy(zoo.bound.fd, zoo.fault), EBUSY);
		close(zoo.fault_fd);
		zoo.fault_fd = -1;
		abi_errno(object_destroy(zoo.bound.fd, zoo.fault), 0);
		zoo_close(&zoo);
	}
	if (abi_row("DEST.7", "a fault queue that an HWPT uses") && zoo_open(&zoo)) {
		alloc.dev_id = zoo.bound.dev;
		alloc.pt_id = zoo.ioas;
		alloc.fault_id = zoo.fault;
		if (abi_errno(abi_ioctl(zoo.bound.fd, IOMMU_HWPT_ALLOC, &alloc), 0)) {
			close(zoo.fault_fd);
			zoo.fault_fd = -1;
			abi_errno(object_destroy(zoo.bound.fd, zoo.fault), EBUSY);
			abi_errno(object_destroy(zoo.bound.fd, alloc.out_hwpt_id), 0);
			abi_errno(object_destroy(zoo.bound.fd, zoo.fault), 0);
		}
		zoo_close(&zoo);
	}
	if (abi_row("DEST.7 2.6", "a fault queue's file outlives the iommufd") && zoo_open(&zoo)) {
		char record[40];

		close(zoo.bound.dev_fd);
		close(zoo.bound.fd);
		zoo.bound.dev_fd = -1;
		zoo.bound.fd = -1;
		abi_equal((uint64_t)read(zoo.fault_fd, record, sizeof(record)), 0);
		zoo_close(&zoo);
	}
}

/*
 * All orders of taking down a graph. The steps, and what the model (table 2.4) says of each: an
 * IOAS with two HWPTs, a device attached to the first, a fault queue that the second uses.
 */
enum step { IOAS, HWPT_A, HWPT_B, FAULT, DETACH, CLOSE_FAULT, NR_STEPS };

struct graph {
	struct zoo zoo;
	uint32_t with_fault;
	bool done[NR_STEPS];
};

static const char *const step_name[NR_STEPS] = {
	[IOAS] = "IOAS",
	[HWPT_A] = "HWPT",
	[HWPT_B] = "HWPT with a fault queue",
	[FAULT] = "fault queue",
	[DETACH] = "detach",
	[CLOSE_FAULT] = "close of the fault file",
};

static int model(const struct graph *graph, enum step step)
{
	const bool *done = graph->done;

	switch (step) {
	case IOAS:
		return done[IOAS] ? ENOENT : done[HWPT_A] && done[HWPT_B] ? 0 : EBUSY;
	case HWPT_A:
		return done[HWPT_A] ? ENOENT : done[DETACH] ? 0 : EBUSY;
	case HWPT_B:
		return done[HWPT_B] ? ENOENT : 0;
	case FAULT:
		return done[FAULT] ? ENOENT : done[HWPT_B] && done[CLOSE_FAULT] ? 0 : EBUSY;
	default:
		return 0;
	}
}

static int take(struct graph *graph, enum step step)
{
	int fd = graph->zoo.bound.fd;

	switch (step) {
	case IOAS:
		return object_destroy(fd, graph->zoo.ioas);
	case HWPT_A:
		return object_destroy(fd, graph->zoo.hwpt);
	case HWPT_B:
		return object_destroy(fd, graph->with_fault);
	case FAULT:
		return object_destroy(fd, graph->zoo.fault);
	case DETACH:
		return cdev_detach(graph->zoo.bound.dev_fd);
	default:
		fd_close(graph->zoo.fault_fd);
		graph->zoo.fault_fd = -1;
		return 0;
	}
}

static bool graph_open(struct graph *graph)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc), .flags = IOMMU_HWPT_FAULT_ID_VALID,
	};
	uint32_t pt;

	memset(graph, 0, sizeof(*graph));
	if (!zoo_open(&graph->zoo))
		return false;
	alloc.dev_id = graph->zoo.bound.dev;
	alloc.pt_id = graph->zoo.ioas;
	alloc.fault_id = graph->zoo.fault;
	pt = graph->zoo.hwpt;
	if (abi_ioctl(graph->zoo.bound.fd, IOMMU_HWPT_ALLOC, &alloc) ||
	    cdev_attach(graph->zoo.bound.dev_fd, &pt))
		abi_broken("the graph cannot be made: %s", strerror(errno));
	graph->with_fault = alloc.out_hwpt_id;
	return true;
}

/* Tries the steps in this order, again and again until all is gone. */
static void take_down(const enum step order[NR_STEPS])
{
	struct graph graph;
	int err, want;

	if (!graph_open(&graph))
		return;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < NR_STEPS; i++) {
			want = model(&graph, order[i]);
			err = take(&graph, order[i]);
			abi_true(err == want, "round %d, step %d, %s: got %s, want %s", round, i,
				 step_name[order[i]], abi_errno_name(err), abi_errno_name(want));
			if (!err)
				graph.done[order[i]] = true;
		}
	}
	abi_equal(next_id(graph.zoo.bound.fd), 2);
	zoo_close(&graph.zoo);
}

static void permute(enum step order[NR_STEPS], int from)
{
	enum step keep;

	if (from == NR_STEPS) {
		take_down(order);
		return;
	}
	for (int i = from; i < NR_STEPS; i++) {
		keep = order[from];
		order[from] = order[i];
		order[i] = keep;
		permute(order, from + 1);
		order[i] = order[from];
		order[from] = keep;
	}
}

static void all_orders(void)
{
	enum step order[NR_STEPS];

	for (int i = 0; i < NR_STEPS; i++)
		order[i] = (enum step)i;
	if (abi_row("DEST.2 2.4", "all orders of taking down six things") && device_or_skip())
		permute(order, 0);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = {
		ABI_PART(ids), ABI_PART(missing), ABI_PART(other_types), ABI_PART(held),
		ABI_PART(unheld), ABI_PART(fault_queues), ABI_PART(all_orders),
	};

	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
