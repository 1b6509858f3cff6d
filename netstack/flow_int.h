/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flow_int.h - what a flow is, for flow_tcp.c and flow_connect.c only; the states are explained in flow_tcp.c. */
#ifndef NETSTACK_FLOW_INT_H
#define NETSTACK_FLOW_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "netstack/flow.h"
#include "netstack/netstack_int.h"
#include "netstack/recvq.h"
#include "netstack/sendq.h"

#include "lwip/err.h"
#include "lwip/ip_addr.h"

enum flow_state {
	FLOW_HELD,       /* no PCB, no query; on "held" */
	FLOW_RESOLVING,  /* no PCB; waiter linked; on "connecting" */
	FLOW_RACING,     /* no PCB; race set: flows of our own connect to its addresses; on "connecting" */
	FLOW_CONNECTING, /* PCB in SYN_SENT; on "connecting" */
	FLOW_OPEN,       /* PCB beyond SYN_SENT, or gone after both FINs */
	FLOW_ENDED,      /* both directions in order; the PCB may still be sending */
	FLOW_BROKEN,     /* no PCB; err says why; received bytes may still be there */
};

/* What dispatch has to act on. */
enum {
	FACT_RESOLVED = 1 << 0, /* remote, or err */
	FACT_OPENED = 1 << 1,
	FACT_READABLE = 1 << 2,
	FACT_WRITABLE = 1 << 3,
	FACT_LOST = 1 << 4,    /* the error callback: lwip_err */
	FACT_REFUSED = 1 << 5, /* an ICMP error, or two bare resets: err */
	FACT_CLOSED = 1 << 6,
};

/* How much of one direction may be under way, flow_window.c. */
struct pace {
	size_t cap;       /* bytes: of the receive window, of the send queue */
	size_t moved;     /* through it since @since */
	bool wanted;      /* and there was more than it took */
	uint64_t since;
	uint64_t used_at; /* when a quarter of it was last needed */
};

struct flow {
	struct netstack *ns;
	const struct flow_events *ev; /* NULL: accepted, and nobody's so far */
	void *ctx;
	struct dest to;
	enum flow_state state;
	unsigned facts;
	int err;        /* VE_*: FLOW_BROKEN, FACT_REFUSED, or a failed FACT_RESOLVED */
	err_t lwip_err; /* FACT_LOST */
	bool orphan;    /* its owner has freed it */
	uint64_t since; /* when it entered held, connecting or lingering */
	unsigned bare_resets; /* RSTs without ACK in answer to our SYNs */

	struct waiter waiter;
	struct ip_set found;  /* from FACT_RESOLVED on */
	struct race *race;    /* FLOW_RACING */
	struct ip remote;
	struct tcp_pcb *pcb; /* NULL: none yet, or gone */
	struct ip local;     /* from the connect on */
	uint16_t local_port;

	uint64_t rx_total; /* bytes the client has got */
	uint32_t rtt_ms; /* of the handshake */
	uint64_t syn_at;
	struct pace rx_pace, tx_pace;
	size_t rx_charged, tx_charged; /* of the memory that all flows share */

	struct recvq rx;
	unsigned ack_segments; /* received since the last ACK, when ACKs wait for the end of a turn */
	bool rx_fin;     /* and then came the end */

	struct sendq tx;
	bool tx_starved; /* flow_reserve() found no room: writable is owed */
	bool tx_shut;    /* flow_shutdown() was called */
	bool tx_fin;     /* and lwIP has the FIN */
	bool resend;     /* what was refused is not in lwIP's unsent queue any more */

	struct node all, age, ready, dirty, acks, refused, finishing;
};

#define flow_of(n, member) list_entry(n, struct flow, member)

/* --- flow_tcp.c ----------------------------------------------------------------------------------------- */

void flow_make_ready(struct flow *f, unsigned facts); /* to be looked at by flow_deliver_all() */
void flow_make_dirty(struct flow *f);                 /* to be pushed by flow_push_all() */

/* The only place where the state changes. */
void flow_enter(struct flow *f, enum flow_state to);

/* On "all" and nowhere else, in no state worth a name: flow_enter() follows. NULL without memory. */
struct flow *flow_new(struct netstack *ns);

/* Free it. It has no PCB any more. */
void flow_destroy(struct flow *f);

/* Break it with @err, which its owner hears as closed(). @reset: tell the peer. Not inside of a lwIP callback. */
void flow_break(struct flow *f, int err, bool reset);

/* Neither a name nor a race is waited for any more. */
void flow_stop_looking(struct flow *f);

/* Our callbacks and options on @pcb. */
void flow_set_up_pcb(struct tcp_pcb *pcb, struct flow *f);

/* The PCB is lwIP's, or another flow's, from now on. */
void flow_forget_pcb(struct flow *f);

/* Never inside of a lwIP callback. A connection that was not made yet is forgotten without a reset. */
void flow_drop_pcb(struct flow *f, bool reset);

/* The flow with a PCB between these ends. A connection that a port of ours has not accepted yet is none. */
struct flow *flow_between(uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port);

/* Let go of PCBs that have reached TIME_WAIT; keep half-closed ones alive. */
void flow_sweep_finishing(struct netstack *ns);

/* --- flow_window.c -------------------------------------------------------------------------------------- */

void flow_windows_start(struct flow *f);  /* it has got a PCB */
void flow_windows_opened(struct flow *f); /* the SYN that was sent then is answered */

/* What it holds has changed, other than by the calls below: charge it for what it is now. */
void flow_charge(struct flow *f);

/* @n bytes reached the client: open the receive window by as much as it should. */
void flow_window_consumed(struct flow *f, size_t n);

/* Send the ACKs and window updates that are due. */
void flow_ack_all(struct netstack *ns);

/* @n bytes were acknowledged, and are out of the queue. */
void flow_send_acked(struct flow *f, size_t n);

/* Would it be of use to reserve now? */
bool flow_send_room(const struct flow *f);

/* --- flow_connect.c ------------------------------------------------------------------------------------- */

/* The link is there: the first step towards the peer. */
void flow_start(struct flow *f);

/* The next one, to the addresses that were found. */
void flow_start_found(struct flow *f);

#endif
