/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts of random MAP, UNMAP and COPY calls (fixed seeds) against a model that knows of each byte
 * of a small window which area it belongs to. Two IOASes: with bytes as the unit, and with a device
 * attached to the first and pages as the unit.
 */
#include "abi_iommufd.h"

#define WINDOW 0x100000ull
#define WINDOW_PAGES 64
#define WINDOW_BYTES (WINDOW_PAGES * 4096ull)
#define MEMORY_PAGES 64
#define MAX_AREAS 4096

/* An area of the model. `writable` is what the memory's first MAP said. */
struct area {
	uint64_t iova, len;
	uint64_t user_va;
	bool live, writable;
};

/* owner[b] is the area of byte b of the window, 0 for none. */
struct model {
	uint32_t id;
	uint16_t owner[WINDOW_BYTES];
	struct area area[MAX_AREAS];
	uint64_t unit;
};

static struct script {
	int fd;
	uint32_t seed, step;
	uint64_t state;
	uint32_t scratch;
	struct model model[2];
	bool failed;
} script;

static char *memory;

static uint64_t draw(uint64_t below)
{
	/* xorshift64* */
	script.state ^= script.state >> 12;
	script.state ^= script.state << 25;
	script.state ^= script.state >> 27;
	return (script.state * 0x2545f4914f6cdd1dull >> 16) % below;
}

static void differ(const char *what, uint64_t got, uint64_t want)
{
	abi_true(false, "seed %u, step %u, %s: got %#jx, want %#jx", script.seed, script.step, what,
		 (uintmax_t)got, (uintmax_t)want);
	script.failed = true;
}

static bool same_errno(const char *what, int got, int want)
{
	if (got == want)
		return true;
	abi_true(false, "seed %u, step %u, %s: got %s, want %s", script.seed, script.step, what,
		 abi_errno_name(got), abi_errno_name(want));
	script.failed = true;
	return false;
}

/* --- the model ------------------------------------------------------------------------------- */

static uint16_t area_at(const struct model *model, uint64_t iova)
{
	return iova - WINDOW < WINDOW_BYTES ? model->owner[iova - WINDOW] : 0;
}

static bool any_mapped(const struct model *model, uint64_t iova, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		if (area_at(model, iova + i))
			return true;
	return false;
}

static bool all_mapped(const struct model *model, uint64_t iova, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		if (!area_at(model, iova + i))
			return false;
	return true;
}

static void add_area(struct model *model, uint64_t iova, uint64_t len, uint64_t user_va,
		     bool writable)
{
	uint16_t nr = 1;

	while (model->area[nr].live)
		if (++nr == MAX_AREAS)
			abi_broken("the model is full");
	model->area[nr] = (struct area){ iova, len, user_va, true, writable };
	for (uint64_t i = 0; i < len; i++)
		model->owner[iova - WINDOW + i] = nr;
}

static void remove_area(struct model *model, uint16_t nr)
{
	struct area *area = &model->area[nr];

	memset(&model->owner[area->iova - WINDOW], 0, area->len * sizeof(model->owner[0]));
	area->live = false;
}

/* The automatic choice in the allowed list, which is the window: first fit among its gaps. */
static uint64_t choose(const struct model *model, uint64_t user_va, uint64_t len)
{
	uint64_t alignment = 1, start = 0, at;
	bool in_gap = false;

	while (alignment < len)
		alignment <<= 1;
	if (user_va && (user_va & -user_va) < alignment)
		alignment = user_va & -user_va;
	for (uint64_t i = 0; i <= WINDOW_BYTES; i++) {
		bool is_free = i < WINDOW_BYTES && !model->owner[i];

		if (is_free && !in_gap)
			start = i;
		if (!is_free && in_gap) {
			at = (WINDOW + start + alignment - 1) & -alignment;
			if (at < WINDOW + i && WINDOW + i - at >= len)
				return at;
		}
		in_gap = is_free;
	}
	return 0;
}

/* What MAP and COPY ask of a place; 0 and the place, or the errno. */
static int place(const struct model *model, bool fixed, uint64_t user_va, uint64_t len,
		 uint64_t *iova)
{
	if (!len || len % model->unit)
		return EINVAL;
	if (!fixed) {
		*iova = choose(model, user_va, len);
		return *iova ? 0 : ENOSPC;
	}
	if (*iova % model->unit)
		return EINVAL;
	return any_mapped(model, *iova, len) ? EEXIST : 0;
}

/* --- the calls ------------------------------------------------------------------------------- */

