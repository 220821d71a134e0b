/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A door for tests: a host with three devices, the first alone in group 0, the others together in
 * group 1, and a caller whose memory is this process's, with files, capabilities, a limit on locked
 * memory, and a way to make the n-th copy fail.
 */
#ifndef TESTS_UNIT_ABI_BED_H
#define TESTS_UNIT_ABI_BED_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ioas/abi/iommufd.h>
#include <ioas/abi/vfio.h>

#include "abi/iommufd.h"
#include "abi/vfio.h"

#define BED_FILES    64
#define BED_DEVICES  3
#define BED_EVENTFDS 1000 /* caller's fds from here on are eventfds, counted together */
#define ARENA_SIZE   (4ull << 20)
#define IOVA	     0x40000000ull

#define RW	 (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED_RW (IOMMU_IOAS_MAP_FIXED_IOVA | RW)

struct bed {
	struct host *host;
	struct pci_dev *pci[BED_DEVICES];
	struct host_device *slot[BED_DEVICES];
	struct memory_account *accounts[2]; /* user, process */
	uint64_t limit;			    /* bytes of locked memory */
	uint64_t caps;			    /* bit for each CAP_ */
	pthread_mutex_t lock;		    /* files */
	struct abi_file *files[BED_FILES];
	struct caller caller;
	unsigned long copies_to_go; /* this many more copies succeed before one fails; 0: all do */
	bool copy_failed;
	unsigned int eventfds, signals; /* that live, and that came */
	/* Told of every command, before it is made; may be NULL. */
	void (*heard)(struct abi_file *f, unsigned int cmd, const void *arg);
	char *arena;
};

struct bed_config {
	const char *iommu;
	const char *model; /* of the devices, with options; NULL: scratch */
	bool iommufd_container;
	bool may_fail; /* an allocation is about to fail: NULL instead of a failed test */
};

struct bed *bed_create(const struct bed_config *cfg);
/* Closes what is open. Everything that the host lent must have come back. */
void bed_destroy(struct bed *b);

/* A file number, or -errno. */
int bed_open_iommufd(struct bed *b);
int bed_open_container(struct bed *b);
int bed_open_group(struct bed *b, unsigned int group);
int bed_open_cdev(struct bed *b, unsigned int n);
void bed_close(struct bed *b, int fd);
long bed_ioctl(struct bed *b, int fd, unsigned int cmd, void *arg);
ssize_t bed_read(struct bed *b, int fd, void *buf, size_t count);
ssize_t bed_write(struct bed *b, int fd, const void *buf, size_t count);
ssize_t bed_pread(struct bed *b, int fd, void *buf, size_t count, uint64_t pos);
ssize_t bed_pwrite(struct bed *b, int fd, const void *buf, size_t count, uint64_t pos);
/* 0 or -errno; what was mapped is let go at once. */
int bed_mmap(struct bed *b, int fd, uint64_t len, int prot, uint64_t pos);
struct iommufd *bed_ctx(struct bed *b, int fd);
unsigned int bed_nr_files(struct bed *b);

/* The @n-th copy between caller and engine from now on is -EFAULT; 0: none. */
void bed_fail_copy(struct bed *b, unsigned long n);
bool bed_copy_failed(struct bed *b); /* ends it */

/* Commands; 0, a result, or -errno. */
int ioas_alloc_cmd(struct bed *b, int fd, uint32_t *id);
int map_cmd(struct bed *b, int fd, uint32_t ioas, uint64_t iova, const void *va, uint64_t len, uint32_t flags);
int unmap_cmd(struct bed *b, int fd, uint32_t ioas, uint64_t iova, uint64_t len);
int destroy_cmd(struct bed *b, int fd, uint32_t id);
int hwpt_cmd(struct bed *b, int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t fault, uint32_t *id);
int fault_cmd(struct bed *b, int fd, uint32_t *id, int *file);
int bind_cmd(struct bed *b, int cdev, int iommufd, uint32_t *dev);
int attach_cmd(struct bed *b, int cdev, uint32_t *pt);
int detach_cmd(struct bed *b, int cdev);
int group_set_cmd(struct bed *b, int group, int container);
int group_device_cmd(struct bed *b, int group, unsigned int device); /* an fd */
int type1_map_cmd(struct bed *b, int container, uint64_t iova, const void *va, uint64_t size);
int type1_unmap_cmd(struct bed *b, int container, uint64_t iova, uint64_t size);

#endif
