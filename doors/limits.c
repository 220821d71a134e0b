/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"

const struct option_key limit_keys[] = {
	{.name = "memlock",
	 .type = OPTION_STRING,
	 .help = "memory to lock: the program's own RLIMIT_MEMLOCK (real), or so many bytes"},
	{.name = "entries",
	 .type = OPTION_NUMBER,
	 .min = 1,
	 .max = UINT32_MAX,
	 .help = "mappings of a type1 container (vfio_iommu_type1.dma_entry_limit; Linux: 65535)"},
	{.name = "aperture",
	 .type = OPTION_NUMBER,
	 .min = 20,
	 .max = 64,
	 .help = "width of IOVAs in bits, such as 39"},
	{.name = "pgsizes",
	 .type = OPTION_STRING,
	 .help = "pages of the IOMMU, such as 4K or 4K+2M: the others are not used"},
	{.name = "reserved",
	 .type = OPTION_STRING,
	 .help = "IOVAs START-LAST, such as 0x8000000-0x80fffff, that cannot be mapped; several with a + between"},
	{.name = "pasids",
	 .type = OPTION_NUMBER,
	 .max = PASID_BITS,
	 .help = "width of PASIDs in bits; 0: none"},
	{.name = "dirty", .type = OPTION_BOOL, .help = "off: the IOMMU does not track dirty pages"},
	{.name = "ats", .type = OPTION_BOOL, .help = "off: the IOMMU knows neither ATS nor PRI"},
	{.name = "fds",
	 .type = OPTION_NUMBER,
	 .min = 8,
	 .max = 1u << 30,
	 .help = "open files (RLIMIT_NOFILE)"},
	{0},
};

void limits_init(struct run_limits *l)
{
	*l = (struct run_limits){.pasid_bits = -1, .dirty = -1, .ats = -1};
}

bool limit_bytes(const char *text, uint64_t *out)
{
	static const struct option_key keys[] = {{"n", OPTION_SIZE, NULL, 0, 0, ""}, {0}};
	char line[64], why[256];
	struct options o;

	if ((size_t)snprintf(line, sizeof(line), "x,n=%s", text) >= sizeof(line) ||
	    options_parse(line, keys, &o, why, sizeof(why)))
		return false;
	*out = options_number(&o, "n");
	options_free(&o);
	return true;
}

static int parse_memlock(struct run_limits *l, const char *value, char *why, size_t why_len)
{
	if (!strcmp(value, "real")) {
		l->memlock = RUN_MEMLOCK_REAL;
	} else if (limit_bytes(value, &l->memlock_bytes)) {
		l->memlock = RUN_MEMLOCK_BYTES;
	} else {
		snprintf(why, why_len,
			 "memlock=%s: give memlock=real or memlock=BYTES, such as memlock=8M",
			 value);
		return -EINVAL;
	}
	return 0;
}

/* Calls @fn for each part of @value between plus signs. */
static int each_part(struct run_limits *l, const char *value,
		     int (*fn)(struct run_limits *l, const char *part))
{
	char *copy = strdup(value), *save = NULL;
	int rc = copy ? 0 : -ENOMEM;

	if (copy && !*copy)
		rc = -EINVAL;
	for (char *part = copy ? strtok_r(copy, "+", &save) : NULL; part && !rc;
	     part = strtok_r(NULL, "+", &save))
		rc = fn(l, part);
	free(copy);
	return rc;
}

static int add_page_size(struct run_limits *l, const char *part)
{
	uint64_t size;

	if (!limit_bytes(part, &size) || !is_pow2(size))
		return -EINVAL;
	l->iommu.page_sizes |= size;
	return 0;
}

static int parse_page_sizes(struct run_limits *l, const char *value, char *why, size_t why_len)
{
	int rc;

	l->iommu.page_sizes = 0;
	rc = each_part(l, value, add_page_size);
	if (!rc && (l->iommu.page_sizes & PAGE_SIZE))
		return 0;
	if (rc != -ENOMEM)
		snprintf(
			why, why_len,
			"pgsizes=%s: give powers of two with a + between, 4K among them, such as 4K+2M",
			value);
	return rc ? rc : -EINVAL;
}

