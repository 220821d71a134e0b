/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The looker on a host: what each format's entries say, spaces that come in pieces, contexts that
 * go between two pieces, and everything changing while somebody looks.
 */
#include <errno.h>
#include <unistd.h>

#include "devices/pci.h"
#include "observe/inspect.h"
#include "observe/json.h"
#include "world.h"

static const struct sanitizer_config quiet = {.quiet = true};

static struct inspect_config config_of(struct world *w, bool track)
{
	return (struct inspect_config){.host = w->host,
				       .pid = getpid(),
				       .program = "test",
				       .began_ns = host_now(w->host),
				       .sanitizer = track ? w->s : NULL};
}

/* All brackets are closed, in their order, and nothing follows the line's end. */
static void check_form(const char *text)
{
	char stack[64];
	size_t depth = 0;
	bool quoted = false;

	for (; *text && *text != '\n'; text++) {
		if (*text == '\\')
			text++;
		else if (*text == '"')
			quoted = !quoted;
		else if (!quoted && (*text == '{' || *text == '['))
			stack[depth++] = *text;
		else if (!quoted && (*text == '}' || *text == ']'))
			assert_int_equal(stack[--depth], *text == '}' ? '{' : '[');
		assert_true(depth < sizeof(stack));
	}
	assert_int_equal(depth, 0);
	assert_false(quoted);
	assert_string_equal(text, "\n");
}

/* The answer, allocated; between its pieces @between is called. */
static char *look_with(const struct inspect_config *cfg, const char *request,
		       void (*between)(void *arg), void *arg)
{
	struct inspect *i;
	struct json j;
	int rc;

	json_init(&j);
	assert_int_equal(inspect_begin(cfg, request, &i), 0);
	while ((rc = inspect_next(i, &j)) > 0)
		if (between)
			between(arg);
	assert_int_equal(rc, 0);
	assert_int_equal(json_error(&j), 0);
	inspect_end(i);
	check_form(j.text);
	return j.text;
}

static char *look(struct world *w, const char *request)
{
	const struct inspect_config cfg = config_of(w, false);

	return look_with(&cfg, request, NULL, NULL);
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	while ((text = strstr(text, what))) {
		text++;
		n++;
	}
	return n;
}

#define assert_has(text, what)                                                                     \
	do {                                                                                       \
		if (!strstr(text, what))                                                           \
			fail_msg("no %s in %s", what, text);                                       \
	} while (0)

/* ---- what entries say ---- */

/* By their specifications: the leaf of a page that may be read and written, of one that may only be
 * read, and the entry that leads to its table. */
static const struct row {
	const char *make, *format, *writable, *readable, *table;
} rows[] = {
	{"vtd", "vtd-ss", "\"R\":1,\"W\":1,\"X\":0", "\"R\":1,\"W\":0,\"X\":0", "\"R\":1,\"W\":1"},
	{"amd", "amdv1", "\"NextLevel\":\"0x0\",\"U\":0,\"FC\":1,\"IR\":1,\"IW\":1",
	 "\"IR\":1,\"IW\":0", "\"NextLevel\":\"0x1\""},
	{"smmuv3", "arm64-s1-4k", "\"AP[2]\":0", "\"AP[2]\":1", "\"Valid\":1,\"Table\":1"},
	{"riscv", "riscv-s1", "\"V\":1,\"R\":1,\"W\":1,\"X\":1", "\"V\":1,\"R\":1,\"W\":0",
	 "\"words\":\"V PPN="},
	{"s390,start-dma=0", "s390", "\"P\":0", "\"P\":1", "\"TT\""},
	{"power", "power-4k", "\"R\":1,\"W\":1", "\"R\":1,\"W\":0", "\"R\":1,\"W\":1"},
	{"mock", "mock", "\"NextLevel\":\"0x7\"", "\"IR\":1,\"IW\":0", "\"NextLevel\":\"0x1\""},
};

static char *walk(struct world *w, uint64_t iova)
{
	char request[64];

	snprintf(request, sizeof(request), "walk 0000:01:00.0 %#llx 0", (unsigned long long)iova);
	return look(w, request);
}

/* The object that tells of the entry of level 0. */
static const char *leaf_of(const char *text)
{
	const char *leaf = strstr(text, "\"level\":0");

	assert_non_null(leaf);
	return leaf;
}

