/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls.c - wolfSSL between two queues.
 *
 *     owner fills   in  --on_recv-->  wolfSSL  --on_send-->  out   owner empties
 *                                        |
 *                          tls_read(), tls_write(): plaintext
 *
 * wolfSSL's callbacks never block and never touch a socket: an empty "in" is WANT_READ, which is VE_AGAIN
 * outside. WANT_WRITE must not happen while application data is encrypted, because wolfSSL then demands
 * the same call again; so tls_write() asks for room for the whole record first. Answers that wolfSSL gives
 * by itself (alerts, key updates) have OUT_RESERVE bytes on top, and no further record is let in while
 * less than that is free. So a server that floods us with questions and reads no answers stops itself.
 *
 * Application data takes a shorter way, past wolfSSL's own buffers: tls_records_open() and tls_records_seal() work from
 * queue to caller and back, a whole record at a time. So what has come of a record stays in "in" until the rest is there.
 * Whatever is not an ordinary record of application data goes the long way; records.have says that wolfSSL has begun one.
 *
 * Both queues start with the room of a record. "in" becomes WIRE_READ_MAX when a read filled it to the
 * brim, and goes back after QUIET_TURNS reads that would have fitted the small one; "out" grows and
 * shrinks likewise. So a bulk transfer has large windows, and a tunnel at rest a few kilobytes.
 *
 * Whether the server is the right one is decided in on_certificate(), which wolfSSL calls while it
 * processes the Certificate message: before our Finished is sent, long before application data. wolfSSL's
 * own opinion about the chain plays no part, as its certificate manager holds no CA; trust_check() has the
 * word. The verdict is written once: a second Certificate message is refused whatever it says, and a
 * handshake in which the callback never ran, as a resumed one, does not count as finished. */
#include "core/tls.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "core/buf.h"
#include "core/limits.h"
#include "core/trust_check.h"
#include "third_party/wolfssl/tls_records.h"

#define RECORD_MAX (16u * KIB)      /* plaintext of one record */
#define RECORD_HEAD 5u              /* type, version, length */
#define RECORD_OVERHEAD 128u        /* header, explicit IV, MAC, padding: at most 5+16+48+16 */
#define RECORD_TAG 16u              /* of every AEAD cipher: so much less than the body is decrypted, at least */
#define RECORD_WHOLE (RECORD_HEAD + RECORD_MAX + 256u) /* the largest AEAD record, RFC 8446, 5.2 */
#define APPLICATION_DATA 23u        /* the type of a record */
#define NOT_NOW INT_MIN             /* none of wolfSSL's results */
#define OUT_RESERVE (4u * KIB)      /* for what wolfSSL says by itself */
#define OUT_ANSWER 512u             /* the largest of these */
#define IN_SMALL RECORD_WHOLE
#define OUT_SMALL (RECORD_MAX + RECORD_OVERHEAD + OUT_RESERVE)
#define OUT_LARGE (WIRE_WRITE_MAX + OUT_RESERVE)
#define QUIET_TURNS 64u             /* small turns before a large queue is given back */
#define OPENING_MAX 64u             /* first bytes of the peer, kept to explain a failure */
#define OBJECT_MAX 160              /* "host:port" in messages; longer hosts are cut */
#define RANDOM_AT 11                /* of the random in the first record, behind two headers and a version */

enum tls_state {
	TLS_SHAKING, /* only tls_handshake() gets anywhere */
	TLS_OPEN,    /* the verdict is ACCEPTED; plaintext may move */
	TLS_ENDED,   /* the server's end of the stream was reached in an orderly way */
	TLS_BROKEN,  /* the fault is set; only output is left to be sent */
};

enum verdict { PENDING, ACCEPTED, REFUSED };

/* A queue that is small while little goes through it. */
struct queue {
	struct buf b;
	size_t small, large;
	size_t cap;     /* wanted next time it is empty: small or large */
	unsigned quiet; /* turns in a row that needed no more than small */
};

