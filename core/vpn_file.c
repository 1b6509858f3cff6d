/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vpn_file.c - an account file, parsed by vpn_parse.c, written down again as a config file of ours.
 *
 * First the server and the login, which have to be right, then the options, then a comment for every key that is none.
 * What comes out is what a user could have typed: names are escaped as in a URL, numbers are within the bounds of our
 * options, and what goes into a comment has no line end and no byte of a secret. */
#include "core/vpn_file.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/arc4.h>
#include <wolfssl/wolfcrypt/hash.h>

#include "core/addr.h"
#include "core/base64.h"
#include "core/bytes.h"
#include "core/conf_url.h"
#include "core/limits.h"
#include "core/session.h"
#include "core/utf8.h"
#include "core/vpn_parse.h"

#define COMMENT_TEXT_MAX 100u /* of somebody's string in a comment */
#define HASH_SIZE 20u

struct writer {
	const struct vpn_account *a;
	const char *file;
	struct fault *f;
	char *p; /* the text; may hold secrets */
	size_t n, cap;
	bool no_memory;
};

/* --- text ----------------------------------------------------------------------------------------------- */

/* Room for @n more bytes and a NUL. Old places of the text are wiped: realloc() would leave them. */
static bool make_room(struct writer *w, size_t n)
{
	size_t cap = 2 * (w->cap + n) + 4096;
	char *grown;

	if (w->no_memory)
		return false;
	if (w->cap - w->n > n)
		return true;
	grown = malloc(cap);
	if (!grown) {
		w->no_memory = true;
		return false;
	}
	if (w->p) {
		memcpy(grown, w->p, w->n);
		wipe(w->p, w->n);
		free(w->p);
	}
	w->p = grown;
	w->cap = cap;
	return true;
}

static void put_bytes(struct writer *w, const char *p, size_t n)
{
	if (!make_room(w, n))
		return;
	memcpy(w->p + w->n, p, n);
	w->n += n;
	w->p[w->n] = '\0';
}

static void put_str(struct writer *w, const char *s)
{
	put_bytes(w, s, strlen(s));
}

static void put(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *fmt, ...)
{
	char text[512]; /* longer than any piece of ours; others' strings are not written by it */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_str(w, text);
}

/* Somebody's string, for a comment: cut, and everything that is no printable character becomes '?'. */
static void put_shown(struct writer *w, const char *s, size_t n)
{
	size_t shown = min_size(n, COMMENT_TEXT_MAX);

	for (size_t i = 0; i < shown;) {
		size_t len = utf8_char(s + i, n - i);
		bool good = len > 0 && utf8_is_text(s + i, len);

		put_bytes(w, good ? s + i : "?", good ? len : 1);
		i += len > 0 ? len : 1;
	}
	if (shown < n)
		put_str(w, "...");
}

static void put_base64(struct writer *w, const char *name, const struct vpn_value *v)
{
	size_t n = BASE64_SIZE(v->n);

	put(w, "%s = ", name);
	if (!make_room(w, n + 1))
		return;
	base64_put(w->p + w->n, v->text, v->n);
	w->n += n;
	put_str(w, "\n");
}

/* A name inside of a URL, RFC 3986 section 2.3: what is not unreserved is escaped. */
static void put_escaped(struct writer *w, const struct vpn_value *v)
{
	for (size_t i = 0; i < v->n; i++) {
		unsigned char c = (unsigned char)v->text[i];

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			put_bytes(w, &v->text[i], 1);
		else
			put(w, "%%%02X", c);
	}
}

/* A value in quotation marks; it has no control characters. */
static void put_quoted(struct writer *w, const char *s)
{
	put_str(w, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			put_str(w, "\\");
		put_bytes(w, s, 1);
	}
	put_str(w, "\"");
}

static const struct vpn_value *value(const struct writer *w, enum vpn_key key)
{
	return &w->a->v[key];
}

static int wrong(struct writer *w, enum vpn_key key, const char *why)
{
	unsigned line = value(w, key)->line;

	if (line > 0)
		fault_set(w->f, VE_USAGE, "account file %.200s, line %u: %s: %s", w->file, line, vpn_keys[key].name, why);
	else
		fault_set(w->f, VE_USAGE, "account file %.200s: %s is missing: %s", w->file, vpn_keys[key].name, why);
	return VE_USAGE;
}

