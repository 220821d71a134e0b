/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be told of a program from its file before it runs: whether the preload library will be
 * loaded into it, and after what. Used by the command line, and by the preload door for the
 * programs that a program starts.
 */
#ifndef IOAS_DOORS_TARGET_H
#define IOAS_DOORS_TARGET_H

struct target {
	char *path; /* found along PATH, allocated; NULL: there is none, with the reason in @err */
	int err;    /* positive errno */
	const char *cannot; /* why the door cannot reach it, in words; NULL: it can */
	char *sanitizer; /* the runtime that the door must be preceded by; NULL: none. Allocated */
};

/* @library: the preload library, which may itself need a sanitizer's runtime; NULL: not looked at.
 */
void target_look(const char *program, const char *library, struct target *t);
void target_free(struct target *t);

#endif
