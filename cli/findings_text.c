/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A finding as text, in the manner of the compilers' sanitizers.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/findings.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* The stacks, in the order in which they help. */
static const struct {
	const char *key, *title;
} stacks[] = {
	{"now", "found in the call"},
	{"device", "the device was last told to work at"},
	{"mapped", "the mapping was made at"},
	{"used", "the device that last used it was told to work at"},
	{"unmapped", "it was removed at"},
	{"other_mapped", "the other mapping was made at"},
};

#define NR_STACKS (sizeof(stacks) / sizeof(stacks[0]))

/* Compilers give some calls no line. */
static void print_place(FILE *to, const json_t *frame)
{
	const uint64_t line = number_of(frame, "line");

	fprintf(to, " %s", text_of(frame, "file"));
	if (line)
		fprintf(to, ":%" PRIu64, line);
}

static void print_frame(FILE *to, size_t i, const json_t *frame)
{
	const char *function = text_of(frame, "function"), *file = text_of(frame, "file");
	const char *module = text_of(frame, "module"), *offset = text_of(frame, "offset");

	fprintf(to, "    #%zu %s", i, offset ? offset : "?");
	if (function)
		fprintf(to, " in %s", function);
	if (file)
		print_place(to, frame);
	else if (module)
		fprintf(to, " (%s+%s)", module, offset ? offset : "?");
	fputc('\n', to);
}

static void print_stack(FILE *to, const char *title, const json_t *stack)
{
	const json_t *frame;
	size_t i;

	if (!json_array_size(stack))
		return;
	fprintf(to, "  %s\n", title);
	json_array_foreach(stack, i, frame) print_frame(to, i, frame);
}

/* Often the access that was wrong came from the very store that the last good one came from. */
static void print_stacks(FILE *to, const json_t *finding)
{
	const json_t *of = json_object_get(finding, "stacks");
	const bool by_device = text_of(json_object_get(finding, "nearest"), "used_by");

	for (size_t i = 0; i < NR_STACKS; i++) {
		const json_t *stack = json_object_get(of, stacks[i].key);

		if (!strcmp(stacks[i].key, "used") && json_array_size(stack) &&
		    json_equal(stack, json_object_get(of, "device")))
			fputs("  it was last used after the same store\n", to);
		else if (!strcmp(stacks[i].key, "used") && !by_device)
			print_stack(to, "the program last used it itself at", stack);
		else
			print_stack(to, stacks[i].title, stack);
	}
}

static void print_age(FILE *to, uint64_t ns)
{
	if (ns >= 1000000000)
		fprintf(to, "%.1f s", (double)ns / 1e9);
	else if (ns >= 1000000)
		fprintf(to, "%.1f ms", (double)ns / 1e6);
	else
		fprintf(to, "%.1f us", (double)ns / 1e3);
}

static void print_mapping(FILE *to, const char *title, const json_t *m)
{
	const uint64_t ioas = number_of(m, "ioas"), uses = number_of(m, "uses");
	const char *permissions = text_of(m, "permissions"), *source = text_of(m, "source");

	if (!m)
		return;
	fprintf(to, "  %-8s %s-%s %s", title, text_of(m, "iova"), text_of(m, "last"),
		permissions && *permissions ? permissions : "-");
	if (ioas)
		fprintf(to, " of IOAS %" PRIu64, ioas);
	else
		fputs(" of the container", to);
	fprintf(to, ", %s %s, made ", source ? source : "memory", text_of(m, "va"));
	print_age(to, number_of(m, "age_ns"));
	fprintf(to, " before, used %" PRIu64 " %s", uses, uses == 1 ? "time" : "times");
	if (uses && text_of(m, "used_by"))
		fprintf(to, ", last by requester ID %s", text_of(m, "used_by"));
	else if (uses)
		fputs(", last by the program itself", to);
	fputc('\n', to);
}

static void print_line(FILE *to, const char *title, const char *text)
{
	if (text)
		fprintf(to, "  %-8s %s\n", title, text);
}

