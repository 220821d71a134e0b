/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records: the type, the length of the rest, thread, time, and the fields of the type. All numbers
 * are varints (7 bits in each byte, the lowest first, bit 7: more follow), signed ones zigzag
 * (0, -1, 1, -2, ...); bytes have their number before them.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "observe/json.h"
#include "observe/log.h"

#define VARINT_MAX 10

/* ---- writing ---- */

static inline uint8_t *put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *put_signed(uint8_t *p, int64_t v)
{
	return put(p, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static inline uint8_t *put_bytes(uint8_t *p, const struct log_bytes *b)
{
	p = put(p, b->len);
	if (b->len)
		memcpy(p, b->at, b->len);
	return p + b->len;
}

#define PUT_U(name) p = put(p, r->name);
#define PUT_S(name) p = put_signed(p, r->name);
#define PUT_B(name) p = put_bytes(p, &r->name);
#define ENCODER(name, number)                                                                      \
	static uint8_t *encode_##name(uint8_t *p, const struct log_##name *r)                      \
	{                                                                                          \
		LOG_FIELDS_##name(PUT_U, PUT_S, PUT_B) return p;                                   \
	}
LOG_RECORDS(ENCODER)

#define ROOM_U(name) +VARINT_MAX
#define ROOM_B(name) +VARINT_MAX + r->name.len
#define ROOM_FUNCTION(n, number)                                                                   \
	static size_t room_##n(const struct log_##n *r)                                            \
	{                                                                                          \
		return 0 LOG_FIELDS_##n(ROOM_U, ROOM_U, ROOM_B);                                   \
	}
LOG_RECORDS(ROOM_FUNCTION)

#define ROOM_CASE(n, number)                                                                       \
	case LOG_##n:                                                                              \
		return room_##n(&e->n);

/* What the fields may take. */
static size_t most(const struct log_event *e)
{
	switch (e->type) {
		LOG_RECORDS(ROOM_CASE)
	}
	return 0;
}

#define ENCODE_CASE(name, number)                                                                  \
	case LOG_##name:                                                                           \
		p = encode_##name(p, &e->name);                                                    \
		break;

size_t log_encode(void *at, size_t room, const struct log_event *e)
{
	/* The length comes before what it counts: two bytes are left for it, which hold enough. */
	uint8_t *const start = at, *const body = start + 1 + 2, *p = body;
	size_t len;

	_Static_assert(LOG_RECORD_MAX < 1 << 16, "");
	if (room < 4 + 2 * VARINT_MAX + most(e))
		return 0;
	p = put(p, e->thread);
	p = put(p, e->time);
	switch (e->type) {
		LOG_RECORDS(ENCODE_CASE)
	}
	len = (size_t)(p - body);
	start[0] = (uint8_t)e->type;
	if (len < 1 << 14) {
		start[1] = (uint8_t)(len | 0x80);
		start[2] = (uint8_t)(len >> 7);
		return len + 3;
	}
	memmove(body + 1, body, len);
	put(start + 1, len);
	return len + 4;
}

/* ---- reading ---- */

struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t get(struct cursor *c)
{
	uint64_t v = 0;

	/* A field that an older writer did not know. */
	if (c->p == c->end)
		return 0;
	for (unsigned int shift = 0; c->p < c->end && shift < 64; shift += 7) {
		uint8_t byte = *c->p++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

static int64_t get_signed(struct cursor *c)
{
	uint64_t v = get(c);

	return (int64_t)(v >> 1 ^ -(v & 1));
}

static struct log_bytes get_bytes(struct cursor *c)
{
	struct log_bytes b = {.len = get(c)};

	if (b.len > (size_t)(c->end - c->p)) {
		c->bad = true;
		return (struct log_bytes){0};
	}
	b.at = c->p;
	c->p += b.len;
	return b;
}

#define GET_U(name) r->name = get(c);
#define GET_S(name) r->name = get_signed(c);
#define GET_B(name) r->name = get_bytes(c);
#define DECODER(name, number)                                                                      \
	static void decode_##name(struct cursor *c, struct log_##name *r)                          \
	{                                                                                          \
		LOG_FIELDS_##name(GET_U, GET_S, GET_B)                                             \
	}
LOG_RECORDS(DECODER)

#define DECODE_CASE(name, number)                                                                  \
	case LOG_##name:                                                                           \
		decode_##name(c, &e->name);                                                        \
		return 1;

static int decode_body(struct cursor *c, struct log_event *e)
{
	switch (e->type) {
		LOG_RECORDS(DECODE_CASE)
	}
	return 0;
}

int log_decode(const void *at, size_t len, struct log_event *e, size_t *size)
{
	struct cursor c = {at, (const uint8_t *)at + len, false}, body;
	uint64_t type = get(&c), length = get(&c);
	int rc;

	*e = (struct log_event){0};
	if (!len || c.bad || length > (uint64_t)(c.end - c.p) || length > LOG_RECORD_MAX)
		return -EINVAL;
	*size = (size_t)(c.p - (const uint8_t *)at) + length;
	if (type > INT32_MAX)
		return 0;
	e->type = (enum log_type)type;
	body = (struct cursor){c.p, c.p + length, false};
	e->thread = get(&body);
	e->time = get(&body);
	rc = decode_body(&body, e);
	return body.bad ? -EINVAL : rc;
}

/* ---- showing ---- */

#define NAME_CASE(name, number)                                                                    \
	case LOG_##name:                                                                           \
		return #name;

const char *log_type_name(enum log_type type)
{
	switch (type) {
		LOG_RECORDS(NAME_CASE)
	}
	return "unknown";
}

/* Text where it is, hexadecimal digits otherwise. */
static void json_bytes(struct json *j, const char *key, const struct log_bytes *b)
{
	static const char digits[] = "0123456789abcdef";
	char text[512];
	size_t n = 0, i;

	for (i = 0; i < b->len && n + 3 < sizeof(text); i++) {
		text[n++] = digits[b->at[i] >> 4];
		text[n++] = digits[b->at[i] & 15];
	}
	text[n] = '\0';
	json_string(j, key, text);
}

static void json_text(struct json *j, const char *key, const struct log_bytes *b)
{
	char text[LOG_BYTES_MAX + 1];
	size_t n = min_u64(b->len, LOG_BYTES_MAX);

	if (n)
		memcpy(text, b->at, n);
	text[n] = '\0';
	json_string(j, key, text);
}

static bool is_text(const char *key)
{
	return strcmp(key, "data") != 0;
}

static bool is_address(const char *key)
{
	static const char *const keys[] = {"iova", "last", "va",  "pa",	 "start",
					   "cmd",  "arg",  "rid", "addr"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

static void show_unsigned(struct json *j, const char *key, uint64_t v)
{
	if (is_address(key) || v > 1ull << 53)
		json_hex(j, key, v);
	else
		json_number(j, key, v);
}

static void show_bytes(struct json *j, const char *key, const struct log_bytes *b)
{
	if (is_text(key))
		json_text(j, key, b);
	else
		json_bytes(j, key, b);
}

#define SHOW_U(name) show_unsigned(j, #name, r->name);
#define SHOW_S(name) json_signed(j, #name, r->name);
#define SHOW_B(name) show_bytes(j, #name, &r->name);
#define SHOWER(name, number)                                                                       \
	static void show_##name(struct json *j, const struct log_##name *r)                        \
	{                                                                                          \
		LOG_FIELDS_##name(SHOW_U, SHOW_S, SHOW_B)                                          \
	}
LOG_RECORDS(SHOWER)

#define SHOW_CASE(name, number)                                                                    \
	case LOG_##name:                                                                           \
		show_##name(j, &e->name);                                                          \
		break;

void log_json(struct json *j, const struct log_event *e)
{
	json_object(j, NULL);
	json_string(j, "type", log_type_name(e->type));
	json_number(j, "pid", e->pid);
	json_number(j, "thread", e->thread);
	json_number(j, "time", e->time);
	switch (e->type) {
		LOG_RECORDS(SHOW_CASE)
	}
	json_object_end(j);
}
