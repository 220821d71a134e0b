/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_SET_IRQS: its argument, then every index with every action and kind of data, off and
 * on; section 13.6. Interrupts here are those that a program triggers by itself.
 */
#include "vfio_fixture.h"

#include <sys/eventfd.h>

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX
#define REQ	VFIO_PCI_REQ_IRQ_INDEX
#define HEAD	20u

/* The structure with room for what four vectors take. */
struct irqs {
	uint32_t argsz, flags, index, start, count;
	int32_t fds[4];
};

static struct vfio v;
static int events[4], null;
static uint32_t available[VFIO_PCI_NUM_IRQS];

static int set_raw(void *arg)
{
	return abi_ioctl(v.device, VFIO_DEVICE_SET_IRQS, arg);
}

static int set(uint32_t index, uint32_t flags, uint32_t start, uint32_t count, const void *data)
{
	struct irqs arg = { .argsz = sizeof(arg), .flags = flags, .index = index, .start = start,
			    .count = count };

	if (data)
		memcpy(arg.fds, data, count * (flags & BOOL ? 1 : 4));
	return set_raw(&arg);
}

static int turn_on(uint32_t index, uint32_t count)
{
	return set(index, EVENTFD | TRIGGER, 0, count, events);
}

static int turn_off(uint32_t index)
{
	return set(index, NONE | TRIGGER, 0, 0, NULL);
}

