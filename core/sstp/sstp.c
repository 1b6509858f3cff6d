/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp.c - the client's state machine: MS-SSTP 3.2; sstp-protocol.md sections 0 to 3.
 *
 *     HTTP -> CALLING -> LINKING -> CONNECTED -> TERMINATING -> DISCONNECT_SENT -> OVER
 *     200     ACK        login      addresses,   LCP goodbye    CALL_DISCONNECT
 *                                   packets
 *
 * and from everywhere a short way out: ABORT_SENT, ABORT_ANSWERED, DISCONNECT_ANSWERED, each with a timer
 * of a few seconds that ends in OVER. enter() is the only function that changes the state.
 *
 * Bytes from the server lie in rx. next_event() takes packet after packet off its front: control messages
 * go through the table of rules, PPP's own packets to ppp.c, and IP packets out as events, in place. The
 * session says CLOSED once it is in OVER, with the first fault that was seen; what came after the cause is
 * only its consequence.
 *
 * Bytes for the server lie in two queues. ctl holds what must not wait: PPP negotiation, echoes, goodbyes;
 * data holds IP packets. ctl goes first, but never into the middle of a data packet: data_rest counts what
 * is left of a data packet whose first bytes are gone. So an echo reply waits for one packet, not for a
 * quarter of a megabyte, and data cannot take the space of a goodbye.
 *
 * The login's key comes out of ppp.c by a callback, which puts CALL_CONNECTED into ctl; the first packet of
 * IPCP is queued right behind it. Success has no answer. That the server took the binding shows when it
 * answers an IPCP request; an ABORT or an end of the stream before that means it did not. */
#include "core/sstp/sstp.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/sstp/chap_md5.h"
#include "core/sstp/mschapv2.h"
#include "core/sstp/pap.h"
#include "core/sstp/ppp.h"
#include "core/sstp/sstp_bind.h"
#include "core/sstp/sstp_http.h"
#include "core/sstp/sstp_msg.h"

/* Best first: this is the order in which we propose. */
static const struct auth_ops *const methods[] = { &mschapv2_auth_ops, &chap_md5_auth_ops, &pap_auth_ops,
						  NULL };

enum state {
	ST_HTTP,                /* our request is out; rx holds part of an HTTP head */
	ST_CALLING,             /* CALL_CONNECT_REQUEST is out */
	ST_LINKING,             /* CALL_CONNECT_ACK came; PPP agrees and logs in */
	ST_CONNECTED,           /* CALL_CONNECTED is out; PPP gets addresses, then packets flow */
	ST_TERMINATING,         /* PPP says goodbye, one way or the other */
	ST_ABORT_SENT,          /* we sent CALL_ABORT and wait for the server's */
	ST_ABORT_ANSWERED,      /* both sent it; the server may close first */
	ST_DISCONNECT_SENT,     /* we sent CALL_DISCONNECT and wait for the answer */
	ST_DISCONNECT_ANSWERED, /* we answered the server's; it may close first */
	ST_OVER,                /* CLOSED is pending or was given; nothing but tx is alive */
};

#define IN(st) (1u << (st))
#define LIVE (IN(ST_CALLING) | IN(ST_LINKING) | IN(ST_CONNECTED) | IN(ST_TERMINATING))
#define WITH_PPP (IN(ST_LINKING) | IN(ST_CONNECTED) | IN(ST_TERMINATING))

/* Events that wait to be taken, in this order. */
enum {
	PENDING_SHA1 = 1 << 0,
	PENDING_READY = 1 << 1,
	PENDING_NO_DNS = 1 << 2,
	PENDING_NO_IP4 = 1 << 3,
	PENDING_ROOM = 1 << 4,
	PENDING_CLOSED = 1 << 5,
};

struct sstp {
	struct session base;
	const struct session_conf *conf;
	const struct wire_facts *wire;
	const struct session_env *env;
	enum state st;
	bool stopping;         /* stop() was called: short timers */
	bool eof;              /* nothing more comes; what is in rx still counts */
	struct fault cut;      /* eof, and this says it better than we could; err 0: it does not */
	bool ready;            /* READY was announced */
	bool wants_room;       /* output() said VE_AGAIN */
	bool asked;            /* our ECHO_REQUEST is out and nothing came since */
	bool echoed;           /* the server sent an ECHO_REQUEST: it has taken our CALL_CONNECTED */
	unsigned pending;
	unsigned naks;
	uint64_t now;
	uint64_t timer;        /* end of the state, UINT64_MAX: none */
	uint64_t hello;        /* in CONNECTED: when to ask, then when to give up */
	struct rate echoes;
	enum sstp_hash hash;
	uint8_t nonce[SSTP_NONCE];
	const char *method;    /* how we logged in; static */
	struct fault fault;
	struct ppp ppp;
	struct buf rx, ctl, data;
	size_t data_rest;
};