/* --- the server ----------------------------------------------------------------------------------------- */

struct server {
	const char *scheme;
	char host[HOST_MAX + 1];
	bool is_ip6;
	bool behind_nat; /* a hint asks for NAT traversal */
	unsigned port;
};

/* "host" or "host/hint" (1.4). */
static int read_host(struct writer *w, struct server *s)
{
	static const char *const plain[] = { "", "tcp", "disable", "disabled", "no", "none" };
	const struct vpn_value *v = value(w, VPN_K_HOSTNAME);
	const char *hint = memchr(v->text, '/', v->n);
	size_t n = hint ? (size_t)(hint - v->text) : v->n;
	const char *from = v->text;
	struct ip ip;

	if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
		from++;
		n -= 2;
	}
	if (n == 0)
		return wrong(w, VPN_K_HOSTNAME, "expected the name or the address of the server");
	if (n > HOST_MAX)
		return wrong(w, VPN_K_HOSTNAME, "longer than a name can be");
	memcpy(s->host, from, n);
	s->host[n] = '\0';
	s->is_ip6 = ip_parse(s->host, &ip) == 0 && ip.family == IP_V6;
	if (!s->is_ip6 && !conf_is_host_name(s->host))
		return wrong(w, VPN_K_HOSTNAME, "expected a host name or an address");
	s->behind_nat = hint != NULL;
	for (size_t i = 0; hint && i < ARRAY_LEN(plain); i++)
		s->behind_nat = s->behind_nat && strcasecmp(hint + 1, plain[i]) != 0;
	return 0;
}

static int read_server(struct writer *w, struct server *s)
{
	uint64_t port = value(w, VPN_K_PORT)->number, udp = value(w, VPN_K_PORT_UDP)->number;

	if (read_host(w, s) != 0)
		return VE_USAGE;
	if (port > 65535)
		return wrong(w, VPN_K_PORT, "expected a number from 1 to 65535");
	if (udp > 65535)
		return wrong(w, VPN_K_PORT_UDP, "expected a number from 0 to 65535");
	s->scheme = udp > 0 || s->behind_nat ? "softether+udp" : "softether";
	s->port = (unsigned)(udp > 0 ? udp : port > 0 ? port : 443);
	return 0;
}

static int check_name(struct writer *w, enum vpn_key key, bool may_be_empty)
{
	const struct vpn_value *v = value(w, key);

	if (v->n == 0 && !may_be_empty)
		return wrong(w, key, "expected a name");
	if (v->n > USER_MAX)
		return wrong(w, key, "longer than 255 bytes");
	return utf8_is_text(v->text, v->n) ? 0 : wrong(w, key, "not UTF-8, or with control characters");
}

/* The URL, which our own parser gets to see as well. */
static int put_server(struct writer *w)
{
	struct server s = { 0 };
	char why[CONF_WHY_MAX];
	struct conf_url u;
	size_t at;

	if (read_server(w, &s) != 0 || check_name(w, VPN_K_HUB_NAME, false) != 0 || check_name(w, VPN_K_USERNAME, true) != 0)
		return VE_USAGE;
	put_str(w, "url = ");
	at = w->n;
	put(w, "%s://", s.scheme);
	put_escaped(w, value(w, VPN_K_USERNAME));
	put_str(w, value(w, VPN_K_USERNAME)->n > 0 ? "@" : "");
	put(w, s.is_ip6 ? "[%s]" : "%s", s.host);
	put(w, ":%u/", s.port);
	put_escaped(w, value(w, VPN_K_HUB_NAME));
	if (!w->no_memory && conf_url_parse(&u, w->p + at, why) != 0)
		return wrong(w, VPN_K_HOSTNAME, why);
	put_str(w, "\n");
	if (s.behind_nat)
		put_str(w, "# The host has a hint behind a slash, which asks for NAT traversal. softsocks does not pass the hint "
			   "on.\nnat-traversal = on\n");
	return 0;
}

/* --- the login ------------------------------------------------------------------------------------------ */