/* How often an eventfd was signalled since it was last asked. */
static uint64_t signalled(int n)
{
	uint64_t count = 0;

	return read(events[n], &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void drain(void)
{
	for (int i = 0; i < 4; i++)
		signalled(i);
}

static bool open_device(enum vfio_road road, const struct vfio_id *id)
{
	vfio_open(&v, road, id);
	for (uint32_t i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		available[i] = irq_count(v.device, i);
	return true;
}

static int setup(void)
{
	return v.device;
}

static void audit(int device)
{
	/* Nothing is on: nothing can be triggered, and nothing is in INTx's way. */
	abi_errno(set(MSIX, NONE | TRIGGER, 0, 1, NULL), EINVAL);
}

static void teardown(int device)
{
	turn_off(MSIX);
	drain();
}

static void argument(void)
{
	static uint64_t end, last;
	const struct irqs base = { .argsz = sizeof(base), .flags = EVENTFD | TRIGGER, .index = MSIX,
				   .count = 1, .fds = { events[0], events[1], events[2],
							events[3] } };
	const struct abi_command command = {
		.name = "SET_IRQS",
		.request = VFIO_DEVICE_SET_IRQS,
		.base = &base,
		.size = sizeof(base),
		.setup = setup,
		.audit = audit,
		.teardown = teardown,
		.base_rule = "13.6.SET_IRQS",
	};
	const struct abi_rule rows[] = {
		{ "13.6.SET_IRQS.1", "argsz", EINVAL, { SET(irqs, argsz, HEAD - 1) } },
		{ "13.6.SET_IRQS.1", "index", EINVAL, { SET(irqs, index, 5) } },
		{ "13.6.SET_IRQS.1", "flags", EINVAL, { SET(irqs, flags, 64 | EVENTFD | TRIGGER) } },
		{ "13.6.SET_IRQS.1", "start + count overflows", EINVAL,
		  { SET(irqs, start, 1), SET(irqs, count, ~0u) } },
		{ "13.6.SET_IRQS.1", "start beyond the last", EINVAL, { SETV(irqs, start, end) } },
		{ "13.6.SET_IRQS.1", "count beyond the last", EINVAL,
		  { SETV(irqs, start, last), SET(irqs, count, 2) } },
		{ "13.6.SET_IRQS.1", "no kind of data", EINVAL, { SET(irqs, flags, TRIGGER) } },
		{ "13.6.SET_IRQS.1", "two kinds of data", EINVAL,
		  { SET(irqs, flags, NONE | EVENTFD | TRIGGER) } },
		{ "13.6.SET_IRQS.2", "data too short", EINVAL, { SET(irqs, argsz, HEAD + 3) } },
		{ "13.6.SET_IRQS.3", "no action", ENOTTY, { SET(irqs, flags, EVENTFD) } },
		{ "13.6.SET_IRQS.3", "two actions", ENOTTY,
		  { SET(irqs, flags, EVENTFD | TRIGGER | MASK) } },
		{ "13.6.SET_IRQS.3", "all actions", ENOTTY,
		  { SET(irqs, flags, EVENTFD | TRIGGER | MASK | UNMASK) } },
		{ "13.6.SET_IRQS.3", "MSI-X is not masked so", ENOTTY,
		  { SET(irqs, flags, EVENTFD | MASK) } },
		{ "13.6.SET_IRQS.3", "nor unmasked", ENOTTY, { SET(irqs, flags, EVENTFD | UNMASK) } },
		{ "13.6.SET_IRQS.5", "eventfd not open", EBADF, { SET(irqs, fds[0], 1000) } },
		{ "13.6.SET_IRQS.5", "no eventfd", EINVAL, { SET(irqs, fds[0], (uint32_t)null) } },
	};

	end = available[MSIX];
	last = end - 1;
	abi_rules(&command, rows, ARRAY_SIZE(rows));
	if (abi_row("13.6.SET_IRQS.1", "EFAULT")) {
		abi_errno(set_raw(NULL), EFAULT);
		abi_errno(set_raw(abi_at_the_edge(&base, HEAD - 1)), EFAULT);
	}
	if (abi_row("13.6.SET_IRQS.2", "data that is not there: EFAULT, but for a bad head")) {
		struct irqs bad = base;

		abi_errno(set_raw(abi_at_the_edge(&bad, HEAD)), EFAULT);
		bad.flags = EVENTFD | MASK;
		abi_errno(set_raw(abi_at_the_edge(&bad, HEAD)), EFAULT);
		bad.argsz = HEAD;
		abi_errno(set_raw(abi_at_the_edge(&bad, HEAD)), EINVAL);
	}
	if (abi_row("13.6.SET_IRQS", "exactly the structure and its data is read")) {
		abi_errno(set_raw(abi_at_the_edge(&base, HEAD + 4)), 0);
		abi_errno(turn_off(MSIX), 0);
	}
}

/* What Linux answers to start 0 and a good eventfd or true; `on` is whether the index is on. */
static int expected(uint32_t index, uint32_t action, uint32_t data, bool on, uint32_t count)
{
	if (!available[index] || count > available[index])
		return EINVAL;
	if (index != INTX && action != TRIGGER)
		return ENOTTY;
	switch (index) {
	case INTX:
		if (action == TRIGGER && on && !count && data == NONE)
			return 0;
		if (count != 1 || (!on && (action != TRIGGER || data != EVENTFD)))
			return EINVAL;
		return action == MASK && data == EVENTFD ? ENOTTY : 0;
	case MSI:
	case MSIX:
		if (data == EVENTFD)
			return on || count ? 0 : ERANGE; /* no vectors cannot be enabled */
		return on ? 0 : EINVAL;
	default:
		if (data == NONE)
			return on ? 0 : EINVAL;
		return count ? 0 : EINVAL;
	}
}

static void matrix_cell(uint32_t index, uint32_t action, uint32_t data, bool on, uint32_t count)
{
	static const uint8_t yes = 1;
	const void *bytes = data == BOOL ? (const void *)&yes : data == EVENTFD ? events : NULL;

	if (!abi_row("13.6.SET_IRQS", "%s index %u, action %#x, data %#x, count %u, %s", v.id->bdf,
		     index, action, data, count, on ? "on" : "off"))
		return;
	if (on && !available[index])
		return;
	if (on)
		abi_errno(turn_on(index, 1), 0);
	abi_errno(set(index, action | data, 0, count, bytes),
		  expected(index, action, data, on, count));
	turn_off(index);
	drain();
}

static void matrix(void)
{
	static const uint32_t actions[] = { MASK, UNMASK, TRIGGER }, kinds[] = { NONE, BOOL, EVENTFD };

	for (uint32_t index = 0; index < VFIO_PCI_NUM_IRQS; index++)
		for (size_t a = 0; a < 3; a++)
			for (size_t d = 0; d < 3; d++)
				for (uint32_t n = 0; n < 4; n++)
					matrix_cell(index, actions[a], kinds[d], n & 1, n >> 1);
}

/* While one of INTx, MSI, MSI-X is on, the others cannot be; ERR and REQ do not mind. */
static void exclusion(void)
{
	for (uint32_t one = INTX; one <= MSIX; one++) {
		for (uint32_t other = INTX; other <= REQ; other++) {
			if (one == other || !available[one] || !available[other])
				continue;
			if (!abi_row("13.6.SET_IRQS.4", "%s index %u while %u is on", v.id->bdf,
				     other, one))
				continue;
			abi_errno(turn_on(one, 1), 0);
			abi_errno(turn_on(other, 1), other <= MSIX ? EINVAL : 0);
			abi_errno(turn_off(other), other <= MSIX ? EINVAL : 0);
			abi_errno(set(one, NONE | TRIGGER, 0, 1, NULL), 0);
			abi_errno(turn_off(one), 0);
			abi_errno(turn_on(other, 1), 0);
			abi_errno(turn_off(other), 0);
			drain();
		}
	}
}

/* Triggers reach the eventfds they name, and no others. */
static void delivery(uint32_t index)
{
	static const uint8_t bools[3] = { 1, 0, 1 };
	const int32_t gap[3] = { events[0], -1, events[2] };
	const int32_t second[1] = { events[3] };

	if (available[index] < 3)
		return;
	if (abi_row("13.6.SET_IRQS", "%s index %u: triggers", v.id->bdf, index)) {
		abi_errno(turn_on(index, 3), 0);
		abi_errno(set(index, NONE | TRIGGER, 0, 3, NULL), 0);
		abi_errno(set(index, NONE | TRIGGER, 2, 1, NULL), 0);
		abi_errno(set(index, BOOL | TRIGGER, 0, 3, bools), 0);
		abi_equal(signalled(0), 2);
		abi_equal(signalled(1), 1);
		abi_equal(signalled(2), 3);
	}
	if (abi_row("13.6.SET_IRQS", "%s index %u: an eventfd given anew", v.id->bdf, index)) {
		abi_errno(set(index, EVENTFD | TRIGGER, 1, 1, second), 0);
		abi_errno(set(index, NONE | TRIGGER, 0, 3, NULL), 0);
		abi_equal(signalled(1), 0);
		abi_equal(signalled(3), 1);
		abi_equal(signalled(0) + signalled(2), 2);
	}
	if (abi_row("13.6.SET_IRQS", "%s index %u: one taken away", v.id->bdf, index)) {
		abi_errno(set(index, EVENTFD | TRIGGER, 0, 3, gap), 0);
		abi_errno(set(index, NONE | TRIGGER, 0, 3, NULL), 0);
		abi_equal(signalled(0), 1);
		abi_equal(signalled(1) + signalled(3), 0);
		abi_equal(signalled(2), 1);
	}
	turn_off(index);
	if (abi_row("13.6.SET_IRQS", "%s index %u: the eventfd outlives its fd", v.id->bdf, index)) {
		int32_t copy = dup(events[0]);

		abi_errno(set(index, EVENTFD | TRIGGER, 0, 1, &copy), 0);
		close(copy);
		abi_errno(set(index, NONE | TRIGGER, 0, 1, NULL), 0);
		abi_equal(signalled(0), 1);
		abi_errno(turn_off(index), 0);
	}
	if (abi_row("13.6.SET_IRQS.5", "%s index %u: one bad fd among good ones", v.id->bdf, index)) {
		int32_t bad[3] = { events[0], events[1], 1000 };

		abi_errno(set(index, EVENTFD | TRIGGER, 0, 3, bad), EBADF);
		abi_errno(set(index, NONE | TRIGGER, 0, 1, NULL), EINVAL);
		abi_errno(turn_on(index, 3), 0);
		abi_errno(turn_off(index), 0);
	}
}

/* -1 is accepted as "none", also when nothing was on. */
static void without_eventfd(void)
{
	static const int32_t minus = -1;

	for (uint32_t index = 0; index < VFIO_PCI_NUM_IRQS; index++) {
		if (!available[index] ||
		    !abi_row("13.6.SET_IRQS.5", "%s index %u with fd -1", v.id->bdf, index))
			continue;
		abi_errno(set(index, EVENTFD | TRIGGER, 0, 1, &minus), 0);
		/* INTx, MSI and MSI-X are on now, without an eventfd. */
		abi_errno(turn_off(index), index <= MSIX ? 0 : EINVAL);
		abi_errno(turn_on(index, 1), 0);
		abi_errno(set(index, EVENTFD | TRIGGER, 0, 1, &minus), 0);
		abi_errno(turn_off(index), index <= MSIX ? 0 : EINVAL);
		abi_equal(signalled(0), 0);
	}
}

static void single(uint32_t index)
{
	static const uint8_t no, yes = 1;

	if (!available[index] || !abi_row("13.6.SET_IRQS", "%s index %u: triggers", v.id->bdf, index))
		return;
	abi_errno(turn_on(index, 1), 0);
	abi_errno(set(index, NONE | TRIGGER, 0, 1, NULL), 0);
	abi_equal(signalled(0), 1);
	abi_errno(set(index, BOOL | TRIGGER, 0, 1, &no), 0);
	abi_equal(signalled(0), 0);
	abi_errno(set(index, BOOL | TRIGGER, 0, 1, &yes), 0);
	abi_equal(signalled(0), 1);
	abi_errno(turn_off(index), 0);
	abi_errno(turn_off(index), EINVAL);
}

static void intx_masks(void)
{
	static const uint8_t no, yes = 1;

	if (!available[INTX] || !abi_row("13.6.SET_IRQS", "%s INTx masks", v.id->bdf))
		return;
	abi_errno(turn_on(INTX, 1), 0);
	abi_errno(set(INTX, NONE | MASK, 0, 1, NULL), 0);
	abi_errno(set(INTX, NONE | MASK, 0, 1, NULL), 0);
	abi_errno(set(INTX, BOOL | UNMASK, 0, 1, &no), 0);
	abi_errno(set(INTX, BOOL | UNMASK, 0, 1, &yes), 0);
	abi_errno(set(INTX, BOOL | MASK, 0, 1, &yes), 0);
	abi_errno(set(INTX, EVENTFD | UNMASK, 0, 1, &events[1]), 0);
	abi_errno(eventfd_write(events[1], 1) ? errno : 0, 0);
	abi_errno(set(INTX, EVENTFD | UNMASK, 0, 1, &null), EINVAL);
	abi_errno(turn_off(INTX), 0);
	drain();
}

static void on_road(enum vfio_road road)
{
	const struct vfio_id *nvme = vfio_of_class(CLASS_NVME);

	open_device(road, nvme ? nvme : vfio_any());
	if (available[MSIX])
		argument();
	vfio_close(&v);
	for (unsigned int n = 0; vfio_nth(n); n++) {
		open_device(road, vfio_nth(n));
		matrix();
		exclusion();
		delivery(MSI);
		delivery(MSIX);
		without_eventfd();
		single(INTX);
		single(ERR);
		single(REQ);
		intx_masks();
		vfio_close(&v);
	}
}

static void by_group(void)
{
	on_road(ROAD_TYPE1V2);
}

static void by_cdev(void)
{
	on_road(ROAD_CDEV);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(by_group), ABI_PART(by_cdev) };

	null = open_node("/dev/null");
	for (int i = 0; i < 4; i++)
		events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
