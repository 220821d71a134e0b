/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON as it is written: structure, numbers, and text of any bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "observe/json.h"

static void check_text(const char *text, const char *json)
{
	struct json j;

	json_init(&j);
	json_string(&j, NULL, text);
	assert_int_equal(json_error(&j), 0);
	assert_string_equal(j.text, json);
	json_free(&j);
}

static void test_text(void **state)
{
	(void)state;
	check_text(NULL, "null");
	check_text("", "\"\"");
	check_text("a\"b\\c\n\x7f", "\"a\\\"b\\\\c\\u000a\\u007f\"");
	check_text("\xc3\xa9t\xc3\xa9", "\"\xc3\xa9t\xc3\xa9\"");
	check_text("\xe2\x82\xac\xf0\x9f\x90\xa7", "\"\xe2\x82\xac\xf0\x9f\x90\xa7\"");
	/* Cut off, alone, overlong, surrogates, beyond the last. */
	check_text("\xc3", "\"\\u00c3\"");
	check_text("\xe2\x82", "\"\\u00e2\\u0082\"");
	check_text("\xa9x", "\"\\u00a9x\"");
	check_text("\xc0\x80", "\"\\u00c0\\u0080\"");
	check_text("\xe0\x80\x80", "\"\\u00e0\\u0080\\u0080\"");
	check_text("\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"");
	check_text("\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"");
	check_text("\xff", "\"\\u00ff\"");
}

static void test_structure(void **state)
{
	struct json j;

	(void)state;
	json_init(&j);
	json_object(&j, NULL);
	json_number(&j, "n", UINT64_MAX);
	json_signed(&j, "i", -1);
	json_hex(&j, "zero", 0);
	json_hex(&j, "x", 0xabcd);
	json_bool(&j, "b", true);
	json_array(&j, "none");
	json_array_end(&j);
	json_array(&j, "some");
	json_string(&j, NULL, "a");
	json_object(&j, NULL);
	json_object_end(&j);
	json_array_end(&j);
	json_object_end(&j);
	json_line(&j);
	json_object(&j, NULL);
	json_object_end(&j);
	assert_int_equal(json_error(&j), 0);
	assert_string_equal(
		j.text,
		"{\"n\":18446744073709551615,\"i\":-1,\"zero\":\"0x0\",\"x\":\"0xabcd\",\"b\":true,"
		"\"none\":[],\"some\":[\"a\",{}]}\n{}");
	json_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_text),
					   cmocka_unit_test(test_structure)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