static void print_device(FILE *to, const json_t *f)
{
	const uint64_t pasid = number_of(f, "pasid");

	if (!text_of(f, "device"))
		return;
	fprintf(to, "  device   %s, requester ID %s", text_of(f, "device"), text_of(f, "rid"));
	if (pasid)
		fprintf(to, ", PASID %" PRIu64, pasid);
	fputc('\n', to);
}

static void print_access(FILE *to, const json_t *f)
{
	const char *access = text_of(f, "access"), *gpa = text_of(f, "gpa");
	const uint64_t len = number_of(f, "length");

	if (!access && !len)
		return;
	fprintf(to, "  %-8s %s%s%" PRIu64 " %s at IOVA %s", access ? "access" : "range",
		access ? access : "", access ? " of " : "", len, len == 1 ? "byte" : "bytes",
		text_of(f, "iova"));
	if (gpa)
		fprintf(to, ", guest physical address %s", gpa);
	fputc('\n', to);
}

/* What a compiler's sanitizer puts between the program and the C library. */
static bool is_runtime(const json_t *frame)
{
	static const char *const begins[] = {"__interceptor_", "_ZN11__sanitizer", "_ZN6__asan",
					     "_ZN6__tsan", "_ZN6__msan"};
	const char *function = text_of(frame, "function"), *file = text_of(frame, "file");

	for (size_t i = 0; function && i < sizeof(begins) / sizeof(begins[0]); i++)
		if (!strncmp(function, begins[i], strlen(begins[i])))
			return true;
	return file && strstr(file, "/libsanitizer/");
}

/* The innermost frame, of the program's if there is one, of the first stack that there is. */
static const json_t *culprit(const json_t *f)
{
	const json_t *stack = NULL, *frame;
	size_t n;

	for (size_t i = 0; i < NR_STACKS && !json_array_size(stack); i++)
		stack = json_object_get(json_object_get(f, "stacks"), stacks[i].key);
	json_array_foreach(stack, n, frame) if (!is_runtime(frame)) return frame;
	return json_array_get(stack, 0);
}

/* What and where, in a line. */
static void print_short(FILE *to, const json_t *f)
{
	const json_t *frame = culprit(f);
	const char *file = text_of(frame, "file"), *function = text_of(frame, "function");

	fputs(text_of(f, "kind"), to);
	if (file)
		print_place(to, frame);
	else if (frame)
		fprintf(to, " (%s+%s)", text_of(frame, "module"), text_of(frame, "offset"));
	if (function)
		fprintf(to, " in %s", function);
	fputc('\n', to);
}

void findings_print(FILE *to, const json_t *f)
{
	const char *text = text_of(f, "text");

	fprintf(to, "==%" PRIu64 "== ioas: %s: %s\n", number_of(f, "pid"), text_of(f, "kind"),
		text ? text : "");
	print_device(to, f);
	print_access(to, f);
	print_line(to, "memory", text_of(f, "va"));
	print_line(to, "IOMMU", text_of(f, "iommu"));
	print_mapping(to, "mapping", json_object_get(f, "nearest"));
	print_mapping(to, "other", json_object_get(f, "other"));
	print_line(to, "advice", text_of(f, "advice"));
	print_stacks(to, f);
	fputs("SUMMARY: ioas: ", to);
	print_short(to, f);
}

void findings_print_end(FILE *to, const json_t *kept, uint64_t suppressed, uint64_t lost)
{
	const size_t n = json_array_size(kept);
	const json_t *f;
	size_t i;

	fprintf(to, "ioas: the DMA sanitizer reported %zu %s", n, n == 1 ? "finding" : "findings");
	if (suppressed)
		fprintf(to, ", and suppressed %" PRIu64, suppressed);
	if (lost)
		fprintf(to, "; %" PRIu64 " more were too many to keep", lost);
	fputc('\n', to);
	json_array_foreach(kept, i, f)
	{
		if (number_of(f, "count") <= 1)
			continue;
		fprintf(to, "ioas: %" PRIu64 " times: ", number_of(f, "count"));
		print_short(to, f);
	}
}
