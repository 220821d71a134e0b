/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of PASIDs: quotas, ranges, guests' numbers, references, listeners; a long random sequence
 * beside a naive model; readers beside writers; and DMA of a device that two VMs share.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <ioas/ioas.h>

static struct ioas_pasid_space *make_space(unsigned int bits)
{
	struct ioas_pasid_space *s;

	assert_int_equal(ioas_pasid_space_create(bits, &s), 0);
	return s;
}

static struct ioas_pasid_set *make_set(struct ioas_pasid_space *s, uint32_t quota, uint32_t min,
				       uint32_t max)
{
	const struct ioas_pasid_set_config cfg = {quota, min, max, s};
	struct ioas_pasid_set *set;

	assert_int_equal(ioas_pasid_set_create(s, &cfg, &set), 0);
	assert_ptr_equal(ioas_pasid_set_owner(set), s);
	return set;
}

static int refused_set(struct ioas_pasid_space *s, uint32_t quota, uint32_t min, uint32_t max)
{
	const struct ioas_pasid_set_config cfg = {quota, min, max, NULL};
	struct ioas_pasid_set *set;

	return ioas_pasid_set_create(s, &cfg, &set);
}

static uint32_t take(struct ioas_pasid_set *set, void *data)
{
	uint32_t pasid;

	assert_int_equal(ioas_pasid_alloc(set, 0, 0, data, &pasid), 0);
	return pasid;
}

static void spaces(void **state)
{
	struct ioas_pasid_space *s;

	assert_int_equal(ioas_pasid_space_create(0, &s), -EINVAL);
	assert_int_equal(ioas_pasid_space_create(21, &s), -EINVAL);
	s = make_space(20);
	assert_int_equal(refused_set(s, 0, 0, 0), -EINVAL);
	assert_int_equal(refused_set(s, 1, 5, 4), -EINVAL);
	assert_int_equal(refused_set(s, 1, 1 << 20, 0), -EINVAL);
	assert_int_equal(refused_set(s, 11, 10, 19), -EINVAL);
	assert_int_equal(refused_set(s, 1 << 20, 0, 0), -EINVAL);
	ioas_pasid_space_destroy(s);
}

/* What the sets are promised is never more than the host has; a number is never given twice. */
static void quotas(void **state)
{
	struct ioas_pasid_space *s = make_space(11);
	struct ioas_pasid_set *a = make_set(s, 1500, 0, 0), *b;
	static uint8_t seen[2048];
	uint32_t pasid;

	memset(seen, 0, sizeof(seen));
	assert_int_equal(refused_set(s, 548, 0, 0), -ENOSPC);
	b = make_set(s, 547, 0, 0);
	for (int i = 0; i < 1500; i++) {
		pasid = take(a, NULL);
		assert_true(pasid && pasid < 2048 && !seen[pasid]++);
		if (i < 547) {
			pasid = take(b, NULL);
			assert_true(pasid && pasid < 2048 && !seen[pasid]++);
		}
	}
	assert_int_equal(ioas_pasid_alloc(a, 0, 0, NULL, &pasid), -EDQUOT);
	assert_int_equal(ioas_pasid_alloc(b, 0, 0, NULL, &pasid), -EDQUOT);
	assert_int_equal(ioas_pasid_set_resize(b, 546), -EBUSY);
	assert_int_equal(ioas_pasid_set_resize(b, 548), -ENOSPC);
	ioas_pasid_set_destroy(a);
	assert_int_equal(ioas_pasid_set_resize(b, 548), 0);
	assert_int_equal(take(b, NULL), 1);
	assert_int_equal(ioas_pasid_set_used(b), 548);
	ioas_pasid_set_destroy(b);
	a = make_set(s, 2047, 0, 0);
	ioas_pasid_set_destroy(a);
	ioas_pasid_space_destroy(s);
}

