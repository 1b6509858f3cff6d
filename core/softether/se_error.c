/* SPDX-License-Identifier: GPL-3.0-or-later */
/* se_error.c - one table, sorted by number.
 *
 * The classes are those of an answer to a login. A number that is meant for a program's own use (drivers,
 * smart cards, proxies) is listed all the same: a server that sends it gets a line that says what it stands
 * for. */
#include "core/softether/se_error.h"

#include <inttypes.h>
#include <stddef.h>

#include "core/bytes.h"

#define WAIT_MS 60000u /* 12.1: nothing changes sooner there */
#define AGAIN false
#define FINAL true
#define ASK_HUB "ask the hub's administrator"
#define ASK_SERVER "ask the server's administrator"

static const struct se_error errors[] = {
	{ 1, VE_PROTO, AGAIN, 0, "a connection could not be made", NULL },
	{ 2, VE_PROTO, AGAIN, 0, "the peer is not a SoftEther server", "check host and port" },
	{ 3, VE_PROTO, AGAIN, 0, "the connection broke, or the server could not read our request", NULL },
	{ 4, VE_PROTO, AGAIN, 0, "the server found an error in the protocol", NULL },
	{ 5, VE_PROTO, AGAIN, 0, "the server does not take us for a VPN client", NULL },
	{ 6, VE_AUTH, AGAIN, 0, "cancelled on the server's side", NULL },
	{ 7, VE_AUTH, FINAL, 0, "this way of logging in is not allowed for the user",
	  "log in as the account there wants it: password, --auth plain, certificate, or nothing if it is anonymous" },
	{ 8, VE_AUTH, FINAL, 0, "the virtual hub does not exist", "check the hub in softether://USER@HOST/HUB" },
	{ 9, VE_AUTH, FINAL, 0, "wrong user name or password",
	  "check both; they belong to the hub, not to the server" },
	{ 10, VE_AUTH, AGAIN, WAIT_MS, "the virtual hub is offline", "its administrator can put it online" },
	{ 11, VE_LOST, AGAIN, 0, "the session was deleted on the server", NULL },
	{ 12, VE_AUTH, FINAL, 0, "access denied by policy, or the user account has expired", ASK_HUB },
	{ 13, VE_AUTH, AGAIN, 0, "the session has timed out on the server", NULL },
	{ 14, VE_PROTO, AGAIN, 0, "the session is of another protocol", NULL },
	{ 15, VE_PROTO, AGAIN, 0, "too many TCP connections in the session", NULL },
	{ 16, VE_AUTH, AGAIN, WAIT_MS, "too many sessions on the hub or the server",
	  "wait, or ask the hub's administrator" },
	{ 17, VE_AUTH, AGAIN, 0, "a proxy could not be reached", NULL },
	{ 18, VE_AUTH, AGAIN, 0, "a proxy reported an error", NULL },
	{ 19, VE_AUTH, AGAIN, 0, "a proxy refused the login", NULL },
	{ 20, VE_AUTH, AGAIN, WAIT_MS, "too many sessions of this user",
	  "close others, or wait until the server has given up a session that was cut off" },
	{ 21, VE_AUTH, AGAIN, WAIT_MS, "a licence problem on the server", ASK_SERVER },
	{ 22, VE_AUTH, AGAIN, 0, "a virtual network adapter failed", NULL },
	{ 23, VE_AUTH, AGAIN, 0, "internal error of the server", NULL },
	{ 24, VE_AUTH, AGAIN, 0, "a smart card could not be opened", NULL },
	{ 25, VE_AUTH, AGAIN, 0, "wrong PIN of a smart card", NULL },
	{ 26, VE_AUTH, AGAIN, 0, "no certificate on a smart card", NULL },
	{ 27, VE_AUTH, AGAIN, 0, "no key on a smart card", NULL },
	{ 33, VE_PROTO, AGAIN, 0, "the server does not support what was asked for", NULL },
	{ 38, VE_PROTO, AGAIN, 0, "the server found an invalid parameter", NULL },
	{ 39, VE_AUTH, AGAIN, 0, "a smart card failed", NULL },
	{ 40, VE_AUTH, AGAIN, 0, "a smart card failed", NULL },
	{ 43, VE_AUTH, AGAIN, 0, "a virtual network adapter is busy", NULL },
	{ 44, VE_AUTH, AGAIN, 0, "a virtual network adapter is disabled", NULL },
	{ 47, VE_AUTH, AGAIN, 0, "still connecting", NULL },
	{ 49, VE_AUTH, AGAIN, 0, "the cluster found no member for the hub", ASK_SERVER },
	{ 51, VE_AUTH, FINAL, 0, "an empty password is only allowed from the server's own host",
	  "set a password" },
	{ 52, VE_AUTH, AGAIN, 0, "insufficient rights", ASK_HUB },
	{ 56, VE_PROTO, AGAIN, 0, "the encryption is not supported", NULL },
	{ 61, VE_AUTH, AGAIN, 0, "a link is offline", NULL },
	{ 63, VE_AUTH, AGAIN, 0, "too many users on the server", NULL },
	{ 66, VE_AUTH, AGAIN, 0, "the user exists already", NULL },
	{ 68, VE_AUTH, AGAIN, 0, "the user does not log in with a password", NULL },
	{ 69, VE_AUTH, AGAIN, 0, "the old password is wrong", NULL },
	{ 76, VE_AUTH, AGAIN, 0, "what was asked for is offline", NULL },
	{ 85, VE_AUTH, FINAL, 0, "a certificate is not trusted", NULL },
	{ 87, VE_AUTH, FINAL, 0, "the hub demands a newer client", ASK_HUB },
	{ 101, VE_AUTH, AGAIN, 0, "a clock is wrong", "check the time here and on the server" },
	{ 103, VE_AUTH, AGAIN, 0, "no client licence is left on the server", ASK_SERVER },
	{ 104, VE_AUTH, AGAIN, 0, "no bridge licence is left on the server", ASK_SERVER },
	{ 105, VE_AUTH, AGAIN, 0, "the server cannot accept connections now", NULL },
	{ 106, VE_AUTH, FINAL, 0, "a certificate has expired", NULL },
	{ 107, VE_AUTH, FINAL, 0, "monitor mode is not allowed", NULL },
	{ 108, VE_AUTH, FINAL, 0, "bridge or router mode is not allowed", NULL },
	{ 109, VE_AUTH, FINAL, 0, "the hub does not accept this client's address", ASK_HUB },
	{ 111, VE_AUTH, AGAIN, 0, "the server is out of memory or entries", NULL },
	{ 112, VE_AUTH, AGAIN, 0, "it exists already", NULL },
	{ 113, VE_AUTH, AGAIN, 0, "fatal error of the server", NULL },
	{ 114, VE_AUTH, AGAIN, 0, "a licence or the internet connection failed on the server's side", NULL },
	{ 115, VE_AUTH, AGAIN, 0, "a licence or the internet connection failed on the client's side", NULL },
	{ 116, VE_AUTH, AGAIN, 0, "a licence or the internet connection failed", NULL },
	{ 119, VE_AUTH, AGAIN, 0, "the server lacks a licence", ASK_SERVER },
	{ 120, VE_AUTH, AGAIN, 0, "the server lacks a licence", ASK_SERVER },
	{ 121, VE_AUTH, AGAIN, 0, "the server is of another edition", NULL },
	{ 122, VE_AUTH, AGAIN, 0, "the server is of another edition", NULL },
	{ 123, VE_AUTH, AGAIN, 0, "the server is a beta version that has expired", ASK_SERVER },
	{ 124, VE_AUTH, AGAIN, 0, "the server accepts only clients of its own brand", NULL },
	{ 125, VE_AUTH, AGAIN, 0, "the server is made for clients of another brand", NULL },
	{ 126, VE_LOST, FINAL, 0, "the policy allows sessions of limited length only", NULL },
	{ 127, VE_AUTH, FINAL, 0, "the hub demands a client id that we do not have", ASK_HUB },
	{ 131, VE_AUTH, AGAIN, 0, "several servers are behind that address", "ask for the port of yours" },
	{ 138, VE_AUTH, AGAIN, 0, "the user's password has to be set anew for this way of logging in",
	  ASK_HUB },
	{ 143, VE_AUTH, AGAIN, 0, "the server's edition does not have that function", NULL },
	{ 144, VE_AUTH, AGAIN, 0, "not available on VPN Gate", NULL },
	{ 145, VE_AUTH, AGAIN, 0, "not available on VPN Gate", NULL },
	{ 146, VE_AUTH, AGAIN, 0, "not available on VPN Gate", NULL },
	{ 147, VE_AUTH, AGAIN, 0, "the server's edition does not have that function", NULL },
	{ 148, VE_AUTH, AGAIN, 0, "the server's machine is going to sleep", NULL },
	{ 149, VE_AUTH, FINAL, 0, "a certificate has another name, or, on a 4.x server, there is no DHCP server",
	  ASK_SERVER },
	{ 150, VE_PROTO, AGAIN, 0, "no TLS version in common", NULL },
	{ 151, VE_PROTO, AGAIN, 0, "no TLS cipher in common", NULL },
	{ 152, VE_PROTO, AGAIN, 0, "a TLS handshake failed", NULL },
};

