/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ppp_fsm.c - RFC 1661: the table of 4.1, what its actions do, and the packets that become its events.
 *
 * A packet is parsed, its identifier compared, its options walked; what is left is one event, which step()
 * looks up. step() is the only place that changes the state. The new state stands before the actions run,
 * "down" comes first of them and "up" and "finished" last, so a callback may stop or start what lies above.
 *
 * The peer's request is judged in one walk that gives each option a verdict; one Reject makes the reply a
 * Reject of just those options, else one Nak makes it a Nak, else the request itself is the Ack. Our own
 * request is a bit for each row of the table: Reject clears bits, Nak changes what a row writes. */
#include "core/sstp/ppp_fsm.h"

enum { CONF_REQ = 1, CONF_ACK, CONF_NAK, CONF_REJ, TERM_REQ, TERM_ACK, CODE_REJ, ECHO_REP = 10 };

/* --- the table ---------------------------------------------------------------------------------------- */

#define TO(n) { true, 0, n }
#define DO(actions, n) { true, actions, n }
#define __ { false, 0, 0 }

/* The actions as the RFC spells them. */
enum {
	tld = FSM_TLD, tls = FSM_TLS, irc = FSM_IRC, zrc = FSM_ZRC, scr = FSM_SCR, sca = FSM_SCA,
	scn = FSM_SCN, str = FSM_STR, sta = FSM_STA, scj = FSM_SCJ, ser = FSM_SER, tlu = FSM_TLU,
	tlf = FSM_TLF,
};

/* clang-format off */
static const struct fsm_cell table[FSM_EVENTS][FSM_STATES] = {
	/*                  0 Initial  1 Starting     2 Closed       3 Stopped          4 Closing
	 *                  5 Stopping 6 Req-Sent     7 Ack-Rcvd     8 Ack-Sent         9 Opened */
	[FSM_UP] = {        TO(2),     DO(irc|scr,6), __,            __,                __,
	                    __,        __,            __,            __,                __ },
	[FSM_DOWN] = {      __,        __,            TO(0),         DO(tls,1),         TO(0),
	                    TO(1),     TO(1),         TO(1),         TO(1),             DO(tld,1) },
	[FSM_OPEN] = {      DO(tls,1), TO(1),         DO(irc|scr,6), TO(3),             TO(5),
	                    TO(5),     TO(6),         TO(7),         TO(8),             TO(9) },
	[FSM_CLOSE] = {     TO(0),     DO(tlf,0),     TO(2),         TO(2),             TO(4),
	                    TO(4),     DO(irc|str,4), DO(irc|str,4), DO(irc|str,4),     DO(tld|irc|str,4) },
	[FSM_TO_PLUS] = {   __,        __,            __,            __,                DO(str,4),
	                    DO(str,5), DO(scr,6),     DO(scr,6),     DO(scr,8),         __ },
	[FSM_TO_MINUS] = {  __,        __,            __,            __,                DO(tlf,2),
	                    DO(tlf,3), DO(tlf,3),     DO(tlf,3),     DO(tlf,3),         __ },
	[FSM_RCR_PLUS] = {  __,        __,            DO(sta,2),     DO(irc|scr|sca,8), TO(4),
	                    TO(5),     DO(sca,8),     DO(sca|tlu,9), DO(sca,8),         DO(tld|scr|sca,8) },
	[FSM_RCR_MINUS] = { __,        __,            DO(sta,2),     DO(irc|scr|scn,6), TO(4),
	                    TO(5),     DO(scn,6),     DO(scn,7),     DO(scn,6),         DO(tld|scr|scn,6) },
	[FSM_RCA] = {       __,        __,            DO(sta,2),     DO(sta,3),         TO(4),
	                    TO(5),     DO(irc,7),     DO(scr,6),     DO(irc|tlu,9),     DO(tld|scr,6) },
	[FSM_RCN] = {       __,        __,            DO(sta,2),     DO(sta,3),         TO(4),
	                    TO(5),     DO(irc|scr,6), DO(scr,6),     DO(irc|scr,8),     DO(tld|scr,6) },
	[FSM_RTR] = {       __,        __,            DO(sta,2),     DO(sta,3),         DO(sta,4),
	                    DO(sta,5), DO(sta,6),     DO(sta,6),     DO(sta,6),         DO(tld|zrc|sta,5) },
	[FSM_RTA] = {       __,        __,            TO(2),         TO(3),             DO(tlf,2),
	                    DO(tlf,3), TO(6),         TO(6),         TO(8),             DO(tld|scr,6) },
	[FSM_RUC] = {       __,        __,            DO(scj,2),     DO(scj,3),         DO(scj,4),
	                    DO(scj,5), DO(scj,6),     DO(scj,7),     DO(scj,8),         DO(scj,9) },
	[FSM_RXJ_PLUS] = {  __,        __,            TO(2),         TO(3),             TO(4),
	                    TO(5),     TO(6),         TO(6),         TO(8),             TO(9) },
	[FSM_RXJ_MINUS] = { __,        __,            DO(tlf,2),     DO(tlf,3),         DO(tlf,2),
	                    DO(tlf,3), DO(tlf,3),     DO(tlf,3),     DO(tlf,3),         DO(tld|irc|str,5) },
	[FSM_RXR] = {       __,        __,            TO(2),         TO(3),             TO(4),
	                    TO(5),     TO(6),         TO(7),         TO(8),             DO(ser,9) },
};
/* clang-format on */

