/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tls.c - tls.c against a real TLS server in the same process, over memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/hash.h>

#include "core/castore.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/rd.h"
#include "core/tls.h"
#include "core/trust.h"
#include "test/support/tls_peer.h"

#define CERTS "test/data/certs/"
#define VPN "vpn.example.com"
#define RECORD_WHOLE (5 + 16 * KIB + 256) /* the largest record */

/* --- a client and a server ------------------------------------------------------------------------------ */

struct pair {
	struct trust_conf conf;
	struct trust *trust;
	struct tls *c;
	struct tls_peer *s;
	size_t step;     /* most bytes moved to the client at once; 0: no limit */
	size_t to_client; /* bytes moved so far */
	size_t stop_at;  /* the client gets no byte beyond; SIZE_MAX: no limit */
	size_t flip_at;  /* this byte is changed on its way; SIZE_MAX: none */
	bool flipped_version; /* it was in a version that stands in front of a record */
	size_t in_record;     /* where in a record the stream is */
	uint8_t head[5];
};

static void drop_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static const struct trust_conf by_ca = { .ca_file = CERTS "ca.pem" };

static void pair_init(struct pair *p, const struct trust_conf *conf, const char *host, const struct tls_peer_conf *server)
{
	struct fault f = { 0 };

	*p = (struct pair){ .conf = *conf, .stop_at = SIZE_MAX, .flip_at = SIZE_MAX };
	if (trust_new(&p->trust, &p->conf, &f) != 0)
		fail_msg("%s", f.text);
	assert_int_equal(tls_new(&p->c, p->trust, host, 443, NULL), 0);
	if (server)
		p->s = tls_peer_new(server);
}

static void pair_fini(struct pair *p)
{
	tls_free(p->c);
	tls_peer_free(p->s);
	trust_free(p->trust);
}

/* Everything the client has to say reaches the server. */
static void to_server(struct pair *p)
{
	struct slice s = tls_out_peek(p->c);

	if (p->s && s.n > 0)
		tls_peer_in(p->s, s.p, s.n);
	tls_out_consume(p->c, s.n);
}

/* Change the byte whose turn it is, and know what it was. */
static void flip(struct pair *p, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p->in_record < 5)
			p->head[p->in_record] = bytes[i];
		if (p->to_client + i == p->flip_at) {
			p->flipped_version = p->in_record == 1 || p->in_record == 2;
			bytes[i] ^= 0x20;
		}
		p->in_record++;
		if (p->in_record >= 5 && p->in_record == 5u + load_be16(p->head + 3))
			p->in_record = 0;
	}
}

/* One step's worth of bytes reaches the client. Returns how many. */
static size_t give_client(struct pair *p, const uint8_t *from, size_t n)
{
	size_t room;
	uint8_t *to = tls_in_reserve(p->c, &room);

	n = min_size(n, room);
	n = min_size(n, p->stop_at - p->to_client);
	if (p->step > 0)
		n = min_size(n, p->step);
	if (n == 0)
		return 0;
	memcpy(to, from, n);
	if (p->flip_at != SIZE_MAX)
		flip(p, to, n);
	p->to_client += n;
	tls_in_commit(p->c, n);
	return n;
}

static size_t to_client(struct pair *p)
{
	struct slice s = tls_peer_out(p->s);
	size_t n = give_client(p, s.p, s.n);

	tls_peer_consume(p->s, n);
	return n;
}

/* Shake hands until both are done or nothing moves any more. Returns what tls_handshake() said last. */
static int shake(struct pair *p)
{
	int server = 0, err;

	do {
		err = tls_handshake(p->c);
		to_server(p);
		if (server == 0)
			server = tls_peer_shake(p->s);
		if (err != 0 && err != VE_AGAIN)
			break;
	} while (to_client(p) > 0 || (err == 0 && server == 0));
	err = tls_handshake(p->c);
	to_server(p);
	if (server == 0)
		server = tls_peer_shake(p->s);
	return err;
}

/* Through the handshake with a server that is as it should be. */
static void pair_up(struct pair *p)
{
	pair_init(p, &by_ca, VPN, &(struct tls_peer_conf){ .chain = "good" });
	assert_int_equal(shake(p), 0);
}

/* The client reads what comes until there is no more; at most @cap. */
static size_t read_all(struct pair *p, uint8_t *to, size_t cap)
{
	size_t got = 0, n;

	do {
		while (got < cap && tls_read(p->c, to + got, cap - got, &n) == 0)
			got += n;
	} while (to_client(p) > 0);
	while (got < cap && tls_read(p->c, to + got, cap - got, &n) == 0)
		got += n;
	return got;
}

/* --- it works ------------------------------------------------------------------------------------------- */

