/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust.c - the decision about a server's certificate.
 *
 * wolfSSL runs the handshake and proves that the server has the key of the certificate it shows. Whether
 * that certificate is the right one is decided here and nowhere else, in this order:
 *
 *     --pin        is one of the pins its SHA-256? Accepted, else refused; nothing else counts.
 *     --insecure   accepted, unverified.
 *     chain        is there a path to a certificate we trust (certpath.c)?     0x800B0109
 *     revocation   is a certificate of that path on a list in --ca?            0x80092010
 *     time         is every certificate of the path in its time?               0x800B0101
 *     usage        is it for servers, with a key of a sane size?               0x800B0110
 *     name         is it for the host, or --verify-name?                       0x800B010F
 *
 * A further connection of a session is judged by trust_check_only() alone: the session was verified already, and
 * must go on with the very same server.
 *
 * A certificate that is itself in the store counts as a path of its own: that is how a self-signed one is
 * trusted with --ca. The codes are those Windows shows for the same mistakes.
 *
 * A path is accepted only from a search that minds the time. When that finds none, a second search that
 * does not mind it tells "expired" from "unknown"; its result is never accepted. */
#include "core/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "core/castore.h"
#include "core/cert.h"
#include "core/certpath.h"
#include "core/log.h"
#include "core/trust_check.h"

#define PIN_TEXT_MAX (7 + 2 * 32 + 1) /* "sha256:" HEX NUL */
#define RSA_BITS_MIN 2048             /* below, a key can be broken by those who care */
#define RSA_BITS_MIN_LEGACY 1024      /* SoftEther servers up to 4.0 made themselves such keys */
#define WHICH_MAX 112
#define SECRET_MAX 64                 /* longest secret of TLS: SHA-512 */

struct trust {
	const struct trust_conf *conf;
	struct castore store; /* empty if pins or --insecure make it unnecessary */
	int keylog;           /* -1: none */
	bool warned;          /* --insecure was said */
};

/* --- making --------------------------------------------------------------------------------------------- */

static int open_keylog(struct trust *t, struct fault *f)
{
	const char *path = t->conf->keylog_file;

	if (!path)
		return 0;
	t->keylog = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->keylog < 0) {
		fault_set_final(f, VE_IO, "key log %s: %s", path, strerror(errno));
		return VE_IO;
	}
	log_warn("key log %s: whoever reads this file can decrypt recorded connections and passwords", path);
	return 0;
}

int trust_new(struct trust **ret, const struct trust_conf *c, struct fault *f)
{
	struct trust *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		fault_set(f, VE_NOMEM, "tls: out of memory");
		return VE_NOMEM;
	}
	t->conf = c;
	t->keylog = -1;
	if (wolfSSL_Init() != WOLFSSL_SUCCESS) {
		fault_set(f, VE_TLS, "tls: the TLS library could not be started");
		free(t);
		return VE_TLS;
	}
	/* A --ca that cannot be read is a mistake even where it is not needed. */
	if (c->ca_file || (c->npins == 0 && !c->insecure)) {
		err = castore_init(&t->store, c->ca_file, f);
		if (err != 0)
			goto fail;
	}
	err = open_keylog(t, f);
	if (err != 0)
		goto fail;
	*ret = t;
	return 0;
fail:
	trust_free(t);
	return err;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	if (t->keylog >= 0)
		close(t->keylog);
	castore_fini(&t->store);
	wolfSSL_Cleanup();
	free(t);
}

const struct trust_conf *trust_conf_of(const struct trust *t)
{
	return t->conf;
}

bool trust_allows_old(const struct trust *t)
{
	return t->conf->tls_min == TLS_MIN_1_0 || t->conf->tls_min == TLS_MIN_1_1;
}

/* --- pins ----------------------------------------------------------------------------------------------- */

