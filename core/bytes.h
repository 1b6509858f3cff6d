/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bytes.h - borrowed bytes, big-endian loads and stores, and forgetting secrets.
 *
 * Everything on our wires is big-endian. These helpers touch single bytes, so they are free of alignment and aliasing
 * questions; compilers turn them into one load and a byte swap. They check nothing: code that reads what a peer sent
 * uses rd.h, code that builds messages uses wr.h. */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes: valid until the next call on the object that lent them, unless its comment says otherwise. */
struct slice {
	const uint8_t *p;
	size_t n;
};

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | (uint32_t)p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
	return ((uint64_t)load_be32(p) << 32) | load_be32(p + 4);
}

static inline void store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
	store_be16(p, (uint16_t)(v >> 16));
	store_be16(p + 2, (uint16_t)v);
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
	store_be32(p, (uint32_t)(v >> 32));
	store_be32(p + 4, (uint32_t)v);
}

/* Overwrite @n bytes at @p with zeros in a way the compiler may not leave out. NULL with 0 is fine. */
void wipe(void *p, size_t n);

/* The value of a hex digit of either case, -1 for any other character. */
int hex_digit(int c);

/* Write @n bytes as 2 * @n lower-case hex digits to @to. Returns where they end; writes no NUL there. */
char *put_hex(char *to, const void *p, size_t n);

/* Compare @n bytes in a time that does not depend on where they differ. Returns 0 when equal. */
int ct_differ(const void *a, const void *b, size_t n);

#endif
