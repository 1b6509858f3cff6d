/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_trust.c - every way in which a server's certificate can be right or wrong, without a handshake
 * around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/castore.h"
#include "core/cert.h"
#include "core/der.h"
#include "core/log.h"
#include "core/trust.h"
#include "core/trust_check.h"

#define CERTS "test/data/certs/"

/* --- help ----------------------------------------------------------------------------------------------- */

struct chain {
	struct slice v[12];
	size_t n;
};

static int take(void *ctx, enum castore_kind kind, struct slice der)
{
	struct chain *c = ctx;
	uint8_t *copy = malloc(der.n);

	assert_true(kind == CASTORE_CERT && c->n < ARRAY_LEN(c->v));
	memcpy(copy, der.p, der.n);
	c->v[c->n++] = (struct slice){ copy, der.n };
	return 0;
}

/* "leaf sub-ca": the certificates of these files, in this order. */
static struct chain load(const char *names)
{
	struct chain c = { 0 };
	char copy[256], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strsep(&rest, " ")) != NULL) {
		char path[128];
		struct castore one = { .places = { path }, .n = 1 };
		struct fault f = { 0 };

		snprintf(path, sizeof(path), CERTS "%s.pem", name);
		assert_int_equal(castore_each(&one, take, &c, &f), 0);
	}
	return c;
}

static void unload(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		free((void *)c->v[i].p);
}

/* Decide about @names as @host under @conf. Returns 0 or VE_*, with the line in *f. */
static int decide(const struct trust_conf *conf, const char *host, const char *names, bool *verified, struct fault *f)
{
	struct chain c = load(names);
	struct trust *t;
	int err;

	*f = (struct fault){ 0 };
	assert_int_equal(trust_new(&t, conf, f), 0);
	err = trust_check(t, "vpn:443", host, c.v, c.n, verified, f);
	assert_int_equal(err, f->err);
	trust_free(t);
	unload(&c);
	return err;
}

struct sample {
	const char *ca;    /* file of the store */
	const char *host;
	const char *chain;
	const char *code;  /* NULL: accepted */
	const char *text;  /* also in the line; NULL: nothing more */
};

static void check_samples(const struct sample *v, size_t n, const struct trust_conf *base)
{
	for (size_t i = 0; i < n; i++) {
		const struct sample *s = &v[i];
		struct trust_conf conf = *base;
		struct fault f;
		bool verified = false;
		char path[128];
		int err;

		snprintf(path, sizeof(path), CERTS "%s", s->ca);
		conf.ca_file = path;
		err = decide(&conf, s->host, s->chain, &verified, &f);
		if (err != (s->code ? VE_TLS : 0) || (s->code && !strstr(f.text, s->code)) ||
		    (s->text && !strstr(f.text, s->text)))
			fail_msg("%s as %s by %s: %s \"%s\"", s->chain, s->host, s->ca, ve_name(err), f.text);
		assert_int_equal(verified, err == 0);
		if (err != 0) {
			assert_true(f.final);
			assert_non_null(strstr(f.text, "--pin sha256:"));
			assert_true(strlen(f.text) < FAULT_TEXT_MAX - 1); /* nothing was cut off */
		}
	}
}

#define UNKNOWN "0x800B0109"
#define UNTIMELY "0x800B0101"
#define WRONG_NAME "0x800B010F"
#define WRONG_USE "0x800B0110"
#define REVOKED "0x80092010"
#define VPN "vpn.example.com"

/* --- who signed it -------------------------------------------------------------------------------------- */

