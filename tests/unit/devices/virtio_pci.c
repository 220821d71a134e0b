/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio over PCI: negotiation, reset, interrupts, the control queue, rings that are wrong.
 */
#include "virtio_bench.h"

#define LOST 0x900000000000ull

static void the_transport_is_found_and_configured(void **state)
{
	static const uint32_t where[6] = {0, 0x0000, 0x3000, 0x1000, 0x2000, 0};
	unsigned int found = 0, at;
	struct vnet v = {0};
	struct rig r;

	rig_create(&r, true);
	v.f = func_add(&r, "virtio-net,mac=52:54:00:aa:bb:cc");
	v.rig = &r;
	assert_int_equal(cfg_read(v.f, 0, 4), 0x10411af4);
	assert_int_equal(cfg_read(v.f, PCI_CLASS_REVISION, 4), 0x02000001);
	for (at = cfg_read(v.f, PCI_CAPABILITY_LIST, 1); at; at = cfg_read(v.f, at + 1, 1)) {
		uint32_t type = cfg_read(v.f, at + 3, 1);

		if (cfg_read(v.f, at, 1) != PCI_CAP_ID_VNDR)
			continue;
		assert_in_range(type, 1, 5);
		assert_int_equal(cfg_read(v.f, at + 2, 1), type == 2 || type == 5 ? 20 : 16);
		assert_int_equal(cfg_read(v.f, at + 4, 1), 4);
		assert_int_equal(cfg_read(v.f, at + 8, 4), where[type]);
		if (type == 2)
			assert_int_equal(cfg_read(v.f, at + 16, 4), 4);
		found |= 1u << type;
	}
	assert_int_equal(found, 0x3e);
	assert_int_equal(vio_get(&v, VIO_NUM_QUEUES, 2), 3);
	assert_int_equal(vio_offered(&v), OFFERED);
	vio_set(&v, VIO_DEVICE_FEATURE_SELECT, 4, 2);
	assert_int_equal(vio_get(&v, VIO_DEVICE_FEATURE, 4), 0);
	assert_int_equal(reg_read(v.f, VIO_BAR, VIO_DEVICE, 8), 0x0001ccbbaa005452);
	assert_int_equal(reg_read(v.f, VIO_BAR, VIO_DEVICE + 8, 2), 1);
	reg_write(v.f, VIO_BAR, VIO_DEVICE, 4, 0);
	assert_int_equal(reg_read(v.f, VIO_BAR, VIO_DEVICE, 4), 0xaa005452);
	/* Queues: sizes, vectors; one that is not there. */
	for (unsigned int i = 0; i < 3; i++) {
		vio_set(&v, VIO_QUEUE_SELECT, 2, i);
		assert_int_equal(vio_get(&v, VIO_QUEUE_SIZE, 2), 256);
		assert_int_equal(vio_get(&v, VIO_QUEUE_NOTIFY_OFF, 2), i);
		assert_int_equal(vio_get(&v, VIO_QUEUE_VECTOR, 2), 0xffff);
		assert_int_equal(vio_get(&v, VIO_QUEUE_ENABLE, 2), 0);
		vio_set(&v, VIO_QUEUE_SIZE, 2, 100); /* no power of two */
		vio_set(&v, VIO_QUEUE_SIZE, 2, 512); /* too large */
		vio_set(&v, VIO_QUEUE_SIZE, 2, 0);
		assert_int_equal(vio_get(&v, VIO_QUEUE_SIZE, 2), 256);
		vio_set(&v, VIO_QUEUE_SIZE, 2, 8);
		assert_int_equal(vio_get(&v, VIO_QUEUE_SIZE, 2), 8);
		vio_set(&v, VIO_QUEUE_VECTOR, 2, 3);
		assert_int_equal(vio_get(&v, VIO_QUEUE_VECTOR, 2), 3);
		vio_set(&v, VIO_QUEUE_VECTOR, 2, 4); /* not there */
		assert_int_equal(vio_get(&v, VIO_QUEUE_VECTOR, 2), 0xffff);
		vio_set(&v, VIO_QUEUE_ENABLE, 2, 2);
		assert_int_equal(vio_get(&v, VIO_QUEUE_ENABLE, 2), 0);
	}
	vio_set(&v, VIO_QUEUE_SELECT, 2, 3);
	assert_int_equal(vio_get(&v, VIO_QUEUE_SIZE, 2), 0);
	vio_set(&v, VIO_QUEUE_ENABLE, 2, 1);
	assert_int_equal(vio_get(&v, VIO_QUEUE_ENABLE, 2), 0);
	assert_int_equal(vio_get(&v, VIO_QUEUE_VECTOR, 2), 0xffff);
	vio_set(&v, VIO_CONFIG_VECTOR, 2, 9);
	assert_int_equal(vio_get(&v, VIO_CONFIG_VECTOR, 2), 0xffff);
	vio_set(&v, VIO_CONFIG_VECTOR, 2, 3);
	assert_int_equal(vio_get(&v, VIO_CONFIG_VECTOR, 2), 3);
	rig_destroy(&r);
}

