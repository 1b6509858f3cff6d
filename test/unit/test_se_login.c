/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages around a login: every kind of it read back by the peer's own reader, every answer whole, wrong and cut
 * short; signatures against those that openssl made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/credential.h"
#include "core/softether/se_login.h"
#include "test/support/se_peer.h"
#include "test/support/unhex.h"

#define DATA "test/data/login/"

/* --- the world ------------------------------------------------------------------------------------------------ */

static uint8_t next_random;

static void count_up(void *ctx, void *to, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = next_random++;
}

static void all_ones(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0xff, n);
}

static struct session_env env;
static struct session_conf conf;
static struct wire_facts wire;
static struct se_ident ident;
static struct se_hello hello;
static struct fault fault;
static uint8_t *buffer; /* SE_LOGIN_SIZE_MAX */
static size_t written;

static int reset(void **state)
{
	(void)state;
	next_random = 1;
	fault = (struct fault){ 0 };
	env = (struct session_env){ .random = count_up };
	conf = (struct session_conf){ .user = "alice", .password = "Secret123", .hub = "OFFICE", .tcp_connections = 8 };
	wire = (struct wire_facts){
		.verified = true,
		.host = "vpn.example.com",
		.port = 443,
		.local = { .ip = { IP_V4, { 192, 0, 2, 7 } }, .port = 50000 },
		.peer = { .ip = { IP_V4, { 192, 0, 2, 1 } }, .port = 443 },
		.udp_port = 40123,
	};
	memset(&ident, 0x5a, sizeof(ident));
	hello = (struct se_hello){ .product = "Test Server", .version = 444, .build = 9807 };
	for (uint8_t i = 0; i < sizeof(hello.challenge); i++)
		hello.challenge[i] = i;
	buffer = malloc(SE_LOGIN_SIZE_MAX);
	return buffer ? 0 : -1;
}

static int done(void **state)
{
	(void)state;
	free(buffer);
	return 0;
}

static int write_login(const struct se_login_terms *terms)
{
	fault = (struct fault){ 0 };
	written = 0;
	return se_login_write(buffer, &written, &conf, terms, &wire, &ident, &hello, &env, &fault);
}

static void login_ok(const struct se_login_terms *terms)
{
	if (write_login(terms) != 0)
		fail_msg("%s", fault.text);
}

static void assert_int(const char *name, uint32_t v)
{
	const uint8_t *p;
	size_t n;

	if (se_peer_find(buffer, written, name, &p, &n) != 0)
		fail_msg("no integer \"%s\"", name);
	assert_int_equal(n, 4);
	assert_int_equal(load_be32(p), v);
}

static void assert_data(const char *name, const void *want, size_t size)
{
	const uint8_t *p;
	size_t n;

	if (se_peer_find(buffer, written, name, &p, &n) != 1)
		fail_msg("no data \"%s\"", name);
	assert_int_equal(n, size);
	assert_memory_equal(p, want, n);
}

static void assert_hex(const char *name, const char *hex)
{
	uint8_t want[64];
	size_t n = unhex(hex, want, sizeof(want));

	assert_data(name, want, n);
}

static void assert_str(const char *name, const char *want)
{
	const uint8_t *p;
	size_t n;

	if (se_peer_find(buffer, written, name, &p, &n) != 2)
		fail_msg("no string \"%s\"", name);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(p, want, n);
}

static void assert_none(const char *name)
{
	const uint8_t *p;
	size_t n;

	if (se_peer_find(buffer, written, name, &p, &n) != -1)
		fail_msg("\"%s\" is there", name);
}

static void assert_no_credentials_but(const char *name)
{
	static const char *const names[] = { "secure_password", "plain_password", "cert", "sign", "ticket" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!name || (strcmp(names[i], name) != 0 && !(strcmp(name, "cert") == 0 && strcmp(names[i], "sign") == 0)))
			assert_none(names[i]);
	}
}

static void assert_refused(int r, int err, const char *text)
{
	assert_int_equal(r, err);
	assert_int_equal(fault.err, err);
	assert_true(fault.final);
	if (!strstr(fault.text, text))
		fail_msg("\"%s\" is not in: %s", text, fault.text);
	assert_null(strstr(fault.text, "Secret123"));
}

/* --- kinds of login ------------------------------------------------------------------------------------------- */

static void test_password(void **state)
{
	static const uint8_t hash[] = { 0x11, 0x9d, 0x71, 0xdb, 0x56, 0xb8, 0xcf, 0x61, 0xd6, 0xbb,
					0x0a, 0x20, 0xd0, 0x11, 0x76, 0xf6, 0x50, 0xfb, 0x4b, 0xa1 };
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);

	(void)state;
	for (int from_hash = 0; from_hash < 2; from_hash++) {
		login_ok(&terms);
		assert_str("method", "login");
		assert_str("hubname", "OFFICE");
		assert_str("username", "alice");
		assert_int("authtype", 1);
		assert_hex("secure_password", "d9b039667401a6f1db96f5de9f74c3590f35e441");
		assert_no_credentials_but("secure_password");
		conf.password = NULL; /* and again, from what an account file has */
		conf.password_hash = hash;
	}
}

static void test_anonymous(void **state)
{
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);

	(void)state;
	conf.password = NULL;
	wire.verified = false; /* proves nothing to anybody */
	login_ok(&terms);
	assert_int("authtype", 0);
	assert_no_credentials_but(NULL);
}