static struct sstp *sstp_of(struct session *base)
{
	return (struct sstp *)base;
}

static const struct sstp *const_sstp_of(const struct session *base)
{
	return (const struct sstp *)base;
}

static bool is_in(const struct sstp *s, unsigned states)
{
	return (states & IN(s->st)) != 0;
}

/* --- state, faults ------------------------------------------------------------------------------------ */

/* Data that has not begun to leave would only go out behind the goodbye. */
static void drop_data(struct sstp *s)
{
	s->data.tail = s->data.head + s->data_rest;
}

/* The one place where the state changes. The state lasts @ms at most; 0: as long as it likes. */
static void enter(struct sstp *s, enum state st, unsigned ms)
{
	if (s->stopping && ms > SSTP_STOP_MS)
		ms = SSTP_STOP_MS;
	if (s->st == ST_CONNECTED && st != ST_CONNECTED)
		drop_data(s);
	s->st = st;
	s->timer = ms ? s->now + ms : UINT64_MAX;
	if (st == ST_OVER)
		s->pending = PENDING_CLOSED;
}

/* Make @f the session's fault, unless there is an earlier one: the object goes in front. */
static void adopt(struct sstp *s, const struct fault *f)
{
	bool literal6 = strchr(s->wire->host, ':') != NULL;

	if (s->fault.err)
		return;
	fault_set(&s->fault, f->err, "sstp %s%s%s:%u: %s", literal6 ? "[" : "", s->wire->host,
		  literal6 ? "]" : "", s->wire->port, f->text);
	s->fault.final = f->final;
}

#define fail(s, err, ...)                            \
	do {                                         \
		struct fault why_ = { 0 };           \
		fault_set(&why_, err, __VA_ARGS__);  \
		adopt(s, &why_);                     \
	} while (0)

/* --- sending ------------------------------------------------------------------------------------------ */

/* A control packet; one that does not fit is lost: whoever does not read gets no answers either. */
static void put_control(struct sstp *s, const struct wr *w)
{
	if (wr_ok(w))
		(void)buf_put(&s->ctl, w->p, w->n);
}

static void send_simple(struct sstp *s, enum sstp_type type)
{
	uint8_t buf[8];
	struct wr w = wr_init(buf, sizeof(buf));

	sstp_msg_simple(&w, type);
	put_control(s, &w);
}

static void send_status(struct sstp *s, enum sstp_type type, enum sstp_attribute about,
			enum sstp_status status)
{
	uint8_t buf[20];
	struct wr w = wr_init(buf, sizeof(buf));

	sstp_msg_with_status(&w, type, about, status);
	put_control(s, &w);
}

static void send_connect_request(struct sstp *s)
{
	uint8_t buf[14];
	struct wr w = wr_init(buf, sizeof(buf));

	sstp_msg_connect_request(&w);
	put_control(s, &w);
	enter(s, ST_CALLING, SSTP_NEGOTIATION_MS);
}

static void write_data_header(uint8_t to[static SSTP_HEADER + PPP_HEADER], uint16_t protocol, size_t n)
{
	to[0] = SSTP_VERSION;
	to[1] = 0;
	store_be16(to + 2, (uint16_t)(SSTP_HEADER + PPP_HEADER + n));
	to[4] = 0xff;
	to[5] = 0x03;
	store_be16(to + 6, protocol);
}

/* PPP's own packets. */
static void send_ppp(void *ctx, uint16_t protocol, struct slice packet)
{
	struct sstp *s = ctx;
	size_t n = SSTP_HEADER + PPP_HEADER + packet.n, room;
	uint8_t *to = buf_reserve(&s->ctl, n, &room);

	if (n > room || packet.n > PPP_INFO_MAX)
		return;
	write_data_header(to, protocol, packet.n);
	memcpy(to + SSTP_HEADER + PPP_HEADER, packet.p, packet.n);
	buf_commit(&s->ctl, n);
}

/* --- ways out ----------------------------------------------------------------------------------------- */

static void abort_call(struct sstp *s, enum sstp_attribute about, enum sstp_status status)
{
	send_status(s, SSTP_CALL_ABORT, about, status);
	enter(s, ST_ABORT_SENT, SSTP_ABORT_SENT_MS);
}

