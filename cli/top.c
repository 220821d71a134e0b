/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas top`: the rates of all devices, on the whole terminal or line by line.
 */
#include <argp.h>
#include <curses.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/rates.h"

struct wish {
	pid_t pid;
	bool batch, json, idle; /* idle: show devices that nothing is attached to */
	long rounds;		/* 0: for ever */
	double delay;
};

enum { OPT_BATCH = 'b' };

static const struct argp_option options[] = {
	{"batch", 'b', 0, 0, "print plain text, a table each time, without taking the terminal", 0},
	{"json", 'j', 0, 0, "print what was counted as JSON, an array of processes each time", 0},
	{"rounds", 'n', "N", 0, "end after so many times", 0},
	{"delay", 'd', "SECONDS", 0, "from one time to the next (default: 1)", 0},
	{"all", 'a', 0, 0, "show devices too that nobody uses", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *w = state->input;
	char *end;

	switch (key) {
	case OPT_BATCH:
		w->batch = true;
		return 0;
	case 'j':
		w->json = true;
		return 0;
	case 'a':
		w->idle = true;
		return 0;
	case 'n':
		w->rounds = strtol(arg, &end, 10);
		if (*end || w->rounds < 1)
			argp_failure(state, EXIT_USAGE, 0, "-n %s: give a number", arg);
		return 0;
	case 'd':
		w->delay = strtod(arg, &end);
		if (*end || !(w->delay >= 0.05 && w->delay <= 3600))
			argp_failure(state, EXIT_USAGE, 0, "-d %s: give 0.05 to 3600 seconds", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one process at a time; '%s' is another one", arg);
		else if (!engines_parse_pid("top", arg, &w->pid))
			exit(EXIT_USAGE);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- lines ---- */

struct line {
	char text[256];
};

static const char *percent(const struct rates_device *d, char out[WORDS_MAX])
{
	const double all = d->rate[RATE_TRANSLATIONS];

	if (all > 0)
		snprintf(out, WORDS_MAX, "%.1f%%", 100 - 100 * fmin(d->rate[RATE_MISSES] / all, 1));
	else
		snprintf(out, WORDS_MAX, "-");
	return out;
}

static void head_line(struct line *l)
{
	snprintf(l->text, sizeof(l->text),
		 "%7s %-12s %-12s %-10s %9s %7s %7s %8s %7s %11s %11s %7s %7s", "PID", "PROGRAM",
		 "DEVICE", "MODEL", "MAPPED", "MAP/s", "UNMAP/s", "XLATE/s", "IOTLB", "READ/s",
		 "WRITTEN/s", "FAULT/s", "INV/s");
}

static void device_line(const struct rates_device *d, struct line *l)
{
	char w[9][WORDS_MAX];

	snprintf(l->text, sizeof(l->text),
		 "%7d %-12.12s %-12.12s %-10.10s %9s %7s %7s %8s %7s %11s %11s %7s %7s", d->pid,
		 d->program, d->name, d->model, words_bytes(d->mapped_bytes, w[0]),
		 words_count(round(d->rate[RATE_MAPS]), w[1]),
		 words_count(round(d->rate[RATE_UNMAPS]), w[2]),
		 words_count(round(d->rate[RATE_TRANSLATIONS]), w[3]), percent(d, w[4]),
		 words_bytes((unsigned long long)d->rate[RATE_READ], w[5]),
		 words_bytes((unsigned long long)d->rate[RATE_WRITTEN], w[6]),
		 words_count(round(d->rate[RATE_FAULTS]), w[7]),
		 words_count(round(d->rate[RATE_INVALIDATIONS]), w[8]));
}

static bool is_shown(const struct wish *w, const struct rates_device *d)
{
	return w->idle || d->context;
}

static void pause_for(double seconds)
{
	const struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};

	nanosleep(&t, NULL);
}

/* ---- line by line ---- */

static void print_json(const struct rates *r)
{
	json_dumpf(r->answers, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	fflush(stdout);
}

static void print_table(const struct wish *w, struct rates *r)
{
	struct line l;

	rates_sort(r, NR_RATES);
	head_line(&l);
	puts(l.text);
	for (size_t n = 0; n < r->n; n++) {
		if (!is_shown(w, &r->devices[n]))
			continue;
		device_line(&r->devices[n], &l);
		puts(l.text);
	}
	fflush(stdout);
}

/* The first table shows rates, too: there is a look before it. */
static int run_batch(const struct wish *w)
{
	struct rates r = {0};

	if (!w->json) {
		rates_look(&r, w->pid);
		pause_for(w->delay);
	}
	for (long n = 0; !w->rounds || n < w->rounds; n++) {
		if (n)
			pause_for(w->delay);
		rates_look(&r, w->pid);
		if (w->json)
			print_json(&r);
		else
			print_table(w, &r);
	}
	rates_free(&r);
	return 0;
}

/* ---- the whole terminal ---- */

static const struct sort_key {
	char key;
	enum rate by;
	const char *name;
} sort_keys[] = {
	{'p', NR_RATES, "process"},	{'m', RATE_MAPS, "maps"},
	{'u', RATE_UNMAPS, "unmaps"},	{'t', RATE_TRANSLATIONS, "translations"},
	{'r', RATE_READ, "bytes read"}, {'w', RATE_WRITTEN, "bytes written"},
	{'f', RATE_FAULTS, "faults"},	{'i', RATE_INVALIDATIONS, "invalidations"},
};

struct screen {
	struct wish wish;
	struct rates rates;
	const struct sort_key *sort;
	size_t top; /* devices above the first that is shown */
};

static size_t nr_shown(const struct screen *s)
{
	size_t n = 0;

	for (size_t k = 0; k < s->rates.n; k++)
		n += is_shown(&s->wish, &s->rates.devices[k]);
	return n;
}

static void draw_devices(struct screen *s)
{
	size_t skip = s->top;
	struct line l;
	int row = 3;

	for (size_t n = 0; n < s->rates.n && row < LINES - 1; n++) {
		const struct rates_device *d = &s->rates.devices[n];

		if (!is_shown(&s->wish, d))
			continue;
		if (skip) {
			skip--;
			continue;
		}
		device_line(d, &l);
		if (d->rate[RATE_FAULTS] > 0)
			attron(A_BOLD);
		mvaddnstr(row++, 0, l.text, COLS);
		attroff(A_BOLD);
	}
}

static void draw(struct screen *s)
{
	const size_t shown = nr_shown(s);
	char text[256];
	struct line l;

	if (s->top >= shown)
		s->top = shown ? shown - 1 : 0;
	rates_sort(&s->rates, s->sort->by);
	erase();
	snprintf(text, sizeof(text), "ioas top: %zu processes, %zu devices in use, by %s",
		 json_array_size(s->rates.answers), shown, s->sort->name);
	mvaddnstr(0, 0, text, COLS);
	head_line(&l);
	attron(A_REVERSE);
	mvaddnstr(2, 0, l.text, COLS);
	attroff(A_REVERSE);
	draw_devices(s);
	mvaddnstr(
		LINES - 1, 0,
		"q quit  a all devices  sort: p process m maps u unmaps t translations r read w written f faults i invalidations",
		COLS);
	refresh();
}

/* False: that was all. */
static bool obey(struct screen *s, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'a':
		s->wish.idle = !s->wish.idle;
		return true;
	case 'L' & 0x1f:
		clearok(curscr, TRUE);
		return true;
	case KEY_DOWN:
		s->top++;
		return true;
	case KEY_UP:
		s->top -= s->top > 0;
		return true;
	default: /* KEY_RESIZE: LINES and COLS are right already */
		break;
	}
	for (size_t n = 0; n < sizeof(sort_keys) / sizeof(sort_keys[0]); n++)
		if (key == sort_keys[n].key)
			s->sort = &sort_keys[n];
	return true;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Until it is time to look again. False: that was all. */
static bool wait_for_keys(struct screen *s)
{
	const double until = seconds() + s->wish.delay;
	double left;

	while ((left = until - seconds()) > 0) {
		int key;

		timeout((int)(left * 1000) + 1);
		key = getch();
		if (key == ERR)
			continue;
		if (!obey(s, key))
			return false;
		draw(s);
	}
	return true;
}

/* Also terminals that have a description, and no way to put text in its place (TERM=dumb). */
static bool screen_begin(void)
{
	const char *move;

	if (setupterm(NULL, STDOUT_FILENO, &(int){0}) != OK)
		return false;
	move = tigetstr("cup");
	return move && move != (const char *)-1 && newterm(NULL, stdout, stdin);
}

static int run_screen(const struct wish *w)
{
	struct screen s = {.wish = *w, .sort = &sort_keys[0]};
	bool more = true;

	if (!screen_begin()) {
		fprintf(stderr, "ioas top: this terminal cannot be used: try --batch\n");
		return EXIT_FAILED;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	for (long n = 0; more && (!w->rounds || n < w->rounds); n++) {
		rates_look(&s.rates, w->pid);
		draw(&s);
		more = wait_for_keys(&s);
	}
	endwin();
	rates_free(&s.rates);
	return 0;
}

int cmd_top(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"[PID]",
		"Show what the devices of programs that run under `ioas run` do, second by second: maps and unmaps of the "
		"address space that they use, translations and how many the IOTLB answered, bytes moved, faults, "
		"invalidations.",
		NULL,
		NULL,
		NULL};
	static char name[] = "ioas top";
	struct wish w = {.delay = 1};

	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &w);
	setlocale(LC_ALL, "");
	if (w.batch || w.json)
		return run_batch(&w);
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		fprintf(stderr, "ioas top: standard output is no terminal: try --batch\n");
		return EXIT_USAGE;
	}
	return run_screen(&w);
}
