/* SPDX-License-Identifier: GPL-3.0-or-later */
/* flow_tcp.c - flows on lwIP's TCP; how they get there is in flow_connect.c.
 *
 * Theory of operation
 *
 * A flow waits for the link (HELD), for its name (RESOLVING), for the peer (CONNECTING, or RACING if the name
 * has several addresses, see flow_race.c), carries bytes (OPEN), and ends: in order (ENDED) or not (BROKEN).
 * flow_enter() is the only place where that changes.
 *
 *     HELD --> RESOLVING --> CONNECTING --> OPEN --> ENDED
 *      ^------------+-------------'           '----> BROKEN <-- all
 *           the link went away
 *
 * Callbacks. lwIP's callbacks run inside of its input and its timers, where a PCB may not be pulled away:
 * calling tcp_abort() there means to return ERR_ABRT and to hope that every caller up the stack has thought
 * of it. Ours record facts, put the flow on ready_list, and return ERR_OK, always. netstack_dispatch() turns
 * facts into events when lwIP has returned. An error callback means that the PCB is gone already: the pointer
 * is dropped, and nothing else.
 *
 * Sending. Bytes live in sendq.h's chunks from flow_reserve() to the peer's ACK. A commit makes the flow
 * dirty; dirty flows are pushed once, at the end of a dispatch or by flow_flush(): lwIP is given references
 * to the chunks. Nobody else may keep such a reference: ARP and ND queues copy (PBUF_NEEDS_COPY in
 * lwipopts.h), because a peer can acknowledge what it never saw.
 *
 * Receiving. lwIP's pbufs are kept (recvq.h) and lent by flow_peek(); the window opens by tcp_recved() when
 * the front-end has consumed.
 *
 * Ending. flow_shutdown() queues the FIN behind what is queued. A flow has ended in order when that was
 * called, the peer's FIN has come, and everything before it was consumed. Then its owner may free it, and
 * what is left of the queue goes out without an owner: the flow stays on "lingering", with all its memory,
 * until the last ACK or FLOW_LINGER_MS. Any other flow_free() resets. lwIP would also reset where a program
 * closes with unread data; it never sees that here, because tcp_close() is not used on open connections.
 *
 * A PCB that has reached TIME_WAIT is lwIP's own business and goes without a word. The way there is partly
 * silent, too (the ACK of a bare FIN calls nobody), so flows whose FIN is handed over are swept after each
 * run of lwIP's timers, which are the ones to free such PCBs, seconds later. */
#include "netstack/flow.h"

#include <assert.h>
#include <stdlib.h>

#include "core/err.h"
#include "netstack/flow_int.h"
#include "netstack/listen.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

/* --- states --------------------------------------------------------------------------------------------- */

void flow_make_ready(struct flow *f, unsigned facts)
{
	f->facts |= facts;
	if (!list_linked(&f->ready))
		list_move_last(&f->ns->ready_list, &f->ready);
}

void flow_make_dirty(struct flow *f)
{
	if (!list_linked(&f->dirty))
		list_move_last(&f->ns->dirty, &f->dirty);
}

void flow_enter(struct flow *f, enum flow_state to)
{
	struct netstack *ns = f->ns;
	bool was_waiting = f->state == FLOW_RESOLVING || f->state == FLOW_RACING || f->state == FLOW_CONNECTING;

	if (f->state == FLOW_HELD && list_linked(&f->age))
		ns->stats.flows_held--;
	if (to == FLOW_HELD) {
		ns->stats.flows_held++;
		f->since = netstack_now();
		list_move_last(&ns->held, &f->age);
	} else if (to == FLOW_RESOLVING || to == FLOW_RACING || to == FLOW_CONNECTING) {
		if (!was_waiting) { /* one deadline for both */
			f->since = netstack_now();
			list_move_last(&ns->connecting, &f->age);
		}
	} else {
		list_del(&f->age);
	}
	f->state = to;
}

/* --- the PCB -------------------------------------------------------------------------------------------- */

void flow_forget_pcb(struct flow *f)
{
	if (!f->pcb)
		return;
	f->pcb = NULL;
	f->resend = false;
	list_del(&f->refused);
	list_del(&f->finishing);
	list_del(&f->dirty);
	list_del(&f->acks);
	flow_charge(f);
}

