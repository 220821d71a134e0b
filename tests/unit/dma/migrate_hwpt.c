/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No dirty page is ever missed: a migration (migration.h) by the bitmaps of HWPTs, read in all
 * shapes: whole and in part, which splits large leaves, in pages of several sizes, with and without
 * NO_CLEAR. Densely over leaves of 4 KiB and 2 MiB; and over one mapping of each size from 4 KiB to
 * 1 GiB, at a few words in each.
 */
#include "migration.h"

#define LEN    (4ul << 20) /* two leaves of 2 MiB where they may be large */
#define ROUNDS 80
#define PORTS  2

struct source {
	struct migration *m;
	struct ioas_port *port;
	pthread_t thread;
	uint64_t seed, writes;
	const uint64_t *places; /* NULL: anywhere in LEN */
	size_t nr_places;
	uint64_t base; /* IOVA of the memory's first byte */
	int rc;	       /* of the write that failed */
};

/* Near the last one more often than not. */
static uint64_t next_place(struct source *s, uint64_t last)
{
	if (s->places)
		return s->places[pick(&s->seed, s->nr_places)];
	return pick(&s->seed, 4) ? (last + pick(&s->seed, 1024)) % (LEN / 8)
				 : pick(&s->seed, LEN / 8);
}

/* Writes numbers that differ each time, of 8 bytes. */
static void *write_on(void *arg)
{
	struct source *s = arg;
	uint64_t place = 0, value;
	int rc = 0;

	while (!__atomic_load_n(&s->m->stop, __ATOMIC_RELAXED) && !rc) {
		ioas_port_begin(s->port);
		for (unsigned int i = 0; i < 64 && !rc; i++) {
			place = next_place(s, place);
			value = s->writes << 8 | s->seed >> 56;
			rc = ioas_port_write(s->port, s->base + place * 8, &value, 8);
			__atomic_store_n(&s->writes, s->writes + 1, __ATOMIC_RELAXED);
		}
		ioas_port_end(s->port);
		usleep(pick(&s->seed, 50));
	}
	__atomic_store_n(&s->rc, rc, __ATOMIC_RELAXED);
	return NULL;
}

static void alloc_hwpt(struct migration *m, uint32_t dev)
{
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc),
					 .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
					 .dev_id = dev,
					 .pt_id = m->ioas};
	struct iommu_hwpt_set_dirty_tracking set = {.size = sizeof(set),
						    .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};

	assert_int_equal(call(m, IOMMU_HWPT_ALLOC, &alloc), 0);
	m->hwpt = set.hwpt_id = alloc.out_hwpt_id;
	assert_int_equal(call(m, IOMMU_HWPT_SET_DIRTY_TRACKING, &set), 0);
}

static void map(struct migration *m, uint64_t off, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .ioas_id = m->ioas,
				     .user_va = (uintptr_t)m->memory + off,
				     .length = len,
				     .iova = iova};

	assert_int_equal(call(m, IOMMU_IOAS_MAP, &map), 0);
}

static void allow_large(struct migration *m, bool large)
{
	struct iommu_option option = {.size = sizeof(option),
				      .option_id = IOMMU_OPTION_HUGE_PAGES,
				      .op = IOMMU_OPTION_OP_SET,
				      .object_id = m->ioas,
				      .val64 = large};

	assert_int_equal(call(m, IOMMU_OPTION, &option), 0);
}

/* Ports, an IOAS and one HWPT for all of them; @fill maps. */
static void start(struct migration *m, struct source *s, const char *make,
		  const struct source *like, void (*fill)(struct migration *m, bool large),
		  bool large, size_t align)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	uint32_t dev = 0;

	open_host(m, make, align > LEN ? align : LEN, align);
	for (unsigned int i = 0; i < PORTS; i++) {
		s[i] = *like;
		s[i].m = m;
		s[i].seed = i + 7;
		assert_int_equal(ioas_port_create(m->host, 0x10 + i, &s[i].port), 0);
	}
	m->fd = ioas_open(m->host, "/dev/iommu");
	assert_int_equal(call(m, IOMMU_IOAS_ALLOC, &alloc), 0);
	m->ioas = alloc.out_ioas_id;
	for (unsigned int i = 0; i < PORTS; i++)
		assert_int_equal(ioas_port_bind(s[i].port, m->fd, &dev), 0);
	allow_large(m, large);
	fill(m, large);
	alloc_hwpt(m, dev);
	for (unsigned int i = 0; i < PORTS; i++) {
		uint32_t pt = m->hwpt;

		assert_int_equal(ioas_port_attach(s[i].port, &pt), 0);
		assert_int_equal(pthread_create(&s[i].thread, NULL, write_on, &s[i]), 0);
	}
}

