/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_rudp.c - the machine against a server of our own, on a network that loses, repeats and reorders, in virtual
 * time. The server shares no code with the machine; the published vectors prove the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/arc4.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "core/limits.h"
#include "core/softether/rudp.h"
#include "test/support/unhex.h"

#define SEGMENT_MAX 1400u
#define DATA_MAX 512u
#define WINDOW 64u

/* --- chance ----------------------------------------------------------------------------------------------- */

static uint32_t lcg;

static uint32_t chance(uint32_t below)
{
	lcg = lcg * 1664525u + 1013904223u;
	return (lcg >> 8) % below;
}

static void random_lcg(void *ctx, void *to, size_t n)
{
	uint8_t *p = to;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)chance(256);
}

static const struct session_env env = { .random = random_lcg };

/* --- the server ------------------------------------------------------------------------------------------- */

struct keys {
	uint8_t a[20], b[20], ka_req[20], ka_res[20];
};

static void sha1(uint8_t to[static 20], const void *p, size_t n)
{
	wc_Sha h;

	assert_int_equal(wc_InitSha(&h), 0);
	assert_int_equal(wc_ShaUpdate(&h, p, (word32)n), 0);
	assert_int_equal(wc_ShaFinal(&h, to), 0);
	wc_ShaFree(&h);
}