/* Where the number alone says less than we know: what was asked decides. The rest of the row is that of the number. */
static const struct {
	enum se_asked request;
	struct se_error row;
} special[] = {
	{ SE_LOGIN_PLAIN,
	  { 7, VE_AUTH, FINAL, 0, "the server does not take the password itself", "leave --auth plain out" } },
	{ SE_LOGIN_CERTIFICATE,
	  { 7, VE_AUTH, FINAL, 0, "the server does not take certificates", "log in with a password" } },
	{ SE_LOGIN_ANONYMOUS,
	  { 9, VE_AUTH, FINAL, 0, "unknown user, or the user has to prove who it is",
	    "check the name; give a password or a certificate unless the account is anonymous" } },
	{ SE_LOGIN_PLAIN,
	  { 9, VE_AUTH, FINAL, 0, "wrong user name or password, or the server's RADIUS or domain server refused them",
	    "check both; they belong to the hub, not to the server" } },
	{ SE_LOGIN_CERTIFICATE,
	  { 9, VE_AUTH, FINAL, 0, "the user's account does not accept this certificate",
	    "check the user name; the account must have certificate authentication with this very certificate, or with its "
	    "issuer" } },
	{ SE_LOGIN_TICKET,
	  { 9, VE_AUTH, AGAIN, 0, "the cluster member does not accept its controller's ticket", NULL } },
	{ SE_LOGIN_CERTIFICATE,
	  { 106, VE_AUTH, FINAL, 0, "the certificate has expired", "get a new one, and check the time here and there" } },
	{ SE_NEW_PASSWORD, { 4, VE_PROTO, FINAL, 0, "the server cannot change passwords", ASK_HUB } },
	{ SE_NEW_PASSWORD,
	  { 8, VE_AUTH, FINAL, 0, "the virtual hub does not exist", "check the hub in softether://USER@HOST/HUB" } },
	{ SE_NEW_PASSWORD, { 9, VE_AUTH, FINAL, 0, "unknown user, or the old password is wrong", "check both" } },
	{ SE_NEW_PASSWORD, { 52, VE_AUTH, FINAL, 0, "users of the hub may not change their passwords", ASK_HUB } },
	{ SE_NEW_PASSWORD,
	  { 68, VE_AUTH, FINAL, 0, "the user has no password on this server",
	    "it logs in with a certificate, by RADIUS or domain, or anonymously: change it there" } },
	{ SE_NEW_PASSWORD, { 69, VE_AUTH, FINAL, 0, "the old password is wrong", NULL } },
	{ SE_ADDITIONAL,
	  { 13, VE_LOST, AGAIN, 0, "the session does not exist on the server any more, or may not be resumed", NULL } },
	{ SE_ADDITIONAL, { 14, VE_LOST, AGAIN, 0, "the session is of another protocol", NULL } },
};

