/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_dialogue.c - what is said before a session is up (softether-protocol.md 2, 4, 5).
 *
 *     us                                         server
 *     POST connect.cgi "VPNCONNECT"        -->
 *                                          <--   200, PACK hello: product, challenge          SE_HELLO
 *     POST vpn.cgi, PACK login             -->
 *                                          <--   200, PACK welcome, or error, or NOOPs first  SE_LOGIN
 *                                                or redirect: another server, and a ticket for it
 *
 * After a redirect the conversation goes on, from its beginning, with the other server: SE_MOVING. It begins anew with
 * this one if it demands a new password and the user gave one: set it on one connection (SE_PASSWORD), log in with it on
 * the next, because a server closes a connection after an error.
 *
 * Who finds a reason to end it writes one half-line into s->detail; softether_end() puts in front of it who spoke. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/softether/se_error.h"
#include "core/softether/se_session.h"
#include "core/softether/se_text.h"

#define ERROR_NEW_PASSWORD 138u /* 5.4 */
#define AZURE ".vpnazure.net"   /* 10.1 */

/* --- going elsewhere ---------------------------------------------------------------------------------------------- */

/* On another wire the conversation begins anew, for @task. Returns 0 or VE_LIMIT with s->detail. */
static int move(struct softether *s, enum se_task task, uint64_t now_ms)
{
	se_pool_hang_up(s, s->first, true, now_ms);
	s->first = se_pool_dial(s, now_ms); /* there are numbers left: few were used */
	s->task = task;
	softether_enter(s, SE_MOVING, now_ms);
	return 0;
}

/* What we know of the first server holds for the other wire as well: it may only show the certificate that the first one
 * vouched for. */
int se_dialogue_moved(struct softether *s, const struct wire_facts *w, uint64_t now_ms)
{
	bool same_family = w->local.ip.family == s->wire->local.ip.family;

	s->elsewhere = *w;
	s->elsewhere.verified = s->wire->verified;
	memcpy(s->elsewhere.host, s->wire->host, sizeof(s->elsewhere.host));
	s->elsewhere.port = s->target.to.ip.family == IP_NONE ? s->wire->port : s->target.to.port;
	s->elsewhere.udp_port = same_family ? s->wire->udp_port : 0;
	s->at = &s->elsewhere;
	if (se_channel_greet(&s->ch[s->first], s->at, SESSION_TX_MAX, s->authority, now_ms) != 0) {
		fault_set(&s->detail, VE_NOMEM, "no memory for another connection");
		return VE_NOMEM;
	}
	softether_enter(s, SE_HELLO, now_ms);
	return 0;
}

/* --- Hello -------------------------------------------------------------------------------------------------------- */

static bool is_azure_host(const char *host)
{
	size_t n = strlen(host);

	if (n > 0 && host[n - 1] == '.')
		n--;
	return n > strlen(AZURE) && strncasecmp(host + n - strlen(AZURE), AZURE, strlen(AZURE)) == 0;
}

/* TLS ends at the relay there: its operator would have the password. */
static int check_relay(struct softether *s)
{
	if (s->asked != SE_LOGIN_PLAIN || s->account.allow_unverified || !is_azure_host(s->wire->host))
		return 0;
	fault_set_final(&s->detail, VE_AUTH,
			"the password itself would be readable for the operator of the VPN Azure relay: not logging in; "
			"use another way to log in, or --insecure to do it all the same");
	return VE_AUTH;
}

static void choose_terms(struct softether *s)
{
	s->terms = se_login_terms_of(&s->account, s->at);
	s->terms.half_connection = s->account.half_connection && !s->terms.rudp;
	if (s->terms.half_connection && s->terms.max_connection < 2)
		s->terms.max_connection = 2;
	wipe(&s->offer, sizeof(s->offer));
	if (se_udp_offer_make(&s->offer, &s->account, s->at, s->env))
		s->terms.udp = &s->offer;
	if (s->task == SE_TASK_TICKET)
		s->terms.ticket = s->ticket;
}

