/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the looker share.
 *
 * Each piece is written with host->look_lock held only while it is collected, and with the lock of
 * a space for at most INSPECT_CHUNK mappings. Between two pieces anything may come or go: what was
 * there all the time is told exactly once.
 */
#ifndef IOAS_OBSERVE_INSPECT_PRIVATE_H
#define IOAS_OBSERVE_INSPECT_PRIVATE_H

#include "abi/vfio.h"
#include "object/iommufd.h"
#include "observe/inspect.h"
#include "observe/vmas.h"

#define INSPECT_CHUNK 256

struct inspect_command;

/* Where in the host a request that comes in pieces has got to. */
struct inspect_cursor {
	uint64_t context; /* number of the one that is being told; 0: none yet */
	bool in_context;  /* its members are being told */
	uint32_t object;  /* told up to this id */
	bool in_space;	  /* of the object behind that one: told up to iova */
	uint64_t iova;
};

enum inspect_only { ONLY_ALL, ONLY_IOVA, ONLY_VA };

struct inspect {
	const struct inspect_config *cfg;
	const struct inspect_command *command;
	struct inspect_cursor at;
	bool begun;
	enum inspect_only only; /* maps: what holds this address */
	uint64_t address;
	/* walk */
	char device[16];
	uint64_t iova;
	uint32_t pasid;
	struct vmas vmas; /* of the process asked about last */
};

/* Each: 1 for more, 0 at the end; -errno. */
int inspect_tree(struct inspect *i, struct json *j);
int inspect_maps(struct inspect *i, struct json *j);
int inspect_rates(struct inspect *i, struct json *j);
int inspect_walk(struct inspect *i, struct json *j);

/* "pid", "program", ... */
void inspect_head(const struct inspect *i, struct json *j);

/* With host->look_lock: the context numbered @number or the next; NULL. */
struct host_context *inspect_context(struct host *h, uint64_t number);
static inline struct iommufd *iommufd_of_context(struct host_context *c)
{
	return c->container ? NULL : container_of(c, struct iommufd, context);
}
/* The context that owns a group's DMA, 0: none. */
uint64_t inspect_owner(struct host *h, const struct host_group *g);
/* The devices, allocated, absent ones left out: *n of them. With host->look_lock, which keeps them.
 * NULL: -ENOMEM. */
struct host_device **inspect_devices(struct host *h, size_t *n);
/* NULL: it is no PCI device (the mock's). */
struct pci_dev *inspect_pci(const struct host_device *d);

/* Where the bytes of a mapping are, collected under the space's lock and told without it. */
struct inspect_origin {
	struct pages_origin pages;
	uint64_t at;	  /* VA, or offset in the file, of the first byte */
	uint64_t in_area; /* the same, within what is told as one */
	char *path;	  /* of a file; allocated */
	const char *bar_device;
	uint32_t bar;
	uint64_t bar_offset;
};
void inspect_origin_of(struct host *h, const struct space *s, const struct space_area *a,
		       struct inspect_origin *out);
void inspect_origin_free(struct inspect_origin *o);
/* "source", "va", "path", "offset", ... */
void inspect_origin_write(struct inspect *i, struct json *j, const struct inspect_origin *o);

void inspect_permissions(struct json *j, const char *key, bool read, bool write);
void inspect_error(struct json *j, const char *text);

#endif