static void test_versions_and_keys(void **state)
{
	static const struct {
		struct tls_peer_conf server;
		const char *described;
	} v[] = {
		{ { .chain = "good", .max_version = 13 }, "TLS 1.3 " },
		{ { .chain = "good", .max_version = 12 }, "TLS 1.2 " },
		{ { .chain = "good-ec", .key = "ec", .max_version = 13 }, "TLS 1.3 " },
		{ { .chain = "good-ec", .key = "ec", .max_version = 12 }, "TLS 1.2 " },
		{ { .chain = "good-ed", .key = "ed", .max_version = 13 }, "TLS 1.3 " },
		{ { .chain = "good-below sub-ca", .max_version = 13 }, "TLS 1.3 " },
		{ { .chain = "good-below sub-ca", .max_version = 12 }, "TLS 1.2 " },
		{ { .chain = "good", .ciphers = "TLS13-CHACHA20-POLY1305-SHA256" }, "CHACHA20" },
		{ { .chain = "good", .ciphers = "TLS13-AES128-GCM-SHA256" }, "AES_128_GCM" },
		{ { .chain = "good", .max_version = 12, .ciphers = "ECDHE-RSA-CHACHA20-POLY1305" }, "CHACHA20" },
		{ { .chain = "good", .max_version = 12, .ciphers = "DHE-RSA-AES256-GCM-SHA384", .dh = CERTS "dh2048.pem" },
		  "DHE_RSA" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		static const char question[] = "GET / HTTP/1.1\r\n\r\n", answer[] = "HTTP/1.1 200 OK\r\n\r\n";
		char buf[64];
		size_t n;
		struct pair p;

		pair_init(&p, &by_ca, VPN, &v[i].server);
		assert_int_equal(tls_write(p.c, (const uint8_t *)question, 1, &n), VE_AGAIN); /* not before the end */
		assert_int_equal(tls_read(p.c, (uint8_t *)buf, 1, &n), VE_AGAIN);
		if (shake(&p) != 0)
			fail_msg("%zu: %s (%d)", i, tls_fault(p.c)->text, tls_peer_error(p.s));
		assert_int_equal(tls_handshake(p.c), 0);
		if (!strstr(tls_describe(p.c), v[i].described))
			fail_msg("%s", tls_describe(p.c));
		assert_true(tls_facts(p.c)->verified);
		assert_string_equal(tls_facts(p.c)->host, VPN);
		assert_int_equal(tls_facts(p.c)->port, 443);

		assert_int_equal(tls_write(p.c, (const uint8_t *)question, sizeof(question), &n), 0);
		assert_int_equal(n, sizeof(question));
		to_server(&p);
		assert_int_equal(tls_peer_read(p.s, buf, sizeof(buf)), sizeof(question));
		assert_string_equal(buf, question);
		tls_peer_write(p.s, answer, sizeof(answer));
		assert_int_equal(read_all(&p, (uint8_t *)buf, sizeof(buf)), sizeof(answer));
		assert_string_equal(buf, answer);
		assert_int_equal(tls_fault(p.c)->err, 0);
		pair_fini(&p);
	}
}

static int hash_certificate(void *ctx, enum castore_kind kind, struct slice der)
{
	uint8_t *hashes = ctx;

	(void)kind;
	assert_int_equal(wc_ShaHash(der.p, (word32)der.n, hashes), 0);
	assert_int_equal(wc_Sha256Hash(der.p, (word32)der.n, hashes + 20), 0);
	return 0;
}

/* The hashes that a protocol may bind itself to: of the certificate's DER. */
static void test_facts(void **state)
{
	struct castore file = { .places = { (char[]){ CERTS "good.pem" } }, .n = 1 };
	uint8_t pin[32], hashes[20 + 32];
	struct fault f = { 0 };
	struct pair p;

	(void)state;
	log_set_sink(drop_line, NULL);
	pair_init(&p, &(struct trust_conf){ .insecure = true }, "192.0.2.1", &(struct tls_peer_conf){ .chain = "good sub-ca" });
	assert_int_equal(shake(&p), 0);
	assert_false(tls_facts(p.c)->verified);
	assert_string_equal(tls_facts(p.c)->host, "192.0.2.1");
	pair_fini(&p);
	log_set_sink(NULL, NULL);

	/* The pin that works is the hash in the facts. */
	pair_init(&p, &by_ca, VPN, &(struct tls_peer_conf){ .chain = "good sub-ca" });
	assert_int_equal(shake(&p), 0);
	assert_int_equal(castore_each(&file, hash_certificate, hashes, &f), 0);
	assert_memory_equal(tls_facts(p.c)->cert_sha1, hashes, 20);
	assert_memory_equal(tls_facts(p.c)->cert_sha256, hashes + 20, 32);
	memcpy(pin, tls_facts(p.c)->cert_sha256, 32);
	pair_fini(&p);
	struct trust_conf pinned = { .npins = 1 };
	memcpy(pinned.pins[0], pin, 32);
	pair_init(&p, &pinned, "other.example", &(struct tls_peer_conf){ .chain = "good" });
	assert_int_equal(shake(&p), 0);
	assert_true(tls_facts(p.c)->verified);
	pair_fini(&p);
}

/* The first thing a server, and everybody on the way, hears of us. */
struct hello {
	uint16_t suites[64], groups[16], signatures[32], versions[8], extensions[32];
	size_t nsuites, ngroups, nsignatures, nversions, nextensions;
};

static size_t read_numbers(struct rd list, uint16_t *to, size_t max)
{
	size_t n = 0;

	for (; rd_left(&list) > 0 && n < max; n++)
		to[n] = rd_u16(&list);
	assert_true(rd_done(&list));
	return n;
}

static void read_hello(struct slice record, struct hello *h)
{
	struct rd r = rd_init(record.p, record.n), extensions, one;

	memset(h, 0, sizeof(*h));
	rd_skip(&r, 5 + 4 + 2 + 32);
	rd_skip(&r, rd_u8(&r)); /* session id */
	h->nsuites = read_numbers(rd_sub(&r, rd_u16(&r)), h->suites, ARRAY_LEN(h->suites));
	rd_skip(&r, rd_u8(&r)); /* compression */
	extensions = rd_sub(&r, rd_u16(&r));
	assert_true(rd_done(&r));
	while (rd_left(&extensions) > 0) {
		uint16_t type = rd_u16(&extensions);

		one = rd_sub(&extensions, rd_u16(&extensions));
		h->extensions[h->nextensions++] = type;
		if (type == 10)
			h->ngroups = read_numbers(rd_sub(&one, rd_u16(&one)), h->groups, 16);
		if (type == 13)
			h->nsignatures = read_numbers(rd_sub(&one, rd_u16(&one)), h->signatures, 32);
		if (type == 43)
			h->nversions = read_numbers(rd_sub(&one, rd_u8(&one)), h->versions, 8);
	}
}

static bool lists(const uint16_t *v, size_t n, unsigned what)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i] == what)
			return true;
	}
	return false;
}

