/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page of `ioas report`: the template with what was gathered, in the container that
 * report/src/recording.js describes.
 */
#ifndef IOAS_CLI_REPORT_PAGE_H
#define IOAS_CLI_REPORT_PAGE_H

#include <stdint.h>
#include <stdio.h>

struct report;

/* @name: the recording's, for people; @size: its bytes. -ENOMEM, -EIO. */
int report_page_write(FILE *to, const struct report *r, const char *name, uint64_t size);

#endif