static void test_chain(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "good", NULL, NULL },
		{ "ca.der", VPN, "good", NULL, NULL },
		{ "ca.pem", VPN, "good-ec", NULL, NULL },
		{ "ca.pem", VPN, "good-ed", NULL, NULL },
		{ "ca.pem", VPN, "good ca", NULL, NULL },
		{ "ca.pem", VPN, "good other-ca", NULL, NULL },
		{ "other-ca.pem", VPN, "good", UNKNOWN, "--ca FILE" },
		{ "other-ca.pem", VPN, "good ca", UNKNOWN, NULL },
		{ "ca.pem", VPN, "by-other", UNKNOWN, NULL },
		{ "ca.pem", VPN, "by-other other-ca", UNKNOWN, NULL },
		/* intermediates, in any order, superfluous, missing, cross-signed */
		{ "ca.pem", VPN, "good-below sub-ca", NULL, NULL },
		{ "ca.pem", VPN, "good-below sub-ca ca", NULL, NULL },
		{ "ca.pem", VPN, "good-below ca other-ca sub-ca", NULL, NULL },
		{ "ca.pem", VPN, "good-below sub-ca-cross sub-ca", NULL, NULL },
		{ "ca.pem", VPN, "good-below sub-ca sub-ca-cross", NULL, NULL },
		{ "other-ca.pem", VPN, "good-below sub-ca-cross", NULL, NULL },
		{ "other-ca.pem", VPN, "good-below sub-ca", UNKNOWN, NULL },
		{ "ca.pem", VPN, "good-below", UNKNOWN, NULL },
		{ "ca.pem", VPN, "good-below sub-ca-org", UNKNOWN, NULL },
		{ "sub-ca.pem", VPN, "good-below", NULL, NULL },
		{ "sub-ca.pem", VPN, "good-below sub-ca", NULL, NULL },
		/* the right name and another key; a signature that is none */
		{ "twin-ca.pem", VPN, "good", UNKNOWN, NULL },
		{ "ca.pem", VPN, "by-twin", UNKNOWN, NULL },
		{ "ca.pem", VPN, "by-twin twin-ca", UNKNOWN, NULL },
		{ "twin-ca.pem", VPN, "by-twin", NULL, NULL },
		{ "ca.pem", VPN, "bad-signature", UNKNOWN, NULL },
		{ "ca.pem", VPN, "bad-signature-expired", UNKNOWN, NULL },
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
}

/* Not every certificate that was signed by a CA may sign others. */
static void test_who_may_sign(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "by-leaf good-ec", UNKNOWN, "may not sign" },
		{ "good-ec.pem", VPN, "by-leaf", UNKNOWN, "may not sign" },
		{ "ca.pem", VPN, "by-nosign sub-ca-nosign", UNKNOWN, "may not sign" },
		{ "ca.pem", VPN, "by-clients sub-ca-clients", UNKNOWN, "may not sign" },
		{ "ca.pem", VPN, "by-len0-directly sub-ca-len0", NULL, NULL },
		{ "ca.pem", VPN, "by-len0 below-len0 sub-ca-len0", UNKNOWN, "may not sign" },
		{ "below-len0.pem", VPN, "by-len0", NULL, NULL },
		{ "ca.pem", VPN, "by-sha1", UNKNOWN, "SHA-1" },
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
}

static void test_name_constraints(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "by-org sub-ca-org", UNKNOWN, "may not certify this name" },
		/* also when the constraint is two steps up */
		{ "ca.pem", VPN, "by-below-org below-org sub-ca-org", UNKNOWN, "may not certify this name" },
		{ "ca.pem", VPN, "by-com sub-ca-com", UNKNOWN, NULL }, /* one of its names lies outside: wolfSSL refuses it whole */
		{ "ca.pem", "192.0.2.9", "by-net sub-ca-net", NULL, NULL },
		{ "ca.pem", "198.51.100.9", "by-net sub-ca-net", UNKNOWN, "may not certify this name" },
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
}

/* The rules themselves, on the CA's certificate. */
static void test_subtrees(void **state)
{
	static const struct {
		const char *ca, *name;
		bool permitted;
	} v[] = {
		{ "sub-ca-com", "example.com", true },      { "sub-ca-com", "VPN.Example.COM", true },
		{ "sub-ca-com", "a.b.example.com", true },  { "sub-ca-com", "evilexample.com", false },
		{ "sub-ca-com", "example.org", false },     { "sub-ca-com", "no.example.com", false },
		{ "sub-ca-com", "a.no.example.com", false }, { "sub-ca-com", "yesno.example.com", true },
		{ "sub-ca-com", "com", false },             { "sub-ca-com", "192.0.2.1", true },
		{ "sub-ca-net", "192.0.2.255", true },      { "sub-ca-net", "192.0.3.0", false },
		{ "sub-ca-net", "2001:db8::1", false },     { "sub-ca-net", "vpn.example.com", true },
		{ "sub-ca", "anything", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct chain c = load(v[i].ca);
		struct cert ca;
		struct cert_ref ref;

		cert_init(&ca, c.v[0]);
		assert_int_equal(ca.err, 0);
		cert_ref_init(&ref, v[i].name);
		if (cert_permits(&ca, &ref) != v[i].permitted)
			fail_msg("%s for %s", v[i].ca, v[i].name);
		cert_fini(&ca);
		unload(&c);
	}
}

/* --- when, what for, whose ------------------------------------------------------------------------------ */

static void test_time(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "expired", UNTIMELY, "expired on 2020-02-01" },
		{ "ca.pem", VPN, "not-yet", UNTIMELY, "not valid before 2126-01-01" },
		{ "ca.pem", VPN, "not-yet", UNTIMELY, "clock" },
		{ "ca.pem", VPN, "below-expired sub-ca-expired", UNTIMELY, "softsocks expired intermediate of its CA expired on" },
		{ "expired-ca.pem", VPN, "by-expired-ca", UNTIMELY, "softsocks expired CA" },
		/* unknown comes before expired, expired before the name */
		{ "ca.pem", VPN, "nothing-right", UNKNOWN, NULL },
		{ "other-ca.pem", VPN, "nothing-right", UNTIMELY, NULL },
		{ "self-expired.pem", VPN, "self-expired", UNTIMELY, "expired on" },
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
}

