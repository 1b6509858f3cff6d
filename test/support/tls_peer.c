/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls_peer.c - wolfSSL's server side on two growing queues. */
#include "test/support/tls_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#define CERTS "test/data/certs/"

struct bytes {
	uint8_t *p;
	size_t head, tail, cap;
};

struct tls_peer {
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
	struct bytes in, out;
	int error;
	bool hello_done;
	char sni[256];
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tls_peer: %s\n", what);
	abort();
}

static void put(struct bytes *b, const void *p, size_t n)
{
	if (b->cap - b->tail < n) {
		if (b->head > 0)
			memmove(b->p, b->p + b->head, b->tail - b->head);
		b->tail -= b->head;
		b->head = 0;
		b->cap = (b->tail + n) * 2;
		b->p = realloc(b->p, b->cap);
		must(b->p != NULL, "no memory");
	}
	memcpy(b->p + b->tail, p, n);
	b->tail += n;
}

static void drop(struct bytes *b, size_t n)
{
	must(n <= b->tail - b->head, "dropped more than there is");
	b->head += n;
}

static int on_recv(WOLFSSL *ssl, char *to, int n, void *ctx)
{
	struct tls_peer *p = ctx;
	size_t take = min_size(p->in.tail - p->in.head, (size_t)n);

	(void)ssl;
	if (take == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(to, p->in.p + p->in.head, take);
	drop(&p->in, take);
	return (int)take;
}

static int on_send(WOLFSSL *ssl, char *from, int n, void *ctx)
{
	struct tls_peer *p = ctx;

	(void)ssl;
	put(&p->out, from, (size_t)n);
	return n;
}

/* The files of a chain, one after the other, as one piece of PEM. */
static struct bytes read_chain(const char *names)
{
	struct bytes all = { 0 };
	char copy[256], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strsep(&rest, " ")) != NULL) {
		char path[128], block[4096];
		FILE *in;
		size_t n;

		snprintf(path, sizeof(path), CERTS "%s.pem", name);
		in = fopen(path, "r");
		must(in != NULL, path);
		while ((n = fread(block, 1, sizeof(block), in)) > 0)
			put(&all, block, n);
		fclose(in);
	}
	return all;
}

static void load(struct tls_peer *p, const struct tls_peer_conf *c)
{
	struct bytes chain = read_chain(c->chain);
	char key[128];

	snprintf(key, sizeof(key), CERTS "%s.key", c->key ? c->key : "rsa");
	must(wolfSSL_CTX_use_certificate_chain_buffer(p->ctx, chain.p, (long)chain.tail) == WOLFSSL_SUCCESS, c->chain);
	must(wolfSSL_CTX_use_PrivateKey_file(p->ctx, key, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS, key);
	free(chain.p);
}

static WOLFSSL_METHOD *method(int max_version)
{
	switch (max_version) {
	case 10:
		return wolfTLSv1_server_method();
	case 11:
		return wolfTLSv1_1_server_method();
	case 12:
		return wolfTLSv1_2_server_method();
	default:
		return wolfTLSv1_3_server_method();
	}
}

struct tls_peer *tls_peer_new(const struct tls_peer_conf *c)
{
	struct tls_peer *p = calloc(1, sizeof(*p));

	must(p && wolfSSL_Init() == WOLFSSL_SUCCESS, "no library");
	p->ctx = wolfSSL_CTX_new(method(c->max_version));
	must(p->ctx != NULL, "no context");
	load(p, c);
	if (c->ciphers)
		must(wolfSSL_CTX_set_cipher_list(p->ctx, c->ciphers) == WOLFSSL_SUCCESS, c->ciphers);
	wolfSSL_CTX_SetIORecv(p->ctx, on_recv);
	wolfSSL_CTX_SetIOSend(p->ctx, on_send);
	p->ssl = wolfSSL_new(p->ctx);
	must(p->ssl != NULL, "no connection");
	if (c->dh)
		must(wolfSSL_SetTmpDH_file(p->ssl, c->dh, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS, c->dh);
	wolfSSL_SetIOReadCtx(p->ssl, p);
	wolfSSL_SetIOWriteCtx(p->ssl, p);
	return p;
}

void tls_peer_free(struct tls_peer *p)
{
	if (!p)
		return;
	wolfSSL_free(p->ssl);
	wolfSSL_CTX_free(p->ctx);
	wolfSSL_Cleanup();
	free(p->in.p);
	free(p->out.p);
	free(p);
}

/* As long as the whole ClientHello lies in the queue. */
static void look_for_sni(struct tls_peer *p)
{
	word32 n = sizeof(p->sni) - 1;

	if (p->in.tail - p->in.head < 5)
		return;
	if (p->in.tail - p->in.head < 5u + load_be16(p->in.p + p->in.head + 3))
		return;
	p->hello_done = true;
	if (wolfSSL_SNI_GetFromBuffer(p->in.p + p->in.head, (word32)(p->in.tail - p->in.head), WOLFSSL_SNI_HOST_NAME,
				      (byte *)p->sni, &n) == WOLFSSL_SUCCESS)
		p->sni[n] = '\0';
}

void tls_peer_in(struct tls_peer *p, const void *bytes, size_t n)
{
	put(&p->in, bytes, n);
	if (!p->hello_done)
		look_for_sni(p);
}

struct slice tls_peer_out(struct tls_peer *p)
{
	return (struct slice){ .p = p->out.p + p->out.head, .n = p->out.tail - p->out.head };
}

void tls_peer_consume(struct tls_peer *p, size_t n)
{
	drop(&p->out, n);
}

int tls_peer_shake(struct tls_peer *p)
{
	int r = wolfSSL_accept(p->ssl);

	if (r == WOLFSSL_SUCCESS)
		return 1;
	p->error = wolfSSL_get_error(p->ssl, r);
	return p->error == WOLFSSL_ERROR_WANT_READ ? 0 : -1;
}

int tls_peer_error(const struct tls_peer *p)
{
	return p->error;
}

int tls_peer_alert(const struct tls_peer *p)
{
	WOLFSSL_ALERT_HISTORY h = { { -1, 0 }, { -1, 0 } };

	wolfSSL_get_alert_history(p->ssl, &h);
	return h.last_rx.code;
}

const char *tls_peer_sni(struct tls_peer *p)
{
	return p->sni;
}

const char *tls_peer_cipher(struct tls_peer *p)
{
	return wolfSSL_get_cipher_name(p->ssl);
}

long tls_peer_read(struct tls_peer *p, void *to, size_t cap)
{
	int r = wolfSSL_read(p->ssl, to, (int)cap);

	if (r > 0)
		return r;
	p->error = wolfSSL_get_error(p->ssl, r);
	return p->error == WOLFSSL_ERROR_WANT_READ ? 0 : -1;
}

void tls_peer_write(struct tls_peer *p, const void *from, size_t n)
{
	must(wolfSSL_write(p->ssl, from, (int)n) == (int)n, "cannot write");
}

void tls_peer_update_keys(struct tls_peer *p)
{
	must(wolfSSL_update_keys(p->ssl) == WOLFSSL_SUCCESS, "cannot update keys");
}

void tls_peer_shutdown(struct tls_peer *p)
{
	wolfSSL_shutdown(p->ssl);
}