static void test_client_hello(void **state)
{
	/* TLS 1.3; ECDHE and DHE with AES-GCM and ChaCha20; the signal of RFC 5746 */
	static const uint16_t modern[] = {
		0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9, 0xccaa, 0x009e, 0x009f, 0x00ff,
	};
	struct trust_conf conf = by_ca;
	struct hello h;
	struct pair p;

	(void)state;
	pair_init(&p, &conf, VPN, NULL);
	assert_int_equal(tls_handshake(p.c), VE_AGAIN);
	read_hello(tls_out_peek(p.c), &h);
	for (size_t i = 0; i < h.nsuites; i++) {
		if (!lists(modern, ARRAY_LEN(modern), h.suites[i]))
			fail_msg("suite %04x", h.suites[i]);
	}
	assert_int_equal(h.nsuites, ARRAY_LEN(modern));
	assert_int_equal(h.ngroups, 3);
	assert_true(lists(h.groups, h.ngroups, 29) && lists(h.groups, h.ngroups, 23) && lists(h.groups, h.ngroups, 24));
	for (size_t i = 0; i < h.nsignatures; i++) {
		if (h.signatures[i] >> 8 < 3) /* MD5, SHA-1 */
			fail_msg("signature %04x", h.signatures[i]);
	}
	assert_true(lists(h.signatures, h.nsignatures, 0x0403) && lists(h.signatures, h.nsignatures, 0x0804));
	assert_int_equal(h.nversions, 2);
	assert_true(lists(h.versions, h.nversions, 0x0304) && lists(h.versions, h.nversions, 0x0303));
	assert_true(lists(h.extensions, h.nextensions, 0));   /* SNI */
	assert_true(lists(h.extensions, h.nextensions, 23));  /* extended master secret */
	assert_false(lists(h.extensions, h.nextensions, 16)); /* ALPN */
	assert_false(lists(h.extensions, h.nextensions, 41)); /* resumption */
	pair_fini(&p);

	conf.tls_min = TLS_MIN_1_0;
	pair_init(&p, &conf, VPN, NULL);
	assert_int_equal(tls_handshake(p.c), VE_AGAIN);
	read_hello(tls_out_peek(p.c), &h);
	assert_true(lists(h.suites, h.nsuites, 0x002f)); /* TLS_RSA_WITH_AES_128_CBC_SHA */
	assert_true(lists(h.suites, h.nsuites, 0x1301));
	for (size_t i = 0; i < h.nsuites; i++) {
		static const uint16_t broken[] = { 0x0000, 0x0001, 0x0002, 0x0004, 0x0005, 0x0009, 0x000a, 0xc007, 0xc011 };

		assert_false(lists(broken, ARRAY_LEN(broken), h.suites[i])); /* NULL, RC4, DES, 3DES */
	}
	pair_fini(&p);
}

static void test_sni(void **state)
{
	static const struct {
		const char *host, *option, *sent;
	} v[] = {
		{ VPN, NULL, VPN },
		{ "vpn.example.com.", NULL, VPN },
		{ "192.0.2.1", NULL, "" },
		{ "2001:db8::1", NULL, "" },
		{ "2001:db8::1%eth0", NULL, "" },
		{ "192.0.2.1", "relay.example.net", "relay.example.net" },
		{ VPN, "relay.example.net", "relay.example.net" },
		{ VPN, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct trust_conf conf = by_ca;
		struct pair p;

		conf.sni = v[i].option;
		pair_init(&p, &conf, v[i].host, &(struct tls_peer_conf){ .chain = "good" });
		assert_int_equal(shake(&p), 0); /* verification still goes by the host */
		assert_string_equal(tls_peer_sni(p.s), v[i].sent);
		pair_fini(&p);
	}
}

/* --- it refuses ----------------------------------------------------------------------------------------- */

/* Not a byte of ours may get through a handshake that was refused. */
static void assert_shut(struct pair *p)
{
	uint8_t byte = 'x';
	size_t n = 77;
	char buf[16];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tls_handshake(p->c), tls_fault(p->c)->err);
		assert_int_equal(tls_write(p->c, &byte, 1, &n), tls_fault(p->c)->err);
		assert_int_equal(tls_read(p->c, &byte, 1, &n), tls_fault(p->c)->err);
	}
	assert_int_equal(n, 77);
	tls_shutdown(p->c);
	to_server(p);
	assert_true(tls_peer_shake(p->s) <= 0);
	assert_true(tls_peer_read(p->s, buf, sizeof(buf)) <= 0);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *chain, *key, *ca, *host, *code;
	} v[] = {
		{ "by-other", NULL, "ca", VPN, "0x800B0109" },
		{ "by-other other-ca", NULL, "ca", VPN, "0x800B0109" },
		{ "good-below", NULL, "ca", VPN, "0x800B0109" },
		{ "softether", NULL, "ca", VPN, "0x800B0109" },
		{ "self", NULL, "ca", VPN, "0x800B0109" },
		{ "by-twin twin-ca", NULL, "ca", VPN, "0x800B0109" },
		{ "bad-signature", NULL, "ca", VPN, "0x800B0109" },
		{ "by-leaf good-ec", NULL, "ca", VPN, "0x800B0109" },
		{ "by-sha1", NULL, "ca", VPN, "0x800B0109" },
		{ "critical", NULL, "ca", VPN, "0x800B0109" },
		{ "expired", NULL, "ca", VPN, "0x800B0101" },
		{ "not-yet", NULL, "ca", VPN, "0x800B0101" },
		{ "below-expired sub-ca-expired", NULL, "ca", VPN, "0x800B0101" },
		{ "self-expired", NULL, "self-expired", VPN, "0x800B0101" },
		{ "for-clients", NULL, "ca", VPN, "0x800B0110" },
		{ "encipher-only", NULL, "ca", VPN, "0x800B0110" },
		{ "small", "rsa1024", "ca", VPN, "0x800B0110" },
		{ "wrong-name", NULL, "ca", VPN, "0x800B010F" },
		{ "good", NULL, "ca", "198.51.100.1", "0x800B010F" },
		{ "softether", NULL, "softether", "other.example", "0x800B010F" },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(v); i++) {
		struct tls_peer_conf server = { .chain = v[i / 2].chain, .key = v[i / 2].key, .max_version = i % 2 ? 13 : 12 };
		char ca[128];
		struct trust_conf conf = { .ca_file = ca };
		struct pair p;
		int err;

		snprintf(ca, sizeof(ca), CERTS "%s.pem", v[i / 2].ca);
		pair_init(&p, &conf, v[i / 2].host, &server);
		err = shake(&p);
		if (err != VE_TLS || !strstr(tls_fault(p.c)->text, v[i / 2].code))
			fail_msg("%s: %s %s", server.chain, ve_name(err), tls_fault(p.c)->text);
		assert_true(tls_fault(p.c)->final);
		assert_false(tls_facts(p.c)->verified);
		assert_non_null(strstr(tls_fault(p.c)->text, "tls "));
		assert_shut(&p);
		assert_true(tls_peer_alert(p.s) > 0); /* the server's administrator can see it too */
		pair_fini(&p);
	}
}

