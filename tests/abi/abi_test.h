/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The harness of the ABI tests: rows, each with the label of the rule it proves, and what a row may
 * check.
 *
 * An ABI test is an ordinary program. It knows /dev/iommu, /dev/vfio and /sys and nothing else, so
 * the same binary runs on a Linux kernel. A row prints only when it fails; the last line is
 * "N passed, N failed, N skipped". Exit status: 0, 1 when a row failed, 77 when no row ran.
 *
 *     program [-v] [-u] [RULE...]     only rows with one of these labels
 *         -v   print each row
 *         -u   expect the answers that an unprivileged caller gets
 */
#ifndef TESTS_ABI_ABI_TEST_H
#define TESTS_ABI_ABI_TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A part of a program: runs any number of rows. */
struct abi_part {
	const char *name;
	void (*run)(void);
};

#define ABI_PART(fn) { #fn, fn }

int abi_main(int argc, char **argv, const struct abi_part *parts, size_t n);

/*
 * Begins a row; the one before it ends. `rule` holds one label, or several separated by a blank.
 * False if the caller's arguments do not select it: skip its body then.
 */
bool abi_row(const char *rule, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The row cannot be had here; the reason is printed. */
void abi_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What a row checks; each returns whether it held. Errnos are positive, 0 is success. */
bool abi_errno_at(const char *where, int line, int got, int want);
bool abi_equal_at(const char *where, int line, const char *what, uint64_t got, uint64_t want);
bool abi_true_at(const char *where, int line, bool ok, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define abi_errno(got, want) abi_errno_at(__FILE__, __LINE__, got, want)
#define abi_equal(got, want) abi_equal_at(__FILE__, __LINE__, #got, got, want)
#define abi_true(ok, ...) abi_true_at(__FILE__, __LINE__, ok, __VA_ARGS__)

/* The test itself cannot go on: prints and exits with 1. */
_Noreturn void abi_broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Nothing in this program can run here: prints why and exits with 77. */
_Noreturn void abi_cannot_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

const char *abi_errno_name(int err);

/* Whether the caller has a capability (CAP_SYS_RESOURCE and so on); none with -u. */
bool abi_capable(int cap);

/* Gives up a capability, for good: what a program does last. */
void abi_drop_capability(int cap);

/* ioctl(), but returns the errno, 0 for success. */
int abi_ioctl(int fd, unsigned long request, void *arg);

/*
 * Rules as data. A rule breaks a good structure by setting some of its fields, and the call must
 * answer with the errno. abi_rules() runs each rule alone, and each pair of rules: then the one
 * that stands earlier in the array must win. A pair of which the earlier rule hides the later,
 * since both set the same bytes, is left out. Rules with a `var` take the value at run time.
 */
struct abi_set {
	uint16_t at;
	uint16_t size;
	uint64_t value;
	const uint64_t *var;
};

struct abi_rule {
	const char *rule;
	const char *name;
	int want;
	struct abi_set set[4];
};

#define ABI_SIZE(type, field) sizeof(((struct type *)0)->field)
#define SET(type, field, val) { offsetof(struct type, field), ABI_SIZE(type, field), (val), NULL }
#define SETV(type, field, var) { offsetof(struct type, field), ABI_SIZE(type, field), 0, &(var) }

/*
 * The call under test. `setup` makes the world that the call runs in, anew for each row, and
 * returns the fd to ask; `audit` checks that a refused call changed nothing; `teardown` takes all
 * down. `base` is good, or answers `base_want`: abi_rules() proves that first.
 */
struct abi_command {
	const char *name;
	unsigned long request;
	const void *base;
	size_t size;
	int (*setup)(void);
	void (*audit)(int fd);
	void (*teardown)(int fd);
	const char *base_rule; /* the label of the row that proves the base */
	int base_want;
};

void abi_rules(const struct abi_command *command, const struct abi_rule *rules, size_t n);

/* Memory that is forbidden: pages in a row, each with its own protection. */
struct abi_memory {
	char *none;        /* an unreadable page */
	char *read_only;   /* then a page of zeroes that cannot be written */
	char *writable;    /* then a writable page */
	char *none_after;  /* and one more unreadable page */
};

/* Shared by all rows; the writable page is theirs to change. */
const struct abi_memory *abi_memory(void);

/* Copies bytes so that they end exactly where the unreadable page begins. */
void *abi_at_the_edge(const void *bytes, size_t len);

/* Copies bytes into a fresh page and makes it read-only; abi_read_only_put() frees it. */
void *abi_read_only(const void *bytes, size_t len);
void abi_read_only_put(void *page);

extern const size_t abi_page;

#endif
