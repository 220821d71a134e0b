/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON text, written forwards: into a buffer that grows, or not at all once memory ran out.
 *
 * Commas and quotes are put where they belong; a key is given inside of objects only (NULL inside
 * of arrays, and at the top). Numbers beyond 2^53, which addresses are, go as strings with
 * json_hex(): readers lose the low bits of such numbers otherwise.
 */
#ifndef IOAS_OBSERVE_JSON_H
#define IOAS_OBSERVE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *text; /* NUL-terminated; NULL: empty, or failed */
	size_t len, room;
	bool comma, failed;
};

void json_init(struct json *j);
void json_free(struct json *j);
/* -ENOMEM if any part is missing. */
int json_error(const struct json *j);

void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_string(struct json *j, const char *key, const char *value); /* NULL: null */
void json_number(struct json *j, const char *key, uint64_t value);
void json_signed(struct json *j, const char *key, int64_t value);
void json_hex(struct json *j, const char *key, uint64_t value); /* "0x1f" */
void json_bool(struct json *j, const char *key, bool value);
/* Between two documents of a stream of lines. */
void json_line(struct json *j);

#endif
