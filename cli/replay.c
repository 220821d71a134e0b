/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas replay`: shows a recording, or does again what it holds and compares.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "observe/json.h"
#include "observe/log.h"

enum { OPT_DUMP = 256, OPT_JSON };

static const struct argp_option options[] = {
	{"dump", OPT_DUMP, 0, 0, "print each record as a line, and replay nothing", 0},
	{"json", OPT_JSON, 0, 0, "print JSON, one object on a line", 0},
	{0},
};

static const char doc[] =
	"Make the calls and the DMA of a recording (ioas run --record) again, on a fresh machine of the same kind, and compare "
	"every answer. The exit status is 0 when all were the same, 1 when some differ, 2 when FILE cannot be replayed.\v"
	"Examples:\n"
	"  ioas run --record run.log -- ./my-driver\n"
	"  ioas replay run.log\n"
	"  ioas replay --dump run.log | less\n";

struct request {
	const char *file;
	bool dump, json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case OPT_DUMP:
		r->dump = true;
		break;
	case OPT_JSON:
		r->json = true;
		break;
	case ARGP_KEY_ARG:
		if (r->file)
			argp_error(state, "one file at a time");
		r->file = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which file?");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The line without what makes it JSON: "1.000123456 42/1 map space=1 iova=0x1000 ..." */
static void print_plain(const struct log_event *e, const char *json)
{
	const char *p = strstr(json, "\"time\":");
	bool quoted = false;

	printf("%" PRIu64 ".%09" PRIu64 " %" PRIu32 "/%" PRIu64 " %s", e->time / 1000000000,
	       e->time % 1000000000, e->pid, e->thread, log_type_name(e->type));
	p = p ? strpbrk(p, ",}") : NULL;
	for (; p && *p && (quoted || *p != '}'); p++) {
		if (quoted && *p == '\\' && p[1]) {
			putchar(*p++);
			putchar(*p);
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (quoted || (*p != ',' && *p != ':')) {
			putchar(*p);
		} else {
			putchar(*p == ',' ? ' ' : '=');
		}
	}
	putchar('\n');
}

static void print_state(const struct log *l)
{
	const struct log_state s = log_state(l);

	if (s.no_machine)
		fputs("ioas: the beginning is damaged: it does not say of which machine it is\n",
		      stderr);
	if (s.begins_later)
		fputs("ioas: it begins in the middle of the run: the older records had to go (--record-limit)\n",
		      stderr);
	if (s.missing)
		fprintf(stderr, "ioas: %" PRIu64 " chunks in the middle are missing\n", s.missing);
	if (s.malformed)
		fprintf(stderr, "ioas: a part of %" PRIu64 " chunks cannot be read\n", s.malformed);
	if (s.unknown)
		fprintf(stderr,
			"ioas: %" PRIu64 " records are of types that this version does not know\n",
			s.unknown);
}

static int dump(struct log *l, bool json)
{
	struct log_event e;
	struct json j;

	json_init(&j);
	while (log_next(l, &e) == 1) {
		log_json(&j, &e);
		if (json_error(&j))
			break;
		if (json)
			puts(j.text);
		else
			print_plain(&e, j.text);
		json_free(&j);
	}
	json_free(&j);
	print_state(l);
	return ferror(stdout) ? EXIT_FAILED : 0;
}

int cmd_replay(int argc, char **argv)
{
	static const struct argp argp = {options, parse, "FILE", doc, NULL, NULL, NULL};
	static char name[] = "ioas replay";
	struct request r = {0};
	char why[256];
	struct log *l;
	int status;

	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &r);
	if (log_open(r.file, &l, why, sizeof(why))) {
		fprintf(stderr, "ioas: %s: %s\n", r.file, why);
		return EXIT_USAGE;
	}
	status = dump(l, r.json);
	log_close(l);
	return status;
}