/* A pin accepts what nothing else would, and then only that. */
static void test_pinned(void **state)
{
	static const struct {
		const char *chain, *key;
		int min;
	} v[] = {
		{ "softether", NULL, 12 }, { "by-other", NULL, 12 },     { "expired", NULL, 12 },
		{ "not-yet", NULL, 12 },   { "wrong-name", NULL, 12 },   { "for-clients", NULL, 12 },
		{ "self", NULL, 12 },      { "encipher-only", NULL, 12 }, { "bad-signature", NULL, 12 },
		{ "critical", NULL, 12 },  { "self-certsign", NULL, 12 },
		{ "by-sha1", NULL, 12 },   { "small", "rsa1024", 12 },   { "softether-old", "rsa1024", 12 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(v); i++) {
		struct tls_peer_conf server = { .chain = v[i / 2].chain, .key = v[i / 2].key, .max_version = i % 2 ? 13 : 12 };
		struct trust_conf conf = { .npins = 1 };
		const char *pin;
		struct pair p;

		pair_init(&p, &conf, VPN, &server);
		assert_int_equal(shake(&p), VE_TLS);
		assert_shut(&p);
		assert_true(tls_fault(p.c)->final);
		pin = strstr(tls_fault(p.c)->text, "sha256:");
		assert_non_null(pin);
		assert_int_equal(trust_pin_parse(pin, conf.pins[0]), 0);
		pair_fini(&p);

		pair_init(&p, &conf, VPN, &server);
		if (shake(&p) != 0)
			fail_msg("%s: %s", server.chain, tls_fault(p.c)->text);
		assert_true(tls_facts(p.c)->verified);
		assert_memory_equal(tls_facts(p.c)->cert_sha256, conf.pins[0], 32);
		pair_fini(&p);

		conf.pins[0][0] ^= 1;
		pair_init(&p, &conf, VPN, &server);
		assert_int_equal(shake(&p), VE_TLS);
		assert_shut(&p);
		pair_fini(&p);
	}
}

/* A certificate whose key the server does not have: nothing about it is believed. wolfSSL's server refuses
 * to load such a pair, so a good certificate is changed on its way (TLS 1.2 sends it in the clear) to a
 * client that would take any. */
static void test_stolen_certificate(void **state)
{
	struct tls_peer_conf server = { .chain = "good", .max_version = 12 };
	struct trust_conf conf = { .insecure = true };

	(void)state;
	log_set_sink(drop_line, NULL);
	for (size_t at = 350; at < 550; at += 7) { /* in the public key */
		struct pair p;

		pair_init(&p, &conf, VPN, &server);
		p.flip_at = at;
		assert_int_equal(shake(&p), VE_TLS);
		assert_shut(&p);
		pair_fini(&p);
	}
	log_set_sink(NULL, NULL);
}

static void test_old_servers(void **state)
{
	static const struct {
		struct tls_peer_conf server;
		enum tls_version min;
		bool works;
	} v[] = {
		{ { .chain = "good", .max_version = 10 }, TLS_MIN_1_2, false },
		{ { .chain = "good", .max_version = 11 }, TLS_MIN_1_2, false },
		{ { .chain = "good", .max_version = 12 }, TLS_MIN_1_3, false },
		{ { .chain = "good", .max_version = 13 }, TLS_MIN_1_3, true },
		{ { .chain = "good", .max_version = 10 }, TLS_MIN_1_1, false },
		{ { .chain = "good", .max_version = 10 }, TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 11 }, TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 11 }, TLS_MIN_1_1, true },
		{ { .chain = "good", .max_version = 12 }, TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 13 }, TLS_MIN_1_0, true },
		/* SoftEther 4.x: static RSA, CBC */
		{ { .chain = "good", .max_version = 12, .ciphers = "AES128-SHA" }, TLS_MIN_1_2, false },
		{ { .chain = "good", .max_version = 12, .ciphers = "AES128-SHA" }, TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 10, .ciphers = "AES128-SHA" }, TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 12, .ciphers = "AES256-SHA256" }, TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 12, .ciphers = "DHE-RSA-AES128-SHA", .dh = CERTS "dh1024.pem" },
		  TLS_MIN_1_2, false },
		{ { .chain = "good", .max_version = 12, .ciphers = "DHE-RSA-AES128-SHA", .dh = CERTS "dh1024.pem" },
		  TLS_MIN_1_0, true },
		{ { .chain = "good", .max_version = 12, .ciphers = "DHE-RSA-AES256-GCM-SHA384", .dh = CERTS "dh1024.pem" },
		  TLS_MIN_1_2, false },
		{ { .chain = "small", .key = "rsa1024", .max_version = 10 }, TLS_MIN_1_0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct trust_conf conf = by_ca;
		static const uint8_t text[] = "over whatever this is";
		struct pair p;
		char buf[64];
		size_t n;
		int err;

		conf.tls_min = v[i].min;
		pair_init(&p, &conf, VPN, &v[i].server);
		err = shake(&p);
		if ((err == 0) != v[i].works)
			fail_msg("%zu: %s %s", i, tls_fault(p.c)->text, tls_describe(p.c));
		if (err == 0) {
			assert_int_equal(tls_write(p.c, text, sizeof(text), &n), 0);
			to_server(&p);
			n = 0;
			for (long r; n < sizeof(text) && (r = tls_peer_read(p.s, buf + n, sizeof(buf) - n)) > 0;)
				n += (size_t)r; /* CBC in TLS 1.0 may split it */
			assert_memory_equal(buf, text, sizeof(text));
		} else {
			assert_int_equal(err, VE_TLS);
			assert_false(tls_fault(p.c)->final);
			assert_shut(&p);
			if (v[i].server.max_version < 12 && v[i].min == TLS_MIN_1_2)
				assert_non_null(strstr(tls_fault(p.c)->text, "--tls-min 1.0"));
		}
		pair_fini(&p);
	}
}

