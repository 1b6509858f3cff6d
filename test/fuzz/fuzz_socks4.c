/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_socks4.c - the SOCKS4 machine with any bytes in any pieces.
 *
 * Input: one byte how to cut (0: not at all; else pieces of 1..7 bytes, by a generator it seeds), one byte for the outcome
 * (bit 6: a password is wanted), then the client's bytes. Checked: cutting changes nothing, no more is taken than was
 * given, what is sent is well-formed, a destination is one. */
#include "test/fuzz/fuzz_socks.inc.h"

static void drain(struct socks4 *s, struct result *r)
{
	struct slice tx = socks4_tx_peek(s);

	keep_sent(r, tx);
	socks4_tx_consume(s, tx.n);
}

static void finish(struct socks4 *s, struct result *r, uint8_t outcome)
{
	const struct endpoint at = {
		.ip = { .family = outcome & 1 ? IP_V6 : IP_V4, .b = { 10, outcome } }, .port = outcome
	};
	bool good = outcome < 128;
	size_t taken = 1;

	if (r->event == SOCKS_REFUSED || r->event == SOCKS_MORE)
		return;
	check_dest(&s->dest, r->event == SOCKS_CONNECT);
	r->dest = s->dest;
	if (r->event == SOCKS_BIND && (good || outcome % 2 == 0))
		socks4_bound(s, &at);
	if (good)
		socks4_connected(s, &at);
	else
		socks4_failed(s, -(outcome - 128));
	drain(s, r);
	MUST(socks4_input(s, (struct slice){ at.ip.b, 1 }, &taken) == (good ? SOCKS_MORE : SOCKS_REFUSED));
	MUST(taken == 0);
}

static void run(struct result *r, const uint8_t *p, size_t n, uint32_t seed, uint8_t outcome)
{
	struct socks4 s;
	size_t seen = 0; /* how much of the input has arrived */

	*r = (struct result){ .event = SOCKS_MORE };
	socks4_init(&s, outcome & 64);
	while (r->event == SOCKS_MORE && seen < n) {
		size_t taken = SIZE_MAX;

		seen += next_piece(&seed, n - seen);
		r->event = socks4_input(&s, (struct slice){ p, seen }, &taken);
		MUST(taken <= seen);
		r->taken = taken;
		if (r->event == SOCKS_MORE)
			MUST(taken == 0 && seen < SOCKS4_MESSAGE_MAX); /* so much space is always enough */
		drain(&s, r);
	}
	finish(&s, r, outcome);
}

static void check_sent(const struct result *r)
{
	MUST(r->ntx == 0 || r->ntx == 8 || r->ntx == 16);
	MUST((r->ntx == 0) == (r->event == SOCKS_MORE));
	for (size_t at = 0; at < r->ntx; at += 8)
		MUST(r->tx[at] == 0 && (r->tx[at + 1] == 90 || (r->tx[at + 1] == 91 && at + 8 == r->ntx)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, cut;

	if (size < 2)
		return 0;
	run(&whole, data + 2, size - 2, 0, data[1]);
	run(&cut, data + 2, size - 2, data[0], data[1]);
	check_sent(&whole);
	check_same(&whole, &cut);
	return 0;
}
