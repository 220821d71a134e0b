/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_SCRIPTS 4 /* interpreters of interpreters, as execve(2) limits them */

/* ---- finding it ---- */

static bool is_program(const char *path, int *err)
{
	struct stat st;

	if (stat(path, &st)) {
		*err = errno;
		return false;
	}
	*err = EACCES;
	return S_ISREG(st.st_mode) && !access(path, X_OK);
}

static bool find_in_path(const char *program, struct target *t)
{
	const char *path = getenv("PATH");
	int why = ENOENT;

	t->err = ENOENT;
	for (const char *p = path ? path : "/bin:/usr/bin"; p;
	     p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL) {
		const int n = (int)strcspn(p, ":");

		if (snprintf(t->path, sizeof(t->path), "%.*s%s%s", n, p, n ? "/" : "", program) >=
		    (int)sizeof(t->path))
			continue;
		if (is_program(t->path, &why))
			return true;
		/* As shells have it: a folder that cannot be searched has nothing. */
		if (!access(t->path, F_OK))
			t->err = why;
	}
	return false;
}

static bool find(const char *program, struct target *t)
{
	if (!strchr(program, '/'))
		return find_in_path(program, t);
	if (strlen(program) >= sizeof(t->path)) {
		t->err = ENAMETOOLONG;
		return false;
	}
	strcpy(t->path, program);
	return is_program(program, &t->err);
}

/* ---- the ELF file ---- */

struct image {
	const uint8_t *bytes;
	size_t len;
};

static const void *at(const struct image *f, uint64_t off, uint64_t len)
{
	return off <= f->len && len <= f->len - off ? f->bytes + off : NULL;
}

static const char *string_at(const struct image *f, uint64_t off)
{
	return off < f->len && memchr(f->bytes + off, '\0', f->len - off)
		       ? (const char *)f->bytes + off
		       : NULL;
}

static const Elf64_Phdr *segment(const struct image *f, const Elf64_Ehdr *e, unsigned int i)
{
	return at(f, e->e_phoff + (uint64_t)i * e->e_phentsize, sizeof(Elf64_Phdr));
}

static const Elf64_Phdr *segment_of(const struct image *f, const Elf64_Ehdr *e, uint32_t type)
{
	for (unsigned int i = 0; i < e->e_phnum; i++) {
		const Elf64_Phdr *p = segment(f, e, i);

		if (p && p->p_type == type)
			return p;
	}
	return NULL;
}

static uint64_t file_offset(const struct image *f, const Elf64_Ehdr *e, uint64_t va)
{
	for (unsigned int i = 0; i < e->e_phnum; i++) {
		const Elf64_Phdr *p = segment(f, e, i);

		if (p && p->p_type == PT_LOAD && va >= p->p_vaddr && va - p->p_vaddr < p->p_filesz)
			return va - p->p_vaddr + p->p_offset;
	}
	return UINT64_MAX;
}

/* Calls @fn with each string that a dynamic entry of @tag names, until it says true. */
static bool each_dynamic(const struct image *f, const Elf64_Ehdr *e, int64_t tag,
			 bool (*fn)(const char *s, void *arg), void *arg)
{
	const Elf64_Phdr *p = segment_of(f, e, PT_DYNAMIC);
	const Elf64_Dyn *d = p ? at(f, p->p_offset, p->p_filesz) : NULL;
	const size_t n = d ? p->p_filesz / sizeof(*d) : 0;
	uint64_t strings = UINT64_MAX;

	for (size_t i = 0; i < n && d[i].d_tag != DT_NULL; i++)
		if (d[i].d_tag == DT_STRTAB)
			strings = file_offset(f, e, d[i].d_un.d_ptr);
	for (size_t i = 0; i < n && d[i].d_tag != DT_NULL && strings != UINT64_MAX; i++) {
		const char *s = d[i].d_tag == tag ? string_at(f, strings + d[i].d_un.d_val) : NULL;

		if (s && fn(s, arg))
			return true;
	}
	return false;
}