static void disconnect(struct sstp *s)
{
	send_status(s, SSTP_CALL_DISCONNECT, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NO_ERROR);
	enter(s, ST_DISCONNECT_SENT, SSTP_DISCONNECT_SENT_MS);
}

/* PPP first, then SSTP. */
static void say_goodbye(struct sstp *s, const char *why)
{
	ppp_stop(&s->ppp, why, s->now);
	if (s->ppp.phase == PPP_DEAD)
		disconnect(s);
	else
		enter(s, ST_TERMINATING, s->ppp.peer_ended ? SSTP_PEER_GOODBYE_MS : SSTP_TERMINATE_MS);
}

static bool is_bound(const struct sstp *s)
{
	return s->ppp.confirmed || s->echoed;
}

/* The server ended it between CALL_CONNECTED and the first sign that it liked it. */
static void explain_refused_binding(const struct sstp *s, struct fault *f)
{
	bool sha256 = s->hash == SSTP_HASH_SHA256;
	const uint8_t *p = sha256 ? s->wire->cert_sha256 : s->wire->cert_sha1;
	size_t n = sha256 ? 32 : 20;
	char hex[65];

	*put_hex(hex, p, n) = '\0';
	fault_set(f, VE_AUTH,
		  "the server rejects the crypto binding after the login (certificate %s %s, %s): a "
		  "TLS-inspecting proxy or balancer is in between, or the server is set up with another "
		  "certificate than it shows (RRAS: select it again; accel-ppp: cert-hash), or its RADIUS "
		  "server returns no MPPE keys",
		  sha256 ? "SHA-256" : "SHA-1", hex, s->method);
}

/* The server ended it without a word of PPP. */
static void explain_end(const struct sstp *s, const char *how, struct fault *f)
{
	if (s->st == ST_CALLING)
		fault_set(f, VE_PROTO, "%s instead of answering the call (CALL_CONNECT_REQUEST)", how);
	else if (s->st == ST_CONNECTED && !is_bound(s))
		explain_refused_binding(s, f);
	else if (s->ready)
		fault_set(f, VE_LOST, "%s", how);
	else if (s->st == ST_CONNECTED)
		fault_set(f, VE_ADDRESS, "%s before it gave us an address, error 720", how);
	else if (!ppp_explain_refusal(&s->ppp, f))
		fault_set(f, VE_PROTO, "%s while we waited for %s, error 619", how, ppp_waiting(&s->ppp));
}

/* --- PPP's progress ----------------------------------------------------------------------------------- */

/* The login is through: bind it to this TLS connection. Called from within PPP, before it sends its next
 * packet. */
static void on_authenticated(void *ctx, const uint8_t hlak[static AUTH_HLAK], const char *method)
{
	struct sstp *s = ctx;
	const uint8_t *cert = s->hash == SSTP_HASH_SHA256 ? s->wire->cert_sha256 : s->wire->cert_sha1;
	uint8_t packet[SSTP_CONNECTED_LEN];
	int err = sstp_bind_connected(packet, s->hash, s->nonce, cert, hlak);

	s->method = method;
	if (err) {
		fail(s, err, "cannot compute the crypto binding: %s", ve_name(err));
		abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NO_ERROR);
		return;
	}
	(void)buf_put(&s->ctl, packet, sizeof(packet));
	enter(s, ST_CONNECTED, 0);
	s->hello = s->now + SSTP_HELLO_MS;
	s->asked = false;
}

static void become_ready(struct sstp *s)
{
	s->ready = true;
	s->pending |= PENDING_READY;
	if (!s->ppp.ip4)
		s->pending |= PENDING_NO_IP4;
	else if (s->ppp.facts.dns[0].family == IP_NONE)
		s->pending |= PENDING_NO_DNS;
}

static void on_peer_goodbye(struct sstp *s)
{
	struct fault why = { 0 };

	ppp_explain_end(&s->ppp, &why);
	adopt(s, &why);
	say_goodbye(s, "");
}

/* PPP was called: act on where it is now. */
static void follow_ppp(struct sstp *s)
{
	struct ppp *p = &s->ppp;

	if (is_in(s, IN(ST_LINKING) | IN(ST_CONNECTED))) {
		if (p->fault.err) {
			adopt(s, &p->fault);
			say_goodbye(s, p->fault.err == VE_AUTH ? "Authentication failed" : "Cannot go on");
		} else if (p->peer_ended) {
			on_peer_goodbye(s);
		} else if (p->phase == PPP_DEAD) {
			fail(s, s->ready ? VE_LOST : VE_PROTO, "the server ended the link (LCP)");
			disconnect(s);
		} else if (p->ready && !s->ready) {
			become_ready(s);
		}
	} else if (s->st == ST_TERMINATING && p->phase == PPP_DEAD && !p->peer_ended) {
		disconnect(s);
	}
}

