/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas replay`: shows a recording, or does again what it holds and compares.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "doors/machine.h"
#include "observe/json.h"
#include "observe/log.h"
#include "observe/replay.h"

enum { OPT_DUMP = 256, OPT_JSON };

static const struct argp_option options[] = {
	{"dump", OPT_DUMP, 0, 0, "print each record as a line, and replay nothing", 0},
	{"json", OPT_JSON, 0, 0,
	 "print JSON, one object on a line: each record, or each difference and the result", 0},
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

/* ---- replaying ---- */

#define DIFFERENCES_SHOWN 10
#define PATIENCE	  60 /* seconds for one call */

/* What is being done, for who kills us when it takes too long. */
static char doing[256];

static void too_long(int sig)
{
	static const char text[] = "ioas: this does not come back: ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0 &&
	    write(STDERR_FILENO, doing, strlen(doing)) > 0 && write(STDERR_FILENO, "\n", 1) > 0)
		_exit(EXIT_USAGE);
	_exit(EXIT_USAGE);
}

static void on_step(void *arg, const char *what)
{
	snprintf(doing, sizeof(doing), "%s", what);
	alarm(PATIENCE);
}

struct showing {
	bool json;
	uint64_t shown;
};

static void on_difference(void *arg, const char *text)
{
	struct showing *s = arg;
	struct json j;

	if (s->json) {
		json_init(&j);
		json_object(&j, NULL);
		json_string(&j, "difference", text);
		json_object_end(&j);
		puts(json_error(&j) ? "{}" : j.text);
		json_free(&j);
	} else if (s->shown++ < DIFFERENCES_SHOWN) {
		puts(text);
	} else if (s->shown == DIFFERENCES_SHOWN + 1) {
		puts("...");
	}
}

/*
 * The device as it is configured, but without files: what is in them is not looked at, and they may
 * be somebody's. What gave a size gives another one.
 */
static char *without_files(const char *text)
{
	const size_t room = 3 * strlen(text) + 64;
	char *out = malloc(room), *to = out;

	for (const char *p = text, *end; to && *p; p = end) {
		const size_t first = *p == ',';

		for (end = p + first; *end && (*end != ',' || end[1] == ','); end++)
			end += *end == ',';
		if (first && !strncmp(p, ",file", 5) && memchr(p, '=', (size_t)(end - p))) {
			const int digits = (int)strcspn(p + 5, "=");
			char size[32];

			snprintf(size, sizeof(size), ",size%.*s=", digits, p + 5);
			if (!strstr(text, size))
				to += sprintf(to, "%s64M", size);
		} else {
			memcpy(to, p, (size_t)(end - p));
			to += end - p;
		}
	}
	if (to)
		*to = '\0';
	return out;
}

static int read_machine(struct log *l, struct run_config *c)
{
	struct log_event e;
	int rc = -ENOENT;

	while (rc == -ENOENT && log_next(l, &e) == 1)
		if (e.type == LOG_machine) {
			char *text = strndup((const char *)e.machine.text.at, e.machine.text.len);

			rc = text ? run_config_parse(c, text, true) : -ENOMEM;
			free(text);
		}
	log_rewind(l);
	for (size_t i = 0; !rc && i < c->nr_devices; i++) {
		char *text = without_files(c->devices[i].text);

		if (!text)
			return -ENOMEM;
		free(c->devices[i].text);
		c->devices[i].text = text;
	}
	return rc;
}

/* Models do nothing: what they did is recorded. */
static int no_thread(void *arg, pthread_t *t, const char *name, void *(*fn)(void *), void *fn_arg)
{
	return -EAGAIN;
}

static void add_result(struct replay_result *sum, const struct replay_result *one)
{
	const uint64_t *from = (const uint64_t *)one;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < offsetof(struct replay_result, lost_at) / sizeof(*to); i++)
		to[i] += from[i];
	if (one->lost_at < sum->lost_at)
		sum->lost_at = one->lost_at;
}

static int replay_process(struct replay *r, size_t n, const struct run_config *c,
			  struct replay_result *sum)
{
	static const struct pci_host_ops pci_ops = {.thread_start = no_thread};
	const struct machine_config cfg = {
		.memory_ops = &replay_memory_ops,
		.memory_arg = r,
		.tracked = true,
		.pci_ops = &pci_ops,
	};
	struct replay_result one;
	struct machine m;
	char why[512];
	int rc = machine_create(c, &cfg, &m, why, sizeof(why));

	if (rc) {
		fprintf(stderr, "ioas: cannot build the machine: %s\n", why);
		return rc;
	}
	rc = replay_run(r, n, m.host, &one);
	add_result(sum, &one);
	machine_destroy(&m);
	return rc;
}

static void say(uint64_t n, const char *what)
{
	if (n)
		printf("%" PRIu64 " %s\n", n, what);
}

static void print_result(const struct replay_result *s, bool ended)
{
	printf("%" PRIu64 " calls, %" PRIu64 " DMA transfers replayed; %" PRIu64 " of %" PRIu64
	       " answers differ\n",
	       s->calls, s->transfers, s->differ, s->answers);
	say(s->raced,
	    "answers differ of what ran beside calls that changed what it met: not counted");
	say(s->ambiguous, "calls failed beside calls that changed what they met: not replayed");
	say(s->unfinished,
	    "calls and transfers were not over when the recording ended: not replayed");
	say(s->nested,
	    "transfers went by a guest's tables, whose contents are not recorded: not replayed");
	say(s->asked, "transfers waited for an answer to a page request: not replayed");
	say(s->vanished, "transfers met memory that had gone without a call: not compared");
	say(s->queues, "calls on queues of page requests and of events for guests: not replayed");
	say(s->strangers,
	    "transfers of devices that are not in the machine's description: not replayed");
	say(s->remote, "calls came from other processes, of whose memory nothing is recorded");
	if (s->lost_at != UINT64_MAX)
		printf("at %" PRIu64 ".%09" PRIu64
		       " s records are missing: not replayed from there on\n",
		       s->lost_at / 1000000000, s->lost_at % 1000000000);
	if (!ended)
		puts("the recording has no end: `ioas run` was killed, or the file was cut off");
}

static void print_result_json(const struct replay_result *s, bool ended)
{
	struct json j;

	json_init(&j);
	json_object(&j, NULL);
	json_number(&j, "calls", s->calls);
	json_number(&j, "transfers", s->transfers);
	json_number(&j, "answers", s->answers);
	json_number(&j, "differ", s->differ);
	json_number(&j, "raced", s->raced);
	json_number(&j, "ambiguous", s->ambiguous);
	json_number(&j, "unfinished", s->unfinished);
	json_number(&j, "nested", s->nested);
	json_number(&j, "asked", s->asked);
	json_number(&j, "vanished", s->vanished);
	json_number(&j, "queues", s->queues);
	json_number(&j, "strangers", s->strangers);
	json_number(&j, "remote", s->remote);
	json_bool(&j, "complete", s->lost_at == UINT64_MAX);
	json_bool(&j, "ended", ended);
	json_object_end(&j);
	puts(json_error(&j) ? "{}" : j.text);
	json_free(&j);
}

/* Why it cannot be replayed at all; NULL: it can. */
static const char *obstacle(const struct log *l)
{
	const struct log_state s = log_state(l);

	if (s.no_machine)
		return "the beginning is damaged: it does not say of which machine it is";
	if (s.begins_later)
		return "its beginning had to go (--record-limit): what came before is not known";
	if (s.missing)
		return "chunks in the middle are missing";
	return NULL;
}

static int replay_all(struct log *l, const char *file, bool json)
{
	struct replay_result sum = {.lost_at = UINT64_MAX};
	struct showing showing = {.json = json};
	struct replay_config cfg = {.differs = on_difference, .step = on_step, .arg = &showing};
	struct run_config c = {0};
	const char *why = obstacle(l);
	struct replay *r = NULL;
	int rc;

	if (why) {
		fprintf(stderr, "ioas: %s cannot be replayed: %s\n", file, why);
		return EXIT_USAGE;
	}
	rc = read_machine(l, &c);
	cfg.annotations = run_sanitizes(&c);
	if (!rc)
		rc = replay_create(l, &cfg, &r);
	signal(SIGALRM, too_long);
	for (size_t n = 0; !rc && replay_pid(r, n); n++)
		rc = replay_process(r, n, &c, &sum);
	alarm(0);
	if (rc)
		fprintf(stderr, "ioas: %s cannot be replayed: %s\n", file, strerror(-rc));
	else if (json)
		print_result_json(&sum, replay_has_end(r));
	else
		print_result(&sum, replay_has_end(r));
	if (r)
		replay_destroy(r);
	run_config_free(&c);
	if (rc || sum.lost_at != UINT64_MAX)
		return EXIT_USAGE;
	return sum.differ ? EXIT_FAILED : 0;
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
	status = r.dump ? dump(l, r.json) : replay_all(l, r.file, r.json);
	log_close(l);
	return status;
}
