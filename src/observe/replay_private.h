/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of replay share: replay_load.c makes items of records, replay.c does them,
 * replay_caller.c answers what they ask, replay_dma.c makes transfers, replay_file.c stands for the
 * program's files, replay_guest.c for the memory of guests.
 */
#ifndef IOAS_OBSERVE_REPLAY_PRIVATE_H
#define IOAS_OBSERVE_REPLAY_PRIVATE_H

#include "abi/caller.h"
#include "abi/file.h"
#include "base/refuse.h"
#include "iommu/nested.h"
#include "observe/log.h"
#include "observe/replay.h"

/* A record that belongs to an item. */
struct part {
	struct part *next;
	struct log_event e;
	uint64_t at; /* its position, of a transfer's */
	bool used;   /* has answered */
};

struct parts {
	struct part *first, *last;
};

enum item_kind { ITEM_CALL, ITEM_RELEASE, ITEM_CHANGE, ITEM_CONTROL, ITEM_DMA, ITEM_QUEUE };

/* Positions are those of records in the stream of the process. */
struct item {
	enum item_kind kind;
	uint64_t order;	   /* where it happens */
	uint64_t asked_at; /* ITEM_DMA: its first page request */
	uint64_t read_at;  /* ITEM_CALL: what it read last */
	uint64_t begin, end;
	uint64_t time, thread;
	struct item *outer;	 /* while it is being read */
	bool done;		 /* there is an answer */
	bool placed;		 /* order is that of an effect */
	bool nested, asked;	 /* ITEM_DMA */
	bool answers;		 /* page requests */
	bool beside;		 /* other threads' calls had effects while it ran */
	uint64_t effects_before; /* of other threads */
	struct log_event e;	 /* call, release, memory_change, dma_end, guest_queue */
	struct log_answer answer;
	struct parts parts;   /* what was asked; steps, looks and faults of a transfer */
	struct parts effects; /* map, unmap, attach, ... */
	struct parts forgets; /* guest_invalidate */
};

#define OPEN_THREADS 4096u

struct process {
	uint32_t pid;
	struct item **items;
	size_t nr_items, room;
	uint64_t nr_records;
	uint64_t lost_at, lost_record; /* its time; its position */
	/* While it is read: what each thread is at. */
	struct item *calls[OPEN_THREADS], *transfers[OPEN_THREADS], *queues[OPEN_THREADS];
	uint64_t effects, own_effects[OPEN_THREADS];
	struct parts nested;	  /* attach records that are in force */
	struct parts fault_files; /* fd_install records of queues of page requests */
	bool guest;		  /* LOG_FEATURE_GUEST */
};

struct block;
struct event_guest_queue;

/* An address space of the recorded program, or of one that used its files. */
struct place {
	struct place *next;
	uint64_t process;
	struct memory_mm *mm;
	struct replay *replay;
	struct log_vma known[256]; /* the last that calls were told */
	unsigned int next_known;
};

/* What stands for a file of the program's. */
struct stand_in {
	struct stand_in *next;
	uint64_t dev, ino, size;
	int fd;
};

#define GUEST_TEXT 160
struct replay_word;
struct replay_queue;

/* replay_guest.c */
struct replay_guest {
	struct guest_stand_in stand_in;
	const struct part *expected; /* the next look of the transfer */
	char text[GUEST_TEXT];	     /* what differs in its looks */
	struct replay_word *image;   /* the last word seen at each address; hashed */
	size_t room, used;
	struct replay_queue *queues;
	/* A bit for each device whose transfers were not all made again as they were: what it has
	 * cached may not be what it had. */
	uint64_t lost[64];
};

/* A transfer that waits for an answer: what is told of it so far, and until where others go on. */
#define WAITING_MAX 32u
struct waiting {
	struct item *item;
	struct parts seen;
	const struct part *expected;
	char text[GUEST_TEXT];
	uint64_t until;
	bool late; /* they went on further */
};

struct replay {
	struct replay_config cfg;
	struct block *blocks; /* memory of all that was read */
	struct process **processes;
	size_t nr_processes;
	bool ended; /* the recording says that the run ended */

	/* While one runs. */
	struct host *host;
	struct process *process;
	struct replay_result *result;
	struct item *item;	 /* the one that is being done */
	struct abi_file **files; /* by their recorded numbers */
	size_t nr_files;
	struct place *places;
	struct stand_in *stand_ins;
	struct memory_account *accounts[2];
	struct replay_guest guest;
	size_t next;			     /* item */
	struct waiting waiting[WAITING_MAX]; /* each within the one before */
	unsigned int nr_waiting;
	uint64_t limit;
	struct caller caller;
	const char *strange; /* the call asked what the recorded one did not */
	struct parts seen;   /* what an observer saw of the transfer */
	bool late;	     /* it went on later than it did */
	unsigned int told;   /* differences */
};

/* replay_load.c. Freed with the replay; NULL. */
void *replay_alloc(struct replay *r, size_t size);
int replay_load(struct replay *r, struct log *l);
struct part *parts_add(struct replay *r, struct parts *to, const struct log_event *e);

/* replay.c */
void replay_differs(struct replay *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct host_device *replay_device(const struct replay *r, uint64_t number);
int replay_file_set(struct replay *r, uint64_t number, struct abi_file *f);
struct abi_file *replay_file(const struct replay *r, uint64_t number);
/* Does the items before that position which are still to be done. */
void replay_until(struct replay *r, uint64_t position);

/* replay_caller.c */
extern const struct caller_ops replay_caller_ops;
struct memory_mm *replay_mm(struct replay *r, uint64_t process);
void replay_refresh(struct replay *r, const struct item *it);
void replay_forget(struct replay *r, struct place *at, uint64_t va, uint64_t last);
void replay_drop_places(struct replay *r);
/* replay_file.c: an fd of its own, or -errno. */
int replay_stand_in(struct replay *r, uint64_t dev, uint64_t ino, uint64_t size);
int replay_duplicate(struct replay *r, const struct log_fd_dup *d);
void replay_drop_stand_ins(struct replay *r);

/* replay_guest.c */
void replay_guest_init(struct replay *r);
void replay_guest_fini(struct replay_guest *g);
void replay_guest_begin(struct replay_guest *g, const struct item *it);
/* What differs in what the transfer looked at, in words; NULL: nothing. */
const char *replay_guest_end(struct replay *r, const struct item *it);
void replay_guest_lose(struct replay_guest *g, uint64_t device);
bool replay_guest_is_lost(const struct replay_guest *g, uint64_t device);
void replay_saw_queue(void *arg, const struct event_guest_queue *e);
void replay_carry_out(struct replay *r, const struct log_guest_queue *taken);

/* replay_dma.c */
void replay_dma(struct replay *r, const struct item *it);
void replay_wait(void *arg);
extern const struct observer_ops replay_observer_ops, replay_annotated_ops;

#endif