static void rc4(const uint8_t key[static 20], uint8_t *p, size_t n)
{
	Arc4 c;

	assert_int_equal(wc_Arc4Init(&c, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_Arc4SetKey(&c, key, 20), 0);
	assert_int_equal(wc_Arc4Process(&c, p, p, (word32)n), 0);
	wc_Arc4Free(&c);
}

static void keys_make(struct keys *k, const uint8_t init[static 20])
{
	uint8_t b[80];

	memcpy(b, init, 20);
	memcpy(b + 20, "\0\0\0\x08zurukko", 11);
	sha1(k->a, b, 31);
	memcpy(b + 20, k->a, 20);
	memcpy(b + 40, "\0\0\0\x0cyasushineko", 15);
	sha1(k->b, b, 55);
	memcpy(b + 20, "\0\0\0\x17Magic_KeepAliveRequest", 26);
	sha1(k->ka_req, b, 46);
	memcpy(b + 20, "\0\0\0\x18Magic_KeepAliveResponse", 27);
	sha1(k->ka_res, b, 47);
}

struct plain {
	uint64_t tick, echo, max_ack, ack[WINDOW], seq;
	uint32_t nack;
	uint8_t data[1024];
	size_t n;
	unsigned pad;
};

/* Encrypt and sign a body of @n bytes at @d + 40; the iv is at @d + 20. */
static void close_body(const uint8_t key[static 20], uint8_t *d, size_t n)
{
	uint8_t b[40];

	memcpy(b, d + 20, 20);
	memcpy(b + 20, key, 20);
	sha1(b, b, 40);
	rc4(b, d + 40, n);
	memcpy(d, key, 20);
	sha1(b, d, 40 + n);
	memcpy(d, b, 20);
}

static size_t put_body(const struct plain *p, uint8_t *b)
{
	size_t n = 28;

	store_be64(b, p->tick);
	store_be64(b + 8, p->echo);
	store_be64(b + 16, p->max_ack);
	store_be32(b + 24, p->nack);
	for (uint32_t i = 0; i < p->nack && i < WINDOW; i++, n += 8)
		store_be64(b + n, p->ack[i]);
	store_be64(b + n, p->seq);
	memcpy(b + n + 8, p->data, p->n);
	n += 8 + p->n;
	memset(b + n, (int)p->pad, p->pad);
	return n + p->pad;
}

static size_t segment_close(const uint8_t key[static 20], const uint8_t iv[static 20], const struct plain *p, uint8_t *d)
{
	size_t n = put_body(p, d + 40);

	memcpy(d + 20, iv, 20);
	close_body(key, d, n);
	return 40 + n;
}

static bool segment_open(const uint8_t key[static 20], const uint8_t *d, size_t size, struct plain *p)
{
	uint8_t b[2048], k[40];
	size_t n = size - 40, at = 28;

	if (size < 77 || size > SEGMENT_MAX)
		return false;
	memcpy(b, d, size);
	memcpy(b, key, 20);
	sha1(k, b, size);
	if (memcmp(k, d, 20) != 0)
		return false;
	memcpy(k, d + 20, 20);
	memcpy(k + 20, key, 20);
	sha1(k, k, 40);
	rc4(k, b + 40, n);
	memmove(b, b + 40, n);
	p->pad = b[n - 1];
	assert_in_range(p->pad, 1, n - 36);
	for (size_t i = 0; i < p->pad; i++)
		assert_int_equal(b[n - 1 - i], p->pad);
	n -= p->pad;
	p->tick = load_be64(b);
	p->echo = load_be64(b + 8);
	p->max_ack = load_be64(b + 16);
	p->nack = load_be32(b + 24);
	assert_in_range(p->nack, 0, WINDOW);
	assert_true(n >= 36 + 8u * p->nack);
	for (uint32_t i = 0; i < p->nack; i++, at += 8)
		p->ack[i] = load_be64(b + at);
	p->seq = load_be64(b + at);
	p->n = n - at - 8;
	assert_in_range(p->n, 0, DATA_MAX);
	memcpy(p->data, b + at + 8, p->n);
	return true;
}

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

static void add(struct bytes *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		assert_non_null(b->p);
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

/* A server as plain as can be: it repeats what is not acknowledged every 200 ms and acknowledges with lists. */
struct server {
	bool known;        /* has the client's first datagram */
	unsigned requests;
	struct keys keys;
	uint64_t tick, peer_tick, echo; /* its clock is its own */
	uint64_t magic;
	struct bytes out;    /* all of the stream to be sent */
	size_t out_sent;
	uint64_t base, next, in_last;
	struct { bool used; uint64_t due; unsigned times; struct plain p; } slot[WINDOW];
	struct { bool here; size_t n; uint8_t data[DATA_MAX]; } in[WINDOW];
	struct bytes got;    /* the client's stream, magic included */
	uint64_t ack[WINDOW];
	uint32_t nack;
	unsigned ka_requests, ka_answers, goodbyes, segments, repeated;
};

static void server_init(struct server *s)
{
	memset(s, 0, sizeof(*s));
	s->tick = 777000;
	s->base = s->next = 1;
}

static void server_fini(struct server *s)
{
	free(s->out.p);
	free(s->got.p);
}

static size_t server_close(struct server *s, struct plain *p, uint8_t *d)
{
	uint8_t iv[20];

	random_lcg(NULL, iv, 20);
	p->tick = s->tick;
	p->echo = s->peer_tick;
	p->max_ack = s->in_last;
	p->nack = s->nack;
	memcpy(p->ack, s->ack, sizeof(p->ack));
	s->nack = 0;
	p->pad = 1 + chance(31);
	return segment_close(s->keys.a, iv, p, d);
}

static void server_queue(struct server *s, const void *data, size_t n)
{
	struct plain *p = &s->slot[s->next % WINDOW].p;

	assert_true(s->next < s->base + WINDOW);
	s->slot[s->next % WINDOW].used = true;
	s->slot[s->next % WINDOW].due = 0;
	s->slot[s->next % WINDOW].times = 0;
	p->seq = s->next++;
	p->n = n;
	memcpy(p->data, data, n);
}

static void server_acked(struct server *s, uint64_t seq)
{
	if (seq >= s->base && seq < s->next)
		s->slot[seq % WINDOW].used = false;
}

static void server_deliver(struct server *s)
{
	while (s->in[(s->in_last + 1) % WINDOW].here) {
		size_t i = (s->in_last + 1) % WINDOW;

		if (s->in[i].n == 20 && memcmp(s->in[i].data, s->keys.ka_req, 20) == 0) {
			s->ka_requests++;
			if (s->base == s->next)
				server_queue(s, s->keys.ka_res, 20);
		} else if (s->in[i].n == 20 && memcmp(s->in[i].data, s->keys.ka_res, 20) == 0) {
			s->ka_answers++;
		} else {
			add(&s->got, s->in[i].data, s->in[i].n);
		}
		s->in[i].here = false;
		s->in_last++;
	}
	if (s->magic == 0 && s->got.n >= 8) {
		s->magic = load_be64(s->got.p);
		assert_int_equal(s->magic >> 32, 0xffffffffu);
	}
}

static void server_input(struct server *s, const uint8_t *d, size_t n)
{
	struct plain p;

	if (n == 39) {
		s->requests++;
		if (!s->known) {
			s->known = true;
			keys_make(&s->keys, d);
			server_queue(s, s->keys.ka_req, 20);
		}
		return;
	}
	assert_true(s->known);
	assert_true(segment_open(s->keys.b, d, n, &p)); /* it never sends anything else */
	assert_true(p.echo <= s->tick);
	s->segments++;
	if (p.tick > s->peer_tick)
		s->peer_tick = p.tick;
	for (uint64_t q = s->base; q <= p.max_ack && q < s->next; q++)
		server_acked(s, q);
	for (uint32_t i = 0; i < p.nack; i++)
		server_acked(s, p.ack[i]);
	while (s->base < s->next && !s->slot[s->base % WINDOW].used)
		s->base++;
	if (s->magic != 0 && p.seq == s->magic) {
		s->goodbyes++;
		return;
	}
	if (p.n == 0)
		return;
	if (p.seq <= s->in_last || s->in[p.seq % WINDOW].here)
		s->repeated++;
	if (p.seq > s->in_last + WINDOW)
		return;
	if (s->nack < WINDOW)
		s->ack[s->nack++] = p.seq;
	if (p.seq <= s->in_last)
		return;
	s->in[p.seq % WINDOW].here = true;
	s->in[p.seq % WINDOW].n = p.n;
	memcpy(s->in[p.seq % WINDOW].data, p.data, p.n);
	server_deliver(s);
}

static size_t server_output(struct server *s, uint8_t *d)
{
	struct plain p = { 0 };

	while (s->known && s->out_sent < s->out.n && s->next < s->base + WINDOW) {
		size_t n = min_size(DATA_MAX, s->out.n - s->out_sent);

		server_queue(s, s->out.p + s->out_sent, n);
		s->out_sent += n;
	}
	for (uint64_t q = s->base; q < s->next; q++) {
		size_t i = q % WINDOW;

		if (s->slot[i].used && s->slot[i].due <= s->tick) {
			s->slot[i].due = s->tick + 200;
			s->slot[i].times++;
			p = s->slot[i].p;
			return server_close(s, &p, d);
		}
	}
	if (s->nack == 0)
		return 0;
	p.seq = s->next;
	return server_close(s, &p, d);
}

/* --- the network ------------------------------------------------------------------------------------------ */

struct mail {
	struct mail *next;
	uint64_t at;
	bool to_server;
	size_t n;
	uint8_t d[SEGMENT_MAX];
};

struct world {
	uint64_t now;
	struct mail *mail;
	unsigned loss, twice; /* per cent */
	unsigned delay_min, delay_max;
	bool cut;             /* nothing arrives any more */
	struct rudp *client;
	struct server server;
	struct bytes got;
	size_t sent;
	unsigned count;       /* datagrams of the client */
	uint8_t last[SEGMENT_MAX];
	size_t last_n;
};

static void post(struct world *w, bool to_server, const uint8_t *d, size_t n)
{
	assert_in_range(n, 1, SEGMENT_MAX);
	for (unsigned copies = chance(100) < w->twice ? 2 : 1; copies > 0; copies--) {
		struct mail *m;

		if (w->cut || chance(100) < w->loss)
			continue;
		m = malloc(sizeof(*m));
		assert_non_null(m);
		m->at = w->now + w->delay_min + chance(w->delay_max - w->delay_min + 1);
		m->to_server = to_server;
		m->n = n;
		memcpy(m->d, d, n);
		m->next = w->mail;
		w->mail = m;
	}
}

static bool client_input(struct world *w, const uint8_t *d, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	bool ret;

	assert_non_null(exact);
	memcpy(exact, d, n);
	ret = rudp_input(w->client, (struct slice){ exact, n }, w->now);
	free(exact);
	return ret;
}

static void deliver_mail(struct world *w)
{
	struct mail **at = &w->mail;

	while (*at) {
		struct mail *m = *at;

		if (m->at > w->now) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		if (m->to_server)
			server_input(&w->server, m->d, m->n);
		else
			(void)client_input(w, m->d, m->n);
		free(m);
	}
}

static void client_output(struct world *w)
{
	struct slice d;

	while (rudp_output(w->client, &d, w->now)) {
		w->count++;
		memcpy(w->last, d.p, d.n);
		w->last_n = d.n;
		post(w, true, d.p, d.n);
	}
}

static void server_all(struct world *w)
{
	uint8_t d[SEGMENT_MAX];
	size_t n;

	while ((n = server_output(&w->server, d)) > 0)
		post(w, false, d, n);
}

static void client_read(struct world *w)
{
	struct slice s;

	while ((s = rudp_peek(w->client)).n > 0) {
		add(&w->got, s.p, s.n);
		rudp_consume(w->client, s.n);
	}
}

/* One millisecond. The client is only woken when it asked for it: a deadline that is too late would show as a stall. */
static void step(struct world *w)
{
	w->now++;
	w->server.tick++;
	deliver_mail(w);
	if (rudp_deadline(w->client) <= w->now) {
		rudp_tick(w->client, w->now);
		client_output(w);
	}
	server_all(w);
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	lcg = 4711;
	w->now = 5000;
	w->delay_min = 10;
	w->delay_max = 10;
	server_init(&w->server);
	assert_int_equal(rudp_new(&w->client, &env, w->now), 0);
}

static void world_fini(struct world *w)
{
	while (w->mail) {
		struct mail *m = w->mail;

		w->mail = m->next;
		free(m);
	}
	server_fini(&w->server);
	free(w->got.p);
	rudp_free(w->client);
}

static void world_open(struct world *w)
{
	world_init(w);
	for (unsigned i = 0; i < 1000 && (rudp_state(w->client) != RUDP_OPEN || w->server.magic == 0); i++)
		step(w);
	assert_int_equal(rudp_state(w->client), RUDP_OPEN);
	assert_true(w->server.magic != 0);
	for (unsigned i = 0; i < 100; i++)
		step(w);
	assert_true(w->server.base == w->server.next);
}

/* --- the vectors ------------------------------------------------------------------------------------------ */

static const char vector_segment[] =
	"0a237384ad557992d3646156bbba615c8fa7e893808182838485868788898a8b8c8d8e8f90919293"
	"d06a3db23c91a51f64bb262692d7417c11e29648552c88f1cc7470052fc7624bd5e9ce3f60039a7811ac588112";

static void expect_hex(const uint8_t *p, const char *hex)
{
	uint8_t want[20];

	assert_int_equal(unhex(hex, want, sizeof(want)), 20);
	assert_memory_equal(p, want, 20);
}

static void test_vectors(void **state)
{
	struct plain p = { .tick = 1000, .seq = 1, .n = 5, .pad = 4 }, q;
	uint8_t init[20], iv[20], want[128], d[SEGMENT_MAX];
	struct keys k;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		init[i] = (uint8_t)i;
		iv[i] = (uint8_t)(0x80 + i);
	}
	keys_make(&k, init);
	expect_hex(k.a, "dc779b2ea583d5e31aa0fe31b730fee8f5a3297b");
	expect_hex(k.b, "43b629f2139c589efb7197155a384fce10835036");
	expect_hex(k.ka_req, "f9d7721072b16dead16c9e083688f8de0bb0d3c2");
	expect_hex(k.ka_res, "c5dca25a4fd22fb193cb5d892d805be8eafe1663");
	memcpy(p.data, "HELLO", 5);
	n = unhex(vector_segment, want, sizeof(want));
	assert_int_equal(segment_close(k.b, iv, &p, d), n);
	assert_memory_equal(d, want, n);
	memset(&q, 0, sizeof(q));
	assert_true(segment_open(k.b, want, n, &q));
	assert_int_equal(q.tick, 1000);
	assert_int_equal(q.seq, 1);
	assert_int_equal(q.n, 5);
	assert_memory_equal(q.data, "HELLO", 5);
}

/* --- connecting ------------------------------------------------------------------------------------------- */

static void test_request(void **state)
{
	struct world w;
	struct slice d;
	uint8_t init[20];

	(void)state;
	world_init(&w);
	assert_int_equal(rudp_state(w.client), RUDP_CONNECTING);
	assert_true(rudp_deadline(w.client) <= w.now);
	for (unsigned i = 0; i < 60; i++) {
		assert_true(rudp_output(w.client, &d, w.now));
		assert_int_equal(d.n, 39);
		if (i == 0)
			memcpy(init, d.p, 20);
		assert_memory_equal(init, d.p, 20);
		assert_false(rudp_output(w.client, &d, w.now + 199));
		rudp_tick(w.client, w.now + 199);
		assert_int_equal(rudp_deadline(w.client), w.now + 200);
		w.now += 200;
	}
	rudp_tick(w.client, w.now);
	assert_int_equal(rudp_state(w.client), RUDP_CLOSED);
	assert_int_equal(rudp_fault(w.client)->err, VE_TIMEOUT);
	assert_false(rudp_output(w.client, &d, w.now));
	assert_true(rudp_deadline(w.client) == UINT64_MAX);
	assert_int_equal(rudp_write(w.client, init, 1), 0);
	world_fini(&w);
}

static void test_open(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(rudp_write(w.client, (const uint8_t *)"hello", 5), 5);
	for (unsigned i = 0; i < 100; i++)
		step(&w);
	assert_int_equal(w.server.requests, 1);
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	assert_int_equal(w.server.ka_answers, 0); /* there was something better to say */
	assert_int_equal(w.server.got.n, 13);
	assert_memory_equal(w.server.got.p + 8, "hello", 5);
	add(&w.server.out, "world", 5);
	for (unsigned i = 0; i < 30; i++)
		step(&w);
	client_read(&w);
	assert_int_equal(w.got.n, 5);
	assert_memory_equal(w.got.p, "world", 5);
	world_fini(&w);
}

/* --- the stream ------------------------------------------------------------------------------------------- */

static uint8_t pattern(size_t i, unsigned salt)
{
	return (uint8_t)((i * 2654435761u + salt) >> 13);
}

static void transfer(size_t total, unsigned loss, unsigned twice, unsigned delay_min, unsigned delay_max)
{
	struct world w;
	uint8_t *all = malloc(total);
	uint64_t limit;

	assert_non_null(all);
	world_init(&w);
	w.loss = loss;
	w.twice = twice;
	w.delay_min = delay_min;
	w.delay_max = delay_max;
	for (size_t i = 0; i < total; i++)
		all[i] = pattern(i, 1);
	add(&w.server.out, all, total);
	for (size_t i = 0; i < total; i++)
		all[i] = pattern(i, 2);
	limit = w.now + 1000000;
	while ((w.got.n < total || w.server.got.n < total + 8) && w.now < limit) {
		size_t n = min_size(total - w.sent, 1 + chance(3000));

		w.sent += rudp_write(w.client, all + w.sent, n);
		step(&w);
		client_read(&w);
		assert_int_not_equal(rudp_state(w.client), RUDP_CLOSED);
	}
	assert_int_equal(w.got.n, total);
	assert_int_equal(w.server.got.n, total + 8);
	assert_memory_equal(w.server.got.p + 8, all, total);
	for (size_t i = 0; i < total; i++)
		assert_int_equal(w.got.p[i], pattern(i, 1));
	world_fini(&w);
	free(all);
}

static void test_clean(void **state)
{
	(void)state;
	transfer(200000, 0, 0, 5, 5);
}

static void test_reordered(void **state)
{
	(void)state;
	transfer(200000, 0, 10, 5, 60);
}

static void test_bad_network(void **state)
{
	(void)state;
	transfer(1000000, 5, 5, 10, 60);
}

static void test_worse_network(void **state)
{
	(void)state;
	transfer(60000, 30, 20, 1, 400);
}

/* Without loss nothing is repeated, whatever the delay. */
static void test_no_needless_repeat(void **state)
{
	struct world w;
	uint8_t b[30000] = { 0 };

	(void)state;
	world_open(&w);
	assert_int_equal(rudp_write(w.client, b, sizeof(b)), sizeof(b));
	for (unsigned i = 0; i < 500; i++)
		step(&w);
	assert_int_equal(w.server.got.n, sizeof(b) + 8);
	assert_int_equal(w.server.repeated, 0);
	world_fini(&w);
}

/* When are the copies of a lone segment sent? */
static void test_intervals(void **state)
{
	struct world w;
	uint64_t at[16], began;
	unsigned n = 0, before;

	(void)state;
	world_open(&w);
	w.delay_min = w.delay_max = 200;
	for (unsigned i = 0; i < 40; i++) { /* a round trip of 400 ms is learned */
		assert_int_equal(rudp_write(w.client, (const uint8_t *)"x", 1), 1);
		for (unsigned j = 0; j < 500; j++)
			step(&w);
	}
	w.cut = true;
	assert_int_equal(rudp_write(w.client, (const uint8_t *)"x", 1), 1);
	began = w.now;
	while (w.now < began + 11000 && n < ARRAY_LEN(at)) {
		before = w.count;
		step(&w);
		if (w.count > before)
			at[n++] = w.now;
	}
	assert_int_equal(n, 5);
	assert_in_range(at[1] - at[0], 470, 490); /* 1.2 round trips, then twice as long each time */
	assert_in_range(at[2] - at[1], 2 * (at[1] - at[0]) - 1, 2 * (at[1] - at[0]) + 1);
	assert_in_range(at[3] - at[2], 4 * (at[1] - at[0]) - 1, 4 * (at[1] - at[0]) + 1);
	assert_in_range(at[4] - at[3], 8 * (at[1] - at[0]) - 1, 8 * (at[1] - at[0]) + 1);
	world_fini(&w);
}

/* A lost segment is repeated when three later ones were acknowledged, long before its time. */
static void test_fast_resend(void **state)
{
	struct world w;
	struct slice d;
	uint64_t began;

	(void)state;
	world_open(&w);
	w.delay_min = w.delay_max = 150;
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(rudp_write(w.client, (const uint8_t *)"x", 1), 1);
		for (unsigned j = 0; j < 400; j++)
			step(&w);
	}
	w.server.got.n = 0;
	assert_int_equal(rudp_write(w.client, (const uint8_t *)"A", 1), 1);
	assert_true(rudp_output(w.client, &d, w.now)); /* lost */
	began = w.now;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rudp_write(w.client, (const uint8_t *)"B", 1), 1);
		client_output(&w);
	}
	while (w.server.got.n < 4 && w.now < began + 2000)
		step(&w);
	assert_memory_equal(w.server.got.p, "ABBB", 4);
	assert_in_range(w.now - began, 450, 455); /* three ways; by the timer it would be 360 + 150 */
	world_fini(&w);
}

