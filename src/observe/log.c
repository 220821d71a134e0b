/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a recording, whoever wrote it: nothing in the file is believed before it was looked at.
 *
 * The first pass finds the chunks, which is what a file that was torn or written in a ring takes;
 * then one chunk after the other is read by its sequence.
 */
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "observe/log_chunk.h"

struct place {
	uint64_t sequence, offset;
	uint32_t len, pid;
};

struct log {
	int fd; /* -1: memory */
	const uint8_t *mem;
	uint64_t size;
	uint64_t file; /* the number in the first chunk that is sound */
	struct place *places;
	size_t nr_places, room, next;
	uint8_t *records; /* of the chunk that is being read */
	uint32_t pid;
	uint64_t time; /* of the last record that has one */
	size_t len, at;
	struct log_state state;
};

static int __attribute__((format(printf, 4, 5)))
fail(int rc, char *why, size_t why_len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_len, fmt, ap);
	va_end(ap);
	return rc;
}

static bool read_at(const struct log *l, void *to, size_t len, uint64_t at)
{
	uint8_t *p = to;

	if (at > l->size || len > l->size - at)
		return false;
	if (l->fd < 0) {
		memcpy(to, l->mem + at, len);
		return true;
	}
	while (len) {
		ssize_t n = pread(l->fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

/* The records of the chunk at @at are in l->records if it is sound. */
static bool sound(struct log *l, uint64_t at, struct chunk *c)
{
	uint32_t len, sum;

	if (!read_at(l, c, sizeof(*c), at) || le32toh(c->magic) != CHUNK_MAGIC)
		return false;
	len = le32toh(c->len);
	if (len > LOG_CHUNK_MAX || !read_at(l, l->records, len, at + sizeof(*c)))
		return false;
	sum = le32toh(c->sum);
	return sum == chunk_sum(c, l->records, len);
}

static int add_place(struct log *l, const struct chunk *c, uint64_t offset)
{
	if (l->nr_places == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct place *places = ioas_realloc(l->places, room * sizeof(*places));

		if (!places)
			return -ENOMEM;
		l->places = places;
		l->room = room;
	}
	l->places[l->nr_places++] = (struct place){
		.sequence = le64toh(c->sequence),
		.offset = offset,
		.len = le32toh(c->len),
		.pid = le32toh(c->pid),
	};
	return 0;
}

static int by_sequence(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int find_chunks(struct log *l)
{
	int rc = 0;

	for (uint64_t at = 0; at < l->size && !rc;) {
		struct chunk c;

		if (!sound(l, at, &c) || (l->nr_places && c.file != l->file)) {
			at += CHUNK_ALIGN;
			continue;
		}
		l->file = c.file;
		rc = add_place(l, &c, at);
		at += align_up(sizeof(c) + le32toh(c.len), CHUNK_ALIGN);
	}
	return rc;
}

static void count_missing(struct log *l)
{
	const struct place *p = l->places;
	uint64_t last = 0;

	qsort(l->places, l->nr_places, sizeof(*l->places), by_sequence);
	l->state.chunks = l->nr_places;
	l->state.no_machine = p[0].sequence != 0;
	for (size_t i = 0; i < l->nr_places; i++) {
		if (i && p[i].sequence > last + 1) {
			/* Under a limit the first ones but for the very first are overwritten. */
			if (i == 1 && !l->state.no_machine)
				l->state.begins_later = true;
			else
				l->state.missing += p[i].sequence - last - 1;
		}
		last = p[i].sequence;
	}
}

static int prepare(struct log *l, char *why, size_t why_len)
{
	int rc;

	l->records = ioas_malloc(LOG_CHUNK_MAX);
	if (!l->records)
		return fail(-ENOMEM, why, why_len, "out of memory");
	rc = find_chunks(l);
	if (rc)
		return fail(rc, why, why_len, "out of memory");
	if (!l->nr_places)
		return fail(-EINVAL, why, why_len, "it is no recording, or nothing of it is left");
	count_missing(l);
	return 0;
}

static int open_as(const struct log *from, struct log **out, char *why, size_t why_len)
{
	struct log *l = ioas_calloc(1, sizeof(*l));
	int rc;

	if (!l) {
		if (from->fd >= 0)
			close(from->fd);
		return fail(-ENOMEM, why, why_len, "out of memory");
	}
	*l = *from;
	rc = prepare(l, why, why_len);
	if (rc)
		log_close(l);
	else
		*out = l;
	return rc;
}

int log_open(const char *path, struct log **out, char *why, size_t why_len)
{
	/* A pipe is told from a file without waiting for who writes it. */
	struct log l = {.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
	struct stat st;

	if (l.fd < 0)
		return fail(-errno, why, why_len, "%s", strerror(errno));
	if (fstat(l.fd, &st) || !S_ISREG(st.st_mode)) {
		close(l.fd);
		return fail(-EINVAL, why, why_len, "it is no regular file");
	}
	l.size = (uint64_t)st.st_size;
	return open_as(&l, out, why, why_len);
}

int log_open_memory(const void *mem, size_t len, struct log **out, char *why, size_t why_len)
{
	const struct log l = {.fd = -1, .mem = mem, .size = len};

	return open_as(&l, out, why, why_len);
}

void log_close(struct log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	ioas_free(l->places);
	ioas_free(l->records);
	ioas_free(l);
}

/* Read again, as the file may have changed since. */
static bool next_chunk(struct log *l)
{
	while (l->next < l->nr_places) {
		const struct place *p = &l->places[l->next++];
		struct chunk c;

		if (!sound(l, p->offset, &c) || le64toh(c.sequence) != p->sequence ||
		    le32toh(c.len) != p->len)
			continue;
		l->pid = p->pid;
		l->len = p->len;
		l->at = 0;
		l->time = 0;
		return true;
	}
	return false;
}

int log_next(struct log *l, struct log_event *e)
{
	for (;;) {
		size_t size;
		int rc;

		if (l->at == l->len && !next_chunk(l))
			return 0;
		if (l->at == l->len)
			continue;
		rc = log_decode(l->records + l->at, l->len - l->at, e, &size);
		if (rc < 0) {
			l->state.malformed++;
			l->at = l->len;
			continue;
		}
		l->at += size;
		e->pid = l->pid;
		if (e->time)
			l->time = e->time;
		e->time = l->time;
		if (rc)
			return 1;
		l->state.unknown++;
	}
}

void log_rewind(struct log *l)
{
	l->next = 0;
	l->len = 0;
	l->at = 0;
	l->state.unknown = 0;
	l->state.malformed = 0;
}

struct log_state log_state(const struct log *l)
{
	return l->state;
}