int trust_pin_parse(const char *text, uint8_t ret[static 32])
{
	static const char prefix[] = "sha256:";
	uint8_t pin[32];

	if (strncasecmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	for (size_t i = 0; i < sizeof(pin); i++) {
		int high, low;

		if (i > 0 && *text == ':')
			text++;
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0)
			return VE_USAGE;
		pin[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return VE_USAGE;
	memcpy(ret, pin, sizeof(pin));
	return 0;
}

static bool has_pin(const struct trust_conf *c, const uint8_t pin[static 32])
{
	for (unsigned i = 0; i < c->npins; i++) {
		if (memcmp(c->pins[i], pin, 32) == 0)
			return true;
	}
	return false;
}

/* --- one decision --------------------------------------------------------------------------------------- */

struct decision {
	struct trust *t;
	const char *object;          /* "host:port" */
	char pin[PIN_TEXT_MAX];      /* of the certificate seen */
	struct cert_ref ref;         /* what it should be called */
	time_t now;
	struct fault *f;

	struct cert *chain[CHAIN_MAX];
	size_t nchain;
	struct cert *anchors[ANCHORS_MAX];
	size_t nanchors;
	struct slice crls[CRLS_MAX];
	size_t ncrls;
	struct certpath path;
};

/* The line is "tls OBJECT: " and what follows. */
static int refuse(struct decision *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct decision *d, const char *fmt, ...)
{
	char text[FAULT_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set_final(d->f, VE_TLS, "tls %s: %s", d->object, text);
	return VE_TLS;
}

static int refuse_unknown(struct decision *d)
{
	const char *why = d->path.why;

	return refuse(d, "the certificate is not signed by a known CA%s%s%s (0x800B0109); to trust exactly "
		      "this certificate: --pin %s, to trust its CA: --ca FILE",
		      why ? " (" : "", why ? why : "", why ? ")" : "", d->pin);
}

static int refuse_unreadable(struct decision *d)
{
	const char *reason = wolfSSL_ERR_reason_error_string((unsigned long)d->chain[0]->err);

	return refuse(d, "the certificate breaks the rules (%s; 0x800B0109); to trust exactly this "
		      "certificate: --pin %s", reason ? reason : "?", d->pin);
}

/* "the certificate", or "the certificate NAME of its CA". */
static const char *which(const struct decision *d, const struct cert *c, char buf[static WHICH_MAX])
{
	char name[CERT_NAMES_TEXT_MAX];

	if (c == d->chain[0])
		return "the certificate";
	snprintf(buf, WHICH_MAX, "the certificate %.64s of its CA", cert_subject_text(c, name));
	return buf;
}

static int refuse_time(struct decision *d, const struct cert *c)
{
	char date[CERT_DATE_MAX], what[WHICH_MAX];

	cert_date_text(c, d->now, date);
	if (cert_time(c, d->now) > 0)
		return refuse(d, "%s expired on %s (0x800B0101); to trust exactly this certificate all the "
			      "same: --pin %s", which(d, c, what), date, d->pin);
	return refuse(d, "%s is not valid before %s (0x800B0101); is this machine's clock right? To trust "
		      "exactly this certificate all the same: --pin %s", which(d, c, what), date, d->pin);
}

static int refuse_revoked(struct decision *d, const struct cert *c)
{
	char what[WHICH_MAX];

	return refuse(d, "%s was revoked (0x80092010): its key may be in other hands; the server needs a new "
		      "one, --pin %s would trust this one all the same", which(d, c, what), d->pin);
}

static int refuse_usage(struct decision *d)
{
	return refuse(d, "the certificate is not for servers (0x800B0110); to trust exactly this "
		      "certificate: --pin %s", d->pin);
}

static int refuse_key(struct decision *d)
{
	return refuse(d, "the certificate's key is too short (RSA with %u bits, 0x800B0110); to trust "
		      "exactly this certificate: --pin %s", (unsigned)cert_rsa_bits(d->chain[0]), d->pin);
}

static int refuse_name(struct decision *d)
{
	char names[CERT_NAMES_TEXT_MAX];

	return refuse(d, "the certificate is for another name (0x800B010F): %s; to accept that name: "
		      "--verify-name NAME, to trust exactly this certificate: --pin %s",
		      cert_names_text(d->chain[0], names), d->pin);
}

static int refuse_pin(struct decision *d)
{
	return refuse(d, "the certificate is not one that --pin names; if the server was given this new one "
		      "on purpose: --pin %s", d->pin);
}

static int no_memory(struct decision *d)
{
	fault_set(d->f, VE_NOMEM, "tls %s: out of memory", d->object);
	return VE_NOMEM;
}

/* --- gathering ------------------------------------------------------------------------------------------ */

/* A certificate with a copy of its bytes, in one piece of memory. */
static struct cert *copy_cert(struct slice der)
{
	struct cert *c = malloc(sizeof(*c) + der.n);

	if (!c)
		return NULL;
	memcpy(c + 1, der.p, der.n);
	cert_init(c, (struct slice){ .p = (const uint8_t *)(c + 1), .n = der.n });
	return c;
}

static void free_cert(struct cert *c)
{
	cert_fini(c);
	free(c);
}

static bool is_wanted(const struct decision *d, const struct cert *candidate)
{
	for (size_t i = 0; i < d->nchain; i++) {
		if (cert_equal(d->chain[i], candidate))
			return true;
		if (d->chain[i]->err == 0 && cert_names_issuer(d->chain[i], candidate))
			return true;
	}
	return false;
}

static bool is_known(const struct decision *d, const struct cert *candidate)
{
	for (size_t i = 0; i < d->nanchors; i++) {
		if (cert_equal(d->anchors[i], candidate))
			return true;
	}
	return false;
}

static int take_crl(struct decision *d, struct slice der)
{
	uint8_t *copy;

	if (d->ncrls == ARRAY_LEN(d->crls)) {
		return refuse(d, "more than %u revocation lists in %s", CRLS_MAX, d->t->store.places[0]);
	}
	copy = malloc(der.n);
	if (!copy)
		return VE_NOMEM;
	memcpy(copy, der.p, der.n);
	d->crls[d->ncrls++] = (struct slice){ .p = copy, .n = der.n };
	return 0;
}

/* One entry of the store: keep it if it could end this chain. */
static int on_store_entry(void *ctx, enum castore_kind kind, struct slice der)
{
	struct decision *d = ctx;
	struct cert *c;

	if (kind == CASTORE_CRL)
		return d->t->conf->ca_file ? take_crl(d, der) : 0;
	c = copy_cert(der);
	if (!c)
		return VE_NOMEM;
	if (c->err == 0 && d->nanchors < ARRAY_LEN(d->anchors) && is_wanted(d, c) && !is_known(d, c))
		d->anchors[d->nanchors++] = c;
	else
		free_cert(c);
	return 0;
}

static int gather(struct decision *d, const struct slice *chain, size_t n)
{
	for (size_t i = 0; i < n && i < ARRAY_LEN(d->chain); i++) {
		d->chain[i] = copy_cert(chain[i]);
		if (!d->chain[i])
			return no_memory(d);
		d->nchain++;
	}
	return castore_each(&d->t->store, on_store_entry, d, d->f);
}

static void release(struct decision *d)
{
	for (size_t i = 0; i < d->nchain; i++)
		free_cert(d->chain[i]);
	for (size_t i = 0; i < d->nanchors; i++)
		free_cert(d->anchors[i]);
	for (size_t i = 0; i < d->ncrls; i++)
		free((void *)d->crls[i].p);
}

/* --- deciding ------------------------------------------------------------------------------------------- */

static const struct cert *first_untimely(const struct decision *d)
{
	for (size_t i = 0; i < d->path.n; i++) {
		if (cert_time(d->path.path[i], d->now) != 0)
			return d->path.path[i];
	}
	return NULL;
}

/* There is a path, in time: revocation is left. */
static int check_path(struct decision *d)
{
	const struct cert *bad;
	const char *why;

	d->path = (struct certpath){
		.chain = d->chain, .nchain = d->nchain, .anchors = d->anchors, .nanchors = d->nanchors,
		.ref = &d->ref, .allow_sha1 = trust_allows_old(d->t),
	};
	if (certpath_find(&d->path)) {
		bad = certpath_revoked(&d->path, d->crls, d->ncrls);
		if (bad)
			return refuse_revoked(d, bad);
		bad = first_untimely(d); /* if it is in the store itself, nobody looked at its dates so far */
		return bad ? refuse_time(d, bad) : 0;
	}
	why = d->path.why;
	d->path.ignore_time = true;
	if (certpath_find(&d->path)) {
		bad = first_untimely(d);
		if (bad)
			return refuse_time(d, bad);
	}
	d->path.why = why;
	return refuse_unknown(d);
}

static int check_certificate(struct decision *d)
{
	const struct cert *leaf = d->chain[0];
	size_t bits;
	int err;

	if (leaf->err != 0)
		return refuse_unreadable(d);
	err = check_path(d);
	if (err != 0)
		return err;
	if (!cert_is_for_servers(leaf, trust_allows_old(d->t)))
		return refuse_usage(d);
	bits = cert_rsa_bits(leaf);
	if (bits != 0 && bits < (trust_allows_old(d->t) ? RSA_BITS_MIN_LEGACY : RSA_BITS_MIN))
		return refuse_key(d);
	return cert_matches(leaf, &d->ref) ? 0 : refuse_name(d);
}

static void write_pin(char text[static PIN_TEXT_MAX], const uint8_t pin[static 32])
{
	memcpy(text, "sha256:", 7);
	*put_hex(text + 7, pin, 32) = '\0';
}

static void warn_insecure(struct decision *d)
{
	if (!d->t->warned)
		log_warn("tls %s: --insecure: the server's certificate is not verified, anybody on the way "
			 "may read the login; --pin %s would trust only this certificate", d->object, d->pin);
	d->t->warned = true;
}

int trust_check(struct trust *t, const char *object, const char *host, const struct slice *chain, size_t n,
		bool *ret_verified, struct fault *f)
{
	const struct trust_conf *conf = t->conf;
	struct decision d = { .t = t, .object = object, .now = time(NULL), .f = f };
	uint8_t pin[32];
	int err;

	if (n == 0 || wc_Sha256Hash(chain[0].p, (word32)chain[0].n, pin) != 0) {
		fault_set(f, VE_TLS, "tls %s: the server showed no certificate", object);
		return VE_TLS;
	}
	write_pin(d.pin, pin);
	cert_ref_init(&d.ref, conf->verify_name ? conf->verify_name : host);
	if (conf->npins > 0) {
		err = has_pin(conf, pin) ? 0 : refuse_pin(&d);
	} else if (conf->insecure) {
		warn_insecure(&d);
		*ret_verified = false;
		return 0;
	} else {
		err = gather(&d, chain, n);
		if (err == 0)
			err = check_certificate(&d);
		if (err == VE_NOMEM)
			no_memory(&d);
		release(&d);
	}
	if (err == 0)
		*ret_verified = true;
	return err;
}

int trust_check_only(const uint8_t only[static 32], const char *object, const struct slice *chain, size_t n,
		     struct fault *f)
{
	char expected[PIN_TEXT_MAX], seen[PIN_TEXT_MAX];
	uint8_t pin[32];

	if (n == 0 || wc_Sha256Hash(chain[0].p, (word32)chain[0].n, pin) != 0) {
		fault_set(f, VE_TLS, "tls %s: the server showed no certificate", object);
		return VE_TLS;
	}
	if (memcmp(only, pin, sizeof(pin)) == 0)
		return 0;
	write_pin(expected, only);
	write_pin(seen, pin);
	fault_set_final(f, VE_TLS, "tls %s: a further connection of this session showed another certificate (%s) than "
			"the first one (%s); are these two servers behind one name?", object, seen, expected);
	return VE_TLS;
}

/* --- key log -------------------------------------------------------------------------------------------- */

void trust_keylog(struct trust *t, const char *label, const uint8_t client_random[static 32],
		  const uint8_t *secret, size_t n)
{
	char line[64 + 2 * 32 + 2 * SECRET_MAX + 3], *at;

	if (t->keylog < 0 || n > SECRET_MAX)
		return;
	at = line + snprintf(line, 64, "%s ", label);
	at = put_hex(at, client_random, 32);
	*at++ = ' ';
	at = put_hex(at, secret, n);
	*at++ = '\n';
	if (write(t->keylog, line, (size_t)(at - line)) < 0)
		log_warn("key log %s: %s", t->conf->keylog_file, strerror(errno));
	wipe(line, sizeof(line));
}