static int log_in(struct softether *s, const struct se_hello *hello, uint64_t now_ms)
{
	struct slice body = { .p = NULL };
	uint8_t *login = NULL;
	int r = check_relay(s);

	if (r != 0)
		return r;
	login = malloc(SE_LOGIN_SIZE_MAX);
	if (!login) {
		fault_set(&s->detail, VE_NOMEM, "no memory for the login");
		return VE_NOMEM;
	}
	choose_terms(s);
	if (s->terms.ticket)
		s->asked = SE_LOGIN_TICKET;
	r = se_login_write(login, &body.n, &s->account, &s->terms, s->at, &s->ident, hello, s->env, &s->detail);
	body.p = login;
	if (r == 0) {
		r = se_channel_ask(&s->ch[s->first], s->authority, body, now_ms);
		if (r != 0)
			fault_set(&s->detail, r, "no room for the login");
	}
	wipe(login, SE_LOGIN_SIZE_MAX);
	free(login);
	if (r == 0)
		softether_enter(s, SE_LOGIN, now_ms);
	return r;
}

static int set_password(struct softether *s, const struct se_hello *hello, uint64_t now_ms)
{
	uint8_t request[SE_REQUEST_SIZE_MAX];
	struct slice body = { .p = request };
	int r;

	s->asked = SE_NEW_PASSWORD;
	r = se_new_password_write(request, &body.n, &s->account, s->at, hello, s->env, &s->detail);
	if (r == 0) {
		r = se_channel_ask(&s->ch[s->first], s->authority, body, now_ms);
		if (r != 0)
			fault_set(&s->detail, r, "no room for a request");
	}
	wipe(request, sizeof(request));
	if (r == 0)
		softether_enter(s, SE_PASSWORD, now_ms);
	return r;
}

static int on_hello(struct softether *s, const struct se_pack *p, uint64_t now_ms)
{
	struct se_hello hello;
	int r = se_hello_read(p, &hello, &s->detail);

	if (r != 0)
		return r;
	r = s->task == SE_TASK_PASSWORD ? set_password(s, &hello, now_ms) : log_in(s, &hello, now_ms);
	wipe(&hello, sizeof(hello));
	return r;
}

/* --- the answer to a login ---------------------------------------------------------------------------------------- */

/* The hub's message to its users, 5.3. It is text, whatever it looks like. */
static int take_notice(struct softether *s, const struct se_pack *p)
{
	struct slice msg;
	size_t cap;

	if (!se_pack_data(p, "Msg", 0, &msg) || msg.n == 0)
		return 0;
	cap = min_size(msg.n, SE_NOTICE_MAX) + 1;
	free(s->notice);
	s->notice = malloc(cap);
	if (!s->notice) {
		fault_set(&s->detail, VE_NOMEM, "no memory for a message of %zu bytes", cap);
		return VE_NOMEM;
	}
	s->pending |= se_text_clean(msg, s->notice, cap) > 0 ? SE_PEND_NOTICE : SE_PEND_FORGET;
	return 0;
}

static int follow(struct softether *s, const struct se_redirect *to, uint64_t now_ms)
{
	uint8_t request[SE_REQUEST_SIZE_MAX];
	struct slice body = { .p = request };

	s->target.to = to->to;
	memcpy(s->target.cert_sha256, to->cert_sha256, sizeof(s->target.cert_sha256));
	memcpy(s->ticket, to->ticket, sizeof(s->ticket));
	body.n = se_empty_write(request, s->env); /* out of courtesy: not worth a fault */
	(void)se_channel_ask(&s->ch[s->first], s->authority, body, now_ms);
	return move(s, SE_TASK_TICKET, now_ms);
}

static int on_redirect(struct softether *s, const struct se_pack *p, uint64_t now_ms)
{
	struct se_redirect to;
	int r;

	if (++s->hops > SE_HOPS_MAX)
		return se_broken(&s->detail, "more than %u redirects in one login", SE_HOPS_MAX);
	r = se_redirect_read(p, s->at, &to, &s->detail);
	if (r == 0)
		r = follow(s, &to, now_ms);
	wipe(&to, sizeof(to));
	return r;
}

