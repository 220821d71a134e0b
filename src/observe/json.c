/* SPDX-License-Identifier: BSD-3-Clause */
#include "observe/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void json_init(struct json *j)
{
	*j = (struct json){0};
}

void json_free(struct json *j)
{
	ioas_free(j->text);
	json_init(j);
}

int json_error(const struct json *j)
{
	return j->failed ? -ENOMEM : 0;
}

static void append(struct json *j, const char *text, size_t len)
{
	if (j->failed)
		return;
	if (j->len + len + 1 > j->room) {
		size_t room = (j->len + len + 1) * 2 + 256;
		char *grown = ioas_realloc(j->text, room);

		if (!grown) {
			j->failed = true;
			return;
		}
		j->text = grown;
		j->room = room;
	}
	memcpy(j->text + j->len, text, len);
	j->len += len;
	j->text[j->len] = '\0';
}

/* Bytes of the character at @p beyond ASCII (RFC 3629); 0: it is none. */
static size_t utf8_len(const unsigned char *p)
{
	const size_t len = *p >= 0xc2 && *p < 0xe0   ? 2
			   : *p >= 0xe0 && *p < 0xf0 ? 3
			   : *p >= 0xf0 && *p < 0xf5 ? 4
						     : 0;

	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or beyond the last. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return len;
}

/* A byte that is no part of a character becomes one of the same number. */
static void quoted(struct json *j, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	append(j, "\"", 1);
	for (size_t len; *p; p += len) {
		const size_t wide = utf8_len(p);
		char escape[8];

		len = wide ? wide : 1;
		if (*p == '"' || *p == '\\')
			append(j, (const char[]){'\\', (char)*p}, 2);
		else if (!wide && (*p < 0x20 || *p >= 0x7f))
			append(j, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", *p));
		else
			append(j, (const char *)p, len);
	}
	append(j, "\"", 1);
}

static void begin(struct json *j, const char *key)
{
	if (j->comma)
		append(j, ",", 1);
	if (key) {
		quoted(j, key);
		append(j, ":", 1);
	}
	j->comma = true;
}

static void open_bracket(struct json *j, const char *key, const char *bracket)
{
	begin(j, key);
	append(j, bracket, 1);
	j->comma = false;
}

static void close_bracket(struct json *j, const char *bracket)
{
	append(j, bracket, 1);
	j->comma = true;
}

void json_object(struct json *j, const char *key)
{
	open_bracket(j, key, "{");
}

void json_object_end(struct json *j)
{
	close_bracket(j, "}");
}

void json_array(struct json *j, const char *key)
{
	open_bracket(j, key, "[");
}

void json_array_end(struct json *j)
{
	close_bracket(j, "]");
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	if (value)
		quoted(j, value);
	else
		append(j, "null", 4);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	char text[24];

	begin(j, key);
	append(j, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void json_signed(struct json *j, const char *key, int64_t value)
{
	char text[24];

	begin(j, key);
	append(j, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void json_hex(struct json *j, const char *key, uint64_t value)
{
	char text[24];

	begin(j, key);
	append(j, text, (size_t)snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", value));
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	append(j, value ? "true" : "false", value ? 4 : 5);
}

void json_line(struct json *j)
{
	append(j, "\n", 1);
	j->comma = false;
}
