/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ppp_fsm.h - the option negotiation automaton of RFC 1661 section 4, shared by LCP, IPCP and IPV6CP.
 *
 * The automaton is a table of states and events; around it stand the packets of RFC 1661 section 5 and a
 * walk over options that a table of the protocol decides about. A protocol embeds struct ppp_fsm as its
 * first member.
 *
 * Three rules beyond the RFC, because servers lose the first packets while they start up (sstp-protocol.md
 * 3.5):
 *   - our timer runs by itself, nothing that arrives prolongs it;
 *   - when the peer's first Configure-Request comes while ours is unanswered, ours goes out once more, as it
 *     was, before our reply;
 *   - an answer counts only for our latest request, and once: the peer may answer both copies. */
#ifndef CORE_SSTP_PPP_FSM_H
#define CORE_SSTP_PPP_FSM_H

#include <stdbool.h>

#include "core/session.h"
#include "core/sstp/ppp_proto.h"
#include "core/sstp/rate.h"

enum fsm_state {
	FSM_INITIAL, FSM_STARTING, FSM_CLOSED, FSM_STOPPED, FSM_CLOSING, FSM_STOPPING,
	FSM_REQ_SENT, FSM_ACK_RCVD, FSM_ACK_SENT, FSM_OPENED,
	FSM_STATES
};

enum fsm_event {
	FSM_UP, FSM_DOWN, FSM_OPEN, FSM_CLOSE,      /* the layer below, and our own wish */
	FSM_TO_PLUS, FSM_TO_MINUS,                  /* restart timer: try again, give up */
	FSM_RCR_PLUS, FSM_RCR_MINUS, FSM_RCA, FSM_RCN, FSM_RTR, FSM_RTA,
	FSM_RUC, FSM_RXJ_PLUS, FSM_RXJ_MINUS, FSM_RXR,
	FSM_EVENTS
};

/* Actions, in the order in which they are taken when an event has several. */
enum {
	FSM_TLD = 1 << 0, /* this layer down */
	FSM_TLS = 1 << 1, /* this layer started */
	FSM_IRC = 1 << 2, /* initialize restart count */
	FSM_ZRC = 1 << 3, /* zero restart count */
	FSM_SCR = 1 << 4, /* send Configure-Request */
	FSM_SCA = 1 << 5, /* send Configure-Ack */
	FSM_SCN = 1 << 6, /* send Configure-Nak or -Reject */
	FSM_STR = 1 << 7, /* send Terminate-Request */
	FSM_STA = 1 << 8, /* send Terminate-Ack */
	FSM_SCJ = 1 << 9, /* send Code-Reject */
	FSM_SER = 1 << 10, /* send Echo-Reply */
	FSM_TLU = 1 << 11, /* this layer up */
	FSM_TLF = 1 << 12, /* this layer finished */
};

/* One cell of the RFC's table. */
struct fsm_cell {
	bool possible; /* false: "-" in the table, cannot happen; we stay as we are */
	uint16_t actions;
	uint8_t next;
};

struct fsm_cell ppp_fsm_cell(enum fsm_state state, enum fsm_event event);

enum ppp_verdict { PPP_ACK, PPP_NAK, PPP_REJECT };

struct ppp_fsm;

/* One option a protocol knows; it has a row in the protocol's table. */
struct ppp_option {
	uint8_t type;
	uint8_t length; /* of the value; others are rejected. PPP_OPTION_ANY: the row looks itself */
	/* The peer asks for this. Take the value, or write a better one to @nak. NULL: rejected. */
	enum ppp_verdict (*check)(struct ppp_fsm *f, unsigned row, struct slice value, struct wr *nak);
	/* We ask for this: write the value. NULL: we never do. */
	void (*write)(struct ppp_fsm *f, unsigned row, struct wr *value);
	/* The peer wants another value in it. NULL: we keep asking for ours. */
	void (*nakked)(struct ppp_fsm *f, unsigned row, struct slice value);
	/* The peer does not know it; we stop asking. NULL: fine. */
	void (*rejected)(struct ppp_fsm *f, unsigned row);
};

#define PPP_OPTION_ANY 0xff

