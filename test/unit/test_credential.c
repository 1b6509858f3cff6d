/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates and keys in every form that openssl makes, wrong ones of every kind, and files cut short. */
#include <fcntl.h>
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

#include "core/credential.h"
#include "core/log.h"
#include "core/softether/se_auth.h"

#define DATA "test/data/login/"

static char dir[] = "/tmp/softsocks-test-XXXXXX";
static char warning[512];
static struct fault fault;
static struct credential credential;

struct file {
	uint8_t p[CREDENTIAL_FILE_MAX];
	size_t n;
};

static struct file *load(const char *name)
{
	struct file *file = calloc(1, sizeof(*file));
	char path[128];
	FILE *f;

	assert_non_null(file);
	snprintf(path, sizeof(path), DATA "%s", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s is missing", path);
	file->n = fread(file->p, 1, sizeof(file->p), f);
	fclose(f);
	return file;
}

static void remember(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	assert_int_equal(level, LOG_WARN);
	snprintf(warning, sizeof(warning), "%s", line);
}

/* Who is asked for the password: how often, and what for. */
struct asked {
	const char *password; /* NULL: nobody is there */
	unsigned times;
	char object[64];
};

static int ask(void *ctx, const char *object, struct password *ret, struct fault *f)
{
	struct asked *a = ctx;

	a->times++;
	snprintf(a->object, sizeof(a->object), "%s", object);
	if (!a->password) {
		fault_set(f, VE_USAGE, "nobody to ask");
		return VE_USAGE;
	}
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->text, sizeof(ret->text), "%s", a->password);
	return 0;
}

static int parse_bytes(struct slice cert, struct slice key, struct asked *a)
{
	const struct credential_asker asker = { ask, a };
	/* Exactly as long as they are, for the sanitizer. */
	uint8_t *c = malloc(cert.n + !cert.n), *k = malloc(key.n + !key.n);
	int r;

	assert_non_null(c);
	assert_non_null(k);
	if (cert.n > 0)
		memcpy(c, cert.p, cert.n);
	if (key.n > 0)
		memcpy(k, key.p, key.n);
	fault = (struct fault){ 0 };
	memset(&credential, 0, sizeof(credential));
	r = credential_parse(&credential, (struct slice){ c, cert.n }, "CERT", (struct slice){ k, key.n }, "KEY", &asker,
			     &fault);
	free(c);
	free(k);
	if (r != 0) {
		assert_int_equal(fault.err, r);
		assert_null(credential.certificate);
		assert_null(credential.key);
	}
	return r;
}

static int parse(const char *cert, const char *key, struct asked *a)
{
	struct file *c = load(cert), *k = load(key);
	int r = parse_bytes((struct slice){ c->p, c->n }, (struct slice){ k->p, k->n }, a);

	free(c);
	free(k);
	return r;
}

static int parse_p12_bytes(struct slice in, struct asked *a)
{
	const struct credential_asker asker = { ask, a };
	uint8_t *p = malloc(in.n + !in.n);
	int r;

	assert_non_null(p);
	if (in.n > 0)
		memcpy(p, in.p, in.n);
	fault = (struct fault){ 0 };
	memset(&credential, 0, sizeof(credential));
	r = credential_parse_p12(&credential, (struct slice){ p, in.n }, "P12", &asker, &fault);
	free(p);
	if (r != 0) {
		assert_int_equal(fault.err, r);
		assert_null(credential.key);
	}
	return r;
}

static int parse_p12(const char *name, struct asked *a)
{
	struct file *f = load(name);
	int r = parse_p12_bytes((struct slice){ f->p, f->n }, a);

	free(f);
	return r;
}

/* What came out is alice's certificate and key, byte by byte as openssl writes them. */
static void assert_alice(int r)
{
	struct file *cert = load("alice.der"), *key = load("pkcs1.der");

	if (r != 0)
		fail_msg("%s", fault.text);
	assert_int_equal(credential.certificate_n, cert->n);
	assert_memory_equal(credential.certificate, cert->p, cert->n);
	assert_int_equal(credential.key_n, key->n);
	assert_memory_equal(credential.key, key->p, key->n);
	free(cert);
	free(key);
	credential_fini(&credential);
	assert_null(credential.key);
	assert_int_equal(credential.key_n, 0);
}

static void assert_refused(int r, const char *text)
{
	if (r != VE_USAGE)
		fail_msg("%d: %s", r, fault.text);
	assert_true(fault.final);
	if (!strstr(fault.text, text))
		fail_msg("\"%s\" is not in: %s", text, fault.text);
	assert_null(strstr(fault.text, "hunter2"));
}

