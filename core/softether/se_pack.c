/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_pack.c - see se_pack.h for the format and the idea.
 *
 *     PACK    = u32 count, ELEMENT * count
 *     ELEMENT = u32 (length of name + 1), name, u32 type, u32 count, VALUE * count
 *
 * Parsing walks the bytes once with a bounded reader and keeps, for each element, where its name and its
 * first value are. Elements are inserted in the order of their names: a duplicate meets its twin on the way,
 * and official senders sort already, so that nothing has to be moved. In the worst case that an attacker can
 * send, 512 elements in reverse, 3 MiB are moved, once. The getters walk validated bytes and need no checks
 * of their own. */
#include "core/softether/se_pack.h"

#include <inttypes.h>
#include <string.h>

#include "core/rd.h"
#include "core/softether/se_error.h"

#define ELEMENT_MIN 16u /* four integers: length of the name, type, number of values, the shortest value */

#define NAME "\"%.*s\"" /* of an element, in a fault */
#define NAME_OF(e) (e)->name_len, (const char *)(e)->name

/* --- parsing
 * ------------------------------------------------------------------------------------------------------ */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Like strcasecmp(), in no locale, for names that are not terminated. */
static int compare(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
	size_t n = min_size(na, nb);

	for (size_t i = 0; i < n; i++) {
		int d = lower(a[i]) - lower(b[i]);

		if (d != 0)
			return d;
	}
	return na == nb ? 0 : na < nb ? -1 : 1;
}

/* Where @name is, or, with *found false, where it would have to be inserted. */
static size_t place_of(const struct se_pack *p, const uint8_t *name, size_t n, bool *found)
{
	size_t low = 0, high = p->n;

	*found = false;
	if (high > 0 && compare(p->e[high - 1].name, p->e[high - 1].name_len, name, n) < 0)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int d = compare(p->e[mid].name, p->e[mid].name_len, name, n);

		if (d == 0) {
			*found = true;
			return mid;
		}
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_printable(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x20 || p[i] > 0x7e)
			return false;
	}
	return true;
}

static void skip_values(struct rd *r, const struct se_pack_element *e, uint32_t *longest)
{
	*longest = 0;
	if (e->type == SE_PACK_INT || e->type == SE_PACK_INT64) {
		rd_skip(r, (e->type == SE_PACK_INT ? 4u : 8u) * e->count);
		return;
	}
	for (unsigned i = 0; i < e->count && rd_ok(r); i++) {
		uint32_t size = rd_u32(r);

		if (size > *longest)
			*longest = size;
		if (size > SE_PACK_VALUE_MAX)
			return;
		rd_skip(r, size);
	}
}

static int read_name(struct rd *r, struct se_pack_element *e, size_t number, struct fault *f)
{
	uint32_t size = rd_u32(r);

	if (rd_ok(r) && (size == 0 || size - 1 > SE_PACK_NAME_MAX))
		return se_broken(f, "element %zu has a name of length field %" PRIu32 ", allowed are 1 to %u",
				 number, size, SE_PACK_NAME_MAX + 1);
	e->name_len = rd_ok(r) ? (uint8_t)(size - 1) : 0;
	e->name = rd_bytes(r, e->name_len);
	if (!rd_ok(r))
		return se_broken(f, "the bytes end inside element %zu", number);
	if (!is_printable(e->name, e->name_len))
		return se_broken(f, "element %zu has a name that is not printable ASCII", number);
	return 0;
}