static void ranges(void **state)
{
	struct ioas_pasid_space *s = make_space(16);
	struct ioas_pasid_set *a = make_set(s, 100, 1000, 1099), *b = make_set(s, 5, 0, 0);
	uint32_t pasid;

	assert_int_equal(take(b, NULL), 1);
	assert_int_equal(ioas_pasid_alloc(b, 1020, 1026, NULL, &pasid), 0);
	assert_int_equal(pasid, 1020);
	/* Over the edge of a leaf and of a word, around what another set has. */
	for (uint32_t want = 1000; want < 1100; want++)
		if (want != 1020)
			assert_int_equal(take(a, NULL), want);
	assert_int_equal(ioas_pasid_alloc(a, 0, 0, NULL, &pasid), -ENOSPC);
	assert_int_equal(ioas_pasid_free(a, 1063), 0);
	assert_int_equal(ioas_pasid_alloc(a, 1064, 1099, NULL, &pasid), -ENOSPC);
	assert_int_equal(ioas_pasid_alloc(a, 1063, 1063, NULL, &pasid), 0);
	assert_int_equal(ioas_pasid_alloc(a, 1, 999, NULL, &pasid), -EINVAL);
	assert_int_equal(ioas_pasid_alloc(a, 1100, 0, NULL, &pasid), -EINVAL);
	assert_int_equal(ioas_pasid_alloc(b, 65535, 0, NULL, &pasid), 0);
	assert_int_equal(pasid, 65535);
	ioas_pasid_set_destroy(a);
	ioas_pasid_set_destroy(b);
	ioas_pasid_space_destroy(s);
}

/* Both guests say 101. Neither can touch what the other has. */
static void two_guests(void **state)
{
	struct ioas_pasid_space *s = make_space(20);
	struct ioas_pasid_set *a = make_set(s, 10, 0, 0), *b = make_set(s, 10, 0, 0), *who;
	uint32_t x = take(a, a), y = take(b, b), got;
	void *data;

	assert_int_equal(ioas_pasid_map_guest(a, x, 101), 0);
	assert_int_equal(ioas_pasid_map_guest(b, y, 101), 0);
	assert_int_equal(ioas_pasid_of_guest(a, 101, &got), 0);
	assert_int_equal(got, x);
	assert_int_equal(ioas_pasid_get_by_guest(b, 101, &got, &data), 0);
	assert_int_equal(got, y);
	assert_ptr_equal(data, b);
	assert_int_equal(ioas_pasid_put(b, y), 0);
	assert_int_equal(ioas_pasid_guest(a, x, &got), 0);
	assert_int_equal(got, 101);
	assert_int_equal(ioas_pasid_find(s, y, &who), 0);
	assert_ptr_equal(who, b);
	assert_int_equal(ioas_pasid_put(who, y), 0);

	assert_int_equal(ioas_pasid_free(a, y), -ENOENT);
	assert_int_equal(ioas_pasid_get(a, y, NULL), -ENOENT);
	assert_int_equal(ioas_pasid_put(a, y), -EINVAL);
	assert_int_equal(ioas_pasid_guest(a, y, &got), -ENOENT);
	assert_int_equal(ioas_pasid_map_guest(a, y, 5), -ENOENT);

	assert_int_equal(ioas_pasid_map_guest(a, x, 7), -EEXIST);
	assert_int_equal(ioas_pasid_map_guest(a, take(a, NULL), 101), -EEXIST);
	assert_int_equal(ioas_pasid_map_guest(a, x, 0), -EINVAL);
	assert_int_equal(ioas_pasid_map_guest(a, x, 1 << 20), -EINVAL);
	assert_int_equal(ioas_pasid_of_guest(a, 0, &got), -ENOENT);
	assert_int_equal(ioas_pasid_of_guest(a, UINT32_MAX, &got), -ENOENT);
	assert_int_equal(ioas_pasid_of_guest(a, 0xfffff, &got), -ENOENT);
	assert_int_equal(ioas_pasid_unmap_guest(a, 101), 0);
	assert_int_equal(ioas_pasid_unmap_guest(a, 101), -ENOENT);
	assert_int_equal(ioas_pasid_of_guest(a, 101, &got), -ENOENT);
	assert_int_equal(ioas_pasid_map_guest(a, x, 0xfffff), 0);
	assert_int_equal(ioas_pasid_free(a, x), 0);
	assert_int_equal(ioas_pasid_of_guest(a, 0xfffff, &got), -ENOENT);
	assert_int_equal(ioas_pasid_find(s, x, &who), -ENOENT);
	assert_int_equal(ioas_pasid_find(s, UINT32_MAX, &who), -ENOENT);
	ioas_pasid_set_destroy(a);
	ioas_pasid_set_destroy(b);
	ioas_pasid_space_destroy(s);
}

