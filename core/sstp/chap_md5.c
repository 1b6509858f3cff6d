/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chap_md5.c - one MD5 in CHAP's packets. The verdict is the server's word; there is nothing to check it
 * with. */
#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/md5.h>

#include "core/sstp/chap_md5.h"

#include <stdlib.h>

#include "core/sstp/chap.h"
#include "core/sstp/ppp_proto.h"

int chap_md5_value(uint8_t ret[static CHAP_MD5_VALUE], uint8_t id, const char *password,
		   struct slice challenge)
{
	wc_Md5 h;
	int r = wc_InitMd5(&h);

	if (r == 0)
		r = wc_Md5Update(&h, &id, 1);
	if (r == 0)
		r = wc_Md5Update(&h, (const byte *)password, (word32)strlen(password));
	if (r == 0)
		r = wc_Md5Update(&h, challenge.p, (word32)challenge.n);
	if (r == 0)
		r = wc_Md5Final(&h, ret);
	wc_Md5Free(&h);
	wipe(&h, sizeof(h));
	return r == 0 ? 0 : VE_NOMEM;
}

static int respond(struct chap *c, uint8_t id, struct slice challenge, struct wr *value)
{
	uint8_t digest[CHAP_MD5_VALUE];
	int err = chap_md5_value(digest, id, c->base.account->password, challenge);

	if (!err)
		wr_bytes(value, digest, sizeof(digest));
	return err;
}

static void on_success(struct chap *c, struct slice text)
{
	(void)text;
	c->base.state = AUTH_OK;
}

static void on_failure(struct chap *c, struct slice text)
{
	auth_refused(&c->base, text);
}

static const struct chap_algorithm algorithm = {
	.challenge_min = 1,
	.challenge_max = CHAP_CHALLENGE_MAX,
	.respond = respond,
	.success = on_success,
	.failure = on_failure,
};

static int create(struct auth **ret, const struct auth_account *account, const struct session_env *env)
{
	struct chap *c = calloc(1, sizeof(*c));

	if (!c)
		return VE_NOMEM;
	chap_init(c, &chap_md5_auth_ops, &algorithm, account, env);
	*ret = &c->base;
	return 0;
}

static void destroy(struct auth *a)
{
	struct chap *c = (struct chap *)a;

	chap_fini(c);
	free(c);
}

const struct auth_ops chap_md5_auth_ops = {
	.methods = AUTH_CHAP,
	.name = "CHAP-MD5",
	.protocol = PPP_CHAP,
	.lcp = { PPP_CHAP >> 8, PPP_CHAP & 0xff, 0x05 },
	.lcp_len = 3,
	.reveals = true,
	.create = create,
	.destroy = destroy,
	.start = chap_start,
	.input = chap_input,
	.tick = chap_tick,
};
