/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socks5.c - SOCKS5 for clients, see socks5.h.
 *
 * Theory of operation
 *
 * A handshake is at most two messages from the client. Each is parsed out of the one piece the caller holds,
 * as soon as it is whole; until then nothing is taken, so there is no partial state to get wrong and every
 * way of cutting the bytes gives the same result. A client may send both messages and its payload at once:
 * they are taken one after the other.
 *
 *     GREETING --methods ok--> REQUEST --connect--> CONNECTING --opened--> CONNECTED
 *         |                       |                     |
 *         +-----------------------+---------------------+--> REFUSED
 *
 * The machine decides from the fewest bytes that allow it: a greeting by its first byte, a request that we do
 * not serve by its first four. That does not depend on where the bytes were cut either. A refusal is final:
 * its answer is queued, and what the client sends afterwards is not looked at.
 *
 * Other protocols on the same port will be told apart by the same first byte; then this file keeps what
 * begins with 5, and the two foreign answers at its end go. */
#include "socks/socks5.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/err.h"
#include "core/rd.h"
#include "core/wr.h"

#define VERSION 0x05
#define METHOD_NONE_NEEDED 0x00  /* NO AUTHENTICATION REQUIRED */
#define METHOD_NONE_FITS 0xff    /* NO ACCEPTABLE METHODS */
#define COMMAND_CONNECT 0x01
#define ATYP_V4 0x01
#define ATYP_NAME 0x03
#define ATYP_V6 0x04

/* RFC 1928 section 6, field REP */
enum reply {
	REP_SUCCEEDED = 0x00,
	REP_FAILURE = 0x01,
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
	s->tx_tail = (uint16_t)(s->tx_tail + n);
}

static void say_method(struct socks5 *s, uint8_t method)
{
	const uint8_t m[2] = { VERSION, method };

	say(s, m, sizeof(m));
}

static void say_reply(struct socks5 *s, enum reply code, const struct ip *local, uint16_t port)
{
	uint8_t m[22];
	struct wr w = wr_init(m, sizeof(m));

	wr_u8(&w, VERSION);
	wr_u8(&w, (uint8_t)code);
	wr_u8(&w, 0);
	wr_u8(&w, local->family == IP_V6 ? ATYP_V6 : ATYP_V4);
	wr_bytes(&w, local->b, local->family == IP_V6 ? 16 : 4);
	wr_u16(&w, port);
	assert(wr_ok(&w));
	say(s, m, w.n);
}

static enum socks5_event refuse(struct socks5 *s, const char *why)
{
	s->why = why;
	enter(s, SOCKS5_ST_REFUSED);
	return SOCKS5_REFUSED;
}

static enum socks5_event refuse_request(struct socks5 *s, enum reply code, const char *why)
{
	static const struct ip none = { .family = IP_NONE };

	say_reply(s, code, &none, 0);
	return refuse(s, why);
}

/* --- greeting, RFC 1928 section 3 ---------------------------------------------------------------------- */

static enum socks5_event foreign(struct socks5 *s, uint8_t first);

static enum socks5_event on_greeting(struct socks5 *s, struct rd *in)
{
	struct rd r = *in;
	uint8_t version = rd_u8(&r);
	uint8_t count = rd_u8(&r);
	const uint8_t *methods = rd_bytes(&r, count);

	if (rd_left(in) > 0 && version != VERSION)
		return foreign(s, version);
	if (!rd_ok(&r))
		return SOCKS5_MORE;
	*in = r;
	if (count == 0 || !memchr(methods, METHOD_NONE_NEEDED, count)) {
		say_method(s, METHOD_NONE_FITS);
		return refuse(s, "it offers no authentication method that this port accepts (none needed)");
	}
	say_method(s, METHOD_NONE_NEEDED);
	enter(s, SOCKS5_ST_REQUEST);
	return SOCKS5_MORE;
}

/* --- request, RFC 1928 section 4 and 5 ----------------------------------------------------------------- */

