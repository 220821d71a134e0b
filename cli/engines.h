/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The running engines that this user may look into, and what they are asked (observe/inspect.h).
 */
#ifndef IOAS_CLI_ENGINES_H
#define IOAS_CLI_ENGINES_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "doors/look_dir.h"

struct engine_place {
	pid_t pid;
	char path[LOOK_PATH_MAX];
};

/* Those that listen, by PID, allocated; sockets that nobody listens on any more are removed. How
 * many. */
size_t engines_list(struct engine_place **out);

/*
 * Asks the engine of @pid (0: the only one there is): a stream whose next line is the answer. NULL
 * after a message, with the exit status in *status.
 */
FILE *engines_ask(pid_t pid, const char *request, int *status);
/* The answer as a whole. NULL as above, or when it tells of an error. */
json_t *engines_answer(pid_t pid, const char *request, int *status);
/* Copies the answer to standard output. The exit status. */
int engines_print(pid_t pid, const char *request);
/* By a signal or a debugger: it answers when it goes on. */
bool engines_stopped(pid_t pid);
/* The same of one place; -1: it has gone, or is stopped. For who asks many. */
int engines_connect(const struct engine_place *place);
/* An answer on @fd; NULL: it has gone, or takes too long. */
json_t *engines_exchange(int fd, const char *request);

/* "1234" -> a PID; false, after a message of @command. */
bool engines_parse_pid(const char *command, const char *text, pid_t *pid);

/* `ioas COMMAND [--json] [PID]`: an argp parser, its input. */
struct engines_wish {
	const char *command;
	pid_t pid;
	bool json;
};
error_t engines_parse_wish(int key, char *arg, struct argp_state *state);

/* Of an answer: strings may be null (then @none), hex numbers are strings. */
const char *answer_string(const json_t *o, const char *key, const char *none);
unsigned long long answer_number(const json_t *o, const char *key);

/* "4 KiB", "1.5 GiB"; "1.2k"; "3 s", "2 min": as short as they can be. */
#define WORDS_MAX 24
const char *words_bytes(unsigned long long bytes, char out[WORDS_MAX]);
const char *words_count(double n, char out[WORDS_MAX]);
const char *words_age(unsigned long long ns, char out[WORDS_MAX]);

#endif