static void test_plain(void **state)
{
	static const uint8_t hash[20];
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);
	char longest[PASSWORD_MAX + 2];

	(void)state;
	conf.auth_methods = AUTH_PLAIN;
	login_ok(&terms);
	assert_int("authtype", 2);
	assert_str("plain_password", "Secret123");
	assert_no_credentials_but("plain_password");

	memset(longest, 'x', sizeof(longest));
	longest[PASSWORD_MAX] = '\0';
	conf.password = longest;
	login_ok(&terms);
	assert_str("plain_password", longest);
	longest[PASSWORD_MAX] = 'x';
	longest[PASSWORD_MAX + 1] = '\0';
	assert_refused(write_login(&terms), VE_USAGE, "the password is longer than 255 bytes");

	conf.password = NULL;
	assert_refused(write_login(&terms), VE_USAGE, "but none was given");
	conf.password_hash = hash;
	assert_refused(write_login(&terms), VE_USAGE, "only its hash is known");
}

static void test_unverified(void **state)
{
	static const struct {
		unsigned methods;
		const char *could;
	} logins[] = {
		{ 0, "could pass the password login on and own the session: not logging in; to trust" },
		{ AUTH_PLAIN, "could read the password: not sending it" },
		{ AUTH_CERTIFICATE, "could pass the signature on and own the session" },
	};
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);
	enum se_asked asked = SE_OTHER;

	(void)state;
	wire.verified = false;
	memset(wire.cert_sha256, 0xab, sizeof(wire.cert_sha256));
	for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
		conf.auth_methods = logins[i].methods;
		conf.certificate = (struct slice){ .p = hello.challenge, .n = logins[i].methods == AUTH_CERTIFICATE };
		conf.allow_unverified = false;
		assert_refused(write_login(&terms), VE_AUTH, logins[i].could);
		assert_non_null(strstr(fault.text, "--pin sha256:abababab"));
		assert_int_equal(asked, SE_OTHER);
		conf.allow_unverified = true;
		fault = (struct fault){ 0 };
		assert_int_equal(se_login_choose(&conf, &wire, &asked, &fault), 0);
		asked = SE_OTHER;
	}
}

static void test_ticket(void **state)
{
	static const uint8_t ticket[SE_TICKET_SIZE] = "a ticket of 20 bytes";
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);

	(void)state;
	terms.ticket = ticket;
	login_ok(&terms);
	assert_int("authtype", 99);
	assert_data("ticket", ticket, sizeof(ticket));
	assert_no_credentials_but("ticket");
	assert_str("hubname", "OFFICE");
	assert_int("max_connection", 8);
}

static size_t load(const char *name, uint8_t *to, size_t cap)
{
	char path[96];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), DATA "%s", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s is missing", path);
	n = fread(to, 1, cap, f);
	fclose(f);
	assert_true(n < cap);
	return n;
}

static int never_ask(void *ctx, const char *object, struct password *ret, struct fault *f)
{
	(void)ctx, (void)object, (void)ret, (void)f;
	fail();
	return VE_USAGE;
}

/* openssl signed the same challenge with the same key: the signatures have no choice but to be the same. */
static void test_certificate(void **state)
{
	static const char *const names[] = { "alice", "rsa1024", "rsa1536", "rsa3072", "rsa4096" };
	const struct credential_asker asker = { never_ask, NULL };
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);

	(void)state;
	conf.password = NULL;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint8_t cert[4096], key[4096], sign[SE_SIGNATURE_MAX + 1];
		char file[32];
		size_t cert_n, key_n, sign_n;
		struct credential c;

		snprintf(file, sizeof(file), "%s.pem", names[i]);
		cert_n = load(file, cert, sizeof(cert));
		snprintf(file, sizeof(file), "%s.key", names[i]);
		key_n = load(file, key, sizeof(key));
		snprintf(file, sizeof(file), "%s.sig", names[i]);
		sign_n = load(file, sign, sizeof(sign));
		assert_int_equal(credential_parse(&c, (struct slice){ cert, cert_n }, "cert", (struct slice){ key, key_n },
						  "key", &asker, &fault), 0);
		conf.certificate = (struct slice){ c.certificate, c.certificate_n };
		conf.key = (struct slice){ c.key, c.key_n };
		login_ok(&terms);
		assert_int("authtype", 3);
		assert_data("cert", c.certificate, c.certificate_n);
		assert_data("sign", sign, sign_n);
		assert_no_credentials_but("cert");
		credential_fini(&c);
	}
}

static void test_certificate_errors(void **state)
{
	static uint8_t big[CERT_DER_MAX + 1];
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);
	uint8_t key[4096];
	size_t n = load("pkcs1.der", key, sizeof(key));

	(void)state;
	conf.auth_methods = AUTH_CERTIFICATE;
	assert_refused(write_login(&terms), VE_USAGE, "none was given: --cert FILE");
	conf.certificate = (struct slice){ big, CERT_DER_MAX + 1 };
	conf.key = (struct slice){ key, n };
	assert_refused(write_login(&terms), VE_USAGE, "the certificate has 16385 bytes, allowed are 16384");
	conf.certificate.n = CERT_DER_MAX;
	login_ok(&terms);
	conf.key.n = n - 1;
	assert_refused(write_login(&terms), VE_USAGE, "the certificate's key is no RSA key in PKCS #1 form");
	conf.key.n = 0;
	assert_refused(write_login(&terms), VE_USAGE, "the certificate's key is no RSA key in PKCS #1 form");
	n = load("pkcs8.der", key, sizeof(key));
	conf.key = (struct slice){ key, n };
	(void)write_login(&terms); /* a certificate's key comes out of credential.c in one form; this one must not crash */
}