static void test_usage(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "for-clients", WRONG_USE, "not for servers" },
		{ "ca.pem", VPN, "encipher-only", WRONG_USE, "not for servers" },
		{ "ca.pem", VPN, "small", WRONG_USE, "1024 bits" },
		{ "ca.pem", VPN, "critical", UNKNOWN, "breaks the rules" },
	};
	static const struct sample old[] = {
		{ "ca.pem", VPN, "encipher-only", NULL, NULL },
		{ "ca.pem", VPN, "small", NULL, NULL },
		{ "ca.pem", VPN, "by-sha1", NULL, NULL },
		{ "ca.pem", VPN, "for-clients", WRONG_USE, "not for servers" },
		{ "ca.pem", VPN, "by-other", UNKNOWN, NULL },
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ 0 }); /* an empty configuration is the strict one */
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_3 });
	check_samples(old, ARRAY_LEN(old), &(struct trust_conf){ .tls_min = TLS_MIN_1_0 });
	check_samples(old, ARRAY_LEN(old), &(struct trust_conf){ .tls_min = TLS_MIN_1_1 });
}

static void test_names(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", "VPN.example.COM", "good", NULL, NULL },
		{ "ca.pem", "vpn.example.com.", "good", NULL, NULL },
		{ "ca.pem", "a.wild.example.com", "good", NULL, NULL },
		{ "ca.pem", "A.WILD.example.com", "good", NULL, NULL },
		{ "ca.pem", "a.b.wild.example.com", "good", WRONG_NAME, NULL },
		{ "ca.pem", "wild.example.com", "good", WRONG_NAME, NULL },
		{ "ca.pem", ".wild.example.com", "good", WRONG_NAME, NULL },
		{ "ca.pem", "example.com", "good", WRONG_NAME, NULL },           /* "*.com" is no wildcard */
		{ "ca.pem", "web.part.example.com", "good", WRONG_NAME, NULL },  /* nor is "w*" */
		{ "ca.pem", "xvpn.example.com", "good", WRONG_NAME, NULL },
		{ "ca.pem", "pn.example.com", "good", WRONG_NAME, NULL },
		{ "ca.pem", "", "good", WRONG_NAME, NULL },
		{ "ca.pem", ".", "good", WRONG_NAME, NULL },
		{ "ca.pem", "not a name", "good", WRONG_NAME, NULL }, /* the common name, next to alternative ones */
		/* addresses */
		{ "ca.pem", "192.0.2.1", "good", NULL, NULL },
		{ "ca.pem", "2001:db8::1", "good", NULL, NULL },
		{ "ca.pem", "2001:DB8:0:0::1", "good", NULL, NULL },
		{ "ca.pem", "2001:db8::1%eth0", "good", NULL, NULL },
		{ "ca.pem", "192.0.2.2", "good", WRONG_NAME, VPN },
		{ "ca.pem", "2001:db8::2", "good", WRONG_NAME, NULL },
		{ "ca.pem", "192.0.2.1", "good-ec", WRONG_NAME, NULL },
		/* oddities */
		{ "ca.pem", VPN, "odd-ip", UNKNOWN, "breaks the rules" },
		{ "ca.pem", VPN, "odd-dns", WRONG_NAME, NULL },
		{ "ca.pem", "com", "odd-dns", WRONG_NAME, NULL },
		{ "ca.pem", "a.", "odd-dns", WRONG_NAME, NULL },
		{ "ca.pem", ".", "odd-dns", WRONG_NAME, NULL },
		{ "ca.pem", "a.example.com", "odd-dns", WRONG_NAME, NULL },
		/* the common name, only where there is nothing better */
		{ "ca.pem", VPN, "cn-only", NULL, NULL },
		{ "ca.pem", "www.example.com", "cn-only", WRONG_NAME, VPN },
		{ "ca.pem", "192.0.2.7", "cn-ip", NULL, NULL },
		{ "ca.pem", "192.0.2.8", "cn-ip", WRONG_NAME, "192.0.2.7" },
		{ "ca.pem", VPN, "wrong-name", WRONG_NAME, "mail.example.com, www.example.com" },
		{ "ca.pem", VPN, "email-only", WRONG_NAME, "no name" },
		{ "ca.pem", "mail.example.com", "wrong-name", NULL, NULL },
		{ "ca.pem", "other.example.com", "good", WRONG_NAME, "vpn.example.com, *.wild.example.com, *.com, ..." },
	};
	struct trust_conf other = { .verify_name = VPN };
	static const struct sample as_vpn[] = {
		{ "ca.pem", "198.51.100.1", "good", NULL, NULL },
		{ "ca.pem", "mail.example.com", "wrong-name", WRONG_NAME, NULL },
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
	check_samples(as_vpn, ARRAY_LEN(as_vpn), &other);
}

