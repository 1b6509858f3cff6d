/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_socks5.c - the SOCKS5 machine with any bytes in any pieces.
 *
 * Input: one byte how to cut (0: not at all; else pieces of 1..7 bytes, by a generator it seeds), one byte for the outcome
 * of a request (bit 6: user "u" and password "p" are wanted), then the client's bytes. Checked: cutting changes nothing, no
 * more is taken than was given, what is sent is well-formed, a destination is one. */
#include "test/fuzz/fuzz_socks.inc.h"

static void drain(struct socks5 *s, struct result *r)
{
	struct slice tx = socks5_tx_peek(s);

	keep_sent(r, tx);
	socks5_tx_consume(s, tx.n);
}

static void finish(struct socks5 *s, struct result *r, uint8_t outcome)
{
	const struct endpoint local = {
		.ip = { .family = outcome & 1 ? IP_V6 : IP_V4, .b = { 10, outcome } }, .port = outcome
	};
	enum socks_event ev;
	size_t taken = 1;

	if (r->event == SOCKS_MORE || r->event == SOCKS_REFUSED)
		return;
	check_dest(&s->dest, r->event == SOCKS_CONNECT);
	r->dest = s->dest;
	if (r->event == SOCKS_BIND && outcome % 4 < 2)
		socks5_bound(s, &local);
	else if (r->event == SOCKS_BIND)
		outcome |= 128; /* no success without the first reply */
	if (outcome < 128)
		socks5_connected(s, &local);
	else
		socks5_failed(s, -(outcome - 128));
	drain(s, r);
	ev = socks5_input(s, (struct slice){ local.ip.b, 1 }, &taken);
	MUST(ev == (outcome < 128 ? SOCKS_MORE : SOCKS_REFUSED));
	MUST(taken == 0);
}

static void run(struct result *r, const uint8_t *p, size_t n, uint32_t seed, uint8_t outcome)
{
	struct proxy_auth auth;
	struct socks5 s;
	size_t seen = 0; /* how much of the input has arrived */

	*r = (struct result){ .event = SOCKS_MORE };
	MUST(proxy_auth_set(&auth, "u", "p") == 0);
	socks5_init(&s, outcome & 64 ? &auth : NULL);
	while (r->event == SOCKS_MORE && seen < n) {
		size_t taken = SIZE_MAX;

		seen += next_piece(&seed, n - seen);
		r->event = socks5_input(&s, (struct slice){ p + r->taken, seen - r->taken }, &taken);
		MUST(taken <= seen - r->taken);
		r->taken += taken;
		if (r->event == SOCKS_MORE)
			MUST(seen - r->taken < SOCKS5_MESSAGE_MAX); /* so much space is always enough */
		drain(&s, r);
	}
	finish(&s, r, outcome);
}

/* Step over one reply; it is well-formed. */
static size_t reply_length(const uint8_t *p, size_t n)
{
	MUST(n >= 10 && p[0] == 5 && p[1] <= 8 && p[2] == 0 && (p[3] == 1 || (p[3] == 4 && n >= 22)));
	return p[3] == 1 ? 10 : 22;
}

static void check_sent(const struct result *r, bool auth)
{
	size_t at = 2;

	if (r->ntx == 0)
		return;
	MUST(r->ntx >= 2 && r->tx[0] == 5);
	MUST(r->tx[1] == (auth ? 2 : 0) || (r->tx[1] == 0xff && r->ntx == 2));
	if (auth && r->ntx > 2) {
		MUST(r->ntx >= 4 && r->tx[2] == 1 && (r->tx[3] == 0 || (r->tx[3] == 1 && r->ntx == 4)));
		at = 4;
	}
	for (unsigned i = 0; at < r->ntx; i++) {
		MUST(i < 2);
		at += reply_length(r->tx + at, r->ntx - at);
	}
	MUST(at == r->ntx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, cut;

	if (size < 2)
		return 0;
	run(&whole, data + 2, size - 2, 0, data[1]);
	run(&cut, data + 2, size - 2, data[0], data[1]);
	check_sent(&whole, data[1] & 64);
	check_same(&whole, &cut);
	return 0;
}
