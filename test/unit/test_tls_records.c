/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tls_records.c - records past wolfSSL's buffers: the same bytes as through them, in any mixture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include "test/support/tls_peer.h"
#include "third_party/wolfssl/tls_records.h"

enum { RECORD_MAX = 16384, WHOLE_MAX = 5 + RECORD_MAX + 256 };

/* A client with nothing of ours around it. */
struct client {
	struct tls_peer *s;
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
};

static int from_server(WOLFSSL *ssl, char *to, int n, void *ctx)
{
	struct client *c = ctx;
	struct slice q = tls_peer_out(c->s);
	size_t take = min_size(q.n, (size_t)n);

	(void)ssl;
	if (take == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(to, q.p, take);
	tls_peer_consume(c->s, take);
	return (int)take;
}

static int to_server(WOLFSSL *ssl, char *from, int n, void *ctx)
{
	struct client *c = ctx;

	(void)ssl;
	tls_peer_in(c->s, from, (size_t)n);
	return n;
}

static void start(struct client *c, int version, const char *ciphers)
{
	bool server = false;

	c->s = tls_peer_new(&(struct tls_peer_conf){ .chain = "good", .max_version = version, .ciphers = ciphers });
	c->ctx = wolfSSL_CTX_new(version == 13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
	assert_non_null(c->ctx);
	wolfSSL_CTX_set_verify(c->ctx, WOLFSSL_VERIFY_NONE, NULL);
	wolfSSL_CTX_SetIORecv(c->ctx, from_server);
	wolfSSL_CTX_SetIOSend(c->ctx, to_server);
	c->ssl = wolfSSL_new(c->ctx);
	assert_non_null(c->ssl);
	wolfSSL_SetIOReadCtx(c->ssl, c);
	wolfSSL_SetIOWriteCtx(c->ssl, c);
	assert_int_equal(tls_records_seal(c->ssl, (uint8_t[256]){ 0 }, 256, (const uint8_t *)"early", 5), TLS_RECORDS_NO);
	while (wolfSSL_connect(c->ssl) != WOLFSSL_SUCCESS || !server)
		server = tls_peer_shake(c->s) == 1 || server;
	if (version == 13) /* the session tickets */
		assert_int_equal(wolfSSL_read(c->ssl, (char[8]){ 0 }, 8), -1);
	assert_int_equal(tls_peer_out(c->s).n, 0);
}

static void stop(struct client *c)
{
	wolfSSL_free(c->ssl);
	wolfSSL_CTX_free(c->ctx);
	tls_peer_free(c->s);
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + 1);
}

static void fill(uint8_t *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(at + i);
}

static void check(const uint8_t *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], pattern(at + i));
}

/* Open what the server has said, which is one record. */
static int open_one(struct client *c, uint8_t *to, size_t cap)
{
	struct slice q = tls_peer_out(c->s);
	size_t n = 5u + load_be16(q.p + 3);
	int r;

	assert_true(n <= q.n);
	r = tls_records_open(c->ssl, to, cap, q.p, n);
	if (r != TLS_RECORDS_NO)
		tls_peer_consume(c->s, n);
	return r;
}

static const struct {
	int version;
	const char *ciphers;
	bool opens; /* else everything goes the long way */
} suites[] = {
	{ 13, "TLS13-AES128-GCM-SHA256", true },
	{ 13, "TLS13-AES256-GCM-SHA384", true },
	{ 13, "TLS13-CHACHA20-POLY1305-SHA256", true },
	{ 12, "ECDHE-RSA-AES128-GCM-SHA256", true },
	{ 12, "ECDHE-RSA-AES256-GCM-SHA384", true },
	{ 12, "ECDHE-RSA-CHACHA20-POLY1305", false },
	{ 12, "ECDHE-RSA-AES128-SHA256", false }, /* CBC */
};

static const size_t sizes[] = { 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 1400, 4095, 16383, 16384 };