static struct tcp_pcb *detach_pcb(struct flow *f)
{
	struct tcp_pcb *pcb = f->pcb;

	flow_forget_pcb(f);
	if (!pcb)
		return NULL;
	tcp_arg(pcb, NULL);
	if (pcb->state != TIME_WAIT) {
		tcp_recv(pcb, NULL);
		tcp_sent(pcb, NULL);
		tcp_err(pcb, NULL);
	}
	return pcb;
}

void flow_drop_pcb(struct flow *f, bool reset)
{
	struct tcp_pcb *pcb = detach_pcb(f);

	if (!pcb)
		return;
	if (pcb->state == SYN_SENT || pcb->state == CLOSED)
		tcp_close(pcb);
	else
		tcp_abandon(pcb, reset);
}

/* --- breaking ------------------------------------------------------------------------------------------- */

void flow_stop_looking(struct flow *f)
{
	struct race *r = f->race;

	resolve_cancel(&f->waiter);
	f->race = NULL;
	race_free(r);
}

struct flow *flow_new(struct netstack *ns)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->ns = ns;
	struct node *nodes[] = { &f->all, &f->age, &f->ready, &f->dirty, &f->acks, &f->refused, &f->finishing, &f->waiter.node };
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		list_init(nodes[i]);
	list_move_last(&ns->all, &f->all);
	ns->stats.flows++;
	return f;
}

void flow_destroy(struct flow *f)
{
	struct netstack *ns = f->ns;

	assert(!f->pcb);
	flow_stop_looking(f);
	if (f->state == FLOW_HELD)
		flow_enter(f, FLOW_BROKEN); /* out of the count */
	list_del(&f->age);
	list_del(&f->ready);
	list_del(&f->dirty);
	list_del(&f->acks);
	list_del(&f->refused);
	list_del(&f->finishing);
	list_del(&f->all);
	ns->stats.flows--;
	recvq_fini(&f->rx);
	sendq_fini(&f->tx);
	flow_charge(f);
	free(f);
}

void flow_break(struct flow *f, int err, bool reset)
{
	flow_drop_pcb(f, reset);
	flow_stop_looking(f);
	sendq_clear(&f->tx);
	flow_charge(f);
	if (f->orphan) {
		flow_make_ready(f, 0); /* to be reaped */
		return;
	}
	flow_enter(f, FLOW_BROKEN);
	f->err = err;
	f->facts &= ~(unsigned)(FACT_RESOLVED | FACT_REFUSED | FACT_WRITABLE | FACT_LOST);
	flow_make_ready(f, FACT_CLOSED);
}

static bool is_our_address(struct netstack *ns, const struct ip *ip)
{
	ip_addr_t a;

	ip_to_lwip(&a, ip);
	if (!ns->driver)
		return false;
	return IP_IS_V4(&a) ? ip4_addr_eq(ip_2_ip4(&a), netif_ip4_addr(&ns->netif)) :
			      netif_get_ip6_addr_match(&ns->netif, ip_2_ip6(&a)) >= 0;
}

/* The reason of an error callback. lwIP says the same, ERR_ABRT, for "no answer" and for "our address is
 * gone". */
static int lost_reason(const struct flow *f)
{
	if (f->lwip_err == ERR_RST)
		return f->state == FLOW_CONNECTING ? VE_REFUSED : VE_RESET;
	return is_our_address(f->ns, &f->local) ? VE_TIMEOUT : VE_DOWN;
}

static bool all_received(const struct flow *f)
{
	return f->rx_fin && f->rx.len == 0;
}

static void check_end(struct flow *f)
{
	if (f->state != FLOW_OPEN || !f->tx_shut || !all_received(f))
		return;
	flow_enter(f, FLOW_ENDED);
	flow_make_ready(f, FACT_CLOSED);
}

