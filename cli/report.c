/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas report`: a page of a recording, to be looked at in a browser.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/report_data.h"
#include "cli/report_page.h"
#include "cli/report_template.h"

struct report_request {
	const char *recording;
	char *page;
};

static const struct argp_option options[] = {
	{"output", 'o', "PAGE", 0,
	 "write the page there; - is standard output (default: FILE.html)", 0},
	{0},
};

static const char doc[] =
	"Make a page of a recording of `ioas run --record FILE`: what was mapped over time, DMA, faults, latencies and what the "
	"sanitizer found. The page is one file; it needs a browser and nothing else.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report_request *r = state->input;

	switch (key) {
	case 'o':
		free(r->page);
		r->page = strdup(arg);
		return r->page ? 0 : ENOMEM;
	case ARGP_KEY_ARG:
		if (r->recording)
			argp_error(state, "one recording at a time; '%s' is another one", arg);
		r->recording = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which recording? `ioas run --record FILE` makes one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int say_absent(void)
{
	fprintf(stderr, "ioas report: this ioas was built without the page: %s\n", report_absent);
	return EXIT_FAILED;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A page that could not be written whole is removed, if it is a plain file. */
static int write_page(const struct report_request *q, const struct report *r)
{
	const bool out = !strcmp(q->page, "-");
	FILE *to = out ? stdout : fopen(q->page, "w");
	struct stat st;
	int rc;

	if (!to) {
		fprintf(stderr, "ioas report: cannot write %s: %s\n", q->page, strerror(errno));
		return EXIT_FAILED;
	}
	rc = report_page_write(to, r, base_name(q->recording), size_of(q->recording));
	if ((out ? fflush(to) : fclose(to)) && !rc)
		rc = -errno;
	if (!rc)
		return 0;
	fprintf(stderr, "ioas report: cannot write %s: %s\n", q->page, strerror(-rc));
	if (!out && !stat(q->page, &st) && S_ISREG(st.st_mode))
		unlink(q->page);
	return EXIT_FAILED;
}

static int make_page(const struct report_request *q, struct log *log)
{
	struct report r;
	int status = EXIT_FAILED;

	if (report_gather(&r, log))
		fputs("ioas report: out of memory\n", stderr);
	else
		status = write_page(q, &r);
	report_free(&r);
	return status;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp argp = {options, parse, "FILE", doc, NULL, NULL, NULL};
	struct report_request q = {0};
	char why[256], name[] = "ioas report";
	struct log *log;
	int status;

	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &q))
		return EXIT_FAILED;
	if (*report_absent)
		return say_absent();
	if (!q.page && asprintf(&q.page, "%s.html", q.recording) < 0)
		return EXIT_FAILED;
	if (log_open(q.recording, &log, why, sizeof(why))) {
		fprintf(stderr, "ioas report: %s: %s\n", q.recording, why);
		free(q.page);
		return EXIT_FAILED;
	}
	status = make_page(&q, log);
	log_close(log);
	free(q.page);
	return status;
}
