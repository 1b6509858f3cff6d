/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks5.c - SOCKS5 for clients, see socks5.h.
 *
 * Theory of operation
 *
 * A handshake is at most three messages from the client. Each is parsed out of the one piece the caller holds,
 * as soon as it is whole; until then nothing is taken, so there is no partial state to get wrong and every
 * way of cutting the bytes gives the same result. A client may send all messages and its payload at once:
 * they are taken one after the other.
 *
 *     GREETING --+--> LOGIN --+--> REQUEST --> CONNECTING --+--------------------> CONNECTED
 *         |      +------|-----^       |            |        +-- bound --> BOUND ----^
 *         +-------------+-------------+------------+------------------------|---> REFUSED
 *
 * The machine decides from the fewest bytes that allow it: a greeting by its first byte, a request that we do
 * not serve by its first four. That does not depend on where the bytes were cut either. A refusal is final:
 * its answer is queued, and what the client sends afterwards is not looked at.
 *
 * A wrong login gets the one answer there is, whether the user or the password was wrong, in a time that does
 * not tell either (proxy_auth_ok); the caller delays it. */
#include "socks/socks5.h"

#include <assert.h>
#include <string.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"

#define VERSION 0x05
#define METHOD_NONE_NEEDED 0x00  /* NO AUTHENTICATION REQUIRED */
#define METHOD_LOGIN 0x02        /* USERNAME/PASSWORD */
#define METHOD_NONE_FITS 0xff    /* NO ACCEPTABLE METHODS */
#define LOGIN_VERSION 0x01       /* RFC 1929 */
#define LOGIN_OK 0x00
#define LOGIN_FAILED 0x01
#define COMMAND_CONNECT 0x01
#define COMMAND_BIND 0x02
#define COMMAND_ASSOCIATE 0x03
#define ATYP_V4 0x01
#define ATYP_NAME 0x03
#define ATYP_V6 0x04

/* RFC 1928 section 6, field REP */
enum reply {
	REP_SUCCEEDED = 0x00,
	REP_FAILURE = 0x01,
	REP_RULES = 0x02,
	REP_NET_UNREACHABLE = 0x03,
	REP_HOST_UNREACHABLE = 0x04,
	REP_REFUSED = 0x05,
	REP_COMMAND = 0x07,
	REP_ADDRESS_TYPE = 0x08,
};

static void enter(struct socks5 *s, enum socks5_state to)
{
	assert(to > s->state);
	s->state = to;
}

/* --- what we say --------------------------------------------------------------------------------------- */

static void say(struct socks5 *s, const void *p, size_t n)
{
	assert(n <= sizeof(s->tx) - s->tx_tail);
	memcpy(s->tx + s->tx_tail, p, n);
	s->tx_tail = (uint8_t)(s->tx_tail + n);
}

/* The answers to greeting and login. */
static void say_pair(struct socks5 *s, uint8_t version, uint8_t value)
{
	const uint8_t m[2] = { version, value };

	say(s, m, sizeof(m));
}

static void say_reply(struct socks5 *s, enum reply code, const struct endpoint *at)
{
	uint8_t m[22];
	struct wr w = wr_init(m, sizeof(m));

	wr_u8(&w, VERSION);
	wr_u8(&w, (uint8_t)code);
	wr_u8(&w, 0);
	wr_u8(&w, at->ip.family == IP_V6 ? ATYP_V6 : ATYP_V4);
	wr_bytes(&w, at->ip.b, at->ip.family == IP_V6 ? 16 : 4);
	wr_u16(&w, at->port);
	assert(wr_ok(&w));
	say(s, m, w.n);
}

static enum socks_event refuse(struct socks5 *s, const char *why)
{
	s->why = why;
	enter(s, SOCKS5_ST_REFUSED);
	return SOCKS_REFUSED;
}

static enum socks_event refuse_request(struct socks5 *s, enum reply code, const char *why)
{
	static const struct endpoint none = { .ip = { .family = IP_NONE } };

	say_reply(s, code, &none);
	return refuse(s, why);
}