/* --- lwIP's callbacks: facts only ----------------------------------------------------------------------- */

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct flow *f = arg;

	(void)pcb, (void)err;
	if (p)
		recvq_put(&f->rx, p);
	else
		f->rx_fin = true;
	flow_make_ready(f, FACT_READABLE);
	return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct flow *f = arg;

	/* A probe into a closed window can carry all there was to send. lwIP does not stop its persist timer
	 * when that is acknowledged, and asserts that it has something to send when it runs out. */
	if (!pcb->unsent)
		pcb->persist_backoff = 0;
	sendq_acked(&f->tx, len);
	flow_send_acked(f, len);
	if (f->tx.write || (tcp_has_to_send(pcb) && !list_linked(&f->refused)))
		flow_make_dirty(f);
	if (f->tx_starved && flow_send_room(f)) {
		f->tx_starved = false;
		flow_make_ready(f, FACT_WRITABLE);
	}
	return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
	struct flow *f = arg;

	flow_forget_pcb(f);
	f->lwip_err = err;
	flow_make_ready(f, err == ERR_CLSD ? 0 : FACT_LOST); /* CLSD: the last ACK of a connection that both have finished */
}

void flow_set_up_pcb(struct tcp_pcb *pcb, struct flow *f)
{
	tcp_nagle_disable(pcb);
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = FLOW_KEEPALIVE_MS;
	pcb->keep_intvl = FLOW_KEEPALIVE_RETRY_MS;
	pcb->keep_cnt = FLOW_KEEPALIVE_RETRIES;
	tcp_arg(pcb, f);
	tcp_recv(pcb, on_received);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_error);
}

/* --- accepted connections (listen.c) -------------------------------------------------------------------- */

struct flow *flow_accept(struct netstack *ns, struct tcp_pcb *pcb)
{
	struct flow *f = ns->stats.flows < FLOWS_MAX ? flow_new(ns) : NULL;

	if (!f)
		return NULL;
	f->pcb = pcb;
	f->local = ip_from_lwip(&pcb->local_ip);
	f->local_port = pcb->local_port;
	f->remote = ip_from_lwip(&pcb->remote_ip);
	flow_set_up_pcb(pcb, f);
	flow_windows_start(f);
	tcp_backlog_delayed(pcb); /* counts for its port until it has an owner */
	flow_enter(f, FLOW_OPEN);
	return f;
}

void flow_offer(struct flow *f, const struct endpoint *from,
		void (*accepted)(void *ctx, struct flow *f, const struct endpoint *from), void *ctx)
{
	struct netstack *ns = f->ns;

	ns->current = f;
	accepted(ctx, f, from);
	assert(ns->current != f || f->ev); /* adopted, or freed */
	ns->current = NULL;
}

void flow_adopt(struct flow *f, const struct flow_events *ev, void *ctx)
{
	f->ev = ev;
	f->ctx = ctx;
	if (f->pcb)
		tcp_backlog_accepted(f->pcb);
	if (f->facts != 0)
		flow_make_ready(f, 0);
}

void flow_addresses(const struct flow *f, struct ip *ret_local, uint16_t *ret_local_port, struct ip *ret_remote)
{
	*ret_local = f->local;
	*ret_local_port = f->local_port;
	*ret_remote = f->remote;
}

/* --- receiving ------------------------------------------------------------------------------------------ */

int flow_peek(struct flow *f, struct slice *v, int max)
{
	return all_received(f) ? VE_EOF : recvq_peek(&f->rx, v, max);
}

void flow_consume(struct flow *f, size_t n)
{
	recvq_consume(&f->rx, n);
	flow_window_consumed(f, n);
	check_end(f);
}

/* --- sending -------------------------------------------------------------------------------------------- */

uint8_t *flow_reserve(struct flow *f, size_t *room)
{
	uint8_t *p;
	int r;

	*room = 0;
	if (f->state != FLOW_OPEN || f->tx_shut)
		return NULL;
	r = sendq_reserve(&f->tx, f->tx_pace.cap, flow_memory_left(f->ns), &p, room);
	flow_charge(f);
	if (r == 0)
		return p;
	if (r == VE_AGAIN)
		f->tx_starved = f->tx_pace.wanted = true;
	else
		flow_break(f, r, true); /* there may never be an ACK to make us try again */
	return NULL;
}

void flow_commit(struct flow *f, size_t n)
{
	sendq_commit(&f->tx, n);
	if (f->state != FLOW_OPEN)
		sendq_fini(&f->tx); /* broken since the room was lent */
	else if (n > 0)
		flow_make_dirty(f);
	flow_charge(f);
}

