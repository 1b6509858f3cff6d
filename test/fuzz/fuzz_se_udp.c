/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_se_udp.c - UDP acceleration, version 1 and 2, fed with datagrams as they are and with inner packets that are sealed
 * on the way, so that the fuzzer gets past the cipher. The input is a list of steps: what, size, bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/rd.h"
#include "core/softether/se_cipher.h"
#include "core/softether/se_udp.h"
#include "test/support/fuzz.h"

static volatile uint8_t sink;

static void random_zero(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0x33, n);
}

static const struct session_env env = { .random = random_zero };

struct bench {
	struct se_udp *u;
	struct se_udp_terms t;
	uint64_t now;
};

static void input(struct bench *b, const struct endpoint *from, struct slice d)
{
	struct slice frame;
	bool z;
	int r = se_udp_input(b->u, from, d, &frame, &z, b->now);

	MUST(r <= 1);
	if (r != 1)
		return;
	MUST(frame.n >= 1 && frame.n <= FRAME_MAX);
	for (size_t i = 0; i < frame.n; i++)
		sink = frame.p[i];
}

/* @inner becomes what a server would have sent. */
static void input_sealed(struct bench *b, const struct endpoint *from, struct slice inner)
{
	size_t head = b->t.version == 2 ? SE_AEAD_NONCE : SHA1_SIZE, n = head + inner.n + SHA1_SIZE;
	uint8_t *d = calloc(1, n);

	MUST(d != NULL);
	if (inner.n > 0)
		memcpy(d + head, inner.p, inner.n);
	if (b->t.version == 2) {
		n -= SHA1_SIZE - SE_AEAD_TAG;
		(void)se_aead_seal(b->t.their_key2, d, d + head, inner.n);
	} else {
		(void)se_rc4(b->t.their_key1, d, d + head, n - head);
	}
	input(b, from, (struct slice){ d, n });
	free(d);
}

static void keepalives(struct bench *b)
{
	uint8_t d[SE_UDP_DATAGRAM_MAX];
	struct endpoint to;
	unsigned count = 0;
	size_t n;

	while ((n = se_udp_keepalive(b->u, d, &to, b->now)) > 0) {
		MUST(++count <= 9 && n <= sizeof(d));
		MUST(to.port != 0 && se_may_send_to(&to.ip, false) && to.ip.family == b->t.primary.ip.family);
	}
	MUST(se_udp_deadline(b->u) > b->now);
}

static void seal(struct bench *b, struct slice frame)
{
	uint8_t d[SE_UDP_DATAGRAM_MAX];
	struct endpoint to;
	size_t n = se_udp_seal(b->u, &frame, 1, false, d, &to, b->now);

	MUST(n <= sizeof(d) && (n > 0 || frame.n == 0 || frame.n > FRAME_MAX));
	MUST(n == 0 || se_may_send_to(&to.ip, false));
}

static void nat(struct bench *b, struct slice s)
{
	struct rd in = rd_init(s.p, s.n);
	uint16_t port = rd_u16(&in);
	struct ip ip = { .family = rd_u8(&in) & 1 ? IP_V6 : IP_V4 };

	rd_copy(&in, ip.b, sizeof(ip.b));
	se_udp_their_nat(b->u, port, &ip);
}

static void step(struct bench *b, uint8_t what, struct slice s)
{
	struct endpoint from = { .ip = { IP_V4, { 198, 51, 100, what } }, .port = 40000 };

	switch (what & 7) {
	case 0:
		input(b, &from, s);
		break;
	case 1:
	case 2:
		input_sealed(b, &from, s);
		break;
	case 3:
		seal(b, s);
		break;
	case 4:
		nat(b, s);
		break;
	default:
		b->now += 100u * what;
		break;
	}
	(void)se_udp_ready(b->u, b->now);
	keepalives(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bench b = { .now = 1000 };
	struct rd in = rd_init(data, size);

	b.t = (struct se_udp_terms){ .version = 1 + (rd_u8(&in) & 1u), .our_cookie = 0x61626364, .their_cookie = 1 };
	b.t.fast = size % 2 != 0;
	b.t.primary = (struct endpoint){ .ip = { IP_V4, { 192, 0, 2, 1 } }, .port = 40000 };
	MUST(se_udp_new(&b.u, &b.t, &env, b.now) == 0);
	for (unsigned steps = 0; steps < 64 && rd_left(&in) >= 3; steps++) {
		uint8_t what = rd_u8(&in);
		size_t n = rd_u16(&in);
		struct rd sub = rd_sub(&in, min_size(n, rd_left(&in)));

		step(&b, what, rd_rest(&sub));
	}
	se_udp_free(b.u);
	return 0;
}
