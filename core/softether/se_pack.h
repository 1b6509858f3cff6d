/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_pack.h - PACK, the container of SoftEther's control messages (softether-protocol.md 3).
 *
 * A PACK is a set of named elements; an element holds one or more values of one type. It is validated whole,
 * once, by se_pack_parse(); after that the getters only look things up, cannot fail in any other way than
 * "not there", and borrow from the parsed bytes. As in the official programs, names differ by more than case,
 * and an element of another type than the one asked for counts as absent. */
#ifndef SOFTETHER_SE_PACK_H
#define SOFTETHER_SE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/wr.h"

enum se_pack_type {
	SE_PACK_INT = 0,    /* u32 */
	SE_PACK_DATA = 1,   /* u32 size, bytes */
	SE_PACK_STR = 2,    /* u32 size, bytes without NUL */
	SE_PACK_UNISTR = 3, /* u32 size, UTF-8, usually with a NUL that the size includes */
	SE_PACK_INT64 = 4,  /* u64 */
};

struct se_pack_element {
	const uint8_t *name;   /* printable ASCII, not terminated */
	const uint8_t *values; /* the first one */
	uint16_t count;        /* 1..SE_PACK_VALUES_MAX */
	uint8_t name_len;      /* 0..SE_PACK_NAME_MAX */
	uint8_t type;          /* enum se_pack_type */
};

/* About 12 KiB: fine on the stack. */
struct se_pack {
	size_t n;
	struct se_pack_element e[SE_PACK_ELEMENTS_MAX]; /* sorted by name: a lookup is a binary search */
};

/* Validate @in and index it. @in is borrowed as long as *ret is used. Bytes behind the last element are
 * tolerated, as the official parser does. Returns 0, or VE_PROTO with *ret undefined and @f saying which rule
 * was broken, without naming the message: 'element "timeout" appears twice'. */
int se_pack_parse(struct se_pack *ret, struct slice in, struct fault *f);

/* How many values the element has; 0 if there is none of that name and type. */
size_t se_pack_count(const struct se_pack *p, const char *name, enum se_pack_type type);

/* Value @i of an integer; *ret untouched and false if it is not there. */
bool se_pack_u32(const struct se_pack *p, const char *name, size_t i, uint32_t *ret);
bool se_pack_u64(const struct se_pack *p, const char *name, size_t i, uint64_t *ret);

/* The first value of an INT, 0 if it is not there: what SoftEther means by an absent number or switch. */
uint32_t se_pack_int(const struct se_pack *p, const char *name);

/* Value @i of a DATA, borrowed; *ret untouched and false if it is not there. */
bool se_pack_data(const struct se_pack *p, const char *name, size_t i, struct slice *ret);

/* Copy a DATA of exactly @n bytes to @to; false, and nothing copied, if it is absent or has another size. */
bool se_pack_fixed(const struct se_pack *p, const char *name, void *to, size_t n);

/* Value @i of a STR without the white space around it, or of a UNISTR without its NUL, borrowed; not checked
 * to be UTF-8, and NULs may be inside. *ret untouched and false if it is not there. */
bool se_pack_str(const struct se_pack *p, const char *name, size_t i, struct slice *ret);

/* An address: the elements NAME, NAME@ipv6_bool, NAME@ipv6_array. *ret untouched and false if there is none.
 * */
bool se_pack_ip(const struct se_pack *p, const char *name, struct ip *ret);

/* --- writing
 * ---------------------------------------------------------------------------------------------------- */

/* Elements go out in the order of the calls. The caller gives every name once (any case) and at most
 * SE_PACK_NAME_MAX long. What does not fit is reported by se_packer_end(). */
struct se_packer {
	struct wr w;
	uint32_t n;
};

void se_packer_init(struct se_packer *k, void *p, size_t cap);
void se_put_int(struct se_packer *k, const char *name, uint32_t v);
/* The integers of the node information travel with their bytes swapped (softether-protocol.md 4.7). */
void se_put_int_swapped(struct se_packer *k, const char *name, uint32_t v);
void se_put_int64(struct se_packer *k, const char *name, uint64_t v);
void se_put_str(struct se_packer *k, const char *name, const char *s);
void se_put_data(struct se_packer *k, const char *name, const void *p, size_t n);
/* The same, to be filled by the caller: borrowed until the next call. NULL if it does not fit. */
uint8_t *se_put_space(struct se_packer *k, const char *name, size_t n);
/* Bytes written, or 0 if they did not fit. */
size_t se_packer_end(struct se_packer *k);

#endif