/* Where in the stream of records the input is. */
struct records {
	uint8_t head[RECORD_HEAD];
	unsigned have; /* bytes of the head; 0: between two records */
	size_t left;   /* bytes of the body to come */
};

struct tls {
	struct trust *trust;
	bool has_only;
	uint8_t only[32]; /* has_only: SHA-256 of the one certificate to be accepted */
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
	enum tls_state state;
	enum verdict verdict;
	struct queue in, out;
	bool in_eof;
	struct records records;
	uint8_t opening[OPENING_MAX];
	size_t opening_len;
	uint8_t client_random[32]; /* for the key log */
	bool hello_sent;
	struct wire_facts facts;
	struct fault fault;
	char object[OBJECT_MAX];
	char description[64];
};

/* Preference: forward secrecy and AEAD, nothing else. */
#define CIPHERS_MODERN                                                                                       \
	"TLS13-AES256-GCM-SHA384:TLS13-AES128-GCM-SHA256:TLS13-CHACHA20-POLY1305-SHA256:"                    \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"           \
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"             \
	"DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-CHACHA20-POLY1305"

/* With --tls-min 1.0 or 1.1: what SoftEther 4.0 to 4.2 have, softether-protocol.md 1.2. No RC4, no DES. */
#define CIPHERS_LEGACY                                                                                       \
	":ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:"        \
	"DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA:"                 \
	"AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA"

#define DH_BITS_MIN 2048        /* below: within reach of precomputation (Logjam) */
#define DH_BITS_MIN_LEGACY 1024

/* --- faults --------------------------------------------------------------------------------------------- */

static int broken(struct tls *s)
{
	assert(s->fault.err != 0);
	s->state = TLS_BROKEN;
	return s->fault.err;
}

static bool is_tls_record(const uint8_t *p, size_t n)
{
	/* Content types 20 (change cipher spec) to 24 (heartbeat), then major version 3. */
	return n == 0 || (p[0] >= 20 && p[0] <= 24 && (n < 2 || p[1] == 3));
}

/* The first line of what the peer said, with anything unprintable as '.'. */
static void opening_text(const struct tls *s, char ret[static OPENING_MAX + 1])
{
	size_t n = 0;

	for (; n < s->opening_len && s->opening[n] != '\r' && s->opening[n] != '\n'; n++)
		ret[n] = (char)(s->opening[n] >= 0x20 && s->opening[n] < 0x7f ? s->opening[n] : '.');
	ret[n] = '\0';
}

static const char *old_server_hint(const struct tls *s)
{
	return trust_allows_old(s->trust) ? "" : "; if the server is very old: --tls-min 1.0";
}

struct alert_name {
	int code;
	const char *name;
	bool maybe_old; /* the server may want something that only --tls-min allows */
};

/* RFC 8446, 6. */
static const struct alert_name alert_names[] = {
	{ 10, "unexpected_message", false },   { 20, "bad_record_mac", false },
	{ 22, "record_overflow", false },      { 40, "handshake_failure", true },
	{ 42, "bad_certificate", false },      { 43, "unsupported_certificate", false },
	{ 47, "illegal_parameter", false },    { 49, "access_denied", false },
	{ 50, "decode_error", false },         { 51, "decrypt_error", false },
	{ 70, "protocol_version", true },      { 71, "insufficient_security", true },
	{ 80, "internal_error", false },       { 90, "user_canceled", false },
	{ 109, "missing_extension", false },   { 110, "unsupported_extension", false },
	{ 112, "unrecognized_name", false },   { 116, "certificate_required", false },
	{ 120, "no_application_protocol", false },
};

static const struct alert_name *find_alert(int code)
{
	static const struct alert_name unknown = { 0, "unknown", false };

	for (size_t i = 0; i < ARRAY_LEN(alert_names); i++) {
		if (alert_names[i].code == code)
			return &alert_names[i];
	}
	return &unknown;
}