/* --- control messages --------------------------------------------------------------------------------- */

static void on_connect_ack(struct sstp *s, struct rd attributes)
{
	uint8_t mask = 0;
	int err = sstp_msg_binding_request(attributes, &mask, s->nonce);

	if (err || !sstp_bind_choose(mask)) {
		fail(s, VE_PROTO, "the server asks for no crypto binding that we know (%s): refused",
		     err ? "no request" : "no common hash");
		abort_call(s, SSTP_ATTRIB_CRYPTO_BINDING_REQ, SSTP_STATUS_VALUE_NOT_SUPPORTED);
		return;
	}
	s->hash = (enum sstp_hash)sstp_bind_choose(mask);
	if (s->hash == SSTP_HASH_SHA1)
		s->pending |= PENDING_SHA1;
	enter(s, ST_LINKING, SSTP_NEGOTIATION_MS);
	ppp_start(&s->ppp, s->now);
	follow_ppp(s);
}

/* The same again is a repetition; anything else would be another call. */
static void on_second_ack(struct sstp *s, struct rd attributes)
{
	uint8_t mask, nonce[SSTP_NONCE];

	if (sstp_msg_binding_request(attributes, &mask, nonce) == 0 &&
	    memcmp(nonce, s->nonce, sizeof(nonce)) == 0)
		return;
	fail(s, s->ready ? VE_LOST : VE_PROTO, "the server sends a second CALL_CONNECT_ACK");
	abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_UNACCEPTED_FRAME_RECEIVED);
}

/* " with status 4 (value not supported)" or "". */
static const char *status_text(struct rd attributes, char *buf, size_t cap)
{
	uint32_t status;
	const char *name;

	if (!sstp_msg_status(attributes, &status))
		return "";
	name = sstp_status_name(status);
	snprintf(buf, cap, " with status %u (%s)", (unsigned)status, name ? name : "unknown");
	return buf;
}

static void on_connect_nak(struct sstp *s, struct rd attributes)
{
	char status[80];

	if (s->naks++ < SSTP_NAKS_MAX) {
		send_connect_request(s);
		return;
	}
	fail(s, VE_PROTO, "the server refuses the call (CALL_CONNECT_NAK%s)",
	     status_text(attributes, status, sizeof(status)));
	abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_RETRY_COUNT_EXCEEDED);
}

static void on_abort(struct sstp *s, struct rd attributes)
{
	struct fault why = { 0 };
	char status[80], how[120];

	snprintf(how, sizeof(how), "the server aborted the call%s",
		 status_text(attributes, status, sizeof(status)));
	explain_end(s, how, &why);
	adopt(s, &why);
	send_status(s, SSTP_CALL_ABORT, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NO_ERROR);
	enter(s, ST_ABORT_ANSWERED, SSTP_ABORT_ANSWERED_MS);
}

static void on_abort_answered(struct sstp *s, struct rd attributes)
{
	(void)attributes;
	enter(s, ST_ABORT_ANSWERED, SSTP_ABORT_ANSWERED_MS);
}

static void on_disconnect(struct sstp *s, struct rd attributes)
{
	struct fault why = { 0 };

	(void)attributes;
	if (s->st == ST_CALLING)
		explain_end(s, "the server disconnects", &why);
	else
		ppp_explain_end(&s->ppp, &why);
	adopt(s, &why);
	send_simple(s, SSTP_CALL_DISCONNECT_ACK);
	enter(s, ST_DISCONNECT_ANSWERED, SSTP_DISCONNECT_ANSWERED_MS);
}

/* Both sides said it at once. */
static void on_disconnect_too(struct sstp *s, struct rd attributes)
{
	(void)attributes;
	send_simple(s, SSTP_CALL_DISCONNECT_ACK);
	enter(s, ST_DISCONNECT_ANSWERED, SSTP_DISCONNECT_ANSWERED_MS);
}

static void on_disconnect_ack(struct sstp *s, struct rd attributes)
{
	(void)attributes;
	enter(s, ST_OVER, 0);
}

/* The specification would abort before CONNECTED; an answer does no harm (sstp-protocol.md 3.4). */
static void on_echo_request(struct sstp *s, struct rd attributes)
{
	(void)attributes;
	s->echoed = s->echoed || s->st == ST_CONNECTED;
	if (rate_allows(&s->echoes, SSTP_ECHOES_A_SECOND, s->now))
		send_simple(s, SSTP_ECHO_RESPONSE);
}

