/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "name,key=value,key": the options of a make or a device model.
 *
 * A make or model declares its keys in a const table; the same table parses a command line, lists
 * what there is (`ioas devices`, `ioas makes`) and words the errors.
 */
#ifndef IOAS_BASE_OPTIONS_H
#define IOAS_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_BOOL,   /* on, off, yes, no, 1, 0; the bare key means on */
	OPTION_NUMBER, /* decimal or 0x..., within [min, max] */
	OPTION_SIZE,   /* bytes, with an optional suffix K, M, G, T (powers of 1024) */
	OPTION_STRING,
	OPTION_BDF, /* [domain:]bus:device.function; value is the 16-bit requester ID, domain in bits 31:16 */
};

struct option_key {
	const char *name;
	enum option_type type;
	const char *def; /* default, as it would be written; NULL: none */
	uint64_t min, max;
	const char *help;
};

struct option_value {
	const struct option_key *key;
	uint64_t number;
	char *string; /* the text as given, or the default; NULL when neither */
	bool given;
};

struct options {
	char *name; /* the part before the first comma */
	size_t n;
	struct option_value *values; /* one for each key, in the table's order */
};

/* Splits off the name: "nvme,file=x" -> "nvme". Caller frees. NULL when out of memory. */
char *options_name(const char *text);

/**
 * options_parse() - parse @text against @keys (ended by a NULL name)
 * @why: on error receives a sentence which names the option at fault and the fix
 *
 * A comma in a value is written twice. Returns 0, -EINVAL, -ENOMEM. options_free() the result.
 */
int options_parse(const char *text, const struct option_key *keys, struct options *out, char *why,
		  size_t why_len);
void options_free(struct options *o);

/* The value of @key, which must be in the table. */
const struct option_value *options_get(const struct options *o, const char *key);
uint64_t options_number(const struct options *o, const char *key);
bool options_bool(const struct options *o, const char *key);
const char *options_string(const struct options *o, const char *key);

#endif
