/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_field.c - see http_field.h. Everything here looks at a head that http_head_parse() has accepted, so names are
 * tokens and values have no control characters: what is written out of them cannot end a line early. */
#include "socks/http_field.h"

#include <string.h>
#include <strings.h>
#include <time.h>

/* The next member of one field's value; quoted strings hide commas. */
static struct slice next_member(struct slice v, size_t *offset)
{
	size_t i = *offset;
	bool quoted = false;

	for (; i < v.n && (quoted || v.p[i] != ','); i++) {
		if (v.p[i] == '"')
			quoted = !quoted;
		else if (quoted && v.p[i] == '\\' && i + 1 < v.n)
			i++;
	}
	v = (struct slice){ .p = v.p + *offset, .n = i - *offset };
	*offset = i + 1;
	return http_trimmed(v);
}

bool http_list_next(const struct http_head *h, const char *name, struct http_list *at, struct slice *ret)
{
	for (; at->field < h->nfields; at->field++, at->offset = 0) {
		const struct http_field *f = &h->fields[at->field];

		if (!http_value_is(f->name, name))
			continue;
		while (at->offset < f->value.n) {
			*ret = next_member(f->value, &at->offset);
			if (ret->n > 0)
				return true;
		}
	}
	return false;
}

bool http_list_has(const struct http_head *h, const char *name, const char *token)
{
	struct http_list at = { 0 };
	struct slice member;

	while (http_list_next(h, name, &at, &member)) {
		if (http_value_is(member, token))
			return true;
	}
	return false;
}

size_t http_find_end(const uint8_t *p, size_t n, size_t searched)
{
	for (size_t i = searched > 2 ? searched - 2 : 0; i < n; i++) {
		if (p[i] != '\n')
			continue;
		if (i + 1 < n && p[i + 1] == '\n')
			return i + 2;
		if (i + 2 < n && p[i + 1] == '\r' && p[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

static bool is_one_of(struct slice name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (http_value_is(name, names[i]))
			return true;
	}
	return false;
}

bool http_ends_here(const struct http_head *h, struct slice name)
{
	/* Proxy-Connection never was a standard, but clients send it. The challenges and answers of proxy
	 * authentication are between neighbours; passing them on would tell a server the user's password. */
	static const char *const hop[] = {
		"Connection", "Proxy-Connection", "Keep-Alive", "TE", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
	};
	static const char *const framing[] = { "Content-Length", "Transfer-Encoding" };
	struct http_list at = { 0 };
	struct slice member;

	if (is_one_of(name, framing, ARRAY_LEN(framing)))
		return false;
	if (is_one_of(name, hop, ARRAY_LEN(hop)))
		return true;
	while (http_list_next(h, "Connection", &at, &member)) {
		if (member.n == name.n && strncasecmp((const char *)member.p, (const char *)name.p, name.n) == 0)
			return true;
	}
	return false;
}

/* A member of Via is "[protocol/]version received-by [(comment)]". */
unsigned http_via_count(const struct http_head *h)
{
	struct http_list at = { 0 };
	struct slice member;
	unsigned n = 0;

	while (http_list_next(h, "Via", &at, &member)) {
		const uint8_t *blank = memchr(member.p, ' ', member.n);
		struct slice by;
		size_t len = 0;

		if (!blank)
			continue;
		by = http_trimmed((struct slice){ .p = blank, .n = member.n - (size_t)(blank - member.p) });
		while (len < by.n && !http_is_blank(by.p[len]))
			len++;
		n += http_value_is((struct slice){ .p = by.p, .n = len }, HTTP_PSEUDONYM);
	}
	return n;
}

bool http_accepts_html(const struct http_head *h)
{
	struct http_list at = { 0 };
	struct slice member;

	while (http_list_next(h, "Accept", &at, &member)) {
		const uint8_t *semicolon = memchr(member.p, ';', member.n);

		if (semicolon)
			member.n = (size_t)(semicolon - member.p);
		if (http_value_is(http_trimmed(member), "text/html"))
			return true;
	}
	return false;
}

void http_write_field(struct wr *w, struct slice name, struct slice value)
{
	wr_bytes(w, name.p, name.n);
	wr_str(w, ": ");
	wr_bytes(w, value.p, value.n);
	wr_str(w, "\r\n");
}

void http_write_number(struct wr *w, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	wr_bytes(w, digits + n, sizeof(digits) - n);
}

void http_write_via(struct wr *w, unsigned minor)
{
	wr_str(w, minor == 0 ? "Via: 1.0 " : "Via: 1.1 ");
	wr_str(w, HTTP_PSEUDONYM "\r\n");
}

/* Exactly two digits. */
static void write_two(struct wr *w, int v)
{
	wr_u8(w, (uint8_t)('0' + v / 10 % 10));
	wr_u8(w, (uint8_t)('0' + v % 10));
}

void http_write_date(struct wr *w, int64_t unix_s)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return;
	wr_str(w, "Date: ");
	wr_bytes(w, days + 3 * tm.tm_wday, 3);
	wr_str(w, ", ");
	write_two(w, tm.tm_mday);
	wr_str(w, " ");
	wr_bytes(w, months + 3 * tm.tm_mon, 3);
	wr_str(w, " ");
	write_two(w, (tm.tm_year + 1900) / 100);
	write_two(w, tm.tm_year % 100);
	wr_str(w, " ");
	write_two(w, tm.tm_hour);
	wr_str(w, ":");
	write_two(w, tm.tm_min);
	wr_str(w, ":");
	write_two(w, tm.tm_sec);
	wr_str(w, " GMT\r\n");
}
