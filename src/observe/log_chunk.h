/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks: the frame of records in a file (docs/recording.md).
 */
#ifndef IOAS_OBSERVE_LOG_CHUNK_H
#define IOAS_OBSERVE_LOG_CHUNK_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_MAGIC 0x4b4e4843u /* "CHNK" */
#define CHUNK_ALIGN 64u		/* of where one begins */

/* Little endian. */
struct chunk {
	uint32_t magic;
	uint32_t len; /* of the records behind it */
	uint64_t file;
	uint64_t sequence;
	uint32_t pid;
	uint32_t sum; /* of this with a sum of 0, then of the records */
};

/*
 * Of whole words, the last filled up with zeros. It finds what was torn or overwritten; it is no
 * defence against somebody who wants it to match.
 */
static inline uint64_t chunk_sum_of(uint64_t sum, const void *at, size_t len)
{
	const uint8_t *p = at;

	for (size_t n; len; p += n, len -= n) {
		uint64_t word = 0;

		n = len < 8 ? len : 8;
		memcpy(&word, p, n);
		sum = (sum ^ le64toh(word)) * 0x9e3779b97f4a7c15;
		sum = sum << 29 | sum >> 35;
	}
	return sum;
}

static inline uint32_t chunk_sum(const struct chunk *c, const void *records, size_t len)
{
	struct chunk plain = *c;
	uint64_t sum;

	plain.sum = 0;
	sum = chunk_sum_of(len, &plain, sizeof(plain));
	sum = chunk_sum_of(sum, records, len);
	return (uint32_t)(sum ^ sum >> 32);
}

#endif