/* Addresses of 0 and 3 bytes, an empty name: wolfSSL refuses such a certificate, and we do not lean on
 * that. */
static void test_short_names(void **state)
{
	static const char *const names[] = { "192.0.2.1", "192.0.2.0", "2001:db8::1", "::", "", ".", VPN };
	struct chain c = load("odd-ip");
	struct cert odd;

	(void)state;
	cert_init(&odd, c.v[0]);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct cert_ref ref;

		cert_ref_init(&ref, names[i]);
		assert_false(cert_matches(&odd, &ref));
	}
	cert_fini(&odd);
	unload(&c);
}

/* A certificate that is itself in --ca needs no CA; everything else is still asked of it. */
static void test_self_signed(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "softether", UNKNOWN, NULL },
		{ "softether.pem", VPN, "softether", NULL, NULL },
		{ "softether.pem", "other.example.com", "softether", WRONG_NAME, VPN },
		{ "softether.pem", VPN, "self", UNKNOWN, NULL },
		{ "self.pem", VPN, "self", NULL, NULL },
		{ "self.pem", VPN, "softether", UNKNOWN, NULL },
		{ "good.pem", VPN, "good", NULL, NULL },
		{ "self-certsign.pem", VPN, "self-certsign", UNKNOWN, "breaks the rules" }, /* signs certificates, but is no CA */
		{ "softether-old.pem", VPN, "softether-old", WRONG_USE, "1024 bits" },
	};
	static const struct sample old[] = { { "softether-old.pem", VPN, "softether-old", NULL, NULL } };

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
	check_samples(old, ARRAY_LEN(old), &(struct trust_conf){ .tls_min = TLS_MIN_1_0 });
}

/* --- stores --------------------------------------------------------------------------------------------- */

static char scratch[] = "/tmp/softsocks-test-XXXXXX";

static const char *path_in_scratch(const char *name)
{
	static char path[2][256];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", scratch, name);
	return path[turn];
}

static void append_file(FILE *out, const char *name)
{
	char path[128], block[4096];
	FILE *in;
	size_t n;

	snprintf(path, sizeof(path), CERTS "%s.pem", name);
	in = fopen(path, "r");
	assert_non_null(in);
	while ((n = fread(block, 1, sizeof(block), in)) > 0)
		assert_int_equal(fwrite(block, 1, n, out), n);
	fclose(in);
}

/* A file in the scratch directory with these texts and, where an item begins with '@', certificates. */
static const char *write_store(const char *name, const char *const *items)
{
	const char *path = path_in_scratch(name);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	for (; *items; items++) {
		if (**items == '@')
			append_file(out, *items + 1);
		else
			fputs(*items, out);
	}
	fclose(out);
	return path;
}

static void expect(const struct trust_conf *conf, const char *chain, const char *code)
{
	struct fault f;
	bool verified = false;
	int err = decide(conf, VPN, chain, &verified, &f);

	if (err != (code ? VE_TLS : 0) || (code && !strstr(f.text, code)))
		fail_msg("%s: %s \"%s\"", chain, ve_name(err), f.text);
}

static void test_bundle_with_junk(void **state)
{
	static const char *const items[] = {
		"# a comment\n\n-----BEGIN CERTIFICATE-----\nthis is not base64!\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /* base64 of no certificate */
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n-----END TRUSTED CERTIFICATE-----\n",
		"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
		"-----END CERTIFICATE-----\n",
		"@bad-signature-expired", "@other-ca", "@ca", "@ca", "@expired-ca",
		"-----BEGIN CERTIFICATE-----\nMIIB\n", /* cut off */
		NULL,
	};
	struct trust_conf conf = { .ca_file = write_store("junk.pem", items) };

	(void)state;
	expect(&conf, "good", NULL);
	expect(&conf, "by-other", NULL);
	expect(&conf, "by-twin", UNKNOWN);
}

