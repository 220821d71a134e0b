/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every store form that a compiler or a C library emits, into the mapped BAR of a test device, and
 * the same form into memory beside it: afterwards both must hold the same, and what the instruction
 * leaves in registers and flags must be the same.
 *
 * The device (1b36:10f0) stores what is written below 0x8000, each byte in its place, and logs each
 * write as it saw it: at 0x8000 how many there were, from 0x8008 the last 256 of them. An access to
 * a naturally aligned register must arrive as one write; wider ones may arrive in pieces of up to 8
 * bytes, but never in pieces smaller than the aligned words they cover.
 */
#include "stores.h"
#include "vfio_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#define VENDOR	    0x1b36
#define DEVICE	    0x10f0
#define REGS	    0x8000u
#define LOG_COUNT   0x8000u
#define LOG_ENTRIES 0x8008u
#define LOG_LEN	    256u
#define GUARD	    64u /* bytes looked at on either side of what a form writes */

struct log_entry {
	uint32_t offset, size;
	uint64_t value;
};

static struct vfio v;
static volatile uint8_t *bar;
static uint8_t *shadow, *background;

static volatile uint32_t *word(uint32_t at)
{
	return (volatile uint32_t *)(bar + at);
}

/* A number that is different in every byte of every place. */
static uint32_t pattern(uint32_t at)
{
	return at * 2654435761u ^ 0x5bd1e995u;
}

static void log_clear(void)
{
	*word(LOG_COUNT) = 0;
}

static struct log_entry log_entry(uint32_t n)
{
	uint32_t at = LOG_ENTRIES + n % LOG_LEN * sizeof(struct log_entry);

	return (struct log_entry){.offset = *word(at),
				  .size = *word(at + 4),
				  .value = *word(at + 8) | (uint64_t)*word(at + 12) << 32};
}

/* The words that a form at AT may touch, and a guard on either side. */
static void window(uint32_t at, uint32_t size, uint32_t *first, uint32_t *end)
{
	*first = (at > GUARD ? at - GUARD : 0) & ~3u;
	*end = at + size + GUARD < REGS ? (at + size + GUARD + 3) & ~3u : REGS;
}

static void prepare(uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i += 4) {
		uint32_t value = pattern(i);

		*word(i) = value;
		memcpy(shadow + i, &value, 4);
		memcpy(background + i, &value, 4);
	}
	log_clear();
}

static void content_is_right(uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i += 4) {
		uint32_t want, got = *word(i);

		memcpy(&want, shadow + i, 4);
		if (!abi_true(got == want, "word %#x is %#x, want %#x", i, got, want))
			return;
	}
}

/* What the device saw, in the order in which it saw it, makes the same of the background. */
static void log_is_right(uint32_t first, uint32_t end, uint32_t at, uint32_t size)
{
	uint32_t n = *word(LOG_COUNT);

	if (n > LOG_LEN)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct log_entry e = log_entry(i);

		if (!abi_true(e.size && e.size <= 8 && e.offset >= at &&
				      e.offset + e.size <= at + size,
			      "write %u is of %u bytes at %#x", i, e.size, e.offset))
			return;
		memcpy(background + e.offset, &e.value, e.size);
	}
	abi_true(!memcmp(background + first, shadow + first, end - first),
		 "the %u writes that the device saw do not add up", n);
}

/* An access of up to 8 bytes to a register of its own size is one write. */
static void one_write(uint32_t at, uint32_t size)
{
	uint32_t n = *word(LOG_COUNT);
	struct log_entry e = log_entry(0);
	uint64_t want = 0;

	memcpy(&want, shadow + at, size);
	abi_true(n == 1 && e.offset == at && e.size == size && e.value == want,
		 "%u writes, the first of %u bytes at %#x: %#jx", n, e.size, e.offset,
		 (uintmax_t)e.value);
}

/* Nothing is broken below words. */
static void whole_words(void)
{
	uint32_t n = *word(LOG_COUNT);

	for (uint32_t i = 0; i < n && i < LOG_LEN; i++) {
		struct log_entry e = log_entry(i);

		abi_true(!(e.offset % 4) && !(e.size % 4), "write %u is of %u bytes at %#x", i,
			 e.size, e.offset);
	}
}

static void try_form(const struct store_form *form, uint32_t at)
{
	const uint64_t value = 0x8899aabbccddeeffull - at * 0x0101010101010101ull;
	uint32_t first, end;
	uint64_t here, there;

	if (!abi_row("13.6.mmap", "%s at %#x", form->name, at))
		return;
	window(at, form->size, &first, &end);
	prepare(first, end);
	there = form->store(shadow + at, value);
	here = form->store((void *)(bar + at), value);
	abi_equal(here, there);
	content_is_right(first, end);
	log_is_right(first, end, at, form->size);
	if (form->flags & STORE_ONE && !(at % form->size))
		one_write(at, form->size);
	if (form->flags & STORE_WORDS && !(at % 4))
		whole_words();
}