static void stop(struct migration *m, struct source *s)
{
	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < PORTS; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].rc, 0);
		assert_true(s[i].writes > 0);
	}
}

struct look {
	uint64_t iova, len, page;
	uint64_t *bits; /* room for all that there is in pages of 4 KiB */
};

static void read_bits(struct migration *m, struct look *l, bool clear)
{
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.hwpt_id = m->hwpt,
		.flags = clear ? 0 : IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
		.iova = l->iova,
		.length = l->len,
		.page_size = l->page,
		.data = (uintptr_t)l->bits};

	memset(l->bits, 0, (l->len / l->page + 63) / 64 * 8);
	assert_int_equal(call(m, IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
}

/* One look, now and then after a peek: what was dirty and was not cleared still is. */
static void look(struct migration *m, struct look *l, uint64_t *peeked)
{
	struct look before = *l;
	bool peek = !pick(&m->seed, 4);

	before.bits = peeked;
	if (peek)
		read_bits(m, &before, false);
	read_bits(m, l, true);
	for (uint64_t i = 0; peek && i < l->len / l->page; i++)
		if (bit(before.bits, i))
			assert_true(bit(l->bits, i));
}

/* And nothing is dirty without a write. */
static void assert_clean(struct migration *m, struct look l)
{
	l.page = PAGE;
	read_bits(m, &l, false);
	for (uint64_t i = 0; i < l.len / PAGE; i++)
		assert_false(bit(l.bits, i));
}

/* Something new is there to be found. */
static void wait_for_writes(const struct source *s)
{
	uint64_t seen = __atomic_load_n(&s->writes, __ATOMIC_RELAXED);

	while (__atomic_load_n(&s->writes, __ATOMIC_RELAXED) == seen &&
	       !__atomic_load_n(&s->rc, __ATOMIC_RELAXED))
		sched_yield();
}

/* Densely. */

static void map_dense(struct migration *m, bool large)
{
	map(m, 0, LEN, IOVA);
}

static void copy_dense(struct migration *m, struct look *l)
{
	static uint64_t peeked[LEN / PAGE / 64];

	look(m, l, peeked);
	for (uint64_t i = 0; i < l->len / l->page; i++)
		if (bit(l->bits, i))
			copy_bytes(m, l->iova - IOVA + i * l->page, l->page);
}

static void migrate_dense(const char *make, bool large)
{
	static const uint64_t pages[] = {PAGE, PAGE, 4 * PAGE, 2ul << 20};
	static uint64_t bits[LEN / PAGE / 64];
	const struct source like = {.base = IOVA};
	struct look l = {.bits = bits};
	struct source s[PORTS];
	struct migration m;

	start(&m, s, make, &like, map_dense, large, 2ul << 20);
	for (int round = 0; round < ROUNDS; round++) {
		l.page = pages[pick(&m.seed, 4)];
		l.iova = IOVA;
		l.len = LEN;
		if (pick(&m.seed, 3)) {
			uint64_t from = pick(&m.seed, LEN / l.page) * l.page;

			l.iova += from;
			l.len = (1 + pick(&m.seed, (LEN - from) / l.page)) * l.page;
		}
		wait_for_writes(&s[round % PORTS]);
		copy_dense(&m, &l);
	}
	stop(&m, s);
	l = (struct look){IOVA, LEN, PAGE, bits};
	copy_dense(&m, &l);
	assert_memory_equal(m.memory, m.copy, LEN);
	assert_clean(&m, l);
	close_host(&m);
}

static void densely(void **state)
{
	static const char *const makes[] = {"vtd", "amd", "smmuv3", "mock"};

	for (size_t i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
		migrate_dense(makes[i], true);
		migrate_dense(makes[i], false);
	}
}

/*
 * Of every size: bytes [2^n, 2^(n+1)) of the memory are one mapping, at IOVAs with as many zeros in
 * the end, so that its leaves are as large as the format has them.
 */

#define LEAST_LG2 12
#define MOST_LG2  30
#define SIZES	  (MOST_LG2 - LEAST_LG2 + 1)
#define SPAN	  (2ul << MOST_LG2)
#define SPAN_BASE (1ul << 37)
#define PER_SIZE  6

static void map_sizes(struct migration *m, bool large)
{
	for (unsigned int lg2 = LEAST_LG2; lg2 <= MOST_LG2; lg2++)
		map(m, 1ul << lg2, 1ul << lg2, SPAN_BASE + (1ul << lg2));
}

/* The first word of each mapping, its last, and some between. */
static size_t choose_places(uint64_t *places)
{
	uint64_t seed = 3;
	size_t n = 0;

	for (unsigned int lg2 = LEAST_LG2; lg2 <= MOST_LG2; lg2++) {
		uint64_t first = (1ul << lg2) / 8;

		places[n++] = first;
		places[n++] = 2 * first - 1;
		for (unsigned int i = 2; i < PER_SIZE; i++)
			places[n++] = first + pick(&seed, first);
	}
	return n;
}

static void copy_places(struct migration *m, struct look *l, const uint64_t *places, size_t n,
			uint64_t *peeked)
{
	look(m, l, peeked);
	for (size_t i = 0; i < n; i++) {
		uint64_t iova = SPAN_BASE + places[i] * 8;

		if (iova >= l->iova && iova < l->iova + l->len &&
		    bit(l->bits, (iova - l->iova) / l->page))
			copy_word(m, places[i]);
	}
}

static struct look random_look(struct migration *m, uint64_t *bits)
{
	struct look l = {.page = 1ul << (LEAST_LG2 + pick(&m->seed, SIZES)), .bits = bits};
	uint64_t n = SPAN / l.page - 1, from = 1 + pick(&m->seed, n);

	l.iova = SPAN_BASE + from * l.page;
	l.len = pick(&m->seed, 3) ? (1 + pick(&m->seed, 4)) * l.page : SPAN;
	if (l.len > SPAN_BASE + SPAN - l.iova)
		l.len = SPAN_BASE + SPAN - l.iova;
	return l;
}

static void migrate_sizes(const char *make)
{
	uint64_t places[SIZES * PER_SIZE], *bits = calloc(2, SPAN / PAGE / 8);
	const struct source like = {
		.base = SPAN_BASE, .places = places, .nr_places = choose_places(places)};
	uint64_t *peeked = bits + SPAN / PAGE / 64;
	struct source s[PORTS];
	struct migration m;
	struct look l;

	assert_non_null(bits);
	start(&m, s, make, &like, map_sizes, true, SPAN);
	for (int round = 0; round < ROUNDS; round++) {
		l = random_look(&m, bits);
		wait_for_writes(&s[round % PORTS]);
		copy_places(&m, &l, places, like.nr_places, peeked);
	}
	stop(&m, s);
	l = (struct look){SPAN_BASE + PAGE, SPAN - PAGE, PAGE, bits};
	copy_places(&m, &l, places, like.nr_places, peeked);
	for (size_t i = 0; i < like.nr_places; i++)
		if (m.memory[places[i]] != m.copy[places[i]])
			fail_msg("%s: a write at %#llx was missed", make,
				 (unsigned long long)(places[i] * 8));
	assert_clean(&m, l);
	close_host(&m);
	free(bits);
}

static void of_every_size(void **state)
{
	migrate_sizes("vtd");
	migrate_sizes("amd");
	migrate_sizes("smmuv3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(densely),
					   cmocka_unit_test(of_every_size)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
