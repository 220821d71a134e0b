/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A recording: what `ioas run --record` writes, and others read (docs/recording.md has the bytes).
 *
 * A file is a sequence of *chunks*, each with a magic number, the file's own random number, its
 * place in the sequence and a checksum; a chunk holds whole *records* of one process. A reader
 * looks for chunks wherever they may begin, takes those that are sound and sorts them by their
 * sequence: so whatever is torn, cut off or overwritten costs the chunks that it hit, and no more.
 */
#ifndef IOAS_OBSERVE_LOG_H
#define IOAS_OBSERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "observe/log_types.h"

struct json;

#define LOG_VERSION    1u
#define LOG_CHUNK_MAX  65536u /* bytes of records in a chunk */
#define LOG_LIMIT_MIN  (4 * (uint64_t)LOG_CHUNK_MAX)
#define LOG_RECORD_MAX 34816u /* of one record, with its type and length */
#define LOG_BYTES_MAX  32768u /* of the bytes of one */

struct log_bytes {
	const uint8_t *at;
	size_t len;
};

#define LOG_U(name) uint64_t name;
#define LOG_S(name) int64_t name;
#define LOG_B(name) struct log_bytes name;
#define LOG_STRUCT(name, number)                                                                   \
	struct log_##name {                                                                        \
		LOG_FIELDS_##name(LOG_U, LOG_S, LOG_B)                                             \
	};
LOG_RECORDS(LOG_STRUCT)
#undef LOG_STRUCT
#undef LOG_U
#undef LOG_S
#undef LOG_B

#define LOG_ENUM(name, number) LOG_##name = (number),
enum log_type { LOG_RECORDS(LOG_ENUM) };
#undef LOG_ENUM

struct log_event {
	enum log_type type;
	uint32_t pid;	 /* whose engine it is about; 0: of `ioas run` itself */
	uint64_t thread; /* numbered from 1 on, in each process; 0: not known */
	uint64_t time; /* ns since the recording began; of a part of a call: the last one before */
#define LOG_MEMBER(name, number) struct log_##name name;
	union {
		LOG_RECORDS(LOG_MEMBER)
	};
#undef LOG_MEMBER
};

/* "dma_end" */
const char *log_type_name(enum log_type type);
/* One object: {"type":"map","pid":1,"thread":1,"time":12,"space":1,...}; bytes as hexadecimal text.
 */
void log_json(struct json *j, const struct log_event *e);

/*
 * log_codec.c: at @at, of @room bytes. The size, or 0 when it does not fit; no bytes member is
 * longer than LOG_BYTES_MAX.
 */
size_t log_encode(void *at, size_t room, const struct log_event *e);
/*
 * The record at @at: its size in *size. 1; 0: of a type that is not known, *e has nothing but that;
 * -EINVAL: there is none that fits in @len bytes. *e points into @at.
 */
int log_decode(const void *at, size_t len, struct log_event *e, size_t *size);

/* ---- reading ---- */

struct log;
/* What became of a recording. */
struct log_state {
	uint64_t chunks;
	uint64_t missing;   /* chunks between the first and the last that are there */
	bool begins_later;  /* the first are gone: --record-limit */
	bool no_machine;    /* what says which machine it was is gone */
	uint64_t unknown;   /* records of newer types, skipped; so far */
	uint64_t malformed; /* chunks of which a part could not be read; so far */
};
/* 0, or -errno with a sentence in @why. */
int log_open(const char *path, struct log **out, char *why, size_t why_len);
/* @mem stays until log_close(). */
int log_open_memory(const void *mem, size_t len, struct log **out, char *why, size_t why_len);
void log_close(struct log *l);
/* 1 and the next event, in the order in which they were written; 0: no more. What it points to is
 * there until the next call. */
int log_next(struct log *l, struct log_event *e);
/* From the first one on again. */
void log_rewind(struct log *l);
struct log_state log_state(const struct log *l);

/* ---- writing ---- */

struct log_writer;
/*
 * @fd: an empty file, taken over in success and failure. @limit: bytes that the file may have, 0:
 * as many as it takes; at least LOG_LIMIT_MIN. @first: records that are kept whatever the limit.
 */
int log_writer_create(int fd, uint64_t limit, const void *first, size_t len,
		      struct log_writer **out);
/* Whole records of process @pid, at most LOG_CHUNK_MAX: a chunk. -errno of write(2): the chunk is
 * not there, the next may be tried. */
int log_write(struct log_writer *w, uint32_t pid, const void *records, size_t len);
int log_writer_close(struct log_writer *w);

#endif