/* Why a layer finished. */
enum fsm_end { FSM_END_SILENCE, FSM_END_REFUSED, FSM_END_STUCK, FSM_END_TERMINATED };

struct ppp_fsm_ops {
	uint16_t protocol;
	const struct ppp_option *options;
	unsigned noptions;
	/* The peer's Configure-Request begins: forget what its last one said. NULL: nothing to forget. */
	void (*begin)(struct ppp_fsm *f);
	/* It was answered so. May be NULL. */
	void (*replied)(struct ppp_fsm *f, enum ppp_verdict v);
	void (*up)(struct ppp_fsm *f);
	void (*down)(struct ppp_fsm *f);
	void (*finished)(struct ppp_fsm *f, enum fsm_end why);
	/* The peer sent a Terminate-Request; if the link was open, down() follows. May be NULL. */
	void (*terminated)(struct ppp_fsm *f, struct slice reason);
	/* A packet with a code above 7, or a Code-Reject of one. False: unknown, gets a Code-Reject. NULL:
	 * all are. */
	bool (*other)(struct ppp_fsm *f, const struct ppp_control *p);
};

/* What the automata of one link share. */
struct ppp_link {
	void (*send)(void *ctx, uint16_t protocol, struct slice packet);
	void *ctx;
	const struct session_env *env;
	struct rate rejects;
};

struct ppp_fsm {
	const struct ppp_fsm_ops *ops;
	struct ppp_link *link;
	enum fsm_state state;
	uint64_t now;
	uint64_t deadline;      /* when ppp_fsm_tick() wants to be called; UINT64_MAX: never */
	unsigned restarts;      /* restart counter */
	uint8_t next_id;
	unsigned want;          /* rows we ask for, as bits */
	bool pending;           /* our latest Configure-Request has no answer yet */
	bool answered;          /* the peer answered a request of ours, ever */
	bool heard;             /* the peer sent a Configure-Request, ever */
	bool give_up;           /* a row found that there is nothing to agree on */
	unsigned naks_sent, rounds;
	uint8_t request_id, request[PPP_REQUEST_MAX];
	size_t request_len;
	uint8_t acked_id, acked[PPP_ACKED_MAX];
	size_t acked_len;       /* 0: none, or too long to remember */
	const char *reason;     /* goes into our Terminate-Request; static */
	enum fsm_end end;
};

/* In state Initial, asking for all rows that have write(). @link is lent for the life of @f. */
void ppp_fsm_init(struct ppp_fsm *f, const struct ppp_fsm_ops *ops, struct ppp_link *link);

/* The administrative events. */
void ppp_fsm_open(struct ppp_fsm *f, uint64_t now_ms);
void ppp_fsm_up(struct ppp_fsm *f, uint64_t now_ms);
void ppp_fsm_down(struct ppp_fsm *f, uint64_t now_ms);
void ppp_fsm_close(struct ppp_fsm *f, const char *reason, uint64_t now_ms); /* @reason: ASCII, static */

/* A packet of the protocol. Malformed ones are dropped. */
void ppp_fsm_input(struct ppp_fsm *f, struct slice packet, uint64_t now_ms);
/* The peer rejected the whole protocol. */
void ppp_fsm_rejected(struct ppp_fsm *f, uint64_t now_ms);
void ppp_fsm_tick(struct ppp_fsm *f, uint64_t now_ms);

/* Is this a Configure-Request at all, its options whole? */
bool ppp_fsm_is_request(const struct ppp_control *p);

/* Is this the very Configure-Request that we have acknowledged last, once more? */
bool ppp_fsm_is_repeat(const struct ppp_fsm *f, const struct ppp_control *p);

/* An Echo-Request came: send @reply if the link is open. */
void ppp_fsm_echo(struct ppp_fsm *f, uint8_t id, struct slice reply);

/* Send a packet of a code above 7. Returns its identifier. */
uint8_t ppp_fsm_send(struct ppp_fsm *f, uint8_t code, struct slice data);
void ppp_fsm_send_as(struct ppp_fsm *f, uint8_t code, uint8_t id, struct slice data);

#endif