struct fsm_cell ppp_fsm_cell(enum fsm_state state, enum fsm_event event)
{
	return table[event][state];
}

/* --- actions ------------------------------------------------------------------------------------------ */

/* The packet that an event's actions may answer. */
struct cause {
	uint8_t id;
	struct slice reply; /* data of the Ack, Nak, Reject, Echo-Reply; the rejected packet */
	bool reject;        /* FSM_SCN is a Reject */
};

static const struct cause no_packet;

void ppp_fsm_send_as(struct ppp_fsm *f, uint8_t code, uint8_t id, struct slice data)
{
	uint8_t packet[PPP_INFO_MAX];
	struct wr w = wr_init(packet, sizeof(packet));

	ppp_control_write(&w, code, id, data);
	if (wr_ok(&w))
		f->link->send(f->link->ctx, f->ops->protocol, (struct slice){ .p = packet, .n = w.n });
}

uint8_t ppp_fsm_send(struct ppp_fsm *f, uint8_t code, struct slice data)
{
	uint8_t id = f->next_id++;

	ppp_fsm_send_as(f, code, id, data);
	return id;
}

static void write_request(struct ppp_fsm *f)
{
	struct wr w = wr_init(f->request, sizeof(f->request));

	for (unsigned row = 0; row < f->ops->noptions; row++) {
		size_t at = w.n;

		if (!(f->want & 1u << row))
			continue;
		wr_u8(&w, f->ops->options[row].type);
		wr_u8(&w, 0);
		f->ops->options[row].write(f, row, &w);
		if (wr_ok(&w))
			w.p[at + 1] = (uint8_t)(w.n - at);
	}
	f->request_len = w.n;
}

static void send_stored_request(struct ppp_fsm *f)
{
	ppp_fsm_send_as(f, CONF_REQ, f->request_id, (struct slice){ .p = f->request, .n = f->request_len });
}

/* A request without an answer is repeated as it is, so that a late answer to the first copy still counts.
 * After an answer the identifier has to change (RFC 1661 5.1). */
static void send_request(struct ppp_fsm *f)
{
	if (!f->pending) {
		write_request(f);
		f->request_id = f->next_id++;
		f->pending = true;
	}
	send_stored_request(f);
}

static void start_timer(struct ppp_fsm *f, unsigned ms)
{
	f->deadline = f->now + ms;
}

static void run_sends(struct ppp_fsm *f, unsigned actions, const struct cause *c)
{
	if (actions & FSM_SCR) {
		f->restarts -= f->restarts > 0;
		start_timer(f, PPP_RESTART_MS);
		send_request(f);
	}
	if (actions & FSM_SCA)
		ppp_fsm_send_as(f, CONF_ACK, c->id, c->reply);
	if (actions & FSM_SCN)
		ppp_fsm_send_as(f, c->reject ? CONF_REJ : CONF_NAK, c->id, c->reply);
	if (actions & FSM_STR) {
		f->restarts -= f->restarts > 0;
		start_timer(f, PPP_TERMINATE_MS);
		ppp_fsm_send(f, TERM_REQ,
			     (struct slice){ .p = (const uint8_t *)f->reason, .n = strlen(f->reason) });
	}
	if (actions & FSM_STA)
		ppp_fsm_send_as(f, TERM_ACK, c->id, (struct slice){ 0 });
	if ((actions & FSM_SCJ) && rate_allows(&f->link->rejects, PPP_REJECTS_A_SECOND, f->now))
		ppp_fsm_send(f, CODE_REJ, c->reply);
	if (actions & FSM_SER)
		ppp_fsm_send_as(f, ECHO_REP, c->id, c->reply);
}