/* --- greeting, RFC 1928 section 3 ---------------------------------------------------------------------- */

static enum socks_event on_greeting(struct socks5 *s, struct rd *in)
{
	const uint8_t wanted = s->auth ? METHOD_LOGIN : METHOD_NONE_NEEDED;
	struct rd r = *in;
	uint8_t version = rd_u8(&r);
	uint8_t count = rd_u8(&r);
	const uint8_t *methods = rd_bytes(&r, count);

	if (rd_left(in) > 0 && version != VERSION)
		return refuse(s, "it speaks no protocol that this port knows (SOCKS, HTTP)");
	if (!rd_ok(&r))
		return SOCKS_MORE;
	*in = r;
	if (count == 0 || !memchr(methods, wanted, count)) {
		say_pair(s, VERSION, METHOD_NONE_FITS);
		return refuse(s, s->auth ? "it offers no user and password, which this port wants"
					 : "it offers no authentication method that this port accepts (none needed)");
	}
	say_pair(s, VERSION, wanted);
	enter(s, s->auth ? SOCKS5_ST_LOGIN : SOCKS5_ST_REQUEST);
	return SOCKS_MORE;
}

/* --- login, RFC 1929 section 2 ------------------------------------------------------------------------- */

static enum socks_event deny(struct socks5 *s, const char *why)
{
	say_pair(s, LOGIN_VERSION, LOGIN_FAILED);
	s->denied = true;
	return refuse(s, why);
}

static struct slice read_word(struct rd *r)
{
	size_t n = rd_u8(r);

	return (struct slice){ .p = rd_bytes(r, n), .n = n };
}

static enum socks_event on_login(struct socks5 *s, struct rd *in)
{
	struct rd r = *in;
	uint8_t version = rd_u8(&r);
	struct slice user = read_word(&r), password = read_word(&r);

	if (rd_left(in) > 0 && version != LOGIN_VERSION)
		return deny(s, "malformed login: the version is not 1");
	if (!rd_ok(&r))
		return SOCKS_MORE;
	*in = r;
	if (!proxy_auth_ok(s->auth, user, password))
		return deny(s, "wrong user or password");
	say_pair(s, LOGIN_VERSION, LOGIN_OK);
	enter(s, SOCKS5_ST_REQUEST);
	return SOCKS_MORE;
}

/* --- request, RFC 1928 section 4 and 5 ----------------------------------------------------------------- */

/* Judge VER CMD RSV ATYP: what refuses does so before the address has come. */
static bool is_served(struct socks5 *s, const uint8_t head[static 4])
{
	if (head[0] != VERSION)
		refuse_request(s, REP_FAILURE, "malformed request: the version is not 5");
	else if (head[1] < COMMAND_CONNECT || head[1] > COMMAND_ASSOCIATE)
		refuse_request(s, REP_COMMAND, "unsupported command: only CONNECT, BIND and UDP ASSOCIATE are served");
	else if (head[2] != 0)
		refuse_request(s, REP_FAILURE, "malformed request: the reserved byte is not 0");
	else if (head[3] != ATYP_V4 && head[3] != ATYP_NAME && head[3] != ATYP_V6)
		refuse_request(s, REP_ADDRESS_TYPE, "unsupported address type");
	return s->state == SOCKS5_ST_REQUEST;
}

/* DST.ADDR into @d; false: it is whole and no host name (@r tells whether it is whole). */
static bool read_address(struct rd *r, uint8_t type, struct dest *d)
{
	const uint8_t *name;
	size_t n;

	if (type == ATYP_V4) {
		d->ip.family = IP_V4;
		rd_copy(r, d->ip.b, 4);
		return true;
	}
	if (type == ATYP_V6) {
		d->ip.family = IP_V6;
		rd_copy(r, d->ip.b, 16);
		return true;
	}
	n = rd_u8(r);
	name = rd_bytes(r, n);
	return !name || dest_set_name(d, name, n) == 0;
}