/* The fatal alert that the server sent, or -1. Its code is -1 as long as none came; a warning does not end
 * anything. */
static int received_alert(struct tls *s)
{
	WOLFSSL_ALERT_HISTORY h = { { -1, 0 }, { -1, 0 } };

	if (wolfSSL_get_alert_history(s->ssl, &h) != WOLFSSL_SUCCESS || h.last_rx.level != alert_fatal)
		return -1;
	return h.last_rx.code;
}

static const char *reason_text(int wolfssl_error)
{
	const char *text = wolfSSL_ERR_reason_error_string((unsigned long)wolfssl_error);

	return text && *text ? text : "unknown reason";
}

/* The handshake failed: say so in the words of whoever has to do something about it. */
static void explain_handshake(struct tls *s, int wolfssl_error)
{
	int alert = received_alert(s);
	char said[OPENING_MAX + 1];

	if (s->fault.err != 0) /* on_certificate() knows best */
		return;
	if (!is_tls_record(s->opening, s->opening_len)) {
		opening_text(s, said);
		fault_set(&s->fault, VE_PROTO, "server %s: the peer does not speak TLS: it answered \"%s\"; "
			  "is the port right?", s->object, said);
	} else if (alert >= 0) {
		const struct alert_name *a = find_alert(alert);

		fault_set(&s->fault, VE_TLS, "tls %s: the server ended the handshake: alert %d (%s)%s",
			  s->object, alert, a->name, a->maybe_old ? old_server_hint(s) : "");
	} else if (s->in_eof && buf_len(&s->in.b) == 0) {
		fault_set(&s->fault, VE_TLS, "tls %s: the server closed the connection during the TLS "
			  "handshake%s", s->object, s->opening_len == 0 ? "; is this the right port?" : "");
	} else if (wolfssl_error == MEMORY_E) {
		fault_set(&s->fault, VE_NOMEM, "tls %s: out of memory", s->object);
	} else {
		fault_set(&s->fault, VE_TLS, "tls %s: the TLS handshake failed: %s%s", s->object,
			  reason_text(wolfssl_error),
			  wolfssl_error == VERSION_ERROR ? old_server_hint(s) : "");
	}
}

static void explain_data(struct tls *s, int wolfssl_error)
{
	int alert = received_alert(s);

	if (alert >= 0)
		fault_set(&s->fault, VE_TLS, "tls %s: the server ended the connection: alert %d (%s)",
			  s->object, alert, find_alert(alert)->name);
	else
		fault_set(&s->fault, VE_TLS, "tls %s: what the server sent cannot be read (%s)", s->object,
			  reason_text(wolfssl_error));
}

/* --- queues --------------------------------------------------------------------------------------------- */

/* What is queued; nothing, if there was never anything. */
static struct slice peek(const struct buf *b)
{
	return b->p ? buf_peek(b) : (struct slice){ 0 };
}

/* Give the queue @cap bytes of room in all, keeping what is in it. */
static int resize(struct buf *b, size_t cap)
{
	struct slice old = peek(b);
	struct buf new;

	if (b->cap == cap)
		return 0;
	assert(old.n <= cap);
	if (buf_init(&new, cap) != 0)
		return VE_NOMEM;
	buf_put(&new, old.p, old.n);
	buf_fini(b);
	*b = new;
	return 0;
}

/* A turn needed @n bytes of @q. */
static void note_use(struct queue *q, size_t n)
{
	if (n > q->small) {
		q->cap = q->large;
		q->quiet = 0;
	} else if (++q->quiet >= QUIET_TURNS) {
		q->cap = q->small;
		q->quiet = 0;
	}
}

/* Is there room for @n bytes in "out", of @max? Makes it, or sets the fault. */
static bool out_room(struct tls *s, size_t n, size_t max)
{
	size_t needed = buf_len(&s->out.b) + n;

	if (needed > max)
		return false;
	note_use(&s->out, needed);
	if (needed <= s->out.b.cap)
		return true;
	if (resize(&s->out.b, needed > s->out.small ? s->out.large : s->out.small) == 0)
		return true;
	fault_set(&s->fault, VE_NOMEM, "tls %s: out of memory", s->object);
	return false;
}