static int read_element(struct rd *r, struct se_pack_element *e, size_t number, struct fault *f)
{
	uint32_t type, count, longest;
	int err = read_name(r, e, number, f);

	if (err != 0)
		return err;
	type = rd_u32(r);
	count = rd_u32(r);
	if (rd_ok(r) && type > SE_PACK_INT64)
		return se_broken(f, "element " NAME " has the unknown type %" PRIu32, NAME_OF(e), type);
	if (rd_ok(r) && (count == 0 || count > SE_PACK_VALUES_MAX))
		return se_broken(f, "element " NAME " has %" PRIu32 " values, allowed are 1 to %u",
				 NAME_OF(e), count, SE_PACK_VALUES_MAX);
	e->type = (uint8_t)type;
	e->count = (uint16_t)count;
	e->values = r->p;
	longest = 0;
	if (rd_ok(r))
		skip_values(r, e, &longest);
	if (longest > SE_PACK_VALUE_MAX)
		return se_broken(f, "element " NAME " has a value of %" PRIu32 " bytes, allowed are %u",
				 NAME_OF(e), longest, SE_PACK_VALUE_MAX);
	if (!rd_ok(r))
		return se_broken(f, "the bytes end inside element " NAME, NAME_OF(e));
	return 0;
}

static int insert(struct se_pack *p, const struct se_pack_element *e, struct fault *f)
{
	bool found;
	size_t at = place_of(p, e->name, e->name_len, &found);

	if (found)
		return se_broken(f, "element " NAME " appears twice", NAME_OF(e));
	memmove(&p->e[at + 1], &p->e[at], (p->n - at) * sizeof(p->e[0]));
	p->e[at] = *e;
	p->n++;
	return 0;
}

int se_pack_parse(struct se_pack *ret, struct slice in, struct fault *f)
{
	struct rd r = rd_init(in.p, in.n);
	uint32_t count = rd_u32(&r);

	ret->n = 0;
	if (in.n > SE_BODY_MAX)
		return se_broken(f, "a PACK of %zu bytes, allowed are %u", in.n, SE_BODY_MAX);
	if (!rd_ok(&r))
		return se_broken(f, "a PACK of %zu bytes, it takes at least 4", in.n);
	if (count > SE_PACK_ELEMENTS_MAX)
		return se_broken(f, "a PACK of %" PRIu32 " elements, allowed are %u", count,
				 SE_PACK_ELEMENTS_MAX);
	if ((size_t)count * ELEMENT_MIN > rd_left(&r))
		return se_broken(f, "a PACK of %" PRIu32 " elements does not fit into %zu bytes", count,
				 in.n);
	for (size_t i = 0; i < count; i++) {
		struct se_pack_element e;
		int err = read_element(&r, &e, i + 1, f);

		if (err == 0)
			err = insert(ret, &e, f);
		if (err != 0)
			return err;
	}
	return 0;
}

/* --- getters
 * ------------------------------------------------------------------------------------------------------ */

static const struct se_pack_element *find(const struct se_pack *p, const char *name, enum se_pack_type type)
{
	bool found;
	size_t at = place_of(p, (const uint8_t *)name, strlen(name), &found);

	return found && p->e[at].type == type ? &p->e[at] : NULL;
}

/* Value @i, for the types that carry a size. */
static bool sized_value(const struct se_pack_element *e, size_t i, struct slice *ret)
{
	const uint8_t *p;

	if (!e || i >= e->count)
		return false;
	p = e->values;
	while (i-- > 0)
		p += 4 + load_be32(p);
	*ret = (struct slice){ .p = p + 4, .n = load_be32(p) };
	return true;
}

size_t se_pack_count(const struct se_pack *p, const char *name, enum se_pack_type type)
{
	const struct se_pack_element *e = find(p, name, type);

	return e ? e->count : 0;
}

bool se_pack_u32(const struct se_pack *p, const char *name, size_t i, uint32_t *ret)
{
	const struct se_pack_element *e = find(p, name, SE_PACK_INT);

	if (!e || i >= e->count)
		return false;
	*ret = load_be32(e->values + 4 * i);
	return true;
}

bool se_pack_u64(const struct se_pack *p, const char *name, size_t i, uint64_t *ret)
{
	const struct se_pack_element *e = find(p, name, SE_PACK_INT64);

	if (!e || i >= e->count)
		return false;
	*ret = load_be64(e->values + 8 * i);
	return true;
}

uint32_t se_pack_int(const struct se_pack *p, const char *name)
{
	uint32_t v = 0;

	(void)se_pack_u32(p, name, 0, &v);
	return v;
}