static const struct se_error nameless = {
	9, VE_AUTH, FINAL, 0, "no account without a name",
	"an anonymous one has a name too, and takes any password: softether://NAME@HOST/HUB",
};

const struct se_error *se_error_find(uint32_t code)
{
	static const struct se_error unknown = { 0, VE_AUTH, AGAIN, 0, "a reason that is unknown here", NULL };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		if (errors[i].code == code)
			return &errors[i];
	}
	return &unknown;
}

const struct se_error *se_error_for(uint32_t code, enum se_asked request)
{
	for (size_t i = 0; i < ARRAY_LEN(special); i++) {
		if (special[i].row.code == code && special[i].request == request)
			return &special[i].row;
	}
	return se_error_find(code);
}

static bool is_login(enum se_asked request)
{
	return request >= SE_LOGIN_ANONYMOUS && request <= SE_LOGIN_CERTIFICATE;
}

void se_error_fault(struct fault *f, uint32_t code, enum se_asked request, const char *user)
{
	const struct se_error *e = se_error_for(code, request);
	const char *glue, *hint;

	if (code == nameless.code && is_login(request) && !(user && *user))
		e = &nameless; /* servers know anonymous accounts, but none without a name */
	glue = e->hint ? "; " : "";
	hint = e->hint ? e->hint : "";
	if (e->final)
		fault_set_final(f, e->err, "error %" PRIu32 ": %s%s%s", code, e->text, glue, hint);
	else
		fault_set(f, e->err, "error %" PRIu32 ": %s%s%s", code, e->text, glue, hint);
	f->wait_ms = e->wait_ms;
}