/* The reader stops: the window closes, nothing is lost, and it goes on when it reads again. */
static void test_reader_stops(void **state)
{
	struct world w;
	size_t total = RUDP_RECV_MAX + 200000;
	uint64_t limit;

	(void)state;
	world_open(&w);
	for (size_t i = 0; i < total; i++) {
		uint8_t c = pattern(i, 3);

		add(&w.server.out, &c, 1);
	}
	for (unsigned i = 0; i < 30000; i++)
		step(&w);
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	assert_in_range(rudp_peek(w.client).n, RUDP_RECV_MAX - DATA_MAX + 1, RUDP_RECV_MAX);
	assert_true(w.server.out_sent <= RUDP_RECV_MAX + 2 * WINDOW * DATA_MAX);
	limit = w.now + 60000;
	while (w.got.n < total && w.now < limit) {
		client_read(&w);
		step(&w);
	}
	assert_int_equal(w.got.n, total);
	for (size_t i = 0; i < total; i++)
		assert_int_equal(w.got.p[i], pattern(i, 3));
	world_fini(&w);
}

static void test_writer_bounded(void **state)
{
	struct world w;
	uint8_t *b = calloc(1, 2 * RUDP_SEND_MAX);

	(void)state;
	assert_non_null(b);
	world_open(&w);
	assert_int_equal(rudp_room(w.client), RUDP_SEND_MAX);
	assert_int_equal(rudp_write(w.client, b, 0), 0);
	assert_int_equal(rudp_write(w.client, b, 2 * RUDP_SEND_MAX), RUDP_SEND_MAX);
	assert_int_equal(rudp_room(w.client), 0);
	assert_int_equal(rudp_write(w.client, b, 1), 0);
	w.cut = true;
	client_output(&w);
	assert_int_equal(rudp_room(w.client), WINDOW * DATA_MAX); /* not more than the window in flight */
	world_fini(&w);
	free(b);
}

