/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"

char *options_name(const char *text)
{
	return alloc_text(text, strcspn(text, ","));
}

/* Copies one comma-separated element, undoing doubled commas; *pp moves past it and its comma. */
static char *next_element(const char **pp)
{
	const char *p = *pp;
	char *out = ioas_malloc(strlen(p) + 1), *o = out;

	if (!out)
		return NULL;
	for (; *p; p++) {
		if (*p == ',') {
			if (p[1] != ',')
				break;
			p++;
		}
		*o++ = *p;
	}
	*o = '\0';
	*pp = *p ? p + 1 : p;
	return out;
}

static int parse_bool(const char *s, uint64_t *out)
{
	static const char *const yes[] = {"on", "yes", "true", "1"};
	static const char *const no[] = {"off", "no", "false", "0"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			*out = !strcmp(s, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_number(const char *s, bool suffix, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, 0);
	if (errno)
		return -EINVAL;
	if (!*end)
		return 0;
	unit = suffix ? strchr(units, *end & ~0x20) : NULL;
	if (!unit || end[1] || *out >> (64 - 10 * (unit - units + 1)))
		return -EINVAL;
	*out <<= 10 * (unit - units + 1);
	return 0;
}

static int parse_bdf(const char *s, uint64_t *out)
{
	unsigned int domain = 0, bus, dev, fn;
	int used = 0;

	if (sscanf(s, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &used) != 4 || s[used]) {
		domain = 0;
		used = 0;
		if (sscanf(s, "%2x:%2x.%1x%n", &bus, &dev, &fn, &used) != 3 || s[used])
			return -EINVAL;
	}
	if (dev > 31 || fn > 7)
		return -EINVAL;
	*out = (uint64_t)domain << 16 | bus << 8 | dev << 3 | fn;
	return 0;
}

static int parse_value(struct option_value *v)
{
	const struct option_key *k = v->key;
	int rc = 0;

	switch (k->type) {
	case OPTION_BOOL:
		rc = parse_bool(v->string, &v->number);
		break;
	case OPTION_NUMBER:
	case OPTION_SIZE:
		rc = parse_number(v->string, k->type == OPTION_SIZE, &v->number);
		if (!rc && (v->number < k->min || (k->max && v->number > k->max)))
			rc = -ERANGE;
		break;
	case OPTION_BDF:
		rc = parse_bdf(v->string, &v->number);
		break;
	case OPTION_STRING:
		break;
	}
	return rc;
}

static const char *type_words(enum option_type t)
{
	switch (t) {
	case OPTION_BOOL:
		return "on or off";
	case OPTION_NUMBER:
		return "a number, decimal or 0x...";
	case OPTION_SIZE:
		return "a size in bytes, with K, M, G or T if wanted";
	case OPTION_BDF:
		return "a PCI address such as 0000:01:00.0";
	default:
		return "a text";
	}
}

static int explain_value(const struct options *o, const struct option_value *v, int rc, char *why,
			 size_t why_len)
{
	if (rc == -ERANGE)
		snprintf(why, why_len, "%s: %s=%s is out of range: give %llu to %llu", o->name,
			 v->key->name, v->string, (unsigned long long)v->key->min,
			 (unsigned long long)v->key->max);
	else
		snprintf(why, why_len, "%s: %s=%s: give %s", o->name, v->key->name, v->string,
			 type_words(v->key->type));
	return -EINVAL;
}

static int explain_key(const struct options *o, const char *name, char *why, size_t why_len)
{
	size_t used = snprintf(why, why_len, "%s has no option '%s'; it has:", o->name, name);

	for (size_t i = 0; i < o->n && used < why_len; i++)
		used += snprintf(why + used, why_len - used, " %s", o->values[i].key->name);
	return -EINVAL;
}

static int set_element(struct options *o, char *element, char *why, size_t why_len)
{
	char *eq = strchr(element, '=');
	struct option_value *v = NULL;
	int rc;

	if (eq)
		*eq = '\0';
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->values[i].key->name, element))
			v = &o->values[i];
	if (!v)
		return explain_key(o, element, why, why_len);
	if (!eq && v->key->type != OPTION_BOOL) {
		snprintf(why, why_len, "%s: '%s' wants a value: %s=... (%s)", o->name, element,
			 element, type_words(v->key->type));
		return -EINVAL;
	}
	ioas_free(v->string);
	v->string = alloc_text(eq ? eq + 1 : "on", SIZE_MAX);
	if (!v->string)
		return -ENOMEM;
	v->given = true;
	rc = parse_value(v);
	return rc ? explain_value(o, v, rc, why, why_len) : 0;
}

static int set_defaults(struct options *o, const struct option_key *keys)
{
	for (size_t i = 0; i < o->n; i++) {
		struct option_value *v = &o->values[i];

		v->key = &keys[i];
		if (!keys[i].def)
			continue;
		v->string = alloc_text(keys[i].def, SIZE_MAX);
		if (!v->string)
			return -ENOMEM;
		if (parse_value(v))
			return -EINVAL;
	}
	return 0;
}

int options_parse(const char *text, const struct option_key *keys, struct options *out, char *why,
		  size_t why_len)
{
	const char *p = text;
	size_t n = 0;
	int rc = -ENOMEM;

	while (keys[n].name)
		n++;
	*out = (struct options){.n = n};
	out->values = ioas_calloc(n + 1, sizeof(*out->values));
	out->name = next_element(&p);
	if (!out->values || !out->name)
		goto fail;
	rc = set_defaults(out, keys);
	while (!rc && *p) {
		char *element = next_element(&p);

		rc = element ? set_element(out, element, why, why_len) : -ENOMEM;
		ioas_free(element);
	}
	if (!rc)
		return 0;
fail:
	if (rc == -ENOMEM)
		snprintf(why, why_len, "out of memory");
	options_free(out);
	return rc;
}

void options_free(struct options *o)
{
	for (size_t i = 0; o->values && i < o->n; i++)
		ioas_free(o->values[i].string);
	ioas_free(o->values);
	ioas_free(o->name);
	*o = (struct options){0};
}

const struct option_value *options_get(const struct options *o, const char *key)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->values[i].key->name, key))
			return &o->values[i];
	return NULL;
}

uint64_t options_number(const struct options *o, const char *key)
{
	const struct option_value *v = options_get(o, key);

	return v ? v->number : 0;
}

bool options_bool(const struct options *o, const char *key)
{
	return options_number(o, key) != 0;
}

const char *options_string(const struct options *o, const char *key)
{
	const struct option_value *v = options_get(o, key);

	return v ? v->string : NULL;
}
