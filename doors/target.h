/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be told of a program from its file before it runs: whether the preload library will be
 * loaded into it, and after what. Used by the command line, and by the preload door for the
 * programs that a program starts. Nothing is allocated: the child of a vfork() may ask, on whose
 * heap it would stay.
 */
#ifndef IOAS_DOORS_TARGET_H
#define IOAS_DOORS_TARGET_H

#include <limits.h>

struct target {
	char path[PATH_MAX]; /* found along PATH; "": there is none, with the reason in @err */
	int err;	     /* positive errno */
	const char *cannot;  /* why the door cannot reach it, in words; NULL: it can */
	char sanitizer[64];  /* the runtime that the door must be preceded by; "": none */
};

/* @library: the preload library, which may itself need a sanitizer's runtime; NULL: not looked at.
 */
void target_look(const char *program, const char *library, struct target *t);

#endif