/* CR LF, blanks at line ends, one endless line, no final newline. */
static void test_shapes_of_pem(void **state)
{
	struct chain c = load("ca");
	char path[256], base64[4096] = "";
	size_t n = 0;
	FILE *in = fopen(CERTS "ca.pem", "r"), *out;
	char line[128];
	struct trust_conf conf = { .ca_file = path };

	(void)state;
	snprintf(path, sizeof(path), "%s", path_in_scratch("shape.pem"));
	out = fopen(path, "w");
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		fprintf(out, "%s \r\n", line);
		if (line[0] != '-')
			n += (size_t)snprintf(base64 + n, sizeof(base64) - n, "%s", line);
	}
	fclose(in);
	fclose(out);
	expect(&conf, "good", NULL);

	out = fopen(path, "w");
	fprintf(out, "-----BEGIN X509 CERTIFICATE-----\n%s\n-----END X509 CERTIFICATE-----", base64);
	fclose(out);
	expect(&conf, "good", NULL);
	unload(&c);
}

static void test_block_too_long(void **state)
{
	char path[256];
	struct trust_conf conf = { .ca_file = path };
	FILE *out;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_in_scratch("long.pem"));
	out = fopen(path, "w");
	fputs("-----BEGIN CERTIFICATE-----\n", out);
	for (size_t i = 0; i < CERT_DER_MAX / 48 + 2; i++)
		fputs("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", out);
	fputs("-----END CERTIFICATE-----\n", out);
	append_file(out, "ca");
	fclose(out);
	expect(&conf, "good", NULL);
}

static void test_no_store(void **state)
{
	static const char *const empty[] = { "nothing here\n", NULL };
	struct trust_conf conf = { .ca_file = write_store("empty.pem", empty) };
	struct fault f = { 0 };
	struct trust *t = NULL;
	char fifo[256];

	(void)state;
	assert_int_equal(trust_new(&t, &conf, &f), VE_TLS);
	assert_null(t);
	assert_true(f.final);
	assert_non_null(strstr(f.text, "empty.pem: no certificate"));

	conf.ca_file = path_in_scratch("missing.pem");
	f = (struct fault){ 0 };
	assert_int_equal(trust_new(&t, &conf, &f), VE_TLS);
	assert_non_null(strstr(f.text, "missing.pem: No such file"));

	/* A mistyped --ca is a mistake even where a pin decides. */
	conf.npins = 1;
	f = (struct fault){ 0 };
	assert_int_equal(trust_new(&t, &conf, &f), VE_TLS);

	snprintf(fifo, sizeof(fifo), "%s", path_in_scratch("pipe"));
	assert_int_equal(mkfifo(fifo, 0600), 0);
	conf.ca_file = fifo;
	f = (struct fault){ 0 };
	assert_int_equal(trust_new(&t, &conf, &f), VE_TLS);
	assert_non_null(strstr(f.text, "neither a regular file"));
}

static void test_environment(void **state)
{
	static const char *const one[] = { "@ca", NULL };
	struct trust_conf conf = { .tls_min = TLS_MIN_1_2 };
	struct fault f = { 0 };
	struct trust *t;
	char dirs[600];

	(void)state;
	setenv("SSL_CERT_FILE", CERTS "ca.pem", 1);
	unsetenv("SSL_CERT_DIR");
	expect(&conf, "good", NULL);
	expect(&conf, "by-other", UNKNOWN);

	setenv("SSL_CERT_FILE", "/nonexistent/ca.pem", 1);
	assert_int_equal(trust_new(&t, &conf, &f), VE_TLS);
	assert_non_null(strstr(f.text, "/nonexistent/ca.pem"));

	/* Directories, several of them; files that are no certificates, links that lead nowhere. */
	setenv("SSL_CERT_FILE", "", 1);
	assert_int_equal(mkdir(path_in_scratch("certs"), 0700), 0);
	write_store("certs/one.pem", one);
	write_store("certs/.hidden", one);
	assert_int_equal(symlink("nowhere", path_in_scratch("certs/dangling")), 0);
	assert_int_equal(mkdir(path_in_scratch("certs/sub"), 0700), 0);
	snprintf(dirs, sizeof(dirs), "%s:%s", path_in_scratch("certs"), CERTS);
	setenv("SSL_CERT_DIR", dirs, 1);
	expect(&conf, "good", NULL);
	setenv("SSL_CERT_DIR", path_in_scratch("certs"), 1);
	expect(&conf, "good-below sub-ca", NULL);
	expect(&conf, "by-other", UNKNOWN);
	/* --ca is instead of it, not on top. */
	conf.ca_file = CERTS "other-ca.pem";
	expect(&conf, "good", UNKNOWN);
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
}