/* Follow the records in the @n bytes that go to wolfSSL. */
static void follow(struct records *r, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t step = 1;

		if (r->have < RECORD_HEAD) {
			r->head[r->have++] = *p;
			if (r->have == RECORD_HEAD)
				r->left = load_be16(r->head + 3);
		} else {
			step = min_size(n, r->left);
			r->left -= step;
		}
		if (r->have == RECORD_HEAD && r->left == 0)
			r->have = 0;
		p += step;
		n -= step;
	}
}

bool tls_in_waits_for_out(const struct tls *s)
{
	return buf_len(&s->in.b) > 0 && s->records.have == 0 && buf_len(&s->out.b) + OUT_ANSWER > OUT_LARGE;
}

static int on_recv(WOLFSSL *ssl, char *to, int n, void *ctx)
{
	struct tls *s = ctx;
	struct slice q = peek(&s->in.b);
	size_t take = min_size(q.n, (size_t)n);

	(void)ssl;
	if (take == 0)
		return s->in_eof ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_WANT_READ;
	if (tls_in_waits_for_out(s))
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(to, q.p, take);
	follow(&s->records, q.p, take);
	buf_consume(&s->in.b, take);
	return (int)take;
}

static int on_send(WOLFSSL *ssl, char *from, int n, void *ctx)
{
	struct tls *s = ctx;

	(void)ssl;
	if (!s->hello_sent && n >= RANDOM_AT + 32) {
		memcpy(s->client_random, from + RANDOM_AT, 32);
		s->hello_sent = true;
	}
	if (out_room(s, (size_t)n, OUT_LARGE) && buf_put(&s->out.b, from, (size_t)n) == 0)
		return n;
	return s->fault.err != 0 ? WOLFSSL_CBIO_ERR_GENERAL : WOLFSSL_CBIO_ERR_WANT_WRITE;
}

uint8_t *tls_in_reserve(struct tls *s, size_t *room)
{
	*room = 0;
	if (s->state == TLS_BROKEN || s->in_eof)
		return NULL;
	if (buf_len(&s->in.b) < IN_SMALL && resize(&s->in.b, s->in.cap) != 0 && !s->in.b.p)
		return NULL; /* no memory; a small queue that could not become large goes on as it is */
	return buf_reserve(&s->in.b, s->in.b.cap, room);
}

void tls_in_commit(struct tls *s, size_t n)
{
	struct slice q;

	if (n == 0)
		return;
	buf_commit(&s->in.b, n);
	q = buf_peek(&s->in.b);
	if (s->opening_len < OPENING_MAX) {
		size_t take = min_size(n, OPENING_MAX - s->opening_len);

		memcpy(s->opening + s->opening_len, q.p + q.n - n, take);
		s->opening_len += take;
	}
	/* Filled to the brim: there is probably more where it came from. */
	note_use(&s->in, buf_room(&s->in.b) == 0 ? s->in.small + 1 : q.n);
}

void tls_in_eof(struct tls *s)
{
	s->in_eof = true;
}

struct slice tls_out_peek(const struct tls *s)
{
	return peek(&s->out.b);
}

void tls_out_consume(struct tls *s, size_t n)
{
	buf_consume(&s->out.b, n);
	if (buf_len(&s->out.b) == 0 && s->out.b.cap > s->out.cap && resize(&s->out.b, s->out.cap) != 0)
		return; /* no memory for a smaller one: keep this */
}

/* --- the certificate ------------------------------------------------------------------------------------ */

/* Errors of wolfSSL that say "this chain leads nowhere" or "not for this use": trust_check() judges both,
 * with the CAs and the pins that wolfSSL does not know. Anything else (an unusable key, syntax, no memory)
 * is a reason to stop. */
