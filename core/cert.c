/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cert.c - what a certificate says.
 *
 * wolfSSL parses, checks the syntax, and reports usage bits and dates. Names and name constraints are read
 * here, from the extensions' own bytes: wolfSSL's matching takes "evil-example.com" for part of
 * "example.com" and does not know constraints on addresses. */
#include "core/cert.h"

#include <stdio.h>
#include <string.h>

#include "core/der.h"

#define GENERAL_NAME_DNS (DER_CONTEXT | 2)
#define GENERAL_NAME_IP (DER_CONTEXT | 7)

static const uint8_t oid_subject_alt_name[] = { 0x55, 0x1d, 0x11 };
static const uint8_t oid_name_constraints[] = { 0x55, 0x1d, 0x1e };

void cert_init(struct cert *c, struct slice der)
{
	c->der = der;
	wc_InitDecodedCert(&c->x, der.p, (word32)der.n, NULL);
	c->err = wc_ParseCert(&c->x, CERT_TYPE, NO_VERIFY, NULL);
}

void cert_fini(struct cert *c)
{
	wc_FreeDecodedCert(&c->x);
	memset(c, 0, sizeof(*c));
}

bool cert_equal(const struct cert *a, const struct cert *b)
{
	return a->der.n == b->der.n && memcmp(a->der.p, b->der.p, a->der.n) == 0;
}

bool cert_names_issuer(const struct cert *c, const struct cert *issuer)
{
	return memcmp(c->x.issuerHash, issuer->x.subjectHash, sizeof(c->x.issuerHash)) == 0;
}

bool cert_is_self_issued(const struct cert *c)
{
	return cert_names_issuer(c, c);
}

/* --- usage ---------------------------------------------------------------------------------------------- */

static bool extended_usage_allows_servers(const struct cert *c)
{
	return !c->x.extExtKeyUsageSet || c->x.extExtKeyUsage & (EXTKEYUSE_SERVER_AUTH | EXTKEYUSE_ANY);
}

bool cert_is_ca(const struct cert *c)
{
	if (!c->x.isCA || (c->x.extKeyUsageSet && !(c->x.extKeyUsage & KEYUSE_KEY_CERT_SIGN)))
		return false;
	return extended_usage_allows_servers(c);
}

bool cert_is_for_servers(const struct cert *c, bool legacy)
{
	unsigned wanted = KEYUSE_DIGITAL_SIG | (legacy ? KEYUSE_KEY_ENCIPHER : 0);

	if (c->x.extKeyUsageSet && !(c->x.extKeyUsage & wanted))
		return false;
	return extended_usage_allows_servers(c);
}

bool cert_is_weakly_signed(const struct cert *c)
{
	switch (c->x.signatureOID) {
	case CTC_MD2wRSA:
	case CTC_MD5wRSA:
	case CTC_SHAwRSA:
	case CTC_SHAwDSA:
	case CTC_SHAwECDSA:
		return true;
	default:
		return false;
	}
}

size_t cert_rsa_bits(const struct cert *c)
{
	struct rd key = rd_init(c->x.publicKey, c->x.pubKeySize);
	struct rd fields = der_expect(&key, DER_SEQUENCE);
	struct rd n = der_expect(&fields, DER_INTEGER);
	size_t bits;

	if (c->x.keyOID != RSAk && c->x.keyOID != RSAPSSk)
		return 0;
	while (rd_left(&n) > 0 && *n.p == 0)
		rd_skip(&n, 1);
	bits = rd_left(&n) * 8;
	for (unsigned top = bits > 0 ? *n.p : 0x80; !(top & 0x80); top <<= 1)
		bits--;
	return bits;
}

/* --- time ----------------------------------------------------------------------------------------------- */

/* One of the two dates, as wolfSSL kept it: a DER element. */
static bool read_date(const uint8_t *der, int len, struct tm *ret)
{
	const byte *date;
	byte format;
	int n;

	return der && wc_GetDateInfo(der, len, &date, &format, &n) == 0 &&
	       wc_GetDateAsCalendarTime(date, n, format, ret) == 0;
}

int cert_time(const struct cert *c, time_t now)
{
	struct tm before, after;

	if (!read_date(c->x.beforeDate, c->x.beforeDateLen, &before) ||
	    !read_date(c->x.afterDate, c->x.afterDateLen, &after))
		return -1;
	if (now < timegm(&before))
		return -1;
	return now > timegm(&after) ? 1 : 0;
}

const char *cert_date_text(const struct cert *c, time_t now, char buf[static CERT_DATE_MAX])
{
	struct tm tm;
	bool ok = cert_time(c, now) > 0 ? read_date(c->x.afterDate, c->x.afterDateLen, &tm) :
					  read_date(c->x.beforeDate, c->x.beforeDateLen, &tm);

	if (!ok || strftime(buf, CERT_DATE_MAX, "%Y-%m-%d", &tm) == 0)
		snprintf(buf, CERT_DATE_MAX, "?");
	return buf;
}