/* Judge VER CMD RSV ATYP: what refuses does so before the address has come. */
static bool is_served(struct socks5 *s, const uint8_t head[static 4])
{
	if (head[0] != VERSION)
		refuse_request(s, REP_FAILURE, "malformed request: the version is not 5");
	else if (head[1] != COMMAND_CONNECT)
		refuse_request(s, REP_COMMAND, "unsupported command: only CONNECT is served");
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

static enum socks5_event on_request(struct socks5 *s, struct rd *in)
{
	struct rd r = *in;
	struct dest d = { .ip = { .family = IP_NONE } };
	const uint8_t *head = rd_bytes(&r, 4);
	bool is_host;

	if (!head)
		return SOCKS5_MORE;
	if (!is_served(s, head))
		return SOCKS5_REFUSED;
	is_host = read_address(&r, head[3], &d);
	d.port = rd_u16(&r);
	if (!rd_ok(&r))
		return SOCKS5_MORE;
	*in = r;
	if (!is_host)
		return refuse_request(s, REP_FAILURE, "malformed request: the name is empty or no host name");
	if (d.port == 0)
		return refuse_request(s, REP_FAILURE, "malformed request: port 0");
	s->dest = d;
	enter(s, SOCKS5_ST_CONNECTING);
	return SOCKS5_CONNECT;
}

/* --- the machine --------------------------------------------------------------------------------------- */

void socks5_init(struct socks5 *s)
{
	*s = (struct socks5){ .state = SOCKS5_ST_GREETING };
}

enum socks5_event socks5_input(struct socks5 *s, struct slice in, size_t *ret_taken)
{
	struct rd r = rd_init(in.p, in.n);
	enum socks5_event ev = SOCKS5_MORE;

	if (s->state == SOCKS5_ST_GREETING)
		ev = on_greeting(s, &r);
	if (s->state == SOCKS5_ST_REQUEST)
		ev = on_request(s, &r);
	if (s->state == SOCKS5_ST_REFUSED)
		ev = SOCKS5_REFUSED;
	*ret_taken = in.n - rd_left(&r);
	return ev;
}

void socks5_connected(struct socks5 *s, const struct ip *local, uint16_t local_port)
{
	assert(s->state == SOCKS5_ST_CONNECTING);
	say_reply(s, REP_SUCCEEDED, local, local_port);
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
	};
	enum reply code = REP_FAILURE; /* VE_LIMIT, VE_NOMEM, and what nobody thought of */

	assert(s->state == SOCKS5_ST_CONNECTING);
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
	s->tx_head = (uint16_t)(s->tx_head + n);
}

/* --- clients of other protocols ------------------------------------------------------------------------ */

/* Every HTTP method begins with a letter, and a browser shows its user the text. */
static const char http_answer[] = "HTTP/1.1 501 Not Implemented\r\n"
				  "Connection: close\r\n"
				  "Content-Type: text/plain; charset=us-ascii\r\n"
				  "Content-Length: 133\r\n"
				  "\r\n"
				  "This port speaks SOCKS5 only, not HTTP. Set it as SOCKS5 proxy "
				  "(SOCKS host), for example: curl --proxy socks5h://ADDRESS:PORT URL...\n";

/* Its reply has eight bytes: 0, 91 (rejected or failed), and six that are ignored. */
static const uint8_t socks4_answer[8] = { 0x00, 0x5b };

static enum socks5_event foreign(struct socks5 *s, uint8_t first)
{
	if (first == 0x04) {
		say(s, socks4_answer, sizeof(socks4_answer));
		return refuse(s, "it speaks SOCKS4, this port SOCKS5 only");
	}
	if ((first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z')) {
		say(s, http_answer, sizeof(http_answer) - 1);
		return refuse(s, "it speaks HTTP, this port SOCKS5 only");
	}
	return refuse(s, "it speaks no protocol that this port knows (SOCKS5)");
}
