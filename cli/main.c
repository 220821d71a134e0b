/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", cmd_run, "run a program on an IOMMU host that is not there"},
	{"replay", cmd_replay, "show a recording, or do it again and compare"},
	{"report", cmd_report, "make a page of a recording, to look at in a browser"},
	{"ps", cmd_ps, "show running programs: their devices, address spaces, page tables"},
	{"maps", cmd_maps, "show every mapping of a running program"},
	{"walk", cmd_walk, "show the page-table walk of an address of a running program's device"},
	{"top", cmd_top, "show the rates of running programs' devices, second by second"},
	{"devices", cmd_devices, "list the device models, with their options"},
	{"makes", cmd_makes, "list the makes of IOMMU, with their options"},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	fputs("Usage: ioas COMMAND [OPTION...]\n\nCommands:\n", to);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n`ioas COMMAND --help` says more, as does ioas(1).\n", to);
}

/* What was printed has arrived: a full disk is no success. */
static int finish(int status)
{
	const bool failed = ferror(stdout), lost = fflush(stdout);

	if (!failed && !lost)
		return status;
	fprintf(stderr, "ioas: cannot write the output: %s\n", strerror(lost ? errno : EIO));
	return status ? status : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return finish(commands[i].run(argc - 1, argv + 1));
	/* Not for people: what --shared starts. */
	if (!strcmp(argv[1], "daemon") && getenv(RUN_DAEMON_ENV))
		return cmd_daemon(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("ioas " IOAS_VERSION);
		return 0;
	}
	fprintf(stderr, "ioas: there is no command '%s'\n", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
