/* SPDX-License-Identifier: BSD-3-Clause */
/* The harness of the ABI tests; see abi_test.h. */
#include "abi_test.h"

#include <linux/capability.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct {
	char **labels;
	int nr_labels;
	bool verbose;
	bool unprivileged;

	bool open;
	bool failed;
	bool skipped;
	char rule[128];
	char name[256];

	unsigned int nr_passed;
	unsigned int nr_failed;
	unsigned int nr_skipped;
} run;

const size_t abi_page = 4096;

static void close_row(void)
{
	if (!run.open)
		return;
	run.open = false;
	if (run.failed)
		run.nr_failed++;
	else if (run.skipped)
		run.nr_skipped++;
	else
		run.nr_passed++;
}

static bool has_label(const char *rule, const char *label)
{
	size_t len = strlen(label);

	for (const char *at = rule; (at = strstr(at, label)); at += len)
		if ((at == rule || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static bool selected(const char *rule)
{
	for (int i = 0; i < run.nr_labels; i++)
		if (has_label(rule, run.labels[i]))
			return true;
	return !run.nr_labels;
}

bool abi_row(const char *rule, const char *fmt, ...)
{
	va_list args;

	close_row();
	if (!selected(rule))
		return false;
	snprintf(run.rule, sizeof(run.rule), "%s", rule);
	va_start(args, fmt);
	vsnprintf(run.name, sizeof(run.name), fmt, args);
	va_end(args);
	run.open = true;
	run.failed = false;
	run.skipped = false;
	if (run.verbose) {
		printf("%s: %s\n", run.rule, run.name);
		fflush(stdout);
	}
	return true;
}

/* False in a row that the caller's arguments did not select. */
static bool complain(const char *where, int line)
{
	if (!run.open && run.nr_labels)
		return false;
	if (!run.open)
		abi_broken("%s:%d checks outside a row", where, line);
	run.failed = true;
	printf("FAIL %s: %s (%s:%d): ", run.rule, run.name, where, line);
	return true;
}

void abi_skip(const char *fmt, ...)
{
	va_list args;

	run.skipped = true;
	printf("skipped %s: %s: ", run.rule, run.name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

const char *abi_errno_name(int err)
{
	const char *name = err ? strerrorname_np(err) : "success";

	return name ? name : "an unknown errno";
}

bool abi_errno_at(const char *where, int line, int got, int want)
{
	if (got == want)
		return true;
	if (complain(where, line))
		printf("got %s, want %s\n", abi_errno_name(got), abi_errno_name(want));
	return false;
}

bool abi_equal_at(const char *where, int line, const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return true;
	if (complain(where, line))
		printf("%s is %#jx, want %#jx\n", what, (uintmax_t)got, (uintmax_t)want);
	return false;
}

bool abi_true_at(const char *where, int line, bool ok, const char *fmt, ...)
{
	va_list args;

	if (ok)
		return true;
	if (!complain(where, line))
		return false;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	return false;
}

_Noreturn void abi_broken(const char *fmt, ...)
{
	va_list args;

	printf("BROKEN %s: %s: ", run.open ? run.rule : "-", run.open ? run.name : "-");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n%u passed, %u failed\n", run.nr_passed, run.nr_failed + 1);
	exit(1);
}

_Noreturn void abi_cannot_run(const char *fmt, ...)
{
	va_list args;

	printf("skipped: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n0 passed, 0 failed\n");
	exit(77);
}

bool abi_capable(int cap)
{
	unsigned long long effective = 0;
	char line[256];
	FILE *f;

	if (run.unprivileged)
		return false;
	f = fopen("/proc/self/status", "re");
	if (!f)
		abi_broken("/proc/self/status: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	fclose(f);
	return effective >> cap & 1;
}

void abi_drop_capability(int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		abi_broken("capget: %s", strerror(errno));
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	if (syscall(SYS_capset, &header, data))
		abi_broken("capset: %s", strerror(errno));
}

int abi_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? errno : 0;
}

/* Returns how many bytes of the structure the rule set. */
static void apply(const struct abi_rule *rule, unsigned char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(rule->set) && rule->set[i].size; i++) {
		const struct abi_set *set = &rule->set[i];
		uint64_t value = set->var ? *set->var : set->value;

		/* Little-endian: the low bytes are the field. */
		memcpy(arg + set->at, &value, set->size);
	}
}

/* Whether every field that `over` breaks is set by `under` too, so that nothing of it is left. */
static bool hidden(const struct abi_rule *under, const struct abi_rule *over, size_t size)
{
	unsigned char before[256] = { 0 }, after[256];

	for (size_t i = 0; i < ARRAY_SIZE(under->set) && under->set[i].size; i++)
		memset(before + under->set[i].at, 1, under->set[i].size);
	memcpy(after, before, size);
	for (size_t i = 0; i < ARRAY_SIZE(over->set) && over->set[i].size; i++)
		memset(after + over->set[i].at, 0, over->set[i].size);
	for (size_t i = 0; i < size; i++)
		if (after[i])
			return false;
	return true;
}

static void run_command(const struct abi_command *command, const struct abi_rule *later,
			const struct abi_rule *earlier)
{
	unsigned char arg[256] = { 0 };
	int want = earlier ? earlier->want : command->base_want;
	int fd = command->setup();

	memcpy(arg, command->base, command->size);
	if (later)
		apply(later, arg);
	if (earlier)
		apply(earlier, arg);
	abi_errno(abi_ioctl(fd, command->request, arg), want);
	if (want && command->audit)
		command->audit(fd);
	command->teardown(fd);
}

void abi_rules(const struct abi_command *command, const struct abi_rule *rules, size_t n)
{
	char labels[128];

	if (command->size > 256)
		abi_broken("%s: the structure is too large for the harness", command->name);
	if (abi_row(command->base_rule, "%s: the base of the rows", command->name))
		run_command(command, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		if (abi_row(rules[i].rule, "%s: %s", command->name, rules[i].name))
			run_command(command, NULL, &rules[i]);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++) {
			if (hidden(&rules[k], &rules[i], command->size))
				continue;
			snprintf(labels, sizeof(labels), "%s %s", rules[i].rule, rules[k].rule);
			if (abi_row(labels, "%s: %s before %s", command->name, rules[i].name,
				    rules[k].name))
				run_command(command, &rules[k], &rules[i]);
		}
	}
}

const struct abi_memory *abi_memory(void)
{
	static struct abi_memory memory;
	char *pages;

	if (memory.none)
		return &memory;
	pages = mmap(NULL, 4 * abi_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		abi_broken("mmap: %s", strerror(errno));
	if (mprotect(pages + abi_page, abi_page, PROT_READ) ||
	    mprotect(pages + 2 * abi_page, abi_page, PROT_READ | PROT_WRITE))
		abi_broken("mprotect: %s", strerror(errno));
	memory.read_only = pages + abi_page;
	memory.writable = pages + 2 * abi_page;
	memory.none_after = pages + 3 * abi_page;
	memory.none = pages;
	return &memory;
}

void *abi_at_the_edge(const void *bytes, size_t len)
{
	char *at = abi_memory()->none_after - len;

	memset(abi_memory()->writable, 0, abi_page);
	memcpy(at, bytes, len);
	return at;
}

void *abi_read_only(const void *bytes, size_t len)
{
	char *page = mmap(NULL, abi_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	if (page == MAP_FAILED)
		abi_broken("mmap: %s", strerror(errno));
	memcpy(page, bytes, len);
	if (mprotect(page, abi_page, PROT_READ))
		abi_broken("mprotect: %s", strerror(errno));
	return page;
}

void abi_read_only_put(void *page)
{
	munmap(page, abi_page);
}

static void usage(const char *program)
{
	fprintf(stderr, "usage: %s [-v] [-u] [RULE...]\n", program);
	exit(2);
}

int abi_main(int argc, char **argv, const struct abi_part *parts, size_t n)
{
	int opt;

	while ((opt = getopt(argc, argv, "uv")) != -1) {
		if (opt == 'u')
			run.unprivileged = true;
		else if (opt == 'v')
			run.verbose = true;
		else
			usage(argv[0]);
	}
	run.labels = argv + optind;
	run.nr_labels = argc - optind;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < n; i++) {
		if (run.verbose)
			printf("# %s\n", parts[i].name);
		parts[i].run();
		close_row();
	}
	printf("%u passed, %u failed, %u skipped\n", run.nr_passed, run.nr_failed, run.nr_skipped);
	if (run.nr_failed)
		return 1;
	return run.nr_passed ? 0 : 77;
}
