/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This process's engine for those that look (`ioas ps` and the like): a Unix socket named by the
 * process ID, and a thread that answers.
 *
 * The socket lies in $XDG_RUNTIME_DIR/ioas, or where that is not to be had in /tmp/ioas-UID; the
 * folder is the user's own and closed to others. A connection carries requests, a line each
 * (observe/inspect.h), and answers, a line each. Only the user who started the process, and root,
 * are answered. What goes wrong here is nobody's business: then there is nothing to look at.
 *
 * The thread has fds of its own, so that what comes and goes in serving a client never takes a
 * number of the program's; and no client keeps it for longer than a piece of an answer takes.
 */
#ifndef IOAS_DOORS_PRELOAD_INSPECT_H
#define IOAS_DOORS_PRELOAD_INSPECT_H

struct engine;

/* Once, when the engine is there. */
void looking_start(struct engine *e);
/* The process ends. */
void looking_end(void);
void looking_fork_child(void);

#endif