/* Aligned, misaligned, across words, cache lines and pages, and at the ends. */
static void forms(enum vfio_road road)
{
	size_t n;
	const struct store_form *all = store_forms(&n);

	for (size_t i = 0; i < n; i++) {
		const struct store_form *f = &all[i];
		const uint32_t places[] = {0x1000,
					   0x1001,
					   0x1003,
					   0x1004,
					   0x1007,
					   0x1008,
					   0x1040 - f->size / 2,
					   0x2000 - f->size,
					   0x2000 - f->size / 2,
					   0x2000 - 1,
					   0,
					   REGS - f->size};

		if (f->supported && !f->supported()) {
			if (road == ROAD_TYPE1V2 && abi_row("13.6.mmap", "%s", f->name))
				abi_skip("this CPU has it not");
			continue;
		}
		for (size_t k = 0; k < ARRAY_SIZE(places); k++)
			if (!(places[k] % f->align) && places[k] + f->size <= REGS)
				try_form(f, places[k]);
	}
}

/* ---- the C library ---- */

static void *(*volatile libc_memcpy)(void *, const void *, size_t) = memcpy;
static void *(*volatile libc_memmove)(void *, const void *, size_t) = memmove;
static void *(*volatile libc_memset)(void *, int, size_t) = memset;
static char *(*volatile libc_stpcpy)(char *, const char *) = stpcpy;

static void try_library(const char *name, uint32_t at, uint32_t size,
			void (*call)(uint8_t *p, uint32_t size))
{
	uint32_t first, end;

	if (!abi_row("13.6.mmap", "%s of %u bytes at %#x", name, size, at))
		return;
	window(at, size, &first, &end);
	prepare(first, end);
	call(shadow + at, size);
	call((uint8_t *)(uintptr_t)(bar + at), size);
	content_is_right(first, end);
	log_is_right(first, end, at, size);
}

static uint8_t *source(void)
{
	static uint8_t bytes[2 * PAGE];

	for (size_t i = 0; !bytes[1] && i < sizeof(bytes); i++)
		bytes[i] = i * 7 + 1;
	return bytes;
}

static void call_memcpy(uint8_t *p, uint32_t size)
{
	libc_memcpy(p, source(), size);
}

static void call_memcpy_odd(uint8_t *p, uint32_t size)
{
	libc_memcpy(p, source() + 3, size);
}

static void call_memset(uint8_t *p, uint32_t size)
{
	libc_memset(p, 0xa7, size);
}

static void call_memmove_up(uint8_t *p, uint32_t size)
{
	libc_memmove(p + size / 3, p, size - size / 3);
}

static void call_memmove_down(uint8_t *p, uint32_t size)
{
	libc_memmove(p, p + size / 3, size - size / 3);
}

static void call_stpcpy(uint8_t *p, uint32_t size)
{
	char *text = malloc(size);

	memset(text, 'x', size);
	text[size - 1] = '\0';
	libc_stpcpy((char *)p, text);
	free(text);
}

static void library(void)
{
	static const struct {
		const char *name;
		void (*call)(uint8_t *p, uint32_t size);
	} calls[] = {
		{"memcpy", call_memcpy},
		{"memcpy from an odd place", call_memcpy_odd},
		{"memset", call_memset},
		{"memmove up", call_memmove_up},
		{"memmove down", call_memmove_down},
		{"stpcpy", call_stpcpy},
	};
	static const uint32_t sizes[] = {1,   2,   3,	4,   5,	  7,   8,   9,	 12,   15,   16,
					 17,  24,  31,	32,  33,  48,  63,  64,	 65,   96,   127,
					 128, 129, 200, 255, 256, 257, 511, 513, 1000, 2049, 8000};
	static const uint32_t places[] = {0x1000, 0x1001, 0x1ff8};

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			for (size_t k = 0; k < ARRAY_SIZE(places); k++)
				try_library(calls[c].name, places[k], sizes[s], calls[c].call);
}

/* ---- what is not one instruction ---- */

static void registers_survive(void)
{
	char why[64];

	if (abi_row("13.6.mmap", "a store leaves all registers as they were"))
		abi_true(store_keeps_registers((void *)(bar + 0x1000), why), "%s", why);
}

#define THREADS 4u
#define ROUNDS	500u

static void *bump(void *arg)
{
	uint32_t own = 0x1100 + 4 * (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 1; i <= ROUNDS; i++) {
		*word(own) = i;
		__atomic_fetch_add((uint32_t *)(uintptr_t)(bar + 0x1000), 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t id[THREADS];

	if (!abi_row("13.6.mmap", "locked adds of several threads"))
		return;
	*word(0x1000) = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&id[i], NULL, bump, (void *)i))
			abi_broken("pthread_create");
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	abi_equal(*word(0x1000), THREADS * ROUNDS);
	for (uint32_t i = 0; i < THREADS; i++)
		abi_equal(*word(0x1100 + 4 * i), ROUNDS);
}

static void on_road(enum vfio_road road)
{
	void *va;

	vfio_open(&v, road, vfio_named(VENDOR, DEVICE));
	pci_set_command(v.device, PCI_COMMAND_MEMORY);
	va = mmap(NULL, LOG_COUNT + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v.device, 0);
	if (va == MAP_FAILED)
		abi_broken("mmap of BAR 0: %s", strerror(errno));
	bar = va;
	forms(road);
	library();
	registers_survive();
	threads();
	munmap(va, LOG_COUNT + 2 * PAGE);
	vfio_close(&v);
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
	static const struct abi_part parts[] = {ABI_PART(by_group), ABI_PART(by_cdev)};
	size_t n;

	if (!store_forms(&n))
		abi_cannot_run("the store forms are known for x86-64 only");
	if (!vfio_named(VENDOR, DEVICE))
		abi_cannot_run("there is no test device %04x:%04x", VENDOR, DEVICE);
	shadow = shared_pages(REGS);
	background = shared_pages(REGS);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