/* The one place where the state changes. */
static void step(struct ppp_fsm *f, enum fsm_event event, const struct cause *c)
{
	const struct fsm_cell *cell = &table[event][f->state];

	if (!cell->possible)
		return;
	f->state = (enum fsm_state)cell->next;
	if (cell->actions & FSM_TLD)
		f->ops->down(f);
	if (cell->actions & FSM_IRC) {
		f->restarts = cell->actions & FSM_STR ? PPP_TERMINATES_MAX : PPP_CONFIGURES_MAX;
		start_timer(f, PPP_RESTART_MS);
	}
	if (cell->actions & FSM_ZRC) {
		f->restarts = 0;
		start_timer(f, PPP_RESTART_MS);
	}
	if (f->state <= FSM_STOPPED || f->state == FSM_OPENED)
		f->deadline = UINT64_MAX;
	run_sends(f, cell->actions, c);
	if (cell->actions & FSM_TLU)
		f->ops->up(f);
	if (cell->actions & FSM_TLF)
		f->ops->finished(f, f->end);
}

/* --- the peer's request ------------------------------------------------------------------------------- */

/* A peer's option and what we think of it. */
struct judged {
	uint8_t type;
	struct slice raw; /* type, length, value */
	enum ppp_verdict verdict;
};

/* One option off @r; false at the end and at a malformed one (then @r is bad). */
static bool next_option(struct rd *r, uint8_t *ret_type, struct slice *ret_raw)
{
	struct slice rest = rd_rest(r);
	uint8_t type, length;

	if (rest.n == 0)
		return false;
	type = rd_u8(r);
	length = rd_u8(r);
	if (length < 2) {
		r->bad = true;
		return false;
	}
	rd_skip(r, length - 2u);
	if (!rd_ok(r))
		return false;
	*ret_type = type;
	*ret_raw = (struct slice){ .p = rest.p, .n = length };
	return true;
}

static struct slice value_of(struct slice raw)
{
	return (struct slice){ .p = raw.p + 2, .n = raw.n - 2 };
}

/* The row of a type, or noptions. */
static unsigned row_of(const struct ppp_fsm *f, uint8_t type)
{
	unsigned row = 0;

	while (row < f->ops->noptions && f->ops->options[row].type != type)
		row++;
	return row;
}

static bool fits(const struct ppp_option *o, struct slice raw)
{
	return o->length == PPP_OPTION_ANY || raw.n == o->length + 2u;
}

static enum ppp_verdict judge(struct ppp_fsm *f, uint8_t type, struct slice raw, struct wr *nak)
{
	unsigned row = row_of(f, type);
	const struct ppp_option *o = &f->ops->options[row];
	enum ppp_verdict v;
	size_t at = nak->n;

	if (row == f->ops->noptions || !o->check || !fits(o, raw))
		return PPP_REJECT;
	wr_u8(nak, type);
	wr_u8(nak, 0);
	v = o->check(f, row, value_of(raw), nak);
	if (v == PPP_NAK && f->naks_sent >= PPP_NAKS_MAX)
		v = PPP_REJECT;
	if (v == PPP_NAK && wr_ok(nak))
		nak->p[at + 1] = (uint8_t)(nak->n - at);
	else
		nak->n = at;
	return v;
}

/* Collect the options that are rejected. */
static struct slice rejected_options(const struct judged *v, size_t n, uint8_t *buf, size_t cap)
{
	struct wr w = wr_init(buf, cap);

	for (size_t i = 0; i < n; i++) {
		if (v[i].verdict == PPP_REJECT)
			wr_bytes(&w, v[i].raw.p, v[i].raw.n);
	}
	return (struct slice){ .p = buf, .n = w.n };
}

void ppp_fsm_echo(struct ppp_fsm *f, uint8_t id, struct slice reply)
{
	const struct cause c = { .id = id, .reply = reply };

	step(f, FSM_RXR, &c);
}

bool ppp_fsm_is_request(const struct ppp_control *p)
{
	struct rd r = p->data;
	struct slice raw;
	uint8_t type;

	while (next_option(&r, &type, &raw))
		;
	return p->code == CONF_REQ && rd_done(&r);
}

bool ppp_fsm_is_repeat(const struct ppp_fsm *f, const struct ppp_control *p)
{
	struct slice data = rd_rest(&p->data);

	return f->state == FSM_OPENED && p->code == CONF_REQ && f->acked_len > 0 && p->id == f->acked_id &&
	       data.n == f->acked_len && memcmp(data.p, f->acked, data.n) == 0;
}

