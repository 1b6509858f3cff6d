/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flow_window.c - how much of a flow may be under way, and the memory that all flows share.
 *
 * Theory of operation
 *
 * A window is what a flow can carry in a round trip, so on a long way it has to be megabytes; but ten thousand flows
 * cannot have megabytes each, and what lies in a window that is larger than the way needs is a queue in front of
 * everybody else. So each direction of a flow starts small and is doubled when it is what limits: when as many bytes
 * have gone through it as it holds, within twice the round trip time of the handshake (or a few milliseconds, because a
 * turn of the loop and the server's own batches take their time on the shortest way, too). It is halved for each
 * FLOW_REST_MS in which not even a quarter of it was used.
 *
 * Memory. struct netstack_conf.memory is shared by all flows. Of the send queue, its chunks are charged; of the receive
 * window, what was promised: what the peer may send, whether it does or not, plus what waits for the client, all of it
 * twice (FLOW_SMALL). Not charged are FLOW_WINDOW_MIN and the first chunk of each flow, so that every flow can go on
 * whatever the others hold. A window grows only if as much is left afterwards as that takes; when an eighth of the
 * memory is left, who holds more than that is halved until others have their share. A window that was announced is never
 * taken back (RFC 9293, 3.8.6): a smaller one is reached by not opening it while the peer uses it up. */
#include "core/limits.h"
#include "netstack/flow_int.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip_hooks.h"

#define RTT_UNKNOWN_MS 50u  /* of a connection that the peer has begun */
#define RTT_MAX_MS 1000u    /* of one whose SYN had to be sent again, too */
#define RTT_FRESH_MS 60000u
#define EASY (1u * MIB)     /* up to here, servers that answer late or in batches are not taken for a full link */
#define EASY_MS 20u
#define STRICT_MS 4u
#define ACK_SEGMENTS 44u    /* what Linux gathers: 64 KiB */
#define ACK_EACH (1u * MIB) /* received, until when every second segment is acknowledged */
#define UPDATE_MAX (64u * KIB) /* a window that has opened by so much is announced without waiting for an ACK to send */

/* --- memory --------------------------------------------------------------------------------------------- */

size_t flow_memory_left(const struct netstack *ns)
{
	return ns->memory_used < ns->conf.memory ? ns->conf.memory - ns->memory_used : 0;
}

/* Change what a flow is charged for something. */
static void charge(struct netstack *ns, size_t *charged, size_t now)
{
	ns->memory_used = ns->memory_used - *charged + now;
	*charged = now;
}

static size_t cost(size_t window)
{
	return window > FLOW_WINDOW_MIN ? 2 * (window - FLOW_WINDOW_MIN) : 0;
}

void flow_charge(struct flow *f)
{
	size_t promised = f->rx.len + (f->pcb && !f->rx_fin ? f->pcb->rcv_wnd : 0);

	charge(f->ns, &f->rx_charged, cost(promised));
	charge(f->ns, &f->tx_charged, f->tx.memory > FLOW_CHUNK_MIN ? f->tx.memory - FLOW_CHUNK_MIN : 0);
}

/* Half of the memory is for those that have shown what they need. */
static size_t start_size(const struct netstack *ns)
{
	return flow_memory_left(ns) >= ns->conf.memory / 2 ? FLOW_WINDOW_START : FLOW_WINDOW_MIN;
}

/* --- pace ----------------------------------------------------------------------------------------------- */

static uint64_t limit_ms(const struct flow *f, const struct pace *p)
{
	uint32_t least = p->cap < EASY ? EASY_MS : STRICT_MS;

	return 2 * f->rtt_ms > least ? 2 * f->rtt_ms : least;
}

static void rest(const struct flow *f, struct pace *p, uint64_t now)
{
	size_t least = start_size(f->ns);

	for (; now - p->used_at >= FLOW_REST_MS; p->used_at += FLOW_REST_MS) {
		if (p->cap / 2 < least) {
			p->used_at = now;
			return;
		}
		p->cap /= 2;
	}
}

/* @n more bytes are through. Returns true if a whole window was, in about a round trip. */
static bool went_through(const struct flow *f, struct pace *p, size_t n)
{
	uint64_t now = netstack_now();

	if (now - p->since > limit_ms(f, p)) {
		rest(f, p, now);
		p->since = now;
		p->moved = 0;
		p->wanted = false;
	}
	p->moved += n;
	if (p->moved >= p->cap / 4)
		p->used_at = now;
	if (p->moved < p->cap)
		return false;
	p->since = now;
	p->moved = 0;
	return true;
}

/* The window of @p was full, and each byte of it costs @weight: what should it be? */
static size_t next_cap(const struct flow *f, const struct pace *p, size_t max, size_t weight)
{
	size_t left = flow_memory_left(f->ns), more = min_size(p->cap, max - min_size(p->cap, max));

	if (left < f->ns->conf.memory / 8 && weight * p->cap > left && p->cap / 2 >= FLOW_WINDOW_MIN)
		return p->cap / 2;
	return weight * more <= left / 2 ? p->cap + more : p->cap;
}

static void pace_init(struct pace *p, size_t cap)
{
	*p = (struct pace){ .cap = cap, .since = netstack_now(), .used_at = netstack_now() };
}

/* --- both directions ------------------------------------------------------------------------------------ */

void flow_windows_start(struct flow *f)
{
	f->rtt_ms = RTT_UNKNOWN_MS;
	f->syn_at = netstack_now();
	pace_init(&f->rx_pace, f->pcb->rcv_wnd);
	pace_init(&f->tx_pace, FLOW_SEND_START);
	flow_charge(f);
}

static struct known_rtt *known_rtt(struct netstack *ns, const struct ip *ip)
{
	uint32_t h = 0;

	for (size_t i = 0; i < sizeof(ip->b); i++)
		h = h * 31 + ip->b[i];
	return &ns->rtts[h % KNOWN_RTTS];
}

/* A handshake beside a bulk transfer takes as long as the queue that this one makes. To take that for the way would make
 * the next queue longer; so the shortest handshake of the last minute counts. */
void flow_windows_opened(struct flow *f)
{
	struct known_rtt *k = known_rtt(f->ns, &f->remote);
	uint64_t now = netstack_now(), took = now - f->syn_at;

	f->rtt_ms = (uint32_t)(took < 1 ? 1 : took > RTT_MAX_MS ? RTT_MAX_MS : took);
	if (ip_equal(&k->ip, &f->remote) && now - k->at < RTT_FRESH_MS && k->ms < f->rtt_ms)
		f->rtt_ms = k->ms;
	else
		*k = (struct known_rtt){ .ip = f->remote, .ms = f->rtt_ms, .at = now };
}

/* --- receiving ------------------------------------------------------------------------------------------ */

static void ack_at_turn_end(struct flow *f)
{
	if (!list_linked(&f->acks))
		list_move_last(&f->ns->acks, &f->acks);
}

/* What has come in a turn is acknowledged with one segment at its end, as kernels do it for what a card has gathered; but
 * not more than ACK_SEGMENTS at once, and none are gathered at the beginning, where ACKs are what a slow start grows by. */
int netstack_ack_later(void *flow)
{
	struct flow *f = flow;

	if (!f || !f->pcb || f->pcb->state < ESTABLISHED || f->rx_total < ACK_EACH || ++f->ack_segments >= ACK_SEGMENTS) {
		if (f)
			f->ack_segments = 0;
		return 0;
	}
	ack_at_turn_end(f);
	return 1;
}

static void acknowledge(struct flow *f)
{
	struct tcp_pcb *pcb = f->pcb;
	bool opened = tcp_update_rcv_ann_wnd(pcb) >= min_size(f->rx_pace.cap / 4, UPDATE_MAX);

	if (!opened && (f->ack_segments == 0 || !(pcb->flags & TF_ACK_DELAY)))
		return;
	f->ack_segments = 0;
	tcp_ack_now(pcb);
	tcp_output(pcb);
}

void flow_ack_all(struct netstack *ns)
{
	struct node batch;

	list_init(&batch);
	list_take_all(&batch, &ns->acks);
	while (!list_empty(&batch)) {
		struct flow *f = flow_of(batch.next, acks);

		list_del(&f->acks);
		acknowledge(f);
	}
}

void flow_window_consumed(struct flow *f, size_t n)
{
	struct tcp_pcb *pcb = f->pcb;
	struct pace *p = &f->rx_pace;

	f->rx_total += n;
	if (pcb && !f->rx_fin) { /* behind a FIN there is no window to open */
		if (went_through(f, p, n) && f->rx.len <= p->cap / 2)
			p->cap = next_cap(f, p, TCP_WND_MAX(pcb), 2);
		if (pcb->rcv_wnd + f->rx.len < p->cap) {
			pcb->rcv_wnd = (tcpwnd_size_t)(p->cap - f->rx.len);
			ack_at_turn_end(f);
		}
	}
	flow_charge(f);
}

uint16_t netstack_tcp_window(void)
{
	const struct netstack *ns = netstack_the_one();
	size_t start = ns ? start_size(ns) : FLOW_WINDOW_START;

	return (uint16_t)min_size(start, UINT16_MAX); /* in a SYN it is never scaled */
}

/* --- sending -------------------------------------------------------------------------------------------- */

void flow_send_acked(struct flow *f, size_t n)
{
	struct pace *p = &f->tx_pace;
	bool full = went_through(f, p, n);

	/* More in the queue is of use only if there is more to send than it holds, and if more could be under way. */
	if (full && p->wanted && f->pcb->cwnd >= p->cap && f->pcb->snd_wnd >= p->cap / 2)
		p->cap = next_cap(f, p, FLOW_SEND_MAX, 1);
	if (full)
		p->wanted = false;
	flow_charge(f);
}

/* A quarter of the queue is worth a read of the client's socket. */
bool flow_send_room(const struct flow *f)
{
	return f->tx.len <= f->tx_pace.cap - f->tx_pace.cap / 4 && sendq_may_grow(&f->tx, flow_memory_left(f->ns));
}