void flow_shutdown(struct flow *f)
{
	if (f->tx_shut || f->state == FLOW_BROKEN)
		return;
	f->tx_shut = true;
	if (f->state == FLOW_OPEN)
		flow_make_dirty(f);
	check_end(f);
}

/* Give lwIP what it takes. */
static void write_all(struct flow *f)
{
	for (;;) {
		bool more;
		struct slice s = sendq_peek(&f->tx, &more);
		size_t n = min_size(min_size(s.n, tcp_sndbuf(f->pcb)), UINT16_MAX);

		more = more || n < s.n;
		if (n == 0 || tcp_write(f->pcb, s.p, (u16_t)n, more ? TCP_WRITE_FLAG_MORE : 0) != ERR_OK)
			return;
		sendq_written(&f->tx, n);
	}
}

static void push(struct flow *f)
{
	if (!f->pcb || (f->state != FLOW_OPEN && f->state != FLOW_ENDED))
		return;
	if (f->tx_fin) {
		tcp_output(f->pcb);
		return;
	}
	write_all(f); /* even if nothing can go out now: the client's FIN may come behind it */
	if (f->tx.write && f->pcb->snd_queuelen == 0)
		flow_make_dirty(f); /* no memory, and no ACK to wait for: again with the timer */
	if (!f->tx.write && f->tx_shut) {
		f->tx_fin = true;
		list_move_last(&f->ns->finishing, &f->finishing);
		tcp_shutdown(f->pcb, 0, 1); /* without memory, lwIP repeats it by itself */
	}
	if (!list_linked(&f->refused)) /* else it waits for its turn when there is room */
		tcp_output(f->pcb);
}

/* Flows take turns of TCP_OUTPUT_QUANTUM bytes, until all is out that may be, or the session is full. */
void flow_push_all(struct netstack *ns)
{
	struct node batch;

	list_init(&batch);
	list_take_all(&batch, &ns->dirty);
	while (!list_empty(&batch)) {
		struct flow *f = flow_of(batch.next, dirty);
		uint32_t before = f->pcb ? f->pcb->snd_nxt : 0;

		list_del(&f->dirty);
		push(f);
		if (f->pcb && f->pcb->snd_nxt != before && tcp_has_to_send(f->pcb) && !list_linked(&f->refused))
			list_move_last(&batch, &f->dirty);
	}
	flow_ack_all(ns);
}

/* --- output that was refused ---------------------------------------------------------------------------- */

struct flow *flow_between(uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port)
{
	for (struct tcp_pcb *p = *tcp_hash_bucket(remote, remote_port, local_port); p; p = p->hash_next)
		if (p->local_port == local_port && p->remote_port == remote_port &&
		    ip_addr_zoneless_eq(&p->remote_ip, remote))
			return p->state == SYN_RCVD ? NULL : p->callback_arg;
	return NULL;
}

void flow_on_refused(struct netstack *ns, uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port, bool sent)
{
	struct flow *f = flow_between(local_port, remote, remote_port);

	if (!f)
		return; /* the last ACK of a connection in TIME_WAIT: the peer will ask for it */
	if (sent)
		f->resend = true;
	if (!list_linked(&f->refused))
		list_move_last(&ns->refused, &f->refused);
}

/* The ACK flag goes first: lwIP clears it when its timer has tried, whatever came of that. With data to send
 * it costs nothing, without it is the ACK that was refused. */
static void retry(struct flow *f)
{
	if (f->resend)
		tcp_rexmit_rto(f->pcb);
	f->resend = false;
	if (f->pcb->state >= ESTABLISHED)
		tcp_ack_now(f->pcb);
	tcp_output(f->pcb);
}