/* That it came is all it says. */
static void ignore(struct sstp *s, struct rd attributes)
{
	(void)s, (void)attributes;
}

static const struct rule {
	uint16_t type;
	unsigned legal; /* states in which the server may say this */
	void (*act)(struct sstp *s, struct rd attributes);
} rules[] = {
	{ SSTP_CALL_CONNECT_ACK, IN(ST_CALLING), on_connect_ack },
	{ SSTP_CALL_CONNECT_ACK, IN(ST_LINKING) | IN(ST_CONNECTED), on_second_ack },
	{ SSTP_CALL_CONNECT_NAK, IN(ST_CALLING), on_connect_nak },
	{ SSTP_CALL_ABORT, LIVE, on_abort },
	{ SSTP_CALL_ABORT, IN(ST_ABORT_SENT), on_abort_answered },
	{ SSTP_CALL_DISCONNECT, LIVE, on_disconnect },
	{ SSTP_CALL_DISCONNECT, IN(ST_DISCONNECT_SENT), on_disconnect_too },
	{ SSTP_CALL_DISCONNECT_ACK, IN(ST_DISCONNECT_SENT), on_disconnect_ack },
	{ SSTP_ECHO_REQUEST, WITH_PPP, on_echo_request },
	{ SSTP_ECHO_REQUEST, IN(ST_CALLING), ignore },
	{ SSTP_ECHO_RESPONSE, LIVE, ignore },
};

static void on_untimely(struct sstp *s, uint16_t type)
{
	if (!is_in(s, LIVE))
		return;
	fail(s, s->ready ? VE_LOST : VE_PROTO, "the server sends message %u (%s), which is not allowed now",
	     type, sstp_type_name(type));
	abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_UNACCEPTED_FRAME_RECEIVED);
}

/* The stream is out of step: nothing that we say would be understood. */
static void on_garbage(struct sstp *s)
{
	fail(s, s->ready ? VE_LOST : VE_PROTO, "the server sends something that is not SSTP");
	enter(s, ST_OVER, 0);
}

static void control(struct sstp *s, const struct sstp_packet *p)
{
	uint16_t type;
	struct rd attributes;

	if (sstp_msg_type(p, &type, &attributes)) {
		on_garbage(s);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].type == type && is_in(s, rules[i].legal)) {
			rules[i].act(s, attributes);
			return;
		}
	}
	on_untimely(s, type);
}

/* --- what comes in ------------------------------------------------------------------------------------ */

/* A data packet. True with an event when it carries an IP packet that may pass. */
static bool data(struct sstp *s, struct slice frame, struct session_event *ret)
{
	uint16_t protocol = ppp_strip(&frame);
	bool ip4 = protocol == PPP_IP, ip6 = protocol == PPP_IPV6;

	if (!is_in(s, WITH_PPP) || protocol == 0)
		return false;
	if (ip4 || ip6) {
		s->ppp.heard = true;
		if (!s->ready || s->st != ST_CONNECTED || frame.n == 0 || (ip4 ? !s->ppp.ip4 : !s->ppp.ip6))
			return false;
		*ret = (struct session_event){ .type = SESSION_FRAME, .frame = frame };
		return true;
	}
	ppp_input(&s->ppp, protocol, frame, s->now);
	follow_ppp(s);
	return false;
}

/* Look for the HTTP answer. Returns 0 when there was one, good or bad; VE_AGAIN when it is not all there. */
static int read_http(struct sstp *s)
{
	struct http_head head;
	struct fault why = { 0 };
	const char *reason = NULL;
	int err = http_head_parse(HTTP_RESPONSE, buf_peek(&s->rx), &head, &reason);

	if (err == VE_AGAIN)
		return VE_AGAIN;
	if (err)
		fault_set(&why, VE_PROTO,
			  "what answers there does not speak HTTP as an SSTP server does (%s): check the "
			  "name and the port", reason ? reason : "too long");
	else
		err = sstp_http_check(&head, &why);
	if (err) {
		adopt(s, &why);
		enter(s, ST_OVER, 0);
		return 0;
	}
	buf_consume(&s->rx, head.length);
	send_connect_request(s);
	return 0;
}

static void on_eof(struct sstp *s)
{
	struct fault why = { 0 };

	if (s->cut.err != 0) {
		s->fault = s->cut;
		enter(s, ST_OVER, 0);
		return;
	}
	if (s->st == ST_HTTP)
		fault_set(&why, VE_PROTO,
			  "the server closed the connection without answering the SSTP request: no SSTP "
			  "server, or it wants to be called by another host name");
	else if (is_in(s, LIVE))
		explain_end(s, "the server closed the connection", &why);
	if (why.err)
		adopt(s, &why);
	enter(s, ST_OVER, 0);
}