static void test_choice(void **state)
{
	const struct {
		unsigned methods;
		bool cert, password;
		enum se_asked want;
	} rows[] = {
		{ 0, false, false, SE_LOGIN_ANONYMOUS },
		{ 0, false, true, SE_LOGIN_PASSWORD },
		{ 0, true, true, SE_LOGIN_CERTIFICATE },
		{ AUTH_PLAIN, true, true, SE_LOGIN_PLAIN },
		{ AUTH_PLAIN | AUTH_CERTIFICATE, true, true, SE_LOGIN_CERTIFICATE },
		{ AUTH_PLAIN | AUTH_CERTIFICATE, false, true, SE_LOGIN_PLAIN },
		{ AUTH_DEFAULT, true, true, SE_LOGIN_PASSWORD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum se_asked got = SE_OTHER;

		conf.auth_methods = rows[i].methods;
		conf.certificate.n = rows[i].cert;
		conf.password = rows[i].password ? "x" : NULL;
		assert_int_equal(se_login_choose(&conf, &wire, &got, &fault), 0);
		assert_int_equal(got, rows[i].want);
	}
}

/* --- what is asked for ---------------------------------------------------------------------------------------- */

static void test_options(void **state)
{
	static const char *const zeros[] = { "protocol", "client_id", "half_connection", "use_compress", "qos",
					     "require_bridge_routing_mode", "require_monitor_mode", "support_bulk_on_rudp",
					     "support_hmac_on_bulk_of_rudp", "support_udp_recovery",
					     "rudp_bulk_max_version" };
	static const char *const never[] = { "use_udp_acceleration", "use_fast_rc4", "branded_ctos",
					     "udp_acceleration_client_ip", "ClientHostname", "ClientOsProductId" };
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);

	(void)state;
	login_ok(&terms);
	assert_int("max_connection", 8);
	assert_int("use_encrypt", 1);
	for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
		assert_int(zeros[i], 0);
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_none(never[i]);
	assert_data("unique_id", ident.machine, sizeof(ident.machine));
	assert_hex("UniqueId", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
	assert_int("ServerPort2", 0xbb010000); /* 443 the other way round, 4.7 */
	assert_int("ClientIpAddress", 0x070200c0); /* 0 would be a client on IPv6, 4.7 */
	assert_int("ClientIpAddress@ipv6_bool", 0);

	conf.compress = true;
	wire.carries_datagrams = true;
	terms = se_login_terms_of(&conf, &wire);
	terms.half_connection = true;
	login_ok(&terms);
	assert_int("use_compress", 1);
	assert_int("half_connection", 1);
	assert_int("support_bulk_on_rudp", 1);
	assert_int("support_hmac_on_bulk_of_rudp", 1);
	assert_int("support_udp_recovery", 1);
	assert_int("rudp_bulk_max_version", 2);
}

static void test_terms_bounds(void **state)
{
	(void)state;
	conf.tcp_connections = 0;
	assert_int_equal(se_login_terms_of(&conf, &wire).max_connection, 1);
	conf.tcp_connections = 33;
	assert_int_equal(se_login_terms_of(&conf, &wire).max_connection, 32);
}

static void test_udp_offer(void **state)
{
	struct se_login_terms terms = se_login_terms_of(&conf, &wire);
	struct se_udp_offer offer;

	(void)state;
	conf.udp_acceleration = UDP_OFF;
	assert_false(se_udp_offer_make(&offer, &conf, &wire, &env));
	conf.udp_acceleration = UDP_V2;
	assert_true(se_udp_offer_make(&offer, &conf, &wire, &env));
	assert_int_equal(offer.min_version, 2);
	conf.udp_acceleration = UDP_V1;
	assert_true(se_udp_offer_make(&offer, &conf, &wire, &env));
	assert_int_equal(offer.min_version, 1);
	terms.udp = &offer;
	login_ok(&terms);
	assert_int("use_udp_acceleration", 1);
	assert_int("udp_acceleration_version", 1);
	assert_int("udp_acceleration_max_version", 2);
	assert_int("udp_acceleration_client_ip", 0x070200c0);
	assert_int("udp_acceleration_client_ip@ipv6_bool", 0);
	assert_int("udp_acceleration_client_port", 40123);
	assert_data("udp_acceleration_client_key", offer.key1, 20);
	assert_data("udp_acceleration_client_key_v2", offer.key2, 128);
	assert_int("support_udp_accel_fast_disconnect_detect", 1);

	offer.local.ip = (struct ip){ IP_V4, { 127, 0, 0, 1 } };
	login_ok(&terms);
	assert_int("udp_acceleration_client_ip", 0);
	offer.local.ip = (struct ip){ IP_V6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 } };
	login_ok(&terms);
	assert_int("udp_acceleration_client_ip@ipv6_bool", 1);
	assert_hex("udp_acceleration_client_ip@ipv6_array", "20010db8000000000000000000000007");
	assert_int("udp_acceleration_client_ip@ipv6_scope_id", 0);

	wire.udp_port = 0;
	assert_false(se_udp_offer_make(&offer, &conf, &wire, &env));
}