static bool is_for_us_to_judge(int error)
{
	switch (error) {
	case 0:
	case ASN_NO_SIGNER_E:
	case ASN_SELF_SIGNED_E:
	case ASN_SIG_CONFIRM_E:
	case ASN_BEFORE_DATE_E:
	case ASN_AFTER_DATE_E:
	case ASN_NAME_INVALID_E:
	case ASN_PATHLEN_SIZE_E:
	case ASN_PATHLEN_INV_E:
	case KEYUSAGE_E:
	case KEYUSE_SIGNATURE_E:
	case KEYUSE_ENCIPHER_E:
	case EXTKEYUSE_AUTH_E:
		return true;
	default:
		return false;
	}
}

/* 0: the server may be what it says. Else the fault is set. */
static int check_chain(struct tls *s, const struct slice *chain, size_t n)
{
	if (!s->has_only)
		return trust_check(s->trust, s->object, s->facts.host, chain, n, &s->facts.verified, &s->fault);
	s->facts.verified = trust_check_only(s->only, s->object, chain, n, &s->fault) == 0;
	return s->fault.err;
}

static enum verdict judge(struct tls *s, WOLFSSL_X509_STORE_CTX *store)
{
	struct slice chain[CHAIN_MAX];
	size_t n = 0;

	if (!is_for_us_to_judge(store->error)) {
		fault_set_final(&s->fault, VE_TLS, "tls %s: the server's certificate cannot be used: %s",
				s->object, reason_text(store->error));
		return REFUSED;
	}
	for (; n < CHAIN_MAX && (int)n < store->totalCerts; n++)
		chain[n] = (struct slice){ .p = store->certs[n].buffer, .n = store->certs[n].length };
	if (check_chain(s, chain, n) != 0)
		return REFUSED;
	if (wc_Sha256Hash(chain[0].p, (word32)chain[0].n, s->facts.cert_sha256) != 0 ||
	    wc_ShaHash(chain[0].p, (word32)chain[0].n, s->facts.cert_sha1) != 0) {
		fault_set(&s->fault, VE_NOMEM, "tls %s: the certificate could not be hashed", s->object);
		return REFUSED;
	}
	return ACCEPTED;
}

/* wolfSSL calls this for the certificates of the chain that it finds fault with, and always for the
 * server's own, last, with depth 0 and all the bytes. Non-zero: go on. */
static int on_certificate(int ok, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls *s = store->userCtx;

	(void)ok;
	if (store->error_depth > 0)
		return 1;
	s->verdict = s->verdict == PENDING ? judge(s, store) : REFUSED; /* nobody gets a second hearing */
	return s->verdict == ACCEPTED;
}

/* --- key log -------------------------------------------------------------------------------------------- */

static int on_secret(WOLFSSL *ssl, void *secret, int n, void *ctx)
{
	struct tls *s = ctx;

	(void)ssl;
	trust_keylog(s->trust, "CLIENT_RANDOM", s->client_random, secret, (size_t)n);
	return 0;
}

static int on_secret13(WOLFSSL *ssl, int id, const unsigned char *secret, int n, void *ctx)
{
	static const char *const labels[] = {
		[CLIENT_EARLY_TRAFFIC_SECRET] = "CLIENT_EARLY_TRAFFIC_SECRET",
		[CLIENT_HANDSHAKE_TRAFFIC_SECRET] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
		[SERVER_HANDSHAKE_TRAFFIC_SECRET] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
		[CLIENT_TRAFFIC_SECRET] = "CLIENT_TRAFFIC_SECRET_0",
		[SERVER_TRAFFIC_SECRET] = "SERVER_TRAFFIC_SECRET_0",
		[EARLY_EXPORTER_SECRET] = "EARLY_EXPORTER_SECRET",
		[EXPORTER_SECRET] = "EXPORTER_SECRET",
	};
	struct tls *s = ctx;

	(void)ssl;
	if (id >= 0 && (size_t)id < ARRAY_LEN(labels))
		trust_keylog(s->trust, labels[id], s->client_random, secret, (size_t)n);
	return 0;
}

