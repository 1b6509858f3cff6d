/* SPDX-License-Identifier: GPL-3.0-or-later */

/* conn.c - one client: TLS, the HTTP request, SSTP messages; PPP goes to ppp.c or to a real pppd (serial.c).
 *
 * Plain bytes to be sent wait in `out`, encrypted ones in `raw`: a turn of the loop gathers every packet of
 * that turn, encrypts them into records of up to 16 KiB and sends them with one call. Misbehaviour sits at
 * three places: enter() at the beginning of a phase, encrypt() for whatever cuts and splits, and the few
 * functions that ask gw.bad.
 *
 * PPP frames are watched in both directions, whoever is the PPP server: that tells the phase, and what a
 * login with MS-CHAPv2 (alone or inside EAP) gave as key, since the passwords are known here. So the binding
 * is checked in the same way with pppd, which would not tell its keys.
 */
#include "test/gateway/gateway.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX     16384
#define RECORD       16384
#define WIRE         (256 * 1024)       /* one read from the socket */
#define RAW_HIGH     (128 * 1024)       /* encrypted before any of it is sent: small enough for the caches */
#define BATCH        (128 * 1024)       /* plain bytes that are looked at together */
#define BATCHES      8                  /* a turn, so that nobody starves */
#define LINGER_MS    1000               /* how long the end of a call waits for the other side */
#define ABORT_MS     3000

static const char endless_length[] = "18446744073709551615";

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

void note(const struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "gateway: %u: ", c->number);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

const struct user *user_find(const void *name, size_t n)
{
	for (int i = 0; i < gw.nusers; i++)
		if (strlen(gw.users[i].name) == n && memcmp(gw.users[i].name, name, n) == 0)
			return &gw.users[i];
	return NULL;
}

/* ---- what TLS reads and writes ---- */

/* Large reads, of many records. OpenSSL could do that itself (read_ahead), but for each record it moves all that it has
 * read to the front of its buffer. */
static int raw_read(BIO *b, char *ret, int n)
{
	struct conn *c = BIO_get_data(b);
	ssize_t got = 0;

	BIO_clear_retry_flags(b);
	if (!c->wire.len && !c->drained) {
		got = recv(c->fd, buf_room(&c->wire, WIRE), WIRE, 0);
		c->eof = got == 0;
		c->drained = got < WIRE;
		c->wire.len += got > 0 ? (size_t)got : 0;
	}
	if (!c->wire.len) {
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (c->eof)
			return 0;
		BIO_set_retry_read(b);
		return -1;
	}
	if ((size_t)n > c->wire.len)
		n = (int)c->wire.len;
	memcpy(ret, c->wire.data + c->wire.start, (size_t)n);
	buf_drop(&c->wire, (size_t)n);
	return n;
}

/* Appended to c->raw; a BIO of memory would copy everything once more. */
static int raw_write(BIO *b, const char *data, int n)
{
	struct conn *c = BIO_get_data(b);

	buf_add(&c->raw, data, (size_t)n);
	return n;
}

static long raw_ctrl(BIO *b, int what, long n, void *p)
{
	const struct conn *c = BIO_get_data(b);

	(void)n;
	(void)p;
	return what == BIO_CTRL_FLUSH || (what == BIO_CTRL_EOF && c->eof);
}

static BIO *raw_bio(struct conn *c)
{
	static BIO_METHOD *method;
	BIO *b;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "raw");
		if (!method || !BIO_meth_set_read(method, raw_read) || !BIO_meth_set_write(method, raw_write) ||
		    !BIO_meth_set_ctrl(method, raw_ctrl))
			return NULL;
	}
	b = BIO_new(method);
	if (b) {
		BIO_set_data(b, c);
		BIO_set_init(b, 1);
	}
	return b;
}

/* ---- the life of a connection ---- */

struct conn *conn_new(int fd)
{
	static unsigned count;
	struct conn *c = calloc(1, sizeof(*c));
	BIO *bio;
	const int one = 1;

