/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page of `ioas report` without a recording, made at build time by report/build: what stands
 * before the recording and behind it. Where the build had no npm, both are empty and report_absent
 * says why.
 */
#ifndef IOAS_CLI_REPORT_TEMPLATE_H
#define IOAS_CLI_REPORT_TEMPLATE_H

extern const char report_before[], report_behind[], report_absent[];

#endif