static void remember_acked(struct ppp_fsm *f, uint8_t id, struct slice options)
{
	f->acked_id = id;
	f->acked_len = options.n <= sizeof(f->acked) ? options.n : 0;
	if (f->acked_len > 0)
		memcpy(f->acked, options.p, options.n);
}

static void reply_to_request(struct ppp_fsm *f, enum ppp_verdict v, const struct cause *c)
{
	if (!f->heard && f->pending && f->state == FSM_REQ_SENT)
		send_stored_request(f);
	f->heard = true;
	if (v == PPP_ACK) {
		f->naks_sent = 0;
		remember_acked(f, c->id, c->reply);
	} else if (v == PPP_NAK) {
		f->naks_sent++;
	}
	step(f, v == PPP_ACK ? FSM_RCR_PLUS : FSM_RCR_MINUS, c);
	if (f->ops->replied)
		f->ops->replied(f, v);
}

static void on_request(struct ppp_fsm *f, const struct ppp_control *p)
{
	struct judged v[PPP_OPTIONS_MAX];
	uint8_t naks[PPP_OPTIONS_MAX * 10]; /* the longest that we write is IPV6CP's: 10 bytes */
	uint8_t rejects[PPP_INFO_MAX];
	struct wr nak = wr_init(naks, sizeof(naks));
	struct cause c = { .id = p->id, .reply = rd_rest(&p->data) };
	enum ppp_verdict worst = PPP_ACK;
	struct rd r = p->data;
	size_t n = 0;

	if (ppp_fsm_is_repeat(f, p)) {
		ppp_fsm_send_as(f, CONF_ACK, p->id, c.reply);
		return;
	}
	while (n < PPP_OPTIONS_MAX && next_option(&r, &v[n].type, &v[n].raw))
		n++;
	if (!rd_done(&r))
		return;
	if (f->ops->begin)
		f->ops->begin(f);
	for (size_t i = 0; i < n; i++) {
		v[i].verdict = judge(f, v[i].type, v[i].raw, &nak);
		worst = v[i].verdict > worst ? v[i].verdict : worst;
	}
	if (worst == PPP_REJECT)
		c.reply = rejected_options(v, n, rejects, sizeof(rejects));
	else if (worst == PPP_NAK)
		c.reply = (struct slice){ .p = naks, .n = nak.n };
	c.reject = worst == PPP_REJECT;
	reply_to_request(f, worst, &c);
}

/* --- answers to ours ---------------------------------------------------------------------------------- */

/* The identifier is the latest, and nothing has been made of an answer to it yet. In Closed and Stopped the
 * table wants to hear of every answer: the peer has to be told that we are not there. */
static bool is_for_us(const struct ppp_fsm *f, const struct ppp_control *p)
{
	if (f->state == FSM_CLOSED || f->state == FSM_STOPPED)
		return true;
	return f->pending && p->id == f->request_id;
}

static void on_ack(struct ppp_fsm *f, const struct ppp_control *p)
{
	const struct cause c = { .id = p->id };
	struct slice data = rd_rest(&p->data);

	if (f->state >= FSM_REQ_SENT && (data.n != f->request_len || memcmp(data.p, f->request, data.n) != 0))
		return;
	f->pending = false;
	f->answered = true;
	f->rounds = 0;
	step(f, FSM_RCA, &c);
}

/* The options of a Nak or Reject that we had asked for, given to their rows. Returns how many there were,
 * -1 if the packet is malformed. */
static int take_options(struct ppp_fsm *f, const struct ppp_control *p)
{
	struct rd check = p->data, r = p->data;
	struct slice raw;
	uint8_t type;
	int n = 0;

	while (next_option(&check, &type, &raw))
		;
	if (!rd_done(&check))
		return -1;
	while (next_option(&r, &type, &raw)) {
		unsigned row = row_of(f, type);
		const struct ppp_option *o = &f->ops->options[row];

		if (row == f->ops->noptions || !(f->want & 1u << row))
			continue;
		n++;
		if (p->code == CONF_REJ) {
			f->want &= ~(1u << row);
			if (o->rejected)
				o->rejected(f, row);
		} else if (o->nakked && fits(o, raw)) {
			o->nakked(f, row, value_of(raw));
		}
	}
	return n;
}

static void on_nak_or_reject(struct ppp_fsm *f, const struct ppp_control *p)
{
	const struct cause c = { .id = p->id };

	if (f->state >= FSM_REQ_SENT) {
		int n = take_options(f, p);

		if (n < 0 || (n == 0 && p->code == CONF_REJ))
			return;
		f->pending = false;
		f->answered = true;
		if (f->give_up || ++f->rounds > PPP_ROUNDS_MAX) {
			f->end = FSM_END_STUCK;
			step(f, FSM_RXJ_MINUS, &c);
			return;
		}
	}
	step(f, FSM_RCN, &c);
}