	if (!c)
		return NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	c->number = ++count;
	c->line = -1;
	c->cert = gw.cert;
	c->ssl = SSL_new(gw.tls);
	bio = raw_bio(c);
	if (!c->ssl || !bio || RAND_bytes(c->nonce, sizeof(c->nonce)) != 1) {
		fputs("gateway: no memory\n", stderr);
		exit(1);
	}
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_accept_state(c->ssl);
	c->since = c->heard_at = now_ms();
	note(c, "connection");
	return c;
}

static void ppp_down(struct conn *c)
{
	ppp_free(c->ppp);
	c->ppp = NULL;
	if (c->line >= 0)
		serial_detach(c);
}

void conn_free(struct conn *c)
{
	ppp_down(c);
	SSL_free(c->ssl);
	close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	buf_fini(&c->raw);
	buf_fini(&c->wire);
	note(c, "gone, in phase %s", phase_name(c->phase));
	free(c);
}

void conn_end_in(struct conn *c, unsigned ms)
{
	uint64_t at = now_ms() + ms;

	if (!c->end_at || at < c->end_at)
		c->end_at = at;
}

static void reset(struct conn *c)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	c->dead = true;
}

static void terminate_ppp(struct conn *c)
{
	static const uint8_t frame[] = { 0xff, 3, 0xc0, 0x21, TERM_REQ, 99, 0, 8, 'm', 'o', 'o', 'd' };

	if (c->ppp)
		ppp_terminate(c->ppp);
	else
		conn_send_frame(c, frame, sizeof(frame));
}

/* A phase begins. Returns false if nothing of it may be sent. */
static bool enter(struct conn *c, enum phase phase)
{
	if (phase <= c->phase)
		return !c->mute;
	c->phase = phase;
	c->since = now_ms();
	if (gw.bad.phase != phase)
		return !c->mute;
	switch (gw.bad.kind) {
	case MB_INJECT:
		misbehave_inject(c, gw.bad.arg);
		break;
	case MB_SILENT:
		c->mute = true;
		break;
	case MB_LATE:
		c->send_at = now_ms() + gw.bad.arg;
		break;
	case MB_CLOSE:
		c->mute = true;
		conn_end_in(c, 0);
		break;
	case MB_RESET:
		c->mute = true;
		reset(c);
		break;
	case MB_ABORT:
		conn_send_status(c, MSG_ABORT, ATTR_STATUS, gw.bad.arg);
		c->mute = c->closing = true;
		conn_end_in(c, ABORT_MS);
		break;
	case MB_DISCONNECT:
		conn_send_status(c, MSG_DISCONNECT, ATTR_STATUS, gw.bad.arg);
		c->mute = c->closing = true;
		conn_end_in(c, ABORT_MS);
		break;
	case MB_TERMINATE:
		terminate_ppp(c);
		break;
	default:
		return !c->mute;
	}
	note(c, "misbehaves in phase %s", phase_name(phase));
	return !c->mute;
}

/* ---- sending ---- */

void conn_send(struct conn *c, const void *data, size_t n)
{
	if (!c->mute && !c->dead)
		buf_add(&c->out, data, n);
}

void conn_send_msg(struct conn *c, unsigned type, unsigned nattrs, const void *attrs, size_t n)
{
	uint8_t head[8] = { 0x10, 1 };

	put16(head + 2, (unsigned)(8 + n));
	put16(head + 4, type);
	put16(head + 6, nattrs);
	conn_send(c, head, sizeof(head));
	conn_send(c, attrs, n);
}

void conn_send_status(struct conn *c, unsigned type, unsigned attr, uint32_t status)
{
	uint8_t a[12] = { 0, ATTR_STATUS, 0, 12, 0, 0, 0, (uint8_t)attr };

	put16(a + 8, status >> 16);
	put16(a + 10, status & 0xffff);
	conn_send_msg(c, type, 1, a, sizeof(a));
}

static void abort_call(struct conn *c, uint32_t status, const char *why)
{
	note(c, "ABORT %u: %s", status, why);
	conn_send_status(c, MSG_ABORT, ATTR_STATUS, status);
	c->closing = true;
	conn_end_in(c, ABORT_MS);
}

void conn_hang_up(struct conn *c)
{
	if (c->closing)
		return;
	note(c, "DISCONNECT");
	conn_send_status(c, MSG_DISCONNECT, ATTR_STATUS, 0);
	c->closing = true;
	conn_end_in(c, 5 * LINGER_MS);
}

