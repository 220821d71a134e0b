/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's process serves others.
 *
 * One thread (serve.c) waits for the sockets of all files of the engine's: for a process that has
 * such a file and wants a channel, and for the end of the file. Each channel has a thread of its own
 * (session.c), which carries out calls with a caller (caller_remote.c) that asks the client for what
 * it needs. What belongs to a client's process, whatever its threads, is its peer (peer.c): its
 * address space and its accounts. A peer lives until its last channel has gone, and its memory until
 * nobody has anything of it pinned.
 */
#ifndef IOAS_DOORS_SHARED_SERVE_H
#define IOAS_DOORS_SHARED_SERVE_H

#include "abi/caller.h"
#include "doors/files.h"
#include "doors/preload/status.h"
#include "doors/shared/channel.h"
#include "memory/memory.h"

struct engine;

/* Why ASK_SHARED was asked: what maps it here. */
struct shared_file {
	uint64_t dev, ino;
	int fd;	      /* hidden; or -1 */
	char *alias;  /* the file from offset on, mapped here */
	uint64_t offset, len;
};
#define PEER_FILES 64

struct peer {
	uint32_t refs; /* sessions, and the mm */
	uint64_t incarnation;
	int pid, uid;
	unsigned int sessions; /* under the peers' lock */
	struct memory_mm *mm;
	struct memory_account *accounts[2]; /* user, process */
	bool interested;		    /* something of it has been mapped */
	pthread_mutex_t lock;		    /* what follows */
	struct peer_change *changes;
	struct shared_file files[PEER_FILES];
	unsigned int next_file;
	struct peer *next;
};

struct session {
	struct channel ch;
	struct peer *peer;
	struct caller caller;
	struct abi_file *later[4]; /* references to put when the call is over */
	stack_id stack; /* of the call, with --sanitize */
	struct {
		uint32_t theirs; /* the client's number for it */
		stack_id ours;
	} stacks[256]; /* seen before */
	struct session *next; /* of all; under their lock */
};

/* serve.c */
void serve_init(void);
/*
 * Another process gets at our files, or may: there is a thread from now on, if there are files. A
 * program that keeps them to itself has none. Cheap.
 */
void serve_others(void);
/*
 * An fd was closed. If that was the end of a file, it is over when this returns, though the thread may
 * have looked at the file just then. Not inside the engine.
 */
void serve_settle(void);
/* Accept channels of a daemon's clients on @listener too. */
int serve_listen(int listener);
void serve_fork_child(void);

/* session.c: takes over the fds. */
void session_start(const struct hello *hello, int pid, int uid, int sock, int pages);
/* Waits for calls of clients that have been killed in their middle: what they held is free then. */
void sessions_reap(void);
void sessions_fork_child(void);
/* The session that this thread is; NULL. */
struct session *session_here(void);
void session_put_later(struct session *s, struct abi_file *f);
/* Asks the client the question in the page; the answer, or -EPIPE. */
long session_ask(struct session *s, enum ask_kind kind, uint64_t a, uint64_t b, uint64_t c);

/* peer.c */
struct peer *peer_get(const struct hello *hello, int pid, int uid);
/* A session of it ends. */
void peer_leave(struct peer *p);
void peer_set_limit(struct peer *p, uint64_t bytes);
void peer_release(void *arg);
void peers_fork_child(void);
/* A process that is ending, or has just now; 0: none is. */
int peers_ending(void);
/* Adds what this process's engine has pinned of the process @pid, this one or a client's. */
void peer_pins(int pid, struct status_pins *sum);
/* The id of a change that has begun, or -ENOMEM. */
long peer_change_begin(struct peer *p, uint64_t va, uint64_t len, bool drop);
void peer_change_end(struct peer *p, uint64_t id);

/* peer_stack.c: s->stack becomes that of the call in the page. */
void session_learn_stack(struct session *s);
/* The addresses of such a stack have the number of a module above this. */
#define PEER_STACK_SHIFT 48
/* "": none is known. NULL: no such number. */
const char *peer_stack_module(uint64_t pc);

/* peer_memory.c */
extern const struct memory_mm_ops peer_memory_ops;
void peer_forget_files(struct peer *p);

/* caller_remote.c */
extern const struct caller_ops remote_caller_ops;

#endif