/* --- what else may listen on the port ------------------------------------------------------------------- */

static void test_not_tls(void **state)
{
	static const struct {
		const char *said;
		size_t n; /* 0: all */
		const char *told;
		int err;
	} v[] = {
		{ "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", 0, "\"HTTP/1.1 400 Bad Request\"", VE_PROTO },
		{ "SSH-2.0-OpenSSH_9.2p1\r\n", 0, "\"SSH-2.0-OpenSSH_9.2p1\"", VE_PROTO },
		{ "220 mail.example.com ESMTP\r\n", 0, "\"220 mail.example.com ESMTP\"", VE_PROTO },
		{ "<html>\x01\x02\x7f\xff no", 0, "\"<html>.... no\"", VE_PROTO },
		{ "\0\0\0\0\0\0\0\0", 8, "\"........\"", VE_PROTO },
		{ "\x16\x02\x01\x00\x05hello", 10, "does not speak TLS", VE_PROTO },
		{ "\x80\x2e\x01\x00\x02\x00\x15", 7, "does not speak TLS", VE_PROTO },
		{ "\x15\x03\x01\x00\x02\x02\x28", 7, "alert 40 (handshake_failure); if the server is very old", VE_TLS },
		{ "\x15\x03\x03\x00\x02\x02\x46", 7, "alert 70 (protocol_version)", VE_TLS },
		{ "\x15\x03\x03\x00\x02\x02\x70", 7, "alert 112 (unrecognized_name)", VE_TLS },
		{ "\x15\x03\x03\x00\x02\x02\xc8", 7, "alert 200 (unknown)", VE_TLS },
		{ "\x16\x03\x03\xff\xff\x02\x00", 7, "handshake failed", VE_TLS },
		{ "\x17\x03\x03\x00\x02hi", 7, "handshake failed", VE_TLS },
		{ "\x14\x03\x03\x00\x01\x01\x14\x03\x03\x00\x01\x01", 12, "handshake failed", VE_TLS },
		{ "\x16\x03\x03\x00\x04\x0e\x00\x00\x00", 9, "handshake failed", VE_TLS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		size_t n = v[i].n ? v[i].n : strlen(v[i].said);
		struct pair p;
		int err;

		for (size_t step = 0; step <= 1; step++) {
			pair_init(&p, &by_ca, VPN, NULL);
			p.step = step;
			assert_int_equal(tls_handshake(p.c), VE_AGAIN);
			for (size_t at = 0, given; at < n && (given = give_client(&p, (const uint8_t *)v[i].said + at, n - at)) > 0;
			     at += given) {
				if (step == 0)
					continue; /* all at once */
				if (at + given < 5)
					assert_int_equal(tls_handshake(p.c), VE_AGAIN);
			}
			err = tls_handshake(p.c);
			if (err == VE_AGAIN) {
				tls_in_eof(p.c);
				err = tls_handshake(p.c);
			}
			if (err != v[i].err || !strstr(tls_fault(p.c)->text, v[i].told))
				fail_msg("%zu: %s %s", i, ve_name(err), tls_fault(p.c)->text);
			assert_false(tls_fault(p.c)->final);
			pair_fini(&p);
		}
	}
}

static void test_silence(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, &by_ca, VPN, NULL);
	assert_int_equal(tls_handshake(p.c), VE_AGAIN);
	assert_true(tls_out_peek(p.c).n > 100); /* ClientHello */
	tls_in_eof(p.c);
	assert_int_equal(tls_handshake(p.c), VE_TLS);
	assert_non_null(strstr(tls_fault(p.c)->text, "closed the connection during the TLS handshake"));
	pair_fini(&p);
}

/* --- any shape of delivery ------------------------------------------------------------------------------ */

static const char answer[] = "what the server says after the handshake";

/* A handshake and one answer. Returns 0, or the handshake's or the reading's failure. */
static int session(struct pair *p, const struct tls_peer_conf *server)
{
	char buf[sizeof(answer)];
	size_t got = 0, n;
	bool said = false;
	int err, shaken = 0;

	(void)server;
	do {
		err = tls_handshake(p->c);
		to_server(p);
		if (shaken == 0)
			shaken = tls_peer_shake(p->s);
		if (shaken == 1 && !said) {
			tls_peer_write(p->s, answer, sizeof(answer));
			said = true;
		}
		while (err == 0 && got < sizeof(buf) && tls_read(p->c, (uint8_t *)buf + got, sizeof(buf) - got, &n) == 0)
			got += n;
	} while ((err == 0 || err == VE_AGAIN) && to_client(p) > 0);
	tls_in_eof(p->c);
	err = tls_handshake(p->c);
	while (err == 0 && got < sizeof(buf)) {
		err = tls_read(p->c, (uint8_t *)buf + got, sizeof(buf) - got, &n);
		if (err == 0)
			got += n;
	}
	assert_memory_equal(buf, answer, got); /* never anything else */
	return err;
}

static const struct tls_peer_conf small_servers[] = {
	{ .chain = "good-ec", .key = "ec", .max_version = 13 },
	{ .chain = "good-ec", .key = "ec", .max_version = 12 },
};

static size_t whole_length(const struct tls_peer_conf *server)
{
	struct pair p;
	size_t n;

	pair_init(&p, &by_ca, VPN, server);
	assert_int_equal(session(&p, server), 0);
	n = p.to_client;
	pair_fini(&p);
	return n;
}

static void test_every_split(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(small_servers); v++) {
		size_t n = whole_length(&small_servers[v]);

		for (size_t at = 1; at < n; at++) {
			struct pair p;
			int err;

			pair_init(&p, &by_ca, VPN, &small_servers[v]);
			p.step = at; /* the first piece ends there; the others do at its multiples */
			err = session(&p, &small_servers[v]);
			if (err != 0)
				fail_msg("split at %zu: %s", at, tls_fault(p.c)->text);
			pair_fini(&p);
		}
	}
}

