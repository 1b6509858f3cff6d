/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auth.c - what all methods share: their first state, and the words for a refusal. */
#include "core/sstp/auth.h"

#include "core/sstp/printable.h"

const char auth_waits_verdict[] =
	"its verdict on our login (721: its authentication server may be slow or down)";

void auth_init(struct auth *a, const struct auth_ops *ops, const struct auth_account *account,
	       const struct session_env *env, const char *waiting)
{
	*a = (struct auth){ .ops = ops, .account = account, .env = env, .waiting = waiting };
	a->deadline = UINT64_MAX;
}

static bool is_ascii(const char *s)
{
	while (*s && (unsigned char)*s < 0x80)
		s++;
	return *s == '\0';
}

const char *auth_wrong_password_hint(const struct auth_account *account)
{
	if (!is_ascii(account->password))
		return "check both; some servers (SoftEther 4) only understand passwords in plain ASCII";
	if (!strpbrk(account->user, "@\\"))
		return "check both; some servers want USER@HUB (SoftEther) or DOMAIN\\USER (Windows)";
	return "check both, and the domain or hub";
}

void auth_refused(struct auth *a, struct slice text)
{
	char words[SSTP_TEXT_MAX / 2];

	printable(words, sizeof(words), text);
	a->state = AUTH_FAILED;
	fault_set_final(&a->fault, VE_AUTH,
			"login as \"%s\" refused, error 691: user name or password wrong%s%s%s; %s",
			a->account->user, words[0] ? " (the server says: " : "", words, words[0] ? ")" : "",
			auth_wrong_password_hint(a->account));
}
