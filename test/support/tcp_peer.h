/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tcp_peer.h - a small TCP of its own, at the other end of a flow under test.
 *
 * One connection at a time, passive or active open. It takes data in order only, acknowledges each segment, announces
 * the window it really has, sends within the window it is given, goes back to the first unacknowledged byte
 * after a second without progress, and closes in both orders. All it receives is kept. What a test wants to
 * go wrong, it does itself to the packets on their way, or with the switches below. */
#ifndef TEST_SUPPORT_TCP_PEER_H
#define TEST_SUPPORT_TCP_PEER_H

#include "packet.h"

#define TCP_PEER_HELD 8192u
#define TCP_PEER_MAX (8u << 20) /* bytes of each direction */

enum tcp_peer_state { PEER_LISTEN, PEER_SYN_SENT, PEER_SYN_RECEIVED, PEER_OPEN, PEER_CLOSED };

struct tcp_peer {
	/* set by the test, before or in between */
	struct ip ip;
	uint16_t port;
	void (*emit)(void *ctx, const struct packet *p);
	void *ctx;
	uint16_t mss;      /* announced, and used for sending */
	int scale;         /* announced; -1: no option */
	uint32_t buffer;   /* bytes it takes before somebody calls tcp_peer_read() */
	bool read_at_once; /* nobody needs to */
	bool mute;         /* hears nothing, says nothing */
	bool endless;      /* forgets what it gets, and has zeros to send without an end while sending is set */
	bool sending;
	bool sack;         /* keeps what came out of order, not if endless, and says so (RFC 2018) */

	enum tcp_peer_state state;
	struct ip their_ip;
	uint16_t their_port;
	uint16_t their_mss;
	int their_scale;
	uint32_t iss, una, nxt;  /* ours: first, unacknowledged, next to be sent */
	uint32_t rcv_nxt;        /* theirs: next expected */
	uint32_t their_window;
	uint32_t syn_seq;        /* of their SYN */
	uint8_t *rx;             /* all they sent */
	size_t rx_len, unread;
	uint8_t *tx;             /* all we have to send */
	size_t tx_len;
	bool fin_wanted, fin_sent, fin_acked;
	bool got_fin, got_rst;
	uint64_t progress_ms;    /* when una last moved, or sending began */
	uint32_t (*held)[2];     /* what is there out of order: TCP_PEER_HELD ranges in order, with gaps between */
	unsigned nheld;
	unsigned segments_in, acks_in; /* with data; without */
	unsigned resent;
};

/* Listen on @ip and @port; memory for both directions is taken at once. */
void tcp_peer_init(struct tcp_peer *p, struct ip ip, uint16_t port, void (*emit)(void *ctx, const struct packet *p),
		   void *ctx);
void tcp_peer_fini(struct tcp_peer *p);

/* Connect to @ip and @port; PEER_OPEN when that is through. */
void tcp_peer_connect(struct tcp_peer *p, struct ip ip, uint16_t port, uint64_t now_ms);

/* A TCP packet came in for us. */
void tcp_peer_input(struct tcp_peer *p, const struct packet *in, uint64_t now_ms);
void tcp_peer_tick(struct tcp_peer *p, uint64_t now_ms);

void tcp_peer_send(struct tcp_peer *p, const void *data, size_t n, uint64_t now_ms);
void tcp_peer_close(struct tcp_peer *p, uint64_t now_ms); /* FIN behind what is queued */
void tcp_peer_reset(struct tcp_peer *p);
void tcp_peer_read(struct tcp_peer *p, size_t n); /* opens the window again and says so */

/* A segment from us as the state has it, to be changed and emitted by a test. */
struct packet tcp_peer_segment(const struct tcp_peer *p, unsigned flags);

#endif
