/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the DMA sanitizer finds in this process, on its way to `ioas run`.
 *
 *   findings.c       collects: without a lock and without waiting, for devices find things within
 *                    their sections. Findings that differ in nothing but the address are one, with
 *                    a count.
 *   findings_send.c  sends what was collected, as JSON lines over a socket of the run directory: a
 *                    thread of its own, and whoever ends the process.
 *
 * A process sends at most FINDINGS_MAX different ones, and says how many it left out.
 */
#ifndef IOAS_DOORS_PRELOAD_FINDINGS_H
#define IOAS_DOORS_PRELOAD_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "observe/finding.h"

struct abi_file;
struct host;
struct memory_mm;
struct requester;
struct sanitizer;

/* With the door: stacks are taken and free() is heard of, if the run asks for the sanitizer. */
void findings_init(void);
/* With the engine: when the run asks for the sanitizer, makes one for @h. 0 or -errno. */
int findings_start(struct host *h);
/* That one; NULL: there is none. */
struct sanitizer *findings_sanitizer(void);
/* The process ends, or (not @exit) becomes another program: what was found is sent. */
void findings_end(bool exit);
void findings_fork_child(void);

/* Where the program is in its call, on this thread or in another process; 0: in none. */
stack_id findings_stack(void);
/* This thread of the program's stores to registers of @r's device. Cheap without a sanitizer. */
void findings_note_store(const struct requester *r);
/* The same by a write on the device's file. */
void findings_note_write(struct abi_file *f);

/* A heap's block of a process (NULL: this one) is about to be freed. */
void findings_freed(const struct memory_mm *mm, uint64_t va, uint64_t len);

/* With --sanitize=abort: this thread found something (door_thread.found), and now holds nothing
 * that others wait for. The process ends here. */
void findings_settle(void);

/* ---- between the two files ---- */

#define FINDINGS_MAX  4096
#define FINDINGS_TEXT 1600

struct found {
	uint64_t key;	/* 0: free; what makes it one */
	uint64_t count; /* and how much of that was told */
	uint64_t told;
	int pid;	  /* who called, or has the device work */
	int tid;	  /* who found it; 0: a thread of the engine's */
	struct finding f; /* its strings are in @text */
	char text[FINDINGS_TEXT];
};

struct findings {
	struct found found[FINDINGS_MAX]; /* open addressing, by key */
	uint32_t order[FINDINGS_MAX];	  /* index + 1, as they came */
	uint32_t nr, sent;
	uint64_t lost; /* and how many of those were told */
	uint64_t told_lost;
	uint32_t bell; /* a futex: something is to be sent */
};
extern struct findings *findings;

/* Connects, and starts the thread. 0 or -errno; without it findings go to the log in short. */
int findings_send_start(void);
/* Sends all there is. */
void findings_send(void);
/* Wakes the thread. */
void findings_ring(void);
void findings_send_fork_child(void);

#endif