/* Everything at its longest. */
static void test_size_bound(void **state)
{
	static uint8_t cert[CERT_DER_MAX];
	char name[USER_MAX + 1];
	const struct credential_asker asker = { never_ask, NULL };
	struct se_login_terms terms;
	struct se_udp_offer offer;
	struct credential c;
	uint8_t pem[4096], key_pem[4096];
	size_t n = load("rsa4096.pem", pem, sizeof(pem)), key_n = load("rsa4096.key", key_pem, sizeof(key_pem));

	(void)state;
	assert_int_equal(credential_parse(&c, (struct slice){ pem, n }, "c", (struct slice){ key_pem, key_n }, "k", &asker,
					  &fault), 0);
	memset(name, 'n', USER_MAX);
	name[USER_MAX] = '\0';
	env.random = all_ones; /* 65535 % 1000 is 535; the longest padding is 464 bytes more */
	conf.user = conf.hub = name;
	conf.udp_acceleration = UDP_V2;
	conf.certificate = (struct slice){ cert, sizeof(cert) };
	conf.key = (struct slice){ c.key, c.key_n };
	memset(wire.host, 'h', HOST_MAX);
	wire.host[HOST_MAX] = '\0';
	memset(hello.product, 'p', sizeof(hello.product) - 1);
	assert_true(se_udp_offer_make(&offer, &conf, &wire, &env));
	terms = se_login_terms_of(&conf, &wire);
	terms.udp = &offer;
	login_ok(&terms);
	assert_true(written > CERT_DER_MAX + 512 + 3 * 255 + 535);
	assert_true(written + 464 <= SE_LOGIN_SIZE_MAX);
	credential_fini(&c);
}

/* --- other requests ------------------------------------------------------------------------------------------- */

static void test_additional(void **state)
{
	static const uint8_t key[SE_SESSION_KEY_SIZE] = "the key of 20 bytes!";

	(void)state;
	written = se_additional_write(buffer, key, &env);
	assert_str("method", "additional_connect");
	assert_data("session_key", key, sizeof(key));
	assert_str("client_str", "softsocks");
	assert_none("username");
}

static void test_empty(void **state)
{
	const uint8_t *p;
	size_t n;

	(void)state;
	written = se_empty_write(buffer, &env);
	assert_int_equal(load_be32(buffer), 1);
	assert_int_equal(se_peer_find(buffer, written, "pencore", &p, &n), 1);
}

static int write_new_password(void)
{
	fault = (struct fault){ 0 };
	return se_new_password_write(buffer, &written, &conf, &wire, &hello, &env, &fault);
}

static void test_new_password(void **state)
{
	(void)state;
	assert_refused(write_new_password(), VE_USAGE, "takes the new one");
	conf.new_password = "vpn";
	conf.user = "vpn";
	conf.password = "vpn";
	assert_int_equal(write_new_password(), 0);
	assert_str("method", "password");
	assert_str("hubname", "OFFICE");
	assert_str("username", "vpn");
	assert_hex("secure_old_password", "09aabdcf0bd28b416c19a219e71230aa132027c3");
	assert_hex("new_password", "1fc37bad3f011f8e2ad271570bd3651717ad1b34");
	conf.new_password = "password";
	assert_int_equal(write_new_password(), 0);
	assert_hex("new_password_ntlm", "8846f7eaee8fb117ad06bdd830b7586c");
	conf.password = NULL;
	assert_refused(write_new_password(), VE_USAGE, "takes the old one");
	conf.password = "vpn";
	wire.verified = false;
	assert_refused(write_new_password(), VE_AUTH, "could read the new password's hash: not sending it");
	conf.allow_unverified = true;
	assert_int_equal(write_new_password(), 0);
}

/* "p\"assw\"ord" and a character outside of the first 65536, by iconv and openssl. */
static void test_ntlm(void **state)
{
	char longest[PASSWORD_MAX + 1];
	uint8_t got[16], want[16];

	(void)state;
	unhex("a395e2e215e896a8ec4b1657b229f081", want, sizeof(want));
	se_auth_ntlm("p\xc3\xa4ssw\xc3\xb6rd\xf0\x9f\x98\x80", got);
	assert_memory_equal(got, want, 16);
	unhex("31d6cfe0d16ae931b73c59d7e0c089c0", want, sizeof(want));
	se_auth_ntlm("", got);
	assert_memory_equal(got, want, 16);
	memset(longest, 0xff, PASSWORD_MAX); /* each byte U+FFFD */
	longest[PASSWORD_MAX] = '\0';
	se_auth_ntlm(longest, got);
}

/* --- answers -------------------------------------------------------------------------------------------------- */

static struct se_welcome welcome;
static struct se_login_terms terms_now;
static struct se_udp_offer offer_now;

static void begin(struct se_bytes *b)
{
	static const uint8_t key[SE_SESSION_KEY_SIZE] = "the key of 20 bytes!";

	terms_now = se_login_terms_of(&conf, &wire);
	se_peer_pack(b);
	se_peer_str(b, "session_name", "SID-ALICE-2");
	se_peer_str(b, "connection_name", "CID-\x1b[10");
	se_peer_data(b, "session_key", key, sizeof(key));
	se_peer_int(b, "use_encrypt", 1);
	se_peer_int(b, "max_connection", 8);
	se_peer_int(b, "timeout", 20000);
}

/* Read @b as a Welcome, and free it. */
static int answer(struct se_bytes *b)
{
	struct se_pack p;
	int r;

	fault = (struct fault){ 0 };
	memset(&welcome, 0x77, sizeof(welcome));
	assert_int_equal(se_pack_parse(&p, (struct slice){ b->p, b->n }, &fault), 0);
	assert_false(se_is_redirect(&p));
	r = se_welcome_read(&p, &terms_now, &wire, &welcome, &fault);
	if (r != 0)
		assert_int_equal(welcome.timeout_ms, 0x77777777);
	se_bytes_free(b);
	return r;
}

