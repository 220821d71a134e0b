/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line. Each command is a function that takes its own arguments and returns the exit
 * status: 2 for a command line that is wrong, 1 for something else that failed.
 */
#ifndef IOAS_CLI_H
#define IOAS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "doors/run.h"
#include "doors/target.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_FOUND = 86, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

int cmd_run(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_makes(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_maps(int argc, char **argv);
int cmd_walk(int argc, char **argv);
int cmd_top(int argc, char **argv);

int cmd_daemon(int argc, char **argv);

/* daemon.c: ioasd, for the run of @program in @dir. daemon_start(): -1 with errno. */
uint64_t daemon_name(void);
pid_t daemon_start(const char *dir, const char *library, const char *program);
void daemon_end(pid_t pid);

/* What `ioas run` was asked for. */
struct run_request {
	struct run_config config;
	bool summary;
	const char *record; /* the file; NULL: none */
	uint64_t record_limit; /* bytes; 0: none */
	char *report, *suppressions; /* files of the sanitizer; or NULL */
	char **program; /* and its arguments, ended by NULL */
};
/* Fills @r; exits by itself on --help and on errors, as argp does. */
void request_parse(struct run_request *r, int argc, char **argv);

/*
 * request_device.c: adds the device of --device @text; 0, or -errno with a sentence in @why. Then,
 * once all are known, gives addresses to those without one.
 */
int request_add_device(struct run_config *c, const char *text, char *why, size_t why_len);
int request_place_devices(struct run_config *c, char *why, size_t why_len);

/* list.c: the keys of --limit. */
void list_limits(void);

/* rundir.c: makes the run directory, with the machine's description in it. Its path, allocated, or
 * NULL after a message. */
char *rundir_make(struct run_config *c);
void rundir_remove(const char *dir);
/* A socket for packets, @name in @dir, that knows who sends. -1 with errno. */
int rundir_listen(const char *dir, const char *name);

/* left.c: tells of processes that go on when the run of @dir ends. */
void say_left(const char *dir);

/* The preload library, beside `ioas` or in ../lib; allocated, or NULL. */
char *find_preload(void);

#endif
