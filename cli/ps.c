/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ioas ps`: what the running engines hold, as trees.
 */
#include <argp.h>
#include <ioas/abi/extensions.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/engines.h"
#include "cli/plain.h"

#define MAX_DEPTH 16

/* ---- lines of a tree ---- */

struct tree {
	bool utf8;
	unsigned int depth;
	bool last[MAX_DEPTH]; /* no sibling follows, by depth */
};

static void print_branch(const struct tree *t)
{
	for (unsigned int n = 0; n < t->depth; n++) {
		const bool here = n + 1 == t->depth;

		if (here)
			fputs(t->utf8 ? (t->last[n] ? "└─ " : "├─ ") : (t->last[n] ? "`- " : "|- "),
			      stdout);
		else
			fputs(t->last[n] ? "   " : t->utf8 ? "│  " : "|  ", stdout);
	}
}

static void down(struct tree *t, bool last)
{
	if (t->depth < MAX_DEPTH)
		t->last[t->depth] = last;
	t->depth += t->depth < MAX_DEPTH;
	print_branch(t);
}

static void up(struct tree *t)
{
	t->depth--;
}

/* ---- objects ---- */

/* The object that @o stands on in the tree; 0: the context. */
static unsigned long long parent_of(const json_t *o)
{
	static const struct {
		const char *type, *keys[2];
	} parents[] = {
		{"hwpt-paging", {"ioas", NULL}}, {"hwpt-nested", {"viommu", "parent"}},
		{"viommu", {"parent", NULL}},	 {"vdevice", {"viommu", NULL}},
		{"veventq", {"viommu", NULL}},	 {"hw-queue", {"viommu", NULL}},
		{"access", {"ioas", NULL}},
	};
	const char *type = answer_string(o, "type", "");

	for (size_t n = 0; n < sizeof(parents) / sizeof(parents[0]); n++) {
		if (strcmp(parents[n].type, type))
			continue;
		for (size_t k = 0; k < 2 && parents[n].keys[k]; k++)
			if (json_object_get(o, parents[n].keys[k]))
				return answer_number(o, parents[n].keys[k]);
	}
	return 0;
}

static void print_flags(const json_t *o)
{
	const json_t *flag;
	size_t n;

	json_array_foreach(json_object_get(o, "flags"), n, flag)
		printf(", %s", json_string_value(flag));
	if (json_is_true(json_object_get(o, "automatic")))
		fputs(", automatic", stdout);
	if (json_object_get(o, "fault_queue"))
		printf(", faults to %llu", answer_number(o, "fault_queue"));
}

static const char *words_many(unsigned long long n, const char *what, char out[WORDS_MAX + 16])
{
	snprintf(out, WORDS_MAX + 16, "%llu %s%s", n, what, n == 1 ? "" : "s");
	return out;
}

static void print_space(const json_t *o)
{
	char bytes[WORDS_MAX], of[3][WORDS_MAX + 16];

	printf(": %s, %s; %s, %s", words_many(answer_number(o, "areas"), "mapping", of[0]),
	       words_bytes(answer_number(o, "bytes"), bytes),
	       words_many(answer_number(o, "maps"), "map", of[1]),
	       words_many(answer_number(o, "unmaps"), "unmap", of[2]));
}

static void print_hwpt(const json_t *o)
{
	char bytes[WORDS_MAX];

	if (json_object_get(o, "format"))
		printf(": %s, %llu levels, %s in its table", answer_string(o, "format", ""),
		       answer_number(o, "levels"),
		       words_bytes(answer_number(o, "mapped_bytes"), bytes));
	print_flags(o);
}

static const char *viommu_name(unsigned long long type)
{
	switch (type) {
	case IOMMU_VIOMMU_TYPE_ARM_SMMUV3:
		return "ARM_SMMUV3";
	case IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV:
		return "TEGRA241_CMDQV";
	case IOMMU_HW_INFO_TYPE_AMD:
		return "AMD";
	case IOMMU_VIOMMU_TYPE_IOAS_SMMUV3:
		return "IOAS_SMMUV3";
	case IOMMU_VIOMMU_TYPE_IOAS_AMD:
		return "IOAS_AMD";
	case IOMMU_VIOMMU_TYPE_IOAS_VTD:
		return "IOAS_VTD";
	default:
		return "of another type";
	}
}

static void print_object(const json_t *o)
{
	const char *type = answer_string(o, "type", "?");

	printf("%s %llu", type, answer_number(o, "id"));
	if (!strcmp(type, "ioas"))
		print_space(o);
	else if (!strncmp(type, "hwpt", 4))
		print_hwpt(o);
	else if (!strcmp(type, "veventq"))
		printf(": type %llu, %llu of %llu events waiting", answer_number(o, "kind"),
		       answer_number(o, "queued"), answer_number(o, "depth"));
	else if (!strcmp(type, "hw-queue"))
		printf(": type %llu, index %llu, at %s", answer_number(o, "kind"),
		       answer_number(o, "index"), answer_string(o, "iova", "?"));
	else if (!strcmp(type, "fault-queue"))
		printf(": %llu waiting, %llu not answered", answer_number(o, "queued"),
		       answer_number(o, "outstanding"));
	else if (!strcmp(type, "viommu"))
		printf(": %s", viommu_name(answer_number(o, "kind")));
	if (json_object_get(o, "device"))
		printf(": %s", answer_string(o, "device", "?"));
	if (json_object_get(o, "virt_id"))
		printf(" as %s", answer_string(o, "virt_id", "?"));
	putchar('\n');
}