static bool is_sanitizer(const char *s, void *arg)
{
	struct target *t = arg;

	if (strncmp(s, "libasan.so", 10) && strncmp(s, "libtsan.so", 10) &&
	    strncmp(s, "liblsan.so", 10) && strncmp(s, "libhwasan.so", 12) &&
	    strncmp(s, "libclang_rt.asan", 16) && strncmp(s, "libclang_rt.tsan", 16))
		return false;
	if (!*t->sanitizer)
		snprintf(t->sanitizer, sizeof(t->sanitizer), "%s", s);
	return true;
}

static bool is_loader(const char *s, void *arg)
{
	return !strncmp(s, "ld-linux", 8);
}

static const char *check_elf(const struct image *f, struct target *t)
{
	const Elf64_Ehdr *e = at(f, 0, sizeof(*e));
	const Elf64_Phdr *interp;
	const char *loader;

	if (!e || e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64)
		return "is built for another kind of machine (32 bits, or not x86-64)";
	interp = segment_of(f, e, PT_INTERP);
	/* The loader itself, called with a program as its argument, obeys LD_PRELOAD. */
	if (!interp)
		return each_dynamic(f, e, DT_SONAME, is_loader, NULL) ? NULL
								      : "is statically linked";
	loader = string_at(f, interp->p_offset);
	if (!loader || strstr(loader, "ld-musl"))
		return "is linked against another C library than glibc";
	each_dynamic(f, e, DT_NEEDED, is_sanitizer, t);
	return NULL;
}

static struct image map_file(const char *path)
{
	struct image f = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && !fstat(fd, &st) && st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (p != MAP_FAILED)
			f = (struct image){p, (size_t)st.st_size};
	}
	if (fd >= 0)
		close(fd);
	return f;
}

/* A door that was built with a sanitizer needs its runtime too. */
static void check_library(const char *path, struct target *t)
{
	struct image f = map_file(path);
	const Elf64_Ehdr *e = f.bytes ? at(&f, 0, sizeof(*e)) : NULL;

	if (e)
		each_dynamic(&f, e, DT_NEEDED, is_sanitizer, t);
	if (f.bytes)
		munmap((void *)f.bytes, f.len);
}

#define INTERPRETER_ROOM 256 /* as much of a script is looked at */

static bool interpreter(const struct image *f, char out[INTERPRETER_ROOM])
{
	const char *s = (const char *)f->bytes + 2,
		   *end = (const char *)f->bytes +
			  (f->len < INTERPRETER_ROOM ? f->len : INTERPRETER_ROOM);
	size_t n = 0;

	if (f->len < 3 || f->bytes[0] != '#' || f->bytes[1] != '!')
		return false;
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	while (s + n < end && !strchr(" \t\n", s[n]))
		n++;
	memcpy(out, s, n);
	out[n] = '\0';
	return true;
}

/* The loader ignores LD_PRELOAD for a program that runs with more rights than its caller. */
static bool gains_privilege(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return true;
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return true;
	return getuid() && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* valgrind's tools are static; the program that they load has its preloads all the same. */
static bool is_valgrind_tool(const char *path)
{
	const char *last = strrchr(path, '/');

	return last && strstr(path, "/valgrind/") && strstr(last, "-amd64-linux");
}

static const char *check(const char *path, int depth, struct target *t)
{
	const char *why = NULL;
	struct image f;
	char script[INTERPRETER_ROOM];

	if (is_valgrind_tool(path))
		return NULL;
	f = map_file(path);
	if (gains_privilege(path))
		why = "is setuid, setgid or has file capabilities";
	else if (f.len >= SELFMAG && !memcmp(f.bytes, ELFMAG, SELFMAG))
		why = check_elf(&f, t);
	else if (f.bytes && depth < MAX_SCRIPTS && interpreter(&f, script))
		why = check(script, depth + 1, t);
	if (f.bytes)
		munmap((void *)f.bytes, f.len);
	return why;
}

void target_look(const char *program, const char *library, struct target *t)
{
	t->err = 0;
	t->cannot = NULL;
	*t->sanitizer = '\0';
	if (!find(program, t)) {
		*t->path = '\0';
		return;
	}
	t->cannot = check(t->path, 0, t);
	if (library)
		check_library(library, t);
}