/* --- the other packets -------------------------------------------------------------------------------- */

static void on_terminate_request(struct ppp_fsm *f, const struct ppp_control *p)
{
	const struct cause c = { .id = p->id };

	f->end = FSM_END_TERMINATED;
	if (f->ops->terminated)
		f->ops->terminated(f, rd_rest(&p->data));
	step(f, FSM_RTR, &c);
}

static void on_terminate_ack(struct ppp_fsm *f)
{
	step(f, FSM_RTA, &no_packet);
}

static void on_code_reject(struct ppp_fsm *f, const struct ppp_control *p)
{
	struct rd r = p->data;
	uint8_t code = rd_u8(&r);

	if (!rd_ok(&r))
		return;
	if (code >= CONF_REQ && code <= CODE_REJ) {
		f->end = FSM_END_REFUSED;
		step(f, FSM_RXJ_MINUS, &no_packet);
		return;
	}
	if (f->ops->other)
		f->ops->other(f, p);
	step(f, FSM_RXJ_PLUS, &no_packet);
}

static void on_unknown(struct ppp_fsm *f, struct slice packet)
{
	const size_t room = PPP_INFO_MAX - PPP_CONTROL_HEADER;
	const struct cause c = { .reply = { .p = packet.p, .n = min_size(packet.n, room) } };

	step(f, FSM_RUC, &c);
}

static bool is_answer(uint8_t code)
{
	return code == CONF_ACK || code == CONF_NAK || code == CONF_REJ;
}

void ppp_fsm_input(struct ppp_fsm *f, struct slice packet, uint64_t now_ms)
{
	struct ppp_control p;

	if (f->state <= FSM_STARTING || ppp_control_parse(packet, &p))
		return;
	f->now = now_ms;
	if (is_answer(p.code) && !is_for_us(f, &p))
		return;
	switch (p.code) {
	case CONF_REQ:
		on_request(f, &p);
		break;
	case CONF_ACK:
		on_ack(f, &p);
		break;
	case CONF_NAK:
	case CONF_REJ:
		on_nak_or_reject(f, &p);
		break;
	case TERM_REQ:
		on_terminate_request(f, &p);
		break;
	case TERM_ACK:
		on_terminate_ack(f);
		break;
	case CODE_REJ:
		on_code_reject(f, &p);
		break;
	default:
		if (!f->ops->other || !f->ops->other(f, &p))
			on_unknown(f, packet);
	}
}

/* --- administration and time -------------------------------------------------------------------------- */

void ppp_fsm_init(struct ppp_fsm *f, const struct ppp_fsm_ops *ops, struct ppp_link *link)
{
	*f = (struct ppp_fsm){ .ops = ops, .link = link, .state = FSM_INITIAL, .next_id = 1, .reason = "" };
	f->deadline = UINT64_MAX;
	for (unsigned row = 0; row < ops->noptions; row++)
		f->want |= (unsigned)(ops->options[row].write != NULL) << row;
}

static void administer(struct ppp_fsm *f, enum fsm_event event, uint64_t now_ms)
{
	f->now = now_ms;
	step(f, event, &no_packet);
}

void ppp_fsm_open(struct ppp_fsm *f, uint64_t now_ms)
{
	administer(f, FSM_OPEN, now_ms);
}

void ppp_fsm_up(struct ppp_fsm *f, uint64_t now_ms)
{
	administer(f, FSM_UP, now_ms);
}

void ppp_fsm_down(struct ppp_fsm *f, uint64_t now_ms)
{
	f->pending = false;
	administer(f, FSM_DOWN, now_ms);
}

void ppp_fsm_close(struct ppp_fsm *f, const char *reason, uint64_t now_ms)
{
	f->reason = reason;
	f->end = FSM_END_TERMINATED;
	administer(f, FSM_CLOSE, now_ms);
}

void ppp_fsm_rejected(struct ppp_fsm *f, uint64_t now_ms)
{
	f->answered = true;
	f->end = FSM_END_REFUSED;
	administer(f, FSM_RXJ_MINUS, now_ms);
}

void ppp_fsm_tick(struct ppp_fsm *f, uint64_t now_ms)
{
	if (now_ms < f->deadline)
		return;
	if (f->restarts == 0 && f->state >= FSM_REQ_SENT)
		f->end = FSM_END_SILENCE;
	administer(f, f->restarts > 0 ? FSM_TO_PLUS : FSM_TO_MINUS, now_ms);
}