/* A number that was freed is nobody's until the last reference is put, and counts until then. */
static void references(void **state)
{
	struct ioas_pasid_space *s = make_space(4);
	struct ioas_pasid_set *set = make_set(s, 2, 0, 0);
	uint32_t x = take(set, &s), y;
	void *data = NULL;

	assert_int_equal(ioas_pasid_put(set, x), -EINVAL);
	assert_int_equal(ioas_pasid_get(set, x, &data), 0);
	assert_ptr_equal(data, &s);
	assert_int_equal(ioas_pasid_free(set, x), 0);
	assert_int_equal(ioas_pasid_free(set, x), -ENOENT);
	assert_int_equal(ioas_pasid_get(set, x, NULL), -ENOENT);
	y = take(set, NULL);
	assert_int_not_equal(y, x);
	assert_int_equal(ioas_pasid_alloc(set, 0, 0, NULL, &y), -EDQUOT);
	assert_int_equal(ioas_pasid_put(set, x), 0);
	assert_int_equal(ioas_pasid_put(set, x), -EINVAL);
	assert_int_equal(take(set, NULL), x);
	/* The set outlives its destruction for as long, and so does its quota. */
	assert_int_equal(ioas_pasid_get(set, x, NULL), 0);
	ioas_pasid_set_destroy(set);
	assert_int_equal(refused_set(s, 14, 0, 0), -ENOSPC);
	assert_int_equal(ioas_pasid_put(set, x), 0);
	set = make_set(s, 15, 0, 0);
	ioas_pasid_set_destroy(set);
	ioas_pasid_space_destroy(s);
}

struct ear {
	struct ear *before;
	struct ioas_pasid_freed heard;
	unsigned int times;
	bool puts, frees;
};

static void hear(void *arg, const struct ioas_pasid_freed *f)
{
	struct ear *e = arg;
	uint32_t got;

	if (e->before)
		assert_int_equal(e->times + 1, e->before->times);
	e->times++;
	assert_int_equal(ioas_pasid_get(f->set, f->pasid, NULL), -ENOENT);
	assert_int_equal(ioas_pasid_of_guest(f->set, 9, &got), -ENOENT);
	if (e->puts)
		assert_int_equal(ioas_pasid_put(f->set, f->pasid), 0);
	if (e->frees && e->times == 1)
		assert_int_equal(ioas_pasid_free(f->set, 2), 0);
	e->heard = *f;
}

static void listeners(void **state)
{
	struct ioas_pasid_space *s = make_space(8);
	struct ioas_pasid_set *set = make_set(s, 10, 0, 0);
	struct ear first = {0}, second = {.before = &first, .puts = true},
		   third = {.before = &second, .frees = true};
	const struct ioas_pasid_listener l[] = {
		{hear, &second, 5}, {hear, &first, -1}, {hear, &third, 5}};
	uint32_t x = take(set, &first), y = take(set, NULL);

	for (int i = 0; i < 3; i++)
		assert_int_equal(ioas_pasid_listen(set, &l[i]), 0);
	assert_int_equal(ioas_pasid_map_guest(set, x, 9), 0);
	assert_int_equal(ioas_pasid_get(set, x, NULL), 0);
	assert_int_equal(ioas_pasid_get(set, y, NULL), 0);
	assert_int_equal(ioas_pasid_free(set, x), 0);
	assert_int_equal(first.times, 2);
	assert_int_equal(third.times, 2);
	assert_int_equal(second.heard.pasid, y);
	assert_int_equal(third.heard.pasid, x);
	assert_int_equal(third.heard.guest, 9);
	assert_ptr_equal(third.heard.data, &first);
	assert_int_equal(ioas_pasid_set_used(set), 0);

	third = second = first = (struct ear){0};
	assert_int_equal(ioas_pasid_unlisten(set, &l[0]), 0);
	assert_int_equal(ioas_pasid_unlisten(set, &l[0]), -ENOENT);
	take(set, NULL);
	take(set, NULL);
	ioas_pasid_set_destroy(set);
	assert_int_equal(first.times, 2);
	assert_int_equal(second.times, 0);
	assert_int_equal(third.times, 2);
	ioas_pasid_space_destroy(s);
}

/* --- Beside a naive model
 * ------------------------------------------------------------------------- */

