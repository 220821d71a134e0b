/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call of the ABI with every allocation failing in turn, alone and with all that follow it,
 * and with every copy from and to its caller failing in turn: a call that fails leaves everything
 * as it was, but for what the rules say stays, and works when it is made again.
 *
 * A case is a row in the table of its noun, a file each; failures.c has the sweeps, dump.c says
 * what "everything" is, and coverage.c that no command is without a row.
 */
#ifndef TESTS_UNIT_ABI_FAILURES_H
#define TESTS_UNIT_ABI_FAILURES_H

#include "../bed.h"

#include <errno.h>
#include <ioas/abi/extensions.h>
#include <ioas/abi/mock.h>

/* A bed with what a case has set up in it; -1 (files) and 0 (ids) stand for what it has not. */
struct scene {
	struct bed *b;
	int iommufd, container, group[2], dev[BED_DEVICES], file, events, access, dmabuf;
	uint32_t devid[BED_DEVICES], ioas[2], hwpt, fault;
	/* Of the make mock. */
	uint32_t stdev, parent, nested, viommu, vdevice, hw_queue, item;
	/* Of a nesting make. */
	uint32_t nest_type, wish_len;
	union wish {
		struct iommu_viommu_ioas_vtd vtd;
		struct iommu_viommu_ioas_amd amd;
		struct iommu_viommu_ioas_smmuv3 smmuv3;
	} wish;
	uint64_t region; /* that a vIOMMU offers: where and how long */
	uint64_t region_len;
};

struct failing {
	const char *name;
	void (*prepare)(struct scene *s);
	long (*call)(struct scene *s);
	const char *model;  /* of the devices; NULL: scratch */
	const char *only;   /* the make; NULL: all but the mock */
	bool mock;	    /* the mock only */
	bool dirty;	    /* only on makes that track dirty pages */
	bool stays;	    /* what a reply that cannot be written leaves behind: MAP.19, 1.4 */
	bool none;	    /* allocates nothing, or says nothing of it */
	bool unheard;	    /* a copy that fails is not reported: Q4, Q27 */
	const char *but[2]; /* lines of a dump that begin so may change all the same */
};

struct noun {
	const char *name;
	const struct failing *cases;
	size_t n;
};
#define NOUN(variable, text) const struct noun variable = {text, cases, ARRAY_SIZE(cases)}
extern const struct noun failing_files, failing_ioas, failing_hwpts, failing_viommus,
	failing_nesting, failing_devices, failing_groups, failing_type1, failing_compat,
	failing_mock;

/* ---- what stands before a call (scenes.c) ---- */

void nothing(struct scene *s);
void one_ioas(struct scene *s);
void unbound(struct scene *s);		/* a cdev */
void bound(struct scene *s);		/* to the iommufd */
void bound_with_areas(struct scene *s); /* in the IOAS */
void attached(struct scene *s);
void attached_with_areas(struct scene *s);
void attached_and_other(struct scene *s); /* IOAS, with an area */
void container_and_groups(struct scene *s);
void group_joined(struct scene *s); /* the container */
void type1(struct scene *s);
void type1_mapped(struct scene *s);
void type1_device(struct scene *s);
void compat(struct scene *s); /* an iommufd in the container's place */
void compat_device(struct scene *s);
void map_some(struct scene *s);
/* A host of make mock with two IOAS, each with an area at IOVA; and a test device. */
#define MOCK_AREA (64 * PAGE_SIZE)
void mock_spaces(struct scene *s);
void mock_device(struct scene *s);
void mock_parent(struct scene *s); /* an HWPT to nest on */
void mock_nested(struct scene *s); /* one on it, with a fault queue */
void mock_nested_attached(struct scene *s);
void mock_viommu(struct scene *s);
void mock_vdevice(struct scene *s); /* with an event queue and a nested HWPT */
void mock_vdevice_attached(struct scene *s);

/* ---- commands that several nouns make ---- */

long test_cmd(struct scene *s, struct iommu_test_cmd *cmd);
#define TEST(operation, ...)                                                                       \
	test_cmd(s, &(struct iommu_test_cmd){.op = IOMMU_TEST_OP_##operation, __VA_ARGS__})
long alloc_nested(struct scene *s, uint32_t on, uint32_t flags, uint32_t fault);
long alloc_viommu(struct scene *s);
long alloc_vdevice(struct scene *s);
long alloc_veventq(struct scene *s);
/* 0 when @rc is what a call that is always refused says. */
long expect(long rc, int err);
long type1_info(struct scene *s); /* of the container, or of the iommufd in its place */
/* A fixed mapping of half the arena by the container or its stand-in. */
long map_dma(struct scene *s);

/* ---- dump.c ---- */

/* All that the engine knows, as text. */
struct dump {
	size_t len;
	char text[1 << 17];
};
void dump(const struct scene *s, struct dump *out);
/* The first lines in which they differ into @why; those that @f excepts are not looked at. */
bool dump_differs(const struct failing *f, const struct dump *a, const struct dump *b, char *why,
		  size_t why_len);

/* ---- coverage.c ---- */

/* From now on (NULL: no more) the commands that @b is given count as tried. */
void coverage_listen(struct bed *b);
void coverage_check(void **state);

struct scene *scene_open(const struct failing *f, const char *make);
void scene_close(struct scene *s);

#endif