static struct session_event notice(const char *text)
{
	return (struct session_event){ .type = SESSION_NOTICE, .text = text };
}

/* The first pending event. */
static struct session_event pop_pending(struct sstp *s)
{
	unsigned first = s->pending & (0u - s->pending);

	s->pending &= ~first;
	switch (first) {
	case PENDING_SHA1:
		return notice("this server binds the login with SHA-1 only, which is weak; its administrator "
			      "can turn SHA-256 on");
	case PENDING_READY:
		return (struct session_event){ .type = SESSION_READY, .facts = &s->ppp.facts };
	case PENDING_NO_DNS:
		return notice("this server names no DNS server: only addresses can be reached, or give one "
			      "with --dns");
	case PENDING_NO_IP4: /* IPv6 may be enough; if it is not, this is why */
		return notice(s->ppp.ipcp.fault.text);
	case PENDING_ROOM:
		return (struct session_event){ .type = SESSION_ROOM };
	default:
		return (struct session_event){ .type = SESSION_CLOSED, .fault = &s->fault };
	}
}

/* Handle one packet, or the HTTP head. Returns VE_AGAIN when there is no whole one, 0 otherwise; *ret_frame
 * says that @ret is an event. */
static int take_one(struct sstp *s, struct session_event *ret, bool *ret_frame)
{
	struct sstp_packet p;
	int err;

	if (s->st == ST_HTTP)
		return read_http(s);
	err = sstp_msg_take(buf_peek(&s->rx), &p);
	if (err == VE_AGAIN)
		return VE_AGAIN;
	if (err) {
		on_garbage(s);
		return 0;
	}
	buf_consume(&s->rx, p.length);
	s->hello = s->now + SSTP_HELLO_MS;
	s->asked = false;
	if (p.control)
		control(s, &p);
	else
		*ret_frame = data(s, p.body, ret);
	return 0;
}

static bool sstp_next_event(struct session *base, struct session_event *ret, uint64_t now_ms)
{
	struct sstp *s = sstp_of(base);
	bool frame = false;

	s->now = now_ms;
	while (!s->pending && s->st != ST_OVER) {
		if (take_one(s, ret, &frame) == 0) {
			if (frame)
				return true;
		} else if (s->eof) {
			on_eof(s);
		} else {
			return false;
		}
	}
	if (!s->pending)
		return false;
	*ret = pop_pending(s);
	return true;
}

static uint8_t *sstp_rx_reserve(struct session *base, unsigned channel, size_t *room)
{
	(void)channel;
	/* What lies there is at most the beginning of one packet: moving that is cheaper than reading in
	 * small pieces. */
	return buf_reserve(&sstp_of(base)->rx, SESSION_RX_MAX / 2, room);
}

static void sstp_rx_commit(struct session *base, unsigned channel, size_t n, uint64_t now_ms)
{
	struct sstp *s = sstp_of(base);

	(void)channel;
	s->now = now_ms;
	buf_commit(&s->rx, n);
	if (s->st == ST_OVER)
		buf_consume(&s->rx, buf_len(&s->rx));
}

/* The session knows best what an end means, as long as it is one of the server's choosing: during the login a reset is
 * just a ruder close. */
static void sstp_channel_closed(struct session *base, unsigned channel, const struct fault *f, uint64_t now_ms)
{
	struct sstp *s = sstp_of(base);

	(void)channel;
	s->now = now_ms;
	s->eof = true;
	if (f->err != VE_EOF && (f->err != VE_LOST || s->ready))
		s->cut = *f;
}

/* --- what goes out ------------------------------------------------------------------------------------ */

static struct slice sstp_tx_peek(const struct session *base, unsigned channel)
{
	const struct sstp *s = const_sstp_of(base);
	struct slice d = buf_peek(&s->data);

	(void)channel;
	if (buf_len(&s->ctl) == 0)
		return d;
	if (s->data_rest > 0)
		return (struct slice){ .p = d.p, .n = s->data_rest };
	return buf_peek(&s->ctl);
}