/* RC4 with the first bytes of a fixed key: no secret, only hard to read (12.2). */
static int deobfuscate(const struct vpn_value *v, unsigned key_size, char ret[static PASSWORD_MAX + 1])
{
	Arc4 rc4;
	int r = VE_USAGE;

	if (wc_Arc4Init(&rc4, NULL, INVALID_DEVID) != 0)
		return VE_NOMEM;
	if (wc_Arc4SetKey(&rc4, (const byte *)"EncryptPassword", key_size) == 0 &&
	    wc_Arc4Process(&rc4, (byte *)ret, (const byte *)v->text, (word32)v->n) == 0 && utf8_is_text(ret, v->n))
		r = 0;
	ret[v->n] = '\0';
	wc_Arc4Free(&rc4);
	return r;
}

/* A 64-bit program of SoftEther used 8 bytes of the key, a 32-bit one 4; the file does not say which. */
static int put_plain_password(struct writer *w)
{
	const struct vpn_value *v = value(w, VPN_K_ENCRYPTED_PASSWORD);
	char password[PASSWORD_MAX + 1];

	put_str(w, "auth = plain\n");
	if (v->n == 0)
		return 0;
	if (v->n > PASSWORD_MAX)
		return wrong(w, VPN_K_ENCRYPTED_PASSWORD, "longer than 255 bytes");
	if (deobfuscate(v, 8, password) != 0 && deobfuscate(v, 4, password) != 0) {
		wipe(password, sizeof(password));
		return wrong(w, VPN_K_ENCRYPTED_PASSWORD, "what is in it is no text: the file is damaged, or of another program");
	}
	put_str(w, "password = ");
	put_quoted(w, password);
	put_str(w, "\n");
	wipe(password, sizeof(password));
	return 0;
}

static int put_hashed_password(struct writer *w)
{
	const struct vpn_value *v = value(w, VPN_K_HASHED_PASSWORD);

	put_str(w, "auth = password\n");
	if (v->n == 0)
		put_str(w, "# The account has no saved password: it is asked for.\n");
	else if (v->n != HASH_SIZE)
		return wrong(w, VPN_K_HASHED_PASSWORD, "expected 20 bytes");
	else
		put_base64(w, "password-hash", v);
	return 0;
}

static int put_certificate(struct writer *w)
{
	if (value(w, VPN_K_CLIENT_CERT)->n == 0)
		return wrong(w, VPN_K_CLIENT_CERT, "expected a certificate, because AuthType is 3");
	if (value(w, VPN_K_CLIENT_KEY)->n == 0)
		return wrong(w, VPN_K_CLIENT_KEY, "expected a key, because AuthType is 3");
	put_str(w, "auth = certificate\n");
	put_base64(w, "cert-data", value(w, VPN_K_CLIENT_CERT));
	put_base64(w, "key-data", value(w, VPN_K_CLIENT_KEY));
	return 0;
}

static int put_login(struct writer *w)
{
	uint64_t type = value(w, VPN_K_AUTH_TYPE)->number;

	if (type > 0 && type < 4 && value(w, VPN_K_USERNAME)->n == 0)
		return wrong(w, VPN_K_USERNAME, "expected a name, because the login is not anonymous");
	switch (type) {
	case 0:
		put_str(w, "auth = anonymous\n");
		return 0;
	case 1:
		return put_hashed_password(w);
	case 2:
		return put_plain_password(w);
	case 3:
		return put_certificate(w);
	case 4:
		return wrong(w, VPN_K_AUTH_TYPE, "the login is with a smart card, which softsocks cannot use: export "
						 "certificate and key if you can, and use --cert and --key");
	case 5:
		return wrong(w, VPN_K_AUTH_TYPE, "the login is with a key in an OpenSSL engine, which softsocks cannot use: "
						 "export certificate and key if you can, and use --cert and --key");
	default:
		return wrong(w, VPN_K_AUTH_TYPE, "expected 0 to 5");
	}
}

/* --- trust ---------------------------------------------------------------------------------------------- */

static int put_pin(struct writer *w, const struct vpn_value *cert)
{
	char hex[2 * WC_SHA256_DIGEST_SIZE];
	uint8_t pin[WC_SHA256_DIGEST_SIZE];

	if (wc_Sha256Hash((const byte *)cert->text, (word32)cert->n, pin) != 0) {
		w->no_memory = true;
		return VE_NOMEM;
	}
	put_hex(hex, pin, sizeof(pin));
	put_str(w, "# The server's certificate is saved in the account: exactly this one is trusted. Without the line, one "
		   "that a\n# CA of the system signed for the host would be.\npin = sha256:");
	put_bytes(w, hex, sizeof(hex));
	put_str(w, "\n");
	return 0;
}