/* --- extensions ----------------------------------------------------------------------------------------- */

/* RFC 5280, 4.1: the extensions are [3] at the end of the TBSCertificate. */
static struct rd extensions(const struct cert *c)
{
	struct rd all = rd_init(c->der.p, c->der.n);
	struct rd outer = der_expect(&all, DER_SEQUENCE);
	struct rd tbs = der_expect(&outer, DER_SEQUENCE);
	struct rd field;
	uint8_t tag;

	while ((tag = der_next(&tbs, &field)) != 0) {
		if (tag == (DER_CONTEXT_CONSTRUCTED | 3))
			return der_expect(&field, DER_SEQUENCE);
	}
	return rd_init(NULL, 0);
}

/* Find the extension with @oid; *ret is a reader over the contents of its SEQUENCE. */
static bool find_extension(const struct cert *c, const uint8_t *oid, size_t oid_len, struct rd *ret)
{
	struct rd list = extensions(c);
	struct rd one;

	while (der_next(&list, &one) == DER_SEQUENCE) {
		struct rd value = der_expect(&one, DER_OID);
		struct slice id = rd_rest(&value);
		uint8_t tag = der_next(&one, &value);

		if (tag == DER_BOOLEAN) /* critical */
			tag = der_next(&one, &value);
		if (tag != DER_OCTET_STRING || id.n != oid_len || memcmp(id.p, oid, oid_len) != 0)
			continue;
		*ret = der_expect(&value, DER_SEQUENCE);
		return true;
	}
	return false;
}

/* --- names ---------------------------------------------------------------------------------------------- */