/* --- forms --------------------------------------------------------------------------------------------------- */

static void test_plain_forms(void **state)
{
	static const char *const certs[] = { "alice.pem", "alice.der", "both.pem", "chain.pem" };
	static const char *const keys[] = { "alice.key", "pkcs1.key", "pkcs1.der", "pkcs8.der", "both.pem" };

	(void)state;
	for (size_t c = 0; c < ARRAY_LEN(certs); c++) {
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			struct asked a = { .password = NULL };

			assert_alice(parse(certs[c], keys[k], &a));
			assert_int_equal(a.times, 0);
		}
	}
}

static void test_encrypted_forms(void **state)
{
	static const char *const keys[] = { "aes256.key", "aes256-sha1.key", "aes128.key", "des3.key",
					    "v1-des3.key", "aes256.der", "old-aes128.key", "old-aes192.key",
					    "old-aes256.key", "old-des3.key" };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		struct asked right = { .password = "hunter2" }, wrong = { .password = "hunter3" }, none = { NULL, 0, "" },
			     empty = { .password = "" };

		assert_alice(parse("alice.pem", keys[k], &right));
		assert_int_equal(right.times, 1);
		assert_string_equal(right.object, "KEY");
		assert_refused(parse("alice.pem", keys[k], &wrong), "KEY: wrong password");
		assert_refused(parse("alice.pem", keys[k], &empty), "KEY: wrong password");
		assert_int_equal(parse("alice.pem", keys[k], &none), VE_USAGE);
		assert_string_equal(fault.text, "nobody to ask");
	}
}

static void test_missing_ciphers(void **state)
{
	struct asked a = { .password = "hunter2" };

	(void)state;
	assert_refused(parse("alice.pem", "aes192.key", &a), "KEY: it is encrypted with AES-192-CBC, which is not available");
	assert_refused(parse("alice.pem", "scrypt.key", &a), "KEY: it is encrypted with scrypt");
	assert_refused(parse("alice.pem", "aes256-sha512.key", &a), "KEY: it is encrypted with PBKDF2 with SHA-512");
	assert_refused(parse("alice.pem", "old-camellia256.key", &a), "a cipher that is not available");
	assert_refused(parse_p12("aes192.p12", &a), "P12: it is encrypted with AES-192-CBC");
	assert_refused(parse_p12("old-rc2-128.p12", &a), "P12: it is encrypted with pbeWithSHAAnd128BitRC2-CBC");
}

static void test_p12(void **state)
{
	static const char *const names[] = { "modern.p12", "modern-chain.p12", "windows.p12", "old.p12", "old-des3.p12" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct asked right = { .password = "hunter2" }, wrong = { .password = "hunter3" }, none = { NULL, 0, "" };

		assert_alice(parse_p12(names[i], &right));
		assert_int_equal(right.times, 1);
		assert_string_equal(right.object, "P12");
		assert_refused(parse_p12(names[i], &wrong), "P12: wrong password");
		assert_int_equal(parse_p12(names[i], &none), VE_USAGE);
		assert_string_equal(fault.text, "nobody to ask");
	}
}

static void test_p12_odd(void **state)
{
	struct asked a = { .password = NULL };

	(void)state;
	assert_alice(parse_p12("empty.p12", &a));
	assert_int_equal(a.times, 0);
	a.password = "h\xc3\xbcnter2";
	assert_refused(parse_p12("umlaut.p12", &a), "other characters than ASCII");
	a.password = "hunter2";
	assert_refused(parse_p12("no-key.p12", &a), "P12: there is no private key in it");
	assert_refused(parse_p12("no-cert.p12", &a), "P12: there is no certificate that belongs to the key in it");
	assert_refused(parse_p12("alice.pem", &a), "P12: that is no PKCS #12 file in DER");
}

static void test_iterations(void **state)
{
	struct asked a = { .password = "hunter2" };

	(void)state;
	assert_refused(parse("alice.pem", "many.key", &a), "KEY: its password is to be hashed more than 2000000 times");
	assert_refused(parse_p12("many.p12", &a), "P12: its password is to be hashed more than 2000000 times");
	assert_int_equal(a.times, 0);
}