/* The stream ends anywhere: a fault, or the end if it is between two records and nothing was owed. */
static void test_every_truncation(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(small_servers); v++) {
		size_t n = whole_length(&small_servers[v]);

		for (size_t at = 0; at < n - 8; at++) {
			struct pair p;
			int err;

			pair_init(&p, &by_ca, VPN, &small_servers[v]);
			p.stop_at = at;
			p.flip_at = SIZE_MAX - 1; /* nothing is changed, but records are told apart */
			err = session(&p, &small_servers[v]);
			if (err != VE_TLS && err != VE_EOF)
				fail_msg("cut at %zu: %s", at, ve_name(err));
			if (err == VE_EOF) {
				assert_int_equal(tls_handshake(p.c), 0);
				assert_int_equal(p.in_record, 0);
			} else if (strstr(tls_fault(p.c)->text, "handshake") == NULL) {
				assert_non_null(strstr(tls_fault(p.c)->text, "in the middle of a TLS record"));
				assert_int_not_equal(p.in_record, 0);
			}
			pair_fini(&p);
		}
	}
}

/* A byte is changed anywhere: nothing wrong is ever believed. Only the version in front of a record that
 * is not encrypted is ignored, as RFC 8446, 5.1 demands. */
static void test_every_change(void **state)
{
	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(small_servers); v++) {
		size_t n = whole_length(&small_servers[v]);

		for (size_t at = 0; at < n - 8; at++) {
			struct pair p;
			int err;

			pair_init(&p, &by_ca, VPN, &small_servers[v]);
			p.flip_at = at;
			err = session(&p, &small_servers[v]);
			if (err == 0 && !p.flipped_version)
				fail_msg("byte %zu did not matter", at);
			pair_fini(&p);
		}
	}
}

/* --- moving much ---------------------------------------------------------------------------------------- */

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* The suites differ in what goes past wolfSSL's buffers. */
static const struct tls_peer_conf bulk_servers[] = {
	{ .chain = "good", .max_version = 13 },
	{ .chain = "good", .max_version = 13, .ciphers = "TLS13-CHACHA20-POLY1305-SHA256" },
	{ .chain = "good", .max_version = 12, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256" },
	{ .chain = "good", .max_version = 12, .ciphers = "ECDHE-RSA-CHACHA20-POLY1305" },
	{ .chain = "good", .max_version = 12, .ciphers = "AES128-SHA" },
};

static void test_bulk(void **state)
{
	enum { TOTAL = 4 << 20, PIECE = 100000 };
	uint8_t *buf = malloc(PIECE);

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(bulk_servers); v++) {
		size_t up = 0, down = 0, up_got = 0, down_got = 0, largest = 0;
		struct trust_conf conf = by_ca;
		struct pair p;

		seed = (uint32_t)v;
		conf.tls_min = TLS_MIN_1_0;
		pair_init(&p, &conf, VPN, &bulk_servers[v]);
		assert_int_equal(shake(&p), 0);
		while (up_got < TOTAL || down_got < TOTAL) {
			size_t n = min_size(1 + random_below(PIECE), TOTAL - up), room;
			struct slice out;
			long r;

			for (size_t i = 0; i < n; i++)
				buf[i] = pattern(up + i);
			if (n > 0) {
				size_t taken = 0;
				int err = tls_write(p.c, buf, n, &taken);

				assert_true(err == 0 || err == VE_AGAIN);
				up += err == 0 ? taken : 0;
			}
			out = tls_out_peek(p.c);
			assert_true(out.n <= WIRE_WRITE_MAX);
			n = min_size(out.n, random_below(PIECE));
			tls_peer_in(p.s, out.p, n);
			tls_out_consume(p.c, n);
			while ((r = tls_peer_read(p.s, buf, 1 + random_below(PIECE - 1))) > 0) {
				for (long i = 0; i < r; i++)
					assert_int_equal(buf[i], pattern(up_got + (size_t)i));
				up_got += (size_t)r;
			}
			assert_int_equal(r, 0);

			if (down < TOTAL && tls_peer_out(p.s).n < MIB) {
				n = min_size(1 + random_below(PIECE), TOTAL - down);
				for (size_t i = 0; i < n; i++)
					buf[i] = pattern(down + i);
				tls_peer_write(p.s, buf, n);
				down += n;
				if (bulk_servers[v].max_version == 13 && random_below(3) == 0)
					tls_peer_update_keys(p.s);
			}
			p.step = 1 + random_below(2 * PIECE);
			tls_in_reserve(p.c, &room);
			assert_true(room <= WIRE_READ_MAX);
			largest = room > largest ? room : largest;
			to_client(&p);
			for (;;) {
				int err = tls_read(p.c, buf, 1 + random_below(PIECE - 1), &n);

				if (err == VE_AGAIN)
					break;
				assert_int_equal(err, 0);
				assert_true(n > 0);
				for (size_t i = 0; i < n; i++)
					assert_int_equal(buf[i], pattern(down_got + i));
				down_got += n;
			}
		}
		assert_int_equal(largest, WIRE_READ_MAX);
		pair_fini(&p);
	}
	free(buf);
}

/* Records of every kind in the open connection, in pieces of every size. */
static void test_data_in_pieces(void **state)
{
	static const size_t sizes[] = { 1, 300, 2, 1400, 16384, 1 };
	static uint8_t data[RECORD_WHOLE], buf[2 * RECORD_WHOLE];

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(bulk_servers); v++) {
		for (size_t step = 1; step < 2000; step = step < 40 ? step + 1 : step * 5 / 4) {
			struct trust_conf conf = by_ca;
			size_t at = 0, got;
			struct pair p;

			conf.tls_min = TLS_MIN_1_0;
			pair_init(&p, &conf, VPN, &bulk_servers[v]);
			assert_int_equal(shake(&p), 0);
			for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
				for (size_t k = 0; k < sizes[i]; k++)
					data[k] = pattern(at + k);
				tls_peer_write(p.s, data, sizes[i]);
				if (bulk_servers[v].max_version == 13 && i % 2 == 0)
					tls_peer_update_keys(p.s);
				at += sizes[i];
			}
			p.step = step;
			got = read_all(&p, buf, sizeof(buf));
			assert_int_equal(got, at);
			for (size_t k = 0; k < got; k++)
				assert_int_equal(buf[k], pattern(k));
			pair_fini(&p);
		}
	}
}