static void test_formats(void **state)
{
	for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++) {
		struct world *w = world_create(&quiet, r->make);
		char *text, expected[64];

		world_map(w, IOVA, 0, 1, RW);
		world_map(w, IOVA + 2 * PAGE_SIZE, 2, 1, SPACE_READ);
		snprintf(expected, sizeof(expected), "\"format\":\"%s\"", r->format);
		text = walk(w, IOVA + 0x123);
		assert_has(text, expected);
		assert_has(text, r->table);
		assert_has(leaf_of(text), r->writable);
		assert_has(text, "\"end\":\"found\"");
		assert_has(text, "\"kind\":\"leaf\",\"words\":");
		assert_has(text, "\"permissions\":\"rw\",\"memory\":\"private\"");
		snprintf(expected, sizeof(expected), "\"va\":\"%p\"", (void *)(w->mem + 0x123));
		assert_has(text, expected);
		free(text);
		text = walk(w, IOVA + 2 * PAGE_SIZE);
		assert_has(leaf_of(text), r->readable);
		assert_has(text, "\"permissions\":\"r-\",\"memory\":\"private\"");
		free(text);
		/* Beside them: the same table, another entry. */
		text = walk(w, IOVA + PAGE_SIZE);
		assert_has(leaf_of(text), "\"kind\":\"empty\"");
		assert_has(leaf_of(text), "\"fault\":\"not present\"");
		assert_has(text, "\"mapping\":null");
		free(text);
		world_destroy(w);
	}
}

static void test_ends(void **state)
{
	struct world *w = world_create(&quiet, "vtd");
	struct iommu *i = w->host->iommu;
	char *text;

	world_map(w, IOVA, 0, 1, RW);
	text = walk(w, UINT64_MAX);
	assert_has(text,
		   "\"way\":[],\"result\":{\"end\":\"stage2\",\"text\":\"beyond the input width\"");
	free(text);
	text = walk(w, 0xfee00000);
	assert_has(text, "\"end\":\"message\"");
	free(text);
	text = look(w, "walk 01:00.0 0x40000000 77");
	assert_has(text, "\"end\":\"blocked\"");
	free(text);
	text = look(w, "walk nowhere 0 0");
	assert_has(text, "{\"error\":\"there is no such device\"}");
	free(text);
	/* The program took the memory away: the leaf stays, what it leads to does not. */
	memory_va_changed(w->host->memory, (uintptr_t)w->mem, PAGE_SIZE);
	text = walk(w, IOVA);
	assert_has(text, "\"end\":\"no-memory\"");
	free(text);
	assert_int_equal(__atomic_load_n(&i->nr_faults, __ATOMIC_RELAXED), 0);
	world_unbind(w);
	text = walk(w, IOVA);
	assert_has(text, "\"end\":\"blocked\"");
	free(text);
	world_destroy(w);
}

static void test_caches(void **state)
{
	struct world *w = world_create(&quiet, "vtd");
	char *text;

	world_map(w, IOVA, 0, 1, RW);
	text = walk(w, IOVA);
	assert_has(text, "\"iotlb\":{\"held\":false},\"atc\":null");
	free(text);
	assert_int_equal(world_read(w, IOVA, 8), 0);
	text = walk(w, IOVA + 8);
	assert_has(text, "\"iotlb\":{\"held\":true,\"size\":\"0x1000\",\"permissions\":\"rw\"}");
	assert_has(text, "\"pending_invalidations\":0");
	free(text);
	/* Its device sleeps: what is unmapped it forgets when it wakes. */
	dma_end(&w->port[0]);
	world_unmap(w, IOVA, PAGE_SIZE);
	text = walk(w, IOVA);
	assert_has(text, "\"pending_invalidations\":1");
	free(text);
	dma_begin(&w->port[0]);
	assert_int_equal(world_read(w, IOVA, 8), -EFAULT);
	text = walk(w, IOVA);
	assert_has(text, "\"iotlb\":{\"held\":false}");
	assert_has(text, "\"pending_invalidations\":0");
	free(text);
	world_destroy(w);
}

/* ---- pieces ---- */

static void map_many(struct world *w, struct ioas *ioas, unsigned int n)
{
	for (unsigned int k = 0; k < n; k++)
		assert_int_equal(
			world_map_at(w, ioas, IOVA + 2ull * k * PAGE_SIZE, w->mem, PAGE_SIZE, RW),
			0);
}

static void test_pieces(void **state)
{
	struct world *w = world_create(&quiet, "vtd");
	struct inspect_config cfg = config_of(w, true);
	struct ioas *other;
	char *text;

	assert_int_equal(ioas_alloc(w->ctx, &other), 0);
	object_publish(w->ctx, &other->obj);
	map_many(w, w->ioas, 1000);
	map_many(w, other, 256); /* exactly a piece */
	text = look_with(&cfg, "maps", NULL, NULL);
	assert_int_equal(count(text, "\"iova\":"), 1256);
	assert_int_equal(count(text, "\"source\":\"anonymous\""), 1256);
	assert_int_equal(count(text, "\"uses\":0"), 1256);
	free(text);
	text = look(w, "tree");
	assert_has(text, "\"areas\":1000,\"bytes\":4096000,\"maps\":1000,\"unmaps\":0");
	assert_has(text, "\"type\":\"hwpt-paging\",\"users\":");
	assert_int_equal(count(text, "\"type\":\"device\""), DEVICES);
	free(text);
	world_destroy(w);
}