static bool is_child(const json_t *objects, size_t n, unsigned long long of)
{
	return parent_of(json_array_get(objects, n)) == of;
}

/* Objects that stand on the object @of. */
static void print_children(struct tree *t, const json_t *objects, unsigned long long of)
{
	const size_t all = json_array_size(objects);
	size_t left = 0;

	for (size_t n = 0; n < all; n++)
		left += is_child(objects, n, of);
	for (size_t n = 0; n < all; n++) {
		const json_t *o = json_array_get(objects, n);

		if (!is_child(objects, n, of))
			continue;
		down(t, !--left);
		print_object(o);
		if (t->depth < MAX_DEPTH)
			print_children(t, objects, answer_number(o, "id"));
		up(t);
	}
}

/* ---- the rest ---- */

static void print_context(struct tree *t, const json_t *c)
{
	const char *kind = answer_string(c, "kind", "?");
	char groups[WORDS_MAX + 16];

	printf("%s (context %llu)", kind, answer_number(c, "context"));
	if (!strcmp(kind, "container")) {
		printf(", type1 v%llu, %s", answer_number(c, "type1"),
		       words_many(answer_number(c, "groups"), "group", groups));
		if (json_object_get(c, "areas"))
			print_space(c);
		putchar('\n');
		return;
	}
	putchar('\n');
	print_children(t, json_object_get(c, "objects"), 0);
}

static void print_device(const json_t *d)
{
	const json_t *a;
	size_t n;

	printf("%s %s, group %llu", answer_string(d, "name", "?"), answer_string(d, "model", ""),
	       answer_number(d, "group"));
	if (answer_number(d, "context"))
		printf(", of context %llu", answer_number(d, "context"));
	json_array_foreach(json_object_get(d, "attachments"), n, a)
	{
		fputs(n ? "; " : ": ", stdout);
		if (answer_number(a, "pasid"))
			printf("PASID %llu ", answer_number(a, "pasid"));
		if (json_is_null(json_object_get(a, "hwpt")))
			fputs("attached", stdout);
		else
			printf("attached to hwpt %llu", answer_number(a, "hwpt"));
	}
	if (json_is_true(json_object_get(d, "bus_master")))
		fputs(", bus master", stdout);
	if (json_is_true(json_object_get(d, "ats")))
		fputs(", ATS", stdout);
	putchar('\n');
}

static void print_process(json_t *p)
{
	struct tree t = {.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8")};
	const json_t *devices = json_object_get(p, "devices");
	const json_t *contexts = json_object_get(p, "contexts"), *item;
	const size_t total = json_array_size(devices) + json_array_size(contexts);
	char age[WORDS_MAX];
	size_t n, done = 0;

	plain_json(p);
	printf("%llu %s, %s%s, for %s\n", answer_number(p, "pid"), answer_string(p, "program", "?"),
	       answer_string(p, "iommu", "?"),
	       json_is_true(json_object_get(p, "shared")) ? ", of a whole run" : "",
	       words_age(answer_number(p, "uptime_ns"), age));
	json_array_foreach(devices, n, item)
	{
		down(&t, ++done == total);
		print_device(item);
		up(&t);
	}
	json_array_foreach(contexts, n, item)
	{
		down(&t, ++done == total);
		print_context(&t, item);
		up(&t);
	}
}

/* Those that end meanwhile are left out. */
static json_t *ask_all(void)
{
	struct engine_place *all;
	const size_t n = engines_list(&all);
	json_t *answers = json_array();

	for (size_t k = 0; k < n; k++) {
		const int fd = engines_connect(&all[k]);
		json_t *answer = fd < 0 ? NULL : engines_exchange(fd, "tree");

		if (answer)
			json_array_append_new(answers, answer);
		else if (fd < 0 && engines_stopped(all[k].pid))
			fprintf(stderr, "ioas: process %d is stopped, and cannot answer\n", all[k].pid);
		else if (fd >= 0 && !kill(all[k].pid, 0))
			fprintf(stderr, "ioas: process %d does not answer\n", all[k].pid);
		if (fd >= 0)
			close(fd);
	}
	free(all);
	return answers;
}

/* ---- the command ---- */

static const struct argp_option options[] = {
	{"json", 'j', 0, 0, "print JSON: of one process its document, else an array of them", 0},
	{0},
};

static int print_all(const struct engines_wish *w)
{
	json_t *answers = ask_all(), *p;
	size_t n;

	if (w->json) {
		json_dumpf(answers, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (!json_array_size(answers)) {
		fputs("ioas: no program is running under `ioas run` with an IOMMU open\n", stderr);
	}
	json_array_foreach(answers, n, p) if (!w->json) print_process(p);
	json_decref(answers);
	return 0;
}

int cmd_ps(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		engines_parse_wish,
		"[PID]",
		"Show the programs that run under `ioas run`: their devices, and what they have made of the IOMMU as "
		"a tree: address spaces, page tables, devices, virtual IOMMUs.",
		NULL,
		NULL,
		NULL};
	static char name[] = "ioas ps";
	struct engines_wish w = {.command = "ps"};
	json_t *answer;
	int status = 0;

	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &w);
	setlocale(LC_CTYPE, "");
	if (!w.pid)
		return print_all(&w);
	if (w.json)
		return engines_print(w.pid, "tree");
	answer = engines_answer(w.pid, "tree", &status);
	if (answer)
		print_process(answer);
	json_decref(answer);
	return status;
}
