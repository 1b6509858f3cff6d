/* SPDX-License-Identifier: GPL-3.0-or-later */
/* castore.c - finding and reading CA files.
 *
 * A file is read line by line. Between BEGIN and END of a PEM block the base64 text is collected, at END
 * it is decoded and handed out. Blocks of other kinds (keys, OpenSSL's TRUSTED CERTIFICATE) and everything
 * outside of blocks are passed over: bundles are full of comments. Nothing is kept. */
#include "core/castore.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/coding.h>

#include "core/limits.h"
#include "core/log.h"

#define LINE_SIZE 1024 /* a PEM line has 64 characters; longer ones are taken in pieces */

/* Bundles first: one file is read faster than 150. */
static const char *const system_places[] = {
	"/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Alpine, Arch, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, RHEL */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* the same, where the old path is gone */
	"/etc/ssl/cert.pem",                                 /* Alpine */
	"/var/lib/ca-certificates/ca-bundle.pem",            /* openSUSE */
	"/etc/ssl/ca-bundle.pem",                            /* openSUSE, older */
	"/etc/ssl/certs",                                    /* a directory of single files */
};

/* One reading of a place. */
struct reading {
	const char *path;
	int (*entry)(void *ctx, enum castore_kind kind, struct slice der);
	void *ctx;
	struct fault *f;

	bool in_block;
	bool skip;              /* a block that is not ours, or too long */
	enum castore_kind kind;
	size_t max;             /* base64 characters this block may have */
	char *text;             /* base64 of the block */
	size_t len, cap;
	unsigned damaged;
};

/* --- one block ------------------------------------------------------------------------------------------ */

static void begin_block(struct reading *r, const char *label)
{
	static const struct {
		const char *label;
		enum castore_kind kind;
		size_t der_max;
	} ours[] = {
		{ "CERTIFICATE-----", CASTORE_CERT, CERT_DER_MAX },
		{ "X509 CERTIFICATE-----", CASTORE_CERT, CERT_DER_MAX },
		{ "X509 CRL-----", CASTORE_CRL, CRL_DER_MAX },
	};

	r->in_block = true;
	r->skip = true;
	r->len = 0;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (strncmp(label, ours[i].label, strlen(ours[i].label)) != 0)
			continue;
		r->skip = false;
		r->kind = ours[i].kind;
		r->max = (ours[i].der_max + 2) / 3 * 4;
	}
}

static void damaged(struct reading *r, const char *what)
{
	log_debug("CA file %s: %s; passed over", r->path, what);
	r->damaged++;
	r->skip = true;
}

/* Room for @n more characters. */
static int make_room(struct reading *r, size_t n)
{
	size_t cap = r->cap > 0 ? r->cap : 4096;
	char *bigger;

	while (cap < r->len + n)
		cap *= 2;
	if (cap == r->cap)
		return 0;
	bigger = realloc(r->text, cap);
	if (!bigger)
		return VE_NOMEM;
	r->text = bigger;
	r->cap = cap;
	return 0;
}

static int collect(struct reading *r, const char *line)
{
	size_t n = strcspn(line, "\r\n");

	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	if (r->skip || n == 0)
		return 0;
	if (r->len + n > r->max) {
		damaged(r, "a block longer than any certificate");
		return 0;
	}
	if (make_room(r, n) != 0)
		return VE_NOMEM;
	memcpy(r->text + r->len, line, n);
	r->len += n;
	return 0;
}

static int end_block(struct reading *r)
{
	word32 n = (word32)r->len;

	r->in_block = false;
	if (r->skip || r->len == 0)
		return 0;
	/* Decoding in place: the result is shorter, and the decoder reads four characters before it writes
	 * three bytes. */
	if (Base64_Decode((const byte *)r->text, (word32)r->len, (byte *)r->text, &n) != 0 || n == 0) {
		damaged(r, "a block that is not base64");
		return 0;
	}
	return r->entry(r->ctx, r->kind, (struct slice){ .p = (const uint8_t *)r->text, .n = n });
}

/* --- one file ------------------------------------------------------------------------------------------- */

static int read_pem(struct reading *r, FILE *in)
{
	char line[LINE_SIZE];
	bool at_start = true; /* of a line, not in the middle of a very long one */
	int err = 0;

	while (err == 0 && fgets(line, sizeof(line), in)) {
		bool start = at_start;

		at_start = strchr(line, '\n') != NULL;
		if (start && strncmp(line, "-----BEGIN ", 11) == 0)
			begin_block(r, line + 11);
		else if (start && strncmp(line, "-----END ", 9) == 0 && r->in_block)
			err = end_block(r);
		else if (r->in_block)
			err = collect(r, line);
	}
	return err;
}

static int read_der(struct reading *r, FILE *in)
{
	uint8_t *der = malloc(CERT_DER_MAX + 1);
	size_t n;
	int err = 0;

	if (!der)
		return VE_NOMEM;
	n = fread(der, 1, CERT_DER_MAX + 1, in);
	if (n > CERT_DER_MAX)
		damaged(r, "longer than any certificate");
	else
		err = r->entry(r->ctx, CASTORE_CERT, (struct slice){ .p = der, .n = n });
	free(der);
	return err;
}

static int cannot_read(struct reading *r, int why)
{
	fault_set_final(r->f, VE_TLS, "CA file %s: %s", r->path, strerror(why));
	return VE_TLS;
}

