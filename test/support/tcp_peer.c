/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tcp_peer.c - see tcp_peer.h. */
#include "tcp_peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RTO_MS 1000u

void tcp_peer_init(struct tcp_peer *p, struct ip ip, uint16_t port, void (*emit)(void *ctx, const struct packet *p),
		   void *ctx)
{
	memset(p, 0, sizeof(*p));
	p->ip = ip;
	p->port = port;
	p->emit = emit;
	p->ctx = ctx;
	p->mss = 1460;
	p->scale = 7;
	p->buffer = 1u << 20;
	p->read_at_once = true;
	p->rx = malloc(TCP_PEER_MAX); /* of which only what is used will be there */
	p->tx = malloc(TCP_PEER_MAX);
	p->held = malloc(TCP_PEER_HELD * sizeof(*p->held));
	assert(p->rx && p->tx && p->held);
}

void tcp_peer_fini(struct tcp_peer *p)
{
	free(p->held);
	free(p->rx);
	free(p->tx);
	memset(p, 0, sizeof(*p));
}

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static bool scaling(const struct tcp_peer *p)
{
	return p->scale >= 0 && p->their_scale >= 0;
}

static uint32_t window(const struct tcp_peer *p)
{
	uint32_t w = p->unread < p->buffer ? (uint32_t)(p->buffer - p->unread) : 0;

	if (scaling(p))
		w >>= p->scale;
	return w > 0xffff ? 0xffff : w;
}

struct packet tcp_peer_segment(const struct tcp_peer *p, unsigned flags)
{
	struct packet s = { .from = p->ip, .to = p->their_ip, .proto = PROTO_TCP, .from_port = p->port,
			    .to_port = p->their_port, .seq = p->nxt, .ack = p->rcv_nxt, .flags = flags,
			    .window = window(p), .scale = -1 };

	return s;
}

static void emit(struct tcp_peer *p, const struct packet *s)
{
	if (!p->mute)
		p->emit(p->ctx, s);
}

static void send_ack(struct tcp_peer *p)
{
	struct packet s = tcp_peer_segment(p, ACK);

	emit(p, &s);
}

static void send_syn_ack(struct tcp_peer *p)
{
	struct packet s = tcp_peer_segment(p, SYN | ACK);

	s.seq = p->iss;
	s.window = p->buffer > 0xffff ? 0xffff : p->buffer; /* never scaled in a SYN */
	s.mss = p->mss;
	s.scale = scaling(p) ? p->scale : -1;
	s.sack_permitted = p->sack;
	emit(p, &s);
}

/* Sequence number of the byte behind all that tx has. */
static uint32_t data_end(const struct tcp_peer *p)
{
	if (p->endless)
		return p->nxt + (p->sending ? 1u << 20 : 0);
	return p->iss + 1 + (uint32_t)p->tx_len;
}

static size_t segment_size(const struct tcp_peer *p)
{
	size_t n = p->mss < p->their_mss ? p->mss : p->their_mss;
	size_t left = data_end(p) - p->nxt;
	size_t room = before(p->nxt, p->una + p->their_window) ? p->una + p->their_window - p->nxt : 0;

	n = n < left ? n : left;
	return n < room ? n : room;
}

static const uint8_t zeros[FRAME_MAX];

static void send_what_fits(struct tcp_peer *p, uint64_t now_ms)
{
	if (p->state != PEER_OPEN)
		return;
	if (p->una == p->nxt)
		p->progress_ms = now_ms;
	while (before(p->nxt, data_end(p)) && segment_size(p) > 0) {
		struct packet s = tcp_peer_segment(p, ACK | PSH);

		s.payload = (struct slice){ .p = p->endless ? zeros : p->tx + (p->nxt - p->iss - 1), .n = segment_size(p) };
		emit(p, &s);
		p->nxt += (uint32_t)s.payload.n;
	}
	if (p->fin_wanted && p->nxt == data_end(p)) {
		struct packet s = tcp_peer_segment(p, ACK | FIN);

		emit(p, &s);
		p->nxt++;
		p->fin_sent = true;
	}
}

static void take_ack(struct tcp_peer *p, const struct packet *in, uint64_t now_ms)
{
	if (before(p->una, in->ack) && !before(p->nxt, in->ack)) {
		p->una = in->ack;
		p->progress_ms = now_ms;
	}
	p->their_window = in->window << (scaling(p) ? p->their_scale : 0);
	if (p->fin_sent && p->una == data_end(p) + 1)
		p->fin_acked = true;
}

