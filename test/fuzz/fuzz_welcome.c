/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_welcome.c - any bytes as the server's answers: Hello, Welcome, redirect, another connection's; and as one
 * compressed frame. The first byte says what was asked for. */
#include <stdint.h>
#include <string.h>

#include "core/softether/se_login.h"
#include "core/softether/se_zip.h"
#include "test/support/fuzz.h"

static bool is_text(const char *s, size_t cap)
{
	return memchr(s, '\0', cap) != NULL;
}

static void check_welcome(const struct se_welcome *w, const struct se_login_terms *t)
{
	MUST(is_text(w->session_name, sizeof(w->session_name)));
	MUST(is_text(w->connection_name, sizeof(w->connection_name)));
	MUST(w->max_connection >= 1 && w->max_connection <= SESSION_CHANNELS_MAX);
	MUST(w->max_connection <= t->max_connection || w->udp_recovery);
	MUST(w->timeout_ms >= SE_TIMEOUT_MIN_MS && w->timeout_ms <= SE_TIMEOUT_MAX_MS);
	MUST(!w->compress || t->compress);
	MUST(!w->half_connection || t->half_connection);
	MUST(!w->udp_recovery || t->rudp);
	MUST(!w->has_bulk || (t->rudp && (w->bulk_key_size == 20 || w->bulk_key_size == 32)));
	if (w->has_udp) {
		MUST(t->udp && w->udp.version >= t->udp->min_version && w->udp.version <= t->udp->max_version);
		MUST(w->udp.our_cookie != 0 && w->udp.their_cookie != 0 && w->udp.primary.port != 0);
		MUST(w->udp.primary.ip.family == t->udp->local.ip.family);
		MUST(w->udp.secondary.ip.family == IP_NONE || w->udp.secondary.ip.family == w->udp.primary.ip.family);
	}
}

static void check_redirect(const struct se_redirect *to)
{
	MUST(to->to.ip.family == IP_V4 && to->to.port != 0);
	MUST(to->to.ip.b[0] != 0 && to->to.ip.b[0] != 127 && to->to.ip.b[0] < 224);
}

static void read_answers(const struct se_pack *p, unsigned asked)
{
	static const struct wire_facts wire = {
		.port = 443,
		.local = { .ip = { IP_V4, { 192, 0, 2, 7 } }, .port = 50000 },
		.peer = { .ip = { IP_V4, { 192, 0, 2, 1 } }, .port = 443 },
	};
	const struct se_udp_offer offer = { .min_version = asked & 16 ? 1 : 2, .max_version = 2, .local = wire.local };
	const struct se_login_terms terms = {
		.max_connection = 1 + asked % 8,
		.compress = asked & 32,
		.half_connection = asked & 64,
		.rudp = asked & 128,
		.udp = asked & 8 ? &offer : NULL,
	};
	enum se_direction direction;
	struct se_redirect redirect;
	struct se_welcome welcome;
	struct se_hello hello;
	struct fault f = { 0 };

	if (se_hello_read(p, &hello, &f) == 0)
		MUST(is_text(hello.product, sizeof(hello.product)));
	if (se_welcome_read(p, &terms, &wire, &welcome, &f) == 0)
		check_welcome(&welcome, &terms);
	if (se_redirect_read(p, &wire, &redirect, &f) == 0)
		check_redirect(&redirect);
	if (se_additional_read(p, terms.half_connection, &direction, &f) == 0)
		MUST((direction != SE_BOTH_WAYS) == terms.half_connection);
}

/* What inflates, deflates to something that inflates to it. */
static void read_frame(struct slice in)
{
	uint8_t frame[FRAME_MAX], again[FRAME_MAX], zip[SE_ZIP_MAX];
	struct slice got, back;
	struct se_zip *z;
	size_t n;

	if (se_zip_new(&z) != 0)
		return;
	if (se_zip_inflate(z, in, frame, &got) == 0) {
		MUST(got.n >= 1 && got.n <= FRAME_MAX);
		n = se_zip_deflate(z, &got, 1, zip);
		MUST(n > 0 && se_zip_inflate(z, (struct slice){ zip, n }, again, &back) == 0);
		MUST(back.n == got.n && memcmp(again, frame, got.n) == 0);
	}
	se_zip_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = { 0 };
	struct se_pack p;

	if (size == 0)
		return 0;
	if (se_pack_parse(&p, (struct slice){ data + 1, size - 1 }, &f) == 0)
		read_answers(&p, data[0]);
	read_frame((struct slice){ data + 1, size - 1 });
	return 0;
}
