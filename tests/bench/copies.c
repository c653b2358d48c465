/* copies.c: a library to preload (LD_PRELOAD) that counts what a process copies by memcpy() and memmove(), and for whom.
 *
 * At the process's end a line for each library that called them is written to the file that TORAP_COPIES names: bytes, calls, path.
 * Copies that a compiler wrote out in place are not seen, nor are the kernel's. */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLERS_MAX = 1 << 14, LIBRARIES_MAX = 64 };

static struct caller {
	_Atomic(uintptr_t) address;
	_Atomic uint64_t calls, bytes;
} callers[CALLERS_MAX], others; /* others: no room for them */

static struct caller *caller_of(uintptr_t address)
{
	size_t first = (size_t)((address >> 2) * 0x9E3779B97F4A7C15u >> 50);
	for (size_t i = 0; i < CALLERS_MAX; i++) {
		struct caller *c = &callers[(first + i) % CALLERS_MAX];
		uintptr_t there = 0;
		if (atomic_load_explicit(&c->address, memory_order_relaxed) == address ||
			atomic_compare_exchange_strong(&c->address, &there, address) || there == address)
			return c;
	}
	return &others;
}

static void count(void *caller, size_t size)
{
	struct caller *c = caller_of((uintptr_t)caller);
	atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bytes, size, memory_order_relaxed);
}

static void copy_up(uint8_t *to, const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[i];
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	count(__builtin_return_address(0), size);
	copy_up(to, from, size);
	return to;
}

/* What memcpy() becomes with _FORTIFY_SOURCE, as distributions build their libraries. */
void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room);
void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room)
{
	if (size > room)
		abort();
	count(__builtin_return_address(0), size);
	copy_up(to, from, size);
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	count(__builtin_return_address(0), size);
	if (t <= f || t >= f + size)
		copy_up(t, f, size);
	else
		while (size-- > 0)
			t[size] = f[size];
	return to;
}

struct library {
	const char *path;
	uint64_t calls, bytes;
};

static void add(struct library *libraries, const struct caller *c)
{
	Dl_info where = { 0 };
	if (!dladdr((void *)c->address, &where) || !where.dli_fname)
		where.dli_fname = "?";
	size_t i = 0;
	while (i < LIBRARIES_MAX - 1 && libraries[i].path && strcmp(libraries[i].path, where.dli_fname) != 0)
		i++;
	libraries[i].path = where.dli_fname;
	libraries[i].calls += c->calls;
	libraries[i].bytes += c->bytes;
}

__attribute__((destructor)) static void write_counts(void)
{
	static struct library libraries[LIBRARIES_MAX];
	const char *path = getenv("TORAP_COPIES");
	FILE *f = path ? fopen(path, "w") : NULL;
	if (!f)
		return;
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (callers[i].calls)
			add(libraries, &callers[i]);
	add(libraries, &others);
	for (size_t i = 0; i < LIBRARIES_MAX && libraries[i].path; i++)
		fprintf(f, "%" PRIu64 " %" PRIu64 " %s\n", libraries[i].bytes, libraries[i].calls,
			libraries[i].path);
	fclose(f);
}