/* @n bytes leave the data queue: where in a packet does that end? */
static void consume_data(struct sstp *s, size_t n)
{
	struct slice d = buf_peek(&s->data);
	size_t at = s->data_rest;

	while (at < n)
		at += load_be16(d.p + at + 2);
	s->data_rest = at - n;
	buf_consume(&s->data, n);
	if (s->wants_room && buf_len(&s->data) < s->data.cap / 2) {
		s->wants_room = false;
		if (s->st == ST_CONNECTED)
			s->pending |= PENDING_ROOM;
	}
}

static void sstp_tx_consume(struct session *base, unsigned channel, size_t n, uint64_t now_ms)
{
	struct sstp *s = sstp_of(base);

	(void)channel;
	s->now = now_ms;
	if (n == 0)
		return;
	if (buf_len(&s->ctl) == 0 || s->data_rest > 0)
		consume_data(s, n);
	else
		buf_consume(&s->ctl, n);
}

static int sstp_output(struct session *base, const struct slice *v, size_t nv)
{
	struct sstp *s = sstp_of(base);
	size_t n = 0, room;
	uint8_t *to, *at;
	unsigned version;

	if (!s->ready || s->st != ST_CONNECTED)
		return VE_DOWN;
	for (size_t i = 0; i < nv; i++)
		n += v[i].n;
	if (n < 20 || n > s->ppp.facts.mtu) /* less than any IP header */
		return VE_LIMIT;
	to = buf_reserve(&s->data, SSTP_HEADER + PPP_HEADER + n, &room);
	if (room < SSTP_HEADER + PPP_HEADER + n) {
		s->wants_room = true;
		return VE_AGAIN;
	}
	at = to + SSTP_HEADER + PPP_HEADER;
	for (size_t i = 0; i < nv; i++) {
		memcpy(at, v[i].p, v[i].n);
		at += v[i].n;
	}
	version = to[SSTP_HEADER + PPP_HEADER] >> 4;
	if (version == 4 ? !s->ppp.ip4 : version != 6 || !s->ppp.ip6 || n < 40)
		return VE_LIMIT;
	write_data_header(to, version == 4 ? PPP_IP : PPP_IPV6, n);
	buf_commit(&s->data, SSTP_HEADER + PPP_HEADER + n);
	return 0;
}

/* --- time --------------------------------------------------------------------------------------------- */

static uint64_t sstp_deadline(const struct session *base)
{
	const struct sstp *s = const_sstp_of(base);
	uint64_t t = s->timer;

	if (is_in(s, WITH_PPP)) {
		uint64_t ppp = ppp_deadline(&s->ppp);

		t = ppp < t ? ppp : t;
	}
	if (s->st == ST_CONNECTED && s->hello < t)
		t = s->hello;
	return s->st == ST_OVER ? UINT64_MAX : t;
}

/* The state's own time is up. */
static void on_timer(struct sstp *s)
{
	switch (s->st) {
	case ST_HTTP:
		fail(s, VE_TIMEOUT, "no answer to the SSTP request (HTTP) within %u s", SSTP_HTTP_MS / 1000);
		enter(s, ST_OVER, 0);
		break;
	case ST_CALLING:
		fail(s, VE_TIMEOUT, "no answer to the call (CALL_CONNECT_REQUEST) within %u s",
		     SSTP_NEGOTIATION_MS / 1000);
		abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NEGOTIATION_TIMEOUT);
		break;
	case ST_LINKING:
		fail(s, VE_TIMEOUT, "no login within %u s: the server owes us %s",
		     SSTP_NEGOTIATION_MS / 1000, ppp_waiting(&s->ppp));
		abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NEGOTIATION_TIMEOUT);
		break;
	case ST_TERMINATING:
		disconnect(s);
		break;
	default:
		enter(s, ST_OVER, 0);
	}
}

/* A silence. The first time we ask, the second time nobody is there to hear a goodbye. */
static void on_hello(struct sstp *s)
{
	if (s->asked) {
		fail(s, VE_LOST, "the server fell silent: nothing in %u s", 2 * SSTP_HELLO_MS / 1000);
		enter(s, ST_OVER, 0);
		return;
	}
	send_simple(s, SSTP_ECHO_REQUEST);
	s->asked = true;
	s->hello = s->now + SSTP_HELLO_MS;
}

static void sstp_tick(struct session *base, uint64_t now_ms)
{
	struct sstp *s = sstp_of(base);

	s->now = now_ms;
	if (now_ms >= s->timer && s->st != ST_OVER)
		on_timer(s);
	if (s->st == ST_CONNECTED && now_ms >= s->hello)
		on_hello(s);
	if (is_in(s, WITH_PPP)) {
		ppp_tick(&s->ppp, now_ms);
		follow_ppp(s);
	}
}

/* --- life --------------------------------------------------------------------------------------------- */