static uint64_t some_length(const struct model *model)
{
	uint64_t len = draw(4) ? (draw(8) + 1) * 4096 : draw(3 * 4096);

	return model->unit == 1 || draw(8) ? len & -model->unit : len;
}

/* In the window, so that whatever len is the range ends in it. */
static uint64_t some_iova(const struct model *model, uint64_t len)
{
	uint64_t at = draw(WINDOW_BYTES - (len < WINDOW_BYTES ? len : 0));

	if (draw(16))
		at &= draw(3) ? -4096ull : -model->unit;
	return WINDOW + at;
}

static uint32_t some_permission(void)
{
	static const uint32_t permissions[] = {
		IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE, RW, RW,
	};

	return permissions[draw(ARRAY_SIZE(permissions))];
}

static void do_map(struct model *model)
{
	uint32_t flags = some_permission() | (draw(3) ? IOMMU_IOAS_MAP_FIXED_IOVA : 0);
	bool fixed = flags & IOMMU_IOAS_MAP_FIXED_IOVA;
	uint64_t len = some_length(model), iova = fixed ? some_iova(model, len) : 0, want = iova;
	uint64_t user_va = PTR(memory) + draw(MEMORY_PAGES - 12) * 4096;
	int expect = place(model, fixed, user_va, len, &want), err;

	err = ioas_map(script.fd, model->id, flags, (void *)user_va, len, &iova);
	if (!same_errno(fixed ? "MAP" : "automatic MAP", err, expect) || err)
		return;
	if (iova != want)
		differ("iova", iova, want);
	else
		add_area(model, iova, len, user_va, flags & IOMMU_IOAS_MAP_WRITEABLE);
}

/* Removes the areas of a range as UNMAP does; the errno, and the bytes. */
static int model_unmap(struct model *model, uint64_t iova, uint64_t len, uint64_t *bytes)
{
	uint64_t last = iova + len - 1;

	*bytes = 0;
	if (!len)
		return EINVAL;
	for (uint64_t at = iova; at <= last; at++) {
		uint16_t nr = area_at(model, at);
		const struct area *area = &model->area[nr];

		if (!nr)
			continue;
		if (area->iova < iova || area->iova + area->len - 1 > last)
			return ENOENT;
		*bytes += area->len;
		remove_area(model, nr);
	}
	return *bytes ? 0 : ENOENT;
}

static void do_unmap(struct model *model)
{
	uint64_t len = some_length(model), iova = some_iova(model, len), bytes, want;
	uint16_t nr = area_at(model, iova);
	int err, expect;

	/* Mostly a whole area, or two neighbours. */
	if (nr && draw(4)) {
		iova = model->area[nr].iova;
		len = model->area[nr].len;
		nr = area_at(model, iova + len);
		if (nr && draw(2))
			len += model->area[nr].len;
	}
	expect = model_unmap(model, iova, len, &want);
	err = ioas_unmap(script.fd, model->id, iova, len, &bytes);
	if (same_errno("UNMAP", err, expect) && !err && bytes != want)
		differ("bytes", bytes, want);
}