/* --- what does not fit ---------------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
	static const char *const good[] = { "rsa1024", "rsa1536", "rsa3072", "rsa4096" };
	struct asked a = { .password = NULL };
	char cert[32], key[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(cert, sizeof(cert), "%s.pem", good[i]);
		snprintf(key, sizeof(key), "%s.key", good[i]);
		assert_int_equal(parse(cert, key, &a), 0);
		credential_fini(&credential);
	}
	assert_refused(parse("rsa2047.pem", "rsa2047.key", &a), "KEY: the RSA key has 2047 bits: servers take");
}

static void test_misfits(void **state)
{
	struct asked a = { .password = NULL };

	(void)state;
	assert_refused(parse("alice.pem", "rsa1024.key", &a), "CERT: the certificate does not belong to the key in KEY");
	assert_refused(parse("expired.pem", "rsa1024.key", &a), "CERT: the certificate does not belong to the key in KEY");
	assert_refused(parse("ec.pem", "alice.key", &a), "CERT: the certificate is not for an RSA key");
	assert_refused(parse("ec.pem", "ec.key", &a), "KEY: the key is none of RSA");
	assert_refused(parse("ec.pem", "ec-sec1.key", &a), "KEY: the key is of another kind (EC PRIVATE KEY)");
	assert_refused(parse("alice.pem", "alice.pem", &a), "KEY: there is no private key in it");
	assert_refused(parse("alice.pem", "alice.der", &a), "KEY: there is no private key in it that can be read");
	assert_refused(parse("alice.key", "alice.key", &a), "CERT: there is no certificate in it that can be read");
	assert_refused(parse("pkcs1.der", "alice.key", &a), "CERT: there is no certificate in it that can be read");
}

/* A key whose public part is the certificate's, and whose private part is another's. */
static void test_broken_key(void **state)
{
	struct file *cert = load("alice.der"), *key = load("pkcs1.der");
	struct asked a = { .password = NULL };

	(void)state;
	key->p[key->n - 20] ^= 1; /* in the last of the five numbers that signing uses */
	key->p[key->n - 200] ^= 1;
	assert_refused(parse_bytes((struct slice){ cert->p, cert->n }, (struct slice){ key->p, key->n }, &a),
		       "CERT: the certificate does not belong to the key in KEY");
	free(cert);
	free(key);
}

static void test_truncations(void **state)
{
	static const char *const keys[] = { "pkcs1.der", "pkcs8.der", "aes256.der", "pkcs1.key", "old-aes256.key" };
	struct file *cert = load("alice.der"), *good = load("pkcs1.der");
	struct asked a = { .password = "hunter2" };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		struct file *key = load(keys[k]);
		size_t last = key->p[key->n - 1] == '\n' ? key->n - 1 : key->n; /* the last newline may be missing */

		for (size_t n = 0; n < last; n++) {
			assert_int_equal(parse_bytes((struct slice){ cert->p, cert->n }, (struct slice){ key->p, n }, &a),
					 VE_USAGE);
		}
		free(key);
	}
	for (size_t n = 0; n < cert->n; n++)
		assert_int_equal(parse_bytes((struct slice){ cert->p, n }, (struct slice){ good->p, good->n }, &a), VE_USAGE);
	free(cert);
	free(good);
}

static void test_p12_truncations(void **state)
{
	struct file *f = load("old.p12");
	struct asked a = { .password = "hunter2" };

	(void)state;
	for (size_t n = 0; n < f->n; n++)
		assert_int_equal(parse_p12_bytes((struct slice){ f->p, n }, &a), VE_USAGE);
	free(f);
}

static void test_more_behind(void **state)
{
	struct file *cert = load("alice.der"), *key = load("pkcs8.der"), *p12 = load("modern.p12");
	struct asked a = { .password = "hunter2" };

	(void)state;
	memset(cert->p + cert->n, '\n', 3);
	memset(key->p + key->n, 0, 3);
	memset(p12->p + p12->n, 0, 3);
	assert_alice(parse_bytes((struct slice){ cert->p, cert->n + 3 }, (struct slice){ key->p, key->n + 3 }, &a));
	assert_alice(parse_p12_bytes((struct slice){ p12->p, p12->n + 3 }, &a));
	free(cert);
	free(key);
	free(p12);
}

/* --- files ---------------------------------------------------------------------------------------------------- */

/* Copy the file of the test data into a directory of our own, with @mode; returns its path there. */
static const char *copy(const char *name, mode_t mode)
{
	static char paths[4][96];
	static unsigned next;
	char *path = paths[next++ % 4];
	struct file *f = load(name);
	int fd;

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->p, f->n), f->n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	free(f);
	return path;
}

static int load_conf(const struct conf *c)
{
	fault = (struct fault){ 0 };
	warning[0] = '\0';
	memset(&credential, 0, sizeof(credential));
	return credential_load(&credential, c, &fault);
}

