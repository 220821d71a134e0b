/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The differential fuzzer: random sequences of calls, and what each answered, as text that is the
 * same wherever the answers are the same.
 *
 * A line is a call and its answer: "NAME TARGET SHAPE FIELD... = ANSWER". All that is left of " = "
 * can be replayed, so a log is a corpus. Nothing in it is an accident of the run: the memory lies
 * at fixed addresses, ids are given out lowest first, and a file is named by its place in a table.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE	      4096ull

/* Memory that calls may name, at fixed addresses. */
#define MEM_BASE   0x100000000000ull
#define MEM_RW	   (MEM_BASE)		 /* 64 pages */
#define MEM_RO	   (MEM_BASE + 0x040000) /* 8 pages that cannot be written */
#define MEM_NONE   (MEM_BASE + 0x048000) /* 8 pages that cannot be read */
#define MEM_SHARED (MEM_BASE + 0x050000) /* 64 pages of file 0 */
#define MEM_ARG	   (MEM_BASE + 0x100000) /* a page for the structure, none behind it */
#define MEM_ARG_RO (MEM_BASE + 0x108000) /* its read-only twin */
#define MEM_BUF	   (MEM_BASE + 0x110000) /* 4 pages for what a structure points at */
#define MEM_BIG	   (MEM_BASE + 0x200000) /* 2 MiB */
#define BIG_SIZE   0x200000ull

/* Files by number. */
enum {
	T_CTX = 0,    /* 4: /dev/iommu or /dev/vfio/vfio */
	T_CDEV = 10,  /* 4: character device of the n-th device */
	T_GROUP = 20, /* 4: the group of the n-th device */
	T_GDEV = 30,  /* 4: the n-th device, from its group */
	T_EVENT = 40, /* 4: fault and event queues, as they come */
	T_END = 50,
	NR_EACH = 4,
};

/* What a field of a structure means; decides what is put into it. */
enum kind {
	K_ZERO,	 /* reserved */
	K_FLAGS, /* of `arg` */
	K_BELOW, /* a number below `arg` */
	K_FIXED, /* `arg` */
	K_IOAS,
	K_HWPT,
	K_PT, /* an IOAS, an HWPT or a vIOMMU */
	K_DEV,
	K_FAULT,
	K_VIOMMU,
	K_ANY, /* an object */
	K_IOVA,
	K_LEN,
	K_VA,
	K_AIOAS, /* these three: of an area that is there */
	K_AIOVA,
	K_ALEN,
	K_BUF,	  /* MEM_BUF */
	K_FILE,	  /* a file to map */
	K_CTX,	  /* a context's file */
	K_ACCESS, /* the file of an access */
	K_STDEV,  /* what removes a mock device */
	K_VEVENTQ,
	K_OUT,	  /* filled in by the call; `arg`: the kind of the object that it names, or 0 */
	K_OUTFD,  /* a file that the call makes */
	K_HIDDEN, /* filled in, but not the same everywhere */
};

struct field {
	const char *name;
	uint16_t at;
	uint8_t size;
	uint8_t kind;
	uint64_t arg;
};

#define MAX_FIELDS 12
#define MAX_MADE   3

struct command {
	const char *name;
	unsigned long request;
	uint16_t min, full;
	uint8_t target; /* T_CTX, T_CDEV or T_GROUP */
	uint8_t makes;	/* K_IOAS, K_HWPT...: the type of the object that it makes, in field `made`
			 */
	uint8_t made;
	uint8_t weight;
	bool mock; /* of IOMMU_TEST_CMD, or with its data */
	struct field field[MAX_FIELDS];
};

extern const struct command commands[];
extern const size_t nr_commands;
unsigned int command_nr_fields(const struct command *command);

/* Calls that are no structure: opening, closing, reading. */
enum special {
	S_OPEN,		 /* target, node: 0 /dev/iommu, 1 /dev/vfio/vfio */
	S_OPEN_CDEV,	 /* target */
	S_OPEN_GROUP,	 /* target */
	S_CLOSE,	 /* target */
	S_RANGES,	 /* n, then start and last of each: into MEM_BUF */
	S_READ,		 /* target, length */
	S_WRITE,	 /* target, length */
	S_SET_CONTAINER, /* target, context */
	S_UNSET_CONTAINER,
	S_GET_DEVICE_FD, /* target, device */
	S_API_VERSION,
	S_EXTENSION, /* target, number */
	S_SET_IOMMU, /* target, number */
	S_RAW,	     /* target, ioctl word */
	S_RESET,     /* target */
	NR_SPECIAL,
};

extern const struct special_name {
	const char *name;
	unsigned int nr_args;
} specials[NR_SPECIAL];

/* How a structure is given. */
enum shape {
	SHAPE_FULL,
	SHAPE_SHORT, /* one byte less than the least */
	SHAPE_LEAST,
	SHAPE_LONG,	  /* 8 zero bytes more */
	SHAPE_LONG_DIRTY, /* 8 bytes more, not zero */
	SHAPE_EMPTY,	  /* size 0 */
	SHAPE_ENDLESS,	  /* size 2^32 - 1 */
	SHAPE_NULL,	  /* no pointer */
	SHAPE_READ_ONLY,
	SHAPE_EDGE, /* ends where memory does */
	SHAPE_CUT,  /* its last byte lies behind where memory does */
	NR_SHAPES,
};

#define MAX_ARGS (MAX_FIELDS + 2)

/* One call. A command's args are its target, its shape and its fields. */
struct op {
	const struct command *command; /* NULL: `special` */
	enum special special;
	unsigned int nr_args;
	uint64_t args[MAX_ARGS];
};

/* What an op answered. */
struct answer {
	int err;	/* an errno, 0 */
	int64_t result; /* of the call, if positive; files count as 0 */
	uint64_t made;	/* the id of the object made, or the IOVA of a mapping */
	struct {
		uint8_t kind;
		uint64_t id;
	} also[MAX_MADE];
	unsigned int nr_also;
	char text[512]; /* what it gave out */
};

/* world.c */
void world_make(void);
void world_do(const struct op *op, struct answer *answer);
bool world_has(unsigned int target);
/* What is mapped in all contexts in the end; then all is closed. */
void world_end(char *text, size_t size);

/* generate.c */
struct generator;
struct generator *generator_new(bool mock);
void generator_free(struct generator *g);
void generator_begin(struct generator *g, uint64_t seed);
/* False when the sequence is over. */
bool generator_next(struct generator *g, struct op *op);
void generator_learn(struct generator *g, const struct op *op, const struct answer *answer);

#endif