static int put_trust(struct writer *w)
{
	const struct vpn_value *check = value(w, VPN_K_CHECK_SERVER_CERT), *cert = value(w, VPN_K_SERVER_CERT);

	if (cert->n > 0)
		return put_pin(w, cert);
	if (check->number != 0)
		put_str(w, "# CheckServerCert true: the certificate must be signed by a CA of the system, for the host. The "
			   "client's own\n# list of CAs is not in the account file: name them with ca = FILE.\n");
	else
		put_str(w, "# CheckServerCert false: SoftEther's client would take any certificate. softsocks always looks: it "
			   "must be\n# signed by a CA of the system, for the host. For a server with a certificate of its own, "
			   "start softsocks once;\n# the line that refuses the certificate names its pin, to be written here as "
			   "pin = sha256:...\n");
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------------------- */

/* What a number that is not in the bounds of our option becomes, with a comment. */
static uint64_t within(struct writer *w, enum vpn_key key, uint64_t min, uint64_t max)
{
	uint64_t n = value(w, key)->number, bounded = n < min ? min : n > max ? max : n;

	if (n != bounded && value(w, key)->line > 0)
		put(w, "# %s %" PRIu64 ": softsocks has %" PRIu64 " to %" PRIu64 "\n", vpn_keys[key].name, n, min, max);
	return bounded;
}

static void put_connections(struct writer *w)
{
	uint64_t n = within(w, VPN_K_MAX_CONNECTION, 1, SESSION_CHANNELS_MAX);

	if (value(w, VPN_K_MAX_CONNECTION)->line > 0)
		put(w, "tcp-connections = %" PRIu64 "\n", n);
	if (value(w, VPN_K_HALF_CONNECTION)->number && n < 2)
		put_str(w, "# HalfConnection true: means nothing with one connection\n");
	else if (value(w, VPN_K_HALF_CONNECTION)->line > 0)
		put(w, "half-connection = %s\n", value(w, VPN_K_HALF_CONNECTION)->number ? "yes" : "no");
}

static void put_options(struct writer *w)
{
	const struct vpn_value *retries = value(w, VPN_K_NUM_RETRY);

	put_connections(w);
	if (value(w, VPN_K_USE_COMPRESS)->line > 0)
		put(w, "compress = %s\n", value(w, VPN_K_USE_COMPRESS)->number ? "yes" : "no");
	if (value(w, VPN_K_NO_UDP)->line > 0)
		put(w, "udp-acceleration = %s\n", value(w, VPN_K_NO_UDP)->number ? "off" : "on");
	if (retries->line > 0 && retries->number == UINT32_MAX)
		put_str(w, "retries = forever\n");
	else if (retries->line > 0)
		put(w, "retries = %" PRIu64 "\n", retries->number);
	if (value(w, VPN_K_RETRY_INTERVAL)->line > 0)
		put(w, "retry-interval = %" PRIu64 "\n", within(w, VPN_K_RETRY_INTERVAL, 1, 60));
	if (value(w, VPN_K_PROXY_TYPE)->number != 0)
		put(w, "# ProxyType %" PRIu64 ": a proxy on the way to the server is not supported; softsocks connects directly\n",
		    value(w, VPN_K_PROXY_TYPE)->number);
}

static void put_value(struct writer *w, enum vpn_key key)
{
	const struct vpn_value *v = value(w, key);

	switch (vpn_keys[key].type) {
	case VPN_BOOL:
		put_str(w, v->number ? "true" : "false");
		break;
	case VPN_UINT:
	case VPN_UINT64:
		put(w, "%" PRIu64, v->number);
		break;
	case VPN_STRING:
		put_str(w, "\"");
		put_shown(w, v->text, v->n);
		put_str(w, "\"");
		break;
	case VPN_BYTE:
		put(w, "(%zu bytes)", v->n);
		break;
	}
}

/* Everything that is no option, and what it meant. */
static void put_comments(struct writer *w)
{
	static const struct {
		enum vpn_key key;
		uint64_t type; /* AuthType that uses it */
	} login[] = {
		{ VPN_K_HASHED_PASSWORD, 1 }, { VPN_K_ENCRYPTED_PASSWORD, 2 }, { VPN_K_CLIENT_CERT, 3 }, { VPN_K_CLIENT_KEY, 3 },
	};
	static const char heading[] = "\n# What else is in the account file:\n";
	const struct vpn_account *a = w->a;
	size_t before = w->n;

	put_str(w, heading);
	for (size_t i = 0; i < ARRAY_LEN(login); i++) {
		if (value(w, login[i].key)->line > 0 && login[i].type != value(w, VPN_K_AUTH_TYPE)->number)
			put(w, "# %s: left out, this login does not use it\n", vpn_keys[login[i].key].name);
	}
	for (int key = 0; key < VPN_KEYS; key++) {
		if (!vpn_keys[key].note || a->v[key].line == 0)
			continue;
		put(w, "# %s ", vpn_keys[key].name);
		put_value(w, (enum vpn_key)key);
		put(w, ": %s\n", vpn_keys[key].note);
	}
	for (size_t i = 0; i < min_size(a->nunknown, VPN_UNKNOWN_MAX); i++) {
		put_str(w, "# ");
		put_shown(w, a->unknown[i].name, strlen(a->unknown[i].name));
		put(w, " (line %u): unknown to softsocks\n", a->unknown[i].line);
	}
	if (a->nunknown > VPN_UNKNOWN_MAX)
		put(w, "# and %zu more that are unknown to softsocks\n", a->nunknown - VPN_UNKNOWN_MAX);
	if (!w->no_memory && w->n == before + strlen(heading)) {
		w->n = before; /* nothing else */
		w->p[w->n] = '\0';
	}
}

static void put_heading(struct writer *w)
{
	const struct vpn_value *name = value(w, VPN_K_ACCOUNT_NAME);
	uint64_t type = value(w, VPN_K_AUTH_TYPE)->number;
	const char *secret = type == 1 && value(w, VPN_K_HASHED_PASSWORD)->n > 0     ? "password-hash"
			     : type == 2 && value(w, VPN_K_ENCRYPTED_PASSWORD)->n > 0 ? "password"
			     : type == 3					      ? "key-data"
										      : NULL;

	if (secret)
		put(w, "# There is a secret in this file, %s: chmod 600 it, so that nobody else can read it.\n", secret);
	else
		put_str(w, "# There is no secret in this file.\n");
	put_str(w, "# A softsocks config file, made from an account of SoftEther's client");
	if (name->n > 0) {
		put_str(w, ", \"");
		put_shown(w, name->text, name->n);
		put_str(w, "\"");
	}
	put_str(w, ".\n\n");
}

/* --- all of it ------------------------------------------------------------------------------------------ */

bool vpn_file_is(const char *text)
{
	static const char blanks[] = " \t\r\n";
	size_t n;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (text += strspn(text, blanks); *text == '#'; text += strspn(text, blanks))
		text += strcspn(text, "\n");
	n = strcspn(text, blanks);
	if (n != 7 || strncasecmp(text, "declare", n) != 0)
		return false;
	text += n + strspn(text + n, " \t");
	return strcspn(text, blanks) == 4 && strncasecmp(text, "root", 4) == 0;
}

static int write_all(struct writer *w)
{
	int r;

	put_heading(w);
	r = put_server(w);
	if (r == 0)
		r = put_login(w);
	if (r == 0)
		r = put_trust(w);
	if (r == 0) {
		put_options(w);
		put_comments(w);
	}
	if (r != VE_USAGE && w->no_memory) {
		fault_set(w->f, VE_NOMEM, "account file %.200s: no memory", w->file);
		return VE_NOMEM;
	}
	return r;
}

int vpn_file_convert(const char *name, const char *text, char **ret, struct fault *f)
{
	size_t n = strlen(text) + 1;
	char *copy = malloc(n);
	struct vpn_account a;
	struct writer w = { .a = &a, .file = name, .f = f };
	int r;

	if (!copy) {
		fault_set(f, VE_NOMEM, "account file %.200s: no memory", name);
		return VE_NOMEM;
	}
	memcpy(copy, text, n);
	r = vpn_parse(&a, name, copy, f);
	if (r == 0)
		r = write_all(&w);
	wipe(copy, n);
	free(copy);
	if (r == 0) {
		*ret = w.p;
		return 0;
	}
	if (w.p)
		wipe(w.p, w.n);
	free(w.p);
	return r;
}