static void test_welcome(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	begin(&b);
	se_peer_int(&b, "policy:AutoDisconnect", 3600);
	se_peer_int(&b, "policy:DHCPForce", 1);
	se_peer_int(&b, "policy:FilterIPv6", 1);
	se_peer_int(&b, "policy:NoSavePassword", 1);
	assert_int_equal(answer(&b), 0);
	assert_int_equal(welcome.timeout_ms, 20000);
	assert_int_equal(welcome.auto_disconnect_s, 3600);
	assert_true(welcome.dhcp_force && welcome.no_ip6 && welcome.no_save_password);
	assert_false(welcome.compress || welcome.half_connection || welcome.udp_recovery || welcome.has_udp ||
		     welcome.has_bulk || welcome.is_azure);
	assert_null(welcome.no_udp);
	assert_string_equal(welcome.session_name, "SID-ALICE-2");
	assert_string_equal(welcome.connection_name, "CID-?[10");
	assert_memory_equal(welcome.session_key, "the key of 20 bytes!", sizeof(welcome.session_key));
	assert_int_equal(welcome.max_connection, 8);
}

/* The same without one of the elements it takes, or with another value. */
static void test_welcome_missing(void **state)
{
	static const char *const names[] = { "session_name", "connection_name", "session_key" };
	uint8_t key[21] = { 0 };

	(void)state;
	for (size_t without = 0; without < 5; without++) {
		struct se_bytes b = { 0 };

		terms_now = se_login_terms_of(&conf, &wire);
		se_peer_pack(&b);
		for (size_t i = 0; i < 2; i++) {
			if (i != without)
				se_peer_str(&b, names[i], "x");
		}
		if (without != 2)
			se_peer_data(&b, names[2], key, without == 3 ? 19 : without == 4 ? 21 : 20);
		se_peer_int(&b, "use_encrypt", 1);
		assert_int_equal(answer(&b), VE_PROTO);
		assert_false(fault.final);
		assert_non_null(strstr(fault.text, names[without > 2 ? 2 : without]));
	}
}

static void test_welcome_timeout(void **state)
{
	static const uint32_t rows[][2] = { { 0, 5000 }, { 4999, 5000 }, { 5000, 5000 }, { 60000, 60000 },
					    { 60001, 60000 }, { UINT32_MAX, 60000 } };

	(void)state;
	for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
		struct se_bytes b = { 0 };
		uint8_t key[20] = { 0 };

		terms_now = se_login_terms_of(&conf, &wire);
		se_peer_pack(&b);
		se_peer_str(&b, "session_name", "x");
		se_peer_str(&b, "connection_name", "x");
		se_peer_data(&b, "session_key", key, sizeof(key));
		se_peer_int(&b, "use_encrypt", 1);
		if (i < ARRAY_LEN(rows))
			se_peer_int(&b, "timeout", rows[i][0]);
		assert_int_equal(answer(&b), 0);
		assert_int_equal(welcome.timeout_ms, i < ARRAY_LEN(rows) ? rows[i][1] : 20000);
	}
}

static void test_welcome_connections(void **state)
{
	static const struct {
		uint32_t wanted, granted, got;
	} rows[] = { { 8, 4, 4 }, { 8, 8, 8 }, { 8, 32, 8 }, { 1, 8, 1 }, { 8, 0, 1 }, { 32, UINT32_MAX, 32 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct se_peer_grants g = { .timeout_ms = 20000, .max_connection = rows[i].granted };
		struct se_bytes b = { 0 };

		terms_now = se_login_terms_of(&conf, &wire);
		terms_now.max_connection = rows[i].wanted;
		se_peer_welcome_with(&b, &g);
		assert_int_equal(answer(&b), 0);
		assert_int_equal(welcome.max_connection, rows[i].got);
	}
}

static void test_welcome_modes(void **state)
{
	static const struct {
		struct se_peer_grants g;
		const char *refused;
	} rows[] = {
		{ { .timeout_ms = 20000, .max_connection = 1, .use_compress = 1 }, "compression (use_compress is 1)" },
		{ { .timeout_ms = 20000, .max_connection = 1, .half_connection = 1 }, "one direction only" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int asked = 0; asked < 2; asked++) {
			struct se_bytes b = { 0 };
			int r;

			terms_now = se_login_terms_of(&conf, &wire);
			terms_now.compress = terms_now.half_connection = asked;
			se_peer_welcome_with(&b, &rows[i].g);
			r = answer(&b);
			if (!asked)
				assert_refused(r, VE_PROTO, rows[i].refused);
			else
				assert_int_equal(r, 0);
			assert_true(!asked || welcome.compress == (i == 0));
			assert_true(!asked || welcome.half_connection == (i == 1));
		}
	}
}

/* A Welcome with all that there is about UDP, but for the element @without, or with @name as @value. */
static void udp_welcome(struct se_bytes *b, const char *without, uint32_t value)
{
	static const struct {
		const char *name;
		uint32_t value;
	} ints[] = {
		{ "use_udp_acceleration", 1 },           { "udp_acceleration_version", 2 },
		{ "udp_acceleration_server_port", 40000 }, { "udp_acceleration_server_cookie", 0x11223344 },
		{ "udp_acceleration_client_cookie", 0x55667788 }, { "udp_acceleration_use_encryption", 1 },
		{ "udp_accel_fast_disconnect_detect", 1 }, { "udp_acceleration_server_ip", 0x0900000a },
	};
	uint8_t key[128];

	begin(b);
	terms_now.udp = &offer_now;
	for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
		if (!without || strcmp(without, ints[i].name) != 0)
			se_peer_int(b, ints[i].name, ints[i].value);
		else if (value != 0)
			se_peer_int(b, ints[i].name, value);
	}
	memset(key, 0xa1, sizeof(key));
	if (!without || strcmp(without, "udp_acceleration_server_key") != 0)
		se_peer_data(b, "udp_acceleration_server_key", key, 20);
	memset(key, 0xa2, sizeof(key));
	if (!without || strcmp(without, "udp_acceleration_server_key_v2") != 0)
		se_peer_data(b, "udp_acceleration_server_key_v2", key, 128);
	else if (value != 0) /* too short by so much */
		se_peer_data(b, "udp_acceleration_server_key_v2", key, 128 - value);
}