#define SETS  3
#define BITS  6
#define IDS   64
#define QUOTA 15

/* A PASID: whose (0: nobody's), what it is for its guest, how many references, is it freed. */
static struct naive {
	unsigned int set, guest, refs;
	bool freed;
} naive[IDS];
static struct ioas_pasid_set *sets[SETS + 1];

static unsigned int used_by(unsigned int set)
{
	unsigned int n = 0;

	for (int i = 0; i < IDS; i++)
		n += naive[i].set == set;
	return n;
}

static int naive_alloc(unsigned int set, unsigned int min, unsigned int max, uint32_t *pasid)
{
	if (min > max)
		return -EINVAL;
	if (used_by(set) == QUOTA)
		return -EDQUOT;
	for (unsigned int i = min; i <= max; i++) {
		if (!naive[i].set) {
			naive[i] = (struct naive){.set = set, .refs = 1};
			*pasid = i;
			return 0;
		}
	}
	return -ENOSPC;
}

static bool is_active(unsigned int set, uint32_t pasid)
{
	return naive[pasid].set == set && !naive[pasid].freed;
}

static void drop(uint32_t pasid)
{
	if (!--naive[pasid].refs)
		naive[pasid] = (struct naive){0};
}

static int naive_free(unsigned int set, uint32_t pasid)
{
	if (!is_active(set, pasid))
		return -ENOENT;
	naive[pasid].freed = true;
	naive[pasid].guest = 0;
	drop(pasid);
	return 0;
}

static int naive_put(unsigned int set, uint32_t pasid)
{
	if (naive[pasid].set != set || (!naive[pasid].freed && naive[pasid].refs == 1))
		return -EINVAL;
	drop(pasid);
	return 0;
}

static uint32_t naive_find(unsigned int set, unsigned int guest)
{
	for (uint32_t i = 0; i < IDS; i++)
		if (naive[i].set == set && guest && naive[i].guest == guest)
			return i;
	return 0;
}

static int naive_map(unsigned int set, uint32_t pasid, unsigned int guest)
{
	if (!guest)
		return -EINVAL;
	if (!is_active(set, pasid))
		return -ENOENT;
	if (naive[pasid].guest || naive_find(set, guest))
		return -EEXIST;
	naive[pasid].guest = guest;
	return 0;
}

static void compare(unsigned int set)
{
	uint32_t got;

	assert_int_equal(ioas_pasid_set_used(sets[set]), used_by(set));
	for (uint32_t i = 0; i < IDS; i++) {
		uint32_t want = naive_find(set, i);

		got = 0;
		assert_int_equal(ioas_pasid_of_guest(sets[set], i, &got), want ? 0 : -ENOENT);
		assert_int_equal(got, want);
		got = 0;
		want = is_active(set, i) ? naive[i].guest : 0;
		assert_int_equal(ioas_pasid_guest(sets[set], i, &got), want ? 0 : -ENOENT);
		assert_int_equal(got, want);
	}
}

static void one_step(unsigned int *seed)
{
	unsigned int set = 1 + rand_r(seed) % SETS, guest = rand_r(seed) % 24;
	uint32_t pasid = rand_r(seed) % IDS, other = rand_r(seed) % IDS, a = 0, b = 0;
	int rc;

	switch (rand_r(seed) % 6) {
	case 0:
		rc = ioas_pasid_alloc(sets[set], pasid, other, NULL, &a);
		assert_int_equal(rc,
				 naive_alloc(set, pasid ? pasid : 1, other ? other : IDS - 1, &b));
		assert_int_equal(a, b);
		break;
	case 1:
		assert_int_equal(ioas_pasid_free(sets[set], pasid), naive_free(set, pasid));
		break;
	case 2:
		rc = ioas_pasid_get(sets[set], pasid, NULL);
		assert_int_equal(rc, is_active(set, pasid) ? 0 : -ENOENT);
		naive[pasid].refs += !rc;
		break;
	case 3:
		assert_int_equal(ioas_pasid_put(sets[set], pasid), naive_put(set, pasid));
		break;
	case 4:
		assert_int_equal(ioas_pasid_map_guest(sets[set], pasid, guest),
				 naive_map(set, pasid, guest));
		break;
	case 5:
		a = naive_find(set, guest);
		assert_int_equal(ioas_pasid_unmap_guest(sets[set], guest), a ? 0 : -ENOENT);
		naive[a].guest = 0;
		break;
	}
	compare(set);
}