/* The store is read at each decision: what was installed meanwhile counts, what is gone is said. */
static void test_store_changes(void **state)
{
	static const char *const before[] = { "@other-ca", NULL }, *const after[] = { "@ca", NULL };
	char path[256];
	struct trust_conf conf = { .ca_file = path };
	struct chain c = load("good");
	struct fault f = { 0 };
	struct trust *t;
	bool verified = false;

	(void)state;
	snprintf(path, sizeof(path), "%s", write_store("changing.pem", before));
	assert_int_equal(trust_new(&t, &conf, &f), 0);
	assert_int_equal(trust_check(t, "vpn:443", VPN, c.v, c.n, &verified, &f), VE_TLS);
	write_store("changing.pem", after);
	f = (struct fault){ 0 };
	assert_int_equal(trust_check(t, "vpn:443", VPN, c.v, c.n, &verified, &f), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(trust_check(t, "vpn:443", VPN, c.v, c.n, &verified, &f), VE_TLS);
	assert_non_null(strstr(f.text, "changing.pem: No such file"));
	trust_free(t);
	unload(&c);
}

static unsigned warnings;

static void count_warnings(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	if (level == LOG_WARN && (strstr(line, "--insecure") || strstr(line, "out of date")))
		warnings++;
}

static void test_revocation(void **state)
{
	static const char *const good[] = { "@ca", "@crl", NULL }, *const stale[] = { "@ca", "@crl-stale", NULL };
	static const char *const foreign[] = { "@twin-ca", "@ca", "@crl", NULL };
	static const char *const many[] = { "@ca",  "@crl", "@crl", "@crl", "@crl", "@crl",
					    "@crl", "@crl", "@crl", "@crl", NULL };
	struct trust_conf conf = { .ca_file = write_store("crl.pem", good) };

	(void)state;
	expect(&conf, "revoked", REVOKED);
	expect(&conf, "good", NULL);
	expect(&conf, "good-below sub-ca", NULL);
	conf.ca_file = write_store("stale.pem", stale);
	log_set_sink(count_warnings, NULL);
	warnings = 0;
	expect(&conf, "revoked", NULL); /* a list that is out of date proves nothing */
	assert_int_equal(warnings, 1);
	log_set_sink(NULL, NULL);
	conf.ca_file = write_store("foreign.pem", foreign);
	expect(&conf, "revoked", REVOKED);
	expect(&conf, "by-twin", NULL); /* same issuer's name, not its list */
	conf.ca_file = write_store("many.pem", many);
	expect(&conf, "good", "revocation lists");
}

/* A chain in which everything could be everything's issuer has 8! paths, and must not take for ever. */
static void test_confused_chain(void **state)
{
	static const struct sample v[] = {
		{ "ca.pem", VPN, "by-mesh mesh-1 mesh-2 mesh-3 mesh-4 mesh-5 mesh-6 mesh-7 mesh-8", UNKNOWN, "too confused" },
		{ "mesh-8.pem", VPN, "by-mesh mesh-1 mesh-2 mesh-3 mesh-4 mesh-5 mesh-6 mesh-7", NULL, NULL },
		{ "other-ca.pem", VPN, "by-twin twin-ca ca twin-ca ca twin-ca ca twin-ca ca", UNKNOWN, NULL },
		{ "ca.pem", VPN, "good ca ca ca ca ca ca ca ca", NULL, NULL },
		{ "ca.pem", VPN, "good ca ca ca ca ca ca ca ca ca ca", NULL, NULL }, /* cut at CHAIN_MAX */
	};

	(void)state;
	check_samples(v, ARRAY_LEN(v), &(struct trust_conf){ .tls_min = TLS_MIN_1_2 });
}

/* --- pins and --insecure -------------------------------------------------------------------------------- */

static void pin_of(const char *name, uint8_t pin[static 32])
{
	struct fault f;
	bool verified;
	struct trust_conf nothing = { .npins = 1 };
	char *at;

	/* The refusal names the pin: that is how users get it. */
	assert_int_equal(decide(&nothing, VPN, name, &verified, &f), VE_TLS);
	at = strstr(f.text, "--pin sha256:");
	assert_non_null(at);
	assert_int_equal(trust_pin_parse(at + 6, pin), 0);
}

static void test_pins(void **state)
{
	static const char *const any[] = { "good",  "by-other", "expired",    "not-yet",   "wrong-name",    "for-clients",
					   "small", "critical", "softether",  "self",      "bad-signature", "softether-old",
					   "by-sha1", "self-certsign" };
	struct trust_conf conf = { .npins = 3 };
	struct fault f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(any); i++) {
		bool verified = false;

		pin_of(any[i], conf.pins[i % 3]);
		assert_int_equal(decide(&conf, "whatever.example", any[i], &verified, &f), 0);
		assert_true(verified);
		memset(conf.pins, 0, sizeof(conf.pins));
	}
}