static void make_offer(enum udp_acceleration how)
{
	conf.udp_acceleration = how;
	assert_true(se_udp_offer_make(&offer_now, &conf, &wire, &env));
}

static void test_udp(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	make_offer(UDP_V2);
	udp_welcome(&b, NULL, 0);
	assert_int_equal(answer(&b), 0);
	assert_true(welcome.has_udp);
	assert_null(welcome.no_udp);
	assert_int_equal(welcome.udp.version, 2);
	assert_true(welcome.udp.fast);
	assert_int_equal(welcome.udp.our_cookie, 0x55667788);
	assert_int_equal(welcome.udp.their_cookie, 0x11223344);
	assert_memory_equal(welcome.udp.our_key2, offer_now.key2, 128);
	assert_memory_equal(welcome.udp.our_key1, offer_now.key1, 20);
	assert_int_equal(welcome.udp.their_key1[19], 0xa1);
	assert_int_equal(welcome.udp.their_key2[127], 0xa2);
	assert_true(ip_equal(&welcome.udp.primary.ip, &wire.peer.ip));
	assert_int_equal(welcome.udp.primary.port, 40000);
	assert_int_equal(welcome.udp.secondary.ip.family, IP_V4);
	assert_int_equal(welcome.udp.secondary.ip.b[0], 10);
	assert_int_equal(welcome.udp.secondary.ip.b[3], 9);
	assert_int_equal(welcome.udp.secondary.port, 40000);
}

static void test_udp_ignored(void **state)
{
	static const struct {
		const char *name;
		uint32_t value;
		const char *why;
	} rows[] = {
		{ "udp_acceleration_version", 0, "old version" },
		{ "udp_acceleration_version", 1, "old version" },
		{ "udp_acceleration_version", 3, "newer" },
		{ "udp_acceleration_server_port", 0, "port" },
		{ "udp_acceleration_server_port", 65536, "port" },
		{ "udp_acceleration_server_cookie", 0, "cookie" },
		{ "udp_acceleration_client_cookie", 0, "cookie" },
		{ "udp_acceleration_use_encryption", 0, "without encryption" },
		{ "udp_acceleration_server_key_v2", 0, "key" },
		{ "udp_acceleration_server_key_v2", 1, "key" },
	};

	(void)state;
	make_offer(UDP_V2);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct se_bytes b = { 0 };

		udp_welcome(&b, rows[i].name, rows[i].value);
		assert_int_equal(answer(&b), 0);
		assert_false(welcome.has_udp);
		assert_non_null(welcome.no_udp);
		if (!strstr(welcome.no_udp, rows[i].why))
			fail_msg("%s: %s", rows[i].name, welcome.no_udp);
		for (size_t k = 0; k < sizeof(welcome.udp.their_key2); k++)
			assert_int_equal(welcome.udp.their_key2[k], 0);
	}
}

static void test_udp_not_offered(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	udp_welcome(&b, NULL, 0);
	terms_now.udp = NULL;
	assert_int_equal(answer(&b), 0);
	assert_false(welcome.has_udp);
	make_offer(UDP_V2);
	udp_welcome(&b, "use_udp_acceleration", 0);
	assert_int_equal(answer(&b), 0);
	assert_false(welcome.has_udp);
	assert_null(welcome.no_udp);
}

static void test_udp_old(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	make_offer(UDP_V1);
	udp_welcome(&b, "udp_acceleration_version", 0); /* absent means 1 */
	assert_int_equal(answer(&b), 0);
	assert_true(welcome.has_udp);
	assert_int_equal(welcome.udp.version, 1);
	udp_welcome(&b, "udp_acceleration_server_key_v2", 0);
	assert_int_equal(answer(&b), 0);
	assert_false(welcome.has_udp);
}

static void test_udp_addresses(void **state)
{
	static const struct ip azure = { IP_V4, { 198, 51, 100, 5 } };
	struct se_bytes b = { 0 };

	(void)state;
	make_offer(UDP_V2);
	udp_welcome(&b, "udp_acceleration_server_ip", 0); /* not told */
	assert_int_equal(answer(&b), 0);
	assert_int_equal(welcome.udp.secondary.ip.family, IP_NONE);
	udp_welcome(&b, "udp_acceleration_server_ip", 0x010200c0); /* the same */
	assert_int_equal(answer(&b), 0);
	assert_int_equal(welcome.udp.secondary.ip.family, IP_NONE);

	udp_welcome(&b, NULL, 0);
	se_peer_int(&b, "is_azure_session", 1);
	se_peer_int(&b, "azure_real_server_global_ip", 0x056433c6);
	assert_int_equal(answer(&b), 0);
	assert_true(welcome.is_azure && welcome.has_udp);
	assert_true(ip_equal(&welcome.azure_server, &azure));
	assert_true(ip_equal(&welcome.udp.primary.ip, &azure));

	wire.peer.ip = (struct ip){ IP_V6, { 0x20, 1, [15] = 1 } };
	udp_welcome(&b, NULL, 0);
	assert_int_equal(answer(&b), 0);
	assert_false(welcome.has_udp);
	assert_string_equal(welcome.no_udp, "its address is of another family");
}