/* --- making --------------------------------------------------------------------------------------------- */

static int min_version(enum tls_version v)
{
	switch (v) {
	case TLS_MIN_1_0:
		return WOLFSSL_TLSV1;
	case TLS_MIN_1_1:
		return WOLFSSL_TLSV1_1;
	case TLS_MIN_1_3:
		return WOLFSSL_TLSV1_3;
	case TLS_MIN_1_2:
	default:
		return WOLFSSL_TLSV1_2;
	}
}

static WOLFSSL_CTX *context_new(const struct trust *t)
{
	static const int curves[] = { WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1 };
	bool legacy = trust_allows_old(t);
	const char *ciphers = legacy ? CIPHERS_MODERN CIPHERS_LEGACY : CIPHERS_MODERN;
	word16 dh_bits = legacy ? DH_BITS_MIN_LEGACY : DH_BITS_MIN;
	int version = min_version(trust_conf_of(t)->tls_min);
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLS_client_method());
	int groups[ARRAY_LEN(curves)];

	memcpy(groups, curves, sizeof(groups));
	if (!ctx || wolfSSL_CTX_SetMinVersion(ctx, version) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_cipher_list(ctx, ciphers) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_groups(ctx, groups, (int)ARRAY_LEN(groups)) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_SetMinDhKey_Sz(ctx, dh_bits) != WOLFSSL_SUCCESS) {
		wolfSSL_CTX_free(ctx);
		return NULL;
	}
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, on_certificate);
	wolfSSL_CTX_SetIORecv(ctx, on_recv);
	wolfSSL_CTX_SetIOSend(ctx, on_send);
	return ctx;
}

/* RFC 6066, 3: names only, without the final dot. */
static int use_sni(struct tls *s)
{
	const struct trust_conf *c = trust_conf_of(s->trust);
	const char *name = c->sni ? c->sni : s->facts.host;
	size_t n = strlen(name);
	struct ip ip;

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n == 0 || n > HOST_MAX || strchr(name, '%') || ip_parse(name, &ip) == 0)
		return WOLFSSL_SUCCESS;
	return wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, name, (unsigned short)n);
}

static bool connection_new(struct tls *s)
{
	const struct trust_conf *c = trust_conf_of(s->trust);

	s->ctx = context_new(s->trust);
	if (!s->ctx)
		return false;
	s->ssl = wolfSSL_new(s->ctx);
	if (!s->ssl || use_sni(s) != WOLFSSL_SUCCESS)
		return false;
	wolfSSL_SetIOReadCtx(s->ssl, s);
	wolfSSL_SetIOWriteCtx(s->ssl, s);
	wolfSSL_SetCertCbCtx(s->ssl, s);
	if (c->keylog_file) {
		wolfSSL_set_secret_cb(s->ssl, on_secret, s);
		wolfSSL_set_tls13_secret_cb(s->ssl, on_secret13, s);
	}
	return true;
}

int tls_new(struct tls **ret, struct trust *t, const char *host, uint16_t port, const uint8_t *only)
{
	struct tls *s = calloc(1, sizeof(*s));
	bool brackets = strchr(host, ':') != NULL;

	if (!s)
		return VE_NOMEM;
	s->trust = t;
	s->has_only = only != NULL;
	if (only)
		memcpy(s->only, only, sizeof(s->only));
	s->in = (struct queue){ .small = IN_SMALL, .large = WIRE_READ_MAX, .cap = IN_SMALL };
	s->out = (struct queue){ .small = OUT_SMALL, .large = OUT_LARGE, .cap = OUT_SMALL };
	s->facts.port = port;
	snprintf(s->facts.host, sizeof(s->facts.host), "%s", host);
	snprintf(s->object, sizeof(s->object), brackets ? "[%.140s]:%u" : "%.140s:%u", host, port);
	if (!connection_new(s)) {
		tls_free(s);
		return VE_NOMEM;
	}
	*ret = s;
	return 0;
}

