/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas maps`: every mapping, printed as it comes, for there may be millions.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/plain.h"

static const struct argp_option options[] = {
	{"iova", 'i', "ADDRESS", 0, "only what holds this address of devices'", 0},
	{"json", 'j', 0, 0, "print JSON", 0},
	{"va", 'v', "ADDRESS", 0, "only what holds this address of the program's", 0},
	{0},
};

struct wish {
	struct engines_wish common; /* first: engines_parse_wish() takes it for all there is */
	const char *only;	    /* "iova", "va"; NULL: everything */
	uint64_t address;
};

static uint64_t parse_address(const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (!errno && *text && !*end && *text != '-')
		return value;
	fprintf(stderr, "ioas maps: '%s' is no address\n", text);
	exit(EXIT_USAGE);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *w = state->input;

	if (key != 'i' && key != 'v')
		return engines_parse_wish(key, arg, state);
	if (w->only) {
		fputs("ioas maps: one address at a time\n", stderr);
		exit(EXIT_USAGE);
	}
	w->only = key == 'i' ? "iova" : "va";
	w->address = parse_address(arg);
	return 0;
}

static void print_source(const json_t *m)
{
	const char *path = answer_string(m, "path", NULL);

	fputs(answer_string(m, "source", "?"), stdout);
	if (path)
		printf(" %s", path);
	if (path && *path != '[')
		printf(" + %#llx", answer_number(m, "offset"));
	if (!json_is_null(json_object_get(m, "va")))
		printf(", VA %s", answer_string(m, "va", "?"));
	putchar('\n');
}

static void print_head(void)
{
	printf("%-8s %-37s %9s %-4s %8s %6s  %s\n", "SPACE", "IOVA", "SIZE", "MAY", "AGE", "USED",
	       "WHAT");
}

static void print_mapping(const json_t *m)
{
	char space[WORDS_MAX], range[48], size[WORDS_MAX], age[WORDS_MAX] = "-",
							   uses[WORDS_MAX] = "-";

	if (json_is_null(json_object_get(m, "ioas")))
		snprintf(space, sizeof(space), "%llu", answer_number(m, "context"));
	else
		snprintf(space, sizeof(space), "%llu/%llu", answer_number(m, "context"),
			 answer_number(m, "ioas"));
	snprintf(range, sizeof(range), "%#llx-%#llx", answer_number(m, "iova"),
		 answer_number(m, "last"));
	if (!json_is_null(json_object_get(m, "age_ns"))) {
		words_age(answer_number(m, "age_ns"), age);
		words_count((double)answer_number(m, "uses"), uses);
	}
	printf("%-8s %-37s %9s %-4s %8s %6s  ", space, range,
	       words_bytes(answer_number(m, "length"), size), answer_string(m, "permissions", "?"),
	       age, uses);
	print_source(m);
}

/* Up to and with @text. */
static bool skip_behind(FILE *f, const char *text)
{
	size_t n = 0;
	int c;

	while (text[n] && (c = getc(f)) != EOF && c != '\n')
		n = c == text[n] ? n + 1 : c == text[0];
	return !text[n];
}

/* The next element of the array: it ends with a brace, though not every brace ends it. */
struct element {
	char *text, *more;
	size_t len, room, more_room;
};

static bool make_room(struct element *e, size_t len)
{
	char *grown;

	if (len <= e->room)
		return true;
	grown = realloc(e->text, 2 * len);
	if (!grown)
		return false;
	e->text = grown;
	e->room = 2 * len;
	return true;
}

static json_t *next_element(FILE *f, struct element *e)
{
	json_t *m = NULL;
	ssize_t n;

	e->len = 0;
	while (!m && (n = getdelim(&e->more, &e->more_room, '}', f)) > 0) {
		if (!make_room(e, e->len + (size_t)n))
			return NULL;
		memcpy(e->text + e->len, e->more, (size_t)n);
		e->len += (size_t)n;
		m = json_loadb(e->text, e->len, 0, NULL);
	}
	return m;
}

/* One by one; *n counts them. False: the answer ended in the middle of them. */
static bool print_elements(FILE *f, size_t *n)
{
	struct element e = {0};
	bool more = true;
	int c = getc(f);

	for (; more && c != ']'; c = getc(f)) {
		json_t *m;

		if (c != ',')
			ungetc(c, f);
		m = next_element(f, &e);
		more = m;
		if (m && !(*n)++)
			print_head();
		if (m)
			plain_json(m);
		if (m)
			print_mapping(m);
		json_decref(m);
	}
	free(e.text);
	free(e.more);
	return more;
}

static int print_maps(const struct wish *w, const char *request)
{
	int status = 0;
	size_t n = 0;
	FILE *f = engines_ask(w->common.pid, request, &status);

	if (!f)
		return status;
	if (!skip_behind(f, "\"mappings\":[")) {
		fputs("ioas: the process gave no answer\n", stderr);
		status = EXIT_FAILED;
	} else if (!print_elements(f, &n)) {
		fputs("ioas: the process ended, or takes too long to answer\n", stderr);
		status = EXIT_FAILED;
	} else if (!n && w->only) {
		fprintf(stderr, "ioas maps: no mapping holds %s %#" PRIx64 "\n",
			*w->only == 'i' ? "IOVA" : "VA", w->address);
		status = EXIT_FAILED;
	} else if (!n) {
		print_head();
	}
	fclose(f);
	return status;
}

int cmd_maps(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"[PID]",
		"Show every mapping of a program that runs under `ioas run`: its address space (the context of `ioas "
		"ps`, and the IOAS), its IOVAs, what devices may do there, and the memory behind it. Age and uses are "
		"known where `ioas run --track` or --sanitize watches.",
		NULL,
		NULL,
		NULL};
	static char name[] = "ioas maps";
	struct wish w = {.common.command = "maps"};
	char request[64] = "maps";

	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &w);
	if (w.only)
		snprintf(request, sizeof(request), "maps %s %#" PRIx64, w.only, w.address);
	return w.common.json ? engines_print(w.common.pid, request) : print_maps(&w, request);
}
