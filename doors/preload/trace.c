/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ioas/abi/extensions.h>

#include "base/bits.h"
#include "doors/preload/guard.h"
#include "doors/preload/sys.h"
#include "doors/preload/trace_table.h"

/* One line, written at once so that those of several threads and processes do not mix. */
struct line {
	size_t len;
	char text[1280];
};

static void __attribute__((format(printf, 2, 3))) add(struct line *l, const char *fmt, ...)
{
	const size_t room = sizeof(l->text) - 1 - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	l->len += min_u64((uint64_t)n, room - 1);
}

static bool is_shown(long rc)
{
	return door.run.show == RUN_VERBOSE || rc < 0;
}

static void start(struct line *l)
{
	l->len = 0;
	add(l, "[%d] ", sys_gettid());
}

/* What no rule refused, but the machine has not got. */
static void add_shortage(struct line *l, int err)
{
	struct rlimit fds;

	if (err == EBADF)
		add(l, " (MACHINE: fd, legal: an open file: it was closed meanwhile)");
	else if (err == ENOMEM)
		add(l, " (MACHINE: no memory is left, or no place for it)");
	else if (err == EMFILE && !getrlimit(RLIMIT_NOFILE, &fds))
		add(l, " (MACHINE: no fd is left, legal: at most %" PRIu64 ", the RLIMIT_NOFILE)",
		    (uint64_t)fds.rlim_cur);
}

/* The call that a line is about: what its refusal's value is shown by. */
struct about {
	int fd; /* the file that it is made on; -1: none */
	const struct trace_command *command; /* NULL: no ioctl that is known */
};