static void features_are_negotiated(void **state)
{
	static const struct {
		uint64_t features;
		bool ok;
	} rows[] = {
		{0, false},
		{F_EVENT_IDX, false}, /* no VERSION_1 */
		{F_VERSION_1, true},
		{OFFERED, true},
		{OFFERED | BIT(0), false}, /* CSUM was not offered */
		{F_VERSION_1 | BIT(34), false},
	};
	struct vnet v = {0};
	struct rig r;

	rig_create(&r, true);
	v.f = func_add(&r, "virtio-net");
	v.rig = &r;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		vio_set(&v, VIO_STATUS, 1, 0);
		assert_int_equal(vio_status(&v), 0);
		vio_set(&v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER);
		vio_accept(&v, rows[i].features);
		vio_set(&v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
		assert_int_equal(vio_status(&v),
				 ACKNOWLEDGE | DRIVER | (rows[i].ok ? FEATURES_OK : 0));
		/* Refused features can be corrected, accepted ones are fixed. */
		vio_accept(&v, F_VERSION_1);
		vio_set(&v, VIO_DRIVER_FEATURE_SELECT, 4, 0);
		assert_int_equal(vio_get(&v, VIO_DRIVER_FEATURE, 4),
				 rows[i].ok ? (uint32_t)rows[i].features : 0);
		vio_set(&v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
		assert_int_equal(vio_status(&v), ACKNOWLEDGE | DRIVER | FEATURES_OK);
	}
	rig_destroy(&r);
}

/* The reset is over when the write of 0 is: firmware does not wait. */
static void a_reset_in_mid_flight(void **state)
{
	uint32_t id, len;
	struct bench b;
	size_t mark;

	bench_create(&b, 1, "virtio-net,loopback", F_EVENT_IDX);
	mark = b.rig.used;
	for (unsigned int i = 0; i < 200; i++) {
		struct vnet *v = &b.v[0];

		for (unsigned int k = 0; k < 60; k++) {
			vq_add(v, VRX, &(struct vseg){b.in + k * 2048, 2048, true}, 1);
			vq_add(v, VTX, &(struct vseg){b.out + k * 2048, 1500, false}, 1);
		}
		vq_kick(v, VTX);
		if (i & 1)
			WAIT_UNTIL(vq_take(v, VTX, &id, &len));
		if (i % 3)
			vio_set(v, VIO_STATUS, 1, 0);
		else
			pci_reset(v->f->pci);
		memset(b.in, 0xaa, 60 * 2048);
		memset(v->q[VRX].used, 0xaa, 6 + 8 * 64);
		memset(v->q[VTX].used, 0xaa, 6 + 8 * 64);
		usleep(200);
		assert_all(b.in, 0xaa, 60 * 2048);
		assert_all(v->q[VRX].used, 0xaa, 6 + 8 * 64);
		assert_all(v->q[VTX].used, 0xaa, 6 + 8 * 64);
		assert_int_equal(vio_status(v), 0);
		vio_set(v, VIO_QUEUE_SELECT, 2, VTX);
		assert_int_equal(vio_get(v, VIO_QUEUE_ENABLE, 2), 0);
		assert_int_equal(vio_get(v, VIO_QUEUE_DESC, 8), 0);
		b.rig.used = mark;
		vnet_start(v, v->f, F_EVENT_IDX);
		assert_int_equal(__atomic_load_n(&v->q[VRX].used[1], __ATOMIC_ACQUIRE),
				 0); /* nothing came of the old frames */
	}
	rig_destroy(&b.rig);
}

static void status_bits_are_only_added(void **state)
{
	struct bench b;

	bench_create(&b, 1, "virtio-net", 0);
	vio_set(&b.v[0], VIO_STATUS, 1, ACKNOWLEDGE);
	assert_int_equal(vio_status(&b.v[0]), ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	vio_set(&b.v[0], VIO_STATUS, 1, NEEDS_RESET); /* the device's */
	assert_int_equal(vio_status(&b.v[0]), ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	/* Without DRIVER_OK, and without FEATURES_OK, nothing is done. */
	for (unsigned int i = 0; i < 2; i++) {
		struct vnet *v = &b.v[0];

		vnet_negotiate(v, v->f, 0);
		if (i) {
			vio_set(v, VIO_STATUS, 1, 0);
			vio_set(v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER | DRIVER_OK);
		}
		vnet_add_queue(v, VTX, 16, 1);
		vnet_send(v, b.out, 100);
		usleep(2000);
		assert_int_equal(__atomic_load_n(&v->q[VTX].used[1], __ATOMIC_RELAXED), 0);
	}
	rig_destroy(&b.rig);
}

/* Exactly one message where the driver's index asks for it. */
static void interrupts_as_the_driver_asks(void **state)
{
	uint32_t id, len;
	unsigned int was;
	struct bench b;

	bench_create(&b, 1, "virtio-net,loopback", F_EVENT_IDX);
	pci_irq_enable(b.v[0].f->pci, PCI_MSIX, true);
	for (unsigned int i = 0; i < 200; i++) {
		struct vq *q = &b.v[0].q[VTX];
		uint16_t base = q->used_idx, k = i % 10;

		was = irqs_of(b.v[0].f, 1);
		__atomic_store_n(&q->avail[2 + q->size], (uint16_t)(base + k), __ATOMIC_SEQ_CST);
		for (unsigned int n = 0; n < 10; n++)
			vq_add(&b.v[0], VTX, &(struct vseg){b.out, 5, false}, 1);
		vq_kick(&b.v[0], VTX);
		for (unsigned int n = 0; n < 10; n++)
			WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
		WAIT_UNTIL(irqs_of(b.v[0].f, 1) == was + 1);
	}
	/* Behind us: none. */
	was = irqs_of(b.v[0].f, 1);
	b.v[0].q[VTX].avail[2 + 64] = b.v[0].q[VTX].used_idx + 100;
	vnet_send(&b.v[0], b.out, 5);
	WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
	usleep(1000);
	assert_int_equal(irqs_of(b.v[0].f, 1), was);
	rig_destroy(&b.rig);
}

static void interrupts_by_flag_and_pin(void **state)
{
	uint32_t id, len;
	struct vnet *v;
	struct bench b;

	bench_create(&b, 1, "virtio-net", 0);
	v = &b.v[0];
	/* The flag keeps it quiet. */
	v->q[VTX].avail[0] = 1;
	vnet_send(v, b.out, 100);
	WAIT_UNTIL(vq_take(v, VTX, &id, &len));
	usleep(1000);
	assert_false(pci_intx_asserted(v->f->pci));
	assert_int_equal(vio_get(v, VIO_ISR, 1), 0);
	__atomic_store_n(&v->q[VTX].avail[0], 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 100; i++) {
		vnet_send(v, b.out, 100);
		WAIT_UNTIL(pci_intx_asserted(v->f->pci));
		WAIT_UNTIL(vq_take(v, VTX, &id, &len));
		/* Reading ISR says why, clears it, and lowers the pin at once. */
		assert_int_equal(vio_get(v, VIO_ISR, 1), 1);
		assert_false(pci_intx_asserted(v->f->pci));
		assert_int_equal(vio_get(v, VIO_ISR, 1), 0);
	}
	/* A vector that the driver took away. */
	pci_irq_enable(v->f->pci, PCI_MSIX, true);
	vio_set(v, VIO_QUEUE_SELECT, 2, VTX);
	vio_set(v, VIO_QUEUE_VECTOR, 2, 0xffff);
	vnet_send(v, b.out, 100);
	WAIT_UNTIL(vq_take(v, VTX, &id, &len));
	usleep(1000);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(irqs_of(v->f, i), 0);
	vio_set(v, VIO_QUEUE_VECTOR, 2, 3);
	vnet_send(v, b.out, 100);
	WAIT_UNTIL(irqs_of(v->f, 3) == 1);
	rig_destroy(&b.rig);
}

/* The event index spares the driver its notifications, but none that matters: with real waiting on
 * both sides. */
static void no_notification_is_lost(void **state)
{
	uint32_t id, len;
	struct bench b;

	bench_create(&b, 1, "virtio-net", F_EVENT_IDX);
	for (unsigned int i = 0; i < 20000; i++) {
		struct vq *q = &b.v[0].q[VTX];
		uint16_t old = q->avail_idx, event;

		vq_add(&b.v[0], VTX, &(struct vseg){b.out, 100, false}, 1);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		event = __atomic_load_n(&q->used[2 + 4 * q->size], __ATOMIC_ACQUIRE);
		if ((uint16_t)(q->avail_idx - event - 1) < (uint16_t)(q->avail_idx - old))
			vq_kick(&b.v[0], VTX);
		WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
	}
	rig_destroy(&b.rig);
}

static uint8_t control(struct bench *b, uint8_t class, uint8_t cmd, uint32_t out_len)
{
	uint32_t id, len;

	b->out[0] = class;
	b->out[1] = cmd;
	b->in[0] = 0xee;
	vq_add(&b->v[0], VCTRL, (struct vseg[]){{b->out, out_len, false}, {b->in, 1, true}}, 2);
	vq_kick(&b->v[0], VCTRL);
	WAIT_UNTIL(vq_take(&b->v[0], VCTRL, &id, &len));
	assert_int_equal(len, 1);
	return b->in[0];
}

static void the_control_queue(void **state)
{
	struct bench b;

	bench_create(&b, 1, "virtio-net", F_CTRL_VQ | F_CTRL_RX);
	assert_int_equal(control(&b, 0, 0, 3), 0);
	assert_int_equal(control(&b, 0, 1, 3), 0);
	assert_int_equal(control(&b, 0, 2, 3), 1); /* CTRL_RX_EXTRA was not offered */
	assert_int_equal(control(&b, 0, 0, 2), 1);
	assert_int_equal(control(&b, 0, 0, 1), 1);
	assert_int_equal(control(&b, 4, 0, 5), 1);
	rig_destroy(&b.rig);
}

/* Rings that make no sense: the device says so, tells the driver, and stops until it is reset. */
static void malformed_rings(void **state)
{
	static const char *const rows[] = {
		"head",		 "next",	  "loop",	"indirect off",	 "indirect nested",
		"indirect next", "indirect size", "indirect 0", "indirect long", "indirect loop",
		"indirect out",	 "index",	  "order",	"desc lost",	 "avail lost",
		"used lost",	 "table lost",	  "rx empty",	"rx short",	 "rx lost",
		"ctrl ack",
	};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const char *what = rows[i / 2];
		bool pin = i & 1, off = !strcmp(what, "indirect off"), rx = !strncmp(what, "rx", 2);
		struct vdesc *d, *table;
		unsigned int index = rx ? VRX : !strcmp(what, "ctrl ack") ? VCTRL : VTX;
		struct vnet *v;
		struct bench b;
		uint32_t id, len;

		memset(&b, 0, sizeof(b));
		rig_create(&b.rig, true);
		b.out = arena_alloc(&b.rig, 8192, 4096);
		v = &b.v[0];
		vnet_negotiate(v, func_add(&b.rig, "virtio-net,loopback"),
			       (off ? 0 : F_INDIRECT) | F_MRG_RXBUF | F_CTRL_VQ);
		for (unsigned int q = 0; q < VQUEUES; q++)
			vnet_add_queue(v, q, 16, (uint16_t)q);
		vio_set(v, VIO_CONFIG_VECTOR, 2, 3);
		pci_irq_enable(v->f->pci, PCI_MSIX, !pin);
		table = arena_alloc(&b.rig, 4096, 16);
		d = v->q[index].desc;
		d[0] = (struct vdesc){iova_of(&b.rig, b.out), 100, 0, 0};
		if (!strncmp(what, "indirect", 8))
			d[0] = (struct vdesc){iova_of(&b.rig, table), 64, VDESC_INDIRECT, 0};
		for (unsigned int k = 0; k < 4; k++)
			table[k] = (struct vdesc){iova_of(&b.rig, b.out), 100,
						  k < 3 ? VDESC_NEXT : 0, (uint16_t)(k + 1)};
		v->q[index].next_desc = 0;
		if (!strcmp(what, "next"))
			d[0].flags = VDESC_NEXT, d[0].next = 16;
		else if (!strcmp(what, "loop"))
			d[0].flags = VDESC_NEXT, d[0].next = 1,
			d[1] = (struct vdesc){d[0].addr, 1, VDESC_NEXT, 0};
		else if (!strcmp(what, "indirect nested"))
			table[2].flags |= VDESC_INDIRECT;
		else if (!strcmp(what, "indirect next"))
			d[0].flags |= VDESC_NEXT, d[0].next = 1;
		else if (!strcmp(what, "indirect size"))
			d[0].len = 60;
		else if (!strcmp(what, "indirect 0"))
			d[0].len = 0;
		else if (!strcmp(what, "indirect long"))
			d[0].len = 257 * 16;
		else if (!strcmp(what, "indirect loop"))
			table[3].flags = VDESC_NEXT, table[3].next = 0;
		else if (!strcmp(what, "indirect out"))
			table[3].flags = VDESC_NEXT, table[3].next = 4;
		else if (!strcmp(what, "order"))
			d[0].flags = VDESC_NEXT | VDESC_WRITE, d[0].next = 1, d[1] = d[0],
			d[1].flags = 0;
		else if (!strcmp(what, "table lost"))
			d[0].flags = VDESC_INDIRECT, d[0].addr = LOST, d[0].len = 16;
		else if (!strcmp(what, "rx short"))
			d[0].flags = VDESC_WRITE, d[0].len = 11;
		else if (!strcmp(what, "rx lost"))
			d[0].flags = VDESC_WRITE, d[0].addr = LOST;
		if (!strcmp(what + strlen(what) - 4, "lost") && !rx && strcmp(what, "table lost")) {
			/* A ring where nothing is: the address is given before the queue is
			 * enabled. */
			vnet_negotiate(v, v->f, 0);
			vnet_add_queue(v, VRX, 16, 0);
			vio_set(v, VIO_QUEUE_SELECT, 2, VTX);
			v->q[VTX] = (struct vq){.size = 256, .index = VTX};
			v->q[VTX].desc = arena_alloc(&b.rig, 4096, 4096);
			v->q[VTX].avail = arena_alloc(&b.rig, 4096, 4096);
			v->q[VTX].used = arena_alloc(&b.rig, 4096, 4096);
			v->q[VTX].desc[0] = (struct vdesc){iova_of(&b.rig, b.out), 100, 0, 0};
			vio_set(v, VIO_QUEUE_DESC, 8,
				what[0] == 'd' ? LOST : iova_of(&b.rig, v->q[VTX].desc));
			vio_set(v, VIO_QUEUE_DRIVER, 8,
				what[0] == 'a' ? LOST : iova_of(&b.rig, v->q[VTX].avail));
			vio_set(v, VIO_QUEUE_DEVICE, 8,
				what[0] == 'u' ? LOST : iova_of(&b.rig, v->q[VTX].used));
			vio_set(v, VIO_QUEUE_ENABLE, 2, 1);
			vio_set(v, VIO_CONFIG_VECTOR, 2, 3);
		}
		vio_set(v, VIO_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
		if (!strcmp(what, "index"))
			v->q[index].avail_idx += 20;
		vq_offer(v, index, !strcmp(what, "head") ? 16 : 0);
		vq_kick(v, index);
		if (rx)
			vnet_send(v, b.out, 100);
		WAIT_UNTIL(vio_status(v) & NEEDS_RESET);
		if (pin)
			WAIT_UNTIL(pci_intx_asserted(v->f->pci) && (vio_get(v, VIO_ISR, 1) & 2));
		else
			WAIT_UNTIL(irqs_of(v->f, 3) == 1);
		/* Nothing more is done, and it can be set up again. */
		vq_kick(v, index);
		b.in = arena_alloc(&b.rig, 8192, 4096);
		vnet_start(v, v->f, F_INDIRECT);
		vnet_post(v, b.in, 2048);
		vnet_send(v, b.out, 100);
		expect_frame(v, b.out + VNET_HDR, 100 - VNET_HDR, b.in);
		WAIT_UNTIL(vq_take(v, VTX, &id, &len));
		rig_destroy(&b.rig);
	}
}

/* 4.1.4.9: firmware reaches the registers through configuration space, in one access or byte by
 * byte. */
static void the_way_through_configuration_space(void **state)
{
	struct vnet v = {0};
	unsigned int at;
	struct rig r;

	rig_create(&r, true);
	v.f = func_add(&r, "virtio-net");
	v.rig = &r;
	for (at = cfg_read(v.f, PCI_CAPABILITY_LIST, 1); at; at = cfg_read(v.f, at + 1, 1))
		if (cfg_read(v.f, at, 1) == PCI_CAP_ID_VNDR && cfg_read(v.f, at + 3, 1) == 5)
			break;
	assert_int_not_equal(at, 0);
	cfg_write(v.f, at + 4, 1, 4);
	for (unsigned int bytewise = 0; bytewise < 2; bytewise++) {
		cfg_write(v.f, at + 8, 4, VIO_DRIVER_FEATURE);
		cfg_write(v.f, at + 12, 4, 4);
		if (bytewise)
			for (unsigned int i = 0; i < 4; i++)
				cfg_write(v.f, at + 16 + i, 1, 0x11 * (i + 1));
		else
			cfg_write(v.f, at + 16, 4, 0x44332211);
		assert_int_equal(vio_get(&v, VIO_DRIVER_FEATURE, 4), 0x44332211);
		vio_set(&v, VIO_DRIVER_FEATURE, 4, 0);
		cfg_write(v.f, at + 8, 4, VIO_STATUS);
		cfg_write(v.f, at + 12, 4, 1);
		cfg_write(v.f, at + 16, 1, ACKNOWLEDGE);
		assert_int_equal(vio_status(&v), ACKNOWLEDGE);
		assert_int_equal(cfg_read(v.f, at + 16, 1), ACKNOWLEDGE);
		cfg_write(v.f, at + 16, 1, 0); /* a reset, from in there */
		assert_int_equal(cfg_read(v.f, at + 16, 4) & 0xff, 0);
		cfg_write(v.f, at + 8, 4, VIO_NUM_QUEUES);
		cfg_write(v.f, at + 12, 4, 2);
		assert_int_equal(cfg_read(v.f, at + 16, 2), 3);
	}
	/* What it cannot reach. */
	for (unsigned int i = 0; i < 5; i++) {
		static const uint32_t bad[5][3] = {
			{0, 0, 4}, {4, 0x8000, 4}, {4, 2, 4}, {4, 0, 3}, {4, 0, 8}};

		cfg_write(v.f, at + 4, 1, bad[i][0]);
		cfg_write(v.f, at + 8, 4, bad[i][1]);
		cfg_write(v.f, at + 12, 4, bad[i][2]);
		cfg_write(v.f, at + 16, 4, 0xdeadbeef);
		assert_int_equal(cfg_read(v.f, at + 16, 4), 0xdeadbeef);
		assert_int_equal(vio_get(&v, VIO_DEVICE_FEATURE_SELECT, 4), 0);
	}
	rig_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_transport_is_found_and_configured),
		cmocka_unit_test(features_are_negotiated),
		cmocka_unit_test(status_bits_are_only_added),
		cmocka_unit_test(a_reset_in_mid_flight),
		cmocka_unit_test(interrupts_as_the_driver_asks),
		cmocka_unit_test(interrupts_by_flag_and_pin),
		cmocka_unit_test(no_notification_is_lost),
		cmocka_unit_test(the_control_queue),
		cmocka_unit_test(malformed_rings),
		cmocka_unit_test(the_way_through_configuration_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
