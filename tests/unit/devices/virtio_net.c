/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net: frames of all shapes over rings of all shapes, and hubs.
 */
#include "virtio_bench.h"

#define LOST 0x900000000000ull

static void a_loop_of_one(void **state)
{
	static const uint64_t features[] = {0, F_EVENT_IDX, F_INDIRECT, F_MRG_RXBUF, OFFERED};
	uint32_t id, len;

	for (unsigned int f = 0; f < ARRAY_SIZE(features); f++) {
		struct bench b;

		bench_create(&b, 1, "virtio-net,loopback", features[f]);
		for (unsigned int i = 0; i < 1000; i++) {
			uint32_t n = 14 + i * 7 % 1487;

			memset(b.in, 0xee, 4096);
			vnet_post(&b.v[0], b.in, 2048);
			vnet_send(&b.v[0], b.out + i, n + VNET_HDR);
			expect_frame(&b.v[0], b.out + i + VNET_HDR, n, b.in);
			assert_int_equal(b.in[n + VNET_HDR], 0xee);
			WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
			assert_int_equal(len, 0);
		}
		rig_destroy(&b.rig);
	}
}

/* Scattered over descriptors, direct and indirect, of every size. */
static void chains_of_many_pieces(void **state)
{
	struct prng rnd = {6};
	uint32_t id, got;
	struct bench b;

	bench_create(&b, 1, "virtio-net,loopback", F_INDIRECT | F_EVENT_IDX);
	for (unsigned int round = 0; round < 500; round++) {
		uint32_t len = 30 + prng_below(&rnd, 3000), done = 0, room = 0;
		struct vseg out[32], in[32];
		size_t mark = b.rig.used;
		uint8_t flat[8192];
		unsigned int n = 0, k = 0;
		uint16_t head;

		for (; done < len; n++) {
			uint32_t piece =
				n == 31 ? len - done
					: (uint32_t)min_u64(prng_below(&rnd, 300), len - done);

			out[n] = (struct vseg){b.out + done, piece, false};
			done += piece;
		}
		for (; room < len; k++) {
			uint32_t piece = k == 31 ? 8192 : (uint32_t)prng_below(&rnd, 400);

			in[k] = (struct vseg){b.in + k * 8192, piece, true};
			room += piece;
		}
		memset(b.in, 0xee, k * 8192);
		if (round % 3)
			head = vq_add_indirect(&b.v[0], VRX, in, k);
		else
			head = vq_add(&b.v[0], VRX, in, k);
		vq_kick(&b.v[0], VRX);
		if (round % 2)
			vq_add_indirect(&b.v[0], VTX, out, n);
		else
			vq_add(&b.v[0], VTX, out, n);
		vq_kick(&b.v[0], VTX);
		WAIT_UNTIL(vq_take(&b.v[0], VRX, &id, &got));
		assert_int_equal(id, head);
		assert_int_equal(got, len);
		room = 0;
		for (unsigned int i = 0; i < k; i++) {
			memcpy(flat + room, in[i].p, in[i].len);
			room += in[i].len;
			assert_int_equal(((uint8_t *)in[i].p)[in[i].len], 0xee);
		}
		assert_memory_equal(flat + VNET_HDR, b.out + VNET_HDR, len - VNET_HDR);
		if (room > len)
			assert_int_equal(flat[len], 0xee);
		WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &got));
		b.rig.used = mark;
	}
	rig_destroy(&b.rig);
}

/* A frame over several small buffers, its header telling how many; and one that waits until there
 * are enough. */
static void mergeable_buffers(void **state)
{
	uint32_t id, len;
	struct bench b;

	bench_create(&b, 1, "virtio-net,loopback", F_MRG_RXBUF | F_EVENT_IDX);
	for (uint32_t size = 20; size < 600; size += 17) {
		uint32_t frame = 4000, total = frame + VNET_HDR, n = (total + size - 1) / size;

		if (n > 64)
			continue;
		memset(b.in, 0xee, 65536);
		/* Half of them, the frame, and the rest. */
		for (uint32_t i = 0; i < n; i++) {
			vnet_post(&b.v[0], b.in + i * size, size);
			if (i == n / 2) {
				vnet_send(&b.v[0], b.out, total);
				WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
				usleep(100);
			}
			if (i < n - 1)
				assert_int_equal(
					__atomic_load_n(&b.v[0].q[VRX].used[1], __ATOMIC_ACQUIRE),
					b.v[0].q[VRX].used_idx);
		}
		for (uint32_t i = 0; i < n; i++) {
			WAIT_UNTIL(vq_take(&b.v[0], VRX, &id, &len));
			assert_int_equal(len, i < n - 1 ? size : total - (n - 1) * size);
		}
		assert_int_equal(b.in[10] | b.in[11] << 8, n);
		assert_memory_equal(b.in + VNET_HDR, b.out + VNET_HDR, frame);
		assert_int_equal(b.in[total], 0xee);
	}
	rig_destroy(&b.rig);
}