static void sstp_stop(struct session *base, uint64_t now_ms)
{
	struct sstp *s = sstp_of(base);

	if (s->st == ST_OVER || s->stopping)
		return;
	s->now = now_ms;
	s->stopping = true;
	fail(s, VE_CANCELED, "asked to stop");
	if (s->st == ST_HTTP)
		enter(s, ST_OVER, 0);
	else if (s->st == ST_CALLING)
		abort_call(s, SSTP_ATTRIB_NO_ERROR, SSTP_STATUS_NO_ERROR);
	else if (is_in(s, IN(ST_LINKING) | IN(ST_CONNECTED)))
		say_goodbye(s, "User request");
	else if (s->timer > now_ms + SSTP_STOP_MS)
		s->timer = now_ms + SSTP_STOP_MS;
}

static const char *sstp_state_name(const struct session *base)
{
	static const char *const names[] = {
		[ST_HTTP] = "http",
		[ST_CALLING] = "call",
		[ST_LINKING] = "login",
		[ST_CONNECTED] = "address",
		[ST_TERMINATING] = "goodbye",
		[ST_ABORT_SENT] = "abort",
		[ST_ABORT_ANSWERED] = "aborted",
		[ST_DISCONNECT_SENT] = "disconnect",
		[ST_DISCONNECT_ANSWERED] = "disconnected",
		[ST_OVER] = "over",
	};
	const struct sstp *s = const_sstp_of(base);

	return s->st == ST_CONNECTED && s->ready ? "up" : names[s->st];
}

static void sstp_destroy(struct session *base)
{
	struct sstp *s = sstp_of(base);

	if (!s)
		return;
	ppp_fini(&s->ppp);
	buf_fini(&s->rx);
	buf_fini(&s->ctl);
	buf_fini(&s->data);
	wipe(s, sizeof(*s));
	free(s);
}

static void init_ppp(struct sstp *s)
{
	const struct ppp_owner owner = { .send = send_ppp, .authenticated = on_authenticated, .ctx = s };
	struct ppp_conf c = {
		.account = { .user = s->conf->user, .password = s->conf->password },
		.methods = methods,
		.unverified = !s->wire->verified && !s->conf->allow_unverified,
		.mtu = s->conf->mtu,
		.env = s->env,
	};

	c.account.methods = s->conf->auth_methods ? s->conf->auth_methods : AUTH_DEFAULT;
	(void)ip_parse(s->wire->host, &c.server); /* a name: stays unknown */
	ppp_init(&s->ppp, &c, &owner);
}

static int send_http_request(struct sstp *s)
{
	uint8_t request[SSTP_HTTP_REQUEST_MAX];
	struct wr w = wr_init(request, sizeof(request));

	sstp_http_request(&w, s->wire->host, s->wire->port, s->env);
	if (!wr_ok(&w))
		return VE_USAGE;
	put_control(s, &w);
	enter(s, ST_HTTP, SSTP_HTTP_MS);
	return 0;
}

static int sstp_create(struct session **ret, const struct session_conf *c, const struct wire_facts *w,
		       const struct session_env *env, uint64_t now_ms)
{
	struct sstp *s;
	int err = VE_NOMEM;

	if (!c->user || c->user[0] == '\0' || !c->password)
		return VE_USAGE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return VE_NOMEM;
	s->base.ops = &sstp_session_ops;
	s->conf = c;
	s->wire = w;
	s->env = env;
	s->now = now_ms;
	if (buf_init(&s->rx, SESSION_RX_MAX) || buf_init(&s->ctl, SESSION_TX_CONTROL) ||
	    buf_init(&s->data, SESSION_TX_MAX - SESSION_TX_CONTROL))
		goto err;
	init_ppp(s);
	err = send_http_request(s);
	if (err)
		goto err;
	*ret = &s->base;
	return 0;
err:
	sstp_destroy(&s->base);
	return err;
}

const struct session_ops sstp_session_ops = {
	.scheme = "sstp",
	.link = LINK_IP,
	.default_port = SSTP_HTTP_PORT,
	.create = sstp_create,
	.destroy = sstp_destroy,
	.rx_reserve = sstp_rx_reserve,
	.rx_commit = sstp_rx_commit,
	.channel_closed = sstp_channel_closed,
	.tx_peek = sstp_tx_peek,
	.tx_consume = sstp_tx_consume,
	.output = sstp_output,
	.next_event = sstp_next_event,
	.deadline = sstp_deadline,
	.tick = sstp_tick,
	.stop = sstp_stop,
	.state_name = sstp_state_name,
};