/* --- silence ---------------------------------------------------------------------------------------------- */

static void test_keepalive(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	for (unsigned i = 0; i < 120000; i++)
		step(&w);
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	assert_in_range(w.server.ka_requests, 120000 / 4900, 120000 / 2400);
	assert_int_equal(w.got.n, 0);
	assert_int_equal(w.server.got.n, 8);
	world_fini(&w);
}

static void test_keepalive_answer(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_int_equal(w.server.ka_answers, 0); /* the magic number was waiting */
	server_queue(&w.server, w.server.keys.ka_req, 20);
	for (unsigned i = 0; i < 30; i++)
		step(&w);
	assert_int_equal(w.server.ka_answers, 1);
	assert_int_equal(rudp_peek(w.client).n, 0);
	world_fini(&w);
}

static void test_silence(void **state)
{
	struct world w;
	uint64_t began;

	(void)state;
	world_open(&w);
	w.cut = true;
	began = w.now;
	while (rudp_state(w.client) == RUDP_OPEN && w.now < began + 20000)
		step(&w);
	assert_in_range(w.now - began, 11800, 12000);
	assert_int_equal(rudp_fault(w.client)->err, VE_LOST);
	assert_true(rudp_deadline(w.client) == UINT64_MAX);
	world_fini(&w);
}

