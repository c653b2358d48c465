/* heap.h: how many bytes the code under test holds.  For one file of a program that is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free: shared libraries are not counted. */
#pragma once

#include <malloc.h>
#include <stddef.h>

static size_t heap_now, heap_peak;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *p);

static void *heap_count(void *p)
{
	heap_now += malloc_usable_size(p);
	if (heap_now > heap_peak)
		heap_peak = heap_now;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return heap_count(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return heap_count(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	heap_now -= malloc_usable_size(old);
	return heap_count(__real_realloc(old, size));
}

void __wrap_free(void *p)
{
	heap_now -= malloc_usable_size(p);
	__real_free(p);
}
