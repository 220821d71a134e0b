/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of a recording, as it grows: one chunk behind the other, and under a limit from the
 * first ones on again, when the next would not fit. The first chunk, with the machine's
 * description, stays.
 */
#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "observe/log.h"
#include "observe/log_chunk.h"

struct log_writer {
	int fd;
	uint64_t file, sequence;
	uint64_t at, begin, limit; /* where the next chunk goes; behind the first one; U64MAX */
	uint8_t *chunk;		   /* room for one, with its padding */
};

static int write_all(int fd, const uint8_t *p, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int log_write(struct log_writer *w, uint32_t pid, const void *records, size_t len)
{
	const uint64_t whole = align_up(sizeof(struct chunk) + len, CHUNK_ALIGN);
	struct chunk head = {
		.magic = htole32(CHUNK_MAGIC),
		.len = htole32((uint32_t)len),
		.file = w->file,
		.sequence = htole64(w->sequence),
		.pid = htole32(pid),
	};
	int rc;

	if (len > LOG_CHUNK_MAX)
		return -EMSGSIZE;
	if (w->at + whole > w->limit)
		w->at = w->begin;
	head.sum = htole32(chunk_sum(&head, records, len));
	memcpy(w->chunk, &head, sizeof(head));
	memcpy(w->chunk + sizeof(head), records, len);
	memset(w->chunk + sizeof(head) + len, 0, whole - sizeof(head) - len);
	rc = write_all(w->fd, w->chunk, whole, w->at);
	/* What could not be written is missing, and a reader is to see that it is. */
	w->sequence++;
	if (!rc)
		w->at += whole;
	return rc;
}

int log_writer_create(int fd, uint64_t limit, const void *first, size_t len,
		      struct log_writer **out)
{
	struct log_writer *w = ioas_calloc(1, sizeof(*w));
	int rc = w ? 0 : -ENOMEM;

	if (!rc) {
		*w = (struct log_writer){.fd = fd, .limit = limit ? limit : U64MAX};
		w->chunk = ioas_malloc(sizeof(struct chunk) + LOG_CHUNK_MAX + CHUNK_ALIGN);
		rc = w->chunk ? 0 : -ENOMEM;
	}
	if (!rc && limit && limit < LOG_LIMIT_MIN)
		rc = -EINVAL;
	if (!rc && getrandom(&w->file, sizeof(w->file), 0) != sizeof(w->file))
		rc = -EIO;
	if (!rc)
		rc = log_write(w, 0, first, len);
	if (rc) {
		if (w)
			ioas_free(w->chunk);
		ioas_free(w);
		close(fd);
		return rc;
	}
	w->begin = w->at;
	*out = w;
	return 0;
}

int log_writer_close(struct log_writer *w)
{
	int rc = close(w->fd) ? -errno : 0;

	ioas_free(w->chunk);
	ioas_free(w);
	return rc;
}