static void beside_a_model(void **state)
{
	struct ioas_pasid_space *s = make_space(BITS);
	unsigned int seed = 1;

	memset(naive, 0, sizeof(naive));
	for (int i = 1; i <= SETS; i++)
		sets[i] = make_set(s, QUOTA, 0, 0);
	for (int i = 0; i < 100000; i++)
		one_step(&seed);
	for (uint32_t i = 1; i < IDS; i++) {
		while (naive[i].refs > !naive[i].freed) {
			assert_int_equal(ioas_pasid_put(sets[naive[i].set], i), 0);
			assert_int_equal(naive_put(naive[i].set, i), 0);
		}
	}
	for (int i = 1; i <= SETS; i++)
		ioas_pasid_set_destroy(sets[i]);
	sets[1] = make_set(s, IDS - 1, 0, 0);
	ioas_pasid_set_destroy(sets[1]);
	ioas_pasid_space_destroy(s);
}

/* --- Readers beside writers
 * ----------------------------------------------------------------------- */

#define GUESTS 40u
#define FINDS  2000u

/* What a PASID's data says of it. */
struct tag {
	struct ioas_pasid_set *set;
	uint32_t guest, pasid;
};

struct crowd {
	struct ioas_pasid_space *space;
	struct ioas_pasid_set *set[2];
	struct tag tags[2][GUESTS];
	int stop;
};

struct writer {
	struct crowd *c;
	int which;
};

/* References may still be held by readers, so that a tag must stay as it is until its PASID is
 * free. */
static void come_and_go(struct crowd *c, int which, uint32_t g)
{
	struct ioas_pasid_set *set = c->set[which];
	struct tag *t = &c->tags[which][g];
	uint32_t pasid;
	int rc = ioas_pasid_alloc(set, 0, 0, t, &pasid);

	if (rc == -EDQUOT)
		return;
	assert_int_equal(rc, 0);
	__atomic_store_n(&t->pasid, pasid, __ATOMIC_RELAXED);
	assert_int_equal(ioas_pasid_map_guest(set, pasid, g + 1), 0);
	if (g & 1)
		assert_int_equal(ioas_pasid_unmap_guest(set, g + 1), 0);
	assert_int_equal(ioas_pasid_free(set, pasid), 0);
}

static void *write_much(void *arg)
{
	struct writer *w = arg;

	for (unsigned int n = 0; !__atomic_load_n(&w->c->stop, __ATOMIC_RELAXED); n++)
		come_and_go(w->c, w->which, n * 7 % GUESTS);
	return NULL;
}

static void *read_much(void *arg)
{
	struct crowd *c = arg;
	struct ioas_pasid_set *who;
	uint32_t pasid;
	void *data;

	for (unsigned int n = 0, found = 0; found < FINDS; n++) {
		uint32_t g = n % GUESTS;
		struct ioas_pasid_set *set = c->set[n / GUESTS % 2];

		if (ioas_pasid_get_by_guest(set, g + 1, &pasid, &data))
			continue;
		found++;
		assert_ptr_equal(((struct tag *)data)->set, set);
		assert_int_equal(((struct tag *)data)->guest, g);
		assert_int_equal(ioas_pasid_put(set, pasid), 0);
		if (ioas_pasid_find(c->space, pasid, &who))
			continue;
		assert_true(who == c->set[0] || who == c->set[1]);
		assert_int_equal(ioas_pasid_put(who, pasid), 0);
	}
	return NULL;
}

static void readers_and_writers(void **state)
{
	struct crowd c = {.space = make_space(10)};
	struct writer w[2] = {{&c, 0}, {&c, 1}};
	pthread_t threads[4];

	for (int i = 0; i < 2; i++) {
		c.set[i] = make_set(c.space, 20, 0, 0);
		for (uint32_t g = 0; g < GUESTS; g++)
			c.tags[i][g] = (struct tag){c.set[i], g, 0};
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, write_much, &w[i]), 0);
		assert_int_equal(pthread_create(&threads[2 + i], NULL, read_much, &c), 0);
	}
	pthread_join(threads[2], NULL);
	pthread_join(threads[3], NULL);
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ioas_pasid_set_used(c.set[i]), 0);
		ioas_pasid_set_destroy(c.set[i]);
	}
	ioas_pasid_space_destroy(c.space);
}

