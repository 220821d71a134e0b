/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel sees of our files.
 *
 * A file of the engine's is one end of a pair of sockets, whose other end (*wake*) the engine's
 * process keeps: the kernel counts who has it open, through fork, exec, SCM_RIGHTS and crashes, and
 * hangs up the other end when nobody has; and whoever has it can send the engine a message over it
 * (shared/). It bears an abstract address, its *label*, by which it is known in any process. It
 * reads as empty and polls as always ready, unless it is watched.
 *
 * Attributes and nodes opened with O_PATH are memfds that tell their name.
 */
#ifndef IOAS_DOORS_FILES_KERNEL_H
#define IOAS_DOORS_FILES_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "doors/files.h"

struct label {
	uint64_t server, id; /* whose file, and which */
	struct node node;
	uint8_t abi_kind;
	bool stream, watched;
	bool mute;     /* poll() never says that it can be written, and no message can be sent over it */
	int mode;      /* O_ACCMODE of open() */
	char name[48]; /* cut off if need be */
};

/* Both with the status flags and O_CLOEXEC of @flags. An fd or -errno. */
int kernel_make_socket(const struct label *l, int flags, int *wake);
int kernel_make_memfd(const char *name, int flags, bool seal);

/* Is @fd, which fstat() says is @st, a file of the engine's? */
bool kernel_read_label(int fd, const struct stat *st, struct label *out);
/* The name that a memfd was made with; NULL: @fd is none. */
const char *kernel_memfd_name(int fd, char *buf, size_t len);

/* Of a wake: has everybody closed the file? */
bool kernel_hung_up(int wake);

/* Numbers that nobody guesses. */
uint64_t kernel_random(void);
/* What *where is once it is not 0; threads may ask at once. */
uint64_t kernel_random_once(uint64_t *where);

#endif
