/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/plain.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes at @s a terminal could obey: C0 and DEL are one, C1 two in UTF-8. */
static size_t control(const unsigned char *s)
{
	if (*s < 0x20 || *s == 0x7f)
		return 1;
	return *s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0 ? 2 : 0;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (control((const unsigned char *)text))
			return false;
	return true;
}

char *plain_text(const char *text)
{
	char *out = malloc(4 * strlen(text) + 1), *to = out;

	if (!out)
		return NULL;
	while (*text) {
		size_t n = control((const unsigned char *)text);

		if (!n)
			*to++ = *text++;
		for (; n; n--)
			to += sprintf(to, "\\x%02x", (unsigned char)*text++);
	}
	*to = '\0';
	return out;
}

static void plain_string(json_t *v)
{
	char *text;

	if (is_plain(json_string_value(v)))
		return;
	text = plain_text(json_string_value(v));
	json_string_set(v, text ? text : "?");
	free(text);
}

/* As deep as the answer, whose depth jansson bounds. */
void plain_json(json_t *v)
{
	const char *key;
	json_t *member;
	size_t n;

	if (json_is_string(v))
		plain_string(v);
	json_array_foreach(v, n, member) plain_json(member);
	json_object_foreach(v, key, member) plain_json(member);
}