static const struct trace_field *field_of(const struct trace_command *c, const char *name)
{
	if (!c || c->arg != TRACE_ARG_STRUCT)
		return NULL;
	for (const struct trace_field *f = c->fields; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static void add_value(struct line *l, const struct trace_field *f, uint64_t v);

/* As the call's argument of that name is shown; the rules' other fields are fds and the like. */
static void add_refused_value(struct line *l, const struct about *a, const struct door_refusal *r)
{
	static const char *const numbers[] = {"group", "node", "device", "feature"};
	const struct trace_field *f = field_of(a->command, r->field);
	const enum trace_arg arg = a->command ? a->command->arg : TRACE_ARG_NONE;

	if (f && f->format != TRACE_FLAGS) {
		add_value(l, f, r->r.value);
		return;
	}
	/* The engine knows a file, not by which number it is called. */
	if (!strcmp(r->field, "fd")) {
		add(l, "%d", arg == TRACE_ARG_FD || f ? (int)r->r.value : a->fd);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(r->field, numbers[i]) || !strcmp(r->rule, "INJECT")) {
			add(l, "%" PRIu64, r->r.value);
			return;
		}
	add(l, "%#" PRIx64, r->r.value);
}

static void add_refusal(struct line *l, const struct about *a, long rc)
{
	const struct door_refusal *r = &door_thread.refusal;

	if (!r->there) {
		add_shortage(l, (int)-rc);
		return;
	}
	add(l, " (%s: %s", r->rule, r->field);
	/* A text stands in the call already. */
	if (strcmp(r->field, "name")) {
		add(l, "=");
		add_refused_value(l, a, r);
	}
	add(l, ", legal: %s)", r->legal);
}

static void finish(struct line *l, const struct about *a, long rc)
{
	const char *name = rc < 0 ? strerrorname_np((int)-rc) : NULL;

	if (rc > 0xffff)
		add(l, " = %#lx", rc);
	else if (rc >= 0)
		add(l, " = %ld", rc);
	else
		add(l, " = -1 %s", name ? name : "?");
	if (rc < 0)
		add_refusal(l, a, rc);
	l->text[l->len++] = '\n';
	sys3(SYS_write, door.log, (long)l->text, (long)l->len);
}

void trace_refusal(void *arg, const struct refusal *r)
{
	struct door_refusal *to = &door_thread.refusal;

	to->there = true;
	to->r = *r;
	snprintf(to->rule, sizeof(to->rule), "%s", r->rule);
	snprintf(to->field, sizeof(to->field), "%s", r->field);
	snprintf(to->legal, sizeof(to->legal), "%s", r->legal);
}

long trace_no(int err, const char *rule, const char *field, uint64_t value, const char *legal)
{
	if (door.run.show)
		trace_refusal(NULL, &(struct refusal){err, rule, field, value, legal});
	return -err;
}

void trace_fault(const struct iommu_fault *f)
{
	static const char *const access[] = {"", "read", "write", "atomic"};
	struct line l;

	start(&l);
	add(&l, "DMA fault: %02x:%02x.%x %s of %#" PRIx64 " bytes at %#" PRIx64 ": %s (code %#x%s)\n",
	    f->rid >> 8 & 0xff, f->rid >> 3 & 31, f->rid & 7, access[f->access & 3], f->len,
	    f->iova, iommu_fault_words(f->reason), f->code, f->injected ? ", injected" : "");
	sys3(SYS_write, door.log, (long)l.text, (long)l.len);
}

void trace_injection(const char *rule)
{
	struct line l;

	start(&l);
	add(&l, "injected by --inject %s\n", rule);
	sys3(SYS_write, door.log, (long)l.text, (long)l.len);
}

static uint64_t load(const uint8_t *at, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, at, min_u64(size, sizeof(v)));
	return v;
}

static void add_flags(struct line *l, const struct trace_name *names, uint64_t v)
{
	const char *bar = "";

	for (const struct trace_name *n = names; n->name; n++)
		if ((v & n->value) == n->value) {
			add(l, "%s%s", bar, n->name);
			v &= ~n->value;
			bar = "|";
		}
	if (v || !*bar)
		add(l, "%s%#" PRIx64, bar, v);
}

static void add_name(struct line *l, const struct trace_name *names, uint64_t v)
{
	for (const struct trace_name *n = names; n->name; n++)
		if (n->value == v) {
			add(l, "%s", n->name);
			return;
		}
	add(l, "%#" PRIx64, v);
}

static void add_value(struct line *l, const struct trace_field *f, uint64_t v)
{
	switch ((enum trace_format)f->format) {
	case TRACE_SIGNED:
		add(l, "%d", (int)v);
		break;
	case TRACE_HEX:
		add(l, "%#" PRIx64, v);
		break;
	case TRACE_DEC:
		add(l, "%" PRIu64, v);
		break;
	case TRACE_FLAGS:
		add_flags(l, f->names, v);
		break;
	case TRACE_ENUM:
		add_name(l, f->names, v);
		break;
	}
}

static void add_struct(struct line *l, const struct trace_command *c, uint64_t arg)
{
	uint64_t size = UINT64_MAX;
	const char *comma = "";

	add(l, ", {");
	for (const struct trace_field *f = c->fields; f->name; f++) {
		uint8_t bytes[8];
		uint64_t v;

		if (f->offset >= size)
			continue;
		if (guard_copy(bytes, (const void *)(arg + f->offset), f->size)) {
			add(l, "%s?", comma);
			break;
		}
		v = load(bytes, f->size);
		if (f == c->fields)
			size = v;
		if (!v && !strncmp(f->name, "__", 2))
			continue;
		add(l, "%s%s=", comma, f->name);
		add_value(l, f, v);
		comma = ", ";
	}
	add(l, "}");
}

/* A text of the program's, of which a terminal sees printable characters only. */
static void add_quoted(struct line *l, const char *text)
{
	add(l, "\"");
	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			add(l, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			add(l, "\\x%02x", c);
		else
			add(l, "%c", c);
	}
	add(l, "\"");
}

static void add_string(struct line *l, uint64_t arg)
{
	char text[48];
	size_t n = 0;

	while (n < sizeof(text) - 1 && !guard_copy(&text[n], (const void *)(arg + n), 1) && text[n])
		n++;
	text[n] = '\0';
	add(l, ", ");
	add_quoted(l, text);
}

static void add_arg(struct line *l, const struct trace_command *c, uint64_t arg)
{
	int fd;

	switch (c->arg) {
	case TRACE_ARG_NONE:
		break;
	case TRACE_ARG_NUMBER:
		add(l, ", %#" PRIx64, arg);
		break;
	case TRACE_ARG_NAME:
		add(l, ", ");
		add_value(l, c->fields, arg);
		break;
	case TRACE_ARG_FD:
		if (guard_copy(&fd, (const void *)arg, sizeof(fd)))
			add(l, ", %#" PRIx64, arg);
		else
			add(l, ", [%d]", fd);
		break;
	case TRACE_ARG_STRING:
		add_string(l, arg);
		break;
	case TRACE_ARG_STRUCT:
		add_struct(l, c, arg);
		break;
	}
}

void trace_open(const char *path, int flags, long rc)
{
	static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
	struct line l;

	if (!is_shown(rc))
		return;
	start(&l);
	add(&l, "open(");
	add_quoted(&l, path);
	add(&l, ", %s%s)", modes[flags & O_ACCMODE], flags & O_CLOEXEC ? "|O_CLOEXEC" : "");
	finish(&l, &(struct about){.fd = -1}, rc);
}

void trace_ioctl(int fd, const struct door_file *f, unsigned int cmd, uint64_t arg, long rc)
{
	const struct trace_command *c = trace_find((enum abi_file_kind)f->abi_kind, cmd);
	struct line l;

	/* That nobody listens to an annotation is no failure. */
	if (!is_shown(rc) || (cmd == IOMMU_SANITIZE && door.run.show == RUN_EXPLAIN && rc == -ENOTTY))
		return;
	start(&l);
	if (c) {
		add(&l, "ioctl(%d<%s>, %s", fd, f->name, c->name);
		add_arg(&l, c, arg);
	} else {
		add(&l, "ioctl(%d<%s>, %#x, %#" PRIx64, fd, f->name, cmd, arg);
	}
	add(&l, ")");
	finish(&l, &(struct about){fd, c}, rc);
}

void trace_io(const char *call, int fd, const struct door_file *f, uint64_t len, uint64_t pos,
	      long rc)
{
	struct line l;

	if (!is_shown(rc))
		return;
	start(&l);
	add(&l, "%s(%d<%s>, %" PRIu64 " bytes, ", call, fd, f->name, len);
	if (f->kind == DOOR_ENGINE && (enum abi_file_kind)f->abi_kind == ABI_DEVICE)
		add(&l, "region %" PRIu64 " + %#" PRIx64 ")", pos >> 40,
		    (uint64_t)(pos & MASK(40)));
	else
		add(&l, "%#" PRIx64 ")", pos);
	finish(&l, &(struct about){.fd = fd}, rc);
}

void trace_mmap(int fd, const struct door_file *f, uint64_t addr, uint64_t len, int prot, int flags,
		uint64_t pos, long rc)
{
	struct line l;

	if (!is_shown(rc))
		return;
	start(&l);
	add(&l,
	    "mmap(%#" PRIx64 ", %#" PRIx64 ", %s%s%s, %s%s, %d<%s>, region %" PRIu64 " + %#" PRIx64
	    ")",
	    addr, len, prot & PROT_READ ? "PROT_READ" : "PROT_NONE",
	    prot & PROT_WRITE ? "|PROT_WRITE" : "", prot & PROT_EXEC ? "|PROT_EXEC" : "",
	    flags & MAP_SHARED ? "MAP_SHARED" : "MAP_PRIVATE",
	    flags & MAP_FIXED ? "|MAP_FIXED" : "", fd, f->name, pos >> 40,
	    (uint64_t)(pos & MASK(40)));
	finish(&l, &(struct about){.fd = fd}, rc);
}

void trace_close(int fd, const char *name, long rc)
{
	struct line l;

	if (!is_shown(rc))
		return;
	start(&l);
	add(&l, "close(%d<%s>)", fd, name);
	finish(&l, &(struct about){.fd = fd}, rc);
}