/* Makes the pieces of a copy; EPERM if one was not writable at first. */
static int model_copy(struct model *dst, uint64_t dst_iova, const struct model *src,
		      uint64_t src_iova, uint64_t len, bool write)
{
	/* The source may be the destination: look first, change afterwards. */
	static struct area pieces[WINDOW_PAGES * 64];
	size_t n = 0;

	for (uint64_t done = 0; done < len; done += pieces[n++].len) {
		const struct area *area = &src->area[area_at(src, src_iova + done)];
		uint64_t offset = src_iova + done - area->iova, piece = area->len - offset;

		if (n == ARRAY_SIZE(pieces))
			abi_broken("too many pieces");
		if (write && !area->writable)
			return EPERM;
		if (piece > len - done)
			piece = len - done;
		pieces[n] = (struct area){ dst_iova + done, piece, area->user_va + offset, true,
					   area->writable };
		if (pieces[n].user_va % dst->unit)
			return EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		add_area(dst, pieces[i].iova, pieces[i].len, pieces[i].user_va, pieces[i].writable);
	return 0;
}

static void do_copy(struct model *src, struct model *dst)
{
	uint32_t flags = some_permission() | (draw(3) ? IOMMU_IOAS_MAP_FIXED_IOVA : 0);
	bool fixed = flags & IOMMU_IOAS_MAP_FIXED_IOVA;
	uint64_t len = some_length(dst), from = some_iova(src, len);
	uint64_t to = fixed ? some_iova(dst, len) : 0, want = to, user_va;
	int err, expect;

	/* Mostly from the start of an area. */
	if (area_at(src, from) && draw(4))
		from = src->area[area_at(src, from)].iova;
	if (area_at(src, from) && draw(2))
		len = src->area[area_at(src, from)].len;
	if (fixed && to + len > WINDOW + WINDOW_BYTES)
		want = to = WINDOW;
	user_va = src->area[area_at(src, from)].user_va + from -
		  src->area[area_at(src, from)].iova;
	/* Odd addresses: what the automatic choice makes of them is a row of iommufd_map. */
	if (!fixed && user_va % 4096)
		return;
	expect = !len ? EINVAL : !all_mapped(src, from, len) ? ENOENT : 0;
	if (!expect)
		expect = place(dst, fixed, user_va, len, &want);
	if (!expect)
		expect = model_copy(dst, want, src, from, len, flags & IOMMU_IOAS_MAP_WRITEABLE);
	err = ioas_copy(script.fd, dst->id, &to, src->id, from, len, flags);
	if (same_errno(fixed ? "COPY" : "automatic COPY", err, expect) && !err && to != want)
		differ("dst_iova", to, want);
}

/* Looks at bytes without changing anything: what is mapped can be copied, and nothing else. */
static void probe(struct model *model)
{
	uint64_t iova = WINDOW + draw(WINDOW_BYTES), to = 0;
	uint16_t nr = area_at(model, iova);
	int err;

	err = ioas_copy(script.fd, script.scratch, &to, model->id, iova, 1,
			IOMMU_IOAS_MAP_READABLE);
	same_errno("a byte looked at", err, nr ? 0 : ENOENT);
	if (!nr)
		return;
	to = 0;
	err = ioas_copy(script.fd, script.scratch, &to, model->id, model->area[nr].iova,
			model->area[nr].len, IOMMU_IOAS_MAP_READABLE);
	same_errno("an area looked at", err, 0);
	ioas_empty(script.fd, script.scratch);
}

static uint64_t model_bytes(const struct model *model)
{
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < WINDOW_BYTES; i++)
		bytes += model->owner[i] != 0;
	return bytes;
}

static void run_script(uint32_t seed, uint32_t steps)
{
	script.seed = seed;
	script.state = seed * 0x9e3779b97f4a7c15ull;
	script.failed = false;
	for (script.step = 0; script.step < steps && !script.failed; script.step++) {
		struct model *one = &script.model[draw(2)], *other = &script.model[draw(2)];
		uint64_t what = draw(16);

		if (what < 6)
			do_map(one);
		else if (what < 11)
			do_unmap(one);
		else if (what < 14)
			do_copy(one, other);
		else
			probe(one);
	}
	for (int i = 0; i < 2; i++)
		abi_equal(ioas_empty(script.fd, script.model[i].id), model_bytes(&script.model[i]));
}

static void prepare(int fd, uint32_t first, uint64_t unit, uint32_t second, uint64_t other_unit)
{
	static const struct iommu_iova_range window = { WINDOW, WINDOW + WINDOW_BYTES - 1 };

	memset(script.model, 0, sizeof(script.model));
	script.fd = fd;
	script.model[0].id = first;
	script.model[0].unit = unit;
	script.model[1].id = second;
	script.model[1].unit = other_unit;
	script.scratch = ioas_alloc_ok(fd);
	abi_errno(ioas_allow(fd, first, &window, 1), 0);
	abi_errno(ioas_allow(fd, second, &window, 1), 0);
}

static void bytes(void)
{
	uint32_t first, second;
	int fd;

	for (uint32_t seed = 1; seed <= 12; seed++) {
		if (!abi_row("MAP UNM CPY", "bytes, seed %u", seed))
			continue;
		fd = iommufd_open();
		first = ioas_alloc_ok(fd);
		second = ioas_alloc_ok(fd);
		prepare(fd, first, 1, second, 1);
		run_script(seed, 2000);
		close(fd);
	}
}

static void pages(void)
{
	struct attached attached;
	uint32_t second;

	for (uint32_t seed = 101; seed <= 106; seed++) {
		if (!abi_row("MAP UNM CPY", "a device attached, seed %u", seed) ||
		    !attached_open(&attached))
			continue;
		second = ioas_alloc_ok(attached.bound.fd);
		abi_errno(ioas_huge_pages(attached.bound.fd, second, 0), 0);
		prepare(attached.bound.fd, attached.ioas, 4096, second, 4096);
		run_script(seed, 1500);
		object_destroy_ok(attached.bound.fd, script.scratch);
		object_destroy_ok(attached.bound.fd, second);
		attached_close(&attached);
	}
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(bytes), ABI_PART(pages) };

	memory = memory_alloc(MEMORY_PAGES * abi_page);
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
