/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas walk`: the way of one address, entry by entry.
 */
#include <argp.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/plain.h"

struct wish {
	pid_t pid;
	const char *device;
	unsigned long long iova, pasid;
	bool json, brief;
};

static const struct argp_option options[] = {
	{"pasid", 'p', "N", 0, "of requests with this PASID (default: without)", 0},
	{"brief", 'b', 0, 0, "leave out the stage-2 walks of the tables themselves", 0},
	{"json", 'j', 0, 0, "print JSON", 0},
	{0},
};

static bool parse_number(const char *text, unsigned long long *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return !errno && *text >= '0' && *text <= '9' && !*end;
}

static error_t parse_arg(struct wish *w, char *arg, struct argp_state *state)
{
	switch (state->arg_num) {
	case 0:
		if (!engines_parse_pid("walk", arg, &w->pid))
			exit(EXIT_USAGE);
		return 0;
	case 1:
		w->device = arg;
		return 0;
	case 2:
		if (!parse_number(arg, &w->iova))
			argp_failure(state, EXIT_USAGE, 0, "'%s' is no address", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *w = state->input;

	switch (key) {
	case 'j':
		w->json = true;
		return 0;
	case 'b':
		w->brief = true;
		return 0;
	case 'p':
		if (!parse_number(arg, &w->pasid) || w->pasid >> 20)
			argp_failure(state, EXIT_USAGE, 0, "'%s' is no PASID: give 0 to 0xfffff",
				     arg);
		return 0;
	case ARGP_KEY_ARG:
		return parse_arg(w, arg, state);
	case ARGP_KEY_END:
		if (state->arg_num < 3)
			argp_failure(
				state, EXIT_USAGE, 0,
				"give a process ID, a device such as 0000:01:00.0, and an address");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- words ---- */

static void print_entry(const json_t *e, const char *indent)
{
	const char *fault = answer_string(e, "fault", NULL);
	const char *kind = answer_string(e, "kind", "?");
	char place[64];

	snprintf(place, sizeof(place), "%s[%llu]", answer_string(e, "table", "?"),
		 answer_number(e, "index"));
	printf("%s%-10s level %llu  %-26s 0x%016llx  %-5s %s", indent,
	       answer_string(e, "format", "?"), answer_number(e, "level"), place,
	       answer_number(e, "entry"), kind, answer_string(e, "words", ""));
	if (fault && !strchr(answer_string(e, "words", ""), '('))
		printf(" (%s)", fault);
	putchar('\n');
}

static void print_below(const struct wish *w, const json_t *e)
{
	const json_t *below;
	size_t n;

	if (w->brief)
		return;
	json_array_foreach(json_object_get(e, "stage2"), n, below) print_entry(below, "      ");
}

static void print_fields(const json_t *fields)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)fields, key, value)
	{
		if (json_is_string(value) && strcmp(json_string_value(value), "0x0") != 0)
			printf(" %s=%s", key, json_string_value(value));
		else if (json_is_integer(value) && json_integer_value(value))
			printf(" %s", key);
	}
}

static void print_structure(const json_t *s)
{
	const char *fault = answer_string(s, "fault", NULL);

	printf("   %s ", answer_string(s, "name", "?"));
	if (json_is_true(json_object_get(s, "given")))
		fputs("as the VMM gave it:", stdout);
	else
		printf("at %s:", answer_string(s, "address", "?"));
	print_fields(json_object_get(s, "fields"));
	printf("%s%s\n", fault ? " " : "", fault ? fault : "");
}

static void print_way(const struct wish *w, const json_t *way)
{
	const json_t *e;
	bool data = false;
	size_t n;

	json_array_foreach(way, n, e)
	{
		if (!data && answer_number(e, "stage") == 2) {
			data = true;
			puts("   the data's own way through stage 2:");
		}
		print_below(w, e);
		if (!strcmp(answer_string(e, "kind", ""), "structure"))
			print_structure(e);
		else
			print_entry(e, "   ");
	}
}

static void print_mapping(const json_t *m)
{
	const char *path = answer_string(m, "path", NULL);

	if (json_is_null(m))
		return;
	printf("   mapping %s-%s %s: %s%s%s", answer_string(m, "iova", "?"),
	       answer_string(m, "last", "?"), answer_string(m, "permissions", "?"),
	       answer_string(m, "source", "?"), path ? " " : "", path ? path : "");
	if (path && *path != '[')
		printf(" + %s", answer_string(m, "offset", "?"));
	if (!json_is_null(json_object_get(m, "va")))
		printf(", VA %s", answer_string(m, "va", "?"));
	putchar('\n');
}

static void print_result(const json_t *r)
{
	char size[WORDS_MAX];

	printf("=> %s", answer_string(r, "text", "?"));
	if (json_object_get(r, "gpa"))
		printf(", GPA %s", answer_string(r, "gpa", "?"));
	if (json_object_get(r, "pa"))
		printf(": PA %s, %s page, %s, %s memory", answer_string(r, "pa", "?"),
		       words_bytes(answer_number(r, "size"), size),
		       answer_string(r, "permissions", "?"), answer_string(r, "memory", "?"));
	putchar('\n');
}

static void print_cache(const char *name, const json_t *c)
{
	char size[WORDS_MAX];

	if (json_is_null(c))
		return;
	printf("   %s: ", name);
	if (json_is_true(json_object_get(c, "held")))
		printf("holds the page (%s, %s)\n", words_bytes(answer_number(c, "size"), size),
		       answer_string(c, "permissions", "?"));
	else
		puts("does not hold the page");
}

static void print_walk(const struct wish *w, const json_t *a)
{
	const unsigned long long pending = answer_number(a, "pending_invalidations");

	printf("%s, requester %s", answer_string(a, "device", "?"), answer_string(a, "rid", "?"));
	if (w->pasid)
		printf(", PASID %llu", w->pasid);
	printf(", IOVA %s, %s\n", answer_string(a, "iova", "?"), answer_string(a, "iommu", "?"));
	print_way(w, json_object_get(a, "way"));
	print_result(json_object_get(a, "result"));
	print_mapping(json_object_get(a, "mapping"));
	print_cache("IOTLB", json_object_get(a, "iotlb"));
	print_cache("ATC", json_object_get(a, "atc"));
	if (pending)
		printf("   %llu invalidation%s obeyed before the next request\n", pending,
		       pending == 1 ? " is" : "s are");
}

int cmd_walk(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"PID DEVICE IOVA",
		"Show where the IOMMU leads an address of a device: every entry of the page tables on the way, decoded "
		"with the specification's names, in both stages where a guest has tables of its own, and the "
		"configuration structures that lead there. Level 0 is that of the smallest pages. Nothing changes by it: "
		"no flag is set, no fault is told.",
		NULL,
		NULL,
		NULL};
	static char name[] = "ioas walk";
	struct wish w = {0};
	char request[128];
	json_t *answer;
	int status = 0;

	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &w);
	setlocale(LC_CTYPE, "");
	if (strlen(w.device) > 15 || strpbrk(w.device, " \n")) {
		fprintf(stderr, "ioas walk: '%s' is no device\n", w.device);
		return EXIT_USAGE;
	}
	snprintf(request, sizeof(request), "walk %s %#llx %llu", w.device, w.iova, w.pasid);
	if (w.json)
		return engines_print(w.pid, request);
	answer = engines_answer(w.pid, request, &status);
	if (answer)
		plain_json(answer);
	if (answer)
		print_walk(&w, answer);
	json_decref(answer);
	return status;
}