uint8_t *conn_ip_room(struct conn *c, unsigned proto, size_t n)
{
	uint8_t *p;

	if (c->mute || c->closing || c->dead || n + 8 > SSTP_MAX)
		return NULL;
	p = buf_room(&c->out, n + 8);
	p[0] = 0x10;
	p[1] = 0;
	put16(p + 2, (unsigned)(n + 8));
	p[4] = 0xff;
	p[5] = 3;
	put16(p + 6, proto);
	c->out.len += n + 8;
	return p + 8;
}

bool conn_full(const struct conn *c)
{
	return c->out.len + c->raw.len > OUT_HIGH;
}

/* Encrypt some of the plain bytes. Returns false if that broke the connection. */
static bool encrypt(struct conn *c)
{
	size_t n = c->out.len < RECORD ? c->out.len : RECORD;
	size_t piece = gw.bad.arg ? gw.bad.arg : 1;

	if (gw.bad.kind == MB_SPLIT && n > piece)
		n = piece;
	if (gw.bad.kind == MB_CUT && c->plain_sent + n >= piece) {
		n = (size_t)(piece - c->plain_sent);
		c->mute = true;
		conn_end_in(c, 0);
	}
	if (n && SSL_write(c->ssl, c->out.data + c->out.start, (int)n) != (int)n)
		return false;
	c->plain_sent += n;
	buf_drop(&c->out, c->mute && c->end_at ? c->out.len : n);
	return true;
}