void flow_retry_refused(struct netstack *ns)
{
	struct node batch, *last = NULL;
	uint32_t before;

	list_init(&batch);
	list_take_all(&batch, &ns->refused);
	while (!list_empty(&batch) && !last) {
		struct flow *f = flow_of(batch.next, refused);

		list_del(&f->refused);
		before = f->pcb->snd_nxt;
		retry(f);
		if (list_linked(&f->refused))
			last = &f->refused; /* full again: it has had its turn, the others come first then */
		else if (f->pcb->snd_nxt != before && tcp_has_to_send(f->pcb))
			list_move_last(&batch, &f->refused); /* it has had its turn, and there is room for another */
	}
	while (!list_empty(&batch))
		list_move_last(&ns->refused, batch.next);
	if (last)
		list_move_last(&ns->refused, last);
}

/* --- events --------------------------------------------------------------------------------------------- */

/* Call an event. Returns false if the flow does not exist any more. */
static bool tell(struct flow *f, void (*event)(void *ctx))
{
	struct netstack *ns = f->ns;

	event(f->ctx);
	return ns->current == f;
}

/* Facts that are no events themselves. */
static void act(struct flow *f, unsigned facts)
{
	if ((facts & FACT_RESOLVED) && f->state == FLOW_RESOLVING) {
		if (f->err != 0)
			flow_break(f, f->err, false);
		else
			flow_start_found(f);
	}
	if ((facts & FACT_REFUSED) && f->state == FLOW_CONNECTING)
		flow_break(f, f->err, false);
	if ((facts & FACT_LOST) && f->state != FLOW_BROKEN && f->state != FLOW_ENDED)
		flow_break(f, lost_reason(f), false);
	check_end(f);
}

static void deliver(struct flow *f)
{
	unsigned facts = f->facts;

	f->facts = 0;
	act(f, facts);
	if ((facts & FACT_OPENED) && !tell(f, f->ev->opened))
		return;
	if ((facts & FACT_READABLE) && !tell(f, f->ev->readable))
		return;
	if ((facts & FACT_WRITABLE) && f->state == FLOW_OPEN && !tell(f, f->ev->writable))
		return;
	facts |= f->facts & FACT_CLOSED; /* from act(), or from what an event did */
	f->facts &= ~(unsigned)FACT_CLOSED;
	if (facts & FACT_CLOSED)
		f->ev->closed(f->ctx, f->state == FLOW_ENDED ? 0 : f->err);
}

void flow_deliver_all(struct netstack *ns)
{
	struct node batch;

	list_init(&batch);
	list_take_all(&batch, &ns->ready_list);
	while (!list_empty(&batch)) {
		struct flow *f = flow_of(batch.next, ready);

		list_del(&f->ready);
		if (f->orphan) {
			if (!f->pcb)
				flow_destroy(f);
			continue;
		}
		if (!f->ev)
			continue; /* flow_adopt() comes back to it */
		ns->current = f;
		deliver(f);
		ns->current = NULL;
	}
}

/* --- the link comes and goes ---------------------------------------------------------------------------- */

/* What was under way when the link went is lost. Send it again now, not when the timer that has backed off
 * meanwhile runs out, and not all at once. */
static void resume(struct tcp_pcb *pcb)
{
	tcpwnd_size_t flight = LWIP_MIN(pcb->cwnd, pcb->snd_wnd);

	pcb->nrtx = 0;
	pcb->rto = (s16_t)((pcb->sa >> 3) + pcb->sv);
	if (tcp_rexmit_rto_prepare(pcb) == ERR_OK) {
		pcb->rtime = 0;
		pcb->bytes_acked = 0;
		pcb->ssthresh = LWIP_MAX(flight / 2, (tcpwnd_size_t)(2 * pcb->mss));
		pcb->cwnd = (tcpwnd_size_t)LWIP_TCP_CALC_INITIAL_CWND(pcb->mss);
	}
	if (pcb->state >= ESTABLISHED)
		tcp_ack_now(pcb);
	tcp_output(pcb);
}

void flow_link_ready(struct netstack *ns)
{
	for (struct node *n = ns->all.next; n != &ns->all; n = n->next) {
		struct flow *f = flow_of(n, all);

		if (f->pcb)
			resume(f->pcb);
	}
	while (!list_empty(&ns->held))
		flow_start(flow_of(ns->held.next, age));
}