static void bulk_welcome(struct se_bytes *b, size_t send, size_t recv)
{
	uint8_t key[40];

	begin(b);
	terms_now.rudp = true;
	memset(key, 0xb1, sizeof(key));
	se_peer_int(b, "enable_bulk_on_rudp", 1);
	se_peer_int(b, "enable_hmac_on_bulk_of_rudp", 1);
	se_peer_int(b, "enable_udp_recovery", 1);
	if (send > 0)
		se_peer_data(b, "bulk_on_rudp_send_key", key, send);
	memset(key, 0xb2, sizeof(key));
	if (recv > 0)
		se_peer_data(b, "bulk_on_rudp_recv_key", key, recv);
}

static void test_bulk(void **state)
{
	static const size_t bad[][2] = { { 0, 0 }, { 20, 0 }, { 20, 32 }, { 19, 19 }, { 33, 33 } };
	struct se_bytes b = { 0 };

	(void)state;
	for (size_t n = 20; n <= 32; n += 12) {
		bulk_welcome(&b, n, n);
		assert_int_equal(answer(&b), 0);
		assert_true(welcome.has_bulk && welcome.bulk_hmac && welcome.udp_recovery);
		assert_int_equal(welcome.bulk_key_size, n);
		assert_int_equal(welcome.bulk_send_key[n - 1], 0xb1);
		assert_int_equal(welcome.bulk_recv_key[n - 1], 0xb2);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		bulk_welcome(&b, bad[i][0], bad[i][1]);
		assert_int_equal(answer(&b), VE_PROTO);
		assert_non_null(strstr(fault.text, "R-UDP bulk keys"));
	}
	bulk_welcome(&b, 20, 20); /* over TCP it means nothing */
	terms_now.rudp = false;
	assert_int_equal(answer(&b), 0);
	assert_false(welcome.has_bulk || welcome.udp_recovery);
}

/* A Welcome cut anywhere is none; one that lost an element is judged by what is left. */
static void test_truncations(void **state)
{
	struct se_bytes b = { 0 };

	(void)state;
	make_offer(UDP_V2);
	udp_welcome(&b, NULL, 0);
	for (size_t n = 0; n < b.n; n++) {
		uint8_t *exact = malloc(n + !n);
		struct fault f = { 0 };
		struct se_pack p;

		assert_non_null(exact);
		memcpy(exact, b.p, n);
		assert_int_equal(se_pack_parse(&p, (struct slice){ exact, n }, &f), VE_PROTO);
		free(exact);
	}
	se_bytes_free(&b);
}

static void test_additional_answer(void **state)
{
	(void)state;
	for (uint32_t d = 0; d < 4; d++) {
		for (int half = 0; half < 2; half++) {
			enum se_direction got = SE_BOTH_WAYS;
			struct se_bytes b = { 0 };
			struct se_pack p;
			bool fine = d < 3 && (d != 0) == half;

			se_peer_pack(&b);
			se_peer_int(&b, "error", 0);
			se_peer_int(&b, "direction", d);
			fault = (struct fault){ 0 };
			assert_int_equal(se_pack_parse(&p, (struct slice){ b.p, b.n }, &fault), 0);
			assert_int_equal(se_additional_read(&p, half, &got, &fault), fine ? 0 : VE_PROTO);
			assert_int_equal(got, fine ? d : SE_BOTH_WAYS);
			se_bytes_free(&b);
		}
	}
}

/* --- redirect ------------------------------------------------------------------------------------------------- */

struct redirect {
	uint32_t ip; /* the wrong way round */
	uint32_t ports[3];
	unsigned nports;
	size_t ticket, cert;
};

static int redirected(const struct redirect *how, struct se_redirect *ret)
{
	static const uint8_t bytes[CERT_DER_MAX + 1] = "abc";
	struct se_bytes b = { 0 };
	struct se_pack p;
	int r;

	se_peer_pack(&b);
	se_peer_int(&b, "Redirect", 1);
	if (how->ip != 0xffffffff)
		se_peer_int(&b, "Ip", how->ip);
	if (how->nports > 0) {
		se_peer_element(&b, "Port", 0, how->nports);
		for (unsigned i = 0; i < how->nports; i++)
			se_bytes_u32(&b, how->ports[i]);
	}
	if (how->ticket > 0)
		se_peer_data(&b, "Ticket", bytes, how->ticket);
	if (how->cert > 0)
		se_peer_data(&b, "Cert", bytes, how->cert);
	fault = (struct fault){ 0 };
	assert_int_equal(se_pack_parse(&p, (struct slice){ b.p, b.n }, &fault), 0);
	assert_true(se_is_redirect(&p));
	r = se_redirect_read(&p, &wire, ret, &fault);
	se_bytes_free(&b);
	return r;
}

static void test_redirect(void **state)
{
	struct redirect how = { .ip = 0x026433c6, .ports = { 5555, 443, 992 }, .nports = 3, .ticket = 20, .cert = 3 };
	struct se_redirect to;
	uint8_t sha256[32];

	(void)state;
	assert_int_equal(redirected(&how, &to), 0);
	assert_int_equal(to.to.ip.b[0], 198);
	assert_int_equal(to.to.ip.b[3], 2);
	assert_int_equal(to.to.port, 443); /* as now */
	unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256, sizeof(sha256)); /* "abc" */
	assert_memory_equal(to.cert_sha256, sha256, 32);
	assert_memory_equal(to.ticket, "abc", 4);
	wire.port = 1194;
	assert_int_equal(redirected(&how, &to), 0);
	assert_int_equal(to.to.port, 5555); /* the first */
	how.cert = CERT_DER_MAX;
	assert_int_equal(redirected(&how, &to), 0);
}

