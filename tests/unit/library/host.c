/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a host tells, and whose clock it waits by; and that its structures keep their layout.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <ioas/ioas.h>

#if UINTPTR_MAX == UINT64_MAX
#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "the layout of " #type)
SIZE(ioas_refusal, 40);
SIZE(ioas_fault, 48);
SIZE(ioas_log, 24);
SIZE(ioas_range, 16);
SIZE(ioas_host_config, 104);
SIZE(ioas_context_config, 56);
SIZE(ioas_source, 24);
SIZE(ioas_map_range, 24);
SIZE(ioas_hwpt_config, 32);
SIZE(ioas_dirty, 40);
SIZE(ioas_hw_info, 32);
SIZE(ioas_viommu_config, 24);
SIZE(ioas_hw_queue_config, 24);
SIZE(ioas_device_info, 12);
SIZE(ioas_region, 24);
SIZE(ioas_irq, 8);
SIZE(ioas_access_config, 40);
SIZE(ioas_memory_range, 32);
SIZE(ioas_memory_ops, 56);
SIZE(ioas_memory_area, 24);
SIZE(ioas_pasid_set_config, 24);
#undef SIZE
#endif

#define SECOND 1000000000ull

struct told {
	uint64_t now;
	uint64_t step; /* the clock goes on so much whenever it is asked */
	unsigned int lines[2], faults, refusals;
	char text[512];
	uint64_t time;
};

static void on_log(void *arg, const struct ioas_log *l)
{
	struct told *t = arg;

	t->lines[l->level]++;
	t->time = l->time;
	strcpy(t->text, l->text);
}

static void on_fault(void *arg, const struct ioas_fault *f)
{
	((struct told *)arg)->faults++;
}

static void on_refusal(void *arg, const struct ioas_refusal *r)
{
	((struct told *)arg)->refusals++;
}

static uint64_t tick(void *arg)
{
	struct told *t = arg;

	return __atomic_add_fetch(&t->now, t->step, __ATOMIC_RELAXED);
}

static struct ioas_context *make(struct told *t, struct ioas_host_config cfg)
{
	struct ioas_context_config cc = {0};
	struct ioas_context *c;

	cfg.arg = t;
	assert_int_equal(ioas_host_create(&cfg, &cc.host, NULL, 0), 0);
	assert_int_equal(ioas_context_open(&cc, &c), 0);
	return c;
}

static void drop(struct ioas_context *c)
{
	struct ioas_host *h = ioas_context_host(c);

	ioas_context_close(c);
	ioas_host_destroy(h);
}

static void make_fault(struct ioas_context *c)
{
	struct ioas_port *port;
	char byte;

	assert_int_equal(ioas_port_create(ioas_context_host(c), 0x1234, &port), 0);
	ioas_port_begin(port);
	assert_int_equal(ioas_port_read(port, 0x5678000, &byte, 1), -EFAULT);
	ioas_port_end(port);
}

static void the_log_says_it_in_words(void **state)
{
	struct told t = {.now = 5 * SECOND};
	struct ioas_context *c = make(&t, (struct ioas_host_config){.log = on_log, .clock = tick});

	assert_int_equal(ioas_destroy(c, 0x4d), -ENOENT);
	assert_int_equal(t.lines[IOAS_LOG_REFUSAL], 1);
	assert_non_null(strstr(t.text, "ENOENT"));
	assert_non_null(strstr(t.text, "DEST.1"));
	assert_non_null(strstr(t.text, "0x4d"));
	assert_int_equal(t.time, 5 * SECOND);
	make_fault(c);
	assert_int_equal(t.lines[IOAS_LOG_FAULT], 1);
	assert_non_null(strstr(t.text, "0x1234"));
	assert_non_null(strstr(t.text, "0x5678000"));
	assert_int_equal(t.faults + t.refusals, 0);
	drop(c);
}

static void log_and_callbacks_together(void **state)
{
	struct told t = {0};
	struct ioas_context *c = make(
		&t,
		(struct ioas_host_config){.log = on_log, .fault = on_fault, .refused = on_refusal});

	assert_int_equal(ioas_destroy(c, 99), -ENOENT);
	make_fault(c);
	assert_int_equal(t.lines[IOAS_LOG_REFUSAL], 1);
	assert_int_equal(t.lines[IOAS_LOG_FAULT], 1);
	assert_int_equal(t.refusals, 1);
	assert_int_equal(t.faults, 1);
	assert_int_not_equal(t.time, 0);
	drop(c);
}

/* A command that is refused stays on its way for as long as its callback does, and its IOAS is in
 * use. */
struct slow {
	struct told told; /* first: the clock's */
	struct ioas_context *c;
	uint32_t ioas;
	int asked, answer;
};

static void refuse_slowly(void *arg, const struct ioas_refusal *r)
{
	struct slow *s = arg;
	eventfd_t n;

	if (r->err != EEXIST)
		return;
	eventfd_write(s->asked, 1);
	eventfd_read(s->answer, &n);
}

static void *map_slowly(void *arg)
{
	struct slow *s = arg;
	uint64_t iova = 0x1000000;
	int rc = ioas_map(s->c, s->ioas, s, 4096, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova);

	return (void *)(intptr_t)rc;
}

/* DESTROY waits a minute for the command; with this clock that is over soon. */
static void waiting_goes_by_the_clock(void **state)
{
	struct slow s = {.told.step = 25 * SECOND, .asked = eventfd(0, 0), .answer = eventfd(0, 0)};
	struct timespec from, to;
	pthread_t thread;
	uint64_t iova = 0x1000000;
	eventfd_t n;
	void *rc;

	s.c = make(&s.told, (struct ioas_host_config){.clock = tick, .refused = refuse_slowly});
	assert_int_equal(ioas_create(s.c, &s.ioas), 0);
	assert_int_equal(ioas_map(s.c, s.ioas, &s, 4096, IOAS_MAP_RW | IOAS_MAP_FIXED, &iova), 0);
	assert_int_equal(pthread_create(&thread, NULL, map_slowly, &s), 0);
	assert_int_equal(eventfd_read(s.asked, &n), 0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(ioas_destroy(s.c, s.ioas), -EBUSY);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 0, 20);
	assert_true(s.told.now >= 3 * s.told.step);
	eventfd_write(s.answer, 1);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -EEXIST);
	assert_int_equal(ioas_destroy(s.c, s.ioas), 0);
	drop(s.c);
	close(s.asked);
	close(s.answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_says_it_in_words),
		cmocka_unit_test(log_and_callbacks_together),
		cmocka_unit_test(waiting_goes_by_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