/* The server talks but hears nothing: its segments alone do not keep the connection. */
static void test_one_way(void **state)
{
	struct world w;
	uint64_t began;
	uint8_t d[SEGMENT_MAX];

	(void)state;
	world_open(&w);
	began = w.now;
	for (unsigned i = 0; i < 12000 && rudp_state(w.client) == RUDP_OPEN; i++) {
		struct slice out;

		w.now++;
		w.server.tick++;
		rudp_tick(w.client, w.now);
		while (rudp_output(w.client, &out, w.now))
			;
		if (i % 100 == 0) {
			struct plain p = { .seq = w.server.next };

			(void)client_input(&w, d, server_close(&w.server, &p, d));
		}
	}
	assert_int_equal(rudp_state(w.client), RUDP_CLOSED);
	assert_in_range(w.now - began, 11800, 12000);
	world_fini(&w);
}

/* --- goodbyes --------------------------------------------------------------------------------------------- */

static void test_close(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	assert_int_equal(rudp_write(w.client, (const uint8_t *)"bye", 3), 3);
	rudp_close(w.client, w.now);
	assert_int_equal(rudp_state(w.client), RUDP_CLOSED);
	assert_int_equal(rudp_fault(w.client)->err, VE_CANCELED);
	assert_true(rudp_deadline(w.client) <= w.now);
	w.count = 0;
	for (unsigned i = 0; i < 100; i++)
		step(&w);
	assert_int_equal(w.count, 6);
	assert_int_equal(w.server.goodbyes, 5);
	assert_memory_equal(w.server.got.p + 8, "bye", 3);
	assert_true(rudp_deadline(w.client) == UINT64_MAX);
	rudp_close(w.client, w.now);
	client_output(&w);
	assert_int_equal(w.count, 6);
	world_fini(&w);
}

