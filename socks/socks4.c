/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks4.c - SOCKS4 and SOCKS4a for clients, see socks4.h.
 *
 * Theory of operation
 *
 * There is one message, and it has no length: user id and name end with a NUL each. It is taken when it is whole, and
 * refused as soon as it can be: by its second byte if the command is not served, by a text that runs on for longer than
 * it may. So every way of cutting the bytes gives the same answer.
 *
 *     REQUEST --> CONNECTING --+--------------------> CONNECTED
 *        |            |        +-- bound --> BOUND ----^
 *        +------------+------------------------|-----> REFUSED
 *
 * SOCKS4a: an address 0.0.0.x, x not 0, says that a name follows the user id.
 *
 * A reply has IPv4 addresses only. Where ours is another it says 0.0.0.0, which means "the address that you know me by". */
#include "socks/socks4.h"

#include <assert.h>
#include <string.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"

#define VERSION 0x04
#define REPLY_VERSION 0x00
#define COMMAND_CONNECT 0x01
#define COMMAND_BIND 0x02
#define REP_GRANTED 90
#define REP_REJECTED 91

static void enter(struct socks4 *s, enum socks4_state to)
{
	assert(to > s->state);
	s->state = to;
}

static void say_reply(struct socks4 *s, uint8_t code, const struct endpoint *at)
{
	static const uint8_t nowhere[4] = { 0 };
	struct wr w = wr_init(s->tx + s->tx_tail, sizeof(s->tx) - s->tx_tail);

	wr_u8(&w, REPLY_VERSION);
	wr_u8(&w, code);
	wr_u16(&w, at ? at->port : 0);
	wr_bytes(&w, at && at->ip.family == IP_V4 ? at->ip.b : nowhere, 4);
	assert(wr_ok(&w));
	s->tx_tail = (uint8_t)(s->tx_tail + w.n);
}

static enum socks_event refuse(struct socks4 *s, const char *why)
{
	say_reply(s, REP_REJECTED, NULL);
	s->why = why;
	enter(s, SOCKS4_ST_REFUSED);
	return SOCKS_REFUSED;
}

/* --- the request --------------------------------------------------------------------------------------- */

/* Judge VN and CD. */
static const char *why_not_served(const struct socks4 *s, const uint8_t *in, size_t n)
{
	if (in[0] != VERSION)
		return "malformed request: the version is not 4";
	if (s->auth_wanted)
		return "this port wants a password, which SOCKS4 cannot carry: use SOCKS5 or HTTP";
	if (n > 1 && in[1] != COMMAND_CONNECT && in[1] != COMMAND_BIND)
		return "unsupported command: only CONNECT and BIND are served";
	return NULL;
}

/* A text up to its NUL, which is stepped over. Returns false if it is too long; whether it is whole, @r tells. */
static bool read_text(struct rd *r, size_t max, struct slice *ret)
{
	struct slice rest = rd_rest(r);
	const uint8_t *end = rest.n > 0 ? memchr(rest.p, 0, min_size(rest.n, max + 1)) : NULL;

	if (!end && rest.n > max)
		return false;
	*ret = (struct slice){ rest.p, end ? (size_t)(end - rest.p) : rest.n };
	rd_skip(r, end ? ret->n + 1 : rest.n + 1); /* beyond what is there: bad */
	return true;
}

static bool is_name_mark(const uint8_t ip[static 4])
{
	return ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0;
}

static const char *why_bad_destination(const struct dest *d, bool is_bind)
{
	static const uint8_t any[4] = { 0 };

	if (is_bind)
		return NULL; /* 0.0.0.0 and port 0: any peer */
	if (d->port == 0)
		return "malformed request: port 0";
	if (d->ip.family == IP_V4 && memcmp(d->ip.b, any, 4) == 0)
		return "malformed request: address 0.0.0.0";
	return NULL;
}

static enum socks_event decide(struct socks4 *s, const struct dest *d)
{
	const char *why = why_bad_destination(d, s->is_bind);

	if (why)
		return refuse(s, why);
	s->dest = *d;
	enter(s, SOCKS4_ST_CONNECTING);
	return s->is_bind ? SOCKS_BIND : SOCKS_CONNECT;
}

static enum socks_event on_request(struct socks4 *s, struct rd *in)
{
	struct rd r = *in;
	struct slice all = rd_rest(in), user, name = { 0 };
	struct dest d = { .ip = { .family = IP_V4 } };
	const char *why = all.n > 0 ? why_not_served(s, all.p, all.n) : NULL;

	if (why)
		return refuse(s, why);
	rd_skip(&r, 1);
	s->is_bind = rd_u8(&r) == COMMAND_BIND;
	d.port = rd_u16(&r);
	rd_copy(&r, d.ip.b, 4);
	if (!rd_ok(&r))
		return SOCKS_MORE;
	if (!read_text(&r, SOCKS4_USER_MAX, &user))
		return refuse(s, "malformed request: the user id is too long");
	if (!rd_ok(&r))
		return SOCKS_MORE;
	if (is_name_mark(d.ip.b)) {
		if (!read_text(&r, HOST_MAX, &name))
			return refuse(s, "malformed request: the name is too long");
		if (!rd_ok(&r))
			return SOCKS_MORE;
		d.ip = (struct ip){ .family = IP_NONE };
		if (dest_set_name(&d, name.p, name.n) != 0)
			return refuse(s, "malformed request: the name is empty or no host name");
	}
	*in = r;
	return decide(s, &d);
}

/* --- the machine --------------------------------------------------------------------------------------- */

void socks4_init(struct socks4 *s, bool auth_wanted)
{
	*s = (struct socks4){ .state = SOCKS4_ST_REQUEST, .auth_wanted = auth_wanted };
}

enum socks_event socks4_input(struct socks4 *s, struct slice in, size_t *ret_taken)
{
	struct rd r = rd_init(in.p, in.n);
	enum socks_event ev = SOCKS_MORE;

	if (s->state == SOCKS4_ST_REQUEST)
		ev = on_request(s, &r);
	if (s->state == SOCKS4_ST_REFUSED)
		ev = SOCKS_REFUSED;
	*ret_taken = in.n - rd_left(&r);
	return ev;
}

void socks4_bound(struct socks4 *s, const struct endpoint *at)
{
	assert(s->state == SOCKS4_ST_CONNECTING && s->is_bind);
	say_reply(s, REP_GRANTED, at);
	enter(s, SOCKS4_ST_BOUND);
}

void socks4_connected(struct socks4 *s, const struct endpoint *at)
{
	assert(s->state == (s->is_bind ? SOCKS4_ST_BOUND : SOCKS4_ST_CONNECTING));
	say_reply(s, REP_GRANTED, at);
	enter(s, SOCKS4_ST_CONNECTED);
}

void socks4_failed(struct socks4 *s, int err)
{
	assert(s->state == SOCKS4_ST_CONNECTING || s->state == SOCKS4_ST_BOUND);
	refuse(s, ve_name(err));
}

struct slice socks4_tx_peek(const struct socks4 *s)
{
	return (struct slice){ .p = s->tx + s->tx_head, .n = (size_t)(s->tx_tail - s->tx_head) };
}

void socks4_tx_consume(struct socks4 *s, size_t n)
{
	assert(n <= (size_t)(s->tx_tail - s->tx_head));
	s->tx_head = (uint8_t)(s->tx_head + n);
}