/* --- A device that two VMs share
 * ------------------------------------------------------------------ */

#define ARENA 0x10000ull
#define IOVA  0x40000000ull
#define GUEST 101u /* both guests' number */

struct vm {
	struct shared *world;
	struct ioas_pasid_set *set;
	uint32_t ioas, hwpt, pasid;
	char *arena;
};

struct shared {
	struct ioas_host *host;
	struct ioas_context *context;
	struct ioas_port *port;
	struct vm vm[2];
	struct ioas_fault fault;
	unsigned int faults;
};

static void note_fault(void *arg, const struct ioas_fault *f)
{
	struct shared *w = arg;

	w->fault = *f;
	w->faults++;
}

/* What a VMM does when a guest's PASID goes: nothing uses it any more. */
static void take_off(void *arg, const struct ioas_pasid_freed *f)
{
	struct vm *vm = arg;

	assert_ptr_equal(f->data, vm);
	ioas_port_detach_pasid(vm->world->port, f->pasid);
	assert_int_equal(ioas_pasid_put(f->set, f->pasid), 0);
}

static void make_tables(struct shared *w, struct vm *vm, uint32_t dev_id)
{
	struct ioas_hwpt_config cfg = {.dev_id = dev_id, .flags = IOAS_HWPT_PASID};
	uint64_t iova = IOVA;

	vm->arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(vm->arena, MAP_FAILED);
	assert_int_equal(ioas_create(w->context, &vm->ioas), 0);
	assert_int_equal(ioas_map(w->context, vm->ioas, vm->arena, ARENA,
				  IOAS_MAP_RW | IOAS_MAP_FIXED, &iova),
			 0);
	cfg.pt_id = vm->ioas;
	assert_int_equal(ioas_hwpt_alloc(w->context, &cfg, &vm->hwpt), 0);
}

/* The guest has made an address space with PASID GUEST. */
static void bind_guest(struct shared *w, struct vm *vm)
{
	const struct ioas_pasid_listener l = {take_off, vm, 0};
	uint32_t pt = vm->hwpt, pasid;

	assert_int_equal(ioas_pasid_listen(vm->set, &l), 0);
	assert_int_equal(ioas_pasid_alloc(vm->set, 0, 0, vm, &vm->pasid), 0);
	assert_int_equal(ioas_pasid_map_guest(vm->set, vm->pasid, GUEST), 0);
	assert_int_equal(ioas_pasid_get_by_guest(vm->set, GUEST, &pasid, NULL), 0);
	assert_int_equal(pasid, vm->pasid);
	assert_int_equal(ioas_port_attach_pasid(w->port, pasid, &pt), 0);
	assert_int_equal(pt, vm->hwpt);
}

static void share_device(struct shared *w)
{
	const struct ioas_host_config host = {
		.iommu = "vtd,pasid-bits=12", .ipc_lock = true, .fault = note_fault, .arg = w};
	struct ioas_context_config cfg = {0};
	uint32_t dev_id;

	*w = (struct shared){0};
	assert_int_equal(ioas_host_create(&host, &w->host, NULL, 0), 0);
	assert_int_equal(ioas_port_create(w->host, 0x100, &w->port), 0);
	assert_int_equal(ioas_port_set_pasid_bits(w->port, 21), -EINVAL);
	assert_int_equal(ioas_port_set_pasid_bits(w->port, 20), 0);
	cfg.host = w->host;
	assert_int_equal(ioas_context_open(&cfg, &w->context), 0);
	assert_int_equal(ioas_port_bind(w->port, ioas_context_file(w->context), &dev_id), 0);
	assert_int_equal(ioas_port_set_pasid_bits(w->port, 4), -EBUSY);
	for (int i = 0; i < 2; i++) {
		w->vm[i].world = w;
		w->vm[i].set = make_set(ioas_host_pasids(w->host), 10, 0, 0);
		make_tables(w, &w->vm[i], dev_id);
	}
}

static void part_ways(struct shared *w)
{
	for (int i = 0; i < 2; i++) {
		ioas_pasid_set_destroy(w->vm[i].set);
		munmap(w->vm[i].arena, ARENA);
	}
	ioas_port_unbind(w->port);
	ioas_context_close(w->context);
	ioas_host_destroy(w->host);
}

