/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_tls.c - a TLS client that is told anything.
 *
 * The first byte chooses the client: bits 0-1 the oldest version, bit 2 pins instead of --insecure, bits
 * 3-7 the size of the pieces the rest arrives in. Our half of the key exchange is random and unknown to
 * whoever made the input, so no input may get through a handshake: that is checked. (The randomness is
 * wolfSSL's, so runs differ in keys, not in paths.) */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/tls.h"
#include "core/trust.h"
#include "test/support/fuzz.h"

static void no_log(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

/* Everything a caller may do, at any time. Returns whether the client still wants to hear more. */
static bool use(struct tls *s)
{
	uint8_t buf[64] = "GET / HTTP/1.1\r\n\r\n";
	size_t n = 0;
	int err = tls_handshake(s);

	MUST(err != 0);
	MUST(err == VE_AGAIN || err == tls_fault(s)->err);
	MUST(tls_write(s, buf, sizeof(buf), &n) == err && n == 0);
	MUST(tls_read(s, buf, sizeof(buf), &n) == err && n == 0);
	n = tls_out_peek(s).n;
	tls_out_consume(s, n / 2);
	return err == VE_AGAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum tls_version versions[] = { TLS_MIN_1_0, TLS_MIN_1_1, TLS_MIN_1_2, TLS_MIN_1_3 };
	struct trust_conf conf = { .insecure = true };
	struct fault f = { 0 };
	struct trust *t;
	struct tls *s;
	size_t step;

	if (size == 0)
		return 0;
	log_set_sink(no_log, NULL);
	conf.tls_min = versions[data[0] & 3];
	conf.npins = data[0] >> 2 & 1;
	step = (data[0] >> 3) == 0 ? size : (size_t)(data[0] >> 3) * 7;
	MUST(trust_new(&t, &conf, &f) == 0);
	MUST(tls_new(&s, t, "vpn.example.com", 443, NULL) == 0);
	use(s);
	for (size_t at = 1; at < size;) {
		size_t room, n = min_size(step, size - at);
		uint8_t *to = tls_in_reserve(s, &room);

		n = min_size(n, room);
		if (n == 0)
			break;
		memcpy(to, data + at, n);
		tls_in_commit(s, n);
		at += n;
		if (!use(s))
			break;
	}
	tls_in_eof(s);
	MUST(!use(s));
	MUST(!use(s));
	tls_shutdown(s);
	tls_free(s);
	trust_free(t);
	log_set_sink(NULL, NULL);
	return 0;
}