static void test_load_files(void **state)
{
	struct conf c = { .password_fd = -1 };

	(void)state;
	assert_false(credential_is_given(&c));
	assert_refused(load_conf(&c), "no certificate was given");
	c.cert_file = copy("alice.pem", 0644);
	c.key_file = copy("alice.key", 0600);
	assert_true(credential_is_given(&c));
	assert_alice(load_conf(&c));
	assert_string_equal(warning, "");
	c.key_file = copy("pkcs1.key", 0604);
	assert_alice(load_conf(&c));
	assert_non_null(strstr(warning, "pkcs1.key: every user of this machine may read the key in it"));
	c.cert_file = copy("both.pem", 0600);
	c.key_file = NULL;
	assert_alice(load_conf(&c));
	c.cert_file = copy("alice.pem", 0600);
	assert_refused(load_conf(&c), "alice.pem: there is no private key in it");
}

static void test_load_passwords(void **state)
{
	struct conf c = { .password_fd = -1 };
	char path[96];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/secret", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("hunter2\n", f) >= 0);
	fclose(f);
	chmod(path, 0600);
	c.cert_file = copy("alice.pem", 0600);
	c.key_file = copy("aes256.key", 0600);
	c.key_password_file = path;
	assert_alice(load_conf(&c));
	c.key_password_file = NULL;
	setenv("SOFTSOCKS_KEY_PASSWORD", "hunter2", 1);
	assert_alice(load_conf(&c));
	assert_null(getenv("SOFTSOCKS_KEY_PASSWORD"));
	setenv("SOFTSOCKS_KEY_PASSWORD", "hunter3", 1);
	assert_refused(load_conf(&c), "aes256.key: wrong password");
	c.p12_file = copy("old.p12", 0600);
	setenv("SOFTSOCKS_KEY_PASSWORD", "hunter2", 1);
	assert_alice(load_conf(&c));
	unlink(path);
}

static void test_load_data(void **state)
{
	struct file *cert = load("alice.der"), *key = load("pkcs8.der");
	struct conf c = { .password_fd = -1, .cert_data = { cert->p, cert->n }, .key_data = { key->p, key->n } };

	(void)state;
	assert_true(credential_is_given(&c));
	assert_alice(load_conf(&c));
	c.key_data.n = 0;
	assert_refused(load_conf(&c), "key-data: there is no private key in it");
	free(cert);
	free(key);
}

static void test_load_dates(void **state)
{
	struct conf c = { .password_fd = -1 };

	(void)state;
	c.cert_file = copy("expired.pem", 0600);
	c.key_file = copy("expired.key", 0600);
	assert_int_equal(load_conf(&c), 0);
	assert_non_null(strstr(warning, "the login's certificate expired on 2020-02-01"));
	credential_fini(&credential);
}

static void test_load_errors(void **state)
{
	struct conf c = { .password_fd = -1 };
	char path[96];
	int fd;

	(void)state;
	c.cert_file = "/nonexistent/alice.pem";
	assert_refused(load_conf(&c), "--cert /nonexistent/alice.pem: cannot be opened: No such file");
	c.cert_file = copy("alice.pem", 0600);
	c.key_file = "/nonexistent/alice.key";
	assert_refused(load_conf(&c), "--key /nonexistent/alice.key: cannot be opened: No such file");
	c.key_file = dir;
	assert_refused(load_conf(&c), "cannot be read: Is a directory");
	c.p12_file = "/nonexistent/alice.p12";
	assert_refused(load_conf(&c), "--p12 /nonexistent/alice.p12: cannot be opened");
	snprintf(path, sizeof(path), "%s/long", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, CREDENTIAL_FILE_MAX + 1), 0);
	c.p12_file = path;
	assert_refused(load_conf(&c), "it is longer than 262144 bytes");
	assert_int_equal(ftruncate(fd, CREDENTIAL_FILE_MAX), 0);
	assert_refused(load_conf(&c), "that is no PKCS #12 file in DER");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_refused(load_conf(&c), "that is no PKCS #12 file in DER");
	close(fd);
	unlink(path);
}

static int setup(void **state)
{
	(void)state;
	log_set_sink(remember, NULL);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "alice.pem", "alice.key", "pkcs1.key", "both.pem", "aes256.key", "old.p12",
					     "expired.pem", "expired.key" };
	char path[96];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_forms),     cmocka_unit_test(test_encrypted_forms),
		cmocka_unit_test(test_missing_ciphers), cmocka_unit_test(test_p12),
		cmocka_unit_test(test_p12_odd),         cmocka_unit_test(test_iterations),
		cmocka_unit_test(test_sizes),           cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_broken_key),      cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_p12_truncations), cmocka_unit_test(test_more_behind),
		cmocka_unit_test(test_load_files),      cmocka_unit_test(test_load_passwords),
		cmocka_unit_test(test_load_data),       cmocka_unit_test(test_load_dates),
		cmocka_unit_test(test_load_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
