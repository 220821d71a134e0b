/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libioas-sanitize: preloaded beside the door with --sanitize, so that the DMA sanitizer hears of
 * memory that the program frees while devices may still reach it. What libc does with a block that
 * is freed (nothing, as a rule) nobody sees otherwise.
 *
 * It hands every call on to the allocator behind it, whichever that is, and is a library of its own
 * because only who asks for it is to pay. A program that brings its own free() never gets here. One
 * that a sanitizer of a compiler's was built into does not either: there the runtime is asked to
 * tell.
 *
 * free() is called before anything is set up, and by what sets it up: a block that is freed inside
 * of our first look for the real function is leaked.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define EXPORT	  __attribute__((visibility("default")))
#define MIN_BLOCK 4096 /* no smaller block holds a whole mapping */

/* The door's; NULL while there is no engine. */
EXPORT void (*ioas_sanitize_freed)(void *p, size_t len);

static struct {
	void (*free)(void *p);
	void *(*realloc)(void *p, size_t len);
	size_t (*usable)(void *p);
} next;

static __thread bool looking __attribute__((tls_model("initial-exec")));

static bool find(void)
{
	void (*found)(void *);

	if (looking)
		return false;
	looking = true;
	*(void **)&next.realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&next.usable = dlsym(RTLD_NEXT, "malloc_usable_size");
	*(void **)&found = dlsym(RTLD_NEXT, "free");
	__atomic_store_n(&next.free, found, __ATOMIC_RELEASE);
	looking = false;
	return found;
}

static bool ready(void)
{
	return __builtin_expect(__atomic_load_n(&next.free, __ATOMIC_ACQUIRE) != NULL, 1) || find();
}

/* Before it is done: afterwards another thread may have the block. */
static void tell(void *p)
{
	void (*freed)(void *, size_t) = __atomic_load_n(&ioas_sanitize_freed, __ATOMIC_ACQUIRE);
	size_t len;

	if (!freed || !p || !next.usable)
		return;
	len = next.usable(p);
	if (len >= MIN_BLOCK)
		freed(p, len);
}

EXPORT void free(void *p)
{
	if (!ready())
		return;
	tell(p);
	next.free(p);
}

/* ---- behind the allocator of AddressSanitizer and its like (sanitizer/allocator_interface.h) ---- */

static size_t (*allocated_size)(const volatile void *p);

static void runtime_allocates(const volatile void *p, size_t len)
{
	(void)p;
	(void)len;
}

static void runtime_frees(const volatile void *p)
{
	void (*freed)(void *, size_t) = __atomic_load_n(&ioas_sanitize_freed, __ATOMIC_ACQUIRE);
	size_t len;

	if (!freed || !p)
		return;
	len = allocated_size(p);
	if (len >= MIN_BLOCK)
		freed((void *)p, len);
}

__attribute__((constructor)) static void ask_runtime(void)
{
	int (*install)(void (*)(const volatile void *, size_t), void (*)(const volatile void *));

	*(void **)&install = dlsym(RTLD_DEFAULT, "__sanitizer_install_malloc_and_free_hooks");
	*(void **)&allocated_size = dlsym(RTLD_DEFAULT, "__sanitizer_get_allocated_size");
	if (install && allocated_size)
		install(runtime_allocates, runtime_frees);
}

/* Whether the block stays is known afterwards only. It is told then, though in that moment another
 * thread might have got it already. */
EXPORT void *realloc(void *p, size_t len)
{
	void (*freed)(void *, size_t) = __atomic_load_n(&ioas_sanitize_freed, __ATOMIC_ACQUIRE);
	size_t was = 0;
	void *q;

	if (!ready())
		return NULL;
	if (freed && p && next.usable)
		was = next.usable(p);
	q = next.realloc(p, len);
	if (was >= MIN_BLOCK && q != p && (q || !len))
		freed(p, was);
	return q;
}