/* With a pin, a certificate that all CAs in the world signed is refused if it is not the one. */
static void test_wrong_pin(void **state)
{
	struct trust_conf conf = { .npins = 1, .ca_file = CERTS "ca.pem" };
	bool verified = false;
	struct fault f;

	(void)state;
	pin_of("by-other", conf.pins[0]);
	assert_int_equal(decide(&conf, VPN, "good", &verified, &f), VE_TLS);
	assert_true(f.final);
	assert_non_null(strstr(f.text, "not one that --pin names"));
	assert_int_equal(decide(&conf, VPN, "good by-other", &verified, &f), VE_TLS); /* the leaf, not some certificate */
	conf.insecure = true;
	assert_int_equal(decide(&conf, VPN, "good", &verified, &f), VE_TLS); /* a pin is a promise */
	assert_false(verified);
	conf.pins[0][31] ^= 1;
	assert_int_equal(decide(&conf, VPN, "by-other", &verified, &f), VE_TLS);
	/* Only npins of them count. */
	memset(conf.pins, 0, sizeof(conf.pins));
	pin_of("good", conf.pins[1]);
	assert_int_equal(decide(&conf, VPN, "good", &verified, &f), VE_TLS);
	conf.npins = 2;
	assert_int_equal(decide(&conf, VPN, "good", &verified, &f), 0);
}

static void test_pin_texts(void **state)
{
	static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
	uint8_t pin[32], same[32];
	char text[160];

	(void)state;
	assert_int_equal(trust_pin_parse(hex, pin), 0);
	assert_int_equal(pin[0], 0);
	assert_int_equal(pin[1], 0x11);
	assert_int_equal(pin[31], 0xff);
	snprintf(text, sizeof(text), "SHA256:%s", hex);
	assert_int_equal(trust_pin_parse(text, same), 0);
	assert_memory_equal(pin, same, 32);
	snprintf(text, sizeof(text), "sha256:");
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 7 + 3 * i, 4, "%.2s%s", hex + 2 * i, i < 31 ? ":" : "");
	memset(same, 0, sizeof(same));
	assert_int_equal(trust_pin_parse(text, same), 0);
	assert_memory_equal(pin, same, 32);

	for (size_t n = 0; n < 64; n++) { /* every truncation */
		memcpy(text, hex, n);
		text[n] = '\0';
		assert_int_equal(trust_pin_parse(text, same), VE_USAGE);
	}
	snprintf(text, sizeof(text), "%s0", hex);
	assert_int_equal(trust_pin_parse(text, same), VE_USAGE);
	snprintf(text, sizeof(text), "%s:", hex);
	assert_int_equal(trust_pin_parse(text, same), VE_USAGE);
	snprintf(text, sizeof(text), ":%s", hex);
	assert_int_equal(trust_pin_parse(text, same), VE_USAGE);
	snprintf(text, sizeof(text), "sha1:%s", hex);
	assert_int_equal(trust_pin_parse(text, same), VE_USAGE);
	snprintf(text, sizeof(text), "%s", hex);
	text[20] = 'g';
	assert_int_equal(trust_pin_parse(text, same), VE_USAGE);
	assert_int_equal(trust_pin_parse("0:0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF", same), VE_USAGE);
	assert_memory_equal(pin, same, 32); /* untouched by all that */
}

static void test_insecure(void **state)
{
	struct trust_conf conf = { .insecure = true };
	struct chain c = load("nothing-right");
	struct fault f = { 0 };
	struct trust *t;
	bool verified = true;

	(void)state;
	log_set_sink(count_warnings, NULL);
	warnings = 0;
	assert_int_equal(trust_new(&t, &conf, &f), 0);
	assert_int_equal(trust_check(t, "vpn:443", VPN, c.v, c.n, &verified, &f), 0);
	assert_false(verified);
	assert_int_equal(trust_check(t, "vpn:443", VPN, c.v, c.n, &verified, &f), 0);
	assert_int_equal(warnings, 1);
	assert_int_equal(trust_check(t, "vpn:443", VPN, c.v, 0, &verified, &f), VE_TLS); /* no certificate at all */
	trust_free(t);
	trust_free(NULL);
	unload(&c);
	log_set_sink(NULL, NULL);
}

/* Certificates come from the network: cut or changed anywhere, they are refused, not believed and not
 * fatal. */