void tls_free(struct tls *s)
{
	if (!s)
		return;
	wolfSSL_free(s->ssl);
	wolfSSL_CTX_free(s->ctx);
	buf_fini(&s->in.b);
	buf_fini(&s->out.b);
	free(s);
}

/* --- running -------------------------------------------------------------------------------------------- */

static void describe(struct tls *s)
{
	const char *version = wolfSSL_get_version(s->ssl); /* "TLSv1.3" */
	int suite = wolfSSL_get_current_cipher_suite(s->ssl);
	const char *name = wolfSSL_get_cipher_name_iana_from_suite((byte)(suite >> 8), (byte)suite);

	snprintf(s->description, sizeof(s->description), "TLS %s %s",
		 strncmp(version, "TLSv", 4) == 0 ? version + 4 : version, name ? name : "?");
}

static int finish_handshake(struct tls *s)
{
	if (s->verdict != ACCEPTED) {
		fault_set_final(&s->fault, VE_TLS, "tls %s: the handshake ended without a certificate that "
				"was checked", s->object);
		return broken(s);
	}
	/* wolfSSL made CAs of the intermediates it was shown; nobody will ask for them again. */
	wolfSSL_CertManagerUnloadCAs(wolfSSL_CTX_GetCertManager(s->ctx));
	describe(s);
	s->state = TLS_OPEN;
	return 0;
}

int tls_handshake(struct tls *s)
{
	int r, err;

	if (s->state == TLS_BROKEN)
		return s->fault.err;
	if (s->state != TLS_SHAKING)
		return 0;
	r = wolfSSL_connect(s->ssl);
	if (r == WOLFSSL_SUCCESS)
		return finish_handshake(s);
	err = wolfSSL_get_error(s->ssl, r);
	if (err == WOLFSSL_ERROR_WANT_READ || err == WOLFSSL_ERROR_WANT_WRITE)
		return VE_AGAIN;
	explain_handshake(s, err);
	return broken(s);
}

const struct wire_facts *tls_facts(const struct tls *s)
{
	return &s->facts;
}

const char *tls_describe(const struct tls *s)
{
	return s->description;
}

const struct fault *tls_fault(const struct tls *s)
{
	return &s->fault;
}

/* wolfSSL_read() gave nothing. */
static int read_stopped(struct tls *s, int r)
{
	int err = wolfSSL_get_error(s->ssl, r);
	bool at_end = s->in_eof && buf_len(&s->in.b) == 0 &&
		      (err == SOCKET_PEER_CLOSED_E || err == SOCKET_ERROR_E);

	if (err == WOLFSSL_ERROR_WANT_READ || err == WOLFSSL_ERROR_WANT_WRITE)
		return VE_AGAIN;
	if (err == WOLFSSL_ERROR_ZERO_RETURN || (at_end && s->records.have == 0)) {
		s->state = TLS_ENDED;
		return VE_EOF;
	}
	if (at_end)
		fault_set(&s->fault, VE_TLS, "tls %s: the connection ended in the middle of a TLS record",
			  s->object);
	else
		explain_data(s, err);
	return broken(s);
}

/* What is at the front of "in". */
enum front {
	FRONT_OTHER,  /* for wolfSSL: nothing, the rest of what it has begun, or no record of application data */
	FRONT_PART,   /* the beginning of a record that may be one of application data */
	FRONT_RECORD, /* a whole one */
};

/* *record is set for FRONT_RECORD. */
static enum front look(const struct tls *s, struct slice *record)
{
	struct slice q = peek(&s->in.b);
	size_t n;