static void test_close_early(void **state)
{
	struct world w;
	struct slice d;

	(void)state;
	world_init(&w);
	rudp_close(w.client, w.now);
	assert_int_equal(rudp_state(w.client), RUDP_CLOSED);
	assert_false(rudp_output(w.client, &d, w.now));
	world_fini(&w);
}

static void test_server_goodbye(void **state)
{
	struct world w;
	struct plain p = { 0 };
	uint8_t d[SEGMENT_MAX];
	struct slice out;

	(void)state;
	world_open(&w);
	add(&w.server.out, "last words", 10);
	for (unsigned i = 0; i < 30; i++)
		step(&w);
	p.seq = w.server.magic ^ 1;
	assert_true(client_input(&w, d, server_close(&w.server, &p, d)));
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	p.seq = w.server.magic;
	assert_true(client_input(&w, d, server_close(&w.server, &p, d)));
	assert_int_equal(rudp_state(w.client), RUDP_CLOSED);
	assert_int_equal(rudp_fault(w.client)->err, VE_EOF);
	assert_false(client_input(&w, d, server_close(&w.server, &p, d)));
	assert_false(rudp_output(w.client, &out, w.now));
	client_read(&w);
	assert_memory_equal(w.got.p, "last words", 10);
	assert_false(rudp_output(w.client, &out, w.now));
	world_fini(&w);
}