static int dma(struct shared *w, uint32_t pasid, uint64_t value)
{
	uint64_t back = 0;
	int rc;

	ioas_port_begin(w->port);
	rc = ioas_port_write_pasid(w->port, pasid, IOVA + 4096, &value, sizeof(value));
	if (!rc)
		rc = ioas_port_read_pasid(w->port, pasid, IOVA + 4096, &back, sizeof(back));
	ioas_port_end(w->port);
	assert_true(rc || back == value);
	return rc;
}

static uint64_t in_memory(const struct vm *vm)
{
	uint64_t value;

	memcpy(&value, vm->arena + 4096, sizeof(value));
	return value;
}

static void two_vms_and_one_device(void **state)
{
	struct ioas_pasid_set *who;
	struct shared w;
	uint32_t pt;

	share_device(&w);
	assert_int_equal(ioas_port_attach_pasid(w.port, 0, &w.vm[0].hwpt), -EINVAL);
	pt = w.vm[0].hwpt;
	assert_int_equal(ioas_port_attach_pasid(w.port, 1 << 12, &pt), -EINVAL);
	for (int i = 0; i < 2; i++)
		bind_guest(&w, &w.vm[i]);
	assert_int_not_equal(w.vm[0].pasid, w.vm[1].pasid);
	assert_int_equal(dma(&w, w.vm[0].pasid, 11), 0);
	assert_int_equal(dma(&w, w.vm[1].pasid, 22), 0);
	assert_int_equal(in_memory(&w.vm[0]), 11);
	assert_int_equal(in_memory(&w.vm[1]), 22);
	assert_int_equal(w.faults, 0);
	/* Without a PASID the device has no address space; another PASID is nobody's. */
	assert_int_equal(dma(&w, 0, 33), -EFAULT);
	assert_int_equal(w.fault.pasid, 0);
	assert_int_equal(dma(&w, 1000, 33), -EFAULT);
	assert_int_equal(w.fault.pasid, 1000);

	assert_int_equal(ioas_pasid_free(w.vm[0].set, w.vm[0].pasid), 0);
	assert_int_equal(dma(&w, w.vm[0].pasid, 44), -EFAULT);
	assert_int_equal(w.fault.pasid, w.vm[0].pasid);
	assert_int_equal(ioas_pasid_find(ioas_host_pasids(w.host), w.fault.pasid, &who), -ENOENT);
	assert_int_equal(dma(&w, w.vm[1].pasid, 55), 0);
	assert_int_equal(in_memory(&w.vm[0]), 11);
	assert_int_equal(in_memory(&w.vm[1]), 55);
	assert_int_equal(ioas_pasid_set_used(w.vm[0].set), 0);
	part_ways(&w);
}

static void hosts_without(void **state)
{
	struct ioas_host_config cfg = {.iommu = "riscv"};
	struct ioas_context_config on = {0};
	struct ioas_port *port;
	struct ioas_context *c;
	struct ioas_host *h;
	uint32_t pt;

	assert_int_equal(ioas_host_create(&cfg, &h, NULL, 0), 0);
	assert_null(ioas_host_pasids(h));
	assert_int_equal(ioas_port_create(h, 0x100, &port), 0);
	assert_int_equal(ioas_port_set_pasid_bits(port, 20), 0);
	assert_int_equal(ioas_port_attach_pasid(port, 5, &pt), -EINVAL);
	on.host = h;
	assert_int_equal(ioas_context_open(&on, &c), 0);
	assert_int_equal(ioas_port_bind(port, ioas_context_file(c), NULL), 0);
	assert_int_equal(ioas_create(c, &pt), 0);
	assert_true(ioas_port_attach_pasid(port, 5, &pt) < 0);
	ioas_port_unbind(port);
	ioas_context_close(c);
	ioas_host_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spaces),
		cmocka_unit_test(quotas),
		cmocka_unit_test(ranges),
		cmocka_unit_test(two_guests),
		cmocka_unit_test(references),
		cmocka_unit_test(listeners),
		cmocka_unit_test(beside_a_model),
		cmocka_unit_test(readers_and_writers),
		cmocka_unit_test(two_vms_and_one_device),
		cmocka_unit_test(hosts_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