static void test_damaged(void **state)
{
	struct trust_conf conf = { .ca_file = CERTS "ca.pem" };
	struct chain c = load("good sub-ca");
	uint8_t *bytes = malloc(c.v[0].n);
	struct slice damaged[2];
	struct fault f = { 0 };
	struct trust *t;
	bool verified = false;

	(void)state;
	assert_int_equal(trust_new(&t, &conf, &f), 0);
	for (size_t n = 0; n < c.v[0].n; n += 3) {
		memcpy(bytes, c.v[0].p, c.v[0].n);
		damaged[0] = (struct slice){ bytes, n };
		damaged[1] = c.v[1];
		f = (struct fault){ 0 };
		assert_int_equal(trust_check(t, "vpn:443", VPN, damaged, 2, &verified, &f), VE_TLS);
		damaged[0].n = c.v[0].n;
		bytes[n] ^= 0x55;
		f = (struct fault){ 0 };
		assert_int_equal(trust_check(t, "vpn:443", VPN, damaged, 2, &verified, &f), VE_TLS);
	}
	assert_false(verified);
	trust_free(t);
	free(bytes);
	unload(&c);
}

/* --- key log -------------------------------------------------------------------------------------------- */

static void test_keylog(void **state)
{
	char path[256], text[256] = "";
	struct trust_conf conf = { .insecure = true, .keylog_file = path };
	uint8_t random[32], secret[48];
	struct fault f = { 0 };
	struct trust *t;
	struct stat st;
	FILE *in;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_in_scratch("keys"));
	memset(random, 0xab, sizeof(random));
	memset(secret, 0x01, sizeof(secret));
	log_set_sink(count_warnings, NULL);
	assert_int_equal(trust_new(&t, &conf, &f), 0);
	trust_keylog(t, "CLIENT_RANDOM", random, secret, sizeof(secret));
	trust_free(t);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	in = fopen(path, "r");
	assert_non_null(fgets(text, sizeof(text), in));
	fclose(in);
	assert_int_equal(strncmp(text, "CLIENT_RANDOM abab", 18), 0);
	assert_int_equal(strlen(text), 14 + 64 + 1 + 96 + 1);

	snprintf(path, sizeof(path), "%s", path_in_scratch("no/such/directory"));
	assert_int_equal(trust_new(&t, &conf, &f), VE_IO);
	assert_true(f.final);
	log_set_sink(NULL, NULL);
}

/* --- DER ------------------------------------------------------------------------------------------------ */

static void test_der(void **state)
{
	static const uint8_t two[] = { 0x02, 0x01, 0x05, 0x30, 0x81, 0x02, 0x05, 0x00 };
	static const struct {
		uint8_t p[6];
		size_t n;
	} bad[] = {
		{ { 0x02 }, 1 },             { { 0x02, 0x01 }, 2 },       { { 0x02, 0x80, 0, 0 }, 4 },
		{ { 0x1f, 0x01, 0x00 }, 3 }, { { 0x02, 0x85, 0, 0, 0, 0 }, 6 }, { { 0x02, 0x84, 0xff, 0xff, 0xff, 0xff }, 6 },
		{ { 0x00, 0x00 }, 2 },       { { 0x02, 0x82, 0x00 }, 3 },
	};
	struct rd r = rd_init(two, sizeof(two)), body;

	(void)state;
	assert_int_equal(der_next(&r, &body), DER_INTEGER);
	assert_int_equal(rd_u8(&body), 5);
	body = der_expect(&r, DER_SEQUENCE);
	assert_int_equal(rd_left(&body), 2);
	assert_int_equal(der_next(&r, &body), 0);
	assert_true(rd_ok(&r)); /* the end is no mistake */
	der_expect(&r, DER_OID);
	assert_false(rd_ok(&r)); /* but something was wanted */
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint8_t *exact = malloc(bad[i].n);

		memcpy(exact, bad[i].p, bad[i].n);
		r = rd_init(exact, bad[i].n);
		assert_int_equal(der_next(&r, &body), 0);
		assert_false(rd_ok(&r));
		free(exact);
	}
}

/* --- all ------------------------------------------------------------------------------------------------ */

static int set_up(void **state)
{
	(void)state;
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "junk.pem",      "shape.pem",      "long.pem",  "empty.pem", "pipe",
					     "certs/one.pem", "certs/.hidden",  "crl.pem",   "stale.pem", "foreign.pem",
					     "many.pem",      "certs/dangling", "keys",      "changing.pem" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(path_in_scratch(files[i]));
	rmdir(path_in_scratch("certs/sub"));
	rmdir(path_in_scratch("certs"));
	return rmdir(scratch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_pin_texts),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_who_may_sign),
		cmocka_unit_test(test_name_constraints),
		cmocka_unit_test(test_subtrees),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_self_signed),
		cmocka_unit_test(test_bundle_with_junk),
		cmocka_unit_test(test_shapes_of_pem),
		cmocka_unit_test(test_block_too_long),
		cmocka_unit_test(test_no_store),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_store_changes),
		cmocka_unit_test(test_revocation),
		cmocka_unit_test(test_confused_chain),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_wrong_pin),
		cmocka_unit_test(test_insecure),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_keylog),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
