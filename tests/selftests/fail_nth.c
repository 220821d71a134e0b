/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux's fault injection is to iommufd_fail_nth, for the engine: a library to be preloaded
 * behind the door's, which makes the n-th allocation of the engine's on this thread fail.
 *
 * The test finds what it looks for: a folder of debugfs, and /proc/self/task/N/fail-nth, a file to
 * which n is written and which then tells how many allocations are left until one fails (0: it did;
 * fault-injection.rst). An allocation is the engine's when the call comes from the door's library.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The C library's own, under which nobody else stands. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

static uintptr_t engine_start, engine_end;
static __thread unsigned long left; /* 0: no injection */
static int control_fd = -1;

static int find_engine(struct dl_phdr_info *info, size_t size, void *arg)
{
	if (!strstr(info->dlpi_name, "libioas-preload.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X) {
			engine_start = info->dlpi_addr + ph->p_vaddr;
			engine_end = engine_start + ph->p_memsz;
		}
	}
	return 1;
}

/* Is it this call's turn? */
static bool fails(const void *caller)
{
	if (!left || (uintptr_t)caller - engine_start >= engine_end - engine_start)
		return false;
	if (--left)
		return false;
	errno = ENOMEM;
	return true;
}

#define CALLER __builtin_return_address(0)

EXPORT void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size)
{
	return fails(CALLER) ? NULL : __libc_realloc(p, size);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return fails(CALLER) ? NULL : __libc_memalign(align, size);
}

/* The files. */

#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

static int open_control(void)
{
	if (!engine_end)
		dl_iterate_phdr(find_engine, NULL);
	left = 0;
	control_fd = memfd_create("fail-nth", MFD_CLOEXEC);
	return control_fd;
}

EXPORT int openat(int dirfd, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (!strncmp(name, "/proc/self/task/", 16) && strstr(name, "/fail-nth"))
		return open_control();
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return NEXT(openat)(dirfd, name, flags, mode);
}

/* $FAIL_NTH_DEBUGFS has the files that the test writes its wishes to, which it does not look at
 * again. */
EXPORT DIR *opendir(const char *name)
{
	const char *debugfs = getenv("FAIL_NTH_DEBUGFS");

	return NEXT(opendir)(debugfs && !strcmp(name, "/sys/kernel/debug/") ? debugfs : name);
}

EXPORT ssize_t pread(int fd, void *buf, size_t count, off_t offset)
{
	char text[32];
	int n;

	if (fd < 0 || fd != control_fd)
		return NEXT(pread)(fd, buf, count, offset);
	n = snprintf(text, sizeof(text), "%lu\n", left);
	if ((size_t)n > count)
		n = (int)count;
	memcpy(buf, text, (size_t)n);
	return n;
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	char text[32] = {0};

	if (fd < 0 || fd != control_fd || count >= sizeof(text))
		return NEXT(pwrite)(fd, buf, count, offset);
	memcpy(text, buf, count);
	left = strtoul(text, NULL, 10);
	return (ssize_t)count;
}