	if (s->records.have != 0 || q.n == 0 || q.p[0] != APPLICATION_DATA || tls_in_waits_for_out(s))
		return FRONT_OTHER;
	n = q.n < RECORD_HEAD ? RECORD_HEAD : RECORD_HEAD + load_be16(q.p + 3);
	if (n > RECORD_WHOLE)
		return FRONT_OTHER; /* too long: wolfSSL knows what to say about it */
	if (q.n < n || q.n == RECORD_HEAD)
		return s->in_eof ? FRONT_OTHER : FRONT_PART;
	*record = (struct slice){ q.p, n };
	return FRONT_RECORD;
}

/* Decrypt one record to @p. Returns like wolfSSL_read(), or NOT_NOW: what there is needs more input or, unless this is
 * the @first record of the call, a larger window. */
static int read_record(struct tls *s, uint8_t *p, size_t cap, bool first)
{
	int r = TLS_RECORDS_NO, room = (int)min_size(cap, RECORD_MAX);
	struct slice record;

	if (wolfSSL_pending(s->ssl) > 0) /* the rest of a record that did not fit */
		return wolfSSL_read(s->ssl, p, room);
	switch (look(s, &record)) {
	case FRONT_OTHER:
		break;
	case FRONT_PART:
		return NOT_NOW;
	case FRONT_RECORD:
		if (record.n <= RECORD_HEAD + RECORD_TAG + cap)
			r = tls_records_open(s->ssl, p, cap, record.p, record.n);
		else if (!first)
			return NOT_NOW;
		break;
	}
	if (r == TLS_RECORDS_NO)
		return wolfSSL_read(s->ssl, p, room);
	buf_consume(&s->in.b, record.n);
	return r;
}

int tls_read(struct tls *s, uint8_t *p, size_t cap, size_t *ret)
{
	size_t got = 0;

	if (s->state != TLS_OPEN)
		return s->state == TLS_BROKEN ? s->fault.err : s->state == TLS_ENDED ? VE_EOF : VE_AGAIN;
	while (got < cap) {
		int r = read_record(s, p + got, cap - got, got == 0);

		if (r <= 0) {
			int err = r == NOT_NOW ? VE_AGAIN : read_stopped(s, r);

			if (got == 0)
				return err;
			break; /* the state keeps the end or the fault for the next call */
		}
		got += (size_t)r;
	}
	*ret = got;
	return 0;
}

/* Encrypt @n bytes, for which "out" has room. Returns like wolfSSL_write(). */
static int write_record(struct tls *s, const uint8_t *p, size_t n)
{
	size_t room;
	uint8_t *to = buf_reserve(&s->out.b, n + RECORD_OVERHEAD, &room);
	int r = tls_records_seal(s->ssl, to, room, p, n);

	if (r == TLS_RECORDS_NO)
		return wolfSSL_write(s->ssl, p, (int)n);
	buf_commit(&s->out.b, (size_t)r);
	return (int)n;
}

int tls_write(struct tls *s, const uint8_t *p, size_t n, size_t *ret)
{
	size_t done = 0;

	if (s->state != TLS_OPEN)
		return s->state == TLS_BROKEN ? s->fault.err : s->state == TLS_ENDED ? VE_EOF : VE_AGAIN;
	while (done < n) {
		size_t piece = min_size(n - done, RECORD_MAX);
		int r;

		if (!out_room(s, piece + RECORD_OVERHEAD, WIRE_WRITE_MAX)) {
			if (s->fault.err != 0)
				broken(s);
			break;
		}
		r = write_record(s, p + done, piece);
		if (r <= 0) {
			explain_data(s, wolfSSL_get_error(s->ssl, r));
			broken(s);
			break;
		}
		done += (size_t)r;
	}
	if (done == 0)
		return s->state == TLS_BROKEN ? s->fault.err : VE_AGAIN;
	*ret = done;
	return 0;
}

void tls_shutdown(struct tls *s)
{
	if (s->state == TLS_OPEN || s->state == TLS_ENDED)
		wolfSSL_shutdown(s->ssl);
}
