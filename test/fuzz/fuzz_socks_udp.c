/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_socks_udp.c - the header of a SOCKS5 datagram: any bytes. Checked: what is accepted is a destination and a payload
 * inside the input, what is refused touches nothing, and an address goes through socks_udp_header() and back unchanged. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/err.h"
#include "socks/socks_udp.h"
#include "test/support/fuzz.h"

static void check_round_trip(const struct dest *d, struct slice payload, const uint8_t *in)
{
	const struct endpoint from = { .ip = d->ip, .port = d->port };
	uint8_t header[SOCKS_UDP_HEADER_MAX];
	size_t n = socks_udp_header(header, &from);

	MUST(n == (d->ip.family == IP_V6 ? 22 : 10));
	if (in[3] != 3) /* a literal address in a name is written as an address */
		MUST(payload.p == in + n && memcmp(header, in, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dest d = { .port = 77 };
	struct slice payload = { 0 };
	int err = socks_udp_parse((struct slice){ data, size }, &d, &payload);

	if (err != 0) {
		MUST(err == VE_PROTO || err == VE_LIMIT);
		MUST(d.port == 77 && payload.p == NULL);
		MUST(err != VE_LIMIT || (size > 3 && data[2] != 0));
		return 0;
	}
	MUST(data[0] == 0 && data[1] == 0 && data[2] == 0 && d.port != 0);
	MUST(payload.p + payload.n == data + size);
	MUST((d.ip.family == IP_NONE) == (d.name[0] != '\0'));
	if (d.ip.family != IP_NONE)
		check_round_trip(&d, payload, data);
	return 0;
}
