/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_natt.c - answers of the rendezvous service: a list of sizes and bytes. Our number is "aaaaaaaa". */
#include <stdint.h>
#include <string.h>

#include "core/rd.h"
#include "core/softether/natt.h"
#include "core/softether/se_cipher.h"
#include "test/support/fuzz.h"

static void random_fixed(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0x61, n);
}

static const struct session_env env = { .random = random_fixed };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip ip = { IP_V4, { 192, 0, 2, 1 } };
	struct rd in = rd_init(data, size);
	uint64_t now = 1000;
	unsigned sent = 0;
	struct natt n;

	natt_init(&n, &ip, "vpn.example", &env, now);
	for (unsigned steps = 0; steps < 64 && rd_left(&in) >= 2; steps++) {
		struct rd sub = rd_sub(&in, min_size(rd_u16(&in), rd_left(&in)));
		struct slice d;

		while (natt_output(&n, &d, now))
			MUST(++sent <= 16 && d.n > 0 && d.n <= NATT_REQUEST_MAX);
		natt_input(&n, rd_rest(&sub), now);
		now += 200;
		natt_tick(&n, now);
		MUST(!n.found || (n.over && n.at.port != 0 && se_may_send_to(&n.at.ip, false)));
		MUST(!n.over || n.found == (n.fault.err == 0));
	}
	return 0;
}
