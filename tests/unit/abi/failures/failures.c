/* SPDX-License-Identifier: BSD-3-Clause */
#include "failures.h"

#include <stdio.h>

#include "fail.h"
#include "mock/commands.h"

static const struct noun *const nouns[] = {
	&failing_files,	  &failing_ioas,   &failing_hwpts, &failing_viommus, &failing_nesting,
	&failing_devices, &failing_groups, &failing_type1, &failing_compat,  &failing_mock,
};

static const char *const real_makes[] = {
	"vtd", "amd", "smmuv3", "riscv", "s390,start-dma=0", "power,levels=4"};

/* The engine keeps what it has learned of private memory: let it know both ends of what there is.
 */
static void warm(struct bed *b)
{
	for (uint64_t off = 0; off < ARENA_SIZE; off += ARENA_SIZE - PAGE_SIZE) {
		struct pages *p;

		assert_int_equal(pages_from_va(b->host->memory, NULL, (uintptr_t)b->arena + off,
					       PAGE_SIZE, true, false, &p),
				 0);
		assert_int_equal(pages_pin(p, 0, PAGE_SIZE), 0);
		pages_unpin_put(p, 0, PAGE_SIZE);
	}
}

struct scene *scene_open(const struct failing *f, const char *make)
{
	struct scene *s = test_calloc(1, sizeof(*s));

	s->b = bed_create(&(struct bed_config){.iommu = make, .model = f->model});
	s->b->host->commands = make_commands(s->b->host->iommu->make);
	s->iommufd = s->container = s->file = s->events = s->access = s->dmabuf = -1;
	memset(s->group, 0xff, sizeof(s->group));
	memset(s->dev, 0xff, sizeof(s->dev));
	warm(s->b);
	f->prepare(s);
	return s;
}

void scene_close(struct scene *s)
{
	bed_destroy(s->b);
	test_free(s);
}

static struct dump before, after;

/* The call failed as it must, and left what was before. */
static void check_refused(struct scene *s, const struct failing *f, const char *what,
			  unsigned long n)
{
	char why[300];
	long rc;

	dump(s, &after);
	if (dump_differs(f, &before, &after, why, sizeof(why)))
		fail_msg("%s: %s %lu fails and something is left:\n%s", f->name, what, n, why);
	rc = f->call(s);
	if (rc < 0)
		fail_msg("%s: after %s %lu failed it fails for good: %ld", f->name, what, n, rc);
}

/* @inject: the @n-th allocation, or all from there on. Did any call fail? */
static bool sweep_allocations(const struct failing *f, const char *make,
			      void (*inject)(unsigned long n))
{
	bool failed = false;

	for (FAIL_SWEEP) {
		struct scene *s = scene_open(f, make);
		long rc;

		dump(s, &before);
		coverage_listen(s->b);
		inject(fail_i);
		rc = f->call(s);
		fail_more = fail_happened();
		coverage_listen(NULL);
		if (rc < 0 && (rc != -ENOMEM || !fail_more))
			fail_msg("%s (%s): allocation %lu: %ld", f->name, make, fail_i, rc);
		if (rc < 0)
			check_refused(s, f, "allocation", fail_i);
		failed |= rc < 0;
		scene_close(s);
	}
	return failed;
}

static void sweep_copies(const struct failing *f, const char *make)
{
	bool more = true;

	for (unsigned long n = 1; more; n++) {
		struct scene *s = scene_open(f, make);
		long rc;

		dump(s, &before);
		bed_fail_copy(s->b, n);
		rc = f->call(s);
		more = bed_copy_failed(s->b);
		if (rc < 0 && (rc != -EFAULT || !more))
			fail_msg("%s (%s): copy %lu: %ld", f->name, make, n, rc);
		if (rc >= 0 && more && !f->unheard)
			fail_msg("%s: copy %lu fails and nobody says so", f->name, n);
		if (rc < 0 && !f->stays)
			check_refused(s, f, "copy", n);
		scene_close(s);
	}
}

/* Closing cannot be refused, and so must not need memory. */
static void close_without_memory(const struct failing *f, const char *make)
{
	struct scene *s = scene_open(f, make);

	fail_from(1);
	for (int fd = 0; fd < BED_FILES; fd++)
		bed_close(s->b, fd);
	fail_happened();
	scene_close(s);
}

static bool tracks_dirty(const char *make)
{
	struct bed *b = bed_create(&(struct bed_config){.iommu = make});
	bool dirty = b->host->iommu->caps.dirty;

	bed_destroy(b);
	return dirty;
}

/* Calls @fn for every case of @noun on every make that has it. */
static void each(const struct noun *noun, void (*fn)(const struct failing *f, const char *make))
{
	for (const struct failing *f = noun->cases; f < noun->cases + noun->n; f++) {
		if (f->only)
			fn(f, f->only);
		else if (f->mock)
			fn(f, "mock");
		for (size_t i = 0; i < ARRAY_SIZE(real_makes) && !f->mock && !f->only; i++)
			if (!f->dirty || tracks_dirty(real_makes[i]))
				fn(f, real_makes[i]);
	}
}

static void one_allocation(const struct failing *f, const char *make)
{
	bool failed = sweep_allocations(f, make, fail_nth);

	if (failed == f->none)
		fail_msg("%s (%s): %s", f->name, make,
			 failed ? "an allocation failed" : "no allocation failed");
}

static void all_allocations(const struct failing *f, const char *make)
{
	sweep_allocations(f, make, fail_from);
}

static void allocations(void **state)
{
	each(*state, one_allocation);
}

static void no_memory(void **state)
{
	each(*state, all_allocations);
}

static void copies(void **state)
{
	each(*state, sweep_copies);
}

static void closing(void **state)
{
	each(*state, close_without_memory);
}

static void whole_host(void **state)
{
	unsigned int failures = 0;

	for (FAIL_SWEEP) {
		struct bed *b;

		fail_nth(fail_i);
		b = bed_create(&(struct bed_config){.may_fail = true});
		fail_more = fail_happened();
		failures += !b;
		if (b)
			bed_destroy(b);
	}
	assert_true(failures > 10);
}

static const struct {
	const char *name;
	CMUnitTestFunction fn;
} sweeps[] = {
	{"one allocation fails", allocations},
	{"all from there on fail", no_memory},
	{"one copy fails", copies},
	{"closing without memory", closing},
};

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(nouns) * ARRAY_SIZE(sweeps) + 2];
	char names[ARRAY_SIZE(tests)][80];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(nouns); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sweeps); k++, n++) {
			snprintf(names[n], sizeof(names[n]), "%s: %s", nouns[i]->name,
				 sweeps[k].name);
			tests[n] = (struct CMUnitTest){.name = names[n],
						       .test_func = sweeps[k].fn,
						       .initial_state = (void *)nouns[i]};
		}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(coverage_check);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(whole_host);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