static void test_redirect_refused(void **state)
{
	static const struct {
		struct redirect how;
		const char *why;
	} rows[] = {
		{ { 0xffffffff, { 443 }, 1, 20, 3 }, "without an address" },
		{ { 0, { 443 }, 1, 20, 3 }, "0.0.0.0, where no server can be" },
		{ { 0x0100007f, { 443 }, 1, 20, 3 }, "127.0.0.1, where no server can be" },
		{ { 0x010000e0, { 443 }, 1, 20, 3 }, "224.0.0.1" },
		{ { 0xfeffffff, { 443 }, 1, 20, 3 }, "255.255.255.254" },
		{ { 0x026433c6, { 0 }, 0, 20, 3 }, "without a port" },
		{ { 0x026433c6, { 0, 80 }, 2, 20, 3 }, "without a port" },
		{ { 0x026433c6, { 65536 }, 1, 20, 3 }, "without a port" },
		{ { 0x026433c6, { 443 }, 1, 0, 3 }, "without a ticket" },
		{ { 0x026433c6, { 443 }, 1, 19, 3 }, "without a ticket" },
		{ { 0x026433c6, { 443 }, 1, 21, 3 }, "without a ticket" },
		{ { 0x026433c6, { 443 }, 1, 20, 0 }, "without the other server's certificate" },
		{ { 0x026433c6, { 443 }, 1, 20, CERT_DER_MAX + 1 }, "without the other server's certificate" },
	};
	struct redirect local = { 0x0100007f, { 443 }, 1, 20, 3 };
	struct se_redirect to;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(redirected(&rows[i].how, &to), VE_PROTO);
		if (!strstr(fault.text, rows[i].why))
			fail_msg("\"%s\" is not in: %s", rows[i].why, fault.text);
	}
	wire.peer.ip = (struct ip){ IP_V4, { 127, 0, 0, 1 } };
	assert_int_equal(redirected(&local, &to), 0);
}

/* --- errors --------------------------------------------------------------------------------------------------- */

static void test_waits(void **state)
{
	static const uint32_t slow[] = { 10, 16, 20, 21 };

	(void)state;
	for (uint32_t code = 0; code < 200; code++) {
		uint32_t wait = 0;

		for (size_t i = 0; i < ARRAY_LEN(slow); i++)
			wait = code == slow[i] ? 60000 : wait;
		assert_int_equal(se_error_find(code)->wait_ms, wait);
	}
}

/* Whatever was asked: a row of that number, a text, and nothing less final than the number alone, but for tickets. */
static void test_errors_by_request(void **state)
{
	(void)state;
	for (uint32_t code = 1; code < 160; code++) {
		for (int asked = SE_OTHER; asked <= SE_ADDITIONAL; asked++) {
			const struct se_error *all = se_error_find(code), *e = se_error_for(code, (enum se_asked)asked);

			assert_int_equal(e->code, all->code);
			assert_int_equal(e->wait_ms, all->wait_ms);
			assert_true(strlen(e->text) > 0);
			assert_true(e->final || !all->final || asked == SE_LOGIN_TICKET);
		}
	}
}

static void assert_says(uint32_t code, enum se_asked asked, const char *user, const char *text)
{
	struct fault f = { 0 };

	se_error_fault(&f, code, asked, user);
	if (!strstr(f.text, text))
		fail_msg("\"%s\" is not in: %s", text, f.text);
}

static void test_error_words(void **state)
{
	(void)state;
	assert_says(9, SE_LOGIN_PASSWORD, "alice", "wrong user name or password");
	assert_says(9, SE_LOGIN_PLAIN, "alice", "RADIUS");
	assert_says(9, SE_LOGIN_CERTIFICATE, "alice", "does not accept this certificate");
	assert_says(9, SE_LOGIN_ANONYMOUS, "alice", "give a password or a certificate");
	assert_says(9, SE_LOGIN_ANONYMOUS, "", "no account without a name");
	assert_says(9, SE_LOGIN_PASSWORD, NULL, "no account without a name");
	assert_says(9, SE_NEW_PASSWORD, "", "the old password is wrong");
	assert_says(7, SE_LOGIN_PLAIN, "alice", "leave --auth plain out");
	assert_says(68, SE_NEW_PASSWORD, "alice", "the user has no password on this server");
	assert_says(69, SE_NEW_PASSWORD, "alice", "error 69: the old password is wrong");
	assert_says(4711, SE_OTHER, "alice", "error 4711: a reason that is unknown here");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, reset, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_password),        TEST(test_anonymous),
		TEST(test_plain),           TEST(test_unverified),
		TEST(test_ticket),          TEST(test_certificate),
		TEST(test_certificate_errors), TEST(test_choice),
		TEST(test_options),         TEST(test_terms_bounds),
		TEST(test_udp_offer),       TEST(test_size_bound),
		TEST(test_additional),      TEST(test_empty),
		TEST(test_new_password),    TEST(test_ntlm),
		TEST(test_welcome),         TEST(test_welcome_connections),
		TEST(test_welcome_missing), TEST(test_welcome_timeout),
		TEST(test_welcome_modes),   TEST(test_udp),
		TEST(test_udp_ignored),     TEST(test_udp_not_offered),
		TEST(test_udp_old),         TEST(test_udp_addresses),
		TEST(test_bulk),            TEST(test_truncations),
		TEST(test_additional_answer), TEST(test_redirect),
		TEST(test_redirect_refused), TEST(test_waits),
		TEST(test_errors_by_request), TEST(test_error_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
