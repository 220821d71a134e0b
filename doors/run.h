/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The run directory: what `ioas run` leaves for the processes that it starts.
 *
 * It holds the overlay (`sys/`, `dev/`: what a program finds under /sys and /dev), the file `host`
 * (struct run_config, one line for each setting) and the file `stats` (struct run_stats, shared by
 * every process of the run). Its path is in the environment as IOAS_RUN_DIR. The command line
 * writes it once, before the program starts; the doors only read it, except for driver links and
 * sysfs attributes, which they change under a lock on the file `host`.
 */
#ifndef IOAS_DOORS_RUN_H
#define IOAS_DOORS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/inject.h"
#include "doors/limits.h"

#define RUN_DIR_ENV "IOAS_RUN_DIR"
#define RUN_DAEMON_ENV "IOAS_DAEMON" /* a daemon's listening socket */
#define RUN_SOCKET  "engine" /* in the run directory: where a run's daemon listens */
#define RUN_RECORD  "record" /* the same, where rings of records are taken */
/* Where `ioas run` listens for what the sanitizers of its processes find, and its answer to one
 * for which the process is to end. */
#define RUN_FINDINGS	  "findings"
#define RUN_FINDING_FATAL 'f'

/* The DMA sanitizer, and what follows when it finds something. */
enum run_sanitize {
	RUN_SANITIZE_OFF,
	RUN_SANITIZE_TRACK, /* nothing is looked for, but mappings have an age and uses */
	RUN_SANITIZE_LOG,
	RUN_SANITIZE_EXIT_CODE,
	RUN_SANITIZE_ABORT,
};

struct run_device {
	uint32_t bdf; /* domain << 16 | requester ID */
	int group;    /* -1: one of its own */
	char *text;   /* "nvme,size=64M", without bdf= and group=; or RUN_VF_TEXT */
};

/* What a virtual function is made from, after the one that it belongs to: that one's place in
 * run_config.devices, its own number. */
#define RUN_VF_TEXT "vf,of=%zu,index=%u"
/*
 * What a program finds of a virtual function while it is enabled: RUN_VF_FOLDER/BDF in the run directory. One record after the
 * other, each a line (mode, length and path of a file; path and target of a link), a file's bytes and a newline behind its line.
 */
#define RUN_VF_FOLDER "vfs"
#define RUN_VF_FILE   "f %o %zu %s"
#define RUN_VF_LINK   "l %s %s"
/* Is it one, and whose? */
bool run_device_is_vf(const struct run_device *d, size_t *pf, unsigned int *index);

struct run_config {
	char *iommu; /* "vtd,aw=39" */
	bool iommufd_container;
	bool strict, as_user;
	bool no_inspect; /* nobody may look (doors/preload/inspect.h) */
	enum run_show { RUN_SHOW_NOTHING, RUN_EXPLAIN, RUN_VERBOSE } show; /* of the calls */
	uint64_t record; /* CLOCK_MONOTONIC when the recording began; 0: nothing is recorded */
	uint64_t shared; /* the engine is the daemon's, of this name; 0: each process's own */
	enum run_sanitize sanitize;
	bool leaks, advice; /* found by it too */
	char **injections;  /* each --inject as it was given */
	size_t nr_injections;
	uint64_t seed;
	struct run_limits limits; /* what the next say */
	char **limit_texts;	  /* each --limit as it was given */
	size_t nr_limit_texts;
	char *log; /* where calls and messages go; NULL: stderr */
	struct run_device *devices;
	size_t nr_devices;
	char **owned; /* folders of /sys and /dev that show the overlay's entries only */
	size_t nr_owned;
};

/* Are bugs looked for? */
static inline bool run_sanitizes(const struct run_config *c)
{
	return c->sanitize > RUN_SANITIZE_TRACK;
}

/* Copies @text. -ENOMEM. */
int run_config_add_device(struct run_config *c, uint32_t bdf, int group, const char *text);
int run_config_own(struct run_config *c, const char *path);
/* -EINVAL with a sentence in @why. */
int run_config_limit(struct run_config *c, const char *text, char *why, size_t why_len);
/* Looks at --inject @text, and keeps it. -EINVAL with a sentence in @why. */
int run_config_inject(struct run_config *c, const char *text, char *why, size_t why_len);
/* What all of them make; *out is NULL when there is none. */
int run_config_injector(const struct run_config *c, struct injector **out, char *why,
			size_t why_len);
/* The limits of one that is otherwise zeroed. */
void run_config_init(struct run_config *c);
int run_config_write(const struct run_config *c, int dirfd);
int run_config_read(struct run_config *c, const char *dir);
/* The text of such a file, which is changed. @lenient: what is not known is left out. */
int run_config_parse(struct run_config *c, char *text, bool lenient);
void run_config_free(struct run_config *c);
/* A whole file, allocated, with a NUL behind it; NULL with errno. */
char *run_read_file(const char *path, size_t *len);

/* Room for a name such as 0000:01:00.0. */
#define RUN_BDF_LEN 16
void run_bdf_name(uint32_t bdf, char out[RUN_BDF_LEN]);

/* Counters of all processes of a run; added to with relaxed atomics. */
struct run_stats {
	uint64_t maps, unmaps;
	uint64_t dma_read_bytes, dma_written_bytes, faults, injected;
	uint32_t said_unreachable; /* the user knows that a program cannot be reached */
};
/* What to say of it, for printf: its path, and struct target's cannot. */
#define RUN_UNREACHABLE                                                                            \
	"%s %s: the preload library cannot reach it, so it sees the machine as it is, without the devices of this run"
/* Maps `stats` of @dir shared; NULL with errno when that fails. */
struct run_stats *run_stats_map(const char *dir);

/* Device numbers of the nodes, the same in `dev` files and in stat(). */
#define RUN_IOMMU_MAJOR	 10
#define RUN_IOMMU_MINOR	 124
#define RUN_VFIO_MAJOR	 10
#define RUN_VFIO_MINOR	 196
#define RUN_GROUP_MAJOR	 243 /* minor: group */
#define RUN_DEVICE_MAJOR 511 /* minor: N of vfioN */

#endif