bool se_pack_data(const struct se_pack *p, const char *name, size_t i, struct slice *ret)
{
	return sized_value(find(p, name, SE_PACK_DATA), i, ret);
}

bool se_pack_fixed(const struct se_pack *p, const char *name, void *to, size_t n)
{
	struct slice s;

	if (!se_pack_data(p, name, 0, &s) || s.n != n)
		return false;
	memcpy(to, s.p, n);
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool se_pack_str(const struct se_pack *p, const char *name, size_t i, struct slice *ret)
{
	struct slice s;

	if (sized_value(find(p, name, SE_PACK_UNISTR), i, &s)) {
		if (s.n > 0 && s.p[s.n - 1] == 0)
			s.n--;
	} else if (sized_value(find(p, name, SE_PACK_STR), i, &s)) {
		while (s.n > 0 && is_blank(s.p[s.n - 1]))
			s.n--;
		while (s.n > 0 && is_blank(s.p[0])) {
			s.p++;
			s.n--;
		}
	} else {
		return false;
	}
	*ret = s;
	return true;
}

bool se_pack_ip(const struct se_pack *p, const char *name, struct ip *ret)
{
	char part[SE_PACK_NAME_MAX + 1];
	size_t n = strlen(name);
	struct ip ip = { .family = IP_V6 };
	uint32_t v4;

	if (n + sizeof("@ipv6_array") > sizeof(part))
		return false;
	memcpy(part, name, n);
	memcpy(part + n, "@ipv6_bool", sizeof("@ipv6_bool"));
	if (se_pack_int(p, part) != 0) {
		memcpy(part + n, "@ipv6_array", sizeof("@ipv6_array"));
		if (!se_pack_fixed(p, part, ip.b, 16))
			return false;
	} else {
		if (!se_pack_u32(p, name, 0, &v4))
			return false;
		ip.family = IP_V4;
		for (unsigned i = 0; i < 4; i++)
			ip.b[i] = (uint8_t)(v4 >> (8 * i)); /* the address is in it the wrong way round */
	}
	*ret = ip;
	return true;
}

/* --- writing
 * ------------------------------------------------------------------------------------------------------ */

void se_packer_init(struct se_packer *k, void *p, size_t cap)
{
	k->w = wr_init(p, cap);
	k->n = 0;
	wr_u32(&k->w, 0); /* the number of elements, known at the end */
}

static void put_head(struct se_packer *k, const char *name, enum se_pack_type type)
{
	wr_u32(&k->w, (uint32_t)strlen(name) + 1); /* counts a NUL that is not there */
	wr_str(&k->w, name);
	wr_u32(&k->w, type);
	wr_u32(&k->w, 1);
	k->n++;
}

void se_put_int(struct se_packer *k, const char *name, uint32_t v)
{
	put_head(k, name, SE_PACK_INT);
	wr_u32(&k->w, v);
}

void se_put_int_swapped(struct se_packer *k, const char *name, uint32_t v)
{
	se_put_int(k, name, v >> 24 | (v >> 8 & 0xff00) | (v & 0xff00) << 8 | v << 24);
}

void se_put_int64(struct se_packer *k, const char *name, uint64_t v)
{
	put_head(k, name, SE_PACK_INT64);
	wr_u64(&k->w, v);
}

void se_put_str(struct se_packer *k, const char *name, const char *s)
{
	put_head(k, name, SE_PACK_STR);
	wr_u32(&k->w, (uint32_t)strlen(s));
	wr_str(&k->w, s);
}

uint8_t *se_put_space(struct se_packer *k, const char *name, size_t n)
{
	put_head(k, name, SE_PACK_DATA);
	wr_u32(&k->w, (uint32_t)n);
	return wr_space(&k->w, n);
}

void se_put_data(struct se_packer *k, const char *name, const void *p, size_t n)
{
	uint8_t *to = se_put_space(k, name, n);

	if (to && n > 0)
		memcpy(to, p, n);
}

size_t se_packer_end(struct se_packer *k)
{
	wr_patch_u32(&k->w, 0, k->n);
	return wr_ok(&k->w) ? k->w.n : 0;
}