/* Without merging, a frame that is longer than its buffer is dropped, and the buffer kept for the
 * next. */
static void frames_that_do_not_fit(void **state)
{
	uint32_t id, len;
	struct bench b;

	bench_create(&b, 1, "virtio-net,loopback", 0);
	vnet_post(&b.v[0], b.in, 500);
	for (unsigned int i = 0; i < 10; i++) {
		vnet_send(&b.v[0], b.out, 1000);
		WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
	}
	vnet_send(&b.v[0], b.out, 400);
	expect_frame(&b.v[0], b.out + VNET_HDR, 400 - VNET_HDR, b.in);
	assert_false(vq_take(&b.v[0], VRX, &id, &len));
	/* What is no frame, and what is longer than any: taken, and gone. */
	vnet_post(&b.v[0], b.in, 500);
	vnet_send(&b.v[0], b.out, 5);
	vnet_send(&b.v[0], b.out, VNET_HDR);
	vnet_send(&b.v[0], b.out, 300000);
	vq_add(&b.v[0], VTX, &(struct vseg){b.in, 100, true}, 1);
	b.v[0].q[VTX].desc[b.v[0].q[VTX].next_desc] = (struct vdesc){.addr = LOST, .len = 100};
	vq_offer(&b.v[0], VTX, b.v[0].q[VTX].next_desc++);
	vq_kick(&b.v[0], VTX);
	for (unsigned int i = 0; i < 5; i++)
		WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
	vnet_send(&b.v[0], b.out, 300);
	expect_frame(&b.v[0], b.out + VNET_HDR, 300 - VNET_HDR, b.in);
	assert_true(rig_faults(&b.rig) > 0);
	assert_int_equal(vio_status(&b.v[0]) & NEEDS_RESET, 0);
	rig_destroy(&b.rig);
}

static void the_largest_frame(void **state)
{
	const uint32_t frame = 65550;
	struct bench b;

	bench_create(&b, 1, "virtio-net,loopback", F_EVENT_IDX);
	for (unsigned int i = 0; i < 40; i++) { /* more than the hub keeps */
		uint32_t id, len;

		vnet_post(&b.v[0], b.in, 70000);
		vnet_send(&b.v[0], b.out + i, frame + VNET_HDR);
		expect_frame(&b.v[0], b.out + i + VNET_HDR, frame, b.in);
		WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
	}
	rig_destroy(&b.rig);
}

/* Three on a hub hear each other but not themselves; one on another hub hears nobody. */
static void a_hub_of_three(void **state)
{
	uint32_t id, len;
	struct vnet other;
	struct bench b;

	bench_create(&b, 3, "virtio-net,hub=lab,loopback", F_EVENT_IDX | F_MRG_RXBUF);
	vnet_start(&other,
		   func_add(&b.rig, "virtio-net,hub=laboratory-with-a-name-longer-than-most"), 0);
	vnet_post(&other, b.in + 900000, 2048);
	for (unsigned int i = 0; i < 300; i++) {
		struct vnet *from = &b.v[i % 3];

		for (unsigned int k = 0; k < 3; k++)
			if (k != i % 3)
				vnet_post(&b.v[k], b.in + k * 4096, 2048);
		vnet_send(from, b.out + i, 200 + i);
		for (unsigned int k = 0; k < 3; k++)
			if (k != i % 3)
				expect_frame(&b.v[k], b.out + i + VNET_HDR, 200 + i - VNET_HDR,
					     b.in + k * 4096);
		WAIT_UNTIL(vq_take(from, VTX, &id, &len));
	}
	/* Who is reset is deaf until it is set up again, and hears nothing of what was said. */
	vio_set(&b.v[1], VIO_STATUS, 1, 0);
	vnet_post(&b.v[2], b.in, 2048);
	vnet_send(&b.v[0], b.out, 500);
	expect_frame(&b.v[2], b.out + VNET_HDR, 500 - VNET_HDR, b.in);
	vnet_start(&b.v[1], b.v[1].f, 0);
	vnet_post(&b.v[1], b.in, 2048);
	usleep(2000);
	assert_false(vq_take(&b.v[1], VRX, &id, &len));
	vnet_send(&b.v[0], b.out + 9, 600);
	expect_frame(&b.v[1], b.out + 9 + VNET_HDR, 600 - VNET_HDR, b.in);
	assert_false(vq_take(&other, VRX, &id, &len));
	rig_destroy(&b.rig);
}