struct closing {
	struct world *w;
	unsigned int pieces;
};

/* After the second piece the context goes, in the middle of its objects. */
static void close_context(void *arg)
{
	struct closing *c = arg;

	if (++c->pieces != 2)
		return;
	world_unbind(c->w);
	iommufd_put(c->w->ctx);
	c->w->ctx = NULL;
}

static void test_closed_between(void **state)
{
	static const char *const requests[] = {"maps", "tree"};

	for (size_t n = 0; n < ARRAY_SIZE(requests); n++) {
		struct world *w = world_create(&quiet, "vtd");
		struct inspect_config cfg = config_of(w, true);
		struct closing closing = {.w = w};
		struct ioas *more;
		char *text;

		map_many(w, w->ioas, 1000);
		for (unsigned int k = 0; k < 600; k++) {
			assert_int_equal(ioas_alloc(w->ctx, &more), 0);
			object_publish(w->ctx, &more->obj);
		}
		text = look_with(&cfg, requests[n], close_context, &closing);
		assert_true(closing.pieces >= 2);
		free(text);
		world_destroy(w);
	}
}

/* Each id once, though others come and go. */
static void test_nonsense(void **state)
{
	static const char *const requests[] = {"",
					       "trees",
					       "tree x",
					       "walk",
					       "walk a",
					       "walk a b c",
					       "walk a 1 -1",
					       "walk a 0x 0",
					       "walk a 99999999999999999999 0"};
	struct world *w = world_create(&quiet, "vtd");

	for (size_t n = 0; n < ARRAY_SIZE(requests); n++) {
		char *text = look(w, requests[n]);

		assert_has(text, "{\"error\":");
		free(text);
	}
	world_destroy(w);
}

/* ---- everything at once ---- */

struct storm {
	struct world *w;
	bool over;
};

static void *change(void *arg)
{
	struct storm *s = arg;
	struct iommufd *ctx;
	struct ioas *ioas;
	uint64_t unmapped;

	for (unsigned int k = 0; !__atomic_load_n(&s->over, __ATOMIC_RELAXED); k++) {
		const uint64_t iova = IOVA + (uint64_t)(k % 50) * 2 * PAGE_SIZE;

		space_unmap(s->w->ioas->space, iova, PAGE_SIZE, &unmapped);
		assert_int_equal(world_map_at(s->w, s->w->ioas, iova, s->w->mem, PAGE_SIZE, RW), 0);
		assert_int_equal(iommufd_create(s->w->host, false, &ctx), 0);
		assert_int_equal(ioas_alloc(ctx, &ioas), 0);
		object_publish(ctx, &ioas->obj);
		map_many(s->w, ioas, 3);
		if (k % 2)
			assert_int_equal(object_destroy_id(ctx, ioas->obj.id), 0);
		iommufd_put(ctx);
		if (k % 8)
			continue;
		idevice_detach(s->w->idev[1]);
		assert_int_equal(idevice_attach(s->w->idev[1], &(uint32_t){s->w->ioas->obj.id}), 0);
	}
	return NULL;
}

static void *use(void *arg)
{
	struct storm *s = arg;

	while (!__atomic_load_n(&s->over, __ATOMIC_RELAXED))
		for (unsigned int k = 0; k < 50; k++)
			world_read(s->w, IOVA + (uint64_t)k * 2 * PAGE_SIZE, 64);
	dma_end(&s->w->port[0]);
	return NULL;
}

static void test_storm(void **state)
{
	static const char *const requests[] = {"tree", "maps", "rates",
					       "walk 0000:01:00.0 0x40000000 0",
					       "walk 0000:02:00.0 0x40002000 0"};
	struct storm s = {.w = world_create(&quiet, "vtd")};
	pthread_t changer, user;

	dma_end(&s.w->port[0]); /* it is the other thread's */
	map_many(s.w, s.w->ioas, 50);
	dma_begin(&s.w->port[0]);
	pthread_create(&changer, NULL, change, &s);
	pthread_create(&user, NULL, use, &s);
	for (unsigned int k = 0; k < 300; k++)
		free(look(s.w, requests[k % ARRAY_SIZE(requests)]));
	__atomic_store_n(&s.over, true, __ATOMIC_RELAXED);
	pthread_join(changer, NULL);
	pthread_join(user, NULL);
	dma_begin(&s.w->port[0]);
	world_destroy(s.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),	       cmocka_unit_test(test_ends),
		cmocka_unit_test(test_caches),	       cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_closed_between), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