static enum socks_event on_request(struct socks5 *s, struct rd *in)
{
	static const enum socks_event events[] = {
		[COMMAND_CONNECT] = SOCKS_CONNECT,
		[COMMAND_BIND] = SOCKS_BIND,
		[COMMAND_ASSOCIATE] = SOCKS_ASSOCIATE,
	};
	struct rd r = *in;
	struct dest d = { .ip = { .family = IP_NONE } };
	const uint8_t *head = rd_bytes(&r, 4);
	bool is_host;

	if (!head)
		return SOCKS_MORE;
	if (!is_served(s, head))
		return SOCKS_REFUSED;
	is_host = read_address(&r, head[3], &d);
	d.port = rd_u16(&r);
	if (!rd_ok(&r))
		return SOCKS_MORE;
	*in = r;
	if (!is_host)
		return refuse_request(s, REP_FAILURE, "malformed request: the name is empty or no host name");
	if (head[1] == COMMAND_CONNECT && d.port == 0)
		return refuse_request(s, REP_FAILURE, "malformed request: port 0");
	s->dest = d;
	s->command = head[1];
	enter(s, SOCKS5_ST_CONNECTING);
	return events[head[1]];
}

/* --- the machine --------------------------------------------------------------------------------------- */

void socks5_init(struct socks5 *s, const struct proxy_auth *auth)
{
	*s = (struct socks5){ .state = SOCKS5_ST_GREETING, .auth = auth };
}

enum socks_event socks5_input(struct socks5 *s, struct slice in, size_t *ret_taken)
{
	struct rd r = rd_init(in.p, in.n);
	enum socks_event ev = SOCKS_MORE;

	if (s->state == SOCKS5_ST_GREETING)
		ev = on_greeting(s, &r);
	if (s->state == SOCKS5_ST_LOGIN)
		ev = on_login(s, &r);
	if (s->state == SOCKS5_ST_REQUEST)
		ev = on_request(s, &r);
	if (s->state == SOCKS5_ST_REFUSED)
		ev = SOCKS_REFUSED;
	*ret_taken = in.n - rd_left(&r);
	return ev;
}

void socks5_bound(struct socks5 *s, const struct endpoint *at)
{
	assert(s->state == SOCKS5_ST_CONNECTING && s->command == COMMAND_BIND);
	say_reply(s, REP_SUCCEEDED, at);
	enter(s, SOCKS5_ST_BOUND);
}

void socks5_connected(struct socks5 *s, const struct endpoint *at)
{
	assert(s->state == (s->command == COMMAND_BIND ? SOCKS5_ST_BOUND : SOCKS5_ST_CONNECTING));
	say_reply(s, REP_SUCCEEDED, at);
	enter(s, SOCKS5_ST_CONNECTED);
}

void socks5_failed(struct socks5 *s, int err)
{
	static const struct {
		int err;
		enum reply code;
	} codes[] = {
		{ VE_REFUSED, REP_REFUSED },          { VE_UNREACH, REP_HOST_UNREACHABLE },
		{ VE_RESOLVE, REP_HOST_UNREACHABLE }, { VE_TIMEOUT, REP_HOST_UNREACHABLE },
		{ VE_DOWN, REP_NET_UNREACHABLE },     { VE_NETUNREACH, REP_NET_UNREACHABLE },
		{ VE_BLOCKED, REP_RULES },            { VE_USAGE, REP_COMMAND },
	};
	enum reply code = REP_FAILURE; /* VE_LIMIT, VE_NOMEM, and what nobody thought of */

	assert(s->state == SOCKS5_ST_CONNECTING || s->state == SOCKS5_ST_BOUND);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].err == err)
			code = codes[i].code;
	}
	refuse_request(s, code, ve_name(err));
}

struct slice socks5_tx_peek(const struct socks5 *s)
{
	return (struct slice){ .p = s->tx + s->tx_head, .n = (size_t)(s->tx_tail - s->tx_head) };
}

void socks5_tx_consume(struct socks5 *s, size_t n)
{
	assert(n <= (size_t)(s->tx_tail - s->tx_head));
	s->tx_head = (uint8_t)(s->tx_head + n);
}