struct talker {
	struct vnet *v;
	uint8_t *out;
	bool end;
};

static void *talk(void *arg)
{
	struct talker *t = arg;
	uint32_t id, len;

	while (!__atomic_load_n(&t->end, __ATOMIC_RELAXED)) {
		for (unsigned int i = 0; i < 32; i++)
			vq_add(t->v, VTX, &(struct vseg){t->out, 1000, false}, 1);
		vq_kick(t->v, VTX);
		for (unsigned int i = 0; i < 32; i++)
			WAIT_UNTIL(vq_take(t->v, VTX, &id, &len));
	}
	return NULL;
}

/* A port goes away, and another comes, while the others send to it without end. */
static void ports_come_and_go(void **state)
{
	struct talker t[2] = {{0}, {0}};
	pthread_t thread[2];
	struct bench b;

	bench_create(&b, 2, "virtio-net", F_EVENT_IDX);
	for (unsigned int i = 0; i < 2; i++) {
		t[i].v = &b.v[i];
		t[i].out = b.out + i * 4096;
		assert_int_equal(pthread_create(&thread[i], NULL, talk, &t[i]), 0);
	}
	for (unsigned int i = 0; i < 100; i++) {
		size_t mark = b.rig.used;
		uint32_t id, len;

		vnet_start(&b.v[2], func_add(&b.rig, "virtio-net"), 0);
		for (unsigned int k = 0; k < 20; k++)
			vnet_post(&b.v[2], b.in + k * 2048, 2048);
		if (i & 1)
			WAIT_UNTIL(vq_take(&b.v[2], VRX, &id, &len));
		func_remove(b.v[2].f);
		b.rig.used = mark;
	}
	for (unsigned int i = 0; i < 2; i++) {
		__atomic_store_n(&t[i].end, true, __ATOMIC_RELAXED);
		pthread_join(thread[i], NULL);
	}
	rig_destroy(&b.rig);
}

/* A receiver without buffers: the hub keeps a megabyte, drops the rest, and the sender is never
 * held up. */
static void back_pressure(void **state)
{
	unsigned int received = 0;
	uint32_t id, len, last = 0;
	struct bench b;

	bench_create(&b, 2, "virtio-net", F_EVENT_IDX);
	for (uint32_t i = 1; i <= 3000; i++) {
		memcpy(b.out + VNET_HDR, &i, sizeof(i));
		vnet_send(&b.v[0], b.out, 1000);
		WAIT_UNTIL(vq_take(&b.v[0], VTX, &id, &len));
	}
	for (;;) {
		double end = seconds() + 0.2;
		uint32_t n;

		vnet_post(&b.v[1], b.in, 2048);
		while (!vq_take(&b.v[1], VRX, &id, &len) && seconds() < end)
			relax();
		if (seconds() >= end)
			break;
		memcpy(&n, b.in + VNET_HDR, sizeof(n));
		assert_int_equal(n, last + 1); /* in order, none missing */
		last = n;
		received++;
	}
	assert_in_range(received, 1000, 1100);
	rig_destroy(&b.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_of_one),     cmocka_unit_test(chains_of_many_pieces),
		cmocka_unit_test(mergeable_buffers), cmocka_unit_test(frames_that_do_not_fit),
		cmocka_unit_test(the_largest_frame), cmocka_unit_test(a_hub_of_three),
		cmocka_unit_test(ports_come_and_go), cmocka_unit_test(back_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
