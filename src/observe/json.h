/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON text, written forwards: into a buffer that grows, or not at all once memory ran out.
 *
 * Commas and quotes are put where they belong; a key is given inside of objects only (NULL inside
 * of arrays, and at the top). Numbers beyond 2^53, which addresses are, go as strings with
 * json_hex(): readers lose the low bits of such numbers otherwise.
 *
 * jansson, with which the command line reads, has functions of the same names: as symbols these
 * have a prefix.
 */
#ifndef IOAS_OBSERVE_JSON_H
#define IOAS_OBSERVE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SYMBOL(name) __asm__("ioas_" #name)

struct json {
	char *text; /* NUL-terminated; NULL: empty, or failed */
	size_t len, room;
	bool comma, failed;
};

void json_init(struct json *j) JSON_SYMBOL(json_init);
void json_free(struct json *j) JSON_SYMBOL(json_free);
/* -ENOMEM if any part is missing. */
int json_error(const struct json *j) JSON_SYMBOL(json_error);

void json_object(struct json *j, const char *key) JSON_SYMBOL(json_object);
void json_object_end(struct json *j) JSON_SYMBOL(json_object_end);
void json_array(struct json *j, const char *key) JSON_SYMBOL(json_array);
void json_array_end(struct json *j) JSON_SYMBOL(json_array_end);
void json_string(struct json *j, const char *key, const char *value)
	JSON_SYMBOL(json_string); /* NULL: null */
void json_number(struct json *j, const char *key, uint64_t value) JSON_SYMBOL(json_number);
void json_signed(struct json *j, const char *key, int64_t value) JSON_SYMBOL(json_signed);
void json_hex(struct json *j, const char *key, uint64_t value) JSON_SYMBOL(json_hex); /* "0x1f" */
void json_bool(struct json *j, const char *key, bool value) JSON_SYMBOL(json_bool);
/* Between two documents of a stream of lines. */
void json_line(struct json *j) JSON_SYMBOL(json_line);

#endif