/* The range that grew first, then those that came last, as far as a peer whose data is in order can tell. */
static void send_sack(struct tcp_peer *p, unsigned grown)
{
	struct packet s = tcp_peer_segment(p, ACK);

	memcpy(s.sacks[s.nsacks++], p->held[grown], sizeof(*p->held));
	for (unsigned i = p->nheld; i-- > 0 && s.nsacks < PACKET_SACKS;)
		if (i != grown)
			memcpy(s.sacks[s.nsacks++], p->held[i], sizeof(*p->held));
	emit(p, &s);
}

/* Put a segment into the place it will have, and its numbers on the list. */
static void hold(struct tcp_peer *p, const struct packet *in)
{
	uint32_t from = in->seq, to = from + (uint32_t)in->payload.n;
	unsigned i = 0, last;

	assert(p->rx_len + (to - p->rcv_nxt) <= TCP_PEER_MAX && p->nheld < TCP_PEER_HELD);
	memcpy(p->rx + p->rx_len + (from - p->rcv_nxt), in->payload.p, in->payload.n);
	while (i < p->nheld && before(p->held[i][1], from))
		i++;
	for (last = i; last < p->nheld && !before(to, p->held[last][0]); last++) {
		from = before(p->held[last][0], from) ? p->held[last][0] : from;
		to = before(to, p->held[last][1]) ? p->held[last][1] : to;
	}
	memmove(p->held + i + 1, p->held + last, (p->nheld - last) * sizeof(*p->held));
	p->nheld = p->nheld + 1 - (last - i);
	p->held[i][0] = from;
	p->held[i][1] = to;
	send_sack(p, i);
}

/* What is in order now, because a gap was filled, is received. */
static void take_held(struct tcp_peer *p)
{
	unsigned n = 0;

	for (; n < p->nheld && !before(p->rcv_nxt, p->held[n][0]); n++) {
		uint32_t more = before(p->rcv_nxt, p->held[n][1]) ? p->held[n][1] - p->rcv_nxt : 0;

		p->rcv_nxt += more;
		p->rx_len += more;
		p->unread += p->read_at_once ? 0 : more;
	}
	p->nheld -= n;
	memmove(p->held, p->held + n, p->nheld * sizeof(*p->held));
}

static void take_data(struct tcp_peer *p, const struct packet *in)
{
	size_t room = p->unread < p->buffer ? p->buffer - p->unread : 0;
	size_t skip = p->rcv_nxt - in->seq, n = in->payload.n;

	if (p->sack && before(p->rcv_nxt, in->seq) && in->payload.n > 0 && !(in->flags & FIN)) {
		hold(p, in);
		return;
	}
	if (before(p->rcv_nxt, in->seq) || skip > n || (skip == n && n > 0)) {
		send_ack(p); /* not what comes next */
		return;
	}
	n -= skip;
	if (n > room)
		n = room;
	assert(p->endless || p->rx_len + n <= TCP_PEER_MAX);
	if (!p->endless)
		memcpy(p->rx + p->rx_len, in->payload.p + skip, n);
	p->rx_len += n;
	p->unread += p->read_at_once ? 0 : n;
	p->rcv_nxt += (uint32_t)n;
	take_held(p);
	if ((in->flags & FIN) && p->rcv_nxt == in->seq + in->payload.n && !p->got_fin) {
		p->rcv_nxt++;
		p->got_fin = true;
	}
	if (p->nheld > 0)
		send_sack(p, 0);
	else
		send_ack(p);
}

static void start(struct tcp_peer *p, enum tcp_peer_state state, struct ip ip, uint16_t port)
{
	p->state = state;
	p->their_ip = ip;
	p->their_port = port;
	p->iss = 0xfffff000u; /* numbers wrap soon */
	p->una = p->iss;
	p->nxt = p->iss + 1;
	p->rx_len = p->unread = p->tx_len = 0;
	p->fin_wanted = p->fin_sent = p->fin_acked = p->got_fin = p->got_rst = false;
}

