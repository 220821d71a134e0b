/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Symbols by elfutils: of a module's own symbol table and DWARF, or of separate files that its
 * build ID or debug link names, in /usr/lib/debug and where else libdwfl looks.
 *
 * A module is loaded once, at the addresses that its file has, so that an offset is an address.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/findings.h"

struct module {
	char *path;
	Dwfl *dwfl; /* NULL: no ELF file, or none any more */
	Dwfl_Module *mod;
	struct module *next;
};

struct symbols {
	struct module *modules;
	char *debug_path;
	Dwfl_Callbacks callbacks;
};

/* A function that the address is in: the innermost first. */
struct place {
	const char *function, *file;
	int line;
};

#define MAX_INLINED 16

struct symbols *symbols_new(void)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (s)
		s->callbacks = (Dwfl_Callbacks){
			.find_elf = dwfl_build_id_find_elf,
			.find_debuginfo = dwfl_standard_find_debuginfo,
			.section_address = dwfl_offline_section_address,
			.debuginfo_path = &s->debug_path,
		};
	return s;
}

void symbols_free(struct symbols *s)
{
	struct module *m, *next;

	for (m = s ? s->modules : NULL; m; m = next) {
		next = m->next;
		if (m->dwfl)
			dwfl_end(m->dwfl);
		free(m->path);
		free(m);
	}
	free(s);
}

static void load(struct symbols *s, struct module *m)
{
	m->dwfl = dwfl_begin(&s->callbacks);
	if (!m->dwfl)
		return;
	m->mod = dwfl_report_elf(m->dwfl, m->path, m->path, -1, 0, true);
	if (m->mod && !dwfl_report_end(m->dwfl, NULL, NULL))
		return;
	m->mod = NULL;
}

static struct module *module_of(struct symbols *s, const char *path)
{
	struct module *m;

	for (m = s->modules; m; m = m->next)
		if (!strcmp(m->path, path))
			return m;
	m = calloc(1, sizeof(*m));
	if (m)
		m->path = strdup(path);
	if (!m || !m->path) {
		free(m);
		return NULL;
	}
	load(s, m);
	m->next = s->modules;
	s->modules = m;
	return m;
}

/* ---- one address ---- */

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attr));
}

/* Where the inlined function @die was called: a place in the one around it. */
static void call_place(Dwarf_Die *cu, Dwarf_Die *die, struct place *p)
{
	Dwarf_Word file, line;
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &line) ||
	    dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &file) ||
	    dwarf_getsrcfiles(cu, &files, &n) || file >= n)
		return;
	p->file = dwarf_filesrc(files, file, NULL, NULL);
	p->line = (int)line;
}

/* The functions around @addr, the first of which has its file and line already. How many. */
static unsigned int functions(Dwarf_Die *cu, Dwarf_Addr addr, struct place *out)
{
	Dwarf_Die *scopes = NULL, *all = NULL;
	const int n = dwarf_getscopes(cu, addr, &scopes);
	int m = 0;
	unsigned int k = 0;

	/* The scopes of a function that was inlined end with where it was written. */
	if (n > 0)
		m = dwarf_getscopes_die(&scopes[0], &all);
	for (int i = 0; i < m && k < MAX_INLINED; i++) {
		const int tag = dwarf_tag(&all[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		out[k++].function = name_of(&all[i]);
		if (tag == DW_TAG_subprogram)
			break;
		if (k < MAX_INLINED)
			call_place(cu, &all[i], &out[k]);
	}
	free(all);
	free(scopes);
	return k;
}

/* The unit that @addr is in; *bias is to be taken from the address there. libdwfl goes by an index
 * that not all compilers write (clang). */
static Dwarf_Die *unit_of(const struct module *m, Dwarf_Addr addr, Dwarf_Addr *bias)
{
	Dwarf_Die *cu = dwfl_module_addrdie(m->mod, addr, bias);

	if (cu)
		return cu;
	while ((cu = dwfl_module_nextcu(m->mod, cu, bias)))
		if (dwarf_haspc(cu, addr - *bias) > 0)
			return cu;
	return NULL;
}

static unsigned int places(const struct module *m, Dwarf_Addr addr, struct place *out)
{
	Dwarf_Addr bias = 0;
	Dwarf_Die *cu = unit_of(m, addr, &bias);
	Dwarf_Line *line = cu ? dwarf_getsrc_die(cu, addr - bias) : NULL;
	const char *symbol = dwfl_module_addrname(m->mod, addr);
	unsigned int n = 0;

	if (line) {
		out[0].file = dwarf_linesrc(line, NULL, NULL);
		dwarf_lineno(line, &out[0].line);
	}
	if (cu)
		n = functions(cu, addr - bias, out);
	if (!n)
		n = 1;
	if (!out[n - 1].function)
		out[n - 1].function = symbol;
	return n;
}

/* ---- stacks ---- */

static void set_text(json_t *to, const char *key, const char *value)
{
	if (value)
		json_object_set_new(to, key, json_string_nocheck(value));
}

static void set_place(json_t *frame, const struct place *p)
{
	set_text(frame, "function", p->function);
	set_text(frame, "file", p->file);
	if (p->file && p->line)
		json_object_set_new(frame, "line", json_integer(p->line));
}

/* The frame of @from becomes as many as there are functions. */
static void add_frames(struct symbols *s, json_t *from, json_t *to)
{
	const char *path = json_string_value(json_object_get(from, "module"));
	const char *offset = json_string_value(json_object_get(from, "offset"));
	struct module *m = path ? module_of(s, path) : NULL;
	struct place at[MAX_INLINED] = {0};
	unsigned int n = 1;

	if (m && m->mod && offset)
		n = places(m, strtoull(offset, NULL, 0), at);
	for (unsigned int i = 0; i < n; i++) {
		json_t *frame = json_copy(from);

		set_place(frame, &at[i]);
		if (i + 1 < n)
			json_object_set_new(frame, "inlined", json_true());
		json_array_append_new(to, frame);
	}
}

void symbols_add(struct symbols *s, json_t *finding)
{
	json_t *stacks = json_object_get(finding, "stacks"), *stack, *frame;
	const char *name;
	void *next;
	size_t i;

	json_object_foreach_safe(stacks, next, name, stack)
	{
		json_t *named = json_array();

		json_array_foreach(stack, i, frame) add_frames(s, frame, named);
		json_object_set_new(stacks, name, named);
	}
}