/* --- hostile datagrams ------------------------------------------------------------------------------------ */

static void test_truncated(void **state)
{
	struct plain p = { .nack = 3, .n = 100 };
	struct world w;
	uint8_t d[SEGMENT_MAX];
	size_t n;

	(void)state;
	world_open(&w);
	w.server.nack = 3;
	p.seq = w.server.next;
	n = server_close(&w.server, &p, d);
	for (size_t i = 0; i < n; i++)
		assert_false(client_input(&w, d, i));
	for (size_t i = 0; i < n; i++) { /* and every byte wrong */
		d[i] ^= 0x40;
		assert_false(client_input(&w, d, n));
		d[i] ^= 0x40;
	}
	assert_false(client_input(&w, d, n + 1));
	assert_int_equal(rudp_peek(w.client).n, 0);
	assert_true(client_input(&w, d, n));
	assert_int_equal(rudp_peek(w.client).n, 100);
	assert_true(client_input(&w, d, n)); /* a replay is valid and changes nothing */
	assert_int_equal(rudp_peek(w.client).n, 100);
	world_fini(&w);
}

/* Every body length with a right sign: nothing is read that is not there. */
static void test_short_bodies(void **state)
{
	struct world w;
	uint8_t d[SEGMENT_MAX + 200], body[1500];

	(void)state;
	world_open(&w);
	for (size_t n = 1; n <= 600; n++) {
		struct plain p = { .tick = w.server.tick, .nack = (uint32_t)n % 70, .pad = 1 + (unsigned)n % 9, .seq = n };
		size_t whole = put_body(&p, body);

		memcpy(d + 40, body, min_size(n, whole));
		if (n > whole)
			memset(d + 40 + whole, 3, n - whole);
		d[39 + n] = (uint8_t)p.pad;
		random_lcg(NULL, d + 20, 20);
		close_body(w.server.keys.a, d, n);
		(void)client_input(&w, d, 40 + n);
		w.now++;
	}
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	world_fini(&w);
}

