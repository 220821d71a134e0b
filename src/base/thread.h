/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the engine: no signal of the program's is ever delivered to one.
 */
#ifndef IOAS_BASE_THREAD_H
#define IOAS_BASE_THREAD_H

#include <pthread.h>

/* @name: at most 15 characters. 0 or -errno. */
int thread_start(pthread_t *t, const char *name, void *(*fn)(void *), void *arg);

#endif
