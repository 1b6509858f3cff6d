/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sstp_rig.h - an SSTP session between a recorder of its events and a small server, in virtual time.
 *
 * The server has a codec of its own and does what servers do: 200, ACK, LCP, MS-CHAPv2, IPCP, IPV6CP,
 * echoes, goodbyes. It can fall silent at any stage, lose what comes too early, and be told to send
 * anything. Failures abort with a line. */
#ifndef TEST_SUPPORT_SSTP_RIG_H
#define TEST_SUPPORT_SSTP_RIG_H

#include "core/session.h"

#define RIG_RX_MAX 70000u
#define RIG_FRAMES_MAX 64u

/* How far the server goes; at each stage it still does the one before. */
enum rig_stage {
	RIG_SILENT,    /* accepts TLS and says nothing */
	RIG_HTTP,      /* answers the HTTP request */
	RIG_CALL,      /* acknowledges the call, and its LCP is dead */
	RIG_LCP,       /* agrees on the link, and sends no challenge */
	RIG_CHALLENGE, /* sends a challenge, and no verdict */
	RIG_LOGIN,     /* gives its verdict; no network protocols */
	RIG_UP,        /* all of it */
};

struct rig {
	struct session *s;
	struct session_conf conf;
	struct wire_facts wire;
	uint64_t now;

	/* what the session told */
	unsigned readies, rooms, closes, frames, notices;
	struct link_facts facts;
	struct fault fault;
	char notice[512];
	struct { uint8_t bytes[64]; size_t n; } frame[RIG_FRAMES_MAX];
	bool saw_ready_before_frame;

	/* bytes for the server that it has not looked at */
	uint8_t rx[RIG_RX_MAX];
	size_t nrx;

	/* the server: set before rig_run() */
	enum rig_stage stage;
	uint8_t mask;              /* of hashes, default both */
	const char *password;      /* what it thinks the password is, default "secret" */
	bool ip6;                  /* has IPV6CP, else it rejects it */
	bool deaf6;                /* ignores IPV6CP */
	uint64_t deaf_until;       /* loses data packets until then, and sends its LCP request at that time */
	bool late_ncp;             /* loses the first packet of a network protocol */
	bool wrong_proof;          /* says S= of another password */
	const char *mru;           /* hex of an MRU option for its request, "" */
	bool mute;                 /* answers nothing any more */
	/* Cut what it sends here, counted from the first byte; UINT64_MAX: nowhere. */
	uint64_t split_at;
	bool byte_by_byte;
	/* what it saw */
	bool bound;                /* a correct CALL_CONNECTED */
	unsigned connected, aborts, disconnects, disconnect_acks, echo_requests, echo_responses,
		term_requests, term_acks, lcp_echoes;
	uint32_t abort_status;
	unsigned data_packets;     /* of IP */
	unsigned packets_before_connected; /* of network protocols: must stay 0 */
	/* its own */
	bool requested, got_http, lcp_ours, lcp_theirs, lcp_sent, challenged, ipcp_sent, ip6_sent, lost_one;
	uint8_t nonce[32], challenge[16], hlak[32];
	uint64_t sent;
	uint64_t ready_at, closed_at;
};

/* A session that has just been made at time 5000 for alice / secret. Change @r->conf and the server before
 * rig_start(). */
void rig_init(struct rig *r);
void rig_start(struct rig *r);
void rig_fini(struct rig *r);

/* Let server and session talk until nobody has anything to say. */
void rig_run(struct rig *r);
/* Let time pass, tick by tick, both talking. Stops when the session has closed. */
void rig_wait(struct rig *r, uint64_t ms);
/* All of a login; READY has come. */
void rig_login(struct rig *r);

/* The server sends these bytes, whatever they are; the session's events are taken. */
void rig_give(struct rig *r, const void *p, size_t n);
void rig_give_hex(struct rig *r, const char *hex);
/* One PPP frame, "FF 03" and the SSTP header in front. */
void rig_give_ppp(struct rig *r, const char *hex);
void rig_give_frame(struct rig *r, uint16_t protocol, const void *p, size_t n);
void rig_eof(struct rig *r);

/* Move what the session has to send to @r->rx, without the server looking at it. */
void rig_pull(struct rig *r);
/* Take the session's events. */
void rig_events(struct rig *r);

#endif
