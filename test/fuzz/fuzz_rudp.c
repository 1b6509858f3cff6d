/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_rudp.c - R-UDP segments and bulk datagrams, as they are and sealed on the way, so that the fuzzer gets past the
 * signs. The input is a list of steps: what, size, bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/rd.h"
#include "core/softether/rudp.h"
#include "core/softether/rudp_bulk.h"
#include "core/softether/se_cipher.h"
#include "test/support/fuzz.h"

static volatile uint8_t sink;

static void touch(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		sink = s.p[i];
}

static void random_fixed(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0x61, n);
}

static const struct session_env env = { .random = random_fixed };

struct bench {
	struct rudp *r;
	struct rudp_bulk bulk[2];
	uint8_t key[SHA1_SIZE]; /* what the server sends with */
	uint64_t now;
};

static void server_key(struct bench *b)
{
	uint8_t init[20];
	struct slice v[] = { { init, 20 }, { (const uint8_t *)"\0\0\0\x08zurukko", 11 } };

	memset(init, 0x61, sizeof(init));
	MUST(hash_sha1(b->key, v, 2) == 0);
}

/* What is left of the cursor as a datagram of its own size: head, then @s. */
static uint8_t *with_head(size_t head, struct slice s, size_t tail)
{
	uint8_t *d = calloc(1, head + s.n + tail);

	MUST(d != NULL);
	if (s.n > 0)
		memcpy(d + head, s.p, s.n);
	return d;
}

static void segment(struct bench *b, struct slice body)
{
	uint8_t *d = with_head(40, body, 0), sign[SHA1_SIZE];
	size_t n = 40 + body.n;

	(void)se_rc4(d + 20, b->key, d + 40, body.n);
	memcpy(d, b->key, 20);
	(void)hash_sha1(sign, &(struct slice){ d, n }, 1);
	memcpy(d, sign, 20);
	(void)rudp_input(b->r, (struct slice){ d, n }, b->now);
	free(d);
}

static void bulk_open(struct rudp_bulk *b, struct slice d)
{
	uint8_t to[RUDP_BULK_DATAGRAM_MAX];
	struct slice frame;
	bool z;

	if (rudp_bulk_open(b, d, to, &frame, &z) != 0)
		return;
	MUST(frame.n >= 1 && frame.n <= FRAME_MAX && frame.p >= to && frame.p + frame.n <= to + sizeof(to));
	touch(frame);
}

static void bulk_sealed(struct rudp_bulk *b, struct slice body)
{
	size_t head = b->version == 2 ? 12 : 40, n = head + body.n + (b->version == 2 ? 16 : 0);
	uint8_t *d = with_head(head, body, 16);

	if (b->version == 2) {
		(void)se_aead_seal(b->recv_key, d, d + 12, body.n);
	} else {
		(void)se_rc4(b->recv_key, d + 20, d + 40, body.n);
		(void)hash_hmac_sha1(d, (struct slice){ b->recv_key, SHA1_SIZE }, (struct slice){ d + 20, n - 20 });
	}
	bulk_open(b, (struct slice){ d, n });
	free(d);
}

static void settle(struct bench *b)
{
	struct slice d;
	unsigned count = 0;

	if (rudp_deadline(b->r) <= b->now)
		rudp_tick(b->r, b->now);
	while (rudp_output(b->r, &d, b->now)) {
		MUST(++count <= 256 && d.n >= 39 && d.n <= 1500);
		touch(d);
	}
	MUST(rudp_deadline(b->r) > b->now);
	MUST(rudp_peek(b->r).n <= RUDP_RECV_MAX && rudp_room(b->r) <= RUDP_SEND_MAX);
	MUST((rudp_state(b->r) == RUDP_CLOSED) == (rudp_fault(b->r)->err != 0));
}

static void step(struct bench *b, uint8_t what, struct slice s)
{
	switch (what & 15) {
	case 0:
		(void)rudp_input(b->r, s, b->now);
		bulk_open(&b->bulk[0], s);
		bulk_open(&b->bulk[1], s);
		break;
	case 1:
	case 2:
	case 3:
		segment(b, s);
		break;
	case 4:
	case 5:
		bulk_sealed(&b->bulk[what & 1], s);
		break;
	case 6:
		MUST(rudp_write(b->r, s.p, s.n) <= s.n);
		break;
	case 7:
		touch(rudp_peek(b->r));
		rudp_consume(b->r, rudp_peek(b->r).n);
		break;
	case 8:
		if (what == 8)
			rudp_close(b->r, b->now);
		break;
	default:
		b->now += 10u * what;
		break;
	}
	settle(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32];
	struct bench b = { .now = 1000 };
	struct rd in = rd_init(data, size);

	MUST(rudp_new(&b.r, &env, b.now) == 0);
	MUST(rudp_bulk_init(&b.bulk[0], (struct slice){ key, 20 }, (struct slice){ key, 20 }, true, &env) == 0);
	MUST(rudp_bulk_init(&b.bulk[1], (struct slice){ key, 32 }, (struct slice){ key, 32 }, true, &env) == 0);
	server_key(&b);
	for (unsigned steps = 0; steps < 64 && rd_left(&in) >= 3; steps++) {
		uint8_t what = rd_u8(&in);
		size_t n = rd_u16(&in);
		struct rd sub = rd_sub(&in, min_size(n, rd_left(&in)));

		step(&b, what, rd_rest(&sub));
	}
	rudp_free(b.r);
	return 0;
}
