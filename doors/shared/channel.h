/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel: one thread of a client talks to one thread of the engine's process.
 *
 * Both have mapped a page set; its word *turn* says whose move it is, and only that side touches the
 * rest. A client posts a call; the server may ask back, any number of times, while the client waits
 * (what is at this address? take this fd), and then posts the result. Whoever waits looks at the
 * word for a while, as long as that has paid lately, and then sleeps on the channel's socket. So a
 * wake is a message, an fd comes with one, and a peer that dies, however it dies, is the end of the
 * file: nobody waits for the dead.
 *
 * What is here is async-signal-safe: a store to a BAR comes through here from a signal handler.
 */
#ifndef IOAS_DOORS_SHARED_CHANNEL_H
#define IOAS_DOORS_SHARED_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doors/preload/callstack.h"
#include "doors/preload/door.h"
#include "memory/memory.h"

enum call_kind {
	CALL_OPEN,	  /* arg: enum node_kind, number, flags of open(); an fd follows */
	CALL_IOCTL,	  /* arg[0] */
	CALL_READ,	  /* arg: address, length, position */
	CALL_WRITE,	  /* the same */
	CALL_MMAP,	  /* arg: length, prot, flags, position; two fds may follow */
	CALL_STORE,	  /* arg: the BAR's id, offset, size, value */
	CALL_LOAD,	  /* the same; the value comes back in arg[3] */
	CALL_ENABLED,	  /* arg: the BAR's id. Is memory space on? */
	CALL_CLOSED,	  /* the client's last fd of the file */
	CALL_RESET,	  /* arg: which device of the run */
	CALL_VFS,	  /* arg: which, how many of its virtual functions, wait for those that are open */
	CALL_CHANGE,	  /* arg: address, length: taken away; until CALL_CHANGED */
	CALL_DROP,	  /* the same: what is shared there stays what it is */
	CALL_CHANGED,
	CALL_PROTECTED, /* arg: address, length */
	CALL_FREED,	/* arg: address, length */
	CALL_PINS,	/* arg: pid. Its pages that are pinned and locked come back in arg[0], arg[1] */
};

enum ask_kind {
	ASK_COPY_IN,   /* arg: address, length; the bytes come back in data */
	ASK_COPY_OUT,  /* arg: address, length; the bytes are in data */
	ASK_CAPABLE,   /* arg: capability */
	ASK_FILE,      /* arg: fd. Which of the server's files? Its id comes back in arg[0] */
	ASK_INSTALL,   /* an fd follows: a file of the server's. The client's number for it */
	ASK_UNINSTALL, /* arg: fd */
	ASK_EVENTFD,   /* arg: fd. It comes back if it is an eventfd */
	ASK_FD,	       /* arg: fd. It comes back */
	ASK_PROBE,     /* arg: address, length, write */
	ASK_VMA,       /* arg: address; comes back in vma, a BAR's file in arg[0] */
	ASK_SHARED,    /* vma: an fd of its file, if there is one, comes back */
};

#define CALL_DIRTY    8
#define CALL_MAY_LOCK 1u /* the caller need not pay for locked memory */
#define CALL_HAS_KVM  2u /* it has opened /dev/kvm */

struct call {
	uint64_t file;
	uint64_t arg[4];
	uint32_t kind, cmd, flags;
	uint32_t args_len;  /* bytes of the program's memory at args_va are in args */
	uint64_t args_va;
	bool args_writable; /* they may be changed there: so many spans were, and nothing else is written */
	bool interested;
	uint8_t nr_dirty;
	uint8_t drop_bytes; /* files_drop_bytes() */
	uint64_t memlock;   /* RLIMIT_MEMLOCK */
	int64_t result;
	struct {
		uint16_t at, len;
	} dirty[CALL_DIRTY];
};

struct ask {
	uint64_t arg[3];
	uint32_t kind;
	int64_t result;
	struct memory_vma vma;
};

/* How a mapped BAR looks, in data after CALL_MMAP. */
struct bar_view {
	uint64_t mem, mem_len; /* of the memory, whose fd was sent: where the mapping begins, and all of it */
	uint64_t id, offset;   /* the server's name for the BAR, 0: it is none; where in it */
	bool held;	       /* a file follows, whose fd the mapping is to hold */
	uint32_t bar, nr_pages;
	uint8_t pages[]; /* PCI_PAGE_ flags, if nr_pages */
};

/* With --sanitize: where a call comes from, in the client's own numbers and addresses. */
struct channel_stack {
	uint32_t id, n;
	uint64_t pc[CALLSTACK_MAX];
};

#define CHANNEL_ARGS 256
#define CHANNEL_DATA 32768

struct channel_page {
	uint32_t turn;
	uint32_t asleep[2]; /* client, server */
	struct call call __attribute__((aligned(64)));
	uint8_t args[CHANNEL_ARGS];
	struct channel_stack stack;
	struct ask ask __attribute__((aligned(64)));
	struct door_refusal refusal; /* of a call that failed, for -v */
	uint8_t data[CHANNEL_DATA] __attribute__((aligned(64)));
};

enum channel_turn {
	TURN_IDLE,   /* the client's: no call */
	TURN_CALL,   /* the server's: a call */
	TURN_ASK,    /* the client's: a question */
	TURN_ANSWER, /* the server's: its answer */
	TURN_DONE,   /* the client's: the result */
};

enum channel_side { CHANNEL_CLIENT, CHANNEL_SERVER };

#define CHANNEL_FDS 4

struct channel {
	struct channel_page *page;
	int sock; /* hidden */
	enum channel_side side;
	uint64_t look_ns; /* how long to look before sleeping; 0 to begin with */
	int nr_fds;
	int fds[CHANNEL_FDS]; /* that came, in order */
};

/* The other side's move. */
void channel_post(struct channel *c, enum channel_turn turn);
/* Waits for one's own; what it is, or -EPIPE. */
int channel_wait(struct channel *c);
/* Sends @fd ahead of the next post. 0 or -EPIPE. */
int channel_send_fd(struct channel *c, int fd);
/* An fd that was sent ahead of the move that has come, hidden nowhere yet. -EPIPE. */
int channel_take_fd(struct channel *c);
/* Closes what came and nobody took. */
void channel_drop_fds(struct channel *c);

/*
 * How a client introduces itself: over one of its fds of a file of the server's, or to the socket
 * of a daemon. With the channel's socket and the memory of its pages.
 */
#define HELLO_MAGIC 0x696f617331ull

struct hello {
	uint64_t magic;
	uint64_t incarnation; /* of the client: it changes with fork and exec */
};

/* Sends the message with @n fds. 0 or -errno. */
int channel_send(int sock, const void *msg, size_t len, const int *fds, int n);
/* Receives one; with at most @room fds, whose number is returned in *n. Its length, 0 at the end, or
 * -errno. @pid, @uid: who sent it, where the socket tells; may be NULL. */
long channel_receive(int sock, void *msg, size_t len, int flags, int *fds, int room, int *n,
		     int *pid, int *uid);

#endif
