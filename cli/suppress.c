/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Suppressions, in the form of the other sanitizers: lines `kind:pattern`. A pattern is looked for
 * anywhere in a name; `*` stands for any characters, `^` at its beginning and `$` at its end for
 * the ends of the name.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/findings.h"
#include "observe/finding.h"

struct suppressions {
	struct suppression {
		char *kind, *pattern; /* for fnmatch() */
	} * list;
	size_t n;
};

void suppressions_free(struct suppressions *s)
{
	for (size_t i = 0; s && i < s->n; i++) {
		free(s->list[i].kind);
		free(s->list[i].pattern);
	}
	if (s)
		free(s->list);
	free(s);
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

static bool is_kind(const char *kind)
{
	for (unsigned int i = 0; i < FINDING_NR_KINDS; i++)
		if (!fnmatch(kind, finding_kind_name((enum finding_kind)i), 0))
			return true;
	return false;
}

/* fnmatch() takes but `*` of it as special. */
static char *glob_of(const char *pattern)
{
	const size_t len = strlen(pattern);
	const bool from_start = *pattern == '^', to_end = len && pattern[len - 1] == '$';
	char *glob = malloc(2 * len + 3), *to = glob;

	if (!glob)
		return NULL;
	if (!from_start)
		*to++ = '*';
	for (size_t i = from_start; i < len - to_end; i++) {
		if (strchr("?[\\", pattern[i]))
			*to++ = '\\';
		*to++ = pattern[i];
	}
	if (!to_end)
		*to++ = '*';
	*to = '\0';
	return glob;
}

/* What is wrong with the line, or NULL. */
static const char *add(struct suppressions *s, const char *kind, const char *pattern)
{
	struct suppression *list;

	if (!is_kind(kind))
		return "no finding is of that kind";
	if (!*pattern || !strcmp(pattern, "^") || !strcmp(pattern, "$") || !strcmp(pattern, "^$"))
		return "the pattern is empty";
	list = realloc(s->list, (s->n + 1) * sizeof(*list));
	if (!list)
		return strerror(ENOMEM);
	s->list = list;
	list[s->n].kind = strdup(kind);
	list[s->n].pattern = glob_of(pattern);
	s->n++;
	return list[s->n - 1].kind && list[s->n - 1].pattern ? NULL : strerror(ENOMEM);
}

static const char *add_line(struct suppressions *s, char *line)
{
	char *text = trim(line), *colon;

	if (!*text || *text == '#')
		return NULL;
	colon = strchr(text, ':');
	if (!colon)
		return "it is not of the form kind:pattern";
	*colon = '\0';
	return add(s, trim(text), trim(colon + 1));
}

struct suppressions *suppressions_read(const char *path)
{
	struct suppressions *s = calloc(1, sizeof(*s));
	const char *wrong = s ? NULL : strerror(ENOMEM);
	FILE *f = s ? fopen(path, "re") : NULL;
	unsigned int number = 0;
	char *line = NULL;
	size_t room = 0;

	if (s && !f)
		fprintf(stderr, "ioas: cannot read %s: %s\n", path, strerror(errno));
	while (f && !wrong && getline(&line, &room, f) >= 0) {
		number++;
		wrong = add_line(s, line);
	}
	if (f && !wrong && ferror(f))
		wrong = strerror(errno);
	if (wrong && number)
		fprintf(stderr, "ioas: %s:%u: %s\n", path, number, wrong);
	else if (wrong)
		fprintf(stderr, "ioas: cannot read %s: %s\n", path, wrong);
	free(line);
	if (!f || wrong) {
		suppressions_free(s);
		s = NULL;
	}
	if (f)
		fclose(f);
	return s;
}

/* ---- matching ---- */

static bool matches(const struct suppression *p, const json_t *text)
{
	return json_is_string(text) && !fnmatch(p->pattern, json_string_value(text), 0);
}

static bool frame_matches(const struct suppression *p, const json_t *frame)
{
	return matches(p, json_object_get(frame, "function")) ||
	       matches(p, json_object_get(frame, "module")) ||
	       matches(p, json_object_get(frame, "file"));
}

static bool stacks_match(const struct suppression *p, json_t *stacks)
{
	json_t *stack, *frame;
	const char *name;
	size_t i;

	json_object_foreach(stacks, name, stack)
		json_array_foreach(stack, i, frame) if (frame_matches(p, frame)) return true;
	return false;
}

bool suppressions_match(const struct suppressions *s, const json_t *finding)
{
	const char *kind = json_string_value(json_object_get(finding, "kind"));

	for (size_t i = 0; s && kind && i < s->n; i++) {
		const struct suppression *p = &s->list[i];

		if (!fnmatch(p->kind, kind, 0) &&
		    (matches(p, json_object_get(finding, "device")) ||
		     stacks_match(p, json_object_get(finding, "stacks"))))
			return true;
	}
	return false;
}