static bool give(struct world *w, const struct plain *p)
{
	uint8_t d[2048], iv[20];

	random_lcg(NULL, iv, 20);
	return client_input(w, d, segment_close(w->server.keys.a, iv, p, d));
}

static void test_bounds(void **state)
{
	struct world w;
	struct plain p;
	uint8_t d[2048];

	(void)state;
	world_open(&w);
	p = (struct plain){ .tick = w.server.tick, .seq = w.server.next, .n = DATA_MAX + 1, .pad = 1 };
	assert_false(give(&w, &p)); /* data too long */
	p.n = DATA_MAX;
	p.nack = 65;
	assert_false(give(&w, &p)); /* too many acknowledgements */
	p.nack = UINT32_MAX;
	assert_false(give(&w, &p));
	p.nack = 64;
	p.pad = 255;
	assert_true(give(&w, &p)); /* the largest there is */
	assert_int_equal(rudp_peek(w.client).n, DATA_MAX);
	p = (struct plain){ .tick = w.server.tick, .seq = w.server.next + 65, .n = 1, .pad = 1 };
	assert_true(give(&w, &p)); /* beyond the window: nothing to acknowledge */
	p.seq = UINT64_MAX;
	assert_true(give(&w, &p));
	p.seq = 0;
	assert_true(give(&w, &p));
	assert_int_equal(rudp_peek(w.client).n, DATA_MAX);
	p.seq = w.server.next + 64;
	assert_true(give(&w, &p)); /* the last of the window */
	p.echo = w.now + 100000;
	assert_false(give(&w, &p)); /* an echo from the future */
	p.echo = 0;
	p.max_ack = UINT64_MAX;
	assert_true(give(&w, &p)); /* acknowledges what was never sent */
	/* padding: 0, and longer than the body */
	for (unsigned pad = 0; pad < 256; pad += 255) {
		size_t n;

		p = (struct plain){ .tick = w.server.tick, .seq = w.server.next + 1, .n = 1, .pad = 1 };
		n = put_body(&p, d + 40);
		d[39 + n] = (uint8_t)pad;
		close_body(w.server.keys.a, d, n);
		assert_false(client_input(&w, d, 40 + n));
	}
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	assert_int_equal(rudp_write(w.client, (const uint8_t *)"still here", 10), 10);
	w.server.next++;
	w.server.base = w.server.next;
	for (unsigned i = 0; i < 100; i++)
		step(&w);
	assert_memory_equal(w.server.got.p + 8, "still here", 10);
	world_fini(&w);
}

static void test_wrong_keys(void **state)
{
	struct world w;
	struct plain p = { .pad = 1 };
	uint8_t d[SEGMENT_MAX], iv[20] = { 0 };

	(void)state;
	world_open(&w);
	p.seq = w.server.magic; /* our own segments come back */
	assert_false(client_input(&w, d, segment_close(w.server.keys.b, iv, &p, d)));
	assert_false(client_input(&w, w.last, w.last_n));
	assert_int_equal(rudp_state(w.client), RUDP_OPEN);
	world_fini(&w);
}

/* What is forged before the first segment does not open anything. */
static void test_connecting_noise(void **state)
{
	struct world w;
	uint8_t d[SEGMENT_MAX];

	(void)state;
	world_init(&w);
	client_output(&w);
	for (size_t n = 0; n < sizeof(d); n++) {
		random_lcg(NULL, d, n);
		assert_false(client_input(&w, d, n));
	}
	assert_false(client_input(&w, w.last, w.last_n));
	assert_int_equal(rudp_state(w.client), RUDP_CONNECTING);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_bad_network),
		cmocka_unit_test(test_worse_network),
		cmocka_unit_test(test_no_needless_repeat),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_fast_resend),
		cmocka_unit_test(test_reader_stops),
		cmocka_unit_test(test_writer_bounded),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_keepalive_answer),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_close_early),
		cmocka_unit_test(test_server_goodbye),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_short_bodies),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_wrong_keys),
		cmocka_unit_test(test_connecting_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