static int on_welcome(struct softether *s, struct se_welcome *w, uint64_t now_ms)
{
	if (w->compress && se_zip_new(&s->zip) != 0) {
		fault_set(&s->detail, VE_NOMEM, "no memory for compression");
		return VE_NOMEM;
	}
	if (se_path_init(&s->path, w, s->zip, s->env, now_ms) != 0) {
		fault_set(&s->detail, VE_NOMEM, "no memory for UDP acceleration");
		return VE_NOMEM;
	}
	if (w->is_azure)
		softether_remark(s, "this session runs through a VPN Azure relay: TLS ends there, and its operator can read "
				    "along");
	s->facts.tcp_mss = se_path_mss(&s->path);
	s->timeout_ms = w->timeout_ms;
	if (w->auto_disconnect_s > 0)
		s->end_ms = now_ms + (uint64_t)w->auto_disconnect_s * 1000;
	se_pool_start(s, w, now_ms);
	softether_enter(s, SE_UP, now_ms);
	return 0;
}

static int on_login_answer(struct softether *s, const struct se_pack *p, uint64_t now_ms)
{
	struct se_welcome welcome;
	int r = take_notice(s, p);

	if (r != 0)
		return r;
	if (se_is_redirect(p))
		return on_redirect(s, p, now_ms);
	r = se_welcome_read(p, &s->terms, s->at, &welcome, &s->detail);
	if (r == 0)
		r = on_welcome(s, &welcome, now_ms);
	wipe(&welcome, sizeof(welcome));
	wipe(&s->offer, sizeof(s->offer));
	wipe(s->ticket, sizeof(s->ticket));
	return r;
}

/* --- a new password ----------------------------------------------------------------------------------------------- */

/* Everybody who logs in from now on does it with the new one. */
static void use_new_password(struct softether *s)
{
	s->account.password = s->account.new_password;
	s->account.password_hash = NULL;
	if (s->account.password_is_new)
		*s->account.password_is_new = true;
}

static int on_password_set(struct softether *s, const struct se_pack *p, uint64_t now_ms)
{
	(void)p;
	if (s->account.change_password) {
		fault_set(&s->detail, VE_CANCELED, "password changed");
		return VE_CANCELED;
	}
	use_new_password(s);
	softether_remark(s, "the server demanded a new password: it was changed to the one that was given for that case, "
			    "which is the password from now on");
	(void)se_login_choose(&s->account, s->wire, &s->asked, &s->detail); /* was fine with the old one */
	return move(s, SE_TASK_LOGIN, now_ms);
}

/* A demand that we can meet. Once: a server that takes the new password and demands another is not to be pleased. */
static bool demands_password(struct softether *s, uint32_t error)
{
	if (error != ERROR_NEW_PASSWORD || s->st != SE_LOGIN || !s->account.new_password || s->renewed)
		return false;
	s->renewed = true;
	return true;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *message;
	int (*on_pack)(struct softether *s, const struct se_pack *p, uint64_t now_ms);
} steps[] = {
	[SE_HELLO] = { "hello", on_hello },
	[SE_LOGIN] = { "login answer", on_login_answer },
	[SE_PASSWORD] = { "answer to the password change", on_password_set },
};

const char *se_dialogue_message(const struct softether *s)
{
	return (size_t)s->st < ARRAY_LEN(steps) ? steps[s->st].message : "data";
}

static int on_error(struct softether *s, uint32_t error, uint64_t now_ms)
{
	if (demands_password(s, error))
		return move(s, SE_TASK_PASSWORD, now_ms);
	se_error_fault(&s->detail, error, s->st == SE_HELLO ? SE_OTHER : s->asked, s->account.user);
	return s->detail.err;
}

int se_dialogue_take(struct softether *s, uint64_t now_ms)
{
	struct se_channel *ch = &s->ch[s->first];
	struct se_pack p;
	uint32_t error;
	int r = se_channel_answer(ch, &p, &s->detail);

	if (r <= 0)
		return r;
	error = se_pack_int(&p, "error");
	r = error != 0 ? on_error(s, error, now_ms) : steps[s->st].on_pack(s, &p, now_ms);
	if (r == 0)
		r = se_channel_answered(ch, &s->detail);
	return r == 0 ? 1 : r;
}
