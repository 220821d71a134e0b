/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names that programs gave (to themselves, to files, to functions) may hold what a terminal obeys.
 */
#ifndef IOAS_CLI_PLAIN_H
#define IOAS_CLI_PLAIN_H

#include <jansson.h>

/* Control characters of every string in @v become \xNN, in place. */
void plain_json(json_t *v);
/* The same of a text: allocated, or NULL when out of memory. */
char *plain_text(const char *text);

#endif