void cert_ref_init(struct cert_ref *ref, const char *text)
{
	char bare[IP_TEXT_MAX];
	size_t zone = strcspn(text, "%"); /* fe80::1%eth0: the interface is ours, not the server's */

	*ref = (struct cert_ref){ .name = text, .len = strlen(text) };
	if (zone < sizeof(bare)) {
		memcpy(bare, text, zone);
		bare[zone] = '\0';
		if (ip_parse(bare, &ref->ip) == 0)
			return;
	}
	ref->ip.family = IP_NONE;
	if (ref->len > 0 && text[ref->len - 1] == '.')
		ref->len--;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool same_text(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

static bool dns_matches(struct slice presented, const struct cert_ref *ref)
{
	const uint8_t *name = (const uint8_t *)ref->name;
	size_t len = ref->len;

	if (presented.n > 0 && presented.p[presented.n - 1] == '.')
		presented.n--;
	if (presented.n > 2 && presented.p[0] == '*' && presented.p[1] == '.') {
		const uint8_t *dot = memchr(name, '.', len);

		/* "*" is one whole label, and what follows is a domain that somebody owns, not a top-level
		 * one. */
		if (!dot || dot == name || !memchr(presented.p + 2, '.', presented.n - 2))
			return false;
		presented.p++;
		presented.n--;
		len -= (size_t)(dot - name);
		name = dot;
	}
	return len > 0 && presented.n == len && same_text(presented.p, name, len);
}

static size_t ip_len(const struct ip *ip)
{
	return ip->family == IP_V4 ? 4 : 16;
}

static bool name_matches(uint8_t tag, struct slice value, const struct cert_ref *ref)
{
	if (ref->ip.family == IP_NONE)
		return tag == GENERAL_NAME_DNS && dns_matches(value, ref);
	if (tag != GENERAL_NAME_IP || value.n != ip_len(&ref->ip))
		return false;
	return memcmp(value.p, ref->ip.b, value.n) == 0;
}

static bool common_name_matches(const struct cert *c, const struct cert_ref *ref)
{
	struct slice cn = { .p = (const uint8_t *)c->x.subjectCN, .n = (size_t)c->x.subjectCNLen };
	char text[IP_TEXT_MAX];
	struct ip ip;

	if (!cn.p)
		return false;
	if (ref->ip.family == IP_NONE)
		return dns_matches(cn, ref);
	if (cn.n >= sizeof(text))
		return false;
	memcpy(text, cn.p, cn.n);
	text[cn.n] = '\0';
	return strlen(text) == cn.n && ip_parse(text, &ip) == 0 && ip_equal(&ip, &ref->ip);
}

bool cert_matches(const struct cert *c, const struct cert_ref *ref)
{
	struct rd names, name;
	uint8_t tag;

	if (!find_extension(c, oid_subject_alt_name, sizeof(oid_subject_alt_name), &names))
		return common_name_matches(c, ref);
	while ((tag = der_next(&names, &name)) != 0) {
		if (name_matches(tag, rd_rest(&name), ref))
			return true;
	}
	return false;
}

/* --- name constraints ----------------------------------------------------------------------------------- */

/* Is @ref in the subtree @base? A base of "example.com" covers itself and everything below, ".example.com"
 * (not in the RFC, but in the wild) only what is below, "" everything. */
static bool dns_in_subtree(struct slice base, const struct cert_ref *ref)
{
	const uint8_t *name = (const uint8_t *)ref->name;
	size_t at;

	if (base.n == 0)
		return true;
	if (base.n > ref->len)
		return false;
	at = ref->len - base.n;
	if (!same_text(name + at, base.p, base.n))
		return false;
	return base.p[0] == '.' ? at > 0 : at == 0 || name[at - 1] == '.';
}

static bool ip_in_subtree(struct slice base, const struct ip *ip)
{
	size_t n = ip_len(ip);

	if (base.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((ip->b[i] ^ base.p[i]) & base.p[n + i])
			return false;
	}
	return true;
}

/* Look through GeneralSubtrees for the kind of @ref. */
static void search_subtrees(struct rd trees, const struct cert_ref *ref, bool *any, bool *inside)
{
	uint8_t wanted = ref->ip.family == IP_NONE ? GENERAL_NAME_DNS : GENERAL_NAME_IP;
	struct rd tree, base;

	*any = *inside = false;
	while (der_next(&trees, &tree) == DER_SEQUENCE) {
		struct slice value;

		if (der_next(&tree, &base) != wanted)
			continue;
		value = rd_rest(&base);
		*any = true;
		if (wanted == GENERAL_NAME_DNS ? dns_in_subtree(value, ref) : ip_in_subtree(value, &ref->ip))
			*inside = true;
	}
	if (!rd_ok(&trees)) /* unreadable: neither permitted nor surely not excluded */
		*any = true;
}

bool cert_permits(const struct cert *c, const struct cert_ref *ref)
{
	struct rd constraints, trees;
	bool any, inside;
	uint8_t tag;

	if (!find_extension(c, oid_name_constraints, sizeof(oid_name_constraints), &constraints))
		return true;
	while ((tag = der_next(&constraints, &trees)) != 0) {
		search_subtrees(trees, ref, &any, &inside);
		if (tag == (DER_CONTEXT_CONSTRUCTED | 0) && any && !inside)
			return false;
		if (tag == (DER_CONTEXT_CONSTRUCTED | 1) && inside)
			return false;
	}
	return rd_done(&constraints);
}

/* --- for messages --------------------------------------------------------------------------------------- */

#define NAMES_SHOWN 3

static size_t append(char *buf, size_t at, const char *separator, struct slice text)
{
	int n = snprintf(buf + at, CERT_NAMES_TEXT_MAX - at, "%s%.*s", separator, (int)min_size(text.n, 63),
			 (const char *)text.p);

	return min_size(at + (size_t)n, CERT_NAMES_TEXT_MAX - 1);
}

static size_t append_general_name(char *buf, size_t at, uint8_t tag, struct slice value)
{
	const char *separator = at > 0 ? ", " : "";
	char text[IP_TEXT_MAX];
	struct ip ip = { .family = value.n == 4 ? IP_V4 : IP_V6 };

	if (tag == GENERAL_NAME_DNS)
		return append(buf, at, separator, value);
	if (tag != GENERAL_NAME_IP || value.n != ip_len(&ip))
		return at;
	memcpy(ip.b, value.p, value.n);
	ip_text(&ip, text);
	return append(buf, at, separator, (struct slice){ .p = (const uint8_t *)text, .n = strlen(text) });
}

const char *cert_names_text(const struct cert *c, char buf[static CERT_NAMES_TEXT_MAX])
{
	static const struct slice more = { .p = (const uint8_t *)"...", .n = 3 };
	static const struct slice none = { .p = (const uint8_t *)"no name", .n = 7 };
	struct rd names, name;
	size_t at = 0, shown = 0;
	uint8_t tag;

	buf[0] = '\0';
	if (!find_extension(c, oid_subject_alt_name, sizeof(oid_subject_alt_name), &names)) {
		if (c->x.subjectCN)
			return cert_subject_text(c, buf);
		names = rd_init(NULL, 0);
	}
	while ((tag = der_next(&names, &name)) != 0) {
		size_t before = at;

		if (shown == NAMES_SHOWN) {
			append(buf, at, ", ", more);
			break;
		}
		at = append_general_name(buf, at, tag, rd_rest(&name));
		shown += at > before;
	}
	if (at == 0)
		append(buf, 0, "", none);
	return buf;
}

const char *cert_subject_text(const struct cert *c, char buf[static CERT_NAMES_TEXT_MAX])
{
	if (c->x.subjectCN)
		snprintf(buf, CERT_NAMES_TEXT_MAX, "%.*s", c->x.subjectCNLen, c->x.subjectCN);
	else
		snprintf(buf, CERT_NAMES_TEXT_MAX, "%.100s", c->x.subject);
	return buf;
}