void flow_give_up(struct netstack *ns)
{
	struct node *next;

	for (struct node *n = ns->all.next; n != &ns->all; n = next) {
		struct flow *f = flow_of(n, all);

		next = n->next;
		if (f->state == FLOW_OPEN)
			flow_break(f, VE_DOWN, false);
		else if (f->state == FLOW_ENDED)
			flow_drop_pcb(f, false);
		if (f->orphan)
			flow_destroy(f);
	}
}

/* --- time ----------------------------------------------------------------------------------------------- */

/* lwIP keeps ESTABLISHED and CLOSE_WAIT alive, but not a connection of which only our half is closed. */
static void keep_alive(struct flow *f)
{
	struct tcp_pcb *pcb = f->pcb;
	uint64_t idle = (uint64_t)(tcp_ticks - pcb->tmr) * TCP_SLOW_INTERVAL;

	if (pcb->state != FIN_WAIT_2 || idle <= FLOW_KEEPALIVE_MS + pcb->keep_cnt_sent * FLOW_KEEPALIVE_RETRY_MS)
		return;
	if (pcb->keep_cnt_sent >= FLOW_KEEPALIVE_RETRIES)
		flow_break(f, VE_TIMEOUT, true);
	else if (tcp_keepalive(pcb) == ERR_OK)
		pcb->keep_cnt_sent++;
}

void flow_sweep_finishing(struct netstack *ns)
{
	struct node *next;

	for (struct node *n = ns->finishing.next; n != &ns->finishing; n = next) {
		struct flow *f = flow_of(n, finishing);

		next = n->next;
		if (f->pcb->state != TIME_WAIT) {
			keep_alive(f);
			continue;
		}
		detach_pcb(f);
		if (f->orphan)
			flow_destroy(f);
	}
}

/* The oldest flow of a ring that has been in it for @ms, or NULL. */
static struct flow *expired(const struct node *ring, uint64_t ms, uint64_t now)
{
	struct flow *f = list_empty(ring) ? NULL : flow_of(ring->next, age);

	return f && now - f->since >= ms ? f : NULL;
}

void flow_tick(struct netstack *ns, uint64_t now)
{
	struct flow *f;

	flow_sweep_finishing(ns);
	while ((f = expired(&ns->held, ns->conf.hold_ms, now)))
		flow_break(f, VE_DOWN, false);
	while ((f = expired(&ns->connecting, FLOW_CONNECT_MS, now))) {
		bool missing = f->pcb && ns->driver->hop_missing(ns, &f->pcb->remote_ip);

		flow_break(f, missing ? VE_UNREACH : VE_TIMEOUT, false);
	}
	while ((f = expired(&ns->lingering, FLOW_LINGER_MS, now))) {
		flow_drop_pcb(f, true);
		flow_destroy(f);
	}
}

static uint64_t ring_deadline(const struct node *ring, uint64_t ms)
{
	return list_empty(ring) ? UINT64_MAX : flow_of(ring->next, age)->since + ms;
}

uint64_t flow_deadline(const struct netstack *ns)
{
	uint64_t at = ring_deadline(&ns->held, ns->conf.hold_ms);
	uint64_t connect = ring_deadline(&ns->connecting, FLOW_CONNECT_MS);
	uint64_t linger = ring_deadline(&ns->lingering, FLOW_LINGER_MS);

	at = at < connect ? at : connect;
	return at < linger ? at : linger;
}

/* --- the end -------------------------------------------------------------------------------------------- */

void flow_free(struct flow *f)
{
	struct netstack *ns;

	if (!f)
		return;
	ns = f->ns;
	if (ns->current == f)
		ns->current = NULL;
	check_end(f);
	if (f->pcb && f->pcb->state == TIME_WAIT)
		detach_pcb(f); /* nothing of it is left to be sent */
	if (f->state != FLOW_ENDED || !f->pcb) {
		flow_drop_pcb(f, true);
		flow_destroy(f);
		return;
	}
	recvq_fini(&f->rx);
	flow_charge(f);
	f->orphan = true;
	f->facts = 0;
	f->since = netstack_now();
	list_move_last(&ns->lingering, &f->age);
}

void flow_free_lingering(struct netstack *ns)
{
	while (!list_empty(&ns->lingering)) {
		struct flow *f = flow_of(ns->lingering.next, age);

		flow_drop_pcb(f, false);
		flow_destroy(f);
	}
}