/* Every size, and every third record by wolfSSL itself. */
static void test_open(void **state)
{
	static uint8_t data[RECORD_MAX], got[RECORD_MAX + 256];

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(suites); v++) {
		struct client c;
		size_t at = 0;

		start(&c, suites[v].version, suites[v].ciphers);
		for (size_t i = 0; i < 3 * ARRAY_LEN(sizes); i++) {
			size_t n = sizes[i % ARRAY_LEN(sizes)];
			int r = TLS_RECORDS_NO;

			fill(data, n, at);
			tls_peer_write(c.s, data, n);
			if (i % 3 != 2)
				r = open_one(&c, got, sizeof(got));
			assert_int_equal(r != TLS_RECORDS_NO, suites[v].opens && i % 3 != 2);
			if (r == TLS_RECORDS_NO)
				r = wolfSSL_read(c.ssl, got, sizeof(got));
			assert_int_equal(r, n);
			check(got, n, at);
			at += n;
		}
		stop(&c);
	}
}

static void test_seal(void **state)
{
	static uint8_t data[RECORD_MAX + 1], record[WHOLE_MAX], got[RECORD_MAX];

	(void)state;
	for (size_t v = 0; v < ARRAY_LEN(suites); v++) {
		struct client c;
		size_t at = 0;

		start(&c, suites[v].version, suites[v].ciphers);
		for (size_t i = 0; i < 3 * ARRAY_LEN(sizes); i++) {
			size_t n = sizes[i % ARRAY_LEN(sizes)];
			int r = TLS_RECORDS_NO;

			fill(data, n, at);
			if (i % 3 != 2) {
				r = tls_records_seal(c.ssl, record, sizeof(record), data, n);
				assert_int_equal(r == TLS_RECORDS_NO, suites[v].version == 12 && v == ARRAY_LEN(suites) - 1);
			}
			if (r == TLS_RECORDS_NO) {
				assert_int_equal(wolfSSL_write(c.ssl, data, (int)n), n);
			} else {
				assert_int_equal(r, 5u + load_be16(record + 3));
				tls_peer_in(c.s, record, (size_t)r);
			}
			assert_int_equal(tls_peer_read(c.s, got, sizeof(got)), n);
			check(got, n, at);
			at += n;
		}
		/* neither nothing, nor too much, nor into too little */
		assert_int_equal(tls_records_seal(c.ssl, record, sizeof(record), data, 0), TLS_RECORDS_NO);
		assert_int_equal(tls_records_seal(c.ssl, record, sizeof(record), data, RECORD_MAX + 1), TLS_RECORDS_NO);
		assert_int_equal(tls_records_seal(c.ssl, record, 100 + 5 + 15, data, 100), TLS_RECORDS_NO);
		stop(&c);
	}
}

/* What is no application data is wolfSSL's, and it can still decrypt it; nothing of it is left with the caller. */
static void test_key_updates(void **state)
{
	uint8_t got[256], nothing[256] = { 0 };
	struct client c;

	(void)state;
	start(&c, 13, NULL);
	for (size_t i = 0; i < 20; i++) {
		size_t at = i * 50;
		uint8_t data[50], record[256];
		int r;

		tls_peer_update_keys(c.s);
		fill(data, sizeof(data), at);
		tls_peer_write(c.s, data, sizeof(data));
		memset(got, 0, sizeof(got));
		assert_int_equal(open_one(&c, got, sizeof(got)), TLS_RECORDS_NO);
		assert_memory_equal(got, nothing, sizeof(got));
		assert_int_equal(wolfSSL_read(c.ssl, got, sizeof(got)), sizeof(data)); /* both records */
		check(got, sizeof(data), at);
		tls_peer_write(c.s, data, sizeof(data));
		assert_int_equal(open_one(&c, got, sizeof(got)), sizeof(data)); /* with the new key */
		check(got, sizeof(data), at);
		r = tls_records_seal(c.ssl, record, sizeof(record), data, sizeof(data));
		assert_true(r > 0);
		tls_peer_in(c.s, record, (size_t)r);
		assert_int_equal(tls_peer_read(c.s, got, sizeof(got)), sizeof(data)); /* with ours */
	}
	stop(&c);
}