static void take_their_syn(struct tcp_peer *p, const struct packet *in)
{
	p->their_mss = in->mss ? in->mss : 536;
	p->their_scale = in->scale;
	p->their_window = in->window;
	p->syn_seq = in->seq;
	p->rcv_nxt = in->seq + 1;
}

static void take_syn(struct tcp_peer *p, const struct packet *in)
{
	start(p, PEER_SYN_RECEIVED, in->from, in->from_port);
	take_their_syn(p, in);
	send_syn_ack(p);
}

static void send_syn(struct tcp_peer *p, uint64_t now_ms)
{
	struct packet s = tcp_peer_segment(p, SYN);

	s.seq = p->iss;
	s.ack = 0;
	s.window = p->buffer > 0xffff ? 0xffff : p->buffer;
	s.mss = p->mss;
	s.scale = p->scale;
	p->progress_ms = now_ms;
	emit(p, &s);
}

void tcp_peer_connect(struct tcp_peer *p, struct ip ip, uint16_t port, uint64_t now_ms)
{
	start(p, PEER_SYN_SENT, ip, port);
	p->their_scale = -1;
	send_syn(p, now_ms);
}

static void take_syn_ack(struct tcp_peer *p, const struct packet *in, uint64_t now_ms)
{
	if (in->ack != p->iss + 1)
		return;
	take_their_syn(p, in);
	p->una = in->ack;
	p->state = PEER_OPEN;
	send_ack(p);
	send_what_fits(p, now_ms);
}

void tcp_peer_input(struct tcp_peer *p, const struct packet *in, uint64_t now_ms)
{
	if (p->mute)
		return;
	if (in->flags & RST) {
		p->got_rst = p->got_rst || in->from_port == p->their_port;
		p->state = p->got_rst ? PEER_CLOSED : p->state;
		return;
	}
	if (p->state == PEER_SYN_SENT && (in->flags & (SYN | ACK)) == (SYN | ACK) && in->from_port == p->their_port) {
		take_syn_ack(p, in, now_ms);
		return;
	}
	if (in->flags & ACK && in->flags & SYN) {
		send_ack(p); /* once more: our ACK was lost */
		return;
	}
	if (in->flags & SYN) {
		if (p->state == PEER_LISTEN || in->from_port == p->their_port)
			take_syn(p, in);
		return;
	}
	if (in->from_port != p->their_port || p->state == PEER_LISTEN || p->state == PEER_CLOSED)
		return;
	if (p->state == PEER_SYN_RECEIVED && in->ack == p->iss + 1)
		p->state = PEER_OPEN;
	take_ack(p, in, now_ms);
	if (in->payload.n > 0)
		p->segments_in++;
	else
		p->acks_in++;
	if (in->payload.n > 0 || (in->flags & FIN))
		take_data(p, in);
	else if (in->seq != p->rcv_nxt)
		send_ack(p); /* a keep-alive, or something old */
	send_what_fits(p, now_ms);
}

void tcp_peer_tick(struct tcp_peer *p, uint64_t now_ms)
{
	if (p->state == PEER_SYN_SENT && now_ms - p->progress_ms >= RTO_MS)
		send_syn(p, now_ms);
	if (p->state != PEER_OPEN || p->una == p->nxt || now_ms - p->progress_ms < RTO_MS)
		return;
	p->progress_ms = now_ms;
	p->nxt = p->una;
	p->resent++;
	if (p->fin_sent && p->nxt == data_end(p) + 1)
		return;
	p->fin_sent = false;
	send_what_fits(p, now_ms);
}

void tcp_peer_send(struct tcp_peer *p, const void *data, size_t n, uint64_t now_ms)
{
	assert(p->tx_len + n <= TCP_PEER_MAX && !p->fin_wanted);
	memcpy(p->tx + p->tx_len, data, n);
	p->tx_len += n;
	send_what_fits(p, now_ms);
}

void tcp_peer_close(struct tcp_peer *p, uint64_t now_ms)
{
	p->fin_wanted = true;
	send_what_fits(p, now_ms);
}

void tcp_peer_reset(struct tcp_peer *p)
{
	struct packet s = tcp_peer_segment(p, RST | ACK);

	emit(p, &s);
	p->state = PEER_CLOSED;
}

void tcp_peer_read(struct tcp_peer *p, size_t n)
{
	assert(n <= p->unread);
	p->unread -= n;
	send_ack(p);
}
