/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_ppp_auth.c - the ways to log in, each against a server that says anything, and the texts they read.
 *
 * Input: a byte for the method (0 MS-CHAPv2, 1 CHAP-MD5, 2 PAP, 3 texts only) and the account, then steps: a byte of
 * time, a byte of length, a packet. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/sstp/chap_md5.h"
#include "core/sstp/mschapv2.h"
#include "core/sstp/pap.h"
#include "core/sstp/printable.h"
#include "core/utf8.h"
#include "test/support/fuzz.h"

static const struct auth_ops *const methods[] = { &mschapv2_auth_ops, &chap_md5_auth_ops, &pap_auth_ops };

static const struct auth_account accounts[] = {
	{ .user = "alice", .password = "secret" },
	{ .user = "alice@TEST", .password = "secret" },
	{ .user = "CONTOSO\\m\303\241ra", .password = "P\303\244ssw0rd!\342\202\254\360\237\230\200" },
	{ .user = "x", .password = "\377\001\t\200" },
};

static void give_random(void *ctx, void *to, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = (uint8_t)i;
}

static void check_fault(const struct fault *f)
{
	MUST(f->err < 0 && f->text[0] != '\0' && strlen(f->text) < sizeof(f->text));
	for (const char *p = f->text; *p; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void check_text(const struct auth_account *account, const uint8_t *p, size_t n)
{
	const struct slice text = { .p = p, .n = n };
	struct mschapv2 m = { 0 };
	struct fault f = { 0 };
	char buf[40];

	mschapv2_explain_failure(&f, account, text);
	check_fault(&f);
	MUST(f.final && f.err == VE_AUTH);
	(void)mschapv2_success_proves(text, &m);
	printable(buf, 1 + n % sizeof(buf), text);
	MUST(strlen(buf) < 1 + n % sizeof(buf) && utf8_is_text(buf, strlen(buf)));
}

static void check_out(const struct auth *a, const struct wr *out)
{
	MUST(wr_ok(out));
	if (out->n > 0)
		MUST(out->n >= 4 && load_be16(out->p + 2) == out->n && out->p[0] == (a->ops == &pap_auth_ops ? 1 : 2));
	if (a->state == AUTH_FAILED)
		check_fault(&a->fault);
	MUST(a->waiting[0] != '\0');
}

static void pass_time(struct auth *a, uint64_t *now, uint64_t ms)
{
	uint64_t end = *now + ms;

	for (unsigned ticks = 0; a->deadline <= end; ticks++) {
		uint8_t buf[PPP_AUTH_PACKET_MAX];
		struct wr out = wr_init(buf, sizeof(buf));

		MUST(ticks < 100);
		*now = a->deadline;
		a->ops->tick(a, *now, &out);
		check_out(a, &out);
	}
	*now = end;
}

static void run(const struct auth_ops *ops, const struct auth_account *account, const uint8_t *p, size_t n)
{
	const struct session_env env = { .random = give_random };
	uint8_t buf[PPP_AUTH_PACKET_MAX];
	struct wr out = wr_init(buf, sizeof(buf));
	struct auth *a;
	uint64_t now = 0;

	MUST(ops->create(&a, account, &env) == 0);
	ops->start(a, now, &out);
	check_out(a, &out);
	while (n >= 2) {
		size_t len = p[1] < n - 2 ? p[1] : n - 2;
		uint8_t *block = malloc(len ? len : 1);

		MUST(block != NULL);
		memcpy(block, p + 2, len);
		pass_time(a, &now, p[0] * 100u);
		out = wr_init(buf, sizeof(buf));
		ops->input(a, (struct slice){ .p = block, .n = len }, now, &out);
		check_out(a, &out);
		free(block);
		p += 2 + len;
		n -= 2 + len;
	}
	pass_time(a, &now, 100000);
	ops->destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct auth_account *account;

	if (size == 0)
		return 0;
	account = &accounts[data[0] >> 2 & 3];
	if ((data[0] & 3) < 3)
		run(methods[data[0] & 3], account, data + 1, size - 1);
	else
		check_text(account, data + 1, size - 1);
	return 0;
}
