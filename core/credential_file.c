/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credential_file.c - where a credential comes from: the files that options name, or what stands in a config file. What is
 * in these is credential.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/blob.h"
#include "core/cert.h"
#include "core/credential_int.h"
#include "core/limits.h"
#include "core/log.h"

#define NAME_MAX_TEXT 320 /* "--cert FILE" in a message */

bool credential_is_given(const struct conf *c)
{
	return c->cert_file || c->p12_file || c->cert_data.n > 0;
}

static int read_all(int fd, const char *name, struct blob *b, struct fault *f)
{
	for (;;) {
		ssize_t n = read(fd, b->p + b->n, b->cap - b->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(f, "%s: cannot be read: %s", name, strerror(errno));
		b->n += (size_t)n;
		if (n == 0)
			return 0;
		if (b->n == b->cap)
			return refuse(f, "%s: it is longer than %u bytes: no certificate or key", name, CREDENTIAL_FILE_MAX);
	}
}

/* A file with a key in it is nobody else's business. */
static void warn_if_public(int fd, const char *name)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
		log_warn("%s: every user of this machine may read the key in it: chmod 600 it", name);
}

/* The whole of @path, which @name names in messages. */
static int read_file(const char *path, const char *name, bool is_secret, struct blob *ret, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;
	struct blob b;

	if (fd < 0)
		return refuse(f, "%s: cannot be opened: %s", name, strerror(errno));
	r = blob_new(&b, CREDENTIAL_FILE_MAX + 1, f);
	if (r == 0)
		r = read_all(fd, name, &b, f);
	if (r == 0) {
		if (is_secret)
			warn_if_public(fd, name);
		*ret = b;
	} else {
		blob_free(&b);
	}
	close(fd);
	return r;
}

static int ask_key_password(void *ctx, const char *object, struct password *ret, struct fault *f)
{
	return password_get_key(ret, ctx, object, f);
}

static int load_files(struct credential *ret, const struct conf *c, const struct credential_asker *asker, struct fault *f)
{
	const char *key_path = c->key_file ? c->key_file : c->cert_file;
	char cert_name[NAME_MAX_TEXT], key_name[NAME_MAX_TEXT];
	struct blob cert, key;
	int r;

	snprintf(cert_name, sizeof(cert_name), "--cert %.300s", c->cert_file);
	snprintf(key_name, sizeof(key_name), "--%s %.300s", c->key_file ? "key" : "cert", key_path);
	r = read_file(c->cert_file, cert_name, false, &cert, f);
	if (r != 0)
		return r;
	r = read_file(key_path, key_name, true, &key, f);
	if (r == 0) {
		r = credential_parse(ret, blob_slice(&cert), cert_name, blob_slice(&key), key_name, asker, f);
		blob_free(&key);
	}
	blob_free(&cert);
	return r;
}

static int load_p12(struct credential *ret, const struct conf *c, const struct credential_asker *asker, struct fault *f)
{
	char name[NAME_MAX_TEXT];
	struct blob file;
	int r;

	snprintf(name, sizeof(name), "--p12 %.300s", c->p12_file);
	r = read_file(c->p12_file, name, true, &file, f);
	if (r != 0)
		return r;
	r = credential_parse_p12(ret, blob_slice(&file), name, asker, f);
	blob_free(&file);
	return r;
}

/* Only its server knows what it makes of the dates, and its clock. */
static void warn_of_dates(const struct credential *cr)
{
	time_t now = time(NULL);
	char date[CERT_DATE_MAX];
	struct cert c;
	int when;

	cert_init(&c, (struct slice){ .p = cr->certificate, .n = cr->certificate_n });
	when = c.err == 0 ? cert_time(&c, now) : 0;
	if (when > 0)
		log_warn("the login's certificate expired on %s: servers may refuse it", cert_date_text(&c, now, date));
	else if (when < 0)
		log_warn("the login's certificate is not valid before %s: servers may refuse it",
			 cert_date_text(&c, now, date));
	cert_fini(&c);
}

int credential_load(struct credential *ret, const struct conf *c, struct fault *f)
{
	struct conf *ctx = (struct conf *)(uintptr_t)c; /* the asker only reads it */
	const struct credential_asker asker = { .ask = ask_key_password, .ctx = ctx };
	struct credential cr;
	int r;

	if (c->p12_file)
		r = load_p12(&cr, c, &asker, f);
	else if (c->cert_file)
		r = load_files(&cr, c, &asker, f);
	else if (c->cert_data.n > 0)
		r = credential_parse(&cr, c->cert_data, "cert-data", c->key_data, "key-data", &asker, f);
	else
		return refuse(f, "no certificate was given: --cert FILE and --key FILE, or --p12 FILE");
	if (r != 0)
		return r;
	warn_of_dates(&cr);
	*ret = cr;
	return 0;
}