static int add_reserved(struct run_limits *l, const char *part)
{
	struct iommu_limits *i = &l->iommu;
	struct iommu_region r = {.what = "which --limit reserved= reserves"};
	char *end;

	r.start = strtoull(part, &end, 0);
	if (end == part || *end != '-')
		return -EINVAL;
	part = end + 1;
	r.last = strtoull(part, &end, 0);
	if (end == part || *end || r.start > r.last || !is_aligned(r.start, PAGE_SIZE) ||
	    (r.last & PAGE_MASK) != PAGE_MASK)
		return -EINVAL;
	if (i->nr_reserved == IOMMU_LIMIT_REGIONS)
		return -E2BIG;
	i->reserved[i->nr_reserved++] = r;
	return 0;
}

static int parse_reserved(struct run_limits *l, const char *value, char *why, size_t why_len)
{
	int rc = each_part(l, value, add_reserved);

	if (rc == -E2BIG)
		snprintf(why, why_len, "reserved=%s: at most %d ranges", value,
			 IOMMU_LIMIT_REGIONS);
	else if (rc == -EINVAL)
		snprintf(
			why, why_len,
			"reserved=%s: give START-LAST of whole pages of 4096 bytes, such as 0x8000000-0x80fffff",
			value);
	return rc == -E2BIG ? -EINVAL : rc;
}

static int take(struct run_limits *l, const struct options *o, char *why, size_t why_len)
{
	int rc = 0;

	if (options_get(o, "entries")->given)
		l->entries = (unsigned int)options_number(o, "entries");
	if (options_get(o, "aperture")->given)
		l->iommu.aperture = (unsigned int)options_number(o, "aperture");
	if (options_get(o, "pasids")->given)
		l->pasid_bits = (int)options_number(o, "pasids");
	if (options_get(o, "dirty")->given)
		l->dirty = options_bool(o, "dirty");
	if (options_get(o, "ats")->given)
		l->ats = options_bool(o, "ats");
	if (options_get(o, "fds")->given)
		l->fds = options_number(o, "fds");
	if (options_get(o, "memlock")->given)
		rc = parse_memlock(l, options_string(o, "memlock"), why, why_len);
	if (!rc && options_get(o, "pgsizes")->given)
		rc = parse_page_sizes(l, options_string(o, "pgsizes"), why, why_len);
	if (!rc && options_get(o, "reserved")->given)
		rc = parse_reserved(l, options_string(o, "reserved"), why, why_len);
	return rc;
}

int limits_parse(struct run_limits *l, const char *text, char *why, size_t why_len)
{
	struct options o;
	char *line;
	int rc;

	if (!*text) {
		snprintf(why, why_len,
			 "give KEY=VALUE, such as entries=65535; `--limit help` lists the keys");
		return -EINVAL;
	}
	snprintf(why, why_len, "out of memory");
	if (asprintf(&line, "limit,%s", text) < 0)
		return -ENOMEM;
	rc = options_parse(line, limit_keys, &o, why, why_len);
	free(line);
	if (rc)
		return rc;
	rc = take(l, &o, why, why_len);
	options_free(&o);
	return rc;
}

static bool has_key(const struct iommu_make *make, const char *key)
{
	for (const struct option_key *k = make->keys; k && k->name; k++)
		if (!strcmp(k->name, key))
			return true;
	return false;
}

/* @text with ",key=value" behind it, if the make knows the key; what it does not know it has not
 * got. */
static char *add_option(char *text, const struct iommu_make *make, const char *key,
			const char *value)
{
	char *more = NULL;

	if (!text || !has_key(make, key))
		return text;
	if (asprintf(&more, "%s,%s=%s", text, key, value) < 0)
		more = NULL;
	free(text);
	return more;
}

char *limits_make_options(const struct run_limits *l, const char *iommu)
{
	char *name = options_name(iommu), *text = strdup(iommu), bits[8];
	const struct iommu_make *make = name ? iommu_make_find(name) : NULL;

	ioas_free(name);
	if (!make)
		return text;
	snprintf(bits, sizeof(bits), "%d", l->pasid_bits);
	if (l->pasid_bits >= 0)
		text = add_option(text, make, "pasid-bits", bits);
	if (l->dirty >= 0)
		text = add_option(text, make, "dirty", l->dirty ? "on" : "off");
	if (l->ats >= 0)
		text = add_option(text, make, "ats", l->ats ? "on" : "off");
	if (l->ats == 0)
		text = add_option(text, make, "pri", "off");
	return text;
}