/* Encrypt and send while there are @least plain bytes. */
static void send_down_to(struct conn *c, size_t least)
{
	ssize_t n;

	if (c->dead || (c->send_at && now_ms() < c->send_at))
		return;
	do {
		while (c->tls_up && c->out.len >= least && c->raw.len < RAW_HIGH) {
			if (!encrypt(c)) {
				c->dead = true;
				return;
			}
		}
		if (!c->raw.len)
			return;
		n = send(c->fd, c->raw.data + c->raw.start, c->raw.len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			c->dead = true;
		if (n > 0)
			buf_drop(&c->raw, (size_t)n);
	} while (n > 0 && !c->raw.len && c->out.len >= least);
}

void conn_flush(struct conn *c)
{
	send_down_to(c, 1);
}

void conn_push(struct conn *c)
{
	send_down_to(c, RECORD);
}

/* ---- watching PPP ---- */

/* The protocol of @frame; @ret: where its information begins. 0 if it is no frame. */
static unsigned frame_proto(const uint8_t *frame, size_t n, size_t *ret)
{
	size_t at = n >= 2 && frame[0] == 0xff && frame[1] == 3 ? 2 : 0;

	if (at >= n)
		return 0;
	if (frame[at] & 1) {
		*ret = at + 1;
		return frame[at];
	}
	if (at + 2 > n || !(frame[at + 1] & 1))
		return 0;
	*ret = at + 2;
	return get16(frame + at);
}

/* The client's answer, 16 bytes of its own challenge first: what key will there be, if it is the right one? */
static void see_response(struct conn *c, const uint8_t *value, const uint8_t *name, size_t name_len)
{
	const struct user *u;
	struct mschap m;
	size_t cut = name_len;

	while (cut > 0 && name[cut - 1] != '\\')
		cut--;
	u = user_find(name + cut, name_len - cut);
	if (!c->seen.has_challenge || c->phase > PH_AUTH || !u ||
	    !mschap_compute((const char *)name, name_len, u->password, c->seen.challenge, value, &m) ||
	    memcmp(value + 24, m.response, 24) != 0)
		return;
	memcpy(c->seen.hlak, m.hlak, 32);
	c->seen.has_keys = true;
}

/* CHAP, with a Length of its own (EAP-MSCHAPv2 has the same packet inside). */
static void see_chap(struct conn *c, const uint8_t *p, size_t n, bool from_client)
{
	if (n < 5)
		return;
	if (!from_client && p[0] == 1 && p[4] == 16 && n >= 21) {
		memcpy(c->seen.challenge, p + 5, 16);
		c->seen.has_challenge = true;
	}
	if (from_client && p[0] == 2 && p[4] == 49 && n >= 54)
		see_response(c, p + 5, p + 54, n - 54);
}

static void see_in(struct conn *c, const uint8_t *frame, size_t n)
{
	size_t at = 0;
	unsigned proto = frame_proto(frame, n, &at);

	if (proto == PROTO_CHAP)
		see_chap(c, frame + at, n - at, true);
	if (proto == PROTO_EAP && n - at > 5 && frame[at + 4] == 26)
		see_chap(c, frame + at + 5, n - at - 5, true);
	if (proto == PROTO_IPCP && n - at >= 4 && frame[at] == CONF_ACK)
		c->seen.ipcp_in = true;
}

/* What goes to the client also tells the phase, before it goes. Returns false if it must not go. */
static bool see_out(struct conn *c, const uint8_t *frame, size_t n)
{
	size_t at = 0;
	unsigned proto = frame_proto(frame, n, &at);
	const uint8_t *p = frame + at;
	bool go = !c->mute;

	if (!proto || n - at < 4)
		return go;
	if (proto == PROTO_CHAP || proto == PROTO_PAP || proto == PROTO_EAP)
		go = enter(c, PH_AUTH);
	if (proto == PROTO_CHAP || (proto == PROTO_EAP && n - at > 5 && p[4] == 26))
		see_chap(c, proto == PROTO_CHAP ? p : p + 5, proto == PROTO_CHAP ? n - at : n - at - 5, false);
	if ((proto == PROTO_CHAP && p[0] == 3) || (proto == PROTO_PAP && p[0] == 2) ||
	    (proto == PROTO_EAP && p[0] == 3) || proto == PROTO_IPCP)
		go = enter(c, PH_BIND);
	if (proto == PROTO_IPCP && p[0] == CONF_ACK)
		c->seen.ipcp_out = true;
	if (c->phase == PH_NCP && c->seen.ipcp_in && c->seen.ipcp_out) {
		note(c, "IPCP is open");
		go = enter(c, PH_OPEN);
	}
	return go;
}

void conn_send_frame(struct conn *c, const uint8_t *frame, size_t n)
{
	uint8_t head[4] = { 0x10 };

	if (c->closing || n > FRAME_MAX || !see_out(c, frame, n))
		return;
	put16(head + 2, (unsigned)(n + 4));
	conn_send(c, head, 4);
	conn_send(c, frame, n);
}

void conn_send_ppp(struct conn *c, unsigned proto, const void *info, size_t n)
{
	uint8_t frame[FRAME_MAX] = { 0xff, 3 };

	if (n > FRAME_MAX - 4)
		return;
	put16(frame + 2, proto);
	memcpy(frame + 4, info, n);
	conn_send_frame(c, frame, n + 4);
}

static void data_packet(struct conn *c, const uint8_t *frame, size_t n)
{
	size_t at = 0;
	unsigned proto = frame_proto(frame, n, &at);

	if (c->phase < PH_LCP || n == 0)
		return;
	if (!proto) {
		note(c, "a data packet that is no PPP frame");
		return;
	}
	if (proto < 0x4000 && c->phase < PH_NCP) {
		note(c, "network data before CALL_CONNECTED");
		return;
	}
	see_in(c, frame, n);
	if (c->phase == PH_NCP && c->seen.ipcp_in && c->seen.ipcp_out) {
		note(c, "IPCP is open");
		enter(c, PH_OPEN);
	}
	if (c->line >= 0)
		serial_send(c, frame, n);
	else if (c->ppp)
		ppp_input(c->ppp, proto, frame + at, n - at);
}

/* ---- SSTP messages ---- */

static void call_request(struct conn *c, const uint8_t *p, size_t n)
{
	static const uint8_t protocol_ppp[] = { 0, ATTR_PROTOCOL, 0, 6, 0, 1 };
	uint8_t attr[40] = { 0, ATTR_BINDING_REQ, 0, 40, 0, 0, 0, (uint8_t)gw.mask };

	if (c->phase != PH_HTTP && !(gw.bad.kind == MB_NAK && c->phase == PH_REQUEST)) {
		abort_call(c, 5, "a second CALL_CONNECT_REQUEST");
		return;
	}
	if (n != 14 || get16(p + 6) != 1 || memcmp(p + 8, protocol_ppp, 6) != 0) {
		note(c, "CALL_CONNECT_REQUEST is not for PPP");
		conn_send_status(c, MSG_NAK, ATTR_PROTOCOL, 4);
		return;
	}
	if (!enter(c, PH_REQUEST))
		return;
	if (gw.bad.kind == MB_NAK) {
		conn_send_status(c, MSG_NAK, ATTR_PROTOCOL, 4);
		return;
	}
	if (gw.bad.kind == MB_ACK) {
		misbehave_ack(&c->out, gw.bad.arg, c->nonce);
		note(c, "misbehaves in CALL_CONNECT_ACK");
	} else {
		memcpy(attr + 8, c->nonce, 32);
		conn_send_msg(c, MSG_ACK, 1, attr, sizeof(attr));
	}
	if (!enter(c, PH_LCP))
		return;
	if (gw.tun >= 0)
		c->ppp = ppp_new(c);
	else if (!serial_attach(c))
		abort_call(c, 5, "every pppd is taken");
}

static void refuse_binding(struct conn *c)
{
	static const uint8_t sorz[] = { 0, ATTR_STATUS, 0, 8, 0, 0, 0, 7 };

	note(c, "misbehaves: refuses a binding that is right");
	if (gw.bad.kind == MB_REFUSE_CLOSE)
		conn_end_in(c, 0);
	else if (gw.bad.kind == MB_REFUSE_SORZ)
		conn_send_msg(c, MSG_ABORT, 1, sorz, sizeof(sorz));
	else if (gw.bad.kind == MB_REFUSE_SPEC)
		conn_send_status(c, MSG_ABORT, ATTR_BINDING, 4);
	else
		conn_send_status(c, MSG_ABORT, ATTR_STATUS, 7);
	c->closing = true;
	conn_end_in(c, ABORT_MS);
}

static void call_connected(struct conn *c, const uint8_t *p, size_t n)
{
	static const uint8_t head[] = { 0, 1, 0, ATTR_BINDING, 0, 104 };
	static const uint8_t no_keys[32];
	const char *wrong;

	if (c->phase != PH_BIND) {
		abort_call(c, 5, c->phase > PH_BIND ? "a second CALL_CONNECTED" : "CALL_CONNECTED before the login succeeded");
		return;
	}
	if (n != 112 || memcmp(p + 6, head, sizeof(head)) != 0) {
		abort_call(c, 9, "CALL_CONNECTED without a binding of the right size");
		return;
	}
	wrong = binding_check(p, c->nonce, gw.mask, &c->cert, c->seen.has_keys ? c->seen.hlak : no_keys);
	if (wrong) {
		note(c, "binding is wrong: %s", wrong);
		abort_call(c, 4, "crypto binding");
		return;
	}
	note(c, "binding is right, %s, %s", p[15] == 2 ? "SHA-256" : "SHA-1", c->seen.has_keys ? "keys of the login" : "no keys");
	if (gw.bad.kind >= MB_REFUSE && gw.bad.kind <= MB_REFUSE_CLOSE) {
		refuse_binding(c);
		return;
	}
	enter(c, PH_NCP);
}

static void control_packet(struct conn *c, const uint8_t *p, size_t n)
{
	unsigned type = n >= 8 ? get16(p + 4) : 0;

	switch (type) {
	case MSG_REQUEST:
		call_request(c, p, n);
		break;
	case MSG_CONNECTED:
		call_connected(c, p, n);
		break;
	case MSG_ABORT:
		note(c, "client aborts, status %u", n >= 20 ? get16(p + 18) : 0);
		conn_send_status(c, MSG_ABORT, ATTR_STATUS, 0);
		c->closing = true;
		conn_end_in(c, LINGER_MS);
		break;
	case MSG_DISCONNECT:
		note(c, "client disconnects");
		conn_send_msg(c, MSG_DISCONNECT_ACK, 0, NULL, 0);
		c->closing = true;
		conn_end_in(c, LINGER_MS);
		break;
	case MSG_ECHO:
		if (c->phase < PH_NCP)
			abort_call(c, 5, "ECHO_REQUEST before CALL_CONNECTED");
		else if (gw.bad.kind != MB_NO_ECHO)
			conn_send_msg(c, MSG_ECHO_REPLY, 0, NULL, 0);
		break;
	case MSG_ECHO_REPLY:
		break;
	default:
		abort_call(c, 7, "a message no client sends");
	}
}

/* While a call ends only its end is understood. */
static void last_packet(struct conn *c, const uint8_t *p, size_t n)
{
	unsigned type = n >= 8 && (p[1] & 1) ? get16(p + 4) : 0;

	if (type == MSG_DISCONNECT)
		conn_send_msg(c, MSG_DISCONNECT_ACK, 0, NULL, 0);
	if (type == MSG_DISCONNECT || type == MSG_DISCONNECT_ACK || type == MSG_ABORT) {
		note(c, "client answers the end");
		conn_end_in(c, LINGER_MS);
	}
}

/* Take the packets that are complete. */
static void sstp_packets(struct conn *c)
{
	const uint64_t now = now_ms();

	while (c->in.len >= 4 && !c->dead) {
		const uint8_t *p = c->in.data + c->in.start;
		size_t n = get16(p + 2) & 0xfff;

		if (p[0] != 0x10 || n < 4) {
			note(c, "no SSTP packet: %02x%02x%02x%02x", p[0], p[1], p[2], p[3]);
			c->dead = true;
			return;
		}
		if (c->in.len < n)
			return;
		c->heard_at = now;
		c->asked = false;
		if (c->closing)
			last_packet(c, p, n);
		else if (p[1] & 1)
			control_packet(c, p, n);
		else
			data_packet(c, p + 4, n - 4);
		buf_drop(&c->in, n);
	}
}

static void sstp_input(struct conn *c)
{
	sstp_packets(c);
	tun_flush();
}

/* ---- HTTP ---- */

static bool has_line(const char *head, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n"))
		if (strncasecmp(p + 2, line, n) == 0)
			return true;
	return false;
}

static const char *request_wrong(const char *head)
{
	static const char line[] = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.";

	if (strncmp(head, line, sizeof(line) - 1) != 0)
		return "request line";
	if (!has_line(head, "Content-Length: 18446744073709551615\r\n"))
		return "Content-Length";
	if (!has_line(head, "Host: "))
		return "Host";
	return has_line(head, "SSTPCORRELATIONID: {") ? NULL : "SSTPCORRELATIONID";
}

static void http_answer(struct conn *c, const char *head, bool more)
{
	const char *wrong = request_wrong(head);
	char text[200];

	if (!enter(c, PH_HTTP))
		return;
	if (wrong || more) {
		note(c, "not an SSTP request: %s", wrong ? wrong : "bytes behind it, before the answer");
		snprintf(text, sizeof(text), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		conn_send(c, text, strlen(text));
		conn_end_in(c, LINGER_MS);
		c->closing = true;
		return;
	}
	note(c, "SSTP request");
	if (gw.bad.kind == MB_HTTP) {
		conn_send(c, misbehave_http(gw.bad.arg), strlen(misbehave_http(gw.bad.arg)));
		return;
	}
	snprintf(text, sizeof(text), "HTTP/1.1 200\r\nContent-Length: %s\r\nServer: softsocks-test-gateway\r\n\r\n",
		 endless_length);
	conn_send(c, text, strlen(text));
}

static void http_input(struct conn *c)
{
	char head[HEAD_MAX + 1];
	size_t n = c->in.len < HEAD_MAX ? c->in.len : HEAD_MAX;
	char *end;

	memcpy(head, c->in.data + c->in.start, n);
	head[n] = '\0';
	end = strstr(head, "\r\n\r\n");
	if (!end) {
		if (n == HEAD_MAX) {
			note(c, "an HTTP request of more than %d bytes", HEAD_MAX);
			c->dead = true;
		}
		return;
	}
	end[2] = '\0';
	n = (size_t)(end - head) + 4;
	buf_drop(&c->in, n);
	http_answer(c, head, c->in.len > 0);
}

/* ---- reading ---- */

static void handshake(struct conn *c)
{
	int r, err;

	if (gw.bad.phase == PH_TLS && gw.bad.kind != MB_NONE && c->phase == PH_TLS && !c->plain_sent) {
		c->plain_sent = 1;
		if (gw.bad.kind == MB_TLS_GARBAGE)
			buf_add(&c->raw, "SSH-2.0-OpenSSH_9.2\r\n", 21);
		c->mute = gw.bad.kind == MB_SILENT || gw.bad.kind == MB_TLS_GARBAGE;
		if (gw.bad.kind == MB_LATE)
			c->send_at = now_ms() + gw.bad.arg;
		if (gw.bad.kind == MB_RESET)
			reset(c);
		if (gw.bad.kind == MB_CLOSE)
			c->dead = true;
	}
	if (c->mute || c->dead) {
		char drain[4096];

		if (recv(c->fd, drain, sizeof(drain), 0) == 0)
			c->dead = true;
		return;
	}
	ERR_clear_error();
	r = SSL_accept(c->ssl);
	if (r == 1) {
		c->tls_up = true;
		c->plain_sent = 0;
		note(c, "%s, %s", SSL_get_version(c->ssl), SSL_get_cipher(c->ssl));
		return;
	}
	err = SSL_get_error(c->ssl, r);
	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		return;
	note(c, "no TLS: %s", err == SSL_ERROR_SSL ? ERR_reason_error_string(ERR_peek_last_error()) : "connection closed");
	conn_flush(c);
	c->dead = true;
}

/* Plain bytes: as many as make a batch once the call is up, and a record before. Returns what SSL_read() did last, and
 * its SSL_get_error(). */
static int read_batch(struct conn *c, int *err)
{
	size_t most = c->phase == PH_OPEN ? BATCH : 1, before = c->in.len;
	int n;

	ERR_clear_error();
	do {
		n = SSL_read(c->ssl, buf_room(&c->in, RECORD), RECORD);
		if (n > 0)
			c->in.len += (size_t)n;
	} while (n > 0 && c->in.len - before < most);
	*err = n > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
	return n;
}

void conn_readable(struct conn *c)
{
	int n = 1, err = SSL_ERROR_NONE;

	c->drained = false;
	if (!c->tls_up)
		handshake(c);
	for (int round = 0; c->tls_up && !c->dead && n > 0 && round < BATCHES; round++) {
		n = read_batch(c, &err);
		if (c->phase == PH_TLS && !c->closing)
			http_input(c);
		if (c->phase > PH_TLS || c->closing)
			sstp_input(c);
	}
	c->more = c->tls_up && n > 0;
	if (!c->tls_up || n > 0 || err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		return;
	note(c, "client %s", err == SSL_ERROR_ZERO_RETURN ? "closes TLS" : "closes without a word");
	c->dead = true;
}

/* ---- time ---- */

static void hello(struct conn *c, uint64_t now)
{
	if (now - c->heard_at < gw.hello_ms * (c->asked ? 2 : 1))
		return;
	if (c->asked) {
		note(c, "the client has been silent for too long");
		c->dead = true;
		return;
	}
	c->asked = true;
	conn_send_msg(c, MSG_ECHO, 0, NULL, 0);
}

void conn_tick(struct conn *c, uint64_t now)
{
	if (c->send_at && now >= c->send_at)
		c->send_at = 0;
	if (c->end_at && now >= c->end_at && (!c->out.len || now >= c->end_at + LINGER_MS)) {
		if (c->tls_up && !c->mute) {
			SSL_shutdown(c->ssl);
			conn_flush(c);
		}
		c->dead = true;
		return;
	}
	if (c->mute || c->closing)
		return;
	if (c->ppp)
		ppp_tick(c->ppp, now);
	if (c->phase >= PH_NCP)
		hello(c, now);
	else if (now - c->since >= gw.login_ms && c->phase >= PH_HTTP)
		abort_call(c, c->phase == PH_HTTP ? 5 : 8, "the client does not get on");
	else if (now - c->since >= gw.login_ms)
		c->dead = true;
}