/* A byte is changed anywhere: nothing comes out, and wolfSSL comes to the same result. */
static void test_forgery(void **state)
{
	uint8_t data[40], bad[256], got[256], nothing[256] = { 0 };

	(void)state;
	fill(data, sizeof(data), 0);
	for (size_t v = 0; v < ARRAY_LEN(suites); v++) {
		struct client c;
		struct slice q;

		start(&c, suites[v].version, suites[v].ciphers);
		tls_peer_write(c.s, data, sizeof(data));
		q = tls_peer_out(c.s);
		assert_true(q.n <= sizeof(bad));
		for (size_t i = 0; i < q.n; i++) {
			memcpy(bad, q.p, q.n);
			bad[i] ^= 0x10;
			memset(got, 0, sizeof(got));
			assert_int_equal(tls_records_open(c.ssl, got, sizeof(got), bad, q.n), TLS_RECORDS_NO);
			assert_memory_equal(got, nothing, sizeof(got));
		}
		for (size_t n = 0; n < q.n; n++) /* truncated */
			assert_int_equal(tls_records_open(c.ssl, got, sizeof(got), q.p, n), TLS_RECORDS_NO);
		for (size_t cap = 0; cap < sizeof(data); cap++) /* too large for the place */
			assert_int_equal(tls_records_open(c.ssl, got, cap, q.p, q.n), TLS_RECORDS_NO);
		/* no attempt has done any harm */
		assert_int_equal(open_one(&c, got, sizeof(got)) == TLS_RECORDS_NO, !suites[v].opens);
		if (!suites[v].opens)
			assert_int_equal(wolfSSL_read(c.ssl, got, sizeof(got)), sizeof(data));
		check(got, sizeof(data), 0);
		stop(&c);
	}
}

/* wolfSSL has begun a record, or has some of its plaintext left: it has to go on. */
static void test_half_done(void **state)
{
	uint8_t data[100], got[256], copy[256];
	struct slice q;
	struct client c;
	size_t n;

	(void)state;
	fill(data, sizeof(data), 0);
	start(&c, 13, NULL);
	tls_peer_write(c.s, data, sizeof(data));
	tls_peer_write(c.s, data, sizeof(data));
	assert_int_equal(wolfSSL_read(c.ssl, got, 30), 30);
	assert_int_equal(open_one(&c, got, sizeof(got)), TLS_RECORDS_NO);
	assert_int_equal(wolfSSL_read(c.ssl, got, sizeof(got)), 70);
	check(got, 70, 30);
	q = tls_peer_out(c.s);
	n = q.n;
	memcpy(copy, q.p, n);
	tls_peer_consume(c.s, n - 10); /* wolfSSL sees the last bytes only: no record, so it is lost from here on */
	assert_int_equal(wolfSSL_read(c.ssl, got, sizeof(got)), -1);
	assert_int_equal(tls_records_open(c.ssl, got, sizeof(got), copy, n), TLS_RECORDS_NO);
	stop(&c);
}

/* After a goodbye of either side. */
static void test_goodbye(void **state)
{
	uint8_t data[100], record[256];
	struct client c;

	(void)state;
	fill(data, sizeof(data), 0);
	start(&c, 13, NULL);
	tls_peer_shutdown(c.s);
	assert_int_equal(open_one(&c, record, sizeof(record)), TLS_RECORDS_NO);
	assert_int_equal(wolfSSL_read(c.ssl, record, sizeof(record)), 0);
	assert_int_equal(tls_records_seal(c.ssl, record, sizeof(record), data, sizeof(data)), TLS_RECORDS_NO);
	stop(&c);
	start(&c, 12, NULL);
	wolfSSL_shutdown(c.ssl);
	assert_int_equal(tls_records_seal(c.ssl, record, sizeof(record), data, sizeof(data)), TLS_RECORDS_NO);
	stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_forgery),
		cmocka_unit_test(test_half_done),
		cmocka_unit_test(test_goodbye),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