/* A window of any size: what does not fit comes with the next call, and nothing is lost between the two ways. */
static void test_small_windows(void **state)
{
	static uint8_t data[40000], buf[40000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	for (size_t v = 0; v < ARRAY_LEN(bulk_servers); v++) {
		struct trust_conf conf = by_ca;
		struct pair p;

		conf.tls_min = TLS_MIN_1_0;
		pair_init(&p, &conf, VPN, &bulk_servers[v]);
		assert_int_equal(shake(&p), 0);
		for (size_t window = 1; window < 20000; window = window * 3 / 2 + 1) {
			size_t got = 0, n;

			tls_peer_write(p.s, data, sizeof(data));
			do {
				while (tls_read(p.c, buf + got, min_size(window, sizeof(buf) - got), &n) == 0) {
					got += n;
					if (got == sizeof(buf))
						break;
				}
			} while (got < sizeof(buf) && to_client(&p) > 0);
			assert_int_equal(got, sizeof(data));
			assert_memory_equal(buf, data, sizeof(data));
		}
		pair_fini(&p);
	}
}

/* The windows: a record's worth at rest, all of it in a hurry, and back. */
static void test_windows(void **state)
{
	static uint8_t data[128 * 1024];
	struct pair p;
	size_t room, n;

	(void)state;
	pair_up(&p);
	assert_int_equal(read_all(&p, data, sizeof(data)), 0); /* session tickets */
	tls_in_reserve(p.c, &room);
	assert_int_equal(room, RECORD_WHOLE);
	tls_peer_write(p.s, data, sizeof(data));
	assert_int_equal(to_client(&p), RECORD_WHOLE); /* to the brim */
	tls_in_reserve(p.c, &room);
	assert_int_equal(room, 0); /* tls_read() is owed */
	while (tls_read(p.c, data, sizeof(data), &n) == 0)
		continue;
	tls_in_reserve(p.c, &room);
	assert_int_equal(room, WIRE_READ_MAX - (RECORD_WHOLE - (16 * KIB + 22))); /* some of the second record is there */
	assert_true(read_all(&p, data, sizeof(data)) > 100000);
	for (unsigned i = 0; i < 64; i++) {
		tls_peer_write(p.s, data, 100);
		assert_int_equal(read_all(&p, data, sizeof(data)), 100);
	}
	tls_in_reserve(p.c, &room);
	assert_int_equal(room, RECORD_WHOLE);
	pair_fini(&p);
}

/* Output that nobody fetches: bounded, nothing lost, resumed where it stopped. */
static void test_output_full(void **state)
{
	static uint8_t data[64 * 1024], back[64 * 1024];
	size_t sent = 0, got = 0, n = 0;
	struct pair p;
	int err;
	long r;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	pair_up(&p);
	while ((err = tls_write(p.c, data, sizeof(data), &n)) == 0) {
		sent += n;
		if (n < sizeof(data))
			assert_int_equal(n % (16 * KIB), 0); /* whole records */
	}
	assert_int_equal(err, VE_AGAIN);
	assert_true(sent > 200 * KIB && sent < WIRE_WRITE_MAX);
	assert_true(tls_out_peek(p.c).n <= WIRE_WRITE_MAX);
	assert_int_equal(tls_write(p.c, data, sizeof(data), &n), VE_AGAIN);
	/* A little less, and a little fits. */
	tls_peer_in(p.s, tls_out_peek(p.c).p, 20000);
	tls_out_consume(p.c, 20000);
	assert_int_equal(tls_write(p.c, data + sent % sizeof(data), 1000, &n), 0);
	sent += n;
	to_server(&p);
	while ((r = tls_peer_read(p.s, back, sizeof(back))) > 0) {
		for (long i = 0; i < r; i++)
			assert_int_equal(back[i], data[(got + (size_t)i) % sizeof(data)]);
		got += (size_t)r;
	}
	assert_int_equal(got, sent);
	pair_fini(&p);
}

/* A server that asks for new keys for ever and reads no answers: the output stays bounded, and nothing
 * breaks. */
static void test_key_update_flood(void **state)
{
	static uint8_t data[70000];
	size_t n, got = 0;
	struct pair p;
	bool waited = false;

	(void)state;
	pair_up(&p);
	while (tls_write(p.c, data, sizeof(data), &n) == 0)
		continue; /* the output is full of data already */
	for (unsigned i = 0; i < 2000; i++) {
		tls_peer_update_keys(p.s);
		tls_peer_write(p.s, "tick", 4);
	}
	for (unsigned turn = 0; turn < 20000 && got < 2000 * 4; turn++) {
		int err;

		while ((err = tls_read(p.c, data, sizeof(data), &n)) == 0)
			got += n;
		assert_int_equal(err, VE_AGAIN);
		assert_true(tls_out_peek(p.c).n <= WIRE_WRITE_MAX + 4 * KIB);
		if (tls_in_waits_for_out(p.c)) {
			waited = true;
			assert_int_equal(tls_read(p.c, data, sizeof(data), &n), VE_AGAIN); /* steadily */
			to_server(&p);
			while (tls_peer_read(p.s, data, sizeof(data)) > 0)
				continue; /* with the keys of the moment */
		} else {
			to_client(&p);
		}
	}
	assert_int_equal(got, 2000 * 4);
	assert_true(waited);
	pair_fini(&p);
}

/* --- ends ----------------------------------------------------------------------------------------------- */

static void test_close_notify(void **state)
{
	uint8_t byte = 'x';
	struct pair p;
	size_t n;

	(void)state;
	for (int version = 12; version <= 13; version++) {
		pair_init(&p, &by_ca, VPN, &(struct tls_peer_conf){ .chain = "good", .max_version = version });
		assert_int_equal(shake(&p), 0);
		tls_peer_write(p.s, "bye", 3);
		tls_peer_shutdown(p.s);
		while (to_client(&p) > 0)
			continue;
		assert_int_equal(tls_read(p.c, (uint8_t[8]){ 0 }, 8, &n), 0);
		assert_int_equal(n, 3);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(tls_read(p.c, &byte, 1, &n), VE_EOF);
		assert_int_equal(tls_write(p.c, &byte, 1, &n), VE_EOF);
		assert_int_equal(tls_fault(p.c)->err, 0);
		tls_shutdown(p.c);
		to_server(&p);
		assert_int_equal(tls_peer_read(p.s, &byte, 1), -1);
		assert_int_equal(tls_peer_alert(p.s), 0);
		pair_fini(&p);
	}
	/* ours first */
	pair_init(&p, &by_ca, VPN, &(struct tls_peer_conf){ .chain = "good" });
	tls_shutdown(p.c); /* before the handshake: nothing */
	assert_int_equal(tls_out_peek(p.c).n, 0);
	assert_int_equal(shake(&p), 0);
	tls_shutdown(p.c);
	to_server(&p);
	assert_int_equal(tls_peer_read(p.s, &byte, 1), -1);
	assert_int_equal(tls_peer_alert(p.s), 0);
	tls_free(NULL);
	pair_fini(&p);
}

static void test_end_of_socket(void **state)
{
	uint8_t buf[64];
	struct pair p;
	size_t n;

	(void)state;
	/* between records, as SoftEther's server ends a connection */
	pair_up(&p);
	assert_int_equal(read_all(&p, buf, sizeof(buf)), 0);
	tls_peer_write(p.s, "bye", 3);
	to_client(&p);
	tls_in_eof(p.c);
	assert_int_equal(tls_read(p.c, buf, sizeof(buf), &n), 0);
	assert_int_equal(tls_read(p.c, buf, sizeof(buf), &n), VE_EOF);
	assert_int_equal(tls_fault(p.c)->err, 0);
	pair_fini(&p);
	/* inside of one, in its header and in its body */
	for (size_t cut = 1; cut < 12; cut++) {
		pair_up(&p);
		assert_int_equal(read_all(&p, buf, sizeof(buf)), 0);
		tls_peer_write(p.s, "bye", 3);
		p.stop_at = p.to_client + cut;
		to_client(&p);
		tls_in_eof(p.c);
		assert_int_equal(tls_read(p.c, buf, sizeof(buf), &n), VE_TLS);
		assert_non_null(strstr(tls_fault(p.c)->text, "middle of a TLS record"));
		assert_int_equal(tls_read(p.c, buf, sizeof(buf), &n), VE_TLS);
		pair_fini(&p);
	}
}

static void damage(const struct tls_peer_conf *server)
{
	uint8_t buf[64];
	struct pair p;
	size_t n;

	pair_init(&p, &by_ca, VPN, server);
	assert_int_equal(shake(&p), 0);
	assert_int_equal(read_all(&p, buf, sizeof(buf)), 0);
	tls_peer_write(p.s, "good", 4);
	tls_peer_write(p.s, "forged", 6);
	p.flip_at = p.to_client + tls_peer_out(p.s).n - 1;
	to_client(&p);
	assert_int_equal(tls_read(p.c, buf, sizeof(buf), &n), 0);
	assert_int_equal(n, 4); /* what came before still counts */
	assert_int_equal(tls_read(p.c, buf, sizeof(buf), &n), VE_TLS);
	assert_non_null(strstr(tls_fault(p.c)->text, "cannot be read"));
	assert_int_equal(tls_write(p.c, buf, 1, &n), VE_TLS);
	assert_true(tls_out_peek(p.c).n > 0); /* the alert */
	to_server(&p);
	tls_peer_read(p.s, buf, 1);
	assert_int_equal(tls_peer_alert(p.s), 20); /* bad_record_mac */
	tls_in_reserve(p.c, &n);
	assert_int_equal(n, 0);
	pair_fini(&p);
}

static void test_damaged_data(void **state)
{
	(void)state;
	for (size_t v = 0; v < 4; v++) /* the AEAD suites */
		damage(&bulk_servers[v]);
}

static unsigned count_lines(const char *path, const char *label)
{
	char line[512];
	unsigned n = 0;
	FILE *in = fopen(path, "r");

	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		n += strncmp(line, label, strlen(label)) == 0;
	fclose(in);
	return n;
}

static void test_keylog(void **state)
{
	char path[] = "/tmp/softsocks-keys-XXXXXX";
	struct trust_conf conf = by_ca;
	struct pair p;

	(void)state;
	close(mkstemp(path));
	conf.keylog_file = path;
	log_set_sink(drop_line, NULL);
	pair_init(&p, &conf, VPN, &(struct tls_peer_conf){ .chain = "good", .max_version = 12 });
	assert_int_equal(shake(&p), 0);
	pair_fini(&p);
	assert_int_equal(count_lines(path, "CLIENT_RANDOM "), 1);
	pair_init(&p, &conf, VPN, &(struct tls_peer_conf){ .chain = "good", .max_version = 13 });
	assert_int_equal(shake(&p), 0);
	pair_fini(&p);
	assert_int_equal(count_lines(path, "CLIENT_HANDSHAKE_TRAFFIC_SECRET "), 1);
	assert_int_equal(count_lines(path, "SERVER_HANDSHAKE_TRAFFIC_SECRET "), 1);
	assert_int_equal(count_lines(path, "CLIENT_TRAFFIC_SECRET_0 "), 1);
	assert_int_equal(count_lines(path, "SERVER_TRAFFIC_SECRET_0 "), 1);
	log_set_sink(NULL, NULL);
	unlink(path);
}

static int set_up(void **state)
{
	(void)state;
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions_and_keys),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_client_hello),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_stolen_certificate),
		cmocka_unit_test(test_old_servers),
		cmocka_unit_test(test_not_tls),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_change),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_data_in_pieces),
		cmocka_unit_test(test_small_windows),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_output_full),
		cmocka_unit_test(test_key_update_flood),
		cmocka_unit_test(test_close_notify),
		cmocka_unit_test(test_end_of_socket),
		cmocka_unit_test(test_damaged_data),
		cmocka_unit_test(test_keylog),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