static int read_file(struct reading *r)
{
	FILE *in = fopen(r->path, "re");
	int first, err;

	if (!in)
		return cannot_read(r, errno);
	errno = 0;
	first = getc(in);
	ungetc(first, in);
	/* A SEQUENCE with a length of two bytes or more, which text does not begin with. */
	err = first == 0x30 ? read_der(r, in) : read_pem(r, in);
	if (err == 0 && ferror(in))
		err = cannot_read(r, errno);
	fclose(in);
	free(r->text);
	return err;
}

/* --- places --------------------------------------------------------------------------------------------- */

static int read_directory(const struct reading *how)
{
	DIR *dir = opendir(how->path);
	struct dirent *d;
	int err = 0;

	if (!dir) {
		struct reading r = *how;

		return cannot_read(&r, errno);
	}
	while (err == 0 && (d = readdir(dir)) != NULL) {
		struct reading r = *how;
		struct fault ignored = { 0 }; /* a dangling link, a private file: the others still count */
		struct stat st;
		char *path;

		if (d->d_name[0] == '.')
			continue;
		if (asprintf(&path, "%s/%s", how->path, d->d_name) < 0) {
			err = VE_NOMEM;
			break;
		}
		r.path = path;
		r.f = &ignored;
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			err = read_file(&r);
			if (err == VE_TLS && ignored.err != 0)
				err = 0;
		}
		free(path);
	}
	closedir(dir);
	return err;
}

static int read_place(const struct reading *how)
{
	struct reading r = *how;
	struct stat st;

	if (stat(r.path, &st) != 0)
		return cannot_read(&r, errno);
	if (S_ISDIR(st.st_mode))
		return read_directory(&r);
	if (S_ISREG(st.st_mode))
		return read_file(&r);
	/* It is read again at each handshake, which a pipe cannot do. */
	fault_set_final(r.f, VE_TLS, "CA file %s: neither a regular file nor a directory", r.path);
	return VE_TLS;
}

int castore_each(const struct castore *s, int (*entry)(void *ctx, enum castore_kind kind, struct slice der),
		 void *ctx, struct fault *f)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct reading r = { .path = s->places[i], .entry = entry, .ctx = ctx, .f = f };
		int err = read_place(&r);

		if (err == VE_NOMEM)
			fault_set(f, VE_NOMEM, "CA file %s: out of memory", s->places[i]);
		if (err != 0)
			return err;
	}
	return 0;
}

#define FOUND 1 /* none of the VE_* */

static int stop_at_certificate(void *ctx, enum castore_kind kind, struct slice der)
{
	(void)ctx;
	(void)der;
	return kind == CASTORE_CERT ? FOUND : 0;
}

/* Add @path, if it has a certificate. */
static int add_place(struct castore *s, const char *path, struct fault *f)
{
	struct castore one = { .places = { (char *)path }, .n = 1 };
	int err = castore_each(&one, stop_at_certificate, NULL, f);

	if (err != 0 && err != FOUND)
		return err;
	if (err == 0) {
		fault_set_final(f, VE_TLS, "CA file %s: no certificate in it (PEM or DER is expected)", path);
		return VE_TLS;
	}
	if (s->n == CASTORE_PLACES_MAX)
		return 0;
	s->places[s->n] = strdup(path);
	if (!s->places[s->n]) {
		fault_set(f, VE_NOMEM, "CA file %s: out of memory", path);
		return VE_NOMEM;
	}
	s->n++;
	return 0;
}

static int find_system_store(struct castore *s, struct fault *f)
{
	for (size_t i = 0; i < ARRAY_LEN(system_places); i++) {
		struct fault ignored = { 0 };
		int err = add_place(s, system_places[i], &ignored);

		if (err == 0)
			return 0;
		if (err == VE_NOMEM) {
			*f = ignored;
			return err;
		}
	}
	fault_set_final(f, VE_TLS, "no CA certificates found on this machine; install the package "
			"ca-certificates, or use --ca FILE or --pin sha256:HEX");
	return VE_TLS;
}

/* OpenSSL's variables. Both count; the second may hold several directories. */
static int find_named_store(struct castore *s, const char *file, const char *dirs, struct fault *f)
{
	int err = file ? add_place(s, file, f) : 0;
	char *copy, *rest, *dir;

	if (err != 0 || !dirs)
		return err;
	rest = copy = strdup(dirs);
	if (!copy) {
		fault_set(f, VE_NOMEM, "SSL_CERT_DIR: out of memory");
		return VE_NOMEM;
	}
	while (err == 0 && (dir = strsep(&rest, ":")) != NULL) {
		if (*dir)
			err = add_place(s, dir, f);
	}
	free(copy);
	return err;
}

static const char *env(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

int castore_init(struct castore *ret, const char *ca_file, struct fault *f)
{
	const char *file = env("SSL_CERT_FILE"), *dirs = env("SSL_CERT_DIR");
	struct castore s = { 0 };
	int err;

	if (ca_file)
		err = add_place(&s, ca_file, f);
	else if (file || dirs)
		err = find_named_store(&s, file, dirs, f);
	else
		err = find_system_store(&s, f);
	if (err != 0) {
		castore_fini(&s);
		return err;
	}
	*ret = s;
	return 0;
}

void castore_fini(struct castore *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->places[i]);
	*s = (struct castore){ 0 };
}
