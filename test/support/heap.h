/* SPDX-License-Identifier: GPL-3.0-or-later */
/* heap.h - counts allocations, and lets the n-th fail. To be included by one file of a test program at most.
 *
 * With AddressSanitizer, which has an allocator of its own and looks for leaks itself, nothing is counted and
 * nothing fails: HEAP_COUNTED is 0. */
#ifndef TEST_SUPPORT_HEAP_H
#define TEST_SUPPORT_HEAP_H

#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_COUNTED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_COUNTED 0
#endif
#endif
#if !defined(HEAP_COUNTED) && defined(__GLIBC__)
#define HEAP_COUNTED 1
#elif !defined(HEAP_COUNTED)
#define HEAP_COUNTED 0
#endif

static struct {
	long live;           /* blocks allocated and not freed */
	unsigned long asked; /* allocations since fail_at was set */
	unsigned long fail_at; /* this one fails; 0: none */
	unsigned long and_then; /* and so many after it */
	size_t spare;        /* blocks of this size never fail */
} heap;

#if HEAP_COUNTED
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void free(void *p);

static int heap_fails(size_t n)
{
	if (n == heap.spare || heap.fail_at == 0)
		return 0;
	heap.asked++;
	return heap.asked >= heap.fail_at && heap.asked - heap.fail_at <= heap.and_then;
}

void *malloc(size_t n)
{
	void *p = heap_fails(n) ? NULL : __libc_malloc(n);

	heap.live += p != NULL;
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = heap_fails(n * size) ? NULL : __libc_calloc(n, size);

	heap.live += p != NULL;
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = heap_fails(n) ? NULL : __libc_realloc(old, n);

	heap.live += p != NULL && old == NULL;
	return p;
}

void free(void *p)
{
	heap.live -= p != NULL;
	__libc_free(p);
}
#endif

#endif
